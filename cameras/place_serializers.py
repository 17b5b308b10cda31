"""What the API takes and shows of zones, site plans and groups of cameras."""

from __future__ import annotations

from typing import Any, ClassVar

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from cameras.masks import MOST_CORNERS
from cameras.models import METRES_WIDE, Camera, CameraGroup, CameraPlace, SitePlan, Zone
from cameras.zones import ZoneError, clean_zone

# The services say in words that a name is taken.
_NAME: dict[str, Any] = {"name": {"validators": []}}
_POINTS_SCHEMA = {
    "type": "array",
    "minItems": 1,
    "maxItems": MOST_CORNERS,
    "items": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "number"}},
}


@extend_schema_field(_POINTS_SCHEMA)
class PointsField(serializers.Field[list[list[float]], object, list[list[float]], Any]):
    """Points in order; the zone's ground and shape say what they may be."""

    def to_internal_value(self, data: object) -> Any:
        return data

    def to_representation(self, value: list[list[float]]) -> list[list[float]]:
        return value


class ZoneSerializer(serializers.ModelSerializer[Zone]):
    """A zone. `ground` says what its points are measured in, and never changes."""

    points = PointsField(
        help_text="Corners in order, [x, y] from 0 to 1 of the picture or plan; on coordinates [latitude, longitude];"
        " of a circle its middle alone."
    )
    orphaned = serializers.BooleanField(
        source="is_orphaned", read_only=True, help_text="Whether its camera or plan was removed: it matches nothing."
    )

    class Meta:
        model = Zone
        fields = [
            "id",
            "name",
            "ground",
            "camera",
            "plan",
            "shape",
            "points",
            "radius_m",
            "anchor",
            "orphaned",
            "created_at",
        ]
        read_only_fields = ["created_at"]
        extra_kwargs: ClassVar[dict[str, Any]] = _NAME

    def validate_ground(self, ground: str) -> str:
        if self.instance is not None and ground != self.instance.ground:
            raise serializers.ValidationError("A zone stays where it is. Add another one there.")
        return ground

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        whole: dict[str, Any] = {name: values.get(name, getattr(self.instance, name, None)) for name in _DRAWN}
        try:
            clean_zone(**whole)
        except ZoneError as error:
            raise serializers.ValidationError({error.field: [str(error)]}) from None
        return values


_DRAWN = ("ground", "shape", "points", "radius_m")


class PlacedSerializer(serializers.ModelSerializer[CameraPlace]):
    """Where on a plan a camera is."""

    # A camera may come from another plan: that it has a place already is no mistake.
    camera: serializers.PrimaryKeyRelatedField[Camera] = serializers.PrimaryKeyRelatedField(
        queryset=Camera.objects.all()
    )

    class Meta:
        model = CameraPlace
        fields = ["camera", "x", "y"]


class PlanSerializer(serializers.ModelSerializer[SitePlan]):
    """A site plan and the cameras on it."""

    image = serializers.SerializerMethodField(help_text="Where the drawing is.")
    cameras = PlacedSerializer(source="places", many=True, read_only=True)

    class Meta:
        model = SitePlan
        fields = ["id", "name", "width", "height", "metres_wide", "image", "cameras", "created_at"]
        read_only_fields = ["width", "height", "created_at"]
        extra_kwargs: ClassVar[dict[str, Any]] = _NAME

    def get_image(self, plan: SitePlan) -> str:
        return reverse("api-plan-image", args=[plan.pk])


def _metres_wide() -> serializers.FloatField:
    return serializers.FloatField(
        required=False,
        allow_null=True,
        min_value=METRES_WIDE[0],
        max_value=METRES_WIDE[1],
        help_text="So many metres is the site from the plan's left edge to its right one; null: not known.",
    )


class PlanInput(serializers.Serializer[Any]):
    """A new plan."""

    name = serializers.CharField(max_length=200)
    image = serializers.FileField(allow_empty_file=True, help_text="PNG, JPEG or WebP, 20 MB at most.")
    metres_wide = _metres_wide()


class PlanChange(serializers.Serializer[Any]):
    """What is named is changed. `cameras` are then those on the plan, and no others."""

    name = serializers.CharField(max_length=200, required=False)
    metres_wide = _metres_wide()
    cameras = PlacedSerializer(many=True, required=False)


class GroupSerializer(serializers.ModelSerializer[CameraGroup]):
    """Cameras that belong together."""

    class Meta:
        model = CameraGroup
        fields = ["id", "name", "cameras"]
        extra_kwargs: ClassVar[dict[str, Any]] = {**_NAME, "cameras": {"required": False, "allow_empty": True}}
