"""The clips of the demo cameras: people cut out of photos who walk through drawn rooms, one after the other.

What a clip shows follows from its scene: the room, and who passes when. Every passage takes PASSAGE_SECONDS: somebody
comes in at one side, slows down and comes nearer in the middle, and leaves at the other. All clips are equally long, so
that cameras which play them in a loop keep step with each other.

Pictures are (h, w, 3) uint8 BGR, masks (h, w) float32 in [0, 1]; places in photos are pixels of the photo.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from recognition.engine import Image
from recognition.engine.types import Floats

SIZE: Final = (640, 360)
SECONDS: Final = 72.0  # who comes back to a camera after the whole clip has been away for more than a minute
PASSAGE_SECONDS: Final = 6.0
_FACE: Final = (104.0, 128.0)  # height of a face at the edge of the picture and in its middle
_EYE_LEVEL: Final = 0.36  # of the picture's height
_REACH: Final = 0.78  # how far from the middle somebody begins and ends, in widths of the picture
_FLOOR: Final = 281  # where walls end, in pixels from the top
_GRAINS: Final = 8  # pictures of sensor noise that take turns
_SOFT: Final = 1.6  # of the edges of those who are cut out, in pixels of the photo

Photos = Mapping[str, Image]


@dataclass(frozen=True, slots=True, kw_only=True)
class Walker:
    """Somebody in a photo: the box of the face (xyxy), and the outline to cut along. `coat`: drawn where the photo
    shows nothing of the body, because somebody else stands before it."""

    photo: str
    face: tuple[int, int, int, int]
    outline: tuple[tuple[int, int], ...]
    coat: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Somebody passes, from so many seconds after the clip's begin."""

    who: str
    at: float
    leftwards: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What one camera sees: a room that `room` draws, the gain of its light, and who passes."""

    room: str
    light: float
    passages: tuple[Passage, ...]


WALKERS: Final = {
    "Ada Example": Walker(
        photo="group",
        face=(53, 267, 159, 394),
        outline=(
            *((90, 231), (130, 237), (165, 265), (186, 320), (190, 384), (226, 384), (229, 432), (250, 436)),
            *((268, 500), (304, 610), (300, 690), (0, 690), (0, 432), (22, 420), (20, 340), (36, 275), (60, 243)),
        ),
    ),
    "Ben Example": Walker(
        photo="group",
        face=(467, 263, 571, 407),
        outline=(
            *((500, 220), (545, 218), (590, 232), (608, 275), (598, 330), (578, 368), (562, 392), (590, 440)),
            *((592, 505), (618, 478), (612, 440), (636, 402), (676, 440), (676, 480), (620, 590), (545, 645)),
            *((345, 645), (340, 480), (352, 428), (400, 385), (462, 345), (466, 290), (475, 245)),
        ),
    ),
    "Eileen Collins": Walker(
        photo="astronaut",
        face=(180, 64, 265, 171),
        outline=(
            *((206, 18), (241, 15), (277, 29), (299, 64), (293, 106), (274, 132), (261, 161), (290, 184), (303, 216)),
            *((309, 241), (345, 264), (361, 322), (370, 351), (419, 348), (477, 393), (496, 451), (496, 511)),
            *((13, 511), (26, 386), (39, 303), (64, 248), (116, 209), (119, 180), (151, 151), (184, 149), (182, 126)),
            *((171, 113), (156, 74), (168, 35)),
        ),
    ),
    "the man in red": Walker(
        photo="group",
        face=(745, 344, 840, 474),
        outline=(
            *((770, 300), (810, 290), (850, 300), (875, 340), (868, 388), (905, 402), (914, 450), (920, 520)),
            *((930, 600), (900, 645), (650, 645), (640, 555), (690, 470), (742, 424), (752, 400), (746, 330)),
        ),
        coat=(25, 25, 110),
    ),
    "the woman in black": Walker(
        photo="group",
        face=(269, 148, 368, 265),
        outline=(
            *((268, 150), (275, 125), (330, 103), (385, 112), (418, 130), (396, 165), (393, 208), (408, 226)),
            *((468, 236), (462, 335), (400, 372), (352, 420), (338, 470), (340, 640), (300, 640), (282, 420)),
            *((262, 345), (264, 308), (300, 268), (330, 262), (300, 240), (282, 200)),
        ),
        coat=(26, 24, 22),
    ),
    "the blonde woman": Walker(
        photo="group",
        face=(1130, 276, 1226, 397),
        outline=(
            *((1150, 245), (1185, 234), (1225, 243), (1250, 275), (1264, 345), (1258, 430), (1279, 450)),
            *((1279, 690), (1050, 690), (1000, 620), (984, 520), (1010, 462), (1040, 430), (1085, 436)),
            *((1124, 424), (1120, 340), (1130, 275)),
        ),
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class _Sprite:
    image: Image
    mask: Floats
    face: tuple[float, float]  # its middle in the sprite
    height: float  # of the face


def frames(scene: Scene, photos: Photos, *, fps: float) -> Iterator[Image]:
    """The pictures of the clip in order."""
    back = cv2.convertScaleAbs(room(scene.room, photos), alpha=scene.light).astype(np.uint8)
    sprites = {one.who: _cut_out(WALKERS[one.who], photos) for one in scene.passages}
    dice = np.random.default_rng(7)
    grains = [dice.normal(0, 2.0, (SIZE[1], SIZE[0], 3)).astype(np.int16) for _ in range(_GRAINS)]
    for number in range(round(SECONDS * fps)):
        picture = back.copy()
        for one in scene.passages:
            since = number / fps - one.at
            if 0 <= since < PASSAGE_SECONDS:
                _lay(picture, sprites[one.who], since, leftwards=one.leftwards, light=scene.light)
        yield cv2.add(picture, grains[number % _GRAINS], dtype=cv2.CV_8U).astype(np.uint8, copy=False)


def _lay(picture: Image, sprite: _Sprite, since: float, *, leftwards: bool, light: float) -> None:
    """Draws somebody who has been on the way through the picture for so many seconds."""
    along = 2 * since / PASSAGE_SECONDS - 1
    aside = _REACH * (0.45 * along + 0.55 * along**3)  # slower in the middle
    size = _FACE[1] + (_FACE[0] - _FACE[1]) * along**2
    x = SIZE[0] * (0.5 + (-aside if leftwards else aside))
    y = SIZE[1] * _EYE_LEVEL + 2.0 * math.sin(since * 11)
    zoom = size / sprite.height
    left, top = x - zoom * sprite.face[0], y - zoom * sprite.face[1]
    begin, end = max(0, math.floor(left)), min(SIZE[0], math.ceil(left + zoom * sprite.mask.shape[1]))
    first = max(0, math.floor(top))
    if begin >= end:
        return
    move = np.array([[zoom, 0, left - begin], [0, zoom, top - first]], np.float64)
    area = (end - begin, SIZE[1] - first)
    person = cv2.warpAffine(sprite.image, move, area, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpAffine(sprite.mask, move, area, flags=cv2.INTER_LINEAR)[:, :, None]
    gain = light * (1 + 0.05 * math.sin(since * 1.3))
    part = picture[first:, begin:end]
    part[:] = np.clip(part * (1 - mask) + person * (gain * mask), 0, 255).astype(np.uint8)


def _cut_out(walker: Walker, photos: Photos) -> _Sprite:
    photo = photos[walker.photo]
    outline = np.array(walker.outline, np.int32)
    mask = np.zeros(photo.shape[:2], np.float32)
    cv2.fillPoly(mask, [outline], (1.0,), cv2.LINE_AA)
    left, top = np.maximum(outline.min(axis=0) - 4, 0)
    right, bottom = outline.max(axis=0)
    x1, y1, x2, y2 = walker.face
    image = photo[top:bottom, left:right].astype(np.float32)
    cut = np.asarray(cv2.GaussianBlur(mask[top:bottom, left:right], (0, 0), _SOFT), np.float32)
    if walker.coat is not None:
        image, cut = _dressed(image, cut, walker.coat, middle=((x1 + x2) / 2 - left, y2 - top), width=x2 - x1)
    return _Sprite(
        np.clip(image, 0, 255).astype(np.uint8), cut, ((x1 + x2) / 2 - left, (y1 + y2) / 2 - top), float(y2 - y1)
    )


def _dressed(
    image: Floats, mask: Floats, coat: tuple[int, int, int], *, middle: tuple[float, float], width: float
) -> tuple[Floats, Floats]:
    """The same before a coat whose shoulders begin below the chin."""
    x, y = round(middle[0]), round(middle[1])
    body = np.zeros_like(mask)
    reach, depth = round(1.25 * width), round(0.9 * width)
    cv2.ellipse(body, (x, y + depth), (reach, depth), 0, 180, 360, (1.0,), -1)
    cv2.rectangle(body, (x - reach, y + depth), (x + reach, mask.shape[0]), (1.0,), -1)
    body = np.asarray(cv2.GaussianBlur(body, (0, 0), 2 * _SOFT), np.float32)
    shade = 1.25 - 0.5 * np.abs(np.arange(mask.shape[1]) - x)[None, :, None] / reach
    dressed = np.array(coat, np.float32) * shade * (1 - mask[:, :, None]) + image * mask[:, :, None]
    return dressed.astype(np.float32), np.maximum(mask, body)


def room(name: str, photos: Photos) -> Image:
    """The empty room, (h, w, 3) of SIZE: garage, entrance, hall or platform."""
    if name == "garage":
        return _garage(_filled(photos["garage"], 700))
    brick = _filled(photos["wall"], 512).astype(np.float32)
    if name == "entrance":
        picture = _entrance(brick)
    elif name == "hall":
        picture = _hall()
    else:
        picture = _platform(brick, _filled(photos["gravel"], 400).astype(np.float32))
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.8), np.uint8)


def _garage(photo: Image) -> Image:
    """In dim light, and below a beam: the detector takes much of what stands on the shelves for faces."""
    picture = np.asarray(cv2.convertScaleAbs(photo, alpha=0.6, beta=28), np.uint8)
    cv2.rectangle(picture, (0, 0), (SIZE[0], 66), (92, 96, 98), -1)
    cv2.rectangle(picture, (0, 60), (SIZE[0], 66), (60, 190, 225), -1)
    cv2.putText(picture, "P  Level 0", (24, 42), cv2.FONT_HERSHEY_DUPLEX, 0.9, (235, 235, 235), 2, cv2.LINE_AA)
    return picture


def _entrance(brick: Floats) -> Image:
    """A wall with two wings of a glass door."""
    picture = _toned(brick, (0.75, 0.85, 1.05))
    picture[_FLOOR:] = (88, 92, 98)
    for x in (214, 324):
        cv2.rectangle(picture, (x, 40), (x + 102, _FLOOR), (70, 66, 60), -1)
        cv2.rectangle(picture, (x + 8, 48), (x + 94, _FLOOR - 10), (205, 196, 180), -1)
        cv2.line(picture, (x + 20, _FLOOR - 20), (x + 80, 70), (222, 216, 206), 14)
    return picture


def _hall() -> Image:
    """Ticket windows with their counters."""
    wall = np.broadcast_to(np.linspace(205, 168, SIZE[1], dtype=np.float32)[:, None, None], (SIZE[1], SIZE[0], 3))
    picture = _toned(wall, (0.93, 0.98, 1.0))
    picture[_FLOOR:] = (120, 132, 142)
    for x in (44, 252, 460):
        cv2.rectangle(picture, (x, 70), (x + 136, 208), (88, 84, 80), -1)
        cv2.rectangle(picture, (x + 8, 78), (x + 128, 200), (150, 138, 120), -1)
        cv2.rectangle(picture, (x - 10, 208), (x + 146, 224), (70, 98, 128), -1)
    cv2.rectangle(picture, (0, 20), (SIZE[0], 48), (120, 70, 40), -1)
    return picture


def _platform(brick: Floats, gravel: Floats) -> Image:
    """The edge of a platform before a wall with its number."""
    picture = _toned(brick, (1.1, 1.0, 0.92))
    picture[_FLOOR:] = _toned(gravel[_FLOOR:], (0.7, 0.7, 0.7))
    cv2.rectangle(picture, (0, _FLOOR - 26), (SIZE[0], _FLOOR), (128, 132, 134), -1)
    cv2.rectangle(picture, (0, _FLOOR - 20), (SIZE[0], _FLOOR - 12), (60, 190, 225), -1)
    cv2.rectangle(picture, (392, 56), (612, 104), (130, 62, 32), -1)
    text = (240, 240, 240)
    cv2.putText(picture, "Platform 2", (412, 90), cv2.FONT_HERSHEY_DUPLEX, 1.0, text, 2, cv2.LINE_AA)
    return picture


def _toned(surface: Floats, tone: tuple[float, float, float]) -> Image:
    """In another colour: each channel times so much."""
    return np.clip(surface * np.array(tone, np.float32), 0, 255).astype(np.uint8)


def _filled(photo: Image, width: int) -> Image:
    """The upper left of the photo, so many pixels wide, filling the picture."""
    width = min(width, photo.shape[1])
    part = photo[: round(width * SIZE[1] / SIZE[0]), :width]
    return np.asarray(cv2.resize(part, SIZE, interpolation=cv2.INTER_LINEAR), np.uint8)
