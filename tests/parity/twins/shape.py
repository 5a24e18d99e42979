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


TWINS = {
    "reshape": lambda x, shape: torch.reshape(x, shape),
    "permute": lambda x, axes: torch.permute(x, axes),
    "expand": lambda x, shape: x.expand(shape),
    "sum_to": lambda x, shape: x.sum_to_size(shape),
    "getitem": pick,
    "put": put,
}
