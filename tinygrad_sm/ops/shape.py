"""Operations that rearrange, repeat or pick elements. Their derivatives undo the move.

They come in adjoint pairs: the derivative of one is the other. `expand` repeats and `sum_to` adds
the repeats up; `getitem` picks elements and `put` lays them back, adding up those picked twice.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_sm.ops.op import Op

reshape: Op = Op(
    "reshape",
    lambda x, shape: x.reshape(shape),
    lambda g, y, x, shape: reshape(g, shape=x.shape),
    views=True,
)


def _inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation that undoes `axes`."""
    return tuple(int(i) for i in np.argsort(axes))


permute: Op = Op(
    "permute",
    lambda x, axes: x.transpose(axes),
    lambda g, y, x, axes: permute(g, axes=_inverse(axes)),
    views=True,
)


def _sum_to(x: Any, shape: tuple[int, ...]) -> Any:
    """Add up the axes of x that were stretched from `shape`."""
    extra = x.ndim - len(shape)
    stretched = tuple(
        i for i in range(x.ndim) if i < extra or (shape[i - extra] == 1 and x.shape[i] != 1)
    )
    return np.add.reduce(x, axis=stretched).reshape(shape)


sum_to = Op(
    "sum_to",
    _sum_to,
    lambda g, y, x, shape: expand(g, shape=x.shape),
    views=True,
)
expand: Op = Op(
    "expand",
    lambda x, shape: np.broadcast_to(x, shape),
    lambda g, y, x, shape: sum_to(g, shape=x.shape),
    views=True,
)


def _put(x: Any, key: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape` with x added at the elements that `key` picks."""
    result = np.zeros(shape, x.dtype)
    parts = key if isinstance(key, tuple) else (key,)
    if any(isinstance(part, np.ndarray) for part in parts):
        np.add.at(result, key, x)  # an array of indices may name an element twice
    else:
        result[key] = x
    return result


getitem = Op(
    "getitem",
    lambda x, key: x[key],
    lambda g, y, x, key: put(g, key=key, shape=x.shape),
    views=True,
)
put: Op = Op(
    "put",
    _put,
    lambda g, y, x, key, shape: getitem(g, key=key),
)
