"""Tensor: an array, its gradient, and the operation that made it.

A Tensor is a node of the computation graph. Every operation on Tensors goes through one of the
functions under "recording" at the end of this file: it computes the result with NumPy and notes
the operation and its inputs on it, so that `backward` can find the way back.

>>> w = Tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> loss = (w * w).sum()
>>> loss.backward()
>>> w.grad  # d(Σ w²)/dw = 2w
array([2., 4., 6.], dtype=float32)
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator
from operator import attrgetter
from typing import Any, ClassVar, Literal, cast

import numpy as np
import numpy.typing as npt

from tinygrad_sm import ops, spelling
from tinygrad_sm.autograd import (
    Version,
    backpropagate,
    inner_tensors,
    latest_write,
    next_number,
    recording,
    writing,
)
from tinygrad_sm.errors import DtypeError, GradientError, ShapeError, coded
from tinygrad_sm.kept_losses import look_for_kept_losses
from tinygrad_sm.methods import (
    Convolution,
    Elementwise,
    LinearAlgebra,
    Loss,
    Normalization,
    Reduction,
    Shape,
    Softmax,
)
from tinygrad_sm.methods.base import as_key
from tinygrad_sm.values import as_array, get_default_dtype, numeric_dtype, short

Array = npt.NDArray[Any]
Hook = Callable[["Tensor"], Any]
Operator = Callable[["Tensor", Any], "Tensor"]

_NO_ATTRIBUTES: dict[str, Any] = {}


def _operator(op: ops.Op) -> tuple[Operator, Operator]:
    """The methods for a Tensor on the left and on the right of an operator, such as a + b."""

    def left(self: Tensor, other: Any) -> Tensor:
        return binary(op, self, other)

    def right(self: Tensor, other: Any) -> Tensor:
        return binary(op, other, self)

    return left, right


class Tensor(
    Elementwise, Reduction, LinearAlgebra, Shape, Softmax, Loss, Normalization, Convolution
):
    """An array that remembers how it was computed.

    data: a number, a nested list, a NumPy array or a Tensor. Python numbers and lists become
        float32 (see `set_default_dtype`; lists of bools stay bool), arrays keep their dtype.
    dtype: the dtype wanted instead.
    requires_grad: whether `backward` shall compute a gradient for it.
    copy: False shares the memory of an array that nobody else will write to.
    name: what to call it in error messages and drawings.

    >>> Tensor([[1, 2], [3, 4]])
    Tensor([[1., 2.],
            [3., 4.]])
    >>> Tensor([0, 2, 1], dtype=int)
    Tensor([0, 2, 1], dtype=int64)
    """

    __slots__ = (
        "__weakref__",
        "_arrays",
        "_attributes",
        "_backward_seed",
        "_data",
        "_grad",
        "_grad_use",
        "_hooks",
        "_inputs",
        "_op",
        "_requires_grad",
        "_retains_grad",
        "_saved",
        "_version",
        "name",
        "number",
        "scope",
    )

    _data: Array
    _grad: Array | None
    _grad_use: int  # of a gradient: 0 new, 1 used by an optimizer, 2 added to after that
    _requires_grad: bool
    _op: ops.Op | None  # the operation that made it; None for a leaf
    _inputs: tuple[Tensor, ...]  # what the operation was applied to, in order
    _arrays: tuple[Array, ...]  # the inputs' values
    _attributes: dict[str, Any]  # the operation's settings, such as axis
    _saved: Any  # what the forward pass of a fused operation kept for the backward pass
    number: int  # creation number: a result is younger than its inputs
    _version: Version | None  # shared with the tensors that share its memory
    _hooks: dict[object, Hook] | None  # by a key of its own, for two hooks may be equal
    _retains_grad: bool
    _backward_seed: Any  # what the last backward() from here began with, for drawings
    # The module call that this tensor is the result of: the module, the creation number when the
    # call began, and the call inside it that ended with the same tensor. Modules fill it in;
    # drawings read it.
    scope: tuple[Any, int, Any] | None
    name: str | None

    # With None here, `array * tensor` asks the Tensor instead of looping over its elements.
    __array_ufunc__: ClassVar[None] = None

    def __init__(
        self,
        data: Any,
        *,
        dtype: npt.DTypeLike | None = None,
        requires_grad: bool = False,
        copy: bool = True,
        name: str | None = None,
    ) -> None:
        self._data = as_array(data._data if isinstance(data, Tensor) else data, dtype, copy)
        self._grad = None
        self._requires_grad = False
        self._op = None
        self._inputs = ()
        self._arrays = ()
        self._attributes = _NO_ATTRIBUTES
        self._saved = None
        self.number = next_number()
        self._version = None
        if isinstance(data, Tensor) and self._data is data._data:
            self._version = data._share_version()
        self._hooks = None
        self._retains_grad = False
        self._backward_seed = None
        self.scope = None
        self.name = name
        if requires_grad:
            self.requires_grad = True

    # ---- what it holds -------------------------------------------------------------------------

    @property
    def data(self) -> Array:
        """The values, as a NumPy array that can be written to.

        An assignment, `t.data = …` or `t.data -= …`, is noted: a graph that used the old values
        refuses to go back. Writing to some elements, `t.data[i] = …`, is not: see `note_writes`.
        """
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        if value is not self._data:  # but `t.data -= step` has written to the very array already
            new = np.asarray(value._data if isinstance(value, Tensor) else value)
            if new.shape != self._data.shape:
                raise ShapeError(
                    f"cannot assign data of shape {new.shape} to {self._describe()}: "
                    "the shape of a tensor does not change"
                )
            if not np.can_cast(new.dtype, self._data.dtype, "same_kind"):
                raise DtypeError(
                    f"cannot assign data of dtype {new.dtype} to {self._describe()} "
                    f"of dtype {self._data.dtype}"
                )
            self._data = np.array(new, self._data.dtype, order=_order(self._data))
        note_writes((self,))

    @property
    def grad(self) -> Array | None:
        """The gradient that backward passes have added up, a NumPy array, or None."""
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None and value is not self._grad:
            value = np.array(value._data if isinstance(value, Tensor) else value, self._data.dtype)
            if value.shape != self._data.shape:
                raise ShapeError(
                    f"a gradient of shape {value.shape} does not fit {self._describe()}: "
                    "a gradient has the shape of its tensor"
                )
            self._grad_use = 0
        self._grad = value

    @property
    def grad_is_stale(self) -> bool:
        """Whether a backward pass added to a gradient that an optimizer had used already.

        >>> w = Tensor(1.0, requires_grad=True)
        >>> (w * 2).backward()
        >>> note_writes([w], gradients_used=True)  # as an optimizer's step does
        >>> (w * 2).backward()
        >>> w.grad_is_stale
        True
        """
        return self._grad is not None and getattr(self, "_grad_use", 0) == 2

    @property
    def requires_grad(self) -> bool:
        """Whether a backward pass computes a gradient for it."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self._op is not None and not value:
            raise GradientError(
                f"{self._describe()} is the result of '{self._op.name}', so its gradient is needed "
                "on the way back. Use detach() for a copy outside the graph."
            )
        if value and self._data.dtype.kind != "f":
            raise DtypeError(
                f"only floating-point tensors can require a gradient, this one is "
                f"{self._data.dtype}: a derivative needs values that can change a little. "
                "Use astype(float) or dtype=float."
            )
        self._requires_grad = bool(value)

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._data.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of the elements."""
        return self._data.dtype

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the user and not by a recorded operation."""
        return self._op is None

    def numel(self) -> int:
        """The number of elements.

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).numel()
        4
        """
        return self._data.size

    def numpy(self) -> Array:
        """A read-only view of the values as a NumPy array.

        Read-only, so that nothing outside changes what a backward pass still needs. Take
        `.numpy().copy()` for an array to write to.

        >>> Tensor([1.0, 2.0]).numpy()
        array([1., 2.], dtype=float32)
        """
        view = self._data.view()
        view.flags.writeable = False
        return view

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        return np.array(self.numpy(), dtype, copy=copy)

    def item(self) -> float:
        """The value of a tensor of one element, as a Python number.

        >>> Tensor(2.5).item()
        2.5
        """
        if self._data.size != 1:
            raise ShapeError(
                f"item() needs a tensor of one element, this one has shape {self.shape}; "
                "pick one by its index, or use tolist()"
            )
        return cast(float, self._data.item())

    def tolist(self) -> Any:
        """The values as a number or nested lists.

        >>> Tensor([1.0, 2.0]).tolist()
        [1.0, 2.0]
        """
        return self._data.tolist()

    def __float__(self) -> float:
        if self._data.size != 1:
            error = ShapeError(
                "float() and the functions of math need a tensor of one element, this one has "
                f"shape {self.shape}: write x.exp(), not math.exp(x), or pick one by its index"
            )
            raise coded(error, "many-for-one")
        return float(self._data.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._data.dtype.kind not in "iu":
            raise DtypeError(f"an index is an integer, this tensor is {self._data.dtype}")
        return int(self.item())

    def __bool__(self) -> bool:
        if self._data.size != 1:
            error = ShapeError(
                f"a tensor of shape {self.shape} is neither true nor false; "
                "compare one element, or reduce it with .all() or .any()"
            )
            raise coded(error, "many-for-one")
        return bool(self._data.item())

    def __len__(self) -> int:
        if not self._data.ndim:
            raise DtypeError("a tensor with no axes (a single number) has no length")
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        if not self._data.ndim:
            error = DtypeError(
                "a tensor with no axes is a single number: there is nothing to iterate over. "
                "x.item() gives the number, x.reshape(1) a vector of it"
            )
            raise coded(error, "many-for-one")
        return (self[i] for i in range(len(self)))

    def __format__(self, spec: str) -> str:
        return format(self._data.item(), spec) if spec and self._data.size == 1 else str(self)

    def __repr__(self) -> str:
        values = np.array2string(
            self._data, separator=", ", prefix="Tensor(", threshold=200, edgeitems=3, precision=4
        )
        notes = []
        if self._data.size > 200 or not self._data.size:
            notes.append(f"shape={self.shape}")
        if self._data.dtype not in (get_default_dtype(), np.dtype(bool)):
            notes.append(f"dtype={self._data.dtype}")
        if self._op is not None:
            notes.append(f"op={self._op.name}")
        elif self._requires_grad:
            notes.append("requires_grad=True")
        if self.name is not None:
            notes.append(f"name={self.name!r}")
        return f"Tensor({', '.join([values, *notes])})"

    def _describe(self) -> str:
        """How an error message speaks of it."""
        kind = "tensor" if self._op is None else f"the result of {self._op.name},"
        name = f" {self.name!r}" if self.name else ""
        return f"{kind}{name} of shape {self.shape}"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._op is not None:
            raise DtypeError(
                f"cannot copy or pickle {self._describe()}: it belongs to a graph. "
                "Use detach() first."
            )
        state = (self._data, self._requires_grad, self._grad, self.name)
        return (_rebuild, (type(self), *state))

    # ---- gradients -----------------------------------------------------------------------------

    def backward(self, gradient: Any = None) -> None:
        """Compute the gradient of this tensor with respect to every leaf it was computed from.

        The gradients are added to the leaves' `grad`. The graph stays, so it can be drawn, or gone
        back through again.

        gradient: the gradient of the final loss with respect to this tensor, of its shape. Only
            a tensor of one element, a loss, can do without: it gets 1.

        >>> x = Tensor(3.0, requires_grad=True)
        >>> (x**2).backward()
        >>> x.grad
        array(6., dtype=float32)
        """
        if not self._requires_grad:
            raise GradientError(
                f"{self._describe()} needs no gradient, so there is nothing to go back to: "
                "it was not computed from a tensor with requires_grad=True, or was computed "
                "under no_grad()"
            )
        if not _backwards() & 15:  # once in a while
            look_for_kept_losses(self)
        seed = self._backward_seed = self._seed(gradient)
        gradients: dict[Tensor, Any] = {self: seed}
        retained: dict[Tensor, Any] = {}
        backpropagate(inner_tensors([self]), gradients, retained)
        _hand_out([*gradients, *retained], [*gradients.values(), *retained.values()])

    def _seed(self, gradient: Any, argument: str = "gradient") -> Any:
        """The gradient to start the backward pass from, as an array or number of our own."""
        if gradient is None:
            if self._data.size != 1:
                raise GradientError(
                    "a backward pass starts from a single number, the loss, but this tensor has "
                    f"shape {self.shape}. Reduce it first with .mean() or .sum(), or pass "
                    f"{argument}= of that shape."
                )
            one = self._data.dtype.type(1)
            return np.full(self.shape, one) if self._data.ndim else one
        seed = np.array(gradient._data if isinstance(gradient, Tensor) else gradient, self.dtype)
        if seed.shape != self._data.shape:
            raise ShapeError(
                f"{argument}= has shape {seed.shape}, but needs the tensor's shape, {self.shape}"
            )
        seed.flags.writeable = False  # so that no leaf takes it over as its gradient
        return seed

    def detach(self) -> Tensor:
        """The same values outside the graph: no gradient flows through the result.

        >>> x = Tensor(3.0, requires_grad=True)
        >>> x.detach().requires_grad
        False
        """
        result = _constant(self._data)
        result._version = self._share_version()
        return result

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad` and return the tensor.

        >>> Tensor([1.0]).requires_grad_()
        Tensor([1.], requires_grad=True)
        """
        self.requires_grad = requires_grad
        return self

    def retain_grad(self) -> Tensor:
        """Keep the gradient of an inner tensor in `grad` too, as leaves do.

        >>> x = Tensor(3.0, requires_grad=True)
        >>> y = (x * 2).retain_grad()
        >>> (y * y).backward()
        >>> y.grad
        array(12., dtype=float32)
        """
        if not self._requires_grad:
            raise GradientError(f"{self._describe()} needs no gradient, so it has none to retain")
        self._retains_grad = True
        return self

    def register_hook(self, hook: Hook) -> Callable[[], None]:
        """Call `hook(gradient)` when a backward pass has the gradient of this tensor ready.

        The gradient comes as a Tensor. What the hook returns, if not None, takes its place.
        Returns a function that removes the hook.

        >>> x = Tensor(3.0, requires_grad=True)
        >>> remove = x.register_hook(lambda g: g * 10)
        >>> (x * 2).backward()
        >>> x.grad
        array(20., dtype=float32)
        """
        if not self._requires_grad:
            raise GradientError(f"{self._describe()} needs no gradient, so no hook would be called")
        if not callable(hook):
            raise DtypeError(f"a hook is a function of the gradient, got {short(hook)}")
        if self._hooks is None:
            self._hooks = {}
        hooks, key = self._hooks, object()
        hooks[key] = hook

        def remove() -> None:
            hooks.pop(key, None)

        return remove

    def _share_version(self) -> Version:
        """The note of the last change, for a tensor that shares this one's memory."""
        if self._version is None:
            with writing:  # two threads that share it get the same one
                self._version = self._version or Version()
        return self._version

    @staticmethod
    def _copied(values: Any) -> Tensor:
        """For the backward pass, which makes no Tensors itself."""
        return Tensor(values)

    # How the methods, and operations used inside a derivative rule, apply an operation.

    def _apply(self, op: ops.Op, *others: Any, **attributes: Any) -> Tensor:
        return apply(op, (self, *others) if others else (self,), attributes)

    def _binary(self, op: ops.Op, other: Any) -> Tensor:
        return binary(op, self, other)

    def _unary(self, op: ops.Op) -> Tensor:
        t = _constant(op.forward(self._data))
        if self._requires_grad and recording.on and op.rules:
            t._requires_grad = True
            t._op = op
            t._inputs = (self,)
            t._arrays = (self._data,)
        return t

    def _coerced(self, value: Any) -> Tensor:
        return _coerce(value, self._data.dtype)

    # ---- arithmetic ----------------------------------------------------------------------------

    __add__, __radd__ = _operator(ops.add)
    __sub__, __rsub__ = _operator(ops.subtract)
    __mul__, __rmul__ = _operator(ops.multiply)
    __truediv__, __rtruediv__ = _operator(ops.divide)
    __floordiv__, __rfloordiv__ = _operator(ops.floor_divide)
    __mod__, __rmod__ = _operator(ops.remainder)
    __pow__, __rpow__ = _operator(ops.power)
    __matmul__, __rmatmul__ = _operator(ops.matmul)
    __lt__, __gt__ = _operator(ops.less)[0], _operator(ops.greater)[0]
    __le__, __ge__ = _operator(ops.less_equal)[0], _operator(ops.greater_equal)[0]

    __and__, __rand__ = _operator(ops.bitwise_and)
    __or__, __ror__ = _operator(ops.bitwise_or)
    __xor__, __rxor__ = _operator(ops.bitwise_xor)

    def __invert__(self) -> Tensor:
        return self._unary(ops.bitwise_not)

    def __neg__(self) -> Tensor:
        return self._unary(ops.negative)

    def __pos__(self) -> Tensor:
        return self

    def __abs__(self) -> Tensor:
        return self._unary(ops.abs)

    # Comparisons are elementwise; a Tensor is hashed by identity, so it can be a dictionary's key.
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        return binary(ops.equal, self, other) if isinstance(other, _NUMERIC) else NotImplemented

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        if not isinstance(other, _NUMERIC):
            return NotImplemented
        return binary(ops.not_equal, self, other)

    def astype(self, dtype: npt.DTypeLike) -> Tensor:
        """The same values as another dtype. The gradient comes back in this tensor's dtype.

        >>> Tensor([1.7, -1.7]).astype(int)
        Tensor([ 1, -1], dtype=int64)
        """
        wanted = numeric_dtype(dtype)
        if wanted.kind != "f":  # whole numbers have no derivative
            return _constant(self._data.astype(wanted))
        return self._apply(ops.astype, dtype=wanted)

    def __getitem__(self, key: Any) -> Tensor:
        return self._apply(ops.getitem, key=as_key(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        if self._requires_grad:
            raise GradientError(
                f"cannot write into {self._describe()}: it needs a gradient, and its values are "
                "part of the graph. Write into t.data outside the graph, or build a new tensor."
            )
        if isinstance(value, Tensor) and value._requires_grad and recording.on:
            raise GradientError(
                f"cannot write {value._describe()} into a tensor: it needs a gradient, and none "
                "would flow back. Write value.detach(), or build a new tensor."
            )
        values = self._data
        values[as_key(key)] = value._data if isinstance(value, Tensor) else value
        self.data = values


def note_writes(tensors: Iterable[Tensor], gradients_used: bool = False) -> None:
    """Note that the values of tensors were changed in place, as an optimizer's step does.

    A graph that used the old values then refuses to go back.

    gradients_used: the change was a step down the gradients, which are to be forgotten now.

    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> loss = (w * w).sum()
    >>> w.data *= 2  # an assignment: noted
    >>> w.data[0] = 5.0  # a write to elements: not noted, so do it by hand
    >>> note_writes([w])
    """
    with writing:
        number = latest_write.number = next_number()
        for t in tensors:
            if t._version is None:
                t._version = Version()
            t._version.number = number
            if gradients_used:
                t._grad_use = 1


def _hand_out(tensors: Iterable[Tensor], gradients: Collection[Any]) -> None:
    """Add to the tensors' `grad`. The first gradient is taken over, unless it is not its own.

    It is to lie in memory as the tensor's values do, and fit to be changed.
    """
    shared = len(gradients) > len({*map(id, gradients)})
    for tensor, g in zip(tensors, gradients, strict=True):
        if tensor._grad is not None:
            if getattr(tensor, "_grad_use", 0) == 1:
                tensor._grad_use = 2 if tensor._grad.any() else 0
            tensor._grad += g
            continue
        own = type(g) is np.ndarray and g.base is None and g.flags.writeable and not shared
        if not own or g.strides != tensor._data.strides:
            g = np.array(g, order=_order(tensor._data))
        tensor._grad = g
        tensor._grad_use = 0


def _order(array: Array) -> Literal["C", "F"]:
    """The order of an array's elements in memory: what is in the same order is quicker together."""
    return "F" if array.flags.fnc else "C"


def _rebuild(cls: type[Tensor], data: Array, requires_grad: bool, grad: Any, name: Any) -> Tensor:
    """Make a copied or unpickled Tensor."""
    tensor = cls.__new__(cls)
    Tensor.__init__(tensor, data, requires_grad=requires_grad, name=name)
    tensor.grad = grad
    return tensor


# ---- recording ---------------------------------------------------------------------------------
# The way every operation takes. One input and two inputs have a path of their own, for speed:
# `Tensor._unary` above and `binary`.

_new = Tensor.__new__
_backwards = itertools.count(1).__next__
_values = attrgetter("_data")
_NUMERIC = (Tensor, np.ndarray, np.generic, float, int, list, tuple)


def _constant(data: Array) -> Tensor:
    """A Tensor around an array, outside any graph."""
    t = _new(Tensor)
    t._data = data if type(data) is np.ndarray else np.asarray(data)
    t._grad = None
    t._requires_grad = False
    t._op = None
    t._inputs = ()
    t._arrays = ()
    t._attributes = _NO_ATTRIBUTES
    t._saved = None
    t.number = next_number()
    t._version = None
    t._hooks = None
    t._retains_grad = False
    t._backward_seed = None
    t.scope = None
    t.name = None
    return t


def binary(op: ops.Op, a: Any, b: Any) -> Tensor:
    """Apply an operation of two inputs and no attributes; one of them may be no Tensor yet."""
    if not isinstance(b, Tensor):
        b = _coerce(b, a._data.dtype)
    elif not isinstance(a, Tensor):
        a = _coerce(a, b._data.dtype)
    try:
        t = _constant(op.forward(a._data, b._data))
    except ValueError as error:
        raise _explain(op, (a, b), error) from None
    if (a._requires_grad or b._requires_grad) and recording.on and op.rules:
        t._requires_grad = True
        t._op = op
        t._inputs = (a, b)
        t._arrays = (a._data, b._data)
    return t


def apply(
    op: ops.Op, inputs: tuple[Any, ...], attributes: dict[str, Any] = _NO_ATTRIBUTES
) -> Tensor:
    """Apply any operation: compute with NumPy, and record if an input needs a gradient."""
    try:
        arrays = tuple(map(_values, inputs)) if len(inputs) > 1 else (inputs[0]._data,)
    except AttributeError:  # not all of them are Tensors yet
        return apply(op, _coerce_all(inputs), attributes)
    try:
        data = op.forward(*arrays, **attributes) if attributes else op.forward(*arrays)
    except ValueError as error:
        raise _explain(op, inputs, error) from None
    saved = None
    if op.saves:
        data, saved = data
    t = _constant(data)
    for x in inputs:
        if x._requires_grad and recording.on and op.rules:
            t._requires_grad = True
            t._op = op
            t._inputs = inputs
            t._arrays = arrays
            t._attributes = attributes
            t._saved = saved
            break
    if op.views and t._data.base is not None:
        t._version = inputs[0]._version or inputs[0]._share_version()
    return t


spelling.explain_missing(Tensor, spelling.TENSOR)

# The methods of other files call it as self._record.
Tensor._record = staticmethod(apply)  # type: ignore[method-assign]


def _coerce(x: Any, dtype: np.dtype[Any]) -> Tensor:
    """A Tensor of what stands beside one in an operation. A Python number takes its dtype."""
    if type(x) in (float, int, bool):
        return _constant(np.asarray(x, dtype if dtype.kind == "f" else np.result_type(dtype, x)))
    return Tensor(x)


def _coerce_all(inputs: tuple[Any, ...]) -> tuple[Tensor, ...]:
    dtypes = [x.dtype for x in inputs if isinstance(x, Tensor | np.ndarray)]
    dtype = np.result_type(*dtypes)
    return tuple(x if isinstance(x, Tensor) else _coerce(x, dtype) for x in inputs)


def _explain(op: ops.Op, inputs: tuple[Tensor, ...], error: ValueError) -> ValueError:
    """NumPy's complaint about shapes, in the terms of the operation."""
    if type(op) is not ops.Op:  # the user's own: what helps is where in it the error arose
        return error
    shapes = " and ".join(str(x.shape) for x in inputs)
    if op is ops.matmul:
        rule = (
            "the last axis of the left needs the length of the right's second-last (or only) axis"
        )
    elif op is ops.linear:
        rule = "x needs shape (…, in), weight (out, in) and bias (out,)"
    elif op.broadcasts and not _broadcast(inputs):
        rule = "axes are compared from the last backwards, and need equal lengths or a 1"
    else:
        # It is not about two shapes: NumPy's error names what is wrong.
        return (
            type(error)(*error.args)
            if type(error) is not ValueError
            else ShapeError(f"{op.name} of shape {shapes}: {error}")
        )
    return ShapeError(f"{op.name}: shapes {shapes} do not fit together: {rule}")


def _broadcast(inputs: tuple[Tensor, ...]) -> bool:
    """Whether the shapes fit together."""
    try:
        np.broadcast_shapes(*(x.shape for x in inputs))
    except ValueError:
        return False
    return True
