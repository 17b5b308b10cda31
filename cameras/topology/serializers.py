"""What the API takes and shows of the ways between cameras."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers

from cameras.models import Route, TravelTime


class RouteSerializer(serializers.ModelSerializer[Route]):
    """What was stated of a way. Its cameras never change."""

    class Meta:
        model = Route
        fields = ["id", "start", "end", "both_ways", "overlaps", "fastest", "usual"]
        # The services say in words that a way was stated already.
        validators: ClassVar[list[Any]] = []

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        for name in ("start", "end"):
            if self.instance is not None and values.get(name, getattr(self.instance, name)) != getattr(
                self.instance, name
            ):
                raise serializers.ValidationError({name: ["A route stays where it is. Add another one there."]})
        return values


class TravelTimeSerializer(serializers.ModelSerializer[TravelTime]):
    """What was learned of a way: seconds from the last sight to the first, that 5, 50 and 95 % were faster than."""

    class Meta:
        model = TravelTime
        fields = ["id", "start", "end", "count", "people", "at_once", "p05", "p50", "p95", "learned_at"]
