"""Fetching a file: resumed where it stopped, checked, and moved into place whole."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BufferedIOBase
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

CHUNK = 1 << 16


class DownloadError(OSError):
    """A file that no server delivered whole and unchanged."""


class RemoteFile(NamedTuple):
    """What is known of a file before it is fetched; nothing else is accepted."""

    name: str
    size: int  # in bytes
    md5: str


def data_folder(root: str | os.PathLike[str] | None = None) -> Path:
    """Where data sets are kept: root, else $TINYGRAD_SM_DATA, else ~/.cache/tinygrad_sm."""
    from pathlib import Path  # here, for importing nn to stay quick

    return Path(root or os.environ.get("TINYGRAD_SM_DATA") or "~/.cache/tinygrad_sm").expanduser()


def fetch(
    file: RemoteFile,
    folder: Path,
    mirrors: Sequence[str],
    attempts: int = 5,
    timeout: float = 30.0,
) -> Path:
    """Download a file into a folder, and return its path.

    mirrors: the addresses of folders that have it; the next is asked where one fails.
    attempts: how often a mirror is asked to go on after its connection broke.
    timeout: seconds without a sign of the server.

    What has arrived is kept as `name.part`, and another call goes on from there. The file gets its
    name only when its size and checksum are right.

    Raises DownloadError if no mirror delivered it, and says how to put it there by hand; another
    OSError if the folder or the disk does not take it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{file.name}.part"
    failures = []
    for url in (mirror.rstrip("/") + "/" + file.name for mirror in mirrors):
        for _ in range(attempts):
            before = _size(part)
            try:
                _download_rest(url, part, file, timeout)
                with part.open("rb") as content:
                    check_md5(content, file.md5)
            except _BrokenOff as reason:
                failures.append(f"{url}: {reason}")
                if _size(part) == before:
                    break  # nothing came: asking again would not help
            except ValueError as reason:  # what came is not the file
                failures.append(f"{url}: what came is removed, as {reason}")
                part.unlink(missing_ok=True)
                if not before:
                    break  # else it went on from what was left by an earlier call: once more
            else:
                os.replace(part, folder / file.name)
                return folder / file.name
    raise DownloadError(
        f"{file.name} could not be downloaded:\n  "
        + "\n  ".join(failures)
        + f"\nIt can be put into {folder} by hand: {file.size} bytes, MD5 {file.md5}."
    )


def check_md5(content: BufferedIOBase, md5: str) -> None:
    """Raise ValueError unless the content has this MD5, as an undamaged file has."""
    import hashlib

    found = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != md5:
        raise ValueError(f"its MD5 is {found}, not {md5}")


class _BrokenOff(Exception):
    """The server did not answer, or stopped."""


def _download_rest(url: str, part: Path, file: RemoteFile, timeout: float) -> None:
    """Append to the part what is missing of the file."""
    have = _size(part)
    if have > file.size:
        part.unlink()
        have = 0
    if have == file.size:
        return
    with _open(url, have, timeout) as response:
        if not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            have = 0  # the server sends the whole file, whatever was asked for
        length = response.headers.get("Content-Length", "")
        if length.isdigit() and have + int(length) != file.size:
            raise _BrokenOff(
                f"the server has a file of {have + int(length)} bytes, not of {file.size}"
            )
        try:
            with part.open("ab" if have else "wb") as out, _progress(file, have) as advance:
                while have < file.size and (chunk := _read(response, file.size - have)):
                    out.write(chunk)
                    have += len(chunk)
                    advance(len(chunk))
        except OSError as error:
            raise OSError(error.errno, f"cannot write: {error.strerror}", str(part)) from error
    if have < file.size:
        raise _BrokenOff(f"the connection was cut after {have} of {file.size} bytes")


def _open(url: str, have: int, timeout: float) -> Any:
    """Ask for the file from byte `have` on."""
    import http.client
    import urllib.request

    headers = {"User-Agent": "tinygrad_sm", "Range": f"bytes={have}-"}
    request = urllib.request.Request(url, headers=headers)
    try:
        return urllib.request.urlopen(request, timeout=timeout)
    except (OSError, http.client.HTTPException) as error:  # HTTP statuses and no network among them
        raise _BrokenOff(f"{type(error).__name__}: {error}") from error


def _read(response: Any, most: int) -> bytes:
    """The next bytes; none at the end, or where the connection was cut."""
    import http.client

    try:
        chunk: bytes = response.read(min(CHUNK, most))
        return chunk
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenOff(f"{type(error).__name__}: {error}") from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextmanager
def _progress(file: RemoteFile, have: int) -> Iterator[Callable[[int], Any]]:
    """A bar if tqdm is installed, else a line; gives the function that moves it on."""
    try:
        from tqdm import tqdm
    except ImportError:
        print(f"downloading {file.name}, {file.size / 1e6:.1f} MB", file=sys.stderr)
        yield lambda _: None
        return
    bar = tqdm(total=file.size, initial=have, desc=file.name, unit="B", unit_scale=True)
    with bar:
        yield bar.update
