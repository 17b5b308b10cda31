"""Whether whoever looks at something that goes on for hours may still do so: looked up anew, never remembered."""

from __future__ import annotations

from enum import Enum, auto

from channels.auth import get_user
from channels.db import database_sync_to_async
from django.conf import settings
from django.utils.module_loading import import_string

from accounts.models import User

RECHECK_SECONDS = 30.0


class Standing(Enum):
    ALLOWED = auto()
    SIGNED_OUT = auto()  # signed out, locked out, removed, or the password was changed
    NOT_ALLOWED = auto()


async def standing(session_key: str | None, permission: str) -> Standing:
    """What the user of this session may do now. Raises django.db.Error where the database is away."""
    store = import_string(f"{settings.SESSION_ENGINE}.SessionStore")(session_key)
    user = await get_user({"session": store})
    if not isinstance(user, User) or not user.is_active:
        return Standing.SIGNED_OUT
    if not await database_sync_to_async(user.has_perm)(permission):
        return Standing.NOT_ALLOWED
    return Standing.ALLOWED
