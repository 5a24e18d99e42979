"""Standardizing, over some of the axes: what batch, layer and group normalization share."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_sm.ops.elementwise import rsqrt
from tinygrad_sm.ops.op import Op
from tinygrad_sm.ops.reduction import Axis, count, mean, var


def moments(x: Any, axis: Axis) -> tuple[Any, Any, Any]:
    """The mean and the variance of an array along the axes, which stay as 1, and x − mean."""
    if x.dtype.char == "e":  # float16 is added up in float32
        x = x.astype(np.float32)
    n = count(x, axis)
    average = np.add.reduce(x, axis=axis, keepdims=True) / n
    centred = x - average
    return average, np.add.reduce(centred * centred, axis=axis, keepdims=True) / n, centred


def _standardize(x: Any, axis: Axis = None, eps: float = 1e-5) -> Any:
    """(x − mean) / √(variance + ε); saved are the mean and the variance."""
    average, variance, y = moments(x, axis)
    y /= np.sqrt(variance + eps)
    return y.astype(x.dtype, copy=False), (average, variance)


def _standardize_rule(
    g: Any, y: Any, x: Any, saved: Any, axis: Axis = None, eps: float = 1e-5
) -> Any:
    """(g − mean g − y mean(g y)) / √(variance + ε): moving or scaling all of x changes nothing, so
    g loses its share in those two directions."""
    variance = saved[1] if saved else var(x, axis=axis, correction=0, keepdims=True)
    g = g - mean(g, axis=axis, keepdims=True) - y * mean(g * y, axis=axis, keepdims=True)
    return g * rsqrt(variance + eps)


standardize = Op("standardize", _standardize, _standardize_rule, saves=True)
