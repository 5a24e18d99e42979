"""explain_grad: why a gradient is None or zero, and on which paths it came."""

import numpy as np
import pytest
from cases import CASES, DIFFERENTIABLE, tensors
from hypothesis import given, settings
from hypothesis import strategies as st

import nn
from tinygrad_sm import (
    Function,
    GradientError,
    Tensor,
    detect_anomaly,
    explain_grad,
    no_grad,
    where,
)


def leaf(*values, name="w"):
    return Tensor(np.array(values, "f"), requires_grad=True, name=name)


def explained(x, loss, backward=True):
    if backward:
        loss.backward()
    return explain_grad(x, loss)


def network():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    x = Tensor(np.random.default_rng(0).normal(size=(8, 3)).astype("f"))
    return model, x, [0, 1] * 4


# ---- a gradient --------------------------------------------------------------------------------


def test_a_gradient_is_traced_back_to_the_loss():
    model, x, labels = network()
    report = explained(model[0].weight, model(x).cross_entropy(labels))
    assert (report.grad, report.reason, report.paths) == ("nonzero", "fine", 1)
    assert [s.name for s in report.path] == [
        "cross_entropy",
        "linear",
        "relu",
        "linear",
        "0.weight",
    ]
    assert [s.module for s in report.path[1:4]] == ["2 (Linear)", "1 (ReLU)", "0 (Linear)"]
    np.testing.assert_array_equal(report.path[-1].gradient, model[0].weight.grad)
    assert str(report) == report.text
    assert "0.weight, shape (4, 3): its gradient is nonzero" in report.text


@given(st.lists(st.sampled_from("emas"), min_size=1, max_size=12))
def test_contributions_add_up_to_the_gradient_and_paths_are_counted(uses):
    w = leaf(0.5, 2)
    terms = {
        "e": (lambda: w.exp(), 1),
        "m": (lambda: w * w, 2),
        "a": (lambda: w + Tensor([[1.0], [2.0]]), 1),  # stretched
        "s": (lambda: (w * 2).sin() * (w * 3), 2),
    }
    loss = sum(terms[use][0]().sum() for use in uses)
    report = explained(w, loss)
    np.testing.assert_allclose(sum(s.gradient for s in report.contributions), w.grad, rtol=1e-5)
    assert report.paths == sum(terms[use][1] for use in uses)
    assert report.reason == "fine"


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@settings(max_examples=2)
@given(data=st.data())
def test_every_operation_is_traced(name, data):
    inputs, attributes = data.draw(CASES[name].inputs)
    leaves = tensors(inputs)
    loss = CASES[name].call(*leaves, **attributes).square().sum()
    loss.backward()
    for x in leaves:
        if x.requires_grad and x.grad is not None and np.isfinite(x.grad).all():
            report = explain_grad(x, loss)
            assert report.reason in ("fine", "blocked", "cancelled")
            assert report.paths >= len(report.contributions)
            total = sum(s.gradient for s in report.contributions)
            np.testing.assert_allclose(total, x.grad, rtol=1e-6, atol=1e-12)
            assert (report.grad == "zero") == (report.reason != "fine")


def test_a_vjp_that_fails_is_no_change_of_values():
    wrong = Function("wrong", lambda x: x, lambda g, y, x: g.sum())
    w = leaf(1, 2)
    with pytest.raises(GradientError, match="wrong"):
        explain_grad(w, wrong(w).sum())


def test_countless_paths_are_counted_and_a_long_one_is_shortened():
    w = leaf(1)
    x = w
    for _ in range(1100):
        x = x * 0.5 + x * 0.5
    report = explained(w, x.sum())
    assert report.paths == 2**1100
    assert "countless" in report.text
    assert len(report.text.splitlines()) < 40
    assert len(report.path) == 2202


def test_a_gradient_of_several_backward_passes():
    w = leaf(1)
    (w * 2).sum().backward()
    assert "another backward pass added" in explained(w, (w * 3).sum()).text


# ---- None --------------------------------------------------------------------------------------


def test_no_backward_yet_and_cleared_since():
    w = leaf(2)
    loss = w.exp().sum()
    assert explain_grad(w, loss).reason == "no backward"
    loss.backward()
    w.grad = None
    report = explain_grad(w, loss)
    assert (report.grad, report.reason) == ("None", "cleared")
    assert "zero_grad" in report.text
    assert explain_grad(w).reason == "unknown"
    w.grad = [0.0]
    assert "Give the loss" in explain_grad(w).text
    w.grad = [1.0]
    assert explain_grad(w).reason == "fine"


def test_not_a_leaf():
    w = leaf(2)
    h = w * 3
    report = explained(h, h.exp().sum())
    assert report.reason == "not a leaf"
    assert "retain_grad()" in report.text
    assert report.paths == 1
    assert explain_grad(h).reason == "not a leaf"
    h = (w * 3).retain_grad()
    assert explained(h, h.exp().sum()).reason == "fine"


def test_no_requires_grad():
    w, v = Tensor([1.0], name="frozen"), leaf(1)
    report = explained(w, (w * v).sum())
    assert report.reason == "requires_grad is False"
    assert "requires_grad=True" in report.text
    labels = Tensor([1], dtype=int)
    assert "int64" in explain_grad(labels, (v * labels).sum()).text


def test_the_loss_is_outside_the_graph():
    w = leaf(1, 2)
    with no_grad():
        loss = (w * w).sum()
    report = explain_grad(w, loss)
    assert report.reason == "loss needs no gradient"
    assert "no_grad()" in report.text
    loss = (w * w).sum()
    assert "shares its memory with the result of sum" in explain_grad(
        w, loss.detach()
    ).text.replace("\n", " ")


def test_not_used_at_all():
    report = explained(leaf(1, 2), (leaf(5, 6, name="v") * 2).sum())
    assert report.reason == "no path"
    assert "does not use it" in report.text


@pytest.mark.parametrize(
    ("take", "words"),
    [
        (lambda h: h.detach(), "shares its memory with the result of relu"),
        (lambda h: h.detach().reshape(-1, 4), "shares its memory with the result of relu"),
        (lambda h: Tensor(h.data), "holds the same numbers as the result of relu"),
        (lambda h: Tensor(h.numpy()), "holds the same numbers as the result of relu"),
    ],
)
def test_where_it_was_detached_is_seen_in_the_numbers(take, words):
    model, x, labels = network()
    h = model[1](model[0](x))
    report = explained(model[0].weight, model[2](take(h)).cross_entropy(labels))
    assert report.reason == "detached"
    assert words in " ".join(report.text.split())


@pytest.mark.parametrize("way", ["detach", "no_grad", "argmax"])
def test_inside_detect_anomaly_the_line_is_known(way):
    model, x, labels = network()
    with detect_anomaly():
        h = model[0](x)
        if way == "detach":
            h = h.detach() * 2  # cut here
        elif way == "no_grad":
            with no_grad():
                h = h * 2  # cut here
        else:
            h = Tensor([[1.0] * 4]) * h.argmax(1, keepdims=True)  # cut here
        report = explained(model[0].weight, model[2](h).cross_entropy(labels))
    assert report.reason == "detached"
    assert way in report.text
    assert "cut here" in " ".join(report.text.split())  # a line may end between them


def test_a_parameter_that_was_replaced():
    model, x, labels = network()
    old = model[0].weight
    model[0].weight = nn.Parameter(old.data)
    report = explained(old, model(x).cross_entropy(labels))
    assert report.reason == "another tensor"
    assert "replaced" in report.text


@pytest.mark.parametrize("between", [lambda q: q, lambda q: q * 1.0])
def test_an_input_without_a_derivative(between):
    def value(x, target):
        return x * target

    op = Function("scored", value, lambda g, y, x, target: (g * target, None))
    x, q = leaf(1, 2, name="x"), leaf(3, 4, name="q")
    report = explained(q, op(x, between(q)).sum())
    assert (report.grad, report.reason) == ("None", "no derivative")
    assert "'scored'" in report.text
    assert "'multiply'" not in report.text


def test_the_values_are_gone_after_a_step():
    model, x, labels = network()
    loss = model(x).cross_entropy(labels)
    loss.backward()
    nn.optim.SGD(model.parameters(), lr=0.1).step()
    report = explain_grad(model[0].weight, loss)
    assert report.reason == "changed since"
    assert "before optimizer.step()" in report.text.replace("\n", " ")


# ---- zero --------------------------------------------------------------------------------------


def test_dead_units_are_named():
    model, x, labels = network()
    model[0].bias.data[[1, 3]] = -100
    report = explained(model[0].weight, model(x).cross_entropy(labels))
    assert (report.grad, report.dead_units) == ("nonzero", (1, 3))
    assert "2 of its 4 units" in report.text
    model.zero_grad()
    model[0].bias.data[:] = -100
    loss = model(x).cross_entropy(labels)
    report = explained(model[0].bias, loss)
    assert (report.grad, report.reason) == ("zero", "blocked")
    assert (report.blockers, report.dead_units) == (("relu",), (0, 1, 2, 3))
    assert "'relu' in 1 (ReLU)" in report.text
    report = explain_grad(model[2].weight, loss)
    assert report.blockers == ("linear",)
    assert "the result of 'relu' in 1 (ReLU), is all 0" in report.text.replace("\n", " ")


def test_dead_channels_of_a_convolution():
    conv = nn.Conv2d(1, 3, 2)
    conv.bias.data[2] = -100
    report = explained(conv.weight, conv(Tensor(np.ones((2, 1, 4, 4), "f"))).relu().sum())
    assert 2 in report.dead_units


@pytest.mark.parametrize(
    ("compute", "op", "words"),
    [
        (lambda w: w * 0, "multiply", "is 0 wherever a gradient arrives"),
        (lambda w: (w * 1e3).sigmoid(), "sigmoid", "saturated"),
        (lambda w: w.round(), "round", "constant between its jumps"),
        (lambda w: w.clamp(5, 6), "clamp", "outside its bounds"),
        (lambda w: where([True, True], 0.0, w), "where", "chose other numbers"),
        (lambda w: w.maximum(Tensor([9.0, 9.0])), "maximum", "chose other numbers"),
        (lambda w: w[:0], "getitem", "picked other elements"),
        (lambda w: w.softmax(0), "softmax", "same for all classes"),
        (lambda w: (w - Tensor([1.0, 2.0])).square(), "square", "is 0 for these numbers"),
        (lambda w: w.mse_loss(Tensor([1.0, 2.0])), "mse_loss", "targets already"),
    ],
)
def test_what_blocks_a_gradient(compute, op, words):
    w = leaf(1, 2)
    report = explained(w, (compute(w * 1.0) * 2).sum())
    assert (report.grad, report.reason) == ("zero", "blocked") or op == "getitem"
    assert report.blockers == (op,) or op == "getitem"
    assert words in report.text.replace("\n", " ") or op == "getitem"


def test_contributions_that_cancel():
    w = leaf(1, 2)
    report = explained(w, (w - w).sum())
    assert (report.grad, report.reason, report.blockers) == ("zero", "cancelled", ())
    h = w * 2
    assert explained(w, (h - h).sum()).reason == "cancelled"


def test_a_seed_of_zeros():
    w = leaf(1, 2)
    y = w * 2
    y.backward([0.0, 0.0])
    assert explain_grad(w, y).reason == "zero seed"


def test_a_gradient_that_is_no_number():
    w = leaf(0)
    with np.errstate(all="ignore"):
        report = explained(w, (w.sqrt() * w).sum())
    assert (report.grad, report.reason) == ("not finite", "not finite")
    assert "detect_anomaly" in report.text


# ---- the call ----------------------------------------------------------------------------------


def test_nothing_is_changed():
    model, x, labels = network()
    loss = model(x).cross_entropy(labels)
    loss.backward()
    before = model.state_dict(), [p.grad.copy() for p in model.parameters()]
    for p in model.parameters():
        explain_grad(p, loss)
    for a, b in zip(before[1], model.parameters(), strict=True):
        np.testing.assert_array_equal(a, b.grad)
    report = explain_grad(model[0].weight, loss)
    with pytest.raises(ValueError, match="read-only"):
        report.contributions[0].gradient[0] = 1


@pytest.mark.parametrize(
    ("arguments", "match"),
    [((nn.Linear(1, 1),), "Linear.*parameters"), ((leaf(1), 2.0), "loss is a Tensor, got float")],
)
def test_what_is_no_tensor(arguments, match):
    with pytest.raises(TypeError, match=match):
        explain_grad(*arguments)


def test_a_loss_is_a_single_number():
    w = leaf(1, 2)
    with pytest.raises(GradientError, match="single number"):
        explain_grad(w, w * 2)
