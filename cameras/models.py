"""Cameras, the leases that say which worker runs them, and what they saw.

A camera's source may hold a password, so it is stored sealed (vault scope `cameras`); `address` is what may be shown.
Best shots are sealed under one key a day (`sightings:<date>`).
"""

from __future__ import annotations

import uuid
from datetime import date
from typing import ClassVar, TypeVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from recognition.models import NAME_LENGTH, PACK_LENGTH, Person

CAMERA_SCOPE = "cameras"
Row = TypeVar("Row", bound=models.Model, covariant=True)


class WithoutSealed(models.Manager[Row]):
    """Reads rows without their sealed columns, so that no list carries them; `.defer(None)` reads everything."""

    def get_queryset(self) -> models.QuerySet[Row]:
        columns = self.model._meta.concrete_fields
        return super().get_queryset().defer(*(c.name for c in columns if isinstance(c, models.BinaryField)))


class Camera(models.Model):
    """A place that is watched, and where its pictures come from."""

    name = models.CharField(max_length=NAME_LENGTH, unique=True)
    sealed_source = models.BinaryField(editable=False)
    address = models.CharField(max_length=500, editable=False, help_text="The source without its credentials.")
    latitude = models.FloatField(null=True, blank=True, validators=[MinValueValidator(-90), MaxValueValidator(90)])
    longitude = models.FloatField(null=True, blank=True, validators=[MinValueValidator(-180), MaxValueValidator(180)])
    enabled = models.BooleanField(default=True, help_text="Only enabled cameras are watched.")
    loop = models.BooleanField(default=False, help_text="Start a file again when it ends.")
    note = models.CharField(max_length=200, blank=True, editable=False, help_text="Why it was switched off by itself.")
    revision = models.PositiveIntegerField(
        default=0, editable=False, help_text="Raised when the running loop must start anew."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[WithoutSealed[Camera]] = WithoutSealed()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class CameraLease(models.Model):
    """Who runs the camera. Taken by a conditional UPDATE; `epoch` rises with every new owner and fences old ones."""

    camera = models.OneToOneField(Camera, on_delete=models.CASCADE, primary_key=True, related_name="lease")
    owner = models.CharField(max_length=100, blank=True)
    epoch = models.PositiveBigIntegerField(default=0)
    expires_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.camera_id}: {self.owner}"


class Verdict(models.TextChoices):
    UNDECIDED = "undecided", "Not decided"
    KNOWN = "known", "Known"
    UNKNOWN = "unknown", "Unknown"


class Sighting(models.Model):
    """One track of one camera as it is stored: when, where, who, how alike, and the best shot."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    camera = models.ForeignKey(Camera, null=True, on_delete=models.SET_NULL, related_name="sightings", db_index=False)
    camera_name = models.CharField(max_length=NAME_LENGTH, help_text="The camera's name then.")
    latitude = models.FloatField(null=True)
    longitude = models.FloatField(null=True)
    track = models.PositiveBigIntegerField()
    epoch = models.PositiveBigIntegerField(default=0, help_text="The lease under which it was written.")
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    frames = models.PositiveIntegerField(default=0, help_text="Frames in which the face was detected.")
    is_open = models.BooleanField(default=True)
    verdict = models.CharField(max_length=10, choices=Verdict.choices, default=Verdict.UNDECIDED)
    person = models.ForeignKey(Person, null=True, on_delete=models.SET_NULL, related_name="sightings", db_index=False)
    similarity = models.FloatField(null=True, help_text="To the best candidate, also when that is below the threshold.")
    threshold = models.FloatField(null=True, help_text="The similarity that was asked for.")
    pack = models.CharField(max_length=PACK_LENGTH, blank=True)
    enhanced = models.CharField(
        max_length=300,
        blank=True,
        db_default="",
        help_text="What was done to the enrolled photo that the face resembles most; empty: it is as it came.",
    )
    quality = models.FloatField(default=0.0, help_text="Of the best shot, in [0, 1].")
    sealed_shot = models.BinaryField(null=True)
    shot_day = models.DateField(null=True, help_text="Names the key that seals the best shot.")

    objects: ClassVar[WithoutSealed[Sighting]] = WithoutSealed()

    class Meta:
        ordering = ["-first_seen", "-id"]
        # What changes while a sighting is open (last_seen, frames, quality) is in none: such updates stay cheap.
        indexes = [
            models.Index(fields=["-first_seen", "-id"]),
            models.Index(fields=["person", "-first_seen", "-id"]),
            models.Index(fields=["camera", "-first_seen", "-id"]),
            models.Index(fields=["camera"], condition=models.Q(is_open=True), name="open_sightings"),
        ]

    def __str__(self) -> str:
        return f"{self.camera_name} #{self.track}"

    @property
    def place(self) -> str:
        """Coordinates as people write them, or an empty string."""
        if self.latitude is None or self.longitude is None:
            return ""
        return f"{self.latitude:.5f}, {self.longitude:.5f}"


def shot_scope(day: date) -> str:
    """The vault scope of a day's best shots."""
    return f"sightings:{day.isoformat()}"
