"""Reads files, streams and USB cameras a packet at a time.

One thread reads; any thread may close: what FFmpeg holds is freed by the reading thread then, at the end of its step,
because nothing may be freed under FFmpeg's hands. Times in seconds.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import av

from cameras.drops import Drop
from cameras.sources import Kind, Source
from cameras.video.gop import DAMAGED_MOST, GopDecoder
from cameras.video.opening import open_source
from cameras.video.types import CaptureOptions, Decode, EndOfSource, Picture, SourceFailed


class PacketCapture:
    """An open container and the decoder of its first video stream."""

    def __init__(self, source: Source, options: CaptureOptions) -> None:
        self._shown = source.shown
        self._read_seconds = options.read_seconds
        self._turn = threading.Lock()
        self._closing = self._closed = self._ended = False
        self._unreadable = 0
        self._opened = opened = open_source(source, options)
        self.is_live = opened.target.is_live and source.kind is not Kind.FILE
        self.codec = opened.stream.codec_context.name
        self.fps = opened.fps
        self.seconds = 0.0 if self.is_live else max(0.0, (opened.container.duration or 0) / av.time_base)
        self._decoder = GopDecoder(
            opened.stream.codec_context, time_base=opened.stream.time_base, fps=opened.fps, shown=source.shown
        )
        self._packets = opened.container.demux()
        self._heard = time.monotonic()

    @property
    def decode(self) -> Decode:
        return self._decoder.mode

    @decode.setter
    def decode(self, mode: Decode) -> None:
        self._decoder.mode = mode

    @property
    def decode_ms(self) -> float:
        return self._decoder.decode_ms

    @property
    def skipped(self) -> Counter[Drop]:
        return self._decoder.skipped

    @property
    def stirred(self) -> bool:
        return self._decoder.stirred

    def step(self) -> list[Picture]:
        return self._reading(self._step)

    def wake(self) -> list[Picture]:
        return self._reading(self._decoder.wake)

    def close(self) -> None:
        self._closing = True
        self._release()

    def _reading(self, read: Callable[[], list[Picture]]) -> list[Picture]:
        try:
            with self._turn:
                if self._closing:
                    raise EndOfSource(f"{self._shown} was closed.")
                return read()
        finally:
            if self._closing:
                self._release()

    def _step(self) -> list[Picture]:
        if self._ended:
            raise EndOfSource(f"{self._shown} ended.")
        if pictures := self._decoder.more():
            return pictures
        packet = self._next()
        if packet is not None:
            return self._decoder.feed(packet)
        if self.is_live and not self._closing:
            raise SourceFailed(f"{self._shown} stopped sending. The camera, or what is between, ended the connection.")
        self._ended = True
        if pictures := self._decoder.finish():
            return pictures
        raise EndOfSource(f"{self._shown} ended.")

    def _next(self) -> av.Packet[Any] | None:
        """The next packet of the video; None at the end."""
        while not self._closing:
            try:
                packet = next(self._packets)
            except StopIteration:
                return None
            except av.error.InvalidDataError:
                self._unreadable_packet()
                continue
            except (av.error.ExitError, av.error.TimeoutError):
                raise SourceFailed(self._silent()) from None
            except (av.error.FFmpegError, OSError):
                raise SourceFailed(f"{self._shown} broke off. Check the camera and the network.") from None
            if packet.stream_index == self._opened.stream.index and packet.size:
                self._heard, self._unreadable = time.monotonic(), 0
                return packet
            # Sound alone keeps no camera alive.
            if self.is_live and time.monotonic() - self._heard > self._read_seconds:
                raise SourceFailed(self._silent())
        return None

    def _unreadable_packet(self) -> None:
        self._unreadable += 1
        self.skipped[Drop.DAMAGED] += 1
        if self._unreadable >= DAMAGED_MOST:
            raise SourceFailed(f"{self._shown} sends what is no video any more. Restart the camera.")
        self._packets = self._opened.container.demux()

    def _silent(self) -> str:
        return f"{self._shown} sent no picture for {self._read_seconds:g} seconds. Check the camera and the network."

    def _release(self) -> None:
        """Frees what FFmpeg holds, unless a step is under way, which does it at its end."""
        if not self._turn.acquire(blocking=False):
            return
        try:
            if not self._closed:
                self._closed = True
                self._packets.close()  # type: ignore[attr-defined]  # a generator
                self._opened.close()
        finally:
            self._turn.release()
