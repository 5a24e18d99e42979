"""Data sets: the bundled digits, generated points, and image collections in files."""

import copy
import gzip
import hashlib
import io
import pickle
import struct
import tarfile

import numpy as np
import pytest
from file_server import serve

import nn
from nn.datasets import Dataset, formats, images, sources
from nn.datasets.download import RemoteFile

# ---- digits ------------------------------------------------------------------------------------


def test_digits_are_what_their_documentation_says():
    train, test = nn.datasets.digits()
    assert train.x.shape == (1438, 64)
    assert test.x.shape == (359, 64)
    assert train.x.dtype == np.float32
    assert train.y.dtype == np.int64
    assert (train.x.min(), train.x.max()) == (0, 1)
    assert set(train.y) == set(range(10))


def test_digits_are_those_of_scikit_learn():
    source = pytest.importorskip("sklearn.datasets").load_digits()
    parts = nn.datasets.digits()
    x, y = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    ours = sorted(zip((x * 16).astype(int).tolist(), y.tolist(), strict=True))
    theirs = sorted(zip(source.data.astype(int).tolist(), source.target.tolist(), strict=True))
    assert ours == theirs


def test_an_image_can_keep_its_shape_and_classes_have_names():
    flat, images = (nn.datasets.digits(flatten=flatten) for flatten in (True, False))
    for a, b, rows in zip(flat, images, (1438, 359), strict=True):
        assert b.x.shape == (rows, 1, 8, 8)
        np.testing.assert_array_equal(a.x, b.x.reshape(rows, 64))
        assert b.classes == tuple("0123456789")


def test_the_split_depends_on_the_seed_alone():
    first, again, other = (nn.datasets.digits(seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first[1].x, again[1].x)
    assert not np.array_equal(first[1].x, other[1].x)


@pytest.mark.parametrize("fraction", [0.1, 0.5])
def test_each_class_has_its_share_in_the_test_part(fraction):
    train, test = nn.datasets.digits(test_fraction=fraction)
    counts = np.bincount(test.y) / (np.bincount(test.y) + np.bincount(train.y))
    assert counts == pytest.approx(np.full(10, fraction), abs=0.005)


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 20])
def test_a_part_that_is_no_part_is_an_error(fraction):
    with pytest.raises(ValueError, match=f"between 0 and 1, got {fraction}"):
        nn.datasets.digits(test_fraction=fraction)


# ---- Dataset -----------------------------------------------------------------------------------


def test_a_dataset_is_a_pair_with_names():
    data = Dataset(np.arange(6.0).reshape(3, 2), np.arange(3), ["a", "b", "c"])
    x, y = data
    assert (x is data.x, y is data.y, data.classes) == (True, True, ("a", "b", "c"))
    some = data.take([2, 0])
    assert (some.x.tolist(), some.y.tolist(), some.classes) == (
        [[4, 5], [0, 1]],
        [2, 0],
        data.classes,
    )
    assert not np.shares_memory(data.take(slice(2)).x, data.x)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))])
def test_a_dataset_is_copied_with_its_names(copied):
    data = Dataset(np.zeros((1, 2)), np.zeros(1), ["a"])
    assert copied(data).classes == ("a",)
    assert copied(data).x.tolist() == data.x.tolist()


# ---- generated points --------------------------------------------------------------------------

GENERATED = {
    "moons": nn.datasets.moons,
    "circles": nn.datasets.circles,
    "blobs": nn.datasets.blobs,
    "spirals": nn.datasets.spirals,
    "xor": nn.datasets.xor,
}
generated = pytest.mark.parametrize("make", GENERATED.values(), ids=GENERATED)


@generated
@pytest.mark.parametrize("n", [50, 101])
def test_generated_points(make, n):
    data, again, other = make(n), make(n, seed=0), make(n, seed=1)
    assert (data.x.shape, data.x.dtype, data.y.dtype) == ((n, 2), np.float32, np.int64)
    counts = np.bincount(data.y)
    assert counts.max() - counts.min() <= 1
    assert (np.diff(data.y) != 0).sum() > n / 5  # in random order
    np.testing.assert_array_equal(data.x, again.x)
    assert not np.array_equal(data.x, other.x)


@generated
def test_noise_is_a_standard_deviation(make):
    far = make(20_000, noise=3.0)
    spread = np.mean([far.x[far.y == k].var(axis=0) for k in set(far.y)])
    clean = make(20_000, noise=0)
    spread_before = np.mean([clean.x[clean.y == k].var(axis=0) for k in set(clean.y)])
    assert spread - spread_before == pytest.approx(9, rel=0.05)


@generated
def test_a_generator_is_a_seed(make):
    generator = np.random.default_rng(0)
    first, second = make(seed=generator), make(seed=generator)
    np.testing.assert_array_equal(first.x, make(seed=0).x)
    assert not np.array_equal(first.x, second.x)


@generated
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n": 0}, ValueError, "at least 1 for each of the . classes, got 0"),
        ({"n": 2.5}, TypeError, "whole number, got 2.5"),
        ({"noise": -1}, ValueError, "at least 0, got -1"),
        ({"noise": np.nan}, ValueError, "at least 0, got nan"),
    ],
)
def test_mistakes_with_points(make, options, error, message):
    with pytest.raises(error, match=message):
        make(**options)


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (nn.datasets.circles, {"factor": 1}, "below 1, got 1"),
        (nn.datasets.spirals, {"arms": 0}, "arms is at least 1, got 0"),
        (nn.datasets.blobs, {"centers": 0}, "centers is at least 1, got 0"),
        (nn.datasets.blobs, {"centers": [1.0, 2.0]}, r"got shape \(2,\)"),
        (nn.datasets.blobs, {"centers": [[]]}, r"got shape \(1, 0\)"),
    ],
)
def test_mistakes_with_one_kind_of_points(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


@pytest.mark.parametrize("n", [10, 11])
@pytest.mark.parametrize("name", ["moons", "circles"])
def test_moons_and_circles_are_those_of_scikit_learn(name, n):
    theirs = getattr(pytest.importorskip("sklearn.datasets"), f"make_{name}")(n)
    x, y = GENERATED[name](n, noise=0)
    ours, theirs = (sorted(np.column_stack(xy).round(5).tolist()) for xy in ((x, y), theirs))
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_blobs_lie_where_they_are_put():
    x, y = nn.datasets.blobs(3000, noise=0.5, centers=[[0, 0, 1], [9, 0, 0]])
    for k, place in enumerate([[0, 0, 1], [9, 0, 0]]):
        assert x[y == k].mean(axis=0) == pytest.approx(place, abs=0.05)
        assert x[y == k].std(axis=0) == pytest.approx([0.5] * 3, abs=0.05)


def test_spirals_wind_around_the_middle():
    x, y = nn.datasets.spirals(300, noise=0, arms=3, turns=1.5)
    radius = np.hypot(*x.T)
    angle = np.arctan2(x[:, 1], x[:, 0]) / (2 * np.pi)
    assert (radius.min(), radius.max()) == pytest.approx((0.01, 1))
    off = (angle - 1.5 * radius - y / 3 + 0.5) % 1 - 0.5
    assert off == pytest.approx(np.zeros(300), abs=1e-5)


def test_xor_is_the_sign_of_the_product_in_all_four_quarters():
    x, y = nn.datasets.xor(400, noise=0)
    np.testing.assert_array_equal(y, x[:, 0] * x[:, 1] < 0)
    assert np.unique(np.sign(x), axis=0, return_counts=True)[1].tolist() == [100] * 4
    assert np.abs(x).max() <= 1


# ---- collections in MNIST's format -------------------------------------------------------------

RANDOM = np.random.default_rng(0)


def idx(array):
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def md5(content):
    return hashlib.md5(content).hexdigest()


def idx_file(name, array):
    """What is known of a file, and its content as it is and packed."""
    content = idx(array)
    packed = gzip.compress(content)
    known = sources.IdxFile(
        array.shape, md5(content), RemoteFile(f"{name}.gz", len(packed), md5(packed))
    )
    return known, {name: content, f"{name}.gz": packed}


ARRAYS = {
    "train-images-idx3-ubyte": RANDOM.integers(0, 256, (20, 28, 28), np.uint8),
    "train-labels-idx1-ubyte": np.arange(20, dtype=np.uint8) % 10,
    "t10k-images-idx3-ubyte": RANDOM.integers(0, 256, (10, 28, 28), np.uint8),
    "t10k-labels-idx1-ubyte": np.arange(10, dtype=np.uint8)[::-1].copy(),
}
KNOWN, CONTENTS = zip(*(idx_file(*item) for item in ARRAYS.items()), strict=True)
CONTENTS = {name: content for both in CONTENTS for name, content in both.items()}
PLAIN = {name: content for name, content in CONTENTS.items() if not name.endswith(".gz")}
PACKED = {name: content for name, content in CONTENTS.items() if name.endswith(".gz")}


@pytest.fixture
def small(monkeypatch):
    """MNIST with few images, and a server that has them."""
    with serve() as server:
        server.files.update(PACKED)
        source = images.MNIST._replace(mirrors=[server.url], train=KNOWN[:2], test=KNOWN[2:])
        monkeypatch.setattr(images, "MNIST", source)
        yield server


def put(folder, contents):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def check_small(parts, shape=(1, 28, 28)):
    train_x, train_y, test_x, test_y = ARRAYS.values()
    arrays = ((train_x, train_y), (test_x, test_y))
    for part, (pixels, labels) in zip(parts, arrays, strict=True):
        assert part.x.shape == (len(labels), *shape)
        assert (part.x.dtype, part.y.dtype) == (np.float32, np.int64)
        np.testing.assert_array_equal(part.x.ravel() * 255, pixels.ravel().astype(np.float32))
        np.testing.assert_array_equal(part.y, labels)
        assert part.classes == tuple("0123456789")
        part.x[0] = 0  # it is ours


def test_a_collection_is_downloaded_once(small, tmp_path):
    check_small(nn.datasets.mnist(tmp_path))
    assert sorted(p.name for p in (tmp_path / "MNIST" / "raw").iterdir()) == sorted(PACKED)
    asked = len(small.asked)
    check_small(nn.datasets.mnist(tmp_path, download=False, flatten=True), shape=(784,))
    assert asked == len(small.asked) == 4


@pytest.mark.parametrize("contents", [PLAIN, PACKED], ids=["plain", "packed"])
@pytest.mark.parametrize("folder", ["MNIST/raw", "."])
def test_files_that_are_there_are_read(small, tmp_path, monkeypatch, folder, contents):
    put(tmp_path / folder, contents)
    monkeypatch.setenv("TINYGRAD_SM_DATA", str(tmp_path))
    check_small(nn.datasets.mnist())
    assert small.asked == []


def test_files_packed_by_somebody_else_are_as_good(small, tmp_path):
    put(tmp_path, {f"{name}.gz": gzip.compress(PLAIN[name], 1) for name in PLAIN})
    check_small(nn.datasets.mnist(tmp_path))


def test_a_file_that_is_not_there_is_named_with_its_place(small, tmp_path):
    put(tmp_path, {name: PLAIN[name] for name in PLAIN if "t10k-labels" not in name})
    with pytest.raises(FileNotFoundError) as caught:
        nn.datasets.mnist(tmp_path, download=False)
    assert f"no t10k-labels-idx1-ubyte.gz in {tmp_path / 'MNIST' / 'raw'}" in str(caught.value)
    assert f"by hand, from {small.url}" in str(caught.value)


IMAGES, LABELS = PLAIN["train-images-idx3-ubyte"], PLAIN["train-labels-idx1-ubyte"]
OTHER = struct.pack(">4BI", 0, 0, 8, 1, 20) + bytes(20)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("images-idx3", IMAGES[:-1], "too short, 15696 bytes"),
        ("images-idx3", IMAGES[:10], "too short, 15696 bytes"),
        ("images-idx3", b"", "too short, 15696 bytes"),
        ("images-idx3", IMAGES + b"!", "too long, 15696 bytes"),
        ("images-idx3", LABELS, "magic number is 00000801, not 00000803"),
        ("labels-idx1", IMAGES, "magic number is 00000803, not 00000801"),
        ("images-idx3", b"<html>not found</html>", "magic number is 3c68746d, not 00000803"),
        ("labels-idx1", struct.pack(">4BI", 0, 0, 8, 1, 2**32 - 1), r"shape is not \(20,\)"),
        ("labels-idx1", OTHER, f"its MD5 is {md5(OTHER)}, not {md5(LABELS)}"),
    ],
)
@pytest.mark.parametrize("pack", [False, True])
def test_a_file_that_is_not_what_it_should_be(small, tmp_path, pack, name, content, message):
    name = f"train-{name}-ubyte"
    put(tmp_path, PLAIN)
    if pack:
        (tmp_path / name).unlink()
        name, content = f"{name}.gz", gzip.compress(content)
    put(tmp_path, {name: content})
    with pytest.raises(ValueError, match=rf"{name} cannot be used: .*{message}.*Remove it"):
        nn.datasets.mnist(tmp_path)
    assert (tmp_path / name).read_bytes() == content  # it may be somebody's only copy


@pytest.mark.parametrize(
    "content",
    [PACKED["train-images-idx3-ubyte.gz"][:-9], b"no gzip file", b"\x1f\x8b\x08" + bytes(30)],
    ids=["cut", "text", "damaged"],
)
def test_a_damaged_gzip_file(small, tmp_path, content):
    put(tmp_path, PACKED | {"train-images-idx3-ubyte.gz": content})
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte.gz cannot be used"):
        nn.datasets.mnist(tmp_path)


def test_a_gzip_bomb_is_not_unpacked(small, tmp_path):
    # 1 GB would take seconds and be seen as a memory peak; only the known size is read.
    put(tmp_path, PACKED)
    name = "train-labels-idx1-ubyte.gz"
    read = []

    class Spy(gzip.GzipFile):
        def read(self, size=-1):
            read.append(size)
            return super().read(size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formats.gzip, "open", Spy)
        put(tmp_path, {name: gzip.compress(LABELS + bytes(10_000_000))})
        with pytest.raises(ValueError, match="too long"):
            nn.datasets.mnist(tmp_path)
    assert read == [len(IMAGES) + 1, len(LABELS) + 1]


def test_a_wrong_file_from_the_server_is_not_kept(small, tmp_path):
    name = "train-labels-idx1-ubyte.gz"
    small.files[name] = bytes(len(PACKED[name]))
    with pytest.raises(OSError, match=f"{name} could not be downloaded"):
        nn.datasets.mnist(tmp_path)
    small.files[name] = PACKED[name]
    check_small(nn.datasets.mnist(tmp_path))


def test_what_is_known_of_the_files():
    for source in (images.MNIST, images.FASHION_MNIST):
        known = [*source.train, *source.test]
        assert [file.packed.name.removesuffix(".gz") for file in known] == [*PLAIN]
        assert [file.shape for file in known] == [
            (60000, 28, 28),
            (60000,),
            (10000, 28, 28),
            (10000,),
        ]
        assert len({m for file in known for m in (file.md5, file.packed.md5)}) == 8
        assert len(source.classes) == 10
    assert len(images.CIFAR10.classes) == 10


def test_fashion_mnist_lies_in_a_folder_of_its_own(small, tmp_path, monkeypatch):
    source = images.FASHION_MNIST._replace(train=KNOWN[:2], test=KNOWN[2:])
    monkeypatch.setattr(images, "FASHION_MNIST", source)
    put(tmp_path / "FashionMNIST" / "raw", PACKED)
    train, _ = nn.datasets.fashion_mnist(tmp_path, download=False)
    assert train.x.shape == (20, 1, 28, 28)
    assert train.classes[9] == "Ankle boot"
    with pytest.raises(FileNotFoundError):
        nn.datasets.mnist(tmp_path, download=False)


# ---- CIFAR-10 ----------------------------------------------------------------------------------

ROWS = RANDOM.integers(0, 256, (6, 10, 3073), np.uint8)
ROWS[:, :, 0] = np.arange(10)
FOLDER = "cifar-10-batches-bin"
BATCHES = dict(zip([*images.CIFAR10.train, *images.CIFAR10.test], map(bytes, ROWS), strict=True))


def member(name, content=b"", **settings):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in settings.items():
        setattr(info, key, value)
    return info, content


def archive(*members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


GOOD = [
    member(FOLDER, type=tarfile.DIRTYPE),
    member(f"{FOLDER}/readme.html", b"<html>"),
    *(member(f"{FOLDER}/{name}", content) for name, content in BATCHES.items()),
]


@pytest.fixture
def cifar(monkeypatch):
    """CIFAR-10 with few images: a function that makes an archive known, and a server with it."""
    with serve() as server:

        def know(content):
            packed = RemoteFile("cifar-10-binary.tar.gz", len(content), md5(content))
            source = images.CIFAR10._replace(mirrors=[server.url], images=10, packed=packed)
            monkeypatch.setattr(images, "CIFAR10", source)
            server.files[packed.name] = content

        server.know = know
        know(archive(*GOOD))
        yield server


def check_cifar(parts):
    for part, rows in zip(parts, (ROWS[:5].reshape(50, 3073), ROWS[5]), strict=True):
        assert part.x.shape == (len(rows), 3, 32, 32)
        np.testing.assert_array_equal(part.y, rows[:, 0])
        np.testing.assert_array_equal(part.x[:, 2, 1, 3] * 255, rows[:, 1 + 2048 + 32 + 3])
        assert part.classes[3] == "cat"


def test_cifar10_is_downloaded_once_and_nothing_unpacked_onto_the_disk(cifar, tmp_path):
    check_cifar(nn.datasets.cifar10(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-10-binary.tar.gz"]
    check_cifar(nn.datasets.cifar10(tmp_path, download=False))
    assert len(cifar.asked) == 1


@pytest.mark.parametrize("folder", [FOLDER, "."])
def test_unpacked_batches_are_read(cifar, tmp_path, folder):
    put(tmp_path / folder, BATCHES)
    check_cifar(nn.datasets.cifar10(tmp_path, download=False))


def test_a_missing_batch_means_a_download(cifar, tmp_path):
    put(tmp_path, {name: content for name, content in BATCHES.items() if name != "test_batch.bin"})
    check_cifar(nn.datasets.cifar10(tmp_path))
    assert len(cifar.asked) == 1


@pytest.mark.parametrize(
    ("classes", "numbers"),
    [(("cat", "dog", "bird"), (3, 5, 2)), ((np.int64(9), "airplane"), (9, 0)), (["frog"], (6,))],
)
def test_some_classes_are_numbered_anew(cifar, tmp_path, classes, numbers):
    train, test = nn.datasets.cifar10(tmp_path, classes=classes, flatten=True)
    everything, _ = nn.datasets.cifar10(tmp_path, flatten=True)
    assert train.classes == tuple(images.CIFAR10.classes[k] for k in numbers)
    assert train.x.shape == (5 * len(numbers), 3072)
    assert sorted(test.y.tolist()) == list(range(len(numbers)))
    for new, old in enumerate(numbers):
        np.testing.assert_array_equal(train.x[train.y == new], everything.x[everything.y == old])


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("cat", "tiger"), "no class 'tiger'; the classes are airplane, automobile"),
        ((10,), "no class 10"),
        ((-1,), "no class -1"),
        ((1.5,), "no class 1.5"),
        (("cat", 3), "each class can be asked for once"),
        ((), "a tuple of names or numbers"),
        ("cat", "a tuple of names or numbers, such as .* got 'cat'"),
    ],
)
def test_mistaken_classes_are_seen_before_the_download(cifar, tmp_path, classes, message):
    with pytest.raises(ValueError, match=message):
        nn.datasets.cifar10(tmp_path, classes=classes)
    assert cifar.asked == []


BATCH = f"{FOLDER}/test_batch.bin"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([*GOOD, member("../outside", b"!")], "'../outside', which leads out of its folder"),
        ([member("/etc/outside", b"!"), *GOOD], "'/etc/outside', which leads out"),
        ([member("a/..\\..\\outside", b"!"), *GOOD], "which leads out"),
        ([member("C:\\outside", b"!"), *GOOD], "which leads out"),
        (GOOD[:-1], "it lacks test_batch.bin"),
        ([*GOOD[:-1], member(BATCH, BATCHES["test_batch.bin"][:-1])], f"{BATCH}: .* too short"),
        ([*GOOD[:-1], member(BATCH, BATCHES["test_batch.bin"] + b"!")], f"{BATCH}: .* too long"),
        (
            [*GOOD[:-1], member(BATCH, type=tarfile.SYMTYPE, linkname="/etc/passwd")],
            "no plain file",
        ),
        ([member("big", bytes(5_000_000)), *GOOD], "unpacks to more than the collection"),
    ],
)
def test_a_hostile_or_broken_archive(cifar, tmp_path, members, message):
    cifar.know(archive(*members))
    with pytest.raises(ValueError, match=f"cifar-10-binary.tar.gz cannot be used: .*{message}"):
        nn.datasets.cifar10(tmp_path / "data")
    assert [path.name for path in tmp_path.rglob("*")] == ["data", "cifar-10-binary.tar.gz"]


@pytest.mark.parametrize(
    "content",
    [archive(*GOOD)[:-5000], gzip.compress(b"no tar archive" * 99), gzip.compress(b""), b"text"],
    ids=["cut", "no tar", "empty", "no gzip"],
)
def test_what_is_no_archive(cifar, tmp_path, content):
    cifar.know(content)
    with pytest.raises(ValueError, match=r"cifar-10-binary.tar.gz cannot be used"):
        nn.datasets.cifar10(tmp_path)


def test_an_archive_with_another_checksum_is_not_opened(cifar, tmp_path):
    other = archive(*GOOD, member("more"))
    put(tmp_path, {"cifar-10-binary.tar.gz": other})
    with pytest.raises(ValueError, match=f"its MD5 is {md5(other)}, not"):
        nn.datasets.cifar10(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BATCHES["test_batch.bin"][:-1], "too short, 30730 bytes"),
        (BATCHES["test_batch.bin"] + b"!", "too long, 30730 bytes"),
        (b"\x0a" + BATCHES["test_batch.bin"][1:], "10 classes, but a label 10"),
    ],
)
def test_a_batch_that_is_not_what_it_should_be(cifar, tmp_path, content, message):
    put(tmp_path, BATCHES | {"test_batch.bin": content})
    with pytest.raises(ValueError, match=message):
        nn.datasets.cifar10(tmp_path)
