"""Saving and loading: weights, and all that training needs to go on, in files without pickle.

A `.npz` file holds one array for each name, as `numpy.savez` writes it. Where there is more than
names and arrays (an optimizer's numbers, the state of a random generator), the part
`structure.json` in it says how they hang together. A `.safetensors` file holds names and arrays.
The names and layouts are PyTorch's.

    nn.save(model, "weights.npz")
    model.load_state_dict(nn.load("weights.npz"))

To stop in the middle of training and go on to the same bits later:

    random = tinygrad_sm.default_generator().bit_generator
    nn.save({"model": model, "optimizer": optimizer, "random": random.state}, "training.npz")

    state = nn.load("training.npz")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    random.state = state["random"]

A file may come from anywhere, so everything in it is checked before it is believed: nothing is
unpickled or written to disk, no array is larger than the bytes that are there, and whatever is
wrong is a ValueError.
"""

from __future__ import annotations

import io
import json
import math
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from tinygrad_sm import DtypeError, Tensor

Array = npt.NDArray[Any]

STRUCTURE = "structure.json"


def save(state: Any, path: str | os.PathLike[str]) -> None:
    """Write a model or a state to a file, `.npz` or `.safetensors` by the path's ending.

    state: a module, a `state_dict`, or (`.npz` only) dicts, lists and tuples, nested as you like,
        of arrays, Tensors, numbers, strings, None, and objects that have a `state_dict`. The keys
        of dicts are strings or ints.

    The file appears complete or not at all: it is written under another name and then moved.
    """
    path, (write, _) = _format(path)
    arrays: dict[str, Array] = {}
    structure = _pack(state, "", arrays)
    flat = {"dict": [[name, {"array": name}] for name in arrays]}  # where that is all there is
    text = None if structure == flat else json.dumps(structure)
    partial = path.with_name(f".{path.name}.{os.urandom(4).hex()}.partial")
    try:
        with open(partial, "xb") as file:
            write(file, arrays, text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: str | os.PathLike[str]) -> Any:
    """Read what `save` wrote: a dict of names to arrays, for `load_state_dict`, or nested state.

    Files that `numpy.savez` or the library safetensors wrote, from PyTorch's models as well, are
    read too. Raises ValueError for a file that is damaged or holds anything but numbers, and
    FileNotFoundError where there is none.
    """
    path, (_, read) = _format(path)
    with open(path, "rb") as file:
        try:
            return read(file)
        except ImportError:
            raise
        except Exception as error:  # whatever a parser stumbles over in a hostile file
            what = f"{type(error).__name__}: {error}"
            raise ValueError(f"{path} cannot be read as {path.suffix}: {what}") from error


def _format(path: str | os.PathLike[str]) -> tuple[Path, tuple[Any, Any]]:
    """The path, and how to write and read files of its kind."""
    path = Path(path)
    if path.suffix not in FORMATS:
        raise ValueError(f"the name of a file of weights ends in {' or '.join(FORMATS)}: {path}")
    return path, FORMATS[path.suffix]


# ---- nested state as JSON and arrays -----------------------------------------------------------
# Numbers, strings and None stand for themselves, and everything else is {kind: content}:
# {"dict": [[key, value], …]}, {"list": […]}, {"tuple": […]}, and {"array": its name}.


def _pack(value: Any, name: str, arrays: dict[str, Array]) -> Any:
    """The value's structure; its arrays are put into `arrays`, by the way that leads to them."""
    if hasattr(value, "state_dict"):
        value = value.state_dict()
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Mapping):
        if wrong := [key for key in value if type(key) not in (str, int)]:
            raise TypeError(f"nn.save: the key {wrong[0]!r} at {name!r} is no string and no int")
        return {"dict": [[key, _pack(v, _join(name, key), arrays)] for key, v in value.items()]}
    if isinstance(value, list | tuple):
        items = [_pack(v, _join(name, i), arrays) for i, v in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": items}
    if not isinstance(value, Tensor | np.ndarray | np.generic):
        raise TypeError(
            "nn.save writes arrays, numbers, strings and None, in dicts, lists and tuples; "
            f"at {name!r} is a {type(value).__name__}"
        )
    array = np.array(value, order="C")
    if array.dtype.kind not in "biuf":
        raise DtypeError(f"nn.save writes arrays of numbers; at {name!r} is dtype {array.dtype}")
    while name in arrays:
        name += "'"
    arrays[name] = array
    return {"array": name}


def _join(name: str, key: Any) -> str:
    return f"{name}.{key}" if name else str(key)


def _unpack(node: Any, arrays: dict[str, Array]) -> Any:
    """Undo `_pack`."""
    if not isinstance(node, dict | list):
        return node
    if isinstance(node, dict) and len(node) == 1:
        ((kind, content),) = node.items()
        if kind == "array":
            return arrays[content]
        if kind == "list":
            return [_unpack(item, arrays) for item in content]
        if kind == "tuple":
            return tuple([_unpack(item, arrays) for item in content])
        if kind == "dict":
            return {key: _unpack(item, arrays) for key, item in content}
    raise ValueError(f"{STRUCTURE} holds what nn.save does not write")


# ---- .npz: a zip archive of .npy files ---------------------------------------------------------


def _write_npz(file: BinaryIO, arrays: dict[str, Array], structure: str | None) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            info = zipfile.ZipInfo(name + ".npy")  # of a fixed date: same state, same file
            if info.filename != name + ".npy":
                raise ValueError(f"a part of a .npz file cannot be named {name!r}")
            with archive.open(info, "w", force_zip64=True) as part:
                np.lib.format.write_array(part, array, allow_pickle=False)
        if structure is not None:
            archive.writestr(zipfile.ZipInfo(STRUCTURE), structure)


def _read_npz(file: BinaryIO) -> Any:
    size = file.seek(0, os.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
        if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
            raise ValueError("it is compressed; nn.save and numpy.savez write such files plainly")
        if not _lists_all(file, len(parts)):
            raise ValueError("its list of parts is damaged")
        if sum(part.file_size for part in parts) > size:
            raise ValueError("its parts claim to be larger than the file")
        contents = {part.filename: archive.read(part) for part in parts}
    if len(contents) < len(parts):
        raise ValueError("two of its parts have the same name")
    structure = contents.pop(STRUCTURE, None)
    arrays = {}
    for name, content in contents.items():
        if not name.endswith(".npy"):
            raise ValueError(f"its part {name!r} is no array")
        arrays[name.removesuffix(".npy")] = _read_npy(content)
    return arrays if structure is None else _unpack(json.loads(structure), arrays)


def _lists_all(file: BinaryIO, parts: int) -> bool:
    """Whether the end of a zip archive counts as many parts as were found, or too many to count."""
    file.seek(-22, os.SEEK_END)
    end = file.read()
    return end[:4] == b"PK\5\6" and int.from_bytes(end[10:12], "little") == min(parts, 0xFFFF)


def _read_npy(content: bytes) -> Array:
    """The array in a .npy file: a header with shape and dtype, then the numbers."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, fortran_order, dtype = np.lib.format.read_array_header_2_0(stream)
    else:
        raise ValueError(f"version {version} of the .npy format is none for numbers")
    if dtype.kind not in "biuf":
        raise ValueError(f"an array of dtype {dtype} holds no numbers")
    start = stream.tell()
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(content) - start:
        raise ValueError(f"{len(content) - start} bytes are no array of shape {shape} of {dtype}")
    flat = np.frombuffer(content, dtype, offset=start)
    array = flat.reshape(shape, order="F" if fortran_order else "C")
    return np.array(array, dtype.newbyteorder("="), order="C")


# ---- .safetensors ------------------------------------------------------------------------------


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            ".safetensors files need the library: pip install 'tinygrad-sm[safetensors]', "
            "or use a .npz file"
        ) from error
    return safetensors.numpy


def _write_safetensors(file: BinaryIO, arrays: dict[str, Array], structure: str | None) -> None:
    if structure is not None:
        raise ValueError(
            "a .safetensors file holds names and arrays, such as a model's; nested state goes "
            "into a .npz file"
        )
    file.write(_safetensors().save(arrays))


def _read_safetensors(file: BinaryIO) -> dict[str, Array]:
    arrays = _safetensors().load(file.read())
    return {name: np.array(array) for name, array in arrays.items()}


FORMATS = {
    ".npz": (_write_npz, _read_npz),
    ".safetensors": (_write_safetensors, _read_safetensors),
}
