"""For each operation, what it is called in PyTorch."""

from twins import (
    convolution,
    elementwise,
    linear_algebra,
    loss,
    normalization,
    reduction,
    shape,
    softmax,
)

TWINS = elementwise.TWINS | shape.TWINS | reduction.TWINS | linear_algebra.TWINS
TWINS |= softmax.TWINS | loss.TWINS | normalization.TWINS | convolution.TWINS
