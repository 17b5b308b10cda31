"""Seals what must never be read in a dump: embeddings, photos, best shots, camera credentials.

Envelope encryption with AES-256-GCM (NIST SP 800-38D). Every scope ("person:12", "sightings:2026-11-22", "cameras")
has a random data key; the data key is stored wrapped by a key-encryption key (KEK), which lives outside the database
and has a version. Deleting a scope's row makes everything sealed under it unreadable.

Sealed bytes: 1 byte format, 12 bytes random nonce, ciphertext with 16 bytes tag. The associated data binds the bytes
to their place ("template:7|compact-1"), so that a row copied over another one does not open.

There is no fallback: a missing key, a wrong key or a changed byte raises VaultError.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from accounts.models import DataKey
from config.secretfiles import read_or_create

Sealed = bytes | memoryview  # as rows give it
_FORMAT = b"\x01"
_NONCE = 12
_DELETED = "The key of {} was deleted; what it sealed can not be opened any more."


class VaultError(Exception):
    """Something sealed could not be opened; the message names the scope, never the content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRing:
    """The key-encryption keys by version; the highest version seals, every version opens."""

    keys: dict[int, bytes]

    @classmethod
    def parse(cls, text: str) -> KeyRing:
        """Reads "2:<base64>,1:<base64>"; each key is 32 bytes. Raises ImproperlyConfigured without showing a key."""
        keys: dict[int, bytes] = {}
        for part in filter(None, (p.strip() for p in text.split(","))):
            version, _, encoded = part.partition(":")
            try:
                number, key = int(version), base64.b64decode(encoded, validate=True)
            except (ValueError, binascii.Error):
                number, key = 0, b""
            if number < 1 or len(key) != 32:
                raise ImproperlyConfigured(
                    "The setting VAULT_KEYS is not usable. Allowed: <version>:<base64 of 32 bytes>, several separated"
                    ' by commas, such as the output of: python -c "import os,base64;'
                    "print('1:'+base64.b64encode(os.urandom(32)).decode())\""
                )
            keys[number] = key
        if not keys:
            raise ImproperlyConfigured(
                "The vault has no key. Set VAULT_KEYS or restore the key file in DATA_DIR/secrets."
            )
        return cls(keys=keys)

    @property
    def current(self) -> int:
        return max(self.keys)


@cache
def key_ring() -> KeyRing:
    """The ring from VAULT_KEYS, or from the key file, which is made at first use while no data key exists yet."""
    if settings.VAULT_KEYS:
        return KeyRing.parse(settings.VAULT_KEYS)
    path = settings.VAULT_KEY_FILE
    if not path.exists() and DataKey.objects.exists():
        raise VaultError(
            f"The vault's key file {path} is gone, but the database holds data sealed with it. "
            "Restore the file from your backup, or set VAULT_KEYS."
        )
    return KeyRing.parse(read_or_create(path, lambda: "1:" + base64.b64encode(secrets.token_bytes(32)).decode()))


def seal(scope: str, plaintext: bytes, *, bind: str) -> bytes:
    """Seals the plaintext under the scope's data key (made when missing), bound to its place."""
    nonce = os.urandom(_NONCE)
    return _FORMAT + nonce + AESGCM(_data_key(scope, create=True)).encrypt(nonce, plaintext, bind.encode())


def unseal(scope: str, sealed: Sealed, *, bind: str) -> bytes:
    """Opens what `seal` made for the same scope and place; raises VaultError for anything else."""
    return _decrypt(AESGCM(_data_key(scope, create=False)), scope, bytes(sealed), bind)


def unseal_many(items: Sequence[tuple[str, Sealed, str]]) -> list[bytes | VaultError]:
    """Opens many (scope, sealed, bind) with one query for all keys; an item that does not open gives its error."""
    scopes = {scope for scope, _, _ in items}
    found = DataKey.objects.filter(scope__in=scopes).values_list("scope", "wrapped", "kek_version")
    keys = {scope: (wrapped, version) for scope, wrapped, version in found}
    opener = Opener()
    results: list[bytes | VaultError] = []
    for scope, sealed, bind in items:
        try:
            results.append(opener.open(scope, sealed, bind, *keys.get(scope, (None, None))))
        except VaultError as error:
            results.append(error)
    return results


class Opener:
    """Opens many things whose wrapped data keys were read together with them. Use it for one piece of work and drop it.

    It remembers the last data key, so that what belongs together should come in a row.
    """

    def __init__(self) -> None:
        self._keks: dict[int, AESGCM] = {}
        self._last: tuple[str, bytes, AESGCM] | None = None

    def open(self, scope: str, sealed: Sealed, bind: str, wrapped: Sealed | None, kek_version: int | None) -> bytes:
        """Opens what `seal` made for this scope and place. No wrapped key: it was deleted. Raises VaultError."""
        if wrapped is None or kek_version is None:
            raise VaultError(_DELETED.format(scope))
        return _decrypt(self._cipher(scope, bytes(wrapped), kek_version), scope, bytes(sealed), bind)

    def _cipher(self, scope: str, wrapped: bytes, kek_version: int) -> AESGCM:
        if self._last is not None and self._last[:2] == (scope, wrapped):
            return self._last[2]
        kek = self._keks.get(kek_version)
        if kek is None:
            kek = self._keks[kek_version] = AESGCM(_kek(scope, kek_version))
        cipher = AESGCM(_unwrapped(kek, scope, wrapped, kek_version))
        self._last = (scope, wrapped, cipher)
        return cipher


def _decrypt(cipher: AESGCM, scope: str, sealed: bytes, bind: str) -> bytes:
    if sealed[:1] != _FORMAT or len(sealed) < 1 + _NONCE + 16:
        raise VaultError(f"What is stored under {scope} is not sealed data of a known format.")
    try:
        return cipher.decrypt(sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :], bind.encode())
    except InvalidTag:
        raise VaultError(f"What is stored under {scope} was changed, moved or sealed with another key.") from None


def shred(scope: str) -> None:
    """Deletes the scope's data key: whatever was sealed under it can never be opened again."""
    DataKey.objects.filter(scope=scope).delete()


def add_key() -> int:
    """Puts a new key-encryption key in front of the key file; returns its version. Old ones stay, to open old data."""
    if settings.VAULT_KEYS:
        raise VaultError(
            "The vault's keys come from the setting VAULT_KEYS. Put a new one with the next version in front there, "
            "restart Lynceus, and run rotate_keys --rewrap."
        )
    ring = key_ring()
    version = ring.current + 1
    path: Path = settings.VAULT_KEY_FILE
    unfinished = path.with_suffix(".new")
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(
            f"{version}:{base64.b64encode(secrets.token_bytes(32)).decode()},{path.read_text(encoding='utf-8').strip()}"
        )
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.replace(path)
    key_ring.cache_clear()
    return version


def rewrap() -> int:
    """Wraps every data key with the newest key-encryption key; returns how many changed. Safe to interrupt."""
    ring, changed = key_ring(), 0
    for row in DataKey.objects.exclude(kek_version=ring.current).iterator():
        wrapped = _wrap(row.scope, _unwrap(row), ring)
        changed += DataKey.objects.filter(pk=row.pk, kek_version=row.kek_version).update(
            wrapped=wrapped, kek_version=ring.current
        )
    return changed


def _data_key(scope: str, *, create: bool) -> bytes:
    """Read anew each time: a key that another process has shredded must not live on in this one."""
    row = DataKey.objects.filter(scope=scope).first()
    if row is None and not create:
        raise VaultError(_DELETED.format(scope))
    if row is None:
        ring = key_ring()
        wrapped = _wrap(scope, secrets.token_bytes(32), ring)
        row, _ = DataKey.objects.get_or_create(scope=scope, defaults={"wrapped": wrapped, "kek_version": ring.current})
    return _unwrap(row)


def _wrap(scope: str, key: bytes, ring: KeyRing) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(ring.keys[ring.current]).encrypt(nonce, key, f"datakey:{scope}".encode())


def _unwrap(row: DataKey) -> bytes:
    return _unwrapped(AESGCM(_kek(row.scope, row.kek_version)), row.scope, bytes(row.wrapped), row.kek_version)


def _kek(scope: str, version: int) -> bytes:
    kek = key_ring().keys.get(version)
    if kek is None:  # the key file may have been rotated since this process read it
        key_ring.cache_clear()
        kek = key_ring().keys.get(version)
    if kek is None:
        raise VaultError(
            f"The vault's key version {version} is missing; it is needed for {scope}. Add it to VAULT_KEYS."
        )
    return kek


def _unwrapped(kek: AESGCM, scope: str, wrapped: bytes, version: int) -> bytes:
    try:
        return kek.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], f"datakey:{scope}".encode())
    except InvalidTag:
        raise VaultError(f"The key of {scope} does not open with the vault's key version {version}.") from None
