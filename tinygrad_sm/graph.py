"""Graph: what a tensor was computed from, as plain data. The only thing a picture reads.

>>> from tinygrad_sm import Tensor
>>> x = Tensor(3.0, requires_grad=True, name="x")
>>> y = x * x
>>> y.backward()
>>> for node in Graph(y).nodes:
...     print(node.id, node.kind, node.op or node.name, node.inputs, node.gradient)
n0 parameter x () 6.0
n1 loss multiply ('n0', 'n0') 1.0
"""

from __future__ import annotations

import ast
import contextlib
import gc
import inspect
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from tinygrad_sm import ops
from tinygrad_sm.autograd import _check_unchanged, backpropagate, inner_tensors
from tinygrad_sm.errors import GradientError
from tinygrad_sm.ops import Op
from tinygrad_sm.ops import elementwise as elementwise_ops
from tinygrad_sm.tensor import Tensor

Array = npt.NDArray[Any]
Kind = TypeVar("Kind")
# How large the gradient is that flows back along each arrow: by node, and which of its inputs.
Flows = dict[tuple[str, int], float]


@dataclass(frozen=True, slots=True)
class Module:
    """One call of a module: everything that was computed in it belongs together."""

    id: str  # m0, m1, … in the order of the calls; two calls of one module are two
    name: str = field(compare=False)  # dotted, from the outermost module; "" for that one itself
    kind: str = field(compare=False)  # the class, such as Linear
    call: int = field(compare=False)  # 1 for the first call of this module in the graph
    inside: tuple[Module, ...] = field(compare=False, repr=False)  # outermost first


@dataclass(frozen=True, slots=True)
class Node:
    """One tensor of the graph."""

    id: str
    kind: str  # parameter, input, constant, operation or loss
    op: str | None  # the operation that made it
    attributes: dict[str, Any]  # the operation's settings
    name: str | None  # such as fc1.weight
    modules: tuple[Module, ...]  # the calls that made it, outermost first
    value: Array  # a read-only view
    gradient: Array | None  # the same
    note: str  # why there is no gradient, or ""
    rules: tuple[str, ...]  # the derivative for each input, in words
    place: int | None  # its turn in the backward pass, from 0
    inputs: tuple[str, ...]  # ids, in order, repeats kept
    roles: tuple[str, ...]  # what the operation calls each input, such as weight

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return self.value.shape


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one input of an operation gets in the backward pass."""

    place: int  # which of the inputs
    local: Array | None  # how much the result changes with the input, if that can be one array
    product: Array  # what the rule gives; with `local`, that is g · local
    gradient: Array  # the same, summed over the axes along which the input was stretched
    earlier: Array | None  # what had come to this input on other paths
    total: Array  # that and this


@dataclass(frozen=True, slots=True)
class Turn:
    """One operation's turn in the backward pass."""

    id: str
    upstream: Array  # g, the gradient of the loss with respect to the operation's result
    contributions: tuple[Contribution, ...]  # to the inputs that need a gradient


class Graph:
    """The tensor and everything it was computed from, oldest first, as nodes.

    grads: whether to fill in the gradients; `with_gradients` does so for some nodes only.

    A leaf shows its `grad`. The gradients of inner tensors, which a backward pass does not keep,
    are computed again here if `backward` has been called on the tensor. Nothing of the tensors is
    changed, and no hook is called.
    """

    def __init__(self, tensor: Tensor, *, grads: bool = True) -> None:
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"a graph is that of a Tensor, got {type(tensor).__name__}; "
                "for a model, take the result of calling it"
            )
        self._root = tensor
        self._tensors = _all_ancestors(tensor)
        self._ids = {t: f"n{i}" for i, t in enumerate(self._tensors)}
        needing = [t for t in self._tensors if t.requires_grad]
        # The backward pass goes through the results of operations, and hands out to the leaves.
        order = [*(t for t in reversed(needing) if t._op), *(t for t in needing if not t._op)]
        self._places = {t: i for i, t in enumerate(order)}
        self._modules, self._names = _modules(self._tensors)
        gradients, notes = _gradients(tensor, order if grads else [])
        self.nodes = [self._node(t, gradients.get(t), notes.get(t)) for t in self._tensors]

    def with_gradients(self, ids: Collection[str]) -> list[Node]:
        """The nodes of these ids with their gradients: for a picture that shows few of many."""
        chosen = [t for t in self._tensors if self._ids[t] in ids]
        gradients, notes = _gradients(self._root, [t for t in chosen if t in self._places])
        return [self._node(t, gradients.get(t), notes.get(t)) for t in chosen]

    def flows(self, nodes: Iterable[Node]) -> Flows:
        """How large a gradient each of these nodes, with their gradients, hands on to its inputs:
        the largest absolute value. A node may have been changed in everything but its id."""
        tensors = {id_: t for t, id_ in self._ids.items()}
        flows: Flows = {}
        for node in nodes:
            t = tensors.get(node.id)
            if t is None or t._op is None or node.gradient is None:
                continue
            # A value was changed since: nothing is known.
            with contextlib.suppress(GradientError), np.errstate(all="ignore"):
                for place, _, _, gradient in _contributions(t, node.gradient):
                    flows[node.id, place] = float(np.abs(gradient).max(initial=0))
        return flows

    def backward_turns(self) -> list[Turn]:
        """The backward pass once more, in its order, with all that lies between g and a gradient.

        It starts as the last `backward` did, or from 1 if there was none. Nothing is changed.
        """
        if not self._root.requires_grad:
            return []
        seed = self._root._backward_seed
        gradients = {self._root: self._root._seed(None) if seed is None else seed}
        turns = []
        for t in inner_tensors([self._root]):
            if t in gradients and t._op is not None:
                contributions = []
                g = gradients[t]
                for place, local, product, gradient in _contributions(t, g):
                    x = t._inputs[place]
                    earlier = gradients.get(x)
                    total = gradient if earlier is None else earlier + gradient
                    gradients[x] = total
                    contributions.append(
                        Contribution(
                            place,
                            None if local is None else _read_only(local),
                            _read_only(product),
                            _read_only(gradient),
                            None if earlier is None else _read_only(earlier),
                            _read_only(total),
                        )
                    )
                turns.append(Turn(self._ids[t], _read_only(g), tuple(contributions)))
        return turns

    def _node(self, t: Tensor, gradient: Array | None, note: str | None) -> Node:
        if note is None:
            note = "not asked for" if t in self._places else "needs no gradient"
        return Node(
            id=self._ids[t],
            kind=_kind(t, self._root, self._names),
            op=t._op.name if t._op else None,
            attributes=t._attributes,
            name=t.name or self._names.get(t),
            modules=self._modules.get(t, ()),
            value=t.numpy(),
            gradient=gradient,
            note=note,
            rules=_rules(t._op, len(t._inputs)) if t._op else (),
            place=self._places.get(t),
            inputs=tuple([self._ids[x] for x in t._inputs]),
            roles=_roles(t._op, len(t._inputs)) if t._op else (),
        )


def _all_ancestors(root: Tensor) -> list[Tensor]:
    """The tensor and all it was computed from, those without a gradient too, oldest first."""
    found = [root]
    seen = {root}
    for tensor in found:
        for x in tensor._inputs:
            if x not in seen:
                seen.add(x)
                found.append(x)
    return sorted(found, key=attrgetter("number"))


def _kind(t: Tensor, root: Tensor, names: dict[Tensor, str]) -> str:
    if t._op is not None:
        return "loss" if t is root and t.numel() == 1 else "operation"
    if t.requires_grad or t in names:
        return "parameter"
    return "constant" if t.ndim == 0 and t.name is None else "input"


# ---- gradients ---------------------------------------------------------------------------------


def _gradients(root: Tensor, wanted: list[Tensor]) -> tuple[dict[Tensor, Array], dict[Tensor, str]]:
    """The gradients of the wanted tensors as far as they are known; for the others, why not."""
    found = {t: t.grad for t in wanted if t.grad is not None}
    missing = [t for t in wanted if t not in found]
    leaves: dict[Tensor, Any] = {}
    kept: dict[Tensor, Any] = dict.fromkeys(missing)
    reason = "no gradient came this way"
    if root._backward_seed is None:
        reason = "no gradient yet: call backward()"
    elif missing:
        leaves[root] = root._backward_seed
        try:
            with np.errstate(all="ignore"):
                backpropagate(inner_tensors([root]), leaves, kept, hooks=False)
        except GradientError:
            reason = "gradient unknown: a value was changed since"
    notes = dict.fromkeys(missing, reason)
    for t in missing:
        if t.is_leaf and t in leaves:  # the backward pass gave it one
            notes[t] = "gradient cleared since, as by zero_grad()"
        elif kept[t] is not None:
            found[t] = kept[t]
    return {t: _read_only(g) for t, g in found.items()}, notes | dict.fromkeys(found, "")


def _contributions(t: Tensor, g: Any) -> Iterator[tuple[int, Any, Any, Any]]:
    """For each input that needs a gradient: its place, the local derivative, what the rule gives,
    and that in the shape of the input.

    The local derivative is what the rule gives for g = 1: of an elementwise operation, where each
    element of the result has but one of the input, and of a result that is a single number.

    It is the inner loop of `backpropagate`, which keeps less.
    """
    op = t._op
    assert op is not None
    _check_unchanged(t, t._inputs)
    simple = t._data.ndim == 0 or getattr(elementwise_ops, op.name, None) is op
    values = (t._data, *t._arrays, t._saved)
    products = _products(t, g, values)
    locals_: Any = (None,) * len(products)
    if simple:
        locals_ = _products(t, np.ones_like(t._data), values)
    for place, (x, product) in enumerate(zip(t._inputs, products, strict=False)):
        if product is not None:
            yield place, locals_[place], product, _summed(t, x, product)


def _products(t: Tensor, g: Any, values: tuple[Any, ...]) -> list[Any]:
    """What the rules of t's operation give for each input; None where no gradient is needed.

    values: what the rules take after g: the result, the inputs, and what was saved.
    """
    op = t._op
    assert op is not None
    if not op.saves:
        values = values[:-1]
    with np.errstate(all="ignore"):
        if op.together:
            assert op.rules[0] is not None
            given = op.rules[0](g, *values, **t._attributes)
            return [p if x._requires_grad else None for x, p in zip(t._inputs, given, strict=False)]
        return [
            rule(g, *values, **t._attributes) if rule and x._requires_grad else None
            for x, rule in zip(t._inputs, op.rules, strict=False)
        ]


def _summed(t: Tensor, x: Tensor, product: Any) -> Any:
    """A product in the shape and dtype of the input x: summed where x was stretched."""
    assert t._op is not None
    with np.errstate(all="ignore"):
        gradient = ops.sum_to(product, shape=x.shape) if t._op.broadcasts else product
        return gradient.astype(x.dtype, copy=False)


def _read_only(array: Any) -> Array:
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


# ---- modules and names -------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class _Call:
    """A module call while it is being sorted in."""

    start: int  # the creation number when it began
    module: Any
    outer: _Call | None
    path: tuple[Module, ...] = ()


def _modules(
    tensors: list[Tensor],
) -> tuple[dict[Tensor, tuple[Module, ...]], dict[Tensor, str]]:
    """The module calls each tensor was made in, outermost first, and the parameters' names.

    A call left a mark on its result: the module, and the creation number when it began. What has
    a number between the two was made in that call.
    """
    innermost: dict[Tensor, _Call] = {}
    calls: list[_Call] = []
    open_calls: list[_Call] = []  # outermost first
    for t in reversed(tensors):  # youngest first: from the end of each call to its beginning
        while open_calls and open_calls[-1].start >= t.number:
            open_calls.pop()
        for module, start in _scopes(t):
            if start < t.number:  # else the call returned what it was given, and made nothing
                while open_calls and open_calls[-1].start > start:
                    open_calls.pop()  # kept its result back in an attribute: not nested
                open_calls.append(_Call(start, module, open_calls[-1] if open_calls else None))
                calls.append(open_calls[-1])
        if open_calls and t._op is not None:
            innermost[t] = open_calls[-1]

    names: dict[Tensor, str] = {}
    module_names: dict[int, dict[int, str]] = {}  # for each outermost module
    times: Counter[int] = Counter()
    calls.sort(key=attrgetter("start"))  # an outer call begins before those inside it
    for i, call in enumerate(calls):
        around = call.outer.path if call.outer else ()
        root = call
        while root.outer is not None:
            root = root.outer
        if id(root.module) not in module_names:
            for name, parameter in _named(root.module, "named_parameters"):
                names.setdefault(parameter, name)
            module_names[id(root.module)] = {
                id(m): name for name, m in _named(root.module, "named_modules")
            }
        name = module_names[id(root.module)].get(id(call.module), "")
        times[id(call.module)] += 1
        kind = type(call.module).__name__
        call.path = (*around, Module(f"m{i}", name, kind, times[id(call.module)], around))

    made_in = {t: call.path for t, call in innermost.items()}
    for t in tensors:  # a parameter stands in the innermost call that has all its uses
        for x in t._inputs:
            if x in names and x._op is None:
                uses = made_in.get(t, ())
                made_in[x] = _common(made_in[x], uses) if x in made_in else uses
    return made_in, names


def _scopes(t: Tensor) -> Iterator[tuple[Any, int]]:
    """The calls that ended with this tensor, outermost first, with the number at their start."""
    scope = t.scope
    while scope is not None:
        module, start, scope = scope
        yield module, start


def parameter_names(root: Tensor) -> dict[Tensor, str]:
    """The dotted names of the parameters that a tensor was computed from."""
    return _modules(_all_ancestors(root))[1]


def living(kind: type[Kind]) -> list[Kind]:
    """The objects of a class that are alive, such as all Tensors. It takes a while."""
    # isinstance would ask a weakref.proxy, whose object may be gone.
    return [x for x in gc.get_objects() if issubclass(type(x), kind)]


def is_used(tensors: list[Tensor]) -> bool:
    """Whether a result that is alive was computed from one of these tensors."""
    wanted = {*tensors}
    return any(not wanted.isdisjoint(x._inputs) for x in living(Tensor))


def calls_before(tensor: Tensor) -> list[tuple[tuple[int, ...], Any]]:
    """The shapes on the way to a tensor, along first inputs: first that of the start, with None,
    then that of each module's result, with the module.

    For an error inside a model; only the last few calls are told.
    """
    calls: list[tuple[tuple[int, ...], Any]] = []
    t = tensor
    while True:
        calls += [(t.shape, module) for module, _ in reversed([*_scopes(t)])]
        if not t._inputs or len(calls) > 50:
            break
        t = t._inputs[0]
    return [(t.shape, None), *reversed(calls)]


def _named(module: Any, method: str) -> Iterator[tuple[str, Any]]:
    """What a module's named_parameters() or named_modules() gives; nothing if it has none."""
    return iter(getattr(module, method, tuple)())


def _common(a: tuple[Module, ...], b: tuple[Module, ...]) -> tuple[Module, ...]:
    """What two paths have in common at their beginning."""
    n = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(b))
    return a[:n]


# ---- operations in words -----------------------------------------------------------------------


def _roles(op: Op, n: int) -> tuple[str, ...]:
    """What the operation calls its inputs: the parameters of its rules after g and y."""
    return _names_in(op.rules, n)


@lru_cache(maxsize=256)  # by the rules: an operation may hold parameters
def _names_in(rules: tuple[Callable[..., Any] | None, ...], n: int) -> tuple[str, ...]:
    for rule in rules:
        code = getattr(inspect.unwrap(rule), "__code__", None) if rule else None
        if code is not None and code.co_argcount >= n + 2:
            return tuple(code.co_varnames[2 : n + 2])
    return ("",) * n


def _rules(op: Op, n: int = 1) -> tuple[str, ...]:
    if op.together:
        return tuple(_in_words(op.rules[0], place) for place in range(n))
    return tuple(map(_in_words, op.rules))


@lru_cache(maxsize=256)  # by the rule: an operation may hold parameters
def _in_words(rule: Callable[..., Any] | None, place: int = 0) -> str:
    """What a derivative rule says: the first sentence of its docstring, or the expression that it
    returns, in the given place if that is a tuple."""
    if rule is None:
        return "no derivative"
    rule = inspect.unwrap(rule)
    if rule.__doc__:
        return " ".join(re.split(r"\.\s|\.$", rule.__doc__.strip(), maxsplit=1)[0].split())
    try:
        bodies = _returned("".join(inspect.findsource(rule)[0]))
        # Together the instructions span the expression from its beginning to its end.
        spans = [span for span in rule.__code__.co_positions() if span[3]]
        start = min((line, column) for line, _, column, _ in spans)
        end = max((line, column) for _, line, _, column in spans)
    except (OSError, TypeError, ValueError, SyntaxError, AttributeError):
        return ""  # a rule without a source, such as one typed into an interpreter
    for body in bodies:  # inner ones first
        if (body.lineno, body.col_offset) <= start and end <= (
            body.end_lineno,
            body.end_col_offset,
        ):
            value = body.value if isinstance(body, ast.Return) else body
            if isinstance(value, ast.Tuple) and place < len(value.elts):
                value = value.elts[place]
            text = ast.unparse(value) if value else ""
            return text if text != "None" else "no derivative"
    return ""


@cache
def _returned(source: str) -> list[ast.expr | ast.Return]:
    """The expressions of all lambdas and the return statements in a source file, the inner ones
    first."""
    nodes = [*ast.walk(ast.parse(source))][::-1]
    return [
        n.body if isinstance(n, ast.Lambda) else n
        for n in nodes
        if isinstance(n, ast.Lambda | ast.Return)
    ]
