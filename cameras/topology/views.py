"""Pages about the ways between cameras: all that were stated or learned, stating one, answering what is asked."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.htmx import PageRequest, go_to, render_page
from accounts.ids import parse_id
from cameras.models import Camera, Route
from cameras.topology import services
from cameras.topology.errors import RouteError
from cameras.topology.forms import RouteForm
from cameras.topology.questions import asked
from cameras.topology.reading import way_page


@require_safe
@permission_required("cameras.view_route", raise_exception=True)
def routes(request: PageRequest) -> HttpResponse:
    """What is known of the ways between all cameras, or those of one (`?camera=`), and what is to be asked of them."""
    camera = get_object_or_404(Camera, pk=parse_id(request.GET["camera"])) if "camera" in request.GET else None
    context = {
        "camera": camera,
        "ways": way_page(camera=camera.pk if camera else None, page=parse_id(request.GET.get("page")) or 1),
        "asked": asked(),
        "any": camera is not None or Camera.objects.count() > 1,
    }
    return render_page(request, "cameras/routes.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("cameras.add_route", raise_exception=True)
def add_route(request: PageRequest) -> HttpResponse:
    """States a way; the address may name its cameras (`?start=`, `?end=`)."""
    named = {name: parse_id(request.GET.get(name)) for name in ("start", "end")}
    return _route_page(request, None, RouteForm(request.POST or None, initial=named))


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("cameras.change_route", raise_exception=True)
def edit_route(request: PageRequest, pk: int) -> HttpResponse:
    """States something else of a way."""
    row = get_object_or_404(_routes(), pk=pk)
    return _route_page(request, row, RouteForm(request.POST if request.method == "POST" else None, route=row))


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("cameras.delete_route", raise_exception=True)
def remove_route(request: PageRequest, pk: int) -> HttpResponse:
    """Asks, and then removes what was stated."""
    row = get_object_or_404(_routes(), pk=pk)
    if request.method == "POST":
        services.remove_route(actor=request.user, route=row)
        messages.success(request, f"The route {row} was removed.")
        return go_to(request, reverse("routes"))
    return render_page(request, "cameras/route_remove.html", {"route": row})


@require_POST
@permission_required(["cameras.add_route", "cameras.change_route"], raise_exception=True)
def answer(request: PageRequest) -> HttpResponse:
    """Says whether the views of two cameras overlap."""
    start, end = (get_object_or_404(Camera, pk=parse_id(request.POST.get(name))) for name in ("start", "end"))
    overlaps = request.POST.get("overlaps") == "1"
    try:
        services.state_overlap(actor=request.user, start=start, end=end, overlaps=overlaps)
    except RouteError as error:
        messages.error(request, str(error))
    else:
        said = "overlap" if overlaps else "do not overlap"
        messages.success(
            request, f"Stated: the views of {start} and {end} {said}. What depends on it is looked at again."
        )
    return go_to(request, reverse("routes"))


def _route_page(request: PageRequest, row: Route | None, form: RouteForm) -> HttpResponse:
    if request.method == "POST" and form.is_valid():
        try:
            if row is None:
                saved = services.add_route(actor=request.user, **form.values)
            else:
                saved = services.change_route(actor=request.user, route=row, **form.values)
        except RouteError as error:
            form.add_error(error.field if error.field in form.fields else None, str(error))
        else:
            messages.success(request, f"The route {saved} was saved.")
            return go_to(request, reverse("routes"))
    return render_page(request, "cameras/route_form.html", {"form": form, "route": row})


def _routes() -> QuerySet[Route]:
    joined = Route.objects.select_related("start", "end")
    sealed = ("sealed_source", "sealed_detail")
    return joined.defer(*(f"{end}__{name}" for end in ("start", "end") for name in sealed))
