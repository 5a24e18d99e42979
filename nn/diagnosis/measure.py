"""What a step with one batch shows, as numbers. Nothing is judged, and nothing left changed.

The computation graph has it all: which module made each value, and the values. So what is written
as a method, `x.relu()`, is seen as well as an `nn.ReLU`.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from nn.dropout import Dropout
from nn.loss import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, Loss, MSELoss, NLLLoss
from nn.module import Module, Parameter
from nn.optim import SGD, Adam, Optimizer
from tinygrad_sm import Tensor, default_generator, enable_grad, grad, no_grad
from tinygrad_sm.graph import Graph, Node

Array = npt.NDArray[Any]
Weights = dict[str, Array]  # the values of parameters by name

LOSSES = {  # what each computes, by class and by operation
    CrossEntropyLoss: "cross_entropy",
    NLLLoss: "nll_loss",
    BCELoss: "binary_cross_entropy",
    BCEWithLogitsLoss: "binary_cross_entropy_with_logits",
    MSELoss: "mse_loss",
}
OPERATIONS = {name: name for name in LOSSES.values()} | {"soft_cross_entropy": "cross_entropy"}
WEIGHTED = {"linear", "matmul", "conv2d", "conv_transpose2d", "einsum", "getitem"}
ACTIVATIONS = {
    "celu",
    "elu",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "tanh",
}
FEW = 8  # calls of one module that are rows of their own
MOVES = {"reshape", "permute"}  # the same values in another shape
SATURATED: dict[str, Callable[[Array], Array]] = {
    "tanh": lambda y: np.abs(y) > 0.99,
    "sigmoid": lambda y: np.abs(y - 0.5) > 0.49,
}


@dataclass(frozen=True, slots=True)
class Layer:
    """The numbers of one layer: a module of `nn`, or an operation in a module of your own."""

    name: str  # dotted, such as block.0.relu
    kind: str  # the class, or the operation
    shape: tuple[int, ...]  # of its output
    mean: float  # of its output
    std: float
    dead: float | None  # the share of its ReLUs that are 0 for every example
    saturated: float | None  # the share of its tanh or sigmoid values at their ends
    signal: float | None  # ‖∂loss/∂output‖, what comes back to it; None if nothing does
    weight_norm: float | None  # ‖w‖; all of these None for a layer without weights to learn
    gradient_norm: float | None  # ‖∂loss/∂w‖
    vanished: float | None  # the share of ∂loss/∂w too small to change w in its dtype, at lr = 1
    exploded: float | None  # the share above 1000 times the root mean square of w, or not finite
    update_ratio: float | None = None  # ‖Δw‖ / ‖w‖ in the first step; None without an optimizer
    units: int = 0  # how many ReLUs there are
    weights: tuple[str, ...] = field(default=(), repr=False)  # their names
    last: bool = field(default=False, repr=False)  # whether the loss takes its output


@dataclass(frozen=True, slots=True)
class Run:
    """Some steps with the same batch."""

    optimizer: str
    losses: tuple[float, ...]  # before the first step, and after each
    spread: float = math.nan  # how far outputs lie apart in the end, beside the largest

    @property
    def steps(self) -> int:
        """How many there were."""
        return len(self.losses) - 1

    @property
    def best(self) -> float:
        """The lowest loss."""
        return min((loss for loss in self.losses if math.isfinite(loss)), default=math.nan)


@dataclass(slots=True)
class Measured:
    """All that the checks read."""

    model: str
    loss_fn: str
    training: bool  # the model's mode
    loss_kind: str | None  # cross_entropy, …; None for a loss that is not known
    x: Array
    y: Array
    output: Array
    loss: float
    baseline: float | None = None  # the loss of equal scores, or of the mean
    floor: float | None = None  # the lowest loss there can be, or a bit above
    constant: float | None = None  # the lowest with the same answer to every input
    plain_floor: bool = False  # whether it is the lowest exactly
    groups: int = 0  # how many different inputs there are
    clashing: int = 0  # how many examples equal another one but for their target
    layers: list[Layer] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)  # the graph's
    net: dict[str, Node] = field(default_factory=dict)  # those made in the model, by id
    sources: list[Node] = field(default_factory=list)  # whose values the loss takes
    parameters: dict[str, Parameter] = field(default_factory=dict)
    gradients: dict[str, Array] = field(default_factory=dict)
    cut_off: set[str] = field(default_factory=set)  # parameters of layers used for nothing
    first_broken: str | None = None  # the first layer whose output is not finite
    equal_units: dict[str, int] = field(default_factory=dict)  # how many, by layer
    run: Run | None = None  # with the optimizer given, else Adam
    reference: Run | None = None  # with Adam
    no_run: str = ""  # why not

    @property
    def examples(self) -> int:
        """How many there are in the batch."""
        return len(self.x) if self.x.ndim else 1

    @property
    def class_counts(self) -> Array | None:
        """How many examples each class has; None where the targets are no class indices."""
        classes = self.output.shape[1] if self.output.ndim > 1 else 0
        known = self.loss_kind in ("cross_entropy", "nll_loss") and self.y.dtype.kind in "iu"
        if not (known and classes):
            return None
        labels = self.y[(self.y >= 0) & (self.y < classes)]  # without those to ignore
        return np.bincount(labels.ravel(), minlength=classes)


def measure(
    model: Module,
    loss_fn: Any,
    x: Any,
    y: Any,
    optimizer: Optimizer | None,
    overfit_steps: int,
) -> Measured:
    """Take one step's numbers, and those of some steps of a copy."""
    x = x.detach() if isinstance(x, Tensor) else Tensor(x)
    if not x.numel():
        raise ValueError(f"diagnose needs a batch with examples, got x of shape {x.shape}")
    y = y.detach() if isinstance(y, Tensor) else y
    parts = [*model.modules(), *(loss_fn.modules() if isinstance(loss_fn, Module) else ())]
    with np.errstate(all="ignore"), enable_grad(), _unchanged(parts):
        trial = _Trial(model, loss_fn, x, y, optimizer)  # before anything is kept in the model
        seen = _one_step(model, loss_fn, x, y)
        trial.run(seen, overfit_steps)
    return seen


@contextmanager
def _unchanged(modules: list[Module]) -> Iterator[None]:
    """Put attributes (the mode and hooks among them), buffers and random numbers back."""
    attributes = [(m, vars(m).copy()) for m in modules]
    buffers = [(b, b.data.copy()) for m in modules for b in m.buffers(recurse=False)]
    random = default_generator().bit_generator
    state = random.state
    try:
        yield
    finally:
        for module, before in attributes:
            vars(module).clear()
            vars(module).update(before)
        for buffer, values in buffers:
            buffer.data[...] = values
        random.state = state


# ---- one step ----------------------------------------------------------------------------------


def _one_step(model: Module, loss_fn: Any, x: Tensor, y: Any) -> Measured:
    with _watched(model) as recorded:
        output = model(x)
    loss = loss_fn(output, y)
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        what = f"shape {loss.shape}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
        raise ValueError(f'the loss needs to be one number, got {what}: use reduction="mean"')
    scores = output.numpy() if isinstance(output, Tensor) else np.zeros(0)
    seen = Measured(
        type(model).__name__,
        type(loss_fn).__name__ if isinstance(loss_fn, Module) else _name(loss_fn),
        model.training,
        None,
        x.numpy(),
        _array(y),
        scores,
        loss.item(),
    )
    seen.parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
    seen.gradients = _gradients(loss, seen.parameters)
    seen.cut_off = {
        name
        for prefix in recorded
        for name, p in model.get_submodule(prefix).named_parameters(prefix, recurse=False)
        if p.requires_grad and name not in seen.gradients
    }
    _read_graph(seen, model, loss_fn, loss)
    if isinstance(output, Tensor) and seen.loss_kind is not None:
        _compare(seen, loss_fn, y)
    return seen


def _array(y: Any) -> Array:
    try:
        return y.numpy() if isinstance(y, Tensor) else np.asarray(y)
    except ValueError:  # of several parts, as only a function of one's own takes it
        return np.zeros(0)


def _name(function: Any) -> str:
    name = getattr(function, "__name__", type(function).__name__)
    return "a function" if name == "<lambda>" else f"{name}()"


@contextmanager
def _watched(model: Module) -> Iterator[set[str]]:
    """The names of the layers of `nn` whose result was recorded: filled in as they are called."""
    recorded: set[str] = set()

    def watch(name: str) -> Callable[..., None]:
        def hook(module: Module, inputs: tuple[Any, ...], output: Any) -> None:
            if isinstance(output, Tensor) and output.requires_grad:
                recorded.add(name)

        return hook

    layers = _layers(model).items()
    removers = [layer.register_forward_hook(watch(name)) for name, layer in layers]
    try:
        yield recorded
    finally:
        for remove in removers:
            remove()


def _layers(model: Module) -> dict[str, Module]:
    """The modules of `nn` that hold no others, by name."""
    return {
        name: module
        for name, module in model.named_modules()
        if type(module).__module__.startswith("nn.") and not any(True for _ in module.children())
    }


def _gradients(loss: Tensor, parameters: dict[str, Parameter]) -> dict[str, Array]:
    """The gradients of the parameters that the loss depends on, by name. No `grad` is touched."""
    if not (loss.requires_grad and parameters):
        return {}
    found = grad(loss, list(parameters.values()), allow_unused=True)
    return {n: g.numpy() for n, g in zip(parameters, found, strict=True) if g is not None}


def _read_graph(seen: Measured, model: Module, loss_fn: Any, loss: Tensor) -> None:
    graph = Graph(loss, grads=False)
    seen.nodes = graph.nodes
    outside = type(loss_fn).__name__ if isinstance(loss_fn, Module) else None
    made = [n for n in graph.nodes if n.op is not None]
    net = [n for n in made if n.modules and n.modules[0].kind != outside]
    seen.net = {n.id: n for n in net}
    nodes = {n.id: n for n in graph.nodes}

    losses = [n for n in made if n.op in OPERATIONS and n.id not in seen.net]
    if isinstance(loss_fn, Loss):
        seen.loss_kind = LOSSES.get(type(loss_fn))
        taken = [i for n in made if n.id not in seen.net for i in n.inputs if i in seen.net]
    else:
        seen.loss_kind = OPERATIONS[losses[0].op or ""] if len(losses) == 1 else None
        taken = [n.inputs[0] for n in losses]
    seen.sources = [unmoved(nodes[i], nodes) for i in dict.fromkeys(taken)]

    signals = {turn.id: turn.upstream for turn in graph.backward_turns()}
    seen.layers = [
        _layer(name, kind, outputs, nodes, signals, seen, model)
        for (name, kind), outputs in _rows(net, nodes, model).items()
    ]
    broken = (n for n in net if not np.isfinite(n.value).all())
    first = next(broken, None)
    if first is not None:
        seen.first_broken = first.modules[-1].name or first.op


def unmoved(node: Node, nodes: dict[str, Node]) -> Node:
    """The node, or the one whose values it has in another shape."""
    while node.op in MOVES:
        node = nodes[node.inputs[0]]
    return node


def _rows(
    net: list[Node], nodes: dict[str, Node], model: Module
) -> dict[tuple[str, str], list[Node]]:
    """The outputs of each layer, by name and kind, one for each call.

    A module of `nn` is a layer; in a module of one's own, activations and what has weights are. A
    module without weights that is called in a few places, such as one ReLU for all, is as many.
    """
    whole = _layers(model)
    net = [n for n in net if n.modules[0].kind == type(model).__name__]  # not called by the loss
    calls = Counter(call.name for call in {n.modules[-1].id: n.modules[-1] for n in net}.values())
    rows: dict[tuple[str, str], list[Node]] = {}
    times: Counter[tuple[str, str]] = Counter()  # of an operation in one call: relu, relu 2, …
    for call, group in groupby(net, key=lambda n: n.modules[-1]):
        inside = list(group)
        if call.name in whole:
            if not all(n.op in MOVES for n in inside):
                shared = [*whole[call.name].parameters()] or calls[call.name] > FEW
                name = (call.name or call.kind) + ("" if shared else _count(call.call))
                rows.setdefault((name, call.kind), []).append(inside[-1])
            continue
        for node in inside:
            op = node.op or ""
            if op in ACTIVATIONS or (op in WEIGHTED and _weights(node, nodes)):
                times[call.id, op] += 1
                name = f"{call.name}.{op}".lstrip(".") + _count(times[call.id, op])
                rows.setdefault((name, op), []).append(node)
    return rows


def _count(n: int) -> str:
    """What comes after a name: relu, relu 2, …"""
    return f" {n}" if n > 1 else ""


def _weights(node: Node, nodes: dict[str, Node]) -> list[str]:
    """The names of the parameters that the operation takes."""
    inputs = (nodes[i] for i in node.inputs)
    return [x.name for x in inputs if x.kind == "parameter" and x.name]


def _layer(
    name: str,
    kind: str,
    outputs: list[Node],
    nodes: dict[str, Node],
    signals: dict[str, Array],
    seen: Measured,
    model: Module,
) -> Layer:
    values = np.concatenate([n.value.ravel() for n in outputs]).astype(float)
    op = outputs[-1].op or ""
    dead, units = _dead(outputs, nodes) if op == "relu" else (None, 0)
    saturated = float(SATURATED[op](values).mean()) if op in SATURATED and values.size else None
    coming = [signals[n.id] for n in outputs if n.id in signals]
    if kind == op:
        names = _weights(outputs[-1], nodes)
    else:
        path = outputs[-1].modules[-1].name
        names = [n for n, _ in model.get_submodule(path).named_parameters(path)]
    names = [n for n in names if n in seen.gradients]
    matrices = [n for n in names if seen.parameters[n].ndim > 1]
    w, g = (
        np.concatenate([part(n).ravel() for n in matrices or names]) if names else None
        for part in (lambda n: seen.parameters[n].data, seen.gradients.__getitem__)
    )
    return Layer(
        name=name,
        kind=kind,
        shape=outputs[-1].shape,
        mean=float(values.mean()) if values.size else math.nan,
        std=float(values.std()) if values.size else math.nan,
        dead=dead,
        saturated=saturated,
        signal=_norm(*coming) if coming else None,
        weight_norm=None if w is None else _norm(w),
        gradient_norm=None if g is None else _norm(g),
        vanished=None if w is None or g is None else _vanished(w, g),
        exploded=None if w is None or g is None else _exploded(w, g),
        units=units,
        weights=tuple(matrices or names),
        last=not {n.id for n in outputs}.isdisjoint(n.id for n in seen.sources),
    )


def _norm(*arrays: Array) -> float:
    return math.sqrt(sum(float(np.square(a, dtype=float).sum()) for a in arrays))


def _vanished(w: Array, g: Array) -> float:
    return float((np.abs(g) <= np.finfo(w.dtype).eps * np.abs(w)).mean())


def _exploded(w: Array, g: Array) -> float:
    typical = _norm(w) / math.sqrt(w.size)
    return float((~np.isfinite(g) | ((np.abs(g) > 1000 * typical) & (typical > 0))).mean())


def _dead(outputs: list[Node], nodes: dict[str, Node]) -> tuple[float | None, int]:
    """The share of units that are 0 for every example, and how many units there are."""
    axis = _channel_axis(outputs[-1], nodes)
    silent = []
    for node in outputs:
        others = tuple(i for i in range(node.value.ndim) if i != axis % node.value.ndim)
        if axis == 0:  # unknown: each element of an example is a unit
            others = (0,)
        silent.append((node.value <= 0).all(axis=others).ravel())
    if not silent[0].size or len({s.size for s in silent}) > 1:
        return None, 0
    dead = np.logical_and.reduce(silent)
    return float(dead.mean()), dead.size


def _channel_axis(node: Node, nodes: dict[str, Node]) -> int:
    """Which axis counts the units of an activation; 0 if that is not known."""
    ndim = node.value.ndim
    while node.op is not None and node.op not in MOVES:
        if node.op in ("linear", "matmul"):
            return -1
        if node.op.startswith("conv"):
            return 1
        node = nodes[node.inputs[0]]
    return -1 if ndim <= 2 else 0


def where(node: Node) -> str:
    """The name of the layer that the node belongs to."""
    return (node.modules[-1].name if node.modules else "") or node.op or ""


def _equal_units(seen: Measured) -> Iterator[tuple[Node, list[str]]]:
    """The hidden layers all of whose units have the same weights, with the weights' names.

    Not the last one: its units have targets of their own.
    """
    nodes = {n.id: n for n in seen.nodes}
    sources = {n.id for n in seen.sources}
    takers: dict[str, list[Node]] = {}
    for n in seen.nodes:
        for i in n.inputs:
            takers.setdefault(i, []).append(n)
    for node in seen.net.values():
        if node.op not in ("linear", "conv2d", "matmul"):
            continue
        inputs = [unmoved(nodes[i], nodes) for i in node.inputs[1:]]
        sums = [t for t in takers.get(node.id, []) if t.op == "add"]
        inputs += [x for t in sums for x in (nodes[i] for i in t.inputs) if x.op is None]
        names = [x.name for x in inputs if x.name in seen.gradients]
        if not names or len(names) < len(inputs) or {node.id, *(t.id for t in sums)} & sources:
            continue
        values = {n: p.data for n, p in seen.parameters.items()}
        if _units(node) > 1 and _units_equal(node, [n for n in names if n], values):
            yield node, [n for n in names if n]


def _units(node: Node) -> int:
    return node.shape[1 if node.op == "conv2d" else -1]


def _units_equal(node: Node, names: list[str], weights: Weights) -> bool:
    """Whether all units have the same weights, but for rounding."""
    units = [weights[n].T if node.op == "matmul" else weights[n] for n in names]
    return all(np.abs(u - u[:1]).max() <= 1e-5 * np.abs(u).max() for u in units)


# ---- what the loss could be --------------------------------------------------------------------


def _compare(seen: Measured, loss_fn: Any, y: Any) -> None:
    """Fill in the loss of equal scores (or the mean), and the lowest there can be."""
    kind, scores, target = seen.loss_kind, seen.output, seen.y

    def loss_of(values: Array) -> float:
        with no_grad():
            return float(loss_fn(Tensor(values.astype(scores.dtype)), y).item())

    if kind in ("cross_entropy", "binary_cross_entropy_with_logits"):
        seen.baseline = loss_of(np.zeros_like(scores))
    elif kind == "mse_loss" and target.shape == scores.shape:
        seen.baseline = loss_of(np.broadcast_to(target.mean(axis=0), scores.shape))

    n = len(scores) if scores.ndim else 0
    labels = kind == "cross_entropy" and target.ndim == 1 and target.dtype.kind in "iu"
    if n < 2 or seen.examples != n or target.shape[:1] != (n,) or not np.isfinite(seen.x).all():
        return
    if labels and scores.ndim == 2 and ((target >= 0) & (target < scores.shape[1])).all():
        wanted = np.eye(scores.shape[1])[target]
    elif target.shape == scores.shape and kind is not None:
        wanted = target.astype(float)
    else:
        return
    _, group = np.unique(seen.x.reshape(n, -1), axis=0, return_inverse=True)
    group = group.ravel()
    sizes = np.bincount(group)
    seen.groups = len(sizes)
    sums = np.zeros((len(sizes), *wanted.shape[1:]))
    np.add.at(sums, group, wanted)
    mean = (sums / sizes.reshape(-1, *[1] * (wanted.ndim - 1)))[group]
    differs = np.abs(mean - wanted).reshape(n, -1).max(axis=1, initial=0) > 1e-6
    seen.clashing = int(differs.sum())
    best = {  # what to predict to come as close as can be
        "cross_entropy": lambda t: np.log(t + 1e-7),
        "binary_cross_entropy_with_logits": lambda t: np.log((t + 1e-7) / (1 - t + 1e-7)),
        "binary_cross_entropy": lambda t: t,
        "mse_loss": lambda t: t,
    }
    if kind in best:
        seen.floor = loss_of(best[kind](mean))
        everywhere = np.broadcast_to(wanted.mean(axis=0), wanted.shape)
        seen.constant = loss_of(best[kind](everywhere))
        extra = {"weight", "pos_weight", "label_smoothing"}
        seen.plain_floor = isinstance(loss_fn, Loss) and not any(
            value is not None and value != 0
            for name, value in vars(loss_fn).items()
            if name in extra
        )


# ---- some steps of a copy ----------------------------------------------------------------------


class _Trial:
    """Steps with the same batch, each run with a copy of the model as it was."""

    def __init__(
        self, model: Module, loss_fn: Any, x: Tensor, y: Any, optimizer: Optimizer | None
    ) -> None:
        self.original = [p for p in model.parameters() if p.requires_grad]
        self.has_optimizer = optimizer is not None
        self.x, self.y = x, y
        self.problem = ""
        try:
            self.parts = copy.deepcopy((model, loss_fn, optimizer))
        except Exception as error:  # a copy may fail in any way; the report says how
            self.problem = f"the model cannot be copied: {error}"

    def run(self, seen: Measured, steps: int) -> None:
        """Fill in the runs and each layer's update."""
        if not seen.gradients:
            self.problem = "no gradient reaches the model"
        elif not math.isfinite(seen.loss):
            self.problem = "the loss is not finite"
        seen.no_run = self.problem or self._moving_loss()
        candidates = list(_equal_units(seen))
        if seen.no_run:
            return
        if self.has_optimizer:
            run, first, _ = self._steps(steps or 1)
            before = {n: p.data for n, p in seen.parameters.items()}
            seen.layers = [_updated(layer, before, first) for layer in seen.layers]
            seen.run = run if steps else None
        if candidates:  # zeros may be on their way to something better
            _, _, after = self._steps(5, SGD, 0.1)
            seen.equal_units = {
                where(node): _units(node)
                for node, names in candidates
                if _units_equal(node, names, after)
            }
        if steps and not (seen.run and _learnt(seen.run, seen)):
            seen.reference, *_ = self._steps(steps, Adam, 0.01)
            if not _learnt(seen.reference, seen):  # was that too large?
                slower, *_ = self._steps(steps, Adam, 0.001)
                seen.reference = min(slower, seen.reference, key=lambda r: r.best)
            seen.run = seen.run or seen.reference

    def _moving_loss(self) -> str:
        """Why the loss of a copy says nothing, if so."""
        model, loss_fn, _ = self._copy()
        loss, again = (loss_fn(model(self.x), self.y) for _ in range(2))
        if loss.item() != again.item():
            return "the loss is another one each time, so chance has a part in it"
        if any(g is not None for g in grad(loss, self.original, allow_unused=True)):
            return "the loss uses the model itself beside its result, so a copy does not do"
        return ""

    def _copy(self) -> tuple[Module, Any, Optimizer | None]:
        model, loss_fn, optimizer = copy.deepcopy(self.parts)
        for module in model.modules():
            if isinstance(module, Dropout):
                module.eval()
        return model, loss_fn, optimizer

    def _steps(
        self, steps: int, kind: type[SGD] | type[Adam] | None = None, lr: float = 0.0
    ) -> tuple[Run, Weights, Weights]:
        """Steps of the optimizer, or of one of another kind; the weights after the first and the
        last one."""
        model, loss_fn, optimizer = self._copy()
        weights = {n: p for n, p in model.named_parameters() if p.requires_grad}
        if kind is not None:
            optimizer = kind(weights.values(), lr=lr)
        assert optimizer is not None
        losses: list[float] = []
        first: Weights = {}

        def closure() -> Tensor:
            loss: Tensor = loss_fn(model(self.x), self.y)
            found = grad(loss, list(weights.values()), allow_unused=True)
            for p, g in zip(weights.values(), found, strict=True):
                p.grad = g
            return loss

        while len(losses) < steps and math.isfinite(sum(losses)):
            losses.append(float(optimizer.step(closure).item()))
            first = first or {n: p.data.copy() for n, p in weights.items()}
        output = model(self.x)
        losses.append(float(loss_fn(output, self.y).item()))
        name = f"{type(optimizer).__name__}(lr={optimizer.param_groups[0]['lr']:g})"
        run = Run(name, tuple(losses), _spread(output))
        return run, first, {n: p.data for n, p in weights.items()}


def _spread(output: Any) -> float:
    if not isinstance(output, Tensor) or not output.ndim or not output.numel():
        return math.nan
    scores = output.numpy().astype(float)
    largest = np.abs(scores).max()
    return float(np.ptp(scores, axis=0).max() / largest) if largest else 0.0


def _learnt(run: Run, seen: Measured) -> bool:
    """Whether the loss fell, and below that of the same answer to every input."""
    fell = run.losses[0] - run.best > 0.01 * abs(run.losses[0])
    return fell and (seen.constant is None or run.best < 0.99 * seen.constant)


def _updated(layer: Layer, before: Weights, after: Weights) -> Layer:
    """The layer with its update ratio, where it has weights that are not all 0."""
    size = _norm(*(before[n] for n in layer.weights))
    step = _norm(*(after[n] - before[n] for n in layer.weights))
    return replace(layer, update_ratio=step / size) if layer.weights and size else layer
