"""Losses: a case for each."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from cases.draw import Case, arrays, positive, real, shapes
from cases.softmax import one_hot, reduction_names, scores_and_labels
from tinygrad_sm import Tensor


def probability(values):
    return 1 / (1 + np.exp(-values))


def off_the_grid(values):
    """So that no difference to a number on the grid is near 0, 1 or 0.5."""
    return np.floor(values * 4) / 4 + 0.111


def on_the_grid(values):
    return np.round(values * 2) / 2


@st.composite
def pairs(draw, x, t, **settings):
    shape = draw(shapes(min_side=1))
    attributes = {name: draw(st.sampled_from(values)) for name, values in settings.items()}
    attributes["reduction"] = draw(reduction_names)
    return (draw(arrays(shape, x)), draw(arrays(shape, t))), attributes


def reduced(losses, reduction):
    return {"none": losses, "sum": losses.sum(), "mean": losses.sum() / losses.size}[reduction]


def formula(losses):
    """The value of a loss, from that of its elements."""
    return lambda x, t, reduction, **settings: reduced(losses(x, t, **settings), reduction)


def huber(x, t, delta):
    d = np.abs(x - t)
    return np.where(d < delta, d * d / 2, delta * d - delta * delta / 2)


def nll(x, labels, reduction):
    axis = min(1, x.ndim - 1)
    q = np.moveaxis(one_hot(labels, x.shape[axis]), -1, axis)
    return reduced(-(q * x).sum(axis=axis), reduction)


CASES = {
    "mse_loss": Case(pairs(real, real), Tensor.mse_loss, formula(lambda x, t: (x - t) ** 2)),
    "l1_loss": Case(
        pairs(off_the_grid, on_the_grid), Tensor.l1_loss, formula(lambda x, t: np.abs(x - t))
    ),
    "huber_loss": Case(
        pairs(off_the_grid, on_the_grid, delta=(1.0, 0.5, 1)), Tensor.huber_loss, formula(huber)
    ),
    "binary_cross_entropy": Case(
        pairs(probability, probability),
        Tensor.binary_cross_entropy,
        formula(lambda x, t: -t * np.log(x) - (1 - t) * np.log(1 - x)),
    ),
    "binary_cross_entropy_with_logits": Case(
        pairs(real, probability),
        Tensor.binary_cross_entropy_with_logits,
        formula(lambda x, t: np.log(1 + np.exp(x)) - t * x),
    ),
    "kl_div": Case(pairs(real, positive), Tensor.kl_div, formula(lambda x, t: t * (np.log(t) - x))),
    "nll_loss": Case(scores_and_labels(), Tensor.nll_loss, nll),
}
