"""Data sets to learn from. The digits are bundled: no network is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Dataset(NamedTuple):
    """Inputs x and what they are to be recognised as, y: one row of x for each element of y."""

    x: Array
    y: Array


def digits(test_fraction: float = 0.2, seed: int = 0) -> tuple[Dataset, Dataset]:
    """1,797 handwritten digits of 8×8 pixels, split into a train and a test part.

    test_fraction: the share of each class that goes to the test part, between 0 and 1.
    seed: another seed is another split; the same seed is always the same split.

    Returns (train, test). x is float32 of shape (N, 64), from 0 (paper) to 1 (ink); y is int64 of
    shape (N,), the digit. `x.reshape(-1, 8, 8)` gives images, `x.reshape(-1, 1, 8, 8)` images with
    a channel axis, as a convolution wants them.

    Source: Alpaydin and Kaynak (1998), UCI Machine Learning Repository, doi:10.24432/C50P49,
    CC BY 4.0.

    >>> train, test = digits()
    >>> train.x.shape, test.x.shape
    ((1438, 64), (359, 64))
    """
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction lies between 0 and 1, got {test_fraction}")
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as stored:
        images, labels = stored["images"], stored["labels"]
    x = images.reshape(len(images), -1).astype(np.float32) / 16
    y = labels.astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(y))
    in_test = np.zeros(len(y), bool)
    for digit in range(10):  # the same share of each digit
        rows = order[y[order] == digit]
        in_test[rows[: round(test_fraction * len(rows))]] = True
    train, test = order[~in_test[order]], order[in_test[order]]
    return Dataset(x[train], y[train]), Dataset(x[test], y[test])
