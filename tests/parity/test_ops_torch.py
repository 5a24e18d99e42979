"""Every operation beside PyTorch's: values, gradients and second derivatives, in float64."""

import numpy as np
import pytest
from cases import CASES, weights
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_sm import Tensor, grad, ops

torch = pytest.importorskip("torch")
torch.set_num_threads(1)


# ---- the helper --------------------------------------------------------------------------------


def as_torch(x):
    """A copy, for PyTorch takes no negative strides."""
    return torch.tensor(np.array(x), requires_grad=x.dtype.kind == "f")


def check(ours, theirs, *inputs, atol=1e-9, **attributes):
    """Compare in one go: result, dtype, shape, gradients and second derivatives."""
    here = [Tensor(x, requires_grad=x.dtype.kind == "f", copy=False) for x in inputs]
    there = [as_torch(x) for x in inputs]
    y, t = ours(*here, **attributes), theirs(*there, **attributes)
    assert y.shape == tuple(t.shape)
    assert str(y.dtype) == str(t.dtype).removeprefix("torch.")
    same(y.numpy(), t, atol)
    assert y.requires_grad == t.requires_grad
    if not y.requires_grad:
        return
    here = [x for x in here if x.requires_grad]
    there = [x for x in there if x.requires_grad]
    w = weights(y.shape).astype(y.dtype)
    first = grad(y, here, grad_outputs=Tensor(w), create_graph=True)
    expected = torch.autograd.grad(t, there, torch.tensor(w), create_graph=True)
    for g, e, x in zip(first, expected, here, strict=True):
        assert g.shape == x.shape
        assert g.dtype == x.dtype
        same(g.numpy(), e, atol)
    for slope in weighted(first, Tensor), weighted(expected, torch.tensor):
        if slope.requires_grad:  # otherwise the second derivative is 0
            slope.backward()
    for x, e in zip(here, there, strict=True):
        second = np.zeros(x.shape) if x.grad is None else x.grad
        same(second, torch.zeros(x.shape) if e.grad is None else e.grad, atol)


def weighted(gradients, tensor):
    """A number that depends on every element of the gradients."""
    return sum((g * tensor(weights(tuple(g.shape), seed=1))).sum() for g in gradients)


def same(ours, theirs, atol):
    np.testing.assert_allclose(ours, theirs.detach().numpy(force=True), rtol=1e-9, atol=atol)


# ---- every operation on drawn inputs -----------------------------------------------------------


def dims(axis, ndim):
    """PyTorch takes no axis=None in some functions."""
    return tuple(range(ndim)) if axis is None else axis


def extreme(name):
    def twin(x, axis, keepdims):
        if axis is None:
            y = getattr(x, name)()
            return y.reshape((1,) * x.ndim) if keepdims else y
        if isinstance(axis, tuple):
            # amax over no axes at all means all of them.
            return getattr(torch, "a" + name)(x, axis, keepdim=keepdims) if axis else x * 1
        return getattr(x, name)(axis, keepdim=keepdims).values

    return twin


def reduction(function):
    def twin(x, axis, keepdims):
        return x * 1 if axis == () else function(x, dims(axis, x.ndim), keepdim=keepdims)

    return twin


def pick(x, key):
    """The elements that NumPy's index picks, by their places in the flat tensor."""
    places = np.arange(x.numel()).reshape(tuple(x.shape))[key]
    return x.reshape(-1)[torch.tensor(np.array(places))]


def put(x, key, shape):
    places = np.arange(np.prod(shape, dtype=int)).reshape(shape)[key]
    zeros = torch.zeros(int(np.prod(shape)), dtype=x.dtype)
    flat = torch.tensor(np.array(places)).reshape(-1)
    return zeros.index_add(0, flat, x.reshape(-1)).reshape(shape)


def cross_entropy(z, labels, reduction):
    return torch.nn.functional.cross_entropy(z, labels, reduction=reduction)


def soft_cross_entropy(z, q, reduction, count):
    losses = -(q * torch.log_softmax(z, min(1, z.ndim - 1))).sum(min(1, z.ndim - 1))
    return {"none": losses, "sum": losses.sum(), "mean": losses.sum() / count}[reduction]


TWINS = {
    "negative": torch.neg,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "abs": torch.abs,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "square": torch.square,
    "reciprocal": torch.reciprocal,
    "rsqrt": torch.rsqrt,
    "exp2": torch.exp2,
    "expm1": torch.expm1,
    "log2": torch.log2,
    "log10": torch.log10,
    "log1p": torch.log1p,
    "sin": torch.sin,
    "cos": torch.cos,
    "tan": torch.tan,
    "asin": torch.asin,
    "acos": torch.acos,
    "atan": torch.atan,
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "asinh": torch.asinh,
    "acosh": torch.acosh,
    "atanh": torch.atanh,
    "silu": torch.nn.functional.silu,
    "logsigmoid": torch.nn.functional.logsigmoid,
    "softsign": torch.nn.functional.softsign,
    "clamp": lambda x, min, max: torch.clamp(x, min, max),
    "hardtanh": lambda x, low, high: torch.nn.functional.hardtanh(x, low, high),
    "leaky_relu": lambda x, slope: torch.nn.functional.leaky_relu(x, slope),
    "elu": torch.nn.functional.elu,
    "celu": torch.nn.functional.celu,
    "softplus": torch.nn.functional.softplus,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "logaddexp": torch.logaddexp,
    "atan2": torch.atan2,
    "astype": lambda x, dtype: x.to(torch.float64) * 1,
    "add": torch.add,
    "subtract": torch.subtract,
    "multiply": torch.multiply,
    "divide": torch.divide,
    "power": torch.pow,
    "where": torch.where,
    "sign": lambda x: torch.sign(x).detach(),
    "equal": torch.eq,
    "not_equal": torch.ne,
    "less": torch.lt,
    "less_equal": torch.le,
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "sum": reduction(torch.sum),
    "mean": reduction(torch.mean),
    "max": extreme("max"),
    "min": extreme("min"),
    "argmax": lambda x, axis, keepdims: torch.argmax(x, axis, keepdim=keepdims),
    "argmin": lambda x, axis, keepdims: torch.argmin(x, axis, keepdim=keepdims),
    "matmul": torch.matmul,
    "linear": torch.nn.functional.linear,
    "reshape": lambda x, shape: torch.reshape(x, shape),
    "permute": lambda x, axes: torch.permute(x, axes),
    "expand": lambda x, shape: x.expand(shape),
    "sum_to": lambda x, shape: x.sum_to_size(shape),
    "getitem": pick,
    "put": put,
    "softmax": lambda x, axis: torch.softmax(x, axis),
    "log_softmax": lambda x, axis: torch.log_softmax(x, axis),
    "logsumexp": reduction(torch.logsumexp),
    "one_hot": lambda x, classes, dtype: torch.nn.functional.one_hot(x, classes).double(),
    "cross_entropy": cross_entropy,
    "soft_cross_entropy": soft_cross_entropy,
}


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
    if name in (
        "elu",
        "celu",
    ):  # PyTorch's second derivative at 0 is neither that of left nor right
        values = values[values != 0]
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
