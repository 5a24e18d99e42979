"""Convolution and pooling of images (N, C, H, W), and the operations that their derivatives need.

A convolution is a matrix product: a column holds the patch of the image that one place of the
result sees, and a row of the weight is one filter.

Σ g · conv2d(x, w) is linear in g, in x and in w. So the derivative with respect to x is linear in g
and w: a transposed convolution. That with respect to w is `conv2d_weight`. The derivatives of these
two are the other ones again: the three close under differentiation.

Inside, images are (H, C, W, N). The batch is last in memory: whatever part of the images is picked,
the memory of all N lies together, and NumPy is quick with long runs. The rows are first: those that
a row of places sees follow each other, and make a matrix without a copy. The results are views
(N, C, H, W).

stride, dilation: (rows, columns). padding: ((above, below), (left, right)), with zeros.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_sm.ops.linear_algebra import filled
from tinygrad_sm.ops.op import Op

Array = np.ndarray[Any, np.dtype[Any]]
Pair = tuple[int, int]
Padding = tuple[Pair, Pair]

# Until glibc has seen an array of some size freed, it gives the memory of such arrays back to the
# system when they die, and to fetch it again for the next step costs more than all the arithmetic
# (mallopt(3), M_MMAP_THRESHOLD). So it is shown a large one; nothing is ever written to that.
np.empty((32 << 20) - (1 << 16), np.uint8)


def places(length: int, kernel: int, stride: int, dilation: int) -> int:
    """In how many places a window fits into a padded length."""
    return (length - dilation * (kernel - 1) - 1) // stride + 1


def _batch_last(x: Array) -> Array:
    """(N, C, H, W) as (H, C, W, N), in that order in memory."""
    return np.ascontiguousarray(x.transpose(2, 1, 3, 0))


def _batch_first(x: Array) -> Array:
    """(H, C, W, N) as (N, C, H, W)."""
    return x.transpose(3, 1, 0, 2)


# ---- patches -----------------------------------------------------------------------------------


def _rows_seen(rows: Array, count: int, kernel: int, stride: int, dilation: int) -> Array:
    """The rows (H, …) that each row of places sees, without copying one: (Ho, kh, …)."""
    row, *inner = rows.strides
    strides = (row * stride, row * dilation, *inner)
    return np.ndarray((count, kernel, *rows.shape[1:]), rows.dtype, rows, strides=strides)


def _patches(x: Array, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair) -> Array:
    """What each place sees of (H, C, W, N): a view (Ho, kh, C, kw, Wo, N), to be read only."""
    (above, below), (left, right) = padding
    h, c, w, n = x.shape
    if left or right:
        wide = np.zeros((h, c, left + w + right, n), x.dtype)
        wide[:, :, left : left + w] = x
        x = wide
    down = places(above + h + below, kernel[0], stride[0], dilation[0])
    across = places(left + w + right, kernel[1], stride[1], dilation[1])
    # Along the rows each element is copied as often as it is seen.
    row, channel, column, image = x.strides
    strides = (row, channel, column * dilation[1], column * stride[1], image)
    seen = np.ndarray((h, c, kernel[1], across, n), x.dtype, x, strides=strides)
    rows = np.empty((above + h + below, *seen.shape[1:]), x.dtype)
    rows[:above] = rows[above + h :] = 0
    rows[above : above + h] = seen
    return _rows_seen(rows, down, kernel[0], stride[0], dilation[0])


def _add_patches(
    patches: Array, shape: Pair, stride: Pair, padding: Padding, dilation: Pair
) -> Array:
    """The adjoint of `_patches`: each patch is added back to where it was taken from."""
    (above, below), (left, right) = padding
    down, kh, c, kw, across, n = patches.shape
    image = np.zeros((above + shape[0] + below, c, left + shape[1] + right, n), patches.dtype)
    for i in range(kh):
        rows = slice(i * dilation[0], i * dilation[0] + down * stride[0], stride[0])
        for j in range(kw):
            columns = slice(j * dilation[1], j * dilation[1] + across * stride[1], stride[1])
            image[rows, :, columns] += patches[:, i, :, j]
    return image[above : above + shape[0], :, left : left + shape[1]]


def _as_columns(patches: Array, groups: int) -> Array:
    """Patches as matrices with one in each column: (Ho, groups, kh · C/groups · kw, Wo · N)."""
    down, kh, c, kw, across, n = patches.shape
    size = c // groups * kw
    grouped = patches.reshape(down, kh, groups, size, across * n).swapaxes(1, 2)
    return grouped.reshape(down, groups, kh * size, across * n)


def _pieces(rows: int, inner: int, length: int) -> list[slice]:
    """The pieces in which to multiply a matrix (inner, length) by one of (rows, inner).

    On some processors OpenBLAS takes a product of up to a million terms as it is. A larger one it
    rearranges first, which takes as long again where the matrices are as narrow as filters.
    """
    size = 1_000_000 // max(rows * inner, 1) // 16 * 16
    size = size if size >= 64 else max(length, 1)  # many filters: rearranging pays
    return [slice(start, start + size) for start in range(0, max(length, 1), size)]


def _product(filters: Array, columns: Array) -> Array:
    """filters @ columns: (groups, M, K) and (H, groups, K, L) give (H, groups, M, L)."""
    h, groups, k, length = columns.shape
    m = filters.shape[1]
    pieces = _pieces(m, k, length)
    if len(pieces) == 1:
        return filters @ columns
    y = np.empty((h, groups, m, length), np.result_type(filters, columns))
    for piece in pieces:
        np.matmul(filters, columns[..., piece], out=y[..., piece])
    return y


# ---- convolution -------------------------------------------------------------------------------


def _conv2d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    o, c, kh, kw = weight.shape
    patches = _patches(_batch_last(x), (kh, kw), stride, padding, dilation)
    down, *_, across, n = patches.shape
    filters = weight.transpose(0, 2, 1, 3).reshape(groups, o // groups, kh * c * kw)
    y = _product(filters, _as_columns(patches, groups)).reshape(down, o, across, n)
    if bias is not None:
        y = np.add(y, bias.reshape(o, 1, 1), out=y if bias.dtype == y.dtype else None)
    return _batch_first(y)


def _conv2d_x(g: Any, y: Any, x: Any, weight: Any, bias: Any = None, **how: Any) -> Any:
    """The transposed convolution of g with the same weight."""
    return conv_transpose2d(g, weight, shape=x.shape[2:], **how)


def _conv2d_w(g: Any, y: Any, x: Any, weight: Any, bias: Any = None, **how: Any) -> Any:
    """Σ over all places of g times the patch seen there."""
    return conv2d_weight(g, x, kernel=weight.shape[2:], **how)


def _conv2d_bias(g: Any, y: Any, x: Any, weight: Any, bias: Any = None, **how: Any) -> Any:
    """The sum of g over the images and all places: on arrays a product with ones, as in linear."""
    if not isinstance(g, np.ndarray):
        return g.sum(axis=(0, 2, 3))
    rows = _batch_last(g).reshape(g.shape[2], g.shape[1], -1)
    return np.add.reduce(rows @ filled(rows.shape[2], 1.0, g.dtype), axis=0)


conv2d: Op = Op("conv2d", _conv2d, _conv2d_x, _conv2d_w, _conv2d_bias)


def _conv_transpose2d(
    x: Array,
    weight: Array,
    *,
    shape: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """Each element of x paints a filter, and where they overlap they add up.

    Along the columns `_add_patches` does that, along the rows the product: a row of the result gets
    something from kh rows of x, with stride − 1 rows of zeros between any two of them. So it is a
    convolution with the filters upside down.
    """
    n, o, down, across = x.shape
    (above, below), sides = padding
    _, c, kh, kw = weight.shape
    reach = dilation[0] * (kh - 1)
    rows = np.zeros((reach + above + shape[0] + below, o, 1, across, n), x.dtype)
    rows[reach : reach + down * stride[0] : stride[0], :, 0] = _batch_last(x)
    seen = _rows_seen(rows[above:], shape[0], kh, 1, dilation[0])
    filters = weight[:, :, ::-1].reshape(groups, o // groups, c, kh, kw)
    filters = filters.transpose(0, 2, 4, 3, 1).reshape(groups, c * kw, kh * o // groups)
    patches = _product(filters, _as_columns(seen, groups))
    patches = patches.reshape(shape[0], 1, groups * c, kw, across, n)
    across_only = (1, stride[1]), ((0, 0), sides), (1, dilation[1])
    return _batch_first(_add_patches(patches, shape, *across_only))


def _of_size(y: Any, size: Pair) -> Any:
    """The first rows and columns: a transposed convolution may leave room for more places."""
    return y if y.shape[2:] == size else y[:, :, : size[0], : size[1]]


conv_transpose2d: Op = Op(
    "conv_transpose2d",
    _conv_transpose2d,
    lambda g, y, x, weight, shape, **how: _of_size(conv2d(g, weight, **how), x.shape[2:]),
    lambda g, y, x, weight, shape, **how: conv2d_weight(x, g, kernel=weight.shape[2:], **how),
)


def _conv2d_weight(
    g: Array, x: Array, *, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> Array:
    """Σ g · patch: what a convolution's weight gets of the gradient g."""
    _, o, down, across = g.shape
    o, c = o // groups, x.shape[1] // groups
    patches = _patches(_batch_last(x), kernel, stride, padding, dilation)
    columns = _as_columns(patches[:down, ..., :across, :], groups)
    k, length = columns.shape[2:]
    rows = _batch_last(g).reshape(down, groups, o, length).swapaxes(-1, -2)
    filters: Array = sum(
        np.add.reduce(columns[..., piece] @ rows[..., piece, :], axis=0)
        for piece in _pieces(o, k, length)
    )
    filters = filters.reshape(groups, kernel[0], c, kernel[1], o).transpose(0, 4, 2, 1, 3)
    return filters.reshape(groups * o, c, *kernel)


conv2d_weight: Op = Op(
    "conv2d_weight",
    _conv2d_weight,
    lambda g, y, up, x, kernel, **how: _of_size(conv2d(x, g, **how), up.shape[2:]),
    lambda g, y, up, x, kernel, **how: conv_transpose2d(up, g, shape=x.shape[2:], **how),
)

# ---- columns as a result -----------------------------------------------------------------------


def _unfold(x: Array, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair) -> Array:
    patches = _patches(_batch_last(x), kernel, stride, padding, dilation)
    down, kh, c, kw, across, n = patches.shape
    return patches.transpose(5, 2, 1, 3, 0, 4).reshape(n, c * kh * kw, down * across)


def _fold(
    columns: Array, shape: Pair, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair
) -> Array:
    n, size, count = columns.shape
    down = places(shape[0] + sum(padding[0]), kernel[0], stride[0], dilation[0])
    c = size // (kernel[0] * kernel[1])
    patches = columns.reshape(n, c, *kernel, down, count // down).transpose(4, 2, 1, 3, 5, 0)
    return _batch_first(_add_patches(patches, shape, stride, padding, dilation))


unfold: Op = Op("unfold", _unfold, lambda g, y, x, **how: fold(g, shape=x.shape[2:], **how))
fold: Op = Op("fold", _fold, lambda g, y, columns, shape, **how: unfold(g, **how))

# ---- pooling -----------------------------------------------------------------------------------


def _windows(x: Array, kernel: Pair, stride: Pair, dilation: Pair) -> list[Array]:
    """For each element of a window, row by row, a view of x with that element of every window."""
    down = places(x.shape[0], kernel[0], stride[0], dilation[0])
    across = places(x.shape[2], kernel[1], stride[1], dilation[1])
    return [
        x[top : top + down * stride[0] : stride[0], :, left : left + across * stride[1] : stride[1]]
        for top in range(0, kernel[0] * dilation[0], dilation[0])
        for left in range(0, kernel[1] * dilation[1], dilation[1])
    ]


def _max_pool2d(x: Array, **how: Pair) -> Array:
    first, *others = _windows(_batch_last(x), **how)
    y = np.maximum(first, others[0]) if others else first.copy()
    for other in others[1:]:
        np.maximum(y, other, out=y)
    return _batch_first(y)


def _max_scatter2d(
    g: Array, y: Array, x: Array, *, kernel: Pair, stride: Pair, dilation: Pair
) -> Array:
    """Each g is added where the first element of its window is as large as y."""
    g, y, x = map(_batch_last, (g, y, x))
    result = np.zeros(x.shape, g.dtype)
    how = kernel, stride, dilation
    *windows, (_, last) = zip(_windows(x, *how), _windows(result, *how), strict=True)
    overlap = any((k - 1) * d >= s for k, s, d in zip(*how, strict=True))
    for values, place in windows:
        won = np.equal(values, y).astype(g.dtype)  # a product with bools is slower
        won *= g
        place[...] = place + won if overlap else won
        g = g - won  # what is left for those that come later
    last[...] = last + g if overlap else g
    return _batch_first(result)


def _max_pick2d(candidates: Array, y: Array, x: Array, **how: Pair) -> Array:
    """The candidate where the first element of each window is as large as y."""
    candidates, y, x = map(_batch_last, (candidates, y, x))
    *windows, (_, picked) = zip(_windows(x, **how), _windows(candidates, **how), strict=True)
    for values, candidate in reversed(windows):
        picked = np.where(values == y, candidate, picked)
    return _batch_first(picked)


def _max_pool2d_x(g: Any, y: Any, x: Any, **how: Any) -> Any:
    """g for the first largest element of each window, and 0 for the others."""
    return max_scatter2d(g, y, x, **how)


max_pool2d: Op = Op("max_pool2d", _max_pool2d, _max_pool2d_x)
max_scatter2d: Op = Op(
    "max_scatter2d", _max_scatter2d, lambda g, h, up, y, x, **how: max_pick2d(g, y, x, **how)
)
max_pick2d: Op = Op(
    "max_pick2d", _max_pick2d, lambda g, h, up, y, x, **how: max_scatter2d(g, y, x, **how)
)


def _avg_pool2d(x: Array, rows: Array, columns: Array) -> Array:
    x = _batch_last(x)
    h, c, w, n = x.shape
    x = rows.dot(x.reshape(h, c * w * n)).reshape(len(rows), c, w, n)
    return _batch_first(columns @ x)


# rows (Ho, H) and columns (Wo, W): the share of each row and column in those of the result.
avg_pool2d: Op = Op(
    "avg_pool2d",
    _avg_pool2d,
    lambda g, y, x, rows, columns: avg_pool2d(g, rows=rows.T, columns=columns.T),
)
