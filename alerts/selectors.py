"""Reads of alerts that pages, consumers and the API share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from alerts.models import Alert, AlertRemoval, AlertState, Review, Severity

MOST_COUNTED = 1000  # nobody reads further
_HEAD = """
SELECT GREATEST((SELECT COALESCE(max(revision), 0) FROM alerts_alert),
                (SELECT COALESCE(max(revision), 0) FROM alerts_alertremoval)),
       (SELECT COALESCE(max(id), 0) FROM alerts_alert)
"""
_OPEN = """
SELECT severity, count(*) FROM
    (SELECT severity FROM alerts_alert WHERE state = %s ORDER BY id DESC LIMIT %s) AS newest
GROUP BY severity
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How far all alerts are: the revision of the last change, and the id of the newest alert. 0: there is none."""

    revision: int
    newest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many alerts nobody has acknowledged yet, and how severe they are; the newest MOST_COUNTED are counted."""

    total: int = 0
    severities: tuple[tuple[Severity, int], ...] = ()  # the most severe first, all four

    def __str__(self) -> str:
        if self.total > MOST_COUNTED:
            return f"{MOST_COUNTED}+"
        return str(self.total) if self.total else ""


def alerts(*, state: str = "", person: int | None = None, camera: int | None = None) -> QuerySet[Alert]:
    """Alerts, newest first, with what their partial shows; `reviewed` is how many have answered its review."""
    reviews = (
        Review.objects.filter(alert=OuterRef("pk"), settled=False).order_by().values("alert").values(n=Count("pk"))
    )
    found = (
        Alert.objects.select_related("sighting", "event", "acknowledged_by", "assigned_to")
        .defer("sighting__sealed_shot")
        .annotate(reviewed=Coalesce(Subquery(reviews), 0))
    )
    if state:
        found = found.filter(state=state)
    if person is not None:
        found = found.filter(person=person)
    if camera is not None:
        found = found.filter(camera=camera)
    return found


def head() -> Head:
    """Where a page starts from. One statement: nothing that it does not count has committed before it."""
    with connection.cursor() as cursor:
        cursor.execute(_HEAD)
        revision, newest = cursor.fetchone()
    return Head(revision=revision, newest=newest)


def changed(after: int, until: int, *, limit: int) -> list[Alert]:
    """The alerts as they are now whose last change is in (after, until], in the order of the changes."""
    return list(alerts().filter(revision__gt=after, revision__lte=until).order_by("revision")[:limit])


def removed(after: int, until: int, *, limit: int) -> list[int]:
    """The ids of alerts that were removed in (after, until]; of too many only those removed last."""
    gone = AlertRemoval.objects.filter(revision__gt=after, revision__lte=until)
    return list(gone.order_by("-revision").values_list("alert", flat=True)[:limit])


def counts() -> Counts:
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, [AlertState.NEW, MOST_COUNTED + 1])
        found = dict(cursor.fetchall())
    severities: Sequence[Severity] = list(Severity)[::-1]
    return Counts(total=sum(found.values()), severities=tuple((each, found.get(each.value, 0)) for each in severities))
