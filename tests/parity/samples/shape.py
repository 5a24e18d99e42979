"""Operators that rearrange, repeat or pick, called as PyTorch calls its own."""

import tinygrad_sm
from samples.unsupported import Unsupported
from tinygrad_sm import Tensor


def repeat_interleave(x, repeats, axis=None, output_size=None):
    if output_size is not None:
        raise Unsupported("output_size=")
    return x.repeat_interleave(repeats, axis)


def cat(tensors, *args, **kwargs):
    if len({x.ndim for x in tensors}) > 1:
        raise Unsupported("an empty vector joins any shape")
    return tinygrad_sm.cat(tensors, *args, **kwargs)


def diagonal(x, offset=0, dim1=0, dim2=1):
    return x.diagonal(offset, dim1, dim2)


def diag_embed(x, offset=0, dim1=-2, dim2=-1):
    return x.diag_embed(offset, dim1, dim2)


def gather(x, axis, index):
    if not index.numel() and index.ndim != x.ndim:
        raise Unsupported("an empty index with another number of axes")
    return x.gather(axis, index)


def scatter(x, axis, index, src, reduce=None):
    if reduce is not None:
        raise Unsupported("reduce=")
    return x.scatter(axis, index, src)


SAMPLES = {
    "reshape": Tensor.reshape,
    "reshape_as": Tensor.reshape_as,
    "view": Tensor.view,
    "view_as": Tensor.view_as,
    "flatten": lambda x, start_dim=0, end_dim=-1: x.flatten(start_dim, end_dim),
    "ravel": Tensor.ravel,
    "unflatten": Tensor.unflatten,
    "squeeze": Tensor.squeeze,
    ("squeeze", "multiple"): Tensor.squeeze,
    "unsqueeze": Tensor.unsqueeze,
    "permute": Tensor.permute,
    "transpose": Tensor.transpose,
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "movedim": Tensor.movedim,
    "flip": lambda x, dims: x.flip(dims),
    "fliplr": Tensor.fliplr,
    "flipud": Tensor.flipud,
    "roll": lambda x, shifts, dims=None, axis=None: x.roll(shifts, dims if axis is None else axis),
    "expand": Tensor.expand,
    "expand_as": Tensor.expand_as,
    "broadcast_to": Tensor.broadcast_to,
    "broadcast_tensors": tinygrad_sm.broadcast_tensors,
    "repeat": Tensor.repeat,
    "tile": Tensor.tile,
    "repeat_interleave": repeat_interleave,
    ("nn.functional.pad", "constant"): Tensor.pad,
    ("nn.functional.pad", "reflect"): Tensor.pad,
    ("nn.functional.pad", "replicate"): Tensor.pad,
    ("nn.functional.pad", "replicate_negative"): Tensor.pad,
    ("nn.functional.pad", "circular"): Tensor.pad,
    "cat": cat,
    "stack": tinygrad_sm.stack,
    "hstack": tinygrad_sm.hstack,
    "vstack": tinygrad_sm.vstack,
    "split": Tensor.split,
    ("split", "list_args"): Tensor.split,
    "split_with_sizes": Tensor.split,
    "unsafe_split": Tensor.split,
    "chunk": Tensor.chunk,
    "unbind": Tensor.unbind,
    "__getitem__": Tensor.__getitem__,
    "take": Tensor.take,
    "take_along_dim": Tensor.take_along_axis,
    "index_select": Tensor.index_select,
    "index_add": Tensor.index_add,
    "masked_select": Tensor.masked_select,
    "gather": gather,
    "scatter": scatter,
    "scatter_add": Tensor.scatter_add,
    "sort": Tensor.sort,
    "argsort": Tensor.argsort,
    "topk": Tensor.topk,
    "tril": Tensor.tril,
    "triu": Tensor.triu,
    "diag": Tensor.diag,
    "diagonal": diagonal,
    "diag_embed": diag_embed,
    "trace": Tensor.trace,
}
