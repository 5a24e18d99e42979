"""What a Tensor can do, by topic: one file for each file of `ops`, where the derivatives stand.

Each method checks and completes its arguments, and applies an operation. Tensor inherits them all.
"""

from tinygrad_sm.methods.convolution import Convolution
from tinygrad_sm.methods.elementwise import Elementwise
from tinygrad_sm.methods.linear_algebra import LinearAlgebra
from tinygrad_sm.methods.loss import Loss
from tinygrad_sm.methods.normalization import Normalization
from tinygrad_sm.methods.reduction import Reduction
from tinygrad_sm.methods.shape import Shape
from tinygrad_sm.methods.softmax import Softmax

__all__ = [
    "Convolution",
    "Elementwise",
    "LinearAlgebra",
    "Loss",
    "Normalization",
    "Reduction",
    "Shape",
    "Softmax",
]
