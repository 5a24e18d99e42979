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
FUNCTIONS = {"log": "ln", "sigmoid": "σ", "sqrt": "√"}
WORD = r"\b[^\W\d]\w*"


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
        lines = [_written(array[None, i : i + LABELS[1]], 4)[0] for i in starts]
        return record | {"numbers": lines}
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
    taken = {letter for letter in "vuhz" if any(n[1:].isdigit() and n[0] == letter for n in names)}
    letter = next((letter for letter in "vuhz" if letter not in taken), "node ")
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
    """The shape in words.

    >>> shape(np.zeros((4, 3))), shape(np.zeros(3)), shape(np.zeros(()))
    ('4 × 3', '3 numbers', 'a single number')
    """
    if array.ndim == 1:
        return f"{len(array)} number{'s' * (len(array) != 1)}"
    return " × ".join(map(str, array.shape)) if array.ndim else "a single number"


def is_formula(rule: str) -> bool:
    """Whether a rule is an expression, not a sentence."""
    try:
        ast.parse(rule, mode="eval")
    except SyntaxError:
        return False
    return bool(rule)


def mathematics(rule: str) -> str:
    """A rule in Python as mathematics.

    >>> mathematics("g * (1 - y * y)")
    'g · (1 − y · y)'
    """
    if not is_formula(rule):
        rule = re.sub("^The ", "the ", rule.split(": ")[0])
    rule = rule.rstrip(".").replace(" ** ", "^").replace(" * ", " · ").replace("-", "−")
    return re.sub(r"\bmath\.", "", rule)


def derivative(rule: str) -> str:
    """What g is multiplied by.

    >>> derivative("g * (1 - y * y)"), derivative("-g"), derivative("g / (2 * y)")
    ('1 − y · y', '−1', '1 / (2 · y)')
    >>> derivative("b aᵇ⁻¹ g, which is 0 for b = 0 whatever a is")
    'b aᵇ⁻¹'
    """
    if not is_formula(rule):
        rule = re.sub(r" g$", "", rule.split(",")[0])
    text = re.sub(r"\bg\b", "1", mathematics(rule))
    text = re.sub(r"^(−?)1 · ", r"\1", text)
    inner = re.fullmatch(r"\(([^()]*)\)", text)
    return inner[1] if inner else text


def says(node: Node) -> str:
    """What an operation does."""
    op = str(node.op)
    if op in SAYS and node.attributes.get("axis") is None:
        each = op in SYMBOLS and node.value.ndim > 0
        return SAYS[op].removesuffix(".") + (", element by element." if each else ".")
    method = getattr(Tensor, op, None) or getattr(tinygrad_sm, op, None)
    text = (getattr(method, "__doc__", None) or "").strip().split("\n")[0]
    return re.split(r" (?:No d|D)erivatives?\b", text)[0]


def _broadcasts(node: Node) -> bool:
    op = ops.op.TABLE.get(str(node.op))
    return op is not None and op.broadcasts


# ---- the steps ---------------------------------------------------------------------------------


class Story:
    """All steps through a graph: forward, back, and the update."""

    def __init__(self, graph: Graph, lr: float | None = None) -> None:
        self.nodes = {node.id: node for node in graph.nodes}
        self.names = labels(graph.nodes)
        self.root = graph.nodes[-1]
        self.arrays = Arrays()
        self.edges: list[tuple[str, str]] = []
        self._edge_of: dict[tuple[str, int], int] = {}  # by user and place
        for node in graph.nodes:
            for place, source in enumerate(node.inputs):
                if not is_inlined(self.nodes[source]):
                    self._edge_of[node.id, place] = len(self.edges)
                    self.edges.append((source, node.id))
        turns = graph.backward_turns()
        self.gradients: dict[str, Array] = {}  # as they are in the end
        for turn in turns:
            self.gradients[turn.id] = turn.upstream
            for c in turn.contributions:
                self.gradients[self.nodes[turn.id].inputs[c.place]] = c.total
        self._leaves = [n for n in graph.nodes if n.op is None and not is_inlined(n)]
        self._learned = [n for n in self._leaves if n.id in self.gradients]
        self.steps = [
            self._start(),
            *(step for node in graph.nodes if node.op for step in self._forward(node)),
            *([self._seed(turns[0].upstream)] if turns else []),
            *(step for turn in turns for step in self._backward(turn)),
            *([self._result()] if self._learned else []),
            *(self._update(node, lr) for node in self._learned if lr is not None),
        ]

    # ---- what steps are made of

    def _step(self, phase: str, node: Node | None, title: str, *blocks: Block, **more: Any) -> Step:
        where = " › ".join(clean(_title(m), 40) for m in node.modules) if node else ""
        step: Step = {"phase": phase, "node": node.id if node else None, "title": title}
        if where:
            step["where"] = where
        return step | {"blocks": list(blocks)} | more

    def _row(self, *items: Block | str) -> Block:
        """Arrays with signs between them."""
        return {"row": [{"sign": item} if isinstance(item, str) else item for item in items]}

    def _array(self, array: Any, label: str, role: str = "value") -> Block:
        return {"array": self.arrays.add(array), "label": label, "role": role}

    def _value(self, id_: str, transposed: bool = False) -> Block:
        value, name = self.nodes[id_].value, self.names[id_]
        return self._array(value.T, f"{name}ᵀ") if transposed else self._array(value, name)

    def _slope(self, of: str, by: str) -> str:
        return f"∂{self.names[of]}/∂{self.names[by]}"

    # ---- forward

    def _start(self) -> Step:
        say = (
            "The numbers that the computation starts from. Data is given; parameters are what is "
            "learned, and each of them will get a gradient."
        )
        blocks: list[Block] = [{"say": say}]
        for kind, heading in (("input", "Data"), ("parameter", "Parameters")):
            leaves = [node for node in self._leaves if node.kind == kind]
            if leaves:
                blocks += [{"head": heading}, self._row(*(self._value(n.id) for n in leaves))]
        values = [node.id for node in self._leaves]
        return self._step("start", None, "What is given", *blocks, values=values)

    def _forward(self, node: Node) -> Iterator[Step]:
        name = self.names[node.id]
        title = f"Compute {name}"
        common = {
            "formula": f"{name} = {expression(node, self.names)}",
            "edges": [edge for (user, _), edge in self._edge_of.items() if user == node.id],
        }
        parts = list(_unfolded(node, self.nodes))
        for i, (what, say, items) in enumerate(parts, 1):
            row = self._row(*(x if isinstance(x, str) else self._array(*x) for x in items))
            values = [node.id] if i == len(parts) else []
            part = f"part {i} of {len(parts)}"
            blocks = {"head": what}, {"say": say}, row
            yield self._step("forward", node, title, *blocks, **common, part=part, values=values)
        if not parts:
            stretched = [
                {
                    "say": f"{self.names[x.id]} is {shape(x.value)}, the result is "
                    f"{shape(node.value)}: {self.names[x.id]} is stretched (broadcast), and the "
                    f"same numbers are used again {_along(x, node)}."
                }
                for x in map(self.nodes.__getitem__, dict.fromkeys(node.inputs))
                if _broadcasts(node) and x.shape != node.shape and not is_inlined(x)
            ]
            whole = {"say": says(node)}, *stretched, self._computation(node)
            yield self._step("forward", node, title, *whole, **common, values=[node.id])

    def _computation(self, node: Node) -> Block:
        """The operation with the numbers in it."""
        inputs = [self._value(i) for i in node.inputs]
        result = self._array(node.value, self.names[node.id], "result")
        if node.op in SYMBOLS and len(inputs) == 2:
            return self._row(inputs[0], SYMBOLS[node.op], inputs[1], "=", result)
        if node.op == "matmul":
            return self._row(inputs[0], "@", inputs[1], "=", result)
        if node.op == "linear":
            weight = self._value(node.inputs[1], transposed=True)
            bias = [item for x in inputs[2:] for item in ("+", x)]
            return self._row(inputs[0], "·", weight, *bias, "=", result)
        listed = [item for x in inputs for item in (x, ",")][:-1]
        function = FUNCTIONS.get(str(node.op), clean(str(node.op), 30))
        return self._row(f"{function}(", *listed, ")", "=", result)

    # ---- backward

    def _seed(self, g: Array) -> Step:
        name = self.names[self.root.id]
        say = f"Now backward. It starts at {name} with the gradient that backward() was given."
        if g.size == 1 and g.item() == 1:
            say = (
                f"Now backward: how much does {name} change when a number behind it changes a "
                f"little? It starts at {name}, which changes just as much as itself."
            )
        row = self._row(self._array(g, self._slope(self.root.id, self.root.id), "grad"))
        title = f"Start at {name}"
        return self._step("backward", self.root, title, {"say": say}, row, grads=[self.root.id])

    def _backward(self, turn: Turn) -> Iterator[Step]:
        node = self.nodes[turn.id]
        for i, c in enumerate(turn.contributions, 1):
            source = node.inputs[c.place]
            name = self.names[source]
            title = f"From {self.names[node.id]} back to {name}"
            if node.inputs.count(source) > 1:
                title += f", input {c.place + 1}"
            rule, slope, letters = self._rule(node, c.place)
            rule, *rest = rule.split(", ", 1) if not is_formula(node.rules[c.place]) else [rule]
            blocks = [
                *self._product(node, turn.upstream, c, slope),
                {
                    "note": ", ".join(
                        f"{letter} is {meaning}" for letter, meaning in letters.items()
                    )
                },
                *({"note": f"…, {text}"} for text in rest),
                *self._summed(node, c),
                *self._joined(source, c),
                *self._differs(source, c),
            ]
            more: dict[str, Any] = {}
            if len(turn.contributions) > 1:
                more["part"] = f"input {i} of {len(turn.contributions)}"
            if (node.id, c.place) in self._edge_of:
                more["edges"] = [self._edge_of[node.id, c.place]]
            if rule:
                more["formula"] = f"gradient for {name} = {rule}"
            yield self._step(
                "backward", node, title, *blocks, grads=[source], target=source, **more
            )

    def _rule(self, node: Node, place: int) -> tuple[str, str, dict[str, str]]:
        """A derivative rule, what g is multiplied by in it, and what its letters stand for. In a
        formula, short names take the places of the letters."""
        rule = node.rules[place] if place < len(node.rules) else ""
        meanings = {"y": self.names[node.id]}
        meanings |= {r: self.names[i] for r, i in zip(node.roles, node.inputs, strict=False)}
        texts = mathematics(rule), clean(derivative(rule), 40)
        if is_formula(rule):
            short = {a: b for a, b in meanings.items() if re.fullmatch(r"[\w.]{1,12}", b)}
            rule, slope = (re.sub(WORD, lambda m: short.get(m[0], m[0]), t) for t in texts)
            texts = rule, slope
            meanings = {a: b for a, b in meanings.items() if a not in short}
        words = set(re.findall(WORD, texts[0]))
        return *texts, {a: b for a, b in meanings.items() if a in words and a != b}

    def _product(self, node: Node, g: Array, c: Contribution, slope: str) -> list[Block]:
        """How g becomes what this input gets."""
        source = node.inputs[c.place]
        name, result = self.names[source], self.names[node.id]
        what = f"A gradient of {shape(g)}" if g.ndim else f"The gradient {_number(g.item(), 6)}"
        arrived = f"{what} arrived at {result}."
        upstream = self._array(g, f"g = {self._slope(self.root.id, node.id)}", "grad")
        gained = self._array(c.product, f"gradient for {name}", "result")
        if c.local is not None:
            label = self._slope(node.id, source)
            how = f"{label} times as much. Multiply the two, element by element."
            if c.local.ndim == 0:
                rate = c.local.item()
                times = "just" if rate == 1 else f"{_number(rate, 6)} times"
                how = f"{times} as much. Multiply the two."
            say = f"{arrived} When {name} changes a little, {result} changes {how}"
            local = self._array(c.local, f"{label} = {slope}" if slope else label, "local")
            return [{"say": say}, self._row(upstream, "×", local, "=", gained)]
        if node.op == "cross_entropy":
            return self._cross_entropy(node, g, gained)
        if node.op == "linear":
            return self._linear(node, g, c, arrived, upstream, gained)
        say, row = arrived, self._row(upstream, "→", gained)
        values = [self.nodes[i].value for i in node.inputs]
        if node.op == "matmul" and values[0].ndim == values[1].ndim == 2:
            other = self._value(node.inputs[1 - c.place], transposed=True)
            factors = (upstream, "@", other) if c.place == 0 else (other, "@", upstream)
            row = self._row(*factors, "=", gained)
        elif node.op in ("sum", "mean"):
            share = "g"
            if node.op == "mean":
                share = f"g / {values[0].size // max(g.size, 1)}, for the mean divides by that"
            say += f" Every element counted the same, so each gets the same: {share}."
        return [{"say": say}, row]

    def _linear(
        self, node: Node, g: Array, c: Contribution, arrived: str, upstream: Block, gained: Block
    ) -> list[Block]:
        """x Wᵀ + b, back to each of the three."""
        x, weight = node.inputs[:2]
        name = self.names[node.inputs[c.place]]
        if c.place == 0:
            why = f"Each number in {name} was multiplied by a column of the weight: g · W."
            row = self._row(upstream, "·", self._value(weight), "=", gained)
        elif c.place == 1:
            why = (
                "Each weight was multiplied by an input, in every row. So its gradient is g times "
                "that input, added up over all rows: gᵀ · x."
            )
            turned = self._array(_as_rows(g).T, "gᵀ", "grad")
            rows = self._array(_as_rows(self.nodes[x].value), self.names[x])
            row = self._row(turned, "·", rows, "=", gained)
        else:
            why = "The bias was added to every row, so its gradient is the sum of the rows of g."
            row = self._row("Σ rows of", upstream, "=", gained)
        return [{"say": f"{arrived} {why}"}, row]

    def _cross_entropy(self, node: Node, g: Array, gained: Block) -> list[Block]:
        scores, true = (self.nodes[i].value for i in node.inputs)
        scores = ops.as_rows(scores)
        n, classes = scores.shape
        p = ops.softmax(scores)
        onehot = ops.one_hot(true.ravel(), classes=classes, dtype=scores.dtype)
        difference = self._array(p - onehot, "p − onehot", "local")
        say = (
            "Softmax and −ln together have a strikingly simple derivative: the probabilities, "
            "minus 1 at the true class. A step against it raises the score of the true class and "
            "lowers the others, each as far as its probability is off."
        )
        blocks: list[Block] = [
            {"say": say},
            self._row(self._array(p, "p"), "−", self._array(onehot, "onehot"), "=", difference),
        ]
        factors: list[Block | str] = []
        if node.attributes.get("reduction", "mean") == "mean":
            blocks.append({"say": f"The loss is the mean over N = {n} rows: each counts 1/{n}."})
            factors += ["÷", self._array(np.array(n), "N")]
        if g.size != 1 or g.item() != 1:
            factors += ["×", self._array(g, f"g = {self._slope(self.root.id, node.id)}", "grad")]
        return [*blocks, self._row(difference, *factors, "=", gained)] if factors else blocks

    def _summed(self, node: Node, c: Contribution) -> list[Block]:
        """The sum over the axes along which the input was stretched."""
        if c.product.shape == c.gradient.shape:
            return []
        source = self.nodes[node.inputs[c.place]]
        name = self.names[source.id]
        say = (
            f"{name} was stretched from {shape(source.value)} to {shape(c.product)}: each number "
            "was used in several places, and its gradient is the sum over them, "
            f"{_along(source, node)}."
        )
        stretched = self._array(c.product, "for each use", "grad")
        total = self._array(c.gradient, f"gradient for {name}", "result")
        row = self._row("Σ", stretched, "=", total)
        return [{"head": "Broadcast: add up what was shared"}, {"say": say}, row]

    def _joined(self, source: str, c: Contribution) -> list[Block]:
        """The sum with what has come on other paths."""
        if c.earlier is None:
            return []
        say = (
            f"{self.names[source]} was used more than once. Another path has brought it a gradient "
            "already. A change takes effect along all paths, so their gradients are added."
        )
        row = self._row(
            self._array(c.earlier, "so far", "grad"),
            "+",
            self._array(c.gradient, "on this path", "grad"),
            "=",
            self._array(c.total, self._slope(self.root.id, source), "result"),
        )
        return [{"head": "Paths meet: add"}, {"say": say}, row]

    def _differs(self, source: str, c: Contribution) -> list[Block]:
        """Why a leaf's grad is something else than this backward pass gave, if it is."""
        node = self.nodes[source]
        is_last = c.total is self.gradients[source]
        if node.op or node.gradient is None or not is_last:
            return []
        if np.array_equal(node.gradient, c.total, equal_nan=True):
            return []
        note = (
            f"{self.names[source]}.grad holds other numbers: it adds up over several calls of "
            "backward() until zero_grad(), and hooks may change it."
        )
        return [{"note": note}]

    # ---- the end

    def _result(self) -> Step:
        say = (
            "This is what backward() leaves in .grad. Where it is positive, the loss grows with "
            "the parameter; where it is negative, the loss falls as the parameter grows."
        )
        rows = [
            self._row(
                self._value(node.id),
                self._array(self.gradients[node.id], self._slope(self.root.id, node.id), "grad"),
            )
            for node in self._learned
        ]
        return self._step("result", None, "All gradients", {"say": say}, *rows)

    def _update(self, node: Node, lr: float) -> Step:
        gradient = self.gradients[node.id] if node.gradient is None else node.gradient
        name, label = self.names[node.id], self._slope(self.root.id, node.id)
        with np.errstate(all="ignore"):
            after = node.value - node.value.dtype.type(lr) * gradient
        say = f"A small step against the gradient. How small is up to the learning rate, {lr:g}."
        row = self._row(
            self._value(node.id),
            "−",
            self._array(np.array(lr), "learning rate"),
            "×",
            self._array(gradient, label, "grad"),
            "=",
            self._array(after, f"new {name}", "result"),
        )
        formula = f"{name} ← {name} − {lr:g} · {label}"
        return self._step("update", node, f"Update {name}", {"say": say}, row, formula=formula)


def _along(x: Node, y: Node) -> str:
    """The axes along which x is stretched to the shape of y, in words."""
    missing = len(y.shape) - len(x.shape)
    axes = [
        str(axis)
        for axis, n in enumerate(y.shape)
        if axis < missing or (x.shape[axis - missing] == 1 and n != 1)
    ]
    return f"along ax{'i' if len(axes) == 1 else 'e'}s {', '.join(axes)}"


def _unfolded(node: Node, nodes: dict[str, Node]) -> Iterator[tuple[str, str, list[Any]]]:
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
