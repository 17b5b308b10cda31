"""Downloads over a network as it is: cut, stalled, lying, refusing; and what a person reads about it."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import random
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recognition import download as module
from recognition.download import (
    DownloadError,
    NoSpaceError,
    Patience,
    Wanted,
    check_space,
    download,
    megabytes,
    without_password,
)
from recognition.tests.file_server import Behaviour, FileServer, Silent, serving

CUT = 5 * module.CHUNK
CONTENT = random.Random(3).randbytes(700_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Recorder(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.begun: list[tuple[int | None, int]] = []
        self.came = 0

    def begin(self, name: str, *, total: int | None, done: int) -> None:
        self.begun.append((total, done))

    def advance(self, count: int) -> None:
        self.came += count

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving(FileServer(content=CONTENT)) as running:
        yield running


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def patience(waits: list[float]) -> Patience:
    return Patience(tries=3, connect=2.0, read=0.3, sleep=waits.append)


def wanted(*urls: str, pinned: bool = True, size: int | None = len(CONTENT)) -> Wanted:
    return Wanted(name="model.onnx", urls=urls, sha256=frozenset({SHA256} if pinned else ()), size=size)


def test_a_file_arrives_and_is_what_was_wanted(server: FileServer, tmp_path: Path, patience: Patience) -> None:
    part, seen = tmp_path / "model.onnx.part", Recorder()

    assert download(wanted(server.url), part, progress=seen, patience=patience) == SHA256

    assert part.read_bytes() == CONTENT
    assert [each.name for each in tmp_path.iterdir()] == ["model.onnx.part"]
    assert seen.begun == [(len(CONTENT), 0)]
    assert seen.came == len(CONTENT)
    assert seen.said == []


@pytest.mark.parametrize("pinned", [True, False])
def test_a_cut_connection_goes_on_where_it_was(
    server: FileServer, tmp_path: Path, patience: Patience, waits: list[float], pinned: bool
) -> None:
    server.behaviours = [Behaviour(stop_after=CUT), Behaviour(stop_after=CUT), Behaviour()]
    part, seen = tmp_path / "part", Recorder()

    download(wanted(server.url, pinned=pinned), part, progress=seen, patience=patience)

    assert part.read_bytes() == CONTENT
    assert server.asked == ["", f"bytes={CUT}-", f"bytes={2 * CUT}-"]
    assert seen.came == len(CONTENT)
    assert len(waits) == 2
    assert seen.said[0] == "127.0.0.1: the connection broke off. Trying again."


def test_a_server_without_ranges_sends_all_of_it_again(server: FileServer, tmp_path: Path, patience: Patience) -> None:
    server.behaviours = [Behaviour(stop_after=CUT), Behaviour(ranges=False)]
    part, seen = tmp_path / "part", Recorder()

    download(wanted(server.url), part, progress=seen, patience=patience)

    assert part.read_bytes() == CONTENT
    assert seen.begun == [(len(CONTENT), 0), (len(CONTENT), 0)]


def test_a_file_that_changed_meanwhile_is_not_glued_together(
    server: FileServer, tmp_path: Path, patience: Patience
) -> None:
    server.behaviours = [Behaviour(stop_after=CUT, etag='"old"'), Behaviour(etag='"new"')]
    part = tmp_path / "part"
    part.write_bytes(b"")

    digest = download(wanted(server.url, pinned=False), part, progress=Silent(), patience=patience)

    assert digest == SHA256
    assert server.asked == ["", f"bytes={CUT}-"]


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_a_hash_or_a_version_nothing_is_continued(
    server: FileServer, tmp_path: Path, patience: Patience, etag: str
) -> None:
    server.behaviours = [Behaviour(stop_after=CUT, etag=etag), Behaviour(etag=etag)]

    download(wanted(server.url, pinned=False), tmp_path / "part", progress=Silent(), patience=patience)

    assert server.asked == ["", ""]


def test_an_answer_that_begins_elsewhere_is_not_used(server: FileServer, tmp_path: Path, patience: Patience) -> None:
    server.behaviours = [Behaviour(stop_after=CUT), Behaviour(shift=5), Behaviour()]

    download(wanted(server.url), tmp_path / "part", progress=Silent(), patience=patience)

    assert (tmp_path / "part").read_bytes() == CONTENT
    assert server.asked == ["", f"bytes={CUT}-", ""]


def test_a_part_with_wrong_bytes_is_begun_anew(server: FileServer, tmp_path: Path, patience: Patience) -> None:
    part = tmp_path / "part"
    part.write_bytes(bytes(1000))

    download(wanted(server.url), part, progress=Silent(), patience=patience)

    assert part.read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-", ""]


def test_a_whole_part_is_not_fetched_again(server: FileServer, tmp_path: Path, patience: Patience) -> None:
    part = tmp_path / "part"
    part.write_bytes(CONTENT)

    assert download(wanted(server.url), part, progress=Silent(), patience=patience) == SHA256
    assert server.asked == []


def test_a_part_longer_than_the_file_is_dropped(server: FileServer, tmp_path: Path, patience: Patience) -> None:
    part = tmp_path / "part"
    part.write_bytes(CONTENT + b"x")

    download(wanted(server.url, size=None), part, progress=Silent(), patience=patience)

    assert part.read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT) + 1}-", ""]


def test_wrong_bytes_are_refused_with_both_hashes(server: FileServer, tmp_path: Path, patience: Patience) -> None:
    server.content = bytes(len(CONTENT))

    with pytest.raises(DownloadError) as error:
        download(wanted(server.url), tmp_path / "part", progress=Silent(), patience=patience)

    assert str(error.value) == (
        f"model.onnx is not the file that was wanted: its SHA-256 is {hashlib.sha256(server.content).hexdigest()}, "
        f"expected {SHA256}. It came from {server.url}."
    )
    assert list(tmp_path.iterdir()) == []
    assert server.asked == [""]


def test_a_server_that_sends_too_much_is_cut_off(server: FileServer, tmp_path: Path, patience: Patience) -> None:
    server.content = CONTENT * 3
    server.behaviours = [Behaviour(without_length=True)]

    with pytest.raises(DownloadError, match=r"is larger than the 700,000 bytes that were wanted"):
        download(wanted(server.url), tmp_path / "part", progress=Silent(), patience=patience)

    assert list(tmp_path.iterdir()) == []


def test_a_length_that_is_too_long_is_noticed(server: FileServer, tmp_path: Path, patience: Patience) -> None:
    server.behaviours = [Behaviour(says_length=len(CONTENT) + 500, stop_after=len(CONTENT))]

    with pytest.raises(DownloadError):
        download(wanted(server.url, size=None, pinned=False), tmp_path / "part", progress=Silent(), patience=patience)


def test_a_length_that_is_too_short_costs_another_request(
    server: FileServer, tmp_path: Path, patience: Patience
) -> None:
    server.behaviours = [Behaviour(says_length=400_000, stop_after=400_000), Behaviour()]

    download(wanted(server.url), tmp_path / "part", progress=Silent(), patience=patience)

    assert (tmp_path / "part").read_bytes() == CONTENT


def test_an_absurd_length_is_refused_at_once(server: FileServer, tmp_path: Path, patience: Patience) -> None:
    server.behaviours = [Behaviour(says_length=10**13, stop_after=10)]

    with pytest.raises(DownloadError, match="more than any model"):
        download(wanted(server.url, size=None), tmp_path / "part", progress=Silent(), patience=patience)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (404, "answered 404 Not Found: there is no such file (any more)."),
        (403, "answered 403 Forbidden: it refuses to hand out the file."),
        (401, "answered 401 Unauthorized: it asks who you are."),
    ],
)
def test_a_refusal_is_told_and_not_repeated(
    server: FileServer, tmp_path: Path, patience: Patience, waits: list[float], status: int, said: str
) -> None:
    server.behaviours = [Behaviour(status=status)]

    with pytest.raises(DownloadError) as error:
        download(wanted(server.url), tmp_path / "part", progress=Silent(), patience=patience)

    assert str(error.value) == f"{server.url} {said}"
    assert (len(server.asked), waits) == (1, [])


def test_a_busy_server_is_asked_again_when_it_says(
    server: FileServer, tmp_path: Path, patience: Patience, waits: list[float]
) -> None:
    server.behaviours = [Behaviour(status=503, retry_after="8"), Behaviour(status=502), Behaviour()]

    download(wanted(server.url), tmp_path / "part", progress=Silent(), patience=patience)

    assert 6 <= waits[0] <= 10
    assert 0.75 <= waits[1] <= 2.5


def test_a_redirect_is_followed_but_not_out_of_http(server: FileServer, tmp_path: Path, patience: Patience) -> None:
    server.behaviours = [Behaviour(status=302, location=server.url), Behaviour()]
    download(wanted(server.url), tmp_path / "part", progress=Silent(), patience=patience)
    assert (tmp_path / "part").read_bytes() == CONTENT

    server.behaviours = [Behaviour(status=302, location=(tmp_path / "part").as_uri())]
    with pytest.raises(DownloadError, match="can not be fetched"):
        download(wanted(server.url), tmp_path / "other", progress=Silent(), patience=patience)


def test_a_silent_server_is_given_up_and_what_came_is_kept(
    server: FileServer, tmp_path: Path, patience: Patience
) -> None:
    server.behaviours = [Behaviour(stop_after=CUT), Behaviour(stall=2.0)]
    part = tmp_path / "part"

    with pytest.raises(DownloadError) as error:
        download(wanted(server.url), part, progress=Silent(), patience=patience)

    assert str(error.value) == (
        "Could not fetch model.onnx from 127.0.0.1: it did not answer in time (3 tries). "
        "The 328 kB that came are kept, and the next try goes on there."
    )
    assert part.read_bytes() == CONTENT[:CUT]
    assert json.loads((tmp_path / "part.from").read_text()) == {"url": server.url, "validator": '"one"'}


def test_nobody_there_and_unknown_names(tmp_path: Path, patience: Patience) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1: it refused the connection \(3 tries\)\.$"):
        download(wanted(f"http://127.0.0.1:{port}/x"), tmp_path / "part", progress=Silent(), patience=patience)
    with pytest.raises(DownloadError, match=r"its name is not known here \(is this .* network\?\) \(2 tries\)\.$"):
        download(wanted("http://models.invalid/x"), tmp_path / "part", progress=Silent(), patience=patience)


def test_the_next_address_is_tried(server: FileServer, tmp_path: Path, patience: Patience) -> None:
    server.behaviours = [Behaviour(status=404), Behaviour()]
    seen = Recorder()

    download(wanted(server.url + "?first", server.url), tmp_path / "part", progress=seen, patience=patience)

    assert (tmp_path / "part").read_bytes() == CONTENT
    assert seen.said[0].endswith("there is no such file (any more). Trying the next address.")


def test_a_full_disk_is_told_before_and_during(
    server: FileServer, tmp_path: Path, patience: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        usage = shutil.disk_usage(tmp_path)
        patch.setattr("shutil.disk_usage", lambda folder: usage._replace(free=200 * 2**20 + 500_000))
        with pytest.raises(NoSpaceError) as error:
            download(wanted(server.url), tmp_path / "part", progress=Silent(), patience=patience)
    assert str(error.value) == (
        f"model.onnx needs 700 kB in {tmp_path} and 210 MB must stay free, but only 210 MB are. "
        "Free 200 kB there, or choose another DATA_DIR."
    )

    class Full(io.FileIO):
        def write(self, block: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    real = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, mode="r", *a, **k: Full(self, "w") if mode == "wb" else real(self, mode, *a, **k)
    )
    with pytest.raises(NoSpaceError, match=r"became full while model\.onnx was fetched, and what had come was deleted"):
        download(wanted(server.url), tmp_path / "part", progress=Silent(), patience=patience)
    assert not (tmp_path / "part").exists()


def test_a_stop_leaves_what_came(server: FileServer, tmp_path: Path, patience: Patience) -> None:
    class Impatient(Recorder):
        def advance(self, count: int) -> None:
            super().advance(count)
            if self.came >= CUT:
                raise KeyboardInterrupt

    part = tmp_path / "part"
    with pytest.raises(KeyboardInterrupt):
        download(wanted(server.url), part, progress=Impatient(), patience=patience)
    kept = part.stat().st_size
    assert CUT <= kept < len(CONTENT)

    download(wanted(server.url), part, progress=Silent(), patience=patience)

    assert server.asked == ["", f"bytes={kept}-"]
    assert part.read_bytes() == CONTENT


def test_bytes_for_people_and_passwords_for_nobody(tmp_path: Path) -> None:
    assert [megabytes(count) for count in (0, 12, 4_000, 2_500_000, 288_600_000)] == [
        "0 kB",
        "1 kB",
        "4 kB",
        "2.5 MB",
        "289 MB",
    ]
    assert without_password("https://me:secret@models.example/a.onnx?b") == "https://models.example/a.onnx?b"
    check_space(tmp_path, 0, "Nothing")
