"""The losses as modules beside PyTorch's, with every option."""

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from beside import check

import nn
from tinygrad_sm import ShapeError, Tensor

SHAPE = (4, 3)


def drawn(seed, shape=SHAPE):
    return np.random.default_rng(seed).normal(size=shape)


SCORES = drawn(0)
PROBABILITIES = 1 / (1 + np.exp(-drawn(1)))
LABELS = np.array([0, 2, 1, 2])
WEIGHT = np.array([0.5, 1.0, 2.0])
ALL = {"reduction": ["mean", "sum", "none"]}

# For each loss: predictions, target, and the values of each option.
LOSSES = {
    "NLLLoss": (
        np.log(PROBABILITIES),
        LABELS,
        ALL | {"weight": [None, WEIGHT], "ignore_index": [-100, 2]},
    ),
    "BCELoss": (PROBABILITIES, 1 / (1 + np.exp(-drawn(2))), ALL | {"weight": [None, WEIGHT]}),
    "BCEWithLogitsLoss": (
        SCORES,
        PROBABILITIES,
        ALL | {"weight": [None, WEIGHT], "pos_weight": [None, 2 * WEIGHT]},
    ),
    "MSELoss": (SCORES, drawn(3), ALL),
    "L1Loss": (SCORES, drawn(3), ALL),
    "SmoothL1Loss": (SCORES, drawn(3), ALL | {"beta": [1.0, 0.3, 0.0]}),
    "HuberLoss": (SCORES, drawn(3), ALL | {"delta": [1.0, 0.3]}),
    "KLDivLoss": (
        np.log(PROBABILITIES),
        PROBABILITIES[::-1],
        {"reduction": [*ALL["reduction"], "batchmean"], "log_target": [False, True]},
    ),
}


def products(options):
    return [dict(zip(options, v, strict=True)) for v in itertools.product(*options.values())]


CASES = [(name, o) for name, (*_, options) in LOSSES.items() for o in products(options)]


def label(value):
    if isinstance(value, str):
        return value
    return "-".join("array" if isinstance(v, np.ndarray) else str(v) for v in value.values())


@pytest.mark.filterwarnings("ignore:reduction. 'mean':UserWarning")  # PyTorch's about KLDivLoss
@pytest.mark.parametrize(("name", "options"), CASES, ids=label)
def test_loss(name, options):
    theirs = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    ours, theirs = getattr(nn, name)(**options), getattr(torch.nn, name)(**theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    predictions, target, _ = LOSSES[name]
    if target is LABELS:
        check(lambda x: ours(x, target), lambda x: theirs(x, torch.tensor(target)), predictions)
    else:
        check(ours, theirs, predictions, target)


def test_repr():
    for name in LOSSES:
        assert repr(getattr(nn, name)()) == repr(getattr(torch.nn, name)())


@pytest.mark.parametrize("name", [n for n in LOSSES if n != "NLLLoss"])
@pytest.mark.parametrize("shapes", [((4, 1), (4,)), ((4,), (4, 1)), ((4, 3), (3,))], ids=str)
def test_shapes_that_would_broadcast_are_refused(name, shapes):
    predictions, target = (Tensor(np.full(shape, 0.5)) for shape in shapes)
    with pytest.raises(ShapeError):
        getattr(nn, name)()(predictions, target)


@pytest.mark.parametrize("name", LOSSES)
def test_an_unknown_reduction(name):
    with pytest.raises(ValueError, match=r"reduction is .*'none'.* got 'average'"):
        getattr(nn, name)(reduction="average")
