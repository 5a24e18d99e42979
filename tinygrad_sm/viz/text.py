"""Numbers and names as the short text that stands in a picture."""

from __future__ import annotations


def number(value: float, digits: int = 4) -> str:
    """A number with four significant digits, or as many as asked for, and a real minus sign.

    >>> number(-0.123456), number(float("nan")), number(float("inf"))
    ('−0.1235', 'NaN', '∞')
    """
    text = str(value) if isinstance(value, bool | int) else f"{value + 0.0:.{digits}g}"
    return text.replace("-", "−").replace("nan", "NaN").replace("inf", "∞")


def count(n: int, what: str) -> str:
    """How many there are, with an s where it belongs.

    >>> count(1, "node"), count(2000, "node")
    ('1 node', '2,000 nodes')
    """
    return f"{n:,} {what}{'s' * (n != 1)}"


def clean(text: str, length: int = 60) -> str:
    """Text from outside as one short line: whatever does not print is made visible.

    >>> clean("two\\nlines")
    'two↵lines'
    """
    text = "".join("↵" if c == "\n" else c if c.isprintable() else "·" for c in text[: length + 1])
    return text if len(text) <= length else text[: length - 1] + "…"
