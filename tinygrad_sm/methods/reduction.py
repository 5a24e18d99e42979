"""Reductions and running results as methods of Tensor; derivatives are in `ops/reduction.py`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy.typing as npt

from tinygrad_sm import ops
from tinygrad_sm.errors import DtypeError, ShapeError
from tinygrad_sm.methods.base import Axis, Methods, as_axis, one_axis

if TYPE_CHECKING:
    from tinygrad_sm.tensor import Tensor


class Extremes(NamedTuple):
    """What `cummax` and `cummin` return: the elements, and where each of them was."""

    values: Tensor
    indices: Tensor


class Reduction(Methods):
    """Many elements into one, over all of them or along an axis; and running results.

    axis: the axis or axes to reduce, None for all. keepdims: leave them in the shape, as 1.
    dtype: what to cast the elements to first.
    """

    __slots__ = ()

    # ---- sums and products ---------------------------------------------------------------------

    def sum(
        self, axis: Axis = None, keepdims: bool = False, *, dtype: npt.DTypeLike | None = None
    ) -> Tensor:
        """Σ x over all elements or along `axis`. Derivative: 1 for every element.

        Bools and integers add up to int64.

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).sum(axis=0)
        Tensor([4., 6.])
        """
        x = self if dtype is None else self.astype(dtype)
        return x._apply(ops.sum, axis=as_axis(axis, x._data.ndim), keepdims=keepdims)

    def nansum(
        self, axis: Axis = None, keepdims: bool = False, *, dtype: npt.DTypeLike | None = None
    ) -> Tensor:
        """Σ of the elements that are not NaN. Derivative: 1 for these, 0 for NaN.

        >>> Tensor([1.0, float("nan"), 2.0]).nansum()
        Tensor(3.)
        """
        x: Tensor = ops.where(_is_number(self), self, 0)
        return x.sum(axis, keepdims, dtype=dtype)

    def mean(
        self, axis: Axis = None, keepdims: bool = False, *, dtype: npt.DTypeLike | None = None
    ) -> Tensor:
        """Σ x / n over all elements or along `axis`. Derivative: 1/n for every element.

        The mean of no elements is NaN. That of bools and integers is float64, as in NumPy; PyTorch
        refuses it.

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).mean()
        Tensor(2.5)
        """
        x = self if dtype is None else self.astype(dtype)
        return x._apply(ops.mean, axis=as_axis(axis, x._data.ndim), keepdims=keepdims)

    def nanmean(
        self, axis: Axis = None, keepdims: bool = False, *, dtype: npt.DTypeLike | None = None
    ) -> Tensor:
        """The mean of the elements that are not NaN. Derivative: 1/n for each of the n, else 0.

        Where all are NaN the mean is NaN and the derivative 0; PyTorch's is NaN.

        >>> Tensor([1.0, float("nan"), 2.0]).nanmean()
        Tensor(1.5)
        """
        if dtype is not None or self.dtype.kind != "f":
            return self.astype(float if dtype is None else dtype).nanmean(axis, keepdims)
        n = _is_number(self).sum(axis, keepdims).astype(self.dtype)
        mean: Tensor = self.nansum(axis, keepdims) / ops.where(n > 0, n, math.nan)
        return mean

    def prod(
        self, axis: Axis = None, keepdims: bool = False, *, dtype: npt.DTypeLike | None = None
    ) -> Tensor:
        """Π x over all elements or along `axis`. Derivative: the product of the others.

        It is multiplied up, not divided out, and so it is right where elements are 0 (and where
        they are ∞ or NaN, in which PyTorch divides). Bools and integers give int64.

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).prod(axis=1)
        Tensor([ 2., 12.])
        """
        x = self if dtype is None else self.astype(dtype)
        return x._apply(ops.prod, axis=as_axis(axis, x._data.ndim), keepdims=keepdims)

    # ---- truth and counts ----------------------------------------------------------------------

    def all(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Whether every element is true, that is not 0; True for no elements. No derivative.

        >>> Tensor([[1.0, 2.0], [0.0, 4.0]]).all(axis=1)
        Tensor([ True, False])
        """
        return self._apply(ops.all, axis=as_axis(axis, self._data.ndim), keepdims=keepdims)

    def any(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Whether some element is true, that is not 0; False for no elements. No derivative.

        >>> Tensor([[0.0, 2.0], [0.0, 0.0]]).any(axis=1)
        Tensor([ True, False])
        """
        return self._apply(ops.any, axis=as_axis(axis, self._data.ndim), keepdims=keepdims)

    def count_nonzero(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """How many elements are not 0. No derivative.

        >>> Tensor([[0.0, 2.0], [3.0, 4.0]]).count_nonzero(axis=0)
        Tensor([1, 2], dtype=int64)
        """
        return self._apply(
            ops.count_nonzero, axis=as_axis(axis, self._data.ndim), keepdims=keepdims
        )

    # ---- spread around the mean ----------------------------------------------------------------

    def var(self, axis: Axis = None, *, correction: float = 1, keepdims: bool = False) -> Tensor:
        """The variance Σ (x − mean)² / (n − correction), over all elements or along `axis`.

        correction: 1 estimates the variance of what the elements were drawn from (PyTorch's
            default), 0 is the variance of the elements themselves (NumPy's).

        Derivative: 2 (x − mean) / (n − correction). Where n is not larger than the correction the
        result is NaN or ∞.

        >>> Tensor([1.0, 2.0, 3.0]).var()
        Tensor(1.)
        """
        _check_real(self, "var")
        return self._apply(
            ops.var, axis=as_axis(axis, self._data.ndim), correction=correction, keepdims=keepdims
        )

    def std(self, axis: Axis = None, *, correction: float = 1, keepdims: bool = False) -> Tensor:
        """The standard deviation: the square root of `var`, with the same arguments.

        Derivative: (x − mean) / (std · (n − correction)), and 0 where all elements are equal.

        >>> Tensor([2.0, 4.0, 6.0]).std()
        Tensor(2.)
        """
        _check_real(self, "std")
        return self._apply(
            ops.std, axis=as_axis(axis, self._data.ndim), correction=correction, keepdims=keepdims
        )

    def var_mean(
        self, axis: Axis = None, *, correction: float = 1, keepdims: bool = False
    ) -> tuple[Tensor, Tensor]:
        """The tuple (var, mean); see there.

        >>> Tensor([1.0, 2.0, 3.0]).var_mean()
        (Tensor(1.), Tensor(2.))
        """
        variance = self.var(axis, correction=correction, keepdims=keepdims)
        return variance, self.mean(axis, keepdims)

    def std_mean(
        self, axis: Axis = None, *, correction: float = 1, keepdims: bool = False
    ) -> tuple[Tensor, Tensor]:
        """The tuple (std, mean); see there.

        >>> Tensor([2.0, 4.0, 6.0]).std_mean()
        (Tensor(2.), Tensor(4.))
        """
        deviation = self.std(axis, correction=correction, keepdims=keepdims)
        return deviation, self.mean(axis, keepdims)

    # ---- sizes ---------------------------------------------------------------------------------

    def norm(self, p: float | str = 2, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The size of vectors: (Σ |x|ᵖ)^(1/p) over all elements or along `axis`.

        p: any number. 2, also written "fro", is the length; 1 the sum of the sizes; ∞ and −∞ the
            largest and the smallest size; 0 tells how many elements are not 0.

        Derivative: sign(x) (|x| / norm)ᵖ⁻¹, which is x / norm for p = 2; for ±∞ the sign of the
        chosen elements, which share it evenly; 0 for p = 0, and where the norm is 0. PyTorch
        has no second derivative there (NaN); here it is 0 too.

        >>> Tensor([[3.0, 4.0], [0.0, 2.0]]).norm(axis=1)
        Tensor([5., 2.])
        """
        _check_real(self, "norm")
        if p == "fro":
            p = 2
        if not isinstance(p, int | float):
            raise ValueError(f"norm needs a number or 'fro' for p, got {p!r}")
        axis = as_axis(axis, self._data.ndim)
        if p < 0 and not self._data.size and ops.sum(self._data, axis=axis).size:
            raise ShapeError(f"the norm with p = {p} needs elements, got shape {self.shape}")
        return self._apply(ops.norm, p=p, axis=axis, keepdims=keepdims)

    def normalize(self, p: float | str = 2, axis: Axis = 1, eps: float = 1e-12) -> Tensor:
        """Scale to length 1: x / max(‖x‖ₚ, ε) along `axis`; see `norm` for p.

        A vector shorter than ε is divided by ε, so that 0 stays 0. Derivative, for p = 2:
        (g − y Σ g y) / ‖x‖.

        >>> Tensor([[3.0, 4.0], [0.0, 0.0]]).normalize()
        Tensor([[0.6, 0.8],
                [0. , 0. ]])
        """
        return self._apply(ops.divide, self.norm(p, axis, keepdims=True).clamp(min=eps))

    # ---- the largest, the smallest and the middle ----------------------------------------------

    def max(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The largest element of all or along `axis`; `argmax` tells where it is.

        Derivative: 1 for the largest and 0 elsewhere. Along one axis the first of equal elements
        takes it; over all or several axes equal elements share it evenly (as in PyTorch).

        >>> Tensor([[1.0, 5.0], [3.0, 4.0]]).max(axis=1)
        Tensor([5., 4.])
        """
        return self._apply(ops.max, axis=as_axis(axis, self._data.ndim), keepdims=keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The smallest element of all or along `axis`; derivative as for `max`.

        >>> Tensor([[1.0, 5.0], [3.0, 4.0]]).min(axis=1)
        Tensor([1., 3.])
        """
        return self._apply(ops.min, axis=as_axis(axis, self._data.ndim), keepdims=keepdims)

    def amax(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The largest element, as `max`, but equal elements share the derivative in every case.

        Where the largest is NaN, the NaNs share it; in PyTorch all elements become NaN.

        >>> x = Tensor([2.0, 1.0, 2.0], requires_grad=True)
        >>> x.amax(axis=0).backward()
        >>> x.grad
        array([0.5, 0. , 0.5], dtype=float32)
        """
        return self._apply(ops.max, axis=_as_axes(axis, self._data.ndim), keepdims=keepdims)

    def amin(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The smallest element; derivative as for `amax`.

        >>> Tensor([[1.0, 5.0], [3.0, 4.0]]).amin(axis=(0, 1))
        Tensor(1.)
        """
        return self._apply(ops.min, axis=_as_axes(axis, self._data.ndim), keepdims=keepdims)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """Where the largest element is: its index along `axis`, or in the flattened tensor.

        The first of equal elements wins. No derivative.

        >>> Tensor([[1.0, 5.0], [7.0, 4.0]]).argmax(axis=1)
        Tensor([1, 0], dtype=int64)
        """
        return self._apply(ops.argmax, axis=axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """Where the smallest element is; see `argmax`.

        >>> Tensor([[1.0, 5.0], [7.0, 4.0]]).argmin(axis=1)
        Tensor([0, 1], dtype=int64)
        """
        return self._apply(ops.argmin, axis=axis, keepdims=keepdims)

    def median(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The element in the middle; of two in the middle the lower, as in PyTorch.

        NaN if there is one among the elements. Derivative: 1 for the median and 0 elsewhere; among
        equal elements as for `max`. (Along an axis PyTorch gives it to any of them.)

        >>> Tensor([4.0, 1.0, 3.0, 2.0]).median()
        Tensor(2.)
        """
        return self._apply(ops.median, axis=as_axis(axis, self._data.ndim), keepdims=keepdims)

    # ---- running results -----------------------------------------------------------------------

    def cumsum(self, axis: int, *, dtype: npt.DTypeLike | None = None) -> Tensor:
        """The running sum along an axis: yᵢ = x₀ + … + xᵢ. Bools and integers give int64.

        Derivative: the running sum of g from the end, for xᵢ is part of yᵢ and all after it.

        >>> Tensor([1.0, 2.0, 3.0]).cumsum(0)
        Tensor([1., 3., 6.])
        """
        return _run(self if dtype is None else self.astype(dtype), ops.cumsum, axis)

    def cumprod(self, axis: int, *, dtype: npt.DTypeLike | None = None) -> Tensor:
        """The running product along an axis: yᵢ = x₀ · … · xᵢ. Bools and integers give int64.

        Derivative: Σ gⱼ · (the product of all up to j but xᵢ) over j from i on. Nothing is divided,
        so it is right where elements are 0.

        >>> Tensor([1.0, 2.0, 3.0]).cumprod(0)
        Tensor([1., 2., 6.])
        """
        return _run(self if dtype is None else self.astype(dtype), ops.cumprod, axis)

    def logcumsumexp(self, axis: int) -> Tensor:
        """The running logsumexp along an axis: yᵢ = ln(e^x₀ + … + e^xᵢ), without overflow.

        Derivative: Σ gⱼ e^(xᵢ − yⱼ) over j from i on. It is 0 where y is −∞; PyTorch's is NaN.

        >>> Tensor([1000.0, 1000.0]).logcumsumexp(0)
        Tensor([1000.    , 1000.6932])
        """
        _check_real(self, "logcumsumexp")
        return _run(self, ops.logcumsumexp, axis)

    def cummax(self, axis: int) -> Extremes:
        """The largest element so far, and where it is: the named tuple (values, indices).

        Of equal elements the last counts. From a NaN on all are NaN. Derivative: g, added to the
        elements that it names.

        >>> Tensor([1.0, 3.0, 2.0]).cummax(0).values
        Tensor([1., 3., 3.])
        >>> Tensor([1.0, 3.0, 2.0]).cummax(0).indices
        Tensor([0, 1, 1], dtype=int64)
        """
        return _run_and_pick(self, ops.argcummax, axis)

    def cummin(self, axis: int) -> Extremes:
        """The smallest element so far, and where it is; see `cummax`.

        >>> Tensor([3.0, 1.0, 2.0]).cummin(0).values
        Tensor([3., 1., 1.])
        """
        return _run_and_pick(self, ops.argcummin, axis)


def _check_real(x: Methods, name: str) -> None:
    if x._data.dtype.kind != "f":
        raise DtypeError(
            f"{name} needs floating-point elements, this tensor is {x._data.dtype}: "
            "use astype(float)"
        )


def _is_number(x: Methods) -> Tensor:
    """Where x is not NaN."""
    return x._apply(ops.equal, x)


def _as_axes(axis: Any, ndim: int) -> Any:
    """A single axis as a tuple: how `ops.max` is told to share among equal elements."""
    axis = as_axis(axis, ndim)
    return as_axis((axis,), ndim) if isinstance(axis, int) else axis


def _run(x: Methods, op: ops.Op, axis: int) -> Tensor:
    """A running result along an axis. A single number counts as an axis of length 1."""
    if not x.ndim:
        one_axis(axis, 1)
        return x._apply(ops.reshape, shape=(1,))._apply(op, axis=0).reshape(())
    return x._apply(op, axis=one_axis(axis, x.ndim))


def _run_and_pick(x: Methods, op: ops.Op, axis: int) -> Extremes:
    """Where the running extremes are, and the elements there."""
    indices = _run(x, op, axis)
    if not x.ndim:
        return Extremes(x._apply(ops.reshape, shape=()), indices)
    return Extremes(x._apply(ops.gather, indices, axis=axis % x.ndim), indices)
