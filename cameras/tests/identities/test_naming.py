"""Somebody unknown gets a name, and all their sightings with it; and that is taken back."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import connection, connections, transaction
from pytest_django import Settings

from accounts import vault
from accounts.models import User
from accounts.roles import Role
from accounts.tests.factories import UserFactory
from cameras.identities import corrections, erasure, naming, undoing
from cameras.identities.errors import CorrectionError
from cameras.models import Correction, Identity, Link, Sighting, Verdict, shot_scope
from cameras.services import shot_bind
from cameras.tests.identities.people import WHY, known, seen, state, unknown
from recognition import gallery, services
from recognition.models import Person
from recognition.tests.factories import PersonFactory, WatchlistFactory
from recognition.tests.fakes import fake_eyes, shot

__all__ = ["fake_eyes"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_eyes")]


@pytest.fixture(autouse=True)
def fresh(settings: Settings) -> None:
    settings.GALLERY_POLL_SECONDS = 0
    gallery.forget()


@pytest.fixture
def ada() -> User:
    user: User = UserFactory.create(username="ada", role=Role.OPERATOR)
    return user


def with_shot(identity: Identity, seed: int, variant: int = 0) -> Sighting:
    row = seen(identity)
    assert row.shot_day is not None
    sealed = vault.seal(shot_scope(row.shot_day), shot(seed, variant), bind=shot_bind(row.pk))
    Sighting.objects.filter(pk=row.pk).update(sealed_shot=sealed)
    return row


def test_a_new_person_is_enrolled_and_all_sightings_become_theirs(ada: User) -> None:
    identity, watchlist = unknown(2), WatchlistFactory.create()
    chosen = [with_shot(identity, 71).pk, with_shot(identity, 71, 1).pk]
    done = naming.name(
        actor=ada, identity=identity, name="Eve Example", watchlist=watchlist, shots=chosen, reason="She told us."
    )

    assert done.person is not None
    assert done.correction is not None
    assert (done.person.name, done.person.photos.count()) == ("Eve Example", 2)
    assert done.person.entries.get().watchlist == watchlist
    identity.refresh_from_db()
    assert identity.person == done.person
    rows = Sighting.objects.values_list("identity", "person", "link", "verdict")
    assert set(rows) == {(identity.pk, done.person.pk, Link.HAND, Verdict.UNKNOWN)}
    assert len(rows) == 4


def test_it_is_somebody_who_is_enrolled(ada: User) -> None:
    person = PersonFactory.create()
    theirs, identity = known(person, 1), unknown(2)
    done = naming.name(actor=ada, identity=identity, person=person)

    assert done.enrolment is None
    assert Sighting.objects.filter(identity=theirs, person=person).count() == 3
    identity.refresh_from_db()
    assert identity.merged_into == theirs
    with pytest.raises(CorrectionError, match="was made part of"):
        naming.name(actor=ada, identity=identity, person=PersonFactory.create())


def test_a_face_that_is_enrolled_is_answered_and_nothing_changes(ada: User) -> None:
    first, second = unknown(0), unknown(0)
    naming.name(actor=ada, identity=first, name="Eve", shots=[with_shot(first, 72).pk])
    chosen, before = [with_shot(second, 72, 1).pk], Person.objects.count()
    done = naming.name(actor=ada, identity=second, name="Eva", shots=chosen)

    assert done.correction is None
    assert done.enrolment is not None
    assert [one.name for one in done.enrolment.duplicates] == ["Eve"]
    assert Person.objects.count() == before
    all_the_same = naming.name(actor=ada, identity=second, name="Eva", shots=chosen, all_the_same=True)
    assert all_the_same.person is not None
    assert all_the_same.person.name == "Eva"


def test_naming_is_refused(ada: User) -> None:
    identity, other = unknown(2), unknown(1)
    foreign = Sighting.objects.get(identity=other).pk
    with pytest.raises(CorrectionError, match="at least one picture"):
        naming.name(actor=ada, identity=identity, name="Eve")
    with pytest.raises(CorrectionError, match="not of"):
        naming.name(actor=ada, identity=identity, name="Eve", shots=[foreign])
    with pytest.raises(CorrectionError, match="already"):
        naming.name(actor=ada, identity=known(PersonFactory.create()), name="Eve")
    person = PersonFactory.create()
    corrections.told_apart(actor=ada, one=identity, other=known(person))
    with pytest.raises(CorrectionError, match="ada said on"):
        naming.name(actor=ada, identity=identity, person=person)
    assert not Correction.objects.exists()
    no_face = naming.name(actor=ada, identity=other, name="Eve", shots=[foreign])
    assert no_face.correction is None
    assert no_face.enrolment is not None
    assert no_face.enrolment.rejected


def test_whom_the_enrolment_made_goes_again_where_the_identity_was_merged_meanwhile(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity, other = unknown(0), unknown(1)
    chosen = [with_shot(identity, 73).pk]

    def enrol_slowly(**values: object) -> services.Enrolment:
        done = services.enrol(**values)  # type: ignore[arg-type]
        corrections.merge(actor=None, kept=other, gone=identity, reason=WHY)
        return done

    monkeypatch.setattr(naming, "enrol", enrol_slowly)
    with pytest.raises(CorrectionError, match="was made part of"):
        naming.name(actor=ada, identity=identity, name="Eve", shots=chosen)
    assert not Person.objects.exists()
    assert Sighting.objects.filter(identity=other, person=None).count() == 2


def test_photos_of_somebody_erased_meanwhile_do_not_stay_with_whom_they_were_added_to(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, identity = PersonFactory.create(), unknown(1)
    chosen = [with_shot(identity, 73).pk]

    def enrol_slowly(**values: object) -> services.Enrolment:
        done = services.enrol(**values)  # type: ignore[arg-type]
        assert person.photos.count() == 1
        erasure.erase_identity(actor=None, identity=identity, reason=WHY)
        return done

    monkeypatch.setattr(naming, "enrol", enrol_slowly)
    with pytest.raises(CorrectionError, match="removed meanwhile"):
        naming.name(actor=ada, identity=identity, person=person, shots=chosen)
    assert not person.photos.exists()
    assert not person.templates.exists()


def test_undoing_a_name_takes_back_the_photos_that_it_added(ada: User) -> None:
    photo = services.Upload(name="a", data=shot(75, 1))
    person, identity = services.enrol(actor=None, name="Ann", photos=[photo]).person, unknown(1)
    assert person is not None
    own = person.photos.get()
    done = naming.name(
        actor=ada, identity=identity, person=person, shots=[with_shot(identity, 73).pk], all_the_same=True
    )
    assert done.correction is not None
    assert person.photos.count() == 2
    undoing.undo(actor=ada, correction=done.correction)
    assert person.photos.get() == own
    assert person.templates.count() == 1


@pytest.mark.django_db(transaction=True)
def test_removing_whom_a_name_made_waits_for_a_camera_that_writes_of_them(ada: User) -> None:
    identity = unknown(1)
    done = naming.name(actor=ada, identity=identity, name="Eve", shots=[with_shot(identity, 73).pk])
    assert done.correction is not None
    correction, failed = done.correction, []

    def take_back() -> None:
        try:
            undoing.undo(actor=ada, correction=correction, remove_person=True)
        except BaseException as error:
            failed.append(error)
        finally:
            connections.close_all()

    other = threading.Thread(target=take_back)
    with transaction.atomic():  # a camera locks the person, and then the sighting
        assert done.person is not None
        Person.objects.select_for_update(no_key=True).get(pk=done.person.pk)
        other.start()
        deadline = time.monotonic() + 10
        while not _waits_for_a_lock():
            assert time.monotonic() < deadline, "nobody waits"
            time.sleep(0.02)
        list(Sighting.objects.select_for_update(no_key=True).filter(identity=identity))
    other.join(20)
    assert not failed
    assert not Person.objects.exists()


def _waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])


def test_undoing_a_name_takes_it_from_the_sightings_and_the_person_stays(ada: User) -> None:
    identity = unknown(2)
    chosen, before = [with_shot(identity, 74).pk], state()
    done = naming.name(actor=ada, identity=identity, name="Eve", shots=chosen)
    assert done.correction is not None
    recognised = seen(Identity.objects.get(pk=identity.pk))  # by a camera, since
    undone = undoing.undo(actor=ada, correction=done.correction)

    assert undone.still_enrolled == done.person
    assert (undone.restored, undone.left) == (3, 0)
    theirs = Identity.objects.get(person=done.person)
    assert theirs != identity
    after = state()
    assert after["sightings"].pop(recognised.pk)[:2] == [theirs.pk, theirs.person_id]
    assert after == before


def test_undoing_a_name_may_remove_the_person_whom_it_made(ada: User) -> None:
    identity = unknown(1)
    chosen, before = [with_shot(identity, 75).pk], state()
    done = naming.name(actor=ada, identity=identity, name="Eve", shots=chosen)
    assert done.correction is not None
    undone = undoing.undo(actor=ada, correction=done.correction, remove_person=True)
    assert undone.still_enrolled is None
    assert not Person.objects.exists()
    assert state() == before


def test_a_person_who_was_there_before_is_never_removed(ada: User) -> None:
    person, identity = PersonFactory.create(), unknown(1)
    before = state()
    done = naming.name(actor=ada, identity=identity, person=person)
    assert done.correction is not None
    undoing.undo(actor=ada, correction=done.correction, remove_person=True)
    assert Person.objects.filter(pk=person.pk).exists()
    assert state() == before


def test_merging_and_naming_are_undone_in_any_order(ada: User) -> None:
    one, other, person = unknown(1), unknown(1), PersonFactory.create()
    before = state()
    for first in (0, 1):
        merged = corrections.merge(actor=ada, kept=one, gone=other, reason=WHY)
        named = naming.name(actor=ada, identity=one, person=person).correction
        assert named is not None
        both = [merged, named] if first == 0 else [named, merged]
        for correction in both:
            undoing.undo(actor=ada, correction=correction)
        assert state() == before
