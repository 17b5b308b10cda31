"""Pages about zones: choosing where one is, drawing it, removing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.htmx import PageRequest, go_to, render_page
from accounts.ids import parse_id
from cameras import places
from cameras.models import Camera, Ground, SitePlan, Zone
from cameras.place_forms import GeoZoneForm, PictureZoneForm, PlanZoneForm
from cameras.selectors import shape_of, zones
from cameras.sketch import Sketch, sketch
from cameras.zones import ZoneError, ZoneShape, clean_zone
from recognition.errors import RecognitionError

ZoneForm = PictureZoneForm | PlanZoneForm | GeoZoneForm
_FORMS: dict[str, Callable[..., ZoneForm]] = {
    Ground.PICTURE: PictureZoneForm,
    Ground.PLAN: PlanZoneForm,
    Ground.COORDINATES: GeoZoneForm,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a zone is."""

    ground: str
    camera: Camera | None = None
    plan: SitePlan | None = None


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("cameras.add_zone", raise_exception=True)
def add_zone(request: PageRequest) -> HttpResponse:
    """Adds a zone to the camera or plan that the address names (`?camera=`, `?plan=`, `?ground=coordinates`)."""
    place = _asked(request)
    if place is None:
        return _choose(request, None)
    return _zone_page(request, place, None)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("cameras.change_zone", raise_exception=True)
def edit_zone(request: PageRequest, pk: int) -> HttpResponse:
    """Draws a zone anew. One whose camera or plan was removed is first given another, which the address names."""
    zone = get_object_or_404(zones(), pk=pk)
    asked = _asked(request)
    if asked is not None and asked.ground == zone.ground:
        return _zone_page(request, asked, zone)
    if zone.is_orphaned:
        return _choose(request, zone)
    return _zone_page(request, _Place(ground=zone.ground, camera=zone.camera, plan=zone.plan), zone)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("cameras.delete_zone", raise_exception=True)
def remove_zone(request: PageRequest, pk: int) -> HttpResponse:
    """Asks, and then removes a zone."""
    zone = get_object_or_404(Zone, pk=pk)
    if request.method == "POST":
        name = zone.name
        places.remove_zone(actor=request.user, zone=zone)
        messages.success(request, f"The zone {name} was removed.")
        return go_to(request, reverse("places"))
    said = "Who passed it is forgotten. A rule that is about this zone alone never fires from then on."
    return render_page(request, "cameras/places_remove.html", {"kind": "zone", "row": zone, "said": said})


def _asked(request: PageRequest) -> _Place | None:
    """Where the address says that the zone is."""
    if "camera" in request.GET:
        row = get_object_or_404(Camera, pk=parse_id(request.GET["camera"]))
        return _Place(ground=Ground.PICTURE, camera=row)
    if "plan" in request.GET:
        return _Place(ground=Ground.PLAN, plan=get_object_or_404(SitePlan, pk=parse_id(request.GET["plan"])))
    return _Place(ground=Ground.COORDINATES) if request.GET.get("ground") == Ground.COORDINATES else None


def _choose(request: PageRequest, zone: Zone | None) -> HttpResponse:
    wants_camera = zone is None or zone.ground == Ground.PICTURE
    wants_plan = zone is None or zone.ground == Ground.PLAN
    context = {
        "zone": zone,
        "cameras": list(Camera.objects.all()) if wants_camera else [],
        "plans": list(SitePlan.objects.all()) if wants_plan else [],
        "wants_camera": wants_camera,
        "wants_plan": wants_plan,
    }
    return render_page(request, "cameras/zone_choose.html", context)


def _zone_page(request: PageRequest, place: _Place, zone: Zone | None) -> HttpResponse:
    form = _FORMS[place.ground](request.POST or None, zone=zone)
    if (
        request.method == "POST"
        and form.is_valid()
        and "look" not in request.POST
        and _save(request, form, place, zone)
    ):
        messages.success(request, f"The zone {form.cleaned_data['name']} was saved.")
        return go_to(request, reverse("places"))
    context = {
        "form": form,
        "zone": zone,
        "place": place,
        "sketch": _sketch(form, zone) if place.ground == Ground.COORDINATES else None,
    }
    return render_page(request, "cameras/zone_form.html", context)


def _save(request: PageRequest, form: ZoneForm, place: _Place, zone: Zone | None) -> bool:
    """Whether it was saved; else the form says why not."""
    values: dict[str, Any] = form.values | {"camera": place.camera, "plan": place.plan}
    try:
        if zone is None:
            places.add_zone(actor=request.user, ground=place.ground, **values)
        else:
            places.change_zone(actor=request.user, zone=zone, **values)
    except ZoneError as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
    except RecognitionError as error:
        form.add_error("name", str(error))
    else:
        return True
    return False


def _sketch(form: ZoneForm, zone: Zone | None) -> Sketch | None:
    """What was typed, or what there is, with the cameras around it."""
    if form.is_bound and form.is_valid():
        drawn = clean_zone(ground=Ground.COORDINATES, **form.drawing)
        shape = ZoneShape(
            id=0,
            ground=Ground.COORDINATES,
            shape=form.drawing["shape"],
            points=drawn.points,
            radius_m=drawn.radius_m,
        )
    elif zone is not None:
        shape = shape_of(zone)
    else:
        return None
    located = Camera.objects.filter(latitude__isnull=False, longitude__isnull=False)
    return sketch(shape, list(located))
