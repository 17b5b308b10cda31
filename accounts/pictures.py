"""Sends pictures of people to browsers: kept by that browser alone and not for long, or replaced by a drawing."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response

_KEPT_SECONDS = 300


def private_jpeg(request: HttpRequest, jpeg: bytes, *, kept_seconds: int = _KEPT_SECONDS) -> HttpResponse:
    """The picture, or 304 where the browser has it already."""
    etag = f'"{hashlib.sha256(jpeg).hexdigest()[:32]}"'
    response = HttpResponse(jpeg, content_type="image/jpeg", headers={"ETag": etag})
    response["Cache-Control"] = f"private, max-age={kept_seconds}"
    return get_conditional_response(request, etag=etag, response=response) or response


def placeholder(kind: str) -> HttpResponse:
    """A neutral drawing, `face` or `camera`, where there is no picture."""
    return HttpResponse(_drawing(kind), content_type="image/svg+xml", headers={"Cache-Control": "no-store"})


def thumbnail(jpeg: bytes) -> str:
    """The picture as a data: address, for what is shown once and stored nowhere."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


@cache
def _drawing(kind: str) -> bytes:
    return (Path(settings.BASE_DIR) / "static" / "img" / f"no-{kind}.svg").read_bytes()
