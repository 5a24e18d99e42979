"""detect_anomaly: what it finds, what it says, and that it finds nothing in a correct program."""

import threading
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest
from cases import CASES, DIFFERENTIABLE, tensors
from hypothesis import given, settings
from hypothesis import strategies as st

import nn
import tinygrad_sm
from tinygrad_sm import (
    AnomalyError,
    Function,
    GradientError,
    Tensor,
    anomaly,
    detect_anomaly,
    grad,
    no_grad,
    where,
)


def leaf(*values, name=None):
    return Tensor(np.array(values, "f"), requires_grad=True, name=name)


def caught(function):
    with pytest.raises(AnomalyError) as info, detect_anomaly():
        function()
    return info.value


# ---- the forward pass --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("compute", "op", "words"),
    [
        (lambda: leaf(1, 0).log(), "log", ("−inf", "0 at [1]", "log_softmax")),
        (lambda: leaf(-1).log(), "log", ("NaN", "−1 at [0]", "clamp")),
        (lambda: leaf(0, 1000).softmax(0).log(), "log", ("softmax() rounds", "cross_entropy()")),
        (lambda: leaf(-1000).sigmoid().log(), "log", ("sigmoid() rounds", "with_logits")),
        (lambda: leaf(100).exp(), "exp", ("inf", "100 at [0]", "88", "logsumexp")),
        (lambda: leaf(1) / leaf(0), "divide", ("division by 0",)),
        (lambda: 1 / leaf(0), "divide", ("division by 0",)),
        (lambda: leaf(-4).sqrt(), "sqrt", ("NaN", "root of a negative", "clamp(min=0)")),
        (lambda: leaf(-4) ** 0.5, "power", ("NaN", "negative number")),
        (lambda: leaf(3).var(), "var", ("correction=0",)),
        (lambda: leaf(2e30, name="w") * leaf(1e30), "multiply", ("w holds", "learning rate")),
        (lambda: leaf(1e38, 1e38, 1e38, 1e38).sum(), "sum", ("learning rate",)),
        (lambda: leaf(1e6).astype("float16"), "astype", ("dtype can hold",)),
        (lambda: leaf(1, 2).cross_entropy(-100), "soft_cross_entropy", ("no labels", "ignored")),
        (
            lambda: Function("mine", lambda x: x * inf, lambda g, y, x: g)(leaf(1)),
            "mine",
            ("look at its forward",),
        ),
    ],
)
def test_the_operation_is_named_with_its_numbers_and_the_usual_cause(compute, op, words):
    error = caught(compute)
    assert (error.op, error.phase, error.filename) == (op, "forward", __file__)
    assert f"'{op}'" in str(error)
    assert "lambda" in str(error) or "leaf(" in str(error)  # the line itself
    for word in words:
        assert word in str(error).replace("\n", " ")


def test_the_module_the_parameter_and_the_users_line_are_named():
    class Net(nn.Module):
        def __init__(self):
            self.layers = [nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 1), nn.ReLU())]

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)  # this very line
            return x

    net = Net()
    net.layers[1][0].weight.data[:] = 3e38
    error = caught(lambda: net(Tensor([[1e3, 1e3]])))
    assert error.module == "layers.1.0"
    assert "layers.1.0 (Linear) of Net" in str(error)
    assert "layers.1.0.weight" in str(error)
    assert "this very line" in str(error)
    assert "learning rate" in str(error)


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: x.masked_fill([[True, False, True]], -inf).softmax(-1).log_softmax(-1).sum(),
        lambda x: (x + Tensor([0.0, 1.0, 1.0]).log()).cross_entropy([1]),  # a mask as ln
        lambda x: (x + Tensor([-inf, 0.0, 0.0])).logsumexp(1).sum(),
        lambda x: where(x > 1, x, -inf).max(),
        lambda x: where([[True] * 3, [False] * 3], 0.0, x.masked_fill([[True]], -inf).softmax(1))[
            0
        ].sum(),
        lambda x: (x * Tensor([1.0, 0.0, 0.0]).clamp(min=-inf, max=inf)).sum(),
        lambda x: where(Tensor([0.0]) > 0, 1 / Tensor([0.0]), x).sum(),
        lambda x: (x + Tensor(0.0).log().exp()).sum(),
        lambda x: x.norm(inf).sum(),
        lambda x: x[:0].logsumexp(0).softmax(0).sum(),  # the ln of an empty sum
    ],
)
def test_infinities_on_purpose_are_no_anomaly(compute):
    x = leaf([1, 2, 3])
    with np.errstate(all="ignore"):
        compute(x).backward()
    expected, x.grad = x.grad, None
    with detect_anomaly():
        compute(x).backward()
    np.testing.assert_array_equal(x.grad, expected)


def test_nothing_is_said_of_constants_and_under_no_grad():
    with detect_anomaly():
        x = Tensor([0.0]).log()
        with no_grad():
            y = where(leaf(0) > 0, leaf(0).log(), 0.0)
    assert x.item() == -inf
    assert y.item() == 0


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@settings(max_examples=3)
@given(data=st.data())
def test_every_operation_is_watched_and_gives_the_same(name, data):
    inputs, attributes = data.draw(CASES[name].inputs)

    def gradients():
        leaves = tensors(inputs)
        y = CASES[name].call(*leaves, **attributes)
        y.sum().backward()
        return y, [x.grad for x in leaves]

    _, expected = gradients()
    with detect_anomaly():
        y, found = gradients()
    assert anomaly.made(y) is not None
    assert anomaly.made(y).op == y._op.name
    assert Path(__file__).parent in Path(anomaly.made(y).place.filename).parents
    for a, b in zip(expected, found, strict=True):
        assert (a is None and b is None) or np.array_equal(a, b)


def test_a_network_learns_the_same_inside():
    def train():
        tinygrad_sm.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, 2, 3),
            nn.BatchNorm2d(2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(8, 4),
            nn.LayerNorm(4),
            nn.GELU(),
            nn.Linear(4, 3),
        )
        optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
        images = Tensor(np.random.default_rng(0).normal(size=(6, 1, 6, 6)).astype("f"))
        for _ in range(3):
            model.zero_grad()
            model(images).cross_entropy([0, 1, 2] * 2).backward()
            optimizer.step()
        return model.state_dict()

    expected = train()
    with detect_anomaly():
        found = train()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


# ---- the backward pass -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("compute", "op", "words"),
    [
        (lambda x: x.sqrt(), "sqrt", ("gradient for x", "0 at [0]", "(x + 1e-8).sqrt()")),
        (lambda x: x**0.5, "power", ("infinite at 0",)),
        (lambda x: (x * 1e-30).log(), "log", ()),
        (lambda x: where([True, False, False], 0.0, x.sqrt()), "sqrt", ("NaN",)),
        (
            lambda x: Function("mine", lambda x: x, lambda g, y, x: g / x)(x),
            "mine",
            ("look at its vjp",),
        ),
    ],
)
def test_a_gradient_that_breaks_is_laid_to_its_operation(compute, op, words):
    x = leaf(*((0, 1, 4) if op != "log" else (1e-15, 1, 4)), name="x")
    error = caught(lambda: compute(x).sum().backward())
    assert (error.op, error.phase) == (op, "backward")
    assert x.grad is None  # nothing was handed out
    for word in words:
        assert word in str(error).replace("\n", " ")


def test_the_line_is_that_of_the_forward_pass():
    def run():
        y = leaf(0).sqrt()  # here it was made
        return y.backward()

    error = caught(run)
    assert "here it was made" in str(error)
    assert error.line == run.__code__.co_firstlineno + 1


def test_a_gradient_that_breaks_but_reaches_no_leaf_is_no_anomaly():
    x = leaf(0, 4)
    with detect_anomaly():
        # The slope of the root is infinite at 0, but `where` stops it: that 0 is not x.
        where([False, True], x, 0.0).sqrt().sum().backward()
    np.testing.assert_array_equal(x.grad, [0, 0.25])


def test_what_came_in_broken_is_named_as_where_it_comes_from():
    def run():
        x = Tensor([0.0, 1.0]).log()  # a constant: fine by itself
        (x * w).sum().backward()

    w = leaf(1, 2, name="w")
    error = caught(run)
    assert error.op == "multiply"
    assert "made by 'log'" in str(error)
    assert "fine by itself" in str(error)
    v = leaf(nan, 1, name="v")
    assert "'v' held it from the start" in str(caught(lambda: (v * v).sum().backward()))
    assert "put in, by" in str(caught(lambda: (w * Tensor([nan, 1])).sum().backward()))


def test_gradients_too_large_to_add_up():
    def run():
        y = x * 1.0
        (y * 2e38 + y * 2e38).backward(leaf(1).data)

    x = leaf(1e-10)
    assert "too large to add up" in str(caught(run))


def test_a_seed_that_is_infinite_is_the_users_own():
    x = leaf(1)
    with detect_anomaly():
        (x * 2).backward([inf])
    assert x.grad == inf


def test_grad_and_a_recorded_backward_pass_are_watched_too():
    x = leaf(0, 2)
    error = caught(lambda: grad(x.sqrt().sum(), x))
    assert (error.op, error.phase) == ("sqrt", "backward")

    def twice():
        (g,) = grad((x**1.5).sum(), x, create_graph=True)
        grad(g.sum(), x)

    error = caught(twice)
    assert (error.op, error.phase) == ("power", "backward")
    assert "create_graph=True" in str(error)


def test_only_gradients_that_were_asked_for_are_looked_at():
    x, y = leaf(0), leaf(1)
    with detect_anomaly():
        (g,) = grad((x.sqrt() + y * 3).sum(), y)
    assert g.item() == 3


def test_errors_from_a_vjp_get_a_note_with_the_line():
    wrong_shape = Function("cube", lambda x: x**3, lambda g, y, x: (g * x).sum())
    with pytest.raises(GradientError, match=r"cube.*shape") as info, detect_anomaly():
        wrong_shape(leaf(1, 2)).sum().backward()
    assert "wrong_shape(leaf(1, 2))" in info.value.__notes__[0]
    broken = Function("broken", lambda x: x, lambda g, y, x: 1 // 0)
    with pytest.raises(ZeroDivisionError) as info, detect_anomaly():
        nn.Sequential(_Call(broken))(leaf(1)).sum().backward()
    assert "0 (_Call) of Sequential" in info.value.__notes__[0]


class _Call(nn.Module):
    def __init__(self, function):
        self.function = function

    def forward(self, x):
        return self.function(x)


# ---- writes in place ---------------------------------------------------------------------------


MASK = Tensor([True, False, False])


@pytest.mark.parametrize(
    ("compute", "write", "words"),
    [
        (lambda w: w * w, lambda w, y: w.data.__setitem__(1, 7), ("multiply", "w", "2 became 7")),
        (lambda w: w.exp(), lambda w, y: y.data.fill(1), ("exp", "its result", "[0]")),
        (lambda w: w * w, lambda w, y: np.negative(w.data, out=w.data), ("1 became −1",)),
        (lambda w: w * w, lambda w, y: w.data[::-1].sort(), ("multiply", "1 became 3")),
        (lambda w: w.reshape(1, 3).cross_entropy([0]), lambda w, y: None, None),
        (
            lambda w: where(MASK, w, 0.0),
            lambda w, y: MASK.data.__setitem__(2, True),
            ("where", "condition", "[2]: 0 became 1"),
        ),
        (lambda w: w + 1, lambda w, y: w.data.fill(5), None),  # the sum's slope needs no value
        (lambda w: w.exp(), lambda w, y: w.data.fill(5), None),  # that of exp its result only
        (lambda w: w * w, lambda w, y: w.data.__setitem__(0, 1), None),  # the same value
    ],
)
def test_a_write_is_an_error_where_the_gradient_would_be_wrong(compute, write, words):
    w = leaf(1, 2, 3, name="w")
    y = compute(w).sum()
    y.backward()
    expected, w.grad = w.grad, None
    with detect_anomaly():
        y = compute(w)
        write(w, y)
        if words is None:
            y.sum().backward()
            np.testing.assert_array_equal(w.grad, expected)
        else:
            with pytest.raises(GradientError, match="changed in place") as info:
                y.sum().backward()
            for word in (*words, f"{__file__}, line ", "after backward"):
                assert word in str(info.value).replace("\n", " ")
            assert w.grad is None


def test_a_write_to_a_shared_batch_is_found():
    batch = np.ones((2, 2), "f")
    w = leaf([1, 2])
    with detect_anomaly():
        loss = (Tensor(batch, copy=False) * w).sum()
        batch[:] = 0  # as a loader does that fills the same array again
        with pytest.raises(GradientError, match=r"'multiply': a was changed.*1 became 0"):
            loss.backward()


def test_an_optimizers_step_is_told_as_ever():
    w = leaf(1, 2)
    with detect_anomaly():
        loss = (w * w).sum()
        w.data -= 1
        with pytest.raises(GradientError, match="by an optimizer's step"):
            loss.backward()


# ---- the block ---------------------------------------------------------------------------------


def entries():
    return [getattr(owner, name) for owner, name, *_ in anomaly._ENTRIES]


def test_nothing_is_left_behind():
    before = entries()
    with detect_anomaly(), detect_anomaly():
        assert not any(a is b for a, b in zip(before, entries(), strict=True))
    assert entries() == before
    caught(lambda: leaf(0).log())
    assert entries() == before
    assert leaf(0).sqrt().log  # unwatched again
    with np.errstate(all="ignore"):
        assert leaf(0).log().item() == -inf


def test_what_is_remembered_goes_with_the_graph():
    known = len(anomaly._made)
    with detect_anomaly():
        y = (leaf(1, 2) * 2).exp().sum()
        y.backward()
        assert len(anomaly._made) > known
        del y
    assert len(anomaly._made) == known


def test_blocks_nest_and_decorate():
    block = detect_anomaly()

    @block
    def log(x):
        with block:
            x.exp()
        return x.log()

    assert log(leaf(1)).item() == 0
    with pytest.raises(AnomalyError):
        log(leaf(0))


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_other_threads_are_left_alone():
    results = []

    def work():
        x = leaf(0)
        x.log().backward()
        results.append(x.grad.item())

    with detect_anomaly():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert results == [inf]


def test_the_error_is_a_floating_point_error():
    assert issubclass(AnomalyError, FloatingPointError)
