"""The gallery follows the database, whoever changes it, and never holds what it can not open."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest
from django.db import DatabaseError, connection, connections
from django.utils import timezone
from pytest_django import Settings

from recognition import gallery, services, watchlist_services
from recognition.engine import Embedding
from recognition.gallery import Snapshot
from recognition.models import Category, GalleryRevision, Person, Template
from recognition.tests.factories import (
    DIMENSION,
    PersonFactory,
    TemplateFactory,
    WatchlistEntryFactory,
    WatchlistFactory,
    embedding,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_gallery(settings: Settings) -> Iterator[None]:
    """Nothing in memory before and after, and every use looks at the database."""
    settings.GALLERY_POLL_SECONDS = 0
    gallery.forget()
    yield
    gallery.forget()


def revision() -> int:
    return GalleryRevision.objects.get().revision


def found(seed: int) -> int | None:
    """Who the embedding is, by the newest gallery."""
    snapshot = gallery.gallery()
    match = snapshot.decide(snapshot.search(embedding(seed)))
    return match.person if match else None


def test_an_empty_gallery_knows_nobody() -> None:
    snapshot = gallery.gallery()

    assert len(snapshot.templates) == 0
    assert snapshot.search(embedding(1)) == []
    assert snapshot.decide([]) is None


def test_an_enrolment_a_rename_and_a_deletion_are_followed() -> None:
    template = TemplateFactory.create(vector=embedding(1))
    person = template.person
    assert found(1) == person.pk
    assert found(2) is None

    services.rename_person(actor=None, person=person, name="Another name", notes="")
    assert gallery.gallery().names[person.pk] == "Another name"

    services.delete_person(actor=None, person=person)
    assert found(1) is None
    assert person.pk not in gallery.gallery().names


def test_what_did_not_change_is_not_read_again() -> None:
    TemplateFactory.create()
    first = gallery.gallery()
    PersonFactory.create()
    second = gallery.gallery()

    assert gallery.gallery() is second
    assert second is not first
    assert second.templates is first.templates  # a name is new, no template is


def test_of_several_templates_the_best_counts_and_each_can_go() -> None:
    person = PersonFactory.create()
    one = TemplateFactory.create(person=person, vector=embedding(1))
    TemplateFactory.create(person=person, vector=embedding(2))
    assert found(1) == found(2) == person.pk

    one.delete()
    assert found(1) is None
    assert found(2) == person.pk


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO recognition_person (name, notes, created_at) VALUES ('raw', '', now())",
        "UPDATE recognition_person SET name = 'raw'",
        "DELETE FROM recognition_template",
        "UPDATE recognition_watchlist SET threshold = 0.5",
        "DELETE FROM recognition_watchlistentry",
        "TRUNCATE recognition_template",
    ],
)
def test_raw_sql_raises_the_revision(statement: str) -> None:
    TemplateFactory.create()
    WatchlistEntryFactory.create()
    before = revision()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(statement)

    assert revision() > before


def test_a_template_deleted_by_raw_sql_is_not_found_any_more() -> None:
    TemplateFactory.create(vector=embedding(1))
    assert found(1) is not None
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM recognition_template")

    assert found(1) is None


def test_a_revision_that_was_emptied_away_is_made_anew() -> None:
    GalleryRevision.objects.all().delete()
    before = gallery.gallery()
    TemplateFactory.create(vector=embedding(1))

    assert revision() > before.revision
    assert found(1) is not None


def test_templates_of_another_pack_are_not_compared() -> None:
    TemplateFactory.create(vector=embedding(1), pack="another-1")

    assert len(gallery.gallery().templates) == 0


def test_what_does_not_open_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    good = TemplateFactory.create(vector=embedding(1))
    bad = TemplateFactory.create(vector=embedding(2))
    Template.objects.filter(pk=bad.pk).update(sealed=good.sealed)

    assert found(1) == good.person_id
    assert gallery.gallery().templates.templates == {good.pk}
    assert f"Template {bad.pk} is not used" in caplog.text


@pytest.mark.parametrize("vector", [np.zeros(DIMENSION - 1, np.float32), np.full(DIMENSION, np.nan, np.float32)])
def test_what_is_no_embedding_does_not_stop_the_gallery(vector: Embedding, caplog: pytest.LogCaptureFixture) -> None:
    good = TemplateFactory.create(vector=embedding(1))
    bad = TemplateFactory.create(vector=vector)

    assert found(1) == good.person_id
    assert f"Template {bad.pk} is not used" in caplog.text


def test_thresholds_come_from_valid_entries_on_active_lists() -> None:
    strict = WatchlistFactory.create(threshold=0.97)
    person = TemplateFactory.create().person
    entry = WatchlistEntryFactory.create(watchlist=strict, person=person)
    assert gallery.gallery().threshold(person.pk) == 0.97

    usual = WatchlistEntryFactory.create(person=person)  # asks for the pack's own
    snapshot = gallery.gallery()
    assert snapshot.threshold(person.pk) == snapshot.pack_threshold
    usual.delete()
    WatchlistEntryFactory.create(watchlist=WatchlistFactory.create(threshold=0.9), person=person)
    assert gallery.gallery().threshold(person.pk) == 0.9

    watchlist_services.change_watchlist(
        actor=None,
        watchlist=person.entries.exclude(pk=entry.pk).get().watchlist,
        name="off",
        category=Category.OTHER,
        purpose="",
        legal_basis="",
        threshold=0.9,
        is_active=False,
    )
    assert gallery.gallery().threshold(person.pk) == 0.97

    watchlist_services.add_to_watchlist(
        actor=None, watchlist=strict, person=person, expires_at=timezone.now() - timedelta(seconds=1)
    )
    snapshot = gallery.gallery()
    assert snapshot.threshold(person.pk) == snapshot.pack_threshold


def test_a_threshold_comes_when_its_entry_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    begins = timezone.now() + timedelta(hours=1)
    person = TemplateFactory.create().person
    WatchlistEntryFactory.create(watchlist=WatchlistFactory.create(threshold=0.5), person=person, starts_at=begins)
    before = gallery.gallery()
    assert before.threshold(person.pk) == before.pack_threshold

    monkeypatch.setattr(timezone, "now", lambda: begins)
    assert gallery.gallery().threshold(person.pk) == 0.5


def test_a_threshold_goes_when_its_entry_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    over = timezone.now() + timedelta(hours=1)
    person = TemplateFactory.create().person
    WatchlistEntryFactory.create(watchlist=WatchlistFactory.create(threshold=0.5), person=person, expires_at=over)
    assert gallery.gallery().threshold(person.pk) == 0.5

    monkeypatch.setattr(timezone, "now", lambda: over + timedelta(seconds=1))
    snapshot = gallery.gallery()
    assert snapshot.threshold(person.pk) == snapshot.pack_threshold
    assert gallery.gallery() is snapshot


def test_while_the_database_is_away_the_last_gallery_stays(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    TemplateFactory.create(vector=embedding(1))
    before = gallery.gallery()

    def away(known: Snapshot | None) -> Snapshot:
        raise DatabaseError("no answer")

    monkeypatch.setattr(gallery, "_read", away)
    assert gallery.gallery() is before
    assert "stays as it was" in caplog.text
    gallery.forget()
    with pytest.raises(DatabaseError):
        gallery.gallery()


def test_it_is_not_asked_for_more_often_than_set(settings: Settings) -> None:
    settings.GALLERY_POLL_SECONDS = 3600
    before = gallery.gallery()
    TemplateFactory.create()

    assert gallery.gallery() is before


ENROL_ELSEWHERE = """
import django; django.setup()
from recognition.tests.factories import TemplateFactory, embedding
print(TemplateFactory.create(vector=embedding(77)).person_id)
"""


@pytest.mark.django_db(transaction=True)
def test_an_enrolment_in_another_process_is_seen_within_two_seconds(settings: Settings) -> None:
    settings.GALLERY_POLL_SECONDS = 0.5
    assert found(77) is None
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "recognition.tests.other_process"}
    environment["OTHER_PROCESS_DATABASE"] = str(connection.settings_dict["NAME"])
    done = subprocess.run(
        [sys.executable, "-c", ENROL_ELSEWHERE], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    deadline = time.monotonic() + 2
    while found(77) is None and time.monotonic() < deadline:
        time.sleep(0.05)

    assert found(77) == int(done.stdout)


@pytest.mark.django_db(transaction=True)
def test_searching_goes_on_while_others_enrol_and_delete() -> None:
    """Every thread always finds the one who stays, whatever changes beside them."""
    stays = TemplateFactory.create(vector=embedding(1)).person_id
    wrong: list[int | None] = []
    over = threading.Event()

    def search() -> None:
        try:
            while not over.is_set():
                who = found(1)
                if who != stays:
                    wrong.append(who)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for seed in range(2, 12):
        services.delete_person(actor=None, person=TemplateFactory.create(vector=embedding(seed)).person)
    over.set()
    for thread in threads:
        thread.join(30)

    assert wrong == []
    assert gallery.gallery().templates.people == {stays}
    assert Person.objects.count() == 1


def test_where_one_thread_reads_for_all_no_other_one_waits_for_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "_reads_for_all", None)
    first = gallery.gallery()
    reader = threading.Thread(target=gallery.read_for_all)
    reader.start()
    reader.join()

    def read(known: Snapshot | None) -> Snapshot:
        raise AssertionError("this thread has read the gallery")

    monkeypatch.setattr(gallery, "_read", read)
    assert gallery.gallery() is first
