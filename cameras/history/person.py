"""The page of a person: who they are, and below it the page of their identity."""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from accounts.htmx import PageRequest, render_page
from cameras.history.views import identity_page
from cameras.models import Identity
from recognition.models import Person
from recognition.packs import version_in_use


@require_safe
@permission_required("recognition.view_person", raise_exception=True)
def person(request: PageRequest, pk: int) -> HttpResponse:
    """A person with their history over all cameras, for those who may see what the cameras saw."""
    row = get_object_or_404(Person.objects.prefetch_related("entries__watchlist"), pk=pk)
    profile: dict[str, object] = {
        "person": row,
        "entries_of_lists": row.entries.all(),
        "photos": row.photos.count(),
        "enhanced": list(row.photos.exclude(enhanced="").values_list("enhanced", "for_matching")),
        "templates": row.templates.filter(pack=version_in_use()).count(),
    }
    if not request.user.has_perm("cameras.view_sighting"):
        return render_page(request, "cameras/person.html", profile)
    known = Identity.objects.select_related("person").filter(person=pk).first()
    return identity_page(request, identity=known, person=pk, more=profile)
