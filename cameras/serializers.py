"""What the API takes and shows of cameras and sightings. A camera's source goes in and never comes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.ids import MAX_ID
from cameras.live import State, Status
from cameras.models import Camera, Sighting, Verdict
from cameras.sources import SourceError, parse_source
from config.log import redact

Row = TypeVar("Row", bound=Model)


class StatusSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=[(state.value, state.label) for state in State])
    fps_in = serializers.FloatField(help_text="Frames a second that the source gives.")
    fps_processed = serializers.FloatField(help_text="Frames a second that are looked at.")
    lag_ms = serializers.FloatField(help_text="From a frame's capture to its decision.")
    width = serializers.IntegerField()
    height = serializers.IntegerField()
    drops = serializers.DictField(child=serializers.IntegerField(), help_text="Frames left out, by reason.")
    last_error = serializers.SerializerMethodField()

    def get_last_error(self, status: Status) -> str:
        return redact(status.last_error)


class CameraSerializer(serializers.ModelSerializer[Camera]):
    """A camera. `status` is what its worker said in the last seconds."""

    source = serializers.CharField(  # type: ignore[assignment]  # a field here, not where one is read from
        write_only=True,
        max_length=2000,
        help_text="A file, an rtsp:// or http:// address, or the number of a USB camera. Never shown again.",
    )
    status = serializers.SerializerMethodField()

    class Meta:
        model = Camera
        fields = [
            "id",
            "name",
            "source",
            "address",
            "latitude",
            "longitude",
            "loop",
            "enabled",
            "created_at",
            "status",
        ]
        read_only_fields = ["address", "created_at"]
        # The service says in words that a name is taken.
        extra_kwargs: ClassVar[dict[str, Any]] = {"name": {"validators": []}}

    def validate_source(self, source: str) -> str:
        try:
            parse_source(source)
        except SourceError as error:
            raise serializers.ValidationError(str(error)) from None
        return source

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


class SightingSerializer(serializers.ModelSerializer[Sighting]):
    person_name = serializers.CharField(source="person.name", default=None, read_only=True)
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
            "person",
            "person_name",
            "similarity",
            "threshold",
            "enhanced",
            "quality",
            "shot",
        ]
        read_only_fields = fields

    def get_shot(self, sighting: Sighting) -> str | None:
        return reverse("api-sighting-shot", args=[sighting.pk]) if sighting.shot_day else None


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


class SightingFilter(SpanFilter):
    person = serializers.IntegerField(required=False, min_value=1, max_value=MAX_ID)
    camera = serializers.IntegerField(required=False, min_value=1, max_value=MAX_ID)
    verdict = serializers.ChoiceField(choices=Verdict.choices, required=False)
