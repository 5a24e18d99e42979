"""Clipping. Its results beside PyTorch's are in parity/test_optim_torch.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import nn
from tinygrad_sm import GradientError, Tensor


def leaf(grad):
    p = Tensor(np.ones_like(grad), requires_grad=True)
    p.grad = grad
    return p


@given(
    arrays(np.float64, (7,), elements=st.floats(-1e6, 1e6)),
    st.floats(1e-3, 1e3),
    st.sampled_from([1, 2, np.inf]),
)
def test_no_longer_than_asked_and_the_same_direction(gradient, max_norm, norm_type):
    parts = [leaf(gradient[:3]), leaf(gradient[3:].reshape(2, 2))]
    total = nn.clip_grad_norm_(parts, max_norm, norm_type).item()
    assert total == pytest.approx(np.linalg.norm(gradient, norm_type))
    clipped = np.concatenate([p.grad.ravel() for p in parts])
    assert np.linalg.norm(clipped, norm_type) <= max_norm * (1 + 1e-9)
    np.testing.assert_allclose(
        clipped, gradient * min(1, max_norm / (total + 1e-6)), rtol=1e-9, atol=1e-12
    )


def test_the_arrays_are_changed_in_place_and_keep_their_dtype():
    p = Tensor([1.0, 1.0], requires_grad=True)
    p.grad = [30.0, 40.0]
    grad = p.grad
    assert nn.clip_grad_norm_(p, 1.0).item() == 50
    nn.clip_grad_value_(p, 0.7)
    assert p.grad is grad
    assert grad.dtype == np.float32
    np.testing.assert_allclose(grad, [0.6, 0.7], rtol=1e-6)


@pytest.mark.parametrize("parameters", [[], [Tensor([1.0], requires_grad=True)], [leaf([])]])
def test_nothing_to_clip(parameters):
    assert nn.clip_grad_norm_(parameters, 1.0).item() == 0
    nn.clip_grad_value_(parameters, 1.0)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_a_gradient_that_is_not_finite_can_be_refused(bad):
    p = leaf([1.0, bad])
    with pytest.raises(GradientError, match=f"the gradients is {bad}"):
        nn.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    np.testing.assert_array_equal(p.grad, [1.0, bad])
