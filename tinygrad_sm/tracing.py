"""Tracing: a function is run once on tensors without values, to see which operations it is made of.

    a = Tensor(x)  with  Unknown values: a shape and a dtype
    result = function(a)
    result, its inputs, their inputs, …  are the operations, in the order of their numbers

So a trace is an ordinary computation graph, in which what has no derivative is noted too. Whatever
the function would do with values, other than hand them to an operation, fails, for it would be done
in the trace only: an Unknown refuses everything but its shape and dtype.

For the time of a trace, and in its thread, the functions that every operation goes through are
replaced by those below. The operations run on samples of the values, whose results show shapes and
dtypes.

A function may be a whole training step. What that changes is only noted, to be done in each call:
`zero_grad()`, `backward()`, an optimizer's `step()`. An object that has methods to be called each
time names them in `called_each_time`; what is inside of it is its own business.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from operator import is_, methodcaller
from types import TracebackType
from typing import Any, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt

from tinygrad_sm import differentiate, labels, ops, tensor
from tinygrad_sm.autograd import next_number
from tinygrad_sm.creation import default_generator
from tinygrad_sm.errors import CompileError
from tinygrad_sm.function import Function
from tinygrad_sm.methods import loss as losses
from tinygrad_sm.ops import Op
from tinygrad_sm.tensor import _NO_ATTRIBUTES, Tensor
from tinygrad_sm.values import Array, numeric_dtype, short

switching = threading.RLock()  # held to replace functions that every operation goes through


class Unknown:
    """The values of a tensor while a function is traced: their shape and dtype, nothing more.

    sample: values that they might be.
    tensor: a weak reference to the tensor that has them.
    """

    __slots__ = ("sample", "tensor")

    def __init__(self, sample: Array, tensor: Tensor) -> None:
        self.sample = sample
        self.tensor = weakref.ref(tensor)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.sample.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.sample.dtype

    @property
    def ndim(self) -> int:
        return self.sample.ndim

    @property
    def size(self) -> int:
        return self.sample.size

    def __len__(self) -> int:
        return len(self.sample)

    def __getattr__(self, name: str) -> NoReturn:
        self._refuse()

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        x = self.tensor()
        what = "a tensor" if x is None else x._describe()
        refusal = CompileError if _state.trace is None else _state.trace.refusal
        raise refusal(
            f"the function looks at the values of {what}, but it is run on values only once it is "
            "compiled, and what it decides here would hold for all later calls. Do that outside "
            "the function, or do not compile it."
        )


def unknown(x: Tensor) -> Unknown | None:
    """The values of a tensor, if they are unknown."""
    values: Any = x._data
    return values if type(values) is Unknown else None


_LOOKS = "array array_function array_ufunc bool contains copy deepcopy eq float format ge getitem"
_LOOKS += " gt index int iter le lt ne reduce_ex repr setitem"
for _name in _LOOKS.split():
    setattr(Unknown, f"__{_name}__", Unknown._refuse)


class _Plain(Op):
    """An operation without a derivative that no table lists: what a Tensor does by itself."""

    __slots__ = ()


_detach = _Plain("detach", lambda x: x, views=True)
_astype = _Plain("astype", lambda x, dtype: x.astype(dtype))


class Otherwise(Exception):
    """The values are out of the ordinary: this time the function is to run as it is."""


class Look(NamedTuple):
    """A question about values that the function may ask: each call asks it again."""

    number: int
    question: Callable[..., Any]
    about: tuple[Any, ...]
    answer: Any


class Call(NamedTuple):
    """What is to be done in each call, such as an optimizer's step."""

    number: int
    name: str
    function: Callable[[], Any]


class Trace:
    """A run of a function on Unknown values of the shapes and dtypes of the inputs.

    result: what it returned.
    inputs: the tensors without values that it was called with.
    numbers: the tensors made of Python numbers, which stand for themselves.
    looks: the questions about values that it asked.
    saved: for each of its tensors, what the operation kept for the backward pass, of the sample.
    is_odd: whether it asked a question of which the answer is usually yes, and it was no.
    loss: what it goes back from, if it does.
    before: what it does before that, and after: it forgets gradients, it calls an optimizer.
    """

    def __init__(self, inputs: tuple[Tensor, ...]) -> None:
        self.start = next_number()
        self.loss: Tensor | None = None
        self.before: list[Call] = []
        self.after: list[Call] = []
        self.numbers: dict[Tensor, Any] = {}
        self.looks: list[Look] = []
        self.is_odd = False
        self.inputs = tuple(map(self._without_values, inputs))
        self.saved: dict[Tensor, Any] = dict.fromkeys(self.inputs)
        self.result: Any = None
        self._refused: CompileError | None = None

    def run(self, function: Callable[..., Any], callees: Sequence[Any] = ()) -> None:
        """Call the function.

        callees: the objects around it with methods that are called each time.
        """
        kinds = {type(thing) for thing in callees}
        self._entries = [*_ENTRIES, *(entry for kind in kinds for entry in _entries_of(kind))]
        held = [(thing, _contents(thing)) for thing in callees]
        try:
            with self:
                self.result = function(*self.inputs)
            for thing, containers in held:
                if not all(map(_hold_the_same, containers)):
                    _refuse_setting(self, thing)
            if self.before and self.loss is None:
                refuse_change(self)
            if self._refused is not None:  # and the function went on
                raise self._refused
        except CompileError:
            for _, containers in held:
                for x, before in containers:
                    x.clear()
                    (x.extend if isinstance(x, list) else x.update)(before)
            raise

    def refusal(self, message: str) -> CompileError:
        """The error to raise. It is kept, for the function may catch it."""
        self._refused = CompileError(message)
        return self._refused

    def __enter__(self) -> None:
        self._generator = default_generator()
        self._random = self._generator.bit_generator.state
        switching.acquire()  # held to the end: nobody else may replace the same functions
        self._replaced = [(owner, name, vars(owner).get(name)) for owner, name, _ in self._entries]
        try:
            for (owner, name, ours), (_, _, plain) in zip(
                self._entries, self._replaced, strict=True
            ):
                setattr(owner, name, _traced(plain or getattr(owner, name), ours))
        except BaseException:  # such as a class that cannot be changed
            self._restore()
            switching.release()
            raise
        _state.trace = self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _state.trace = None
        self._restore()
        switching.release()
        if default_generator() is not self._generator:
            self.refusal(
                "the function calls manual_seed, which would be done in one call only: do it before"
            )
        elif self._generator.bit_generator.state != self._random:  # a trace draws nothing
            self._generator.bit_generator.state = self._random

    def _restore(self) -> None:
        for owner, name, plain in self._replaced:
            if vars(owner).get(name) is plain:  # not replaced, or a class and name that came twice
                continue
            if plain is not None:
                setattr(owner, name, plain)
            else:  # it was inherited
                delattr(owner, name)

    @staticmethod
    def _without_values(x: Tensor) -> Tensor:
        t = tensor._constant(x._data)
        t._requires_grad = x._requires_grad
        t._data = Unknown(x._data, t)  # type: ignore[assignment]
        return t

    def is_outer(self, x: Tensor) -> bool:
        """Whether the tensor was there before the function was called."""
        return x.number < self.start

    def _is_there(self, x: Tensor) -> bool:
        """Whether it was there before, or may share the memory of what was."""
        while not self.is_outer(x) and x._op is not None and x._op.views:
            x = x._inputs[0]
        return self.is_outer(x)

    def record(
        self, op: Op, inputs: tuple[Tensor, ...], attributes: dict[str, Any] = _NO_ATTRIBUTES
    ) -> Tensor:
        """The result of an operation: a node of the graph, whether it has a derivative or not."""
        if any(call.name != _FORGET for call in self.after) and (
            any(map(self._is_there, inputs)) or isinstance(op, Function)
        ):
            raise self.refusal(
                "the function computes with parameters, or draws random numbers, after an "
                "optimizer's step: do it before, or in another function"
            )
        if _holds_array(attributes.get("key")):
            raise self.refusal(
                "an index that is an array or a Tensor would be the same in all later calls: use "
                "numbers and slices, or an operation that takes the index as an input, such as "
                "gather."
            )
        t = _plain_apply(op, tuple(map(self._stand_in, inputs)), attributes)
        self.saved[t] = t._saved
        t._op, t._inputs, t._attributes = op, inputs, attributes
        t._arrays, t._saved, t._version = (), None, None
        t._data = Unknown(t._data, t)  # type: ignore[assignment]
        return t

    def _stand_in(self, x: Tensor) -> Tensor:
        """The tensor with the values of the sample."""
        values = unknown(x)
        if values is not None:
            if x not in self.saved:
                raise self.refusal(
                    f"{x._describe()} is left over from another trace: a function that is compiled "
                    "cannot keep a tensor from one call to the next."
                )
            sample = tensor._constant(values.sample)
            sample._requires_grad = x._requires_grad
            return sample
        if not (self.is_outer(x) or x in self.numbers):
            raise self.refusal(_made_inside(x))
        return x

    def look(self, question: Callable[..., Any], about: tuple[Any, ...]) -> Any:
        """Ask a question about values, and note to ask it again in each call."""
        answer = question(*(x.sample if type(x) is Unknown else x for x in about))
        self.is_odd |= answer is False
        self.looks.append(Look(next_number(), question, about, answer))
        return answer

    def go_back(self, loss: Tensor, gradient: Any = None) -> None:
        """Note that the function goes back from there."""
        if not loss._requires_grad or loss._data.size != 1:
            _plain_backward(loss)  # raises the error for that
        if self.loss is not None or gradient is not None or self.is_outer(loss):
            raise self.refusal(
                "a compiled function calls backward() once, without an argument, of a loss that it "
                "computes"
            )
        self.loss = loss

    def forget(self, x: Tensor) -> None:
        """Note that a gradient is forgotten."""
        if not self.is_outer(x):
            refuse_change(self)
        self._note(_FORGET, partial(setattr, x, "grad", None))

    def _note(self, name: str, function: Callable[[], Any]) -> None:
        (self.before if self.loss is None else self.after).append(
            Call(next_number(), name, function)
        )

    def call(self, method: str, thing: Any, /, *arguments: Any, **options: Any) -> None:
        """Note what is to be called."""
        kind = type(thing)
        name = f"{method}() of {kind.__name__}"
        given = (*arguments, *options.values())
        inside = chain(given, *map(_items, _containers([given])))
        if any(isinstance(x, Tensor) or callable(x) for x in inside):
            raise self.refusal(
                f"the function hands a tensor or a function to {name}: do that outside"
            )
        # If values then turn out to be out of the ordinary, the function itself runs, and does it
        # once more: so nothing else but to forget.
        forgets = method == "zero_grad"
        if self.loss is None and not (
            forgets and "called_each_time" in vars(_definer(kind, method))
        ):
            own = ", which is one of its own," if forgets else ""
            raise self.refusal(
                f"the function calls {name}{own} before backward() of a loss: do it after that, or "
                "outside"
            )
        # Looked up anew in each call, for it may be replaced.
        self._note(
            f"{kind.__name__}_{method}",
            partial(methodcaller(method, *arguments, **options), thing),
        )


_FORGET = "forget"


def _items(x: Any) -> Iterable[Any]:
    return x.values() if isinstance(x, dict) else x


def _containers(ahead: list[Any]) -> list[Any]:
    """The dicts, lists, tuples and sets among these things, and in them."""
    found, seen = [], set()
    for x in ahead:  # which grows
        if isinstance(x, dict | list | tuple | set) and id(x) not in seen:
            seen.add(id(x))
            ahead.extend(_items(x))
            found.append(x)
    return found


def _contents(thing: Any) -> list[tuple[Any, Any]]:
    """The dicts and lists that an object holds, and copies of them."""
    return [(x, x.copy()) for x in _containers([vars(thing)]) if isinstance(x, dict | list)]


def _hold_the_same(pair: tuple[Any, Any]) -> bool:
    """Whether a container has the very items that it had before."""
    now, before = pair
    same = len(now) == len(before) and all(map(is_, now, before))
    return same and all(map(is_, _items(now), _items(before)))


def _holds_array(key: Any) -> bool:
    return any(isinstance(part, np.ndarray) for part in (key if type(key) is tuple else (key,)))


def _made_inside(x: Tensor) -> str:
    return (
        f"{x._describe()} was made inside the function, of random numbers or other values that are "
        "no arguments: it would be the same in all later calls. Make it outside, or pass it as an "
        "argument."
    )


class _State(threading.local):
    trace: Trace | None = None


_state = _State()


# ---- what takes the place of the engine's functions --------------------------------------------
# In another thread than that of the trace each does what it replaces does.

_plain_apply = tensor.apply
_plain_coerce = tensor._coerce
_plain_backward = Tensor.backward


def _traced(replaced: Any, ours: Callable[..., Any]) -> Any:
    """A function that does `ours` inside a trace, and outside of one what it replaces."""
    if isinstance(replaced, property):
        return property(_traced(replaced.fget, ours), _traced(replaced.fset, ours))
    plain = replaced.__func__ if isinstance(replaced, staticmethod) else replaced

    def either(*arguments: Any, **options: Any) -> Any:
        trace = _state.trace
        if trace is None:
            return plain(*arguments, **options)
        return ours(trace, *arguments, **options)

    return staticmethod(either) if isinstance(replaced, staticmethod) else either


def _apply(
    trace: Trace, op: Op, inputs: tuple[Any, ...], attributes: dict[str, Any] = _NO_ATTRIBUTES
) -> Tensor:
    if not all(isinstance(x, Tensor) for x in inputs):
        inputs = tensor._coerce_all(inputs)
    return trace.record(op, inputs, attributes)


def _binary(trace: Trace, op: Op, a: Any, b: Any) -> Tensor:
    return _apply(trace, op, (a, b))


def _unary(trace: Trace, x: Tensor, op: Op) -> Tensor:
    return trace.record(op, (x,))


def _coerce(trace: Trace, x: Any, dtype: np.dtype[Any]) -> Tensor:
    t = _plain_coerce(x, dtype)
    if not isinstance(x, int | float | np.generic):
        raise trace.refusal(
            f"{short(x)} is an array made outside the function: as an argument, or as a Tensor "
            "that is made before, it is read anew in each call."
        )
    trace.numbers[t] = x if type(x) in (int, float, bool) else t._data.item()
    return t


def _cast(trace: Trace, x: Tensor, dtype: npt.DTypeLike) -> Tensor:
    wanted = numeric_dtype(dtype)
    return trace.record(ops.astype if wanted.kind == "f" else _astype, (x,), {"dtype": wanted})


def _refuse_values(trace: Trace, x: Tensor, *_: Any, **__: Any) -> NoReturn:
    values = unknown(x)
    if values is not None:
        values._refuse()
    if not trace.is_outer(x):
        raise trace.refusal(_made_inside(x))
    raise trace.refusal(
        f"the function reads the values of {x._describe()}: the compiled code would go on with "
        "what they are now. Use the tensor itself."
    )


def refuse_change(trace: Trace, *_: Any, **__: Any) -> NoReturn:
    """Raise the CompileError for what would be done in the trace only."""
    raise trace.refusal(
        "the function changes a tensor, or reads a gradient: by an assignment, a hook, an "
        "optimizer that no name around the function leads to. A whole training step can be "
        "compiled, with optimizer.zero_grad(), loss.backward() and optimizer.step(). Do the rest "
        "outside, with what the compiled function returns."
    )


def _grad(trace: Trace, x: Tensor, *value: Any) -> None:
    if value != (None,):
        refuse_change(trace)
    trace.forget(x)


def _requires_grad(trace: Trace, x: Tensor, *value: Any) -> bool:
    return refuse_change(trace) if value else x._requires_grad


def _asked(question: Callable[..., Any]) -> Callable[..., Any]:
    return lambda trace, *about: trace.look(question, about)


def _entries_of(kind: Any) -> Iterator[tuple[Any, str, Any]]:
    """The methods of a class that are called each time."""
    for name in kind.called_each_time:
        yield _definer(kind, name), name, partial(_call, name)
    yield kind, "__setattr__", _refuse_setting


def _definer(kind: type, name: str) -> type:
    return next(parent for parent in kind.__mro__ if name in vars(parent))


def _refuse_setting(trace: Trace, thing: Any, *_: Any) -> NoReturn:
    raise trace.refusal(
        f"the function changes what {type(thing).__name__} holds, such as lr, which would be done "
        "in one call only: do it outside"
    )


def _call(method: str, trace: Trace, thing: Any, /, *arguments: Any, **options: Any) -> None:
    trace.call(method, thing, *arguments, **options)


_ENTRIES: list[tuple[Any, str, Any]] = []


def replace_while_tracing(owner: Any, name: str, ours: Callable[..., Any]) -> None:
    """Have `ours(trace, …)` called instead of a function of a module or class."""
    _ENTRIES.append((owner, name, ours))


_READ = ["__bool__", "__float__", "__format__", "__index__", "__repr__"]
_READ += ["data", "item", "numpy", "tolist"]
_CHANGE = ["__setitem__", "register_hook", "requires_grad_", "retain_grad"]
_replaced: list[tuple[Any, str, Any]] = [
    (tensor, "apply", _apply),
    (tensor, "binary", _binary),
    (tensor, "_coerce", _coerce),
    (Tensor, "_record", _apply),
    (Tensor, "_unary", _unary),
    (Tensor, "astype", _cast),
    (Tensor, "detach", lambda trace, x: trace.record(_detach, (x,))),
    (Tensor, "requires_grad", _requires_grad),
    (Tensor, "grad", _grad),
    (Tensor, "backward", Trace.go_back),
    *((Tensor, name, _refuse_values) for name in _READ),
    *((Tensor, name, refuse_change) for name in _CHANGE),
    (tensor, "backpropagate", refuse_change),
    (differentiate, "backpropagate", refuse_change),
]
for _owner, _name, _ours in _replaced:
    replace_while_tracing(_owner, _name, _ours)
_questions: list[tuple[Any, str]] = [
    (labels, "all_in_range"),
    (labels, "check_probabilities"),
    (losses, "_below_0"),
    (losses, "_outside"),
]
for _owner, _name in _questions:
    replace_while_tracing(_owner, _name, _asked(vars(_owner)[_name]))
