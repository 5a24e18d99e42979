"""Operations and their derivatives in words, for a learner."""

from __future__ import annotations

import ast
import re

import tinygrad_sm
from tinygrad_sm import ops
from tinygrad_sm.graph import Array, Node, _rules
from tinygrad_sm.tensor import Tensor
from tinygrad_sm.viz.draw import SYMBOLS, _held, _setting, _settings
from tinygrad_sm.viz.fold import Box, is_inlined
from tinygrad_sm.viz.text import clean, number
from tinygrad_sm.viz.unfold import is_mean

# How an operation is written, where that is not name(inputs).
FORMULAS = {
    "negative": "−{0}",
    "abs": "|{0}|",
    "square": "{0}²",
    "exp": "exp({0})",
    "log": "ln({0})",
    "sqrt": "√({0})",
    "reciprocal": "1 / {0}",
    "sigmoid": "σ({0})",
    "matmul": "{0} @ {1}",
}
# What an operation does, where the first line of a method's docstring says more than is needed.
SAYS = {
    "add": "The two are added.",
    "subtract": "The second is taken from the first.",
    "multiply": "The two are multiplied.",
    "divide": "The first is divided by the second.",
    "power": "The base, multiplied by itself as often as the exponent says.",
    "matmul": "Each row of the first meets each column of the second: the products of their "
    "elements, added up, are one number of the result.",
    "relu": "What is negative becomes 0; the rest passes unchanged.",
    "linear": "Each row of the input gets a score from each row of the weight: the products of "
    "their elements, added up, and the bias added.",
    "mean": "The average of all elements: they are added up and divided by how many there are.",
    "sum": "All elements are added up.",
    "getitem": "Some of the elements are picked.",
}
# Derivative rules whose code does not read as mathematics: one for all inputs, or one for each.
RULES: dict[str, str | tuple[str, ...]] = {
    "relu": "g where y > 0, else 0",
    "gelu": "g · (Φ(x) + x φ(x))",
    "atan2": ("g · b / (a² + b²)", "−g · a / (a² + b²)"),
    "fmod": ("g", "−g · (a / b without its fraction)"),
    "remainder": ("g", "−g · ⌊a / b⌋"),
    "sum": "g, for every element",
    "mean": "g / n, for each of n elements",
    "var": "2 (x − mean) / (n − correction) g",
    "std": "(x − mean) / (y (n − correction)) g",
    "norm": "sign(x) (|x| / y)ᵖ⁻¹ g",
    "max": "g at the largest element, else 0",
    "min": "g at the smallest element, else 0",
    "median": "g at the median, else 0",
    "prod": "(the product of the others) g",
    "cumsum": "the running sum of g from the other end",
    "softmax": "y (g − Σ g y)",
    "log_softmax": "g − softmax(x) Σ g",
    "logsumexp": "g · softmax(x)",
    "reshape": "g in the shape of x",
    "permute": "g with its axes put back in order",
    "flip": "g in the reverse order",
    "roll": "g shifted back",
    "expand": "the sum of g over the copies",
    "sum_to": "g at every element",
    "repeat": "the sum of g over the copies",
    "repeat_interleave": "the sum of g over the copies",
    "getitem": "g at the places that were picked, else 0",
    "put": "g at the places that were written to",
    "gather": "g at the places that were picked, else 0",
    "scatter_add": ("g", "", "g at the places that were written to"),
    "scatter": ("g, but 0 where it was overwritten", "", "g at the places that were written to"),
    "pad": "g without the margins",
    "tril": "g in the lower triangle, else 0",
    "triu": "g in the upper triangle, else 0",
    "diagonal": "g on the diagonal, else 0",
    "diag_embed": "the diagonal of g",
    "conv_transpose2d": ("conv2d of g with the same weight", "Σ of x times the patch of g"),
    "conv2d_weight": ("conv2d of x with g", "the transposed convolution with g"),
    "unfold": "each column of g added back to where it was taken from",
    "fold": "the patches of g, in columns",
    "max_scatter2d": "g at the first largest element of each window",
    "max_pick2d": "g at the first largest element of each window, else 0",
    "avg_pool2d": "g shared out evenly over each window",
}
FUNCTIONS = {"log": "ln", "sigmoid": "σ", "sqrt": "√"}
WORD = r"\b[^\W\d]\w*"


# ---- names -------------------------------------------------------------------------------------


def labels(nodes: list[Node]) -> dict[str, str]:
    """What each node is called: by its name, or v1, v2, … in the order of the computation."""
    names = {clean(str(node.name), 24) for node in nodes if node.name}
    taken = {letter for letter in "vuhz" if any(n[1:].isdigit() and n[0] == letter for n in names)}
    letter = next((letter for letter in "vuhz" if letter not in taken), "node ")
    found, counts = {}, {"input": 0, "parameter": 0, "operation": 0}
    for node in nodes:
        kind = "operation" if node.op else node.kind
        if node.name:
            found[node.id] = clean(str(node.name), 24)
        elif is_inlined(node):
            found[node.id] = number(node.value.item(), 6)
        elif node.kind == "loss":
            found[node.id] = "loss" if "loss" not in names else "the loss"
        else:
            counts[kind] += 1
            found[node.id] = f"{letter if node.op else kind + ' '}{counts[kind]}"
    return found


def expression(node: Node, names: dict[str, str]) -> str:
    """The operation as one would write it, such as w × x."""
    op, inputs = known(node), [names[i] for i in node.inputs]
    if op == "power" and inputs[1] in ("2", "3"):
        return inputs[0] + {"2": "²", "3": "³"}[inputs[1]]
    if op in SYMBOLS and len(inputs) == 2:
        return f"{inputs[0]} {SYMBOLS[op]} {inputs[1]}"
    if op == "linear":
        return f"{inputs[0]} @ {inputs[1]}ᵀ" + "".join(f" + {bias}" for bias in inputs[2:])
    if op == "getitem":
        key = node.attributes["key"]
        return f"{inputs[0]}[{', '.join(map(_setting, key if isinstance(key, tuple) else (key,)))}]"
    settings = [text for text in _settings(node) if text != "reduction=mean"]  # as mostly
    if op in FORMULAS and not settings:
        return FORMULAS[op].format(*inputs)
    return f"{clean(str(node.op), 30)}({', '.join(inputs + settings)})"


def shape(array: Array) -> str:
    """The shape in words.

    >>> import numpy as np
    >>> shape(np.zeros((4, 3))), shape(np.zeros(3)), shape(np.zeros(()))
    ('4 × 3', '3 numbers', 'a single number')
    """
    if array.ndim == 1:
        return f"{len(array)} number{'s' * (len(array) != 1)}"
    return " × ".join(map(str, array.shape)) if array.ndim else "a single number"


def is_formula(rule: str) -> bool:
    """Whether a rule is an expression, not a sentence."""
    try:
        ast.parse(rule, mode="eval")
    except SyntaxError:
        return False
    return bool(rule)


def mathematics(rule: str) -> str:
    """A rule in Python as mathematics.

    >>> mathematics("g * (1 - y * y)")
    'g · (1 − y · y)'
    """
    if not is_formula(rule):
        rule = re.sub("^The ", "the ", rule.split(": ")[0])
    rule = re.sub(r" \*\* 2\b(?!\.)", "²", rule)
    rule = rule.rstrip(".").replace(" ** ", "^").replace(" * ", " · ").replace("-", "−")
    return re.sub(r"\bmath\.", "", rule)


def derivative(rule: str) -> str:
    """What g is multiplied by.

    >>> derivative("g * (1 - y * y)"), derivative("-g"), derivative("g / (2 * y)")
    ('1 − y · y', '−1', '1 / (2 · y)')
    >>> derivative("b aᵇ⁻¹ g, which is 0 for b = 0 whatever a is")
    'b aᵇ⁻¹'
    """
    if not is_formula(rule):
        rule = re.sub(r" g$", "", re.split(r", (?!else)", rule)[0])
    text = re.sub(r"\bg\b", "1", mathematics(rule))
    text = re.sub(r"^(−?)1 · ", r"\1", text)
    inner = re.fullmatch(r"\(([^()]*)\)", text)
    return inner[1] if inner else text


# ---- operations in words -----------------------------------------------------------------------


def known(node: Node) -> str:
    """The operation's name if it is one of the package, not one of the user's own."""
    op = ops.op.TABLE.get(str(node.op))
    return op.name if op and _rules(op, len(node.inputs)) == node.rules else ""


def rule_of(node: Node, place: int, inputs: list[Node]) -> str:
    """The derivative rule for an input, in words or as a formula."""
    op = known(node)
    if op == "cross_entropy" and place == 0:
        is_averaged = is_mean(node) and inputs[1].value.size > 1
        return "g · (p − onehot) / N" if is_averaged else "g · (p − onehot)"
    if op == "power" and place == 0 and is_inlined(inputs[1]) and inputs[1].value in (2, 3):
        return "g * 2 * a" if inputs[1].value == 2 else "g * 3 * a ** 2"
    if op == "matmul" and all(x.value.ndim == 2 for x in inputs):
        return ("g @ bᵀ", "aᵀ @ g")[place]
    if op == "linear":
        return ("g @ weight", "gᵀ @ x", "the sum of the rows of g")[place]
    rule = RULES.get(op) or node.rules
    text = rule if isinstance(rule, str) else "".join(rule[place : place + 1])
    return text.replace("zeros_like(g)", "0")


def says(node: Node) -> str:
    """What an operation does."""
    op = known(node)
    if op in SAYS and node.attributes.get("axis") is None:
        each = op in SYMBOLS and node.value.ndim > 0
        return SAYS[op].removesuffix(".") + (", element by element." if each else ".")
    method = getattr(Tensor, op, None) or getattr(tinygrad_sm, op, None) if op else None
    text = (getattr(method, "__doc__", None) or "").strip().split("\n")[0]
    return re.split(r" (?:No d|D)erivatives?\b", text)[0].replace("`", "")


def in_words(box: Box) -> str:
    """What a folded box stands for."""
    if box.folded == "older":
        return f"The beginning of the computation, {len(box.nodes):,} nodes, is one step here."
    if box.folded == "run":
        return f"{box.length:,} times {box.what}, one after the other, are one step here."
    title, counts = _held(box)
    return f"{title} is one step here: {counts}."


def along(x: Node, y: Node) -> str:
    """The axes along which x is stretched to the shape of y, in words."""
    missing = len(y.shape) - len(x.shape)
    axes = [
        str(axis)
        for axis, n in enumerate(y.shape)
        if axis < missing or (x.shape[axis - missing] == 1 and n != 1)
    ]
    return f"along ax{'i' if len(axes) == 1 else 'e'}s {', '.join(axes)}"
