"""The two-person review: who may, what decides, and that nobody learns an answer before the alert is decided."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import date, timedelta

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, User
from accounts.roles import Role
from accounts.tests.clients import key_client
from accounts.tests.factories import UserFactory
from alerts import feedback_tasks, lifecycle, outbox, reviews, selectors
from alerts.errors import AlertError
from alerts.models import (
    Alert,
    AlertState,
    AlertStep,
    Delivery,
    DeliveryState,
    Dismissal,
    Endpoint,
    Review,
    StepKind,
    Training,
)
from alerts.tests.at_once import at_once
from alerts.tests.factories import AlertFactory
from cameras.models import Camera
from cameras.tests.factories import NOON
from recognition.models import Person, Watchlist

pytestmark = pytest.mark.django_db

SAME, DIFFERENT, UNSURE = Review.Answer.SAME, Review.Answer.DIFFERENT, Review.Answer.UNSURE
SECRET = "The scar is on the other side."


def reviewer(name: str, *, until: date | None = None) -> User:
    """Somebody with the role and a valid training."""
    user: User = UserFactory.create(username=name, role=Role.REVIEWER)
    today = timezone.localdate()
    Training.objects.create(
        user=user, course="GFMT2", trained_on=today - timedelta(days=30), valid_until=until or today
    )
    return user


def lead() -> Alert:
    made: Alert = AlertFactory.create(reviews_needed=2)
    return made


@pytest.fixture
def ada() -> User:
    return reviewer("ada")


@pytest.fixture
def ben() -> User:
    return reviewer("ben")


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sent: list[int] = []
    monkeypatch.setattr(feedback_tasks, "send", sent.append)
    return sent


Committed = Callable[..., AbstractContextManager[Iterator[object]]]


def test_two_who_agree_confirm(ada: User, ben: User) -> None:
    alert = lead()
    endpoint = Endpoint.objects.create(name="Duty", channel="email", sealed_config=b"", shown="duty@example.org")
    held = Delivery.objects.create(
        alert=alert, channel="email", endpoint=endpoint, state=DeliveryState.HELD, due_at=NOON
    )
    first = reviews.review(actor=ada, alert=alert, answer=SAME, note=SECRET)
    assert (first.progress.answered, first.progress.needed, first.verdict) == (1, 2, None)
    alert.refresh_from_db()
    assert (alert.state, alert.is_lead, alert.acknowledged_by) == (AlertState.NEW, True, None)
    held.refresh_from_db()
    assert held.state == DeliveryState.HELD

    second = reviews.review(actor=ben, alert=alert, answer=SAME)
    assert (second.progress.answered, second.verdict) == (2, SAME)
    alert.refresh_from_db()
    assert (alert.state, alert.is_lead, alert.acknowledged_by) == (AlertState.CONFIRMED, False, ben)
    held.refresh_from_db()
    assert held.state == DeliveryState.PENDING
    assert Delivery.objects.filter(alert=alert, channel="live", occasion="confirmed").count() == 1
    last = AlertStep.objects.get(alert=alert, kind=StepKind.CONFIRMED)
    assert last.text == "The same person, each for themselves: ada, ben"
    assert AuditEvent.objects.get(verb="confirmed").detail == {"reviewers": "ada, ben"}
    assert [row.answer for row in reviews.shown(alert)] == [SAME, SAME]


def test_two_who_say_no_dismiss(
    ada: User, ben: User, asked: list[int], django_capture_on_commit_callbacks: Committed
) -> None:
    alert = lead()
    reviews.review(actor=ada, alert=alert, answer=DIFFERENT)
    with django_capture_on_commit_callbacks(execute=True):
        outcome = reviews.review(actor=ben, alert=alert, answer=DIFFERENT)
    assert outcome.verdict is DIFFERENT
    alert.refresh_from_db()
    assert (alert.state, alert.dismissal) == (AlertState.DISMISSED, Dismissal.NOT_THIS_PERSON)
    assert alert.is_lead
    assert asked == [alert.pk]
    assert AlertStep.objects.get(alert=alert, kind=StepKind.DISMISSED).text == (
        "Not this person, each for themselves: ada, ben"
    )


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ((SAME, DIFFERENT), "new"),
        ((SAME, UNSURE), "new"),
        ((UNSURE, UNSURE), "new"),
        ((UNSURE, UNSURE, UNSURE), "new"),
        ((SAME, UNSURE, SAME), "confirmed"),
        ((SAME, DIFFERENT, SAME), "confirmed"),
        ((SAME, DIFFERENT, DIFFERENT), "dismissed"),
        ((DIFFERENT, UNSURE, UNSURE, SAME, DIFFERENT), "dismissed"),
    ],
)
def test_what_decides(answers: tuple[Review.Answer, ...], state: str) -> None:
    alert = lead()
    for number, answer in enumerate(answers):
        outcome = reviews.review(actor=reviewer(f"r{number}"), alert=alert, answer=answer)
    alert.refresh_from_db()
    assert alert.state == state
    decided = state != "new"
    assert (outcome.verdict is None) != decided
    assert reviews.progress(alert).asks_for_more != decided
    assert len(reviews.shown(alert)) == (len(answers) if decided else 0)


def test_one_answer_a_person(ada: User) -> None:
    alert = lead()
    lifecycle.acknowledge(actor=ada, alert=alert)  # who has acknowledged it may be one of the two
    reviews.review(actor=ada, alert=alert, answer=SAME)
    with pytest.raises(AlertError, match="You have answered already"):
        reviews.review(actor=ada, alert=alert, answer=SAME)
    assert Review.objects.count() == 1
    assert reviews.progress(alert, ada).has_answered


def test_only_the_trained_may_review() -> None:
    alert, today = lead(), timezone.localdate()
    untrained = UserFactory.create(role=Role.REVIEWER)
    over = reviewer("over", until=today - timedelta(days=1))
    later = reviewer("later", until=today + timedelta(days=9))
    Training.objects.filter(user=later).update(trained_on=today + timedelta(days=1))
    no_role = UserFactory.create(role=Role.OPERATOR)
    Training.objects.create(user=no_role, course="GFMT2", trained_on=today, valid_until=today)
    root = UserFactory.create(is_superuser=True)
    for user in (untrained, over, later, no_role, root):
        assert not reviews.may_review(user)
        with pytest.raises(AlertError, match="no valid record of your training"):
            reviews.review(actor=user, alert=alert, answer=SAME)
    assert reviews.may_review(reviewer("ada"))
    assert not Review.objects.exists()


def test_what_can_not_be_reviewed(ada: User, ben: User) -> None:
    with pytest.raises(AlertError, match="needs no reviews"):
        reviews.review(actor=ada, alert=AlertFactory.create(), answer=SAME)
    alert = lead()
    lifecycle.dismiss(actor=ben, alert=alert, reason=Dismissal.TEST)
    with pytest.raises(AlertError, match="ben was faster: the alert was dismissed"):
        reviews.review(actor=ada, alert=alert, answer=SAME)


def test_a_decision_that_is_undone_needs_new_answers(ada: User, ben: User) -> None:
    alert = lead()
    for user in (ada, ben):
        reviews.review(actor=user, alert=alert, answer=SAME)
    alert.refresh_from_db()
    lifecycle.close(actor=ada, alert=alert)
    lifecycle.reopen(actor=ada, alert=alert)
    alert.refresh_from_db()
    assert alert.is_lead
    assert reviews.progress(alert, ada) == reviews.Progress(answered=0, needed=2, has_answered=False)
    reviews.review(actor=ada, alert=alert, answer=DIFFERENT)
    alert.refresh_from_db()
    assert alert.state == AlertState.ACKNOWLEDGED
    assert reviews.shown(alert) == []  # nobody answers with the first round in view


@pytest.mark.parametrize("reason", [Dismissal.TEST, Dismissal.DUPLICATE, Dismissal.OTHER])
def test_dismissing_a_lead_for_another_reason_brings_no_answer_to_light(
    ada: User, ben: User, reason: Dismissal, client: Client
) -> None:
    alert = lead()
    reviews.review(actor=ada, alert=alert, answer=DIFFERENT, note=SECRET)
    lifecycle.dismiss(actor=ben, alert=alert, reason=reason, note="I want to see what ada said.")
    assert SECRET not in " ".join(everything_shown(alert).values())
    lifecycle.reopen(actor=ben, alert=alert)
    assert SECRET not in client.get(reverse("alert", args=[alert.pk])).content.decode()
    for user in (ada, ben):
        reviews.review(actor=user, alert=alert, answer=SAME)
    assert len(reviews.shown(alert)) == 3  # reviewers have decided: all of it may be seen


def test_leads_are_the_same_in_queries_and_in_memory(ada: User) -> None:
    for needed in (0, 2):
        for state in AlertState.values:
            for decided, dismissal in ((None, ""), (NOON, ""), (NOON, "test")):
                AlertFactory.create(reviews_needed=needed, state=state, decided_at=decided, dismissal=dismissal)
    rows = list(Alert.objects.all())
    assert {row.pk for row in rows if row.is_lead} == set(
        Alert.objects.filter(reviews.LEADS).values_list("pk", flat=True)
    )
    assert {row.is_lead for row in rows} == {True, False}


@pytest.mark.django_db(transaction=True)
def test_two_who_answer_at_the_same_moment_are_both_counted() -> None:
    users = [reviewer("ada"), reviewer("ben")]
    for _ in range(5):
        alert = lead()
        found = at_once(
            lambda row=alert: reviews.review(actor=users[0], alert=row, answer=SAME),  # type: ignore[misc]
            lambda row=alert: reviews.review(actor=users[1], alert=row, answer=SAME),  # type: ignore[misc]
        )
        outcomes = [one for one in found if isinstance(one, reviews.Outcome)]
        assert sorted(one.progress.answered for one in outcomes) == [1, 2]
        assert sum(one.verdict is SAME for one in outcomes) == 1
        alert.refresh_from_db()
        assert alert.state == AlertState.CONFIRMED
        assert AlertStep.objects.filter(alert=alert, kind=StepKind.CONFIRMED).count() == 1


@pytest.mark.django_db(transaction=True)
def test_one_who_presses_twice_is_counted_once() -> None:
    ada, alert = reviewer("ada"), lead()
    found = at_once(*[lambda: reviews.review(actor=ada, alert=alert, answer=SAME)] * 3)
    assert sum(isinstance(one, reviews.Outcome) for one in found) == 1
    assert Review.objects.count() == 1
    alert.refresh_from_db()
    assert alert.state == AlertState.NEW


def everything_shown(alert: Alert) -> dict[str, str]:
    """All that others get to see of an alert: every page, the API, what is pushed, the admin site, the audit trail."""
    second, viewer = reviewer("second"), UserFactory.create(username="vic", role=Role.VIEWER)
    root = UserFactory.create(username="root", is_staff=True, is_superuser=True)
    Training.objects.create(user=root, course="x", trained_on=date(2020, 1, 1), valid_until=timezone.localdate())
    seen: dict[str, str] = {}
    for user in (second, viewer, root):
        client = Client()
        client.force_login(user)
        for name in ("alert", "alerts", "dashboard", "alert_figures", "mistakes"):
            address = reverse(name, args=[alert.pk] if name == "alert" else [])
            seen[f"{user.username} {name}"] = client.get(address).content.decode()
        program = key_client(user=user)
        for name, path in (("list", ""), ("alert", f"/{alert.pk}"), ("history", f"/{alert.pk}/history")):
            seen[f"{user.username} API {name}"] = program.get(f"/api/v1/alerts{path}").content.decode()
    client = Client()
    client.force_login(root)
    for model in ("review", "alertstep", "alert"):
        seen[f"admin {model}"] = client.get(reverse(f"admin:alerts_{model}_changelist")).content.decode()
    for row in Review.objects.all():
        found = client.get(reverse("admin:alerts_review_change", args=[row.pk]), follow=True)
        seen["admin review"] = found.content.decode()
    seen["audit"] = json.dumps(
        list(AuditEvent.objects.filter(target=f"alert {alert.pk}").values_list("verb", "detail"))
    )
    seen["history"] = json.dumps(list(AlertStep.objects.values_list("kind", "actor_name", "text")))
    return seen


def rough(text: str) -> str:
    """Without what differs between any two pages: ids, times, tokens, names of what tests make."""
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|[A-Za-z0-9]{64}", "", text)
    text = re.sub(r"Person \d+|Camera \d+|Watchlist \d+|noon|\d+(:\d+)? [ap]\.m\.|\d+", "", text)
    return re.sub(r"\s+", " ", text)


def test_the_first_answer_can_not_be_told_from_any_other(ada: User) -> None:
    """What others see after “the same”, “not this person” and “can not tell” is the same, but for ids and times."""
    shown: list[dict[str, str]] = []
    for answer in Review.Answer:
        alert = lead()
        reviews.review(actor=ada, alert=alert, answer=answer, note=SECRET)
        shown.append(everything_shown(alert))
        for name, text in shown[-1].items():
            assert SECRET not in text, name
        assert "1 of 2 has answered" in shown[-1]["second alert"]
        for model in (Review, Alert, AuditEvent, Camera, Watchlist, Person):  # lists shall be of the same length
            model.objects.all().delete()
        User.objects.exclude(pk=ada.pk).delete()
    first, *others = [{name: rough(text) for name, text in one.items()} for one in shown]
    for other in others:
        assert other == first


def test_answers_are_shown_once_it_is_decided(ada: User, ben: User, client: Client) -> None:
    alert = lead()
    reviews.review(actor=ada, alert=alert, answer=SAME, note=SECRET)
    client.force_login(ben)
    address = reverse("alert", args=[alert.pk])
    before = client.get(address).content.decode()
    assert 'name="answer"' in before
    assert SECRET not in before
    reviews.review(actor=ben, alert=alert, answer=SAME)
    after = client.get(address).content.decode()
    assert SECRET in after
    assert 'name="answer"' not in after


def test_pushes_say_how_many_have_answered_and_not_what(ada: User) -> None:
    texts = []
    for answer in (SAME, DIFFERENT):
        alert = lead()
        reviews.review(actor=ada, alert=alert, answer=answer, note=SECRET)
        row = selectors.alerts().get(pk=alert.pk)
        text = render_to_string("alerts/partials/_alert.html", {"alert": row, "may_acknowledge": True})
        assert SECRET not in text
        texts.append(rough(text))
    assert texts[0] == texts[1]


def test_trainings_are_put_on_record_and_withdrawn(ada: User) -> None:
    today = timezone.localdate()
    carl = UserFactory.create(username="carl", role=Role.REVIEWER)
    made = reviews.record_training(
        actor=ada, user=carl, course="  Glasgow Face\nMatching Test ", trained_on=today, valid_until=today
    )
    assert made.course == "Glasgow Face Matching Test"
    assert reviews.may_review(carl)
    again = reviews.record_training(
        actor=ada, user=carl, course="Another", trained_on=today, valid_until=today + timedelta(days=1)
    )
    assert Training.objects.get(user=carl) == again
    reviews.withdraw_training(actor=ada, training=again)
    assert not reviews.may_review(carl)
    verbs = AuditEvent.objects.filter(target="training of carl").order_by("id").values_list("verb", flat=True)
    assert list(verbs) == ["recorded", "recorded", "withdrawn"]


@pytest.mark.parametrize(
    ("course", "from_today", "until", "why"),
    [
        (" ", 0, 1, "Name the course"),
        ("x" * 201, 0, 1, "at most 200 characters"),
        ("GFMT2", 1, 2, "in the future"),
        ("GFMT2", -1, -2, "over before it took place"),
    ],
)
def test_a_training_that_can_not_be(ada: User, course: str, from_today: int, until: int, why: str) -> None:
    today = timezone.localdate()
    with pytest.raises(AlertError, match=why):
        reviews.record_training(
            actor=None,
            user=ada,
            course=course,
            trained_on=today + timedelta(days=from_today),
            valid_until=today + timedelta(days=until),
        )


def test_kicking_follows_the_commit(
    ada: User, ben: User, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Committed
) -> None:
    kicked: list[object] = []
    monkeypatch.setattr(outbox, "kick", lambda alert_ids=None: kicked.append(alert_ids))
    alert = lead()
    reviews.review(actor=ada, alert=alert, answer=SAME)
    with django_capture_on_commit_callbacks(execute=True):
        reviews.review(actor=ben, alert=alert, answer=SAME)
        assert not kicked
    assert [alert.pk] in kicked
