"""Every operation in the table: its value, its derivatives, and its kinks."""

import numpy as np
import pytest
from cases import CASES, DIFFERENTIABLE, tensors, weights
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_sm import Tensor, gradcheck, ops

every_case = pytest.mark.parametrize("name", CASES)
every_derivative = pytest.mark.parametrize("name", DIFFERENTIABLE)


def test_the_cases_and_the_table_name_the_same_operations():
    assert set(CASES) == set(ops.TABLE)


def test_every_operation_in_the_table_is_public_under_its_name():
    assert {name: getattr(ops, name) for name in ops.TABLE} == ops.TABLE


# ---- what every operation promises -------------------------------------------------------------


@every_case
@given(data=st.data())
def test_value(name, data):
    inputs, attributes = data.draw(CASES[name].inputs)
    y = CASES[name].call(*tensors(inputs), **attributes)
    expected = np.asarray(CASES[name].value(*inputs, **attributes))
    assert y.shape == expected.shape
    assert y.dtype == expected.dtype
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12, atol=1e-12)


@every_derivative
@settings(max_examples=20)
@given(data=st.data())
def test_derivatives_of_first_and_second_order_agree_with_finite_differences(name, data):
    inputs, attributes = data.draw(CASES[name].inputs)
    assert gradcheck(lambda *x: CASES[name].call(*x, **attributes), tensors(inputs), order=2)


@every_derivative
@given(data=st.data())
def test_float32_gradients_are_close_to_those_in_float64(name, data):
    inputs, attributes = data.draw(CASES[name].inputs)
    narrow = tensors(inputs, np.float32)
    wide = [Tensor(x.astype(float), requires_grad=True) if x.requires_grad else x for x in narrow]
    for leaves in narrow, wide:
        y = CASES[name].call(*leaves, **attributes)
        y.backward(weights(y.shape))
    for x, exact in zip(narrow, wide, strict=True):
        if x.requires_grad:
            assert x.grad.dtype == np.float32
            assert x.grad.shape == x.shape
            np.testing.assert_allclose(x.grad, exact.grad, rtol=1e-4, atol=1e-4)


def gradients(op, g, y, *values, **attributes):
    """What the rules give; None for an input without a derivative."""
    if op.together:
        return op.rules[0](g, y, *values, **attributes)
    return [rule and rule(g, y, *values, **attributes) for rule in op.rules]


@every_derivative
@given(data=st.data())
def test_a_rule_gives_the_same_on_arrays_and_on_tensors(name, data):
    inputs, attributes = data.draw(CASES[name].inputs)
    op = ops.TABLE[name]
    leaves = tensors(inputs)
    y = op(*leaves, **attributes)
    g = Tensor(weights(y.shape), requires_grad=True)
    saved = (op.forward(*inputs, **attributes)[1],) if op.saves else ()
    recomputed = (None,) if op.saves else ()
    plain = gradients(op, g.data, y.data, *inputs, *saved, **attributes)
    recorded = gradients(op, g, y, *leaves, *recomputed, **attributes)
    for on_arrays, on_tensors, x in zip(plain, recorded, leaves, strict=False):
        if on_arrays is None:
            continue
        assert isinstance(on_tensors, Tensor)
        assert (on_tensors.shape, on_tensors.dtype) == (on_arrays.shape, on_arrays.dtype)
        if not op.broadcasts:
            assert on_tensors.shape == x.shape
        np.testing.assert_allclose(on_tensors.numpy(), on_arrays, rtol=1e-12, atol=1e-12)


@every_case
@given(data=st.data())
def test_neither_direction_writes_into_the_inputs(name, data):
    inputs, attributes = data.draw(CASES[name].inputs)
    for x in inputs:
        x.flags.writeable = False  # a write raises
    y = CASES[name].call(*tensors(inputs), **attributes)
    if y.requires_grad:
        seed = weights(y.shape)
        y.backward(seed)
        np.testing.assert_array_equal(seed, weights(y.shape))


@pytest.mark.parametrize("name", [name for name in CASES if name not in DIFFERENTIABLE])
@given(data=st.data())
def test_a_result_without_a_derivative_needs_no_gradient(name, data):
    inputs, attributes = data.draw(CASES[name].inputs)
    assert not CASES[name].call(*tensors(inputs), **attributes).requires_grad


# ---- kinks and corners -------------------------------------------------------------------------


def gradient(function, values):
    x = Tensor(np.array(values, float), requires_grad=True)
    function(x).sum().backward()
    return x.grad.tolist()


@pytest.mark.parametrize(
    ("function", "values", "expected"),
    [
        # Over all or several axes, equal winners share the gradient evenly.
        (lambda x: x.max(), [3, 1, 3, 3], [1 / 3, 0, 1 / 3, 1 / 3]),
        (lambda x: x.min(), [3, 1, 1, 3], [0, 1 / 2, 1 / 2, 0]),
        (lambda x: x.max(axis=(0, 1)), [[2, 2], [2, 2]], [[1 / 4, 1 / 4], [1 / 4, 1 / 4]]),
        (lambda x: x.max(axis=(1,)), [[2, 2], [2, 1]], [[1 / 2, 1 / 2], [1, 0]]),
        # Along one axis the first takes all of it.
        (lambda x: x.max(axis=0), [3, 1, 3, 3], [1, 0, 0, 0]),
        (lambda x: x.max(axis=1), [[2, 2], [1, 2]], [[1, 0], [0, 1]]),
        (lambda x: x.max(axis=-1), [[2, 2], [1, 2]], [[1, 0], [0, 1]]),
        (lambda x: x.max(axis=np.int64(1)), [[2, 2], [1, 2]], [[1, 0], [0, 1]]),
        (lambda x: x.min(axis=0), [[2, 2], [2, 1]], [[1, 0], [0, 1]]),
        (lambda x: x.abs(), [-2, 0, 2], [-1, 0, 1]),
        (lambda x: x.relu(), [-2, 0, 2], [0, 0, 1]),
        (lambda x: x.elu(0.5), [0, 2], [0.5, 1]),
        (lambda x: x.celu(0.5), [0, 2], [1, 1]),
        (lambda x: x**2, [-3, 0, 3], [-6, 0, 6]),
        (lambda x: x**3, [-3, 0, 3], [27, 0, 27]),
        (lambda x: x**1, [-3, 0, 3], [1, 1, 1]),
        (lambda x: x**0, [-3, 0, 3], [0, 0, 0]),
        (lambda x: x**-1, [-2, 2], [-1 / 4, -1 / 4]),
        (lambda x: x ** np.array([0, 1, 2]), [0, 0, 0], [0, 1, 0]),
        (lambda x: 2**x, [0, 1], [np.log(2), 2 * np.log(2)]),
        (lambda x: 0**x, [0, 1, 2], [0, 0, 0]),
        (lambda x: x.sum(axis=()), [1, 2], [1, 1]),
        (lambda x: x[[0, 0, 2]], [1, 2, 3], [2, 0, 1]),
        (lambda x: x[::-2] * np.array([1, 10]), [1, 2, 3], [10, 0, 1]),
        (lambda x: x[x > 1], [1, 2, 3], [0, 1, 1]),
    ],
)
def test_gradient_at_a_corner(function, values, expected):
    assert gradient(function, values) == pytest.approx(np.array(expected))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: (x**0).sum(), [1 + 1 + 1]),
        (lambda x: (0 ** (x * 0)).sum(), [3]),
        (lambda x: (x**2).tolist(), [4, 0, 9]),
        (lambda x: (x**3).tolist(), [-8, 0, 27]),
        (lambda x: (x ** np.array([3, 0, 0])).tolist(), [-8, 1, 1]),
    ],
)
def test_powers_of_zero_and_of_negative_numbers(function, expected):
    y = function(Tensor(np.array([-2.0, 0.0, 3.0])))
    assert np.ravel(y).tolist() == expected


def test_second_derivative_of_a_power_whose_exponent_is_a_tensor_at_zero():
    # ∂²aᵇ/∂a∂b = aᵇ⁻¹ (1 + b ln a), which is 1/a at b = 0.
    inputs = tensors([np.array([2.0, 3.0, 0.5]), np.array([0.0, 1.0, 0.0])])
    assert gradcheck(lambda a, b: a**b, inputs, order=2)


def test_sigmoid_and_tanh_of_large_numbers_neither_overflow_nor_warn():
    x = Tensor(np.array([-1e308, -1e4, 1e4, 1e308]), requires_grad=True)
    assert x.sigmoid().tolist() == [0, 0, 1, 1]
    assert x.tanh().tolist() == [-1, -1, 1, 1]
    (x.sigmoid() + x.tanh()).sum().backward()
    assert x.grad.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x.sum(), 0.0),
        (lambda x: x.mean(), np.nan),
        (lambda x: x.sum(axis=0), [0.0, 0.0]),
        (lambda x: x.mean(axis=0), [np.nan, np.nan]),
        (lambda x: x.logsumexp(axis=0), [-np.inf, -np.inf]),
        (lambda x: x.max(axis=1), []),
        (lambda x: x.min(axis=1), []),
        (lambda x: x.argmax(axis=1), []),
        (lambda x: x.softmax(axis=0), []),
        (lambda x: x.log_softmax(axis=1), []),
    ],
)
def test_reduction_of_no_elements(function, expected):
    x = Tensor(np.zeros((0, 2)), requires_grad=True)
    y = function(x)
    np.testing.assert_array_equal(y.tolist(), expected)
    if y.requires_grad:
        y.sum().backward()
        assert x.grad.shape == (0, 2)


@pytest.mark.parametrize("axis", [None, 0])
def test_the_gradient_of_the_largest_goes_to_the_nan(axis):
    x = Tensor(np.array([1.0, np.nan, 2.0]), requires_grad=True)
    y = x.max(axis)
    y.backward()
    assert np.isnan(y.item())
    assert x.grad.tolist() == [0, 1, 0]


# ---- operations on something else --------------------------------------------------------------


def test_an_operation_on_arrays_gives_an_array():
    y = ops.exp(np.zeros(2))
    assert isinstance(y, np.ndarray)
    assert y.tolist() == [1, 1]


def test_a_fused_operation_on_arrays_gives_the_loss_alone():
    assert float(ops.cross_entropy(np.zeros((1, 2)), np.array([0]))) == pytest.approx(np.log(2))


def test_an_operation_prints_its_name():
    assert repr(ops.exp) == "<operation exp>"


def test_the_gradient_of_a_cast_comes_back_in_the_dtype_of_the_input():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x.astype(np.float64)
    assert y.dtype == np.float64
    (y * y).sum().backward()
    assert x.grad.dtype == np.float32
    assert x.grad.tolist() == [2, 4]


@pytest.mark.parametrize("dtype", [int, bool, np.uint8])
def test_a_cast_to_whole_numbers_ends_the_graph(dtype):
    assert not Tensor([1.5, 0.0], requires_grad=True).astype(dtype).requires_grad


def test_an_exponent_of_one_number_widens_as_any_other_factor_does():
    x = Tensor([1.0, 2.0])
    assert (x ** Tensor(np.float64(2))).dtype == (x * Tensor(np.float64(2))).dtype == np.float64
    assert (x**2.0).dtype == np.float32


def test_logaddexp_neither_overflows_nor_loses_its_gradient():
    a, b = tensors([np.array([-1e300, 800.0, 0.0]), np.array([1e300, -800.0, 0.0])])
    y = a.logaddexp(b)
    y.sum().backward()
    assert y.tolist() == [1e300, 800, np.log(2)]
    assert a.grad.tolist() == [0, 1, 0.5]
    assert b.grad.tolist() == [1, 0, 0.5]
