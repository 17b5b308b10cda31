"""Alerts about cameras: one an event, told while it lasts and when it is over."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from accounts.models import User
from accounts.roles import Role
from accounts.tests.clients import key_client
from accounts.tests.factories import UserFactory
from alerts import lifecycle, outbox, reporting
from alerts.models import Alert, AlertState, Delivery, Occasion, Rule, Severity
from alerts.rules import raising
from alerts.tests.factories import AlertFactory
from alerts.tests.test_every_page import Outline
from cameras import health
from cameras.events import Change
from cameras.live import State, Status, View
from cameras.models import Camera, CameraEvent, EventKind
from cameras.services import remove_camera
from cameras.tests.factories import NOON, CameraFactory

pytestmark = pytest.mark.django_db

CaptureOnCommit = DjangoCaptureOnCommitCallbacks


@pytest.fixture
def camera() -> Camera:
    return CameraFactory.create(name="Gate")


@pytest.fixture
def rings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    heard: list[int] = []

    def ring() -> bool:
        heard.append(1)
        return True

    monkeypatch.setattr(outbox, "ring", ring)
    return heard


def begin(camera: Camera, kind: EventKind = EventKind.DOWN, detail: str = "It does not answer.") -> CameraEvent:
    event = CameraEvent.objects.create(camera=camera, camera_name=camera.name, kind=kind, began_at=NOON, detail=detail)
    reporting.report_events([(event, Change.BEGAN)])
    return event


def end(event: CameraEvent, minutes: float = 3) -> None:
    event.ended_at = NOON + timedelta(minutes=minutes)
    event.save()
    reporting.report_events([(event, Change.ENDED)])


def again(event: CameraEvent) -> None:
    event.ended_at, event.times = None, event.times + 1
    event.save()
    reporting.report_events([(event, Change.AGAIN)])


@pytest.mark.parametrize(
    ("kind", "severity"),
    [
        (EventKind.DOWN, Severity.HIGH),
        (EventKind.FROZEN, Severity.HIGH),
        (EventKind.BLACK, Severity.HIGH),
        (EventKind.COVERED, Severity.HIGH),
        (EventKind.CLOCK, Severity.HIGH),
        (EventKind.DEFOCUSED, Severity.MEDIUM),
        (EventKind.MOVED, Severity.MEDIUM),
    ],
)
def test_an_event_is_an_alert_with_its_delivery(
    camera: Camera, kind: EventKind, severity: Severity, rings: list[int],
    django_capture_on_commit_callbacks: CaptureOnCommit,
) -> None:  # fmt: skip
    with django_capture_on_commit_callbacks(execute=True):
        event = begin(camera, kind)

    alert = Alert.objects.get()
    assert (alert.event, alert.camera, alert.camera_name, alert.severity) == (event, camera, "Gate", severity)
    assert (alert.sighting, alert.person, alert.similarity, alert.threshold) == (None, None, None, None)
    assert (alert.captured_at, alert.state) == (NOON, AlertState.NEW)
    assert Delivery.objects.get(alert=alert).sent_at is not None
    assert rings == [1]


def test_a_look_at_the_cameras_alerts_and_a_second_look_does_not(camera: Camera) -> None:
    status = Status(state=State.ONLINE, view=View.COVERED, worker="w", began=1.0)
    for seconds in (0, 5, 10):
        with transaction.atomic():
            health.look([camera], {camera.pk: status}, now=NOON + timedelta(seconds=seconds))
    assert Alert.objects.get().title == "The view is covered"
    clear = Status(state=State.ONLINE, worker="w", began=1.0)
    with transaction.atomic():
        health.look([camera], {camera.pk: clear}, now=NOON + timedelta(seconds=15))
    alert = Alert.objects.get()
    assert alert.event is not None
    assert alert.event.ended_at == NOON + timedelta(seconds=15)
    assert alert.version == 1


def test_what_is_not_committed_alerts_nobody(camera: Camera, rings: list[int]) -> None:
    with transaction.atomic():
        begin(camera)
        assert Alert.objects.exists()
        transaction.set_rollback(True)
    assert not Alert.objects.exists()
    assert rings == []


def test_the_end_changes_the_alert_and_rings(
    camera: Camera, rings: list[int], django_capture_on_commit_callbacks: CaptureOnCommit
) -> None:
    event = begin(camera)
    rings.clear()
    with django_capture_on_commit_callbacks(execute=True):
        end(event)
    alert = Alert.objects.get()
    assert (alert.version, alert.state) == (1, AlertState.NEW)
    assert rings == [1]


def test_what_comes_again_is_the_same_alert_and_new_again(camera: Camera) -> None:
    user = UserFactory.create(role=Role.OPERATOR)
    event = begin(camera)
    lifecycle.acknowledge(actor=user, alert=Alert.objects.get())
    end(event)
    again(event)

    alert = Alert.objects.get()
    assert (alert.state, alert.acknowledged_by, alert.acknowledged_at, alert.version) == (AlertState.NEW, None, None, 3)


@pytest.mark.parametrize("change", ["rule off", "rule gone", "elsewhere", "camera quiet"])
def test_what_comes_again_tells_nobody_who_wants_to_hear_no_more_of_it(camera: Camera, change: str) -> None:
    """Somebody has switched off what keeps coming again: it must not go on all the same."""
    event = begin(camera)
    lifecycle.acknowledge(actor=UserFactory.create(role=Role.OPERATOR), alert=Alert.objects.get())
    end(event)
    rules = Rule.objects.filter(alerts__isnull=False)
    if change == "rule off":
        rules.update(enabled=False)
    elif change == "rule gone":
        rules.all().delete()
    elif change == "elsewhere":
        rules.update(placed=True)
    else:
        Camera.objects.update(alert_events=False)
        event.camera = Camera.objects.get()
    before = Alert.objects.get().version
    again(event)

    alert = Alert.objects.get()
    assert (alert.state, alert.version) == (AlertState.ACKNOWLEDGED, before + 1)  # pages show that it is there
    assert not Delivery.objects.filter(occasion=Occasion.AGAIN).exists()


def test_a_camera_that_shall_not_alert_is_only_noted(camera: Camera) -> None:
    Camera.objects.update(alert_events=False)
    camera.refresh_from_db()
    event = begin(camera)
    end(event)
    assert not Alert.objects.exists()
    Camera.objects.update(alert_events=True)
    camera.refresh_from_db()
    event.camera = camera
    again(event)
    assert Alert.objects.get().event == event


def test_an_alert_is_about_one_thing(camera: Camera) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Alert.objects.create(camera_name="Gate", severity=Severity.LOW, captured_at=NOON)
    event = begin(camera)
    with pytest.raises(IntegrityError), transaction.atomic():
        AlertFactory.create(event=event)
    rule = Alert.objects.get().rule
    with pytest.raises(IntegrityError), transaction.atomic():
        Alert.objects.create(event=event, rule=rule, camera_name="Gate", severity=Severity.LOW, captured_at=NOON)
    assert Alert.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_it_is_written_under_the_lock_of_all_alerts(camera: Camera) -> None:
    asked = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND granted"
    with transaction.atomic(), connection.cursor() as cursor:
        begin(camera)
        cursor.execute(asked, [raising.ALERTS_LOCK])
        assert cursor.fetchone() == (1,)


# Pages


@pytest.fixture
def user() -> User:
    return UserFactory.create(role=Role.OPERATOR)


@pytest.fixture
def client(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def card(client: Client, alert: Alert) -> str:
    page = client.get(reverse("alerts")).content.decode()
    return page.partition(f'id="alert-{alert.pk}"')[2].partition("</li>")[0]


def test_the_card_says_what_happened_and_shows_no_faces(client: Client, camera: Camera) -> None:
    event = begin(camera, detail="It <does> not answer.")
    alert = Alert.objects.get()
    text = card(client, alert)

    assert "No pictures" in text
    assert "Still going on" in text
    assert "It &lt;does&gt; not answer." in text
    assert reverse("camera", args=[camera.pk]) in text
    assert "<img" not in text
    assert "Acknowledge the alert about Gate" in text
    assert "Similarity" not in text
    end(event)
    assert "Over after 3 min 00 s" in card(client, alert)
    event.times = 2
    again(event)
    assert "Still going on, came 3 times" in card(client, alert)


@pytest.mark.parametrize("over", [False, True])
@pytest.mark.parametrize("removed", [False, True])
def test_every_page_shows_it(client: Client, camera: Camera, over: bool, removed: bool) -> None:
    event = begin(camera, EventKind.COVERED)
    if over:
        end(event)
    if removed:
        remove_camera(actor=None, camera=Camera.objects.get())
    alert = Alert.objects.get()
    for url in (reverse("dashboard"), reverse("alerts")):
        assert "The view is covered" in client.get(url).content.decode()
    page = client.get(reverse("alert", args=[alert.pk])).content.decode()
    assert "<h1>The view is covered" in page
    assert ("The camera was removed" in page) == removed
    assert ("Over by itself" in page) == over
    assert "Best shot" not in page
    outline = Outline(page)
    assert (outline.titles, outline.headings.count(1), outline.headings[0]) == (1, 1, 1)
    assert all(after <= before + 1 for before, after in zip(outline.headings, outline.headings[1:], strict=False))
    assert not outline.nameless
    assert not [picture for picture in outline.pictures if "alt" not in picture]
    assert not [name for name, times in outline.ids.items() if times > 1]


def test_it_is_acknowledged_like_any_other(client: Client, camera: Camera) -> None:
    begin(camera)
    url = reverse("alert_acknowledge", args=[Alert.objects.get().pk])
    assert client.get(url).status_code == 405
    viewer = Client()
    assert viewer.post(url).status_code == 302  # to the sign-in
    assert Alert.objects.get().state == AlertState.NEW
    viewer.force_login(UserFactory.create(role=Role.VIEWER))
    assert viewer.post(url).status_code == 403
    assert client.post(url, headers={"HX-Request": "true"}).status_code == 200
    assert Alert.objects.get().state == AlertState.ACKNOWLEDGED


def test_a_list_of_both_kinds_asks_the_database_as_often(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    AlertFactory.create_batch(3)
    for each in CameraFactory.create_batch(8):
        begin(each)
    with django_assert_max_num_queries(12):
        assert client.get(reverse("alerts")).status_code == 200


# The API


def test_the_api_shows_it(camera: Camera) -> None:
    event = begin(camera)
    end(event)
    alert = Alert.objects.get()
    client = key_client(Role.VIEWER)
    for body in (
        client.get("/api/v1/alerts").json()["results"][0],
        client.get(f"/api/v1/alerts/{alert.pk}").json(),
        client.get("/api/alerts/latest").json()["results"][0],
    ):
        assert (body["camera_name"], body["severity"], body["state"]) == ("Gate", "high", "new")
        assert body["event"] == {
            "id": event.pk,
            "kind": "down",
            "began_at": "2026-03-14T12:00:00Z",
            "ended_at": "2026-03-14T12:03:00Z",
            "times": 1,
            "detail": "It does not answer.",
        }
        for field in ("sighting", "shot", "similarity", "threshold", "latitude", "longitude", "person"):
            assert body[field] is None, field
    sighted = AlertFactory.create()
    assert client.get(f"/api/v1/alerts/{sighted.pk}").json()["event"] is None


@pytest.mark.parametrize("path", ["alerts_alert_changelist", "alerts_delivery_changelist"])
def test_the_admin_site_lists_it(
    camera: Camera, path: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for each in [camera, *CameraFactory.create_batch(5)]:
        begin(each)
    client = Client()
    client.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    with django_assert_max_num_queries(16):
        page = client.get(reverse(f"admin:{path}"))
    assert page.status_code == 200
    assert "No pictures" in page.content.decode()
