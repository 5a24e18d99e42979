"""Convolution layers: filters that slide over sequences and images."""

from __future__ import annotations

import math
from typing import Any

from nn.module import Module, Parameter
from tinygrad_sm import Tensor, uniform

Size = int | tuple[int, ...]


class _Convolution(Module):
    """What the convolution layers share: their settings, and how their parameters start."""

    axes: int  # how many axes the filters slide along
    modes: tuple[str, ...] = ("zeros", "reflect", "replicate", "circular")
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ) -> None:
        name = type(self).__name__
        if min(in_channels, out_channels, groups) < 1:
            raise ValueError(
                f"{name} needs at least one input channel, one output channel and one group, "
                f"got {in_channels}, {out_channels} and {groups}"
            )
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}: groups={groups} needs to divide in_channels={in_channels} and "
                f"out_channels={out_channels}"
            )
        if padding_mode not in self.modes:
            raise ValueError(f"{name}: padding_mode is one of {self.modes}, got {padding_mode!r}")
        if isinstance(padding, str) and (self.transposed or padding not in ("same", "valid")):
            names = "" if self.transposed else ", 'same' or 'valid'"
            raise ValueError(f"{name}: padding is a number for each axis{names}, got {padding!r}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = self._each("kernel_size", kernel_size)
        self.stride = self._each("stride", stride)
        self.padding: Any = padding if isinstance(padding, str) else self._each("padding", padding)
        self.dilation = self._each("dilation", dilation)
        self.groups = groups
        self.padding_mode = padding_mode
        first, second = (in_channels, out_channels)[:: 1 if self.transposed else -1]
        shape = (first, second // groups, *self.kernel_size)
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        self.weight = Parameter(uniform(shape, low=-bound, high=bound))
        self.bias = Parameter(uniform(out_channels, low=-bound, high=bound)) if bias else None

    def _each(self, name: str, value: Size) -> tuple[int, ...]:
        """A number for each axis."""
        each = tuple(value) if isinstance(value, tuple | list) else (value,) * self.axes
        if len(each) != self.axes or not all(isinstance(n, int) for n in each):
            raise ValueError(f"{name} is a number, or {self.axes} of them, got {value!r}")
        return each

    def _padded(self, x: Tensor) -> tuple[Tensor, Any]:
        """x with a padding that is not of zeros, and the padding that is left to do."""
        if self.padding_mode == "zeros":
            return x, self.padding
        sides: list[int] = []  # before and after the last axis, then the one before it
        for i in reversed(range(self.axes)):
            reach = self.dilation[i] * (self.kernel_size[i] - 1)
            if self.padding == "same":
                sides += [reach // 2, reach - reach // 2]
            else:
                sides += [0, 0] if self.padding == "valid" else [self.padding[i]] * 2
        return x.pad(sides, mode=self.padding_mode), 0

    def extra_repr(self) -> str:
        """The settings, as PyTorch prints them: those that are not as usual."""
        settings = [
            f"{self.in_channels}, {self.out_channels}",
            f"kernel_size={self.kernel_size}",
            f"stride={self.stride}",
        ]
        usual = {"padding": 0, "dilation": 1, "output_padding": 0}
        for name, number in usual.items():
            value = getattr(self, name, None)
            if value not in (None, (number,) * self.axes):
                settings.append(f"{name}={value}")
        if self.groups != 1:
            settings.append(f"groups={self.groups}")
        if self.bias is None:
            settings.append("bias=False")
        if self.padding_mode != "zeros":
            settings.append(f"padding_mode={self.padding_mode}")
        return ", ".join(settings)


class Conv2d(_Convolution):
    """Filters that slide over images: at every place, Σ weight · patch + bias.

    in_channels, out_channels: the channels of the images in and out; each output channel is what
        one filter sees.
    kernel_size, stride, padding, dilation: a number, or a pair (rows, columns); padding also "same"
        or "valid".
    groups: the channels in as many groups, each with filters of its own.
    bias: False leaves it out.
    padding_mode: what stands around the image: "zeros", "reflect", "replicate" or "circular".

    Shapes: x (N, C, H, W) gives (N, O, Ho, Wo), see `Tensor.conv2d`. `weight` is
    (O, C/groups, kh, kw), `bias` (O,). Both start evenly spread over ±1/√(C/groups · kh · kw), as
    in PyTorch.

    >>> layer = Conv2d(1, 8, 3, padding=1)
    >>> layer
    Conv2d(1, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    >>> from tinygrad_sm import zeros
    >>> layer(zeros(32, 1, 28, 28)).shape
    (32, 8, 28, 28)
    """

    axes = 2

    def forward(self, x: Tensor) -> Tensor:
        """What the filters see at every place."""
        x, padding = self._padded(x)
        return x.conv2d(self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv1d(_Convolution):
    """`Conv2d` along one axis, for sequences (N, C, L); `weight` is (O, C/groups, k).

    >>> from tinygrad_sm import zeros
    >>> Conv1d(4, 6, 3)(zeros(2, 4, 10)).shape
    (2, 6, 8)
    """

    axes = 1

    def forward(self, x: Tensor) -> Tensor:
        """What the filters see at every place."""
        x, padding = self._padded(x)
        return x.conv1d(self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class ConvTranspose2d(_Convolution):
    """The adjoint of a convolution: each element paints a filter into a larger image.

    The arguments are those of `Conv2d`, in PyTorch's order, and `output_padding`, which makes the
    result larger at one end: with a stride, images of several sizes lead to the same one.

    Shapes: x (N, C, H, W) gives (N, O, Ho, Wo), see `Tensor.conv_transpose2d`. `weight` is
    (C, O/groups, kh, kw), `bias` (O,).

    >>> from tinygrad_sm import zeros
    >>> ConvTranspose2d(8, 1, 2, stride=2)(zeros(1, 8, 7, 7)).shape
    (1, 1, 14, 14)
    """

    axes = 2
    modes = ("zeros",)
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
    ) -> None:
        sliding = (kernel_size, stride, padding, dilation)
        super().__init__(in_channels, out_channels, *sliding, groups, bias, padding_mode)
        self.output_padding = self._each("output_padding", output_padding)

    def forward(self, x: Tensor) -> Tensor:
        """The larger images."""
        sliding = (self.stride, self.padding, self.output_padding, self.groups, self.dilation)
        return x.conv_transpose2d(self.weight, self.bias, *sliding)


class Unfold(Module):
    """Each window of the images as a column; see `Tensor.unfold`.

    >>> Unfold((1, 2))(Tensor([[[[1.0, 2.0, 3.0]]]]))
    Tensor([[[1., 2.],
             [2., 3.]]])
    """

    def __init__(
        self, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
    ) -> None:
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """The columns."""
        return x.unfold(self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """The settings, as PyTorch prints them."""
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )


class Fold(Unfold):
    """Columns added up to images of `output_size`; see `Tensor.fold`.

    >>> Fold((1, 3), (1, 2))(Tensor([[[1.0, 2.0], [2.0, 3.0]]]))
    Tensor([[[[1., 4., 3.]]]])
    """

    def __init__(
        self,
        output_size: Size,
        kernel_size: Size,
        dilation: Size = 1,
        padding: Size = 0,
        stride: Size = 1,
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        """The images."""
        sliding = (self.kernel_size, self.dilation, self.padding, self.stride)
        return x.fold(self.output_size, *sliding)

    def extra_repr(self) -> str:
        """The settings, as PyTorch prints them."""
        return f"output_size={self.output_size}, {super().extra_repr()}"
