"""Our docstrings, which are plain text, as the markup that Sphinx reads.

name: what it is          becomes an entry of a list, and `Shapes: …` a paragraph with a label
    indented text         becomes a block of code, or of formulas
`name`                    becomes a link where there is something of that name
* _ |                     stand for themselves
"""

import ast
import inspect
import re
import textwrap

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.inspect import stringify_signature

import nn
import tinygrad_sm

ENTRY = re.compile(r"(\*{0,2}\w+(?:, \*{0,2}\w+)*): (.*)")
NAME = re.compile(r"[A-Za-z_][\w.]*")
# The namespaces that people write, in the order of the reference.
NAMESPACES = (
    "tinygrad_sm",
    "tinygrad_sm.viz",
    "tinygrad_sm.viz.plots",
    "nn",
    "nn.optim",
    "nn.init",
    "nn.datasets",
    "nn.utils",
)


# ---- paragraphs --------------------------------------------------------------------------------


def restructured(docstring, parameters=()):
    """The docstring as the lines of reStructuredText; its parameters are no names to link to."""
    for name in parameters:
        docstring = docstring.replace(f"`{name}`", f"``{name}``")
    lines = []
    for paragraph in re.split(r"\n\s*\n", docstring.strip("\n")):
        lines += [*_block(paragraph), ""]
    return lines


def _block(paragraph):
    if paragraph.startswith(">>> "):
        return paragraph.split("\n")
    if paragraph.startswith("  "):
        return _indented(textwrap.dedent(paragraph))
    if ENTRY.match(paragraph):
        return _entries(paragraph)
    # A block may stand below its paragraph without an empty line between.
    text, *rest = re.split(r"\n(?=    )", paragraph, maxsplit=1)
    if rest and not text.startswith(("* ", "1. ")):
        return [*_text(text), "", *_indented(textwrap.dedent(rest[0]))]
    return _text(paragraph)


def _indented(text):
    try:
        ast.parse(text)
        language = "python"
    except SyntaxError:
        language = "text"
    return [f".. code-block:: {language}", "", *textwrap.indent(text, "   ").split("\n")]


def _entries(paragraph):
    """`name: text` for each name; the lines after it go on."""
    lines, indent = [], ""
    for line in paragraph.split("\n"):
        entry = ENTRY.match(line)
        if entry and entry[1][0].isupper() and "," not in entry[1]:  # a label, such as Shapes
            lines += ["", f"**{entry[1]}:** {escaped(entry[2])}"]
            indent = ""
        elif entry:
            names = ", ".join(f"``{name}``" for name in entry[1].split(", "))
            lines += [] if indent else ["", ".. rst-class:: parameters", ""]
            lines += [names, f"    {escaped(entry[2])}"]
            indent = "    "
        else:
            lines.append(indent + escaped(line.strip()))
    return lines


def _text(paragraph):
    return escaped(paragraph).split("\n")


def escaped(text):
    """The text with the signs that are markup elsewhere made plain, but not within `code`."""
    parts = re.split(r"(`[^`]+`)", text)
    parts[::2] = [
        re.sub(r"(?<!^)(?<!\n)\*|[\\_|]|\*(?! )", r"\\\g<0>", part) for part in parts[::2]
    ]
    return "".join(parts)


def process(app, what, name, obj, options, lines):
    if not lines:
        raise ExtensionError(f"{name} has no docstring")
    lines[:] = restructured("\n".join(lines), parameters(obj))


def parameters(obj):
    """The names of what a function or a class takes."""
    try:
        return tuple(inspect.signature(obj).parameters)
    except (TypeError, ValueError):  # such as a property
        return ()


def signature(app, what, name, obj, options, args, returns):
    """What making a module takes: not what Module.__new__ passes on."""
    if what != "class" or not issubclass(obj, nn.Module):
        return None
    if obj.__init__ is object.__init__:
        return "()", ""
    taken = inspect.signature(obj.__init__)
    taken = taken.replace(parameters=list(taken.parameters.values())[1:])  # without self
    return stringify_signature(taken, show_annotation=False, show_return_annotation=False), ""


# ---- names -------------------------------------------------------------------------------------


def code_or_name(role, rawtext, text, lineno, inliner, options=None, content=()):
    """`text` as a reference if it is a name, else as code."""
    if NAME.fullmatch(text.removesuffix("()")):
        python = inliner.document.settings.env.domains.python_domain
        return python.role("obj")("py:obj", rawtext, text, lineno, inliner)
    return [nodes.literal(rawtext, text)], []


def find(app, env, node, contnode):
    """A name written short; one that is in no namespace is code."""
    if node.get("reftype") != "obj":
        return None
    target, python = node["reftarget"], env.domains.python_domain
    # Where a name that is written short may stand.
    for namespace in ("", "tinygrad_sm", "tinygrad_sm.Tensor", *NAMESPACES[1:]):
        full = f"{namespace}.{target}".lstrip(".")
        if full in python.objects:
            return python.resolve_xref(
                env, node["refdoc"], app.builder, "obj", full, node, contnode
            )
    return contnode if not _is_missing(target) else None


def _is_missing(target):
    """Whether it is written as a name of ours, but there is no such thing."""
    first, *rest = target.split(".")
    owner = {"tinygrad_sm": tinygrad_sm, "nn": nn}.get(first) or getattr(tinygrad_sm, first, None)
    if not rest or not (inspect.ismodule(owner) or inspect.isclass(owner)):
        return False
    for name in rest:
        # What an instance alone has, such as nn.Linear.weight, cannot be seen on the class.
        if inspect.isclass(owner) and owner is not tinygrad_sm.Tensor:
            return False
        owner = getattr(owner, name, None)
        if owner is None:
            return True
    return False


def setup(app):
    app.add_role("name", code_or_name)
    app.connect("autodoc-process-docstring", process)
    app.connect("autodoc-process-signature", signature)
    app.connect("missing-reference", find)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
