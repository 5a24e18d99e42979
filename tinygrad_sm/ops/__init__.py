"""Every operation: its forward computation and its derivative, side by side.

Nothing here knows of Tensors. The files read as a sheet of formulas over NumPy arrays:
elementwise, shape, reduction, linear_algebra, softmax.
"""

from tinygrad_sm.ops.elementwise import (
    abs,
    add,
    astype,
    divide,
    equal,
    exp,
    greater,
    greater_equal,
    less,
    less_equal,
    log,
    multiply,
    negative,
    not_equal,
    power,
    relu,
    sigmoid,
    sign,
    sqrt,
    subtract,
    tanh,
    where,
)
from tinygrad_sm.ops.linear_algebra import linear, matmul
from tinygrad_sm.ops.op import TABLE, Op
from tinygrad_sm.ops.reduction import argmax, argmin, max, mean, min, sum
from tinygrad_sm.ops.shape import expand, getitem, permute, put, reshape, sum_to
from tinygrad_sm.ops.softmax import (
    cross_entropy,
    log_softmax,
    logsumexp,
    one_hot,
    soft_cross_entropy,
    softmax,
)

__all__ = [
    "TABLE",
    "Op",
    "abs",
    "add",
    "argmax",
    "argmin",
    "astype",
    "cross_entropy",
    "divide",
    "equal",
    "exp",
    "expand",
    "getitem",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "linear",
    "log",
    "log_softmax",
    "logsumexp",
    "matmul",
    "max",
    "mean",
    "min",
    "multiply",
    "negative",
    "not_equal",
    "one_hot",
    "permute",
    "power",
    "put",
    "relu",
    "reshape",
    "sigmoid",
    "sign",
    "soft_cross_entropy",
    "softmax",
    "sqrt",
    "subtract",
    "sum",
    "sum_to",
    "tanh",
    "where",
]
