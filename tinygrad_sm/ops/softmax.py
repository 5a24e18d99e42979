"""The softmax head: from scores to probabilities, and how wrong the probabilities are.

    softmax      pᵢ = e^zᵢ / Σⱼ e^zⱼ
    logsumexp    ln Σⱼ e^zⱼ
    log_softmax  ln pᵢ = zᵢ − logsumexp(z)
    cross_entropy  −ln p of the true class;  its gradient with respect to the scores is p − onehot

Every one subtracts the largest score first. That changes no probability, and no exponential can
overflow after it. Differences of scores near the largest float, and scores of −inf, are meant to
vanish under the exponential, so NumPy's warnings about them are off.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from tinygrad_sm.ops.elementwise import exp
from tinygrad_sm.ops.linear_algebra import filled
from tinygrad_sm.ops.op import Op
from tinygrad_sm.ops.reduction import kept_shape, reduce_losses, share
from tinygrad_sm.ops.shape import permute, reshape

Array = np.ndarray[Any, np.dtype[Any]]

_quiet: dict[str, Any] = {"over": "ignore", "invalid": "ignore", "divide": "ignore"}


def _shift(x: Any, axis: int) -> Any:
    """x minus its largest element along `axis`."""
    return x - np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf)


def _softmax(x: Any, axis: int = -1) -> Any:
    with np.errstate(**_quiet):
        e = np.exp(_shift(x, axis))
        e /= np.add.reduce(e, axis=axis, keepdims=True)
        return e


def _log_softmax(x: Any, axis: int = -1) -> Any:
    with np.errstate(**_quiet):
        shifted = _shift(x, axis)
        return shifted - np.log(np.add.reduce(np.exp(shifted), axis=axis, keepdims=True))


def _logsumexp(x: Any, axis: Any = -1, keepdims: bool = False) -> Any:
    with np.errstate(**_quiet):
        largest = np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf)
        largest = np.where(np.isfinite(largest), largest, np.zeros_like(largest))
        total = np.add.reduce(np.exp(x - largest), axis=axis, keepdims=True)
        y = np.log(total) + largest
        return y if keepdims else np.squeeze(y, axis)


softmax = Op(
    "softmax",
    _softmax,
    lambda g, y, x, axis=-1: y * (g - (g * y).sum(axis=axis, keepdims=True)),
)
log_softmax = Op(
    "log_softmax",
    _log_softmax,
    lambda g, y, x, axis=-1: g - exp(y) * g.sum(axis=axis, keepdims=True),
)
logsumexp = Op(
    "logsumexp",
    _logsumexp,
    lambda g, y, x, axis=-1, keepdims=False: (
        reshape(g, shape=kept_shape(x.shape, axis)) * softmax(x, axis=axis)
    ),
)

# ---- cross-entropy -----------------------------------------------------------------------------
# Scores come as (N, C), (C,) or (N, C, d1, …). Inside they are rows: one row of C scores a label.


def as_rows(z: Any) -> Any:
    """Scores with the class axis last and all others flattened into one."""
    if z.ndim == 2:
        return z
    if z.ndim > 2:
        z = permute(z, axes=(0, *range(2, z.ndim), 1))
    return reshape(z, shape=(math.prod(z.shape[:-1]), z.shape[-1]))


def from_rows(rows: Any, shape: tuple[int, ...]) -> Any:
    """Undo `as_rows`: back to scores of `shape`."""
    if len(shape) == 2:
        return rows
    if len(shape) == 1:
        return reshape(rows, shape=shape)
    rows = reshape(rows, shape=(shape[0], *shape[2:], shape[1]))
    return permute(rows, axes=(0, len(shape) - 1, *range(1, len(shape) - 1)))


def column_share(g: Any, reduction: str, count: float) -> Any:
    """The gradient of the reduced loss, handed on to each row's loss, as a column."""
    g = share(g, reduction, count)
    return reshape(g, shape=(math.prod(g.shape), 1))


one_hot = Op(
    "one_hot",
    lambda labels, classes, dtype: np.equal.outer(labels, np.arange(classes)).astype(dtype),
)


@lru_cache(maxsize=64)
def _fixtures(n: int, classes: int, dtype: Any, reduction: str) -> Any:
    """What depends only on the sizes: each row's share in the loss, where each row begins in the
    flat array of scores, and ones to sum a row by. Arrays, for NumPy is slow to make them of
    numbers each time."""
    share = 1 / n if reduction == "mean" else 1.0
    starts = np.arange(0, n * classes, classes)
    return filled(n, share, dtype), starts, filled(classes, 1.0, dtype)


def _is_tame(z: Array) -> bool:
    """Whether all scores lie within ±30, where eˣ can neither overflow nor vanish.

    Nothing needs to be subtracted then, which saves the search for the largest score of each row:
    the largest of all is found much faster. A NaN compares false and is not tame.
    """
    if not z.size or z.itemsize < 4:
        return False
    return bool(z.item(z.argmax()) < 30 and z.item(z.argmin()) > -30)


def _cross_entropy(z: Any, labels: Any, reduction: str = "mean") -> Any:
    """−ln softmax(z)[label] of every row; saved is (p − onehot) / n, its gradient at g = 1."""
    rows = z if z.ndim == 2 and z.flags.c_contiguous else np.ascontiguousarray(as_rows(z))
    n, classes = rows.shape
    share, starts, ones = _fixtures(n, classes, rows.dtype, reduction)
    true = starts + labels.ravel()  # the places of the true classes in the flat array
    if _is_tame(rows):
        p = np.exp(rows)
        flat = p.ravel()
        total = p.dot(ones)
        at_true = flat[true]
        losses = np.log(at_true / total)
    else:
        with np.errstate(**_quiet):
            p = _shift(rows, 1)
            flat = p.ravel()
            losses = flat[true]
            np.exp(p, out=p)
            at_true = flat[true]
            total = np.add.reduce(p, axis=1)
            losses -= np.log(total)
    scale = share / total
    flat *= scale.repeat(classes)  # quicker than stretching a column over few classes
    at_true *= scale
    at_true -= share
    flat[true] = at_true
    p.flags.writeable = False
    return -losses.reshape(labels.shape) if reduction == "none" else -share.dot(losses), p


def _cross_entropy_rule(
    g: Any, y: Any, z: Any, labels: Any, saved: Any, reduction: str = "mean"
) -> Any:
    """(p − onehot) g, divided by the number of labels where the loss is their mean."""
    if saved is None:
        rows = as_rows(z)
        labels = reshape(labels, shape=(rows.shape[0],))
        saved = softmax(rows) - one_hot(labels, classes=rows.shape[1], dtype=rows.dtype)
        g = column_share(g, reduction, rows.shape[0])
    elif reduction == "none":
        g = g.reshape(-1, 1)
    elif g == 1:  # as when the loss itself is the start of the backward pass
        return saved if z.ndim == 2 else from_rows(saved, z.shape)
    return from_rows(saved * g, z.shape)


cross_entropy = Op("cross_entropy", _cross_entropy, _cross_entropy_rule, None, saves=True)


def _soft_cross_entropy(z: Any, q: Any, reduction: str = "mean", count: float = 1.0) -> Any:
    """−Σ q ln softmax(z) of every row. A class of weight 0 adds 0 even if its p is 0."""
    q = as_rows(q)
    losses = -np.add.reduce(q * np.where(q == 0, 0, _log_softmax(as_rows(z))), axis=1)
    losses = losses.reshape(z.shape[:1] * (z.ndim > 1) + z.shape[2:])
    return reduce_losses(losses, reduction, count)


def _soft_cross_entropy_scores(
    g: Any, y: Any, z: Any, q: Any, reduction: str = "mean", count: float = 1.0
) -> Any:
    """(p Σq − q) g, divided by the count where the loss is a mean."""
    rows, q = as_rows(z), as_rows(q)
    residual = softmax(rows) * q.sum(axis=1, keepdims=True) - q
    return from_rows(residual * column_share(g, reduction, count), z.shape)


def _soft_cross_entropy_target(
    g: Any, y: Any, z: Any, q: Any, reduction: str = "mean", count: float = 1.0
) -> Any:
    """−ln p g, divided by the count where the loss is a mean."""
    return from_rows(-log_softmax(as_rows(z)) * column_share(g, reduction, count), z.shape)


soft_cross_entropy = Op(
    "soft_cross_entropy",
    _soft_cross_entropy,
    _soft_cross_entropy_scores,
    _soft_cross_entropy_target,
)
