"""Pages about how one or two people moved."""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.htmx import PageRequest, go_to, render_page, wants_partial
from cameras.models import Identity
from cameras.movement.asked import DAYS, asked
from cameras.movement.person_page import compare_page, person_page
from cameras.movement.together import NEAR
from cameras.movement.who import UnknownWho, find, last_of

_USUAL_DAYS = 7
_USUAL_COMPARED = 30


@require_safe
@permission_required("cameras.view_sighting", raise_exception=True)
def identity(request: PageRequest, pk: int) -> HttpResponse:
    """The path and habits of an identity; for HTMX without the page around them, or only the path (`part=path`). One
    that turned out to be another leads there."""
    row = get_object_or_404(Identity.objects.select_related("person"), pk=pk)
    known = last_of(row)
    if known.pk != row.pk:
        return go_to(request, reverse("movement_identity", args=[known.pk]))
    span = asked(request.GET, usual=_USUAL_DAYS)
    context = {
        "identity": row,
        "brief": wants_partial(request) and request.GET.get("part") == "path",
        "asked": span,
        "all_days": DAYS,
        "page": person_page(row, span, with_zones=request.user.has_perm("cameras.view_zone")),
    }
    return render_page(request, "cameras/movement/identity.html", context, partial="movement")


@require_safe
@permission_required("cameras.view_sighting", raise_exception=True)
def compare(request: PageRequest) -> HttpResponse:
    """Were two people together? `a` and `b` name them: numbers of identities, or people's names."""
    span = asked(request.GET, usual=_USUAL_COMPARED)
    texts = [request.GET.get(key, "").strip() for key in ("a", "b")]
    found: list[Identity | None] = []
    problems: list[str] = []
    for text in texts:
        row, problem = _found(text)
        found.append(row)
        problems.append(problem)
    first, second = found
    page = None
    if first is not None and second is not None:
        if first.pk == second.pk:
            problems[1] = f"Both are {first}. Choose two different people."
        else:
            page = compare_page(first, second, span)
    context = {
        "first": first,
        "second": second,
        "texts": texts,
        "problems": problems,
        "asked": span,
        "all_days": DAYS,
        "near": NEAR,
        "page": page,
    }
    return render_page(request, "cameras/movement/compare.html", context)


def _found(text: str) -> tuple[Identity | None, str]:
    """Who is meant, or a sentence on why nobody is."""
    if not text:
        return None, ""
    try:
        return find(text), ""
    except UnknownWho as error:
        return None, str(error)
