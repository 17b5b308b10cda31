"""The figures of alerts: what is counted as what, and by what is divided."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from alerts import figures
from alerts.figures import Day, Span, bars, overview, wilson
from alerts.models import Alert, AlertStep, Dismissal, NotThisPerson
from alerts.templatetags import figures as words
from alerts.tests.factories import AlertFactory
from cameras.models import CameraEvent, EventKind, Sighting
from cameras.tests.factories import CameraFactory, SightingFactory
from recognition.tests.factories import PersonFactory

pytestmark = pytest.mark.django_db


def made(days_ago: float = 1, waited: float | None = None, **values: Any) -> Alert:
    at = timezone.now() - timedelta(days=days_ago)
    alert: Alert = AlertFactory.create(sighting=SightingFactory.create(first_seen=at), captured_at=at, **values)
    if waited is not None:
        Alert.objects.filter(pk=alert.pk).update(acknowledged_at=alert.created_at + timedelta(seconds=waited))
    return alert


def right(**values: Any) -> Alert:
    return made(**{"state": "confirmed", "decided_at": timezone.now(), **values})


def wrong(reason: Dismissal = Dismissal.NOT_THIS_PERSON, **values: Any) -> Alert:
    return made(**{"state": "dismissed", "decided_at": timezone.now(), "dismissal": reason, **values})


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (1, 10, 0.0179, 0.4042),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (3, 1000, 0.001, 0.0088),
    ],
)
def test_intervals_are_wilsons(count: int, of: int, low: float, high: float) -> None:
    assert wilson(count, of) == pytest.approx((low, high), abs=6e-5)


def test_nothing_divided_by_nothing_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    found = overview(Span(days=30), by="rule")
    assert (found.total.alerts, found.total.rate.value, found.per_face.value) == (0, None, None)
    assert found.total.seconds_to_acknowledge is None
    assert bars(found.days) == []
    assert words.rate(found.total.rate) == "nothing to divide by"


def test_both_denominators() -> None:
    right()
    right(state="closed")
    wrong()
    wrong(state="closed")
    wrong(Dismissal.NOT_RELEVANT)
    for reason in (Dismissal.TEST, Dismissal.DUPLICATE, Dismissal.OTHER):
        wrong(reason)
    made()
    made(state="acknowledged")
    SightingFactory.create_batch(10, first_seen=timezone.now() - timedelta(days=2))
    SightingFactory.create(first_seen=timezone.now() - timedelta(days=31))
    found = overview(Span(days=30), by="watchlist")
    total = found.total
    assert (total.alerts, total.confirmed, total.false, total.waiting) == (10, 2, 2, 2)
    assert (total.rate.count, total.rate.of) == (2, 5)
    assert (found.per_face.count, found.per_face.of) == (2, 20)
    assert dict(total.dismissed) == {str(reason.label): 2 if reason == "not_this_person" else 1 for reason in Dismissal}


def test_only_the_span_is_counted_and_no_alerts_about_cameras() -> None:
    made(days_ago=6.9)
    made(days_ago=7.1)
    event = CameraEvent.objects.create(camera_name="Gate", kind=EventKind.BLACK, began_at=timezone.now())
    Alert.objects.create(event=event, camera_name="Gate", severity="high", captured_at=timezone.now())
    assert overview(Span(days=7), by="camera").total.alerts == 1
    assert overview(Span(days=30), by="camera").total.alerts == 2


@pytest.mark.parametrize("what", ["watchlist", "camera", "rule"])
def test_of_one_watchlist_camera_or_rule(what: str) -> None:
    one, two = made(), wrong()
    for alert in (one, two):
        assert alert.rule is not None
        Alert.objects.filter(pk=alert.pk).update(watchlist=alert.rule.own_list, rule_name=alert.rule.name)
        alert.refresh_from_db()
    found = overview(Span(days=30, **{what: getattr(two, f"{what}_id")}), by=what)
    assert (found.total.alerts, found.total.false) == (1, 1)
    assert [row.alerts for row in found.rows] == [1]
    assert found.per_face.of == (1 if what == "camera" else 2)
    assert len(overview(Span(days=30), by=what).rows) == 2


def test_rows_add_up_and_have_names() -> None:
    camera = CameraFactory.create(name="Gate")
    for _ in range(3):
        at = timezone.now()
        AlertFactory.create(sighting=SightingFactory.create(camera=camera, first_seen=at), captured_at=at)
    Alert.objects.filter(pk=made().pk).update(camera_name="")
    rows = overview(Span(days=30), by="camera").rows
    assert [(row.name, row.alerts) for row in rows] == [("Gate", 3), ("At no camera", 1)]


def test_the_median_time_to_acknowledge() -> None:
    for waited in (10, 20, 90):
        made(waited=waited)
    made()
    found = overview(Span(days=30), by="rule").total.seconds_to_acknowledge
    assert found == pytest.approx(20)
    assert words.seconds(found) == "20 s"


def test_escalated_and_suppressed() -> None:
    alert = made()
    for _ in range(2):
        AlertStep.objects.create(alert=alert, kind="escalated", actor_name="system")
    AlertStep.objects.create(alert=made(days_ago=40), kind="escalated", actor_name="system")
    for days_ago in (1, 40):
        at = timezone.now() - timedelta(days=days_ago)
        NotThisPerson.objects.create(
            person=PersonFactory.create(), alert=alert, pack="x", sealed=b"", similarity=0.9, expires_at=at,
            suppressed=4, last_suppressed_at=at,
        )  # fmt: skip
    found = overview(Span(days=30), by="rule")
    assert (found.escalated, found.suppressed) == (1, 4)
    assert overview(Span(days=30, camera=10**9), by="rule").suppressed == 0


def test_every_day_of_the_span_is_there() -> None:
    right(days_ago=0)
    wrong(days_ago=0)
    made(days_ago=3)
    days = overview(Span(days=7), by="rule").days
    assert len(days) == 8
    assert [day.day for day in days] == sorted(day.day for day in days)
    assert Counter(day.alerts for day in days) == {0: 6, 1: 1, 2: 1}
    assert (days[-1].confirmed, days[-1].false, days[-1].other) == (1, 1, 0)


def test_bars_stand_on_the_ground_and_stay_in_the_picture() -> None:
    today = timezone.localdate()
    days = [Day(day=today, confirmed=n, false=n % 3, other=2 * n) for n in range(30)]
    drawn = bars(days)
    assert all(bar.x >= 0 and bar.x + bar.width <= figures.WIDTH for bar in drawn)
    assert all(bar.y >= -0.02 and bar.y + bar.height <= figures.HEIGHT + 0.02 for bar in drawn)
    heights = Counter[float]()
    for bar in drawn:
        heights[bar.x] += bar.height  # type: ignore[assignment]
    assert max(heights.values()) == pytest.approx(figures.HEIGHT, abs=0.05)


def test_more_alerts_are_asked_for_no_more_often() -> None:
    made()
    with CaptureQueriesContext(connection) as few:
        overview(Span(days=30), by="camera")
    for _ in range(3):
        wrong()
    with CaptureQueriesContext(connection) as many:
        overview(Span(days=30), by="camera")
    assert len(few) == len(many) <= 6
    assert Sighting.objects.count() == 4


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "—"), (0.4, "0 s"), (59, "59 s"), (61, "1 min"), (7200, "2 h"), (86400, "24 h")]
)
def test_how_long_that_is(seconds: float | None, text: str) -> None:
    assert words.seconds(seconds) == text


def test_rare_events_are_not_written_as_none() -> None:
    assert words.rate(figures.Rate.make(3, 120)) == "3 of 120 (2.5 %)"
    assert words.rate(figures.Rate.make(1, 100_000)) == "1 of 100,000 (0.001 %)"
    assert words.interval(figures.Rate.make(0, 10)) == "0 % to 28 %"
