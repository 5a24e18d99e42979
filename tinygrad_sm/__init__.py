"""tinygrad_sm: a small reverse-mode autograd engine on NumPy with a softmax head.

>>> from tinygrad_sm import Tensor
>>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> loss = x.softmax().log()[2] * -1  # −ln p of class 2
>>> loss.backward()
>>> x.grad.round(4)  # p − onehot
array([ 0.09  ,  0.2447, -0.3348], dtype=float32)
"""

from typing import Any

from tinygrad_sm import spelling
from tinygrad_sm.autograd import enable_grad, no_grad
from tinygrad_sm.creation import (
    arange,
    default_generator,
    eye,
    full,
    full_like,
    linspace,
    manual_seed,
    ones,
    ones_like,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    uniform,
    zeros,
    zeros_like,
)
from tinygrad_sm.differentiate import grad, hessian, hvp, jacobian, jvp, vjp
from tinygrad_sm.errors import (
    AnomalyError,
    DtypeError,
    GradcheckError,
    GradientError,
    LabelError,
    ShapeError,
    TrainingWarning,
)
from tinygrad_sm.function import Function
from tinygrad_sm.functions import (
    add,
    addmm,
    allclose,
    atan2,
    baddbmm,
    bmm,
    broadcast_tensors,
    cat,
    concat,
    concatenate,
    div,
    dot,
    einsum,
    eq,
    floor_divide,
    fmod,
    ge,
    gt,
    hstack,
    inner,
    isclose,
    le,
    lerp,
    logaddexp,
    logical_and,
    logical_or,
    logical_xor,
    lt,
    matmul,
    maximum,
    minimum,
    mm,
    mul,
    mv,
    ne,
    outer,
    pow,
    remainder,
    stack,
    sub,
    tensordot,
    vstack,
    where,
)
from tinygrad_sm.gradcheck import gradcheck
from tinygrad_sm.tensor import Tensor, note_writes
from tinygrad_sm.values import get_default_dtype, set_default_dtype

__version__ = "0.1.0"


_LAZY = {
    "Graph": "tinygrad_sm.graph",
    "detect_anomaly": "tinygrad_sm.anomaly",
    "draw": "tinygrad_sm.viz",
    "explain": "tinygrad_sm.viz",
    "explain_grad": "tinygrad_sm.gradient_report",
    "summary": "tinygrad_sm.viz",
    "to_dict": "tinygrad_sm.viz",
    "to_dot": "tinygrad_sm.viz",
}


def __getattr__(name: str) -> Any:
    """Load pictures and helpers when they are first asked for: importing the engine stays quick."""
    return spelling.look_up(__name__, name, _LAZY, spelling.of_package(name, Tensor))


__all__ = [
    "AnomalyError",
    "DtypeError",
    "Function",
    "GradcheckError",
    "GradientError",
    "Graph",
    "LabelError",
    "ShapeError",
    "Tensor",
    "TrainingWarning",
    "add",
    "addmm",
    "allclose",
    "arange",
    "atan2",
    "baddbmm",
    "bmm",
    "broadcast_tensors",
    "cat",
    "concat",
    "concatenate",
    "default_generator",
    "detect_anomaly",
    "div",
    "dot",
    "draw",
    "einsum",
    "enable_grad",
    "eq",
    "explain",
    "explain_grad",
    "eye",
    "floor_divide",
    "fmod",
    "full",
    "full_like",
    "ge",
    "get_default_dtype",
    "grad",
    "gradcheck",
    "gt",
    "hessian",
    "hstack",
    "hvp",
    "inner",
    "isclose",
    "jacobian",
    "jvp",
    "le",
    "lerp",
    "linspace",
    "logaddexp",
    "logical_and",
    "logical_or",
    "logical_xor",
    "lt",
    "manual_seed",
    "matmul",
    "maximum",
    "minimum",
    "mm",
    "mul",
    "mv",
    "ne",
    "no_grad",
    "note_writes",
    "ones",
    "ones_like",
    "outer",
    "pow",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "remainder",
    "set_default_dtype",
    "stack",
    "sub",
    "summary",
    "tensordot",
    "to_dict",
    "to_dot",
    "uniform",
    "vjp",
    "vstack",
    "where",
    "zeros",
    "zeros_like",
]
