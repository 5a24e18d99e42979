"""The examples run as a user runs them, and say the same thing each time."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nn
from tinygrad_sm import zeros

ROOT = Path(__file__).parent.parent

pytest.importorskip("matplotlib")
pytest.importorskip("tqdm")


def run(script, *options):
    result = subprocess.run(
        [sys.executable, ROOT / "examples" / script, *map(str, options)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def accuracy(output):
    return float(re.search(r"held-out accuracy ([\d.]+)%", output)[1])


def test_softmax_regression_recognises_the_digits_and_leaves_its_pictures(tmp_path):
    out = tmp_path / "pictures"
    output = run("softmax_regression.py", "--out", out)
    assert accuracy(output) >= 95
    names = {"graph.svg", "history.png", "weights.png", "confusion.png", "mistakes.png"}
    assert {path.name for path in out.iterdir()} == names
    assert all(path.stat().st_size > 1000 for path in out.iterdir())
    graph = (out / "graph.svg").read_text()
    for word in ("cross_entropy", "weight", "bias", "images", "labels", "grad"):
        assert word in graph


def test_the_same_seed_gives_the_same_numbers_to_the_last_digit(tmp_path):
    first, again, other = (
        run("softmax_regression.py", "--epochs", 2, "--seed", seed, "--out", tmp_path)
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    "variant",
    [
        ["--batch-size", 1, "--lr", 0.05, "--epochs", 1],
        ["--batch-size", 0, "--lr", 1, "--epochs", 100],
    ],
    ids=["stochastic", "batch"],
)
def test_variants_of_gradient_descent(variant, tmp_path):
    assert accuracy(run("softmax_regression.py", *variant, "--out", tmp_path)) >= 90


def test_weight_decay_makes_the_training_loss_larger(tmp_path):
    def train_loss(decay):
        output = run(
            "softmax_regression.py", "--epochs", 5, "--weight-decay", decay, "--out", tmp_path
        )
        return float(re.search(r"loss ([\d.]+) train", output)[1])

    assert train_loss(0.1) > train_loss(0)


# ---- Newton's method ---------------------------------------------------------------------------


def load(script):
    """The example as a module, for the functions in it."""
    spec = importlib.util.spec_from_file_location(
        script.removesuffix(".py"), ROOT / "examples" / script
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_newton_doubles_the_correct_digits_each_step_and_leaves_its_pictures(tmp_path):
    output = run("newton.py", "--descent-steps", 20, "--out", tmp_path)
    losses = [float(loss) for loss in re.findall(r"loss (\d\.\d+)", output)]
    above = np.array(losses[2:6]) - losses[-1]
    assert (above[1:] < 10 * above[:-1] ** 2).all()
    assert abs(losses[-1] - losses[-2]) < 1e-15
    assert above[-1] < 1e-11
    assert accuracy(output) > 80
    assert {path.name for path in tmp_path.iterdir()} == {"convergence.png", "hessian.png"}
    assert all(path.stat().st_size > 10_000 for path in tmp_path.iterdir())


def test_newton_finds_the_weights_that_scikit_learn_finds():
    linear_model = pytest.importorskip("sklearn.linear_model")
    newton = load("newton.py")
    train, _ = nn.datasets.digits()
    x, y = newton.features(train.x[:400]), train.y[:400]
    loss_fn = newton.regularised_loss(x, y, l2=0.01)
    theta, _ = newton.newton(loss_fn, zeros(10, 17, dtype=float), steps=6, quiet=True)
    # The sum of the losses + 1/(2C) Σ W², there.
    reference = linear_model.LogisticRegression(
        C=1 / (0.01 * 400), solver="newton-cg", tol=1e-10, max_iter=1000
    ).fit(x.numpy()[:, :-1], y)
    np.testing.assert_allclose(theta[:, :-1], reference.coef_, rtol=0, atol=1e-6)
    np.testing.assert_allclose(theta[:, -1], reference.intercept_, rtol=0, atol=1e-6)
