"""Common mistakes in building and training a network, put into words.

Nothing here runs in a program without one: it is called where something failed, or in the first
steps of an optimizer.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import numpy as np

from nn.loss import Loss
from nn.module import Module
from tinygrad_sm import DtypeError, ShapeError, Tensor
from tinygrad_sm.errors import coded, warn
from tinygrad_sm.spelling import KEYWORDS, SETTINGS, of_keyword

_TARGETS = (Tensor, np.ndarray, list, tuple)

# ---- making and calling modules ----------------------------------------------------------------


def check_construction(kind: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Raise TypeError if a module is made where it was to be called, or with foreign options."""
    name = f"nn.{kind.__name__}"
    called = isinstance(arguments[0], Tensor | np.ndarray) if arguments else False
    if called and issubclass(kind, Loss):  # it may have weights as its first setting
        called = len(arguments) > 1 and isinstance(arguments[1], _TARGETS)
    if called:
        given = ", ".join(["x", "y", "z"][: len(arguments)])
        error = TypeError(
            f"{name}({given}) would make a module of these settings, and a Tensor is no setting. "
            f"Make the module first, then call it: {name}(…)({given})"
        )
        raise coded(error, "module-not-made")
    for key in filter((KEYWORDS | SETTINGS).__contains__, options):
        known = inspect.signature(kind.__init__).parameters
        ours = None if key in known else SETTINGS.get(key) or of_keyword(key, known)
        if ours:
            raise coded(TypeError(f"{name} has no {key}=: {ours}"), "other-spelling")


def explain_call(module: Module, inputs: tuple[Any, ...], error: Exception) -> None:
    """Say more of an error that came out of a module's forward, or nothing."""
    kind = type(module).__name__
    if isinstance(error, AttributeError) and isinstance(error.obj, np.ndarray):
        raise TypeError(  # it was asked for what only a Tensor has
            f"{kind} takes Tensors, got a NumPy array: wrap it, as in Tensor(array)"
        ) from error
    if isinstance(error, TypeError) and str(error) in _UNCALLABLE:
        plural = _UNCALLABLE[str(error)]
        for name, value in vars(module).items():
            items = value.values() if isinstance(value, dict) else value
            if isinstance(value, list | tuple | dict) and any(isinstance(m, Module) for m in items):
                better = TypeError(
                    f"{kind}.{name} is a {plural} of modules, and a {plural} cannot be called. "
                    f"Make it one module, nn.Sequential(…), or call one after the other: "
                    f"for layer in self.{name}: x = layer(x)"
                )
                raise coded(better, "list-called") from error
    if isinstance(error, ShapeError | DtypeError):
        _add_path(module, inputs, error)


_UNCALLABLE = {f"'{kind}' object is not callable": kind for kind in ("list", "tuple", "dict")}


def _add_path(outer: Module, inputs: tuple[Any, ...], error: Any) -> None:
    """Note where in the model the error arose. Each module around writes the note anew."""
    if not hasattr(error, "modules"):
        if not hasattr(error, "code"):
            coded(error, "shape-in-model")
        error.modules, error.way, error.path = [], _way(inputs), None
    else:
        error.__notes__.remove(error.path)
    error.modules.append(outer)
    names = {module: name for name, module in outer.named_modules()}
    inner = error.modules[0]
    own = ", ".join(f"{name} {p.shape}" for name, p in inner.named_parameters(recurse=False))
    where = f"{names.get(inner) or ''} {inner!r}".strip().split("\n")[0]
    text = f"in {where}{f' with {own}' if own else ''}"
    if inner is not outer:
        text += f", of {type(outer).__name__}"
    if error.way:
        (first, _), *rest = error.way
        steps = [str(first)]
        steps += [f"{names[m] or type(m).__name__} → {shape}" for shape, m in rest if m in names]
        text += f"; on the way there: input {', '.join(steps)}"
    error.path = text
    error.add_note(text)


def _way(inputs: tuple[Any, ...]) -> list[tuple[tuple[int, ...], Any]]:
    """The shapes that led to the first input, with the innermost modules that gave them."""
    from tinygrad_sm.graph import calls_before

    if not inputs or not isinstance(inputs[0], Tensor):
        return []
    return [
        (shape, module)
        for shape, module in calls_before(inputs[0])
        if module is None or not any(module.children())
    ]


# ---- the first steps of an optimizer -----------------------------------------------------------


def look_at_step(params: list[Tensor], reached: Iterable[Tensor], last: bool) -> None:
    """Warn of a step without any gradient; and in the last of the first steps, of parameters that
    got none so far.

    reached: those that had a gradient in this step or an earlier one.
    """
    with_gradient = {*reached}
    if not with_gradient:
        _no_gradient(params)
    elif last:
        left = [p for p in params if p not in with_gradient and p.requires_grad]
        if left:
            warn(
                "parameters-not-reached",
                f"no gradient came to {_names(left)} in the first steps: the loss does not depend "
                "on them. Use them in forward, or do not give them to the optimizer. "
                "explain_grad(parameter, loss) says more.",
            )


def _no_gradient(params: list[Tensor]) -> None:
    from tinygrad_sm.graph import is_used, living

    shapes = [p.shape for p in params]
    leaves = [x for x in living(Tensor) if x.is_leaf and x.grad is not None]
    others = [x for x in leaves if x.shape in shapes]
    if sorted(x.shape for x in others) == sorted(shapes):  # of a copy, or of the model made again
        warn(
            "optimizer-of-other-parameters",
            f"step() found no gradient, but {_names(others)} got one: the optimizer holds other "
            "parameters. Make it after the model is made, copied or replaced: "
            "nn.optim.SGD(model.parameters(), lr=…).",
        )
    elif is_used(params):
        warn(
            "step-before-backward",
            "step() found no gradient, so it changed nothing. Call loss.backward() before "
            "optimizer.step(), and optimizer.zero_grad() before loss.backward().",
        )


def _names(parameters: list[Tensor]) -> str:
    """The names of parameters, from the largest module alive that has them."""
    from tinygrad_sm.graph import living

    names: dict[Tensor, str] = {}
    for module in living(Module):
        for name, p in module.named_parameters():
            if len(name) > len(names.get(p, "")):
                names[p] = name
    listed = [p.name or names.get(p) or f"a tensor of shape {p.shape}" for p in parameters]
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")
