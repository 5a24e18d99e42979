"""`to_dict`: the computation graph as plain data, which `json` can write."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_sm.graph import Array, Graph, Module, Node
from tinygrad_sm.tensor import Tensor

WHOLE = 64  # numbers; a larger array is summarized


def to_dict(tensor: Tensor) -> dict[str, Any]:
    """The graph a tensor was computed from, as dicts, lists, texts and numbers: for a viewer or a
    test of one's own, `json.dumps(to_dict(loss))`.

    Its keys are "result", the id of the tensor's own node, and "nodes", oldest first. A node has

    * "id", "kind" (parameter, input, constant, operation or loss), "op" (None for a leaf),
      "attributes" (the operation's settings), "name" (such as "fc1.weight", or None);
    * "modules": the module calls around it, outermost first, each with "id", "name", "kind" and
      "call" (1 for the first call of that module);
    * "inputs" (ids, in order, repeats kept), "roles" (what the operation calls each of them) and
      "rules" (the derivative with respect to each, in words);
    * "shape", "dtype", "value", "gradient" (None if there is none, and "note" says why) and
      "place" (its turn in the backward pass, from 0; None if it needs no gradient).

    A value or gradient of up to 64 numbers is a number or nested lists; of a larger one there are
    "min", "max", "mean" (of the finite numbers) and "not_finite" (how many are not). NaN and
    infinity, which JSON does not have, are the texts "NaN", "Infinity" and "-Infinity".

    >>> x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> graph = to_dict((x * x).sum())
    >>> [node["op"] or node["name"] for node in graph["nodes"]]
    ['x', 'multiply', 'sum']
    >>> graph["nodes"][1]["inputs"], graph["nodes"][1]["value"]
    (['n0', 'n0'], [1.0, 4.0])
    """
    nodes = Graph(tensor).nodes
    return {"result": nodes[-1].id, "nodes": [_node(node) for node in nodes]}


def _node(node: Node) -> dict[str, Any]:
    return {
        "id": node.id,
        "kind": node.kind,
        "op": node.op,
        "attributes": {key: _plain(value) for key, value in node.attributes.items()},
        "name": None if node.name is None else str(node.name),
        "modules": [_module(module) for module in node.modules],
        "inputs": list(node.inputs),
        "roles": list(node.roles),
        "rules": list(node.rules),
        "shape": list(node.shape),
        "dtype": str(node.value.dtype),
        "value": _array(node.value),
        "gradient": None if node.gradient is None else _array(node.gradient),
        "note": node.note,
        "place": node.place,
    }


def _module(module: Module) -> dict[str, Any]:
    return {"id": module.id, "name": module.name, "kind": module.kind, "call": module.call}


def _array(array: Array) -> Any:
    """All of a small array, what a large one looks like."""
    if array.size <= WHOLE:
        return _plain(array.tolist())
    finite = array[np.isfinite(array)]
    summary = {"not_finite": array.size - finite.size}
    if not finite.size:
        return {"min": None, "max": None, "mean": None} | summary
    with np.errstate(all="ignore"):
        numbers = {"min": finite.min(), "max": finite.max(), "mean": finite.mean(dtype=float)}
    return {key: _plain(value.item()) for key, value in numbers.items()} | summary


def _plain(value: Any) -> Any:
    """A value in JSON's own types; a text where there is none for it."""
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, slice):
        return {
            "start": _plain(value.start),
            "stop": _plain(value.stop),
            "step": _plain(value.step),
        }
    if isinstance(value, bool | int | float | str | type(None)):
        return value
    # Anything else might print where it lies in memory, which differs from run to run.
    return str(value) if isinstance(value, np.dtype) else type(value).__name__
