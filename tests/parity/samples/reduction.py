"""Reductions and running results, called as PyTorch calls its own."""

import torch

from samples.unsupported import Unsupported
from tinygrad_sm import Tensor


def reduction(method):
    """PyTorch reduces over all axes where it is given none: axis=() is None."""

    def call(x, axis=None, *args, **kwargs):
        return method(x, _axes(axis), *args, **_options(kwargs))

    return call


def _axes(axis):
    return None if isinstance(axis, list | tuple) and not len(axis) else axis


def _options(kwargs):
    if isinstance(kwargs.get("dtype"), torch.dtype):
        if kwargs["dtype"].is_complex:
            raise Unsupported("complex numbers")
        kwargs["dtype"] = str(kwargs["dtype"]).removeprefix("torch.")
    return kwargs


def moment(method):
    def call(x, axis=None, *args, unbiased=None, **kwargs):
        if isinstance(axis, bool):
            axis, unbiased = None, axis
        elif args:
            unbiased, *args = args
        if unbiased is not None:
            kwargs["correction"] = int(unbiased)
        if kwargs.get("correction", 1) is None:
            kwargs["correction"] = 1
        return method(x, _axes(axis), **kwargs)

    return call


def with_indices(method, places):
    """PyTorch's pair of values and indices along an axis; over all of them the value alone."""

    def call(x, axis=None, keepdims=False):
        if axis is None:
            return method(x)
        return method(x, axis, keepdims), places(x, axis, keepdims)

    return call


def median_place(x, axis, keepdims):
    return (x == x.median(axis, keepdims=True)).argmax(axis, keepdims)


def norm(x, p=2, axis=None, keepdims=False, dtype=None):
    if dtype is not None:
        x = x.astype(str(dtype).removeprefix("torch."))
    if p == "nuc":
        raise Unsupported("the nuclear norm")
    return x.norm(2 if p is None else p, _axes(axis), keepdims)


def vector_norm(x, ord=2, *args, **kwargs):
    return norm(x, ord, *args, **kwargs)


def normalize(x, p=2.0, axis=1, eps=1e-12):
    return x.normalize(p, axis, eps)


def softmin(x, axis=-1, dtype=None):
    if dtype is not None:
        x = x.astype(str(dtype).removeprefix("torch."))
    return x.softmin(axis)


def running(method):
    def call(x, axis, **kwargs):
        return method(x, axis, **_options(kwargs))

    return call


def logcumsumexp(x, axis):
    if x.dtype == "float32" and abs(x.numpy()).max() > 100:
        # y has lost the digits that e^(x − y) needs: 2e-4 off here, and 1e-3 in PyTorch.
        raise Unsupported("float32 elements so large that both gradients are rough")
    return x.logcumsumexp(axis)


SAMPLES = {
    "sum": reduction(Tensor.sum),
    "nansum": reduction(Tensor.nansum),
    "mean": reduction(Tensor.mean),
    "nanmean": reduction(Tensor.nanmean),
    "prod": reduction(Tensor.prod),
    "all": reduction(Tensor.all),
    "any": reduction(Tensor.any),
    "count_nonzero": reduction(Tensor.count_nonzero),
    "var": moment(Tensor.var),
    ("var", "unbiased"): moment(Tensor.var),
    "std": moment(Tensor.std),
    ("std", "unbiased"): moment(Tensor.std),
    "var_mean": moment(Tensor.var_mean),
    ("var_mean", "unbiased"): moment(Tensor.var_mean),
    "std_mean": moment(Tensor.std_mean),
    ("std_mean", "unbiased"): moment(Tensor.std_mean),
    "norm": norm,
    ("norm", "fro"): norm,
    ("norm", "inf"): norm,
    "linalg.vector_norm": vector_norm,
    "nn.functional.normalize": normalize,
    "amax": reduction(Tensor.amax),
    "amin": reduction(Tensor.amin),
    ("max", "reduction_no_dim"): Tensor.max,
    ("min", "reduction_no_dim"): Tensor.min,
    ("max", "reduction_with_dim"): with_indices(Tensor.max, Tensor.argmax),
    ("min", "reduction_with_dim"): with_indices(Tensor.min, Tensor.argmin),
    "argmax": Tensor.argmax,
    "argmin": Tensor.argmin,
    "median": with_indices(Tensor.median, median_place),
    "logsumexp": reduction(Tensor.logsumexp),
    "cumsum": running(Tensor.cumsum),
    "cumprod": running(Tensor.cumprod),
    "cummax": running(Tensor.cummax),
    "cummin": running(Tensor.cummin),
    "logcumsumexp": logcumsumexp,
    "nn.functional.softmin": softmin,
    ("nn.functional.softmin", "with_dtype"): softmin,
}
