"""Decodes a stream of packets, in full or only its key pictures, and never a picture without those it refers to.

Pictures of video refer to one another from one key picture to the next (a group of pictures). What is not decoded now
is kept encoded, so that decoding can go on from the last key picture without a gap. What only has to show whether
anything moves is decoded roughly (cameras.video.rough), from one key picture to another. Every picture that does not
come out is counted by its reason. One thread; times in seconds.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from cameras.drops import Drop
from cameras.video.rough import rough_twin
from cameras.video.sizes import PacketSizes
from cameras.video.types import PIXELS_MOST, Decode, Picture, SourceFailed

if TYPE_CHECKING:
    Packet = av.Packet[Any]

GOP_PACKETS = 600
GOP_BYTES = 12 * 1024 * 1024
CHUNK = 8  # pictures that are decoded in one go when much was kept: they are large
DAMAGED_MOST = 100
ROUGH_SECONDS = 4.0  # where key pictures are further apart, what is left out would add up to too much
KEY_SECONDS = 0.4  # where key pictures come closer, as in MJPEG, fewer are decoded at rest
_SMOOTH = 0.05
_PTS_MOST = 1e9  # thirty years: no camera's clock, but nonsense in the stream

_REASONS = {
    Decode.ALL: Drop.DAMAGED,
    Decode.ROUGH: Drop.DAMAGED,
    Decode.REFERENCES: Drop.NOT_REFERENCE,
    Decode.KEYFRAMES: Drop.NOT_KEY,
    Decode.NOTHING: Drop.NOT_WANTED,
}


class _Stamp:
    """Goes with a packet through the decoder; one object for each, because PyAV tells them by identity."""

    __slots__ = ("number", "received")

    def __init__(self, number: int, received: float) -> None:
        self.number = number
        self.received = received


class GopDecoder:
    """Packets in, pictures out; `mode` may change before any packet."""

    def __init__(self, context: VideoCodecContext, *, time_base: Fraction | None, fps: float, shown: str) -> None:
        context.options = {"max_pixels": str(PIXELS_MOST)}
        self._context = self._exact = context
        self._rough = rough_twin(context)
        for one in (self._exact, self._rough):
            if one is not None:
                one.thread_type, one.thread_count, one.copy_opaque = "NONE", 1, True
        self._time_base = float(time_base) if time_base else 0.0
        self._shown = shown
        self._key_packets = max(1, round(KEY_SECONDS * fps))
        self._rough_packets = round(ROUGH_SECONDS * fps)
        self._group = 0  # packets of the last whole group of pictures
        self._group_began = 0  # number of the last key packet
        self._kept: deque[Packet] = deque()  # in order, from where the decoder stands
        self._kept_bytes = 0
        self._synced = False  # the decoder stands right before the next packet, or before the first one kept
        self._stale = False  # it holds pictures of a group that was left
        self._waiting: set[int] = set()  # numbers of packets whose pictures are still in it
        self._number = 0
        self._alone = -1  # number of the key packet whose picture was already given
        self._since_key = self._key_packets
        self._damaged = 0
        self._is_turned = False
        self._sizes = PacketSizes()
        self.mode = Decode.ALL
        self.decode_ms = 0.0
        self.skipped: Counter[Drop] = Counter()

    @property
    def _is_resting(self) -> bool:
        return self.mode in (Decode.KEYFRAMES, Decode.NOTHING)

    @property
    def stirred(self) -> bool:
        return self._sizes.stirred

    def feed(self, packet: Packet) -> list[Picture]:
        """Takes the next packet of the stream."""
        self._number += 1
        packet.opaque = _Stamp(self._number, time.monotonic())
        resting = self._is_resting
        self._sizes.add(packet.size, key=packet.is_keyframe, resting=resting)
        if packet.is_keyframe:
            self._group = self._number - self._group_began if self._group_began else 0
            self._group_began = self._number
            return self._key(packet, resting=resting)
        if not self._synced and not self._kept:
            self.skipped[Drop.WITHOUT_KEY] += 1
            return []
        if not resting and not self._kept:
            return self._decode(packet)
        self._keep(packet)
        return self._room() if resting else self.more()

    def wake(self) -> list[Picture]:
        """Goes on with what was kept, and decodes everything from now on."""
        self.mode = Decode.ALL
        return self.more()

    def more(self) -> list[Picture]:
        """The next pictures of what was kept; nothing while at rest."""
        pictures: list[Picture] = []
        while self._kept and len(pictures) < CHUNK and not self._is_resting:
            pictures += self._next_kept()
        return pictures

    def finish(self) -> list[Picture]:
        """What the decoder still holds, at the end of the stream."""
        if self._is_resting:
            self._drop()
            return []
        pictures = self._decode(None) if self._synced else []
        self._lose(_REASONS[self.mode])
        return pictures

    def _key(self, packet: Packet, *, resting: bool) -> list[Picture]:
        self._since_key += 1
        if not resting:
            if self._kept:
                self._keep(packet)
                return self.more()
            self._since_key = 0
            self._synced = True
            return self._decode(packet)
        self._drop()
        self._keep(packet)
        if self.mode is Decode.NOTHING or self._since_key < self._key_packets:
            return []
        self._since_key = 0
        return self._decode_alone(packet)

    def _decode_alone(self, packet: Packet) -> list[Picture]:
        """The key picture now, not when later packets push it out; the decoder then knows nothing of it any more."""
        self._flush()
        pictures = self._decode(packet) + self._decode(None)
        self._flush()
        self._synced = False
        self._alone = _number(packet) if pictures else -1
        return pictures

    def _next_kept(self) -> list[Picture]:
        packet = self._kept.popleft()
        self._kept_bytes -= packet.size
        if packet.is_keyframe:
            if not self._synced or self._stale:
                self._flush()
            self._synced = True
        return self._decode(packet)

    def _keep(self, packet: Packet) -> None:
        self._kept.append(packet)
        self._kept_bytes += packet.size
        if not packet.is_keyframe:
            self._since_key += 1

    def _room(self) -> list[Picture]:
        """Where a group of pictures is longer than what may be kept, its newest picture has to do, or none is kept."""
        if len(self._kept) < GOP_PACKETS and self._kept_bytes < GOP_BYTES:
            return []
        if self.mode is Decode.NOTHING:
            self._drop()
            return []
        newest: list[Picture] = []
        while self._kept:
            pictures = newest + self._next_kept()
            newest = pictures[-1:]
            self._skip(Drop.NOT_KEY, len(pictures) - len(newest))
        return newest

    def _drop(self) -> None:
        """Leaves the group of pictures."""
        given = bool(self._kept) and _number(self._kept[0]) == self._alone
        self._skip(_REASONS[self.mode], len(self._kept) - given)
        self._kept.clear()
        self._kept_bytes = 0
        self._synced, self._stale = False, True

    def _flush(self) -> None:
        if self._context.is_open:
            self._context.flush_buffers()
        self._lose(_REASONS[self.mode])
        self._stale = False

    def _lose(self, reason: Drop) -> None:
        self._skip(reason, len(self._waiting))
        self._waiting.clear()

    def _skip(self, reason: Drop, count: int) -> None:
        if count:
            self.skipped[reason] += count

    def _turn(self) -> list[Picture]:
        """Goes over to the decoder that is wanted from this key picture on; what the other one holds comes first."""
        is_rough = self.mode is Decode.ROUGH and 0 < self._group <= self._rough_packets and not self._is_turned
        wanted = (self._rough if is_rough else None) or self._exact
        if wanted is self._context:
            return []
        left = self._decode(None) if self._context.is_open else []
        self._flush()
        self._context = wanted
        return left

    def _decode(self, packet: Packet | None) -> list[Picture]:
        left = self._turn() if packet is not None and packet.is_keyframe else []
        wanted = "NONREF" if self.mode is Decode.REFERENCES else "DEFAULT"
        if self._context.skip_frame != wanted:
            self._context.skip_frame = wanted  # type: ignore[assignment]
        began = time.thread_time()
        try:
            frames = self._context.decode(packet)
        except av.error.EOFError:
            frames = []
        except av.error.FFmpegError:
            self._spoilt()
            return left
        if packet is not None:
            self._waiting.add(_number(packet))
            self.decode_ms += _SMOOTH * ((time.thread_time() - began) * 1000 - self.decode_ms)
        pictures = [self._picture(frame) for frame in frames]
        return left + [picture for picture in pictures if picture is not None]

    def _picture(self, frame: VideoFrame) -> Picture | None:
        stamp = frame.opaque
        if isinstance(stamp, _Stamp):
            self._waiting.discard(stamp.number)
            if frame.key_frame:
                self._lose_before(stamp.number)
                # What says so lies beside the stream, where the rough decoder does not see it.
                self._is_turned = self._is_turned or frame.rotation != 0
            if stamp.number == self._alone:
                return None
        if frame.is_corrupt:
            self._spoilt()
            return None
        self._damaged = 0
        pts = None if frame.pts is None else frame.pts * self._time_base
        return Picture(
            frame,
            pts=pts if pts is not None and self._time_base and abs(pts) < _PTS_MOST else None,
            key=bool(frame.key_frame),
            received=stamp.received if isinstance(stamp, _Stamp) else time.monotonic(),
        )

    def _lose_before(self, number: int) -> None:
        """Once a key picture came out, no picture that was sent before it will."""
        lost = {each for each in self._waiting if each < number}
        self._skip(Drop.NOT_REFERENCE if self.mode is Decode.REFERENCES else Drop.DAMAGED, len(lost))
        self._waiting -= lost

    def _spoilt(self) -> None:
        self.skipped[Drop.DAMAGED] += 1
        self._damaged += 1
        if self._damaged >= DAMAGED_MOST:
            raise SourceFailed(
                f"{self._shown} sends video that can not be decoded. Check the cable and the network; with RTSP over "
                "UDP, choose TCP."
            )


def _number(packet: Packet) -> int:
    return packet.opaque.number if isinstance(packet.opaque, _Stamp) else 0
