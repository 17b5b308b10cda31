"""Cameras, the leases that say which worker runs them, and what happened to them.

A camera's source may hold a password, so it is stored sealed (vault scope `cameras`); `address` is what may be shown.
"""

from __future__ import annotations

from typing import ClassVar, TypeVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from recognition.models import NAME_LENGTH

CAMERA_SCOPE = "cameras"
Row = TypeVar("Row", bound=models.Model, covariant=True)


class WithoutSealed(models.Manager[Row]):
    """Reads rows without their sealed columns, so that no list carries them; `.defer(None)` reads everything."""

    def get_queryset(self) -> models.QuerySet[Row]:
        columns = self.model._meta.concrete_fields
        return super().get_queryset().defer(*(c.name for c in columns if isinstance(c, models.BinaryField)))


class Transport(models.TextChoices):
    TCP = "tcp", "TCP"
    UDP = "udp", "UDP"


class Decoding(models.TextChoices):
    ALL = "all", "Every picture"
    KEYFRAMES = "keyframes", "Key pictures only, until something moves"


class Priority(models.IntegerChoices):
    LOW = 1, "Low"
    NORMAL = 2, "Normal"
    HIGH = 3, "High"


class Camera(models.Model):
    """A place that is watched, and where its pictures come from."""

    name = models.CharField(max_length=NAME_LENGTH, unique=True)
    sealed_source = models.BinaryField(editable=False)
    address = models.CharField(max_length=500, editable=False, help_text="The source without its credentials.")
    sealed_detail = models.BinaryField(
        null=True, editable=False, help_text="A second, larger stream of the same view, to recognise faces from."
    )
    detail_address = models.CharField(
        max_length=500, blank=True, editable=False, help_text="The second stream without its credentials."
    )
    transport = models.CharField(
        max_length=5, choices=Transport.choices, default=Transport.TCP, help_text="How RTSP streams come."
    )
    latitude = models.FloatField(null=True, blank=True, validators=[MinValueValidator(-90), MaxValueValidator(90)])
    longitude = models.FloatField(null=True, blank=True, validators=[MinValueValidator(-180), MaxValueValidator(180)])
    enabled = models.BooleanField(default=True, help_text="Only enabled cameras are watched.")
    loop = models.BooleanField(default=False, help_text="Start a file again when it ends.")
    schedule = models.CharField(
        max_length=300, blank=True, help_text="When it is watched, such as “Mon-Fri 20:00-06:00”; empty: always."
    )
    priority = models.PositiveSmallIntegerField(
        choices=Priority.choices, default=Priority.NORMAL, help_text="Who comes first when there is too much to do."
    )
    idle_decoding = models.CharField(
        max_length=10, choices=Decoding.choices, default=Decoding.ALL, help_text="What is decoded while nothing moves."
    )
    detect_fps = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0.2), MaxValueValidator(30)],
        help_text="How often a second faces are looked for at most; empty: as the site does.",
    )
    sensitivity = models.PositiveSmallIntegerField(
        default=5,
        validators=[MinValueValidator(1), MaxValueValidator(10)],
        help_text="How little motion is enough to look for faces: 1 (much) to 10 (hardly any).",
    )
    masks = models.JSONField(
        default=list,
        blank=True,
        help_text="Parts of the picture that are ignored: polygons of [x, y], each from 0 to 1 of width and height.",
    )
    alert_events = models.BooleanField(
        default=True, help_text="Alert when it gives no pictures, or when the picture stands still or its view changes."
    )
    clips = models.BooleanField(
        default=False,
        help_text="Attach to each alert about somebody the moving picture from 10 s before to 10 s after, with the "
        "faces of others made unrecognisable.",
    )
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
    owner = models.CharField(max_length=100, blank=True, help_text="One loop of one worker.")
    worker = models.CharField(max_length=100, blank=True)
    epoch = models.PositiveBigIntegerField(default=0)
    expires_at = models.DateTimeField(null=True)
    handover = models.BooleanField(default=False, help_text="The owner is asked to give the camera to another worker.")
    clock_offset = models.FloatField(
        null=True, help_text="By so many seconds the owner's clock is ahead of the database's."
    )

    def __str__(self) -> str:
        return f"{self.camera_id}: {self.owner}"


class EventKind(models.TextChoices):
    DOWN = "down", "No pictures"
    FROZEN = "frozen", "The picture stands still"
    BLACK = "black", "The picture is black"
    COVERED = "covered", "The view is covered"
    DEFOCUSED = "defocused", "The picture is out of focus"
    MOVED = "moved", "The camera was moved"
    CLOCK = "clock", "The clock is wrong"


class CameraEvent(models.Model):
    """Something that was wrong with a camera, from when until when. Without an end it still is.

    What comes again soon after its end is the same event once more: `times` counts, `began_at` is the first one.
    """

    camera = models.ForeignKey(Camera, null=True, on_delete=models.SET_NULL, related_name="events", db_index=False)
    camera_name = models.CharField(max_length=NAME_LENGTH, help_text="The camera's name then.")
    kind = models.CharField(max_length=10, choices=EventKind.choices)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    times = models.PositiveIntegerField(default=1, help_text="How often it came in this span.")
    detail = models.CharField(max_length=500, blank=True, help_text="What the worker said of it.")

    class Meta:
        ordering = ["-began_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["camera", "kind"], condition=models.Q(ended_at=None), name="one_open_event_a_kind"
            )
        ]
        indexes = [
            models.Index(fields=["camera", "-began_at", "-id"], name="events_of_a_camera"),
            models.Index(fields=["camera"], condition=models.Q(ended_at=None), name="open_events"),
        ]

    def __str__(self) -> str:
        return f"{self.camera_name}: {self.get_kind_display()}"


class CameraWatch(models.Model):
    """What the last look at a camera's health found, from which the next one goes on."""

    camera = models.OneToOneField(Camera, on_delete=models.CASCADE, primary_key=True, related_name="watch")
    looked_at = models.DateTimeField()
    missing_since = models.DateTimeField(null=True, help_text="Since when it has given no pictures though it should.")
    online_since = models.DateTimeField(null=True, help_text="The first look since which it has given pictures.")
    began = models.FloatField(default=0.0, help_text="When the loop began whose counts these are.")
    frames_in = models.PositiveBigIntegerField(default=0)
    frames_wanted = models.PositiveBigIntegerField(default=0)
    frames_missed = models.PositiveBigIntegerField(default=0)
    frames_processed = models.PositiveBigIntegerField(default=0)
    restarts = models.PositiveBigIntegerField(default=0)
    drops = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.camera_id} {self.looked_at:%Y-%m-%d %H:%M:%S}"


class CameraHour(models.Model):
    """What a camera did in one hour, summed up from what its workers said."""

    camera = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="hours", db_index=False)
    start = models.DateTimeField(help_text="The beginning of the hour.")
    seconds_online = models.FloatField(default=0.0)
    seconds_wanted = models.FloatField(default=0.0, help_text="Enabled, and not off by its schedule.")
    frames_in = models.PositiveBigIntegerField(default=0)
    frames_wanted = models.PositiveBigIntegerField(default=0, help_text="That were to be searched for faces.")
    frames_missed = models.PositiveBigIntegerField(default=0, help_text="Of these, those that could not be.")
    frames_processed = models.PositiveBigIntegerField(default=0)
    drops = models.JSONField(default=dict, help_text="Frames that were left out, by reason.")
    restarts = models.PositiveBigIntegerField(default=0, help_text="How often its source was opened again.")
    lag_ms_most = models.FloatField(default=0.0)
    decode_ms = models.FloatField(default=0.0, help_text="Mean time to decode a picture.")

    class Meta:
        ordering = ["-start"]
        constraints = [models.UniqueConstraint(fields=["camera", "start"], name="one_row_an_hour")]

    def __str__(self) -> str:
        return f"{self.camera_id} {self.start:%Y-%m-%d %H}"
