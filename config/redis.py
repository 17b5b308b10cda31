"""The process's Redis client, for what lives seconds: camera states and live pictures."""

from __future__ import annotations

from functools import cache

from django.conf import settings
from redis import Redis


@cache
def client() -> Redis:
    """A thread-safe client with short time-outs: a page or a camera loop never hangs on Redis."""
    return Redis.from_url(settings.REDIS, socket_timeout=2, socket_connect_timeout=2)
