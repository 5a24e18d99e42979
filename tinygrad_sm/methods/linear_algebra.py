"""Products of matrices as methods of Tensor; the derivatives stand in `ops/linear_algebra.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_sm import ops
from tinygrad_sm.methods.base import Methods

if TYPE_CHECKING:
    from tinygrad_sm.tensor import Tensor


class LinearAlgebra(Methods):
    """Products of vectors, matrices and stacks of matrices."""

    __slots__ = ()

    def matmul(self, other: Any) -> Tensor:
        """The matrix product, also written `a @ b`: yᵢⱼ = Σₖ aᵢₖ bₖⱼ.

        Leading axes are broadcast; a vector on the left is a row, on the right a column.
        Derivatives: g bᵀ and aᵀ g.

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).matmul([1.0, 1.0])
        Tensor([3., 7.])
        """
        return self._apply(ops.matmul, other)

    def linear(self, weight: Any, bias: Any = None) -> Tensor:
        """x Wᵀ + b: self of shape (…, in), weight (out, in), bias (out,) give (…, out).

        Derivatives: g W for x, gᵀ x for W, and the sum of g over the rows for b.

        >>> Tensor([[1.0, 2.0]]).linear([[1.0, 1.0], [0.0, 3.0]], [10.0, 20.0])
        Tensor([[13., 26.]])
        """
        inputs = (self, weight) if bias is None else (self, weight, bias)
        return self._record(ops.linear, inputs)
