"""Names that every docstring example may use."""

import pytest

from tinygrad_sm import Tensor


@pytest.fixture(autouse=True)
def _names_in_doctests(doctest_namespace):
    doctest_namespace["Tensor"] = Tensor
