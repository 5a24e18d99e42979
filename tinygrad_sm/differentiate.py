"""Derivatives as values: nothing here touches a tensor's `grad`.

    grad      the gradients of tensors that have been computed already

and of a function y = f(x), with PyTorch's names (`torch.autograd.functional`):

    vjp       vᵀJ, a row of slopes: what one backward pass computes
    jvp       J v, the slope of every output in the direction v
    jacobian  J, the slope of every output with respect to every input
    hvp       H v, for the matrix H of second derivatives of one number
    hessian   H
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_sm import ops
from tinygrad_sm.autograd import backpropagate, enable_grad, inner_tensors
from tinygrad_sm.errors import DtypeError, GradientError, ShapeError
from tinygrad_sm.tensor import Tensor
from tinygrad_sm.values import short


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Any, ...]:
    """The gradients of the sum of the outputs with respect to each input. Touches no `.grad`.

    outputs: one tensor or several; each a single number unless `grad_outputs` is given.
    inputs: one tensor or several, leaves or inner ones, of any shape.
    grad_outputs: the gradient to start with instead of 1: an array or Tensor of the output's
        shape, in a list if there are several outputs.
    create_graph: record the backward pass too, so that the result can be differentiated again.
    allow_unused: give None, instead of an error, for an input that the outputs do not depend on.

    Returns a tuple with one Tensor for each input, of the input's shape. Raises GradientError for
    an input that the outputs do not depend on, unless `allow_unused`.

    >>> x = Tensor(2.0, requires_grad=True)
    >>> y = x**3
    >>> (dy,) = grad(y, x, create_graph=True)  # 3x²
    >>> (ddy,) = grad(dy, x)  # 6x
    >>> dy.item(), ddy.item()
    (12.0, 12.0)
    """
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if grad_outputs is None:
        grad_outputs = [None] * len(outputs)
    elif not isinstance(grad_outputs, list | tuple):
        grad_outputs = [grad_outputs]
    if len(grad_outputs) != len(outputs):
        raise GradientError(
            f"grad_outputs needs one gradient for each of the {len(outputs)} outputs, "
            f"got {len(grad_outputs)}"
        )
    for x in [*outputs, *inputs]:
        if not x.requires_grad:
            raise GradientError(
                f"{x._describe()} needs no gradient: it was not computed from a tensor with "
                "requires_grad=True"
            )

    gradients: dict[Tensor, Any] = {}
    for output, given in zip(outputs, grad_outputs, strict=True):
        # A recorded seed stays part of the graph, so it can be differentiated through.
        seed: Any = output._seed(given, "grad_outputs")
        if create_graph:
            seed = given if isinstance(given, Tensor) else Tensor(seed, copy=False)
        gradients[output] = gradients[output] + seed if output in gradients else seed

    order = inner_tensors(gradients)
    among = _reaching(set(inputs), order)
    kept: dict[Tensor, Any] = {x: None for x in inputs if not x.is_leaf}
    with enable_grad():
        backpropagate(order, gradients, kept, among, record=create_graph)
    gradients.update(kept)
    found = []
    for x in inputs:
        g = gradients.get(x)
        if g is None and not allow_unused:
            raise GradientError(
                f"the outputs do not depend on {x._describe()}. "
                "With allow_unused=True its gradient is None"
            )
        found.append(g if create_graph or g is None else Tensor(g))
    return tuple(found)


def _reaching(inputs: set[Tensor], order: list[Tensor]) -> set[Tensor]:
    """The tensors of `order` (youngest first) that were computed from one of the inputs."""
    found = set(inputs)
    for tensor in reversed(order):  # oldest first: inputs are decided before their results
        if not found.isdisjoint(tensor._inputs):
            found.add(tensor)
    return found


# ---- of a function -----------------------------------------------------------------------------

Mapping = Callable[..., Any]  # takes Tensors, returns one or a tuple of them
Tensors = Tensor | Sequence[Tensor]


def vjp(
    function: Mapping, inputs: Tensors, v: Any = None, create_graph: bool = False
) -> tuple[Any, Any]:
    """vᵀJ: the vector v times the Jacobian of `function` at `inputs`, by one backward pass.

    v: a number for each element of the result, in the result's shape; a tuple of such for several
        results. A result of one element can do without: it gets 1.
    create_graph: record all of it, so that the result can be differentiated again.

    Returns the function's result, and the product in the form of `inputs`: a Tensor for a Tensor, a
    tuple for several.

    >>> y, g = vjp(lambda x: x * x, Tensor([1.0, 2.0, 3.0]), v=Tensor([1.0, 0.0, 10.0]))
    >>> y, g
    (Tensor([1., 4., 9.]), Tensor([ 2.,  0., 60.]))
    """
    with enable_grad():
        xs = _fresh(inputs, create_graph)
        result = function(*xs)
        ys = _tensors(result, "the function's result")
        vs = _vectors(v, ys, result, "result")
        products = _pull_back(ys, xs, vs, create_graph)
    return _finished(result, ys, create_graph), _in_form_of(inputs, products)


def jvp(
    function: Mapping, inputs: Tensors, v: Any = None, create_graph: bool = False
) -> tuple[Any, Any]:
    """J v: the slope of `function` at `inputs` in the direction v.

    v: the direction, a number for each element of the input, in the input's shape; a tuple of such
        for several inputs. An input of one element can do without: it gets 1.
    create_graph: record all of it, so that the result can be differentiated again.

    uᵀJ, which a backward pass gives for any u, is linear in u, and its derivative with respect to u
    in the direction v is J v: two backward passes, with no rules but those of the first.

    Returns the function's result, and the product in the form of that result.

    >>> y, slope = jvp(lambda x: x.sum() * x, Tensor([1.0, 2.0]), v=Tensor([1.0, 0.0]))
    >>> y, slope
    (Tensor([3., 6.]), Tensor([4., 2.]))
    """
    with enable_grad():
        xs = _fresh(inputs, create_graph)
        vs = _vectors(v, xs, inputs, "input")
        result = function(*xs)
        ys = _tensors(result, "the function's result")
        us = tuple(Tensor(np.zeros(y.shape, y.dtype), requires_grad=True) for y in ys)
        rows = _pull_back(ys, xs, us, create_graph=True)
        products = _pull_back(rows, us, vs, create_graph)
    return _finished(result, ys, create_graph), _in_form_of(result, products)


def jacobian(function: Mapping, inputs: Tensors, create_graph: bool = False) -> Any:
    """J: the derivative of every element of the result with respect to every element of the inputs.

    For one input and one result a Tensor of shape (*result's shape, *input's shape). For several
    inputs a tuple of those, for several results a tuple of what each of them gives.

    create_graph: record all of it, so that the result can be differentiated again.

    A result of m elements takes m backward passes through one recorded graph, each for one row.

    >>> jacobian(lambda x: x * x, Tensor([1.0, 2.0]))
    Tensor([[2., 0.],
            [0., 4.]])
    >>> by_a, by_b = jacobian(lambda a, b: a * b.sum(), (Tensor([1.0, 2.0]), Tensor([3.0, 4.0])))
    >>> by_b
    Tensor([[1., 1.],
            [2., 2.]])
    """
    with enable_grad():
        xs = _fresh(inputs, create_graph)
        result = function(*xs)
        ys = _tensors(result, "the function's result")
        blocks = tuple(_in_form_of(inputs, _rows(y, xs, create_graph)) for y in ys)
    return _in_form_of(result, blocks)


def _rows(y: Tensor, xs: tuple[Tensor, ...], create_graph: bool) -> list[Tensor]:
    """The Jacobian of y for each of the inputs."""
    rows = []
    for place in np.ndindex(y.shape):
        basis = np.zeros(y.shape, y.dtype)
        basis[place] = 1
        rows.append(_pull_back((y,), xs, (basis,), create_graph))
    columns = zip(*rows, strict=True) if rows else [()] * len(xs)
    return [_stacked(c, y.shape, x) for c, x in zip(columns, xs, strict=True)]


def _stacked(rows: Sequence[Tensor], shape: tuple[int, ...], x: Tensor) -> Tensor:
    """Rows of the shape of x, one for each place in `shape`, in one Tensor."""
    whole = (*shape, *x.shape)
    if not any(row.requires_grad for row in rows):
        return Tensor(np.array([row.numpy() for row in rows], x.dtype).reshape(whole), copy=False)
    flat = (len(rows), *x.shape)
    total: Tensor = ops.put(rows[0], key=0, shape=flat)
    for i, row in enumerate(rows[1:], 1):
        total = total + ops.put(row, key=i, shape=flat)
    return total.reshape(whole)


def hvp(
    function: Mapping, inputs: Tensors, v: Any = None, create_graph: bool = False
) -> tuple[Any, Any]:
    """H v: the Hessian of `function` at `inputs` times a vector, without computing the Hessian.

    function: returns a single number, such as a loss.
    v: a number for each element of the input, in the input's shape; a tuple of such for several
        inputs. An input of one element can do without: it gets 1.
    create_graph: record all of it, so that the result can be differentiated again.

    It is the gradient of gᵀv, where g is the gradient of the function: two backward passes.

    Returns the function's result, and the product in the form of `inputs`.

    >>> y, product = hvp(lambda x: (x**3).sum(), Tensor([1.0, 2.0]), v=Tensor([1.0, 10.0]))
    >>> y, product  # H is diagonal: 6x
    (Tensor(9.), Tensor([  6., 120.]))
    """
    with enable_grad():
        xs = _fresh(inputs, create_graph)
        vs = _vectors(v, xs, inputs, "input")
        y = _number(function(*xs), "hvp")
        gradients = _pull_back((y,), xs, (None,), create_graph=True)
        products = _pull_back(gradients, xs, vs, create_graph)
    return _finished(y, (y,), create_graph), _in_form_of(inputs, products)


def hessian(function: Mapping, inputs: Tensors, create_graph: bool = False) -> Any:
    """H: the second derivatives of a function that returns a single number.

    For one input a Tensor of shape (*input's shape, *input's shape); for several a tuple of tuples,
    where [i][j] is the derivative with respect to input i and then input j.

    create_graph: record all of it, so that the result can be differentiated again.

    It is the Jacobian of the gradient: n inputs take n + 1 backward passes.

    >>> hessian(lambda x: x[0] ** 2 * x[1], Tensor([3.0, 5.0]))
    Tensor([[10.,  6.],
            [ 6.,  0.]])
    """

    def gradient(*xs: Tensor) -> Any:
        y = _number(function(*xs), "hessian")
        return _in_form_of(inputs, _pull_back((y,), xs, (None,), create_graph=True))

    return jacobian(gradient, inputs, create_graph)


def _fresh(inputs: Tensors, create_graph: bool) -> tuple[Tensor, ...]:
    """The inputs as tensors to differentiate by, each one its own even if a tensor comes twice."""
    return tuple(
        x.reshape(x.shape) if create_graph and x.requires_grad else x.detach().requires_grad_()
        for x in _tensors(inputs, "inputs")
    )


def _tensors(values: Any, what: str) -> tuple[Tensor, ...]:
    several = tuple(values) if isinstance(values, tuple | list) else (values,)
    for x in several:
        if not isinstance(x, Tensor):
            raise DtypeError(
                f"{what} needs to be a Tensor or a tuple of Tensors, got {short(x)} "
                f"of type {type(x).__name__}"
            )
    return several


def _in_form_of(given: Tensors, values: Sequence[Any]) -> Any:
    """One value for a Tensor, a tuple for several."""
    return values[0] if isinstance(given, Tensor) else tuple(values)


def _finished(result: Tensors, ys: tuple[Tensor, ...], create_graph: bool) -> Any:
    return _in_form_of(result, ys if create_graph else [y.detach() for y in ys])


def _number(y: Any, what: str) -> Tensor:
    if not isinstance(y, Tensor) or y.numel() != 1:
        got = f"one of shape {y.shape}" if isinstance(y, Tensor) else short(y)
        raise GradientError(
            f"{what} needs a function that returns a Tensor of one element, such as a loss; "
            f"it returned {got}. Reduce it with .mean() or .sum(), or take its jacobian"
        )
    return y


def _vectors(v: Any, like: tuple[Tensor, ...], given: Tensors, what: str) -> tuple[Any, ...]:
    """v as a tuple, with the shapes of `like` and in its form."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            shapes = " and ".join(str(x.shape) for x in like)
            raise GradientError(
                f"v can be left out for a single {what} of one element; here it needs "
                f"the shape of each {what}, {shapes}"
            )
        return (np.ones(like[0].shape, like[0].dtype),)
    alone = isinstance(given, Tensor) or not isinstance(v, tuple | list)
    vs = (v,) if alone else tuple(v)
    if len(vs) != len(like):
        raise GradientError(f"v needs one vector for each {what}: {len(like)}, got {len(vs)}")
    for i, (vector, x) in enumerate(zip(vs, like, strict=True)):
        if np.shape(vector) != x.shape:
            raise ShapeError(
                f"v for {what} {i} has shape {np.shape(vector)}, "
                f"but needs the {what}'s shape, {x.shape}"
            )
    return vs


def _pull_back(
    ys: tuple[Tensor, ...], xs: tuple[Tensor, ...], vs: Sequence[Any], create_graph: bool
) -> tuple[Tensor, ...]:
    """Σ vᵀ dy/dx for each x: `grad`, with zeros where nothing depends on x."""
    pairs = [(y, v) for y, v in zip(ys, vs, strict=True) if y.requires_grad]
    found: tuple[Any, ...] = (None,) * len(xs)
    if pairs:
        outputs, seeds = zip(*pairs, strict=True)
        found = grad(outputs, xs, seeds, create_graph, allow_unused=True)
    return tuple(
        Tensor(np.zeros(x.shape, x.dtype)) if g is None else g
        for g, x in zip(found, xs, strict=True)
    )
