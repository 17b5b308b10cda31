"""The only writer of accounts rows: audit events and API keys."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime
from typing import Final

from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.db.models import Q

from accounts.models import ApiKey, AuditEvent, User

Actor = User | AnonymousUser | None
_WORDS: Final = frozenset({"name", "reason", "note"})  # details that people wrote


def record(*, actor: Actor, verb: str, target: str, **detail: str | int | float | bool | list[str] | None) -> None:
    """Adds an event to the audit trail, in the transaction of what it tells about. No biometric data goes in."""
    known = actor if isinstance(actor, User) else None
    AuditEvent.objects.create(
        actor=known,
        actor_name=known.get_username() if known else "system",
        verb=verb,
        target=target[:100],
        detail=detail,
    )


def forget_words(targets: Collection[str], *, filters: Collection[str] = ()) -> None:
    """Takes what people wrote (names of files, reasons) out of events about these targets, because somebody has the
    right that nothing about them stays. Who did what when remains. `filters`: also of events that were limited so."""
    about = Q(target__in=targets)
    for one in filters:
        about |= Q(detail__filters__contains=[one])
    for event in AuditEvent.objects.filter(about):
        left = {key: value for key, value in event.detail.items() if key not in _WORDS}
        if left != event.detail:
            event.detail = left
            event.save(update_fields=["detail"])


@transaction.atomic
def create_api_key(*, actor: Actor, user: User, name: str, expires_at: datetime | None = None) -> tuple[ApiKey, str]:
    """Makes a key for the user; the second value is the secret, which is nowhere stored and never shown again."""
    prefix, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    key = ApiKey.objects.create(name=name, user=user, prefix=prefix, digest=digest(secret), expires_at=expires_at)
    record(actor=actor, verb="created", target=f"api key {prefix}", user=user.get_username())
    return key, f"lyn_{prefix}_{secret}"


@transaction.atomic
def revoke_api_key(*, actor: Actor, key: ApiKey) -> None:
    """Deletes a key; programs that use it are refused from now on."""
    target = f"api key {key.prefix}"
    key.delete()
    record(actor=actor, verb="revoked", target=target)


def digest(secret: str) -> str:
    """The stored form of a secret: its SHA-256, enough for 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()
