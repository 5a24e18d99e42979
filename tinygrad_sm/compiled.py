"""compile: a function of tensors, written out as one run of NumPy code, forward and backward.

>>> import nn
>>> model, loss_fn = nn.Linear(2, 3), nn.CrossEntropyLoss()
>>> @compile
... def loss_of(x, y):
...     return loss_fn(model(x), y)
>>> x, y = Tensor([[1.0, 2.0], [3.0, 4.0]]), Tensor([0, 2], dtype=int)
>>> loss_of(x, y).backward()
>>> print(loss_of.source)
def forward(x, y, weight, bias):
    if not all_in_range(y, 3): otherwise()
    linear_1 = linear(x, weight, bias)
    cross_entropy_1, kept_1 = cross_entropy(linear_1, y, reduction='mean')
    cross_entropy_1 = asarray(cross_entropy_1)
    return cross_entropy_1, (cross_entropy_1, linear_1, y, kept_1, x, weight, bias)
<BLANKLINE>
<BLANKLINE>
def backward(g, kept):
    (cross_entropy_1, linear_1, y, kept_1, x, weight, bias) = kept
    # cross_entropy, z: (p − onehot) g, divided by the number of labels where the loss is their mean
    g_linear_1 = cross_entropy_rule_z(g, cross_entropy_1, linear_1, y, kept_1, reduction='mean')
    # linear, weight: gᵀ x, added up over all rows; in memory it lies as the weight does
    g_weight = linear_rule_weight(g_linear_1, linear_1, x, weight, bias)
    # linear, bias: The sum of the rows of g: on arrays a product with ones, much quicker than a sum
    g_bias = linear_rule_bias(g_linear_1, linear_1, x, weight, bias)
    return g_weight, g_bias
<BLANKLINE>

The first call traces the function (tracing.py). What it is made of is written down line by line,
as above (numpy_code.py), with the very functions that an operation computes and differentiates
with, so the numbers are the same to the last bit. Later calls run that code, as long as nothing
around the function was changed (surroundings.py): no Tensor is made in between, no graph, and
nobody looks for the way back.

A function that goes back itself, and calls an optimizer, is a whole training step. It becomes one
function: forward, backward, and then the optimizer's own methods.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from operator import attrgetter
from types import MethodType
from typing import Any

import numpy as np

from tinygrad_sm.autograd import (
    backpropagate,
    inner_tensors,
    latest_write,
    next_number,
    recording,
)
from tinygrad_sm.creation import default_generator
from tinygrad_sm.errors import CompileError, DtypeError, GradientError, warn
from tinygrad_sm.kept_losses import look_for_kept_losses
from tinygrad_sm.numpy_code import NumpyCode
from tinygrad_sm.ops import Op
from tinygrad_sm.surroundings import Surroundings
from tinygrad_sm.tensor import Tensor, _backwards, _constant
from tinygrad_sm.tracing import (
    Otherwise,
    Trace,
    refuse_change,
    replace_while_tracing,
    unknown,
)
from tinygrad_sm.values import Array, short

_signature = attrgetter("_data.shape", "_data.dtype", "_requires_grad")
_values = attrgetter("_data")
_requires = attrgetter("_requires_grad")


class compile:
    """A function that computes the same as `function`, from Tensors, without the overhead.

    function: takes Tensors by position and returns one Tensor: a training step, a loss, a model.

    A training step calls `optimizer.zero_grad()`, `backward()` of a loss, `optimizer.step()`. What
    it returns is outside of any graph. The result of other functions belongs to the graph as if it
    came from one operation: `backward`, `grad`, second derivatives and drawings work on it. On
    small networks, where most of the time goes into keeping the graph, a step takes about two
    thirds of the time.

    The function itself runs only once for each combination of shapes and dtypes of its arguments,
    and again when something around it was changed: a variable that it uses, a layer or a setting of
    a module, as by `model.eval()`. The values of the Tensors that it uses, such as parameters, are
    read anew in each call. What no name leads to, such as the clock, is taken as it was.

    Refused with a CompileError is what would hold for one call only: to look at values (`if`,
    `item`, `print`), random numbers other than Dropout's, to change a Tensor in another way
    (BatchNorm in training).

    The numbers are those of the function, to the last bit. Only a gradient that comes together from
    inside and outside of a function that is no whole step may be added up in another order.

    source: the code, for reading; that of the latest trace.

    >>> square = compile(lambda x: (x * x).sum())
    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> square(x).backward()
    >>> x.grad
    array([2., 4., 6.], dtype=float32)

    >>> import nn
    >>> optimizer = nn.optim.SGD([x], lr=0.25)
    >>> @compile
    ... def step():
    ...     optimizer.zero_grad()
    ...     loss = (x * x).sum()
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> [step().item() for _ in range(3)]
    [14.0, 3.5, 0.875]
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function):
            raise TypeError(f"compile needs a function of Tensors, got {short(function)}")
        self.__wrapped__ = function
        self.source = ""
        self._plans: dict[Any, list[Plan]] = {}
        self._last: Plan | None = None
        self._again = 0  # how often none of the plans held
        self._methods: Any = weakref.WeakKeyDictionary()  # for each object, where it is a method

    @property
    def function(self) -> Callable[..., Any]:
        """The function itself."""
        return self.__wrapped__

    def __call__(self, *inputs: Any, **settings: Any) -> Any:
        """The result of the function."""
        number = next_number()  # of the result: older than a change from here on
        plan, arrays = self._last, None
        try:
            if plan is not None and plan.count == len(inputs) and not settings:
                arrays = plan.arrays(*inputs)
            key = tuple(map(_signature, inputs)) if arrays is None else None
        except AttributeError:  # not all of them are Tensors yet
            return self._call_with_others(inputs, settings)
        try:
            if plan is None or arrays is None:
                plan = None
                plan, arrays = self._find(key, inputs, settings)
                self._last = plan
            data = plan.forward(*arrays)
        except Otherwise:  # such as labels that name no class: the function itself says more
            if plan is not None and plan.arrays is _never:
                raise CompileError(_CHANGES) from None
            return self.function(*inputs)
        if plan.backward is None:
            return _constant(data)
        data, kept = data
        t = _constant(data)
        t.__class__ = _Result
        t.number = number
        t._requires_grad = True
        t._op = plan
        t._inputs = (*inputs, *plan.outer)
        t._arrays = arrays
        t._saved = kept
        return t

    def _call_with_others(self, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """For arguments that are no Tensors: arrays, or the object that this is a method of."""
        first = inputs[0] if inputs else None
        if not isinstance(first, Tensor | np.ndarray) and hasattr(first, "__weakref__"):
            if first not in self._methods:
                self._methods[first] = _Method(self.function, first)
            return self._methods[first](*inputs[1:], **settings)
        return self(*map(_as_tensor, inputs), **settings)

    def __get__(self, instance: Any, owner: type) -> Any:
        """As a method: compiled for each object by itself."""
        return self if instance is None else MethodType(self, instance)

    def _find(
        self, key: Any, inputs: tuple[Tensor, ...], settings: dict[str, Any]
    ) -> tuple[Plan, tuple[Array, ...]]:
        """The plan for inputs like these, and the arrays; a new one if none still holds."""
        if settings:
            raise TypeError(f"{_HINT}, got {', '.join(settings)} by keyword. {_FIX}")
        plans = self._plans.get((recording.on, key))
        if plans is None:
            if len(self._plans) >= 64:  # shapes that may never come again
                self._plans.clear()
            plans = self._plans[recording.on, key] = []
        for plan in plans:
            arrays = plan.arrays(*inputs)
            if arrays is not None:
                break
        else:
            if plans:
                self._count_again()
                del plans[:-3]
            try:
                plan = Plan(self.function, inputs, key)
            except Otherwise:
                self._count_again()
                raise
            plans.append(plan)
            arrays = tuple(map(_values, (*inputs, *plan.outer)))
        self.source = plan.source
        return plan, arrays

    def _count_again(self) -> None:
        self._again += 1
        if self._again == 20:
            warn(
                "compiled-again",
                "a function is compiled again and again, which is slower than not to compile it: "
                "a variable around it, an attribute of its object or a setting of a module changes "
                "between its calls, or labels are to be ignored. Pass what changes as an argument, "
                "keep it in a Tensor, count elsewhere.",
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return compile, (self.__wrapped__,)  # a copy is compiled anew

    def __repr__(self) -> str:
        return f"<compiled {_name_of(self.function)}>"


class _Method(compile):
    """A compiled function as a method of one object, which it does not keep alive."""

    def __init__(self, function: Callable[..., Any], instance: Any) -> None:
        super().__init__(function)
        self._instance = weakref.ref(instance)

    @property
    def function(self) -> Callable[..., Any]:
        """The bound method."""
        return MethodType(self.__wrapped__, self._instance())


_CHANGES = (
    "the function changes what it uses, such as a counter, and would have to run twice for the "
    "values that it was given: count outside the function, or do not compile it"
)
_HINT = "a compiled function takes Tensors and arrays, by position"
_FIX = "A setting is given before: compile(functools.partial(function, setting=…))"


def _as_tensor(x: Any) -> Tensor:
    if isinstance(x, Tensor):
        return x
    if not isinstance(x, np.ndarray):
        raise DtypeError(f"{_HINT}, got {short(x)}. {_FIX}")
    return Tensor(x)


def _name_of(function: Any) -> str:
    name: str = getattr(function, "__name__", type(function).__name__)
    return name


class _Result(Tensor):
    """What a compiled function returns. Usually its graph is this tensor and leaves: then the way
    back is one call."""

    __slots__ = ()

    def backward(self, gradient: Any = None) -> None:
        """See `Tensor.backward`."""
        plan: Any = self._op
        if (
            gradient is not None
            or plan.seed is None
            or self._retains_grad
            or self._hooks
            or latest_write.number > self.number
        ):
            super().backward(gradient)
            return
        if not _backwards() & 15:
            look_for_kept_losses(self)
        self._backward_seed = plan.seed
        plan.check_requires()
        plan.hand_out(*plan.backward(plan.seed, self._saved))


class Plan(Op):
    """The operation that a function was compiled to, for arguments of certain shapes.

    count: the number of arguments.
    outer: the tensors that it uses beside its arguments.
    arrays: a function of the arguments that gives their values and those of outer; None if
        anything is not as it was when the function was traced.
    backward: from g and what forward kept, the gradients of `needing`; None if there is none.
    needing: the inputs that get a gradient.
    hand_out: adds these gradients to their `grad`.
    seed: the g that a backward pass begins with, if all of these are leaves and no arguments.
    """

    __slots__ = (
        "_requires",
        "arrays",
        "backward",
        "count",
        "hand_out",
        "needing",
        "outer",
        "seed",
        "source",
    )

    backward: Any

    def __init__(self, function: Callable[..., Any], inputs: tuple[Tensor, ...], key: Any) -> None:
        self.count = len(inputs)
        around = Surroundings(function)
        trace = Trace(inputs)
        try:
            trace.run(function, around.callees)
            code = NumpyCode(function, trace)
        except CompileError:
            if trace.is_odd and around.are_the_same():  # about to refuse values, such as bad labels
                raise Otherwise from None
            raise
        for x in Surroundings(function):
            if isinstance(x, Tensor) and unknown(x) is not None:
                raise CompileError(
                    f"the function keeps {x._describe()}, as in self.h = h or in a list: it would "
                    "keep that of one call only. Return it, or do not compile the function."
                )
        if trace.loss is not None:
            _check_step(trace, code.needing)
        self.outer = code.outer
        self._requires = tuple(map(_requires, self.outer))
        # What changes its own surroundings is to run, and to change them, in each call.
        self.arrays = _reader(key, self.outer, around) if around.are_the_same() else _never
        self.source = code.source
        forward, self.backward = code.functions()
        if code.has_functions:
            forward = _drawing_once(forward)
        self.needing = code.needing
        self.hand_out = code.hand_out
        self.seed = None
        if not trace.result.ndim and all(trace.is_outer(x) and x.is_leaf for x in self.needing):
            self.seed = trace.result.dtype.type(1)
        rule = _rule(code, trace)
        super().__init__(_name_of(function), forward, rule, saves=True, together=True)

    def check_requires(self) -> None:
        """Refuse to go back if a tensor was frozen, or needs a gradient now, since the call."""
        if tuple(map(_requires, self.outer)) != self._requires:
            raise GradientError(
                f"requires_grad of a tensor that the compiled {self.name} uses was changed between "
                "its call and backward: call it again"
            )


def _check_step(trace: Trace, needing: tuple[Tensor, ...]) -> None:
    """Refuse to go back, inside a function, to tensors that are not simply there."""
    for x in needing:
        if not (trace.is_outer(x) and x.is_leaf):
            what = x._describe() if trace.is_outer(x) else "an argument"
            raise CompileError(
                f"the function goes back to {what}, with backward() inside. Only leaves around it, "
                "such as parameters, can get their gradients so: call backward() of the result."
            )


def _reader(
    key: Any, outer: tuple[Tensor, ...], around: Surroundings
) -> Callable[..., tuple[Array, ...] | None]:
    """`Plan.arrays`, spelt out tensor by tensor: every call goes through it."""
    tests = [f"recording.on is {recording.on}"]
    values: dict[str, Any] = {"recording": recording, "are_the_same": around.are_the_same}
    for i, (shape, dtype, requires_grad) in enumerate(key):
        tests.append(f"x{i}._requires_grad is {requires_grad} and x{i}._data.shape == {shape}")
        tests.append(f"x{i}._data.dtype == dtype{i}")
        values[f"dtype{i}"] = dtype
    for i, x in enumerate(outer):
        tests.append(f"outer{i}._requires_grad is {x._requires_grad}")
        values[f"outer{i}"] = x
    names = [f"x{i}" for i in range(len(key))]
    arrays = [f"{name}._data, " for name in [*names, *(f"outer{i}" for i in range(len(outer)))]]
    test = " and ".join([*tests, "are_the_same()"])
    text = f"lambda {', '.join(names)}: ({''.join(arrays)}) if {test} else None"
    read: Callable[..., tuple[Array, ...] | None] = eval(text, values)
    return read


def _never(*inputs: Tensor) -> None:
    """For a plan that holds for one call only."""


def _drawing_once(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Forward; if the function itself is to run instead, it draws the same random numbers."""

    def careful(*arrays: Array) -> Any:
        generator = default_generator().bit_generator
        before = generator.state
        try:
            return forward(*arrays)
        except Otherwise:
            generator.state = before
            raise

    return careful


def _rule(code: NumpyCode, trace: Trace) -> Callable[..., tuple[Any, ...]]:
    """The gradients of all inputs, of which those without one get None.

    On arrays they come from the code. On Tensors, for higher derivatives, the traced operations run
    again, recorded.
    """
    place_of = {x: i for i, x in enumerate((*trace.inputs, *code.outer))}
    places = [place_of[x] for x in code.needing]
    _, backward = code.functions()
    replay = code.steps()

    def rule(g: Any, y: Any, *values: Any) -> tuple[Any, ...]:
        *xs, kept = values
        if kept is not None:
            assert backward is not None
            gradients = dict(zip(places, backward(g, kept), strict=True))
            return tuple(gradients.get(i) for i in range(len(xs)))
        own = [x.reshape(x.shape) for x in xs]  # so that each gets its gradient for itself
        start = next_number()
        again = replay(own)
        if not np.array_equal(again.numpy(), y.numpy(), equal_nan=y.dtype.kind == "f"):
            raise GradientError(
                "the gradient of a compiled function cannot be recorded if it draws random "
                "numbers, as of Dropout: they would be others. Use the function itself."
            )
        found: dict[Tensor, Any] = {again: g}
        order = [t for t in inner_tensors([again]) if t.number > start]
        backpropagate(order, found, {}, record=True, hooks=False)
        return tuple(found.get(x) for x in own)

    rule.__doc__ = "as the compiled code says"
    return rule


def _call_function(trace: Trace, compiled: compile, *inputs: Any, **settings: Any) -> Any:
    """Inside a trace of another function: a compiled one is a part of it."""
    return compiled.function(*inputs, **settings)


replace_while_tracing(compile, "__call__", _call_function)
replace_while_tracing(_Result, "backward", refuse_change)
