"""What the page of `explain` tells: the steps through a graph, as plain data with the real numbers.

A step is a dict: phase, node (its id), title, formula, blocks (what stands below each other),
edges (the places of those it goes along), values and grads (what is known from this step on).
A block is a text, a formula, or a row of arrays with signs between them.
"""

from __future__ import annotations

import ast
import base64
import json
import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

import tinygrad_sm
from tinygrad_sm import ops
from tinygrad_sm.graph import Contribution, Graph, Node, Turn
from tinygrad_sm.tensor import Tensor
from tinygrad_sm.viz.draw import SYMBOLS, _setting, _title
from tinygrad_sm.viz.fold import is_inlined
from tinygrad_sm.viz.text import clean, number

Array = npt.NDArray[Any]
Block = dict[str, Any]
Step = dict[str, Any]

TABLE = (10, 10, 80)  # up to so many rows, columns and elements an array is shown as numbers
LABELS = (8, 16)  # class labels are shown as numbers for longer, in rows
CORNER = (5, 5)  # of a larger one
HEAT = 64  # rows and columns of a heat map, at most
BINS = 24

# How an operation is written, where that is not name(inputs).
FORMULAS = {
    "negative": "−{0}",
    "abs": "|{0}|",
    "square": "{0}²",
    "exp": "exp({0})",
    "log": "ln({0})",
    "sqrt": "√({0})",
    "reciprocal": "1 / {0}",
    "sigmoid": "σ({0})",
    "matmul": "{0} @ {1}",
}
# What an operation does, where the first line of a method's docstring says more than is needed.
SAYS = {
    "add": "The two are added.",
    "subtract": "The second is taken from the first.",
    "multiply": "The two are multiplied.",
    "divide": "The first is divided by the second.",
    "power": "The base, multiplied by itself as often as the exponent says.",
    "linear": "Each row x of the input gets a score x Wᵀ + b from each row of the weight: the "
    "products of its elements with that row's, added up, and the bias added.",
    "mean": "The average of all elements: they are added up and divided by how many there are.",
    "sum": "All elements are added up.",
    "getitem": "Some of the elements are picked.",
}


# ---- arrays ------------------------------------------------------------------------------------


class Arrays:
    """The arrays of a page. One that is shown several times is kept once."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self._places: dict[str, int] = {}

    def add(self, array: Any) -> int:
        """Keep an array; return its place."""
        record = describe(np.asarray(array))
        key = json.dumps(record)
        if key not in self._places:
            self._places[key] = len(self.records)
            self.records.append(record)
        return self._places[key]


def describe(array: Array) -> dict[str, Any]:
    """An array as a page shows it: all of a small one, what a large one looks like."""
    record: dict[str, Any] = {"shape": list(array.shape), "dtype": str(array.dtype)}
    if array.ndim == 1 and array.dtype.kind in "iu" and array.size <= LABELS[0] * LABELS[1]:
        starts = range(0, array.size, LABELS[1])
        rows = [array[None, i : i + LABELS[1]] for i in starts]
        return record | {"numbers": [text for row in rows for text in _written(row, 4)]}
    rows = _as_rows(array)
    if array.size <= 1 or (array.ndim <= 2 and _is_small(rows)):
        digits = 6 if array.size == 1 else 4 if rows.shape[1] <= 7 else 3
        return record | {"numbers": _written(rows, digits)}
    record |= _summary(array)
    record["corner"] = _written(rows[: CORNER[0], : CORNER[1]], 4)
    return record | ({"heat": _heat_map(rows)} if array.dtype.kind in "fiub" else {})


def _as_rows(array: Array) -> Array:
    """As a matrix: all axes but the last are laid below each other."""
    return array.reshape(1, -1) if array.ndim < 2 else array.reshape(-1, array.shape[-1])


def _is_small(rows: Array) -> bool:
    return all(n <= limit for n, limit in zip((*rows.shape, rows.size), TABLE, strict=True))


def _written(rows: Array, digits: int) -> list[str]:
    """Each row as numbers with spaces between; they are written here, and only set there."""
    return [" ".join(_number(v, digits) for v in row) for row in rows.tolist()]


def _number(value: Any, digits: int) -> str:
    """
    >>> _number(0.1 + 0.2, 6), _number(float("nan"), 6), _number(-2.0, 4)
    ('0.3', 'NaN', '−2')
    """
    if isinstance(value, bool | int):
        return str(value).replace("-", "−")
    if not math.isfinite(value):
        return "NaN" if value != value else "∞" if value > 0 else "−∞"
    return f"{value + 0.0:.{digits}g}".replace("-", "−")


def _summary(array: Array) -> dict[str, Any]:
    finite = array[np.isfinite(array)].astype(float)
    broken = {"broken": array.size - finite.size} if finite.size < array.size else {}
    if not finite.size:
        return broken
    low, high = finite.min(), finite.max()
    largest = max(abs(low), abs(high))
    with np.errstate(all="ignore"):
        mean = finite.mean().item()
    if 0 < largest < math.inf and math.isfinite(mean):
        # No more digits than the others have: below them is rounding.
        mean = round(mean, 3 - math.floor(math.log10(largest)))
    bins: dict[str, Any] = {}
    if np.isfinite(high - low) and low < high:
        bins = {"bins": np.histogram(finite, BINS)[0].tolist()}
    return {
        "min": _number(low.item(), 4),
        "max": _number(high.item(), 4),
        "mean": _number(mean, 4),
    } | (bins | broken)


def _heat_map(rows: Array) -> dict[str, Any]:
    """Colours as bytes: 1 … 255 for −largest … largest, 0 for what is not finite. A cell of a
    large array is the mean of a block."""
    height, width = (-(-n // HEAT) for n in rows.shape)
    rows = rows.astype(float)
    with np.errstate(all="ignore"):
        for axis, block in enumerate((height, width)):
            starts = np.arange(0, rows.shape[axis], block)
            lengths = np.diff([*starts, rows.shape[axis]])
            means = np.add.reduceat(rows, starts, axis)
            rows = means / (lengths[:, None] if axis == 0 else lengths)
        finite = np.isfinite(rows)
        largest = np.abs(rows[finite]).max(initial=0.0)
        scaled = np.where(finite, rows, 0) / (largest or 1.0)
    cells = np.where(finite, np.rint(scaled * 127) + 128, 0).astype(np.uint8)
    return {
        "rows": rows.shape[0],
        "columns": rows.shape[1],
        "block": [height, width],
        "largest": _number(largest.item(), 3),
        "cells": base64.b64encode(cells.tobytes()).decode(),
    }


# ---- names -------------------------------------------------------------------------------------


def labels(nodes: list[Node]) -> dict[str, str]:
    """What each node is called: by its name, or v1, v2, … in the order of the computation."""
    names = {clean(str(node.name), 24) for node in nodes if node.name}
    letter = next(
        c
        for c in ("v", "u", "node ")
        if c == "node " or not any(f"{c}{i}" in names for i in range(999))
    )
    found, counts = {}, {"input": 0, "parameter": 0, "operation": 0}
    for node in nodes:
        kind = "operation" if node.op else node.kind
        if node.name:
            found[node.id] = clean(str(node.name), 24)
        elif is_inlined(node):
            found[node.id] = number(node.value.item())
        elif node.kind == "loss":
            found[node.id] = "loss" if "loss" not in names else "the loss"
        else:
            counts[kind] += 1
            found[node.id] = f"{letter if node.op else kind + ' '}{counts[kind]}"
    return found


def expression(node: Node, names: dict[str, str]) -> str:
    """The operation as one would write it, such as w × x."""
    inputs = [names[i] for i in node.inputs]
    if node.op == "power" and inputs[1] in ("2", "3"):
        return inputs[0] + {"2": "²", "3": "³"}[inputs[1]]
    if node.op in SYMBOLS and len(inputs) == 2:
        return f"{inputs[0]} {SYMBOLS[node.op]} {inputs[1]}"
    if node.op == "linear":
        return f"{inputs[0]} · {inputs[1]}ᵀ" + "".join(f" + {bias}" for bias in inputs[2:])
    if node.op == "getitem":
        key = node.attributes["key"]
        return f"{inputs[0]}[{', '.join(map(_setting, key if isinstance(key, tuple) else (key,)))}]"
    settings = [
        f"{key}={_setting(value)}"
        for key, value in node.attributes.items()
        if value is not None and value is not False
    ]
    if node.op in FORMULAS and not settings:
        return FORMULAS[node.op].format(*inputs)
    return f"{clean(str(node.op), 30)}({', '.join(inputs + settings)})"


def shape(array: Array) -> str:
    return " × ".join(map(str, array.shape)) if array.ndim else "a single number"


def _is_formula(rule: str) -> bool:
    """Whether a rule is an expression, not a sentence."""
    try:
        ast.parse(rule, mode="eval")
    except SyntaxError:
        return False
    return bool(rule)


def _mathematics(rule: str) -> str:
    """A rule in Python as mathematics.

    >>> _mathematics("g * (1 - y * y)")
    'g · (1 − y · y)'
    """
    if not _is_formula(rule):
        rule = re.sub("^The ", "the ", rule.split(": ")[0])
    rule = rule.rstrip(".").replace(" ** ", "^").replace(" * ", " · ").replace("-", "−")
    return re.sub(r"\bmath\.", "", rule)


def _derivative(rule: str) -> str:
    """What g is multiplied by.

    >>> _derivative("g * (1 - y * y)"), _derivative("-g"), _derivative("g / (2 * y)")
    ('1 − y · y', '−1', '1 / (2 · y)')
    >>> _derivative("b aᵇ⁻¹ g, which is 0 for b = 0 whatever a is")
    'b aᵇ⁻¹'
    """
    if not _is_formula(rule):
        rule = re.sub(r" g$", "", rule.split(",")[0])
    text = re.sub(r"\bg\b", "1", _mathematics(rule))
    text = re.sub(r"^(−?)1 · ", r"\1", text)
    inner = re.fullmatch(r"\(([^()]*)\)", text)
    return inner[1] if inner else text


# ---- the steps ---------------------------------------------------------------------------------


class Story:
    """All steps through a graph, forward, back, and the update."""

    def __init__(self, graph: Graph, lr: float | None = None) -> None:
        self.nodes = {node.id: node for node in graph.nodes}
        self.names = labels(graph.nodes)
        self.arrays = Arrays()
        self.root = graph.nodes[-1]
        self.edges: list[tuple[str, str]] = []
        self._edge_of: dict[tuple[str, int], int] = {}
        for node in graph.nodes:
            for place, source in enumerate(node.inputs):
                if not is_inlined(self.nodes[source]):
                    self._edge_of[node.id, place] = len(self.edges)
                    self.edges.append((source, node.id))
        turns = graph.backward_turns()
        self.gradients: dict[str, Array] = {}
        for turn in turns:
            self.gradients[turn.id] = turn.upstream
            for c in turn.contributions:
                self.gradients[self.nodes[turn.id].inputs[c.place]] = c.total
        self.steps = [
            *self._start(),
            *(step for node in graph.nodes if node.op for step in self._forward(node)),
            *self._seed(turns),
            *(step for turn in turns for step in self._backward(turn)),
            *self._result(),
            *self._update(lr),
        ]

    # ---- blocks

    def _array(self, array: Any, label: str, role: str = "value") -> Block:
        return {"array": self.arrays.add(array), "label": label, "role": role}

    def _row(self, *items: Block | str) -> Block:
        """Arrays with signs between them."""
        return {"row": [{"sign": item} if isinstance(item, str) else item for item in items]}

    def _of(self, id_: str) -> Block:
        return self._array(self.nodes[id_].value, self.names[id_])

    def _grad_label(self, id_: str) -> str:
        return f"∂{self.names[self.root.id]}/∂{self.names[id_]}"

    def _step(self, phase: str, node: Node | None, title: str, *blocks: Block, **more: Any) -> Step:
        where = " › ".join(clean(_title(m), 40) for m in node.modules) if node else ""
        step = {"phase": phase, "node": node.id if node else None, "title": title}
        if where:
            step["where"] = where
        return step | {"blocks": list(blocks)} | more

    # ---- forward

    def _leaves(self) -> list[Node]:
        return [n for n in self.nodes.values() if n.op is None and not is_inlined(n)]

    def _start(self) -> Iterator[Step]:
        blocks: list[Block] = [
            {"say": "The numbers the computation starts from. Data is given; parameters are what "
                    "is learned, and each will get a gradient."}
        ]  # fmt: skip
        for kind, heading in (("input", "Data"), ("parameter", "Parameters")):
            leaves = [node for node in self._leaves() if node.kind == kind]
            if leaves:
                blocks += [{"head": heading}, self._row(*(self._of(n.id) for n in leaves))]
        yield self._step("start", None, "What is given", *blocks, values=[n.id for n in self._leaves()])  # fmt: skip

    def _forward(self, node: Node) -> Iterator[Step]:
        name = self.names[node.id]
        formula = f"{name} = {expression(node, self.names)}"
        edges = [e for (user, _), e in self._edge_of.items() if user == node.id]
        blocks = [{"say": self._says(node)}, *self._stretched(node), self._computation(node)]
        parts = list(_unfolded(node, self.nodes))
        common = {"formula": formula, "edges": edges}
        title = f"Compute {name}"
        if not parts:
            yield self._step("forward", node, title, *blocks, **common, values=[node.id])
            return
        for i, (what, text, row) in enumerate(parts, 1):
            items = [x if isinstance(x, str) else self._array(*x) for x in row]
            last = i == len(parts)
            yield self._step(
                "forward", node, title, {"head": what}, {"say": text}, self._row(*items),
                **common, part=f"part {i} of {len(parts)}", values=[node.id] if last else [],
            )  # fmt: skip

    def _says(self, node: Node) -> str:
        if node.op in SAYS and not (
            node.op in ("sum", "mean") and node.attributes.get("axis") is not None
        ):
            each = node.op in SYMBOLS and node.value.ndim > 0
            return SAYS[node.op].removesuffix(".") + (", element by element." if each else ".")
        method = getattr(Tensor, str(node.op), None) or getattr(tinygrad_sm, str(node.op), None)
        text = (getattr(method, "__doc__", None) or "").strip().split("\n")[0]
        return re.split(r" (?:No d|D)erivatives?\b", text)[0]

    def _stretched(self, node: Node) -> list[Block]:
        """Which inputs are broadcast, in words."""
        op = ops.op.TABLE.get(str(node.op))
        if op is None or not op.broadcasts:
            return []
        found = []
        for i in dict.fromkeys(node.inputs):
            x = self.nodes[i]
            if x.shape != node.shape and not is_inlined(x):
                found.append(
                    {"say": f"{self.names[i]} is {_shape_words(x.value)}, the result {shape(node.value)}: "
                            f"it is stretched (broadcast), the same numbers used again {_along(x, node)}."}
                )  # fmt: skip
        return found

    def _computation(self, node: Node) -> Block:
        inputs = [self._of(i) for i in node.inputs]
        result = ["=", self._array(node.value, self.names[node.id], "result")]
        if node.op in SYMBOLS and len(inputs) == 2:
            return self._row(inputs[0], SYMBOLS[node.op], inputs[1], *result)
        if node.op == "linear":
            x, weight, *bias = inputs
            weight = self._array(self.nodes[node.inputs[1]].value.T, f"{weight['label']}ᵀ")
            return self._row(x, "·", weight, *(item for b in bias for item in ("+", b)), *result)
        if node.op == "matmul":
            return self._row(inputs[0], "@", inputs[1], *result)
        signs = [sign for x in inputs for sign in (x, ",")][:-1]
        return self._row(f"{_function(node)}(", *signs, ")", *result)

    # ---- backward

    def _seed(self, turns: list[Turn]) -> Iterator[Step]:
        if not turns:
            return
        name = self.names[self.root.id]
        g = turns[0].upstream
        say = (
            f"Now backward: how much does {name} change when a number behind it changes a little? "
            f"It starts at {name} itself, which changes just as much as itself: 1."
            if g.size == 1 and g.item() == 1
            else f"Now backward. It starts at {name} with the gradient that backward() was given."
        )
        yield self._step(
            "backward", self.root, f"Start at {name}", {"say": say},
            self._row(self._array(g, self._grad_label(self.root.id), "grad")),
            formula=f"{self._grad_label(self.root.id)} = 1" if g.size == 1 and g.item() == 1 else "",
            grads=[self.root.id],
        )  # fmt: skip

    def _backward(self, turn: Turn) -> Iterator[Step]:
        node = self.nodes[turn.id]
        count = len(turn.contributions)
        for i, c in enumerate(turn.contributions, 1):
            source = node.inputs[c.place]
            blocks = [
                *self._product(node, turn.upstream, c),
                *self._summed(node, c),
                *self._joined(source, c),
                *self._left_over(source, c),
            ]
            twice = node.inputs.count(source) > 1
            which = f", its {_ordinal(c.place + 1)} input" if twice else ""
            edge = self._edge_of.get((node.id, c.place))
            more: dict[str, Any] = {"part": f"input {i} of {count}"} if count > 1 else {}
            yield self._step(
                "backward", node, f"From {self.names[node.id]} back to {self.names[source]}{which}",
                *blocks, formula=self._rule(node, c.place),
                edges=[] if edge is None else [edge], grads=[source], target=source, **more,
            )  # fmt: skip

    def _spelled(self, node: Node, place: int) -> tuple[str, str, dict[str, str]]:
        """A derivative rule, what g is multiplied by in it, and what its letters stand for. In a formula, short names take the
        places of the letters."""
        rule = node.rules[place] if place < len(node.rules) else ""
        known = {"y": self.names[node.id]}
        known |= {r: self.names[i] for r, i in zip(node.roles, node.inputs, strict=False)}
        known = {a: b for a, b in known.items() if re.search(rf"\b{re.escape(a)}\b", rule)}
        texts = _mathematics(rule), clean(_derivative(rule), 40)
        if _is_formula(rule):
            short = {a: b for a, b in known.items() if re.fullmatch(r"[\w.]{1,12}", b)}
            rule, derivative = (
                re.sub(r"\b[^\W\d]\w*", lambda m: short.get(m[0], m[0]), text) for text in texts
            )
            known = {a: b for a, b in known.items() if a not in short}
        else:
            rule, derivative = texts
        return rule, derivative, {a: b for a, b in known.items() if a != b}

    def _rule(self, node: Node, place: int) -> str:
        rule, _, _ = self._spelled(node, place)
        name = self.names[node.inputs[place]]
        return f"gradient for {name} = {rule}" if rule else ""

    def _product(self, node: Node, g: Array, c: Contribution) -> list[Block]:
        source = node.inputs[c.place]
        name, result = self.names[source], self.names[node.id]
        rule, derivative, letters = self._spelled(node, c.place)
        upstream = self._array(g, f"g = {self._grad_label(node.id)}", "grad")
        gained = "=", self._array(c.product, f"gradient for {name}", "result")
        note = {"note": "; ".join(f"{a} is {b}" for a, b in letters.items())}
        if c.local is not None:
            local = self._array(
                c.local, f"∂{result}/∂{name}" + (f" = {derivative}" if derivative else ""), "local"
            )
            return [
                {"say": f"{_g_words(g)} arrived at {result}. When {name} changes a little, {result} changes "
                        + (f"{_times(c.local.item())} as much. Multiply the two."
                           if c.local.ndim == 0 else
                           f"∂{result}/∂{name} times as much. Multiply the two, element by element.")},
                self._row(upstream, "×", local, *gained), note,
            ]  # fmt: skip
        if node.op == "cross_entropy":
            return self._cross_entropy(node, g, c)
        say = {"say": f"{_g_words(g)} arrived at {result}."}
        row = [upstream, "→", *gained[1:]]
        values = [self.nodes[i].value for i in node.inputs]
        if node.op == "linear":
            x, weight = node.inputs[:2]
            if c.place == 0:
                say["say"] += f" Each score grew with {name} by a row of the weight: g · W."
                row = [upstream, "·", self._of(weight), *gained]
            elif c.place == 1:
                say["say"] += " Each weight was multiplied by an input, so its gradient is g times that input, added up over all rows: gᵀ · x."  # fmt: skip
                row = [self._array(_as_rows(g).T, "gᵀ", "grad"), "·", self._array(_as_rows(values[0]), self.names[x]), *gained]  # fmt: skip
            else:
                say["say"] += " The bias was added to every row, so its gradient is the sum of the rows of g."  # fmt: skip
                row = ["Σ rows of", upstream, *gained]
        elif node.op == "matmul" and all(v.ndim == 2 for v in values):
            a, b = node.inputs
            if c.place == 0:
                row = [upstream, "@", self._array(values[1].T, f"{self.names[b]}ᵀ"), *gained]
            else:
                row = [self._array(values[0].T, f"{self.names[a]}ᵀ"), "@", upstream, *gained]
        elif node.op in ("sum", "mean"):
            n = values[0].size // max(g.size, 1)
            say["say"] += " Every element was added with the same weight, so each gets the same gradient"  # fmt: skip
            say["say"] += (
                f": g / {n}, for the mean divides by {n}." if node.op == "mean" else ": g."
            )
        return [say, self._row(*row), note]

    def _cross_entropy(self, node: Node, g: Array, c: Contribution) -> list[Block]:
        z, labels = (self.nodes[i].value for i in node.inputs)
        rows = ops.as_rows(z)
        n, classes = rows.shape
        p = ops.softmax(rows)
        onehot = ops.one_hot(labels.ravel(), classes=classes, dtype=rows.dtype)
        mean = node.attributes.get("reduction", "mean") == "mean"
        name = self.names[node.inputs[c.place]]
        difference = self._array(p - onehot, "p − onehot", "local")
        share = ["÷", self._array(np.array(n), "N, the rows")] if mean else []
        times = [] if g.size == 1 and g.item() == 1 else ["×", self._array(g, "g", "grad")]
        return [
            {"say": "Softmax and −ln together have a strikingly simple derivative: the probabilities, "
                    "minus 1 at the true class. Where p is too small the score is pushed up, where it is "
                    "too large, down."},
            self._row(self._array(p, "p"), "−", self._array(onehot, "onehot: 1 at the true class"), "=", difference),
            {"say": f"The loss is the mean over {n} rows, so each row counts 1/{n}." if mean else ""},
            self._row(difference, *share, *times, "=", self._array(c.product, f"for {name}", "result")),
        ]  # fmt: skip

    def _summed(self, node: Node, c: Contribution) -> list[Block]:
        if c.product.shape == c.gradient.shape:
            return []
        source = self.nodes[node.inputs[c.place]]
        name = self.names[source.id]
        return [
            {"head": "Broadcast: sum it back"},
            {"say": f"{name} was stretched from {_shape_words(source.value)} to {shape(c.product)}: one "
                    f"number was used in several places, so its gradient is the sum over them {_along(source, node)}."},
            self._row("Σ", self._array(c.product, f"for {name}, stretched"), "=",
                      self._array(c.gradient, f"for {name}", "result")),
        ]  # fmt: skip

    def _joined(self, source: str, c: Contribution) -> list[Block]:
        if c.earlier is None:
            return []
        name = self.names[source]
        return [
            {"head": "Paths meet: add"},
            {"say": f"{name} was used more than once. Another path has brought it a gradient "
                    "already; a change goes along all paths, so their gradients add up."},
            self._row(self._array(c.earlier, "so far", "grad"), "+", self._array(c.gradient, "this path", "grad"),
                      "=", self._array(c.total, self._grad_label(source), "result")),
        ]  # fmt: skip

    def _left_over(self, source: str, c: Contribution) -> list[Block]:
        """Why the leaf's grad is something else than this backward pass gave, if it is."""
        node = self.nodes[source]
        if node.op or node.gradient is None or c.total is not self.gradients[source]:
            return []
        if np.array_equal(node.gradient, c.total, equal_nan=True):
            return []
        return [
            {"note": f"{self.names[source]}.grad holds other numbers: it adds up over several calls of "
                     "backward() until zero_grad(), and hooks may change it."}
        ]  # fmt: skip

    # ---- the end

    def _learned(self) -> list[Node]:
        return [n for n in self._leaves() if n.id in self.gradients]

    def _result(self) -> Iterator[Step]:
        if not self._learned():
            return
        blocks: list[Block] = [
            {"say": "This is what backward() leaves in .grad. A positive number: the loss grows with "
                    "the parameter. A negative one: the loss falls as the parameter grows."}
        ]  # fmt: skip
        for node in self._learned():
            gradient = self._array(self.gradients[node.id], self._grad_label(node.id), "grad")
            blocks.append(self._row(self._of(node.id), gradient))
        yield self._step("result", None, "All gradients", *blocks)

    def _update(self, lr: float | None) -> Iterator[Step]:
        for node in self._learned() if lr is not None else ():
            gradient = self.gradients[node.id] if node.gradient is None else node.gradient
            name = self.names[node.id]
            with np.errstate(all="ignore"):
                after = node.value - node.value.dtype.type(lr) * gradient
            yield self._step(
                "update", node, f"Update {name}",
                {"say": f"A small step against the gradient makes the loss smaller. The learning rate "
                        f"is {number(lr)}."},
                self._row(self._of(node.id), "−", self._array(np.array(lr), "learning rate"), "×",
                          self._array(gradient, self._grad_label(node.id), "grad"), "=",
                          self._array(after, f"new {name}", "result")),
                formula=f"{name} ← {name} − {number(lr)} · {self._grad_label(node.id)}",
            )  # fmt: skip


def _function(node: Node) -> str:
    return {"log": "ln", "sigmoid": "σ", "sqrt": "√", "square": "square"}.get(
        str(node.op), clean(str(node.op), 30)
    )


def _times(rate: float) -> str:
    return "just" if rate == 1 else f"{_number(rate, 6)} times"


def _ordinal(n: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(n, f"{n}th")


def _g_words(g: Array) -> str:
    return (
        f"The gradient {_number(g.item(), 6)}" if g.ndim == 0 else f"A gradient of shape {shape(g)}"
    )


def _shape_words(array: Array) -> str:
    return shape(array) if array.ndim != 1 else f"{len(array)} number{'s' * (len(array) != 1)}"


def _along(x: Node, y: Node) -> str:
    """The axes along which x is stretched to the shape of y, in words."""
    missing = len(y.shape) - len(x.shape)
    axes = [
        str(axis)
        for axis, n in enumerate(y.shape)
        if axis < missing or (x.shape[axis - missing] == 1 and n != 1)
    ]
    return f"along ax{'i' if len(axes) == 1 else 'e'}s {', '.join(axes)}"


def _unfolded(
    node: Node, nodes: dict[str, Node]
) -> Iterator[tuple[str, str, list[str | tuple[Any, ...]]]]:
    """The parts that a fused operation consists of: what, in words, and the row of arrays."""
    if node.op != "cross_entropy":
        return
    z, labels = (nodes[i].value for i in node.inputs)
    z, labels = ops.as_rows(z), labels.ravel()
    reduction = node.attributes.get("reduction", "mean")
    with np.errstate(all="ignore"):
        largest = z.max(axis=1, keepdims=True)
        shifted = z - largest
        e = np.exp(shifted)
        total = e.sum(axis=1, keepdims=True)
        p = e / total
        picked = p[np.arange(len(z)), labels]
        losses = -np.log(picked)
    yield (
        "Subtract the largest score of each row",
        "Softmax turns scores into probabilities. Subtracting the same number from all scores of a "
        "row changes no probability, and keeps the exponentials from overflowing.",
        [(z, "scores"), "−", (largest, "largest"), "=", (shifted, "shifted", "result")],
    )
    yield (
        "Exponentiate",
        "eˣ makes every score positive, and a larger one much larger.",
        ["exp(", (shifted, "shifted"), ")", "=", (e, "e", "result")],
    )
    yield (
        "Add up each row",
        "The probabilities of a row are to add up to 1, so its sum is what to divide by.",
        ["Σ row of", (e, "e"), "=", (total, "sum", "result")],
    )
    yield (
        "Divide: probabilities",
        "Each exponential divided by the sum of its row is the probability p of its class.",
        [(e, "e"), "÷", (total, "sum"), "=", (p, "p", "result")],
    )
    yield (
        "Pick the true class",
        "Only the probability that the true class got decides the loss.",
        [(p, "p"), "at", (labels, "true class"), "=", (picked, "p of the true class", "result")],
    )
    yield (
        "Take −ln",
        "Certain and right costs nothing: −ln 1 = 0. The smaller the probability of the truth, the "
        "higher the penalty.",
        ["−ln", (picked, "p of the true class"), "=", (losses, "penalty of each row", "result")],
    )
    if reduction != "none":
        yield (
            "Average" if reduction == "mean" else "Add up",
            f"The loss is the {reduction} over all {len(z)} rows.",
            [reduction, (losses, "penalty of each row"), "=", (node.value, "loss", "result")],
        )
