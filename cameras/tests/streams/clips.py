"""What the cameras of the tests film, encoded as H.264 by PyAV: pictures of a box that crosses a textured wall.

Pictures are (height, width, 3) uint8 BGR. A `Clip` holds access units in the order in which they are sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from io import BytesIO

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.video.stream import VideoStream

Pixels = npt.NDArray[np.uint8]

SIZE = (320, 180)
FPS = 12.5
has_encoder = "libx264" in av.codecs_available


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One encoded picture: its NAL units without start codes, when it is shown (seconds), and whether it is a key."""

    nals: tuple[bytes, ...]
    pts: float
    key: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A film that can be played in a loop: it begins with a key picture that brings its parameter sets along."""

    units: tuple[Unit, ...]
    fps: float
    width: int
    height: int

    @property
    def seconds(self) -> float:
        return len(self.units) / self.fps

    @property
    def parameter_sets(self) -> tuple[bytes, bytes]:
        """SPS and PPS."""
        found = {nal[0] & 0x1F: nal for unit in self.units for nal in unit.nals}
        return found[7], found[8]

    @classmethod
    def of(cls, images: Iterable[Pixels], *, fps: float = FPS, gop: int = 12, bframes: int = 0) -> Clip:
        """Encodes pictures; skips the test where this build of FFmpeg has no H.264 encoder."""
        if not has_encoder:
            pytest.skip("this build of PyAV has no H.264 encoder (libx264)")
        pictures = list(images)
        height, width = pictures[0].shape[:2]
        rate = Fraction(fps).limit_denominator(1000)
        encoder = av.CodecContext.create("libx264", "w")
        assert isinstance(encoder, av.VideoCodecContext)
        encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
        encoder.framerate, encoder.time_base, encoder.gop_size = rate, 1 / rate, gop
        encoder.thread_count = 1
        encoder.options = {"preset": "ultrafast", "crf": "28", "bf": str(bframes), "x264-params": "scenecut=0"}
        units = []
        for number, image in enumerate([*pictures, None]):
            frame = None
            if image is not None:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
                frame.pts, frame.time_base = number, 1 / rate
            for packet in encoder.encode(frame):
                shown = float((packet.pts or 0) * (packet.time_base or 1 / rate))
                units.append(Unit(nals=tuple(_nals(bytes(packet))), pts=shown, key=packet.is_keyframe))
        return cls(units=tuple(units), fps=fps, width=width, height=height)


def moving(seconds: float = 2.0, *, size: tuple[int, int] = SIZE, fps: float = FPS) -> Iterator[Pixels]:
    """A bright box that crosses a wall of noise once; the wall is the same in every picture."""
    width, height = size
    wall = np.random.default_rng(7).integers(60, 140, (height // 4, width // 4, 3), np.uint8)
    wall = np.kron(wall, np.ones((4, 4, 1), np.uint8))[:height, :width]
    count = max(2, round(seconds * fps))
    side = height // 3
    for number in range(count):
        picture = wall.copy()
        left = (width - side) * number // (count - 1)
        picture[side : 2 * side, left : left + side] = (40, 200, 240)
        yield picture


def black(seconds: float = 1.0, *, size: tuple[int, int] = SIZE, fps: float = FPS) -> Iterator[Pixels]:
    for _ in range(max(2, round(seconds * fps))):
        yield np.zeros((size[1], size[0], 3), np.uint8)


@cache
def usual() -> Clip:
    return Clip.of(moving())


@cache
def with_bframes() -> Clip:
    return Clip.of(moving(), bframes=2)


@cache
def dark(size: tuple[int, int] = SIZE, fps: float = FPS) -> Clip:
    return Clip.of(black(size=size, fps=fps), fps=fps)


@cache
def other_size(size: tuple[int, int] = (480, 272), fps: float = FPS) -> Clip:
    """The same scene in larger pictures."""
    rows, columns = np.arange(size[1]) * SIZE[1] // size[1], np.arange(size[0]) * SIZE[0] // size[0]
    return Clip.of((picture[rows][:, columns] for picture in moving(fps=fps)), fps=fps)


def still(clip: Clip) -> Clip:
    """The first picture of a clip, for ever."""
    first = next(unit for unit in clip.units if unit.key)
    return Clip(units=(first,), fps=clip.fps, width=clip.width, height=clip.height)


def mpeg_ts(clip: Clip, units: Iterable[Unit], *, start: float) -> bytes:
    """The units as an MPEG-TS segment that begins at `start` seconds."""
    out = BytesIO()
    with av.open(out, "w", format="mpegts") as container:
        stream = container.add_stream("libx264", rate=Fraction(clip.fps).limit_denominator(1000))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, "yuv420p"
        for number, unit in enumerate(units):
            packet = av.Packet(b"".join(b"\x00\x00\x00\x01" + nal for nal in unit.nals))
            packet.stream, packet.time_base = stream, Fraction(1, 90000)
            packet.pts = packet.dts = round((start + number / clip.fps) * 90000)
            packet.is_keyframe = unit.key
            container.mux(packet)
    return out.getvalue()


def _nals(data: bytes) -> Iterator[bytes]:
    """The NAL units of a byte stream (ITU-T H.264, annex B)."""
    start = data.find(b"\x00\x00\x01")
    while start >= 0:
        following = data.find(b"\x00\x00\x01", start + 3)
        nal = data[start + 3 : following if following >= 0 else len(data)]
        if nal := nal.rstrip(b"\x00") if following >= 0 else nal:
            yield nal
        start = following
