"""DataLoader: a data set in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_sm import Tensor, default_generator, get_default_dtype

Array = npt.NDArray[Any]


class DataLoader:
    """Go through a data set batch by batch; each `for` loop over it is one epoch.

    dataset: arrays or Tensors of the same length, such as (x, y), or a sequence of (x, y) pairs.
    batch_size: how many rows a gradient is computed from. This is what makes gradient descent
        stochastic (1), mini-batch (some) or batch (None: all rows at once).
    shuffle: take the rows in a new random order in every epoch.
    drop_last: leave out a last batch that is shorter than the others.
    seed: of the order, for a sequence of epochs that can be repeated; None takes the random numbers
        that `tinygrad_sm.manual_seed` governs.

    A batch is a tuple with a Tensor for each array.

    >>> loader = DataLoader((np.arange(5.0), np.arange(5)), batch_size=2)
    >>> [y.tolist() for x, y in loader]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Sequence[Any],
        batch_size: int | None = 1,
        shuffle: bool = False,
        drop_last: bool = False,
        seed: int | None = None,
    ) -> None:
        self.arrays = _columns(dataset)
        self.length = len(self.arrays[0])
        if batch_size is not None and batch_size < 1:
            raise ValueError(
                f"batch_size is at least 1, or None for all rows at once, got {batch_size}"
            )
        self.batch_size = batch_size or self.length
        self.shuffle = shuffle
        self.drop_last = drop_last
        self._generator = None if seed is None else np.random.default_rng(seed)

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        full, rest = divmod(self.length, self.batch_size)
        return full + bool(rest and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        order = np.arange(self.length)
        if self.shuffle:
            (self._generator or default_generator()).shuffle(order)
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            rows = order[start : start + self.batch_size]
            # Picking rows by index copies them, so nobody else holds a batch's memory.
            yield tuple([Tensor(array[rows], copy=False) for array in self.arrays])


def _column(values: Any) -> Array:
    """One array of a data set. Python floats get the default dtype, as in a Tensor."""
    array = np.asarray(values)
    plain = isinstance(values, list | tuple) and isinstance(values[0], float | int | list | tuple)
    if plain and array.dtype == np.float64 and not isinstance(values[0], np.generic):
        array = array.astype(get_default_dtype())
    return array


def _columns(dataset: Sequence[Any]) -> list[Array]:
    """The arrays of a data set: one of x, one of y, ..."""
    if not len(dataset):
        raise ValueError("the data set is empty")
    if not isinstance(dataset, tuple | list):
        dataset = (dataset,)
    if isinstance(dataset, list) and isinstance(dataset[0], tuple | list):
        dataset = tuple(zip(*dataset, strict=True))  # pairs: turn rows into columns
    arrays = [_column(column) for column in dataset]
    lengths = [len(a) if a.ndim else 0 for a in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(
            f"the arrays of a data set need the same number of rows, got lengths {lengths}"
        )
    if not lengths[0]:
        raise ValueError("the data set has no rows")
    return arrays
