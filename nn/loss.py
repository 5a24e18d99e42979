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

    reductions: tuple[str, ...] = ("mean", "sum", "none")

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


class NLLLoss(Loss):
    """The penalty −ln p of the true class, from log-probabilities: after a `LogSoftmax`.

    weight: a factor for each class, shape (C,), or None for 1.
    ignore_index: labels with this value count for nothing.
    reduction: "mean" over the labels, "sum", or "none" for a loss for each label.

    Called with log-probabilities of shape (N, C), (C,) or (N, C, d1, …) and class indices of shape
    (N,), () or (N, d1, …). `CrossEntropyLoss` does both steps at once. See `Tensor.nll_loss`.

    >>> NLLLoss()(Tensor([[0.5, 0.5], [0.25, 0.75]]).log(), [0, 1])
    Tensor(0.4904)
    """

    def __init__(
        self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self.weight = _buffer(weight)
        self.ignore_index = ignore_index

    def forward(self, log_probabilities: Tensor, target: Any) -> Tensor:
        """The loss of the log-probabilities against the class indices."""
        return log_probabilities.nll_loss(target, self.weight, self.ignore_index, self.reduction)


class BCELoss(Loss):
    """Binary cross-entropy −t ln p − (1 − t) ln(1 − p), from probabilities p of "yes".

    weight: a factor for each loss, of a shape that broadcasts to theirs.
    reduction: "mean", "sum", or "none" for a loss for each element.

    Called with probabilities, as a `Sigmoid` gives them, and targets between 0 and 1 of the same
    shape. From scores, `BCEWithLogitsLoss` is more exact. See `Tensor.binary_cross_entropy`.

    >>> BCELoss()(Tensor([0.5, 0.75]), Tensor([0.0, 1.0]))
    Tensor(0.4904)
    """

    def __init__(self, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.weight = _buffer(weight)

    def forward(self, probabilities: Tensor, target: Any) -> Tensor:
        """The loss of the probabilities against the target."""
        return probabilities.binary_cross_entropy(target, self.weight, self.reduction)


class BCEWithLogitsLoss(Loss):
    """Binary cross-entropy −t ln σ(x) − (1 − t) ln(1 − σ(x)), from scores x of "yes".

    weight: a factor for each loss, of a shape that broadcasts to theirs.
    reduction: "mean", "sum", or "none" for a loss for each element.
    pos_weight: a factor for the losses of "yes", for where they are rare.

    Called with scores and targets between 0 and 1 of the same shape. Stable for large scores. See
    `Tensor.binary_cross_entropy_with_logits`.

    >>> BCEWithLogitsLoss()(Tensor([0.0, 100.0]), Tensor([0.0, 1.0]))
    Tensor(0.3466)
    """

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(reduction)
        self.weight = _buffer(weight)
        self.pos_weight = _buffer(pos_weight)

    def forward(self, scores: Tensor, target: Any) -> Tensor:
        """The loss of the scores against the target."""
        return scores.binary_cross_entropy_with_logits(
            target, self.weight, self.reduction, self.pos_weight
        )


class MSELoss(Loss):
    """The squared error (x − t)².

    reduction: "mean", "sum", or "none" for a loss for each element.

    Called with predictions and targets of the same shape. See `Tensor.mse_loss`.

    >>> MSELoss()(Tensor([1.0, 5.0]), Tensor([1.0, 3.0]))
    Tensor(2.)
    """

    def forward(self, predictions: Tensor, target: Any) -> Tensor:
        """The loss of the predictions against the target."""
        return predictions.mse_loss(target, self.reduction)


class L1Loss(Loss):
    """The absolute error |x − t|.

    reduction: "mean", "sum", or "none" for a loss for each element.

    Called with predictions and targets of the same shape. See `Tensor.l1_loss`.

    >>> L1Loss()(Tensor([1.0, 5.0]), Tensor([1.0, 3.0]))
    Tensor(1.)
    """

    def forward(self, predictions: Tensor, target: Any) -> Tensor:
        """The loss of the predictions against the target."""
        return predictions.l1_loss(target, self.reduction)


class SmoothL1Loss(Loss):
    """|d| − β/2, but d² / 2β where |d| < β, with d = x − t.

    reduction: "mean", "sum", or "none" for a loss for each element.
    beta: β, where the parabola ends; at 0 it is the `L1Loss`.

    Called with predictions and targets of the same shape. See `Tensor.smooth_l1_loss`.

    >>> SmoothL1Loss(reduction="none")(Tensor([1.5, 5.0]), Tensor([1.0, 1.0]))
    Tensor([0.125, 3.5  ])
    """

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, predictions: Tensor, target: Any) -> Tensor:
        """The loss of the predictions against the target."""
        return predictions.smooth_l1_loss(target, self.reduction, self.beta)


class HuberLoss(Loss):
    """d² / 2 up to |d| = δ, then the straight line δ (|d| − δ/2), with d = x − t.

    reduction: "mean", "sum", or "none" for a loss for each element.
    delta: δ, where the parabola ends.

    Called with predictions and targets of the same shape. See `Tensor.huber_loss`.

    Source: Huber (1964).

    >>> HuberLoss(reduction="none", delta=2.0)(Tensor([1.5, 5.0]), Tensor([1.0, 1.0]))
    Tensor([0.125, 6.   ])
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta

    def forward(self, predictions: Tensor, target: Any) -> Tensor:
        """The loss of the predictions against the target."""
        return predictions.huber_loss(target, self.reduction, self.delta)


class KLDivLoss(Loss):
    """The Kullback-Leibler divergence t (ln t − x), from log-probabilities x.

    reduction: "mean" over all elements, "batchmean" over the rows (the mean divergence), "sum", or
        "none" for each element.
    log_target: whether the target is the logarithms of the probabilities t.

    Called with log-probabilities and targets of the same shape. See `Tensor.kl_div`.

    >>> p, t = Tensor([[0.5, 0.5]]), Tensor([[0.25, 0.75]])
    >>> KLDivLoss(reduction="batchmean")(p.log(), t)
    Tensor(0.1308)
    """

    reductions = ("mean", "batchmean", "sum", "none")

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = log_target

    def forward(self, log_probabilities: Tensor, target: Any) -> Tensor:
        """The loss of the log-probabilities against the target."""
        return log_probabilities.kl_div(target, self.reduction, self.log_target)
