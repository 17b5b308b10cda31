"""What the API takes and shows of identities, and by what it finds sightings."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rest_framework import serializers

from accounts.ids import MAX_ID
from cameras.history.exporting import TYPES
from cameras.history.filters import OLDEST, WHO, Filters
from cameras.models import REASON_LENGTH, Identity, Link, Verdict
from cameras.serializers import SpanFilter


def _id(what: str) -> serializers.IntegerField:
    return serializers.IntegerField(required=False, min_value=1, max_value=MAX_ID, help_text=what)


class TheirSightingsFilter(SpanFilter):
    """By what the sightings of one identity are found."""

    camera = _id("Seen by this camera.")
    group = _id("Seen by a camera of this group.")
    zone = _id("Having passed this zone of a picture, or seen by a camera that is in this zone.")
    verdict = serializers.ChoiceField(choices=Verdict.choices, required=False)
    link = serializers.ChoiceField(
        choices=Link.choices, required=False, help_text="How it was told whose the sighting is."
    )
    similarity = serializers.FloatField(required=False, min_value=-1, max_value=1, help_text="At least so similar.")
    quality = serializers.FloatField(required=False, min_value=0, max_value=1, help_text="At least of this quality.")
    doubted = serializers.BooleanField(required=False, help_text="True: only those that can not be theirs.")
    present = serializers.BooleanField(required=False, help_text="True: only who is still in view.")
    order = serializers.ChoiceField(choices=[("newest", "Newest first"), (OLDEST, "Oldest first")], required=False)

    def filters(self, **more: int | None) -> Filters:
        """What was asked for; raises ValidationError."""
        self.is_valid(raise_exception=True)
        values = dict(self.validated_data)
        is_oldest_first = values.pop("order", "") == OLDEST
        span = {"begins": values.pop("from", None), "ends": values.pop("to", None)}
        known = {name: value for name, value in values.items() if name in Filters.__dataclass_fields__}
        return Filters(**known | span | more, oldest_first=is_oldest_first)


class SightingFilter(TheirSightingsFilter):
    """By what sightings are found; all that is given must hold. Leads are left out where it is about who it is."""

    person = _id("Of this enrolled person.")
    identity = _id("Of this identity.")
    watchlist = _id("Of somebody on this watchlist.")
    who = serializers.ChoiceField(choices=WHO, required=False)

    @property
    def is_simple(self) -> bool:
        """Whether one index serves it; only after `is_valid`."""
        given = set(self.validated_data) - {"from", "to"}
        return len(given) <= 1 and given <= {"person", "camera", "verdict"}


class ExportInput(SightingFilter):
    """What is exported, as what, and why."""

    format = serializers.ChoiceField(choices=[(name, name) for name in TYPES])
    reason = serializers.CharField(max_length=REASON_LENGTH, help_text="Goes into the audit trail.")


class TheirExportInput(TheirSightingsFilter):
    """What of one identity is exported, as what, and why."""

    format = serializers.ChoiceField(choices=[(name, name) for name in TYPES])
    reason = serializers.CharField(max_length=REASON_LENGTH, help_text="Goes into the audit trail.")


class IdentityFilter(serializers.Serializer[Any]):
    who = serializers.ChoiceField(choices=WHO, required=False)
    person = _id("The identity of this enrolled person.")


class IdentitySerializer(serializers.ModelSerializer[Identity]):
    """One person over all sightings: an enrolled one, or somebody unknown."""

    name = serializers.CharField(source="__str__", read_only=True, help_text="As pages write it.")
    created_at = serializers.SerializerMethodField(
        help_text="When somebody unknown was seen first; null of somebody enrolled, of whom the first match may be only"
        " a lead."
    )

    class Meta:
        model = Identity
        fields = ["id", "name", "person", "label", "merged_into", "created_at"]
        read_only_fields = fields

    def get_created_at(self, row: Identity) -> datetime | None:
        return row.created_at if row.person_id is None else None


class IdentityDetailSerializer(IdentitySerializer):
    """With where and when they were last seen. What is only a lead or doubted is not counted."""

    sightings = serializers.IntegerField(
        source="times_seen", help_text="How often they were seen, counted up to 10001."
    )
    last_seen = serializers.DateTimeField(allow_null=True)
    last_camera = serializers.IntegerField(allow_null=True)
    last_camera_name = serializers.CharField(allow_null=True)
    present = serializers.BooleanField(help_text="Whether they are in view now.")

    class Meta(IdentitySerializer.Meta):
        fields = [
            *IdentitySerializer.Meta.fields,
            "sightings",
            "last_seen",
            "last_camera",
            "last_camera_name",
            "present",
        ]
        read_only_fields = fields
