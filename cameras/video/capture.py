"""Opens a source and gives its pictures: `open_capture` chooses what reads it.

All of them raise SourceFailed with a sentence for people, which never holds credentials. No Django in here.
"""

from __future__ import annotations

from pathlib import Path

from cameras.sources import Kind, Source
from cameras.video.folder import FolderCapture
from cameras.video.packets import PacketCapture
from cameras.video.pattern import PatternCapture
from cameras.video.types import Capture, CaptureOptions


def open_capture(source: Source, options: CaptureOptions) -> Capture:
    """Opens the source; raises SourceFailed. A file that is a folder is read as one."""
    if source.kind is Kind.PATTERN:
        return PatternCapture(source)
    if source.kind is Kind.FOLDER or (source.kind is Kind.FILE and _is_folder(Path(source.text))):
        return FolderCapture(Path(source.text), source.shown)
    return PacketCapture(source, options)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that no file can have; whoever opens it says so
        return False
