"""Our operations on the sample inputs that PyTorch tests its own with."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")  # PyTorch's list of samples imports it

from samples import SAMPLES, agreement


@pytest.mark.filterwarnings("ignore:Using padding=.same. with even kernel")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("key", SAMPLES, ids=str)
def test_samples(key, dtype):
    result = agreement(key, dtype, most=60)
    assert not result.differences
    assert result.agreed
