"""One alert: its page, and what people do about it. Every deed is a form that works without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.forms import Form
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.http import content_disposition_header, url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from accounts.htmx import PageRequest, render_page, wants_partial
from alerts import attachments, exports, lifecycle, reviews, selectors
from alerts.alert_forms import AssignForm, AttachForm, CommentForm, DismissForm, ExportForm, ReviewForm
from alerts.chronicle import happenings
from alerts.errors import AlertError
from alerts.models import Alert, Attachment, Dismissal, NotThisPerson, Review, Trigger
from config.ranges import part_of

FormT = TypeVar("FormT", bound=Form)
_CHANGE = "alerts.change_alert"


@require_safe
@permission_required("alerts.view_alert", raise_exception=True)
def alert(request: PageRequest, pk: int) -> HttpResponse:
    """One alert: both pictures, what the similarity means, what happened, and what can be done."""
    row = get_object_or_404(selectors.alerts().select_related("sighting__person"), pk=pk)
    user = request.user
    sighting = row.sighting
    files = list(Attachment.objects.filter(alert=row).defer("sealed").select_related("added_by"))
    clip = next((file for file in files if file.is_clip), None)
    context = {
        "alert": row,
        "may_deal": user.has_perm(_CHANGE),
        "is_open": row.state in lifecycle.OPEN,
        "happenings": happenings(row, user),
        "progress": reviews.progress(row, user) if row.reviews_needed else None,
        "may_review": bool(row.reviews_needed) and reviews.may_review(user),
        "answers": reviews.shown(row),
        "attachments": files,
        "clip": clip,
        "awaits_clip": clip is None and attachments.awaits_clip(row),
        "mistakes": NotThisPerson.objects.filter(alert=row).defer("sealed"),
        "is_somebody_else": _is_somebody_else(row),
        "person_now": sighting.person if sighting is not None else None,
        "comment_form": CommentForm(),
        "dismiss_form": DismissForm(alert=row, auto_id="dismiss-%s"),
        "assign_form": AssignForm(initial={"to": row.assigned_to_id}),
        "review_form": ReviewForm(auto_id="review-%s"),
        "attach_form": AttachForm(),
        "export_form": ExportForm(auto_id="export-%s"),
    }
    partial = "clip" if request.GET.get("part") == "clip" else "history"
    return render_page(request, "alerts/detail.html", context, partial=partial)


def _is_somebody_else(row: Alert) -> bool:
    """Whether the sighting says another name by now.

    A crowd is about nobody. A face that was raised as a stranger's, because it is remembered as not being somebody's,
    is not theirs either.
    """
    sighting = row.sighting
    if sighting is None or row.trigger == Trigger.CROWD or sighting.person_id == row.person_id:
        return False
    return row.person_id is not None or not NotThisPerson.objects.filter(person=sighting.person_id).exists()


@require_POST
@permission_required(_CHANGE, raise_exception=True)
def acknowledge(request: PageRequest, pk: int) -> HttpResponse:
    """Marks an alert as seen. Where somebody was faster, it says who."""
    row = get_object_or_404(Alert, pk=pk)
    done = lifecycle.acknowledge(actor=request.user, alert=row)
    if wants_partial(request):
        return _row(request, pk)
    if done:
        messages.success(request, "The alert is acknowledged.")
    else:
        messages.info(request, lifecycle.too_late(row))
    return _back(request, pk)


@require_POST
@permission_required(_CHANGE, raise_exception=True)
def confirm(request: PageRequest, pk: int) -> HttpResponse:
    """Says that the alert is right."""

    def deed(row: Alert) -> str:
        lifecycle.confirm(actor=request.user, alert=row)
        return "The alert is confirmed."

    return _act(request, pk, deed)


@require_POST
@permission_required(_CHANGE, raise_exception=True)
def dismiss(request: PageRequest, pk: int) -> HttpResponse:
    """Says that nothing is to be done, and why."""

    def deed(row: Alert) -> str:
        form = _valid(DismissForm(request.POST, alert=row))
        reason = Dismissal(form.cleaned_data["reason"])
        lifecycle.dismiss(actor=request.user, alert=row, reason=reason, note=form.cleaned_data["note"])
        return "The alert is dismissed."

    return _act(request, pk, deed)


@require_POST
@permission_required(_CHANGE, raise_exception=True)
def close(request: PageRequest, pk: int) -> HttpResponse:
    """Puts the alert away."""

    def deed(row: Alert) -> str:
        lifecycle.close(actor=request.user, alert=row)
        return "The alert is closed."

    return _act(request, pk, deed)


@require_POST
@permission_required(_CHANGE, raise_exception=True)
def reopen(request: PageRequest, pk: int) -> HttpResponse:
    """Takes the alert up again."""

    def deed(row: Alert) -> str:
        lifecycle.reopen(actor=request.user, alert=row)
        return "The alert is open again."

    return _act(request, pk, deed)


@require_POST
@permission_required(_CHANGE, raise_exception=True)
def assign(request: PageRequest, pk: int) -> HttpResponse:
    """Says who deals with the alert."""

    def deed(row: Alert) -> str:
        to = _valid(AssignForm(request.POST)).cleaned_data["to"]
        lifecycle.assign(actor=request.user, alert=row, to=to)
        return f"The alert is assigned to {to.get_username()}." if to else "The alert is assigned to nobody."

    return _act(request, pk, deed)


@require_POST
@permission_required(_CHANGE, raise_exception=True)
def comment(request: PageRequest, pk: int) -> HttpResponse:
    """Adds a remark."""

    def deed(row: Alert) -> str:
        text = _valid(CommentForm(request.POST)).cleaned_data["text"]
        lifecycle.comment(actor=request.user, alert=row, text=text)
        return "The comment is added."

    return _act(request, pk, deed)


@require_POST
@permission_required("alerts.review_alert", raise_exception=True)
def review(request: PageRequest, pk: int) -> HttpResponse:
    """Takes one reviewer's answer."""

    def deed(row: Alert) -> str:
        form = _valid(ReviewForm(request.POST))
        answer = Review.Answer(form.cleaned_data["answer"])
        outcome = reviews.review(actor=request.user, alert=row, answer=answer, note=form.cleaned_data["note"])
        if outcome.verdict is Review.Answer.SAME:
            return "Enough reviewers agree: it is the same person. The alert is confirmed."
        if outcome.verdict is Review.Answer.DIFFERENT:
            return "Enough reviewers agree: it is not this person. The alert is dismissed."
        if outcome.progress.asks_for_more:
            return "Your answer is kept. The reviewers do not agree so far: one more trained person is asked."
        return f"Your answer is kept. {outcome.progress.answered} of {outcome.progress.needed} have answered."

    return _act(request, pk, deed)


@require_POST
@permission_required(_CHANGE, raise_exception=True)
def attach(request: PageRequest, pk: int) -> HttpResponse:
    """Adds a file."""

    def deed(row: Alert) -> str:
        name, data = _valid(AttachForm(request.POST, request.FILES)).sent()
        made = attachments.attach(actor=request.user, alert=row, name=name, data=data)
        return f"{made.name} is attached."

    return _act(request, pk, deed)


@require_safe
@permission_required("alerts.view_alert", raise_exception=True)
def attachment(request: PageRequest, pk: int, attachment_pk: int) -> HttpResponse:
    """A file as it was added: pictures and clips are shown, everything else is downloaded, and nothing of it is run."""
    row = get_object_or_404(Attachment, pk=attachment_pk, alert=pk)
    if row.is_clip and not request.user.has_perm("cameras.view_sighting"):
        raise PermissionDenied
    opened = attachments.open_one(row)
    shown = opened.is_image or row.is_clip
    response = part_of(request, opened.data, opened.media_type)
    response["Content-Disposition"] = content_disposition_header(not shown, opened.name) or "attachment"
    # A browser plays a clip that is opened by itself only from a page that may load it.
    allowed = "media-src 'self'" if row.is_clip else "sandbox"
    response["Content-Security-Policy"] = f"default-src 'none'; {allowed}"
    response["Cache-Control"] = "no-store"
    return response


@require_POST
@permission_required(_CHANGE, raise_exception=True)
def remove_attachment(request: PageRequest, pk: int, attachment_pk: int) -> HttpResponse:
    """Takes a file away."""
    file = get_object_or_404(Attachment.objects.defer("sealed").select_related("alert"), pk=attachment_pk, alert=pk)

    def deed(row: Alert) -> str:
        attachments.remove(actor=request.user, attachment=file)
        return f"{file.name} is removed."

    return _act(request, pk, deed)


@require_POST
@permission_required("alerts.export_alert", raise_exception=True)
def export(request: PageRequest, pk: int) -> HttpResponse:
    """The alert as evidence, to be downloaded."""
    row = get_object_or_404(selectors.alerts(), pk=pk)
    try:
        form = _valid(ExportForm(request.POST))
        made = exports.export(actor=request.user, alert=row, reason=form.cleaned_data["reason"])
    except AlertError as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(reverse("alert", args=[pk]))
    response = HttpResponse(made.data, content_type="application/zip")
    response["Content-Disposition"] = content_disposition_header(True, made.name) or "attachment"
    response["Cache-Control"] = "no-store"
    return response


def _act(request: PageRequest, pk: int, deed: Callable[[Alert], str]) -> HttpResponse:
    """Does it, and says so or why not: to a list the alert as it is now, else on the page where the form was sent."""
    row = get_object_or_404(Alert, pk=pk)
    said, problem = "", ""
    try:
        said = deed(row)
    except AlertError as error:
        problem = str(error)
    if wants_partial(request):
        return _row(request, pk, problem)
    if problem:
        messages.error(request, problem)
    else:
        messages.success(request, said)
    return _back(request, pk)


def _row(request: PageRequest, pk: int, problem: str = "") -> HttpResponse:
    """The alert in a list, as the user may see it, with what a page counts."""
    context = {
        "alert": get_object_or_404(selectors.alerts(), pk=pk),
        "may_acknowledge": request.user.has_perm(_CHANGE),
        "may_review": request.user.has_perm("alerts.review_alert"),
        "counts": selectors.counts(),
        "problem": problem,
    }
    return render_page(request, "alerts/partials/_done.html", context)


def _back(request: PageRequest, pk: int) -> HttpResponse:
    """To where the form was sent from, as far as that is one of our pages."""
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return HttpResponseRedirect(back if safe else reverse("alert", args=[pk]))


def _valid(form: FormT) -> FormT:
    """The form where it can be used. Raises AlertError with what is wrong."""
    if not form.is_valid():
        raise AlertError(" ".join(str(error) for errors in form.errors.values() for error in errors))
    return form
