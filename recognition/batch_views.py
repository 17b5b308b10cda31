"""Pages of batch enrolment: the list, a new import, one import with its progress and report."""

from __future__ import annotations

import io

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.htmx import PageRequest, go_to, render_page
from recognition import batches
from recognition.batch_sources import BatchError, ZipSource
from recognition.batch_tasks import begin
from recognition.enrol_views import content_length
from recognition.forms import BatchForm
from recognition.models import Batch, BatchPhoto, OnDuplicate

MAY = ["recognition.add_person", "recognition.change_person"]
_BATCHES_A_PAGE = 20
_PHOTOS_A_PAGE = 100


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(MAY, raise_exception=True)
def imports(request: PageRequest) -> HttpResponse:
    """Earlier imports, and the form for a new one."""
    form = BatchForm(request.POST or None, request.FILES or None, content_length=content_length(request))
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        table = values["table"].read() if values["table"] else None
        try:
            source = ZipSource(io.BytesIO(values["archive"].read()), label=values["archive"].name, table=table)
            batch = batches.start(
                actor=request.user,
                source=source,
                watchlist=values["watchlist"],
                on_duplicate=OnDuplicate(values["on_duplicate"]),
            )
        except BatchError as error:
            form.add_error("archive", str(error))
        else:
            begin(batch.pk)
            return go_to(request, reverse("import", args=[batch.pk]))
    page = Paginator(Batch.objects.select_related("asked_by"), _BATCHES_A_PAGE).get_page(request.GET.get("page"))
    progress = batches.progress_of(list(page))
    context = {"form": form, "page": page, "batches": [(batch, progress[batch.pk]) for batch in page]}
    return render_page(request, "recognition/imports.html", context, partial="form" if request.method == "POST" else "")


@require_safe
@permission_required(MAY, raise_exception=True)
def one_import(request: PageRequest, pk: int) -> HttpResponse:
    """One import: how far it is, and what became of each photo."""
    batch = get_object_or_404(Batch.objects.select_related("asked_by", "watchlist"), pk=pk)
    state = request.GET.get("state", "")
    rows = batch.photos.defer("sealed").select_related("person")
    if state in BatchPhoto.State.values:
        rows = rows.filter(state=state)
    progress = batches.progress(batch)
    context = {
        "batch": batch,
        "progress": progress,
        "page": Paginator(rows, _PHOTOS_A_PAGE).get_page(request.GET.get("page")),
        "state": state,
        "states": _outcomes(progress, state),
        "running": batch.state == Batch.State.RUNNING,
    }
    return render_page(request, "recognition/import.html", context, partial="progress")


@require_safe
@permission_required(MAY, raise_exception=True)
def import_report(request: PageRequest, pk: int) -> HttpResponseBase:
    """The report of an import as CSV."""
    batch = get_object_or_404(Batch, pk=pk)
    return csv_report(batch)


@require_POST
@permission_required(MAY, raise_exception=True)
def cancel_import(request: PageRequest, pk: int) -> HttpResponse:
    """Stops an import."""
    batch = get_object_or_404(Batch, pk=pk)
    if batches.cancel(actor=request.user, batch=batch):
        messages.success(request, "The import was stopped. What is enrolled stays; the other photos are forgotten.")
    else:
        messages.info(request, "The import was over already.")
    return go_to(request, reverse("import", args=[batch.pk]))


def csv_report(batch: Batch) -> HttpResponseBase:
    """The report as a file to download."""
    response = StreamingHttpResponse(batches.report_lines(batch), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="import-{batch.pk}.csv"'
    response["Cache-Control"] = "no-store"
    return response


def _outcomes(progress: batches.Progress, shown: str) -> list[tuple[str, str, int]]:
    """The outcomes that photos of this import have, and the one that is shown: value, words, how many."""
    counts = [(value, label, int(getattr(progress, value))) for value, label in BatchPhoto.State.choices]
    return [one for one in counts if one[2] or one[0] == shown]
