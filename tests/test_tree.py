"""The text tree: its branches, names, columns and folding, and names from outside."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nn
import tinygrad_sm
from tinygrad_sm import Tensor, summary
from tinygrad_sm.viz.tree import WIDTH


def lines(tensor, **options):
    """The lines of the tree without the notes and the heads of the columns above."""
    return [line for line in summary(tensor, **options).split("\n") if line.lstrip("│ ")[0] in "├└"]


def texts(tensor, **options):
    """The lines without their columns."""
    return [line.split("  (")[0].rstrip() for line in lines(tensor, **options)]


def head(tensor, **options):
    return summary(tensor, **options).split("\n")[0]


def mlp():
    tinygrad_sm.manual_seed(0)
    model = nn.Sequential(
        {"hidden": nn.Linear(3, 2), "relu": nn.ReLU(), "scores": nn.Linear(2, 2, bias=False)}
    )
    x, y = Tensor(np.eye(3, dtype="f4")[:2], name="x"), Tensor([0, 1], dtype=int, name="labels")
    return model, nn.CrossEntropyLoss()(model(x), y)


def chain(n):
    y = Tensor(1.0, requires_grad=True, name="x")
    for _ in range(n):
        y = y + 1.0
    return y


def test_modules_are_branches_and_what_is_used_stands_before_them():
    _, loss = mlp()
    assert texts(loss) == [
        "├─ input x",
        "├─ Sequential",
        "│  ├─ hidden: Linear",
        "│  │  ├─ parameter weight",
        "│  │  ├─ parameter bias",
        "│  │  └─ v1 = x @ weightᵀ + bias",
        "│  ├─ relu: ReLU",
        "│  │  └─ v2 = relu(v1)",
        "│  └─ scores: Linear",
        "│     ├─ parameter weight",
        "│     └─ v3 = v2 @ weightᵀ",
        "├─ input labels",
        "└─ CrossEntropyLoss",
        "   └─ loss = cross_entropy(v3, labels)",
    ]
    assert head(loss) == "loss: 4 operations on 3 parameters (12 numbers) and 2 inputs"


def test_a_node_used_twice_stands_there_once():
    x = Tensor(3.0, requires_grad=True, name="x")
    y = x * x
    assert texts(y * y + x) == [
        "├─ parameter x",
        "├─ v1 = x × x",
        "├─ v2 = v1 × v1",
        "└─ loss = v2 + x",
    ]


def test_a_shared_weight_stands_in_the_innermost_module_of_all_its_uses():
    class Tied(nn.Module):
        def __init__(self):
            self.a, self.b = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(self.a(x))

    found = texts(Tied()(Tensor([[1.0, 2.0]], name="x")))
    assert found[1:3] == ["└─ Tied", "   ├─ parameter a.weight"]
    assert sum("parameter" in line for line in found) == 1
    assert sum("a.weight" in line for line in found) == 3


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (2.5, "2.5"),
        ([1.0, -2.0], "−2 … 1"),
        ([7.0, 7.0], "all 7"),
        (np.array([True, False, True]), "2 of 3 true"),
        ([np.nan, 1.0, np.inf], "2 not finite"),
        (np.zeros((0, 3)), "empty"),
        (np.array([3, 5]), "3 … 5"),
    ],
)
def test_values_are_a_number_or_the_range_of_several(value, shown):
    (line,) = lines(Tensor(value, name="x"))
    assert line.endswith("  " + shown)


def test_the_state_of_the_gradients_is_told():
    model, loss = mlp()
    waiting = "no gradient yet: call backward()"
    assert summary(loss).count(waiting) == 1
    loss.backward()
    assert waiting not in summary(loss)
    assert lines(loss)[-1].endswith("  1")
    assert lines(loss)[0].endswith("not needed")

    model.hidden.zero_grad()
    assert lines(loss)[3].endswith("gradient cleared since")
    model.scores.weight.data = model.scores.weight.data + 1
    assert lines(loss)[5].endswith("gradient unknown")

    with tinygrad_sm.no_grad():
        assert "nothing needs a gradient\n" in summary(model(Tensor([[1.0, 2.0, 3.0]])))


def test_only_other_numbers_than_floating_ones_have_their_dtype():
    _, loss = mlp()
    assert "(2,) int64" in summary(loss)
    assert "float" not in summary(loss)


def test_a_long_chain_is_folded_and_short():
    text = summary(chain(2000))
    assert "2,001 nodes folded into 4; summary(tensor, max_nodes=None) shows every one" in text
    assert texts(chain(2000))[2].startswith("├─ v1999 = add × 1,998 of v1")
    assert len(lines(chain(200), max_nodes=None)) == 201


def test_of_repeated_blocks_the_last_is_shown():
    layers = [m for _ in range(30) for m in (nn.Linear(2, 2), nn.Tanh())]
    y = nn.Sequential(*layers, nn.Linear(2, 1))(Tensor([[1.0, 2.0]], name="x"))
    assert texts(y)[8:14] == [
        "   ├─ × 29 blocks, the last:",
        "   │  ├─ 58: Linear",
        "   │  │  ├─ parameter weight",
        "   │  │  ├─ parameter bias",
        "   │  │  └─ v59 = v58 @ weightᵀ + bias",
        "   │  └─ 59: Tanh",
    ]


def test_modules_fold_and_what_is_older_is_counted():
    _, loss = mlp()
    assert texts(loss, max_nodes=7)[2] == "│  ├─ v1 = hidden: Linear of x"
    assert "1 operation, 2 parameters" in summary(loss, max_nodes=7)
    assert texts(loss, max_nodes=2)[0] == "├─ 7 older nodes"


def test_a_leaf_is_a_graph_too():
    assert texts(Tensor(2.0)) == ["└─ constant 2"]
    assert head(Tensor([1.0], name="x")) == "x: 1 input"
    assert head(Tensor([1.0], requires_grad=True)) == "parameter 1: 1 parameter (1 number)"


def test_deep_modules_do_not_push_the_text_out():
    model = nn.Linear(1, 1)
    for _ in range(30):
        model = nn.Sequential(model)
    text = summary(model(Tensor([[1.0]])))
    assert max(map(len, text.split("\n"))) <= WIDTH
    assert "weightᵀ" in text


def test_it_shows_itself():
    text = summary(Tensor(2.0))
    assert isinstance(text, str)
    assert repr(text) == str(text) == "".join(text)


@given(st.text(), st.text())
def test_names_from_outside_stay_on_their_line(name, other):
    x = Tensor([1.0], requires_grad=True, name=name)
    model = nn.Sequential()
    vars(model)[other] = nn.ReLU()
    text = summary(model(x).sum())
    assert len(text.splitlines()) == 8
    assert all(line.isprintable() and len(line) <= WIDTH for line in text.split("\n"))


def test_wrong_input():
    with pytest.raises(TypeError, match="of a Tensor, got Linear"):
        summary(nn.Linear(1, 1))
    with pytest.raises(ValueError, match="max_nodes is at least 1, or None for no folding, got 0"):
        summary(Tensor(1.0), max_nodes=0)
