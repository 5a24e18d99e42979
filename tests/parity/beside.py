"""Compare a function of ours with PyTorch's: value, gradients and second derivatives."""

import numpy as np
import torch
from cases import weights

from tinygrad_sm import Tensor, grad

torch.set_num_threads(1)


def as_torch(x):
    """A copy, for PyTorch takes no negative strides."""
    return torch.tensor(np.array(x), requires_grad=x.dtype.kind == "f")


def check(ours, theirs, *inputs, atol=1e-9, **attributes):
    """Compare in one go: result, dtype, shape, gradients and second derivatives."""
    here = [Tensor(x, requires_grad=x.dtype.kind == "f", copy=False) for x in inputs]
    there = [as_torch(x) for x in inputs]
    y, t = ours(*here, **attributes), theirs(*there, **attributes)
    assert y.shape == tuple(t.shape)
    assert str(y.dtype) == str(t.dtype).removeprefix("torch.")
    same(y.numpy(), t, atol)
    assert y.requires_grad == t.requires_grad
    if not y.requires_grad:
        return
    here = [x for x in here if x.requires_grad]
    there = [x for x in there if x.requires_grad]
    w = weights(y.shape).astype(y.dtype)
    first = grad(y, here, grad_outputs=Tensor(w), create_graph=True)
    expected = torch.autograd.grad(t, there, torch.tensor(w), create_graph=True)
    for g, e, x in zip(first, expected, here, strict=True):
        assert g.shape == x.shape
        assert g.dtype == x.dtype
        same(g.numpy(), e, atol)
    for slope in weighted(first, Tensor), weighted(expected, torch.tensor):
        if slope.requires_grad:  # otherwise the second derivative is 0
            slope.backward()
    for x, e in zip(here, there, strict=True):
        second = np.zeros(x.shape) if x.grad is None else x.grad
        same(second, torch.zeros(x.shape) if e.grad is None else e.grad, atol)


def weighted(gradients, tensor):
    """A number that depends on every element of the gradients."""
    return sum((g * tensor(weights(tuple(g.shape), seed=1))).sum() for g in gradients)


def same(ours, theirs, atol):
    np.testing.assert_allclose(ours, theirs.detach().numpy(force=True), rtol=1e-9, atol=atol)
