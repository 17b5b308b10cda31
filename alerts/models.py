"""Rules say who must be told of what; an alert is one such telling; deliveries carry it out (an outbox)."""

from __future__ import annotations

from django.db import models

from accounts.models import User
from cameras.models import Camera, CameraEvent, Sighting
from recognition.models import NAME_LENGTH, Person, Watchlist


class Severity(models.TextChoices):
    LOW = "low", "Low"
    MEDIUM = "medium", "Medium"
    HIGH = "high", "High"
    CRITICAL = "critical", "Critical"


class Rule(models.Model):
    """The alert policy of one watchlist."""

    watchlist = models.OneToOneField(Watchlist, on_delete=models.CASCADE, related_name="rule")
    enabled = models.BooleanField(default=True)
    severity = models.CharField(max_length=10, choices=Severity.choices, default=Severity.HIGH)
    cooldown_seconds = models.PositiveIntegerField(
        default=60, help_text="After an alert, the same person on the same camera causes no further one for this long."
    )

    def __str__(self) -> str:
        return f"Alert when somebody on “{self.watchlist}” is seen"


class AlertState(models.TextChoices):
    NEW = "new", "New"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"


class Alert(models.Model):
    """Somebody on a watchlist was seen (`sighting`), or something is wrong with a camera (`event`).

    Keeps the names of then, so that it outlives what it tells about.
    """

    rule = models.ForeignKey(Rule, null=True, on_delete=models.SET_NULL, related_name="alerts", db_index=False)
    sighting = models.ForeignKey(Sighting, null=True, on_delete=models.CASCADE, related_name="alerts")
    event = models.OneToOneField(CameraEvent, null=True, on_delete=models.CASCADE, related_name="alert")
    camera = models.ForeignKey(Camera, null=True, on_delete=models.SET_NULL, related_name="alerts", db_index=False)
    person = models.ForeignKey(Person, null=True, on_delete=models.SET_NULL, related_name="alerts", db_index=False)
    watchlist_name = models.CharField(max_length=NAME_LENGTH, blank=True)
    person_name = models.CharField(max_length=NAME_LENGTH, blank=True)
    camera_name = models.CharField(max_length=NAME_LENGTH)
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
    state = models.CharField(max_length=15, choices=AlertState.choices, default=AlertState.NEW)
    acknowledged_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    acknowledged_at = models.DateTimeField(null=True)
    version = models.PositiveIntegerField(default=0, help_text="Raised whenever pages that show it must show it anew.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["rule", "sighting", "person"], name="one_alert_a_sighting"),
            models.CheckConstraint(
                condition=models.Q(sighting__isnull=True) ^ models.Q(event__isnull=True), name="of_one_thing"
            ),
        ]
        indexes = [
            models.Index(fields=["rule", "person", "camera", "-captured_at"], name="cooldown"),
            models.Index(fields=["person", "-id"], name="alerts_of_a_person"),
            models.Index(fields=["camera", "-id"], name="alerts_of_a_camera"),
            models.Index(fields=["id"], condition=models.Q(state="new"), name="open_alerts"),
        ]

    def __str__(self) -> str:
        return f"{self.title} at {self.camera_name}"

    @property
    def title(self) -> str:
        """Who was seen, or what happened to the camera."""
        return self.person_name if self.event is None else self.event.get_kind_display()


class Channel(models.TextChoices):
    LIVE = "live", "Open pages"


class Delivery(models.Model):
    """One alert on its way through one channel; written in the alert's own transaction."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=20, choices=Channel.choices)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [models.UniqueConstraint(fields=["alert", "channel"], name="one_delivery_a_channel")]
        indexes = [models.Index(fields=["id"], condition=models.Q(sent_at=None), name="pending_deliveries")]

    def __str__(self) -> str:
        return f"alert {self.alert_id} by {self.channel}"
