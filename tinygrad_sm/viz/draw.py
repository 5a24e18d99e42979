"""`draw`: the computation graph as a graphviz drawing."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Literal, cast

import graphviz
import numpy as np
import numpy.typing as npt

from tinygrad_sm.graph import Flows, Graph, Module, Node
from tinygrad_sm.tensor import Tensor
from tinygrad_sm.viz.fold import Box, Repeat, fold, is_inlined, older
from tinygrad_sm.viz.marks import Mark, marks
from tinygrad_sm.viz.render import Drawing
from tinygrad_sm.viz.text import clean, count, number

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
WRONG, WORTH_A_LOOK = "#C62828", "#C46A00"  # the lines of marked boxes
# Widths of arrows, in points: of the largest gradient, how much less for each power of ten, and
# the least.
THICKEST, PER_DECADE, THINNEST = 3.6, 0.6, 0.6
PAGE = 760  # points; a picture that wide can be read on a page of 800 pixels


def draw(
    tensor: Tensor,
    *,
    values: bool = True,
    grads: bool = True,
    shapes: bool = True,
    level: Literal["auto", "op", "module"] = "auto",
    max_nodes: int | None = 80,
    rankdir: str | None = None,
    fused: Literal["fold", "unfold"] = "fold",
    title: str | None = None,
) -> Drawing:
    """Draw what a tensor was computed from: operations, parameters, shapes, values, gradients.

    values, grads, shapes: what stands in the boxes.
    level: "op" draws each operation, in a frame for each module; "module" draws a box for each
        call of a module such as Linear, and repeated blocks once; "auto" draws operations, and
        modules where there are too many.
    max_nodes: a larger graph is folded: repeated blocks are drawn once, with × k; if that is not
        enough modules become one box each, unless level is "op"; and at last the oldest part. The
        drawing says so. None never folds.
    rankdir: the direction of the forward pass, "LR" (to the right) or "TB" (downwards); by
        default to the right if that is not too wide.
    fused: "unfold" draws cross_entropy, softmax, log_softmax and mse_loss part by part: maximum,
        subtract, exp, sum, divide, …, with the gradient of each.
    title: a line above the picture.

    After `backward()`, an arrow is as thick as the gradient that flows back along it is large.
    Marked are NaN and infinity where they began, units of a ReLU that are 0 in all rows, and
    parameters whose gradient vanished.

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
    _check("rankdir", rankdir, (None, "LR", "TB", "RL", "BT"))
    _check("level", level, ("auto", "op", "module"))
    _check("fused", fused, ("fold", "unfold"))
    graph = Graph(tensor, grads=False)
    ordered, flows = _unfolded(graph, grads) if fused == "unfold" else (graph.nodes, {})
    boxes = fold(ordered, max_nodes, level)
    nodes = {node.id: node for node in ordered}
    shown = {copy.node.id for box in boxes if box.folded != "older" for copy in box.copies or [box]}
    if grads:
        flows |= _fill_in_gradients(graph, nodes, boxes, shown, {id_ for id_, _ in flows})
    # What is true of all boxes is said once, below the picture.
    reasons = {nodes[i].note for i in shown if nodes[i].place is not None}
    said = reasons.pop() if grads and len(reasons) == 1 else ""
    arrows = _Arrows(flows, boxes)
    notes = [clean(str(title), 200) if title else "", *_folded(ordered, boxes, level), said]
    notes += arrows.legend()

    found = marks([*nodes.values()])
    writer = _Writer(nodes, values, grads, shapes, tensor.dtype, said, found)
    direction = rankdir or ("LR" if _width(boxes, writer) <= PAGE else "TB")
    dot = _canvas(direction, [*filter(None, notes)], title is not None)
    _add_boxes(dot, boxes, writer, 0)
    for box in boxes:
        for place, (source, _) in enumerate(box.inputs):
            style = _role(box, place) | arrows.line(box, place)
            if direction in ("TB", "BT") and _enters(source, box):
                style["minlen"] = "2"
            dot.edge(source.node.id, box.node.id, **style)
    return dot


def to_dot(tensor: Tensor, **options: Any) -> str:
    """The drawing of `draw(tensor, **options)` as text in Graphviz's language DOT, for other tools.

    The same model gives the same text, to the byte.

    >>> to_dot(Tensor(2.0, name="x"))[:9]
    'digraph {'
    """
    return cast(str, draw(tensor, **options).source)


def _check(name: str, value: object, allowed: tuple[str | None, ...]) -> None:
    if value not in allowed:
        *most, last = (repr(choice) for choice in allowed if choice)
        raise ValueError(f"{name} is {', '.join(most)} or {last}, got {value!r}")


def _unfolded(graph: Graph, grads: bool) -> tuple[list[Node], Flows]:
    """The nodes with the fused operations in their parts, and the gradients between these."""
    from tinygrad_sm.viz.unfold import FUSED, as_nodes
    from tinygrad_sm.viz.words import known  # which imports this file

    nodes = {node.id: node for node in graph.nodes}
    fused = {node.id for node in graph.nodes if known(node) in FUSED}
    if grads:
        nodes |= {node.id: node for node in graph.with_gradients(fused)}
    found: list[Node] = []
    flows: Flows = {}
    for node in nodes.values():
        if node.id not in fused:
            found.append(node)
            continue
        parts, between = as_nodes(str(node.op), node, [nodes[i] for i in node.inputs])
        found += parts
        flows |= between
    return found, flows


def _fill_in_gradients(
    graph: Graph, nodes: dict[str, Node], boxes: list[Box], shown: set[str], parts: set[str]
) -> Flows:
    """Give nodes their gradients as far as the drawing needs them; return those along its arrows.

    parts: of fused operations, which have theirs.
    """
    users = {id_ for box in boxes for id_, _ in chain.from_iterable(box.uses)}
    learned = {id_ for id_, node in nodes.items() if node.kind == "parameter"}
    for node in graph.with_gradients((shown | users | learned) - parts):
        nodes[node.id] = replace(nodes[node.id], gradient=node.gradient, note=node.note)
    return graph.flows(nodes[id_] for id_ in sorted(users - parts))


def _folded(nodes: list[Node], boxes: list[Box], level: str) -> list[str]:
    """What was folded, and how to unfold it."""
    before = sum(not is_inlined(node) for node in nodes)
    if len(boxes) >= before:
        return []
    every = 'level="op", max_nodes=None' if level == "module" else "max_nodes=None"
    return [f"{before:,} boxes folded into {len(boxes):,}; draw(loss, {every}) shows every one"]


# ---- arrows ------------------------------------------------------------------------------------


class _Arrows:
    """Arrows as thick as the gradients that flow back along them are large, by powers of ten."""

    def __init__(self, flows: Flows, boxes: list[Box]) -> None:
        self.flows = flows
        sizes = [self.size(box, place) for box in boxes for place in range(len(box.inputs))]
        self.sizes = [size for size in sizes if size is not None]
        self.has_none = None in sizes
        self.largest = max((size for size in self.sizes if math.isfinite(size)), default=0.0)

    def size(self, box: Box, place: int) -> float | None:
        """The largest gradient that flows back along an arrow; None if there is none."""
        sizes = [self.flows[use] for use in box.uses[place] if use in self.flows]
        broken = [size for size in sizes if not math.isfinite(size)]
        return (broken or [max(sizes)])[0] if sizes else None

    def line(self, box: Box, place: int) -> dict[str, str]:
        """How an arrow is drawn."""
        size = self.size(box, place)
        if size is None:
            return {"color": "#B9BFC8"} if self.sizes else {}
        line = {"tooltip": f"gradient flowing back: at most {number(size)}"}
        if size == 0:
            return line | {"style": "dashed", "penwidth": "1"}
        if not math.isfinite(size):
            return line | {"color": WRONG, "penwidth": "2"}
        width = THICKEST - PER_DECADE * (math.log10(self.largest) - math.log10(size))
        return line | {"penwidth": f"{max(width, THINNEST):.2f}"}

    def legend(self) -> list[str]:
        """What the lines mean, if they mean something."""
        flowing = [size for size in self.sizes if 0 < size < math.inf]
        least, most = (number(f(flowing), 2) for f in (min, max)) if flowing else ("", "")
        sizes = least if least == most else f"{least} to {most}"
        parts = [f"line width: the largest gradient flowing back, {sizes}"] if flowing else []
        parts += ["dashed: a gradient of exactly 0"] * (0 in self.sizes)
        parts += ["red: a gradient that is not finite"] * (not all(map(math.isfinite, self.sizes)))
        parts += ["pale: no gradient"] * (self.has_none and bool(self.sizes))
        return ["; ".join(parts)] if parts else []


# ---- what stands in a box ----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Writer:
    """Writes what stands in a box."""

    nodes: dict[str, Node]
    values: bool
    grads: bool
    shapes: bool
    dtype: np.dtype[Any]  # of the result; others are told
    said: str  # the note that stands below the picture
    marks: dict[str, list[Mark]]
    written: dict[Box, list[str]] = field(default_factory=dict)

    def lines(self, box: Box) -> list[str]:
        if box not in self.written:
            self.written[box] = self._lines(box)
        return self.written[box]

    def _lines(self, box: Box) -> list[str]:
        if box.folded == "older":
            lines = [f"{older(box)}, not drawn"]
        elif box.copies:
            lines = self.repeated(box.copies)
        else:
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
        return lines + [f"⚠ {text}" for text in self.remarks(box)]

    def repeated(self, copies: list[Box]) -> list[str]:
        """What is the same in all copies of a box, and the range of what is not."""
        nodes = [self.nodes[box.node.id] for box in copies]
        first, last = nodes[0], nodes[-1]
        if copies[-1].folded:
            _, *held = _held(copies[-1])
            lines = [_range_of(copies[0].module, copies[-1].module), *held]
        else:
            heads = [self.headline(node) for node in (first, last)]
            # Of operations with different settings only the name is common.
            lines = [str(last.op) if last.op and heads[0] != heads[1] else _between(*heads)]
        if self.shapes and (first.shape or last.shape):
            lines.append(_between(f"shape {first.shape}", f"{last.shape}"))
        if self.values:
            lines.append(f"value  {_span([node.value for node in nodes])} in all")
        if self.grads and first.gradient is not None and last.gradient is not None:
            sizes = (float(np.abs(g).max(initial=0)) for g in (first.gradient, last.gradient))
            before, after = (number(size, 3) for size in sizes)
            lines.append(f"grad up to  {before} in the first, {after} in the last")
        elif self.grads and last.note != self.said:
            lines.append(last.note)
        return lines

    def remarks(self, box: Box) -> list[str]:
        """The marks of all that is in a box, and whose they are if that is not clear."""
        several = len(box.nodes) > 1
        texts = [
            f"{clean(str(node.name or node.op), 30)}: {mark.text}"
            if several and (node.name or not box.copies)
            else mark.text
            for node in box.nodes
            for mark in self.marks.get(node.id, [])
            if not (several and mark.text.startswith("NaN, from"))
        ]
        return texts if len(texts) <= 3 else [*texts[:2], f"… and {len(texts) - 2:,} more such"]

    def line(self, box: Box) -> dict[str, str]:
        """How the box of something remarkable is drawn."""
        found = [mark for node in box.nodes for mark in self.marks.get(node.id, [])]
        if any(mark.is_wrong for mark in found):
            return {"color": WRONG, "fillcolor": "#FDE7E7", "penwidth": "2.6"}
        return {"color": WORTH_A_LOOK, "penwidth": "2.6"} if found else {}

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
    parts = [count(n, kind) for kind, n in sorted(kinds.items())]
    return [title, ", ".join(parts)] if len(box.nodes) > 1 else [title]


def _title(module: Module) -> str:
    title = f"{module.name}: {module.kind}" if module.name else module.kind
    return clean(title) + (f", call {module.call:,}" if module.call > 1 else "")


def _between(first: str, last: str) -> str:
    """What two have in common, or both with … between."""
    if first == last or first.endswith(f" {last}"):
        return first
    start = first.rfind("  ") + 2 if "  " in first else 0
    return f"{first} … {last[start:] if last[:start] == first[:start] else last}"


def _range_of(first: Module | None, last: Module | None) -> str:
    """The modules of a repeated box."""
    assert first
    assert last
    names = [clean(m.name, 24) for m in (first, last)]
    kind = clean(last.kind, 30)
    if names[0] == names[1]:
        calls = f", calls {first.call:,} … {last.call:,}" if first.call != last.call else ""
        return (f"{names[0]}: {kind}" if names[0] else kind) + calls
    return f"{names[0]} … {names[1]}: {kind}"


def _span(arrays: list[npt.NDArray[Any]]) -> str:
    """The smallest and the largest of all numbers."""
    finite = [a[np.isfinite(a)] for a in arrays]
    finite = [a for a in finite if a.size]
    if not finite:
        return "no finite number"
    low, high = min(a.min().item() for a in finite), max(a.max().item() for a in finite)
    return number(low) if low == high else f"{number(low)} … {number(high)}"


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


def _width(boxes: list[Box], writer: _Writer) -> float:
    """About how wide the picture is, in points, if it goes to the right."""
    levels: dict[Box, int] = {}
    widest: Counter[int] = Counter()
    for box in boxes:
        level = 1 + max((levels.get(source, 0) for source, _ in box.inputs), default=0)
        levels[box] = level
        if level > PAGE // 60:
            return math.inf
        letters = max(map(len, writer.lines(box)), default=0)
        widest[level] = max(widest[level], letters)
    return sum(5.5 * letters + 52 for letters in widest.values())


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
    framed: dict[Module | Repeat, list[Box]] = {}
    for box in boxes:
        if frame and len(box.frames) > depth:
            framed.setdefault(box.frames[depth], []).append(box)
            continue
        is_folded = (box.copies[-1] if box.copies else box).folded and box.node.kind != "loss"
        fill, line = COLOURS["folded" if is_folded else box.node.kind]
        lines = writer.lines(box)
        style = {"fillcolor": fill, "color": line} | writer.line(box)
        tooltip = _text(lines if box.folded else _rules(box.node), "\\n")
        dot.node(box.node.id, _text(lines, "\\l"), tooltip=tooltip, **style)
    for outer, inside in framed.items():
        if len(inside) == 1 and isinstance(outer, Module):
            # A frame around a single operation, such as ReLU, would only repeat it.
            _add_boxes(dot, inside, writer, depth + 1, frame=False)
            continue
        colour, fill = "#C9CED6", "#F7F8FA" if depth % 2 == 0 else "#EFF1F5"
        if isinstance(outer, Repeat):
            colour, fill = COLOURS["folded"][1], "#F6F4FC"
        title = _text([_frame_title(outer, inside[-1], depth)], "")
        with dot.subgraph(name=f"cluster_{outer.id}") as cluster:
            cluster.attr(
                label=title,
                style="rounded,filled",
                color=colour,
                fillcolor=fill,
                labeljust="l",
                labelloc="t",
                tooltip=title,
            )
            _add_boxes(cluster, inside, writer, depth + 1)


def _frame_title(outer: Module | Repeat, box: Box, depth: int) -> str:
    if isinstance(outer, Repeat):
        blocks = "blocks, one after the other" if outer.chained else "blocks"
        return f"× {outer.times:,} {blocks}, drawn once"
    if box.repeat and depth > len(box.repeat.inside):
        first, last = (copy.frames[depth - 1] for copy in (box.copies[0], box.copies[-1]))
        assert isinstance(first, Module)
        assert isinstance(last, Module)
        return _range_of(first, last)
    return _title(outer)


def _role(box: Box, place: int) -> dict[str, str]:
    """What to write on an edge: how the inputs are told apart, if not by their own names."""
    source, role = box.inputs[place]
    if len(box.inputs) < 2 or not role:
        return {}
    if box.node.op in ROLES:
        role = ROLES[box.node.op][box.node.roles.index(role)]
    elif len(role) == 1 or role == (source.node.name or "").rpartition(".")[2]:
        return {}  # x or z says nothing, and weight stands in the box fc1.weight
    return {"label": _text([f" {role} "], "")}  # clear of the line


def _enters(source: Box, box: Box) -> bool:
    """Whether an arrow leads into the frame of a layer, and to a box that has parameters there.

    Such an arrow is made longer: the parameters then stand below what it comes from, and the frames
    of layers below each other, not side by side.
    """
    frame = box.frames[-1:]
    return (
        bool(frame)
        and frame != source.frames[-1:]
        and any(leaf.what is None and leaf.frames[-1:] == frame for leaf, _ in box.inputs)
    )


def _text(lines: list[str], end: str) -> str:
    """Lines as a label in which nothing has a meaning to Graphviz.

    end: what follows a line: \\n for centred lines, \\l for lines at the left.
    """
    escaped = [line.replace("&", "&amp;").replace("\\", "\\\\") for line in lines]
    # nohtml: text between < and > is text, too.
    return cast(str, graphviz.nohtml("".join(line + end for line in escaped)))
