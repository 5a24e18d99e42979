"""Module: a part of a network, with its parameters and the parts inside it.

A module is a plain Python object. Its parameters are the `Parameter`s found in its attributes, in
its submodules, and in the lists, tuples and dicts among them. There is nothing to register and no
`super().__init__()` to call:

>>> class Affine(Module):
...     def __init__(self):
...         self.scale = Parameter(Tensor([2.0]))
...         self.shift = Parameter(Tensor([1.0]))
...
...     def forward(self, x):
...         return x * self.scale + self.shift
>>> affine = Affine()
>>> affine(Tensor([1.0, 2.0]))
Tensor([3., 5.], op=add)
>>> [name for name, _ in affine.named_parameters()]
['scale', 'shift']
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_sm import Tensor
from tinygrad_sm.autograd import next_number


class Parameter(Tensor):
    """A Tensor that a module learns: it requires a gradient, and `Module.parameters` finds it.

    >>> Parameter([1.0, 2.0])
    Tensor([1., 2.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any, *, requires_grad: bool = True, name: str | None = None) -> None:
        super().__init__(data, requires_grad=requires_grad, name=name)


class Module:
    """The base of every layer, loss and network. A subclass writes `forward`."""

    training = True  # False after eval()

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """What the module computes; written by the subclass, used by calling the module."""
        raise NotImplementedError(f"{type(self).__name__} has no forward method: write one")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        start = next_number()
        try:
            output = self.forward(*inputs, **options) if options else self.forward(*inputs)
        except AttributeError as error:
            if isinstance(error.obj, np.ndarray):  # it was asked for what only a Tensor has
                raise TypeError(
                    f"{type(self).__name__} takes Tensors, got a NumPy array: "
                    "wrap it, as in Tensor(array)"
                ) from error
            raise
        if isinstance(output, Tensor) and output.number > start:
            output.scope = (self, start, output.scope)  # so that a drawing can show the module
        return output

    # ---- what is inside ------------------------------------------------------------------------

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly inside, with their names."""
        for name, part in self._parts():
            if isinstance(part, Module):
                yield name, part

    def children(self) -> Iterator[Module]:
        """The modules directly inside."""
        for _, module in self.named_children():
            yield module

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """This module, named "", and all modules inside it, at any depth, each once."""
        found: set[Module] = set()

        def walk(prefix: str, module: Module) -> Iterator[tuple[str, Module]]:
            if module in found:
                return
            found.add(module)
            yield prefix, module
            for name, child in module.named_children():
                yield from walk(f"{prefix}.{name}" if prefix else name, child)

        return walk("", self)

    def modules(self) -> Iterator[Module]:
        """This module and all modules inside it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """All parameters with their dotted names; one that is shared comes once.

        >>> import nn
        >>> [name for name, _ in nn.Sequential(nn.Linear(3, 2)).named_parameters()]
        ['0.weight', '0.bias']
        """
        found: set[Parameter] = set()
        for prefix, module in self.named_modules():
            for name, part in module._parts():
                if isinstance(part, Parameter) and part not in found:
                    found.add(part)
                    yield f"{prefix}.{name}" if prefix else name, part

    def parameters(self) -> Iterator[Parameter]:
        """All parameters, each once: what an optimizer is given."""
        for _, parameter in self.named_parameters():
            yield parameter

    def _parts(self) -> Iterator[tuple[str, Any]]:
        """What is directly inside: modules and parameters with their names."""
        return _take_apart("", vars(self))

    # ---- for all of it at once -----------------------------------------------------------------

    def train(self, mode: bool = True) -> Module:
        """Put this module and all inside it in training mode (or not), and return it."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """Put this module and all inside it in evaluation mode, and return it."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    # ---- how it prints -------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands in the brackets when the module is printed: its settings."""
        return ""

    def __repr__(self) -> str:
        lines = [f"({name}): {child!r}" for name, child in self.named_children()]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        lines = [line for line in (self.extra_repr(), *lines) if line]
        body = "\n".join(lines).replace("\n", "\n  ")
        return f"{type(self).__name__}(\n  {body}\n)"


def _take_apart(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The modules and parameters in a value, in lists, tuples and dicts too: `layers.0`."""
    inside = f"{name}." if name else ""
    if isinstance(value, Module | Parameter):
        yield name, value
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from _take_apart(f"{inside}{i}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _take_apart(f"{inside}{key}", item)


class Sequential(Module):
    """Modules one after the other: each gets the result of the one before.

    >>> import nn
    >>> nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    Sequential(
      (0): Linear(in_features=64, out_features=32, bias=True)
      (1): ReLU()
      (2): Linear(in_features=32, out_features=10, bias=True)
    )
    """

    def __init__(self, *modules: Module) -> None:
        self.layers = modules
        for i, module in enumerate(modules):
            if not isinstance(module, Module):
                hint = f"; did you mean {module.__name__}()?" if isinstance(module, type) else ""
                raise TypeError(f"Sequential needs modules, item {i} is {module!r}{hint}")

    def forward(self, x: Any) -> Any:
        """Pass x through every module in turn."""
        for module in self.layers:
            x = module(x)
        return x

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, i: int) -> Module:
        return self.layers[i]

    def _parts(self) -> Iterator[tuple[str, Any]]:
        others = {name: value for name, value in vars(self).items() if name != "layers"}
        return _take_apart("", dict(enumerate(self.layers)) | others)
