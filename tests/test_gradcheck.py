"""gradcheck finds wrong derivative rules, and says where."""

import numpy as np
import pytest

from tinygrad_sm import GradcheckError, GradientError, Tensor, gradcheck, ops
from tinygrad_sm.ops import Op
from tinygrad_sm.tensor import apply


@pytest.fixture
def table():
    """Operations made in a test do not stay in the table."""
    before = dict(ops.TABLE)
    yield
    ops.TABLE.clear()
    ops.TABLE.update(before)


def leaf(values):
    return Tensor(np.array(values, float), requires_grad=True)


def cube(rule):
    op = Op("cube", lambda x: x**3, rule)
    return lambda x: apply(op, (x,))


@pytest.mark.usefixtures("table")
def test_a_right_rule_passes_in_both_orders():
    assert gradcheck(cube(lambda g, y, x: g * 3 * x * x), leaf([[0.5, -1.0]]), order=2)


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    "rule",
    [
        lambda g, y, x: g * 3 * x,
        lambda g, y, x: -g * 3 * x * x,
        lambda g, y, x: g * 3 * x * x * 1.001,
        lambda g, y, x: 3 * x * x + 0 * g,
        lambda g, y, x: g * np.nan,
    ],
)
def test_a_wrong_rule_is_found(rule):
    with pytest.raises(GradcheckError, match="the gradient with respect to input 0"):
        gradcheck(cube(rule), leaf([0.5, -1.0]))


@pytest.mark.usefixtures("table")
def test_a_rule_that_freezes_its_input_fails_in_the_second_order_only():
    frozen = cube(lambda g, y, x: g * 3 * np.asarray(x) ** 2)
    assert gradcheck(frozen, leaf([0.5, -1.0]))
    with pytest.raises(GradcheckError, match="the second derivative"):
        gradcheck(frozen, leaf([0.5, -1.0]), order=2)


@pytest.mark.usefixtures("table")
def test_the_place_and_both_numbers_are_named():
    only_first = np.array([[0.0, 1.0], [0.0, 0.0]])
    wrong = cube(lambda g, y, x: g * (3 * x * x + only_first))
    with pytest.raises(GradcheckError) as caught:
        gradcheck(wrong, leaf([[1, 2], [3, 4]]))
    message = str(caught.value)
    assert "1 of 4 elements" in message
    assert "index (0, 1)" in message
    assert "by the derivative rules" in message
    assert "by finite differences" in message


@pytest.mark.usefixtures("table")
def test_a_gradient_of_another_shape_is_found():
    # Of as many elements, so that a backward pass takes it.
    with pytest.raises(GradcheckError, match=r"shape \(1, 2\), .*shape \(2,\)"):
        gradcheck(cube(lambda g, y, x: g.reshape((1, 2))), leaf([0.5, -1.0]))


@pytest.mark.usefixtures("table")
def test_backward_refuses_a_gradient_of_another_shape():
    with pytest.raises(GradientError, match=r"cube.*shape \(\).*shape \(2,\)"):
        cube(lambda g, y, x: g.sum())(leaf([0.5, -1.0])).sum().backward()


def test_the_input_that_is_wrong_is_named():
    with pytest.raises(GradcheckError, match="input 1"):
        gradcheck(lambda a, b: a * b.detach() + b, [leaf([2, 3]), leaf([4, 5])])


def test_every_element_of_the_result_counts():
    # In a plain sum of softmax every mistake cancels: the sum is always 1.
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: x.softmax().detach() + x * 0, leaf([1, 2, 3]))


def test_constants_and_labels_are_passed_through():
    labels = Tensor(np.array([0, 1]))
    z = leaf([[1, 2], [3, 4]])
    assert gradcheck(lambda z, labels: z.cross_entropy(labels), [z, labels], order=2)


def test_an_input_that_is_not_used_has_gradient_0():
    assert gradcheck(lambda a, b: a * 2, [leaf([1, 2]), leaf([3])])


def test_a_function_of_constant_slope_has_second_derivative_0():
    assert gradcheck(lambda x: 2 * x, leaf([1, 2]), order=2)


def test_a_result_that_does_not_depend_on_its_input():
    assert gradcheck(lambda x: Tensor(np.ones(2)), leaf([1, 2]))


def test_inputs_stay_as_they_were():
    x = leaf([1, 2])
    x.grad = [7, 8]
    gradcheck(lambda x: x * x, x, order=2)
    assert x.tolist() == [1, 2]
    assert x.grad.tolist() == [7, 8]


@pytest.mark.usefixtures("table")
def test_a_larger_tolerance_lets_a_small_difference_pass():
    slightly_wrong = cube(lambda g, y, x: g * 3 * x * x * 1.001)
    assert gradcheck(slightly_wrong, leaf([1, 2]), rtol=1e-2)


def test_several_inputs_of_different_shapes():
    inputs = [leaf([[1, 2]]), leaf([[0.3, 0.4]]), leaf([0.5])]
    assert gradcheck(lambda x, w, b: x.linear(w, b).tanh(), inputs, order=2)
