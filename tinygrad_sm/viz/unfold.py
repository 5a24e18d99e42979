"""What a fused operation consists of, part by part, with the numbers of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_sm import ops
from tinygrad_sm.graph import Node

# What a part does, why, and its row: signs, and arrays with a label (and a role).
Part = tuple[str, str, list[Any]]
EXPONENTIATE = "eˣ makes every score positive, and a larger one much larger."


def unfold(op: str, node: Node, inputs: list[Any]) -> list[Part]:
    """The parts of an operation on these arrays, in order; none if it is a single one."""
    parts: dict[str, Callable[..., Iterator[Part]]] = {
        "softmax": _softmax,
        "log_softmax": _log_softmax,
        "cross_entropy": _cross_entropy,
        "mse_loss": _mse_loss,
    }
    with np.errstate(all="ignore"):
        return list(parts[op](node, *inputs)) if op in parts else []


def _shift(z: Any, axis: int, of: str) -> tuple[Any, Part]:
    largest = z.max(axis=axis, keepdims=True, initial=-np.inf)
    shifted = z - largest
    return shifted, (
        f"Subtract the largest score of each {of}",
        f"Subtracting the same number from all scores of a {of} changes no probability, and keeps "
        "the exponentials from overflowing.",
        [(z, "scores"), "−", (largest, "largest"), "=", (shifted, "shifted", "result")],
    )


def _exponentials(shifted: Any, axis: int, of: str) -> tuple[Any, Any, list[Part]]:
    e = np.exp(shifted)
    total = e.sum(axis=axis, keepdims=True)
    return (
        e,
        total,
        [
            (
                "Exponentiate",
                EXPONENTIATE,
                ["exp(", (shifted, "shifted"), ")", "=", (e, "e", "result")],
            ),
            (
                f"Add up each {of}",
                f"The probabilities of a {of} are to add up to 1, so its sum is what to divide by.",
                [f"Σ {of} of", (e, "e"), "=", (total, "sum", "result")],
            ),
        ],
    )


def _along(node: Node, z: Any) -> tuple[int, str]:
    axis = node.attributes.get("axis", -1)
    return axis, "row" if axis % z.ndim == z.ndim - 1 else "column" if z.ndim == 2 else "slice"


def _probabilities(z: Any, axis: int, of: str) -> tuple[Any, list[Part]]:
    shifted, shift = _shift(z, axis, of)
    e, total, parts = _exponentials(shifted, axis, of)
    p = e / total
    divide = (
        "Divide: probabilities",
        f"Each exponential divided by the sum of its {of} is the probability p of its class.",
        [(e, "e"), "÷", (total, "sum"), "=", (p, "p", "result")],
    )
    return p, [shift, *parts, divide]


def _softmax(node: Node, z: Any) -> Iterator[Part]:
    yield from _probabilities(z, *_along(node, z))[1]


def _log_softmax(node: Node, z: Any) -> Iterator[Part]:
    axis, of = _along(node, z)
    shifted, shift = _shift(z, axis, of)
    _, total, parts = _exponentials(shifted, axis, of)
    log = np.log(total)
    yield from (shift, *parts)
    yield (
        "Take ln of the sum",
        "ln of a quotient is a difference: ln p = ln (e / sum) = shifted − ln sum.",
        ["ln(", (total, "sum"), ")", "=", (log, "ln sum", "result")],
    )
    yield (
        "Subtract",
        "The logarithm of each probability.",
        [(shifted, "shifted"), "−", (log, "ln sum"), "=", (node.value, "ln p", "result")],
    )


def _cross_entropy(node: Node, z: Any, labels: Any) -> Iterator[Part]:
    z, labels = ops.as_rows(z), labels.ravel()
    p, parts = _probabilities(z, 1, "row")
    picked = p[np.arange(len(z)), labels]
    losses = -np.log(picked)
    yield from parts
    yield (
        "Pick the true class",
        "Only the probability that the true class got decides the loss.",
        [(p, "p"), "at", (labels, "true class"), "=", (picked, "p of the true class", "result")],
    )
    yield (
        "Take −ln",
        "Certain and right costs nothing: −ln 1 = 0. The smaller the probability of the truth, the "
        "higher the penalty.",
        ["−ln", (picked, "p of the true class"), "=", (losses, "penalty of each row", "result")],
    )
    yield from _reduce(node, losses, "penalty of each row")


def _mse_loss(node: Node, x: Any, t: Any) -> Iterator[Part]:
    difference = x - t
    square = difference * difference
    yield (
        "Subtract the target",
        "How far each prediction is off.",
        [(x, "prediction"), "−", (t, "target"), "=", (difference, "difference", "result")],
    )
    yield (
        "Square",
        "Too high and too low count the same, and twice as far off counts four times.",
        ["square(", (difference, "difference"), ")", "=", (square, "square", "result")],
    )
    yield from _reduce(node, square, "square")


def _reduce(node: Node, losses: Any, label: str) -> Iterator[Part]:
    reduction = node.attributes.get("reduction", "mean")
    if reduction != "none":
        yield (
            "Average" if reduction == "mean" else "Add up",
            f"The loss is the {reduction} of all {losses.size}.",
            [reduction, (losses, label), "=", (node.value, "loss", "result")],
        )
