"""Downloads, from a server on this machine that also behaves badly."""

import builtins
import hashlib
import re
import socket
import sys

import pytest
from file_server import serve

from nn.datasets import download
from nn.datasets.download import DownloadError, RemoteFile, data_folder, fetch

CONTENT = bytes(range(256)) * 1000
assert len(CONTENT) > 2 * download.CHUNK
FILE = RemoteFile("data.bin", len(CONTENT), hashlib.md5(CONTENT).hexdigest())


@pytest.fixture
def server():
    with serve() as running:
        running.files["data.bin"] = CONTENT
        yield running


def get(server, folder, file=FILE, **options):
    return fetch(file, folder, [server.url], **options)


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole(server, tmp_path):
    path = get(server, tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "data.bin"
    assert path.read_bytes() == CONTENT
    assert left(path.parent) == ["data.bin"]


@pytest.mark.parametrize("says_length", [True, False])
@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("have", [0, 1, 100_000, len(CONTENT) - 1, len(CONTENT), len(CONTENT) + 1])
def test_what_is_there_is_not_fetched_again(server, tmp_path, have, ranges, says_length):
    (tmp_path / "data.bin.part").write_bytes((CONTENT + b"!")[:have])
    server.ranges, server.says_length = ranges, says_length
    assert get(server, tmp_path).read_bytes() == CONTENT
    asked = {len(CONTENT): [], len(CONTENT) + 1: [("data.bin", 0)]}
    assert server.asked == asked.get(have, [("data.bin", have)])
    assert left(tmp_path) == ["data.bin"]


@pytest.mark.parametrize("says_length", [True, False])
def test_a_cut_connection_is_taken_up_again(server, tmp_path, says_length):
    server.cut, server.says_length = 100_000, says_length
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert [start for _, start in server.asked] == [0, 100_000, 200_000]


def test_what_arrived_before_a_cut_is_kept_for_the_next_call(server, tmp_path):
    server.cut = 100_000
    with pytest.raises(DownloadError, match="cut after 100000 of 256000 bytes"):
        get(server, tmp_path, attempts=1)
    assert left(tmp_path) == ["data.bin.part"]
    server.cut = None
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked[-1] == ("data.bin", 100_000)


def test_a_server_that_starts_over_and_over_is_given_up(server, tmp_path):
    server.cut, server.ranges = 1000, False
    with pytest.raises(DownloadError, match="cut after 1000 of"):
        get(server, tmp_path)
    assert len(server.asked) == 2


def test_a_wrong_checksum_names_both_and_removes_the_file(server, tmp_path):
    server.files["data.bin"] = CONTENT[::-1]
    reversed_md5 = hashlib.md5(CONTENT[::-1]).hexdigest()
    with pytest.raises(
        DownloadError, match=f"removed, as its MD5 is {reversed_md5}, not {FILE.md5}"
    ):
        get(server, tmp_path)
    assert left(tmp_path) == []
    assert len(server.asked) == 1


def test_a_damaged_beginning_is_fetched_anew(server, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(b"?" * 100_000)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert [start for _, start in server.asked] == [100_000, 0]


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"!", b"<html>log in first</html>"])
def test_a_file_of_another_size_is_not_even_begun(server, tmp_path, content):
    server.files["data.bin"] = content
    with pytest.raises(DownloadError, match=f"has a file of {len(content)} bytes, not of 256000"):
        get(server, tmp_path)
    assert left(tmp_path) == []


def test_never_more_than_the_known_size_is_written(server, tmp_path):
    server.files["data.bin"] = CONTENT * 20
    server.says_length = False
    assert get(server, tmp_path).stat().st_size == len(CONTENT)


def test_the_next_mirror_is_asked(server, tmp_path):
    path = fetch(FILE, tmp_path, [server.url + "gone", server.url])
    assert path.read_bytes() == CONTENT
    assert [name for name, _ in server.asked] == ["gone/data.bin", "data.bin"]


def test_the_error_names_every_mirror_and_the_way_by_hand(server, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        nobody = f"http://127.0.0.1:{gone.getsockname()[1]}"
    with pytest.raises(DownloadError) as caught:
        fetch(FILE, tmp_path, [nobody, server.url + "gone/"])
    assert re.search(
        rf"data.bin could not be downloaded:\n  {nobody}/data.bin: URLError.*refused.*\n"
        rf"  {server.url}gone/data.bin: HTTPError: HTTP Error 404.*\n"
        rf"It can be put into {tmp_path} by hand: 256000 bytes, MD5 {FILE.md5}",
        str(caught.value),
    )


def test_a_server_that_says_nothing_is_left(server, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mirror = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(DownloadError, match="timed out"):
            fetch(FILE, tmp_path, [mirror], timeout=0.05)


def test_a_server_that_falls_silent_is_asked_again_by_the_next_call(server, tmp_path):
    server.cut, server.silent = 100_000, True
    with pytest.raises(DownloadError, match="timed out"):
        get(server, tmp_path, attempts=1, timeout=0.2)
    server.cut, server.silent = None, False
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert 0 < server.asked[-1][1] <= 100_000


def test_a_full_disk_is_an_error_of_the_disk(server, tmp_path):
    if not sys.platform.startswith("linux"):
        pytest.skip("needs /dev/full")
    (tmp_path / "data.bin.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"cannot write: No space left.*data.bin.part") as caught:
        get(server, tmp_path)
    assert not isinstance(caught.value, DownloadError)


def test_a_folder_that_cannot_be_made_is_named(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=str(tmp_path / "file")):
        get(server, tmp_path / "file" / "folder")
    assert server.asked == []


def test_progress_is_shown_with_tqdm_and_said_without(server, tmp_path, capsys, monkeypatch):
    get(server, tmp_path / "with")
    assert re.search(r"data.bin: 100%.*256k/256k", capsys.readouterr().err)

    real = builtins.__import__
    monkeypatch.setattr(
        builtins,
        "__import__",
        lambda name, *rest: real("no_such_module" if name == "tqdm" else name, *rest),
    )
    get(server, tmp_path / "without")
    assert capsys.readouterr().err == "downloading data.bin, 0.3 MB\n"


def test_the_folder_is_given_or_set_or_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.delenv("TINYGRAD_SM_DATA", raising=False)
    assert data_folder() == tmp_path / ".cache" / "tinygrad_sm"
    monkeypatch.setenv("TINYGRAD_SM_DATA", str(tmp_path / "set"))
    assert data_folder() == tmp_path / "set"
    assert data_folder("~/given") == tmp_path / "given"
