"""Losses: one number that says how wrong the predictions are.

Each is the method of Tensor that its docstring names, with its settings kept.
"""

from __future__ import annotations

from typing import Any

from nn.module import Buffer, Module
from tinygrad_sm import Tensor


class Loss(Module):
    """What losses share: how the losses of all elements become one.

    reduction: "mean", "sum", or "none" for a loss for each element.
    """

    reductions = ("mean", "sum", "none")

    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in self.reductions:
            *names, last = map(repr, self.reductions)
            raise ValueError(f"reduction is {', '.join(names)} or {last}, got {reduction!r}")
        self.reduction = reduction


def _buffer(values: Any) -> Buffer | None:
    return None if values is None else Buffer(values)


class CrossEntropyLoss(Loss):
    """The penalty −ln p for giving the true class the probability p, where p = softmax(scores).

    weight: a factor for each class, shape (C,), or None for 1.
    ignore_index: labels with this value count for nothing.
    reduction: "mean" over the labels, "sum", or "none" for a loss for each label.
    label_smoothing: ε in [0, 1]; the target becomes (1 − ε) target + ε / C.

    Called with the scores (logits, not probabilities) of shape (N, C), (C,) or (N, C, d1, …) and,
    as target, class indices of shape (N,), () or (N, d1, …), or class probabilities (one-hot rows
    among them) of the shape of the scores. The gradient for the scores is (p − onehot) / N.

    Also under the name `nn.CrossEntropy`. See `Tensor.cross_entropy` for the errors.

    >>> loss_fn = CrossEntropyLoss()
    >>> loss_fn(Tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 3.0]]), [0, 2])
    Tensor(0.1672)
    """

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing lies between 0 and 1, got {label_smoothing}")
        self.weight = _buffer(weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, scores: Tensor, target: Any) -> Tensor:
        """The loss of the scores against the target."""
        return Tensor.cross_entropy(
            scores, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing
        )


CrossEntropy = CrossEntropyLoss
