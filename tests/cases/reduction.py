"""Reductions and running results: a case for each."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

from cases.draw import Case, along_an_axis, arrays, reductions, shapes
from tinygrad_sm import Tensor, ops


@st.composite
def reductions_with(draw, **choices):
    """A reduction, and for each further setting one of the values given."""
    inputs, attributes = draw(reductions())
    return inputs, attributes | {
        name: draw(st.sampled_from(values)) for name, values in choices.items()
    }


@st.composite
def with_zeros(draw, examples):
    """Some elements of the example become 0."""
    (x,), attributes = draw(examples)
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    return (np.where(rng.random(x.shape) < draw(st.sampled_from([0, 0.2, 0.6])), 0, x),), attributes


@st.composite
def linked(draw):
    """New values, and a link between any two neighbours along an axis; up to 9 of them."""
    shape = list(draw(shapes(min_dims=1)))
    axis = draw(st.integers(0, len(shape) - 1))
    shape[axis] = draw(st.integers(1, 9))
    b = draw(arrays(tuple(shape)))
    shape[axis] -= 1
    return (b, draw(arrays(tuple(shape)))), {"axis": axis, "reverse": draw(st.booleans())}


@st.composite
def runs(draw, examples, **choices):
    """A run along an axis that is counted from the first, with further settings."""
    (x,), attributes = draw(examples)
    axis = {"axis": attributes["axis"] % x.ndim}
    return (x,), axis | {name: draw(st.sampled_from(values)) for name, values in choices.items()}


def no_more_than(n, examples):
    return examples.filter(lambda example: example[0][0].size <= n)


def scan(b, c, axis, reverse):
    flip = np.flip if reverse else lambda x, axis: x
    b, c = (np.moveaxis(flip(x, axis), axis, 0) for x in (b, c))
    y = [*b[:1]]
    for new, link in zip(b[1:], c, strict=True):
        y.append(new + link * y[-1])
    return flip(np.moveaxis(np.array(y), 0, axis), axis)


def run(accumulate):
    def value(x, axis, reverse):
        return np.flip(accumulate(np.flip(x, axis), axis), axis) if reverse else accumulate(x, axis)

    return value


def lower_median(x, axis, keepdims):
    if not x.ndim:
        return x
    return np.quantile(x, 0.5, axis, keepdims=keepdims, method="lower")


def norm(x, p, axis, keepdims):
    axes = tuple(range(x.ndim)) if axis is None else axis
    size = np.abs(x)
    if math.isinf(p):
        return (np.max if p > 0 else np.min)(size, axis=axes, keepdims=keepdims)
    return np.sum(size**p, axis=axes, keepdims=keepdims) ** (1 / p)


def last_place(accumulate):
    def value(x, axis):
        rows = np.moveaxis(x, axis, -1)
        best = np.moveaxis(accumulate(x, axis), axis, -1)
        places = np.zeros(rows.shape, int)
        for i in np.ndindex(rows.shape):
            so_far = rows[i[:-1]][: i[-1] + 1]
            places[i] = np.flatnonzero(so_far == best[i])[-1]
        return np.moveaxis(places, -1, axis)

    return value


both_ways = {"reverse": [False, True]}

CASES = {
    "sum": Case(reductions(min_side=0), Tensor.sum, np.sum),
    "mean": Case(reductions(), Tensor.mean, np.mean),
    "prod": Case(no_more_than(12, with_zeros(reductions(min_side=0))), Tensor.prod, np.prod),
    "count_nonzero": Case(
        with_zeros(reductions(min_side=0)), Tensor.count_nonzero, np.count_nonzero
    ),
    "all": Case(with_zeros(reductions(min_side=0)), Tensor.all, np.all),
    "any": Case(with_zeros(reductions(min_side=0)), Tensor.any, np.any),
    "var": Case(
        reductions_with(correction=[0, 0.5]),
        Tensor.var,
        lambda x, axis, keepdims, correction: np.var(x, axis, keepdims=keepdims, ddof=correction),
    ),
    "std": Case(
        # Not over one element, where the root of 0 has no slope.
        reductions_with(correction=[0, 0.5]).filter(
            lambda e: ops.std(e[0][0], **e[1]).min(initial=1) > 0
        ),
        Tensor.std,
        lambda x, axis, keepdims, correction: np.std(x, axis, keepdims=keepdims, ddof=correction),
    ),
    "norm": Case(
        reductions_with(p=[2, 1, 3, 1.5, 0.5, -1, -2.5, math.inf, -math.inf]), Tensor.norm, norm
    ),
    "max": Case(reductions(), Tensor.max, np.max),
    "min": Case(reductions(), Tensor.min, np.min),
    "argmax": Case(reductions(several=False), Tensor.argmax, np.argmax),
    "argmin": Case(reductions(several=False), Tensor.argmin, np.argmin),
    "median": Case(reductions(), Tensor.median, lower_median),
    "cumsum": Case(runs(along_an_axis(), **both_ways), ops.cumsum, run(np.cumsum)),
    "scan": Case(no_more_than(12, linked()), ops.scan, scan),
    "cumprod": Case(
        no_more_than(12, runs(with_zeros(along_an_axis()), **both_ways)),
        ops.cumprod,
        run(np.cumprod),
    ),
    "logcumsumexp": Case(
        runs(along_an_axis()),
        Tensor.logcumsumexp,
        lambda x, axis: np.log(np.cumsum(np.exp(x), axis)),
    ),
    "argcummax": Case(along_an_axis(), ops.argcummax, last_place(np.maximum.accumulate)),
    "argcummin": Case(along_an_axis(), ops.argcummin, last_place(np.minimum.accumulate)),
}
