"""People, the watchlists they are on, and their encrypted templates.

Sealed columns hold AES-256-GCM data of accounts.vault under the scope `person:<id>`, so that deleting a person
shreds their photos and templates at once.
"""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from accounts.models import User

NAME_LENGTH = 200
PACK_LENGTH = 80


class Person(models.Model):
    """Somebody who was enrolled with a lawful reason."""

    name = models.CharField(max_length=NAME_LENGTH, db_index=True)
    notes = models.TextField(blank=True, max_length=4000)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        User, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        verbose_name_plural = "people"
        ordering = ["name", "id"]
        permissions = [("identify_person", "Can search the gallery with a photo")]

    def __str__(self) -> str:
        return self.name

    @property
    def scope(self) -> str:
        """The vault scope that seals everything biometric of this person."""
        return f"person:{self.pk}"


class Category(models.TextChoices):
    MISSING = "missing", "Missing"
    WANTED = "wanted", "Wanted"
    BARRED = "barred", "Barred"
    STAFF = "staff", "Staff"
    VIP = "vip", "VIP"
    OTHER = "other", "Other"


class Watchlist(models.Model):
    """A named part of the gallery with a purpose, a legal basis and a threshold. Its alert policy is alerts.Rule."""

    name = models.CharField(max_length=NAME_LENGTH, unique=True)
    category = models.CharField(max_length=20, choices=Category.choices, default=Category.OTHER)
    purpose = models.TextField(blank=True, help_text="Why these people are looked for.")
    legal_basis = models.TextField(blank=True, help_text="What allows it.")
    threshold = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(-1.0), MaxValueValidator(1.0)],
        help_text="Similarity from which a match counts on this list; empty: the model pack's own.",
    )
    threshold_pack = models.CharField(
        max_length=PACK_LENGTH,
        blank=True,
        editable=False,
        help_text="The version of the pack whose similarities the threshold means; with another it has no effect.",
    )
    is_active = models.BooleanField(default=True, help_text="An inactive list causes no alerts.")
    created_at = models.DateTimeField(auto_now_add=True)
    people = models.ManyToManyField(Person, through="WatchlistEntry", related_name="watchlists")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class WatchlistEntry(models.Model):
    """A person on a watchlist, for a time."""

    watchlist = models.ForeignKey(Watchlist, on_delete=models.CASCADE, related_name="entries")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="entries")
    reason = models.CharField(max_length=500, blank=True)
    added_at = models.DateTimeField(auto_now_add=True)
    added_by = models.ForeignKey(
        User, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    expires_at = models.DateTimeField(null=True, blank=True, help_text="From then on the entry has no effect.")

    class Meta:
        verbose_name_plural = "watchlist entries"
        constraints = [models.UniqueConstraint(fields=["watchlist", "person"], name="one_entry_a_person")]

    def __str__(self) -> str:
        return f"{self.person} on {self.watchlist}"

    @property
    def is_valid(self) -> bool:
        return self.expires_at is None or self.expires_at > timezone.now()


class Photo(models.Model):
    """An enrolment photo, sealed, as upright JPEG."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="photos")
    sealed = models.BinaryField()
    sealed_portrait = models.BinaryField(help_text="The face with some surroundings, for lists and alerts.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"photo {self.pk} of person {self.person_id}"


class Template(models.Model):
    """A sealed embedding: float32, little-endian, of the pack that made it. Never compared across packs."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="templates")
    photo = models.ForeignKey(Photo, on_delete=models.CASCADE, related_name="templates")
    pack = models.CharField(max_length=PACK_LENGTH, db_index=True)
    sealed = models.BinaryField()
    quality = models.FloatField(help_text="Face image quality in [0, 1].")
    box = models.JSONField(help_text="The face in the photo: xyxy, normalised to [0, 1].")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["photo", "pack"], name="one_template_a_pack")]

    def __str__(self) -> str:
        return f"template {self.pk} of person {self.person_id}"


class GalleryRevision(models.Model):
    """One row that counts every change of people, templates and watchlists; database triggers raise it."""

    revision = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.revision)


class PackInUse(models.Model):
    """One row: the model pack that searches; without it the one of the setting MODEL_PACK. Only a switch writes it."""

    name = models.CharField(max_length=PACK_LENGTH)
    version = models.CharField(max_length=PACK_LENGTH)
    since = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "packs in use"

    def __str__(self) -> str:
        return self.version


class PackSwitch(models.Model):
    """A change to another model pack: every enrolment photo is embedded anew, then the gallery is swapped at once."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        EMBEDDING = "embedding", "Embedding"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    name = models.CharField(max_length=PACK_LENGTH)
    version = models.CharField(max_length=PACK_LENGTH)
    state = models.CharField(max_length=20, choices=State.choices, default=State.WAITING)
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0, help_text="Photos in which the new pack finds no face.")
    why = models.TextField(blank=True, help_text="Why it failed, for people.")
    asked_by = models.ForeignKey(
        User, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    asked_at = models.DateTimeField(auto_now_add=True)
    heartbeat_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name_plural = "pack switches"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                models.Value(1),
                condition=models.Q(state__in=["waiting", "embedding"]),
                name="one_switch_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return f"switch to {self.version}"


class PackLicence(models.Model):
    """Somebody accepted the licence of a model pack that asks for it."""

    name = models.CharField(max_length=PACK_LENGTH, unique=True)
    licence = models.CharField(max_length=200)
    accepted_by = models.ForeignKey(
        User, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    accepted_name = models.CharField(max_length=200, help_text="Who accepted it, also after the account is gone.")
    accepted_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.licence} of {self.name}"


class UnusablePhoto(models.Model):
    """An enrolment photo that a pack can not use: its person is not found by that photo."""

    photo = models.ForeignKey(Photo, on_delete=models.CASCADE, related_name="unusable")
    pack = models.CharField(max_length=PACK_LENGTH)
    why = models.CharField(max_length=500)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["photo", "pack"], name="one_reason_a_pack")]

    def __str__(self) -> str:
        return f"photo {self.photo_id} with {self.pack}"
