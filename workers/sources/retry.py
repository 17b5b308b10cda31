"""Keeps a source open: opens it, and when it fails opens it again, ever less often, with jitter.

The pauses are drawn evenly between RETRY_FIRST seconds and a bound that doubles with every failure up to RETRY_MOST, so
that the cameras of a site whose network was away do not all come back at the same moment. They are short again after a
source has given pictures for HEALTHY_SECONDS. A reason that repeats is logged once.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from enum import Enum, auto

from cameras.sources import Source
from cameras.video import Capture, CaptureOptions, Picture, SourceFailed, open_capture
from workers.sources.clock import Clock

_log = logging.getLogger("workers.sources")

RETRY_FIRST = 1.0
RETRY_MOST = 60.0
HEALTHY_SECONDS = 10.0

Opener = Callable[[Source, CaptureOptions], Capture]


class Backoff:
    """How long to wait after the next failure."""

    def __init__(self) -> None:
        self._failures = 0

    def pause(self) -> float:
        self._failures += 1
        most = min(RETRY_MOST, RETRY_FIRST * 2.0 ** min(self._failures, 30))
        return random.uniform(RETRY_FIRST, most)  # noqa: S311 - spreads load, keeps no secret

    def reset(self) -> None:
        self._failures = 0


class Then(Enum):
    """What follows when a capture is done with."""

    OVER = auto()
    AGAIN = auto()  # at once
    LATER = auto()  # after a pause


class Line:
    """One source, kept open until `stop` is set.

    `tell` hears why there are no pictures. `busy_since`: when the decoder was last asked for something that it has not
    answered yet, None while nothing is asked.
    """

    def __init__(
        self,
        source: Source,
        options: CaptureOptions,
        *,
        clock: Clock,
        stop: threading.Event,
        tell: Callable[[str], None],
        opener: Opener = open_capture,
        label: str = "",
    ) -> None:
        self._source, self._options, self._opener = source, options, opener
        self._clock, self._stop, self._tell = clock, stop, tell
        self._label = f"{label}{source.shown}"
        self._backoff = Backoff()
        self._said = ""
        self._good_since: float | None = None
        self.busy_since: float | None = None
        self.opened = 0

    def follow(self, use: Callable[[Capture], Then]) -> None:
        """Opens the source and lets `use` read it, again and again, until it is over."""
        while not self._stop.is_set():
            self._good_since = None
            try:
                then = self._once(use)
            except SourceFailed as failure:
                then = Then.LATER
                if not self._stop.is_set():
                    self._say(str(failure))
            except Exception as error:  # a camera may send what nobody thought of, and still must not be given up
                then = Then.LATER
                self._say(
                    f"{self._label} broke the reader ({type(error).__name__}); the worker's log says where.", error
                )
            if then is Then.OVER:
                return
            if then is Then.LATER:
                self._clock.wait(self._stop, self._backoff.pause())

    def ask(self, read: Callable[[], list[Picture]]) -> list[Picture]:
        """What the capture's `step` or `wake` gives, watched; raises EndOfSource and SourceFailed."""
        self.busy_since = self._clock.monotonic()
        try:
            return read()
        finally:
            self.busy_since = None

    def good(self) -> None:
        """Pictures come."""
        now = self._clock.monotonic()
        if self._good_since is None:
            self._good_since = now
            if self._said:
                _log.info("%s gives pictures again.", self._label)
        if now - self._good_since >= HEALTHY_SECONDS:
            self._backoff.reset()
            self._said = ""

    def _once(self, use: Callable[[Capture], Then]) -> Then:
        self.busy_since = self._clock.monotonic()
        try:
            capture = self._opener(self._source, self._options)
        finally:
            self.busy_since = None
        self.opened += 1
        try:
            return use(capture)
        finally:
            capture.close()

    def _say(self, reason: str, mistake: Exception | None = None) -> None:
        if reason != self._said:
            self._said = reason
            _log.warning("%s", reason, exc_info=mistake)
        self._tell(reason)
