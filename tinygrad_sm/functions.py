"""Functions of several tensors, under PyTorch's names.

Arrays, lists and numbers among the arguments become Tensors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_sm import ops
from tinygrad_sm.errors import DtypeError, ShapeError
from tinygrad_sm.methods.base import one_axis
from tinygrad_sm.methods.linear_algebra import einsum as _einsum
from tinygrad_sm.methods.linear_algebra import shape_of
from tinygrad_sm.spelling import hints_keywords
from tinygrad_sm.tensor import Tensor

_TENSORS = {Tensor}  # the types of operands that need no change


def _tensor(value: Any, beside: Any = None) -> Tensor:
    """A Tensor of the value; a Python number takes the dtype of the tensor beside it."""
    if isinstance(value, Tensor):
        return value
    return beside._coerced(value) if isinstance(beside, Tensor) else Tensor(value)


# ---- elementwise -------------------------------------------------------------------------------


def where(condition: Any, input: Any, other: Any) -> Tensor:
    """The input's element where the condition is true, else the other's; see `Tensor.where`.

    >>> where([True, False], 1.0, [2.0, 3.0])
    Tensor([1., 3.])
    """
    return _tensor(input, other).where(condition, other)


def lerp(input: Any, end: Any, weight: Any) -> Tensor:
    """a + weight (end − a); see `Tensor.lerp`.

    >>> lerp([1.0, 2.0], [3.0, 12.0], 0.5)
    Tensor([2., 7.])
    """
    return _tensor(input, end).lerp(end, weight)


def add(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """a + alpha · b; see `Tensor.add`.

    >>> add(1, [1.0, 2.0])
    Tensor([2., 3.])
    """
    return _tensor(input, other).add(other, alpha=alpha)


def sub(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """a − alpha · b; see `Tensor.sub`.

    >>> sub(1, [1.0, 2.0])
    Tensor([ 0., -1.])
    """
    return _tensor(input, other).sub(other, alpha=alpha)


def mul(input: Any, other: Any) -> Tensor:
    """a · b; see `Tensor.mul`.

    >>> mul(2, [1.0, 2.0])
    Tensor([2., 4.])
    """
    return _tensor(input, other).mul(other)


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """a / b, with or without rounding; see `Tensor.div`.

    >>> div(2, [1.0, 2.0])
    Tensor([2., 1.])
    """
    return _tensor(input, other).div(other, rounding_mode=rounding_mode)


def floor_divide(input: Any, other: Any) -> Tensor:
    """a / b rounded down; see `Tensor.floor_divide`.

    >>> floor_divide([7.0, -7.0], 2)
    Tensor([ 3., -4.])
    """
    return _tensor(input, other).floor_divide(other)


def remainder(input: Any, other: Any) -> Tensor:
    """The remainder with the sign of b; see `Tensor.remainder`.

    >>> remainder([7.0, -7.0], 3)
    Tensor([1., 2.])
    """
    return _tensor(input, other).remainder(other)


def fmod(input: Any, other: Any) -> Tensor:
    """The remainder with the sign of a; see `Tensor.fmod`.

    >>> fmod([7.0, -7.0], 3)
    Tensor([ 1., -1.])
    """
    return _tensor(input, other).fmod(other)


def pow(input: Any, exponent: Any) -> Tensor:
    """aᵇ; see `Tensor.pow`.

    >>> pow(2, [1.0, 2.0])
    Tensor([2., 4.])
    """
    return _tensor(input, exponent).pow(exponent)


def maximum(input: Any, other: Any) -> Tensor:
    """The larger of two elements; see `Tensor.maximum`.

    >>> maximum([1.0, 5.0], [3.0, 4.0])
    Tensor([3., 5.])
    """
    return _tensor(input, other).maximum(other)


def minimum(input: Any, other: Any) -> Tensor:
    """The smaller of two elements; see `Tensor.minimum`.

    >>> minimum([1.0, 5.0], [3.0, 4.0])
    Tensor([1., 4.])
    """
    return _tensor(input, other).minimum(other)


def logaddexp(input: Any, other: Any) -> Tensor:
    """ln(eᵃ + eᵇ) without overflow; see `Tensor.logaddexp`.

    >>> logaddexp([1000.0], [1000.0])
    Tensor([1000.6932])
    """
    return _tensor(input, other).logaddexp(other)


def atan2(input: Any, other: Any) -> Tensor:
    """The angle of the point (other, input); see `Tensor.atan2`.

    >>> atan2([1.0, 1.0], [1.0, -1.0])
    Tensor([0.7854, 2.3562])
    """
    return _tensor(input, other).atan2(other)


def eq(input: Any, other: Any) -> Tensor:
    """Whether a = b, elementwise; see `Tensor.eq`.

    >>> eq(1, [1.0, 2.0])
    Tensor([ True, False])
    """
    return _tensor(input, other).eq(other)


def ne(input: Any, other: Any) -> Tensor:
    """Whether a ≠ b, elementwise; see `Tensor.ne`.

    >>> ne(1, [1.0, 2.0])
    Tensor([False,  True])
    """
    return _tensor(input, other).ne(other)


def lt(input: Any, other: Any) -> Tensor:
    """Whether a < b, elementwise; see `Tensor.lt`.

    >>> lt(1, [1.0, 2.0])
    Tensor([False,  True])
    """
    return _tensor(input, other).lt(other)


def le(input: Any, other: Any) -> Tensor:
    """Whether a ≤ b, elementwise; see `Tensor.le`.

    >>> le(1, [1.0, 2.0])
    Tensor([ True,  True])
    """
    return _tensor(input, other).le(other)


def gt(input: Any, other: Any) -> Tensor:
    """Whether a > b, elementwise; see `Tensor.gt`.

    >>> gt(2, [1.0, 2.0])
    Tensor([ True, False])
    """
    return _tensor(input, other).gt(other)


def ge(input: Any, other: Any) -> Tensor:
    """Whether a ≥ b, elementwise; see `Tensor.ge`.

    >>> ge(2, [1.0, 2.0])
    Tensor([ True,  True])
    """
    return _tensor(input, other).ge(other)


def logical_and(input: Any, other: Any) -> Tensor:
    """Whether both are true; see `Tensor.logical_and`.

    >>> logical_and([True, True], [True, False])
    Tensor([ True, False])
    """
    return _tensor(input, other).logical_and(other)


def logical_or(input: Any, other: Any) -> Tensor:
    """Whether one or both are true; see `Tensor.logical_or`.

    >>> logical_or([True, False], [False, False])
    Tensor([ True, False])
    """
    return _tensor(input, other).logical_or(other)


def logical_xor(input: Any, other: Any) -> Tensor:
    """Whether exactly one is true; see `Tensor.logical_xor`.

    >>> logical_xor([True, True], [True, False])
    Tensor([False,  True])
    """
    return _tensor(input, other).logical_xor(other)


def isclose(
    input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Whether two elements are equal up to rounding; see `Tensor.isclose`.

    >>> isclose([1.0, 2.0], [1.000001, 2.1])
    Tensor([ True, False])
    """
    return _tensor(input, other).isclose(other, rtol, atol, equal_nan)


def allclose(
    input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether all elements are equal up to rounding, as one Python bool; see `Tensor.allclose`.

    >>> allclose([1.0, 2.0], [1.000001, 2.1])
    False
    """
    return _tensor(input, other).allclose(other, rtol, atol, equal_nan)


# ---- shape -------------------------------------------------------------------------------------


def _several(tensors: Any, name: str) -> tuple[Tensor, ...]:
    """The tensors of a list. A Python number among them takes the dtype of the first tensor."""
    if not isinstance(tensors, list | tuple):
        raise DtypeError(
            f"{name} takes a list of tensors, got {type(tensors).__name__}: {name}([a, b])"
        )
    if not tensors:
        raise ShapeError(f"{name} needs at least one tensor, got an empty list")
    if {*map(type, tensors)} == _TENSORS:
        return tuple(tensors)
    first = next((x for x in tensors if isinstance(x, Tensor)), None)
    like = _tensor if first is None else first._coerced
    return tuple([x if isinstance(x, Tensor) else like(x) for x in tensors])


@hints_keywords
def cat(tensors: Any, axis: int = 0) -> Tensor:
    """Join tensors along an axis; all other axes have equal lengths.

    Derivative: for each tensor the part of g at its place. Different dtypes become the one that
    NumPy promotes them to. (PyTorch lets a vector of no elements join any shape; here it has to
    fit as all others.)

    >>> cat([Tensor([1.0, 2.0]), Tensor([3.0])])
    Tensor([1., 2., 3.])
    """
    inputs = _several(tensors, "cat")
    try:
        return Tensor._record(ops.cat, inputs, {"axis": axis})
    except ValueError:
        ndim = inputs[0].ndim
        if not ndim or any(x.ndim != ndim for x in inputs):
            raise ShapeError(
                "cat needs tensors with equally many axes, at least one (stack makes a new axis), "
                f"got shapes {', '.join(str(x.shape) for x in inputs)}"
            ) from None
        one_axis(axis, ndim)
        raise


@hints_keywords
def concat(tensors: Any, axis: int = 0) -> Tensor:
    """The same as `cat`."""
    return cat(tensors, axis)


@hints_keywords
def concatenate(tensors: Any, axis: int = 0) -> Tensor:
    """The same as `cat`."""
    return cat(tensors, axis)


@hints_keywords
def stack(tensors: Any, axis: int = 0) -> Tensor:
    """Join tensors of one shape along a new axis. Derivative: for each tensor its slice of g.

    >>> stack([Tensor([1.0, 2.0]), Tensor([3.0, 4.0])])
    Tensor([[1., 2.],
            [3., 4.]])
    """
    inputs = _several(tensors, "stack")
    axis = one_axis(axis, inputs[0].ndim + 1)
    return Tensor._record(ops.stack, inputs, {"axis": axis})


def hstack(tensors: Any) -> Tensor:
    """Join along axis 1, and vectors along their only axis.

    >>> hstack([Tensor([[1.0], [2.0]]), Tensor([[3.0], [4.0]])])
    Tensor([[1., 3.],
            [2., 4.]])
    """
    inputs = [x if x.ndim else x.reshape(1) for x in _several(tensors, "hstack")]
    return cat(inputs, 0 if inputs[0].ndim == 1 else 1)


def vstack(tensors: Any) -> Tensor:
    """Join along axis 0; a vector is a row.

    >>> vstack([Tensor([1.0, 2.0]), Tensor([3.0, 4.0])])
    Tensor([[1., 2.],
            [3., 4.]])
    """
    return cat([x if x.ndim > 1 else x.reshape(1, -1) for x in _several(tensors, "vstack")])


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """The tensors, each expanded to their common shape.

    >>> [x.shape for x in broadcast_tensors(Tensor([[1.0], [2.0]]), Tensor([1.0, 2.0, 3.0]))]
    [(2, 3), (2, 3)]
    """
    inputs = _several(tensors, "broadcast_tensors")
    try:
        shape = np.broadcast_shapes(*(x.shape for x in inputs))
    except ValueError:
        raise ShapeError(
            f"broadcast_tensors: shapes {', '.join(str(x.shape) for x in inputs)} do not fit "
            "together: axes are compared from the last backwards, and need equal lengths or a 1"
        ) from None
    return tuple(x.expand(shape) for x in inputs)


# ---- linear algebra ----------------------------------------------------------------------------


def matmul(input: Any, other: Any) -> Tensor:
    """The matrix product, also written `input @ other`; see `Tensor.matmul`.

    >>> matmul([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
    Tensor([3., 7.])
    """
    return _tensor(input).matmul(other)


def dot(input: Any, other: Any) -> Tensor:
    """Σᵢ aᵢ bᵢ of two vectors; see `Tensor.dot`.

    >>> dot([1.0, 2.0], [3.0, 4.0])
    Tensor(11.)
    """
    return _tensor(input).dot(other)


def mv(input: Any, vec: Any) -> Tensor:
    """A matrix times a vector; see `Tensor.mv`.

    >>> mv([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
    Tensor([3., 7.])
    """
    return _tensor(input).mv(vec)


def mm(input: Any, mat2: Any) -> Tensor:
    """The product of two matrices; see `Tensor.mm`.

    >>> mm([[1.0, 2.0], [3.0, 4.0]], [[1.0], [1.0]])
    Tensor([[3.],
            [7.]])
    """
    return _tensor(input).mm(mat2)


def bmm(input: Any, mat2: Any) -> Tensor:
    """The products of the matrices in two stacks; see `Tensor.bmm`.

    >>> bmm([[[1.0, 2.0]]], [[[3.0], [4.0]]])
    Tensor([[[11.]]])
    """
    return _tensor(input).bmm(mat2)


def outer(input: Any, vec2: Any) -> Tensor:
    """Every product of an element of one vector and one of another; see `Tensor.outer`.

    >>> outer([1.0, 2.0], [3.0, 4.0])
    Tensor([[3., 4.],
            [6., 8.]])
    """
    return _tensor(input).outer(vec2)


def inner(input: Any, other: Any) -> Tensor:
    """The sum of products over the last axis of both; see `Tensor.inner`.

    >>> inner([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
    Tensor([3., 7.])
    """
    return _tensor(input).inner(other)


def tensordot(a: Any, b: Any, axes: Any = 2) -> Tensor:
    """The sum of products over pairs of axes; see `Tensor.tensordot`.

    >>> tensordot([[1.0, 2.0], [3.0, 4.0]], [[1.0, 1.0], [0.0, 1.0]])
    Tensor(7.)
    """
    return _tensor(a).tensordot(b, axes)


def addmm(input: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """β x + α (mat1 @ mat2) of matrices; see `Tensor.addmm`.

    >>> addmm([1.0, 2.0], [[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]])
    Tensor([[14., 18.]])
    """
    return _tensor(input).addmm(mat1, mat2, beta=beta, alpha=alpha)


def baddbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """β x + α (batch1 @ batch2) of stacks of matrices; see `Tensor.baddbmm`.

    >>> baddbmm(1.0, [[[2.0]]], [[[4.0]]])
    Tensor([[[9.]]])
    """
    return _tensor(input).baddbmm(batch1, batch2, beta=beta, alpha=alpha)


def einsum(equation: str, *operands: Any) -> Tensor:
    """Any sum of products, from letters for the axes of the operands and of the result.

    Axes with the same letter run together, and a letter that the result has not is summed over:
    "ij,jk->ik" is the matrix product, "ij->ji" the transpose, "ii->i" the diagonal, "i,j->ij" the
    outer product, "bij,bjk->bik" the products of two stacks of matrices. Without "->", the result
    has the letters that occur once, in alphabetical order. "..." stands for any number of further
    axes, which broadcast: "...ij->...ji" transposes every matrix of a stack. An axis of length 1
    goes with any other.

    The derivative is an einsum too: for a in "ij,jk->ik" it is "ik,jk->ij" of g and b. More than
    two operands are contracted two at a time, in the order that takes the fewest multiplications.

    >>> einsum("ij,j->i", [[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
    Tensor([3., 7.])
    >>> einsum("ii", [[1.0, 2.0], [3.0, 4.0]])  # the trace
    Tensor(5.)
    """
    try:
        shapes = tuple(map(shape_of, operands))
    except AttributeError:  # not all of them are Tensors yet
        operands = tuple(map(_tensor, operands))
        shapes = tuple(map(shape_of, operands))
    return _einsum(equation, operands, shapes)
