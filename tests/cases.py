"""One case for each operation: the inputs that it takes, how a user calls it, and what it computes.

The inputs are drawn by hypothesis: shapes that broadcast, no elements, no axes, and arrays whose
memory is transposed, has gaps or runs backwards. Values lie away from kinks (0 for abs and relu,
ties for max and min), so that finite differences apply; the kinks have tests of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_sm import Tensor, ops

Example = tuple[tuple[np.ndarray, ...], dict[str, Any]]  # the inputs and the attributes


@dataclass(frozen=True)
class Case:
    """inputs: draws an Example. call: what a user writes. value: the same, plainly in NumPy."""

    inputs: st.SearchStrategy[Example]
    call: Callable[..., Any]
    value: Callable[..., Any]


# ---- values and memory -------------------------------------------------------------------------


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


# ---- inputs ------------------------------------------------------------------------------------


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
def settings(draw, **choices):
    """One array, and for each setting one of the values given."""
    attributes = {name: draw(st.sampled_from(values)) for name, values in choices.items()}
    return (draw(arrays(draw(shapes()))),), attributes


@st.composite
def casts(draw):
    return (draw(arrays(draw(shapes()))),), {"dtype": np.dtype(np.float64)}


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


@st.composite
def matrix_products(draw):
    """Every combination that NumPy's matmul takes, vectors and stacks of matrices among them."""
    n, k, m = draw(shapes(min_dims=3))
    stack = draw(st.lists(st.sampled_from((2, 1, 3)), max_size=2).map(tuple))
    left, right = ((*draw(shapes_that_stretch_to(stack)), *matrix) for matrix in ((n, k), (k, m)))
    a = draw(st.sampled_from([left, left, (k,)]))
    b = draw(st.sampled_from([right, right, (k,)]))
    return (draw(arrays(a)), draw(arrays(b))), {}


@st.composite
def linear_layers(draw):
    n_in, n_out = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    rows = draw(shapes())
    x, weight = draw(arrays((*rows, n_in))), draw(arrays((n_out, n_in)))
    bias = (draw(arrays((n_out,))),) if draw(st.booleans()) else ()
    return (x, weight, *bias), {}


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


def masks(shape):
    return hnp.arrays(bool, shape)


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


def score_shapes():
    """(C,), (N, C) or (N, C, d): the class axis is the second, or the only one."""
    return shapes(min_dims=1, min_side=1)


def label_shape(shape):
    return shape[:1] + shape[2:] if len(shape) > 1 else ()


reduction_names = st.sampled_from(["mean", "sum", "none"])


@st.composite
def scores_and_labels(draw):
    shape = draw(score_shapes())
    classes = shape[1] if len(shape) > 1 else shape[0]
    labels = draw(hnp.arrays(np.intp, label_shape(shape), elements=st.integers(0, classes - 1)))
    return (draw(arrays(shape)), np.asarray(labels)), {"reduction": draw(reduction_names)}


@st.composite
def scores_and_weights(draw):
    shape = draw(score_shapes())
    attributes = {"reduction": draw(reduction_names), "count": draw(st.sampled_from([1.0, 2.5]))}
    return (draw(arrays(shape)), draw(arrays(shape, positive))), attributes


@st.composite
def labels_alone(draw):
    labels = draw(hnp.arrays(np.intp, draw(shapes()), elements=st.integers(0, 2)))
    return (np.asarray(labels),), {"classes": 3, "dtype": np.dtype(np.float64)}


# ---- what they compute, plainly ----------------------------------------------------------------


def scatter(x, key, shape):
    result = np.zeros(shape)
    places = np.arange(result.size).reshape(shape)[key]
    for place, value in zip(places.ravel(), np.ravel(x), strict=True):
        result.flat[place] += value
    return result


def sum_back(x, shape):
    places = np.broadcast_to(np.arange(math.prod(shape)).reshape(shape), x.shape)
    return scatter(x, places, (math.prod(shape),)).reshape(shape)


def probabilities(x, axis):
    e = np.exp(x)
    return e / e.sum(axis=axis, keepdims=True)


def one_hot(labels, classes, dtype=float):
    return np.eye(classes, dtype=dtype)[labels]


def cross_entropy(z, labels, reduction):
    axis = 1 if z.ndim > 1 else 0
    q = np.moveaxis(one_hot(labels, z.shape[axis]), -1, axis)
    return soft_cross_entropy(z, q, reduction, labels.size)


def soft_cross_entropy(z, q, reduction, count):
    axis = 1 if z.ndim > 1 else 0
    losses = -(q * np.log(probabilities(z, axis))).sum(axis=axis)
    return {"none": losses, "sum": losses.sum(), "mean": losses.sum() / count}[reduction]


CASES = {
    "negative": Case(elementwise(real), lambda x: -x, lambda x: 0 - x),
    "exp": Case(elementwise(real), Tensor.exp, np.exp),
    "log": Case(elementwise(positive), Tensor.log, np.log),
    "sqrt": Case(elementwise(positive), Tensor.sqrt, lambda x: x**0.5),
    "abs": Case(elementwise(real), abs, lambda x: np.where(x < 0, -x, x)),
    "tanh": Case(elementwise(real), Tensor.tanh, np.tanh),
    "relu": Case(elementwise(real), Tensor.relu, lambda x: np.where(x > 0, x, 0)),
    "sigmoid": Case(elementwise(real), Tensor.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    "square": Case(elementwise(real), Tensor.square, lambda x: x * x),
    "reciprocal": Case(elementwise(nonzero), Tensor.reciprocal, lambda x: x**-1.0),
    "rsqrt": Case(elementwise(positive), Tensor.rsqrt, lambda x: x**-0.5),
    "exp2": Case(elementwise(real), Tensor.exp2, lambda x: 2.0**x),
    "expm1": Case(elementwise(real), Tensor.expm1, lambda x: np.exp(x) - 1),
    "log2": Case(elementwise(positive), Tensor.log2, lambda x: np.log(x) / math.log(2)),
    "log10": Case(elementwise(positive), Tensor.log10, lambda x: np.log(x) / math.log(10)),
    "log1p": Case(elementwise(positive), Tensor.log1p, lambda x: np.log(1 + x)),
    "sin": Case(elementwise(real), Tensor.sin, np.sin),
    "cos": Case(elementwise(real), Tensor.cos, np.cos),
    "tan": Case(elementwise(inside), Tensor.tan, lambda x: np.sin(x) / np.cos(x)),
    "asin": Case(elementwise(inside), Tensor.asin, np.arcsin),
    "acos": Case(elementwise(inside), Tensor.acos, np.arccos),
    "atan": Case(elementwise(real), Tensor.atan, np.arctan),
    "sinh": Case(elementwise(real), Tensor.sinh, lambda x: (np.exp(x) - np.exp(-x)) / 2),
    "cosh": Case(elementwise(real), Tensor.cosh, lambda x: (np.exp(x) + np.exp(-x)) / 2),
    "asinh": Case(elementwise(real), Tensor.asinh, lambda x: np.log(x + np.sqrt(x * x + 1))),
    "acosh": Case(elementwise(above_one), Tensor.acosh, lambda x: np.log(x + np.sqrt(x * x - 1))),
    "atanh": Case(elementwise(inside), Tensor.atanh, lambda x: np.log((1 + x) / (1 - x)) / 2),
    "silu": Case(elementwise(real), Tensor.silu, lambda x: x / (1 + np.exp(-x))),
    "logsigmoid": Case(
        elementwise(real), Tensor.logsigmoid, lambda x: np.log(1 / (1 + np.exp(-x)))
    ),
    "softsign": Case(elementwise(real), Tensor.softsign, lambda x: x / (1 + np.abs(x))),
    "clamp": Case(settings(min=(None, -0.71), max=(0.73,)), Tensor.clamp, np.clip),
    "hardtanh": Case(
        settings(low=(-0.71,), high=(0.73,)),
        lambda x, low, high: x.hardtanh(low, high),
        lambda x, low, high: np.clip(x, low, high),
    ),
    "leaky_relu": Case(
        settings(slope=(0.01, 0.3)),
        lambda x, slope: x.leaky_relu(slope),
        lambda x, slope: np.maximum(x, x * slope),
    ),
    "elu": Case(
        settings(alpha=(1.0, 0.5)),
        Tensor.elu,
        lambda x, alpha: np.where(x > 0, x, alpha * (np.exp(x) - 1)),
    ),
    "celu": Case(
        settings(alpha=(1.0, 0.5)),
        Tensor.celu,
        lambda x, alpha: np.where(x > 0, x, alpha * (np.exp(x / alpha) - 1)),
    ),
    "softplus": Case(
        settings(beta=(1.0, 2.5)),
        Tensor.softplus,
        lambda x, beta: np.log(1 + np.exp(beta * x)) / beta,
    ),
    "astype": Case(casts(), Tensor.astype, np.ndarray.astype),
    "add": Case(elementwise(real, real), lambda a, b: a + b, lambda a, b: a + b),
    "subtract": Case(elementwise(real, real), lambda a, b: a - b, lambda a, b: a - b),
    "multiply": Case(elementwise(real, real), lambda a, b: a * b, lambda a, b: a * b),
    "divide": Case(elementwise(real, nonzero), lambda a, b: a / b, lambda a, b: a / b),
    "maximum": Case(elementwise(real, shifted), Tensor.maximum, lambda a, b: np.where(a > b, a, b)),
    "minimum": Case(elementwise(real, shifted), Tensor.minimum, lambda a, b: np.where(a < b, a, b)),
    "logaddexp": Case(
        elementwise(real, real), Tensor.logaddexp, lambda a, b: np.log(np.exp(a) + np.exp(b))
    ),
    "atan2": Case(elementwise(real, nonzero), Tensor.atan2, lambda a, b: np.angle(b + 1j * a)),
    "power": Case(elementwise(positive, real), lambda a, b: a**b, lambda a, b: a**b),
    "where": Case(elementwise(truth, real, real), ops.where, np.where),
    "sign": Case(elementwise(real), ops.sign, lambda x: np.where(x < 0, -1.0, 1.0)),
    "equal": Case(elementwise(whole, whole), lambda a, b: a == b, np.equal),
    "not_equal": Case(elementwise(whole, whole), lambda a, b: a != b, np.not_equal),
    "less": Case(elementwise(whole, whole), lambda a, b: a < b, np.less),
    "less_equal": Case(elementwise(whole, whole), lambda a, b: a <= b, np.less_equal),
    "greater": Case(elementwise(whole, whole), lambda a, b: a > b, np.greater),
    "greater_equal": Case(elementwise(whole, whole), lambda a, b: a >= b, np.greater_equal),
    "sum": Case(reductions(min_side=0), Tensor.sum, np.sum),
    "mean": Case(reductions(), Tensor.mean, np.mean),
    "max": Case(reductions(), Tensor.max, np.max),
    "min": Case(reductions(), Tensor.min, np.min),
    "argmax": Case(reductions(several=False), Tensor.argmax, np.argmax),
    "argmin": Case(reductions(several=False), Tensor.argmin, np.argmin),
    "matmul": Case(matrix_products(), lambda a, b: a @ b, np.matmul),
    "linear": Case(linear_layers(), Tensor.linear, lambda x, w, b=0: x @ w.T + b),
    "reshape": Case(reshapes(), lambda x, shape: x.reshape(shape), np.reshape),
    "permute": Case(permutations(), lambda x, axes: x.permute(axes), np.transpose),
    "expand": Case(expansions(), lambda x, shape: x.expand(shape), np.broadcast_to),
    "sum_to": Case(sums_to(), ops.sum_to, sum_back),
    "getitem": Case(picks(), Tensor.__getitem__, lambda x, key: x[key]),
    "put": Case(puts(), ops.put, scatter),
    "softmax": Case(along_an_axis(), Tensor.softmax, probabilities),
    "log_softmax": Case(
        along_an_axis(), Tensor.log_softmax, lambda x, axis: np.log(probabilities(x, axis))
    ),
    "logsumexp": Case(
        reductions(),
        Tensor.logsumexp,
        lambda x, axis, keepdims: np.log(np.exp(x).sum(axis=axis, keepdims=keepdims)),
    ),
    "one_hot": Case(labels_alone(), ops.one_hot, one_hot),
    "cross_entropy": Case(scores_and_labels(), Tensor.cross_entropy, cross_entropy),
    "soft_cross_entropy": Case(scores_and_weights(), ops.soft_cross_entropy, soft_cross_entropy),
}

DIFFERENTIABLE = [name for name in CASES if ops.TABLE[name].rules]


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
