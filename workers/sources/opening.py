"""From a camera's settings to the reader of its source."""

from __future__ import annotations

from django.conf import settings

from cameras.allowed import camera_network
from cameras.models import Camera, Decoding, Transport
from cameras.sources import Kind, Source
from cameras.video import CaptureOptions, EndOfSource, SourceFailed, open_capture
from workers.sources.file import FileReader
from workers.sources.frame import Reader
from workers.sources.live import LiveReader

DOZE_MOST = 0.12
CHECK_STEPS = 500  # packets that may come before the first picture


def capture_options(camera: Camera) -> CaptureOptions:
    """How this site opens the camera's streams."""
    return CaptureOptions(
        network=camera_network(),
        transport=Transport(camera.transport).value,  # of a camera that was just added it is an enum's member
        hardware=settings.CAMERA_HARDWARE_DECODING,
        open_seconds=settings.CAMERA_TIMEOUT_SECONDS,
        read_seconds=settings.CAMERA_TIMEOUT_SECONDS,
    )


def open_reader(camera: Camera, source: Source, detail: Source | None, *, paced: bool = True) -> Reader:
    """The reader of a camera; without `paced`, a file or folder is read as fast as its frames are asked for.

    Raises SourceFailed only without `paced`; else the reader tries again and again, and says why.
    """
    options = capture_options(camera)
    # Over UDP, and from USB, what nobody takes at once may get lost.
    may_doze = source.kind is not Kind.USB and camera.transport == Transport.TCP
    if not paced and source.kind in (Kind.FILE, Kind.FOLDER):
        return FileReader(source, options=options)
    return LiveReader(
        source,
        options=options,
        loop=camera.loop,
        idle=camera.idle_decoding == Decoding.KEYFRAMES,
        detail=detail,
        frozen_seconds=settings.CAMERA_FROZEN_SECONDS,
        doze=min(DOZE_MOST, 0.5 / (camera.detect_fps or settings.DETECT_FPS)) if may_doze else 0.0,
    )


def check(source: Source, options: CaptureOptions) -> None:
    """Opens the source and takes one picture; raises SourceFailed with the reason why there is none."""
    capture = open_capture(source, options)
    try:
        for _ in range(CHECK_STEPS):
            if capture.step():
                return
    except EndOfSource:
        pass
    finally:
        capture.close()
    raise SourceFailed(f"{source.shown} gives no picture that can be read. Check it with a video player.")
