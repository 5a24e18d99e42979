"""The backprop page: its steps as data, the numbers beside NumPy's, and the page in a browser."""

import base64
import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from cases import CASES, DIFFERENTIABLE, tensors
from hypothesis import given, settings
from hypothesis import strategies as st

import nn
from tinygrad_sm import Function, Graph, Tensor, explain, manual_seed, no_grad
from tinygrad_sm.errors import GradientError
from tinygrad_sm.viz import RenderError
from tinygrad_sm.viz.layout import layout
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


def test_a_graph_too_large_to_step_through_is_refused(tmp_path):
    x = leaf(1.0, "x")
    y = x
    for _ in range(50):
        y = y * 1.5
    with pytest.raises(ValueError, match=r"51 nodes.*max_nodes=50.*smaller"):
        explain(y, tmp_path / "page.html", max_nodes=50)
    assert not list(tmp_path.iterdir())
    assert explain(y, tmp_path / "page.html", max_nodes=51).exists()
    with pytest.raises(TypeError, match="model"):
        explain(nn.Linear(2, 2), tmp_path / "page.html")


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
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --dump-dom "
    "--disable-background-networking --disable-component-update --disable-sync"
)
# Put before the page's own script: what goes wrong; after it: every step forward, then back.
WATCH = """<script>
window.seen = {errors: [], steps: []};
addEventListener("error", (e) => seen.errors.push(String(e.message)));
addEventListener("securitypolicyviolation", (e) => seen.errors.push("asked for " + e.blockedURI));
console.error = console.warn = (...a) => seen.errors.push(a.join(" "));
alert = () => seen.errors.push("alert");
</script>"""
DRIVE = """<script>
const key = (name) => document.body.dispatchEvent(
  new KeyboardEvent("keydown", {key: name, bubbles: true}));
const look = () => ({
  title: document.querySelector("h2").textContent,
  count: document.getElementById("count").textContent,
  tables: [...document.querySelectorAll("#step .numbers")].map((t) =>
    [...t.querySelectorAll("tr")].map((r) => [...r.children].map((c) => c.textContent).join(" "))),
  heat: document.querySelectorAll("canvas.heat").length,
  values: [...document.querySelectorAll(".box text:nth-of-type(2)")].map((t) => t.textContent),
  grads: [...document.querySelectorAll(".box .grad")].map((t) => t.textContent),
  status: document.getElementById("status").textContent,
});
const next = document.getElementById("next"), back = document.getElementById("back");
seen.steps.push(look());
while (!next.disabled) { next.click(); seen.steps.push(look()); }
seen.back = [];
while (!back.disabled) { seen.back.push(look()); back.click(); }
seen.back.push(look());
key("End"); seen.end = look().count;
key("ArrowLeft"); seen.left = look().count;
key("Home"); seen.home = look().count;
key("ArrowRight"); seen.right = look().count;
seen.visited = [...document.querySelectorAll(".box")].map((box) => {
  box.dispatchEvent(new MouseEvent("click", {bubbles: true}));
  return [box.getAttribute("aria-label"), look().title];
});
document.getElementById("theme").click();
seen.theme = document.documentElement.dataset.theme;
seen.unnamed = [...document.querySelectorAll("button, input, [tabindex='0']")].filter(
  (e) => !(e.textContent.trim() || e.getAttribute("aria-label"))).length;
seen.overflow = document.documentElement.scrollWidth - innerWidth;
seen.resources = performance.getEntriesByType("resource").map((e) => e.name);
seen.heads = [...document.querySelectorAll(".box .head")].map((t) => t.textContent);
document.body.textContent = btoa(unescape(encodeURIComponent(JSON.stringify(seen))));
</script>"""


def in_a_browser(path, tmp_path, size="1280,800"):
    """What is seen on the page, going through all its steps."""
    source = path.read_text(encoding="utf-8")
    source = source.replace('<script id="data"', WATCH + '<script id="data"', 1)
    driven = tmp_path / "driven.html"
    driven.write_text(source.replace("</body>", DRIVE + "</body>"), encoding="utf-8")
    done = subprocess.run(
        [CHROMIUM, *FLAGS.split(), f"--user-data-dir={tmp_path / 'profile'}",
         f"--window-size={size}", driven.as_uri()],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    text = re.search(r"<body>(?:<[^>]*>)*([A-Za-z0-9+/=]+)", done.stdout)[1]
    return json.loads(base64.b64decode(text))


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
@pytest.mark.parametrize("size", ["1280,800", "500,740"])
def test_every_step_in_a_browser(tmp_path, size):
    *_, loss = classifier(rows=4, features=12)
    first, *names = (leaf(float(i), name) for i, name in enumerate(NASTY))
    path = explain(sum(names, loss * first), tmp_path / "page.html", lr=0.1)
    shown = Page(path)
    seen = in_a_browser(path, tmp_path, size)
    assert seen["errors"] == seen["resources"] == []
    assert seen["unnamed"] == 0
    assert seen["overflow"] <= 0
    n = len(shown.steps)
    assert [s["count"] for s in seen["steps"]] == [f"{i} / {n}" for i in range(1, n + 1)]
    assert seen["back"] == seen["steps"][::-1]
    for step, there in zip(shown.steps, seen["steps"], strict=True):
        assert there["title"] == step["title"]
        assert step["title"] in there["status"]
        items = [i for b in step["blocks"] for i in b.get("row", ()) if "array" in i]
        records = [shown.arrays[item["array"]] for item in items]
        assert there["tables"] == [r.get("numbers") or r["corner"] for r in records]
        assert there["heat"] == sum("heat" in r for r in records)
    operations = sum(box["head"].startswith(("v", "loss")) for box in shown.boxes.values())
    assert seen["steps"][0]["values"].count("…") == operations
    assert not any(seen["steps"][0]["grads"])
    assert all(seen["steps"][-1]["grads"])
    assert [seen[key] for key in ("end", "left", "home", "right")] == [
        f"{i} / {n}" for i in (n, n - 1, 1, 2)
    ]
    assert seen["heads"] == [box["head"] for box in shown.boxes.values()]
    assert ["v1", "Compute v1"] in [[label[:2], title] for label, title in seen["visited"]]
    assert seen["theme"] in ("light", "dark")
