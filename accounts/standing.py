"""Whether whoever is connected for hours may still be: looked up anew, never remembered; and how they are told."""

from __future__ import annotations

from enum import Enum

from channels.auth import get_user
from channels.db import database_sync_to_async
from django.conf import settings
from django.utils.module_loading import import_string

from accounts.models import User

RECHECK_SECONDS = 30.0


class Close(Enum):
    """The codes with which WebSockets are closed, as `value`; Daphne takes none below 3000, and no enums."""

    NOT_UNDERSTOOD = 4400  # a message that makes no sense
    SIGNED_OUT = 4401  # signed out, locked out, removed, or the password was changed
    NOT_ALLOWED = 4403
    LATER = 4503  # the database or Redis is away: come back later


async def standing(session_key: str | None, permission: str) -> User | Close:
    """The session's user, who has the permission now, or why there is none. Raises django.db.Error."""
    store = import_string(f"{settings.SESSION_ENGINE}.SessionStore")(session_key)
    user = await get_user({"session": store})
    if not isinstance(user, User) or not user.is_active:
        return Close.SIGNED_OUT
    if not await database_sync_to_async(user.has_perm)(permission):
        return Close.NOT_ALLOWED
    return user
