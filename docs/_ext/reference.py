"""Write the pages of the reference, from the code alone: a new public name needs no edit here.

Names are grouped by the file that defines them, and a page is titled and opened by the docstring of
that file. A public name without a docstring stops the build.
"""

import ast
import importlib
import inspect
import re
import sys
from functools import cache
from pathlib import Path

import numpy as np
from docstrings import NAMESPACES, escaped, parameters, restructured
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from sphinx.errors import ExtensionError

import tinygrad_sm
from tinygrad_sm import Tensor, ops
from tinygrad_sm.graph import _roles, _rules
from tinygrad_sm.spelling import Elsewhere
from tinygrad_sm.viz import words
from tinygrad_sm.viz.draw import SYMBOLS

OPERATORS = {
    "a + b": "add",
    "a - b": "sub",
    "a * b": "mul",
    "a / b": "div",
    "a // b": "floor_divide",
    "a % b": "remainder",
    "a ** b": "pow",
    "a @ b": "matmul",
    "-a": "neg",
    "a == b": "eq",
    "a != b": "ne",
    "a < b": "lt",
    "a <= b": "le",
    "a > b": "gt",
    "a >= b": "ge",
    "a & b": "bitwise_and",
    "a | b": "bitwise_or",
    "a ^ b": "bitwise_xor",
    "~a": "bitwise_not",
}


# ---- the names ---------------------------------------------------------------------------------


def public(namespace):
    """What a namespace offers, by name."""
    module = importlib.import_module(namespace)
    own = [
        name
        for name, value in vars(module).items()
        if getattr(value, "__module__", "") == namespace
        and (inspect.isfunction(value) or inspect.isclass(value))
        and not name.startswith("_")
    ]
    found = {name: getattr(module, name) for name in getattr(module, "__all__", own)}
    return {name: value for name, value in found.items() if not inspect.ismodule(value)}


def homes():
    """Where each public name is told of: namespace → file → names. Each has one home."""
    found, seen = {}, {("Tensor", id(Tensor))}
    for namespace in NAMESPACES:
        files = found[namespace] = {}
        for name, value in public(namespace).items():
            inner = value.__module__ in NAMESPACES and value.__module__ != namespace
            if not inner and (name, id(value)) not in seen:
                seen.add((name, id(value)))
                files.setdefault(value.__module__, []).append(name)
        found[namespace] = dict(sorted(files.items()))
    return {namespace: found[namespace] for namespace in NAMESPACES}


def members(cls):
    """The public methods and properties that a class adds to those of its bases."""
    inherited = {name for base in cls.__mro__[1:] for name in vars(base)}
    return [
        name
        for name, value in vars(cls).items()
        if not name.startswith("_")
        and name not in inherited
        and not isinstance(value, Elsewhere)
        and (inspect.isroutine(inspect.unwrap(value)) or isinstance(value, property | classmethod))
    ]


def summary(value, name):
    """The first sentence of the docstring."""
    text = inspect.getdoc(value)
    if not text:
        raise ExtensionError(f"{name} has no docstring")
    first = text.split("\n\n")[0].split(". ")[0].split(":\n")[0]
    return " ".join(restructured(first, parameters(value))).strip()


# ---- writing -----------------------------------------------------------------------------------


def title(text, rule="="):
    text = text.replace("`", "").rstrip(".")
    return [text, rule * (len(text) + 2), ""]


def headline(module):
    """A short title: the first line of the docstring up to its colon or full stop."""
    return re.split(r": |\. |\.$| as methods", module.__doc__.split("\n")[0])[0]


def opening(module, heading):
    """The docstring of a file without what stands in its title already."""
    first, _, rest = inspect.getdoc(module).partition("\n")
    if first.startswith((f"{heading}: ", f"{heading}.")):
        first = first[len(heading) :].lstrip(":. ")
    return restructured(f"{first[:1].upper()}{first[1:]}\n{rest}")


def table(rows, *header, widths="auto"):
    lines = [".. list-table::", f"   :widths: {widths}", "   :width: 100%", ""]
    if header:
        lines[2:2] = ["   :header-rows: 1"]
        rows = [header, *rows]
    for row in rows:
        lines += [f"   {'*' if i == 0 else ' '} - {cell}" for i, cell in enumerate(row)]
    return [*lines, ""]


def toctree(names):
    return [".. toctree::", "   :hidden:", "", *(f"   {name}" for name in names), ""]


def link(full, text):
    return f":py:obj:`{text} <{full}>`"


def entry(full, value):
    """The directive for a function or a class."""
    if inspect.isclass(value):
        return [
            f".. autoclass:: {full}",
            *([f"   :members: {', '.join(members(value))}"] if members(value) else []),
            "",
        ]
    return [f".. autofunction:: {full}", ""]


def listed(namespace, names):
    """A table of names, each with its first sentence."""
    offered = public(namespace)
    return table(
        [(link(f"{namespace}.{n}", n), summary(offered[n], n)) for n in names], widths="28 72"
    )


def module_page(namespace, file, names, heading=None):
    module, offered = sys.modules[file], public(namespace)
    heading = heading or headline(module)
    lines = [*title(heading), *opening(module, heading)]
    if len(names) > 1:
        lines += listed(namespace, names)
    for name in names:
        value = offered[name]
        if value.__name__ != name:
            lines += alias("data", f"{namespace}.{name}", f"{namespace}.{value.__name__}")
        else:
            lines += entry(f"{namespace}.{name}", value)
    return lines


def namespace_pages(namespace, files):
    """A page for each file, and one that lists them all."""
    module = sys.modules[namespace]
    if list(files) == [namespace]:
        return {namespace: module_page(namespace, namespace, files[namespace], namespace)}
    pages = {file: module_page(namespace, file, names) for file, names in files.items()}
    lines = [*title(namespace), *opening(module, namespace), *toctree(pages)]
    for file, names in files.items():
        lines += [*title(headline(sys.modules[file]), "-"), *listed(namespace, names)]
    return {namespace: lines, **pages}


# ---- Tensor ------------------------------------------------------------------------------------


def tensor_pages():
    topics = {f"tensor.{cls.__name__.lower()}": cls for cls in Tensor.__bases__}
    pages = {page: topic_page(cls) for page, cls in topics.items()}
    lines = [*title("Tensor"), ".. autoclass:: tinygrad_sm.Tensor", "   :no-index-entry:", ""]
    lines += [*toctree(pages), *title("What it can do, by topic", "-")]
    for page, cls in topics.items():
        names = [name for name in methods_of(cls) if not is_alias(cls, name)]
        lines += [
            f":doc:`{headline(sys.modules[cls.__module__])} <{page}>`",
            "    " + ", ".join(link(f"tinygrad_sm.Tensor.{n}", n) for n in names),
            "",
        ]
    lines += [*title("Operators", "-"), *operators(), *title("Attributes and methods", "-")]
    for name in members(Tensor):
        lines += member(Tensor, name)
    return {"tensor": lines, **pages}


def operators():
    """A paragraph: which operator is which method."""
    pairs = [f"``{o}`` {link(f'tinygrad_sm.Tensor.{name}', name)}" for o, name in OPERATORS.items()]
    picked = "``a[i]`` picks elements as in NumPy."
    return [f"Each operator is a method: {', '.join(pairs)}. {picked}", ""]


def member(cls, name):
    kind = "attribute" if isinstance(vars(cls).get(name), property) else "method"
    return [f".. auto{kind}:: tinygrad_sm.Tensor.{name}", ""]


def alias(kind, full, of):
    return [f".. py:{kind}:: {full}", "", f"   Another name of {link(of, of.split('.')[-1])}.", ""]


def methods_of(cls):
    bases = [base for base in cls.__mro__[1:] if base.__module__ == cls.__module__]
    return [name for c in (cls, *bases) for name in members(c)]


def is_alias(cls, name):
    return getattr(getattr(cls, name), "__name__", name) != name


def topic_page(cls):
    module = sys.modules[cls.__module__]
    names = methods_of(cls)
    own = [name for name in names if not is_alias(cls, name)]
    heading = headline(module)
    lines = [*title(heading), *opening(module, heading)]
    lines += table(
        [(link(f"tinygrad_sm.Tensor.{n}", n), summary(getattr(cls, n), n)) for n in own],
        widths="28 72",
    )
    for name in own:
        lines += member(cls, name)
        for other in names:
            if is_alias(cls, other) and getattr(cls, other) is getattr(cls, name):
                lines += alias(
                    "method", f"tinygrad_sm.Tensor.{other}", f"tinygrad_sm.Tensor.{name}"
                )
    return lines


# ---- the table of operations -------------------------------------------------------------------


def operations_pages():
    """The table of operations, and the files they are written in."""
    files = {}
    for op in ops.op.TABLE.values():
        files.setdefault(file_of(op), []).append(op)
    sources = {f"source.{file.stem}": source_page(file) for file in files}
    lines = [*title("Operations and their derivatives"), INTRODUCTION, "", *toctree(sources)]
    for file, found in files.items():
        module = sys.modules[f"tinygrad_sm.ops.{file.stem}"]
        lines += title(headline(module), "-")
        places = lines_of(file)
        lines += table(
            [
                (
                    f"`{op.name} <source.{file.stem}.html#line-{places[op.name]}>`__",
                    computes(op),
                    derivatives(op),
                )
                for op in found
            ],
            "operation",
            "computes",
            "derivative",
            widths="18 41 41",
        )
    return {"operations": lines, **sources}


# What neither a method nor a docstring says.
WRITTEN = {
    "power": "aᵇ",
    "equal": "a == b",
    "clamp_min": "max(x, low)",
    "clamp_max": "min(x, high)",
    "clamp_between": "min(max(x, low), high)",
}
INTRODUCTION = """\
This is all that the engine can differentiate; everything else is put together from these. *g* is
the gradient of the loss with respect to the result *y*, and the derivative column says what each
input gets. A gradient is then summed back to the shape of an input that was broadcast. A name
leads to the line where the operation and its rule are written."""


def file_of(op):
    folder = Path(ops.__file__).parent
    for name, module in sys.modules.items():
        if name.startswith(f"{ops.__name__}.") and vars(module).get(op.name) is op:
            file = folder / Path(module.__file__).name
            if op.name in lines_of(file):
                return file
    raise ExtensionError(f"the operation {op.name} is assigned to its name in no file of ops")


@cache
def lines_of(file):
    """Where in its file each name is assigned."""
    places = {}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        for target in getattr(node, "targets", [getattr(node, "target", None)]):
            places[getattr(target, "id", None)] = node.lineno
    return places


def computes(op):
    """A formula, or the first line of the docstring of its method or of its forward."""
    if op.name in WRITTEN:
        return escaped(WRITTEN[op.name])
    if op.name in SYMBOLS:
        return f"a {SYMBOLS[op.name]} b"
    method = getattr(Tensor, op.name, None) or getattr(tinygrad_sm, op.name, None)
    text = inspect.getdoc(method or op.forward) or words.SAYS.get(op.name, "")
    if not text or isinstance(method or op.forward, np.ufunc):
        raise ExtensionError(f"the operation {op.name} needs a docstring of its forward")
    first = re.split(r" (?:No d|D)erivatives?\b", text.split("\n")[0])[0]
    return " ".join(restructured(first)).strip()


def derivatives(op):
    """The rule for each input, in words or as a formula; equal ones once."""
    if not op.rules:
        return "none"
    rules = _rules(op, len(op.rules))
    told = words.RULES.get(op.name, rules)
    told = (told,) * len(rules) if isinstance(told, str) else told
    told = [words.mathematics(rule.replace("zeros_like(g)", "0")) or "none" for rule in told]
    if len(set(told)) == 1:
        return escaped(told[0])
    return " |br| ".join(
        f"*{name}*: {escaped(rule)}" for name, rule in zip(_roles(op, len(told)), told, strict=True)
    )


def source_page(file):
    code = file.read_text(encoding="utf-8")
    html = highlight(code, PythonLexer(), HtmlFormatter(lineanchors="line"))
    name = f"tinygrad_sm/ops/{file.name}"
    return [*title(name), ".. raw:: html", "", *("   " + line for line in html.split("\n"))]


# ---- all pages ---------------------------------------------------------------------------------


def write(app):
    pages = tensor_pages() | operations_pages()
    tops = ["tensor", "operations"]
    for namespace, files in homes().items():
        pages |= namespace_pages(namespace, files)
        tops.append(namespace)
    index = [*title("Reference"), "Every name by its letter: :ref:`genindex`.", ""]
    index += [".. toctree::", "   :maxdepth: 2", ""]
    pages["index"] = [*index, *(f"   {name}" for name in tops)]
    folder = Path(app.srcdir, "reference")
    folder.mkdir(exist_ok=True)
    for old in set(folder.glob("*.rst")) - {folder / f"{name}.rst" for name in pages}:
        old.unlink()
    for name, lines in pages.items():
        path, text = folder / f"{name}.rst", "\n".join(lines) + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app):
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
