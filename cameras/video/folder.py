"""Reads a folder of pictures as if it were a video of FOLDER_FPS, in the order of their names.

What can not be read as a picture is left out and counted. Pictures are (h, w, 3) uint8 BGR, turned as their cameras
say.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow

from cameras.drops import Drop
from cameras.video.made import MadeCapture
from cameras.video.types import PIXELS_MOST, EndOfSource, Picture, Pixels, SourceFailed

FOLDER_FPS = 1.0  # stills are seldom closer in time, and each is seen long enough to be recognised
ENDINGS = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp"))
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
_BYTES_MOST = 64 * 1024 * 1024


class FolderCapture(MadeCapture):
    """The pictures that lie in a folder when it is opened, and not in those inside it."""

    def __init__(self, folder: Path, shown: str) -> None:
        super().__init__(shown=shown, fps=FOLDER_FPS)
        self._paths = _pictures(folder, shown)
        self._readable = 0
        self.seconds = len(self._paths) / FOLDER_FPS

    def _take(self) -> int:
        number = super()._take()
        if number < len(self._paths):
            return number
        if self._readable == 0 and self.skipped[Drop.DAMAGED] == len(self._paths):
            raise SourceFailed(f"None of the {number} pictures in {self._shown} can be read. Save them as JPEG or PNG.")
        self._next = number
        raise EndOfSource(f"{self._shown} ended.")

    def _picture(self, number: int) -> list[Picture]:
        image = _read(self._paths[number])
        if image is None:
            self.skipped[Drop.DAMAGED] += 1
            return []
        self._readable += 1
        return [Picture.of(image, pts=number / FOLDER_FPS)]


def _pictures(folder: Path, shown: str) -> list[Path]:
    try:
        paths = [path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and path.is_file()]
    except FileNotFoundError:
        raise SourceFailed(
            f"There is no folder {shown}. Check the path; it is read on the machine of the camera worker."
        ) from None
    except NotADirectoryError:
        raise SourceFailed(f"{shown} is a file, not a folder. Leave out the / at its end.") from None
    except OSError as error:
        raise SourceFailed(f"{shown} can not be read: {error.strerror}. Check the path and its permissions.") from None
    if not paths:
        raise SourceFailed(
            f"{shown} holds no pictures. Put JPEG, PNG, WebP or BMP files into it, or name a video file."
        )
    return sorted(paths, key=_order)


def _order(path: Path) -> list[tuple[int, str]]:
    """By name as people count: picture 9 before picture 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)]


def _read(path: Path) -> Pixels | None:
    try:
        if path.stat().st_size > _BYTES_MOST:
            return None
        data = path.read_bytes()
        with Pillow.open(io.BytesIO(data), formats=_FORMATS) as header:  # reads the size, decodes nothing
            if header.width * header.height > PIXELS_MOST:
                return None
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError, cv2.error):
        return None
    return None if image is None else image.astype(np.uint8, copy=False)
