"""ZIPs that are evidence: each file with its SHA-256 in SHA256SUMS, and the sum of the whole file while it is written.

A `Bundle` is written piece by piece and gives what is written so far: a large one is sent while it is made, is never in
memory as a whole, and never lies on a disk. One that was not closed has no list of contents and does not open.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from datetime import datetime

MANIFEST = "SHA256SUMS"


class Bundle:
    """A ZIP that is written forwards only."""

    def __init__(self, now: datetime) -> None:
        self._out = _Out()
        self._zip = zipfile.ZipFile(self._out, "w", zipfile.ZIP_DEFLATED)
        self._date = now.timetuple()[:6]
        self._sums: list[str] = []

    def add(self, name: str, data: bytes) -> None:
        """Puts a file in."""
        self._sums.append(f"{hashlib.sha256(data).hexdigest()}  {name}\n")
        self._write(name, data)

    def taken(self) -> bytes:
        """What was written since the last time."""
        return self._out.taken()

    def closed(self) -> bytes:
        """The sums and the end of the file, with what was not taken yet."""
        self._write(MANIFEST, "".join(self._sums).encode())
        self._zip.close()
        return self.taken()

    @property
    def sha256(self) -> str:
        """Of what was taken so far."""
        return self._out.digest.hexdigest()

    @property
    def size(self) -> int:
        """Bytes that were taken so far."""
        return self._out.size

    def _write(self, name: str, data: bytes) -> None:
        self._zip.writestr(zipfile.ZipInfo(name, self._date), data, zipfile.ZIP_DEFLATED)


class _Out:
    """Where the ZIP is written to: it can not go back, so that nothing that was sent changes."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes, /) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """What was not taken yet still can be."""

    def taken(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        self.digest.update(data)
        self.size += len(data)
        return data


def zipped(files: Mapping[str, bytes], now: datetime) -> bytes:
    """A small one, as a whole."""
    bundle = Bundle(now)
    for name, data in files.items():
        bundle.add(name, data)
    return bundle.closed()
