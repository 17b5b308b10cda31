"""Adding, changing, trying out, restarting, switching and removing cameras."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.htmx import PageRequest, go_to, render_page
from accounts.ids import parse_id
from accounts.pictures import thumbnail
from cameras import probing, services
from cameras.forms import CameraForm
from cameras.models import Camera
from cameras.probe import ProbeResult
from cameras.sources import Source, SourceError, parse_source
from cameras.values import CameraError
from cameras.weeks import plan
from recognition.errors import RecognitionError


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
    return _form_page(request, form, None)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("cameras.change_camera", raise_exception=True)
def edit_camera(request: PageRequest, pk: int) -> HttpResponse:
    """Changes a camera."""
    row = get_object_or_404(Camera, pk=pk)
    form = CameraForm(request.POST or None, camera=row)
    if request.method == "POST" and form.is_valid() and _save(request, form, row) is not None:
        messages.success(request, f"{form.cleaned_data['name']} was saved.")
        return go_to(request, reverse("camera", args=[row.pk]))
    return _form_page(request, form, row)


@require_POST
@permission_required("cameras.change_camera", raise_exception=True)
def enable_camera(request: PageRequest, pk: int) -> HttpResponse:
    """Switches a camera on or off."""
    row = get_object_or_404(Camera, pk=pk)
    enabled = request.POST.get("enabled")
    if enabled not in ("0", "1"):
        return HttpResponseBadRequest("Say with “enabled” whether the camera shall be on (1) or off (0).")
    services.set_enabled(actor=request.user, camera=row, enabled=enabled == "1")
    messages.success(request, f"{row.name} is switched {'on' if enabled == '1' else 'off'}.")
    back = request.POST.get("back")
    return go_to(request, reverse("cameras") if back == "list" else reverse("camera", args=[pk]))


@require_POST
@permission_required("cameras.change_camera", raise_exception=True)
def restart_camera(request: PageRequest, pk: int) -> HttpResponse:
    """Lets the camera's loop end and begin anew, which opens its source again."""
    row = get_object_or_404(Camera, pk=pk)
    if row.enabled:
        services.restart_camera(actor=request.user, camera=row)
        messages.success(request, f"{row.name} starts anew. Its picture is back in a few seconds.")
    else:
        messages.info(request, f"{row.name} is switched off. Switch it on to start it.")
    return go_to(request, reverse("camera", args=[pk]))


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


@require_safe
@permission_required("cameras.change_camera", raise_exception=True)
def schedule_said(request: PageRequest) -> HttpResponse:
    """What a schedule that is being typed means."""
    said = plan(request.GET.get("schedule", "")[:1000], timezone.now())
    return render_page(request, "cameras/partials/_plan.html", {"plan": said})


@require_POST
@permission_required("cameras.change_camera", raise_exception=True)
def test_source(request: PageRequest) -> HttpResponse:
    """Opens the source that was typed, or the one that a camera has, and shows a picture or why there is none.

    `which=detail` in the address means the second stream.
    """
    wanted = parse_id(request.GET.get("camera"))
    row = get_object_or_404(Camera, pk=wanted) if wanted is not None else None
    which = "detail" if request.GET.get("which") == "detail" else "source"
    result: ProbeResult | None = None
    try:
        result = _probed(request, row, which)
        problem = result.problem
    except SourceError as error:
        problem = str(error)
    form = CameraForm(request.POST, camera=row)
    form.errors.clear()  # without scripts the whole form comes back, and nobody asked to save it yet
    context = {
        "form": form,
        "camera": row,
        "plan": plan("", timezone.now()),
        "tested": which,
        "which": which,
        "result": result,
        "picture": thumbnail(result.jpeg) if result is not None and result.jpeg else "",
        "problem": problem,
    }
    return render_page(request, "cameras/form.html", context, partial=f"probe_{which}")


def _probed(request: PageRequest, row: Camera | None, which: str) -> ProbeResult:
    """What the source gives; raises SourceError where there is none to try."""
    typed = request.POST.get(which, "").strip()
    if typed or row is None:
        source: Source | None = parse_source(typed)
    else:
        source = services.source_of(row) if which == "source" else services.detail_of(row)
    if source is None:
        raise SourceError("There is no second stream to test. Type its address first.")
    transport = "udp" if request.POST.get("transport") == "udp" else "tcp"
    return probing.try_source(actor=request.user, source=source, transport=transport)


def _form_page(request: PageRequest, form: CameraForm, row: Camera | None) -> HttpResponse:
    text = form["schedule"].value() or ""
    context = {"form": form, "camera": row, "plan": plan(str(text)[:1000], timezone.now())}
    return render_page(request, "cameras/form.html", context)


def _save(request: PageRequest, form: CameraForm, row: Camera | None) -> Camera | None:
    """The saved camera, or None with the form's field saying why not."""
    try:
        if row is None:
            return services.add_camera(actor=request.user, **form.values)
        return services.change_camera(actor=request.user, camera=row, **form.values)
    except SourceError as error:
        form.add_error("source", str(error))
    except CameraError as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
    except RecognitionError as error:
        form.add_error("name", str(error))
    return None
