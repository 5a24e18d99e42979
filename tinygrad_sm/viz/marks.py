"""What a drawing points at: numbers that are not finite, dead units, gradients that vanished."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tinygrad_sm.graph import Array, Node
from tinygrad_sm.viz.text import number

FEWEST_ROWS = 8  # of fewer rows, a healthy unit may well be 0 in all
NEGLIGIBLE = 1e-6  # next to the largest gradient


@dataclass(frozen=True)
class Mark:
    """What is remarkable about a node."""

    text: str
    is_wrong: bool = False  # or else only worth a look


def marks(nodes: list[Node]) -> dict[str, list[Mark]]:
    """The marks of each node that has some.

    nodes: all of a graph, oldest first; gradients count as far as they are filled in.
    """
    found: dict[str, list[Mark]] = {}
    with np.errstate(all="ignore"):
        for kind in (_broken_values, _broken_gradients, _dead_units, _vanished):
            for node, mark in kind(nodes):
                found.setdefault(node.id, []).append(mark)
    return found


def _is_finite(array: Array) -> bool:
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _has_nan(array: Array) -> bool:
    return array.dtype.kind == "f" and bool(np.isnan(array).any())


def _broken(array: Array) -> str:
    """What is not finite, in words."""
    counts = {"NaN": np.isnan(array).sum(), "infinite": np.isinf(array).sum()}
    if array.size == 1:
        return next(word for word, n in counts.items() if n)
    words = " and ".join(f"{n:,} {word}" for word, n in counts.items() if n)
    return f"{words} of {array.size:,}"


def _broken_values(nodes: list[Node]) -> Iterator[tuple[Node, Mark]]:
    """Where NaN and infinity began, and where NaN went on.

    Infinity that was put in, such as the −inf of a mask, is meant.
    """
    infinite = {node.id for node in nodes if not _is_finite(node.value)}
    nan: set[str] = set()
    for node in nodes if infinite else []:
        inputs = infinite.intersection(node.inputs)
        if _has_nan(node.value):
            nan.add(node.id)
            if nan.intersection(node.inputs):
                yield node, Mark("NaN, from its inputs", True)
            elif inputs:
                yield node, Mark(f"{_broken(node.value)}: NaN began here, of infinite inputs", True)
            else:
                where = "began here" if node.op else "from the start"
                yield node, Mark(f"{_broken(node.value)}: {where}", True)
        elif node.id in infinite and node.op and not inputs and not _sets_infinity(node):
            yield node, Mark(f"{_broken(node.value)}: began here", True)


def _sets_infinity(node: Node) -> bool:
    return any(isinstance(v, float) and math.isinf(v) for v in node.attributes.values())


def _broken_gradients(nodes: list[Node]) -> Iterator[tuple[Node, Mark]]:
    """The first gradient in the backward pass that is not finite, if all values are."""
    broken = [n for n in nodes if n.gradient is not None and not _is_finite(n.gradient)]
    if broken and all(_is_finite(node.value) for node in nodes):
        first = min(broken, key=lambda node: math.inf if node.place is None else node.place)
        assert first.gradient is not None
        yield first, Mark(f"gradient {_broken(first.gradient)}: first here, going back", True)


def _dead_units(nodes: list[Node]) -> Iterator[tuple[Node, Mark]]:
    """Units of a ReLU that are 0 in every row, so that no gradient passes."""
    for node in nodes:
        value = node.value
        if node.op != "relu" or value.ndim < 2 or not value.size or len(value) < 2:
            continue
        # The channels of images, else each number of a row.
        axes = (0, *range(2, value.ndim)) if value.ndim > 3 else (0,)
        alive = (value != 0).any(axis=axes)
        if not alive.any() or (not alive.all() and len(value) >= FEWEST_ROWS):
            dead, units = int((~alive).sum()), "channels" if value.ndim > 3 else "units"
            text = f"{dead:,} of {alive.size:,} {units} dead for the whole batch of {len(value):,}"
            yield node, Mark(text, is_wrong=not alive.any())


def _vanished(nodes: list[Node]) -> Iterator[tuple[Node, Mark]]:
    """Parameters whose gradient is exactly zero, or nothing next to the largest.

    The second is not said of biases: that of a layer before a normalization is rounding, as it
    should be.
    """
    sizes = [
        (node, float(np.abs(node.gradient).max()))
        for node in nodes
        if node.kind == "parameter" and node.gradient is not None and node.value.size
    ]
    largest = max((size for _, size in sizes if math.isfinite(size)), default=0.0)
    for node, size in sizes:
        if size == 0:
            yield node, Mark("gradient exactly 0: none flows back here")
        elif size < NEGLIGIBLE * largest and node.value.ndim != 1:
            yield node, Mark(f"gradient vanished: {number(size / largest, 1)} of the largest")
