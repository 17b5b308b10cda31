"""The pictures that cameras give: the live one of a camera, and the best shot of a sighting."""

from __future__ import annotations

import logging
from uuid import UUID

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse, HttpResponseNotModified
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from accounts.htmx import PageRequest
from accounts.pictures import placeholder, private_jpeg
from accounts.vault import VaultError
from cameras import live, services
from cameras.models import Sighting

_log = logging.getLogger(__name__)


@require_safe
@permission_required("cameras.view_camera", raise_exception=True)
def live_picture(request: PageRequest, pk: int) -> HttpResponse:
    """The newest picture of a camera, never stored by browsers.

    304 where the page has it already. Where nothing is fresh, a page that polls (`?poll`) gets 204 and says so
    itself; a plain image gets a drawing. A camera that does not exist simply has no picture: asking the database
    twice a second for every tile would cost more than it tells.
    """
    found = live.picture(pk)
    if found is None:
        response = HttpResponse(status=204) if "poll" in request.GET else placeholder("camera")
    elif request.headers.get("If-None-Match") == f'"{found.tag}"':
        response = HttpResponseNotModified()
    else:
        response = HttpResponse(found.jpeg, content_type="image/jpeg")
    if found is not None:
        response["ETag"] = f'"{found.tag}"'
    response["Cache-Control"] = "no-store"
    return response


@require_safe
@permission_required("cameras.view_sighting", raise_exception=True)
def shot(request: PageRequest, pk: UUID) -> HttpResponse:
    """A sighting's best shot, or a neutral drawing where there is none or it can not be opened any more."""
    sighting = get_object_or_404(Sighting.objects.defer(None), pk=pk)
    try:
        jpeg = services.shot_of(sighting)
    except VaultError as error:
        _log.error("The best shot of sighting %s can not be shown: %s", pk, error)
        jpeg = None
    if jpeg is None:
        return placeholder("face")
    # While the person is in view a better shot may come.
    return private_jpeg(request, jpeg, kept_seconds=2 if sighting.is_open else 300)
