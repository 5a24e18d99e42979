"""Bad input: each mistake raises an error that names what was given and what is needed."""

import copy

import numpy as np
import pytest

import nn
from tinygrad_sm import (
    DtypeError,
    GradcheckError,
    GradientError,
    LabelError,
    ShapeError,
    Tensor,
    arange,
    full,
    grad,
    gradcheck,
    set_default_dtype,
    zeros,
)


def leaf(*shape):
    return Tensor(np.zeros(shape), requires_grad=True)


def scores(n=3, classes=4):
    return Tensor(np.zeros((n, classes)), requires_grad=True)


def assign(t, attribute, value):
    setattr(t, attribute, value)


def write(t, key, value):
    t[key] = value


def hooked(answer):
    x = leaf(2)
    x.register_hook(lambda g: answer)
    return x.sum()


A, B = Tensor(np.zeros((2, 3))), Tensor(np.zeros((4, 5)))
INTS = Tensor([1, 2], dtype=int)

# what is done, the error, and the words that its message has to say
SHAPES = {
    "add": (lambda: A + B, ShapeError, ["add", "(2, 3)", "(4, 5)", "equal lengths or a 1"]),
    "array on the left": (lambda: np.zeros(4) * A, ShapeError, ["multiply", "(4,)", "(2, 3)"]),
    "compare": (lambda: A == B, ShapeError, ["equal", "(2, 3)", "(4, 5)"]),
    "matmul": (lambda: A @ B, ShapeError, ["matmul", "(2, 3)", "(4, 5)", "last axis"]),
    "matmul of a number": (lambda: A @ Tensor(2.0), ShapeError, ["matmul", "(2, 3)", "()"]),
    "linear": (lambda: A.linear(B), ShapeError, ["linear", "(2, 3)", "(4, 5)", "(out, in)"]),
    "linear with a vector": (lambda: A.linear(Tensor([1.0])), ShapeError, ["linear", "(1,)"]),
    "linear with a wrong bias": (
        lambda: A.linear(Tensor(np.zeros((4, 3))), Tensor(np.zeros(3))),
        ShapeError,
        ["linear", "(3,)", "bias (out,)"],
    ),
    # As many biases as rows: this would broadcast the wrong way round.
    "linear with a column as bias": (
        lambda: A.linear(Tensor(np.zeros((2, 3))), Tensor(np.zeros((2, 1)))),
        ShapeError,
        ["linear", "(2, 1)", "bias (out,)"],
    ),
    "linear with a number as bias": (
        lambda: A.linear(Tensor(np.zeros((1, 3))), Tensor(np.zeros(()))),
        ShapeError,
        ["linear", "bias (out,)"],
    ),
    "nn.Linear": (lambda: nn.Linear(4, 2)(A), ShapeError, ["(2, 3)", "(2, 4)", "(out, in)"]),
    "reshape": (lambda: A.reshape(4, 2), ShapeError, ["reshape", "(2, 3)", "(4,2)"]),
    "reshape to two unknowns": (lambda: A.reshape(-1, -1), ShapeError, ["unknown"]),
    "permute twice the same": (lambda: A.permute(0, 0), ShapeError, ["2 axes", "(2, 3)", "(0, 0)"]),
    "permute too few": (lambda: A.permute(0), ShapeError, ["2 axes", "(0,)"]),
    "permute too far": (lambda: A.permute(0, 2), ShapeError, ["axis 2", "2 axes"]),
    "transpose": (lambda: A.transpose(0, 5), ShapeError, ["axis 5", "2 axes"]),
    "mT of a vector": (lambda: A[0].mT, ShapeError, ["two axes", "(3,)"]),
    "expand": (lambda: A.expand(2, 6), ShapeError, ["(2, 3)", "(2, 6)", "length 1"]),
    "expand to fewer axes": (lambda: A.expand(3), ShapeError, ["(2, 3)", "(3,)"]),
    "flatten": (lambda: A.flatten(1, 0), ShapeError, ["start_axis", "1, 0"]),
    "flatten too far": (lambda: A.flatten(0, 2), ShapeError, ["axis 2"]),
    "squeeze": (lambda: A.squeeze(2), ShapeError, ["axis 2", "2 axes"]),
    "unsqueeze": (lambda: A.unsqueeze(4), ShapeError, ["axis 4"]),
    "sum": (lambda: A.sum(axis=2), ValueError, ["axis 2", "dimension 2"]),
    "sum over an axis twice": (lambda: A.sum(axis=(0, 0)), ValueError, ["duplicate"]),
    "max of nothing": (lambda: Tensor([]).max(), ShapeError, ["max", "(0,)"]),
    "argmax of nothing": (lambda: Tensor([]).argmax(), ShapeError, ["argmax", "(0,)", "empty"]),
    "argmax too far": (lambda: A.argmax(axis=3), ValueError, ["axis 3"]),
    "softmax": (lambda: A.softmax(axis=2), ShapeError, ["axis 2", "2 axes"]),
    "index too far": (lambda: A[2], IndexError, ["index 2", "axis 0", "size 2"]),
    "too many indices": (lambda: A[0, 0, 0], IndexError, ["too many indices", "2-dimensional"]),
    "mask of another shape": (lambda: A[Tensor([True])], IndexError, ["boolean", "2", "1"]),
    "write of another shape": (lambda: write(Tensor([1.0]), 0, [1, 2]), ValueError, ["sequence"]),
    "write into repeats": (
        lambda: write(Tensor([1.0]).expand(3), 0, 5.0),
        ValueError,
        ["read-only"],
    ),
    "data": (lambda: assign(A, "data", np.zeros(3)), ShapeError, ["(3,)", "(2, 3)"]),
    "grad": (lambda: assign(A, "grad", np.zeros(3)), ShapeError, ["(3,)", "(2, 3)"]),
    "bool of many": (lambda: bool(A), ShapeError, ["(2, 3)", ".all()", ".any()"]),
    "item of many": (lambda: A.item(), ShapeError, ["(2, 3)", "one element"]),
    "float of many": (lambda: float(A), ShapeError, ["(2, 3)", "one element"]),
    "len of a number": (lambda: len(Tensor(1.0)), TypeError, ["no axes"]),
    "iteration over a number": (
        lambda: list(Tensor(1.0)),
        TypeError,
        ["no axes", "iterate", "x.item()"],
    ),
    "ragged lists": (lambda: Tensor([[1, 2], [3]]), ShapeError, ["ragged", "same length"]),
    "full of a negative length": (lambda: full(-1, 0.0), ValueError, ["negative"]),
}

KINDS = {
    "objects": (lambda: Tensor(np.array([{}])), DtypeError, ["dtype object"]),
    "None": (lambda: Tensor(None), DtypeError, ["None", "NoneType"]),
    "string": (lambda: Tensor("abc"), DtypeError, ["'abc'", "str"]),
    "array of strings": (lambda: Tensor(np.array(["a"])), DtypeError, ["<U1"]),
    "complex number": (lambda: Tensor(1j), DtypeError, ["1j", "complex"]),
    "complex array": (lambda: Tensor(np.zeros(1, complex)), DtypeError, ["complex128"]),
    "complex asked for": (lambda: Tensor([1.0], dtype=complex), DtypeError, ["complex128"]),
    "complex of an array": (lambda: Tensor(np.ones(1), dtype=complex), DtypeError, ["complex128"]),
    "strings of an array": (lambda: Tensor(np.ones(1), dtype=str), DtypeError, ["<U"]),
    "a hook that is none": (lambda: leaf(2).register_hook(None), TypeError, ["function", "None"]),
    "weights in words": (
        lambda: Tensor([[1.0, 2.0]]).cross_entropy([0], weight=["a", "b"]),
        DtypeError,
        ["weight", "<U1"],
    ),
    "dates": (lambda: Tensor(np.array(["2020"], "M8[Y]")), DtypeError, ["datetime64"]),
    "cast to complex": (lambda: A.astype(complex), DtypeError, ["complex128"]),
    "list of Tensors": (lambda: Tensor([A, A]), DtypeError, ["list of Tensors", "gradients"]),
    "list of numbers as Tensors": (
        lambda: Tensor([Tensor(1.0), Tensor(2.0)]),
        DtypeError,
        ["list of Tensors", "gradients"],
    ),
    "add of a string": (lambda: A + "a", DtypeError, ["'a'"]),
    "add of None": (lambda: A + None, TypeError, ["None"]),
    "float index": (lambda: A[np.array([0.0])], DtypeError, ["float64", "astype(int)"]),
    "float tensor as index": (lambda: A[Tensor([0.0])], DtypeError, ["float32", "astype(int)"]),
    "float number as index": (lambda: A[1.5], IndexError, ["integers"]),
    "float tensor as Python index": (lambda: [1, 2][Tensor(0.0)], DtypeError, ["float32"]),
    "clamp to nothing": (lambda: A.clamp(), ValueError, ["min", "max"]),
    "beta of 0": (lambda: A.softplus(0), ValueError, ["beta", "0"]),
    "bounds crossed": (lambda: A.hardtanh(1, -1), ValueError, ["min_val <= max_val", "1", "-1"]),
    "step of 0": (lambda: arange(0, 3, 0), ValueError, ["step", "0"]),
    "float shape": (lambda: A.reshape(2.0, 3), TypeError, ["float"]),
    "shape of zeros": (lambda: zeros(2.5), TypeError, ["float"]),
    "softmax of ints": (lambda: INTS.softmax(), DtypeError, ["int64", "astype(float)"]),
    "log_softmax of ints": (lambda: INTS.log_softmax(), DtypeError, ["int64"]),
    "logsumexp of ints": (lambda: INTS.logsumexp(), DtypeError, ["int64"]),
    "ints that need a gradient": (
        lambda: Tensor([1, 2], dtype=int, requires_grad=True),
        DtypeError,
        ["int64", "floating-point", "astype(float)"],
    ),
    "bools that need a gradient": (
        lambda: Tensor([True]).requires_grad_(),
        DtypeError,
        ["bool", "floating-point"],
    ),
    "range that needs a gradient": (lambda: arange(3, requires_grad=True), DtypeError, ["int64"]),
    "int to a negative power": (lambda: INTS**-1, ValueError, ["negative", "power"]),
    "float data for ints": (
        lambda: assign(INTS, "data", np.array([0.5, 0.5])),
        DtypeError,
        ["float64", "int64"],
    ),
    "ints as default dtype": (lambda: set_default_dtype(int), DtypeError, ["int64", "floating"]),
    "pickle of a result": (lambda: copy.copy(leaf(2) * 2), TypeError, ["graph", "detach()"]),
}

LABELS = {
    "too large": (
        lambda: scores().cross_entropy([0, 7, 1]),
        LabelError,
        ["label 7", "row 1", "4 classes", "0 to 3"],
    ),
    "negative": (
        lambda: scores().cross_entropy([0, -1, 1]),
        LabelError,
        ["label -1", "row 1", "0 to 3"],
    ),
    "negative, by nn": (
        lambda: nn.CrossEntropyLoss()(scores(), np.array([0, 1, -1])),
        LabelError,
        ["label -1", "row 2"],
    ),
    "negative, one row": (
        lambda: Tensor([1.0, 2.0]).cross_entropy(-1),
        LabelError,
        ["label -1", "the target"],
    ),
    "negative, in a picture": (
        lambda: Tensor(np.zeros((1, 2, 3))).cross_entropy([[0, -2, 1]]),
        LabelError,
        ["label -2", "(0, 1)"],
    ),
    "negative, of few bits": (
        lambda: scores().cross_entropy(np.array([0, -1, 0], np.int8)),
        LabelError,
        ["label -1"],
    ),
    "huge and unsigned": (
        lambda: scores().cross_entropy(np.array([0, 2**64 - 100, 0], np.uint64)),
        LabelError,
        ["label 18446744073709551516"],
    ),
    "counted from 1": (
        lambda: scores().cross_entropy([1, 4, 2]),
        LabelError,
        ["label 4", "row 1", "labels - 1"],
    ),
    "with options": (
        lambda: scores().cross_entropy([0, 9, 1], weight=[1, 1, 1, 1], label_smoothing=0.1),
        LabelError,
        ["label 9", "row 1"],
    ),
    "floats": (
        lambda: scores().cross_entropy([0.0, 1.0, 2.0]),
        DtypeError,
        ["float", "integer", "astype(int)"],
    ),
    "bools": (
        lambda: scores().cross_entropy([True, False, True]),
        DtypeError,
        ["bool", "integer"],
    ),
    "too many": (
        lambda: scores().cross_entropy([0, 1, 2, 3]),
        ShapeError,
        ["(4,)", "(3, 4)", "3 rows", "4 labels"],
    ),
    "too few": (lambda: scores().cross_entropy([0]), ShapeError, ["(1,)", "3 rows", "1 labels"]),
    "one for many": (lambda: scores().cross_entropy(0), ShapeError, ["()", "(3, 4)"]),
    "a column": (
        lambda: scores().cross_entropy([[0], [1], [2]]),
        ShapeError,
        ["(3, 1)", "(3,)", "squeeze(-1)"],
    ),
    "too many classes": (
        lambda: scores().cross_entropy(np.eye(5)[:3]),
        ShapeError,
        ["(3, 5)", "(3, 4)"],
    ),
    "probabilities above 1": (
        lambda: scores(2, 2).cross_entropy([[0.5, 0.5], [0.5, 0.6]]),
        LabelError,
        ["row 1", "1.1", "sum to 1"],
    ),
    "negative probabilities": (
        lambda: scores(1, 2).cross_entropy([[1.5, -0.5]]),
        LabelError,
        ["row 0", "at least 0"],
    ),
    "no number": (
        lambda: scores(1, 2).cross_entropy([[np.nan, 1.0]]),
        LabelError,
        ["row 0", "nan"],
    ),
    "strings": (lambda: scores(1, 2).cross_entropy(["a"]), TypeError, ["'a'"]),
    "of a single number": (lambda: Tensor(1.0).cross_entropy(0), ShapeError, ["(N, C)"]),
    "of integer scores": (lambda: INTS.cross_entropy(0), DtypeError, ["int64", "floating"]),
    "of no classes": (
        lambda: Tensor(np.zeros((2, 0))).cross_entropy([0, 0]),
        LabelError,
        ["label 0", "0 classes"],
    ),
    "weight of wrong length": (
        lambda: scores().cross_entropy([0, 1, 2], weight=[1.0, 2.0]),
        ShapeError,
        ["4 classes", "(4,)", "(2,)"],
    ),
    "negative weight": (
        lambda: scores().cross_entropy([0, 1, 2], weight=[1, 1, 1, -1]),
        ValueError,
        ["weight", "at least 0"],
    ),
    "reduction": (
        lambda: scores().cross_entropy([0, 1, 2], reduction="avg"),
        ValueError,
        ["'avg'", "'mean'", "'sum'", "'none'"],
    ),
    "label_smoothing": (
        lambda: scores().cross_entropy([0, 1, 2], label_smoothing=1.5),
        ValueError,
        ["label_smoothing", "1.5"],
    ),
    "reduction of the module": (
        lambda: nn.CrossEntropyLoss(reduction="avg"),
        ValueError,
        ["'avg'", "'mean'"],
    ),
    "label_smoothing of the module": (
        lambda: nn.CrossEntropyLoss(label_smoothing=-0.1),
        ValueError,
        ["label_smoothing", "-0.1"],
    ),
}

GRADIENTS = {
    "of many": (lambda: leaf(2).backward(), GradientError, ["(2,)", ".mean()", "gradient="]),
    "of a constant": (
        lambda: Tensor(1.0).backward(),
        GradientError,
        ["needs no gradient", "requires_grad=True", "no_grad()"],
    ),
    "from another shape": (
        lambda: leaf(2).backward(np.ones(3)),
        ShapeError,
        ["gradient=", "(3,)", "(2,)"],
    ),
    "from one number for many": (lambda: leaf(2).backward(1.0), ShapeError, ["()", "(2,)"]),
    "retained by a constant": (lambda: A.retain_grad(), GradientError, ["needs no gradient"]),
    "hook on a constant": (lambda: A.register_hook(print), GradientError, ["no hook"]),
    "hook of another shape": (
        lambda: hooked(np.ones(3)).backward(),
        GradientError,
        ["hook", "(3,)", "(2,)"],
    ),
    "not wanted by a result": (
        lambda: assign(leaf(2) * 2, "requires_grad", False),
        GradientError,
        ["'multiply'", "detach()"],
    ),
    "written into a leaf": (lambda: write(leaf(2), 0, 1.0), GradientError, ["(2,)", "t.data"]),
    "written into a result": (
        lambda: write(leaf(2) * 2, 0, 1.0),
        GradientError,
        ["result of multiply"],
    ),
    "grad of unrelated tensors": (
        lambda: grad(leaf(2).sum(), Tensor(1.0, requires_grad=True, name="w")),
        GradientError,
        ["do not depend", "'w'"],
    ),
    "grad of a constant": (lambda: grad(Tensor(1.0), leaf(2)), GradientError, ["no gradient"]),
    "grad for a constant": (
        lambda: grad(leaf(2).sum(), A),
        GradientError,
        ["(2, 3)", "no gradient"],
    ),
    "grad of many": (
        lambda: grad((x := leaf(2)) * 2, x),
        GradientError,
        ["(2,)", ".mean()", "grad_outputs="],
    ),
    "grad_outputs of another shape": (
        lambda: grad((x := leaf(2)) * 2, x, grad_outputs=Tensor([1.0])),
        ShapeError,
        ["(1,)", "(2,)"],
    ),
    "grad_outputs for too many": (
        lambda: grad([(x := leaf(2)).sum()], x, grad_outputs=[None, None]),
        GradientError,
        ["1 outputs", "got 2"],
    ),
    "gradcheck of float32": (
        lambda: gradcheck(Tensor.exp, Tensor([1.0], requires_grad=True)),
        DtypeError,
        ["float64", "float32", "input 0"],
    ),
    "gradcheck of constants": (lambda: gradcheck(Tensor.exp, A), DtypeError, ["requires_grad"]),
    "gradcheck of an unknown order": (
        lambda: gradcheck(Tensor.exp, leaf(2), order=3),
        ValueError,
        ["order", "3"],
    ),
}

NETWORKS = {
    "class in Sequential": (
        lambda: nn.Sequential(nn.Linear(2, 2), nn.ReLU),
        TypeError,
        ["item 1", "ReLU()"],
    ),
    "function in Sequential": (lambda: nn.Sequential(abs), TypeError, ["item 0", "abs"]),
    "list in Sequential": (lambda: nn.Sequential([nn.ReLU()]), TypeError, ["item 0"]),
    "Linear of nothing": (lambda: nn.Linear(0, 3), ValueError, ["at least one", "0 and 3"]),
    "no forward": (lambda: nn.Module()(A), NotImplementedError, ["Module", "forward"]),
    "no update_one": (
        lambda: updated(nn.optim.Optimizer),
        NotImplementedError,
        ["Optimizer", "update_one"],
    ),
    "an array for a module": (lambda: nn.ReLU()(np.ones(2)), TypeError, ["ReLU", "Tensor(array)"]),
    "an array for a loss": (
        lambda: nn.CrossEntropyLoss()(np.ones((1, 2)), [0]),
        TypeError,
        ["CrossEntropyLoss", "Tensor(array)"],
    ),
    "no parameters": (lambda: nn.optim.SGD([], 0.1), ValueError, ["at least one parameter"]),
    "no parameters in the model": (
        lambda: nn.optim.SGD(nn.ReLU().parameters(), 0.1),
        ValueError,
        ["at least one parameter"],
    ),
    "one parameter": (lambda: nn.optim.SGD(leaf(2), 0.1), TypeError, ["list", "[p]"]),
    "model for parameters": (lambda: nn.optim.SGD(nn.Linear(2, 2), 0.1), TypeError, ["parameters"]),
    "arrays": (lambda: nn.optim.SGD([np.zeros(2)], 0.1), TypeError, ["Tensor", "ndarray"]),
    "constants": (lambda: nn.optim.SGD([A], 0.1), ValueError, ["needs none", "(2, 3)"]),
    "results": (lambda: nn.optim.SGD([leaf(2) * 2], 0.1), ValueError, ["result", "(2,)"]),
    "negative lr": (lambda: nn.optim.SGD([leaf(2)], -0.1), ValueError, ["lr", "-0.1"]),
    "lr that is no number": (lambda: nn.optim.SGD([leaf(2)], np.nan), ValueError, ["lr", "nan"]),
    "negative momentum": (
        lambda: nn.optim.SGD([leaf(2)], 0.1, momentum=-1),
        ValueError,
        ["momentum", "-1"],
    ),
    "negative weight_decay": (
        lambda: nn.optim.SGD([leaf(2)], 0.1, weight_decay=-1),
        ValueError,
        ["weight_decay", "-1"],
    ),
    "nesterov without momentum": (
        lambda: nn.optim.SGD([leaf(2)], 0.1, nesterov=True),
        ValueError,
        ["nesterov", "momentum"],
    ),
    "nesterov with dampening": (
        lambda: nn.optim.SGD([leaf(2)], 0.1, momentum=0.9, dampening=0.1, nesterov=True),
        ValueError,
        ["nesterov", "dampening"],
    ),
    "parameter of ints": (
        lambda: nn.Parameter(np.arange(3)),
        DtypeError,
        ["int64", "floating-point"],
    ),
}


def updated(optimizer):
    x = leaf(2)
    x.sum().backward()
    optimizer([x], 0.1).step()


def cases(**tables):
    return [
        pytest.param(*case, id=f"{table}: {name}")
        for table, rows in tables.items()
        for name, case in rows.items()
    ]


@pytest.mark.parametrize(
    ("mistake", "error", "words"),
    cases(shape=SHAPES, kind=KINDS, labels=LABELS, gradient=GRADIENTS, network=NETWORKS),
)
def test_mistake(mistake, error, words):
    with pytest.raises(error) as caught:
        mistake()
    message = str(caught.value)
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (ShapeError, ValueError),
        (LabelError, ValueError),
        (GradientError, ValueError),
        (DtypeError, TypeError),
        (GradcheckError, AssertionError),
    ],
)
def test_every_error_is_also_a_builtin_one(error, builtin):
    assert issubclass(error, builtin)


def test_a_failed_assignment_changes_nothing():
    t = Tensor([1.0, 2.0])
    for value in (np.zeros(3), np.zeros(2, complex), "abc"):
        with pytest.raises((ValueError, TypeError)):
            t.data = value
    assert t.tolist() == [1, 2]
