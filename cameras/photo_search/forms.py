"""Forms of searches by photo. They check what was typed; services decide and write."""

from __future__ import annotations

from django import forms

from cameras.models import CASE_LENGTH, REASON_LENGTH, Camera, CameraGroup
from cameras.photo_search.asking import Wanted
from recognition.forms import PhotosField, UploadForm
from recognition.services import Upload

_MOMENT = "%Y-%m-%dT%H:%M"


def _moment(label: str) -> forms.DateTimeField:
    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=_MOMENT)
    return forms.DateTimeField(required=False, widget=widget, label=label)


class SearchForm(UploadForm):
    """A photo, and for whom, where and when is searched."""

    photos = PhotosField(
        several=False,
        label="Photo",
        help_text="JPEG, PNG or WebP. If it shows several people you are asked which are meant. The photo is not kept; "
        "the faces that are searched are, encrypted, as long as the result.",
    )
    case_number = forms.CharField(
        max_length=CASE_LENGTH, label="Case number", widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    reason = forms.CharField(
        max_length=REASON_LENGTH,
        label="Reason",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Why this face is searched. Everybody who may search sees it, and it stays in the audit trail.",
    )
    since = _moment("Seen from")
    until = _moment("Seen until")
    groups = forms.ModelMultipleChoiceField(
        CameraGroup.objects.all(), required=False, widget=forms.CheckboxSelectMultiple, label="Groups of cameras"
    )
    cameras = forms.ModelMultipleChoiceField(
        Camera.objects.all(), required=False, widget=forms.CheckboxSelectMultiple, label="Cameras"
    )
    least_similarity = forms.FloatField(
        required=False,
        min_value=-1,
        max_value=1,
        label="Least similarity",
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
        help_text="Candidates below it are not shown. Empty: the nearest ones are, also below the threshold.",
    )
    stored_pictures = forms.BooleanField(
        required=False,
        label="Also look through stored pictures",
        help_text="Slow. It finds also those whose face is not kept any more, in every picture of the span.",
    )

    @property
    def upload(self) -> Upload:
        found: Upload = self.cleaned_data["photos"][0]
        return found

    @property
    def wanted(self) -> Wanted:
        """What was typed, for the services."""
        values = self.cleaned_data
        return Wanted(
            reason=values["reason"],
            case_number=values["case_number"],
            since=values["since"],
            until=values["until"],
            cameras=tuple(values["cameras"]),
            groups=tuple(values["groups"]),
            least_similarity=values["least_similarity"],
            stored_pictures=values["stored_pictures"],
        )
