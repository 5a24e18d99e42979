"""Derivatives of functions beside `torch.autograd.functional`: values, forms and shapes."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from beside import same

import tinygrad_sm
from tinygrad_sm import Tensor

functional = torch.autograd.functional

# name: the function (the same for both), and the shapes of its inputs
MAPPINGS = {
    "softmax": (lambda x: x.softmax(-1), [(4,)]),
    "rows": (lambda x: x.log_softmax(1), [(2, 3)]),
    "number": (lambda x: (x**3).sum(), [(3,)]),
    "zero axes": (lambda x: x.exp() * x, [()]),
    "two inputs": (lambda a, b: (a @ b).tanh(), [(2, 3), (3,)]),
    "two results": (lambda x: (x.sum(), x[:2] * x[1:]), [(3,)]),
    "two by two": (lambda a, b: (a * b.sum(), b.sigmoid() * a.exp().sum()), [(2,), (2, 2)]),
    "unused": (lambda a, b: a * a, [(2,), (3,)]),
    "linear": (lambda a, b: a.sum() * 2 + b, [(2,), ()]),
}
NUMBERS = {
    "cubes": (lambda x: (x**3).sum(), [(3,)]),
    "logsumexp": (lambda x: x.logsumexp(0).sum(), [(3, 2)]),
    "quadratic": (lambda a, b: (a @ b @ a).sin(), [(3,), (3, 3)]),
    "unused": (lambda a, b: (a**3).sum(), [(2,), (3,)]),
    "linear": (lambda x: x.sum(), [(2,)]),
    "one element": (lambda x: (x * x).sum(0, True).exp(), [(2,)]),
}


def values(shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in shapes]


def in_form(given):
    return given[0] if len(given) == 1 else tuple(given)


def both(arrays):
    """The arrays for us and for PyTorch: alone, or in a tuple."""
    return in_form([Tensor(x) for x in arrays]), in_form([torch.tensor(x) for x in arrays])


def alike(ours, theirs):
    if isinstance(theirs, tuple):
        assert isinstance(ours, tuple)
        for a, b in zip(ours, theirs, strict=True):
            alike(a, b)
    else:
        assert ours.shape == tuple(theirs.shape)
        same(ours.numpy(), theirs, 1e-9)


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", MAPPINGS)
def test_first_derivatives(name, create_graph):
    function, shapes = MAPPINGS[name]
    ours, theirs = both(values(shapes))
    options = {"create_graph": create_graph}
    if not (create_graph and name == "unused"):  # PyTorch wants inputs that require a gradient
        if create_graph:
            for x in theirs if isinstance(theirs, tuple) else (theirs,):
                x.requires_grad_()
        alike(
            tinygrad_sm.jacobian(function, ours, **options),
            functional.jacobian(function, theirs, **options),
        )
        v, w = both(values(shapes, seed=1))
        alike(
            tinygrad_sm.jvp(function, ours, v, **options),
            functional.jvp(function, theirs, w, **options),
        )
        result = function(*theirs) if isinstance(theirs, tuple) else function(theirs)
        results = result if isinstance(result, tuple) else (result,)
        v, w = both(values([tuple(y.shape) for y in results], seed=2))
        alike(
            tinygrad_sm.vjp(function, ours, v, **options),
            functional.vjp(function, theirs, w, **options),
        )


@pytest.mark.parametrize("name", NUMBERS)
def test_second_derivatives(name):
    function, shapes = NUMBERS[name]
    ours, theirs = both(values(shapes))
    alike(tinygrad_sm.hessian(function, ours), functional.hessian(function, theirs))
    v, w = both(values(shapes, seed=1))
    alike(tinygrad_sm.hvp(function, ours, v), functional.hvp(function, theirs, w))


def test_grad_of_an_unused_input():
    x, other = Tensor(2.0, requires_grad=True), Tensor(3.0, requires_grad=True)
    t, unused = torch.tensor(2.0, requires_grad=True), torch.tensor(3.0, requires_grad=True)
    ours = tinygrad_sm.grad(x * x, [x, other], allow_unused=True)
    theirs = torch.autograd.grad(t * t, [t, unused], allow_unused=True)
    assert ours[0].item() == theirs[0].item()
    assert ours[1] is theirs[1] is None
