"""How far a download is: a bar on a terminal, a line now and then where the output goes to a file or a program."""

from __future__ import annotations

import time
from typing import TextIO

from tqdm import tqdm

from recognition.download import Progress, megabytes

LINE_SECONDS = 10.0


def progress_on(stream: TextIO) -> Progress:
    """A bar where a person watches, lines where not."""
    return Bar(stream) if stream.isatty() else Lines(stream)


class Bar:
    """A bar that moves, with speed and remaining time."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: tqdm[None] | None = None

    def begin(self, name: str, *, total: int | None, done: int) -> None:
        self._bar = tqdm(
            desc=name, total=total, initial=done, unit="B", unit_scale=True, file=self._stream, dynamic_ncols=True
        )

    def advance(self, count: int) -> None:
        if self._bar is not None:
            self._bar.update(count)

    def end(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def say(self, text: str) -> None:
        self._stream.write(f"{text}\n")


class Lines:
    """A line at the beginning, every LINE_SECONDS, and at the end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._name, self._total, self._done, self._told = "", 0, 0, 0.0

    def begin(self, name: str, *, total: int | None, done: int) -> None:
        self._name, self._total, self._done, self._told = name, total or 0, done, time.monotonic()
        size = f", {megabytes(total)}" if total else ""
        rest = f", {megabytes(done)} of it are here already" if done else ""
        self.say(f"Fetching {name}{size}{rest}.")

    def advance(self, count: int) -> None:
        self._done += count
        if time.monotonic() - self._told >= LINE_SECONDS:
            self._told = time.monotonic()
            share = f" of {megabytes(self._total)} ({self._done / self._total:.0%})" if self._total else ""
            self.say(f"{self._name}: {megabytes(self._done)}{share}")

    def end(self) -> None:
        self.say(f"{self._name}: {megabytes(self._done)} are here.")

    def say(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()
