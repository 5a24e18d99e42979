"""L-BFGS: few, well-aimed steps for smooth problems, such as softmax regression on all rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from nn.optim.optimizer import Array, Closure, Group, Optimizer, State
from tinygrad_sm import Tensor, enable_grad


class LBFGS(Optimizer):
    """Newton's method, with the curvature learned from the last steps (limited-memory BFGS).

    The direction is −H g, where H approximates the inverse of the matrix of second derivatives. It
    is built from the last steps s and the changes y of the gradient that came with them. A call of
    `step` makes up to max_iter of these iterations and evaluates the loss at least once in each, so
    it needs a closure, and a loss that is the same function each time: all rows, not mini-batches.

    lr: the length of a step, or where the line search begins.
    max_iter: how many iterations a call of `step` may make.
    max_eval: how often it may evaluate the loss; 1.25 · max_iter if None.
    tolerance_grad: stop when no element of the gradient is larger.
    tolerance_change: stop when neither the parameters nor the loss change by more.
    history_size: how many steps are remembered.
    line_search_fn: "strong_wolfe" looks for a good step length along the direction; None takes lr.

    All parameters are in one group. Weight decay is to be part of the loss.

    Source: Liu and Nocedal (1989); the line search: Nocedal and Wright (2006), section 3.5, in the
    form of Schmidt's minFunc that PyTorch has too.

    >>> p = Tensor([4.0, -3.0], requires_grad=True)
    >>> optimizer = LBFGS([p], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((p - Tensor([1.0, 2.0])) ** 2 * Tensor([1.0, 10.0])).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure).item()  # the loss before the step
    259.0
    >>> p.data.round(3)
    array([1., 2.], dtype=float32)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            max_iter=max_iter,
            max_eval=max_iter * 5 // 4 if max_eval is None else max_eval,
            tolerance_grad=tolerance_grad,
            tolerance_change=tolerance_change,
            history_size=history_size,
            line_search_fn=line_search_fn,
        )

    def add_param_group(self, param_group: Group) -> None:
        """One group only: the direction is one for all parameters."""
        if self.param_groups:
            raise ValueError("LBFGS takes one group of parameters")
        super().add_param_group(param_group)

    def check(self, group: Group) -> None:
        """Counts are at least 1, and there is one line search."""
        super().check(group)
        for name in ("max_iter", "max_eval", "history_size"):
            if group[name] < 1:
                raise ValueError(f"{name} needs to be at least 1, got {group[name]}")
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise ValueError(
                f"line_search_fn is None or 'strong_wolfe', got {group['line_search_fn']!r}"
            )

    def step(self, closure: Closure | None = None) -> Any:
        """Up to max_iter iterations; returns what the closure gave first.

        closure: a function that forgets the gradients, computes the loss, goes back, and returns
            the loss. It is called several times.
        """
        if closure is None:
            raise TypeError("LBFGS evaluates the loss several times: step needs a closure")
        (group,) = self.param_groups
        params: list[Tensor] = group["params"]
        state = self.state.get(params[0])
        if state is None:
            state = self.new_state(params[0])
            state["func_evals"] = state["n_iter"] = 0

        def evaluate() -> tuple[Any, float, Array]:
            with enable_grad():
                loss = closure()
            state["func_evals"] += 1
            return loss, float(loss), _flat(_gradient(p) for p in params)

        evaluations_before = state["func_evals"]
        x = _flat(p.data for p in params)
        first, loss, g = evaluate()
        if np.abs(g).max() <= group["tolerance_grad"]:
            return first

        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            d = state["d"] = _direction(g, state, group["history_size"])
            state["prev_flat_grad"], state["prev_loss"] = g, loss
            first_length = min(1.0, 1 / float(np.abs(g).sum())) if state["n_iter"] == 1 else 1.0
            t = state["t"] = first_length * group["lr"]
            slope = float(g @ d)
            if slope > -group["tolerance_change"]:
                break

            left = group["max_eval"] - (state["func_evals"] - evaluations_before)
            if group["line_search_fn"]:

                def trial(t: float, x: Array = x, d: Array = d) -> Trial:
                    _assign(params, x + t * d)
                    _, loss, g = evaluate()
                    return Trial(t, math.inf if math.isnan(loss) else loss, float(g @ d), g)

                t, loss, slope, g = strong_wolfe(
                    trial,
                    Trial(0.0, loss, slope, g),
                    t,
                    left,
                    group["tolerance_change"] / float(np.abs(d).max()),
                )
                state["t"] = t
                x = x + t * d
                _assign(params, x)
            else:
                x = x + t * d
                _assign(params, x)
                if iteration < group["max_iter"]:  # the next call of step evaluates it anyway
                    _, loss, g = evaluate()

            if (
                state["func_evals"] - evaluations_before >= group["max_eval"]
                or np.abs(g).max() <= group["tolerance_grad"]
                or np.abs(t * d).max() <= group["tolerance_change"]
                or abs(loss - state["prev_loss"]) < group["tolerance_change"]
            ):
                break
        return first

    def _loaded(self, p: Tensor, saved: dict[str, Any]) -> dict[str, Any]:
        size = sum(p.numel() for p in self.params)
        if np.shape(saved.get("d", np.empty(size))) != (size,):
            raise ValueError(f"the state is of {np.size(saved['d'])} numbers, needed are {size}")
        return {name: _copied(value) for name, value in saved.items()}


def _direction(g: Array, state: State, history_size: int) -> Array:
    """−H g, after the last step was added to the history (the two loops of Nocedal, 1980)."""
    if state["n_iter"] == 1:
        state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
        return -g
    changes, steps, inverses = state["old_dirs"], state["old_stps"], state["ro"]
    y, s = g - state["prev_flat_grad"], state["t"] * state["d"]
    curvature = float(y @ s)
    if curvature > 1e-10:
        if len(changes) == history_size:
            del changes[0], steps[0], inverses[0]
        changes.append(y)
        steps.append(s)
        inverses.append(1 / curvature)
        state["H_diag"] = curvature / float(y @ y)

    d = -g
    shares = []
    for y, s, inverse in zip(changes[::-1], steps[::-1], inverses[::-1], strict=True):
        shares.append(float(s @ d) * inverse)
        d -= shares[-1] * y
    d *= state["H_diag"]
    for y, s, inverse, share in zip(changes, steps, inverses, shares[::-1], strict=True):
        d += (share - float(y @ d) * inverse) * s
    return d


class Trial(NamedTuple):
    """A step length that was tried: the loss there, its slope along the direction, its gradient."""

    t: float
    loss: float
    slope: float
    gradient: Array


def strong_wolfe(
    trial_at: Callable[[float], Trial], start: Trial, t: float, most: int, narrowest: float
) -> Trial:
    """A step length where the loss has fallen enough and has become flat enough.

        loss(t) ≤ loss(0) + c₁ t · slope(0)       c₁ = 0.0001
        |slope(t)| ≤ c₂ · |slope(0)|              c₂ = 0.9

    trial_at: evaluates a step length.
    start: the trial at 0; its slope is negative.
    t: the length to try first.
    most: how many lengths more than the first may be tried.
    narrowest: an interval this narrow is not searched further.
    """

    def is_low(trial: Trial) -> bool:
        return trial.loss <= start.loss + 1e-4 * trial.t * start.slope

    def is_flat(trial: Trial) -> bool:
        return abs(trial.slope) <= -0.9 * start.slope

    # Go on until a minimum lies between two trials.
    before, trial, tried = start, trial_at(t), 0
    while tried < most:
        if not is_low(trial) or (tried > 1 and trial.loss >= before.loss):
            break
        if is_flat(trial):
            return trial
        if trial.slope >= 0:
            break
        shortest = trial.t + 0.01 * (trial.t - before.t)
        t = cubic_minimum(before, trial, shortest, 10 * trial.t)
        before, trial = trial, trial_at(t)
        tried += 1
    else:
        before = start

    # Narrow the interval.
    low, high = sorted((before, trial), key=_loss)
    close_before = False
    while tried < most and abs(high.t - low.t) >= narrowest:
        left, right = sorted((low.t, high.t))
        t = cubic_minimum(low, high, left, right)
        # Twice close to an end, or at it: rather a tenth of the interval away from it.
        margin = 0.1 * (right - left)
        close = min(right - t, t - left) < margin
        if close and (close_before or not left < t < right):
            t = right - margin if right - t < t - left else left + margin
            close = False
        close_before = close

        trial = trial_at(t)
        tried += 1
        if not is_low(trial) or trial.loss >= low.loss:
            low, high = sorted((low, trial), key=_loss)
        elif is_flat(trial):
            return trial
        else:
            if trial.slope * (high.t - low.t) >= 0:
                high = low
            low = trial
    return low


def _loss(trial: Trial) -> float:
    return trial.loss


def cubic_minimum(a: Trial, b: Trial, lowest: float, highest: float) -> float:
    """Where the cubic with the losses and slopes of two trials is least, between two bounds.

    Source: Nocedal and Wright (2006), equation 3.59.
    """
    if a.t > b.t:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1**2 - a.slope * b.slope
    if square >= 0:
        d2 = math.sqrt(square)
        divisor = b.slope - a.slope + 2 * d2
        if divisor and math.isfinite(d2):
            t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / divisor)
            return min(max(t, lowest), highest)
    return (lowest + highest) / 2  # there is none, or a loss is infinite


# ---- all parameters as one vector --------------------------------------------------------------


def _gradient(p: Tensor) -> Array:
    return np.zeros_like(p.data) if p.grad is None else p.grad


def _flat(arrays: Iterable[Array]) -> Array:
    return np.concatenate([array.ravel() for array in arrays])


def _assign(params: list[Tensor], values: Array) -> None:
    start = 0
    for p in params:
        data = p.data
        data[...] = values[start : start + data.size].reshape(data.shape)
        start += data.size
        p.data = data  # it was written to in place: graphs that used it shall know


def _copied(value: Any) -> Any:
    if isinstance(value, list):
        return [_copied(item) for item in value]
    return np.array(value) if np.ndim(value) else value
