"""Gradient descent, by hand and by the optimizers. What PyTorch has is compared in parity/."""

import copy
import tracemalloc

import numpy as np
import pytest

import nn
from tinygrad_sm import GradientError, Tensor


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


# ---- every optimizer ---------------------------------------------------------------------------

FIRST_ORDER = {
    "SGD": {"momentum": 0.9, "dampening": 0.1},
    "SGD nesterov": {"momentum": 0.9, "nesterov": True},
    "Adam": {"amsgrad": True},
    "AdamW": {},
    "Adamax": {},
    "RMSprop": {"momentum": 0.9, "centered": True},
    "Adagrad": {"lr_decay": 0.1},
    "Adadelta": {},
    "Lion": {},
}
EVERY = {**FIRST_ORDER, "LBFGS": {"line_search_fn": "strong_wolfe"}}
each = pytest.mark.parametrize("name", EVERY)
each_first_order = pytest.mark.parametrize("name", FIRST_ORDER)


def make(name, params, **more):
    return getattr(nn.optim, name.split()[0])(params, **EVERY[name], **more)


def descend(optimizer, params, steps=1):
    """Steps towards Σ (p − 1)⁴ = 0."""

    def closure():
        optimizer.zero_grad()
        loss = sum((((p - 1) ** 2) ** 2).sum() for p in params)
        loss.backward()
        return loss

    for _ in range(steps):
        loss = optimizer.step(closure)
    return loss


@each
def test_the_loss_falls(name):
    params = [leaf([3.0, -1.0]), leaf(2.0), leaf(np.zeros((0, 2)))]
    optimizer = make(name, params)
    first = descend(optimizer, params).item()
    assert descend(optimizer, params, 20).item() < first == 33
    assert [p.shape for p in params] == [(2,), (), (0, 2)]


@each
def test_a_parameter_in_another_memory_order(name):
    p, q = leaf(np.arange(6.0).reshape(2, 3)), leaf(np.zeros((2, 3)))
    q.data = np.asfortranarray(p.data)
    for t in (p, q):
        descend(make(name, [t]), [t], 5)
    np.testing.assert_allclose(p.data, q.data, rtol=1e-12)


@each
def test_a_graph_notices_the_step(name):
    p = leaf([3.0])
    loss = (p * p).sum()
    descend(make(name, [p]), [p])
    with pytest.raises(GradientError, match="was changed"):
        loss.backward()


@each
def test_resuming_gives_the_same_bits(name):
    straight, resumed = leaf([3.0, -1.0]), leaf([3.0, -1.0])
    optimizer = make(name, [straight])
    descend(optimizer, [straight], 3)
    state = optimizer.state_dict()
    at_stop = straight.numpy().copy()
    descend(optimizer, [straight], 3)  # must not reach into the state that was taken

    resumed.data = at_stop
    optimizer = make(name, [resumed], lr=123.0)
    optimizer.load_state_dict(state)
    descend(optimizer, [resumed], 3)
    np.testing.assert_array_equal(straight.data, resumed.data)


@each
def test_a_copy_goes_on_alike(name):
    p = leaf([3.0, -1.0])
    optimizer = make(name, [p])
    descend(optimizer, [p], 3)
    q, twin = copy.deepcopy((p, optimizer))
    descend(optimizer, [p], 3)
    descend(twin, [q], 3)
    assert q is not p
    np.testing.assert_array_equal(p.data, q.data)


@each_first_order
@pytest.mark.parametrize("more", [{}, {"weight_decay": 0.1, "maximize": True}], ids=["", "more"])
def test_no_step_allocates_memory(name, more):
    p = leaf(np.ones(50_000), np.ones(50_000))
    optimizer = make(name, [p], **more)
    for _ in range(2):
        optimizer.step()
    tracemalloc.start()
    for _ in range(3):
        optimizer.step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < p.data.nbytes / 10


@each_first_order
def test_changing_learning_rates_do_not_pile_up(name):
    p = leaf([1.0], [1.0])
    optimizer = make(name, [p])
    for i in range(500):
        optimizer.lr = 1e-3 / (i + 1)
        optimizer.step()
    assert len(optimizer.state[p].numbers) <= 100


# ---- groups and state --------------------------------------------------------------------------


def test_groups_have_options_of_their_own():
    p, q = leaf([1.0], [1.0]), leaf([1.0], [1.0])
    optimizer = nn.optim.SGD([{"params": [p], "lr": 0.5}], lr=0.1)
    optimizer.add_param_group({"params": q, "weight_decay": 1.0})
    optimizer.step()
    assert (p.tolist(), q.tolist()) == ([0.5], [pytest.approx(0.8)])
    assert optimizer.params == [p, q]
    with pytest.raises(ValueError, match="of their own"):
        _ = optimizer.lr
    optimizer.lr = 0.25
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]
    assert optimizer.lr == 0.25


def test_a_change_of_an_option_counts_at_the_next_step():
    p = leaf([1.0], [1.0])
    optimizer = nn.optim.SGD([p], lr=0.5)
    optimizer.param_groups[0]["lr"] = 0.25
    optimizer.step()
    optimizer.param_groups[0]["weight_decay"] = 1.0
    optimizer.step()
    assert p.tolist() == [0.75 - 0.25 * 1.75]


def test_the_callers_groups_are_left_as_they_were():
    group = {"params": [leaf([1.0])]}
    nn.optim.SGD([group], lr=0.5)
    assert list(group) == ["params"]


def test_frozen_parameters_may_be_among_them():
    model = nn.Linear(2, 2)
    model.weight.requires_grad = False
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    before = model.weight.tolist()
    model(Tensor([[1.0, 2.0]])).sum().backward()
    optimizer.step()
    assert model.weight.tolist() == before
    assert list(optimizer.state) == [model.bias]


def test_zero_grad_can_keep_the_arrays():
    p, q = leaf([1.0], [2.0]), leaf([1.0])
    grad = p.grad
    nn.optim.SGD([p, q], lr=0.1).zero_grad(set_to_none=False)
    assert p.grad is grad
    assert grad.tolist() == [0]
    assert q.grad is None


def test_step_computes_the_loss_with_recording_on():
    from tinygrad_sm import no_grad

    p = leaf([3.0])
    with no_grad():
        assert descend(nn.optim.SGD([p], lr=0.01), [p]).item() == 16
    assert p.item() == pytest.approx(3 - 0.01 * 4 * 8)


def adam_after_a_step():
    params = [leaf([1.0, 2.0], [1.0, 1.0]), leaf([3.0], [1.0])]
    optimizer = nn.optim.Adam([{"params": params[:1]}, {"params": params[1:], "lr": 0.5}])
    optimizer.step()
    return optimizer


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda s: s["param_groups"].pop(), r"\[1\] parameters, this optimizer has \[1, 1\]"),
        (lambda s: s["param_groups"][0]["params"].append(7), r"\[2, 1\]"),
        (lambda s: s["param_groups"][1].update(lr=-1), "lr needs to be at least 0, got -1"),
        (lambda s: s["state"][1].update(exp_avg=np.ones(3)), r"exp_avg of shape \(3,\)"),
        (lambda s: s["state"][1].update(exp_avg="x"), "could not convert"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(damage, message):
    optimizer = adam_after_a_step()
    before, damaged = optimizer.state_dict(), optimizer.state_dict()
    damaged["state"][0]["exp_avg"] += 1
    damaged["param_groups"][0]["lr"] = 9.0
    damage(damaged)
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(damaged)
    np.testing.assert_equal(optimizer.state_dict(), before)


def test_repr_lists_the_options():
    assert repr(nn.optim.Lion([leaf([1.0])])).splitlines() == [
        "Lion (",
        "Parameter Group 0",
        "    betas: (0.9, 0.99)",
        "    decoupled_weight_decay: True",
        "    lr: 0.0001",
        "    maximize: False",
        "    weight_decay: 0.0",
        ")",
    ]


SHARED = leaf([1.0])
MISTAKES = {
    "a dict": (lambda: nn.optim.SGD({"params": [SHARED]}), TypeError, "list of parameters"),
    "a group without params": (
        lambda: nn.optim.SGD([{"lr": 0.1}]),
        TypeError,
        "a group of parameters is a dict",
    ),
    "a group that is none": (
        lambda: nn.optim.SGD([SHARED]).add_param_group([SHARED]),
        TypeError,
        "a group of parameters is a dict",
    ),
    "one parameter in two groups": (
        lambda: nn.optim.SGD([{"params": [SHARED]}, {"params": [SHARED]}]),
        ValueError,
        r"shape \(1,\) is in two groups",
    ),
    "wrong option in a group": (
        lambda: nn.optim.Adam([{"params": [SHARED], "betas": (0.9, 2)}]),
        ValueError,
        r"betas lie between 0 and 1, 1 excluded, got \(0.9, 2\)",
    ),
    "one beta": (
        lambda: nn.optim.Adam([SHARED], 0.1, 0.9),
        TypeError,
        "betas is a pair .* got 0.9",
    ),
    "negative lr later": (
        lambda: setattr(nn.optim.SGD([SHARED]), "lr", -1),
        ValueError,
        "lr needs to be at least 0, got -1",
    ),
    "unknown option": (lambda: nn.optim.SGD([SHARED], mementum=0.9), TypeError, "mementum"),
    "LBFGS of two groups": (
        lambda: nn.optim.LBFGS([{"params": [SHARED]}, {"params": [leaf([1.0])]}]),
        ValueError,
        "one group",
    ),
    "LBFGS without a closure": (lambda: nn.optim.LBFGS([SHARED]).step(), TypeError, "closure"),
    "unknown line search": (
        lambda: nn.optim.LBFGS([SHARED], line_search_fn="wolfe"),
        ValueError,
        "None or 'strong_wolfe', got 'wolfe'",
    ),
    "no iterations": (
        lambda: nn.optim.LBFGS([SHARED], max_iter=0),
        ValueError,
        "max_iter needs to be at least 1, got 0",
    ),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_mistakes(what):
    do, error, message = MISTAKES[what]
    with pytest.raises(error, match=message):
        do()


# ---- single ones -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("betas", [(0.9, 0.99), (0.0, 0.5)])
def test_lion_is_that_of_the_paper(dtype, maximize, decay, betas):
    rng = np.random.default_rng(0)
    theta = rng.normal(size=50)
    m, (beta1, beta2), eta = np.zeros(50), betas, 0.01
    p = Tensor(theta.astype(dtype), requires_grad=True)
    optimizer = nn.optim.Lion([p], eta, betas, weight_decay=decay, maximize=maximize)
    for _ in range(20):
        gradient = rng.normal(size=50) * (np.arange(50) > 9)  # some have none
        p.grad = gradient
        optimizer.step()
        g = -gradient if maximize else gradient
        c = beta1 * m + (1 - beta1) * g
        theta = theta - eta * (np.sign(c) + decay * theta)
        m = beta2 * m + (1 - beta2) * g
    np.testing.assert_allclose(p.data, theta, rtol=0, atol=1e-5 if dtype == np.float32 else 1e-12)


def test_lion_does_not_hide_that_a_gradient_is_no_number():
    p = leaf([1.0, 1.0], [np.nan, 1.0])
    nn.optim.Lion([p], lr=0.5).step()
    np.testing.assert_array_equal(p.data, [np.nan, 0.5])


def test_a_variance_that_rounding_makes_negative_gives_no_nan():
    p = Tensor([1.0] * 100, requires_grad=True)
    p.grad = np.linspace(0.1, 9, 100)
    optimizer = nn.optim.RMSprop([p], lr=1e-6, centered=True, eps=1e-3)
    for _ in range(3000):
        optimizer.step()
    variance = optimizer.state[p]["square_avg"] - optimizer.state[p]["grad_avg"] ** 2
    assert variance.min() < 0
    assert np.isfinite(p.data).all()


# ---- LBFGS -------------------------------------------------------------------------------------


def minimise(loss_of, p, steps=1, **options):
    optimizer = nn.optim.LBFGS([p], line_search_fn="strong_wolfe", **options)

    def closure():
        optimizer.zero_grad()
        loss = loss_of(p)
        loss.backward()
        return loss

    for _ in range(steps):
        optimizer.step(closure)
    return optimizer.state[p]


def test_lbfgs_finds_the_end_of_rosenbrocks_valley():
    p = leaf([-1.2, 1.0])
    exact = {"max_iter": 100, "tolerance_change": 1e-15}
    state = minimise(lambda p: 100 * (p[1] - p[0] ** 2) ** 2 + (1 - p[0]) ** 2, p, **exact)
    assert p.tolist() == pytest.approx([1, 1], abs=1e-6)
    assert state["func_evals"] < 80


def test_the_line_search_comes_back_from_where_the_loss_is_no_number():
    p = leaf([3.0])
    with np.errstate(invalid="ignore"):  # the first try is at p < 0
        minimise(lambda p: (p - p.log()).sum(), p, lr=10.0, tolerance_change=1e-15)
    assert p.item() == pytest.approx(1, abs=1e-6)


def test_lbfgs_at_a_minimum_stays_there():
    p = leaf([0.0])
    state = minimise(lambda p: (p * p).sum(), p)
    assert (p.tolist(), state["func_evals"], state["n_iter"]) == ([0], 1, 0)


def test_lbfgs_takes_a_parameter_without_gradient_as_constant():
    p, q = leaf([3.0]), leaf([5.0])
    optimizer = nn.optim.LBFGS([p, q])
    descend(optimizer, [p], 5)
    assert q.tolist() == [5]
    assert p.item() != 3


def test_the_state_of_lbfgs_has_to_fit():
    p, q = leaf([3.0, 2.0]), leaf([3.0])
    ours, other = nn.optim.LBFGS([p]), nn.optim.LBFGS([q])
    descend(other, [q], 2)
    with pytest.raises(ValueError, match="of 1 numbers, needed are 2"):
        ours.load_state_dict(other.state_dict())


@pytest.mark.parametrize("C", [0.1, 1.0])
def test_softmax_regression_is_scikit_learns(C):
    linear_model = pytest.importorskip("sklearn.linear_model")
    from threadpoolctl import threadpool_limits  # scikit-learn needs it, so it is there

    train, test = nn.datasets.digits()
    x = train.x.astype(float)
    model = nn.Linear(64, 10)
    model.weight, model.bias = nn.Parameter(np.zeros((10, 64))), nn.Parameter(np.zeros(10))
    images, decay = Tensor(x), 1 / (2 * C * len(x))
    optimizer = nn.optim.LBFGS(
        model.parameters(),
        max_iter=500,
        tolerance_grad=1e-7,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def closure():
        optimizer.zero_grad()
        loss = model(images).cross_entropy(train.y) + decay * (model.weight**2).sum()
        loss.backward()
        return loss

    with threadpool_limits(1):  # two libraries' threads get in each other's way on a busy machine
        optimizer.step(closure)
        reference = linear_model.LogisticRegression(C=C, tol=1e-7, max_iter=10_000).fit(x, train.y)
    for images_ in (x, test.x.astype(float)):
        ours = model(Tensor(images_)).softmax().numpy()
        np.testing.assert_allclose(ours, reference.predict_proba(images_), rtol=0, atol=1e-4)
