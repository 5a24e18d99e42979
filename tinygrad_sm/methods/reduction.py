"""Reductions as methods of Tensor; the derivatives stand in `ops/reduction.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_sm import ops
from tinygrad_sm.methods.base import Axis, Methods, as_axis

if TYPE_CHECKING:
    from tinygrad_sm.tensor import Tensor


class Reduction(Methods):
    """Many elements into one, over all of them or along an axis.

    axis: the axis or axes to reduce, None for all. keepdims: leave them in the shape, as 1.
    """

    __slots__ = ()

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Σ x over all elements or along `axis`. Derivative: 1 for every element.

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).sum(axis=0)
        Tensor([4., 6.])
        """
        return self._apply(ops.sum, axis=as_axis(axis), keepdims=keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Σ x / n over all elements or along `axis`. Derivative: 1/n for every element.

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).mean()
        Tensor(2.5)
        """
        return self._apply(ops.mean, axis=as_axis(axis), keepdims=keepdims)

    def max(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The largest element of all or along `axis`; `argmax` tells where it is.

        Derivative: 1 for the largest and 0 elsewhere. Along one axis the first of equal elements
        takes it; over all or several axes equal elements share it evenly (as in PyTorch).

        >>> Tensor([[1.0, 5.0], [3.0, 4.0]]).max(axis=1)
        Tensor([5., 4.])
        """
        return self._apply(ops.max, axis=as_axis(axis), keepdims=keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The smallest element of all or along `axis`; derivative as for `max`.

        >>> Tensor([[1.0, 5.0], [3.0, 4.0]]).min(axis=1)
        Tensor([1., 3.])
        """
        return self._apply(ops.min, axis=as_axis(axis), keepdims=keepdims)

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
