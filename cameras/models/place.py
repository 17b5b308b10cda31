"""Places: groups of cameras, site plans, and zones in pictures, on plans and on coordinates.

Geometry is stored normalised to [0, 1] of the picture or plan; on coordinates it is degrees of WGS 84.
"""

from __future__ import annotations

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from cameras.models.camera import Camera, WithoutSealed
from recognition.models import NAME_LENGTH

METRES_WIDE = (0.1, 100_000.0)  # how wide a plan may be


class CameraGroup(models.Model):
    """Cameras that belong together, such as those of an entrance."""

    name = models.CharField(max_length=NAME_LENGTH, unique=True)
    cameras = models.ManyToManyField(Camera, blank=True, related_name="groups")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class SitePlan(models.Model):
    """A drawing of a site or floor on which cameras are placed. `image` is PNG or JPEG, made anew from what came."""

    name = models.CharField(max_length=NAME_LENGTH, unique=True)
    image = models.BinaryField(editable=False)
    media_type = models.CharField(max_length=50, editable=False)
    width = models.PositiveIntegerField(editable=False, help_text="In pixels.")
    height = models.PositiveIntegerField(editable=False)
    metres_wide = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(METRES_WIDE[0]), MaxValueValidator(METRES_WIDE[1])],
        help_text="So many metres is the site from the plan's left edge to its right one.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[WithoutSealed[SitePlan]] = WithoutSealed()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


_SHARE = [MinValueValidator(0.0), MaxValueValidator(1.0)]


class CameraPlace(models.Model):
    """Where on a plan a camera is."""

    camera = models.OneToOneField(Camera, on_delete=models.CASCADE, primary_key=True, related_name="plan_place")
    plan = models.ForeignKey(SitePlan, on_delete=models.CASCADE, related_name="places")
    x = models.FloatField(validators=_SHARE)
    y = models.FloatField(validators=_SHARE)

    def __str__(self) -> str:
        return f"{self.camera} on {self.plan}"


class Ground(models.TextChoices):
    PICTURE = "picture", "A camera's picture"
    PLAN = "plan", "A site plan"
    COORDINATES = "coordinates", "Coordinates"


class Shape(models.TextChoices):
    POLYGON = "polygon", "Area"
    LINE = "line", "Line"
    CIRCLE = "circle", "Circle"


class Anchor(models.TextChoices):
    FACE = "face", "The middle of the face"
    FOOT = "foot", "Where they stand, as far as the face tells"


class Zone(models.Model):
    """An area or a line that people go into, out of, or over.

    In a picture it is about where in it they are. On a plan and on coordinates it is about the cameras that are in it:
    who is seen by one of those is in the zone. A zone whose camera or plan was removed is kept and matches nothing.
    """

    name = models.CharField(max_length=NAME_LENGTH)
    ground = models.CharField(max_length=12, choices=Ground.choices)
    camera = models.ForeignKey(Camera, null=True, blank=True, on_delete=models.SET_NULL, related_name="zones")
    plan = models.ForeignKey(SitePlan, null=True, blank=True, on_delete=models.SET_NULL, related_name="zones")
    shape = models.CharField(max_length=10, choices=Shape.choices)
    points = models.JSONField(
        help_text="Corners in order, [x, y] from 0 to 1; on coordinates [latitude, longitude]; of a circle its middle."
    )
    radius_m = models.FloatField(null=True, blank=True, help_text="Of a circle on coordinates, in metres.")
    anchor = models.CharField(max_length=5, choices=Anchor.choices, default=Anchor.FACE)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["name"], name="one_zone_a_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_orphaned(self) -> bool:
        """Whether the camera or plan that it was drawn on was removed."""
        if self.ground == Ground.PICTURE:
            return self.camera_id is None
        return self.ground == Ground.PLAN and self.plan_id is None


class ZoneRevision(models.Model):
    """One row that counts every change of zones, so that workers see cheaply whether there is one; a database trigger
    raises it."""

    revision = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.revision)
