"""The cameras and what they do: the list, one of them, and the states that open pages ask for."""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRefresh

from accounts.htmx import PageRequest, render_page, wants_partial
from accounts.ids import parse_id
from cameras import availability, selectors
from cameras.health import CLOCK_SECONDS
from cameras.models import Camera
from cameras.tiles import listing, mark, tiles, tiles_of
from cameras.weeks import plan

_RECENT = 24


@require_safe
@permission_required("cameras.view_camera", raise_exception=True)
def camera_list(request: PageRequest) -> HttpResponse:
    """The cameras with their state; by group, by name, page by page where there are many."""
    every = tiles()
    group, text = request.GET.get("state", ""), request.GET.get("name", "")[:200]
    context = {
        "any": bool(every),
        "mark": mark(every),
        "group": group,
        "text": text,
        "listing": listing(every, group=group, text=text, page=parse_id(request.GET.get("page")) or 1),
    }
    return render_page(request, "cameras/list.html", context, partial="tiles")


@require_safe
@permission_required("cameras.view_camera", raise_exception=True)
def states(request: PageRequest) -> HttpResponse:
    """The states of the cameras that a page shows, to be swapped in; a new page where the cameras have changed.

    A page that shows every camera says `all`; one that shows some says with `mark` how many it knows of.
    """
    asked = (parse_id(part) for part in request.GET.get("shown", "").split(","))
    shown = {pk for pk in asked if pk is not None}
    if "all" in request.GET or "mark" in request.GET:
        found = tiles()
        known = request.GET.get("mark", mark(found))
        if known != mark(found) or ("all" in request.GET and {tile.camera.pk for tile in found} != shown):
            return HttpResponseClientRefresh()
        wanted = [tile for tile in found if tile.camera.pk in shown]
    else:
        wanted = tiles_of(list(Camera.objects.filter(pk__in=shown)))
    context = {"tiles": wanted, "oob": True, "facts": request.GET.get("facts")}
    return render_page(request, "cameras/partials/_states.html", context)


@require_safe
@permission_required("cameras.view_camera", raise_exception=True)
def camera(request: PageRequest, pk: int) -> HttpResponse:
    """One camera: its live picture, its state, what happened to it, and whom it saw lately."""
    row = get_object_or_404(Camera, pk=pk)
    can_see = request.user.has_perm("cameras.view_sighting")
    partial = "happened" if request.GET.get("part") == "happened" else "sightings"
    now, is_whole = timezone.now(), not wants_partial(request)
    context: dict[str, object] = {"camera": row}
    if is_whole or partial == "sightings":
        seen = selectors.sightings(camera=pk).select_related("identity__person")
        context["sightings"] = seen[:_RECENT] if can_see else []
    if is_whole or partial == "happened":
        context |= {"availability": availability.availability(row, now), "events": availability.events(row)}
    if is_whole:
        context |= {"tile": tiles_of([row])[0], "plan": plan(row.schedule, now), **_clock(row)}
    return render_page(request, "cameras/detail.html", context, partial=partial)


def _clock(row: Camera) -> dict[str, object]:
    """How far the clock of the camera's worker is off, in seconds; None while nobody runs it."""
    offset = selectors.attended().filter(camera=row).values_list("clock_offset", flat=True).first()
    return {"clock": offset, "clock_is_wrong": offset is not None and abs(offset) > CLOCK_SECONDS}
