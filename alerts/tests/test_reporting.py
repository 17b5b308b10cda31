"""From a sighting to an alert that is told: who must be told, once, and nothing is lost on the way."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connections, transaction
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks
from redis.exceptions import ConnectionError as RedisConnectionError

from accounts.models import AuditEvent
from accounts.tests.factories import UserFactory
from alerts import lifecycle, outbox, reporting, selectors, services
from alerts.models import Alert, AlertState, Delivery, Rule, Severity
from alerts.rules import raising
from alerts.tasks import deliver_pending
from alerts.tests.factories import AlertFactory
from cameras.leases import LeaseLost
from cameras.models import Camera, Sighting, Verdict
from cameras.services import SightingRecord
from cameras.tests.factories import NOON, CameraFactory
from cameras.tests.records import held, known, let_expire
from config import transactions
from recognition.models import Category, WatchlistEntry
from recognition.packs import current_pack
from recognition.services import delete_person, rename_person
from recognition.tests.factories import PersonFactory, WatchlistEntryFactory, WatchlistFactory
from recognition.watchlist_services import create_watchlist, delete_watchlist

pytestmark = pytest.mark.django_db


@pytest.fixture
def camera() -> Camera:
    camera: Camera = CameraFactory.create(name="Gate")
    return camera


@pytest.fixture
def wanted() -> WatchlistEntry:
    """Somebody on one watchlist."""
    entry: WatchlistEntry = WatchlistEntryFactory.create(
        person=PersonFactory.create(name="Ada"), watchlist=WatchlistFactory.create(name="Wanted")
    )
    return entry


@pytest.fixture
def sighting(camera: Camera, wanted: WatchlistEntry) -> SightingRecord:
    """The camera sees them."""
    return known(camera, held(camera), wanted.person_id)


@pytest.fixture
def rings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts how often open pages were told."""
    counted: list[int] = []

    def count() -> bool:
        counted.append(1)
        return True

    monkeypatch.setattr(outbox, "ring", count)
    return counted


def report(sighting: SightingRecord, seconds: float = 0.0) -> tuple[int, ...]:
    return reporting.report_sighting(sighting=sighting, captured_at=NOON + timedelta(seconds=seconds)).alerts


def another(sighting: SightingRecord, number: int = 2, **changes: Any) -> SightingRecord:
    """The next track of the same camera."""
    values: dict[str, Any] = {"id": type(sighting.id)(int=number), "track": number} | changes
    return replace(sighting, **values)


# Who is told of what


def test_somebody_on_a_watchlist_causes_an_alert(sighting: SightingRecord, wanted: WatchlistEntry) -> None:
    (made,) = report(sighting, seconds=1.5)

    alert = Alert.objects.get()
    assert alert.pk == made
    assert alert.rule == wanted.watchlist.rule
    assert alert.sighting == Sighting.objects.get()
    assert (alert.person_name, alert.watchlist_name, alert.camera_name) == ("Ada", "Wanted", "Gate")
    assert (alert.similarity, alert.severity, alert.state) == (0.93, Severity.HIGH, AlertState.NEW)
    assert alert.threshold == pytest.approx(current_pack().threshold)
    assert alert.captured_at == NOON + timedelta(seconds=1.5)
    assert Delivery.objects.get().alert == alert


def test_reporting_again_makes_no_second_alert(sighting: SightingRecord) -> None:
    (first,) = report(sighting)
    rule = Rule.objects.exclude(own_list=None).get()
    services.change_rule(actor=None, rule=rule, enabled=True, severity=Severity(rule.severity), cooldown_seconds=0)

    assert report(sighting) == ()
    assert report(replace(sighting, frames=90, is_open=False), seconds=3600) == ()
    assert list(Alert.objects.values_list("pk", flat=True)) == [first]


def test_the_cooldown_is_per_person_and_camera(
    sighting: SightingRecord, wanted: WatchlistEntry, camera: Camera
) -> None:
    assert len(report(sighting)) == 1
    assert report(another(sighting), seconds=59) == ()
    elsewhere = CameraFactory.create()
    assert len(report(known(elsewhere, held(elsewhere), wanted.person_id), seconds=1)) == 1
    somebody = WatchlistEntryFactory.create(watchlist=wanted.watchlist).person
    assert len(report(another(sighting, 3, person_id=somebody.pk), seconds=1)) == 1
    assert len(report(another(sighting, 4), seconds=60)) == 1


def test_a_clock_that_was_wrong_silences_nobody_for_longer_than_the_cooldown(
    sighting: SightingRecord,
) -> None:
    assert len(report(sighting, seconds=86_400)) == 1

    assert report(another(sighting, 2), seconds=86_400 - 59) == ()
    assert len(report(another(sighting, 3), seconds=0)) == 1


def test_two_watchlists_cause_two_alerts(sighting: SightingRecord, wanted: WatchlistEntry) -> None:
    WatchlistEntryFactory.create(person=wanted.person, watchlist=WatchlistFactory.create(category=Category.STAFF))

    assert len(report(sighting)) == 2
    assert set(Alert.objects.values_list("severity", flat=True)) == {Severity.HIGH, Severity.LOW}


def test_an_inactive_watchlist_causes_none(sighting: SightingRecord, wanted: WatchlistEntry) -> None:
    wanted.watchlist.is_active = False
    wanted.watchlist.save()

    assert report(sighting) == ()
    assert Sighting.objects.exists()


def test_an_entry_that_is_over_causes_none(sighting: SightingRecord, wanted: WatchlistEntry) -> None:
    wanted.expires_at = timezone.now() - timedelta(seconds=1)
    wanted.save()

    assert report(sighting) == ()


def test_a_disabled_rule_causes_none(sighting: SightingRecord) -> None:
    Rule.objects.update(enabled=False)

    assert report(sighting) == ()


@pytest.mark.parametrize(("threshold", "told"), [(0.9300001, 0), (0.93, 1), (0.5, 1), (None, 1)])
def test_the_similarity_must_reach_the_watchlists_threshold(
    sighting: SightingRecord, wanted: WatchlistEntry, threshold: float | None, told: int
) -> None:
    wanted.watchlist.threshold, wanted.watchlist.threshold_pack = threshold, sighting.pack
    wanted.watchlist.save()

    assert len(report(sighting)) == told


def test_the_packs_own_threshold_is_asked_for_where_a_list_has_none(sighting: SightingRecord) -> None:
    assert report(replace(sighting, similarity=current_pack().threshold - 0.001)) == ()
    assert len(report(replace(sighting, similarity=current_pack().threshold))) == 1


def test_a_lenient_watchlist_lowers_the_threshold_of_no_other(sighting: SightingRecord, wanted: WatchlistEntry) -> None:
    """Recognised by the threshold of one list, the person is not enough for one that asks for the pack's own."""
    lenient = WatchlistFactory.create(name="Lenient", threshold=0.5)
    WatchlistEntryFactory.create(person=wanted.person, watchlist=lenient)
    report(replace(sighting, similarity=0.6, threshold=0.5))

    alert = Alert.objects.get()
    assert (alert.watchlist_name, alert.threshold) == ("Lenient", 0.5)


@pytest.mark.parametrize("verdict", [Verdict.UNKNOWN, Verdict.UNDECIDED])
def test_without_a_decision_nobody_is_told(sighting: SightingRecord, verdict: Verdict) -> None:
    assert report(replace(sighting, verdict=verdict)) == ()


def test_an_unlisted_person_causes_none(sighting: SightingRecord) -> None:
    assert report(replace(sighting, person_id=PersonFactory.create().pk)) == ()


def test_a_track_that_turns_out_to_be_somebody_else_tells_again(
    sighting: SightingRecord, wanted: WatchlistEntry
) -> None:
    other = WatchlistEntryFactory.create(watchlist=wanted.watchlist).person
    report(sighting)

    assert len(report(replace(sighting, person_id=other.pk), seconds=1)) == 1


def test_being_listed_while_in_view_tells(sighting: SightingRecord, wanted: WatchlistEntry) -> None:
    wanted.delete()
    assert report(sighting) == ()
    WatchlistEntryFactory.create(person=wanted.person)

    assert len(report(replace(sighting, frames=20), seconds=2)) == 1


# What is deleted meanwhile


def test_a_watchlist_deleted_while_alerts_are_open(sighting: SightingRecord, wanted: WatchlistEntry) -> None:
    report(sighting)
    delete_watchlist(actor=None, watchlist=wanted.watchlist)

    alert = selectors.alerts().get()
    assert (alert.rule, alert.watchlist_name, alert.state) == (None, "Wanted", AlertState.NEW)
    assert lifecycle.acknowledge(actor=UserFactory.create(), alert=alert)
    # The person is still in view, and on another list now.
    WatchlistEntryFactory.create(person=wanted.person)
    assert len(report(replace(sighting, frames=20), seconds=2)) == 1


def test_a_person_deleted_while_alerts_are_open(sighting: SightingRecord, wanted: WatchlistEntry) -> None:
    report(sighting)
    delete_person(actor=None, person=wanted.person)

    alert = Alert.objects.get()
    assert (alert.person, alert.person_name) == (None, "Somebody who was erased")
    assert report(replace(sighting, frames=11), seconds=1) == ()


def test_names_are_those_of_then(sighting: SightingRecord, wanted: WatchlistEntry) -> None:
    report(sighting)
    rename_person(actor=None, person=wanted.person, name="Grace", notes="")

    assert Alert.objects.get().person_name == "Ada"


def test_a_worker_that_lost_its_lease_tells_nobody(sighting: SightingRecord, camera: Camera) -> None:
    let_expire(camera)
    held(camera, "another")

    with pytest.raises(LeaseLost):
        report(sighting)
    assert not Alert.objects.exists()


# One transaction


@pytest.mark.parametrize("model", [Alert, Delivery])
def test_when_an_alert_can_not_be_written_neither_is_its_sighting(
    sighting: SightingRecord, monkeypatch: pytest.MonkeyPatch, model: type[Alert] | type[Delivery]
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(model.objects, "bulk_create", fail)
    with pytest.raises(DatabaseError):
        report(sighting)

    assert not Sighting.objects.exists()
    assert not Alert.objects.exists()


def after(cursor: int) -> list[int]:
    """What a page with this cursor is told next."""
    return list(Alert.objects.filter(id__gt=cursor).order_by("id").values_list("id", flat=True))


@pytest.mark.django_db(transaction=True)
def test_ids_are_in_the_order_of_commits() -> None:
    """Whoever has read up to an id has missed none below it, however many cameras report at once."""
    watchlist = WatchlistFactory.create()
    records = []
    for _ in range(6):
        camera = CameraFactory.create()
        person = WatchlistEntryFactory.create(watchlist=watchlist).person
        records.append(known(camera, held(camera), person.pk))
    start = threading.Barrier(7)
    seen: list[int] = []

    def tell(record: SightingRecord) -> None:
        try:
            start.wait(30)
            with transaction.atomic():
                report(record)
                time.sleep(0.03)  # long enough for others to be overtaken, if they could be
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        running = [pool.submit(tell, record) for record in records]
        start.wait(30)
        while len(seen) < 6 and not all(each.done() for each in running):
            seen += after(max(seen, default=0))
        for each in running:
            each.result()
    seen += after(max(seen, default=0))

    assert seen == list(Alert.objects.order_by("id").values_list("pk", flat=True))
    assert len(seen) == 6


# Delivery


def test_open_pages_are_told_after_the_commit(
    sighting: SightingRecord,
    rings: list[int],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        report(sighting)
        assert rings == []

    assert rings == [1]
    delivery = Delivery.objects.get()
    assert delivery.sent_at is not None
    assert delivery.attempts == 1
    assert outbox.deliver_pending() == 0


def test_while_redis_is_away_deliveries_wait_and_are_sent_after(
    sighting: SightingRecord,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    class Away:  # what the channel layer does then
        async def group_send(self, group: str, message: dict[str, str]) -> None:
            raise RedisConnectionError("no answer")

    with monkeypatch.context() as patch, django_capture_on_commit_callbacks(execute=True):
        patch.setattr(outbox, "get_channel_layer", Away)
        report(sighting)
        assert outbox.deliver_pending() == 1
    delivery = Delivery.objects.get()
    assert delivery.sent_at is None
    assert delivery.attempts >= 1
    assert "could not be told of alerts yet" in caplog.text

    deliver_pending()  # the task, on the real Redis
    assert Delivery.objects.get().sent_at is not None
    assert outbox.deliver_pending() == 0


def test_what_a_process_did_not_deliver_before_it_died_is_delivered(rings: list[int]) -> None:
    for _ in range(3):
        Delivery.objects.create(alert=AlertFactory.create(), channel="live", due_at=NOON)

    assert outbox.deliver_pending() == 3
    assert rings == [1]
    assert not Delivery.objects.filter(sent_at=None).exists()


# Rules and decisions


@pytest.mark.parametrize(
    ("category", "severity"),
    [
        (Category.MISSING, Severity.CRITICAL),
        (Category.WANTED, Severity.HIGH),
        (Category.STAFF, Severity.LOW),
        (Category.OTHER, Severity.MEDIUM),
    ],
)
def test_every_watchlist_has_a_rule_from_the_start(category: Category, severity: Severity) -> None:
    watchlist = create_watchlist(actor=None, name="New", category=category)

    rule = Rule.objects.get(own_list=watchlist)
    assert (rule.own_list, rule.severity, rule.enabled) == (watchlist, severity, True)
    assert list(rule.watchlists.all()) == [watchlist]
    watchlist.save()
    assert services.give_rule(watchlist=watchlist) == rule


def test_an_alert_is_acknowledged_once() -> None:
    alert = AlertFactory.create()
    first, second = UserFactory.create_batch(2)

    assert lifecycle.acknowledge(actor=first, alert=alert)
    assert not lifecycle.acknowledge(actor=second, alert=alert)
    alert.refresh_from_db()
    assert (alert.state, alert.acknowledged_by) == (AlertState.ACKNOWLEDGED, first)
    assert alert.acknowledged_at is not None
    assert AuditEvent.objects.filter(verb="acknowledged").count() == 1


def test_a_changed_rule_is_recorded() -> None:
    rule = WatchlistFactory.create().rule
    services.change_rule(actor=None, rule=rule, enabled=False, severity=Severity.CRITICAL, cooldown_seconds=5)

    rule.refresh_from_db()
    assert (rule.enabled, rule.severity, rule.cooldown_seconds) == (False, Severity.CRITICAL, 5)
    assert AuditEvent.objects.get().target == f"rule {rule.pk}"


def test_a_redis_that_hangs_keeps_nobody_from_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging:
        async def group_send(self, group: str, message: dict[str, str]) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr(outbox, "get_channel_layer", Hanging)
    monkeypatch.setattr(outbox, "RING_SECONDS", 0.05)
    assert not outbox.ring()


@pytest.mark.django_db(transaction=True)
def test_who_stands_still_in_the_middle_of_a_report_keeps_nobody_from_reporting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transactions, "STILL_SECONDS", 0.3)
    entry = WatchlistEntryFactory.create()
    frozen, other = CameraFactory.create(), CameraFactory.create()
    records = {camera.pk: known(camera, held(camera), entry.person_id) for camera in (frozen, other)}
    reached, told = threading.Event(), threading.Event()
    lock = raising.one_after_the_other

    def stop_after_it() -> None:
        lock()
        if threading.current_thread() is thread:
            reached.set()
            assert told.wait(30)

    def freeze() -> None:
        try:
            with pytest.raises(OperationalError):
                report(records[frozen.pk])
        finally:
            connections.close_all()

    monkeypatch.setattr(raising, "one_after_the_other", stop_after_it)
    thread = threading.Thread(target=freeze)
    thread.start()
    assert reached.wait(30)
    assert len(report(records[other.pk])) == 1  # the same person, and the same lock
    told.set()
    thread.join(30)
    assert list(Sighting.objects.values_list("camera", flat=True)) == [other.pk]
    assert len(report(records[frozen.pk])) == 1  # nothing of it was written, so that it is written now
