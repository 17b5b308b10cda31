"""What cameras saw: a sighting for each track, and its passages through zones.

Best shots are sealed under one key a day (`sightings:<date>`).
"""

from __future__ import annotations

import uuid
from datetime import date
from typing import ClassVar

from django.db import models

from cameras.models.camera import Camera, WithoutSealed
from cameras.models.place import Zone
from recognition.models import NAME_LENGTH, PACK_LENGTH, Person


class Verdict(models.TextChoices):
    UNDECIDED = "undecided", "Not decided"
    KNOWN = "known", "Known"
    UNKNOWN = "unknown", "Unknown"


class Link(models.TextChoices):
    """How it came about that a sighting is an identity's."""

    RECOGNISED = "recognised", "Recognised"
    NEW = "new", "The first of its identity"
    LINKED = "linked", "The same face as before"
    HAND = "hand", "Said by a person"
    ERASED = "erased", "Nobody's any more: everything about them was erased"


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
    identity = models.ForeignKey(
        "cameras.Identity", null=True, on_delete=models.SET_NULL, related_name="sightings", db_index=False
    )
    link = models.CharField(max_length=10, choices=Link.choices, blank=True, db_default="")
    link_similarity = models.FloatField(null=True, help_text="To the face that it was linked to.")
    is_doubted = models.BooleanField(
        default=False,
        db_default=False,
        help_text="It can not be theirs, because another one that fits better was elsewhere: it is in no path.",
    )
    course = models.BinaryField(
        null=True, help_text="Where in the picture the face was, as cameras.courses packs it: some two dozen places."
    )
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
            models.Index(fields=["identity", "-first_seen", "-id"], name="sightings_of_an_identity"),
            models.Index(
                fields=["first_seen"],
                condition=models.Q(identity=None, person__isnull=False),
                name="sightings_to_link",
            ),
            models.Index(fields=["verdict", "-first_seen", "-id"], name="sightings_by_verdict"),
            models.Index(fields=["-first_seen", "-id"], condition=models.Q(is_doubted=True), name="doubted_sightings"),
            models.Index(fields=["-first_seen", "-id"], condition=models.Q(link="hand"), name="sightings_by_hand"),
        ]

    def __str__(self) -> str:
        return f"{self.camera_name} #{self.track}"

    @property
    def place(self) -> str:
        """Coordinates as people write them, or an empty string."""
        if self.latitude is None or self.longitude is None:
            return ""
        return f"{self.latitude:.5f}, {self.longitude:.5f}"


class PassageKind(models.TextChoices):
    ENTERED = "entered", "Entered"
    LEFT = "left", "Left"
    TO_RIGHT = "right", "Crossed to the right"
    TO_LEFT = "left_hand", "Crossed to the left"


class Passage(models.Model):
    """A track that went into a zone of its camera's picture, out of it, or over a line."""

    sighting = models.ForeignKey(Sighting, on_delete=models.CASCADE, related_name="passages")
    zone = models.ForeignKey(Zone, on_delete=models.CASCADE, related_name="passages", db_index=False)
    kind = models.CharField(max_length=10, choices=PassageKind.choices)
    number = models.PositiveIntegerField(help_text="Which one of this track, from 0.")
    at = models.DateTimeField(help_text="When the frame that showed it was captured.")
    # Pages about a zone go through its sightings in this order. A trigger fills it in where nobody does.
    first_seen = models.DateTimeField(null=True, editable=False, help_text="When the sighting began.")

    class Meta:
        ordering = ["at", "number"]
        constraints = [models.UniqueConstraint(fields=["sighting", "number"], name="one_passage_a_number")]
        indexes = [
            models.Index(fields=["zone", "-at"], name="passages_of_a_zone"),
            models.Index(fields=["zone", "-first_seen", "-sighting"], name="sightings_of_a_zone"),
        ]

    def __str__(self) -> str:
        return f"{self.sighting_id} {self.kind} {self.zone_id}"


def shot_scope(day: date) -> str:
    """The vault scope of a day's best shots."""
    return f"sightings:{day.isoformat()}"
