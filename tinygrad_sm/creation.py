"""Tensors from nothing: constant, evenly spaced and random values.

Random values come from one NumPy generator, seeded by `manual_seed`, or from a generator of your
own: `randn(3, generator=numpy.random.default_rng(0))`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_sm.methods.base import as_ints
from tinygrad_sm.tensor import Tensor
from tinygrad_sm.values import get_default_dtype

Shape = Any  # f(2, 3) or f((2, 3))

_generator: np.random.Generator | None = None  # made when first asked for: quicker to import


def manual_seed(seed: int) -> np.random.Generator:
    """Start the random numbers of the package anew; returns the generator.

    >>> _ = manual_seed(0)
    >>> a = rand(2)
    >>> _ = manual_seed(0)
    >>> bool((a == rand(2)).numpy().all())
    True
    """
    global _generator
    _generator = np.random.default_rng(seed)
    return _generator


def default_generator() -> np.random.Generator:
    """The generator that random values come from unless another is given."""
    global _generator
    if _generator is None:
        _generator = np.random.default_rng()
    return _generator


def _tensor(values: Any, dtype: npt.DTypeLike | None, requires_grad: bool) -> Tensor:
    array = np.asarray(values, dtype=get_default_dtype() if dtype is None else dtype)
    return Tensor(array, requires_grad=requires_grad, copy=False)


def zeros(*shape: Shape, dtype: npt.DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros.

    >>> zeros(2)
    Tensor([0., 0.])
    """
    return full(as_ints(shape), 0, dtype=dtype, requires_grad=requires_grad)


def ones(*shape: Shape, dtype: npt.DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones.

    >>> ones(1, 2)
    Tensor([[1., 1.]])
    """
    return full(as_ints(shape), 1, dtype=dtype, requires_grad=requires_grad)


def full(
    shape: int | tuple[int, ...],
    fill_value: float,
    *,
    dtype: npt.DTypeLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor with the same value everywhere.

    >>> full((2,), 7.0)
    Tensor([7., 7.])
    """
    return _tensor(np.full(shape, fill_value), dtype, requires_grad)


def eye(
    n: int, m: int | None = None, *, dtype: npt.DTypeLike | None = None, requires_grad: bool = False
) -> Tensor:
    """The n × m matrix with ones on the diagonal (n × n if m is left out).

    >>> eye(2)
    Tensor([[1., 0.],
            [0., 1.]])
    """
    return _tensor(np.eye(n, m), dtype, requires_grad)


def arange(
    start: float,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: npt.DTypeLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, … up to but without end; `arange(end)` starts at 0.

    As in PyTorch and NumPy, whole numbers make an integer tensor.

    >>> arange(3)
    Tensor([0, 1, 2], dtype=int64)
    """
    if step == 0:
        raise ValueError("arange needs a step other than 0: it would never reach the end")
    values = np.arange(start, step=step) if end is None else np.arange(start, end, step)
    if dtype is None and values.dtype.kind in "iu":
        dtype = values.dtype
    return _tensor(values, dtype, requires_grad)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: npt.DTypeLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` values at equal distances from start to end, both included.

    >>> linspace(0, 1, 3)
    Tensor([0. , 0.5, 1. ])
    """
    return _tensor(np.linspace(start, end, steps), dtype, requires_grad)


def randn(
    *shape: Shape,
    dtype: npt.DTypeLike | None = None,
    requires_grad: bool = False,
    generator: np.random.Generator | None = None,
) -> Tensor:
    """Values from the normal distribution of mean 0 and variance 1.

    >>> randn(2, 3).shape
    (2, 3)
    """
    values = (generator or default_generator()).standard_normal(as_ints(shape))
    return _tensor(values, dtype, requires_grad)


def rand(
    *shape: Shape,
    dtype: npt.DTypeLike | None = None,
    requires_grad: bool = False,
    generator: np.random.Generator | None = None,
) -> Tensor:
    """Values spread evenly over [0, 1).

    >>> rand(2, 3).shape
    (2, 3)
    """
    return uniform(*shape, dtype=dtype, requires_grad=requires_grad, generator=generator)


def uniform(
    *shape: Shape,
    low: float = 0.0,
    high: float = 1.0,
    dtype: npt.DTypeLike | None = None,
    requires_grad: bool = False,
    generator: np.random.Generator | None = None,
) -> Tensor:
    """Values spread evenly over [low, high).

    >>> uniform(2, 3, low=-1.0, high=1.0).shape
    (2, 3)
    """
    values = (generator or default_generator()).uniform(low, high, as_ints(shape))
    result = _tensor(values, dtype, requires_grad)
    if low < high:  # rounding to float32 may have made a value as large as high
        below = np.nextafter(result.dtype.type(high), result.dtype.type(low))
        np.minimum(result.data, below, out=result.data)
    return result


def randint(
    low: int,
    high: int,
    shape: int | tuple[int, ...],
    *,
    dtype: npt.DTypeLike = np.int64,
    generator: np.random.Generator | None = None,
) -> Tensor:
    """Whole numbers from low up to but without high.

    >>> randint(0, 10, (2, 3)).shape
    (2, 3)
    """
    return _tensor((generator or default_generator()).integers(low, high, shape), dtype, False)


def zeros_like(x: Tensor, *, requires_grad: bool = False) -> Tensor:
    """Zeros in the shape and dtype of x.

    >>> zeros_like(ones(2))
    Tensor([0., 0.])
    """
    return zeros(x.shape, dtype=x.dtype, requires_grad=requires_grad)


def ones_like(x: Tensor, *, requires_grad: bool = False) -> Tensor:
    """Ones in the shape and dtype of x.

    >>> ones_like(zeros(2))
    Tensor([1., 1.])
    """
    return ones(x.shape, dtype=x.dtype, requires_grad=requires_grad)


def full_like(x: Tensor, fill_value: float, *, requires_grad: bool = False) -> Tensor:
    """The same value everywhere, in the shape and dtype of x.

    >>> full_like(zeros(2), 7.0)
    Tensor([7., 7.])
    """
    return full(x.shape, fill_value, dtype=x.dtype, requires_grad=requires_grad)


def randn_like(
    x: Tensor, *, requires_grad: bool = False, generator: np.random.Generator | None = None
) -> Tensor:
    """Normal values in the shape and dtype of x.

    >>> randn_like(zeros(2)).shape
    (2,)
    """
    return randn(x.shape, dtype=x.dtype, requires_grad=requires_grad, generator=generator)


def rand_like(
    x: Tensor, *, requires_grad: bool = False, generator: np.random.Generator | None = None
) -> Tensor:
    """Values spread evenly over [0, 1), in the shape and dtype of x.

    >>> rand_like(zeros(2)).shape
    (2,)
    """
    return rand(x.shape, dtype=x.dtype, requires_grad=requires_grad, generator=generator)
