"""Elementwise methods beside PyTorch's: kinks, ties, infinities, NaN, and settings."""

import numpy as np
import pytest

from tinygrad_sm import Tensor

torch = pytest.importorskip("torch")
from beside import check
from torch.nn import functional as F

inf, nan = np.inf, np.nan


@pytest.fixture(autouse=True)
def _quiet():
    """NumPy warns of infinities and NaN; here both sides shall make them."""
    with np.errstate(all="ignore"):
        yield


FINITE = np.array(
    [-1e3, -50, -6, -3, -1, -0.5, -1e-300, -0.0, 0, 1e-300, 0.5, 1, 3, 6, 20, 50, 1e3]
)
EVERYTHING = np.append(FINITE, [inf, -inf, nan])


@pytest.mark.parametrize(
    ("ours", "theirs", "values"),
    [
        (Tensor.abs, torch.abs, EVERYTHING),
        (Tensor.sign, torch.sign, EVERYTHING),
        (Tensor.floor, torch.floor, EVERYTHING),
        (Tensor.ceil, torch.ceil, EVERYTHING),
        (Tensor.trunc, torch.trunc, EVERYTHING),
        (Tensor.round, torch.round, np.append(EVERYTHING, [1.5, 2.5, -2.5])),
        (lambda x: x.round(decimals=2), lambda x: torch.round(x, decimals=2), EVERYTHING / 7),
        (lambda x: x.round(decimals=-1), lambda x: torch.round(x, decimals=-1), EVERYTHING * 5),
        (Tensor.square, torch.square, EVERYTHING),
        (Tensor.sqrt, torch.sqrt, EVERYTHING),
        (Tensor.rsqrt, torch.rsqrt, EVERYTHING),
        (Tensor.reciprocal, torch.reciprocal, EVERYTHING),
        (Tensor.exp, torch.exp, EVERYTHING),
        (Tensor.exp2, torch.exp2, EVERYTHING),
        (Tensor.expm1, torch.expm1, EVERYTHING),
        (Tensor.log, torch.log, EVERYTHING),
        (Tensor.log2, torch.log2, EVERYTHING),
        (Tensor.log10, torch.log10, EVERYTHING),
        (Tensor.log1p, torch.log1p, EVERYTHING),
        (Tensor.sin, torch.sin, EVERYTHING),
        (Tensor.cos, torch.cos, EVERYTHING),
        (Tensor.tan, torch.tan, EVERYTHING),
        (Tensor.asin, torch.asin, EVERYTHING),
        (Tensor.acos, torch.acos, EVERYTHING),
        (Tensor.atan, torch.atan, EVERYTHING),
        (Tensor.sinh, torch.sinh, EVERYTHING),
        (Tensor.cosh, torch.cosh, EVERYTHING),
        (Tensor.tanh, torch.tanh, EVERYTHING),
        (Tensor.asinh, torch.asinh, EVERYTHING),
        (Tensor.acosh, torch.acosh, EVERYTHING),
        (Tensor.atanh, torch.atanh, EVERYTHING),
        (Tensor.sigmoid, torch.sigmoid, EVERYTHING),
        (Tensor.logsigmoid, F.logsigmoid, EVERYTHING),
        (Tensor.relu, torch.relu, EVERYTHING),
        (Tensor.relu6, F.relu6, EVERYTHING),
        (Tensor.leaky_relu, F.leaky_relu, EVERYTHING),
        (lambda x: x.leaky_relu(-0.5), lambda x: F.leaky_relu(x, -0.5), EVERYTHING),
        (Tensor.elu, F.elu, EVERYTHING),
        (lambda x: x.elu(-0.5), lambda x: F.elu(x, -0.5), EVERYTHING),
        (Tensor.celu, F.celu, EVERYTHING),
        (lambda x: x.celu(2.5), lambda x: F.celu(x, 2.5), EVERYTHING),
        (lambda x: x.celu(-2.5), lambda x: F.celu(x, -2.5), np.setdiff1d(FINITE, [-1e3])),
        (Tensor.selu, F.selu, EVERYTHING),
        (Tensor.gelu, F.gelu, EVERYTHING),
        (lambda x: x.gelu("tanh"), lambda x: F.gelu(x, approximate="tanh"), EVERYTHING),
        (Tensor.quick_gelu, lambda x: x * torch.sigmoid(1.702 * x), EVERYTHING),
        (Tensor.silu, F.silu, EVERYTHING),
        (Tensor.mish, F.mish, np.setdiff1d(EVERYTHING, [1e3])),
        (Tensor.softplus, F.softplus, np.setdiff1d(EVERYTHING, [20])),
        (
            lambda x: x.softplus(2, 1),
            lambda x: F.softplus(x, 2, 1),
            np.setdiff1d(EVERYTHING, [0.5]),
        ),
        (lambda x: x.softplus(-1), lambda x: F.softplus(x, -1), FINITE[2:-2]),
        (Tensor.softsign, F.softsign, FINITE),
        (Tensor.hardtanh, F.hardtanh, EVERYTHING),
        (lambda x: x.hardtanh(0.5, 0.5), lambda x: F.hardtanh(x, 0.5, 0.5), EVERYTHING),
        (Tensor.hardswish, F.hardswish, EVERYTHING),
        (Tensor.erf, torch.erf, EVERYTHING),
        (Tensor.erfc, torch.erfc, EVERYTHING),
        (lambda x: x.clamp(-1, 1), lambda x: x.clamp(-1, 1), EVERYTHING),
        (lambda x: x.clamp(nan, 1), lambda x: x.clamp(nan, 1), EVERYTHING),
        (lambda x: x.add(x, alpha=3), lambda x: x.add(x, alpha=3), FINITE),
        (lambda x: x.sub(2, alpha=3), lambda x: x.sub(2, alpha=3), FINITE),
        (Tensor.isnan, torch.isnan, EVERYTHING),
        (Tensor.isinf, torch.isinf, EVERYTHING),
        (Tensor.isfinite, torch.isfinite, EVERYTHING),
        (Tensor.logical_not, torch.logical_not, EVERYTHING),
        (lambda x: x**0, lambda x: x**0, EVERYTHING),
        (lambda x: x**1, lambda x: x**1, EVERYTHING),
        (lambda x: x**2, lambda x: x**2, EVERYTHING),
        (lambda x: x**3, lambda x: x**3, EVERYTHING),
        (lambda x: x**-1, lambda x: x**-1, EVERYTHING),
        (lambda x: x**-2.5, lambda x: x**-2.5, EVERYTHING),
        (lambda x: x**0.5, lambda x: x**0.5, FINITE[8:]),
        (lambda x: 2**x, lambda x: 2**x, EVERYTHING),
        (lambda x: (-2) ** x, lambda x: (-2) ** x, EVERYTHING),
    ],
)
def test_at_kinks_and_far_out(ours, theirs, values):
    check(ours, theirs, values)


def test_hardsigmoid_at_its_bounds_and_far_out():
    # PyTorch has no second derivative for it, and keeps the 1/6 of the first in float32.
    x, t = Tensor(EVERYTHING, requires_grad=True), torch.tensor(EVERYTHING, requires_grad=True)
    x.hardsigmoid().sum().backward()
    F.hardsigmoid(t).sum().backward()
    np.testing.assert_allclose(x.hardsigmoid().numpy(), F.hardsigmoid(t).detach(), rtol=1e-15)
    np.testing.assert_allclose(x.grad, t.grad, rtol=1e-7)


def first_derivatives(ours, theirs, *inputs):
    here = [Tensor(x, requires_grad=True) for x in inputs]
    there = [torch.tensor(x, requires_grad=True) for x in inputs]
    y, t = ours(*here), theirs(*there)
    np.testing.assert_allclose(y.numpy(), t.detach(), rtol=1e-12)
    y.backward(np.ones(y.shape))
    t.backward(torch.ones_like(t))
    for x, e in zip(here, there, strict=True):
        np.testing.assert_allclose(x.grad, e.grad, rtol=1e-12)


SPECIAL = np.array([-inf, -7, -2, -1, -0.0, 0, 0.5, 1, 2, 7, inf, nan])
LEFT, RIGHT = (x.ravel() for x in np.meshgrid(SPECIAL, SPECIAL))


@pytest.mark.parametrize(
    "name",
    """
    add sub mul div maximum minimum logaddexp atan2 remainder fmod pow where lerp
    eq ne lt le gt ge logical_and logical_or logical_xor isclose
    """.split(),  # noqa: SIM905
)
def test_every_pair_of_special_values(name):
    ours, theirs = getattr(Tensor, name), getattr(torch.Tensor, name)
    if name == "where":
        first_derivatives(
            lambda a, b: a.where(a > b, b), lambda a, b: a.where(a > b, b), LEFT, RIGHT
        )
    elif name == "lerp":
        for w in SPECIAL:
            weights = np.full(LEFT.shape, w)
            first_derivatives(ours, theirs, LEFT, RIGHT, weights)
    elif theirs(torch.ones(1), torch.ones(1)).dtype == torch.bool:
        result = ours(Tensor(LEFT), RIGHT)
        expected = theirs(torch.tensor(LEFT), torch.tensor(RIGHT))
        np.testing.assert_array_equal(result.numpy(), expected)
    else:
        first_derivatives(ours, theirs, LEFT, RIGHT)


@pytest.mark.parametrize("mode", [None, "trunc", "floor"])
def test_division_with_rounding(mode):
    a, b = LEFT, np.where(RIGHT == 0, 3, RIGHT)

    def divided(a, b):
        return a.div(b, rounding_mode=mode)

    first_derivatives(divided, divided, a, b)
    whole = np.isfinite(a) & np.isfinite(b) & (np.abs(b) >= 1)
    integers = a[whole].astype(int), b[whole].astype(int)
    expected = divided(*map(torch.tensor, integers)).numpy()
    result = divided(Tensor(integers[0]), integers[1]).numpy()
    np.testing.assert_allclose(result, expected, rtol=1e-6)
    assert result.dtype.kind == expected.dtype.kind


@pytest.mark.parametrize("bounds", ["both", "min", "max"])
def test_clamp_between_tensors_that_tie_cross_or_are_nan(bounds):
    values = np.array([-inf, -1, 0, 1, 2, inf, nan])
    x, low, high = (v.ravel() for v in np.meshgrid(values, values, values))
    if bounds == "both":
        first_derivatives(Tensor.clamp, torch.clamp, x, low, high)
    else:
        first_derivatives(
            lambda x, b: x.clamp(**{bounds: b}), lambda x, b: x.clamp(**{bounds: b}), x, low
        )


def test_clamp_between_a_number_and_a_tensor_of_another_shape():
    x, high = np.array([[0.5, 2.0], [-1.0, 3.0]]), np.array([1.0, 2.5])
    low = torch.tensor(0.1, dtype=torch.float64)
    check(lambda x, b: x.clamp(0.1, b), lambda x, b: x.clamp(low, b), x, high)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_masked_fill_with_a_number_and_with_a_tensor(shape):
    x = np.arange(3.0) if shape == () else np.arange(float(np.prod(shape))).reshape(shape)
    mask = np.array([[True, False, True], [False, False, True]])
    here, there = Tensor(mask), torch.tensor(mask)
    check(lambda x: x.masked_fill(here, -inf), lambda x: x.masked_fill(there, -inf), x)
    check(
        lambda x, v: x.masked_fill(here, v * v),
        lambda x, v: x.masked_fill(there, v * v),
        x,
        np.array(3.0),
    )


@pytest.mark.parametrize("weight", [0.0, 0.4, 0.5, 0.6, 1.0, 1.5, -0.7])
def test_lerp_with_a_number(weight):
    a, b = np.array([1.0, -2.0, 0.1]), np.array([[3.0, 5.0, 0.3], [0.0, 1e17, -1e-17]])
    check(lambda a, b: a.lerp(b, weight), lambda a, b: a.lerp(b, weight), a, b)


@pytest.mark.parametrize("name", ["float", "double", "half", "int", "long", "bool"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int32, np.uint8, bool])
def test_casts(name, dtype):
    values = np.array([0, 1, 1.75]).astype(dtype)
    check(getattr(Tensor, name), getattr(torch.Tensor, name), values)


@pytest.mark.parametrize(
    "name", ["relu", "gelu", "mish", "elu", "selu", "hardswish", "silu", "erf"]
)
@pytest.mark.parametrize("shape", [(), (0,), (2, 0)])
def test_without_axes_or_elements(name, shape):
    theirs = getattr(torch, name, None) or getattr(F, name)
    check(getattr(Tensor, name), theirs, np.full(shape, 0.7))
