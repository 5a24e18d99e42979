"""Arrays as a page shows them: the numbers of a small one, a heat map of a large one."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

TABLE = (10, 10, 80)  # up to so many rows, columns and elements an array is shown as numbers
LABELS = (8, 16)  # class labels are shown as numbers for longer, in rows
CORNER = (5, 5)  # of a larger one
HEAT = 64  # rows and columns of a heat map, at most
BINS = 24


class Arrays:
    """The arrays of a page. One that is shown several times is kept once."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self._places: dict[str, int] = {}

    def add(self, array: Any) -> int:
        """Keep an array; return its place."""
        record = describe(np.asarray(array))
        key = json.dumps(record)
        if key not in self._places:
            self._places[key] = len(self.records)
            self.records.append(record)
        return self._places[key]


def describe(array: Array) -> dict[str, Any]:
    """An array as a page shows it: all of a small one, what a large one looks like."""
    record: dict[str, Any] = {"shape": list(array.shape), "dtype": str(array.dtype)}
    if array.ndim == 1 and array.dtype.kind in "iu" and array.size <= LABELS[0] * LABELS[1]:
        starts = range(0, array.size, LABELS[1])
        lines = [_written(array[None, i : i + LABELS[1]], 4)[0] for i in starts]
        return record | {"numbers": lines}
    rows = as_rows(array)
    if array.size <= 1 or (array.ndim <= 2 and _is_small(rows)):
        digits = 6 if array.size == 1 else 4 if rows.shape[1] <= 7 else 3
        return record | {"numbers": _written(rows, digits)}
    record |= _summary(array)
    record["corner"] = _written(rows[: CORNER[0], : CORNER[1]], 4)
    return record | ({"heat": _heat_map(array)} if array.dtype.kind in "fiub" else {})


def as_rows(array: Array) -> Array:
    """As a matrix: all axes but the last are laid below each other."""
    if array.ndim < 2:
        return array.reshape(1, array.size)
    return array.reshape(math.prod(array.shape[:-1]), array.shape[-1])


def _is_small(rows: Array) -> bool:
    return all(n <= limit for n, limit in zip((*rows.shape, rows.size), TABLE, strict=True))


def _written(rows: Array, digits: int) -> list[str]:
    """Each row as numbers with spaces between; they are written here, and only set there."""
    return [" ".join(written(v, digits) for v in row) for row in rows.tolist()]


def written(value: Any, digits: int) -> str:
    """
    >>> written(0.1 + 0.2, 6), written(float("nan"), 6), written(-2.0, 4)
    ('0.3', 'NaN', '−2')
    """
    if isinstance(value, bool | int):
        return str(value).replace("-", "−")
    if not math.isfinite(value):
        return "NaN" if value != value else "∞" if value > 0 else "−∞"
    return f"{value + 0.0:.{digits}g}".replace("-", "−")


def _summary(array: Array) -> dict[str, Any]:
    finite = array[np.isfinite(array)].astype(float)
    broken = {"broken": array.size - finite.size} if finite.size < array.size else {}
    if not finite.size:
        return broken
    low, high = finite.min(), finite.max()
    largest = max(abs(low), abs(high))
    with np.errstate(all="ignore"):
        mean = finite.mean().item()
    if 0 < largest < math.inf and math.isfinite(mean):
        # No more digits than the others have: below them is rounding.
        mean = round(mean, 3 - math.floor(math.log10(largest)))
    bins: dict[str, Any] = {}
    if np.isfinite(high - low) and low < high:
        bins = {"bins": np.histogram(finite, BINS)[0].tolist()}
    return {
        "min": written(low.item(), 4),
        "max": written(high.item(), 4),
        "mean": written(mean, 4),
    } | (bins | broken)


def _heat_map(array: Array) -> dict[str, Any]:
    """Colours as bytes: 1 … 255 for −largest … largest, 0 for what is not finite. Of more than two
    axes, the last two are a tile; a cell of a large matrix is the mean of a block."""
    rows, tiles = _tiles(array)
    height, width = (-(-n // HEAT) for n in rows.shape)
    rows = rows.astype(float)
    with np.errstate(all="ignore"):
        for axis, block in enumerate((height, width)):
            starts = np.arange(0, rows.shape[axis], block)
            lengths = np.diff([*starts, rows.shape[axis]])
            means = np.add.reduceat(rows, starts, axis)
            rows = means / (lengths[:, None] if axis == 0 else lengths)
        finite = np.isfinite(rows)
        largest = np.abs(rows[finite]).max(initial=0.0)
        scaled = np.where(finite, rows, 0) / (largest or 1.0)
    cells = np.where(finite, np.rint(scaled * 127) + 128, 0).astype(np.uint8)
    return {
        "rows": rows.shape[0],
        "columns": rows.shape[1],
        "block": [height, width],
        "least": written(-largest.item() if (rows < 0).any() else 0, 3),
        "largest": written(largest.item(), 3),
        "cells": base64.b64encode(cells.tobytes()).decode(),
    } | tiles


def _tiles(array: Array) -> tuple[Array, dict[str, Any]]:
    """A matrix to paint: images and filters side by side and below each other, as many as there is
    room for; all other arrays as rows."""
    *_, height, width = shape = (1, 1, *array.shape)
    if array.ndim < 3 or 1 in (height, width) or max(height, width) > HEAT // 2:
        return as_rows(array), {}
    down, across = math.prod(shape[:-3]), shape[-3]
    if across == 1:
        down, across = 1, down
    tiles = array.reshape(down, across, height, width)
    tiles = tiles[: HEAT // height, : HEAT // width]
    shown = tiles.shape[0] * tiles.shape[1]
    rows = tiles.transpose(0, 2, 1, 3).reshape(-1, tiles.shape[1] * width)
    return rows, {"tile": [height, width], "tiles": [shown, down * across]}
