"""Products of matrices, sums of products in general, and the linear layer as one operation."""

from __future__ import annotations

import math
from functools import lru_cache
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


@lru_cache(maxsize=64)
def filled(n: int, value: float, dtype: Any) -> Any:
    """A vector with the same value everywhere, made once. Its product with a matrix is a sum."""
    vector = np.full(n, value, dtype)
    vector.flags.writeable = False
    return vector


def _linear(x: Any, weight: Any, bias: Any = None) -> Any:
    if weight.ndim != 2 or not x.ndim or (bias is not None and bias.shape != weight.shape[:1]):
        raise ValueError
    # On matrices dot does what @ does, and is quicker on small ones.
    y = x.dot(weight.T) if x.ndim <= 2 else x @ weight.T
    if bias is None:
        return y
    if y.dtype is not bias.dtype and y.dtype != bias.dtype:
        return y + bias
    y += bias
    return y


def _linear_x(g: Any, y: Any, x: Any, weight: Any, bias: Any = None) -> Any:
    """g W."""
    return g.dot(weight) if isinstance(g, np.ndarray) and g.ndim <= 2 else g @ weight


def _linear_weight(g: Any, y: Any, x: Any, weight: Any, bias: Any = None) -> Any:
    """gᵀ x, added up over all rows; in memory it lies as the weight does."""
    if x.ndim != 2:
        g, x = _rows(g), _rows(x)
    if not isinstance(g, np.ndarray):
        return g.T @ x
    if weight.flags.c_contiguous or g.dtype is not x.dtype:
        return g.T.dot(x)
    gradient = np.empty(weight.shape, g.dtype, "F")
    x.T.dot(g, gradient.T)  # the same numbers, written through the transpose
    return gradient


def _linear_bias(g: Any, y: Any, x: Any, weight: Any, bias: Any = None) -> Any:
    """The sum of the rows of g: on arrays a product with ones, much quicker than a sum."""
    if x.ndim != 2:
        g = _rows(g)
    return filled(len(g), 1.0, g.dtype).dot(g) if isinstance(g, np.ndarray) else g.sum(axis=0)


def _rows(x: Any) -> Any:
    """x as a matrix: all axes but the last become one."""
    return reshape(x, shape=(math.prod(x.shape[:-1]), x.shape[-1]))


linear = Op(
    "linear",
    _linear,
    _linear_x,
    _linear_weight,
    _linear_bias,
)

# ---- sums of products --------------------------------------------------------------------------
# An equation such as "ab,bc->ac" names the axes of two inputs and of the result. Here no letter
# occurs twice in one of the three, and each occurs in two of them. So do then the letters of
# "ac,bc->ab", the equation of the gradient.


@lru_cache(maxsize=256)
def _as_matmul(equation: str) -> Any:
    """How the equation is a matrix product: the axes in the order (stack, rows, summed) for a and
    (stack, summed, columns) for b, the numbers of these, and the order of the result's axes.
    None where it is none: then the loop of np.einsum is as quick."""
    a, b, y = _letters(equation)
    stack = [c for c in y if c in a and c in b]
    rows = [c for c in y if c not in b]
    columns = [c for c in y if c not in a]
    summed = [c for c in a if c not in y]
    if not (rows and columns and summed):
        return None
    return (
        tuple(map(a.index, stack + rows + summed)),
        tuple(map(b.index, stack + summed + columns)),
        (len(stack), len(stack) + len(rows), len(stack) + len(summed)),
        tuple(map((stack + rows + columns).index, y)),
    )


def _letters(equation: str) -> list[str]:
    return equation.replace("->", ",").split(",")


def _einsum(a: Any, b: Any, equation: str) -> Any:
    how = _as_matmul(equation)
    if how is None:
        return np.einsum(equation, a, b)
    axes_a, axes_b, (stack, rows, summed), axes_y = how
    a, b = a.transpose(axes_a), b.transpose(axes_b)
    shape = a.shape[:rows] + b.shape[summed:]
    if a.ndim > stack + 2 or b.ndim > stack + 2:  # several axes make one of a matrix
        n, m = math.prod(a.shape[stack:rows]), math.prod(b.shape[summed:])
        k = math.prod(a.shape[rows:])
        a, b = a.reshape(*shape[:stack], n, k), b.reshape(*shape[:stack], k, m)
        return (a @ b).reshape(shape).transpose(axes_y)
    return (a @ b).transpose(axes_y)


@lru_cache(maxsize=256)
def _equations_of_gradients(equation: str) -> tuple[str, str]:
    a, b, y = _letters(equation)
    return f"{y},{b}->{a}", f"{a},{y}->{b}"


def _einsum_a(g: Any, y: Any, a: Any, b: Any, equation: str) -> Any:
    """The einsum of g and b that has the axes of a."""
    return einsum(g, b, equation=_equations_of_gradients(equation)[0])


def _einsum_b(g: Any, y: Any, a: Any, b: Any, equation: str) -> Any:
    """The einsum of a and g that has the axes of b."""
    return einsum(a, g, equation=_equations_of_gradients(equation)[1])


einsum = Op("einsum", _einsum, _einsum_a, _einsum_b)
