"""Pages about cameras: the list, one camera with its live picture, adding, changing, testing, removing."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from accounts.htmx import PageRequest, go_to, render_page
from accounts.ids import parse_id
from accounts.pictures import thumbnail
from cameras import live, selectors, services
from cameras.forms import CameraForm
from cameras.models import Camera
from cameras.probe import ProbeResult, probe
from cameras.sources import SourceError, parse_source
from recognition.errors import RecognitionError

_RECENT = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A camera and what it does right now."""

    camera: Camera
    status: live.Status

    @property
    def dropped(self) -> int:
        return sum(self.status.drops.values())


def tiles() -> list[Tile]:
    """Every camera with its state, those that are switched on first."""
    cameras = list(Camera.objects.order_by("-enabled", "name"))
    states = live.statuses(cameras)
    return [Tile(camera=camera, status=states[camera.pk]) for camera in cameras]


@require_safe
@permission_required("cameras.view_camera", raise_exception=True)
def camera_list(request: PageRequest) -> HttpResponse:
    """All cameras with their state."""
    return render_page(request, "cameras/list.html", {"tiles": tiles()})


@require_safe
@permission_required("cameras.view_camera", raise_exception=True)
def states(request: PageRequest) -> HttpResponse:
    """The states of the cameras that a page shows, to be swapped in; a new page where the cameras have changed."""
    asked = (parse_id(part) for part in request.GET.get("shown", "").split(","))
    shown = {pk for pk in asked if pk is not None}
    found = tiles()
    if "all" in request.GET and {tile.camera.pk for tile in found} != shown:
        return HttpResponseClientRefresh()
    wanted = [tile for tile in found if tile.camera.pk in shown]
    context = {"tiles": wanted, "oob": True, "facts": "facts" in request.GET}
    return render_page(request, "cameras/partials/_states.html", context)


@require_safe
@permission_required("cameras.view_camera", raise_exception=True)
def camera(request: PageRequest, pk: int) -> HttpResponse:
    """One camera: its live picture, its state, and whom it saw lately."""
    row = get_object_or_404(Camera, pk=pk)
    can_see = request.user.has_perm("cameras.view_sighting")
    context = {
        "camera": row,
        "tile": Tile(camera=row, status=live.statuses([row])[row.pk]),
        "sightings": selectors.sightings(camera=pk)[:_RECENT] if can_see else [],
    }
    return render_page(request, "cameras/detail.html", context, partial="sightings")


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("cameras.add_camera", raise_exception=True)
def add_camera(request: PageRequest) -> HttpResponse:
    """Adds a camera."""
    form = CameraForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        row = _save(request, form, None)
        if row is not None:
            messages.success(request, f"{row.name} was added.")
            return go_to(request, reverse("camera", args=[row.pk]))
    return render_page(request, "cameras/form.html", {"form": form, "camera": None})


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("cameras.change_camera", raise_exception=True)
def edit_camera(request: PageRequest, pk: int) -> HttpResponse:
    """Changes a camera."""
    row = get_object_or_404(Camera, pk=pk)
    form = CameraForm(request.POST or None, camera=row)
    if request.method == "POST" and form.is_valid() and _save(request, form, row) is not None:
        messages.success(request, f"{form.cleaned_data['name']} was saved.")
        return go_to(request, reverse("camera", args=[row.pk]))
    return render_page(request, "cameras/form.html", {"form": form, "camera": get_object_or_404(Camera, pk=pk)})


@require_POST
@permission_required("cameras.change_camera", raise_exception=True)
def enable_camera(request: PageRequest, pk: int) -> HttpResponse:
    """Switches a camera on or off."""
    row = get_object_or_404(Camera, pk=pk)
    enabled = request.POST.get("enabled") == "1"
    services.set_enabled(actor=request.user, camera=row, enabled=enabled)
    messages.success(request, f"{row.name} is switched {'on' if enabled else 'off'}.")
    back = request.POST.get("back")
    return go_to(request, reverse("cameras") if back == "list" else reverse("camera", args=[pk]))


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("cameras.delete_camera", raise_exception=True)
def remove_camera(request: PageRequest, pk: int) -> HttpResponse:
    """Asks, and then removes a camera."""
    row = get_object_or_404(Camera, pk=pk)
    if request.method == "POST":
        name = row.name
        services.remove_camera(actor=request.user, camera=row)
        messages.success(request, f"{name} was removed. What it saw is kept.")
        return go_to(request, reverse("cameras"))
    return render_page(request, "cameras/remove.html", {"camera": row})


@require_POST
@permission_required("cameras.change_camera", raise_exception=True)
def test_source(request: PageRequest) -> HttpResponse:
    """Opens the source that was typed, or the one that a camera has, and shows a picture or why there is none."""
    wanted = parse_id(request.GET.get("camera"))
    row = get_object_or_404(Camera, pk=wanted) if wanted is not None else None
    typed = request.POST.get("source", "").strip()
    result: ProbeResult | None = None
    problem = ""
    try:
        result = probe(parse_source(typed) if typed or row is None else services.source_of(row))
        problem = result.problem
    except SourceError as error:
        problem = str(error)
    form = CameraForm(request.POST, camera=row)
    form.errors.clear()  # without scripts the whole form comes back, and nobody asked to save it yet
    context = {
        "form": form,
        "camera": row,
        "tested": True,
        "result": result,
        "picture": thumbnail(result.jpeg) if result is not None and result.jpeg else "",
        "problem": problem,
    }
    return render_page(request, "cameras/form.html", context, partial="probe")


def _save(request: PageRequest, form: CameraForm, row: Camera | None) -> Camera | None:
    """The saved camera, or None with the form's field saying why not."""
    values = form.cleaned_data
    try:
        if row is None:
            return services.add_camera(actor=request.user, **values)
        return services.change_camera(actor=request.user, camera=row, **values)
    except SourceError as error:
        form.add_error("source", str(error))
    except RecognitionError as error:
        form.add_error("name", str(error))
    return None
