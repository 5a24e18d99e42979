"""Tensors from nothing."""

import numpy as np
import pytest

import tinygrad_sm as tg
from tinygrad_sm import Tensor


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (lambda: tg.zeros(2, 3), np.zeros((2, 3))),
        (lambda: tg.zeros((2, 3)), np.zeros((2, 3))),
        (lambda: tg.zeros([0]), np.zeros(0)),
        (lambda: tg.zeros(), np.zeros(())),
        (lambda: tg.ones(2), np.ones(2)),
        (lambda: tg.full((2, 1), 7), [[7], [7]]),
        (lambda: tg.full(2, 0.5), [0.5, 0.5]),
        (lambda: tg.eye(2), [[1, 0], [0, 1]]),
        (lambda: tg.eye(2, 3), [[1, 0, 0], [0, 1, 0]]),
        (lambda: tg.arange(1.5), [0, 1]),
        (lambda: tg.arange(1, 2, 0.25), [1, 1.25, 1.5, 1.75]),
        (lambda: tg.linspace(0, 1, 5), [0, 0.25, 0.5, 0.75, 1]),
        (lambda: tg.linspace(3, 9, 1), [3]),
    ],
)
def test_values(made, expected):
    t = made()
    assert t.dtype == np.float32
    assert t.shape == np.shape(expected)
    np.testing.assert_array_equal(t.numpy(), expected)


def test_a_range_of_whole_numbers_is_of_integers():
    t = tg.arange(2, 10, 3)
    assert t.dtype.kind == "i"
    assert t.tolist() == [2, 5, 8]
    assert tg.arange(3, dtype=np.float64).dtype == np.float64


MAKERS = {
    "zeros": tg.zeros,
    "ones": tg.ones,
    "full": lambda *shape, **options: tg.full(shape, 2.0, **options),
    "eye": tg.eye,
    "linspace": lambda *shape, **options: tg.linspace(0, 1, 5, **options),
    "randn": tg.randn,
    "rand": tg.rand,
    "uniform": tg.uniform,
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_dtype_and_gradient(make):
    t = make(2, 3, dtype=np.float64, requires_grad=True)
    assert t.dtype == np.float64
    assert t.requires_grad
    assert t.is_leaf
    assert t.data.flags.writeable


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_the_default_dtype_is_followed(make):
    assert make(2, 3).dtype == np.float64


LIKE = {
    "zeros": tg.zeros_like,
    "ones": tg.ones_like,
    "full": lambda x, **options: tg.full_like(x, 3.0, **options),
    "randn": tg.randn_like,
    "rand": tg.rand_like,
}


@pytest.mark.parametrize("make", LIKE.values(), ids=LIKE)
def test_like_another(make):
    x = Tensor(np.zeros((2, 3)), requires_grad=True)
    t = make(x)
    assert (t.shape, t.dtype, t.requires_grad) == ((2, 3), np.float64, False)
    assert make(x, requires_grad=True).requires_grad


def test_values_like_another():
    x = Tensor([1.0, 2.0])
    assert tg.zeros_like(x).tolist() == [0, 0]
    assert tg.ones_like(x).tolist() == [1, 1]
    assert tg.full_like(x, 3).tolist() == [3, 3]


# ---- random ------------------------------------------------------------------------------------

RANDOM = {
    "randn": lambda **options: tg.randn(3, 4, **options),
    "rand": lambda **options: tg.rand((3, 4), **options),
    "uniform": lambda **options: tg.uniform(3, 4, **options),
    "randint": lambda **options: tg.randint(0, 1000, (3, 4), **options),
    "randn_like": lambda **options: tg.randn_like(tg.zeros(3, 4), **options),
    "rand_like": lambda **options: tg.rand_like(tg.zeros(3, 4), **options),
}
every_random = pytest.mark.parametrize("make", RANDOM.values(), ids=RANDOM)


@every_random
def test_the_seed_decides_the_values(make):
    tg.manual_seed(1)
    first, second = make().tolist(), make().tolist()
    tg.manual_seed(1)
    assert make().tolist() == first
    assert make().tolist() == second
    assert first != second
    tg.manual_seed(2)
    assert make().tolist() != first


@every_random
def test_a_generator_of_ones_own_leaves_the_packages_alone(make):
    tg.manual_seed(1)
    expected = make().tolist()
    tg.manual_seed(1)
    own = [make(generator=np.random.default_rng(5)).tolist() for _ in range(2)]
    assert own[0] == own[1] != expected
    assert make().tolist() == expected


@every_random
def test_numpys_own_random_numbers_are_not_touched(make):
    np.random.seed(0)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    tg.manual_seed(3)
    make()
    assert np.random.random() == expected  # noqa: NPY002


def test_manual_seed_returns_the_generator_in_use():
    assert tg.manual_seed(0) is tg.default_generator()


@pytest.mark.parametrize("make", [tg.rand, tg.uniform])
def test_the_upper_end_stays_out_in_float32(make):
    class AlmostOne:
        """The largest numbers that a generator draws; as float64 the nearest float32 is 1."""

        def uniform(self, low, high, shape):
            return np.full(shape, np.nextafter(1.0, 0.0))

        def random(self, shape, dtype=np.float64):
            return np.full(shape, np.nextafter(dtype(1), dtype(0)))

    assert (make(3, generator=AlmostOne()).numpy() < 1).all()


def test_distributions():
    normal = tg.randn(10_000).numpy()
    assert abs(normal.mean()) < 0.05
    assert abs(normal.std() - 1) < 0.05
    even = tg.uniform(10_000, low=-2, high=3).numpy()
    assert even.min() >= -2
    assert even.max() < 3
    assert abs(even.mean() - 0.5) < 0.1
    unit = tg.rand(10_000).numpy()
    assert unit.min() >= 0
    assert unit.max() <= 1
    whole = tg.randint(-1, 2, 1000)
    assert set(whole.tolist()) == {-1, 0, 1}
    assert whole.dtype == np.int64
