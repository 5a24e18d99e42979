"""Numbers and names as the short text that stands in a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def summary(array: Array) -> str:
    """An array in few words: its numbers if they are few, else the smallest and the largest.

    >>> summary(np.array([0.5, -1.0, 2.0]))
    '[0.5  −1  2]'
    >>> summary(np.arange(100.0))
    '0 … 99'
    """
    if array.ndim == 0:
        return number(array.item())
    if array.size == 0:
        return "empty"
    if array.size <= 6 and array.ndim == 1:
        return "[" + "  ".join(number(v.item()) for v in array) + "]"
    finite = array[np.isfinite(array)]
    broken = array.size - finite.size
    if not finite.size:
        return f"{broken} values, none finite"
    low, high = number(finite.min().item()), number(finite.max().item())
    note = f", {broken} not finite" if broken else ""
    return (f"all {low}" if low == high else f"{low} … {high}") + note


def number(value: float) -> str:
    """A number with four significant digits and a real minus sign.

    >>> number(-0.123456)
    '−0.1235'
    """
    text = str(value) if isinstance(value, bool | int) else f"{value:.4g}"
    return text.replace("-", "−")


def clean(text: str, length: int = 60) -> str:
    """Text from outside as one short line: whatever does not print is made visible.

    >>> clean("two\\nlines")
    'two↵lines'
    """
    text = "".join("↵" if c == "\n" else c if c.isprintable() else "·" for c in text[: length + 1])
    return text if len(text) <= length else text[: length - 1] + "…"
