"""Check derivative rules against finite differences.

The slope of f at x, by definition, is the limit of (f(x + h) − f(x − h)) / 2h. Taking a small h
gives a number to compare with, from the forward computation alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_sm.differentiate import grad
from tinygrad_sm.errors import DtypeError, GradcheckError
from tinygrad_sm.tensor import Tensor

Array = np.ndarray[Any, np.dtype[Any]]


def gradcheck(
    function: Callable[..., Tensor],
    inputs: Tensor | Sequence[Tensor],
    *,
    order: int = 1,
    eps: float = 1e-6,
    rtol: float = 1e-5,
    atol: float = 1e-7,
) -> bool:
    """Check the gradients of `function` at `inputs` against central differences.

    function: takes the inputs as Tensors and returns one Tensor, of any shape. It is reduced to a
        number by a fixed random weighting, so that every output counts.
    inputs: float64 tensors; those with requires_grad=True are checked, element by element.
    order: 1, or 2 to check the gradient of the gradient as well.
    eps: the step h. The error of the difference is about h² + 1e-16 / h.
    rtol, atol: the gradients may differ by atol + rtol · (the larger one's size).

    Returns True. Raises GradcheckError with the place and the size of the largest difference.

    >>> import numpy as np
    >>> x = Tensor(np.array([0.5, -1.0]), requires_grad=True)
    >>> gradcheck(lambda x: x.tanh(), x, order=2)
    True
    """
    if order not in (1, 2):
        raise ValueError(f"gradcheck checks derivatives of order 1 or 2, got order={order}")
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    checked = [i for i, x in enumerate(inputs) if x.requires_grad]
    if not checked:
        raise DtypeError("gradcheck needs at least one input with requires_grad=True")
    for i in checked:
        if inputs[i].dtype != np.float64:
            raise DtypeError(
                f"gradcheck needs float64 inputs, input {i} is {inputs[i].dtype}: "
                "finite differences lose half the digits"
            )
    _check_first(function, inputs, checked, eps, rtol, atol, "gradient")
    if order == 2:
        v = [Tensor(_weights(inputs[i].shape, seed=i)) for i in checked]

        def slope(*inputs: Tensor) -> Tensor:
            """The slope of the function in the fixed direction v: itself a function to check."""
            wanted = [inputs[i] for i in checked]
            gradients = grad(_weighted(function(*inputs)), wanted, create_graph=True)
            total: Tensor = (gradients[0] * v[0]).sum()
            for g, direction in zip(gradients[1:], v[1:], strict=True):
                total = total + (g * direction).sum()
            return total

        _check_first(slope, inputs, checked, eps, rtol, atol, "second derivative")
    return True


def _weights(shape: tuple[int, ...], seed: int) -> Array:
    return np.random.default_rng(seed).uniform(0.5, 1.5, shape)


def _weighted(output: Tensor) -> Tensor:
    """Reduce an output to one number in which every element has a weight of its own."""
    return (output * Tensor(_weights(output.shape, seed=99))).sum()


def _check_first(
    function: Callable[..., Tensor],
    inputs: Sequence[Tensor],
    checked: list[int],
    eps: float,
    rtol: float,
    atol: float,
    what: str,
) -> None:
    # Fresh leaves, so that neither the caller's gradients nor their graph are touched.
    leaves = [Tensor(x, requires_grad=x.requires_grad) for x in inputs]
    output = _weighted(function(*leaves))
    if output.requires_grad:
        output.backward()
    for i in checked:
        g = leaves[i].grad
        analytic = np.zeros(leaves[i].shape) if g is None else g
        numeric = _numeric(function, leaves, i, eps)
        _compare(analytic, numeric, i, rtol, atol, what)


def _numeric(
    function: Callable[..., Tensor], leaves: Sequence[Tensor], i: int, eps: float
) -> Array:
    """Central differences with respect to every element of input i."""
    values = np.array(leaves[i].data)
    numeric = np.empty(values.shape)

    def at(moved: Array) -> float:
        arguments = [
            Tensor(moved if j == i else x, requires_grad=x.requires_grad)
            for j, x in enumerate(leaves)
        ]
        return _weighted(function(*arguments)).item()

    for place in np.ndindex(values.shape):
        before = values[place]
        values[place] = before + eps
        above = at(values)
        values[place] = before - eps
        below = at(values)
        values[place] = before
        numeric[place] = (above - below) / (2 * eps)
    return numeric


def _compare(analytic: Array, numeric: Array, i: int, rtol: float, atol: float, what: str) -> None:
    if analytic.shape != numeric.shape:
        raise GradcheckError(
            f"the {what} with respect to input {i} has shape {analytic.shape}, but the input has "
            f"shape {numeric.shape}: a gradient has the shape of its tensor"
        )
    allowed = atol + rtol * np.maximum(np.abs(analytic), np.abs(numeric))
    wrong = ~(np.abs(analytic - numeric) <= allowed)
    if not wrong.any():
        return
    excess = np.where(wrong, np.abs(analytic - numeric) - allowed, -np.inf)
    excess = np.where(np.isnan(analytic) | np.isnan(numeric), np.inf, excess)
    place = tuple(int(k) for k in np.unravel_index(np.argmax(excess), excess.shape))
    raise GradcheckError(
        f"the {what} with respect to input {i} (shape {analytic.shape}) differs from finite "
        f"differences at {int(wrong.sum())} of {wrong.size} elements; most at index {place}:\n"
        f"  by the derivative rules:  {analytic[place]:.10g}\n"
        f"  by finite differences:    {numeric[place]:.10g}\n"
        f"by the rules:\n{analytic}\nby finite differences:\n{numeric}"
    )
