"""Elementwise operations: a case for each."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

from cases.draw import (
    Case,
    above_one,
    arrays,
    elementwise,
    inside,
    nonzero,
    positive,
    real,
    settings,
    shapes,
    shifted,
    truth,
    whole,
)
from tinygrad_sm import Tensor, ops


def fractional(values):
    """Away from whole numbers and halves, where rounding jumps, and no two of them related."""
    return np.floor(values * 2) / 2 + 0.217


def odd(values):
    """Far from 0, and quotients of fractional values by them are not near whole numbers."""
    return np.copysign(0.5 + np.floor(np.abs(values)) * 1.3, values) + 0.0713


def near_whole(values):
    return np.round(values) + 0.015


def wide(values):
    return np.floor(values * 8) / 4 + 0.111


def below(values):
    return np.floor(values) / 4 - 0.7217


def above(values):
    return np.floor(values) / 4 + 0.7313


def bits(values):
    return np.floor(values * 4).astype(int)


def special(values):
    """Every fourth value is infinite and every fourth is NaN."""
    return np.choose(np.arange(values.size).reshape(values.shape) % 4, [values, np.inf, 1, np.nan])


erf = np.vectorize(math.erf, otypes=[float])


@st.composite
def casts(draw):
    return (draw(arrays(draw(shapes()))),), {"dtype": np.dtype(np.float64)}


CASES = {
    "negative": Case(elementwise(real), lambda x: -x, lambda x: 0 - x),
    "exp": Case(elementwise(real), Tensor.exp, np.exp),
    "log": Case(elementwise(positive), Tensor.log, np.log),
    "sqrt": Case(elementwise(positive), Tensor.sqrt, lambda x: x**0.5),
    "abs": Case(elementwise(real), abs, lambda x: np.where(x < 0, -x, x)),
    "tanh": Case(elementwise(real), Tensor.tanh, np.tanh),
    "relu": Case(elementwise(real), Tensor.relu, lambda x: np.where(x > 0, x, 0)),
    "sigmoid": Case(elementwise(real), Tensor.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    "square": Case(elementwise(real), Tensor.square, lambda x: x * x),
    "reciprocal": Case(elementwise(nonzero), Tensor.reciprocal, lambda x: x**-1.0),
    "rsqrt": Case(elementwise(positive), Tensor.rsqrt, lambda x: x**-0.5),
    "exp2": Case(elementwise(real), Tensor.exp2, lambda x: 2.0**x),
    "expm1": Case(elementwise(real), Tensor.expm1, lambda x: np.exp(x) - 1),
    "log2": Case(elementwise(positive), Tensor.log2, lambda x: np.log(x) / math.log(2)),
    "log10": Case(elementwise(positive), Tensor.log10, lambda x: np.log(x) / math.log(10)),
    "log1p": Case(elementwise(positive), Tensor.log1p, lambda x: np.log(1 + x)),
    "sin": Case(elementwise(real), Tensor.sin, np.sin),
    "cos": Case(elementwise(real), Tensor.cos, np.cos),
    "tan": Case(elementwise(inside), Tensor.tan, lambda x: np.sin(x) / np.cos(x)),
    "asin": Case(elementwise(inside), Tensor.asin, np.arcsin),
    "acos": Case(elementwise(inside), Tensor.acos, np.arccos),
    "atan": Case(elementwise(real), Tensor.atan, np.arctan),
    "sinh": Case(elementwise(real), Tensor.sinh, lambda x: (np.exp(x) - np.exp(-x)) / 2),
    "cosh": Case(elementwise(real), Tensor.cosh, lambda x: (np.exp(x) + np.exp(-x)) / 2),
    "asinh": Case(elementwise(real), Tensor.asinh, lambda x: np.log(x + np.sqrt(x * x + 1))),
    "acosh": Case(elementwise(above_one), Tensor.acosh, lambda x: np.log(x + np.sqrt(x * x - 1))),
    "atanh": Case(elementwise(inside), Tensor.atanh, lambda x: np.log((1 + x) / (1 - x)) / 2),
    "silu": Case(elementwise(real), Tensor.silu, lambda x: x / (1 + np.exp(-x))),
    "logsigmoid": Case(
        elementwise(real), Tensor.logsigmoid, lambda x: np.log(1 / (1 + np.exp(-x)))
    ),
    "softsign": Case(elementwise(real), Tensor.softsign, lambda x: x / (1 + np.abs(x))),
    "hardsigmoid": Case(
        elementwise(wide), Tensor.hardsigmoid, lambda x: np.maximum(0, np.minimum(1, x / 6 + 0.5))
    ),
    "hardswish": Case(
        elementwise(wide), Tensor.hardswish, lambda x: x * np.maximum(0, np.minimum(1, x / 6 + 0.5))
    ),
    "gelu": Case(elementwise(real), Tensor.gelu, lambda x: x * (1 + erf(x / math.sqrt(2))) / 2),
    "erf": Case(elementwise(real), Tensor.erf, erf),
    "erfc": Case(elementwise(real), Tensor.erfc, lambda x: 1 - erf(x)),
    "sign": Case(elementwise(real), Tensor.sign, lambda x: np.where(x < 0, -1.0, 1.0)),
    "floor": Case(elementwise(fractional), Tensor.floor, lambda x: x - x % 1),
    "ceil": Case(elementwise(fractional), Tensor.ceil, lambda x: x + -x % 1),
    "trunc": Case(elementwise(fractional), Tensor.trunc, lambda x: x - np.fmod(x, 1)),
    "round": Case(
        settings(decimals=(0, 1, 2), domain=fractional),
        Tensor.round,
        lambda x, decimals: np.floor(x * 10**decimals + 0.5) / 10**decimals,
    ),
    "clamp": Case(settings(min=(None, -0.71), max=(0.73,)), Tensor.clamp, np.clip),
    "hardtanh": Case(
        settings(low=(-0.71,), high=(0.73,)),
        lambda x, low, high: x.hardtanh(low, high),
        lambda x, low, high: np.clip(x, low, high),
    ),
    "leaky_relu": Case(
        settings(slope=(0.01, 0.3)),
        lambda x, slope: x.leaky_relu(slope),
        lambda x, slope: np.maximum(x, x * slope),
    ),
    "elu": Case(
        settings(alpha=(1.0, 0.5)),
        Tensor.elu,
        lambda x, alpha: np.where(x > 0, x, alpha * (np.exp(x) - 1)),
    ),
    "celu": Case(
        settings(alpha=(1.0, 0.5)),
        Tensor.celu,
        lambda x, alpha: np.where(x > 0, x, alpha * (np.exp(x / alpha) - 1)),
    ),
    "softplus": Case(
        settings(beta=(1.0, 2.5), threshold=(20.0, 0.913)),
        Tensor.softplus,
        lambda x, beta, threshold: np.where(
            beta * x > threshold, x, np.log(1 + np.exp(beta * x)) / beta
        ),
    ),
    "astype": Case(casts(), Tensor.astype, np.ndarray.astype),
    "add": Case(elementwise(real, real), lambda a, b: a + b, lambda a, b: a + b),
    "subtract": Case(elementwise(real, real), lambda a, b: a - b, lambda a, b: a - b),
    "multiply": Case(elementwise(real, real), lambda a, b: a * b, lambda a, b: a * b),
    "divide": Case(elementwise(real, nonzero), lambda a, b: a / b, lambda a, b: a / b),
    "maximum": Case(elementwise(real, shifted), Tensor.maximum, lambda a, b: np.where(a > b, a, b)),
    "minimum": Case(elementwise(real, shifted), Tensor.minimum, lambda a, b: np.where(a < b, a, b)),
    "logaddexp": Case(
        elementwise(real, real), Tensor.logaddexp, lambda a, b: np.log(np.exp(a) + np.exp(b))
    ),
    "atan2": Case(elementwise(real, nonzero), Tensor.atan2, lambda a, b: np.angle(b + 1j * a)),
    "power": Case(elementwise(positive, real), lambda a, b: a**b, lambda a, b: a**b),
    "where": Case(elementwise(truth, real, real), ops.where, np.where),
    "remainder": Case(
        elementwise(fractional, odd), Tensor.remainder, lambda a, b: a - b * np.floor(a / b)
    ),
    "fmod": Case(elementwise(fractional, odd), Tensor.fmod, lambda a, b: a - b * np.trunc(a / b)),
    "floor_divide": Case(
        elementwise(fractional, odd), Tensor.floor_divide, lambda a, b: np.floor(a / b)
    ),
    "trunc_divide": Case(
        elementwise(fractional, odd),
        lambda a, b: a.div(b, rounding_mode="trunc"),
        lambda a, b: np.trunc(a / b),
    ),
    "lerp": Case(elementwise(real, real, real), Tensor.lerp, lambda a, b, w: a * (1 - w) + b * w),
    "clamp_min": Case(
        elementwise(real, shifted), lambda x, low: x.clamp(low), lambda x, low: np.fmax(x, low)
    ),
    "clamp_max": Case(
        elementwise(real, shifted), lambda x, high: x.clamp(max=high), lambda x, b: np.fmin(x, b)
    ),
    "clamp_between": Case(
        elementwise(real, below, above),
        Tensor.clamp,
        lambda x, low, high: np.where(x < low, low, np.where(x > high, high, x)),
    ),
    "zeros_like": Case(elementwise(real), ops.zeros_like, lambda x: 0 * x),
    "isnan": Case(elementwise(special), Tensor.isnan, lambda x: x != x),
    "isinf": Case(elementwise(special), Tensor.isinf, lambda x: np.abs(x) == np.inf),
    "isfinite": Case(elementwise(special), Tensor.isfinite, lambda x: np.abs(x) < np.inf),
    "isclose": Case(
        elementwise(whole, near_whole),
        lambda a, b: a.isclose(b, rtol=1e-2),
        lambda a, b: np.abs(a - b) <= 1e-8 + 1e-2 * np.abs(b),
    ),
    "logical_and": Case(elementwise(whole, truth), Tensor.logical_and, lambda a, b: (a != 0) * b),
    "logical_or": Case(elementwise(whole, truth), Tensor.logical_or, lambda a, b: (a != 0) + b > 0),
    "logical_xor": Case(elementwise(whole, truth), Tensor.logical_xor, lambda a, b: (a != 0) != b),
    "logical_not": Case(elementwise(whole), Tensor.logical_not, lambda x: x == 0),
    "bitwise_and": Case(elementwise(bits, bits), lambda a, b: a & b, lambda a, b: a & b),
    "bitwise_or": Case(elementwise(bits, bits), lambda a, b: a | b, lambda a, b: a + b - (a & b)),
    "bitwise_xor": Case(
        elementwise(truth, truth), lambda a, b: a ^ b, lambda a, b: a.astype(int) + b == 1
    ),
    "bitwise_not": Case(elementwise(bits), lambda x: ~x, lambda x: -x - 1),
    "equal": Case(elementwise(whole, whole), lambda a, b: a == b, np.equal),
    "not_equal": Case(elementwise(whole, whole), lambda a, b: a != b, np.not_equal),
    "less": Case(elementwise(whole, whole), lambda a, b: a < b, np.less),
    "less_equal": Case(elementwise(whole, whole), lambda a, b: a <= b, np.less_equal),
    "greater": Case(elementwise(whole, whole), lambda a, b: a > b, np.greater),
    "greater_equal": Case(elementwise(whole, whole), lambda a, b: a >= b, np.greater_equal),
}
