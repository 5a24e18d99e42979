"""Operations of one's own: they work as the package's do, and their mistakes are explained."""

import traceback

import numpy as np
import pytest

import nn
from tinygrad_sm import (
    Function,
    Graph,
    Tensor,
    grad,
    gradcheck,
    hessian,
    no_grad,
    ops,
)
from tinygrad_sm.errors import DtypeError, GradcheckError, GradientError

cube = Function("cube", lambda x: x**3, lambda g, y, x: g * 3 * x**2)
sine = Function("sine", np.sin, lambda g, y, x: g * cosine(x))
cosine = Function("cosine", np.cos, lambda g, y, x: -g * sine(x))
product = Function("product", lambda a, b: a * b, lambda g, y, a, b: (g * b, g * a))
power = Function(
    "power", lambda x, *, n: x**n, lambda g, y, x, *, n: g * n * x ** (n - 1) if n else g * 0
)
straight_through = Function("straight_through", np.sign, lambda g, y, x: g)


def scaled(x, scale, *rest):
    return x * scale + sum(rest)


def scaled_vjp(g, y, x, scale, *rest):
    """g times the other factor. And more, which no drawing shows."""
    return g * scale, (g * x).sum(), *[g.sum()] * len(rest)


scale_all = Function("scale_all", scaled, scaled_vjp)


def undocumented_vjp(g, y, x):
    return g * 2


twice = Function("twice", lambda x: 2 * x, undocumented_vjp)


def leaf(values):
    return Tensor(np.array(values, float), requires_grad=True)


# ---- what works --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        (cube, [[0.5, -1.0]]),
        (cube, [2.0]),
        (sine, [[[0.5], [-1.0]]]),
        (product, [[1.0, 2.0], [3.0, -4.0]]),
        (lambda x: power(x, n=4), [[0.5, -1.0]]),
        (scale_all, [[[0.5, -1.0]], 3.0]),
        (scale_all, [[[0.5, -1.0]], 3.0, 1.0, 2.0]),
        (lambda x: product(cube(x), sine(x)), [[0.5, -1.0]]),
        (lambda x: product(x, x), [[0.5, -1.0]]),
    ],
)
def test_derivatives_of_first_and_second_order(function, inputs):
    assert gradcheck(function, [leaf(x) for x in inputs], order=2)


def test_gradcheck_finds_a_wrong_vjp():
    wrong = Function("wrong", lambda x: x**3, lambda g, y, x: g * x**2)
    with pytest.raises(GradcheckError, match="gradient with respect to input 0"):
        gradcheck(wrong, leaf([1.0, 2.0]))


def test_derivatives_of_any_order():
    assert hessian(lambda x: cube(x).sum(), leaf([1, 2])).tolist() == [[6, 0], [0, 12]]
    x = leaf(0.5)
    y = sine(x)
    for expected in (np.cos(0.5), -np.sin(0.5), -np.cos(0.5), np.sin(0.5)):
        (y,) = grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(expected)


def test_arrays_give_an_array_and_a_tensor_among_them_a_tensor():
    assert type(cube(np.array([2.0]))) is np.ndarray
    assert cube([2.0]).tolist() == [8]
    assert cube(2.0) == 8
    y = product(np.array([2.0]), leaf([3]))
    assert isinstance(y, Tensor)
    assert y.requires_grad
    assert product(leaf([3]), 2).dtype == float


def test_the_dtype_of_the_input_comes_back():
    x = Tensor([1.0, 2.0], requires_grad=True)
    wide = Function("wide", lambda x: x * np.float64(2), lambda g, y, x: g * np.ones(2))
    y = wide(x)
    assert y.dtype == np.float64
    y.sum().backward()
    assert x.grad.dtype == np.float32


def test_no_grad_and_inputs_without_gradient_record_nothing():
    assert not cube(Tensor([1.0])).requires_grad
    with no_grad():
        assert not cube(leaf([1])).requires_grad
    assert cube(Tensor([2], dtype=int)).tolist() == [8]


def test_without_a_vjp_the_result_needs_no_gradient():
    step = Function("step", lambda x: (x > 0).astype(int))
    assert step(leaf([-1, 1])).tolist() == [0, 1]
    assert not step(leaf([1])).requires_grad


def test_an_input_without_a_derivative():
    pick = Function(
        "pick",
        lambda x, index: x[index],
        lambda g, y, x, index: (ops.put(g, key=np.asarray(index), shape=x.shape), None),
    )
    x = leaf([1, 2, 3])
    pick(x, np.array([2, 0, 2])).sum().backward()
    assert x.grad.tolist() == [1, 0, 2]
    half = Function("half", lambda a, b: a * b, lambda g, y, a, b: (g * b, None))
    a, b = leaf([2]), leaf([3])
    half(a, b).sum().backward()
    assert (a.grad.tolist(), b.grad) == ([3], None)
    with pytest.raises(GradientError, match="do not depend on"):
        grad(half(a, b).sum(), b)


def test_the_vjp_runs_once_a_step_whatever_the_number_of_inputs():
    calls = []

    def vjp(g, y, a, b):
        calls.append(type(g))
        return g * b, g * a

    counted = Function("counted", np.multiply, vjp)
    a, b = leaf([2]), leaf([3])
    counted(a, b).sum().backward()
    assert calls == [np.ndarray]
    grad(counted(a, b).sum(), [a, b], create_graph=True)
    assert calls == [np.ndarray, Tensor]


def test_memory_is_shared_with_nobody():
    same = Function("same", lambda x: x, lambda g, y, x: g)
    flat = Function("flat", lambda x: x.reshape(-1), lambda g, y, x: g.reshape(x.shape))
    x = leaf([[1, 2]])
    for function in same, flat:
        y = function(x)
        assert not np.shares_memory(y.data, x.data)
        y.data[...] = 9  # and it can be written to
    seed = np.ones((1, 2))
    same(x).backward(seed)
    x.grad += 1
    assert seed.tolist() == [[1, 1]]


def test_it_stays_out_of_the_table_of_operations():
    assert ops.TABLE["power"] is ops.power
    assert not {"cube", "sine", "straight_through"} & set(ops.TABLE)
    assert repr(cube) == "<operation cube>"


# ---- in drawings -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "rules", "roles"),
    [
        (cube(leaf([2])), ("g * 3 * x ** 2",), ("x",)),
        (product(leaf([2]), leaf([2])), ("g * b", "g * a"), ("a", "b")),
        (scale_all(leaf([2]), leaf(2)), ("g times the other factor",) * 2, ("x", "scale")),
        (twice(leaf([2])), ("g * 2",), ("x",)),
        (
            Function("f", np.add, lambda g, y, a, b: (g, None))(leaf([2]), leaf([2])),
            ("g", "no derivative"),
            ("a", "b"),
        ),
        (Function("f", np.exp, lambda *values: np.multiply(*values[:2]))(leaf([2])), None, ("",)),
    ],
)
def test_a_node_has_its_name_its_rule_in_words_and_what_it_calls_its_inputs(y, rules, roles):
    node = Graph(y).nodes[-1]
    assert node.op == y._op.name
    assert rules is None or node.rules == rules
    assert node.roles == roles


def test_a_setting_shows_and_the_gradient_is_there():
    y = power(leaf([2]), n=3).sum()
    y.backward()
    node = Graph(y).nodes[1]
    assert (node.op, node.attributes) == ("power", {"n": 3})
    assert node.gradient.tolist() == [1]


def test_it_belongs_to_the_module_that_calls_it():
    class Cube(nn.Module):
        def forward(self, x):
            return cube(x)

    node = Graph(nn.Sequential(nn.Linear(2, 2), Cube())(Tensor([[1.0, 2.0]])).sum()).nodes[-2]
    assert (node.op, [module.kind for module in node.modules]) == ("cube", ["Sequential", "Cube"])


# ---- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.sin, np.cos), DtypeError, "a name and two functions"),
        (("f", 3), DtypeError, "a name and two functions, got .'f', 3, None"),
        (("f", np.sin, "g"), DtypeError, "a name and two functions"),
        (("f", np.sin, lambda g, x: g), TypeError, r"takes \(g, x\), but needs \(g, y, x, …\)"),
    ],
)
def test_what_a_function_is_made_of(arguments, error, message):
    with pytest.raises(error, match=message):
        Function(*arguments)


def test_what_it_is_called_with():
    with pytest.raises(TypeError, match="'cube' needs at least one input"):
        cube()
    with pytest.raises(TypeError, match=r"got a Tensor by keyword, n=.*by position"):
        power(leaf([1]), n=leaf(2))


def add_in_place(x):
    x += 1
    return x


@pytest.mark.parametrize(
    ("forward", "error", "message"),
    [
        (lambda x: None, DtypeError, "returned None.*Does it end with `return`"),
        (lambda x: 3.0, DtypeError, "returned 3.0, of type float.*np.asarray"),
        (lambda x: [1.0], DtypeError, "of type list, but needs to return a NumPy array"),
        (lambda x: Tensor(x) * 2, DtypeError, "of type Tensor.*Pass every Tensor as an input"),
        (lambda x: x * 1j, DtypeError, "dtype complex128.*real, .imag or abs"),
        (lambda x: np.array(["a"]), DtypeError, "a Tensor holds real numbers"),
        (lambda x: x.astype(int), DtypeError, "dtype int64: only floating-point.*leave out vjp"),
        (lambda x: x.exp(), DtypeError, "gets NumPy arrays, .* no attribute 'exp'.*np.exp"),
        (add_in_place, GradientError, "forward of 'f' wrote into what it was given.*copy"),
    ],
)
def test_mistakes_in_forward(forward, error, message):
    with pytest.raises(error, match=message) as caught:
        Function("f", forward, lambda g, y, x: g)(leaf([1, 2]))
    if forward is add_in_place:  # the traceback leads to the line
        assert "x += 1" in "".join(traceback.format_exception(caught.value))


def test_the_users_own_error_passes_with_its_traceback():
    def forward(x):
        raise ValueError("x lies between 0 and 1")

    with pytest.raises(ValueError, match=r"^x lies between 0 and 1$") as caught:
        Function("f", forward)(leaf([1]))
    assert "in forward" in "".join(traceback.format_exception(caught.value))


def double_in_place(g, y, x):
    g *= 2
    return g


@pytest.mark.parametrize(
    ("vjp", "error", "message"),
    [
        (lambda g, y, x: (g, g), GradientError, r"2 gradients, but the call had 1 inputs"),
        (lambda g, y, x: (), GradientError, r"0 gradients.*shape \(2,\).*by keyword"),
        (lambda g, y, x: g.sum(), GradientError, r"input 0 a gradient of shape \(\).*shape \(2,\)"),
        (lambda g, y, x: g * np.ones((3, 2)), GradientError, r"\(3, 2\).*ops.sum_to"),
        (lambda g, y, x: g * 1j, DtypeError, "dtype complex128: a gradient has real numbers"),
        (lambda g, y, x: 1.0, DtypeError, "1.0, of type float: a gradient is an array"),
        (lambda g, y, x: g * x.exp(), GradientError, r"failed on arrays.*no attribute 'exp'.*ops"),
        (double_in_place, GradientError, "vjp of 'f' wrote into what it was given"),
        (lambda g, y, x: g.reshape(3), ValueError, "cannot reshape"),
        (lambda g, y, x, b: (g, b), TypeError, "missing 1 required positional argument: 'b'"),
    ],
)
def test_mistakes_in_vjp(vjp, error, message):
    y = Function("f", lambda x: x * 1, vjp)(leaf([1, 2]))
    with pytest.raises(error, match=message):
        y.sum().backward()


@pytest.mark.parametrize(
    ("vjp", "message"),
    [
        (lambda g, y, x: g * np.exp(x), "'f' failed on Tensors.*second derivative.*TypeError.*ops"),
        (lambda g, y, x: np.where(x > 0, g, 0), r"NumPy's functions \(np.where"),
        (lambda g, y, x: np.sum(g, keepdims=True) + 0 * g, "failed on Tensors"),
        (lambda g, y, x: g * x.copy(), "failed on Tensors.*no attribute 'copy'"),
    ],
)
def test_a_vjp_for_arrays_alone_serves_first_derivatives(vjp, message):
    x = leaf([1, 2])
    y = Function("f", np.exp, vjp)(x)
    y.sum().backward()
    with pytest.raises(GradientError, match=message):
        grad(y.sum(), x, create_graph=True)


def test_an_error_inside_another_function_is_told_once():
    inner = Function("inner", add_in_place)
    outer = Function("outer", np.exp, lambda g, y, x: g * inner(x))
    x = leaf([1, 2])
    y = outer(x).sum()
    for again in y.backward, lambda: grad(y, x, create_graph=True):
        with pytest.raises(GradientError, match=r"^the forward of 'inner' wrote"):
            again()


def test_a_tensor_from_the_vjp_is_taken_for_its_values():
    x = leaf([1, 2])
    Function("f", np.exp, lambda g, y, x: Tensor(g * y))(x).sum().backward()
    np.testing.assert_array_equal(x.grad, np.exp([1, 2]))
