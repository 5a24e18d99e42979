"""Layers that only rearrange: Flatten and Identity."""

from __future__ import annotations

from typing import Any

from nn.module import Module
from tinygrad_sm import Tensor


class Flatten(Module):
    """Makes one axis of the axes from `start_axis` to `end_axis`: (N, C, H, W) to (N, C·H·W).

    >>> Flatten()(Tensor([[[1.0, 2.0], [3.0, 4.0]]])).shape
    (1, 4)
    """

    def __init__(self, start_axis: int = 1, end_axis: int = -1) -> None:
        self.start_axis = start_axis
        self.end_axis = end_axis

    def forward(self, x: Tensor) -> Tensor:
        """The same elements in fewer axes."""
        return x.flatten(self.start_axis, self.end_axis)

    def extra_repr(self) -> str:
        """The settings."""
        return f"start_axis={self.start_axis}, end_axis={self.end_axis}"


class Identity(Module):
    """Returns its input, to stand where another module may stand. It takes any arguments.

    >>> Identity(64, unused=True)(Tensor([1.0]))
    Tensor([1.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, x: Any) -> Any:
        """x."""
        return x
