"""Batch enrolment: a report for every photo, and nothing lost or done twice whatever happens in between."""

from __future__ import annotations

import csv
import io
import threading
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from accounts.models import AuditEvent, DataKey
from accounts.tests.factories import UserFactory
from recognition import batch_tasks, batches, gallery, services
from recognition.batch_sources import BatchError, ZipSource, open_source
from recognition.engine import ModelError
from recognition.models import Batch, BatchPhoto, OnDuplicate, Person, Template
from recognition.photos import Upload, UsablePhoto
from recognition.tests.archives import archive
from recognition.tests.factories import PersonFactory, WatchlistFactory
from recognition.tests.fakes import fake_eyes, look, shot  # noqa: F401  (a fixture)
from recognition.tests.photos import astronaut, changed, nobody

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_eyes")]
State = BatchPhoto.State


@pytest.fixture(autouse=True)
def fresh(settings: Settings) -> None:
    settings.GALLERY_POLL_SECONDS = 0
    gallery.forget()


def begin(files: dict[str, bytes], policy: OnDuplicate = OnDuplicate.REFUSE, table: bytes | None = None) -> Batch:
    source = ZipSource(io.BytesIO(archive(files)), label="people.zip", table=table)
    return batches.start(actor=UserFactory.create(), source=source, on_duplicate=policy)


def outcomes(batch: Batch) -> dict[str, str]:
    return dict(batch.photos.values_list("path", "state"))


def test_every_photo_gets_its_line(settings: Settings) -> None:
    known = PersonFactory.create(name="Known")
    batch = begin(
        {
            "Ada/1.jpg": shot(1),
            "Ada/2.jpg": shot(1, 1),
            "Ada/same.jpg": shot(1),
            "Known/1.jpg": shot(2),
            "Eve/1.jpg": shot(1, 2),
            "Eve/wall.jpg": nobody(),
            "Eve/notes.txt": b"words",
            "Bob/empty.jpg": b"",
        }
    )
    assert batches.progress(batch).waiting == 7
    assert batches.work(batch.pk)

    ada = Person.objects.get(name="Ada")
    assert outcomes(batch) == {
        "Ada/1.jpg": "enrolled",
        "Ada/2.jpg": "enrolled",
        "Ada/same.jpg": "there",
        "Known/1.jpg": "enrolled",
        "Eve/1.jpg": "duplicate",
        "Eve/wall.jpg": "refused",
        "Eve/notes.txt": "refused",
        "Bob/empty.jpg": "refused",
    }
    assert set(Person.objects.values_list("name", flat=True)) == {"Ada", "Known"}
    assert known.templates.count() == 1
    twin = batch.photos.get(path="Eve/1.jpg")
    assert (twin.person, "The face is enrolled for Ada" in twin.why) == (ada, True)
    assert twin.similarity is not None
    batch.refresh_from_db()
    assert batch.state == Batch.State.DONE
    assert not batch.photos.exclude(sealed=None).exists()
    assert not DataKey.objects.filter(scope=batch.scope).exists()

    lines = list(csv.DictReader(io.StringIO("".join(batches.report_lines(batch)))))
    assert len(lines) == 8
    assert {line["photo"]: line["outcome"] for line in lines} == outcomes(batch)
    assert batches.work(batch.pk)  # once more does nothing
    assert Template.objects.count() == 3


@pytest.mark.parametrize(
    ("policy", "people", "state"),
    [(OnDuplicate.JOIN, {"Ada"}, "enrolled"), (OnDuplicate.NEW, {"Ada", "Eve"}, "enrolled")],
)
def test_what_happens_to_duplicates_is_chosen(policy: OnDuplicate, people: set[str], state: str) -> None:
    batch = begin({"Ada/1.jpg": shot(1), "Eve/1.jpg": shot(1, 1), "Eve/2.jpg": shot(1, 2)}, policy)
    batches.work(batch.pk)

    assert set(Person.objects.values_list("name", flat=True)) == people
    assert outcomes(batch)["Eve/2.jpg"] == state
    assert Template.objects.count() == 3


def test_uploaded_photos_lie_sealed_until_they_were_looked_at() -> None:
    data = shot(1)
    batch = begin({"Ada/1.jpg": data})
    row = batch.photos.get()
    assert row.sealed is not None
    assert data[:100] not in bytes(row.sealed)
    assert data.hex() not in row.digest


@pytest.mark.django_db(transaction=True)
def test_a_kill_in_the_middle_loses_nothing_and_does_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = begin({f"Ada {n}/1.jpg": shot(10 + n) for n in range(6)})
    looked: list[str] = []

    def dies(upload: Upload) -> UsablePhoto:
        looked.append(upload.name)
        if len(looked) == 4:
            raise SystemExit(137)
        return look(upload)

    monkeypatch.setattr(services, "check_photo", dies)
    with pytest.raises(SystemExit):
        batches.work(batch.pk)
    assert sorted(outcomes(batch).values()) == ["enrolled"] * 3 + ["waiting"] * 3
    assert Template.objects.count() == 3
    monkeypatch.setattr(services, "check_photo", look)
    assert batches.work(batch.pk)
    assert Template.objects.count() == Person.objects.count() == 6
    assert set(outcomes(batch).values()) == {"enrolled"}


@pytest.mark.django_db(transaction=True)
def test_two_workers_share_a_batch() -> None:
    batch = begin({f"P{n % 4}/{n}.jpg": shot(30 + n % 4, n) for n in range(16)})
    together = threading.Barrier(2)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            together.wait(30)
            batches.work(batch.pk)
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert batches.work(batch.pk)
    assert set(outcomes(batch).values()) == {"enrolled"}
    assert (Person.objects.count(), Template.objects.count()) == (4, 16)


def test_a_slice_of_time_ends_and_another_goes_on() -> None:
    batch = begin({f"P{n}/1.jpg": shot(20 + n) for n in range(3)})
    assert not batches.work(batch.pk, seconds=0)
    assert batches.progress(batch).done == 0
    assert batches.stale() == []  # somebody was there a moment ago
    Batch.objects.update(heartbeat_at=timezone.now() - 2 * batches.STALE)
    assert batches.stale() == [batch.pk]
    assert batches.work(batch.pk, seconds=60)
    assert batches.stale() == []


def test_the_task_works_and_sends_itself_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr(batch_tasks.run_batch, "delay", sent.append)
    monkeypatch.setattr(batches, "SLICE_SECONDS", 0)
    batch = begin({"Ada/1.jpg": shot(1)})
    batch_tasks.run_batch(batch.pk)
    assert sent == [batch.pk]
    monkeypatch.setattr(batches, "SLICE_SECONDS", 60)
    batch_tasks.run_batch(batch.pk)
    batch_tasks.run_batch(987654321)
    assert sent == [batch.pk]
    assert outcomes(batch) == {"Ada/1.jpg": "enrolled"}


def test_celery_knows_the_tasks() -> None:
    from config.celery import app

    app.loader.import_default_modules()
    assert {"recognition.batch_tasks.run_batch", "recognition.batch_tasks.look_after_uploads"} <= set(app.tasks)


def test_a_missing_model_lets_the_batch_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(upload: Upload) -> UsablePhoto:
        raise ModelError("The model file is damaged. Install it anew.")

    batch = begin({"Ada/1.jpg": shot(1)})
    monkeypatch.setattr(services, "check_photo", fail)
    with pytest.raises(ModelError):
        batches.work(batch.pk)
    monkeypatch.setattr(services, "check_photo", look)
    assert outcomes(batch) == {"Ada/1.jpg": "waiting"}
    assert batches.work(batch.pk)
    assert outcomes(batch) == {"Ada/1.jpg": "enrolled"}


def test_a_photo_that_breaks_lynceus_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(upload: Upload) -> UsablePhoto:
        if upload.name.startswith("Ada"):
            raise ZeroDivisionError
        return look(upload)

    monkeypatch.setattr(services, "check_photo", breaks)
    batch = begin({"Ada/1.jpg": shot(1), "Bob/1.jpg": shot(2)})
    assert batches.work(batch.pk)
    assert outcomes(batch) == {"Ada/1.jpg": "refused", "Bob/1.jpg": "enrolled"}
    assert "The log says more" in batch.photos.get(path="Ada/1.jpg").why


def test_cancelling_forgets_the_photos_and_keeps_who_is_enrolled() -> None:
    batch = begin({"Ada/1.jpg": shot(1), "Bob/1.jpg": shot(2)})
    batches._next(batch.pk, None)
    assert batches.cancel(actor=None, batch=batch)
    assert not batches.cancel(actor=None, batch=batch)
    assert outcomes(batch) == {"Ada/1.jpg": "enrolled", "Bob/1.jpg": "cancelled"}
    assert not batch.photos.exclude(sealed=None).exists()
    assert not DataKey.objects.filter(scope=batch.scope).exists()
    assert batches.work(batch.pk)
    assert Person.objects.count() == 1
    assert AuditEvent.objects.filter(verb="cancelled").count() == 1


def test_a_name_that_several_have_is_not_guessed() -> None:
    PersonFactory.create_batch(2, name="Ada")
    batch = begin({"Ada/1.jpg": shot(1)})
    batches.work(batch.pk)
    assert "Several people are called Ada" in batch.photos.get().why


def test_a_table_brings_watchlists_and_notes() -> None:
    vip = WatchlistFactory.create(name="VIP")
    table = (
        b"name,photo,watchlist,notes\nAda,1.jpg,VIP,Tall\nBob,2.jpg,Unknown list,\nEve,3.jpg,,\n,1.jpg,,\nZoe,9.jpg,,\n"
    )
    batch = begin({"1.jpg": shot(1), "2.jpg": shot(2), "3.jpg": shot(3)}, table=table)
    batches.work(batch.pk)

    ada = Person.objects.get(name="Ada")
    assert (ada.notes, list(ada.watchlists.all())) == ("Tall", [vip])
    why = {(row.name, row.path): row.why for row in batch.photos.filter(state=State.REFUSED)}
    assert "There is no watchlist Unknown list" in why["Bob", "2.jpg"]
    assert "The name is empty" in why["", "1.jpg"]
    assert "no such photo" in why["Zoe", "9.jpg"]
    assert Person.objects.count() == 2


def test_an_archive_without_photos_is_refused_and_leaves_nothing() -> None:
    with pytest.raises(BatchError, match="no photo in it"), transaction.atomic():
        begin({"__MACOSX/x.jpg": b""})
    assert not Batch.objects.exists()


def test_a_folder_is_taken_up_again_with_what_changed(tmp_path: Path) -> None:
    for name, data in {"Ada/1.jpg": shot(1), "Bob/1.jpg": nobody()}.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(data)
    source = open_source(tmp_path)
    batch = batches.start(actor=None, source=source, uploaded=False)
    batches._next(batch.pk, lambda row: source.read(row.path))
    assert not batch.photos.exclude(sealed=None).exists()

    (tmp_path / "Bob" / "1.jpg").write_bytes(shot(2))
    (tmp_path / "Bob" / "2.jpg").write_bytes(shot(2, 1))
    batches._next(batch.pk, lambda row: source.read(row.path))
    again = batches.unfinished(open_source(tmp_path))
    assert again == batch
    batches.resume(batch=batch, source=source)
    assert batches.work(batch.pk, read=lambda row: source.read(row.path))
    assert outcomes(batch) == {"Ada/1.jpg": "enrolled", "Bob/1.jpg": "enrolled", "Bob/2.jpg": "enrolled"}
    assert batches.unfinished(source) is None


def test_formulas_in_names_do_not_reach_a_spreadsheet() -> None:
    batch = begin({"=cmd()/1.jpg": shot(1)})
    batches.work(batch.pk)
    assert "'=cmd()" in "".join(batches.report_lines(batch))


def test_real_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    batch = begin({"Eileen/1.jpg": astronaut(), "Eileen/2.jpg": changed(astronaut()), "Nobody/1.jpg": nobody()})
    batches.work(batch.pk)
    assert outcomes(batch) == {"Eileen/1.jpg": "enrolled", "Eileen/2.jpg": "enrolled", "Nobody/1.jpg": "refused"}
