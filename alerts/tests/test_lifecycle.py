"""What people do about an alert: who is first, what is refused and in which words, what is put on record."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.db import connection

from accounts.models import AuditEvent, User
from accounts.roles import Role
from accounts.tests.factories import UserFactory
from alerts import feedback_tasks, lifecycle, outbox
from alerts.errors import AlertError
from alerts.models import Alert, AlertState, AlertStep, Delivery, DeliveryState, Dismissal, StepKind
from alerts.tests.at_once import at_once
from alerts.tests.factories import AlertFactory
from cameras.models import CameraEvent, EventKind
from cameras.tests.factories import NOON, CameraFactory

pytestmark = pytest.mark.django_db

ACKNOWLEDGED, CONFIRMED, DISMISSED, CLOSED = AlertState.values[1:]


@pytest.fixture
def ada() -> User:
    user: User = UserFactory.create(username="ada", role=Role.OPERATOR)
    return user


@pytest.fixture
def ben() -> User:
    user: User = UserFactory.create(username="ben", role=Role.OPERATOR)
    return user


@pytest.fixture(autouse=True)
def rings(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    rung: list[bool] = []

    def ring() -> bool:
        rung.append(True)
        return True

    monkeypatch.setattr(outbox, "ring", ring)
    return rung


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The alerts whose face a worker is asked to remember."""
    sent: list[int] = []
    monkeypatch.setattr(feedback_tasks, "send", sent.append)
    return sent


def camera_alert() -> Alert:
    camera = CameraFactory.create()
    event = CameraEvent.objects.create(camera=camera, camera_name=camera.name, kind=EventKind.BLACK, began_at=NOON)
    return Alert.objects.create(event=event, camera=camera, camera_name=camera.name, severity="high", captured_at=NOON)


def steps(alert: Alert) -> list[tuple[str, str, str]]:
    return list(AlertStep.objects.filter(alert=alert).values_list("kind", "actor_name", "text"))


def test_the_whole_way(ada: User, ben: User) -> None:
    alert = AlertFactory.create()
    assert lifecycle.acknowledge(actor=ada, alert=alert)
    lifecycle.assign(actor=ada, alert=alert, to=ben)
    lifecycle.comment(actor=ben, alert=alert, text="  Seen at the gate.\n")
    lifecycle.confirm(actor=ben, alert=alert)
    lifecycle.close(actor=ada, alert=alert)

    alert.refresh_from_db()
    assert (alert.state, alert.acknowledged_by, alert.assigned_to) == (CLOSED, ada, ben)
    assert alert.decided_at is not None
    assert alert.closed_at is not None
    assert alert.was_confirmed
    assert alert.version == 5
    assert steps(alert) == [
        ("acknowledged", "ada", ""),
        ("assigned", "ada", "To ben"),
        ("commented", "ben", "Seen at the gate."),
        ("confirmed", "ben", ""),
        ("closed", "ada", ""),
    ]
    verbs = AuditEvent.objects.filter(target=f"alert {alert.pk}").order_by("id").values_list("verb", flat=True)
    assert list(verbs) == ["acknowledged", "assigned", "commented", "confirmed", "closed"]


def test_acknowledging_may_be_skipped(ada: User) -> None:
    alert = AlertFactory.create()
    lifecycle.confirm(actor=ada, alert=alert)
    alert.refresh_from_db()
    assert (alert.state, alert.acknowledged_by) == (CONFIRMED, ada)
    assert alert.acknowledged_at is not None


def test_only_those_that_are_still_new_are_acknowledged(ada: User, ben: User, rings: list[bool]) -> None:
    rows = AlertFactory.create_batch(3)
    lifecycle.acknowledge(actor=ben, alert=rows[1])
    ids = [row.pk for row in rows]
    assert lifecycle.acknowledge_many(actor=ada, alert_ids=[*ids, *ids, 10**12]) == [ids[0], ids[2]]
    assert lifecycle.acknowledge_many(actor=ada, alert_ids=ids) == []
    assert lifecycle.acknowledge_many(actor=ada, alert_ids=[]) == []
    assert dict(Alert.objects.values_list("pk", "acknowledged_by__username")) == dict(
        zip(ids, ("ada", "ben", "ada"), strict=True)
    )
    assert AlertStep.objects.filter(kind=StepKind.ACKNOWLEDGED).count() == 3
    assert AuditEvent.objects.filter(verb="acknowledged", actor=ada).count() == 2


def test_pages_are_told_after_the_commit(
    ada: User, rings: list[bool], django_capture_on_commit_callbacks: Callable[..., Iterator[object]]
) -> None:
    alert = AlertFactory.create()
    with django_capture_on_commit_callbacks(execute=True) as waiting:  # type: ignore[attr-defined]
        lifecycle.acknowledge(actor=ada, alert=alert)
        assert not rings
    assert waiting
    assert rings


@pytest.mark.parametrize("reason", [r for r in Dismissal if r is not Dismissal.OTHER])
def test_dismissing_says_why(ada: User, reason: Dismissal) -> None:
    alert = AlertFactory.create()
    lifecycle.dismiss(actor=ada, alert=alert, reason=reason, note="A twin.")
    alert.refresh_from_db()
    assert (alert.state, alert.dismissal) == (DISMISSED, reason)
    assert not alert.was_confirmed
    assert steps(alert) == [("dismissed", "ada", f"{reason.label}. A twin.")]
    assert AuditEvent.objects.get(verb="dismissed").detail == {"reason": reason.value}


def test_another_reason_is_said(ada: User) -> None:
    alert = AlertFactory.create()
    with pytest.raises(AlertError, match="Say in the note why"):
        lifecycle.dismiss(actor=ada, alert=alert, reason=Dismissal.OTHER, note=" \x00 ")
    lifecycle.dismiss(actor=ada, alert=alert, reason=Dismissal.OTHER, note="Reflection in glass.")
    assert steps(alert) == [("dismissed", "ada", "Another reason. Reflection in glass.")]


def test_only_a_wrong_person_is_remembered(
    ada: User, asked: list[int], django_capture_on_commit_callbacks: Callable[..., Iterator[object]]
) -> None:
    wrong, other = AlertFactory.create_batch(2)
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
        lifecycle.dismiss(actor=ada, alert=wrong, reason=Dismissal.NOT_THIS_PERSON)
        lifecycle.dismiss(actor=ada, alert=other, reason=Dismissal.TEST)
    assert asked == [wrong.pk]


def test_where_nobody_was_named_nobody_was_mistaken(ada: User) -> None:
    for alert in (AlertFactory.create(person=None, person_name=""), camera_alert()):
        with pytest.raises(AlertError, match="takes no face for anybody"):
            lifecycle.dismiss(actor=ada, alert=alert, reason=Dismissal.NOT_THIS_PERSON)


def test_what_waits_to_leave_the_house_does_not(ada: User) -> None:
    alert = AlertFactory.create()
    row = Delivery.objects.create(alert=alert, channel="email", due_at=NOON)
    lifecycle.dismiss(actor=ada, alert=alert, reason=Dismissal.TEST)
    row.refresh_from_db()
    assert row.state == DeliveryState.DROPPED


def test_an_alert_about_a_camera_is_closed_too(ada: User) -> None:
    alert = camera_alert()
    lifecycle.close(actor=ada, alert=alert)
    alert.refresh_from_db()
    assert (alert.state, alert.acknowledged_by) == (CLOSED, ada)
    assert not alert.was_confirmed


@pytest.mark.parametrize("way", [DISMISSED, CLOSED])
def test_opening_again_undoes_the_decision(ada: User, way: str) -> None:
    alert = AlertFactory.create()
    if way == DISMISSED:
        lifecycle.dismiss(actor=ada, alert=alert, reason=Dismissal.TEST)
    else:
        lifecycle.confirm(actor=ada, alert=alert)
        lifecycle.close(actor=ada, alert=alert)
    lifecycle.reopen(actor=ada, alert=alert)
    alert.refresh_from_db()
    assert (alert.state, alert.dismissal, alert.decided_at, alert.closed_at) == (ACKNOWLEDGED, "", None, None)
    lifecycle.confirm(actor=ada, alert=alert)


WAYS: dict[str, Callable[[User, Alert], object]] = {
    "confirmed": lambda user, alert: lifecycle.confirm(actor=user, alert=alert),
    "dismissed": lambda user, alert: lifecycle.dismiss(actor=user, alert=alert, reason=Dismissal.TEST),
    "closed": lambda user, alert: lifecycle.close(actor=user, alert=alert),
}


@pytest.mark.parametrize("first", WAYS)
@pytest.mark.parametrize("second", WAYS)
def test_who_comes_later_is_told_who_was_faster(ada: User, ben: User, first: str, second: str) -> None:
    alert = AlertFactory.create()
    WAYS[first](ada, alert)
    if second == "closed" != first:
        WAYS[second](ben, alert)  # closing is what comes after the others
        return
    with pytest.raises(AlertError, match=rf"^ada was faster: the alert was {first} at \d\d:\d\d:\d\d"):
        WAYS[second](ben, alert)
    alert.refresh_from_db()
    assert alert.state == first
    assert AlertStep.objects.count() == 1


def test_what_is_open_is_not_opened_again(ada: User) -> None:
    alert = AlertFactory.create()
    with pytest.raises(AlertError, match="the alert is new"):
        lifecycle.reopen(actor=ada, alert=alert)


def test_an_alert_that_is_gone(ada: User) -> None:
    alert = AlertFactory.create()
    Alert.objects.all().delete()
    for deed in WAYS.values():
        with pytest.raises(AlertError, match="was removed meanwhile"):
            deed(ada, alert)
    with pytest.raises(AlertError, match="was removed meanwhile"):
        lifecycle.comment(actor=ada, alert=alert, text="x")
    assert not lifecycle.acknowledge(actor=ada, alert=alert)
    assert not AuditEvent.objects.exists()


def test_assigning(ada: User) -> None:
    alert = AlertFactory.create()
    viewer = UserFactory.create(username="vic", role=Role.VIEWER)
    gone = UserFactory.create(username="gus", role=Role.OPERATOR, is_active=False)
    for nobody in (viewer, gone):
        with pytest.raises(AlertError, match="may not deal with alerts"):
            lifecycle.assign(actor=ada, alert=alert, to=nobody)
    with pytest.raises(AlertError, match="assigned to nobody"):
        lifecycle.assign(actor=ada, alert=alert, to=None)
    lifecycle.assign(actor=ada, alert=alert, to=ada)
    with pytest.raises(AlertError, match="to ada already"):
        lifecycle.assign(actor=ada, alert=alert, to=ada)
    lifecycle.assign(actor=ada, alert=alert, to=None)
    assert [text for _, _, text in steps(alert)] == ["To ada", "To nobody any more"]


def test_a_comment_is_not_empty_and_not_endless(ada: User) -> None:
    alert = AlertFactory.create()
    with pytest.raises(AlertError, match="The comment is empty"):
        lifecycle.comment(actor=ada, alert=alert, text="\x00 \n")
    step = lifecycle.comment(actor=ada, alert=alert, text="x" * 5000)
    assert len(step.text) == 4000


def test_a_lead_is_not_decided_by_one(ada: User) -> None:
    alert = AlertFactory.create(reviews_needed=2)
    with pytest.raises(AlertError, match="2 trained people have to confirm it"):
        lifecycle.confirm(actor=ada, alert=alert)
    for reason in (Dismissal.NOT_THIS_PERSON, Dismissal.NOT_RELEVANT):
        with pytest.raises(AlertError, match="whether it is the person is said by its reviews"):
            lifecycle.dismiss(actor=ada, alert=alert, reason=reason)
    with pytest.raises(AlertError, match="A lead can not be closed"):
        lifecycle.close(actor=ada, alert=alert)
    alert.refresh_from_db()
    assert (alert.state, alert.is_lead) == ("new", True)


def test_a_dismissed_lead_stays_locked_also_when_it_is_closed(ada: User) -> None:
    alert = AlertFactory.create(reviews_needed=2)
    lifecycle.dismiss(actor=ada, alert=alert, reason=Dismissal.DUPLICATE)
    lifecycle.close(actor=ada, alert=alert)
    alert.refresh_from_db()
    assert (alert.state, alert.is_lead) == (CLOSED, True)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_press_at_the_same_moment_one_wins() -> None:
    users = [UserFactory.create(role=Role.OPERATOR) for _ in range(2)]
    for _ in range(5):
        alert = AlertFactory.create()
        found = at_once(
            lambda row=alert: lifecycle.confirm(actor=users[0], alert=row),  # type: ignore[misc]
            lambda row=alert: lifecycle.dismiss(actor=users[1], alert=row, reason=Dismissal.TEST),  # type: ignore[misc]
        )
        (loser,) = [error for error in found if error is not None]
        alert.refresh_from_db()
        winner = users[0] if alert.state == CONFIRMED else users[1]
        assert str(loser).startswith(f"{winner.username} was faster")
        assert AlertStep.objects.filter(alert=alert).count() == 1


@pytest.mark.django_db(transaction=True)
def test_many_acknowledgements_in_any_order_do_not_wait_for_each_other() -> None:
    users = [UserFactory.create(role=Role.OPERATOR) for _ in range(3)]
    rows = [row.pk for row in AlertFactory.create_batch(12)]
    one = Alert.objects.get(pk=rows[6])

    found = at_once(
        lambda: lifecycle.acknowledge_many(actor=users[0], alert_ids=rows),
        lambda: lifecycle.acknowledge_many(actor=users[1], alert_ids=rows[::-1]),
        lambda: [lifecycle.comment(actor=users[2], alert=one, text="x") for _ in range(5)],
    )
    assert not [result for result in found if isinstance(result, Exception)]
    first, second = found[0], found[1]
    assert isinstance(first, list)
    assert isinstance(second, list)
    assert sorted(first + second) == rows


def test_whoever_writes_alerts_takes_their_lock_before_any_row() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = 'alerts_alert'::regclass AND NOT tgisinternal "
            "AND (tgtype & 1) = 0 AND (tgtype & 2) = 2"  # of a statement, before it
        )
        assert cursor.fetchall() == [("lock_first",)]
