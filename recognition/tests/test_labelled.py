"""Folders and lists of labelled photos as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from recognition.labelled import LabelError, Labelled, read_labelled
from recognition.tests.coloured import paint


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number, name in enumerate(("a1.png", "a2.png", "b 1.png", "c.png")):
        paint(tmp_path / name, (40 * number + 50, 0, 0))
    return tmp_path


def listed(folder: Path, text: str | bytes, groups: str = "") -> Labelled:
    file = folder / "pairs.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_labelled(file, groups=groups)


def people_of(labelled: Labelled) -> dict[str, str]:
    return {name: labelled.people[person] for name, person in zip(labelled.names, labelled.persons, strict=True)}


def test_a_folder_has_one_subfolder_a_person(tmp_path: Path) -> None:
    paint(tmp_path / "Ada" / "1.png", (1, 0, 0))
    paint(tmp_path / "Ada" / "old" / "2.JPG", (2, 0, 0))
    paint(tmp_path / "Bob" / "1.png", (3, 0, 0))
    paint(tmp_path / "beside.png", (4, 0, 0))
    paint(tmp_path / ".hidden" / "1.png", (5, 0, 0))
    (tmp_path / "Bob" / "notes.txt").write_text("no photo")

    assert people_of(read_labelled(tmp_path)) == {"Ada/1.png": "Ada", "Ada/old/2.JPG": "Ada/old", "Bob/1.png": "Bob"}


def test_a_flat_folder_tells_people_by_the_names(tmp_path: Path) -> None:
    names = ["biden_1.png", "obama_1.png", "obama_2.png", "lin_manuel_miranda.png", "Ann (2).png", "Ann.png", "7.png"]
    for number, name in enumerate(names):
        paint(tmp_path / name, (number + 1, 0, 0))

    assert people_of(read_labelled(tmp_path)) == {
        "7.png": "7",
        "Ann (2).png": "Ann",
        "Ann.png": "Ann",
        "biden_1.png": "biden",
        "lin_manuel_miranda.png": "lin_manuel_miranda",
        "obama_1.png": "obama",
        "obama_2.png": "obama",
    }


def test_the_same_file_twice_is_one_photo_of_a_person(tmp_path: Path) -> None:
    for place in ("a/1.png", "a/2.png", "b/1.png"):
        paint(tmp_path / place, (9, 9, 9))
    labelled = read_labelled(tmp_path)

    assert labelled.names == ("a/1.png", "b/1.png")
    assert labelled.repeated == ("a/2.png",)


def test_a_folder_may_come_with_groups(tmp_path: Path) -> None:
    for place in ("a/1.png", "b/1.png", "c/1.png"):
        paint(tmp_path / "set" / place, (len(place), ord(place[0]), 0))
    groups = tmp_path / "groups.csv"
    groups.write_text("person;group\na;x\nb/1.png;y\n")

    assert read_labelled(tmp_path / "set", groups=str(groups)).groups == ("x", "y", "")
    groups.write_text("nobody,x\n")
    with pytest.raises(LabelError, match="names none of the people"):
        read_labelled(tmp_path / "set", groups=str(groups))


@pytest.mark.parametrize(
    "text",
    [
        "a1.png,a2.png,1\na1.png,b 1.png,0\n",
        "whatever,it,says\na1.png,a2.png,yes\na1.png,b 1.png,no\n",
        "\ufeffleft;right;same?\r\na1.png;a2.png;TRUE\r\na1.png;b 1.png;False\r\n",
        "a1.png\ta2.png\t 1 \n\na1.png\tb 1.png\t0\n",
        '"a1.png", "a2.png", "Y"\n"a1.png", "b 1.png", "N"\n',
        "image1|image2|label\na1.png|a2.png|1.0\n./a1.png|sub\\..\\b 1.png|0.0",
        "left,right,same\na1.png,a2.png,1\na1.png,b 1.png,0\n".encode("utf-16"),
    ],
)
def test_a_list_is_read_however_it_was_written(photos: Path, text: str | bytes) -> None:
    (photos / "sub").mkdir()
    labelled = listed(photos, text)

    assert [(pair.first, pair.second, pair.same) for pair in labelled.pairs] == [(0, 1, True), (0, 2, False)]
    assert [path.name for path in labelled.photos] == ["a1.png", "a2.png", "b 1.png"]
    assert all(path.is_file() for path in labelled.photos)


def test_paths_may_be_absolute_and_a_missing_photo_is_the_reports_business(photos: Path) -> None:
    labelled = listed(photos, f"{photos}/a1.png,a2.png,1\na1.png,gone.png,0\n")

    assert [path.name for path in labelled.photos] == ["a1.png", "a2.png", "gone.png"]
    assert labelled.is_list


def test_old_spreadsheets_do_not_write_utf_8(photos: Path) -> None:
    paint(photos / "Jürgen.png", (9, 9, 9))
    assert listed(photos, "Jürgen.png;a1.png;0\n".encode("cp1252")).photos[0].is_file()


def test_a_column_of_the_list_names_groups(photos: Path) -> None:
    text = "left,right,same,Sex\na1.png,a2.png,1,f\na1.png,c.png,0,m\nb 1.png,c.png,0\n"
    assert [pair.group for pair in listed(photos, text, "sex").pairs] == ["f", "m", ""]
    with pytest.raises(LabelError, match="no column 'age'"):
        listed(photos, text, "age")
    with pytest.raises(LabelError, match="no titles"):
        listed(photos, "a1.png,a2.png,1\n", "sex")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a1.png,a2.png,1\na1.png,c.png,maybe\n", "Line 2 .* 'maybe'"),
        ("a1.png,a2.png,1\na1.png,c.png\n", "Line 2 .* has 2 of 3 columns"),
        ("left,right,same\n", "lists no pair"),
        ("", "lists no pair"),
        (b"\x89PNG\r\n\x1a\n", "no list of pairs"),
    ],
)
def test_a_list_that_can_not_be_used_gets_a_sentence(photos: Path, text: str | bytes, why: str) -> None:
    with pytest.raises(LabelError, match=why):
        listed(photos, text)


def test_a_place_that_can_not_be_used_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="neither a folder nor a file"):
        read_labelled(tmp_path / "gone")
    paint(tmp_path / "one.png", (9, 9, 9))
    with pytest.raises(LabelError, match="has 1 photo"):
        read_labelled(tmp_path)
