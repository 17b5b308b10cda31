"""Open alerts follow what people say of whose a sighting is."""

from __future__ import annotations

import pytest

from accounts.models import User
from accounts.roles import Role
from accounts.tests.factories import UserFactory
from alerts.models import Alert, AlertState, AlertStep, Delivery, ListPolicy, Occasion, StepKind, Trigger
from alerts.reporting import report_sighting
from alerts.tests.factories import AlertFactory
from cameras.identities import corrections, naming, undoing
from cameras.models import Identity, Link, Sighting, Verdict
from cameras.services import save_sighting
from cameras.tests.factories import NOON, CameraFactory
from cameras.tests.identities.people import WHY, known, unknown
from cameras.tests.records import held
from cameras.tests.records import known as recognised
from recognition.tests.factories import PersonFactory, WatchlistFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    user: User = UserFactory.create(username="ada", role=Role.OPERATOR)
    return user


def test_open_alerts_are_told_and_decided_ones_are_not(ada: User) -> None:
    person = PersonFactory.create(name="Ada")
    kept, gone = known(person), unknown(1)
    row = Sighting.objects.get(identity=gone)
    open_one = AlertFactory.create(sighting=row, person=None, person_name="")
    decided = AlertFactory.create(sighting=row, person=None, person_name="", state=AlertState.CONFIRMED)
    done = corrections.merge(actor=ada, kept=kept, gone=gone, reason=WHY)

    open_one.refresh_from_db()
    decided.refresh_from_db()
    assert (open_one.person, open_one.person_name) == (person, "Ada")
    assert (decided.person, decided.person_name) == (None, "")
    assert AlertStep.objects.get(alert=open_one).kind == StepKind.NAMED
    undoing.undo(actor=ada, correction=done)
    last = AlertStep.objects.filter(alert=open_one).latest("pk")
    assert last.kind == StepKind.REVISED
    assert "not Ada, a person said, but nobody who is known" in last.text
    assert not AlertStep.objects.filter(alert=decided).exists()


def test_an_open_track_that_was_given_by_hand_takes_no_name_back(ada: User) -> None:
    camera, person = CameraFactory.create(), PersonFactory.create()
    record = recognised(camera, held(camera), None, verdict=Verdict.UNKNOWN)
    row = save_sighting(record).row
    alert: Alert = AlertFactory.create(sighting=row, person=None, person_name="")
    gone = Identity.objects.create()
    Sighting.objects.filter(pk=row.pk).update(identity=gone, link=Link.NEW)
    corrections.merge(actor=ada, kept=known(person), gone=gone, reason=WHY)
    report_sighting(sighting=record, captured_at=NOON)
    assert not AlertStep.objects.filter(alert=alert, kind=StepKind.REVISED).exists()


def test_a_name_by_hand_is_a_lead_where_the_list_asks_for_two_people(ada: User) -> None:
    identity, watchlist, person = unknown(1), WatchlistFactory.create(), PersonFactory.create()
    ListPolicy.objects.filter(watchlist=watchlist).update(two_person=True)
    alert = AlertFactory.create(sighting=Sighting.objects.get(), person=None, person_name="")
    naming.name(actor=ada, identity=identity, person=person, watchlist=watchlist)
    alert.refresh_from_db()
    assert (alert.person, alert.watchlist, alert.reviews_needed) == (person, watchlist, 2)


def test_what_is_about_nobody_in_particular_is_left_alone(ada: User) -> None:
    gone = unknown(1)
    crowd: Alert = AlertFactory.create(
        sighting=Sighting.objects.get(), person=None, person_name="", trigger=Trigger.CROWD
    )
    corrections.merge(actor=ada, kept=known(PersonFactory.create()), gone=gone, reason=WHY)
    assert not AlertStep.objects.filter(alert=crowd).exists()


def test_saying_the_same_again_is_told_once_and_going_back_is_told(ada: User) -> None:
    theirs = known(PersonFactory.create(name="Ada"), 1)
    row = Sighting.objects.get(identity=theirs)
    alert: Alert = AlertFactory.create(sighting=row, person=theirs.person, person_name="Ada")
    done = corrections.not_them(actor=ada, sighting=row, reason=WHY)
    undoing.undo(actor=ada, correction=done)
    texts = list(AlertStep.objects.filter(alert=alert).values_list("text", flat=True))
    assert texts == [
        "The face is not Ada, a person said, but nobody who is known.",
        "The face is Ada after all, as a person said.",
    ]
    assert Delivery.objects.filter(alert=alert, occasion=Occasion.REVISED).count() == 2
