"""What the API takes and shows of cameras and sightings. A camera's source goes in and never comes out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from cameras.live import State, Status, View
from cameras.masks import MOST_CORNERS, MOST_POLYGONS, MaskError, Polygon, clean_masks
from cameras.models import Camera, CameraEvent, CameraHour, EventKind, Sighting
from cameras.schedule import ScheduleError, parse_schedule
from cameras.sources import SourceError, parse_source
from config.log import redact

Row = TypeVar("Row", bound=Model)


class StatusSerializer(serializers.Serializer[Any]):
    """What the camera's worker said in the last seconds. Counts are since its loop began."""

    state = serializers.ChoiceField(choices=[(state.value, state.label) for state in State])
    view = serializers.ChoiceField(
        choices=[(view.value, view.label) for view in View], help_text="What can be said of the picture itself."
    )
    since = serializers.SerializerMethodField(help_text="When this state began.")
    fps_in = serializers.FloatField(help_text="Frames a second that the source gives.")
    fps_wanted = serializers.FloatField(help_text="Frames a second that shall be searched for faces now.")
    fps_processed = serializers.FloatField(help_text="Frames a second that are looked at.")
    lag_ms = serializers.FloatField(help_text="From a frame's capture to its decision.")
    decode_ms = serializers.FloatField(help_text="Mean time to decode a picture.")
    width = serializers.IntegerField()
    height = serializers.IntegerField()
    frames_in = serializers.IntegerField()
    frames_wanted = serializers.IntegerField()
    frames_missed = serializers.IntegerField(help_text="Of those wanted, how many could not be looked at.")
    frames_processed = serializers.IntegerField()
    drops = serializers.DictField(child=serializers.IntegerField(), help_text="Frames left out, by reason.")
    restarts = serializers.IntegerField(help_text="How often the source was opened again.")
    worker = serializers.CharField()
    last_error = serializers.SerializerMethodField()

    def get_since(self, status: Status) -> datetime | None:
        return datetime.fromtimestamp(status.since, UTC) if status.since else None

    def get_last_error(self, status: Status) -> str:
        return redact(status.last_error)


def _parsed(parse: Callable[[str], object], text: str) -> str:
    """The text as it came, when it can be read; raises ValidationError."""
    try:
        parse(text)
    except (SourceError, ScheduleError) as error:
        raise serializers.ValidationError(str(error)) from None
    return text


_MASKS_SCHEMA = {
    "type": "array",
    "maxItems": MOST_POLYGONS,
    "items": {
        "type": "array",
        "minItems": 3,
        "maxItems": MOST_CORNERS,
        "items": {
            "type": "array",
            "minItems": 2,
            "maxItems": 2,
            "items": {"type": "number", "minimum": 0, "maximum": 1},
        },
    },
}


@extend_schema_field(_MASKS_SCHEMA)
class MasksField(serializers.Field[list[Polygon], object, list[Polygon], Any]):
    """Polygons, checked."""

    def to_internal_value(self, data: object) -> list[Polygon]:
        try:
            return clean_masks(data)
        except MaskError as error:
            raise serializers.ValidationError(str(error)) from None

    def to_representation(self, value: list[Polygon]) -> list[Polygon]:
        return value


class CameraSerializer(serializers.ModelSerializer[Camera]):
    """A camera. `status` is what its worker said in the last seconds."""

    source = serializers.CharField(  # type: ignore[assignment]  # a field here, not where one is read from
        write_only=True,
        max_length=2000,
        help_text="A file, an rtsp:// or http:// address, or the number of a USB camera. Never shown again.",
    )
    detail = serializers.CharField(
        write_only=True,
        required=False,
        allow_blank=True,
        max_length=2000,
        help_text="A second, larger stream of the same view, to recognise faces from. Never shown again.",
    )
    remove_detail = serializers.BooleanField(write_only=True, required=False, help_text="Takes that stream away.")
    masks = MasksField(required=False, help_text="Parts of the picture that are ignored: polygons of [x, y] in [0, 1].")
    status = serializers.SerializerMethodField()

    class Meta:
        model = Camera
        fields = [
            "id",
            "name",
            "source",
            "address",
            "detail",
            "remove_detail",
            "detail_address",
            "transport",
            "latitude",
            "longitude",
            "loop",
            "enabled",
            "schedule",
            "priority",
            "idle_decoding",
            "detect_fps",
            "sensitivity",
            "masks",
            "alert_events",
            "clips",
            "created_at",
            "status",
        ]
        read_only_fields = ["address", "detail_address", "created_at"]
        # The service says in words that a name is taken.
        extra_kwargs: ClassVar[dict[str, Any]] = {"name": {"validators": []}}

    def validate_source(self, source: str) -> str:
        return _parsed(parse_source, source)

    def validate_detail(self, detail: str) -> str:
        return _parsed(parse_source, detail) if detail.strip() else ""

    def validate_schedule(self, schedule: str) -> str:
        return _parsed(parse_schedule, schedule)

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        place = [values.get(name, getattr(self.instance, name, None)) for name in ("latitude", "longitude")]
        if (place[0] is None) != (place[1] is None):
            raise serializers.ValidationError("A place needs both latitude and longitude. Give both, or neither.")
        return values

    @extend_schema_field(StatusSerializer)
    def get_status(self, camera: Camera) -> dict[str, Any]:
        return dict(StatusSerializer(self.context["statuses"][camera.pk]).data)


class CameraStatusSerializer(serializers.Serializer[Any]):
    """A camera as GET /api/camera/status lists it."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    enabled = serializers.BooleanField()
    status = StatusSerializer()


class CameraStatusesSerializer(serializers.Serializer[Any]):
    results = CameraStatusSerializer(many=True)


class CameraEventSerializer(serializers.ModelSerializer[CameraEvent]):
    """What was wrong with a camera. Without an end it still is."""

    alert = serializers.IntegerField(
        default=None, read_only=True, allow_null=True, help_text="The first alert that tells of it."
    )

    class Meta:
        model = CameraEvent
        fields = ["id", "camera", "camera_name", "kind", "began_at", "ended_at", "times", "detail", "alert"]
        read_only_fields = fields


class CameraHourSerializer(serializers.ModelSerializer[CameraHour]):
    """What a camera did in one hour (UTC)."""

    class Meta:
        model = CameraHour
        fields = [
            "start",
            "seconds_wanted",
            "seconds_online",
            "frames_in",
            "frames_wanted",
            "frames_missed",
            "frames_processed",
            "drops",
            "restarts",
            "lag_ms_most",
            "decode_ms",
        ]
        read_only_fields = fields


# What is not released of a lead, and what it becomes.
_LOCKED: dict[str, object] = {
    "person": None,
    "person_name": None,
    "similarity": None,
    "threshold": None,
    "enhanced": "",
    "shot": None,
    "identity": None,
    "link": "",
    "link_similarity": None,
    "doubted": None,
}


class SightingSerializer(serializers.ModelSerializer[Sighting]):
    """A track as it is stored. While `lead` is true, reviewers have not confirmed whom it is taken for: person,
    person_name, similarity, threshold, identity, link_similarity, doubted and shot are null, and enhanced and link are
    empty."""

    lead = serializers.BooleanField(source="is_lead", read_only=True)
    person_name = serializers.CharField(source="person.name", default=None, read_only=True)
    doubted = serializers.BooleanField(
        source="is_doubted", read_only=True, allow_null=True, help_text="It can not be theirs: they were elsewhere."
    )
    shot = serializers.SerializerMethodField(help_text="Where the best shot is, as JPEG.")

    class Meta:
        model = Sighting
        fields = [
            "id",
            "camera",
            "camera_name",
            "latitude",
            "longitude",
            "track",
            "first_seen",
            "last_seen",
            "frames",
            "is_open",
            "verdict",
            "lead",
            "person",
            "person_name",
            "similarity",
            "threshold",
            "enhanced",
            "quality",
            "identity",
            "link",
            "link_similarity",
            "doubted",
            "shot",
        ]
        read_only_fields = fields

    def get_shot(self, sighting: Sighting) -> str | None:
        return reverse("api-sighting-shot", args=[sighting.pk]) if sighting.shot_day else None

    def to_representation(self, instance: Sighting) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance)
        return shown | _LOCKED if shown["lead"] else shown


class SpanFilter(serializers.Serializer[Any]):
    """`from` and `to`: when it began, in UTC where no offset is given; `to` itself is not part of it."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # `from` is a word of Python, so that it can not be the name of an attribute.
        return super().get_fields() | {
            "from": serializers.DateTimeField(required=False, help_text="Begun at this time or after it."),
            "to": serializers.DateTimeField(required=False, help_text="Begun before this time."),
        }

    def rows(self, read: Callable[..., QuerySet[Row]], moment: str, **more: int) -> QuerySet[Row]:
        """What `read` finds by the other fields, with its `moment` in the span; raises ValidationError."""
        self.is_valid(raise_exception=True)
        values = self.validated_data | more
        span = {f"{moment}__gte": values.pop("from", None), f"{moment}__lt": values.pop("to", None)}
        return read(**values).filter(**{limit: at for limit, at in span.items() if at is not None})


class EventFilter(SpanFilter):
    kind = serializers.ChoiceField(choices=EventKind.choices, required=False)


class RateFilter(serializers.Serializer[Any]):
    fps = serializers.FloatField(
        required=False, default=3.0, min_value=1, max_value=10, help_text="How often a second you ask for a picture."
    )
