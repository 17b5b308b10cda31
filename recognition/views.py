"""Pages about people: the list, editing and deletion."""

from __future__ import annotations

import logging

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.htmx import PageRequest, go_to, render_page
from accounts.ids import parse_id
from accounts.pictures import placeholder, private_jpeg
from accounts.vault import VaultError
from recognition import selectors, services, watchlist_services
from recognition.errors import RecognitionError
from recognition.forms import PersonForm
from recognition.models import Person, Watchlist

_log = logging.getLogger(__name__)
_PEOPLE_A_PAGE = 48


@require_safe
@permission_required("recognition.view_person", raise_exception=True)
def people(request: PageRequest) -> HttpResponse:
    """Everybody who is enrolled."""
    search = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    watchlist = parse_id(request.GET.get("watchlist"))
    found = selectors.people(search=search, watchlist=watchlist)
    context = {
        "page": Paginator(found, _PEOPLE_A_PAGE).get_page(request.GET.get("page")),
        "q": search,
        "watchlist": watchlist,
        "watchlists": Watchlist.objects.all(),
        "anybody": bool(search or watchlist) or Person.objects.exists(),
    }
    return render_page(request, "recognition/people.html", context, partial="results")


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("recognition.change_person", raise_exception=True)
def edit_person(request: PageRequest, pk: int) -> HttpResponse:
    """Changes a person's name, notes and watchlists."""
    person = get_object_or_404(Person, pk=pk)
    form = PersonForm(request.POST or None, person=person)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            services.rename_person(actor=request.user, person=person, name=values["name"], notes=values["notes"])
        except RecognitionError as error:
            form.add_error("name", str(error))
        else:
            watchlist_services.set_watchlists(actor=request.user, person=person, watchlists=values["watchlists"])
            messages.success(request, "Saved.")
            return go_to(request, reverse("person", args=[person.pk]))
    return render_page(request, "recognition/edit_person.html", {"form": form, "person": person})


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("recognition.delete_person", raise_exception=True)
def delete_person(request: PageRequest, pk: int) -> HttpResponse:
    """Asks, and then deletes a person with all photos and templates."""
    person = get_object_or_404(Person, pk=pk)
    if request.method == "POST":
        name = person.name
        services.delete_person(actor=request.user, person=person)
        messages.success(request, f"{name} was deleted, with all photos and templates.")
        return go_to(request, reverse("people"))
    context = {"person": person, "photos": person.photos.count()}
    return render_page(request, "recognition/delete_person.html", context)


@require_safe
@permission_required("recognition.view_person", raise_exception=True)
def portrait(request: PageRequest, pk: int) -> HttpResponse:
    """A person's portrait, or a neutral drawing where there is none or it can not be opened."""
    try:
        jpeg = selectors.portrait(pk)
    except VaultError as error:
        _log.error("The portrait of person %s can not be shown: %s", pk, error)
        jpeg = None
    return private_jpeg(request, jpeg) if jpeg is not None else placeholder("face")
