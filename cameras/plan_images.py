"""Site plans as they come and as they are kept: decoded within limits, and drawn anew without anything but pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2

from cameras.zones import ZoneError
from recognition.engine import PhotoError, decode_photo, encode_jpeg
from recognition.photos import PHOTOS_AT_ONCE

MOST_BYTES = 20 * 1024 * 1024
_MOST_SIDE = 3000
_MOST_PNG = 4 * 1024 * 1024  # a drawing is smaller; what is not is rather a photo, and kept as one


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlanImage:
    """A picture to be stored: PNG or JPEG."""

    data: bytes
    media_type: str
    width: int
    height: int


def clean_plan_image(data: bytes) -> PlanImage:
    """The picture (PNG, JPEG or WebP, at most 20 MB and 50 million pixels) made anew; raises ZoneError.

    What it had beside its pixels is gone; what was transparent is white; it is made smaller where a side is longer
    than 3000 pixels.
    """
    try:
        with PHOTOS_AT_ONCE:
            image = decode_photo(data, max_bytes=MOST_BYTES, max_side=_MOST_SIDE)
            done, png = cv2.imencode(".png", image)
            if done and len(png) <= _MOST_PNG:
                kept, media_type = bytes(png), "image/png"
            else:
                kept, media_type = encode_jpeg(image, quality=88), "image/jpeg"
    except PhotoError as error:
        raise ZoneError("image", str(error).replace("photo", "picture")) from None
    height, width = image.shape[:2]
    return PlanImage(data=kept, media_type=media_type, width=width, height=height)
