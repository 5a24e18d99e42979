"""The softmax head as methods of Tensor; the derivatives stand in `ops/softmax.py`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_sm import labels, ops
from tinygrad_sm.errors import DtypeError, warn
from tinygrad_sm.methods.base import Axis, Methods, as_axis, as_reduction, one_axis

if TYPE_CHECKING:
    from tinygrad_sm.tensor import Tensor


class Softmax(Methods):
    """Scores into probabilities, and how wrong they are."""

    __slots__ = ()

    def softmax(self, axis: int = -1) -> Tensor:
        """Scores into probabilities: pᵢ = e^xᵢ / Σⱼ e^xⱼ along `axis`.

        Stable for every finite input and for −inf (probability 0): the largest score is subtracted
        first, which changes nothing. Derivative: p (g − Σ g p).

        >>> Tensor([1.0, 2.0, 3.0]).softmax()
        Tensor([0.09  , 0.2447, 0.6652])
        """
        return self._apply(ops.softmax, axis=_softmax_axis(self, axis))

    def softmin(self, axis: int = -1) -> Tensor:
        """softmax(−x) along `axis`: the smallest score gets the highest probability.

        >>> Tensor([1.0, 2.0, 3.0]).softmin()
        Tensor([0.6652, 0.2447, 0.09  ])
        """
        return self._unary(ops.negative).softmax(axis)

    def log_softmax(self, axis: int = -1) -> Tensor:
        """ln softmax(x) = x − logsumexp(x) along `axis`, without the softmax's underflow.

        Derivative: g − p Σ g.

        >>> Tensor([0.0, -1000.0]).log_softmax()
        Tensor([    0., -1000.])
        """
        return self._apply(ops.log_softmax, axis=_softmax_axis(self, axis))

    def logsumexp(self, axis: Axis = -1, keepdims: bool = False) -> Tensor:
        """ln Σ eˣ along `axis`: a smooth maximum. Derivative: softmax(x).

        >>> Tensor([1000.0, 1000.0]).logsumexp()
        Tensor(1000.6932)
        """
        axis = _softmax_axis(self, as_axis(axis, self._data.ndim))
        return self._apply(ops.logsumexp, axis=axis, keepdims=keepdims)

    def cross_entropy(
        self,
        target: Any,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> Tensor:
        """How badly the scores predict the target: −ln softmax(x)[true class].

        self: scores (logits, not probabilities) of shape (N, C), (C,) or (N, C, d1, …).
        target: the index of the true class, shape (N,), () or (N, d1, …); or a probability for
            each class, in the shape of the scores, such as one-hot rows: −Σ q ln softmax(x).
        weight: a factor for each class, shape (C,). A constant: it gets no gradient.
        ignore_index: rows with this index count for nothing.
        reduction: "mean" over the rows (weighted by `weight` for indices), "sum", or "none".
        label_smoothing: ε in [0, 1]; the target becomes (1 − ε) target + ε / C.

        The derivative with respect to the scores is (p − onehot) / N for the mean.

        Raises LabelError for a label that names no class or a row that is no distribution,
        DtypeError for float labels, ShapeError for shapes that do not fit.

        >>> Tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 3.0]]).cross_entropy([0, 2])
        Tensor(0.1672)
        """
        if reduction != "mean":
            as_reduction(reduction)
        if self._op in _PERHAPS_NO_SCORES:
            _check_scores(self)
        if not isinstance(target, Methods):
            target = self._coerced(labels.as_target(target, self._data.dtype))
        scores, given = self._data, target._data
        plain = weight is None and not label_smoothing and ignore_index < 0
        if plain and labels.are_plain_indices(scores, given):
            return self._record(ops.cross_entropy, (self, target), {"reduction": reduction})
        indices = labels.is_index_target(scores, given)
        classes = scores.shape[1] if scores.ndim > 1 else scores.shape[0]
        if indices:
            target = labels.as_indices(target, classes, ignore_index)
            given = target._data
            if plain and given.size and labels.all_in_range(given, classes):
                return self._record(ops.cross_entropy, (self, target), {"reduction": reduction})
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing lies between 0 and 1, got {label_smoothing}")
        factors = np.ones(classes, scores.dtype)
        if weight is not None:
            weight = weight._data if isinstance(weight, Methods) else np.asarray(weight)
            factors = labels.class_weights(weight, classes).astype(scores.dtype)
        if indices:
            distribution, count = labels.index_distribution(
                given, classes, factors, ignore_index, label_smoothing
            )
        else:
            labels.check_probabilities(scores, given)
            count = float(math.prod(scores.shape) // classes)
            distribution = target if target.dtype.kind == "f" else target.astype(scores.dtype)
            if label_smoothing:
                distribution = distribution * (1 - label_smoothing) + label_smoothing / classes
            if weight is not None:
                distribution = distribution * factors.reshape(-1, *(1,) * max(scores.ndim - 2, 0))
        return self._apply(ops.soft_cross_entropy, distribution, reduction=reduction, count=count)


_PROBABILITIES = {ops.softmax, ops.log_softmax, ops.sigmoid}
_REARRANGED = {ops.reshape, ops.permute, ops.getitem}
_PERHAPS_NO_SCORES = _PROBABILITIES | _REARRANGED


def _check_scores(x: Any) -> None:
    """Warn if scores are probabilities, perhaps in another shape or some of them only."""
    while x._op in _REARRANGED:
        x = x._inputs[0]
    if x._op in _PROBABILITIES:
        warn(
            "probabilities-as-scores",
            f"the loss got the result of {x._op.name}, but takes the scores themselves and "
            f"applies a softmax to them: leave {x._op.name} out before the loss.",
        )


def _softmax_axis(x: Methods, axis: Any) -> Any:
    if x._data.dtype.kind != "f":
        raise DtypeError(
            f"softmax needs floating-point scores, this tensor is {x._data.dtype}: "
            "use astype(float)"
        )
    if x._data.ndim and isinstance(axis, int):
        one_axis(axis, x._data.ndim)
    return axis
