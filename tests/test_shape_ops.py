"""Shapes: what has no operation of its own, corners, dtypes and errors."""

import numpy as np
import pytest

from tinygrad_sm import (
    DtypeError,
    GradientError,
    Graph,
    LabelError,
    ShapeError,
    Tensor,
    broadcast_tensors,
    cat,
    concat,
    concatenate,
    gradcheck,
    hstack,
    stack,
    vstack,
)

X = np.random.default_rng(0).normal(size=(3, 4, 5))


def leaf(values):
    return Tensor(np.array(values, float), requires_grad=True)


# ---- beside NumPy ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda x: x.view(12, 5), lambda x: x.reshape(12, 5)),
        (lambda x: x.reshape_as(Tensor(np.zeros((5, 12)))), lambda x: x.reshape(5, 12)),
        (lambda x: x.view_as(np.zeros((5, 12))), lambda x: x.reshape(5, 12)),
        (lambda x: x.ravel(), np.ravel),
        (lambda x: x.unflatten(1, (2, -1)), lambda x: x.reshape(3, 2, 2, 5)),
        (lambda x: x.squeeze([0]), lambda x: x),
        (lambda x: x.swapaxes(0, -1), lambda x: x.swapaxes(0, -1)),
        (lambda x: x.moveaxis((0, 1), (-1, 0)), lambda x: np.moveaxis(x, (0, 1), (-1, 0))),
        (lambda x: x.movedim(2, 0), lambda x: np.moveaxis(x, 2, 0)),
        (lambda x: x.flip(0, -1), lambda x: np.flip(x, (0, 2))),
        (lambda x: x.fliplr(), np.fliplr),
        (lambda x: x.flipud(), np.flipud),
        (lambda x: x.broadcast_to(2, 3, 4, 5), lambda x: np.broadcast_to(x, (2, 3, 4, 5))),
        (lambda x: x.expand_as(np.zeros((2, 3, 4, 5))), lambda x: np.stack([x, x])),
        (lambda x: x.tile(2), lambda x: np.tile(x, 2)),
        (lambda x: x.repeat_interleave([2, 0, 1], 0), lambda x: x.repeat([2, 0, 1], 0)),
        (lambda x: x.repeat_interleave(Tensor([2], dtype=int)), lambda x: x.repeat(2)),
        (lambda x: x.pad((1, 2), value=np.inf)[..., 1:6], lambda x: x),
        (lambda x: x.pad((2, 0, 1, 3), "reflect"), lambda x: edges(x, "reflect")),
        (lambda x: x.pad((2, 0, 1, 3), "replicate"), lambda x: edges(x, "edge")),
        (lambda x: x.pad((2, 0, 1, 3), "circular"), lambda x: edges(x, "wrap")),
        (lambda x: x.pad((-1, 0, 0, -2)), lambda x: x[:, :2, 1:]),
        (lambda x: cat(x.split(2, 1), 1), lambda x: x),
        (lambda x: cat(x.split([1, 0, 2]), 0), lambda x: x),
        (lambda x: concat(x.chunk(2, -1), -1), lambda x: x),
        (lambda x: concatenate(x.chunk(9)), lambda x: x),
        (lambda x: stack(x.unbind(1), 1), lambda x: x),
        (lambda x: hstack([x, x]), lambda x: np.hstack([x, x])),
        (lambda x: vstack([x[0, 0], x[0]]), lambda x: np.vstack([x[0, 0], x[0]])),
        (lambda x: broadcast_tensors(x, np.zeros((2, 1, 1, 1)))[0], lambda x: np.stack([x, x])),
        (lambda x: x.index_select(1, [3, 0, 0]), lambda x: x[:, [3, 0, 0]]),
        (lambda x: x.take([[59, 0], [-1, 0]]), lambda x: x.take([[59, 0], [-1, 0]])),
        (lambda x: x.masked_select(X > 0), lambda x: x[X > 0]),
        (lambda x: x.masked_select(X[0] > 0), lambda x: x[:, X[0] > 0].ravel()),
        (lambda x: x[:, :1].masked_select(X > 0), lambda x: (x[:, :1] + 0 * X)[X > 0]),
        (lambda x: x.sort(1).values, lambda x: np.sort(x, 1)),
        (lambda x: x.sort().values.flip(-1), lambda x: -np.sort(-x)),
        (lambda x: x.topk(2, 0, largest=False).values, lambda x: np.sort(x, 0)[:2]),
        (lambda x: x.take_along_axis(X.argsort(0), 0), lambda x: np.sort(x, 0)),
        (lambda x: x.take_along_axis([[[-1]]], 1), lambda x: x[:, -1:]),
        (lambda x: x[:1].take_along_axis(X.argsort(2) * 0, 2), lambda x: x[[0] * 3][..., [0] * 5]),
        (lambda x: x.take_along_axis([5, -1]), lambda x: x.ravel()[[5, -1]]),
        (lambda x: x[0, :, 0].diag(-1), lambda x: np.diag(x[0, :, 0], -1)),
        (lambda x: x[0].diag(1), lambda x: np.diag(x[0], 1)),
        (lambda x: x[0].trace(), lambda x: np.trace(x[0])),
        (lambda x: x.diag_embed(1, 0, -1).diagonal(1, 0, -1), lambda x: x),
    ],
)
def test_value_and_derivatives(ours, theirs):
    x = leaf(X)
    y = ours(x)
    np.testing.assert_array_equal(y.numpy(), theirs(X))
    assert gradcheck(ours, [x], order=2)


def edges(x, mode):
    return np.pad(x, ((0, 0), (1, 3), (2, 0)), mode=mode)


@pytest.mark.parametrize("source", [X[[0, 0]], leaf(X[[0, 0]])])
def test_index_add(source):
    x = leaf(X)
    y = x.index_add(0, [2, 2], source, alpha=2)
    np.testing.assert_allclose(y.numpy(), X + 4 * np.eye(3)[2][:, None, None] * X[0])
    leaves = [x, source] if isinstance(source, Tensor) else [x]
    assert gradcheck(lambda *t: t[0].index_add(0, [2, 2], *t[1:] or [source]), leaves, order=2)


@pytest.mark.parametrize("axis", [0, 1])
def test_of_elements_scattered_to_one_place_the_last_counts(axis):
    x, src, index = leaf(X[0, :, :4]), leaf(X[1, :, :4]), [[1, 2, 1, 1], [0, 0, 3, 3]]
    y = x.scatter(axis, index, src)
    expected = np.array(x)
    for place, named in np.ndenumerate(index):
        expected[(place[0], named) if axis else (named, place[1])] = src.data[place]
    np.testing.assert_array_equal(y.numpy(), expected)
    assert gradcheck(lambda x, src: x.scatter(axis, index, src), [x, src], order=2)


def test_a_number_is_scattered():
    x, value = leaf(X[0]), leaf(2.0)
    assert x.scatter(0, [[1, 2]], 2)[[1, 2], [0, 1]].tolist() == [2, 2]
    assert x.scatter_add(0, [[1, 2]], 2.0)[1, 0].item() == X[0, 1, 0] + 2
    assert gradcheck(lambda x, v: x.scatter(1, [[1, 2]], v), [x, value], order=2)


def test_out_of_place():
    x = leaf(X[0])
    for y in x.scatter(0, [[0]], 9), x.scatter_add(0, [[0]], 9), x.index_add(0, [0], X[1, :1]):
        assert y[0, 0].item() != X[0, 0, 0]
    np.testing.assert_array_equal(x.numpy(), X[0])


# ---- many elements put back by one key ---------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.uint64])
@pytest.mark.parametrize("rows", [300, 3])
def test_rows_are_added_up_whatever_the_dtype_of_their_numbers(dtype, rows):
    index = np.random.default_rng(0).integers(0, min(rows, 250), 200).astype(dtype)
    x = leaf(np.zeros((rows, 4)))
    (x[index] * np.arange(4)).sum().backward()
    counts = np.bincount(index.astype(int), minlength=rows)
    np.testing.assert_array_equal(x.grad, np.outer(counts, np.arange(4)))


@pytest.mark.parametrize("size", [6, 600])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_few_and_many_elements_are_added_up_alike(size, dtype):
    rows, columns = np.arange(6) % 2 - 1, np.array([0, 0, 1, 1, 1, 1])
    x = Tensor(np.zeros((size, 3), dtype), requires_grad=True)
    x[rows, columns].sum().backward()
    assert x.grad.dtype == dtype
    assert x.grad[-1].tolist() == [1, 2, 0]
    assert x.grad[0].tolist() == [1, 2, 0]
    assert x.grad.sum() == 6


# ---- order -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("descending", "values", "indices"),
    [
        (False, [-1, 0, 0, 2, 2, np.nan, np.nan], [4, 1, 6, 0, 3, 2, 5]),
        (True, [np.nan, np.nan, 2, 2, 0, 0, -1], [2, 5, 0, 3, 1, 6, 4]),
    ],
)
def test_equal_elements_keep_their_order_and_nan_is_the_largest(descending, values, indices):
    x = Tensor([2, 0, np.nan, 2, -1, np.nan, 0], dtype=np.float64)
    found = x.sort(descending=descending)
    np.testing.assert_array_equal(found.values.numpy(), values)
    assert found.indices.tolist() == indices
    for k in range(8):
        assert x.topk(k, largest=descending).indices.tolist() == indices[:k]


def test_sorted_is_a_named_tuple_whose_indices_need_no_gradient():
    values, indices = leaf([2, 3, 1]).sort()
    assert (values.tolist(), indices.tolist(), indices.dtype) == ([1, 2, 3], [2, 0, 1], np.int64)
    assert values.requires_grad
    assert not indices.requires_grad


# ---- one_hot -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
def test_one_hot(dtype):
    labels = Tensor(np.array([[0, 2], [1, 1]], dtype))
    np.testing.assert_array_equal(labels.one_hot().numpy(), np.eye(3)[labels.data])
    np.testing.assert_array_equal(labels.one_hot(5).numpy(), np.eye(5)[labels.data])
    assert labels.one_hot().dtype == np.int64
    assert Tensor(np.zeros(0, int)).one_hot(3).shape == (0, 3)


# ---- joining -----------------------------------------------------------------------------------


@pytest.mark.parametrize("join", [cat, stack])
@pytest.mark.parametrize(
    ("dtypes", "result"),
    [
        (["f4", "f8"], "f8"),
        (["f4", "f4"], "f4"),
        (["i8", "i4"], "i8"),
        (["?", "i8"], "i8"),
        (["?", "f4"], "f4"),
        (["f2", "f4"], "f4"),
    ],
)
def test_joined_dtypes(join, dtypes, result):
    parts = [Tensor(np.ones(2, dtype), requires_grad=dtype[0] == "f") for dtype in dtypes]
    y = join(parts)
    assert y.dtype == result
    if y.requires_grad:
        y.sum().backward()
        for x in parts:
            assert not x.requires_grad or (x.grad.dtype == x.dtype and x.grad.tolist() == [1, 1])


def test_a_tensor_joined_with_itself_gets_both_gradients():
    x = leaf([1, 2])
    (cat([x, x, [5.0]]) * np.array([1, 2, 3, 4, 0])).sum().backward()
    assert x.grad.tolist() == [4, 6]


def test_numbers_beside_tensors_take_their_dtype():
    y = stack([leaf(0.5), 0.1])
    assert y.tolist() == [0.5, 0.1]


def test_a_joint_of_constants_needs_no_gradient():
    assert not cat([[1.0], np.zeros(1)]).requires_grad


@pytest.mark.parametrize(
    ("join", "rule"),
    [
        (cat, "The part of g at the place of the input"),
        (stack, "The slice of g at the place of the input"),
    ],
)
def test_a_joint_in_a_graph_says_the_rule_of_each_input(join, rule):
    node = Graph(join([leaf([1, 2]), leaf([3, 4]), Tensor([5.0, 6.0])])).nodes[-1]
    assert node.rules == (rule,) * 3
    assert node.roles == ("",) * 3


# ---- shared memory -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.flip(0),
        lambda x: x.diagonal(),
        lambda x: x.split(1)[0],
        lambda x: x.unbind()[0],
        lambda x: x.movedim(0, 1),
        lambda x: x.unflatten(0, (1, 2)),
    ],
)
def test_a_change_of_what_a_view_shows_is_noticed(view):
    x = Tensor(np.ones((2, 2)))
    y = (view(x) * leaf(2.0)).sum()
    x[0, 0] = 5
    with pytest.raises(GradientError, match="changed"):
        y.backward()


# ---- errors ------------------------------------------------------------------------------------

T = Tensor(X)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: cat([]), ShapeError, "at least one"),
        (lambda: stack([]), ShapeError, "at least one"),
        (lambda: cat(T), DtypeError, "takes a list"),
        (lambda: stack(T), DtypeError, "takes a list"),
        (lambda: cat([T, "text"]), DtypeError, "real numbers"),
        (lambda: cat([T, T[0]]), ShapeError, r"equally many axes.*\(3, 4, 5\), \(4, 5\)"),
        (lambda: cat([1.0, 2.0]), ShapeError, "stack makes a new axis"),
        (lambda: cat([T, T[:, 1:]]), ShapeError, "along dimension 1"),
        (lambda: cat([T, T], 3), ShapeError, "axis 3"),
        (lambda: stack([T, T[:2]]), ShapeError, "same shape"),
        (lambda: stack([T, T], 4), ShapeError, "axis 4"),
        (lambda: broadcast_tensors(T, T[:2]), ShapeError, "do not fit together"),
        (lambda: T.unflatten(1, (3, 2)), ShapeError, "length 4"),
        (lambda: T.unflatten(1, (-1, -1)), ShapeError, "length 4"),
        (lambda: T.unflatten(1, (-1, 3)), ShapeError, "length 4"),
        (lambda: T.movedim((0, 1), (2,)), ShapeError, "as many places"),
        (lambda: T.movedim((0, 0), (1, 2)), ShapeError, "none of them twice"),
        (lambda: T.flip(), TypeError, "needs the axes"),
        (lambda: T.roll((1, 2), 0), ShapeError, "one shift for each axis"),
        (lambda: T.roll((1, 2)), ShapeError, "one shift for each axis"),
        (lambda: T.expand(-1, 3, 4, 5), ShapeError, "cannot expand"),
        (lambda: T.repeat(2), ShapeError, "a count for each axis"),
        (lambda: T.repeat(2, 2, -1), ShapeError, "none below 0"),
        (lambda: T.repeat_interleave([1, 2], 0), ShapeError, "each of the 3 elements"),
        (lambda: T.repeat_interleave(-1), ShapeError, "none below 0"),
        (lambda: T.repeat_interleave(1.5), DtypeError, "repeats needs integers"),
        (lambda: T.pad((1,)), ShapeError, "two numbers for each axis"),
        (lambda: T.pad((1,) * 8), ShapeError, "two numbers for each axis"),
        (lambda: T.pad((1, 1), "same"), ValueError, "mode is"),
        (lambda: T.pad((5, 0), "reflect"), ShapeError, "at most 4"),
        (lambda: T.pad((6, 0), "circular"), ShapeError, "at most 5"),
        (lambda: T[:0].pad((0, 0, 0, 0, 1, 0), "replicate"), ShapeError, "too wide"),
        (lambda: T.pad((-3, -3)), ShapeError, "cuts off more"),
        (lambda: T.split([1, 1]), ShapeError, "add up to"),
        (lambda: T.split(0), ValueError, "above 0"),
        (lambda: T.chunk(0), ValueError, "at least one part"),
        (lambda: Tensor(1.0).unbind(), ShapeError, "single number"),
        (lambda: T.index_select(0, [3]), IndexError, "index 3 names no place of axis 0"),
        (lambda: T.index_select(0, [-1]), IndexError, "counted from 0"),
        (lambda: T.index_select(0, [[1]]), ShapeError, "list of places"),
        (lambda: T.index_select(0, [0.5]), DtypeError, "needs integers"),
        (lambda: T.index_add(0, [0], X), ShapeError, r"source of shape \(1, 4, 5\)"),
        (lambda: T.take(60), IndexError, "out of bounds"),
        (lambda: T.masked_select(X), DtypeError, "of bools"),
        (lambda: T.masked_select(X[:2] > 0), ShapeError, "do not fit together"),
        (lambda: T.gather(0, [0]), ShapeError, "as many axes"),
        (lambda: T.gather(0, np.zeros((3, 5, 5), int)), ShapeError, "only axis 0"),
        (lambda: T.gather(2, [[[5]]]), IndexError, "length 5"),
        (lambda: T.scatter(0, [[[0, 0]]], [[[1.0]]]), ShapeError, "element of src for each"),
        (lambda: T.take_along_axis([0], 0), ShapeError, "the 3 axes"),
        (lambda: T.take_along_axis([[[3]]], 0), IndexError, "length 3"),
        (lambda: T.topk(6), ShapeError, "0 to 5"),
        (lambda: T.one_hot(), DtypeError, "integer class indices"),
        (lambda: Tensor([0, 3], dtype=int).one_hot(3), LabelError, "0 to 2"),
        (lambda: Tensor([-1], dtype=int).one_hot(), LabelError, "-1"),
        (lambda: Tensor([], dtype=int).one_hot(), ValueError, "give it"),
        (lambda: T[0, 0].tril(), ShapeError, "two axes"),
        (lambda: T.diagonal(0, 1, -2), ShapeError, "twice"),
        (lambda: T.diag(), ShapeError, "vector or a matrix"),
        (lambda: Tensor(1.0).diag_embed(), ShapeError, "at least one axis"),
        (lambda: T.trace(), ShapeError, "needs a matrix"),
    ],
)
def test_error(call, error, message):
    with pytest.raises(error, match=message):
        call()
