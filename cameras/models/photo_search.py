"""Searches by photo: who asked and why, the faces that are searched, how far the search is, and what it found.

The faces of the photo are sealed under a key of each search (`search:<uuid>`), which is shredded when the search is
deleted, PHOTO_SEARCH_DAYS after it was asked for. The photo itself is not kept.
"""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

from accounts.models import User
from cameras.models.camera import WithoutSealed
from cameras.models.identity import REASON_LENGTH, Identity
from cameras.models.sighting import Sighting
from recognition.models import NAME_LENGTH, PACK_LENGTH, Person

CASE_LENGTH = 100


class SearchState(models.TextChoices):
    """How far a search, or a part of one, is."""

    CHOOSING = "choosing", "Which face?"
    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class SearchSource(models.TextChoices):
    """Where a candidate was found."""

    PEOPLE = "people", "Among enrolled people"
    FACES = "faces", "Among faces of unknown people"
    PICTURES = "pictures", "In stored pictures"


class PhotoSearch(models.Model):
    """Somebody searches with a photo: where, when, and for what reason."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    asked_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    asked_by_name = models.CharField(max_length=150)
    asked_at = models.DateTimeField(auto_now_add=True, db_index=True)
    reason = models.CharField(max_length=REASON_LENGTH)
    case_number = models.CharField(max_length=CASE_LENGTH, db_index=True)
    since = models.DateTimeField(null=True, help_text="Sightings that began then or later; empty: from the first.")
    until = models.DateTimeField(null=True, help_text="Sightings that began by then; empty: until it was asked for.")
    cameras = models.JSONField(
        default=list, help_text="Ids; empty: all. One that was removed stays here: the search does not become wider."
    )
    camera_names = models.TextField(blank=True, help_text="What was chosen, in words.")
    least_similarity = models.FloatField(null=True, help_text="Candidates below it are not shown; empty: all are.")
    pack = models.CharField(max_length=PACK_LENGTH)
    threshold = models.FloatField(help_text="The pack's, from which a similarity counts as the same person.")
    left_out = models.PositiveIntegerField(default=0, help_text="Faces of the photo that are too poor to be searched.")
    people = models.PositiveIntegerField(default=0, help_text="Enrolled people who were compared.")
    begun_at = models.DateTimeField(null=True, help_text="Empty: it is to be said yet which faces are meant.")

    class Meta:
        ordering = ["-asked_at", "id"]
        verbose_name_plural = "photo searches"

    def __str__(self) -> str:
        return f"{self.case_number} by {self.asked_by_name}"

    @property
    def scope(self) -> str:
        """The vault scope that seals the faces of the photo."""
        return search_scope(self.pk)

    @property
    def state(self) -> SearchState:
        """How far it is in all: of its parts the one that is least far."""
        states = {SearchState(part.state) for part in self.parts.all()}
        if self.begun_at is None:
            return SearchState.CHOOSING
        if states >= {SearchState.WAITING, SearchState.DONE}:
            return SearchState.RUNNING
        ordered = (SearchState.RUNNING, SearchState.WAITING, SearchState.FAILED, SearchState.CANCELLED)
        return next((state for state in ordered if state in states), SearchState.DONE)

    @property
    def is_over(self) -> bool:
        return self.state not in (SearchState.CHOOSING, SearchState.WAITING, SearchState.RUNNING)


class SearchPart(models.Model):
    """What runs in the background: over the faces of unknown people, or over stored pictures.

    One process at a time works on it: who took it last, whose `token` stands here. A part that nobody touched for a
    while is taken again, and goes on where it was.
    """

    search = models.ForeignKey(PhotoSearch, on_delete=models.CASCADE, related_name="parts")
    source = models.CharField(max_length=10, choices=SearchSource.choices)
    state = models.CharField(max_length=10, choices=SearchState.choices, default=SearchState.WAITING)
    token = models.UUIDField(null=True)
    times = models.PositiveIntegerField(default=0, help_text="How often it was taken after its runner had died.")
    heartbeat_at = models.DateTimeField(null=True)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(default=0.0, help_text="That it was worked on.")
    skipped = models.PositiveIntegerField(default=0, help_text="Pictures that show no usable face, or do not open.")
    cursor_at = models.DateTimeField(null=True, help_text="With cursor_id: the sighting that was looked at last.")
    cursor_id = models.UUIDField(null=True)
    why = models.TextField(blank=True, help_text="Why it failed, or what was not searched; a sentence a line.")
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["search", "source"], name="one_part_a_source")]
        indexes = [
            models.Index(
                fields=["source", "id"],
                condition=models.Q(state__in=["waiting", "running"]),
                name="search_parts_to_do",
            )
        ]

    def __str__(self) -> str:
        return f"{self.source} of {self.search_id}"

    @property
    def is_over(self) -> bool:
        return self.state not in (SearchState.WAITING, SearchState.RUNNING)

    @property
    def sentences(self) -> list[str]:
        return self.why.splitlines()


class SearchFace(models.Model):
    """A face of the photo, sealed: its embedding (float32, little-endian) and a small JPEG of it."""

    search = models.ForeignKey(PhotoSearch, on_delete=models.CASCADE, related_name="faces")
    number = models.PositiveSmallIntegerField(help_text="1 is the largest of the photo.")
    quality = models.FloatField()
    problems = models.TextField(blank=True, help_text="Sentences on what is poor about it.")
    sealed = models.BinaryField()
    sealed_picture = models.BinaryField()

    objects: ClassVar[WithoutSealed[SearchFace]] = WithoutSealed()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["search", "number"], name="one_row_a_searched_face")]

    def __str__(self) -> str:
        return f"face {self.number} of {self.search_id}"


class PhotoSearchHit(models.Model):
    """A candidate: an enrolled person, somebody unknown, or a sighting that is nobody's yet.

    Which sightings are theirs is asked anew when the result is shown, so that corrections count at once.
    """

    face = models.ForeignKey(SearchFace, on_delete=models.CASCADE, related_name="hits")
    source = models.CharField(max_length=10, choices=SearchSource.choices)
    rank = models.PositiveIntegerField(help_text="Among those of its source, from 1.")
    similarity = models.FloatField()
    threshold = models.FloatField(help_text="The similarity that was asked for.")
    is_match = models.BooleanField(help_text="What the decision said.")
    person = models.ForeignKey(Person, null=True, on_delete=models.CASCADE, related_name="+")
    identity = models.ForeignKey(Identity, null=True, on_delete=models.CASCADE, related_name="+")
    sighting = models.ForeignKey(
        Sighting,
        null=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Its face resembles the photo most.",
    )
    seen_at = models.DateTimeField(null=True)
    camera_name = models.CharField(max_length=NAME_LENGTH, blank=True)
    enhanced = models.CharField(max_length=300, blank=True, help_text="What was done to the enrolled photo.")

    class Meta:
        ordering = ["source", "rank", "id"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(person=None, identity=None, sighting=None), name="search_hit_is_somebody"
            )
        ]

    def __str__(self) -> str:
        return f"{self.similarity:.3f} in {self.source}"


class PhotoSearchLook(models.Model):
    """Somebody looked at the results of a search that another one had asked for."""

    search = models.ForeignKey(PhotoSearch, on_delete=models.CASCADE, related_name="looks")
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    user_name = models.CharField(max_length=150)
    first_at = models.DateTimeField(auto_now_add=True)
    last_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["search", "user"], name="one_row_a_looking_user")]

    def __str__(self) -> str:
        return f"{self.user_name} at {self.search_id}"


def search_scope(search_id: uuid.UUID) -> str:
    """The vault scope of the faces of a search."""
    return f"search:{search_id}"


def searched_face_bind(search_id: uuid.UUID, number: int, pack: str) -> str:
    """What the sealed embedding of a searched face is bound to."""
    return f"searched|{search_id}|{number}|{pack}"


def searched_picture_bind(search_id: uuid.UUID, number: int) -> str:
    """What the sealed picture of a searched face is bound to."""
    return f"searched-picture|{search_id}|{number}"
