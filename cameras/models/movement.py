"""How people get from camera to camera: what was stated, what was learned, and sums from which pages are drawn."""

from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models

from cameras.models.camera import Camera


class Route(models.Model):
    """What somebody stated of the way from one camera to another; `both_ways`: and back."""

    start = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="routes_from")
    end = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="routes_to")
    both_ways = models.BooleanField(default=True)
    overlaps = models.BooleanField(
        default=False, help_text="Their views overlap: one person may be seen by both at the same time."
    )
    fastest = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(0)], help_text="Nobody gets there in fewer seconds."
    )
    usual = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(0)], help_text="Most take about so many seconds."
    )

    class Meta:
        ordering = ["start__name", "end__name"]
        constraints = [
            models.UniqueConstraint(fields=["start", "end"], name="one_route_a_pair"),
            models.CheckConstraint(condition=~models.Q(start=models.F("end")), name="routes_lead_elsewhere"),
        ]

    def __str__(self) -> str:
        return f"{self.start} to {self.end}"


class TravelTime(models.Model):
    """What was learned of the way from one camera to another, from people who are surely the same."""

    start = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="+")
    end = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="+")
    count = models.PositiveIntegerField(help_text="Transitions that it was learned from.")
    people = models.PositiveIntegerField(help_text="Of so many people.")
    at_once = models.PositiveIntegerField(default=0, help_text="Of these, how often both cameras saw them at once.")
    p05 = models.FloatField(help_text="5 % were faster, in seconds from the last sight to the first.")
    p50 = models.FloatField()
    p95 = models.FloatField()
    learned_at = models.DateTimeField()

    class Meta:
        ordering = ["start_id", "end_id"]
        constraints = [models.UniqueConstraint(fields=["start", "end"], name="one_travel_time_a_pair")]

    def __str__(self) -> str:
        return f"{self.start_id} to {self.end_id}: {self.p50:.0f} s"
