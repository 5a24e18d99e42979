"""What backpropagation comes to: a network's training step, written out as NumPy code.

Two trainings of one network from the same start, on the same batches. One goes through the graph:
each operation notes what it was applied to, and `backward` finds the way back. The other is
compiled: its operations and their derivative rules were written down once, line by line, as by
somebody who derives the gradients by hand. Both take the same course, to the last bit; the second
is quicker, for nobody keeps a graph.

    python examples/compiled.py
    python examples/compiled.py --hidden                none: softmax regression
    python examples/compiled.py --hidden 256 256        so wide that the graph hardly matters

It prints the code, and leaves it in the folder out/compiled.
"""

import argparse
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import nn
import tinygrad_sm
from tinygrad_sm import Tensor, manual_seed


def main() -> None:
    options = parse_options()
    train, test = nn.datasets.digits()
    loader = nn.DataLoader(train, batch_size=options.batch_size, shuffle=True, seed=options.seed)
    batches = [(Tensor(x), Tensor(y)) for _ in range(options.epochs) for x, y in loader]

    model, step = make_training(options)
    plain_losses, plain_time = fit(step, batches)

    model, step = make_training(options)
    compiled = tinygrad_sm.compile(step)
    losses, compiled_time = fit(compiled, batches)

    assert losses == plain_losses  # to the last bit
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "step.py").write_text(compiled.source, encoding="utf-8")
    print(compiled.source)
    print(f"{len(losses)} steps, their losses the same to the last bit; the last {losses[-1]:.4f}")
    right = (model(Tensor(test.x)).numpy().argmax(axis=1) == test.y).mean()
    print(f"held-out accuracy {right:.1%}")
    print(f"a step: {plain_time:.0f} µs through the graph, {compiled_time:.0f} µs compiled")


def make_training(options: argparse.Namespace) -> tuple[nn.Module, Callable[..., Tensor]]:
    """The network, always from the same start, and a step of its training."""
    manual_seed(options.seed)
    widths = [64, *options.hidden, 10]
    layers: list[nn.Module] = []
    for n, m in pairwise(widths):
        layers += [nn.Linear(n, m), nn.ReLU()]
    model, loss_fn = nn.Sequential(*layers[:-1]), nn.CrossEntropyLoss()
    optimizer = nn.optim.SGD(model.parameters(), lr=options.lr)

    def step(x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, step


def fit(
    step: Callable[..., Any], batches: list[tuple[Tensor, Tensor]]
) -> tuple[list[float], float]:
    """The loss of every step, and the microseconds that half of the steps stayed below."""
    losses, times = [], []
    for x, y in batches:
        start = time.perf_counter()
        loss = step(x, y)
        times.append(time.perf_counter() - start)
        losses.append(loss.item())
    return losses, float(np.median(times)) * 1e6


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--hidden", type=int, nargs="*", default=[32], help="width of each layer")
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="out/compiled", help="folder for the code")
    return parser.parse_args()


if __name__ == "__main__":
    main()
