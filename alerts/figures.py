"""How good alerts are: how many were right, how many were about the wrong person, how fast somebody looked.

A *false alert* is one that was dismissed as not the person. Its rate is given twice, because each number alone
misleads: among the alerts about people in which somebody said whether it is the person (confirmed, the right person but
nothing to act on, not this person), and among all faces that the cameras saw, most of whom caused no alert. Intervals
are Wilson's, at 95 % (Wilson, 1927); alerts that share a person are not independent, so that the true ones are wider.

Alerts count by when they were captured; those about cameras are no part of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.db.models import Aggregate, Count, F, FloatField, Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from alerts.models import Alert, AlertState, AlertStep, Dismissal, NotThisPerson, StepKind
from cameras.models import Sighting

DAYS: Final = (1, 7, 30, 90, 365)
MOST_ROWS = 100
_Z = 1.959963984540054  # the 97.5 % point of the normal distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many of so many, and between which shares the truth lies at 95 %."""

    count: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float | None:
        return self.count / self.of if self.of else None

    @classmethod
    def make(cls, count: int, of: int) -> Rate:
        low, high = wilson(count, of)
        return cls(count=count, of=of, low=low, high=high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What became of some alerts. `name`: whose they are."""

    name: str
    alerts: int
    waiting: int
    confirmed: int
    dismissed: tuple[tuple[str, int], ...]  # by reason, as people read it
    false: int
    rate: Rate  # of those in which somebody said whether it is the person
    seconds_to_acknowledge: float | None

    @property
    def dismissed_in_all(self) -> int:
        return sum(count for _, count in self.dismissed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day's alerts, for the drawing."""

    day: date
    confirmed: int
    false: int
    other: int

    @property
    def alerts(self) -> int:
        return self.confirmed + self.false + self.other


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Which alerts are counted."""

    days: int
    watchlist: int | None = None
    camera: int | None = None
    rule: int | None = None

    def since(self, now: datetime) -> datetime:
        return now - timedelta(days=self.days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All that the page shows."""

    total: Figures
    per_face: Rate
    escalated: int
    suppressed: int
    rows: tuple[Figures, ...]
    days: tuple[Day, ...]


class _Median(Aggregate):
    """The median of seconds; NULL of none."""

    function = "percentile_cont"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY EXTRACT(EPOCH FROM %(expressions)s))"
    output_field = FloatField()


_CONFIRMED = Q(state=AlertState.CONFIRMED) | Q(state=AlertState.CLOSED, decided_at__isnull=False, dismissal="")
_COUNTED: Final[dict[str, Aggregate]] = {
    "alerts": Count("id"),
    "waiting": Count("id", filter=Q(state__in=(AlertState.NEW, AlertState.ACKNOWLEDGED))),
    "confirmed": Count("id", filter=_CONFIRMED),
    **{f"is_{reason.value}": Count("id", filter=Q(dismissal=reason.value)) for reason in Dismissal},
    "decided": Count(
        "id",
        filter=Q(person_name__gt="")
        & (_CONFIRMED | Q(dismissal__in=(Dismissal.NOT_THIS_PERSON, Dismissal.NOT_RELEVANT))),
    ),
    "median": _Median(F("acknowledged_at") - F("created_at")),
}
GROUPS: Final = {"watchlist": "watchlist_name", "camera": "camera_name", "rule": "rule_name"}
_NAMELESS: Final = {"watchlist": "On no watchlist", "camera": "At no camera", "rule": "By a rule that is gone"}


def overview(span: Span, *, by: str) -> Overview:
    """The figures of a span, and a row for each watchlist, camera or rule (`by`: one of GROUPS)."""
    now = timezone.now()
    found = _alerts(span, now)
    total = _figures("All", found.aggregate(**_COUNTED))
    column = GROUPS[by]
    groups = found.order_by().values(column).annotate(**_COUNTED).order_by("-alerts", column)[:MOST_ROWS]
    seen = Sighting.objects.filter(first_seen__gte=span.since(now), first_seen__lte=now)
    if span.camera is not None:
        seen = seen.filter(camera=span.camera)
    return Overview(
        total=total,
        per_face=Rate.make(total.false, max(total.false, seen.count())),
        escalated=_escalated(found),
        suppressed=_suppressed(span, now),
        rows=tuple(_figures(row[column] or _NAMELESS[by], row) for row in groups),
        days=tuple(_days(found, span, now)),
    )


def wilson(count: int, of: int) -> tuple[float, float]:
    """Between which shares the true one lies at 95 % when it was `count` of `of`."""
    if not of:
        return 0.0, 1.0
    share, z2 = count / of, _Z * _Z / of
    middle = share + z2 / 2
    half = _Z * math.sqrt(share * (1 - share) / of + z2 / (4 * of))
    return max(0.0, (middle - half) / (1 + z2)), min(1.0, (middle + half) / (1 + z2))


def _alerts(span: Span, now: datetime) -> QuerySet[Alert]:
    wanted = {"watchlist": span.watchlist, "camera": span.camera, "rule": span.rule}
    chosen = {column: pk for column, pk in wanted.items() if pk is not None}
    return Alert.objects.filter(event=None, captured_at__gte=span.since(now), captured_at__lte=now, **chosen)


def _figures(name: str, row: dict[str, Any]) -> Figures:
    dismissed = tuple((str(reason.label), row[f"is_{reason.value}"]) for reason in Dismissal)
    false = row[f"is_{Dismissal.NOT_THIS_PERSON.value}"]
    return Figures(
        name=name,
        alerts=row["alerts"],
        waiting=row["waiting"],
        confirmed=row["confirmed"],
        dismissed=dismissed,
        false=false,
        rate=Rate.make(false, row["decided"]),
        seconds_to_acknowledge=row["median"],
    )


def _escalated(found: QuerySet[Alert]) -> int:
    told = AlertStep.objects.filter(kind=StepKind.ESCALATED, alert__in=found.order_by())
    return told.aggregate(n=Count("alert", distinct=True))["n"] or 0


def _suppressed(span: Span, now: datetime) -> int:
    """Alerts that remembered mistakes have kept from being raised, as far as these are still kept."""
    wanted = {"watchlist": span.watchlist, "camera": span.camera, "rule": span.rule}
    chosen = {f"alert__{column}": pk for column, pk in wanted.items() if pk is not None}
    kept = NotThisPerson.objects.filter(last_suppressed_at__gte=span.since(now), **chosen)
    return kept.aggregate(n=Sum("suppressed"))["n"] or 0


def _days(found: QuerySet[Alert], span: Span, now: datetime) -> Iterable[Day]:
    """Every day of the span, also those without an alert."""
    counted = (
        found.annotate(at=TruncDate("captured_at"))
        .order_by()
        .values("at")
        .annotate(
            alerts=Count("id"),
            confirmed=Count("id", filter=_CONFIRMED),
            false=Count("id", filter=Q(dismissal=Dismissal.NOT_THIS_PERSON)),
        )
    )
    rows = {row["at"]: row for row in counted}
    first = timezone.localtime(span.since(now)).date()
    for number in range(span.days + 1):
        day = first + timedelta(days=number)
        row = rows.get(day, {"alerts": 0, "confirmed": 0, "false": 0})
        other = row["alerts"] - row["confirmed"] - row["false"]
        yield Day(day=day, confirmed=row["confirmed"], false=row["false"], other=other)


# --- The drawing -----------------------------------------------------------------------------------------------------

WIDTH, HEIGHT = 720, 120
_GAP = 0.18  # of a bar's room


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One part of one day's bar, in the drawing's own units. `kind`: confirmed, false or other."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str


def bars(days: Sequence[Day]) -> list[Bar]:
    """The bars of some days, stacked from the ground: other, confirmed, false."""
    most = max((day.alerts for day in days), default=0)
    if not most:
        return []
    room, drawn = WIDTH / len(days), []
    for number, day in enumerate(days):
        top = float(HEIGHT)
        title = f"{day.day:%d %b %Y}: {day.alerts} alerts, {day.confirmed} confirmed, {day.false} false"
        for kind, count in (("other", day.other), ("confirmed", day.confirmed), ("false", day.false)):
            if count:
                height = HEIGHT * count / most
                top -= height
                x, width = room * (number + _GAP / 2), room * (1 - _GAP)
                parts = (round(value, 2) for value in (x, top, width, height))
                left, y, wide, high = parts
                drawn.append(Bar(x=left, y=y, width=wide, height=high, kind=kind, title=title))
    return drawn
