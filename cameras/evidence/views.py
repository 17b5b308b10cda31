"""The page that exports a package of evidence about an identity."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods

from accounts.htmx import PageRequest, render_page
from cameras.evidence import gathering, writing
from cameras.evidence.gathering import EvidenceError, Wanted
from cameras.models import CASE_LENGTH, REASON_LENGTH, Camera, Identity

LISTED = 100  # sightings that can be chosen one by one
_MOMENT = "%Y-%m-%dT%H:%M"


def _moment(label: str) -> forms.DateTimeField:
    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=_MOMENT)
    return forms.DateTimeField(required=False, widget=widget, label=label)


class SightingsField(forms.TypedMultipleChoiceField):
    """Ids of sightings. Whether they are theirs is asked when they are read."""

    def valid_value(self, value: Any) -> bool:
        try:
            uuid.UUID(str(value))
        except ValueError:
            return False
        return True


class EvidenceForm(forms.Form):
    """Which sightings, and why."""

    since = _moment("Seen from")
    until = _moment("Seen until")
    cameras = forms.ModelMultipleChoiceField(
        Camera.objects.all(), required=False, widget=forms.CheckboxSelectMultiple, label="Cameras"
    )
    doubted = forms.BooleanField(
        required=False,
        label="Also sightings that are doubted",
        help_text="They can not be theirs by time and place; the report says of each why.",
    )
    case_number = forms.CharField(
        max_length=CASE_LENGTH, label="Case number", widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    reason = forms.CharField(
        max_length=REASON_LENGTH,
        label="Reason",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="For what the package is needed. It stands in the report and in the audit trail.",
    )
    only = SightingsField(required=False, coerce=uuid.UUID)

    @property
    def wanted(self) -> Wanted:
        """What was typed, for the services."""
        values = self.cleaned_data
        return Wanted(
            reason=values["reason"],
            case_number=values["case_number"],
            since=values["since"],
            until=values["until"],
            cameras=tuple(camera.pk for camera in values["cameras"]),
            doubted=values["doubted"],
            only=tuple(values["only"]),
        )


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(["cameras.export_identity", "cameras.view_sighting"], raise_exception=True)
def evidence(request: PageRequest, pk: int) -> HttpResponseBase:
    """Asks what shall be in the package and why, and then sends it."""
    identity = get_object_or_404(Identity.objects.select_related("person"), pk=pk)
    if identity.merged_into_id is not None and request.method != "POST":
        return redirect("evidence", pk=identity.merged_into_id)
    form = EvidenceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            package = gathering.begin(actor=request.user, identity=identity, wanted=form.wanted)
        except EvidenceError as error:
            form.add_error(error.field or None, str(error))
        else:
            return _sent(package)
    everything = gathering.chosen(identity, Wanted(reason="", case_number="", doubted=True))
    context = {"form": form, "identity": identity, "sightings": list(everything.reverse()[:LISTED]), "listed": LISTED}
    return render_page(request, "cameras/evidence.html", context)


def _sent(package: gathering.Package) -> StreamingHttpResponse:
    headers = {
        "Content-Disposition": f'attachment; filename="{package.name}"',
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",  # a proxy that collects the answer first would hold all of it
    }
    return StreamingHttpResponse(writing.written(package), content_type="application/zip", headers=headers)
