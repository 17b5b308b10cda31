"""The loop of one camera: frame, motion, faces, tracks, decisions, sightings, alerts, live picture.

`CameraLoop.step` reads top to bottom as the way of a frame; a caller repeats it until it returns False. Everything the
loop owns belongs to one thread; models and the gallery are shared between all loops of a process.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from datetime import datetime

import numpy as np
from django.conf import settings
from django.db import DatabaseError, connection
from redis.exceptions import RedisError

from cameras import live
from cameras.live import State, Status
from cameras.models import Camera, Verdict
from cameras.services import Lease, LeaseLost, renew_lease
from recognition.engine import Embedding, FaceDetections, Pack, Quality, assess, similarity
from recognition.gallery import Snapshot, gallery
from recognition.services import portrait_jpeg
from workers.decision import Evidence, decide_track
from workers.motion import Motion, MotionGate
from workers.preview import Mark, draw
from workers.sightings import CameraFacts, SightingWriter, Tell, Watched
from workers.sources import Frame, Reader
from workers.tracking import Track, Tracker

_log = logging.getLogger(__name__)

FRAME_WAIT = 0.25
MIN_FACE = 32  # pixels; nobody is recognised from fewer
LARGE_FRAME = 24  # in a large frame, a face is at least this part of the shorter side
STILL_SECONDS = 5.0  # a still scene without faces is looked at this often
VERIFY_SECONDS = 1.0  # a decided track is compared with its face this often
OTHER_FACE = 0.8  # a look less similar to its own track may be somebody else's face
SPLIT_LOOKS = 2  # so many of them in a row are: a face at the picture's edge may do it once
BETTER_SHOT = 1.15
PREVIEW_SECONDS = 0.3
MARK_SECONDS = 0.3  # a face that the last search did not find is not marked for longer
STATUS_SECONDS = 1.0


class CameraLoop:
    """Runs one camera under one lease until it ends, is stopped, or the lease is lost."""

    def __init__(
        self,
        *,
        camera: Camera,
        lease: Lease,
        reader: Reader,
        stop: threading.Event,
        tell: Tell | None = None,
    ) -> None:
        self._facts = CameraFacts(id=camera.pk, name=camera.name, latitude=camera.latitude, longitude=camera.longitude)
        self._revision = camera.revision
        self._must_be_enabled = camera.enabled
        self._lease, self._reader, self._stop = lease, reader, stop
        self._drops: Counter[str] = Counter()
        self._gate, self._tracker = MotionGate(), Tracker()
        self._writer = SightingWriter(
            camera=self._facts, lease=lease, tell=tell or (lambda *_: None), drops=self._drops
        )
        self._watched: dict[int, Watched] = {}
        self._pack = ""  # the version whose embeddings the tracks have
        self._state, self._since = State.CONNECTING, time.time()
        self._looked_t = self._detected_t = self._preview_t = float("-inf")
        self._renewed_at = time.monotonic()
        self._database_away = False
        self._status_at = float("-inf")
        self._is_watched = False
        self._processed: deque[float] = deque(maxlen=30)
        self._lag_ms = 0.0

    def step(self) -> bool:
        """Takes one frame the whole way; False when the loop is over."""
        if self._stop.is_set() or not self._still_ours():
            return False
        frame = self._reader.next(FRAME_WAIT)
        self._publish_status()
        if frame is None:
            self._finish(self._tracker.expire(time.monotonic()) if self._reader.state is State.OFFLINE else [])
            self._writer.flush()
            return self._reader.state is not State.ENDED
        if self._is_due(frame):
            motion = self._gate.look(frame.image)
            if self._is_worth(frame, motion):
                snapshot = gallery()
                self._go_over_to(snapshot.pack)
                faces = _Faces(frame, snapshot.pack)
                self._follow(faces, motion)
                self._decide(frame, snapshot)
                self._note_time(frame)
        self._writer.flush()
        self._show(frame)
        return True

    @property
    def ended(self) -> bool:
        """Whether the source has come to its end, as a file does."""
        return self._reader.state is State.ENDED

    def run(self) -> None:
        """Repeats `step` until it is over, then closes what is open. Never raises for a lost lease."""
        try:
            while self.step():
                pass
            self._finish(self._tracker.drop_all())
            self._writer.drain()
        except LeaseLost as lost:
            _log.info("%s: %s", self._facts.name, lost)
        finally:
            self._reader.close()

    # --- the lease -----------------------------------------------------------------------------------------------

    def _still_ours(self) -> bool:
        """Renews the lease in time; False when it is lost, or the camera was changed, disabled or removed."""
        if time.monotonic() - self._renewed_at < settings.HEARTBEAT_SECONDS / 3:
            return True
        self._renewed_at = time.monotonic()
        try:
            row = Camera.objects.filter(pk=self._facts.id).values_list("revision", "enabled").first()
            self._database_away = False
            return row == (self._revision, self._must_be_enabled) and renew_lease(self._lease)
        except DatabaseError as error:
            connection.close()
            if not self._database_away:
                _log.warning("%s goes on while the database is away: %s", self._facts.name, error)
            self._database_away = True
            return True

    # --- faces ---------------------------------------------------------------------------------------------------

    def _is_due(self, frame: Frame) -> bool:
        """Whether it is time to look at a frame at all: DETECT_FPS times a second."""
        if frame.t - self._looked_t < 0.98 / settings.DETECT_FPS:
            return False
        self._looked_t = frame.t
        return True

    def _is_worth(self, frame: Frame, motion: Motion) -> bool:
        """Whether this frame is looked at for faces: something moved, or it is time to make sure."""
        pause = VERIFY_SECONDS if self._tracker.tracks else STILL_SECONDS
        if not motion.moved and frame.t - self._detected_t < pause:
            self._drops["nothing moved"] += 1
            return False
        self._detected_t = frame.t
        return True

    def _go_over_to(self, pack: Pack) -> None:
        """When another pack is in use: drops what tracks know in the old one's numbers, keeps what was decided."""
        if pack.version == self._pack:
            return
        self._pack = pack.version
        for track in self._tracker.tracks:
            track.appearance = None
        for watched in self._watched.values():
            watched.evidence = Evidence(anew=True)
            watched.weighed, watched.doubts = -1, 0
            watched.embedded_t = float("-inf")

    def _follow(self, faces: _Faces, motion: Motion) -> None:
        """Joins the frame's faces to tracks and takes their looks into evidence."""
        frame = faces.frame
        update = self._tracker.update(frame.t, faces.found, look=faces.embedding, cut=motion.cut)
        for track, at in update.seen:
            watched = self._watch(track, frame)
            if self._wants_look(watched, faces.quality(at), frame, motion):
                watched = self._weigh(watched, faces, at)
            self._keep_shot(watched, faces, at)
            watched.frames += 1
            watched.last_at = frame.captured_at
            if track.confirmed:
                self._writer.changed(watched)
        self._finish(update.ended)
        numbers = {track.number for track in self._tracker.tracks}
        self._watched = {number: w for number, w in self._watched.items() if number in numbers}

    def _watch(self, track: Track, frame: Frame) -> Watched:
        if track.number not in self._watched:
            self._watched[track.number] = Watched(track, frame.captured_at, frame.captured_at)
        return self._watched[track.number]

    def _wants_look(self, watched: Watched, quality: Quality, frame: Frame, motion: Motion) -> bool:
        """Whether an embedding of this face would tell something new."""
        if not quality.usable:
            return False
        decided = watched.decision.verdict is not Verdict.UNDECIDED and watched.decision.pack == self._pack
        return (
            not decided
            or watched.doubts > 0
            or motion.cut
            or quality.score > watched.best_quality * BETTER_SHOT
            or frame.t - watched.embedded_t >= VERIFY_SECONDS
        )

    def _weigh(self, watched: Watched, faces: _Faces, at: int) -> Watched:
        """Takes a look into evidence; looks at somebody else end the track and start another."""
        frame, embedding = faces.frame, faces.embedding(at)
        if embedding is None:
            return watched
        watched.embedded_t = frame.t
        known = watched.track.appearance
        if known is not None and similarity(known, embedding) < OTHER_FACE:
            watched.doubts += 1
            if watched.doubts < SPLIT_LOOKS:
                return watched
            track = self._tracker.split(watched.track, faces.found, at, frame.t)
            if watched.track.confirmed:
                self._finish([watched.track])
            watched = self._watch(track, frame)
            watched.embedded_t = frame.t
        watched.doubts = 0
        watched.evidence.add(embedding, faces.quality(at).score)
        watched.track.appearance = watched.evidence.mean()
        return watched

    def _keep_shot(self, watched: Watched, faces: _Faces, at: int) -> None:
        quality = faces.quality(at).score
        if quality > watched.best_quality * BETTER_SHOT or watched.frames == 0:
            watched.best_quality = max(quality, watched.best_quality)
            watched.shot = portrait_jpeg(faces.frame.image, faces.found.boxes[at])

    # --- decisions -----------------------------------------------------------------------------------------------

    def _decide(self, frame: Frame, snapshot: Snapshot) -> None:
        """Decides every track anew whose evidence, or the gallery, has changed; one person is one face in view."""
        taken: set[int] = set()
        # What was decided with the pack in use comes first: similarities of two packs can not be ranked.
        by_likeness = sorted(
            self._watched.values(),
            key=lambda w: (w.decision.pack != snapshot.pack.version, -(w.decision.similarity or -1.0)),
        )
        for watched in by_likeness:
            if not watched.track.confirmed:
                continue
            in_view = watched.track.last_t == frame.t
            others = frozenset(taken) if in_view else frozenset()
            clash = watched.decision.person in others
            if clash or watched.weighed != watched.evidence.count or watched.decided_revision != snapshot.revision:
                self._decide_one(watched, snapshot, others, frame.captured_at, ended=False)
            if watched.decision.person is not None and in_view:
                taken.add(watched.decision.person)

    def _decide_one(
        self, watched: Watched, snapshot: Snapshot, taken: frozenset[int], now: datetime, *, ended: bool
    ) -> None:
        before = watched.decision
        watched.decision = decide_track(watched.evidence, snapshot, before, taken=taken, ended=ended)
        watched.weighed, watched.decided_revision = watched.evidence.count, snapshot.revision
        if watched.decision.person != before.person:
            watched.decided_at = now
            self._writer.changed(watched, urgent=True)

    def _finish(self, ended: list[Track]) -> None:
        """Closes the sightings of tracks that are over."""
        for track in ended:
            watched = self._watched.pop(track.number, None)
            if watched is None:
                continue
            if watched.decision.verdict is Verdict.UNDECIDED:
                snapshot = gallery()
                if snapshot.pack.version != self._pack:  # its looks are of another pack
                    watched.evidence = Evidence()
                self._decide_one(watched, snapshot, frozenset(), watched.last_at, ended=True)
            watched.closed = True
            self._writer.changed(watched, urgent=True)

    # --- what others see -----------------------------------------------------------------------------------------

    def _note_time(self, frame: Frame) -> None:
        now = time.monotonic()
        self._processed.append(now)
        self._lag_ms = 0.8 * self._lag_ms + 0.2 * max(0.0, (now - frame.received) * 1000)

    def _show(self, frame: Frame) -> None:
        """Offers a live picture, while somebody looks."""
        if not self._is_watched or time.monotonic() - self._preview_t < PREVIEW_SECONDS:
            return
        self._preview_t = time.monotonic()
        names = gallery().names
        marks = [
            Mark(
                box=_corners(w.track.predict(frame.t)),
                text=names.get(w.decision.person or 0, ""),
                verdict=w.decision.verdict,
            )
            for w in self._watched.values()
            if w.track.confirmed and self._detected_t - w.track.last_t < MARK_SECONDS
        ]
        try:
            live.publish_picture(self._facts.id, draw(frame.image, marks))
        except RedisError:
            self._is_watched = False

    def _publish_status(self) -> None:
        now = time.monotonic()
        if now - self._status_at < STATUS_SECONDS:
            return
        self._status_at = now
        if self._reader.state is not self._state:
            self._state, self._since = self._reader.state, time.time()
        span = self._processed[-1] - self._processed[0] if len(self._processed) > 1 else 0.0
        status = Status(
            state=self._state,
            fps_in=round(self._reader.fps, 1),
            fps_processed=round((len(self._processed) - 1) / span, 1) if span > 0 else 0.0,
            lag_ms=round(self._lag_ms),
            drops={**self._reader.drops, **self._drops},
            last_error=self._reader.error,
            worker=self._lease.owner,
            since=self._since,
        )
        try:
            live.publish_status(self._facts.id, status)
            self._is_watched = live.is_watched(self._facts.id)
        except RedisError as error:
            _log.warning("%s: the state could not be published: %s", self._facts.name, error)


class _Faces:
    """The faces of one frame; qualities and embeddings are computed when asked for, once."""

    def __init__(self, frame: Frame, pack: Pack) -> None:
        self.frame = frame
        smallest = max(MIN_FACE, min(frame.image.shape[:2]) // LARGE_FRAME)
        closer = settings.SMALL_FACES == "all"
        self.found: FaceDetections = pack.detect(frame.image, min_face=smallest, small_faces=closer)
        self._pack = pack
        self._qualities: dict[int, Quality] = {}
        self._embeddings: dict[int, Embedding] = {}

    def quality(self, at: int) -> Quality:
        if at not in self._qualities:
            self._qualities[at] = assess(self.frame.image, self.found.boxes[at], self.found.points[at])
        return self._qualities[at]

    def embedding(self, at: int) -> Embedding | None:
        """None when the face is too poor to say anything."""
        if not self.quality(at).usable:
            return None
        if at not in self._embeddings:
            self._embeddings[at] = self._pack.embed(self.frame.image, self.found.points[at : at + 1])[0]
        return self._embeddings[at]


def _corners(box: np.ndarray[tuple[int], np.dtype[np.float32]]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (float(value) for value in box)
    return x1, y1, x2, y2
