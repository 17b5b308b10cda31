"""What the body of an HTTP answer is, by its first bytes.

The decoder is told the format instead of left to guess: what FFmpeg guesses may be a list of other things to open.
"""

from __future__ import annotations

from enum import StrEnum

LOOK_BYTES = 4096

_PACKET = 188  # of MPEG-TS
_BOXES = (b"ftyp", b"styp", b"moov", b"moof", b"sidx", b"free", b"mdat")


class Form(StrEnum):
    PICTURES = "mpjpeg"
    PLAYLIST = "hls"
    MPEG_TS = "mpegts"
    MP4 = "mp4"
    FLV = "flv"
    MATROSKA = "matroska"
    AVI = "avi"
    H264 = "h264"
    H265 = "hevc"


def form_of(kind: str, begun: bytes) -> Form | None:
    """The form of a body with this media type and beginning; None where it is no video that is known."""
    text = begun.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"#EXTM3U"):
        return Form.PLAYLIST
    if kind.startswith("multipart/") or kind in ("image/jpeg", "image/jpg") or begun.startswith(b"\xff\xd8\xff"):
        return Form.PICTURES
    if begun.startswith(b"--") and b"image/j" in begun[:1000].lower():
        return Form.PICTURES
    if len(begun) > _PACKET and begun[0] == begun[_PACKET] == 0x47:
        return Form.MPEG_TS
    if begun[4:8] in _BOXES:
        return Form.MP4
    if begun.startswith(b"FLV\x01"):
        return Form.FLV
    if begun.startswith(b"\x1a\x45\xdf\xa3"):
        return Form.MATROSKA
    if begun.startswith(b"RIFF") and begun[8:12] == b"AVI ":
        return Form.AVI
    return _raw(begun)


def _raw(begun: bytes) -> Form | None:
    """H.264 and H.265 without a container begin with a start code and a parameter set or delimiter."""
    for code in (b"\x00\x00\x00\x01", b"\x00\x00\x01"):
        if begun.startswith(code) and len(begun) > len(code):
            first = begun[len(code)]
            if first & 0x9F in (7, 9):
                return Form.H264
            if first >> 1 & 0x3F in (32, 33, 35):
                return Form.H265
    return None
