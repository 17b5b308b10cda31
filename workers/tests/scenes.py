"""What a test camera sees: real faces that come and go before a wall, as frames, as clips, and as a live reader.

The faces are those of photos that installed packages carry. Frames are (270, 480, 3) uint8 BGR.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from cameras.drops import Drop
from cameras.live import State
from recognition.engine import Image, encode_jpeg
from recognition.services import Upload
from recognition.tests.photos import astronaut, crowd
from workers.sources import Detail, Frame

SIZE = (480, 270)
FPS = 10.0
FACE_SIDE = 200
EILEEN = "Eileen"
ADA = "Ada"
BEN = "Ben"
_CROPS = {ADA: (0, 190, 240, 480), BEN: (400, 180, 640, 490)}  # xyxy in the photo of six people


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """So many seconds in which these people stand side by side, each from left to right; the view sways a little.

    `start` and `speed`: where the first one is, and how fast they all walk to the right, in pixels (a second).
    """

    seconds: float
    people: tuple[str, ...] = ()
    start: float = 20.0
    speed: float = 0.0


@cache
def portrait(person: str) -> Image:
    """The person's head and some surroundings."""
    if person == EILEEN:
        return _decoded(astronaut())[0:260, 90:350]
    x1, y1, x2, y2 = _CROPS[person]
    return _decoded(crowd())[y1:y2, x1:x2]


def photo(person: str) -> Upload:
    """A photo to enrol the person with: mirrored, darker and larger than what cameras see."""
    larger = cv2.resize(cv2.flip(portrait(person), 1), None, fx=1.6, fy=1.6, interpolation=cv2.INTER_CUBIC)
    darker = np.clip(larger.astype(np.float32) * 0.92, 0, 255).astype(np.uint8)
    return Upload(name=f"{person}.jpg", data=encode_jpeg(darker, quality=90))


def frames(*shots: Shot, fps: float = FPS) -> Iterator[Image]:
    """The pictures of the shots, one after the other."""
    noise = np.random.default_rng(3)
    for shot in shots:
        for number in range(round(shot.seconds * fps)):
            picture = _wall().astype(np.float32)
            for place, person in enumerate(shot.people):
                left = shot.start + place * 230 + shot.speed * number / fps
                _paste(picture, person, left, sway=8 * math.sin(number / fps * 2))
            picture += noise.normal(0, 2, (SIZE[1], SIZE[0], 1))
            yield np.clip(picture, 0, 255).astype(np.uint8)


def clip(path: Path, *shots: Shot, fps: float = FPS) -> Path:
    """The same as an MP4 file."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, SIZE)
    assert writer.isOpened(), f"{path} can not be written by this OpenCV"
    for picture in frames(*shots, fps=fps):
        writer.write(picture)
    writer.release()
    return path


@dataclass
class ScriptedReader:
    """A `Reader` that hands out the frames of shots as fast as they are asked for.

    `at` names things to do just before the frame of that second is given. `began`: when the first frame was captured;
    `pictures`: what it shows instead of the shots.
    """

    shots: Sequence[Shot]
    at: dict[float, Callable[[], object]] = field(default_factory=dict)
    fps: float = FPS
    state: State = State.ONLINE
    error: str = ""
    drops: Counter[Drop] = field(default_factory=Counter)
    closed: bool = False
    is_live: bool = False
    frames_in: int = 0
    restarts: int = 0
    frozen: bool = False
    size: tuple[int, int] = SIZE
    decode_ms: float = 0.0
    detail: Detail | None = None
    is_resting: bool = False
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    pictures: Iterator[Image] | None = None

    def __post_init__(self) -> None:
        self._frames = self.pictures or frames(*self.shots, fps=self.fps)
        self._number = 0

    def next(self, timeout: float) -> Frame | None:
        t = self._number / self.fps
        for due in [due for due in self.at if due <= t]:
            self.at.pop(due)()
        image = next(self._frames, None)
        if image is None:
            self.state = State.ENDED
            return None
        self._number += 1
        self.frames_in += 1
        moment = self.began + timedelta(seconds=t)
        return Frame.of(image, t=t, captured_at=moment, received=time.monotonic())

    def newest(self) -> Frame | None:
        """There is none: every frame of the script is given."""
        return None

    def wake(self) -> None:
        self.is_resting = False

    def rest(self) -> None:
        self.is_resting = True

    def close(self) -> None:
        self.closed = True


@cache
def _wall() -> Image:
    rows, columns = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    grey = 128 + 60 * np.sin(columns / 40) + 50 * np.sin(rows / 25)
    return np.repeat(grey[:, :, None], 3, axis=2).astype(np.uint8)


def _paste(picture: np.ndarray[tuple[int, ...], np.dtype[np.float32]], person: str, left: float, sway: float) -> None:
    face = portrait(person)
    scale = FACE_SIDE / max(face.shape[:2])
    face = np.asarray(cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    x, y = round(left + sway), round(40 + sway / 2)
    height, width = face.shape[:2]
    picture[y : y + height, x : x + width] = face


@cache
def _decoded(data: bytes) -> Image:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image.astype(np.uint8)
