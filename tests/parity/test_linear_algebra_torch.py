"""Products beside PyTorch's: every equation and pair of shapes, values and both derivatives."""

import numpy as np
import pytest
from cases.equations import EINSUMS, TENSORDOTS

from tinygrad_sm import Tensor, einsum

torch = pytest.importorskip("torch")

from beside import check


def drawn(*shapes):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape) for shape in shapes]


MORE = [("...j->j", (2, 3, 4)), ("ij->...ij", (2, 3)), ("...,...->", (2, 3), (3,))]


@pytest.mark.parametrize("example", EINSUMS + MORE, ids=lambda e: " ".join(map(str, e)))
def test_einsum(example):
    equation, *shapes = example
    check(lambda *x: einsum(equation, *x), lambda *x: torch.einsum(equation, *x), *drawn(*shapes))


STRETCHED = [((2, 1), (3, 4), 1), ((1, 2), (2, 3), ([0, 1], [1, 0])), ((2, 3), (1, 2), 1)]


@pytest.mark.parametrize(("a", "b", "axes"), TENSORDOTS + STRETCHED)
def test_tensordot(a, b, axes):
    check(lambda a, b: a.tensordot(b, axes), lambda a, b: torch.tensordot(a, b, axes), *drawn(a, b))


@pytest.mark.parametrize("shapes", [((3,), (3,)), ((2, 3), (4, 3)), ((), (2,)), ((2, 0), (3, 0))])
def test_inner(shapes):
    check(Tensor.inner, torch.inner, *drawn(*shapes))


@pytest.mark.parametrize(
    "options", [{}, {"beta": 0.5}, {"alpha": 2.0}, {"beta": 2.0, "alpha": -1.0}]
)
@pytest.mark.parametrize("shape", [(2, 4), (4,), (1, 1)])
def test_addmm_and_baddbmm(options, shape):
    check(Tensor.addmm, torch.addmm, *drawn(shape, (2, 3), (3, 4)), **options)
    check(Tensor.baddbmm, torch.baddbmm, *drawn(shape, (2, 2, 3), (2, 3, 4)), **options)


PRODUCTS = {
    "dot": ((3,), (3,)),
    "mv": ((2, 3), (3,)),
    "mm": ((2, 3), (3, 4)),
    "bmm": ((2, 3, 4), (2, 4, 5)),
    "outer": ((2,), (3,)),
}


@pytest.mark.parametrize("nothing", [False, True])
@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name, nothing):
    shapes = [(0,) * len(s) if nothing else s for s in PRODUCTS[name]]
    check(getattr(Tensor, name), getattr(torch, name), *drawn(*shapes))
