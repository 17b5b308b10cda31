"""Keeps the last seconds of one camera, so that an alert gets the moving picture from before it to after it.

The loop leaves small pictures here, as JPEG, and where the faces were that it followed at that time. When the scribe
has written a sighting whose alerts are new, a span around the moment that decided it is marked; once it is over, or the
loop ends, the pictures of the span go to the process's `Studio` (`workers/studio.py`), which hides bystanders, encodes
and stores them. Several alerts of one sighting share one clip. Nothing here waits, and nothing is written to disk.

Memory a camera: at most MOST_BYTES of pictures, the oldest of which are given up first, and some boxes.

Boxes are xyxy float32, normalised to [0, 1]; pictures (h, w, 3) uint8 BGR; times seconds on the frames' clock.
"""

from __future__ import annotations

import threading
import uuid
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from cameras.drops import Drop
from cameras.masks import Polygon
from recognition.engine import Image, encode_jpeg
from recognition.engine.types import Floats
from workers.sightings import Watched
from workers.sources import Frame
from workers.tracking import Track

BEFORE_SECONDS = 10.0
AFTER_SECONDS = 10.0
LATE_SECONDS = 1.0  # an alert is written so long after its moment, usually
EVERY_SECONDS = 0.25
RESTING_SECONDS = 1.0  # between two pictures in which nothing moves
WIDTH, HEIGHT = 640, 480
QUALITY = 70
MOST_BYTES = 6_000_000
_EARLY = 0.1  # of the time between two: a picture that comes so much before its time is taken
_LOOKS_BEFORE = 3.0  # looks are kept for so much longer than pictures: a face is interpolated between two


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """A small picture of time t."""

    t: float
    jpeg: bytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """Where the faces were that were seen at time t: the numbers (n,) of their tracks, and their boxes (n, 4).

    `sure` (n,): nothing spoke against that it is still the same face.
    """

    t: float
    numbers: npt.NDArray[np.int64]
    boxes: Floats
    sure: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clip:
    """What a clip is made of. `track`: whose face may be seen; `ignored`: parts in which no face is looked for."""

    camera: str
    at: datetime  # the moment that decided
    track: int
    alerts: tuple[int, ...]
    stills: tuple[Still, ...]
    looks: tuple[Look, ...]
    ignored: Sequence[Polygon]
    drops: Counter[Drop]  # the camera's


class Taker(Protocol):
    """Who makes something of clips."""

    def take(self, clip: Clip) -> None:
        """Returns at once."""


@dataclass(slots=True, eq=False)
class _Span:
    """A clip that is to be made, of the pictures from `begin` to `end`."""

    sighting: uuid.UUID
    track: int
    at: datetime
    t: float  # of the moment
    alerts: list[int] = field(default_factory=list)

    @property
    def begin(self) -> float:
        return self.t - BEFORE_SECONDS

    @property
    def end(self) -> float:
        return self.t + AFTER_SECONDS


class Clips:
    """The last seconds of one camera, and the clips that are wanted of them. `begin` is for any thread, the rest for
    the loop's."""

    def __init__(self, *, camera: str, ignored: Sequence[Polygon], drops: Counter[Drop], taker: Taker) -> None:
        self._camera, self._ignored, self._drops, self._taker = camera, ignored, drops, taker
        self._stills: deque[Still] = deque()
        self._looks: deque[Look] = deque()
        self._bytes = 0
        self._due = self._due_at = float("-inf")
        self._lock = threading.Lock()
        self._asked: list[_Span] = []
        self._spans: list[_Span] = []

    @property
    def due_at(self) -> float:
        """When the next picture is wanted, by time.monotonic()."""
        return self._due_at

    @property
    def bytes(self) -> int:
        """How much the pictures take by now."""
        return self._bytes

    def begin(self, watched: Watched, alerts: Sequence[int]) -> None:
        """The sighting as it is here has caused these alerts."""
        at = watched.decided_at or watched.last_at
        t = watched.first_t + (at - watched.first_at).total_seconds()
        with self._lock:
            self._asked.append(_Span(watched.id, watched.track.number, at, t, list(alerts)))

    def look(self, frame: Frame, tracks: Iterable[Track], doubtful: set[int]) -> None:
        """Notes where the faces are that were seen in the frame; of `doubtful` ones it may be another's by now."""
        seen = [track for track in tracks if track.last_t == frame.t]
        if not seen:
            return
        size = np.array([frame.width, frame.height] * 2, np.float32)
        self._looks.append(
            Look(
                t=frame.t,
                numbers=np.array([track.number for track in seen], np.int64),
                boxes=np.stack([track.box for track in seen]) / size,
                sure=np.array([track.number not in doubtful for track in seen], bool),
            )
        )

    def keep(self, frame: Frame, *, rests: bool) -> None:
        """Takes the frame when a picture is due, and hands over what is complete."""
        t, every = frame.t, RESTING_SECONDS if rests else EVERY_SECONDS
        if t >= self._due - _EARLY * EVERY_SECONDS:
            # On a grid, so that the mean rate is the one asked for whatever the source's; anew when it was left behind.
            self._due = self._due + every if t - self._due < every else t + every
            still = Still(t=t, jpeg=encode_jpeg(_small(frame.image), quality=QUALITY))
            self._stills.append(still)
            self._bytes += len(still.jpeg)
        elif not rests:
            self._due = min(self._due, t + EVERY_SECONDS)
        self._due_at = float("inf") if rests else frame.received + self._due - t
        self.complete(t)

    def complete(self, t: float) -> None:
        """Hands over the clips that are complete at time t, also while no pictures come; forgets what is old."""
        self._take_asked()
        for span in [span for span in self._spans if span.end <= t]:
            self._spans.remove(span)
            self._hand_over(span)
        since = min([t - BEFORE_SECONDS - LATE_SECONDS, *(span.begin for span in self._spans)])
        while self._stills and (self._stills[0].t < since or self._bytes > MOST_BYTES):
            self._bytes -= len(self._stills.popleft().jpeg)
        while self._looks and self._looks[0].t < since - _LOOKS_BEFORE:
            self._looks.popleft()

    def finish(self) -> None:
        """The loop ends: what was begun is handed over as far as it is there."""
        self._take_asked()
        for span in self._spans:
            self._hand_over(span)
        self._spans = []
        self._stills.clear()
        self._looks.clear()
        self._bytes = 0

    def _take_asked(self) -> None:
        with self._lock:
            asked, self._asked = self._asked, []
        for new in asked:
            same = next((one for one in self._spans if one.sighting == new.sighting and new.t <= one.end), None)
            if same is None:
                self._spans.append(new)
            else:
                same.alerts += new.alerts

    def _hand_over(self, span: _Span) -> None:
        stills = tuple(still for still in self._stills if span.begin <= still.t <= span.end)
        if not stills:  # written so late, as after an absence of the database, that nothing is left of it
            self._drops[Drop.CLIP_LOST] += 1
            return
        first, last = stills[0].t - _LOOKS_BEFORE, stills[-1].t + _LOOKS_BEFORE
        self._taker.take(
            Clip(
                camera=self._camera,
                at=span.at,
                track=span.track,
                alerts=tuple(span.alerts),
                stills=stills,
                looks=tuple(look for look in self._looks if first <= look.t <= last),
                ignored=self._ignored,
                drops=self._drops,
            )
        )


def _small(image: Image) -> Image:
    """At most WIDTH wide and HEIGHT high, both even, as video encoders ask for."""
    height, width = image.shape[:2]
    scale = min(1.0, WIDTH / width, HEIGHT / height)
    size = (max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2))
    if size == (width, height):
        return image
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
