"""From the bytes a person uploads to pixels, and back to JPEG.

Uploads are hostile until proven otherwise: the kind of file is read from its content, never from its name;
its size in bytes and in pixels is checked in the header, before anything is decoded; whatever a decoder trips
over becomes a PhotoError with a sentence. JPEG, PNG and WebP are accepted; of an animation the first frame
counts. The EXIF orientation is applied and all metadata is dropped.

Memory: at most about 16 bytes a pixel of the photo (an animated WebP; others less), 800 MB at 50 million pixels.

Shapes: images are (h, w, 3) uint8 BGR.
"""

import io
import struct
import zlib

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from recognition.engine.errors import EngineError, PhotoError
from recognition.engine.types import Image, check_image

MEGABYTE = 1024 * 1024
_FORMATS = ("JPEG", "PNG", "WEBP")
_PNG = b"\x89PNG\r\n\x1a\n"
# Pillow's decoders raise all of these on damaged files, and UnidentifiedImageError, which is an OSError.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    MemoryError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    struct.error,
    zlib.error,
)
# A progressive JPEG has about ten scans. One of thousands keeps a processor busy for minutes in a few kilobytes.
_MAX_SCANS = 200
_SHRINKS_WELL = ("RGB", "RGBA", "L", "LA", "CMYK")  # others are made one of these first
_ORIENTATION = 0x0112
_TURNS: dict[object, Pillow.Transpose] = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
_DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_ACCEPTED = "Use a JPEG, PNG or WebP photo."
# What people upload by mistake, by what such files start with (offset, bytes).
_OTHER_KINDS = {
    "a GIF": (0, b"GIF8"),
    "a HEIC or AVIF photo": (4, b"ftyp"),
    "a PDF document": (0, b"%PDF"),
    "a TIFF image": (0, b"II*\x00"),
    "a big-endian TIFF image": (0, b"MM\x00*"),
    "a BMP image": (0, b"BM"),
    "a zip archive": (0, b"PK\x03\x04"),
}


def decode_photo(
    data: bytes,
    *,
    max_bytes: int = 20 * MEGABYTE,
    max_pixels: int = 50_000_000,
    max_side: int = 4096,
) -> Image:
    """Decode an uploaded photo, upright, its longer side at most `max_side` pixels.

    Raises PhotoError with code empty, too_large, unsupported_format, not_a_photo, too_many_pixels or damaged.
    """
    _check_bytes(data, max_bytes)
    try:
        return _decode(data, max_pixels, max_side)
    except PhotoError:
        raise
    except (*_DECODER_ERRORS, Pillow.DecompressionBombError):
        raise _damaged() from None


def encode_jpeg(image: Image, quality: int = 90) -> bytes:
    """The image as a JPEG file, without any metadata."""
    check_image(image)
    done, buffer = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise EngineError("The picture could not be written as JPEG.")
    return bytes(buffer)


def _check_bytes(data: bytes, max_bytes: int) -> None:
    """Refuse by size and by the first bytes, before a decoder sees the file."""
    if not data:
        raise PhotoError("empty", "The file is empty. Choose a photo and upload it again.")
    if len(data) > max_bytes:
        raise PhotoError(
            "too_large",
            f"The photo has {len(data) / MEGABYTE:.1f} MB, more than the {max_bytes / MEGABYTE:.0f} allowed. "
            "Save it smaller and upload it again.",
        )
    if data.startswith((b"\xff\xd8\xff", _PNG)) or _is_webp(data):
        return
    for kind, (offset, magic) in _OTHER_KINDS.items():
        if data[offset:].startswith(magic):
            raise PhotoError("unsupported_format", f"The file is {kind}, which is not accepted. {_ACCEPTED}")
    raise PhotoError("not_a_photo", f"The file is not a photo, whatever its name says. {_ACCEPTED}")


def _is_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def _decode(data: bytes, max_pixels: int, max_side: int) -> Image:
    if data.startswith(b"\xff\xd8") and data.count(b"\xff\xda") > _MAX_SCANS:
        raise _damaged()
    # Pillow has limits of its own, but its WebP reader allocates the canvas before it looks at them.
    width, height = _size(data)
    if width * height > max_pixels:
        raise PhotoError(
            "too_many_pixels",
            f"The photo has {width} x {height} pixels, more than the {max_pixels / 1e6:.0f} million allowed. "
            "Save it smaller and upload it again.",
        )
    with Pillow.open(io.BytesIO(data), formats=_FORMATS) as photo:
        if photo.size != (width, height):
            raise _damaged()
        # A JPEG decodes at a half, a quarter or an eighth of its size for a fraction of the cost.
        photo.draft(None, (max_side, max_side))
        photo.load()
        turn = _turn(photo)
        small = _shrinkable(photo)
    # At once, so that every copy from here on is of the small one.
    small.thumbnail((max_side, max_side), Pillow.Resampling.BOX)
    rgb = _on_white(small if turn is None else small.transpose(turn))
    return np.ascontiguousarray(np.asarray(rgb, np.uint8)[:, :, ::-1])


def _size(data: bytes) -> tuple[int, int]:
    """Width and height from the header of a JPEG (ITU T.81), PNG (RFC 2083) or WebP (RFC 9649) file."""
    if data.startswith(_PNG):
        width, height = struct.unpack_from(">II", data, 16)
        return int(width), int(height)
    return _webp_size(data) if _is_webp(data) else _jpeg_size(data)


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Follow the segments to the frame header (SOF0 to SOF15 but for the three tables among them)."""
    at = 2
    while True:
        marker, length = struct.unpack_from(">HH", data, at)
        if 0xFFC0 <= marker <= 0xFFCF and marker not in (0xFFC4, 0xFFC8, 0xFFCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        if marker == 0xFFFF:  # padding
            at += 1
        elif marker < 0xFF00 or length < 2:
            raise _damaged()
        else:
            at += 2 + length


def _shrinkable(photo: Pillow.Image) -> Pillow.Image:
    """The same picture in 8 bits a channel and a mode that can be made smaller; 16 bits lose their low byte."""
    if photo.mode in _DEEP:
        plain = Pillow.fromarray(_high_byte(np.asarray(photo)))
    elif photo.mode == "PA" or "transparency" in photo.info:
        plain = photo.convert("RGBA")
    elif photo.mode in _SHRINKS_WELL:
        return photo
    else:
        plain = photo.convert("L" if photo.mode == "1" else "RGB")
    return plain


def _turn(photo: Pillow.Image) -> Pillow.Transpose | None:
    """What makes the photo upright; metadata that can not be read says nothing, as missing metadata does."""
    try:
        return _TURNS.get(photo.getexif().get(_ORIENTATION))
    except Exception:  # Pillow's EXIF and XMP readers raise nearly anything on mutated metadata
        return None


def _high_byte(deep: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Values of 0 to 65535 as 0 to 255, row by row, so that no second copy of the whole is made."""
    shallow = np.empty(deep.shape, np.uint8)
    for row, values in zip(shallow, deep, strict=True):
        row[:] = np.clip(values.astype(np.int64) >> 8, 0, 255)
    return shallow


def _on_white(photo: Pillow.Image) -> Pillow.Image:
    """RGB, with what is transparent laid on white."""
    if photo.mode not in ("RGBA", "LA"):
        return photo.convert("RGB")
    layered = photo.convert("RGBA")
    paper = Pillow.new("RGBA", layered.size, "white")
    return Pillow.alpha_composite(paper, layered).convert("RGB")


def _damaged() -> PhotoError:
    return PhotoError("damaged", "The photo is damaged or incomplete. Upload it again, or use another photo.")
