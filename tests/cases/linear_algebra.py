"""Products of matrices: a case for each."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from cases.draw import Case, arrays, shapes, shapes_that_stretch_to
from tinygrad_sm import Tensor, einsum


@st.composite
def matrix_products(draw):
    """Every combination that NumPy's matmul takes, vectors and stacks of matrices among them."""
    n, k, m = draw(shapes(min_dims=3))
    stack = draw(st.lists(st.sampled_from((2, 1, 3)), max_size=2).map(tuple))
    left, right = ((*draw(shapes_that_stretch_to(stack)), *matrix) for matrix in ((n, k), (k, m)))
    a = draw(st.sampled_from([left, left, (k,)]))
    b = draw(st.sampled_from([right, right, (k,)]))
    return (draw(arrays(a)), draw(arrays(b))), {}


@st.composite
def linear_layers(draw):
    n_in, n_out = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    rows = draw(shapes())
    x, weight = draw(arrays((*rows, n_in))), draw(arrays((n_out, n_in)))
    bias = (draw(arrays((n_out,))),) if draw(st.booleans()) else ()
    return (x, weight, *bias), {}


@st.composite
def contractions(draw):
    """Equations of two inputs, in which each letter occurs once in two of the three terms or in
    all: axes that run together, are summed over, stay, or swap."""
    letters = draw(st.lists(st.sampled_from("abcdef"), min_size=0, max_size=4, unique=True))
    places = {c: draw(st.sampled_from(["ab", "ay", "by", "aby"])) for c in letters}
    terms = [
        "".join(draw(st.permutations([c for c in letters if term in places[c]]))) for term in "aby"
    ]
    lengths = {c: draw(st.sampled_from([2, 3, 1, 2, 3, 0])) for c in letters}
    a, b = (draw(arrays(tuple(lengths[c] for c in term))) for term in terms[:2])
    return (a, b), {"equation": "{},{}->{}".format(*terms)}


CASES = {
    "matmul": Case(matrix_products(), lambda a, b: a @ b, np.matmul),
    "linear": Case(linear_layers(), Tensor.linear, lambda x, w, b=0: x @ w.T + b),
    "einsum": Case(
        contractions(),
        lambda a, b, equation: einsum(equation, a, b),
        lambda a, b, equation: np.einsum(equation, a, b),
    ),
}
