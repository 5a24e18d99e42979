"""The data set that comes with the package."""

from __future__ import annotations

from os import path

import numpy as np

from nn.datasets.dataset import Dataset


def digits(
    test_fraction: float = 0.2, seed: int = 0, flatten: bool = True
) -> tuple[Dataset, Dataset]:
    """1,797 handwritten digits of 8×8 pixels, split into a train and a test part.

    test_fraction: the share of each class that goes to the test part, between 0 and 1.
    seed: another seed is another split; the same seed is always the same split.
    flatten: an image is a row of 64 numbers; if False, an array (1, 8, 8) with a channel axis, as a
        convolution wants it.

    Returns (train, test). x is float32 of shape (N, 64) or (N, 1, 8, 8), from 0 (paper) to 1 (ink);
    y is int64 of shape (N,), the digit.

    Source: Alpaydin and Kaynak (1998), UCI Machine Learning Repository, doi:10.24432/C50P49,
    CC BY 4.0.

    >>> train, test = digits()
    >>> train.x.shape, test.x.shape
    ((1438, 64), (359, 64))
    """
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction lies between 0 and 1, got {test_fraction}")
    with np.load(path.join(path.dirname(__file__), "digits.npz"), allow_pickle=False) as stored:
        images, labels = stored["images"], stored["labels"]
    shape = (-1,) if flatten else (1, 8, 8)
    x = images.reshape(len(images), *shape).astype(np.float32) / 16
    data = Dataset(x, labels.astype(np.int64), map(str, range(10)))
    order = np.random.default_rng(seed).permutation(len(x))
    in_test = np.zeros(len(x), bool)
    for digit in range(10):  # the same share of each digit
        rows = order[data.y[order] == digit]
        in_test[rows[: round(test_fraction * len(rows))]] = True
    return data.take(order[~in_test[order]]), data.take(order[in_test[order]])
