"""Standardizing: the one operation that the normalizations are made of."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from cases.draw import Case, reductions
from tinygrad_sm import Tensor


@st.composite
def axes_and_eps(draw):
    inputs, attributes = draw(reductions())
    return inputs, {"axis": attributes["axis"], "eps": draw(st.sampled_from([0.1, 1e-3]))}


def standardize(x, axis, eps):
    centred = x - x.mean(axis=axis, keepdims=True)
    return centred / np.sqrt(x.var(axis=axis, keepdims=True) + eps)


CASES = {"standardize": Case(axes_and_eps(), Tensor.standardize, standardize)}
