"""Operations that rearrange, repeat or pick in PyTorch, called as our cases are."""

import numpy as np
import torch


def pick(x, key):
    """The elements that NumPy's index picks, by their places in the flat tensor."""
    places = np.arange(x.numel()).reshape(tuple(x.shape))[key]
    return x.reshape(-1)[torch.tensor(np.array(places))]


def put(x, key, shape):
    places = np.arange(np.prod(shape, dtype=int)).reshape(shape)[key]
    zeros = torch.zeros(int(np.prod(shape)), dtype=x.dtype)
    flat = torch.tensor(np.array(places)).reshape(-1)
    return zeros.index_add(0, flat, x.reshape(-1)).reshape(shape)


def diag_embed(x, shape, offset, axis1, axis2):
    zeros = torch.zeros(shape, dtype=x.dtype)
    return zeros.diagonal_scatter(x, offset, axis1, axis2)


TWINS = {
    "reshape": lambda x, shape: torch.reshape(x, shape),
    "permute": lambda x, axes: torch.permute(x, axes),
    "expand": lambda x, shape: x.expand(shape),
    "sum_to": lambda x, shape: x.sum_to_size(shape),
    "getitem": pick,
    "put": put,
    "flip": lambda x, axis: torch.flip(x, axis),
    "roll": lambda x, shifts, axis: torch.roll(x, shifts, axis),
    "repeat": lambda x, counts: x.repeat(counts),
    "repeat_interleave": lambda x, repeats, axis: x.repeat_interleave(repeats, axis),
    "gather": lambda x, index, axis: torch.gather(x, axis, index),
    "scatter": lambda x, index, src, axis: torch.scatter(x, axis, index, src),
    "scatter_add": lambda x, index, src, axis: torch.scatter_add(x, axis, index, src),
    "argsort": lambda x, axis, descending: torch.argsort(
        x, dim=axis, descending=descending, stable=True
    ),
    "cat": lambda *inputs, axis: torch.cat(inputs, axis),
    "stack": lambda *inputs, axis: torch.stack(inputs, axis),
    "pad": lambda x, sides, value: torch.nn.functional.pad(x, sides, value=value) * 1,
    "tril": lambda x, diagonal: torch.tril(x, diagonal),
    "triu": lambda x, diagonal: torch.triu(x, diagonal),
    "diagonal": lambda x, offset, axis1, axis2: torch.diagonal(x, offset, axis1, axis2),
    "diag_embed": diag_embed,
}
