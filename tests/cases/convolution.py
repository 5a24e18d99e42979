"""Convolution and pooling: a case for each."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from cases.draw import Case, arrays
from tinygrad_sm import Tensor, ops
from tinygrad_sm.ops.convolution import places


@st.composite
def axes(draw, padded=True):
    """Along an axis: its length, the window, and how it slides. Just so fitting, or with room."""
    kernel, stride = draw(st.sampled_from([3, 2, 1])), draw(st.sampled_from([1, 2, 4]))
    dilation = draw(st.sampled_from([1, 1, 2]))
    padding = draw(st.sampled_from([1, 0, 2])) if padded else 0
    least = max(1, dilation * (kernel - 1) + 1 - 2 * padding)
    length = draw(st.integers(least, least + 2))
    return length, kernel, stride, (padding, padding), dilation


@st.composite
def slides(draw, padded=True):
    """The size of the images, how many places there are, and the settings."""
    both = zip(draw(axes(padded)), draw(axes(padded)), strict=True)
    size, kernel, stride, padding, dilation = both
    settings = {"stride": stride, "padding": padding, "dilation": dilation}
    lengths = (n + sum(p) for n, p in zip(size, padding, strict=True))
    return size, kernel, tuple(map(places, lengths, kernel, stride, dilation)), settings


BATCHES = st.sampled_from([2, 1, 0])


@st.composite
def convolutions(draw, kind):
    """Images x, a weight w and images g like the result of their convolution: two or three."""
    size, kernel, out, settings = draw(slides())
    groups, n = draw(st.sampled_from([1, 2, 1])), draw(BATCHES)
    n = n or int(kind == "conv2d_weight")  # whose twin has no derivative without images
    c, o = draw(st.integers(1, 2)), draw(st.integers(1, 2)) * groups
    x = (n, c * groups, *size)
    w, g = (o, c, *kernel), (n, o, *out)
    settings["groups"] = groups
    if kind == "conv2d":
        shapes = [x, w, (o,)][: draw(st.integers(2, 3))]
    elif kind == "conv_transpose2d":
        shapes, settings["shape"] = [g, w], size
    else:
        shapes, settings["kernel"] = [g, x], kernel
    return tuple(draw(arrays(shape)) for shape in shapes), settings


@st.composite
def windows(draw, kind):
    size, kernel, out, settings = draw(slides())
    n, c = draw(BATCHES), draw(st.integers(1, 2))
    shape = (n, c, *size)
    if kind == "fold":
        shape, settings["shape"] = (n, c * np.prod(kernel), np.prod(out)), size
    return (draw(arrays(shape)),), {"kernel": kernel, **settings}


@st.composite
def pools(draw, kind):
    """Images x; for what derivatives need, also their maxima y, of whole numbers with ties."""
    size, kernel, _, settings = draw(slides(padded=False))
    del settings["padding"]
    x = draw(arrays((draw(BATCHES), draw(st.integers(1, 2)), *size)))
    settings["kernel"] = kernel
    if kind == "max_pool2d":
        return (x,), settings
    x = np.round(x).astype(int)
    y = max_pool2d(x, **settings)
    return (draw(arrays(y.shape if kind == "max_scatter2d" else x.shape)), y, x), settings


@st.composite
def averages(draw):
    h, w, down, across = (draw(st.integers(1, 3)) for _ in range(4))
    rows, columns = (abs(draw(arrays(shape))) for shape in ((down, h), (across, w)))
    return (draw(arrays((draw(BATCHES), 2, h, w))),), {"rows": rows, "columns": columns}


# ---- plainly in NumPy --------------------------------------------------------------------------


def seen(shape, kernel, stride, dilation):
    """Which rows and columns of padded images each place sees, (Ho, kh, 1, 1) and (Wo, kw)."""
    each = zip(shape, kernel, stride, dilation, strict=True)
    rows, columns = (
        np.arange(0, n - d * (k - 1), s)[:, None] + d * np.arange(k) for n, k, s, d in each
    )
    return rows[..., None, None], columns


def patches(x, kernel, stride, padding, dilation):
    """(N, C, Ho, kh, Wo, kw)."""
    padded = np.pad(x, ((0, 0), (0, 0), *padding))
    rows, columns = seen(padded.shape[2:], kernel, stride, dilation)
    return padded[:, :, rows, columns]


def add_patches(patches, shape, kernel, stride, padding, dilation):
    (above, below), (left, right) = padding
    wide = (above + shape[0] + below, left + shape[1] + right)
    images = np.zeros((*patches.shape[:2], *wide))
    rows, columns = seen(wide, kernel, stride, dilation)
    np.add.at(images, (slice(None), slice(None), rows, columns), patches)
    return images[:, :, above : above + shape[0], left : left + shape[1]]


def by_groups(groups, subscripts, *operands):
    """einsum where G runs over the groups: each operand's axis of channels is split first."""
    names = subscripts.partition("->")[0].split(",")
    split = []
    for name, x in zip(names, operands, strict=True):
        i = name.index("G")
        split.append(x.reshape(*x.shape[:i], groups, x.shape[i] // groups, *x.shape[i + 1 :]))
    return np.einsum(subscripts, *split)


def conv2d(x, w, b=None, *, groups, **how):
    seen = patches(x, w.shape[2:], **how)
    y = by_groups(groups, "nGchiwj,Gocij->nGohw", seen, w)
    y = y.reshape(len(x), len(w), *y.shape[3:])
    return y if b is None else y + b[:, None, None]


def conv_transpose2d(x, w, *, shape, groups, **how):
    painted = by_groups(groups, "nGohw,Gocij->nGchiwj", x, w)
    painted = painted.reshape(len(x), groups * w.shape[1], *painted.shape[3:])
    return add_patches(painted, shape, w.shape[2:], **how)


def conv2d_weight(g, x, *, kernel, groups, **how):
    w = by_groups(groups, "nGohw,nGchiwj->Gocij", g, patches(x, kernel, **how))
    return w.reshape(g.shape[1], -1, *kernel) if w.size else np.zeros((*w.shape[:2], *kernel))


def unfold(x, **how):
    seen = patches(x, **how)
    n, c, down, kh, across, kw = seen.shape
    return seen.transpose(0, 1, 3, 5, 2, 4).reshape(n, c * kh * kw, down * across)


def fold(x, shape, kernel, stride, padding, dilation):
    wide = [n + sum(p) for n, p in zip(shape, padding, strict=True)]
    down, across = map(places, wide, kernel, stride, dilation)
    c = x.shape[1] // np.prod(kernel)
    columns = x.reshape(len(x), c, *kernel, down, across).transpose(0, 1, 4, 2, 5, 3)
    return add_patches(columns, shape, kernel, stride, padding, dilation)


def in_rows(x, kernel, **how):
    """Each window as a row, (N, C, Ho, Wo, kh · kw)."""
    seen = patches(x, kernel, padding=((0, 0), (0, 0)), **how).transpose(0, 1, 2, 4, 3, 5)
    return seen.reshape(*seen.shape[:4], kernel[0] * kernel[1])


def max_pool2d(x, **how):
    return in_rows(x, **how).max(axis=-1)


def max_pick2d(candidates, y, x, **how):
    first = in_rows(x, **how).argmax(axis=-1)
    return np.take_along_axis(in_rows(candidates, **how), first[..., None], axis=-1)[..., 0]


def max_scatter2d(g, y, x, **how):
    flat = np.arange(x.size, dtype=float).reshape(x.shape)
    images = np.zeros(x.size)
    np.add.at(images, max_pick2d(flat, y, x, **how).astype(int), g)
    return images.reshape(x.shape)


# ---- the cases ---------------------------------------------------------------------------------


def sliding(method):
    """As a user calls it, with the same padding on both sides."""

    def call(x, *others, padding=((0, 0), (0, 0)), **how):
        return method(x, *others, padding=tuple(before for before, _ in padding), **how)

    return call


def extra(size, w, shape, stride, padding, dilation):
    """The output_padding that leads from images of this size to those of that shape."""
    each = zip(size, w.shape[2:], shape, stride, padding, dilation, strict=True)
    return tuple(m - (n - 1) * s + 2 * p - d * (k - 1) - 1 for n, k, m, s, p, d in each)


def paint(x, w, shape, stride, padding, dilation, groups):
    more = extra(x.shape[2:], w, shape, stride, padding, dilation)
    return x.conv_transpose2d(w, None, stride, padding, more, groups, dilation)


def renamed(method):
    """kernel is kernel_size there, shape is output_size."""

    def call(x, kernel, shape=None, **how):
        sizes = {"kernel_size": kernel} | ({} if shape is None else {"output_size": shape})
        return method(x, **sizes, **how)

    return call


CASES = {
    "conv2d": Case(convolutions("conv2d"), sliding(Tensor.conv2d), conv2d),
    "conv_transpose2d": Case(convolutions("conv_transpose2d"), sliding(paint), conv_transpose2d),
    "conv2d_weight": Case(convolutions("conv2d_weight"), ops.conv2d_weight, conv2d_weight),
    "unfold": Case(windows("unfold"), sliding(renamed(Tensor.unfold)), unfold),
    "fold": Case(windows("fold"), sliding(renamed(Tensor.fold)), fold),
    "max_pool2d": Case(
        pools("max_pool2d"),
        lambda x, kernel, stride, dilation: x.max_pool2d(kernel, stride, 0, dilation),
        max_pool2d,
    ),
    "max_scatter2d": Case(pools("max_scatter2d"), ops.max_scatter2d, max_scatter2d),
    "max_pick2d": Case(pools("max_pick2d"), ops.max_pick2d, max_pick2d),
    "avg_pool2d": Case(
        averages(),
        ops.avg_pool2d,
        lambda x, rows, columns: np.einsum("hi,ncij,wj->nchw", rows, x, columns),
    ),
}
