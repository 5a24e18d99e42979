"""Operations that rearrange, repeat or pick: a case for each."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cases.draw import Case, an_axis, arrays, masks, shapes, shapes_that_stretch_to
from tinygrad_sm import Tensor, ops


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


CASES = {
    "reshape": Case(reshapes(), lambda x, shape: x.reshape(shape), np.reshape),
    "permute": Case(permutations(), lambda x, axes: x.permute(axes), np.transpose),
    "expand": Case(expansions(), lambda x, shape: x.expand(shape), np.broadcast_to),
    "sum_to": Case(sums_to(), ops.sum_to, sum_back),
    "getitem": Case(picks(), Tensor.__getitem__, lambda x, key: x[key]),
    "put": Case(puts(), ops.put, scatter),
}
