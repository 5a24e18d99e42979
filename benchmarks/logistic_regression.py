"""The time of fitting an L2-regularised softmax regression to convergence: LBFGS and scikit-learn.

    python benchmarks/logistic_regression.py

Both minimise the same function, mean cross-entropy + ‖W‖² / (2 C n), on the bundled digits in
float64, from zero, until no element of the gradient is larger than 1e-7. They take turns; the
figures are the least and the median of the turns, and how far the probabilities are apart.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from sys import path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

path.insert(0, str(Path(__file__).resolve().parent.parent))

import nn
from tinygrad_sm import Tensor

TOLERANCE = 1e-7


def ours(x: Any, y: Any, C: float) -> Any:
    model = nn.Linear(64, 10)
    model.weight, model.bias = nn.Parameter(np.zeros((10, 64))), nn.Parameter(np.zeros(10))
    optimizer = nn.optim.LBFGS(
        model.parameters(),
        max_iter=1000,
        tolerance_grad=TOLERANCE,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )
    images, labels, decay = Tensor(x), Tensor(y), 1 / (2 * C * len(y))

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = model(images).cross_entropy(labels) + decay * (model.weight**2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return model(images).softmax().numpy()


def theirs(x: Any, y: Any, C: float) -> Any:
    return LogisticRegression(C=C, tol=TOLERANCE, max_iter=10000).fit(x, y).predict_proba(x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10, help="turns of each")
    options = parser.parse_args()
    train, _ = nn.datasets.digits()
    x, y = train.x.astype(np.float64), train.y
    print("| C | ours, ms: least, median | scikit-learn | ours / scikit-learn | apart by |")
    print("|---|---:|---:|---:|---:|")
    for C in (0.1, 1.0, 10.0):
        times: dict[Any, list[float]] = {ours: [], theirs: []}
        results = {}
        for _ in range(options.rounds):
            for fit, taken in times.items():
                time.sleep(0.2)  # until the other's threads have come to rest
                begin = time.perf_counter()
                results[fit] = fit(x, y, C)
                taken.append((time.perf_counter() - begin) * 1000)
        a, b = ((min(taken), statistics.median(taken)) for taken in times.values())
        apart = np.abs(results[ours] - results[theirs]).max()
        print(
            f"| {C} | {a[0]:.0f}, {a[1]:.0f} | {b[0]:.0f}, {b[1]:.0f} |"
            f" {a[0] / b[0]:.2f}, {a[1] / b[1]:.2f} | {apart:.1e} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
