"""Data sets to learn from: bundled, generated, and downloaded.

* `digits` comes with the package: no network is needed.
* `moons`, `circles`, `blobs`, `spirals` and `xor` are points in the plane, made on the spot.
* `mnist`, `fashion_mnist` and `cifar10` are fetched once, checked, and kept in a folder.
"""

from nn.datasets.bundled import digits
from nn.datasets.dataset import Dataset
from nn.datasets.download import DownloadError
from nn.datasets.generated import blobs, circles, moons, spirals, xor
from nn.datasets.images import cifar10, fashion_mnist, mnist

__all__ = [
    "Dataset",
    "DownloadError",
    "blobs",
    "cifar10",
    "circles",
    "digits",
    "fashion_mnist",
    "mnist",
    "moons",
    "spirals",
    "xor",
]
