"""Gradient descent, by hand and by the optimizer."""

import numpy as np
import pytest

import nn
from tinygrad_sm import Tensor


def leaf(values, grad=None):
    t = Tensor(np.array(values, float), requires_grad=True)
    t.grad = grad
    return t


def steps(gradients, **options):
    """Where a parameter that starts at 1 is after each step."""
    p = leaf([1.0])
    optimizer = nn.optim.SGD([p], lr=0.1, **options)
    path = []
    for g in gradients:
        p.grad = [g]
        optimizer.step()
        path.append(p.data.item())
    return path


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0.8, 0.4]),  # 1 − 0.1 · 2, then − 0.1 · 4
        ({"weight_decay": 0.5}, [0.75, 0.75 - 0.1 * (4 + 0.5 * 0.75)]),
        ({"momentum": 0.5}, [0.8, 0.8 - 0.1 * (0.5 * 2 + 4)]),
        ({"momentum": 0.5, "dampening": 0.25}, [0.8, 0.8 - 0.1 * (0.5 * 2 + 0.75 * 4)]),
        ({"momentum": 0.5, "nesterov": True}, [0.7, 0.7 - 0.1 * (4 + 0.5 * (0.5 * 2 + 4))]),
    ],
)
def test_two_steps(options, expected):
    assert steps([2.0, 4.0], **options) == pytest.approx(expected, abs=1e-12)


def test_a_parameter_without_gradient_stays():
    p, q = leaf([1.0], [1.0]), leaf([1.0])
    nn.optim.SGD([p, q], lr=0.1, weight_decay=0.5).step()
    assert p.tolist() != [1]
    assert q.tolist() == [1]


def test_a_parameter_given_twice_is_changed_once():
    p = leaf([1.0], [1.0])
    nn.optim.SGD([p, p], lr=0.1).step()
    assert p.tolist() == pytest.approx([0.9])


def test_the_gradients_are_left_as_they_were():
    p = leaf([1.0], [2.0])
    nn.optim.SGD([p], lr=0.1, momentum=0.9, weight_decay=0.1, nesterov=True).step()
    assert p.grad.tolist() == [2]


def test_the_velocity_does_not_share_memory_with_the_gradient():
    p = leaf([1.0], [2.0])
    optimizer = nn.optim.SGD([p], lr=0.1, momentum=0.5)
    optimizer.step()
    p.grad[0] = 100  # must not reach into the velocity
    p.grad = [0.0]
    optimizer.step()
    assert p.tolist() == pytest.approx([1 - 0.2 - 0.1])


def test_zero_grad():
    p = leaf([1.0], [2.0])
    nn.optim.SGD([p], lr=0.1).zero_grad()
    assert p.grad is None


def test_lr_can_be_changed_between_steps():
    p = leaf([1.0], [1.0])
    optimizer = nn.optim.SGD([p], lr=0.5)
    optimizer.step()
    optimizer.lr = 0.25
    optimizer.step()
    assert p.tolist() == [0.25]


@pytest.mark.parametrize("option", ["momentum", "weight_decay"])
def test_a_step_of_float32_stays_float32(option):
    p = Tensor([1.0, 2.0], requires_grad=True)
    p.grad = [1.0, 1.0]
    optimizer = nn.optim.SGD([p], lr=0.1, **{option: 0.5})
    optimizer.step()
    optimizer.step()
    assert p.dtype == np.float32
    assert p.data.flags.writeable


def test_parameters_may_be_a_generator():
    model = nn.Linear(2, 1)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        model.weight.grad = np.ones((1, 2))
        before = model.weight.tolist()
        optimizer.step()
        assert model.weight.tolist() != before


def test_an_optimizer_of_ones_own_writes_one_method():
    class SignDescent(nn.optim.Optimizer):
        def update_one(self, p, g, state, group):
            state["steps"] = state.get("steps", 0) + 1
            p -= group["lr"] * np.sign(g)

    p, q = leaf([1.0], [5.0]), leaf([1.0], [-3.0])
    optimizer = SignDescent([p, q], lr=0.25)
    optimizer.step()
    optimizer.step()
    assert (p.tolist(), q.tolist()) == ([0.5], [1.5])
    assert optimizer.state[p]["steps"] == 2


def test_by_hand():
    # What the README shows first: a fit of y = 3x by w.data -= lr * w.grad.
    x, w = Tensor(np.array([1.0, 2.0])), leaf(0.0)
    for _ in range(50):
        w.grad = None
        ((w * x - 3 * x) ** 2).mean().backward()
        w.data -= 0.1 * w.grad
    assert w.item() == pytest.approx(3)
