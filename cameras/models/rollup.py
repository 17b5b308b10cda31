"""Sums of what cameras saw, from which pages about movement are drawn.

They are made from sightings by `cameras.movement.summing` alone and can be made anew at any time; they name nobody.
A row is one camera's day (UTC) in quarters of an hour, the largest slots of which the hours of all time zones are made.
How the columns are packed is said by `cameras.movement.packing`.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from cameras.models.camera import Camera, WithoutSealed


class CameraDay(models.Model):
    """One camera's day in sums. What is not there is zero."""

    camera = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="days", db_index=False)
    day = models.DateField(help_text="In UTC.")
    counts = models.BinaryField(help_text="Sightings, people and presence by slot.")
    dwells = models.BinaryField(help_text="How many were in view how long, by slot.")
    dwells_day = models.BinaryField(help_text="The same for the whole day.")
    arrivals = models.BinaryField(help_text="Who came to this camera, from which, how fast, by slot.")
    arrivals_day = models.BinaryField(help_text="The same for the whole day.")
    heat = models.BinaryField(help_text="Where in the picture faces were, by slot; empty: nowhere.")

    objects: ClassVar[WithoutSealed[CameraDay]] = WithoutSealed()

    class Meta:
        ordering = ["day", "camera_id"]
        constraints = [models.UniqueConstraint(fields=["day", "camera"], name="one_row_a_camera_and_day")]
        indexes = [models.Index(fields=["camera", "day"], name="days_of_a_camera")]

    def __str__(self) -> str:
        return f"{self.camera_id} {self.day}"


class DirtySlot(models.Model):
    """A quarter of an hour in which a sighting was changed after its sums were made. Rows are only added and deleted,
    so that nobody waits for another; the same slot may be there twice."""

    start = models.DateTimeField()

    class Meta:
        ordering = ["start", "id"]

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M}"


class SumsState(models.Model):
    """One row: how far the sums are."""

    settled = models.DateTimeField(help_text="Slots before it change only where they are marked as dirty.")
    looked_back_at = models.DateTimeField(help_text="When the last days were summed up anew.")
    summed_at = models.DateTimeField(help_text="When the sums were last up to date.")

    def __str__(self) -> str:
        return f"settled until {self.settled:%Y-%m-%d %H:%M}"
