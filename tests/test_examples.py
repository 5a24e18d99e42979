"""The examples run as a user runs them, and say the same thing each time."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import nn
from tinygrad_sm import Tensor, zeros

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
    plots = {"history.png", "weights.png", "confusion.png", "mistakes.png"}
    names = {"graph.svg", "backprop.html", *plots}
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


def test_backprop_by_hand_finds_the_gradients_of_the_engine(tmp_path):
    output = run("backprop_by_hand.py", "--epochs", 3, "--out", tmp_path)
    rows = [line.split()[1:] for line in output.splitlines()[1:10]]
    assert [len(row) for row in rows] == [2, 2, 4, 4, 4, 2, 4, 4, 4]
    assert all(row[0::2] == row[1::2] for row in rows)
    losses = [float(loss) for loss in re.findall(r"loss (\d\.\d+)", output)]
    assert losses == sorted(losses, reverse=True)
    assert {path.name for path in tmp_path.iterdir()} == {"graph.svg", "backprop.html"}


# ---- a convolutional network -------------------------------------------------------------------


def test_cnn_recognises_the_digits_and_leaves_its_pictures(tmp_path):
    assert accuracy(run("cnn.py", "--out", tmp_path)) >= 98
    names = {"history.png", "filters.png", "feature_maps.png", "confusion.png", "graph.svg"}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert all(path.stat().st_size > 4000 for path in tmp_path.iterdir())
    graph = (tmp_path / "graph.svg").read_text()
    for word in ("conv1: Conv2d", "max_pool2d(kernel=2, stride=2)", "linear: Linear", "images"):
        assert word in graph


def test_cnn_says_the_same_with_the_same_seed(tmp_path):
    first, again = (run("cnn.py", "--epochs", 1, "--out", tmp_path) for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    ("name", "image"), [("fashion_mnist", (1, 28, 28)), ("cifar10", (3, 32, 32))]
)
def test_cnn_takes_larger_images_and_colours(name, image, tmp_path, monkeypatch):
    cnn = load("cnn.py")
    words = ("cat", "dog", "bird")
    x = np.random.default_rng(0).random((6, *image), dtype=np.float32)
    data = nn.datasets.Dataset(x, np.arange(6) % 3, words)
    monkeypatch.setitem(cnn.DATASETS, name, (lambda: (data, data), 1, 3))
    monkeypatch.setattr(sys, "argv", ["cnn.py", "--dataset", name, "--out", str(tmp_path)])
    cnn.main()
    assert len([*tmp_path.iterdir()]) == 5


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


# ---- softmax and cross-entropy, regularisation, PyTorch ------------------------------------------


def names_in(folder):
    return {path.name for path in folder.iterdir()}


def table(output):
    """The numbers in each line that begins with words, by these words."""
    lines = re.findall(r"^([a-zA-Z][^\d\n]*?)[ :]*(\d.*)$", output, re.MULTILINE)
    number = r"\d+(?:\.\d+)?(?:e-\d+)?"
    return {words: list(map(float, re.findall(number, r.replace(",", "")))) for words, r in lines}


def run_here(script, monkeypatch, capsys, *options):
    """The example in this process."""
    monkeypatch.setattr(sys, "argv", [script, *map(str, options)])
    load(script).main()
    return capsys.readouterr().out


def test_softmax_and_cross_entropy_draws_true_numbers_and_three_ways_down(tmp_path):
    output = run("softmax_and_cross_entropy.py", "--epochs", 2, "--out", tmp_path)
    z, p, gradient = (
        np.array([float(n) for n in row.split(", ")])
        for row in re.findall(r"\[(.*?, .*?)\]", output)
    )
    np.testing.assert_allclose(p, np.exp(z) / np.exp(z).sum(), rtol=0, atol=5.1e-4)
    np.testing.assert_allclose(gradient, p - [0, 1, 0], rtol=0, atol=1.1e-3)
    penalty = float(re.search(r"penalty ([\d.]+)", output)[1])
    assert abs(penalty + np.log(p[1])) < 0.002
    found = table(output)
    assert found["three classes in the plane"][0] > 90
    steps, losses = zip(*(found[k] for k in ("batch", "mini-batch", "stochastic")), strict=True)
    assert steps == (2, 20, 200)
    assert max(losses[1:]) < losses[0]  # after as many looks at each point
    pictures = ("probabilities", "penalty", "gradient", "regions", "descent")
    assert names_in(tmp_path) == {f"{name}.png" for name in pictures} | {"graph.svg"}
    assert "probabilities p" in (tmp_path / "graph.svg").read_text()


def test_regularization_helps_on_digits_that_had_no_part_in_it(tmp_path):
    output = run("regularization.py", "--epochs", 600, "--out", tmp_path)
    found = table(output)
    plain = found["no regularisation"]
    for name in ("stopped at epoch", "weight decay, λ ="):
        _, train, held_out, test, right = found[name]
        assert train > plain[0]
        assert held_out < plain[1]
        assert test < plain[2]
        assert right > plain[3]
    assert names_in(tmp_path) == {"early_stopping.png", "weight_decay.png", "weights.png"}


def test_regularization_splits_the_digits_and_spoils_some_labels():
    few_digits = load("regularization.py").few_digits
    train, held_out, test = few_digits(100, wrong=0.1, seed=3)
    clean, _, _ = few_digits(100, wrong=0, seed=3)
    assert np.bincount(clean.y).tolist() == [10] * 10
    np.testing.assert_array_equal(clean.x, train.x)
    assert (clean.y != train.y).sum() == 10
    assert (len(held_out.y), len(test.y)) == (500, 359)
    images = {x.tobytes() for data in (train, held_out, test) for x in data.x}
    assert len(images) == 100 + 500 + 359  # none is in two parts


def test_early_stopping_keeps_the_best_epoch_before_patience_ended():
    example = load("regularization.py")
    train, held_out, _ = example.few_digits(50, wrong=0.2, seed=0)
    options = SimpleNamespace(epochs=120, patience=15, lr=0.2, seed=0)
    run = example.fit(train, held_out, 0.0, options)
    assert run.stop == np.argmin(run.held_out[: run.ended]) + 1
    assert run.ended == run.stop + 15 < 120
    assert example.evaluate(run.best, held_out)[0] == run.held_out[run.stop - 1]
    assert example.evaluate(run.last, held_out)[0] == run.held_out[-1]
    assert run.train[-1] < run.train[run.stop - 1]


@pytest.mark.parametrize("ending", ["safetensors", "npz"])
def test_to_pytorch_and_back_changes_no_bit(ending, tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    if ending == "safetensors":
        pytest.importorskip("safetensors")
    else:
        find_spec = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: name != "safetensors" and find_spec(name)
        )
    output = run_here("to_pytorch.py", monkeypatch, capsys, "--epochs", 2, "--out", tmp_path)
    found = table(output)
    assert found["loaded in PyTorch"] == found["loaded here again"] == [2410, 0]
    assert found["trained in PyTorch"] == found["the same batches here"]
    differences = [float(n) for n in re.findall(r"difference of a score: (.*)", output)]
    assert len(differences) == 3
    assert max(differences) < 1e-4
    files = {f"to_pytorch.{ending}", f"from_pytorch.{ending}", "journey.png"}
    assert names_in(tmp_path) == files


def test_to_pytorch_where_there_is_no_pytorch(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    output = run_here("to_pytorch.py", monkeypatch, capsys, "--epochs", 1, "--out", tmp_path)
    assert table(output)["loaded here"] == [2410, 0]
    assert "torch is not installed" in output
    assert "journey.png" in names_in(tmp_path)


@pytest.mark.parametrize(
    "script", ["softmax_and_cross_entropy.py", "regularization.py", "to_pytorch.py"]
)
def test_the_seed_decides(script, tmp_path, monkeypatch, capsys):
    first, again, other = (
        run_here(script, monkeypatch, capsys, "--epochs", 1, "--seed", seed, "--out", tmp_path)
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


# ---- the multilayer perceptron -----------------------------------------------------------------


def test_an_mlp_recognises_more_digits_than_softmax_regression_and_leaves_its_pictures(tmp_path):
    assert accuracy(run("mlp.py", "--out", tmp_path)) >= 97
    assert names_in(tmp_path) == {
        "graph.svg",
        "backprop.html",
        "history.png",
        "hidden.png",
        "layers.png",
        "confusion.png",
        "mistakes.png",
    }
    assert (tmp_path / "backprop.html").stat().st_size < 400_000
    graph = (tmp_path / "graph.svg").read_text()
    for word in ("hidden: Linear", "relu", "scores: Linear", "folded", "cross_entropy"):
        assert word in graph


def test_eight_hidden_units_do_and_a_seed_gives_the_same_numbers(tmp_path, monkeypatch, capsys):
    options = ["--hidden", 8, "--epochs", 15, "--out", tmp_path]
    output = run_here("mlp.py", monkeypatch, capsys, *options)
    assert accuracy(output) >= 85
    assert run_here("mlp.py", monkeypatch, capsys, *options) == output


def test_an_mlp_is_looked_over_and_learns_the_same(tmp_path, monkeypatch, capsys):
    options = ["--epochs", 1, "--out", tmp_path]
    output = run_here("mlp.py", monkeypatch, capsys, *options)
    looked_over = run_here("mlp.py", monkeypatch, capsys, *options, "--diagnose")
    assert "nothing to complain of" in looked_over
    assert looked_over.endswith(output)


# ---- decision boundaries -----------------------------------------------------------------------


def test_hidden_layers_bend_the_boundary_around_the_spirals(tmp_path, monkeypatch, capsys):
    options = ["--epochs", 60, "--out", tmp_path]
    bent = run_here("spirals.py", monkeypatch, capsys, *options)
    straight = run_here("spirals.py", monkeypatch, capsys, *options, "--hidden")
    assert accuracy(straight) < 60
    assert accuracy(bent) > 90
    assert names_in(tmp_path) == {"boundary.png", "layers.png", "loss.png"}


@pytest.mark.parametrize("dataset", ["moons", "circles", "xor"])
def test_one_hidden_layer_does_for_simpler_sets(dataset, tmp_path, monkeypatch, capsys):
    options = ["--dataset", dataset, "--hidden", 16, "--epochs", 40, "--out", tmp_path]
    assert accuracy(run_here("spirals.py", monkeypatch, capsys, *options)) > 93


# ---- optimizers --------------------------------------------------------------------------------


def final_losses(output):
    return {name: float(loss) for name, loss in re.findall(r"^(\S+) +loss +(\S+)", output, re.M)}


def test_momentum_gets_along_the_valley_where_sgd_does_not(tmp_path, monkeypatch, capsys):
    losses = final_losses(run_here("optimizers.py", monkeypatch, capsys, "--out", tmp_path))
    assert losses["SGD"] > 1
    assert losses["SGD"] > losses["Adam"] > losses["momentum"] > losses["L-BFGS"]
    assert losses["Nesterov"] < 1e-3
    assert names_in(tmp_path) == {"paths.png", "losses.png"}


def test_a_learning_rate_too_large_leaves_the_valley(tmp_path, monkeypatch, capsys):
    options = ["--surface", "bowl", "--lr", 0.11, "--epochs", 100, "--out", tmp_path]
    losses = final_losses(run_here("optimizers.py", monkeypatch, capsys, *options))
    # Gradient descent needs lr < 2 / curvature = 0.1 across; momentum bears 2 (1 + 0.9) / 20.
    assert losses["SGD"] > 1e5
    assert losses["momentum"] < 1
    assert losses["Nesterov"] > 1e5


def test_the_surfaces_are_lowest_where_they_say():
    for surface in load("optimizers.py").SURFACES.values():
        x, y = (Tensor(v, dtype=float, requires_grad=True) for v in surface.lowest)
        loss = surface.loss(x, y)
        loss.backward()
        assert (loss.item(), x.grad, y.grad) == (0, 0, 0)


def test_the_compiled_step_takes_the_same_course(tmp_path):
    output = run("compiled.py", "--epochs", 10, "--out", tmp_path)
    assert "their losses the same to the last bit" in output  # asserted there
    assert accuracy(output) > 90
    assert (tmp_path / "step.py").read_text(encoding="utf-8") in output
