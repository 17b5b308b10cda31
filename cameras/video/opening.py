"""Opens files, streams and USB cameras with FFmpeg, or says in a sentence why that can not be.

FFmpeg's own lines repeat addresses with their passwords, so they are never written anywhere. A file may not make FFmpeg
open anything but files (a playlist could name addresses).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from cameras.sources import Kind, Source
from cameras.video.hardware import accelerator
from cameras.video.reach import Target, reach
from cameras.video.types import PIXELS_MOST, CaptureOptions, SourceFailed

USUAL_FPS = 25.0
_FPS_LEAST, _FPS_MOST = 0.1, 240.0
_SOUND_ONLY = "{shown} holds no video, only sound or text. Name a video file, or the camera's video stream."
_TOO_LARGE = (
    "{shown} has pictures of {width} x {height} pixels, more than are decoded here. Set the camera to fewer, or name "
    "its smaller stream."
)

av.logging.set_level(None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Opened:
    """An open container, its first video stream, and what it is read from. `fps` is nominal."""

    container: InputContainer
    stream: VideoStream
    target: Target
    fps: float

    def close(self) -> None:
        self.container.close()
        self.target.close()


def open_source(source: Source, options: CaptureOptions) -> Opened:
    """Opens what FFmpeg reads; raises SourceFailed."""
    target = _target(source, options)
    try:
        container = _container(source, target, options)
    except BaseException:
        target.close()
        raise
    try:
        stream = _stream(container, source.shown)
    except SourceFailed:
        container.close()
        target.close()
        raise
    rate = target.fps or float(stream.average_rate or stream.guessed_rate or 0)
    return Opened(
        container=container,
        stream=stream,
        target=target,
        fps=rate if _FPS_LEAST <= rate <= _FPS_MOST else USUAL_FPS,
    )


def _stream(container: InputContainer, shown: str) -> VideoStream:
    stream = next((each for each in container.streams.video if each.codec_context is not None), None)
    if stream is None:
        raise SourceFailed(_SOUND_ONLY.format(shown=shown))
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > PIXELS_MOST:
        raise SourceFailed(_TOO_LARGE.format(shown=shown, width=width, height=height))
    return stream


def _container(source: Source, target: Target, options: CaptureOptions) -> InputContainer:
    # For files no time-out is set: FFmpeg asks after it before every read, and needs Python's lock to do so.
    container: InputContainer
    limits = None if source.kind is Kind.FILE else (options.open_seconds, options.read_seconds)
    try:
        container = av.open(
            target.file,
            "r",
            format=target.format,
            options=target.options | {"max_pixels": str(PIXELS_MOST)},
            io_open=target.io_open,
            timeout=limits,
            hwaccel=accelerator(options.hardware),
            metadata_errors="replace",
        )
    except (av.error.ExitError, av.error.TimeoutError):
        raise SourceFailed(
            f"{source.shown} sent no video within {options.open_seconds:g} seconds. Check that the camera is switched "
            "on, and that not too many others use its stream."
        ) from None
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise SourceFailed(_why_not(source, error)) from None
    return container


def _target(source: Source, options: CaptureOptions) -> Target:
    if source.kind is Kind.STREAM:
        return reach(source, options)
    if source.kind is Kind.USB:
        return _usb(source)
    _check_file(Path(source.text), source.shown)
    return Target(file=f"file:{source.text}", options={"protocol_whitelist": "file"})


def _check_file(path: Path, shown: str) -> None:
    try:
        if not path.is_file() and path.exists():  # to open a pipe waits until somebody writes into it
            raise SourceFailed(f"{shown} is no file but a device or a pipe. Name a video file.")
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError:
        raise SourceFailed(
            f"{shown} does not exist. Check the path; it is read on the machine of the camera worker."
        ) from None
    except PermissionError:
        raise SourceFailed(f"Lynceus may not read {shown}. Give its account the right to.") from None
    except OSError as error:
        raise SourceFailed(f"{shown} can not be read: {error.strerror}. Check the path and its permissions.") from None
    if empty:
        raise SourceFailed(f"{shown} is empty (0 bytes). Copy the file again.")


def _usb(source: Source) -> Target:
    if sys.platform == "darwin":
        return Target(file=f"{source.text}:none", format="avfoundation", options={"framerate": "30"})
    device = f"/dev/video{int(source.text)}" if source.text.isdigit() else source.text
    if not Path(device).exists():
        raise SourceFailed(
            f"There is no {source.shown} on this machine. Plug it in, or give another number; the first is 0."
        )
    return Target(file=device, format="v4l2")


def _why_not(source: Source, error: Exception) -> str:
    if source.kind is Kind.USB:
        if isinstance(error, PermissionError):
            return f"Lynceus may not use {source.shown}. Add its account to the group that may (video on most systems)."
        if isinstance(error, ValueError):
            return f"This machine's build of FFmpeg reads no USB cameras, so {source.shown} can not be used."
        return f"{source.shown} could not be opened. Check that it is plugged in and not used by another program."
    if source.kind is Kind.FILE:
        return f"{source.shown} is not a video that can be read. Use MP4, MKV, AVI or WebM, and copy it completely."
    return f"{source.shown} answers, but gives no video that can be read. Check the path and the kind of the stream."
