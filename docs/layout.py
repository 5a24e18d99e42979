"""Draw how the code is laid out, from its imports: `python docs/layout.py` writes layout.svg."""

import ast
from itertools import product
from pathlib import Path

import tinygrad_sm
from tinygrad_sm.viz import Drawing

ROOT = Path(__file__).parent.parent
# What each part is, from the outside in; a module belongs to the first part whose name it begins
# with, and what stands in none is a helper that is not drawn.
PARTS = {
    "nn.optim": "optimizers, schedules",
    "nn": "modules, losses, data",
    "tinygrad_sm.viz": "draw, explain, plots",
    "tinygrad_sm.graph": "a snapshot for pictures",
    "tinygrad_sm.differentiate": "grad, jacobian, hessian",
    "tinygrad_sm.tensor": "an array, its gradient,\nand how it was made",
    "tinygrad_sm.methods": "what a Tensor can do",
    "tinygrad_sm.autograd": "the backward pass",
    "tinygrad_sm.ops": "each operation\nwith its derivative",
}


def part_of(module):
    return next((part for part in PARTS if f"{module}.".startswith(f"{part}.")), None)


def imports(path):
    """The modules that a file loads when it is imported itself."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "tinygrad_sm":
            for alias in node.names:  # a name that the package hands on, or a module
                value = getattr(tinygrad_sm, alias.name, None)
                yield getattr(value, "__module__", f"tinygrad_sm.{alias.name}")
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def arrows():
    """Which part is built on which, without what follows from the other arrows."""
    found = set()
    for path in [*ROOT.glob("nn/**/*.py"), *ROOT.glob("tinygrad_sm/**/*.py")]:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if part := part_of(module):
            found |= {(part, other) for name in imports(path) if (other := part_of(name))}
    found = {(a, b) for a, b in found if a != b and not a.startswith(b)}
    reach = set(found)
    for middle, a, b in product(PARTS, PARTS, PARTS):
        if (a, middle) in reach and (middle, b) in reach:
            reach.add((a, b))
    return {(a, b) for a, b in found if not any((a, m) in reach and (m, b) in reach for m in PARTS)}


def drawing():
    dot = Drawing("layout", graph_attr={"rankdir": "TB", "ranksep": "0.35", "bgcolor": "white"})
    font = "Helvetica,Arial,sans-serif"
    dot.attr("node", shape="box", style="rounded,filled", fontname=font, fontsize="12")
    dot.attr("edge", color="#6F7782", arrowsize="0.7")
    for part, what in PARTS.items():
        colour = "#FBEEDC" if part.startswith("nn") else "#E4EEF7"
        dot.node(part, f"{part}\n{what}", fillcolor=colour, color="#6F7782")
    for a, b in sorted(arrows()):
        dot.edge(a, b)
    return dot


if __name__ == "__main__":
    svg = drawing().pipe("svg", encoding="utf-8")
    Path(__file__).with_suffix(".svg").write_text(svg, encoding="utf-8")
