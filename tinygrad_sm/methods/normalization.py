"""Normalizations as methods of Tensor; the derivative stands in `ops/normalization.py`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_sm import ops
from tinygrad_sm.errors import DtypeError, ShapeError
from tinygrad_sm.methods.base import Axis, Methods, one_or_several

if TYPE_CHECKING:
    from tinygrad_sm.tensor import Tensor


class Normalization(Methods):
    """Values moved and scaled to mean 0 and variance 1, over one set of axes or another."""

    __slots__ = ()

    def standardize(self, axis: Axis = None, eps: float = 1e-5) -> Tensor:
        """(x − mean) / √(variance + ε), with the mean and variance over all elements or `axis`.

        Derivative: (g − mean g − y mean(g y)) / √(variance + ε).

        >>> Tensor([1.0, 2.0, 3.0]).standardize()
        Tensor([-1.2247,  0.    ,  1.2247])
        """
        if self._data.dtype.kind != "f":
            raise DtypeError(
                f"a mean of 0 needs floating-point values, this tensor is {self._data.dtype}: "
                "use astype(float)"
            )
        return self._apply(ops.standardize, axis=axis, eps=eps)

    def batch_norm(
        self,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Any = None,
        bias: Any = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        """Standardize each channel: axis 1 of (N, C) or (N, C, d1, …).

            y = (x − mean) / √(variance + ε) · weight + bias

        running_mean, running_var, weight, bias: shape (C,), or None to do without.
        training: True takes the mean and variance of this batch, and moves the running ones by
            the share `momentum` towards them (to the unbiased variance, n − 1 in its denominator);
            False takes the running ones.

        Source: Ioffe and Szegedy (2015).

        >>> x = Tensor([[1.0, 0.0], [3.0, 4.0]])
        >>> x.batch_norm(None, None, training=True)
        Tensor([[-1., -1.],
                [ 1.,  1.]])
        """
        if self.ndim < 2:
            raise ShapeError(
                f"batch_norm needs a shape (N, C) or (N, C, d1, …), this tensor has {self.shape}"
            )
        channels, rest = self.shape[1], (1,) * (self.ndim - 2)
        _check_shapes(
            (channels,),
            running_mean=running_mean,
            running_var=running_var,
            weight=weight,
            bias=bias,
        )
        if training:
            n = self.shape[0] * math.prod(self.shape[2:])
            if n < 2:
                raise ShapeError(
                    "batch_norm needs more than one value for each channel in training, got shape "
                    f"{self.shape}: their variance would be 0. Use a larger batch, or eval()."
                )
            axis = (0, *range(2, self.ndim))
            y = self.standardize(axis, eps)
            if running_mean is not None and running_var is not None:
                mean, variance = y._saved or ops.moments(self._data, axis)[:2]
                for running, now in (running_mean, mean), (running_var, variance * (n / (n - 1))):
                    running.data *= 1 - momentum
                    running.data += momentum * now.reshape(channels)
        elif running_mean is None or running_var is None:
            raise ValueError("batch_norm needs a running mean and variance, or training=True")
        else:
            scale = (running_var + eps).rsqrt()
            y = (self - running_mean.reshape(-1, *rest)) * scale.reshape(-1, *rest)
        return _affine(y, weight, bias, (channels, *rest))

    def layer_norm(
        self, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
    ) -> Tensor:
        """Standardize each row on its own: the last axes, of shape `normalized_shape`.

            y = (x − mean) / √(variance + ε) · weight + bias

        weight, bias: of the shape `normalized_shape`, or None.

        Source: Ba, Kiros and Hinton (2016).

        >>> Tensor([[1.0, 3.0], [10.0, 10.0]]).layer_norm(2)
        Tensor([[-1.,  1.],
                [ 0.,  0.]])
        """
        shape = one_or_several(normalized_shape)
        if not shape or self.shape[-len(shape) :] != shape:
            raise ShapeError(
                f"layer_norm: normalized_shape {shape} is not the end of shape {self.shape}"
            )
        _check_shapes(shape, weight=weight, bias=bias)
        y = self.standardize(tuple(range(self.ndim - len(shape), self.ndim)), eps)
        return _affine(y, weight, bias, shape)

    def group_norm(
        self, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
    ) -> Tensor:
        """Standardize each group of neighbouring channels of each row of (N, C, …) on its own.

            y = (x − mean) / √(variance + ε) · weight + bias

        num_groups: into how many groups the C channels are split evenly.
        weight, bias: shape (C,), or None.

        Source: Wu and He (2018).

        >>> Tensor([[1.0, 3.0, 0.0, 8.0]]).group_norm(2)
        Tensor([[-1.,  1., -1.,  1.]])
        """
        if self.ndim < 2 or num_groups < 1 or self.shape[1] % num_groups:
            raise ShapeError(
                "group_norm needs a shape (N, C, …) with C divisible by the number of groups, "
                f"got shape {self.shape} and {num_groups} groups"
            )
        channels, rest = self.shape[1], (1,) * (self.ndim - 2)
        _check_shapes((channels,), weight=weight, bias=bias)
        size = math.prod(self.shape[1:]) // num_groups
        groups = self._apply(ops.reshape, shape=(self.shape[0], num_groups, size))
        y = groups.standardize(2, eps).reshape(self.shape)
        return _affine(y, weight, bias, (channels, *rest))


def _check_shapes(shape: tuple[int, ...], **given: Any) -> None:
    for name, value in given.items():
        if value is not None and np.shape(value) != shape:
            raise ShapeError(f"{name} needs shape {shape} here, got {np.shape(value)}")


def _affine(y: Tensor, weight: Any, bias: Any, shape: tuple[int, ...]) -> Tensor:
    """y · weight + bias, each in the shape in which it is stretched over y."""
    if weight is not None:
        y = y * _shaped(weight, shape)
    return y if bias is None else y + _shaped(bias, shape)


def _shaped(value: Any, shape: tuple[int, ...]) -> Any:
    return value if np.shape(value) == shape else ops.reshape(value, shape=shape)
