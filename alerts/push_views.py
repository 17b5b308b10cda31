"""What a browser needs to be told: the worker that shows notifications, and the address that takes subscriptions."""

from __future__ import annotations

from pathlib import Path

from django.contrib.auth.decorators import login_not_required, permission_required
from django.contrib.staticfiles import finders
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_POST, require_safe

from accounts.htmx import PageRequest
from alerts import pushing
from alerts.channels.base import ConfigError
from alerts.pushing import Subscription


@login_not_required
@require_safe
def push_worker(request: HttpRequest) -> HttpResponse:
    """The service worker, from the root: so it may open every page. It knows nothing, so that everybody may have it."""
    found = finders.find("js/push-worker.js")
    if not isinstance(found, str):
        raise Http404
    response = HttpResponse(Path(found).read_bytes(), content_type="text/javascript; charset=utf-8")
    response["Service-Worker-Allowed"] = "/"
    response["Cache-Control"] = "no-cache"
    return response


@require_POST
@permission_required("alerts.view_alert", raise_exception=True)
def push_subscribe(request: PageRequest) -> HttpResponse:
    """Makes the browser that asks a place of who is signed in. Takes and gives JSON."""
    try:
        row = pushing.subscribe(user=request.user, subscription=Subscription.parse(request.body))
    except ConfigError as error:
        return JsonResponse({"problem": str(error)}, status=400)
    return JsonResponse({"id": str(row.pk), "name": row.name}, status=201)
