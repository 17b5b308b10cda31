"""The admin pages of cameras, what was wrong with them, and sightings.

A camera's source is typed here and never shown again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminPasswordWidget

from accounts.admin import ReadOnlyAdmin, RoomAdmin, actor_of
from cameras import live, selectors, services
from cameras.masks import MaskError, Polygon, clean_masks
from cameras.models import Camera, CameraEvent, CameraGroup, Sighting, SitePlan, Zone
from cameras.schedule import ScheduleError, parse_schedule
from cameras.sources import SourceError, parse_source
from cameras.values import CameraValues
from recognition.admin import NameForm, adopt


class CameraForm(NameForm):
    source = forms.CharField(
        required=False,
        max_length=2000,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="A file or folder, an rtsp:// or http:// address, or the number of a USB camera. It is kept "
        "encrypted and never shown again; leave it empty to keep the one there is.",
    )
    detail = forms.CharField(
        label="Second stream",
        required=False,
        max_length=2000,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="A larger stream of the same view, to recognise faces from. Kept like the source.",
    )
    remove_detail = forms.BooleanField(label="Remove the second stream", required=False)

    def clean_source(self) -> str:
        source: str = self.cleaned_data["source"]
        if source or not self.instance.pk:
            with _said():
                parse_source(source)
        return source

    def clean_detail(self) -> str:
        detail: str = self.cleaned_data["detail"]
        if detail:
            with _said():
                parse_source(detail)
        return detail

    def clean_schedule(self) -> str:
        schedule: str = self.cleaned_data["schedule"]
        with _said():
            parse_schedule(schedule)
        return schedule

    def clean_masks(self) -> list[Polygon]:
        try:
            return clean_masks(self.cleaned_data["masks"])
        except MaskError as error:
            raise ValidationError(str(error)) from None


@contextmanager
def _said() -> Iterator[None]:
    """Shows beside the field why its value can not be used."""
    try:
        yield
    except (SourceError, ScheduleError) as error:
        raise ValidationError(str(error)) from None


@admin.register(Camera)
class CameraAdmin(RoomAdmin):
    form = CameraForm
    list_display = ["name", "address", "state", "enabled", "schedule", "priority", "loop"]
    list_filter = ["enabled", "priority"]
    search_fields = ["name", "address"]
    actions = ["switch_on", "switch_off", "restart"]
    fieldsets = [
        (None, {"fields": ["name", "source", "address", "transport", "loop", "latitude", "longitude"]}),
        ("Second stream", {"fields": ["detail", "detail_address", "remove_detail"]}),
        ("When", {"fields": ["enabled", "schedule", "priority", "alert_events"]}),
        ("How", {"fields": ["detect_fps", "idle_decoding", "sensitivity", "masks", "clips"]}),
    ]
    readonly_fields = ["address", "detail_address"]

    def state(self, camera: Camera) -> str:
        return live.statuses([camera])[camera.pk].label

    def save_model(self, request: HttpRequest, obj: Camera, form: Any, change: bool) -> None:
        values: CameraValues = {name: form.cleaned_data[name] for name in form.fields}  # type: ignore[assignment]
        if change:
            services.change_camera(actor=actor_of(request), camera=obj, **values)
        else:
            adopt(obj, services.add_camera(actor=actor_of(request), **values))

    @admin.action(description="Switch the selected cameras on", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Camera]) -> None:
        self._switch(request, queryset, enabled=True)

    @admin.action(description="Switch the selected cameras off", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Camera]) -> None:
        self._switch(request, queryset, enabled=False)

    @admin.action(description="Restart the selected cameras", permissions=["change"])
    def restart(self, request: HttpRequest, queryset: QuerySet[Camera]) -> None:
        for camera in queryset:
            services.restart_camera(actor=actor_of(request), camera=camera)
        messages.success(request, f"{len(queryset)} cameras start anew.")

    def _switch(self, request: HttpRequest, queryset: QuerySet[Camera], *, enabled: bool) -> None:
        for camera in queryset:
            services.set_enabled(actor=actor_of(request), camera=camera, enabled=enabled)
        messages.success(request, f"{len(queryset)} cameras are switched {'on' if enabled else 'off'}.")

    def delete_model(self, request: HttpRequest, obj: Camera) -> None:
        services.remove_camera(actor=actor_of(request), camera=obj)


@admin.register(CameraEvent)
class CameraEventAdmin(ReadOnlyAdmin):
    """What was wrong with cameras."""

    list_display = ["began_at", "ended_at", "camera_name", "kind", "times", "detail"]
    list_filter = ["kind", ("ended_at", admin.EmptyFieldListFilter), "camera"]
    search_fields = ["camera_name"]
    fields = ["camera_name", "camera", "kind", "began_at", "ended_at", "times", "detail"]
    show_full_result_count = False


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


@admin.register(Zone)
class ZoneAdmin(ReadOnlyAdmin):
    """Zones; they are drawn on the pages about places."""

    list_display = ["name", "ground", "camera", "plan", "shape", "anchor", "is_orphaned"]
    list_filter = ["ground", "shape"]
    search_fields = ["name"]
    fields = ["name", "ground", "camera", "plan", "shape", "points", "radius_m", "anchor", "created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Zone]:
        return selectors.zones()


@admin.register(SitePlan)
class SitePlanAdmin(ReadOnlyAdmin):
    """Site plans; they are uploaded on the pages about places."""

    list_display = ["name", "media_type", "width", "height", "created_at"]
    search_fields = ["name"]
    fields = ["name", "media_type", "width", "height", "created_at"]


@admin.register(CameraGroup)
class CameraGroupAdmin(ReadOnlyAdmin):
    """Groups of cameras; they are put together on the pages about places."""

    list_display = ["name"]
    search_fields = ["name"]
    fields = ["name", "cameras"]
