"""`summary`: the computation graph as text, for a terminal."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import numpy as np

from tinygrad_sm.graph import Array, Graph, Module, Node
from tinygrad_sm.tensor import Tensor
from tinygrad_sm.viz.draw import _held, _title
from tinygrad_sm.viz.fold import Box, Repeat, fold, is_inlined, older
from tinygrad_sm.viz.text import clean, count, number
from tinygrad_sm.viz.words import expression, labels

WIDTH = 100
COLUMNS = (("shape", 22), ("value", 20), ("gradient", 25))  # and the most that each may take
DEEPEST = 8  # modules further inside are not told apart


class Text(str):
    """A str that an interpreter and a notebook show as it is printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def summary(tensor: Tensor, *, max_nodes: int | None = 80) -> Text:
    """What a tensor was computed from, line by line as text: `draw` for a terminal.

    max_nodes: a larger graph is folded as `draw` folds it: of repeated blocks only the last is
        shown; if that is not enough a module becomes one line, and at last the oldest part. None
        never folds.

    Modules are branches. An operation is written as a formula and has a name, v1, v2, … if none
    was given, by which the lines below refer to it. A number is shown as it is, an array as its
    smallest and largest element. Gradients are there after `backward()`; else it is said why not.

    Returns a str of lines of at most 100 characters.

    >>> x = Tensor([1.0, 2.0], name="x")
    >>> w = Tensor([0.5, -1.0], requires_grad=True, name="w")
    >>> loss = ((w * x).sum() - 1) ** 2
    >>> loss.backward()
    >>> summary(loss)
    loss: 4 operations on 1 parameter (2 numbers) and 1 input
                     shape  value     gradient
    ├─ input x       (2,)   1 … 2     not needed
    ├─ parameter w   (2,)   −1 … 0.5  −10 … −5
    ├─ v1 = w × x    (2,)   −2 … 0.5  all −5
    ├─ v2 = sum(v1)  ()     −1.5      −5
    ├─ v3 = v2 − 1   ()     −2.5      −5
    └─ loss = v3²    ()     6.25      1
    """
    graph = Graph(tensor, grads=False)
    boxes = fold(graph.nodes, max_nodes)
    shown = {box.node.id for box in boxes if box.folded != "older"}
    nodes = {node.id: node for node in graph.with_gradients(shown)}
    names = _names(graph.nodes)

    notes = [f"{names[graph.nodes[-1].id]}: {_contents(graph.nodes)}"]
    before = sum(not is_inlined(node) for node in graph.nodes)
    if len(boxes) < before:
        notes.append(
            f"{before:,} nodes folded into {len(boxes):,}; "
            "summary(tensor, max_nodes=None) shows every one"
        )
    # What is true of all lines is said once, above them.
    reasons = {node.note for node in nodes.values() if node.place is not None}
    said = reasons.pop() if len(reasons) == 1 else "" if reasons else "nothing needs a gradient"
    notes += [said] if said else []

    rows = [("", *(name for name, _ in COLUMNS))]
    for line, box in _branches(_in_order(boxes), names):
        cells = ("", "", "") if box is None else _cells(nodes.get(box.node.id), said)
        rows.append((line, *cells))
    return Text("\n".join([*notes, *_table(rows)]))


def _contents(nodes: list[Node]) -> str:
    """How many operations, parameters and inputs there are, in words."""
    kinds = Counter("operation" if node.op else node.kind for node in nodes)
    numbers = sum(node.value.size for node in nodes if node.kind == "parameter")
    counts = [count(n, kind) if (n := kinds[kind]) else "" for kind in ("parameter", "input")]
    if counts[0]:
        counts[0] += f" ({count(numbers, 'number')})"
    leaves = " and ".join(filter(None, counts)) or "constants alone"
    return f"{count(kinds['operation'], 'operation')} on {leaves}" if nodes[-1].op else leaves


def _names(nodes: list[Node]) -> dict[str, str]:
    """What each node is called. In the branch of fc1, fc1.weight is the weight."""
    names = labels(nodes)
    for node in nodes:
        if node.name and not node.op and node.modules:
            names[node.id] = clean(node.name.removeprefix(node.modules[-1].name + "."), 24)
    return names


# ---- branches ----------------------------------------------------------------------------------


def _in_order(boxes: list[Box]) -> list[Box]:
    """Operations in the order of the computation, and each leaf before the first use of it, or
    before the branch in which that is."""
    start: dict[Box | Module | Repeat, int] = {}
    for i, box in enumerate(boxes):
        if box.what is not None or box.folded == "older":
            start[box] = i
            for module in box.frames:
                start.setdefault(module, i)
    # Of leaves before the same operation, the outer ones come first.
    place = {box: (start.get(box, 0), DEEPEST) for box in boxes}
    for box in boxes:
        for source, _ in box.inputs:
            if source not in start:
                path = box.frames[len(source.frames) :]
                start[source] = start[path[0] if path else box]
                place[source] = (start[source], min(len(source.frames), DEEPEST) - DEEPEST)
    return sorted(boxes, key=place.__getitem__)


def _branches(
    boxes: list[Box], names: dict[str, str], depth: int = 0, indent: str = ""
) -> Iterator[tuple[str, Box | None]]:
    """The lines of the tree: a branch for each module, and in it a line for each box."""
    branches: dict[Module | Repeat | Box, list[Box]] = {}
    for box in boxes:
        frames = box.frames[:DEEPEST]
        branches.setdefault(frames[depth] if len(frames) > depth else box, []).append(box)
    for i, (branch, inside) in enumerate(branches.items(), 1):
        fork, below = ("├─ ", "│  ") if i < len(branches) else ("└─ ", "   ")
        if isinstance(branch, Box):
            line = _line(branch.copies[-1] if branch.copies else branch, names)
            yield indent + fork + line, branch
            continue
        if isinstance(branch, Repeat):
            title = f"× {branch.times:,} blocks, the last:"
        else:
            title = _title(branch)
        yield indent + fork + title, None
        yield from _branches(inside, names, depth + 1, indent + below)


def _line(box: Box, names: dict[str, str]) -> str:
    node, name = box.node, names[box.node.id]
    if box.folded == "older":
        return older(box)
    if box.folded:
        title, held = _held(box)
        sources = [names[source.node.id] for source, _ in box.inputs]
        return f"{name} = {title}" + f" of {', '.join(sources)}" * bool(sources) + f"  ({held})"
    if node.op:
        return f"{name} = {expression(node, names)}"
    return name if name.startswith(node.kind) else f"{node.kind} {name}"


# ---- columns -----------------------------------------------------------------------------------


def _cells(node: Node | None, said: str) -> tuple[str, str, str]:
    """Shape, value and gradient. The dtype is told if it is not of floating-point numbers."""
    if node is None:
        return "", "", ""
    kind = f" {node.value.dtype}" if node.value.dtype.kind != "f" else ""
    if node.gradient is not None:
        gradient = _short(node.gradient)
    elif node.place is None:
        gradient = "not needed" if said != "nothing needs a gradient" else ""
    else:
        gradient = "" if node.note == said else re.split("[,:]", node.note)[0]
    return f"{node.shape}{kind}", _short(node.value), gradient


def _short(array: Array) -> str:
    """A number, or the smallest and the largest of several."""
    if array.size == 0:
        return "empty"
    if array.ndim == 0:
        return number(array.item())
    if array.dtype.kind == "b":
        return f"{int(array.sum()):,} of {array.size:,} true"
    broken = array.size - int(np.isfinite(array).sum())
    if broken:
        return f"{broken:,} not finite"
    low, high = (number(end.item(), digits=3) for end in (array.min(), array.max()))
    if low == high:
        return f"all {low}" if array.size > 1 else low
    return f"{low} … {high}"


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Lines with their columns below each other; a column with nothing in it is left out."""
    columns = [*zip(*rows, strict=True)]
    cells = [
        [clean(cell, most) for cell in column]
        for (_, most), column in zip(COLUMNS, columns[1:], strict=True)
        if any(column[1:])
    ]
    widths = [max(map(len, column)) for column in cells]
    room = WIDTH - sum(widths) - 2 * len(widths)
    lines = [clean(line, room) for line in columns[0]]
    width = max(map(len, lines))
    for line, *rest in zip(lines, *cells, strict=True):
        columns_ = (cell.ljust(w) for cell, w in zip(rest, widths, strict=True))
        yield "  ".join((line.ljust(width), *columns_)).rstrip()
