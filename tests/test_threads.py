"""Several threads at once: each computes its own graph, and none sees another's settings."""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest

import nn
from tinygrad_sm import Tensor, enable_grad, grad, no_grad, tensor
from tinygrad_sm.autograd import Version, latest_write, recording
from tinygrad_sm.errors import GradientError


@pytest.fixture(autouse=True)
def _threads_take_turns_often():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(*functions):
    """The results of the functions, each run in a thread of its own, all begun together."""
    start = threading.Barrier(len(functions), timeout=10)

    def run(function):
        start.wait()
        return function()

    with ThreadPoolExecutor(len(functions)) as pool:
        return [future.result(timeout=60) for future in [pool.submit(run, f) for f in functions]]


def train(seed):
    """A training loop, with batches of several sizes: its losses and the weights in the end."""
    rng = np.random.default_rng(seed)
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))
    for p in model.parameters():
        p.data = rng.standard_normal(p.shape)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for step in range(200):
        n = 2 + step % 5
        x = Tensor(rng.standard_normal((n, 5)).astype(np.float32))
        optimizer.zero_grad()
        loss = loss_fn(model(x), rng.integers(0, 3, n))
        loss.backward()
        optimizer.step()
        with no_grad():
            assert not model(x).requires_grad
        losses.append(loss.item())
    return losses, [p.tolist() for p in model.parameters()]


def curvature(seed):
    """Recorded backward passes."""
    x = Tensor(np.random.default_rng(seed).standard_normal((4, 3)), requires_grad=True)
    found = []
    for _ in range(30):
        (g,) = grad((x.softmax() * x.tanh()).sum(), x, create_graph=True)
        found.append(grad((g * g).sum(), x)[0].tolist())
    return found


def test_training_and_derivatives_in_several_threads_give_the_numbers_of_one():
    seeds = range(3)
    expected = [train(seed) for seed in seeds] + [curvature(seed) for seed in seeds]
    work = [lambda s=s: train(s) for s in seeds] + [lambda s=s: curvature(s) for s in seeds]
    assert at_once(*work) == expected


def test_threads_may_share_parameters_that_none_changes():
    w = Tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)

    def work(scale):
        return [grad((w * scale).tanh().sum(), w)[0].tolist() for _ in range(50)]

    for scale, found in zip((0.1, 0.2), at_once(lambda: work(0.1), lambda: work(0.2)), strict=True):
        assert found == [grad((w * scale).tanh().sum(), w)[0].tolist()] * 50


# ---- recording on and off ----------------------------------------------------------------------


def test_no_grad_does_not_reach_another_thread():
    w = Tensor(2.0, requires_grad=True)
    inside, looked = threading.Event(), threading.Event()

    def switch_off():
        with no_grad():
            inside.set()
            assert looked.wait(10)
            return (w * w).requires_grad

    def look():
        assert inside.wait(10)
        y = w * w
        y.backward()
        looked.set()
        return y.requires_grad, w.grad.item()

    assert at_once(switch_off, look) == [False, (True, 4)]


def test_a_new_thread_records_even_if_begun_under_no_grad():
    with no_grad(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: recording.on).result()


def test_one_no_grad_entered_in_two_threads_gives_each_back_its_own():
    off = no_grad()
    turn = threading.Barrier(2, timeout=10)

    def first():
        with off:
            turn.wait()  # first is in
            turn.wait()  # second is in
        after = recording.on
        turn.wait()  # first is out
        return after

    def second():
        with no_grad():
            turn.wait()
            with off:
                turn.wait()
                turn.wait()
            return recording.on

    assert at_once(first, second) == [True, False]


@no_grad()
def without(function):
    return recording.on, function(), recording.on


@enable_grad()
def with_recording():
    return recording.on


def test_decorated_functions_in_two_threads():
    def work():
        results = {without(with_recording) for _ in range(200)}
        return results, recording.on

    assert at_once(work, work) == [({(False, True, False)}, True)] * 2


# ---- values that were changed ------------------------------------------------------------------


def test_a_slow_write_in_one_thread_does_not_hide_a_later_one_in_another(monkeypatch):
    """The latest write is what a backward pass asks first, so its number must never fall."""
    slow, other_wrote = threading.Event(), threading.Event()
    number = tensor.next_number

    def stalling():
        drawn = number()
        if threading.current_thread().name.startswith("slow"):
            slow.set()
            other_wrote.wait(0.2)
        return drawn

    monkeypatch.setattr(tensor, "next_number", stalling)
    x = Tensor(1.0)

    def write():
        x.data = 2.0

    w = Tensor(3.0, requires_grad=True)
    with ThreadPoolExecutor(1, thread_name_prefix="slow") as pool:
        done = pool.submit(write)
        assert slow.wait(10) or done.result()
        y = w * w
        w.data = 5.0
        other_wrote.set()
        done.result()
    assert latest_write.number >= w._version.number
    with pytest.raises(GradientError, match="was changed after"):
        y.backward()


def test_views_made_in_two_threads_share_one_note_of_changes(monkeypatch):
    """Whichever thread is first: a change of x reaches the graphs of both."""
    meeting = threading.Barrier(2)

    class Slow(Version):
        __slots__ = ()

        def __init__(self):
            super().__init__()
            with suppress(threading.BrokenBarrierError):
                if meeting.wait(0.2):  # both threads are here: one goes on first
                    time.sleep(0.05)

    monkeypatch.setattr(tensor, "Version", Slow)
    x, w = Tensor([1.0, 2.0]), Tensor(3.0, requires_grad=True)
    losses = [(w * view).sum() for view in at_once(x.detach, x.detach)]
    x.data = [3.0, 4.0]
    for loss in losses:
        with pytest.raises(GradientError, match="was changed after"):
            loss.backward()
