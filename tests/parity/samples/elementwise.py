"""Elementwise operators, called as PyTorch calls its own."""

import operator

import numpy as np

from samples.unsupported import Unsupported
from tinygrad_sm import Tensor, where


def cast(method):
    def call(input, memory_format=None):
        return getattr(input, method)()

    return call


def reflected(function):
    return lambda input, other: function(other, input)


def without_inplace(function):
    def call(input, inplace=False, **options):
        return function(input, **options)

    return call


def clamp(input, min=None, max=None):
    for bound in min, max:
        if bound is not None and np.result_type(input.dtype, bound.dtype) != input.dtype:
            raise Unsupported(f"{input.dtype} beside {bound.dtype} becomes float64, as in NumPy")
    return input.clamp(min, max)


def hardsigmoid(input, inplace=False):
    if input.dtype == np.float64 and input.numel():
        raise Unsupported("PyTorch has 1/6, the derivative, in float32 only")
    return input.hardsigmoid()


METHODS = """
    abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_not bitwise_or bitwise_xor
    ceil clamp cos cosh eq erf erfc exp exp2 expm1 floor floor_divide fmod ge gt isclose isfinite
    isinf isnan le lerp log log10 log1p log2 logaddexp logical_and logical_not logical_or
    logical_xor lt masked_fill maximum minimum mul ne neg positive pow reciprocal remainder round
    rsqrt sigmoid sign sin sinh sqrt square sub tan tanh trunc
""".split()  # noqa: SIM905

ACTIVATIONS = """
    celu elu gelu hardsigmoid hardswish hardtanh leaky_relu logsigmoid mish relu relu6 selu silu
    softplus softsign
""".split()  # noqa: SIM905

SAMPLES = {
    **{name: getattr(Tensor, name) for name in METHODS},
    **{f"nn.functional.{name}": without_inplace(getattr(Tensor, name)) for name in ACTIVATIONS},
    "clamp": clamp,
    "nn.functional.hardsigmoid": hardsigmoid,
    **{name: cast(name) for name in ("float", "double", "half", "int", "long", "bool")},
    ("div", "no_rounding_mode"): Tensor.div,
    ("div", "trunc_rounding"): Tensor.div,
    ("div", "floor_rounding"): Tensor.div,
    "true_divide": Tensor.true_divide,
    ("round", "decimals_0"): Tensor.round,
    ("round", "decimals_3"): Tensor.round,
    ("round", "decimals_neg_3"): Tensor.round,
    "where": lambda input, condition, other: where(condition, input, other),
    "__radd__": reflected(operator.add),
    "__rsub__": reflected(operator.sub),
    "__rmul__": reflected(operator.mul),
    "__rdiv__": reflected(operator.truediv),
    "__rmod__": reflected(operator.mod),
    "__rpow__": reflected(operator.pow),
    "__rand__": reflected(operator.and_),
    "__ror__": reflected(operator.or_),
    "__rxor__": reflected(operator.xor),
}
