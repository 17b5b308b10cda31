"""ZIP archives for tests."""

from __future__ import annotations

import io
import zipfile


def archive(files: dict[str, bytes], *, compress: bool = False) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return out.getvalue()


def encrypted(files: dict[str, bytes]) -> bytes:
    """The archive with the flag of encryption set on every member, in both places where it stands."""
    data = bytearray(archive(files))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = data.find(mark)
        while start >= 0:
            data[start + at] |= 1
            start = data.find(mark, start + 4)
    return bytes(data)
