"""Whether whoever is connected for hours may still be: looked up anew, never remembered; and how they are told."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from channels.auth import get_user
from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.module_loading import import_string

from accounts.models import User

RECHECK_SECONDS = 30.0


class Close(Enum):
    """The codes with which WebSockets are closed, as `value`; Daphne takes none below 3000, and no enums."""

    NOT_UNDERSTOOD = 4400  # a message that makes no sense
    SIGNED_OUT = 4401  # signed out, locked out, removed, or the password was changed
    NOT_ALLOWED = 4403
    LATER = 4503  # the database or Redis is away: come back later


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Who somebody is, and which of the permissions that were asked about they have."""

    user: int
    permissions: frozenset[str]


async def standing(session_key: str | None, permission: str) -> User | Close:
    """The session's user, who has the permission now, or why there is none. Raises django.db.Error."""
    store = import_string(f"{settings.SESSION_ENGINE}.SessionStore")(session_key)
    user = await get_user({"session": store})
    if not isinstance(user, User) or not user.is_active:
        return Close.SIGNED_OUT
    if not await database_sync_to_async(user.has_perm)(permission):
        return Close.NOT_ALLOWED
    return user


def standings(keys: Collection[str], *, needed: str, asked: Collection[str] = ()) -> Mapping[str, Standing | Close]:
    """The same for many sessions at once, in as many queries as for one. Raises django.db.Error.

    Sessions lie in the database: config.settings has no other engine.
    """
    store = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
    rows = store.get_model_class().objects.filter(session_key__in=set(keys), expire_date__gt=timezone.now())
    said = {key: _signed_in(data) for key, data in rows.values_list("session_key", "session_data")}
    users = User.objects.filter(is_active=True).in_bulk({user for user, _ in said.values() if user})
    hashes = {user: row.get_session_auth_hash() for user, row in users.items()}
    having = {each: _who_may(each, users) for each in {needed, *asked}}
    found: dict[str, Standing | Close] = {}
    for key in keys:
        user, verified_by = said.get(key, (0, ""))
        if user not in users or not constant_time_compare(verified_by, hashes[user]):
            found[key] = Close.SIGNED_OUT
        elif user not in having[needed]:
            found[key] = Close.NOT_ALLOWED
        else:
            found[key] = Standing(user=user, permissions=frozenset(each for each in having if user in having[each]))
    return found


def _who_may(permission: str, users: Collection[int]) -> set[int]:
    return set(User.objects.with_perm(permission).filter(pk__in=users).values_list("pk", flat=True))


@lru_cache(maxsize=4096)
def _signed_in(data: str) -> tuple[int, str]:
    """Whose session this is, and what says that their password is still the same; a user 0 that there is not."""
    session = import_string(f"{settings.SESSION_ENGINE}.SessionStore")().decode(data)
    return int(session.get(SESSION_KEY) or 0), str(session.get(HASH_SESSION_KEY) or "")
