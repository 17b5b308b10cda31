"""From a written sighting to alerts of every kind: repeats, names that arrive late, leads, and what is told again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from accounts.tests.factories import UserFactory
from alerts import feedback, lifecycle, reporting
from alerts.models import (
    Alert,
    AlertState,
    AlertStep,
    CooldownScope,
    Delivery,
    ListPolicy,
    NotThisPerson,
    Occasion,
    Rule,
    StepKind,
    Trigger,
    Who,
)
from cameras.models import Camera, PassageKind, Verdict, Zone
from cameras.services import PassageRecord, SightingRecord
from cameras.tests.factories import NOON, CameraFactory
from cameras.tests.records import held, known
from recognition.models import WatchlistEntry
from recognition.tests.factories import PersonFactory, WatchlistEntryFactory, WatchlistFactory, embedding

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _pages_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alerts.outbox.kick", lambda ids: None)


@pytest.fixture
def gate() -> Camera:
    made: Camera = CameraFactory.create(name="Gate")
    return made


@pytest.fixture
def ada(gate: Camera) -> SightingRecord:
    """Ada, who is on the list Wanted, seen at the gate."""
    entry = WatchlistEntryFactory.create(
        person=PersonFactory.create(name="Ada"), watchlist=WatchlistFactory.create(name="Wanted")
    )
    return known(gate, held(gate), entry.person_id)


def report(sighting: SightingRecord, seconds: float = 0.0) -> list[Alert]:
    made = reporting.report_sighting(sighting=sighting, captured_at=NOON + timedelta(seconds=seconds)).alerts
    return list(Alert.objects.filter(pk__in=made).order_by("pk"))


def another(sighting: SightingRecord, number: int, **changes: Any) -> SightingRecord:
    values: dict[str, Any] = {"id": type(sighting.id)(int=number), "track": number} | changes
    return replace(sighting, **values)


def unknown(sighting: SightingRecord) -> SightingRecord:
    return replace(sighting, verdict=Verdict.UNKNOWN, person_id=None)


def about_unknown(**values: Any) -> Rule:
    return Rule.objects.create(**{"name": "Strangers", "who": Who.UNKNOWN, "severity": "low"} | values)


# Repeats


def test_repeats_within_the_cooldown_are_counted_in_the_alert_that_is_there(ada: SightingRecord) -> None:
    (alert,) = report(ada)
    for number in (2, 3):
        assert report(another(ada, number), seconds=10 * number) == []
        assert report(another(ada, number), seconds=10 * number) == []  # written again: counted once

    before = alert.revision
    alert.refresh_from_db()
    assert (alert.count, alert.last_at) == (3, NOON + timedelta(seconds=30))
    assert alert.revision > before
    assert len(report(another(ada, 4), seconds=61)) == 1


def test_without_bundling_repeats_are_left_out(ada: SightingRecord) -> None:
    Rule.objects.update(bundle=False)
    (alert,) = report(ada)
    report(another(ada, 2), seconds=10)

    alert.refresh_from_db()
    assert alert.count == 1


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        (CooldownScope.PERSON_CAMERA, (True, True)),
        (CooldownScope.PERSON, (False, True)),
        (CooldownScope.CAMERA, (True, False)),
        (CooldownScope.RULE, (False, False)),
    ],
)
def test_what_a_cooldown_is_about(ada: SightingRecord, gate: Camera, scope: str, told: tuple[bool, bool]) -> None:
    rule = Rule.objects.exclude(own_list=None).get()
    Rule.objects.filter(pk=rule.pk).update(cooldown_scope=scope)
    other_camera = CameraFactory.create()
    other_person = WatchlistEntryFactory.create(watchlist=rule.own_list).person_id
    report(ada)

    elsewhere = known(other_camera, held(other_camera), ada.person_id or 0)
    somebody = another(ada, 2, person_id=other_person)
    assert (bool(report(elsewhere, 1)), bool(report(somebody, 1))) == told


def test_unknown_faces_are_bundled_by_camera(ada: SightingRecord) -> None:
    about_unknown()
    (alert,) = report(unknown(ada))
    assert (alert.title, alert.person) == ("Unknown face", None)
    assert report(another(unknown(ada), 2), seconds=5) == []
    other = CameraFactory.create()
    elsewhere = unknown(known(other, held(other), ada.person_id or 0))
    assert len(report(elsewhere, seconds=6)) == 1


# Names that arrive late, and names that were wrong


def test_a_name_that_arrives_late_is_put_into_the_alert_and_told_once(ada: SightingRecord) -> None:
    rule = about_unknown()
    (alert,) = report(unknown(ada))
    made = report(ada, seconds=4)

    alert.refresh_from_db()
    assert alert.rule == rule
    assert (alert.person_name, alert.watchlist_name, alert.similarity) == ("Ada", "Wanted", 0.93)
    assert alert.named_at is not None
    assert [one.rule_name for one in made] == ["Wanted"]  # the list's own rule tells as well
    report(replace(ada, frames=99), seconds=6)
    assert Delivery.objects.filter(alert=alert, occasion=Occasion.NAMED).count() == 1
    assert AlertStep.objects.get(alert=alert, kind=StepKind.NAMED).text == "Ada"


def test_a_rule_about_anybody_tells_once_also_when_the_name_comes_later(ada: SightingRecord) -> None:
    Rule.objects.update(enabled=False)
    Rule.objects.create(name="Anybody", who=Who.ANYBODY, cooldown_seconds=0)
    (alert,) = report(replace(ada, verdict=Verdict.UNDECIDED, person_id=None))

    assert report(ada, seconds=2) == []
    alert.refresh_from_db()
    assert alert.person_name == "Ada"


def test_a_name_does_not_undo_what_somebody_did_meanwhile(ada: SightingRecord) -> None:
    about_unknown()
    (alert,) = report(unknown(ada))
    lifecycle.acknowledge(actor=UserFactory.create(), alert=alert)
    report(ada, seconds=2)

    alert.refresh_from_db()
    assert (alert.state, alert.person_name) == (AlertState.ACKNOWLEDGED, "Ada")


def test_an_alert_whose_face_is_taken_for_somebody_else_says_so_once(ada: SightingRecord) -> None:
    (alert,) = report(ada)
    report(unknown(ada), seconds=3)
    report(unknown(ada), seconds=5)

    alert.refresh_from_db()
    assert alert.person_name == "Ada"  # what was said is not rewritten
    step = AlertStep.objects.get(alert=alert, kind=StepKind.REVISED)
    assert step.text == "The face is not taken for Ada any more, but for nobody who is known."
    assert Delivery.objects.filter(alert=alert, occasion=Occasion.REVISED).count() == 1


def test_a_decision_is_not_touched_by_a_name(ada: SightingRecord) -> None:
    (alert,) = report(ada)
    Alert.objects.filter(pk=alert.pk).update(state=AlertState.CONFIRMED)
    report(unknown(ada), seconds=3)

    assert not AlertStep.objects.filter(alert=alert).exists()


# Leads and mistakes


def test_a_list_that_asks_for_two_people_makes_leads(ada: SightingRecord) -> None:
    ListPolicy.objects.update(two_person=True)

    (alert,) = report(ada)
    assert alert.reviews_needed == 2
    assert alert.is_lead


def test_a_match_by_a_person_on_such_a_list_is_a_lead_whatever_rule_tells(ada: SightingRecord) -> None:
    ListPolicy.objects.update(two_person=True)
    Rule.objects.update(enabled=False)
    rule = Rule.objects.create(name="This one", who=Who.LISTED)
    rule.people.add(ada.person_id or 0)

    (alert,) = report(ada)
    assert (alert.rule, alert.reviews_needed) == (rule, 2)


def test_a_face_that_was_said_not_to_be_theirs_raises_nothing_and_is_counted_once(
    ada: SightingRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[object] = []
    mistake = NotThisPerson(person_id=ada.person_id or 0)
    monkeypatch.setattr(feedback, "is_known_mistake", lambda **values: mistake)
    monkeypatch.setattr(feedback, "count_suppressed", lambda *, mistake: counted.append(mistake))
    seen = replace(ada, probe=embedding(1))

    assert report(seen) == []
    assert report(replace(seen, frames=99), seconds=2) == []
    assert counted == [mistake]
    assert len(report(another(ada, 2), seconds=3)) == 1  # without the face nothing can be compared


def test_a_face_that_is_not_theirs_is_a_stranger_to_rules_that_look_for_nobody_by_name(
    ada: SightingRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is taken for somebody who may be there, and is known not to be, is told of as any stranger is."""
    counted: list[object] = []
    monkeypatch.setattr(feedback, "is_known_mistake", lambda **values: NotThisPerson(person_id=ada.person_id or 0))
    monkeypatch.setattr(feedback, "count_suppressed", lambda *, mistake: counted.append(mistake))
    Rule.objects.create(name="Anybody in the vault", who=Who.ANYBODY)
    staff = Rule.objects.create(name="Not staff", who=Who.NOT_LISTED)
    staff.watchlists.add(WatchlistEntry.objects.get().watchlist)
    seen = replace(ada, probe=embedding(1))

    made = report(seen)
    assert {(one.rule_name, one.title) for one in made} == {
        ("Anybody in the vault", "Unknown face"),
        ("Not staff", "Unknown face"),
    }
    assert report(replace(seen, frames=99), seconds=2) == []
    assert len(counted) == 1  # the list's own rule, which looks for Ada, tells nobody


# Zones


def test_a_zone_that_a_track_enters_is_in_the_alert(ada: SightingRecord, gate: Camera) -> None:
    Rule.objects.update(enabled=False)
    yard = Zone.objects.create(
        name="Yard", ground="picture", shape="polygon", camera=gate, points=[[0, 0], [1, 0], [1, 1]]
    )
    rule = Rule.objects.create(name="In the yard", trigger=Trigger.ENTERS, who=Who.ANYBODY, placed=True)
    rule.zones.add(yard)
    entered = PassageRecord(zone_id=yard.pk, kind=PassageKind.ENTERED, number=0, at=NOON + timedelta(seconds=1))

    assert report(ada) == []
    (alert,) = report(replace(ada, passages=(entered,)), seconds=2)
    assert (alert.zone, alert.zone_name, alert.detail) == (yard, "Yard", "Entered Yard.")
    assert alert.captured_at == NOON + timedelta(seconds=1)
    assert report(replace(ada, frames=99), seconds=4) == []


def test_a_crowd_is_about_nobody(ada: SightingRecord) -> None:
    Rule.objects.update(enabled=False)
    Rule.objects.create(name="Full", trigger=Trigger.CROWD, who=Who.ANYBODY, count=2, cooldown_scope=CooldownScope.RULE)

    assert report(ada) == []
    (alert,) = report(another(unknown(ada), 2))
    assert (alert.person, alert.title) == (None, "Too many people")
    assert alert.detail == "2 people at once at Gate."
    assert report(another(unknown(ada), 3), seconds=1) == []
    Rule.objects.update(cooldown_scope=CooldownScope.PERSON_CAMERA)
    assert report(another(ada, 4), seconds=2) == []  # nor once more for each person in it


def test_a_listed_person_with_a_rule_of_their_own(ada: SightingRecord, gate: Camera) -> None:
    entry = WatchlistEntry.objects.get()
    Rule.objects.exclude(own_list=entry.watchlist).update(enabled=False)
    rule = Rule.objects.create(name="Ada herself")
    rule.people.add(entry.person)
    rule.never_people.add(PersonFactory.create())

    assert {alert.rule_name for alert in report(ada)} == {"Wanted", "Ada herself"}
