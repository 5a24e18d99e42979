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
    linear_1 = linear(x, weight, bias)
    if not all_in_range(y, 3): otherwise()
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

The first call traces the function (see `tracing.py`). What it is made of is written down line by
line, as above, with the very functions that an operation computes and differentiates with, so the
numbers are the same to the last bit. Later calls run that code: no Tensor is made in between, no
graph, and nobody looks for the way back.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import attrgetter, is_
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

from tinygrad_sm.autograd import latest_setting, latest_write, recording
from tinygrad_sm.differentiate import grad
from tinygrad_sm.errors import DtypeError, GradientError, warn
from tinygrad_sm.kept_losses import look_for_kept_losses
from tinygrad_sm.numpy_code import NumpyCode
from tinygrad_sm.ops import Op
from tinygrad_sm.tensor import Tensor, _backwards, _constant, _hand_out
from tinygrad_sm.tracing import Otherwise, Trace, replace_while_tracing
from tinygrad_sm.values import short

_signature = attrgetter("_data.shape", "_data.dtype", "_requires_grad")
_values = attrgetter("_data")
_requires = attrgetter("_requires_grad")
_hooks = attrgetter("_hooks")
_contents = attrgetter("cell_contents")


class compile:
    """A function that computes the same as `function`, from Tensors, without the overhead.

    function: takes Tensors by position and returns one Tensor; a loss or a whole model.

    The result belongs to the graph as if it came from one operation: `backward`, `grad`, second
    derivatives and drawings work on it. On small networks, where most of the time goes into
    keeping the graph, a step takes about two thirds of the time.

    The function itself runs only once for each combination of shapes and dtypes of its arguments,
    and again when a variable that it uses, or a setting of any module, such as `model.eval()`, was
    changed. Tensors that it uses beside its arguments, such as parameters, are read anew in each
    call. Numbers of other origin are taken as they were.

    What would hold for one call only is refused with a CompileError: to look at values (`if`,
    `item`, `print`), random numbers (Dropout in training), to change a Tensor (BatchNorm in
    training), to call `backward` inside.

    source: the code, for reading; that of the latest trace.

    >>> import numpy as np
    >>> square = compile(lambda x: (x * x).sum())
    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> square(x).backward()
    >>> x.grad
    array([2., 4., 6.], dtype=float32)

    Attributes other than these are the function's: the compiled form of a model has its
    `parameters()`.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function):
            raise TypeError(f"compile needs a function of Tensors, got {short(function)}")
        self.function = function
        self.source = ""
        self._plans: dict[Any, Plan] = {}
        self._last: Plan | None = None
        self._again = 0  # how often a plan no longer held

    def __call__(self, *inputs: Any) -> Any:
        """The result of the function."""
        try:
            key = tuple(map(_signature, inputs))
        except AttributeError:  # not all of them are Tensors yet
            return self(*map(_as_tensor, inputs))
        plan = self._last
        try:
            if plan is None or plan.key != key or not plan.holds():
                plan = self._last = self._find(key, inputs)
            everything = (*inputs, *plan.outer)
            arrays = tuple(map(_values, everything))
            data, kept = plan.forward(*arrays)
        except Otherwise:  # such as labels that name no class: the function itself says more
            return self.function(*inputs)
        t = _constant(data)
        if plan.backward is not None:
            t.__class__ = _Result
            t._requires_grad = True
            t._op = plan
            t._inputs = everything
            t._arrays = arrays
            t._saved = kept
        return t

    def _find(self, key: Any, inputs: tuple[Tensor, ...]) -> Plan:
        """The plan for inputs like these; a new one if there is none that still holds."""
        plan = self._plans.get((recording.on, key))
        if plan is None or not plan.holds():
            if plan is not None:
                self._warn_of_changes()
            if len(self._plans) > 64:  # shapes that may never come again
                self._plans.clear()
            plan = self._plans[recording.on, key] = Plan(self.function, inputs, key)
        self.source = plan.source
        return plan

    def _warn_of_changes(self) -> None:
        self._again += 1
        if self._again == 20:
            warn(
                "compiled-again",
                "a function is compiled again and again, which is slower than not to compile it: "
                "a variable that it uses, or a setting of a module, changes between its calls. "
                "Pass what changes as an argument, or keep it in a Tensor.",
            )

    def __get__(self, instance: Any, owner: type) -> Any:
        """As a method: compiled for each object by itself."""
        if instance is None:
            return self
        bound = compile(MethodType(self.function, instance))
        vars(instance)[self._name] = bound
        return bound

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"<compiled {_name_of(self.function)}>"


def _as_tensor(x: Any) -> Tensor:
    if isinstance(x, Tensor):
        return x
    if not isinstance(x, np.ndarray):
        raise DtypeError(
            f"a compiled function takes Tensors and arrays, got {short(x)}. A setting is given "
            "before: compile(functools.partial(function, setting=…))"
        )
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
            or any(map(_hooks, plan.outer))
        ):
            super().backward(gradient)
            return
        if not _backwards() & 15:
            look_for_kept_losses(self)
        self._backward_seed = plan.seed
        _hand_out(dict(zip(plan.needing, plan.backward(plan.seed, self._saved), strict=True)))


# ---- what it is compiled to --------------------------------------------------------------------


class Plan(Op):
    """The operation that a function was compiled to, for arguments of certain shapes.

    key: the shapes and dtypes of the arguments, and whether they need a gradient.
    outer: the tensors that it uses beside its arguments.
    backward: from g and what forward kept, the gradients of `needing`; None if there is none.
    needing: the inputs that get a gradient.
    seed: the g that a backward pass begins with, if all of these are leaves and no arguments.
    """

    backward: Any

    __slots__ = (
        "_look",
        "_recorded",
        "_requires",
        "_setting",
        "_then",
        "_variables",
        "backward",
        "key",
        "needing",
        "outer",
        "seed",
        "source",
    )

    def __init__(self, function: Callable[..., Any], inputs: tuple[Tensor, ...], key: Any) -> None:
        self.key = key
        self._setting = latest_setting.number
        self._recorded = recording.on
        self._look, self._variables = _surroundings(function)
        self._then = (*map(self._look, self._variables),)
        trace = Trace(function, inputs)
        code = NumpyCode(function, trace)
        self.outer = code.outer
        self._requires = tuple(map(_requires, self.outer))
        self.source = code.source
        forward, self.backward = code.functions()
        self.needing = code.needing
        place_of = {x: i for i, x in enumerate((*trace.inputs, *self.outer))}
        places = [place_of[x] for x in self.needing]
        self.seed = None
        if not trace.result.ndim and all(trace.is_outer(x) and x.is_leaf for x in self.needing):
            self.seed = trace.result.dtype.type(1)

        n, draws = len(inputs), code.draws  # and not the trace, with all its samples

        def rule(g: Any, y: Any, *values: Any) -> tuple[Any, ...]:
            *xs, kept = values
            if kept is not None:
                found = self.backward(g, kept)
            elif draws:
                raise GradientError(
                    f"the gradient of the compiled {self.name} cannot be recorded: random numbers, "
                    "as of Dropout, would be drawn anew. Use the function itself."
                )
            else:  # on Tensors: recorded, for higher derivatives
                result = function(*xs[:n])
                found = grad(result, [xs[i] for i in places], g, True, allow_unused=True)
            gradients = dict(zip(places, found, strict=True))
            return tuple(gradients.get(i) for i in range(len(xs)))

        rule.__doc__ = "as the compiled code says"
        super().__init__(_name_of(function), forward, rule, saves=True, together=True)

    def holds(self) -> bool:
        """Whether everything around is as it was when the function was traced."""
        return (
            self._setting == latest_setting.number
            and self._recorded is recording.on
            and tuple(map(_requires, self.outer)) == self._requires
            and all(map(is_, map(self._look, self._variables), self._then))
        )


def _surroundings(function: Any) -> tuple[Callable[[Any], Any], tuple[Any, ...]]:
    """The variables that a function uses beside its arguments: how to look at one, and which."""
    while isinstance(function, partial):
        function = function.func
    function = getattr(function, "__func__", function)
    if not isinstance(function, FunctionType):
        return _contents, ()
    world = function.__globals__
    cells = function.__closure__ or ()
    names = sorted(_names(function.__code__) & world.keys())
    if cells and names:
        return lambda it: world.get(it) if type(it) is str else it.cell_contents, (*cells, *names)
    return (_contents, cells) if cells else (world.get, tuple(names))


def _names(code: CodeType) -> set[str]:
    """The names that a function and those written inside it look up outside."""
    inner = [c for c in code.co_consts if isinstance(c, CodeType)]
    return {*code.co_names}.union(*map(_names, inner))


def _call_function(trace: Trace, compiled: compile, *inputs: Any) -> Any:
    """Inside a trace of another function: a compiled one is a part of it."""
    return compiled.function(*inputs)


replace_while_tracing(compile, "__call__", _call_function)
