"""Losses as methods of Tensor; the derivatives stand in `ops/loss.py`.

Each compares predictions with a target of the same shape. Nothing is broadcast: a column of
predictions beside a row of targets would make a table of all pairs, and a wrong loss.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_sm import labels, ops
from tinygrad_sm.errors import DtypeError, LabelError, ShapeError, coded
from tinygrad_sm.methods.base import Methods, as_reduction
from tinygrad_sm.values import as_array

if TYPE_CHECKING:
    from tinygrad_sm.tensor import Tensor


class Loss(Methods):
    """How wrong predictions are.

    In all of them, reduction is "mean" over all losses, "sum", or "none" for each on its own.
    """

    __slots__ = ()

    # ---- distances -----------------------------------------------------------------------------

    def mse_loss(self, target: Any, reduction: str = "mean") -> Tensor:
        """The squared error (x − t)². Derivative: 2 (x − t), divided by n for the mean.

        >>> Tensor([1.0, 5.0]).mse_loss([1.0, 3.0])
        Tensor(2.)
        """
        return _distance(self, ops.mse_loss, target, {"reduction": as_reduction(reduction)})

    def l1_loss(self, target: Any, reduction: str = "mean") -> Tensor:
        """The absolute error |x − t|. Derivative: the sign of x − t, 0 where they are equal.

        A NaN gives NaN as its gradient, where PyTorch gives 0.

        >>> Tensor([1.0, 5.0]).l1_loss([1.0, 3.0])
        Tensor(1.)
        """
        return _distance(self, ops.l1_loss, target, {"reduction": as_reduction(reduction)})

    def huber_loss(self, target: Any, reduction: str = "mean", delta: float = 1.0) -> Tensor:
        """d² / 2 up to |d| = δ, then the straight line δ (|d| − δ/2), where d = x − t.

        Large errors count less than with `mse_loss`. Derivative: d, held between −δ and δ.

        >>> Tensor([1.5, 5.0]).huber_loss([1.0, 1.0], reduction="none")
        Tensor([0.125, 3.5  ])
        """
        if not delta > 0:
            raise ValueError(f"delta needs to be above 0, got {delta}")
        attributes = {"reduction": as_reduction(reduction), "delta": delta}
        return _distance(self, ops.huber_loss, target, attributes)

    def smooth_l1_loss(self, target: Any, reduction: str = "mean", beta: float = 1.0) -> Tensor:
        """|d| − β/2, but d² / 2β where |d| < β, with d = x − t: `huber_loss` divided by β.

        Derivative: d / β, held between −1 and 1. With a β of 0 it is `l1_loss`.

        >>> Tensor([1.5, 5.0]).smooth_l1_loss([1.0, 1.0], reduction="none")
        Tensor([0.125, 3.5  ])
        """
        if beta == 0:
            return self.l1_loss(target, reduction)
        if not beta > 0:
            raise ValueError(f"beta needs to be at least 0, got {beta}")
        loss = self.huber_loss(target, reduction, beta)
        return loss if beta == 1 else loss / beta

    def hinge(self, target: Any, margin: float = 1.0, reduction: str = "mean") -> Tensor:
        """max(0, margin − t x) for scores x and labels t of −1 or 1, as in support vector machines.

        Derivative: −t where t x < margin, else 0. (PyTorch has no such function.)

        >>> Tensor([2.0, 0.5, -1.0]).hinge([1.0, 1.0, 1.0], reduction="none")
        Tensor([0. , 0.5, 2. ])
        """
        x, t = _pair(self, "hinge", target)
        wrong = np.absolute(t._data) != 1
        if wrong.any():
            raise LabelError(
                f"hinge needs labels of -1 or 1, got {_first(t._data, wrong)}; "
                "2 * labels - 1 makes them of 0 and 1"
            )
        return _reduced((margin - x * t).relu(), as_reduction(reduction))

    # ---- between probabilities -----------------------------------------------------------------

    def binary_cross_entropy(
        self, target: Any, weight: Any = None, reduction: str = "mean"
    ) -> Tensor:
        """−t ln x − (1 − t) ln(1 − x), for probabilities x of "yes".

        target: how true "yes" is, between 0 and 1, in the shape of x.
        weight: a factor for each loss, of a shape that broadcasts to theirs.

        The logarithms are held to at least −100, as in PyTorch: a certain but wrong x costs 100.
        Derivative: (x − t) / (x (1 − x)), with a denominator of at least 1e-12. From scores, use
        `binary_cross_entropy_with_logits`, which is exact where a sigmoid is 0 or 1 by rounding.

        Raises ValueError for an x that is no probability, LabelError for a target that is none.

        >>> Tensor([0.5, 0.75]).binary_cross_entropy([0.0, 1.0], reduction="none")
        Tensor([0.6931, 0.2877])
        """
        x, t = _pair(self, "binary_cross_entropy", target)
        outside = _outside(x._data)
        if outside:
            raise ValueError(
                f"binary_cross_entropy needs probabilities between 0 and 1, got {outside}. For "
                "scores (logits) use binary_cross_entropy_with_logits, or sigmoid() before"
            )
        return _binary(self, ops.binary_cross_entropy, t, weight, reduction)

    def binary_cross_entropy_with_logits(
        self,
        target: Any,
        weight: Any = None,
        reduction: str = "mean",
        pos_weight: Any = None,
    ) -> Tensor:
        """−t ln σ(x) − (1 − t) ln(1 − σ(x)), for scores x of "yes", stable for large ones.

        target: how true "yes" is, between 0 and 1, in the shape of x.
        weight: a factor for each loss, of a shape that broadcasts to theirs.
        pos_weight: a factor for the first term, the losses of "yes"; it broadcasts likewise.

        Derivative: σ(x) − t. Raises LabelError for a target outside 0 to 1.

        >>> Tensor([0.0, 100.0]).binary_cross_entropy_with_logits([0.0, 0.0], reduction="none")
        Tensor([  0.6931, 100.    ])
        """
        x, t = _pair(self, "binary_cross_entropy_with_logits", target)
        op = ops.binary_cross_entropy_with_logits
        if pos_weight is None:
            return _binary(self, op, t, weight, reduction)
        _check_fractions(op.name, t)
        p = _factor(x, pos_weight, "pos_weight")
        # −p t ln σ(x) − (1 − t) ln σ(−x), where ln σ(−x) = ln σ(x) − x.
        losses = (1 - t) * x - (1 + (p - 1) * t) * x.logsigmoid()
        return _weighted(losses, weight, as_reduction(reduction))

    def kl_div(self, target: Any, reduction: str = "mean", log_target: bool = False) -> Tensor:
        """The Kullback-Leibler divergence t (ln t − x), for log-probabilities x = ln p.

        target: probabilities t in the shape of x, or their logarithms with `log_target`.
        reduction: also "batchmean", the sum divided by the length of the first axis. That, and
            not "mean" over all elements, is the mean divergence of the rows.

        Derivatives: −t for x, ln t + 1 − x for t. A t of 0 adds 0 even if x is −inf (PyTorch
        gives NaN there); its own derivative is −inf (in PyTorch NaN).

        Raises LabelError for a negative probability.

        >>> p, t = Tensor([[0.5, 0.5]]), Tensor([[0.25, 0.75]])
        >>> p.log().kl_div(t, reduction="batchmean")
        Tensor(0.1308)
        """
        x, t = _pair(self, "kl_div", target)
        as_reduction(reduction, "batchmean")
        summed = "sum" if reduction == "batchmean" else reduction
        if log_target:
            loss = _reduced(t.exp() * (t - x), summed)
        else:
            negative = _below_0(t._data)
            if negative:
                raise LabelError(
                    f"kl_div needs target probabilities of at least 0, got {negative}; "
                    "for their logarithms pass log_target=True"
                )
            loss = self._record(ops.kl_div, (x, t), {"reduction": summed})
        if reduction == "batchmean" and x.ndim:
            loss = loss / (x.shape[0] or math.nan)
        return loss

    # ---- of class labels -----------------------------------------------------------------------

    def nll_loss(
        self,
        target: Any,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> Tensor:
        """The negative log-likelihood −x[true class], for log-probabilities x.

        After `log_softmax` this is `cross_entropy`, which does both at once from scores.

        self: log-probabilities of shape (N, C), (C,) or (N, C, d1, …).
        target: the index of the true class, shape (N,), () or (N, d1, …).
        weight: a factor for each class, shape (C,); the mean is divided by the sum of the labels'.
            A constant: it gets no gradient. A label of weight 0 adds 0, even if its x is −inf.
        ignore_index: labels with this value count for nothing.

        Derivative: −1 for the true class, divided by N for the mean. The errors are those of
        `cross_entropy`.

        >>> Tensor([[0.25, 0.75], [0.5, 0.5]]).log().nll_loss([1, 0], reduction="none")
        Tensor([0.2877, 0.6931])
        """
        as_reduction(reduction)
        if (
            weight is None
            and ignore_index < 0
            and isinstance(target, Methods)
            and labels.are_plain_indices(self._data, target._data)
        ):
            return self._record(ops.nll_loss, (self, target), {"reduction": reduction})
        target = _labels(self, "nll_loss", "log-probabilities", target, ignore_index)
        given, classes = target._data, self.shape[min(1, self.ndim - 1)]
        plain = weight is None and ignore_index < 0
        if plain and given.size and labels.all_in_range(given, classes):
            return self._record(ops.nll_loss, (self, target), {"reduction": reduction})
        factors = _class_weights(self, weight, classes)
        places, factors = labels.label_weights(given, factors, ignore_index)
        losses: Any = self._apply(ops.nll_loss, places, reduction="none")
        losses = ops.where(factors == 0, 0, losses) * factors
        if reduction == "mean":
            return _reduced(losses, "sum") / float(factors.sum() or math.nan)
        return _reduced(losses, reduction)

    def multi_margin_loss(
        self,
        target: Any,
        p: int = 1,
        margin: float = 1.0,
        weight: Any = None,
        reduction: str = "mean",
    ) -> Tensor:
        """Σ max(0, margin − x[true class] + x[i])ᵖ / C over the other classes i.

        self: scores of shape (N, C) or (C,).
        target: the index of the true class, shape (N,) or ().
        p: 1 or 2.
        weight: a factor for the rows of each true class, shape (C,). A constant: it gets no
            gradient. The mean is divided by N, not by the sum of the weights.

        Derivative for p = 1: 1 / C for each class within the margin of the true one, which gets
        minus their sum.

        >>> Tensor([[3.0, 1.0, 2.5]]).multi_margin_loss([0])
        Tensor(0.1667)
        """
        if p not in (1, 2):
            raise ValueError(f"p is 1 or 2, got {p}")
        if self.ndim > 2:
            raise ShapeError(
                f"multi_margin_loss needs scores of shape (N, C) or (C,), got {self.shape}"
            )
        x: Any = self
        given = _labels(self, "multi_margin_loss", "scores", target)._data
        classes = self.shape[-1]
        labels.check_in_range(given, classes, np.True_)
        is_true = np.equal.outer(given, np.arange(classes))
        too_near = (x - x[is_true].reshape(*given.shape, 1) + margin).relu()
        if p == 2:
            too_near = too_near.square()
        losses = ops.where(is_true, 0, too_near).sum(axis=-1) / classes
        if weight is not None:
            losses = losses * _class_weights(self, weight, classes)[given]
        return _reduced(losses, as_reduction(reduction))


# ---- what they have in common ------------------------------------------------------------------


def _pair(x: Methods, loss: str, target: Any) -> tuple[Any, Any]:
    """The predictions and the target, as floating-point tensors of one shape."""
    dtype = x._data.dtype
    if dtype.kind != "f":
        raise DtypeError(
            f"{loss} needs floating-point predictions, this tensor is {dtype}: use astype(float)"
        )
    if not isinstance(target, Methods):
        target = x._coerced(as_array(target, getattr(target, "dtype", dtype)))
    if target._data.dtype.kind != "f":
        target = target.astype(dtype)
    if target._data.shape != x._data.shape:
        raise _shapes_differ(loss, x.shape, target.shape)
    return x, target


def _distance(x: Methods, op: ops.Op, target: Any, attributes: dict[str, Any]) -> Tensor:
    return x._record(op, _pair(x, op.name, target), attributes)


def _binary(x: Methods, op: ops.Op, target: Any, weight: Any, reduction: str) -> Tensor:
    as_reduction(reduction)
    _check_fractions(op.name, target)
    if weight is None:
        return x._record(op, (x, target), {"reduction": reduction})
    losses = x._record(op, (x, target), {"reduction": "none"})
    return _weighted(losses, weight, reduction)


def _labels(x: Methods, loss: str, called: str, target: Any, ignore_index: Any = None) -> Any:
    """Class indices, as NumPy likes them."""
    if not isinstance(target, Methods):
        target = x._coerced(labels.as_target(target, x._data.dtype))
    labels.is_index_target(x._data, target._data, loss, called, soft=False)
    return labels.as_indices(target, x.shape[min(1, x.ndim - 1)], ignore_index)


def _shapes_differ(loss: str, x: tuple[int, ...], t: tuple[int, ...]) -> ShapeError:
    if x == (*t, 1):
        fix = "Use squeeze(-1) on the predictions."
    elif t == (*x, 1):
        fix = "Use squeeze(-1) on the target."
    elif math.prod(x) == math.prod(t):
        fix = f"Use target.reshape({x})."
    elif _stretches(t, x):
        fix = f"If the target is to be repeated, use target.expand({x})."
    else:
        fix = "Each prediction needs a target of its own."
    error = ShapeError(f"{loss}: predictions of shape {x} and a target of shape {t} differ. {fix}")
    return coded(error, "loss-of-other-shape")


def _stretches(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether `shape` broadcasts to `wanted`, which stays as it is."""
    try:
        return np.broadcast_shapes(shape, wanted) == wanted
    except ValueError:
        return False


def _first(values: Any, wrong: Any) -> str:
    """The first wrong value and where it stands."""
    where = tuple(int(i) for i in np.argwhere(wrong)[0])
    at = f" at row {where[0]}" if len(where) == 1 else f" at position {where}" if where else ""
    return f"{values[where]:.6g}{at}"


def _outside(values: Any) -> str:
    """The first value that is not between 0 and 1, in words; empty if all are."""
    if not values.size or (values.item(values.argmax()) <= 1 and values.item(values.argmin()) >= 0):
        return ""
    return _first(values, ~((values >= 0) & (values <= 1)))


def _below_0(values: Any) -> str:
    """The first negative value, in words; empty if there is none."""
    if not values.size or not values.item(values.argmin()) < 0:
        return ""
    return _first(values, values < 0)


def _check_fractions(loss: str, target: Any) -> None:
    outside = _outside(target._data)
    if outside:
        raise LabelError(f"{loss} needs targets between 0 and 1, got {outside}")


def _factor(x: Any, weight: Any, name: str) -> Any:
    """A weight, as a tensor that broadcasts to the shape of x."""
    if not isinstance(weight, Methods):
        weight = x._coerced(as_array(weight, getattr(weight, "dtype", x.dtype)))
    if not _stretches(weight.shape, x.shape):
        raise ShapeError(f"{name} of shape {weight.shape} does not broadcast to {x.shape}")
    return weight


def _reduced(losses: Tensor, reduction: str) -> Tensor:
    """A loss that is composed of simpler operations, summed up."""
    if reduction == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()


def _weighted(losses: Tensor, weight: Any, reduction: str) -> Tensor:
    if weight is not None:
        losses = losses * _factor(losses, weight, "weight")
    return _reduced(losses, reduction)


def _class_weights(x: Methods, weight: Any, classes: int) -> Any:
    if weight is None:
        return np.ones(classes, x.dtype)
    weight = weight._data if isinstance(weight, Methods) else np.asarray(weight)
    return labels.class_weights(weight, classes).astype(x.dtype)
