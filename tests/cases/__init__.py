"""One case for each operation: the inputs that it takes, how a user calls it, and what it computes.

The tests of every operation (`test_ops.py`, and `parity/` beside PyTorch) run over all of them.
"""

from cases import (
    convolution,
    elementwise,
    linear_algebra,
    loss,
    normalization,
    reduction,
    shape,
    softmax,
)
from cases.draw import tensors as tensors
from cases.draw import weights as weights
from tinygrad_sm import ops

CASES = elementwise.CASES | shape.CASES | reduction.CASES | linear_algebra.CASES
CASES |= softmax.CASES | loss.CASES | normalization.CASES | convolution.CASES
DIFFERENTIABLE = [name for name in CASES if ops.TABLE[name].rules]
