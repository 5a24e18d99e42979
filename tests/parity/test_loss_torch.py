"""Losses beside PyTorch's: kinks, far out, and every option."""

import numpy as np
import pytest

from tinygrad_sm import Tensor

torch = pytest.importorskip("torch")

from beside import check
from torch.nn import functional as F
from twins.loss import kl_div

rng = np.random.default_rng(0)
REDUCTIONS = ["mean", "sum", "none"]
every_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)


def check_first(ours, theirs, x, t):
    """Compare the values and the first derivatives for x."""
    here, there = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, expected = ours(here, t), theirs(there, torch.tensor(t))
    y.sum().backward()
    expected.sum().backward()
    assert y.shape == tuple(expected.shape)
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(here.grad, there.grad.numpy(), rtol=1e-8)


# Differences x − t at the kinks, beside them and far out; 0 is the kink of l1_loss.
X = np.array([0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 1e9, -1e9, np.inf])
AT_KINKS = [
    ("mse_loss", {}),
    ("l1_loss", {}),
    ("huber_loss", {"delta": 1.0}),
    ("huber_loss", {"delta": 2.0}),
    ("smooth_l1_loss", {"beta": 1.0}),
    ("smooth_l1_loss", {"beta": 2.0}),
    ("smooth_l1_loss", {"beta": 0.5}),
    ("smooth_l1_loss", {"beta": 0}),
]


@every_reduction
@pytest.mark.parametrize(("name", "options"), AT_KINKS)
def test_distances_at_their_kinks(name, options, reduction):
    x = X[:-1] if name == "mse_loss" else X  # its slopes at inf have no sum
    ours, theirs = getattr(Tensor, name), getattr(F, name)
    check(ours, theirs, x, np.zeros_like(x), reduction=reduction, **options)


@every_reduction
@pytest.mark.parametrize("name", ["mse_loss", "huber_loss", "smooth_l1_loss"])
def test_distances_of_nan(name, reduction):
    x, t = np.array([np.nan, 1.0, 2.0]), np.array([0.0, np.nan, 1.0])
    check(getattr(Tensor, name), getattr(F, name), x, t, reduction=reduction)


@every_reduction
@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 0), (2, 3, 2)])
@pytest.mark.parametrize(
    "name", ["mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss", "kl_div", "nothing wrong"]
)
def test_shapes(name, shape, reduction):
    x, t = rng.normal(size=shape), rng.uniform(0.1, 0.9, shape)
    theirs = {"kl_div": kl_div, "nothing wrong": F.binary_cross_entropy_with_logits}
    ours = getattr(Tensor, name, Tensor.binary_cross_entropy_with_logits)
    check(ours, theirs.get(name) or getattr(F, name), x, t, reduction=reduction)


# ---- between probabilities ---------------------------------------------------------------------


@every_reduction
@pytest.mark.parametrize("t", [0.0, 0.25, 1.0])
def test_scores_far_out(t, reduction):
    x = np.array([-1e4, -800.0, -40.0, -1.0, 0.0, 1.0, 40.0, 800.0, 1e4])
    check(
        Tensor.binary_cross_entropy_with_logits,
        F.binary_cross_entropy_with_logits,
        x,
        np.full_like(x, t),
        reduction=reduction,
    )


def test_probabilities_of_0_and_1():
    # The second derivatives are made of 1e-12s.
    x, t = np.array([0.0, 1.0, 0.0, 1.0, 0.3]), np.array([0.0, 1.0, 1.0, 0.0, 0.2])
    check_first(Tensor.binary_cross_entropy, F.binary_cross_entropy, x, t)


WEIGHTS = {"one": 2.0, "columns": rng.uniform(0.5, 2, 3), "all": rng.uniform(0.5, 2, (4, 3))}


@every_reduction
@pytest.mark.parametrize("weight", [None, *WEIGHTS])
@pytest.mark.parametrize("pos_weight", [None, *WEIGHTS])
def test_weights_of_binary_losses(weight, pos_weight, reduction):
    x, t = rng.normal(size=(4, 3)), rng.uniform(0.1, 0.9, (4, 3))
    given = {"weight": weight, "pos_weight": pos_weight}
    ours = {name: w and WEIGHTS[w] for name, w in given.items()}
    theirs = {name: w and torch.tensor(WEIGHTS[w]) for name, w in given.items()}
    options = {"reduction": reduction}
    check(
        lambda x, t: x.binary_cross_entropy_with_logits(t, **ours, **options),
        lambda x, t: F.binary_cross_entropy_with_logits(x, t, **theirs, **options),
        x,
        t,
    )
    if pos_weight is None:
        check(
            lambda x, t: x.sigmoid().binary_cross_entropy(t, ours["weight"], **options),
            lambda x, t: F.binary_cross_entropy(x.sigmoid(), t, theirs["weight"], **options),
            x,
            t,
        )


@pytest.mark.parametrize("reduction", [*REDUCTIONS, "batchmean"])
@pytest.mark.parametrize("log_target", [False, True])
@pytest.mark.parametrize("shape", [(4, 3), (3,), (), (0, 2)])
def test_options_of_kl_div(reduction, log_target, shape):
    x, t = -rng.uniform(0.1, 3, shape), rng.uniform(0.1, 0.9, shape)
    check(Tensor.kl_div, kl_div, x, t, reduction=reduction, log_target=log_target)


def test_a_target_of_0_in_kl_div():
    x, t = np.array([-1.0, -2.0]), np.array([0.0, 0.5])
    check(lambda x: x.kl_div(t), lambda x: kl_div(x, torch.tensor(t), reduction="mean"), x)


# ---- of class labels ---------------------------------------------------------------------------


@every_reduction
@pytest.mark.parametrize("weight", [None, [0.5, 2.0, 1.0]])
@pytest.mark.parametrize("ignore_index", [-100, 1])
@pytest.mark.parametrize("shape", [(3,), (4, 3), (0, 3), (2, 3, 2), (2, 3, 2, 2)])
def test_options_of_nll_loss(shape, weight, ignore_index, reduction):
    x = rng.normal(size=shape)
    labels = np.asarray(rng.integers(0, 3, shape[:1] + shape[2:] if len(shape) > 1 else ()))
    options = {"ignore_index": ignore_index, "reduction": reduction}
    w = weight and torch.tensor(weight, dtype=torch.float64)
    check(
        lambda x, y: x.nll_loss(y, weight, **options),
        lambda x, y: F.nll_loss(x, y, w, **options),
        x,
        labels,
    )


@every_reduction
@pytest.mark.parametrize("options", [{}, {"p": 2}, {"margin": -0.5}, {"weight": [0.5, 2.0, 1.0]}])
@pytest.mark.parametrize("shape", [(3,), (4, 3), (1, 3)])
def test_options_of_multi_margin_loss(shape, options, reduction):
    x, labels = rng.normal(size=shape), np.asarray(rng.integers(0, 3, shape[:-1]))
    theirs = dict(options)
    if "weight" in options:
        theirs["weight"] = torch.tensor(options["weight"], dtype=torch.float64)
    # PyTorch has no second derivative of it.
    check_first(
        lambda x, y: x.multi_margin_loss(y, reduction=reduction, **options),
        lambda x, y: F.multi_margin_loss(x, y, reduction=reduction, **theirs),
        x,
        labels,
    )
