"""Shapes as methods of Tensor; the derivatives stand in `ops/shape.py`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tinygrad_sm import ops
from tinygrad_sm.errors import ShapeError
from tinygrad_sm.methods.base import Axis, Methods, as_ints, one_axis

if TYPE_CHECKING:
    from tinygrad_sm.tensor import Tensor


class Shape(Methods):
    """The same elements in another order or shape, repeated, or picked."""

    __slots__ = ()

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in another shape; -1 stands for whatever is left over.

        >>> Tensor([1.0, 2.0, 3.0, 4.0]).reshape(2, -1)
        Tensor([[1., 2.],
                [3., 4.]])
        """
        return self._apply(ops.reshape, shape=as_ints(shape))

    def flatten(self, start_axis: int = 0, end_axis: int = -1) -> Tensor:
        """Make one axis of the axes from `start_axis` to `end_axis`.

        >>> Tensor([[[1.0, 2.0]], [[3.0, 4.0]]]).flatten(1)
        Tensor([[1., 2.],
                [3., 4.]])
        """
        if not self.ndim:
            return self.reshape(1)
        start, end = one_axis(start_axis, self.ndim), one_axis(end_axis, self.ndim)
        if start > end:
            raise ShapeError(f"flatten needs start_axis <= end_axis, got {start_axis}, {end_axis}")
        shape = self.shape
        return self.reshape(*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])

    def squeeze(self, axis: Axis = None) -> Tensor:
        """Drop all axes of length 1, or those in `axis` that have length 1.

        >>> Tensor([[1.0], [2.0]]).squeeze(1)
        Tensor([1., 2.])
        """
        if axis is None:
            return self.reshape(tuple(n for n in self.shape if n != 1))
        axes = axis if isinstance(axis, tuple) else (axis,)
        drop = {one_axis(a, self.ndim) for a in axes}
        return self.reshape(tuple(n for i, n in enumerate(self.shape) if n != 1 or i not in drop))

    def unsqueeze(self, axis: int) -> Tensor:
        """Insert an axis of length 1 before `axis`.

        >>> Tensor([1.0, 2.0]).unsqueeze(1)
        Tensor([[1.],
                [2.]])
        """
        i = one_axis(axis, self.ndim + 1)
        return self.reshape(*self.shape[:i], 1, *self.shape[i:])

    def permute(self, *axes: Any) -> Tensor:
        """Put the axes in the order given.

        >>> Tensor([[[1.0, 2.0]]]).permute(2, 0, 1).shape
        (2, 1, 1)
        """
        order = as_ints(axes)
        full = tuple(one_axis(a, self.ndim) for a in order)
        if sorted(full) != list(range(self.ndim)):
            raise ShapeError(
                f"permute needs each of the {self.ndim} axes of shape {self.shape} once, "
                f"got {order}"
            )
        return self._apply(ops.permute, axes=full)

    def transpose(self, axis0: int, axis1: int) -> Tensor:
        """Swap two axes.

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).transpose(0, 1)
        Tensor([[1., 3.],
                [2., 4.]])
        """
        order = list(range(self.ndim))
        i, j = one_axis(axis0, self.ndim), one_axis(axis1, self.ndim)
        order[i], order[j] = order[j], order[i]
        return self.permute(*order)

    @property
    def T(self) -> Tensor:
        """The transpose: all axes in reverse order."""
        return self._apply(ops.permute, axes=tuple(range(self.ndim))[::-1])

    @property
    def mT(self) -> Tensor:
        """The transpose of each matrix: the last two axes swapped."""
        if self.ndim < 2:
            raise ShapeError(f"mT needs at least two axes, this tensor has shape {self.shape}")
        return self.transpose(-2, -1)

    def expand(self, *shape: Any) -> Tensor:
        """Repeat axes of length 1, without copying; -1 keeps the length of an axis.

        >>> Tensor([[1.0], [2.0]]).expand(2, 3)
        Tensor([[1., 1., 1.],
                [2., 2., 2.]])
        """
        wanted = as_ints(shape)
        own = (1,) * (len(wanted) - self.ndim) + self.shape
        if len(own) != len(wanted) or any(
            new not in (-1, old) and old != 1 for new, old in zip(wanted, own, strict=True)
        ):
            raise ShapeError(
                f"cannot expand shape {self.shape} to {wanted}: only axes of length 1 can be "
                "repeated, and new axes come first"
            )
        full = tuple(old if new == -1 else new for new, old in zip(wanted, own, strict=True))
        return self._apply(ops.expand, shape=full)
