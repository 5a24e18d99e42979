"""compile: the same numbers as the function itself, to the last bit, or a refusal."""

import copy
import enum
import functools
import gc
import inspect
import itertools
import pickle
import threading
import types
import warnings
import weakref
from typing import NamedTuple

import numpy as np
import pytest
from cases import CASES, tensors, weights
from hypothesis import given, settings
from hypothesis import strategies as st

import nn
from tinygrad_sm import (
    AnomalyError,
    CompileError,
    Function,
    GradientError,
    Graph,
    LabelError,
    Tensor,
    compile,
    detect_anomaly,
    draw,
    grad,
    gradcheck,
    manual_seed,
    no_grad,
    rand,
    where,
)


class Color(enum.IntEnum):
    RED = 2


class Odd(float):
    def __repr__(self):
        return "raise SystemExit"


class Pair(NamedTuple):
    a: float
    b: float


def batch(n=6, seed=0):
    rng = np.random.default_rng(seed)
    return Tensor(rng.standard_normal((n, 4))), Tensor(rng.integers(0, 3, n))


def mlp(*more):
    manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), *more, nn.Linear(5, 3))


def same(a, b):
    """Equal to the last bit."""
    np.testing.assert_array_equal(a, b)
    assert a.dtype == b.dtype


# ---- the same numbers --------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CASES)
@settings(max_examples=10)
@given(data=st.data())
def test_every_operation_gives_what_it_gives_uncompiled(name, dtype, data):
    inputs, attributes = data.draw(CASES[name].inputs)
    call = CASES[name].call  # and not all cases, which would be looked through for changes
    compiled = compile(lambda *x: call(*x, **attributes))
    for values in inputs, [np.flip(x) for x in inputs]:  # the second time, others
        plain, ours = tensors(values, dtype), tensors(values, dtype)
        expected = call(*plain, **attributes)
        try:
            y = compiled(*ours)
        except CompileError:
            assert name in ("getitem", "put")
            key = attributes["key"]
            parts = key if isinstance(key, tuple) else (key,)
            assert any(isinstance(part, np.ndarray) for part in parts)
            return
        same(y.numpy(), expected.numpy())
        assert y.requires_grad == expected.requires_grad
        if y.requires_grad:
            for result in y, expected:
                result.backward(weights(y.shape))
            for x, twin in zip(ours, plain, strict=True):
                assert (x.grad is None) == (twin.grad is None)
                if x.grad is not None:
                    same(x.grad, twin.grad)


def train(compiled, make_optimizer):
    """The losses of some steps, and the weights in the end."""
    model, loss_fn = mlp(nn.Dropout(0.3)), nn.CrossEntropyLoss()
    loss_of = compiled(lambda x, y: loss_fn(model(x), y) + 0.01 * (model[0].weight ** 2).sum())
    optimizer = make_optimizer(model.parameters())
    losses = []
    for step in range(20):
        x, y = batch(6 if step % 3 else 4, step)  # of two sizes
        optimizer.zero_grad()
        loss = loss_of(x.astype(np.float32), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, model.state_dict()


@pytest.mark.parametrize(
    "make_optimizer",
    [
        lambda p: nn.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
        lambda p: nn.optim.Adam(p, lr=0.01),
    ],
)
def test_a_training_takes_the_same_course(make_optimizer):
    expected_losses, expected = train(lambda function: function, make_optimizer)
    losses, state = train(compile, make_optimizer)
    assert losses == expected_losses
    for name in expected:
        same(state[name], expected[name])


def test_a_small_cnn():
    manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 3)
    )
    loss_fn = nn.CrossEntropyLoss()
    loss_of = compile(lambda x, y: loss_fn(model(x), y))
    x, y = rand(5, 1, 4, 4), Tensor([0, 1, 2, 1, 0], dtype=int)
    for _ in range(2):
        model.zero_grad()
        loss_of(x, y).backward()
        ours = [p.grad for p in model.parameters()]
        model.zero_grad()
        loss_of.function(x, y).backward()
        for a, p in zip(ours, model.parameters(), strict=True):
            same(a, p.grad)


def test_derivatives_of_higher_order():
    loss_of = compile(lambda x, w: (x @ w).tanh().logsumexp(axis=-1).sum())
    x = Tensor(np.random.default_rng(0).standard_normal((3, 4)), requires_grad=True)
    w = Tensor(np.random.default_rng(1).standard_normal((4, 2)), requires_grad=True)
    assert gradcheck(loss_of, [x, w], order=2)


def recorded(function, *inputs, of):
    """First and second derivative of the sum."""
    (first,) = grad(function(*inputs).sum(), of, create_graph=True)
    (second,) = grad((first * first).sum(), of)
    return first.numpy(), second.numpy()


def test_higher_derivatives_where_paths_meet():
    w = Tensor([1.0, 2.0, 3.0], requires_grad=True, dtype=float)
    u, x = w * 2, Tensor([1.0, 2.0, 4.0], dtype=float)
    model = nn.Sequential(nn.Tanh())
    cases = [
        (lambda x: (x * x * w).sum(), (w * 3,)),
        (lambda x: (u * w * x * w).sum(), (x,)),
        (lambda p, q: (p * p * q * q).sum(), (w, w)),
        (lambda x: model(x) * w, (w,)),
    ]
    for function, inputs in cases:
        expected = recorded(function, *inputs, of=w)
        for ours, theirs in zip(recorded(compile(function), *inputs, of=w), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_a_hook_runs_once_in_a_recorded_backward():
    w = Tensor([1.0, 2.0], requires_grad=True)
    loss = compile(lambda x: (x * w * w).sum())(Tensor([1.0, 1.0]))
    w.register_hook(lambda g: g * 10)
    (g,) = grad(loss, w, create_graph=True)
    assert g.tolist() == [20, 40]


def test_a_recorded_backward_is_that_of_the_function_as_it_was():
    power = 2
    a = Tensor([1.0, 2.0], requires_grad=True)
    y = compile(lambda x: (x**power).sum())(a)
    power = 3
    (g,) = grad(y, a, create_graph=True)
    assert g.tolist() == [2, 4]


def test_the_gradient_reaches_what_the_argument_was_computed_from():
    square = compile(lambda x: (x * x).sum())
    w = Tensor([1.0, 2.0], requires_grad=True)
    square(w * 3).backward()  # 9 w²
    assert w.grad.tolist() == [18, 36]


def test_a_result_that_is_no_number_takes_a_gradient():
    model = mlp()
    scores, twin = compile(model)(batch()[0]), model(batch()[0])
    g = weights(scores.shape)
    scores.backward(g)
    ours = model[0].weight.grad
    model.zero_grad()
    twin.backward(g)
    same(ours, model[0].weight.grad)
    with pytest.raises(GradientError, match="starts from a single number"):
        scores.backward()


def test_without_recording_it_gives_a_plain_result():
    model = mlp()
    predict = compile(model)
    with no_grad():
        assert not predict(batch()[0]).requires_grad
    assert predict(batch()[0]).requires_grad


# ---- what a result of an operation can do ------------------------------------------------------


def square_of(w):
    return compile(lambda: (w * w).sum())


def test_a_second_backward_doubles_the_gradient():
    w = Tensor([1.0, 2.0], requires_grad=True)
    loss = square_of(w)()
    loss.backward()
    loss.backward()
    assert w.grad.tolist() == [4, 8]


def test_a_value_that_was_changed_since_is_an_error():
    w = Tensor([1.0, 2.0], requires_grad=True)
    loss = square_of(w)()
    w.data -= 0.5
    with pytest.raises(GradientError, match="was changed after"):
        loss.backward()


def test_hooks_run():
    w = Tensor([1.0, 2.0], requires_grad=True)
    loss = square_of(w)().retain_grad()
    w.register_hook(lambda g: g * 10)
    loss.register_hook(lambda g: g * 2)
    loss.backward()
    assert w.grad.tolist() == [40, 80]
    assert loss.grad == 2


def test_two_leaves_never_share_a_gradient():
    a, b = Tensor([1.0], requires_grad=True), Tensor([2.0], requires_grad=True)
    compile(lambda: (a + b).sum())().backward()
    a.grad[0] = 7
    assert b.grad.tolist() == [1]


@pytest.mark.parametrize("view", [lambda w: w[:2], lambda w: w.T, lambda w: w.detach()])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_view_keeps_its_order_in_memory(view, order):
    w = Tensor(np.array(np.ones((3, 4)), order=order))
    found, expected = compile(lambda: view(w))().data.strides, view(w).data.strides
    assert (found[0] < found[1]) == (expected[0] < expected[1])


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_result_shares_no_memory_with_an_argument(order):
    flat = compile(lambda x: x.detach().reshape(4))
    first = Tensor(np.ones((2, 2), order=order))
    flat(first)
    for layout in "CF":
        x = Tensor(np.array([[1.0, 2.0], [3.0, 4.0]], order=layout))
        row = flat(x)
        x.data[...] = 7
        assert row.tolist() == [1, 2, 3, 4]


def test_it_is_one_operation_in_a_graph():
    model, loss_fn = mlp(), nn.CrossEntropyLoss()

    @compile
    def loss_of(x, y):
        return loss_fn(model(x), y)

    loss = loss_of(*batch())
    loss.backward()
    assert [node.op for node in Graph(loss).nodes if node.op] == ["loss_of"]
    assert "loss_of" in draw(loss).source


def test_a_model_is_freed_with_what_was_compiled_of_it():
    model = mlp()
    scores = compile(model)(batch()[0])
    scores.sum().backward()
    draw(scores)
    dead = [*map(weakref.ref, (model, model[0].weight, scores))]
    del model, scores
    gc.collect()
    assert [ref() for ref in dead] == [None] * 3


def test_a_graph_is_freed_without_the_garbage_collector():
    model, loss_fn = mlp(), nn.CrossEntropyLoss()
    loss_of = compile(lambda x, y: loss_fn(model(x), y))
    gc.disable()
    try:
        x, y = batch()
        loss = loss_of(x, y)
        loss.backward()
        dead = [*map(weakref.ref, (x, y, loss))]
        del x, y, loss
        assert [ref() for ref in dead] == [None] * 3
    finally:
        gc.enable()


def traces(compiled):
    """How often the function was traced, as far as that is still known."""
    return sum(map(len, compiled._plans.values()))


# ---- a whole training step ---------------------------------------------------------------------


class Trainer:
    """A network and all that trains it; `step` may be compiled."""

    def __init__(self, make_optimizer, schedule=None):
        self.model, self.loss_fn = mlp(nn.Dropout(0.3)), nn.CrossEntropyLoss()
        self.optimizer = make_optimizer(self.model.parameters())
        self.schedule = schedule and schedule(self.optimizer)

    def step(self, x, y):
        self.optimizer.zero_grad()
        loss = self.loss_fn(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        if self.schedule:
            self.schedule.step()
        return loss

    def state(self):
        parameters = self.model.parameters()
        return [*(p.data for p in parameters), *(p.grad for p in parameters)]

    def train(self, step):
        manual_seed(1)  # of Dropout
        losses = []
        for i in range(20):
            x, y = batch(6 if i % 3 else 4, i)  # of two sizes
            losses.append(step(x.astype(np.float32), y).item())
            if i == 10:
                self.optimizer.param_groups[0]["lr"] *= 0.5
        return losses


@pytest.mark.parametrize(
    ("make_optimizer", "schedule"),
    [
        (lambda p: nn.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01), None),
        (lambda p: nn.optim.Adam(p, lr=0.01, weight_decay=0.1, maximize=True), None),
        (
            lambda p: nn.optim.AdamW([{"params": [q]} for q in p], lr=0.1),
            lambda optimizer: nn.optim.StepLR(optimizer, 3),
        ),
    ],
)
def test_a_whole_step_takes_the_same_course(make_optimizer, schedule):
    plain, ours = Trainer(make_optimizer, schedule), Trainer(make_optimizer, schedule)
    step = compile(ours.step)
    assert plain.train(plain.step) == ours.train(step)
    for a, b in zip(plain.state(), ours.state(), strict=True):
        same(a, b)
    assert traces(step) == 2  # one for each size, whatever the optimizer counts up
    assert step.source.startswith("one = ones(")


LAYERS = [
    lambda n: nn.ReLU(),
    lambda n: nn.GELU(),
    lambda n: nn.LayerNorm(n),
    lambda n: nn.Dropout(0.3),
    lambda n: nn.Linear(n, n),
]
OPTIMIZERS = [
    lambda p: nn.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    lambda p: nn.optim.AdamW(p, lr=0.01),
    lambda p: nn.optim.Adamax(p),
    lambda p: nn.optim.RMSprop(p, momentum=0.5),
    lambda p: nn.optim.Adadelta(p),
    lambda p: nn.optim.Lion(p, lr=1e-3),
]
CHANGES = [
    lambda trainer, p: trainer.model.eval(),
    lambda trainer, p: trainer.model.train(),
    lambda trainer, p: setattr(trainer.optimizer, "lr", trainer.optimizer.lr * 0.7),
    lambda trainer, p: setattr(p, "requires_grad", not p.requires_grad),
    lambda trainer, p: setattr(p, "data", np.asfortranarray(p.data * 0.9)),
    lambda trainer, p: setattr(p, "grad", None),
    lambda trainer, p: p.requires_grad and p.register_hook(lambda g: g * 0.5),
    lambda trainer, p: trainer.optimizer.load_state_dict(trainer.optimizer.state_dict()),
]


@settings(max_examples=25)
@given(
    st.lists(st.sampled_from(LAYERS), max_size=3),
    st.sampled_from(OPTIMIZERS),
    st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, 99)), max_size=8),
)
def test_a_step_is_the_same_whatever_changes_between(layers, make_optimizer, changes):
    twins = [Trainer(make_optimizer) for _ in range(2)]
    for trainer in twins:
        manual_seed(2)
        middle = [make(5) for make in layers]
        trainer.model = nn.Sequential(nn.Linear(4, 5), *middle, *middle[:1], nn.Linear(5, 3))
        trainer.optimizer = make_optimizer(trainer.model.parameters())
    plain, ours = twins
    steps = plain.step, compile(ours.step)
    for i, (change, which) in enumerate([*changes, (CHANGES[1], 0)]):
        results = []
        for trainer, step in zip(twins, steps, strict=True):
            parameters = list(trainer.model.parameters())
            change(trainer, parameters[which % len(parameters)])
            manual_seed(i)  # of Dropout
            x, y = batch(4 + i % 2, i)
            results.append(step(x.astype(np.float32), y).item())
        assert results[0] == results[1]
        for a, b in zip(plain.state(), ours.state(), strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                same(a, b)
                assert a.strides == b.strides


class Frozen(type):
    def __setattr__(cls, name, value):
        raise AttributeError("frozen")


def test_an_optimizer_whose_class_cannot_be_changed():
    class Fixed(nn.optim.SGD, metaclass=Frozen):
        pass

    w = Tensor([1.0, 2.0], requires_grad=True)
    optimizer = Fixed([w], lr=0.25)

    @compile
    def step():
        loss = (w * w).sum()
        loss.backward()
        optimizer.step()
        return loss

    with pytest.raises(AttributeError, match="frozen"):
        step()
    assert w.sum().item() == 3  # the engine is as it was
    assert compile(descent(w)[0])().item() == 5


def test_the_classes_are_as_they_were_after_a_trace():
    w = Tensor([1.0, 2.0], requires_grad=True)
    step, optimizer = descent(w)
    kinds = Tensor, *type(optimizer).__mro__[:-1]
    before = [dict(vars(kind)) for kind in kinds]

    def fails():
        step()
        raise KeyError

    compile(step)()
    with pytest.raises(KeyError):
        compile(fails)()
    assert [dict(vars(kind)) for kind in kinds] == before
    assert w.tolist() == [0.5, 1]


def descent(w, **options):
    """A step of descent on Σ w², and its optimizer."""
    optimizer = nn.optim.SGD([w], lr=0.25, **options)

    def step():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        optimizer.step()
        return loss

    return step, optimizer


def test_what_a_step_returns_is_outside_of_any_graph():
    w = Tensor([1.0, 2.0], requires_grad=True)
    loss = compile(descent(w)[0])()
    assert loss.item() == 5
    assert not loss.requires_grad
    assert w.tolist() == [0.5, 1]
    assert w.grad.tolist() == [2, 4]


def test_the_steps_of_an_optimizer_are_its_own():
    """Its options, its state and its parameters may change without a new trace."""
    twins = [Tensor([1.0, 2.0], requires_grad=True) for _ in range(2)]
    others = [Tensor([3.0], requires_grad=True) for _ in range(2)]
    (plain, first), (step, second) = map(descent, twins)
    step = compile(step)
    for i in range(6):
        for optimizer, other, go in (first, others[0], plain), (second, others[1], step):
            if i == 1:
                optimizer.lr = 0.125
            if i == 2:
                optimizer.param_groups[0]["momentum"] = 0.5
            if i == 3:
                optimizer.add_param_group({"params": [other], "lr": 1.0})
                other.grad = [1.0]
            if i == 4:
                optimizer.load_state_dict(optimizer.state_dict())
            go()
        same(twins[0].data, twins[1].data)
    assert traces(step) == 1
    same(others[0].data, others[1].data)


def test_gradients_that_are_not_forgotten_are_added_to():
    def step():
        loss = (w * w).sum()
        loss.backward()
        return loss

    w = Tensor([1.0, 2.0], requires_grad=True)
    step = compile(step)
    step()
    step()
    assert w.grad.tolist() == [4, 8]


def test_gradients_may_be_filled_with_zeros():
    w = Tensor([1.0, 2.0], requires_grad=True)
    optimizer = nn.optim.SGD([w], lr=0.25)
    w.grad = [5.0, 5.0]
    kept = w.grad

    @compile
    def step():
        loss = (w * w).sum()
        optimizer.zero_grad(set_to_none=False)
        loss.backward()
        return loss

    step()
    assert w.grad is kept
    assert w.grad.tolist() == [2, 4]


def test_gradients_may_be_forgotten_at_the_end():
    w, unused = Tensor([1.0, 2.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    optimizer = nn.optim.SGD([w, unused], lr=0.25)
    unused.grad = [8.0]

    @compile
    def step():
        loss = (w * w).sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    step()
    assert w.tolist() == [0.5, 1]
    assert unused.tolist() == [-1]
    assert w.grad is unused.grad is None
    step()
    assert w.tolist() == [0.25, 0.5]
    assert unused.tolist() == [-1]


def test_a_step_may_return_something_else_than_the_loss():
    model, loss_fn = mlp(), nn.CrossEntropyLoss()
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)

    def step(x, y):
        optimizer.zero_grad()
        scores = model(x)
        loss_fn(scores, y).backward()
        optimizer.step()
        return scores.argmax(axis=1)

    x, y = batch()
    x = x.astype(np.float32)
    expected = model(x).argmax(axis=1).tolist()
    assert compile(step)(x, y).tolist() == expected


def test_hooks_of_parameters_run_in_a_step():
    w = Tensor([1.0, 2.0], requires_grad=True)
    step = compile(descent(w)[0])
    step()
    w.register_hook(lambda g: g * 2)
    step()
    assert w.tolist() == [0, 0]


def test_two_parameters_never_share_a_gradient_in_a_step():
    a, b = Tensor([1.0], requires_grad=True), Tensor([2.0], requires_grad=True)
    optimizer = nn.optim.SGD([a, b], lr=1.0)

    @compile
    def step():
        optimizer.zero_grad()
        loss = (a + b).reshape(1).exp()
        loss.backward()
        optimizer.step()
        return loss

    step()
    a.grad[0] = 7
    assert b.grad[0] != 7


def test_gradients_lie_in_memory_as_their_tensors_do():
    rng = np.random.default_rng(0)
    for order in "CF":
        w = Tensor(np.array(rng.standard_normal((3, 4)), order=order), requires_grad=True)
        x = Tensor(rng.standard_normal((3, 4)))

        def loss_of(x, w=w):
            return (x * w).sum()

        compile(loss_of)(x).backward()
        assert w.grad.strides == w.data.strides


def test_a_loss_with_axes():
    w = Tensor([[3.0]], requires_grad=True)

    @compile
    def step():
        w.grad = None
        loss = w * 1
        loss.backward()
        return loss

    for _ in range(2):
        step()
        w.grad[...] = 9  # it is nobody else's
    step()
    assert w.grad.tolist() == [[1]]


def test_a_wrong_label_leaves_all_as_it_was():
    trainer = Trainer(lambda p: nn.optim.SGD(p, lr=0.1))
    step = compile(trainer.step)
    x, y = batch()
    step(x.astype(np.float32), y)
    before = [value.copy() for value in trainer.state()]
    y.data[0] = 3
    with pytest.raises(LabelError, match="label 3 at row 0"):
        step(x.astype(np.float32), y)
    for p, value in zip(trainer.model.parameters(), before, strict=False):
        same(p.data, value)


def test_a_frozen_layer_in_a_step():
    trainer = Trainer(lambda p: nn.optim.SGD(p, lr=0.1))
    step = compile(trainer.step)
    x, y = batch()
    x = x.astype(np.float32)
    step(x, y)
    first = trainer.model[0].weight
    first.requires_grad = False
    before = first.data.copy()
    step(x, y)
    same(first.data, before)
    assert first.grad is None
    first.requires_grad = True
    step(x, y)
    assert (first.data != before).any()


def test_a_graph_from_before_a_step_refuses_to_go_back():
    w = Tensor([1.0, 2.0], requires_grad=True)
    loss = (w * w).sum()
    compile(descent(w)[0])()
    with pytest.raises(GradientError, match="was changed after"):
        loss.backward()


def test_a_trainer_is_freed_with_its_compiled_step():
    trainer = Trainer(lambda p: nn.optim.SGD(p, lr=0.1))
    step = compile(trainer.step)
    x, y = batch()
    step(x.astype(np.float32), y)
    dead = [*map(weakref.ref, (trainer, trainer.optimizer, trainer.model[0].weight))]
    del trainer, step
    gc.collect()
    assert [ref() for ref in dead] == [None] * 3


def changes_lr(w, optimizer):
    optimizer.zero_grad()
    loss = (w * w).sum()
    loss.backward()
    optimizer.step()
    optimizer.lr *= 0.5
    return loss


def steps_first(w, optimizer):
    optimizer.step()
    loss = (w * w).sum()
    loss.backward()
    return loss


def computes_after(w, optimizer):
    optimizer.zero_grad()
    (w * w).sum().backward()
    optimizer.step()
    return (w * w).sum()


def computes_with_a_view_after(w, optimizer):
    rows = w.reshape(1, 2)
    loss = (rows * rows).sum()
    loss.backward()
    optimizer.step()
    return rows * 2


def goes_back_twice(w, optimizer):
    loss = (w * w).sum()
    loss.backward()
    loss.backward()
    return loss


def clips(w, optimizer):
    loss = (w * w).sum()
    loss.backward()
    nn.clip_grad_norm_([w], 1.0)
    return loss


def goes_back_with(w, optimizer):
    loss = (w * w).sum()
    loss.backward(2.0)
    return loss


def goes_back_only_to_forget(w, optimizer):
    optimizer.zero_grad()
    return (w * w).sum()


def writes_an_option(w, optimizer):
    optimizer.param_groups[0]["lr"] = 0.2
    loss = (w * w).sum()
    loss.backward()
    optimizer.step()
    return loss


def hands_over_the_loss_in_a_dict(w, optimizer):
    loss = (w * w).sum()
    loss.backward()
    optimizer.step({"loss": [loss]})
    return loss


def sets_lr_to_what_it_is(w, optimizer):
    optimizer.lr = optimizer.lr
    return changes_lr(w, optimizer)


def draws_after(w, optimizer):
    loss = (w * w).sum()
    loss.backward()
    optimizer.step()
    return nn.Dropout(0.5)(loss.reshape(1))


def hands_over_the_loss(w, optimizer):
    loss = (w * w).sum()
    loss.backward()
    optimizer.step(loss)
    return loss


def takes_a_closure(w, optimizer):
    optimizer.step(lambda: 1.0)
    return (w * w).sum()


class Counting(nn.optim.SGD):
    def update_one(self, p, g, state, group):
        self.count = getattr(self, "count", 0) + 1
        super().update_one(p, g, state, group)


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        (changes_lr, "changes what SGD holds"),
        (steps_first, r"calls step\(\) of SGD before backward\(\)"),
        (computes_with_a_view_after, "computes with parameters, or draws"),
        (computes_after, "computes with parameters, or draws"),
        (goes_back_twice, r"calls backward\(\) once"),
        (goes_back_with, r"calls backward\(\) once"),
        (clips, "reads a gradient"),
        (writes_an_option, "changes what SGD holds"),
        (sets_lr_to_what_it_is, "changes what SGD holds"),
        (hands_over_the_loss_in_a_dict, r"hands a tensor or a function to step\(\) of SGD"),
        (draws_after, "or draws random numbers, after"),
        (hands_over_the_loss, r"hands a tensor or a function to step\(\) of SGD"),
        (takes_a_closure, r"hands a tensor or a function to step\(\) of SGD"),
        (goes_back_only_to_forget, "zero_grad"),
    ],
)
def test_steps_that_are_refused(step, complaint):
    w = Tensor([1.0, 2.0], requires_grad=True)
    w.grad = [3.0, 4.0]
    optimizer = nn.optim.SGD([w], lr=0.1)
    compiled = compile(lambda: step(w, optimizer))
    for _ in range(2):
        with pytest.raises(CompileError, match=complaint):
            compiled()
    assert w.tolist() == [1, 2]
    assert w.grad.tolist() == [3, 4]
    optimizer.step()  # the optimizer and its class are as they were
    assert w.tolist() == pytest.approx([0.7, 1.6])


def test_a_step_goes_back_to_parameters_only():
    w = Tensor([1.0, 2.0], requires_grad=True)
    inner = w * 2

    def step(x):
        loss = (x * inner.detach()).sum() if x.requires_grad else (x * inner).sum()
        loss.backward()
        return loss

    with pytest.raises(CompileError, match="goes back to an argument"):
        compile(step)(Tensor([1.0, 2.0], requires_grad=True))
    with pytest.raises(CompileError, match="goes back to the result of multiply"):
        compile(step)(Tensor([1.0, 2.0]))


def test_errors_of_backward_are_those_of_the_function():
    w = Tensor([1.0, 2.0], requires_grad=True)

    @compile
    def step():
        (w * w).backward()

    with pytest.raises(GradientError, match="starts from a single number"):
        step()
    step = compile(descent(w)[0])
    with no_grad(), pytest.raises(GradientError, match="needs no gradient"):
        step()
    assert w.tolist() == [1, 2]


def test_an_optimizer_with_a_step_of_its_own_is_called_as_it_is():
    w = Tensor([1.0, 2.0], requires_grad=True)
    optimizer = Counting([w], lr=0.25)

    @compile
    def step():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(3):
        step()
    assert optimizer.count == 3
    assert traces(step) == 1
    assert w.tolist() == [0.125, 0.25]


class OfSeveralMethods(nn.optim.SGD):
    def step(self, closure=None, *, thing, method):
        super().step(closure)
        for p in self.params:
            p.data *= thing * method


def test_options_of_a_step_may_have_any_name():
    w = Tensor([1.0, 2.0], requires_grad=True)
    optimizer = OfSeveralMethods([w], lr=0.25)

    @compile
    def step():
        loss = (w * w).sum()
        loss.backward()
        optimizer.step(thing=2, method=3)
        return loss

    step()
    assert w.tolist() == [3, 6]


class Shrinking(nn.optim.SGD):
    def zero_grad(self, set_to_none=True):
        super().zero_grad(set_to_none)
        for p in self.params:
            p.data *= 0.5


def test_a_zero_grad_that_does_more_is_refused():
    w = Tensor([1.0, 2.0], requires_grad=True)
    optimizer = Shrinking([w], lr=0.25)

    @compile
    def step():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with pytest.raises(CompileError, match="one of its own"):
        step()


@pytest.mark.parametrize("first", [True, False])
def test_gradients_are_forgotten_where_the_function_forgets_them(first):
    """Before the forward pass the memory of the old ones is free for the new ones."""
    model = nn.Linear(4, 3)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.25)

    @compile
    def step(x, y):
        if first:
            optimizer.zero_grad()
        loss = model(x).cross_entropy(y)
        if not first:
            optimizer.zero_grad()
        loss.backward()
        return loss

    x, y = Tensor(np.ones((2, 4), np.float32)), Tensor(np.array([0, 2]))
    step(x, y)
    lines = [line.split(" = ")[0].strip() for line in step.source.split("\n")]
    zero, forward = lines.index("SGD_zero_grad()"), lines.index("linear_1")
    assert (zero < forward) is first
    with pytest.raises(LabelError):
        step(x, Tensor(np.array([0, 3])))
    assert (model.weight.grad is None) is first  # as without compile


def test_a_method_that_is_replaced_later():
    w = Tensor([1.0, 2.0], requires_grad=True)
    step, optimizer = descent(w)
    step = compile(step)
    step()
    optimizer.step = lambda: None
    step()
    assert w.tolist() == [0.5, 1]


@pytest.mark.parametrize(
    "view", [lambda w: w.detach(), lambda w: w.reshape(1, 2), lambda w: w[0], lambda w: w.T]
)
def test_a_view_of_a_parameter_has_the_values_after_the_step(view):
    results = []
    for make in lambda function: function, compile:
        w = Tensor([1.0, 2.0], requires_grad=True)
        optimizer = nn.optim.SGD([w], lr=0.25)

        def step(w=w, optimizer=optimizer):
            values = view(w)
            optimizer.zero_grad()
            (w * w).sum().backward()
            optimizer.step()
            return values

        results.append(make(lambda step=step: step())().tolist())
    assert results[0] == results[1]


def test_hooks_run_in_order_before_any_gradient_is_handed_out():
    def calls(make):
        a, b = Tensor([1.0], requires_grad=True), Tensor([2.0], requires_grad=True)
        seen = []
        for name, x in ("a", a), ("b", b):
            x.register_hook(lambda g, name=name: seen.append((name, a.grad is b.grad is None)))
        make(lambda: ((a * 3).exp() * b).sum())().backward()
        return seen

    assert calls(compile) == calls(lambda function: function) == [("b", True), ("a", True)]


# ---- what may change between the calls ---------------------------------------------------------


def test_the_code_is_written_once_for_each_shape_and_dtype():
    runs = itertools.count()
    double = compile(lambda x: (next(runs), x * 2)[1])
    for shape, dtype in [((2,), "f4"), ((3,), "f4"), ((2,), "f8")] * 2:
        y = double(Tensor(np.ones(shape, dtype)))
        assert (y.shape, y.dtype) == (shape, dtype)
    assert next(runs) == 3


def test_very_many_shapes():
    double = compile(lambda x: x * 2)
    for _ in range(2):
        for n in range(100):
            assert double(Tensor(np.ones(n))).shape == (n,)
    assert len(double._plans) <= 65


def test_the_shape_that_was_one_too_many_is_compiled_once():
    runs = itertools.count()
    double = compile(lambda x: (next(runs), x * 2)[1])
    for n in [*range(65), 1, 64, 1]:
        double(Tensor(np.ones(n)))
    assert next(runs) == 66  # 1 was forgotten when 64 came, and 64 was not


def test_training_and_evaluation_in_turns_are_compiled_once_each():
    model, runs = mlp(nn.Dropout(0.5)), itertools.count()
    predict = compile(lambda x: (next(runs), model(x))[1])
    for _ in range(30):
        predict(batch()[0])
        model.eval()
        predict(batch()[0])
        model.train()
    assert next(runs) == 3  # train at first has the class's setting, later the module's own


def test_dropout_falls_silent_after_eval_and_speaks_again_after_train():
    model = mlp(nn.Dropout(0.5))
    predict = compile(model)
    x = batch()[0]
    for _ in range(2):
        assert not np.array_equal(predict(x), predict(x))
        model.eval()
        same(predict(x).numpy(), predict(x).numpy())
        same(predict(x).numpy(), model(x).numpy())
        model.train()


def test_a_layer_that_was_replaced():
    model = mlp()
    predict = compile(model)
    x = batch()[0]
    predict(x)
    model[1] = nn.ReLU()
    same(predict(x).numpy(), model(x).numpy())
    model.append(nn.Softmax(1))
    same(predict(x).numpy(), model(x).numpy())
    remove = model[0].register_forward_hook(lambda module, inputs, output: output * 2)
    same(predict(x).numpy(), model(x).numpy())
    remove()
    same(predict(x).numpy(), model(x).numpy())


def test_a_frozen_parameter_gets_no_gradient():
    model, loss_fn = mlp(), nn.CrossEntropyLoss()
    loss_of = compile(lambda x, y: loss_fn(model(x), y))
    loss_of(*batch()).backward()
    model.zero_grad()
    model[0].weight.requires_grad = False
    loss_of(*batch()).backward()
    assert model[0].weight.grad is None
    assert model[0].bias.grad is not None


def test_values_and_data_of_the_tensors_it_uses_are_read_anew():
    w = Tensor([1.0, 2.0], requires_grad=True)
    total = compile(lambda x: (w * x).sum())
    x = Tensor([1.0, 1.0])
    assert total(x).item() == 3
    w.data = np.array([3.0, 4.0])
    assert total(x).item() == 7
    x.data[0] = 2
    assert total(x).item() == 10


factor = 2.0


def scaled(x):
    return x * factor


def test_a_variable_around_the_function_may_change():
    global factor
    power = 1
    raised = compile(lambda x: x**power)
    both = compile(lambda x: x**power * factor)
    globally = compile(scaled)
    x = Tensor([3.0])
    results = []
    for power, factor in [(1, 2.0), (2, 2.0), (2, 5.0)]:  # noqa: B007 - the functions see them
        results.append([raised(x).item(), both(x).item(), globally(x).item()])
    assert results == [[3, 6, 6], [9, 18, 6], [9, 45, 15]]


def test_a_function_that_is_compiled_again_and_again():
    power = 1
    raised = compile(lambda x: x**power)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for power in range(30):
            assert raised(Tensor(2.0, dtype=float)).item() == 2**power
    assert [w.message.code for w in caught] == ["compiled-again"]


def test_other_threads_go_on_while_one_traces():
    model = mlp()
    expected = model(batch()[0]).numpy()
    results, stop = [], threading.Event()

    def work():
        while not stop.is_set():
            results.append(model(batch()[0]).numpy())

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in range(1, 20):
        predict = compile(model)
        same(predict(batch(n)[0]).numpy(), model(batch(n)[0]).numpy())
    stop.set()
    for thread in threads:
        thread.join()
    assert results
    for result in results:
        same(result, expected)


class Config:
    factor = 2.0


def helper(x):
    return x * Config.factor


def changes(x, y):
    """Ways to change what a function depends on: (function of x, a change) each."""
    p = {"w": Tensor([1.0, 2.0])}
    layers = [nn.ReLU()]
    state = types.SimpleNamespace(w=Tensor([1.0, 2.0]))
    box = Box()
    partly = functools.partial(lambda x, scale: x * scale["k"], scale=(scale := {"k": 2.0}))
    batch_norm = nn.BatchNorm1d(2).eval()
    later = {}

    def with_default(x, scale=[2.0]):  # noqa: B006 - that is what is tested
        return x * scale[0]

    yield lambda x: x * p["w"], lambda: p.update(w=Tensor([5.0, 6.0]))
    yield lambda x: layers[0](x), lambda: layers.__setitem__(0, nn.Tanh())
    yield lambda x: functools.reduce(lambda h, f: f(h), layers, x), lambda: layers.append(nn.Tanh())
    yield lambda x: x * state.w, lambda: setattr(state, "w", Tensor([5.0, 6.0]))
    yield box, lambda: box.layers.append(nn.Tanh())
    yield box, lambda: box.layers.__setitem__(0, nn.Sigmoid())
    yield box, lambda: box.config.update(scale=3.0)
    yield box.forward, lambda: setattr(box, "shift", 7.0)
    yield box, lambda: delattr(box, "shift")
    yield partly, lambda: scale.update(k=3.0)
    yield with_default, lambda: with_default.__defaults__[0].__setitem__(0, 9.0)
    yield helper, lambda: setattr(Config, "factor", Config.factor + 1)
    yield lambda x: helper(x), lambda: setattr(Config, "factor", Config.factor + 1)
    yield compile(helper), lambda: setattr(Config, "factor", Config.factor + 1)
    yield compile(compile(helper)), lambda: setattr(Config, "factor", Config.factor + 1)
    yield no_grad()(helper), lambda: setattr(Config, "factor", Config.factor + 1)
    yield batch_norm, lambda: setattr(batch_norm, "running_mean", Tensor([5.0, 6.0]))
    yield lambda x: x * later.get("k", 1), lambda: later.update(k=3)


class Box(nn.Module):
    shift = 1.0

    def __init__(self):
        self.layers = [nn.ReLU()]
        self.config = {"scale": 2.0}
        self.shift = 4.0

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x * self.config["scale"] + self.shift


@pytest.mark.parametrize("case", range(18))
def test_a_change_around_the_function_is_noticed(case):
    x = Tensor([[1.0, -2.0], [0.5, 3.0]])
    function, change = [*changes(x, x)][case]
    compiled = compile(function)
    before = compiled(x).numpy()
    same(before, function(x).numpy())
    change()
    after = compiled(x).numpy()
    same(after, function(x).numpy())
    assert not np.array_equal(before, after)


def test_a_state_that_the_function_counts_up_itself():
    counter = types.SimpleNamespace(n=0)

    def function(x):
        counter.n += 1
        return x * counter.n

    compiled = compile(function)
    assert [compiled(Tensor(1.0)).item() for _ in range(4)] == [1, 2, 3, 4]


class Turns:
    turn = 0


@pytest.mark.parametrize("way", ["global", "attribute"])
def test_what_changes_its_own_surroundings_runs_each_time(way):
    """Also where they come back to what they were."""
    turns = Turns()

    def training(make):
        w = Tensor([1.0, 2.0], requires_grad=True)
        optimizer = nn.optim.SGD([w], lr=0.1)
        turns.turn = 0
        globals()["turn"] = 0

        def step():
            global turn
            if way == "global":
                turn = now = (turn + 1) % 2
            else:
                turns.turn = now = 1 - turns.turn
            loss = (w * w).sum()
            loss.backward()
            if now == 0:
                optimizer.step()
                optimizer.zero_grad()
            return loss

        step = make(step)
        return [step().item() for _ in range(8)]

    assert training(compile) == training(lambda function: function)


class Slotted:
    __slots__ = ("factor", "unset")

    def __init__(self):
        self.factor = 2.0


class Inside(Slotted):
    __slots__ = ("_Inside__more",)


def test_attributes_in_slots():
    thing = Inside()
    scaled = compile(lambda x: x * thing.factor)
    x = Tensor([1.0])
    assert scaled(x).tolist() == [2]
    thing.factor = 3.0
    assert scaled(x).tolist() == [3]
    thing.unset = 1  # nobody looks at it, but it might
    assert scaled(x).tolist() == [3]


factor_of_a_property = 2.0


class WithAProperty:
    @property
    def factor(self):
        return factor_of_a_property


def test_a_variable_that_a_property_reads(monkeypatch):
    thing, x = WithAProperty(), Tensor([1.0])
    scaled = compile(lambda x: x * thing.factor)
    assert scaled(x).item() == 2
    monkeypatch.setitem(globals(), "factor_of_a_property", 3.0)
    assert scaled(x).item() == 3


class WithADict(Slotted):
    @property
    def factor(self):  # a new number each time
        return Slotted.factor.__get__(self) * 1.5

    @factor.setter
    def factor(self, value):
        Slotted.factor.__set__(self, value)


def test_attributes_in_slots_beside_a_dict_and_behind_a_property():
    thing = WithADict()
    scaled = compile(lambda x: x * thing.factor)
    x = Tensor([1.0])
    assert [scaled(x).tolist() for _ in range(3)] == [[3]] * 3
    assert traces(scaled) == 1
    thing.factor = 4.0
    assert scaled(x).tolist() == [6]


class Settings(dict):
    pass


def test_attributes_of_functions_and_of_kinds_of_dicts():
    settings_ = Settings()
    settings_.factor = 2.0

    def scale(x):
        scale.calls += 1
        return x * settings_.factor * scale.calls

    scale.calls = 0
    scaled = compile(scale)
    x = Tensor([1.0])
    assert [scaled(x).item() for _ in range(3)] == [2, 4, 6]
    settings_.factor = 1.0
    assert scaled(x).item() == 4


def test_a_key_of_a_dict_that_is_replaced():
    chosen = {"double": None}
    scaled = compile(lambda x: x * (2 if "double" in chosen else 3))
    x = Tensor([1.0])
    assert scaled(x).tolist() == [2]
    del chosen["double"]
    chosen["triple"] = None
    assert scaled(x).tolist() == [3]


def test_a_variable_of_a_module_in_a_module(tmp_path, monkeypatch):
    package = tmp_path / "settings_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("from . import inner")
    (package / "inner.py").write_text("factor, weight, shift = 2.0, 1.0, 1.0")
    monkeypatch.syspath_prepend(tmp_path)
    import settings_of_a_test as outer

    names = {"outer": outer}
    exec("def scale(x): return x * outer.inner.factor", names)
    exec("def shift(x): return scale(x * outer.inner.weight) + outer.inner.shift", names)
    shifted = compile(names["shift"])
    x = Tensor([1.0])
    assert shifted(x).tolist() == [3]
    for name, result in ("factor", [4]), ("shift", [6]), ("weight", [12]):
        setattr(outer.inner, name, 3.0)
        assert shifted(x).tolist() == result


def test_random_numbers_are_drawn_once_where_the_function_itself_has_to_run():
    def put(g, y, x):
        result = np.zeros_like(x)
        result[x > 0] = g
        return result

    positive = Function("positive", lambda x: x[x > 0].copy(), put)
    dropout, w = nn.Dropout(0.5), Tensor(np.arange(1.0, 9))
    x = Tensor(np.ones(8))
    results = []
    for make in lambda function: function, compile:
        manual_seed(0)
        loss_of = make(lambda x: positive(dropout(w) * x).sum())
        results.append([loss_of(x).item() for _ in range(6)])
    assert results[0] == results[1]


def test_labels_that_are_odd_in_the_first_call_are_no_half_step():
    model, loss_fn = mlp(), nn.CrossEntropyLoss(ignore_index=-100)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)

    def step(x, y):
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    x, y = batch()
    x = x.astype(np.float32)
    y.data[0] = -100
    before = model.state_dict()
    assert compile(step)(x, y).item() > 0  # done as it is written
    after = model.state_dict()
    model.load_state_dict(before)
    step(x, y)
    for name, value in model.state_dict().items():
        same(value, after[name])


def test_labels_to_ignore_and_a_counter_in_the_function():
    """It cannot be compiled, and is not run twice."""
    loss_fn, calls = nn.CrossEntropyLoss(), []

    def loss_of(x, y):
        calls.append(1)
        return loss_fn(x, y) * len(calls)

    compiled = compile(loss_of)
    x = Tensor([[1.0, 2.0], [0.0, 1.0]])
    for count in 1, 2:
        with pytest.raises(CompileError):
            compiled(x, Tensor([0, -100], dtype=int))
        assert len(calls) == count


def test_too_much_around_the_function():
    data = [*range(20_000)]
    with pytest.raises(CompileError, match="uses too much around it"):
        compile(lambda x: x * data[0])(Tensor([1.0]))


def test_a_frozen_parameter_between_the_call_and_backward():
    w = Tensor([1.0, 2.0], requires_grad=True)
    loss = square_of(w)()
    w.requires_grad = False
    with pytest.raises(GradientError, match="was changed between its call and backward"):
        loss.backward()


def test_the_state_of_random_numbers_is_that_of_the_plain_function():
    """Also where a call ends with the function itself, and where labels are ignored."""
    model, loss_fn = mlp(nn.Dropout(0.5)), nn.CrossEntropyLoss()
    x = batch(2)[0]
    losses = []
    for loss_of in compile(lambda x, y: loss_fn(model(x), y)), lambda x, y: loss_fn(model(x), y):
        manual_seed(0)
        losses.append(
            [loss_of(x, Tensor(y, dtype=int)).item() for y in ([0, 1], [0, -100], [0, 1])]
        )
    assert losses[0] == losses[1]


def test_targets_held_outside_are_looked_at_in_every_call():
    y = Tensor([0, 1], dtype=int)
    loss_of = compile(lambda x: nn.CrossEntropyLoss()(x, y))
    x = Tensor([[1.0, 2.0], [0.0, 1.0]])
    loss_of(x)
    y.data[...] = [0, -1]
    with pytest.raises(LabelError, match="label -1 at row 1"):
        loss_of(x)
    y.data = [1, 0]
    same(loss_of(x).numpy(), loss_of.function(x).numpy())
    y.data = [0, 2]
    with pytest.raises(LabelError, match="label 2 at row 1"):
        loss_of(x)


def test_a_write_during_the_forward_pass_is_noticed():
    w = Tensor([1.0, 2.0], requires_grad=True)

    def forward(x):  # as if another thread had done it
        if armed:
            w.data = w.data - 100
        return x * 2

    armed = []
    writes = Function("writes", forward, lambda g, y, x: 2 * g)
    loss_of = compile(lambda x: (writes(x) * w).sum())
    loss_of(Tensor([1.0, 1.0], requires_grad=True))
    armed.append(True)
    loss = loss_of(Tensor([1.0, 1.0], requires_grad=True))
    with pytest.raises(GradientError, match="was changed after"):
        loss.backward()


# ---- values that are looked at -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss_fn", "good", "bad", "complaint"),
    [
        (nn.CrossEntropyLoss(), [0, 1], [0, 3], "label 3 at row 1 is not a class"),
        (nn.CrossEntropyLoss(), [0, 1], [-1, 0], "label -1 at row 0"),
        (nn.CrossEntropyLoss(), [[1.0, 0, 0]] * 2, [[1.0, 0.5, 0]] * 2, "row 0 of the target"),
        (nn.NLLLoss(), [0, 1], [0, 3], "label 3 at row 1 is not a class"),
        (nn.BCEWithLogitsLoss(), [[1.0, 0, 0]] * 2, [[2.0, 0, 0]] * 2, "between 0 and 1, got 2"),
        (nn.KLDivLoss(), [[1.0, 0, 0]] * 2, [[-1.0, 0, 0]] * 2, "at least 0, got -1"),
    ],
)
def test_bad_targets_are_found_in_every_call(loss_fn, good, bad, complaint):
    loss_of = compile(lambda x, y: loss_fn(x, y))
    x = Tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    good, bad = (Tensor(t, dtype=int if type(t[0]) is int else None) for t in (good, bad))
    loss_of(x, good)
    for _ in range(2):
        with pytest.raises(LabelError, match=complaint):
            loss_of(x, bad)
        same(loss_of(x, good).numpy(), loss_fn(x, good).numpy())
    with pytest.raises(LabelError, match=complaint):  # in the first call too
        compile(lambda x, y: loss_fn(x, y))(x, bad)


def test_probabilities_are_looked_at_in_every_call():
    loss_of = compile(lambda p, t: nn.BCELoss()(p, t))
    loss_of(Tensor([0.5]), Tensor([1.0]))
    with pytest.raises(ValueError, match=r"probabilities between 0 and 1, got 1\.5"):
        loss_of(Tensor([1.5]), Tensor([1.0]))


def test_a_tensor_that_is_looked_at_twice_is_computed_and_gone_back_through_once():
    t, u = Tensor([0.0, 1.0]), Tensor([1.0, 1.0])

    def loss_of(x):
        p = x.sigmoid()
        return p.binary_cross_entropy(t) + p.binary_cross_entropy(u)

    x = Tensor([0.3, 0.6], requires_grad=True)
    found = []
    for function in loss_of, compile(loss_of):
        x.grad = None
        function(x).backward()
        found.append(x.grad)
    same(*found)


# ---- what is refused ---------------------------------------------------------------------------

w = Tensor([1.0, 2.0, 3.0], requires_grad=True)
norm = nn.BatchNorm1d(3)
optimizer = nn.optim.SGD([w], lr=0.1)


def steps(x):
    optimizer.step()
    return x.sum()


def forgets(x):
    optimizer.zero_grad()
    return x.sum()


def writes(x):
    w[0] = 5.0
    return x.sum()


def assigns(x):
    w.data = np.zeros(3)
    return x.sum()


def keeps(x, kept=[]):  # noqa: B006
    kept.append(x * 2)
    return x * 3


def swallows(x):
    try:
        return x * float(x.sum())
    except Exception:
        return x


def draws_anew(x):
    manual_seed(7)
    return x * 2


def reads_a_slope(x):
    (g,) = grad((x * w).sum(), w)
    return x * g


old_loss = compile(lambda: (w * w).sum())()


def unfreezes(x):
    x.requires_grad = True
    return x * 2


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (lambda x: x * x.sum().item(), "looks at the values of the result of sum"),
        (lambda x: x if x.sum() > 0 else -x, "looks at the values of the result of greater"),
        (lambda x: x * float(x.max()), "looks at the values"),
        (lambda x: x * np.asarray(x), "looks at the values"),
        (lambda x: x * np.exp(x.data), "looks at the values"),
        (lambda x: Tensor(x) * 2, "looks at the values"),
        (lambda x: Tensor(x.tolist()), "looks at the values"),
        (lambda x: (x * 2)[x > 0], "index that is an array or a Tensor|looks at the values"),
        (lambda x: x[:, np.array([0, 2])], "index that is an array"),
        (lambda x: x * w.item(), "reads the values|one element"),
        (lambda x: x * w.numpy(), "reads the values"),
        (lambda x: x * w.data, "reads the values"),
        (lambda x: x * rand(3), "was made inside the function"),
        (lambda x: x * Tensor([1.0, 2.0, 3.0]), "was made inside the function"),
        (lambda x: x * np.ones(3), "made outside the function"),
        (lambda x: x * [1.0, 2.0, 3.0], "made outside the function"),
        (lambda x: norm(x), "looks at|reads"),
        (steps, r"step\(\) of SGD before"),
        (forgets, "zero_grad"),
        (writes, "assignment"),
        (assigns, "reads the values"),
        (lambda x: old_loss.backward(), "backward"),
        (reads_a_slope, "backward"),
        (keeps, "keeps the result of multiply"),
        (swallows, "looks at the values of the result of sum"),
        (draws_anew, "manual_seed"),
        (lambda x: x * len(repr(w)), "reads the values"),
        (lambda x: x * len(f"{w[0]:.3f}"), "looks at the values"),
        (unfreezes, "assignment"),
        (lambda x: (x * w).retain_grad(), "hook"),
        (lambda x: (x, x * 2), "one Tensor that it computes, this one returned tuple"),
        (lambda x: 3.0, "this one returned float"),
        (lambda x: None, "this one returned NoneType"),
        (lambda x: w, "this one returned tensor of shape"),
        (lambda x: x, "returns its argument"),
    ],
)
def test_what_would_hold_for_one_call_only_is_refused(function, complaint):
    x = Tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 7.0]])
    before = w.tolist(), norm.state_dict()
    with pytest.raises(CompileError, match=complaint):
        compile(function)(x)
    # Nothing was changed, and the engine is as it was.
    assert w.tolist() == before[0]
    for name, value in norm.state_dict().items():
        same(value, before[1][name])
    assert x.sum().item() == 22
    assert float(x[0, 0]) == 1
    (x * w).sum().backward()
    w.grad = None


def test_a_gradient_that_would_draw_other_random_numbers_is_refused():
    model = mlp(nn.Dropout(0.5))
    scores = compile(model)(batch()[0])
    with pytest.raises(GradientError, match="draws random numbers"):
        grad(scores.sum(), model[0].weight, create_graph=True)


def test_what_it_takes():
    with pytest.raises(TypeError, match="needs a function of Tensors, got 3"):
        compile(3)
    double = compile(lambda x: x * 2)
    assert double(np.array([1.0, 2.0])).tolist() == [2, 4]
    with pytest.raises(TypeError, match="takes Tensors and arrays, by position, got 3"):
        double(3)
    with pytest.raises(TypeError, match="got factor by keyword"):
        double(Tensor([1.0]), factor=3)


def test_an_error_of_the_function_comes_through():
    with pytest.raises(ZeroDivisionError):
        compile(lambda x: x * (1 / 0))(Tensor([1.0]))
    with pytest.raises(ValueError, match="do not fit together"):
        compile(lambda x: x + w)(Tensor([1.0, 2.0]))
    assert (w + w).tolist() == [2, 4, 6]


# ---- kinds of functions ------------------------------------------------------------------------


def test_a_method_is_compiled_for_each_object():
    class Scaled(nn.Module):
        def __init__(self, factor):
            self.factor = nn.Parameter(factor)

        @compile
        def forward(self, x):
            return x * self.factor

    two, three = Scaled(2.0), Scaled(3.0)
    for _ in range(2):
        assert two(Tensor([1.0])).item() == 2
        assert three(Tensor([1.0])).item() == 3


def test_a_method_of_a_parent():
    class Parent(nn.Module):
        @compile
        def forward(self, x):
            return x * 2

    class Child(Parent):
        @compile
        def forward(self, x):
            return super().forward(x) * 10

    class Plain(Parent):
        def forward(self, x):
            return super().forward(x) * 10

    for child in Child(), Plain():
        for n in 1, 2, 3:
            assert child(Tensor([float(n)])).item() == 20 * n
    outputs = []
    parent = Parent()
    parent.register_forward_hook(lambda module, inputs, output: outputs.append(output.item()))
    parent(Tensor([1.0]))
    parent(Tensor([2.0]))
    assert outputs == [2, 4]


def test_it_may_become_a_method_later_or_belong_to_the_class():
    class Scaled:
        factor = 3

        def scale(self, x):
            return x * self.factor

        @classmethod
        @compile
        def of_class(cls, x):
            return x * cls.factor

        @staticmethod
        @compile
        def alone(x):
            return x * 5

    Scaled.scale = compile(Scaled.scale)
    x = Tensor([1.0])
    assert [f(x).item() for f in (Scaled().scale, Scaled.of_class, Scaled().alone)] == [3, 3, 5]


class Doubling(nn.Module):
    def __init__(self):
        self.factor = nn.Parameter(2.0)

    @compile
    def forward(self, x):
        return x * self.factor


@pytest.mark.parametrize("copy", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_is_compiled_anew(copy):
    module = Doubling()
    x = Tensor([1.0], requires_grad=True)
    module(x)
    twin = copy(module)
    twin.factor.data = 7.0
    assert (module(x).item(), twin(x).item()) == (2, 7)
    (g,) = grad(twin(x).sum(), twin.factor, create_graph=True)
    assert g.item() == 1
    compiled = copy(compile(helper))
    same(compiled(x).numpy(), helper(x).numpy())


def test_an_object_with_a_compiled_method_is_freed():
    module = Doubling()
    module(Tensor([1.0]))
    dead = weakref.ref(module)
    del module
    gc.collect()
    assert dead() is None


def test_a_compiled_function_inside_another():
    inner = compile(lambda x: x * w)
    outer = compile(lambda x: inner(x).sum())
    assert outer(Tensor([1.0, 1.0, 1.0])).item() == 6
    assert "multiply(" in outer.source


def test_a_function_with_a_setting():
    def power(x, exponent):
        return x**exponent

    cube = compile(functools.partial(power, exponent=3))
    assert cube(Tensor([2.0])).item() == 8


def test_an_operation_of_your_own():
    cube = Function("cube\nraise SystemExit", lambda x: x**3, lambda g, y, x: 3 * x**2 * g)
    x = Tensor([2.0], requires_grad=True)
    compile(lambda x: cube(x).sum())(x).backward()
    assert x.grad.tolist() == [12]


def test_an_anomaly_is_found_in_the_function_itself():
    loss_of = compile(lambda x: x.log().sum())
    x = Tensor([1.0, 0.0], requires_grad=True)
    loss_of(Tensor([1.0, 2.0], requires_grad=True))
    with detect_anomaly(), pytest.raises(AnomalyError, match="'log' gave −inf"):
        loss_of(x)
    root = compile(lambda x: x.sqrt().sum())(Tensor([0.0], requires_grad=True))
    with detect_anomaly(), pytest.raises(AnomalyError):
        root.backward()
    with np.errstate(divide="ignore"):
        assert loss_of(x).item() == -np.inf


def test_detach_and_whole_numbers_stop_the_gradient():
    def function(x):
        return (x.detach() * x + x.astype(int) * x + where(x > 1, x, 0)).sum()

    x, twin = (Tensor([0.5, 2.5], requires_grad=True) for _ in range(2))
    compile(function)(x).backward()
    function(twin).backward()
    same(x.grad, twin.grad)


# ---- the text ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number", [Color.RED, Odd(2.5), np.longdouble(2), np.float64(0.1), np.int64(3), True, 10**18]
)
def test_numbers_of_any_kind(number):
    x = Tensor([1.0, 2.0], dtype=float)
    compiled = compile(lambda x: x * number)
    same(compiled(x).numpy(), (x * number).numpy())


def test_settings_of_any_kind():
    scale = Function("scale", lambda x, **s: x * s["class"] * s["pair"].b)
    pair = Pair(1.0, 3.0)
    compiled = compile(lambda x: scale(x, **{"class": 2.0, "pair": pair}))
    assert compiled(Tensor([1.0])).item() == 6


def test_a_function_whose_result_has_another_shape_now_and_then():
    positive = Function("positive", lambda x: x[x > 0])
    mean = compile(lambda x: (y := positive(x)).sum() / y.shape[0])
    for values in [1.0, 2.0, 3.0], [1.0, -2.0, 3.0], [-1.0, -1.0, 4.0]:
        x = Tensor(values)
        same(mean(x).numpy(), mean.function(x).numpy())


def test_names_are_those_of_the_function_and_its_parameters():
    class Net(nn.Module):
        def __init__(self):
            self.fc1 = nn.Linear(4, 3)

        def forward(self, images):
            return self.fc1(images)

    predict = compile(Net())
    predict(batch()[0].astype(np.float32))
    assert predict.source.startswith("def forward(images, fc1_weight, fc1_bias):\n")
    assert repr(predict) == "<compiled Net>"


@pytest.mark.parametrize(
    "names", [("a", "a"), ("x", "linear"), ("1 + 1", "\nraise SystemExit"), ("ﬁ", "fi"), ("", "g")]
)
def test_any_name_of_a_tensor_is_harmless(names):
    a, b = (Tensor(3.0 + i, name=name, requires_grad=True) for i, name in enumerate(names))
    result = compile(lambda x: (x - a) * b)(Tensor(10.0))
    assert result.item() == 28
    result.backward()
    assert (a.grad, b.grad) == (-4, 7)


def test_numbers_keep_their_values():
    function = compile(lambda x: (x * 0.1 + np.float32(3) - True) / np.inf + 1e-300)
    x = Tensor(np.array([1.0, 2.0]))
    same(function(x).numpy(), function.function(x).numpy())
    same(function(x).numpy(), function.function(x).numpy())


def test_no_warning_comes_from_writing_it():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss = compile(lambda x: x.sqrt().sum())(Tensor([4.0], requires_grad=True))
    assert loss.item() == 2


def test_the_documented_signature():
    assert [*inspect.signature(compile).parameters] == ["function"]
