"""An operation: what it computes, and how a gradient flows back through it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# The table of every operation of the package by name. Tests and documentation run over it.
TABLE: dict[str, Op] = {}


class Op:
    """One operation: a forward computation and one derivative rule for each input.

    `forward(*arrays, **attributes)` computes the result from NumPy arrays.

    `rules[i](g, y, *inputs, **attributes)` is the vector-Jacobian product for input i: from the
    gradient g of the loss with respect to the result y, it gives the gradient of the loss with
    respect to `inputs[i]`. None (or no rule at all) marks an input without a derivative, such as
    class labels. A rule is written with operators and operations only, so the same rule serves
    plain arrays (an ordinary backward pass) and Tensors (a recorded one, for higher derivatives).

    broadcasts: inputs are stretched to a common shape. Summing a gradient back to the shape of its
    input is then done by the backward pass, not by the rule.

    views: the result may share memory with the first input.

    saves: `forward` returns (result, saved), and a rule is handed what was saved after the inputs:
    `rule(g, y, *inputs, saved, **attributes)`. That is for a backward pass on arrays; on Tensors
    saved is None, and the rule computes the same again, recorded.

    together: there is one rule, and it returns a tuple with the gradients of all inputs, None for
    an input without a derivative: for gradients that have much of their computation in common.
    """

    __slots__ = ("broadcasts", "forward", "name", "rules", "saves", "together", "views")

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        *rules: Callable[..., Any] | None,
        broadcasts: bool = False,
        views: bool = False,
        saves: bool = False,
        together: bool = False,
    ) -> None:
        self.name = name
        self.forward = forward
        self.rules = rules
        self.broadcasts = broadcasts
        self.views = views
        self.saves = saves
        self.together = together
        if type(self) is Op:  # and not an operation of the user's own
            TABLE[name] = self

    def __call__(self, *inputs: Any, **attributes: Any) -> Any:
        """Compute on what is given: arrays make an array, a Tensor among them makes a Tensor."""
        for x in inputs:
            record = getattr(x, "_record", None)
            if record is not None:
                return record(self, inputs, attributes)
        result = self.forward(*inputs, **attributes)
        return result[0] if self.saves else result

    def __repr__(self) -> str:
        return f"<operation {self.name}>"
