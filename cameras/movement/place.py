"""Where and when a figure is about: some cameras, and a span of time in a time zone.

A camera that was removed is in no place; its sightings stay and count nowhere. One without a place on a plan or on
coordinates counts everywhere but on plans. Times are UTC; the zone says what an hour, a day and a week are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from django.utils import timezone

from cameras.models import Camera

LONGEST_DAYS: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A camera as figures name it. `x`, `y`: where on its plan it stands, in [0, 1]; None: on none."""

    id: int
    name: str
    plan: int | None = None
    x: float | None = None
    y: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Some cameras. `all`: every camera there is."""

    spots: tuple[Spot, ...]
    all: bool = False

    @property
    def cameras(self) -> tuple[int, ...]:
        return tuple(spot.id for spot in self.spots)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From `since` (inclusive) until `until` (not in it), both aware. Sums count by whole quarters of an hour: a
    quarter belongs to the period in which it begins."""

    since: datetime
    until: datetime
    zone: tzinfo

    def __post_init__(self) -> None:
        if self.since.tzinfo is None or self.until.tzinfo is None:
            raise ValueError("A period's ends are moments: they need a time zone.")
        if not self.since < self.until:
            raise ValueError("A period ends after it begins. Choose a later end or an earlier beginning.")
        if self.until - self.since > timedelta(days=LONGEST_DAYS):
            raise ValueError(f"A period is at most {LONGEST_DAYS} days long. Choose a shorter one.")


def last_days(days: float, *, now: datetime | None = None, zone: tzinfo | None = None) -> Period:
    """The days up to now; `zone`: the site's, where none is given."""
    until = (now or timezone.now()).astimezone(UTC)
    return Period(since=until - timedelta(days=days), until=until, zone=zone or timezone.get_default_timezone())


def everywhere() -> Place:
    """All cameras there are."""
    return Place(spots=_spots(), all=True)


def at_camera(camera: int) -> Place:
    """One camera; no camera where it was removed."""
    return Place(spots=_spots(pk=camera))


def in_group(group: int) -> Place:
    """The cameras of a group."""
    return Place(spots=_spots(groups=group))


def on_plan(plan: int) -> Place:
    """The cameras that stand on a plan."""
    return Place(spots=_spots(plan_place__plan=plan))


def _spots(**wanted: int) -> tuple[Spot, ...]:
    rows = Camera.objects.filter(**wanted).order_by("name")
    names = ("pk", "name", "plan_place__plan", "plan_place__x", "plan_place__y")
    return tuple(Spot(id=pk, name=name, plan=plan, x=x, y=y) for pk, name, plan, x, y in rows.values_list(*names))
