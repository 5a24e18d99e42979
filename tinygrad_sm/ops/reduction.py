"""Operations that turn many elements into one. Their derivatives share the gradient out again."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_sm.ops.elementwise import equal, not_equal, where
from tinygrad_sm.ops.op import Op
from tinygrad_sm.ops.shape import expand, reshape

Axis = int | tuple[int, ...] | None


def kept_shape(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    """`shape` with 1 at the reduced axes: the shape that a reduction with keepdims has."""
    if axis is None:
        return (1,) * len(shape)
    reduced = {a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,)) if shape}
    return tuple(1 if i in reduced else n for i, n in enumerate(shape))


def _spread(g: Any, x: Any, axis: Axis) -> Any:
    """The gradient of a reduction, repeated for each of the elements of x that went into it."""
    return expand(reshape(g, shape=kept_shape(x.shape, axis)), shape=x.shape)


def _count(x: Any, axis: Axis) -> int:
    """How many elements of x go into each element of the reduction."""
    reduced = zip(x.shape, kept_shape(x.shape, axis), strict=True)
    return math.prod(n for n, kept in reduced if n != kept) or 1


sum = Op(
    "sum",
    lambda x, axis=None, keepdims=False: np.add.reduce(x, axis=axis, keepdims=keepdims),
    lambda g, y, x, axis=None, keepdims=False: _spread(g, x, axis),
)


def _mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    if x.size:
        return np.mean(x, axis=axis, keepdims=keepdims)
    # The mean of nothing is nan, as in PyTorch, without a warning.
    return sum.forward(x, axis, keepdims) / math.nan


mean = Op(
    "mean",
    _mean,
    lambda g, y, x, axis=None, keepdims=False: _spread(g / _count(x, axis), x, axis),
)

# ---- the largest and the smallest --------------------------------------------------------------


def _extreme_rule(arg: Any) -> Any:
    def rule(g: Any, y: Any, x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
        """Along one axis the first of equal winners takes the gradient; over all or several axes
        they share it evenly. This is what PyTorch does."""
        if isinstance(axis, int) and x.ndim:
            n, following = x.shape[axis], -axis % x.ndim or x.ndim
            positions = np.arange(n).reshape(n, *(1,) * (following - 1))
            return _spread(g, x, axis) * equal(arg(x, axis=axis, keepdims=True), positions)
        largest = _spread(y, x, axis)
        ties = where(equal(largest, largest), equal(x, largest), not_equal(x, x))  # or the NaNs
        return _spread(g, x, axis) * ties / _spread(sum(ties, axis=axis), x, axis)

    return rule


argmax = Op("argmax", lambda x, axis=None, keepdims=False: np.argmax(x, axis, keepdims=keepdims))
argmin = Op("argmin", lambda x, axis=None, keepdims=False: np.argmin(x, axis, keepdims=keepdims))
max = Op(
    "max",
    lambda x, axis=None, keepdims=False: np.maximum.reduce(x, axis=axis, keepdims=keepdims),
    _extreme_rule(argmax),
)
min = Op(
    "min",
    lambda x, axis=None, keepdims=False: np.minimum.reduce(x, axis=axis, keepdims=keepdims),
    _extreme_rule(argmin),
)
