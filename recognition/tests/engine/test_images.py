"""Uploads: good photos of every kind are read right, and every bad one is refused with its own sentence."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from recognition.engine import Image, PhotoError, decode_photo, encode_jpeg

RED, GREEN, BLUE = (0, 0, 255), (0, 255, 0), (255, 0, 0)  # BGR


def quarters(width: int = 64, height: int = 48) -> Pillow.Image:
    """Red, green, blue and white quarters, so that every turn shows."""
    picture = np.full((height, width, 3), 255, np.uint8)
    picture[: height // 2, : width // 2] = RED[::-1]
    picture[: height // 2, width // 2 :] = GREEN[::-1]
    picture[height // 2 :, : width // 2] = BLUE[::-1]
    return Pillow.fromarray(picture)


def saved(picture: Pillow.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def near(pixel: Image, colour: tuple[int, int, int]) -> bool:
    return bool(np.abs(pixel.astype(int) - colour).max() < 30)


def is_quarters(image: Image) -> bool:
    height, width = image.shape[:2]
    corners = image[height // 4, width // 4], image[height // 4, -width // 4], image[-height // 4, width // 4]
    return all(near(pixel, colour) for pixel, colour in zip(corners, (RED, GREEN, BLUE), strict=True))


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_bomb(width: int, height: int) -> bytes:
    """A PNG that is tiny as a file and gigabytes as pixels."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 << 16)) for _ in range(100)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def webp_bomb(width: int, height: int) -> bytes:
    body = (
        b"VP8X"
        + struct.pack("<I", 10)
        + bytes(4)
        + (width - 1).to_bytes(3, "little")
        + (height - 1).to_bytes(3, "little")
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def jpeg_bomb() -> bytes:
    """A JPEG whose frame header is changed to 65500x65500."""
    data = bytearray(saved(quarters(), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 65500, 65500)
    return bytes(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_three_formats(kind: str) -> None:
    image = decode_photo(saved(quarters(), kind))
    assert image.shape == (48, 64, 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert is_quarters(image)


# How the camera held the sensor: what must be done to the upright picture to get the stored one.
TURNS = {
    1: None,
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_90,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_honoured(orientation: int, kind: str) -> None:
    turn = TURNS[orientation]
    stored = quarters() if turn is None else quarters().transpose(turn)
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    image = decode_photo(saved(stored, kind, exif=exif.tobytes()))
    assert image.shape == (48, 64, 3)
    assert is_quarters(image)


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_a_senseless_orientation_is_ignored(orientation: int) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    assert is_quarters(decode_photo(saved(quarters(), "JPEG", exif=exif.tobytes())))


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("CMYK", "JPEG"), ("P", "PNG"), ("RGBA", "PNG"), ("RGBA", "WEBP"), ("YCbCr", "JPEG")],
)
def test_other_colour_modes(mode: str, kind: str) -> None:
    assert is_quarters(decode_photo(saved(quarters().convert(mode), kind)))


@pytest.mark.parametrize(("mode", "kind"), [("L", "JPEG"), ("L", "PNG"), ("1", "PNG"), ("LA", "PNG")])
def test_gray_photos(mode: str, kind: str) -> None:
    gray = Pillow.fromarray(np.tile(np.array([[0] * 16 + [255] * 16], np.uint8), (32, 1))).convert(mode)
    image = decode_photo(saved(gray, kind))
    assert near(image[16, 4], (0, 0, 0))
    assert near(image[16, 28], (255, 255, 255))


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    deep = Pillow.fromarray(np.array([[0, 0x4000, 0x8000, 0xFFFF]], np.uint16))
    assert decode_photo(saved(deep, "PNG"))[0, :, 0].tolist() == [0, 64, 128, 255]


def test_transparency_is_laid_on_white() -> None:
    clear = Pillow.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert decode_photo(saved(clear, "PNG"))[4, 4].tolist() == [255, 255, 255]
    palette = Pillow.new("P", (8, 8), 0)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    assert decode_photo(saved(palette, "PNG", transparency=0))[4, 4].tolist() == [255, 255, 255]


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_of_an_animation_the_first_frame_counts(kind: str) -> None:
    later = Pillow.new("RGB", (64, 48), "black")
    animated = saved(quarters(), kind, save_all=True, append_images=[later], duration=100)
    assert is_quarters(decode_photo(animated))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_one_pixel(kind: str) -> None:
    assert decode_photo(saved(Pillow.new("RGB", (1, 1), "white"), kind)).tolist() == [[[255, 255, 255]]]


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_large_photos_are_shrunk(kind: str) -> None:
    image = decode_photo(saved(quarters(1500, 1000), kind), max_side=300)
    assert image.shape == (200, 300, 3)
    assert is_quarters(image)


def test_a_progressive_jpeg() -> None:
    assert is_quarters(decode_photo(saved(quarters(), "JPEG", progressive=True)))


def jpeg_of_many_scans() -> bytes:
    """A progressive JPEG whose last scan is repeated: small to store, endless to decode."""
    data = saved(quarters(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * 3000 + data[-2:]


BAD = {
    "nothing": (b"", "empty"),
    "a text file named .jpg": (b"Dear sir or madam,\n" * 20, "not_a_photo"),
    "a page": (b"<!doctype html><html></html>", "not_a_photo"),
    "one byte": (b"\xff", "not_a_photo"),
    "40 MB": (b"\xff\xd8\xff" + bytes(40_000_000), "too_large"),
    "a GIF": (saved(quarters(), "GIF"), "unsupported_format"),
    "an animated GIF": (
        saved(quarters(), "GIF", save_all=True, append_images=[Pillow.new("RGB", (64, 48))]),
        "unsupported_format",
    ),
    "a BMP": (saved(quarters(), "BMP"), "unsupported_format"),
    "a TIFF": (saved(quarters(), "TIFF"), "unsupported_format"),
    "an iPhone's HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "unsupported_format"),
    "a PDF": (b"%PDF-1.7 and so on", "unsupported_format"),
    "a truncated JPEG": (saved(quarters(640, 480), "JPEG")[:2000], "damaged"),
    "a truncated PNG": (saved(quarters(640, 480), "PNG")[:-200], "damaged"),
    "a truncated WebP": (saved(quarters(640, 480), "WEBP")[:-100], "damaged"),
    "the first bytes of a JPEG": (b"\xff\xd8\xff", "damaged"),
    "the first bytes of a PNG": (b"\x89PNG\r\n\x1a\n", "damaged"),
    "the first bytes of a WebP": (b"RIFF\0\0\0\0WEBP", "damaged"),
    "a PNG of no pixels": (png_bomb(0, 0), "damaged"),
    "a 30000x30000 PNG": (png_bomb(30_000, 30_000), "too_many_pixels"),
    "a 2 gigapixel PNG": (png_bomb(2**31 - 1, 2**31 - 1), "too_many_pixels"),
    "a 16384x16384 WebP": (webp_bomb(16_384, 16_384), "too_many_pixels"),
    "a 65500x65500 JPEG": (jpeg_bomb(), "too_many_pixels"),
    "a JPEG of 3000 scans": (jpeg_of_many_scans(), "damaged"),
    "a PNG with a wrong checksum": (saved(quarters(), "PNG").replace(b"IDAT", b"IDAX", 1), "damaged"),
}


@pytest.mark.parametrize(("data", "code"), BAD.values(), ids=BAD)
def test_bad_uploads_are_refused_with_a_sentence(data: bytes, code: str) -> None:
    with pytest.raises(PhotoError) as caught:
        decode_photo(data)
    assert caught.value.code == code
    assert caught.value.message.endswith(".")
    assert str(caught.value) == caught.value.message


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(["JPEG", "PNG", "WEBP"]), st.data())
def test_damage_anywhere_is_a_photo_or_a_photo_error(kind: str, draw: st.DataObject) -> None:
    data = bytearray(saved(quarters(), kind))
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    try:
        image = decode_photo(bytes(data), max_pixels=1_000_000)
    except PhotoError:
        return
    assert image.dtype == np.uint8
    assert image.ndim == 3


def test_jpeg_there_and_back() -> None:
    image = decode_photo(saved(quarters(), "PNG"))
    data = encode_jpeg(image)
    assert data.startswith(b"\xff\xd8\xff")
    assert is_quarters(decode_photo(data))
    assert len(encode_jpeg(image, quality=20)) < len(data)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"])
def test_a_large_picture_of_any_mode_is_made_smaller_and_upright(mode: str) -> None:
    picture = quarters(640, 480).convert("L").convert("I;16") if mode == "I;16" else quarters(640, 480).convert(mode)
    exif = Pillow.Exif()
    exif[0x0112] = 6
    assert decode_photo(saved(picture, "PNG", exif=exif), max_side=160).shape == (160, 120, 3)


def test_a_large_colour_picture_keeps_its_colours_and_its_turn() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 3
    turned = quarters(640, 480).transpose(Pillow.Transpose.ROTATE_180)
    for kind in ("JPEG", "PNG", "WEBP"):
        assert is_quarters(decode_photo(saved(turned, kind, exif=exif), max_side=160))


def test_an_eight_k_photo() -> None:
    image = decode_photo(saved(quarters(7680, 4320), "JPEG", quality=60))
    assert image.shape == (2304, 4096, 3)
    assert is_quarters(image)


@pytest.mark.parametrize("mode", ["P", "LA", "1", "I;16"])
def test_the_turn_outlives_the_change_of_mode(mode: str) -> None:
    turned = quarters().transpose(Pillow.Transpose.ROTATE_90)
    picture = turned.convert("L").convert("I;16") if mode == "I;16" else turned.convert(mode)
    exif = Pillow.Exif()
    exif[0x0112] = 6
    plain = quarters().convert("L")
    image = decode_photo(saved(picture, "PNG", exif=exif.tobytes()))
    assert image.shape == (48, 64, 3)
    if mode == "LA":
        assert np.array_equal(image[:, :, 0], np.asarray(plain))
