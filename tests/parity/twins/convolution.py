"""Convolution and pooling in PyTorch, called as our cases are."""

import torch
from cases.convolution import extra
from torch.nn import functional


def both(padding):
    return tuple(before for before, _ in padding)


def conv_transpose2d(x, w, shape, stride, padding, dilation, groups):
    pad = both(padding)
    more = extra(x.shape[2:], w, shape, stride, pad, dilation)
    return functional.conv_transpose2d(x, w, None, stride, pad, more, groups, dilation)


def conv2d_weight(g, x, kernel, padding, groups, **how):
    w = torch.zeros(g.shape[1], x.shape[1] // groups, *kernel, dtype=g.dtype, requires_grad=True)
    y = functional.conv2d(x, w, padding=both(padding), groups=groups, **how)
    return torch.autograd.grad(y, w, g, create_graph=True)[0]


def max_scatter2d(g, y, x, kernel, stride, dilation):
    x = x.double().requires_grad_()
    y = functional.max_pool2d(x, kernel, stride, 0, dilation)
    return torch.autograd.grad(y, x, g, create_graph=True)[0]


def max_pick2d(candidates, y, x, kernel, stride, dilation):
    how = (kernel, stride, 0, dilation)
    _, places = functional.max_pool2d(x.double(), *how, return_indices=True)
    return candidates.flatten(2).gather(2, places.flatten(2)).reshape(places.shape)


TWINS = {
    "conv2d": lambda *inputs, padding, **how: functional.conv2d(
        *inputs, padding=both(padding), **how
    ),
    "conv_transpose2d": conv_transpose2d,
    "conv2d_weight": conv2d_weight,
    "unfold": lambda x, kernel, stride, padding, dilation: functional.unfold(
        x, kernel, dilation, both(padding), stride
    ),
    "fold": lambda x, shape, kernel, stride, padding, dilation: functional.fold(
        x, shape, kernel, dilation, both(padding), stride
    ),
    "max_pool2d": lambda x, kernel, stride, dilation: functional.max_pool2d(
        x, kernel, stride, 0, dilation
    ),
    "max_scatter2d": max_scatter2d,
    "max_pick2d": max_pick2d,
    "avg_pool2d": lambda x, rows, columns: torch.einsum(
        "hi,ncij,wj->nchw", torch.tensor(rows.copy()), x, torch.tensor(columns.copy())
    ),
}
