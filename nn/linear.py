"""The linear layer."""

from __future__ import annotations

import math

import numpy as np

from nn.module import Module, Parameter
from tinygrad_sm import Tensor, uniform


class Linear(Module):
    """y = x Wᵀ + b: a weighted sum of all inputs for each output.

    in_features, out_features: the lengths of the last axis of x and of y.
    bias: False leaves b out.

    Shapes: x (…, in_features) gives y (…, out_features). `weight` is (out_features, in_features),
    `bias` (out_features,). Both start evenly spread over ±1/√in_features, as in PyTorch.

    With `CrossEntropyLoss` on its output this layer alone is softmax regression.

    >>> layer = Linear(64, 10)
    >>> layer(Tensor([[0.0] * 64])).shape
    (1, 10)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        if in_features < 1 or out_features < 1:
            raise ValueError(
                "Linear needs at least one input and one output feature, "
                f"got {in_features} and {out_features}"
            )
        self.in_features = in_features
        self.out_features = out_features
        bound = 1 / math.sqrt(in_features)
        weight = uniform(out_features, in_features, low=-bound, high=bound)
        # A larger weight is transposed in memory: BLAS multiplies with Wᵀ more quickly then.
        large = in_features * out_features >= 2048
        self.weight = Parameter(np.array(weight, order="F" if large else "C"))
        self.bias = Parameter(uniform(out_features, low=-bound, high=bound)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """x Wᵀ + b."""
        return Tensor.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The settings, as PyTorch prints them."""
        bias = self.bias is not None
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={bias}"
