"""to_dict: the graph as plain data."""

import json

import numpy as np
import pytest
from cases import CASES, DIFFERENTIABLE, tensors
from hypothesis import given
from hypothesis import strategies as st

import nn
from tinygrad_sm import Graph, Tensor, to_dict


def as_json(tensor):
    return json.loads(json.dumps(to_dict(tensor), allow_nan=False))


def test_a_network():
    model = nn.Linear(3, 2)
    loss = nn.CrossEntropyLoss()(
        model(Tensor(np.ones((4, 3)), name="x").float()), np.array([0, 1, 1, 0])
    )
    assert {node["note"] for node in to_dict(loss)["nodes"]} == {
        "needs no gradient", "no gradient yet: call backward()",
    }  # fmt: skip
    loss.backward()
    graph = as_json(loss)
    nodes = {node["name"] or node["op"]: node for node in graph["nodes"]}
    assert graph["result"] == graph["nodes"][-1]["id"] == nodes["cross_entropy"]["id"]
    weight = nodes["weight"]
    assert weight["kind"] == "parameter"
    assert weight["shape"] == [2, 3]
    assert weight["dtype"] == "float32"
    assert weight["value"] == model.weight.data.tolist()
    assert weight["gradient"] == model.weight.grad.tolist()
    assert [m["kind"] for m in weight["modules"]] == ["Linear"]
    assert nodes["linear"]["inputs"][1] == weight["id"]
    assert nodes["linear"]["roles"] == ["x", "weight", "bias"]
    assert nodes["cross_entropy"]["attributes"] == {"reduction": "mean"}
    assert nodes["cross_entropy"]["place"] == 0


def test_large_arrays_are_summarized():
    (node,) = as_json(Tensor(np.arange(65.0)))["nodes"]
    assert node["value"] == {"min": 0.0, "max": 64.0, "mean": 32.0, "not_finite": 0}
    (node,) = as_json(Tensor(np.arange(64.0)))["nodes"]
    assert node["value"] == np.arange(64.0).tolist()
    (node,) = as_json(Tensor(np.full(65, np.nan)))["nodes"]
    assert node["value"] == {"min": None, "max": None, "mean": None, "not_finite": 65}
    (node,) = as_json(Tensor(np.full(65, 1.7e308)))["nodes"]
    assert node["value"]["mean"] == "Infinity"


def test_numbers_that_json_does_not_have():
    (node,) = as_json(Tensor([np.nan, np.inf, -np.inf, 1.0]))["nodes"]
    assert node["value"] == ["NaN", "Infinity", "-Infinity", 1.0]


def test_settings_of_every_kind():
    x = Tensor(np.ones((4, 4)), requires_grad=True)
    for y, expected in [
        (x[1:3, None, ..., 0], [{"start": 1, "stop": 3, "step": None}, None, "ellipsis", 0]),
        (x[np.array([0, 1])], [0, 1]),
    ]:
        assert as_json(y)["nodes"][-1]["attributes"]["key"] == expected
    assert as_json(x.astype(np.float32))["nodes"][-1]["attributes"] == {"dtype": "float32"}


@pytest.mark.parametrize(
    "name", ['"', "<b>", "</script>", "\\", "two\nlines", "😀", "\ud800", "\0"]
)
def test_names_are_kept(name):
    (node,) = as_json(Tensor(1.0, requires_grad=True, name=name))["nodes"]
    assert node["name"] == name


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@given(data=st.data())
def test_every_operation_can_be_written_as_json(name, data):
    inputs, attributes = data.draw(CASES[name].inputs)
    y = CASES[name].call(*tensors(inputs), **attributes)
    nodes = Graph(y).nodes
    written = as_json(y)["nodes"]
    assert [n["id"] for n in written] == [n.id for n in nodes]
    assert [n["inputs"] for n in written] == [list(n.inputs) for n in nodes]


def test_a_model_is_no_tensor():
    with pytest.raises(TypeError, match="result of calling it"):
        to_dict(nn.Linear(1, 1))
