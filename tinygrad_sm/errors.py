"""The errors and warnings of the package.

Each is a built-in error with a name of its own, so `except ValueError` still catches it. A message
says what was given, what is needed, and the usual fix. The mistakes that beginners make have a code
besides, such as labels-from-1; `docs/mistakes.md` explains each, with the wrong program and the
right one.
"""

import os.path
import sys
import warnings
from types import FrameType
from typing import TypeVar

_HERE = os.path.dirname(__file__)
# Where the files of the two packages begin: what is not there is the user's program.
_NETWORKS = os.path.join(os.path.dirname(_HERE), "nn")
OURS = tuple(f"{folder}{sep}" for folder in (_HERE, _NETWORKS) for sep in "/\\")


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


class CompileError(RuntimeError):
    """A function that cannot be compiled: it does what would hold for the first call only."""


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


class TrainingWarning(UserWarning):
    """A program that runs, but hardly does what was meant: a mistake of training, by its code.

    code: under which `docs/mistakes.md` explains it.

    Python shows a warning once for each line of the program. One is switched off by its code:
    `warnings.filterwarnings("ignore", message=r"\\[gradients-not-zeroed\\]")`.

    >>> import warnings
    >>> scores = Tensor([[2.0, 0.0]], requires_grad=True)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     loss = scores.softmax().cross_entropy([0])
    >>> caught[0].message.code
    'probabilities-as-scores'
    """

    code = ""


Coded = TypeVar("Coded", bound=Exception)


def coded(error: Coded, code: str) -> Coded:
    """The error with the code of a mistake, under which `docs/mistakes.md` explains it."""
    error.code = code  # type: ignore[attr-defined]
    error.add_note(f"[{code}] is explained in docs/mistakes.md")
    return error


def warn(code: str, message: str) -> None:
    """Warn of a mistake, at the line of the user's program that led to it."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(OURS):
        frame = frame.f_back
    warning = TrainingWarning(f"[{code}] {message}")
    warning.code = code
    if frame is None:
        warnings.warn(warning, stacklevel=2)
        return
    warnings.warn_explicit(
        warning,
        TrainingWarning,
        frame.f_code.co_filename,
        frame.f_lineno,
        module=frame.f_globals.get("__name__", "unknown"),
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )
