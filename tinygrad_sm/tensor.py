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

import math
from collections.abc import Callable, Iterator
from operator import attrgetter, index
from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt

from tinygrad_sm import labels, ops
from tinygrad_sm.autograd import (
    Version,
    backpropagate,
    inner_tensors,
    latest_write,
    next_number,
    recording,
)
from tinygrad_sm.elementwise import Elementwise
from tinygrad_sm.errors import DtypeError, GradientError, ShapeError

Array = npt.NDArray[Any]
Axis = int | tuple[int, ...] | None
Hook = Callable[["Tensor"], Any]

_default_dtype: np.dtype[Any] = np.dtype(np.float32)


def set_default_dtype(dtype: npt.DTypeLike) -> None:
    """Set the dtype that Python numbers and lists become; float32 unless changed.

    >>> import numpy as np
    >>> set_default_dtype(np.float64)
    >>> Tensor([1, 2]).dtype
    dtype('float64')
    >>> set_default_dtype(np.float32)
    """
    global _default_dtype
    new = np.dtype(dtype)
    if new.kind != "f":
        raise DtypeError(f"the default dtype needs to be a floating-point one, got {new}")
    _default_dtype = new


def get_default_dtype() -> np.dtype[Any]:
    """The dtype that Python numbers and lists become.

    >>> get_default_dtype()
    dtype('float32')
    """
    return _default_dtype


class Tensor(Elementwise):
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
        self._data = as_array(data, dtype, copy)
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
        refuses to go back. Writing to some elements, `t.data[i] = …`, is not noted.
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
            self._data = np.array(new, dtype=self._data.dtype)
        version = self._version or self._share_version()
        version.number = latest_write.number = next_number()

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
        self._grad = value

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
        """The number of elements."""
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
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._data.dtype.kind not in "iu":
            raise DtypeError(f"an index is an integer, this tensor is {self._data.dtype}")
        return int(self.item())

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ShapeError(
                f"a tensor of shape {self.shape} is neither true nor false; "
                "compare one element, or look at the array with .numpy().all() or .any()"
            )
        return bool(self._data.item())

    def __len__(self) -> int:
        if not self._data.ndim:
            raise DtypeError("a tensor with no axes (a single number) has no length")
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
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
        if self._data.dtype not in (_default_dtype, np.dtype(bool)):
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
        seed = self._backward_seed = self._seed(gradient)
        gradients: dict[Tensor, Any] = {self: seed}
        retained: dict[Tensor, Any] = {}
        backpropagate(inner_tensors([self]), gradients, retained)
        _hand_out(gradients | retained if retained else gradients)

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
        """Set `requires_grad` and return the tensor."""
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
            raise DtypeError(f"a hook is a function of the gradient, got {_short(hook)}")
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
            self._version = Version()
        return self._version

    @staticmethod
    def _copied(values: Any) -> Tensor:
        """For the backward pass, which makes no Tensors itself."""
        return Tensor(values)

    @staticmethod
    def _apply(op: ops.Op, inputs: tuple[Any, ...], attributes: dict[str, Any]) -> Tensor:
        """How an operation used inside a derivative rule records itself on Tensors."""
        return apply(op, inputs, attributes)

    # ---- arithmetic ----------------------------------------------------------------------------

    def __add__(self, other: Any) -> Tensor:
        return binary(ops.add, self, other)

    def __radd__(self, other: Any) -> Tensor:
        return binary(ops.add, other, self)

    def __sub__(self, other: Any) -> Tensor:
        return binary(ops.subtract, self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return binary(ops.subtract, other, self)

    def __mul__(self, other: Any) -> Tensor:
        return binary(ops.multiply, self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return binary(ops.multiply, other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return binary(ops.divide, self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return binary(ops.divide, other, self)

    def __pow__(self, other: Any) -> Tensor:
        return binary(ops.power, self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return binary(ops.power, other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return binary(ops.matmul, self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return binary(ops.matmul, other, self)

    def __neg__(self) -> Tensor:
        return self._unary(ops.negative)

    def __pos__(self) -> Tensor:
        return self

    def __abs__(self) -> Tensor:
        return self._unary(ops.abs)

    def _unary(self, op: ops.Op) -> Tensor:
        """Apply an operation of one input and no attributes; see "recording" below."""
        t = _constant(op.forward(self._data))
        if self._requires_grad and recording.on and op.rules:
            t._requires_grad = True
            t._op = op
            t._inputs = (self,)
            t._arrays = (self._data,)
        return t

    # Comparisons are elementwise; a Tensor is hashed by identity, so it can be a dictionary's key.
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        return binary(ops.equal, self, other) if _is_numeric(other) else NotImplemented

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        return binary(ops.not_equal, self, other) if _is_numeric(other) else NotImplemented

    def __lt__(self, other: Any) -> Tensor:
        return binary(ops.less, self, other)

    def __le__(self, other: Any) -> Tensor:
        return binary(ops.less_equal, self, other)

    def __gt__(self, other: Any) -> Tensor:
        return binary(ops.greater, self, other)

    def __ge__(self, other: Any) -> Tensor:
        return binary(ops.greater_equal, self, other)

    def astype(self, dtype: npt.DTypeLike) -> Tensor:
        """The same values as another dtype. The gradient comes back in this tensor's dtype.

        >>> Tensor([1.7, -1.7]).astype(int)
        Tensor([ 1, -1], dtype=int64)
        """
        wanted = _numeric_dtype(np.dtype(dtype))
        if wanted.kind != "f":  # whole numbers have no derivative
            return _constant(self._data.astype(wanted))
        return apply(ops.astype, (self,), {"dtype": wanted})

    # ---- reductions ----------------------------------------------------------------------------
    # axis: the axis or axes to reduce, None for all. keepdims: leave them in the shape, as 1.

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Σ x over all elements or along `axis`. Derivative: 1 for every element.

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).sum(axis=0)
        Tensor([4., 6.])
        """
        return apply(ops.sum, (self,), {"axis": _axis(axis), "keepdims": keepdims})

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Σ x / n over all elements or along `axis`. Derivative: 1/n for every element.

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).mean()
        Tensor(2.5)
        """
        return apply(ops.mean, (self,), {"axis": _axis(axis), "keepdims": keepdims})

    def max(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The largest element of all or along `axis`; `argmax` tells where it is.

        Derivative: 1 for the largest and 0 elsewhere. Along one axis the first of equal elements
        takes it; over all or several axes equal elements share it evenly (as in PyTorch).

        >>> Tensor([[1.0, 5.0], [3.0, 4.0]]).max(axis=1)
        Tensor([5., 4.])
        """
        return apply(ops.max, (self,), {"axis": _axis(axis), "keepdims": keepdims})

    def min(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The smallest element of all or along `axis`; derivative as for `max`.

        >>> Tensor([[1.0, 5.0], [3.0, 4.0]]).min(axis=1)
        Tensor([1., 3.])
        """
        return apply(ops.min, (self,), {"axis": _axis(axis), "keepdims": keepdims})

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """Where the largest element is: its index along `axis`, or in the flattened tensor.

        The first of equal elements wins. No derivative.

        >>> Tensor([[1.0, 5.0], [7.0, 4.0]]).argmax(axis=1)
        Tensor([1, 0], dtype=int64)
        """
        return apply(ops.argmax, (self,), {"axis": axis, "keepdims": keepdims})

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """Where the smallest element is; see `argmax`.

        >>> Tensor([[1.0, 5.0], [7.0, 4.0]]).argmin(axis=1)
        Tensor([0, 1], dtype=int64)
        """
        return apply(ops.argmin, (self,), {"axis": axis, "keepdims": keepdims})

    # ---- linear algebra ------------------------------------------------------------------------

    def matmul(self, other: Any) -> Tensor:
        """The matrix product, also written `a @ b`: yᵢⱼ = Σₖ aᵢₖ bₖⱼ.

        Leading axes are broadcast; a vector on the left is a row, on the right a column.
        Derivatives: g bᵀ and aᵀ g.

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).matmul([1.0, 1.0])
        Tensor([3., 7.])
        """
        return binary(ops.matmul, self, other)

    def linear(self, weight: Any, bias: Any = None) -> Tensor:
        """x Wᵀ + b: self of shape (…, in), weight (out, in), bias (out,) give (…, out).

        Derivatives: g W for x, gᵀ x for W, and the sum of g over the rows for b.

        >>> Tensor([[1.0, 2.0]]).linear([[1.0, 1.0], [0.0, 3.0]], [10.0, 20.0])
        Tensor([[13., 26.]])
        """
        inputs = (self, weight) if bias is None else (self, weight, bias)
        return apply(ops.linear, inputs)

    # ---- shape ---------------------------------------------------------------------------------

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in another shape; -1 stands for whatever is left over.

        >>> Tensor([1.0, 2.0, 3.0, 4.0]).reshape(2, -1)
        Tensor([[1., 2.],
                [3., 4.]])
        """
        return apply(ops.reshape, (self,), {"shape": as_ints(shape)})

    def flatten(self, start_axis: int = 0, end_axis: int = -1) -> Tensor:
        """Make one axis of the axes from `start_axis` to `end_axis`.

        >>> Tensor([[[1.0, 2.0]], [[3.0, 4.0]]]).flatten(1)
        Tensor([[1., 2.],
                [3., 4.]])
        """
        if not self.ndim:
            return self.reshape(1)
        start, end = _one_axis(start_axis, self.ndim), _one_axis(end_axis, self.ndim)
        if start > end:
            raise ShapeError(f"flatten needs start_axis <= end_axis, got {start_axis}, {end_axis}")
        shape = self.shape
        return self.reshape(*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])

    def squeeze(self, axis: Axis = None) -> Tensor:
        """Drop all axes of length 1, or those in `axis` that have length 1.

        >>> Tensor([[1.0], [2.0]]).squeeze(1)
        Tensor([1., 2.])
        """
        if axis is None:
            return self.reshape(tuple(n for n in self.shape if n != 1))
        axes = axis if isinstance(axis, tuple) else (axis,)
        drop = {_one_axis(a, self.ndim) for a in axes}
        return self.reshape(tuple(n for i, n in enumerate(self.shape) if n != 1 or i not in drop))

    def unsqueeze(self, axis: int) -> Tensor:
        """Insert an axis of length 1 before `axis`.

        >>> Tensor([1.0, 2.0]).unsqueeze(1)
        Tensor([[1.],
                [2.]])
        """
        i = _one_axis(axis, self.ndim + 1)
        return self.reshape(*self.shape[:i], 1, *self.shape[i:])

    def permute(self, *axes: Any) -> Tensor:
        """Put the axes in the order given.

        >>> Tensor([[[1.0, 2.0]]]).permute(2, 0, 1).shape
        (2, 1, 1)
        """
        order = as_ints(axes)
        full = tuple(_one_axis(a, self.ndim) for a in order)
        if sorted(full) != list(range(self.ndim)):
            raise ShapeError(
                f"permute needs each of the {self.ndim} axes of shape {self.shape} once, "
                f"got {order}"
            )
        return apply(ops.permute, (self,), {"axes": full})

    def transpose(self, axis0: int, axis1: int) -> Tensor:
        """Swap two axes.

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).transpose(0, 1)
        Tensor([[1., 3.],
                [2., 4.]])
        """
        order = list(range(self.ndim))
        i, j = _one_axis(axis0, self.ndim), _one_axis(axis1, self.ndim)
        order[i], order[j] = order[j], order[i]
        return self.permute(*order)

    @property
    def T(self) -> Tensor:
        """The transpose: all axes in reverse order."""
        return apply(ops.permute, (self,), {"axes": tuple(range(self.ndim))[::-1]})

    @property
    def mT(self) -> Tensor:
        """The transpose of each matrix: the last two axes swapped."""
        if self.ndim < 2:
            raise ShapeError(f"mT needs at least two axes, this tensor has shape {self.shape}")
        return self.transpose(-2, -1)

    def expand(self, *shape: Any) -> Tensor:
        """Repeat axes of length 1, without copying; -1 keeps the length of an axis.

        >>> Tensor([[1.0], [2.0]]).expand(2, 3)
        Tensor([[1., 1., 1.],
                [2., 2., 2.]])
        """
        wanted = as_ints(shape)
        own = (1,) * (len(wanted) - self.ndim) + self.shape
        if len(own) != len(wanted) or any(
            new not in (-1, old) and old != 1 for new, old in zip(wanted, own, strict=True)
        ):
            raise ShapeError(
                f"cannot expand shape {self.shape} to {wanted}: only axes of length 1 can be "
                "repeated, and new axes come first"
            )
        full = tuple(old if new == -1 else new for new, old in zip(wanted, own, strict=True))
        return apply(ops.expand, (self,), {"shape": full})

    def __getitem__(self, key: Any) -> Tensor:
        return apply(ops.getitem, (self,), {"key": _key(key)})

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
        values[_key(key)] = value._data if isinstance(value, Tensor) else value
        self.data = values

    # ---- the softmax head ----------------------------------------------------------------------

    def softmax(self, axis: int = -1) -> Tensor:
        """Scores into probabilities: pᵢ = e^xᵢ / Σⱼ e^xⱼ along `axis`.

        Stable for every finite input and for −inf (probability 0): the largest score is subtracted
        first, which changes nothing. Derivative: p (g − Σ g p).

        >>> Tensor([1.0, 2.0, 3.0]).softmax()
        Tensor([0.09  , 0.2447, 0.6652])
        """
        return apply(ops.softmax, (self,), {"axis": _softmax_axis(self, axis)})

    def log_softmax(self, axis: int = -1) -> Tensor:
        """ln softmax(x) = x − logsumexp(x) along `axis`, without the softmax's underflow.

        Derivative: g − p Σ g.

        >>> Tensor([0.0, -1000.0]).log_softmax()
        Tensor([    0., -1000.])
        """
        return apply(ops.log_softmax, (self,), {"axis": _softmax_axis(self, axis)})

    def logsumexp(self, axis: Axis = -1, keepdims: bool = False) -> Tensor:
        """ln Σ eˣ along `axis`: a smooth maximum. Derivative: softmax(x).

        >>> Tensor([1000.0, 1000.0]).logsumexp()
        Tensor(1000.6932)
        """
        attributes = {"axis": _softmax_axis(self, _axis(axis)), "keepdims": keepdims}
        return apply(ops.logsumexp, (self,), attributes)

    def cross_entropy(
        self,
        target: Any,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> Tensor:
        """How badly the scores predict the target: −ln softmax(x)[true class].

        self: scores (logits, not probabilities) of shape (N, C), (C,) or (N, C, d1, …).
        target: the index of the true class, shape (N,), () or (N, d1, …); or a probability for
            each class, in the shape of the scores, such as one-hot rows: −Σ q ln softmax(x).
        weight: a factor for each class, shape (C,).
        ignore_index: rows with this index count for nothing.
        reduction: "mean" over the rows (weighted by `weight` for indices), "sum", or "none".
        label_smoothing: ε in [0, 1]; the target becomes (1 − ε) target + ε / C.

        The derivative with respect to the scores is (p − onehot) / N for the mean.

        Raises LabelError for a label that names no class or a row that is no distribution,
        DtypeError for float labels, ShapeError for shapes that do not fit.

        >>> Tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 3.0]]).cross_entropy([0, 2])
        Tensor(0.1672)
        """
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"reduction is 'mean', 'sum' or 'none', got {reduction!r}")
        if not isinstance(target, Tensor):
            target = _target(target, self._data.dtype)
        scores, given = self._data, target._data
        plain = weight is None and not label_smoothing and ignore_index < 0
        if plain and labels.are_plain_indices(scores, given):
            return apply(ops.cross_entropy, (self, target), {"reduction": reduction})
        indices = labels.is_index_target(scores, given)
        classes = scores.shape[1] if scores.ndim > 1 else scores.shape[0]
        if indices:
            if given.dtype.kind == "u":  # before a huge one becomes negative
                labels.check_in_range(given, classes, given != ignore_index)
            if given.dtype != np.intp:
                target = target.astype(np.intp)
                given = target._data
            if plain and given.size and labels.all_in_range(given, classes):
                return apply(ops.cross_entropy, (self, target), {"reduction": reduction})
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing lies between 0 and 1, got {label_smoothing}")
        factors = np.ones(classes, scores.dtype)
        if weight is not None:
            weight = weight._data if isinstance(weight, Tensor) else np.asarray(weight)
            factors = labels.class_weights(weight, classes).astype(scores.dtype)
        if indices:
            q, count = labels.index_distribution(
                given, classes, factors, ignore_index, label_smoothing
            )
            distribution = Tensor(q, copy=False)
        else:
            labels.check_probabilities(scores, given)
            count = float(math.prod(scores.shape) // classes)
            distribution = target if target.dtype.kind == "f" else target.astype(scores.dtype)
            if label_smoothing:
                distribution = distribution * (1 - label_smoothing) + label_smoothing / classes
            if weight is not None:
                distribution = distribution * factors.reshape(-1, *(1,) * max(scores.ndim - 2, 0))
        attributes = {"reduction": reduction, "count": count}
        return apply(ops.soft_cross_entropy, (self, distribution), attributes)


def _hand_out(gradients: dict[Tensor, Any]) -> None:
    """Add to the tensors' `grad`. The first gradient is taken over, unless it is not its own."""
    given: set[int] = set()  # arrays that have an owner already
    for tensor, g in gradients.items():
        if tensor._grad is not None:
            tensor._grad += g
            continue
        if type(g) is not np.ndarray or g.base is not None or not g.flags.carray or id(g) in given:
            g = np.array(g, order="C")
        given.add(id(g))
        tensor._grad = g


# ---- values in ---------------------------------------------------------------------------------


def _numeric_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.kind not in "biuf":
        raise DtypeError(f"a Tensor holds real numbers, integers or bools, not dtype {dtype}")
    return dtype


def as_array(data: Any, dtype: npt.DTypeLike | None = None, copy: bool = True) -> Array:
    """What a Tensor of `data` holds: a NumPy array of numbers, by the rules that Tensor states."""
    if isinstance(data, Tensor):
        data = data._data
    if isinstance(data, np.ndarray | np.generic):
        _numeric_dtype(data.dtype if dtype is None else np.dtype(dtype))
        _numeric_dtype(data.dtype)
        return np.array(data, dtype, copy=True if copy else None)
    if _holds_tensor(data):
        raise DtypeError("a list of Tensors would lose their gradients: combine them by operations")
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise ShapeError(
            "a Tensor is a full box of numbers, but the lists given are ragged: "
            "lists at the same depth need the same length"
        ) from error
    if array.dtype.kind not in "biuf":
        raise DtypeError(
            f"a Tensor holds real numbers, integers or bools, got {_short(data)} "
            f"of type {type(data).__name__}"
        )
    if dtype is None:
        dtype = array.dtype if array.dtype.kind == "b" else _default_dtype
        if hasattr(data, "__array__"):  # another library's array knows its dtype
            dtype = array.dtype
    return array.astype(_numeric_dtype(np.dtype(dtype)))


def _holds_tensor(data: Any) -> bool:
    if isinstance(data, list | tuple):
        return any(map(_holds_tensor, data))
    return isinstance(data, Tensor)


def _short(data: Any) -> str:
    text = repr(data)
    return text if len(text) <= 60 else text[:57] + "..."


def _is_numeric(x: object) -> bool:
    return isinstance(x, Tensor | np.ndarray | np.generic | float | int | list | tuple)


def as_ints(arguments: tuple[Any, ...]) -> tuple[int, ...]:
    """`f(2, 3)` and `f((2, 3))` mean the same."""
    if len(arguments) == 1 and isinstance(arguments[0], tuple | list):
        arguments = tuple(arguments[0])
    return tuple(map(index, arguments))


def _axis(axis: Any) -> Any:
    """None, an int or a tuple of ints."""
    if axis is None or type(axis) is int:
        return axis
    return tuple(map(index, axis)) if isinstance(axis, tuple | list) else index(axis)


def _one_axis(axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise ShapeError(f"axis {axis} does not exist: there are {ndim} axes, 0 to {ndim - 1}")
    return axis % ndim


def _softmax_axis(x: Tensor, axis: Any) -> Any:
    if x._data.dtype.kind != "f":
        raise DtypeError(
            f"softmax needs floating-point scores, this tensor is {x._data.dtype}: "
            "use astype(float)"
        )
    if x._data.ndim and isinstance(axis, int):
        _one_axis(axis, x._data.ndim)
    return axis


def _target(target: Any, dtype: np.dtype[Any]) -> Tensor:
    """A target given as a number, a list or an array: integers stay class indices."""
    if isinstance(target, np.ndarray | np.generic):
        return Tensor(target)
    whole = as_array(target, dtype)
    integers = np.asarray(target)
    return Tensor(whole if integers.dtype.kind == "f" else integers)


def _key(key: Any) -> Any:
    """An index without Tensors or lists, and with arrays of its own that nobody else can change."""
    if isinstance(key, tuple):
        return tuple(map(_key, key))
    if isinstance(key, Tensor | np.ndarray | list):
        array = np.array(key._data if isinstance(key, Tensor) else key)
        if array.dtype.kind not in "biu" and array.size:
            raise DtypeError(
                f"an index needs integers or bools, got dtype {array.dtype}; use astype(int)"
            )
        return array if array.size or array.dtype.kind == "b" else array.astype(np.intp)
    return key


def _rebuild(cls: type[Tensor], data: Array, requires_grad: bool, grad: Any, name: Any) -> Tensor:
    """Make a copied or unpickled Tensor."""
    tensor = cls.__new__(cls)
    Tensor.__init__(tensor, data, requires_grad=requires_grad, name=name)
    tensor.grad = grad
    return tensor


# ---- recording ---------------------------------------------------------------------------------
# The way every operation takes. One input and two inputs have a path of their own, for speed:
# `Tensor._unary` above and `binary`.

_NO_ATTRIBUTES: dict[str, Any] = {}
_new = Tensor.__new__
_values = attrgetter("_data")


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
        arrays = tuple(map(_values, inputs))
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
        t._version = inputs[0]._share_version()
    return t


def _coerce(x: Any, dtype: np.dtype[Any]) -> Tensor:
    """A Tensor of what stands beside one in an operation. A Python number takes its dtype."""
    if type(x) in (float, int, bool):
        return _constant(np.asarray(x, np.result_type(dtype, x)))
    return Tensor(x)


def _coerce_all(inputs: tuple[Any, ...]) -> tuple[Tensor, ...]:
    dtypes = [x.dtype for x in inputs if isinstance(x, Tensor | np.ndarray)]
    dtype = np.result_type(*dtypes)
    return tuple(x if isinstance(x, Tensor) else _coerce(x, dtype) for x in inputs)


def _explain(op: ops.Op, inputs: tuple[Tensor, ...], error: ValueError) -> ValueError:
    """NumPy's complaint about shapes, in the terms of the operation."""
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
