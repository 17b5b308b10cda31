"""Clips with known truth: real faces that walk over real backgrounds, for tracking, decisions and many cameras.

A clip is a row of shots with cuts between them. In a shot people walk along smooth paths, come nearer and go away, sway
and bob, are hidden by pillars and by each other, enter and leave. Nearer people hide those behind them. The truth of
every frame says where each face is, whose it is and how much of it can be seen. Everything follows from the seed.

    clip = render(path, stages.crowd(names, seed=1))       # path.mp4 and path.json
    clip = crossing(path, seconds=60, every=10)     # a still scene that one face crosses every ten seconds
    clip = load(path)

H.264 by PyAV (libx264, else MPEG-4), 25 frames a second. Boxes are xyxy pixels of the frame, visibility is the share of
the face that is neither hidden nor outside.
The shots themselves: benchmarks/stages.py.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
import skimage.data
from av.container import OutputContainer
from av.video.stream import VideoStream
from scipy.interpolate import PchipInterpolator

from benchmarks.heads import CANVAS, FACE, FACE_HEIGHT, Head, package_people
from recognition.engine import Image
from recognition.engine.types import Floats

SIZE = (1280, 720)
FPS = 25
BACKGROUNDS = ("motorcycle_left.png", "coffee.png", "rocket.jpg", "brick.png", "gravel.png")
CAMERA_BIT_RATE = 3_000_000  # what a camera of this size is usually set to
_GRAIN = 2.5  # standard deviation of the sensor's noise, in grey levels
_LOOK_SECONDS = 1.6  # a person of several photos shows another one after so long
_FADE_SECONDS = 0.24
_MARGIN = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Where a face is at time t of its shot: middle and height as shares of the frame; outside it is out of view."""

    t: float
    x: float
    y: float
    size: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """One person's way through a shot."""

    person: str
    stops: tuple[Stop, ...]
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pillar:
    """Something from floor to ceiling that hides who is behind it: left and right as shares of the width."""

    left: float
    right: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """What one camera sees for a while. `light` is the gain of the picture."""

    seconds: float
    walks: tuple[Walk, ...] = ()
    pillars: tuple[Pillar, ...] = ()
    background: str = BACKGROUNDS[0]
    light: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A face in one frame, as it truly is."""

    person: str
    box: tuple[float, float, float, float]
    visible: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A file with its truth: who is where in each frame, and before which frames the picture was cut."""

    path: Path
    fps: int
    size: tuple[int, int]
    truth: tuple[tuple[Seen, ...], ...]
    cuts: tuple[int, ...] = ()

    @property
    def seconds(self) -> float:
        return len(self.truth) / self.fps


def render(
    path: Path,
    shots: Sequence[Shot],
    *,
    heads: Sequence[Head] = (),
    fps: int = FPS,
    size: tuple[int, int] = SIZE,
    seed: int = 0,
    bit_rate: int = 0,
) -> Clip:
    """Writes the clip and its truth beside it (the same name with .json).

    `heads`: who may walk, else the packages'. `bit_rate`: bits a second, as a camera is set to; 0: as few as do.
    """
    by_name = {head.name: head for head in heads or package_people()}
    truth: list[tuple[Seen, ...]] = []
    cuts: list[int] = []
    with av.open(str(path), "w") as container:
        stream = _stream(container, fps, size, bit_rate)
        for number, shot in enumerate(shots):
            cuts += [len(truth)] if number else []
            for picture, seen in _Stage(shot, by_name, fps=fps, size=size, seed=seed + number).frames():
                truth.append(seen)
                frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
                frame.pts = len(truth) - 1
                container.mux(stream.encode(frame))
        container.mux(stream.encode())
    clip = Clip(path=path, fps=fps, size=size, truth=tuple(truth), cuts=tuple(cuts))
    _save(clip)
    return clip


def _stream(container: OutputContainer, fps: int, size: tuple[int, int], bit_rate: int) -> VideoStream:
    """H.264 as cameras send it: two seconds from key picture to key picture, nothing out of order."""
    h264 = "libx264" in av.codecs_available
    options = {"preset": "veryfast", "bf": "0"} if h264 else {}
    if not bit_rate:
        options |= {"crf": "24"} if h264 else {"qscale": "4"}
    stream = container.add_stream("libx264" if h264 else "mpeg4", rate=fps, options=options)
    if bit_rate:
        stream.bit_rate = bit_rate
    stream.width, stream.height = size
    stream.pix_fmt, stream.gop_size = "yuv420p", 2 * fps
    return stream


def crossing(
    path: Path,
    *,
    seconds: float = 60,
    fps: int = FPS,
    every: float = 10,
    people: Sequence[str] = (),
    heads: Sequence[Head] = (),
    size: tuple[int, int] = SIZE,
    takes: float = 4.0,
    after: float = 0.5,
    later: float = 0.0,
    seed: int = 0,
    background: str = BACKGROUNDS[0],
) -> Clip:
    """A still scene that one face crosses every so many seconds, `takes` seconds each time; people take turns.

    Encoded at CAMERA_BIT_RATE, which the noise of the sensor takes up, so that it is as much work to decode as what a
    camera sends.

    `after`: which part of each pause passes before the crossing, in [0, 1]. `later`: by how many seconds all crossings
    are moved; what would lie beyond the end is at the beginning, so that a film that is looped shows it whole.
    """
    names = list(people) or [head.name for head in heads or package_people()]
    ways = []
    for number in range(math.ceil(seconds / every)):
        start = number * every + (every - takes) * after
        left, right = (-_MARGIN, 1 + _MARGIN) if number % 2 == 0 else (1 + _MARGIN, -_MARGIN)
        height = 0.35 + 0.06 * (number % 3)
        for begin in (start + later, start + later - seconds) if start < seconds else (start,):
            stops = (
                Stop(t=begin, x=left, y=height, size=0.17),
                Stop(t=begin + takes / 2, x=0.5, y=height, size=0.21),
                Stop(t=begin + takes, x=right, y=height, size=0.19),
            )
            ways.append(Walk(person=names[number % len(names)], stops=stops, seed=seed + number))
    shot = Shot(seconds=seconds, walks=tuple(ways), background=background)
    return render(path, [shot], heads=heads, fps=fps, size=size, seed=seed, bit_rate=CAMERA_BIT_RATE)


def load(path: Path) -> Clip:
    """A clip that was rendered before."""
    told = json.loads(path.with_suffix(".json").read_text())
    truth = tuple(
        tuple(Seen(person=seen["person"], box=tuple(seen["box"]), visible=seen["visible"]) for seen in frame)
        for frame in told["truth"]
    )
    return Clip(path=path, fps=told["fps"], size=tuple(told["size"]), truth=truth, cuts=tuple(told["cuts"]))


def pictures(clip: Clip, *, fps: float | None = None) -> Iterator[tuple[int, Image]]:
    """The decoded frames with their numbers; with `fps` only so many a second."""
    due, step = 0.0, clip.fps / fps if fps else 1.0
    with av.open(str(clip.path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number >= due:
                due += step
                yield number, np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)


def _save(clip: Clip) -> None:
    told = {
        "fps": clip.fps,
        "size": clip.size,
        "cuts": clip.cuts,
        "truth": [[asdict(seen) for seen in frame] for frame in clip.truth],
    }
    clip.path.with_suffix(".json").write_text(json.dumps(told))


class _Stage:
    """Draws one shot."""

    def __init__(self, shot: Shot, heads: Mapping[str, Head], *, fps: int, size: tuple[int, int], seed: int) -> None:
        self._shot, self._fps, self._size = shot, fps, size
        missing = {walk.person for walk in shot.walks} - set(heads)
        if missing:
            raise ValueError(f"Nobody of these names can walk: {', '.join(sorted(missing))}. Pass their heads.")
        self._actors = [_Actor(walk, heads[walk.person]) for walk in shot.walks]
        self._back = background(shot.background, size)
        self._random = np.random.default_rng(seed)
        self._grain = self._random.normal(0, _GRAIN, (size[1] + 64, size[0] + 64, 1)).astype(np.float32)

    def frames(self) -> Iterator[tuple[Image, tuple[Seen, ...]]]:
        for number in range(round(self._shot.seconds * self._fps)):
            yield self._frame(number / self._fps)

    def _frame(self, t: float) -> tuple[Image, tuple[Seen, ...]]:
        width, height = self._size
        picture = self._back.astype(np.float32)
        owner = np.zeros((height, width), np.uint8)
        placed = [(pose, actor) for actor in self._actors if (pose := actor.pose(t, self._size)) is not None]
        placed.sort(key=lambda pair: pair[0].size)
        for number, (pose, actor) in enumerate(placed, start=1):
            _draw(picture, owner, number, pose, actor)
        for pillar in self._shot.pillars:
            left, right = round(pillar.left * width), round(pillar.right * width)
            picture[:, left:right] = _pillar(right - left, height)
            owner[:, left:right] = 255
        x, y = self._random.integers(0, 64, 2)
        picture *= self._shot.light
        picture += self._grain[y : y + height, x : x + width]
        seen = tuple(_truth(number, pose, actor, owner) for number, (pose, actor) in enumerate(placed, start=1))
        return np.clip(picture, 0, 255).astype(np.uint8), tuple(one for one in seen if one is not None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pose:
    """How a sprite is laid on the frame at one moment."""

    size: float  # height of the face in pixels
    move: Floats  # (2, 3) from the sprite to the frame
    gain: float
    t: float


class _Actor:
    """A person on the way: where, how large, which look."""

    def __init__(self, walk: Walk, head: Head) -> None:
        self.walk, self.head = walk, head
        random = np.random.default_rng([walk.seed, *walk.person.encode()])
        self._phase = random.uniform(0, 2 * math.pi, 5)
        self._first = int(random.integers(len(head.looks)))
        times = [stop.t for stop in walk.stops]
        self._begins, self._ends = times[0], times[-1]
        self._path = PchipInterpolator(times, [(stop.x, stop.y, stop.size) for stop in walk.stops])
        self._levels = [_levels(look.image, look.mask) for look in head.looks]

    def pose(self, t: float, size: tuple[int, int]) -> _Pose | None:
        """None while the person is away."""
        if not self._begins <= t <= self._ends:
            return None
        x, y, share = (float(value) for value in self._path(t))
        bob, sway, turn, lean, light = (
            math.sin(2 * math.pi * rate * t + phase)
            for rate, phase in zip((1.9, 0.95, 0.35, 0.5, 0.2), self._phase, strict=True)
        )
        face = share * size[1]
        scale = face / FACE_HEIGHT
        angle = math.radians(4.0) * lean
        narrow = 0.95 + 0.05 * turn  # a head that turns a little is narrower
        spin = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        linear = scale * spin @ np.diag([narrow, 1.0])
        middle = np.array([x * size[0] + 0.06 * face * sway, y * size[1] + 0.03 * face * bob])
        move = np.column_stack([linear, middle - linear @ np.array(FACE)])
        return _Pose(size=face, move=move.astype(np.float32), gain=1 + 0.08 * light, t=t)

    def look(self, t: float) -> tuple[int, int, float]:
        """The look at time t, the next one, and how far it has faded in."""
        count = len(self.head.looks)
        turn, into = divmod(t - self._begins, _LOOK_SECONDS)
        now = (self._first + int(turn)) % count
        fade = max(0.0, into - (_LOOK_SECONDS - _FADE_SECONDS)) / _FADE_SECONDS if count > 1 else 0.0
        return now, (now + 1) % count, fade

    def sprite(self, t: float, level: int) -> tuple[Floats, Floats]:
        """Picture and mask at a level of the pyramid, each level half as large as the one before."""
        now, later, fade = self.look(t)
        image, mask = self._levels[now][level]
        if fade == 0.0:
            return image, mask
        other, other_mask = self._levels[later][level]
        return image * (1 - fade) + other * fade, mask * (1 - fade) + other_mask * fade

    def face(self, t: float) -> Floats:
        """The box of the face in the sprite."""
        now, later, fade = self.look(t)
        return self.head.looks[now].box * np.float32(1 - fade) + self.head.looks[later].box * np.float32(fade)


def _levels(image: Image, mask: Floats) -> list[tuple[Floats, Floats]]:
    levels = [(image.astype(np.float32), mask)]
    for _ in range(3):
        image_, mask_ = levels[-1]
        half = (image_.shape[1] // 2, image_.shape[0] // 2)
        smaller = cv2.resize(image_, half, interpolation=cv2.INTER_AREA)
        smaller_mask = cv2.resize(mask_, half, interpolation=cv2.INTER_AREA)
        levels.append((np.asarray(smaller, np.float32), np.asarray(smaller_mask, np.float32)))
    return levels


def _draw(picture: Floats, owner: Image, number: int, pose: _Pose, actor: _Actor) -> None:
    """Lays the person on the frame; `owner` notes which pixels are whose."""
    scale = pose.size / FACE_HEIGHT
    level = int(np.clip(math.floor(-math.log2(max(scale, 1e-3))), 0, 3))
    image, mask = actor.sprite(pose.t, level)
    corners = np.array([[0, 0, 1], [CANVAS[0], 0, 1], [0, CANVAS[1], 1], [*CANVAS, 1]], np.float32) @ pose.move.T
    left, top = np.maximum(np.floor(corners.min(axis=0)), 0).astype(int)
    right, bottom = np.minimum(np.ceil(corners.max(axis=0)), picture.shape[1::-1]).astype(int)
    if right <= left or bottom <= top:
        return
    move = pose.move.copy()
    move[:, :2] *= 2**level
    move[:, 2] -= (left, top)
    area = (int(right - left), int(bottom - top))
    laid = cv2.warpAffine(image, move, area, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(mask, move, area, flags=cv2.INTER_LINEAR)
    part = picture[top:bottom, left:right]
    part += alpha[:, :, None] * (laid * pose.gain - part)
    owner[top:bottom, left:right][alpha > 0.5] = number


def _truth(number: int, pose: _Pose, actor: _Actor, owner: Image) -> Seen | None:
    """The face as it is in the finished frame, or None when it lies outside."""
    left, top, right, bottom = (float(value) for value in actor.face(pose.t))
    corners = np.array([[left, top], [right, top], [left, bottom], [right, bottom]], np.float32)
    there = corners @ pose.move[:, :2].T + pose.move[:, 2]
    # A head that leans has the box of its middle lines, not that of its turned corners.
    middle = there.mean(axis=0)
    half = np.array([np.hypot(*(there[1] - there[0])), np.hypot(*(there[2] - there[0]))]) / 2
    height, width = owner.shape
    x1, y1, x2, y2 = (float(value) for value in (*(middle - half), *(middle + half)))
    if x2 <= 0 or y2 <= 0 or x1 >= width or y1 >= height:
        return None
    mask = np.zeros((round(y2) - round(y1) + 1, round(x2) - round(x1) + 1), np.uint8)
    axes = (max(1, mask.shape[1] // 2), max(1, mask.shape[0] // 2))
    cv2.ellipse(mask, (mask.shape[1] // 2, mask.shape[0] // 2), axes, 0, 0, 360, (1,), -1)
    rows, columns = np.nonzero(mask)
    rows, columns = rows + round(y1), columns + round(x1)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    own = int((owner[rows[inside], columns[inside]] == number).sum())
    clipped = (max(0.0, x1), max(0.0, y1), min(float(width), x2), min(float(height), y2))
    box = tuple(round(value, 2) for value in clipped)
    return Seen(person=actor.walk.person, box=(box[0], box[1], box[2], box[3]), visible=round(own / len(rows), 3))


@cache
def background(name: str, size: tuple[int, int]) -> Image:
    """A photo that comes with scikit-image, filling the frame."""
    photo = cv2.imread(str(Path(skimage.data.__file__).parent / name), cv2.IMREAD_COLOR)
    if photo is None:
        raise SystemExit(f"The clips need {name} of the package scikit-image. Run `make install-dev`.")
    scale = max(size[0] / photo.shape[1], size[1] / photo.shape[0])
    larger = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    x, y = (larger.shape[1] - size[0]) // 2, (larger.shape[0] - size[1]) // 2
    return np.ascontiguousarray(larger[y : y + size[1], x : x + size[0]], np.uint8)


@cache
def _pillar(width: int, height: int) -> Floats:
    stone = background("gravel.png", (max(width, 64), height))[:, :width].astype(np.float32)
    shade = 0.55 + 0.4 * np.sin(np.linspace(0, math.pi, width)).astype(np.float32)
    return stone * shade[None, :, None]
