"""Operations that turn many elements into one, or into a running result along an axis.

Their derivatives share the gradient out again. An overflow is ∞, and ∞ − ∞ is NaN, without a
warning, as in PyTorch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_sm.ops.elementwise import abs, equal, exp, not_equal, sign, where, zeros_like
from tinygrad_sm.ops.op import Op
from tinygrad_sm.ops.shape import expand, pad, permute, reshape

Axis = int | tuple[int, ...] | None

quietly = np.errstate(all="ignore")  # a decorator: it costs a third of the `with` block


def kept_shape(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    """`shape` with 1 at the reduced axes: the shape that a reduction with keepdims has."""
    if axis is None:
        return (1,) * len(shape)
    reduced = {a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,)) if shape}
    return tuple(1 if i in reduced else n for i, n in enumerate(shape))


def count(x: Any, axis: Axis) -> int:
    """How many elements of x go into each element of the reduction; 1 where there are none."""
    reduced = zip(x.shape, kept_shape(x.shape, axis), strict=True)
    return math.prod(n for n, kept in reduced if n != kept) or 1


def reduce_losses(losses: Any, reduction: str, count: float) -> Any:
    """One loss of many: their sum, their sum divided by the count ("mean"), or "none": all."""
    if reduction == "none":
        return losses
    wide = np.float32 if losses.dtype.char == "e" else None  # float16 has no room for a sum
    total = np.add.reduce(losses, axis=None, dtype=wide)
    if reduction == "mean":
        # The mean of no losses at all is nan, as in PyTorch, without a warning about 0 / 0.
        total = total / total.dtype.type(count or math.nan)
    return total.astype(losses.dtype) if wide else total


def share(g: Any, reduction: str, count: float) -> Any:
    """The gradient of a reduced loss, handed on to each of the losses: one number for all, or
    with "none" one for each."""
    return g / (count or math.nan) if reduction == "mean" else g


def _kept(g: Any, x: Any, axis: Axis) -> Any:
    """The gradient of a reduction of x with the reduced axes back in the shape, as 1."""
    return reshape(g, shape=kept_shape(x.shape, axis))


def _spread(g: Any, x: Any, axis: Axis) -> Any:
    """The gradient of a reduction, repeated for each of the elements of x that went into it."""
    return expand(_kept(g, x, axis), shape=x.shape)


def _merging(shape: tuple[int, ...], axis: Axis) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """How to make one axis, the last, of all that are reduced: an order of axes, then a shape."""
    kept = kept_shape(shape, axis)
    order = sorted(range(len(shape)), key=lambda i: shape[i] != kept[i])
    rest = [n for n, k in zip(shape, kept, strict=True) if n == k]
    return tuple(order), (*rest, math.prod(shape[i] for i in order[len(rest) :]))


def _merged(x: Any, axis: Axis) -> Any:
    order, shape = _merging(x.shape, axis)
    return reshape(permute(x, axes=order), shape=shape)


def _parted(rows: Any, shape: tuple[int, ...], axis: Axis) -> Any:
    """Undo `_merged`: back to `shape`."""
    order, _ = _merging(shape, axis)
    back = sorted(range(len(order)), key=order.__getitem__)
    return permute(reshape(rows, shape=tuple(shape[i] for i in order)), axes=tuple(back))


# ---- sums --------------------------------------------------------------------------------------

_INT64, _FLOAT64 = np.dtype(np.int64), np.dtype(np.float64)


def _whole(x: Any) -> Any:
    """The dtype to add and multiply in: int64 for bools and integers, as in PyTorch."""
    return None if x.dtype.kind == "f" else _INT64


@quietly
def _sum(x: Any, axis: Any = None, keepdims: Any = False) -> Any:
    # As `_whole` says, without the call: sums are in every training step.
    dtype: Any = None if x.dtype.kind == "f" else _INT64
    return np.add.reduce(x, axis=axis, dtype=dtype, keepdims=keepdims)


@quietly
def _mean(x: Any, axis: Any = None, keepdims: Any = False) -> Any:
    if x.dtype.char == "e":  # float16 is added up in float32 here, as in PyTorch
        return _mean(x.astype(np.float32), axis, keepdims).astype(x.dtype)
    wide = None if x.dtype.kind == "f" else _FLOAT64
    total = np.add.reduce(x, axis=axis, dtype=wide, keepdims=keepdims)
    return total / (x.size // (total.size or 1))


sum = Op("sum", _sum, lambda g, y, x, axis=None, keepdims=False: _spread(g, x, axis))
mean = Op(
    "mean",
    _mean,
    lambda g, y, x, axis=None, keepdims=False: _spread(g / count(x, axis), x, axis),
)
count_nonzero = Op(
    "count_nonzero",
    lambda x, axis=None, keepdims=False: np.count_nonzero(x, axis, keepdims=keepdims),
)
all = Op(
    "all",
    lambda x, axis=None, keepdims=False: np.logical_and.reduce(x, axis=axis, keepdims=keepdims),
)
any = Op(
    "any",
    lambda x, axis=None, keepdims=False: np.logical_or.reduce(x, axis=axis, keepdims=keepdims),
)

# ---- spread around the mean --------------------------------------------------------------------


@quietly
def _var(x: Any, axis: Any = None, correction: float = 1, keepdims: Any = False) -> Any:
    """Σ (x − mean)² / (n − correction)."""
    if x.dtype.char == "e":
        return _var(x.astype(np.float32), axis, correction, keepdims).astype(x.dtype)
    total = np.add.reduce(x, axis=axis, keepdims=True)
    n = x.size // (total.size or 1)
    centred = x - total / n
    squares = np.add.reduce(centred * centred, axis=axis, keepdims=keepdims)
    return squares / (n - correction if n > correction else 0)


@quietly
def _var_rule(
    g: Any, y: Any, x: Any, axis: Axis = None, correction: float = 1, keepdims: bool = False
) -> Any:
    """2 (x − mean) / (n − correction). That the mean moves too adds nothing: Σ (x − mean) = 0."""
    n = count(x, axis)
    factor = 2 / (n - correction) if n > correction else math.inf
    return _kept(g * factor, x, axis) * (x - mean(x, axis=axis, keepdims=True))


def _std_rule(g: Any, y: Any, x: Any, **attributes: Any) -> Any:
    """Through the root of the variance: g / 2y. Where all elements are equal it is 0."""
    return _var_rule(g / (2 * where(equal(y, 0), math.inf, y)), y, x, **attributes)


var = Op("var", _var, _var_rule)
std = Op("std", lambda x, **attributes: np.sqrt(_var(x, **attributes)), quietly(_std_rule))

# ---- sizes -------------------------------------------------------------------------------------


@quietly
def _norm(x: Any, p: float = 2, axis: Any = None, keepdims: Any = False) -> Any:
    """(Σ |x|ᵖ)^(1/p) and its limits for p = ±∞; for p = 0, how many elements are not 0."""
    if x.dtype.char == "e":
        return _norm(x.astype(np.float32), p, axis, keepdims).astype(x.dtype)
    if p == 2:
        return np.sqrt(np.add.reduce(x * x, axis=axis, keepdims=keepdims))
    if p == 0:
        return np.add.reduce(x != 0, axis=axis, dtype=x.dtype, keepdims=keepdims)
    size = np.absolute(x)
    if math.isinf(p):
        extreme = np.maximum if p > 0 else np.minimum
        return extreme.reduce(size, axis=axis, keepdims=keepdims)
    if p == 1:
        return np.add.reduce(size, axis=axis, keepdims=keepdims)
    return np.add.reduce(size**p, axis=axis, keepdims=keepdims) ** (1 / p)


@quietly
def _norm_rule(
    g: Any, y: Any, x: Any, p: float = 2, axis: Axis = None, keepdims: bool = False
) -> Any:
    """sign(x) (|x| / y)ᵖ⁻¹. Where x or the norm y is 0, it is 0."""
    if p == 0:
        return zeros_like(x)
    g, y = _kept(g, x, axis), _kept(y, x, axis)
    if p == 2:
        return g * (x / where(equal(y, 0), math.inf, y))
    if p == 1:
        return g * sign(x)
    if math.isinf(p):  # the largest (smallest) share it evenly
        ties = where(equal(x, x), equal(abs(x), y), True)
        return g / sum(ties, axis=axis, keepdims=True).astype(x.dtype) * (sign(x) * ties)
    zero = equal(x, 0) + equal(y, 0)
    return where(zero, 0, g * sign(x) * where(zero, 1, abs(x) / y) ** (p - 1))


norm = Op("norm", _norm, _norm_rule)

# ---- the largest, the smallest and the middle --------------------------------------------------


def _ties(y: Any, x: Any, axis: Axis) -> Any:
    """Where x is the element y that was chosen, or is NaN if that is."""
    chosen = _spread(y, x, axis)
    return where(equal(chosen, chosen), equal(x, chosen), not_equal(x, x))


def _choice_rule(first: Any) -> Any:
    """For a reduction that chooses an element; `first` tells where it did along an axis."""

    def rule(g: Any, y: Any, x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
        """Along one axis the first of equal elements takes the gradient; over all or several axes
        they share it evenly. This is what PyTorch does."""
        if isinstance(axis, int) and x.ndim:
            return _spread(g, x, axis) * equal(first(y, x, axis), _positions(x.shape, axis))
        ties = _ties(y, x, axis).astype(x.dtype)
        return _spread(g, x, axis) * ties / _spread(sum(ties, axis=axis), x, axis)

    return rule


def _positions(shape: tuple[int, ...], axis: int) -> Any:
    """0, 1, 2, … along the axis, to compare with an index that keeps it."""
    following = -axis % len(shape) or len(shape)
    return np.arange(shape[axis]).reshape(-1, *(1,) * (following - 1))


def _median(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The lower of the two in the middle; NaN if there is one, which NumPy sorts last."""
    rows = _merged(x, axis)
    n = rows.shape[-1]
    if not n:
        if axis is not None:
            raise ValueError("an axis without elements has no median")
        return x.dtype.type(math.nan)
    rows = np.partition(rows, ((n - 1) // 2, n - 1), axis=-1)
    middle, last = rows[..., (n - 1) // 2], rows[..., -1]
    y = np.where(last == last, middle, last).reshape(kept_shape(x.shape, axis))
    return y if keepdims else np.squeeze(y, axis)


argmax = Op("argmax", lambda x, axis=None, keepdims=False: np.argmax(x, axis, keepdims=keepdims))
argmin = Op("argmin", lambda x, axis=None, keepdims=False: np.argmin(x, axis, keepdims=keepdims))
max = Op(
    "max",
    lambda x, axis=None, keepdims=False: np.maximum.reduce(x, axis=axis, keepdims=keepdims),
    _choice_rule(lambda y, x, axis: argmax(x, axis=axis, keepdims=True)),
)
min = Op(
    "min",
    lambda x, axis=None, keepdims=False: np.minimum.reduce(x, axis=axis, keepdims=keepdims),
    _choice_rule(lambda y, x, axis: argmin(x, axis=axis, keepdims=True)),
)
median = Op(
    "median",
    _median,
    _choice_rule(lambda y, x, axis: argmax(_ties(y, x, axis), axis=axis, keepdims=True)),
)

# ---- running results along an axis -------------------------------------------------------------
# Every one can also run backwards, from the last element to the first: the derivative of a running
# result is one that runs the other way, for an element goes into all results after it.


def _running(accumulate: Any, x: Any, axis: int, reverse: bool) -> Any:
    if not reverse:
        return accumulate(x, axis, dtype=_whole(x))
    return np.flip(accumulate(np.flip(x, axis), axis, dtype=_whole(x)), axis)


def _slice(axis: int, start: int | None, stop: int | None) -> tuple[Any, ...]:
    """The key of a part of an axis, which is counted from the first."""
    return (*(slice(None),) * axis, slice(start, stop))


def _later(axis: int, reverse: bool) -> tuple[Any, ...]:
    """The key of all elements but the one where the run begins."""
    return _slice(axis, None, -1) if reverse else _slice(axis, 1, None)


def _earlier(axis: int, reverse: bool) -> tuple[Any, ...]:
    """The key of all elements but the one where the run ends."""
    return _later(axis, not reverse)


cumsum: Op = Op(
    "cumsum",
    quietly(lambda x, axis, reverse=False: _running(np.add.accumulate, x, axis, reverse)),
    lambda g, y, x, axis, reverse=False: cumsum(g, axis=axis, reverse=not reverse),
)


def _recurrence(b: Any, c: Any) -> Any:
    """y₀ = b₀ and yₖ = bₖ + cₖ₋₁ yₖ₋₁ along the first axis.

    Two steps taken together are a step of the same kind. So every other y comes from a recurrence
    of half the length, and the others from those: log n rounds of NumPy calls instead of n steps.
    """
    if len(b) < 2:
        return b.copy()
    y = np.empty(b.shape, np.result_type(b, c))
    y[1::2] = _recurrence(b[1::2] + c[::2] * b[:-1:2], c[2::2] * c[1:-1:2])
    y[0] = b[0]
    y[2::2] = b[2::2] + c[1::2] * y[1:-1:2]
    return y


@quietly
def _scan(b: Any, c: Any, axis: int, reverse: bool = False) -> Any:
    """yₖ = bₖ + cₖ₋₁ yₖ₋₁ along an axis, or back along it."""
    b, c = np.moveaxis(b, axis, 0), np.moveaxis(c, axis, 0)
    y = _recurrence(b[::-1], c[::-1])[::-1] if reverse else _recurrence(b, c)
    return np.moveaxis(y, 0, axis)


@quietly
def _scan_rule(g: Any, y: Any, b: Any, c: Any, axis: int, reverse: bool = False) -> tuple[Any, Any]:
    """The gradient λₖ = gₖ + cₖ λₖ₊₁ runs back over the same links, and a link c gets λₖ₊₁ yₖ: what
    flows back over it, times the element that it carried on."""
    back = scan(g, c, axis=axis, reverse=not reverse)
    return back, back[_later(axis, reverse)] * y[_earlier(axis, reverse)]


# yₖ = bₖ + cₖ₋₁ yₖ₋₁: something new, and what the element before hands on over a link c.
scan: Op = Op("scan", _scan, _scan_rule, together=True)


def _before(y: Any, axis: int, reverse: bool) -> Any:
    """The running product that each element is multiplied to: 1 for the one where it begins."""
    if not y.shape[axis]:
        return y
    sides = (0, 0) * (y.ndim - 1 - axis) + ((0, 1) if reverse else (1, 0))
    return pad(y[_earlier(axis, reverse)], sides=sides, value=1)


@quietly
def _cumprod_rule(g: Any, y: Any, x: Any, axis: int, reverse: bool = False) -> Any:
    """The product of those before, times Σ g · (product of those between) over all that follow."""
    links = x[_later(axis, reverse)]
    return scan(g, links, axis=axis, reverse=not reverse) * _before(y, axis, reverse)


cumprod: Op = Op(
    "cumprod",
    quietly(lambda x, axis, reverse=False: _running(np.multiply.accumulate, x, axis, reverse)),
    _cumprod_rule,
)


@quietly
def _prod(x: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return np.multiply.reduce(x, axis=axis, dtype=_whole(x), keepdims=keepdims)


@quietly
def _prod_rule(g: Any, y: Any, x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The product of the others: of those before times those behind. Nothing is divided by x,
    which may be 0."""
    rows = _merged(x, axis)
    last = rows.ndim - 1
    before, behind = (
        _before(cumprod(rows, axis=last, reverse=reverse), last, reverse)
        for reverse in (False, True)
    )
    return _kept(g, x, axis) * _parted(before * behind, x.shape, axis)


prod = Op("prod", _prod, _prod_rule)


@quietly
def _logcumsumexp_rule(g: Any, y: Any, x: Any, axis: int) -> Any:
    """e^(xᵢ − yⱼ) for every j from i on, one link e^(yⱼ − yⱼ₊₁) after the other: none above 1."""
    earlier, later = y[_earlier(axis, False)], y[_later(axis, False)]
    links = exp(where(equal(earlier, later), 0, earlier - later))  # equal also if both are infinite
    sums = scan(g, links, axis=axis, reverse=True)
    return exp(x - where(equal(y, -math.inf), 0, y)) * sums


logcumsumexp = Op(
    "logcumsumexp",
    quietly(lambda x, axis: np.logaddexp.accumulate(x, axis)),
    _logcumsumexp_rule,
)


def _place(accumulate: Any) -> Any:
    def forward(x: Any, axis: int) -> Any:
        """Where the running extreme was met last; NaN, once met, is it for good."""
        met = (x == accumulate(x, axis)) | (x != x)
        return np.maximum.accumulate(np.where(met, _positions(x.shape, axis), 0), axis)

    return forward


argcummax = Op("argcummax", _place(np.maximum.accumulate))
argcummin = Op("argcummin", _place(np.minimum.accumulate))
