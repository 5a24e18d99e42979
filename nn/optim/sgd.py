"""Gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from nn.optim.optimizer import Array, Group, Optimizer, State


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
    maximize: go up the gradient instead of down.

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
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            weight_decay=weight_decay,
            maximize=maximize,
            momentum=momentum,
            dampening=dampening,
            nesterov=nesterov,
        )

    def check(self, group: Group) -> None:
        """Nesterov's step needs a velocity."""
        super().check(group)
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise ValueError("nesterov needs a momentum above 0 and no dampening")

    def update_one(self, p: Array, g: Array, state: State, group: Group) -> None:
        """p ← p − lr · v."""
        if group["momentum"]:
            g = _velocity(g, state, group)
        scratch = state.scratch
        np.multiply(g, state.numbers[group["lr"]], scratch)
        p -= scratch


def _velocity(g: Array, state: State, group: Group) -> Array:
    """v ← momentum · v + (1 − dampening) · g; and the direction to go against."""
    scratch, number = state.scratch, state.numbers
    momentum, share = number[group["momentum"]], 1 - group["dampening"]
    if "momentum_buffer" in state:
        v: Array = state["momentum_buffer"]
        v *= momentum
        v += g if share == 1 else np.multiply(g, number[share], scratch)
    else:
        v = state["momentum_buffer"] = g.copy("K")
    if not group["nesterov"]:
        return v
    np.multiply(v, momentum, scratch)
    return np.add(scratch, g, scratch)
