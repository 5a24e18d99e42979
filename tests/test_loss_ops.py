"""Losses: their twins in simpler operations, kinks and corners, and the targets they refuse."""

import math

import numpy as np
import pytest
from cases import CASES, tensors
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_sm import DtypeError, LabelError, ShapeError, Tensor, grad, gradcheck


def leaf(values):
    return Tensor(np.array(values, float), requires_grad=True)


# ---- the fused losses and the same written out -------------------------------------------------


def huber(x, t, delta):
    d = (x - t).abs()
    return (d <= delta) * d.square() / 2 + (d > delta) * delta * (d - delta / 2)


def nll(x, labels):
    rows = np.arange(len(labels.numpy().ravel()))
    if x.ndim > 2:
        x = x.permute(0, *range(2, x.ndim), 1)
    losses = -x.reshape(len(rows), x.shape[-1])[rows, labels.numpy().ravel()]
    return losses.reshape(labels.shape)


WRITTEN_OUT = {
    "mse_loss": lambda x, t: (x - t) ** 2,
    "l1_loss": lambda x, t: (x - t).abs(),
    "huber_loss": huber,
    "binary_cross_entropy": lambda x, t: -t * x.log() - (1 - t) * (1 - x).log(),
    "binary_cross_entropy_with_logits": lambda x, t: (
        -t * x.sigmoid().log() - (1 - t) * (-x).sigmoid().log()
    ),
    "kl_div": lambda x, t: t * (t.log() - x),
    "nll_loss": nll,
}


def reduced(losses, reduction):
    return {"mean": losses.mean, "sum": losses.sum, "none": lambda: losses}[reduction]()


def derivatives(loss, inputs):
    """The value, the gradients, and the gradients of a weighted sum of the gradients."""
    w = np.arange(1.0, loss.numel() + 1).reshape(loss.shape)
    first = grad(loss, inputs, grad_outputs=Tensor(w), create_graph=True)
    slope = sum((g * np.cos(np.arange(g.numel())).reshape(g.shape)).sum() for g in first)
    slope = slope + 0 * sum((x * x).sum() for x in inputs)  # it may depend on none of them
    return [x.numpy() for x in (loss, *first, *grad(slope, inputs))]


@pytest.mark.parametrize("name", WRITTEN_OUT)
@settings(max_examples=20)
@given(data=st.data())
def test_a_fused_loss_is_what_it_is_when_written_out(name, data):
    arrays, attributes = data.draw(CASES[name].inputs)
    inputs = tensors(arrays)
    floats = [x for x in inputs if x.requires_grad]
    reduction = attributes.pop("reduction")
    fused = getattr(inputs[0], name)(inputs[1], reduction=reduction, **attributes)
    plain = reduced(WRITTEN_OUT[name](*inputs, **attributes), reduction)
    for a, b in zip(derivatives(fused, floats), derivatives(plain, floats), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


# ---- what is composed --------------------------------------------------------------------------

rng = np.random.default_rng(0)
X = rng.normal(size=(4, 3))
T = rng.uniform(0.1, 0.9, (4, 3))
W = rng.uniform(0.5, 2, (4, 3))
SIGNS = np.where(rng.normal(size=(4, 3)) > 0, 1.0, -1.0)

COMPOSED = {
    "weighted bce": (
        lambda x, t, w, r: x.sigmoid().binary_cross_entropy(t, w, r),
        lambda x, t, w: -w * (t * np.log(sigmoid(x)) + (1 - t) * np.log(sigmoid(-x))),
        (X, T, W),
    ),
    "weighted logits": (
        lambda x, t, w, r: x.binary_cross_entropy_with_logits(t, w, r),
        lambda x, t, w: -w * (t * np.log(sigmoid(x)) + (1 - t) * np.log(sigmoid(-x))),
        (X, T, W[0]),
    ),
    "positives weighted": (
        lambda x, t, w, p, r: x.binary_cross_entropy_with_logits(t, w, r, p),
        lambda x, t, w, p: -w * (p * t * np.log(sigmoid(x)) + (1 - t) * np.log(sigmoid(-x))),
        (X, T, W[:, :1], W[0]),
    ),
    "smooth_l1": (
        lambda x, t, r: (5 * x).smooth_l1_loss(t, r, beta=0.5),
        lambda x, t: np.where(abs(5 * x - t) < 0.5, (5 * x - t) ** 2, np.abs(5 * x - t) - 0.25),
        (X, T),
    ),
    "smooth_l1 with a beta of 0": (
        lambda x, t, r: x.smooth_l1_loss(t, r, beta=0),
        lambda x, t: np.abs(x - t),
        (X, T),
    ),
    "hinge": (
        lambda x, r: x.hinge(SIGNS, 0.7, r),
        lambda x: np.maximum(0, 0.7 - x * SIGNS),
        (X,),
    ),
    "kl_div of logarithms": (
        lambda x, t, r: x.kl_div(t, r, log_target=True),
        lambda x, t: np.exp(t) * (t - x),
        (X, T),
    ),
}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", COMPOSED)
def test_a_composed_loss(name, reduction):
    loss, formula, arrays = COMPOSED[name]
    losses = formula(*arrays)
    expected = {"mean": losses.mean(), "sum": losses.sum(), "none": losses}[reduction]
    inputs = tensors(arrays)
    np.testing.assert_allclose(loss(*inputs, reduction).numpy(), expected, rtol=1e-12)
    assert gradcheck(lambda *x: loss(*x, reduction), inputs, order=2)


def test_batchmean_is_the_mean_of_the_sums_of_the_rows():
    x, t = leaf(X), Tensor(T)
    assert x.kl_div(t, "batchmean").item() == pytest.approx(x.kl_div(t, "sum").item() / 4)
    assert Tensor(-1.0).kl_div(0.5, "batchmean").item() == pytest.approx(0.5 * (1 - math.log(2)))


def nll_by_hand(x, labels, weight, ignored):
    """The losses of rows, and the sum of their weights."""
    losses, total = [], 0.0
    for row, label in zip(x, labels, strict=True):
        w = 0.0 if label == ignored else weight[label]
        losses.append(-w * row[label] if w else 0.0)
        total += w
    return np.array(losses), total


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weight", [None, [0.5, 2.0, 0.0]])
@pytest.mark.parametrize("ignored", [-100, 1])
def test_nll_loss_with_weights_and_ignored_labels(reduction, weight, ignored):
    labels = np.array([1, 0, -100 if ignored < 0 else 2, 2])
    losses, total = nll_by_hand(X, labels, weight or [1.0] * 3, ignored)
    expected = {"mean": losses.sum() / total, "sum": losses.sum(), "none": losses}[reduction]
    x = leaf(X)
    options = {"weight": weight, "ignore_index": ignored, "reduction": reduction}
    np.testing.assert_allclose(x.nll_loss(labels, **options).numpy(), expected)
    assert gradcheck(lambda x: x.nll_loss(labels, **options), x, order=2)


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 3, 2), (2, 3, 2, 2)])
@pytest.mark.parametrize("options", [{}, {"weight": [0.5, 2.0, 1.0]}, {"ignore_index": 1}])
def test_nll_loss_after_log_softmax_is_cross_entropy(shape, options):
    x = leaf(rng.normal(size=shape))
    labels = rng.integers(0, 3, shape[:1] + shape[2:] if len(shape) > 1 else ())
    labels.flat[0] = 0
    fused = x.cross_entropy(labels, **options)
    parts = x.log_softmax(axis=min(1, x.ndim - 1)).nll_loss(labels, **options)
    for a, b in zip(derivatives(fused, [x]), derivatives(parts, [x]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"p": 2}, {"margin": 0.4}, {"weight": [0.5, 2.0, 1.0]}])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_multi_margin_loss(options, reduction):
    labels = np.array([0, 2, 1, 1])
    p, margin = options.get("p", 1), options.get("margin", 1.0)
    weight = options.get("weight", [1.0] * 3)
    losses = np.array(
        [
            weight[y] * sum(max(0, margin - r[y] + r[i]) ** p for i in range(3) if i != y) / 3
            for r, y in zip(X, labels, strict=True)
        ]
    )
    expected = {"mean": losses.mean(), "sum": losses.sum(), "none": losses}[reduction]
    loss = lambda x: x.multi_margin_loss(labels, reduction=reduction, **options)  # noqa: E731
    np.testing.assert_allclose(loss(leaf(X)).numpy(), expected)
    assert gradcheck(loss, leaf(X), order=2)
    one = leaf(X[1]).multi_margin_loss(2, **options)
    assert one.item() == pytest.approx(losses[1])


# ---- kinks and corners -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "x", "expected"),
    [
        (lambda x: x.l1_loss(x.detach()), [2.0], [0]),
        (lambda x: x.huber_loss([0.0] * 4, "sum", 2), [-2, 2, -9, 9], [-2, 2, -2, 2]),
        (lambda x: x.smooth_l1_loss([0.0] * 4, "sum", 2), [-2, 2, -9, 9], [-1, 1, -1, 1]),
        (lambda x: x.hinge([1.0, 1.0, -1.0], reduction="sum"), [1, 0.5, 0.5], [0, -1, 1]),
        (lambda x: x.multi_margin_loss(0, margin=1.0), [2, 1, 1.5], [-1 / 3, 0, 1 / 3]),
        (lambda x: x.binary_cross_entropy([0.0, 1.0], reduction="sum"), [0, 1], [0, 0]),
        (lambda x: x.binary_cross_entropy([1.0, 0.0], reduction="sum"), [0, 1], [-1e12, 1e12]),
        (lambda x: x.nll_loss([0], [0.0, 1.0], reduction="sum"), [[-np.inf, 0]], [[0, 0]]),
    ],
)
def test_gradient_at_a_corner(loss, x, expected):
    x = leaf(x)
    loss(x).backward()
    np.testing.assert_allclose(x.grad, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (Tensor([0.0, 1.0, 1.0, 0.0]).binary_cross_entropy, [0, 0, 100, 100]),
        (Tensor([-1e4, 1e4, 1e4, -1e4]).binary_cross_entropy_with_logits, [0, 0, 1e4, 1e4]),
        (Tensor([-np.inf, 0.0, -1e30, -np.inf]).kl_div, [0, 0, 0, np.inf]),
        (Tensor([0.0, 1.0, 3e38, -3e38]).huber_loss, [0, 0, 3e38, 3e38]),
    ],
)
def test_losses_far_out(loss, expected):
    np.testing.assert_allclose(loss([0.0, 1.0, 0.0, 1.0], reduction="none").numpy(), expected)


def test_weighted_positives_of_large_scores_neither_overflow_nor_warn():
    x = leaf([-1e4, 1e4, 1e4, -1e4])
    losses = x.binary_cross_entropy_with_logits([0, 1, 0, 1], reduction="none", pos_weight=3.0)
    losses.sum().backward()
    assert losses.tolist() == [0, 0, 1e4, 3e4]
    assert x.grad.tolist() == [0, 0, 1, -3]


def test_an_ignored_label_counts_for_nothing_whatever_its_scores():
    x = leaf([[-np.inf, 0.0], [-1.0, -2.0]])
    loss = x.nll_loss([-100, 1])
    loss.backward()
    assert loss.item() == 2
    assert x.grad.tolist() == [[0, 0], [0, -1]]


PAIRED = ["mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss", "kl_div", "hinge"]
PAIRED += ["binary_cross_entropy", "binary_cross_entropy_with_logits"]


@pytest.mark.parametrize(("reduction", "expected"), [("mean", np.nan), ("sum", 0), ("none", [])])
@pytest.mark.parametrize("name", PAIRED)
def test_the_loss_of_nothing(name, reduction, expected):
    x = leaf([])
    loss = getattr(x, name)([], reduction=reduction)
    np.testing.assert_array_equal(loss.numpy(), expected)
    loss.sum().backward()
    assert x.grad.shape == (0,)


@pytest.mark.parametrize(("reduction", "expected"), [("mean", np.nan), ("sum", 0), ("none", [])])
@pytest.mark.parametrize("name", ["nll_loss", "multi_margin_loss"])
def test_the_loss_of_no_labels(name, reduction, expected):
    x = leaf(np.zeros((0, 3)))
    loss = getattr(x, name)(np.zeros(0, int), reduction=reduction)
    np.testing.assert_array_equal(loss.numpy(), expected)
    loss.sum().backward()
    assert x.grad.shape == (0, 3)


def test_batchmean_of_no_rows_is_nan():
    assert math.isnan(leaf(np.zeros((0, 3))).kl_div(np.zeros((0, 3)), "batchmean").item())


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    "target", [[1, 1], [True, True], np.array([1, 1]), np.array([True, True]), (1.0, 1.0)]
)
@pytest.mark.parametrize("name", PAIRED)
def test_a_loss_has_the_dtype_of_the_predictions(name, target, dtype):
    x = Tensor(np.array([0.25, 0.5], dtype), requires_grad=True)
    loss = getattr(x, name)(target)
    loss.backward()
    assert loss.dtype == x.grad.dtype == dtype


def test_the_mean_of_more_losses_than_float16_can_count():
    x = Tensor(np.ones(100_000, np.float16))
    assert x.mse_loss(np.zeros(100_000, np.float16)).item() == 1


def test_a_list_of_targets_is_as_precise_as_the_predictions():
    assert leaf([0.0]).l1_loss([0.1]).item() == 0.1


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64])
def test_labels_of_any_integer_dtype(dtype):
    labels = np.array([2, 0, 1, 1])
    for name in "nll_loss", "multi_margin_loss":
        loss = getattr(Tensor(X), name)
        assert loss(labels.astype(dtype)).item() == loss(labels).item()


# ---- errors ------------------------------------------------------------------------------------

COLUMN, ROW, INTS = Tensor(np.zeros((3, 1))), Tensor(np.zeros(3)), Tensor(np.zeros(3, int))
LOGITS = "binary_cross_entropy_with_logits"

ERRORS = {
    "column and row": (
        lambda: COLUMN.mse_loss(ROW),
        ShapeError,
        ["(3, 1)", "(3,)", "squeeze(-1) on the predictions"],
    ),
    "row and column": (lambda: ROW.l1_loss(COLUMN), ShapeError, ["squeeze(-1) on the target"]),
    "same size": (lambda: ROW.huber_loss(np.zeros((1, 3))), ShapeError, ["target.reshape((3,))"]),
    "one target": (lambda: ROW.mse_loss(0.0), ShapeError, ["target.expand((3,))"]),
    "other length": (lambda: ROW.kl_div(np.zeros(4)), ShapeError, ["(3,)", "(4,)", "of its own"]),
    "whole numbers": (lambda: INTS.mse_loss(INTS), DtypeError, ["int64", "astype(float)"]),
    "reduction": (
        lambda: ROW.mse_loss(ROW, "avg"),
        ValueError,
        ["'mean', 'sum' or 'none'", "'avg'"],
    ),
    "batchmean elsewhere": (lambda: ROW.mse_loss(ROW, "batchmean"), ValueError, ["'batchmean'"]),
    "reduction of kl_div": (lambda: ROW.kl_div(ROW, "avg"), ValueError, ["or 'batchmean'"]),
    "delta": (lambda: ROW.huber_loss(ROW, delta=0), ValueError, ["delta", "0"]),
    "beta": (lambda: ROW.smooth_l1_loss(ROW, beta=-1), ValueError, ["beta", "-1"]),
    "scores as probabilities": (
        lambda: Tensor([0.5, 1.5]).binary_cross_entropy([0, 1]),
        ValueError,
        ["1.5 at row 1", "binary_cross_entropy_with_logits"],
    ),
    "nan as a probability": (
        lambda: Tensor([np.nan]).binary_cross_entropy([0]),
        ValueError,
        ["nan"],
    ),
    "target above 1": (lambda: Tensor([0.5]).binary_cross_entropy([2]), LabelError, ["2 at row 0"]),
    "target below 0": (lambda: getattr(ROW, LOGITS)([0, -1, 0]), LabelError, ["-1 at row 1"]),
    "target beside pos_weight": (
        lambda: getattr(COLUMN, LOGITS)([[0], [1], [2]], pos_weight=2.0),
        LabelError,
        ["2 at position (2, 0)"],
    ),
    "weight": (
        lambda: getattr(ROW, LOGITS)(ROW, np.ones((2, 3))),
        ShapeError,
        ["weight", "(2, 3)"],
    ),
    "pos_weight": (
        lambda: getattr(ROW, LOGITS)(ROW, pos_weight=np.ones(2)),
        ShapeError,
        ["pos_weight", "(2,)", "(3,)"],
    ),
    "negative probability": (lambda: ROW.kl_div([0, -0.5, 1]), LabelError, ["-0.5", "log_target"]),
    "labels of 0": (lambda: ROW.hinge([1, 0, 1]), LabelError, ["0 at row 1", "2 * labels - 1"]),
    "label too large": (
        lambda: Tensor(X).nll_loss([0, 1, 2, 3]),
        LabelError,
        ["3 at row 3", "0 to 2"],
    ),
    "label below 0": (
        lambda: Tensor(X).multi_margin_loss([0, -1, 2, 0]),
        LabelError,
        ["-1 at row 1"],
    ),
    "huge label": (
        lambda: Tensor(X).nll_loss(np.array([2**63, 0, 0, 0], np.uint64)),
        LabelError,
        [str(2**63)],
    ),
    "float labels": (lambda: Tensor(X).nll_loss([0.0, 1.0, 2.0, 0.0]), DtypeError, ["astype(int)"]),
    "one-hot rows": (
        lambda: Tensor(X).nll_loss(np.eye(4)[:, :3]),
        ShapeError,
        ["nll_loss", "argmax(axis=1)"],
    ),
    "no classes": (lambda: Tensor(0.0).nll_loss(0), ShapeError, ["log-probabilities", "(N, C)"]),
    "class weights": (
        lambda: Tensor(X).nll_loss([0] * 4, [1.0]),
        ShapeError,
        ["3 classes", "(1,)"],
    ),
    "p": (lambda: Tensor(X).multi_margin_loss([0] * 4, p=3), ValueError, ["p is 1 or 2", "3"]),
    "images": (
        lambda: Tensor(np.zeros((2, 3, 4))).multi_margin_loss([0, 0]),
        ShapeError,
        ["(2, 3, 4)"],
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_an_error_says_what_was_given_and_what_is_needed(case):
    call, kind, fragments = ERRORS[case]
    with pytest.raises(kind) as caught:
        call()
    for fragment in fragments:
        assert fragment in str(caught.value)
