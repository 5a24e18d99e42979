"""Operations that rearrange, repeat or pick: a case for each."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cases.draw import Case, an_axis, arrays, masks, shapes, shapes_that_stretch_to, whole
from tinygrad_sm import Tensor, cat, ops, stack


@st.composite
def reshapes(draw):
    shape = draw(shapes())
    flat = (math.prod(shape),)
    new = draw(st.sampled_from([shape[::-1], flat, (1, *shape), (*shape, 1), shape]))
    return (draw(arrays(shape)),), {"shape": new}


@st.composite
def permutations(draw):
    shape = draw(shapes())
    axes = draw(st.permutations(range(len(shape))))
    return (draw(arrays(shape)),), {"axes": tuple(axes)}


@st.composite
def expansions(draw):
    shape = draw(shapes())
    return (draw(arrays(draw(shapes_that_stretch_to(shape)))),), {"shape": shape}


@st.composite
def sums_to(draw):
    shape = draw(shapes())
    return (draw(arrays(shape)),), {"shape": draw(shapes_that_stretch_to(shape))}


@st.composite
def keys(draw, shape):
    """What can stand in x[…]: slices, integers, arrays of indices with repeats, masks, mixtures."""
    kinds = [hnp.basic_indices(shape, allow_newaxis=True, max_dims=4), masks(shape)]
    if shape and math.prod(shape):
        kinds.append(hnp.integer_array_indices(shape))
        rows = hnp.arrays(np.intp, st.integers(1, 4), elements=an_axis(shape[0]))
        kinds.append(st.tuples(rows, st.just(...)))
        kinds.append(st.tuples(st.just(...), st.none(), masks(shape[-1:])))
    return draw(draw(st.sampled_from(kinds)))


@st.composite
def picks(draw):
    shape = draw(shapes())
    return (draw(arrays(shape)),), {"key": draw(keys(shape))}


@st.composite
def puts(draw):
    (array,), attributes = draw(picks())
    picked = array[attributes["key"]]
    return (draw(arrays(picked.shape)),), {**attributes, "shape": array.shape}


def scatter(x, key, shape):
    result = np.zeros(shape)
    places = np.arange(result.size).reshape(shape)[key]
    for place, value in zip(places.ravel(), np.ravel(x), strict=True):
        result.flat[place] += value
    return result


def sum_back(x, shape):
    places = np.broadcast_to(np.arange(math.prod(shape)).reshape(shape), x.shape)
    return scatter(x, places, (math.prod(shape),)).reshape(shape)


@st.composite
def flips(draw):
    shape = draw(shapes())
    axes = tuple(sorted(draw(st.sets(st.sampled_from(range(len(shape))))))) if shape else ()
    return (draw(arrays(shape)),), {"axis": axes}


@st.composite
def rolls(draw):
    shape = draw(shapes())
    axes = draw(st.none() | st.lists(an_axis(len(shape)), min_size=1, max_size=3).map(tuple))
    axes = axes if shape and axes else None
    shifts = draw(st.tuples(*[st.integers(-4, 4)] * (len(axes) if axes else 1)))
    axes = axes and tuple(a % len(shape) for a in axes)
    return (draw(arrays(shape)),), {"shifts": shifts, "axis": axes}


@st.composite
def repeats(draw):
    shape = draw(shapes())
    ndim = len(shape) + draw(st.integers(0, 1))
    counts = draw(st.tuples(*[st.sampled_from([2, 1, 0, 3])] * ndim))
    return (draw(arrays(shape)),), {"counts": counts}


@st.composite
def some_axis(draw, min_dims=1):
    """A shape and one of its axes, counted from the first."""
    shape = draw(shapes(min_dims=min_dims))
    return shape, draw(st.integers(0, len(shape) - 1))


@st.composite
def interleavings(draw):
    shape, axis = draw(some_axis())
    return (draw(arrays(shape)),), {"repeats": draw(st.integers(0, 3)), "axis": axis}


@st.composite
def indices(draw, shape, axis, unique=False):
    """What names places along an axis; it may be shorter along the others."""
    shorter = [draw(st.sampled_from([n, n, n // 2])) for n in shape]
    if unique:
        rng = np.random.default_rng(draw(st.integers(0, 99)))
        return rng.uniform(size=shape).argsort(axis)[tuple(map(slice, shorter))]
    shorter[axis] = draw(st.integers(0, 4)) if shape[axis] else 0
    places = st.integers(0, max(shape[axis] - 1, 0))
    return draw(hnp.arrays(np.intp, tuple(shorter), elements=places))


@st.composite
def gathers(draw):
    shape, axis = draw(some_axis())
    return (draw(arrays(shape)), draw(indices(shape, axis))), {"axis": axis}


@st.composite
def scatters(draw, unique=False):
    shape, axis = draw(some_axis())
    index = draw(indices(shape, axis, unique))
    return (draw(arrays(shape)), index, draw(arrays(index.shape))), {"axis": axis}


def along(index, axis):
    """For each element of the index, in turn: the place in it, and the place that it names."""
    for place in np.ndindex(index.shape):
        yield place, (*place[:axis], index[place], *place[axis + 1 :])


def gather(x, index, axis):
    result = np.empty(index.shape)
    for place, named in along(index, axis):
        result[place] = x[named]
    return result


def scatter_src(x, index, src, axis, add=False):
    result = x.copy()
    for place, named in along(index, axis):
        result[named] = src[place] + add * result[named]
    return result


@st.composite
def orders(draw):
    shape, axis = draw(some_axis())
    return (draw(arrays(shape, whole)),), {"axis": axis, "descending": draw(st.booleans())}


def order(x, axis, descending):
    return np.argsort(-x if descending else x, axis, kind="stable")


@st.composite
def joints(draw):
    shape, axis = draw(some_axis())
    lengths = draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    parts = [draw(arrays((*shape[:axis], n, *shape[axis + 1 :]))) for n in lengths]
    return tuple(parts), {"axis": axis}


@st.composite
def stacks(draw):
    shape, axis = draw(some_axis())
    parts = tuple(draw(arrays(shape)) for _ in range(draw(st.integers(1, 4))))
    return parts, {"axis": axis + draw(st.booleans())}


@st.composite
def paddings(draw):
    shape = draw(shapes())
    axes = draw(st.integers(0, len(shape)))
    sides = tuple(draw(st.integers(0, 2)) for _ in range(2 * axes))
    return (draw(arrays(shape)),), {"sides": sides, "value": draw(st.sampled_from([0, -1.5]))}


def padded(x, sides, value):
    widths = [*zip(sides[::2], sides[1::2], strict=True)][::-1]
    widths = [(0, 0)] * (x.ndim - len(widths)) + widths
    return np.pad(x, widths, constant_values=value) if x.ndim else x


@st.composite
def triangles(draw):
    return (draw(arrays(draw(shapes(min_dims=2)))),), {"diagonal": draw(st.integers(-3, 3))}


@st.composite
def diagonals(draw):
    shape = draw(shapes(min_dims=2))
    axis1, axis2 = draw(st.permutations(range(len(shape))))[:2]
    offset = draw(st.integers(-shape[axis1], shape[axis2]))
    return (draw(arrays(shape)),), {"offset": offset, "axis1": axis1, "axis2": axis2}


@st.composite
def embeddings(draw):
    (x,), place = draw(diagonals())
    n = x.shape[place["axis2"]]  # of square matrices
    shape = list(x.shape)
    shape[place["axis1"]] = n
    place["offset"] = draw(st.integers(-n, n))
    diagonal = draw(arrays(np.diagonal(np.empty(shape), *place.values()).shape))
    return (diagonal,), {"shape": tuple(shape), **place}


def embed(x, shape, offset, axis1, axis2):
    places = np.arange(math.prod(shape)).reshape(shape)
    return scatter(x, np.unravel_index(np.diagonal(places, offset, axis1, axis2), shape), shape)


CASES = {
    "reshape": Case(reshapes(), lambda x, shape: x.reshape(shape), np.reshape),
    "permute": Case(permutations(), lambda x, axes: x.permute(axes), np.transpose),
    "expand": Case(expansions(), lambda x, shape: x.expand(shape), np.broadcast_to),
    "flip": Case(flips(), lambda x, axis: x.flip(axis), np.flip),
    "roll": Case(rolls(), Tensor.roll, lambda x, shifts, axis: np.roll(x, shifts, axis)),
    "repeat": Case(
        repeats(), lambda x, counts: x.repeat(counts), lambda x, counts: np.tile(x, counts)
    ),
    "repeat_interleave": Case(interleavings(), Tensor.repeat_interleave, np.repeat),
    "sum_to": Case(sums_to(), ops.sum_to, sum_back),
    "getitem": Case(picks(), Tensor.__getitem__, lambda x, key: x[key]),
    "put": Case(puts(), ops.put, scatter),
    "gather": Case(gathers(), lambda x, index, axis: x.gather(axis, index), gather),
    "scatter": Case(
        scatters(unique=True), lambda x, index, src, axis: x.scatter(axis, index, src), scatter_src
    ),
    "scatter_add": Case(
        scatters(),
        lambda x, index, src, axis: x.scatter_add(axis, index, src),
        lambda x, index, src, axis: scatter_src(x, index, src, axis, add=True),
    ),
    "argsort": Case(orders(), Tensor.argsort, order),
    "cat": Case(
        joints(),
        lambda *inputs, axis: cat(inputs, axis),
        lambda *inputs, axis: np.concatenate(inputs, axis),
    ),
    "stack": Case(
        stacks(),
        lambda *inputs, axis: stack(inputs, axis),
        lambda *inputs, axis: np.stack(inputs, axis),
    ),
    "pad": Case(
        paddings(),
        lambda x, sides, value: x.pad(sides, value=value),
        padded,
    ),
    "tril": Case(triangles(), Tensor.tril, lambda x, diagonal: np.tril(x, diagonal)),
    "triu": Case(triangles(), Tensor.triu, lambda x, diagonal: np.triu(x, diagonal)),
    "diagonal": Case(diagonals(), Tensor.diagonal, np.diagonal),
    "diag_embed": Case(embeddings(), ops.diag_embed, embed),
}
