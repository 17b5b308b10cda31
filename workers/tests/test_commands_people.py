"""`enroll` and `identify`: what they print, where, and the code they end with."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, load_command_class
from pytest_django import Settings

from recognition import gallery, services
from recognition import photos as photos_of_people
from recognition.engine import ModelError
from recognition.models import Person, Template, Watchlist, WatchlistEntry
from recognition.tests.factories import PersonFactory
from recognition.tests.photos import astronaut, changed, crowd, nobody

pytestmark = pytest.mark.django_db


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command printed, and the code it ended with."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


def run(*words: str) -> Done:
    out, err = io.StringIO(), io.StringIO()
    code = 0
    try:
        call_command(*words, stdout=out, stderr=err)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except CommandError as error:
        code, _ = error.returncode, err.write(str(error))
    return Done(code=code, out=out.getvalue(), err=err.getvalue())


@pytest.fixture(autouse=True)
def fresh(settings: Settings) -> Iterator[None]:
    settings.GALLERY_POLL_SECONDS = 0
    gallery.forget()
    yield
    gallery.forget()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "good.jpg").write_bytes(astronaut())
    (tmp_path / "again.jpg").write_bytes(changed(astronaut()))
    (tmp_path / "crowd.jpg").write_bytes(crowd())
    (tmp_path / "wall.jpg").write_bytes(nobody())
    (tmp_path / "words.jpg").write_text("only words")
    (tmp_path / "folder.jpg").mkdir()
    return tmp_path


def test_a_person_is_enrolled(photos: Path) -> None:
    done = run("enroll", "Eileen 😀", str(photos / "good.jpg"), str(photos / "again.jpg"), "--json")

    person = Person.objects.get()
    assert done.code == 0
    nothing: dict[str, list[str]] = {"rejected": [], "there": [], "duplicates": []}
    assert done.lines == [{"person": person.pk, "name": "Eileen 😀", "templates": 2, **nothing}]
    assert done.err == ""
    assert Template.objects.count() == 2


def test_photos_that_are_not_usable_are_told_in_their_order(photos: Path) -> None:
    names = ["none.jpg", "wall.jpg", "good.jpg", "folder.jpg", "words.jpg", "crowd.jpg"]
    done = run("enroll", "Eileen", *(str(photos / name) for name in names), "--json")

    (line,) = done.lines
    assert (done.code, line["templates"]) == (0, 1)
    reasons = {Path(each["photo"]).name: each["why"] for each in line["rejected"]}
    assert list(reasons) == ["none.jpg", "wall.jpg", "folder.jpg", "words.jpg", "crowd.jpg"]
    for name, why in {
        "none.jpg": "no such file",
        "wall.jpg": "No face",
        "folder.jpg": "a folder",
        "words.jpg": "not a photo",
        "crowd.jpg": "6 faces",
    }.items():
        assert why in reasons[name]


def test_when_no_photo_is_usable_the_code_says_so(photos: Path) -> None:
    done = run("enroll", "x", str(photos / "none.jpg"), "--watchlist", "New", "--json")

    assert done.code == 1
    assert done.lines[0]["person"] is None
    assert done.lines[0]["templates"] == 0
    assert not Person.objects.exists()
    assert not Watchlist.objects.exists()


def test_a_photo_that_is_too_large_is_not_read(photos: Path, settings: Settings) -> None:
    settings.MAX_PHOTO_MB = 1
    (photos / "huge.jpg").write_bytes(bytes(2**20 + 1))

    assert "more than the 1 MB" in run("enroll", "x", str(photos / "huge.jpg")).out


def test_a_file_name_that_is_no_text(photos: Path) -> None:
    done = run("enroll", "x", str(photos / "\udcff.jpg"), "--json")

    assert done.code == 1
    assert "no such file" in done.lines[0]["rejected"][0]["why"]
    done.out.encode()


def test_photos_are_added_to_the_only_one_of_the_name(photos: Path) -> None:
    person = PersonFactory.create(name="Eileen")
    done = run("enroll", " Eileen ", str(photos / "good.jpg"), "--json")
    assert done.lines[0]["person"] == person.pk
    assert f"Eileen is known already (person {person.pk})" in done.err

    done = run("enroll", "Eileen", str(photos / "good.jpg"), "--new", "--json")
    assert done.lines[0]["person"] != person.pk
    assert f"looks like Eileen (person {person.pk}, similarity 1.000)" in done.err
    third = run("enroll", "Eileen", str(photos / "good.jpg"), "--json")  # two have the name now
    assert Person.objects.count() == 3
    assert third.code == 0


def test_a_watchlist_is_used_or_made(photos: Path) -> None:
    first = run("enroll", "Eileen", str(photos / "good.jpg"), "--watchlist", "Crew")
    assert "The watchlist Crew was made." in first.err
    second = run("enroll", "Second", str(photos / "crowd.jpg"), "--face", "2", "--watchlist", "Crew")

    assert (first.code, second.code, second.err) == (0, 0, "")
    assert WatchlistEntry.objects.filter(watchlist__name="Crew").count() == 2


def test_people_get_sentences(photos: Path) -> None:
    done = run("enroll", "Eileen", str(photos / "good.jpg"), str(photos / "wall.jpg"))

    assert f"Not used: {photos / 'wall.jpg'}: No face" in done.out
    assert f"Eileen was enrolled from 1 photo (person {Person.objects.get().pk})." in done.out
    done = run("enroll", "Other", str(photos / "wall.jpg"))
    assert "Other was not enrolled: no photo was usable." in done.out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["x" * 500], "500 characters"),
        ([" "], "empty"),
        (["a\udcff"], "no text"),
        (["x", "--watchlist", " "], "empty"),
        (["x", "--face", "0"], "whole number from 1"),
        (["x", "--face", "one"], "whole number from 1"),
    ],
)
def test_what_can_not_be_done_gets_a_sentence(photos: Path, words: list[str], why: str) -> None:
    done = run("enroll", words[0], str(photos / "good.jpg"), *words[1:], "--json")

    assert done.code != 0
    assert why in done.err
    assert done.out == ""
    assert not Person.objects.exists()


def test_faces_are_identified_one_a_line(photos: Path) -> None:
    run("enroll", "Eileen", str(photos / "good.jpg"))
    person = Person.objects.get()
    done = run("identify", str(photos / "again.jpg"), "--json")

    (line,) = done.lines
    assert done.code == 0
    assert set(line) == {"box", "quality", "usable", "match", "candidates"}
    assert (line["match"]["person"], line["match"]["name"]) == (person.pk, "Eileen")
    assert line["match"]["similarity"] > 0.9
    assert line["candidates"] == [line["match"]]
    left, top, right, bottom = line["box"]
    assert left < right
    assert top < bottom
    assert 0 < line["quality"] <= 1

    strangers = run("identify", str(photos / "crowd.jpg"), "--top", "1", "--json")
    assert (strangers.code, [each["match"] for each in strangers.lines]) == (0, [None] * 6)
    assert [len(each["candidates"]) for each in strangers.lines] == [1] * 6


def test_faces_are_told_in_sentences(photos: Path) -> None:
    run("enroll", "Eileen", str(photos / "good.jpg"))

    out = run("identify", str(photos / "good.jpg")).out
    assert out.startswith("Face 1 at (")
    assert "): Eileen" in out or ": Eileen" in out
    assert "1. similarity 1.0000  Eileen" in out
    assert ": unknown" in run("identify", str(photos / "crowd.jpg")).out


@pytest.mark.parametrize(
    ("name", "why"),
    [("wall.jpg", "No face was found"), ("words.jpg", "not a photo"), ("none.jpg", "no such file")],
)
def test_without_a_face_the_code_says_so(photos: Path, name: str, why: str) -> None:
    done = run("identify", str(photos / name), "--json")

    assert (done.code, done.out) == (1, "")
    assert why in done.err


def test_without_a_model_both_say_so(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ModelError("The models can not be read.")

    monkeypatch.setattr(photos_of_people, "current_pack", fail)
    monkeypatch.setattr(services, "gallery", fail)
    for words in (["enroll", "x", str(photos / "good.jpg")], ["identify", str(photos / "good.jpg")]):
        done = run(*words)
        assert done.code == 1
        assert "The models can not be read." in done.err


@pytest.mark.parametrize("command", ["enroll", "enroll_batch", "duplicates", "merge_people", "identify", "add_camera"])
def test_help_explains_every_argument_and_the_exit_code(command: str) -> None:
    parser = load_command_class("workers", command).create_parser("manage.py", command)
    text = " ".join(parser.format_help().split())

    assert "Exit code 0 when" in text
    ours = [action for action in parser._actions if "json" in action.option_strings or not action.option_strings]
    assert all(action.help for action in ours)
    assert "--json" in text
