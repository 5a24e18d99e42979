"""Products of matrices, and the linear layer as one operation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_sm.ops.op import Op
from tinygrad_sm.ops.shape import permute, reshape, sum_to


def _mT(x: Any) -> Any:
    """x with its last two axes swapped."""
    return permute(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _as_matrices(g: Any, a: Any, b: Any) -> tuple[Any, Any, Any]:
    """A vector a is a row and a vector b a column; give g the axes that NumPy dropped for them."""
    shape = g.shape
    if a.ndim == 1:
        a = reshape(a, shape=(1, *a.shape))
        shape = (*shape[:-1], 1, shape[-1]) if b.ndim > 1 else (1,)
    if b.ndim == 1:
        b = reshape(b, shape=(*b.shape, 1))
        shape = (*shape, 1)
    return reshape(g, shape=shape), a, b


def _matmul_a(g: Any, y: Any, a: Any, b: Any) -> Any:
    """g @ bᵀ, with the axes that a was stretched along added up."""
    if a.ndim == b.ndim == 2:
        return g @ b.T
    g, rows, b = _as_matrices(g, a, b)
    return reshape(sum_to(g @ _mT(b), shape=rows.shape), shape=a.shape)


def _matmul_b(g: Any, y: Any, a: Any, b: Any) -> Any:
    """aᵀ @ g, with the axes that b was stretched along added up."""
    if a.ndim == b.ndim == 2:
        return a.T @ g
    g, a, columns = _as_matrices(g, a, b)
    return reshape(sum_to(_mT(a) @ g, shape=columns.shape), shape=b.shape)


matmul = Op("matmul", np.matmul, _matmul_a, _matmul_b)


def _linear(x: Any, weight: Any, bias: Any = None) -> Any:
    if not x.ndim or weight.ndim != 2 or (bias is not None and bias.shape != weight.shape[:1]):
        raise ValueError
    # On matrices dot does what @ does, and is quicker on small ones.
    y = x.dot(weight.T) if x.ndim <= 2 else x @ weight.T
    if bias is None:
        return y
    if y.dtype != bias.dtype:
        return y + bias
    y += bias
    return y


def _rows(x: Any) -> Any:
    """x as a matrix: all axes but the last become one."""
    return x if x.ndim == 2 else reshape(x, shape=(math.prod(x.shape[:-1]), x.shape[-1]))


linear = Op(
    "linear",
    _linear,
    lambda g, y, x, weight, bias=None: g @ weight,
    lambda g, y, x, weight, bias=None: _rows(g).T @ _rows(x),
    lambda g, y, x, weight, bias=None: _rows(g).sum(axis=0),
)
