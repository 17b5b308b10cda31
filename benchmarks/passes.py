"""People who pass several cameras: each camera's clip with known truth, and the tracks that the loop makes of it.

Every camera has its own size of faces, light, blur, colour, side and bit rate. Somebody with several photos shows
another one at each camera, as they might look on other days; somebody with a single one shows it as the camera changes
it (mirrored, narrowed, blurred, darker), which is nearer to one walk through a house. Both are told apart.

Clips are 640x360, at the five frames a second that a loop looks at. Times of a track are seconds from the moment at
which its face first came into the picture, so that walks through the house can be timed anew again and again.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from benchmarks import walks
from benchmarks.heads import CANVAS, FACE, Head, Look
from benchmarks.looked import Looked, look_at
from benchmarks.scores import MIN_IOU, iou
from benchmarks.walks import Shot, Stop, Walk
from recognition.engine import Embedding, Pack
from recognition.engine.types import Floats

SIZE = (640, 360)
FPS = 5
_TOGETHER = 10  # people of one clip
_OUT = 0.2
_SEEN = 0.5  # so much of a face must be visible to be whose a track is
_ONE = 0.8  # of a track's faces must be one person's; else the tracker took two people for one, and it is nobody's


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A camera: where it is, in metres, and what it makes of a face."""

    name: str
    x: float
    y: float
    sizes: tuple[float, float]  # of a face, as shares of the frame's height
    background: str
    light: float = 1.0
    blur: float = 0.0  # standard deviation, as a share of the face's height
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)  # of blue, green and red
    mirrored: bool = False
    narrowed: float = 1.0  # a face that is turned a little is narrower
    leaning: float = 0.0  # and seen from above it leans
    bit_rate: int = 600_000


PLACES = (
    Place(name="gate", x=0, y=0, sizes=(0.17, 0.24), background="brick.png"),
    Place(
        name="corridor", x=35, y=0, sizes=(0.13, 0.17), background="gravel.png", light=0.6, blur=0.012, mirrored=True
    ),
    Place(
        name="hall",
        x=35,
        y=40,
        sizes=(0.15, 0.2),
        background="coffee.png",
        tint=(0.8, 0.95, 1.12),
        narrowed=0.9,
        leaning=0.05,
        bit_rate=350_000,
    ),
    Place(
        name="yard",
        x=90,
        y=40,
        sizes=(0.14, 0.19),
        background="motorcycle_left.png",
        light=1.15,
        blur=0.018,
        tint=(1.1, 1.0, 0.92),
        mirrored=True,
        narrowed=0.93,
        leaning=-0.06,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Passed:
    """A track of somebody at a camera, as the loop left it."""

    person: str
    place: int
    began: float
    ended: float
    mean: Embedding
    other_photo: bool  # whether this person shows another photo at each camera


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Taken:
    """All tracks of all cameras. `mixed`: tracks of two people; `missed`: passes without any usable track."""

    tracks: tuple[Passed, ...]
    mixed: int
    missed: int


def tracks(heads: Sequence[Head], pack: Pack, work: Path) -> Taken:
    """Everybody's way past every camera, followed by the loop's own code. Clips made before are used again."""
    found: list[Passed] = []
    mixed = missed = 0
    several = {head.name for head in heads if len(head.looks) > 1}
    for number, place in enumerate(PLACES):
        for looked in _looked(heads, place, number, pack, work):
            some, odd = _followed(looked, number, several, pack)
            missed += len({seen.person for frame in looked.clip.truth for seen in frame} - {one.person for one in some})
            found += some
            mixed += odd
    return Taken(tracks=tuple(found), mixed=mixed, missed=missed)


def _looked(heads: Sequence[Head], place: Place, number: int, pack: Pack, work: Path) -> Iterator[Looked]:
    order = np.random.default_rng(zlib.crc32(place.name.encode())).permutation(len(heads))
    for start in range(0, len(heads), _TOGETHER):
        some = [heads[at] for at in order[start : start + _TOGETHER]]
        path = work / f"{place.name}-{start:03d}.mp4"
        if not path.with_suffix(".json").is_file():
            seen = [at_place(head, place, number) for head in some]
            seed = zlib.crc32(path.stem.encode())
            shot = passing([head.name for head in some], place, seed=seed)
            walks.render(path, [shot], heads=seen, fps=FPS, size=SIZE, seed=seed, bit_rate=place.bit_rate)
        yield look_at(walks.load(path), pack)


def passing(names: Sequence[str], place: Place, *, seed: int) -> Shot:
    """One after the other, two or three in view at a time, in both directions."""
    random = np.random.default_rng(seed)
    ways, start = [], 0.0
    for name in names:
        takes = random.uniform(4.0, 6.0)
        ends = (-_OUT, 1 + _OUT) if random.random() < 0.5 else (1 + _OUT, -_OUT)
        y, size = random.uniform(0.28, 0.45), random.uniform(*place.sizes, 2)
        stops = (
            Stop(t=start, x=ends[0], y=y, size=size[0]),
            Stop(t=start + takes / 2, x=0.5, y=y + random.uniform(-0.04, 0.04), size=size.mean()),
            Stop(t=start + takes, x=ends[1], y=y, size=size[1]),
        )
        ways.append(Walk(person=name, stops=stops, seed=seed))
        start += random.uniform(1.5, 3.0)
    return Shot(seconds=start + 5.0, walks=tuple(ways), background=place.background, light=place.light)


def at_place(head: Head, place: Place, number: int) -> Head:
    """The person as this camera shows them: one photo, changed."""
    return replace(head, looks=(_changed(head.looks[number % len(head.looks)], place),))


def _changed(look: Look, place: Place) -> Look:
    middle = np.array(FACE, np.float32)
    linear = np.array([[place.narrowed * (-1 if place.mirrored else 1), place.leaning], [0.0, 1.0]], np.float32)
    move = np.column_stack([linear, middle - linear @ middle]).astype(np.float32)
    image = cv2.warpAffine(look.image, move, CANVAS, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpAffine(look.mask, move, CANVAS, flags=cv2.INTER_LINEAR)
    if place.blur:
        image = cv2.GaussianBlur(image, (0, 0), place.blur * float(look.box[3] - look.box[1]))
    tinted = np.clip(image.astype(np.float32) * np.array(place.tint, np.float32), 0, 255).astype(np.uint8)
    return Look(image=tinted, mask=np.asarray(mask, np.float32), box=_moved(look.box, move))


def _moved(box: Floats, move: Floats) -> Floats:
    """The box of the middle lines of a moved box."""
    left, top, right, bottom = box.tolist()
    x, y = (left + right) / 2, (top + bottom) / 2
    ends = np.array([[left, y], [right, y], [x, top], [x, bottom]], np.float32) @ move[:, :2].T + move[:, 2]
    return np.array([ends[:2, 0].min(), ends[2, 1], ends[:2, 0].max(), ends[3, 1]], np.float32)


def _followed(looked: Looked, place: int, several: set[str], pack: Pack) -> tuple[list[Passed], int]:
    """The tracks of a clip that are one person's, and how many are two people's."""
    from benchmarks.followed import follow, snapshot

    followed = follow(looked, snapshot(pack))
    whose: dict[int, Counter[str]] = {}
    appeared: dict[str, float] = {}
    for number, in_picture in enumerate(looked.clip.truth):
        for seen in in_picture:
            appeared.setdefault(seen.person, number / looked.clip.fps)
    for frame, said in zip(looked.frames, followed.frames, strict=True):
        truth = [seen for seen in looked.clip.truth[frame.number] if seen.visible >= _SEEN]
        for one in said:
            overlap = iou(
                frame.found.boxes[one.at][None], np.array([seen.box for seen in truth], np.float32).reshape(-1, 4)
            )
            if overlap.size and overlap.max() >= MIN_IOU:
                whose.setdefault(one.number, Counter()).update([truth[int(overlap.argmax())].person])
    found, mixed = [], 0
    for track in followed.closed:
        if track.mean is None or not whose.get(track.number):
            continue
        ((person, most),) = whose[track.number].most_common(1)
        if most < _ONE * whose[track.number].total():
            mixed += 1
            continue
        found.append(
            Passed(
                person=person,
                place=place,
                began=track.first_at - appeared[person],
                ended=track.last_at - appeared[person],
                mean=track.mean,
                other_photo=person in several,
            )
        )
    return found, mixed
