"""The error function on arrays, which NumPy does not have.

erf x is the probability that a normal number of variance ½ lies between −x and x, for x ≥ 0.
erfc x = 1 − erf x has a computation of its own: far out, nothing would be left of that difference.

The rational approximations, and the places where one takes over from the next, are those of
s_erf.c in fdlibm (Sun Microsystems, 1993). The results are within 1 unit in the last place of
float64 (erf) and 3 (erfc); narrower floats are computed in float64 and rounded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def _table(*pairs: tuple[float, float]) -> Array:
    """Coefficients of numerator and denominator, from the highest power to the constant."""
    return np.array(pairs)[:, :, None]


_CENTRE = _table(
    (0.0, -3.96022827877536812320e-06),
    (-2.37630166566501626084e-05, 1.32494738004321644526e-04),
    (-5.77027029648944159157e-03, 5.08130628187576562776e-03),
    (-2.84817495755985104766e-02, 6.50222499887672944485e-02),
    (-3.25042107247001499370e-01, 3.97917223959155352819e-01),
    (1.28379167095512558561e-01, 1.0),
)
_SHOULDER = _table(
    (-2.16637559486879084300e-03, 1.19844998467991074170e-02),
    (3.54783043256182359371e-02, 1.36370839120290507362e-02),
    (-1.10894694282396677476e-01, 1.26171219808761642112e-01),
    (3.18346619901161753674e-01, 7.18286544141962662868e-02),
    (-3.72207876035701323847e-01, 5.40397917702171048937e-01),
    (4.14856118683748331666e-01, 1.06420880400844228286e-01),
    (-2.36211856075265944077e-03, 1.0),
)
_SLOPE = _table(
    (0.0, -6.04244152148580987438e-02),
    (-9.81432934416914548592e00, 6.57024977031928170135e00),
    (-8.12874355063065934246e01, 1.08635005541779435134e02),
    (-1.84605092906711035994e02, 4.29008140027567833386e02),
    (-1.62396669462573470355e02, 6.45387271733267880336e02),
    (-6.23753324503260060396e01, 4.34565877475229228821e02),
    (-1.05586262253232909814e01, 1.37657754143519042600e02),
    (-6.93858572707181764372e-01, 1.96512716674392571292e01),
    (-9.86494403484714822705e-03, 1.0),
)
_FOOT = _table(
    (0.0, -2.24409524465858183362e01),
    (-4.83519191608651397019e02, 4.74528541206955367215e02),
    (-1.02509513161107724954e03, 2.55305040643316442583e03),
    (-6.37566443368389627722e02, 3.19985821950859553908e03),
    (-1.60636384855821916062e02, 1.53672958608443695994e03),
    (-1.77579549177547519889e01, 3.25792512996573918826e02),
    (-7.99283237680523006574e-01, 3.03380607434824582924e01),
    (-9.86494292470009928597e-03, 1.0),
)
_ERF_1 = 8.45062911510467529297e-01  # erf 1 in the bits of a float32


def erf_of(x: Array) -> Array:
    """erf of each element."""
    return _by_region(x, _centre, lambda x: np.copysign(1 - _tail(np.absolute(x)), x))


def erfc_of(x: Array) -> Array:
    """1 − erf of each element, where erf is near 1 not by that difference."""
    if x.dtype.kind == "f" and x.itemsize < 8:
        return _narrow_erfc(x)

    def outside(x: Array) -> Array:
        tail = _tail(np.absolute(x))
        return np.where(x < 0, 2 - tail, tail)

    # Around ½ on its way from 1 to 0, the difference is taken from ½, where less is rounded off.
    return _by_region(
        x,
        lambda x: np.where(x < 0.25, 1 - _centre(x), 0.5 - ((x - 0.5) + x * _excess(x))),
        outside,
    )


def _narrow_erfc(x: Array) -> Array:
    """erfc for floats narrower than float64, several times as quick: one formula for all x.

    For x ≥ 0 it is t e^(P(t) − x²), where t = 1 / (1 + x/2); below 0 it is 2 minus that of −x.
    """
    z = np.absolute(x, dtype=np.float64)
    t = 1 / (1 + z / 2)
    highest, *others, constant = _exponent()
    exponent = highest * t
    for coefficient in others:
        exponent += coefficient
        exponent *= t
    y = t * np.exp(exponent + (constant - z * z))
    narrow: Array = (y + (x < 0) * (2 - 2 * y)).astype(x.dtype)
    return narrow


@cache
def _exponent() -> Array:
    """P, from the highest power: a polynomial that meets erfc in 13 places, and is within 3e-10.

    It does so for x up to 10.5; what is beyond is 0 in float32.
    """

    def exact(t: Array) -> Array:
        x = 2 / t - 2
        exponent: Array = np.log(erfc_of(x) / t) + x * x
        return exponent

    fit = np.polynomial.Chebyshev.interpolate(exact, 12, domain=(0.16, 1))
    coefficients: Array = fit.convert(kind=np.polynomial.Polynomial).coef[::-1]
    return coefficients


def _by_region(
    x: Array, near_0: Callable[[Array], Array], outside: Callable[[Array], Array]
) -> Array:
    wide = x.astype(np.float64)
    result: Array = np.piecewise(wide, [np.absolute(wide) < 0.84375], [near_0, outside])
    return result.astype(x.dtype) if x.dtype.kind == "f" else result


def _centre(x: Array) -> Array:
    """erf x near 0, a little more than x."""
    y: Array = x + x * _excess(x)
    return y


def _excess(x: Array) -> Array:
    return _ratio(_CENTRE, x * x)


def _tail(x: Array) -> Array:
    """erfc x for x ≥ 0.84375."""
    tail: Array = np.piecewise(
        x, [x < 1.25], [lambda x: (1 - _ERF_1) - _ratio(_SHOULDER, x - 1), _far_tail]
    )
    return tail


def _far_tail(x: Array) -> Array:
    """e^−x² / x, times a factor near 1/√π that is kept as an exponent."""
    x = np.minimum(x, 30.0)  # where e^−x² is 0 already
    z = x.astype(np.float32).astype(np.float64)  # z² is exact, and −x² = −z² + (z − x)(z + x)
    factor = np.piecewise(
        1 / (x * x), [x < 1 / 0.35], [lambda s: _ratio(_SLOPE, s), lambda s: _ratio(_FOOT, s)]
    )
    tail: Array = np.exp(-z * z - 0.5625) * np.exp((z - x) * (z + x) + factor) / x
    return tail


def _ratio(table: Array, x: Array) -> Array:
    """The quotient of the two polynomials, both evaluated at once (Horner's scheme)."""
    both = table[0] * x
    for coefficients in table[1:-1]:
        both += coefficients
        both *= x
    both += table[-1]
    quotient: Array = both[0] / both[1]
    return quotient
