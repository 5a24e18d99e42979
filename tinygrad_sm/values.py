"""What may stand in a Tensor: real numbers, integers and bools, and the dtype they get."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_sm.errors import DtypeError, ShapeError

Array = npt.NDArray[Any]

_default_dtype: np.dtype[Any] = np.dtype(np.float32)


def set_default_dtype(dtype: npt.DTypeLike) -> None:
    """Set the dtype that Python numbers and lists become; float32 unless changed.

    >>> import numpy as np
    >>> set_default_dtype(np.float64)
    >>> Tensor([1, 2]).dtype
    dtype('float64')
    >>> set_default_dtype(np.float32)
    """
    global _default_dtype
    new = np.dtype(dtype)
    if new.kind != "f":
        raise DtypeError(f"the default dtype needs to be a floating-point one, got {new}")
    _default_dtype = new


def get_default_dtype() -> np.dtype[Any]:
    """The dtype that Python numbers and lists become.

    >>> get_default_dtype()
    dtype('float32')
    """
    return _default_dtype


def numeric_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """The dtype, if a Tensor can have it."""
    dtype = np.dtype(dtype)
    if dtype.kind not in "biuf":
        raise DtypeError(f"a Tensor holds real numbers, integers or bools, not dtype {dtype}")
    return dtype


def as_array(data: Any, dtype: npt.DTypeLike | None = None, copy: bool = True) -> Array:
    """What a Tensor of `data` holds: a NumPy array of numbers, by the rules that Tensor states."""
    if isinstance(data, np.ndarray | np.generic):
        numeric_dtype(data.dtype if dtype is None else dtype)
        numeric_dtype(data.dtype)
        return np.array(data, dtype, copy=True if copy else None)
    if isinstance(data, list | tuple) and _holds_tensor(data):
        raise DtypeError(
            "a list of Tensors would lose their gradients: combine them with stack or cat"
        )
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise ShapeError(
            "a Tensor is a full box of numbers, but the lists given are ragged: "
            "lists at the same depth need the same length"
        ) from error
    if array.dtype.kind not in "biuf":
        raise DtypeError(
            f"a Tensor holds real numbers, integers or bools, got {short(data)} "
            f"of type {type(data).__name__}"
        )
    if dtype is None:
        dtype = array.dtype if array.dtype.kind == "b" else _default_dtype
        if hasattr(data, "__array__"):  # another library's array knows its dtype
            dtype = array.dtype
    return array.astype(numeric_dtype(dtype))


def _holds_tensor(data: Any) -> bool:
    if isinstance(data, list | tuple):
        return any(map(_holds_tensor, data))
    return hasattr(data, "requires_grad")


def short(data: Any) -> str:
    """What an error message shows of a value."""
    text = repr(data)
    return text if len(text) <= 60 else text[:57] + "..."
