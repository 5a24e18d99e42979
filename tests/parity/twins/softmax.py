"""The softmax head in PyTorch, called as our cases are."""

import torch
from torch.nn import functional as F

from twins.reduction import reduction


def cross_entropy(z, labels, reduction):
    return torch.nn.functional.cross_entropy(z, labels, reduction=reduction)


def soft_cross_entropy(z, q, reduction, count):
    losses = -(q * torch.log_softmax(z, min(1, z.ndim - 1))).sum(min(1, z.ndim - 1))
    return {"none": losses, "sum": losses.sum(), "mean": losses.sum() / count}[reduction]


TWINS = {
    "softmax": lambda x, axis: torch.softmax(x, axis),
    "log_softmax": lambda x, axis: torch.log_softmax(x, axis),
    "logsumexp": reduction(torch.logsumexp),
    "one_hot": lambda x, classes, dtype: F.one_hot(x, classes).double(),
    "cross_entropy": cross_entropy,
    "soft_cross_entropy": soft_cross_entropy,
}
