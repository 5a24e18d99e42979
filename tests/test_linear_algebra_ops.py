"""Products of vectors and matrices: their shapes, equations, and what errors teach."""

import numpy as np
import pytest
from cases import tensors
from cases.equations import EINSUMS, TENSORDOTS

import tinygrad_sm
from tinygrad_sm import DtypeError, ShapeError, Tensor, einsum, gradcheck


def drawn(*shapes):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape) for shape in shapes]


def name(example):
    return " ".join(map(str, example))


# ---- einsum ------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", EINSUMS, ids=name)
def test_einsum_gives_what_numpy_gives(example):
    equation, *shapes = example
    arrays = drawn(*shapes)
    y = einsum(equation, *arrays)
    expected = np.asarray(np.einsum(equation, *arrays))
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("example", EINSUMS, ids=name)
def test_derivatives_of_einsum_of_first_and_second_order(example):
    equation, *shapes = example
    assert gradcheck(lambda *x: einsum(equation, *x), tensors(drawn(*shapes)), order=2)


def test_einsum_sums_over_an_ellipsis_that_the_result_has_not():
    (x,) = drawn((2, 3, 4))
    np.testing.assert_allclose(einsum("...j->j", x).numpy(), x.sum(axis=(0, 1)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int64])
def test_einsum_keeps_the_dtype(dtype):
    a, b = (np.ones(shape, dtype) for shape in ((2, 3), (3, 4)))
    for equation in "ij,jk->ik", "ij,jk->jk", "ij,jk->":
        assert einsum(equation, a, b).dtype == dtype


def equations_of(y):
    """The contractions that y was computed by, last first."""
    found = []
    while y._op is not None:
        found.append(y._attributes["equation"])
        y = next((x for x in y._inputs if x._op is not None), y._inputs[0])
    return found


def test_a_contraction_of_two_operands_is_one_operation():
    a, b = tensors(drawn((2, 3, 4), (3, 4, 2)))
    assert equations_of(a.tensordot(b)) == ["abc,bcf->af"]
    assert equations_of(einsum("...j, jk", a, b[0].detach())) == ["abj,jk->abk"]


def test_several_operands_are_contracted_in_an_order_that_keeps_results_small():
    a, b, c = tensors(drawn((50, 40), (40, 30), (30,)))
    assert equations_of(einsum("ij,jk,k->i", a, b, c)) == ["ij,j->i", "jk,k->j"]


EQUATIONS = {
    "no equation": ([2, (2,)], DtypeError, ["equation first", "int"]),
    "digit": (["i1->i", (2, 2)], ValueError, ["'i1'", "letters"]),
    "two arrows": (["i->i->i", (2,)], ValueError, ["'i->i'", "letters"]),
    "half an ellipsis": (["i..", (2, 2)], ValueError, ["'i..'", "..."]),
    "two ellipses": (["...i...", (2, 2)], ValueError, ["...i...", "at most one"]),
    "operand missing": (["i,j", (2,)], ShapeError, ["2 operands, got 1"]),
    "operand too many": (["i", (2,), (2,)], ShapeError, ["1 operands, got 2"]),
    "too few letters": (["i", (2, 3)], ShapeError, ["'i' names 1 axes", "(2, 3)", '"..."']),
    "too many letters": (["ijk", (2, 3)], ShapeError, ["'ijk' names 3 axes", "(2, 3)"]),
    "too many beside an ellipsis": (["i...jk", (2, 3)], ShapeError, ["names 3 axes", "(2, 3)"]),
    "result twice": (["ij->ii", (2, 3)], ValueError, ["'i'", "twice in the result"]),
    "result of nothing": (["ij->k", (2, 3)], ValueError, ["'k'", "in no operand"]),
    "lengths": (["ij,jk", (2, 3), (4, 5)], ShapeError, ["'j'", "3", "4", "(2, 3), (4, 5)"]),
    "lengths of a diagonal": (["ii", (1, 3)], ShapeError, ["'i'", "length 1 and of length 3"]),
    "lengths under an ellipsis": (["...,...", (2,), (3,)], ShapeError, ['"..."', "2", "3"]),
}


@pytest.mark.parametrize("case", EQUATIONS)
def test_an_equation_that_does_not_fit_says_why(case):
    (equation, *shapes), kind, fragments = EQUATIONS[case]
    with pytest.raises(kind) as caught:
        einsum(equation, *drawn(*shapes))
    for fragment in fragments:
        assert fragment in str(caught.value)


# ---- tensordot, inner --------------------------------------------------------------------------


@pytest.mark.parametrize(("a", "b", "axes"), TENSORDOTS)
def test_tensordot_gives_what_numpy_gives(a, b, axes):
    arrays = drawn(a, b)
    y = Tensor(arrays[0]).tensordot(arrays[1], axes)
    expected = np.asarray(np.tensordot(*arrays, axes))
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12, atol=1e-12)
    assert gradcheck(lambda a, b: a.tensordot(b, axes), tensors(arrays), order=2)


@pytest.mark.parametrize(
    "shapes", [((3,), (3,)), ((2, 3), (4, 3)), ((2, 1, 3), (3,)), ((), (2, 3))]
)
def test_inner_gives_what_numpy_gives(shapes):
    arrays = drawn(*shapes)
    expected = np.asarray(np.inner(*arrays))
    y = Tensor(arrays[0]).inner(arrays[1])
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12)


# ---- products of fixed shapes ------------------------------------------------------------------

FITTING = {
    "dot": ((3,), (3,)),
    "mv": ((2, 3), (3,)),
    "mm": ((2, 3), (3, 4)),
    "bmm": ((2, 3, 4), (2, 4, 5)),
    "outer": ((2,), (3,)),
}
EINSUM = {"dot": "i,i", "mv": "ij,j", "mm": "ij,jk", "bmm": "bij,bjk->bik", "outer": "i,j->ij"}


@pytest.mark.parametrize("product", FITTING)
def test_products_as_methods_and_functions(product):
    a, b = drawn(*FITTING[product])
    expected = np.einsum(EINSUM[product], a, b)
    for y in getattr(Tensor(a), product)(b), getattr(tinygrad_sm, product)(a, b):
        np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12)
    inputs = tensors((a, b))
    assert gradcheck(lambda a, b: getattr(a, product)(b), inputs, order=2)


@pytest.mark.parametrize("product", FITTING)
def test_products_of_nothing(product):
    shapes = [tuple(0 for _ in shape) for shape in FITTING[product]]
    a, b = tensors(drawn(*shapes))
    y = getattr(a, product)(b)
    y.sum().backward()
    assert y.shape == np.einsum(EINSUM[product], a.data, b.data).shape
    assert (a.grad.shape, b.grad.shape) == (a.shape, b.shape)


UNFIT = {
    "dot of lengths": ("dot", (3,), (4,), ["same length", "(3,) and (4,)", "lengths differ"]),
    "dot of matrices": ("dot", (2, 3), (3, 4), ["two vectors", "use mm"]),
    "dot of a matrix and a vector": ("dot", (2, 3), (3,), ["use mv"]),
    "dot with a number": ("dot", (3,), (), ["a * b"]),
    "mv of a matrix": ("mv", (2, 3), (3, 1), ["a matrix and a vector", "use mm"]),
    "mv of lengths": ("mv", (2, 3), (2,), ["k of both differ", "a.T"]),
    "mm of a vector": ("mm", (2, 3), (3,), ["two matrices", "use mv"]),
    "mm of lengths": ("mm", (2, 3), (4, 3), ["k of both differ", "b.T"]),
    "mm of other lengths": ("mm", (2, 3), (2, 4), ["k of both differ", "a.T"]),
    "mm of stacks": ("mm", (2, 3, 4), (2, 4, 5), ["use bmm"]),
    "mm of mixed": ("mm", (2, 3, 4), (4, 5), ["matmul"]),
    "bmm of stacks of other sizes": ("bmm", (2, 3, 4), (1, 4, 5), ["b of both differ"]),
    "bmm of lengths": ("bmm", (2, 3, 4), (2, 3, 4), ["k of both differ"]),
    "bmm of matrices": ("bmm", (2, 3), (3, 4), ["two stacks", "use mm"]),
    "outer of matrices": ("outer", (2, 3), (3, 4), ["two vectors", "use mm"]),
    "outer with a number": ("outer", (2,), (), ["a * b"]),
    "inner": ("inner", (2, 3), (2, 4), ["last axes", "(2, 3)", "(2, 4)"]),
    "tensordot of lengths": ("tensordot", (2, 3), (2, 4), ["axis 1", "3 and 4"]),
    "tensordot of vectors": ("tensordot", (2,), (2,), ["2 axes", "(2,)", "fewer"]),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_product_of_shapes_that_do_not_fit_says_which_does(case):
    product, a, b, fragments = UNFIT[case]
    with pytest.raises(ShapeError) as caught:
        getattr(Tensor(np.zeros(a)), product)(np.zeros(b))
    for fragment in (product, *fragments):
        assert fragment in str(caught.value)


@pytest.mark.parametrize(
    ("axes", "fragment"),
    [
        (([0, 1], [0]), "as many axes"),
        (([0, 0], [0, 1]), "as many axes"),
        (([0], [1], [2]), "two lists"),
        (([2], [0]), "axis 2"),
        (-1, "-1 axes"),
    ],
)
def test_axes_of_a_tensordot_that_do_not_fit(axes, fragment):
    x = Tensor(np.zeros((2, 2)))
    with pytest.raises(ShapeError, match=fragment):
        x.tensordot(x, axes)


# ---- sums with products ------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2, 4), (4,), (2, 1), ()])
def test_addmm_and_baddbmm_add_to_the_product(shape):
    x, a, b = drawn(shape, (2, 3), (3, 4))
    for y in (
        Tensor(x).addmm(a, b, beta=0.5, alpha=2),
        tinygrad_sm.addmm(x, a, b, beta=0.5, alpha=2),
    ):
        np.testing.assert_allclose(y.numpy(), x / 2 + 2 * (a @ b))
    y = tinygrad_sm.baddbmm(x, a[None], b[None], beta=2, alpha=0.5)
    np.testing.assert_allclose(y.numpy(), (2 * x + a @ b / 2)[None])
    inputs = tensors((x, a, b))
    assert gradcheck(lambda x, a, b: x.addmm(a, b, beta=0.5, alpha=2), inputs, order=2)


def test_with_a_beta_of_0_what_is_added_counts_for_nothing():
    x, a = Tensor(np.full((2, 2), np.nan)), np.eye(2)
    assert x.addmm(a, a, beta=0).tolist() == np.eye(2).tolist()


def test_what_is_added_does_not_stretch_the_product():
    with pytest.raises(ShapeError, match=r"addmm.*\(2, 2, 2\).*\(2, 2\)"):
        Tensor(np.zeros((2, 2, 2))).addmm(np.eye(2), np.eye(2))
