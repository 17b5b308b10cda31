"""Every picture of a file or a folder in order, as fast as they are asked for.

`Frame.t` begins with 0 and follows the time stamps where these are sane, else the nominal rate. The file's last frame
counts as captured now, in UTC.
"""

from __future__ import annotations

import time
from collections import deque
from datetime import timedelta

from cameras.live import State
from cameras.sources import Source
from cameras.video import Capture, CaptureOptions, EndOfSource, Picture, SourceFailed, open_capture
from workers.sources.clock import Clock
from workers.sources.detail import Detail
from workers.sources.frame import Frame
from workers.sources.pace import Pace
from workers.sources.retry import Opener
from workers.sources.tally import Tallied


class FileReader(Tallied):
    """Gives every frame in order; raises SourceFailed where the source can not be opened."""

    def __init__(
        self, source: Source, *, options: CaptureOptions, clock: Clock | None = None, opener: Opener = open_capture
    ) -> None:
        super().__init__()
        self._source = source
        self._capture: Capture = opener(source, options)
        self._pictures: deque[Picture] = deque()
        self._pace = Pace()
        self._pace.start(self._capture.fps)
        self._began = (clock or Clock()).utc() - timedelta(seconds=self._capture.seconds)
        self._tally.state = State.ONLINE
        self.is_live = False
        self.detail: Detail | None = None

    @property
    def fps(self) -> float:
        return self._capture.fps

    def next(self, timeout: float) -> Frame | None:
        while not self._pictures:
            try:
                self._pictures.extend(self._capture.step())
            except EndOfSource:
                self._end()
                return None
            except SourceFailed as failure:
                self._end(str(failure))
                return None
            self._tally.account(self._capture, len(self._pictures), now=time.monotonic(), resting=False)
        picture = self._pictures.popleft()
        self._tally.measure(picture)
        t = self._pace.picture(picture.pts, 0.0)
        return Frame(picture=picture, t=t, captured_at=self._began + timedelta(seconds=t), received=time.monotonic())

    def newest(self) -> Frame | None:
        """There is none: no frame is left out."""
        return None

    def wake(self) -> None:
        """Every picture is decoded anyway."""

    def rest(self) -> None:
        """Every picture is decoded all the same."""

    def close(self) -> None:
        self._pictures.clear()
        self._capture.close()

    def _end(self, error: str = "") -> None:
        if not self._tally.pictures and not error:
            error = f"{self._source.shown} gives no picture that can be read. Check it with a video player."
        self._tally.state, self._tally.error = State.ENDED, error
