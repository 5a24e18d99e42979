"""Elementwise methods without PyTorch: precision, dtypes, names and errors."""

import math
import operator

import numpy as np
import pytest

import tinygrad_sm
from tinygrad_sm import DtypeError, ShapeError, Tensor, ops

# ---- the error function ------------------------------------------------------------------------

DENSE = np.concatenate([np.linspace(-7, 7, 4001), np.logspace(-320, 1.4, 500), -np.logspace(-9, 1)])


@pytest.mark.parametrize(("name", "within"), [("erf", 2), ("erfc", 5)])
def test_error_function_is_as_precise_as_the_one_of_c(name, within):
    exact = np.array([getattr(math, name)(x) for x in DENSE.tolist()])
    normal = np.abs(exact) > 1e-300
    ours = getattr(Tensor(DENSE), name)().numpy()
    assert (np.abs(ours - exact) <= within * np.spacing(np.abs(exact)))[normal].all()
    assert np.abs(ours - exact)[~normal].max(initial=0) <= 1e-313
    narrow = getattr(Tensor(DENSE.astype(np.float32)), name)().numpy()
    exact = np.array([getattr(math, name)(x) for x in DENSE.astype(np.float32).tolist()])
    np.testing.assert_array_max_ulp(narrow, exact.astype(np.float32), 1)


def test_error_function_of_whole_numbers_infinities_and_nan():
    values = np.array([-np.inf, -0.0, 0.0, np.inf, np.nan])
    np.testing.assert_array_equal(Tensor(values).erf().numpy(), [-1, -0.0, 0, 1, np.nan])
    np.testing.assert_array_equal(Tensor(values).erfc().numpy(), [2, 1, 1, 0, np.nan])
    assert math.copysign(1, Tensor(-0.0).erf().item()) == -1
    assert Tensor([0, 1], dtype=int).erf().tolist() == [0, math.erf(1)]


def test_gelu_keeps_its_digits_in_the_left_tail():
    x = Tensor(np.array([-5.0, -10.0, -30.0]), requires_grad=True)
    expected = [v * math.erfc(-v / math.sqrt(2)) / 2 for v in x.tolist()]
    assert x.gelu().tolist() == pytest.approx(expected, rel=1e-12, abs=0)


# ---- shorter ways ------------------------------------------------------------------------------


@pytest.mark.parametrize("slope", [0.0, 0.01, 1.0, 1.5, -0.5])
def test_leaky_relu_of_any_slope(slope):
    x = Tensor(np.array([-2.0, -0.5, 0.0, 0.5, 2.0, np.inf, np.nan]), requires_grad=True)
    y = x.leaky_relu(slope)
    y.backward(np.full(7, 3.0))
    with np.errstate(invalid="ignore"):
        expected = np.where(x.numpy() > 0, x.numpy(), slope * x.numpy())
    np.testing.assert_array_equal(y.numpy(), expected)
    np.testing.assert_array_equal(x.grad, [3 * slope] * 3 + [3.0] * 3 + [3 * slope])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_cube_is_that_of_numpy_to_rounding(dtype):
    with np.errstate(over="ignore"):
        x = np.array([-40.0, -1.1, -0.0, 1e-3, 0.7, 3.0, 1e30, np.inf, np.nan]).astype(dtype)
        np.testing.assert_allclose(
            (Tensor(x) ** 3).numpy(), np.power(x, 3), rtol=2 * np.finfo(dtype).eps
        )


# ---- dtypes ------------------------------------------------------------------------------------

DTYPES = [bool, np.uint8, np.int16, np.int32, np.int64, np.float16, np.float32, np.float64]
OPERATORS = """
    add sub mul truediv floordiv mod pow eq ne lt le gt ge and_ or_ xor
""".split()  # noqa: SIM905


def outcome(function, *values):
    """The dtype and values of a result, or the kind of its error."""
    try:
        result = function(*values)
    except (TypeError, ValueError) as error:
        return TypeError if isinstance(error, TypeError) else ValueError
    result = result.numpy() if isinstance(result, Tensor) else result
    return result.dtype, result.tolist()


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_promote_as_numpy_does(name):
    function = getattr(operator, name)
    plain = np.power if name == "pow" else function  # for NumPy's bools ** 2 is another dtype
    for a in DTYPES:
        left = np.array([1, 3, 2]).astype(a)
        for b in DTYPES:
            right = np.array([2, 1, 1]).astype(b)
            expected = outcome(plain, left, right)
            assert outcome(function, Tensor(left), Tensor(right)) == expected
            assert outcome(function, left, Tensor(right)) == expected
        for number in (True, 2, 2.5):
            assert outcome(function, Tensor(left), number) == outcome(plain, left, number)
            assert outcome(function, number, Tensor(left)) == outcome(plain, number, left)


@pytest.mark.parametrize("dtype", DTYPES)
def test_inversion_and_signs_promote_as_numpy_does(dtype):
    values = np.array([0, 1, 3]).astype(dtype)
    for function in (operator.neg, operator.invert, operator.abs):
        assert outcome(function, Tensor(values)) == outcome(function, values)
    assert Tensor(values).sign().dtype == dtype


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    "name",
    """
    abs sign floor ceil trunc round square sqrt rsqrt reciprocal exp exp2 expm1 log log2 log10 log1p
    sin cos tan asin acos atan sinh cosh tanh asinh atanh sigmoid logsigmoid relu relu6 leaky_relu
    elu celu selu gelu quick_gelu silu mish softplus softsign hardtanh hardsigmoid hardswish erf
    erfc neg
    """.split(),  # noqa: SIM905
)
def test_a_float_keeps_its_dtype_there_and_back(name, dtype):
    x = Tensor(np.array([[0.25, 0.75]], dtype), requires_grad=True)
    y = getattr(x, name)()
    y.sum().backward()
    assert y.dtype == x.grad.dtype == dtype
    wide = getattr(Tensor(np.array([[0.25, 0.75]])), name)()
    np.testing.assert_allclose(y.numpy(), wide.numpy(), rtol=20 * np.finfo(dtype).eps)


def test_integers_stay_integers_where_nothing_is_divided():
    x = Tensor([7, -7], dtype=int)
    for y, expected in [
        (x.div(2, rounding_mode="trunc"), [3, -3]),
        (x // 2, [3, -4]),
        (x % 3, [1, 2]),
        (x.fmod(3), [1, -1]),
        (x.round(decimals=-1), [10, -10]),
        (x.clamp(0, 5), [5, 0]),
        (x.relu(), [7, 0]),
        (x.where(x > 0, 0), [7, 0]),
        (x.masked_fill(x < 0, 1), [7, 1]),
    ]:
        assert (y.dtype, y.tolist()) == (np.int64, expected)


def test_a_cast_to_the_same_dtype_is_the_tensor_itself():
    x = Tensor([1.0], requires_grad=True)
    assert x.float() is x
    assert x.double().requires_grad
    assert not x.long().requires_grad
    assert x.positive() is x


# ---- names -------------------------------------------------------------------------------------


ALIASES = """
    absolute=abs arccos=acos arccosh=acosh arcsin=asin arcsinh=asinh arctan=atan arctan2=atan2
    arctanh=atanh clip=clamp divide=div fix=trunc greater=gt greater_equal=ge less=lt less_equal=le
    multiply=mul negative=neg not_equal=ne subtract=sub swish=silu true_divide=div
""".split()  # noqa: SIM905


@pytest.mark.parametrize(("alias", "name"), [pair.split("=") for pair in ALIASES])
def test_second_names(alias, name):
    assert getattr(Tensor, alias) is getattr(Tensor, name)


@pytest.mark.parametrize(
    "name",
    """
    add sub mul div pow floor_divide remainder fmod maximum minimum logaddexp atan2 eq ne lt le gt
    ge logical_and logical_or logical_xor isclose allclose
    """.split(),  # noqa: SIM905
)
def test_functions_of_two_tensors_do_what_the_methods_do(name):
    function, method = getattr(tinygrad_sm, name), getattr(Tensor, name)
    a, b = Tensor([3, 2], dtype=int), Tensor([2, 5], dtype=int)
    assert np.array_equal(function(a, b), method(a, b))
    number = function(2, b)  # takes the integers' dtype
    assert np.array_equal(number, method(Tensor(2, dtype=int), b))
    if name != "allclose":
        assert number.dtype == method(Tensor(2, dtype=int), b).dtype


def test_where_and_lerp_as_functions():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = tinygrad_sm.where(x > 1, x, 0) + tinygrad_sm.where(x > 1, 0, x * 3)
    y.sum().backward()
    assert (y.tolist(), x.grad.tolist()) == ([3, 2], [3, 1])
    assert tinygrad_sm.where(True, 1.0, 2.0).dtype == np.float32
    assert tinygrad_sm.where(np.array([True]), 1, Tensor([2], dtype=int)).dtype == np.int64
    assert tinygrad_sm.lerp(0, Tensor([2.0], dtype=np.float64), 0.25).tolist() == [0.5]


def test_the_operators_of_bools():
    a, b = Tensor([True, True, False]), np.array([True, False, False])
    assert (a & b).tolist() == (b & a).tolist() == [True, False, False]
    assert (a | b).tolist() == [True, True, False]
    assert (a ^ b).tolist() == [False, True, False]
    assert (~a).tolist() == [False, False, True]
    assert (6 & Tensor([3], dtype=int)).tolist() == [2]


def test_closeness_counts_nan_only_if_asked():
    a = Tensor([np.nan, np.inf, 1.0])
    assert a.isclose(a).tolist() == [False, True, True]
    assert a.allclose(a, equal_nan=True)
    assert not a.allclose(a)


# ---- derivatives that the table of operations does not meet ------------------------------------


def test_the_gradient_of_abs_is_not_recorded_through_its_sign():
    x = Tensor([-2.0, 3.0], requires_grad=True)
    (g,) = tinygrad_sm.grad(x.abs().sum(), x, create_graph=True)
    assert not g.requires_grad
    assert g.tolist() == [-1, 1]


def test_a_filled_place_gets_no_gradient_but_the_value_does():
    x, value = Tensor([1.0, 2.0, 3.0], requires_grad=True), Tensor(5.0, requires_grad=True)
    x.masked_fill([True, False, True], value).backward([1.0, 10.0, 100.0])
    assert (x.grad.tolist(), value.grad.item()) == ([0, 10, 0], 101)


# ---- wrong input -------------------------------------------------------------------------------

X = Tensor([1.0, 2.0])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: X & X, DtypeError, ["& needs bools or integers", "float32", "(a > 0) & (b > 0)"]),
        (lambda: X | True, DtypeError, ["|", "float32 and float32"]),
        (lambda: ~X, DtypeError, ["~ needs bools or integers", "float32", "logical_not"]),
        (lambda: X.where(X, 0), DtypeError, ["where", "bools", "float32", "x > 0"]),
        (lambda: X.masked_fill([1, 0], 0), DtypeError, ["masked_fill", "bools", "int64"]),
        (lambda: X.masked_fill(X > 0, X), ShapeError, ["one value", "(2,)", "where"]),
        (lambda: X.int().masked_fill(X > 0, 2.5), DtypeError, ["int32", "float64", "astype"]),
        (lambda: X.div(2, rounding_mode="up"), ValueError, ['"trunc"', '"floor"', "'up'"]),
        (lambda: X.gelu("erf"), ValueError, ['"none"', '"tanh"', "'erf'"]),
        (lambda: X.clamp(), ValueError, ["min", "max"]),
        (lambda: X.hardtanh(2, 1), ValueError, ["min_val <= max_val", "2", "1"]),
        (lambda: X.softplus(0), ValueError, ["beta", "0"]),
        (lambda: X.celu(0.0), ValueError, ["alpha", "0"]),
        (lambda: X.eq("one"), DtypeError, ["'one'"]),
        (lambda: X.lerp([1.0, 2.0, 3.0], 0.5), ShapeError, ["lerp", "(2,)", "(3,)"]),
        (lambda: X.clamp(min=[1.0, 2.0, 3.0]), ShapeError, ["clamp_min", "(2,)", "(3,)"]),
    ],
)
def test_wrong_input(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert all(word in str(caught.value) for word in words), caught.value


def test_every_operation_of_one_input_takes_no_elements_and_no_axes():
    for name in ("erf", "erfc", "round", "hardsigmoid", "sign", "isnan", "logical_not"):
        for shape in ((), (0,), (2, 0)):
            assert ops.TABLE[name](np.full(shape, 0.5)).shape == shape
