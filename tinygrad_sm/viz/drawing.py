"""`draw`: the computation graph as a graphviz drawing, on any machine.

The drawing is DOT text, which Graphviz lays out. Its `dot` program does that if it is installed; if
not, the pygraphviz package does it in-process (`pip install "tinygrad-sm[viz]"`).
"""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import graphviz

from tinygrad_sm.graph import Graph, Module, Node
from tinygrad_sm.tensor import Tensor
from tinygrad_sm.viz.text import clean, number, summary

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
FONT = "Helvetica,Arial,sans-serif"


def draw(
    tensor: Tensor,
    *,
    values: bool = True,
    grads: bool = True,
    shapes: bool = True,
    max_nodes: int | None = 80,
    rankdir: str = "LR",
    title: str | None = None,
) -> Drawing:
    """Draw what a tensor was computed from: operations, parameters, shapes, values, gradients.

    values, grads, shapes: what stands in the boxes.
    max_nodes: a larger graph is folded: first a module becomes one box, then a run of the same
        operation, and at last the oldest part. The drawing says so. None never folds.
    rankdir: the direction of the forward pass, "LR" (to the right) or "TB" (downwards).
    title: a line above the picture.

    Returns a `graphviz.Digraph`. It shows itself in a notebook; `.render("name", format="svg")`
    writes a file, `.save("name.gv")` the DOT text alone. Gradients are there after `backward()`,
    and are best drawn before the optimizer's step changes the values.

    >>> x = Tensor(2.0, requires_grad=True, name="x")
    >>> y = x * x + 1
    >>> y.backward()
    >>> print(draw(y).source.count("->"))  # x twice into ×, × into +
    3
    """
    if rankdir not in ("LR", "TB", "RL", "BT"):
        raise ValueError(f"rankdir is 'LR', 'TB', 'RL' or 'BT', got {rankdir!r}")
    nodes = Graph(tensor).nodes
    label = _Label(values, grads, shapes, {n.id: n for n in nodes})
    boxes, notes = _fold([label.box(n) for n in nodes if not label.is_inlined(n)], max_nodes)
    return _dot(boxes, label, notes, rankdir, title)


# ---- boxes -------------------------------------------------------------------------------------


@dataclass
class _Box:
    """What is drawn as one box: a node, or several that were folded."""

    id: str
    node: Node  # the newest it holds
    modules: tuple[Module, ...]
    inputs: list[str]
    holds: Counter[str]  # how many nodes of each kind
    headline: str = ""  # of a folded one


class _Label:
    """What is written into a box."""

    def __init__(self, values: bool, grads: bool, shapes: bool, nodes: dict[str, Node]) -> None:
        self.values, self.grads, self.shapes = values, grads, shapes
        self.nodes = nodes

    def is_inlined(self, node: Node) -> bool:
        """A number such as the 2 in x * 2 is written into its operation, not drawn as a box."""
        return node.kind == "constant" and len(self.nodes) > 1

    def box(self, node: Node) -> _Box:
        inputs = [i for i in node.inputs if not self.is_inlined(self.nodes[i])]
        return _Box(node.id, node, node.modules, inputs, Counter([node.kind]))

    def lines(self, box: _Box) -> list[str]:
        node = box.node
        lines = [self.headline(node)]
        if box.headline:
            held = ", ".join(f"{n:,} {kind}{'s' * (n > 1)}" for kind, n in box.holds.items())
            lines = [box.headline, held]
        if self.shapes and node.shape:
            lines.append(f"shape {node.shape}")
        if self.values:
            lines.append(f"value {summary(node.value)}")
        if self.grads and node.gradient is not None:
            lines.append(f"grad  {summary(node.gradient)}")
        elif self.grads and node.note != "needs no gradient":
            lines.append(node.note)
        return lines

    def headline(self, node: Node) -> str:
        name = clean(node.name) if node.name else ""
        if node.op is None:
            return f"{node.kind}  {name}".rstrip()
        role = "loss  " if node.kind == "loss" else ""
        inlined = [self.is_inlined(self.nodes[i]) for i in node.inputs]
        if any(inlined) and node.op in SYMBOLS:
            a, b = (
                number(self.nodes[i].value.item()) if told else "_"
                for i, told in zip(node.inputs, inlined, strict=True)
            )
            text = f"{a} {SYMBOLS[node.op]} {b}"
        else:
            settings = ", ".join(
                f"{k}={clean(str(v), 24)}"
                for k, v in node.attributes.items()
                if v is not None and v is not False
            )
            text = node.op + (f"({settings})" if settings else "")
        return f"{role}{text}  {name}".rstrip()


# ---- folding -----------------------------------------------------------------------------------


def _fold(boxes: list[_Box], max_nodes: int | None) -> tuple[list[_Box], list[str]]:
    """Make at most about `max_nodes` boxes, and say what was folded."""
    notes = []
    if max_nodes is not None and len(boxes) > max_nodes:
        before = len(boxes)
        boxes = _fold_modules(boxes)
        if len(boxes) > max_nodes:
            boxes = _fold_runs(boxes)
        if len(boxes) > max_nodes:
            boxes = _fold_oldest(boxes, max_nodes)
        notes.append(
            f"{before:,} boxes folded into {len(boxes):,}; draw(…, max_nodes=None) shows every one"
        )
    return boxes, notes


def _merge(groups: Iterable[tuple[str, list[_Box]]], modules_kept: int) -> list[_Box]:
    """One box for each group of more than one; edges inside a group disappear."""
    groups = list(groups)
    new_id = {box.id: group[0].id for _, group in groups for box in group}
    merged = []
    for headline, group in groups:
        first, last = group[0], group[-1]
        inputs = [new_id[i] for box in group for i in box.inputs]
        if len(group) == 1:
            merged.append(replace(first, inputs=inputs))
            continue
        holds: Counter[str] = Counter()
        for box in group:
            holds.update(box.holds)
        outside = list(dict.fromkeys(i for i in inputs if i != first.id))
        modules = last.modules[:modules_kept]
        merged.append(_Box(first.id, last.node, modules, outside, holds, headline))
    return merged


def _fold_modules(boxes: list[_Box]) -> list[_Box]:
    """One box for each module directly inside the outermost one."""
    groups: dict[Any, list[_Box]] = {}
    for box in boxes:
        own = box.modules[1] if len(box.modules) > 1 else None
        groups.setdefault(own or box.id, []).append(box)
    return _merge(
        [(_title(key) if isinstance(key, Module) else key, group) for key, group in groups.items()],
        modules_kept=1,
    )


def _fold_runs(boxes: list[_Box]) -> list[_Box]:
    """One box for a run of the same operation, each on the result of the one before alone."""
    uses: Counter[str] = Counter(i for box in boxes for i in set(box.inputs))
    runs: dict[str, list[_Box]] = {}  # by the id of the last box so far
    for box in boxes:
        before = runs.get(box.inputs[0]) if len(set(box.inputs)) == 1 else None
        if before and before[-1].node.op == box.node.op and uses[box.inputs[0]] == 1:
            del runs[before[-1].id]
            before.append(box)
            runs[box.id] = before
        else:
            runs[box.id] = [box]
    return _merge([(f"{run[-1].node.op} × {len(run):,}", run) for run in runs.values()], 1)


def _fold_oldest(boxes: list[_Box], max_nodes: int) -> list[_Box]:
    """The newest boxes, and one for all that are older."""
    cut = len(boxes) - max_nodes + 1
    older = ("older part, not drawn", boxes[:cut])
    return _merge([older, *(("", [box]) for box in boxes[cut:])], 0)


# ---- DOT ---------------------------------------------------------------------------------------


def _dot(
    boxes: list[_Box], label: _Label, notes: list[str], rankdir: str, title: str | None
) -> Drawing:
    dot = Drawing(
        graph_attr={
            "rankdir": rankdir,
            "fontname": FONT,
            "fontsize": "11",
            "fontcolor": "#555555",
            "labelloc": "t" if title else "b",
            "label": _text(([title] if title else []) + notes, "\\n"),
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
        edge_attr={"color": "#6F7782", "arrowsize": "0.7"},
    )
    _add_boxes(dot, boxes, label, 0)
    for box in boxes:
        for i in box.inputs:
            dot.edge(i, box.id)
    return dot


def _add_boxes(dot: graphviz.Digraph, boxes: list[_Box], label: _Label, depth: int) -> None:
    """Add boxes; those of a module that deserves a frame go into one, inside each other."""
    framed: dict[Module, list[_Box]] = {}
    for box in boxes:
        if len(box.modules) > depth:
            framed.setdefault(box.modules[depth], []).append(box)
        else:
            fill, line = COLOURS["folded" if box.headline else box.node.kind]
            dot.node(box.id, _text(label.lines(box), "\\l"), fillcolor=fill, color=line)
    for module, inside in framed.items():
        if len(inside) == 1 and len(inside[0].modules) == depth + 1:
            # A frame around a single operation, such as ReLU, would only repeat it.
            inside[0].modules = inside[0].modules[:depth]
            _add_boxes(dot, inside, label, depth)
            continue
        with dot.subgraph(name=f"cluster_{inside[0].id}_{depth}") as frame:
            frame.attr(
                label=_text([_title(module)], ""),
                style="rounded,filled",
                color="#C9CED6",
                fillcolor="#F7F8FA" if depth % 2 == 0 else "#EFF1F5",
                labeljust="l",
                labelloc="t",
            )
            _add_boxes(frame, inside, label, depth + 1)


def _title(module: Module) -> str:
    return clean(f"{module.name}: {module.kind}" if module.name else module.kind)


def _text(lines: list[str], end: str) -> str:
    """Lines as a label in which nothing has a meaning to Graphviz."""
    escaped = (graphviz.escape(line.replace("&", "&amp;")) for line in lines)
    if end == "\\l":  # each line ends with \l: to the left
        return "".join(f"{line}{end}" for line in escaped)
    return cast(str, graphviz.nohtml(end.join(escaped)))


# ---- rendering ---------------------------------------------------------------------------------


class RenderError(RuntimeError):
    """No way to lay out a drawing on this machine."""


class Drawing(graphviz.Digraph):  # type: ignore[misc]
    """A `graphviz.Digraph` that also renders where there is no (working) `dot` program."""

    def pipe(self, format: str | None = None, *args: Any, **options: Any) -> Any:
        """The picture as bytes, or as text where `encoding` is given."""
        try:
            return super().pipe(format, *args, **options)
        except (graphviz.ExecutableNotFound, subprocess.SubprocessError, OSError) as error:
            data = _render_in_process(self.source, format or self.format, error)
            encoding = options.get("encoding")
            return data.decode(encoding) if encoding else data

    def render(
        self,
        filename: Any = None,
        directory: Any = None,
        view: bool = False,
        cleanup: bool = False,
        format: str | None = None,
        *args: Any,
        **options: Any,
    ) -> str:
        """Save the DOT text and the picture, and return the path of the picture."""
        try:
            return str(super().render(filename, directory, view, cleanup, format, *args, **options))
        except (graphviz.ExecutableNotFound, subprocess.SubprocessError, OSError) as error:
            outfile = options.get("outfile")
            if outfile is not None:
                filename = filename or Path(outfile).with_suffix(".gv")
                format = format or Path(outfile).suffix[1:]
            saved = Path(self.save(filename, directory))
            picture = Path(outfile or f"{saved}.{format or self.format}")
            picture.write_bytes(
                _render_in_process(self.source, format or self.format, error, saved)
            )
            if cleanup:
                saved.unlink()
            return str(picture)


def _render_in_process(
    source: str, format: str, error: Exception, saved: Path | None = None
) -> bytes:
    """Lay out DOT text with the Graphviz library that the pygraphviz package carries."""
    try:
        import pygraphviz
    except ImportError:
        kept = f" The DOT text is kept in {saved}." if saved else " .source holds the DOT text."
        raise RenderError(
            "this machine has no working Graphviz to lay out the drawing. "
            f'Use: pip install "tinygrad-sm[viz]".{kept}'
        ) from error
    data: bytes = pygraphviz.AGraph(string=source).draw(format=format, prog="dot")
    return data
