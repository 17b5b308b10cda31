"""API keys: `Authorization: Bearer lyn_<prefix>_<secret>` or `X-API-Key: lyn_...`."""

from __future__ import annotations

import hmac
from datetime import timedelta

from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.models import ApiKey, User
from accounts.services import digest

_USE_RESOLUTION = timedelta(minutes=1)


class ApiKeyAuthentication(BaseAuthentication):
    """Signs a program in by its key. Says nothing about why a key is wrong, only that it is."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        offered = request.headers.get("X-API-Key", "").strip()
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        if not offered and scheme.lower() == "bearer":
            offered = bearer.strip()
        if not offered:
            return None
        start, _, rest = offered.partition("_")
        prefix, _, secret = rest.partition("_")
        # A NUL byte is nothing that PostgreSQL could look up.
        known = start == "lyn" and prefix.isalnum()
        key = ApiKey.objects.select_related("user").filter(prefix=prefix).first() if known else None
        now = timezone.now()
        if (
            key is None
            or not hmac.compare_digest(key.digest, digest(secret))
            or not key.user.is_active
            or (key.expires_at is not None and key.expires_at <= now)
        ):
            raise AuthenticationFailed("This API key is unknown or over. Make a new one on the admin site.")
        if key.last_used_at is None or now - key.last_used_at > _USE_RESOLUTION:
            ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    """How the OpenAPI schema describes the login by key."""

    target_class = ApiKeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API key: lyn_<prefix>_<secret>."}
