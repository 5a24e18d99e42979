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
