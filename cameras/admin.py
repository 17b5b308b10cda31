"""The admin pages of cameras and sightings. A camera's source is typed here and never shown again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminPasswordWidget

from accounts.admin import ReadOnlyAdmin, RoomAdmin, actor_of
from cameras import live, selectors, services
from cameras.models import Camera, Sighting
from cameras.sources import SourceError, parse_source
from recognition.admin import NameForm, adopt


class CameraForm(NameForm):
    source = forms.CharField(
        required=False,
        max_length=2000,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="A file, an rtsp:// or http:// address, or the number of a USB camera. It is kept "
        "encrypted and never shown again; leave it empty to keep the one there is.",
    )

    def clean_source(self) -> str:
        source: str = self.cleaned_data["source"]
        if not source and self.instance.pk:
            return ""
        try:
            parse_source(source)
        except SourceError as error:
            raise ValidationError(str(error)) from None
        return source


@admin.register(Camera)
class CameraAdmin(RoomAdmin):
    form = CameraForm
    list_display = ["name", "address", "state", "enabled", "loop"]
    list_filter = ["enabled"]
    search_fields = ["name", "address"]
    fields = ["name", "source", "address", "latitude", "longitude", "enabled", "loop"]
    readonly_fields = ["address"]

    def state(self, camera: Camera) -> str:
        return live.statuses([camera])[camera.pk].state.label

    def save_model(self, request: HttpRequest, obj: Camera, form: Any, change: bool) -> None:
        values: dict[str, Any] = {
            "name": obj.name,
            "source": form.cleaned_data["source"],
            "latitude": obj.latitude,
            "longitude": obj.longitude,
            "loop": obj.loop,
            "enabled": obj.enabled,
        }
        if change:
            services.change_camera(actor=actor_of(request), camera=obj, **values)
        else:
            adopt(obj, services.add_camera(actor=actor_of(request), **values))

    def delete_model(self, request: HttpRequest, obj: Camera) -> None:
        services.remove_camera(actor=actor_of(request), camera=obj)


@admin.register(Sighting)
class SightingAdmin(ReadOnlyAdmin):
    list_display = ["first_seen", "camera_name", "person", "verdict", "similarity", "frames", "is_open"]
    list_filter = ["verdict", "is_open", "camera"]
    search_fields = ["person__name", "camera_name"]
    fields = [
        "camera_name",
        "camera",
        "latitude",
        "longitude",
        "first_seen",
        "last_seen",
        "frames",
        "is_open",
        "verdict",
        "person",
        "similarity",
        "threshold",
        "quality",
        "pack",
    ]
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Sighting]:
        return selectors.sightings()
