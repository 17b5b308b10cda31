"""The alert log: one JSON object a line (JSON Lines), under ALERT_LOG_DIR, for who collects or keeps it.

Several processes write one log: each holds a lock (flock on a file beside it) while it looks, rotates and appends.
A line is written at once and synced; what a crash or a full disk left of one is cut off. A message that is there
already, which a crash kept from being marked as sent, is not written again: its key is looked for in the last lines.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from django.conf import settings
from django.utils import timezone

from alerts.channels import inputs
from alerts.channels.base import SEND_SECONDS, Config, ConfigError, Field, Message, NotDelivered, Sender
from alerts.channels.records import dumped, moment, record
from alerts.models import Channel

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.jsonl")
_MODE: Final = 0o640
_DIRECTORY_MODE: Final = 0o750
_TAIL: Final = 2 * 2**20  # thousands of lines: more than come while a claim of a dead worker runs out
_LOCK_PAUSE: Final = 0.02
_ABOUT_NOBODY: Final = {"subject": "", "detail": "", "person": None, "similarity": None, "threshold": None}
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

FILE = Field(
    name="file",
    label="File",
    default="alerts.jsonl",
    help="A name that ends with .jsonl, in the directory of the setting ALERT_LOG_DIR.",
)
MEGABYTES = Field(
    name="megabytes", label="Megabytes of one file", default="64", help="With more, a new file is begun: 1 to 4096."
)
KEEP = Field(name="keep", label="Old files to keep", default="10", help="Older ones are deleted: 1 to 1000.")


class LogSender(Sender):
    channel = Channel.LOG
    digests = False
    templated = False
    fields = (FILE, MEGABYTES, KEEP)

    def clean(self, given: Config) -> dict[str, str]:
        name = inputs.text(given, FILE, most=80)
        if not _NAME.fullmatch(name):
            raise ConfigError(
                FILE.name,
                "The file's name has letters, digits, - and _, and ends with .jsonl, such as alerts.jsonl. Where it "
                "lies is the setting ALERT_LOG_DIR.",
            )
        return {
            FILE.name: name,
            MEGABYTES.name: inputs.whole(given, MEGABYTES, low=1, high=4096),
            KEEP.name: inputs.whole(given, KEEP, low=1, high=1000),
        }

    def shown(self, config: Config) -> str:
        return f"{config[FILE.name]}, {config[KEEP.name]} old files of {config[MEGABYTES.name]} MB"

    def send(self, config: Config, message: Message) -> str:
        name = config[FILE.name]
        if not _NAME.fullmatch(name):
            raise NotDelivered("The alert log's file name is not usable. Change it.", permanent=True)
        line = dumped({"logged_at": moment(timezone.now()), **record(message)}) + b"\n"
        key = b'"key":"%b"' % str(message.key).encode()  # no text can hold this: its quotes would be escaped
        path = Path(settings.ALERT_LOG_DIR) / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=_DIRECTORY_MODE)
            with _alone(path.with_name(f".{name}.lock"), name):
                if not _holds(path, key):
                    _rotate(path, len(line), int(config[MEGABYTES.name]) * 2**20, int(config[KEEP.name]))
                    _append(path, line)
        except OSError as problem:
            raise _sentence(name, problem) from None
        return ""


def wipe(alerts: Collection[int], *, who: str) -> int:
    """Takes out of all logs whom lines about these alerts name, and what they say of them; returns how many lines.

    A file is written anew beside the old one and put in its place. What can not be read stays as it is.
    """
    changed = 0
    directory = Path(settings.ALERT_LOG_DIR)
    names = {each.name.split(".jsonl")[0] + ".jsonl" for each in directory.glob("*.jsonl*")} if alerts else set()
    for name in sorted(each for each in names if _NAME.fullmatch(each)):
        with _alone(directory / f".{name}.lock", name):
            for path in sorted(directory.glob(f"{name}*")):
                changed += _wipe_file(path, alerts, who)
    return changed


def _wipe_file(path: Path, alerts: Collection[int], who: str) -> int:
    changed = 0
    fresh = path.with_name(f".{path.name}.wiped")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
    with os.fdopen(handle, "wb") as written, path.open("rb") as lines:
        for line in lines:
            wiped = _wiped(line, alerts, who)
            changed += wiped is not None
            written.write(line if wiped is None else wiped)
        written.flush()
        os.fsync(written.fileno())
    if changed:
        fresh.replace(path)
        _sync(path.parent)
    else:
        fresh.unlink()
    return changed


def _wiped(line: bytes, alerts: Collection[int], who: str) -> bytes | None:
    """The line without who it is about; None where it is about none of these alerts, or says nothing of it any more."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    alert = found.get("alert") if isinstance(found, dict) else None
    if not isinstance(alert, int) or alert not in alerts or found.get("who") == who:
        return None
    return dumped({**found, **_ABOUT_NOBODY, "who": who}) + b"\n"


@contextlib.contextmanager
def _alone(lock: Path, name: str) -> Iterator[None]:
    """While no other thread or process that writes this log does."""
    deadline = time.monotonic() + SEND_SECONDS
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise NotDelivered(f"The alert log {name} is held by another process. It is tried again.") from None
                time.sleep(_LOCK_PAUSE)
        yield
    finally:
        os.close(handle)


def _holds(path: Path, key: bytes) -> bool:
    """Whether the last lines of the log have this key; where the file was just begun, in those before it too."""
    left, number, each = _TAIL, 0, path
    while left > 0:
        found = _end_of(each, left)
        if key in found[: found.rfind(b"\n") + 1]:  # what has no end of line will be cut off
            return True
        if not found and number > 0:
            break
        left, number = left - len(found), number + 1
        each = path.with_name(f"{path.name}.{number}")
    return False


def _end_of(path: Path, most: int) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return b""
    with os.fdopen(handle, "rb") as stream:
        stream.seek(max(0, os.fstat(handle).st_size - most))
        return stream.read(most)


def _append(path: Path, line: bytes) -> None:
    """Writes the line to the disk, or nothing of it."""
    is_new = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
    try:
        if is_new:
            os.fchmod(handle, _MODE)
        whole = _cut(handle, path.name)
        try:
            if os.write(handle, line) != len(line):
                raise OSError(errno.ENOSPC, "short write")
            os.fsync(handle)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, whole)
            raise
    finally:
        os.close(handle)
    if is_new:
        _sync(path.parent)


def _cut(handle: int, name: str) -> int:
    """Cuts off what a crash left of a line; the size then."""
    size = os.fstat(handle).st_size
    start = max(0, size - _TAIL)
    found = os.pread(handle, size - start, start)
    whole = start + found.rfind(b"\n") + 1
    if whole == start and start > 0:
        raise NotDelivered(
            f"The file {name} is no alert log: its lines have no end. Move it away, or take another name."
        )
    if whole < size:
        os.ftruncate(handle, whole)
    return whole


def _rotate(path: Path, more: int, most: int, keep: int) -> None:
    """Begins a new file where the line does not fit: x.jsonl becomes x.jsonl.1, that one x.jsonl.2, and so on.

    From the oldest on, so that a crash in between leaves a gap in the numbers and no file lost.
    """
    try:
        size = path.lstat().st_size
    except FileNotFoundError:
        return
    if size == 0 or size + more <= most:
        return
    numbers = [int(each.suffix[1:]) for each in path.parent.glob(f"{path.name}.*") if each.suffix[1:].isdecimal()]
    for number in sorted(numbers, reverse=True):
        old = path.with_name(f"{path.name}.{number}")
        if number >= keep:
            old.unlink()
        else:
            old.replace(path.with_name(f"{path.name}.{number + 1}"))
    path.replace(path.with_name(f"{path.name}.1"))
    _sync(path.parent)


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sentence(name: str, problem: OSError) -> NotDelivered:
    if problem.errno in _FULL:
        return NotDelivered(
            f"The alert log {name} can not grow: the disk is full, or a quota is used up. Free some space; it is "
            "tried again."
        )
    if problem.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return NotDelivered(
            f"The alert log {name} may not be written. Give Lynceus the right to write in ALERT_LOG_DIR; it is tried "
            "again."
        )
    if problem.errno == errno.ELOOP:
        return NotDelivered(f"The alert log {name} is a link. Links are not followed: move it away.")
    why = os.strerror(problem.errno) if problem.errno else "an unknown error"
    return NotDelivered(f"The alert log {name} can not be written: {why}. It is tried again.")


SENDER = LogSender()
