"""Derivatives of functions as values, beside those worked out on paper."""

import numpy as np
import pytest

from tinygrad_sm import (
    Tensor,
    enable_grad,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    manual_seed,
    no_grad,
    ops,
    randn,
    vjp,
)
from tinygrad_sm.errors import DtypeError, GradientError, ShapeError

FUNCTIONS = [vjp, jvp, jacobian, hvp, hessian]


def array(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape)


def close(ours, expected):
    np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-12)


# ---- grad: an input that nothing depends on ----------------------------------------------------


@pytest.mark.parametrize("create_graph", [False, True])
def test_allow_unused_gives_none(create_graph):
    x, other = Tensor(3.0, requires_grad=True), Tensor(5.0, requires_grad=True)
    inner = other * 2
    found = grad(x * x, [other, x, inner], create_graph=create_graph, allow_unused=True)
    assert (found[0], found[1].item(), found[2]) == (None, 6, None)
    with pytest.raises(GradientError, match=r"do not depend on .* allow_unused=True"):
        grad(x * x, [x, other])


def test_allow_unused_still_wants_inputs_that_require_a_gradient():
    x = Tensor(3.0, requires_grad=True)
    with pytest.raises(GradientError, match="needs no gradient"):
        grad(x * x, Tensor(1.0), allow_unused=True)


# ---- closed forms ------------------------------------------------------------------------------


def test_the_jacobian_of_softmax():
    x = Tensor(array(5))
    p = x.softmax().numpy()
    close(jacobian(Tensor.softmax, x), np.diag(p) - np.outer(p, p))


def test_the_jacobian_of_a_linear_map_is_its_matrix():
    a, x, v = array(4, 3), Tensor(array(3)), array(3)
    close(jacobian(lambda x: Tensor(a) @ x, x), a)
    close(jvp(lambda x: Tensor(a) @ x, x, v)[1], a @ v)
    close(vjp(lambda x: Tensor(a) @ x, x, a @ v)[1], a.T @ a @ v)


def test_the_hessian_of_a_quadratic_form():
    a, x, v = array(3, 3), Tensor(array(3)), array(3)
    close(hessian(lambda x: x @ Tensor(a) @ x, x), a + a.T)
    close(hvp(lambda x: x @ Tensor(a) @ x, x, v)[1], (a + a.T) @ v)


def test_the_hessian_of_softmax_regression():
    """Σₙ (diag(p) − p pᵀ) ⊗ x xᵀ / N, for the classes and the features."""
    images, labels, weight = array(6, 4), np.arange(6) % 3, Tensor(array(3, 4))
    p = (Tensor(images) @ weight.T).softmax().numpy()
    middle = np.einsum("nj,jk->njk", p, np.eye(3)) - np.einsum("nj,nk->njk", p, p)
    expected = np.einsum("njk,na,nb->jakb", middle, images, images) / 6
    ours = hessian(lambda w: (Tensor(images) @ w.T).cross_entropy(labels), weight)
    assert ours.shape == (3, 4, 3, 4)
    close(ours, expected)
    v = array(3, 4)
    close(
        hvp(lambda w: (Tensor(images) @ w.T).cross_entropy(labels), weight, v)[1],
        np.einsum("jakb,kb->ja", expected, v),
    )


def test_third_derivatives_by_hessian_of_a_jacobian():
    x = Tensor(array(3))
    third = jacobian(lambda x: hessian(lambda x: (x**4).sum(), x, create_graph=True), x)
    expected = np.zeros((3, 3, 3))
    expected[range(3), range(3), range(3)] = 24 * x.numpy()
    close(third, expected)


def test_create_graph_leads_back_to_the_input():
    x = Tensor([1.0, 2.0], requires_grad=True)
    assert not jacobian(lambda x: x**3, x).requires_grad
    jacobian(lambda x: x**3, x, create_graph=True).sum().backward()
    assert x.grad.tolist() == [6, 12]  # d 3x² / dx
    for function in vjp, jvp:
        x.grad = None
        y, product = function(lambda x: x**3, x, [1.0, 10.0], create_graph=True)
        (y.sum() + product.sum()).backward()
        assert x.grad.tolist() == [3 + 6, 12 + 120]
    x.grad = None
    _, product = hvp(lambda x: (x**3).sum(), x, [1.0, 10.0], create_graph=True)
    product.sum().backward()
    assert x.grad.tolist() == [6, 60]


def test_the_products_can_be_differentiated_by_v():
    v = Tensor([3.0, 4.0], requires_grad=True)
    for function in vjp, jvp:
        v.grad = None
        _, product = function(lambda x: x**2, Tensor([1.0, 2.0]), v, create_graph=True)
        product.sum().backward()
        assert v.grad.tolist() == [2, 4]


# ---- forms and shapes --------------------------------------------------------------------------


def two_by_two(a, b):
    return a.sum() * b, a * a


def test_one_in_one_out_is_a_tensor_and_several_are_tuples():
    a, b = Tensor(array(2)), Tensor(array(2, 3))
    assert jacobian(lambda a: a * 2, a).shape == (2, 2)
    assert [j.shape for j in jacobian(lambda a, b: b.sum() * a, (a, b))] == [(2, 2), (2, 2, 3)]
    assert [j.shape for j in jacobian(lambda b: (b.sum(), b), b)] == [(2, 3), (2, 3, 2, 3)]
    shapes = [[j.shape for j in row] for row in jacobian(two_by_two, (a, b))]
    assert shapes == [[(2, 3, 2), (2, 3, 2, 3)], [(2, 2), (2, 2, 3)]]
    ((only,),) = jacobian(lambda a: (a,), (a,))
    assert only.tolist() == [[1, 0], [0, 1]]
    second = hessian(lambda a, b: a.sum() * b.sum(), (a, b))
    shapes = [[h.shape for h in row] for row in second]
    assert shapes == [[(2, 2), (2, 2, 3)], [(2, 3, 2), (2, 3, 2, 3)]]
    assert hessian(lambda a: a.sum(keepdims=True) ** 2, a).tolist() == [[2, 2], [2, 2]]

    (y, z), (ga, gb) = vjp(two_by_two, [a, b], [array(2, 3), array(2)])
    assert [t.shape for t in (y, z, ga, gb)] == [(2, 3), (2,), (2,), (2, 3)]
    (y, z), (sy, sz) = jvp(two_by_two, (a, b), (array(2), array(2, 3)))
    assert [t.shape for t in (y, z, sy, sz)] == [(2, 3), (2,), (2, 3), (2,)]
    y, (ha, hb) = hvp(lambda a, b: a.sum() * b.sum(), (a, b), (array(2), array(2, 3)))
    assert [t.shape for t in (y, ha, hb)] == [(), (2,), (2, 3)]


def test_numbers_need_no_v():
    x = Tensor(3.0)
    assert [t.item() for t in vjp(lambda x: x**3, x)] == [27, 27]
    assert [t.item() for t in jvp(lambda x: x**3, x)] == [27, 27]
    assert [t.item() for t in hvp(lambda x: x**3, x)] == [27, 18]
    assert jacobian(lambda x: x**3, x).item() == 27
    assert hessian(lambda x: x**3, x).item() == 18


def test_what_a_result_does_not_depend_on_has_derivative_zero():
    a, b, w = Tensor([1.0, 2.0]), Tensor([3.0]), Tensor(5.0, requires_grad=True)
    by_a, by_b = jacobian(lambda a, b: a * w, (a, b))
    assert (by_a.tolist(), by_b.tolist()) == ([[5, 0], [0, 5]], [[0], [0]])
    for constant in w * 2, Tensor(1.0):
        assert jacobian(lambda a, c=constant: c, a).tolist() == [0, 0]
        assert vjp(lambda a, c=constant: c, a)[1].tolist() == [0, 0]
        assert jvp(lambda a, c=constant: c, a, [1, 1])[1].item() == 0
        assert hvp(lambda a, c=constant: c, a, [1, 1])[1].tolist() == [0, 0]
        assert hessian(lambda a, c=constant: c, a).tolist() == [[0, 0], [0, 0]]
    assert hessian(lambda a: a.sum(), a).tolist() == [[0, 0], [0, 0]]
    created = jacobian(lambda a: (a * a)[:1] * w, a, create_graph=True)
    assert created.tolist() == [[10, 0]]


def test_no_elements():
    none = Tensor(np.zeros((0, 2)))
    assert jacobian(lambda x: x * x, none).shape == (0, 2, 0, 2)
    assert jacobian(lambda x: x.sum(), none).shape == (0, 2)
    assert jacobian(lambda x: x[:0], Tensor([1.0, 2.0])).shape == (0, 2)
    assert hessian(lambda x: x.sum(), none).shape == (0, 2, 0, 2)
    assert jvp(lambda x: x.sum(axis=0), none, none)[1].tolist() == [0, 0]


def test_a_tensor_given_twice_is_two_inputs():
    x = Tensor(3.0, requires_grad=True)
    for create_graph in False, True:
        by_a, by_b = jacobian(lambda a, b: a * b * b, (x, x), create_graph)
        assert (by_a.item(), by_b.item()) == (9, 18)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_dtypes_are_kept(function):
    result = function(lambda x: (x * x).sum(), Tensor(np.ones(1, np.float32)))
    for t in result if isinstance(result, tuple) else (result,):
        assert t.dtype == np.float32


# ---- what they leave alone ---------------------------------------------------------------------


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_gradient_is_touched_and_no_graph_is_left(function, create_graph):
    x, w = Tensor(2.0, requires_grad=True), Tensor(3.0, requires_grad=True)
    x.grad = 7.0
    with no_grad():  # the caller's recording does not matter
        result = function(lambda x: x**3 * w, x, create_graph=create_graph)
    assert (x.grad, w.grad, x.is_leaf) == (7, None, True)
    for t in result if isinstance(result, tuple) else (result,):
        assert t.requires_grad == create_graph


def test_inputs_need_not_require_a_gradient_and_go_on_without():
    x = Tensor([1.0, 2.0])
    with enable_grad():
        assert jacobian(lambda x: x * x, x, create_graph=True).requires_grad
    assert not x.requires_grad


# ---- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", FUNCTIONS)
def test_inputs_and_results_are_tensors(function):
    with pytest.raises(DtypeError, match=r"inputs needs to be a Tensor .* got \[1.0\]"):
        function(lambda x: x, ([1.0],))
    with pytest.raises(DtypeError, match="only floating-point tensors"):
        function(lambda x: x, Tensor([1], dtype=int))
    with pytest.raises((DtypeError, GradientError), match=r"returns? .*3.0|got 3.0"):
        function(lambda x: 3.0, Tensor(1.0))


@pytest.mark.parametrize("function", [hvp, hessian])
def test_second_derivatives_are_those_of_one_number(function):
    with pytest.raises(GradientError, match=rf"{function.__name__} needs .* shape \(2,\).*sum"):
        function(lambda x: x * x, Tensor([1.0, 2.0]), *([[1.0, 1.0]] if function is hvp else []))


@pytest.mark.parametrize("function", [vjp, jvp, hvp])
def test_v_has_the_shape_of_what_it_multiplies(function):
    def mapping(x, *more):
        return x.sum() if function is hvp else x * 2

    x = Tensor([1.0, 2.0])
    with pytest.raises(GradientError, match=r"v can be left out .* \(2,\)"):
        function(mapping, x)
    with pytest.raises(ShapeError, match=r"0 has shape \(3,\), but needs .* \(2,\)"):
        function(mapping, x, [1.0, 2.0, 3.0])
    if function is not vjp:
        with pytest.raises(GradientError, match="one vector for each input: 2, got 1"):
            function(mapping, (x, x), x)


# ---- a larger example --------------------------------------------------------------------------


def test_all_five_agree_on_a_network():
    manual_seed(3)
    hidden, out = Tensor(array(4, 3)), Tensor(array(2, 4))

    def network(x):
        return ops.tanh(x @ hidden.T) @ out.T

    def loss(x):
        return (network(x) ** 2).sum()

    x, u, v = randn(5, 3).astype(float), array(5, 2), array(5, 3)
    j = jacobian(network, x)
    close(vjp(network, x, u)[1], np.einsum("nk,nkmi->mi", u, j.numpy()))
    close(jvp(network, x, v)[1], np.einsum("nkmi,mi->nk", j.numpy(), v))
    h = hessian(loss, x).numpy()
    close(h, h.transpose(2, 3, 0, 1))
    close(hvp(loss, x, v)[1], np.einsum("nimj,mj->ni", h, v))
