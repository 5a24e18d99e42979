"""What nn.diagnose finds in broken programs, and that it finds nothing in healthy ones."""

import copy
import importlib.util
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nn
from tinygrad_sm import Tensor, default_generator, manual_seed, no_grad

EXAMPLES = Path(__file__).parent.parent / "examples"
CROSS_ENTROPY = nn.CrossEntropyLoss()


def batch(n=32, features=8, classes=4, seed=0):
    """Standardised inputs and labels of every class."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, features)).astype(np.float32), np.arange(n) % classes


def mlp(*sizes, act=nn.ReLU):
    layers = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), act())]
    return nn.Sequential(*layers[:-1])


def warnings(report):
    return {f.code for f in report.warnings}


def notes(report):
    return {f.code for f in report.notes}


def look(model, loss_fn=CROSS_ENTROPY, x=None, y=None, overfit_steps=0, **options):
    """The report of a batch, a standard one unless another is given."""
    default_x, default_y = batch()
    x, y = default_x if x is None else x, default_y if y is None else y
    return nn.diagnose(model, loss_fn, x, y, overfit_steps=overfit_steps, **options)


def found(report, code):
    (finding,) = [f for f in report.findings if f.code == code]
    return finding


# ---- healthy networks --------------------------------------------------------------------------


@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 100),
    features=st.integers(2, 100),
    hidden=st.lists(st.integers(8, 64), max_size=3),
    act=st.sampled_from([nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.LeakyReLU]),
    standardised=st.booleans(),
)
@settings(max_examples=60)
def test_no_warning_for_a_fresh_or_a_trained_network(seed, n, features, hidden, act, standardised):
    manual_seed(seed)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, features)) if standardised else rng.random((n, features))
    x, y = x.astype(np.float32), rng.permutation(n) % 5
    model = mlp(features, *hidden, 5, act=act)
    optimizer = nn.optim.Adam(model.parameters(), lr=0.003)
    assert not look(model, CROSS_ENTROPY, x, y, 10, optimizer=optimizer).warnings
    for _ in range(10):
        optimizer.zero_grad()
        CROSS_ENTROPY(model(Tensor(x)), y).backward()
        optimizer.step()
    assert not look(model, CROSS_ENTROPY, x, y, 10).warnings
    scores = rng.standard_normal((n, 5)).astype(np.float32)
    assert not look(model, nn.MSELoss(), x, 10 + scores, 10, lr=0.01).warnings
    assert not look(model, nn.BCEWithLogitsLoss(), x, np.float32(scores > 0), 10).warnings
    soft = np.float32(np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True))
    assert not look(model, CROSS_ENTROPY, x, soft, 10).warnings


@pytest.mark.parametrize("seed", range(5))
def test_no_warning_for_a_fresh_convolutional_network(seed):
    manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.Dropout(),
        nn.Flatten(),
        nn.Linear(128, 4),
    )
    x = np.random.default_rng(seed).random((16, 1, 8, 8), np.float32)
    report = look(model, x=x, y=np.arange(16) % 4, overfit_steps=50)
    assert not report.findings
    assert report.run.losses[-1] < 0.5 * report.loss
    assert "Flatten" not in {r.kind for r in report.layers}


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_warning_for_the_models_of_the_examples():
    pytest.importorskip("matplotlib")
    pytest.importorskip("tqdm")
    digits, _ = nn.datasets.digits()
    x, y = digits.x[:64], digits.y[:64]
    adam, sgd = nn.optim.Adam, nn.optim.SGD
    plane = np.random.default_rng(0).uniform(-1, 1, (64, 2)).astype(np.float32)
    sides = (plane[:, 0] * plane[:, 1] > 0).astype(int)
    for model, x_, y_, optimizer, lr in (
        (nn.Linear(64, 10), x, y, sgd, 0.5),
        (mlp(64, 64, 10), x, y, adam, 0.003),
        (mlp(64, 8, 10), x, y, adam, 0.003),
        (nn.Linear(2, 3), plane, sides, sgd, 0.5),
        (example("spirals").mlp(2, 32, 32, 2), plane, sides, adam, 0.01),
        (example("cnn").CNN((1, 8, 8), 10), x.reshape(-1, 1, 8, 8), y, adam, 0.003),
    ):
        optimizer = optimizer(model.parameters(), lr=lr)
        assert not look(model, CROSS_ENTROPY, x_, y_, 50, optimizer=optimizer).warnings


class Residual(nn.Module):
    """Branches that start at 0 on purpose, and a last layer that does."""

    def __init__(self):
        self.first = nn.Linear(8, 16)
        self.blocks = [[nn.LayerNorm(16), nn.Linear(16, 16), nn.Linear(16, 16)] for _ in range(3)]
        self.last = nn.Linear(16, 4)
        for layer in (self.last, *(block[2] for block in self.blocks)):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        x = self.first(x)
        for norm, one, two in self.blocks:
            x = x + two(one(norm(x)).relu())
        return self.last(x)


def test_zeros_that_will_not_stay_are_no_mistake():
    assert not look(Residual(), overfit_steps=60, lr=0.1).warnings
    regression = nn.Linear(8, 4)
    nn.init.zeros_(regression.weight)
    assert not look(regression, overfit_steps=60, lr=0.1).warnings


def test_indices_as_inputs():
    model = nn.Sequential(nn.Embedding(1000, 8), nn.Flatten(), nn.Linear(24, 4))
    x = np.random.default_rng(0).integers(0, 1000, (32, 3))
    report = look(model, x=x, overfit_steps=50)
    assert not report.findings
    assert [r.kind for r in report.layers] == ["Embedding", "Linear"]


# ---- broken networks ---------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.0, 0.1])
@pytest.mark.parametrize("act", [nn.ReLU, nn.Sigmoid])
def test_hidden_units_that_start_equal(value, act):
    model = mlp(8, 16, 4, act=act)
    for p in model.parameters():
        nn.init.constant_(p, value)
    report = look(model)
    finding = found(report, "equal-units")
    assert finding.severity == "warning"
    assert finding.layer == "0"
    assert finding.measured == {"units": 16}


def test_hidden_units_that_start_equal_in_a_module_of_ones_own():
    class ByHand(nn.Module):
        def __init__(self):
            self.w = nn.Parameter(np.full((8, 16), 0.1, np.float32))
            self.b = nn.Parameter(np.zeros(16, np.float32))
            self.v = nn.Parameter(np.full((16, 4), 0.1, np.float32))

        def forward(self, x):
            return (x @ self.w + self.b).tanh() @ self.v

    report = look(ByHand())
    assert warnings(report) == {"equal-units"}
    assert [(r.name, r.kind) for r in report.layers] == [
        ("matmul", "matmul"),
        ("tanh", "tanh"),
        ("matmul 2", "matmul"),
    ]


def test_relus_that_never_open():
    model = mlp(8, 16, 4)
    nn.init.constant_(model[0].bias, -100.0)
    report = look(model)
    finding = found(report, "dead-units")
    assert (finding.severity, finding.layer, finding.measured["share"]) == ("warning", "1", 1.0)
    assert report.layers[1].dead == 1
    assert report.layers[0].signal == 0


def test_a_relu_is_seen_without_its_module_and_by_channel():
    class Functional(nn.Module):
        def __init__(self):
            self.conv, self.linear = nn.Conv2d(1, 8, 3), nn.Linear(8 * 36, 4)

        def forward(self, x):
            return self.linear(self.conv(x).relu().flatten(1))

    model = Functional()
    nn.init.constant_(model.conv.bias, -100.0)
    model.conv.bias.data[:4] = 100.0
    report = look(model, x=np.random.default_rng(0).random((32, 1, 8, 8), np.float32))
    finding = found(report, "dead-units")
    assert (finding.severity, finding.layer) == ("note", "relu")
    assert finding.measured == {"share": 0.5, "units": 8, "examples": 32}


def test_units_are_counted_along_the_features_of_a_sequence():
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Flatten(), nn.Linear(80, 4))
    nn.init.constant_(model[0].bias, -100.0)
    model[0].bias.data[8:] = 0.0
    x = np.random.default_rng(0).standard_normal((32, 5, 8)).astype(np.float32)
    finding = found(look(model, x=x), "dead-units")
    assert (finding.measured["units"], finding.measured["share"]) == (16, 0.5)


def test_one_relu_for_all_layers_is_a_row_for_each():
    class Shared(nn.Module):
        def __init__(self):
            self.relu = nn.ReLU()
            self.layers = [nn.Linear(8, 16), nn.Linear(16, 16), nn.Linear(16, 4)]

        def forward(self, x):
            for layer in self.layers[:-1]:
                x = self.relu(layer(x))
            return self.layers[-1](x)

    model = Shared()
    nn.init.constant_(model.layers[1].bias, -100.0)
    report = look(model)
    assert [r.name for r in report.layers] == [
        "layers.0",
        "relu",
        "layers.1",
        "relu 2",
        "layers.2",
    ]
    assert found(report, "dead-units").layer == "relu 2"


@pytest.mark.parametrize("act", [nn.Tanh, nn.Sigmoid])
def test_units_at_the_flat_ends(act):
    model = mlp(8, 16, 4, act=act)
    model[0].weight.data *= 1000
    report = look(model)
    finding = found(report, "saturated-units")
    assert (finding.severity, finding.layer) == ("warning", "1")
    assert finding.measured["share"] == report.layers[1].saturated > 0.9


def test_gradients_that_explode_on_the_way_back():
    model = mlp(8, *[32] * 8, 4)
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=2.0)
    report = look(model)
    finding = found(report, "exploding-gradient")
    assert finding.severity == "warning"
    assert finding.measured["ratio"] > 1e4
    assert "loss-at-start" in warnings(report)


def test_gradients_that_vanish_on_the_way_back():
    report = look(mlp(8, *[16] * 9, 4, act=nn.Sigmoid))
    finding = found(report, "vanishing-gradient")
    assert (finding.severity, finding.layer) == ("warning", "0")
    first, last = report.layers[0], report.layers[-1]
    assert finding.measured["ratio"] == pytest.approx(first.signal / last.signal)
    assert first.vanished > 0.5 > last.vanished


def test_inputs_of_0_to_255():
    x = np.random.default_rng(0).integers(0, 256, (32, 8)).astype(np.float32)
    finding = found(look(mlp(8, 16, 4), x=x), "input-scale")
    assert (finding.severity, finding.layer) == ("warning", "0")
    assert "x / 255" in finding.advice
    assert not look(mlp(8, 16, 4), x=x / 255).warnings
    in_a_graph = Tensor(x, requires_grad=True) * 1
    assert "input-scale" in warnings(look(mlp(8, 16, 4), x=in_a_graph))
    normalised = nn.Sequential(nn.BatchNorm1d(8), *mlp(8, 16, 4))
    assert not look(normalised, x=x).findings  # the first weights never see the large values


def test_inputs_that_are_broken():
    x, _ = batch()
    x[3, 2:4] = np.nan
    report = look(mlp(8, 16, 4), x=x)
    assert warnings(report) == {"input-not-finite", "loss-not-finite"}
    assert found(report, "input-not-finite").measured == {"values": 2, "examples": 1}
    assert found(report, "loss-not-finite").layer == "0"
    assert "the loss is not finite" in str(look(mlp(8, 16, 4), x=x, overfit_steps=10))
    assert warnings(look(mlp(8, 4), x=np.ones((32, 8), np.float32))) == {"inputs-all-equal"}
    x, _ = batch()
    x[:, 5] = 3
    assert notes(look(mlp(8, 16, 4), x=x)) == {"constant-features"}


class Partly(nn.Module):
    """A layer that is never called, and one whose result goes nowhere."""

    def __init__(self):
        self.used, self.cut, self.forgotten = (nn.Linear(8, 4) for _ in range(3))

    def forward(self, x):
        return self.used(x) + self.cut(x).detach()


def test_parameters_that_the_loss_does_not_reach():
    report = look(Partly())
    assert {f.severity: f.measured["parameters"] for f in report.findings} == {
        "warning": ["cut.weight", "cut.bias"],
        "note": ["forgotten.weight", "forgotten.bias"],
    }
    frozen = Partly()
    frozen.cut.requires_grad_(False)
    frozen.forgotten.requires_grad_(False)
    assert not look(frozen).findings


def test_a_parameter_for_another_loss_is_no_mistake():
    class Policy(nn.Module):
        def __init__(self):
            self.mean, self.log_std = nn.Linear(8, 4), nn.Parameter(np.zeros(4, np.float32))

        def forward(self, x):
            return self.mean(x)

    report = look(Policy())
    assert (warnings(report), notes(report)) == (set(), {"unreached"})


def test_a_gradient_that_is_not_finite():
    class Root(nn.Linear):
        def forward(self, x):
            return (super().forward(x) * 0).sqrt()

    report = look(Root(8, 4))
    finding = found(report, "gradient-not-finite")
    assert finding.measured["parameters"] == ["weight", "bias"]
    assert report.layers[-1].exploded == 1


def test_nothing_to_learn():
    model = mlp(8, 4).requires_grad_(False)
    assert warnings(look(model, overfit_steps=10)) == {"no-gradient"}
    detached = lambda scores, y: CROSS_ENTROPY(scores.detach(), y)  # noqa: E731
    report = look(mlp(8, 4), detached, overfit_steps=10)
    assert warnings(report) == {"no-gradient"}
    assert "not tried: no gradient" in str(report)


def test_classes():
    one = look(mlp(8, 4), y=np.zeros(32, int))
    assert warnings(one) == {"one-class"}
    assert not look(mlp(8, 4), x=batch(8)[0], y=np.zeros(8, int)).warnings
    x, _ = batch(200)
    rare = look(mlp(8, 4), x=x, y=np.arange(200) // 196)
    assert notes(rare) == {"class-imbalance", "classes-without-examples"}
    assert found(rare, "classes-without-examples").measured == {"classes": [2, 3]}


def test_the_same_input_with_two_labels():
    x, y = batch(16)
    x, y = np.concatenate([x, x]), np.concatenate([y, (y + 1) % 4])
    report = look(mlp(8, 64, 4), x=x, y=y, overfit_steps=200)
    finding = found(report, "contradictory-targets")
    assert finding.measured["examples"] == 32
    assert finding.measured["lowest_loss"] == pytest.approx(np.log(2), abs=1e-4)
    assert report.run.best >= np.log(2) - 1e-4
    assert not report.warnings


@pytest.mark.parametrize(
    ("last", "loss_fn", "code"),
    [
        (nn.Softmax(), CROSS_ENTROPY, "softmax-before-loss"),
        (nn.Sigmoid(), CROSS_ENTROPY, "sigmoid-before-loss"),
        (nn.Softmax(), nn.CrossEntropyLoss(label_smoothing=0.1), "softmax-before-loss"),
        (nn.Softmax(), lambda p, y: p.cross_entropy(y), "softmax-before-loss"),
        (nn.Identity(), lambda z, y: z.softmax().cross_entropy(y), "softmax-before-loss"),
        (nn.Softmax(), nn.NLLLoss(), "not-log-probabilities"),
        (nn.ReLU(), nn.NLLLoss(), "not-log-probabilities"),
    ],
)
def test_an_output_that_does_not_fit_the_loss(last, loss_fn, code):
    model = nn.Sequential(*mlp(8, 16, 4), last)
    assert warnings(look(model, loss_fn)) == {code}


def test_an_output_that_does_not_fit_a_binary_loss():
    y = np.float32(batch()[1][:, None] % 2)
    model = nn.Sequential(nn.Linear(8, 1), nn.Sigmoid())
    for loss_fn in (nn.BCEWithLogitsLoss(), nn.BCEWithLogitsLoss(pos_weight=2.0)):
        assert warnings(look(model, loss_fn, y=y)) == {"sigmoid-before-loss"}
    assert not look(model, nn.BCELoss(), y=y).findings
    model[0].weight.data *= 1000  # sure of its answers, as a trained one may be
    assert not look(model, nn.BCELoss(), y=y).findings


def test_outputs_that_fit():
    for last, loss_fn in ((nn.LogSoftmax(), nn.NLLLoss()), (nn.Softmax(), nn.MSELoss())):
        y = np.eye(4, dtype=np.float32)[batch()[1]] if isinstance(loss_fn, nn.MSELoss) else None
        assert not look(nn.Sequential(nn.Linear(8, 4), last), loss_fn, y=y).findings
    twice = look(nn.Sequential(nn.Linear(8, 4), nn.LogSoftmax()))
    assert (warnings(twice), notes(twice)) == (set(), {"log-softmax-before-loss"})


def test_one_score_for_a_cross_entropy():
    assert "one-score" in warnings(look(mlp(8, 16, 1), y=np.zeros(32, int)))


def test_a_loss_that_starts_far_too_high():
    model = mlp(8, 16, 4)
    model[-1].weight.data *= 200
    assert not look(model.eval()).warnings
    finding = found(look(model.train()), "loss-at-start")
    assert finding.severity == "warning"
    assert finding.measured["equal_scores"] == pytest.approx(np.log(4))


# ---- steps -------------------------------------------------------------------------------------


def test_a_learning_rate_of_almost_nothing_and_one_far_too_large():
    model = mlp(8, 32, 4)
    for lr in (0.0, 1e-9):
        report = look(model, lr=lr, overfit_steps=60)
        assert warnings(report) == {"loss-stays"}
        assert "small-update" in notes(report)
    report = look(model, optimizer=nn.optim.SGD(model.parameters(), lr=300.0), overfit_steps=60)
    assert warnings(report) == {"loss-rises"}
    assert "large-update" in notes(report)
    assert not look(model, lr=0.1, overfit_steps=60).warnings


def test_a_model_that_does_not_use_its_input():
    class Deaf(nn.Module):
        def __init__(self):
            self.layers = mlp(8, 64, 4)

        def forward(self, x):
            return self.layers(x * 0)

    finding = found(look(Deaf(), overfit_steps=60), "cannot-overfit")
    assert finding.severity == "warning"
    assert finding.measured["same_answer"] == pytest.approx(np.log(4), abs=1e-4)
    assert "forward() uses x" in finding.advice


def test_a_model_too_small_for_the_batch_is_no_mistake():
    x = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]] * 8, np.float32)
    xor = (x[:, 0] != x[:, 1]).astype(int)
    assert not look(nn.Linear(2, 2), x=x, y=xor, overfit_steps=100).warnings


def test_the_update_ratio_is_that_of_the_first_step():
    model = mlp(8, 16, 4)
    x, y = batch()
    report = look(model, lr=0.5, overfit_steps=0)
    assert report.run is None
    CROSS_ENTROPY(model(Tensor(x)), y).backward()
    for i, row in ((0, report.layers[0]), (2, report.layers[2])):
        w = model[i].weight
        assert row.gradient_norm == pytest.approx(np.linalg.norm(w.grad), rel=1e-5)
        assert row.weight_norm == pytest.approx(np.linalg.norm(w.data), rel=1e-5)
        ratio = 0.5 * np.linalg.norm(w.grad) / np.linalg.norm(w.data)
        assert row.update_ratio == pytest.approx(ratio, rel=1e-3)
    assert look(model).layers[0].update_ratio is None


def test_what_the_loss_itself_calls():
    class TwoParts(nn.Module):
        def __init__(self):
            self.body, self.head = mlp(8, 16), nn.Sequential(nn.Linear(16, 4))

        def forward(self, x):
            return self.body(x).relu()

    model = TwoParts()
    report = look(model, lambda h, y: CROSS_ENTROPY(model.head(h), y), overfit_steps=10)
    assert not report.findings
    assert [r.name for r in report.layers] == ["body.0", "relu"]


def test_a_function_of_several_targets():
    x, y = batch()
    two = lambda z, ys: CROSS_ENTROPY(z, ys[0]) + z.square().mean() * ys[1]  # noqa: E731
    report = look(mlp(8, 16, 4), two, x, (y, 0.1), overfit_steps=50)
    assert not report.findings
    assert report.run.losses[-1] < report.loss


def test_no_run_where_a_copy_would_say_nothing():
    model = mlp(8, 4)
    penalty = lambda z, y: CROSS_ENTROPY(z, y) + model[0].weight.square().sum()  # noqa: E731
    report = look(model, penalty, overfit_steps=10)
    assert report.run is None
    assert "a copy does not do" in str(report)

    class Noisy(nn.Linear):
        def forward(self, x):
            return super().forward(x + default_generator().standard_normal(x.shape, np.float32))

    report = look(Noisy(8, 4), overfit_steps=10)
    assert report.run is None
    assert "chance" in str(report)


# ---- nothing is changed ------------------------------------------------------------------------


class Stateful(nn.Module):
    def __init__(self):
        self.net = nn.Sequential(
            nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 4)
        )
        self.calls = nn.Buffer(Tensor(0, dtype=int))
        self.times = 0
        self.kept = None

    def forward(self, x):
        self.calls = self.calls + 1
        self.times += 1
        self.kept = self.net(x)
        return self.kept


def state(model, optimizer):
    arrays = [np.array(t.data) for t in (*model.parameters(), *model.buffers())]
    arrays += [np.array(p.grad) for p in model.parameters()]
    arrays += [a for s in optimizer.state.values() for a in s.values()]
    keys = [(m.training, sorted(vars(m))) for m in model.modules()]
    return copy.deepcopy((arrays, keys, model.times, default_generator().bit_generator.state))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_changed(training, fails):
    x, y = batch()
    model = Stateful()
    optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
    CROSS_ENTROPY(model(Tensor(x)), y).backward()
    optimizer.step()
    model.kept = None
    model.train(training)
    gradients = [p.grad for p in model.parameters()]
    buffer = model.calls
    before = state(model, optimizer)
    given = Tensor(x, requires_grad=True)
    with no_grad():
        if fails:
            with pytest.raises(ValueError, match='reduction="mean"'):
                look(model, nn.CrossEntropyLoss(reduction="none"), given, y)
        else:
            report = look(model, CROSS_ENTROPY, given, y, 5, optimizer=optimizer)
            assert not report.warnings
            assert report.run.steps == 5
    np.testing.assert_equal(state(model, optimizer), before)
    assert all(p.grad is g for p, g in zip(model.parameters(), gradients, strict=True))
    assert model.calls is buffer
    assert given.grad is None


def test_hooks_stay_and_are_called():
    model, calls = mlp(8, 4), []
    model[0].register_forward_hook(lambda *call: calls.append(call))
    look(model)
    assert len(calls) >= 1
    calls.clear()
    model(Tensor(batch()[0]))
    assert len(calls) == 1
    assert len(model[0]._hooks.after) == 1
    assert len(look(model).findings) == 0


# ---- the report --------------------------------------------------------------------------------


def test_the_text_fits_a_terminal_and_says_what_to_do():
    model = nn.Sequential({"a_layer_with_a_very_long_name" * 3: nn.Linear(8, 4), "p": nn.Softmax()})
    report = look(model, lr=0.1, overfit_steps=10)
    text = str(report)
    assert max(map(len, text.splitlines())) <= 100
    assert "Sequential with CrossEntropyLoss, 32 examples: 1 warning" in text
    assert "ln 4 = 1.386" in text
    assert "10 steps of SGD(lr=0.1)" in text
    (finding,) = report.findings
    for part in (finding.code, finding.severity, finding.advice, "why:", "try:"):
        assert part in text
    assert "nothing to complain of" in str(look(mlp(8, 4)))


def test_the_page_is_whole_and_names_cannot_break_it():
    name = "<script>alert(1)</script>"
    model = nn.Sequential({name: nn.Linear(8, 16), "a&b": nn.ReLU(), "c": nn.Linear(16, 4)})
    nn.init.constant_(getattr(model, name).bias, -100.0)
    page = look(model).html()
    assert page.startswith("<!DOCTYPE html>")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "<th>a&amp;b</th>" in page
    for tag in ("table", "tr", "li", "div", "p", "b", "dl"):
        assert page.count(f"<{tag}>") + page.count(f"<{tag} ") == page.count(f"</{tag}>")


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((lambda x: x, CROSS_ENTROPY), {}, TypeError, "Module"),
        ((nn.Linear(8, 4), 3), {}, TypeError, "loss_fn"),
        ((nn.Linear(8, 4), lambda z, y: 3.0), {}, ValueError, "a float"),
        ((nn.Linear(8, 4), nn.CrossEntropyLoss(reduction="none")), {}, ValueError, r"\(32,\)"),
        ((nn.Linear(8, 4), CROSS_ENTROPY), {"overfit_steps": -1}, ValueError, "-1"),
        ((nn.Linear(8, 4), CROSS_ENTROPY), {"x": np.zeros((0, 8))}, ValueError, r"\(0, 8\)"),
        (
            (nn.Linear(8, 4), CROSS_ENTROPY),
            {"optimizer": nn.optim.SGD([nn.Parameter([1.0])], lr=1.0)},
            ValueError,
            "none of the model's parameters",
        ),
    ],
)
def test_what_cannot_be_diagnosed(arguments, options, error, message):
    with pytest.raises(error, match=message):
        look(*arguments, **options)


def test_a_learning_rate_or_an_optimizer():
    model = nn.Linear(8, 4)
    with pytest.raises(TypeError, match="not both"):
        look(model, lr=0.1, optimizer=nn.optim.SGD(model.parameters(), lr=0.1))
