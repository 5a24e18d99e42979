"""Folding: which nodes of a graph are drawn as one box, so that a large graph can be looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from itertools import chain, pairwise

import numpy as np

from tinygrad_sm.graph import Array, Module, Node, _common
from tinygrad_sm.viz.text import count

LONGEST = 100  # boxes of a repeated block, without the leaves
FEWEST = 3  # blocks that are worth it


@dataclass(frozen=True, eq=False)
class Repeat:
    """Blocks of the same structure, of which one is drawn."""

    id: str
    times: int
    chained: bool  # whether each takes what the one before gives
    inside: tuple[Module, ...]  # the modules around all of them, outermost first


@dataclass(eq=False)
class Box:
    """What is drawn as one box: a node, or several that were folded."""

    nodes: list[Node]  # the newest comes last
    folded: str = ""  # "module", "run", "repeat" or "older" if there are several
    module: Module | None = None  # the one that was folded
    length: int = 1  # of a run
    copies: list[Box] = field(default_factory=list)  # of a repeat: its box in each block
    repeat: Repeat | None = None
    turn: int = 0  # in the block
    inputs: list[tuple[Box, str]] = field(default_factory=list)  # in order, with the input's role
    # For each of these, whose inputs it leads to: the ids of nodes, and which of their inputs.
    uses: list[list[tuple[str, int]]] = field(default_factory=list)

    @property
    def node(self) -> Node:
        """The newest node, whose value comes out of the box."""
        return self.nodes[-1]

    @property
    def what(self) -> str | None:
        """What the boxes of a run have in common: the operation, or the kind of the module."""
        return self.module.kind if self.module else self.node.op

    @property
    def frames(self) -> tuple[Module | Repeat, ...]:
        """What is around it, outermost first."""
        if self.repeat:
            outer = self.repeat.inside
            return (*outer, self.repeat, *self.copies[-1].frames[len(outer) :])
        if self.folded == "older":
            return ()
        if self.folded == "run":
            paths = (
                node.modules[: len(self.module.inside)] if self.module else node.modules
                for node in self.nodes
            )
            return reduce(_common, paths)
        return self.module.inside if self.module else self.node.modules


def older(box: Box) -> str:
    """What the box of all that is oldest stands for."""
    return count(len(box.nodes), "older node")


def is_inlined(node: Node) -> bool:
    """A number such as the 2 in x * 2 is written into its operation, and has no box."""
    return node.kind == "constant"


def fold(
    nodes: list[Node], max_nodes: int | None, level: str = "auto", repeats: bool = True
) -> list[Box]:
    """The boxes to draw, oldest first: one for each node, or at most `max_nodes` and one more.

    As far as it is needed, repeated blocks are drawn once; if that is not enough, modules become a
    box each, the innermost first, then the calls of an outermost module that is called again and
    again; and at last all that is oldest becomes one box. In each state a run of the same
    operation becomes a box.

    level: "op" keeps modules open; "module" folds the innermost ones, and blocks, from the start.
    repeats: False draws every one of repeated blocks.
    """
    if max_nodes is not None and max_nodes < 1:
        raise ValueError(f"max_nodes is at least 1, or None for no folding, got {max_nodes}")
    once = _fold_repeats if repeats else list[Box]
    boxes = [Box([node]) for node in nodes if not is_inlined(node) or node is nodes[-1]]
    if level == "module":
        boxes = _fold_innermost(boxes)
    drawn = once(_fold_runs(boxes)) if level == "module" else boxes
    if max_nodes is None or len(drawn) <= max_nodes:
        _connect(drawn)
        return drawn
    deepest = max(len(node.modules) for node in nodes)
    steps: list[Callable[[list[Box]], list[Box]]] = [lambda boxes: boxes]
    if level != "op":
        steps += [_at_depth(depth) for depth in range(deepest - 1, 0, -1)]
        steps += [_fold_repeated_modules]
    for step in steps:
        boxes = drawn = step(boxes)
        if len(boxes) > max_nodes:
            drawn = once(_fold_runs(boxes))
        if len(drawn) <= max_nodes:
            break
    else:
        drawn = _fold_oldest(_fold_runs(boxes), max_nodes)
    _connect(drawn)
    return drawn


def _connect(boxes: list[Box]) -> None:
    """Find the inputs of each box. Repeats are kept, except where a box stands for several."""
    box_of = {node.id: box for box in boxes for node in box.nodes}
    for box in boxes:
        has_roles = not (box.copies[-1] if box.copies else box).folded
        found = [
            ((source, role if has_roles and source.folded != "older" else ""), (node.id, place))
            for node in box.nodes
            for place, (i, role) in enumerate(zip(node.inputs, node.roles, strict=True))
            if (source := box_of.get(i)) and source is not box and not _goes_back(source, box)
        ]
        box.inputs, box.uses = [key for key, _ in found], [[use] for _, use in found]
        if box.folded or any(source.folded == "older" for source, _ in box.inputs):
            merged: dict[tuple[Box, str], list[tuple[str, int]]] = {}
            for key, use in found:
                merged.setdefault(key, []).append(use)
            box.inputs, box.uses = [*merged], [*merged.values()]


def _goes_back(source: Box, box: Box) -> bool:
    """Whether an arrow leads from one block to the next, which are drawn in one place."""
    return source.repeat is not None and source.repeat is box.repeat and source.turn >= box.turn


def _merge(boxes: list[Box], groups: list[Box]) -> list[Box]:
    """Put each of the groups, boxes themselves, in the place of the newest box that it holds."""
    group_of = {node.id: group for group in groups for node in group.nodes}
    return [
        group_of.get(box.node.id, box)
        for box in boxes
        if box.node.id not in group_of or group_of[box.node.id].node is box.node
    ]


# ---- modules -----------------------------------------------------------------------------------


def _fold_innermost(boxes: list[Box]) -> list[Box]:
    """One box for each call of a module in which no other was called."""
    outer = {m for box in boxes for m in box.node.modules[:-1]}
    innermost = {m for box in boxes for m in box.node.modules[-1:]} - outer
    return _fold_modules(boxes, lambda ms: ms[-1] if ms and ms[-1] in innermost else None, 1)


def _at_depth(depth: int) -> Callable[[list[Box]], list[Box]]:
    """One box for each call of a module that is inside so many others."""
    return lambda boxes: _fold_modules(boxes, lambda ms: ms[depth] if len(ms) > depth else None)


def _fold_repeated_modules(boxes: list[Box]) -> list[Box]:
    """One box for each call of an outermost module that is called more than once."""
    repeated = {m.kind for box in boxes for m in box.node.modules[:1] if m.call > 1}
    return _fold_modules(boxes, lambda ms: ms[0] if ms and ms[0].kind in repeated else None)


def _fold_modules(
    boxes: list[Box], chosen: Callable[[tuple[Module, ...]], Module | None], fewest: int = 2
) -> list[Box]:
    """One box for each chosen module; chosen from those around a box, outermost first."""
    inside: dict[Module, list[Box]] = {}
    for box in boxes:
        module = chosen(box.node.modules)
        if module:
            inside.setdefault(module, []).append(box)
    return _merge(
        boxes,
        [
            Box(_nodes(group), "module", module)
            for module, group in inside.items()
            if len(group) >= fewest and group[-1].what is not None
        ],
    )


def _nodes(boxes: list[Box]) -> list[Node]:
    return list(chain.from_iterable(box.nodes for box in boxes))


# ---- runs --------------------------------------------------------------------------------------


def _users(boxes: list[Box]) -> Counter[Box]:
    """How many boxes use each."""
    return Counter(chain.from_iterable({source for source, _ in box.inputs} for box in boxes))


def _fold_runs(boxes: list[Box]) -> list[Box]:
    """One box for the middle of a run: of the same operation, each used by the next one alone."""
    _connect(boxes)
    uses = _users(boxes)
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


# ---- repeated blocks ---------------------------------------------------------------------------


def _fold_repeats(boxes: list[Box]) -> list[Box]:
    """One block for those of the same structure that follow each other."""
    _connect(boxes)
    uses = _users(boxes)
    line = [box for box in boxes[:-1] if box.what is not None]  # all but the leaves and the result
    places = {box: place for place, box in enumerate(line)}
    groups = []
    for start, period, times in _repetitions(line):
        run = [line[start + i * period : start + (i + 1) * period] for i in range(times)]
        for blocks in _wired_alike(run, places, uses):
            groups += _block(blocks, f"r{places[blocks[0][0]]}", places, uses)
    return _merge(boxes, groups)


def _repetitions(line: list[Box]) -> Iterator[tuple[int, int, int]]:
    """Where boxes of the same kinds follow each other again and again: the first place, the length
    of the block, and how often it comes. The largest comes first; they do not overlap."""
    names: dict[object, int] = {}
    alike = ((b.what, b.folded, len(b.inputs), *(m.kind for m in b.node.modules)) for b in line)
    kinds = np.array([names.setdefault(kind, len(names)) for kind in alike], dtype=np.intp)
    while True:
        saved, start, period, end = 0, 0, 0, 0
        for p in range(2, min(LONGEST, len(line) // FEWEST) + 1):
            first, length = _longest(kinds[p:] == kinds[:-p])
            gain = length // p * p
            if gain > saved and len(set(kinds[first : first + p].tolist())) > 1:
                saved, start, period, end = gain, first, p, first + length + p
        if saved < (FEWEST - 1) * period or not saved:
            return
        # A block best begins where modules do.
        around = [line[i].node.modules for i in range(max(start - 1, 0), start + period)]
        if start == 0:
            around.insert(0, ())
        depths = [len(_common(a, b)) for a, b in pairwise(around)]
        begin = start + depths.index(min(depths))
        yield begin, period, (end - begin) // period
        kinds[start:end] = np.arange(-1, start - end - 1, -1) - len(names) - start


def _longest(same: Array) -> tuple[int, int]:
    """Where the longest run of True begins, and its length."""
    ends = np.flatnonzero(np.concatenate(([True], ~same, [True])))
    lengths = np.diff(ends) - 1
    longest = int(lengths.argmax())
    return int(ends[longest]), int(lengths[longest])


def _is_own(leaf: Box, uses: Counter[Box]) -> bool:
    return leaf.what is None and uses[leaf] == 1


def _wired_alike(
    run: list[list[Box]], places: dict[Box, int], uses: Counter[Box]
) -> Iterator[list[list[Box]]]:
    """The stretches of a run whose blocks have the same arrows too."""

    def alike(a: Box, b: Box) -> bool:
        for (s, _), (t, _) in zip(a.inputs, b.inputs, strict=True):
            own = _is_own(s, uses), _is_own(t, uses)
            if any(own):
                same = all(own) and s.node.kind == t.node.kind
            elif s.what is None or t.what is None:
                same = s is t
            else:
                same = s is t or places[a] - places[s] == places[b] - places[t]
            if not same:
                return False
        return True

    first = 0
    for i in range(1, len(run) + 1):
        if i == len(run) or not all(map(alike, run[i - 1], run[i])):
            if i - first >= FEWEST:
                yield run[first:i]
            first = i


def _block(
    blocks: list[list[Box]], id_: str, places: dict[Box, int], uses: Counter[Box]
) -> list[Box]:
    """The boxes of one block, each of which stands for those in all blocks."""
    columns: list[list[Box]] = []
    for column in zip(*blocks, strict=True):
        leaves = zip(
            *([s for s, _ in box.inputs if _is_own(s, uses)] for box in column), strict=True
        )
        columns += [[*leaf] for leaf in dict.fromkeys(leaves)] + [[*column]]
    frames = [box.node.modules for column in columns for box in column]
    last = places[blocks[-1][0]]
    chained = any(
        places[blocks[-2][0]] <= places.get(s, -1) < last for b in blocks[-1] for s, _ in b.inputs
    )
    repeat = Repeat(id_, len(blocks), chained, reduce(_common, frames))
    return [
        Box(_nodes(column), "repeat", column[-1].module, copies=column, repeat=repeat, turn=turn)
        for turn, column in enumerate(columns)
    ]


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
