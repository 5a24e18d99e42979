"""compile: the same numbers as the function itself, and a refusal of what would not be."""

import numpy as np
import pytest
from cases import CASES, tensors, weights
from hypothesis import given, settings
from hypothesis import strategies as st

import nn
from tinygrad_sm import CompileError, Tensor, compile, grad, gradcheck, no_grad, ops

# ---- every operation ---------------------------------------------------------------------------

@pytest.mark.parametrize("name", CASES)
@settings(max_examples=20)
@given(data=st.data())
def test_every_operation(name, data):
    inputs, attributes = data.draw(CASES[name].inputs)
    compiled = compile(lambda *x: CASES[name].call(*x, **attributes))
    plain, ours = tensors(inputs), tensors(inputs)
    expected = CASES[name].call(*plain, **attributes)
    y = compiled(*ours)
    assert y.dtype == expected.dtype and y.shape==expected.shape
    np.testing.assert_array_equal(y.numpy(), expected.numpy())
    assert y.requires_grad == expected.requires_grad
    if y.requires_grad:
        y.backward(weights(y.shape)); expected.backward(weights(y.shape))
        for a, b in zip(plain, ours, strict=True):
            if a.grad is None: assert b.grad is None
            else: np.testing.assert_array_equal(a.grad,b.grad); assert a.grad.dtype==b.grad.dtype
