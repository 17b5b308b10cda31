"""The studio stores clips while the database comes and goes, and never for ever."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError

from alerts import attachments
from alerts.attachments import attach_clip
from alerts.models import Alert, Attachment
from alerts.tests.factories import AlertFactory
from cameras.drops import Drop
from workers import studio as module
from workers.clips import Clip
from workers.film import Film, NoEncoder
from workers.studio import MOST_WAITING, RETRY_SECONDS, Studio
from workers.tests.test_film import HERE, SUBJECT
from workers.tests.test_film import clip as make_clip

pytestmark = pytest.mark.django_db(transaction=True)


class Pauses(list[float]):
    """Remembers how long would have been waited."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def studio(pauses: Pauses) -> Studio:
    return Studio(pause=pauses)


def clip(*alerts: Alert) -> Clip:
    times = [number / 4 for number in range(8)]
    return make_clip((0.0, {SUBJECT: HERE}), times=times, alerts=tuple(alert.pk for alert in alerts))


def failing(times: int) -> Callable[..., Any]:
    """An attach_clip for which the database is away so many times."""
    left = [times]

    def attach(**kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise OperationalError("gone")
        return attach_clip(**kwargs)

    return attach


def test_each_alert_of_the_sighting_gets_the_clip(studio: Studio) -> None:
    one, two = AlertFactory.create(), AlertFactory.create()
    studio.take(clip(one, two))
    assert studio.drain(30)
    rows = list(Attachment.objects.order_by("alert_id"))
    assert [row.alert for row in rows] == [one, two]
    assert attachments.open_one(rows[0]).data == attachments.open_one(rows[1]).data
    assert rows[0].name == "Gate 2026-03-14 12.00.00 UTC.mp4"


def test_while_the_database_is_away_it_is_tried_again(
    studio: Studio, pauses: Pauses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "attach_clip", failing(3))
    studio.take(clip(AlertFactory.create()))
    assert studio.drain(30)
    assert Attachment.objects.count() == 1
    assert tuple(pauses) == RETRY_SECONDS[:3]


def test_it_is_given_up_in_the_end_and_that_is_counted(
    studio: Studio, pauses: Pauses, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "attach_clip", failing(100))
    wanted = clip(AlertFactory.create())
    with caplog.at_level(logging.WARNING):
        studio.take(wanted)
        assert studio.drain(30)
    assert not Attachment.objects.exists()
    assert tuple(pauses) == RETRY_SECONDS
    assert wanted.drops == {Drop.CLIP_LOST: 1}
    assert "A clip of Gate is not kept with its alert: gone" in caplog.text


def test_an_alert_that_is_gone_takes_nothing_from_the_others(studio: Studio) -> None:
    gone, there = AlertFactory.create(), AlertFactory.create()
    wanted = clip(gone, there)
    Alert.objects.filter(pk=gone.pk).delete()
    studio.take(wanted)
    assert studio.drain(30)
    assert Attachment.objects.get().alert == there
    assert wanted.drops == {Drop.CLIP_LOST: 1}


def test_there_is_a_bound_to_what_waits(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    may_go_on, begun = threading.Event(), threading.Event()

    def make(one: Clip) -> Film:
        begun.set()
        may_go_on.wait(30)
        raise NoEncoder("none here")

    monkeypatch.setattr(module, "make", make)
    first, *others, last = [make_clip() for _ in range(MOST_WAITING + 2)]
    studio.take(first)
    assert begun.wait(10)
    for one in (*others, last):
        studio.take(one)
    assert (last.drops, others[-1].drops) == ({Drop.CLIP_LOST: 1}, {})
    assert not studio.drain(0.01)
    may_go_on.set()
    assert studio.drain(30)
    assert all(one.drops == Counter({Drop.CLIP_LOST: 1}) for one in (first, *others))


def test_what_fails_for_one_camera_does_not_end_the_clips_of_others(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(one: Clip) -> Film:
        raise ValueError("nobody thought of that")

    bad, alert = make_clip(), AlertFactory.create()
    with monkeypatch.context() as patched:
        patched.setattr(module, "make", break_down)
        studio.take(bad)
        assert studio.drain(30)
    studio.take(clip(alert))
    assert studio.drain(30)
    assert Attachment.objects.get().alert == alert
    assert bad.drops == {Drop.CLIP_LOST: 1}
    assert "A clip of Gate could not be made" in caplog.text
