"""Opens what a camera sees (file, RTSP, HTTP, USB) and hands over frames.

`LiveReader` reads in a thread of its own, paces a file as a live camera would, and keeps only the newest frame: a slow
consumer drops frames, which are counted, and never works on old ones. A source that fails is opened again with
exponential back-off and jitter. `FileReader` gives every frame of a file in order, as fast as they are asked for.

Frames are (h, w, 3) uint8 BGR. `Frame.t` is in seconds on a clock of the source that never jumps; `captured_at` is UTC.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from cameras.live import State
from cameras.sources import Kind, Source
from recognition.engine import Image

OPEN_SECONDS = 10.0
READ_SECONDS = 10.0
RETRY_FIRST = 1.0
RETRY_MOST = 30.0
MAX_CATCH_UP = 1.0  # a paced file that fell behind by more starts its clock anew
_RATE_FRAMES = 50


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One picture and when it was captured. `received`: time.monotonic() when it came in."""

    image: Image
    t: float
    captured_at: datetime
    received: float


class SourceFailed(Exception):
    """The source gives no pictures; the message says why, for people, without credentials."""


class Reader(Protocol):
    """Where a camera loop gets its frames from."""

    state: State
    error: str
    drops: Counter[str]

    @property
    def fps(self) -> float: ...

    def next(self, timeout: float) -> Frame | None:
        """The next frame for the loop, or None when there is none within the time-out (or ever: see state)."""

    def close(self) -> None: ...


class Capture:
    """An open cv2.VideoCapture with time-outs and sentences for what goes wrong."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._capture = self._open()
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.fps = rate if 1.0 <= rate <= 240.0 else 25.0
        count = float(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)) if source.kind is Kind.FILE else 0.0
        self.seconds = max(0.0, count / self.fps)

    def read(self) -> Image | None:
        """The next frame, or None at the end of a file or when a stream breaks off."""
        ok, image = self._capture.read()
        return image.astype(np.uint8, copy=False) if ok and image is not None and image.size else None

    def close(self) -> None:
        self._capture.release()

    def _open(self) -> cv2.VideoCapture:
        kind, text, shown = self._source.kind, self._source.text, self._source.shown
        if kind is Kind.USB:
            capture = cv2.VideoCapture(int(text))
            problem = f"{shown} could not be opened. Check that it is plugged in and not used by another program."
        elif kind is Kind.FILE:
            _check_file(Path(text), shown)
            capture = cv2.VideoCapture(text, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
            problem = f"{shown} is not a video that can be read. Convert it to MP4 (H.264) and try again."
        else:
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(OPEN_SECONDS * 1000)]
            limits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(READ_SECONDS * 1000), cv2.CAP_PROP_N_THREADS, 1]
            capture = cv2.VideoCapture(text, cv2.CAP_FFMPEG, limits)
            problem = (
                f"{shown} does not answer, or refuses the user name and password. Check the address and the camera."
            )
        if not capture.isOpened():
            capture.release()
            raise SourceFailed(problem)
        return capture


def check(source: Source) -> None:
    """Opens the source and takes one picture; raises SourceFailed."""
    capture = Capture(source)
    try:
        if capture.read() is None:
            raise SourceFailed(_no_picture(source))
    finally:
        capture.close()


class LiveReader:
    """Reads a source in a thread and offers the newest frame only."""

    def __init__(self, source: Source, *, loop: bool = False) -> None:
        self._source = source
        self._loop = loop
        self._fresh = threading.Condition()
        self._newest: Frame | None = None
        self._stop = threading.Event()
        self._times: deque[float] = deque(maxlen=_RATE_FRAMES)
        self._count = 0
        self.state = State.CONNECTING
        self.error = ""
        self.drops: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._run, name=f"source {source.shown}", daemon=True)
        self._thread.start()

    @property
    def fps(self) -> float:
        """Frames a second that the source gave lately."""
        times = list(self._times)
        if len(times) < 2 or time.monotonic() - times[-1] > 5:
            return 0.0
        return (len(times) - 1) / max(1e-6, times[-1] - times[0])

    def next(self, timeout: float) -> Frame | None:
        with self._fresh:
            if self._newest is None and self.state is not State.ENDED:
                self._fresh.wait(timeout)
            frame, self._newest = self._newest, None
            return frame

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=2)

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            before = self._count
            try:
                ended = self._read_through()
                self.error = "" if ended else f"{self._source.shown} broke off; trying again."
            except SourceFailed as failure:
                ended, self.error = False, str(failure)
            except cv2.error as failure:
                ended, self.error = False, f"{self._source.shown} could not be read: {failure.err}"
            if self._stop.is_set():
                return
            if ended and not self._loop:
                with self._fresh:
                    self.state = State.ENDED
                    self._fresh.notify()
                return
            if ended:
                continue
            self.state = State.OFFLINE
            failures = 1 if self._count > before else failures + 1
            self._stop.wait(min(RETRY_MOST, RETRY_FIRST * 2.0 ** min(failures - 1, 10)) * random.uniform(0.75, 1.25))  # noqa: S311

    def _read_through(self) -> bool:
        """Reads until the source stops; True when it is a file that came to its end."""
        capture = Capture(self._source)
        try:
            is_file = self._source.kind is Kind.FILE
            due, count = time.monotonic(), 0
            while not self._stop.is_set():
                image = capture.read()
                if image is None:
                    if is_file and count == 0:
                        raise SourceFailed(_no_picture(self._source))
                    self._stop.wait(max(0.0, due - time.monotonic()) if is_file else 0.0)
                    return is_file
                count += 1
                if is_file:
                    due = self._pace(due, capture.fps)
                self._offer(image)
            return False
        finally:
            capture.close()

    def _pace(self, due: float, fps: float) -> float:
        """Waits until the frame is due as it would be live; returns when the next one is."""
        late = time.monotonic() - due
        if late < 0:
            self._stop.wait(-late)
        elif late > MAX_CATCH_UP:
            due += late
        return due + 1.0 / fps

    def _offer(self, image: Image) -> None:
        now = time.monotonic()
        self._times.append(now)
        self._count += 1
        with self._fresh:
            if self._newest is not None:
                self.drops["newer frame"] += 1
            self._newest = Frame(image=image, t=now, captured_at=datetime.now(UTC), received=now)
            self.state, self.error = State.ONLINE, ""
            self._fresh.notify()


class FileReader:
    """Every frame of a file in order; its last frame counts as captured now."""

    def __init__(self, source: Source) -> None:
        self._capture = Capture(source)
        self._count = 0
        self._began = datetime.now(UTC) - timedelta(seconds=self._capture.seconds)
        self.state = State.ONLINE
        self.error = ""
        self.drops: Counter[str] = Counter()

    @property
    def fps(self) -> float:
        return self._capture.fps

    def next(self, timeout: float) -> Frame | None:
        image = self._capture.read()
        if image is None:
            self.state = State.ENDED
            return None
        t = self._count / self._capture.fps
        self._count += 1
        captured_at = self._began + timedelta(seconds=t)
        return Frame(image=image, t=t, captured_at=captured_at, received=time.monotonic())

    def close(self) -> None:
        self._capture.close()


def _check_file(path: Path, shown: str) -> None:
    try:
        with path.open("rb") as stream:
            empty = not stream.read(1)
    except FileNotFoundError:
        raise SourceFailed(
            f"{shown} does not exist. Check the path; it is read on the machine of the camera worker."
        ) from None
    except IsADirectoryError:
        raise SourceFailed(f"{shown} is a folder. Name a video file.") from None
    except OSError as error:
        raise SourceFailed(f"{shown} can not be read: {error.strerror}. Check the path and its permissions.") from error
    if empty:
        raise SourceFailed(f"{shown} is empty (0 bytes). Copy the file again.")


def _no_picture(source: Source) -> str:
    return f"{source.shown} gives no picture that can be read. Check it with a video player."
