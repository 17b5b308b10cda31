"""An HLS camera of the tests: a live playlist whose window slides (RFC 8216), MPEG-TS segments, encrypted or not."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from functools import cache, cached_property

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from cameras.tests.streams import clips
from cameras.tests.streams.clips import Clip
from cameras.tests.streams.faults import Fault
from cameras.tests.streams.http import Handler, HttpCamera, serving
from cameras.tests.streams.logins import Door

KEY = bytes(range(16))
_WINDOW = 4


class HlsCamera(HttpCamera):
    """`playlist`: what is answered instead of the live one, where a test sets it; `missing`: segments that are gone."""

    playlist: str = ""

    @cached_property
    def missing(self) -> set[int]:
        return set()


_MASTER = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=300000,RESOLUTION=320x180,CODECS="avc1.42c00d"\nlive/media.m3u8\n'


class _Show:
    """A clip that is shown again and again, a segment each time."""

    def __init__(self, clip: Clip, *, ended: bool, encrypted: bool, master: bool) -> None:
        self._clip = clip
        self._ended = ended
        self._encrypted = encrypted
        self._master = master
        self._began = time.monotonic() - _WINDOW * clip.seconds
        self._made: dict[tuple[int, Fault], bytes] = {}

    def answer(self, request: Handler) -> None:
        camera = request.server
        assert isinstance(camera, HlsCamera)
        name = request.path.rpartition("/")[2]
        if name.endswith(".m3u8"):
            live = self._playlist(camera.fault) if name == "media.m3u8" or not self._master else _MASTER
            text = camera.playlist or live
            request.say(200, ["Content-Type: application/vnd.apple.mpegurl"], text.encode())
            return
        if name == "key.bin":
            request.say(200, ["Content-Type: application/octet-stream"], KEY)
            return
        number = int(name.removeprefix("segment-").removesuffix(".ts"))
        if number in camera.missing:
            request.say(404, [], b"")
            return
        data = self._segment(number, camera.fault)
        request.say(
            200, ["Content-Type: video/mp2t"], data[: len(data) // 2] if camera.fault is Fault.GARBAGE else data
        )

    def _playlist(self, fault: Fault) -> str:
        seconds = self._clip.seconds
        last = 0 if fault is Fault.HANG else int((time.monotonic() - self._began) / seconds) - _WINDOW
        first = 0 if self._ended else max(0, last)
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{max(1, round(seconds))}"]
        lines.append(f"#EXT-X-MEDIA-SEQUENCE:{first}")
        if self._encrypted:
            lines.append('#EXT-X-KEY:METHOD=AES-128,URI="key.bin"')
        for number in range(first, first + _WINDOW):
            lines += [f"#EXTINF:{seconds:.3f},", f"segment-{number}.ts"]
        return "\n".join([*lines, "#EXT-X-ENDLIST"] if self._ended else lines) + "\n"

    def _segment(self, number: int, fault: Fault) -> bytes:
        if (number, fault) not in self._made:
            self._made[number, fault] = self._encoded(number, fault)
        return self._made[number, fault]

    def _encoded(self, number: int, fault: Fault) -> bytes:
        clip = self._clip
        if fault is Fault.FREEZE:
            clip = clips.still(clip)
        elif fault in (Fault.BLACK, Fault.RESIZE):
            clip = clips.dark() if fault is Fault.BLACK else clips.other_size()
        units = clip.units * (len(self._clip.units) if fault is Fault.FREEZE else 1)
        data = clips.mpeg_ts(clip, units, start=number * self._clip.seconds)
        if not self._encrypted:
            return data
        padder = PKCS7(128).padder()
        encryptor = Cipher(algorithms.AES(KEY), modes.CBC(number.to_bytes(16, "big"))).encryptor()
        return encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()


@contextlib.contextmanager
def hls_camera(
    clip: Clip | None = None,
    *,
    ended: bool = False,
    encrypted: bool = False,
    master: bool = True,
    user: str = "",
    password: str = "",
    login: str = "digest",
) -> Iterator[HlsCamera]:
    """Plays `clip` again and again, a segment each time. `ended`: a recording of four segments."""
    show = _Show(clip or _short(), ended=ended, encrypted=encrypted, master=master)
    door = Door(user=user, password=password, kind=login)
    with serving(HlsCamera(show.answer, door, path="/hls/index.m3u8", tls=False)) as camera:
        assert isinstance(camera, HlsCamera)
        yield camera


@cache
def _short() -> Clip:
    return Clip.of(clips.moving(1.0))
