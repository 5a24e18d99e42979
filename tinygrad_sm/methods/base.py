"""What the methods of a Tensor are built on, and how they read their arguments."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinygrad_sm import ops
from tinygrad_sm.errors import DtypeError, ShapeError
from tinygrad_sm.spelling import hints_keywords

if TYPE_CHECKING:
    from tinygrad_sm.tensor import Tensor

Axis = int | tuple[int, ...] | None


def _takes_axis(method: FunctionType) -> bool:
    code = method.__code__
    return any(
        "axis" in name or name == "keepdims" for name in code.co_varnames[: code.co_argcount]
    )


class Methods:
    """The base of the method classes. What it promises to have is written in `tensor.py`."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        """Methods that take an axis say so when they are given a dim."""
        super().__init_subclass__()
        for name, method in [*vars(cls).items()]:
            if isinstance(method, FunctionType) and _takes_axis(method):
                setattr(cls, name, hints_keywords(method))

    if TYPE_CHECKING:
        _data: np.ndarray[Any, np.dtype[Any]]
        _saved: Any
        _op: ops.Op | None

        @property
        def shape(self) -> tuple[int, ...]: ...
        @property
        def ndim(self) -> int: ...
        @property
        def dtype(self) -> np.dtype[Any]: ...
        def astype(self, dtype: npt.DTypeLike) -> Tensor: ...

        def _unary(self, op: ops.Op) -> Tensor:
            """Apply an operation of one input and no attributes."""

        def _binary(self, op: ops.Op, other: Any) -> Tensor:
            """Apply an operation of two inputs and no attributes."""

        def _apply(self, op: ops.Op, *others: Any, **attributes: Any) -> Tensor:
            """Apply an operation to this and other tensors, arrays or numbers."""

        @staticmethod
        def _record(
            op: ops.Op, inputs: tuple[Any, ...], attributes: dict[str, Any] = ...
        ) -> Tensor:
            """The same for a tuple of inputs: quicker, where a training step passes by."""

        def _coerced(self, value: Any) -> Tensor:
            """A Tensor of what stands beside this one. A Python number takes this one's dtype."""

    def _beside(self, value: Any) -> Tensor:
        """What stands beside this tensor, made a Tensor if it is none."""
        return value if isinstance(value, Methods) else self._coerced(value)  # type: ignore[return-value]


_SEVERAL = (tuple, list)


def as_ints(arguments: Sequence[Any]) -> tuple[int, ...]:
    """`f(2, 3)` and `f((2, 3))` mean the same."""
    return one_or_several(arguments[0]) if len(arguments) == 1 else tuple(map(index, arguments))


def one_or_several(value: Any) -> tuple[int, ...]:
    """An int as a tuple of one, several ints as a tuple."""
    return tuple(map(index, value)) if isinstance(value, _SEVERAL) else (index(value),)


def as_axis(axis: Any, ndim: int = 1) -> Any:
    """None, an int or a tuple of ints. A single number counts as an axis of length 1."""
    if axis is None or type(axis) is int:
        return axis
    if not isinstance(axis, tuple | list):
        return index(axis)
    axes = tuple(map(index, axis))
    return axes if ndim or axes not in ((0,), (-1,)) else None


def one_axis(axis: int, ndim: int) -> int:
    """The axis, counted from the first."""
    if not -ndim <= axis < ndim:
        raise ShapeError(f"axis {axis} does not exist: there are {ndim} axes, 0 to {ndim - 1}")
    return axis % ndim


def as_reduction(reduction: str, *more: str) -> str:
    """How a loss sums up, if it is a way that there is."""
    if reduction not in ("mean", "sum", "none") and reduction not in more:
        names = ("mean", "sum", "none", *more)
        listed = f"{', '.join(map(repr, names[:-1]))} or {names[-1]!r}"
        raise ValueError(f"reduction is {listed}, got {reduction!r}")
    return reduction


_PLAIN = {int, slice, type(None), type(...)}


def as_key(key: Any) -> Any:
    """An index without Tensors or lists, and with arrays of its own that nobody else can change."""
    if type(key) in _PLAIN:
        return key
    if type(key) is np.ndarray and key.dtype.kind in "biu":
        return key.copy()
    if isinstance(key, tuple):
        return key if _PLAIN.issuperset(map(type, key)) else tuple(map(as_key, key))
    if isinstance(key, Methods | np.ndarray | list):
        array = np.array(key._data if isinstance(key, Methods) else key)
        if array.dtype.kind not in "biu" and array.size:
            raise DtypeError(
                f"an index needs integers or bools, got dtype {array.dtype}; use astype(int)"
            )
        return array if array.size or array.dtype.kind == "b" else array.astype(np.intp)
    return key
