"""A face that was said not to be a person is remembered, keeps the same mistake away, and can be forgotten."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings
from redis.exceptions import RedisError

from accounts import vault
from accounts.models import AuditEvent, User
from accounts.roles import Role
from accounts.tests.factories import UserFactory
from alerts import feedback, feedback_tasks, lifecycle
from alerts.models import Alert, AlertState, Dismissal, NotThisPerson
from alerts.tests.factories import AlertFactory
from cameras import shots
from cameras.models import Sighting, shot_scope
from cameras.services import shot_bind
from cameras.tests.factories import SightingFactory
from recognition import merging
from recognition.engine import Embedding, decode_photo, similarity
from recognition.models import Person
from recognition.packs import current_pack
from recognition.photos import portrait_jpeg
from recognition.tests.factories import PACK, PersonFactory, embedding
from recognition.tests.photos import astronaut, crowd

pytestmark = pytest.mark.django_db

THRESHOLD = 0.84


@pytest.fixture(autouse=True)
def fresh() -> None:
    feedback._faces.clear()


@pytest.fixture
def ada() -> User:
    user: User = UserFactory.create(username="ada", role=Role.OPERATOR)
    return user


def near(face: Embedding, wanted: float) -> Embedding:
    """Another look at the face, with about this similarity to it."""
    aside = np.random.default_rng(7).standard_normal(len(face))
    aside /= np.linalg.norm(aside)
    return np.asarray(face + np.sqrt(2 * (1 - wanted)) * aside, np.float32)


def remembered(person: Person, face: Embedding, pack: str = PACK, **values: object) -> NotThisPerson:
    row = NotThisPerson(
        person=person, pack=pack, similarity=0.9, expires_at=timezone.now() + timedelta(days=1), **values
    )
    row.sealed = vault.seal(person.scope, face.astype("<f4").tobytes(), bind=feedback._bind(row.pk, pack))
    row.save()
    return row


def known(person: Person, face: Embedding, alike: float, pack: str = PACK) -> NotThisPerson | None:
    return feedback.is_known_mistake(person_id=person.pk, pack=pack, embedding=face, similarity=alike)


def seen(jpeg: bytes, person: Person) -> Sighting:
    row: Sighting = SightingFactory.create(person=person, pack=current_pack().version)
    assert row.shot_day is not None
    row.sealed_shot = vault.seal(shot_scope(row.shot_day), jpeg, bind=shot_bind(row.pk))
    row.save()
    return row


def dismissed(ada: User, jpeg: bytes) -> Alert:
    alert: Alert = AlertFactory.create(sighting=seen(jpeg, PersonFactory.create()))
    lifecycle.dismiss(actor=ada, alert=alert, reason=Dismissal.NOT_THIS_PERSON)
    alert.refresh_from_db()
    return alert


def shot_of_astronaut() -> bytes:
    image = decode_photo(astronaut())
    return portrait_jpeg(image, current_pack().analyse(image, embed=False)[0].box)


def test_the_face_of_a_dismissed_alert_is_kept_sealed(ada: User, settings: Settings) -> None:
    settings.MISTAKE_DAYS = 7
    alert = dismissed(ada, shot_of_astronaut())
    row = feedback.remember(alert.pk)
    assert row is not None
    assert (row.person, row.alert, row.pack, row.said_by) == (alert.person, alert, current_pack().version, ada)
    assert row.similarity == alert.similarity
    assert timedelta(days=6) < row.expires_at - timezone.now() <= timedelta(days=7)
    image = decode_photo(astronaut())
    face = current_pack().analyse(image)[0].embedding
    assert alert.person is not None
    opened = vault.unseal(alert.person.scope, row.sealed, bind=feedback._bind(row.pk, row.pack))
    assert similarity(np.frombuffer(opened, "<f4"), face) > 0.95
    assert bytes(face.astype("<f4").tobytes()[:16]) not in bytes(row.sealed)
    assert feedback.remember(alert.pk) is None  # once
    assert NotThisPerson.objects.count() == 1
    assert known(alert.person, face, 0.9, row.pack) == row


def test_the_one_in_the_middle_is_meant_and_not_who_stands_beside() -> None:
    pack, image = current_pack(), decode_photo(crowd())
    for face in pack.analyse(image):
        shot = shots.look(portrait_jpeg(image, face.box), pack, embed=True)
        assert shot.subject is not None
        assert similarity(shot.subject.embedding, face.embedding) > 0.9


@pytest.mark.parametrize("why", ["off", "another reason", "opened again", "nobody", "no shot", "no face", "gone"])
def test_nothing_is_kept_where_nothing_may_or_can_be(ada: User, settings: Settings, why: str) -> None:
    alert = dismissed(ada, b"no jpeg at all" if why == "no face" else shot_of_astronaut())
    if why == "off":
        settings.MISTAKE_DAYS = 0
    elif why == "another reason":
        Alert.objects.update(dismissal=Dismissal.TEST)
    elif why == "opened again":
        lifecycle.reopen(actor=ada, alert=alert)
    elif why == "nobody":
        Alert.objects.update(person=None)
    elif why == "no shot":
        Sighting.objects.update(sealed_shot=None, shot_day=None)
    elif why == "gone":
        Alert.objects.all().delete()
    assert feedback.remember(alert.pk) is None
    assert not NotThisPerson.objects.exists()


def test_opening_the_alert_again_forgets_the_face(ada: User) -> None:
    alert = dismissed(ada, shot_of_astronaut())
    assert feedback.remember(alert.pk) is not None
    lifecycle.reopen(actor=ada, alert=alert)
    assert not NotThisPerson.objects.exists()


@pytest.mark.parametrize(
    ("to_the_mistake", "to_the_person", "suppressed"),
    [
        (0.97, 0.90, True),
        (THRESHOLD + 0.01, THRESHOLD, True),
        (THRESHOLD - 0.01, 0.70, False),  # it is not that face either
        (0.90, 0.93, False),  # it resembles the person more
    ],
)
def test_what_is_a_known_mistake(to_the_mistake: float, to_the_person: float, suppressed: bool) -> None:
    person, face = PersonFactory.create(), embedding(1)
    row = remembered(person, face)
    found = known(person, near(face, to_the_mistake), to_the_person)
    assert found == (row if suppressed else None)


def test_it_counts_for_that_person_and_that_pack_only() -> None:
    person, other, face = PersonFactory.create(), PersonFactory.create(), embedding(1)
    remembered(person, face)
    assert known(person, face, 0.9) is not None
    assert known(other, face, 0.9) is None
    assert known(person, face, 0.9, "another-1") is None
    assert known(person, face[:64], 0.9) is None


def test_the_nearest_of_several_decides() -> None:
    person = PersonFactory.create()
    rows = [remembered(person, embedding(seed)) for seed in range(4)]
    assert known(person, near(embedding(2), 0.95), 0.9) == rows[2]


def test_what_is_over_or_forgotten_counts_no_more(ada: User) -> None:
    person, face = PersonFactory.create(), embedding(1)
    row = remembered(person, face)
    assert known(person, face, 0.9) == row
    feedback.forget(actor=ada, mistake=row)
    assert known(person, face, 0.9) is None
    assert AuditEvent.objects.get().verb == "forgot"
    again = remembered(person, face)
    assert known(person, face, 0.9) == again
    NotThisPerson.objects.update(expires_at=timezone.now())
    assert known(person, face, 0.9) is None
    assert feedback.prune() == 1
    assert not NotThisPerson.objects.exists()


def test_a_known_face_is_opened_once_and_asked_for_with_little() -> None:
    person, face = PersonFactory.create(), embedding(1)
    with CaptureQueriesContext(connection) as nothing:
        known(person, face, 0.9)
    assert len(nothing) == 1
    remembered(person, face)
    known(person, face, 0.9)
    with CaptureQueriesContext(connection) as again:
        assert known(person, face, 0.9) is not None
    assert not [one["sql"] for one in again.captured_queries if '"sealed"' in one["sql"]]
    assert len(again) == 2


def test_what_can_not_be_opened_is_left_out() -> None:
    person, face = PersonFactory.create(), embedding(1)
    good, bad = remembered(person, face), remembered(person, near(face, 0.99))
    NotThisPerson.objects.filter(pk=bad.pk).update(sealed=good.sealed)  # bound to the other row
    assert known(person, near(face, 0.99), 0.9) == good


def test_it_is_counted() -> None:
    row = remembered(PersonFactory.create(), embedding(1))
    feedback.count_suppressed(mistake=row)
    feedback.count_suppressed(mistake=row)
    row.refresh_from_db()
    assert row.suppressed == 2
    assert row.last_suppressed_at is not None


def test_it_goes_with_the_person_and_moves_in_a_merge() -> None:
    kept, gone, face = PersonFactory.create(), PersonFactory.create(), embedding(1)
    remembered(gone, face)
    assert known(gone, face, 0.9) is not None
    merging.merge(actor=None, kept=kept, gone=gone)
    feedback._faces.clear()
    assert known(kept, face, 0.9) is not None
    kept.delete()
    assert not NotThisPerson.objects.exists()


def test_false_alerts_are_impostor_scores() -> None:
    for score, state, dismissal in (
        (0.91, AlertState.DISMISSED, Dismissal.NOT_THIS_PERSON),
        (0.88, AlertState.CLOSED, Dismissal.NOT_THIS_PERSON),
        (0.95, AlertState.DISMISSED, Dismissal.TEST),
        (0.99, AlertState.CONFIRMED, ""),
    ):
        AlertFactory.create(sighting=SightingFactory.create(similarity=score), state=state, dismissal=dismissal)
    AlertFactory.create(
        sighting=SightingFactory.create(pack="another-1"), state="dismissed", dismissal="not_this_person"
    )
    assert sorted(feedback.impostor_scores(PACK)) == pytest.approx([0.88, 0.91])
    assert len(feedback.impostor_scores("nothing-1")) == 0


def test_the_task_remembers_and_waits_for_nobody(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    alert = dismissed(ada, shot_of_astronaut())
    feedback_tasks.remember_mistake(alert.pk)
    assert NotThisPerson.objects.count() == 1
    NotThisPerson.objects.update(expires_at=timezone.now())
    feedback_tasks.prune_mistakes()
    assert not NotThisPerson.objects.exists()

    def away(alert_id: int) -> None:
        raise RedisError

    monkeypatch.setattr(feedback_tasks.remember_mistake, "delay", away)
    feedback_tasks.send(alert.pk)


def test_what_was_lost_on_the_way_to_a_worker_is_kept_after_all(ada: User) -> None:
    alert = dismissed(ada, shot_of_astronaut())
    NotThisPerson.objects.all().delete()  # the process died before a worker was asked
    assert feedback.remember_left_out() == 0  # one may be at it

    Alert.objects.filter(pk=alert.pk).update(decided_at=timezone.now() - timedelta(minutes=5))
    assert feedback.remember_left_out() == 1
    assert NotThisPerson.objects.get().alert == alert
    assert feedback.remember_left_out() == 0
    feedback.forget(actor=ada, mistake=NotThisPerson.objects.get())
    assert feedback.remember_left_out() == 0  # somebody had it forgotten
