"""Activations: elementwise functions between layers, and softmax at the end."""

from __future__ import annotations

from nn.module import Module
from tinygrad_sm import Tensor


class ReLU(Module):
    """max(x, 0), elementwise.

    >>> ReLU()(Tensor([-1.0, 2.0]))
    Tensor([0., 2.])
    """

    def forward(self, x: Tensor) -> Tensor:
        """max(x, 0)."""
        return x.relu()


class Tanh(Module):
    """The hyperbolic tangent, elementwise: between −1 and 1.

    >>> Tanh()(Tensor([0.0, 1.0]))
    Tensor([0.    , 0.7616])
    """

    def forward(self, x: Tensor) -> Tensor:
        """tanh x."""
        return x.tanh()


class Sigmoid(Module):
    """1 / (1 + e⁻ˣ), elementwise: between 0 and 1.

    >>> Sigmoid()(Tensor([0.0, 2.0]))
    Tensor([0.5   , 0.8808])
    """

    def forward(self, x: Tensor) -> Tensor:
        """1 / (1 + e⁻ˣ)."""
        return x.sigmoid()


class Softmax(Module):
    """Scores into probabilities that sum to 1 along `axis`: e^xᵢ / Σⱼ e^xⱼ.

    For training, give the scores themselves to `CrossEntropyLoss`: it contains the softmax.

    >>> Softmax()(Tensor([[1.0, 2.0, 3.0]]))
    Tensor([[0.09  , 0.2447, 0.6652]])
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """Probabilities along the axis."""
        return x.softmax(self.axis)

    def extra_repr(self) -> str:
        """The settings."""
        return f"axis={self.axis}"


class LogSoftmax(Module):
    """The logarithm of the softmax along `axis`, without its underflow.

    >>> LogSoftmax()(Tensor([[0.0, 0.0]]))
    Tensor([[-0.6931, -0.6931]])
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """Log-probabilities along the axis."""
        return x.log_softmax(self.axis)

    def extra_repr(self) -> str:
        """The settings."""
        return f"axis={self.axis}"
