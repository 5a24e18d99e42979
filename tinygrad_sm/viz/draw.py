"""`draw`: the computation graph as a graphviz drawing."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, cast

import graphviz
import numpy as np
import numpy.typing as npt

from tinygrad_sm.graph import Graph, Module, Node
from tinygrad_sm.tensor import Tensor
from tinygrad_sm.viz.fold import Box, fold, is_inlined
from tinygrad_sm.viz.render import Drawing
from tinygrad_sm.viz.text import clean, number

# Fill and line of each role. Told apart by lightness too, and each box says its role in words.
COLOURS = {
    "input": ("#E8F1FA", "#5B8DB8"),
    "parameter": ("#FFF3D6", "#C58F1C"),
    "constant": ("#F4F4F4", "#9A9A9A"),
    "operation": ("#FFFFFF", "#6F7782"),
    "loss": ("#FBE3E4", "#C4545A"),
    "folded": ("#ECEAF6", "#7A6FB0"),
}
SYMBOLS = {"add": "+", "subtract": "−", "multiply": "×", "divide": "÷", "power": "^"}
# What to write on the edges into an operation, where its own names for the inputs say less.
ROLES = dict.fromkeys(("subtract", "divide", "power", "matmul"), ("left", "right")) | {
    "where": ("condition", "where true", "where false")
}
# Settings of windows that slide: (rows, columns), mostly one number for both, and mostly these.
SLIDING = {"kernel": "", "stride": "1", "padding": "0", "dilation": "1", "groups": "1"}
FONT = "Helvetica,Arial,sans-serif"
UNFOLD = "draw(loss, max_nodes=None) shows every one"


def draw(
    tensor: Tensor,
    *,
    values: bool = True,
    grads: bool = True,
    shapes: bool = True,
    max_nodes: int | None = 80,
    rankdir: str | None = None,
    title: str | None = None,
) -> Drawing:
    """Draw what a tensor was computed from: operations, parameters, shapes, values, gradients.

    values, grads, shapes: what stands in the boxes.
    max_nodes: a larger graph is folded: first a module becomes one box, then a run of the same
        operation, and at last the oldest part. The drawing says so. None never folds.
    rankdir: the direction of the forward pass, "LR" (to the right) or "TB" (downwards); by
        default to the right if that is not too wide.
    title: a line above the picture.

    Returns a `graphviz.Digraph`. It shows itself in a notebook; `.render("name", format="svg")`
    writes a file, `.save("name.gv")` the DOT text alone. Gradients are there after `backward()`,
    and are best drawn before the optimizer's step changes the values. In an SVG, a box under the
    mouse tells its derivative rules.

    >>> x = Tensor(2.0, requires_grad=True, name="x")
    >>> y = x * x + 1
    >>> y.backward()
    >>> print(draw(y).source.count("->"))  # x twice into ×, × into +
    3
    """
    if rankdir not in (None, "LR", "TB", "RL", "BT"):
        raise ValueError(f"rankdir is 'LR', 'TB', 'RL' or 'BT', got {rankdir!r}")
    if max_nodes is not None and max_nodes < 1:
        raise ValueError(f"max_nodes is at least 1, or None for no folding, got {max_nodes}")
    graph = Graph(tensor, grads=False)
    boxes = fold(graph.nodes, max_nodes)
    nodes = {node.id: node for node in graph.nodes}
    shown = {box.node.id for box in boxes if box.folded != "older"}
    if grads:
        nodes.update({node.id: node for node in graph.with_gradients(shown)})

    notes = [clean(str(title), 200)] if title else []
    before = sum(not is_inlined(node) for node in graph.nodes)
    if len(boxes) < before:
        notes.append(f"{before:,} boxes folded into {len(boxes):,}; {UNFOLD}")
    # What is true of all boxes is said once, below the picture.
    reasons = {nodes[i].note for i in shown if nodes[i].place is not None}
    said = reasons.pop() if grads and len(reasons) == 1 else ""
    if said:
        notes.append(said)

    writer = _Writer(nodes, values, grads, shapes, tensor.dtype, said)
    dot = _canvas(rankdir or ("LR" if _levels(boxes) <= 8 else "TB"), notes, title is not None)
    _add_boxes(dot, boxes, writer, 0)
    for box in boxes:
        for place, (source, _) in enumerate(box.inputs):
            dot.edge(source.node.id, box.node.id, **_role(box, place))
    return dot


# ---- what stands in a box ----------------------------------------------------------------------


@dataclass(frozen=True)
class _Writer:
    """Writes what stands in a box."""

    nodes: dict[str, Node]
    values: bool
    grads: bool
    shapes: bool
    dtype: np.dtype[Any]  # of the result; others are told
    said: str  # the note that stands below the picture

    def lines(self, box: Box) -> list[str]:
        if box.folded == "older":
            return [f"{len(box.nodes):,} older nodes, not drawn"]
        node = self.nodes[box.node.id]
        lines = _held(box) if box.folded else [self.headline(node)]
        if self.shapes:
            shape = f"shape {node.shape}" if node.shape else ""
            dtype = str(node.value.dtype) if node.value.dtype != self.dtype else ""
            lines += [f"{shape} {dtype}".strip()] if shape or dtype else []
        if self.values:
            lines += _numbers("value", node.value)
        if self.grads and node.gradient is not None:
            lines += _numbers("grad", node.gradient)
        elif self.grads and node.note != self.said:
            lines.append(node.note)
        return lines

    def headline(self, node: Node) -> str:
        """Role, operation and name."""
        role, name = node.kind, node.name and clean(str(node.name))
        if node.op is not None:
            role = "loss" if node.kind == "loss" else ""
        return "  ".join(filter(None, (role, node.op and clean(self.operation(node)), name)))

    def operation(self, node: Node) -> str:
        """The operation with its settings and with the numbers among its inputs."""
        inputs = [self.nodes[i] for i in node.inputs]
        slots = [number(x.value.item()) if is_inlined(x) else "_" for x in inputs]
        settings = _settings(node)
        if node.op == "getitem":
            key = node.attributes["key"]
            return f"_[{', '.join(map(_setting, key if isinstance(key, tuple) else (key,)))}]"
        if set(slots) <= {"_"}:
            return f"{node.op}({', '.join(settings)})" if settings else str(node.op)
        if node.op in SYMBOLS:
            return f" {SYMBOLS[node.op]} ".join(slots)
        return f"{node.op}({', '.join(slots + settings)})"


def _settings(node: Node) -> list[str]:
    """The settings of an operation, such as axis=0, without those that say nothing."""
    written = {
        key: _setting(_merged(value) if key in SLIDING else value)
        for key, value in node.attributes.items()
        if value is not None and value is not False
    }
    return [f"{key}={text}" for key, text in written.items() if SLIDING.get(key) != text]


def _merged(value: Any) -> Any:
    """One number for a tuple of equal ones: 1 for ((1, 1), (1, 1))."""
    if not isinstance(value, tuple) or not value:
        return value
    parts = tuple(map(_merged, value))
    return parts[0] if len(set(map(str, parts))) == 1 else parts


def _setting(value: Any) -> str:
    """An attribute of an operation, as one would write it in Python."""
    if isinstance(value, slice):
        start, stop = ("" if end is None else str(end) for end in (value.start, value.stop))
        return f"{start}:{stop}" + (f":{value.step}" if value.step is not None else "")
    if isinstance(value, np.ndarray):
        return str(value.tolist()) if value.size <= 6 else f"array of shape {value.shape}"
    if value is Ellipsis:
        return "..."
    # Anything else might print where it lies in memory, which differs from run to run.
    plain = isinstance(value, bool | int | float | str | tuple | np.dtype | type(None))
    return clean(str(value) if plain else type(value).__name__, 40)


def _held(box: Box) -> list[str]:
    """What a folded box stands for."""
    title = _title(box.module) if box.module else ""
    if box.folded == "run":
        title = f"{clean(box.what or '')} × {box.length:,}"
    kinds = Counter(node.kind for node in box.nodes if not is_inlined(node))
    parts = [f"{n:,} {kind}{'s' * (n > 1)}" for kind, n in sorted(kinds.items())]
    return [title, ", ".join(parts)]


def _title(module: Module) -> str:
    title = f"{module.name}: {module.kind}" if module.name else module.kind
    return clean(title) + (f", call {module.call:,}" if module.call > 1 else "")


def _numbers(label: str, array: npt.NDArray[Any]) -> list[str]:
    """The numbers of an array if they are few, else the smallest, the mean and the largest."""
    if array.ndim == 2 and 1 < array.shape[0] <= 4 and 1 <= array.shape[1] <= 4:
        return [label, *(f"    {_row(row)}" for row in array)]
    with np.errstate(all="ignore"):  # of numbers so large that their mean overflows
        return [f"{label}  {_summary(array)}"]


def _row(array: npt.NDArray[Any]) -> str:
    return f"[{'  '.join(number(v) for v in array.ravel().tolist())}]"


def _summary(array: npt.NDArray[Any]) -> str:
    if array.ndim == 0:
        return number(array.item())
    if array.size == 0:
        return "empty"
    if array.size <= 6 and max(array.shape) == array.size:
        brackets = array.ndim - 1
        return "[" * brackets + _row(array) + "]" * brackets
    if array.dtype.kind == "b":
        return f"{int(array.sum()):,} of {array.size:,} true"
    finite = array[np.isfinite(array)]
    broken = f", {array.size - finite.size:,} not finite" if finite.size < array.size else ""
    if not finite.size:
        return f"{array.size:,} numbers, none finite"
    low, high = number(finite.min().item()), number(finite.max().item())
    if low == high:
        return f"all {low}{broken}"
    if array.dtype.kind != "f":
        return f"{low} … {high}{broken}"
    mean = finite.mean(dtype=float).item()
    # No more digits than the others have: below them is rounding.
    places = 3 - math.floor(math.log10(max(abs(finite.min().item()), abs(finite.max().item()))))
    return f"{low} … {high}, mean {number(round(mean, places) + 0.0)}{broken}"


def _rules(node: Node) -> list[str]:
    """What is behind a box: its turn in the backward pass, and the derivative for each input."""
    lines = [node.kind if node.place is None else f"{node.place + 1}. in the backward pass"]
    rules = zip(node.roles, node.rules, strict=False)
    return lines + [
        f"gradient for {clean(role or 'an input')}: {clean(r, 200)}" for role, r in rules
    ]


# ---- DOT ---------------------------------------------------------------------------------------


def _levels(boxes: list[Box]) -> int:
    """How many boxes the longest path has."""
    levels: dict[Box, int] = {}
    for box in boxes:
        levels[box] = 1 + max((levels.get(source, 0) for source, _ in box.inputs), default=0)
    return max(levels.values())


def _canvas(rankdir: str, notes: list[str], has_title: bool) -> Drawing:
    return Drawing(
        filename="graph.gv",
        graph_attr={
            "rankdir": rankdir,
            "fontname": FONT,
            "fontsize": "11",
            "fontcolor": "#555555",
            "labelloc": "t" if has_title else "b",
            "label": _text(notes, "\\n"),
            "nodesep": "0.25",
            "ranksep": "0.45",
            "bgcolor": "white",
        },
        node_attr={
            "shape": "box",
            "style": "filled,rounded",
            "fontname": FONT,
            "fontsize": "11",
            "margin": "0.14,0.08",
            "penwidth": "1.3",
        },
        edge_attr={
            "color": "#6F7782",
            "arrowsize": "0.7",
            "fontname": FONT,
            "fontsize": "9",
            "fontcolor": "#555555",
        },
    )


def _add_boxes(
    dot: graphviz.Digraph, boxes: list[Box], writer: _Writer, depth: int, frame: bool = True
) -> None:
    """Add boxes; those made in a module go into a frame, one inside the other."""
    framed: dict[Module, list[Box]] = {}
    for box in boxes:
        if frame and len(box.frames) > depth:
            framed.setdefault(box.frames[depth], []).append(box)
            continue
        fill, line = COLOURS["folded" if box.folded else box.node.kind]
        lines = writer.lines(box)
        dot.node(
            box.node.id,
            _text(lines, "\\l"),
            fillcolor=fill,
            color=line,
            tooltip=_text(lines if box.folded else _rules(box.node), "\\n"),
        )
    for module, inside in framed.items():
        if len(inside) == 1:
            # A frame around a single operation, such as ReLU, would only repeat it.
            _add_boxes(dot, inside, writer, depth + 1, frame=False)
            continue
        with dot.subgraph(name=f"cluster_{module.id}") as cluster:
            cluster.attr(
                label=_text([_title(module)], ""),
                style="rounded,filled",
                color="#C9CED6",
                fillcolor="#F7F8FA" if depth % 2 == 0 else "#EFF1F5",
                labeljust="l",
                labelloc="t",
                tooltip=_text([_title(module)], ""),
            )
            _add_boxes(cluster, inside, writer, depth + 1)


def _role(box: Box, place: int) -> dict[str, str]:
    """What to write on an edge: how the inputs are told apart, if not by their own names."""
    source, role = box.inputs[place]
    if len(box.inputs) < 2 or not role:
        return {}
    if box.node.op in ROLES:
        role = ROLES[box.node.op][box.node.roles.index(role)]
    elif len(role) == 1 or role == (source.node.name or "").rpartition(".")[2]:
        return {}  # x or z says nothing, and weight stands in the box fc1.weight
    return {"label": _text([role], "")}


def _text(lines: list[str], end: str) -> str:
    """Lines as a label in which nothing has a meaning to Graphviz.

    end: what follows a line: \\n for centred lines, \\l for lines at the left.
    """
    escaped = [line.replace("&", "&amp;").replace("\\", "\\\\") for line in lines]
    # nohtml: text between < and > is text, too.
    return cast(str, graphviz.nohtml("".join(line + end for line in escaped)))
