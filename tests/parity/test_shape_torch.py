"""Shapes beside PyTorch: single numbers, no elements, dtypes, ties and NaN."""

import numpy as np
import pytest

from tinygrad_sm import Tensor, cat

torch = pytest.importorskip("torch")

from beside import check

RNG = np.random.default_rng(0)
NUMBER, NONE, ONE = np.array(2.0), np.zeros((0, 3)), np.array([2.0])
ROW, MATRIX = RNG.normal(size=7), RNG.normal(size=(4, 5))
TIES = np.array([[2.0, 1, 2, np.nan], [np.nan, 0, -0.0, 0], [np.inf, -np.inf, np.inf, 1]])


@pytest.mark.parametrize("x", [NUMBER, NONE, ONE, MATRIX], ids=["number", "none", "one", "matrix"])
@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.flatten(),
        lambda x: x.ravel(),
        lambda x: x.squeeze(-1),
        lambda x: x.transpose(0, -1),
        lambda x: x.movedim(0, -1),
        lambda x: x.flip(-1),
        lambda x: x.flip(()),
        lambda x: x.roll(3),
        lambda x: x.repeat(2, 1, 3),
        lambda x: x.tile((2,)),
        lambda x: x.repeat_interleave(2),
        lambda x: x.expand(2, *x.shape),
        lambda x: x.sort(-1, descending=True)[0],
        lambda x: x.topk(1, -1, largest=False)[0],
        lambda x: x.topk(0, -1)[0],
    ],
)
def test_corner(call, x):
    check(call, call, x)


@pytest.mark.parametrize("x", [NONE, ONE, MATRIX], ids=["none", "one", "matrix"])
@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.unflatten(-1, (1, -1)),
        lambda x: x.roll(1, 0),
        lambda x: x.roll((1, -2, 1), (0, -1, 0)),
        lambda x: x.repeat_interleave(2, -1),
        lambda x: x.diag_embed(-1, -1, 0),
    ],
)
def test_corner_where_there_is_an_axis(call, x):
    check(call, call, x)


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("descending", [False, True])
def test_ties_and_nan(axis, descending):
    check(
        lambda x: x.sort(axis, descending)[0],
        lambda x: x.sort(stable=True, dim=axis, descending=descending)[0],
        TIES,
    )
    check(
        lambda x: x.argsort(axis, descending),
        lambda x: x.argsort(stable=True, dim=axis, descending=descending),
        TIES,
    )
    check(
        lambda x: x.topk(2, axis, descending).values,
        lambda x: x.topk(2, axis, descending).values,
        np.where(np.isfinite(TIES), ROW[:4], TIES),
    )


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("pad", [(2, 3), (0, 1, 2, 0), (3, 3, 2, 1, 1, 2), (-1, 2), (3, -2, -1, 0)])
def test_pad(mode, pad):
    x = RNG.normal(size=(1, 2, *(4, 5, 6)[-len(pad) // 2 :]))
    check(
        lambda x: x.pad(pad, mode),
        lambda x: torch.nn.functional.pad(x, pad, mode=mode),
        x,
    )


@pytest.mark.parametrize("size", [1, 2, 3, 7, 9])
def test_split_and_chunk(size):
    for method in "split", "chunk":
        ours = getattr(Tensor(ROW), method)(size)
        theirs = getattr(torch.tensor(ROW), method)(size)
        assert [y.tolist() for y in ours] == [t.tolist() for t in theirs]
        empty = getattr(Tensor(NONE), method)(size)
        assert len(empty) == len(getattr(torch.tensor(NONE), method)(size))
        assert {y.shape for y in empty} == {(0, 3)}


@pytest.mark.parametrize("classes", [-1, 4, 6])
def test_one_hot(classes):
    labels = np.array([[3, 0], [1, 3]])
    check(lambda x: x.one_hot(classes), lambda x: torch.nn.functional.one_hot(x, classes), labels)


@pytest.mark.parametrize("index", [[0, 1, 0, 6, 6], []], ids=str)
@pytest.mark.parametrize("name", ["gather", "index_select", "scatter_add", "index_add"])
def test_index(name, index):
    places = np.array(index, int)
    sources = [RNG.normal(size=len(index))] if name.endswith("add") else []
    check(
        lambda x, *s: getattr(x, name)(0, places, *s),
        lambda x, *s: getattr(x, name)(0, torch.tensor(places), *s),
        ROW,
        *sources,
    )


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool, np.float32])
def test_dtypes_are_kept(dtype):
    x = np.array([[1, 0, 2], [0, 3, 1]], dtype)
    for call in (
        lambda x: x.sort()[0],
        lambda x: x.flip(0),
        lambda x: x.tril(),
        lambda x: x.diagonal(),
        lambda x: x.repeat(2, 2),
        lambda x: x.unbind()[1].diag(),
    ):
        check(call, call, x, atol=1e-6)
    check(lambda x: x.pad((1, 0)), lambda x: torch.nn.functional.pad(x, (1, 0)), x)


@pytest.mark.parametrize(
    "dtypes", [("f4", "f8"), ("i8", "i4"), ("?", "f4"), ("u1", "i8"), ("f2", "f4")]
)
def test_joined_dtypes(dtypes):
    parts = [np.ones(2, dtype) for dtype in dtypes]
    check(lambda *x: cat(x), lambda *x: torch.cat(x), *parts, atol=1e-3)
