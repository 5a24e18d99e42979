"""What a classification loss accepts as a target, and what it says when it cannot.

A target is the index of the true class for each row of scores, or, for cross-entropy, a probability
for each class (a one-hot row among them). Nothing is guessed: a target that fits neither is an
error that names the first offending row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_sm.errors import DtypeError, LabelError, ShapeError, coded
from tinygrad_sm.values import as_array

Array = np.ndarray[Any, np.dtype[Any]]


_INDEX = np.dtype(np.intp)
_UNSIGNED = np.dtype(np.uintp)


def as_target(target: Any, dtype: np.dtype[Any]) -> Array:
    """A target given as a number, a list or an array: integers stay class indices."""
    if isinstance(target, np.ndarray | np.generic):
        return as_array(target)
    whole = as_array(target, dtype)
    integers = np.asarray(target)
    return whole if integers.dtype.kind == "f" else integers


def are_plain_indices(scores: Array, target: Array) -> bool:
    """Whether this is the usual case: an index that names a class for each row of scores."""
    if scores.ndim == 2:
        fits = target.ndim == 1 and len(target) == len(scores) > 0
    else:
        shape = scores.shape
        fits = len(shape) > 2 and target.size > 0 and target.shape == shape[:1] + shape[2:]
    return (
        fits
        and target.dtype is _INDEX
        and scores.dtype.kind == "f"
        and all_in_range(target, scores.shape[1])
    )


def all_in_range(labels: Array, classes: int) -> bool:
    """Whether every label names a class.

    Seen as an unsigned number, a negative label is enormous, so one comparison finds both mistakes.
    """
    unsigned = labels.view(_UNSIGNED)
    return bool(unsigned.item(unsigned.argmax()) < classes)


def is_index_target(
    scores: Array,
    target: Array,
    loss: str = "cross_entropy",
    called: str = "scores (logits)",
    soft: bool = True,
) -> bool:
    """True where the target holds class indices, False where it holds a value for each class.

    loss, called: the name of the loss, and what its scores are called.
    soft: whether the loss takes values for each class.
    """
    if scores.ndim == 0:
        raise ShapeError(
            f"{loss} needs {called} of shape (N, C), (C,) or (N, C, d1, …), got a single number"
        )
    if scores.dtype.kind != "f":
        raise DtypeError(f"{loss} needs floating-point {called}, got dtype {scores.dtype}")
    shape, labels = scores.shape, target.shape
    wanted = shape[:1] + shape[2:] if len(shape) > 1 else ()
    if labels == wanted and target.dtype.kind in "iu":
        return True
    if labels == shape and soft:
        return False
    probabilities = f"class probabilities of shape {shape}"
    if labels == wanted:
        wrong = DtypeError(
            f"the labels have dtype {target.dtype}, but a class index is an integer. "
            f"Use labels.astype(int){f', or pass {probabilities}' if soft else ''}"
        )
        raise coded(wrong, "labels-not-integers")
    hint, code = "", "labels-of-other-shape"
    if labels == shape:
        code = "labels-one-hot"
        hint = " Of one-hot rows, labels.argmax(axis=1) gives the indices."
    if labels == (*wanted, 1):
        code = "labels-with-extra-axis"
        hint = " The labels have an extra axis of length 1: use labels.squeeze(-1)."
    elif len(labels) == len(wanted) and len(shape) > 1 and labels[:1] != shape[:1]:
        code = "labels-of-other-length"
        hint = f" There are {shape[0]} rows of scores but {labels[0]} labels."
    error = ShapeError(
        f"labels of shape {labels} do not fit scores of shape {shape}: {loss} needs "
        f"class indices of shape {wanted}{f' or {probabilities}' if soft else ''}.{hint}"
    )
    raise coded(error, code)


def as_indices(target: Any, classes: int, ignore_index: Any) -> Any:
    """A Tensor of class indices, as NumPy likes them."""
    given = target._data
    if given.dtype.kind == "u":  # before a huge one becomes negative
        check_in_range(given, classes, given != ignore_index)
    return target if given.dtype == _INDEX else target.astype(_INDEX)


def check_in_range(labels: Array, classes: int, counted: Any) -> None:
    """Raise LabelError for the first counted label that names no class."""
    wrong = counted & ((labels < 0) | (labels >= classes))
    if not wrong.any():
        return
    where = tuple(int(i) for i in np.argwhere(wrong)[0])
    label = int(labels[where])
    row = f"row {where[0]}" if len(where) == 1 else f"position {where}" if where else "the target"
    hint, code = "", "labels-out-of-range"
    if label == classes and labels[counted].min() >= 1:
        hint, code = " Labels that count from 1 need labels - 1.", "labels-from-1"
    elif label < 0:
        hint = f" To leave such rows out, pass ignore_index={label}."
    error = LabelError(
        f"label {label} at {row} is not a class: with {classes} classes, labels run from 0 to "
        f"{classes - 1}.{hint}"
    )
    raise coded(error, code)


def check_probabilities(scores: Array, target: Array) -> None:
    """Raise LabelError for the first row that is not a probability distribution."""
    axis = 1 if target.ndim > 1 else 0
    sums = target.sum(axis=axis)
    bad = ~(np.abs(sums - 1) <= 1e-3) | (target < 0).any(axis=axis)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        row = np.moveaxis(target, axis, -1)[where]
        raise LabelError(
            f"row {where[0] if where else 0} of the target is not a probability distribution: "
            f"{np.array2string(row, threshold=10, precision=4)} sums to {float(sums[where]):.4g}; "
            "the probabilities of a row are at least 0 and sum to 1"
        )


def class_weights(weight: Array, classes: int) -> Array:
    """Check that there is one weight, of 0 or more, for each class."""
    if weight.dtype.kind not in "biuf":
        raise DtypeError(f"weight needs one number for each class, got dtype {weight.dtype}")
    if weight.shape != (classes,):
        raise ShapeError(
            f"weight needs one number for each of the {classes} classes, shape ({classes},), "
            f"got shape {weight.shape}"
        )
    if not (weight >= 0).all():
        raise ValueError("weight needs numbers of at least 0: a class cannot count negatively")
    return weight


def label_weights(labels: Array, weight: Array, ignore_index: int) -> tuple[Array, Array]:
    """The labels, with 0 for the ignored ones, and the weight of each: 0 where it is ignored."""
    counted = labels != ignore_index
    check_in_range(labels, len(weight), counted)
    labels = np.where(counted, labels, 0)
    return labels, np.where(counted, weight[labels], 0)


def index_distribution(
    labels: Array, classes: int, weight: Array, ignore_index: int, smoothing: float
) -> tuple[Array, float]:
    """The weight of every class in every row's loss, and the sum of the weights of the labels.

    Row i is (1 − smoothing) w_y onehot(y) + smoothing / C · w, and 0 where y is ignored.
    The class axis is axis 1 (the only one, for a single label).
    """
    counted = labels != ignore_index
    labels, label_weight = label_weights(labels, weight, ignore_index)
    one_hot = np.equal.outer(labels, np.arange(classes))
    rows = (1 - smoothing) * label_weight[..., None] * one_hot
    rows += smoothing / classes * weight * counted[..., None]
    axis = 1 if labels.ndim else 0
    return np.moveaxis(rows, -1, axis).astype(weight.dtype), float(label_weight.sum())
