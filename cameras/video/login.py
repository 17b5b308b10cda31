"""Signing in as HTTP and RTSP know it: Basic (RFC 7617) and Digest (RFC 7616, RFC 2617) authentication.

Credentials go out only in answer to a challenge; Digest is taken where a camera offers both.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.request import parse_http_list

# MD5 is what cameras ask for; it is their protocol's choice, and protects nothing else here.
_ALGORITHMS = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
_SCHEME = re.compile(r"(?:^|,\s*)(basic|digest)\s+", re.IGNORECASE)


@dataclass(slots=True, kw_only=True, eq=False)
class Login:
    """A user name and a password for one host, and what that host asked for."""

    user: str
    password: str
    _digest: dict[str, str] | None = None
    _basic: bool = False
    _count: int = 0

    def learn(self, challenges: Iterable[str]) -> bool:
        """Takes the WWW-Authenticate lines of a 401; False where none can be answered."""
        self._digest, self._basic, self._count = None, False, 0
        for scheme, text in _challenges(challenges):
            if scheme == "basic":
                self._basic = True
            elif (found := _digest(text)) is not None and self._digest is None:
                self._digest = found
        return self._basic or self._digest is not None

    def header(self, method: str, uri: str) -> str:
        """The Authorization line's value for a request; "" while nothing was asked."""
        if self._digest is not None:
            return self._answer(self._digest, method, uri)
        if self._basic:
            return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return ""

    def _answer(self, asked: dict[str, str], method: str, uri: str) -> str:
        self._count += 1
        algorithm = asked.get("algorithm", "MD5").upper()
        has_session = algorithm.endswith("-SESS")
        hashed = _hasher(_ALGORITHMS[algorithm.removesuffix("-SESS")])
        nonce, realm, own = asked["nonce"], asked.get("realm", ""), secrets.token_hex(8)
        first = hashed(f"{self.user}:{realm}:{self.password}")
        if has_session:
            first = hashed(f"{first}:{nonce}:{own}")
        second, count = hashed(f"{method}:{uri}"), f"{self._count:08x}"
        has_qop = "auth" in {word.strip() for word in asked.get("qop", "").split(",")}
        middle = f"{nonce}:{count}:{own}:auth" if has_qop else nonce
        parts = {"username": self.user, "realm": realm, "nonce": nonce, "uri": uri}
        parts["response"] = hashed(f"{first}:{middle}:{second}")
        line = ", ".join(f'{key}="{_quoted(value)}"' for key, value in parts.items())
        if "algorithm" in asked:
            line += f", algorithm={asked['algorithm']}"
        if "opaque" in asked:
            line += f', opaque="{_quoted(asked["opaque"])}"'
        if has_qop:
            line += f', qop=auth, nc={count}, cnonce="{own}"'
        elif has_session:
            line += f', cnonce="{own}"'
        return "Digest " + line


def is_for_ffmpeg(lines: Iterable[str]) -> bool:
    """Whether FFmpeg can answer these WWW-Authenticate lines: of several Digest ones it takes the last, with MD5."""
    asked = [_parameters(text) for scheme, text in _challenges(lines) if scheme == "digest"]
    return not asked or asked[-1].get("algorithm", "MD5").upper().removesuffix("-SESS") == "MD5"


def _challenges(lines: Iterable[str]) -> list[tuple[str, str]]:
    """(scheme, parameters) of every challenge, also where one line holds several."""
    found = []
    for line in lines:
        pieces = _SCHEME.split(line + " ")
        found += [(pieces[at].lower(), pieces[at + 1]) for at in range(1, len(pieces) - 1, 2)]
    return found


def _digest(text: str) -> dict[str, str] | None:
    """The parameters of a Digest challenge that can be answered."""
    asked = _parameters(text)
    algorithm = asked.get("algorithm", "MD5").upper().removesuffix("-SESS")
    qop = {word.strip() for word in asked.get("qop", "auth").split(",")}
    if "nonce" not in asked or algorithm not in _ALGORITHMS or "auth" not in qop:
        return None
    if any(ord(character) < 32 for value in asked.values() for character in value):
        return None
    return asked


def _parameters(text: str) -> dict[str, str]:
    pairs = (item.partition("=") for item in parse_http_list(text.strip()))
    return {key.strip().lower(): _unquoted(value.strip()) for key, equals, value in pairs if equals}


def _hasher(name: str) -> Callable[[str], str]:
    def hashed(text: str) -> str:
        return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()

    return hashed


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
