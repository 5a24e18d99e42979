"""What each operation costs beyond its NumPy calls: recorded on Tensors, beside its forward alone.

    python benchmarks/operation_overhead.py             every operation in the table
    python benchmarks/operation_overhead.py --only max  those with this in their name
    python benchmarks/operation_overhead.py --quick     two short rounds, to see that it runs

Inputs and attributes are those that the tests draw (tests/cases), cast to float32: of fifty draws
the one with the most elements, which are some dozens. So an operation is measured as soon as it has
a case, and one without a case is an error. The method is what the case calls, as a user would.

Some methods make other NumPy calls besides: they look at the values of labels and probabilities,
copy an index. These, named in BESIDES, are timed with the forward.

The two are timed in turns, and the least of all turns counts, since a shared machine only ever adds
time. Above 1.5 µs of difference a row is marked with <.
"""

from __future__ import annotations

import argparse
import sys
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np  # noqa: E402
from cases import CASES, tensors  # noqa: E402
from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402

from tinygrad_sm import labels, ops  # noqa: E402
from tinygrad_sm.methods.loss import _outside  # noqa: E402

ALLOWED = 1.5  # µs


def copied_key(x: Any, key: Any) -> None:
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, np.ndarray):
            np.array(part)


def in_range(scores: Any, target: Any, **_: Any) -> None:
    labels.all_in_range(target, scores.shape[min(1, scores.ndim - 1)])


BESIDES: dict[str, Callable[..., Any]] = {
    "getitem": copied_key,
    "cross_entropy": in_range,
    "nll_loss": in_range,
    "binary_cross_entropy": lambda x, t, **_: (_outside(x), _outside(t)),
    "binary_cross_entropy_with_logits": lambda x, t, **_: _outside(t),
    "kl_div": lambda x, t, **_: t.item(t.argmin()),
}


def example(name: str) -> tuple[list[Any], dict[str, Any]]:
    """Inputs of the operation, as Tensors, and its attributes."""
    drawn = []

    @settings(
        max_examples=50,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],
    )
    @given(CASES[name].inputs)
    def collect(inputs: Any) -> None:
        drawn.append(inputs)

    collect()
    inputs, attributes = max(drawn, key=lambda e: sum(np.size(x) for x in e[0]))
    return tensors(map(np.array, inputs), np.float32), attributes


def least_time(functions: list[Callable[[], Any]], rounds: int, calls: int) -> list[float]:
    """Microseconds a call, for each of the functions."""
    timers = [timeit.Timer(function) for function in functions]
    turns = [[timer.timeit(calls) for timer in timers] for _ in range(rounds)]
    return [min(times) / calls * 1e6 for times in zip(*turns, strict=True)]


def measure(name: str, rounds: int, calls: int) -> tuple[float, float, str]:
    """The time of the method, that of its forward, and the shapes."""
    call, forward = CASES[name].call, ops.TABLE[name].forward
    inputs, attributes = example(name)
    arrays = [x.data for x in inputs]
    functions = [lambda: call(*inputs, **attributes), lambda: forward(*arrays, **attributes)]
    if name in BESIDES:
        functions.append(lambda: BESIDES[name](*arrays, **attributes))
    method, *alone = least_time(functions, rounds, calls)
    return method, sum(alone), " ".join(str(x.shape).replace(" ", "") for x in inputs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="operations with this in their name")
    parser.add_argument("--rounds", type=int, default=30, help="turns for each operation")
    parser.add_argument("--calls", type=int, default=500, help="calls a turn")
    parser.add_argument("--quick", action="store_true", help="two short rounds")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.calls = 2, 10
    missing = sorted(ops.TABLE.keys() - CASES.keys())
    if missing:
        sys.exit(f"operations without a case in tests/cases: {', '.join(missing)}")
    names = [name for name in ops.TABLE if options.only in name]
    print(f"{'operation':<24}{'method':>8}{'forward':>9}{'difference, µs':>16}   shapes, float32")
    over = 0
    for name in names:
        method, alone, shapes = measure(name, options.rounds, options.calls)
        mark = "<" if method - alone > ALLOWED else " "
        over += mark == "<"
        print(f"{name:<24}{method:>8.2f}{alone:>9.2f}{method - alone:>16.2f} {mark} {shapes}")
    print(f"\n{over} of {len(names)} operations cost more than {ALLOWED} µs beyond their forward")


if __name__ == "__main__":
    main()
