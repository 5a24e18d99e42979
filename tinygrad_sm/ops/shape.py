"""Operations that rearrange, repeat or pick elements. Their derivatives undo the move.

They come in adjoint pairs: the derivative of one is the other. `expand` repeats and `sum_to` adds
the repeats up; `getitem` picks elements and `put` lays them back, adding up those picked twice, and
so do `gather` and `scatter_add` along one axis; `pad` and `cat` are undone by a slice.
"""

from __future__ import annotations

import math
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from tinygrad_sm.ops.elementwise import equal, where
from tinygrad_sm.ops.op import Op

Shape = tuple[int, ...]

reshape: Op = Op(
    "reshape",
    lambda x, shape: x.reshape(shape),
    lambda g, y, x, shape: reshape(g, shape=x.shape),
    views=True,
)


def _inverse(axes: Shape) -> Shape:
    """The permutation that undoes `axes`."""
    n = len(axes)
    return tuple(sorted(range(n), key=[axis % n for axis in axes].__getitem__))


permute: Op = Op(
    "permute",
    lambda x, axes: x.transpose(axes),
    lambda g, y, x, axes: permute(g, axes=_inverse(axes)),
    views=True,
)
flip: Op = Op(
    "flip",
    lambda x, axis: np.flip(x, axis),
    lambda g, y, x, axis: flip(g, axis=axis),
    views=True,
)
roll: Op = Op(
    "roll",
    lambda x, shifts, axis: np.roll(x, shifts, axis),
    lambda g, y, x, shifts, axis: roll(g, shifts=tuple(-n for n in shifts), axis=axis),
)

# ---- repeating ---------------------------------------------------------------------------------


def _sum_to(x: Any, shape: Shape) -> Any:
    """Add up the axes of x that were stretched from `shape`."""
    extra = x.ndim - len(shape)
    stretched = tuple(
        i for i in range(x.ndim) if i < extra or (shape[i - extra] == 1 and x.shape[i] != 1)
    )
    return np.add.reduce(x, axis=stretched).reshape(shape)


sum_to = Op(
    "sum_to",
    _sum_to,
    lambda g, y, x, shape: expand(g, shape=x.shape),
    views=True,
)
expand: Op = Op(
    "expand",
    lambda x, shape: np.broadcast_to(x, shape),
    lambda g, y, x, shape: sum_to(g, shape=x.shape),
    views=True,
)


def _add_copies(g: Any, shape: Shape, counts: Shape) -> Any:
    """The sum over the copies that `repeat` laid beside each other."""
    own = (1,) * (len(counts) - len(shape)) + shape
    apart = tuple(n for pair in zip(counts, own, strict=True) for n in pair)
    return reshape(reshape(g, shape=apart).sum(axis=tuple(range(0, len(apart), 2))), shape=shape)


repeat = Op(
    "repeat",
    lambda x, counts: np.tile(x, counts),
    lambda g, y, x, counts: _add_copies(g, x.shape, counts),
)
repeat_interleave = Op(
    "repeat_interleave",
    lambda x, repeats, axis: np.repeat(x, repeats, axis),
    lambda g, y, x, repeats, axis: reshape(
        g, shape=(*x.shape[: axis + 1], repeats, *x.shape[axis + 1 :])
    ).sum(axis=axis + 1),
)

# ---- picking by index --------------------------------------------------------------------------


def _add_at(result: Any, key: Any, x: Any) -> Any:
    """Add x to the elements that `key` picks, each as often as it is picked.

    NumPy does so about five times as quickly by places in the flat array. Numbering all elements
    to find these places is only worth while if many are picked; rows need no such numbering.
    """
    shape = result.shape
    if isinstance(key, np.ndarray):
        width = math.prod(shape[1:])
        places = np.add.outer(key.astype(np.intp) % shape[0] * width, np.arange(width))
    elif 4 * x.size < result.size:
        np.add.at(result, key, x)
        return result
    else:
        places = np.arange(result.size).reshape(shape)[key]
    np.add.at(result.reshape(-1), places.reshape(-1), x.reshape(-1))
    return result


def _put(x: Any, key: Any, shape: Shape) -> Any:
    """Zeros of `shape` with x added at the elements that `key` picks."""
    result = np.zeros(shape, x.dtype)
    parts = key if isinstance(key, tuple) else (key,)
    if any(isinstance(part, np.ndarray) and part.dtype.kind != "b" for part in parts):
        return _add_at(result, key, x)  # an array of indices may name an element twice
    result[key] = x
    return result


getitem = Op(
    "getitem",
    lambda x, key: x[key],
    lambda g, y, x, key: put(g, key=key, shape=x.shape),
    views=True,
)
put: Op = Op(
    "put",
    _put,
    lambda g, y, x, key, shape: getitem(g, key=key),
)


def check_places(index: Any, n: int, axis: int) -> None:
    """Refuse an index that is not from 0 to n − 1; NumPy would count a negative one from the end.

    Seen as an unsigned number a negative one is enormous, so one look for the largest is enough.
    """
    if index.size and np.maximum.reduce(index.astype(np.uintp, copy=False), axis=None) >= n:
        wrong = index[(index < 0) | (index >= n)].flat[0]
        raise IndexError(
            f"index {wrong} names no place of axis {axis}, which has length {n}: "
            "places are counted from 0"
        )


def _along(index: Any, axis: int, x: Any) -> tuple[Any, ...]:
    """The key that picks x[i, index[i, j], k] at [i, j, k], for an axis in the middle."""
    check_places(index, x.shape[axis], axis)
    sides = [np.arange(n).reshape(-1, *(1,) * i) for i, n in enumerate(index.shape[::-1])][::-1]
    return (*sides[:axis], index, *sides[axis + 1 :])


def _scatter(x: Any, index: Any, src: Any, axis: int) -> Any:
    result = x.astype(np.result_type(x, src))
    result[_along(index, axis, x)] = src
    return result


def _scatter_add(x: Any, index: Any, src: Any, axis: int) -> Any:
    result = x.astype(np.result_type(x, src), order="C")
    return _add_at(result, _along(index, axis, x), src)


def _scatter_src(g: Any, y: Any, x: Any, index: Any, src: Any, axis: int) -> Any:
    """The elements of g at the places written to; 0 for an element that was overwritten."""
    order = np.arange(math.prod(index.shape)).reshape(index.shape)
    written = scatter(np.zeros(x.shape, order.dtype), index, order, axis=axis)
    last = equal(gather(written, index, axis=axis), order)
    return where(last, gather(g, index, axis=axis), 0)


gather: Op = Op(
    "gather",
    lambda x, index, axis: x[_along(index, axis, x)],
    lambda g, y, x, index, axis: scatter_add(np.zeros(x.shape, g.dtype), index, g, axis=axis),
    None,
)
scatter_add: Op = Op(
    "scatter_add",
    _scatter_add,
    lambda g, y, x, index, src, axis: g,
    None,
    lambda g, y, x, index, src, axis: gather(g, index, axis=axis),
)
scatter: Op = Op(
    "scatter",
    _scatter,
    lambda g, y, x, index, src, axis: scatter(g, index, np.zeros(src.shape, g.dtype), axis=axis),
    None,
    _scatter_src,
)


def _argsort(x: Any, axis: int, descending: bool) -> Any:
    if not descending:
        return np.argsort(x, axis, kind="stable")
    # From the last to the first, so that equal elements keep their order.
    return x.shape[axis] - 1 - np.flip(np.argsort(np.flip(x, axis), axis, kind="stable"), axis)


argsort = Op("argsort", _argsort)

# ---- joining and padding -----------------------------------------------------------------------


def _cat_rule(g: Any, y: Any, *inputs: Any, axis: int) -> tuple[Any, ...]:
    """The part of g at the place of the input."""
    before = (slice(None),) * (axis % y.ndim)
    ends = accumulate((x.shape[axis] for x in inputs), initial=0)
    return tuple(g[(*before, slice(*pair))] for pair in pairwise(ends))


def _stack_rule(g: Any, y: Any, *inputs: Any, axis: int) -> tuple[Any, ...]:
    """The slice of g at the place of the input."""
    before = (slice(None),) * axis
    return tuple(g[(*before, i)] for i in range(len(inputs)))


cat = Op("cat", lambda *xs, axis: np.concatenate(xs, axis), _cat_rule, together=True)
stack = Op("stack", lambda *xs, axis: np.stack(xs, axis), _stack_rule, together=True)


# sides: how much before and after the last axis, then the one before it, and so on.


def _inside(shape: Shape, sides: Shape) -> tuple[Any, ...]:
    """The key of what was padded, in the padded array."""
    padded = zip(shape[::-1], sides[::2], strict=False)
    return (..., *[slice(before, before + n) for n, before in padded][::-1])


def _pad(x: Any, sides: Shape, value: float = 0) -> Any:
    shape = [*x.shape]
    for i, width in enumerate(sides):
        shape[-1 - i // 2] += width
    result = np.full(shape, value, x.dtype)
    result[_inside(x.shape, sides)] = x
    return result


pad = Op("pad", _pad, lambda g, y, x, sides, value=0: g[_inside(x.shape, sides)])

# ---- parts of matrices -------------------------------------------------------------------------

tril: Op = Op(
    "tril",
    lambda x, diagonal=0: np.tril(x, diagonal),
    lambda g, y, x, diagonal=0: tril(g, diagonal=diagonal),
)
triu: Op = Op(
    "triu",
    lambda x, diagonal=0: np.triu(x, diagonal),
    lambda g, y, x, diagonal=0: triu(g, diagonal=diagonal),
)


def _diag_embed(x: Any, shape: Shape, offset: int, axis1: int, axis2: int) -> Any:
    """Zeros of `shape` with the last axis of x on the diagonal of axes 1 and 2."""
    result = np.zeros(shape, x.dtype)
    i = np.arange(x.shape[-1])
    matrices = np.moveaxis(result, (axis1, axis2), (-2, -1))
    matrices[..., i + max(-offset, 0), i + max(offset, 0)] = x
    return result


diagonal = Op(
    "diagonal",
    lambda x, offset=0, axis1=0, axis2=1: np.diagonal(x, offset, axis1, axis2),
    lambda g, y, x, offset=0, axis1=0, axis2=1: diag_embed(
        g, shape=x.shape, offset=offset, axis1=axis1, axis2=axis2
    ),
    views=True,
)
diag_embed: Op = Op(
    "diag_embed",
    _diag_embed,
    lambda g, y, x, shape, offset, axis1, axis2: diagonal(
        g, offset=offset, axis1=axis1, axis2=axis2
    ),
)
