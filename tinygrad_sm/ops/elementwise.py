"""Elementwise operations: each line is a function and, after it, its derivative rule.

g is the gradient of the loss with respect to the result y; a rule gives the gradient with respect
to the input. The chain rule is the multiplication by g.
"""

import math
from functools import cache
from typing import Any

import numpy as np

from tinygrad_sm.errors import DtypeError
from tinygrad_sm.ops.error_function import erf_of, erfc_of
from tinygrad_sm.ops.op import Op


@cache
def _zero(dtype: np.dtype[Any]) -> Any:
    """0 as an array, which NumPy compares with much quicker than with a Python number."""
    return np.zeros((), dtype)


@cache
def _not_negative(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """0 and the largest value there is, as arrays."""
    return _zero(dtype), np.array(np.inf if dtype.kind == "f" else np.iinfo(dtype).max, dtype)


def _relu_rule(g: Any, y: Any, x: Any) -> Any:
    """g where x > 0, else 0."""
    if not isinstance(y, np.ndarray):
        return g * (y != 0)
    passes = np.not_equal(y, _zero(y.dtype)).astype(g.dtype)  # a product with bools is slower
    passes *= g
    return passes


def _leaky_relu(x: Any, slope: float = 0.01) -> Any:
    """x where x > 0, else slope · x: the larger of the two, which is found much faster."""
    if 0 < slope <= 1:
        return np.maximum(x, x * slope)
    return np.maximum(x, 0) + slope * np.minimum(x, 0)


def _leaky_relu_rule(g: Any, y: Any, x: Any, slope: float = 0.01) -> Any:
    """g where x > 0, else slope · g."""
    if isinstance(x, np.ndarray) and 0 < slope <= 1:
        return g * np.maximum(x > 0, slope, dtype=x.dtype)
    return where(x > 0, g, g * slope)


def _sign(x: Any) -> Any:
    """−1, 0 or 1; of NaN 0."""
    if x.dtype.kind == "f":
        zero = _zero(x.dtype)
        return np.subtract(np.greater(x, zero), np.less(x, zero), dtype=x.dtype)
    return x if x.dtype.kind == "b" else np.sign(x)


def _abs_rule(g: Any, y: Any, x: Any) -> Any:
    """g with the sign of x, which is 0 at 0."""
    if isinstance(x, np.ndarray):
        return g * _sign(x)
    return where(x > 0, g, where(x < 0, -g, 0))  # `sign` itself would be recorded


def _sigmoid(x: Any) -> Any:
    """1 / (1 + e⁻ˣ), or eˣ / (1 + eˣ) where x < 0, so that it cannot overflow."""
    e = np.exp(-np.absolute(x))
    return np.maximum(e, x >= 0) / (1 + e)  # e is at most 1; np.where is several times slower


def _softplus(x: Any) -> Any:
    """ln(1 + eˣ), which is x + ln(1 + e⁻ˣ) for a large x: neither overflows."""
    return np.maximum(x, _zero(x.dtype)) + np.log1p(np.exp(-np.absolute(x)))


def _power(a: Any, b: Any) -> Any:
    """aᵇ. A single exponent goes to Python's **: NumPy has short cuts for squares and roots."""
    dtype = a.dtype
    if not b.ndim and dtype.kind == "f" and (b.dtype is dtype or np.result_type(a, b) == dtype):
        exponent = b.item()
        return a * a * a if exponent == 3 else a**exponent  # the cube of ** is 50 times as slow
    return np.power(a, b)


def _thresholded_softplus(x: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """ln(1 + e^βx) / β, and x itself above the threshold."""
    z = x * beta
    return np.where(z > threshold, x, _softplus(z) / beta)


def _base_rule(g: Any, y: Any, a: Any, b: Any) -> Any:
    """b aᵇ⁻¹ g, which is 0 for b = 0 whatever a is."""
    if b.ndim or getattr(b, "requires_grad", False):
        a = where((b == 0) * ((a == 0) + (a != a)), 1, a)
    elif b == 0:  # the usual single number
        return zeros_like(g)
    return g * (b * power(a, b - 1))


def _truncated_quotient(a: Any, b: Any) -> Any:
    """a / b without its fraction."""
    if np.result_type(a, b).kind == "f":
        return np.trunc(np.divide(a, b))
    return np.floor_divide(a - np.fmod(a, b), b)


def _gelu(x: Any) -> Any:
    """x Φ(x), and Φ(x) for the derivative."""
    probability = 0.5 * erfc_of(x * -math.sqrt(0.5))
    return x * probability, probability


def _gelu_rule(g: Any, y: Any, x: Any, probability: Any) -> Any:
    """g (Φ(x) + x φ(x)) with the normal distribution Φ and its density φ."""
    if probability is None:
        probability = 0.5 * erfc(x * -math.sqrt(0.5))
    return g * (probability + x * exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi)))


def _lerp(a: Any, b: Any, weight: Any) -> Any:
    """a + weight (b − a), from the nearer end, so that both ends are met exactly."""
    step = b - a
    return np.where(np.absolute(weight) < 0.5, a + weight * step, b - step * (1 - weight))


def _squared_radius(a: Any, b: Any) -> Any:
    """a² + b², and 1 in the origin, for a division by it."""
    r = a * a + b * b
    return r + (r == 0)


def _of_bits(function: Any, sign: str) -> Any:
    """The function, with an error that says what is usually meant."""
    instead = {
        1: "for where numbers are 0, take x == 0 or logical_not()",
        2: f"comparisons stand in parentheses, as in (a > 0) {sign} (b > 0)",
    }

    def forward(*inputs: Any) -> Any:
        try:
            return function(*inputs)
        except TypeError:
            dtypes = " and ".join(str(x.dtype) for x in inputs)
            raise DtypeError(
                f"{sign} needs bools or integers, got {dtypes}; {instead[len(inputs)]}"
            ) from None

    return forward


def _zeros_for_each(g: Any, y: Any, a: Any, b: Any) -> Any:
    """0: it is constant between its jumps."""
    return zeros_like(g)


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
abs = Op("abs", np.absolute, _abs_rule)
tanh = Op("tanh", np.tanh, lambda g, y, x: g * (1 - y * y))
relu = Op(
    "relu",
    lambda x: x.clip(*_not_negative(x.dtype)),  # up to four times as quick as maximum
    _relu_rule,
)
sigmoid = Op("sigmoid", _sigmoid, lambda g, y, x: g * y * (1 - y))

square = Op("square", np.square, lambda g, y, x: g * (2 * x))
reciprocal = Op("reciprocal", lambda x: 1 / x, lambda g, y, x: -g * y * y)
rsqrt = Op("rsqrt", lambda x: 1 / np.sqrt(x), lambda g, y, x: g * (y * y * y * -0.5))

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
hardsigmoid = Op(
    "hardsigmoid",
    lambda x: np.clip(x + 3, 0, 6) / 6,
    lambda g, y, x: where((x > -3) * (x < 3), g / 6, 0),
)
hardswish = Op(
    "hardswish",
    lambda x: x * np.clip(x + 3, 0, 6) / 6,
    lambda g, y, x: where(x <= -3, 0, where(x < 3, g * (x / 3 + 0.5), g)),
)
gelu = Op("gelu", _gelu, _gelu_rule, saves=True)
erf = Op("erf", erf_of, lambda g, y, x: g * (exp(-x * x) * (2 / math.sqrt(math.pi))))
erfc = Op("erfc", erfc_of, lambda g, y, x: g * (exp(-x * x) * (-2 / math.sqrt(math.pi))))

# Constant between their jumps: the gradient is 0.
sign = Op("sign", _sign, lambda g, y, x: zeros_like(g))
floor = Op("floor", np.floor, lambda g, y, x: zeros_like(g))
ceil = Op("ceil", np.ceil, lambda g, y, x: zeros_like(g))
trunc = Op("trunc", np.trunc, lambda g, y, x: zeros_like(g))

# ---- one input and settings --------------------------------------------------------------------

clamp = Op("clamp", lambda x, min=None, max=None: np.clip(x, min, max), _clamp_rule)
hardtanh = Op(
    "hardtanh",
    lambda x, low=-1.0, high=1.0: np.clip(x, low, high),
    lambda g, y, x, low=-1.0, high=1.0: where((x <= low) + (x >= high), 0, g),
)
leaky_relu = Op(
    "leaky_relu",
    _leaky_relu,
    _leaky_relu_rule,
)
elu = Op(
    "elu",
    lambda x, alpha=1.0: np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0)),
    lambda g, y, x, alpha=1.0: where(x < 0, g * (y + alpha), where(x == 0, g * alpha, g)),
)
celu = Op(
    "celu",
    lambda x, alpha=1.0: np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0) / alpha),
    lambda g, y, x, alpha=1.0: where(x < 0, g * (y / alpha + 1), g),
)
softplus = Op(
    "softplus",
    _thresholded_softplus,
    lambda g, y, x, beta=1.0, threshold=20.0: where(x * beta > threshold, g, g * sigmoid(x * beta)),
)
round = Op(
    "round",
    lambda x, decimals=0: np.round(x, decimals),
    lambda g, y, x, decimals=0: zeros_like(g),
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
    _base_rule,
    # aᵇ ln a, and 0 for powers of 0.
    lambda g, y, a, b: g * (y * log(a + (a == 0) * (b >= 0))),
    broadcasts=True,
)
maximum = Op(
    "maximum",
    np.maximum,
    # Equal elements share the gradient; beside NaN both get it.
    lambda g, y, a, b: where(equal(a, b), g / 2, where(a < b, 0, g)),
    lambda g, y, a, b: where(equal(a, b), g / 2, where(b < a, 0, g)),
    broadcasts=True,
)
minimum = Op(
    "minimum",
    np.minimum,
    lambda g, y, a, b: where(equal(a, b), g / 2, where(a > b, 0, g)),
    lambda g, y, a, b: where(equal(a, b), g / 2, where(b > a, 0, g)),
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
    lambda g, y, a, b: g * b / _squared_radius(a, b),
    lambda g, y, a, b: -g * a / _squared_radius(a, b),
    broadcasts=True,
)
remainder = Op(
    "remainder",
    np.remainder,
    lambda g, y, a, b: g,
    lambda g, y, a, b: -g * floor_divide(a, b),
    broadcasts=True,
)
fmod = Op(
    "fmod",
    np.fmod,
    lambda g, y, a, b: g,
    lambda g, y, a, b: -g * trunc_divide(a, b),
    broadcasts=True,
)
floor_divide: Op = Op(
    "floor_divide", np.floor_divide, _zeros_for_each, _zeros_for_each, broadcasts=True
)
trunc_divide: Op = Op(
    "trunc_divide", _truncated_quotient, _zeros_for_each, _zeros_for_each, broadcasts=True
)
clamp_min = Op(
    "clamp_min",
    np.maximum,
    lambda g, y, x, low: where(x >= low, g, 0),
    lambda g, y, x, low: where(x < low, g, 0),
    broadcasts=True,
)
clamp_max = Op(
    "clamp_max",
    np.minimum,
    lambda g, y, x, high: where(x <= high, g, 0),
    lambda g, y, x, high: where(x > high, g, 0),
    broadcasts=True,
)

# ---- three inputs ------------------------------------------------------------------------------

lerp = Op(
    "lerp",
    _lerp,
    lambda g, y, a, b, weight: g * (1 - weight),
    lambda g, y, a, b, weight: g * weight,
    lambda g, y, a, b, weight: g * (b - a),
    broadcasts=True,
)
clamp_between = Op(
    "clamp_between",
    lambda x, low, high: np.minimum(np.maximum(x, low), high),
    lambda g, y, x, low, high: where((low <= x) * (x <= high), g, 0),
    lambda g, y, x, low, high: where((x < low) * (low < high), g, 0),
    lambda g, y, x, low, high: where((x > high) + (low > high), g, 0),
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

# ---- without a derivative ----------------------------------------------------------------------

zeros_like: Op = Op("zeros_like", np.zeros_like)
equal: Op = Op("equal", np.equal, broadcasts=True)
not_equal = Op("not_equal", np.not_equal, broadcasts=True)
less = Op("less", np.less, broadcasts=True)
less_equal = Op("less_equal", np.less_equal, broadcasts=True)
greater = Op("greater", np.greater, broadcasts=True)
greater_equal = Op("greater_equal", np.greater_equal, broadcasts=True)

isnan = Op("isnan", np.isnan)
isinf = Op("isinf", np.isinf)
isfinite = Op("isfinite", np.isfinite)
isclose = Op("isclose", np.isclose, broadcasts=True)

logical_and = Op("logical_and", np.logical_and, broadcasts=True)
logical_or = Op("logical_or", np.logical_or, broadcasts=True)
logical_xor = Op("logical_xor", np.logical_xor, broadcasts=True)
logical_not = Op("logical_not", np.logical_not)
bitwise_and = Op("bitwise_and", _of_bits(np.bitwise_and, "&"), broadcasts=True)
bitwise_or = Op("bitwise_or", _of_bits(np.bitwise_or, "|"), broadcasts=True)
bitwise_xor = Op("bitwise_xor", _of_bits(np.bitwise_xor, "^"), broadcasts=True)
bitwise_not = Op("bitwise_not", _of_bits(np.bitwise_not, "~"))
