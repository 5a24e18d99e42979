"""The examples run as a user runs them, and say the same thing each time."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

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
