"""Function: an operation of your own, in the form that the package's own have.

>>> cube = Function("cube", lambda x: x**3, lambda g, y, x: g * 3 * x**2)
>>> x = Tensor([1.0, 2.0], requires_grad=True)
>>> cube(x).sum().backward()
>>> x.grad  # 3x²
array([ 3., 12.], dtype=float32)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from tinygrad_sm.errors import DtypeError, GradientError
from tinygrad_sm.ops import Op
from tinygrad_sm.tensor import Tensor
from tinygrad_sm.values import Array, short


class Function(Op):
    """An operation of your own: what it computes, and how a gradient flows back through it.

    name: what drawings and error messages call it.
    forward: `forward(*inputs, **settings)` computes the result from NumPy arrays, by any means. It
        returns a new array and leaves its inputs, which it gets read-only, as they are.
    vjp: `vjp(g, y, *inputs, **settings)`, the vector-Jacobian product: from the gradient g of the
        loss with respect to the result y, the gradient with respect to each input, of the input's
        shape. One for a single input, a tuple for several; None for an input without a derivative,
        such as labels. Without a vjp the result needs no gradient.

    Call it with the inputs by position and the settings by keyword. On Tensors it gives a Tensor,
    on arrays an array, so one Function may be used in the vjp of another.

    The vjp gets arrays in an ordinary backward pass, and Tensors in a recorded one (a second
    derivative). Written with operators, methods that both have (sum, reshape, …), operations of
    `tinygrad_sm.ops` and other Functions, it serves both. `gradcheck` checks it.

    A vjp that multiplies two inputs, and has a setting:

    >>> def scaled_product_vjp(g, y, a, b, *, scale=1.0):
    ...     return g * b * scale, g * a * scale
    >>> scaled_product = Function(
    ...     "scaled_product", lambda a, b, *, scale=1.0: a * b * scale, scaled_product_vjp
    ... )
    >>> a, b = Tensor(2.0, requires_grad=True), Tensor(5.0, requires_grad=True)
    >>> y = scaled_product(a, b, scale=10.0)
    >>> y.backward()
    >>> y.item(), a.grad.item(), b.grad.item()
    (100.0, 50.0, 20.0)
    """

    __slots__ = ()

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        vjp: Callable[..., Any] | None = None,
    ) -> None:
        if not isinstance(name, str) or not callable(forward) or not (vjp is None or callable(vjp)):
            given = ", ".join(map(short, (name, forward, vjp)))
            raise DtypeError(f"a Function is made of a name and two functions, got ({given})")
        if vjp is None:
            super().__init__(name, _checked_forward(name, forward, differentiable=False))
            return
        _check_parameters(name, vjp)
        run, rule = _checked_forward(name, forward, differentiable=True), _checked_vjp(name, vjp)
        super().__init__(name, run, rule, together=True)

    def __call__(self, *inputs: Any, **settings: Any) -> Any:
        """Compute on what is given: arrays make an array, a Tensor among them makes a Tensor."""
        if not inputs:
            raise TypeError(f"'{self.name}' needs at least one input")
        for key, value in settings.items():
            if isinstance(value, Tensor):
                raise TypeError(
                    f"'{self.name}' got a Tensor by keyword, {key}=: no gradient would reach it. "
                    "Pass the inputs by position; keywords are for settings"
                )
        return super().__call__(*inputs, **settings)


_ARRAYS = (np.ndarray, np.generic)


def _read_only(x: Any) -> Array:
    """A view that cannot be written to, for the values belong to the graph."""
    view = (x if isinstance(x, np.ndarray) else np.asarray(x)).view()
    view.setflags(write=False)
    return view


def _check_parameters(name: str, vjp: Callable[..., Any]) -> None:
    try:
        signature = inspect.signature(vjp)
    except ValueError:  # one without a signature, written in C
        return
    try:
        signature.bind_partial("g", "y", "x")
    except TypeError:
        raise TypeError(
            f"the vjp of '{name}' takes {signature}, but needs (g, y, x, …): "
            "the gradient of the result, the result, and the inputs"
        ) from None


def _checked_forward(
    name: str, forward: Callable[..., Any], differentiable: bool
) -> Callable[..., Any]:
    """`forward` on read-only arrays, and a look at what it returned."""

    def run(*inputs: Any, **settings: Any) -> Any:
        arrays = [_read_only(x) for x in inputs]
        try:
            y = forward(*arrays, **settings)
        except ValueError as error:
            if "read-only" in str(error):
                # The traceback leads to the line that did it.
                raise _written_to("forward", name).with_traceback(error.__traceback__) from None
            raise
        except AttributeError as error:
            if not isinstance(error.obj, _ARRAYS):
                raise
            raise DtypeError(
                f"the forward of '{name}' gets NumPy arrays, but {error}: "
                "use NumPy's functions, as in np.exp(x)"
            ).with_traceback(error.__traceback__) from None
        if not isinstance(y, _ARRAYS) or y.dtype.kind != "f":
            _check_result(name, y, differentiable and any(x.dtype.kind == "f" for x in arrays))
        return y if y.base is None else np.array(y)  # not a view, of an input perhaps

    return run


def _check_result(name: str, y: Any, differentiable: bool) -> None:
    what = f"the forward of '{name}' returned"
    if not isinstance(y, _ARRAYS):
        hint = "np.asarray makes one of a number."
        if y is None:
            hint = "Does it end with `return`?"
        elif isinstance(y, Tensor):
            hint = "Pass every Tensor as an input: no gradient reaches one used on the side."
        raise DtypeError(
            f"{what} {short(y)}, of type {type(y).__name__}, "
            f"but needs to return a NumPy array. {hint}"
        )
    if y.dtype.kind not in "biuf":
        raise DtypeError(
            f"{what} an array of dtype {y.dtype}: a Tensor holds real numbers, integers or bools. "
            "Take .real, .imag or abs() of complex numbers"
        )
    if differentiable and y.dtype.kind != "f":
        raise DtypeError(
            f"{what} an array of dtype {y.dtype}: only floating-point values have a derivative. "
            "Use .astype(x.dtype), or leave out vjp"
        )


def _checked_vjp(name: str, vjp: Callable[..., Any]) -> Callable[..., Any]:
    """`vjp` as a rule for all inputs together, with a look at what it returned."""

    @wraps(vjp)  # so that a drawing finds it
    def rule(g: Any, y: Any, *inputs: Any, **settings: Any) -> tuple[Any, ...]:
        recorded = isinstance(g, Tensor)
        values = (g, y, *inputs) if recorded else tuple(map(_read_only, (g, y, *inputs)))
        try:
            given = vjp(*values, **settings)
        except (TypeError, ValueError, AttributeError) as error:
            explained = _explain(name, recorded, error)
            if explained is None:
                raise
            raise explained from error
        gradients = tuple(given) if isinstance(given, tuple | list) else (given,)
        if len(gradients) != len(inputs):
            shapes = " and ".join(str(x.shape) for x in inputs)
            raise GradientError(
                f"the vjp of '{name}' returned {len(gradients)} gradients, but the call had "
                f"{len(inputs)} inputs, of shape {shapes}: it needs one for each, None for one "
                "without a derivative. Settings, which need none, are passed by keyword"
            )
        return tuple(
            _checked_gradient(name, gx, x.shape, i, recorded)
            for i, (gx, x) in enumerate(zip(gradients, inputs, strict=True))
        )

    return rule


def _checked_gradient(name: str, gx: Any, shape: tuple[int, ...], i: int, recorded: bool) -> Any:
    if gx is None:
        return None
    what = f"the vjp of '{name}' gave for input {i}"
    if isinstance(gx, Tensor) and not recorded:
        gx = gx.numpy()
    if recorded and not isinstance(gx, Tensor):
        raise GradientError(
            f"{what}, from Tensors, {short(gx)}, of type {type(gx).__name__}: NumPy's functions "
            f"(np.where, …) take values out of the graph. {_FOR_BOTH}"
        )
    if not isinstance(gx, (Tensor, *_ARRAYS)):
        raise DtypeError(
            f"{what} {short(gx)}, of type {type(gx).__name__}: "
            "a gradient is an array of the input's shape, or None"
        )
    if gx.dtype.kind not in "biuf":
        raise DtypeError(f"{what} an array of dtype {gx.dtype}: a gradient has real numbers")
    if gx.shape != shape:
        hint = ""
        if len(gx.shape) >= len(shape):
            hint = ". If forward stretched the input, add up what it was stretched to: "
            hint += "ops.sum_to(gradient, shape=x.shape)"
        raise GradientError(
            f"{what} a gradient of shape {gx.shape}, but the input has shape {shape}: "
            f"a gradient has the shape of its input{hint}"
        )
    return gx


_FOR_BOTH = (
    "Write the vjp with operators, methods that arrays and Tensors both have, operations of "
    "tinygrad_sm.ops (ops.exp(x), ops.where(x > 0, g, 0), …) and other Functions: then it works "
    "on both"
)


def _explain(name: str, recorded: bool, error: Exception) -> GradientError | None:
    """What went wrong inside a vjp, if it is one of the usual mistakes."""
    if isinstance(error, GradientError):  # from a Function inside
        return None
    if "read-only" in str(error):
        return _written_to("vjp", name)
    if recorded:
        why = "on Tensors, which it gets in a recorded backward pass, as for a second derivative"
    elif isinstance(error, AttributeError) and isinstance(error.obj, _ARRAYS):
        why = "on arrays, which it gets in an ordinary backward pass"
    else:
        return None
    return GradientError(
        f"the vjp of '{name}' failed {why}: {type(error).__name__}: {error}. {_FOR_BOTH}"
    )


def _written_to(what: str, name: str) -> GradientError:
    return GradientError(
        f"the {what} of '{name}' wrote into what it was given, which is read-only: other "
        "operations need those values. Compute a new array, or change a copy, x.copy()"
    )
