"""`explain`: a page on which to step through the forward and the backward pass."""

from __future__ import annotations

import html
import json
import os
import unicodedata
from importlib import resources
from pathlib import Path
from typing import Any

from tinygrad_sm.graph import Graph, Module
from tinygrad_sm.tensor import Tensor
from tinygrad_sm.viz.draw import _title
from tinygrad_sm.viz.fold import is_inlined
from tinygrad_sm.viz.layout import layout
from tinygrad_sm.viz.numbers import written
from tinygrad_sm.viz.steps import Story
from tinygrad_sm.viz.text import clean
from tinygrad_sm.viz.words import expression


def explain(
    loss: Tensor,
    path: str | os.PathLike[str] = "backprop.html",
    *,
    title: str | None = None,
    max_nodes: int | None = 120,
    lr: float | None = None,
) -> Path:
    """Write a page on which one steps through the computation of a loss, forward and back, with
    the real numbers: the gradient that arrives × the local derivative = what an input gets.

    path: of the page, one HTML file that needs no network.
    title: its heading.
    max_nodes: a larger graph is refused, for nobody steps through a thousand nodes; None for no
        limit.
    lr: the learning rate; with it the page ends with the update, parameter − lr · gradient.

    Returns the path. It is best written before an optimizer changes the values; `backward()` need
    not have been called, and nothing of the tensors is changed.

    >>> import tempfile
    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> explain((x * x).tanh(), tempfile.mkdtemp() + "/backprop.html").name
    'backprop.html'
    """
    page = _fill(_data(loss, title, max_nodes, lr))
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.urandom(4).hex()}.partial")
    try:
        partial.write_text(page, encoding="utf-8", newline="\n")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _data(
    loss: Tensor, title: str | None, max_nodes: int | None, lr: float | None
) -> dict[str, Any]:
    """All that the page shows."""
    graph = Graph(loss)
    count = sum(not is_inlined(node) for node in graph.nodes)
    if max_nodes is not None and count > max_nodes:
        raise ValueError(
            f"the graph has {count:,} nodes, too many to step through (max_nodes={max_nodes}). "
            "Explain a smaller one: fewer layers, fewer time steps, or the loss of one sample; or "
            "pass a larger max_nodes. draw(loss) shows a large graph folded."
        )
    story = Story(graph, lr)
    return {
        "title": clean(str(title), 200) if title else "Backpropagation, step by step",
        "graph": _picture(graph, story),
        "steps": story.steps,
        "arrays": story.arrays.records,
    }


def _picture(graph: Graph, story: Story) -> dict[str, Any]:
    """Boxes, arrows and frames with their places."""
    boxes: dict[str, dict[str, Any]] = {}
    for node in graph.nodes:
        if is_inlined(node) and node is not story.root:
            continue
        name = story.names[node.id]
        head = f"{name} = {expression(node, story.names)}" if node.op else name
        if len(head) > 26:
            head = f"{name} = {clean(str(node.op), 22)}"
        if len(head) > 26:
            head = name
        single = node.value.size == 1
        shape = " × ".join(map(str, node.shape))
        gradient = story.gradients.get(node.id)
        boxes[node.id] = {
            "kind": node.kind,
            "head": head,
            "value": written(node.value.item(), 4) if single else shape,
            "grad": None if gradient is None else written(gradient.item(), 4) if single else shape,
        }
    sizes = {id_: _size(box) for id_, box in boxes.items()}
    frames: dict[Module, list[str]] = {}
    for node in graph.nodes:
        for module in node.modules if node.id in boxes else ():
            frames.setdefault(module, []).append(node.id)
    # A frame around a single operation, such as ReLU, would only repeat it.
    by_call = sorted(frames.items(), key=lambda frame: int(frame[0].id[1:]))
    frames = {module: ids for module, ids in by_call if len(ids) > 1}
    edges = [e for e in story.edges if e[0] in boxes]
    found = layout(sizes, edges, {m.id: ids for m, ids in frames.items()})
    for id_, box in boxes.items():
        (x, y), (width, height) = found.centres[id_], sizes[id_]
        box["box"] = [_round(v) for v in (x - width / 2, y - height / 2, width, height)]
    titles = {m.id: _title(m) for m in frames}
    return {
        "size": [_round(v) for v in found.size],
        "boxes": boxes,
        "edges": [
            {"from": a, "to": b, "curve": [[_round(x), _round(y)] for x, y in curve]}
            for (a, b), curve in zip(edges, found.curves, strict=True)
        ],
        "frames": [
            {"title": titles[i], "box": [_round(v) for v in box]} for i, box in found.frames.items()
        ],
    }


def _size(box: dict[str, Any]) -> tuple[float, float]:
    """Width and height of a box: a bold heading, the value, and the gradient if there is one."""
    grad = box["grad"]
    widths = 8.2 * _width(box["head"]), 7.6 * len(box["value"]), 8.0 * len(f"grad {grad or ''}")
    return max(*widths, 60.0) + 24, 62.0 if grad is not None else 46.0


def _width(text: str) -> int:
    """In letters: those of East Asia, and emoji, are twice as wide."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _round(value: float) -> float:
    return round(value, 1)


def _fill(data: dict[str, Any]) -> str:
    """The page with the data in it. Nothing in the data can end the element that it stands in."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)  # ASCII alone
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    folder = resources.files("tinygrad_sm.viz") / "page"
    page, style, script = (
        (folder / name).read_text(encoding="utf-8") for name in ("page.html", "page.css", "page.js")
    )
    parts = {
        "title": html.escape(data["title"]),
        "style": style,
        "script": script,
        "data": text,
    }
    pieces = page.split("{{")
    return pieces[0] + "".join(
        parts[key] + rest for key, rest in (piece.split("}}", 1) for piece in pieces[1:])
    )
