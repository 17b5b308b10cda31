"""Pages that put identities right. Each says first what will happen."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.htmx import PageRequest, go_to, render_page
from accounts.ids import parse_id
from cameras.identities import corrections, erasure, ledger, reading
from cameras.identities.errors import CorrectionError
from cameras.identities.forms import MergeForm, ReasonForm, SplitForm
from cameras.identities.undoing import Undone, undo
from cameras.models import Correction, CorrectionKind, Identity, Sighting
from cameras.selectors import Cursor

_METHODS = ["GET", "HEAD", "POST"]
_CHANGE = "cameras.change_identity"
_NOBODY = "There is nobody with this number. Look at their page again."


@require_safe
@permission_required(_CHANGE, raise_exception=True)
def proposals(request: PageRequest) -> HttpResponse:
    """Pairs who may be one person, as the nightly look and the linker have found them."""
    page = Paginator(reading.proposals(), reading.PROPOSALS_A_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "proposals": reading.shown(list(page))}
    return render_page(request, "cameras/identities/proposals.html", context)


@require_http_methods(_METHODS)
@permission_required(_CHANGE, raise_exception=True)
def merge(request: PageRequest, pk: int) -> HttpResponse:
    """Makes one of two. `with` names the other one."""
    identity = _identity(pk)
    if identity.merged_into_id is not None:
        return _moved(request, identity)
    initial = {"other": parse_id(request.GET.get("with")), "reason": request.GET.get("why", "")}
    form = MergeForm(request.POST or None, initial=initial)
    number = form.cleaned_data.get("other") if form.is_bound and not form.errors.get("other") else initial["other"]
    other = Identity.objects.select_related("person").filter(pk=number).first() if number else None
    if form.is_bound and other is None and "other" not in form.errors:
        form.add_error("other", _NOBODY)
    if other is not None and form.is_valid():
        try:
            done = corrections.merge(actor=request.user, kept=identity, gone=other, reason=form.cleaned_data["reason"])
        except CorrectionError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{reading.said(done)} You can undo it on this page, under Corrections.")
            return go_to(request, _page_of(done.identity_id or pk))
    context = {"identity": identity, "form": form, "card": reading.card_of(identity)} | _both(identity, other)
    if request.GET.get("with") and other is None and not form.is_bound:
        context["why_not"] = _NOBODY
    return render_page(request, "cameras/identities/merge.html", context)


@require_http_methods(_METHODS)
@permission_required(_CHANGE, raise_exception=True)
def split(request: PageRequest, pk: int) -> HttpResponse:
    """Takes sightings away from somebody: they are of somebody else."""
    identity = _identity(pk)
    if identity.merged_into_id is not None:
        return _moved(request, identity)
    form = SplitForm(request.POST or None)
    if form.is_valid():
        values = form.cleaned_data
        try:
            done = corrections.split(
                actor=request.user, identity=identity, sightings=values["sightings"], reason=values["reason"]
            )
        except CorrectionError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{reading.said(done)} You can undo it on this page, under Corrections.")
            return go_to(request, _page_of(done.other_id or pk))
    rows = reading.sightings_of(identity, before=Cursor.parse(request.GET.get("before", "")))
    shown = rows[: reading.SIGHTINGS_A_PAGE]
    context = {
        "identity": identity,
        "form": form,
        "sightings": shown,
        "chosen": _chosen(form, "sightings"),
        "next": str(Cursor.of(shown[-1])) if len(rows) > len(shown) else "",
    }
    return render_page(request, "cameras/identities/split.html", context)


@require_http_methods(_METHODS)
@permission_required(_CHANGE, raise_exception=True)
def not_them(request: PageRequest, pk: uuid.UUID) -> HttpResponse:
    """Says of one sighting that it is not whom it was taken for."""
    row = get_object_or_404(Sighting.objects.select_related("identity__person", "person"), pk=pk)
    form = ReasonForm(request.POST or None)
    if form.is_valid():
        try:
            done = corrections.not_them(actor=request.user, sighting=row, reason=form.cleaned_data["reason"])
        except CorrectionError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{reading.said(done)} In a moment it is compared with other unknown faces.")
            return go_to(request, _page_of(done.identity_id or 0))
    context = {"sighting": row, "form": form, "who": row.identity or row.person}
    return render_page(request, "cameras/identities/not_them.html", context)


@require_http_methods(_METHODS)
@permission_required(_CHANGE, raise_exception=True)
def undo_correction(request: PageRequest, pk: int) -> HttpResponse:
    """Takes a correction back."""
    row = get_object_or_404(Correction.objects.select_related("identity__person", "other__person", "person"), pk=pk)
    if request.method == "POST":
        remove = request.POST.get("remove_person") == "on"
        if remove and not request.user.has_perm("recognition.delete_person"):
            raise PermissionDenied
        try:
            done = undo(actor=request.user, correction=row, remove_person=remove)
        except CorrectionError as error:
            messages.error(request, str(error))
        else:
            _tell_undone(request, done)
            return go_to(request, _page_of(ledger.final(row.identity_id or 0)))
    made = row.person if row.kind == CorrectionKind.NAMED and row.detail.get("made_person") else None
    context = {
        "correction": row,
        "what": reading.said(row),
        "can_be_undone": reading.can_be_undone(row) and request.method != "POST",
        "sightings": row.sightings.count(),
        "made": made,
        "added": len(row.detail.get("photos", [])) if made is None and row.person is not None else 0,
    }
    return render_page(request, "cameras/identities/undo.html", context)


@require_http_methods(_METHODS)
@permission_required([_CHANGE, "recognition.delete_person"], raise_exception=True)
def erase(request: PageRequest, pk: int) -> HttpResponse:
    """Wipes everything about somebody unknown."""
    identity = _identity(pk)
    if identity.merged_into_id is not None:
        return _moved(request, identity)
    form = ReasonForm(request.POST or None)
    form.fields["reason"].help_text = "It is asked for so that nobody is erased by accident, and is not kept."
    if form.is_valid():
        try:
            wiped = erasure.erase_identity(actor=request.user, identity=identity, reason=form.cleaned_data["reason"])
        except CorrectionError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"Everything about them was erased: {wiped} sightings are nobody's any more.")
            return go_to(request, reverse("history"))
    context = {"identity": identity, "form": form, "card": reading.card_of(identity)}
    return render_page(request, "cameras/identities/erase.html", context)


@require_safe
@permission_required("cameras.view_sighting", raise_exception=True)
def corrections_of(request: PageRequest, pk: int) -> HttpResponse:
    """What was put right about an identity, and what can be; a part of its page."""
    identity = _identity(pk)
    context = {
        "identity": identity,
        "corrections": reading.corrections(identity),
        "apart": reading.told_apart(identity),
        "proposals": reading.proposed_with(identity) if request.user.has_perm(_CHANGE) else [],
    }
    return render_page(request, "cameras/identities/corrections.html", context, partial="corrections")


@require_POST
@permission_required(_CHANGE, raise_exception=True)
def apart(request: PageRequest) -> HttpResponse:
    """Notes that two are two people."""
    one, other = _posted(request)
    try:
        corrections.told_apart(actor=request.user, one=one, other=other)
        messages.success(request, f"{one} and {other} are two people: they are not proposed as one again.")
    except CorrectionError as error:
        messages.error(request, str(error))
    return go_to(request, reverse("merge_proposals"))


@require_POST
@permission_required(_CHANGE, raise_exception=True)
def together(request: PageRequest) -> HttpResponse:
    """Takes back that two are two people."""
    one, other = _posted(request)
    corrections.together_again(actor=request.user, one=one, other=other)
    messages.success(request, f"{one} and {other} may be one person again.")
    return go_to(request, _page_of(one.pk))


def _identity(pk: int) -> Identity:
    return get_object_or_404(Identity.objects.select_related("person"), pk=pk)


def _posted(request: PageRequest) -> list[Identity]:
    return [_identity(parse_id(request.POST.get(key)) or 0) for key in ("one", "other")]


def _moved(request: PageRequest, identity: Identity) -> HttpResponse:
    """To the page of whom it is part of."""
    try:
        ledger.check_not_merged(identity)
    except CorrectionError as error:
        messages.error(request, str(error))
    return redirect(_page_of(ledger.final(identity.pk)))


def _page_of(pk: int) -> str:
    return reverse("identity", args=[pk]) if Identity.objects.filter(pk=pk).exists() else reverse("history")


def _both(identity: Identity, other: Identity | None) -> dict[str, object]:
    """What merging the two would do; without the other one, who may be the same person."""
    if other is None:
        return {"plan": None, "proposed": reading.proposed_with(identity)}
    try:
        plan = corrections.merging(kept=identity, gone=other)
    except CorrectionError as error:
        return {"plan": None, "why_not": str(error), "proposed": []}
    cards = {card.number: card for card in reading.cards_of([identity.pk, other.pk])}
    return {"plan": plan, "kept": cards[plan.kept.pk], "gone": cards[plan.gone.pk]}


def _chosen(form: forms.Form, name: str) -> Sequence[str]:
    """What was ticked, as it came: it stays ticked where something else is wrong."""
    return form.data.getlist(name) if form.is_bound and hasattr(form.data, "getlist") else ()


def _tell_undone(request: PageRequest, done: Undone) -> None:
    sightings = "1 sighting is" if done.restored == 1 else f"{done.restored} sightings are"
    messages.success(request, f"Undone: {sightings} as before.")
    if done.left:
        was = "1 sighting was" if done.left == 1 else f"{done.left} sightings were"
        messages.warning(request, f"{was} changed again since and left as now. Undo the later correction as well.")
    if done.still_enrolled is not None:
        messages.info(request, f"{done.still_enrolled.name} is still enrolled, with photos. Delete them on their page.")
