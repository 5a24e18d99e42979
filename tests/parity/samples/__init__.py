"""PyTorch's own sample inputs, put through our operations and through PyTorch's.

`torch.testing` keeps sample inputs for every operator. Each topic here names the operators that we
have and how to call ours; `agreement` runs one of them over all of its samples. `python -m samples`
prints the counts.
"""

import warnings
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import torch
from cases import weights

from samples import convolution, elementwise, linear_algebra, loss, reduction, shape
from samples.unsupported import Unsupported
from tinygrad_sm import Tensor

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db

SAMPLES = elementwise.SAMPLES | shape.SAMPLES | reduction.SAMPLES
SAMPLES |= linear_algebra.SAMPLES | loss.SAMPLES | convolution.SAMPLES

TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-5}


@dataclass
class Agreement:
    """How an operator of ours fared on PyTorch's samples."""

    agreed: int = 0
    unsupported: Counter = field(default_factory=Counter)  # by reason
    differences: list = field(default_factory=list)  # the sample and the error


def agreement(key, dtype=torch.float64, most=None):
    """Run our twin of an operator over PyTorch's samples, forward and backward.

    most: about how many of them, taken evenly from all.
    """
    name, variant = key if isinstance(key, tuple) else (key, "")
    (info,) = [op for op in op_db if (op.name, op.variant_test_name) == (name, variant)]
    if dtype not in info.dtypes:
        dtype = torch.int64  # operators on bits take no floats
    result = Agreement()
    samples = [*info.sample_inputs("cpu", dtype, requires_grad=info.supports_autograd)]
    for sample in samples[:: (len(samples) // (most or len(samples) + 1)) | 1]:
        try:
            with np.errstate(all="ignore"):  # of NaN and inf where PyTorch gives them too
                compare(SAMPLES[key], info.op, sample, TOLERANCE.get(dtype, 0))
        except Unsupported as reason:
            result.unsupported[str(reason)] += 1
        except Exception as error:
            result.differences.append((sample.summary(), error))
        else:
            result.agreed += 1
    return result


def compare(ours, theirs, sample, tolerance):
    """One sample: the values, and the gradients of a weighted sum of them."""
    leaves = {}

    def translated(value):
        if isinstance(value, torch.Tensor):
            if value.is_complex():
                raise Unsupported("complex numbers")
            if value not in leaves:
                array = value.detach().numpy(force=True).copy()
                leaves[value] = Tensor(array, requires_grad=value.requires_grad)
            return leaves[value]
        if isinstance(value, list | tuple) and not isinstance(value, torch.Size):
            return type(value)(map(translated, value))
        return value

    options = {
        {"dim": "axis", "keepdim": "keepdims"}.get(name, name): translated(value)
        for name, value in sample.kwargs.items()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as the one about the "mean" of kl_div
        expected = tensors_in(theirs(sample.input, *sample.args, **sample.kwargs))
    results = tensors_in(ours(translated(sample.input), *map(translated, sample.args), **options))
    assert len(results) == len(expected)
    for y, t in zip(results, expected, strict=True):
        assert (y.shape, str(y.dtype)) == (tuple(t.shape), str(t.dtype).removeprefix("torch."))
        close(y.numpy(), t, tolerance)
        assert y.requires_grad == t.requires_grad
    pairs = [(x, y) for x, y in leaves.items() if x.requires_grad]
    if not pairs or not any(t.requires_grad for t in expected):
        return
    here = sum((y * weights(y.shape).astype(y.dtype)).sum() for y in results if y.requires_grad)
    there = sum(
        (t * torch.tensor(weights(t.shape), dtype=t.dtype)).sum()
        for t in expected
        if t.requires_grad
    )
    gradients = torch.autograd.grad(there, [x for x, _ in pairs], allow_unused=True)
    here.backward()
    for (_, leaf), g in zip(pairs, gradients, strict=True):
        expected_g = torch.zeros(leaf.shape, dtype=there.dtype) if g is None else g
        close(np.zeros(leaf.shape) if leaf.grad is None else leaf.grad, expected_g, tolerance)


def tensors_in(result):
    """The tensors of a result that may be one or several."""
    if isinstance(result, Tensor | torch.Tensor):
        return [result]
    return [tensor for part in result for tensor in tensors_in(part)]


def close(ours, theirs, tolerance):
    theirs = theirs.detach().numpy(force=True)
    size = np.abs(theirs[np.isfinite(theirs)]).max(initial=1.0) if theirs.size else 1.0
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * size)
