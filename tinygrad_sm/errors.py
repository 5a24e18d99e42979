"""The errors of the package.

Each is a built-in error with a name of its own, so `except ValueError` still catches it. A message
says what was given, what is needed, and the usual fix.
"""


class ShapeError(ValueError):
    """Arrays whose shapes do not fit together."""


class DtypeError(TypeError):
    """Values of a kind that the operation cannot take, such as text or float labels."""


class LabelError(ValueError):
    """Class labels that name no class, or probabilities that are none."""


class GradientError(ValueError):
    """A gradient that cannot be computed as asked."""


class GradcheckError(AssertionError):
    """A derivative rule that disagrees with finite differences."""


class AnomalyError(FloatingPointError):
    """An operation that made NaN or an infinity of finite numbers, found by `detect_anomaly`.

    op: the operation's name.
    phase: "forward" or "backward".
    filename, line: where the user's code called the operation; None if that is not known.
    module: the dotted name of the module that it was called in, such as fc1; "" outside of any.
    """

    op = ""
    phase = ""
    filename: str | None = None
    line: int | None = None
    module = ""
