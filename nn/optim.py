"""Optimizers: how a step down the gradient is taken.

An optimizer holds the parameters it is to change. A training step is always the same:

    optimizer.zero_grad()
    loss = loss_fn(model(x), y)
    loss.backward()
    optimizer.step()
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_sm import Tensor

Array = npt.NDArray[Any]
State = dict[str, Array]


class Optimizer:
    """What all optimizers share. A subclass writes `update_one`.

    params: the parameters to change, as `model.parameters()` gives them.
    lr: the learning rate, a factor for each step.
    """

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise TypeError(
                "an optimizer needs a list of parameters, such as model.parameters() or [p], "
                f"got a {type(params).__name__}"
            )
        params = list(params)
        if not params:
            raise ValueError("an optimizer needs at least one parameter, got an empty list")
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"an optimizer changes Tensors, got an item of {type(p)}")
            if not (p.is_leaf and p.requires_grad):
                raise ValueError(
                    "an optimizer changes leaves that require a gradient, got "
                    f"{'a tensor that needs none' if p.is_leaf else 'the result of an operation'}"
                    f" of shape {p.shape}"
                )
        self.params = list(dict.fromkeys(params))  # each once, in order
        self.lr = _at_least_0("lr", lr)
        # What an update keeps from step to step by parameter: memory to work in, a velocity, …
        self.state: dict[Tensor, State] = {
            p: {"scratch": np.empty_like(p.data)} for p in self.params
        }
        self._lr_of_state: float | None = None

    def zero_grad(self) -> None:
        """Forget the gradients, so that the next backward pass starts anew."""
        for p in self.params:
            p.grad = None

    def step(self) -> None:
        """Change every parameter that has a gradient."""
        if self.lr != self._lr_of_state:
            # As an array: NumPy multiplies by one in half the time it takes for a Python number.
            for p, state in self.state.items():
                state["lr"] = np.array(self.lr, p.dtype)
            self._lr_of_state = self.lr
        for p, state in self.state.items():
            gradient = p.grad
            if gradient is not None:
                self.update_one(p, gradient, state)

    def update_one(self, p: Tensor, gradient: Array, state: State) -> None:
        """Change one parameter.

        state: a dictionary of its own that lives as long as the optimizer. It holds "lr", and
        "scratch", an array of the parameter's shape to work in.
        """
        raise NotImplementedError(f"{type(self).__name__} has no update_one method: write one")


class SGD(Optimizer):
    """Gradient descent: p ← p − lr · g, with momentum and L2 regularisation where wanted.

        g ← ∇p + weight_decay · p
        v ← momentum · v + (1 − dampening) · g      (the first time: v ← g)
        p ← p − lr · v                              (nesterov: p − lr · (g + momentum · v))

    Whether it is batch, mini-batch or stochastic descent is for the data loader to say: the
    gradient is that of the rows the loss was computed from.

    lr: the learning rate.
    momentum: the share of the last step's velocity that is kept.
    dampening: the share of the gradient that does not enter the velocity.
    weight_decay: λ of the penalty λ/2 · ‖p‖² (L2 regularisation).
    nesterov: look ahead along the velocity; needs momentum and no dampening.

    Source: Sutskever, Martens, Dahl and Hinton (2013), in the form PyTorch gives it.

    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> p
    Tensor([0.8], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(params, lr)
        self.momentum = _at_least_0("momentum", momentum)
        self.dampening = float(dampening)
        self.weight_decay = _at_least_0("weight_decay", weight_decay)
        self.nesterov = nesterov
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("nesterov needs a momentum above 0 and no dampening")

    def update_one(self, p: Tensor, gradient: Array, state: State) -> None:
        """p ← p − lr · v."""
        scratch = state["scratch"]
        direction = gradient
        if self.weight_decay:
            np.multiply(p.data, self.weight_decay, out=scratch)
            direction = np.add(scratch, gradient, out=scratch)
        if self.momentum:
            direction = self._velocity(direction, state)
        np.multiply(direction, state["lr"], scratch)
        p.data -= scratch

    def _velocity(self, direction: Array, state: State) -> Array:
        velocity = state.get("velocity")
        if velocity is None:
            velocity = state["velocity"] = direction.copy()
        else:
            velocity *= self.momentum
            velocity += (1 - self.dampening) * direction
        return direction + self.momentum * velocity if self.nesterov else velocity


def _at_least_0(name: str, value: float) -> float:
    if not value >= 0:
        raise ValueError(f"{name} needs to be at least 0, got {value}")
    return float(value)
