"""The gallery in memory follows the log of changes: the same as one that is read anew, at the cost of what changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from recognition import gallery, gallery_changes, gallery_load, gallery_people, services, tasks
from recognition.engine import Pack
from recognition.gallery import Snapshot
from recognition.models import GalleryChange, GalleryRevision, Person, Template, Watchlist, WatchlistEntry
from recognition.tests.factories import (
    PACK,
    PersonFactory,
    PhotoFactory,
    TemplateFactory,
    WatchlistEntryFactory,
    WatchlistFactory,
    embedding,
)
from recognition.tests.gallery_world import OTHER, World, sql

# What a transaction has not committed is not followed by the log, so these tests commit.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def world(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Nothing in memory before and after, every use looks at the database, and packs are made of nothing."""
    made = World()
    settings.GALLERY_POLL_SECONDS = 0
    monkeypatch.setattr(gallery, "current_pack", lambda: made.pack())
    gallery.forget()
    yield made
    gallery.forget()


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The packs all ids of which were compared."""
    calls: list[str] = []
    original = gallery_load.stored_ids

    def counted(pack: str) -> Any:
        calls.append(pack)
        return original(pack)

    monkeypatch.setattr(gallery_load, "stored_ids", counted)
    return calls


def facts(snapshot: Snapshot) -> dict[str, Any]:
    """All that a snapshot says."""
    ids, persons = snapshot.templates.owners()
    probes = [embedding(seed) for seed in range(3)]
    exact = snapshot.templates._exact
    rows = {} if exact is None else exact(ids.tolist())
    found = [snapshot.templates.search(row, top=1)[0] for _, row in sorted(rows.items())]
    return {
        "revision": snapshot.revision,
        "pack": snapshot.pack.version,
        "templates": dict(zip(ids.tolist(), persons.tolist(), strict=True)),
        "themselves": [(one.template, round(one.similarity, 5)) for one in found],
        "strangers": [[one.template for one in snapshot.templates.search(probe, top=3)] for probe in probes],
        "names": dict(snapshot.names),
        "thresholds": dict(snapshot.thresholds),
        "expires_at": snapshot.expires_at,
    }


def assert_current() -> Snapshot:
    """The gallery that followed is the one that is read anew."""
    followed = gallery.gallery()
    assert facts(followed) == facts(gallery._read(None))
    assert len(followed.names) == len(dict(followed.names))
    return followed


@pytest.mark.parametrize("seed", range(1, 6))
def test_whatever_happens_it_is_what_would_be_read_anew(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    there = World(seed)
    monkeypatch.setattr(gallery, "current_pack", there.pack)
    monkeypatch.setattr(timezone, "now", there.now)
    monkeypatch.setattr("recognition.overlay._MOST", 4)
    monkeypatch.setattr(gallery_changes, "_KEPT", 10)
    monkeypatch.setattr(gallery_changes, "_PRUNED", 10)
    for _ in range(5):
        there.add()
    assert_current()
    for _ in range(60):
        step = there.random.choice(there.steps())
        step()
        if there.random.random() < 0.6:  # else several changes are followed at once
            assert_current()
    assert_current()


def test_only_what_changed_is_read(compared: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(8):
        WatchlistEntryFactory.create(person=TemplateFactory.create(vector=embedding(seed)).person)
    before = gallery.gallery()
    compared.clear()
    read: list[int] = []
    asked: list[object] = []
    opened, thresholds = gallery_load._opened, gallery_people._thresholds

    def noted_rows(rows: Any, pack: str, dimension: int) -> Any:
        read.extend(row[0] for row in rows)
        return opened(rows, pack, dimension)

    def noted_people(pack: Pack, people: Any) -> dict[int, float]:
        asked.append(people)
        return thresholds(pack, people)

    monkeypatch.setattr(gallery_load, "_opened", noted_rows)
    monkeypatch.setattr(gallery_people, "_thresholds", noted_people)

    new = TemplateFactory.create(vector=embedding(50))
    WatchlistEntryFactory.create(person=new.person, watchlist=WatchlistFactory.create(threshold=0.6))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        after = gallery.gallery()

    assert read == [new.pk]
    assert asked == [{new.person_id}]
    assert compared == []
    people = [query["sql"] for query in queries if 'FROM "recognition_person"' in query["sql"]]
    assert people
    assert all("WHERE" in one for one in people)
    assert after.threshold(new.person_id) == 0.6
    assert after.names[new.person_id] == new.person.name
    assert new.person_id not in before.names
    assert len(after.names) == len(before.names) + 1


def test_what_makes_no_difference_reads_nothing(compared: list[str]) -> None:
    template = TemplateFactory.create()
    WatchlistEntryFactory.create(person=template.person, watchlist=WatchlistFactory.create(threshold=0.6))
    before = gallery.gallery()
    compared.clear()
    logged = GalleryChange.objects.count()
    Person.objects.update(notes="seen")
    Template.objects.update(quality=0.1)
    Watchlist.objects.update(purpose="another")
    WatchlistEntry.objects.update(reason="another")
    after = assert_current_without_comparing(compared)

    assert GalleryChange.objects.count() == logged
    assert after.revision > before.revision
    assert after.templates is before.templates
    assert after.names is before.names
    assert after.thresholds is before.thresholds


def assert_current_without_comparing(compared: list[str]) -> Snapshot:
    followed = gallery.gallery()
    assert compared == []
    assert facts(followed) == facts(gallery._read(None))
    compared.clear()
    return followed


def test_the_gallery_of_another_pack_stays_as_it_is(compared: list[str]) -> None:
    photo = PhotoFactory.create()
    TemplateFactory.create(photo=photo, person=photo.person)
    before = gallery.gallery()
    compared.clear()
    other = TemplateFactory.create(photo=photo, person=photo.person, pack=OTHER)
    assert assert_current_without_comparing(compared).templates is before.templates
    other.delete()
    last = GalleryChange.objects.latest("id").pk
    sql(
        "INSERT INTO recognition_template (person_id, photo_id, pack, sealed, quality, box, created_at) "
        f"SELECT {photo.person_id}, {photo.pk}, 'many-' || n % 2 || '-' || n, '', 0.5, '[]', now() "
        "FROM generate_series(1, 6000) n"
    )
    logged = GalleryChange.objects.filter(pk__gt=last).values_list("kind", "subject")
    assert set(logged) == {("template", None)}
    assert assert_current_without_comparing(compared).templates is before.templates


@pytest.mark.parametrize("many", [4999, 5001])
def test_a_statement_that_changes_very_many_is_one_row_of_the_log(many: int) -> None:
    TemplateFactory.create()
    gallery.gallery()
    logged = GalleryChange.objects.count()
    sql(
        "INSERT INTO recognition_person (name, notes, created_at) "
        f"SELECT 'Person ' || n, '', now() FROM generate_series(1, {many}) n"
    )
    assert GalleryChange.objects.count() - logged == (many if many <= 5000 else 1)
    assert len(assert_current().names) == many + 1
    sql("UPDATE recognition_person SET name = 'Nobody'")
    assert set(assert_current().names.values()) == {"Nobody"}


def test_too_much_at_once_is_compared(compared: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert_current()
    compared.clear()
    monkeypatch.setattr(gallery_changes, "MOST", 3)
    TemplateFactory.create()
    TemplateFactory.create()
    assert gallery.gallery().templates.templates == set(Template.objects.values_list("pk", flat=True))
    assert compared == [PACK]
    assert_current()


def test_a_watchlist_of_very_many_people(monkeypatch: pytest.MonkeyPatch) -> None:
    watchlist = WatchlistFactory.create(threshold=0.9)
    for _ in range(5):
        WatchlistEntryFactory.create(watchlist=watchlist)
    assert_current()
    monkeypatch.setattr(gallery_people, "MOST", 3)
    Watchlist.objects.update(threshold=0.7)
    assert set(assert_current().thresholds.values()) == {0.7}


def test_who_knows_only_what_was_pruned_compares_everything(
    compared: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery_changes, "_KEPT", 8)
    monkeypatch.setattr(gallery_changes, "_PRUNED", 4)
    old = gallery.gallery()
    for _ in range(6):
        TemplateFactory.create()
    middle = gallery.gallery()
    TemplateFactory.create()
    Template.objects.all()[0].delete()
    count = GalleryChange.objects.count()
    assert count >= 12
    tasks.prune_gallery_changes()
    assert GalleryChange.objects.count() == 8
    tasks.prune_gallery_changes()
    assert GalleryChange.objects.count() == 8  # not with every look
    assert GalleryRevision.objects.get().log_after >= old.revision

    for known, asks in [(middle, []), (old, [PACK])]:
        compared.clear()
        followed = gallery._read(known)
        assert compared == asks
        assert facts(followed) == facts(gallery._read(None))


def test_what_is_taken_back_leaves_nothing_behind() -> None:
    """Another transaction gets the same revision as the one that was rolled back."""
    stays = TemplateFactory.create(vector=embedding(1))
    assert_current()
    with transaction.atomic():
        ghost = TemplateFactory.create(vector=embedding(2))
        Person.objects.filter(pk=stays.person_id).update(name="Ghost")
        inside = gallery.gallery()
        assert ghost.pk in inside.templates.templates
        transaction.set_rollback(True)
    while GalleryRevision.objects.get().revision < inside.revision:
        PersonFactory.create()
    assert GalleryRevision.objects.get().revision == inside.revision

    after = assert_current()
    assert after.templates.templates == {stays.pk}
    assert after.names[stays.person_id] == stays.person.name


def in_thread(work: Callable[[], object]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_who_takes_an_earlier_revision_and_commits_late_is_not_missed(compared: list[str]) -> None:
    made: list[int] = []
    has_written, may_commit = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            made.append(TemplateFactory.create(vector=embedding(1)).pk)
            has_written.set()
            may_commit.wait(30)

    assert_current()
    compared.clear()
    first = in_thread(slow)
    assert has_written.wait(30)
    second = in_thread(lambda: made.append(TemplateFactory.create(vector=embedding(2)).pk))
    second.join(0.5)
    assert second.is_alive()  # waits for its revision until the first has committed
    assert gallery.gallery().templates.templates == frozenset()
    may_commit.set()
    for thread in (first, second):
        thread.join(30)

    assert assert_current_without_comparing(compared).templates.templates == set(made)
    assert len(made) == 2


def test_many_writers_and_a_reader(compared: list[str]) -> None:
    def write(first: int) -> None:
        for seed in range(first, first + 8):
            template = TemplateFactory.create(vector=embedding(seed))
            Person.objects.filter(pk=template.person_id).update(name=f"Name {seed}")
            if seed % 3 == 0:
                services.delete_person(actor=None, person=template.person)

    gallery.gallery()
    compared.clear()
    threads = [in_thread(lambda at=at: write(100 * at)) for at in range(4)]  # type: ignore[misc]
    while any(thread.is_alive() for thread in threads):
        gallery.gallery()

    assert len(assert_current_without_comparing(compared).templates) == Template.objects.count() > 0


def test_an_expired_entry_is_over_without_any_change(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", world.now)
    strict = WatchlistFactory.create(threshold=0.95)
    entries = [
        WatchlistEntryFactory.create(watchlist=strict, expires_at=world.now() + timedelta(hours=hours))
        for hours in (1, 3, 5)
    ]
    for over in range(4):
        snapshot = assert_current()
        assert set(snapshot.thresholds) == {entry.person_id for entry in entries[over:]}
        assert gallery.gallery() is snapshot
        world.pass_time()


def test_a_snapshot_of_a_lost_revision_is_not_followed(compared: list[str]) -> None:
    TemplateFactory.create()
    known = gallery.gallery()
    ahead = replace(known, revision=known.revision + 1000)
    compared.clear()
    TemplateFactory.create()

    assert np.array_equal(gallery._read(ahead).templates.owners()[0], gallery._read(None).templates.owners()[0])
    assert compared[0] == PACK
