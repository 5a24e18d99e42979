"""What a Tensor holds, and how it behaves as a Python object and beside NumPy."""

import copy
import pickle
import weakref

import numpy as np
import pytest

from tinygrad_sm import GradientError, Tensor, get_default_dtype, set_default_dtype

# ---- values in ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1, np.float32),
        (2.5, np.float32),
        ([1, 2], np.float32),
        ([[1.0], [2.0]], np.float32),
        ([], np.float32),
        ((1, 2), np.float32),
        ([True, False], np.bool_),
        (True, np.bool_),
        (np.arange(3), np.int64),
        (np.zeros(2), np.float64),
        (np.float64(1), np.float64),
        (np.zeros(2, np.float32), np.float32),
        (np.zeros(2, np.uint8), np.uint8),
        (Tensor(np.zeros(2)), np.float64),
    ],
)
def test_dtype(data, dtype):
    t = Tensor(data)
    assert t.dtype == dtype
    assert t.shape == np.shape(data)
    np.testing.assert_array_equal(t.numpy(), np.asarray(data))


def test_an_array_of_another_library_keeps_its_dtype():
    class Foreign:
        def __array__(self, dtype=None, copy=None):
            return np.array([1.0, 2.0])

    assert Tensor(Foreign()).dtype == np.float64


def test_dtype_asked_for():
    assert Tensor([0, 1], dtype=int).dtype == np.int64
    assert Tensor(np.arange(2), dtype=np.float32).dtype == np.float32


def test_default_dtype():
    set_default_dtype(np.float64)
    assert get_default_dtype() == np.float64
    assert Tensor([1, 2]).dtype == np.float64


def test_a_tensor_of_a_tensor_is_outside_its_graph():
    x = Tensor([1.0], requires_grad=True)
    assert not Tensor(x * 2).requires_grad


def test_shape_and_its_relatives():
    t = Tensor(np.zeros((2, 3)))
    assert (t.shape, t.ndim, t.numel(), len(t)) == ((2, 3), 2, 6, 2)


# ---- memory ------------------------------------------------------------------------------------


def test_the_array_given_is_copied():
    array = np.zeros(2)
    t = Tensor(array)
    array[0] = 7
    assert t.tolist() == [0, 0]


def test_copy_false_shares_the_array():
    array = np.zeros(2)
    assert np.shares_memory(Tensor(array, copy=False).data, array)


@pytest.mark.parametrize("view", [Tensor.numpy, np.asarray])
def test_the_view_for_numpy_is_read_only(view):
    t = Tensor([1.0, 2.0])
    assert np.shares_memory(view(t), t.data)
    with pytest.raises(ValueError, match="read-only"):
        view(t)[0] = 5


def test_np_array_makes_a_writable_copy():
    t = Tensor([1.0, 2.0])
    array = np.array(t)
    array[0] = 5
    assert t.tolist() == [1, 2]


def test_np_asarray_with_a_dtype():
    assert np.asarray(Tensor([1.0]), np.float64).dtype == np.float64


def test_data_can_be_written_to():
    t = Tensor([1.0, 2.0], requires_grad=True)
    t.data -= 1
    assert t.tolist() == [0, 1]
    t.data[0] = 7
    assert t.tolist() == [7, 1]


def test_data_assigned_is_copied_and_keeps_the_dtype():
    t, array = Tensor([1.0, 2.0]), np.array([3.0, 4.0])
    t.data = array
    array[0] = 9
    assert t.tolist() == [3, 4]
    assert t.dtype == np.float32


def test_data_can_be_assigned_a_tensor():
    t, other = Tensor([1.0]), Tensor([2.0])
    t.data = other
    assert t.tolist() == [2]
    assert not np.shares_memory(t.data, other.data)


def test_grad_assigned_is_copied_and_takes_the_dtype():
    t, g = Tensor([1.0, 2.0]), np.array([3.0, 4.0])
    t.grad = g
    g[0] = 9
    assert t.grad.tolist() == [3, 4]
    assert t.grad.dtype == np.float32


def test_two_tensors_do_not_share_an_assigned_gradient():
    a, b = Tensor([1.0]), Tensor([1.0])
    a.grad = [2.0]
    b.grad = a.grad
    assert not np.shares_memory(a.grad, b.grad)


def test_grad_can_be_forgotten():
    t = Tensor([1.0])
    t.grad = [1.0]
    t.grad = None
    assert t.grad is None


def test_writing_by_index_outside_a_graph():
    t = Tensor([1.0, 2.0, 3.0])
    t[0] = 7
    t[t > 2.5] = Tensor(5.0)
    t[[1]] = [4.0]
    assert t.tolist() == [5, 4, 5]


def test_writing_a_value_that_needs_a_gradient_is_refused():
    # The gradient of x would be lost without a word.
    buffer, x = Tensor([0.0, 0.0]), Tensor(1.0, requires_grad=True)
    with pytest.raises(GradientError, match=r"the result of multiply.*detach\(\)"):
        buffer[0] = x * 2
    buffer[0] = x.detach()
    assert buffer.tolist() == [1, 0]


# ---- values out --------------------------------------------------------------------------------


def test_item_and_the_conversions_to_python_numbers():
    assert Tensor([[2.5]]).item() == 2.5
    assert float(Tensor(2.5)) == 2.5
    assert int(Tensor([7.9])) == 7
    assert bool(Tensor([0.0])) is False
    assert [10, 20, 30][Tensor(np.int64(1))] == 20


def test_iteration_gives_the_rows_and_keeps_the_graph():
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    first, second = x
    assert second.tolist() == [3, 4]
    first.sum().backward()
    assert x.grad.tolist() == [[1, 1], [0, 0]]


def test_format():
    assert f"{Tensor(1.23456):.2f}" == "1.23"
    assert f"{Tensor([1.0, 2.0])}" == "Tensor([1., 2.])"


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (Tensor([1.0, 2.0]), "Tensor([1., 2.])"),
        (Tensor(np.zeros(1)), "Tensor([0.], dtype=float64)"),
        (Tensor(1.0, requires_grad=True), "Tensor(1., requires_grad=True)"),
        (Tensor(1.0, name="w"), "Tensor(1., name='w')"),
        (Tensor(1.0, requires_grad=True) * 2, "Tensor(2., op=multiply)"),
        (Tensor(np.zeros((0, 3), np.float32)), "Tensor([], shape=(0, 3))"),
    ],
)
def test_repr(tensor, text):
    assert repr(tensor) == text


def test_repr_of_a_large_tensor_is_short_and_tells_the_shape():
    text = repr(Tensor(np.zeros((100, 100), np.float32)))
    assert len(text) < 600
    assert "shape=(100, 100)" in text


# ---- beside Python numbers and NumPy -----------------------------------------------------------

OPERATORS = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a / b,
    lambda a, b: a**b,
    lambda a, b: a == b,
    lambda a, b: a != b,
    lambda a, b: a < b,
    lambda a, b: a <= b,
    lambda a, b: a > b,
    lambda a, b: a >= b,
]


@pytest.mark.parametrize("operator", [*OPERATORS, lambda a, b: a @ b])
def test_an_array_on_either_side_gives_a_tensor(operator):
    a, b = np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])
    expected = operator(a, b)
    for result in operator(a, Tensor(b)), operator(Tensor(a), b):
        assert isinstance(result, Tensor)
        np.testing.assert_array_equal(result.numpy(), expected)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("number", [2, 2.5, True, np.float32(2)])
def test_a_number_does_not_widen_float32(operator, number):
    t = Tensor([1.0, 2.0])
    for left, right in (t, number), (number, t):
        result = operator(left, right)
        expected = operator(np.asarray(left), np.asarray(right))
        assert isinstance(result, Tensor)
        assert result.dtype in (np.float32, np.bool_)
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_list_beside_a_tensor(dtype):
    result = [10, 20] * Tensor([1.0, 2.0], dtype=dtype)
    assert result.tolist() == [10, 40]
    assert result.dtype == dtype


def test_dtypes_combine_as_in_numpy():
    narrow, wide = Tensor([1.0]), Tensor(np.ones(1))
    assert (narrow + wide).dtype == np.float64
    assert (Tensor(np.arange(2)) * 1.5).dtype == np.float64


def test_matmul_is_the_operator():
    a = Tensor([[1.0, 2.0], [3.0, 4.0]])
    assert a.matmul([1.0, 10.0]).tolist() == (a @ [1.0, 10.0]).tolist() == [21, 43]


def test_the_gradient_has_the_dtype_of_each_input():
    narrow, wide = Tensor([1.0], requires_grad=True), Tensor(np.ones(1), requires_grad=True)
    (narrow * wide).sum().backward()
    assert narrow.grad.dtype == np.float32
    assert wide.grad.dtype == np.float64


def test_adding_in_place_makes_a_new_tensor():
    t = before = Tensor([1.0], requires_grad=True)
    t += 1
    assert t is not before
    assert before.tolist() == [1]
    t.backward()
    assert before.grad.tolist() == [1]


def test_a_numpy_function_refuses_rather_than_leave_the_graph():
    with pytest.raises(TypeError, match="Tensor"):
        np.exp(Tensor([1.0], requires_grad=True))


def test_plus_is_the_tensor_itself():
    t = Tensor([1.0])
    assert +t is t


def test_comparison_with_something_else():
    t = Tensor([1.0])
    assert t != "one"
    assert t not in ["one", None]
    assert t.__eq__("one") is NotImplemented


# ---- as a Python object ------------------------------------------------------------------------


def test_tensors_are_keys_by_identity():
    a, b = Tensor([1.0, 2.0]), Tensor([1.0, 2.0])
    names = {a: "a", b: "b"}
    assert names[a] == "a"
    assert names[b] == "b"
    assert a in {a}
    assert b not in {a}


def test_weak_references():
    t = Tensor([1.0])
    ref = weakref.ref(t)
    assert ref() is t
    del t
    assert ref() is None


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_a_leaf_can_be_copied(duplicate):
    t = Tensor(np.array([1.0, 2.0]), requires_grad=True, name="w")
    t.grad = [3.0, 4.0]
    other = duplicate(t)
    assert (other.tolist(), other.grad.tolist()) == ([1, 2], [3, 4])
    assert (other.dtype, other.requires_grad, other.name) == (np.float64, True, "w")
    assert not np.shares_memory(other.data, t.data)
    assert not np.shares_memory(other.grad, t.grad)


def test_a_tensor_in_two_places_stays_one_in_a_deep_copy():
    t = Tensor([1.0])
    a, b = copy.deepcopy([t, t])
    assert a is b
    assert a is not t


# ---- shape -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda x: x.reshape(6, 4), (6, 4)),
        (lambda x: x.reshape((-1, 2)), (12, 2)),
        (lambda x: x.reshape([24]), (24,)),
        (lambda x: x.flatten(), (24,)),
        (lambda x: x.flatten(1), (2, 12)),
        (lambda x: x.flatten(0, -2), (6, 4)),
        (lambda x: x[0, 0, 0].flatten(), (1,)),
        (lambda x: x.unsqueeze(0), (1, 2, 3, 4)),
        (lambda x: x.unsqueeze(-1), (2, 3, 4, 1)),
        (lambda x: x.unsqueeze(1).squeeze(), (2, 3, 4)),
        (lambda x: x.unsqueeze(1).squeeze(1), (2, 3, 4)),
        (lambda x: x.unsqueeze(1).unsqueeze(0).squeeze((0, 2)), (2, 3, 4)),
        (lambda x: x.squeeze(0), (2, 3, 4)),
        (lambda x: x.permute(2, 0, 1), (4, 2, 3)),
        (lambda x: x.permute((-1, 0, 1)), (4, 2, 3)),
        (lambda x: x.transpose(0, -1), (4, 3, 2)),
        (lambda x: x.T, (4, 3, 2)),
        (lambda x: x.mT, (2, 4, 3)),
        (lambda x: x.unsqueeze(0).expand(5, -1, -1, -1), (5, 2, 3, 4)),
        (lambda x: x.expand(5, 2, 3, 4), (5, 2, 3, 4)),
    ],
)
def test_shape_of_a_rearrangement(function, shape):
    assert function(Tensor(np.arange(24.0).reshape(2, 3, 4))).shape == shape


def test_an_expanded_tensor_takes_no_memory():
    x = Tensor([1.0])
    assert np.shares_memory(x.expand(1000, 1000).data, x.data)
