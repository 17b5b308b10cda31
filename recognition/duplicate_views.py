"""Pages about people who may be one: the list of look-alikes, and merging two of them."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.htmx import PageRequest, go_to, render_page
from accounts.ids import parse_id
from recognition import duplicates, merging
from recognition.engine import EngineError
from recognition.errors import RecognitionError
from recognition.gallery import gallery
from recognition.models import Person

# Comparing all with all takes about two seconds for so many; with more the command `duplicates` does it.
MAX_TEMPLATES = 30_000
_PAIRS_A_PAGE = 20


@require_safe
@permission_required("recognition.change_person", raise_exception=True)
def look_alikes(request: PageRequest) -> HttpResponse:
    """Pairs of people who may be one."""
    context: dict[str, object] = {"page": None, "too_many": 0}
    try:
        snapshot = gallery()
        if len(snapshot.templates) > MAX_TEMPLATES:
            context["too_many"] = len(snapshot.templates)
        else:
            page = Paginator(duplicates.look_alikes(snapshot), _PAIRS_A_PAGE).get_page(request.GET.get("page"))
            context |= {"page": page, "pairs": duplicates.shown_pairs(list(page))}
        context["threshold"] = snapshot.pack_threshold
    except EngineError as error:
        messages.error(request, str(error))
    return render_page(request, "recognition/duplicates.html", context)


@require_POST
@permission_required("recognition.change_person", raise_exception=True)
def told_apart(request: PageRequest) -> HttpResponse:
    """Notes that two people are not the same."""
    one, other = (get_object_or_404(Person, pk=parse_id(request.POST.get(key)) or 0) for key in ("one", "other"))
    try:
        merging.not_the_same(actor=request.user, one=one, other=other)
        messages.success(request, f"{one.name} and {other.name} are not listed as look-alikes any more.")
    except RecognitionError as error:
        messages.error(request, str(error))
    return go_to(request, reverse("duplicates"))


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(["recognition.change_person", "recognition.delete_person"], raise_exception=True)
def merge(request: PageRequest, pk: int) -> HttpResponse:
    """Says what a merge would do, and does it. `with` names the person who goes."""
    kept = get_object_or_404(Person, pk=pk)
    gone = get_object_or_404(Person, pk=parse_id(request.POST.get("with") or request.GET.get("with")) or 0)
    if request.method == "POST":
        try:
            done = merging.merge(actor=request.user, kept=kept, gone=gone)
        except RecognitionError as error:
            messages.error(request, str(error))
        else:
            photos = "1 photo" if done.photos == 1 else f"{done.photos} photos"
            messages.success(request, f"{gone.name} is now part of {kept.name}: {photos} moved.")
            return go_to(request, reverse("person", args=[kept.pk]))
    context = {"kept": kept, "gone": gone, "merge": merging.preview(kept=kept, gone=gone), "same": kept.pk == gone.pk}
    return render_page(request, "recognition/merge.html", context)
