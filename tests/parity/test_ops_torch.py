"""Every operation beside PyTorch's: values, gradients and second derivatives, in float64."""

import numpy as np
import pytest
from cases import CASES
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_sm import Tensor, ops

torch = pytest.importorskip("torch")

from beside import check
from twins import TWINS
from twins.reduction import extreme
from twins.shape import pick

# ---- every operation on drawn inputs -----------------------------------------------------------


def test_every_operation_has_a_twin():
    assert set(TWINS) == set(ops.TABLE)


@pytest.mark.parametrize("name", TWINS)
@given(data=st.data())
def test_operation(name, data):
    inputs, attributes = data.draw(CASES[name].inputs)
    check(CASES[name].call, TWINS[name], *inputs, **attributes)


# ---- kinks and corners -------------------------------------------------------------------------

TIES = np.array([[2.0, 1.0, 2.0], [0.0, 2.0, 0.0]])


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1), (1,), (0,)])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("values", [TIES, -TIES, 0 * TIES], ids=["ties", "negative", "all equal"])
@pytest.mark.parametrize("name", ["max", "min"])
def test_equal_extremes(name, values, axis, keepdims):
    check(CASES[name].call, extreme(name), values, axis=axis, keepdims=keepdims)


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("name", ["max", "min"])
def test_extremes_where_there_is_a_nan(name, axis):
    values = np.array([[2.0, np.nan, 3.0], [0.0, 2.0, 0.0]])
    check(CASES[name].call, extreme(name), values, axis=axis, keepdims=False)


SMOOTH_FAR_OUT = ["silu", "softsign", "atan", "logsigmoid", "square", "expm1"]


@pytest.mark.parametrize("name", ["abs", "relu", "sign", "tanh", "sigmoid", "exp", *SMOOTH_FAR_OUT])
def test_elementwise_at_0_and_far_out(name):
    values = np.array([-1e3, -50, -1, -1e-300, 0, 1e-300, 1, 50])
    check(CASES[name].call, TWINS[name], values)


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("clamp", {"min": -1.0, "max": 1.0}),
        ("clamp", {"min": None, "max": 1.0}),
        ("clamp", {"min": 1.0, "max": -1.0}),
        ("hardtanh", {"low": -1.0, "high": 1.0}),
        ("hardtanh", {"low": 0.0, "high": 6.0}),
        ("leaky_relu", {"slope": 0.1}),
        ("elu", {"alpha": 0.5}),
        ("celu", {"alpha": 0.5}),
        ("softplus", {"beta": 2.0}),
    ],
)
def test_elementwise_at_its_bounds_and_far_out(name, attributes):
    values = np.array([-1e3, -50.0, -1.0, 0.0, 1.0, 6.0, 50.0, 1e3, np.nan])
    check(CASES[name].call, TWINS[name], values, **attributes)


@pytest.mark.parametrize("name", ["maximum", "minimum", "logaddexp"])
def test_equal_pairs(name):
    a = np.array([1.0, 2.0, 3.0, 0.0, -30.0])
    b = np.array([1.0, 3.0, 2.0, 0.0, 30.0])
    check(CASES[name].call, TWINS[name], a, b)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, -1, -2, 0.5, 1.5, -0.5])
def test_power_with_a_number_as_exponent(exponent):
    values = [0.5, 1.0, 2.0]
    if exponent == int(exponent):
        values += [-0.5, -1.0, -2.0]
    if exponent >= 0 and exponent == int(exponent):
        values.append(0.0)
    check(lambda x: x**exponent, lambda x: x**exponent, np.array(values))


@pytest.mark.parametrize("base", [0.5, 1, 2])
def test_power_with_a_number_as_base(base):
    check(lambda x: base**x, lambda x: base**x, np.array([0.5, 1.0, 2.0, 3.0]))


def test_power_with_a_tensor_as_exponent_at_0():
    # First derivatives only: the mixed second one is 1/a at exponent 0, where PyTorch gives 0.
    a, b = np.array([0.0, 0.0, 2.0, -3.0]), np.array([0.0, 2.0, 0.0, 2.0])
    x, t = Tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
    (x**b).sum().backward()
    (t ** torch.tensor(b)).sum().backward()
    np.testing.assert_array_equal(x.grad, t.grad)


def test_power_of_0_with_an_exponent_that_needs_a_gradient():
    b = np.array([0.0, 1.0, 2.0])
    x, t = Tensor(b, requires_grad=True), torch.tensor(b, requires_grad=True)
    (0**x).sum().backward()
    (0**t).sum().backward()
    np.testing.assert_array_equal(x.grad, t.grad)


# ---- matmul and linear in every shape ----------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3,), (3,)),
        ((3,), (3, 2)),
        ((4, 3), (3,)),
        ((4, 3), (3, 2)),
        ((3,), (5, 3, 2)),
        ((5, 4, 3), (3,)),
        ((5, 4, 3), (3, 2)),
        ((4, 3), (5, 3, 2)),
        ((5, 4, 3), (5, 3, 2)),
        ((1, 4, 3), (5, 3, 2)),
        ((5, 4, 3), (1, 3, 2)),
        ((2, 1, 4, 3), (5, 3, 2)),
        ((6, 1, 4, 3), (1, 5, 3, 2)),
        ((2, 5, 4, 3), (3,)),
        ((0, 3), (3, 2)),
        ((4, 0), (0, 2)),
        ((2, 0, 3), (3, 0)),
        ((1,), (1, 1)),
    ],
)
def test_matmul(a, b):
    rng = np.random.default_rng(0)
    check(lambda a, b: a @ b, torch.matmul, rng.normal(size=a), rng.normal(size=b))


@pytest.mark.parametrize("rows", [(), (4,), (2, 4), (2, 3, 4), (0,)])
@pytest.mark.parametrize("bias", [False, True])
def test_linear(rows, bias):
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=shape) for shape in ((*rows, 3), (2, 3), (2,))[: 2 + bias]]
    check(Tensor.linear, torch.nn.functional.linear, *inputs)


# ---- indexing ----------------------------------------------------------------------------------

X = np.random.default_rng(0).normal(size=(3, 4, 5))


@pytest.mark.parametrize(
    "key",
    [
        1,
        -1,
        (0, 2),
        (1, 2, 3),
        slice(1, None),
        slice(None, None, -1),
        (slice(None), slice(3, 0, -2)),
        slice(2, 2),
        ...,
        (..., 0),
        (0, ..., slice(None, None, 2)),
        None,
        (None, 1, None, ..., None),
        [0, 2],
        [0, 0, -1, 2, 0],
        np.array([[0, 1], [1, 0]]),
        ([0, 1], [2, 3]),
        ([0, 0, 0], [1, 1, 2], [4, 4, 4]),
        ([[0], [2]], [1, 1]),
        (slice(None), [1, 1]),
        (slice(None), [1, 1], slice(None, None, -2)),
        ([0, 1], slice(None), [2, 2]),  # arrays apart: their axis comes first
        (0, slice(None), [1, 1]),
        (None, [0, 0], ...),
        ([1, 1], None, [0, 0]),
        [],
        X > 0,
        X < -9,
        np.array([True, False, True]),
        (slice(None), np.array([True, False, True, True])),
        (np.array([True, False, True]), 0),
        (np.array([True, False, True]), [0, 1]),
        (X[..., 0] > 0, slice(1, 3)),
        np.array(1),
        np.int64(2),
        True,
    ],
    ids=str,
)
def test_index(key):
    check(lambda x: x[key], lambda x: pick(x, key), X)


def test_index_by_tensors():
    rows, mask = Tensor([0, 0, 2], dtype=int), Tensor(X > 0)
    check(lambda x: x[rows], lambda x: pick(x, [0, 0, 2]), X)
    check(lambda x: x[mask], lambda x: pick(x, X > 0), X)
    check(lambda x: x[Tensor(1, dtype=int), rows], lambda x: pick(x, (1, [0, 0, 2])), X)


# ---- dtypes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["add", "multiply", "divide", "power", "equal", "less"])
@pytest.mark.parametrize("number", [2, 2.5, True])
def test_a_number_beside_float32(name, number):
    values = np.array([1.0, 2.0, 3.0], np.float32)
    call = CASES[name].call
    check(lambda x: call(x, number), lambda x: call(x, number), values, atol=1e-6)


@pytest.mark.parametrize("dtypes", [("float32", "float64"), ("float64", "float32")])
@pytest.mark.parametrize("name", ["add", "multiply", "divide"])
def test_gradients_of_mixed_dtypes(name, dtypes):
    inputs = [np.array([1.0, 2.0], dtype) for dtype in dtypes]
    check(CASES[name].call, TWINS[name], *inputs, atol=1e-6)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "softmax", "logsumexp", "relu", "tanh"])
def test_float32(name):
    attributes = {"sum": {"axis": 1, "keepdims": False}, "softmax": {"axis": 1}}
    attributes |= dict.fromkeys(("mean", "max", "logsumexp"), attributes["sum"])
    values = X[0].astype(np.float32)
    check(CASES[name].call, TWINS[name], values, atol=1e-5, **attributes.get(name, {}))
