"""Pooling layers: images made smaller, with one number for each window."""

from __future__ import annotations

from nn.module import Module
from tinygrad_sm import Tensor

Size = int | tuple[int, ...]


class MaxPool2d(Module):
    """The largest element of each window; see `Tensor.max_pool2d`.

    >>> MaxPool2d(2)(Tensor([[[[1.0, 2.0], [4.0, 3.0]]]]))
    Tensor([[[[4.]]]])
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.ceil_mode = ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        """The largest element of each window."""
        return x.max_pool2d(
            self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        )

    def extra_repr(self) -> str:
        """The settings, as PyTorch prints them."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(MaxPool2d):
    """The largest element of each window of sequences (N, C, L).

    >>> MaxPool1d(2)(Tensor([[[1.0, 4.0, 2.0, 3.0]]]))
    Tensor([[[4., 3.]]])
    """

    def forward(self, x: Tensor) -> Tensor:
        """The largest element of each window."""
        return x.max_pool1d(
            self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        )


class AvgPool2d(Module):
    """The mean of each window; see `Tensor.avg_pool2d`.

    >>> AvgPool2d(2)(Tensor([[[[1.0, 2.0], [4.0, 3.0]]]]))
    Tensor([[[[2.5]]]])
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, x: Tensor) -> Tensor:
        """The mean of each window."""
        return x.avg_pool2d(
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        """The settings, as PyTorch prints them."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool2d(Module):
    """The mean of as many windows as give an image of `output_size`; 1 is the mean of all of it.

    >>> AdaptiveAvgPool2d(1)(Tensor([[[[1.0, 2.0], [4.0, 3.0]]]]))
    Tensor([[[[2.5]]]])
    """

    def __init__(self, output_size: Size) -> None:
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        """The mean of each window."""
        return x.adaptive_avg_pool2d(self.output_size)

    def extra_repr(self) -> str:
        """The settings, as PyTorch prints them."""
        return f"output_size={self.output_size}"
