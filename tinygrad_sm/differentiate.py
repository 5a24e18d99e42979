"""Derivatives as values: `grad` returns what `backward` would add to the leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_sm.autograd import backpropagate, enable_grad, inner_tensors
from tinygrad_sm.errors import GradientError
from tinygrad_sm.tensor import Tensor


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    create_graph: bool = False,
) -> tuple[Tensor, ...]:
    """The gradients of the sum of the outputs with respect to each input. Touches no `.grad`.

    outputs: one tensor or several; each a single number unless `grad_outputs` is given.
    inputs: one tensor or several, leaves or inner ones, of any shape.
    grad_outputs: the gradient to start with instead of 1: an array or Tensor of the output's
        shape, in a list if there are several outputs.
    create_graph: record the backward pass too, so that the result can be differentiated again.

    Returns a tuple with one Tensor for each input, of the input's shape. Raises GradientError for
    an input that the outputs do not depend on.

    >>> x = Tensor(2.0, requires_grad=True)
    >>> y = x**3
    >>> (dy,) = grad(y, x, create_graph=True)  # 3x²
    >>> (ddy,) = grad(dy, x)  # 6x
    >>> dy.item(), ddy.item()
    (12.0, 12.0)
    """
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if grad_outputs is None:
        grad_outputs = [None] * len(outputs)
    elif not isinstance(grad_outputs, list | tuple):
        grad_outputs = [grad_outputs]
    if len(grad_outputs) != len(outputs):
        raise GradientError(
            f"grad_outputs needs one gradient for each of the {len(outputs)} outputs, "
            f"got {len(grad_outputs)}"
        )
    for x in [*outputs, *inputs]:
        if not x.requires_grad:
            raise GradientError(
                f"{x._describe()} needs no gradient: it was not computed from a tensor with "
                "requires_grad=True"
            )

    gradients: dict[Tensor, Any] = {}
    for output, given in zip(outputs, grad_outputs, strict=True):
        # A recorded seed stays part of the graph, so it can be differentiated through.
        seed: Any = output._seed(given, "grad_outputs")
        if create_graph:
            seed = given if isinstance(given, Tensor) else Tensor(seed, copy=False)
        gradients[output] = gradients[output] + seed if output in gradients else seed

    order = inner_tensors(gradients)
    among = _reaching(set(inputs), order)
    kept: dict[Tensor, Any] = {x: None for x in inputs if not x.is_leaf}
    with enable_grad():
        backpropagate(order, gradients, kept, among, record=create_graph)
    gradients.update(kept)
    for x in inputs:
        if gradients.get(x) is None:
            raise GradientError(f"the outputs do not depend on {x._describe()}")
    return tuple(gradients[x] if create_graph else Tensor(gradients[x]) for x in inputs)


def _reaching(inputs: set[Tensor], order: list[Tensor]) -> set[Tensor]:
    """The tensors of `order` (youngest first) that were computed from one of the inputs."""
    found = set(inputs)
    for tensor in reversed(order):  # oldest first: inputs are decided before their results
        if not found.isdisjoint(tensor._inputs):
            found.add(tensor)
    return found
