"""Batches of a data set, and its parts."""

import json

import numpy as np
import pytest

import nn
from nn.datasets import Dataset
from tinygrad_sm import ShapeError, Tensor, manual_seed

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
        Dataset(X, Y),
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


class Squares:
    """A data set that makes a row when it is asked for it, and remembers for which."""

    def __init__(self, row):
        self.row = row
        self.asked = []

    def __len__(self):
        return 5

    def __getitem__(self, i):
        self.asked.append(i)
        return self.row(i)


@pytest.mark.parametrize(
    ("row", "dtypes"),
    [
        (lambda i: (i / 2, i), [np.float32, np.int64]),
        (lambda i: [np.array([i, i], np.float64), i], [np.float64, np.int64]),
        (lambda i: (Tensor([i, i], dtype=np.float32), np.int8(i)), [np.float32, np.int8]),
        (lambda i: np.arange(i, i + 6).reshape(2, 3), [np.int64]),
        (lambda i: i, [np.int64]),
    ],
)
def test_an_object_is_asked_for_the_rows_of_a_batch(row, dtypes):
    dataset = Squares(row)
    loader = nn.DataLoader(dataset, batch_size=3, shuffle=True, seed=1)
    assert len(loader) == 2
    assert loader.dataset is dataset
    batches = iter(loader)
    dataset.asked.clear()
    for size in (3, 2):
        batch = next(batches)
        assert [array.dtype for array in batch] == dtypes
        items = [row(i) if len(dtypes) > 1 else (row(i),) for i in dataset.asked]
        for array, values in zip(batch, zip(*items, strict=True), strict=True):
            assert array.tolist() == [np.asarray(value).tolist() for value in values]
        assert len(dataset.asked) == size
        dataset.asked.clear()


@pytest.mark.parametrize("seed", [3, None])
def test_an_epoch_can_be_gone_on_with_elsewhere(seed):
    def loader():
        return nn.DataLoader((X, Y), batch_size=3, shuffle=True, seed=seed)

    first = loader()
    labels(first)
    state = json.loads(json.dumps(first.state_dict()))
    rest = [labels(first), labels(first)]
    second = loader()
    assert labels(second) not in rest
    second.load_state_dict(state)
    assert [labels(second), labels(second)] == rest


def test_a_generator_is_a_seed():
    generator = np.random.default_rng(3)
    loader = nn.DataLoader((X, Y), batch_size=7, shuffle=True, seed=generator)
    assert loader.generator is generator
    assert labels(loader) == labels(nn.DataLoader((X, Y), 7, shuffle=True, seed=3))


PCG64 = np.random.default_rng(0).bit_generator.state


@pytest.mark.parametrize(
    "state",
    [
        {},
        None,
        {"generator": None},
        {"generator": {"bit_generator": "PCG64"}},
        {"generator": PCG64 | {"bit_generator": "MT19937"}},
        {"generator": PCG64 | {"state": {"state": -1, "inc": 1}}},
        {"generator": PCG64 | {"state": {"state": "1", "inc": 1}}},
        {"generator": PCG64 | {"uinteger": -1}},
    ],
)
def test_a_state_that_is_none_is_refused_and_changes_nothing(state):
    loader = nn.DataLoader((X, Y), shuffle=True, seed=3)
    before = loader.state_dict()
    with pytest.raises(ValueError, match="no state of a DataLoader whose generator is a PCG64"):
        loader.load_state_dict(state)
    assert loader.state_dict() == before


@pytest.mark.parametrize(
    ("dataset", "options", "error", "message"),
    [
        ((X, Y[:5]), {}, ShapeError, r"lengths \[7, 5\]"),
        ((), {}, ValueError, "empty"),
        ([], {}, ValueError, "empty"),
        ((X[:0], Y[:0]), {}, ValueError, "no rows"),
        (range(0), {}, ValueError, "no rows"),
        (Tensor(1.0), {}, ValueError, "no rows"),
        ((X, Y), {"batch_size": 0}, ValueError, "at least 1, or None for all rows at once, got 0"),
        ((X, Y), {"batch_size": -2}, ValueError, "got -2"),
        ((X, Y), {"batch_size": 2.0}, TypeError, "a whole number or None, got 2.0"),
        ({"x": X, "y": Y}, {}, TypeError, "arrays such as .* got a dict"),
        (zip(X, Y, strict=True), {}, TypeError, "got a zip"),
        ([(1, 2), (1, 2, 3)], {}, ShapeError, r"as many parts each, got \[2, 3\]"),
        ([(X[0], 1), (X, 2)], {}, ShapeError, r"same shape, got the shapes \[\(2,\), \(7, 2\)\]"),
    ],
)
def test_mistakes(dataset, options, error, message):
    with pytest.raises(error, match=message):
        nn.DataLoader(dataset, **options)


def test_rows_that_do_not_fit_together_are_an_error_of_their_batch():
    loader = nn.DataLoader(Squares(lambda i: np.zeros(i)), batch_size=2)
    with pytest.raises(ShapeError, match=r"same shape, got the shapes \[\(0,\), \(1,\)\]"):
        next(iter(loader))


# ---- random_split ------------------------------------------------------------------------------

PAIRS = list(zip(X.tolist(), Y.tolist(), strict=True))


def rows_of(part):
    """The rows of a part as pairs of lists, whatever its form."""
    x, y = part if isinstance(part, tuple) else zip(*part, strict=True)
    return list(zip(map(list, x), map(int, y), strict=True))


@pytest.mark.parametrize(
    ("dataset", "kind"),
    [
        ((X, Y), tuple),
        ([X, Y], tuple),
        ((Tensor(X), Tensor(Y)), tuple),
        (Dataset(X, Y, ["odd"]), Dataset),
        (PAIRS, list),
        (nn.Subset(PAIRS, range(7)), nn.Subset),
    ],
    ids=["tuple", "list", "tensors", "Dataset", "pairs", "object"],
)
def test_the_parts_have_the_form_of_the_whole_and_each_row_once(dataset, kind):
    parts = nn.random_split(dataset, [4, 3], seed=0)
    assert [type(part) for part in parts] == [kind, kind]
    rows = [row for part in parts for row in rows_of(part)]
    assert rows != PAIRS
    assert sorted(rows) == PAIRS
    assert [len(nn.DataLoader(part)) for part in parts] == [4, 3]
    if kind is Dataset:
        assert parts[1].classes == ("odd",)
        assert not np.shares_memory(parts[1].x, X)


def test_a_single_array_is_split_into_arrays():
    first, second = nn.random_split(Y, [4, 3], seed=0)
    assert sorted([*first, *second]) == list(range(7))


def test_the_split_follows_its_seed_or_manual_seed():
    def split(seed):
        return nn.random_split(Y, [4, 3], seed=seed)[0].tolist()

    assert split(1) == split(1) == split(np.random.default_rng(1)) != split(2)
    manual_seed(1)
    assert split(None) == split(1)
    assert split(None) != split(1)


@pytest.mark.parametrize(
    ("lengths", "sizes"),
    [
        ([7], [7]),
        ([0, 7], [0, 7]),
        ([0.5, 0.5], [4, 3]),
        ([0.6, 0.3, 0.1], [5, 2, 0]),
        ([0.7, 0.2, 0.1], [5, 2, 0]),
        ([0.1] * 10, [1] * 7 + [0] * 3),
        ([1.0], [7]),
        ([0, 1], [0, 7]),
        ((1 / 3, 1 / 3, 1 / 3), [3, 2, 2]),
    ],
)
def test_lengths_and_shares(lengths, sizes):
    assert [len(part) for part in nn.random_split(Y, lengths, seed=0)] == sizes


@pytest.mark.parametrize(
    "lengths", [[], [3, 3], [8, -1], [0.5, 0.4], [1.5, -0.5], [3.5, 3.5], [np.nan, 1]]
)
def test_lengths_that_do_not_add_up(lengths):
    with pytest.raises(ValueError, match="lengths"):
        nn.random_split(Y, lengths)
