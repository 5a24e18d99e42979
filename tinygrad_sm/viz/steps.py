"""What the page of `explain` tells: the steps through a graph, as plain data with the real numbers.

A step is a dict: phase, node (its id), title, formula, blocks (what stands below each other),
edges (the places of those it goes along), values and grads (what is known from this step on).
A block is a text, a formula, or a row of arrays with signs between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_sm import ops
from tinygrad_sm.graph import Array, Contribution, Graph, Module, Node, Turn
from tinygrad_sm.viz.draw import SYMBOLS, _title
from tinygrad_sm.viz.fold import Box, fold, is_inlined
from tinygrad_sm.viz.numbers import Arrays, as_rows, written
from tinygrad_sm.viz.text import clean
from tinygrad_sm.viz.unfold import is_mean, unfold
from tinygrad_sm.viz.words import (
    FUNCTIONS,
    WORD,
    along,
    derivative,
    expression,
    in_words,
    is_formula,
    known,
    labels,
    mathematics,
    rule_of,
    says,
    shape,
)

Block = dict[str, Any]
Step = dict[str, Any]
JOINER = "\u2060"  # no line ends here
LISTED = 8  # so many arrays are shown of those that a folded box holds or takes in
UNFOLD = "explain(loss, max_nodes=None) goes through every operation."


class Story:
    """All steps through a graph: forward, back, and the update.

    Of a graph with more than `max_nodes` nodes, what is folded is one step in each direction.
    """

    def __init__(self, graph: Graph, lr: float | None = None, max_nodes: int | None = None) -> None:
        self.nodes = {node.id: node for node in graph.nodes}
        self.root = graph.nodes[-1]
        self.boxes = fold(graph.nodes, max_nodes, repeats=False)
        self._box_of = {node.id: box for box in self.boxes for node in box.nodes}
        self.arrays = Arrays()
        self.edges: list[tuple[str, str]] = []  # from box to box
        self._edge_of: dict[tuple[str, int], int] = {}  # by user and place
        self._results: dict[Box, dict[str, None]] = {box: {} for box in self.boxes}
        self._connect()
        shown = {box.node.id for box in self.boxes}.union(*self._results.values())
        self.names = labels([node for node in graph.nodes if node.id in shown or not node.op])
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
            *(step for box in self.boxes for step in self._forward(box)),
            *([self._seed(turns[0].upstream)] if turns else []),
            *self._backward(turns),
            *([self._result()] if self._learned else []),
            *(self._updates(lr) if lr is not None else ()),
        ]

    def _connect(self) -> None:
        """Find the edges, one for each input, or one for all between two boxes if one of them is
        folded; and the results of each box that others use."""
        found: dict[tuple[str, str], int] = {}
        for box in self.boxes:
            for node in box.nodes:
                for place, source in enumerate(node.inputs):
                    maker = self._box_of.get(source, box)  # an inlined number has no box
                    if maker is box:
                        continue
                    self._results[maker][source] = None
                    ends = maker.node.id, box.node.id
                    if ends not in found or not (maker.folded or box.folded):
                        found[ends] = len(self.edges)
                        self.edges.append(ends)
                    self._edge_of[node.id, place] = found[ends]

    def _box_id(self, id_: str) -> str:
        """The box that a node is in."""
        return self._box_of[id_].node.id

    def _edges_into(self, box: Box) -> list[int]:
        places = ((node.id, i) for node in box.nodes for i in range(len(node.inputs)))
        return list(dict.fromkeys(self._edge_of[p] for p in places if p in self._edge_of))

    # ---- what steps are made of

    def _step(self, phase: str, node: Node | None, title: str, *blocks: Block, **more: Any) -> Step:
        around: tuple[Module, ...] = ()
        if node:
            box = self._box_of[node.id]
            around = (*box.module.inside, box.module) if box.module else node.modules
            around = () if box.folded == "older" else around
        where = " › ".join(clean(_title(m), 40) for m in around)
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
            leaves = [n for n in self._leaves if n.kind == kind and not self._box_of[n.id].folded]
            if leaves:
                blocks += [{"head": heading}, self._row(*(self._value(n.id) for n in leaves))]
        values = [node.id for node in self._leaves if not self._box_of[node.id].folded]
        if len(values) < len(self._leaves):
            note = (
                "The graph is large, so parts of it are one box and one step each. They hold "
                f"{len(self._leaves) - len(values):,} more tensors that are given. {UNFOLD}"
            )
            blocks.append({"note": note})
        return self._step("start", None, "What is given", *blocks, values=values)

    def _forward(self, box: Box) -> Iterator[Step]:
        node = box.node
        if box.folded:
            yield self._forward_folded(box)
        elif node.op:
            yield from self._forward_single(box)

    def _forward_single(self, box: Box) -> Iterator[Step]:
        node = box.node
        name = self.names[node.id]
        title = f"Compute {name}"
        common = {
            "formula": f"{name} = {expression(node, self.names)}",
            "edges": self._edges_into(box),
        }
        parts = unfold(known(node), node, [self.nodes[i].value for i in node.inputs])
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
                    f"same numbers are used again {along(x, node)}."
                }
                for x in map(self.nodes.__getitem__, dict.fromkeys(node.inputs))
                if known(node)
                and ops.op.TABLE[known(node)].broadcasts
                and x.shape != node.shape
                and not is_inlined(x)
            ]
            whole = {"say": says(node)}, *stretched, self._computation(node)
            yield self._step("forward", node, title, *whole, **common, values=[node.id])

    def _computation(self, node: Node) -> Block:
        """The operation with the numbers in it."""
        op, inputs = known(node), [self._value(i) for i in node.inputs]
        result = self._array(node.value, self.names[node.id], "result")
        if op in SYMBOLS and len(inputs) == 2:
            return self._row(inputs[0], SYMBOLS[op], inputs[1], "=", result)
        if op == "matmul":
            return self._row(inputs[0], "@", inputs[1], "=", result)
        if op == "linear":
            weight = self._value(node.inputs[1], transposed=True)
            bias = [item for x in inputs[2:] for item in ("+", x)]
            return self._row(inputs[0], "@", weight, *bias, "=", result)
        listed = [item for x in inputs for item in (x, ",")][:-1]
        function = FUNCTIONS.get(op, clean(str(node.op), 30))
        return self._row(f"{function}(", *listed, ")", "=", result)

    # ---- what is folded

    def _listed(self, head: str, arrays: list[Block]) -> list[Block]:
        """Arrays below a heading, the first of them if they are many."""
        more = f"and {len(arrays) - LISTED:,} more" if len(arrays) > LISTED else ""
        return [{"head": head}, self._row(*arrays[:LISTED]), {"note": more}] if arrays else []

    def _taken_in(self, box: Box) -> list[str]:
        """The nodes of other boxes that a box uses."""
        used = dict.fromkeys(i for node in box.nodes for i in node.inputs)
        return [i for i in used if self._box_of.get(i, box) is not box]

    def _come_out(self, box: Box) -> list[str]:
        return list(self._results[box]) or [box.node.id]

    def _forward_folded(self, box: Box) -> Step:
        results = self._come_out(box)
        held = [node for node in box.nodes if not node.op]
        blocks = [
            {"say": in_words(box)},
            {"note": UNFOLD},
            *self._listed("What goes in", [self._value(i) for i in self._taken_in(box)]),
            *self._listed("What it holds", [self._value(node.id) for node in held]),
            *self._listed(
                "What comes out",
                [self._array(self.nodes[i].value, self.names[i], "result") for i in results],
            ),
        ]
        names = ", ".join(self.names[i] for i in results[:3]) + ", …" * (len(results) > 3)
        edges = self._edges_into(box)
        values = [box.node.id]
        return self._step(
            "forward", box.node, f"Compute {names}", *blocks, edges=edges, values=values
        )

    def _backward_folded(self, box: Box, turns: list[Turn]) -> Step:
        """All turns in a box: the gradients that arrived at its results, and what they became."""
        gained: dict[str, Array] = {}
        totals: dict[str, Array] = {}
        for turn in turns:
            for c in turn.contributions:
                source = self.nodes[turn.id].inputs[c.place]
                gained[source] = gained[source] + c.gradient if source in gained else c.gradient
                totals[source] = c.total
        outside = [i for i in self._taken_in(box) if i in gained]
        met = [i for i in outside if not np.array_equal(gained[i], totals[i], equal_nan=True)]
        held = [node.id for node in box.nodes if not node.op and node.id in gained]
        arrived = [i for i in self._come_out(box) if i in self.gradients]

        def slopes(ids: list[str], role: str, of: dict[str, Array]) -> list[Block]:
            return [self._array(of[i], self._slope(self.root.id, i), role) for i in ids]

        reached = [
            self._array(gained[i], f"gradient for {self.names[i]}", "result") for i in outside
        ]
        say = "Inside, each operation multiplies the gradient that arrives by its own derivative."
        blocks = [
            {"say": f"{in_words(box)} {say}"},
            {"note": UNFOLD},
            *self._listed("What arrives", slopes(arrived, "grad", self.gradients)),
            *self._listed("What reaches its inputs", reached),
            *self._listed("With what other paths have brought", slopes(met, "result", totals)),
            *self._listed("What it holds gets", slopes(held, "result", self.gradients)),
        ]
        title = f"From {', '.join(self.names[i] for i in arrived[:3])} back"
        if len(outside) == 1:
            title += f" to {self.names[outside[0]]}"
        sources = list(dict.fromkeys(map(self._box_id, outside)))
        return self._step(
            "backward",
            box.node,
            title,
            *blocks,
            edges=[e for e in self._edges_into(box) if self.edges[e][0] in sources],
            grads=[box.node.id, *sources],
            target=(sources or [box.node.id])[0],
        )

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

    def _backward(self, turns: list[Turn]) -> Iterator[Step]:
        inside: dict[Box, list[Turn]] = {}
        for turn in turns:
            inside.setdefault(self._box_of[turn.id], []).append(turn)
        for turn in turns:
            box = self._box_of[turn.id]
            if not box.folded:
                yield from self._backward_single(turn)
            elif turn is inside[box][-1]:
                yield self._backward_folded(box, inside[box])

    def _backward_single(self, turn: Turn) -> Iterator[Step]:
        node = self.nodes[turn.id]
        for i, c in enumerate(turn.contributions, 1):
            source = node.inputs[c.place]
            name = self.names[source]
            title = f"From {self.names[node.id]} back to {name}"
            if node.inputs.count(source) > 1:
                title += f", input {c.place + 1}"
            rule, rest, slope, letters = self._rule(node, c.place)
            blocks = [
                {"note": rest},
                *self._product(node, turn.upstream, c, slope),
                {
                    "note": ", ".join(
                        f"{letter} is {meaning}" for letter, meaning in letters.items()
                    )
                },
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
            at = self._box_id(source)
            yield self._step("backward", node, title, *blocks, grads=[at], target=at, **more)

    def _rule(self, node: Node, place: int) -> tuple[str, str, str, dict[str, str]]:
        """A derivative rule and what is added to it after a comma, what g is multiplied by in it,
        and what its letters stand for.

        Short names take the places of the letters; in a sentence only of x and y, for a is a word.
        """
        rule = rule_of(node, place, [self.nodes[i] for i in node.inputs])
        meanings = {"y": self.names[node.id]}
        meanings |= {r: self.names[i] for r, i in zip(node.roles, node.inputs, strict=False)}
        texts = mathematics(rule), clean(derivative(rule), 40)
        letters = {a: b for a, b in meanings.items() if re.fullmatch(r"[\w.]{1,16}", b)}
        is_sentence = not is_formula(rule)
        if is_sentence:
            letters = {a: b for a, b in letters.items() if a in ("x", "y")}
        short = letters | {f"{a}{mark}": f"{b}{mark}" for a, b in letters.items() for mark in "ᵀ²"}
        rule, slope = (re.sub(WORD, lambda m: short.get(m[0], m[0]), text) for text in texts)
        meanings = {a: b for a, b in meanings.items() if a not in letters}
        words = set(re.findall(WORD, rule))
        rule, *rest = re.split(r", (?!else|but)", rule, maxsplit=1) if is_sentence else [rule]
        meanings = {a: b for a, b in meanings.items() if a in words and a != b}
        return rule, "".join(f"…, {text}" for text in rest), slope, meanings

    def _product(self, node: Node, g: Array, c: Contribution, slope: str) -> list[Block]:
        """How g becomes what this input gets."""
        op, source = known(node), node.inputs[c.place]
        name, result = self.names[source], self.names[node.id]
        what = f"A gradient of {shape(g)}" if g.ndim else f"The gradient {written(g.item(), 6)}"
        arrived = f"{what} arrived at {result}."
        upstream = self._array(g, f"g = {self._slope(self.root.id, node.id)}", "grad")
        gained = self._array(c.product, f"gradient for {name}", "result")
        if op == "cross_entropy":
            return self._cross_entropy(node, g, gained)
        if op == "linear":
            return self._linear(node, g, c, arrived, upstream, gained)
        if c.local is not None:
            label = self._slope(node.id, source)
            unbroken = label.replace("/", f"{JOINER}/{JOINER}")
            how = f"{unbroken} times as much. Multiply the two, element by element."
            if c.local.ndim == 0:
                rate = c.local.item()
                times = "just" if rate == 1 else f"{written(rate, 6)} times"
                how = f"{times} as much. Multiply the two."
            say = f"{arrived} When {name} changes a little, {result} changes {how}"
            local = self._array(c.local, f"{label} = {slope}" if slope else label, "local")
            return [{"say": say}, self._row(upstream, "×", local, "=", gained)]
        if op == "matmul" and all(self.nodes[i].value.ndim == 2 for i in node.inputs):
            other = self._value(node.inputs[1 - c.place], transposed=True)
            names = [self.names[i] for i in node.inputs]
            factors = (upstream, "@", other) if c.place == 0 else (other, "@", upstream)
            why = (
                f"Each number in {name} was multiplied by a row of {names[1]}, so its gradient is "
                "g times that row, added up.",
                f"Each number in {name} was multiplied by a number in {names[0]}, in every row. "
                "So its gradient is g times that number, added up over the rows.",
            )[c.place]
            return [{"say": f"{arrived} {why}"}, self._row(*factors, "=", gained)]
        return [{"say": arrived}, self._row(upstream, "→", gained)]

    def _linear(
        self, node: Node, g: Array, c: Contribution, arrived: str, upstream: Block, gained: Block
    ) -> list[Block]:
        """x Wᵀ + b, back to each of the three."""
        x, weight = node.inputs[:2]
        name = self.names[node.inputs[c.place]]
        if c.place == 0:
            why = f"Each number in {name} was multiplied by a column of the weight: g @ W."
            row = self._row(upstream, "@", self._value(weight), "=", gained)
        elif c.place == 1:
            why = (
                "Each weight was multiplied by an input, in every row. So its gradient is g times "
                "that input, added up over all rows: gᵀ @ x."
            )
            turned = self._array(as_rows(g).T, "gᵀ", "grad")
            rows = self._array(as_rows(self.nodes[x].value), self.names[x])
            row = self._row(turned, "@", rows, "=", gained)
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
        is_averaged = is_mean(node) and n > 1
        is_scaled = g.size != 1 or g.item() != 1
        difference = self._array(p - onehot, "p − onehot", "local")
        say = (
            "Softmax and −ln together have a strikingly simple derivative: the probabilities, "
            "minus 1 at the true class. A step against it raises the score of the true class and "
            "lowers the others, each as far as its probability is off."
        )
        ends = difference if is_averaged or is_scaled else gained
        blocks: list[Block] = [
            {"say": say},
            self._row(self._array(p, "p"), "−", self._array(onehot, "onehot"), "=", ends),
        ]
        factors: list[Block | str] = []
        if is_averaged:
            blocks.append({"say": f"The loss is the mean over N = {n} rows: each counts 1/{n}."})
            factors += ["÷", self._array(np.array(n), "N")]
        if is_scaled:
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
            f"{along(source, node)}."
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
        folded = [node for node in self._learned if self._box_of[node.id].folded]
        shown = [node for node in self._learned if not self._box_of[node.id].folded]
        rows = [
            self._row(
                self._value(node.id),
                self._array(self.gradients[node.id], self._slope(self.root.id, node.id), "grad"),
            )
            for node in [*shown, *folded[:LISTED]]
        ]
        if len(folded) > LISTED:
            rows.append({"note": f"and {len(folded) - LISTED:,} more, in folded boxes"})
        return self._step("result", None, "All gradients", {"say": say}, *rows)

    def _updates(self, lr: float) -> Iterator[Step]:
        inside: dict[Box, list[Node]] = {}
        for node in self._learned:
            inside.setdefault(self._box_of[node.id], []).append(node)
        say = f"A small step against the gradient. How small is up to the learning rate, {lr:g}."
        for box, nodes in inside.items():
            name = self.names[nodes[0].id] if len(nodes) == 1 else "what the box holds"
            blocks: list[Block] = [{"say": say}, *(self._update(n, lr) for n in nodes[:LISTED])]
            if len(nodes) > LISTED:
                blocks.append({"note": f"and {len(nodes) - LISTED:,} more"})
            by = self._slope(self.root.id, nodes[0].id)
            formula = {"formula": f"{name} ← {name} − {lr:g} · {by}"} if len(nodes) == 1 else {}
            yield self._step("update", box.node, f"Update {name}", *blocks, **formula)

    def _update(self, node: Node, lr: float) -> Block:
        gradient = self.gradients[node.id] if node.gradient is None else node.gradient
        with np.errstate(all="ignore"):
            after = node.value - node.value.dtype.type(lr) * gradient
        return self._row(
            self._value(node.id),
            "−",
            self._array(np.array(lr), "learning rate"),
            "×",
            self._array(gradient, self._slope(self.root.id, node.id), "grad"),
            "=",
            self._array(after, f"new {self.names[node.id]}", "result"),
        )
