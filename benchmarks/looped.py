"""Runs the loop of a camera over a clip by the frames' clock, without database, Redis or other loops.

Everything from decoding to decisions is the loop's own; where sightings would be written they are kept, and every pixel
that the detector is given is counted. Import it after `django.setup()`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast
from unittest import mock

from cameras.leases import Lease
from cameras.models import Camera
from cameras.sources import parse_source
from recognition.engine import FaceDetections, Image, Pack
from recognition.gallery import Snapshot
from workers import camera_loop, following, looking
from workers.camera_loop import CameraLoop, Shared
from workers.leases import Holding
from workers.reporter import Reporter
from workers.scribe import Scribe
from workers.sightings import SightingWriter, Watched
from workers.sources import FileReader, capture_options
from workers.turns import Turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A sighting as it was at time t (s of the clip): where the face was last, and whose it was taken for."""

    number: int
    t: float
    box: tuple[float, float, float, float]
    person: int | None


@dataclass(slots=True, kw_only=True)
class Looped:
    """What a loop saw, and what it spent: frames looked at for faces, and pixels given to the detector."""

    said: list[Said] = field(default_factory=list)
    looks: int = 0
    pixels: int = 0


def loop_over(path: Path, gallery: Snapshot, *, gating: bool = True, detect_fps: float | None = None) -> Looped:
    """Runs the loop once over all frames of the clip."""
    done = Looped()
    camera = Camera(pk=1, name=path.stem, priority=2, sensitivity=5, masks=[], detect_fps=detect_fps)
    lease = Lease(camera_id=1, owner="benchmark", epoch=1)
    holding = Holding(lease=lease, camera=camera, by_hand=True, clock=time.monotonic)
    with _kept(done, gallery):
        loop = CameraLoop(
            camera=camera,
            holding=holding,
            reader=FileReader(parse_source(str(path)), options=capture_options(camera)),
            stop=threading.Event(),
            gating=gating,
            shared=Shared(turns=Turns(1), reporter=cast("Reporter", _Silent()), scribe=cast("Scribe", _Silent())),
        )
        loop.run()
    return done


@contextmanager
def _kept(done: Looped, gallery: Snapshot) -> Iterator[None]:
    """Within it loops use this gallery, and what they see and spend is noted."""
    detect, find = Pack.detect, looking.find

    def counted(pack: Pack, image: Image, **options: Any) -> FaceDetections:
        done.pixels += image.shape[0] * image.shape[1]
        return detect(pack, image, **options)

    def look(*given: Any, **options: Any) -> FaceDetections:
        done.looks += 1
        return find(*given, **options)

    with (
        mock.patch.object(camera_loop, "SightingWriter", partial(_Writer, done)),
        mock.patch.object(camera_loop, "gallery", return_value=gallery),
        mock.patch.object(following, "gallery", return_value=gallery),
        mock.patch.object(camera_loop, "find", look),
        mock.patch.object(Pack, "detect", counted),
    ):
        yield


class _Writer(SightingWriter):
    """Keeps what a camera's writer would store."""

    def __init__(self, done: Looped, **facts: Any) -> None:
        super().__init__(**facts)
        self._done = done

    def changed(self, watched: Watched, *, urgent: bool = False) -> None:
        x1, y1, x2, y2 = (float(value) for value in watched.track.box)
        self._done.said.append(
            Said(
                number=watched.track.number,
                t=watched.track.last_t,
                box=(x1, y1, x2, y2),
                person=watched.decision.person,
            )
        )


class _Silent:
    """In the place of the reporter and the scribe: takes everything, tells nobody."""

    def wanted(self, camera: int) -> int:
        return 0

    def say(self, *_: object) -> None: ...

    def offer(self, *_: object) -> None: ...

    def leave(self, *_: object) -> None: ...

    def add(self, *_: object) -> None: ...

    def remove(self, *_: object) -> None: ...

    def note(self, *_: object) -> None: ...
