"""Reductions and running results in PyTorch, called as our cases are."""

import math

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
    def twin(x, axis, keepdims, **attributes):
        # Over no axes at all means all of them; we mean each element on its own.
        single = axis == ()
        y = x.unsqueeze(-1) if single else x
        axis = -1 if single else dims(axis, x.ndim)
        y = function(y, axis, keepdim=keepdims, **attributes)
        return y.squeeze(-1) if single and keepdims else y

    return twin


def one_axis(function):
    """For functions that take a single axis: several are first made one."""

    def twin(x, axis, keepdims):
        if axis is None:
            axis = tuple(range(x.ndim))
        axes = [a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,)) if x.ndim]
        rest = [i for i in range(x.ndim) if i not in axes]
        shape = [x.shape[i] for i in rest] + [math.prod(x.shape[i] for i in axes)]
        y = function(x.permute((*rest, *axes)).reshape(shape), -1)
        return y.reshape([1 if i in axes else n for i, n in enumerate(x.shape)]) if keepdims else y

    return twin


def median(x, axis, keepdims):
    return one_axis(lambda x, axis: x.median(axis).values)(x, axis, keepdims)


def scan(b, c, axis, reverse):
    flip = (lambda x: x.flip(axis)) if reverse else lambda x: x
    y = []
    for k, new in enumerate(flip(b).unbind(axis)):
        y.append(new + flip(c).select(axis, k - 1) * y[-1] if y else new * 1)
    return flip(torch.stack(y, axis)) + 0 * c.sum()  # also where there are no links


def run(function):
    def twin(x, axis, reverse):
        return function(x.flip(axis), axis).flip(axis) if reverse else function(x, axis)

    return twin


TWINS = {
    "sum": reduction(torch.sum),
    "mean": reduction(torch.mean),
    "prod": one_axis(lambda x, axis: x.prod(axis)),
    "count_nonzero": one_axis(lambda x, axis: x.count_nonzero(axis)),
    "all": reduction(torch.all),
    "any": reduction(torch.any),
    "var": reduction(torch.var),
    "std": reduction(torch.std),
    "norm": reduction(
        lambda x, axis, keepdim, p: torch.linalg.vector_norm(x, p, axis, keepdim=keepdim)
    ),
    "max": extreme("max"),
    "min": extreme("min"),
    "argmax": lambda x, axis, keepdims: torch.argmax(x, axis, keepdim=keepdims),
    "argmin": lambda x, axis, keepdims: torch.argmin(x, axis, keepdim=keepdims),
    "median": median,
    "cumsum": run(torch.cumsum),
    "scan": scan,
    "cumprod": run(torch.cumprod),
    "logcumsumexp": torch.logcumsumexp,
    "argcummax": lambda x, axis: torch.cummax(x, axis).indices,
    "argcummin": lambda x, axis: torch.cummin(x, axis).indices,
}
