"""Reductions in PyTorch, called as our cases are."""

import torch


def dims(axis, ndim):
    """PyTorch takes no axis=None in some functions."""
    return tuple(range(ndim)) if axis is None else axis


def extreme(name):
    def twin(x, axis, keepdims):
        if axis is None:
            y = getattr(x, name)()
            return y.reshape((1,) * x.ndim) if keepdims else y
        if isinstance(axis, tuple):
            # amax over no axes at all means all of them.
            return getattr(torch, "a" + name)(x, axis, keepdim=keepdims) if axis else x * 1
        return getattr(x, name)(axis, keepdim=keepdims).values

    return twin


def reduction(function):
    def twin(x, axis, keepdims):
        return x * 1 if axis == () else function(x, dims(axis, x.ndim), keepdim=keepdims)

    return twin


TWINS = {
    "sum": reduction(torch.sum),
    "mean": reduction(torch.mean),
    "max": extreme("max"),
    "min": extreme("min"),
    "argmax": lambda x, axis, keepdims: torch.argmax(x, axis, keepdim=keepdims),
    "argmin": lambda x, axis, keepdims: torch.argmin(x, axis, keepdim=keepdims),
}
