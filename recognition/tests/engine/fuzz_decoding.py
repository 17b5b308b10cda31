"""Decodes mutated files and says what came of them: `python -m recognition.tests.engine.fuzz_decoding COUNT SEED`.

Runs in a process of its own whose address space is limited, so that a crash of a decoder and memory without bound are
both seen. It prints one line of JSON: how many files gave a picture, how many each code of PhotoError, and by how many
bytes the memory in use rose at its peak. Anything else that is raised ends it with a traceback and the file in hex.
"""

from __future__ import annotations

import io
import json
import random
import resource
import struct
import sys
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from recognition.engine.errors import PhotoError
from recognition.engine.images import decode_photo

GIBIBYTE = 2**30
_PNG_HEAD = 8
# Lengths and sizes at which arithmetic goes wrong.
_EDGES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def seeds() -> list[bytes]:
    """Small files of every kind that is accepted, and of some that are not."""
    rng = np.random.default_rng(5)
    rough = np.kron(rng.integers(0, 256, (6, 8, 3)), np.ones((5, 5, 1))).astype(np.uint8)
    rgb = Pillow.fromarray(rough)
    deep = Pillow.fromarray((rough[:, :, 0].astype(np.uint16) << 8) + 7)
    clear = rgb.convert("RGBA")
    clear.putalpha(rgb.convert("L"))
    exif = Pillow.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    icc = bytes(range(256))
    return [
        _saved(rgb, "JPEG"),
        _saved(rgb, "JPEG", progressive=True, exif=exif.tobytes(), icc_profile=icc),
        _saved(rgb.convert("L"), "JPEG", comment=b"a comment"),
        _saved(rgb.convert("CMYK"), "JPEG"),
        _saved(rgb, "JPEG", subsampling=0, restart_marker_blocks=2),
        _saved(rgb, "PNG", exif=exif.tobytes(), icc_profile=icc),
        _saved(clear, "PNG"),
        _saved(rgb.convert("P"), "PNG", transparency=3),
        _saved(deep, "PNG"),
        _saved(rgb.convert("1"), "PNG"),
        _saved(rgb.convert("LA"), "PNG"),
        _saved(rgb, "PNG", save_all=True, append_images=[rgb.rotate(90), rgb.rotate(180)]),
        _saved(rgb, "WEBP", quality=60),
        _saved(rgb, "WEBP", lossless=True),
        _saved(clear, "WEBP", exif=exif.tobytes(), icc_profile=icc),
        _saved(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(90)], duration=50),
        _saved(rgb, "GIF", save_all=True, append_images=[rgb.rotate(90)]),
        _saved(rgb, "BMP"),
        _saved(rgb, "TIFF"),
    ]


def _saved(picture: Pillow.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def flip_bits(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    for _ in range(rng.randint(1, 12)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def truncate(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    del data[rng.randrange(len(data)) :]


def edit_header(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    """A number of one, two or four bytes at the start becomes one of the edges."""
    size = rng.choice((1, 2, 4))
    at = rng.randrange(max(1, min(len(data), 64) - size))
    number = rng.choice(_EDGES) & (256**size - 1)
    data[at : at + size] = number.to_bytes(size, rng.choice(("big", "little")))


def edit_anywhere(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    size = rng.choice((1, 2, 4))
    at = rng.randrange(max(1, len(data) - size))
    data[at : at + size] = (rng.choice(_EDGES) & (256**size - 1)).to_bytes(size, rng.choice(("big", "little")))


def remove(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.randint(1, 40)]


def repeat(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    at = rng.randrange(len(data))
    data[at:at] = data[at : at + rng.randint(1, 200)] * rng.choice((1, 2, 30))


def splice(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    """The start of one file and the end of another."""
    other = rng.choice(others)
    data[rng.randrange(len(data)) :] = other[rng.randrange(len(other)) :]


def resize_png(data: bytearray, rng: random.Random, others: list[bytes]) -> None:
    """Another size, depth or colour type in a PNG's header; other files get an edge in theirs."""
    if not data.startswith(b"\x89PNG") or len(data) < 29:
        edit_header(data, rng, others)
        return
    side = rng.choice((0, 1, 31, 5000, 7000, 20_000, 2**31 - 1))
    data[16:24] = struct.pack(">II", side, rng.choice((1, 30, side)))
    data[24:29] = bytes((rng.choice((1, 2, 4, 8, 16)), rng.choice((0, 2, 3, 4, 6)), 0, 0, rng.choice((0, 1))))


MUTATIONS: tuple[Callable[[bytearray, random.Random, list[bytes]], None], ...] = (
    flip_bits,
    truncate,
    edit_header,
    edit_anywhere,
    remove,
    repeat,
    splice,
    resize_png,
)


def with_right_checksums(data: bytes) -> bytes:
    """A PNG whose chunks have the checksums that belong to them: else a decoder stops at the first mutated one."""
    out, at = bytearray(data[:_PNG_HEAD]), _PNG_HEAD
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            break
        out += data[at:end] + struct.pack(">I", zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return bytes(out + data[at:])


def mutated(rng: random.Random, files: list[bytes]) -> bytes:
    data = bytearray(rng.choice(files))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if data:
            rng.choice(MUTATIONS)(data, rng, files)
    if data.startswith(b"\x89PNG") and rng.random() < 0.7:
        return with_right_checksums(bytes(data))
    return bytes(data)


def most_resident() -> int:
    """The most bytes of memory in use since the mark was last set back; getrusage's would be the parent's at first."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def set_back_mark() -> None:
    """From here on `most_resident` starts at what is in use now."""
    Path("/proc/self/clear_refs").write_text("5")


def limit_memory(extra: int) -> None:
    """From here on only `extra` more bytes of address space are given out."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + extra, used + extra))


def fuzz(count: int, seed: int) -> Counter[str]:
    """What became of so many mutated files; every one must be a picture or a PhotoError."""
    rng, files, results = random.Random(seed), seeds(), Counter[str]()
    for _ in range(count):
        data = mutated(rng, files)
        try:
            image = decode_photo(data)
        except PhotoError as error:
            results[error.code] += 1
        except BaseException:
            sys.stderr.write(f"{len(data)} bytes: {data.hex()}\n")
            raise
        else:
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
                raise AssertionError(f"a decoded photo has dtype {image.dtype} and shape {image.shape}")
            results["picture"] += 1
    return results


def main() -> None:
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    set_back_mark()
    before = most_resident()
    limit_memory(GIBIBYTE)
    results = fuzz(count, seed)
    sys.stdout.write(json.dumps({"results": results, "rise": most_resident() - before}) + "\n")


if __name__ == "__main__":
    main()
