"""The door of a test camera: asks for a user name and a password, and checks the answer itself (RFC 7616, RFC 7617)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from urllib.parse import quote
from urllib.request import parse_http_list, parse_keqv_list


@dataclass(slots=True, kw_only=True)
class Door:
    """`kind`: digest (MD5, with qop), old (MD5, without), sha256, or basic. No user: everybody may come in."""

    user: str = ""
    password: str = ""
    kind: str = "digest"
    nonce: str = field(default_factory=lambda: secrets.token_hex(8))
    seen: set[str] = field(default_factory=set)

    @property
    def in_url(self) -> str:
        return f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self.user else ""

    def challenges(self) -> list[str]:
        """Lines of a 401."""
        basic = 'WWW-Authenticate: Basic realm="camera"'
        if self.kind == "basic":
            return [basic]
        extra = {"digest": ', qop="auth"', "old": "", "sha256": ', qop="auth", algorithm=SHA-256'}[self.kind]
        return [
            basic.replace("camera", "no, use the other"),
            f'WWW-Authenticate: Digest realm="c", nonce="{self.nonce}"{extra}',
        ]

    def lets_in(self, method: str, uri: str, line: str) -> bool:
        if not self.user:
            return True
        scheme, _, text = line.partition(" ")
        if self.kind == "basic":
            return line == "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        if scheme != "Digest":
            return False
        found = parse_keqv_list(parse_http_list(text))
        name = "sha256" if self.kind == "sha256" else "md5"

        def hashed(of: str) -> str:
            return hashlib.new(name, of.encode()).hexdigest()

        middle = self.nonce
        if self.kind != "old":
            middle = f"{self.nonce}:{found.get('nc')}:{found.get('cnonce')}:{found.get('qop')}"
            if found.get("response", "") in self.seen:
                return False  # a request that was sent again
        first, second = hashed(f"{self.user}:c:{self.password}"), hashed(f"{method}:{found.get('uri')}")
        if found.get("uri") != uri or found.get("response") != hashed(f"{first}:{middle}:{second}"):
            return False
        self.seen.add(found["response"])
        return True
