"""The backward pass: what it gives, what it keeps apart, what it refuses, and what it costs."""

import gc
import threading
import weakref

import numpy as np
import pytest
from cases import CASES, DIFFERENTIABLE, tensors
from hypothesis import given
from hypothesis import strategies as st

import nn
from tinygrad_sm import GradientError, Tensor, enable_grad, grad, no_grad


def leaf(values, name=None):
    return Tensor(np.array(values, float), requires_grad=True, name=name)


# ---- gradients ---------------------------------------------------------------------------------


def test_a_tensor_used_twice_gets_both_gradients():
    x = leaf([1, 2])
    (x * x + 3 * x).sum().backward()
    assert x.grad.tolist() == [5, 7]


def test_paths_of_different_length_meet():
    x = leaf(2)
    a = x * 3
    b = a * a  # 9x²
    (a + b * x).backward()  # 3x + 9x³
    assert x.grad.item() == 3 + 27 * 4


def test_backward_passes_add_up():
    x = leaf([1, 2])
    (x * 2).sum().backward()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [5, 5]


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@given(data=st.data())
def test_a_second_backward_exactly_doubles_the_gradients(name, data):
    inputs, attributes = data.draw(CASES[name].inputs)
    leaves = tensors(inputs)
    loss = CASES[name].call(*leaves, **attributes).sum()
    loss.backward()
    once = [x.grad.copy() for x in leaves if x.requires_grad]
    loss.backward()
    for x, g in zip((x for x in leaves if x.requires_grad), once, strict=True):
        np.testing.assert_array_equal(x.grad, 2 * g)


def test_a_gradient_to_start_with():
    x = leaf([1, 2])
    (x * x).backward(gradient=[10, 100])
    assert x.grad.tolist() == [20, 400]


def test_a_loss_may_have_axes_of_length_1():
    x = leaf([[3]])
    (x * x).backward()
    assert x.grad.tolist() == [[6]]


def test_a_leaf_alone_has_gradient_1():
    x = leaf(3)
    x.backward()
    assert x.grad.item() == 1


def test_only_leaves_that_require_a_gradient_get_one():
    x, constant = leaf(2), Tensor(3.0)
    y = x * constant
    (y * y).backward()
    assert x.grad is not None
    assert y.grad is None
    assert constant.grad is None


def test_a_leaf_can_be_frozen_after_it_was_used():
    x, w = leaf(2), leaf(3)
    loss = x * w
    w.requires_grad = False
    loss.backward()
    assert x.grad.item() == 3
    assert w.grad is None


def test_leaf_or_result():
    x = leaf(2)
    assert x.is_leaf
    assert not (x * 2).is_leaf
    assert (Tensor(2.0) * 2).is_leaf


# ---- detach, retain_grad, hooks ----------------------------------------------------------------


def test_detach_cuts_the_graph_but_not_the_memory():
    x = leaf(3)
    cut = x.detach()
    assert np.shares_memory(cut.data, x.data)
    (x * cut).backward()
    assert x.grad.item() == 3


def test_requires_grad_can_be_set_later():
    x = Tensor(2.0)
    assert x.requires_grad_() is x
    (x * x).backward()
    assert x.grad.item() == 4
    assert not x.requires_grad_(False).requires_grad


def test_retain_grad_keeps_the_gradient_of_an_inner_tensor():
    x = leaf(3)
    y = (x * 2).retain_grad()
    (y * y).backward()
    assert y.grad.item() == 12
    assert x.grad.item() == 24


def test_a_hook_sees_the_whole_gradient_once():
    x, seen = leaf([1, 2]), []
    x.register_hook(lambda g: seen.append(g.tolist()))
    (x * x + x).sum().backward()
    assert seen == [[3, 5]]
    assert x.grad.tolist() == [3, 5]


@pytest.mark.parametrize(
    "hook",
    [lambda g: g * 10, lambda g: (g * 10).numpy(), lambda g: [40.0]],
    ids=["Tensor", "array", "list"],
)
@pytest.mark.parametrize("create_graph", [False, True])
def test_what_a_hook_returns_takes_the_place_of_the_gradient(hook, create_graph):
    x = leaf([1])
    x.register_hook(hook)
    loss = (x * 4).sum()
    loss.backward()
    assert x.grad.tolist() == [40]
    (g,) = grad(loss, x, create_graph=create_graph)
    assert isinstance(g, Tensor)
    assert g.tolist() == [40]


def test_hooks_run_in_order_until_removed():
    x = leaf(1)
    remove = x.register_hook(lambda g: g + 1)
    x.register_hook(lambda g: g * 10)
    (x * 1).backward()
    assert x.grad.item() == 20
    remove()
    remove()  # a second time does nothing
    x.grad = None
    (x * 1).backward()
    assert x.grad.item() == 10


def test_removing_a_hook_twice_leaves_an_equal_one_in_place():
    x = leaf(1)
    remove = x.register_hook(abs)
    x.register_hook(abs)
    remove()
    remove()
    (x * -1).backward()
    assert x.grad.item() == 1


def test_a_hook_that_keeps_its_gradient_cannot_change_anothers():
    a, b, kept = leaf([1]), leaf([1]), []
    a.register_hook(kept.append)
    (a + b).sum().backward()
    kept[0].data[0] = 99
    assert a.grad.tolist() == [1]
    assert b.grad.tolist() == [1]


# ---- recording on and off ----------------------------------------------------------------------


def recorded():
    return (leaf(1) * 2).requires_grad


def test_no_grad_and_enable_grad_nest():
    with no_grad():
        assert not recorded()
        with enable_grad():
            assert recorded()
            with no_grad():
                assert not recorded()
            assert recorded()
        assert not recorded()
    assert recorded()


def test_one_no_grad_may_be_entered_twice():
    off = no_grad()
    with off, off:
        assert not recorded()
    assert recorded()


def test_an_exception_switches_recording_back_on():
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert recorded()


def test_as_decorators():
    assert no_grad()(recorded)() is False
    with no_grad():
        assert enable_grad()(recorded)() is True
    assert recorded()


def test_a_decorated_function_may_call_itself():
    @no_grad()
    def down(n):
        return down(n - 1) if n else recorded()

    assert down(3) is False
    assert recorded()


def test_a_decorated_function_may_raise():
    @no_grad()
    def fail():
        raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert recorded()


def test_each_thread_records_for_itself():
    inside, done, results = threading.Event(), threading.Event(), {}

    def off():
        with no_grad():
            inside.set()
            done.wait(10)
            results["off"] = recorded()

    def on():
        inside.wait(10)
        results["on"] = recorded()
        done.set()

    threads = [threading.Thread(target=f) for f in (off, on)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {"off": False, "on": True}
    assert recorded()


def test_backward_works_inside_no_grad():
    x = leaf(3)
    loss = x * x
    with no_grad():
        loss.backward()
    assert x.grad.item() == 6


# ---- grad --------------------------------------------------------------------------------------


def test_grad_touches_no_grad_attribute():
    x = leaf(3)
    y = (x * x).retain_grad()
    (g,) = grad(y * y, x)
    assert g.item() == 108
    assert x.grad is None
    assert y.grad is None


def test_grad_of_several_inputs_in_their_order():
    x, y = leaf(2), leaf(5)
    gy, gx = grad(x * y * y, [y, x])
    assert (gx.item(), gy.item()) == (25, 20)


def test_grad_of_several_outputs_is_that_of_their_sum():
    x = leaf(3)
    assert grad([x * x, 2 * x], x)[0].item() == 8
    assert grad([x * x, x * x], x)[0].item() == 12
    same = x * x
    assert grad([same, same], x)[0].item() == 12


def test_grad_with_respect_to_an_inner_tensor():
    x = leaf(3)
    y = x * x
    assert grad(y * y, y)[0].item() == 18


def test_grad_when_one_output_is_an_inner_tensor_of_another():
    x = leaf(3)
    y = x * x
    assert grad([y * y, y], x)[0].item() == 108 + 6


def test_grad_goes_only_where_its_inputs_are():
    x, w, called = leaf(3), leaf(2), []
    other = w.exp()
    other.register_hook(called.append)
    assert grad(x * 2 + other, x)[0].item() == 2
    assert called == []


def test_grad_of_a_tensor_with_respect_to_itself():
    x = leaf(3)
    assert grad(x, x)[0].item() == 1


@pytest.mark.parametrize("outer", [[[10.0, 100.0]], np.array([10.0, 100.0]), Tensor([10.0, 100.0])])
@pytest.mark.parametrize("create_graph", [False, True])
def test_grad_outputs_for_one_output(outer, create_graph):
    x = leaf([1, 2])
    (g,) = grad(x * x, x, grad_outputs=outer, create_graph=create_graph)
    assert g.tolist() == [20, 400]
    assert g.dtype == np.float64


def test_grad_outputs_for_several_outputs():
    x = leaf([1, 2])
    (g,) = grad([x * x, x.sum()], x, grad_outputs=[[10, 100], None])
    assert g.tolist() == [21, 401]


def test_the_result_of_grad_has_no_graph_unless_asked_for():
    x = leaf(3)
    assert not grad(x**3, x)[0].requires_grad
    assert grad(x**3, x, create_graph=True)[0].requires_grad


def test_derivatives_of_rising_order():
    x = leaf(2)
    y = x**4
    for expected in (32, 48, 48, 24):  # 4x³, 12x², 24x, 24
        (y,) = grad(y, x, create_graph=True)
        assert y.item() == expected


def test_create_graph_differentiates_through_grad_outputs():
    x, v = leaf([1, 2]), leaf([3, 4])
    (g,) = grad(x * x, x, grad_outputs=v, create_graph=True)  # 2 x v
    g.sum().backward()
    assert v.grad.tolist() == [2, 4]
    assert x.grad.tolist() == [6, 8]


def test_create_graph_works_inside_no_grad():
    x = leaf(3)
    y = x**3
    with no_grad():
        (g,) = grad(y, x, create_graph=True)
    assert g.requires_grad


def test_grad_runs_hooks():
    x = leaf(3)
    x.register_hook(lambda g: g * 10)
    assert grad(x * 2, x)[0].item() == 20


# ---- a graph whose values were changed ---------------------------------------------------------


def assign(x):
    x.data = np.full(x.shape, 9.0)


def subtract(x):
    x.data -= 9.0


def write(x):
    x[...] = 9.0


def step(x):
    parameter = x.requires_grad_()
    parameter.grad = np.ones(x.shape)
    nn.optim.SGD([parameter], lr=9.0).step()


VIEWS = {
    "detach": lambda x: x.detach(),
    "reshape": lambda x: x.detach().reshape(4),
    "transpose": lambda x: x.detach().T,
    "index": lambda x: x.detach()[0:1],
    "row": lambda x: x.detach()[0],
    "element": lambda x: x.detach()[0, 1, ...],
    "flatten": lambda x: x.detach().flatten(),
    "squeeze": lambda x: x.detach().unsqueeze(0).squeeze(0),
    "view of a view": lambda x: x.detach().T.reshape(2, 2)[0],
    "copy=False": lambda x: Tensor(x, copy=False),
}


@pytest.mark.parametrize("change", [assign, subtract, step])
def test_a_leaf_changed_after_its_use_is_an_error_that_names_it(change):
    w = leaf([[1, 2], [3, 4]], name="w")
    loss = (w * w).sum()
    change(w)
    with pytest.raises(GradientError, match=r"through 'multiply': tensor 'w' .* was changed after"):
        loss.backward()


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("change", [subtract, write])
def test_a_leaf_changed_through_a_view_is_an_error(view, change):
    w = leaf([[1, 2], [3, 4]])
    loss = (w * w).sum()
    change(VIEWS[view](w))
    with pytest.raises(GradientError, match="was changed after"):
        loss.backward()


@pytest.mark.parametrize("view", ["reshape", "transpose", "index", "expand"])
@pytest.mark.parametrize("recorded_view", [True, False])
def test_a_view_that_was_used_when_its_base_was_changed(view, recorded_view):
    base = Tensor(np.array([[1.0, 2.0]]), requires_grad=recorded_view)
    used = {
        "reshape": lambda: base.reshape(2),
        "transpose": lambda: base.T,
        "index": lambda: base[0],
        "expand": lambda: base.expand(3, 2),
    }[view]()
    x = leaf(3)
    loss = (used * x).sum()
    base.data -= 1
    with pytest.raises(GradientError, match="was changed after"):
        loss.backward()


def test_an_inner_tensor_changed_after_its_use_is_an_error():
    x = leaf([1, 2])
    y = x.exp()
    loss = y.sum()
    y.data -= 1
    with pytest.raises(GradientError, match="the result of exp"):
        loss.backward()


def test_a_constant_changed_after_its_use_is_an_error():
    x, c = leaf([1, 2]), Tensor([3.0, 4.0], name="c")
    loss = (x * c).sum()
    c[0] = 7.0
    with pytest.raises(GradientError, match="'c'"):
        loss.backward()


def test_a_change_between_two_backward_passes_is_an_error():
    w = leaf([1, 2])
    loss = (w * w).sum()
    loss.backward()
    w.data -= 0.1 * w.grad
    with pytest.raises(GradientError, match="was changed after"):
        loss.backward()
    with pytest.raises(GradientError, match="was changed after"):
        grad(loss, w)


def test_after_a_step_a_new_loss_is_fine():
    w = leaf([1.0])
    for _ in range(3):
        w.grad = None
        (w * w).sum().backward()
        w.data -= 0.25 * w.grad
    assert w.tolist() == [0.125]


def test_a_write_into_a_tensor_of_a_graph_is_refused():
    x = leaf([1, 2])
    for t in x, x * 2:
        with pytest.raises(GradientError, match="cannot write into"):
            t[0] = 5


def test_an_array_changed_after_its_use_changes_nothing():
    x, factor, index = leaf([1, 2, 3]), np.array([1.0, 2.0]), np.array([0, 2])
    mask, labels = np.array([True, False, True]), np.array(1)
    loss = (x[index] * factor).sum() + x[mask].sum() + x.cross_entropy(labels)
    (expected,) = grad(loss, x)
    factor[:], index[:], mask[:], labels[...] = 9, 1, False, 0
    loss.backward()
    assert x.grad.tolist() == expected.tolist()


def test_an_index_tensor_or_label_tensor_changed_after_its_use_never_gives_a_wrong_gradient():
    x = leaf([[1, 2], [3, 4]])
    index, labels = Tensor(np.array([0, 0])), Tensor(np.array([1, 1]))
    loss = x[index].cross_entropy(labels)
    (expected,) = grad(loss, x)
    index[0] = 1
    assert grad(loss, x)[0].tolist() == expected.tolist()
    labels[0] = 0
    with pytest.raises(GradientError, match="was changed after"):
        loss.backward()


# ---- who owns a gradient -----------------------------------------------------------------------


OWNERS = {
    "sum of two": lambda a, b: a + b,
    "sum of the same": lambda a, b: a + a + b,
    "difference": lambda a, b: a - b,
    "views": lambda a, b: a.reshape(4).reshape(2, 2) + b.T.T,
    "transposes": lambda a, b: a.T + b.T,
    "rows": lambda a, b: a[0] + b[1],
    "expand": lambda a, b: a.expand(3, 2, 2) + b.expand(3, 2, 2),
    "sums": lambda a, b: a.sum() + b.sum(),
    "mean": lambda a, b: (a + b).mean(axis=0),
    "products": lambda a, b: a @ b,
    "linear": lambda a, b: a.linear(b),
    "linear with bias": lambda a, b: Tensor(np.ones((2, 2))).linear(a, b[0]),
    "cross-entropy": lambda a, b: a.cross_entropy([0, 1]) + b.cross_entropy([0, 1]),
    "one loss twice": lambda a, b: (a + b).cross_entropy([0, 1]),
    "softmax": lambda a, b: (a + b).softmax(),
    "cast": lambda a, b: a.astype(np.float64) + b.astype(np.float32),
}


@pytest.mark.parametrize("function", OWNERS.values(), ids=OWNERS)
@pytest.mark.parametrize("hooked", [False, True])
@pytest.mark.parametrize("passes", [1, 2])
def test_a_gradient_shares_memory_with_nothing(function, hooked, passes):
    a, b = leaf([[1, 2], [3, 4]]), leaf([[5, 6], [7, 8]])
    if hooked:
        a.register_hook(lambda g: g)
        b.register_hook(lambda g: b.detach())
    y = function(a, b).retain_grad()
    seed = np.ones(y.shape)
    for _ in range(passes):
        y.backward(gradient=seed)
    grads = [x.grad for x in (a, b, y)]
    others = [a.data, b.data, y.data, seed]
    for i, (x, g) in enumerate(zip((a, b, y), grads, strict=True)):
        assert (g.T if x.data.flags.fnc else g).flags.c_contiguous  # in the order of its tensor
        assert g.flags.writeable
        assert not any(np.shares_memory(g, other) for other in [*grads[:i], *others])


def test_a_retained_gradient_shares_memory_with_no_other():
    x = leaf([1, 2])
    chain = [x]
    for _ in range(3):
        chain.append((chain[-1] + 0).retain_grad())
    chain[-1].sum().backward()
    grads = [t.grad for t in chain]
    assert not any(np.shares_memory(g, h) for i, g in enumerate(grads) for h in grads[:i])


def test_a_result_of_grad_shares_memory_with_nothing():
    a, b = leaf([1, 2]), leaf([3, 4])
    ga, gb = grad((a + b).sum(), [a, b])
    assert not np.shares_memory(ga.data, gb.data)
    ga.data[0] = 9
    assert gb.tolist() == [1, 1]


def test_writing_into_one_gradient_leaves_the_graph_as_it_was():
    z = leaf([[1, 2], [3, 4]])
    loss = z.cross_entropy([0, 1])
    loss.backward()
    first = z.grad.copy()
    z.grad[:] = 0
    loss.backward()
    assert z.grad.tolist() == first.tolist()


# ---- deep graphs and their memory --------------------------------------------------------------


def test_a_chain_of_100_000_operations():
    x = leaf(1)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.backward()
    assert x.grad.item() == 1
    middle = weakref.ref(y._inputs[0])
    del y
    assert middle() is None


def test_a_diamond_200_deep_is_walked_once():
    x = leaf(1)
    y = x
    for _ in range(200):
        y = y + y
    y.backward()
    assert x.grad.item() == 2.0**200
    assert grad(y, x)[0].item() == 2.0**200


@pytest.fixture
def without_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_graph_dies_with_its_last_reference(create_graph):
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    x = leaf([[1, 2, 3]])
    hidden = model[0](x)
    hidden.register_hook(lambda g: g)
    loss = model[2](model[1](hidden)).cross_entropy([0])
    loss.backward()
    gradients = grad(loss, [x], create_graph=create_graph)
    inner = [weakref.ref(t) for t in (hidden, loss, *gradients)]
    del hidden, loss, gradients
    assert [ref() for ref in inner] == [None] * 3
    assert gc.collect() == 0
