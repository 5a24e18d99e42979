"""Settings that every test shares."""

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from tinygrad_sm import enable_grad, manual_seed, set_default_dtype

# The same examples every time: a failure in CI can be seen again at home.
settings.register_profile(
    "tinygrad_sm",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile("tinygrad_sm")


@pytest.fixture(autouse=True)
def _fresh_start():
    """The same random numbers at the start of each test, and no settings left over from another."""
    manual_seed(0)
    with enable_grad():
        yield
    set_default_dtype(np.float32)


@pytest.fixture
def float64():
    """float64 as the default dtype, for the length of one test."""
    set_default_dtype(np.float64)
