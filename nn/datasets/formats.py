"""Reading the files of image collections, none of which is trusted.

Whatever a file says about itself is checked before it is believed, nothing is read beyond the size
that is known of it, and no pickle is loaded.
"""

from __future__ import annotations

import gzip
import io
import math
import tarfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nn.datasets.dataset import Array, Dataset
from nn.datasets.download import RemoteFile, check_md5, fetch
from nn.datasets.sources import CifarSource, IdxFile, IdxSource, Names

# ---- MNIST's format ------------------------------------------------------------------------------


def load_idx(
    source: IdxSource, root: Path, download: bool, classes: Names | None, flatten: bool
) -> tuple[Dataset, Dataset]:
    """The train and test part of a collection in MNIST's format."""
    chosen = _class_numbers(classes, source.classes)
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
        if len(content) < len(header):
            raise ValueError(_wrong_size(len(content), size))
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
SPARE = 1 << 20  # bytes for what an archive holds besides the images
CIFAR_ROW = 1 + math.prod(CIFAR_SHAPE)  # the label, then the pixels, colour by colour


def load_cifar(
    source: CifarSource, root: Path, download: bool, classes: Names | None, flatten: bool
) -> tuple[Dataset, Dataset]:
    """The train and test part of a collection in CIFAR-10's binary format."""
    chosen = _class_numbers(classes, source.classes)
    size = source.images * CIFAR_ROW
    names = (*source.train, *source.test)
    places = {name: _first((root / source.folder / name, root / name)) for name in names}
    unpacked = {name: path for name, path in places.items() if path}
    if len(unpacked) == len(names):
        contents = {name: _read_whole(path, size) for name, path in unpacked.items()}
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
            bounded: Any = _Bounded(stream, len(names) * size + SPARE)
            with tarfile.open(fileobj=bounded, mode="r|", bufsize=1 << 20) as archive:
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
        if not isinstance(number, int | np.integer) or not 0 <= number < len(names):
            raise ValueError(f"there is no class {name!r}; the classes are {', '.join(names)}")
        chosen.append(int(number))
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
