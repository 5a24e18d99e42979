"""explain_grad: why a gradient is None or zero, and on which way it came.

>>> x = Tensor([-1.0, -2.0], requires_grad=True, name="x")
>>> loss = x.relu().sum()
>>> loss.backward()
>>> explain_grad(x, loss)
x, shape (2,): its gradient is zero.
Blocked by 'relu': its result is 0 wherever a gradient arrives, and the slope there is 0. A unit
that gives 0 for every input is dead: a smaller learning rate, another initialization or
leaky_relu() keeps units alive.
1 path leads from the loss to it:
  sum   gradient up to 1
  relu  gradient up to 1
  x     gradient up to 0
"""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_sm.anomaly import made
from tinygrad_sm.autograd import _check_unchanged, inner_tensors
from tinygrad_sm.errors import GradientError
from tinygrad_sm.graph import Contribution, Graph, Node, Turn, living
from tinygrad_sm.tensor import Tensor
from tinygrad_sm.values import Array


@dataclass(frozen=True, slots=True)
class Share:
    """What one use of the tensor adds to its gradient."""

    op: str  # the operation that used it
    module: str  # where: the module, such as 0 (Linear), or ""
    place: int  # as which of the operation's inputs
    gradient: Array


@dataclass(frozen=True, slots=True)
class Step:
    """One tensor on the way from the loss."""

    name: str  # of the operation that made it, or of the leaf
    module: str
    gradient: Array  # of the loss with respect to it


@dataclass(frozen=True, slots=True, repr=False)
class GradReport:
    """What `explain_grad` found. It prints as text.

    grad: "None", "zero", "nonzero" or "not finite": what the tensor's `grad` is.
    reason: "fine", or why it is not: "not a leaf", "requires_grad is False", "loss needs no
        gradient", "no path", "detached", "another tensor", "no derivative", "no backward",
        "cleared", "changed since", "blocked", "cancelled", "zero seed", "not finite" or, without a
        loss, "unknown".
    blockers: the operations that got a gradient and passed on none.
    dead_units: the units of a ReLU behind this weight or bias that were 0 all the time.
    contributions: what each use of the tensor gives it; their sum is the gradient.
    path: the steps from the loss to the tensor, at each fork along the largest contribution.
    paths: how many ways there are from the loss to the tensor.
    text: all of this in words.
    """

    grad: str
    reason: str
    text: str
    blockers: tuple[str, ...] = ()
    dead_units: tuple[int, ...] = ()
    contributions: tuple[Share, ...] = ()
    path: tuple[Step, ...] = ()
    paths: int = 0

    def __repr__(self) -> str:
        return self.text


def explain_grad(tensor: Tensor, loss: Tensor | None = None) -> GradReport:
    """Say why a tensor's gradient is None or zero, and on which paths from the loss it comes.

    tensor: usually a parameter.
    loss: what `backward` was, or should be, called on. Without it, only what the tensor itself
        tells.

    Ask before `optimizer.step()`: afterwards the values that the gradient came from are gone.
    What is computed inside a `detect_anomaly` block is explained with the lines of your code:
    where it was detached, or run under `no_grad`.

    Returns a GradReport, which prints as text and has what it says as data. Nothing is changed.

    >>> w = Tensor(2.0, requires_grad=True, name="w")
    >>> loss = (w * 3).detach() * 5
    >>> report = explain_grad(w, loss)
    >>> report.grad, report.reason
    ('None', 'loss needs no gradient')
    """
    for name, value in (("tensor", tensor), ("loss", loss)):
        if not isinstance(value, Tensor) and (name == "tensor" or value is not None):
            hint = "; of a module, take one of its parameters" if name == "tensor" else ""
            raise TypeError(f"{name} is a Tensor, got {type(value).__name__}{hint}")
    if loss is None:
        return _Question(tensor, None).of_the_tensor_alone()
    return _Question(tensor, loss).answer()


class _Question:
    """A tensor and a loss, and what the graph says of them."""

    def __init__(self, tensor: Tensor, loss: Tensor | None) -> None:
        self.tensor = tensor
        self.loss = loss
        self.graph = None if loss is None else Graph(loss, grads=False)
        self.nodes: dict[str, Node] = {}
        self.tensors: dict[str, Tensor] = {}
        if self.graph is not None:
            self.nodes = {node.id: node for node in self.graph.nodes}
            self.tensors = {id: t for t, id in self.graph._ids.items()}
        self.id = self.graph._ids.get(tensor, "") if self.graph else ""
        node = self.nodes.get(self.id)
        self.name = (node.name if node else tensor.name) or (
            "the tensor" if tensor.is_leaf else f"the result of '{tensor._op and tensor._op.name}'"
        )

    # ---- the reasons, one after the other ------------------------------------------------------

    def of_the_tensor_alone(self) -> GradReport:
        report = self.not_asked_for()
        if report is not None:
            return report
        if self.tensor.grad is None:
            return self.report(
                "unknown",
                "No backward pass has brought one, or it was cleared, as by zero_grad(). Give the "
                "loss too, explain_grad(tensor, loss), to see whether a path leads to it.",
            )
        if self.grad() == "nonzero":
            return self.report("fine", "")
        return self.report("unknown", "Give the loss too, explain_grad(tensor, loss), to see why.")

    def answer(self) -> GradReport:
        assert self.loss is not None
        if not self.tensor.requires_grad:
            report = self.not_asked_for()
            assert report is not None
            return report
        if not self.loss.requires_grad:
            return self.report(
                "loss needs no gradient",
                "The loss is outside the graph: no operation that led to it was recorded. "
                + (self.where_cut([self.loss])[1] or _OUTSIDE),
            )
        if not self.id:
            leaves = [t for t in self.tensors.values() if t.is_leaf]
            reason, where = self.where_cut(leaves)
            found = "No recorded operation leads from it to the loss. "
            return self.report(reason or "no path", found + (where or _NO_PATH))
        if self.loss._backward_seed is None:
            self.loss._seed(None)  # an error unless it is a single number
        try:
            for t in inner_tensors([self.loss]):
                _check_unchanged(t, t._inputs)
        except GradientError as error:
            return self.report(
                "changed since",
                f"The paths cannot be gone through any more: {error} To see them, ask before "
                "optimizer.step().",
            )
        assert self.graph is not None
        return self.of_the_paths(self.graph.backward_turns())

    def not_asked_for(self) -> GradReport | None:
        """The report on a tensor that no backward pass gives a gradient to keep."""
        t = self.tensor
        if not t.requires_grad:
            known = made(t)
            if known is not None and known.cut is not None:
                why = f"It was computed outside the graph: {_cut(t)}"
            elif t.dtype.kind != "f":
                why = f"It holds {t.dtype} numbers: only floating-point ones can need a gradient."
            else:
                why = (
                    "Its requires_grad is False, so no gradient is computed for it. Set "
                    "requires_grad=True before the forward pass (nn.Parameter does), or compute "
                    "it outside of no_grad() from tensors that need one."
                )
            return self.report("requires_grad is False", why)
        if not t.is_leaf and not t._retains_grad and t.grad is None and self.loss is None:
            return self.report("not a leaf", _NOT_A_LEAF)
        return None

    def of_the_paths(self, turns: list[Turn]) -> GradReport:
        uses = self.uses(turns)
        mine = uses[self.id]
        if self.tensor is self.loss:
            return self.report("fine" if self.grad() != "None" else "not a leaf", "It is the loss.")
        if not mine:
            ops = " and ".join(f"'{op}'" for op in self.without_derivative(turns))
            return self.report(
                "no derivative",
                f"The only way to it is through an input of {ops} that has no derivative, "
                "as labels have none.",
            )
        total = mine[-1][1].total
        blockers = self.blockers(uses)
        dead = self.dead_units(turns, total)
        grad = self.tensor.grad
        with np.errstate(all="ignore"):
            if not np.isfinite(total).all():
                reason = "not finite"
                text = "detect_anomaly() names the operation where that began."
            elif grad is None and not self.tensor.is_leaf and not self.tensor._retains_grad:
                reason, text = "not a leaf", _NOT_A_LEAF
            elif grad is None:
                assert self.loss is not None
                if self.loss._backward_seed is None:
                    reason = "no backward"
                    text = "backward() has not been called on this loss. The paths are there."
                else:
                    reason = "cleared"
                    text = (
                        "backward() was called on this loss, but its gradient was cleared since, "
                        "as by zero_grad(), or the call ended in an error."
                    )
            elif not total.any():
                reason, text = self.why_zero(uses, blockers)
                if grad.any():
                    text += " What its grad holds does not come from this loss."
            elif not np.allclose(grad, total, rtol=1e-3, atol=1e-6 * _size(total)):
                reason = "fine"
                text = (
                    "Its grad is not what this loss gives now: another backward pass added to it, "
                    "a hook or clipping changed it, or a value was written to since."
                )
            else:
                reason, text = "fine", ""
        if grad is None and not total.any():
            text += f" It would be zero. {self.why_zero(uses, blockers)[1]}"
        if dead and total.any():
            text = f"{text} {_dead(dead, self.tensor)}".strip()
        return self.report(
            reason,
            text,
            blockers=tuple(self.nodes[turn.id].op or "" for turn, _ in blockers),
            dead_units=dead,
            contributions=tuple(
                Share(self.nodes[turn.id].op or "", self.module(turn.id), c.place, c.gradient)
                for turn, c in mine
            ),
            path=self.largest_path(uses, turns),
            paths=self.count(turns),
        )

    # ---- from the graph ------------------------------------------------------------------------

    def uses(self, turns: list[Turn]) -> dict[str, list[tuple[Turn, Contribution]]]:
        """For each tensor, what the operations that used it give it."""
        found = defaultdict(list)
        for turn in turns:
            for c in turn.contributions:
                found[self.nodes[turn.id].inputs[c.place]].append((turn, c))
        return found

    def count(self, turns: list[Turn]) -> int:
        """The number of paths from the loss: it may be enormous, but adds up."""
        paths = defaultdict(int, {turns[0].id: 1})
        for turn in turns:
            for c in turn.contributions:
                paths[self.nodes[turn.id].inputs[c.place]] += paths[turn.id]
        return paths[self.id]

    def largest_path(
        self, uses: dict[str, list[tuple[Turn, Contribution]]], turns: list[Turn]
    ) -> tuple[Step, ...]:
        mine = uses[self.id]
        steps = [Step(self.name, "", mine[-1][1].total)]
        id = self.id
        while uses[id]:
            turn, _ = max(
                uses[id], key=lambda use: (_size(use[1].gradient), _size(use[0].upstream))
            )
            id = turn.id
            steps.append(Step(self.nodes[id].op or "", self.module(id), turn.upstream))
        return tuple(reversed(steps))

    def blockers(
        self, uses: dict[str, list[tuple[Turn, Contribution]]]
    ) -> list[tuple[Turn, Contribution]]:
        """The operations on the paths that got a gradient but give none, the latest first."""
        if uses[self.id][-1][1].total.any():
            return []
        found = {}
        ids = [self.id]
        for id in ids:  # the list grows while we walk along it
            for turn, c in uses[id]:
                if not turn.upstream.any():
                    if turn.id not in ids:
                        ids.append(turn.id)
                elif not c.gradient.any():
                    found[turn.id, c.place] = (turn, c)
        number = {id: i for i, id in enumerate(self.nodes)}
        return sorted(found.values(), key=lambda each: -number[each[0].id])

    def why_zero(
        self,
        uses: dict[str, list[tuple[Turn, Contribution]]],
        blockers: list[tuple[Turn, Contribution]],
    ) -> tuple[str, str]:
        if not blockers:
            if any(c.gradient.any() for _, c in uses[self.id]):
                return "cancelled", "The contributions of its uses add up to zero."
            seed = self.loss._backward_seed if self.loss is not None else None
            if seed is not None and not np.any(seed):
                return "zero seed", "backward() was given a gradient of zeros to start from."
            return "cancelled", "On the way to it, contributions add up to zero."
        sentences = []
        for turn, c in blockers[:3]:
            node = self.nodes[turn.id]
            sentences.append(f"Blocked by {self.called(node)}: {self.why_blocked(node, turn, c)}")
        if len(blockers) > 3:
            sentences.append(f"So do {len(blockers) - 3} others.")
        return "blocked", "\n".join(sentences)

    def why_blocked(self, node: Node, turn: Turn, c: Contribution) -> str:
        """How an operation came to give nothing, as far as that can be said for sure."""
        t = self.tensors[turn.id]
        g = np.broadcast_to(turn.upstream, t.shape)
        arrives = g != 0
        if node.op == "relu" and not t._data[arrives].any():
            return (
                "its result is 0 wherever a gradient arrives, and the slope there is 0. A unit "
                "that gives 0 for every input is dead: a smaller learning rate, another "
                "initialization or leaky_relu() keeps units alive."
            )
        others = [i for i in range(len(t._inputs)) if i != c.place]
        if node.op == "multiply":
            other = np.broadcast_to(t._arrays[others[0]], t.shape)
            if not other[arrives].any():
                return (
                    f"its other input{self.of(node, others[0])} is 0 wherever a gradient arrives."
                )
        if node.op in ("linear", "matmul", "conv2d", "conv_transpose2d", "einsum"):
            for i in others[: None if node.op == "einsum" else 1]:  # but not a bias
                if not t._arrays[i].any():
                    return f"its other input{self.of(node, i)} is all 0."
        for ops, why in _ZERO_SLOPES:
            if node.op in ops and (c.place == 0 or node.op not in _OF_THE_FIRST):
                return why
        return "what it passes on is 0 for these numbers."

    def of(self, node: Node, place: int) -> str:
        """Which of the operation's inputs it is."""
        other = self.nodes[node.inputs[place]]
        if other.op is not None:
            return f", the result of {self.called(other)},"
        return f", {other.name}," if other.name else ""

    def without_derivative(self, turns: list[Turn]) -> list[str]:
        """The operations that had their turn, but passed nothing on towards the tensor."""
        reached = {turn.id for turn in turns}
        found = set()
        ids = [self.id]
        for id in ids:  # the list grows while we walk along it, towards the loss
            for node in self.nodes.values():
                if id in node.inputs and node.id in reached:
                    found.add(node.op or "")
                elif id in node.inputs and node.id not in ids:
                    ids.append(node.id)
        return sorted(found)

    def dead_units(self, turns: list[Turn], total: Array) -> tuple[int, ...]:
        """The units of ReLUs behind this weight or bias that are 0 for the whole batch, and for
        which its gradient is 0."""
        reached = {turn.id for turn in turns}
        dead: set[int] = set()
        for node in self.nodes.values():
            axis = {"linear": -1, "conv2d": 1}.get(node.op or "")
            if axis is None or self.id not in node.inputs[1:] or node.id not in reached:
                continue
            for after in self.nodes.values():
                if after.op == "relu" and node.id in after.inputs:
                    units = np.moveaxis(after.value, axis, 0)
                    zero = ~units.reshape(len(units), -1).any(axis=1)
                    dead |= {int(i) for i in np.flatnonzero(zero) if not total[i].any()}
        return tuple(sorted(dead))

    # ---- where the way was cut -----------------------------------------------------------------

    def where_cut(self, leaves: list[Tensor]) -> tuple[str, str]:
        """The reason, and in words where the way from the tensor to one of the leaves was cut;
        both "" if it cannot be told."""
        for leaf in leaves:
            known = made(leaf)
            if known is not None and known.cut is not None and self.tensor.number in known.sources:
                return "detached", f"A way was cut {_cut(leaf)}"
        computed = _computed_from(self.tensor)
        for kind, holds in _ALIKE:
            for leaf in leaves:
                for t in computed:
                    if t is not leaf and holds(leaf, t):
                        return self.alike(leaf, t, kind)
        return "", ""

    def alike(self, leaf: Tensor, t: Tensor, kind: str) -> tuple[str, str]:
        who = "it" if t is self.tensor else _described(t)
        what = "The loss" if leaf is self.loss else f"The loss uses {_described(leaf)}, which"
        if leaf.requires_grad:
            return "another tensor", (
                f"{what} {kind} {who}, but is another tensor: was a parameter replaced after it "
                "was handed to the loss or the optimizer?"
            )
        return "detached", (
            f"{what} {kind} {who}, but is outside its graph, as after detach(), numpy(), .data or "
            "Tensor(…). Use the tensor itself."
        )

    # ---- in words ------------------------------------------------------------------------------

    def module(self, id: str) -> str:
        modules = self.nodes[id].modules
        if not modules:
            return ""
        name, kind = modules[-1].name, modules[-1].kind
        return f"{name} ({kind})" if name else kind

    def called(self, node: Node) -> str:
        """An operation, with its module and the line of code if that is known."""
        known = made(self.tensors[node.id])
        code = known.place.code() if known else ""
        module = self.module(node.id)
        return f"'{node.op}'" + (f" in {module}" if module else "") + (f" ({code})" if code else "")

    def grad(self) -> str:
        grad = self.tensor.grad
        if grad is None:
            return "None"
        if not np.isfinite(grad).all():
            return "not finite"
        return "nonzero" if grad.any() else "zero"

    def report(self, reason: str, why: str, **found: Any) -> GradReport:
        grad = self.grad()
        size = ""
        if grad == "nonzero" and self.tensor.grad is not None:
            size = f", up to {_size(self.tensor.grad):.4g}"
        where = f", shape {self.tensor.shape}" if self.tensor.ndim else ""
        lines = [f"{self.name}{where}: its gradient is {grad}{size}."]
        lines += [textwrap.fill(part, 100) for part in why.splitlines()]
        report = GradReport(grad, reason, "", **found)
        if report.paths:
            lines += _paths(report)
        return GradReport(grad, reason, "\n".join(lines), **found)


def _paths(report: GradReport) -> list[str]:
    lines = []
    if len(report.contributions) > 1:
        lines.append(f"{len(report.contributions)} uses add to it:")
        rows = [
            (share.op, share.module, f"up to {_size(share.gradient):.4g}")
            for share in report.contributions
        ]
        lines += _table(rows)
    n = report.paths
    count = f"{n:,}" if n < 10**9 else f"{float(n):.1e}" if n < 10**300 else "countless"
    if n == 1:
        lines.append("1 path leads from the loss to it:")
    else:
        lines.append(
            f"{count} paths lead from the loss to it. At each fork along the largest contribution:"
        )
    rows = [(s.name, s.module, f"gradient up to {_size(s.gradient):.4g}") for s in report.path]
    if len(rows) > 24:
        rows = [*rows[:11], (f"… {len(rows) - 22} more", "", ""), *rows[-11:]]
    return lines + _table(rows)


def _table(rows: list[tuple[str, str, str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    return [
        "  "
        + "  ".join(f"{cell:{w}}" for cell, w in zip(row[:2], widths, strict=True) if w)
        + f"  {row[2]}".rstrip()
        for row in rows
    ]


def _size(array: Any) -> float:
    """The largest absolute value."""
    return float(np.abs(array).max(initial=0))


def _cut(t: Tensor) -> str:
    """What took a tensor out of the graph, and on which line."""
    known = made(t)
    assert known is not None
    assert known.cut is not None
    why, place = known.cut
    code = place.code()
    return why + (f", at {code}" if code else ".")


def _described(t: Tensor) -> str:
    text = t._describe()
    return f"a {text}" if t.is_leaf else text


def _dead(units: tuple[int, ...], tensor: Tensor) -> str:
    shown = ", ".join(map(str, units[:12])) + (", …" if len(units) > 12 else "")
    return (
        f"{len(units)} of its {tensor.shape[0]} units get no gradient, as their relu gave 0 for "
        f"the whole batch: {shown}."
    )


_NOT_A_LEAF = (
    "It is the result of an operation, and backward() keeps gradients only for leaves, the tensors "
    "that you made. Call its retain_grad() before backward(), or use "
    "tinygrad_sm.grad(loss, tensor)."
)
_OUTSIDE = (
    "It was computed under no_grad(), or from nothing that needs a gradient: from tensors with "
    "requires_grad=False, or detached by detach(), numpy(), .data, item() or Tensor(…). Compute it "
    "inside detect_anomaly() to have the line named."
)
_NO_PATH = (
    "Either the loss does not use it, or on the way numbers were taken out of the graph, by "
    "detach(), numpy(), .data, item(), Tensor(…), no_grad() or an operation without a derivative "
    "(comparisons, argmax). Compute the loss inside detect_anomaly() to have the line named."
)
_ZERO_SLOPES: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("sign", "floor", "ceil", "trunc", "round", "floor_divide", "trunc_divide"),
        "it is constant between its jumps, so its slope is 0 everywhere.",
    ),
    (
        ("sigmoid", "tanh", "erf", "erfc"),
        "it is saturated: its input is so large that the slope is rounded to 0.",
    ),
    (
        ("clamp", "clamp_min", "clamp_max", "clamp_between", "hardtanh", "hardsigmoid"),
        "all numbers that get a gradient are outside its bounds, where the slope is 0.",
    ),
    (
        ("where", "maximum", "minimum", "max", "min", "max_pool2d"),
        "it chose other numbers wherever a gradient arrives.",
    ),
    (("getitem", "gather"), "it picked other elements wherever a gradient arrives."),
    (
        ("softmax",),
        "the gradient that arrives is the same for all classes whose probability is not 0.",
    ),
    (
        ("cross_entropy", "soft_cross_entropy", "binary_cross_entropy_with_logits"),
        "the predicted probabilities are those of the target already, or no label counts.",
    ),
    (
        ("mse_loss", "l1_loss", "huber_loss"),
        "the predictions are the targets already.",
    ),
)
_OF_THE_FIRST = ("clamp_min", "clamp_max", "clamp_between", "soft_cross_entropy")  # input alone


def _computed_from(tensor: Tensor) -> list[Tensor]:
    """The tensor and all living ones in whose graph it is."""
    found = {tensor}
    for t in sorted(living(Tensor), key=lambda t: t.number):  # inputs before results
        if not found.isdisjoint(t._inputs):
            found.add(t)
    return sorted(found, key=lambda t: t.number)


def _shares_memory(a: Tensor, b: Tensor) -> bool:
    if a._version is not None and a._version is b._version:
        return True
    return _owner(a._data) is _owner(b._data) and np.may_share_memory(a._data, b._data)


def _owner(array: Any) -> Any:
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return array


def _has_same_numbers(a: Tensor, b: Tensor) -> bool:
    """Whether the numbers are the same, and enough of them not to be so by chance."""
    x = a._data
    return (
        x.shape == b.shape
        and x.dtype.kind == "f"
        and x.size > 1
        and bool((x != x.flat[0]).any())
        and np.array_equal(x, b._data)
    )


_ALIKE: tuple[tuple[str, Callable[[Tensor, Tensor], bool]], ...] = (
    ("shares its memory with", _shares_memory),
    ("holds the same numbers as", _has_same_numbers),
)
