"""Pages of searches by photo."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path


def _soon(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse(status=204)


urlpatterns = [path("", _soon, name="photo_searches")]
