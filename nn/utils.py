"""Gradient clipping: what comes between `backward` and the optimizer's step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_sm import GradientError, Tensor

Array = npt.NDArray[Any]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Shorten the gradients of all parameters, as one vector, to the length max_norm.

        g ← g · min(1, max_norm / (‖g‖ + 1e-6))

    The gradients are changed in place; their direction stays. Returns the length before. A gradient
    that is not finite makes all of them NaN or 0; error_if_nonfinite refuses it instead.

    norm_type: which norm, such as 1, 2 or "inf" (the largest element).

    Source: Pascanu, Mikolov and Bengio (2013).

    >>> p = Tensor([1.0, 1.0], requires_grad=True)
    >>> p.grad = [3.0, 4.0]
    >>> clip_grad_norm_([p], max_norm=1.0)
    Tensor(5.)
    >>> p.grad.round(3)
    array([0.6, 0.8], dtype=float32)
    """
    order = float(norm_type)
    gradients = _gradients(parameters)
    norms = [np.linalg.norm(g.ravel(), order) for g in gradients if g.size]
    total = np.linalg.norm(norms, order) if norms else np.float32(0)
    if error_if_nonfinite and not np.isfinite(total):
        raise GradientError(
            f"the norm of the gradients is {total}, so they cannot be clipped: look for the step "
            "that gave it (too large a learning rate?), or use error_if_nonfinite=False"
        )
    share = max_norm / (total + 1e-6)
    if not share >= 1:  # NaN too
        for g in gradients:
            g *= g.dtype.type(share)
    return Tensor(total)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Bring every element of the gradients between −clip_value and clip_value, in place.

    >>> p = Tensor([1.0, 1.0], requires_grad=True)
    >>> p.grad = [-3.0, 0.5]
    >>> clip_grad_value_([p], 1.0)
    >>> p.grad
    array([-1. ,  0.5], dtype=float32)
    """
    for g in _gradients(parameters):
        np.clip(g, -clip_value, clip_value, out=g)


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Array]:
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad for p in parameters if p.grad is not None]
