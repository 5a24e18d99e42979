"""Losses: how far predictions x are from targets t, and the slope of that.

Each is a formula for one element, which `reduce_losses` then sums up. In its derivative s is the
element's share of the gradient: g with "sum", g / n with "mean".

    mse_loss      d²                                     where d = x − t
    l1_loss       |d|
    huber_loss    d² / 2 up to |d| = δ, a straight line from there on
    kl_div        t (ln t − x)                           where x is ln p
    binary_cross_entropy              −t ln x − (1 − t) ln(1 − x)
    binary_cross_entropy_with_logits  the same of σ(x);  its derivative is σ(x) − t
    nll_loss      −x of the true class                   where x is ln p
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_sm.ops.elementwise import clamp, hardtanh, log, log1p, sigmoid, sign
from tinygrad_sm.ops.op import Op
from tinygrad_sm.ops.reduction import reduce_losses, share
from tinygrad_sm.ops.shape import reshape
from tinygrad_sm.ops.softmax import as_rows, column_share, from_rows, one_hot

Formula = Callable[..., Any]


def _in_words(rule: Formula, slope: str) -> Formula:
    rule.__doc__ = f"{slope} g, divided by the number of losses where the loss is their mean."
    return rule


def _of_pairs(name: str, value: Formula, *slopes: tuple[str, Formula]) -> Op:
    """A loss of x and t: `value(x, t)`. Its derivatives for x and for t come in words and as
    `slope(s, x, t)`."""

    def forward(x: Any, t: Any, reduction: str = "mean") -> Any:
        return reduce_losses(value(x, t), reduction, x.size)

    def rule(words: str, slope: Formula) -> Formula:
        def rule(g: Any, y: Any, x: Any, t: Any, reduction: str = "mean") -> Any:
            return slope(share(g, reduction, math.prod(x.shape)), x, t)

        return _in_words(rule, words)

    return Op(name, forward, *(rule(*each) for each in slopes))


def _of_differences(name: str, value: Formula, words: str, slope: Formula) -> Op:
    """A loss of d = x − t: `value(d)`, with the derivative `slope(s, d)`; d is saved."""

    def forward(x: Any, t: Any, reduction: str = "mean", **settings: Any) -> Any:
        d = x - t
        return reduce_losses(value(d, **settings), reduction, x.size), d

    def rule_x(
        g: Any, y: Any, x: Any, t: Any, saved: Any, reduction: str = "mean", **settings: Any
    ) -> Any:
        d = x - t if saved is None else saved
        return slope(share(g, reduction, math.prod(x.shape)), d, **settings)

    def rule_t(*arguments: Any, **settings: Any) -> Any:
        return -rule_x(*arguments, **settings)

    rules = _in_words(rule_x, words), _in_words(rule_t, f"−{words}")
    return Op(name, forward, *rules, saves=True)


# ---- distances ---------------------------------------------------------------------------------

mse_loss = _of_differences("mse_loss", np.square, "2 (x − t)", lambda s, d: d * (2 * s))
l1_loss = _of_differences("l1_loss", np.absolute, "sign(x − t)", lambda s, d: sign(d) * s)


def _huber(d: Any, delta: float) -> Any:
    """c (|d| − c/2) with c = min(|d|, δ): d² / 2, then δ (|d| − δ/2)."""
    size = np.absolute(d)
    c = np.minimum(size, delta)
    return c * (size - c / 2)


huber_loss = _of_differences(
    "huber_loss",
    _huber,
    "(x − t, held between −δ and δ)",
    lambda s, d, delta: hardtanh(d, low=-delta, high=delta) * s,
)

# ---- between probabilities ---------------------------------------------------------------------


def _binary_cross_entropy(x: Any, t: Any) -> Any:
    """Each logarithm is held to at least −100, so that a certain but wrong x costs 100."""
    with np.errstate(divide="ignore"):
        return -t * np.maximum(np.log(x), -100) - (1 - t) * np.maximum(np.log1p(-x), -100)


binary_cross_entropy = _of_pairs(
    "binary_cross_entropy",
    _binary_cross_entropy,
    ("(x − t) / (x (1 − x))", lambda s, x, t: (x - t) / clamp(x * (1 - x), min=1e-12) * s),
    ("(ln(1 − x) − ln x)", lambda s, x, t: (log1p(-x) - log(x)) * s),
)
binary_cross_entropy_with_logits = _of_pairs(
    "binary_cross_entropy_with_logits",
    # ln(1 + eˣ) − t x, with the exponential of −|x|, which cannot overflow.
    lambda x, t: np.maximum(x, 0) - x * t + np.log1p(np.exp(-np.absolute(x))),
    ("(σ(x) − t)", lambda s, x, t: (sigmoid(x) - t) * s),
    ("−x", lambda s, x, t: -x * s),
)
kl_div = _of_pairs(
    "kl_div",
    lambda x, t: t * np.where(t == 0, 0, np.log(t + (t == 0)) - x),  # 0 where t is 0
    ("−t", lambda s, x, t: -t * s),
    ("(ln t + 1 − x)", lambda s, x, t: (log(t) + 1 - x) * s),
)

# ---- of class labels ---------------------------------------------------------------------------


def _nll_loss(x: Any, labels: Any, reduction: str = "mean") -> Any:
    rows = as_rows(x)
    losses = -rows[np.arange(len(rows)), labels.ravel()].reshape(labels.shape)
    return reduce_losses(losses, reduction, labels.size)


def _nll_loss_rule(g: Any, y: Any, x: Any, labels: Any, reduction: str = "mean") -> Any:
    """−onehot g, divided by the number of labels where the loss is their mean."""
    n, classes = as_rows(x).shape
    rows = one_hot(reshape(labels, shape=(n,)), classes=classes, dtype=x.dtype)
    return from_rows(rows * -column_share(g, reduction, n), x.shape)


nll_loss = Op("nll_loss", _nll_loss, _nll_loss_rule, None)
