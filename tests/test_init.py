"""How parameters start: bounds, spread, and what is refused."""

import numpy as np
import pytest

from nn import init
from tinygrad_sm import ShapeError, Tensor, manual_seed


def empty(*shape, dtype=np.float32):
    return Tensor(np.full(shape, np.nan, dtype), requires_grad=True)


RANDOM = [
    init.uniform_,
    init.normal_,
    init.trunc_normal_,
    init.xavier_uniform_,
    init.xavier_normal_,
    init.kaiming_uniform_,
    init.kaiming_normal_,
    init.orthogonal_,
]

SHAPES = [(300, 200), (64, 32, 3, 3)]  # fans 200, 300 and 288, 576


def fans(shape):
    kernel = np.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def xavier(inputs, outputs):
    return 2 / (inputs + outputs)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    ("fill", "variance", "even"),
    [
        (lambda t: init.xavier_uniform_(t, 2.0), lambda i, o: 4 * xavier(i, o), True),
        (lambda t: init.xavier_normal_(t, 2.0), lambda i, o: 4 * xavier(i, o), False),
        (lambda t: init.kaiming_uniform_(t), lambda i, o: 2 / i, True),
        (lambda t: init.kaiming_normal_(t, 1.0, mode="fan_out"), lambda i, o: 1 / o, False),
        (lambda t: init.kaiming_uniform_(t, nonlinearity="tanh"), lambda i, o: 25 / 9 / i, True),
        (lambda t: init.uniform_(t, -1, 3) - 1, lambda i, o: 16 / 12, True),
        (lambda t: init.normal_(t, std=3), lambda i, o: 9, False),
        (lambda t: init.trunc_normal_(t), lambda i, o: 0.7737, False),
    ],
)
def test_variance(shape, fill, variance, even):
    values, expected = fill(empty(*shape)).numpy(), variance(*fans(shape))
    assert values.mean() == pytest.approx(0, abs=0.02 * expected**0.5)
    assert values.var() == pytest.approx(expected, rel=0.05)
    if even:
        assert np.abs(values).max() == pytest.approx((3 * expected) ** 0.5, rel=0.01)


@pytest.mark.parametrize("fill", RANDOM)
def test_the_tensor_itself_is_filled(fill):
    tensor = empty(3, 3)
    data = tensor.data
    assert fill(tensor) is tensor
    assert tensor.data is data
    assert not np.isnan(data).any()
    assert tensor.requires_grad


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"),
    [(0, 1, -2, 2), (1, 0.5, 0, 4), (0, 1, 3, np.inf), (0, 1, -0.01, 0.01), (100, 1, -2, 2)],
)
def test_trunc_normal_is_the_normal_distribution_between_its_bounds(mean, std, a, b):
    values = init.trunc_normal_(empty(20_000), mean, std, a, b).numpy().astype(float)
    assert values.min() >= np.float32(a)
    assert values.max() <= np.float32(b)
    # The mean by the density itself, on a grid that reaches over all that matters.
    low, high = max(a, min(mean, b) - 9 * std), min(b, max(mean, a) + 9 * std)
    grid = np.linspace(low, high, 100_001)
    exponent = -(((grid - mean) / std) ** 2) / 2
    density = np.exp(exponent - exponent.max())
    expected = (grid * density).sum() / density.sum()
    assert values.mean() == pytest.approx(expected, abs=0.02 * min(std, b - a))


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (4, 2, 3)], ids=str)
def test_orthogonal(shape):
    w = init.orthogonal_(empty(*shape, dtype=np.float64), gain=2.0).data.reshape(shape[0], -1)
    square = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(square, 4 * np.eye(len(square)), atol=1e-12)


def test_orthogonal_prefers_no_direction():
    corners = [init.orthogonal_(empty(3, 3)).data[0, 0] for _ in range(400)]
    assert np.mean(corners) == pytest.approx(0, abs=0.1)


def test_constants():
    assert init.constant_(empty(2), 1.5).tolist() == [1.5, 1.5]
    assert init.ones_(empty(1)).tolist() == [1]
    assert init.zeros_(empty(1)).tolist() == [0]
    assert init.eye_(empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize("fill", RANDOM)
def test_the_generator_decides_the_values(fill):
    first, again = (
        fill(empty(3, 3), generator=np.random.default_rng(5)).tolist() for _ in range(2)
    )
    assert first == again
    manual_seed(5)
    assert fill(empty(3, 3)).tolist() == first
    assert fill(empty(3, 3)).tolist() != first


def test_a_graph_from_before_does_not_go_back():
    w = empty(1)
    loss = (w * w).sum()
    init.ones_(w)
    with pytest.raises(ValueError, match="was changed after"):
        loss.backward()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: init.xavier_normal_(empty(3)), ShapeError, r"\(out, in, …\).*\(3,\)"),
        (lambda: init.kaiming_normal_(np.ones((2, 2))), TypeError, "fills Tensors, got a ndarray"),
        (lambda: init.zeros_(Tensor([1], dtype=int)), TypeError, "floating-point.*int64"),
        (lambda: init.kaiming_normal_(empty(2, 2), mode="in"), ValueError, "'fan_in' or 'fan_out'"),
        (lambda: init.calculate_gain("gelu"), ValueError, "no gain is known for 'gelu'"),
        (lambda: init.orthogonal_(empty(2)), ShapeError, "at least two axes"),
        (lambda: init.eye_(empty(2)), ShapeError, "needs a matrix"),
        (lambda: init.normal_(empty(2), std=-1), ValueError, "at least 0, got -1"),
        (lambda: init.trunc_normal_(empty(2), std=0), ValueError, "above 0"),
        (lambda: init.trunc_normal_(empty(2), a=1, b=1), ValueError, "a < b"),
    ],
)
def test_wrong_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
