"""The time of an optimizer's step, as a multiple of the same update written by hand in NumPy.

    python benchmarks/optimizer_step.py            every optimizer on every network
    python benchmarks/optimizer_step.py --quick    few repetitions, to see that it runs

By hand means: the same formula in place, with memory to work in and with the numbers as arrays
without axes, which NumPy reads quicker; float32. Before timing, both must have come to the same
parameters after some steps. Both take short turns in one process; the figure is the median of the
turns' ratios, and the times are medians too.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from sys import path
from typing import Any

import numpy as np

path.insert(0, str(Path(__file__).resolve().parent.parent))

import nn
from tinygrad_sm import Tensor

NETWORKS = {"64-10": (64, 10), "784-128-10": (784, 128, 10), "784-512-512-10": (784, 512, 512, 10)}
LR = 1e-3

Array = Any
Update = Callable[[Array, Array], None]


def number(value: float) -> Array:
    return np.array(value, np.float32)


def arrays_like(p: Array, count: int) -> Iterator[Array]:
    return (np.zeros_like(p) for _ in range(count))


# ---- by hand: each makes the update of one parameter -------------------------------------------


def sgd(p: Array) -> Update:
    (s,) = arrays_like(p, 1)
    lr = number(LR)

    def update(p: Array, g: Array) -> None:
        np.multiply(g, lr, s)
        p -= s

    return update


def momentum(p: Array) -> Update:
    v, s = arrays_like(p, 2)
    lr, kept = number(LR), number(0.9)

    def update(p: Array, g: Array) -> None:
        np.multiply(v, kept, v)
        np.add(v, g, v)
        np.multiply(v, lr, s)
        p -= s

    return update


def adam(p: Array, decay: float = 0.0) -> Update:
    m, v, s = arrays_like(p, 3)
    beta2, rest1, rest2 = number(0.999), number(1 - 0.9), number(1 - 0.999)
    shrink = number(1 - LR * decay)
    t = 0

    def update(p: Array, g: Array) -> None:
        nonlocal t
        t += 1
        if decay:
            np.multiply(p, shrink, p)
        np.subtract(g, m, s)
        np.multiply(s, rest1, s)
        np.add(m, s, m)
        np.multiply(v, beta2, v)
        np.multiply(g, g, s)
        np.multiply(s, rest2, s)
        np.add(v, s, v)
        root = math.sqrt(1 - 0.999**t)
        np.sqrt(v, s)
        np.add(s, number(1e-8 * root), s)
        np.divide(m, s, s)
        np.multiply(s, number(LR * root / (1 - 0.9**t)), s)
        p -= s

    return update


def adamw(p: Array) -> Update:
    return adam(p, decay=0.01)


def adamax(p: Array) -> Update:
    m, u, s = arrays_like(p, 3)
    beta2, rest1, eps = number(0.999), number(1 - 0.9), number(1e-8)
    t = 0

    def update(p: Array, g: Array) -> None:
        nonlocal t
        t += 1
        np.subtract(g, m, s)
        np.multiply(s, rest1, s)
        np.add(m, s, m)
        np.absolute(g, s)
        np.add(s, eps, s)
        np.multiply(u, beta2, u)
        np.maximum(u, s, out=u)
        np.divide(m, u, s)
        np.multiply(s, number(LR / (1 - 0.9**t)), s)
        p -= s

    return update


def rmsprop(p: Array) -> Update:
    v, s = arrays_like(p, 2)
    alpha, rest, eps, lr = number(0.99), number(1 - 0.99), number(1e-8), number(LR)

    def update(p: Array, g: Array) -> None:
        np.multiply(v, alpha, v)
        np.multiply(g, g, s)
        np.multiply(s, rest, s)
        np.add(v, s, v)
        np.sqrt(v, s)
        np.add(s, eps, s)
        np.divide(g, s, s)
        np.multiply(s, lr, s)
        p -= s

    return update


def adagrad(p: Array) -> Update:
    total, s = arrays_like(p, 2)
    eps, lr = number(1e-10), number(LR)

    def update(p: Array, g: Array) -> None:
        np.multiply(g, g, s)
        np.add(total, s, total)
        np.sqrt(total, s)
        np.add(s, eps, s)
        np.divide(g, s, s)
        np.multiply(s, lr, s)
        p -= s

    return update


def adadelta(p: Array) -> Update:
    v, u, s, d = arrays_like(p, 4)
    rho, rest, eps, lr = number(0.9), number(1 - 0.9), number(1e-6), number(LR)

    def update(p: Array, g: Array) -> None:
        np.multiply(v, rho, v)
        np.multiply(g, g, s)
        np.multiply(s, rest, s)
        np.add(v, s, v)
        np.add(u, eps, d)
        np.add(v, eps, s)
        np.divide(d, s, d)
        np.sqrt(d, d)
        np.multiply(d, g, d)
        np.multiply(u, rho, u)
        np.multiply(d, d, s)
        np.multiply(s, rest, s)
        np.add(u, s, u)
        np.multiply(d, lr, d)
        p -= d

    return update


def lion(p: Array) -> Update:
    m, s = arrays_like(p, 2)
    rest1, rest2, lr = number(1 - 0.9), number(1 - 0.99), number(LR)

    def update(p: Array, g: Array) -> None:
        np.subtract(g, m, s)
        np.multiply(s, rest1, s)
        np.add(s, m, s)
        np.sign(s, s)
        np.multiply(s, lr, s)
        p -= s
        np.subtract(g, m, s)
        np.multiply(s, rest2, s)
        np.add(m, s, m)

    return update


OPTIMIZERS: dict[str, tuple[Callable[..., Any], Callable[[Array], Update]]] = {
    "SGD": (nn.optim.SGD, sgd),
    "SGD, momentum": (lambda p, lr: nn.optim.SGD(p, lr, momentum=0.9), momentum),
    "Adam": (nn.optim.Adam, adam),
    "AdamW": (nn.optim.AdamW, adamw),
    "Adamax": (nn.optim.Adamax, adamax),
    "RMSprop": (nn.optim.RMSprop, rmsprop),
    "Adagrad": (nn.optim.Adagrad, adagrad),
    "Adadelta": (nn.optim.Adadelta, adadelta),
    "Lion": (nn.optim.Lion, lion),
}


# ---- the run -----------------------------------------------------------------------------------


def contestants(name: str, widths: tuple[int, ...]) -> tuple[Callable[[], None], ...]:
    """Two functions that take a step: ours, and by hand."""
    rng = np.random.default_rng(0)
    shapes = [shape for n, m in pairwise(widths) for shape in ((m, n), (m,))]
    start = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    gradients = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]

    make, by_hand = OPTIMIZERS[name]
    params = [Tensor(p, requires_grad=True) for p in start]
    for p, g in zip(params, gradients, strict=True):
        p.grad = g
    optimizer = make(params, lr=LR)

    arrays = [p.copy() for p in start]
    gradients = [p.grad for p in params]  # the very same
    updates = [by_hand(p) for p in arrays]

    def step_by_hand() -> None:
        for update, p, g in zip(updates, arrays, gradients, strict=True):
            update(p, g)

    for _ in range(5):
        optimizer.step()
        step_by_hand()
    for ours, hand in zip(params, arrays, strict=True):
        np.testing.assert_allclose(ours.data, hand, rtol=1e-5, atol=1e-6)
    return optimizer.step, step_by_hand


def turn(step: Callable[[], None], repetitions: int) -> float:
    """Microseconds a step."""
    begin = time.perf_counter()
    for _ in range(repetitions):
        step()
    return (time.perf_counter() - begin) / repetitions * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=300, help="turns of each, about 1 ms long")
    parser.add_argument("--only", default="", help="only optimizers with this in their name")
    parser.add_argument("--quick", action="store_true", help="few turns")
    options = parser.parse_args()
    turns = 5 if options.quick else options.turns
    print("| a step, float32: µs, ours / by hand |", " | ".join(NETWORKS), "|")
    print("|---|" + "---:|" * len(NETWORKS))
    for name in OPTIMIZERS:
        if options.only not in name:
            continue
        cells = []
        for widths in NETWORKS.values():
            ours, by_hand = contestants(name, widths)
            repetitions = max(1, int(1000 / turn(by_hand, 3)))
            times = [(turn(ours, repetitions), turn(by_hand, repetitions)) for _ in range(turns)]
            ratio = statistics.median(a / b for a, b in times)
            cells.append(f"{statistics.median(a for a, _ in times):.1f}, {ratio:.2f}")
        print(f"| {name} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
