"""What a fused operation consists of, part by part, with the numbers of each.

The parts are written with operators and operations. So they compute on arrays, for the page of
`explain`, and on Tensors, whose graph is what `draw(loss, fused="unfold")` shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_sm import ops
from tinygrad_sm.autograd import enable_grad
from tinygrad_sm.graph import Flows, Graph, Module, Node
from tinygrad_sm.tensor import Tensor

# What a part does, why, and its row: signs, and arrays with a label (and a role).
Part = tuple[str, str, list[Any]]
# The operations that have parts.
FUSED = ("softmax", "log_softmax", "cross_entropy", "soft_cross_entropy", "mse_loss")
EXPONENTIATE = "eˣ makes every score positive, and a larger one much larger."


def unfold(op: str, node: Node, inputs: list[Any]) -> list[Part]:
    """The parts of an operation on these arrays, in order; none if it is a single one."""
    parts: dict[str, Callable[..., Iterator[Part]]] = {
        "softmax": _softmax,
        "log_softmax": _log_softmax,
        "cross_entropy": _cross_entropy,
        "soft_cross_entropy": _soft_cross_entropy,
        "mse_loss": _mse_loss,
    }
    with np.errstate(all="ignore"):
        return list(parts[op](node, *inputs)) if op in parts else []


def as_nodes(op: str, node: Node, sources: list[Node]) -> tuple[list[Node], Flows]:
    """The parts as nodes of a graph, the operation's own being the last, and how large the
    gradients between them are; the node alone if it has no numbers."""
    twins = [  # class labels are looked up, not computed with
        Tensor(x.value, requires_grad=x.place is not None, name=x.id)
        if x.value.dtype.kind == "f"
        else x.value
        for x in sources
    ]
    if not node.value.size:
        return [node], {}
    with enable_grad():
        parts = unfold(op, node, twins)
    for _, _, items in parts:
        for array, label, *_ in (item for item in items if isinstance(item, tuple)):
            if isinstance(array, Tensor) and array.name is None:
                array.name = label
    result = parts[-1][2][-1][0]
    if result.requires_grad and node.gradient is not None:
        with np.errstate(all="ignore"):
            result.backward(node.gradient.reshape(result.shape))
    graph = Graph(result)
    ids = {part.id: str(part.name) for part in graph.nodes if part.name in node.inputs}
    kept = [_part(part, node) for part in graph.nodes if part.id not in ids]
    aside = {part.id for part in kept if part.op == "max"}
    inputs = {part.id: part.inputs for part in kept}
    flows = {
        (i, place): size
        for (i, place), size in graph.flows(kept).items()
        if inputs[i][place] not in aside
    }

    # Their ids in the graph around them.
    ids |= {part.id: f"{node.id}_{i}" for i, part in enumerate(kept)} | {kept[-1].id: node.id}
    title = f"{op} in parts"
    if op == "cross_entropy":
        title += f"; the scores' gradient: {'(p − y) / N' if is_mean(node) else 'p − y'}"
    modules = (*node.modules, Module(f"p{node.id}", "", title, 1, node.modules))
    nodes = []
    for part in kept:
        origins = [*(ids[i] for i in part.inputs), *(node.inputs[1:] if part.op == "pick" else ())]
        nodes.append(replace(part, id=ids[part.id], inputs=tuple(origins), modules=modules))
    # The last has what the operation itself computed: other roundings are no news.
    same = {key: getattr(node, key) for key in ("kind", "value", "gradient", "note")}
    name = node.name or (nodes[-1].name if node.kind != "loss" else None)
    nodes[-1] = replace(nodes[-1], name=name, **same)
    return nodes, {(ids[i], place): size for (i, place), size in flows.items()}


def is_mean(node: Node) -> bool:
    """Whether a loss is the mean of those of all rows."""
    return bool(node.attributes.get("reduction", "mean") == "mean")


def _part(part: Node, node: Node) -> Node:
    """A part as it is to be shown."""
    if part.op is None:
        return part
    attributes = {key: value for key, value in part.attributes.items() if key != "keepdims"}
    note = part.note if node.gradient is not None else node.note
    part = replace(part, attributes=attributes, note=note, place=node.place, kind="operation")
    if part.op == "max":  # subtracted from all, it changes nothing: its gradients add up to 0
        note = "needs no gradient: it cancels out"
        return replace(part, gradient=None, note=note, place=None)
    if part.op == "getitem":
        return replace(part, op="pick", attributes={}, roles=("p", "true class"))
    return part


def _shift(z: Any, axis: int, of: str) -> tuple[Any, Part]:
    # Of no scores there is no largest, and nothing to subtract it from.
    largest = (ops.max if z.shape[axis] else ops.sum)(z, axis=axis, keepdims=True)
    shifted = z - largest
    return shifted, (
        f"Subtract the largest score of each {of}",
        f"Subtracting the same number from all scores of a {of} changes no probability, and keeps "
        "the exponentials from overflowing.",
        [(z, "scores"), "−", (largest, "largest"), "=", (shifted, "shifted", "result")],
    )


def _exponentials(shifted: Any, axis: int, of: str) -> tuple[Any, Any, list[Part]]:
    e = ops.exp(shifted)
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
    yield from _logarithms(z, *_along(node, z))[1]


def _logarithms(z: Any, axis: int, of: str) -> tuple[Any, list[Part]]:
    shifted, shift = _shift(z, axis, of)
    _, total, parts = _exponentials(shifted, axis, of)
    log = ops.log(total)
    result = shifted - log
    take = (
        "Take ln of the sum",
        "ln of a quotient is a difference: ln p = ln (e / sum) = shifted − ln sum.",
        ["ln(", (total, "sum"), ")", "=", (log, "ln sum", "result")],
    )
    subtract = (
        "Subtract",
        "The logarithm of each probability.",
        [(shifted, "shifted"), "−", (log, "ln sum"), "=", (result, "ln p", "result")],
    )
    return result, [shift, *parts, take, subtract]


def _cross_entropy(node: Node, z: Any, labels: Any) -> Iterator[Part]:
    z, labels = ops.as_rows(z), labels.ravel()
    true = np.arange(z.shape[0]), labels
    p, parts = _probabilities(z, 1, "row")
    picked, what = p[true], "p of the true class"
    if (np.asarray(picked) == 0).any():  # too small for a float, but its logarithm is not
        p, parts = _logarithms(z, 1, "row")
        picked, what = p[true], "ln p of the true class"
        losses, sign = -picked, "−"
    else:
        losses, sign = -ops.log(picked), "−ln"
    yield from parts
    yield (
        "Pick the true class",
        "Only the probability that the true class got decides the loss.",
        [(p, parts[-1][2][-1][1]), "at", (labels, "true class"), "=", (picked, what, "result")],
    )
    yield (
        f"Take {sign}",
        "Certain and right costs nothing: −ln 1 = 0. The smaller the probability of the truth, the "
        "higher the penalty.",
        [sign, (picked, what), "=", (losses, "penalty of each row", "result")],
    )
    yield from _reduce(node, losses, "penalty of each row")


def _soft_cross_entropy(node: Node, z: Any, q: Any) -> Iterator[Part]:
    z, q = ops.as_rows(z), ops.as_rows(q)
    log, parts = _logarithms(z, 1, "row")
    weighted = q * log
    losses = -weighted.sum(axis=1)
    yield from parts
    yield (
        "Weigh by the target",
        "Each class counts as much as the target says.",
        [(q, "target"), "×", (log, "ln p"), "=", (weighted, "weighted", "result")],
    )
    yield (
        "Add up each row, with a minus",
        "The smaller the probability of what the target asks for, the higher the penalty.",
        ["−Σ row of", (weighted, "weighted"), "=", (losses, "penalty of each row", "result")],
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
    if reduction == "none":
        return
    n = math.prod(losses.shape)
    count = node.attributes.get("count", n)
    result = losses.sum() if reduction == "sum" else losses.mean()
    if reduction == "mean" and count != n:  # weighted rows count as much as their weights
        result = losses.sum() / count
    alone = "There is one, and it is the loss."
    yield (
        "Average" if reduction == "mean" else "Add up",
        f"The loss is the {reduction} of all {n}." if n > 1 else alone,
        [reduction, (losses, label), "=", (result, "loss", "result")],
    )
