"""Alerts, what people did about them, and what they decided."""

from __future__ import annotations

import uuid

from django.db import models

from accounts.models import User
from alerts.models.rule import Rule, Severity, Trigger
from cameras.models import Camera, CameraEvent, Sighting, Zone
from recognition.models import NAME_LENGTH, PACK_LENGTH, Person, Watchlist


class AlertState(models.TextChoices):
    NEW = "new", "New"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    CONFIRMED = "confirmed", "Confirmed"
    DISMISSED = "dismissed", "Dismissed"
    CLOSED = "closed", "Closed"


CLIP = "video/"  # how the media types of clips begin
DONE = (AlertState.CONFIRMED, AlertState.DISMISSED, AlertState.CLOSED)


class Dismissal(models.TextChoices):
    NOT_THIS_PERSON = "not_this_person", "Not this person"
    NOT_RELEVANT = "not_relevant", "The right person, but nothing to act on"
    TEST = "test", "A test"
    DUPLICATE = "duplicate", "Told already by another alert"
    OTHER = "other", "Another reason"


class Alert(models.Model):
    """Something that a rule says people must be told of: a sighting, an event of a camera, or an absence (neither).

    Keeps the names of then, so that it outlives what it tells about. `revision` is given by a database trigger, one
    sequence for all alerts, in the order in which changes commit: what a page has not been told yet is what has a
    larger one.
    """

    rule = models.ForeignKey(Rule, null=True, on_delete=models.SET_NULL, related_name="alerts", db_index=False)
    rule_name = models.CharField(max_length=NAME_LENGTH, blank=True)
    trigger = models.CharField(max_length=10, choices=Trigger.choices, default=Trigger.APPEARS)
    sighting = models.ForeignKey(Sighting, null=True, on_delete=models.CASCADE, related_name="alerts")
    event = models.ForeignKey(CameraEvent, null=True, on_delete=models.CASCADE, related_name="alerts")
    camera = models.ForeignKey(Camera, null=True, on_delete=models.SET_NULL, related_name="alerts", db_index=False)
    zone = models.ForeignKey(Zone, null=True, on_delete=models.SET_NULL, related_name="+")
    person = models.ForeignKey(Person, null=True, on_delete=models.SET_NULL, related_name="alerts", db_index=False)
    watchlist = models.ForeignKey(Watchlist, null=True, on_delete=models.SET_NULL, related_name="alerts")
    watchlist_name = models.CharField(max_length=NAME_LENGTH, blank=True)
    person_name = models.CharField(max_length=NAME_LENGTH, blank=True, help_text="Empty: an unknown face, or nobody.")
    camera_name = models.CharField(max_length=NAME_LENGTH, blank=True)
    zone_name = models.CharField(max_length=NAME_LENGTH, blank=True)
    detail = models.CharField(max_length=500, blank=True, help_text="What happened, as a sentence for people.")
    severity = models.CharField(max_length=10, choices=Severity.choices)
    similarity = models.FloatField(null=True)
    threshold = models.FloatField(null=True)
    enhanced = models.CharField(
        max_length=300,
        blank=True,
        db_default="",
        help_text="What was done to the enrolled photo that it rests on; empty: it is as it came.",
    )
    captured_at = models.DateTimeField(help_text="When the frame that decided it was captured, or the event began.")
    created_at = models.DateTimeField(auto_now_add=True)
    day = models.DateField(null=True, help_text="The day on which somebody was absent.")
    count = models.PositiveIntegerField(default=1, help_text="How often it happened, repeats in its cooldown included.")
    last_at = models.DateTimeField(null=True, help_text="When it happened last, where that was more than once.")
    named_at = models.DateTimeField(null=True, help_text="When an unknown face got its name, or the name changed.")

    state = models.CharField(max_length=15, choices=AlertState.choices, default=AlertState.NEW)
    acknowledged_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    acknowledged_at = models.DateTimeField(null=True)
    assigned_to = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="assigned_alerts")
    decided_at = models.DateTimeField(null=True, help_text="When it was confirmed or dismissed.")
    dismissal = models.CharField(max_length=20, choices=Dismissal.choices, blank=True)
    closed_at = models.DateTimeField(null=True)
    reviews_needed = models.PositiveSmallIntegerField(
        default=0, help_text="How many trained people must confirm it before it is more than a lead; 0: no review."
    )
    next_step_at = models.DateTimeField(null=True, help_text="When the next people are told, while it is new.")
    steps_told = models.PositiveIntegerField(default=0, help_text="How many of the rule's steps were told.")

    version = models.PositiveIntegerField(default=0, help_text="Raised whenever pages that show it must show it anew.")
    revision = models.BigIntegerField(default=0, editable=False)

    class Meta:
        ordering = ["-id"]
        permissions = [("review_alert", "Can review alerts as one of two"), ("export_alert", "Can export alerts")]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "sighting", "person", "zone"],
                name="one_alert_a_sighting",
                nulls_distinct=False,
                condition=models.Q(rule__isnull=False, sighting__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["rule", "event"], name="one_alert_an_event", condition=models.Q(event__isnull=False)
            ),
            models.UniqueConstraint(
                fields=["rule", "person", "day"], name="one_alert_an_absence", condition=models.Q(day__isnull=False)
            ),
            models.CheckConstraint(
                condition=models.Q(sighting__isnull=False, event__isnull=True, day__isnull=True)
                | models.Q(sighting__isnull=True, event__isnull=False, day__isnull=True)
                | models.Q(sighting__isnull=True, event__isnull=True, day__isnull=False),
                name="of_one_thing",
            ),
        ]
        indexes = [
            models.Index(fields=["rule", "person", "camera", "-captured_at"], name="cooldown"),
            models.Index(fields=["rule", "-captured_at"], name="cooldown_of_a_rule"),
            models.Index(fields=["person", "-id"], name="alerts_of_a_person"),
            models.Index(fields=["camera", "-id"], name="alerts_of_a_camera"),
            models.Index(fields=["id"], condition=models.Q(state="new"), name="open_alerts"),
            models.Index(fields=["revision"], name="alerts_as_they_changed"),
            models.Index(fields=["captured_at"], name="alerts_by_time"),
            models.Index(
                fields=["next_step_at"],
                condition=models.Q(state="new", next_step_at__isnull=False),
                name="alerts_to_escalate",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} at {self.camera_name}" if self.camera_name else self.title

    @property
    def title(self) -> str:
        """Who was seen, or what happened to the camera."""
        if self.event is not None:
            return str(self.event.get_kind_display())
        if self.trigger == Trigger.CROWD:
            return "Too many people"
        who = self.person_name or "Unknown face"
        return f"{who} was not seen" if self.trigger == Trigger.ABSENT else who

    @property
    def is_match(self) -> bool:
        """Whether it says of a face that it is somebody's."""
        return self.person_id is not None and self.sighting_id is not None

    @property
    def is_lead(self) -> bool:
        """Whether it is a lead only: it needs confirmations that it does not have. One that was dismissed stays one."""
        return self.reviews_needed > 0 and not self.was_confirmed

    @property
    def was_confirmed(self) -> bool:
        """Whether somebody, or two reviewers, said that it is right; closing it changes nothing of that."""
        closed = self.state == AlertState.CLOSED and self.decided_at is not None and not self.dismissal
        return closed or self.state == AlertState.CONFIRMED


class AlertRepeat(models.Model):
    """A further sighting within the cooldown of an alert, counted in it."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="repeats")
    sighting = models.ForeignKey(Sighting, on_delete=models.CASCADE, related_name="repeated_alerts")
    person = models.ForeignKey(Person, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(help_text="When the frame that showed it was captured.")

    class Meta:
        ordering = ["at", "id"]
        constraints = [models.UniqueConstraint(fields=["alert", "sighting"], name="one_repeat_a_sighting")]

    def __str__(self) -> str:
        return f"{self.sighting_id} again for alert {self.alert_id}"


class AlertRemoval(models.Model):
    """An alert that is gone, so that pages which show it learn of that; written by a database trigger."""

    revision = models.BigIntegerField(primary_key=True)
    alert = models.BigIntegerField()
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return str(self.alert)


class StepKind(models.TextChoices):
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    ASSIGNED = "assigned", "Assigned"
    COMMENTED = "commented", "Commented"
    REVIEWED = "reviewed", "Reviewed"
    CONFIRMED = "confirmed", "Confirmed"
    DISMISSED = "dismissed", "Dismissed"
    CLOSED = "closed", "Closed"
    REOPENED = "reopened", "Opened again"
    NAMED = "named", "Got a name"
    REVISED = "revised", "The name changed"
    ESCALATED = "escalated", "Told further people"
    ATTACHED = "attached", "Attached"
    EXPORTED = "exported", "Exported"
    ENDED = "ended", "Over by itself"


class AlertStep(models.Model):
    """Something that was done about an alert. Rows are only ever added."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="history")
    kind = models.CharField(max_length=15, choices=StepKind.choices)
    at = models.DateTimeField(auto_now_add=True)
    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    actor_name = models.CharField(max_length=150, help_text="Kept when the account is gone; 'system' for Lynceus.")
    text = models.TextField(blank=True, max_length=4000)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.alert_id}"


class Review(models.Model):
    """One trained person's answer to whether it is the same person, given without knowing the others'."""

    class Answer(models.TextChoices):
        SAME = "same", "The same person"
        DIFFERENT = "different", "Not this person"
        UNSURE = "unsure", "I can not tell"

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="reviews")
    reviewer = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    reviewer_name = models.CharField(max_length=150)
    answer = models.CharField(max_length=10, choices=Answer.choices)
    note = models.TextField(blank=True, max_length=4000)
    at = models.DateTimeField(auto_now_add=True)
    settled = models.BooleanField(
        default=False, help_text="The alert was decided since: it may be seen, and counts no more when that is undone."
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["alert", "reviewer"], name="one_open_review_a_person", condition=models.Q(settled=False)
            )
        ]

    def __str__(self) -> str:
        return f"{self.reviewer_name} on alert {self.alert_id}"


class Training(models.Model):
    """That somebody was trained to compare faces; who is not, or not any more, reviews nothing."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="training")
    course = models.CharField(max_length=200)
    trained_on = models.DateField()
    valid_until = models.DateField()
    recorded_by = models.ForeignKey(User, null=True, editable=False, on_delete=models.SET_NULL, related_name="+")

    def __str__(self) -> str:
        return f"{self.user}: {self.course}"


class Attachment(models.Model):
    """Something that belongs to an alert, sealed under `scope`."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="attachments")
    name = models.CharField(max_length=200)
    media_type = models.CharField(max_length=100)
    size = models.PositiveBigIntegerField()
    sealed = models.BinaryField()
    added_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_clip(self) -> bool:
        """Whether it is what a camera saw around the alert's sighting; people can not attach such files."""
        return self.media_type.startswith(CLIP)

    @property
    def scope(self) -> str:
        """The vault scope that seals it."""
        return f"alert:{self.alert_id}"


class NotThisPerson(models.Model):
    """A face that was taken for a person and is not theirs; kept sealed for a while, so that it does not happen again.

    The embedding is float32, little-endian, of the pack that made it, sealed under the person's scope.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="not_them")
    alert = models.ForeignKey(Alert, null=True, on_delete=models.SET_NULL, related_name="+")
    pack = models.CharField(max_length=PACK_LENGTH)
    sealed = models.BinaryField()
    similarity = models.FloatField(help_text="How much it resembled the person then.")
    said_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    said_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    suppressed = models.PositiveIntegerField(default=0, help_text="How many alerts it has kept from being raised.")
    last_suppressed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "not this person"
        indexes = [models.Index(fields=["person", "pack"], name="faces_not_theirs")]

    def __str__(self) -> str:
        return f"not {self.person}"
