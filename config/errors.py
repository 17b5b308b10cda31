"""The page for a request that could not be answered: a mistake in Lynceus, or a database or Redis that is away."""

from __future__ import annotations

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from redis.exceptions import RedisError


def server_error(request: HttpRequest) -> HttpResponse:
    """Answers 503 where waiting helps, else 500. Asks neither the database nor the session for anything."""
    away = isinstance(sys.exc_info()[1], (OperationalError, InterfaceError, RedisError))
    status = 503 if away else 500
    return HttpResponse(render_to_string(f"{status}.html"), status=status)
