"""What a camera's source may be, and how it is shown without its credentials.

A source is a file path, an rtsp://, rtsps://, http:// or https:// address, or the number of a USB camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

SCHEMES = ("rtsp", "rtsps", "http", "https")


class Kind(StrEnum):
    FILE = "file"
    STREAM = "stream"
    USB = "usb"


class SourceError(ValueError):
    """The source can not be used; the message is a sentence for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A checked source. `text` may hold a password; `shown` never does."""

    kind: Kind
    text: str
    shown: str


def parse_source(text: str) -> Source:
    """Says what kind of source this is; raises SourceError. Does not touch the network or the disk."""
    text = text.strip()
    if not text:
        raise SourceError(
            "The source is empty. Give a file, an rtsp:// or http:// address, or the number of a USB camera."
        )
    if len(text) > 2000 or "\x00" in text:
        raise SourceError("The source is too long or has characters that no address has.")
    if text.isascii() and text.isdigit() and len(text) <= 3:
        return Source(kind=Kind.USB, text=text, shown=f"USB camera {int(text)}")
    if "://" not in text:
        path = str(Path(text).expanduser().absolute())
        return Source(kind=Kind.FILE, text=path, shown=path)
    try:
        parts = urlsplit(text)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        raise SourceError(
            "The source's address is not well formed. It looks like rtsp://user:password@host:554/path."
        ) from None
    if parts.scheme.lower() not in SCHEMES:
        raise SourceError(
            f"Addresses may start with {', '.join(s + '://' for s in SCHEMES)}, not with {parts.scheme}://."
        )
    if parts.port == 0:
        raise SourceError("The source's address has the port 0, which nobody can use. Ports go from 1 to 65535.")
    if not parts.hostname:
        raise SourceError("The source's address names no host. It looks like rtsp://user:password@host:554/path.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    # Cameras take passwords in the query too (?user=…&pwd=…), so nothing of it is shown.
    shown = urlunsplit((parts.scheme, f"{host}{port}", parts.path, "…" if parts.query else "", ""))
    return Source(kind=Kind.STREAM, text=text, shown=shown[:500])
