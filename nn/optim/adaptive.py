"""Optimizers that give each element of a parameter a step length of its own.

Most keep a running mean of the gradient's squares, v, and divide the step by √v: elements with
small gradients take larger steps. Written out in place, for no step is to allocate memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from nn.optim.optimizer import Array, Group, Optimizer, State


def average(mean: Array, x: Array, beta: float, state: State) -> None:
    """mean ← β · mean + (1 − β) · x."""
    scratch = state.scratch
    np.subtract(x, mean, scratch)
    scratch *= state.numbers[1 - beta]
    mean += scratch


def average_squares(mean: Array, x: Array, beta: float, state: State) -> None:
    """mean ← β · mean + (1 − β) · x²."""
    scratch = state.scratch
    mean *= state.numbers[beta]
    np.multiply(x, x, scratch)
    scratch *= state.numbers[1 - beta]
    mean += scratch


def move(p: Array, lr: float, numerator: Array, denominator: Array, state: State) -> None:
    """p ← p − lr · numerator / denominator."""
    step = state.scratch
    np.divide(numerator, denominator, step)
    step *= state.numbers[lr]
    p -= step


class Adam(Optimizer):
    """Steps along a running mean of the gradient, divided by the root of that of its squares.

        m ← β₁ m + (1 − β₁) g
        v ← β₂ v + (1 − β₂) g²
        p ← p − lr · m̂ / (√v̂ + eps)      where m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ)

    m and v start at 0; dividing by 1 − βᵗ, with t the number of the step, makes up for that.

    lr: the learning rate.
    betas: β₁ and β₂, the shares of the running means that are kept.
    eps: keeps the divisor away from 0.
    weight_decay: λ of the penalty λ/2 · ‖p‖² (L2 regularisation), which enters g.
    amsgrad: divide by the root of the largest v so far instead of the present one.
    maximize: go up the gradient instead of down.
    decoupled_weight_decay: shrink p by lr · λ · p instead of adding λ p to g, as `AdamW` does.

    Source: Kingma and Ba (2015); amsgrad: Reddi, Kale and Kumar (2018).

    >>> p = Tensor([1.0, 1.0], requires_grad=True)
    >>> p.grad = [100.0, -0.01]
    >>> Adam([p], lr=0.1).step()  # the first step is lr long, whatever the gradient
    >>> p
    Tensor([0.9, 1.1], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            weight_decay=weight_decay,
            maximize=maximize,
            betas=betas,
            eps=eps,
            amsgrad=amsgrad,
            decoupled_weight_decay=decoupled_weight_decay,
        )

    def update_one(self, p: Array, g: Array, state: State, group: Group) -> None:
        """p ← p − lr · m̂ / (√v̂ + eps)."""
        t, (beta1, beta2) = state.count(), group["betas"]
        m, v, root = state["exp_avg"], state["exp_avg_sq"], state.scratch
        average(m, g, beta1, state)
        average_squares(v, g, beta2, state)
        if group["amsgrad"]:
            largest = state["max_exp_avg_sq"]
            v = np.maximum(largest, v, out=largest)
        correction = math.sqrt(1 - beta2**t)  # √v̂ + eps = (√v + eps · correction) / correction
        np.sqrt(v, root)
        root += state.numbers[group["eps"] * correction]
        move(p, group["lr"] * correction / (1 - beta1**t), m, root, state)


class AdamW(Adam):
    """Adam with decoupled weight decay: p ← (1 − lr · weight_decay) p, then Adam's step.

    Adam divides the pull of an L2 penalty by √v̂ as well, so that it hardly reaches parameters with
    large gradients; here all shrink at the same rate.

    lr, betas, eps, amsgrad, maximize: as in `Adam`.
    weight_decay: how quickly the parameters shrink, in units of lr.

    Source: Loshchilov and Hutter (2019).

    >>> p = Tensor([1.0], requires_grad=True)
    >>> p.grad = [0.0]
    >>> AdamW([p], lr=0.1, weight_decay=0.5).step()
    >>> p
    Tensor([0.95], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            decoupled_weight_decay=True,
        )


class Adamax(Optimizer):
    """Adam with the largest gradient, slowly forgotten, in place of the mean square.

        m ← β₁ m + (1 − β₁) g
        u ← max(β₂ u, |g| + eps)
        p ← p − lr / (1 − β₁ᵗ) · m / u

    lr, betas, eps, weight_decay, maximize: as in `Adam`.

    Source: Kingma and Ba (2015), section 7.

    >>> p = Tensor([1.0], requires_grad=True)
    >>> p.grad = [4.0]
    >>> Adamax([p], lr=0.1).step()
    >>> p
    Tensor([0.9], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, lr, weight_decay=weight_decay, maximize=maximize, betas=betas, eps=eps
        )

    def update_one(self, p: Array, g: Array, state: State, group: Group) -> None:
        """p ← p − lr / (1 − β₁ᵗ) · m / u."""
        t, (beta1, beta2) = state.count(), group["betas"]
        m, u, size = state["exp_avg"], state["exp_inf"], state.scratch
        average(m, g, beta1, state)
        np.absolute(g, size)
        size += state.numbers[group["eps"]]
        u *= state.numbers[beta2]
        np.maximum(u, size, out=u)
        move(p, group["lr"] / (1 - beta1**t), m, u, state)


class RMSprop(Optimizer):
    """Gradient descent divided by the root mean square of the recent gradients.

        v ← α v + (1 − α) g²
        p ← p − lr · g / (√v + eps)

    lr: the learning rate.
    alpha: the share of the running mean that is kept.
    eps: keeps the divisor away from 0.
    weight_decay: λ of the penalty λ/2 · ‖p‖² (L2 regularisation).
    momentum: b ← momentum · b + g / (√v + eps), and p ← p − lr · b.
    centered: take the variance, v − (running mean of g)², in place of v. Where rounding makes it
        negative it counts as 0; PyTorch gets NaN there.
    maximize: go up the gradient instead of down.

    Source: Tieleman and Hinton (2012), lecture 6.5; centered: Graves (2013).

    >>> p = Tensor([1.0], requires_grad=True)
    >>> p.grad = [4.0]
    >>> RMSprop([p], lr=0.01).step()  # √v is |g| / 10 after one step
    >>> p
    Tensor([0.9], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            weight_decay=weight_decay,
            maximize=maximize,
            alpha=alpha,
            eps=eps,
            momentum=momentum,
            centered=centered,
        )

    def update_one(self, p: Array, g: Array, state: State, group: Group) -> None:
        """p ← p − lr · g / (√v + eps)."""
        state.count()
        v, root = state["square_avg"], state.scratch
        average_squares(v, g, group["alpha"], state)
        if group["centered"]:
            v = _variance(v, g, state, group)
        np.sqrt(v, root)
        root += state.numbers[group["eps"]]
        if group["momentum"]:
            b = state["momentum_buffer"]
            b *= state.numbers[group["momentum"]]
            b += np.divide(g, root, root)
            p -= np.multiply(b, state.numbers[group["lr"]], root)
        else:
            move(p, group["lr"], g, root, state)


def _variance(v: Array, g: Array, state: State, group: Group) -> Array:
    """v − (running mean of g)², in the scratch memory."""
    mean, variance = state["grad_avg"], state.scratch
    average(mean, g, group["alpha"], state)
    np.multiply(mean, mean, variance)
    np.subtract(v, variance, variance)
    return np.maximum(variance, state.numbers[0], out=variance)


class Adagrad(Optimizer):
    """Gradient descent divided by the root of the sum of all squared gradients.

        s ← s + g²
        p ← p − lr / (1 + (t − 1) · lr_decay) · g / (√s + eps)

    lr: the learning rate.
    lr_decay: how quickly the learning rate falls with the number t of the step.
    weight_decay: λ of the penalty λ/2 · ‖p‖² (L2 regularisation).
    initial_accumulator_value: where s starts.
    eps: keeps the divisor away from 0.
    maximize: go up the gradient instead of down.

    Source: Duchi, Hazan and Singer (2011).

    >>> p = Tensor([1.0], requires_grad=True)
    >>> p.grad = [4.0]
    >>> Adagrad([p], lr=0.1).step()
    >>> p
    Tensor([0.9], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            weight_decay=weight_decay,
            maximize=maximize,
            lr_decay=lr_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
        )

    def update_one(self, p: Array, g: Array, state: State, group: Group) -> None:
        """p ← p − lr / (1 + (t − 1) · lr_decay) · g / (√s + eps)."""
        t, root = state.count(), state.scratch
        if "sum" not in state:
            state["sum"] = np.full_like(p, group["initial_accumulator_value"])
        s = state["sum"]
        s += np.multiply(g, g, root)
        np.sqrt(s, root)
        root += state.numbers[group["eps"]]
        move(p, group["lr"] / (1 + (t - 1) * group["lr_decay"]), g, root, state)


class Adadelta(Optimizer):
    """Steps in proportion to the recent steps, so that hardly any learning rate is needed.

        v ← ρ v + (1 − ρ) g²
        Δ = √(u + eps) / √(v + eps) · g
        u ← ρ u + (1 − ρ) Δ²
        p ← p − lr · Δ

    lr: a factor for the steps.
    rho: the share of the running means that is kept, from 0 to 1.
    eps: keeps the divisor away from 0, and the first steps too.
    weight_decay: λ of the penalty λ/2 · ‖p‖² (L2 regularisation).
    maximize: go up the gradient instead of down.

    Source: Zeiler (2012).

    >>> p = Tensor([1.0], requires_grad=True)
    >>> p.grad = [4.0]
    >>> Adadelta([p]).step()  # it begins with small steps
    >>> p
    Tensor([0.9968], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            weight_decay=weight_decay,
            maximize=maximize,
            rho=rho,
            eps=eps,
        )

    def check(self, group: Group) -> None:
        """ρ is a share."""
        super().check(group)
        if not 0 <= group["rho"] <= 1:
            raise ValueError(f"rho lies between 0 and 1, got {group['rho']}")

    def update_one(self, p: Array, g: Array, state: State, group: Group) -> None:
        """p ← p − lr · Δ."""
        state.count()
        v, u, delta = state["square_avg"], state["acc_delta"], state.spare
        eps, rho = state.numbers[group["eps"]], group["rho"]
        average_squares(v, g, rho, state)
        np.add(u, eps, delta)
        delta /= np.add(v, eps, state.scratch)
        np.sqrt(delta, delta)
        delta *= g
        average_squares(u, delta, rho, state)
        delta *= state.numbers[group["lr"]]
        p -= delta


class Lion(Optimizer):
    """Steps of the same length for all elements: the sign of a mean of the gradients.

        p ← p − lr · (sign(β₁ m + (1 − β₁) g) + weight_decay · p)
        m ← β₂ m + (1 − β₂) g

    lr: the length of a step; three to ten times smaller than Adam's.
    betas: β₁ and β₂, the shares of m kept for the step and for the next m.
    weight_decay: how quickly the parameters shrink, in units of lr (decoupled, as in `AdamW`).
    maximize: go up the gradient instead of down.

    Source: Chen et al. (2023), Symbolic Discovery of Optimization Algorithms. PyTorch has none.

    >>> p = Tensor([1.0, 1.0], requires_grad=True)
    >>> p.grad = [100.0, -0.01]
    >>> Lion([p], lr=0.1).step()
    >>> p
    Tensor([0.9, 1.1], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            weight_decay=weight_decay,
            maximize=maximize,
            betas=betas,
            decoupled_weight_decay=True,
        )

    def update_one(self, p: Array, g: Array, state: State, group: Group) -> None:
        """p ← p − lr · sign(β₁ m + (1 − β₁) g)."""
        m, c, size, (beta1, beta2) = state["exp_avg"], state.spare, state.scratch, group["betas"]
        np.subtract(g, m, c)
        c *= state.numbers[1 - beta1]
        c += m
        # The sign is c / |c|, and 0 for 0; np.sign takes ten times as long for mixed signs.
        np.absolute(c, size)
        np.maximum(size, np.finfo(c.dtype).tiny, out=size)
        c /= size
        c *= state.numbers[group["lr"]]
        p -= c
        average(m, g, beta2, state)
