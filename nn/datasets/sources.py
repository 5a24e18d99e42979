"""Where the image collections are, and what is known of their files before they are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nn.datasets.download import RemoteFile

Names = Sequence[str | int]  # classes, by name or number


class IdxFile(NamedTuple):
    """An array of bytes in MNIST's format."""

    shape: tuple[int, ...]
    md5: str  # unpacked
    packed: RemoteFile


class IdxSource(NamedTuple):
    """A collection in MNIST's format: images and labels, to train and to test."""

    folder: str
    mirrors: Sequence[str]
    classes: Sequence[str]
    train: tuple[IdxFile, IdxFile]
    test: tuple[IdxFile, IdxFile]


class CifarSource(NamedTuple):
    """A collection in CIFAR-10's binary format: an archive of files with rows of bytes."""

    folder: str
    mirrors: Sequence[str]
    classes: Sequence[str]
    train: Sequence[str]
    test: Sequence[str]
    images: int  # in each file
    packed: RemoteFile


def _idx(name: str, shape: tuple[int, ...], md5: str, size: int, packed_md5: str) -> IdxFile:
    return IdxFile(shape, md5, RemoteFile(f"{name}.gz", size, packed_md5))


# fmt: off
MNIST = IdxSource(
    folder="MNIST/raw",
    mirrors=("https://ossci-datasets.s3.amazonaws.com/mnist/",),
    classes=tuple("0123456789"),
    train=(
        _idx("train-images-idx3-ubyte", (60000, 28, 28), "6bbc9ace898e44ae57da46a324031adb",
             9912422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        _idx("train-labels-idx1-ubyte", (60000,), "a25bea736e30d166cdddb491f175f624",
             28881, "d53e105ee54ea40749a09fcbcd1e9432"),
    ),
    test=(
        _idx("t10k-images-idx3-ubyte", (10000, 28, 28), "2646ac647ad5339dbf082846283269ea",
             1648877, "9fb629c4189551a2d022fa330f9573f3"),
        _idx("t10k-labels-idx1-ubyte", (10000,), "27ae3e4e09519cfbb04c329615203637",
             4542, "ec29112dd5afa0611ce80d1b7f02629c"),
    ),
)

FASHION_MNIST = IdxSource(
    folder="FashionMNIST/raw",
    mirrors=(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    classes=("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
             "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    train=(
        _idx("train-images-idx3-ubyte", (60000, 28, 28), "f4a8712d7a061bf5bd6d2ca38dc4d50a",
             26421880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        _idx("train-labels-idx1-ubyte", (60000,), "9018921c3c673c538a1fc5bad174d6f9",
             29515, "25c81989df183df01b3e8a0aad5dffbe"),
    ),
    test=(
        _idx("t10k-images-idx3-ubyte", (10000, 28, 28), "8181f5470baa50b63fa0f6fddb340f0a",
             4422102, "bef4ecab320f06d8554ea6380940ec79"),
        _idx("t10k-labels-idx1-ubyte", (10000,), "15d484375f8d13e6eb1aabb0c3f46965",
             5148, "bb300cfdad3c16e7a12a480ee83cd310"),
    ),
)
# fmt: on

CIFAR10 = CifarSource(
    folder="cifar-10-batches-bin",
    mirrors=("https://www.cs.toronto.edu/~kriz/",),
    classes=(
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
    train=[f"data_batch_{i}.bin" for i in range(1, 6)],
    test=["test_batch.bin"],
    images=10000,
    packed=RemoteFile("cifar-10-binary.tar.gz", 170052171, "c32a1d4ab5d03f1284b67883e8d87530"),
)
