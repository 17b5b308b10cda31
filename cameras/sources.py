"""What a camera's source may be, and how it is shown without its credentials.

| A source is                                    | for example                                             |
|------------------------------------------------|---------------------------------------------------------|
| a stream: RTSP, MJPEG, snapshots, HLS          | `rtsp://user:password@10.0.0.7:554/live`                |
| a USB camera: its number or its device file    | `0`, `/dev/video2`, `/dev/v4l/by-id/usb-…`              |
| a video file                                   | `/videos/gate.mp4`                                      |
| a folder of pictures                           | `/pictures/`, `folder:/pictures`                        |
| a test pattern, with its size and rate or not  | `pattern:`, `pattern:640x360@10`                        |

Nothing here touches the network or the disk. In addresses, characters that would end the user name or the password
(`/ ? #`) are written percent-encoded; `@` and `:` may stand as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

SCHEMES = ("rtsp", "rtsps", "http", "https")
DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}

_LONGEST = 2000
_LONGEST_SHOWN = 500
_FOLDER, _PATTERN = "folder:", "pattern:"
_PATTERN_FORM = re.compile(r"(?:(\d{2,4})x(\d{2,4}))?(?:@(\d{1,3}(?:\.\d{1,2})?))?")
_PATTERN_SIDES = range(32, 4097)
_DEVICE = re.compile(r"/dev/video(\d{1,3})")
# A mistyped address must not be taken for a file: names of files are shown, and this one would hold a password.
_LIKE_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:|(?:rtsp|http)s?/|[^/.~][^@]*:[^@]*@", re.IGNORECASE)
_HOST_AFTER_AT = re.compile(r"@(?:\[[0-9a-fA-F:.]+\]|[^/?#@:]*\.[^/?#@:&=]+|[^/?#@:]+(?=:\d))(?::\d+)?(?:[/?#]|$)")


class Kind(StrEnum):
    FILE = "file"
    STREAM = "stream"
    USB = "usb"
    FOLDER = "folder"
    PATTERN = "pattern"


class SourceError(ValueError):
    """The source can not be used; the message is a sentence for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A checked source. `text` may hold a password; `shown` never does."""

    kind: Kind
    text: str = field(repr=False)
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A stream's address in its parts; `user` and `password` as they are, not percent-encoded."""

    scheme: str
    host: str
    port: int
    target: str = field(repr=False)  # path and query, as they go into a request
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def named(self) -> str:
        """Host and port as requests name them; the port where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS.get(self.scheme) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The address without credentials in front; a query may still hold some."""
        return f"{self.scheme}://{self.named}{self.target}"

    @property
    def shown(self) -> str:
        """The address for people: cameras take passwords in the query too, so nothing of that is shown."""
        path, question, _ = self.target.partition("?")
        return f"{self.scheme}://{self.named}{path}{'?…' if question else ''}"[:_LONGEST_SHOWN]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """The size (pixels) and rate (pictures a second) of a test pattern."""

    width: int = 1280
    height: int = 720
    fps: float = 25.0


def parse_source(text: str) -> Source:
    """Says what kind of source this is; raises SourceError. Does not touch the network or the disk."""
    text = text.strip()
    if not text:
        raise SourceError(
            "The source is empty. Give a file, an rtsp:// or http:// address, or the number of a USB camera."
        )
    if len(text) > _LONGEST or any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise SourceError("The source is too long or has characters that no address has.")
    if text.isascii() and text.isdigit() and len(text) <= 3:
        return Source(kind=Kind.USB, text=text, shown=f"USB camera {int(text)}")
    if "://" in text and not text.lower().startswith((_FOLDER, _PATTERN)):
        return Source(kind=Kind.STREAM, text=text, shown=_shown(parse_address(text), text))
    if text.lower().startswith(_PATTERN):
        parse_pattern(text)
        return Source(kind=Kind.PATTERN, text=text.lower(), shown=f"test pattern {text[len(_PATTERN) :]}".strip())
    if device := _DEVICE.fullmatch(text):
        return Source(kind=Kind.USB, text=text, shown=f"USB camera {int(device[1])}")
    if text.lower().startswith(_FOLDER):
        return _on_disk(Kind.FOLDER, text[len(_FOLDER) :].strip() or ".")
    if _LIKE_ADDRESS.match(text):
        raise SourceError(
            "The source looks like an address, but is none. Addresses look like rtsp://user:password@host:554/path; of "
            "a file with such a name, give the whole path."
        )
    return _on_disk(Kind.FOLDER if text.endswith("/") else Kind.FILE, text)


def _on_disk(kind: Kind, name: str) -> Source:
    try:
        path = str(Path(name).expanduser().absolute())
    except RuntimeError:
        raise SourceError("The source names the home of a user who is not known here. Give the whole path.") from None
    return Source(kind=Kind.USB if path.startswith("/dev/v4l/") else kind, text=path, shown=path)


def parse_pattern(text: str) -> Pattern:
    """What `pattern:WIDTHxHEIGHT@FPS` asks for; each part may be left out. Raises SourceError."""
    found = _PATTERN_FORM.fullmatch(text.lower().removeprefix(_PATTERN).strip())
    usual = Pattern()
    width, height = (int(found[1] or usual.width), int(found[2] or usual.height)) if found else (0, 0)
    fps = float(found[3] or usual.fps) if found else 0.0
    if width not in _PATTERN_SIDES or height not in _PATTERN_SIDES or not 0.1 <= fps <= 120:
        raise SourceError(
            "The test pattern is not well formed. It looks like pattern:1280x720@25, with sides from 32 to 4096 pixels "
            "and a rate from 0.1 to 120; size and rate may be left out."
        )
    return Pattern(width=width, height=height, fps=fps)


def parse_address(text: str) -> Address:
    """A stream's address in its parts; raises SourceError. What one parser takes apart here, everybody uses."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise SourceError(_malformed(text)) from None
    scheme = parts.scheme.lower()
    if scheme not in SCHEMES:
        raise SourceError(
            f"Addresses may start with {', '.join(s + '://' for s in SCHEMES)}, not with {parts.scheme}://."
        )
    if port == 0:
        raise SourceError("The source's address has the port 0, which nobody can use. Ports go from 1 to 65535.")
    if not parts.hostname:
        raise SourceError("The source's address names no host. It looks like rtsp://user:password@host:554/path.")
    if "@" not in parts.netloc and _HOST_AFTER_AT.search(text):
        raise SourceError(_ENCODE)
    if not all(character.isalnum() or character in "-._:" for character in parts.hostname):
        raise SourceError(_malformed(text))
    return Address(
        scheme=scheme,
        host=parts.hostname,
        port=port or DEFAULT_PORTS[scheme],
        target=_target(parts),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


_ENCODE = (
    "The source's address has a character before its @ that ends the user name or the password. In these, write / as "
    "%2F, ? as %3F, # as %23 and % as %25. If the @ belongs to the path, write it as %40."
)


def _malformed(text: str) -> str:
    authority = re.split(r"[/?#]", text.partition("://")[2], maxsplit=1)[0]
    if "@" not in authority and "@" in text:
        return _ENCODE
    return "The source's address is not well formed. It looks like rtsp://user:password@host:554/path."


def _target(parts: SplitResult) -> str:
    """Path and query for a request; spaces and letters outside ASCII are encoded, which no request may hold."""
    raw = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return "".join(c if "!" <= c <= "~" else "".join(f"%{byte:02X}" for byte in c.encode()) for c in raw)


def _shown(address: Address, text: str) -> str:
    parts = urlsplit(text)
    port = "" if parts.port is None else f":{parts.port}"
    host = f"[{address.host}]" if ":" in address.host else address.host
    return urlunsplit((address.scheme, f"{host}{port}", parts.path, "…" if parts.query else "", ""))[:_LONGEST_SHOWN]
