"""The live picture: the frame with a box and a name on every face in view, as JPEG."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

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
    """The picture at most WIDTH wide and twice that high, with the marks on it."""
    height, width = image.shape[:2]
    scale = min(1.0, WIDTH / width, 2 * WIDTH / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small: Image = (
        cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        if scale < 1
        else image.copy()
    )
    height = max(14, small.shape[0] // 15)
    for mark in marks:
        x1, y1, x2, y2 = (round(value * scale) for value in mark.box)
        red, green, blue = _COLOURS[mark.verdict]
        cv2.rectangle(small, (x1, y1), (x2, y2), (blue, green, red), 2)
        text = _writable(mark.text)
        if text:
            label = _label(text, height, mark.verdict)
            top = y1 - label.shape[0] if y1 >= label.shape[0] else y2
            _paste(small, label, max(0, min(x1, small.shape[1] - label.shape[1])), top)
    return encode_jpeg(small, quality=75)


def _paste(picture: Image, label: Image, left: int, top: int) -> None:
    """Lays the label on the picture, as far as it lies inside."""
    room = picture[max(0, top) : max(0, top + label.shape[0]), left : left + label.shape[1]]
    first = max(0, -top)
    room[:] = label[first : first + room.shape[0], : room.shape[1]]


@lru_cache(maxsize=256)
def _label(text: str, height: int, verdict: Verdict) -> Image:
    """The text on its verdict's colour, (h, w, 3) BGR. Kept, because the same people are drawn again and again."""
    colour = _COLOURS[verdict]
    font = _font(height)
    left, top, right, bottom = (round(value) for value in font.getbbox(text))
    picture = Pictures.new("RGB", (right - left + 8, bottom - top + 6), colour)
    ink = (15, 23, 42) if sum(colour) > 380 else (255, 255, 255)
    ImageDraw.Draw(picture).text((4 - left, 3 - top), text, font=font, fill=ink)
    return np.ascontiguousarray(np.asarray(picture, np.uint8)[:, :, ::-1])


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans of the package matplotlib, which knows Latin, Greek and Cyrillic; else what Pillow has built in."""
    spec = importlib.util.find_spec("matplotlib")
    folders = [Path(folder) for folder in spec.submodule_search_locations or []] if spec is not None else []
    files = [folder / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf" for folder in folders]
    found = next((file for file in files if file.is_file()), None)
    return ImageFont.truetype(str(found), size) if found is not None else ImageFont.load_default(size)


def _writable(text: str) -> str:
    """What the font can show of a name; the page beside the picture writes it in full."""
    shown = "".join(c if c.isprintable() and ord(c) < 0x530 else "" for c in text).strip()
    return shown[:40] if shown else ("•" if text else "")
