"""Products of matrices as methods of Tensor; the derivatives stand in `ops/linear_algebra.py`."""

from __future__ import annotations

from functools import lru_cache
from operator import attrgetter, index
from typing import TYPE_CHECKING, Any

from tinygrad_sm import equation, ops
from tinygrad_sm.errors import ShapeError
from tinygrad_sm.methods.base import Methods, one_axis

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

    def dot(self, other: Any) -> Tensor:
        """Σᵢ aᵢ bᵢ of two vectors of the same length. Derivatives: g b and g a.

        >>> Tensor([1.0, 2.0]).dot([3.0, 4.0])
        Tensor(11.)
        """
        return _product(self, "dot", other)

    def mv(self, vec: Any) -> Tensor:
        """A matrix (n, k) times a vector (k,): yᵢ = Σₖ aᵢₖ bₖ. Derivatives: g bᵀ and aᵀ g.

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).mv([1.0, 1.0])
        Tensor([3., 7.])
        """
        return _product(self, "mv", vec)

    def mm(self, mat2: Any) -> Tensor:
        """The product of two matrices (n, k) and (k, m), as `matmul`, but of nothing else.

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).mm([[1.0], [1.0]])
        Tensor([[3.],
                [7.]])
        """
        return _product(self, "mm", mat2)

    def bmm(self, mat2: Any) -> Tensor:
        """The products of matrices in two stacks, (b, n, k) and (b, k, m), one by one.

        >>> Tensor([[[1.0, 2.0]], [[3.0, 4.0]]]).bmm([[[1.0], [1.0]], [[10.0], [1.0]]])
        Tensor([[[ 3.]],
        <BLANKLINE>
                [[34.]]])
        """
        return _product(self, "bmm", mat2)

    def outer(self, vec2: Any) -> Tensor:
        """Every product of an element of one vector and one of another: yᵢⱼ = aᵢ bⱼ.

        Derivatives: g b and gᵀ a.

        >>> Tensor([1.0, 2.0]).outer([3.0, 4.0, 5.0])
        Tensor([[ 3.,  4.,  5.],
                [ 6.,  8., 10.]])
        """
        vec2 = self._beside(vec2)
        if (self.ndim, vec2.ndim) != (1, 1):
            raise _unfit("outer", self.shape, vec2.shape)
        column = self._apply(ops.reshape, shape=(self.shape[0], 1))
        return column._apply(ops.multiply, vec2)

    def inner(self, other: Any) -> Tensor:
        """The sum of products over the last axis of both; a number multiplies every element.

        Of vectors it is `dot`. Shapes (…, k) and (***, k) give (…, ***).

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).inner([1.0, 1.0])
        Tensor([3., 7.])
        """
        other = self._beside(other)
        if not self.ndim or not other.ndim:
            return self._apply(ops.multiply, other)
        if self.shape[-1] != other.shape[-1]:
            raise ShapeError(
                f"inner: shapes {self.shape} and {other.shape} need last axes of the same length"
            )
        return self.tensordot(other, ([-1], [-1]))

    def tensordot(self, other: Any, axes: Any = 2) -> Tensor:
        """The sum of products over pairs of axes; what is left of self comes before that of other.

        axes: how many of the last axes of self run with as many of the first of other; or two
            lists, the axes of self and those of other that run together.

        PyTorch calls the argument dims. As there, an axis of length 1 goes with any other.

        >>> a, b = Tensor([[1.0, 2.0], [3.0, 4.0]]), Tensor([[1.0, 10.0], [0.0, 1.0]])
        >>> a.tensordot(b, axes=([0], [1]))  # Σₖ aₖᵢ bⱼₖ
        Tensor([[31.,  3.],
                [42.,  4.]])
        >>> a.tensordot(b)  # Σᵢⱼ aᵢⱼ bᵢⱼ
        Tensor(25.)
        """
        other = self._beside(other)
        shapes = self.shape, other.shape
        return einsum(_tensordot(*shapes, _hashable(axes)), (self, other), shapes)

    def addmm(self, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Tensor:
        """β x + α (mat1 @ mat2) of matrices; x broadcasts to the shape of the product.

        With a β of 0, x counts for nothing, not even its NaNs.

        >>> Tensor([1.0, 2.0]).addmm([[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]])
        Tensor([[14., 18.]])
        """
        return _added(self, "addmm", _product(self._beside(mat1), "mm", mat2), beta, alpha)

    def baddbmm(self, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Tensor:
        """β x + α (batch1 @ batch2) of stacks of matrices, as `addmm` does of matrices.

        >>> Tensor(1.0).baddbmm([[[2.0]], [[3.0]]], [[[4.0]], [[5.0]]]).flatten()
        Tensor([ 9., 16.])
        """
        return _added(self, "baddbmm", _product(self._beside(batch1), "bmm", batch2), beta, alpha)

    def linear(self, weight: Any, bias: Any = None) -> Tensor:
        """x Wᵀ + b: self of shape (…, in), weight (out, in), bias (out,) give (…, out).

        Derivatives: g W for x, gᵀ x for W, and the sum of g over the rows for b.

        >>> Tensor([[1.0, 2.0]]).linear([[1.0, 1.0], [0.0, 3.0]], [10.0, 20.0])
        Tensor([[13., 26.]])
        """
        inputs = (self, weight) if bias is None else (self, weight, bias)
        return self._record(ops.linear, inputs)


# ---- what they have in common ------------------------------------------------------------------


def _product(x: Methods, name: str, other: Any) -> Tensor:
    """`matmul` of just the shapes that the name stands for."""
    other = x._beside(other)
    a, b = x.shape, other.shape
    lengths_fit = a[-1:] == b[-2:][:1] and (len(a) < 3 or a[:1] == b[:1])
    if (len(a), len(b)) != _AXES[name] or not lengths_fit:
        raise _unfit(name, a, b)
    return x._record(ops.matmul, (x, other))


def _added(x: Any, name: str, product: Tensor, beta: float, alpha: float) -> Tensor:
    if alpha != 1:
        product = product * alpha
    if not beta:
        return product
    y: Tensor = product + (x if beta == 1 else x * beta)
    if y.shape != product.shape:
        raise ShapeError(
            f"{name}: shape {x.shape} does not broadcast to that of the product, {product.shape}"
        )
    return y


shape_of = attrgetter("_data.shape")


def einsum(letters: str, operands: tuple[Any, ...], shapes: tuple[tuple[int, ...], ...]) -> Tensor:
    """The function `einsum` for operands that are Tensors, of these shapes."""
    plan = equation.plan(letters, shapes)
    if plan.product is not None:
        a: Tensor = operands[0]
        return a._record(ops.einsum, operands, {"equation": plan.product})
    left: list[Tensor] = []
    for x, pairs, summed in zip(operands, plan.diagonals, plan.sums, strict=True):
        for i, j in pairs:
            x = x.diagonal(axis1=i, axis2=j)
        left.append(x.sum(axis=summed) if summed else x)
    for i, j, step in plan.steps:
        b, a = left.pop(j), left.pop(i)
        left.append(a._record(ops.einsum, (a, b), {"equation": step}))
    y = left[0]
    return y if plan.axes == tuple(range(y.ndim)) else y.permute(plan.axes)


_AXES = {"dot": (1, 1), "mv": (2, 1), "mm": (2, 2), "bmm": (3, 3)}
_NEEDS = {
    "dot": "two vectors of the same length, shapes (k,) and (k,)",
    "mv": "a matrix and a vector, shapes (n, k) and (k,)",
    "mm": "two matrices, shapes (n, k) and (k, m)",
    "bmm": "two stacks of equally many matrices, shapes (b, n, k) and (b, k, m)",
    "outer": "two vectors, shapes (n,) and (m,)",
}


def _unfit(name: str, a: tuple[int, ...], b: tuple[int, ...]) -> ShapeError:
    """The error for shapes that a product does not take, and the product that does."""
    fitting = [other for other, axes in _AXES.items() if axes == (len(a), len(b))]
    if not a or not b:
        advice = "With a single number, use a * b."
    elif name in fitting:
        what = "the lengths" if name == "dot" else "the k of both"
        if name == "bmm" and a[0] != b[0]:
            what = "the b of both"
        advice = f"Here {what} differ."
        if name == "mm" and a[1] == b[1]:
            advice += " It would fit with the second one transposed, b.T."
        elif name in ("mm", "mv") and a[0] == b[0]:
            advice += " It would fit with the first one transposed, a.T."
    elif fitting:
        advice = f"For {_NEEDS[fitting[0]]}, use {fitting[0]}."
    else:
        advice = "matmul takes vectors, matrices and stacks of matrices in any combination."
    return ShapeError(f"{name} needs {_NEEDS[name]}, got {a} and {b}. {advice}")


def _hashable(axes: Any) -> Any:
    """The axes of a tensordot: a number, or two tuples of numbers."""
    if not isinstance(axes, tuple | list):
        return index(axes)
    if len(axes) != 2:
        raise ShapeError(f"tensordot needs a number of axes or two lists of them, got {axes}")
    return tuple(tuple(map(index, x)) if isinstance(x, tuple | list) else (index(x),) for x in axes)


@lru_cache(maxsize=256)
def _tensordot(a: tuple[int, ...], b: tuple[int, ...], axes: Any) -> str:
    """The tensordot of these shapes as an equation."""
    if isinstance(axes, int):
        if not 0 <= axes <= min(len(a), len(b)):
            raise ShapeError(f"tensordot over {axes} axes: shapes {a} and {b} have fewer")
        axes = range(len(a) - axes, len(a)), range(axes)
    ours = [one_axis(i, len(a)) for i in axes[0]]
    theirs = [one_axis(j, len(b)) for j in axes[1]]
    if len(ours) != len(theirs) or len({*ours}) != len(ours) or len({*theirs}) != len(theirs):
        raise ShapeError(f"tensordot needs as many axes of one as of the other, got {axes}")
    left, right = equation.LETTERS[: len(a)], list(equation.LETTERS[len(a) : len(a) + len(b)])
    for i, j in zip(ours, theirs, strict=True):
        if a[i] != b[j] and 1 not in (a[i], b[j]):
            raise ShapeError(
                f"tensordot of shapes {a} and {b}: axis {i} of the first and axis {j} of the "
                f"second run together, but have lengths {a[i]} and {b[j]}"
            )
        right[j] = left[i]
    result = [c for c in (*left, *right) if (c in left) != (c in right)]
    return f"{left},{''.join(right)}->{''.join(result)}"
