"""The thread that reads a source: opens, paces, decodes as much as is useful, and puts frames on the desk.

It owns its capture; `stop` ends it after the step that it is in. Times are in seconds of time.monotonic().
"""

from __future__ import annotations

import threading
from urllib.parse import urlsplit

from cameras.drops import Drop
from cameras.live import State
from cameras.sources import Kind, Source
from cameras.video import Capture, CaptureOptions, Decode, EndOfSource, Picture, SourceFailed
from workers.sources.clock import Arrivals, Clock, Timeline
from workers.sources.desk import Desk
from workers.sources.frame import Frame
from workers.sources.frozen import FrozenWatch
from workers.sources.pace import CAUGHT_UP, GIVE_UP, SKIP_MOST, Doze, Effort, Pace
from workers.sources.retry import Backoff, Line, Opener, Then
from workers.sources.tally import Tally

AWAKE_SECONDS = 2.0  # so long a camera that woke by itself looks, before the loop may let it rest
_WAITED = 0.4  # a step that took longer than this part of a frame's time waited for the source


class Reading:
    """One thread and what it reads; a reader starts another one when this one hangs."""

    def __init__(
        self,
        source: Source,
        *,
        options: CaptureOptions,
        loop: bool,
        idle: bool,
        tally: Tally,
        desk: Desk,
        timeline: Timeline,
        frozen: FrozenWatch | None,
        doze: float,
        clock: Clock,
        opener: Opener,
    ) -> None:
        self._source, self._loop, self._clock = source, loop, clock
        self._idle = idle
        self._doze, self._slack = Doze(doze), 0.0
        self._tally, self._desk, self._frozen, self._timeline = tally, desk, frozen, timeline
        self._arrivals, self._effort = Arrivals(), Effort()
        self._pace = Pace()
        self._is_paced = False
        # HLS brings many seconds at once, and must be played at its own pace as well.
        self._comes_in_parts = source.kind is Kind.STREAM and urlsplit(source.text).path.lower().endswith(".m3u8")
        self._last_t = float("-inf")
        self._awake_until = self._woken_at = float("-inf")
        self._is_late_wake = False
        self._reopen_at: float | None = None
        self._thawing = Backoff()
        self.stop = threading.Event()
        self.line = Line(source, options, clock=clock, stop=self.stop, tell=self._failed, opener=opener)
        self._thread = threading.Thread(target=self._run, name=f"source {source.shown}", daemon=True)
        self._thread.start()

    def join(self, seconds: float) -> None:
        self._thread.join(max(0.0, seconds))

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        self.line.follow(self._use)
        if not self.stop.is_set():
            self._tally.state, self._tally.error = State.ENDED, ""
            self._desk.end()

    def _failed(self, reason: str) -> None:
        self._tally.state, self._tally.error = State.OFFLINE, reason
        self._tally.frozen = False

    # --- one capture ---------------------------------------------------------------------------------------------

    def _use(self, capture: Capture) -> Then:
        self._begin(capture)
        before = self._tally.pictures
        while not self.stop.is_set():
            resting = self._is_resting()
            self._slack = max(0.0, self._doze.length(resting=resting) - self._pace.period)
            self._is_late_wake = self._is_late_wake and not resting
            try:
                pictures, took = self._step(capture, resting=resting)
            except EndOfSource:
                return self._ended(capture, any_came=self._tally.pictures > before)
            if self.stop.is_set():
                break
            now, waited = self._clock.monotonic(), took > _WAITED / capture.fps
            self._tally.account(capture, len(pictures), now=now, resting=resting)
            for picture in pictures:
                self._bring(picture, capture)
            if not pictures and capture.decode is Decode.KEYFRAMES:
                self._pass_by(capture, waited=waited)
            if not self._is_paced:
                self._sleep(capture.fps, pictures, waited=waited, resting=resting)
            if resting and capture.stirred:
                self._awake_until = now + AWAKE_SECONDS
            if self._reopen_at is not None and now >= self._reopen_at:
                self._reopen_at = None
                return Then.AGAIN
        return Then.OVER

    def _begin(self, capture: Capture) -> None:
        self._is_paced = not capture.is_live or self._comes_in_parts
        self._arrivals.restart()
        self._tally.opened()
        self._effort.relax()
        self._woken_at = float("-inf")
        if capture.is_live:
            self._tally.restarts += self.line.opened > 1
        self._pace.start(capture.fps)

    def _ended(self, capture: Capture, *, any_came: bool) -> Then:
        if self.stop.is_set():
            return Then.OVER
        if capture.is_live:
            raise SourceFailed(f"{self._source.shown} ended. Check the camera.")
        if not any_came:
            raise SourceFailed(f"{self._source.shown} gives no picture that can be read. Check it with a video player.")
        if self._pace.due is not None:
            self._clock.wait(self.stop, max(0.0, self._pace.due + self._pace.period - self._clock.monotonic()))
        return Then.AGAIN if self._loop else Then.OVER

    def _is_resting(self) -> bool:
        return self._idle and self._tally.wants_rest and self._clock.monotonic() >= self._awake_until

    def _step(self, capture: Capture, *, resting: bool) -> tuple[list[Picture], float]:
        """The next pictures, and how long that took."""
        wanted = Decode.KEYFRAMES if resting else self._effort.decode
        if wanted is Decode.ALL and self._tally.wants_rest:
            wanted = Decode.ROUGH
        if capture.decode is Decode.KEYFRAMES and wanted is not Decode.KEYFRAMES:
            return self._wake(capture), 0.0
        if capture.decode is not wanted:
            capture.decode = wanted
        began = self._clock.monotonic()
        pictures = self.line.ask(capture.step)
        return pictures, self._clock.monotonic() - began

    def _wake(self, capture: Capture) -> list[Picture]:
        self._woken_at = self._clock.monotonic()
        self._pace.back()
        return self.line.ask(capture.wake)

    # --- pictures ------------------------------------------------------------------------------------------------

    def _bring(self, picture: Picture, capture: Capture) -> None:
        """Puts a picture on the desk when it is due."""
        tally, is_older = self._tally, picture.received <= self._woken_at
        moment = self._due(picture, is_older) if self._is_paced else self._arrived(picture, is_older)
        if self.stop.is_set():
            return
        tally.measure(picture)
        self.line.good()
        tally.state, tally.error = State.ONLINE, ""
        if self._frozen is not None and not is_older:
            self._look_whether_frozen(self._frozen, picture)
        self._last_t = t = max(moment, self._last_t + 1e-4)
        frame = Frame(picture=picture, t=t, captured_at=self._timeline.utc(t), received=t)
        if not is_older:
            self._desk.put(frame)
        elif self._is_late_wake:
            tally.drops[Drop.BEHIND] += 1
        else:
            self._desk.put_older(frame)

    def _arrived(self, picture: Picture, is_older: bool) -> float:
        moment = self._arrivals.place(picture.pts, picture.received)
        if not is_older:
            self._effort.judge(self._arrivals.behind, self._clock.monotonic())
        return moment

    def _due(self, picture: Picture, is_older: bool) -> float:
        """Waits until the picture is due as it would be live."""
        due = self._pace.picture(picture.pts, self._clock.monotonic())
        if is_older:
            return due
        late = self._wait_for(due)
        if self._comes_in_parts and late > SKIP_MOST:  # the next part was late, not this machine
            self._pace.start_anew(late)
            late = 0.0
        self._effort.judge(late, self._clock.monotonic())
        return self._pace.due or due

    def _wait_for(self, due: float) -> float:
        """Waits for a moment; how late it is already."""
        late = self._clock.monotonic() - due
        if late < 0:
            self._clock.wait(self.stop, self._slack - late)
            return 0.0
        if late > GIVE_UP and not self._comes_in_parts:
            self._tally.drops[Drop.STOOD_STILL] += round(late / self._pace.period)
            self._pace.start_anew(late)
            return 0.0
        return late

    def _sleep(self, fps: float, pictures: list[Picture], *, waited: bool, resting: bool) -> None:
        """Between packets of a live source; never while it is behind, or wakes up."""
        is_waking = bool(pictures) and pictures[-1].received <= self._woken_at
        if self._effort.decode is not Decode.ALL or is_waking:
            return
        pause = self._doze.after(fps, waited=waited, resting=resting)
        if pause:
            self._clock.wait(self.stop, pause)

    def _pass_by(self, capture: Capture, *, waited: bool) -> None:
        """A picture that is not decoded; sees when there is nothing to catch up with any more."""
        is_free = waited
        if self._is_paced:
            is_free = self._wait_for(self._pace.skipped(self._clock.monotonic())) < CAUGHT_UP
        effort = self._effort
        effort.skipped()
        if effort.decode is not Decode.KEYFRAMES or not is_free:
            return
        is_real = self._is_paced or effort.is_real(1 / capture.fps)
        if not is_real:
            self._arrivals.forgive()
        elif not effort.may_wake(capture.decode_ms):
            return
        effort.relax()
        self._is_late_wake = is_real

    def _look_whether_frozen(self, watch: FrozenWatch, picture: Picture) -> None:
        """While the picture stands still, the source is opened again at growing intervals."""
        now = self._clock.monotonic()
        self._tally.frozen = watch.look(picture, now)
        if not self._tally.frozen:
            self._reopen_at = None
            self._thawing.reset()
        elif self._reopen_at is None:
            self._reopen_at = now + self._thawing.pause()
