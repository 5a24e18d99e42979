"""Reductions and running results: kinks, NaN, infinities, no elements, dtypes and errors."""

import math

import numpy as np
import pytest

from tinygrad_sm import DtypeError, ShapeError, Tensor, grad, gradcheck

nan, inf = math.nan, math.inf


def made(values, dtype=float):
    return Tensor(np.array(values, dtype), requires_grad=True)


def gradient(function, values):
    x = made(values)
    function(x).sum().backward()
    return x.grad


# ---- kinks and corners -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "values", "expected"),
    [
        # A product needs no division by the element: zeros, infinities and NaN do no harm.
        (lambda x: x.prod(), [2, 3, 4], [12, 8, 6]),
        (lambda x: x.prod(), [2, 0, 4], [0, 8, 0]),
        (lambda x: x.prod(), [0, 3, 0], [0, 0, 0]),
        (lambda x: x.prod(), [2, inf, 3], [inf, 6, inf]),
        (lambda x: x.prod(), [2, nan, 3], [nan, 6, nan]),
        (lambda x: x.prod((0, 1)), [[2, 3], [0, 4]], [[0, 0], [24, 0]]),
        (lambda x: x.prod(0), [[2, 3], [0, 4]], [[0, 4], [2, 3]]),
        (lambda x: x.prod(), [], []),
        (lambda x: x.cumprod(0), [2, 0, 3, 0, 4], [1, 2 * (1 + 3), 0, 0, 0]),
        (lambda x: x.cumprod(0)[0], [1, 1e200, 1e200], [1, 0, 0]),
        # Equal elements.
        (lambda x: x.amax(0), [3, 1, 3], [1 / 2, 0, 1 / 2]),
        (lambda x: x.amin(1), [[3, 1, 1]], [[0, 1 / 2, 1 / 2]]),
        (lambda x: x.amax(0), [3, nan, nan], [0, 1 / 2, 1 / 2]),
        (lambda x: x.median(), [1, 2, 2, 3], [0, 1 / 2, 1 / 2, 0]),
        (lambda x: x.median(0), [1, 2, 2, 3], [0, 1, 0, 0]),
        (lambda x: x.median(0), [1, nan, nan, 3], [0, 1, 0, 0]),
        (lambda x: x.cummax(0).values, [1, 3, 3, nan, 5, nan], [1, 1, 1, 2, 0, 1]),
        (lambda x: x.cummin(0).values, [3, 3, 1, 2], [1, 1, 2, 0]),
        # No spread, and no size.
        (lambda x: x.std(), [2, 2, 2], [0, 0, 0]),
        (lambda x: x.std(1), [[1, 3], [2, 2]], [[-math.sqrt(0.5), math.sqrt(0.5)], [0, 0]]),
        (lambda x: x.norm(), [0, 0], [0, 0]),
        (lambda x: x.norm(3), [0, -2], [0, -1]),
        (lambda x: x.norm(1), [0, -2, 3], [0, -1, 1]),
        (lambda x: x.norm(0), [0, -2, 3], [0, 0, 0]),
        (lambda x: x.norm(0.5), [0, 4], [0, 1]),
        (lambda x: x.norm(1.5), [0, 1e-180], [0, 1]),
        (lambda x: x.norm(-1), [0, 4], [0, 0]),
        (lambda x: x.norm(inf), [3, -3, 1], [1 / 2, -1 / 2, 0]),
        (lambda x: x.norm(-inf), [-1, 1, 3], [-1 / 2, 1 / 2, 0]),
        (lambda x: x.normalize(axis=0), [0, 0], [1e12, 1e12]),
        # NaN left out.
        (lambda x: x.nansum(), [1, nan, 2], [1, 0, 1]),
        (lambda x: x.nanmean(), [1, nan, 2], [1 / 2, 0, 1 / 2]),
        (lambda x: x.nanmean(0), [[1, nan], [nan, nan]], [[1, 0], [0, 0]]),
        # Nothing but e^−∞.
        (lambda x: x.logcumsumexp(0), [-inf, -inf, 1], [0, 0, 1]),
        (lambda x: x.logcumsumexp(0), [-inf, -1e4, 1e4], [0, 1, 1]),
        (lambda x: x.logcumsumexp(0), [1, -inf], [2, 0]),
        (lambda x: x.logcumsumexp(0), [1e5, -1e5], [2, 0]),
    ],
)
def test_gradient_at_a_corner(function, values, expected):
    np.testing.assert_allclose(gradient(function, values), np.array(expected, float), rtol=1e-12)


@pytest.mark.parametrize("values", [[2, 3, 4], [0, 3, 4], [0, 3, 0], [0, 0, 0]])
@pytest.mark.parametrize("function", [lambda x: x.prod(), lambda x: x.cumprod(0)[2]])
def test_third_derivative_of_a_product_with_zeros(function, values):
    # ∂³(abc) / ∂a∂b∂c = 1
    x = made(values)
    y = function(x)
    for i in range(3):
        y = grad(y, [x], create_graph=i < 2)[0][i]
    assert y.item() == 1


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.cummax(0).values,
        lambda x: x.cummin(-1).values,
        lambda x: x.nansum(0),
        lambda x: x.nanmean((0, 1)),
        lambda x: x.var_mean(0)[0],
        lambda x: x.std_mean(0, correction=0)[0],
        lambda x: x.amax((0, 1)),
        lambda x: x.softmin(0),
        lambda x: x.normalize(),
        lambda x: x.normalize(3, (0, 1)),
    ],
)
def test_derivatives_of_what_is_composed(function):
    x = made(np.random.default_rng(0).normal(size=(3, 4)))
    assert gradcheck(function, x, order=2)


@pytest.mark.parametrize("n", [1, 2, 3, 16, 100, 257])
def test_a_long_run_has_the_derivative_of_its_steps(n):
    x = made(np.random.default_rng(0).uniform(0.5, 1.5, n))
    w = np.random.default_rng(1).uniform(0.5, 1.5, n)
    (x.cumprod(0) * w).sum().backward()
    # Without zeros the derivative of each product is the product divided by the element.
    expected = np.cumsum((w * x.cumprod(0).numpy())[::-1])[::-1] / x.numpy()
    np.testing.assert_allclose(x.grad, expected, rtol=1e-12)


# ---- values ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "values", "expected"),
    [
        (lambda x: x.sum(), [inf, -inf], nan),
        (lambda x: x.mean(), [inf, -inf], nan),
        (lambda x: x.sum(), [1e308, 1e308], inf),
        (lambda x: x.prod(), [inf, 0], nan),
        (lambda x: x.prod(), [1e200, 1e200], inf),
        (lambda x: x.var(), [inf, 1], nan),
        (lambda x: x.std(), [nan, 1], nan),
        (lambda x: x.var(), [1], nan),
        (lambda x: x.var(correction=3), [1, 2], inf),
        (lambda x: x.norm(), [1e200, 1], inf),
        (lambda x: x.norm(3), [nan, inf], nan),
        (lambda x: x.norm(-1), [0, inf], 0),
        (lambda x: x.norm(0), [0, nan, inf], 2),
        (lambda x: x.norm("fro"), [3, 4], 5),
        (lambda x: x.median(), [3, 1, nan], nan),
        (lambda x: x.median(), [4, 1, 3, 2], 2),
        (lambda x: x.cumsum(0), [1, inf, -inf, nan], [1, inf, nan, nan]),
        (lambda x: x.cumprod(0), [inf, 0, nan], [inf, nan, nan]),
        (lambda x: x.logcumsumexp(0), [-inf, -inf, inf, 1], [-inf, -inf, inf, inf]),
        (lambda x: x.logcumsumexp(0), [1, nan, 1], [1, nan, nan]),
        (lambda x: x.cummax(0).values, [1, nan, 2], [1, nan, nan]),
        (lambda x: x.cummax(0).indices, [1, 1, nan, 2, nan, 3], [0, 1, 2, 2, 4, 4]),
        (lambda x: x.cummin(0).indices, [2, 2, 1, nan], [0, 1, 2, 3]),
        (lambda x: x.nansum(), [nan, inf], inf),
        (lambda x: x.nanmean(), [nan, nan], nan),
        (lambda x: x.all(), [nan, 1], True),
        (lambda x: x.any(), [0, 0], False),
        (lambda x: x.count_nonzero(), [nan, 0, 1], 2),
    ],
)
def test_nan_and_infinities_come_through_in_silence(function, values, expected):
    x = made(values)
    y = function(x)
    np.testing.assert_array_equal(y.tolist(), expected)
    if y.requires_grad:
        y.sum().backward()  # a warning would be an error
        assert x.grad.shape == x.shape


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x.prod(), 1.0),
        (lambda x: x.prod(0), [1.0, 1.0]),
        (lambda x: x.var(), nan),
        (lambda x: x.std(0), [nan, nan]),
        (lambda x: x.var_mean(1)[1], []),
        (lambda x: x.norm(), 0.0),
        (lambda x: x.norm(0, axis=0), [0.0, 0.0]),
        (lambda x: x.norm(-1, axis=1), []),
        (lambda x: x.median(), nan),
        (lambda x: x.median(1), []),
        (lambda x: x.nansum(0), [0.0, 0.0]),
        (lambda x: x.nanmean(), nan),
        (lambda x: x.amax(1), []),
        (lambda x: x.cumsum(0), []),
        (lambda x: x.cumprod(0), []),
        (lambda x: x.cumprod(1), []),
        (lambda x: x.cummax(0).values, []),
        (lambda x: x.logcumsumexp(0), []),
        (lambda x: x.normalize(), []),
        (lambda x: x.all(0), [True, True]),
        (lambda x: x.any(), False),
        (lambda x: x.count_nonzero(), 0),
    ],
)
def test_reduction_of_no_elements(function, expected):
    x = made(np.zeros((0, 2)))
    y = function(x)
    np.testing.assert_array_equal(y.tolist(), expected)
    if y.requires_grad:
        y.sum().backward()
        assert x.grad.shape == (0, 2)


@pytest.mark.parametrize("axis", [None, 0, -1, (0,), (), [0]])
@pytest.mark.parametrize(
    "method",
    ["sum", "mean", "prod", "nansum", "nanmean", "max", "amin", "median", "norm", "logsumexp"],
)
def test_a_single_number_has_an_axis_of_length_1_where_one_is_asked_for(method, axis):
    x = made(3)
    y = getattr(x, method)(axis=axis)
    y.backward()
    assert (y.shape, y.item(), x.grad.item()) == ((), 3, 1)


@pytest.mark.parametrize("method", ["cumsum", "cumprod", "logcumsumexp", "cummax", "cummin"])
def test_a_single_number_runs_to_itself(method):
    x = made(3)
    y = getattr(x, method)(-1)
    y = y.values if isinstance(y, tuple) else y
    y.backward()
    assert (y.shape, y.item(), x.grad.item()) == ((), 3, 1)


# ---- dtypes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.int32, np.int64, np.uint64])
def test_whole_numbers(dtype):
    x = Tensor(np.array([[1, 0], [1, 1]], dtype))
    for y in x.sum(), x.prod(1), x.cumsum(0), x.cumprod(1), x.nansum(0), x.count_nonzero():
        assert y.dtype == np.int64
    for y in x.mean(), x.nanmean(0):
        assert y.dtype == np.float64
    for y in x.all(), x.any(1):
        assert y.dtype == bool
    for y in x.max(), x.amin(0), x.cummax(0).values:
        assert y.dtype == dtype
    assert x.sum(1).tolist() == [1, 2]
    assert x.mean(1).tolist() == [0.5, 1]
    assert x.prod(0).tolist() == [1, 0]
    assert x.cumsum(1).tolist() == [[1, 1], [1, 2]]
    assert x.cummin(1).indices.tolist() == [[0, 1], [0, 1]]
    assert x.median(0).tolist() == [1, 0]


def test_small_integers_do_not_overflow():
    x = Tensor(np.array([200, 200], np.uint8))
    assert x.sum().item() == 400
    assert x.prod().item() == x.cumprod(0)[1].item() == 40000
    assert x.cumsum(0).tolist() == [200, 400]


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "var", "std", "norm", "median", "nanmean"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_keep_their_dtype(name, dtype):
    x = made([[1, 2], [3, 4]], dtype)
    for y in getattr(x, name)(), getattr(x, name)(axis=0):
        assert y.dtype == dtype
        y.sum().backward()
    assert x.grad.dtype == dtype


def test_float16_is_added_up_in_float32():
    x = Tensor(np.tile(np.array([100, 300], np.float16), 2048))
    assert x.mean().item() == 200
    assert x.std().item() == 100
    assert x.norm().item() == pytest.approx(math.sqrt(2048 * 100_000), rel=1e-3)


def test_a_dtype_to_cast_to_first():
    x = made([1.5, 2.5], np.float32)
    assert x.sum(dtype=np.float64).dtype == np.float64
    assert x.prod(dtype=int).item() == 2
    assert x.cumsum(0, dtype=int).tolist() == [1, 3]
    assert x.cumprod(0, dtype=float).dtype == np.float64
    assert Tensor([1, 2], dtype=int).mean(dtype=np.float32).dtype == np.float32
    assert Tensor([1, 2], dtype=int).nanmean(dtype=np.float32).dtype == np.float32
    assert x.nansum(dtype=np.float64).dtype == np.float64


# ---- errors ------------------------------------------------------------------------------------

X = Tensor([[1.0, 2.0]])
WHOLE = Tensor([1, 2], dtype=int)
NOTHING = Tensor(np.zeros((0, 2)))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: X.sum(2), ValueError, "axis 2 is out of bounds"),
        (lambda: X.prod((0, 0)), ValueError, "duplicate value"),
        (lambda: X.cumsum(2), ShapeError, "axis 2 does not exist"),
        (lambda: X.cummax(-3), ShapeError, "axis -3 does not exist"),
        (lambda: Tensor(1.0).cumprod(1), ShapeError, "axis 1 does not exist"),
        (lambda: X.median(2), ValueError, "axis 2 is out of bounds"),
        (lambda: X.var(2), ValueError, "axis 2 is out of bounds"),
        (lambda: NOTHING.amax(0), ShapeError, "no identity"),
        (lambda: NOTHING.argmax(0), ShapeError, "empty sequence"),
        (lambda: NOTHING.median(0), ShapeError, "has no median"),
        (lambda: NOTHING.norm(inf), ShapeError, "no identity"),
        (lambda: NOTHING.norm(-2), ShapeError, "needs elements, got shape"),
        (lambda: X.norm("nuc"), ValueError, "a number or 'fro' for p, got 'nuc'"),
        (lambda: WHOLE.var(), DtypeError, "var needs floating-point elements.*int64"),
        (lambda: WHOLE.std(), DtypeError, "std needs floating-point elements"),
        (lambda: WHOLE.norm(), DtypeError, "norm needs floating-point elements"),
        (lambda: WHOLE.logcumsumexp(0), DtypeError, "logcumsumexp needs floating-point"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
