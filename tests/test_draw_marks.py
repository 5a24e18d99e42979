"""The drawing: levels, repeated blocks, fused operations in parts, arrows by gradient, marks."""

import re

import numpy as np
import pytest
from drawings import arrows, boxes, frames, headlines
from hypothesis import given
from hypothesis import strategies as st

import nn
from tinygrad_sm import Tensor, cat, draw, manual_seed, to_dot
from tinygrad_sm.viz.marks import FEWEST_ROWS

rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _seed():
    manual_seed(0)


def x_of(*shape):
    return Tensor(rng.normal(size=shape).astype(np.float32), name="x")


def mlp(layers, width=4):
    modules = [m for _ in range(layers) for m in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(*modules[:-1])


class Residual(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(n, n), nn.Linear(n, n)

    def forward(self, x):
        return x + self.fc2(self.fc1(x).relu())


def lines_of(drawing, start):
    """The lines in the box whose first line begins so."""
    (found,) = [lines for lines in boxes(drawing).values() if lines[0].startswith(start)]
    return found


def warnings_of(drawing):
    """What is marked, by the first line of the box."""
    found = {
        lines[0]: [line.removeprefix("⚠ ") for line in lines if line.startswith("⚠")]
        for lines in boxes(drawing).values()
    }
    return {head: marked for head, marked in found.items() if marked}


def styles(drawing):
    """The attributes of each arrow, by the heads of the boxes it joins."""
    heads = {id_: lines[0] for id_, lines in boxes(drawing).items()}
    pattern = r"^\t+(\w+) -> (\w+)(?: \[(.*)\])?$"
    return {
        (heads[a], heads[b]): dict(re.findall(r'(\w+)=("[^"]*"|\S+)', style))
        for a, b, style in re.findall(pattern, drawing.source, re.MULTILINE)
    }


# ---- levels and repeated blocks ----------------------------------------------------------------


def test_the_level_of_modules_draws_a_box_for_each():
    loss = nn.CrossEntropyLoss()(mlp(2)(x_of(3, 4)), Tensor(np.array([0, 1, 2]), name="labels"))
    drawing = draw(loss, level="module")
    assert headlines(drawing) == [
        "input  x", "0: Linear", "1: ReLU", "2: Linear", "input  labels", "CrossEntropyLoss",
    ]  # fmt: skip
    assert frames(drawing) == ["Sequential"]
    assert 'draw(loss, level=\\"op\\", max_nodes=None)' in drawing.source


def test_the_level_of_operations_leaves_modules_open():
    y = nn.Sequential(*(nn.Sequential(nn.Linear(2, 2), nn.Tanh()) for _ in range(3)))(x_of(1, 2))
    assert "linear" in headlines(draw(y, level="op", max_nodes=5))
    assert "0.0: Linear" not in headlines(draw(y, level="op", max_nodes=5))
    assert len(boxes(draw(y, level="op", max_nodes=None))) == 13


def test_innermost_modules_fold_first():
    model = nn.Sequential(
        *(nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2)) for _ in "ab")
    )
    y = model(x_of(1, 2))
    assert headlines(draw(y, max_nodes=7)) == [
        "input  x", "0.0: Linear", "tanh", "0.2: Linear", "1.0: Linear", "tanh", "1.2: Linear",
    ]  # fmt: skip
    assert headlines(draw(y, max_nodes=6)) == ["input  x", "0: Sequential", "1: Sequential"]


def test_a_block_of_fifty_layers_is_drawn_once():
    loss = mlp(50)(x_of(8, 4)).sum()
    loss.backward()
    drawing = draw(loss)
    assert len(boxes(drawing)) == 4 + 1 + 4 + 3 + 1
    assert frames(drawing)[:2] == ["Sequential", "0: Linear"]
    assert re.search(r'label="× 48 blocks, one after the other, drawn once"', drawing.source)
    assert "2 … 96: Linear" in frames(drawing)
    weight = lines_of(drawing, "parameter  2.weight … 96.weight")
    assert weight[1] == "shape (4, 4)"
    assert re.fullmatch(r"value  −\S+ … \S+ in all", weight[2])
    assert re.fullmatch(r"grad up to  \S+ in the first, \S+ in the last", weight[3])
    assert "folded into" in drawing.source


def test_the_range_of_a_repeated_box_is_that_of_all():
    model = nn.Sequential(*(nn.Sequential(nn.Linear(1, 1), nn.Tanh()) for _ in range(6)))
    for i, layer in enumerate(model):
        layer[0].weight.data[:] = i + 1
    y = model(x_of(2, 1))
    y.backward(np.ones((2, 1), np.float32))
    weight = lines_of(draw(y, max_nodes=13), "parameter  1.0.weight … 4.0.weight")
    sizes = [f"{float(abs(model[i][0].weight.grad)[0, 0]):.3g}".replace("-", "−") for i in (1, 4)]
    assert weight[2:4] == [
        "value  2 … 5 in all", f"grad up to  {sizes[0]} in the first, {sizes[1]} in the last",
    ]  # fmt: skip


def test_a_repeated_block_keeps_its_skip_connection():
    model = nn.Sequential(nn.Linear(3, 3), *(Residual(3) for _ in range(12)), nn.Linear(3, 2))
    drawing = draw(model(x_of(2, 3)))
    heads = {id_: lines[0] for id_, lines in boxes(drawing).items()}
    into_add = [heads[a] for a, b in arrows(drawing) if heads[b] == "add"]
    assert into_add == ["linear", "linear"]  # from before the blocks, and from fc2
    assert "1 … 12: Residual" in frames(drawing)
    assert "1.fc1 … 12.fc1: Linear" in frames(drawing)
    assert "× 12 blocks" in drawing.source


def test_weights_that_all_blocks_share_stand_outside_of_them():
    cell, h, sequence = nn.Linear(5, 3), Tensor(np.zeros((1, 3), np.float32)), x_of(1, 30, 2)
    for i in range(30):
        h = cell(cat([sequence[:, i], h], 1)).tanh()
    drawing = draw(h.sum())
    assert "× 28 blocks, one after the other" in drawing.source
    assert headlines(drawing).count("parameter  weight") == 1
    assert len(boxes(drawing)) < 20


def test_blocks_that_do_not_follow_each_other_are_not_said_to():
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    heads = [(x.exp() * Tensor([float(i), 1.0])).sum() for i in range(40)]
    total = heads[0]
    for head in heads[1:]:
        total = total + head
    source = draw(total, max_nodes=20).source
    assert "blocks, drawn once" in source
    assert "one after the other" not in source


def test_different_layers_are_no_repetition():
    layers = [nn.Linear(2, 2) if i % 3 else nn.Tanh() for i in range(7)] + [nn.Sigmoid()] * 2
    assert "×" not in draw(nn.Sequential(*layers)(x_of(1, 2)), level="module").source


@given(
    pattern=st.lists(st.sampled_from("etna"), min_size=2, max_size=5),
    times=st.integers(4, 8),
    skip=st.booleans(),
)
def test_any_pattern_that_repeats_is_drawn_in_few_boxes_without_a_circle(pattern, times, skip):
    y = Tensor([0.1, 0.2], requires_grad=True, name="x")
    ops = {"e": Tensor.sigmoid, "t": Tensor.tanh, "n": lambda y: -y, "a": lambda y: y + y.detach()}
    for _ in range(times):
        before = y
        for op in pattern:
            y = ops[op](y)
        y = y * before if skip else y
    y = y.sum()
    y.backward()
    few = len(pattern) * 2 + 8
    drawing = draw(y, max_nodes=4 * few)
    whole = boxes(draw(y, max_nodes=None))
    assert len(boxes(drawing)) <= min(4 * few + 1, len(whole))
    order = {id_: i for i, id_ in enumerate(boxes(drawing))}
    waiting = set(arrows(drawing))
    done = set()
    while len(done) < len(order):  # one box after the other, each when its inputs are done
        ready = [b for b in order if b not in done and all(a in done for a, t in waiting if t == b)]
        assert ready
        done.update(ready)


# ---- fused operations in parts -----------------------------------------------------------------


def softmax_regression(**options):
    scores = Tensor([[2.0, 1.0, 0.1], [0.5, 2.5, 0.3]], requires_grad=True, name="scores")
    labels = Tensor(np.array([0, 2]), name="labels")
    return scores, nn.CrossEntropyLoss(**options)(scores, labels)


def test_cross_entropy_in_its_parts():
    scores, loss = softmax_regression()
    loss.backward()
    drawing = draw(loss, fused="unfold", shapes=False)
    assert headlines_of_parts(drawing) == [
        "max(axis=1)  largest", "subtract  shifted", "exp  e", "sum(axis=1)  sum", "divide  p",
        "pick  p of the true class", "log", "negative  penalty of each row", "loss  mean",
    ]  # fmt: skip
    (title,) = [f for f in frames_of_parts(drawing) if "in parts" in f]
    assert title == "cross_entropy in parts; the scores' gradient: (p − y) / N"
    source = drawing.source
    parts = parts_of(drawing)
    p = np.exp(scores.data) / np.exp(scores.data).sum(1, keepdims=True)
    expected = (p - np.eye(3)[[0, 2]]) / 2
    np.testing.assert_allclose(scores.grad, expected, rtol=1e-6)
    assert parts["subtract  shifted"][-3:] == lines_of(drawing, "parameter  scores")[-3:]
    assert parts["loss  mean"][1:] == lines_of(draw(loss), "loss  cross_entropy")[1:]
    assert "it cancels out" in source
    joined = styles_of_parts(drawing)
    assert joined["input  labels", "pick  p of the true class"]["label"] == '" true class "'
    assert "penwidth" not in joined["max(axis=1)  largest", "subtract  shifted"]
    assert "penwidth" in joined["parameter  scores", "subtract  shifted"]


def parts_of(drawing):
    pattern = r'^\t+(n\d+(?:_\d+)?) \[label="((?:[^"\\]|\\.)*)"'
    found = re.findall(pattern, drawing.source, re.MULTILINE)
    return {label.split(r"\l")[0]: label.split(r"\l")[:-1] for _, label in found}


def headlines_of_parts(drawing):
    return [head for head in parts_of(drawing) if not head.startswith(("parameter", "input"))]


def frames_of_parts(drawing):
    return re.findall(r'subgraph cluster_pn\d+ \{\n.*? label="((?:[^"\\]|\\.)*)"', drawing.source)


def styles_of_parts(drawing):
    pattern = r'^\t+(n\w+) \[label="((?:[^"\\]|\\.)*)"'
    heads = {
        id_: label.split(r"\l")[0]
        for id_, label in re.findall(pattern, drawing.source, re.MULTILINE)
    }
    arrows = re.findall(r"^\t+(n\w+) -> (n\w+)(?: \[(.*)\])?$", drawing.source, re.MULTILINE)
    return {
        (heads[a], heads[b]): dict(re.findall(r'(\w+)=("[^"]*"|\S+)', style))
        for a, b, style in arrows
    }


def test_the_parts_before_backward_have_no_gradient():
    _, loss = softmax_regression()
    source = draw(loss, fused="unfold").source
    assert source.count("no gradient yet: call backward()") == 1
    assert "penwidth" not in source.split("->", 1)[1]
    assert "grad  " not in source


def test_a_probability_too_small_for_a_float_is_drawn_as_its_logarithm():
    scores = Tensor([[300.0, 0.0]], requires_grad=True, name="scores")
    loss = nn.CrossEntropyLoss()(scores, Tensor(np.array([1])))
    loss.backward()
    drawing = draw(loss, fused="unfold")
    assert warnings_of(drawing) == {}
    assert "pick  ln p of the true class" in headlines_of_parts(drawing)
    assert "divide  p" not in headlines_of_parts(drawing)


@pytest.mark.parametrize(
    ("options", "last"),
    [
        ({"reduction": "sum"}, "loss  sum"),
        ({"reduction": "none"}, "negative  penalty of each row"),
        ({"label_smoothing": 0.1}, "loss  mean"),
        ({"weight": [1.0, 2.0, 3.0]}, "loss  _ ÷ 4"),
    ],
)
def test_every_cross_entropy_has_parts(options, last):
    _, loss = softmax_regression(**options)
    loss.backward(np.ones(loss.shape, np.float32))
    drawing = draw(loss, fused="unfold")
    assert headlines_of_parts(drawing)[-1] == last
    grad = lines_of(drawing, "parameter  scores")[-2:]
    assert parts_of(drawing)["subtract  shifted"][-2:] == grad


def test_the_other_fused_operations_have_parts_and_others_have_none():
    x = Tensor([[1.0, 2.0], [3.0, 1.0]], requires_grad=True, name="x")
    for y, heads in [
        (x.softmax(), ["divide  p"]),
        (x.log_softmax(), ["subtract  ln p"]),
        (nn.MSELoss()(x, Tensor([[1.0, 1.0], [1.0, 1.0]])), ["multiply  square", "loss  mean"]),
        (x.tanh(), ["tanh"]),
    ]:
        assert headlines_of_parts(draw(y, fused="unfold"))[-len(heads) :] == heads
    empty = Tensor(np.zeros((0, 3)), requires_grad=True).softmax()
    assert headlines_of_parts(draw(empty, fused="unfold")) == ["softmax(axis=-1)"]


def test_drawing_the_parts_changes_nothing():
    scores, loss = softmax_regression()
    loss.backward()
    before = scores.grad.copy(), draw(loss).source
    draw(loss, fused="unfold")
    assert np.array_equal(scores.grad, before[0])
    assert draw(loss).source == before[1]


# ---- arrows ------------------------------------------------------------------------------------


def test_an_arrow_is_as_thick_as_its_gradient_is_large():
    a, b = (Tensor(v, requires_grad=True, name=n) for v, n in ((1.0, "a"), (2.0, "b")))
    loss = a * 1e-3 + b
    assert "penwidth" not in draw(loss).source.split("->", 1)[1]
    loss.backward()
    drawing = draw(loss)
    drawn = styles(drawing)
    thin = drawn["parameter  a", "_ × 0.001"]
    thick = drawn["parameter  b", "loss  add"]
    assert thick["penwidth"] == "3.60"
    assert thin["penwidth"] == f"{3.6 - 3 * 0.6:.2f}"  # three powers of ten less
    assert thin["tooltip"] == '"gradient flowing back: at most 0.001"'
    assert "line width: the largest gradient flowing back, 0.001 to 1" in drawing.source
    assert "penwidth" not in draw(loss, grads=False).source.split("->", 1)[1]


def test_an_arrow_has_the_gradient_of_its_own_path():
    x = Tensor(3.0, requires_grad=True, name="x")
    loss = x.exp().log() + x * 1e-4
    loss.backward()
    drawn = styles(draw(loss))
    assert (
        drawn["parameter  x", "_ × 0.0001"]["tooltip"] == '"gradient flowing back: at most 0.0001"'
    )
    assert drawn["parameter  x", "exp"]["tooltip"] == '"gradient flowing back: at most 1"'


def test_gradients_of_zero_and_none_and_nan_are_told_apart():
    x = Tensor([0.0, 0.0], requires_grad=True, name="x")
    data = Tensor([1.0, 2.0], name="data")
    loss = (x * 0.0 + x * data + x.sqrt() * 0.0).sum()
    with np.errstate(all="ignore"):
        loss.backward()
    drawing = draw(loss)
    drawn = styles(drawing)
    assert drawn["parameter  x", "_ × 0"]["style"] == "dashed"
    assert "penwidth" not in drawn["input  data", "multiply"]
    assert drawn["parameter  x", "sqrt"]["color"] == '"#C62828"'
    for text in ("dashed: a gradient of exactly 0", "pale: no gradient", "red: a gradient that is"):
        assert text in drawing.source


# ---- marks -------------------------------------------------------------------------------------


def test_nan_is_marked_where_it_began():
    x = Tensor([[1.0, -2.0], [3.0, 4.0]], requires_grad=True, name="x")
    with np.errstate(invalid="ignore"):
        loss = (x.log() * 2.0).sum()
    assert warnings_of(draw(loss)) == {
        "log": ["1 NaN of 4: began here"],
        "_ × 2": ["NaN, from its inputs"],
        "loss  sum": ["NaN, from its inputs"],
    }
    assert draw(loss).source.count('color="#C62828"') == 3


def test_infinity_is_marked_where_it_began_and_not_where_it_was_put_in():
    x = Tensor([1.0, 1000.0], requires_grad=True, name="x")
    with np.errstate(over="ignore", invalid="ignore"):
        y = x.exp()
        assert warnings_of(draw(y + 1.0)) == {"exp": ["1 infinite of 2: began here"]}
        marked = warnings_of(draw(y - y))
    assert marked["subtract"] == ["1 NaN of 2: NaN began here, of infinite inputs"]
    masked = Tensor([[1.0, 2.0]], requires_grad=True).masked_fill([[True, False]], -np.inf)
    assert warnings_of(draw(masked.softmax().sum())) == {}


def test_nan_in_a_folded_box_is_told_there():
    x = Tensor([1.0, -2.0], requires_grad=True, name="x")
    with np.errstate(invalid="ignore"):
        y = x.log()
    for _ in range(100):
        y = y + 1.0
    assert warnings_of(draw(y))["log"] == ["1 NaN of 2: began here"]
    older = draw(y, max_nodes=1)
    assert ["log: 1 NaN of 2: began here"] in warnings_of(older).values()


def test_a_gradient_that_is_not_finite_is_marked_first_in_the_backward_pass():
    x = Tensor([0.0, 4.0], requires_grad=True, name="x")
    y = x * 1.0
    loss = y.sqrt().sum()
    with np.errstate(divide="ignore"):
        loss.backward()
    assert warnings_of(draw(loss)) == {
        "_ × 1": ["gradient 1 infinite of 2: first here, going back"]
    }
    assert warnings_of(draw(loss, grads=False)) == {}


def relu_of(array):
    x = Tensor(np.asarray(array, dtype=np.float32), requires_grad=True, name="x")
    return warnings_of(draw(x.relu()))


def test_dead_units():
    rows = np.abs(rng.normal(size=(32, 64))) + 0.1
    rows[:, :7] *= -1
    assert relu_of(rows) == {"relu": ["7 of 64 units dead for the whole batch of 32"]}
    rows[3, :7] *= -1  # alive in a single row
    assert relu_of(rows) == {}
    images = np.ones((FEWEST_ROWS, 3, 2, 2))
    images[:, 1] = -1
    batch = f"for the whole batch of {FEWEST_ROWS}"
    assert relu_of(images) == {"relu": [f"1 of 3 channels dead {batch}"]}
    images[0, 1, 0, 0] = 1
    assert relu_of(images) == {}


def test_few_rows_are_no_reason_to_call_a_unit_dead():
    rows = np.ones((FEWEST_ROWS - 1, 4))
    rows[:, 0] = -1
    assert relu_of(rows) == {}
    assert relu_of([[-1.0, -1.0]]) == {}
    assert relu_of([-1.0, -1.0]) == {}
    assert relu_of(-rows[:, 1:]) == {"relu": ["3 of 3 units dead for the whole batch of 7"]}
    assert relu_of(np.zeros((9, 0))) == {}


def test_vanished_gradients():
    a, b, c = (Tensor([[1.0]], requires_grad=True, name=n) for n in "abc")
    bias = Tensor([1.0], requires_grad=True, name="bias")
    loss = (a * 1e-8 + b * 0.0 + c + bias * 1e-8).sum()
    assert warnings_of(draw(loss)) == {}
    loss.backward()
    assert warnings_of(draw(loss)) == {
        "parameter  a": ["gradient vanished: 1e−08 of the largest"],
        "parameter  b": ["gradient exactly 0: none flows back here"],
    }


def test_gradients_that_are_all_small_have_not_vanished():
    a, b = (Tensor([[1.0]], requires_grad=True, name=n) for n in "ab")
    loss = ((a + b * 1e-5) * 1e-12).sum()
    loss.backward()
    assert warnings_of(draw(loss)) == {}


def test_a_healthy_network_has_no_marks():
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))
    loss = nn.CrossEntropyLoss()(model(x_of(64, 8)), rng.integers(0, 3, 64))
    loss.backward()
    for options in ({}, {"level": "module"}, {"fused": "unfold"}):
        assert warnings_of(draw(loss, **options)) == {}


# ---- to_dot ------------------------------------------------------------------------------------


def test_to_dot_is_the_text_of_the_drawing():
    _, loss = softmax_regression()
    loss.backward()
    options = {"fused": "unfold", "title": "t", "level": "op"}
    assert to_dot(loss, **options) == draw(loss, **options).source
    with pytest.raises(TypeError):
        to_dot(loss, nonsense=1)
