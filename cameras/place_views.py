"""Pages about places: all of them, site plans with the cameras on them, and groups of cameras."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_http_methods, require_safe

from accounts.htmx import PageRequest, go_to, render_page
from cameras import places, selectors
from cameras.models import CameraGroup, SitePlan, Zone
from cameras.place_forms import GroupForm, PlacesForm, PlanForm
from cameras.zones import ZoneError
from recognition.errors import RecognitionError


@require_safe
@permission_required("cameras.view_zone", raise_exception=True)
def overview(request: PageRequest) -> HttpResponse:
    """All zones, site plans and groups, and which rules are about them."""
    context: dict[str, object] = {
        # Rules are of the alerts room, which gives zones and groups theirs.
        "zones": selectors.zones().prefetch_related("rules"),
        "plans": SitePlan.objects.annotate(camera_count=Count("places")),
        "groups": CameraGroup.objects.prefetch_related("cameras", "rules"),
    }
    return render_page(request, "cameras/places.html", context)


# --- plans -------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("cameras.add_siteplan", raise_exception=True)
def add_plan(request: PageRequest) -> HttpResponse:
    """Adds a site plan."""
    form = PlanForm(request.POST, request.FILES) if request.method == "POST" else PlanForm()
    if form.is_bound and form.is_valid():
        try:
            row = places.add_plan(actor=request.user, **form.cleaned_data)
        except ZoneError as error:
            form.add_error(error.field if error.field in form.fields else "image", str(error))
        except RecognitionError as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, f"The plan {row.name} was added. Put the cameras on it.")
            return go_to(request, reverse("plan", args=[row.pk]))
    return render_page(request, "cameras/plan_add.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("cameras.view_siteplan", raise_exception=True)
def plan(request: PageRequest, pk: int) -> HttpResponse:
    """A plan with the cameras and zones on it; who may change it moves them."""
    row = get_object_or_404(SitePlan, pk=pk)
    form = PlacesForm(request.POST or None, plan=row)
    if request.method == "POST":
        if not request.user.has_perm("cameras.change_siteplan"):
            raise PermissionDenied
        if form.is_valid() and _arrange(request, form, row):
            messages.success(request, f"{form.cleaned_data['name']} was saved.")
            return go_to(request, reverse("plan", args=[pk]))
        row.refresh_from_db(fields=["name"])
    zones = list(row.zones.all())
    context = {"plan": row, "form": form, "zones": zones, "sheet": _sheet(row, form, zones)}
    return render_page(request, "cameras/plan.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("cameras.delete_siteplan", raise_exception=True)
def remove_plan(request: PageRequest, pk: int) -> HttpResponse:
    """Asks, and then removes a plan."""
    row = get_object_or_404(SitePlan, pk=pk)
    if request.method == "POST":
        name = row.name
        places.remove_plan(actor=request.user, plan=row)
        messages.success(request, f"The plan {name} was removed.")
        return go_to(request, reverse("places"))
    said = "The cameras stay, without a place on it. Zones that were drawn on it stay too, and match nothing."
    return render_page(request, "cameras/places_remove.html", {"kind": "plan", "row": row, "said": said})


@require_safe
@permission_required("cameras.view_siteplan", raise_exception=True)
def plan_image(request: PageRequest, pk: int) -> HttpResponseBase:
    """A plan's drawing, which never changes: another one is another plan."""
    row = get_object_or_404(SitePlan.objects.defer(None), pk=pk)
    etag = f'"{hashlib.sha256(row.image).hexdigest()[:32]}"'
    response = HttpResponse(bytes(row.image), content_type=row.media_type, headers={"ETag": etag})
    response["Cache-Control"] = "private, max-age=300"
    return get_conditional_response(request, etag=etag, response=response) or response


def _arrange(request: PageRequest, form: PlacesForm, row: SitePlan) -> bool:
    """Whether everything was saved; else the form says why not, and nothing is."""
    values = form.cleaned_data
    try:
        with transaction.atomic():
            if values["name"] != row.name:
                places.rename_plan(actor=request.user, plan=row, name=values["name"])
            if values["metres_wide"] != row.metres_wide:
                places.measure_plan(actor=request.user, plan=row, metres_wide=values["metres_wide"])
            for place in form.places:
                x, y = values[f"x-{place.camera_id}"] / 100, values[f"y-{place.camera_id}"] / 100
                if values[f"off-{place.camera_id}"]:
                    places.place_camera(actor=request.user, camera=place.camera, plan=None)
                elif abs(x - place.x) > 1e-4 or abs(y - place.y) > 1e-4:
                    places.place_camera(actor=request.user, camera=place.camera, plan=row, x=x, y=y)
            if values["add"] is not None:
                places.place_camera(actor=request.user, camera=values["add"], plan=row, x=0.5, y=0.5)
    except RecognitionError as error:
        form.add_error("name", str(error))
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A camera on a plan's SVG; its name stands before it where there is no room behind."""

    id: int
    name: str
    x: float
    y: float
    at_end: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A plan's SVG: what is on it in its units, whatever the size of the picture."""

    width: int
    height: float
    cameras: list[Dot]
    areas: list[tuple[str, str]]  # names and points


def _sheet(row: SitePlan, form: PlacesForm, zones: list[Zone]) -> Sheet:
    width, height = 1000, round(1000 * row.height / row.width, 1)
    dots = [
        Dot(
            id=place.camera_id,
            name=place.camera.name,
            x=round(place.x * width, 1),
            y=round(place.y * height, 1),
            at_end=place.x > 0.7,
        )
        for place in form.places
    ]
    areas = [(zone.name, " ".join(f"{x * width:.1f},{y * height:.1f}" for x, y in zone.points)) for zone in zones]
    return Sheet(width=width, height=height, cameras=dots, areas=areas)


# --- groups ------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("cameras.add_cameragroup", raise_exception=True)
def add_group(request: PageRequest) -> HttpResponse:
    """Makes a group of cameras."""
    return _group_page(request, None)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("cameras.change_cameragroup", raise_exception=True)
def edit_group(request: PageRequest, pk: int) -> HttpResponse:
    """Changes a group of cameras."""
    return _group_page(request, get_object_or_404(CameraGroup, pk=pk))


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("cameras.delete_cameragroup", raise_exception=True)
def remove_group(request: PageRequest, pk: int) -> HttpResponse:
    """Asks, and then removes a group."""
    row = get_object_or_404(CameraGroup, pk=pk)
    if request.method == "POST":
        name = row.name
        places.remove_group(actor=request.user, group=row)
        messages.success(request, f"The group {name} was removed.")
        return go_to(request, reverse("places"))
    said = "Its cameras stay. A rule that is about this group alone never fires from then on."
    return render_page(request, "cameras/places_remove.html", {"kind": "group", "row": row, "said": said})


def _group_page(request: PageRequest, row: CameraGroup | None) -> HttpResponse:
    form = GroupForm(request.POST or None, group=row)
    if request.method == "POST" and form.is_valid():
        try:
            saved = places.save_group(actor=request.user, group=row, **form.cleaned_data)
        except RecognitionError as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, f"The group {saved.name} was saved.")
            return go_to(request, reverse("places"))
    return render_page(request, "cameras/group_form.html", {"form": form, "group": row})
