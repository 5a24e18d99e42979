"""Operators of convolution and pooling, called as PyTorch calls its own."""

from samples.unsupported import Unsupported
from tinygrad_sm import Tensor


def max_pool(method):
    def call(x, *args, return_indices=False, **kwargs):
        if return_indices:
            raise Unsupported("return_indices=True")
        return method(x, *args, **kwargs)

    return call


def avg_pool2d(x, kernel_size, stride=None, *args, **kwargs):
    return x.avg_pool2d(kernel_size, stride or None, *args, **kwargs)  # () stands for None there


SAMPLES = {
    "nn.functional.conv1d": Tensor.conv1d,
    "nn.functional.conv2d": Tensor.conv2d,
    "nn.functional.conv_transpose2d": Tensor.conv_transpose2d,
    "nn.functional.max_pool1d": max_pool(Tensor.max_pool1d),
    "nn.functional.max_pool2d": max_pool(Tensor.max_pool2d),
    "nn.functional.avg_pool2d": avg_pool2d,
    "nn.functional.adaptive_avg_pool2d": Tensor.adaptive_avg_pool2d,
    "nn.functional.unfold": Tensor.unfold,
}
