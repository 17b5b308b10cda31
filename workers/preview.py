"""The live picture: the frame with a box and a name on every face in view, as JPEG."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from PIL import Image as Pictures
from PIL import ImageDraw, ImageFont

from cameras.models import Verdict
from recognition.engine import Image, encode_jpeg

WIDTH = 640
_COLOURS = {  # RGB
    Verdict.KNOWN: (234, 88, 12),
    Verdict.UNKNOWN: (148, 163, 184),
    Verdict.UNDECIDED: (226, 232, 240),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A face to be drawn: box xyxy in pixels of the frame, and what to write above it."""

    box: tuple[float, float, float, float]
    text: str
    verdict: Verdict


def draw(image: Image, marks: list[Mark]) -> bytes:
    """The picture at most WIDTH wide, with the marks on it."""
    scale = min(1.0, WIDTH / image.shape[1])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
    picture = Pictures.fromarray(np.ascontiguousarray(small[:, :, ::-1]))
    pen = ImageDraw.Draw(picture)
    font = _font(max(14, small.shape[0] // 15))
    for mark in marks:
        x1, y1, x2, y2 = (value * scale for value in mark.box)
        colour = _COLOURS[mark.verdict]
        pen.rectangle((x1, y1, x2, y2), outline=colour, width=2)
        text = _writable(mark.text)
        if text:
            left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
            width, height = right - left + 8, bottom - top + 6
            y = y1 - height if y1 >= height else y2
            x = max(0.0, min(x1, small.shape[1] - width))
            pen.rectangle((x, y, x + width, y + height), fill=colour)
            ink = (15, 23, 42) if sum(colour) > 380 else (255, 255, 255)
            pen.text((x + 4 - left, y + 3 - top), text, font=font, fill=ink)
    return encode_jpeg(np.ascontiguousarray(np.asarray(picture)[:, :, ::-1]), quality=75)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _writable(text: str) -> str:
    """What the built-in font can show of a name; the page beside the picture writes it in full."""
    shown = "".join(c if c.isprintable() and ord(c) < 0x180 else "" for c in text).strip()
    return shown[:40] if shown else ("•" if text else "")
