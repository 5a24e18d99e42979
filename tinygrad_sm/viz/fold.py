"""Folding: which nodes of a graph are drawn as one box, so that a large graph can be looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain

from tinygrad_sm.graph import Module, Node


@dataclass(eq=False)
class Box:
    """What is drawn as one box: a node, or several that were folded."""

    nodes: list[Node]  # the newest comes last
    folded: str = ""  # "module", "run" or "older" if there are several
    module: Module | None = None  # the one that was folded
    length: int = 1  # of a run
    inputs: list[tuple[Box, str]] = field(default_factory=list)  # in order, with the input's role

    @property
    def node(self) -> Node:
        """The newest node, whose value comes out of the box."""
        return self.nodes[-1]

    @property
    def what(self) -> str | None:
        """What the boxes of a run have in common: the operation, or the kind of the module."""
        return self.module.kind if self.module else self.node.op

    @property
    def frames(self) -> tuple[Module, ...]:
        """The modules around it, outermost first; of a folded box the outermost alone."""
        if not self.folded:
            return self.node.modules
        around = self.module.inside if self.module else self.node.modules
        return around[:1] if self.folded != "older" else ()


def is_inlined(node: Node) -> bool:
    """A number such as the 2 in x * 2 is written into its operation, and has no box."""
    return node.kind == "constant"


def fold(nodes: list[Node], max_nodes: int | None) -> list[Box]:
    """The boxes to draw, oldest first: one for each node, or at most `max_nodes` and one more.

    As far as it is needed, first each module inside an outermost one becomes a box, then each call
    of an outermost module that is called again and again, then the middle of a run of the same
    operation, and at last all that is oldest.
    """
    boxes = [Box([node]) for node in nodes if not is_inlined(node) or node is nodes[-1]]
    if max_nodes is not None:
        steps: list[Callable[[list[Box]], list[Box]]] = [
            _fold_inner_modules,
            _fold_repeated_modules,
            _fold_runs,
            lambda boxes: _fold_oldest(boxes, max_nodes),
        ]
        for step in steps:
            if len(boxes) > max_nodes:
                boxes = step(boxes)
    _connect(boxes)
    return boxes


def _connect(boxes: list[Box]) -> None:
    """Find the inputs of each box. Repeats are kept, except where a box stands for several."""
    box_of = {node.id: box for box in boxes for node in box.nodes}
    for box in boxes:
        inputs = [
            (box_of[i], "" if box.folded or box_of[i].folded == "older" else role)
            for node in box.nodes
            for i, role in zip(node.inputs, node.roles, strict=True)
            if i in box_of and box_of[i] is not box
        ]
        several = box.folded or any(source.folded == "older" for source, _ in inputs)
        box.inputs = list(dict.fromkeys(inputs)) if several else inputs


def _merge(boxes: list[Box], groups: list[Box]) -> list[Box]:
    """Put each of the groups, boxes themselves, in the place of the newest box that it holds."""
    group_of = {node.id: group for group in groups for node in group.nodes}
    return [
        group_of.get(box.node.id, box)
        for box in boxes
        if box.node.id not in group_of or group_of[box.node.id].node is box.node
    ]


# ---- modules -----------------------------------------------------------------------------------


def _fold_inner_modules(boxes: list[Box]) -> list[Box]:
    """One box for each call of a module directly inside an outermost one."""
    return _fold_modules(boxes, 1, lambda module: True)


def _fold_repeated_modules(boxes: list[Box]) -> list[Box]:
    """One box for each call of an outermost module that is called more than once."""
    repeated = {m.kind for box in boxes for m in box.node.modules[:1] if m.call > 1}
    return _fold_modules(boxes, 0, lambda module: module.kind in repeated)


def _fold_modules(boxes: list[Box], depth: int, chosen: Callable[[Module], bool]) -> list[Box]:
    inside: dict[Module, list[Box]] = {}
    for box in boxes:
        if len(box.node.modules) > depth and chosen(box.node.modules[depth]):
            inside.setdefault(box.node.modules[depth], []).append(box)
    return _merge(
        boxes,
        [
            Box(_nodes(group), "module", module)
            for module, group in inside.items()
            if len(group) > 1
        ],
    )


def _nodes(boxes: list[Box]) -> list[Node]:
    return list(chain.from_iterable(box.nodes for box in boxes))


# ---- runs --------------------------------------------------------------------------------------


def _fold_runs(boxes: list[Box]) -> list[Box]:
    """One box for the middle of a run: of the same operation, each used by the next one alone."""
    _connect(boxes)
    uses = Counter(chain.from_iterable({source for source, _ in box.inputs} for box in boxes))
    runs: dict[Box, list[Box]] = {}  # by the newest box so far
    for box in boxes:
        for source, _ in box.inputs:
            if source.what == box.what and uses[source] == 1 and source in runs:
                runs[box] = runs.pop(source)
                runs[box].append(box)
                break
        else:
            if box.what is not None:
                runs[box] = [box]
    groups = []
    for _, *middle, _ in (run for run in runs.values() if len(run) > 3):
        # Leaves that nothing else uses go with it, such as the terms of a long sum.
        leaves = [s for box in middle for s, _ in box.inputs if s.what is None and uses[s] == 1]
        nodes = _nodes([*dict.fromkeys(leaves), *middle])
        groups.append(Box(nodes, "run", middle[-1].module, len(middle)))
    return _merge(boxes, groups)


# ---- the rest ----------------------------------------------------------------------------------


def _fold_oldest(boxes: list[Box], max_nodes: int) -> list[Box]:
    """The newest `max_nodes` boxes, and one for all that are older.

    A leaf counts as being as old as its newest use: the parameters of the last layer are kept,
    though they were made before all else.
    """
    _connect(boxes)
    age = {box: float(i) for i, box in enumerate(boxes)}
    for i, box in enumerate(boxes):
        for source, _ in box.inputs:
            if source.what is None:
                age[source] = i - 0.5
    by_age = sorted(boxes, key=age.__getitem__)
    older = Box(_nodes(by_age[:-max_nodes]), "older")
    kept = set(by_age[-max_nodes:])
    return [older, *(box for box in boxes if box in kept)]
