"""random_split beside PyTorch's: the same sizes of the parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nn

torch = pytest.importorskip("torch")


@pytest.mark.filterwarnings("ignore:Length of split at index")  # PyTorch's, for an empty part
@given(st.integers(1, 200), st.lists(st.integers(1, 50), min_size=1, max_size=6))
def test_shares_give_parts_of_the_same_sizes(total, weights):
    shares = [weight / sum(weights) for weight in weights]
    shares[-1] = 1 - sum(shares[:-1])
    if sum(shares) <= 1:  # where rounding makes it more, PyTorch does not take them as shares
        theirs = torch.utils.data.random_split(range(total), shares)
        ours = nn.random_split(range(total), shares, seed=0)
        assert [len(part) for part in ours] == [len(part) for part in theirs]
