"""nn.summary: the rows, the totals, what it prints, and that it leaves the model as it was."""

import threading

import numpy as np
import pytest

import nn
from tinygrad_sm import Tensor


class TwoHeads(nn.Module):
    """Shares a weight and a module, freezes a parameter, and leaves a layer out."""

    def __init__(self):
        self.embedding = nn.Embedding(5, 4)
        self.relu = nn.ReLU()
        self.blocks = [nn.Sequential(nn.Linear(4, 4)) for _ in range(2)]
        self.out = nn.Linear(4, 5, bias=False)
        self.out.weight = self.embedding.weight
        self.scale = nn.Parameter([1.0, 2.0], requires_grad=False)
        self.spare = nn.Linear(2, 1)

    def forward(self, indices):
        x = self.embedding(indices)
        for block in self.blocks:
            x = self.relu(block(x))
        return {"scores": self.out(x), "pair": (x, None)}


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1),
        nn.BatchNorm2d(2),
        nn.Dropout(),
        nn.Flatten(),
        nn.Linear(32, 3),
    )


def rows(model, *given):
    layers = nn.summary(model, *given).layers
    return [(layer.name, layer.kind, layer.output_shape, layer.parameters) for layer in layers]


def test_a_row_for_each_call_with_its_shape_and_its_own_parameters():
    assert rows(cnn(), (7, 1, 4, 4)) == [
        ("", "Sequential", (7, 3), 0),
        ("0", "Conv2d", (7, 2, 4, 4), 20),
        ("1", "BatchNorm2d", (7, 2, 4, 4), 4),
        ("2", "Dropout", (7, 2, 4, 4), 0),
        ("3", "Flatten", (7, 32), 0),
        ("4", "Linear", (7, 3), 99),
    ]


def test_the_rows_add_up_to_the_totals():
    model = cnn()
    model[0].requires_grad_(False)
    found = nn.summary(model, (1, 1, 4, 4))
    assert sum(layer.parameters for layer in found.layers) == found.parameters == 123
    assert (found.trainable, found.fixed) == (103, 20)
    assert found.buffers == sum(b.numel() for b in model.buffers())
    arrays = [*model.parameters(), *model.buffers()]
    assert found.bytes == sum(a.numpy().nbytes for a in arrays)


def test_what_is_shared_frozen_called_again_or_not_called_is_said():
    found = nn.summary(TwoHeads(), Tensor([[1, 2, 3]], dtype=int))
    inner = (1, 3, 4)
    assert [
        (layer.name, layer.output_shape, layer.parameters, layer.notes) for layer in found.layers
    ] == [
        ("", {"scores": (1, 3, 5), "pair": (inner, None)}, 2, ("scale is fixed",)),
        ("embedding", inner, 20, ()),
        ("blocks.0", inner, 0, ()),
        ("blocks.0.0", inner, 20, ()),
        ("relu", inner, 0, ()),
        ("blocks.1", inner, 0, ()),
        ("blocks.1.0", inner, 20, ()),
        ("relu", inner, 0, ("call 2",)),
        ("out", (1, 3, 5), 0, ("weight is embedding.weight",)),
        ("spare", None, 3, ("not called",)),
    ]
    assert found.parameters == 65


def test_inputs_are_a_shape_an_array_or_several_of_them():
    class Add(nn.Module):
        def forward(self, a, b):
            assert a.dtype == b.dtype == np.float32
            return a + b

    assert rows(Add(), [(2, 3), (3,)]) == [("", "Add", (2, 3), 0)]
    assert rows(Add(), (Tensor([1.0]), (4, 1))) == [("", "Add", (4, 1), 0)]
    assert nn.summary(Add(), [np.float32([1.0]), [4]]).input_shape == ((1,), (4,))
    double = nn.Linear(2, 1)
    double.weight, double.bias = (
        nn.Parameter(p.numpy().astype(float)) for p in double.parameters()
    )
    double.register_forward_pre_hook(lambda m, x: dtypes.append(x[0].dtype))
    dtypes = []
    nn.summary(double, [2])
    assert dtypes == [np.float64]


def test_the_model_stays_as_it_was():
    class Counter(nn.Module):
        def __init__(self):
            self.calls, self.seen = nn.Buffer(Tensor(0, dtype=int)), []

        def forward(self, x):
            self.calls = self.calls + 1
            self.seen.append(x)
            return x

    model = nn.Sequential(Counter(), *cnn()).train()
    model[3].eval()
    model(Tensor(np.ones((2, 1, 4, 4), "f4"))).sum().backward()
    before = model.state_dict()
    gradients = [p.grad.copy() for p in model.parameters()]
    attributes = [dict(vars(module)) for module in model.modules()]
    nn.summary(model, (2, 1, 4, 4))
    assert [vars(module) for module in model.modules()] == attributes  # modes, hooks, parts
    assert len(model[0].seen) == 1
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        np.testing.assert_array_equal(parameter.grad, gradient)


def test_it_prints_as_a_table():
    text = str(nn.summary(cnn(), (1, 1, 4, 4)))
    lines = text.split("\n")
    assert lines[0] == "Sequential: (1, 1, 4, 4) → (1, 3)"
    assert lines[4].split() == ["0", "Conv2d", "(1,", "2,", "4,", "4)", "20"]
    assert lines[-1] == "123 parameters, 5 numbers in buffers; 516 bytes"
    assert text == repr(nn.summary(cnn(), (1, 1, 4, 4)))
    alone = str(nn.summary(nn.Linear(2, 1, bias=False).requires_grad_(False), (2,)))
    assert "(the model)  Linear  (1,)" in alone
    assert "2 parameters, 0 trainable and 2 fixed; 8 bytes" in alone
    model = nn.Sequential()
    vars(model)["a\nb"] = nn.ReLU()
    assert r"'a\nb'" in str(nn.summary(model, (1,)))


@pytest.mark.parametrize(
    "given", [64, None, "ab", (None, 64), (-1, 64), (1, True), {1: 2}, (1, 2.5)]
)
def test_an_input_that_is_none_names_what_one_is(given):
    with pytest.raises(ValueError, match=r"input_shape is a shape such as \(1, 64\)"):
        nn.summary(nn.Linear(64, 1), given)


def test_a_model_that_is_none():
    with pytest.raises(TypeError, match=r"needs a module, got .*did you mean Linear\(…\)\?"):
        nn.summary(nn.Linear, (1,))
    with pytest.raises(TypeError, match="needs a module, got 3"):
        nn.summary(3, (1,))


def test_the_layer_that_cannot_be_called_is_named():
    with pytest.raises(ValueError, match=r"shape \(1, 1, 5, 5\).* in 4 \(Linear\): .*\(1, 50\)"):
        nn.summary(cnn(), (1, 1, 5, 5))
    with pytest.raises(ValueError, match=r"in embedding \(Embedding\): .*; give a Tensor"):
        nn.summary(TwoHeads(), (1, 3))
    with pytest.raises(ValueError, match=r"Module cannot be called .*write one"):
        nn.summary(nn.Module(), (1,))
    model = nn.ReLU()
    model.lock = threading.Lock()
    with pytest.raises(ValueError, match=r"ReLU cannot be copied: .*lock"):
        nn.summary(model, (1,))
