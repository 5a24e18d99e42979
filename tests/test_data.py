"""The bundled digits, and batches of a data set."""

import numpy as np
import pytest

import nn
from tinygrad_sm import Tensor, manual_seed

# ---- digits ------------------------------------------------------------------------------------


def test_digits_are_what_their_documentation_says():
    train, test = nn.datasets.digits()
    assert train.x.shape == (1438, 64)
    assert test.x.shape == (359, 64)
    assert train.x.dtype == np.float32
    assert train.y.dtype == np.int64
    assert (train.x.min(), train.x.max()) == (0, 1)
    assert set(train.y) == set(range(10))


def test_digits_are_those_of_scikit_learn():
    source = pytest.importorskip("sklearn.datasets").load_digits()
    parts = nn.datasets.digits()
    x, y = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    ours = sorted(zip((x * 16).astype(int).tolist(), y.tolist(), strict=True))
    theirs = sorted(zip(source.data.astype(int).tolist(), source.target.tolist(), strict=True))
    assert ours == theirs


def test_the_split_depends_on_the_seed_alone():
    first, again, other = (nn.datasets.digits(seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first[1].x, again[1].x)
    assert not np.array_equal(first[1].x, other[1].x)


@pytest.mark.parametrize("fraction", [0.1, 0.5])
def test_each_class_has_its_share_in_the_test_part(fraction):
    train, test = nn.datasets.digits(test_fraction=fraction)
    counts = np.bincount(test.y) / (np.bincount(test.y) + np.bincount(train.y))
    assert counts == pytest.approx(np.full(10, fraction), abs=0.005)


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 20])
def test_a_part_that_is_no_part_is_an_error(fraction):
    with pytest.raises(ValueError, match=f"between 0 and 1, got {fraction}"):
        nn.datasets.digits(test_fraction=fraction)


# ---- DataLoader --------------------------------------------------------------------------------

X, Y = np.arange(14.0).reshape(7, 2), np.arange(7)


def labels(loader):
    return [y.tolist() for _, y in loader]


def test_batches_come_in_order_and_the_last_may_be_shorter():
    loader = nn.DataLoader((X, Y), batch_size=3)
    assert labels(loader) == [[0, 1, 2], [3, 4, 5], [6]]
    assert len(loader) == 3
    x, _ = next(iter(loader))
    assert isinstance(x, Tensor)
    assert x.dtype == X.dtype
    np.testing.assert_array_equal(x.numpy(), X[:3])


def test_the_short_batch_can_be_dropped():
    loader = nn.DataLoader((X, Y), batch_size=3, drop_last=True)
    assert labels(loader) == [[0, 1, 2], [3, 4, 5]]
    assert len(loader) == 2


def test_stochastic_and_batch_descent():
    assert len(nn.DataLoader((X, Y))) == 7
    assert labels(nn.DataLoader((X, Y), batch_size=None)) == [list(range(7))]


def test_shuffling_keeps_rows_together_and_takes_each_once():
    loader = nn.DataLoader((X, Y), batch_size=3, shuffle=True, seed=0)
    rows = [(x, y) for xs, ys in loader for x, y in zip(xs.tolist(), ys.tolist(), strict=True)]
    assert sorted(y for _, y in rows) == list(range(7))
    assert all(x == X[y].tolist() for x, y in rows)


def test_the_seed_repeats_a_sequence_of_different_epochs():
    first, again = (
        [labels(loader), labels(loader)]
        for loader in (
            nn.DataLoader((X, Y), batch_size=7, shuffle=True, seed=3),
            nn.DataLoader((X, Y), batch_size=7, shuffle=True, seed=3),
        )
    )
    assert first == again
    assert first[0] != first[1]


def test_without_a_seed_the_order_follows_manual_seed():
    loader = nn.DataLoader((X, Y), batch_size=7, shuffle=True)
    manual_seed(5)
    first = labels(loader)
    manual_seed(5)
    assert labels(loader) == first


@pytest.mark.parametrize(
    "dataset",
    [
        (X, Y),
        [X, Y],
        (Tensor(X), Tensor(Y)),
        nn.datasets.Dataset(X, Y),
        list(zip(X, Y, strict=True)),
    ],
    ids=["tuple", "list", "tensors", "named tuple", "pairs"],
)
def test_kinds_of_data_sets(dataset):
    x, y = next(iter(nn.DataLoader(dataset, batch_size=2)))
    assert x.tolist() == [[0, 1], [2, 3]]
    assert y.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("dataset", "dtype"),
    [
        (([[0.5], [1.5]], [0, 1]), np.float32),
        ([(0.5, 0), (1.5, 1)], np.float32),
        (([np.float64(0.5), np.float64(1.5)], [0, 1]), np.float64),
        ([(np.array([0.5]), 0), (np.array([1.5]), 1)], np.float64),
    ],
)
def test_python_numbers_get_the_default_dtype_and_arrays_keep_theirs(dataset, dtype):
    x, y = next(iter(nn.DataLoader(dataset, batch_size=2)))
    assert x.dtype == dtype
    assert y.dtype == np.int64


def test_a_single_array_gives_batches_of_one():
    ((x,), *_) = nn.DataLoader(X, batch_size=2)
    assert x.tolist() == [[0, 1], [2, 3]]


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_batch_shares_no_memory_with_the_data(shuffle):
    for x, _ in nn.DataLoader((X, Y), batch_size=3, shuffle=shuffle):
        assert not np.shares_memory(x.numpy(), X)


@pytest.mark.parametrize(
    ("dataset", "options", "message"),
    [
        ((X, Y[:5]), {}, r"lengths \[7, 5\]"),
        ((), {}, "empty"),
        ((X[:0], Y[:0]), {}, "no rows"),
        ((X, Y), {"batch_size": 0}, "at least 1, or None for all rows at once, got 0"),
        ((X, Y), {"batch_size": -2}, "got -2"),
    ],
)
def test_mistakes(dataset, options, message):
    with pytest.raises(ValueError, match=message):
        nn.DataLoader(dataset, **options)
