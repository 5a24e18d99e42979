"""Where the boxes and arrows of a small graph go, for a page that draws them itself.

Graphviz lays it out, where there is one; else the few lines at the end do. Neither is given a
name or a number from outside: only sizes go in, only coordinates come out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise

from tinygrad_sm.viz.render import Drawing, RenderError

Point = tuple[float, float]
GAP = 28.0  # between two boxes of a layer
STEP = 38.0  # between two layers
FRAME = 10.0  # between a frame and what is in it; above there is a title


@dataclass
class Layout:
    """Pixels, from the top left corner."""

    size: Point
    centres: dict[str, Point]  # of the boxes
    curves: list[list[Point]]  # of the edges: a point, then three for each cubic Bézier curve
    frames: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)  # x, y, w, h


def layout(
    sizes: dict[str, Point],
    edges: list[tuple[str, str]],
    frames: dict[str, list[str]],
) -> Layout:
    """Lay out boxes of these sizes, oldest first, with the newest at the bottom.

    edges: from box to box, repeats kept. frames: which boxes a frame is around; one that is around
    another comes first.
    """
    try:
        return _by_graphviz(sizes, edges, frames)
    except RenderError:
        return _by_layers(sizes, edges)


def _by_graphviz(
    sizes: dict[str, Point], edges: list[tuple[str, str]], frames: dict[str, list[str]]
) -> Layout:
    dot = Drawing(
        graph_attr={"nodesep": str(GAP / 72), "ranksep": str(STEP / 72)},
        node_attr={"shape": "box", "label": "", "fixedsize": "true"},
        edge_attr={"dir": "none"},
    )
    innermost = {box: frame for frame, boxes in frames.items() for box in boxes}

    def add(to: Drawing, frame: str | None, inside: list[str]) -> None:
        for box in inside:
            if innermost.get(box) == frame:
                width, height = sizes[box]
                to.node(box, width=f"{width / 72:.4f}", height=f"{height / 72:.4f}")
        for other in children[frame]:
            with to.subgraph(name=f"cluster_{other}") as cluster:
                cluster.attr(label=" ", margin=str(FRAME))
                add(cluster, other, frames[other])

    children: dict[str | None, list[str]] = {frame: [] for frame in (None, *frames)}
    for i, (frame, boxes) in enumerate(frames.items()):
        around = [f for f in list(frames)[:i] if set(boxes) <= set(frames[f])]
        children[around[-1] if around else None].append(frame)
    add(dot, None, list(sizes))
    for i, (source, target) in enumerate(edges):
        dot.edge(source, target, id=str(i))

    found = json.loads(dot.pipe("json0"))
    _, _, width, height = map(float, found["bb"].split(","))

    def points(text: str) -> list[Point]:
        pairs = (pair.split(",") for pair in text.split())
        return [(float(x), height - float(y)) for x, y in pairs]

    centres, rectangles = {}, {}
    for each in found["objects"]:
        if "pos" in each:
            centres[each["name"]] = points(each["pos"])[0]
        elif "bb" in each:
            x0, y0, x1, y1 = map(float, each["bb"].split(","))
            rectangles[each["name"].removeprefix("cluster_")] = (x0, height - y1, x1 - x0, y1 - y0)
    curves = {int(each["id"]): points(each["pos"]) for each in found.get("edges", ())}
    return Layout(
        (width, height),
        centres,
        [curves[i] for i in range(len(edges))],
        {frame: rectangles[frame] for frame in frames},
    )


# ---- without Graphviz --------------------------------------------------------------------------


def _by_layers(sizes: dict[str, Point], edges: list[tuple[str, str]]) -> Layout:
    """Each box one layer above the highest that uses it; a long edge has a place in each layer
    between. In a layer, boxes stand in the order of the mean place of their neighbours."""
    level = dict.fromkeys(sizes, 0)
    users: dict[str, list[str]] = {box: [] for box in sizes}
    for source, target in edges:
        users[source].append(target)
    for box in reversed(sizes):  # users are younger than what they use
        level[box] = max((level[user] + 1 for user in users[box]), default=0)

    widths = {box: width for box, (width, _) in sizes.items()}
    layers: list[list[str]] = [[] for _ in range(max(level.values()) + 1)]
    for box in sizes:
        layers[level[box]].append(box)
    routes = []
    for i, (source, target) in enumerate(edges):
        between = [f"{i} {n}" for n in range(level[source] - 1, level[target], -1)]
        for n, bend in enumerate(between, 1):
            widths[bend] = 8.0
            layers[level[source] - n].append(bend)
        routes.append([source, *between, target])

    below: dict[str, list[str]] = {box: [] for box in widths}
    above: dict[str, list[str]] = {box: [] for box in widths}
    for route in routes:
        for upper, lower in pairwise(route):
            below[upper].append(lower)
            above[lower].append(upper)
    x: dict[str, float] = {}
    for layer in layers:
        _put(layer, widths, x)
    for sweep in range(8):
        neighbours, order = (above, reversed(layers)) if sweep % 2 else (below, iter(layers))
        for layer in order:
            wish = {
                box: sum(x[n] for n in neighbours[box]) / len(neighbours[box])
                if neighbours[box]
                else x[box]
                for box in layer
            }
            layer.sort(key=wish.__getitem__)
            _put(layer, widths, x, wish)

    left = min(x[box] - widths[box] / 2 for box in widths)
    right = max(x[box] + widths[box] / 2 for box in widths)
    height = max(height for _, height in sizes.values())

    def place(box: str, n: int) -> Point:
        return x[box] - left, (len(layers) - 1 - n) * (height + STEP) + height / 2

    centres = {box: place(box, level[box]) for box in sizes}
    curves = []
    for route in routes:
        stops = [place(box, level[route[0]] - n) for n, box in enumerate(route)]
        (x0, y0), (x1, y1) = stops[0], stops[-1]
        stops[0] = x0, y0 + sizes[route[0]][1] / 2
        stops[-1] = x1, y1 - sizes[route[-1]][1] / 2
        curve = stops[:1]
        for (xa, ya), (xb, yb) in pairwise(stops):
            curve += [(xa, (ya + yb) / 2), (xb, (ya + yb) / 2), (xb, yb)]
        curves.append(curve)
    # Two edges between the same boxes would hide each other.
    for i, edge in enumerate(edges):
        if edge in edges[:i]:
            shift = 12.0 * edges[:i].count(edge)
            curves[i] = [(px + shift, py) for px, py in curves[i]]
    return Layout((right - left, len(layers) * (height + STEP) - STEP), centres, curves)


def _put(
    layer: list[str],
    widths: dict[str, float],
    x: dict[str, float],
    wish: dict[str, float] | None = None,
) -> None:
    """Put the boxes of a layer side by side, each as near to its wish as the one before lets it,
    and all together centred on the wishes."""
    edge = float("-inf")
    for box in layer:
        half = widths[box] / 2
        x[box] = max(edge + half, wish[box] if wish else half if edge < 0 else edge + half)
        edge = x[box] + half + GAP
    wishes = wish or dict.fromkeys(layer, 0.0)
    shift = sum(wishes[box] - x[box] for box in layer) / len(layer)
    for box in layer:
        x[box] += shift
