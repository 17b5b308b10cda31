"""Forms about zones, site plans and groups of cameras. They check what was typed; services decide and write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet

from cameras.models import METRES_WIDE, Anchor, Camera, CameraGroup, CameraPlace, Ground, Shape, SitePlan, Zone
from cameras.plan_images import MOST_BYTES
from cameras.zones import RADIUS_M, ZoneError, clean_zone
from recognition.models import NAME_LENGTH

_NAME = {"autocomplete": "off"}
_NUMBER = {"step": "any", "inputmode": "decimal"}
Sent = Mapping[str, Any] | None


class _ZoneForm(forms.Form):
    """What all zones have. `ground` says where the form's zones are."""

    ground = Ground.PICTURE
    points_field = "points"  # which says what is wrong with what was drawn
    name = forms.CharField(
        max_length=NAME_LENGTH,
        widget=forms.TextInput(attrs=_NAME),
        help_text="Rules and alerts show this name, such as “Cash desk” or “Back door”.",
    )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors:
            try:
                clean_zone(ground=self.ground, **self.drawing)
            except ZoneError as error:
                field = self.points_field if error.field == "points" else error.field
                self.add_error(field if field in self.fields else None, str(error))
        return values

    @property
    def drawing(self) -> dict[str, Any]:
        """Shape, points and radius, for the services."""
        raise NotImplementedError

    @property
    def values(self) -> dict[str, Any]:
        """Everything that was typed, for the services."""
        anchor = {"anchor": self.cleaned_data["anchor"]} if "anchor" in self.fields else {}
        return {"name": self.cleaned_data["name"], **self.drawing, **anchor}


class PointsField(forms.CharField):
    """Points as JSON text, for who has no script; a script draws them."""

    widget = forms.Textarea

    def prepare_value(self, value: object) -> object:
        return json.dumps(value) if isinstance(value, list) and value else value or ""


def _points(example: str) -> PointsField:
    return PointsField(
        label="Outline",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "placeholder": example}),
        help_text="Points [x, y] in order, each from 0 to 1 of the picture's width and height.",
    )


class PictureZoneForm(_ZoneForm):
    """An area or a line in a camera's picture."""

    shape = forms.ChoiceField(
        choices=[(Shape.POLYGON, "An area to go into"), (Shape.LINE, "A line to go over")],
        initial=Shape.POLYGON,
        label="What it is",
        widget=forms.Select,
    )
    anchor = forms.ChoiceField(
        choices=Anchor.choices,
        initial=Anchor.FACE,
        label="What counts",
        help_text="Where somebody stands is estimated from how large the face is: right for standing adults that are"
        " seen from the front. Draw it on the floor for that, else where faces are.",
    )
    points = _points("[[0.2, 0.4], [0.6, 0.4], [0.6, 0.9]]")

    def __init__(self, data: Sent = None, *, zone: Zone | None = None) -> None:
        names = ("name", "shape", "anchor", "points")
        super().__init__(data, initial={name: getattr(zone, name) for name in names} if zone else None)

    @property
    def drawing(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in ("shape", "points")}


class PlanZoneForm(_ZoneForm):
    """An area on a site plan: about the cameras that stand in it."""

    ground = Ground.PLAN
    points = _points("[[0.2, 0.4], [0.6, 0.4], [0.6, 0.9]]")

    def __init__(self, data: Sent = None, *, zone: Zone | None = None) -> None:
        super().__init__(data, initial={"name": zone.name, "points": zone.points} if zone else None)

    @property
    def drawing(self) -> dict[str, Any]:
        return {"shape": Shape.POLYGON.value, "points": self.cleaned_data["points"]}


class CornersField(forms.CharField):
    """Places on earth as people write them: latitude and longitude on a line each."""

    widget = forms.Textarea

    def to_python(self, value: object) -> Any:
        corners = []
        for line in str(value or "").splitlines():
            parts = line.replace(",", " ").replace(";", " ").split()
            if not parts:
                continue
            try:
                corners.append([float(part) for part in parts])
            except ValueError:
                raise forms.ValidationError(
                    f"“{line.strip()[:60]}” is no latitude and longitude. Write one corner a line: 52.5200, 13.4050"
                ) from None
        return corners


class GeoZoneForm(_ZoneForm):
    """A circle or an area on coordinates: about the cameras that stand in it."""

    ground = Ground.COORDINATES
    points_field = "corners"
    shape = forms.ChoiceField(
        choices=[(Shape.CIRCLE, "A circle around a place"), (Shape.POLYGON, "An area with corners")],
        initial=Shape.CIRCLE,
        label="What it is",
    )
    latitude = forms.FloatField(
        required=False,
        min_value=-90,
        max_value=90,
        widget=forms.NumberInput(attrs=_NUMBER | {"placeholder": "52.52000"}),
    )
    longitude = forms.FloatField(
        required=False,
        min_value=-180,
        max_value=180,
        widget=forms.NumberInput(attrs=_NUMBER | {"placeholder": "13.40500"}),
    )
    radius_m = forms.FloatField(
        required=False,
        min_value=RADIUS_M[0],
        max_value=RADIUS_M[1],
        label="Radius in metres",
        widget=forms.NumberInput(attrs=_NUMBER | {"placeholder": "250"}),
    )
    corners = CornersField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false", "placeholder": "52.5200, 13.4050"}),
        help_text="Of an area: latitude and longitude of one corner a line, in order around it.",
    )

    def __init__(self, data: Sent = None, *, zone: Zone | None = None) -> None:
        super().__init__(data, initial=_typed(zone) if zone else None)

    def clean(self) -> dict[str, Any]:
        values = forms.Form.clean(self) or {}
        if not self.errors and values["shape"] == Shape.CIRCLE:
            for name in ("latitude", "longitude", "radius_m"):
                if values[name] is None:
                    self.add_error(name, "A circle needs its middle and its radius. Give this too.")
        return super().clean()

    @property
    def drawing(self) -> dict[str, Any]:
        values = self.cleaned_data
        if values["shape"] == Shape.CIRCLE:
            middle = [values["latitude"], values["longitude"]]
            return {"shape": values["shape"], "points": [middle], "radius_m": values["radius_m"]}
        return {"shape": values["shape"], "points": values["corners"]}


def _typed(zone: Zone) -> dict[str, Any]:
    """A zone on coordinates as it would be typed."""
    if zone.shape == Shape.CIRCLE:
        (latitude, longitude), *_ = zone.points
        where = {"latitude": latitude, "longitude": longitude, "radius_m": zone.radius_m}
    else:
        where = {"corners": "\n".join(f"{lat}, {lon}" for lat, lon in zone.points)}
    return {"name": zone.name, "shape": zone.shape, **where}


def _metres_wide() -> forms.FloatField:
    return forms.FloatField(
        required=False,
        min_value=METRES_WIDE[0],
        max_value=METRES_WIDE[1],
        label="So many metres wide",
        widget=forms.NumberInput(attrs=_NUMBER),
        help_text="How far it is on the site from the drawing's left edge to its right one. Distances between cameras"
        " follow from it; empty: not known.",
    )


class PlanForm(forms.Form):
    """A new site plan."""

    name = forms.CharField(
        max_length=NAME_LENGTH,
        widget=forms.TextInput(attrs=_NAME),
        help_text="Such as “Ground floor” or “Car park”.",
    )
    image = forms.FileField(
        label="Drawing",
        widget=forms.ClearableFileInput(attrs={"accept": "image/png,image/jpeg,image/webp"}),
        help_text="PNG, JPEG or WebP, 20 MB at most. Only its pixels are kept.",
    )
    metres_wide = _metres_wide()

    def clean_image(self) -> bytes:
        sent: UploadedFile[Any] = self.cleaned_data["image"]
        if sent.size is not None and sent.size > MOST_BYTES:
            raise forms.ValidationError("The picture has more than 20 MB. Save it smaller and send it again.")
        data: bytes = sent.read()
        return data


class PlacesForm(forms.Form):
    """A plan's name, how wide it is, and where the cameras stand on it, in percent; `add` is put in the middle."""

    name = forms.CharField(max_length=NAME_LENGTH, widget=forms.TextInput(attrs=_NAME))
    metres_wide = _metres_wide()

    def __init__(self, data: Sent = None, *, plan: SitePlan) -> None:
        super().__init__(data, initial={"name": plan.name, "metres_wide": plan.metres_wide})
        self.places = list(_places(plan))
        self.fields["add"] = forms.ModelChoiceField(
            queryset=Camera.objects.exclude(plan_place__plan=plan),
            required=False,
            label="Put a camera on it",
            empty_label="None",
        )
        for place in self.places:
            for axis, words in (("x", "% from the left"), ("y", "% from the top")):
                self.fields[f"{axis}-{place.camera_id}"] = forms.FloatField(
                    min_value=0,
                    max_value=100,
                    label=f"{place.camera}: {words}",
                    initial=round(100 * getattr(place, axis), 2),
                    widget=forms.NumberInput(attrs=_NUMBER),
                )
            self.fields[f"off-{place.camera_id}"] = forms.BooleanField(
                required=False, label=f"Take {place.camera} off this plan"
            )

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The fields of each camera, for the page."""
        return [
            {"place": place} | {axis: self[f"{axis}-{place.camera_id}"] for axis in ("x", "y", "off")}
            for place in self.places
        ]


def _places(plan: SitePlan) -> QuerySet[CameraPlace]:
    joined = plan.places.select_related("camera").order_by("camera__name")
    return joined.defer("camera__sealed_source", "camera__sealed_detail")


class GroupForm(forms.Form):
    """Cameras that belong together."""

    name = forms.CharField(
        max_length=NAME_LENGTH,
        widget=forms.TextInput(attrs=_NAME),
        help_text="Such as “Entrances”. Rules can be about a group, and go along when it changes.",
    )
    cameras = forms.ModelMultipleChoiceField(
        queryset=Camera.objects.all(), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, data: Sent = None, *, group: CameraGroup | None = None) -> None:
        known = {"name": group.name, "cameras": list(group.cameras.all())} if group else None
        super().__init__(data, initial=known)
