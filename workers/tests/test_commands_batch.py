"""`enroll_batch`, `duplicates`, `merge_people` and the duplicates of `enroll`: what they print and how they end."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from recognition import batches, gallery, services
from recognition.models import Batch, Person, Template, Watchlist
from recognition.photos import Upload, UsablePhoto
from recognition.tests.archives import archive, encrypted
from recognition.tests.factories import PersonFactory, TemplateFactory
from recognition.tests.fakes import fake_eyes, look, seen, shot  # noqa: F401  (a fixture)
from recognition.tests.photos import astronaut, changed, nobody
from workers.tests.test_commands_people import run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh(settings: Settings) -> Iterator[None]:
    settings.GALLERY_POLL_SECONDS = 0
    gallery.forget()
    yield
    gallery.forget()


@pytest.fixture
def folder(tmp_path: Path, fake_eyes: None) -> Path:  # noqa: F811
    for name, data in {
        "Ada/1.jpg": shot(1),
        "Bob/1.jpg": shot(2),
        "Bob/2.jpg": shot(2, 1),
        "Eve/x.jpg": nobody(),
    }.items():
        place = tmp_path / "people" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return tmp_path / "people"


def test_a_folder_is_enrolled_with_a_line_a_photo(folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.csv"
    done = run("enroll_batch", str(folder), "--watchlist", "VIP", "--report", str(report), "--json")

    assert done.code == 0
    assert [(line["photo"], line["outcome"]) for line in done.lines[:-1]] == [
        ("Ada/1.jpg", "enrolled"),
        ("Bob/1.jpg", "enrolled"),
        ("Bob/2.jpg", "enrolled"),
        ("Eve/x.jpg", "refused"),
    ]
    total = done.lines[-1]
    assert (total["photos"], total["enrolled"], total["refused"], total["waiting"]) == (4, 3, 1, 0)
    assert Watchlist.objects.get(name="VIP").people.count() == 2
    assert "Eve/x.jpg,Eve,refused" in report.read_text()

    again = run("enroll_batch", str(folder))
    assert again.code == 0
    assert "Of 4 photos 0 were enrolled, 3 were enrolled before" in again.out
    assert "Not used: Eve/x.jpg: No face was found." in again.out
    assert Template.objects.count() == 3


def test_stopped_in_the_middle_it_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def stops(upload: Upload) -> UsablePhoto:
        looked.append(upload.name)
        if len(looked) == 3:
            raise KeyboardInterrupt
        return look(upload)

    monkeypatch.setattr(services, "check_photo", stops)
    done = run("enroll_batch", str(folder))
    assert done.code == 130
    assert "--resume" in done.err
    assert Template.objects.count() == 2

    monkeypatch.setattr(services, "check_photo", look)
    done = run("enroll_batch", str(folder), "--resume", "--json")
    assert done.code == 0
    assert "2 photos are left" in done.err
    assert done.lines[-1]["enrolled"] == 3
    assert (Batch.objects.count(), Template.objects.count()) == (1, 3)
    assert "a new one begins" in run("enroll_batch", str(folder), "--resume").err


def test_a_zip_and_a_table(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "people.zip").write_bytes(archive({"Zoe/1.jpg": shot(5)}))
    assert run("enroll_batch", str(tmp_path / "people.zip")).code == 0
    table = tmp_path / "people.csv"
    table.write_text("name,photo,watchlist,notes\nMia,people/Ada/1.jpg,Staff,Tall\n")
    assert run("enroll_batch", str(table)).code == 0
    assert Person.objects.get(name="Mia").notes == "Tall"
    assert Watchlist.objects.get().name == "Staff"


def test_duplicates_in_a_batch_are_reported_or_taken(folder: Path) -> None:
    TemplateFactory.create(person__name="Known", vector=seen(1, 7))
    done = run("enroll_batch", str(folder))
    assert "Somebody else's face: Ada/1.jpg: The face is enrolled for Known" in done.out
    assert not Person.objects.filter(name="Ada").exists()
    run("enroll_batch", str(folder), "--on-duplicate", "new")
    assert Person.objects.filter(name="Ada").exists()


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("gone.zip", None, "There is nothing at"),
        ("locked.zip", encrypted({"Ada/1.jpg": b"x"}), "encrypted"),
        ("words.zip", b"only words", "is not a ZIP"),
        ("none.zip", archive({}), "no photo in it"),
        ("bad.csv", b"who,what\n", "columns name and photo"),
    ],
)
def test_what_can_not_be_read_gets_a_sentence(tmp_path: Path, name: str, data: bytes | None, why: str) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    done = run("enroll_batch", str(tmp_path / name))
    assert done.code == 1
    assert why in done.err
    assert not Batch.objects.exists()


def test_when_nobody_is_enrolled_the_code_says_so(tmp_path: Path) -> None:
    (tmp_path / "wall.jpg").write_bytes(b"words")
    assert run("enroll_batch", str(tmp_path)).code == 1


def test_a_report_that_can_not_be_written(folder: Path) -> None:
    done = run("enroll_batch", str(folder), "--report", str(folder / "gone" / "report.csv"))
    assert "can not be written" in done.err
    assert batches.progress(Batch.objects.get()).enrolled == 3


def test_look_alikes_are_listed_and_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No two people look like one person." in run("duplicates").err
    one = TemplateFactory.create(person__name="Ada", vector=seen(1)).person
    two = TemplateFactory.create(person__name="Augusta", vector=seen(1, 1)).person
    (line,) = run("duplicates", "--json").lines
    assert (line["first"], line["second"], line["enhanced"]) == (one.pk, two.pk, False)
    assert f"Ada (person {one.pk})  Augusta (person {two.pk})" in run("duplicates").out

    monkeypatch.setattr(builtins, "input", lambda text: "n")
    assert "Nothing was changed." in run("merge_people", str(one.pk), str(two.pk)).err
    monkeypatch.setattr(builtins, "input", lambda text: "y")
    assert "Augusta is now part of Ada" in run("merge_people", str(one.pk), str(two.pk)).out
    other = PersonFactory.create()
    assert run("merge_people", str(one.pk), str(other.pk), "--yes", "--json").lines[0]["person"] == one.pk
    assert Person.objects.count() == 1
    assert "There is no person" in run("merge_people", str(one.pk), "987654321", "--yes").err
    assert "one person already" in run("merge_people", str(one.pk), str(one.pk), "--yes").err


def test_enroll_tells_of_duplicates_and_may_refuse_them(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(astronaut())
    (tmp_path / "b.jpg").write_bytes(changed(astronaut()))
    assert run("enroll", "Eileen", str(tmp_path / "a.jpg")).code == 0
    refused = run("enroll", "Somebody", str(tmp_path / "b.jpg"), "--refuse-duplicates")
    assert refused.code == 1
    assert "looks like Eileen" in refused.err
    assert "the face is enrolled already" in refused.out
    assert Person.objects.count() == 1
    told = run("enroll", "Somebody", str(tmp_path / "b.jpg"))
    assert told.code == 0
    assert "looks like Eileen" in told.err
    again = run("enroll", "Eileen", str(tmp_path / "a.jpg"))
    assert again.code == 0
    assert "has these photos already" in again.out
