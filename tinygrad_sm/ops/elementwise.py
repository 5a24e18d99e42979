"""Elementwise operations: each line is a function and, after it, its derivative rule.

g is the gradient of the loss with respect to the result y; a rule gives the gradient with respect
to the input. The chain rule is the multiplication by g.
"""

import math
from functools import cache
from typing import Any

import numpy as np

from tinygrad_sm.ops.op import Op


@cache
def _zero(dtype: np.dtype[Any]) -> Any:
    """0 as an array, which NumPy compares with much quicker than with a Python number."""
    return np.zeros((), dtype)


@cache
def _largest(dtype: np.dtype[Any]) -> Any:
    """The largest value there is, as an array."""
    return np.array(np.inf if dtype.kind == "f" else np.iinfo(dtype).max, dtype)


def _is_positive(y: Any) -> Any:
    """1 where y > 0, else 0: as numbers of y's kind, for a product with bools is slow."""
    if isinstance(y, np.ndarray):
        return np.greater(y, _zero(y.dtype)).astype(y.dtype)
    return y > 0


def _sigmoid(x: Any) -> Any:
    """1 / (1 + e⁻ˣ), written with e^−|x| so that it cannot overflow."""
    e = np.exp(-np.absolute(x))
    return np.where(x < 0, e, np.ones_like(e)) / (1 + e)


def _softplus(x: Any) -> Any:
    """ln(1 + eˣ), which is x + ln(1 + e⁻ˣ) for a large x: neither overflows."""
    return np.maximum(x, _zero(x.dtype)) + np.log1p(np.exp(-np.absolute(x)))


def _power(a: Any, b: Any) -> Any:
    """aᵇ. A single exponent goes to Python's **: NumPy has short cuts for squares and roots."""
    if b.ndim == 0 and np.result_type(a, b) == a.dtype:
        return a ** b.item()
    return np.power(a, b)


def _clamp_rule(g: Any, y: Any, x: Any, min: Any = None, max: Any = None) -> Any:
    """g from min to max, both included, else 0."""
    if min is not None:
        g = where(x >= min, g, 0)
    return g if max is None else where(x <= max, g, 0)


# ---- one input ---------------------------------------------------------------------------------

negative = Op("negative", np.negative, lambda g, y, x: -g)
exp = Op("exp", np.exp, lambda g, y, x: g * y)
log = Op("log", np.log, lambda g, y, x: g / x)
sqrt = Op("sqrt", np.sqrt, lambda g, y, x: g / (2 * y))
abs = Op("abs", np.absolute, lambda g, y, x: g * sign(x))
tanh = Op("tanh", np.tanh, lambda g, y, x: g * (1 - y * y))
relu = Op(
    "relu",
    lambda x: x.clip(_zero(x.dtype), _largest(x.dtype)),  # up to four times as quick as maximum
    lambda g, y, x: g * _is_positive(y),
)
sigmoid = Op("sigmoid", _sigmoid, lambda g, y, x: g * y * (1 - y))

square = Op("square", np.square, lambda g, y, x: g * (2 * x))
reciprocal = Op("reciprocal", lambda x: 1 / x, lambda g, y, x: -g * y * y)
rsqrt = Op("rsqrt", lambda x: 1 / np.sqrt(x), lambda g, y, x: -g * y / (2 * x))

exp2 = Op("exp2", np.exp2, lambda g, y, x: g * (y * math.log(2)))
expm1 = Op("expm1", np.expm1, lambda g, y, x: g * (y + 1))
log2 = Op("log2", np.log2, lambda g, y, x: g / (x * math.log(2)))
log10 = Op("log10", np.log10, lambda g, y, x: g / (x * math.log(10)))
log1p = Op("log1p", np.log1p, lambda g, y, x: g / (1 + x))

sin: Op = Op("sin", np.sin, lambda g, y, x: g * cos(x))
cos: Op = Op("cos", np.cos, lambda g, y, x: -g * sin(x))
tan = Op("tan", np.tan, lambda g, y, x: g * (1 + y * y))
asin = Op("asin", np.arcsin, lambda g, y, x: g * rsqrt(1 - x * x))
acos = Op("acos", np.arccos, lambda g, y, x: -g * rsqrt(1 - x * x))
atan = Op("atan", np.arctan, lambda g, y, x: g / (1 + x * x))
sinh: Op = Op("sinh", np.sinh, lambda g, y, x: g * cosh(x))
cosh: Op = Op("cosh", np.cosh, lambda g, y, x: g * sinh(x))
asinh = Op("asinh", np.arcsinh, lambda g, y, x: g * rsqrt(x * x + 1))
acosh = Op("acosh", np.arccosh, lambda g, y, x: g * rsqrt(x * x - 1))
atanh = Op("atanh", np.arctanh, lambda g, y, x: g / (1 - x * x))

silu = Op("silu", lambda x: x * _sigmoid(x), lambda g, y, x: g * (sigmoid(x) * (1 + x - y)))
logsigmoid = Op("logsigmoid", lambda x: -_softplus(-x), lambda g, y, x: g * sigmoid(-x))
softsign = Op(
    "softsign", lambda x: x / (1 + np.absolute(x)), lambda g, y, x: g / square(1 + abs(x))
)

# ---- one input and settings --------------------------------------------------------------------

clamp = Op("clamp", lambda x, min=None, max=None: np.clip(x, min, max), _clamp_rule)
hardtanh = Op(
    "hardtanh",
    lambda x, low=-1.0, high=1.0: np.clip(x, low, high),
    lambda g, y, x, low=-1.0, high=1.0: where((x <= low) + (x >= high), 0, g),
)
leaky_relu = Op(
    "leaky_relu",
    lambda x, slope=0.01: np.where(x > 0, x, x * slope),
    lambda g, y, x, slope=0.01: where(x > 0, g, g * slope),
)
elu = Op(
    "elu",
    lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
    lambda g, y, x, alpha=1.0: where(x <= 0, g * (y + alpha), g),
)
celu = Op(
    "celu",
    lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha)),
    lambda g, y, x, alpha=1.0: where(x <= 0, g * (y / alpha + 1), g),
)
softplus = Op(
    "softplus",
    lambda x, beta=1.0: _softplus(beta * x) / beta,
    lambda g, y, x, beta=1.0: g * sigmoid(beta * x),
)

astype: Op = Op(
    "astype",
    lambda x, dtype: x.astype(dtype),
    lambda g, y, x, dtype: astype(g, dtype=x.dtype),
)

# ---- two inputs --------------------------------------------------------------------------------

add = Op("add", np.add, lambda g, y, a, b: g, lambda g, y, a, b: g, broadcasts=True)
subtract = Op("subtract", np.subtract, lambda g, y, a, b: g, lambda g, y, a, b: -g, broadcasts=True)
multiply = Op(
    "multiply", np.multiply, lambda g, y, a, b: g * b, lambda g, y, a, b: g * a, broadcasts=True
)
divide = Op(
    "divide",
    np.divide,
    lambda g, y, a, b: g / b,
    lambda g, y, a, b: -g * y / b,
    broadcasts=True,
)
power: Op = Op(
    "power",
    _power,
    # b aᵇ⁻¹, and 0 where a and b are both 0; aᵇ ln a, and 0 where a is 0.
    lambda g, y, a, b: g * (b * power(a + (a == 0) * (b == 0), b - 1)),
    lambda g, y, a, b: g * (y * log(a + (a == 0))),
    broadcasts=True,
)
maximum = Op(
    "maximum",
    np.maximum,
    # Equal elements share the gradient.
    lambda g, y, a, b: where(equal(a, b), g / 2, where(a > b, g, 0)),
    lambda g, y, a, b: where(equal(a, b), g / 2, where(b > a, g, 0)),
    broadcasts=True,
)
minimum = Op(
    "minimum",
    np.minimum,
    lambda g, y, a, b: where(equal(a, b), g / 2, where(a < b, g, 0)),
    lambda g, y, a, b: where(equal(a, b), g / 2, where(b < a, g, 0)),
    broadcasts=True,
)
logaddexp = Op(
    "logaddexp",
    np.logaddexp,
    lambda g, y, a, b: g * sigmoid(a - b),
    lambda g, y, a, b: g * sigmoid(b - a),
    broadcasts=True,
)
atan2 = Op(
    "atan2",
    np.arctan2,
    lambda g, y, a, b: g * b / (a * a + b * b),
    lambda g, y, a, b: -g * a / (a * a + b * b),
    broadcasts=True,
)
where: Op = Op(
    "where",
    np.where,
    None,
    lambda g, y, condition, a, b: where(condition, g, 0),
    lambda g, y, condition, a, b: where(condition, 0, g),
    broadcasts=True,
)

# ---- without a derivative: constant between their jumps ----------------------------------------

sign: Op = Op("sign", np.sign)
equal: Op = Op("equal", np.equal, broadcasts=True)
not_equal = Op("not_equal", np.not_equal, broadcasts=True)
less = Op("less", np.less, broadcasts=True)
less_equal = Op("less_equal", np.less_equal, broadcasts=True)
greater = Op("greater", np.greater, broadcasts=True)
greater_equal = Op("greater_equal", np.greater_equal, broadcasts=True)
