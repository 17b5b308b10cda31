"""People, the watchlists they are on, and their encrypted templates.

Sealed columns hold AES-256-GCM data of accounts.vault under the scope `person:<id>`, so that deleting a person
shreds their photos and templates at once.
"""

from __future__ import annotations

import uuid

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from accounts.models import User

NAME_LENGTH = 200
PACK_LENGTH = 80
PATH_LENGTH = 1000


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


OVER_BEFORE = "The entry would be over before it begins. Choose a later end."


class WatchlistEntry(models.Model):
    """A person on a watchlist, for a time."""

    watchlist = models.ForeignKey(Watchlist, on_delete=models.CASCADE, related_name="entries")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="entries")
    reason = models.CharField(max_length=500, blank=True)
    added_at = models.DateTimeField(auto_now_add=True)
    added_by = models.ForeignKey(
        User, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    starts_at = models.DateTimeField(null=True, blank=True, help_text="Until then the entry has no effect.")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="From then on the entry has no effect.")

    class Meta:
        verbose_name_plural = "watchlist entries"
        constraints = [
            models.UniqueConstraint(fields=["watchlist", "person"], name="one_entry_a_person"),
            models.CheckConstraint(
                condition=models.Q(starts_at__isnull=True)
                | models.Q(expires_at__isnull=True)
                | models.Q(starts_at__lt=models.F("expires_at")),
                name="entry_begins_before_it_ends",
                violation_error_message=OVER_BEFORE,
            ),
        ]
        indexes = [
            models.Index("starts_at", name="entry_begins", condition=models.Q(starts_at__isnull=False)),
            models.Index("expires_at", name="entry_is_over", condition=models.Q(expires_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.person} on {self.watchlist}"

    @property
    def has_begun(self) -> bool:
        return self.starts_at is None or self.starts_at <= timezone.now()

    @property
    def is_over(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()


class Photo(models.Model):
    """An enrolment photo, sealed, as upright JPEG."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="photos")
    sealed = models.BinaryField()
    sealed_portrait = models.BinaryField(help_text="The face with some surroundings, for lists and alerts.")
    sealed_digest = models.BinaryField(
        null=True, editable=False, help_text="SHA-256 of the decoded picture: the same photo is not enrolled twice."
    )
    enhanced = models.CharField(
        max_length=300,
        blank=True,
        db_default="",
        editable=False,
        help_text="What was done to the picture; empty: it is as it came.",
    )
    for_matching = models.BooleanField(
        default=True,
        db_default=True,
        editable=False,
        help_text="Whether it has templates; an enhanced photo only where that was asked.",
    )
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
    log_after = models.BigIntegerField(default=0, db_default=0)  # GalleryChange has everything that is newer

    def __str__(self) -> str:
        return str(self.revision)


class GalleryChange(models.Model):
    """What was changed at a revision of the gallery, as triggers write it; without a subject: many, or all."""

    revision = models.BigIntegerField(db_index=True)
    kind = models.CharField(max_length=10)  # gallery_changes.Kind
    pack = models.CharField(max_length=PACK_LENGTH)
    subject = models.BigIntegerField(null=True)

    def __str__(self) -> str:
        return f"{self.kind} {self.subject} at {self.revision}"


class PackInUse(models.Model):
    """One row: the model pack that searches; without it the one of the setting MODEL_PACK. Only a switch writes it."""

    name = models.CharField(max_length=PACK_LENGTH)
    version = models.CharField(max_length=PACK_LENGTH)
    since = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "packs in use"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="only_one_pack_in_use")]

    def __str__(self) -> str:
        return self.version


class PackSwitch(models.Model):
    """A change to another model pack: every enrolment photo is embedded anew, then the gallery is swapped at once."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        EMBEDDING = "embedding", "Embedding"
        HELD = "held", "Waiting for a decision"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    name = models.CharField(max_length=PACK_LENGTH)
    version = models.CharField(max_length=PACK_LENGTH)
    before = models.CharField(max_length=PACK_LENGTH, help_text="The version that was in use when it was asked for.")
    state = models.CharField(max_length=20, choices=State.choices, default=State.WAITING)
    accepts_losses = models.BooleanField(
        default=False, help_text="Somebody agreed that people whom the new pack can not find are left out."
    )
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
                condition=models.Q(state__in=["waiting", "embedding", "held"]),
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


class NotSamePerson(models.Model):
    """Somebody looked at two people who resemble each other and said that they are two. The lower id comes first."""

    first = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    said_at = models.DateTimeField(auto_now_add=True)
    said_by = models.ForeignKey(
        User, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        verbose_name_plural = "pairs that are not the same person"
        constraints = [
            models.UniqueConstraint(fields=["first", "second"], name="one_answer_a_pair"),
            models.CheckConstraint(condition=models.Q(first__lt=models.F("second")), name="lower_id_first"),
        ]

    def __str__(self) -> str:
        return f"{self.first_id} is not {self.second_id}"


class PendingEnrolment(models.Model):
    """Photos that wait, sealed, until somebody has decided what to do with them; dropped after a short time.

    With a `person` they are photos for that person, without one they would make a new one of this name.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    asked_by = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    name = models.CharField(max_length=NAME_LENGTH)
    person = models.ForeignKey(Person, null=True, on_delete=models.CASCADE, related_name="+")
    watchlist = models.ForeignKey(Watchlist, null=True, on_delete=models.SET_NULL, related_name="+")

    def __str__(self) -> str:
        return f"photos of {self.name}"

    @property
    def scope(self) -> str:
        """The vault scope that seals the photos; shredded when they are dropped."""
        return f"upload:{self.pk}"


class PendingPhoto(models.Model):
    """One photo that waits."""

    pending = models.ForeignKey(PendingEnrolment, on_delete=models.CASCADE, related_name="photos")
    name = models.CharField(max_length=PATH_LENGTH)
    face = models.PositiveIntegerField(null=True, help_text="Which of several faces was asked for: 1 is the largest.")
    sealed = models.BinaryField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name


class OnDuplicate(models.TextChoices):
    """What shall happen when the face of a new person is enrolled already, under another name or the same."""

    REFUSE = "refuse", "Leave the photo out and report it"
    JOIN = "join", "Add the photo to the person who is there"
    NEW = "new", "Enrol as named all the same"


class Batch(models.Model):
    """Many people enrolled at once from a ZIP, a CSV or a folder, photo by photo; it goes on after any interruption."""

    class State(models.TextChoices):
        READING = "reading", "Reading"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"

    source = models.CharField(max_length=PATH_LENGTH, help_text="The name of the file, or the path on the server.")
    watchlist = models.ForeignKey(Watchlist, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    on_duplicate = models.CharField(max_length=10, choices=OnDuplicate.choices, default=OnDuplicate.REFUSE)
    uploaded = models.BooleanField(default=True, help_text="The photos lie sealed in the database; else in files.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.READING)
    ignored = models.PositiveIntegerField(default=0, help_text="Entries that are no photos of anybody.")
    asked_by = models.ForeignKey(
        User, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    asked_at = models.DateTimeField(auto_now_add=True)
    heartbeat_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name_plural = "batches"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"import of {self.source}"

    @property
    def scope(self) -> str:
        """The vault scope that seals the photos until they were looked at; shredded at the end."""
        return f"batch:{self.pk}"


class BatchPhoto(models.Model):
    """One photo of a batch and what became of it. Its bytes lie sealed here only until it was looked at."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        ENROLLED = "enrolled", "Enrolled"
        THERE = "there", "Enrolled before"
        DUPLICATE = "duplicate", "Somebody else's face"
        REFUSED = "refused", "Not used"
        CANCELLED = "cancelled", "Cancelled"

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="photos")
    path = models.CharField(max_length=PATH_LENGTH)
    name = models.CharField(max_length=NAME_LENGTH)
    watchlist = models.CharField(max_length=NAME_LENGTH, blank=True)
    notes = models.TextField(blank=True, max_length=4000)
    digest = models.CharField(max_length=64, blank=True, help_text="Keyed SHA-256 of the file: the same file again?")
    sealed = models.BinaryField(null=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    why = models.TextField(blank=True, help_text="For people: why it was not used, or what was noticed.")
    person = models.ForeignKey(Person, null=True, on_delete=models.SET_NULL, related_name="+")
    similarity = models.FloatField(null=True, help_text="To the person whose face it is, where it is a duplicate.")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["batch", "path", "name"], name="one_row_a_photo_and_name")]
        indexes = [models.Index(fields=["batch", "state", "id"], name="batch_progress")]

    def __str__(self) -> str:
        return self.path
