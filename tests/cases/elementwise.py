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
        settings(beta=(1.0, 2.5)),
        Tensor.softplus,
        lambda x, beta: np.log(1 + np.exp(beta * x)) / beta,
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
    "sign": Case(elementwise(real), ops.sign, lambda x: np.where(x < 0, -1.0, 1.0)),
    "equal": Case(elementwise(whole, whole), lambda a, b: a == b, np.equal),
    "not_equal": Case(elementwise(whole, whole), lambda a, b: a != b, np.not_equal),
    "less": Case(elementwise(whole, whole), lambda a, b: a < b, np.less),
    "less_equal": Case(elementwise(whole, whole), lambda a, b: a <= b, np.less_equal),
    "greater": Case(elementwise(whole, whole), lambda a, b: a > b, np.greater),
    "greater_equal": Case(elementwise(whole, whole), lambda a, b: a >= b, np.greater_equal),
}
