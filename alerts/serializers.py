"""What the API shows of alerts."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from rest_framework import serializers

from accounts.ids import MAX_ID
from alerts.models import Alert, AlertState
from cameras.models import CameraEvent
from cameras.serializers import SpanFilter


class AlertEventSerializer(serializers.ModelSerializer[CameraEvent]):
    """What is or was wrong with the camera that an alert is about. Without an end it still is."""

    class Meta:
        model = CameraEvent
        fields = ["id", "kind", "began_at", "ended_at", "times", "detail"]
        read_only_fields = fields


class AlertSerializer(serializers.ModelSerializer[Alert]):
    """An alert, with the names that people, watchlists and cameras had when it was raised.

    It is about a sighting of a person on a watchlist, or about an event of a camera: `sighting` or `event` is null,
    and what belongs to it too.
    """

    event = AlertEventSerializer(read_only=True, allow_null=True)
    latitude = serializers.FloatField(source="sighting.latitude", read_only=True, allow_null=True)
    longitude = serializers.FloatField(source="sighting.longitude", read_only=True, allow_null=True)
    acknowledged_by = serializers.CharField(
        source="acknowledged_by.username", default=None, read_only=True, allow_null=True
    )
    shot = serializers.SerializerMethodField(help_text="Where the best shot is, as JPEG.")

    class Meta:
        model = Alert
        fields = [
            "id",
            "state",
            "severity",
            "person",
            "person_name",
            "watchlist_name",
            "camera",
            "camera_name",
            "latitude",
            "longitude",
            "similarity",
            "threshold",
            "enhanced",
            "captured_at",
            "created_at",
            "acknowledged_by",
            "acknowledged_at",
            "sighting",
            "shot",
            "event",
        ]
        read_only_fields = fields

    def get_shot(self, alert: Alert) -> str | None:
        sighting = alert.sighting
        return reverse("api-sighting-shot", args=[sighting.pk]) if sighting and sighting.shot_day else None


class AlertFilter(SpanFilter):
    """`from` and `to`: when it was captured."""

    state = serializers.ChoiceField(choices=AlertState.choices, required=False)
    person = serializers.IntegerField(required=False, min_value=1, max_value=MAX_ID)
    camera = serializers.IntegerField(required=False, min_value=1, max_value=MAX_ID)


class LatestFilter(serializers.Serializer[Any]):
    limit = serializers.IntegerField(required=False, default=20, min_value=1, max_value=500)


class LatestAlertsSerializer(serializers.Serializer[Any]):
    results = AlertSerializer(many=True)
