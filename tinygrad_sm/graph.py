"""Graph: what a tensor was computed from, as plain data. The only thing a picture reads.

>>> from tinygrad_sm import Tensor
>>> x = Tensor(3.0, requires_grad=True, name="x")
>>> y = x * x
>>> y.backward()
>>> for node in Graph(y).nodes:
...     print(node.id, node.kind, node.op or node.name, node.inputs, node.gradient)
n0 parameter x () 6.0
n1 loss multiply ('n0', 'n0') 1.0
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_sm.autograd import backpropagate, inner_tensors
from tinygrad_sm.errors import GradientError
from tinygrad_sm.tensor import Tensor

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Module:
    """One call of a module: everything that was computed in it belongs together."""

    name: str  # dotted, from the outermost module; "" for that one itself
    kind: str  # the class, such as Linear
    inside: tuple[Module, ...]  # the calls around it, outermost first


@dataclass(frozen=True, slots=True)
class Node:
    """One tensor of the graph."""

    id: str
    kind: str  # parameter, input, constant, operation or loss
    op: str | None  # the operation that made it
    attributes: dict[str, Any]  # the operation's settings
    name: str | None  # such as fc1.weight
    modules: tuple[Module, ...]  # the calls that made it, outermost first
    value: Array  # a read-only view
    gradient: Array | None
    note: str  # why there is no gradient, or ""
    rules: tuple[str, ...]  # the derivative for each input, in words
    place: int | None  # its turn in the backward pass, from 0
    inputs: tuple[str, ...]  # ids, in order, repeats kept

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return self.value.shape


class Graph:
    """The tensor and everything it was computed from, oldest first, as nodes.

    The gradients of inner tensors, which a backward pass does not keep, are computed again here,
    if `backward` has been called on the tensor. Nothing of the tensors is changed.
    """

    def __init__(self, tensor: Tensor) -> None:
        tensors = _all_ancestors(tensor)
        ids = {t: f"n{i}" for i, t in enumerate(tensors)}
        order = inner_tensors([tensor])
        leaves = [t for t in tensors if t.is_leaf and t.requires_grad]
        places = {t: i for i, t in enumerate(order + leaves)}
        gradients, reason = _gradients(tensor, order)
        modules, names = _modules(tensors)
        self.nodes = [
            Node(
                id=ids[t],
                kind=_kind(t, tensor),
                op=t._op.name if t._op else None,
                attributes=t._attributes,
                name=t.name or names.get(t),
                modules=tuple(modules.get(t, ())),
                value=t.numpy(),
                gradient=t.grad if t.is_leaf else gradients.get(t),
                note=_note(t, t in gradients, reason),
                rules=tuple(map(_in_words, t._op.rules)) if t._op else (),
                place=places.get(t),
                inputs=tuple(ids[x] for x in t._inputs),
            )
            for t in tensors
        ]


def _all_ancestors(root: Tensor) -> list[Tensor]:
    """The tensor and all it was computed from, those without a gradient too, oldest first."""
    found = [root]
    seen = {root}
    for tensor in found:
        for x in tensor._inputs:
            if x not in seen:
                seen.add(x)
                found.append(x)
    return sorted(found, key=lambda t: t._number)


def _kind(t: Tensor, root: Tensor) -> str:
    if t._op is not None:
        return "loss" if t is root and t.numel() == 1 else "operation"
    if t.requires_grad:
        return "parameter"
    return "constant" if t.ndim == 0 and t.name is None else "input"


def _gradients(root: Tensor, order: list[Tensor]) -> tuple[dict[Tensor, Any], str]:
    """The gradients that are known, and why the others are not."""
    if not root._backward_called:
        return {}, "no gradient yet: call backward()"
    found: dict[Tensor, Any] = dict.fromkeys(order)
    reason = "no gradient came this way"
    try:
        backpropagate(order, {root: np.ones_like(root.data)}, found, hooks=False)
    except GradientError:
        reason = "unknown: a value was changed since"
    return {t: g for t, g in found.items() if g is not None}, reason


def _note(t: Tensor, known: bool, reason: str) -> str:
    """Why a tensor shows no gradient, or ""."""
    if known or t.grad is not None:
        return ""
    return reason if t.requires_grad else "needs no gradient"


# ---- modules and names -------------------------------------------------------------------------


def _modules(tensors: list[Tensor]) -> tuple[dict[Tensor, list[Module]], dict[Tensor, str]]:
    """The module calls each tensor was made in, outermost first, and the parameters' names.

    A call left a mark on its result: the module, and the creation number when it began. What the
    result was computed from since then was made in that call.
    """
    calls = [(start, t, module) for t in tensors for module, start in _scopes(t)]
    calls.sort(key=lambda call: call[0])  # an outer call begins before those inside it
    made_in: dict[Tensor, list[Module]] = {}
    names: dict[Tensor, str] = {}
    module_names: dict[Any, str] = {}
    for start, result, module in calls:
        inside = tuple(made_in.get(result, ()))
        if not inside:
            names.update((p, name) for name, p in module.named_parameters() if p not in names)
            module_names = {m: name for name, m in module.named_modules()}
        call = Module(module_names.get(module, ""), type(module).__name__, inside)
        found = [result]
        seen = {result}
        for t in found:
            made_in.setdefault(t, []).append(call)
            for x in t._inputs:
                if x not in seen and x._number > start and x._op is not None:
                    seen.add(x)
                    found.append(x)
    for t in tensors:  # a parameter stands with the first operation that uses it
        for x in t._inputs:
            if x in names and x not in made_in:
                made_in[x] = made_in.get(t, [])
    return made_in, names


def _scopes(t: Tensor) -> list[tuple[Any, int]]:
    """The calls that ended with this tensor, with the creation number at their start."""
    found = []
    scope = t.scope
    while scope is not None:
        module, start, scope = scope
        found.append((module, start))
    return found


# ---- rules in words ----------------------------------------------------------------------------


@cache
def _in_words(rule: Callable[..., Any] | None) -> str:
    """What a derivative rule says: the expression of a lambda, or a function's docstring."""
    if rule is None:
        return "no derivative"
    if rule.__doc__:
        return " ".join(rule.__doc__.split(".")[0].split())
    try:
        source, _ = inspect.findsource(rule)
    except (OSError, TypeError):
        return ""
    # Together the instructions span the expression from its beginning to its end.
    spans = [span for span in rule.__code__.co_positions() if span[3]]
    start = min((line, column) for line, _, column, _ in spans)
    end = max((line, column) for _, line, _, column in spans)
    for node in _lambdas("".join(source)):
        if (node.lineno, node.col_offset) == start and (
            node.end_lineno,
            node.end_col_offset,
        ) == end:
            return ast.unparse(node)
    return ""


@cache
def _lambdas(source: str) -> list[ast.expr]:
    """The expressions of all lambdas in a source file."""
    return [node.body for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Lambda)]
