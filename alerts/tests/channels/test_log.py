"""The alert log: whole lines in a strict form, once each, from several processes, on disks that are full too."""

from __future__ import annotations

import errno
import fcntl
import json
import multiprocessing
import os
import resource
import signal
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alerts.channels import log
from alerts.channels.base import ConfigError, NotDelivered, sender
from alerts.channels.log import SENDER
from alerts.models import Channel
from alerts.tests.channels.servers import facts, message

CONFIG = {"file": "alerts.jsonl", "megabytes": "1", "keep": "3"}


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.ALERT_LOG_DIR = tmp_path / "made" / "log"
    return tmp_path / "made" / "log"


def lines(path: Path) -> list[dict[str, Any]]:
    """Each line as strict JSON: no NaN, no key twice, no end of line but \\n."""
    text = path.read_bytes().decode("utf-8")
    assert text == "" or text.endswith("\n")
    assert len(text.splitlines()) == text.count("\n")
    return [json.loads(line, parse_constant=pytest.fail, object_pairs_hook=_once) for line in text.splitlines()]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(pairs) == len(dict(pairs))
    return dict(pairs)


def another(**changes: Any) -> Any:
    return message(key=uuid.uuid4(), **changes)


def test_an_alert_is_one_line_that_programs_read(folder: Path) -> None:
    sent = message()

    assert SENDER.send(CONFIG, sent) == ""

    (found,) = lines(folder / "alerts.jsonl")
    assert found["key"] == str(sent.key)
    assert found["alert"] == 41
    assert found["who"] == "Ada Lovelace"
    assert found["captured_at"] == "2026-05-04T08:30:15.250Z"
    assert found["raised_at"] == "2026-05-04T08:30:16.250Z"
    assert found["severity"] == "high"
    assert found["similarity"] == 0.71
    assert found["test"] is False
    assert found["logged_at"].endswith("Z")


def test_it_is_the_channels_sender() -> None:
    assert sender(Channel.LOG) is SENDER
    assert not SENDER.digests
    assert not SENDER.templated


def test_names_can_not_begin_a_line_or_end_one(folder: Path) -> None:
    hostile = 'Eve\n{"key":"x"}\r\u2028\u2029\x85\x0b\x0c\x1c\x00"\\\udc80'

    SENDER.send(CONFIG, message(subject=hostile, facts=(facts(who=hostile),)))

    (found,) = lines(folder / "alerts.jsonl")
    assert found["who"] == hostile


def test_only_those_who_keep_the_log_can_read_it(folder: Path) -> None:
    old = os.umask(0)
    try:
        SENDER.send(CONFIG, message())
    finally:
        os.umask(old)

    assert stat.S_IMODE((folder / "alerts.jsonl").stat().st_mode) == 0o640
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750


def test_a_message_that_is_there_already_is_not_written_again(folder: Path) -> None:
    first, second = another(), another()
    for each in (first, second, first, second):
        SENDER.send(CONFIG, each)

    assert [line["key"] for line in lines(folder / "alerts.jsonl")] == [str(first.key), str(second.key)]


def test_a_key_inside_of_a_name_is_not_the_messages_key(folder: Path) -> None:
    sent = another()
    SENDER.send(CONFIG, another(facts=(facts(who=f'"key":"{sent.key}"'),)))

    SENDER.send(CONFIG, sent)

    assert len(lines(folder / "alerts.jsonl")) == 2


def test_a_message_from_before_the_file_was_rotated_is_not_written_again(folder: Path) -> None:
    first = another()
    SENDER.send(CONFIG, first)
    (folder / "alerts.jsonl").rename(folder / "alerts.jsonl.1")

    SENDER.send(CONFIG, first)

    assert not (folder / "alerts.jsonl").exists()


def test_what_a_crash_left_of_a_line_is_cut_off(folder: Path) -> None:
    first, second = another(), another()
    SENDER.send(CONFIG, first)
    with (folder / "alerts.jsonl").open("ab") as stream:
        stream.write(f'{{"logged_at":"2026","key":"{second.key}","wh'.encode())

    SENDER.send(CONFIG, second)

    assert [line["key"] for line in lines(folder / "alerts.jsonl")] == [str(first.key), str(second.key)]


def test_a_file_that_has_no_lines_is_left_alone(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "alerts.jsonl").write_bytes(b"x" * (log._TAIL + 10))

    with pytest.raises(NotDelivered, match="is no alert log"):
        SENDER.send(CONFIG | {"megabytes": "64"}, message())

    assert (folder / "alerts.jsonl").stat().st_size == log._TAIL + 10


def test_files_are_rotated_and_the_oldest_deleted(folder: Path) -> None:
    detail = "d" * 300_000
    sent = [another(facts=(facts(detail=detail),)) for _ in range(16)]
    for each in sent:
        SENDER.send(CONFIG, each)

    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    assert names == ["alerts.jsonl", "alerts.jsonl.1", "alerts.jsonl.2", "alerts.jsonl.3"]
    order = ["alerts.jsonl.3", "alerts.jsonl.2", "alerts.jsonl.1", "alerts.jsonl"]
    found = [line["key"] for name in order for line in lines(folder / name)]
    assert found == [str(each.key) for each in sent[-len(found) :]]
    assert len(found) == 10
    assert all((folder / name).stat().st_size <= 2**20 for name in names)


def test_a_gap_that_a_crash_left_while_rotating_loses_no_file(folder: Path) -> None:
    detail = "d" * 900_000
    sent = [another(facts=(facts(detail=detail),)) for _ in range(3)]
    for each in sent[:2]:
        SENDER.send(CONFIG, each)
    (folder / "alerts.jsonl.1").rename(folder / "alerts.jsonl.2")  # and then it died

    SENDER.send(CONFIG, sent[2])

    found = {path.suffix: lines(path)[0]["key"] for path in folder.glob("alerts.jsonl*")}
    assert found == {".3": str(sent[0].key), ".1": str(sent[1].key), ".jsonl": str(sent[2].key)}


def test_with_fewer_files_to_keep_the_ones_too_many_go(folder: Path) -> None:
    folder.mkdir(parents=True)
    for number in range(1, 6):
        (folder / f"alerts.jsonl.{number}").write_text("{}\n")
    (folder / "alerts.jsonl").write_text("{}\n" * 400_000)
    (folder / "alerts.jsonl.old").write_text("somebody's own")

    SENDER.send(CONFIG, message())

    names = sorted(path.name for path in folder.glob("alerts.jsonl*"))
    assert names == ["alerts.jsonl", "alerts.jsonl.1", "alerts.jsonl.2", "alerts.jsonl.3", "alerts.jsonl.old"]


def _write_many(folder: str, number: int) -> None:
    from django.conf import settings

    settings.ALERT_LOG_DIR = folder
    for each in range(60):
        detail = f"{number}-{each} " + "d" * 10_000
        SENDER.send(
            CONFIG | {"keep": "100"}, message(key=uuid.UUID(int=number * 1000 + each), facts=(facts(detail=detail),))
        )


def test_several_processes_write_every_line_once_and_whole(folder: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_many, args=(str(folder), number % 3)) for number in range(6)]
    for each in writers:
        each.start()
    for each in writers:
        each.join(60)

    assert [each.exitcode for each in writers] == [0] * 6
    found = [line["key"] for path in folder.glob("alerts.jsonl*") for line in lines(path)]
    assert sorted(found) == sorted(str(uuid.UUID(int=n * 1000 + each)) for n in range(3) for each in range(60))
    assert len(list(folder.glob("alerts.jsonl*"))) == 2


@pytest.fixture
def small_disk() -> Iterator[Any]:
    """A limit for the size of files, which fails as a full disk does: a short write, or none."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, old)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("room", [0, 100])
def test_a_full_disk_keeps_no_half_of_a_line_and_is_tried_again(folder: Path, small_disk: Any, room: int) -> None:
    first, second = another(), another()
    SENDER.send(CONFIG, first)
    before = (folder / "alerts.jsonl").read_bytes()

    small_disk(len(before) + room)
    with pytest.raises(NotDelivered, match="disk is full") as told:
        SENDER.send(CONFIG, second)
    assert not told.value.permanent
    assert (folder / "alerts.jsonl").read_bytes() == before

    small_disk(2**30)
    SENDER.send(CONFIG, second)
    assert [line["key"] for line in lines(folder / "alerts.jsonl")] == [str(first.key), str(second.key)]


def test_a_disk_that_fails_to_sync_has_not_taken_the_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SENDER.send(CONFIG, another())
    before = (folder / "alerts.jsonl").read_bytes()

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "sync")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(NotDelivered, match="can not be written"):
        SENDER.send(CONFIG, another())
    assert (folder / "alerts.jsonl").read_bytes() == before


def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(parents=True)
    (tmp_path / "elsewhere").write_text("untouched\n")
    (folder / "alerts.jsonl").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(NotDelivered, match="is a link"):
        SENDER.send(CONFIG, message())

    assert (tmp_path / "elsewhere").read_text() == "untouched\n"


def test_a_log_that_another_process_holds_is_tried_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "SEND_SECONDS", 0.1)
    folder.mkdir(parents=True)
    with (folder / ".alerts.jsonl.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(NotDelivered, match="held by another process") as told:
            SENDER.send(CONFIG, message())

    assert not told.value.permanent
    SENDER.send(CONFIG, message())


@pytest.mark.parametrize(
    "name",
    [
        "../alerts.jsonl",
        "/etc/alerts.jsonl",
        "a/b.jsonl",
        "..",
        ".jsonl",
        ".hidden.jsonl",
        "alerts.log",
        "alerts.jsonl.1",
        "alerts.jsonl\n",
        "alerts\x00.jsonl",
        "a" * 65 + ".jsonl",
        "ålerts.jsonl",
        "",
    ],
)
def test_no_name_leads_out_of_the_directory(name: str, folder: Path) -> None:
    given = {"file": name, "megabytes": "1", "keep": "1"}
    if name.strip() == "alerts.jsonl":
        assert SENDER.clean(given)["file"] == "alerts.jsonl"
        return
    with pytest.raises(ConfigError) as told:
        SENDER.clean(given)
    assert told.value.field == "file"
    with pytest.raises(NotDelivered):
        SENDER.send(given, message())
    assert not folder.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [("megabytes", "0"), ("megabytes", "many"), ("megabytes", "5000"), ("keep", "-1"), ("keep", "1.5")],
)
def test_numbers_that_are_none_are_not_taken(field: str, value: str) -> None:
    with pytest.raises(ConfigError) as told:
        SENDER.clean(CONFIG | {field: value})
    assert told.value.field == field


def test_what_is_not_given_is_as_usual() -> None:
    assert SENDER.clean({}) == {"file": "alerts.jsonl", "megabytes": "64", "keep": "10"}
    assert SENDER.shown(CONFIG) == "alerts.jsonl, 3 old files of 1 MB"
