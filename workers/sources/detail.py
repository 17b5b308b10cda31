"""The second, larger stream of a camera: the picture of a moment, when somebody wants a closer look.

While nobody does, nothing is decoded: what came since the last key picture is kept encoded. When somebody does, that is
decoded at once, and the pictures of the last KEEP_SECONDS are kept, at most KEEP_BYTES of them and therefore not every
one. A failure of this stream never disturbs the first one; it is tried again by itself.

Moments are those of `Frame.received` (time.monotonic()): of each stream the least delayed pictures tell how its time
stamps lie on that clock, which takes out what the network adds to single pictures. What remains is the difference of
the two encoders' delays; cameras do not tell it, and it is small beside NEAR_SECONDS.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Protocol

from cameras.sources import Source
from cameras.video import Capture, CaptureOptions, Decode, EndOfSource, Picture, SourceFailed, open_capture
from workers.sources.clock import Arrivals, Clock
from workers.sources.pace import GIVE_UP, Doze, Pace
from workers.sources.retry import Line, Opener, Then

KEEP_SECONDS = 1.2
KEEP_BYTES = 32 * 1024 * 1024
KEEP_EVERY = 0.08
NEAR_SECONDS = 0.4
_WAITED = 0.4  # a step that took longer than this part of a frame's time waited for the source


class Detail(Protocol):
    """What a camera loop asks of the second stream."""

    @property
    def error(self) -> str:
        """Why there are no pictures; empty while there are."""

    def want(self, on: bool) -> None:
        """Whether pictures are asked for from now on."""

    def near(self, received: float) -> Picture | None:
        """The picture nearest to the moment of a frame of the first stream; None when none is near."""

    def close(self) -> None: ...


class SecondStream:
    """Reads the second stream in a thread of its own."""

    def __init__(
        self,
        source: Source,
        *,
        options: CaptureOptions,
        loop: bool = False,
        doze: float = 0.0,
        clock: Clock | None = None,
        opener: Opener = open_capture,
    ) -> None:
        self._source, self._loop = source, loop
        self._clock = clock or Clock()
        self._stop = threading.Event()
        self._wanted = False
        self._lock = threading.Lock()
        self._kept: deque[tuple[float, Picture]] = deque()
        self._arrivals = Arrivals()
        self._pace, self._doze = Pace(), Doze(doze)
        self.error = ""
        self._line = Line(source, options, clock=self._clock, stop=self._stop, tell=self._failed, opener=opener)
        self._thread = threading.Thread(
            target=self._line.follow, args=(self._use,), name=f"second stream {source.shown}", daemon=True
        )
        self._thread.start()

    def want(self, on: bool) -> None:
        self._wanted = on
        if not on and self._kept:
            with self._lock:
                self._kept.clear()

    def near(self, received: float) -> Picture | None:
        with self._lock:
            best = min(self._kept, key=lambda each: abs(each[0] - received), default=None)
        return best[1] if best is not None and abs(best[0] - received) <= NEAR_SECONDS else None

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=1.0)
        with self._lock:
            self._kept.clear()

    def _failed(self, reason: str) -> None:
        self.error = reason

    def _use(self, capture: Capture) -> Then:
        self._arrivals.restart()
        self._pace.start(capture.fps)
        any_came = False
        while not self._stop.is_set():
            try:
                pictures = self._adapt(capture)
                began = self._clock.monotonic()
                pictures += self._line.ask(capture.step)
            except EndOfSource:
                return self._ended(any_came)
            took = self._clock.monotonic() - began
            any_came, self.error = True, ""
            self._line.good()
            for picture in pictures:
                self._keep(picture, self._moment(picture, capture))
            self._sleep(capture, pictures, waited=took > _WAITED / capture.fps)
        return Then.OVER

    def _adapt(self, capture: Capture) -> list[Picture]:
        """Decodes what is wanted; the pictures that this gives at once."""
        if self._wanted and capture.decode is Decode.NOTHING:
            self._pace.start(capture.fps)
            return self._line.ask(capture.wake)
        if not self._wanted and capture.decode is not Decode.NOTHING:
            capture.decode = Decode.NOTHING
        return []

    def _moment(self, picture: Picture, capture: Capture) -> float:
        """When a picture was captured; the pictures of a file are waited for."""
        moment = self._arrivals.place(picture.pts, picture.received)
        if capture.is_live:
            return moment
        # Packets of a file are taken right after the picture before was due, decoded or not.
        if not self._pace.is_anchored:
            return self._pace.anchor(picture.pts, moment + self._pace.period)
        self._wait_for(self._pace.picture(picture.pts, self._clock.monotonic()))
        return moment + self._pace.period

    def _sleep(self, capture: Capture, pictures: list[Picture], *, waited: bool) -> None:
        resting = capture.decode is Decode.NOTHING
        if not capture.is_live:
            if resting and not pictures:
                self._wait_for(self._pace.skipped(self._clock.monotonic()))
        elif len(pictures) < 2:  # more come while what was kept is decoded
            pause = self._doze.after(capture.fps, waited=waited, resting=resting)
            if pause:
                self._clock.wait(self._stop, pause)

    def _wait_for(self, due: float) -> None:
        early = due - self._clock.monotonic()
        if early > 0:
            slack = max(0.0, self._doze.length(resting=not self._wanted) - self._pace.period)
            self._clock.wait(self._stop, early + slack)
        elif early < -GIVE_UP:
            self._pace.start_anew(-early)

    def _keep(self, picture: Picture, moment: float) -> None:
        """Keeps the picture for a while; the larger pictures are, the fewer of them."""
        size = picture.width * picture.height * 3 // 2
        every = max(KEEP_EVERY, size * KEEP_SECONDS / KEEP_BYTES)
        with self._lock:
            kept = self._kept
            if not self._wanted or (kept and moment - kept[-1][0] < every):
                return
            kept.append((moment, picture))
            while moment - kept[0][0] > KEEP_SECONDS:
                kept.popleft()

    def _ended(self, any_came: bool) -> Then:
        if not any_came:
            raise SourceFailed(f"{self._source.shown} gives no picture that can be read. Check it with a video player.")
        return Then.AGAIN if self._loop else Then.OVER
