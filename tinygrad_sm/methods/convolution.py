"""Convolution and pooling as methods of Tensor; the derivatives stand in `ops/convolution.py`.

Images are (N, C, H, W): N images of C channels, H rows and W columns. A single image (C, H, W) is
taken too. A size, stride, padding or dilation is one number, or a pair (rows, columns).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache, wraps
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from tinygrad_sm import ops
from tinygrad_sm.errors import DtypeError, ShapeError
from tinygrad_sm.methods.base import Methods, one_or_several
from tinygrad_sm.ops.convolution import places

if TYPE_CHECKING:
    from tinygrad_sm.tensor import Tensor

Shape = tuple[int, ...]
Size = int | Shape
Function = TypeVar("Function", bound=Callable[..., Any])

IMAGES, SEQUENCES, COLUMNS = "images (N, C, H, W)", "sequences (N, C, L)", "columns (N, K, L)"


def _takes(what: str) -> Callable[[Function], Function]:
    """The method is written for a batch; a single one becomes a batch of 1 and back."""
    ndim = what.count(",") + 1

    def decorate(method: Function) -> Function:
        @wraps(method)
        def of_batch(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            if self.ndim == ndim:
                return cast("Tensor", method(self, *args, **kwargs))
            if self.ndim == ndim - 1:
                return cast("Tensor", method(self.unsqueeze(0), *args, **kwargs)).squeeze(0)
            raise ShapeError(
                f"{method.__name__} needs {what}, or one without N, got shape {self.shape}"
            )

        return cast(Function, of_batch)

    return decorate


class Convolution(Methods):
    """Filters that slide over images, and summaries of small windows."""

    __slots__ = ()

    @_takes(IMAGES)
    def conv2d(
        self,
        weight: Any,
        bias: Any = None,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
    ) -> Tensor:
        """Slide filters over images: at every place, Σ weight · patch + bias.

        y[n, o, i, j] = bias[o] + Σ weight[o, c, a, b] · x[n, c, s i + d a − p, s j + d b − p]

        self: (N, C, H, W). weight: (O, C/groups, kh, kw). bias: (O,). The result is (N, O, Ho, Wo),
        Ho = ⌊(H + 2p − d (kh − 1) − 1) / s⌋ + 1.
        stride: s, how far the filter moves. padding: p, zeros around the image; "valid" for none,
        "same" for as many as keep the size. dilation: d, the distance of a filter's elements.
        groups: the channels in as many groups, each with filters of its own.

        Derivatives: for x the transposed convolution of g, for the weight Σ g · patch, for the bias
        Σ g. Raises ShapeError where channels or sizes do not fit.

        >>> x = Tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]])
        >>> x.conv2d([[[[1.0, 0.0], [0.0, -1.0]]]])
        Tensor([[[[-4., -4.],
                  [-4., -4.]]]])
        """
        inputs = self._with(weight, bias)
        shapes = tuple(map(_shape, inputs))
        how = _convolution(shapes, stride, padding, dilation, groups)
        return self._record(ops.conv2d, inputs, how)

    @_takes(SEQUENCES)
    def conv1d(
        self,
        weight: Any,
        bias: Any = None,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
    ) -> Tensor:
        """`conv2d` along one axis: self (N, C, L) and weight (O, C/groups, k) give (N, O, Lo).

        >>> Tensor([[[1.0, 2.0, 4.0, 7.0]]]).conv1d([[[-1.0, 1.0]]])
        Tensor([[[1., 2., 3.]]])
        """
        _, weight = self._with(weight)
        if weight.ndim != 3:
            raise ShapeError(f"conv1d needs a weight (O, C/groups, k), got shape {weight.shape}")
        if not isinstance(padding, str):
            padding = _in_row(padding, 0)
        y = _as_row(self).conv2d(
            _as_row(weight), bias, _in_row(stride, 1), padding, _in_row(dilation, 1), groups
        )
        return y.squeeze(-2)

    @_takes(IMAGES)
    def conv_transpose2d(
        self,
        weight: Any,
        bias: Any = None,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        dilation: Size = 1,
    ) -> Tensor:
        """The adjoint of `conv2d`: each element of self paints a filter into a larger image.

        self: (N, C, H, W). weight: (C, O/groups, kh, kw), that of the convolution from O to C
        channels whose derivative this is. bias: (O,). The result is (N, O, Ho, Wo),
        Ho = (H − 1) s − 2p + d (kh − 1) + output_padding + 1.

        Derivatives: for x `conv2d` of g, for the weight Σ x · patch of g, for the bias Σ g.

        >>> Tensor([[[[1.0, 2.0]]]]).conv_transpose2d([[[[1.0, 10.0]]]], stride=(1, 2))
        Tensor([[[[ 1., 10.,  2., 20.]]]])
        """
        inputs = self._with(weight, bias)
        shapes = tuple(map(_shape, inputs))
        how = _transposed(shapes, stride, padding, output_padding, groups, dilation)
        y = self._record(ops.conv_transpose2d, inputs[:2], how)
        return y if bias is None else y + inputs[2].reshape(-1, 1, 1)

    @_takes(IMAGES)
    def max_pool2d(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
    ) -> Tensor:
        """The largest element of each window. The stride is the window's size unless given.

        ceil_mode: a last window may reach over the edge.

        Derivative: g goes to the first largest element of the window, row by row, as in PyTorch.
        (Where there is a NaN, y is NaN, and g goes to the last element.)

        >>> Tensor([[[[1.0, 2.0, 5.0, 0.0], [4.0, 3.0, 1.0, 6.0]]]]).max_pool2d(2)
        Tensor([[[[4., 6.]]]])
        """
        window = (kernel_size, stride, padding, dilation, ceil_mode)
        pad, how = _maxima(self.shape[2:], *window)
        x = _tensor(self)
        if pad:
            x = x.pad(pad, value=-math.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min)
        return self._record(ops.max_pool2d, (x,), how)

    @_takes(SEQUENCES)
    def max_pool1d(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
    ) -> Tensor:
        """`max_pool2d` along the last axis only.

        >>> Tensor([[[1.0, 4.0, 2.0, 3.0]]]).max_pool1d(2)
        Tensor([[[4., 3.]]])
        """
        kernel = _in_row(kernel_size, 1)
        step = kernel if stride is None else _in_row(stride, 1)
        y = _as_row(self).max_pool2d(
            kernel, step, _in_row(padding, 0), _in_row(dilation, 1), ceil_mode
        )
        return y.squeeze(-2)

    @_takes(IMAGES)
    def avg_pool2d(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Tensor:
        """The mean of each window. The stride is the window's size unless given.

        ceil_mode: a last window may reach over the edge. count_include_pad: whether the zeros of
        the padding count in the mean. divisor_override: divide the sum by this instead.

        Derivative: g is shared out evenly over the window.

        >>> Tensor([[[[1.0, 2.0, 5.0, 0.0], [4.0, 3.0, 1.0, 6.0]]]]).avg_pool2d(2)
        Tensor([[[[2.5, 3. ]]]])
        """
        window = (kernel_size, stride, padding, 1, ceil_mode)
        how = _averages(self.shape[2:], self.dtype, window, count_include_pad, divisor_override)
        return self._record(ops.avg_pool2d, (self,), how)

    @_takes(IMAGES)
    def adaptive_avg_pool2d(self, output_size: Size) -> Tensor:
        """The mean of as many windows as give an image of `output_size`, as even as can be.

        Window i of n takes the elements from ⌊i H / n⌋ up to ⌈(i + 1) H / n⌉. Size 1 is the mean of
        the whole image ("global average pooling"), None keeps the size of that axis.

        >>> Tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]]).adaptive_avg_pool2d((1, 2))
        Tensor([[[[3., 4.]]]])
        """
        how = _even_averages(self.shape[2:], self.dtype, output_size)
        return self._record(ops.avg_pool2d, (self,), how)

    @_takes(IMAGES)
    def unfold(
        self, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
    ) -> Tensor:
        """Each window of the images as a column: (N, C, H, W) gives (N, C · kh · kw, places).

        A convolution is the product of its weight, a filter in each row, with these columns.
        Derivative: every column is added back to where it was taken from (`fold`). This is
        torch.nn.functional.unfold.

        >>> Tensor([[[[1.0, 2.0, 3.0]]]]).unfold((1, 2))
        Tensor([[[1., 2.],
                 [2., 3.]]])
        """
        how = _unfolding(self.shape[2:], kernel_size, stride, padding, dilation)
        return self._record(ops.unfold, (self,), how)

    @_takes(COLUMNS)
    def fold(
        self,
        output_size: Size,
        kernel_size: Size,
        dilation: Size = 1,
        padding: Size = 0,
        stride: Size = 1,
    ) -> Tensor:
        """The adjoint of `unfold`: columns (N, C · kh · kw, places) added to images (N, C, H, W).

        >>> Tensor([[[1.0, 2.0], [2.0, 3.0]]]).fold((1, 3), (1, 2))
        Tensor([[[[1., 4., 3.]]]])
        """
        how = _folding(self.shape, output_size, kernel_size, stride, padding, dilation)
        return self._record(ops.fold, (self,), how)

    def _with(self, weight: Any, bias: Any = None) -> tuple[Any, ...]:
        """This tensor, the weight and perhaps the bias as Tensors."""
        if not isinstance(weight, Methods):
            weight = self._coerced(weight)
        if bias is None:
            return self, weight
        return self, weight, bias if isinstance(bias, Methods) else self._coerced(bias)


_shape = attrgetter("_data.shape")


def _tensor(x: Methods) -> Tensor:
    return cast("Tensor", x)


def _as_row(x: Methods) -> Tensor:
    """Sequences (…, L) as images of a single row, (…, 1, L)."""
    return _tensor(x).unsqueeze(-2)


def _in_row(value: Any, rows: int) -> Shape:
    """A setting along one axis, for the images of a single row."""
    return (rows, *one_or_several(value))


# ---- arguments ---------------------------------------------------------------------------------
# A training step gives the same arguments each time, so what they come to is remembered.


def _remembered(function: Function) -> Function:
    """The same, computed once for the same arguments."""
    cached = lru_cache(maxsize=256)(function)

    @wraps(function)
    def remembered(*args: Any) -> Any:
        try:
            return cached(*args)
        except TypeError:  # a list among them cannot be looked up
            return function(*args)

    return cast(Function, remembered)


@_remembered
def _convolution(
    shapes: tuple[Shape, ...], stride: Size, padding: Size | str, dilation: Size, groups: int
) -> dict[str, Any]:
    """The settings of conv2d for images, a weight and perhaps a bias of these shapes."""
    x, weight, *bias = shapes
    if len(weight) != 4:
        raise ShapeError(f"conv2d needs a weight (O, C/groups, kh, kw), got shape {weight}")
    _check_channels(x[1], weight[1] * groups, weight[0], groups, bias)
    how = _sliding("conv2d", x[2:], weight[2:], stride, padding, dilation)
    return {**how, "groups": groups}


@_remembered
def _transposed(
    shapes: tuple[Shape, ...],
    stride: Size,
    padding: Size,
    output_padding: Size,
    groups: int,
    dilation: Size,
) -> dict[str, Any]:
    """The settings of conv_transpose2d: those of the convolution that leads back."""
    x, weight, *bias = shapes
    if len(weight) != 4:
        raise ShapeError(
            f"conv_transpose2d needs a weight (C, O/groups, kh, kw), got shape {weight}"
        )
    _check_channels(x[1], weight[0], weight[1] * groups, groups, bias)
    steps, apart = _pair("stride", stride), _pair("dilation", dilation)
    pad, extra = _pair("padding", padding, 0), _pair("output_padding", output_padding, 0)
    if any(e >= max(s, d) for e, s, d in zip(extra, steps, apart, strict=True)):
        raise ValueError(
            f"output_padding is less than the stride or the dilation, got {output_padding} "
            f"for stride {stride} and dilation {dilation}"
        )
    each = zip(x[2:], weight[2:], steps, pad, apart, extra, strict=True)
    shape = tuple((n - 1) * s - 2 * p + d * (k - 1) + e + 1 for n, k, s, p, d, e in each)
    if min(shape) < 1:
        raise ShapeError(f"conv_transpose2d: nothing is left of the result, of size {shape}")
    how = _sliding("conv_transpose2d", shape, weight[2:], steps, pad, apart)
    return {"shape": shape, **how, "groups": groups}


@_remembered
def _unfolding(size: Shape, kernel_size: Size, *window: Any) -> dict[str, Any]:
    """The settings of unfold. window: stride, padding and dilation."""
    kernel = _pair("kernel_size", kernel_size)
    return {"kernel": kernel, **_sliding("unfold", size, kernel, *window)}


@_remembered
def _folding(columns: Shape, output_size: Size, kernel_size: Size, *window: Any) -> dict[str, Any]:
    """The settings of fold for columns of this shape."""
    shape, kernel = _pair("output_size", output_size), _pair("kernel_size", kernel_size)
    how = _sliding("fold", shape, kernel, *window)
    padded = map(sum, zip(shape, *zip(*how["padding"], strict=True), strict=True))
    count = math.prod(map(places, padded, kernel, how["stride"], how["dilation"]))
    size = math.prod(kernel)
    if columns[1] % size or columns[2] != count:
        raise ShapeError(
            f"fold to {shape} with windows of {kernel} needs columns of shape "
            f"(N, C · {size}, {count}), got {columns}"
        )
    return {"shape": shape, "kernel": kernel, **how}


def _pooling(
    name: str,
    size: Shape,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    dilation: Size,
    ceil_mode: bool,
) -> tuple[Shape, dict[str, Any]]:
    """The window and how it slides. The padding has what a last window over the edge needs."""
    kernel, apart = _pair("kernel_size", kernel_size), _pair("dilation", dilation)
    steps, pad = _pair("stride", kernel if stride is None else stride), _pair("padding", padding, 0)
    if any(2 * p > k for p, k in zip(pad, kernel, strict=True)):
        raise ValueError(
            f"{name}: the padding is at most half of the window, got {padding} for {kernel_size}"
        )
    over = [0, 0]
    if ceil_mode:
        for i, (n, k, s, p, d) in enumerate(zip(size, kernel, steps, pad, apart, strict=True)):
            window = d * (k - 1) + 1
            last = -((window - n - 2 * p) // s) * s - p  # where the last window begins
            last -= s * (last >= n)  # but not behind the image
            over[i] = max(0, last + window - n - p)
    return kernel, _sliding(name, size, kernel, steps, pad, apart, over)


@_remembered
def _maxima(size: Shape, *window: Any) -> tuple[Shape, dict[str, Any]]:
    """What `Tensor.pad` shall add, if anything, and the settings of max_pool2d."""
    kernel, how = _pooling("max_pool2d", size, *window)
    (above, below), (left, right) = how.pop("padding")
    pad = (left, right, above, below)
    return pad if any(pad) else (), {"kernel": kernel, **how}


@_remembered
def _averages(
    size: Shape, dtype: Any, window: tuple[Any, ...], count_padding: bool, divisor: int | None
) -> dict[str, Any]:
    """For the rows and for the columns: the share of each (column) in each window's mean (row)."""
    if divisor == 0:
        raise ValueError("divisor_override is a number other than 0, or None")
    kernel, how = _pooling("avg_pool2d", size, *window)
    shares = []
    divisors = (divisor, divisor and 1)  # only one of the two divides
    each = zip(size, kernel, how["stride"], how["padding"], divisors, strict=True)
    for n, k, s, (before, after), by in each:
        starts = np.arange(-before, n + after - k + 1, s)
        ends = np.minimum(starts + k, n + before)  # also in the padding, but not behind it
        inside = np.minimum(ends, n) - np.maximum(starts, 0)
        counts = ends - starts if count_padding else inside
        shares.append(_shares(n, starts, ends, by or counts, dtype))
    return {"rows": shares[0], "columns": shares[1]}


@_remembered
def _even_averages(size: Shape, dtype: Any, output_size: Any) -> dict[str, Any]:
    """The same for as many windows as asked for."""
    if isinstance(output_size, tuple | list) and len(output_size) == 2:
        output_size = tuple(n if m is None else m for n, m in zip(size, output_size, strict=True))
    shares = []
    for n, m in zip(size, _pair("output_size", output_size, 0), strict=True):
        starts, ends = np.arange(m) * n // m, -(-np.arange(1, m + 1) * n // m)
        shares.append(_shares(n, starts, ends, ends - starts, dtype))
    return {"rows": shares[0], "columns": shares[1]}


def _shares(n: int, starts: Any, ends: Any, divisors: Any, dtype: Any) -> Any:
    """A row for each window, from start to end, with 1/divisor for each of n elements in it."""
    if dtype.kind != "f":
        raise DtypeError(f"a mean needs floating-point images, got dtype {dtype}: astype(float)")
    inside = (starts <= np.arange(n)[:, None]) & (np.arange(n)[:, None] < ends)
    shares = np.ascontiguousarray((inside / divisors).T, dtype)
    shares.flags.writeable = False
    return shares


def _sliding(
    name: str,
    size: Shape,
    kernel: Shape,
    stride: Size,
    padding: Size | str,
    dilation: Size,
    over: Iterable[int] = (0, 0),
) -> dict[str, Any]:
    """The settings of a window that slides over images of this size; an error if it does not fit.

    over: padding below and at the right that is there besides.
    """
    stride, dilation = _pair("stride", stride), _pair("dilation", dilation)
    window = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    if padding == "same":
        if stride != (1, 1):
            raise ValueError(f"padding='same' needs a stride of 1, got {stride}")
        padding, over = tuple((w - 1) // 2 for w in window), [(w - 1) % 2 for w in window]
    elif padding == "valid":
        padding = 0
    elif isinstance(padding, str):
        raise ValueError(f"padding is a number, a pair, 'same' or 'valid', got {padding!r}")
    sides = tuple((p, p + o) for p, o in zip(_pair("padding", padding, 0), over, strict=True))
    room = [n + sum(pair) for n, pair in zip(size, sides, strict=True)]
    if any(k < 1 or w > r for k, w, r in zip(kernel, window, room, strict=True)):
        raise ShapeError(
            f"{name}: a window of {window[0]} × {window[1]} does not fit into an image of "
            f"{room[0]} × {room[1]}, its padding included"
        )
    return {"stride": stride, "padding": sides, "dilation": dilation}


def _check_channels(given: int, taken: int, made: int, groups: int, bias: list[Shape]) -> None:
    """groups: the channels taken and those made fall into so many."""
    if groups < 1 or taken % groups or made % groups:
        raise ShapeError(
            f"groups={groups} needs to divide the weight's channels, {taken} in and {made} out"
        )
    if given != taken:
        of_groups = f" ({taken // groups} for each of {groups} groups)" if groups > 1 else ""
        raise ShapeError(f"x has {given} channels, but the weight takes {taken}{of_groups}")
    if bias and bias[0] != (made,):
        raise ShapeError(f"the bias needs shape ({made},), a number for each filter, got {bias[0]}")


def _pair(name: str, value: Any, least: int = 1) -> Shape:
    """(rows, columns) of one number for both, or of two."""
    pair = one_or_several(value)
    pair = pair * 2 if len(pair) == 1 else pair
    if len(pair) != 2 or min(pair) < least:
        raise ValueError(f"{name} is a number or a pair, each at least {least}, got {value}")
    return pair
