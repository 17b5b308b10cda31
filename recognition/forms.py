"""Forms about people, their photos and watchlists. They check what was typed; services decide and write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from recognition.models import NAME_LENGTH, OnDuplicate, Person, Watchlist
from recognition.services import Upload

_ACCEPT = "image/jpeg,image/png,image/webp"
MAX_PHOTOS = 40


class PhotosInput(forms.FileInput):
    allow_multiple_selected = True


class PhotosField(forms.FileField):
    """One or several photos; cleans to a list of uploads. What they show is not looked at here."""

    widget = PhotosInput

    def __init__(self, *, several: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.several = several
        self.widget.attrs.update({"accept": _ACCEPT, "data-max-mb": settings.MAX_PHOTO_MB})
        self.widget.attrs["multiple"] = several

    def clean(self, data: Any, initial: Any = None) -> list[Upload]:
        files: list[UploadedFile[bytes]] = [f for f in (data if isinstance(data, list) else [data]) if f]
        if not files:
            raise forms.ValidationError("No photo came in. Choose a JPEG, PNG or WebP photo and send it again.")
        if len(files) > (MAX_PHOTOS if self.several else 1):
            raise forms.ValidationError(f"{len(files)} photos are too many. Send at most {MAX_PHOTOS} at once.")
        return [Upload(name=file.name or "photo", data=file.read()) for file in files]


class UploadForm(forms.Form):
    """What forms with photos share: they know how big the request is, and say so when it was too big to be read."""

    def __init__(self, *args: Any, content_length: int = 0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.content_length = content_length

    def add_error(self, field: str | None, error: Any) -> None:
        if field in ("photos", "archive") and self.content_length > settings.FILE_UPLOAD_MAX_MEMORY_SIZE:
            limit = settings.FILE_UPLOAD_MAX_MEMORY_SIZE // 2**20
            error = f"This is bigger than {limit} MB. Send fewer photos at once, or use the command enroll_batch."
        super().add_error(field, error)


class PhotosForm(UploadForm):
    """Photos of one person."""

    photos = PhotosField(
        label="Photos",
        help_text="JPEG, PNG or WebP. One person a photo, looking into the camera, in good light."
        " Two or three different photos are better than one.",
    )
    face = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=99,
        label="Which face, where a photo shows several people",
        help_text="1 is the largest face, 2 the next. Leave it empty for photos of one person.",
    )

    def uploads(self) -> list[Upload]:
        """The photos, each with the face that was asked for."""
        uploads: list[Upload] = self.cleaned_data["photos"]
        return [replace(upload, face=self.cleaned_data["face"]) for upload in uploads]


class EnrolForm(PhotosForm):
    """A new person: name, watchlist, photos."""

    name = forms.CharField(max_length=NAME_LENGTH, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    watchlist = forms.ModelChoiceField(
        Watchlist.objects.filter(is_active=True),
        required=False,
        empty_label="No watchlist: recognised, but no alert",
        help_text="Somebody on a watchlist causes an alert when a camera sees them.",
    )
    field_order = ["name", "watchlist", "photos", "face"]


class BatchForm(UploadForm):
    """A ZIP of photos, and if need be a CSV that says whom they show."""

    archive = forms.FileField(
        label="ZIP of photos",
        help_text="A folder a person, named like the person. Photos in no folder are named by their file.",
        widget=forms.FileInput(attrs={"accept": ".zip,application/zip"}),
    )
    table = forms.FileField(
        required=False,
        label="CSV",
        help_text="With the columns name and photo (its path in the ZIP), and as you like watchlist and notes. "
        "It may also lie in the ZIP.",
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
    )
    watchlist = forms.ModelChoiceField(
        Watchlist.objects.filter(is_active=True), required=False, empty_label="No watchlist: recognised, but no alert"
    )
    on_duplicate = forms.ChoiceField(
        choices=OnDuplicate.choices, initial=OnDuplicate.REFUSE, label="When a face is enrolled for somebody else"
    )


class PersonForm(forms.Form):
    """What a person is called, what is noted, and which watchlists they are on."""

    name = forms.CharField(max_length=NAME_LENGTH, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    notes = forms.CharField(required=False, max_length=4000, widget=forms.Textarea(attrs={"rows": 4}))
    watchlists = forms.ModelMultipleChoiceField(
        Watchlist.objects.all(), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, person: Person) -> None:
        on_lists = list(person.entries.values_list("watchlist_id", flat=True))
        super().__init__(data, initial={"name": person.name, "notes": person.notes, "watchlists": on_lists})


class WatchlistForm(forms.ModelForm[Watchlist]):
    """A watchlist. Only checks: it is saved by the services."""

    class Meta:
        model = Watchlist
        fields = ["name", "category", "purpose", "legal_basis", "threshold", "is_active"]
        labels = {"is_active": "Active", "threshold": "Similarity threshold"}
        widgets = {
            "purpose": forms.Textarea(attrs={"rows": 3}),
            "legal_basis": forms.Textarea(attrs={"rows": 3}),
            "threshold": forms.NumberInput(attrs={"step": "0.001", "min": "-1", "max": "1"}),
        }
