"""What the API shows of alerts."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from rest_framework import serializers

from accounts.ids import MAX_ID
from accounts.models import User
from alerts.chronicle import NAMING
from alerts.lifecycle import MOST_TEXT
from alerts.models import Alert, AlertState, AlertStep, Dismissal, Review
from cameras.models import CameraEvent
from cameras.serializers import SpanFilter


class AlertEventSerializer(serializers.ModelSerializer[CameraEvent]):
    """What is or was wrong with the camera that an alert is about. Without an end it still is."""

    class Meta:
        model = CameraEvent
        fields = ["id", "kind", "began_at", "ended_at", "times", "detail"]
        read_only_fields = fields


# What is not released of a lead, and what it becomes.
_LOCKED: dict[str, object] = {
    "person": None,
    "person_name": None,
    "rule": None,  # it may be about one person, and named so
    "rule_name": "",
    "similarity": None,
    "threshold": None,
    "sighting": None,
    "shot": None,
    "detail": "",
    "enhanced": "",
}


class AlertSerializer(serializers.ModelSerializer[Alert]):
    """An alert, with the names that people, watchlists and cameras had when it was raised.

    It is about a sighting, about an event of a camera, or about somebody who was not seen: `sighting` and `event` are
    null accordingly. While `lead` is true, reviewers have not confirmed it: person, person_name, rule, similarity,
    threshold, sighting and shot are null, and rule_name, detail and enhanced are empty.
    """

    event = AlertEventSerializer(read_only=True, allow_null=True)
    lead = serializers.BooleanField(source="is_lead", read_only=True)
    person_name = serializers.CharField(read_only=True, allow_null=True)
    latitude = serializers.FloatField(source="sighting.latitude", read_only=True, allow_null=True)
    longitude = serializers.FloatField(source="sighting.longitude", read_only=True, allow_null=True)
    acknowledged_by = serializers.CharField(
        source="acknowledged_by.username", default=None, read_only=True, allow_null=True
    )
    assigned_to = serializers.CharField(source="assigned_to.username", default=None, read_only=True, allow_null=True)
    shot = serializers.SerializerMethodField(help_text="Where the best shot is, as JPEG.")

    class Meta:
        model = Alert
        fields = [
            "id",
            "state",
            "lead",
            "severity",
            "rule",
            "rule_name",
            "trigger",
            "detail",
            "person",
            "person_name",
            "watchlist",
            "watchlist_name",
            "camera",
            "camera_name",
            "zone",
            "zone_name",
            "latitude",
            "longitude",
            "similarity",
            "threshold",
            "enhanced",
            "captured_at",
            "created_at",
            "count",
            "last_at",
            "named_at",
            "acknowledged_by",
            "acknowledged_at",
            "assigned_to",
            "decided_at",
            "dismissal",
            "closed_at",
            "reviews_needed",
            "sighting",
            "shot",
            "event",
        ]
        read_only_fields = fields

    def get_shot(self, alert: Alert) -> str | None:
        sighting = alert.sighting
        return reverse("api-sighting-shot", args=[sighting.pk]) if sighting and sighting.shot_day else None

    def to_representation(self, instance: Alert) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance)
        return shown | _LOCKED if instance.is_lead else shown


class StepSerializer(serializers.ModelSerializer[AlertStep]):
    """Something that was done about an alert. What reviewers answered is told when the alert is decided, not before."""

    actor = serializers.CharField(source="actor_name", read_only=True)
    text = serializers.SerializerMethodField()

    class Meta:
        model = AlertStep
        fields = ["kind", "at", "actor", "text"]
        read_only_fields = fields

    def get_text(self, step: AlertStep) -> str:
        locked = self.context.get("is_lead", False) and step.kind in NAMING
        return "" if locked else step.text


class DismissSerializer(serializers.Serializer[Any]):
    reason = serializers.ChoiceField(choices=Dismissal.choices)
    note = serializers.CharField(required=False, allow_blank=True, default="", max_length=MOST_TEXT)


class AssignSerializer(serializers.Serializer[Any]):
    to = serializers.SlugRelatedField(
        slug_field="username",
        queryset=User.objects.filter(is_active=True),
        allow_null=True,
        help_text="A user's name, or null for nobody.",
    )


class CommentSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=MOST_TEXT)


class ReviewSerializer(serializers.Serializer[Any]):
    answer = serializers.ChoiceField(choices=Review.Answer.choices)
    note = serializers.CharField(required=False, allow_blank=True, default="", max_length=MOST_TEXT)


class ReviewProgressSerializer(serializers.Serializer[Any]):
    """How far the review is. `verdict` is null until enough reviewers agree."""

    answered = serializers.IntegerField(source="progress.answered", help_text="How many have answered, this one too.")
    needed = serializers.IntegerField(source="progress.needed", help_text="How many have to agree.")
    verdict = serializers.ChoiceField(choices=Review.Answer.choices, allow_null=True)


class AlertFilter(SpanFilter):
    """`from` and `to`: when it was captured. By `person` no lead is found: programs do not learn whom it is about."""

    state = serializers.ChoiceField(choices=AlertState.choices, required=False)
    person = serializers.IntegerField(required=False, min_value=1, max_value=MAX_ID)
    camera = serializers.IntegerField(required=False, min_value=1, max_value=MAX_ID)


class LatestFilter(serializers.Serializer[Any]):
    limit = serializers.IntegerField(required=False, default=20, min_value=1, max_value=500)


class LatestAlertsSerializer(serializers.Serializer[Any]):
    results = AlertSerializer(many=True)
