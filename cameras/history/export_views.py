"""Exports of history from pages: a form that says why, and a file that is streamed."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from accounts.htmx import PageRequest, go_to
from cameras.history import exporting
from cameras.history.exporting import Export
from cameras.history.filters import Filters, HistoryForm
from cameras.history.views import within
from cameras.models import Identity
from recognition.errors import RecognitionError


@require_POST
@permission_required("cameras.export_identity", raise_exception=True)
@permission_required("cameras.view_sighting", raise_exception=True)
def export_history(request: PageRequest, kind: str) -> HttpResponseBase:
    """All sightings by the filters of the form."""
    return _export(request, kind, Filters(), reverse("history"))


@require_POST
@permission_required("cameras.export_identity", raise_exception=True)
@permission_required("cameras.view_sighting", raise_exception=True)
def export_identity(request: PageRequest, pk: int, kind: str) -> HttpResponseBase:
    """One identity's, by the filters of the form."""
    row = get_object_or_404(Identity, pk=pk, merged_into=None)
    return _export(request, kind, Filters(identity=row.pk), reverse("identity", args=[pk]))


def _export(request: PageRequest, kind: str, fixed: Filters, page: str) -> HttpResponseBase:
    if kind not in exporting.TYPES:
        raise Http404
    form = HistoryForm(request.POST)
    said = {name: str(value) for name, value in request.POST.items() if name in form.fields and value}
    back = f"{page}?{urlencode(said)}" if said else page
    if not form.is_valid():
        messages.error(request, "The filters make no sense, so nothing was exported. Correct them below.")
        return go_to(request, back)
    filters = within(form.filters, fixed)
    try:
        export = exporting.begin(actor=request.user, kind=kind, filters=filters, reason=request.POST.get("reason", ""))
    except RecognitionError as error:
        messages.error(request, str(error))
        return go_to(request, back)
    return streamed(export)


def streamed(export: Export) -> StreamingHttpResponse:
    """The file as an answer, sent as it is written."""
    headers = {
        "Content-Disposition": f'attachment; filename="{export.name}"',
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",  # a proxy that collects the answer first would hold all of it
    }
    return StreamingHttpResponse(exporting.written(export), content_type=exporting.TYPES[export.kind], headers=headers)
