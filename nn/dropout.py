"""Dropout: neurons that fall silent at random while a network learns."""

from __future__ import annotations

from typing import Any

import numpy as np

from nn.module import Module
from tinygrad_sm import Function, Tensor, default_generator


def _draw_mask(x: Any, *, p: float) -> Any:
    """0 for the elements to fall silent, 1 / (1 − p) for the others."""
    kept = default_generator().random(x.shape, np.float32) >= p
    growth = 1 / (1 - p) if p < 1 else 0.0
    return kept.astype(x.dtype) * x.dtype.type(growth)


_mask = Function("dropout_mask", _draw_mask)


class Dropout(Module):
    """In training, each element becomes 0 with probability p, and the others grow by 1 / (1 − p).

    So their expected value stays, and after `eval()` nothing is to be done: the input is returned.
    The random values are those that `tinygrad_sm.manual_seed` governs.

    p: the probability to fall silent, from 0 to 1.

    Source: Hinton, Srivastava, Krizhevsky, Sutskever and Salakhutdinov (2012).

    >>> Dropout(0.5).eval()(Tensor([1.0, 2.0]))
    Tensor([1., 2.])
    >>> sorted(set(Dropout(0.5)(Tensor([1.0] * 100)).tolist()))
    [0.0, 2.0]
    """

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"a probability lies between 0 and 1, got p={p}")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """x · mask / (1 − p) in training, else x."""
        if not self.training or self.p == 0:
            return x
        mask: Tensor = _mask(x, p=self.p)
        return x * mask

    def extra_repr(self) -> str:
        """The settings."""
        return f"p={self.p}"
