"""Module: a part of a network, with its parameters and the parts inside it.

A module is a plain Python object. Its parameters are the `Parameter`s found in its attributes, in
its submodules, and in the lists, tuples and dicts among them; its `Buffer`s, values that are kept
but not learnt, are found the same way. There is nothing to register, and `super().__init__()` need
not be called:

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

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, NamedTuple, Self, TypeVar, overload

import numpy as np
import numpy.typing as npt

from tinygrad_sm import Tensor, spelling
from tinygrad_sm.autograd import latest_setting, next_number

Array = npt.NDArray[Any]
Part = TypeVar("Part", "Module", "Parameter", "Buffer")
PreHook = Callable[["Module", tuple[Any, ...]], Any]
Hook = Callable[["Module", tuple[Any, ...], Any], Any]


class Parameter(Tensor):
    """A Tensor that a module learns: it requires a gradient, and `Module.parameters` finds it.

    >>> Parameter([1.0, 2.0])
    Tensor([1., 2.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any, *, requires_grad: bool = True, name: str | None = None) -> None:
        super().__init__(data, requires_grad=requires_grad, name=name)


class Buffer(Tensor):
    """A Tensor that belongs to a module's state but is not learnt, such as a running mean.

    persistent: whether it is part of `state_dict`.

    An array or Tensor assigned to an attribute that holds a Buffer becomes the new Buffer.

    >>> class Counter(Module):
    ...     def __init__(self):
    ...         self.calls = Buffer(Tensor(0, dtype=int))
    ...
    ...     def forward(self, x):
    ...         self.calls = self.calls + 1
    ...         return x
    >>> counter = Counter()
    >>> _ = counter(1), counter(1)
    >>> counter.state_dict()
    {'calls': array(2)}
    """

    __slots__ = ("persistent",)

    def __init__(self, data: Any, *, persistent: bool = True, name: str | None = None) -> None:
        super().__init__(data, name=name)
        self.persistent = persistent

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_buffer, (self.data, self.persistent, self.name)


def _rebuild_buffer(data: Array, persistent: bool, name: str | None) -> Buffer:
    """Make a copied or unpickled Buffer."""
    return Buffer(data, persistent=persistent, name=name)


class IncompatibleKeys(NamedTuple):
    """What a loaded state had too little and too much."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class _Hooks:
    """The functions to call before and after a module's forward, by keys of their own."""

    def __init__(self) -> None:
        self.before: dict[object, PreHook] = {}
        self.after: dict[object, Hook] = {}

    def run_before(self, module: Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in tuple(self.before.values()):
            result = hook(module, inputs)
            if result is not None:
                inputs = result if isinstance(result, tuple) else (result,)
        return inputs

    def run_after(self, module: Module, inputs: tuple[Any, ...], output: Any) -> Any:
        for hook in tuple(self.after.values()):
            result = hook(module, inputs, output)
            if result is not None:
                output = result
        return output


class Module:
    """The base of every layer, loss and network. A subclass writes `forward`."""

    training = True  # False after eval()
    notes_settings = True  # what is set or deleted, for `tinygrad_sm.compile`
    _hooks: _Hooks | None = None

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        """A new module; of this package, with arguments that can be its settings."""
        if (arguments or options) and cls.__module__.startswith("nn."):
            from nn.mistakes import check_construction

            check_construction(cls, arguments, options)
        return super().__new__(cls)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """What the module computes; written by the subclass, used by calling the module."""
        raise NotImplementedError(f"{type(self).__name__} has no forward method: write one")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        start = next_number()
        try:
            output = self.forward(*inputs, **options) if options else self.forward(*inputs)
        except (AttributeError, TypeError, ValueError) as error:
            from nn.mistakes import explain_call

            explain_call(self, inputs, error)
            raise
        if isinstance(output, Tensor) and output.number > start:
            output.scope = (self, start, output.scope)  # so that a drawing can show the module
        return output

    # ---- hooks ---------------------------------------------------------------------------------

    def register_forward_pre_hook(self, hook: PreHook) -> Callable[[], None]:
        """Call `hook(module, inputs)` before each forward, with the tuple of inputs.

        What it returns, if not None, takes their place: a tuple, or the one input.
        Returns a function that removes the hook.

        >>> import nn
        >>> relu = nn.ReLU()
        >>> remove = relu.register_forward_pre_hook(lambda module, inputs: -inputs[0])
        >>> relu(Tensor([-1.0, 2.0]))
        Tensor([1., 0.])
        """
        return self._register("before", hook)

    def register_forward_hook(self, hook: Hook) -> Callable[[], None]:
        """Call `hook(module, inputs, output)` after each forward.

        What it returns, if not None, takes the output's place.
        Returns a function that removes the hook.

        >>> import nn
        >>> model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
        >>> remove = model[0].register_forward_hook(lambda *call: print(call[2].shape))
        >>> _ = model(Tensor([[0.0] * 4]))
        (1, 3)
        >>> remove()
        """
        return self._register("after", hook)

    def _register(self, when: str, hook: Any) -> Callable[[], None]:
        if not callable(hook):
            raise TypeError(f"a hook is a function, got {hook!r}")
        if self._hooks is None:
            self._hooks = _Hooks()
        # It stands before the class's forward, so that a module without hooks need not ask for any.
        vars(self)["forward"] = self._forward_with_hooks
        hooks, key = getattr(self._hooks, when), object()
        hooks[key] = hook

        def remove() -> None:
            hooks.pop(key, None)

        return remove

    def _forward_with_hooks(self, *inputs: Any, **options: Any) -> Any:
        assert self._hooks is not None
        inputs = self._hooks.run_before(self, inputs)
        output = type(self).forward(self, *inputs, **options)
        return self._hooks.run_after(self, inputs, output)

    # ---- what is inside ------------------------------------------------------------------------

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly inside, with their names, each once."""
        return _each_once(self._inside(Module))

    def children(self) -> Iterator[Module]:
        """The modules directly inside, each once."""
        for _, module in self.named_children():
            yield module

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """This module, named "", and all modules inside it, at any depth, each once."""
        return _each_once(self._walk("", set()))

    def modules(self) -> Iterator[Module]:
        """This module and all modules inside it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """All parameters with their dotted names; one that is shared comes once.

        prefix: what to put before the names.
        recurse: False leaves out the parameters of the modules inside.
        remove_duplicate: False gives a shared parameter under each of its names.

        >>> import nn
        >>> [name for name, _ in nn.Sequential(nn.Linear(3, 2)).named_parameters()]
        ['0.weight', '0.bias']
        """
        return self._named(Parameter, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, each once: what an optimizer is given."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Buffer]]:
        """All buffers with their dotted names, as `named_parameters` gives the parameters."""
        return self._named(Buffer, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Buffer]:
        """All buffers, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def get_submodule(self, target: str) -> Module:
        """The module with that dotted name; "" is this one."""
        return self._get(self._walk("", set()), "module", target)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter with that dotted name."""
        return self._get(self.named_parameters(remove_duplicate=False), "parameter", target)

    def get_buffer(self, target: str) -> Buffer:
        """The buffer with that dotted name."""
        return self._get(self.named_buffers(remove_duplicate=False), "buffer", target)

    def _get(self, named: Iterable[tuple[str, Part]], kind: str, target: str) -> Part:
        found = dict(named)
        if target not in found:
            names = ", ".join(found) or "none"
            raise AttributeError(
                f"{type(self).__name__} has no {kind} named {target!r}; it has {names}"
            )
        return found[target]

    def _parts(self) -> Iterator[tuple[str, Any]]:
        """What is directly inside: modules, parameters and buffers with their names."""
        return _take_apart(vars(self).items())

    def _inside(self, kind: type[Part]) -> Iterator[tuple[str, Part]]:
        return ((name, part) for name, part in self._parts() if isinstance(part, kind))

    def _walk(self, prefix: str, above: set[Module]) -> Iterator[tuple[str, Module]]:
        """This module and those inside, under each of their names. A module inside itself (as
        where a child knows its parent) ends the walk."""
        if self in above:
            return
        yield prefix, self
        above = above | {self}
        for name, child in self._inside(Module):
            yield from child._walk(_join(prefix, name), above)

    def _named(
        self, kind: type[Part], prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Part]]:
        """The parameters or buffers of this module, then those of the modules inside."""
        modules = self._walk(prefix, set()) if recurse else [(prefix, self)]
        named = ((_join(at, name), part) for at, m in modules for name, part in m._inside(kind))
        return _each_once(named) if remove_duplicate else named

    # ---- attributes ----------------------------------------------------------------------------

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """The same as `self.name = Buffer(tensor, persistent=persistent)`."""
        setattr(self, name, None if tensor is None else Buffer(tensor, persistent=persistent))

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Tensor | np.ndarray) and not isinstance(value, Parameter | Buffer):
            before = vars(self).get(name)
            if isinstance(before, Buffer):
                value = Buffer(value, persistent=before.persistent)
            elif isinstance(before, Parameter):
                raise TypeError(
                    f"{type(self).__name__}.{name} is a Parameter, and a "
                    f"{type(value).__name__} in its place would not be learnt: assign the values "
                    f"to {name}.data, or nn.Parameter(values) to {name}"
                )
        super().__setattr__(name, value)
        latest_setting.number = next_number()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        latest_setting.number = next_number()

    # ---- for all of it at once -----------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Put this module and all inside it in training mode (or not), and return it."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Put this module and all inside it in evaluation mode, and return it."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Learn all parameters inside, or (False) freeze them, and return the module."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` with every module inside, each after the modules inside it, and return this.

        >>> import nn
        >>> def start_at_zero(module):
        ...     if isinstance(module, nn.Linear):
        ...         nn.init.zeros_(module.weight)
        >>> nn.Sequential(nn.Linear(2, 1)).apply(start_at_zero)[0].weight
        Tensor([[0., 0.]], requires_grad=True)
        """
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # ---- state ---------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Array]:
        """The values of all parameters and persistent buffers by name, as arrays of their own.

        The names, order and layouts are PyTorch's. The arrays are copies (PyTorch's are not), so a
        state that was kept stays as it was while training goes on. A parameter that is shared
        comes under each of its names. `nn.save` writes it to a file.

        >>> import nn
        >>> nn.Linear(2, 1, bias=False).apply(lambda m: nn.init.ones_(m.weight)).state_dict()
        {'weight': array([[1., 1.]], dtype=float32)}
        """
        return {name: np.array(tensor.data, order="C") for name, tensor in self._state().items()}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True
    ) -> IncompatibleKeys:
        """Take the values of a `state_dict`: a mapping of names to arrays or Tensors.

        strict: False passes over names that are missing or that this module does not have.

        Returns (missing_keys, unexpected_keys). Everything is checked before anything is changed:
        the ValueError lists all names and shapes that do not fit, and leaves the module as it was.

        >>> import nn
        >>> model = nn.Linear(2, 1)
        >>> model.load_state_dict({"weight": [[1.0, 2.0]]}, strict=False)
        IncompatibleKeys(missing_keys=['bias'], unexpected_keys=[])
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(
                "load_state_dict needs a mapping of names to arrays, as state_dict() or "
                f"nn.load(path) gives it, got a {type(state_dict).__name__}"
            )
        own = self._state()
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        problems = []
        if strict:
            problems += [f"missing: {name}" for name in missing]
            problems += [f"unexpected: {name}" for name in unexpected]
        values = {}
        for name, tensor in own.items():
            if name in state_dict:
                try:
                    values[name] = _fitting(state_dict[name], tensor)
                except (TypeError, ValueError) as error:
                    problems.append(f"{name}: {error}")
        if problems:
            raise ValueError(
                f"the state does not fit {type(self).__name__}, which is left as it was:\n  "
                + "\n  ".join(problems)
            )
        for name, array in values.items():
            own[name].detach()[...] = array  # in place: the optimizer holds the same parameter
        return IncompatibleKeys(missing, unexpected)

    def _state(self) -> dict[str, Tensor]:
        """The parameters and persistent buffers under all their names, in PyTorch's order."""
        state: dict[str, Tensor] = {}
        for prefix, module in self._walk("", set()):
            parts = [*module._inside(Parameter), *module._inside(Buffer)]
            for name, part in parts:
                if isinstance(part, Buffer) and not part.persistent:
                    continue
                name = _join(prefix, name)
                if state.setdefault(name, part) is not part:
                    raise ValueError(f"two parameters of {type(self).__name__} are named {name!r}")
        return state

    # ---- how it prints -------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands in the brackets when the module is printed: its settings."""
        return ""

    def __repr__(self) -> str:
        lines = [f"({name}): {child!r}" for name, child in self._inside(Module)]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        lines = [line for line in (self.extra_repr(), *lines) if line]
        body = "\n".join(lines).replace("\n", "\n  ")
        return f"{type(self).__name__}(\n  {body}\n)"


spelling.explain_missing(Module, spelling.MODULE)


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _each_once(named: Iterable[tuple[str, Part]]) -> Iterator[tuple[str, Part]]:
    """The first name of each."""
    found = set()
    for name, part in named:
        if part not in found:
            found.add(part)
            yield name, part


def _take_apart(items: Iterable[tuple[Any, Any]], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The modules, parameters and buffers in named values, in lists, tuples and dicts among them
    too: `layers.0`."""
    for key, value in items:
        if isinstance(value, _PARTS):
            yield f"{prefix}{key}", value
        elif isinstance(value, _COLLECTIONS):
            inside = value.items() if isinstance(value, dict) else enumerate(value)
            yield from _take_apart(inside, f"{prefix}{key}.")


_PARTS = (Module, Parameter, Buffer)
_COLLECTIONS = (list, tuple, dict)


def _fitting(value: Any, tensor: Tensor) -> Array:
    """The value as an array for the tensor to take over, or an error that says why not."""
    # A copy: it may be a view of a tensor that is overwritten.
    given = Tensor(value, dtype=None if hasattr(value, "dtype") else tensor.dtype)
    if given.shape != tensor.shape:
        raise ValueError(f"has shape {given.shape}, needed is {tensor.shape}")
    if not np.can_cast(given.dtype, tensor.dtype, "same_kind"):
        raise TypeError(f"has dtype {given.dtype}, needed is {tensor.dtype}")
    return given.data


# ---- modules that hold modules -----------------------------------------------------------------


class _Container(Module):
    """Modules as attributes, named 0, 1, … or as given, in the order in which they came."""

    def _layers(self) -> list[tuple[str, Module]]:
        return [(name, part) for name, part in vars(self).items() if isinstance(part, Module)]

    def _set(self, name: str, module: Any) -> None:
        kind = type(self).__name__
        if not isinstance(module, Module):
            hint = f"; did you mean {module.__name__}()?" if isinstance(module, type) else ""
            raise TypeError(f"{kind} needs modules, item {name} is {module!r}{hint}")
        if not name or "." in name or hasattr(type(self), name):
            raise ValueError(f"a module of a {kind} cannot be named {name!r}: take another name")
        setattr(self, name, module)

    def __len__(self) -> int:
        return len(self._layers())


class _Row(_Container):
    """What lists of modules and Sequential share."""

    def _renew(self, modules: Iterable[Module]) -> None:
        """Hold these modules instead, named 0, 1, …"""
        modules = list(modules)
        for name, _ in self._layers():
            delattr(self, name)
        for i, module in enumerate(modules):
            self._set(str(i), module)

    def __iter__(self) -> Iterator[Module]:
        return (module for _, module in self._layers())

    def __setitem__(self, i: int, module: Module) -> None:
        self._set(self._layers()[i][0], module)

    def __delitem__(self, i: int | slice) -> None:
        modules = [*self]
        del modules[i]
        self._renew(modules)

    def append(self, module: Module) -> Self:
        """Add a module at the end, and return this."""
        self._set(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end, and return this."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Put a module before position `index`, and return this. All get the names 0, 1, …"""
        modules = [*self]
        modules.insert(index, module)
        self._renew(modules)
        return self

    def pop(self, index: int = -1) -> Module:
        """Take the module at `index` out, and return it."""
        module = list(self)[index]
        del self[index]
        return module


class ModuleList(_Row):
    """Modules in a list. A plain list in an attribute does as well; this one prints and appends.

    >>> import nn
    >>> nn.ModuleList([nn.Linear(2, 2), nn.ReLU()])
    ModuleList(
      (0): Linear(in_features=2, out_features=2, bias=True)
      (1): ReLU()
    )
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self.extend(modules)

    @overload
    def __getitem__(self, i: int) -> Module: ...
    @overload
    def __getitem__(self, i: slice) -> ModuleList: ...
    def __getitem__(self, i: int | slice) -> Module:
        modules = [*self]
        return ModuleList(modules[i]) if isinstance(i, slice) else modules[i]

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)


class Sequential(_Row):
    """Modules one after the other: each gets the result of the one before.

    Called with the modules, or with a dict of named modules; a name is an attribute too. A slice
    is a Sequential of the same modules.

    >>> import nn
    >>> nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    Sequential(
      (0): Linear(in_features=64, out_features=32, bias=True)
      (1): ReLU()
      (2): Linear(in_features=32, out_features=10, bias=True)
    )
    >>> nn.Sequential({"scores": nn.Linear(64, 10)}).scores
    Linear(in_features=64, out_features=10, bias=True)
    """

    def __init__(self, *modules: Any) -> None:
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self._set(name, module)
        else:
            self.extend(modules)

    def forward(self, x: Any) -> Any:
        """Pass x through every module in turn."""
        for part in self.__dict__.values():
            if isinstance(part, Module):
                x = part(x)
        return x

    @overload
    def __getitem__(self, i: int) -> Module: ...
    @overload
    def __getitem__(self, i: slice) -> Sequential: ...
    def __getitem__(self, i: int | slice) -> Module:
        if isinstance(i, slice):
            return Sequential(dict(self._layers()[i]))
        module: Module = self._layers()[i][1]
        return module


class ModuleDict(_Container, MutableMapping[str, Module]):
    """Modules by name. A plain dict in an attribute does as well; this one prints.

    >>> import nn
    >>> heads = nn.ModuleDict({"left": nn.Linear(2, 1), "right": nn.Linear(2, 3)})
    >>> heads["right"]
    Linear(in_features=2, out_features=3, bias=True)
    >>> [name for name, _ in heads.named_parameters()]
    ['left.weight', 'left.bias', 'right.weight', 'right.bias']
    """

    __hash__, __eq__ = object.__hash__, object.__eq__  # a module is itself, not what is in it

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        self.update(modules or {})

    def __getitem__(self, name: str) -> Module:
        return dict(self._layers())[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self._set(name, module)

    def __delitem__(self, name: str) -> None:
        self[name]
        delattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._layers())
