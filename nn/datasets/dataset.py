"""Dataset: what every data set of this package is given as."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class _Pair(NamedTuple):
    x: Array
    y: Array


class Dataset(_Pair):
    """Inputs x and what they are to be recognised as, y: one row of x for each element of y.

    It is a pair, `x, y = dataset`, with the names of the classes beside it: class k is called
    `classes[k]`; the tuple is empty where they have no names.

    >>> Dataset(np.zeros((2, 3)), np.array([0, 1]), ("cat", "dog")).classes
    ('cat', 'dog')
    """

    classes: tuple[str, ...]

    def __new__(cls, x: Array, y: Array, classes: Iterable[str] = ()) -> Dataset:
        self = super().__new__(cls, x, y)
        self.classes = tuple(classes)
        return self

    def take(self, rows: Any) -> Dataset:
        """Some of the rows, copied: given by their numbers, a mask, or a slice."""
        return Dataset(np.array(self.x[rows]), np.array(self.y[rows]), self.classes)
