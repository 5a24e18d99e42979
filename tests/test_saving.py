"""Saving and loading: what comes back, and what a damaged or hostile file does."""

import io
import json
import pickle
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nn
from tinygrad_sm import Tensor, default_generator, manual_seed


def small_model():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))


def assert_same(a, b):
    """Equal to the last bit, in kind too."""
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, np.ndarray):
        assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
        assert b.flags.writeable
        assert b.flags.c_contiguous
    else:
        assert repr(a) == repr(b)


# ---- what comes back ---------------------------------------------------------------------------


def test_a_model_comes_back(tmp_path):
    model, other = small_model(), small_model()
    model(Tensor(np.arange(12.0).reshape(4, 3)))
    path = tmp_path / "weights.npz"
    nn.save(model, path)
    state = nn.load(str(path))
    assert_same(state, model.state_dict())
    other.load_state_dict(state)
    assert_same(other.state_dict(), model.state_dict())
    with np.load(path, allow_pickle=False) as file:  # a plain file of NumPy's
        assert_same(dict(file), state)


def test_a_file_of_numpys(tmp_path):
    arrays = {"weight": np.ones((2, 3), np.float16), "bias": np.asfortranarray(np.eye(3))}
    np.savez(tmp_path / "a.npz", big_endian=np.arange(3, dtype=">i4"), **arrays)
    state = nn.load(tmp_path / "a.npz")
    assert state["bias"].tolist() == np.eye(3).tolist()
    assert_same(state["big_endian"], np.arange(3, dtype=np.int32))
    assert state["weight"].dtype == np.float16


numbers = st.sampled_from(["?", "i1", "u8", "i8", "f2", "f4", "f8"]).map(np.dtype)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    hnp.arrays(numbers, hnp.array_shapes(min_dims=0, min_side=0, max_side=3)),
)
keys = st.integers() | st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=4)
states = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(keys, inner, max_size=3),
    ),
    max_leaves=8,
)


@given(state=states)
def test_nested_state_comes_back(tmp_path_factory, state):
    path = tmp_path_factory.mktemp("nested") / "state.npz"
    nn.save(state, path)
    assert_same(nn.load(path), state)


def test_what_becomes_an_array(tmp_path):
    path = tmp_path / "a.npz"
    state = OrderedDict(t=Tensor([1.0]), n=np.float64(2), p=nn.Linear(1, 1))
    nn.save(state, path)
    back = nn.load(path)
    assert_same(back["t"], np.float32([1]))
    assert_same(back["n"], np.array(2.0))
    assert list(back["p"]) == ["weight", "bias"]


def test_the_same_state_gives_the_same_file(tmp_path):
    model = small_model()
    for name in "ab":
        nn.save({"model": model, "epoch": 3}, tmp_path / f"{name}.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize(
    ("state", "error", "message"),
    [
        ({"a": {"b": object()}}, TypeError, "at 'a.b' is a object"),
        ({"a": np.array(["text"])}, TypeError, "at 'a' is dtype <U4"),
        ({"a": np.array([None])}, TypeError, "at 'a' is dtype object"),
        ({1.5: 1}, TypeError, "key 1.5 at '' is no string and no int"),
        ({"a\0b": np.ones(1)}, ValueError, "cannot be named"),
    ],
    ids=["an object", "text", "object array", "key", "name"],
)
def test_what_cannot_be_saved_leaves_the_file_as_it_was(tmp_path, state, error, message):
    path = tmp_path / "a.npz"
    nn.save({"a": 1}, path)
    with pytest.raises(error, match=message):
        nn.save(state, path)
    assert nn.load(path) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]  # nothing half written beside it


@pytest.mark.parametrize("call", [lambda path: nn.save({}, path), nn.load])
@pytest.mark.parametrize("name", ["weights.pt", "weights", "weights.pkl"])
def test_other_kinds_of_files(tmp_path, call, name):
    with pytest.raises(ValueError, match=r"ends in \.npz or \.safetensors"):
        call(tmp_path / name)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        nn.load(tmp_path / "none.npz")


# ---- stop and go on ----------------------------------------------------------------------------

OPTIMIZERS = {
    "momentum": lambda p: nn.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "Adam": lambda p: nn.optim.Adam(p, lr=0.01, amsgrad=True),
    "groups": lambda p: nn.optim.AdamW([{"params": [q], "lr": 0.01} for q in p], weight_decay=0.1),
    "RMSprop": lambda p: nn.optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
}


class Training:
    """All that changes while a model learns, random numbers included."""

    def __init__(self, make_optimizer, seed):
        manual_seed(seed)
        self.model = nn.Sequential(
            nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2)
        )
        self.optimizer = make_optimizer(self.model.parameters())
        self.schedule = nn.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, T_max=5)
        rng = np.random.default_rng(0)
        x = rng.normal(size=(40, 3)).astype(np.float32)
        self.loader = nn.DataLoader((x, (x[:, 0] > 0).astype(int)), batch_size=8, shuffle=True)

    def epoch(self):
        for x, y in self.loader:
            self.optimizer.zero_grad()
            self.model(x).cross_entropy(y).backward()
            self.optimizer.step()
        self.schedule.step()

    def save(self, path):
        random = default_generator().bit_generator.state
        nn.save(vars(self) | {"loader": None, "random": random}, path)

    def load(self, path):
        state = nn.load(path)
        for name in ("model", "optimizer", "schedule"):
            getattr(self, name).load_state_dict(state[name])
        default_generator().bit_generator.state = state["random"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_to_the_same_bits(tmp_path, name):
    straight = Training(OPTIMIZERS[name], seed=1)
    for _ in range(3):
        straight.epoch()

    first = Training(OPTIMIZERS[name], seed=1)
    first.epoch()
    first.epoch()
    first.save(tmp_path / "training.npz")

    second = Training(OPTIMIZERS[name], seed=2)  # a new process would have another seed
    second.epoch()
    second.load(tmp_path / "training.npz")
    second.epoch()

    for part in ("model", "optimizer", "schedule"):
        there, here = (getattr(t, part).state_dict() for t in (straight, second))
        assert_same(here, there)


# ---- damaged and hostile files -----------------------------------------------------------------


class Bomb:
    """Says so if it is unpickled."""

    def __reduce__(self):
        return exec, ("raise SystemExit('unpickled')",)


def npy(array, **options):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, **options)
    return stream.getvalue()


def header(descr, shape, data=b"", fortran=False):
    text = repr({"descr": descr, "fortran_order": fortran, "shape": shape}).encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def archive(compression=zipfile.ZIP_STORED, **parts):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as file:
        for name, content in parts.items():
            file.writestr(name.replace("__", "."), content)
    return stream.getvalue()


def overlapping():
    """Many parts that are the same bytes of the file: a small file that holds much."""
    data = npy(np.zeros(1000))
    whole = archive(a__npy=data)
    start = whole.index(b"PK\x01\x02")
    end = whole.index(b"PK\x05\x06")
    entry = whole[start:end]
    entries = b"".join(entry.replace(b"a.npy", b"%c.npy" % (97 + i)) for i in range(20))
    tail = bytearray(whole[end:])
    tail[8:10] = tail[10:12] = (20).to_bytes(2, "little")
    tail[12:16] = len(entries).to_bytes(4, "little")
    return whole[:start] + entries + bytes(tail)


def shortened():
    """One part is swallowed by the comment on the part before it."""
    whole = bytearray(archive(a__npy=GOOD, b__npy=GOOD))
    first = whole.index(b"PK\x01\x02")
    second = whole.index(b"PK\x01\x02", first + 1)
    whole[first + 32 : first + 34] = (whole.index(b"PK\x05\x06") - second).to_bytes(2, "little")
    return bytes(whole)


deep = "[" * 100_000
GOOD = npy(np.ones(3))
HOSTILE = {
    "empty": b"",
    "text": b"these are no weights",
    "a pickle": pickle.dumps(Bomb()),
    "an object array": archive(a__npy=npy(np.array([Bomb()]), allow_pickle=True)),
    "an object array that says it is not": archive(a__npy=header("|O", (1,), pickle.dumps(Bomb()))),
    "a structured dtype": archive(a__npy=npy(np.zeros(2, [("x", "f8")]))),
    "text in an array": archive(a__npy=npy(np.array(["a"]))),
    "complex numbers": archive(a__npy=npy(np.ones(2, complex))),
    "dates": archive(a__npy=npy(np.zeros(2, "M8[s]"))),
    "a part that is no array": archive(a__npy=GOOD, readme__txt=b"hello"),
    "a path": archive(**{"../../a": GOOD}),
    "more shape than bytes": archive(a__npy=header("<f8", (10**6,), b"\0" * 8)),
    "a huge shape": archive(a__npy=header("<f8", (2**62, 4))),
    "a shape that wraps to nothing": archive(a__npy=header("<f8", (2**32, 2**32))),
    "a negative shape": archive(a__npy=header("<f8", (-1,), b"\0" * 8)),
    "two negative lengths": archive(a__npy=header("<f8", (-1, -1), b"\0" * 8)),
    "a shape of nan": archive(a__npy=header("<f8", (float("nan"),), b"\0" * 8)),
    "a shape of text": archive(a__npy=header("<f8", ("3",), b"\0" * 24)),
    "less shape than bytes": archive(a__npy=header("<f8", (1,), b"\0" * 16)),
    "an unknown dtype": archive(a__npy=header("<f7", (1,), b"\0" * 7)),
    "code in a header": archive(a__npy=header("<f8", ()).replace(b"'<f8'", b"exit()")),
    "version 9": archive(a__npy=GOOD.replace(b"NUMPY\x01", b"NUMPY\x09")),
    "a compressed bomb": archive(zipfile.ZIP_DEFLATED, a__npy=npy(np.zeros(10**6))),
    "parts over each other": overlapping(),
    "a part that is not listed": shortened(),
    "unknown structure": archive(structure__json=b'{"pickle": "a"}'),
    "structure of two kinds": archive(structure__json=b'{"list": [], "dict": []}'),
    "a missing array": archive(structure__json=b'{"array": "a"}'),
    "keys that are lists": archive(structure__json=b'{"dict": [[[], 1]]}'),
    "no structure": archive(structure__json=b"{"),
    "deep structure": archive(structure__json=deep.encode()),
    "a number without end": archive(structure__json=b"9" * 10_000),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_file_is_a_clear_error(tmp_path, what):
    path = tmp_path / "weights.npz"
    path.write_bytes(HOSTILE[what])
    with pytest.raises(ValueError, match=r"weights\.npz cannot be read as \.npz: \w+: ."):
        nn.load(path)


def test_two_parts_of_one_name(tmp_path):
    path = tmp_path / "weights.npz"
    path.write_bytes(archive(a__npy=GOOD, b__npy=GOOD).replace(b"b.npy", b"a.npy"))
    with pytest.raises(ValueError, match="the same name"):
        nn.load(path)


def saved_bytes(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "a.npz"
    manual_seed(0)
    nn.save({"model": small_model(), "numbers": [1, 2.5, "x"]}, path)
    return path, path.read_bytes()


@given(data=st.data())
def test_a_damaged_file_is_an_error_or_still_says_the_same(tmp_path_factory, data):
    path, good = saved_bytes(tmp_path_factory)
    expected = nn.load(path)
    bad = bytearray(good)
    if data.draw(st.booleans()):
        del bad[data.draw(st.integers(0, len(bad) - 1)) :]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            bad[data.draw(st.integers(0, len(bad) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bad)
    try:
        state = nn.load(path)
    except ValueError:
        return
    assert sorted(state) == sorted(expected)  # the bytes that changed were dates or attributes
    assert_same(state, expected)


def test_a_file_that_does_not_fit_leaves_the_model_as_it_was(tmp_path):
    model, path = small_model(), tmp_path / "a.npz"
    before = model.state_dict()
    state = model.state_dict()
    state["0.weight"] += 1
    state["3.weight"] = state["3.weight"].T
    nn.save(state, path)
    with pytest.raises(ValueError, match=r"3\.weight: has shape \(4, 2\), needed is \(2, 4\)"):
        model.load_state_dict(nn.load(path))
    assert_same(model.state_dict(), before)


# ---- .safetensors ------------------------------------------------------------------------------


def test_without_the_library_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r"pip install 'tinygrad-sm\[safetensors\]'"):
        nn.save({"a": np.ones(1)}, tmp_path / "a.safetensors")
    (tmp_path / "a.safetensors").write_bytes(b"")
    with pytest.raises(ImportError, match="pip install"):
        nn.load(tmp_path / "a.safetensors")


def test_safetensors(tmp_path):
    pytest.importorskip("safetensors")
    model, path = small_model(), tmp_path / "a.safetensors"
    nn.save(model, path)
    state = nn.load(path)
    for name, array in model.state_dict().items():
        assert_same(state[name], array)
    with pytest.raises(ValueError, match=r"nested state goes into a \.npz"):
        nn.save({"epoch": 1}, path)
    assert sorted(nn.load(path)) == sorted(state)


def safetensors_file(names, data=b"\0" * 8):
    text = json.dumps(names).encode()
    return len(text).to_bytes(8, "little") + text + data


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        safetensors_file({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, b""),
        safetensors_file({"a": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 8]}}),
        safetensors_file({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 8]}}),
        safetensors_file({"a": {"dtype": "O", "shape": [1], "data_offsets": [0, 8]}}),
        safetensors_file({"a": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}}),
        pickle.dumps(Bomb()),
    ],
)
def test_hostile_safetensors(tmp_path, content):
    pytest.importorskip("safetensors")
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot be read as \.safetensors"):
        nn.load(path)
