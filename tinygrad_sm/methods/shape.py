"""Shapes as methods of Tensor; the derivatives stand in `ops/shape.py`."""

from __future__ import annotations

import math
from itertools import accumulate, pairwise
from operator import index as as_int
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from tinygrad_sm import ops
from tinygrad_sm.errors import DtypeError, LabelError, ShapeError
from tinygrad_sm.methods.base import Axis, Methods, as_ints, one_axis, one_or_several
from tinygrad_sm.ops.shape import check_places

if TYPE_CHECKING:
    from tinygrad_sm.tensor import Tensor


class Sorted(NamedTuple):
    """What `sort` and `topk` return: the elements, and where each of them was."""

    values: Tensor
    indices: Tensor


class Shape(Methods):
    """The same elements in another order or shape, repeated, or picked.

    A tensor without axes, a single number, counts as one of length 1 where an axis is asked for.
    """

    __slots__ = ()

    # ---- another shape -------------------------------------------------------------------------

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in another shape; -1 stands for whatever is left over.

        >>> Tensor([1.0, 2.0, 3.0, 4.0]).reshape(2, -1)
        Tensor([[1., 2.],
                [3., 4.]])
        """
        return self._apply(ops.reshape, shape=as_ints(shape))

    def view(self, *shape: Any) -> Tensor:
        """The same as `reshape`: it copies where the memory does not allow a view.

        >>> Tensor([1.0, 2.0]).view(2, 1).shape
        (2, 1)
        """
        return self.reshape(*shape)

    def reshape_as(self, other: Any) -> Tensor:
        """The same elements in the shape of another tensor.

        >>> Tensor([1.0, 2.0]).reshape_as(Tensor([[0.0], [0.0]])).shape
        (2, 1)
        """
        return self.reshape(other.shape)

    def view_as(self, other: Any) -> Tensor:
        """The same as `reshape_as`.

        >>> Tensor([1.0, 2.0]).view_as(Tensor([[0.0], [0.0]])).shape
        (2, 1)
        """
        return self.reshape(other.shape)

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

    def ravel(self) -> Tensor:
        """All elements in one axis.

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).ravel()
        Tensor([1., 2., 3., 4.])
        """
        return self.reshape(-1)

    def unflatten(self, axis: int, sizes: Any) -> Tensor:
        """Make several axes of one; one of the sizes may be -1. The inverse of `flatten`.

        >>> Tensor([1.0, 2.0, 3.0, 4.0]).unflatten(0, (2, -1))
        Tensor([[1., 2.],
                [3., 4.]])
        """
        i, wanted = one_axis(axis, self.ndim), one_or_several(sizes)
        length = self.shape[i]
        left, known = wanted.count(-1), math.prod(n for n in wanted if n != -1)
        if left > 1 or (known != length if not left else not known or length % known):
            raise ShapeError(
                f"unflatten cannot make {wanted} of axis {axis}, which has length {length}: "
                "the product of the sizes needs to be that length"
            )
        full = (length // known if n == -1 else n for n in wanted)
        return self.reshape(*self.shape[:i], *full, *self.shape[i + 1 :])

    def squeeze(self, axis: Axis = None) -> Tensor:
        """Drop all axes of length 1, or those in `axis` that have length 1.

        >>> Tensor([[1.0], [2.0]]).squeeze(1)
        Tensor([1., 2.])
        """
        if axis is None:
            return self.reshape(tuple(n for n in self.shape if n != 1))
        axes = axis if isinstance(axis, tuple | list) else (axis,)
        drop = {_an_axis(a, self.ndim) for a in axes}
        return self.reshape(tuple(n for i, n in enumerate(self.shape) if n != 1 or i not in drop))

    def unsqueeze(self, axis: int) -> Tensor:
        """Insert an axis of length 1 before `axis`.

        >>> Tensor([1.0, 2.0]).unsqueeze(1)
        Tensor([[1.],
                [2.]])
        """
        i = one_axis(axis, self.ndim + 1)
        return self.reshape(*self.shape[:i], 1, *self.shape[i:])

    # ---- another order -------------------------------------------------------------------------

    def permute(self, *axes: Any) -> Tensor:
        """Put the axes in the order given.

        >>> Tensor([[[1.0, 2.0]]]).permute(2, 0, 1).shape
        (2, 1, 1)
        """
        order = as_ints(axes)
        try:
            return self._apply(ops.permute, axes=order)
        except ValueError:
            for axis in order:
                one_axis(axis, self.ndim)
            raise ShapeError(
                f"permute needs each of the {self.ndim} axes of shape {self.shape} once, "
                f"got {order}"
            ) from None

    def transpose(self, axis0: int, axis1: int) -> Tensor:
        """Swap two axes.

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).transpose(0, 1)
        Tensor([[1., 3.],
                [2., 4.]])
        """
        order = list(range(self.ndim))
        i, j = _an_axis(axis0, self.ndim), _an_axis(axis1, self.ndim)
        if order:
            order[i], order[j] = order[j], order[i]
        return self._apply(ops.permute, axes=tuple(order))

    def swapaxes(self, axis0: int, axis1: int) -> Tensor:
        """The same as `transpose`, under NumPy's name.

        >>> Tensor([[1.0, 2.0]]).swapaxes(0, 1).shape
        (2, 1)
        """
        return self.transpose(axis0, axis1)

    def movedim(self, source: Any, destination: Any) -> Tensor:
        """Move axes to another place; the others keep their order.

        >>> Tensor([[[1.0, 2.0]]]).movedim(2, 0).shape
        (2, 1, 1)
        """
        sources, targets = one_or_several(source), one_or_several(destination)
        full = [_an_axis(a, self.ndim) for a in sources]
        places = [_an_axis(a, self.ndim) for a in targets]
        if len(full) != len(places) or len({*full}) < len(full) or len({*places}) < len(places):
            raise ShapeError(
                f"movedim needs as many places as axes, and none of them twice, "
                f"got {sources} to {targets}"
            )
        order = [i for i in range(self.ndim) if i not in full]
        for place, a in sorted(zip(places, full, strict=True)):
            order.insert(place, a)
        return self._apply(ops.permute, axes=tuple(order[: self.ndim]))

    def moveaxis(self, source: Any, destination: Any) -> Tensor:
        """The same as `movedim`, under NumPy's name.

        >>> Tensor([[[1.0, 2.0]]]).moveaxis(2, 0).shape
        (2, 1, 1)
        """
        return self.movedim(source, destination)

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

    def flip(self, *axes: Any) -> Tensor:
        """Reverse the order of the elements along the axes given.

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).flip(0)
        Tensor([[3., 4.],
                [1., 2.]])
        """
        if not axes:
            raise TypeError("flip needs the axes to reverse, such as flip(0) or flip(0, 1)")
        along = as_ints(axes)
        if not self.ndim:
            along = tuple(_an_axis(axis, 0) for axis in along)[:0]
        return self._apply(ops.flip, axis=along)

    def fliplr(self) -> Tensor:
        """Reverse the columns, axis 1.

        >>> Tensor([[1.0, 2.0]]).fliplr()
        Tensor([[2., 1.]])
        """
        return self.flip(1)

    def flipud(self) -> Tensor:
        """Reverse the rows, axis 0.

        >>> Tensor([[1.0], [2.0]]).flipud().tolist()
        [[2.0], [1.0]]
        """
        return self.flip(0)

    def roll(self, shifts: Any, axis: Axis = None) -> Tensor:
        """Shift the elements along an axis; those that fall off the end come back at the start.

        Without an axis they are shifted in their flat order. Derivative: g shifted back.

        >>> Tensor([1.0, 2.0, 3.0]).roll(1)
        Tensor([3., 1., 2.])
        """
        by = one_or_several(shifts)
        along = None if axis is None else one_or_several(axis)
        if len(by) != (1 if along is None else len(along)):
            raise ShapeError(f"roll needs one shift for each axis, got {shifts} for axis {axis}")
        if not self._data.ndim and along:
            along = tuple(_an_axis(a, 0) for a in along)[:0] or None
        return self._record(ops.roll, (self,), {"shifts": by, "axis": along})

    # ---- repeating -----------------------------------------------------------------------------

    def expand(self, *shape: Any) -> Tensor:
        """Repeat axes of length 1, without copying; -1 keeps the length of an axis.

        >>> Tensor([[1.0], [2.0]]).expand(2, 3)
        Tensor([[1., 1., 1.],
                [2., 2., 2.]])
        """
        full = wanted = as_ints(shape)
        if -1 in wanted:
            new = len(wanted) - self.ndim
            own = (-1,) * new + self.shape
            full = tuple(old if n == -1 else n for n, old in zip(wanted, own, strict=False))
        try:
            return self._apply(ops.expand, shape=full)
        except ValueError:
            raise ShapeError(
                f"cannot expand shape {self.shape} to {wanted}: only axes of length 1 can be "
                "repeated, and new axes come first"
            ) from None

    def expand_as(self, other: Any) -> Tensor:
        """Repeat axes of length 1 up to the shape of another tensor.

        >>> Tensor([1.0, 2.0]).expand_as(Tensor([[0.0, 0.0], [0.0, 0.0]])).shape
        (2, 2)
        """
        return self.expand(other.shape)

    def broadcast_to(self, *shape: Any) -> Tensor:
        """The same as `expand`.

        >>> Tensor([1.0, 2.0]).broadcast_to(2, 2)
        Tensor([[1., 2.],
                [1., 2.]])
        """
        return self.expand(*shape)

    def repeat(self, *counts: Any) -> Tensor:
        """Lay copies beside each other: as many along each axis as its count says.

        New axes come first. NumPy calls this `tile`; its `repeat` is `repeat_interleave`.
        Derivative: the sum over the copies.

        >>> Tensor([1.0, 2.0]).repeat(2, 2)
        Tensor([[1., 2., 1., 2.],
                [1., 2., 1., 2.]])
        """
        times = as_ints(counts)
        if len(times) < self.ndim or any(n < 0 for n in times):
            raise ShapeError(
                f"repeat needs a count for each axis of shape {self.shape}, none below 0, "
                f"got {times}"
            )
        return self._apply(ops.repeat, counts=times)

    def tile(self, *counts: Any) -> Tensor:
        """The same as `repeat`, but counts may be left out: those of the first axes are 1.

        >>> Tensor([[1.0], [2.0]]).tile(2)
        Tensor([[1., 1.],
                [2., 2.]])
        """
        times = as_ints(counts)
        return self.repeat((1,) * (self.ndim - len(times)) + times)

    def repeat_interleave(self, repeats: Any, axis: int | None = None) -> Tensor:
        """Repeat each element, the copies next to each other.

        repeats: how often, a number for all or one for each element along the axis.
        axis: None flattens the tensor first.

        >>> Tensor([1.0, 2.0]).repeat_interleave(2)
        Tensor([1., 1., 2., 2.])
        >>> Tensor([1.0, 2.0]).repeat_interleave([0, 3])
        Tensor([2., 2., 2.])
        """
        x = self.reshape(-1) if axis is None or not self.ndim else _tensor(self)
        i = _an_axis(axis or 0, x.ndim)
        if type(repeats) is int and repeats >= 0:
            return x._apply(ops.repeat_interleave, repeats=repeats, axis=i)
        n, counts = x.shape[i], _integers(repeats, "repeats")
        if counts.shape not in ((n,), (1,), ()) or counts.min(initial=0) < 0:
            raise ShapeError(
                f"repeats is a number, or one for each of the {n} elements along the axis, "
                f"none below 0; got {counts.tolist()}"
            )
        if counts.size != 1:
            return x._picked(i, np.repeat(np.arange(n), counts))
        return x._apply(ops.repeat_interleave, repeats=int(counts.item()), axis=i)

    def pad(self, pad: Any, mode: str = "constant", value: float | None = 0) -> Tensor:
        """Lengthen axes at both ends.

        pad: how much before and after the last axis, then before and after the one before it, and
            so on for as many axes as wanted. A negative number cuts off.
        mode: what the new elements are. "constant": `value`; "reflect": the mirror image, without
            the edge itself; "replicate": the edge; "circular": the other end.

        For any number of axes in each mode, where PyTorch allows some. Derivative: the part of g
        in the middle, and for the modes that copy elements, what their copies got is added.

        >>> Tensor([1.0, 2.0, 3.0]).pad((1, 2))
        Tensor([0., 1., 2., 3., 0., 0.])
        >>> Tensor([1.0, 2.0, 3.0]).pad((2, 1), mode="reflect")
        Tensor([3., 2., 1., 2., 3., 2.])
        """
        given = as_ints(pad)
        if len(given) % 2 or len(given) > 2 * self._data.ndim:
            raise ShapeError(
                f"pad needs two numbers for each axis, the last axis first, and this tensor has "
                f"{self.ndim} axes; got {given}"
            )
        if mode == "constant" and min(given, default=0) >= 0:
            return self._apply(ops.pad, sides=given, value=value or 0)
        if mode not in ("constant", "reflect", "replicate", "circular"):
            raise ValueError(
                f"mode is 'constant', 'reflect', 'replicate' or 'circular', got {mode!r}"
            )
        shape = self.shape
        others = ((0, 0),) * (self.ndim - len(given) // 2)
        widths = (*others, *zip(given[-2::-2], given[::-2], strict=True))
        if any(n + sum(pair) < 0 for n, pair in zip(shape, widths, strict=True)):
            raise ShapeError(f"pad {given} cuts off more than there is of shape {shape}")
        if mode == "constant":
            ends = zip(shape, widths, strict=True)
            cut = tuple(slice(max(-before, 0), n + min(after, 0)) for n, (before, after) in ends)
            inner = self._apply(ops.getitem, key=cut)
            sides = tuple(max(n, 0) for n in given)
            return inner._apply(ops.pad, sides=sides, value=value or 0)
        result = _tensor(self)
        for axis, (before, after) in enumerate(widths):
            if before or after:
                places = _padded_places(shape[axis], before, after, mode)
                result = result._picked(axis, places)
        return result

    # ---- parts ---------------------------------------------------------------------------------

    def split(self, split_size_or_sections: Any, axis: int = 0) -> tuple[Tensor, ...]:
        """Cut along an axis into parts: of one size (the last may be smaller), or of these sizes.

        >>> Tensor([1.0, 2.0, 3.0]).split(2)
        (Tensor([1., 2.]), Tensor([3.]))
        >>> Tensor([1.0, 2.0, 3.0]).split([1, 2])
        (Tensor([1.]), Tensor([2., 3.]))
        """
        i = _existing_axis(axis, self.shape, "split")
        n, given = self.shape[i], split_size_or_sections
        if isinstance(given, tuple | list):
            sizes = as_ints(tuple(given)) if len(given) != 1 else (as_int(given[0]),)
            if sum(sizes) != n or any(size < 0 for size in sizes):
                raise ShapeError(
                    f"split needs sizes that add up to the length of the axis, {n}, got {sizes}"
                )
        else:
            size = as_int(given)
            if size < 0 or (n and not size):
                raise ValueError(f"split needs a size above 0, got {size}")
            sizes = tuple(min(size, n - start) for start in range(0, n, size or 1)) or (0,)
        before = (slice(None),) * i
        return tuple(
            self._apply(ops.getitem, key=(*before, slice(start, stop)))
            for start, stop in pairwise(accumulate(sizes, initial=0))
        )

    def chunk(self, chunks: int, axis: int = 0) -> tuple[Tensor, ...]:
        """Cut along an axis into so many parts of one size; the last are smaller or left out.

        >>> Tensor([1.0, 2.0, 3.0]).chunk(2)
        (Tensor([1., 2.]), Tensor([3.]))
        """
        if chunks < 1:
            raise ValueError(f"chunk needs at least one part, got {chunks}")
        n = self.shape[_existing_axis(axis, self.shape, "chunk")]
        return self.split(-(-n // chunks), axis) if n else self.split([0] * chunks, axis)

    def unbind(self, axis: int = 0) -> tuple[Tensor, ...]:
        """The parts at each place of an axis, without that axis: the inverse of `stack`.

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).unbind()
        (Tensor([1., 2.]), Tensor([3., 4.]))
        """
        i = _existing_axis(axis, self.shape, "unbind")
        before = (slice(None),) * i
        return tuple(self._apply(ops.getitem, key=(*before, j)) for j in range(self.shape[i]))

    # ---- picking by index ----------------------------------------------------------------------

    def _picked(self, axis: int, places: Any) -> Tensor:
        """The elements at these places along an axis."""
        key = (*(slice(None),) * axis, places) if axis else places
        return self._apply(ops.getitem, key=key)

    def index_select(self, axis: int, index: Any) -> Tensor:
        """The elements at the places `index` along an axis; places may repeat.

        Derivative: what all copies of an element got, added up.

        >>> Tensor([[1.0, 2.0, 3.0]]).index_select(1, [2, 0, 0])
        Tensor([[3., 1., 1.]])
        """
        x, i = _lifted(self), _an_axis(axis, self.ndim)
        places = _places(index, x.shape[i], i)
        if places.ndim > 1:
            raise ShapeError(f"index_select needs a list of places, got shape {places.shape}")
        result = x._picked(i, places.reshape(-1))
        return result if self.ndim else result.reshape(())

    def index_add(self, axis: int, index: Any, source: Any, *, alpha: float = 1) -> Tensor:
        """The tensor with `source` added at the places `index` along an axis.

        source: the shape of this tensor, but with the length of `index` along the axis.
        alpha: a factor for the source.

        >>> Tensor([1.0, 2.0, 3.0]).index_add(0, [0, 0], [10.0, 20.0])
        Tensor([31.,  2.,  3.])
        """
        x, i, source = _lifted(self), _an_axis(axis, self.ndim), _lifted(self._beside(source))
        places = _places(index, x.shape[i], i).reshape(-1)
        needed = (*x.shape[:i], len(places), *x.shape[i + 1 :])
        if source.shape != needed:
            raise ShapeError(
                f"index_add of {len(places)} places along axis {axis} of shape {self.shape} needs "
                f"a source of shape {needed}, got {source.shape}"
            )
        key = (*(slice(None),) * i, places) if i else places
        added = source._apply(ops.put, key=key, shape=x.shape)
        result: Tensor = x + (added if alpha == 1 else alpha * added)
        return result if self.ndim else result.reshape(())

    def take(self, index: Any) -> Tensor:
        """The elements at these places of the flattened tensor, in the shape of the index.

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).take([3, 0])
        Tensor([4., 1.])
        """
        return self.reshape(-1)._picked(0, _integers(index, "an index").copy())

    def masked_select(self, mask: Any) -> Tensor:
        """The elements where the mask is true, one after the other; the two broadcast.

        >>> x = Tensor([[1.0, -2.0], [3.0, 4.0]])
        >>> x.masked_select(x > 0)
        Tensor([1., 3., 4.])
        """
        array = mask._data if isinstance(mask, Methods) else np.asarray(mask)
        if array.dtype.kind != "b":
            raise DtypeError(f"a mask is of bools, got dtype {array.dtype}; compare, as in x > 0")
        shape = _common_shape("masked_select", self.shape, array.shape)
        x = _tensor(self) if self.shape == shape else self.expand(shape)
        return x._apply(ops.getitem, key=np.broadcast_to(array, shape).copy()).reshape(-1)

    def gather(self, axis: int, index: Any) -> Tensor:
        """Along an axis, the element that the index names: result[i, j] = x[i, index[i, j]].

        index: integers, as many axes as the tensor has, none of them longer but `axis`. The result
            has its shape.

        Derivative: g is added at the places picked, as `scatter_add` does.

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).gather(1, [[1], [0]])
        Tensor([[2.],
                [3.]])
        """
        return self._by_index(ops.gather, axis, self, self._index(index))

    def take_along_axis(self, indices: Any, axis: int | None = None) -> Tensor:
        """As `gather`, with the arguments of NumPy: the shapes broadcast, and −1 is the last.

        PyTorch calls it take_along_dim. Without an axis both are flattened first.

        >>> x = Tensor([[3.0, 1.0, 2.0]])
        >>> x.take_along_axis(x.argsort(1), 1)
        Tensor([[1., 2., 3.]])
        """
        if axis is None or not self.ndim:
            places = _integers(indices, "an index").reshape(-1).copy()
            return self.reshape(-1)._picked(0, places)
        i, places = _an_axis(axis, self.ndim), _integers(indices, "an index")
        if places.ndim != self.ndim:
            raise ShapeError(
                f"take_along_axis needs indices with the {self.ndim} axes of shape {self.shape}, "
                f"got shape {places.shape}"
            )
        n, length = self.shape[i], places.shape[i]
        own, others = list(self.shape), list(places.shape)
        own[i] = others[i] = 1
        shape = list(_common_shape("take_along_axis", own, others))
        shape[i] = length
        places = np.broadcast_to(places, shape)
        shape[i] = n
        x = _tensor(self) if self.shape == tuple(shape) else self.expand(shape)
        return x.gather(i, np.where(places < 0, places + n, places))

    def scatter(self, axis: int, index: Any, src: Any) -> Tensor:
        """The tensor with elements of `src` written where the index names along an axis.

        result[i, index[i, j]] = src[i, j]; a new tensor, this one stays as it is. Where an index
        names a place twice the last one is written, and it alone gets a gradient. (PyTorch leaves
        open which is written, and gives all of them the gradient.)

        index: integers, as many axes as the tensor; src: of its shape or longer, or a number.

        >>> Tensor([[0.0, 0.0], [0.0, 0.0]]).scatter(1, [[1], [0]], 5)
        Tensor([[0., 5.],
                [5., 0.]])
        """
        return self._scattered(ops.scatter, axis, index, src)

    def scatter_add(self, axis: int, index: Any, src: Any) -> Tensor:
        """The tensor with elements of `src` added where the index names along an axis.

        result[i, index[i, j]] += src[i, j], for a place that is named twice too. The arguments are
        those of `scatter`. Derivative for src: g at its place, as `gather` picks it.

        >>> Tensor([1.0, 2.0]).scatter_add(0, [1, 1, 0], [10.0, 20.0, 30.0])
        Tensor([31., 32.])
        """
        return self._scattered(ops.scatter_add, axis, index, src)

    def _scattered(self, op: ops.Op, axis: int, index: Any, src: Any) -> Tensor:
        index = self._index(index)
        if not isinstance(src, Methods):
            src = self._coerced(src)
        if src._data.shape != index._data.shape:
            src = src if src.ndim else src.expand(index.shape)
            fits = src.ndim == index.ndim
            if not fits or any(n > m for n, m in zip(index.shape, src.shape, strict=True)):
                raise ShapeError(
                    f"{op.name} needs an element of src for each of the index, "
                    f"got src of shape {src.shape} and an index of shape {index.shape}"
                )
            src = src[tuple(map(slice, index.shape))]
        return self._by_index(op, axis, self, index, src)

    def _index(self, index: Any) -> Any:
        """A tensor of integers."""
        if isinstance(index, Methods) and index._data.dtype.kind in "iu":
            return index
        return self._coerced(_integers(index))

    def _by_index(self, op: ops.Op, axis: int, *inputs: Any) -> Tensor:
        """Apply an operation that an index along an axis leads. A single number counts as a row.

        inputs: this tensor, the index, and perhaps the source.
        """
        index = inputs[1]
        ndim, index_ndim = self._data.ndim, index._data.ndim
        if not (ndim and index_ndim) and ndim + index_ndim < 2:
            one_axis(axis, 1)
            rows = tuple(map(_lifted, inputs))
            result = rows[0]._record(op, rows, {"axis": 0})
            return result if inputs[0 if len(inputs) > 2 else 1].ndim else result.reshape(())
        if not 0 <= axis < ndim:
            axis = one_axis(axis, ndim or 1)
        try:
            if index_ndim == ndim:
                return self._record(op, inputs, {"axis": axis})
        except IndexError:
            lengths = zip(index.shape, self.shape, strict=True)
            if all(n <= m for j, (n, m) in enumerate(lengths) if j != axis):
                raise
        raise ShapeError(
            f"an index of shape {index.shape} does not fit shape {self.shape} along axis "
            f"{axis}: it needs as many axes, and only axis {axis} may be longer"
        )

    # ---- order ---------------------------------------------------------------------------------

    def argsort(self, axis: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
        """Where the elements in order are: `x.gather(axis, x.argsort(axis))` is sorted.

        Equal elements keep their order, whether `stable` is asked for or not. NaN counts as larger
        than all numbers. No derivative.

        >>> Tensor([3.0, 1.0, 2.0]).argsort()
        Tensor([1, 2, 0], dtype=int64)
        """
        i = _an_axis(axis, self.ndim)
        order = _lifted(self)._apply(ops.argsort, axis=i, descending=bool(descending))
        return order if self.ndim else order.reshape(())

    def sort(self, axis: int = -1, descending: bool = False, stable: bool = False) -> Sorted:
        """The elements in order, and where each was: the named tuple (values, indices).

        Ties and NaN as in `argsort`. Derivative: g put back to where the elements were.

        >>> Tensor([3.0, 1.0, 2.0]).sort(descending=True).values
        Tensor([3., 2., 1.])
        """
        return self.topk((self.shape or (1,))[_an_axis(axis, self.ndim)], axis, descending)

    def topk(self, k: int, axis: int = -1, largest: bool = True, sorted: bool = True) -> Sorted:
        """The k largest (or smallest) elements, and where each was: the tuple (values, indices).

        They come in order, whether `sorted` is asked for or not. Of equal elements the first comes
        first; NaN counts as larger than all numbers.

        >>> Tensor([3.0, 1.0, 2.0]).topk(2).indices
        Tensor([0, 2], dtype=int64)
        """
        i = _an_axis(axis, self.ndim)
        n = (self.shape or (1,))[i]
        if not 0 <= k <= n:
            raise ShapeError(f"topk finds 0 to {n} elements along axis {axis}, got k = {k}")
        x = _lifted(self)
        order = x.argsort(i, largest)
        if k < n and self.ndim:
            order = order._apply(ops.getitem, key=(*(slice(None),) * i, slice(k)))
        found = Sorted(x._record(ops.gather, (x, order), {"axis": i}), order)
        return found if self.ndim else Sorted(*(part.reshape(()) for part in found))

    def one_hot(self, num_classes: int = -1) -> Tensor:
        """Class indices into rows that are 1 at the class and 0 elsewhere; int64, as in PyTorch.

        num_classes: how long a row is; −1 takes the largest index plus 1. No derivative.

        >>> Tensor([0, 2], dtype=int).one_hot()
        Tensor([[1, 0, 0],
                [0, 0, 1]], dtype=int64)
        """
        labels = self._data
        if labels.dtype.kind not in "iu":
            raise DtypeError(
                f"one_hot needs integer class indices, this tensor is {labels.dtype}; "
                "use astype(int)"
            )
        if num_classes < 0 and not labels.size:
            raise ValueError("one_hot cannot tell the number of classes from no labels: give it")
        classes = num_classes if num_classes >= 0 else int(labels.max()) + 1
        if labels.size and not 0 <= labels.min() <= labels.max() < classes:
            raise LabelError(
                f"one_hot needs labels from 0 to {classes - 1}, got {labels.min()} to "
                f"{labels.max()}"
            )
        return self._apply(ops.one_hot, classes=classes, dtype=np.dtype(np.int64))

    # ---- parts of matrices ---------------------------------------------------------------------

    def tril(self, diagonal: int = 0) -> Tensor:
        """The lower triangle of each matrix, with zeros above the diagonal given.

        diagonal: 0 is the main one, 1 the one above it, −1 the one below. Derivative: tril(g).

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).tril()
        Tensor([[1., 0.],
                [3., 4.]])
        """
        _needs_matrices(self, "tril")
        return self._apply(ops.tril, diagonal=as_int(diagonal))

    def triu(self, diagonal: int = 0) -> Tensor:
        """The upper triangle of each matrix, with zeros below the diagonal; see `tril`.

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).triu()
        Tensor([[1., 2.],
                [0., 4.]])
        """
        _needs_matrices(self, "triu")
        return self._apply(ops.triu, diagonal=as_int(diagonal))

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
        """The elements [i, i + offset] of the matrices of two axes, as the last axis.

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).diagonal()
        Tensor([1., 4.])
        """
        _needs_matrices(self, "diagonal")
        i, j = _two_axes(axis1, axis2, self.ndim)
        return self._apply(ops.diagonal, offset=as_int(offset), axis1=i, axis2=j)

    def diag_embed(self, offset: int = 0, axis1: int = -2, axis2: int = -1) -> Tensor:
        """Square matrices with the last axis on their diagonal and zeros elsewhere.

        axis1, axis2: the axes of the matrices in the result.

        >>> Tensor([1.0, 2.0]).diag_embed()
        Tensor([[1., 0.],
                [0., 2.]])
        """
        if not self.ndim:
            raise ShapeError("diag_embed needs at least one axis, this tensor is a single number")
        i, j = _two_axes(axis1, axis2, self.ndim + 1)
        offset = as_int(offset)
        shape = list(self.shape[:-1])
        for a in sorted((i, j)):
            shape.insert(a, self.shape[-1] + abs(offset))
        return self._apply(ops.diag_embed, shape=tuple(shape), offset=offset, axis1=i, axis2=j)

    def diag(self, diagonal: int = 0) -> Tensor:
        """The diagonal of a matrix, or the matrix with a vector on its diagonal.

        >>> Tensor([1.0, 2.0]).diag(1)
        Tensor([[0., 1., 0.],
                [0., 0., 2.],
                [0., 0., 0.]])
        """
        if self.ndim not in (1, 2):
            raise ShapeError(
                f"diag needs a vector or a matrix, this tensor has shape {self.shape}; "
                "see diagonal and diag_embed"
            )
        return self.diagonal(diagonal) if self.ndim == 2 else self.diag_embed(diagonal)

    def trace(self) -> Tensor:
        """The sum of the diagonal of a matrix.

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).trace()
        Tensor(5.)
        """
        if self.ndim != 2:
            raise ShapeError(f"trace needs a matrix, this tensor has shape {self.shape}")
        return self.diagonal().sum()


# ---- reading arguments -------------------------------------------------------------------------


def _an_axis(axis: int, ndim: int) -> int:
    """The axis, counted from the first; a tensor without axes counts as having one."""
    return one_axis(axis, ndim or 1)


def _existing_axis(axis: int, shape: tuple[int, ...], name: str) -> int:
    if not shape:
        raise ShapeError(f"{name} needs at least one axis, this tensor is a single number")
    return one_axis(axis, len(shape))


def _two_axes(axis1: int, axis2: int, ndim: int) -> tuple[int, int]:
    i, j = one_axis(axis1, ndim), one_axis(axis2, ndim)
    if i == j:
        raise ShapeError(f"a diagonal lies between two axes, got axis {axis1} twice")
    return i, j


def _needs_matrices(x: Methods, name: str) -> None:
    if x.ndim < 2:
        raise ShapeError(f"{name} needs at least two axes, this tensor has shape {x.shape}")


def _tensor(x: Methods) -> Tensor:
    """It is one, but the type checker cannot know."""
    return cast("Tensor", x)


def _lifted(x: Any) -> Tensor:
    """A single number as a tensor of one axis."""
    return _tensor(x if x.ndim else x.reshape(1))


def _common_shape(name: str, a: Any, b: Any) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(tuple(a), tuple(b))
    except ValueError:
        raise ShapeError(
            f"{name}: shapes {tuple(a)} and {tuple(b)} do not fit together: axes are compared "
            "from the last backwards, and need equal lengths or a 1"
        ) from None


def _integers(value: Any, name: str = "an index") -> Any:
    """An array of integers."""
    array = value._data if isinstance(value, Methods) else np.asarray(value)
    if array.dtype.kind not in "iu":
        if array.size or isinstance(value, Methods | np.ndarray):
            raise DtypeError(f"{name} needs integers, got dtype {array.dtype}; use astype(int)")
        array = array.astype(np.intp)  # an empty list
    return array


def _places(index: Any, n: int, axis: int) -> Any:
    """A copy of the places along an axis of length n, in an array."""
    array = np.array(_integers(index))
    check_places(array, n, axis)
    return array


def _padded_places(n: int, before: int, after: int, mode: str) -> Any:
    """Where each element of an axis of length n comes from when it is padded."""
    left = np.arange(max(-before, 0), n + min(after, 0))  # when something is cut off
    most = {"reflect": n - 1, "replicate": n and max(before, after), "circular": len(left)}[mode]
    if max(before, after) > most:
        raise ShapeError(
            f"pad ({before}, {after}) in mode {mode!r} is too wide for an axis of length {n}: "
            f"at most {most} at each end"
        )
    if mode == "circular":
        return np.pad(left, (max(before, 0), max(after, 0)), mode="wrap")
    places = np.arange(-before, n + after)
    return n - 1 - abs(n - 1 - abs(places)) if mode == "reflect" else places.clip(0, n - 1)
