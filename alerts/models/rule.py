"""Who must be told of what: rules, their steps of telling, on-call rotas, and what a watchlist asks of its alerts."""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from accounts.models import User
from cameras.models import Camera, CameraGroup, EventKind, Zone
from recognition.models import NAME_LENGTH, Person, Watchlist

ZONE_NAME_LENGTH = 64  # the longest name in the IANA time zone database has 32


class Severity(models.TextChoices):
    LOW = "low", "Low"
    MEDIUM = "medium", "Medium"
    HIGH = "high", "High"
    CRITICAL = "critical", "Critical"


class Trigger(models.TextChoices):
    APPEARS = "appears", "Appears"
    ENTERS = "enters", "Enters a zone"
    LEAVES = "leaves", "Leaves a zone"
    CROSSES = "crosses", "Crosses a line"
    STAYS = "stays", "Stays longer than"
    RETURNS = "returns", "Returns within"
    FOLLOWS = "follows", "Seen here after having been seen there"
    ABSENT = "absent", "Was not seen by a time"
    CROWD = "crowd", "Too many people at once"
    CAMERA = "camera", "Something is wrong with a camera"


class Who(models.TextChoices):
    LISTED = "listed", "People on the chosen watchlists, and the chosen people"
    NOT_LISTED = "not_listed", "Everybody but those (an allow-list)"
    UNKNOWN = "unknown", "Unknown faces"
    ANYBODY = "anybody", "Anybody"


class Direction(models.TextChoices):
    """Of a line that was drawn from its first to its last point, as one who goes along it sees it."""

    EITHER = "either", "Either way"
    TO_RIGHT = "right", "From its left to its right"
    TO_LEFT = "left", "From its right to its left"


class CooldownScope(models.TextChoices):
    PERSON_CAMERA = "person_camera", "The same person on the same camera"
    PERSON = "person", "The same person on any camera"
    CAMERA = "camera", "Anybody on the same camera"
    RULE = "rule", "Anybody anywhere"


class OnHolidays(models.TextChoices):
    AS_ALWAYS = "as_always", "As on other days"
    OFF = "off", "Off"
    AS_SUNDAY = "as_sunday", "As on a Sunday"
    ONLY = "only", "Only on holidays"


class Rule(models.Model):
    """One thing that somebody must be told of: who, where, when, what, how sure, how loud, how often, to whom.

    Without cameras, groups and zones it is about every camera. Where all that it named was removed it never fires:
    `placed` says that it is about some places only.
    """

    name = models.CharField(max_length=NAME_LENGTH, unique=True)
    enabled = models.BooleanField(default=True)
    trigger = models.CharField(max_length=10, choices=Trigger.choices, default=Trigger.APPEARS)
    own_list = models.OneToOneField(
        Watchlist,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.CASCADE,
        related_name="rule",
        help_text="The watchlist that it was made with: it goes when that goes.",
    )
    # Who
    who = models.CharField(max_length=10, choices=Who.choices, default=Who.LISTED)
    watchlists = models.ManyToManyField(Watchlist, blank=True, related_name="rules")
    people = models.ManyToManyField(Person, blank=True, related_name="rules")
    never_people = models.ManyToManyField(Person, blank=True, related_name="+", help_text="Never about these.")
    # Where
    placed = models.BooleanField(default=False, editable=False)
    cameras = models.ManyToManyField(Camera, blank=True, related_name="rules")
    groups = models.ManyToManyField(CameraGroup, blank=True, related_name="rules")
    zones = models.ManyToManyField(Zone, blank=True, related_name="rules")
    before_cameras = models.ManyToManyField(
        Camera, blank=True, related_name="+", help_text="Where they were seen before, for “here after there”."
    )
    before_groups = models.ManyToManyField(CameraGroup, blank=True, related_name="+")
    before_placed = models.BooleanField(default=False, editable=False)
    direction = models.CharField(max_length=10, choices=Direction.choices, default=Direction.EITHER)
    # When
    schedule = models.CharField(max_length=300, blank=True, help_text="Such as “Mon-Fri 20:00-06:00”; empty: always.")
    time_zone = models.CharField(max_length=ZONE_NAME_LENGTH, blank=True, help_text="Empty: the site's.")
    holidays = models.CharField(max_length=20, blank=True, help_text="A country, or country and region: CH, CH-ZH.")
    on_holidays = models.CharField(max_length=10, choices=OnHolidays.choices, default=OnHolidays.AS_ALWAYS)
    quiet_hours = models.CharField(
        max_length=300,
        blank=True,
        help_text="Alerts are shown, but messages wait until it is over, but for critical ones.",
    )
    valid_from = models.DateTimeField(null=True, blank=True)
    valid_until = models.DateTimeField(null=True, blank=True)
    # What
    seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="How long is too long, or within how long it counts."
    )
    away_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="For “returns”: how long somebody must have been away to return."
    )
    count = models.PositiveIntegerField(null=True, blank=True, help_text="How many people are too many.")
    by_time = models.TimeField(null=True, blank=True, help_text="By when they should have been seen.")
    since_time = models.TimeField(null=True, blank=True, help_text="From when on that counts; empty: midnight.")
    event_kinds = models.JSONField(
        default=list, blank=True, help_text=f"Of {', '.join(EventKind.values)}; none: all of them."
    )
    # How sure
    min_similarity = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(-1.0), MaxValueValidator(1.0)]
    )
    min_quality = models.FloatField(null=True, blank=True, validators=[MinValueValidator(0.0), MaxValueValidator(1.0)])
    min_frames = models.PositiveIntegerField(null=True, blank=True)
    # How loud, how often
    severity = models.CharField(max_length=10, choices=Severity.choices, default=Severity.HIGH)
    cooldown_seconds = models.PositiveIntegerField(
        default=60, help_text="After an alert, the same causes no further one for this long."
    )
    cooldown_scope = models.CharField(max_length=15, choices=CooldownScope.choices, default=CooldownScope.PERSON_CAMERA)
    bundle = models.BooleanField(
        default=True, help_text="Repeats within the cooldown are counted in the alert that is there."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class RuleStep(models.Model):
    """Who is told when nobody has acknowledged an alert so many minutes after it was raised; 0: at once."""

    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="steps")
    after_minutes = models.PositiveIntegerField(default=0, validators=[MaxValueValidator(7 * 24 * 60)])
    users = models.ManyToManyField(User, blank=True, related_name="+")
    groups = models.ManyToManyField(Group, blank=True, related_name="+")
    rotas = models.ManyToManyField("alerts.Rota", blank=True, related_name="+")
    endpoints = models.ManyToManyField("alerts.Endpoint", blank=True, related_name="+", help_text="Of the site.")

    class Meta:
        ordering = ["after_minutes", "id"]
        constraints = [models.UniqueConstraint(fields=["rule", "after_minutes"], name="one_step_a_minute")]

    def __str__(self) -> str:
        return f"{self.rule} after {self.after_minutes} min"


class Rota(models.Model):
    """Who is on call: its members take turns, each for so many days, handing over at a time of day."""

    name = models.CharField(max_length=NAME_LENGTH, unique=True)
    time_zone = models.CharField(max_length=ZONE_NAME_LENGTH, blank=True, help_text="Empty: the site's.")
    first_day = models.DateField(help_text="When the first member begins.")
    days_each = models.PositiveIntegerField(default=7, validators=[MinValueValidator(1), MaxValueValidator(366)])
    handover = models.TimeField(help_text="At what time of the day.")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class RotaMember(models.Model):
    rota = models.ForeignKey(Rota, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["position", "id"]
        constraints = [models.UniqueConstraint(fields=["rota", "user"], name="one_turn_a_round")]

    def __str__(self) -> str:
        return f"{self.user} in {self.rota}"


class RotaChange(models.Model):
    """Somebody stands in, whoever's turn it is."""

    rota = models.ForeignKey(Rota, on_delete=models.CASCADE, related_name="changes")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    begins_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    class Meta:
        ordering = ["begins_at"]
        constraints = [
            models.CheckConstraint(condition=models.Q(begins_at__lt=models.F("ends_at")), name="change_begins_first")
        ]

    def __str__(self) -> str:
        return f"{self.user} stands in for {self.rota}"


class ListPolicy(models.Model):
    """What a watchlist asks of the alerts about its people."""

    watchlist = models.OneToOneField(Watchlist, on_delete=models.CASCADE, primary_key=True, related_name="policy")
    two_person = models.BooleanField(
        default=False,
        help_text="A match is only a lead until two trained people have confirmed it, each without knowing the"
        " other's answer (EU AI Act, Article 14(5)).",
    )
    pictures_outside = models.BooleanField(
        default=False, help_text="Messages may carry the best shot; else they carry a link to sign in to."
    )
    names_outside = models.BooleanField(default=True, help_text="Messages may carry the name; else only a link.")

    class Meta:
        verbose_name_plural = "list policies"

    def __str__(self) -> str:
        return f"Alerts about “{self.watchlist}”"


class RuleRevision(models.Model):
    """One row that counts every change of what rules rest on; database triggers raise it."""

    revision = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.revision)
