"""Surroundings: what a function uses beside its arguments, to see whether any of it was changed.

>>> factor = 2.0
>>> def scaled(x):
...     return x * factor
>>> around = Surroundings(scaled)
>>> around.are_the_same()
True
>>> factor = 3.0
>>> around.are_the_same()
False

From the function's variables one comes to others: the attributes of an object (a module's layers
and settings), the items of a list or dict, the variables of a function that is called. All of them
are watched, by identity: a number that was replaced by an equal one counts as changed. Not watched
is what belongs to Python or to an installed package, and what no name leads to, such as a file.
"""

from __future__ import annotations

import dis
import sys
import sysconfig
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from operator import attrgetter, is_
from types import (
    CellType,
    CodeType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any

import numpy as np

from tinygrad_sm.autograd import latest_setting
from tinygrad_sm.errors import OURS, CompileError
from tinygrad_sm.tensor import Tensor

_contents = attrgetter("cell_contents")
_END = (object(),)
_MOST = 10_000  # values to watch


class Surroundings:
    """The values around a function as they were when this was made.

    callees: objects among them with methods that a compiled function calls each time, such as an
        optimizer. What is inside of these is not watched.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._cells: list[CellType] = []
        self._empty_cells: list[CellType] = []
        self._names: list[tuple[Any, list[str]]] = []  # global variables, and where they are
        self._insides: list[Iterable[Any]] = []  # lists, and the values of dicts as they are now
        self._noted: list[Iterable[Any]] = []  # the attributes of objects that note a change
        self._setting = latest_setting.number
        self._seen: dict[int, Any] = {}  # kept, so that no other object gets the same id
        self.callees: list[Any] = []
        ahead: deque[Any] = deque([function])
        while ahead:
            value = ahead.popleft()
            if id(value) not in self._seen and not isinstance(value, _PLAIN):
                self._seen[id(value)] = value
                ahead.extend(self._look_into(value))
                if len(ahead) + len(self._seen) > _MOST:
                    raise CompileError(
                        "the function uses too much around it to see whether it changes, such as "
                        "a list of all data: pass what it needs as an argument"
                    )
        self._simple = self._simplest()
        self._then = [*self._others()]
        self._noted_then = [*self._attributes()]
        self._seen.clear()

    def are_the_same(self) -> bool:
        """Whether all values are still those."""
        try:
            setting = latest_setting.number
            if setting != self._setting:
                if not all(map(is_, self._attributes(), self._noted_then)):
                    return False
                self._setting = setting
            return all(map(is_, self._others(), self._then))
        except (ValueError, RuntimeError):  # a cell was emptied, or another thread adds something
            return False

    def __iter__(self) -> Iterator[Any]:
        """The values as they are now."""
        return chain(self._attributes(), self._others())

    # What has one value more or less than before shows it by the place of its end.

    def _attributes(self) -> Iterator[Any]:
        return chain(chain.from_iterable(self._noted), _END)

    def _others(self) -> Iterator[Any]:
        if self._simple is not None:
            return map(*self._simple)
        cells, inside = map(_contents, self._cells), chain.from_iterable(self._insides)
        looks = [map(world.get, names) for world, names in self._names]
        return chain(cells, map(_is_filled, self._empty_cells), *looks, inside, _END)

    def _simplest(self) -> Any:
        """A look and the places to look at, if that is all: each call asks, so it is in a hurry."""
        if self._insides or self._empty_cells or len(self._names) + bool(self._cells) > 1:
            return None
        return (
            (self._names[0][0].get, self._names[0][1]) if self._names else (_contents, self._cells)
        )

    def _look_into(self, value: Any) -> Iterable[Any]:
        """The values that one leads to, of which those that may be replaced are watched."""
        attributes = getattr(value, "__dict__", None)
        if attributes and isinstance(value, FunctionType | dict | list | tuple):
            self._insides.append(attributes.values())
            return [*attributes.values(), *self._look_at_kind(value)]
        return self._look_at_kind(value)

    def _look_at_kind(self, value: Any) -> Iterable[Any]:
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, MethodType):
            return [value.__func__, value.__self__]
        if isinstance(value, partial):
            return [value.func, *value.args, *value.keywords.values()]
        if isinstance(value, dict):
            self._insides += [value, value.values()]
            return value.values()
        if isinstance(value, list | set | deque):
            self._insides.append(value)
            return value
        if isinstance(value, tuple | frozenset):
            return value
        if isinstance(value, type):
            return self._class(value)
        if type(value).__module__.partition(".")[0] == "tinygrad_sm":  # a compiled function
            return [getattr(value, "__wrapped__", None)]
        if hasattr(type(value), "called_each_time"):
            self.callees.append(value)
            return []
        if isinstance(value, property):
            return [value.fget, value.fset]
        slots = _Slots(value)
        if slots.descriptors:
            self._insides.append(slots)
        inside = getattr(value, "__dict__", None)
        if not isinstance(inside, dict):
            return [*slots, *type(value).__mro__] if slots.descriptors else []
        notes = getattr(type(value), "notes_settings", False)
        (self._noted if notes else self._insides).append(inside.values())
        return [*slots, *inside.values(), *type(value).__mro__]

    def _function(self, function: FunctionType) -> list[Any]:
        cells = function.__closure__ or ()
        filled = [cell for cell in cells if _is_filled(cell)]
        self._cells += filled
        self._empty_cells += [cell for cell in cells if not _is_filled(cell)]
        if _is_foreign(function.__code__.co_filename):  # perhaps a decorator of one that is not
            return [*map(_contents, filled)]
        world = function.__globals__
        names, attributes = _names(function.__code__)
        if names:
            self._names.append((world, sorted(names)))
        found = [*map(_contents, filled), *map(world.get, names)]
        looked_into = set()
        for module in found:  # which grows, for modules are in modules
            if isinstance(module, ModuleType) and module not in looked_into:
                looked_into.add(module)
                if not _is_foreign(getattr(module, "__file__", None)):
                    of_module = sorted(attributes & vars(module).keys())
                    self._names.append((vars(module), of_module))
                    found += map(vars(module).get, of_module)
        defaults = (function.__defaults__ or (), (function.__kwdefaults__ or {}).values())
        return [*found, *chain(*defaults)]

    def _class(self, kind: type) -> Iterable[Any]:
        if _is_foreign_class(kind):
            return []
        self._insides.append(vars(kind).values())
        return vars(kind).values()


# What leads to nothing else.
_PLAIN = (Tensor, ModuleType, np.ndarray, np.generic, str, bytes, int, float, complex, type(None))


def _is_filled(cell: CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


class _Slots:
    """The attributes of an object that are not in its dict, as they are now."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing
        kinds = [kind for kind in type(thing).__mro__ if not _is_foreign_class(kind)]
        self.descriptors = [
            slot
            for kind in kinds
            for slot in vars(kind).values()
            if isinstance(slot, MemberDescriptorType)
        ]

    def __iter__(self) -> Iterator[Any]:
        for slot in self.descriptors:
            try:
                yield slot.__get__(self.thing)
            except AttributeError:  # it has no value yet
                yield None


def _names(code: CodeType) -> tuple[set[str], set[str]]:
    """The global names that a function and those written inside it use, and names of attributes."""
    names, attributes = set(), set()
    for step in dis.get_instructions(code):
        if "GLOBAL" in step.opname or step.opname == "LOAD_NAME":
            names.add(step.argval)
        elif "ATTR" in step.opname or step.opname == "LOAD_METHOD":
            attributes.add(step.argval)
        elif isinstance(step.argval, CodeType):
            inner_names, inner_attributes = _names(step.argval)
            names |= inner_names
            attributes |= inner_attributes
    return names, attributes


_PATHS = sysconfig.get_paths()
_INSTALLED = tuple(_PATHS[key] for key in ("stdlib", "platstdlib", "purelib", "platlib"))


def _is_foreign(filename: str | None) -> bool:
    """Whether a file belongs to Python, to an installed package, or to this one."""
    return filename is None or filename.startswith((*_INSTALLED, *OURS, "<frozen"))


def _is_foreign_class(kind: type) -> bool:
    module = sys.modules.get(kind.__module__)
    return module is None or (
        kind.__module__ != "__main__" and _is_foreign(getattr(module, "__file__", None))
    )
