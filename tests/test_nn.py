"""Modules: what is inside them, how they print, and that they learn."""

import copy
import math
import pickle

import numpy as np
import pytest

import nn
from tinygrad_sm import Tensor, gradcheck, manual_seed


class Net(nn.Module):
    """Parts in attributes, lists, tuples and dicts; no super().__init__()."""

    def __init__(self):
        self.scale = nn.Parameter([1.0])
        self.layers = [nn.Linear(2, 3), nn.Linear(3, 1, bias=False)]
        self.pair = (nn.Parameter([2.0]), "not a parameter")
        self.heads = {"left": nn.Linear(1, 1), "right": [nn.ReLU(), nn.Parameter([3.0])]}
        self.constant = Tensor([4.0])
        self.size = 5

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.heads["left"](x) * self.scale


NAMES = [
    "scale",
    "pair.0",
    "heads.right.1",
    "layers.0.weight",
    "layers.0.bias",
    "layers.1.weight",
    "heads.left.weight",
    "heads.left.bias",
]


def test_parameters_are_found_wherever_they_are():
    assert sorted(dict(Net().named_parameters())) == sorted(NAMES)


def test_parameters_come_in_the_order_of_their_names():
    net = Net()
    pairs = zip(net.parameters(), net.named_parameters(), strict=True)
    assert all(p is named for p, (_, named) in pairs)


def test_a_shared_parameter_comes_once():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias", "1.bias"]


def test_a_shared_module_comes_once():
    layer = nn.Linear(2, 2)
    model = nn.Sequential(layer, nn.ReLU(), layer)
    assert [name for name, _ in model.named_modules()] == ["", "0", "1"]
    assert len(list(model.parameters())) == 2
    assert len(model) == 3


def test_named_modules():
    names = [name for name, _ in Net().named_modules()]
    assert names == ["", "layers.0", "layers.1", "heads.left", "heads.right.0"]


def test_children_are_those_directly_inside():
    model = nn.Sequential(nn.Sequential(nn.ReLU()), nn.Tanh())
    assert [type(m).__name__ for m in model.children()] == ["Sequential", "Tanh"]
    assert [type(m).__name__ for m in model.modules()] == [
        "Sequential",
        "Sequential",
        "ReLU",
        "Tanh",
    ]


def test_train_and_eval_reach_every_module():
    net = Net()
    assert net.training
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    assert net.train() is net
    assert all(m.training for m in net.modules())


def test_train_of_one_leaves_others_alone():
    one, other = Net(), Net()
    one.eval()
    assert other.training


def test_a_module_may_return_anything():
    class Split(nn.Module):
        def forward(self, x, *, at):
            return x[:at], x[at:]

    first, rest = Split()(Tensor([1.0, 2.0, 3.0]), at=1)
    assert (first.tolist(), rest.tolist()) == ([1], [2, 3])


def test_zero_grad_forgets_every_gradient():
    net = Net()
    net(Tensor([[1.0, 2.0]])).sum().backward()
    assert net.scale.grad is not None
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_model_can_be_copied_after_use(duplicate):
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    x = Tensor([[1.0, 2.0]])
    model(x).sum().backward()
    other = duplicate(model)
    assert other(x).tolist() == model(x).tolist()
    other[0].weight.data += 1
    assert not np.array_equal(other[0].weight.data, model[0].weight.data)
    assert isinstance(other[0].weight, nn.Parameter)


# ---- layers ------------------------------------------------------------------------------------


def test_linear_is_a_matrix_product_and_a_bias():
    layer, x = nn.Linear(3, 2), np.arange(12.0, dtype=np.float32).reshape(2, 2, 3)
    expected = x @ layer.weight.data.T + layer.bias.data
    np.testing.assert_allclose(layer(Tensor(x)).numpy(), expected, rtol=1e-5)
    assert (layer.weight.shape, layer.bias.shape) == ((2, 3), (2,))


def test_linear_without_bias():
    layer = nn.Linear(3, 2, bias=False)
    assert layer.bias is None
    assert layer(Tensor([[0.0, 0.0, 0.0]])).tolist() == [[0, 0]]


def test_linear_starts_within_its_bounds():
    layer = nn.Linear(100, 50)
    for values in layer.weight.data, layer.bias.data:
        assert np.abs(values).max() <= 0.1
    assert layer.weight.data.std() == pytest.approx(0.1 / np.sqrt(3), rel=0.05)


@pytest.mark.parametrize("width", [3, 40])
def test_a_weight_lies_in_memory_as_it_is_multiplied_with_most_quickly(width):
    layer, x = nn.Linear(60, width), Tensor(np.ones((4, 60), np.float32))
    optimizer = nn.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    layer.weight.data = np.ones((width, 60))
    layer.load_state_dict(layer.state_dict())
    for _ in range(2):
        optimizer.zero_grad()
        layer(x).sum().backward()
        optimizer.step()
        optimizer.load_state_dict(optimizer.state_dict())
    velocity = optimizer.state[layer.weight]["momentum_buffer"]
    copies = copy.deepcopy(layer).weight.data, pickle.loads(pickle.dumps(layer)).weight.data
    for array in (layer.weight.data, layer.weight.grad, velocity, *copies):
        assert array.shape == (width, 60)
        assert array.flags.c_contiguous == (width == 3)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(4, 5), (0, 5), (1, 5), (2, 3, 5), (5,)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_order_in_memory_changes_no_gradient(order, shape, dtype):
    rng = np.random.default_rng(0)
    x = Tensor(rng.standard_normal(shape, dtype))
    weight = nn.Parameter(np.array(rng.standard_normal((3, 5)), order=order))  # float64 for both
    y = x.linear(weight)
    g = rng.standard_normal(y.shape)
    y.backward(g)
    rows = math.prod(shape[:-1])
    np.testing.assert_allclose(weight.grad, g.reshape(rows, 3).T @ x.data.reshape(rows, 5))


def test_the_seed_decides_the_weights():
    manual_seed(3)
    first = nn.Linear(2, 2).weight.tolist()
    manual_seed(3)
    assert nn.Linear(2, 2).weight.tolist() == first


@pytest.mark.usefixtures("float64")
def test_the_default_dtype_is_that_of_the_weights():
    assert nn.Linear(2, 2).weight.dtype == np.float64


@pytest.mark.usefixtures("float64")
def test_gradients_of_a_network():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2), nn.Sigmoid())
    w, b = model[0].weight, model[0].bias

    def loss(w, b):
        vars(model[0]).update(weight=w, bias=b)  # an assignment refuses a plain Tensor
        return model(Tensor(np.linspace(-1, 1, 6).reshape(2, 3)))

    assert gradcheck(loss, [w, b], order=2)


@pytest.mark.parametrize(
    ("module", "method"),
    [
        (nn.ReLU(), Tensor.relu),
        (nn.Tanh(), Tensor.tanh),
        (nn.Sigmoid(), Tensor.sigmoid),
        (nn.Softmax(axis=0), lambda x: x.softmax(0)),
        (nn.LogSoftmax(axis=1), lambda x: x.log_softmax(1)),
        (nn.Softmax(), lambda x: x.softmax(-1)),
    ],
    ids=lambda x: repr(x) if isinstance(x, nn.Module) else "",
)
def test_activations_are_the_methods_of_the_same_name(module, method):
    x = Tensor([[-1.0, 0.5], [2.0, 0.0]])
    assert module(x).tolist() == method(x).tolist()


def test_cross_entropy_loss_passes_its_options_on():
    options = {
        "weight": [1.0, 2.0, 3.0],
        "ignore_index": 1,
        "reduction": "sum",
        "label_smoothing": 0.1,
    }
    z = Tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 1.0]])
    loss = nn.CrossEntropyLoss(**options)(z, [2, 1])
    assert loss.item() == z.cross_entropy([2, 1], **options).item()
    assert nn.CrossEntropy is nn.CrossEntropyLoss


def test_the_weight_of_a_loss_is_its_own():
    weight = np.array([1.0, 1.0])
    loss_fn = nn.CrossEntropyLoss(weight=weight)
    weight[0] = 100
    z = Tensor([[0.0, 1.0], [0.0, 0.0]])
    assert loss_fn(z, [0, 1]).item() == pytest.approx(z.cross_entropy([0, 1]).item())


# ---- Sequential and printing -------------------------------------------------------------------


def test_sequential_as_a_list():
    relu, tanh = nn.ReLU(), nn.Tanh()
    model = nn.Sequential(relu, tanh)
    assert list(model) == [relu, tanh]
    assert model[-1] is tanh
    assert len(model) == 2


def test_an_empty_sequential_is_the_identity():
    x = Tensor([1.0])
    assert nn.Sequential()(x) is x


def test_repr():
    assert repr(nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU()))) == (
        "Sequential(\n"
        "  (0): Linear(in_features=2, out_features=3, bias=True)\n"
        "  (1): Sequential(\n"
        "    (0): ReLU()\n"
        "  )\n"
        ")"
    )
    assert repr(nn.Linear(2, 3, bias=False)) == "Linear(in_features=2, out_features=3, bias=False)"
    assert repr(nn.Softmax(1)) == "Softmax(axis=1)"
    assert repr(nn.LogSoftmax(1)) == "LogSoftmax(axis=1)"


def test_repr_of_a_module_with_parts_in_lists_and_dicts():
    assert "(heads.left): Linear(in_features=1, out_features=1, bias=True)" in repr(Net())


# ---- learning ----------------------------------------------------------------------------------


def test_a_network_learns_what_no_linear_layer_can():
    x = Tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    labels = [0, 1, 1, 0]  # exclusive or
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
    loss_fn, optimizer = nn.CrossEntropyLoss(), nn.optim.SGD(model.parameters(), 0.5, momentum=0.9)
    for _ in range(200):
        optimizer.zero_grad()
        loss = loss_fn(model(x), labels)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05
    assert model(x).argmax(axis=1).tolist() == labels


def test_a_module_that_returns_its_input_leaves_no_mark_on_it():
    class Identity(nn.Module):
        def forward(self, x):
            return x

    x = Tensor([1.0])
    assert Identity()(x) is x
    assert x.scope is None


def test_a_sequential_has_what_a_subclass_adds_to_its_layers():
    class Scaled(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Linear(2, 2))
            self.scale = nn.Parameter([1.0])

    assert [name for name, _ in Scaled().named_parameters()] == ["scale", "0.weight", "0.bias"]


def test_a_slip_in_forward_is_not_blamed_on_an_array_beside_it():
    class Slip(nn.Module):
        def forward(self, x, mask):
            return x.relo()

    with pytest.raises(AttributeError, match="relo"):
        Slip()(Tensor([1.0]), np.ones(1))
