"""A person's right: when they are deleted, in the middle of whatever runs, nothing about them stays anywhere."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts import vault
from accounts.models import AuditEvent, User
from accounts.roles import Role
from accounts.tests.clients import key_client
from accounts.tests.factories import UserFactory
from alerts import attachments, erasing, feedback, lifecycle
from alerts.models import (
    Alert,
    AlertStep,
    Attachment,
    Channel,
    Delivery,
    DeliveryState,
    NotThisPerson,
    Review,
    StepKind,
)
from alerts.tests.factories import AlertFactory
from alerts.tests.leftovers import files_with, keys, sealed_things, tables_pointing_to, tables_with
from cameras.identities import corrections, erasure, naming, undoing
from cameras.identities.errors import CorrectionError
from cameras.identities.linker import Linker
from cameras.models import (
    CorrectedSighting,
    Correction,
    Follow,
    Identity,
    Link,
    MergeProposal,
    NotSameIdentity,
    PhotoSearch,
    PhotoSearchHit,
    SearchFace,
    Sighting,
    UnknownTemplate,
    Verdict,
    searched_face_bind,
    searched_picture_bind,
    shot_scope,
)
from cameras.services import save_sighting, shot_bind
from cameras.tests.factories import CameraFactory
from cameras.tests.identities.people import WHY, known, seen, template, unknown
from cameras.tests.records import held
from cameras.tests.records import known as recognised
from recognition import gallery, services
from recognition.models import Batch, BatchPhoto, PendingEnrolment, Person
from recognition.pending import keep
from recognition.photos import Upload
from recognition.tests.factories import PACK, PersonFactory, WatchlistEntryFactory, embedding, picture
from recognition.tests.fakes import fake_eyes, shot

__all__ = ["fake_eyes"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_eyes")]

NAME = "Zerlinda Quux"
FACE = 71


@pytest.fixture(autouse=True)
def fresh(settings: Settings, tmp_path: Path) -> Iterator[None]:
    settings.GALLERY_POLL_SECONDS = 0
    settings.ALERT_LOG_DIR = tmp_path / "log"
    settings.ALERT_LOG_DIR.mkdir()
    gallery.forget()
    yield
    gallery.forget()


@pytest.fixture
def ada() -> User:
    user: User = UserFactory.create(username="ada", role=Role.OPERATOR)
    return user


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """Somebody of whom there is everything. `secrets`: bytes that are theirs alone."""

    person: Person
    identity: Identity
    sightings: tuple[Any, ...]
    alert: Alert
    secrets: tuple[bytes, ...]


def give_shot(row: Sighting, jpeg: bytes) -> None:
    assert row.shot_day is not None
    sealed = vault.seal(shot_scope(row.shot_day), jpeg, bind=shot_bind(row.pk))
    Sighting.objects.filter(pk=row.pk).update(sealed_shot=sealed, course=b"12345678")


def everything(actor: User) -> Everything:
    """An unknown one who was named, recognised since, alerted about, corrected, proposed, followed and imported."""
    identity, other = unknown(1), unknown(2)
    first = Sighting.objects.get(identity=identity)
    shots = [shot(FACE), shot(FACE, 1), shot(FACE, 2)]
    give_shot(first, shots[0])
    template(first, embedding(FACE))
    merged = unknown(1)
    corrections.merge(actor=actor, kept=identity, gone=merged, reason=f"This is {NAME} too.")
    done = naming.name(actor=actor, identity=identity, name=NAME, shots=[first.pk], reason=f"It is {NAME}.")
    assert done.person is not None
    person = done.person
    identity.refresh_from_db()
    second = seen(identity)
    give_shot(second, shots[1])
    third = seen(identity)
    give_shot(third, shots[2])
    corrections.not_them(actor=actor, sighting=third, reason=f"Not {NAME}.")
    undoing.undo(actor=actor, correction=Correction.objects.latest("pk"))
    MergeProposal.objects.create(
        first=min(identity, other, key=lambda one: one.pk), second=max(identity, other, key=lambda one: one.pk),
        similarity=0.8,
    )  # fmt: skip
    corrections.told_apart(actor=actor, one=identity, other=other)
    Follow.objects.create(user=actor, identity=identity, since=timezone.now())
    WatchlistEntryFactory.create(person=person, reason=f"Looks for {NAME}.")
    alert = alerted(actor, second, person)
    LogEntry.objects.create(
        user=actor,
        content_type=ContentType.objects.get_for_model(Person),
        object_id=str(person.pk),
        object_repr=NAME,
        action_flag=CHANGE,
        change_message=f"Renamed {NAME}.",
    )
    batch = Batch.objects.create(source="people.zip")
    BatchPhoto.objects.create(
        batch=batch, path=f"{NAME}/1.jpg", name=NAME, notes=f"About {NAME}", why=NAME, person=person, state="enrolled"
    )
    keep(user=actor, name=NAME, photos=[Upload(name=f"{NAME}.jpg", data=shots[0])], person=person)
    AuditEvent.objects.create(actor_name="ada", verb="merged", target=f"person {person.pk}", detail={"name": NAME})
    AuditEvent.objects.create(
        actor_name="x", verb="enrolled", target="person 0", detail={"like": [str(person.pk), "3"]}
    )
    for filters, target in ([f"person={person.pk}"], "history"), ([], f"identity {identity.pk}"):
        detail = {"filters": filters, "reason": f"For {NAME}"}
        AuditEvent.objects.create(actor_name="ada", verb="exported", target=target, detail=detail)
    searched_for(actor, person, identity, shots[0])
    secrets = (*shots, embedding(FACE).astype("<f4").tobytes())
    return Everything(
        person=person, identity=identity, sightings=(first.pk, second.pk, third.pk), alert=alert, secrets=secrets
    )


def searched_for(actor: User, person: Person, identity: Identity, jpeg: bytes) -> None:
    """A search with their photo that found them, and one of somebody else's in which they came out far below."""
    for threshold in (0.5, 0.95):
        search = PhotoSearch.objects.create(
            asked_by=actor, asked_by_name="ada", reason=f"Where is {NAME}?", case_number="7", pack=PACK, threshold=0.5
        )
        if threshold > 0.9:
            PhotoSearch.objects.filter(pk=search.pk).update(reason="Somebody else")
        face = SearchFace.objects.create(
            search=search,
            number=1,
            quality=0.9,
            sealed=vault.seal(
                search.scope, embedding(FACE).tobytes(), bind=searched_face_bind(search.pk, 1, search.pack)
            ),
            sealed_picture=vault.seal(search.scope, jpeg, bind=searched_picture_bind(search.pk, 1)),
        )
        for who in ({"person": person}, {"identity": identity}):
            PhotoSearchHit.objects.create(
                face=face, source="people", rank=1, similarity=0.9, threshold=threshold, is_match=False, **who
            )


def alerted(actor: User, row: Sighting, person: Person) -> Alert:
    """An alert about them with everything that an alert can have, and one of somebody else's that mentions them."""
    alert: Alert = AlertFactory.create(sighting=row, person=person, person_name=NAME, detail=f"{NAME} was seen again.")
    lifecycle.comment(actor=actor, alert=alert, text=f"I know {NAME}.")
    attachments.attach(actor=actor, alert=alert, name=f"{NAME}.txt", data=f"About {NAME}".encode())
    attachments.attach_clip(alert_id=alert.pk, name="clip.mp4", data=b"\0\0\0\0ftypZerlinda-clip")
    Review.objects.create(alert=alert, reviewer=actor, reviewer_name="ada", answer="same", note=f"Sure: {NAME}")
    Delivery.objects.create(alert=alert, channel=Channel.EMAIL, due_at=timezone.now(), error=f"Bounced for {NAME}")
    other: Alert = AlertFactory.create()
    text = f"The face is not taken for Bob any more, but for {NAME}."
    AlertStep.objects.create(alert=other, kind=StepKind.REVISED, actor_name="system", text=text)
    of_bob: Alert = AlertFactory.create(sighting=row, person=PersonFactory.create(name="Bob"))
    mistake = NotThisPerson(
        person=of_bob.person, alert=of_bob, pack="compact-1", similarity=0.9, expires_at=timezone.now()
    )
    assert of_bob.person is not None
    mistake.sealed = vault.seal(
        of_bob.person.scope, embedding(FACE).astype("<f4").tobytes(), bind=f"mistake|{mistake.pk}|compact-1"
    )
    mistake.save()
    line = {
        "key": "k",
        "alert": alert.pk,
        "who": NAME,
        "person": person.pk,
        "subject": f"Alert: {NAME}",
        "detail": NAME,
    }
    others = {"key": "o", "alert": other.pk, "who": "Bob", "person": 9, "subject": "Alert: Bob", "detail": ""}
    lines = "".join(json.dumps(one) + "\n" for one in (line, others, line))
    for name in ("alerts.jsonl", "alerts.jsonl.1"):
        (Path(project.ALERT_LOG_DIR) / name).write_text(lines)
    return alert


def assert_nothing_left(of: Everything) -> None:
    """Scans everything there is."""
    pk = of.person.pk
    assert tables_with(NAME) == set()
    assert tables_with("Zerlinda") == set()
    assert tables_pointing_to(pk) == set()
    assert tables_pointing_to(of.identity.pk, "cameras_identity") == set()
    left = [what for what, content in sealed_things() if any(secret in content for secret in of.secrets)]
    assert left == []
    assert not any(b"Zerlinda" in content for _, content in sealed_things())
    scopes = keys()
    assert f"person:{pk}" not in scopes
    assert f"alert:{of.alert.pk}" not in scopes
    assert not [scope for scope in scopes if scope.startswith("upload:")]
    # Of the two searches that of somebody else is there, without them.
    assert len([scope for scope in scopes if scope.startswith("search:")]) == 1
    assert PhotoSearch.objects.get().reason == "Somebody else"
    assert not PhotoSearchHit.objects.exists()
    assert not UnknownTemplate.objects.filter(sighting__in=of.sightings).exists()
    assert not CorrectedSighting.objects.filter(sighting__in=of.sightings).exists()
    erasing.wipe_logs()
    theirs = [NAME.encode(), *of.secrets]
    assert files_with(Path(project.ALERT_LOG_DIR), theirs) == set()
    assert files_with(Path(project.DATA_DIR), theirs) == set()


def test_nothing_of_a_deleted_person_is_left(ada: User) -> None:
    of = everything(ada)
    assert {"recognition_person.name", "alerts_alert.person_name", "cameras_correction.reason"} <= tables_with(NAME)
    assert any(secret in content for _, content in sealed_things() for secret in of.secrets)
    services.delete_person(actor=ada, person=of.person)

    assert_nothing_left(of)
    rows = Sighting.objects.defer(None).filter(pk__in=of.sightings)
    columns = ("person", "identity", "verdict", "link", "similarity", "sealed_shot", "course")
    left: set[Any] = set(rows.values_list(*columns))
    assert left == {(None, None, Verdict.UNKNOWN, Link.ERASED, None, None, None)}
    of.alert.refresh_from_db()
    assert (of.alert.person_name, of.alert.detail, of.alert.similarity) == (erasing.WHO, "", None)
    assert AlertStep.objects.filter(alert=of.alert, kind=StepKind.COMMENTED, actor=ada).exists()
    assert Delivery.objects.get(alert=of.alert, channel=Channel.EMAIL).state == DeliveryState.DROPPED
    assert not Attachment.objects.exists()
    assert not NotThisPerson.objects.exists()
    assert not NotSameIdentity.objects.exists()
    assert not MergeProposal.objects.exists()
    assert not Follow.objects.exists()
    assert not PendingEnrolment.objects.exists()
    assert Correction.objects.filter(actor=ada).count() == 3
    assert AuditEvent.objects.get(target="person 0").detail["like"] == ["3"]
    assert AuditEvent.objects.filter(verb="deleted", target=f"person {of.person.pk}").exists()


def test_what_is_about_others_stays(ada: User) -> None:
    of = everything(ada)
    bob = Alert.objects.get(person__name="Bob", sighting=of.alert.sighting)
    services.delete_person(actor=ada, person=of.person)
    bob.refresh_from_db()
    assert bob.person_name == "Bob"
    erasing.wipe_logs()
    lines = (Path(project.ALERT_LOG_DIR) / "alerts.jsonl").read_text().splitlines()
    assert [json.loads(line)["who"] for line in lines] == [erasing.WHO, "Bob", erasing.WHO]
    assert erasing.wipe_logs() == 0


def test_corrections_about_them_can_not_be_undone(ada: User) -> None:
    of = everything(ada)
    services.delete_person(actor=ada, person=of.person)
    for correction in Correction.objects.filter(undone_at=None):
        with pytest.raises(CorrectionError, match="deleted meanwhile"):
            undoing.undo(actor=ada, correction=correction)
    assert_nothing_left(of)


@pytest.mark.parametrize("way", ["page", "api", "admin", "admin, many"])
def test_every_way_to_delete_goes_the_same_way(ada: User, client: Client, way: str) -> None:
    of = everything(ada)
    boss = UserFactory.create(is_staff=True, is_superuser=True)
    client.force_login(boss)
    if way == "api":
        assert key_client(user=boss).delete(f"/api/v1/people/{of.person.pk}").status_code == 204
    elif way == "page":
        client.post(reverse("person_delete", args=[of.person.pk]))
    elif way == "admin":
        client.post(reverse("admin:recognition_person_delete", args=[of.person.pk]), {"post": "yes"})
    else:
        chosen = {"action": "delete_selected", "_selected_action": [of.person.pk], "post": "yes"}
        client.post(reverse("admin:recognition_person_changelist"), chosen)
    assert not Person.objects.filter(pk=of.person.pk).exists()
    client.logout()  # its session holds the sentence that says so
    assert_nothing_left(of)


def test_a_camera_that_still_follows_them_writes_nothing_again(ada: User) -> None:
    of = everything(ada)
    camera = CameraFactory.create()
    record = recognised(
        camera,
        held(camera),
        of.person.pk,
        shot=of.secrets[0],
        course=b"12345678",
        probe=embedding(FACE),
        keeps_probe=True,
    )
    row = save_sighting(record).row
    services.delete_person(actor=ada, person=of.person)
    save_sighting(record)
    save_sighting(replace(record, person_id=None, verdict=Verdict.UNKNOWN))
    row = Sighting.objects.defer(None).get(pk=row.pk)
    assert (row.person, row.identity, row.link, row.sealed_shot) == (None, None, Link.ERASED, None)
    assert_nothing_left(of)


def test_the_linker_and_a_remembered_mistake_bring_nothing_back(ada: User) -> None:
    of = everything(ada)
    linker = Linker()
    linker.step()
    pending = seen(Identity(person=of.person), identity=None, link="")
    services.delete_person(actor=ada, person=of.person)
    linker.step()
    linker.step()
    assert feedback._keep(of.alert.pk, of.person.pk, "compact-1", embedding(FACE)) is None
    pending.refresh_from_db()
    assert pending.identity is None
    assert attachments.attach_clip(alert_id=of.alert.pk, name="clip.mp4", data=b"\0\0\0\0ftypZerlinda") is None
    assert_nothing_left(of)


def test_naming_that_is_at_work_brings_nobody_back(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    of = everything(ada)
    again = unknown(1)
    row = Sighting.objects.get(identity=again)
    give_shot(row, shot(FACE, 3))
    real = services.enrol

    def slowly(**values: Any) -> services.Enrolment:
        done = real(**values)
        services.delete_person(actor=None, person=of.person)
        return done

    monkeypatch.setattr(naming, "enrol", slowly)
    with pytest.raises(CorrectionError, match="was deleted meanwhile"):
        naming.name(actor=ada, identity=again, person=of.person, shots=[row.pk], all_the_same=True)
    assert_nothing_left(of)


@pytest.mark.django_db(transaction=True)
def test_deleting_in_the_middle_of_corrections_and_cameras_leaves_nothing() -> None:
    ada = UserFactory.create(username="ada", role=Role.OPERATOR)
    of = everything(ada)
    camera = CameraFactory.create()
    record = recognised(camera, held(camera), of.person.pk, shot=of.secrets[0])
    stop = threading.Event()
    failed: list[BaseException] = []

    def at_work(deed: Any) -> None:
        try:
            while not stop.is_set():
                deed()
        except BaseException as error:
            failed.append(error)
        finally:
            connections.close_all()

    def correct() -> None:
        other = unknown(1)
        try:
            done = corrections.merge(actor=ada, kept=of.identity, gone=other, reason=WHY)
            undoing.undo(actor=ada, correction=done)
        except CorrectionError:
            return

    linker = Linker()
    deeds = (correct, lambda: save_sighting(record), linker.step)
    threads = [threading.Thread(target=at_work, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    stop.wait(0.7)
    services.delete_person(actor=ada, person=of.person)
    stop.wait(0.7)
    stop.set()
    for thread in threads:
        thread.join(30)
    assert failed == []
    assert_nothing_left(of)


def test_somebody_unknown_can_be_erased_too(ada: User) -> None:
    identity = unknown(2)
    row = Sighting.objects.filter(identity=identity).first()
    assert row is not None
    give_shot(row, picture(4242))
    template(row, embedding(9))
    merged = unknown(1)
    corrections.merge(actor=ada, kept=identity, gone=merged, reason=WHY)
    alert = AlertFactory.create(sighting=row, person=None, person_name="")
    attachments.attach(actor=ada, alert=alert, name="a.txt", data=b"about them")
    done = erasure.erase_identity(actor=ada, identity=identity, reason="They asked for it.")

    assert done == 3
    assert not Identity.objects.filter(pk__in=[identity.pk, merged.pk]).exists()
    assert not UnknownTemplate.objects.exists()
    assert set(Sighting.objects.values_list("link", "sealed_shot")) == {(Link.ERASED, None)}
    assert not Attachment.objects.exists()
    assert Alert.objects.filter(pk=alert.pk).exists()
    assert AuditEvent.objects.get(verb="erased").detail == {"sightings": 3}


def test_erasing_is_refused(ada: User) -> None:
    identity, merged = unknown(), unknown()
    with pytest.raises(CorrectionError, match="Say why"):
        erasure.erase_identity(actor=ada, identity=identity, reason="")
    with pytest.raises(CorrectionError, match="enrolled"):
        erasure.erase_identity(actor=ada, identity=known(PersonFactory.create()), reason="They asked.")
    corrections.merge(actor=ada, kept=identity, gone=merged, reason=WHY)
    with pytest.raises(CorrectionError, match="made part of"):
        erasure.erase_identity(actor=ada, identity=merged, reason="They asked.")
    assert Sighting.objects.exclude(link=Link.ERASED).count() == 6
