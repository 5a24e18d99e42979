"""Convolution and pooling: ties, layouts in memory, what has no operation of its own, errors."""

import numpy as np
import pytest

from tinygrad_sm import DtypeError, ShapeError, Tensor, gradcheck, no_grad, ops

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape)


def leaf(values):
    return Tensor(np.array(values, float), requires_grad=True)


def images(*rows):
    """A single image of one channel."""
    return leaf([[rows]])


# ---- convolution -------------------------------------------------------------------------------


def test_a_convolution_is_a_product_with_columns():
    x, w = Tensor(normal(2, 3, 6, 5)), Tensor(normal(4, 3, 3, 2))
    y = x.conv2d(w, stride=2, padding=1)
    columns = x.unfold((3, 2), padding=1, stride=2)
    np.testing.assert_allclose(y.reshape(2, 4, -1), w.reshape(4, -1) @ columns, atol=1e-12)


@pytest.mark.parametrize("how", [{}, {"stride": 2, "padding": 1}, {"dilation": 2, "groups": 2}])
def test_the_transposed_convolution_is_the_adjoint(how):
    x, w = Tensor(normal(2, 4, 7, 7)), Tensor(normal(6, 4 // how.get("groups", 1), 3, 3))
    y = x.conv2d(w, **how)
    g = Tensor(normal(*y.shape))
    back = g.conv_transpose2d(w, **how)
    assert back.shape == x.shape
    assert (y * g).sum().item() == pytest.approx((x * back).sum().item())


def test_unfold_counts_each_element_as_often_as_it_is_seen():
    ones = Tensor(np.ones((1, 1, 3, 3)))
    times_seen = ones.unfold(2).fold((3, 3), 2)
    assert times_seen.tolist() == [[[[1, 2, 1], [2, 4, 2], [1, 2, 1]]]]


def test_same_keeps_the_size_and_puts_what_is_uneven_after():
    x = images([1, 2, 3, 4])
    y = x.conv2d([[[[1.0, 10.0, 100.0, 1000.0]]]], padding="same")
    assert y.tolist() == [[[[3210, 4321, 432, 43]]]]
    for kernel in (1, 2, 3, 4, 5):
        w = np.ones((1, 1, kernel, 6 - kernel))
        assert images(*normal(4, 5)).conv2d(w, padding="same", dilation=2).shape == (1, 1, 4, 5)


def test_a_large_product_is_done_in_pieces_that_come_to_the_same():
    x, w = normal(16, 8, 20, 24), normal(16, 8, 3, 3)
    g = normal(16, 16, 20, 24)
    together = [Tensor(x, requires_grad=True), Tensor(w, requires_grad=True)]
    (together[0].conv2d(together[1], padding=1) * g).sum().backward()
    gradient = np.zeros_like(w)
    for i in range(len(x)):
        single = [Tensor(x[i], requires_grad=True), Tensor(w, requires_grad=True)]
        (single[0].conv2d(single[1], padding=1) * g[i]).sum().backward()
        np.testing.assert_allclose(together[0].grad[i], single[0].grad, atol=1e-10)
        gradient += single[1].grad
    np.testing.assert_allclose(together[1].grad, gradient, atol=1e-10)


# ---- pooling: ties, NaN, second derivatives ----------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "window", "expected"),
    [
        ([[1, 1], [1, 1]], {"kernel_size": 2}, [[1, 0], [0, 0]]),
        ([[0, 1], [1, 1]], {"kernel_size": 2}, [[0, 1], [0, 0]]),
        ([[0, 0], [1, 1]], {"kernel_size": 2}, [[0, 0], [1, 0]]),
        ([[0, 0], [0, 1]], {"kernel_size": 2}, [[0, 0], [0, 1]]),
        # Windows that overlap: each gives its 1 to the first of its own largest.
        ([[1, 1, 1]], {"kernel_size": (1, 2), "stride": 1}, [[1, 1, 0]]),
        ([[0, 1, 0]], {"kernel_size": (1, 2), "stride": 1}, [[0, 2, 0]]),
        ([[2, 1, 2]], {"kernel_size": (1, 3), "padding": (0, 1), "stride": 1}, [[2, 0, 1]]),
        ([[5, 0, 5, 0, 5]], {"kernel_size": (1, 2), "dilation": 2, "stride": 1}, [[1, 1, 1, 0, 0]]),
    ],
)
def test_the_first_of_equal_elements_takes_the_gradient(rows, window, expected):
    x = images(*rows)
    x.max_pool2d(**window).sum().backward()
    assert x.grad.tolist() == [[expected]]


def test_a_maximum_of_nan_is_nan_and_nothing_else_is_touched():
    x = images([np.nan, 1, 2, 3], [0, 0, 0, 0])
    y = x.max_pool2d(2)
    assert np.isnan(y.numpy()).tolist() == [[[[True, False]]]]
    y.sum().backward()
    assert x.grad.sum() == 2
    assert x.grad[..., 3].tolist() == [[[1, 0]]]


def test_elements_that_no_window_reaches_have_gradient_0():
    x = images(*normal(5, 5))
    (x.max_pool2d(2) + x.avg_pool2d(2)).sum().backward()
    assert not x.grad[..., 4, :].any()
    assert not x.grad[..., :, 4].any()


@pytest.mark.parametrize(
    "function",
    [
        lambda x, w: x.conv2d(w, stride=(1, 2), padding=1),
        lambda x, w: x.conv2d(w, padding="same").relu().max_pool2d(2),
        lambda x, w: x.conv2d(w, padding=2, dilation=2).max_pool2d(3, 2, padding=1),
        lambda x, w: x.conv2d(w).max_pool2d(2, 1) ** 2,
        lambda x, w: x.conv_transpose2d(w, stride=2, output_padding=1).tanh(),
        lambda x, w: x.conv2d(w).avg_pool2d(2, padding=1, ceil_mode=True) ** 2,
        lambda x, w: x.conv2d(w).adaptive_avg_pool2d((2, 1)) ** 2,
        lambda x, w: x.unfold(2, padding=1).fold((4, 5), 2, padding=1) * w.sum(),
        lambda x, w: x.reshape(2, 2, 20).conv1d(w.reshape(2, 2, 9), padding=4).max_pool1d(3),
    ],
)
def test_second_derivatives(function):
    x, w = leaf(normal(2, 2, 4, 5)), leaf(normal(2, 2, 3, 3))
    assert gradcheck(function, (x, w), order=2)


# ---- memory, dtypes, single images -------------------------------------------------------------

CALLS = {
    "conv2d": lambda x: x.conv2d(np.ones((2, 4, 3, 3), x.dtype), padding=1),
    "conv_transpose2d": lambda x: x.conv_transpose2d(np.ones((4, 2, 3, 3), x.dtype), stride=2),
    "max_pool2d": lambda x: x.max_pool2d(3, 2, padding=1),
    "avg_pool2d": lambda x: x.avg_pool2d(2, ceil_mode=True),
    "adaptive_avg_pool2d": lambda x: x.adaptive_avg_pool2d(3),
    "unfold": lambda x: x.unfold(2),
}
every_call = pytest.mark.parametrize("name", CALLS)


def with_gradient(call, values):
    x = Tensor(values, requires_grad=True, copy=False)
    y = call(x)
    y.backward(np.arange(y.numel(), dtype=y.dtype).reshape(y.shape))
    return y.numpy(), x.grad


@every_call
@pytest.mark.parametrize(
    "layout",
    [
        lambda x: np.asfortranarray(x),
        lambda x: x.transpose(2, 1, 3, 0).copy().transpose(3, 1, 0, 2),  # as the results are
        lambda x: x.repeat(2, axis=3)[..., ::2],
        lambda x: x[::-1, :, ::-1].copy()[::-1, :, ::-1],
    ],
    ids=["Fortran", "batch last", "gaps", "backwards"],
)
def test_the_layout_in_memory_changes_nothing(name, layout):
    x = normal(3, 4, 5, 6)
    y, gradient = with_gradient(CALLS[name], x)
    again, gradient_again = with_gradient(CALLS[name], layout(x))
    np.testing.assert_array_equal(y, again)
    np.testing.assert_array_equal(gradient, gradient_again)
    in_order = gradient_again.T if layout(x).flags.fnc else gradient_again
    assert in_order.flags.c_contiguous


@every_call
def test_a_single_image_is_a_batch_of_one(name):
    x = normal(4, 5, 6)
    y, gradient = with_gradient(CALLS[name], x)
    batch, batch_gradient = with_gradient(CALLS[name], x[None])
    np.testing.assert_array_equal(y, batch[0])
    np.testing.assert_array_equal(gradient, batch_gradient[0])


@every_call
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_dtype_stays(name, dtype):
    y, gradient = with_gradient(CALLS[name], np.ones((1, 4, 5, 5), dtype))
    assert y.dtype == gradient.dtype == dtype


def test_whole_numbers_have_maxima_too():
    x = -np.arange(16).reshape(1, 1, 4, 4)
    y = Tensor(x).max_pool2d(2, padding=1)
    assert y.dtype == x.dtype
    assert y.tolist() == [[[[0, -1, -3], [-4, -5, -7], [-12, -13, -15]]]]


def test_a_wider_bias_widens_the_result():
    x, w = Tensor(np.ones((1, 1, 2, 2), np.float32)), Tensor(np.ones((1, 1, 1, 1), np.float32))
    assert x.conv2d(w, np.ones(1)).dtype == np.float64


@pytest.mark.parametrize("name", ["conv2d", "max_pool2d"])
def test_results_do_not_share_memory_with_their_input(name):
    x = Tensor(normal(1, 1, 2, 2))
    y = x.conv2d(np.ones((1, 1, 1, 1))) if name == "conv2d" else x.max_pool2d(1)
    assert not np.shares_memory(y.numpy(), x.numpy())


def test_lists_are_taken_for_pairs():
    x, w = Tensor(normal(1, 1, 4, 4)), normal(1, 1, 2, 2)
    y = x.conv2d(w, stride=[1, 2], padding=[0, 1])
    np.testing.assert_array_equal(y, x.conv2d(w, stride=(1, 2), padding=(0, 1)))


def test_without_recording_nothing_is_kept():
    w = leaf(normal(1, 1, 2, 2))
    with no_grad():
        assert Tensor(normal(1, 1, 4, 4)).conv2d(w).max_pool2d(2).is_leaf


# ---- errors that teach -------------------------------------------------------------------------

X = Tensor(np.zeros((2, 4, 5, 5)))
W = np.zeros((6, 4, 3, 3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: X[0, 0].conv2d(W),
            ShapeError,
            r"images \(N, C, H, W\), or one without N.*\(5, 5\)",
        ),
        (lambda: X.conv2d(W[0]), ShapeError, r"weight \(O, C/groups, kh, kw\), got.*\(4, 3, 3\)"),
        (lambda: X.conv2d(W[:, :3]), ShapeError, "x has 4 channels, but the weight takes 3"),
        (lambda: X.conv2d(W, groups=2), ShapeError, r"takes 8 \(4 for each of 2 groups\)"),
        (lambda: X.conv2d(W[:5, :2], groups=2), ShapeError, "groups=2 .* divide.* 4 in and 5 out"),
        (lambda: X.conv2d(W, groups=0), ShapeError, "groups=0"),
        (lambda: X.conv2d(W, np.zeros(4)), ShapeError, r"bias needs shape \(6,\).*got \(4,\)"),
        (lambda: X.conv2d(W, dilation=3), ShapeError, "window of 7 × 7 does not fit.* 5 × 5"),
        (lambda: X.conv2d(W, padding="full"), ValueError, "'same' or 'valid', got 'full'"),
        (lambda: X.conv2d(W, padding="same", stride=2), ValueError, "stride of 1"),
        (lambda: X.conv2d(W, padding=-1), ValueError, "padding is .* at least 0, got -1"),
        (lambda: X.conv2d(W, stride=0), ValueError, "stride is .* at least 1, got 0"),
        (lambda: X.conv2d(W, stride=(1, 1, 1)), ValueError, "a number or a pair"),
        (lambda: X.conv2d(W, stride=1.5), TypeError, "integer"),
        (lambda: X.conv1d(W[0]), ShapeError, r"sequences \(N, C, L\)"),
        (lambda: X[0].conv1d(W), ShapeError, r"weight \(O, C/groups, k\), got"),
        (lambda: X.conv_transpose2d(W), ShapeError, "x has 4 channels, but the weight takes 6"),
        (lambda: X.conv_transpose2d(W[0]), ShapeError, r"weight \(C, O/groups, kh, kw\), got"),
        (lambda: X.conv_transpose2d(W[:4], np.zeros(3)), ShapeError, r"bias needs shape \(4,\)"),
        (lambda: X.conv_transpose2d(W[:4], output_padding=1), ValueError, "less than the stride"),
        (lambda: X.conv_transpose2d(W[:4], padding=4), ShapeError, "nothing is left"),
        (lambda: X.max_pool2d(6), ShapeError, "window of 6 × 6 does not fit into.* 5 × 5"),
        (lambda: X.max_pool2d(2, padding=2), ValueError, "at most half of the window, got 2 for 2"),
        (lambda: X.max_pool1d(2), ShapeError, r"max_pool1d needs sequences"),
        (lambda: X.avg_pool2d(2, divisor_override=0), ValueError, "other than 0"),
        (lambda: X.astype(int).avg_pool2d(2), DtypeError, "floating-point"),
        (lambda: X.adaptive_avg_pool2d(-1), ValueError, "output_size"),
        (lambda: X.adaptive_avg_pool2d((1, 2, 3)), ValueError, "output_size"),
        (lambda: X[0, 0].adaptive_avg_pool2d(1), ShapeError, "adaptive_avg_pool2d needs images"),
        (lambda: X.unfold(6), ShapeError, "unfold: a window of 6 × 6"),
        (lambda: X[0].fold(5, 2), ShapeError, r"columns of shape \(N, C · 4, 16\), got \(4, 5, 5"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_an_error_is_the_same_the_second_time():
    for _ in range(2):
        with pytest.raises(ShapeError, match="takes 3"):
            X.conv2d(W[:, :3])


def test_an_operation_called_on_arrays_gives_an_array():
    x = normal(1, 1, 4, 4)
    y = ops.max_pool2d(x, kernel=(2, 2), stride=(2, 2), dilation=(1, 1))
    assert isinstance(y, np.ndarray)
    assert y.shape == (1, 1, 2, 2)
