"""The backprop page: its steps as data, the numbers beside NumPy's, and the page in a browser."""

import base64
import html
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from browser import Browser
from cases import CASES, DIFFERENTIABLE, tensors
from hypothesis import given, settings
from hypothesis import strategies as st

import nn
from tinygrad_sm import Function, Graph, Tensor, explain, manual_seed, no_grad
from tinygrad_sm.errors import GradientError
from tinygrad_sm.viz import RenderError
from tinygrad_sm.viz.layout import layout
from tinygrad_sm.viz.numbers import describe
from tinygrad_sm.viz.render import Drawing
from tinygrad_sm.viz.steps import Story

NASTY = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"quoted\" and 'so'",
    "back\\slash \\n \\u003c",
    "two\nlines\u2028\u2029",
    "🙂 emoji {{data}}",
    "&lt; &amp; {{style}}",
    "x" * 10_000,
]


class Page(HTMLParser):
    """What a page says, read as a browser reads it."""

    def __init__(self, path):
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags = []
        self.text = ""
        self.feed(self.source)
        self.data = json.loads(self.text, parse_constant=pytest.fail)
        self.steps, self.arrays = self.data["steps"], self.data["arrays"]
        self.boxes = self.data["graph"]["boxes"]

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, text):
        if self.tags and self.tags[-1] == ("script", {"id": "data", "type": "application/json"}):
            self.text += text

    def step(self, title):
        (found,) = (s for s in self.steps if s["title"] == title)
        return found

    def rows(self, step):
        """Each row of a step as signs and arrays of numbers."""
        return [
            [item.get("sign") or self.numbers(item) for item in block["row"]]
            for block in step["blocks"]
            if "row" in block
        ]

    def numbers(self, item):
        record = self.arrays[item["array"]]
        words = " ".join(record["numbers"]).replace("−", "-").replace("∞", "inf").split()
        return np.array(words, float).reshape(record["shape"])

    def say(self, step):
        return " ".join(block.get("say") or block.get("note") or "" for block in step["blocks"])


@pytest.fixture
def page(tmp_path):
    def write(loss, **options):
        return Page(explain(loss, tmp_path / "page.html", **options))

    return write


def leaf(value, name, **options):
    return Tensor(value, requires_grad=True, name=name, **options)


def neuron():
    x1, x2 = Tensor(2.0, name="x1"), Tensor(0.5, name="x2")
    w1, w2, b = leaf(-3.0, "w1"), leaf(1.0, "w2"), leaf(6.88, "b")
    return ((w1 * x1 + w2 * x2 + b).tanh() - 0.2) ** 2


def classifier(rows=4, features=3, classes=3):
    model = nn.Linear(features, classes)
    x = Tensor(np.linspace(-1, 1, rows * features, dtype="f4").reshape(rows, -1), name="x")
    labels = np.arange(rows) % classes
    return model, x, labels, nn.CrossEntropyLoss()(model(x), Tensor(labels, name="labels"))


def close(actual, expected):
    """To the digits that are shown."""
    np.testing.assert_allclose(actual, expected, rtol=6e-4, atol=1e-7)


# ---- the steps ---------------------------------------------------------------------------------


def test_the_steps_go_forward_and_then_back_and_then_update(page):
    steps = page(neuron(), lr=0.1).steps
    assert [(s["phase"], s["title"]) for s in steps] == [
        ("start", "What is given"),
        *(("forward", f"Compute v{i}") for i in range(1, 7)),
        ("forward", "Compute loss"),
        ("backward", "Start at loss"),
        ("backward", "From loss back to v6"),
        ("backward", "From v6 back to v5"),
        ("backward", "From v5 back to v4"),
        ("backward", "From v4 back to v3"),
        ("backward", "From v4 back to b"),
        ("backward", "From v3 back to v1"),
        ("backward", "From v3 back to v2"),
        ("backward", "From v2 back to w2"),
        ("backward", "From v1 back to w1"),
        ("result", "All gradients"),
        ("update", "Update w1"),
        ("update", "Update w2"),
        ("update", "Update b"),
    ]
    assert [s["formula"] for s in steps if s["phase"] == "forward"] == [
        "v1 = w1 × x1", "v2 = w2 × x2", "v3 = v1 + v2", "v4 = v3 + b", "v5 = tanh(v4)",
        "v6 = v5 − 0.2", "loss = v6²",
    ]  # fmt: skip


def test_the_numbers_of_a_scalar_expression(page):
    shown = page(neuron(), lr=0.1)
    o = np.tanh(-3 * 2 + 1 * 0.5 + 6.88)
    (row,) = shown.rows(shown.step("Compute v4"))
    assert row[1:4:2] == ["+", "="]
    close(row[::2], [-5.5, 6.88, 1.38])
    (row,) = shown.rows(shown.step("From loss back to v6"))
    close(row[::2], [1, 2 * (o - 0.2), 2 * (o - 0.2)])
    step = shown.step("From v5 back to v4")
    assert step["formula"] == "gradient for v4 = g · (1 − v5 · v5)"
    (row,) = shown.rows(step)
    g = 2 * (o - 0.2)
    close(row[::2], [g, 1 - o**2, g * (1 - o**2)])
    (row,) = shown.rows(shown.step("From v1 back to w1"))
    w1 = g * (1 - o**2) * 2
    close(row[::2], [g * (1 - o**2), 2, w1])
    (row,) = shown.rows(shown.step("Update w1"))
    close(row[::2], [-3, 0.1, w1, -3 - 0.1 * w1])


def test_a_broadcast_input_gets_the_sum_over_the_axes_it_was_stretched_along(page):
    x = np.arange(6.0).reshape(2, 3)
    scale, b = leaf(np.full((2, 1), 3.0), "scale"), leaf(np.ones(3), "b")
    loss = ((Tensor(x, name="x") * scale + b) ** 2).mean()
    loss.backward()
    shown = page(loss)
    y = x * 3 + 1
    for name, parameter, axis, where in (("b", b, 0, "axis 0"), ("scale", scale, 1, "axis 1")):
        (step,) = (s for s in shown.steps if s["title"].endswith(f"back to {name}"))
        product, total = shown.rows(step)
        g = 2 * y / 6
        close(product[0], g)
        close(product[2], np.ones_like(x) if name == "b" else x)
        close(product[4], g if name == "b" else g * x)
        close(total[1], product[4])
        close(total[3], product[4].sum(axis).reshape(parameter.shape))
        close(total[3], parameter.grad)
        assert f"the sum over them, along {where}." in shown.say(step)
    (step,) = (s for s in shown.steps if s.get("formula") == "v2 = v1 + b")
    assert "b is stretched (broadcast)" in shown.say(step)
    assert "along axis 0" in shown.say(step)


def test_where_paths_meet_the_contributions_are_added(page):
    x = leaf(3.0, "x")
    shown = page(x * x + x)
    first, *twice = (s for s in shown.steps if s.get("target") == Graph(x * x).nodes[0].id)
    assert [s["title"] for s in (first, *twice)] == [
        "From loss back to x",
        "From v1 back to x, input 1",
        "From v1 back to x, input 2",
    ]
    sums = [shown.rows(step)[-1] for step in twice]
    assert [row[::2] for row in sums] == [[1, 3, 4], [4, 3, 7]]
    assert all(row[1::2] == ["+", "="] for row in sums)


def test_softmax_regression_unfolds_into_its_parts(page):
    model, x, labels, loss = classifier()
    loss.backward()
    shown = page(loss, lr=0.5)
    z = x.numpy() @ model.weight.numpy().T + model.bias.numpy()
    (row,) = shown.rows(shown.step("Compute v1"))
    close(row[2], model.weight.numpy().T)
    close(row[-1], z)

    parts = [s for s in shown.steps if s["title"] == "Compute loss"]
    assert [s["part"] for s in parts] == [f"part {i} of 7" for i in range(1, 8)]
    assert [bool(s["values"]) for s in parts] == [False] * 6 + [True]
    m = z.max(1, keepdims=True)
    e = np.exp(z - m)
    p = e / e.sum(1, keepdims=True)
    picked = p[np.arange(4), labels]
    expected = [z - m, e, e.sum(1, keepdims=True), p, picked, -np.log(picked), loss.item()]
    for step, result in zip(parts, expected, strict=True):
        close(shown.rows(step)[0][-1], result)

    onehot = np.eye(3)[labels]
    head, mean = shown.rows(shown.step("From loss back to v1"))
    for number, result in zip(head[::2], (p, onehot, p - onehot), strict=True):
        close(number, result)
    for number, result in zip(mean[::2], (p - onehot, 4, (p - onehot) / 4), strict=True):
        close(number, result)

    g = (p - onehot) / 4
    (row,) = shown.rows(shown.step("From v1 back to weight"))
    assert row[1] == "@"
    for number, result in zip(row[::2], (g.T, x.numpy(), g.T @ x.numpy()), strict=True):
        close(number, result)
    close(row[-1], model.weight.grad)
    (row,) = shown.rows(shown.step("From v1 back to bias"))
    close(row[-1], g.sum(0))
    (row,) = shown.rows(shown.step("Update weight"))
    close(row[-1], model.weight.numpy() - 0.5 * model.weight.grad)


def test_of_a_single_row_the_probabilities_minus_one_hot_are_the_gradient(page):
    scores = leaf([[1.0, 3.0, -2.0]], "scores")
    label = Tensor(np.array([1]), name="label")
    p = scores.softmax().numpy()
    for options, g in (({}, 1), ({"reduction": "sum"}, 1), ({}, 2)):
        shown = page(scores.cross_entropy(label, **options) * g)
        step = next(s for s in shown.steps if s["title"].endswith("back to scores"))
        assert step["formula"] == "gradient for scores = g · (p − onehot)"
        first, *more = shown.rows(step)
        close(first[-1], p - [[0, 1, 0]])
        assert len(more) == (g != 1)
        *_, last = (block["row"] for block in step["blocks"] if "row" in block)
        assert last[-1]["label"] == "gradient for scores"
        close(shown.rows(step)[-1][-1], g * (p - [[0, 1, 0]]))


def test_a_box_shows_few_numbers_and_of_more_the_shape(page):
    x = Tensor([[0.5, -1.0, 1e-9]], name="x")
    w = leaf([[1.0, 2.0], [3.0, 4.0], [0.0, 1.0]], "w")
    four, empty = leaf(np.ones(4), "four"), leaf(np.zeros(0), "empty")
    shown = page((x @ w).sum() + four.sum() + empty.sum())
    boxes = {box["head"]: (box["value"], box["grad"]) for box in shown.boxes.values()}
    assert boxes["x"] == ("[0.5, −1, 1e−09]", None)
    assert boxes["w"] == ("3 × 2", "3 × 2")
    assert boxes["v1 = x @ w"] == ("[−2.5, −3]", "[1, 1]")
    assert boxes["four"] == ("4", "4")
    assert boxes["empty"] == ("0", "0")


def test_the_gradients_are_bit_for_bit_those_that_backward_leaves():
    model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 4))
    x = leaf(np.random.default_rng(0).normal(size=(6, 5)).astype("f4"), "x")
    hidden = model(x)
    scale = leaf(np.float32(0.5), "scale")
    loss = nn.CrossEntropyLoss()(hidden * scale + hidden.relu(), np.arange(6) % 4)
    loss.backward()
    found = {}
    graph = Graph(loss)
    nodes = {node.id: node for node in graph.nodes}
    turns = graph.backward_turns()
    for turn in turns:
        assert np.array_equal(turn.upstream, nodes[turn.id].gradient)
        for c in turn.contributions:
            found[nodes[turn.id].inputs[c.place]] = c.total
            if c.local is not None:
                np.testing.assert_allclose(c.product, turn.upstream * c.local, rtol=1e-5)
    leaves = [node for node in graph.nodes if node.op is None and node.gradient is not None]
    assert len(leaves) == 6
    assert all(np.array_equal(found[node.id], node.gradient) for node in leaves)
    order = [nodes[turn.id].place for turn in turns]
    assert order == sorted(order)


def test_backward_need_not_have_been_called_and_nothing_is_changed(page):
    x = leaf(3.0, "x")
    loss = x * 2
    shown = page(loss)
    assert x.grad is None
    assert shown.rows(shown.step("All gradients"))[0] == [3, 2]
    loss.backward()
    loss.backward()
    assert x.grad == 4
    shown = page(loss)
    assert "x.grad holds other numbers" in shown.say(shown.step("From loss back to x"))
    assert shown.rows(shown.step("All gradients"))[0] == [3, 2]
    assert x.grad == 4


def test_a_gradient_that_backward_was_given(page):
    x = leaf([1.0, 2.0], "x")
    y = x * 3
    with pytest.raises(GradientError, match="single number"):
        page(y)
    y.backward([10.0, 20.0])
    shown = page(y)
    assert "that backward() was given" in shown.say(shown.step("Start at v1"))
    assert shown.rows(shown.step("From v1 back to x"))[0][-1].tolist() == [30, 60]


def test_a_value_changed_since_is_an_error_not_a_wrong_number(page):
    w = leaf(2.0, "w")
    loss = w * w
    loss.backward()
    w.data -= 0.1
    with pytest.raises(GradientError, match="changed after"):
        page(loss)


def test_without_a_gradient_there_is_the_forward_pass(page):
    with no_grad():
        y = leaf(2.0, "w") * 3
    assert {s["phase"] for s in page(y).steps} == {"start"}  # nothing was recorded
    y = Tensor(2.0, name="a") * Tensor(3.0, name="b")
    assert [s["phase"] for s in page(y, lr=1).steps][-1] != "update"


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@settings(max_examples=4)
@given(data=st.data())
def test_every_operation_has_steps_whose_numbers_are_those_of_backward(name, data):
    inputs, attributes = data.draw(CASES[name].inputs)
    leaves = tensors(inputs)
    y = CASES[name].call(*leaves, **attributes)
    y.backward(np.full(y.shape, 0.5))
    graph = Graph(y)
    for turn in graph.backward_turns():
        for c in turn.contributions:
            if c.local is not None:
                np.testing.assert_allclose(c.product, turn.upstream * c.local, rtol=1e-12)
    story = Story(graph)
    nodes = {node.id: node for node in graph.nodes}
    for id_, gradient in story.gradients.items():
        assert np.array_equal(gradient, nodes[id_].gradient, equal_nan=True)
    assert len(story.gradients) == sum(node.gradient is not None for node in graph.nodes)
    for step in story.steps:
        assert step["phase"] != "backward" or not re.search(CODE, step.get("formula", ""))
    if name in ("softmax", "log_softmax", "cross_entropy", "mse_loss"):
        assert "part" in next(step for step in story.steps if step["phase"] == "forward")


def test_the_rules_of_powers_and_products_have_their_names_and_numbers(page):
    a, b = leaf(np.ones((2, 3)), "a1"), leaf(np.ones((3, 2)), "b1")
    y = (a @ b) ** 2 + leaf(np.ones((2, 2, 4)), "c") @ leaf(np.ones(4), "d")
    steps = {s["title"]: s for s in page((y**3 + y**1.5).sum()).steps}
    rules = {title: s.get("formula", "").partition(" = ")[2] for title, s in steps.items()}
    assert rules["From v2 back to v1"] == "g · 2 · v1"
    assert rules["From v1 back to a1"] == "g @ b1ᵀ"
    assert rules["From v1 back to b1"] == "a1ᵀ @ g"
    assert rules["From v5 back to v4"] == "g · 3 · v4²"
    assert rules["From v6 back to v4"] == "b aᵇ⁻¹ g"
    assert rules["From v3 back to c"] == "g @ bᵀ"
    assert "stretched" in steps["From v3 back to c"]["blocks"][0]["note"]


def test_a_users_operation_is_not_taken_for_the_packages_own_of_that_name(page):
    relu = Function("cross_entropy", lambda x: x * (x > 0), lambda g, y, x: g * (x > 0))
    shown = page(relu(leaf(-2.0, "x")))
    assert shown.step("Compute loss")["formula"] == "loss = cross_entropy(x)"
    assert shown.step("From loss back to x")["formula"] == "gradient for x = g · (x > 0)"


CODE = r"_spread|\b_\w|shape=|np\.|lambda"
cubed = Function("cubed", lambda x: x**3, lambda g, y, x: g * 3 * x * x)


def test_operations_of_many_kinds(page):
    x = leaf(np.linspace(0.1, 0.9, 6).reshape(2, 3), "x")
    y = (x @ x.T).reshape(4)[1:].exp().log() + x.sum(axis=1).max() - x.mean()
    y = y.abs().maximum(0.5).sqrt() + cubed(x)[0].softmax()
    shown = page((y.sigmoid() * y.cumsum(0)).sum())
    assert len([s for s in shown.steps if s["phase"] == "backward"]) > 20
    assert all(s["formula"] for s in shown.steps if s["phase"] == "forward")


# ---- arrays ------------------------------------------------------------------------------------


def test_a_large_array_is_summarised(page):
    w = np.random.default_rng(0).normal(size=(100, 130))
    w[0, 0], w[7, 5] = np.nan, np.inf
    shown = page((leaf(w, "w") * 1.0).sum())
    (record,) = (a for a in shown.arrays if a["shape"] == [100, 130] and a.get("broken"))
    finite = w[np.isfinite(w)]
    assert record["broken"] == 2
    assert sum(record["bins"]) == finite.size
    close(float(record["min"].replace("−", "-")), finite.min())
    close(float(record["max"]), finite.max())
    assert record["corner"][0].split()[0] == "NaN"
    heat = record["heat"]
    assert heat["block"] == [2, 3]
    cells = np.frombuffer(base64.b64decode(heat["cells"]), np.uint8)
    cells = cells.reshape(heat["rows"], heat["columns"])
    assert cells.shape == (50, 44)
    assert np.argwhere(cells == 0).tolist() == [[0, 0], [3, 1]]
    block = w[10:12, 9:12].mean() / float(heat["largest"])
    assert abs((cells[5, 3] - 128.0) / 127 - block) < 0.01


@pytest.mark.parametrize(
    ("shape", "grid", "shown"),
    [((6, 3, 5, 4), (6, 3), 18), ((7, 1, 5, 4), (1, 7), 7), ((40, 2, 8, 8), (8, 2), 16)],
)
def test_images_and_filters_are_painted_as_tiles(shape, grid, shown):
    images = np.random.default_rng(0).normal(size=shape)
    heat = describe(images)["heat"]
    down, across = grid
    assert heat["tile"] == list(shape[2:])
    assert heat["tiles"] == [shown, shape[0] * shape[1]]
    cells = np.frombuffer(base64.b64decode(heat["cells"]), np.uint8)
    cells = cells.reshape(heat["rows"], heat["columns"])
    assert cells.shape == (down * shape[2], across * shape[3])
    tiles = [tile for band in np.split(cells, down) for tile in np.split(band, across, axis=1)]
    images = images.reshape(-1, *shape[2:])[:shown]
    close(float(heat["largest"]), np.abs(images).max().round(2))
    for tile, image in zip(tiles, images, strict=True):
        assert np.abs((tile - 128.0) / 127 - image / np.abs(images).max()).max() < 0.005


def test_numbers_that_are_not_finite_survive(page):
    x = leaf([0.0, -1.0, 1e38], "x", dtype=np.float32)
    with np.errstate(all="ignore"):
        y = (x * 10).log()
        y.backward([1.0, 1.0, 1.0])
    shown = page(y)
    text = {n for a in shown.arrays for n in a["numbers"]}
    assert {"−∞ NaN ∞", "∞ −0.1 0", "0 −10 ∞"} <= text


@pytest.mark.parametrize("array", [np.zeros((0, 3)), np.zeros(0), np.array([True, False])])
def test_arrays_without_much_in_them(page, array):
    x = leaf(np.ones(array.shape), "x")
    page((x * Tensor(array, name="a")).sum())


# ---- names, sizes, files -----------------------------------------------------------------------


def test_names_are_text_whatever_is_in_them(page):
    leaves = [leaf(float(i), name) for i, name in enumerate(NASTY)]
    loss = sum(leaves, Tensor(0.0, name="start"))
    shown = page(loss, title=NASTY[0] + NASTY[5])
    scripts = [attributes for tag, attributes in shown.tags if tag == "script"]
    assert scripts == [{"id": "data", "type": "application/json"}, {}]
    assert "img" not in dict(shown.tags)
    assert shown.source.count("</script") == 2
    assert not set("<>&\u2028\u2029") & set(shown.text)
    assert shown.data["title"] == NASTY[0] + NASTY[5]
    assert html.escape(shown.data["title"]) in shown.source
    heads = [box["head"] for box in shown.boxes.values()]
    for name in NASTY:
        beginning = name[:20].replace("\n", "↵").replace("\u2028", "·").replace("\u2029", "·")
        assert any(head.startswith(beginning) for head in heads)
    assert len(shown.source) < 150_000


def test_intermediate_results_are_not_called_like_a_leaf(page):
    shown = page(leaf(2.0, "v1") * 3 + leaf(1.0, "loss"))
    assert shown.step("Compute u1")
    assert shown.step("Compute the loss")["formula"] == "the loss = u1 + loss"


def test_a_model_is_not_a_loss(tmp_path):
    with pytest.raises(TypeError, match="model"):
        explain(nn.Linear(2, 2), tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_the_same_graph_gives_the_same_bytes_and_no_other_file(tmp_path):
    sources = []
    for name in ("a.html", "b.html"):
        manual_seed(1)
        path = explain(classifier()[-1] * 0 + neuron(), str(tmp_path / name), lr=0.1)
        sources.append(path.read_bytes())
    assert sources[0] == sources[1]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.html", "b.html"]


def test_a_network_on_digits_takes_little_room(tmp_path):
    train, _ = nn.datasets.digits()
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    loss = nn.CrossEntropyLoss()(model(Tensor(train.x[:32])), train.y[:32])
    assert explain(loss, tmp_path / "page.html", lr=0.1).stat().st_size < 200_000


# ---- large graphs ------------------------------------------------------------------------------


def deep_network(layers=50, width=6):
    model = nn.Sequential(*(m for _ in range(layers) for m in (nn.Linear(width, width), nn.Tanh())))
    x = Tensor(np.random.default_rng(0).normal(size=(3, width)).astype("f4"), name="x")
    return model, x, (model(x) ** 2).mean()


def test_a_deep_network_is_folded_with_numbers_that_are_numpys(page):
    model, x, loss = deep_network()
    loss.backward()
    shown = page(loss, lr=0.1)
    assert len(shown.boxes) <= 121
    assert len(shown.source) < 400_000
    layers = [layer for layer in model if isinstance(layer, nn.Linear)]
    values = [x.numpy()]
    for layer in layers:
        values.append(np.tanh(values[-1] @ layer.weight.numpy().T + layer.bias.numpy()))
    g = 2 * values[-1] / values[-1].size
    forward = {s["where"]: s for s in shown.steps if s["phase"] == "forward" and "where" in s}
    backward = {s["where"]: s for s in shown.steps if s["phase"] == "backward" and "where" in s}
    update = {s["where"]: s for s in shown.steps if s["phase"] == "update"}
    for i in reversed(range(50)):
        where = f"Sequential › {2 * i}: Linear"
        w, b, x = layers[i].weight, layers[i].bias, values[i]
        goes_in, held, comes_out = shown.rows(forward[where])
        assert "1 operation, 2 parameters" in shown.say(forward[where])
        assert "max_nodes=None" in shown.say(forward[where])
        close(goes_in[0], x)
        close(held[0], w.numpy())
        close(held[1], b.numpy())
        close(comes_out[0], x @ w.numpy().T + b.numpy())
        g = g * (1 - values[i + 1] ** 2)
        arrives, *reaches, gets = shown.rows(backward[where])
        near = {"rtol": 6e-3, "atol": 1e-6 * np.abs(g).max()}
        np.testing.assert_allclose(arrives[0], g, **near)
        np.testing.assert_allclose(gets[0], g.T @ x, **near)
        np.testing.assert_allclose(gets[1], g.sum(0), **near)
        new = shown.rows(update[where])[0][-1]
        close(new, w.numpy() - 0.1 * w.grad)
        g = g @ w.numpy()
        assert len(reaches) == (i > 0)  # the data needs no gradient
        if i:
            np.testing.assert_allclose(reaches[0][0], g, **near)


def test_a_long_chain_is_folded(page):
    y = x = leaf(1.5, "x")
    for _ in range(1000):
        y = y * 1.001
    shown = page(y)
    assert len(shown.source) < 60_000
    heads = [box["head"] for box in shown.boxes.values()]
    assert heads == ["x", "v1 = x × 1.001", "v2 = multiply × 998", "loss = v2 × 1.001"]
    went_in, came_out = shown.rows(shown.step("Compute v2"))
    close([went_in[0], came_out[0]], [1.5 * 1.001, 1.5 * 1.001**999])
    arrived, reached = shown.rows(shown.step("From v2 back to v1"))
    close([arrived[0], reached[0]], [1.001, 1.001**999])
    assert shown.rows(shown.step("All gradients"))[0][0] == 1.5
    assert x.grad is None


def called_again_and_again():
    layer, x = nn.Sequential(nn.Linear(2, 2), nn.Tanh()), leaf(np.ones((1, 2), "f4"), "x")
    states = [x]
    for _ in range(6):
        states.append(layer(states[-1] + x))
    return sum(states).square().mean() + layer[0].bias.sum()


def shared():
    w, x = leaf(np.full((2, 2), 0.5), "w"), leaf(np.ones((3, 2)), "x")
    h = x
    for i in range(12):
        h = (h @ w).tanh() + (h if i % 2 else x)
    return h.sum() + w.sum()


@pytest.mark.parametrize(
    "make", [neuron, called_again_and_again, shared, lambda: deep_network(4)[-1]]
)
@pytest.mark.parametrize("max_nodes", [1, 3, 7, 20, None])
def test_however_it_is_folded_all_is_reached_once(make, max_nodes):
    loss = make()
    loss.backward()
    graph = Graph(loss)
    story = Story(graph, 0.1, max_nodes)
    boxes = [box.node.id for box in story.boxes]
    assert max_nodes is None or len(boxes) <= max_nodes + 1
    for key in ("values", "grads"):
        assert {id_ for step in story.steps for id_ in step.get(key, ())} <= set(boxes)
    assert {id_ for step in story.steps for id_ in step.get("values", ())} == set(boxes)
    known = {id_ for step in story.steps for id_ in step.get("grads", ())}
    assert known >= {id_ for id_ in boxes if id_ in story.gradients}
    forward = [e for s in story.steps if s["phase"] == "forward" for e in s["edges"]]
    assert sorted(forward) == list(range(len(story.edges)))
    nodes = {node.id: node for node in graph.nodes}
    assert all(np.array_equal(g, nodes[id_].gradient) for id_, g in story.gradients.items())
    back = [s["node"] for s in story.steps if s["phase"] == "backward" and s.get("target")]
    assert set(back) == {b.node.id for b in story.boxes if any(n.op for n in b.nodes)} & known


def test_what_a_folded_box_adds_to_other_paths_is_told(page):
    w = leaf(1.1, "w")
    y = leaf(2.0, "x")
    for _ in range(10):
        y = y * w
    shown = page(y + w, max_nodes=8)
    step = shown.step("From v2 back")
    assert "8 times multiply" in shown.say(step)
    heads = [block["head"] for block in step["blocks"] if "head" in block]
    told = dict(zip(heads, shown.rows(step), strict=True))
    assert list(told) == [
        "What arrives", "What reaches its inputs", "With what other paths have brought"
    ]  # fmt: skip
    each = 2 * 1.1**9
    close(told["What arrives"], [1.1])
    close(told["What reaches its inputs"], [1.1**9, 8 * each])
    close(told["With what other paths have brought"], [1 + each + 8 * each])


# ---- layout ------------------------------------------------------------------------------------


def overlaps(a, b, sizes, centres):
    return all(abs(centres[a][i] - centres[b][i]) < (sizes[a][i] + sizes[b][i]) / 2 for i in (0, 1))


@pytest.mark.parametrize("engine", [True, False], ids=["graphviz", "without"])
def test_boxes_do_not_overlap_and_arrows_end_at_them(monkeypatch, engine):
    if not engine:

        def fail(*args, **options):
            raise RenderError

        monkeypatch.setattr(Drawing, "pipe", fail)
    sizes = {f"n{i}": (90.0 + 20 * (i % 4), 46.0 + 16 * (i % 2)) for i in range(9)}
    edges = [("n0", "n1"), ("n0", "n1"), ("n1", "n2"), ("n0", "n6"), ("n3", "n4"), ("n2", "n5")]
    edges += [("n4", "n5"), ("n5", "n6"), ("n7", "n8"), ("n6", "n8"), ("n0", "n8")]
    frames = {"m0": ["n1", "n2", "n3", "n4"], "m1": ["n3", "n4"]}
    found = layout(sizes, edges, frames)
    assert list(found.centres) == list(sizes) or set(found.centres) == set(sizes)
    for a in sizes:
        x, y = found.centres[a]
        assert sizes[a][0] / 2 - 1 <= x <= found.size[0] - sizes[a][0] / 2 + 1
        assert sizes[a][1] / 2 - 1 <= y <= found.size[1] - sizes[a][1] / 2 + 1
        assert not [b for b in sizes if a < b and overlaps(a, b, sizes, found.centres)]
    for (a, b), curve in zip(edges, found.curves, strict=True):
        assert len(curve) % 3 == 1
        assert found.centres[a][1] < found.centres[b][1]  # downwards
        for end, box in ((curve[0], a), (curve[-1], b)):
            for i in (0, 1):
                assert abs(end[i] - found.centres[box][i]) <= sizes[box][i] / 2 + 13
    assert found.curves[0] != found.curves[1]
    for frame, (x, y, w, h) in found.frames.items():
        for box in sizes:
            inside = all(
                start <= c <= start + length
                for c, start, length in zip(found.centres[box], (x, y), (w, h), strict=True)
            )
            assert inside == (box in frames[frame])
    assert set(found.frames) == (set(frames) if engine else set())


# ---- in a browser ------------------------------------------------------------------------------

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
# What is seen at a step: signs, arrays with all that is written to them, and the boxes.
LOOK = """(() => {
  const texts = (root, selector) => [...root.querySelectorAll(selector)].map((e) => e.textContent);
  const figure = (f) => {
    const heat = f.querySelector("canvas");
    return {
      label: f.querySelector("b").textContent,
      cells: [...f.querySelectorAll("tr")].map((row) => texts(row, "td")),
      facts: texts(f, ".facts"),
      scale: texts(f, ".scale span"),
      heat: heat && [heat.height, heat.width, btoa(String.fromCharCode(
        ...heat.getContext("2d").getImageData(0, 0, heat.width, heat.height).data))],
    };
  };
  return {
    title: document.querySelector("h2").textContent,
    count: document.getElementById("count").textContent,
    status: document.getElementById("status").textContent,
    figures: [...document.querySelectorAll("#step figure")].map(figure),
    boxes: Object.fromEntries([...document.querySelectorAll(".box")].map((b) => [
      b.querySelector(".head").textContent, texts(b, "text:not(.head)").slice(0, 2)])),
  };
})()"""
# The contrast of every text with what is behind it.
CONTRAST = """(() => {
  const channels = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const over = (top, below) => below.map((v, i) => i < 3 ? top[3] * top[i] + (1 - top[3]) * v : 1);
  const luminance = (c) => {
    const [r, g, b] = c.map((v) => v / 255).map(
      (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    if (!e) return [255, 255, 255, 1];
    const rect = e.localName === "g" && e.querySelector("rect");
    const own = rect ? getComputedStyle(rect).fill : getComputedStyle(e).backgroundColor;
    return over(channels(own), behind(e.parentElement));
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text; (text = walker.nextNode()); ) {
    const e = text.parentElement, style = getComputedStyle(e);
    if (!text.data.trim() || !e.getClientRects().length) continue;
    if (e.closest("button:disabled, #status")) continue;
    const below = behind(e);
    const ink = over(channels(e.localName === "text" ? style.fill : style.color), below);
    const [low, high] = [luminance(ink), luminance(below)].sort((a, b) => a - b);
    found.push([(high + 0.05) / (low + 0.05), text.data]);
  }
  return found;
})()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    browser = Browser(CHROMIUM, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def read(text):
    return float(text.replace("−", "-").replace("∞", "inf"))


def agrees(figure, array, colours):
    """Whether all that is seen of an array is what NumPy says of it."""
    array = np.asarray(array, float)
    rows = array.reshape(-1, array.shape[-1] if array.ndim else 1)
    largest = np.abs(array).max()
    near = {"rtol": 6e-6 if array.size == 1 else 6e-4 if rows.shape[1] <= 7 else 6e-3}
    near["atol"] = 2e-5 * largest
    cells = np.array([[read(text) for text in row] for row in figure["cells"]])
    if not figure["heat"]:
        np.testing.assert_allclose(cells.ravel(), array.ravel(), **near)
        return
    np.testing.assert_allclose(cells, rows[:5, :5], **near)
    low, high, mean = map(read, re.findall(r"−?[\d.]+(?:e−?\d+)?", figure["facts"][0]))
    np.testing.assert_allclose([low, high], [array.min(), array.max()], **near)
    assert abs(mean - array.mean()) <= 6e-4 * largest
    np.testing.assert_allclose(
        [read(text) for text in figure["scale"]],
        [-largest if array.min() < 0 else 0, largest],
        rtol=6e-3,
    )
    height, width, pixels = figure["heat"]
    pixels = np.frombuffer(base64.b64decode(pixels), np.uint8).reshape(height, width, 4)
    # A cell's colour lies between that of zero and that of its sign, as far as it is large.
    share = (np.abs(rows) / largest)[:, :, None]
    end = np.where(rows[:, :, None] < 0, colours["negative"], colours["positive"])
    assert np.abs(pixels[:, :, :3] - (colours["zero"] + share * (end - colours["zero"]))).max() < 3


def walk(browser, key, count):
    """What is seen at each step, going on with a key."""
    seen = [browser.run(LOOK)]
    for _ in range(count - 1):
        browser.press(key)
        seen.append(browser.run(LOOK))
    return seen


def colour(browser, css):
    return np.array(
        browser.run(f"""(() => {{
          const e = document.body.appendChild(document.createElement("i"));
          e.style.color = "{css}";
          const channels = getComputedStyle(e).color.match(/\\d+/g).map(Number);
          e.remove();
          return channels;
        }})()""")
    )


def all_numbers_agree(browser, seen, expected):
    colours = {name: colour(browser, f"rgb(var(--{name}))") for name in ("negative", "positive")}
    colours["zero"] = colour(browser, "var(--zero)")
    assert [look["title"] for look in seen] == [title for title, *_ in expected]
    for look, (_, *arrays) in zip(seen, expected, strict=True):
        for figure, array in zip(look["figures"], arrays, strict=True):
            agrees(figure, array, colours)


def neuron_in_numpy(lr):
    """Title and numbers of each step of the neuron."""
    x1, x2, w1, w2, b = 2.0, 0.5, -3.0, 1.0, 6.88
    v1, v2 = w1 * x1, w2 * x2
    v3 = v1 + v2
    v4 = v3 + b
    v5 = np.tanh(v4)
    v6 = v5 - 0.2
    g = 2 * v6
    slope = 1 - v5**2
    d = g * slope
    return [
        ("What is given", x1, x2, w1, w2, b),
        ("Compute v1", w1, x1, v1),
        ("Compute v2", w2, x2, v2),
        ("Compute v3", v1, v2, v3),
        ("Compute v4", v3, b, v4),
        ("Compute v5", v4, v5),
        ("Compute v6", v5, 0.2, v6),
        ("Compute loss", v6, 2, v6**2),
        ("Start at loss", 1),
        ("From loss back to v6", 1, g, g),
        ("From v6 back to v5", g, 1, g),
        ("From v5 back to v4", g, slope, d),
        ("From v4 back to v3", d, 1, d),
        ("From v4 back to b", d, 1, d),
        ("From v3 back to v1", d, 1, d),
        ("From v3 back to v2", d, 1, d),
        ("From v2 back to w2", d, x2, d * x2),
        ("From v1 back to w1", d, x1, d * x1),
        ("All gradients", w1, d * x1, w2, d * x2, b, d),
        ("Update w1", w1, lr, d * x1, w1 - lr * d * x1),
        ("Update w2", w2, lr, d * x2, w2 - lr * d * x2),
        ("Update b", b, lr, d, b - lr * d),
    ]


def network_in_numpy(x, labels, layers, lr):
    """Title and numbers of each step of linear layers with ReLU between them."""
    steps = [("What is given", x, labels, *(p for _, *wb in layers for p in wb))]
    values, count = [("x", x)], 0
    for i, (_, w, b) in enumerate(layers):
        count += 1
        z = values[-1][1] @ w.T + b
        steps.append((f"Compute v{count}", values[-1][1], w.T, b, z))
        values.append((f"v{count}", z))
        if i < len(layers) - 1:
            count += 1
            steps.append((f"Compute v{count}", z, np.maximum(z, 0)))
            values.append((f"v{count}", np.maximum(z, 0)))
    name, z = values[-1]
    rows, onehot = np.arange(len(x)), np.eye(z.shape[1])[labels]
    shifted = z - z.max(1, keepdims=True)
    e = np.exp(shifted)
    total = e.sum(1, keepdims=True)
    p = e / total
    picked = p[rows, labels]
    parts = [
        (z, z.max(1, keepdims=True), shifted),
        (shifted, e),
        (e, total),
        (e, total, p),
        (p, labels, picked),
        (picked, -np.log(picked)),
        (-np.log(picked), -np.log(picked).mean()),
    ]
    g = (p - onehot) / len(x)
    steps += [("Compute loss", *part) for part in parts] + [("Start at loss", 1)]
    steps.append((f"From loss back to {name}", p, onehot, p - onehot, p - onehot, len(x), g))
    gradients = []
    for i, (prefix, w, b) in reversed(list(enumerate(layers))):
        below, x = values[2 * i]
        result = values[2 * i + 1][0]
        if i:
            steps.append((f"From {result} back to {below}", g, w, g @ w))
        steps.append((f"From {result} back to {prefix}weight", g.T, x, g.T @ x))
        steps.append((f"From {result} back to {prefix}bias", g, g.sum(0)))
        gradients += [(f"{prefix}bias", b, g.sum(0)), (f"{prefix}weight", w, g.T @ x)]
        if i:
            on = (values[2 * i - 1][1] > 0).astype(float)
            steps.append((f"From {below} back to {values[2 * i - 1][0]}", g @ w, on, g @ w * on))
            g = g @ w * on
    gradients.reverse()
    steps.append(("All gradients", *(array for _, *both in gradients for array in both)))
    return steps + [(f"Update {n}", p, lr, dp, p - lr * dp) for n, p, dp in gradients]


def regression_page(path):
    model, x, labels, loss = classifier()
    layers = [("", model.weight.numpy(), model.bias.numpy())]
    return explain(loss, path, lr=0.5), network_in_numpy(x.numpy(), labels, layers, 0.5)


def digits_page(path):
    train, _ = nn.datasets.digits()
    model = nn.Sequential({"a": nn.Linear(64, 16), "relu": nn.ReLU(), "b": nn.Linear(16, 10)})
    x, labels = train.x[:16], train.y[:16]
    loss = nn.CrossEntropyLoss()(model(Tensor(x, name="x")), Tensor(labels, name="labels"))
    layers = [
        (f"{n}.", model[i].weight.numpy(), model[i].bias.numpy()) for n, i in (("a", 0), ("b", 2))
    ]
    return explain(loss, path, lr=0.1), network_in_numpy(x, labels, layers, 0.1)


def neuron_page(path):
    return explain(neuron(), path, lr=0.1), neuron_in_numpy(0.1)


@pytest.mark.parametrize("write", [neuron_page, regression_page, digits_page])
def test_every_number_in_the_browser_is_numpys(browser, tmp_path, write):
    path, expected = write(tmp_path / "page.html")
    browser.open(path.as_uri())
    forward = walk(browser, "ArrowRight", len(expected))
    all_numbers_agree(browser, forward, expected)
    n = len(expected)
    assert [look["count"] for look in forward] == [f"{i} / {n}" for i in range(1, n + 1)]
    assert all(look["title"] in look["status"] for look in forward)
    browser.click("#next")  # it cannot be pressed at the end
    assert walk(browser, "ArrowLeft", n) == forward[::-1]
    assert browser.errors == []
    assert [url for url in browser.requests if not url.startswith("data:")] == [path.as_uri()]


def test_buttons_slider_boxes_and_play(browser, tmp_path):
    path, expected = neuron_page(tmp_path / "page.html")
    titles = [title for title, *_ in expected]
    browser.open(path.as_uri())
    title = "document.querySelector('h2').textContent"
    for buttons, step in (("next next", 2), ("back", 1), ("last", -1), ("back", -2), ("first", 0)):
        for button in buttons.split():
            browser.click(f"#{button}")
        assert browser.run(title) == titles[step]
    for key, step in (("End", -1), ("ArrowLeft", -2), ("Home", 0), ("ArrowRight", 1)):
        browser.press(key)
        assert browser.run(title) == titles[step]
    boxes = browser.run("[...document.querySelectorAll('.box')].map((b) => b.textContent)")
    place = 1 + next(i for i, text in enumerate(boxes) if text.startswith("v5"))
    for step in ("Compute v5", "From v5 back to v4", "Compute v5"):
        # Of the svg's groups, the boxes come last.
        browser.click(f"#canvas svg > g:nth-last-of-type({len(boxes) + 1 - place})")
        assert browser.run(title) == step
    # The values and gradients that are known in the end.
    browser.press("End")
    look = browser.run(LOOK)["boxes"]
    v5 = np.tanh(1.38)
    shown = [read(look["v5 = tanh(v4)"][0]), read(look["v5 = tanh(v4)"][1].removeprefix("grad "))]
    close(shown, [v5, 2 * (v5 - 0.2)])
    assert all(value != "…" for value, *_ in look.values())

    # Play goes through to the end and stops there, a hundred times as fast here.
    faster = "const set = setInterval; setInterval = (f, ms) => set(f, ms / 100);"
    hurry = browser.send("Page.addScriptToEvaluateOnNewDocument", source=faster)
    browser.open("about:blank")
    browser.open(path.as_uri())
    ended = "document.getElementById('next').disabled"
    browser.press(" ")
    assert browser.run("document.getElementById('play').textContent") == "Pause"
    browser.run(f"new Promise((done) => setInterval(() => {ended} && done(), 2000))")
    assert browser.run("document.getElementById('play').textContent") == "Play"
    browser.click("#play")  # once more from the start
    assert browser.run(title) in titles[:5]
    browser.click("#play")
    assert browser.run("document.getElementById('play').textContent") == "Play"
    browser.send("Page.removeScriptToEvaluateOnNewDocument", identifier=hurry["identifier"])
    assert browser.errors == []


def test_the_address_names_the_step(browser, tmp_path):
    path, expected = neuron_page(tmp_path / "page.html")
    titles = [title for title, *_ in expected]
    at = "[location.hash, document.querySelector('h2').textContent]"
    for wrong in ("", "#", "#0", "#-1", "#1.5", "#seven", f"#{len(titles) + 1}", "#%"):
        browser.open("about:blank")
        browser.open(path.as_uri() + wrong)
        assert browser.run(at) == ["#1", titles[0]], wrong
    browser.open("about:blank")
    browser.open(path.as_uri() + "#7")
    assert browser.run(at) == ["#7", titles[6]]
    pages = browser.run("history.length")
    browser.press("ArrowRight")
    assert browser.run(at) == ["#8", titles[7]]
    assert browser.run("history.length") == pages  # Back leads out of the page
    # A link within the page, or another number in the address.
    for typed, step in (("#3", 3), ("#99", 3), ("#x", 3), (f"#{len(titles)}", len(titles))):
        browser.run(
            "new Promise((done) => { addEventListener('hashchange', done, { once: true });"
            f"location.hash = '{typed}'; }})"
        )
        assert browser.run(at) == [f"#{step}", titles[step - 1]], typed
    assert browser.errors == []


def test_the_keyboard_reaches_all_and_its_place_is_seen(browser, tmp_path):
    path, _ = regression_page(tmp_path / "page.html")
    browser.open(path.as_uri())
    browser.press("End")
    browser.press("ArrowLeft")
    stops = []
    while True:
        browser.press("Tab")
        stop = browser.run("""(() => {
          const e = document.activeElement, style = getComputedStyle(e);
          if (e === document.body) return null;
          const rect = e.querySelector(".box rect, rect");
          return {
            name: e.getAttribute("aria-label") || e.textContent.trim(),
            seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2
              || e.classList.contains("box") && parseFloat(getComputedStyle(rect).strokeWidth) >= 4,
            id: e.id || e.getAttribute("class"),
          };
        })()""")
        if stop is None or stop in stops:
            break
        stops.append(stop)
    assert all(stop["name"] and stop["seen"] for stop in stops), stops
    ids = [stop["id"] for stop in stops]
    assert {"theme", "slider", "first", "back", "play", "next", "last"} <= set(ids)
    assert sum(str(id_).startswith("box") for id_ in ids) == 6
    browser.run("document.querySelector('.box.loss').focus()")
    browser.press("Enter")
    assert browser.run("document.querySelector('h2').textContent") == "From loss back to v1"
    browser.run("document.getElementById('next').focus()")
    browser.press("Enter")
    assert browser.run("document.querySelector('h2').textContent") == "From v1 back to weight"


def test_numbers_that_are_not_finite_stand_out_and_tiny_ones_do_not(browser, tmp_path):
    x = leaf([-1.5e-11, np.nan, 2e-11, np.inf, 1e-11], "x")
    browser.open(explain((x * 1.0).sum(), tmp_path / "page.html").as_uri())
    cells = browser.run("[...document.querySelectorAll('td')].map((e) => e.style.background)")
    assert [cells[1] == cell for cell in cells] == [False, True, False, True, False]
    assert ["negative" in cell for cell in cells] == [True, False, False, False, False]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_texts_stand_out_from_what_is_behind_them(browser, tmp_path, dark):
    path, _ = digits_page(tmp_path / "page.html")
    folded = explain(deep_network(4)[-1], tmp_path / "folded.html", max_nodes=6)
    for page in (path, folded):
        browser.open(page.as_uri(), dark=dark)
        assert browser.run("document.documentElement.dataset.theme") == ["light", "dark"][dark]
        while True:
            browser.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
            found = browser.run(CONTRAST)
            assert len(found) > 30
            assert min(found)[0] >= 4.5, min(found)
            if browser.run("document.getElementById('next').disabled"):
                break
            browser.press("ArrowRight")
    browser.click("#theme")
    assert browser.run("document.documentElement.dataset.theme") == ["dark", "light"][dark]


@pytest.mark.parametrize("size", [(1280, 800), (390, 844), (320, 640)], ids=str)
def test_names_stay_text_and_all_fits(browser, tmp_path, size):
    *_, loss = classifier(rows=4, features=12)
    first, *names = (leaf(float(i), name) for i, name in enumerate(NASTY))
    path = explain(sum(names, loss * first), tmp_path / "page.html", lr=0.1, title=NASTY[-1])
    shown = Page(path)
    browser.open(path.as_uri(), *size, phone=size[0] < 500)
    for step, look in zip(shown.steps, walk(browser, "ArrowRight", len(shown.steps)), strict=True):
        assert look["title"] == step["title"]
        items = [i for b in step["blocks"] for i in b.get("row", ()) if "array" in i]
        assert [figure["label"] for figure in look["figures"]] == [i["label"] for i in items]
    assert list(look["boxes"]) == [box["head"] for box in shown.boxes.values()]
    assert browser.run("document.documentElement.scrollWidth - innerWidth") <= 0
    outside = """[...document.querySelectorAll("button, #slider, h1, h2, p")].filter((e) => {
      const r = e.getBoundingClientRect();
      return r.width && (r.left < 0 || r.right > innerWidth || e.scrollWidth > e.clientWidth + 1);
    }).map((e) => e.outerHTML.slice(0, 200))"""
    assert browser.run(outside) == []
    small = "[...document.querySelectorAll('button')].map((e) => e.getBoundingClientRect().height)"
    assert min(height for height in browser.run(small) if height) >= 40
    assert browser.errors == []
    assert [url for url in browser.requests if not url.startswith("data:")] == [path.as_uri()]
