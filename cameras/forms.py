"""Forms about cameras. They check what was typed; services decide and write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from django import forms
from django.conf import settings

from cameras.masks import Polygon, clean_masks
from cameras.models import Camera, Decoding, Priority, Transport
from cameras.schedule import parse_schedule
from cameras.values import DETECT_FPS, LONGEST_SCHEDULE, SENSITIVITY, CameraValues
from recognition.models import NAME_LENGTH

_NEVER_SHOWN = ("source", "detail", "remove_detail")
_CHOSEN = ("transport", "priority", "idle_decoding", "sensitivity")
_PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}


class Slider(forms.NumberInput):
    """A number that is dragged; a script writes it beside the slider."""

    input_type = "range"


class MasksField(forms.CharField):
    """Polygons as JSON text, for who has no script; a script draws them on the camera's picture."""

    widget = forms.Textarea

    def prepare_value(self, value: object) -> object:
        return json.dumps(value) if isinstance(value, list) and value else value or ""

    def to_python(self, value: object) -> Any:
        return value if isinstance(value, list) else super().to_python(value)

    def clean(self, value: object) -> list[Polygon]:
        try:
            return clean_masks(self.to_python(value))
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None


class CameraForm(forms.Form):
    """A camera. Of one that exists the sources are never shown again, because they may hold a password; empty keeps."""

    name = forms.CharField(
        max_length=NAME_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Where it looks, such as “North gate”. Alerts and history show this name.",
    )
    source = forms.CharField(
        max_length=2000,
        widget=forms.TextInput(attrs=_PLAIN),
        help_text="An address such as <code>rtsp://user:password@host:554/stream</code>, a video file or a folder of"
        " pictures on the server, the number of a USB camera, or <code>pattern:</code> for a test picture. It is stored"
        " encrypted and not shown again.",
    )
    detail = forms.CharField(
        max_length=2000,
        required=False,
        label="Second stream",
        widget=forms.TextInput(attrs=_PLAIN),
        help_text="The same view in more detail. Faces are looked for in the small stream above, and recognised from"
        " this one where it shows them larger.",
    )
    remove_detail = forms.BooleanField(required=False, label="Forget the second stream")
    transport = forms.ChoiceField(
        choices=Transport.choices,
        initial=Transport.TCP,
        label="RTSP over",
        help_text="TCP loses nothing and passes firewalls. UDP has less delay on a good line.",
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
    enabled = forms.BooleanField(required=False, initial=True, label="Watch this camera")
    schedule = forms.CharField(
        max_length=LONGEST_SCHEDULE,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "placeholder": "always"}),
        help_text=f"Such as <code>20:00-06:00</code>, <code>Mon-Fri 08:00-18:00</code> or <code>Mon-Fri 20:00-06:00;"
        f" Sat,Sun</code>, in the time of {settings.TIME_ZONE}. Empty: always.",
    )
    loop = forms.BooleanField(required=False, label="Start a file again when it ends")
    sensitivity = forms.IntegerField(
        min_value=SENSITIVITY[0],
        max_value=SENSITIVITY[1],
        initial=5,
        widget=Slider(),
        help_text="1: only much motion makes it look for faces. 10: hardly any is enough.",
    )
    masks = MasksField(
        required=False,
        label="Ignored parts",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "placeholder": "[[[0, 0], [1, 0], [1, 0.1]]]"}),
        help_text="Polygons of [x, y] corners from 0 to 1 of the picture's width and height. Motion and faces in them"
        " do not count: a road, a screen, a tree in the wind.",
    )
    detect_fps = forms.FloatField(
        required=False,
        min_value=DETECT_FPS[0],
        max_value=DETECT_FPS[1],
        label="Searches a second",
        widget=forms.NumberInput(attrs={"step": "any", "placeholder": f"{settings.DETECT_FPS:g}"}),
        help_text=f"How often it looks for faces at most while something moves. Empty: {settings.DETECT_FPS:g}, as the"
        " site does.",
    )
    idle_decoding = forms.ChoiceField(
        choices=Decoding.choices,
        initial=Decoding.ALL,
        label="While nothing moves, decode",
        help_text="Key pictures only costs a tenth, and notices motion up to a few seconds later.",
    )
    priority = forms.TypedChoiceField(
        choices=Priority.choices,
        coerce=int,
        initial=Priority.NORMAL.value,
        help_text="Who comes first when there is more to do than the machines can.",
    )
    alert_events = forms.BooleanField(
        required=False, initial=True, label="Alert when it gives no pictures, or its view is covered, moved or blurred"
    )
    clips = forms.BooleanField(
        required=False,
        label="Attach a clip to each alert about somebody",
        help_text="The moving picture from 10 seconds before to 10 seconds after, without sound. It is kept, encrypted,"
        " as long as the alert, and everybody who may see the alert can play it. The faces of others are made"
        " unrecognisable where Lynceus follows them; their clothes and ways stay. Make sure that you may record here.",
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, camera: Camera | None = None) -> None:
        kept = [name for name in self.base_fields if name not in _NEVER_SHOWN]
        initial = {name: getattr(camera, name) for name in kept} if camera else {}
        super().__init__(_completed(data, initial) if data is not None else None, initial=initial)
        if camera is not None:
            source = self.fields["source"]
            source.required = False
            source.widget.attrs["placeholder"] = "Leave empty to keep the source it has"
        if camera is not None and camera.detail_address:
            self.fields["detail"].widget.attrs["placeholder"] = "Leave empty to keep the second stream it has"
        else:
            del self.fields["remove_detail"]

    def clean_schedule(self) -> str:
        text: str = self.cleaned_data["schedule"]
        try:
            parse_schedule(text)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None
        return text

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if (values.get("latitude") is None) != (values.get("longitude") is None) and not self.errors:
            raise forms.ValidationError("A place needs both latitude and longitude. Give both, or neither.")
        return values

    @property
    def values(self) -> CameraValues:
        """What was typed, for the services."""
        return cast(CameraValues, self.cleaned_data)


def _completed(data: Mapping[str, Any], initial: Mapping[str, Any]) -> dict[str, Any]:
    """What was sent; of choices that were not, the one there is: nobody can have meant to have none."""
    usual = {name: CameraForm.base_fields[name].initial for name in _CHOSEN}
    return {name: str(initial.get(name, usual[name])) for name in _CHOSEN} | {name: data[name] for name in data}
