"""`summary`: the layers of a model in a table, with their shapes and numbers of parameters."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from nn.module import Module
from tinygrad_sm import DtypeError, Tensor, get_default_dtype, no_grad

Shape = Any  # a tuple of lengths; of several tensors a tuple or dict of shapes


@dataclass(frozen=True)
class Layer:
    """One call of a module: a row of the table."""

    name: str  # dotted; "" for the model itself
    kind: str  # the class, such as Linear
    output_shape: Shape  # None if the module was not called, or gave no Tensor
    parameters: int  # numbers in its own parameters, not in the modules inside, counted once
    notes: tuple[str, ...] = ()  # such as "call 2" or "weight is embedding.weight"


@dataclass(frozen=True)
class ModelSummary:
    """What `summary` found. It prints as a table."""

    layers: tuple[Layer, ...]  # in the order of the calls; then what was not called
    kind: str  # the class of the model
    input_shape: Shape
    trainable: int  # numbers in parameters that require a gradient
    fixed: int  # numbers in the other parameters
    buffers: int  # numbers in buffers
    bytes: int  # of all parameters and buffers

    @property
    def parameters(self) -> int:
        """Numbers in parameters, trainable or fixed."""
        return self.trainable + self.fixed

    def __str__(self) -> str:
        model, *inside = self.layers
        shown = [model, *inside] if model.parameters or not inside else inside
        head, *lines = _aligned(
            [("layer", "kind", "output shape", "parameters", ""), *map(_cells, shown)]
        )
        rule = "─" * max(map(len, [head, *lines]))
        learnt = f"{self.parameters:,} parameter{'s' * (self.parameters != 1)}"
        if self.fixed:
            learnt += f", {self.trainable:,} trainable and {self.fixed:,} fixed"
        kept = f", {self.buffers:,} numbers in buffers" if self.buffers else ""
        return "\n".join(
            [
                f"{self.kind}: {self.input_shape} → {model.output_shape}",
                rule,
                head,
                rule,
                *lines,
                rule,
                f"{learnt}{kept}; {_size(self.bytes)}",
            ]
        )

    __repr__ = __str__


def summary(model: Module, input_shape: Any) -> ModelSummary:
    """The layers of a model: what each gives, and how many numbers it has to learn.

    model: any module.
    input_shape: what the model is called with: the shape of its input, the batch included, as in
        (1, 3, 32, 32); or a Tensor or array, where the values matter, such as indices for an
        Embedding; or, for several inputs, a list of these.

    A copy of the model in evaluation mode is called once, without recording, with zeros of that
    shape in the dtype of its parameters. The model itself is left as it is. A call is a row, in
    the order of the calls; a module that holds others comes before these, and counts only the
    parameters that are its own. A parameter is counted once, where it is first come upon, so that
    the rows add up to the total.

    Returns a `ModelSummary`. It prints as a table, and has the rows as `layers` and the totals as
    `parameters`, `trainable`, `fixed`, `buffers` and `bytes`. A model that cannot be called so is
    a ValueError that names the layer.

    >>> import nn
    >>> nn.summary(nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)), (1, 64))
    Sequential: (1, 64) → (1, 10)
    ───────────────────────────────────────
    layer  kind    output shape  parameters
    ───────────────────────────────────────
    0      Linear  (1, 32)            2,080
    1      ReLU    (1, 32)                0
    2      Linear  (1, 10)              330
    ───────────────────────────────────────
    2,410 parameters; 9.4 KiB
    """
    if not isinstance(model, Module):
        hint = f": did you mean {model.__name__}(…)?" if isinstance(model, type) else ""
        raise TypeError(f"summary needs a module, got {model!r}{hint}")
    inputs = _inputs(input_shape, model)
    shape = inputs[0].shape if len(inputs) == 1 else tuple(x.shape for x in inputs)
    try:
        duplicate = copy.deepcopy(model)
    except Exception as error:
        raise ValueError(
            f"summary calls a copy, and {type(model).__name__} cannot be copied: {error}"
        ) from error
    calls = _call(duplicate.eval(), inputs, shape)

    names: dict[Any, str] = {}  # of the parameters that are counted already
    modules = dict(model.named_modules())
    times = dict.fromkeys(modules, 0)
    layers = []
    for name, output_shape in calls:
        times[name] += 1
        layers.append(_layer(name, modules[name], output_shape, times[name], names))
    for name, module in modules.items():
        inside = next(module.children(), None) is not None
        own = next(module.named_parameters(recurse=False), None) is not None
        if not times[name] and (own or not inside):
            layers.append(_layer(name, module, None, 0, names))

    parameters, buffers = [*model.parameters()], [*model.buffers()]
    return ModelSummary(
        layers=tuple(layers),
        kind=type(model).__name__,
        input_shape=shape,
        trainable=sum(p.numel() for p in parameters if p.requires_grad),
        fixed=sum(p.numel() for p in parameters if not p.requires_grad),
        buffers=sum(b.numel() for b in buffers),
        bytes=sum(t.numpy().nbytes for t in chain(parameters, buffers)),
    )


def _inputs(given: Any, model: Module) -> list[Tensor]:
    """What to call the model with."""
    if isinstance(given, list | tuple) and not all(isinstance(n, int | np.integer) for n in given):
        return [x for part in given for x in _inputs(part, model)]
    if isinstance(given, Tensor | np.ndarray):
        return [Tensor(given)]
    if not isinstance(given, list | tuple) or any(n < 0 or isinstance(n, bool) for n in given):
        raise ValueError(
            "input_shape is a shape such as (1, 64), with the batch first (1 is enough), a Tensor, "
            f"or a list of these, got {given!r}"
        )
    parameter = next(model.parameters(), None)
    dtype = get_default_dtype() if parameter is None else parameter.dtype
    return [Tensor(np.zeros(given, dtype))]


def _call(model: Module, inputs: list[Tensor], shape: Shape) -> list[tuple[str, Shape]]:
    """Call the model. Returns the name and output shape of each module called, in this order."""
    calls: list[tuple[str, Shape]] = []
    running: list[int] = []  # places in `calls`, the innermost last

    def watch(name: str, module: Module) -> None:
        def before(module: Module, inputs: tuple[Any, ...]) -> None:
            running.append(len(calls))
            calls.append((name, None))

        def after(module: Module, inputs: tuple[Any, ...], output: Any) -> None:
            calls[running.pop()] = (name, _shape(output))

        module.register_forward_pre_hook(before)
        module.register_forward_hook(after)

    for name, module in model.named_modules():
        watch(name, module)
    try:
        with no_grad(), np.errstate(all="ignore"):
            model(*inputs)
    except Exception as error:
        name = calls[running[-1]][0] if running else ""
        place = f"in {name} ({type(model.get_submodule(name)).__name__}): " if name else ""
        hint = "; give a Tensor for a shape" if isinstance(error, DtypeError) else ""
        raise ValueError(
            f"{type(model).__name__} cannot be called with an input of shape {shape} and dtype "
            f"{', '.join(str(x.dtype) for x in inputs)}: {place}{error}{hint}"
        ) from error
    return calls


def _shape(output: Any) -> Shape:
    """The shape of a Tensor, or those in a tuple, list or dict."""
    if isinstance(output, tuple | list):
        return tuple(map(_shape, output))
    if isinstance(output, dict):
        return {key: _shape(value) for key, value in output.items()}
    return output.shape if isinstance(output, Tensor) else None


def _layer(
    name: str, module: Module, output_shape: Shape, call: int, names: dict[Any, str]
) -> Layer:
    """The row of a call, the first, second, …; 0 if there was none.

    names: of the parameters that were counted before; those of this module are added.
    """
    if call > 1:
        return Layer(name, type(module).__name__, output_shape, 0, (f"call {call}",))
    notes = [] if call else ["not called"]
    count = 0
    for own, parameter in module.named_parameters(recurse=False):
        if parameter in names:
            notes.append(f"{own} is {names[parameter]}")
            continue
        names[parameter] = f"{name}.{own}" if name else own
        count += parameter.numel()
        if not parameter.requires_grad:
            notes.append(f"{own} is fixed")
    return Layer(name, type(module).__name__, output_shape, count, tuple(notes))


# ---- how it prints -----------------------------------------------------------------------------


def _cells(layer: Layer) -> tuple[str, ...]:
    """A row of the table. A name that does not print is written as a Python string would be."""
    name = layer.name if layer.name.isprintable() else ascii(layer.name)
    shape = "" if layer.output_shape is None else str(layer.output_shape)
    return (
        name or "(the model)",
        layer.kind,
        shape,
        f"{layer.parameters:,}",
        ", ".join(layer.notes),
    )


def _aligned(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Rows as lines with their columns below each other, the numbers at the right of theirs."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        cells[3] = row[3].rjust(widths[3])
        yield "  ".join(cells).rstrip()


def _size(n: int) -> str:
    """
    >>> _size(512), _size(9640), _size(3_000_000)
    ('512 bytes', '9.4 KiB', '2.9 MiB')
    """
    if n < 1024:
        return f"{n} bytes"
    return f"{n / 1024:,.1f} KiB" if n < 1024**2 else f"{n / 1024**2:,.1f} MiB"
