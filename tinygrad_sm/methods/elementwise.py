"""Elementwise functions as methods of Tensor; the derivatives stand in `ops/elementwise.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_sm import ops
from tinygrad_sm.methods.base import Methods

if TYPE_CHECKING:
    from tinygrad_sm.tensor import Tensor


class Elementwise(Methods):
    """Functions of each element on its own. Each gives a Tensor of the same shape."""

    __slots__ = ()

    # ---- powers, exponentials and logarithms ---------------------------------------------------

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

        >>> Tensor([-2.0, 3.0]).abs()
        Tensor([2., 3.])
        """
        return self._unary(ops.abs)

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

    def softsign(self) -> Tensor:
        """x / (1 + |x|), elementwise. Derivative: 1 / (1 + |x|)².

        >>> Tensor([-1.0, 3.0]).softsign()
        Tensor([-0.5 ,  0.75])
        """
        return self._unary(ops.softsign)

    def softplus(self, beta: float = 1.0) -> Tensor:
        """ln(1 + e^βx) / β, a smooth relu, elementwise. Derivative: σ(βx).

        >>> Tensor([-1.0, 0.0, 1000.0]).softplus()
        Tensor([3.1326e-01, 6.9315e-01, 1.0000e+03])
        """
        return self._apply(ops.softplus, beta=_above_0("beta", beta))

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
        return self._apply(ops.celu, alpha=_above_0("alpha", alpha))

    def hardtanh(self, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
        """x, held between `min_val` and `max_val`. Derivative: 1 strictly between them, else 0.

        >>> Tensor([-2.0, 0.5, 2.0]).hardtanh()
        Tensor([-1. ,  0.5,  1. ])
        """
        if not min_val < max_val:
            raise ValueError(f"hardtanh needs min_val < max_val, got {min_val} and {max_val}")
        return self._apply(ops.hardtanh, low=min_val, high=max_val)

    def relu6(self) -> Tensor:
        """min(max(x, 0), 6), elementwise. Derivative: 1 strictly between 0 and 6, else 0.

        >>> Tensor([-1.0, 3.0, 8.0]).relu6()
        Tensor([0., 3., 6.])
        """
        return self.hardtanh(0.0, 6.0)

    def clamp(self, min: float | None = None, max: float | None = None) -> Tensor:
        """x, held to at least `min` and at most `max`; also called `clip`.

        Derivative: 1 from min to max, both included, else 0.

        >>> Tensor([-2.0, 0.5, 2.0]).clamp(0.0, 1.0)
        Tensor([0. , 0.5, 1. ])
        """
        if min is None and max is None:
            raise ValueError("clamp needs min, max or both")
        return self._apply(ops.clamp, min=min, max=max)

    clip = clamp

    # ---- with another tensor -------------------------------------------------------------------

    def maximum(self, other: Any) -> Tensor:
        """The larger of two elements. Derivative: 1 for the larger; equal ones share it.

        >>> Tensor([1.0, 5.0]).maximum([3.0, 4.0])
        Tensor([3., 5.])
        """
        return self._apply(ops.maximum, other)

    def minimum(self, other: Any) -> Tensor:
        """The smaller of two elements. Derivative: 1 for the smaller; equal ones share it.

        >>> Tensor([1.0, 5.0]).minimum([3.0, 4.0])
        Tensor([1., 4.])
        """
        return self._apply(ops.minimum, other)

    def logaddexp(self, other: Any) -> Tensor:
        """ln(eᵃ + eᵇ) without overflow. Derivatives: σ(a − b) and σ(b − a).

        >>> Tensor([1000.0]).logaddexp([1000.0])
        Tensor([1000.6932])
        """
        return self._apply(ops.logaddexp, other)

    def atan2(self, other: Any) -> Tensor:
        """The angle of the point (other, self), in radians from −π to π.

        Derivatives: x / (x² + y²) for y = self, −y / (x² + y²) for x = other.

        >>> Tensor([1.0, 1.0]).atan2([1.0, -1.0])
        Tensor([0.7854, 2.3562])
        """
        return self._apply(ops.atan2, other)


def _above_0(name: str, value: float) -> float:
    if not value > 0:
        raise ValueError(f"{name} needs to be above 0, got {value}")
    return value
