"""`explain`: a page on which to step through the forward and the backward pass."""

from __future__ import annotations

import html
import json
import os
import unicodedata
from importlib import resources
from pathlib import Path
from typing import Any

from tinygrad_sm.graph import Array, Graph, Module
from tinygrad_sm.tensor import Tensor
from tinygrad_sm.viz.draw import _held, _title
from tinygrad_sm.viz.fold import Box, older
from tinygrad_sm.viz.layout import layout
from tinygrad_sm.viz.numbers import written
from tinygrad_sm.viz.steps import Story
from tinygrad_sm.viz.text import clean
from tinygrad_sm.viz.words import expression

WIDEST = 26  # letters of a heading
FEW = 3  # numbers that there is room for in a box


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
    max_nodes: in a larger graph, module calls and runs of the same operation are folded into one
        box each, and are one step in each direction; None folds nothing.
    lr: the learning rate; with it the page ends with the update, parameter − lr · gradient.

    A link to `backprop.html#7` opens the page at step 7, and the address follows each step.

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
    story = Story(graph, lr, max_nodes)
    return {
        "title": clean(str(title), 200) if title else "Backpropagation, step by step",
        "graph": _picture(story),
        "steps": story.steps,
        "arrays": story.arrays.records,
    }


def _picture(story: Story) -> dict[str, Any]:
    """Boxes, arrows and frames with their places."""
    boxes: dict[str, dict[str, Any]] = {}
    frames: dict[Module, list[str]] = {}
    for box in story.boxes:
        node = box.node
        gradient = story.gradients.get(node.id)
        boxes[node.id] = {
            "kind": "folded" if box.folded else node.kind,
            "head": _head(box, story.names),
            "value": _short(node.value),
            "grad": None if gradient is None else _short(gradient),
        }
        for module in box.frames:
            assert isinstance(module, Module)  # not a Repeat: every block has its own steps
            frames.setdefault(module, []).append(node.id)
    sizes = {id_: _size(record) for id_, record in boxes.items()}
    # A frame around a single operation, such as ReLU, would only repeat it.
    by_call = sorted(frames.items(), key=lambda frame: int(frame[0].id[1:]))
    frames = {module: ids for module, ids in by_call if len(ids) > 1}
    found = layout(sizes, story.edges, {m.id: ids for m, ids in frames.items()})
    for id_, record in boxes.items():
        (x, y), (width, height) = found.centres[id_], sizes[id_]
        record["box"] = [_round(v) for v in (x - width / 2, y - height / 2, width, height)]
    titles = {m.id: _title(m) for m in frames}
    return {
        "size": [_round(v) for v in found.size],
        "boxes": boxes,
        "edges": [
            {"from": a, "to": b, "curve": [[_round(x), _round(y)] for x, y in curve]}
            for (a, b), curve in zip(story.edges, found.curves, strict=True)
        ],
        "frames": [
            {"title": titles[i], "box": [_round(v) for v in box]} for i, box in found.frames.items()
        ],
    }


def _head(box: Box, names: dict[str, str]) -> str:
    """What a box computes, as far as there is room."""
    name, node = names[box.node.id], box.node
    if box.folded == "older":
        return older(box)
    if box.folded:
        what = _held(box)[0]
        return f"{name} = {what}" if len(f"{name} = {what}") <= WIDEST else clean(what, WIDEST)
    whats = (expression(node, names), clean(node.op, 22)) if node.op else ()
    return next((t for t in (f"{name} = {what}" for what in whats) if len(t) <= WIDEST), name)


def _short(array: Array) -> str:
    """The numbers of an array that has few; of a larger one the shape."""
    if array.size == 1:
        return written(array.item(), 4)
    if 0 < array.size <= FEW and array.size == array.shape[-1]:
        return f"[{', '.join(written(v, 3) for v in array.ravel().tolist())}]"
    return " × ".join(map(str, array.shape))


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
