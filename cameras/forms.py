"""Forms about cameras. They check what was typed; services decide and write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from cameras.models import Camera
from recognition.models import NAME_LENGTH


class CameraForm(forms.Form):
    """A camera. Of one that exists the source is never shown again, because it may hold a password; empty keeps it."""

    name = forms.CharField(
        max_length=NAME_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Where it looks, such as “North gate”. Alerts and history show this name.",
    )
    source = forms.CharField(
        max_length=2000,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}),
        help_text="An address such as <code>rtsp://user:password@host:554/stream</code>, a video file on the"
        " server, or the number of a USB camera. It is stored encrypted and not shown again.",
    )
    latitude = forms.FloatField(
        required=False,
        min_value=-90,
        max_value=90,
        widget=forms.NumberInput(attrs={"step": "any", "placeholder": "52.52000"}),
    )
    longitude = forms.FloatField(
        required=False,
        min_value=-180,
        max_value=180,
        widget=forms.NumberInput(attrs={"step": "any", "placeholder": "13.40500"}),
    )
    loop = forms.BooleanField(required=False, label="Start a file again when it ends")
    enabled = forms.BooleanField(required=False, initial=True, label="Watch this camera")

    def __init__(self, data: Mapping[str, Any] | None = None, *, camera: Camera | None = None) -> None:
        names = ("name", "latitude", "longitude", "loop", "enabled")
        initial = {name: getattr(camera, name) for name in names} if camera else {}
        super().__init__(data, initial=initial)
        if camera is not None:
            source = self.fields["source"]
            source.required = False
            source.widget.attrs["placeholder"] = "Leave empty to keep the source it has"

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if (values.get("latitude") is None) != (values.get("longitude") is None) and not self.errors:
            raise forms.ValidationError("A place needs both latitude and longitude. Give both, or neither.")
        return values
