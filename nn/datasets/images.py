"""Image collections that are fetched once and kept: MNIST, Fashion-MNIST and CIFAR-10.

The files lie where torchvision has them, so that both can share a folder, and files that are there
already are read, packed or not:

    root/MNIST/raw/train-images-idx3-ubyte.gz            … and three more
    root/FashionMNIST/raw/train-images-idx3-ubyte.gz     … and three more
    root/cifar-10-binary.tar.gz                          or root/cifar-10-batches-bin/*.bin

Whatever a file says about itself is checked before it is believed, nothing is read beyond the size
that is known of it, and no pickle is loaded: CIFAR-10 is read in its binary version.
"""

from __future__ import annotations

import gzip
import io
import math
import os
import tarfile
import zlib
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nn.datasets.dataset import Array, Dataset
from nn.datasets.download import RemoteFile, check_md5, data_folder, fetch

Root = str | os.PathLike[str] | None
Names = Collection[str | int]


def mnist(
    root: Root = None,
    download: bool = True,
    classes: Names | None = None,
    flatten: bool = False,
) -> tuple[Dataset, Dataset]:
    """70,000 handwritten digits of 28×28 pixels: 60,000 to train, 10,000 to test (12 MB to fetch).

    root: the folder that holds the files; None takes the folder in the environment variable
        TINYGRAD_SM_DATA, else ~/.cache/tinygrad_sm.
    download: fetch files that are not there.
    classes: the classes to keep, by name or number, numbered anew in the order given; None
        keeps all.
    flatten: an image is a row of numbers, (N, 784), as a linear layer wants it.

    Returns (train, test). x is float32 of shape (N, 1, 28, 28), from 0 (paper) to 1 (ink); y is
    int64 of shape (N,). The names of the classes are in `train.classes`.

    Raises DownloadError (an OSError) if a file cannot be fetched, FileNotFoundError if it is not
    there and download is False, ValueError if what is there is not the file it should be.

    Source: LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist (sizes and format); checksums
    and mirror as in torchvision.datasets.MNIST.
    """
    return _load_idx(MNIST, root, download, classes, flatten)


def fashion_mnist(
    root: Root = None,
    download: bool = True,
    classes: Names | None = None,
    flatten: bool = False,
) -> tuple[Dataset, Dataset]:
    """70,000 pictures of clothes, in the format of MNIST and harder to tell apart (31 MB to fetch).

    Arguments, results and errors are those of `mnist`; the classes are T-shirt/top, Trouser,
    Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag and Ankle boot.

    Source: Xiao, Rasul and Vollgraf (2017), arXiv:1708.07747, MIT licence; checksums as in
    torchvision.datasets.FashionMNIST and at https://github.com/zalandoresearch/fashion-mnist.
    """
    return _load_idx(FASHION_MNIST, root, download, classes, flatten)


def cifar10(
    root: Root = None,
    download: bool = True,
    classes: Names | None = None,
    flatten: bool = False,
) -> tuple[Dataset, Dataset]:
    """60,000 colour photographs of 32×32 pixels: 50,000 to train, 10,000 to test (170 MB to fetch).

    Arguments and errors are those of `mnist`. x has the shape (N, 3, 32, 32), red, green and blue;
    flat (N, 3072). All of it takes 740 MB in memory, a few classes their share:

        train, test = cifar10(classes=("cat", "dog", "bird"))    # cat 0, dog 1, bird 2

    The classes are airplane, automobile, bird, cat, deer, dog, frog, horse, ship and truck.

    Source: Krizhevsky (2009), "Learning Multiple Layers of Features from Tiny Images"; format and
    checksum at https://www.cs.toronto.edu/~kriz/cifar.html.
    """
    return _load_cifar(CIFAR10, root, download, classes, flatten)


# ---- where the collections are, and what is known of their files --------------------------------


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


# ---- MNIST's format ------------------------------------------------------------------------------


def _load_idx(
    source: IdxSource, root: Root, download: bool, classes: Names | None, flatten: bool
) -> tuple[Dataset, Dataset]:
    chosen = _class_numbers(classes, source.classes)
    root = data_folder(root)
    folders = (root / source.folder, root)

    def part(files: tuple[IdxFile, IdxFile]) -> Dataset:
        images, labels = [_read_idx(locate(file.packed), file) for file in files]
        return _dataset(images[:, None], labels, source.classes, chosen, flatten)

    def locate(file: RemoteFile) -> Path:
        names = (file.name, file.name.removesuffix(".gz"))
        found = _first(folder / name for folder in folders for name in names)
        return found or _fetch(file, folders[0], source.mirrors, download)

    return part(source.train), part(source.test)


def _read_idx(path: Path, file: IdxFile) -> Array:
    """The array in an IDX file: two zero bytes, 8 for unsigned bytes, the number of axes, the
    length of each axis as four bytes, big end first, and the numbers, the last axis fastest."""
    lengths = [length.to_bytes(4, "big") for length in file.shape]
    header = bytes([0, 0, 8, len(lengths)]) + b"".join(lengths)
    size = len(header) + math.prod(file.shape)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as opened:
            content = opened.read(size + 1)
        if content[:4] != header[:4]:
            raise ValueError(f"its magic number is {content[:4].hex()}, not {header[:4].hex()}")
        if content[: len(header)] != header:
            raise ValueError(f"its shape is not {file.shape}")
        if len(content) != size:
            raise ValueError(_wrong_size(len(content), size))
        check_md5(io.BytesIO(content), file.md5)
    except NOT_THE_FILE as error:
        raise _unusable(path, error) from error
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(file.shape)


# ---- CIFAR-10's format ---------------------------------------------------------------------------

CIFAR_SHAPE = (3, 32, 32)
CIFAR_ROW = 1 + math.prod(CIFAR_SHAPE)  # the label, then the pixels, color by color


def _load_cifar(
    source: CifarSource, root: Root, download: bool, classes: Names | None, flatten: bool
) -> tuple[Dataset, Dataset]:
    chosen = _class_numbers(classes, source.classes)
    root = data_folder(root)
    size = source.images * CIFAR_ROW
    names = (*source.train, *source.test)
    unpacked = [_first((root / source.folder / name, root / name)) for name in names]
    if all(unpacked):
        contents = {
            name: _read_whole(path, size)
            for name, path in zip(names, unpacked, strict=True)
            if path
        }
    else:
        path = _first([root / source.packed.name])
        path = path or _fetch(source.packed, root, source.mirrors, download)
        contents = _read_archive(path, source, size)

    def part(names: Sequence[str]) -> Dataset:
        rows = np.frombuffer(b"".join([contents.pop(name) for name in names]), np.uint8)
        rows = rows.reshape(-1, CIFAR_ROW)
        images = rows[:, 1:].reshape(-1, *CIFAR_SHAPE)
        return _dataset(images, rows[:, 0], source.classes, chosen, flatten)

    return part(source.train), part(source.test)


def _read_whole(path: Path, size: int) -> bytes:
    """The content of a file that has this size."""
    with path.open("rb") as file:
        content = file.read(size + 1)
    if len(content) != size:
        raise _unusable(path, _wrong_size(len(content), size))
    return content


def _read_archive(path: Path, source: CifarSource, size: int) -> dict[str, bytes]:
    """The contents of the files of the collection, by name. Nothing is unpacked onto the disk."""
    names = {f"{source.folder}/{name}": name for name in (*source.train, *source.test)}
    contents = {}
    try:
        with path.open("rb") as packed:
            check_md5(packed, source.packed.md5)
        with gzip.open(path) as stream:
            bounded: Any = _Bounded(stream, len(names) * size + (1 << 20))
            with tarfile.open(fileobj=bounded, mode="r|") as archive:
                for member in archive:
                    _refuse_traversal(member.name)
                    if (name := names.get(member.name)) is None:
                        continue  # a text beside the images
                    if not member.isreg():
                        raise ValueError(f"{member.name} is no plain file in it")
                    if member.size != size:
                        raise ValueError(f"{member.name}: {_wrong_size(member.size, size)}")
                    if file := archive.extractfile(member):
                        contents[name] = file.read()
        if missing := set(names.values()) - set(contents):
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    except (*NOT_THE_FILE, tarfile.TarError) as error:
        raise _unusable(path, error) from error
    return contents


def _refuse_traversal(name: str) -> None:
    """Raise ValueError for a name in an archive that leads out of its folder."""
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or not parts[0] or parts[0].endswith(":"):
        raise ValueError(f"it has a file {name!r}, which leads out of its folder")


class _Bounded:
    """A stream to read from, up to a number of bytes: a small archive can unpack to any size."""

    def __init__(self, stream: io.BufferedIOBase, limit: int) -> None:
        self.stream = stream
        self.left = limit

    def read(self, size: int) -> bytes:
        """The next bytes."""
        chunk = self.stream.read(size)
        self.left -= len(chunk)
        if self.left < 0:
            raise ValueError("it unpacks to more than the collection")
        return chunk


# ---- what both share -----------------------------------------------------------------------------

NOT_THE_FILE = (ValueError, EOFError, gzip.BadGzipFile, zlib.error)


def _first(paths: Iterable[Path]) -> Path | None:
    """The first of the paths where there is a file."""
    return next((path for path in paths if path.is_file()), None)


def _fetch(file: RemoteFile, folder: Path, mirrors: Sequence[str], download: bool) -> Path:
    if not download:
        raise FileNotFoundError(
            f"there is no {file.name} in {folder}: put it there by hand, from {mirrors[0]}, "
            "or let download=True fetch it"
        )
    return fetch(file, folder, mirrors)


def _unusable(path: Path, reason: object) -> ValueError:
    return ValueError(f"{path} cannot be used: {reason}. Remove it, and it is downloaded anew")


def _wrong_size(found: int, needed: int) -> str:
    return f"it is too {'short' if found < needed else 'long'}, {needed} bytes are needed"


def _class_numbers(classes: Names | None, names: Sequence[str]) -> list[int]:
    """The numbers of the classes to keep."""
    if classes is None:
        return list(range(len(names)))
    if isinstance(classes, str) or not len(classes):
        raise ValueError(
            f"classes is a tuple of names or numbers, such as ({names[0]!r},), got {classes!r}"
        )
    chosen = []
    for name in classes:
        number = names.index(name) if name in names else name
        if not isinstance(number, int) or not 0 <= number < len(names):
            raise ValueError(f"there is no class {name!r}; the classes are {', '.join(names)}")
        chosen.append(number)
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"each class can be asked for once, got {classes}")
    return chosen


def _dataset(
    images: Array, labels: Array, names: Sequence[str], chosen: list[int], flatten: bool
) -> Dataset:
    """The images of the chosen classes as numbers from 0 to 1."""
    if labels.max() >= len(names):
        raise ValueError(f"there are {len(names)} classes, but a label {labels.max()} in the file")
    renumbered = np.full(len(names), -1)
    renumbered[chosen] = np.arange(len(chosen))
    y = renumbered[labels]
    if len(chosen) < len(names):
        images, y = images[y >= 0], y[y >= 0]
    x = images.astype(np.float32)
    x /= 255
    return Dataset(x.reshape(len(x), -1) if flatten else x, y, [names[k] for k in chosen])
