"""Opens what a camera sees and hands over frames: the newest one of a camera, or every one of a file.

`open_reader` chooses; what decodes is cameras.video. Frames hold (h, w, 3) uint8 BGR and (h, w) uint8 luma.
"""

from cameras.video.types import SourceFailed
from workers.sources.detail import Detail, SecondStream
from workers.sources.file import FileReader
from workers.sources.frame import Frame, Reader
from workers.sources.live import LiveReader
from workers.sources.opening import capture_options, check, open_reader

__all__ = [
    "Detail",
    "FileReader",
    "Frame",
    "LiveReader",
    "Reader",
    "SecondStream",
    "SourceFailed",
    "capture_options",
    "check",
    "open_reader",
]
