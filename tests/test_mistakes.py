"""docs/mistakes.md: every program in it does what is written there, and every code is in it."""

import re
import subprocess
import sys
import warnings
import weakref
from pathlib import Path

import numpy as np
import pytest

import nn
import tinygrad_sm
from nn.datasets.dataset import Dataset
from tinygrad_sm import Tensor, TrainingWarning, manual_seed, no_grad, randn

ROOT = Path(tinygrad_sm.__file__).parent.parent
PAGE = ROOT / "docs" / "mistakes.md"
if not PAGE.exists():
    pytest.skip("the documentation is not here", allow_module_level=True)
INTRODUCTION, *SECTIONS = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.M)
SETUP = re.findall(r"```python\n(.*?)```", INTRODUCTION, re.S)[1]
BLOCKS = re.compile(r"```\w+\n(.*?)```", re.S)
MISTAKES = {s.split("\n")[0]: BLOCKS.findall(s) for s in SECTIONS}


def run(program, filename="program.py"):
    """What a program raised or warned of, and the line of it."""
    names = {"__name__": "program"}
    exec(SETUP, names)
    try:
        exec(compile(program, filename, "exec"), names)
    except Exception as error:
        frame, line = error.__traceback__, None
        while frame is not None:
            if frame.tb_frame.f_code.co_filename == filename:
                line = frame.tb_lineno
            frame = frame.tb_next
        return error, line
    return None, None


@pytest.mark.parametrize("code", MISTAKES)
def test_the_wrong_program_is_told_so(code):
    wrong, said, _ = MISTAKES[code]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        error, line = run(wrong)
    text = f"{error} {' '.join(getattr(error, '__notes__', ()))}"
    if error is None:
        found = [w for w in caught if w.category is TrainingWarning]
        assert {w.message.code for w in found} == {code}
        assert {w.filename for w in found} == {"program.py"}
        text, line = str(found[0].message), found[0].lineno
        assert text.startswith(f"[{code}] ")
    else:
        assert error.code == code
        assert f"[{code}]" in text
        assert not caught
    for part in said.strip().split("\n"):
        assert part in text
    if len(wrong.split("\n")) == 2:
        assert line == 1


@pytest.mark.parametrize("code", MISTAKES)
def test_the_right_program_is_silent(code):
    error, _ = run(MISTAKES[code][2])  # warnings are errors
    assert error is None


def test_every_code_is_explained():
    files = [*(ROOT / "tinygrad_sm").rglob("*.py"), *(ROOT / "nn").rglob("*.py")]
    codes = set()
    for path in files:
        source = path.read_text(encoding="utf-8")
        codes |= set(re.findall(r'coded\([^"]*?"([a-z0-9-]+)"\)', source))
        codes |= set(re.findall(r'warn\(\s*"([a-z0-9-]+)"', source))
        codes |= set(re.findall(r'\bcode = "([a-z0-9-]+)"', source))
    assert codes <= set(MISTAKES)
    assert {c for c in MISTAKES if c.startswith("labels")} >= {"labels-from-1", "labels-one-hot"}


# The same mistakes as others write them: the program, its code, what is said.
VARIANTS = [
    ("loss_fn(model(x).sigmoid(), labels)", "probabilities-as-scores", "result of sigmoid"),
    ("loss_fn(model(x).sigmoid(), labels)", "probabilities-as-scores", "applies a softmax"),
    ("loss_fn(model(x).log_softmax(1), labels)", "probabilities-as-scores", "of log_softmax"),
    ("loss_fn(model(x).softmax(1)[:2], labels[:2])", "probabilities-as-scores", "of softmax"),
    ("loss_fn(model(x).softmax(1).reshape(4, 3), labels)", "probabilities-as-scores", "softmax"),
    ("loss_fn(nn.Softmax(1)(model(x)), labels)", "probabilities-as-scores", "leave softmax out"),
    ("loss_fn(model(x), [0, -1, 2, 1])", "labels-out-of-range", "pass ignore_index=-1"),
    ("loss_fn(model(x), [0, 1, 2, 3])", "labels-out-of-range", "label 3 at row 3"),
    ("nn.NLLLoss()(model(x).log_softmax(1), [1, 2, 3, 1])", "labels-from-1", "labels - 1"),
    ("nn.BCEWithLogitsLoss()(x[:, :1], np.ones(4))", "loss-of-other-shape", "squeeze(-1)"),
    ("nn.L1Loss()(x[:, :1], x[:, 0])", "loss-of-other-shape", "(4, 1)"),
    ("nn.Softmax(x)", "module-not-made", "nn.Softmax(…)(x)"),
    ("nn.Linear(x)", "module-not-made", "Make the module first"),
    ("nn.CrossEntropyLoss(model(x), labels)", "module-not-made", "nn.CrossEntropyLoss(…)(x, y)"),
    ("activation = nn.ReLU\nactivation(x)", "module-not-made", "nn.ReLU(…)(x)"),
    ("if x == x: pass", "many-for-one", "neither true nor false"),
    ("while x > 0: pass", "many-for-one", ".all() or .any()"),
    ("float(x)", "many-for-one", "shape (4, 3)"),
    ("for value in x.sum(): pass", "many-for-one", "x.item()"),
    ("x.cuda()", "other-spelling", "CPU"),
    ("x.to('cuda')", "other-spelling", "CPU"),
    ("model.to('cuda')", "other-spelling", "CPU"),
    ("x.size()", "other-spelling", "x.shape"),
    ("x.add_(1)", "other-spelling", "x = x.add(…)"),
    ("x.softmax(dim=1)", "other-spelling", "axis="),
    ("x.max(dim=1)", "other-spelling", "axis="),
    ("np.sum(x)", "other-spelling", "x.sum()"),
    ("nn.Softmax(dim=1)", "other-spelling", "axis="),
    ("nn.Flatten(start_dim=1)", "other-spelling", "start_axis="),
    ("nn.ReLU(inplace=True)", "other-spelling", "leave it out"),
    ("nn.functional.relu(x)", "other-spelling", "x.relu()"),
    ("import tinygrad_sm\ntinygrad_sm.flatten(x, 1)", "other-spelling", "x.flatten(…)"),
    ("import tinygrad_sm\ntinygrad_sm.cuda.is_available()", "other-spelling", "CPU"),
    ("nn.Embedding(3, 2).cuda()", "other-spelling", "Embedding has no 'cuda'"),
    ("import tinygrad_sm\ntinygrad_sm.cat([x, x], dim=1)", "other-spelling", "axis="),
    ("import tinygrad_sm\ntinygrad_sm.Value(2.0)", "other-spelling", "Tensor(2.0"),
    (
        "y = x * model[0].weight[:4]\nmodel[0].weight.data *= 2\ny.backward(y)",
        "values-changed",
        "by an",
    ),
    ("model(randn(2, 4))", "shape-in-model", "in 0 Linear(in_features=3"),
]


@pytest.mark.parametrize(("program", "code", "said"), VARIANTS)
def test_a_variant_is_told_so_too(program, code, said):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        error, line = run(program)
    found = error or caught[0].message
    assert found.code == code
    assert said in f"{found} {' '.join(getattr(error, '__notes__', ()))}"
    assert (line if error else caught[0].lineno) == len(program.split("\n"))


@pytest.mark.parametrize("name", ["shape", "clone", "size", "no_such_name"])
def test_what_is_no_method_is_not_called_one(name):
    with pytest.raises(AttributeError, match=f"no attribute '{name}'"):
        getattr(tinygrad_sm, name)


def test_a_note_of_the_user_stays_where_it_is():
    class Net(nn.Module):
        def __init__(self):
            self.inner = nn.Linear(3, 3)

        def forward(self, x):
            try:
                return self.inner(x)
            except ValueError as error:
                error.add_note("the user's own")
                raise

    with pytest.raises(ValueError, match="linear") as caught:
        nn.Sequential(Net())(randn(2, 4))
    *_, own, path = caught.value.__notes__
    assert own == "the user's own"
    assert path.startswith("in 0.inner Linear(")
    assert sum(note.startswith("in ") for note in caught.value.__notes__) == 1


# ---- silence where all is right ----------------------------------------------------------------


def network():
    manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 3))
    return model, randn(32, 3), np.arange(32) % 3


def test_gradients_of_several_passes_may_be_summed():
    model, x, y = network()
    optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(3):
        for i in range(0, 32, 8):
            (nn.CrossEntropyLoss()(model(x[i : i + 8]), y[i : i + 8]) / 4).backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("how", ["to none", "to zero", "by hand", "in place", "model"])
def test_gradients_can_be_forgotten_in_many_ways(how):
    model, x, y = network()
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(4):
        if how == "model":
            model.zero_grad()
        elif how.startswith("to"):
            optimizer.zero_grad(set_to_none=how == "to none")
        for p in model.parameters():
            if how == "by hand":
                p.grad = None
            elif how == "in place" and p.grad is not None:
                p.grad[...] = 0
        nn.CrossEntropyLoss()(model(x), y).backward()
        optimizer.step()


def test_tensors_as_settings_by_place():
    nn.CrossEntropyLoss(Tensor([1.0, 2.0, 1.0]), -100)
    nn.NLLLoss(np.ones(3), 2, "sum")
    nn.BCEWithLogitsLoss(np.ones(1), "mean", np.ones(1))


def test_a_dead_proxy_in_the_program_does_no_harm():
    model, x, y = network()
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    gone = nn.Linear(1, 1)
    proxy = weakref.proxy(gone)
    del gone
    loss = nn.CrossEntropyLoss()(model(x), y)
    with pytest.warns(TrainingWarning, match="step-before-backward"):
        optimizer.step()
    del loss, proxy


def test_two_networks_against_each_other():
    """The gradients that a generator's loss leaves in the discriminator are never used."""
    manual_seed(0)
    maker, judge = nn.Linear(2, 3), nn.Linear(3, 1)
    of_maker = nn.optim.SGD(maker.parameters(), lr=0.1)
    of_judge = nn.optim.SGD(judge.parameters(), lr=0.1)
    loss_fn = nn.BCEWithLogitsLoss()
    for _ in range(4):
        judge.zero_grad()
        loss_fn(judge(randn(4, 3)), Tensor(np.ones((4, 1)))).backward()
        made = maker(randn(4, 2))
        loss_fn(judge(made.detach()), Tensor(np.zeros((4, 1)))).backward()
        of_judge.step()
        maker.zero_grad()
        loss_fn(judge(maker(randn(4, 2))), Tensor(np.ones((4, 1)))).backward()
        of_maker.step()


def test_a_schedule_may_be_run_without_a_loss():
    optimizer = nn.optim.SGD([nn.Parameter([1.0])], lr=1.0)
    schedule = nn.optim.StepLR(optimizer, 2)
    rates = []
    for _ in range(6):
        optimizer.step()
        schedule.step()
        rates.append(optimizer.lr)
    assert rates[0] > rates[-1]


def test_a_training_loop_as_in_the_tutorials():
    """Batches, a running loss, a schedule, an evaluation in each epoch."""
    model, x, y = network()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = nn.optim.StepLR(optimizer, 10)
    batches = nn.DataLoader(Dataset(x.numpy(), y), batch_size=8, shuffle=True)
    accuracy = 0.0
    for _ in range(30):
        model.train()
        running_loss = 0.0
        for inputs, labels in batches:
            optimizer.zero_grad()
            outputs = model(inputs)
            loss = loss_fn(outputs, labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item() * len(inputs)
        schedule.step()
        model.eval()
        with no_grad():
            scores = model(x)
            probabilities = scores.softmax(axis=1)
            accuracy = (probabilities.argmax(axis=1) == y).float().mean().item()
            loss_fn(scores, y).item()
    assert running_loss < 32 * np.log(3)
    assert 0 <= accuracy <= 1


def test_a_loop_that_keeps_the_running_loss_of_every_hundred_batches():
    """Parameters by hand, a loss printed now and then, an evaluation without gradients."""
    model, x, y = network()
    criterion, optimizer = nn.CrossEntropyLoss(), nn.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(2):
        running = 0.0
        for i in range(200):
            rows = np.arange(i, i + 4) % 32
            optimizer.zero_grad()
            loss = criterion(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
            running += loss.item()
            if i % 100 == 99:
                running = 0.0
    assert running == 0


def test_gradient_descent_by_hand_on_bare_tensors():
    manual_seed(0)
    weights, bias = randn(3, 3, requires_grad=True), Tensor([0.0] * 3, requires_grad=True)
    x, y = randn(32, 3), np.arange(32) % 3
    for _ in range(40):
        loss = -(x @ weights + bias).log_softmax(-1)[np.arange(32), y].mean()
        loss.backward()
        with no_grad():
            weights.data -= 0.5 * weights.grad
            bias.data -= 0.5 * bias.grad
            weights.grad = bias.grad = None
    assert loss.item() < 1.2


def test_losses_of_several_tasks_may_be_alive_together():
    model, x, y = network()
    losses = [nn.CrossEntropyLoss()(model(x), y) for _ in range(300)]
    for loss in losses:
        loss.backward()


def test_a_warning_is_switched_off_by_its_code():
    program = (
        "import warnings, nn\n"
        "from tinygrad_sm import randn\n"
        "warnings.filterwarnings('ignore', message=r'\\[probabilities-as-scores\\]')\n"
        "nn.CrossEntropyLoss()(randn(2, 3, requires_grad=True).softmax(1), [0, 1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
