"""What the decoders hand over, and how they are asked: pictures, options, and what can go wrong.

A `Picture` is (height, width) pixels, upright. `luma` is (h, w) uint8, in the range that the stream uses (16 to 235 for
most); `image` is (h, w, 3) uint8 BGR over the full range. Times are in seconds. No Django in here.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import av
import cv2
import numpy as np
import numpy.typing as npt

from cameras.drops import Drop

if TYPE_CHECKING:
    from cameras.network import NetworkPolicy

Pixels = npt.NDArray[np.uint8]

PIXELS_MOST = 50_000_000  # more than any camera gives: a picture of that size takes 150 MB

_PLANAR = frozenset(
    ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "nv21", "nv16", "gray")
)


class SourceFailed(Exception):
    """The source gives no pictures; the message says why, for people, without credentials."""


class EndOfSource(Exception):
    """The source came to its end, or was closed."""


class Decode(StrEnum):
    """How much of a stream is decoded."""

    ALL = "all"
    ROUGH = "rough"  # all, but from the next key picture on only well enough to see what moves, where that is less work
    REFERENCES = "references"  # not the pictures that no other picture needs
    KEYFRAMES = "keyframes"  # the others are kept, encoded, until the next key picture
    NOTHING = "nothing"  # what came since the last key picture is kept, encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOptions:
    """How a source is opened. `hardware`: off, auto, or a kind of device that FFmpeg knows, such as vaapi or cuda."""

    network: NetworkPolicy
    transport: str = "tcp"
    hardware: str = "off"
    open_seconds: float = 10.0
    read_seconds: float = 10.0


class Picture:
    """One decoded picture, converted only when asked and then once.

    `pts`: seconds by the stream's own clock, None where it has none that can be used; it may jump. `received`:
    time.monotonic() when its last encoded byte was taken from the source. `key`: it needs no other picture.
    """

    __slots__ = ("_frame", "_image", "_luma", "_turns", "height", "key", "pts", "received", "width")

    def __init__(self, frame: av.VideoFrame | None, *, pts: float | None, key: bool, received: float) -> None:
        self._frame = frame
        self._image: Pixels | None = None
        self._luma: Pixels | None = None
        self._turns = 0
        self.pts = pts
        self.key = key
        self.received = received
        self.width = self.height = 0
        if frame is not None:
            self.width, self.height = frame.width, frame.height
            # Of phones held upright; others than quarter turns are not done by any player either.
            self._turns = frame.rotation // 90 % 4 if frame.rotation % 90 == 0 else 0
            if self._turns % 2:
                self.width, self.height = self.height, self.width

    @classmethod
    def of(cls, image: Pixels, *, pts: float | None = None, received: float | None = None) -> Picture:
        """A picture from a (h, w, 3) BGR array."""
        picture = cls(None, pts=pts, key=True, received=time.monotonic() if received is None else received)
        picture._image = image
        picture.height, picture.width = image.shape[:2]
        return picture

    @property
    def luma(self) -> Pixels:
        """(h, w) uint8, not to be written to; usually a view of the decoder's own plane."""
        if self._luma is None:
            self._luma = self._upright(_luma(self._frame)) if self._frame is not None else _grey(self.image)
        return self._luma

    @property
    def image(self) -> Pixels:
        """(h, w, 3) uint8 BGR."""
        if self._image is None:
            if self._frame is None:
                raise ValueError("A picture is of a frame or of an array.")
            # One thread: swscale's own cost more than they save, and cores are for other cameras.
            pixels = self._frame.to_ndarray(format="bgr24", dst_color_range="JPEG", threads=1)
            self._image = self._upright(pixels.astype(np.uint8, copy=False))
        return self._image

    def _upright(self, pixels: Pixels) -> Pixels:
        return np.ascontiguousarray(np.rot90(pixels, self._turns)) if self._turns else pixels


class Capture(Protocol):
    """An open source. One thread reads; any thread may close it. `codec`: its name, "" where nothing is encoded."""

    codec: str
    fps: float
    seconds: float
    is_live: bool
    decode: Decode  # the reading thread may change it at any time

    @property
    def decode_ms(self) -> float:
        """Processor time to decode one picture, lately."""

    @property
    def skipped(self) -> Counter[Drop]:
        """How many pictures were not decoded, by reason."""

    @property
    def stirred(self) -> bool:
        """Whether, by the size of what comes encoded since the last key picture, something probably moves."""

    def step(self) -> list[Picture]:
        """Takes one packet; the pictures that came out of it, if any. Raises EndOfSource and SourceFailed."""

    def wake(self) -> list[Picture]:
        """Decodes what was kept since the last key picture, and everything from now on.

        Where much was kept, this gives the first of it, and the next steps the rest before they take anything new.
        """

    def close(self) -> None:
        """Ends it, also from another thread: a step that waits then ends within the time-out."""


def _luma(frame: av.VideoFrame) -> Pixels:
    plane = frame.planes[0]
    if frame.format.name not in _PLANAR or plane.line_size < frame.width:
        return frame.to_ndarray(format="gray", threads=1).astype(np.uint8, copy=False)
    rows = np.frombuffer(plane, np.uint8, count=plane.line_size * frame.height)  # type: ignore[call-overload]
    view: Pixels = rows.reshape(frame.height, plane.line_size)[:, : frame.width]
    view.flags.writeable = False  # the decoder still refers to it
    return view


def _grey(image: Pixels) -> Pixels:
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
