"""Downloads of large files that survive bad networks: resumed, retried, checked while they arrive.

What has arrived lies in a file that ends in `.part`, with a note beside it of where it came from. The next try asks
the server for the rest (HTTP Range); a server that sends the whole file again is taken at its word, and a file that
changed meanwhile (If-Range, Content-Range) is begun anew. Sizes and SHA-256 are checked as the bytes come in: a
server that sends too much is cut off, and nothing leaves the part file unless it is what was wanted.

Errors: DownloadError with a sentence for people. Knows nothing of Django, packs or terminals.
"""

from __future__ import annotations

import errno
import hashlib
import json
import random
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import NameResolutionError

TRIES = 5  # of each address, as long as nothing new arrives
CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0  # without a single byte
MAX_WAIT_SECONDS = 30.0
CHUNK = 1 << 16
MOST_BYTES = 4 << 30  # of a file whose size nobody stated
SPARE_BYTES = 200 << 20  # what a disk keeps for those who write to it meanwhile: the database among them
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_REFUSALS = {
    401: "it asks who you are",
    403: "it refuses to hand out the file",
    404: "there is no such file (any more)",
}
_UNKNOWN_NAME = "its name is not known here (is this machine connected to a network?)"
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")


class DownloadError(Exception):
    """A file could not be fetched; the message is a sentence for people."""


class NotWantedError(DownloadError):
    """What arrived is not what was wanted: other bytes, or another number of them."""


class NoSpaceError(DownloadError):
    """There is not enough room on the disk."""


class _InterruptedError(Exception):
    """The connection failed in a way that may pass; `wait` is what the server asked for, in seconds."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        super().__init__(why)
        self.wait = wait


class Progress(Protocol):
    """Whoever shows how far a download is."""

    def begin(self, name: str, *, total: int | None, done: int) -> None: ...

    def advance(self, count: int) -> None: ...

    def end(self) -> None: ...

    def say(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file to fetch. Empty `sha256`: any content is accepted; `size` None: any length up to MOST_BYTES."""

    name: str
    urls: tuple[str, ...]
    sha256: frozenset[str] = frozenset()
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait, in seconds, and how often to try."""

    tries: int = TRIES
    connect: float = CONNECT_SECONDS
    read: float = READ_SECONDS
    sleep: Callable[[float], None] = time.sleep


def download(wanted: Wanted, part: Path, *, progress: Progress, patience: Patience | None = None) -> str:
    """Fetch the file into `part`, from the first address that has it; its SHA-256.

    Raises DownloadError; `part` is then kept where the rest may still come, and gone where it is of no use.
    """
    reasons: list[str] = []
    for url in wanted.urls:
        try:
            return _Transfer(wanted, url, part, progress, patience or Patience()).run()
        except NoSpaceError:
            raise
        except DownloadError as error:
            reasons.append(str(error))
            if url != wanted.urls[-1]:
                progress.say(f"{error} Trying the next address.")
    raise DownloadError(" ".join(dict.fromkeys(reasons)) or f"No address is known for {wanted.name}.")


def check_space(folder: Path, needed: int, what: str) -> None:
    """Raise NoSpaceError unless `needed` bytes fit into `folder` and some are left over."""
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE_BYTES:
        raise NoSpaceError(
            f"{what} needs {megabytes(needed)} in {folder} and {megabytes(SPARE_BYTES)} must stay free, but only "
            f"{megabytes(free)} are. Free {megabytes(needed + SPARE_BYTES - free)} there, or choose another DATA_DIR."
        )


def megabytes(count: int) -> str:
    """A number of bytes for people."""
    if count < 10**6:
        return f"{max(1, round(count / 1000))} kB" if count else "0 kB"
    return f"{count / 1e6:.1f} MB" if count < 10**8 else f"{count / 1e6:,.0f} MB"


def describe_mismatch(name: str, found: str, wanted: frozenset[str]) -> str:
    """The sentence about a file with another hash than the one wanted; shows both whole."""
    expected = " or ".join(sorted(wanted))
    return f"{name} is not the file that was wanted: its SHA-256 is {found}, expected {expected}."


def sha256_of(path: Path) -> str:
    """The hash of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def without_password(url: str) -> str:
    """The address as it can be shown: a name and a password in it stay hidden."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


class _Transfer:
    """One file from one address."""

    def __init__(self, wanted: Wanted, url: str, part: Path, progress: Progress, patience: Patience) -> None:
        self.wanted, self.url, self.part, self.progress, self.patience = wanted, url, part, progress, patience
        self.host = urlsplit(url).hostname or url
        self.note = part.with_name(f"{part.name}.from")
        self.shown = without_password(url)

    def run(self) -> str:
        """Try until the file is whole. Tries that brought more than all before do not count."""
        if (whole := self._already_whole()) is not None:
            return whole
        failures, most = 0, self._size()
        while True:
            try:
                return self._attempt()
            except _InterruptedError as error:
                size = self._size()
                failures = 0 if size > most else failures + 1
                most = max(most, size)
                if failures >= (2 if str(error) == _UNKNOWN_NAME else self.patience.tries):
                    raise DownloadError(self._gave_up(str(error), failures)) from error
                wait = error.wait or min(2.0 ** max(failures - 1, 0), MAX_WAIT_SECONDS)
                self.progress.say(f"{self.host}: {error}. Trying again.")
                self.patience.sleep(min(wait, MAX_WAIT_SECONDS) * random.uniform(0.75, 1.25))  # noqa: S311 (jitter)
            except OSError as error:
                raise self._cannot_write(error) from error

    def _already_whole(self) -> str | None:
        """The SHA-256 of what is there when nothing is missing: only its move was interrupted."""
        if not self.wanted.sha256 or not self.part.is_file() or self.wanted.size not in (None, self._size()):
            return None
        digest = sha256_of(self.part)
        return digest if digest in self.wanted.sha256 else None

    def _attempt(self) -> str:
        resumed_at = self._resumable()
        with self._answer(resumed_at) as answer:
            start = self._start_of(answer, resumed_at)
            if start is None:  # what is there is of no use to this server
                self._drop()
                raise _InterruptedError("what had arrived does not fit any more")
            digest, length = self._receive(answer, start)
        if self.wanted.size is not None and length != self.wanted.size:
            if length < self.wanted.size:
                raise _InterruptedError(f"{megabytes(length)} of {megabytes(self.wanted.size)} came")
            self._drop()
            raise NotWantedError(self._too_long())
        if self.wanted.sha256 and digest not in self.wanted.sha256:
            self._drop()
            if start:  # the beginning may be what was wrong
                raise _InterruptedError("the parts do not fit together")
            raise NotWantedError(
                f"{describe_mismatch(self.wanted.name, digest, self.wanted.sha256)} It came from {self.shown}."
            )
        self.note.unlink(missing_ok=True)
        return digest

    def _answer(self, start: int) -> requests.Response:
        headers = {"Accept-Encoding": "identity", "User-Agent": "Lynceus"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if validator := self._noted().get("validator"):
                headers["If-Range"] = validator
        timeout = (self.patience.connect, self.patience.read)
        try:
            answer = requests.get(self.url, headers=headers, stream=True, timeout=timeout)
        except requests.exceptions.SSLError as error:
            raise DownloadError(
                f"The certificate of {self.host} could not be trusted ({_reason(error)}). Check this machine's clock, "
                "and whether a proxy stands between."
            ) from error
        except (requests.ConnectionError, requests.Timeout) as error:
            raise _InterruptedError(_reason(error)) from error
        except requests.RequestException as error:
            raise DownloadError(f"{self.shown} can not be fetched: {error}.") from error
        self._check_status(answer, start)
        return answer

    def _check_status(self, answer: requests.Response, start: int) -> None:
        status = answer.status_code
        if status in (200, 206) or (status == 416 and start):
            return
        answer.close()
        if status in _TRANSIENT:
            after = answer.headers.get("Retry-After", "")
            wait = float(after) if after.isascii() and after.isdigit() else 0.0
            raise _InterruptedError(f"it answered {status} {answer.reason}", wait)
        why = _REFUSALS.get(status, "no file came")
        raise DownloadError(f"{self.shown} answered {status} {answer.reason}: {why}.")

    def _start_of(self, answer: requests.Response, asked: int) -> int | None:
        """From which byte on the answer goes; None where it does not go on from what is there."""
        if answer.status_code == 416:
            return None
        if answer.status_code == 200:
            return 0
        found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        return asked if found and int(found[1]) == asked else None

    def _receive(self, answer: requests.Response, start: int) -> tuple[str, int]:
        """Append what comes; the SHA-256 and the length of the whole part file."""
        digest = hashlib.sha256()
        if start:
            with self.part.open("rb") as file:
                while block := file.read(CHUNK):
                    digest.update(block)
        length = start
        stated = answer.headers.get("Content-Length", "")
        total = self.wanted.size or (start + int(stated) if stated.isascii() and stated.isdigit() else None)
        self._check_total(total, start)
        self._remember(answer)
        self.progress.begin(self.wanted.name, total=total, done=start)
        try:
            with self.part.open("ab" if start else "wb") as file:
                for block in _blocks(answer):
                    length += len(block)
                    if length > (self.wanted.size or MOST_BYTES):
                        break
                    file.write(block)
                    digest.update(block)
                    self.progress.advance(len(block))
        finally:
            self.progress.end()
        return digest.hexdigest(), length

    def _check_total(self, total: int | None, start: int) -> None:
        if total is None:
            return
        if total > MOST_BYTES:
            raise NotWantedError(
                f"{self.shown} is {megabytes(total)} large, more than any model: it was not fetched. Check the address."
            )
        check_space(self.part.parent, total - start, self.wanted.name)

    def _resumable(self) -> int:
        """How many bytes of what is there can be kept."""
        size, noted = self._size(), self._noted()
        same = noted.get("url") == self.url and bool(noted.get("validator"))
        # A known hash finds out at the end whether the parts fit; without one, the server must say so.
        if not size or not (self.wanted.sha256 or same):
            return 0
        if self.wanted.size is not None and size >= self.wanted.size:
            self._drop()
            return 0
        return size

    def _remember(self, answer: requests.Response) -> None:
        etag = answer.headers.get("ETag", "")
        validator = etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")
        self.note.write_text(json.dumps({"url": self.url, "validator": validator}), "utf-8")

    def _noted(self) -> dict[str, str]:
        try:
            noted: Any = json.loads(self.note.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        url = noted.get("url") if isinstance(noted, dict) else None
        return {"url": url, "validator": str(noted.get("validator", ""))} if url == self.url else {}

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def _drop(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def _too_long(self) -> str:
        return f"{self.wanted.name} from {self.shown} is larger than the {self.wanted.size:,} bytes that were wanted."

    def _gave_up(self, why: str, tries: int) -> str:
        size = self._size()
        kept = f" The {megabytes(size)} that came are kept, and the next try goes on there." if size else ""
        return f"Could not fetch {self.wanted.name} from {self.host}: {why} ({tries} tries).{kept}"

    def _cannot_write(self, error: OSError) -> DownloadError:
        folder = self.part.parent
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            self._drop()  # others need the room: the database may lie on the same disk
            return NoSpaceError(
                f"The disk with {folder} became full while {self.wanted.name} was fetched, and what had come was "
                "deleted. Free some space and start again."
            )
        return DownloadError(f"{self.wanted.name} can not be written to {folder}: {error.strerror or error}.")


def _blocks(answer: requests.Response) -> Iterator[bytes]:
    """What the server sends, as it comes."""
    try:
        yield from answer.iter_content(CHUNK)
    except requests.RequestException as error:
        raise _InterruptedError(_reason(error)) from error


def _reason(error: BaseException) -> str:
    """What went wrong with a connection, in a few words."""
    chain: list[BaseException] = []
    each: Any = error
    while isinstance(each, BaseException) and each not in chain:
        chain.append(each)
        each = getattr(each, "reason", None) or each.__cause__ or each.__context__ or next(iter(each.args), None)
    if any(isinstance(each, NameResolutionError) for each in chain):
        return _UNKNOWN_NAME
    if any(isinstance(each, requests.Timeout | TimeoutError) for each in chain):
        return "it did not answer in time"
    if any(isinstance(each, ConnectionRefusedError) for each in chain):
        return "it refused the connection"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy could not be reached"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    said = next((each.strerror for each in reversed(chain) if isinstance(each, OSError) and each.strerror), None)
    return said or "the connection failed"
