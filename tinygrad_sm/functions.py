"""Functions of several tensors, under PyTorch's names.

Arrays, lists and numbers among the arguments become Tensors.
"""

from __future__ import annotations

from typing import Any

from tinygrad_sm.tensor import Tensor


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else Tensor(value)


# ---- elementwise -------------------------------------------------------------------------------


def maximum(input: Any, other: Any) -> Tensor:
    """The larger of two elements; see `Tensor.maximum`.

    >>> maximum([1.0, 5.0], [3.0, 4.0])
    Tensor([3., 5.])
    """
    return _tensor(input).maximum(other)


def minimum(input: Any, other: Any) -> Tensor:
    """The smaller of two elements; see `Tensor.minimum`.

    >>> minimum([1.0, 5.0], [3.0, 4.0])
    Tensor([1., 4.])
    """
    return _tensor(input).minimum(other)


# ---- shape -------------------------------------------------------------------------------------


# ---- linear algebra ----------------------------------------------------------------------------


def matmul(input: Any, other: Any) -> Tensor:
    """The matrix product, also written `input @ other`; see `Tensor.matmul`.

    >>> matmul([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
    Tensor([3., 7.])
    """
    return _tensor(input).matmul(other)
