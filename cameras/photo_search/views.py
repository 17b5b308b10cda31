"""Pages of searches by photo: a new one and earlier ones, one search with its progress and what it found."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.htmx import PageRequest, go_to, render_page
from accounts.ids import parse_id
from cameras.models import PhotoSearch, SearchSource, SearchState
from cameras.photo_search import asking, pictures, results
from cameras.photo_search.errors import SearchError
from cameras.photo_search.forms import SearchForm
from recognition.engine import EngineError
from recognition.enrol_views import content_length

MAY = ["recognition.identify_person", "cameras.view_sighting"]
_SEARCHES_A_PAGE = 20
_FIELDS = {"photo": "photos"}  # where the form calls it otherwise


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(MAY, raise_exception=True)
def photo_searches(request: PageRequest) -> HttpResponse:
    """The form for a new search, and earlier ones, by case number if that is asked for."""
    form = SearchForm(request.POST or None, request.FILES or None, content_length=content_length(request))
    if request.method == "POST" and form.is_valid():
        try:
            search = asking.ask(actor=request.user, upload=form.upload, wanted=form.wanted, choose=True)
        except SearchError as error:
            field = _FIELDS.get(error.field, error.field)
            form.add_error(field if field in form.fields else None, str(error))
        except EngineError as error:
            form.add_error("photos", str(error))
        else:
            return go_to(request, reverse("photo_search", args=[search.pk]))
    case = request.GET.get("case", "").replace("\x00", "").strip()[:100]
    rows = PhotoSearch.objects.filter(begun_at__isnull=False).prefetch_related("parts")
    if case:
        rows = rows.filter(case_number__icontains=case)
    context = {
        "form": form,
        "case": case,
        "page": Paginator(rows, _SEARCHES_A_PAGE).get_page(request.GET.get("page")),
    }
    return render_page(
        request, "cameras/photo_searches.html", context, partial="form" if request.method == "POST" else ""
    )


@require_safe
@permission_required(MAY, raise_exception=True)
def photo_search(request: PageRequest, pk: uuid.UUID) -> HttpResponse:
    """One search: which faces are meant, how far it is, and what it found."""
    search = _found(pk)
    if search.begun_at is None:
        return _choice(request, search)
    asking.looked(actor=request.user, search=search)
    parts = {part.source: part for part in search.parts.all()}
    stored = parts.get(SearchSource.PICTURES)
    again = stored is None or stored.state in (SearchState.FAILED, SearchState.CANCELLED)
    context = {
        "search": search,
        "running": not search.is_over,
        "parts": list(parts.values()),
        "stored": stored,
        "seconds_left": (stored.total - stored.done) * pictures.seconds_each() if stored is not None else 0,
        "estimate": pictures.estimate(search) if again and search.is_over else None,
        "faces": results.results(search),
        "not_searched": results.not_searched(search),
        "looks": list(search.looks.all()),
        "may_change": asking.may_change(request.user, search),
        "kept_days": settings.PHOTO_SEARCH_DAYS,
    }
    return render_page(request, "cameras/photo_search.html", context, partial="found")


@require_POST
@permission_required(MAY, raise_exception=True)
def start(request: PageRequest, pk: uuid.UUID) -> HttpResponse:
    """Begins a search for the faces that are meant."""
    search = _own(request, _found(pk))
    try:
        asking.start(actor=request.user, search=search, faces=_numbers(request.POST.getlist("face")))
    except SearchError as error:
        messages.error(request, str(error))
    except EngineError as error:
        messages.error(request, f"The search can not begin: {error}")
    return go_to(request, reverse("photo_search", args=[pk]))


@require_POST
@permission_required(MAY, raise_exception=True)
def stored_pictures(request: PageRequest, pk: uuid.UUID) -> HttpResponse:
    """Has stored pictures looked through as well."""
    search = _own(request, _found(pk))
    try:
        asking.also_pictures(actor=request.user, search=search)
    except SearchError as error:
        messages.error(request, str(error))
    return go_to(request, reverse("photo_search", args=[pk]))


@require_POST
@permission_required(MAY, raise_exception=True)
def cancel(request: PageRequest, pk: uuid.UUID) -> HttpResponse:
    """Stops a search; what was found stays."""
    search = _own(request, _found(pk))
    if asking.cancel(actor=request.user, search=search):
        messages.success(request, "The search was stopped. What was found until then stays.")
    else:
        messages.info(request, "The search was over already.")
    return go_to(request, reverse("photo_search", args=[pk]))


@require_POST
@permission_required(MAY, raise_exception=True)
def delete(request: PageRequest, pk: uuid.UUID) -> HttpResponse:
    """Deletes a search with what it found."""
    asking.delete(actor=request.user, search=_own(request, _found(pk)))
    messages.success(request, "The search was deleted, with the faces that were searched and what was found.")
    return go_to(request, reverse("photo_searches"))


def _choice(request: PageRequest, search: PhotoSearch) -> HttpResponse:
    """Asks which of several faces are meant."""
    _own(request, search)
    faces = [(face.number, results.picture(search, face)) for face in search.faces.defer(None)]
    return render_page(request, "cameras/photo_search_choose.html", {"search": search, "faces": faces})


def _found(pk: uuid.UUID) -> PhotoSearch:
    return get_object_or_404(PhotoSearch.objects.prefetch_related("parts"), pk=pk)


def _own(request: PageRequest, search: PhotoSearch) -> PhotoSearch:
    """The search, where it is theirs to change."""
    if not asking.may_change(request.user, search):
        raise PermissionDenied
    return search


def _numbers(texts: Collection[str]) -> list[int]:
    return [number for number in map(parse_id, texts) if number is not None]
