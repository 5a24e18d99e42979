"""Optimizer: what all optimizers share.

A subclass writes one method, the update of one parameter, as plain NumPy on arrays:

>>> class SignDescent(Optimizer):
...     def update_one(self, p, g, state, group):
...         p -= group["lr"] * np.sign(g)
>>> p = Tensor([1.0, 1.0], requires_grad=True)
>>> p.grad = [5.0, -3.0]
>>> SignDescent([p], lr=0.25).step()
>>> p
Tensor([0.75, 1.25], requires_grad=True)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from nn.module import Parameter
from tinygrad_sm import Tensor, enable_grad, note_writes
from tinygrad_sm.errors import warn

Array = npt.NDArray[Any]
Group = dict[str, Any]  # "params" and the options for them
Closure = Callable[[], Any]


class Numbers(dict[float, Array]):
    """Numbers as arrays without axes: `numbers[0.1]`.

    NumPy multiplies by one in half the time it takes for a Python number.
    """

    __slots__ = ("dtype",)

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype

    def __missing__(self, value: float) -> Array:
        if len(self) >= 100:  # a learning rate may be another one in each step
            self.clear()
        array = self[value] = np.array(value, self.dtype)
        return array


class State(dict[str, Any]):
    """What an update keeps from step to step, by PyTorch's names.

    An array that is asked for the first time is all zeros, of the parameter's shape. Beside what
    is kept there is memory to work in, of the parameter's shape as well: `scratch`, `spare`, and
    `direction` for the gradient with weight decay.
    """

    __slots__ = ("direction", "numbers", "scratch", "spare")

    def __init__(self, p: Array, numbers: Numbers) -> None:
        self.numbers = numbers
        self.scratch, self.spare, self.direction = (np.empty_like(p) for _ in range(3))

    def __missing__(self, name: str) -> Array:
        array = self[name] = np.zeros_like(self.scratch)
        return array

    def count(self) -> int:
        """The number of this step, from 1."""
        step: int = self.get("step", 0) + 1
        self["step"] = step
        return step


class Optimizer:
    """Changes parameters step by step. A subclass writes `update_one`.

    params: the parameters to change, as `model.parameters()` gives them; or a list of groups with
        options of their own, [{"params": …, "lr": 0.1}, {"params": …}], for which the options
        given here are the defaults.
    lr: the learning rate, a factor for each step.
    options: those of the subclass. Two are worked into the gradient for all of them: weight_decay,
        λ of the penalty λ/2 · ‖p‖² (L2 regularisation), and maximize, to go up instead of down.

    The groups are in `param_groups`; a change of `param_groups[i]["lr"]`, or of any other option,
    counts from the next step on.
    """

    called_each_time = ("zero_grad", "step")  # by what tinygrad_sm.compile has compiled

    def __init__(self, params: Iterable[Any], lr: float, **options: Any) -> None:
        if isinstance(params, Tensor | dict) or not isinstance(params, Iterable):
            raise TypeError(
                "an optimizer needs a list of parameters, such as model.parameters() or [p], "
                f"got a {type(params).__name__}"
            )
        self.defaults: Group = {"lr": lr, **options}
        self.param_groups: list[Group] = []
        self.state: dict[Tensor, State] = {}
        self._numbers: dict[np.dtype[Any], Numbers] = {}
        self._first_steps = 10  # those in which to look for mistakes
        params = list(params)
        if not params:
            raise ValueError("an optimizer needs at least one parameter, got an empty list")
        for group in params if isinstance(params[0], dict) else [{"params": params}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with options of their own: {"params": …, "lr": 0.1}."""
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(
                'a group of parameters is a dict such as {"params": [p], "lr": 0.1}, '
                f"got {param_group!r}"
            )
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        known = {p for group in self.param_groups for p in group["params"]}
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"an optimizer changes Tensors, got an item of {type(p)}")
            # A Parameter may be frozen for a while.
            if not (p.is_leaf and (p.requires_grad or isinstance(p, Parameter))):
                raise ValueError(
                    "an optimizer changes leaves that require a gradient, got "
                    f"{'a tensor that needs none' if p.is_leaf else 'the result of an operation'}"
                    f" of shape {p.shape}"
                )
            if p in known:
                raise ValueError(
                    f"a parameter of shape {p.shape} is in two groups: which options shall count?"
                )
        unique = list(dict.fromkeys(params))
        group = {**self.defaults, **param_group, "params": unique}
        self.check(group)
        self.param_groups.append(group)

    def check(self, group: Group) -> None:
        """Refuse options that make no sense; a subclass may check more."""
        for name in _AT_LEAST_0 & group.keys():
            if not group[name] >= 0:
                raise ValueError(f"{name} needs to be at least 0, got {group[name]}")
        betas = group.get("betas", (0, 0))
        if not (isinstance(betas, tuple | list) and len(betas) == 2):
            raise TypeError(f"betas is a pair such as (0.9, 0.999), got {betas!r}")
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas lie between 0 and 1, 1 excluded, got {betas}")

    @property
    def params(self) -> list[Tensor]:
        """The parameters of all groups."""
        return [p for group in self.param_groups for p in group["params"]]

    @property
    def lr(self) -> float:
        """The learning rate, where all groups have the same; an assignment sets it for all."""
        first, *others = {group["lr"] for group in self.param_groups}
        if others:
            raise ValueError('the groups have learning rates of their own: param_groups[i]["lr"]')
        return float(first)

    @lr.setter
    def lr(self, value: float) -> None:
        for group in self.param_groups:
            self.check(group | {"lr": value})
            group["lr"] = value

    # ---- a step --------------------------------------------------------------------------------

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, so that the next backward pass starts anew.

        set_to_none: False keeps the arrays and fills them with zeros. A parameter with a gradient
            of 0 takes part in the next step, one without does not.
        """
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none or p.grad is None:
                    p.grad = None
                else:
                    p.grad[...] = 0

    def step(self, closure: Closure | None = None) -> Any:
        """Change every parameter that has a gradient.

        closure: a function that forgets the gradients, computes the loss, goes back, and returns
            the loss; called first, and its loss returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        changed, states, update_one = [], self.state, self.update_one
        try:
            for group in self.param_groups:
                altered = group.get("weight_decay") or group.get("maximize")
                for p in group["params"]:
                    g = p.grad
                    if g is None:
                        continue
                    state = states.get(p)
                    if state is None:
                        state = self.new_state(p)
                    data = p.data
                    changed.append(p)
                    if altered:
                        g = _direction(data, g, state, group)
                    update_one(data, g, state, group)
        finally:
            stale = bool(changed) and changed[0].grad_is_stale
            note_writes(changed, gradients_used=True)  # graphs that used the old values shall know
        if stale:
            warn(
                "gradients-not-zeroed",
                "the gradients of the last step were still there, and backward() added to them. "
                "Call optimizer.zero_grad() before loss.backward().",
            )
        if self._first_steps:
            from nn.mistakes import look_at_step

            self._first_steps -= 1
            look_at_step(self.params, states, last=not self._first_steps)
        return loss

    def update_one(self, p: Array, g: Array, state: State, group: Group) -> None:
        """Change the values of one parameter in place.

        p: its values.
        g: the direction to go against: the gradient, with maximize and weight_decay worked in. It
            is not to be changed.
        state: what is kept for this parameter, and memory to work in.
        group: the options.
        """
        raise NotImplementedError(f"{type(self).__name__} has no update_one method: write one")

    def new_state(self, p: Tensor) -> State:
        """An empty state for a parameter that is changed for the first time."""
        numbers = self._numbers.setdefault(p.dtype, Numbers(p.dtype))
        state = self.state[p] = State(p.data, numbers)
        return state

    # ---- stop and resume -----------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on later with the same bits, in PyTorch's layout.

        {"state": {i: {name: array, …}}, "param_groups": [{"lr": …, "params": [i, …]}, …]}, where i
        numbers the parameters through all groups. The arrays are copies.

        >>> p = Tensor([1.0], requires_grad=True)
        >>> p.grad = [2.0]
        >>> import nn
        >>> optimizer = nn.optim.SGD([p], lr=0.1, momentum=0.9)
        >>> optimizer.step()
        >>> optimizer.state_dict()["state"]
        {0: {'momentum_buffer': array([2.], dtype=float32)}}
        """
        index = {p: i for i, p in enumerate(self.params)}
        return {
            "state": {
                index[p]: {name: _copy(value) for name, value in state.items()}
                for p, state in self.state.items()
            },
            "param_groups": [
                group | {"params": [index[p] for p in group["params"]]}
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave, in an optimizer of as many parameters.

        Make the schedule before: it sets the learning rate when it is made.
        """
        groups = state_dict["param_groups"]
        sizes, needed = (
            [len(group["params"]) for group in these] for these in (groups, self.param_groups)
        )
        if sizes != needed:
            raise ValueError(
                f"the state is of groups of {sizes} parameters, this optimizer has {needed}"
            )
        merged = [
            old | new | {"params": old["params"]}
            for old, new in zip(self.param_groups, groups, strict=True)
        ]
        for group in merged:
            self.check(group)
        numbering = [i for group in groups for i in group["params"]]
        before, self.state = self.state, {}
        try:
            for i, p in zip(numbering, self.params, strict=True):
                if i in state_dict["state"]:
                    self.new_state(p).update(self._loaded(p, state_dict["state"][i]))
        except Exception:
            self.state = before
            raise
        self.param_groups = merged

    def _loaded(self, p: Tensor, saved: dict[str, Any]) -> dict[str, Any]:
        """The state of one parameter, checked and copied."""
        state: dict[str, Any] = {}
        for name, value in saved.items():
            if name == "step":
                state[name] = int(value)
            elif value is not None:
                array = np.asarray(value, p.dtype)
                if array.shape != p.shape:
                    raise ValueError(
                        f"the state has {name} of shape {array.shape} "
                        f"for a parameter of shape {p.shape}"
                    )
                state[name] = np.empty_like(p.data)  # in the order of p in memory
                state[name][...] = array
        return state

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


_AT_LEAST_0 = {
    "alpha",
    "eps",
    "initial_accumulator_value",
    "lr",
    "lr_decay",
    "momentum",
    "tolerance_change",
    "tolerance_grad",
    "weight_decay",
}


def _direction(p: Array, g: Array, state: State, group: Group) -> Array:
    """The gradient with maximize and weight_decay worked in.

    Decoupled weight decay shrinks the parameter at once, without a detour through the gradient.
    """
    decay, maximize, out = group.get("weight_decay"), group.get("maximize"), state.direction
    if decay and group.get("decoupled_weight_decay"):
        p *= state.numbers[1 - group["lr"] * decay]
        decay = 0
    if decay:
        np.multiply(p, state.numbers[decay], out)
        return (np.subtract if maximize else np.add)(out, g, out)
    return np.negative(g, out) if maximize else g


def _copy(value: Any) -> Any:
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value.copy() if isinstance(value, np.ndarray) else value
