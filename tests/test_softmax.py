"""The softmax head: its properties, its twins in simpler operations, and scores without mercy."""

import numpy as np
import pytest
from cases.draw import arrays, shapes
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_sm import Tensor, grad, gradcheck, ops

CLASSES = 4


@st.composite
def scores(draw):
    rows, classes = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    return 3 * draw(arrays((rows, classes)))


@st.composite
def scores_and_labels(draw):
    z = draw(scores())
    label = st.integers(0, z.shape[1] - 1)
    return z, np.array(draw(st.lists(label, min_size=len(z), max_size=len(z))))


def leaf(values):
    return Tensor(np.array(values), requires_grad=True)


# ---- properties --------------------------------------------------------------------------------


@given(scores())
def test_softmax_rows_are_distributions(z):
    p = Tensor(z).softmax().numpy()
    assert (p > 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)


@given(scores(), st.floats(-1e3, 1e3))
def test_a_shift_of_a_row_changes_no_probability(z, shift):
    np.testing.assert_allclose(
        Tensor(z + shift).softmax().numpy(), Tensor(z).softmax().numpy(), rtol=1e-9
    )


@given(scores(), st.floats(-1e3, 1e3))
def test_a_shift_of_a_row_shifts_logsumexp(z, shift):
    np.testing.assert_allclose(
        Tensor(z + shift).logsumexp().numpy(), Tensor(z).logsumexp().numpy() + shift, atol=1e-9
    )


@given(scores())
def test_log_softmax_is_the_logarithm_of_softmax(z):
    z = Tensor(z)
    np.testing.assert_allclose(z.log_softmax().numpy(), z.softmax().log().numpy(), atol=1e-12)


@given(scores())
def test_logsumexp_lies_above_the_largest_score_by_at_most_ln_classes(z):
    above = Tensor(z).logsumexp().numpy() - z.max(axis=1)
    assert (above >= -1e-12).all()
    assert (above <= np.log(z.shape[1]) + 1e-12).all()


@pytest.mark.parametrize("function", [Tensor.softmax, Tensor.log_softmax])
@given(z=scores(), seed=st.integers(0, 99))
def test_classes_in_another_order_give_the_same_in_that_order(function, z, seed):
    order = np.random.default_rng(seed).permutation(z.shape[1])
    np.testing.assert_allclose(
        function(Tensor(z[:, order])).numpy(), function(Tensor(z)).numpy()[:, order], rtol=1e-12
    )


@given(scores_and_labels(), st.integers(0, 99))
def test_cross_entropy_does_not_depend_on_the_order_of_classes_or_rows(example, seed):
    z, labels = example
    rng = np.random.default_rng(seed)
    classes, rows = rng.permutation(z.shape[1]), rng.permutation(len(z))
    moved = Tensor(z[rows][:, classes]).cross_entropy(np.argsort(classes)[labels[rows]])
    assert moved.item() == pytest.approx(Tensor(z).cross_entropy(labels).item())


@given(scores_and_labels())
def test_cross_entropy_is_not_negative(example):
    z, labels = example
    assert (Tensor(z).cross_entropy(labels, reduction="none").numpy() >= 0).all()


@given(scores_and_labels(), st.floats(0.1, 10))
def test_cross_entropy_falls_as_the_score_of_the_true_class_rises(example, rise):
    z, labels = example
    higher = z.copy()
    higher[np.arange(len(z)), labels] += rise
    before = Tensor(z).cross_entropy(labels).item()
    assert Tensor(higher).cross_entropy(labels).item() < before or z.shape[1] == 1


@given(scores_and_labels())
def test_the_gradient_of_cross_entropy_is_p_minus_onehot(example):
    z, labels = example
    x = leaf(z)
    x.cross_entropy(labels).backward()
    expected = (x.softmax().numpy() - np.eye(z.shape[1])[labels]) / len(z)
    np.testing.assert_allclose(x.grad, expected, atol=1e-15)
    np.testing.assert_allclose(x.grad.sum(axis=1), 0, atol=1e-15)


@given(scores())
def test_gradient_rows_of_softmax_sum_to_0(z):
    x = leaf(z)
    (x.softmax() * np.arange(z.size).reshape(z.shape)).sum().backward()
    np.testing.assert_allclose(x.grad.sum(axis=1), 0, atol=1e-12)


# ---- the fused cross-entropy and the same written out ------------------------------------------


def written_out(z, labels, reduction="mean"):
    """cross_entropy of (N, C) scores from log_softmax, getitem and a sum."""
    losses = -z.log_softmax()[np.arange(len(labels)), labels]
    return {"mean": losses.mean, "sum": losses.sum, "none": lambda: losses}[reduction]()


def soft_written_out(z, q, reduction, count):
    losses = -(q * z.log_softmax()).sum(axis=1)
    total = losses.sum()
    return {"mean": total / count, "sum": total, "none": losses}[reduction]


def derivatives(loss, inputs):
    """The value, the gradients, and the gradients of a weighted sum of the gradients."""
    w = np.arange(1.0, loss.numel() + 1).reshape(loss.shape)
    first = grad(loss, inputs, grad_outputs=Tensor(w), create_graph=True)
    slope = sum((g * np.cos(np.arange(g.numel())).reshape(g.shape)).sum() for g in first)
    second = grad(slope, inputs)
    return [x.numpy() for x in (loss, *first, *second)]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("scale", [1, 40], ids=["tame", "large"])
@given(example=scores_and_labels())
def test_cross_entropy_is_what_it_is_when_written_out(reduction, scale, example):
    z, labels = leaf(scale * example[0]), example[1]
    fused = derivatives(z.cross_entropy(labels, reduction=reduction), [z])
    plain = derivatives(written_out(z, labels, reduction), [z])
    for a, b in zip(fused, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@given(z=scores())
def test_soft_cross_entropy_is_what_it_is_when_written_out(reduction, z):
    z, q = leaf(z), leaf(np.abs(z[::-1]) + 0.1)
    fused = derivatives(ops.soft_cross_entropy(z, q, reduction=reduction, count=2.5), [z, q])
    plain = derivatives(soft_written_out(z, q, reduction, 2.5), [z, q])
    for a, b in zip(fused, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@given(scores_and_labels())
def test_labels_and_onehot_rows_give_the_same_loss(example):
    z, labels = example
    onehot = np.eye(z.shape[1])[labels]
    by_label, by_row = leaf(z), leaf(z)
    a, b = by_label.cross_entropy(labels), by_row.cross_entropy(onehot)
    a.backward()
    b.backward()
    assert a.item() == pytest.approx(b.item())
    np.testing.assert_allclose(by_label.grad, by_row.grad, atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {"weight": [1.0, 2.0, 0.5, 3.0]},
        {"label_smoothing": 0.1},
        {"ignore_index": 2},
        {"weight": [1.0, 2.0, 0.5, 3.0], "label_smoothing": 0.2, "ignore_index": 1},
        {"reduction": "sum"},
        {"reduction": "none", "label_smoothing": 1.0},
    ],
)
@pytest.mark.parametrize("shape", [(3, CLASSES), (CLASSES,), (2, CLASSES, 3)])
@pytest.mark.parametrize("soft", [False, True])
def test_options_of_cross_entropy_keep_both_derivatives_right(options, shape, soft):
    rng = np.random.default_rng(0)
    z = leaf(rng.normal(size=shape))
    target = rng.integers(0, CLASSES, shape[:1] + shape[2:] if len(shape) > 1 else ())
    if soft:
        target = Tensor(rng.normal(size=shape)).softmax(axis=min(1, len(shape) - 1))
    assert gradcheck(lambda z: z.cross_entropy(target, **options), z, order=2)


def test_the_gradient_for_a_target_of_probabilities():
    z, q = leaf([[1.0, 2.0]]), leaf([[0.3, 0.7]])
    z.cross_entropy(q).backward()
    np.testing.assert_allclose(q.grad, -z.log_softmax().numpy())


def test_an_ignored_label_counts_for_nothing():
    z = leaf([[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]])
    z.cross_entropy([0, -100, 1]).backward()
    assert z.grad[1].tolist() == [0, 0]
    kept = leaf([[1.0, 2.0], [0.0, 0.0]])
    kept.cross_entropy([0, 1]).backward()
    np.testing.assert_allclose(z.grad[[0, 2]], kept.grad)


def test_an_ignored_label_may_be_the_number_of_a_class():
    losses = Tensor([[1.0, 2.0], [3.0, 5.0]]).cross_entropy(
        [0, 1], ignore_index=0, reduction="none"
    )
    assert losses.numpy()[0] == 0
    assert losses.numpy()[1] > 0


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
def test_labels_of_any_integer_dtype(dtype):
    z = Tensor([[1.0, 2.0], [3.0, 5.0]])
    assert z.cross_entropy(np.array([0, 1], dtype)).item() == z.cross_entropy([0, 1]).item()


def test_labels_may_be_a_strided_view():
    z, labels = Tensor([[1.0, 2.0], [3.0, 5.0]]), np.array([[0, 9], [1, 9]])
    assert z.cross_entropy(labels[:, 0]).item() == z.cross_entropy([0, 1]).item()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target", [[0, 1], [[1, 0], [0, 1]], np.eye(2, dtype=np.float32)])
def test_the_loss_and_its_gradient_have_the_dtype_of_the_scores(dtype, target):
    z = Tensor(np.zeros((2, 2), dtype), requires_grad=True)
    loss = z.cross_entropy(target)
    loss.backward()
    assert loss.dtype == dtype
    assert z.grad.dtype == dtype


# ---- scores without mercy ----------------------------------------------------------------------


def exactly(z):
    """softmax, log_softmax and logsumexp of the rows of z, with a range no float64 overflows."""
    wide = z.astype(np.longdouble)
    shifted = wide - wide.max(axis=1, keepdims=True)
    log_total = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    log_p = shifted - log_total
    with np.errstate(over="ignore"):
        return tuple(
            x.astype(z.dtype) for x in (np.exp(log_p), log_p, (wide.max(axis=1) + log_total[:, 0]))
        )


HARD = {
    "1e4": [[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [1e4, 1e4, 1e4]],
    "largest": [["big", "-big", 0], ["big", "big", "big"], ["-big", "-big", "-big"]],
    "masked": [[0, "-inf", 1], ["-inf", "-inf", 5], ["-inf", 3, "-inf"]],
    "masked and large": [["big", "-inf", 1e4], ["-inf", "-big", "big"]],
    "one class": [[7.0], ["big"], ["-big"]],
    "one row": [[1.0, 2.0, 3.0]],
    "exponentials overflow": [[89, 90, 100], [710, 711, 720]],
    "exponentials vanish": [[-104, -105, -110], [-746, -750, -760]],
    "just above and below 30": [[30, 29.9, 30.1], [-30, -30.1, 0], [31, -31, 31]],
    "rising": [[1e-320, 1e-10, 1], [700, 710, 720], [-700, -745, -800]],
}


def hard_scores(name, dtype):
    big = {np.float32: "1e38", np.float64: "1e308"}[dtype]
    rows = [[float(str(x).replace("big", big)) for x in row] for row in HARD[name]]
    return np.array(rows, dtype)


@pytest.fixture(params=HARD)
def name(request):
    return request.param


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    return request.param


def close(dtype):
    """Within a few roundings, of the number itself or of the sum of exponentials under it."""
    eps = float(np.finfo(dtype).eps)
    return {"rtol": 50 * eps, "atol": 8 * eps}


def test_hard_scores_forward(name, dtype):
    z = hard_scores(name, dtype)
    t = Tensor(z)
    results = t.softmax(), t.log_softmax(), t.logsumexp()
    for result, expected in zip(results, exactly(z), strict=True):
        assert result.dtype == dtype
        np.testing.assert_allclose(result.numpy(), expected, **close(dtype))


def test_hard_scores_cross_entropy_both_directions(name, dtype):
    z = hard_scores(name, dtype)
    labels = z.argmax(axis=1)
    x = Tensor(z, requires_grad=True)
    loss = x.cross_entropy(labels, reduction="sum")
    loss.backward()
    p, log_p, _ = exactly(z)
    rows = np.arange(len(z))
    onehot = np.eye(z.shape[1], dtype=dtype)[labels]
    np.testing.assert_allclose(loss.item(), -log_p[rows, labels].sum(), **close(dtype))
    np.testing.assert_allclose(x.grad, p - onehot, rtol=1e-5, atol=1e-6)


def test_hard_scores_cross_entropy_of_the_worst_class(name, dtype):
    z = hard_scores(name, dtype)
    labels = z.argmin(axis=1)
    x = Tensor(z, requires_grad=True)
    losses = x.cross_entropy(labels, reduction="none")
    losses.sum().backward()
    p, log_p, _ = exactly(z)
    np.testing.assert_allclose(losses.numpy(), -log_p[np.arange(len(z)), labels], **close(dtype))
    np.testing.assert_allclose(
        x.grad, p - np.eye(z.shape[1], dtype=dtype)[labels], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("name", [name for name in HARD if "masked" not in name])
def test_hard_scores_with_smoothing_and_weights(name, dtype):
    # Where a class is masked, a smoothed label still puts weight on it, and the loss is infinite.
    z = hard_scores(name, dtype)
    x = Tensor(z, requires_grad=True)
    weight = np.linspace(0.5, 1.5, z.shape[1])
    x.cross_entropy(z.argmax(axis=1), weight=weight, label_smoothing=0.1).backward()
    assert np.isfinite(x.grad).all()
    np.testing.assert_allclose(x.grad.sum(axis=1), 0, atol=1e-6)


def test_a_onehot_row_may_be_masked_where_it_is_0(dtype):
    z = Tensor(np.array([[1, -np.inf, 1]], dtype), requires_grad=True)
    loss = z.cross_entropy(np.array([[0, 0, 1]]))
    loss.backward()
    assert loss.item() == pytest.approx(np.log(2))
    np.testing.assert_allclose(z.grad, [[0.5, 0, -0.5]], rtol=1e-6)


@pytest.mark.parametrize("function", [Tensor.softmax, Tensor.log_softmax, Tensor.logsumexp])
def test_hard_scores_backward(function, name, dtype):
    z = hard_scores(name, dtype)
    x = Tensor(z, requires_grad=True)
    y = function(x)
    g = np.linspace(-1, 2, y.numel(), dtype=dtype).reshape(y.shape)
    y.backward(g)
    p = exactly(z)[0]
    expected = {
        Tensor.softmax: lambda: p * (g - (g * p).sum(axis=1, keepdims=True)),
        Tensor.log_softmax: lambda: g - p * g.sum(axis=1, keepdims=True),
        Tensor.logsumexp: lambda: g[:, None] * p,
    }[function]()
    np.testing.assert_allclose(x.grad, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "function",
    [
        Tensor.softmax,
        Tensor.log_softmax,
        Tensor.logsumexp,
        lambda x: x.cross_entropy([0, 0], reduction="none"),
        lambda x: x.cross_entropy([[1, 0], [0, 1]], reduction="none"),
    ],
)
def test_nan_stays_nan_in_its_row_and_in_no_other(function, dtype):
    x = Tensor(np.array([[np.nan, 1], [2, 3]], dtype), requires_grad=True)
    y = function(x)
    y.sum().backward()
    for values in y.numpy(), x.grad:
        assert np.isnan(values[0]).all()
        assert np.isfinite(values[1]).all()


def test_float16_has_little_room_for_exponentials():
    z = Tensor(np.array([[20, -20, 19]], np.float16), requires_grad=True)
    z.cross_entropy([0]).backward()
    np.testing.assert_allclose(z.grad, [[-0.269, 0, 0.269]], atol=1e-3)
    assert z.grad.dtype == np.float16


def test_a_row_of_minus_infinity_has_no_softmax(dtype):
    # As in PyTorch: no class is possible, so 0 / 0.
    x = Tensor(np.full((1, 3), -np.inf, dtype))
    assert np.isnan(x.softmax().numpy()).all()
    assert np.isnan(x.log_softmax().numpy()).all()
    assert x.logsumexp().tolist() == [-np.inf]


@pytest.mark.parametrize(("reduction", "loss"), [("sum", 0), ("mean", np.nan), ("none", [])])
@pytest.mark.parametrize("target", [np.zeros(0, int), np.zeros((0, 3))])
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}])
def test_cross_entropy_of_no_rows(dtype, reduction, loss, target, options):
    x = Tensor(np.zeros((0, 3), dtype), requires_grad=True)
    y = x.cross_entropy(target, reduction=reduction, **options)
    np.testing.assert_array_equal(y.numpy(), loss)
    y.sum().backward()
    assert x.grad.shape == (0, 3)


def test_cross_entropy_where_every_label_is_ignored():
    x = leaf([[1.0, 2.0]])
    assert np.isnan(x.cross_entropy([-100]).item())
    assert x.cross_entropy([-100], reduction="sum").item() == 0


@given(shapes(min_dims=1, min_side=1).flatmap(arrays))
def test_softmax_over_all_axes_together(z):
    p = Tensor(z).softmax(axis=tuple(range(z.ndim)))
    assert p.numpy().sum() == pytest.approx(1)
    assert gradcheck(lambda x: x.softmax(axis=tuple(range(z.ndim))), leaf(z), order=2)


def test_softmax_of_a_single_number_is_1():
    assert Tensor(5.0).softmax().item() == 1
    assert Tensor(5.0).logsumexp().item() == 5
