"""Schedules: how the learning rate changes in the course of training.

A schedule sets `group["lr"]` of its optimizer, at once when it is made and then in each `step()`:

    schedule = nn.optim.CosineAnnealingLR(optimizer, T_max=epochs)
    for epoch in range(epochs):
        for x, y in loader:
            ...
            optimizer.step()
        schedule.step()

Each but `LambdaLR` and `OneCycleLR` goes from the present learning rate to the next one, so several
can be used together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from nn.optim.optimizer import Group, Optimizer


class LRScheduler:
    """What all schedules share. A subclass writes `next_lr`, for each group of parameters.

    optimizer: whose learning rates to set.

    `last_epoch` counts the steps: 0 when the schedule is made. The learning rate that the optimizer
    had before is in `group["initial_lr"]`.

    >>> import nn
    >>> class Halve(LRScheduler):
    ...     def next_lr(self, group):
    ...         return group["lr"] / 2 if self.last_epoch else group["lr"]
    >>> schedule = Halve(nn.optim.SGD([Tensor([1.0], requires_grad=True)], lr=0.1))
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.05]
    """

    called_each_time = ("step",)  # by what tinygrad_sm.compile has compiled

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"a schedule needs an optimizer, got a {type(optimizer).__name__}")
        self.optimizer = optimizer
        self.last_epoch = -1
        self._advance()

    def next_lr(self, group: Group) -> Any:
        """The learning rate of a group at the step `last_epoch`."""
        raise NotImplementedError(f"{type(self).__name__} has no next_lr method: write one")

    def step(self) -> None:
        """Set the next learning rate. Comes after the optimizer's step."""
        self._advance()

    def _advance(self) -> None:
        self.last_epoch += 1
        for group in self.optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
            group["lr"] = self.next_lr(group)
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def _index(self, group: Group) -> int:
        return next(i for i, g in enumerate(self.optimizer.param_groups) if g is group)

    def get_last_lr(self) -> list[float]:
        """The learning rates that the last step set, one for each group of parameters."""
        return self._last_lr

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on later; the learning rate itself is in the optimizer's."""
        return {name: value for name, value in vars(self).items() if name not in _NOT_SAVED}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave.

        Load the optimizer's state after the schedule is made, for that sets the learning rate.
        """
        vars(self).update(state_dict)


_NOT_SAVED = ("lr_lambdas", "optimizer")


def _one_for_each(name: str, values: Any, optimizer: Optimizer) -> list[Any]:
    """A list with a value for each group of parameters."""
    groups = len(optimizer.param_groups)
    if not isinstance(values, list | tuple):
        return [values] * groups
    if len(values) != groups:
        raise ValueError(f"{name} has {len(values)} values for {groups} groups of parameters")
    return list(values)


class StepLR(LRScheduler):
    """Every step_size steps, lr ← lr · gamma.

    >>> import nn
    >>> optimizer = nn.optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = StepLR(optimizer, step_size=2)
    >>> schedule.step()
    >>> optimizer.lr
    1.0
    >>> schedule.step()
    >>> optimizer.lr
    0.1
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        if step_size < 1:
            raise ValueError(f"step_size needs to be at least 1, got {step_size}")
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer)

    def next_lr(self, group: Group) -> Any:
        """lr · gamma where it is due."""
        due = self.last_epoch and self.last_epoch % self.step_size == 0
        return group["lr"] * self.gamma if due else group["lr"]


class MultiStepLR(LRScheduler):
    """At each of the milestones, lr ← lr · gamma.

    >>> import nn
    >>> optimizer = nn.optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = MultiStepLR(optimizer, milestones=[1, 80])
    >>> schedule.step()
    >>> optimizer.lr
    0.1
    """

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1) -> None:
        self.milestones = list(milestones)
        self.gamma = gamma
        super().__init__(optimizer)

    def next_lr(self, group: Group) -> Any:
        """lr · gamma, as often as the milestone is listed."""
        return group["lr"] * self.gamma ** self.milestones.count(self.last_epoch)


class ExponentialLR(LRScheduler):
    """In each step, lr ← lr · gamma.

    >>> import nn
    >>> optimizer = nn.optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = ExponentialLR(optimizer, gamma=0.5)
    >>> schedule.step()
    >>> optimizer.lr
    0.5
    """

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = gamma
        super().__init__(optimizer)

    def next_lr(self, group: Group) -> Any:
        """lr · gamma, but for the first."""
        return group["lr"] * self.gamma if self.last_epoch else group["lr"]


class ConstantLR(LRScheduler):
    """lr · factor for the first total_iters steps, the full lr after that.

    >>> import nn
    >>> optimizer = nn.optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = ConstantLR(optimizer, factor=0.5, total_iters=1)
    >>> optimizer.lr
    0.5
    >>> schedule.step()
    >>> optimizer.lr
    1.0
    """

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5) -> None:
        if not 0 < factor <= 1:
            raise ValueError(f"factor lies between 0 (excluded) and 1, got {factor}")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer)

    def next_lr(self, group: Group) -> Any:
        """Reduced at the start, restored at the end."""
        if self.last_epoch == 0:
            return group["lr"] * self.factor
        return group["lr"] / self.factor if self.last_epoch == self.total_iters else group["lr"]


class LinearLR(LRScheduler):
    """lr times a factor that goes evenly from start_factor to end_factor in total_iters steps.

    A warm-up, with the values it has if nothing else is said.

    >>> import nn
    >>> optimizer = nn.optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> optimizer.lr
    0.5
    >>> schedule.step()
    >>> optimizer.lr
    0.75
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(f"start_factor lies between 0 (excluded) and 1, got {start_factor}")
        if not 0 <= end_factor <= 1:
            raise ValueError(f"end_factor lies between 0 and 1, got {end_factor}")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer)

    def next_lr(self, group: Group) -> Any:
        """lr · factor(t) / factor(t − 1)."""
        if self.last_epoch == 0:
            return group["lr"] * self.start_factor
        if self.last_epoch > self.total_iters:
            return group["lr"]
        return group["lr"] * self._factor(self.last_epoch) / self._factor(self.last_epoch - 1)

    def _factor(self, t: int) -> float:
        return self.start_factor + (self.end_factor - self.start_factor) * t / self.total_iters


class CosineAnnealingLR(LRScheduler):
    """Half a cosine wave from lr down to eta_min in T_max steps (and up again after that).

        lr(t) = eta_min + (lr(0) − eta_min) · (1 + cos(π t / T_max)) / 2

    Source: Loshchilov and Hutter (2017), without the restarts.

    >>> import nn
    >>> optimizer = nn.optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = CosineAnnealingLR(optimizer, T_max=2)
    >>> schedule.step()
    >>> optimizer.lr
    0.5
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        if T_max < 1:
            raise ValueError(f"T_max needs to be at least 1, got {T_max}")
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer)

    def next_lr(self, group: Group) -> Any:
        """From lr(t − 1) to lr(t)."""
        t, lr = self.last_epoch, group["lr"]
        if t == 0:
            return lr
        if (t - 1) % (2 * self.T_max) == self.T_max:  # up from the bottom, where the ratio is 0/0
            return lr + (group["initial_lr"] - self.eta_min) * self._height(self.T_max - 1) / 2
        return self.eta_min + (lr - self.eta_min) * self._height(t) / self._height(t - 1)

    def _height(self, t: int) -> float:
        return 1 + math.cos(math.pi * t / self.T_max)


class LambdaLR(LRScheduler):
    """The initial lr times a function of the number of the step.

    lr_lambda: the function, or one for each group of parameters. Functions are not in `state_dict`.

    >>> import nn
    >>> optimizer = nn.optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = LambdaLR(optimizer, lambda t: 1 / (1 + t))
    >>> schedule.step()
    >>> optimizer.lr
    0.5
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
    ) -> None:
        self.lr_lambdas = _one_for_each("lr_lambda", lr_lambda, optimizer)
        super().__init__(optimizer)

    def next_lr(self, group: Group) -> Any:
        """The function of its group."""
        lr_lambda = self.lr_lambdas[self._index(group)]
        return group["initial_lr"] * lr_lambda(self.last_epoch)


class OneCycleLR(LRScheduler):
    """Up from max_lr / div_factor to max_lr and down to nearly nothing, once; a step a batch.

    The momentum (or β₁) goes the other way: large steps need less of it.

    max_lr: the largest learning rate; a list has one for each group of parameters.
    total_steps: the length of the cycle; or give epochs and steps_per_epoch.
    pct_start: the share of the cycle in which the learning rate rises.
    anneal_strategy: "cos" for half a cosine wave, "linear" for a straight line.
    cycle_momentum: whether to change the momentum from max_momentum to base_momentum and back.
    div_factor: the start is max_lr / div_factor.
    final_div_factor: the end is the start / final_div_factor.
    three_phase: down to the start as quickly as it went up, and then to the end, instead of
        straight down to the end.

    Source: Smith and Topin (2017).

    >>> import nn
    >>> optimizer = nn.optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0, momentum=0.9)
    >>> schedule = OneCycleLR(optimizer, max_lr=1.0, total_steps=100)
    >>> optimizer.lr
    0.04
    >>> optimizer.param_groups[0]["momentum"]
    0.95
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR needs total_steps, or epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        if total_steps < 1:
            raise ValueError(f"the cycle needs at least 1 step, got {total_steps}")
        if not 0 <= pct_start <= 1:
            raise ValueError(f"pct_start lies between 0 and 1, got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy is 'cos' or 'linear', got {anneal_strategy!r}")
        self.total_steps = total_steps
        self.anneal_strategy = anneal_strategy
        self.cycle_momentum = cycle_momentum
        # A phase: its last step, and between which values it leads.
        up, top = pct_start * total_steps - 1, ("max_lr", "base_momentum")
        bottom, end = ("initial_lr", "max_momentum"), ("min_lr", "max_momentum")
        if three_phase:
            self.phases = [
                (up, bottom, top),
                (2 * pct_start * total_steps - 2, top, bottom),
                (total_steps - 1, bottom, end),
            ]
        else:
            self.phases = [(up, bottom, top), (total_steps - 1, top, end)]

        ranges = {"max_lr": max_lr}
        if cycle_momentum:
            if not {"momentum", "betas"} & optimizer.defaults.keys():
                raise ValueError(
                    f"{type(optimizer).__name__} has neither momentum nor betas: "
                    "use cycle_momentum=False"
                )
            ranges |= {"base_momentum": base_momentum, "max_momentum": max_momentum}
        for name, values in ranges.items():
            values = _one_for_each(name, values, optimizer)
            for group, value in zip(optimizer.param_groups, values, strict=True):
                group[name] = value
        for group in optimizer.param_groups:
            group["initial_lr"] = group["max_lr"] / div_factor
            group["min_lr"] = group["initial_lr"] / final_div_factor
        super().__init__(optimizer)

    def next_lr(self, group: Group) -> Any:
        """Between the two ends of the phase; sets the momentum as well."""
        t = self.last_epoch
        if t > self.total_steps:
            raise ValueError(f"the cycle of {self.total_steps} steps is over: this is step {t}")
        begun = [phase for phase in self.phases[:-1] if phase[0] < t]
        start = begun[-1][0] if begun else 0
        end, before, after = self.phases[len(begun)]
        done = (t - start) / (end - start) if end > start else 1.0
        if self.anneal_strategy == "cos":
            done = (1 - math.cos(math.pi * done)) / 2
        lr, momentum = (
            group[a] + (group[b] - group[a]) * done if self.cycle_momentum or "lr" in a else None
            for a, b in zip(before, after, strict=True)
        )
        if self.cycle_momentum and "betas" in group:
            group["betas"] = (momentum, group["betas"][1])
        elif self.cycle_momentum:
            group["momentum"] = momentum
        return lr


class ReduceLROnPlateau(LRScheduler):
    """lr ← lr · factor when a number, such as the held-out loss, has stopped getting better.

    mode: "min" if a smaller number is better, "max" if a larger one.
    factor: by which to multiply the learning rate.
    patience: how many steps without improvement are forgiven.
    threshold: what counts as an improvement, as a share of the best so far (threshold_mode
        "rel") or as a difference from it ("abs").
    cooldown: how many steps after a reduction do not count.
    min_lr: the lowest learning rate; a list has one for each group of parameters.
    eps: a reduction by less than this is left out.

    >>> import nn
    >>> optimizer = nn.optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = ReduceLROnPlateau(optimizer, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.5):
    ...     schedule.step(loss)
    >>> optimizer.lr
    0.1
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1:
            raise ValueError(f"factor lies below 1, got {factor}")
        if mode not in ("min", "max"):
            raise ValueError(f"mode is 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold_mode is 'rel' or 'abs', got {threshold_mode!r}")
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.min_lrs = _one_for_each("min_lr", min_lr, optimizer)
        self.eps = eps
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        self._due = False
        super().__init__(optimizer)

    def step(self, metrics: Any) -> None:  # type: ignore[override]
        """Take note of the number, and reduce the learning rate where it is due."""
        metric = float(metrics)
        self.num_bad_epochs += 1
        if self._is_better(metric):
            self.best, self.num_bad_epochs = metric, 0
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        self._due = self.num_bad_epochs > self.patience
        if self._due:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._advance()

    def _is_better(self, metric: float) -> bool:
        margin = -self.threshold if self.mode == "min" else self.threshold
        bar = self.best + margin if self.threshold_mode == "abs" else self.best * (1 + margin)
        return metric < bar if self.mode == "min" else metric > bar

    def next_lr(self, group: Group) -> Any:
        """lr · factor where it is due."""
        lower = max(group["lr"] * self.factor, self.min_lrs[self._index(group)])
        return lower if self._due and group["lr"] - lower > self.eps else group["lr"]
