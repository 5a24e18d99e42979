"""What every topic draws its examples from: shapes, values and memory layouts.

Shapes broadcast, have no elements or no axes; memory is transposed, has gaps or runs backwards.
Values lie away from kinks (0 for abs and relu, ties for max and min), so that finite differences
apply; the kinks have tests of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_sm import Tensor

Example = tuple[tuple[np.ndarray, ...], dict[str, Any]]  # the inputs and the attributes


@dataclass(frozen=True)
class Case:
    """inputs: draws an Example. call: what a user writes. value: the same, plainly in NumPy."""

    inputs: st.SearchStrategy[Example]
    call: Callable[..., Any]
    value: Callable[..., Any]


def real(values):
    return values


def positive(values):
    return np.abs(values) + 0.3


def nonzero(values):
    return values + np.copysign(0.5, values)


def shifted(values):
    """So that no two of the real values are equal, and none is near another."""
    return np.floor(values * 4) / 4 + 0.111


def inside(values):
    return values / 3


def above_one(values):
    return np.abs(values) + 1.3


def whole(values):
    return np.round(values)


def truth(values):
    return values > 0


def transposed(array):
    return np.array(array, order="F")


def with_gaps(array):
    wide = np.zeros((*array.shape, 2), array.dtype)
    wide[..., 0] = array
    return wide[..., 0]


def backwards(array):
    flip = (slice(None, None, -1),) * array.ndim + (...,)
    return array[flip].copy()[flip]


@st.composite
def arrays(draw, shape, domain=real):
    """Distinct values of −2 to 2, none of them near 0, mapped to a domain."""
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    n = math.prod(shape)
    steps = rng.permutation(n) - n // 2 + rng.uniform(0.2, 0.8, n)
    values = domain(steps * (3 / max(n, 2))).reshape(shape)
    layout = draw(st.sampled_from([np.array, transposed, with_gaps, backwards]))
    return layout(values)


def shapes(min_dims=0, min_side=0):
    sides = st.sampled_from([n for n in (2, 3, 1, 2, 3, 0) if n >= min_side])
    dims = st.sampled_from([n for n in (2, 1, 3, 2, 3, 0) if n >= min_dims])
    return dims.flatmap(lambda n: st.tuples(*[sides] * n))


@st.composite
def shapes_that_stretch_to(draw, shape):
    """Some of the axes become 1, and some of the first are left out."""
    kept = [draw(st.sampled_from((n, n, 1))) for n in shape]
    return tuple(kept[draw(st.sampled_from([0, 0, *range(len(shape) + 1)])) :])


@st.composite
def elementwise(draw, *domains):
    """Arrays whose shapes broadcast together."""
    shape = draw(shapes())
    if len(domains) == 1:
        return (draw(arrays(shape, domains[0])),), {}
    return tuple(draw(arrays(draw(shapes_that_stretch_to(shape)), d)) for d in domains), {}


@st.composite
def settings(draw, domain=real, **choices):
    """One array, and for each setting one of the values given."""
    attributes = {name: draw(st.sampled_from(values)) for name, values in choices.items()}
    return (draw(arrays(draw(shapes()), domain)),), attributes


def an_axis(ndim):
    return st.integers(-ndim, ndim - 1) if ndim else st.none()


@st.composite
def reductions(draw, min_side=1, several=True):
    shape = draw(shapes(min_side=min_side))
    axis = st.none() | an_axis(len(shape))
    if several:
        axis |= hnp.valid_tuple_axes(len(shape))
    return (draw(arrays(shape)),), {"axis": draw(axis), "keepdims": draw(st.booleans())}


@st.composite
def along_an_axis(draw):
    shape = draw(shapes(min_dims=1))
    return (draw(arrays(shape)),), {"axis": draw(an_axis(len(shape)))}


def masks(shape):
    return hnp.arrays(bool, shape)


def tensors(inputs, dtype=None) -> list[Tensor]:
    """The arrays as Tensors on the same memory; those of floats require a gradient."""
    made = []
    for x in inputs:
        x = x.astype(dtype) if dtype and x.dtype.kind == "f" else x
        made.append(Tensor(x, requires_grad=x.dtype.kind == "f", copy=False))
    return made


def weights(shape, seed=0) -> np.ndarray:
    """A factor for each element of a result, so that no two of them count the same."""
    return np.random.default_rng(seed).uniform(0.5, 1.5, shape)
