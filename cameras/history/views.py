"""Pages of history: everybody's sightings, and those of one identity with what they add up to."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.htmx import PageRequest, go_to, render_page, wants_partial
from accounts.ids import parse_id
from cameras.history.filters import Filters, HistoryForm
from cameras.history.naming import set_label
from cameras.history.reading import Page, sightings_page
from cameras.history.summary import SPANS, USUAL_SPAN, Figures, Lasts, Whose, figures, lasts
from cameras.history.words import entries
from cameras.identities import ledger
from cameras.models import Identity
from cameras.selectors import Cursor
from recognition.errors import RecognitionError

PAGE = 30
_TIMELINE = "cameras/partials/_timeline.html"


@require_safe
@permission_required("cameras.view_sighting", raise_exception=True)
def history(request: PageRequest) -> HttpResponse:
    """All sightings by filters, newest first unless asked otherwise. `before` goes on where a page ended."""
    context = timeline(request, Filters()) | {"shows_who": True}
    return render_page(request, _TIMELINE if wants_partial(request) else "cameras/history.html", context)


@require_safe
@permission_required("cameras.view_sighting", raise_exception=True)
def identity(request: PageRequest, pk: int) -> HttpResponse:
    """One identity. The address of one that was made one with another leads to that one."""
    row = get_object_or_404(Identity.objects.select_related("person"), pk=pk)
    if row.merged_into_id is not None:
        return redirect("identity", ledger.final(row.pk))
    return identity_page(request, identity=row)


def identity_page(
    request: PageRequest, *, identity: Identity | None, person: int | None = None, more: dict[str, object] | None = None
) -> HttpResponse:
    """The page of an identity, or of a person with what their own page adds (`more`)."""
    filters = Filters(person=person) if person is not None else Filters(identity=identity.pk if identity else 0)
    context = timeline(request, filters) | (more or {}) | {"identity": identity}
    if wants_partial(request):
        return render_page(request, _TIMELINE, context)
    summary = _summary(Whose(identity=filters.identity, person=person), _days(request))
    template = "cameras/person.html" if more is not None else "cameras/identity.html"
    return render_page(request, template, context | {"summary": summary, "days": _days(request), "spans": SPANS})


def _days(request: PageRequest) -> int:
    days = parse_id(request.GET.get("days"))
    return days if days in SPANS else USUAL_SPAN


@dataclass(frozen=True, slots=True, kw_only=True)
class _Summary:
    lasts: Lasts
    figures: Figures


def _summary(whose: Whose, days: int) -> _Summary:
    """The figures of the days up to the last sighting, so that somebody who was long away has some as well."""
    known = lasts(whose)
    until = known.last.first_seen if known.last is not None else None
    return _Summary(lasts=known, figures=figures(whose, days=days, until=until))


def timeline(request: PageRequest, fixed: Filters) -> dict[str, object]:
    """A page of a timeline by the filters of the address, within those that the page itself has."""
    form = HistoryForm(request.GET)
    found, filters = Page(rows=(), next=None), fixed
    if form.is_valid():
        filters = within(form.filters, fixed)
        cursor = Cursor.parse(request.GET.get("before", ""))
        found = sightings_page(filters, cursor, size=PAGE)
    return {
        "form": form,
        "filters": filters,
        "is_filtered": bool(replace(filters, oldest_first=False).said().keys() - fixed.said().keys()),
        "entries": entries(found.rows),
        "sightings": found.rows,
        "next": found.next,
        "looked_until": found.looked_until,
        "is_later": "before" in request.GET,
    }


def within(asked: Filters, fixed: Filters) -> Filters:
    """What was asked for, about whom the page is about."""
    if fixed.identity is None and fixed.person is None:
        return asked
    return replace(asked, identity=fixed.identity, person=fixed.person)


@require_POST
@permission_required("cameras.change_identity", raise_exception=True)
def label(request: PageRequest, pk: int) -> HttpResponse:
    """Calls somebody unknown by what was typed."""
    row = get_object_or_404(Identity, pk=pk)
    try:
        named = set_label(actor=request.user, identity=row, label=request.POST.get("label", ""))
    except RecognitionError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"They are called {named} from now on.")
    return go_to(request, reverse("identity", args=[pk]))
