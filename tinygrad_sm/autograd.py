"""The backward pass: from a result to the gradients of everything it was computed from.

A Tensor remembers the operation that made it and that operation's inputs, so the results of a
computation hang together as a graph. Every Tensor has a creation number, and a result is always
younger than its inputs. Going through the graph from the youngest to the oldest therefore meets a
Tensor only when the gradients from everything computed from it have arrived and been added up:

    gradients = {loss: 1}
    for each result, youngest first:
        take its gradient g
        for each input of its operation: add rule(g, …) to the input's gradient

That loop is `backpropagate` below; `Tensor.backward` and `tinygrad_sm.grad` only hand out what it
leaves.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable
from contextlib import ContextDecorator
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_sm import ops
from tinygrad_sm.errors import GradientError, coded

if TYPE_CHECKING:
    from tinygrad_sm.tensor import Tensor

# ---- recording on and off ----------------------------------------------------------------------


class _Recording(threading.local):
    """Whether operations are recorded, for each thread on its own."""

    on = True

    def __init__(self) -> None:
        self.before: list[bool] = []  # what to go back to, the block entered last at the end


recording = _Recording()
next_number = itertools.count(1).__next__


class no_grad(ContextDecorator):
    """Switch recording off: results in this block need no gradient and keep no graph.

    A context manager and a decorator, for the current thread only.

    >>> from tinygrad_sm import Tensor, no_grad
    >>> w = Tensor(2.0, requires_grad=True)
    >>> with no_grad():
    ...     y = w * 3
    >>> y.requires_grad
    False
    """

    _on = False

    def __enter__(self) -> None:
        recording.before.append(recording.on)
        recording.on = self._on

    def __exit__(self, *exception: object) -> None:
        recording.on = recording.before.pop()


class enable_grad(no_grad):
    """Switch recording back on inside a `no_grad` block.

    >>> from tinygrad_sm import Tensor, enable_grad, no_grad
    >>> w = Tensor(2.0, requires_grad=True)
    >>> with no_grad(), enable_grad():
    ...     y = w * 3
    >>> y.requires_grad
    True
    """

    _on = True


class Version:
    """When the memory that one or several tensors share was last written to."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0


latest_write = Version()  # to any tensor: an older graph need not be searched for it
latest_setting = Version()  # of an attribute of any module: see `surroundings.py`
writing = threading.Lock()  # held to note a write: the latest only ever rises, in any thread


# ---- the backward pass -------------------------------------------------------------------------

_number = attrgetter("number")


def inner_tensors(roots: Iterable[Tensor]) -> list[Tensor]:
    """The roots and all results of operations that they were computed from, youngest first.

    An explicit list, not recursion: a graph may be deeper than Python's stack.
    """
    seen = {*roots}
    found = [*seen]
    for tensor in found:  # the list grows while we walk along it
        for x in tensor._inputs:
            if x._op is not None and x not in seen:
                seen.add(x)
                found.append(x)
    found.sort(key=_number, reverse=True)
    return found


def backpropagate(
    order: list[Tensor],
    gradients: dict[Tensor, Any],
    kept: dict[Tensor, Any],
    among: set[Tensor] | None = None,
    record: bool = False,
    hooks: bool = True,
) -> None:
    """Carry the gradients back to the leaves.

    order: the inner tensors, from the youngest to the oldest.
    gradients: those known at the start, usually {loss: 1}; in the end, those of the leaves.
    kept: where the gradients of inner tensors are put, if they are in it already or retain theirs.
    among: the tensors to compute gradients for, if not for all that require one.
    record: False, the gradients are arrays; True, they are Tensors computed by recorded
        operations, which can be differentiated again.
    hooks: whether to call the tensors' hooks.
    """
    for tensor in order:
        g = gradients.pop(tensor, None)
        if g is None:
            continue
        op = tensor._op
        if op is None:  # a root that is a leaf
            gradients[tensor] = g
            continue
        if tensor._hooks and hooks:
            g = _run_hooks(tensor, g, record)
        if tensor._retains_grad or (kept and tensor in kept):
            kept[tensor] = g
        inputs = tensor._inputs
        if latest_write.number > tensor.number:
            _check_unchanged(tensor, inputs, order[0])
        attributes = tensor._attributes
        # What a rule is called with: g, y, *inputs, and what a fused operation saved.
        values = (g, tensor, *inputs) if record else (g, tensor._data, *tensor._arrays)
        if op.saves:
            values = (*values, None if record else tensor._saved)
        rules: Any = op.rules
        if op.together:
            rules = tuple(map(_known, rules[0](*values, **attributes)))
        for x, rule in zip(inputs, rules):  # noqa: B905 - an optional input may be left out
            if rule is None or not x._requires_grad or (among is not None and x not in among):
                continue
            gx = rule(*values, **attributes) if attributes else rule(*values)
            data = x._data
            if op.broadcasts:
                if gx.shape != data.shape:
                    gx = ops.sum_to(gx, shape=data.shape)
            elif (gx._data if record else gx).size != data.size:  # quicker than the whole shape
                raise GradientError(
                    f"the derivative rule of '{op.name}' gave a gradient of shape {gx.shape} "
                    f"for an input of shape {data.shape}: a gradient has the shape of its tensor"
                )
            if gx.dtype is not data.dtype:
                gx = ops.astype(gx, dtype=data.dtype)
            earlier = gradients.get(x)
            gradients[x] = gx if earlier is None else earlier + gx
    if hooks:
        for leaf, g in gradients.items():
            if leaf._hooks:
                gradients[leaf] = _run_hooks(leaf, g, record)


def _known(gx: Any) -> Callable[..., Any] | None:
    """A rule that gives a gradient computed already, if there is one."""
    return None if gx is None else lambda *values, **attributes: gx


def _check_unchanged(
    tensor: Tensor, inputs: tuple[Tensor, ...], root: Tensor | None = None
) -> None:
    """The rules need the values of the forward pass: refuse if one was overwritten since.

    root: where the backward pass began, from which a parameter's name is found.
    """
    assert tensor._op is not None
    for x in (tensor, *inputs):
        if x._version is not None and x._version.number > tensor.number:
            from tinygrad_sm.graph import parameter_names  # when something is wrong, not before

            names = parameter_names(tensor if root is None else root)
            name = names.get(x) if x.name is None else None
            error = GradientError(
                f"cannot go back through '{tensor._op.name}': {name or x._describe()} was changed "
                "after the operation used it (by an optimizer's step or an assignment to its "
                "data), so the gradient would be wrong. Compute the loss again before calling "
                "backward."
            )
            raise coded(error, "values-changed")


def _run_hooks(tensor: Tensor, g: Any, record: bool) -> Any:
    for hook in tuple((tensor._hooks or {}).values()):
        # A hook sees a copy and its answer is copied: nobody shares memory with a gradient.
        result = hook(g if record else tensor._copied(g))
        if result is None:
            continue
        if not record:
            g = np.array(result, dtype=tensor._data.dtype)
        else:
            g = result if isinstance(result, type(g)) else tensor._copied(np.asarray(result))
        if g.shape != tensor._data.shape:
            raise GradientError(
                f"a hook on {tensor._describe()} returned a gradient of shape {g.shape}; "
                f"it needs the shape of the tensor, {tensor._data.shape}"
            )
    return g
