"""What people write who come from PyTorch, NumPy or micrograd, and how it is written here.

Only looked at when a name is not found.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from functools import wraps
from importlib import import_module
from typing import Any, TypeVar, cast

from tinygrad_sm.errors import coded

Function = TypeVar("Function", bound=Callable[..., Any])

_DEVICE = "everything is on the CPU: leave it out"
KEYWORDS = {
    "dim": "axis",
    "dims": "axis",
    "keepdim": "keepdims",
    "start_dim": "start_axis",
    "end_dim": "end_axis",
    "dim0": "axis1",
    "dim1": "axis2",
}
SETTINGS = {"inplace": "no operation changes its input here: leave it out", "device": _DEVICE}
DEVICES = dict.fromkeys(("to", "cuda", "cpu", "device"), _DEVICE)
TENSOR = DEVICES | {
    "size": "x.shape is the shape, and x.numel() the number of elements",
    "dim": "x.ndim is the number of axes",
    "t": "write x.T",
    "clone": "Tensor(x) is a copy outside the graph; inside it none is needed, since operations "
    "never change their inputs",
    "contiguous": "an operation takes any layout: leave it out",
    "type": "write x.astype(dtype)",
    "to_numpy": "write x.numpy()",
    "value": "x.item() is the number, and x.data the array",
    "cat": "it is a function: tinygrad_sm.cat([a, b])",
    "stack": "it is a function: tinygrad_sm.stack([a, b])",
    "zero_grad": "write x.grad = None",
}
TENSOR |= {
    f"{name}_": f"no operation changes a Tensor in place: write x = x.{name}(…)"
    for name in ("add", "sub", "mul", "div", "pow", "clamp", "relu", "sigmoid", "tanh", "exp")
}
TENSOR |= {
    f"{name}_": "no operation changes a Tensor in place: write x.data[...] = values"
    for name in ("copy", "fill", "normal", "uniform", "zero")
}
MODULE = DEVICES | {
    "register_parameter": "write self.name = nn.Parameter(values)",
    "add_module": "write self.name = module",
    "double": "set_default_dtype(np.float64) before the model is made gives float64 parameters",
}
PACKAGE = {
    "Value": "it is Tensor, which also holds a single number: Tensor(2.0, requires_grad=True)",
    "Variable": "it is Tensor",
    "from_numpy": "write Tensor(array), or Tensor(array, copy=False) to share its memory",
    "seed": "write manual_seed(0)",
    "random": "write manual_seed(0), randn(2, 3), rand(2, 3) …",
    "device": _DEVICE,
    "cuda": _DEVICE,
    "nn": "the networks are a package beside this one: import nn",
    "optim": "the optimizers are in nn.optim: import nn",
    "save": "write nn.save(model, path)",
    "load": "write nn.load(path)",
    "float32": "a dtype is NumPy's: np.float32",
    "float64": "a dtype is NumPy's: np.float64",
    "int64": "a dtype is NumPy's: np.int64",
    "long": "a dtype is NumPy's: np.int64",
}
NETWORKS = {
    "functional": "its functions are methods of a Tensor: x.relu(), x.cross_entropy(labels) …",
    "F": "its functions are methods of a Tensor: x.relu(), x.cross_entropy(labels) …",
    "ParameterList": "a plain list of parameters is found",
    "Tensor": "it is in the other package: from tinygrad_sm import Tensor",
    "SGD": "the optimizers are in nn.optim: nn.optim.SGD",
    "Adam": "the optimizers are in nn.optim: nn.optim.Adam",
}


def missing(owner: str, name: str, ours: str) -> AttributeError:
    """The error for a name that is not there. ours: what to write instead."""
    return coded(AttributeError(f"{owner} has no {name!r}: {ours}", name=name), "other-spelling")


def look_up(package: str, name: str, places: dict[str, str], ours: str | None) -> Any:
    """A name of a package that is loaded when it is first asked for.

    places: the module that each such name stands in, or is.
    ours: if the name is none of these, what to write instead, where that is known.
    """
    if name in places:
        module = import_module(places[name])
        return module if module.__name__ == f"{package}.{name}" else getattr(module, name)
    if ours is not None:
        raise missing(f"module {package!r}", name, ours)
    text = f"module {package!r} has no attribute {name!r}"
    raise AttributeError(text, name=name, obj=sys.modules[package])  # so that Python suggests one


class Elsewhere:
    """An attribute that exists elsewhere: asking for it says what to write here.

    A `__getattr__` would do the same in fewer lines, but then CPython looks up every attribute
    of the class in a slower way.
    """

    def __init__(self, ours: str) -> None:
        self.ours = ours

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        raise missing(owner.__name__, self.name, self.ours)


def explain_missing(kind: type, ours: dict[str, str]) -> None:
    """Let a class say what to write instead of these names, so far as it has none of them."""
    for name, text in ours.items():
        if not hasattr(kind, name):
            attribute = Elsewhere(text)
            attribute.__set_name__(kind, name)
            setattr(kind, name, attribute)


def of_package(name: str, kind: type) -> str | None:
    """How what PyTorch calls torch.name is written here."""
    if callable(getattr(kind, name, None)) and not name.startswith("_"):
        return f"it is a method of Tensor: x.{name}(…)"
    return PACKAGE.get(name)


def of_keyword(keyword: str, known: Collection[str]) -> str | None:
    """How a keyword that is none of the known ones is written here, if it is known elsewhere."""
    if keyword in known or KEYWORDS.get(keyword) not in known:
        return None
    return f"here it is {KEYWORDS[keyword]}=, as in NumPy"


def hints_keywords(function: Function) -> Function:
    """The function; where a keyword is misspelt as elsewhere, the error says ours."""

    @wraps(function)
    def hinting(*args: Any, **options: Any) -> Any:
        try:
            return function(*args, **options)
        except TypeError as error:
            check_keywords(function, options, error)
            raise

    return cast(Function, hinting)


def check_keywords(function: Callable[..., Any], options: dict[str, Any], error: Exception) -> None:
    """Raise a better TypeError if one of the options is only spelt as elsewhere."""
    code = function.__code__
    known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    name = function.__name__
    for keyword in options:
        ours = of_keyword(keyword, known)
        text = ours and f"{name}() has no {keyword}=: {ours}"
        if keyword == "out" and keyword not in known:
            text = f"np.{name}() does not take a Tensor: write x.{name}()"
        if text:
            raise coded(TypeError(text), "other-spelling") from error
