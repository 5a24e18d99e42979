"""Module: buffers, hooks, state, and lists and dicts of modules."""

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

import nn
from tinygrad_sm import ShapeError, Tensor, manual_seed, no_grad


class Net(nn.Module):
    """Parameters and buffers at every depth; one layer at two places."""

    def __init__(self):
        super().__init__()  # not needed, and allowed
        self.fc = nn.Linear(2, 2)
        self.norm = nn.BatchNorm1d(2)
        self.again = [self.fc]
        self.mask = nn.Buffer([1.0, 0.0], persistent=False)
        self.scale = nn.Parameter([3.0])
        self.register_buffer("count", Tensor(0, dtype=int))
        self.register_buffer("nothing", None)

    def forward(self, x):
        return self.norm(self.fc(x)) * self.mask * self.scale


def values(module):
    return {name: array.tolist() for name, array in module.state_dict().items()}


STATE = [
    "scale",
    "count",
    "fc.weight",
    "fc.bias",
    "norm.weight",
    "norm.bias",
    "norm.running_mean",
    "norm.running_var",
    "norm.num_batches_tracked",
    "again.0.weight",
    "again.0.bias",
]

# ---- what is inside ----------------------------------------------------------------------------


def test_buffers_are_found_as_parameters_are():
    net = Net()
    names = [name for name, _ in net.named_buffers()]
    norm = ["norm.running_mean", "norm.running_var", "norm.num_batches_tracked"]
    assert names == ["mask", "count", *norm]
    assert list(net.buffers()) == [b for _, b in net.named_buffers()]
    assert not any(b.requires_grad for b in net.buffers())
    assert net.nothing is None


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ["scale", "fc.weight", "fc.bias", "norm.weight", "norm.bias"]),
        ({"recurse": False}, ["scale"]),
        ({"prefix": "net", "recurse": False}, ["net.scale"]),
        (
            {"remove_duplicate": False},
            [n for n in STATE if "running" not in n and "count" not in n and "num" not in n],
        ),
    ],
    ids=str,
)
def test_named_parameters(options, names):
    assert [name for name, _ in Net().named_parameters(**options)] == names


def test_parts_by_their_names():
    net = Net()
    assert net.get_submodule("again.0") is net.fc
    assert net.get_submodule("") is net
    assert net.get_parameter("again.0.weight") is net.fc.weight
    assert net.get_buffer("norm.running_var") is net.norm.running_var
    with pytest.raises(AttributeError, match=r"no parameter named 'fc\.wait'; it has scale, fc\.w"):
        net.get_parameter("fc.wait")


def test_a_child_may_know_its_parent():
    net = nn.Module()
    net.child = nn.Linear(1, 1)
    net.child.parent = net
    assert [name for name, _ in net.named_modules()] == ["", "child"]
    assert list(net.state_dict()) == ["child.weight", "child.bias"]


def test_apply_reaches_the_inner_modules_first():
    order = []
    model = nn.Sequential(nn.Sequential(nn.ReLU()), nn.Tanh())
    assert model.apply(lambda m: order.append(type(m).__name__)) is model
    assert order == ["ReLU", "Sequential", "Tanh", "Sequential"]


def test_frozen_parameters_get_no_gradient():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    assert model[0].requires_grad_(False) is model[0]
    model(Tensor([[1.0, 2.0]])).sum().backward()
    assert [p.grad is None for p in model.parameters()] == [True, True, False, False]
    assert all(p.requires_grad for p in model.requires_grad_().parameters())


# ---- attributes --------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.zeros((2, 2)), Tensor([[0.0]])], ids=type)
def test_what_is_no_parameter_does_not_take_the_place_of_one(value):
    layer = nn.Linear(2, 2)
    with pytest.raises(TypeError, match=r"Linear\.weight is a Parameter.*weight\.data"):
        layer.weight = value
    layer.weight = nn.Parameter(value)
    layer.bias = None
    assert list(layer.state_dict()) == ["weight"]


def test_a_buffer_stays_a_buffer():
    net = Net()
    net.mask = net.mask * 2
    assert isinstance(net.mask, nn.Buffer)
    assert net.mask.tolist() == [2, 0]
    assert "mask" not in net.state_dict()
    net.count = np.array(4)
    assert net.state_dict()["count"] == 4


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_have_buffers_and_hooks_of_their_own(duplicate):
    net = Net()
    net.norm.register_forward_hook(print_shape)
    other = duplicate(net)
    assert values(other) == values(net)
    assert other.again[0] is other.fc
    assert not other.mask.persistent
    other(Tensor([[1.0, 2.0], [3.0, 5.0]]))
    assert net.norm.num_batches_tracked.item() == 0
    assert other.norm.num_batches_tracked.item() == 1


def print_shape(module, inputs, output):
    print(output.shape)


# ---- hooks -------------------------------------------------------------------------------------


def test_hooks_see_and_change_what_goes_in_and_out():
    relu, seen = nn.ReLU(), []
    relu.register_forward_pre_hook(lambda m, inputs: seen.append((m, inputs)))
    remove_before = relu.register_forward_pre_hook(lambda m, inputs: inputs[0] - 1)
    remove_after = relu.register_forward_hook(lambda m, inputs, output: output * 10)
    relu.register_forward_hook(lambda m, inputs, output: seen.append((inputs, output)))
    x = Tensor([1.0, 3.0])
    y = relu(x)
    assert y.tolist() == [0, 20]
    assert seen[0][0] is relu
    assert seen[0][1][0] is x
    assert seen[1][0][0].tolist() == [0, 2]
    assert seen[1][1] is y
    remove_before()
    remove_after()
    remove_after()  # a second time does nothing
    assert relu(x).tolist() == [1, 3]


def test_a_hook_may_give_several_inputs():
    class Add(nn.Module):
        def forward(self, a, b=0.0):
            return a + b

    add = Add()
    add.register_forward_pre_hook(lambda m, inputs: (*inputs, 5.0))
    assert add(Tensor([1.0])).tolist() == [6]


def test_a_hook_is_a_function():
    with pytest.raises(TypeError, match="a hook is a function, got 3"):
        nn.ReLU().register_forward_hook(3)


def test_a_module_as_a_hook_is_not_inside():
    relu = nn.ReLU()
    relu.register_forward_pre_hook(nn.Identity())
    assert [*relu.children()] == []


# ---- state_dict --------------------------------------------------------------------------------


def test_state_dict_has_every_name_once_for_each_place():
    assert list(Net().state_dict()) == STATE


def test_a_state_that_was_kept_stays_as_it_was():
    model = nn.Linear(1, 1)
    before = model.state_dict()
    kept = before["weight"].copy()
    model.weight.data += 1
    assert before["weight"] == kept


@pytest.mark.parametrize("kind", [np.array, Tensor, lambda a: a.tolist()])
def test_load_state_dict_takes_arrays_tensors_and_lists(kind):
    one, other = Net(), Net()
    parameters, data = list(other.parameters()), other.fc.weight.data
    one.norm.running_mean.data += 2
    result = other.load_state_dict({name: kind(a) for name, a in one.state_dict().items()})
    assert result == ([], [])
    assert values(other) == values(one)
    assert list(other.parameters()) == parameters  # the same objects, for an optimizer has them
    assert other.fc.weight.data is data


@pytest.mark.usefixtures("float64")
def test_loading_casts_to_the_dtype_of_the_model():
    model = nn.Linear(1, 1)
    model.load_state_dict({"weight": np.float32([[0.1]]), "bias": [0.1]})
    assert model.weight.dtype == np.float64
    assert model.weight.item() == np.float32(0.1)
    assert model.bias.item() == 0.1


def test_all_that_does_not_fit_is_told_and_nothing_is_changed():
    model = Net()
    before = values(model)
    state = model.state_dict() | {"fc.weight": np.zeros((3, 2)), "extra": np.zeros(1)}
    state |= {"count": np.array(0.5), "scale": np.array(["a"]), "norm.bias": [[1.0], [2.0, 3.0]]}
    state["again.0.bias"] = np.ones(2)
    del state["norm.weight"]
    with pytest.raises(ValueError, match="the state does not fit Net, which is left") as error:
        model.load_state_dict(state)
    for line in (
        "missing: norm.weight",
        "unexpected: extra",
        "fc.weight: has shape (3, 2), needed is (2, 2)",
        "count: has dtype float64, needed is int64",
        "scale: a Tensor holds",
        "norm.bias: a Tensor is a full box",
    ):
        assert line in str(error.value)
    assert values(model) == before


def test_not_strict_passes_over_names_but_not_over_shapes():
    model = nn.Linear(2, 1)
    state = {"weight": np.ones((1, 2)), "extra": 1}
    result = model.load_state_dict(state, strict=False)
    assert result == (["bias"], ["extra"])
    assert result.missing_keys == ["bias"]
    assert result.unexpected_keys == ["extra"]
    assert model.weight.tolist() == [[1, 1]]
    with pytest.raises(ValueError, match=r"weight: has shape \(2,\)"):
        model.load_state_dict({"weight": np.ones(2)}, strict=False)


def test_load_state_dict_needs_a_mapping():
    with pytest.raises(TypeError, match=r"nn\.load\(path\).*got a str"):
        nn.Linear(1, 1).load_state_dict("weights.npz")


def test_loaded_views_of_the_model_itself():
    model = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    before = values(model)
    model.load_state_dict(
        {
            "0.weight": model[1].weight.numpy(),
            "1.weight": model[0].weight.numpy(),
            "0.bias": model[1].bias.numpy(),
            "1.bias": model[0].bias.numpy(),
        }
    )
    assert list(values(model).values()) == [
        before[n] for n in ("1.weight", "1.bias", "0.weight", "0.bias")
    ]


def test_a_graph_from_before_the_loading_does_not_go_back():
    model = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    loss = model(Tensor([[1.0]])).sum()
    model.load_state_dict(model.state_dict())
    with pytest.raises(ValueError, match="was changed after"):
        loss.backward()


def test_two_parameters_of_one_name():
    net = nn.Module()
    net.parts = {"a.b": nn.Parameter([1.0]), "a": {"b": nn.Parameter([1.0])}}
    with pytest.raises(ValueError, match=r"named 'parts\.a\.b'"):
        net.state_dict()


# ---- lists and dicts ---------------------------------------------------------------------------


def names(module):
    return [name for name, _ in module.named_children()]


def test_sequential_of_named_modules():
    fc, act = nn.Linear(2, 2), nn.ReLU()
    model = nn.Sequential(OrderedDict(fc=fc, act=act))
    assert names(model) == ["fc", "act"]
    assert model.fc is model[0] is fc
    assert names(model[1:]) == ["act"]
    assert model[1:][0] is act
    assert list(model.state_dict()) == ["fc.weight", "fc.bias"]
    with no_grad():
        assert model(Tensor([[1.0, 2.0]])).tolist() == fc(Tensor([[1.0, 2.0]])).relu().tolist()


@pytest.mark.parametrize("make", [lambda *m: nn.Sequential(*m), lambda *m: nn.ModuleList(m)])
def test_rows_of_modules_as_lists(make):
    a, b, c, d = (nn.Identity() for _ in range(4))
    row = make(a)
    assert row.append(b).extend([c]).insert(0, d) is row
    assert list(row) == [d, a, b, c]
    assert names(row) == ["0", "1", "2", "3"]
    assert [*row[1:3]] == [a, b]
    assert type(row[:0]) is type(row)
    assert row.pop() is c
    del row[0]
    row[-1] = d
    assert [*row] == [a, d]
    assert names(row) == ["0", "1"]
    assert len(row) == 2
    assert row[-2] is a
    with pytest.raises(IndexError):
        row[2]


def test_module_list_in_a_module():
    net = nn.Module()
    net.layers = nn.ModuleList([nn.Linear(1, 1)])
    net.layers += [nn.Linear(1, 1, bias=False)]
    assert list(net.state_dict()) == ["layers.0.weight", "layers.0.bias", "layers.1.weight"]


def test_module_dict_as_a_dict():
    a, b = nn.Linear(1, 1), nn.ReLU()
    d = nn.ModuleDict({"a": a})
    d["b"] = b
    assert d["a"] is a
    assert dict(d) == {"a": a, "b": b}
    assert (len(d), list(d.keys()), list(d.values())) == (2, ["a", "b"], [a, b])
    assert d.pop("b") is b
    assert "b" not in d
    d.update({"c": b})
    assert names(d) == ["a", "c"]
    assert list(d.state_dict()) == ["a.weight", "a.bias"]
    assert d in {d}
    assert d != nn.ModuleDict({"a": a, "c": b})
    with pytest.raises(KeyError):
        del d["b"]
    d.clear()
    assert repr(d) == "ModuleDict()"


@pytest.mark.parametrize("name", ["forward", "training", "a.b", "", "values"])
def test_names_that_a_module_cannot_have(name):
    with pytest.raises(ValueError, match="cannot be named"):
        nn.ModuleDict({name: nn.ReLU()})


def test_only_modules_go_into_a_list_of_modules():
    with pytest.raises(TypeError, match=r"ModuleList needs modules, item 1.*did you mean ReLU\(\)"):
        nn.ModuleList([nn.ReLU(), nn.ReLU])
    with pytest.raises(NotImplementedError, match="ModuleList has no forward"):
        nn.ModuleList()(Tensor([1.0]))


# ---- layers that learn nothing or little -------------------------------------------------------


def test_flatten_and_identity():
    x = Tensor(np.zeros((2, 3, 4, 5)))
    assert nn.Flatten()(x).shape == (2, 60)
    assert nn.Flatten(0, 1)(x).shape == (6, 4, 5)
    assert nn.Identity(3, anything=True)(x) is x


def test_dropout():
    x = Tensor(np.ones((100, 100), np.float32), requires_grad=True)
    layer = nn.Dropout(0.25)
    y = layer(x)
    assert set(np.unique(y.numpy()).tolist()) == {0, np.float32(1 / 0.75)}
    assert (y.numpy() == 0).mean() == pytest.approx(0.25, abs=0.02)
    y.sum().backward()
    assert (x.grad == y.numpy()).all()
    assert layer.eval()(x) is x
    assert nn.Dropout(0)(x) is x
    assert not nn.Dropout(1.0)(x).numpy().any()
    with pytest.raises(ValueError, match="between 0 and 1, got p=1"):
        nn.Dropout(1.5)


def test_the_seed_decides_what_falls_silent():
    x, layer = Tensor(np.ones(50)), nn.Dropout()
    patterns = [(manual_seed(seed), layer(x).tolist())[1] for seed in (1, 1, 2)]
    assert patterns[0] == patterns[1] != patterns[2]


def test_embedding():
    layer = nn.Embedding(5, 2, padding_idx=-1)
    assert layer.padding_idx == 4
    layer.weight.data[4] = 7  # a vector of the padding's own stays; it is not learnt
    y = layer([[1, 4], [1, 0]])
    assert y.shape == (2, 2, 2)
    assert y[0, 1].tolist() == [7, 7]
    y.sum().backward()
    assert layer.weight.grad.tolist() == [[1, 1], [2, 2], [0, 0], [0, 0], [0, 0]]


def test_normalization_of_float16_does_not_overflow():
    x = Tensor(np.linspace(-3e4, 3e4, 101, dtype=np.float16), requires_grad=True)
    y = x.layer_norm(101)
    y[0].backward()
    assert y.dtype == x.grad.dtype == np.float16
    assert y[-1].item() == pytest.approx(np.sqrt(3), rel=0.02)
    assert np.isfinite(x.grad).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.Embedding(5, 2)([5]), IndexError, "index 5 is outside the embeddings 0 to 4"),
        (lambda: nn.Embedding(5, 2)([0, -1]), IndexError, "index -1"),
        (lambda: nn.Embedding(5, 2)(Tensor([1.0])), TypeError, r"needs integers.*float32"),
        (lambda: nn.Embedding(5, 2, padding_idx=5), ValueError, "padding_idx=5"),
        (lambda: nn.GroupNorm(2, 3), ValueError, "3 channels and 2 groups"),
        (lambda: nn.GroupNorm(2, 4)(Tensor([[1.0]])), ShapeError, "C = 4, got"),
        (lambda: nn.BatchNorm1d(3)(Tensor([1.0])), ShapeError, r"\(N, C, L\) with C = 3"),
        (lambda: nn.BatchNorm2d(1)(Tensor([[1.0]])), ShapeError, r"\(N, C, H, W\)"),
        (lambda: nn.BatchNorm1d(1)(Tensor([[1.0]])), ShapeError, "more than one value"),
        (lambda: nn.LayerNorm(3)(Tensor([[1.0]])), ShapeError, r"\(3,\) is not the end of shape"),
        (lambda: Tensor([[1.0]]).layer_norm(1, [1.0, 2.0]), ShapeError, r"weight needs shape \(1,"),
        (lambda: Tensor([[1, 2]], dtype=int).layer_norm(2), TypeError, r"floating-point.*int64"),
        (lambda: Tensor([[1.0]]).batch_norm(None, None), ValueError, "training=True"),
    ],
)
def test_wrong_input_to_layers(call, error, message):
    with pytest.raises(error, match=message):
        call()
