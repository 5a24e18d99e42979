"""A trace, written out as NumPy code: the text of a forward and of a backward function.

Every line calls what an operation computes or differentiates with, by its name:

    linear_1 = linear(x, weight, bias)                                    Op.forward
    g_weight = linear_rule_weight(g_linear_1, linear_1, x, weight, bias)  Op.rules[1]

A gradient is g_ and the name of what it is the gradient of. Where the function is a whole training
step, all is one function, which then sets the gradients and calls the optimizer.
"""

from __future__ import annotations

import builtins
import itertools
import keyword
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from operator import attrgetter
from types import FunctionType
from typing import Any, NoReturn

import numpy as np

from tinygrad_sm import ops
from tinygrad_sm.autograd import _run_hooks, inner_tensors
from tinygrad_sm.errors import CompileError
from tinygrad_sm.function import Function
from tinygrad_sm.tensor import Tensor, _hand_out, apply
from tinygrad_sm.tracing import Call, Look, Otherwise, Trace, Unknown, unknown
from tinygrad_sm.values import Array


def _otherwise() -> NoReturn:
    raise Otherwise


class NumpyCode:
    """The text of a traced function, and what its names stand for.

    source: the text.
    outer: the tensors that the function uses beside its arguments.
    needing: the tensors that get a gradient, in the order in which they get it.
    has_functions: whether a user's own Function is in it, which may do as it likes.
    """

    def __init__(self, function: Callable[..., Any], trace: Trace) -> None:
        result = trace.result
        if not isinstance(result, Tensor) or unknown(result) is None:
            what = result._describe() if isinstance(result, Tensor) else type(result).__name__
            raise CompileError(
                f"a compiled function returns one Tensor that it computes, this one returned {what}"
            )
        if result in {*trace.inputs}:  # by identity
            raise CompileError("the function returns its argument as it is: nothing to compile")
        self._trace = trace
        self._world: dict[str, Any] = _WORLD.copy()
        self._taken = {*_WORLD, *dir(builtins), *keyword.kwlist, *_OWN}
        self._names: dict[Any, str] = {}  # of tensors and functions
        self._numbers: dict[str, str] = {}  # the lines that make them, by name
        looked_at: list[Any] = [
            x.tensor() for look in trace.looks for x in look.about if type(x) is Unknown
        ]
        loss = result if trace.loss is None else trace.loss
        found = inner_tensors([result, loss, *looked_at])
        self._order: list[Any] = [t for t in found if t._op and not trace.is_outer(t)]
        for x, name in zip(trace.inputs, _parameters(function), strict=False):
            self._name(x, name)
        self.outer = self._find_outer(loss)
        self.has_functions = any(isinstance(t._op, Function) for t in self._order)
        self._kept: dict[str, None] = {}  # what the way back needs, in order
        self.needing: tuple[Tensor, ...] = ()
        self._own: dict[Tensor, tuple[int, ...]] = {}  # gradients to take over, their strides
        text = self._text(loss)
        numbers = "\n".join(self._numbers.values())
        self.source = f"{numbers}\n\n\n{text}" if numbers else text
        exec(numbers, self._world)
        self._made: dict[str, Any] = {}  # not among what the functions see: that would be a cycle
        exec(text, self._world, self._made)

    def functions(self) -> tuple[Callable[..., Any], Callable[..., Any] | None]:
        """The text as functions: of a step one, which does it all."""
        made = self._made
        return made.get("step") or made["forward"], made.get("backward")

    def steps(self) -> Callable[[list[Tensor]], Tensor]:
        """A function that applies the operations once more, to Tensors: recorded."""
        leaves = (*self._trace.inputs, *self.outer)
        place_of = {x: i for i, x in enumerate((*leaves, *reversed(self._order)))}
        steps = [
            (t._op, [place_of.get(x, x) for x in t._inputs], t._attributes, t._requires_grad)
            for t in reversed(self._order)
        ]
        last = place_of[self._trace.result]

        def replay(inputs: list[Tensor]) -> Tensor:
            values = [*inputs]
            for op, places, attributes, requires_grad in steps:
                xs = tuple(values[x] if isinstance(x, int) else x for x in places)
                y = apply(op, xs, attributes)
                values.append(y if requires_grad else y.detach())
            return values[last]

        return replay

    @cached_property
    def hand_out(self) -> Callable[..., None]:
        """A function that adds the gradients, which it is given, to the `grad` of the tensors.

        It does what `backward` ends with, and knows which of them can be taken over. These are
        spelt out one by one, for every step goes through it.
        """
        tensors = self.needing

        def add_all(*gradients: Any) -> None:
            pairs = zip(tensors, gradients, strict=True)
            _hand_out(tensors, [_run_hooks(x, g, False) if x._hooks else g for x, g in pairs])

        if not tensors:
            return add_all
        others = {f"g{i}": x for i, x in enumerate(tensors) if x not in self._own}
        world: dict[str, Any] = {"add_all": add_all, "add": partial(_hand_out, others.values())}
        tests, lines = [], []
        for i, x in enumerate(tensors):
            world[f"x{i}"] = x
            tests.append(f"x{i}._hooks")
            if x in self._own:
                tests.append(f"x{i}._grad is not None or g{i}.base is not None")
                tests.append(f"g{i}.strides != {self._own[x]}")
                lines += [f"x{i}._grad = g{i}", f"x{i}._grad_use = 0"]
        if others:
            lines.append(f"add(({_listed(others)}))")
        arguments = ", ".join(f"g{i}" for i in range(len(tensors)))
        lines = [f"if {' or '.join(tests)}:", f"    return add_all({arguments})", *lines]
        made: dict[str, Callable[..., None]] = {}  # not in that world: that would be a cycle
        exec(_function(f"hand_out({arguments})", lines), world, made)
        return made["hand_out"]

    # ---- names -----------------------------------------------------------------------------------

    def _name(self, thing: Any, wish: str, numbered: bool = False) -> str:
        """The name of a tensor or function: the wish, with a number if it asks or is taken."""
        if thing not in self._names:
            words = re.findall(r"[a-zA-Z0-9_]+", wish)
            for _ in words:  # 0.weight is weight_0
                if words[0][0].isdigit():
                    words.append(words.pop(0))
            base = "_".join(words)
            base = base if base.isidentifier() else f"value_{base}".strip("_")
            name = f"{base}_1" if numbered else base
            count = 1
            while name in self._taken:
                count += 1
                name = f"{base}_{count}"
            self._taken.add(name)
            self._names[thing] = name
        return self._names[thing]

    def _of_function(self, function: Any, wish: str) -> str:
        name = self._name(function, wish)
        self._world[name] = function
        return name

    def _find_outer(self, result: Tensor) -> tuple[Tensor, ...]:
        """The tensors used that were there before, oldest first. Numbers get their lines."""
        from tinygrad_sm.graph import parameter_names  # the graph's names are for reading only

        names = parameter_names(result)
        leaves = {x for t in self._order for x in t._inputs} - {*self._order, *self._trace.inputs}
        outer = []
        for x in sorted(leaves, key=attrgetter("number")):
            if x in self._trace.numbers:
                name = self._name(x, "number", True)
                number = self._literal(self._trace.numbers[x])
                self._numbers[name] = f"{name} = array({number}, {x._data.dtype!r})"
            else:
                self._name(x, x.name or names.get(x, "tensor"))
                outer.append(x)
        return tuple(outer)

    def _literal(self, value: Any) -> str:
        """A setting, as it is written in code."""
        if type(value) is tuple:
            return f"({_listed(map(self._literal, value))})"
        if isinstance(value, slice):
            ends = value.start, value.stop, value.step
            return f"slice({_listed(map(self._literal, ends))})"
        if type(value) in _WRITABLE or isinstance(value, np.dtype):
            return repr(value)
        name = self._name(("setting", id(value)), "setting", True)
        self._world[name] = value
        return name

    def _one(self, loss: Array) -> str:
        """The gradient of the loss itself; with axes it is a view, which no leaf takes over."""
        name = self._name("one", "one")
        self._numbers[name] = f"{name} = ones({loss.shape}, {loss.dtype!r})[()]"
        return name

    def _call(self, function: Any, wish: str, arguments: Iterable[str], settings: Any = ()) -> str:
        named = [
            f"{key}={self._literal(value)}"
            if key.isidentifier() and not keyword.iskeyword(key)
            else f"**{{{key!r}: {self._literal(value)}}}"
            for key, value in dict(settings).items()
        ]
        return f"{self._of_function(function, wish)}({', '.join([*arguments, *named])})"

    # ---- the text --------------------------------------------------------------------------------

    def _text(self, loss: Tensor) -> str:
        """Two functions, forward and backward, or all in one, `step`."""
        result = self._trace.result
        forward = self._forward()
        backward = self._backward(loss) if loss._requires_grad else []
        name = self._names[result]
        own = (
            f"{name}.copy('K')" if _may_be_a_view(result) else name
        )  # a view of what may be written to
        arguments = ", ".join(self._names[x] for x in (*self._trace.inputs, *self.outer))
        if self._trace.loss is not None:
            lines = [*forward, "", *backward, "", *self._changes(), f"return {own}"]
            return _function(f"step({arguments})", lines)
        if not backward:
            return _function(f"forward({arguments})", [*forward, f"return {own}"])
        kept = _tuple(self._kept)
        text = _function(f"forward({arguments})", [*forward, f"return {own}, {kept}"])
        backward = [f"{kept} = kept", *backward, f"return {self._gradients()}"]
        return text + "\n\n" + _function("backward(g, kept)", backward)

    def _gradients(self) -> str:
        return _listed(self._names["g", x] for x in self.needing)

    # ---- the lines -------------------------------------------------------------------------------

    def _forward(self) -> list[str]:
        """What comes before the way back, in its order: operations, questions about values, and
        gradients that are forgotten."""
        lines = []
        steps: list[Any] = [*self._order, *self._trace.looks, *self._trace.before]
        leaves = {id(x._data): self._names[x] for x in (*self._trace.inputs, *self.outer)}
        # Questions about leaves first: what they refuse is not to be computed, or drawn, before.
        for step in sorted(steps, key=lambda step: self._number(step, leaves)):
            if isinstance(step, Look):
                lines.append(self._question(step, leaves))
                continue
            if isinstance(step, Call):
                lines.append(self._done_each_time(step))
                continue
            op = step._op
            call = self._call(
                op.forward, op.name, [self._names[x] for x in step._inputs], step._attributes
            )
            name = self._name(step, op.name, True)
            if op.saves:
                lines.append(f"{name}, {self._name(('kept', step), 'kept', True)} = {call}")
                call = name
            if not _sample(step).ndim:  # NumPy makes a number of it
                call = f"asarray({call})"
            if call != name:
                lines.append(f"{name} = {call}")
            if isinstance(op, Function):  # which may do as it likes
                form = f"({name}.shape, {name}.dtype)"
                expected = f"({_sample(step).shape}, {_sample(step).dtype!r})"
                lines.append(f"if {form} != {expected}: otherwise()")
        return lines

    @staticmethod
    def _number(step: Any, leaves: dict[int, str]) -> int:
        if isinstance(step, Look) and all(id(x) in leaves for x in step.about if not _is_plain(x)):
            return 0
        number: int = step.number
        return number

    def _question(self, look: Look, leaves: dict[int, str]) -> str:
        """A question, asked again. If the answer is another, the function itself is to run."""
        about = [
            leaves.get(id(x)) or self._names[x.tensor()]
            if type(x) is Unknown
            else leaves.get(id(x)) or self._literal(x)
            for x in look.about
        ]
        question = self._call(look.question, look.question.__name__, about)
        if look.answer is None:  # a check which may raise an error
            return question
        if look.answer is True:
            return f"if not {question}: otherwise()"
        return f"if {question} != {self._literal(look.answer)}: otherwise()"

    def _backward(self, loss: Tensor) -> list[str]:
        """The loop of `autograd.backpropagate`, written out."""
        value = _sample(loss)
        gradients: dict[Tensor, Any] = {loss: np.ones(value.shape, value.dtype)}
        self._names["g", loss] = "g" if self._trace.loss is None else self._one(value)
        lines = []
        for t in self._order:
            if t in gradients and t._op.rules:
                lines += self._back_through(t, gradients)
        leaves = {*self._trace.inputs, *self.outer}
        self.needing = tuple(x for x in gradients if x in leaves)
        self._find_own(gradients)
        return lines

    def _back_through(self, t: Any, gradients: dict[Tensor, Any]) -> list[str]:
        """The lines for one operation. The gradients of its inputs, of the samples, are added."""
        from tinygrad_sm.graph import _roles, _rules

        op, inputs = t._op, t._inputs
        names = [self._names[x] for x in (t, *inputs)]
        values = [gradients[t], *map(_sample, (t, *inputs))]
        if op.saves:
            names.append(self._names["kept", t])
            values.append(self._trace.saved[t])
        self._kept |= dict.fromkeys(n for n in names if n not in self._numbers)
        arguments = [self._names["g", t], *names]
        roles, words = _roles(op, len(inputs)), _rules(op, len(inputs))
        lines, parts = [], []
        with np.errstate(all="ignore"):
            if op.together:
                found = op.rules[0](*values, **t._attributes)
                parts = [self._name(("part", t, i), "part", True) for i in range(len(found))]
                call = self._call(op.rules[0], f"{op.name}_rule", arguments, t._attributes)
                lines += [_comment(op.name, "; ".join(words)), f"{_listed(parts)} = {call}"]
            for i, x in enumerate(inputs):
                if not x._requires_grad:
                    continue
                if parts:
                    call, gx = parts[i], found[i]
                elif i < len(op.rules) and op.rules[i]:
                    role = f"_{roles[i]}" if len(inputs) > 1 and roles[i] else ""
                    call = self._call(
                        op.rules[i], f"{op.name}_rule{role}", arguments, t._attributes
                    )
                    gx = op.rules[i](*values, **t._attributes)
                    lines.append(_comment(op.name + (role and f", {roles[i]}"), words[i]))
                else:
                    gx = None
                if gx is None:  # no derivative, as for labels
                    continue
                call, gx = _fitted(op, call, gx, _sample(x))
                name = self._name(("g", x), f"g_{self._names[x]}")
                lines.append(f"{name} = {f'{name} + ' if x in gradients else ''}{call}")
                gradients[x] = gx if x not in gradients else gradients[x] + gx
        return lines

    def _find_own(self, gradients: dict[Tensor, Any]) -> None:
        """Which gradients are arrays that nobody else has, which depends on the operations only."""
        if self.has_functions:
            return
        saved = [x if isinstance(x, tuple) else (x,) for x in self._trace.saved.values()]
        values = map(_sample, (*self._trace.inputs, *self.outer, *self._order))
        seen = [*gradients.values(), *values, *itertools.chain.from_iterable(saved)]
        count = Counter(map(id, seen))
        for x in self.needing:
            g = gradients[x]
            new = type(g) is np.ndarray and g.base is None and g.flags.writeable
            if new and count[id(g)] == 1 and g.strides == _sample(x).strides:
                self._own[x] = g.strides

    def _changes(self) -> list[str]:
        """What a training step changes once the gradients are there."""
        hand_out = self._of_function(self.hand_out, "hand_out")
        after = map(self._done_each_time, self._trace.after)
        return [f"{hand_out}({self._gradients()})  # to `grad` of each tensor", *after]

    def _done_each_time(self, call: Call) -> str:
        return f"{self._of_function(call.function, call.name)}()"


def _fitted(op: ops.Op, call: str, gx: Any, x: Array) -> tuple[str, Any]:
    """A call, and the gradient gx that it gives, in the shape and dtype of its input x."""
    if gx.shape != x.shape:
        if not op.broadcasts:
            raise CompileError(
                f"the derivative rule of '{op.name}' gives a gradient of shape {gx.shape} for an "
                f"input of shape {x.shape}"
            )
        gx = ops.sum_to(gx, shape=x.shape)
        call = f"sum_to({call}, shape={x.shape})"
    if gx.dtype != x.dtype:
        gx = ops.astype(gx, dtype=x.dtype)
        call = f"astype({call}, dtype={x.dtype!r})"
    return call, gx


def _is_plain(x: Any) -> bool:
    return not isinstance(x, Unknown | np.ndarray)


def _sample(x: Tensor) -> Array:
    values = unknown(x)
    return x._data if values is None else values.sample


def _may_be_a_view(x: Tensor) -> bool:
    """Whether it may share its memory with a leaf; that depends on how the leaf lies in memory."""
    while x._op is not None and x._op.views:
        x = x._inputs[0]
    return x._op is None


def _parameters(function: Any) -> Iterator[str]:
    """The names of a function's arguments, as far as it has them, then input_1, input_2, …"""
    function = getattr(function, "forward", function)  # of a module
    plain = getattr(function, "__func__", function)
    if isinstance(plain, FunctionType):
        names = plain.__code__.co_varnames[: plain.__code__.co_argcount]
        yield from names[plain is not function :]
    yield from (f"input_{i}" for i in itertools.count(1))


def _listed(names: Iterable[str]) -> str:
    """The names as the inside of a tuple."""
    listed = ", ".join(names)
    return listed if ", " in listed else f"{listed}," if listed else "()"


def _tuple(names: Iterable[str]) -> str:
    """The same in brackets, on several lines if there are many."""
    listed = _listed(names)
    if len(listed) < 70:
        return f"({listed})"
    return f"(\n{textwrap.indent(textwrap.fill(listed, 88), ' ' * 8)}\n    )"


def _comment(subject: str, words: str) -> str:
    return " ".join(f"# {subject}: {words}".split())


def _function(head: str, lines: list[str]) -> str:
    return f"def {head}:\n{textwrap.indent(chr(10).join(lines), ' ' * 4)}\n"


_OWN = ("backward", "forward", "g", "kept", "step")  # names that the code uses itself
# What the code may name beside the operations; arrays of numbers are made and read by NumPy.
_WORLD: dict[str, Any] = {
    "array": np.array,
    "asarray": np.asarray,
    "astype": ops.astype,
    "dtype": np.dtype,
    "inf": np.inf,
    "nan": np.nan,
    "ones": np.ones,
    "otherwise": _otherwise,
    "sum_to": ops.sum_to,
}
_WRITABLE = {int, float, bool, str, type(None), type(...)}
