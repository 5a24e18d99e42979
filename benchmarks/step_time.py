"""The time of one training step: ours, plain and compiled, NumPy by hand, PyTorch eager, JAX jit.

    python benchmarks/step_time.py            every row, what is installed
    python benchmarks/step_time.py --quick    two short rounds, to see that it runs

A step is: forget the gradients, forward, mean cross-entropy of integer labels, backward, plain SGD;
float32, on the CPU, two threads. `compiled` is ours in `tinygrad_sm.compile`. `numpy` is the step
as one writes it down by hand, `tuned` the ceiling: the same with every trick that leaves it
readable. Before timing, the loss after some steps must be the same for all.

Each contestant lives in a process of its own and they take short turns, each once the machine is
quiet; whoever is not on turn waits for its standard input. A turn's time is the least of several
medians over blocks of steps, and the figure is the least of all turns, since a shared machine only
ever adds time. A ~ marks a figure that no second turn came within a tenth of: do not rely on it.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

# name: batch size, widths of the layers. A first width (channels, height, width) is an image: the
# layers but the last are then convolutions 3×3 with padding 1, each with ReLU and max-pooling 2×2.
ROWS: dict[str, tuple[int, tuple[Any, ...]]] = {
    "softmax regression, batch 32, 64 → 10": (32, (64, 10)),
    "softmax regression, batch 128, 784 → 10": (128, (784, 10)),
    "softmax regression, batch 512, 784 → 10": (512, (784, 10)),
    "MLP, batch 32, 64-64-10": (32, (64, 64, 10)),
    "MLP, batch 64, 784-128-10": (64, (784, 128, 10)),
    "MLP, batch 256, 784-512-512-10": (256, (784, 512, 512, 10)),
    "CNN, batch 32, 1×8×8, 8-16-10": (32, ((1, 8, 8), 8, 16, 10)),
    "CNN, batch 32, 1×28×28, 8-16-10": (32, ((1, 28, 28), 8, 16, 10)),
    "CNN, batch 128, 1×28×28, 8-16-10": (128, ((1, 28, 28), 8, 16, 10)),
}
LR = 0.01
THREADS = "2"

Step = Callable[[], Any]  # takes a step and returns the loss


def problem(row: str) -> tuple[Any, Any, list[tuple[Any, Any]]]:
    """The same batch, labels and starting weights for everyone.

    The weights are (out, in), those of a convolution (out, in, 3, 3).
    """
    batch, (size, *widths) = ROWS[row]
    rng = np.random.default_rng(0)
    shape = size if isinstance(size, tuple) else (size,)
    x = rng.random((batch, *shape), dtype=np.float32)
    y = rng.integers(0, widths[-1], batch)
    layers = []
    for m in widths:
        if len(shape) == 3 and m is not widths[-1]:
            inputs, shape = (shape[0], 3, 3), (m, shape[1] // 2, shape[2] // 2)
        else:
            inputs, shape = (math.prod(shape),), (m,)
        weight = rng.standard_normal((m, *inputs)) / np.sqrt(math.prod(inputs))
        layers.append((weight.astype(np.float32), np.zeros(m, np.float32)))
    return x, y, layers


# ---- the contestants ---------------------------------------------------------------------------


def ours(row: str, compiled: bool = False) -> Step:
    import nn
    from tinygrad_sm import Tensor, compile

    x_array, y_array, layers = problem(row)
    modules: list[nn.Module] = []
    for weight, bias in layers:
        m, n = weight.shape[:2]
        if weight.ndim == 4:
            layer: Any = nn.Conv2d(n, m, 3, padding=1)
            modules += [layer, nn.ReLU(), nn.MaxPool2d(2)]
        else:
            layer = nn.Linear(n, m)
            flatten = [nn.Flatten()] if layers[0][0].ndim == 4 else []
            modules += [*flatten, layer, nn.ReLU()]
        layer.weight.data, layer.bias.data = weight, bias
    model = nn.Sequential(*modules[:-1]) if len(layers) > 1 else modules[0]
    loss_fn = nn.CrossEntropyLoss()
    optimizer = nn.optim.SGD(model.parameters(), lr=LR)
    x, y = Tensor(x_array), Tensor(y_array)

    def step(x: Tensor, y: Tensor) -> Any:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    function = compile(step) if compiled else step
    return lambda: function(x, y)


def compiled(row: str) -> Step:
    return ours(row, compiled=True)


def numpy(row: str) -> Step | None:
    """Written by hand, as one writes it down. Not for convolutions: that would be no short text."""
    x, y, layers = problem(row)
    if x.ndim > 2:
        return None
    weights = [weight for weight, _ in layers]
    biases = [bias for _, bias in layers]
    n, last = len(x), len(layers) - 1
    rows = np.arange(n)

    def step() -> Any:
        # forward
        inputs = [x]
        for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            z = inputs[-1] @ weight.T + bias
            if i < last:
                inputs.append(np.maximum(z, 0))
        e = np.exp(z - z.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        loss = -np.log(p[rows, y]).mean()
        # backward
        p[rows, y] -= 1
        g = p / n
        for i in range(last, -1, -1):
            weight_gradient, bias_gradient = g.T @ inputs[i], g.sum(axis=0)
            if i:
                g = (g @ weights[i]) * (inputs[i] > 0)
            # update
            weights[i] -= LR * weight_gradient
            biases[i] -= LR * bias_gradient
        return loss

    return step


def tuned(row: str) -> Step | None:
    """The same with every trick: in place, flat indices, sums as products with a vector of ones."""
    x, y, layers = problem(row)
    if x.ndim > 2:
        return None
    weights = [np.ascontiguousarray(weight.T) for weight, _ in layers]  # (in, out) is quicker
    biases = [bias for _, bias in layers]
    (n, classes), last = (len(x), biases[-1].size), len(layers) - 1
    row_starts = np.arange(0, n * classes, classes)
    ones, class_ones = np.ones(n, np.float32), np.ones(classes, np.float32)
    lr = np.array(LR, np.float32)  # quicker than a Python number

    def step() -> Any:
        # forward
        inputs = [x]
        for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            z = inputs[-1].dot(weight)
            z += bias
            if i < last:
                inputs.append(np.maximum(z, 0, out=z))
        z -= np.maximum.reduce(z, axis=1, keepdims=True)
        p = np.exp(z, out=z)
        p /= p.dot(class_ones)[:, None]
        flat = p.ravel()
        true = row_starts + y
        p_true = flat[true]
        loss = -np.add.reduce(np.log(p_true)) / n
        # backward
        flat[true] = p_true - 1
        p /= n
        g = p
        for i in range(last, -1, -1):
            weight_gradient = inputs[i].T.dot(g)
            bias_gradient = ones.dot(g)
            if i:
                g = g.dot(weights[i].T)
                g *= inputs[i] > 0
            # update
            weight_gradient *= lr
            weights[i] -= weight_gradient
            bias_gradient *= lr
            biases[i] -= bias_gradient
        return loss

    return step


def torch(row: str) -> Step:
    import torch

    torch.set_num_threads(int(THREADS))
    x_array, y_array, layers = problem(row)
    modules: list[torch.nn.Module] = []
    for weight, bias in layers:
        m, n = weight.shape[:2]
        if weight.ndim == 4:
            layer: Any = torch.nn.Conv2d(n, m, 3, padding=1)
            modules += [layer, torch.nn.ReLU(), torch.nn.MaxPool2d(2)]
        else:
            layer = torch.nn.Linear(n, m)
            flatten = [torch.nn.Flatten()] if layers[0][0].ndim == 4 else []
            modules += [*flatten, layer, torch.nn.ReLU()]
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.copy_(torch.from_numpy(bias))
    model = torch.nn.Sequential(*modules[:-1]) if len(layers) > 1 else modules[0]
    loss_fn = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    x, y = torch.from_numpy(x_array), torch.from_numpy(y_array)

    def step() -> Any:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def jax(row: str) -> Step:
    import jax
    import jax.numpy as jnp

    x_array, y_array, layers = problem(row)
    x, y = jnp.asarray(x_array), jnp.asarray(y_array)

    def loss_of(parameters: Any, x: Any, y: Any) -> Any:
        h = x
        for i, (weight, bias) in enumerate(parameters):
            if weight.ndim == 4:
                h = jax.lax.conv(h, weight, (1, 1), "SAME") + bias[:, None, None]
            else:
                h = h.reshape(len(h), -1) @ weight.T + bias
            if i < len(parameters) - 1:
                h = jnp.maximum(h, 0)
            if weight.ndim == 4:
                pool = (1, 1, 2, 2)
                h = jax.lax.reduce_window(h, -jnp.inf, jax.lax.max, pool, pool, "VALID")
        log_p = jax.nn.log_softmax(h)
        return -jnp.take_along_axis(log_p, y[:, None], axis=1).mean()

    def update(parameters: Any, x: Any, y: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, y)
        return loss, jax.tree.map(lambda p, g: p - LR * g, parameters, gradients)

    jitted = jax.jit(update, donate_argnums=0)
    parameters = [(jnp.asarray(weight), jnp.asarray(bias)) for weight, bias in layers]

    def step() -> Any:
        nonlocal parameters
        loss, parameters = jitted(parameters, x, y)
        jax.block_until_ready(parameters)
        return loss

    return step


CONTESTANTS: dict[str, Callable[[str], Step | None]] = {
    "ours": ours,
    "compiled": compiled,
    "numpy": numpy,
    "tuned": tuned,
    "torch": torch,
    "jax": jax,
}

OF_OURSELVES = ("ours", "compiled", "tuned")  # that is no package to install


# ---- a contestant's process --------------------------------------------------------------------


def work(name: str) -> None:
    """Answer each line {"row", "seconds"} with {"loss"} the first time, {"time"} after that.

    The loss is null where the contestant does not take part.
    """
    steps: dict[str, Step | None] = {}
    for line in sys.stdin:
        request = json.loads(line)
        row = request["row"]
        if row not in steps:
            step = steps[row] = CONTESTANTS[name](row)
            losses = [step() for _ in range(5)] if step else []
            print(json.dumps({"loss": losses[-1].item() if step else None}), flush=True)
        elif step := steps[row]:
            print(json.dumps({"time": least_median(step, request["seconds"])}), flush=True)


def least_median(step: Step, seconds: float) -> float:
    """Microseconds a step. Of ten blocks in a row, each of about a millisecond, the median; and of
    these the least, for a neighbour's load may come and go within a turn."""
    for _ in range(3):
        step()
    begin = time.perf_counter()
    step()
    size = max(1, int(0.001 / (time.perf_counter() - begin)))
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or not times:
        begin = time.perf_counter()
        for _ in range(size):
            step()
        times.append((time.perf_counter() - begin) / size)
    tens = [times[i : i + 10] for i in range(0, len(times), 10)]
    whole = [ten for ten in tens if len(ten) == 10] or tens
    return min(map(statistics.median, whole)) * 1e6


# ---- the run -----------------------------------------------------------------------------------


class Contestant:
    """The other end of a contestant's process."""

    def __init__(self, name: str) -> None:
        self.name = name
        # How long idle threads spin stays at each one's default: OMP_WAIT_POLICY=passive more than
        # halves PyTorch's speed, OPENBLAS_THREAD_TIMEOUT=20 speeds NumPy up. See wait_for_quiet.
        settings = {
            "OMP_NUM_THREADS": THREADS,
            "OPENBLAS_NUM_THREADS": THREADS,
            "JAX_PLATFORMS": "cpu",
            "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
        }
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | settings,
        )

    def ask(self, row: str, seconds: float = 0.0) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"row": row, "seconds": seconds}) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


def wait_for_quiet(seconds: float) -> None:
    """Wait until the cores idle, but no longer than this.

    OpenBLAS' threads spin for a tenth of a second after the last turn, and there may be neighbours.
    Where the system does not tell how idle it is, only for the first.
    """
    if not Path("/proc/stat").exists():
        time.sleep(min(seconds, 0.15))
        return
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        before = idle_ticks()
        time.sleep(0.05)  # 5 ticks of each core
        if idle_ticks() - before >= 5 * (os.cpu_count() or 1) - 1:
            return


def idle_ticks() -> int:
    """Hundredths of a second that the cores have idled, added up."""
    return int(Path("/proc/stat").read_text().split(maxsplit=5)[4])


def run(names: list[str], rows: list[str], rounds: int, seconds: float, patience: float) -> None:
    contestants = {name: Contestant(name) for name in names if is_installed(name)}
    ratios = [
        (mine, other)
        for mine in ("ours", "compiled")
        for other in names
        if mine in names and other not in ("ours", "compiled")
    ]
    print("| float32 step, µs |", " | ".join([*names, *map(" / ".join, ratios)]), "|")
    print("|---|" + "---:|" * (len(names) + len(ratios)))
    for row in rows:
        losses = {name: c.ask(row)["loss"] for name, c in contestants.items()}
        losses = {name: loss for name, loss in losses.items() if loss is not None}
        expected = losses.get("numpy", next(iter(losses.values())))
        if not all(abs(loss - expected) <= 1e-4 * expected for loss in losses.values()):
            sys.exit(f"{row}: the contestants do not compute the same: {losses}")
        times: dict[str, list[float]] = {name: [] for name in losses}
        for _ in range(rounds):
            for name in times:
                wait_for_quiet(patience)
                times[name].append(contestants[name].ask(row, seconds)["time"])
        cells = [figure(times.get(name)) for name in names]
        cells += [
            f"{min(times[mine]) / min(times[other]):.2f}" if other in times else "–"
            for mine, other in ratios
        ]
        print(f"| {row} |", " | ".join(cells), "|", flush=True)
    for contestant in contestants.values():
        assert contestant.process.stdin is not None
        contestant.process.stdin.close()
        contestant.process.wait()


def figure(times: list[float] | None) -> str:
    """The least time, marked where no second one is near it."""
    if times is None:
        return "–"
    least, *more = sorted(times)
    mark = "" if more and more[0] <= 1.1 * least else "~"
    return f"{mark}{least:.0f}" if least >= 100 else f"{mark}{least:.1f}"


def is_installed(name: str) -> bool:
    return name in OF_OURSELVES or importlib.util.find_spec(name) is not None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12, help="turns for each contestant and row")
    parser.add_argument("--seconds", type=float, default=0.15, help="length of a turn")
    parser.add_argument("--rows", default="", help="only rows with this in their name")
    parser.add_argument("--frameworks", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS))
    parser.add_argument("--quick", action="store_true", help="two short rounds")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker)
        return
    names = options.frameworks
    rows = [row for row in ROWS if options.rows in row]
    if not rows:
        parser.error(f"no row has {options.rows!r} in its name; there are: {', '.join(ROWS)}")
    patience = 1.0
    if options.quick:
        options.rounds, options.seconds, patience = 2, 0.02, 0.0
    run(names, rows, options.rounds, options.seconds, patience)
    print(f"\n{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}", end="")
    for name in dict.fromkeys(["numpy", *names]):  # ours runs on NumPy too
        if name not in OF_OURSELVES and is_installed(name):
            print(f", {name} {importlib.metadata.version(name)}", end="")
    print()


def processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else platform.processor()} ({platform.machine()})"


if __name__ == "__main__":
    main()
