"""A drawn picture in place of one that does not come: what a live stream shows while its camera has nothing to show."""

from __future__ import annotations

import textwrap
from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

_SIZE = (640, 360)
_GROUND, _TITLE, _TEXT = (10, 18, 27), (231, 237, 244), (154, 170, 186)  # the colours of the page's dark screen
_COLUMNS, _LINES = 58, 5


@lru_cache(maxsize=64)
def notice(title: str, text: str) -> bytes:
    """A JPEG that says it; what the built-in font can not write is left out."""
    picture = Image.new("RGB", _SIZE, _GROUND)
    pen = ImageDraw.Draw(picture)
    middle = _SIZE[0] / 2
    pen.text((middle, 130), _writable(title)[:40], font=ImageFont.load_default(30), fill=_TITLE, anchor="mm")
    lines = textwrap.wrap(_writable(text), _COLUMNS)[:_LINES]
    for n, line in enumerate(lines):
        pen.text((middle, 185 + 28 * n), line, font=ImageFont.load_default(19), fill=_TEXT, anchor="mm")
    written = BytesIO()
    picture.save(written, "JPEG", quality=80)
    return written.getvalue()


def _writable(text: str) -> str:
    return "".join(c for c in text if c.isprintable() and ord(c) < 0x180).strip()
