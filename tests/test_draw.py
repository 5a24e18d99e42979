"""The drawing: boxes and arrows as data, folding, names from outside, rendering."""

import os
import re
import subprocess
import sys
import textwrap
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from drawings import BOX, arrows, boxes, frames, headlines
from hypothesis import given
from hypothesis import strategies as st

import nn
from tinygrad_sm import Graph, Tensor, draw
from tinygrad_sm.viz import Drawing, RenderError
from tinygrad_sm.viz.fold import fold


def chain(n, of=lambda y: y + 1.0):
    y = Tensor(1.0, requires_grad=True, name="x")
    for _ in range(n):
        y = of(y)
    return y


def mlp_loss(layers=2, width=3):
    modules = [m for _ in range(layers) for m in (nn.Linear(width, width), nn.ReLU())]
    model = nn.Sequential(*modules[:-1])
    x = Tensor(np.ones((4, width), np.float32), name="x")
    return nn.CrossEntropyLoss()(model(x), Tensor(np.array([0, 1, 2, 0]), name="labels"))


# ---- what is drawn -----------------------------------------------------------------------------


def test_a_scalar_expression():
    a, b, c = (
        Tensor(v, requires_grad=True, name=n) for n, v in zip("abc", (2, -3, 7), strict=True)
    )
    loss = (a * b + c).tanh()
    loss.backward()
    drawing = draw(loss)
    assert boxes(drawing) == {
        "n0": ["parameter  a", "value  2", "grad  −1.26"],
        "n1": ["parameter  b", "value  −3", "grad  0.8399"],
        "n2": ["parameter  c", "value  7", "grad  0.42"],
        "n3": ["multiply", "value  −6", "grad  0.42"],
        "n4": ["add", "value  1", "grad  0.42"],
        "n5": ["loss  tanh", "value  0.7616", "grad  1"],
    }
    assert arrows(drawing) == [
        ("n0", "n3"), ("n1", "n3"), ("n3", "n4"), ("n2", "n4"), ("n4", "n5"),
    ]  # fmt: skip


def test_an_input_used_twice_has_two_arrows():
    x = Tensor(2.0, requires_grad=True)
    assert arrows(draw(x + x)) == [("n0", "n1"), ("n0", "n1")]


def test_numbers_are_written_into_their_operation():
    x = Tensor([2.0], requires_grad=True)
    for y, headline in [
        (x * 2.5, "_ × 2.5"),
        (1 - x, "1 − _"),
        (x / 4, "_ ÷ 4"),
        (x**-2, "_ ^ −2"),
        (x.max(axis=0), "loss  max(axis=0)"),
        (x[0:1], "loss  _[0:1]"),
        (x.reshape(1, 1)[0, None], "_[0, None]"),
        (x[np.array([0, 0])], "_[[0, 0]]"),
        (x[..., ::-1], "_[..., ::-1]"),
        (x.astype(np.float64), "astype(dtype=float64)"),
    ]:
        assert headlines(draw(y))[-1].removeprefix("loss  ") == headline.removeprefix("loss  ")
    assert headlines(draw(Tensor(2.0))) == ["constant"]


def test_windows_that_slide_tell_what_is_unusual_about_them():
    x, w = Tensor(np.ones((1, 2, 8, 8)), requires_grad=True), np.ones((2, 1, 3, 3))
    for y, headline in [
        (x.conv2d(w, groups=2), "conv2d(groups=2)"),
        (x.conv2d(np.ones((1, 2, 3, 3))), "conv2d"),
        (x.conv2d(w, None, 2, 1, groups=2), "conv2d(stride=2, padding=1, groups=2)"),
        (
            x.conv2d(w, None, (1, 2), (0, 1), 2, 2),
            "conv2d(stride=(1, 2), padding=(0, 1), dilation=2, groups=2)",
        ),
        (x.conv2d(w[..., :2], padding="same", groups=2), "conv2d(padding=(1, (0, 1)), groups=2)"),
        (x.max_pool2d(2), "max_pool2d(kernel=2, stride=2)"),
        (x.max_pool2d((2, 3), 1), "max_pool2d(kernel=(2, 3))"),
    ]:
        assert headlines(draw(y))[-1] == headline


def test_the_order_of_the_inputs_is_told_where_it_matters():
    a, b = (
        Tensor([[v]], requires_grad=True, name=n) for n, v in zip("ab", (2.0, 3.0), strict=True)
    )
    for y in (a - b, a / b, a**b, a @ b):
        assert re.findall(r'-> n\d+ \[label=" (\w+) "', draw(y).source) == ["left", "right"]
    for y in (a + b, a * b, a - 1, (a * b).exp()):
        assert "left" not in draw(y).source


def test_shapes_values_and_gradients_can_be_left_out():
    x = Tensor([[1.0, 2.0]], requires_grad=True, name="x")
    loss = x.sum()
    loss.backward()
    everything = boxes(draw(loss))["n0"]
    assert everything == ["parameter  x", "shape (1, 2)", "value  [[1  2]]", "grad  [[1  1]]"]
    assert boxes(draw(loss, shapes=False))["n0"] == [everything[0], *everything[2:]]
    assert boxes(draw(loss, values=False))["n0"] == [everything[0], everything[1], everything[3]]
    assert boxes(draw(loss, grads=False))["n0"] == everything[:3]


def test_a_reason_shared_by_all_is_told_once():
    loss = mlp_loss()
    source = draw(loss).source
    assert source.count("no gradient yet: call backward()") == 1
    assert source.count("needs no gradient") == 2  # x and the labels
    assert "no gradient yet" not in draw(loss, grads=False).source
    loss.backward()
    assert "no gradient yet" not in draw(loss).source


def test_a_reason_of_some_stands_in_their_boxes():
    model = nn.Linear(2, 2)
    loss = model(model(Tensor([[1.0, 2.0]]))).sum()
    loss.backward()
    nn.optim.SGD(model.parameters(), lr=0.1).step()
    drawn = boxes(draw(loss))
    with_reason = [
        k for k, v in drawn.items() if "gradient unknown: a value was changed since" in v
    ]
    assert len(with_reason) == 1


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([1.0, -0.5, 1 / 3], ["value  [1  −0.5  0.3333]"]),
        ([[1.0, 2.0], [3.0, 4.0]], ["value", "    [1  2]", "    [3  4]"]),
        (np.arange(100.0), ["value  0 … 99, mean 49.5"]),
        (np.linspace(-1, 1, 99), ["value  −1 … 1, mean 0"]),
        (np.full(50, 0.25), ["value  all 0.25"]),
        (np.arange(20), ["value  0 … 19"]),
        (np.arange(20) > 4, ["value  15 of 20 true"]),
        (np.zeros((0, 3)), ["value  empty"]),
        (np.full(10, np.nan), ["value  10 numbers, none finite", "⚠ 10 NaN of 10: from the start"]),
        (
            [1.0, 2.0, np.inf, np.nan, 3.0, 4.0, 5.0],
            [
                "value  1 … 5, mean 3, 2 not finite",
                "⚠ 1 NaN and 1 infinite of 7: from the start",
            ],
        ),
        (np.array([1e308, 1.7e308] * 5), ["value  1e+308 … 1.7e+308, mean ∞"]),
        (np.ones((1, 1, 3)), ["value  [[[1  1  1]]]"]),
    ],
)
def test_values_in_few_words(values, text):
    drawn = boxes(draw(Tensor(values), shapes=False, grads=False))
    assert drawn["n0"][1:] == text


def test_a_dtype_that_is_not_the_results_is_told():
    loss = mlp_loss()
    drawn = {lines[0]: lines for lines in boxes(draw(loss)).values()}
    assert drawn["input  labels"][1] == "shape (4,) int64"
    assert drawn["input  x"][1] == "shape (4, 3)"


def test_modules_are_frames():
    drawing = draw(mlp_loss())
    assert frames(drawing) == ["Sequential", "0: Linear", "2: Linear"]
    assert "parameter  2.weight" in headlines(drawing)
    frame = re.search(r'label="2: Linear".*?\}', drawing.source, re.DOTALL)[0]
    assert len(BOX.findall(frame)) == 3


def test_each_call_has_a_frame():
    cell = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    drawing = draw(cell(cell(Tensor([[1.0, 0.0]]))))
    assert frames(drawing) == ["Sequential", "Sequential, call 2"]


def test_folding_and_the_shared_reason_are_told_together():
    drawing = draw(chain(100), title="A chain")
    label = re.search(r'label="(A chain.*?)" labelloc=t', drawing.source)[1]
    assert label.split(r"\n") == [
        "A chain",
        "101 boxes folded into 4; draw(loss, max_nodes=None) shows every one",
        "no gradient yet: call backward()",
        "",
    ]


def test_derivative_rules_are_told_under_the_mouse():
    x = Tensor(2.0, requires_grad=True)
    assert r"1. in the backward pass\ngradient for x: g * (1 - y * y)\n" in draw(x.tanh()).source


def test_the_direction():
    x = Tensor(1.0, requires_grad=True)
    assert "rankdir=LR" in draw(x.exp()).source
    assert "rankdir=TB" in draw(chain(20, of=lambda y: y.exp().log())).source
    assert "rankdir=BT" in draw(x, rankdir="BT").source
    with pytest.raises(ValueError, match="'LR', 'TB', 'RL' or 'BT', got 'XY'"):
        draw(x, rankdir="XY")
    with pytest.raises(ValueError, match="level is 'auto', 'op' or 'module', got 'ops'"):
        draw(x, level="ops")
    with pytest.raises(ValueError, match="fused is 'fold' or 'unfold', got True"):
        draw(x, fused=True)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="at least 1, or None"):
        draw(Tensor(1.0), max_nodes=0)
    with pytest.raises(TypeError, match="result of calling it"):
        draw(nn.Linear(1, 1))


# ---- the same graph, the same text -------------------------------------------------------------


def test_the_same_model_built_twice_gives_the_same_text():
    def source():
        from tinygrad_sm import manual_seed

        manual_seed(3)
        loss = mlp_loss(3)
        loss.backward()
        return draw(loss, title="twice").source, draw(loss, max_nodes=4).source

    assert source() == source()


def test_the_text_does_not_depend_on_the_hash_seed():
    code = textwrap.dedent("""
        import nn
        from tinygrad_sm import Tensor, draw, manual_seed
        manual_seed(0)
        x = Tensor([[1.0, 2.0]])
        model = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2))
        y = model(model(x))
        for i in range(20):
            y = model(y).softmax()
        loss = nn.CrossEntropyLoss()(y, [1])
        loss.backward()
        for options in {}, {"max_nodes": 5}, {"level": "module"}, {"max_nodes": None}:
            print(draw(loss, **options).source, draw(loss, fused="unfold", **options).source)
    """)
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1


# ---- folding -----------------------------------------------------------------------------------


def test_a_chain_of_100_000_operations_is_four_boxes():
    loss = chain(100_000)
    loss.backward()
    drawing = draw(loss)
    assert list(boxes(drawing).values()) == [
        ["parameter  x", "value  1", "grad  1"],
        ["_ + 1", "value  2", "grad  1"],
        ["add × 99,998", "99,998 operations", "value  1e+05", "grad  1"],
        ["loss  _ + 1", "value  1e+05", "grad  1"],
    ]
    assert len(arrows(drawing)) == 3
    assert "100,001 boxes folded into 4; draw(loss, max_nodes=None) shows every one" in (
        drawing.source
    )


def test_a_diamond_200_deep_is_folded():
    with np.errstate(over="ignore"):
        loss = chain(200, of=lambda y: y + y)
    drawing = draw(loss)
    assert headlines(drawing) == ["parameter  x", "add", "add × 198", "loss  add"]
    assert len(arrows(drawing)) == 2 + 1 + 2


def test_up_to_max_nodes_nothing_is_folded():
    loss = chain(79)
    assert len(boxes(draw(loss))) == 80
    assert "folded" not in draw(loss).source
    assert len(boxes(draw(chain(80)))) == 4
    assert len(boxes(draw(chain(300), max_nodes=None))) == 301


def test_the_terms_of_a_long_sum_go_with_it():
    total = Tensor(0.0, requires_grad=True)
    for i in range(100):
        total = total + Tensor([float(i)])
    drawn = boxes(draw(total))
    assert ["add × 98", "98 inputs, 98 operations"] in [lines[:2] for lines in drawn.values()]
    assert len(drawn) == 6  # the run, what is before and behind it, and their inputs


def test_inner_modules_fold_first():
    drawing = draw(mlp_loss(3), max_nodes=12)
    assert headlines(drawing) == [
        "input  x",
        "0: Linear",
        "relu",
        "2: Linear",
        "relu",
        "4: Linear",
        "input  labels",
        "loss  cross_entropy(reduction=mean)",
    ]
    _, module, *_ = boxes(drawing).values()
    assert module[:3] == ["0: Linear", "1 operation, 2 parameters", "shape (4, 3)"]
    assert frames(drawing) == ["Sequential"]
    assert len(arrows(drawing)) == 7


def test_a_module_called_again_and_again_folds():
    cell = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    h = Tensor([[1.0, 0.0]])
    for _ in range(50):
        h = cell(h)
    assert headlines(draw((h * h).sum(), max_nodes=8)) == [
        "parameter  0.weight",
        "parameter  0.bias",
        "input",
        "Sequential",
        "Sequential × 48",
        "Sequential, call 50",
        "multiply",
        "loss  sum",
    ]


def test_at_last_the_oldest_part_folds():
    loss = mlp_loss(30)
    drawing = draw(loss, max_nodes=7)
    assert headlines(drawing) == [
        "109 older nodes, not drawn",
        "54: Linear",
        "relu",
        "56: Linear",
        "relu",
        "58: Linear",
        "input  labels",
        "loss  cross_entropy(reduction=mean)",
    ]
    assert len(arrows(drawing)) == 7
    smallest = draw(loss, max_nodes=1)
    assert len(boxes(smallest)) == 2
    assert len(arrows(smallest)) == 1


def test_what_is_kept_of_a_large_graph_has_its_parameters():
    y = Tensor([1.0, 2.0])
    weights = [Tensor([0.1, 0.2], requires_grad=True, name=f"w{i}") for i in range(100)]
    for w, times in zip(weights, np.random.default_rng(0).random(100) < 0.5, strict=True):
        y = y * w if times else y + w
    drawing = draw(y.sum(), max_nodes=11)
    assert len(boxes(drawing)) == 12
    assert {h for h in headlines(drawing) if h.startswith("parameter")} == {
        f"parameter  w{i}" for i in range(95, 100)
    }


def test_only_what_is_drawn_is_put_into_words(monkeypatch):
    # The module, which the function of the same name hides.
    module = import_module("tinygrad_sm.viz.draw")
    seen = []
    monkeypatch.setattr(module, "_numbers", lambda label, array: seen.append(label) or [label])
    loss = chain(3000)
    loss.backward()
    draw(loss)
    assert len(seen) == 8


@given(data=st.data())
def test_any_graph_folds_into_boxes_that_hold_each_node_once(data):
    ops = [
        lambda a, b: a + b,
        lambda a, b: a * b,
        lambda a, b: a + a,
        lambda a, b: -a,
        lambda a, b: a * 2.0,
        lambda a, b: module(a),
        lambda a, b: module(a) + inner(b),
    ]
    inner = nn.Tanh()
    module = nn.Sequential(nn.Linear(1, 1), inner, nn.Sequential(nn.Linear(1, 1), nn.ReLU()))
    tensors = [Tensor([0.5], requires_grad=True), Tensor([1.0])]
    for _ in range(data.draw(st.integers(1, 30))):
        a, b = (
            tensors[data.draw(st.integers(-3, -1).filter(lambda i: -i <= len(tensors)))]
            for _ in "ab"
        )
        tensors.append(data.draw(st.sampled_from(ops))(a, b))
    max_nodes = data.draw(st.integers(1, 40))
    nodes = Graph(tensors[-1]).nodes
    drawn = fold(nodes, max_nodes)

    held = [node.id for box in drawn for node in box.nodes]
    assert len(held) == len(set(held))
    constants = {n.id for n in nodes if n.kind == "constant"}
    assert {n.id for n in nodes} - constants == set(held) - constants
    assert len(drawn) <= max(max_nodes + 1, 1)
    assert drawn[-1].node is nodes[-1]
    # Arrows between boxes are those between their nodes, and go round in no circle.
    box_of = {node.id: box for box in drawn for node in box.nodes}
    expected = {
        (box_of[i], box_of[n.id]) for n in nodes if n.id in box_of for i in n.inputs if i in box_of
    }
    found = {(source, box) for box in drawn for source, _ in box.inputs}
    assert found == {(a, b) for a, b in expected if a is not b}
    finished = set()
    waiting = list(drawn)
    while waiting:
        ready = [box for box in waiting if all(s in finished for s, _ in box.inputs)]
        assert ready
        finished.update(ready)
        waiting = [box for box in waiting if box not in finished]


# ---- names from outside ------------------------------------------------------------------------

NASTY = [
    'say "hi"',
    "back\\slash",
    "ends with a backslash\\",
    '\\"',
    "two\nlines",
    "\\N \\G \\L \\E \\T \\n \\l \\r",
    "<b>bold</b>",
    "<not closed",
    "</script>",
    "a -> b; {c|d} [e=f] // g /* h",
    "&lt; &amp; &#65; &",
    "emoji 😀, ∂ and ü",
    "node",
    "long " * 2000,
    "nothing\0at\x1ball\u202e\ud800",
]


@pytest.mark.parametrize("name", NASTY)
def test_a_name_stands_in_its_box_as_it_is(name):
    x = Tensor(1.0, requires_grad=True, name=name)
    drawing = draw(x * x, title=name)
    (headline, *_), _ = boxes(drawing).values()
    shown = headline.removeprefix("parameter  ")
    assert len(shown) <= 60
    if name.isprintable() and len(name) <= 60:
        assert shown == name
    else:
        assert shown.isprintable()
    assert shown.endswith("…") == (len(name) > 60)
    drawing.source.encode()


@pytest.mark.parametrize("name", NASTY)
def test_a_name_is_read_by_graphviz_as_it_is(name, monkeypatch):
    pytest.importorskip("pygraphviz")
    monkeypatch.setenv("PATH", "")
    module = type(name.replace("\0", "").encode(errors="replace").decode(), (nn.Sequential,), {})
    x = Tensor(1.0, requires_grad=True, name=name)
    drawing = draw(module(nn.Tanh(), nn.Tanh())(x), title=name)
    texts = ["".join(e.itertext()) for e in svg_elements(drawing.pipe("svg"), "text")]
    (headline, *_), *_ = boxes(drawing).values()
    # Graphviz writes spaces as non-breaking ones and drops those at the end.
    texts = [t.replace("\xa0", " ").strip() for t in texts]
    assert headline.strip() in texts
    assert frames(drawing)
    if name.isprintable() and len(name) <= 60:
        assert texts.count(name.strip()) >= 2  # as title and as module


def svg_elements(svg, tag):
    return ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}" + tag)


# ---- rendering ---------------------------------------------------------------------------------


@pytest.fixture
def drawing():
    x = Tensor(2.0, requires_grad=True, name="x")
    return draw(x * x)


@pytest.fixture
def no_dot(monkeypatch, tmp_path):
    """A machine without the dot program."""
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))


def fake_dot(monkeypatch, folder, script):
    """A program called dot, the only one on the PATH."""
    if sys.platform == "win32":
        pytest.skip("needs a shell script")
    folder.mkdir()
    program = folder / "dot"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


@pytest.fixture
def no_pygraphviz(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygraphviz", None)


@pytest.fixture
def pygraphviz():
    return pytest.importorskip("pygraphviz")


def test_the_dot_program_comes_first(drawing, monkeypatch, tmp_path, no_pygraphviz):
    fake_dot(monkeypatch, tmp_path / "bin", "echo '<svg/>'")
    assert drawing.pipe("svg", encoding="utf-8") == "<svg/>\n"


@pytest.mark.usefixtures("no_dot", "pygraphviz")
def test_without_dot_pygraphviz_draws(drawing, tmp_path):
    svg = drawing.pipe("svg", encoding="utf-8")
    root = ElementTree.fromstring(svg.encode())
    assert root.get("viewBox")
    assert root.get("height") is None  # which would not shrink with the width
    assert "max-width:100%" in root.get("style")
    assert len(list(svg_elements(svg.encode(), "polygon"))) >= 2
    assert drawing.pipe("png").startswith(b"\x89PNG")
    assert drawing.pipe("pdf").startswith(b"%PDF")
    assert drawing._repr_mimebundle_()["image/svg+xml"].startswith("<?xml")
    del tmp_path


@pytest.mark.usefixtures("pygraphviz")
@pytest.mark.parametrize(
    "script", ["exit 1", "echo nonsense >&2; exit 3", "kill -9 $$"], ids=["1", "3", "killed"]
)
def test_with_a_broken_dot_pygraphviz_draws(drawing, monkeypatch, tmp_path, script, capfd):
    fake_dot(monkeypatch, tmp_path / "bin", script)
    assert b"<svg" in drawing.pipe("svg")
    large = draw(chain(300), max_nodes=None)  # more text than a pipe holds
    assert b"<svg" in large.pipe("svg")
    picture = drawing.render(tmp_path / "graph", format="svg")
    assert "<svg" in Path(picture).read_text(encoding="utf-8")
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("pygraphviz")
def test_a_dot_that_cannot_be_started(drawing, monkeypatch, tmp_path):
    fake_dot(monkeypatch, tmp_path / "bin", "exit 0")
    (tmp_path / "bin" / "dot").chmod(0o644)
    assert b"<svg" in drawing.pipe("svg")


@pytest.mark.usefixtures("no_dot", "pygraphviz")
def test_stderr_is_back_afterwards(drawing, capfd):
    drawing.pipe("svg")
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


@pytest.mark.usefixtures("no_dot", "pygraphviz")
def test_files_are_where_graphviz_would_put_them(drawing, tmp_path):
    assert drawing.render(tmp_path / "a", format="png") == str(tmp_path / "a.png")
    assert (tmp_path / "a").read_text(encoding="utf-8") == drawing.source
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")

    assert drawing.render("b.gv", directory=tmp_path / "sub", cleanup=True) == str(
        tmp_path / "sub" / "b.gv.pdf"
    )
    assert [p.name for p in (tmp_path / "sub").iterdir()] == ["b.gv.pdf"]

    assert drawing.render(outfile=tmp_path / "c.svg", cleanup=True) == str(tmp_path / "c.svg")
    assert not (tmp_path / "c.gv").exists()
    assert drawing.save(tmp_path / "d.gv") == str(tmp_path / "d.gv")


@pytest.mark.usefixtures("no_dot", "pygraphviz")
def test_the_default_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert draw(Tensor(1.0)).render(format="svg") == "graph.gv.svg"
    assert draw(Tensor(1.0)).render(outfile="other.svg") == "other.svg"
    assert {p.name for p in tmp_path.iterdir()} == {
        "graph.gv", "graph.gv.svg", "other.gv", "other.svg",
    }  # fmt: skip
    with pytest.raises(FileExistsError):
        draw(Tensor(1.0)).render(outfile="other.svg", raise_if_result_exists=True)


@pytest.mark.usefixtures("no_dot", "no_pygraphviz")
def test_with_neither_the_text_is_kept_and_the_error_says_the_fix(drawing, tmp_path):
    with pytest.raises(RenderError, match=r'pip install "tinygrad-sm\[viz\]"'):
        drawing.pipe("svg")
    with pytest.raises(RenderError) as caught:
        drawing.render(outfile=tmp_path / "graph.svg", cleanup=True)
    kept = tmp_path / "graph.gv"
    assert str(kept) in str(caught.value)
    assert kept.read_text(encoding="utf-8") == drawing.source
    assert not (tmp_path / "graph.svg").exists()
    text = drawing._repr_mimebundle_()["text/plain"]
    assert "tinygrad-sm[viz]" in text
    assert drawing.source in text


@pytest.mark.usefixtures("no_pygraphviz")
def test_with_a_broken_dot_alone_the_error_says_what_it_said(drawing, monkeypatch, tmp_path):
    fake_dot(monkeypatch, tmp_path / "bin", "echo out of ink >&2; exit 1")
    with pytest.raises(RenderError, match="out of ink"):
        drawing.pipe("svg")


@pytest.mark.usefixtures("no_dot", "pygraphviz")
def test_a_format_that_nobody_knows(drawing):
    with pytest.raises(ValueError, match="unknown format"):
        drawing.pipe("nonsense")
    with pytest.raises(RenderError, match="svg, png, pdf"):
        drawing.pipe("vmlz")


def test_a_drawing_is_a_digraph_that_can_be_added_to(drawing):
    assert isinstance(drawing, Drawing)
    twin = drawing.copy()
    assert type(twin) is Drawing
    twin.node("note", "mine")
    assert "mine" in twin.source
    assert "mine" not in drawing.source
