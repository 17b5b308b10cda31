"""The outbox: where messages go, what they say, and each message on its way."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.auth.models import Group
from django.db import models

from accounts.models import User
from alerts.models.alert import Alert
from alerts.models.rule import Severity
from cameras.models import WithoutSealed
from recognition.models import NAME_LENGTH

CHANNEL_SCOPE = "channels"


class Channel(models.TextChoices):
    LIVE = "live", "Open pages"
    EMAIL = "email", "Email"
    SMS = "sms", "SMS"
    PUSH = "push", "Browser notification"
    WEBHOOK = "webhook", "Webhook"
    MQTT = "mqtt", "MQTT"
    CHAT = "chat", "Chat service"
    LOG = "log", "Alert log"
    SYSLOG = "syslog", "Syslog"


OUTSIDE = (Channel.EMAIL, Channel.SMS, Channel.PUSH, Channel.WEBHOOK, Channel.MQTT, Channel.CHAT)


class Endpoint(models.Model):
    """A place that messages are sent to: somebody's own, or the site's (no user).

    What is needed to send there, secrets included, is JSON, sealed under CHANNEL_SCOPE and bound to `bind`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=NAME_LENGTH)
    channel = models.CharField(max_length=10, choices=[c for c in Channel.choices if c[0] != "live"])
    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="endpoints")
    sealed_config = models.BinaryField(editable=False)
    shown = models.CharField(max_length=300, editable=False, help_text="Where it goes, without secrets.")
    enabled = models.BooleanField(default=True)
    min_severity = models.CharField(max_length=10, choices=Severity.choices, default=Severity.LOW)
    most_per_hour = models.PositiveIntegerField(
        null=True, blank=True, help_text="What is more waits, and goes as one digest; empty: no limit."
    )
    digest_minutes = models.PositiveIntegerField(
        default=0, help_text="Collect for so long and send one message; 0: at once. Critical ones always go at once."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    last_sent_at = models.DateTimeField(null=True, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    last_error = models.CharField(max_length=500, blank=True, editable=False)

    objects: ClassVar[WithoutSealed[Endpoint]] = WithoutSealed()

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name

    @property
    def bind(self) -> str:
        """What its sealed configuration is bound to."""
        return f"endpoint|{self.pk}"


class MessageTemplate(models.Model):
    """What messages of a channel say, where that was changed. Placeholders are `$who`, `$where`, `$when` …"""

    channel = models.CharField(max_length=10, choices=Channel.choices, unique=True)
    subject = models.CharField(max_length=300, blank=True)
    body = models.TextField(max_length=8000)
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return str(self.get_channel_display())


class Occasion(models.TextChoices):
    """Why a message is sent."""

    RAISED = "raised", "Raised"
    AGAIN = "again", "There again"  # an event of a camera that had ended
    NAMED = "named", "Got a name"
    REVISED = "revised", "The name changed"
    ESCALATED = "escalated", "Nobody acknowledged it"
    CONFIRMED = "confirmed", "Confirmed"
    ENDED = "ended", "Over"


class DeliveryState(models.TextChoices):
    PENDING = "pending", "Waiting"
    HELD = "held", "Held until two people have confirmed"
    SENT = "sent", "Sent"
    DEAD = "dead", "Given up"
    DROPPED = "dropped", "Not sent any more"


class Delivery(models.Model):
    """One alert on its way to one place; written in the alert's own transaction.

    `id` is the idempotency key that goes with every attempt; of several that go as one message `digest` is. A worker
    claims it (`claimed_until`), sends, and marks it; a claim that ran out is anybody's.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=10, choices=Channel.choices)
    endpoint = models.ForeignKey(Endpoint, null=True, on_delete=models.SET_NULL, related_name="deliveries")
    user = models.ForeignKey(
        User, null=True, on_delete=models.CASCADE, related_name="+", help_text="Whose place it is."
    )
    group = models.ForeignKey(
        Group, null=True, on_delete=models.SET_NULL, related_name="+", help_text="Told as one of these."
    )
    by_role = models.BooleanField(default=False, help_text="Told as one of a group; who left it is not told.")
    occasion = models.CharField(max_length=10, choices=Occasion.choices, default=Occasion.RAISED)
    turn = models.PositiveIntegerField(default=0, help_text="Which time this occasion came: names may change twice.")
    digest = models.UUIDField(
        null=True, help_text="The message it went into with others, once that was tried: the key of that message."
    )
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.PENDING)
    created_at = models.DateTimeField(auto_now_add=True)
    due_at = models.DateTimeField(help_text="Not before.")
    claimed_until = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True)
    receipt = models.CharField(max_length=200, blank=True, help_text="What the other side calls it.")

    class Meta:
        verbose_name_plural = "deliveries"
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["alert", "channel", "endpoint", "occasion", "turn"],
                name="one_delivery_a_place",
                nulls_distinct=False,
                condition=models.Q(channel="live") | models.Q(endpoint__isnull=False),
            )
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(state="pending"), name="pending_deliveries"),
            models.Index(fields=["endpoint", "-sent_at"], name="deliveries_of_a_place"),
            models.Index(fields=["state", "-created_at"], name="deliveries_by_state"),
        ]

    def __str__(self) -> str:
        return f"alert {self.alert_id} by {self.channel}"
