"""Elementwise functions as methods of Tensor; the derivatives stand in `ops/elementwise.py`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tinygrad_sm import ops
from tinygrad_sm.errors import DtypeError, ShapeError
from tinygrad_sm.methods.base import Methods

if TYPE_CHECKING:
    from tinygrad_sm.tensor import Tensor


_BOXES = (Methods, np.ndarray, list, tuple)


class Casts(Methods):
    """The same values as another dtype, by PyTorch's names; `astype` takes any.

    They stand apart because they have the names of types.
    """

    __slots__ = ()

    def float(self) -> Tensor:
        """As float32; the tensor itself if it is. The gradient comes back in its own dtype.

        >>> Tensor([1, 2], dtype=int).float()
        Tensor([1., 2.])
        """
        return self._as(np.float32)

    def double(self) -> Tensor:
        """As float64; the tensor itself if it is.

        >>> Tensor([1.0, 2.0]).double()
        Tensor([1., 2.], dtype=float64)
        """
        return self._as(np.float64)

    def half(self) -> Tensor:
        """As float16; the tensor itself if it is. NumPy is slow in it: to save memory only.

        >>> Tensor([1.0, 2.0]).half()
        Tensor([1., 2.], dtype=float16)
        """
        return self._as(np.float16)

    def int(self) -> Tensor:
        """As int32, cut off toward 0; the tensor itself if it is. Whole numbers have no gradient.

        >>> Tensor([1.7, -1.7]).int()
        Tensor([ 1, -1], dtype=int32)
        """
        return self._as(np.int32)

    def long(self) -> Tensor:
        """As int64, cut off toward 0; the tensor itself if it is. Whole numbers have no gradient.

        >>> Tensor([1.7, -1.7]).long()
        Tensor([ 1, -1], dtype=int64)
        """
        return self._as(np.int64)

    def bool(self) -> Tensor:
        """True where x is not 0; the tensor itself if it is of bools.

        >>> Tensor([0.5, 0.0]).bool()
        Tensor([ True, False])
        """
        return self._as(np.bool_)

    def _as(self, dtype: Any) -> Tensor:
        if self._data.dtype == dtype:
            return cast("Tensor", self)
        return self.astype(dtype)


class Elementwise(Casts):
    """Functions of each element on its own; two tensors broadcast to a common shape."""

    __slots__ = ()

    # ---- arithmetic, also written with operators -----------------------------------------------

    def add(self, other: Any, *, alpha: float = 1) -> Tensor:
        """a + alpha · b, for alpha 1 the operator +. Derivatives: 1 and alpha.

        >>> Tensor([1.0, 2.0]).add([10.0, 20.0], alpha=2)
        Tensor([21., 42.])
        """
        return self._binary(ops.add, other if alpha == 1 else self._times(alpha, other))

    def sub(self, other: Any, *, alpha: float = 1) -> Tensor:
        """a − alpha · b, for alpha 1 the operator −. Derivatives: 1 and −alpha.

        >>> Tensor([1.0, 2.0]).sub([10.0, 20.0], alpha=2)
        Tensor([-19., -38.])
        """
        return self._binary(ops.subtract, other if alpha == 1 else self._times(alpha, other))

    def mul(self, other: Any) -> Tensor:
        """a · b, the operator *. Derivatives: b and a.

        >>> Tensor([1.0, 2.0]).mul(3)
        Tensor([3., 6.])
        """
        return self._binary(ops.multiply, other)

    def div(self, other: Any, *, rounding_mode: str | None = None) -> Tensor:
        """a / b, the operator /. Derivatives: 1/b and −a/b²; with rounding they are 0.

        rounding_mode: "trunc" cuts the fraction off (toward 0), "floor" rounds down, as the
            operator // does. Integers stay integers then.

        >>> Tensor([7.0, -7.0]).div(2)
        Tensor([ 3.5, -3.5])
        >>> Tensor([7.0, -7.0]).div(2, rounding_mode="trunc")
        Tensor([ 3., -3.])
        >>> Tensor([7.0, -7.0]).div(2, rounding_mode="floor")
        Tensor([ 3., -4.])
        """
        operations = {None: ops.divide, "trunc": ops.trunc_divide, "floor": ops.floor_divide}
        if rounding_mode not in operations:
            raise ValueError(
                f'rounding_mode needs to be None, "trunc" or "floor", got {rounding_mode!r}'
            )
        return self._binary(operations[rounding_mode], other)

    def floor_divide(self, other: Any) -> Tensor:
        """a / b rounded down, the operator //. Derivative: 0.

        >>> Tensor([7.0, -7.0]).floor_divide(2)
        Tensor([ 3., -4.])
        """
        return self._binary(ops.floor_divide, other)

    def remainder(self, other: Any) -> Tensor:
        """a − b ⌊a/b⌋, the operator %: it has the sign of b. Derivatives: 1 and −⌊a/b⌋.

        >>> Tensor([7.0, -7.0]).remainder(3)
        Tensor([1., 2.])
        """
        return self._binary(ops.remainder, other)

    def fmod(self, other: Any) -> Tensor:
        """a − b · (a/b without its fraction): it has the sign of a.

        Derivatives: 1, and minus that quotient.

        >>> Tensor([7.0, -7.0]).fmod(3)
        Tensor([ 1., -1.])
        """
        return self._binary(ops.fmod, other)

    def neg(self) -> Tensor:
        """−x. Derivative: −1.

        >>> Tensor([1.0, -2.0]).neg()
        Tensor([-1.,  2.])
        """
        return self._unary(ops.negative)

    def positive(self) -> Tensor:
        """The tensor itself, as +x is.

        >>> Tensor([1.0, -2.0]).positive()
        Tensor([ 1., -2.])
        """
        return cast("Tensor", self)

    multiply, subtract, negative = mul, sub, neg
    divide = true_divide = div

    def _times(self, alpha: float, other: Any) -> Tensor:
        return self._beside(other)._binary(ops.multiply, alpha)

    # ---- powers, exponentials and logarithms ---------------------------------------------------

    def pow(self, exponent: Any) -> Tensor:
        """aᵇ, the operator **; a negative a needs a whole b, else the power is NaN.

        Derivatives: b aᵇ⁻¹, 0 for b = 0; and aᵇ ln a, 0 for powers of 0 and NaN for a < 0. The
        mixed second derivative at b = 0 is 1/a, where PyTorch gives 0.

        >>> Tensor([-2.0, 3.0]).pow(2)
        Tensor([4., 9.])
        """
        return self._binary(ops.power, exponent)

    def square(self) -> Tensor:
        """x², elementwise. Derivative: 2x.

        >>> Tensor([-2.0, 3.0]).square()
        Tensor([4., 9.])
        """
        return self._unary(ops.square)

    def sqrt(self) -> Tensor:
        """The square root √x, elementwise. Derivative: 1 / (2√x).

        >>> Tensor([4.0, 9.0]).sqrt()
        Tensor([2., 3.])
        """
        return self._unary(ops.sqrt)

    def rsqrt(self) -> Tensor:
        """1/√x, elementwise. Derivative: −1 / (2x√x).

        >>> Tensor([4.0, 16.0]).rsqrt()
        Tensor([0.5 , 0.25])
        """
        return self._unary(ops.rsqrt)

    def reciprocal(self) -> Tensor:
        """1/x, elementwise. Derivative: −1/x².

        >>> Tensor([2.0, 4.0]).reciprocal()
        Tensor([0.5 , 0.25])
        """
        return self._unary(ops.reciprocal)

    def abs(self) -> Tensor:
        """The absolute value |x|, elementwise. Derivative: the sign of x, 0 at 0.

        Also called `absolute`.

        >>> Tensor([-2.0, 3.0]).abs()
        Tensor([2., 3.])
        """
        return self._unary(ops.abs)

    absolute = abs

    def exp(self) -> Tensor:
        """eˣ, elementwise. Derivative: eˣ.

        >>> Tensor([0.0, 1.0]).exp()
        Tensor([1.    , 2.7183])
        """
        return self._unary(ops.exp)

    def exp2(self) -> Tensor:
        """2ˣ, elementwise. Derivative: 2ˣ ln 2.

        >>> Tensor([0.0, 3.0]).exp2()
        Tensor([1., 8.])
        """
        return self._unary(ops.exp2)

    def expm1(self) -> Tensor:
        """eˣ − 1, elementwise, precise near 0. Derivative: eˣ.

        >>> Tensor([0.0, 1.0]).expm1()
        Tensor([0.    , 1.7183])
        """
        return self._unary(ops.expm1)

    def log(self) -> Tensor:
        """The natural logarithm ln x, elementwise. Derivative: 1/x.

        >>> Tensor([1.0, 10.0]).log()
        Tensor([0.    , 2.3026])
        """
        return self._unary(ops.log)

    def log2(self) -> Tensor:
        """The logarithm to base 2, elementwise. Derivative: 1 / (x ln 2).

        >>> Tensor([1.0, 8.0]).log2()
        Tensor([0., 3.])
        """
        return self._unary(ops.log2)

    def log10(self) -> Tensor:
        """The logarithm to base 10, elementwise. Derivative: 1 / (x ln 10).

        >>> Tensor([1.0, 100.0]).log10()
        Tensor([0., 2.])
        """
        return self._unary(ops.log10)

    def log1p(self) -> Tensor:
        """ln(1 + x), elementwise, precise near 0. Derivative: 1 / (1 + x).

        >>> Tensor([0.0, 1.0]).log1p()
        Tensor([0.    , 0.6931])
        """
        return self._unary(ops.log1p)

    # ---- rounding ------------------------------------------------------------------------------

    def sign(self) -> Tensor:
        """−1, 0 or 1, as x is below, at or above 0; of NaN 0. Derivative: 0.

        >>> Tensor([-2.0, 0.0, 3.0]).sign()
        Tensor([-1.,  0.,  1.])
        """
        return self._unary(ops.sign)

    def floor(self) -> Tensor:
        """The next whole number below or at x. Derivative: 0.

        >>> Tensor([-1.5, 1.5]).floor()
        Tensor([-2.,  1.])
        """
        return self._unary(ops.floor)

    def ceil(self) -> Tensor:
        """The next whole number above or at x. Derivative: 0.

        >>> Tensor([-1.5, 1.5]).ceil()
        Tensor([-1.,  2.])
        """
        return self._unary(ops.ceil)

    def trunc(self) -> Tensor:
        """x without its fraction: rounded toward 0; also called `fix`. Derivative: 0.

        >>> Tensor([-1.5, 1.5]).trunc()
        Tensor([-1.,  1.])
        """
        return self._unary(ops.trunc)

    fix = trunc

    def round(self, decimals: int = 0) -> Tensor:
        """The nearest number of so many decimals; halves go to the even neighbour. Derivative: 0.

        >>> Tensor([0.5, 1.5, 2.5]).round()
        Tensor([0., 2., 2.])
        >>> Tensor([123.456]).round(decimals=-1)
        Tensor([120.])
        """
        return self._apply(ops.round, decimals=decimals)

    # ---- angles and their hyperbolic cousins ---------------------------------------------------

    def sin(self) -> Tensor:
        """The sine of x radians, elementwise. Derivative: cos x.

        >>> Tensor([0.0, 1.0]).sin()
        Tensor([0.    , 0.8415])
        """
        return self._unary(ops.sin)

    def cos(self) -> Tensor:
        """The cosine of x radians, elementwise. Derivative: −sin x.

        >>> Tensor([0.0, 1.0]).cos()
        Tensor([1.    , 0.5403])
        """
        return self._unary(ops.cos)

    def tan(self) -> Tensor:
        """The tangent of x radians, elementwise. Derivative: 1 + tan² x.

        >>> Tensor([0.0, 1.0]).tan()
        Tensor([0.    , 1.5574])
        """
        return self._unary(ops.tan)

    def asin(self) -> Tensor:
        """The inverse sine in radians, for −1 ≤ x ≤ 1. Derivative: 1/√(1 − x²).

        >>> Tensor([0.0, 1.0]).asin()
        Tensor([0.    , 1.5708])
        """
        return self._unary(ops.asin)

    def acos(self) -> Tensor:
        """The inverse cosine in radians, for −1 ≤ x ≤ 1. Derivative: −1/√(1 − x²).

        >>> Tensor([0.0, 1.0]).acos()
        Tensor([1.5708, 0.    ])
        """
        return self._unary(ops.acos)

    def atan(self) -> Tensor:
        """The inverse tangent in radians, elementwise. Derivative: 1 / (1 + x²).

        >>> Tensor([0.0, 1.0]).atan()
        Tensor([0.    , 0.7854])
        """
        return self._unary(ops.atan)

    def sinh(self) -> Tensor:
        """The hyperbolic sine, elementwise. Derivative: cosh x.

        >>> Tensor([0.0, 1.0]).sinh()
        Tensor([0.    , 1.1752])
        """
        return self._unary(ops.sinh)

    def cosh(self) -> Tensor:
        """The hyperbolic cosine, elementwise. Derivative: sinh x.

        >>> Tensor([0.0, 1.0]).cosh()
        Tensor([1.    , 1.5431])
        """
        return self._unary(ops.cosh)

    def tanh(self) -> Tensor:
        """The hyperbolic tangent, elementwise. Derivative: 1 − tanh² x.

        >>> Tensor([0.0, 1.0]).tanh()
        Tensor([0.    , 0.7616])
        """
        return self._unary(ops.tanh)

    def asinh(self) -> Tensor:
        """The inverse hyperbolic sine, elementwise. Derivative: 1/√(x² + 1).

        >>> Tensor([0.0, 1.0]).asinh()
        Tensor([0.    , 0.8814])
        """
        return self._unary(ops.asinh)

    def acosh(self) -> Tensor:
        """The inverse hyperbolic cosine, for x ≥ 1. Derivative: 1/√(x² − 1).

        >>> Tensor([1.0, 2.0]).acosh()
        Tensor([0.   , 1.317])
        """
        return self._unary(ops.acosh)

    def atanh(self) -> Tensor:
        """The inverse hyperbolic tangent, for −1 < x < 1. Derivative: 1 / (1 − x²).

        >>> Tensor([0.0, 0.5]).atanh()
        Tensor([0.    , 0.5493])
        """
        return self._unary(ops.atanh)

    arcsin, arccos, arctan = asin, acos, atan
    arcsinh, arccosh, arctanh = asinh, acosh, atanh

    # ---- the normal distribution ---------------------------------------------------------------

    def erf(self) -> Tensor:
        """The error function 2/√π ∫₀ˣ e^−t² dt, within 1 ulp. Derivative: 2/√π · e^−x².

        >>> Tensor([0.0, 1.0]).erf()
        Tensor([0.    , 0.8427])
        """
        return self._unary(ops.erf)

    def erfc(self) -> Tensor:
        """1 − erf x, precise for large x too. Derivative: −2/√π · e^−x².

        >>> Tensor([0.0, 1.0, 5.0]).erfc()
        Tensor([1.0000e+00, 1.5730e-01, 1.5375e-12])
        """
        return self._unary(ops.erfc)

    # ---- activations ---------------------------------------------------------------------------

    def relu(self) -> Tensor:
        """max(x, 0), elementwise. Derivative: 1 where x > 0, else 0.

        >>> Tensor([-1.0, 0.0, 2.0]).relu()
        Tensor([0., 0., 2.])
        """
        return self._unary(ops.relu)

    def sigmoid(self) -> Tensor:
        """σ(x) = 1 / (1 + e⁻ˣ), elementwise. Derivative: σ (1 − σ).

        >>> Tensor([-1000.0, 0.0, 1000.0]).sigmoid()
        Tensor([0. , 0.5, 1. ])
        """
        return self._unary(ops.sigmoid)

    def logsigmoid(self) -> Tensor:
        """ln σ(x) = −ln(1 + e⁻ˣ), elementwise, without overflow. Derivative: σ(−x).

        >>> Tensor([-2.0, 0.0]).logsigmoid()
        Tensor([-2.1269, -0.6931])
        """
        return self._unary(ops.logsigmoid)

    def silu(self) -> Tensor:
        """x σ(x), elementwise, also called swish. Derivative: σ (1 + x − x σ).

        >>> Tensor([-1.0, 0.0, 1.0]).silu()
        Tensor([-0.2689,  0.    ,  0.7311])
        """
        return self._unary(ops.silu)

    swish = silu

    def mish(self) -> Tensor:
        """x tanh(ln(1 + eˣ)), elementwise.

        Derivative: t + x σ(x) (1 − t²), with t the tanh.

        >>> Tensor([-1.0, 0.0, 1.0]).mish()
        Tensor([-0.3034,  0.    ,  0.8651])
        """
        return self._binary(ops.multiply, self.softplus().tanh())

    def gelu(self, approximate: str = "none") -> Tensor:
        """x Φ(x), with Φ(x) the probability that a standard normal number is below x.

        Derivative: Φ(x) + x φ(x), φ being the density. Precise in the far left tail, where
        PyTorch gives 0.

        approximate: "tanh" for the older formula x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2.

        >>> Tensor([-1.0, 0.0, 1.0]).gelu()
        Tensor([-0.1587,  0.    ,  0.8413])
        """
        if approximate == "none":
            return self._apply(ops.gelu)
        if approximate != "tanh":
            raise ValueError(f'approximate needs to be "none" or "tanh", got {approximate!r}')
        # (1 + tanh z) / 2 = σ(2z)
        z = (self.square() * 0.044715 + 1) * self._binary(ops.multiply, math.sqrt(8 / math.pi))
        return self._binary(ops.multiply, z.sigmoid())

    def quick_gelu(self) -> Tensor:
        """x σ(1.702 x), close to `gelu`. Derivative: s + 1.702 x s (1 − s), with s the sigmoid.

        >>> Tensor([-1.0, 0.0, 1.0]).quick_gelu()
        Tensor([-0.1542,  0.    ,  0.8458])
        """
        return self._binary(ops.multiply, self._binary(ops.multiply, 1.702).sigmoid())

    def softsign(self) -> Tensor:
        """x / (1 + |x|), elementwise. Derivative: 1 / (1 + |x|)².

        >>> Tensor([-1.0, 3.0]).softsign()
        Tensor([-0.5 ,  0.75])
        """
        return self._unary(ops.softsign)

    def softplus(self, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
        """ln(1 + e^βx) / β, a smooth relu, elementwise. Derivative: σ(βx).

        It cannot overflow; where βx is above the threshold the result is x all the same, as in
        PyTorch, less than 3e-9 beside. `threshold=math.inf` gives every digit.

        >>> Tensor([-1.0, 0.0, 1000.0]).softplus()
        Tensor([3.1326e-01, 6.9315e-01, 1.0000e+03])
        """
        return self._apply(ops.softplus, beta=_not_0("beta", beta), threshold=threshold)

    def leaky_relu(self, negative_slope: float = 0.01) -> Tensor:
        """x where x > 0, else `negative_slope` · x. Derivative: 1, else the slope.

        >>> Tensor([-2.0, 3.0]).leaky_relu(0.5)
        Tensor([-1.,  3.])
        """
        return self._apply(ops.leaky_relu, slope=negative_slope)

    def elu(self, alpha: float = 1.0) -> Tensor:
        """x where x > 0, else α (eˣ − 1). Derivative: 1, else α eˣ.

        >>> Tensor([-1.0, 3.0]).elu()
        Tensor([-0.6321,  3.    ])
        """
        return self._apply(ops.elu, alpha=alpha)

    def celu(self, alpha: float = 1.0) -> Tensor:
        """x where x > 0, else α (e^(x/α) − 1). Derivative: 1, else e^(x/α).

        >>> Tensor([-1.0, 3.0]).celu(2.0)
        Tensor([-0.7869,  3.    ])
        """
        return self._apply(ops.celu, alpha=_not_0("alpha", alpha))

    def selu(self) -> Tensor:
        """s x where x > 0, else s α (eˣ − 1), with s = 1.0507… and α = 1.6733….

        In a deep network with these numbers, mean 0 and variance 1 stay what they are.
        Derivative: s, else s α eˣ.

        >>> Tensor([-1.0, 3.0]).selu()
        Tensor([-1.1113,  3.1521])
        """
        return self.elu(1.6732632423543772848170429916717) * 1.0507009873554804934193349852946

    def hardsigmoid(self) -> Tensor:
        """min(max(x + 3, 0), 6) / 6. Derivative: 1/6 strictly between −3 and 3, else 0.

        >>> Tensor([-4.0, 0.0, 1.5]).hardsigmoid()
        Tensor([0.  , 0.5 , 0.75])
        """
        return self._unary(ops.hardsigmoid)

    def hardswish(self) -> Tensor:
        """x · hardsigmoid(x), elementwise. Derivative: 0 to −3, x/3 + 1/2 up to 3, from there 1.

        >>> Tensor([-4.0, 0.0, 1.5]).hardswish()
        Tensor([-0.   ,  0.   ,  1.125])
        """
        return self._unary(ops.hardswish)

    def hardtanh(self, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
        """x, held between `min_val` and `max_val`. Derivative: 1 strictly between them, else 0.

        >>> Tensor([-2.0, 0.5, 2.0]).hardtanh()
        Tensor([-1. ,  0.5,  1. ])
        """
        if not min_val <= max_val:
            raise ValueError(f"hardtanh needs min_val <= max_val, got {min_val} and {max_val}")
        return self._apply(ops.hardtanh, low=min_val, high=max_val)

    def relu6(self) -> Tensor:
        """min(max(x, 0), 6), elementwise. Derivative: 1 strictly between 0 and 6, else 0.

        >>> Tensor([-1.0, 3.0, 8.0]).relu6()
        Tensor([0., 3., 6.])
        """
        return self.hardtanh(0.0, 6.0)

    def clamp(self, min: Any = None, max: Any = None) -> Tensor:
        """x, held to at least `min` and at most `max`; also called `clip`.

        The bounds are numbers or tensors. Derivative: 1 from min to max, both included, else 0;
        that of a bound is 1 where it holds x. Where they cross, the result is `max`.

        >>> Tensor([-2.0, 0.5, 2.0]).clamp(0.0, 1.0)
        Tensor([0. , 0.5, 1. ])
        >>> Tensor([-2.0, 0.5, 2.0]).clamp(max=Tensor([0.0, 1.0, 1.5]))
        Tensor([-2. ,  0.5,  1.5])
        """
        if min is None and max is None:
            raise ValueError("clamp needs min, max or both")
        if not isinstance(min, _BOXES) and not isinstance(max, _BOXES):
            return self._apply(ops.clamp, min=min, max=max)
        if max is None:
            return self._binary(ops.clamp_min, min)
        if min is None:
            return self._binary(ops.clamp_max, max)
        return self._apply(ops.clamp_between, min, max)

    clip = clamp

    # ---- with another tensor -------------------------------------------------------------------

    def maximum(self, other: Any) -> Tensor:
        """The larger of two elements, or NaN. Derivative: 1 for the larger; equal ones share it.

        >>> Tensor([1.0, 5.0]).maximum([3.0, 4.0])
        Tensor([3., 5.])
        """
        return self._binary(ops.maximum, other)

    def minimum(self, other: Any) -> Tensor:
        """The smaller of two elements, or NaN. Derivative: 1 for the smaller; equal ones share it.

        >>> Tensor([1.0, 5.0]).minimum([3.0, 4.0])
        Tensor([1., 4.])
        """
        return self._binary(ops.minimum, other)

    def logaddexp(self, other: Any) -> Tensor:
        """ln(eᵃ + eᵇ) without overflow. Derivatives: σ(a − b) and σ(b − a).

        >>> Tensor([1000.0]).logaddexp([1000.0])
        Tensor([1000.6932])
        """
        return self._binary(ops.logaddexp, other)

    def atan2(self, other: Any) -> Tensor:
        """The angle of the point (other, self), in radians from −π to π.

        Derivatives: x / (x² + y²) for y = self, −y / (x² + y²) for x = other.

        >>> Tensor([1.0, 1.0]).atan2([1.0, -1.0])
        Tensor([0.7854, 2.3562])
        """
        return self._binary(ops.atan2, other)

    arctan2 = atan2

    def lerp(self, end: Any, weight: Any) -> Tensor:
        """a + weight (end − a), from a at weight 0 to the end at weight 1.

        The weight is a number or a tensor. Derivatives: 1 − weight, weight, and end − a.

        >>> Tensor([1.0, 2.0]).lerp([3.0, 12.0], 0.5)
        Tensor([2., 7.])
        """
        return self._record(ops.lerp, (self, self._beside(end), self._beside(weight)))

    # ---- choices -------------------------------------------------------------------------------

    def where(self, condition: Any, other: Any) -> Tensor:
        """This tensor's element where the condition is true, else the other's.

        The gradient goes to the one that was taken.

        >>> x = Tensor([-1.0, 2.0])
        >>> x.where(x > 0, 0)
        Tensor([0., 2.])
        """
        return self._record(ops.where, (_checked(condition, "where"), self, self._beside(other)))

    def masked_fill(self, mask: Any, value: Any) -> Tensor:
        """One value where the mask is true, else the element as it is. The dtype stays.

        value: a number, or a tensor of no axes, which gets the gradient of all the places.

        >>> Tensor([[1.0, 2.0]]).masked_fill([[True, False]], -float("inf"))
        Tensor([[-inf,   2.]])
        """
        value = self._beside(value)
        if value.ndim:
            raise ShapeError(
                f"masked_fill puts one value everywhere, got a tensor of shape {value.shape}; "
                "use x.where(~mask, values) for several"
            )
        if value.dtype is not self.dtype:
            if not np.can_cast(value.dtype, self.dtype, "same_kind"):
                raise DtypeError(
                    f"masked_fill keeps the dtype {self.dtype}, which cannot hold a value of dtype "
                    f"{value.dtype}; use astype first"
                )
            value = value._as(self.dtype)
        return self._record(ops.where, (_checked(mask, "masked_fill"), value, self))

    # ---- comparisons and logic: bools, without a derivative ------------------------------------

    def eq(self, other: Any) -> Tensor:
        """Whether a = b, elementwise, the operator ==; false for NaN.

        >>> Tensor([1.0, 2.0, 3.0]).eq(2)
        Tensor([False,  True, False])
        """
        return self._binary(ops.equal, other)

    def ne(self, other: Any) -> Tensor:
        """Whether a ≠ b, elementwise, the operator !=; true for NaN.

        >>> Tensor([1.0, 2.0, 3.0]).ne(2)
        Tensor([ True, False,  True])
        """
        return self._binary(ops.not_equal, other)

    def lt(self, other: Any) -> Tensor:
        """Whether a < b, elementwise, the operator <; false for NaN.

        >>> Tensor([1.0, 2.0, 3.0]).lt(2)
        Tensor([ True, False, False])
        """
        return self._binary(ops.less, other)

    def le(self, other: Any) -> Tensor:
        """Whether a ≤ b, elementwise, the operator <=; false for NaN.

        >>> Tensor([1.0, 2.0, 3.0]).le(2)
        Tensor([ True,  True, False])
        """
        return self._binary(ops.less_equal, other)

    def gt(self, other: Any) -> Tensor:
        """Whether a > b, elementwise, the operator >; false for NaN.

        >>> Tensor([1.0, 2.0, 3.0]).gt(2)
        Tensor([False, False,  True])
        """
        return self._binary(ops.greater, other)

    def ge(self, other: Any) -> Tensor:
        """Whether a ≥ b, elementwise, the operator >=; false for NaN.

        >>> Tensor([1.0, 2.0, 3.0]).ge(2)
        Tensor([False,  True,  True])
        """
        return self._binary(ops.greater_equal, other)

    not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge

    def logical_and(self, other: Any) -> Tensor:
        """Whether both are true: anything but 0 is. For bools the operator & says the same.

        >>> Tensor([0.0, 0.0, 2.0]).logical_and([False, True, True])
        Tensor([False, False,  True])
        """
        return self._binary(ops.logical_and, other)

    def logical_or(self, other: Any) -> Tensor:
        """Whether one or both are true: anything but 0 is. For bools the operator | says the same.

        >>> Tensor([0.0, 0.0, 2.0]).logical_or([False, True, True])
        Tensor([False,  True,  True])
        """
        return self._binary(ops.logical_or, other)

    def logical_xor(self, other: Any) -> Tensor:
        """Whether exactly one is true: anything but 0 is. For bools the operator ^ says the same.

        >>> Tensor([0.0, 0.0, 2.0]).logical_xor([False, True, True])
        Tensor([False,  True, False])
        """
        return self._binary(ops.logical_xor, other)

    def logical_not(self) -> Tensor:
        """Whether x is 0. For bools the operator ~ says the same.

        >>> Tensor([0.0, 2.0]).logical_not()
        Tensor([ True, False])
        """
        return self._unary(ops.logical_not)

    def bitwise_and(self, other: Any) -> Tensor:
        """The bits that are set in both, of bools or integers: the operator &.

        >>> Tensor([12], dtype=int).bitwise_and(10)
        Tensor([8], dtype=int64)
        """
        return self._binary(ops.bitwise_and, other)

    def bitwise_or(self, other: Any) -> Tensor:
        """The bits that are set in one or both, of bools or integers: the operator |.

        >>> Tensor([12], dtype=int).bitwise_or(10)
        Tensor([14], dtype=int64)
        """
        return self._binary(ops.bitwise_or, other)

    def bitwise_xor(self, other: Any) -> Tensor:
        """The bits that are set in exactly one, of bools or integers: the operator ^.

        >>> Tensor([12], dtype=int).bitwise_xor(10)
        Tensor([6], dtype=int64)
        """
        return self._binary(ops.bitwise_xor, other)

    def bitwise_not(self) -> Tensor:
        """All bits turned around, of bools or integers: the operator ~.

        >>> Tensor([True, False]).bitwise_not()
        Tensor([False,  True])
        """
        return self._unary(ops.bitwise_not)

    def isnan(self) -> Tensor:
        """Whether x is NaN, elementwise.

        >>> Tensor([1.0, float("nan"), float("inf")]).isnan()
        Tensor([False,  True, False])
        """
        return self._unary(ops.isnan)

    def isinf(self) -> Tensor:
        """Whether x is ∞ or −∞, elementwise.

        >>> Tensor([1.0, float("nan"), float("inf")]).isinf()
        Tensor([False, False,  True])
        """
        return self._unary(ops.isinf)

    def isfinite(self) -> Tensor:
        """Whether x is neither infinite nor NaN, elementwise.

        >>> Tensor([1.0, float("nan"), float("inf")]).isfinite()
        Tensor([ True, False, False])
        """
        return self._unary(ops.isfinite)

    def isclose(
        self, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
    ) -> Tensor:
        """Whether |a − b| ≤ atol + rtol |b|, elementwise; infinities are close to their like.

        >>> Tensor([1.0, 2.0]).isclose([1.000001, 2.1])
        Tensor([ True, False])
        """
        return self._apply(ops.isclose, other, rtol=rtol, atol=atol, equal_nan=equal_nan)

    def allclose(
        self, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
    ) -> bool:
        """Whether all elements are close in the sense of `isclose`, as one Python bool.

        >>> Tensor([1.0, 2.0]).allclose([1.000001, 2.1])
        False
        """
        return bool(self.isclose(other, rtol, atol, equal_nan)._data.all())


def _not_0(name: str, value: float) -> float:
    if value == 0:
        raise ValueError(f"{name} needs to be other than 0, got {value}")
    return value


def _checked(mask: Any, method: str) -> Any:
    """The mask, if it is one of bools."""
    dtype = (mask._data if isinstance(mask, Methods) else np.asarray(mask)).dtype
    if dtype.kind != "b":
        raise DtypeError(
            f"{method} chooses by bools, got dtype {dtype}; compare first, as in x > 0, or use "
            "bool()"
        )
    return mask
