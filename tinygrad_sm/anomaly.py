"""detect_anomaly: name the operation that made the first NaN, and the line that called it.

>>> x = Tensor([0.0, 1.0, 2.0], requires_grad=True, name="x")
>>> try:
...     with detect_anomaly():
...         x.log().sum().backward()
... except AnomalyError as error:
...     print(error)
'log' gave −inf in the forward pass, from finite numbers.
  at        <doctest tinygrad_sm.anomaly[1]>, line 3:  x.log().sum().backward()
  result    shape (3,), 1 × −inf, the rest from 0 to 0.6931; the first at [0]
  x         shape (3,), from 0 to 2; 0 at [0]
Usual cause: the logarithm of 0 is −inf, that of a negative number NaN. Of probabilities, take
log_softmax() or cross_entropy() of the scores; else keep the input above 0, as with
clamp(min=1e-12).

While a `detect_anomaly` block is open, in any thread, the functions that every operation and every
backward pass goes through are replaced by the watching ones below. When none is open nothing of
this runs.
"""

from __future__ import annotations

import linecache
import sys
import textwrap
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import ContextDecorator
from dataclasses import dataclass
from types import MethodType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_sm import autograd, differentiate, tensor
from tinygrad_sm.autograd import latest_write, recording
from tinygrad_sm.compiled import _Result, compile
from tinygrad_sm.errors import OURS, AnomalyError, GradientError
from tinygrad_sm.ops import Op
from tinygrad_sm.tensor import _NO_ATTRIBUTES, Tensor
from tinygrad_sm.tracing import switching
from tinygrad_sm.values import Array


class detect_anomaly(ContextDecorator):
    """Stop at the first operation that makes NaN or an infinity of finite numbers.

    A context manager and a decorator, for the current thread only. Put the forward pass and
    `backward` into the block. It slows both down a few times, so it is for finding a mistake.

    The error says which operation it was, in the forward or the backward pass, the ranges of its
    inputs, the module, the line of your code that called it, and the usual cause.

    * Forward: an operation in the graph that gives NaN or ±inf although all its inputs are finite.
      One of constants, or under `no_grad`, is only remembered, for a later step may drop such
      values on purpose.
    * Backward: a gradient for a leaf is NaN or ±inf. Named is the operation where it arose.

    Infinities that were put in, as by `masked_fill(mask, -inf)`, are no anomaly. NumPy's warnings
    of operations on Tensors are off inside, for the error says more.

    Raises AnomalyError, a FloatingPointError. GradientError where a value that the backward pass
    needs was changed in place since, also by `t.data[…] = …`, and the gradient would be wrong.
    To any other error of a backward pass a note is added with the line of the forward pass.

    >>> w = Tensor([0.0, 4.0], requires_grad=True)
    >>> with detect_anomaly():
    ...     loss = w.sqrt().sum()  # 0 and 2 are fine, but the slope at 0 is infinite
    ...     try:
    ...         loss.backward()
    ...     except FloatingPointError as error:
    ...         print(error.op, error.phase, error.line)
    sqrt backward 2
    """

    def __enter__(self) -> None:
        with switching:
            _watch.depth += 1
            _switch.open += 1
            if _switch.open == 1:
                for owner, name, _, watching in _ENTRIES:
                    setattr(owner, name, watching)

    def __exit__(self, *exception: object) -> None:
        with switching:
            _watch.depth -= 1
            _switch.open -= 1
            if not _switch.open:
                for owner, name, plain, _ in _ENTRIES:
                    setattr(owner, name, plain)


class _Watch(threading.local):
    """How many blocks are open in this thread, and whether it is in a backward pass."""

    depth = 0
    backward = False


class _Switch:
    open = 0  # blocks, in all threads


_watch = _Watch()
_switch = _Switch()


# ---- where an operation was called -------------------------------------------------------------


class Place(NamedTuple):
    """A line of the user's code, and the module calls that were open, innermost first."""

    filename: str | None
    line: int | None
    modules: tuple[weakref.ref[Any], ...]

    def code(self) -> str:
        """File, line and what stands there; "" if it is not known."""
        if self.filename is None or self.line is None:
            return ""
        text = linecache.getline(self.filename, self.line).strip()
        return f"{self.filename}, line {self.line}" + (f":  {text}" if text else "")

    def module(self) -> tuple[str, str]:
        """The dotted name of the innermost module from the outermost one, and both in words."""
        modules = [m for m in (ref() for ref in self.modules) if m is not None]
        if not modules:
            return "", ""
        inner, outer = modules[0], modules[-1]
        name = next((name for name, m in outer.named_modules() if m is inner), "")
        kind = type(inner).__name__
        return name, f"{name} ({kind}) of {type(outer).__name__}" if name else kind

    def parameter(self, x: Tensor) -> str:
        """The name of a parameter of those modules, or ""."""
        outer = self.modules[-1]() if self.modules else None
        named = outer.named_parameters() if outer is not None else ()
        return next((name for name, p in named if p is x), "")


_NOWHERE = Place(None, None, ())


def _called_from() -> Place:
    filename, line, modules = None, None, []
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(OURS):
            if filename is None:
                filename, line = code.co_filename, frame.f_lineno
        elif code.co_name == "__call__":
            module = frame.f_locals.get("self")
            if hasattr(module, "named_modules"):
                modules.append(weakref.ref(module))
        frame = frame.f_back  # type: ignore[assignment]
    return Place(filename, line, tuple(modules))


# ---- what is remembered of every result --------------------------------------------------------


@dataclass(slots=True)
class Made:
    """How a tensor was made."""

    op: str
    place: Place
    tensor: weakref.ref[Tensor]
    values: tuple[Any, ...] | None  # copies of what the backward pass will need
    origin: str  # where its NaN or infinity came from, if it has any
    sources: frozenset[int]  # the numbers of the leaves needing a gradient it was computed from
    cut: tuple[str, Place] | None  # what took it out of the graph, and where


_made: dict[int, Made] = {}  # by creation number; each is dropped with its tensor


def made(t: Tensor) -> Made | None:
    """How a tensor was made, if that was inside a `detect_anomaly` block."""
    return _made.get(t.number)


def _remember(op: str, inputs: Iterable[Any], t: Tensor, cut: str = "", origin: str = "") -> Made:
    number, place = t.number, _called_from()
    tensors = [x for x in inputs if isinstance(x, Tensor)]
    sources = frozenset().union(*map(_sources, tensors))
    reason = (cut, place) if cut else None
    if sources and not t.requires_grad and reason is None:
        earlier = [m.cut for m in map(made, tensors) if m and m.cut]
        if any(x.requires_grad for x in tensors):
            why = "under no_grad()" if not recording.on else f"by '{op}', which has no derivative"
            reason = (why, place)
        elif earlier:
            reason = earlier[0]
    _made[number] = Made(
        op,
        place,
        weakref.ref(t, lambda _: _made.pop(number, None)),
        _copied(_values(t)) if t._op is not None else None,
        origin,
        sources,
        reason,
    )
    return _made[number]


def _sources(x: Tensor) -> frozenset[int]:
    known = made(x)
    if known is not None:
        return known.sources
    if x._op is None:
        return frozenset([x.number] if x.requires_grad else [])
    inner = autograd.inner_tensors([x])
    leaves = [y for t in inner for y in t._inputs if y._op is None]
    return frozenset().union(*map(_sources, leaves))


def _values(t: Tensor) -> tuple[Any, ...]:
    """What the rules take after g."""
    return (t._data, *t._arrays, t._saved)


def _copied(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return tuple(map(_copied, value))
    return value.copy() if isinstance(value, np.ndarray) else value


def _is_same(value: Any, copy: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_same, value, copy))
    return not isinstance(value, np.ndarray) or value.tobytes() == copy.tobytes()


# ---- the forward pass --------------------------------------------------------------------------


def _look(op: Op, inputs: tuple[Any, ...], attributes: dict[str, Any], t: Tensor) -> None:
    """Remember a new result, and stop if the operation made NaN or an infinity."""
    if t.number in _made:  # an operation that called another one for its result
        return
    known = _remember(op.name, inputs, t)
    if _watch.backward or _is_finite(t._data):
        return
    arrays = [np.asarray(getattr(x, "_data", x)) for x in inputs]
    held = [x for x, array in zip(inputs, arrays, strict=True) if not _is_finite(array)]
    if held:
        known.origin = _origin(held[0], known.place)
    else:
        known.origin = f"made by '{op.name}' at {known.place.code()}"
        empty = not any(array.size for array in arrays)  # the ln of an empty sum is −inf
        if t._op is not None and not empty and all(map(_is_finite, attributes.values())):
            rows = [("result", t._data), *_inputs(op, inputs, arrays, known.place)]
            raise _anomaly("forward", op, inputs, known.place, rows) from None


def _is_finite(value: Any) -> bool:
    if isinstance(value, float | np.floating | np.ndarray):
        return bool(np.isfinite(value).all()) if np.asarray(value).dtype.kind == "f" else True
    return True


def _origin(x: Any, place: Place) -> str:
    """Where the NaN or infinity in a value comes from."""
    known = made(x) if isinstance(x, Tensor) else None
    if known is not None:
        return known.origin or f"made by '{known.op}' in the backward pass"
    if not isinstance(x, Tensor):
        return "put in as a constant"
    if x._op is not None:
        held = next((y for y in x._inputs if not _is_finite(y._data)), None)
        return f"made by '{x._op.name}'" if held is None else _origin(held, place)
    name = x.name or place.parameter(x)
    if x.requires_grad:
        return f"{f'the parameter {name!r}' if name else 'a leaf'} held it from the start"
    return f"put in, by {x._describe()}"


def _watched_unary(self: Tensor, op: Op) -> Tensor:
    return _watched(op, (self,), {}, lambda: _plain_unary(self, op))


def _watched_binary(op: Op, a: Any, b: Any) -> Tensor:
    return _watched(op, (a, b), {}, lambda: _plain_binary(op, a, b))


def _watched_apply(
    op: Op, inputs: tuple[Any, ...], attributes: dict[str, Any] = _NO_ATTRIBUTES
) -> Tensor:
    return _watched(op, inputs, attributes, lambda: _plain_apply(op, inputs, attributes))


def _watched(
    op: Op, inputs: tuple[Any, ...], attributes: dict[str, Any], run: Callable[[], Tensor]
) -> Tensor:
    if not _watch.depth:
        return run()
    with np.errstate(all="ignore"):  # NumPy's warning would come before the explanation
        t = run()
    _look(op, inputs, attributes, t)
    return t


def _watched_detach(self: Tensor) -> Tensor:
    result = _plain_detach(self)
    if _watch.depth:
        origin = "" if _is_finite(self._data) else _origin(self, _NOWHERE)
        _remember("detach", (self,), result, "by detach()" if self.requires_grad else "", origin)
    return result


def _watched_compiled(self: compile, *inputs: Any, **settings: Any) -> Any:
    """A compiled function runs as it is written, so that the error can name the operation."""
    run = self.function if _watch.depth else MethodType(_plain_compiled, self)
    return run(*inputs, **settings)


def _watched_backward(self: _Result, gradient: Any = None) -> None:
    """Not the short way back from what a compiled function returned, which nobody watches."""
    if _watch.depth:
        Tensor.backward(self, gradient)
    else:
        _plain_backward(self, gradient)


# ---- the backward pass -------------------------------------------------------------------------


def _watched_backpropagate(
    order: list[Tensor],
    gradients: dict[Tensor, Any],
    kept: dict[Tensor, Any],
    among: set[Tensor] | None = None,
    **how: bool,
) -> None:
    if not _watch.depth:
        _plain_backpropagate(order, gradients, kept, among, **how)
        return
    seeds = {t: _array(g) for t, g in gradients.items()}
    _look_for_edits(order, seeds, among)
    outer, _watch.backward = _watch.backward, True
    try:
        with np.errstate(all="ignore"):
            _plain_backpropagate(order, gradients, kept, among, **how)
    except Exception as error:
        _add_place(error)
        raise
    finally:
        _watch.backward = outer
    wrong = [t for t, g in (gradients | kept).items() if not _is_finite(_array(g))]
    if wrong:
        _explain_gradient(wrong, order, seeds, among)


def _array(g: Any) -> Any:
    return getattr(g, "_data", g)


def _turns(
    order: list[Tensor],
    seeds: dict[Tensor, Any],
    among: set[Tensor] | None,
    values: Callable[[Tensor], tuple[Any, ...]],
) -> Iterator[tuple[Tensor, Any, list[Any]]]:
    """The backward pass once more: each operation with its g, and what it gives its inputs."""
    gradients = dict(seeds)
    for t in order:
        if t in gradients and t._op is not None:
            given = _given(t, gradients[t], values(t), among)
            yield t, gradients[t], given
            for x, gx in zip(t._inputs, given, strict=False):
                if gx is not None:
                    gradients[x] = _sum(gradients.get(x), gx)


def _sum(earlier: Any, gx: Any) -> Any:
    with np.errstate(all="ignore"):
        return gx if earlier is None else earlier + gx


def _given(t: Tensor, g: Any, values: tuple[Any, ...], among: set[Tensor] | None) -> list[Any]:
    from tinygrad_sm.graph import _products, _summed  # when something is wrong, not before

    return [
        None
        if product is None or (among is not None and x not in among)
        else _summed(t, x, product)
        for x, product in zip(t._inputs, _products(t, g, values), strict=False)
    ]


def _look_for_edits(
    order: list[Tensor], seeds: dict[Tensor, Any], among: set[Tensor] | None
) -> None:
    """Raise GradientError if a value was changed that matters to a gradient."""
    copies = {t: known.values for t in order if (known := made(t)) and known.values is not None}
    if all(_is_same(_values(t), copy) for t, copy in copies.items()):
        return
    for t in order:
        if latest_write.number > t.number:
            autograd._check_unchanged(t, t._inputs)
    for t, g, given in _turns(order, seeds, among, lambda t: copies.get(t) or _values(t)):
        if t not in copies or _is_same(_values(t), copies[t]):
            continue
        now = _given(t, g, _values(t), among)
        pairs = [(a, b) for a, b in zip(given, now, strict=True) if a is not None]
        if all(np.array_equal(a, b, equal_nan=True) for a, b in pairs):
            continue
        raise _edited(t, copies[t])


def _edited(t: Tensor, copies: tuple[Any, ...]) -> GradientError:
    known = made(t)
    assert known is not None
    assert t._op is not None
    names = [*(name for name, _ in _inputs(t._op, t._inputs, t._arrays, known.place))]
    # An input before the result, which may be a view of it; what was saved last.
    changed = [
        (what, now, before)
        for what, now, before in zip(
            [*names, "its result", "what it saved"],
            [*t._arrays, t._data, t._saved],
            [*copies[1:-1], copies[0], copies[-1]],
            strict=True,
        )
        if not _is_same(now, before)
    ]
    what, now, before = changed[0]
    where = ""
    if isinstance(now, np.ndarray):
        index = next(iter(np.argwhere((now != before) & ((now == now) | (before == before)))), None)
        if index is not None:
            at = tuple(index.tolist())
            where = f" at {[*at]}: {_number(before[at])} became {_number(now[at])}"
    return GradientError(
        f"cannot go back through '{t._op.name}': {what} was changed in place after the operation "
        f"used it{where}.\n{_places(known.place)}"
        + textwrap.fill(
            "A write to elements, such as t.data[…] = …, or to an array shared with copy=False, "
            "changes what the derivative is computed from, so the gradient would be wrong. Write "
            "to it after backward, or to a copy.",
            100,
        )
    )


def _add_place(error: Exception) -> None:
    """Note on an error from inside the backward pass where the operation was called."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is _plain_backpropagate.__code__:
            t = trace.tb_frame.f_locals.get("tensor")
            known = made(t) if isinstance(t, Tensor) else None
            if known is not None:
                where = f"In the backward pass of '{known.op}', called\n{_places(known.place)}"
                error.add_note(where.rstrip())
        trace = trace.tb_next


def _explain_gradient(
    wrong: list[Tensor],
    order: list[Tensor],
    seeds: dict[Tensor, Any],
    among: set[Tensor] | None,
) -> None:
    """Raise AnomalyError for the operation that a NaN or infinite gradient came from.

    The seed may have been so already; then nothing is to be explained.
    """
    sources: dict[Tensor, list[tuple[Tensor, int, Any, Any]]] = {}
    sums: dict[Tensor, Any] = {}
    for t, g, given in _turns(order, seeds, among, _values):
        for place, (x, gx) in enumerate(zip(t._inputs, given, strict=False)):
            if gx is not None:
                sums[x] = _sum(sums.get(x), gx)
                # A sum of finite gradients that overflows is laid to the last of them.
                if not _is_finite(gx) or not _is_finite(sums[x]):
                    sources.setdefault(x, []).append((t, place, g, gx))
    found = []
    seen = set(wrong)
    for x in wrong:  # the list grows while we walk along it, back towards the loss
        for t, place, g, gx in sources.get(x, ()):
            if _is_finite(g):
                found.append((t, place, g, gx))
            elif t not in seen:
                seen.add(t)
                wrong.append(t)
    if not found:
        return
    t, place, g, gx = max(found, key=lambda each: each[0].number)
    known, op = made(t), t._op
    assert op is not None
    called = known.place if known else _NOWHERE
    rows = _inputs(op, t._inputs, t._arrays, called)
    shown = [(f"gradient for {rows[place][0]}", gx), ("gradient g", g)]
    shown += [*rows, ("result", t._data)]
    held = next((x for x in (*t._inputs, t) if not _is_finite(x._data)), None)
    note = ""
    if held is not None:
        note = f"The forward pass had NaN or an infinity already, {_origin(held, called)}."
    raise _anomaly("backward", op, t._inputs, called, shown, note)


# ---- in words ----------------------------------------------------------------------------------

_BY_ZERO = (
    "a division by 0. Keep the divisor away from 0, as by adding 1e-8 to it, or to a variance or "
    "norm under its root."
)
_LARGE = (
    "numbers that grew too large. If they are a network's values or gradients, the learning rate "
    "may be too high, or the inputs or first weights too large: take a smaller one, scale the "
    "inputs, or clip the gradients (nn.utils.clip_grad_norm_)."
)
_LOG = (
    "the logarithm of 0 is −inf, that of a negative number NaN. Of probabilities, take "
    "log_softmax() or cross_entropy() of the scores; else keep the input above 0, as with "
    "clamp(min=1e-12)."
)
_EXP = (
    "e^x of a large x, in float32 of more than 88. For probabilities take softmax(), for the "
    "logarithm of a sum logsumexp(): both subtract the largest x first. Else keep x small."
)
_OUTSIDE = "an input outside the function's domain, or at its edge. Rounding can do that: clamp it."
_FORWARD = {
    **dict.fromkeys(("log", "log2", "log10", "log1p"), _LOG),
    **dict.fromkeys(("exp", "exp2", "expm1", "sinh", "cosh"), _EXP),
    **dict.fromkeys(
        ("divide", "reciprocal", "rsqrt", "remainder", "fmod", "floor_divide", "trunc_divide"),
        _BY_ZERO,
    ),
    **dict.fromkeys(("asin", "acos", "acosh", "atanh"), _OUTSIDE),
    "sqrt": "the root of a negative number is NaN. If rounding made it so, clamp(min=0) first.",
    "power": "0 to a negative power, a negative number to a broken one, or a power too large.",
    "mean": "the mean of no numbers is 0 / 0, or the sum of large ones is too large.",
    **dict.fromkeys(
        ("var", "std"),
        "of one number there is no deviation: with correction=1, the default, it is 0 / 0. Take "
        "more numbers, or correction=0.",
    ),
    **dict.fromkeys(
        ("soft_cross_entropy", "nll_loss"),
        "the mean over no labels, 0 / 0: each is ignored or has a weight of 0. Or scores so large "
        "that their differences are infinite.",
    ),
    "astype": "numbers larger than the dtype can hold.",
}
_BACKWARD = {
    "sqrt": "the slope of √x, 1 / (2√x), is infinite at 0. Add a small number under the root, as "
    "in (x + 1e-8).sqrt().",
    "std": "the slope of a standard deviation is 0 / 0 where all numbers are equal. Take the root "
    "of var() plus a small number.",
    "norm": "the slope of a norm is not defined, or infinite, where its numbers are 0. Add a small "
    "number under the root.",
    "power": "the slope of xᵖ for p < 1 is infinite at 0. Keep x away from 0.",
    **dict.fromkeys(("log", "log2", "log10", "log1p"), _LOG),
    **dict.fromkeys(("divide", "reciprocal", "rsqrt"), _BY_ZERO),
    **dict.fromkeys(("asin", "acos", "acosh", "atanh"), _OUTSIDE),
}
_LOG_OF = {
    "softmax": "log_softmax(), or cross_entropy()",
    "sigmoid": "logsigmoid(), or binary_cross_entropy_with_logits()",
}
_HUGE = 1e6  # no weight of a network that learns is so large


def _anomaly(
    phase: str,
    op: Op,
    inputs: tuple[Any, ...],
    place: Place,
    rows: list[tuple[str, Any]],
    note: str = "",
) -> AnomalyError:
    """The error in words. rows: names and arrays to show, the one with the NaN first."""
    first = np.asarray(rows[0][1])
    wrong = np.argwhere(~np.isfinite(first))
    index = tuple(wrong[0].tolist()) if len(wrong) else ()
    what = " and ".join(_broken(first))
    if phase == "forward":
        title = f"'{op.name}' gave {what} in the forward pass, from finite numbers."
    else:
        what = what or "numbers too large to add up"
        title = f"The derivative of '{op.name}' gave {what} in the backward pass."
    width = max(8, *(len(name) for name, _ in rows))
    lines = [title, _places(place, width).rstrip("\n")]
    for i, (name, array) in enumerate(rows):
        text = _range(np.asarray(array))
        if i == 0 and index:
            text += f"; the first at {[*index]}"
        elif index and np.shape(array) == first.shape:
            text += f"; {_number(array[index])} at {[*index]}"
        lines.append(f"  {name:{width}}  {text}")
    lines.append(note or textwrap.fill(f"Usual cause: {_cause(phase, op, inputs, rows)}", 100))
    error = AnomalyError("\n".join(line for line in lines if line))
    error.op, error.phase = op.name, phase
    error.filename, error.line = place.filename, place.line
    error.module, _ = place.module()
    return error


def _cause(phase: str, op: Op, inputs: tuple[Any, ...], rows: list[tuple[str, Any]]) -> str:
    if type(op) is not Op:
        part = "forward" if phase == "forward" else "vjp"
        return f"'{op.name}' is a Function of your own: look at its {part} for these numbers."
    own = rows[1:] if phase == "forward" else rows[2:]  # the inputs' rows
    for x, (name, array) in zip(inputs, own, strict=False):
        if isinstance(x, Tensor) and x.is_leaf and x.requires_grad and _largest(array) > _HUGE:
            return (
                f"{name} holds numbers up to {_number(_largest(array))}. If it is trained, the "
                "training diverged before: take a smaller learning rate, or clip the gradients "
                "(nn.utils.clip_grad_norm_)."
            )
    before = inputs[0]._op.name if isinstance(inputs[0], Tensor) and inputs[0]._op else ""
    if op.name == "log" and before in _LOG_OF:
        return (
            f"{before}() rounds a small probability to 0, and the logarithm of 0 is −inf. Take "
            f"{_LOG_OF[before]} of the scores."
        )
    cause = (_FORWARD if phase == "forward" else _BACKWARD).get(op.name)
    if cause is None:
        is_large = any(_largest(array) > _HUGE for _, array in rows[1:])
        cause = _LARGE if is_large else "a division by 0, or 0 · ∞, on the way to the result."
    return cause


def _inputs(
    op: Op, inputs: Iterable[Any], arrays: Iterable[Any], place: Place
) -> list[tuple[str, Any]]:
    """The inputs' names, each by its own or by its part in the operation, and their arrays."""
    from tinygrad_sm.graph import _roles

    inputs = list(inputs)
    roles = _roles(op, len(inputs))
    return [
        ((getattr(x, "name", None) or _parameter(place, x) or role or f"input {i}"), array)
        for i, (x, role, array) in enumerate(zip(inputs, roles, arrays, strict=True))
    ]


def _parameter(place: Place, x: Any) -> str:
    return place.parameter(x) if isinstance(x, Tensor) else ""


def _places(place: Place, width: int = 8) -> str:
    """The line of code and the module, each as a line of its own."""
    rows = (("at", place.code()), ("module", place.module()[1]))
    return "".join(f"  {name:{width}}  {text}\n" for name, text in rows if text)


def _range(array: Array) -> str:
    """Shape, how many numbers are not finite, and the smallest and largest of the others."""
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    counts = _broken(array)
    parts = [f"shape {array.shape}"] if array.ndim else []
    parts += [f"{n} × {kind}" if array.ndim else kind for kind, n in counts.items()]
    if finite.size and array.dtype.kind in "fiu":
        low, high = _number(finite.min()), _number(finite.max())
        span = low if low == high else f"from {low} to {high}"
        parts.append(f"the rest {span}" if counts else span)
    return ", ".join(parts)


def _broken(array: Array) -> dict[str, int]:
    """How many elements are NaN or infinite."""
    if array.dtype.kind != "f":
        return {}
    counts = {"NaN": np.isnan(array), "inf": array == np.inf, "−inf": array == -np.inf}
    return {kind: int(found.sum()) for kind, found in counts.items() if found.any()}


def _largest(array: Any) -> Any:
    """The largest absolute value of the finite numbers."""
    array = np.asarray(array)
    return np.abs(array[np.isfinite(array)]).max(initial=0)


def _number(value: Any) -> str:
    return f"{value.item():.4g}".replace("-", "−")  # .item(): NumPy's bools have no format


# ---- what is replaced while a block is open ----------------------------------------------------

_plain_unary = Tensor._unary
_plain_detach = Tensor.detach
_plain_binary = tensor.binary
_plain_apply = tensor.apply
_plain_backpropagate = autograd.backpropagate
_plain_compiled = compile.__call__
_plain_backward = _Result.backward
_ENTRIES: tuple[tuple[Any, str, Any, Any], ...] = (
    (Tensor, "_unary", _plain_unary, _watched_unary),
    (Tensor, "_record", staticmethod(_plain_apply), staticmethod(_watched_apply)),
    (Tensor, "detach", _plain_detach, _watched_detach),
    (tensor, "binary", _plain_binary, _watched_binary),
    (tensor, "apply", _plain_apply, _watched_apply),
    (tensor, "backpropagate", _plain_backpropagate, _watched_backpropagate),
    (differentiate, "backpropagate", _plain_backpropagate, _watched_backpropagate),
    (compile, "__call__", _plain_compiled, _watched_compiled),
    (_Result, "backward", _plain_backward, _watched_backward),
)
