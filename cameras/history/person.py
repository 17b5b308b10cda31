"""The page of a person: who they are, and where and when the cameras saw them."""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from accounts.htmx import PageRequest, render_page
from cameras import selectors
from recognition.models import Person
from recognition.packs import version_in_use

_SIGHTINGS_A_PAGE = 30


@require_safe
@permission_required("recognition.view_person", raise_exception=True)
def person(request: PageRequest, pk: int) -> HttpResponse:
    """A person with their history over all cameras, newest first. `before` goes on where a page ended."""
    row = get_object_or_404(Person.objects.prefetch_related("entries__watchlist"), pk=pk)
    context: dict[str, object] = {
        "person": row,
        "entries": row.entries.all(),
        "photos": row.photos.count(),
        "enhanced": list(row.photos.exclude(enhanced="").values_list("enhanced", "for_matching")),
        "templates": row.templates.filter(pack=version_in_use()).count(),
    }
    if request.user.has_perm("cameras.view_sighting"):
        before = selectors.Cursor.parse(request.GET.get("before", ""))
        found = list(selectors.seen_before(before, person=pk)[: _SIGHTINGS_A_PAGE + 1])
        shown = found[:_SIGHTINGS_A_PAGE]
        context |= {
            "history": selectors.summary(pk),
            "sightings": shown,
            "is_later": before is not None,
            "next": selectors.Cursor.of(shown[-1]) if len(found) > len(shown) else None,
        }
    return render_page(request, "cameras/person.html", context, partial="sightings")
