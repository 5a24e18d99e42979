"""The softmax head: a case for each."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cases.draw import Case, along_an_axis, arrays, positive, reductions, shapes
from tinygrad_sm import Tensor, ops

reduction_names = st.sampled_from(["mean", "sum", "none"])


def score_shapes():
    """(C,), (N, C) or (N, C, d): the class axis is the second, or the only one."""
    return shapes(min_dims=1, min_side=1)


def label_shape(shape):
    return shape[:1] + shape[2:] if len(shape) > 1 else ()


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
