"""HLS (RFC 8216): follows a playlist and hands on its segments as one stream of bytes.

FFmpeg's own HLS client opens whatever a playlist names, files of this machine included. Here every address is checked
as the camera's own was, and all that comes is bounded. MPEG-TS and fragmented MP4, AES-128 encrypted or not; live and
recorded. Of several variants the first is taken that is not larger than full HD, else the smallest.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from cameras.sources import Address, SourceError, parse_address
from cameras.video import reasons
from cameras.video.http import Client
from cameras.video.types import SourceFailed

PLAYLIST_BYTES_MOST = 4 * 2**20
SEGMENT_BYTES_MOST = 128 * 2**20
_SEGMENTS_BEHIND = 3  # how many of the newest are played first, as players do
_VARIANT_SIDE_MOST = 1920
_MISSING_MOST = 3
_PIECE = 65536
_STEP_SECONDS = 0.1
_AHEAD_SECONDS = 2.0  # so much may come faster: at the beginning, and after a delay

_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """How segments are encrypted: AES-128 in CBC mode. `iv` None: the segment's number is it."""

    uri: str
    iv: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    number: int
    uri: str
    seconds: float
    key: Key | None
    beginning: str  # the uri of what comes before the first segment of fragmented MP4, or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Playlist:
    """`variants`: (longer side in pixels or 0, bits a second, uri), of a master playlist; else `segments`."""

    variants: tuple[tuple[int, int, str], ...]
    segments: tuple[Segment, ...]
    target_seconds: float
    has_ended: bool


class UnusablePlaylist(ValueError):
    """Something in it that is needed is not supported; the message says what, in a few words."""


class Segments:
    """The bytes of one segment after the other, as a file-like object; b"" at a recorded playlist's end."""

    def __init__(self, client: Client, address: Address, text: bytes, *, read_seconds: float) -> None:
        self._client = client
        self.home = address
        self._read_seconds = read_seconds
        self.is_recording = False  # known once something was read
        self._stopped = threading.Event()
        self._rest = memoryview(b"")
        self._keys: dict[str, bytes] = {}
        self._due = time.monotonic() - _AHEAD_SECONDS
        self._pieces = self._all(address, text)

    def read(self, size: int = -1, /) -> bytes:
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        size = _PIECE if size < 0 else size
        piece, self._rest = self._rest[:size], self._rest[size:]
        return bytes(piece)

    def close(self) -> None:
        self._stopped.set()

    def _all(self, address: Address, text: bytes) -> Iterator[bytes]:
        """The bytes of all segments; those of a live playlist as they appear."""
        playlist, address = self._media(address, text)
        self.is_recording = playlist.has_ended
        following = playlist.segments if playlist.has_ended else playlist.segments[-_SEGMENTS_BEHIND:]
        beginning, newest, missing, progress = "", -1, 0, time.monotonic()
        while not self._stopped.is_set():
            for segment in following:
                try:
                    data = self._with_beginning(address, segment, beginning)
                except SourceFailed:
                    missing += 1  # the window may have moved on; the next one is there
                    if newest < 0 or playlist.has_ended or missing >= _MISSING_MOST:
                        raise
                    newest = segment.number
                    continue
                yield from self._paced(data, segment.seconds)
                beginning, newest, missing, progress = segment.beginning, segment.number, 0, time.monotonic()
            if playlist.has_ended:
                return
            if time.monotonic() - progress > self._read_seconds + playlist.target_seconds:
                raise reasons.silent(self.home, time.monotonic() - progress)
            self._stopped.wait(min(max(0.25, playlist.target_seconds / 2), 5.0))
            playlist = self._parsed(self._client.fetch(address, most=PLAYLIST_BYTES_MOST)[0])
            following = _after(playlist.segments, newest)

    def _media(self, address: Address, text: bytes) -> tuple[Playlist, Address]:
        """The playlist that names segments, and its address."""
        playlist = self._parsed(text)
        if playlist.variants:
            text, address = self._client.fetch(
                self._resolved(address, best(playlist.variants)), most=PLAYLIST_BYTES_MOST
            )
            playlist = self._parsed(text)
        if not playlist.segments:
            raise reasons.no_video(self.home, "its playlist names no segments")
        return playlist, address

    def _paced(self, data: bytes, seconds: float) -> Iterator[bytes]:
        """Hands a segment on about as fast as it was filmed, so that its pictures do not come all at once."""
        step = max(1024, int(len(data) / max(1.0, seconds / _STEP_SECONDS)))
        for at in range(0, len(data), step):
            self._stopped.wait(max(0.0, self._due - time.monotonic()))
            if self._stopped.is_set():
                return
            yield data[at : at + step]
            self._due = max(self._due + _STEP_SECONDS, time.monotonic() - _AHEAD_SECONDS)

    def _with_beginning(self, address: Address, segment: Segment, beginning: str) -> bytes:
        """A segment, after what must come before the first of its kind."""
        data = self._plain(address, segment)
        is_new = segment.beginning and segment.beginning != beginning
        return self._fetched(address, segment.beginning) + data if is_new else data

    def _plain(self, address: Address, segment: Segment) -> bytes:
        """A segment as it was before it was encrypted."""
        found = self._fetched(address, segment.uri)
        key = segment.key
        if key is None or not found:
            return found
        if key.uri not in self._keys:
            self._keys = {key.uri: self._fetched(address, key.uri)}
        try:
            return _decrypted(found, self._keys[key.uri], key.iv or segment.number.to_bytes(16, "big"))
        except ValueError:
            raise reasons.no_video(self.home, "its segments can not be decrypted") from None

    def _fetched(self, address: Address, uri: str) -> bytes:
        return self._client.fetch(self._resolved(address, uri), most=SEGMENT_BYTES_MOST)[0]

    def _parsed(self, text: bytes) -> Playlist:
        try:
            return parse(text)
        except UnusablePlaylist as problem:
            raise reasons.no_video(self.home, str(problem)) from None

    def _resolved(self, address: Address, uri: str) -> Address:
        try:
            found = parse_address(urljoin(address.url, uri))
        except (SourceError, ValueError):
            raise reasons.bad_hop(self.home) from None
        if found.scheme not in ("http", "https"):
            raise reasons.bad_hop(self.home)
        return found


def parse(text: bytes) -> Playlist:
    """Reads a playlist; what it does not know it leaves out, as the standard asks."""
    variants: list[tuple[int, int, str]] = []
    segments: list[Segment] = []
    number, seconds, target, has_ended = 0, 0.0, 2.0, False
    key: Key | None = None
    beginning = ""
    stream: dict[str, str] | None = None
    for line in (raw.strip() for raw in text.decode("utf-8-sig", "replace").splitlines()):
        tag, _, value = line.partition(":")
        if tag == "#EXT-X-STREAM-INF":
            stream = _attributes(value)
        elif tag == "#EXT-X-TARGETDURATION":
            target = min(max(_number(value), 0.5), 60.0)
        elif tag == "#EXT-X-MEDIA-SEQUENCE":
            number = int(_number(value))
        elif tag == "#EXTINF":
            seconds = _number(value.partition(",")[0])
        elif tag == "#EXT-X-BYTERANGE":
            raise UnusablePlaylist("it plays parts of files")
        elif tag == "#EXT-X-ENDLIST":
            has_ended = True
        elif tag == "#EXT-X-KEY":
            key = _key(_attributes(value))
        elif tag == "#EXT-X-MAP":
            beginning = _attributes(value).get("URI", "")
        elif line and not line.startswith("#"):
            if stream is not None:
                variants.append((_side(stream), int(_number(stream.get("BANDWIDTH", "0"))), line))
                stream = None
            else:
                segments.append(Segment(number=number, uri=line, seconds=seconds, key=key, beginning=beginning))
                number += 1
    return Playlist(variants=tuple(variants), segments=tuple(segments), target_seconds=target, has_ended=has_ended)


def best(variants: tuple[tuple[int, int, str], ...]) -> str:
    """The uri of the largest variant up to full HD, else of the smallest."""
    small = [each for each in variants if each[0] <= _VARIANT_SIDE_MOST]
    return max(small)[2] if small else min(variants)[2]


def _after(segments: tuple[Segment, ...], newest: int) -> tuple[Segment, ...]:
    """What follows the newest one played; where the numbers began anew, or too much was missed, the newest of all."""
    if segments and (segments[-1].number < newest or segments[0].number > newest + 1):
        return segments[-_SEGMENTS_BEHIND:]
    return tuple(segment for segment in segments if segment.number > newest)


def _attributes(text: str) -> dict[str, str]:
    return {name: value.strip('"') for name, value in _ATTRIBUTE.findall(text)}


def _number(text: str) -> float:
    try:
        found = float(text.strip())
    except ValueError:
        return 0.0
    return found if 0 <= found < 1e15 else 0.0


def _side(stream: dict[str, str]) -> int:
    width, _, height = stream.get("RESOLUTION", "").partition("x")
    return int(max(_number(width), _number(height)))


def _key(found: dict[str, str]) -> Key | None:
    method = found.get("METHOD", "NONE")
    if method == "NONE":
        return None
    if method != "AES-128" or "URI" not in found:
        raise UnusablePlaylist(f"it is encrypted by {method[:20]}")
    iv = found.get("IV", "").lower().removeprefix("0x")
    return Key(uri=found["URI"], iv=bytes.fromhex(iv.zfill(32)) if re.fullmatch(r"[0-9a-f]{1,32}", iv) else None)


def _decrypted(data: bytes, key: bytes, iv: bytes) -> bytes:
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    padded = decryptor.update(data) + decryptor.finalize()
    unpadder = PKCS7(128).unpadder()
    return unpadder.update(padded) + unpadder.finalize()
