"""Normalization: values moved and scaled to mean 0 and variance 1 between the layers."""

from __future__ import annotations

from nn.module import Buffer, Module, Parameter
from tinygrad_sm import ShapeError, Tensor, ones, zeros


class _BatchNorm(Module):
    """What BatchNorm1d and BatchNorm2d share; they differ in the shapes they take."""

    ndims: tuple[int, ...]
    shapes: str

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
    ) -> None:
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self.weight = Parameter(ones(num_features)) if affine else None
        self.bias = Parameter(zeros(num_features)) if affine and bias else None
        track = track_running_stats
        self.running_mean = Buffer(zeros(num_features)) if track else None
        self.running_var = Buffer(ones(num_features)) if track else None
        self.num_batches_tracked = Buffer(Tensor(0, dtype=int)) if track else None

    def forward(self, x: Tensor) -> Tensor:
        """(x − mean) / √(variance + ε) · weight + bias, for each channel."""
        if x.ndim not in self.ndims or x.shape[1] != self.num_features:
            raise ShapeError(
                f"{type(self).__name__} needs a shape {self.shapes} with "
                f"C = {self.num_features}, got {x.shape}"
            )
        y = x.batch_norm(
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            self._share(),
            self.eps,
        )
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.data += 1
        return y

    def _share(self) -> float:
        """The share of this batch in the running statistics."""
        if self.momentum is not None:
            return self.momentum
        batches = self.num_batches_tracked
        return 0.0 if batches is None else 1 / (batches.item() + 1)

    def extra_repr(self) -> str:
        """The settings, as PyTorch prints them."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Each feature moved and scaled to mean 0 and variance 1 over the batch.

        y = (x − mean) / √(variance + ε) · weight + bias

    num_features: C, the number of features or channels.
    eps: ε, which keeps the root away from 0.
    momentum: the share of each batch in the running mean and variance; None for their plain
        average over all batches.
    affine: False leaves weight and bias out; bias=False the bias alone.
    track_running_stats: False keeps no running statistics and takes those of the batch always.

    Shapes: (N, C) or (N, C, L), and the same back. In training the mean and variance are those of
    the batch; after `eval()` the running ones, kept in `running_mean` and `running_var`.

    Source: Ioffe and Szegedy (2015).

    >>> norm = BatchNorm1d(1)
    >>> norm(Tensor([[1.0], [3.0]])).tolist()
    [[-0.9999949932098389], [0.9999949932098389]]
    >>> norm.running_mean
    Tensor([0.2])
    """

    ndims = (2, 3)
    shapes = "(N, C) or (N, C, L)"


class BatchNorm2d(_BatchNorm):
    """Each channel of images moved and scaled to mean 0 and variance 1 over the batch.

    The same as `BatchNorm1d` for images of shape (N, C, H, W); a channel's mean and variance are
    taken over all places in all images.

    >>> BatchNorm2d(3)(Tensor([[[[0.0, 1.0]]] * 3])).shape
    (1, 3, 1, 2)
    """

    ndims = (4,)
    shapes = "(N, C, H, W)"


class LayerNorm(Module):
    """Each row moved and scaled to mean 0 and variance 1 on its own, whatever the batch.

        y = (x − mean) / √(variance + ε) · weight + bias

    normalized_shape: the length of the last axis, or the shape of the last axes taken together.
    eps: ε, which keeps the root away from 0.
    elementwise_affine: False leaves weight and bias out.
    bias: False leaves the bias out.

    Shapes: (…, *normalized_shape), and the same back.

    Source: Ba, Kiros and Hinton (2016).

    >>> LayerNorm(2)(Tensor([[1.0, 3.0], [0.0, 8.0]])).numpy().round(3)
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...] | list[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else normalized_shape
        self.normalized_shape = tuple(shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.weight = Parameter(ones(*self.normalized_shape)) if elementwise_affine else None
        learn_bias = elementwise_affine and bias
        self.bias = Parameter(zeros(*self.normalized_shape)) if learn_bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(x − mean) / √(variance + ε) · weight + bias, for each row."""
        return x.layer_norm(self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The settings, as PyTorch prints them."""
        settings = f"eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        return f"{self.normalized_shape}, {settings}, bias={self.bias is not None}"


class GroupNorm(Module):
    """Each group of neighbouring channels moved and scaled to mean 0 and variance 1, row by row.

        y = (x − mean) / √(variance + ε) · weight + bias

    num_groups: into how many groups the channels are split evenly.
    num_channels: C, the number of channels.
    eps: ε, which keeps the root away from 0.
    affine: False leaves weight and bias, one of each for a channel, out; bias=False the bias.

    Shapes: (N, C, …), and the same back.

    Source: Wu and He (2018).

    >>> GroupNorm(2, 4)(Tensor([[1.0, 3.0, 0.0, 8.0]])).numpy().round(3)
    array([[-1.,  1., -1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
    ) -> None:
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(
                "num_channels needs to be divisible by num_groups, "
                f"got {num_channels} channels and {num_groups} groups"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self.weight = Parameter(ones(num_channels)) if affine else None
        self.bias = Parameter(zeros(num_channels)) if affine and bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(x − mean) / √(variance + ε) · weight + bias, for each group."""
        if x.ndim < 2 or x.shape[1] != self.num_channels:
            raise ShapeError(
                f"GroupNorm needs a shape (N, C, …) with C = {self.num_channels}, got {x.shape}"
            )
        return x.group_norm(self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The settings, as PyTorch prints them."""
        settings = f"eps={self.eps}, affine={self.affine}, bias={self.bias is not None}"
        return f"{self.num_groups}, {self.num_channels}, {settings}"
