"""A data set in batches, and in parts.

A data set is one of

* arrays or Tensors with the same number of rows, such as (x, y), or one of them alone;
* a list of (x, y) pairs;
* an object with `len(dataset)` and `dataset[i]` that gives the pair (x, y) of row i when asked for
  it, as PyTorch's data sets do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_sm import ShapeError, Tensor, default_generator, get_default_dtype

Array = npt.NDArray[Any]


class DataLoader:
    """Go through a data set batch by batch; each `for` loop over it is one epoch.

    dataset: arrays or Tensors of the same length, such as (x, y); a list of (x, y) pairs; or an
        object with `len(dataset)` and `dataset[i]`, which is asked for the rows of a batch when
        the batch is needed.
    batch_size: how many rows a gradient is computed from. This is what makes gradient descent
        stochastic (1), mini-batch (some) or batch (None: all rows at once).
    shuffle: take the rows in a new random order in every epoch.
    drop_last: leave out a last batch that is shorter than the others.
    seed: of the order, for a sequence of epochs that can be repeated; or a NumPy generator. None
        takes the random numbers that `tinygrad_sm.manual_seed` governs.

    A batch is a tuple with a Tensor for each array.

    >>> loader = DataLoader((np.arange(5.0), np.arange(5)), batch_size=2)
    >>> [y.tolist() for x, y in loader]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool = False,
        drop_last: bool = False,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        self.dataset = dataset
        self.rows: Columns | Items = Items(dataset) if _is_items(dataset) else Columns(dataset)
        if not len(self.rows):
            raise ValueError("the data set has no rows")
        if batch_size is not None and not isinstance(batch_size, int | np.integer):
            raise TypeError(f"batch_size is a whole number or None, got {batch_size!r}")
        if batch_size is not None and batch_size < 1:
            raise ValueError(
                f"batch_size is at least 1, or None for all rows at once, got {batch_size}"
            )
        self.batch_size = batch_size or len(self.rows)
        self.shuffle = shuffle
        self.drop_last = drop_last
        self._own_generator = None if seed is None else np.random.default_rng(seed)

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        full, rest = divmod(len(self.rows), self.batch_size)
        return full + bool(rest and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        order = np.arange(len(self.rows))
        if self.shuffle:
            self.generator.shuffle(order)
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            # Nobody else holds the memory of what `take` gives.
            arrays = self.rows.take(order[start : start + self.batch_size])
            yield tuple([Tensor(array, copy=False) for array in arrays])

    @property
    def generator(self) -> np.random.Generator:
        """Where the order of an epoch comes from."""
        return self._own_generator or default_generator()

    def state_dict(self) -> dict[str, Any]:
        """The state of the generator: what is needed to go on with the next epoch elsewhere.

        Taken between two epochs, and loaded into a loader of the same data, it makes the epochs to
        come the same to the bit. It holds texts and whole numbers only. Without a seed it is
        the state of the package's generator, which other random numbers come from too.

        >>> loader = DataLoader(np.arange(5), batch_size=None, shuffle=True, seed=0)
        >>> state = loader.state_dict()
        >>> ((first,),) = loader
        >>> loader.load_state_dict(state)
        >>> ((again,),) = loader
        >>> first.tolist() == again.tolist()
        True
        """
        return {"generator": self.generator.bit_generator.state}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a state that `state_dict` gave."""
        bits = self.generator.bit_generator
        try:
            checked = type(bits)()
            checked.state = state_dict["generator"]
        except (TypeError, KeyError, ValueError, OverflowError) as error:
            raise ValueError(
                f"no state of a DataLoader whose generator is a {type(bits).__name__} "
                f"({type(error).__name__}: {error}); state_dict() gives one"
            ) from error
        bits.state = checked.state


class Subset:
    """Some rows of a data set that gives its rows when asked for them.

    >>> subset = Subset("abcde", [4, 0])
    >>> len(subset), subset[0]
    (2, 'e')
    """

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, i: int) -> Any:
        return self.dataset[int(self.indices[i])]


def random_split(
    dataset: Any,
    lengths: Sequence[int | float],
    seed: int | np.random.Generator | None = None,
) -> list[Any]:
    """Split a data set at random into parts that have no row in common.

    dataset: whatever a DataLoader takes.
    lengths: how many rows each part gets, which add up to all of them; or their shares, which
        add up to 1. A share is rounded down, and the rows left over go to the parts in turn.
    seed: the same seed is always the same split; or a NumPy generator. None takes the random
        numbers that `tinygrad_sm.manual_seed` governs.

    Returns a list of parts, each of the form that the data set has: a `Dataset` of a `Dataset`, a
    tuple of arrays of arrays, a list of a list; a `Subset` of an object with `dataset[i]`.

    >>> import nn
    >>> train, held_out = random_split(nn.datasets.moons(100), [0.8, 0.2], seed=0)
    >>> train.x.shape, held_out.x.shape
    ((80, 2), (20, 2))
    """
    rows: Columns | Items = Items(dataset) if _is_items(dataset) else Columns(dataset)
    sizes = _part_sizes(lengths, len(rows))
    generator = default_generator() if seed is None else np.random.default_rng(seed)
    order = generator.permutation(len(rows))
    return [_part(dataset, rows, part) for part in np.split(order, np.cumsum(sizes)[:-1])]


def _part(dataset: Any, rows: Columns | Items, part: Array) -> Any:
    """Some rows of a data set, in its own form."""
    from nn.datasets.dataset import Dataset  # here, for importing nn to stay quick

    if isinstance(dataset, Dataset):
        return dataset.take(part)
    if _is_pairs(dataset):
        return [dataset[i] for i in part]
    if isinstance(rows, Items):
        return Subset(dataset, part.tolist())
    arrays = rows.take(part)
    return arrays if isinstance(dataset, tuple | list) else arrays[0]


def _part_sizes(lengths: Sequence[int | float], total: int) -> list[int]:
    """Shares as numbers of rows, and numbers of rows checked."""
    if not lengths or any(not length >= 0 for length in lengths):
        raise ValueError(f"lengths are numbers from 0 up, one for each part, got {lengths}")
    if math.isclose(sum(lengths), 1):
        sizes = [math.floor(total * share) for share in lengths]
        for left_over in range(total - sum(sizes)):
            sizes[left_over % len(sizes)] += 1
        return sizes
    if sum(lengths) != total or any(length != int(length) for length in lengths):
        raise ValueError(
            f"lengths add up to 1 as shares, or to the {total} rows of the data set as whole "
            f"numbers, got {lengths}, which add up to {sum(lengths)}"
        )
    return [int(length) for length in lengths]


# ---- the rows of a data set ---------------------------------------------------------------------


class Columns:
    """A data set that is there as arrays: one of x, one of y, …"""

    def __init__(self, dataset: Any) -> None:
        if not isinstance(dataset, tuple | list):
            dataset = (dataset,)
        elif not dataset:
            raise ValueError("the data set is empty")
        self.arrays = _columns(dataset) if _is_pairs(dataset) else [_column(a) for a in dataset]
        lengths = [len(a) if a.ndim else 0 for a in self.arrays]
        if len(set(lengths)) > 1:
            raise ShapeError(
                f"the arrays of a data set need the same number of rows, got lengths {lengths}"
            )

    def __len__(self) -> int:
        return len(self.arrays[0]) if self.arrays[0].ndim else 0

    def take(self, rows: Array) -> tuple[Array, ...]:
        """Some rows of every array, copied."""
        return tuple([array[rows] for array in self.arrays])


class Items:
    """A data set that gives its rows one by one."""

    def __init__(self, dataset: Any) -> None:
        if isinstance(dataset, Mapping) or not (
            hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")
        ):
            raise TypeError(
                "a data set is arrays such as (x, y), a list of pairs, or an object with "
                f"len(dataset) and dataset[i], got a {type(dataset).__name__}"
            )
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def take(self, rows: Array) -> tuple[Array, ...]:
        """Some rows, put into arrays."""
        items = [self.dataset[i] for i in rows.tolist()]
        return tuple(_columns([x if isinstance(x, tuple | list) else (x,) for x in items]))


def _is_items(dataset: Any) -> bool:
    """Whether a data set has to be asked for its rows."""
    return not (isinstance(dataset, tuple | list | Tensor) or hasattr(dataset, "__array__"))


def _is_pairs(dataset: Any) -> bool:
    return isinstance(dataset, list) and bool(dataset) and isinstance(dataset[0], tuple | list)


def _columns(items: Sequence[Sequence[Any]]) -> list[Array]:
    """Rows turned into columns: (x, y) pairs into an array of x and one of y."""
    widths = {len(item) for item in items}
    if len(widths) > 1:
        raise ShapeError(f"the rows of a data set need as many parts each, got {sorted(widths)}")
    return [_column(column) for column in zip(*items, strict=True)]


def _column(values: Any) -> Array:
    """One array of a data set. Python floats get the default dtype, as in a Tensor."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        shapes = sorted({np.shape(value) for value in values})
        raise ShapeError(
            f"the rows of an array need the same shape, got the shapes {shapes[:3]}: "
            "bring them to one size first"
        ) from error
    plain = isinstance(values, list | tuple) and isinstance(values[0], float | int | list | tuple)
    if plain and array.dtype == np.float64 and not isinstance(values[0], np.generic):
        array = array.astype(get_default_dtype())
    return array
