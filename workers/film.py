"""Makes a film of what a clip is made of: bystanders are hidden in every picture, then it is encoded.

What is known of faces is where the loop saw them when it looked, a few times a second. Between two looks a face may be
anywhere in between, so that all of that is hidden, with a generous margin; for HOLD_SECONDS before it was first seen
and after it was last seen it is hidden where it was, more widely with time. Only the subject's face stays, and only
while it is known where that is; where a bystander's face lies on it, that one is hidden still. Parts of the picture in
which no face is looked for are black.

Pictures are (h, w, 3) uint8 BGR, boxes xyxy normalised to [0, 1], times seconds on the frames' clock. Pure computing.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Final

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream

from cameras.masks import Polygon
from recognition.engine import Image
from recognition.engine.types import Floats
from workers.clips import EVERY_SECONDS, Clip, Look

HOLD_SECONDS = 1.5
_SURE_SECONDS = 0.3  # so long before its first and after its last look the subject is where it was
_MARGIN = 0.4  # of a face's side, around it: hair and ears tell people apart too
_STRAY = 1.0  # of a face's side a second: how far it may have gone
_FACE = 0.2  # of a face's side, around the subject's: a box is tight
_MOSAIC = 5  # blocks a side are left of what is hidden
_TICKS: Final = 1000  # a second


class NoEncoder(Exception):
    """This FFmpeg can write no video that browsers play; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """An encoded film: its bytes, and how a file of that kind ends."""

    data: bytes
    suffix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    codec: str
    container: str
    codec_options: Mapping[str, str]
    # The index goes to the front of an MP4, so that it plays before all of it has come.
    container_options: Mapping[str, str] = field(default_factory=dict)


_KINDS: Final = (
    _Kind(
        codec="libx264",
        container="mp4",
        codec_options={"preset": "veryfast", "crf": "26"},
        container_options={"moov_size": "16384"},
    ),
    _Kind(codec="libvpx-vp9", container="webm", codec_options={"deadline": "realtime", "cpu-used": "8", "crf": "36"}),
    _Kind(codec="libvpx", container="webm", codec_options={"deadline": "realtime", "cpu-used": "8", "crf": "20"}),
)


def make(clip: Clip) -> Film:
    """The film of the clip. Raises NoEncoder, and av.FFmpegError where it can not be encoded."""
    courses = _courses(clip.looks)

    def pictures() -> Iterator[tuple[float, Image]]:
        for still in clip.stills:
            image = cv2.imdecode(np.frombuffer(still.jpeg, np.uint8), cv2.IMREAD_COLOR)
            if image is not None:
                yield still.t, _hidden(image.astype(np.uint8, copy=False), still.t, clip, courses)

    kind = _kind()
    return Film(data=_encoded(pictures(), kind), suffix=kind.container)


# --- faces ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Place:
    """Where a face is at some time: where most probably, and where it may be."""

    box: Floats
    around: Floats
    sure: bool  # that it is there, and that face


@dataclass(slots=True, eq=False)
class _Course:
    """Where one track was seen, in the order of time."""

    times: list[float] = field(default_factory=list)
    boxes: list[Floats] = field(default_factory=list)
    sure: list[bool] = field(default_factory=list)

    def at(self, t: float) -> _Place | None:
        """Where the face is at time t; None long before its first look and long after its last."""
        after = bisect_right(self.times, t)
        before = after - 1
        if before >= 0 and (after < len(self.times) or self.times[before] == t):
            return self._between(before, min(after, len(self.times) - 1), t)
        nearest = before if before >= 0 else after
        away = abs(self.times[nearest] - t)
        if away > HOLD_SECONDS:
            return None
        box = self.boxes[nearest]
        around = _grown(box, (_MARGIN + _STRAY * away) * _sides(box))
        return _Place(box=box, around=around, sure=self.sure[nearest] and away <= _SURE_SECONDS)

    def _between(self, before: int, after: int, t: float) -> _Place:
        one = self.boxes[before]
        if self.times[before] == t:
            return _Place(box=one, around=_grown(one, _MARGIN * _sides(one)), sure=self.sure[before])
        other = self.boxes[after]
        share = (t - self.times[before]) / (self.times[after] - self.times[before])
        both = np.concatenate([np.minimum(one[:2], other[:2]), np.maximum(one[2:], other[2:])])
        larger: Floats = np.maximum(_sides(one), _sides(other))
        return _Place(
            box=(one + (other - one) * share).astype(np.float32),
            around=_grown(both, _MARGIN * larger),
            sure=self.sure[before] and self.sure[after],
        )


def _courses(looks: Sequence[Look]) -> dict[int, _Course]:
    """The courses of all tracks, by number."""
    found: dict[int, _Course] = {}
    for look in looks:
        for number, box, sure in zip(look.numbers.tolist(), look.boxes, look.sure.tolist(), strict=True):
            course = found.setdefault(number, _Course())
            course.times.append(look.t)
            course.boxes.append(box)
            course.sure.append(sure)
    return found


def _hidden(image: Image, t: float, clip: Clip, courses: Mapping[int, _Course]) -> Image:
    """The picture in which no face that is known of can be recognised but the subject's."""
    places = {number: place for number, course in courses.items() if (place := course.at(t)) is not None}
    subject = places.get(clip.track)
    if subject is not None and subject.sure:
        del places[clip.track]
    else:
        subject = None
    shown = image.copy()
    for place in places.values():
        _mosaic(shown, place.around)
    if subject is not None:
        free = np.zeros(image.shape[:2], bool)
        free[_within(_grown(subject.box, _FACE * _sides(subject.box)), image)] = True
        for place in places.values():
            free[_within(place.box, image)] = False
        shown[free] = image[free]
    _blacken(shown, clip.ignored)
    return shown


def _mosaic(image: Image, box: Floats) -> None:
    """Leaves five blocks a side of a part of the picture, so that no filter brings it back."""
    part = image[_within(box, image)]
    blocks = cv2.resize(part, (_MOSAIC, _MOSAIC), interpolation=cv2.INTER_AREA)
    part[:] = cv2.resize(blocks, (part.shape[1], part.shape[0]), interpolation=cv2.INTER_NEAREST)


def _blacken(image: Image, polygons: Sequence[Polygon]) -> None:
    height, width = image.shape[:2]
    for polygon in polygons:
        corners = np.round(np.array(polygon, np.float32) * [width, height]).astype(np.int32)
        cv2.fillPoly(image, [corners], (0, 0, 0))


def _sides(box: Floats) -> Floats:
    sides: Floats = np.maximum(box[2:] - box[:2], np.float32(1e-6))
    return sides


def _grown(box: Floats, more: Floats) -> Floats:
    """The box with so much, across and down, added on each side."""
    return np.concatenate([box[:2] - more, box[2:] + more]).astype(np.float32)


def _within(box: Floats, image: Image) -> tuple[slice, slice]:
    """The box's whole pixels within the picture, rows and columns, at least one each way."""
    height, width = image.shape[:2]
    left, right = _span(float(box[0]), float(box[2]), width)
    top, bottom = _span(float(box[1]), float(box[3]), height)
    return slice(top, bottom), slice(left, right)


def _span(low: float, high: float, side: int) -> tuple[int, int]:
    start = max(0, min(side - 1, int(np.floor(low * side))))
    return start, max(start + 1, min(side, int(np.ceil(high * side))))


# --- encoding -------------------------------------------------------------------------------------------------------


@cache
def _kind() -> _Kind:
    """The first kind of video that this FFmpeg can write."""
    for kind in _KINDS:
        if kind.codec in av.codecs_available:
            return kind
    raise NoEncoder(
        "This FFmpeg writes neither H.264 (libx264) nor VP8 or VP9 (libvpx), so that no clips can be made. Install the "
        "package av as a wheel, which has them."
    )


def _encoded(pictures: Iterator[tuple[float, Image]], kind: _Kind) -> bytes:
    """The film of pictures with their times, which need not be evenly apart."""
    written = io.BytesIO()
    with av.open(written, "w", format=kind.container, options=dict(kind.container_options)) as container:
        stream: VideoStream | None = None
        began = 0.0
        for t, image in pictures:
            if stream is None:
                began, stream = t, _stream(container, kind, image)
            elif image.shape[:2] != (stream.height, stream.width):  # the camera was set to another size meanwhile
                size = (stream.width, stream.height)
                image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = round((t - began) * _TICKS), Fraction(1, _TICKS)
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode(None))
    return written.getvalue()


def _stream(container: OutputContainer, kind: _Kind, image: Image) -> VideoStream:
    """The stream for pictures of this one's size."""
    stream = container.add_stream(kind.codec, rate=round(1 / EVERY_SECONDS), options=dict(kind.codec_options))
    if not isinstance(stream, VideoStream):
        raise NoEncoder(f"{kind.codec} is no encoder of video in this FFmpeg. Install the package av as a wheel.")
    stream.height, stream.width = image.shape[:2]
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = Fraction(1, _TICKS)
    stream.codec_context.thread_count = 1  # cores are for cameras
    return stream
