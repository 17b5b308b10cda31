"""`calibrate`: what it proposes, what it refuses, and that it changes nothing by itself."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from accounts.models import AuditEvent
from alerts.tests.factories import AlertFactory
from cameras.models import Verdict
from cameras.tests.factories import SightingFactory
from recognition.engine import ImpostorCurve
from recognition.models import Watchlist
from recognition.tests.factories import (
    PACK,
    PersonFactory,
    TemplateFactory,
    WatchlistEntryFactory,
    WatchlistFactory,
    embedding,
)
from workers.tests.test_commands_people import run

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> Watchlist:
    """Forty people with random faces, five of them on a watchlist."""
    watchlist = WatchlistFactory.create(name="Wanted")
    for number in range(40):
        person = PersonFactory.create()
        TemplateFactory.create(person=person)
        if number < 5:
            WatchlistEntryFactory.create(watchlist=watchlist, person=person)
    return watchlist


def test_a_gallery_of_three_proposes_nothing_and_says_why() -> None:
    for _ in range(3):
        TemplateFactory.create()
    done = run("calibrate", "--json")

    (facts,) = done.lines
    assert done.code == 1
    assert (facts["people"], facts["comparisons"], facts["proposal"]["threshold"]) == (3, 3, None)
    assert facts["scores_of"] == "pack"
    assert facts["fpir"]["value"] > 0
    text = run("calibrate").out
    assert "No threshold is proposed. 3 comparisons can not speak of it: enrol at least 10 people" in text


def test_an_empty_gallery_is_no_mistake() -> None:
    done = run("calibrate")
    assert done.code == 1
    assert "enrol people first" in done.out


def test_a_rate_that_the_scores_can_speak_of_is_measured(people: Watchlist) -> None:
    done = run("calibrate", "--fpir", "0.4", "--json")

    (facts,) = done.lines
    assert done.code == 0
    assert (facts["people"], facts["comparisons"], facts["templates"]) == (40, 780, 40)
    assert facts["proposal"]["support"] == "measured"
    (watchlist,) = facts["watchlists"]
    assert (watchlist["people"], watchlist["templates"]) == (5, 5)
    # A shorter list gives strangers fewer chances: it can ask for less.
    assert watchlist["proposal"]["threshold"] < facts["proposal"]["threshold"]


def test_a_rate_that_they_can_not_speak_of_is_extrapolated(people: Watchlist) -> None:
    done = run("calibrate")

    assert done.code == 0
    assert "extrapolated: that needs" in done.out
    assert "there are 780" in done.out
    assert "Nothing was changed" in done.out
    people.refresh_from_db()
    assert people.threshold is None


def test_unknown_sightings_and_near_pairs_are_told(people: Watchlist) -> None:
    SightingFactory.create(verdict=Verdict.UNKNOWN, person=None, similarity=0.81, pack=PACK)
    SightingFactory.create(verdict=Verdict.UNKNOWN, person=None, similarity=0.99, pack="another-1")
    SightingFactory.create(verdict=Verdict.KNOWN, similarity=0.95, pack=PACK)
    twin = embedding(4242)
    TemplateFactory.create(person=PersonFactory.create(name="Ada"), vector=twin)
    TemplateFactory.create(person=PersonFactory.create(name="Ida"), vector=twin)
    done = run("calibrate")

    assert "1 sighting stayed unknown; the nearest had 0.8100" in done.out
    assert "These pairs reach the pack's threshold" in done.out
    assert "Ada (person" in done.out
    assert "Ida (person" in done.out


def test_alerts_about_the_wrong_person_are_told(people: Watchlist) -> None:
    assert "wrong person" not in run("calibrate").out
    for number, score in enumerate((0.91, 0.86)):
        AlertFactory.create(
            sighting=SightingFactory.create(similarity=score, pack=PACK),
            state="dismissed",
            dismissal="not_this_person" if number == 0 else "test",
        )
    done = run("calibrate")
    assert "1 alert turned out to be about the wrong person; the highest had 0.9100" in done.out
    (facts,) = run("calibrate", "--json").lines
    assert facts["false_alerts"] == 1


def test_a_watchlist_gets_its_threshold_when_it_is_asked_for(people: Watchlist) -> None:
    refused = run("calibrate", "--set-watchlist", "Wanted")
    assert refused.code == 1
    assert "extrapolated, not measured" in refused.err
    people.refresh_from_db()
    assert people.threshold is None

    done = run("calibrate", "--set-watchlist", "Wanted", "--fpir", "0.4", "--json")
    (facts,) = done.lines
    people.refresh_from_db()
    assert done.code == 0
    assert people.threshold == pytest.approx(facts["watchlists"][0]["proposal"]["threshold"])
    assert people.threshold_pack == PACK
    assert people.name == "Wanted"
    assert AuditEvent.objects.filter(verb="changed", target=f"watchlist {people.pk}").exists()
    assert run("calibrate", "--json").lines[0]["watchlists"][0]["own_threshold"] is True


def test_what_can_not_be_set_gets_a_sentence(people: Watchlist, tmp_path: Path) -> None:
    assert "no watchlist 'Gone'" in run("calibrate", "--set-watchlist", "Gone").err
    assert "'half' is not" in run("calibrate", "--fpir", "half").err
    assert "Choose another place" in run("calibrate", "--write", str(tmp_path / "gone" / "x.toml")).err
    assert "nonsense" in run("calibrate", "--pack", "nonsense").err


def test_what_strangers_score_can_be_written_for_a_pack(people: Watchlist, tmp_path: Path) -> None:
    file = tmp_path / "here.toml"
    assert run("calibrate", "--write", str(file)).code == 0
    curve = ImpostorCurve.from_table(tomllib.loads(file.read_text())["impostors"])
    assert curve.comparisons == 780
