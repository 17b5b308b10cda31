"""The loop of one camera: frame, motion, faces, tracks, decisions, sightings, alerts, live picture.

`CameraLoop.step` reads top to bottom as the way of a frame; a caller repeats it until it returns False. What the loop
owns belongs to one thread; models, gallery, turns, scribe and reporter are shared by all loops of a process. The loop
itself waits for no database and no Redis.

Frames are looked at as often as `Pace` says, and where nothing moves nothing is detected. Faces that are followed are
looked for around where they should be, new ones in what moves, and now and then in the whole frame. For what is heavy
the loop waits for its turn, and takes the newest frame when that comes. With `gating=False` every frame that is looked
at is searched as a whole: that is what benchmarks compare with.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from django.conf import settings

from cameras.drops import Drop
from cameras.leases import LeaseLost
from cameras.live import State, View
from cameras.models import Camera
from recognition.engine.types import Floats
from recognition.gallery import gallery
from workers.clips import Clips
from workers.faces import Faces
from workers.following import Following
from workers.leases import Holding
from workers.looking import Expected, Masks, Region, find, plan, whole
from workers.motion import Motion, MotionGate
from workers.preview import Mark
from workers.rates import Attention, Pace
from workers.regions import Box, beside, overlap
from workers.reporter import Reporter, reporter
from workers.scribe import Scribe, scribe
from workers.showing import Showing
from workers.sightings import CameraFacts, SightingWriter, Tell
from workers.sources import Frame, Reader
from workers.studio import Studio, studio
from workers.tamper import TamperWatch
from workers.tracking import Track
from workers.turns import Turns, turns
from workers.zones import Passing, ZoneBook, zone_book

_log = logging.getLogger(__name__)

FRAME_WAIT = 0.25
TURN_SECONDS = 2.0  # a turn that does not come in this time is given up
STILL_SECONDS = 60.0  # the whole frame is looked at so often, whether or not anything moves,
MOVING_SECONDS = 8.0  # and so often while something moves without a pause
SEARCH_SECONDS = 1.0  # what moves around a face that is followed is searched for others so often
DOUBT_SECONDS = 0.4  # while nothing moves: faces that are not decided are looked at so often,
HOLD_SECONDS = 0.8  # and those that are
REST_SECONDS = 0.8  # without motion and faces: then the reader may rest
AWAY_SECONDS = 0.6  # a face that was looked for in vain and not seen for so long keeps nobody awake
FAST = 0.35  # of a face's side between two looks: so fast a face is looked at as often as can be
BARREN = ((20.0, 1.0), (5.0, 0.5), (float("-inf"), 0.0))  # after so long without a face: how often it is searched
BESIDE = ((0.5, 0.5), (float("-inf"), 0.0))  # likewise for what moves beside faces that are followed
EARLY_SECONDS = 0.02  # before a look is due the loop asks for a frame
MARK_SECONDS = 0.5  # a face that was not found for so long is not marked


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all loops of a process have in common."""

    turns: Turns
    reporter: Reporter
    scribe: Scribe
    zones: ZoneBook = field(default_factory=zone_book)
    studio: Studio = field(default_factory=studio)

    @classmethod
    def of_process(cls) -> Shared:
        return cls(turns=turns(), reporter=reporter(), scribe=scribe())


class CameraLoop:
    """Runs one camera under one lease until it ends, is stopped, or the lease is over."""

    def __init__(
        self,
        *,
        camera: Camera,
        holding: Holding,
        reader: Reader,
        stop: threading.Event,
        tell: Tell | None = None,
        gating: bool = True,
        shared: Shared | None = None,
    ) -> None:
        self._facts = CameraFacts(id=camera.pk, name=camera.name, latitude=camera.latitude, longitude=camera.longitude)
        self._holding, self._reader, self._stop, self._gating = holding, reader, stop, gating
        self._priority = camera.priority
        self._shared = shared or Shared.of_process()
        self._drops: Counter[Drop] = Counter()
        self._pace = Pace(camera.detect_fps or settings.DETECT_FPS, priority=camera.priority)
        self._gate = MotionGate(sensitivity=camera.sensitivity, masks=camera.masks)
        self._masks = Masks(camera.masks)
        self._tamper, self._view = TamperWatch(), View.CLEAR
        self._clips: Clips | None = None
        if camera.clips:
            self._clips = Clips(camera=camera.name, ignored=camera.masks, drops=self._drops, taker=self._shared.studio)
        self._writer = SightingWriter(
            camera=self._facts,
            lease=holding.lease,
            tell=tell or (lambda *_: None),
            drops=self._drops,
            raised=self._clips.begin if self._clips is not None else None,
        )
        self._following = Following(self._writer, reader.detail, Passing(self._shared.zones, camera.pk))
        self._showing = Showing(
            camera_id=camera.pk,
            worker=holding.lease.owner,
            reader=reader,
            pace=self._pace,
            drops=self._drops,
            reporter=self._shared.reporter,
        )
        self._last: Frame | None = None
        never = float("-inf")
        self._moved_t = self._still_t = never  # when something, or nothing, moved last
        self._barren_t = never  # since when something moves that shows no face
        self._beside_t = never  # since when something moves beside the faces in view that shows no other face
        self._moving: tuple[Box, ...] = ()  # where something moved when it was looked last
        self._detected_t = self._searched_t = self._whole_t = never
        self._frames_in = 0
        self._rests = False
        self._waited = 0.0

    def step(self) -> bool:
        """Takes one frame the whole way; False when the loop is over. Raises LeaseLost."""
        if self._stop.is_set() or not self._holding.is_held():
            return False
        self._holding.beat()
        frame = self._next_frame()
        self._showing.say(self._view_by_now, trouble=self._writer.trouble)
        if frame is None:
            return self._without_frame()
        if self._pace.is_due(frame.t):
            self._note_look(frame)
            motion = self._look_for_motion(frame)
            if self._is_worth(frame.t, motion):
                frame = self._look_for_faces(frame, motion)
            else:
                self._drops[Drop.NOTHING_MOVED] += 1
        self._write()
        self._show(frame)
        if self._clips is not None:
            self._clips.keep(frame, rests=self._rests)
        return True

    @property
    def ended(self) -> bool:
        """Whether the source has come to its end, as a file does."""
        return self._reader.state is State.ENDED

    @property
    def _view_by_now(self) -> View:
        """A black picture stands still as well; that it is black says more."""
        return View.FROZEN if self._reader.frozen and self._view is not View.BLACK else self._view

    def run(self) -> None:
        """Repeats `step` until it is over, then closes what is open. Never raises for a lost lease."""
        self._shared.scribe.add(self._writer)
        try:
            while self.step():
                pass
            self._following.drop_all()
            self._writer.drain()
        except LeaseLost as lost:
            _log.info("%s: %s", self._facts.name, lost)
        finally:
            self._shared.scribe.remove(self._writer)
            if self._clips is not None:
                self._clips.finish()
            self._shared.turns.leave(self._facts.id)
            self._showing.leave()
            self._reader.close()

    # --- frames --------------------------------------------------------------------------------------------------

    def _next_frame(self) -> Frame | None:
        """The next frame; between two looks a live source does not wake this thread."""
        if self._reader.is_live and self._last is not None:
            look_at = self._last.received + self._pace.due - self._last.t - EARLY_SECONDS
            clip_at = self._clips.due_at if self._clips is not None else float("inf")
            pause = min(look_at, self._showing.picture_due_at, clip_at) - time.monotonic()
            if pause > 0:
                self._stop.wait(min(pause, FRAME_WAIT))
        frame = self._reader.next(FRAME_WAIT)
        self._last = frame or self._last
        return frame

    def _without_frame(self) -> bool:
        if self._reader.state is State.OFFLINE and self._last is not None:
            now = self._last.t + time.monotonic() - self._last.received
            self._following.expire(now)
            if self._clips is not None:
                self._clips.complete(now)
        self._write()
        return self._reader.state is not State.ENDED

    def _note_look(self, frame: Frame) -> None:
        """Counts the looks that the rate asked for since the last one and that did not take place."""
        came, self._frames_in = self._reader.frames_in - self._frames_in, self._reader.frames_in
        # At rest the reader may leave out what it likes: nobody is in view.
        missed = self._pace.look(frame.t, came=1 if self._rests else came)
        if missed:
            waited = self._waited > self._pace.interval / 2
            self._drops[Drop.NO_TURN if waited else Drop.STILL_BUSY] += missed
        self._waited = 0.0

    def _newest(self, frame: Frame, motion: Motion) -> tuple[Frame, Motion]:
        """The newest frame by now, with all that moved."""
        newer = self._reader.newest()
        if newer is None:
            return frame, motion
        self._drops[Drop.NEWER] += 1
        self._last = newer
        again = self._gate.look(newer.luma)
        regions = (*motion.regions, *again.regions)
        return newer, Motion(moved=motion.moved or again.moved, cut=motion.cut or again.cut, regions=regions)

    # --- where something may be ----------------------------------------------------------------------------------

    def _look_for_motion(self, frame: Frame) -> Motion:
        motion = self._gate.look(frame.luma)
        self._view = self._tamper.look(self._gate.grey, frame.t)
        self._following.expire(frame.t)
        if motion.regions or any(self._is_in_view(track, frame.t) for track in self._following.tracks):
            self._moved_t = frame.t
        if not motion.moved or self._still_t == float("-inf"):
            self._still_t = self._barren_t = frame.t
        self._note_beside(frame.t, motion)
        self._rests = frame.t - self._moved_t >= REST_SECONDS
        if self._rests:
            self._reader.rest()
        else:
            self._reader.wake()
        self._pace.tune(self._attention(frame.t, motion), self._shared.turns.share, frame.t)
        return motion

    def _is_in_view(self, track: Track, t: float) -> bool:
        """Whether the face was there when it was looked for last, or a moment ago."""
        return track.last_t >= self._detected_t or t - track.last_t < AWAY_SECONDS

    def _note_beside(self, t: float, motion: Motion) -> None:
        """What moves beside the faces in view is news where nothing moved a moment ago."""
        before, self._moving = self._moving, motion.regions
        if not all(any(overlap(box, old) for old in before) for box in self._unexplained(t, motion)):
            self._beside_t = t

    def _attention(self, t: float, motion: Motion) -> Attention:
        """Calm is who has only faces in view that are decided, and do not hurry."""
        tracks = self._following.tracks
        if not tracks or not all(self._following.is_firm(track) for track in tracks):
            return Attention.KEEN
        fast = any(_stride(track, t, t + self._pace.interval) > FAST for track in tracks)
        is_news = _pause(BESIDE, t - self._beside_t) == 0 and bool(self._unexplained(t, motion))
        return Attention.KEEN if fast or is_news else Attention.CALM

    def _is_worth(self, t: float, motion: Motion) -> bool:
        """Whether faces are looked for in this frame at all."""
        if not self._gating or self._is_whole_due(t, motion):
            return True
        tracks = self._following.tracks
        if motion.moved and (tracks or self._is_search_due(t)):
            return True
        sure = all(self._following.is_firm(track) for track in tracks)
        return bool(tracks) and t - self._detected_t >= (HOLD_SECONDS if sure else DOUBT_SECONDS)

    def _is_whole_due(self, t: float, motion: Motion) -> bool:
        if motion.cut or t - self._whole_t >= STILL_SECONDS:
            return True
        return motion.moved and t - max(self._whole_t, self._still_t) >= MOVING_SECONDS

    def _is_search_due(self, t: float) -> bool:
        """What has moved for long without showing a face, as trees do, is searched less often, and so is the body
        of somebody whose face is followed already."""
        pause = _pause(BARREN, t - self._barren_t)
        if self._following.tracks:
            pause = max(pause, _pause(BESIDE, t - self._beside_t))
        return t - self._searched_t >= pause

    def _unexplained(self, t: float, motion: Motion) -> list[Box]:
        """Where something moves that is nobody who is followed."""
        if self._last is None:
            return []
        width, height = self._last.width, self._last.height
        faces = [_normalised(track.predict(t), width, height) for track in self._following.tracks]
        return beside(motion.regions, faces)

    def _regions(self, frame: Frame, motion: Motion) -> list[Region]:
        """What of the frame is searched, and around which faces it is looked."""
        t = frame.t
        if not self._gating or self._is_whole_due(t, motion):
            self._whole_t = self._searched_t = t
            return whole(frame.image)
        search: list[Box] = []
        if t - self._searched_t >= SEARCH_SECONDS:  # also beside the faces that are followed
            search = list(motion.regions)
        elif self._is_search_due(t):
            search = self._unexplained(t, motion)
        if search:
            self._searched_t = t
        follow = [Expected(box=track.predict(t), unseen=t - track.last_t) for track in self._following.tracks]
        return plan(frame.image, search=search, follow=follow)

    # --- faces ---------------------------------------------------------------------------------------------------

    def _look_for_faces(self, frame: Frame, motion: Motion) -> Frame:
        """Detects, follows and decides when it is this camera's turn; returns the frame that was looked at."""
        asked = time.monotonic()
        with self._shared.turns.turn(self._facts.id, weight=self._priority, timeout=TURN_SECONDS) as came:
            self._waited = time.monotonic() - asked
            if not came:
                self._drops[Drop.NO_TURN] += 1
                self._pace.miss()
                return frame
            frame, motion = self._newest(frame, motion)
            snapshot = gallery()
            self._following.go_over_to(snapshot.pack)
            small = settings.SMALL_FACES == "all"
            found = find(frame.image, self._regions(frame, motion), snapshot.pack, small_faces=small)
            found = self._masks.without(found, frame.image)
            count = len(self._following.tracks)
            self._following.take(Faces(frame, snapshot.pack, found), cut=motion.cut)
            if len(self._following.tracks) > count:  # others may come along
                self._beside_t = frame.t
            self._following.decide(frame.t, snapshot)
        if self._clips is not None:
            self._clips.look(frame, self._following.tracks, self._following.doubtful)
        self._detected_t = frame.t
        if len(found):
            self._barren_t = frame.t
        self._showing.note(frame)
        return frame

    # --- what others see -----------------------------------------------------------------------------------------

    def _write(self) -> None:
        """Has written what changed; raises what stopped the writer."""
        self._shared.scribe.note(self._writer)
        if self._writer.error is not None:
            raise self._writer.error

    def _show(self, frame: Frame) -> None:
        """Offers a live picture, while somebody looks."""
        if not self._showing.is_picture_due():
            return
        names = gallery().names
        self._showing.draw(
            frame,
            [
                Mark(
                    box=_corners(w.track.predict(frame.t)),
                    text=names.get(w.decision.person or 0, ""),
                    verdict=w.decision.verdict,
                )
                for w in self._following.watched
                if w.track.confirmed and self._detected_t - w.track.last_t < MARK_SECONDS
            ],
        )


def _pause(steps: tuple[tuple[float, float], ...], barren: float) -> float:
    """How long to wait between two searches that have been in vain for so long."""
    return next(pause for least, pause in steps if barren >= least)


def _stride(track: Track, t: float, later: float) -> float:
    """How far the face is expected to move between the two times, in its own sides."""
    now, then = track.predict(t), track.predict(later)
    side = max(1.0, float(max(now[2] - now[0], now[3] - now[1])))
    return float(np.abs(then - now).max()) / side


def _normalised(box: Floats, width: int, height: int) -> Box:
    x1, y1, x2, y2 = _corners(box)
    return x1 / width, y1 / height, x2 / width, y2 / height


def _corners(box: Floats) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (float(value) for value in box)
    return x1, y1, x2, y2
