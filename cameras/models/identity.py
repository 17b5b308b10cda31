"""Identities: the same person, enrolled or unknown, over many sightings and cameras; and what was corrected by hand.

An unknown person's template is kept for UNKNOWN_HOURS only, sealed under one key an hour (`unknowns:<hour>`).
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import ClassVar

from django.db import models

from accounts.models import User
from cameras.models.camera import WithoutSealed
from cameras.models.sighting import Link, Sighting, Verdict
from recognition.models import NAME_LENGTH, PACK_LENGTH, Person

REASON_LENGTH = 500


class Identity(models.Model):
    """One person over all sightings: an enrolled one, or somebody unknown whom nobody has named yet.

    One that turned out to be another is kept with `merged_into`, so that its address leads there and a merge can be
    undone; it has no sightings.
    """

    person = models.OneToOneField(Person, null=True, on_delete=models.CASCADE, related_name="identity")
    label = models.CharField(max_length=NAME_LENGTH, blank=True, help_text="What operators call somebody unknown.")
    merged_into = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="merged")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "identities"
        permissions = [
            ("export_identity", "Can export where and when somebody was seen"),
            ("follow_identity", "Can follow somebody live"),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        if self.person is not None:
            return self.person.name
        return self.label or f"Unknown {self.pk}"

    @property
    def is_known(self) -> bool:
        return self.person_id is not None


class UnknownTemplate(models.Model):
    """The sealed mean embedding (float32, little-endian) of an unknown track; deleted when it expires."""

    sighting = models.OneToOneField(Sighting, on_delete=models.CASCADE, related_name="unknown_template")
    pack = models.CharField(max_length=PACK_LENGTH)
    sealed = models.BinaryField()
    seen_at = models.DateTimeField(help_text="When the track began; names the key that seals it.")
    expires_at = models.DateTimeField(db_index=True)
    linked_at = models.DateTimeField(null=True, help_text="Empty: nobody has looked yet whose it is.")

    objects: ClassVar[WithoutSealed[UnknownTemplate]] = WithoutSealed()

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["id"], condition=models.Q(linked_at=None), name="templates_to_link")]

    def __str__(self) -> str:
        return f"template of sighting {self.sighting_id}"


class UnknownGone(models.Model):
    """A template of somebody unknown that was deleted, as a database trigger notes it: whoever holds it in memory drops
    it, and then this row."""

    template = models.BigIntegerField()

    def __str__(self) -> str:
        return str(self.template)


class LinkerState(models.Model):
    """One row: which process links sightings, and how far it is."""

    owner = models.CharField(max_length=100, blank=True)
    heartbeat_at = models.DateTimeField(null=True)
    templates = models.PositiveIntegerField(default=0, help_text="Templates of unknown people it holds in memory.")
    waiting = models.PositiveIntegerField(default=0, help_text="Sightings that wait to be linked.")

    def __str__(self) -> str:
        return self.owner


class NotSameIdentity(models.Model):
    """Somebody said that these two are two people: they are never linked or proposed again. The lower id is first."""

    first = models.ForeignKey(Identity, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Identity, on_delete=models.CASCADE, related_name="+")
    said_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    said_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "identities that are not the same"
        constraints = [
            models.UniqueConstraint(fields=["first", "second"], name="one_answer_a_pair_of_identities"),
            models.CheckConstraint(condition=models.Q(first__lt=models.F("second")), name="lower_identity_first"),
        ]

    def __str__(self) -> str:
        return f"{self.first_id} is not {self.second_id}"


class ConflictKind(models.TextChoices):
    AT_ONCE = "at_once", "At two cameras at once"
    TOO_FAST = "too_fast", "Faster than anybody gets there"


class SightingConflict(models.Model):
    """Two sightings of one identity that can not both be theirs; it counts against the weaker one."""

    identity = models.ForeignKey(Identity, on_delete=models.CASCADE, related_name="conflicts")
    stronger = models.ForeignKey(Sighting, on_delete=models.CASCADE, related_name="+")
    weaker = models.ForeignKey(Sighting, on_delete=models.CASCADE, related_name="conflicts")
    kind = models.CharField(max_length=10, choices=ConflictKind.choices)
    seconds = models.FloatField(help_text="Between the two; negative: so long both were in view.")
    needed = models.FloatField(null=True, help_text="The seconds that the way takes at least, where that is known.")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["stronger", "weaker"], name="one_conflict_a_pair_of_sightings")]

    def __str__(self) -> str:
        return f"{self.weaker_id} against {self.stronger_id}"


class CorrectionKind(models.TextChoices):
    MERGED = "merged", "Made one of two"
    SPLIT = "split", "Split off"
    NOT_THEM = "not_them", "Not this person"
    NAMED = "named", "Named"


class Correction(models.Model):
    """Something that a person put right about identities; it can be undone once.

    `identity`: whom it is about, and for a merge whom it left; `other`: who went into it, or who was made of it.
    """

    kind = models.CharField(max_length=10, choices=CorrectionKind.choices)
    identity = models.ForeignKey(Identity, null=True, on_delete=models.SET_NULL, related_name="corrections")
    other = models.ForeignKey(Identity, null=True, on_delete=models.SET_NULL, related_name="+")
    person = models.ForeignKey(Person, null=True, on_delete=models.SET_NULL, related_name="+", help_text="Of a name.")
    reason = models.CharField(max_length=REASON_LENGTH, blank=True)
    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    actor_name = models.CharField(max_length=150)
    at = models.DateTimeField(auto_now_add=True)
    undone_at = models.DateTimeField(null=True)
    undone_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    undone_by_name = models.CharField(max_length=150, blank=True)
    detail = models.JSONField(default=dict, help_text="What undoing needs beside the sightings; ids only.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.identity_id} by {self.actor_name}"


class CorrectedSighting(models.Model):
    """A sighting as it was before a correction touched it."""

    correction = models.ForeignKey(Correction, on_delete=models.CASCADE, related_name="sightings")
    sighting = models.ForeignKey(Sighting, on_delete=models.CASCADE, related_name="corrections")
    identity = models.ForeignKey(Identity, null=True, on_delete=models.SET_NULL, related_name="+")
    person = models.ForeignKey(Person, null=True, on_delete=models.SET_NULL, related_name="+")
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    link = models.CharField(max_length=10, choices=Link.choices, blank=True)
    link_similarity = models.FloatField(null=True)
    is_doubted = models.BooleanField(default=False)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["correction", "sighting"], name="one_row_a_corrected_sighting")]

    def __str__(self) -> str:
        return f"{self.sighting_id} in correction {self.correction_id}"


class MergeProposal(models.Model):
    """The nightly look found that two identities may be one person; a human decides. The lower id is first."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        ACCEPTED = "accepted", "The same person"
        REFUSED = "refused", "Two people"
        GONE = "gone", "No longer there"

    first = models.ForeignKey(Identity, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Identity, on_delete=models.CASCADE, related_name="+")
    similarity = models.FloatField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    made_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-similarity", "id"]
        constraints = [
            models.UniqueConstraint(fields=["first", "second"], name="one_proposal_a_pair"),
            models.CheckConstraint(condition=models.Q(first__lt=models.F("second")), name="lower_proposed_first"),
        ]

    def __str__(self) -> str:
        return f"{self.first_id} and {self.second_id}"


def unknown_scope(seen_at: datetime) -> str:
    """The vault scope of the templates of unknown people who were seen in this hour."""
    return f"unknowns:{seen_at.astimezone(UTC):%Y-%m-%dT%H}"


def unknown_bind(sighting_id: uuid.UUID, pack: str) -> str:
    """What a sealed template of an unknown person is bound to."""
    return f"unknown|{sighting_id}|{pack}"
