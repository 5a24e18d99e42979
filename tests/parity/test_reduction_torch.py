"""Reductions and running results beside PyTorch's: ties, zeros, NaN, infinities and long runs."""

import math

import numpy as np
import pytest

from tinygrad_sm import Tensor

torch = pytest.importorskip("torch")
from beside import check
from torch.nn import functional as F
from twins.reduction import one_axis, reduction

nan, inf = math.nan, math.inf
ZEROS = np.array([[2.0, 0.0, 3.0], [0.0, -4.0, 0.0], [1.5, -2.5, 0.5]])
X = np.random.default_rng(0).normal(size=(3, 4, 2))
AXES = [None, 0, 1, -1, (0, 1), (1, 0), (-1,), (0, 2), (0, 1, 2)]

every_axis = pytest.mark.parametrize("axis", AXES)
keeping = pytest.mark.parametrize("keepdims", [False, True])


def first_order(ours, theirs, values, atol=1e-12):
    """Value and gradient only: where PyTorch's second derivative is NaN."""
    x = Tensor(np.array(values, float), requires_grad=True)
    t = torch.tensor(np.array(values, float), requires_grad=True)
    y, expected = ours(x), theirs(t)
    np.testing.assert_allclose(y.numpy(), expected.detach(), atol=atol)
    y.sum().backward()
    expected.sum().backward()
    np.testing.assert_allclose(x.grad, t.grad, atol=atol)


# ---- every axis --------------------------------------------------------------------------------


@every_axis
@keeping
def test_product(axis, keepdims):
    values = np.where(np.abs(X) < 0.5, 0, X)
    twin = one_axis(lambda x, axis: x.prod(axis))
    check(Tensor.prod, twin, values, axis=axis, keepdims=keepdims)


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1)])
def test_product_with_zeros(axis):
    twin = one_axis(lambda x, axis: x.prod(axis))
    check(Tensor.prod, twin, ZEROS, axis=axis, keepdims=False)


@every_axis
@keeping
@pytest.mark.parametrize("name", ["nansum", "nanmean"])
def test_without_nan(name, axis, keepdims):
    values = np.where(np.abs(X) < 0.3, nan, X)
    values[..., 0] = X[..., 0]  # where all are NaN, PyTorch's gradient is NaN
    twin = reduction(getattr(torch, name))
    check(getattr(Tensor, name), twin, values, axis=axis, keepdims=keepdims)


@every_axis
@keeping
@pytest.mark.parametrize("name", ["amax", "amin"])
def test_extremes_that_share(name, axis, keepdims):
    twin = reduction(getattr(torch, name))
    check(getattr(Tensor, name), twin, np.round(X), axis=axis, keepdims=keepdims)


@pytest.mark.parametrize("axis", [None, 1, (0, 2)])
@keeping
@pytest.mark.parametrize("correction", [0, 1, 1.5, 2])
@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("name", ["var_mean", "std_mean"])
def test_spread_and_mean(name, part, correction, axis, keepdims):
    ours, theirs = getattr(Tensor, name), getattr(torch, name)
    check(
        lambda x: ours(x, axis, correction=correction, keepdims=keepdims)[part],
        lambda x: theirs(x, axis, correction=correction, keepdim=keepdims)[part],
        X,
    )


@pytest.mark.parametrize("axis", [None, 1, (0, 2)])
@pytest.mark.parametrize("p", [2, 1, 0.5, 1.5, 3, 4, -1, -2, inf, -inf, "fro"])
def test_norm(p, axis):
    check(
        lambda x: x.norm(p, axis),
        lambda x: torch.norm(x, p, axis),
        np.where(np.abs(X) < 0.2, 0.2, X),
    )


@pytest.mark.parametrize("axis", [0, 1, -1, (0, 2)])
@pytest.mark.parametrize("p", [2, 1, 3, inf])
def test_normalize(p, axis):
    check(lambda x: x.normalize(p, axis), lambda x: F.normalize(x, p, axis), X)
    check(lambda x: x.normalize(p, axis, eps=1e3), lambda x: F.normalize(x, p, axis, eps=1e3), X)


@pytest.mark.parametrize("axis", [0, -1])
def test_softmin(axis):
    check(lambda x: x.softmin(axis), lambda x: F.softmin(x, axis), X)


# ---- running results ---------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "logcumsumexp"])
@pytest.mark.parametrize("values", [X, ZEROS, np.zeros((0, 2)), np.ones((1, 3))])
def test_run(name, values, axis):
    ours, theirs = getattr(Tensor, name), getattr(torch, name)
    check(lambda x: ours(x, axis), lambda x: theirs(x, axis), values)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("name", ["cummax", "cummin"])
@pytest.mark.parametrize("values", [X, np.round(X), ZEROS, np.where(X > 1, nan, X)])
@pytest.mark.parametrize("part", ["values", "indices"])
def test_running_extreme(name, values, part, axis):
    ours, theirs = getattr(Tensor, name), getattr(torch, name)
    check(lambda x: getattr(ours(x, axis), part), lambda x: getattr(theirs(x, axis), part), values)


@pytest.mark.parametrize("n", [2, 7, 64, 101])
def test_long_run(n):
    values = np.random.default_rng(n).uniform(0.8, 1.2, (n, 2))
    check(lambda x: x.cumprod(0), lambda x: x.cumprod(0), values)
    values[n // 2] = 0
    check(lambda x: x.cumprod(0), lambda x: x.cumprod(0), values)
    check(lambda x: x.logcumsumexp(0), lambda x: x.logcumsumexp(0), 20 * values)


# ---- kinks, NaN and infinities -----------------------------------------------------------------


@pytest.mark.parametrize("values", [[0, 0], [3, -3, 0], [2, nan, -5], [2, inf, -5], [3, 3, -3]])
@pytest.mark.parametrize("p", [0.5, 1, 1.5, 2, 3, -1, -2, inf, -inf, "fro"])
def test_slope_of_a_norm(p, values):
    first_order(lambda x: x.norm(p), lambda x: x.norm(p), values)


def test_normalize_keeps_0():
    values = [[3.0, 4.0], [0.0, 0.0], [1e-13, 0.0]]
    first_order(lambda x: x.normalize(), F.normalize, values)


@pytest.mark.parametrize("name", ["var", "std"])
@pytest.mark.parametrize("values", [[2, 2, 2], [2, nan, 1], [2, inf, 1]])
def test_slope_of_a_spread(name, values):
    first_order(getattr(Tensor, name), getattr(torch, name), values)


@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
@pytest.mark.parametrize("name", ["var", "std"])
@pytest.mark.parametrize("correction", [1, 2, 3.5])
def test_spread_of_too_few(name, correction):
    for values in [1.0], [2.0, 2.0], [1.0, 2.0]:
        y = getattr(Tensor(values), name)(correction=correction)
        t = getattr(torch.tensor(values), name)(correction=correction)
        np.testing.assert_array_equal(y.numpy(), t)


@pytest.mark.parametrize("axis", [None, 0])
@pytest.mark.parametrize("values", [[3, 1, 2], [4, 1, 3, 2], [2, nan, 1], [5], [1, -inf, inf]])
def test_median(values, axis):
    if axis is None:
        check(Tensor.median, torch.median, np.array(values, float))
    else:
        check(lambda x: x.median(0), lambda x: x.median(0).values, np.array(values, float))


def test_equal_medians_share():
    check(Tensor.median, torch.median, np.array([[1.0, 2.0, 2.0], [2.0, 3.0, 5.0]]))


@pytest.mark.parametrize(
    "values", [[1, nan, 1], [800, -800, 800], [1, -inf, inf, 1], [-1e5, 0, 1e5]]
)
def test_logcumsumexp_far_out(values):
    first_order(lambda x: x.logcumsumexp(0), lambda x: x.logcumsumexp(0), values)


# ---- dtypes ------------------------------------------------------------------------------------


WHOLE = ["sum", "prod", "nansum", "count_nonzero", "amax", "amin"]


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(name, dtype) for name in WHOLE for dtype in (bool, np.uint8, np.int32, np.int64)]
    + [("any", bool), ("all", np.int32), ("argmax", np.uint8), ("argmin", np.int32)],
)
def test_whole_numbers(name, dtype):
    values = np.array([[3, 0, 2], [1, 1, 2]]).astype(dtype)
    check(lambda x: getattr(x, name)(1), lambda x: getattr(x, name)(1), values)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int32])
@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_runs_of_whole_numbers(name, dtype):
    values = np.array([[3, 0, 2], [1, 1, 2]]).astype(dtype)
    check(lambda x: getattr(x, name)(1), lambda x: getattr(x, name)(1), values)


@pytest.mark.parametrize("name", ["prod", "var", "std", "norm", "nansum", "nanmean"])
def test_float32(name):
    values = X[0].astype(np.float32)
    check(getattr(Tensor, name), getattr(torch, name), values, atol=1e-4)
