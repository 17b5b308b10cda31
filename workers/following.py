"""Follows the faces of one camera: joins what is found to tracks, takes looks into evidence, decides, closes sightings.

Which looks are worth an embedding: the first few of a track, then those that are better than its best so far, and
those that are needed to be sure that it is still the same face: after a gap, after a cut, after a doubt, and every
VERIFY_SECONDS once the decision is firm. All faces of a frame are embedded in one batch.

Times are seconds on the frames' clock. Everything here belongs to the loop's thread.
"""

from __future__ import annotations

from datetime import datetime

from cameras.models import Verdict
from recognition.engine import Embedding, Pack, similarity
from recognition.gallery import Snapshot, gallery
from recognition.services import portrait_jpeg
from workers.decision import ENOUGH_LOOKS, Evidence, decide_track
from workers.faces import Faces, is_small
from workers.sightings import SightingWriter, Watched
from workers.sources import Detail, Frame
from workers.tracking import Track, Tracker, other_face
from workers.zones import Passing

AGAIN_SECONDS = 1.0  # a track that is not decided is embedded so often, also when its looks do not get better
VERIFY_SECONDS = 2.5  # a firm decision is compared with the face so often
GAP_SECONDS = 0.7  # a face that was not seen for longer may be somebody else's
SPLIT_LOOKS = 2  # so many looks in a row at another face are somebody else: a face at the picture's edge may be one
BETTER_SHOT = 1.15


class Following:
    """The tracks of one camera and the sightings they become."""

    def __init__(self, writer: SightingWriter, detail: Detail | None = None, passing: Passing | None = None) -> None:
        self._writer, self._detail, self._passing = writer, detail, passing
        self._tracker = Tracker()
        self._watched: dict[int, Watched] = {}
        self._pack = ""  # the version whose embeddings the tracks have

    @property
    def watched(self) -> list[Watched]:
        """The faces in view, and those that were a moment ago."""
        return list(self._watched.values())

    @property
    def tracks(self) -> list[Track]:
        return self._tracker.tracks

    @property
    def doubtful(self) -> set[int]:
        """The numbers of tracks whose face, when it was looked at last, resembled another one's."""
        return {number for number, watched in self._watched.items() if watched.doubts > 0}

    def is_firm(self, track: Track) -> bool:
        """Whether nothing but a contradiction will change who this is."""
        watched = self._watched.get(track.number)
        return watched is not None and watched.decision.firm and watched.decision.pack == self._pack

    def go_over_to(self, pack: Pack) -> None:
        """When another pack is in use: drops what tracks know in the old one's numbers, keeps what was decided."""
        if pack.version == self._pack:
            return
        self._pack = pack.version
        self._tracker.threshold = pack.threshold
        for track in self._tracker.tracks:
            track.appearance = None
        for watched in self._watched.values():
            watched.evidence = Evidence(anew=True)
            watched.weighed, watched.doubts = -1, 0
            watched.embedded_t = float("-inf")

    # --- looks ---------------------------------------------------------------------------------------------------

    def take(self, faces: Faces, *, cut: bool) -> None:
        """Joins the frame's faces to tracks and takes their looks into evidence."""
        frame = faces.frame
        before = {track.number: track.last_t for track in self._tracker.tracks}
        update = self._tracker.update(frame.t, faces.found, look=faces.embedding, cut=cut)
        seen = [(self._watch(track, frame), track, at) for track, at in update.seen]
        gaps = {track.number: frame.t - before.get(track.number, frame.t) for _, track, _ in seen}
        self._look_closer(faces, seen)
        wanted = {
            at
            for watched, track, at in seen
            if self._wants_look(watched, faces, at, unsure=cut or gaps[track.number] > GAP_SECONDS)
        }
        faces.embed(wanted)
        passing = self._passing if self._passing is not None and self._passing.begin(cut=cut) else None
        for found, track, at in seen:
            watched = self._weigh(found, faces, at) if at in wanted else found
            self._keep_shot(watched, faces, at)
            watched.frames += 1
            watched.last_at = watched.moment(frame.t)
            self._keep_place(watched, faces, at)
            if passing is not None:
                passing.see(watched, faces.found.boxes[at], frame)
            if track.confirmed:
                self._writer.changed(watched)
        self.finish(update.ended)
        numbers = {track.number for track in self._tracker.tracks}
        self._watched = {number: w for number, w in self._watched.items() if number in numbers}
        if passing is not None:
            passing.keep(numbers)

    def _watch(self, track: Track, frame: Frame) -> Watched:
        if track.number not in self._watched:
            now = frame.captured_at
            self._watched[track.number] = Watched(track, now, now, frame.t)
        return self._watched[track.number]

    def _look_closer(self, faces: Faces, seen: list[tuple[Watched, Track, int]]) -> None:
        """Takes small faces that are not firm yet from the second stream, while there is one that shows them better."""
        if self._detail is None:
            return
        self._detail.want(any(is_small(track.box) and not self.is_firm(track) for track in self._tracker.tracks))
        small = [at for _, track, at in seen if is_small(faces.found.boxes[at]) and not self.is_firm(track)]
        picture = self._detail.near(faces.frame.received) if small else None
        if picture is not None:
            for at in small:
                faces.look_closer(at, picture.image)

    def _wants_look(self, watched: Watched, faces: Faces, at: int, *, unsure: bool) -> bool:
        """Whether an embedding of this face would tell something new."""
        quality, since = faces.quality(at), faces.frame.t - watched.embedded_t
        if not quality.usable:
            return False
        if unsure or watched.doubts > 0 or quality.score > watched.embedded_quality * BETTER_SHOT:
            return True
        if self.is_firm(watched.track):
            return since >= VERIFY_SECONDS
        return watched.evidence.count < ENOUGH_LOOKS or since >= AGAIN_SECONDS

    def _weigh(self, watched: Watched, faces: Faces, at: int) -> Watched:
        """Takes a look into evidence; looks at somebody else end the track and start another."""
        frame, embedding = faces.frame, faces.embedding(at)
        if embedding is None:
            return watched
        watched.embedded_t = frame.t
        known = watched.track.appearance
        if known is not None and similarity(known, embedding) < other_face(self._tracker.threshold):
            watched.doubts += 1
            if watched.doubts < SPLIT_LOOKS:
                return watched
            track = self._tracker.split(watched.track, faces.found, at, frame.t)
            if watched.track.confirmed:
                self.finish([watched.track])
            watched = self._watch(track, frame)
            watched.embedded_t = frame.t
        elif watched.track.crowded and not self._is_alike(watched.track, embedding):
            return watched  # it may be half the face beside it
        quality = faces.quality(at).score
        watched.doubts = 0
        watched.embedded_quality = max(quality, watched.embedded_quality)
        watched.evidence.add(embedding, quality)
        watched.track.appearance = watched.evidence.mean()
        return watched

    def _is_alike(self, track: Track, embedding: Embedding) -> bool:
        """Whether a look matches what is known of the track; one of which nothing is known takes any."""
        return track.appearance is None or similarity(track.appearance, embedding) >= self._tracker.threshold

    def _keep_place(self, watched: Watched, faces: Faces, at: int) -> None:
        x1, y1, x2, y2 = (float(value) for value in faces.found.boxes[at])
        width, height = faces.frame.width, faces.frame.height
        middle = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height)
        watched.course.see(faces.frame.t - watched.first_t, *middle, (y2 - y1) / height)

    def _keep_shot(self, watched: Watched, faces: Faces, at: int) -> None:
        view = faces.view(at)
        if view.quality.score > watched.best_quality * BETTER_SHOT or watched.frames == 0:
            watched.best_quality = max(view.quality.score, watched.best_quality)
            watched.shot = portrait_jpeg(view.image, view.box)

    # --- decisions -----------------------------------------------------------------------------------------------

    def decide(self, t: float, snapshot: Snapshot) -> None:
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
            in_view = watched.track.last_t == t
            others = frozenset(taken) if in_view else frozenset()
            clash = watched.decision.person in others
            if clash or watched.weighed != watched.evidence.count or watched.decided_revision != snapshot.revision:
                self._decide_one(watched, snapshot, others, watched.moment(t), ended=False)
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
        if (watched.decision.person, watched.decision.verdict) != (before.person, before.verdict):
            self._writer.changed(watched, urgent=True)

    # --- ends ----------------------------------------------------------------------------------------------------

    def expire(self, t: float) -> None:
        """Ends what was not seen for too long while no frames come."""
        if not self._tracker.tracks:
            return
        self.finish(self._tracker.expire(t))
        if self._detail is not None and not self._tracker.tracks:
            self._detail.want(False)

    def drop_all(self) -> None:
        """Ends everything."""
        self.finish(self._tracker.drop_all())

    def finish(self, ended: list[Track]) -> None:
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
