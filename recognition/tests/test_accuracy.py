"""The report on a pack: counted rates, failures, groups, intervals, and what it will not say."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from recognition.accuracy import Report, embed_photos, measure
from recognition.accuracy_text import report_facts, report_lines
from recognition.det_plot import draw_det
from recognition.labelled import LabelError, read_labelled
from recognition.tests.coloured import colour_pack, paint

DARK = (0, 0, 0)


def report(place: Path, groups: str = "", margin: float = 0.0) -> Report:
    labelled = read_labelled(place, groups=groups)
    pack = colour_pack(margin=margin)
    return measure(pack, labelled, embed_photos(pack, labelled.photos, max_bytes=10**6))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two people whose photos differ, two who look alike, one photo without a face, one that is no photo."""
    place = tmp_path / "set"
    paint(place / "ada" / "1.png", (200, 0, 0))
    paint(place / "ada" / "2.png", (204, 0, 0))
    paint(place / "bob" / "1.png", (0, 200, 0))
    paint(place / "bob" / "2.png", (0, 120, 0))
    paint(place / "eve" / "1.png", (202, 8, 0))
    paint(place / "dan" / "1.png", (0, 0, 250))
    paint(place / "dan" / "2.png", DARK)
    (place / "dan" / "3.png").write_text("no photo")
    return place


def test_rates_of_a_folder_are_counted(folder: Path) -> None:
    found = report(folder)

    # 7 photos can be read: 21 pairs, of which ada's, bob's and dan's are of one person.
    assert (found.photos, found.people, found.pairs, found.genuine, found.impostor) == (7, 4, 21, 3, 18)
    assert found.not_found == ("dan/2.png",)
    assert [each.photo for each in found.unreadable] == ["dan/3.png"]
    assert "not a photo" in found.unreadable[0].why
    # bob's two photos are too far apart, and dan's dark one never matches.
    assert (found.fnmr.errors, found.fnmr.trials) == (2, 3)
    assert (found.fnmr_compared.errors, found.fnmr_compared.trials) == (1, 2)
    # eve is taken for ada, twice.
    assert (found.fmr.errors, found.fmr.trials) == (2, 18)
    assert found.accuracy == pytest.approx(17 / 21)
    assert all(rate.low <= rate.value <= rate.high for rate in (found.fmr, found.fnmr, found.auc, found.eer))


def test_searches_leave_one_out(folder: Path) -> None:
    search = report(folder).search

    assert search is not None
    assert (search.gallery, search.mated, search.non_mated) == (4, 6, 7)
    # Missed: both of bob, dan's dark photo, and dan's other one, whose mate has no face.
    assert search.fnir.errors == 4
    # As strangers, both of ada are taken for eve and eve for ada.
    assert search.fpir.errors == 3

    strict = report(folder, margin=0.01).search  # eve is too near to ada to decide for either
    assert strict is not None
    assert (strict.fnir.errors, strict.fpir.errors) == (6, 3)


def test_a_rate_that_too_few_pairs_speak_of_is_not_given(folder: Path) -> None:
    found = report(folder)
    text = "\n".join(report_lines(found))

    assert all(at.rate is None for at in found.fnmr_at)
    assert "FNMR at FMR 0.01           not measurable with 18 impostor pairs (needs at least 300)" in text
    assert "FNIR at FPIR 0.1           not measurable with 7 non-mated searches (needs at least 30)" in text
    assert report_facts(found)["fnmr_at_fmr"] == [
        {"fmr": 0.01, "fnmr": None, "threshold": None, "trials": 18, "needs": 300},
        {"fmr": 0.001, "fnmr": None, "threshold": None, "trials": 18, "needs": 3000},
    ]
    assert "dan/2.png" in text
    assert "dan/3.png" in text


def test_with_enough_pairs_the_rate_is_given(tmp_path: Path) -> None:
    for person in range(20):
        for photo in range(2):
            paint(tmp_path / f"p{person:02d}" / f"{photo}.png", (10 * person + 30 + photo, 0, 255 - 10 * person))
    found = report(tmp_path)

    (at_one_percent, _) = found.fnmr_at
    assert found.impostor == 40 * 39 // 2 - 20
    assert at_one_percent.rate is not None
    assert (at_one_percent.rate.errors, at_one_percent.rate.trials) == (0, 20)
    assert at_one_percent.rate.high == pytest.approx(1 - 0.05 ** (1 / 20))
    assert found.search is not None
    assert found.search.fnir_at[0].rate is not None
    text = "\n".join(report_lines(found))
    assert "0 of 20 genuine pairs: below 14 %" in text
    assert "0.000" not in text


def test_errors_that_did_not_happen_are_bounded_not_excluded(tmp_path: Path) -> None:
    for name, colour in {"a_1": (200, 0, 0), "a_2": (201, 0, 0), "b": (0, 200, 0)}.items():
        paint(tmp_path / f"{name}.png", colour)
    found = report(tmp_path)

    assert (found.fmr.value, found.fnmr.value, found.eer.value, found.auc.value) == (0, 0, 0, 1)
    assert found.fmr.high == pytest.approx(1 - 0.05 ** (1 / 2))
    assert found.eer.high == pytest.approx(0.95)
    assert found.auc.low == pytest.approx(0.05)
    text = "\n".join(report_lines(found))
    assert "0 of 2 impostor pairs: below 78 %" in text
    assert "EER                        below 95 %" in text


def test_a_list_counts_every_pair_it_names(tmp_path: Path) -> None:
    for name, colour in {"a1": (200, 0, 0), "a2": (201, 0, 0), "b": (0, 200, 0), "dark": DARK}.items():
        paint(tmp_path / f"{name}.png", colour)
    (tmp_path / "pairs.csv").write_text(
        "l,r,same,group\na1.png,a2.png,1,x\na1.png,b.png,0,x\na2.png,b.png,0,y\na1.png,dark.png,1,y\na1.png,gone.png,1,y\n"
    )
    found = report(tmp_path / "pairs.csv", groups="group")

    assert (found.pairs, found.genuine, found.impostor) == (4, 2, 2)
    assert found.people == 2
    assert (found.fnmr.errors, found.fmr.errors) == (1, 0)
    assert [each.photo for each in found.unreadable] == ["gone.png"]
    assert found.search is None
    assert [(g.name, g.fnmr.errors, g.fnmr.trials, g.fmr.trials) for g in found.groups] == [
        ("x", 0, 1, 1),
        ("y", 1, 1, 1),
    ]
    assert "x: FNMR" in "\n".join(report_lines(found))


def test_groups_of_a_folder_compare_people_of_one_group(folder: Path, tmp_path: Path) -> None:
    groups = tmp_path / "groups.csv"
    groups.write_text("ada,x\neve,x\nbob,y\n")
    found = report(folder, groups=str(groups))

    assert [(g.name, g.fmr.errors, g.fmr.trials, g.fnmr.errors, g.fnmr.trials) for g in found.groups] == [
        ("x", 2, 2, 0, 1),
        ("y", 0, 0, 1, 1),
    ]
    text = "\n".join(report_lines(found))
    assert "not measurable: there are no impostor pairs" in text


def test_json_has_no_number_that_json_has_not(folder: Path, tmp_path: Path) -> None:
    json.dumps(report_facts(report(folder)), allow_nan=False)
    for name in ("a", "b"):
        paint(tmp_path / "strangers" / f"{name}.png", (ord(name), 0, 99))
    facts = report_facts(report(tmp_path / "strangers"))
    json.dumps(facts, allow_nan=False)
    assert facts["fnmr"] is facts["eer"] is facts["auc"] is facts["search"] is None


def test_nothing_to_compare_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("x")
    (tmp_path / "b.png").write_text("y")
    (tmp_path / "pairs.csv").write_text("a.png,b.png,1\n")
    with pytest.raises(LabelError, match="Only 0 photos can be read"):
        report(tmp_path)
    with pytest.raises(LabelError, match="No pair can be compared"):
        report(tmp_path / "pairs.csv")


def test_a_plot_says_in_words_what_it_shows(folder: Path, tmp_path: Path) -> None:
    found = report(folder)
    for name in ("det.svg", "det.png"):
        draw_det([found, found], tmp_path / name)

    root = ET.parse(tmp_path / "det.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert root.get("role") == "img"
    title, words = root.find(f"{space}title"), root.find(f"{space}desc")
    assert title is not None
    assert title.text == "DET: 3 genuine and 18 impostor pairs"
    assert words is not None
    assert "colour-1: EER" in (words.text or "")
    assert (tmp_path / "det.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"not as \.pdf"):
        draw_det([found], tmp_path / "det.pdf")
