"""What pages and the API say a similarity means."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from django.db import DatabaseError

from recognition import meaning
from recognition.engine import ImpostorCurve, ModelError
from recognition.packs import current_pack
from recognition.templatetags import similarities
from recognition.tests.factories import PACK, TemplateFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    meaning.forget()
    yield
    meaning.forget()


def test_without_many_people_the_curve_of_the_pack_speaks() -> None:
    TemplateFactory.create()
    found = meaning.meaning()

    assert found is not None
    assert not found.is_own
    assert found.templates == 1
    shipped = current_pack().manifest.impostors
    assert shipped is not None
    assert meaning.sentence(0.9, PACK) == shipped.sentence(0.9, 1)
    assert similarities.meaning(0.9, PACK) == shipped.sentence(0.9, 1)


def test_the_size_of_the_gallery_counts_at_once() -> None:
    assert meaning.sentence(0.9, PACK).startswith("The list is empty")
    TemplateFactory.create()
    assert "(1 photo)" in meaning.sentence(0.9, PACK)
    TemplateFactory.create()
    assert "(2 photos)" in meaning.sentence(0.9, PACK)


def test_a_large_gallery_speaks_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meaning, "MIN_OWN_PEOPLE", 12)
    monkeypatch.setattr(meaning, "MIN_OWN_COMPARISONS", 60)
    for _ in range(12):
        TemplateFactory.create()
    found = meaning.meaning()

    assert found is not None
    assert found.is_own
    assert found.curve is not None
    assert found.curve.comparisons == 12 * 11 // 2


def test_nothing_is_said_of_another_pack_or_of_no_similarity() -> None:
    TemplateFactory.create()
    assert meaning.sentence(0.9, "another-1") == ""
    assert meaning.sentence(None, PACK) == ""


def test_a_pack_without_a_curve_says_that_it_is_not_known() -> None:
    known = meaning.Meaning(pack="x-1", threshold=0.95, templates=3, curve=None, is_own=False)
    assert known.sentence(0.9) == meaning.NOT_KNOWN
    curve = ImpostorCurve.from_scores(np.linspace(0, 1, 1000))
    assert "1 in" in meaning.Meaning(pack="x-1", threshold=0.95, templates=3, curve=curve, is_own=True).sentence(0.95)


@pytest.mark.parametrize("error", [ModelError("gone"), DatabaseError("away")])
def test_a_page_is_shown_without_it_when_something_is_away(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(meaning, "current_pack", fail)
    assert meaning.sentence(0.9, PACK) == ""


def test_the_threshold_is_told_for_this_gallery_and_names_whose_figures_they_are() -> None:
    curve = ImpostorCurve.from_scores(np.linspace(0, 1, 1001))  # 51 of 1001 reach 0.95
    told = meaning.Meaning(pack="x-1", threshold=0.95, templates=1, curve=curve, is_own=False).of_threshold()
    assert told.startswith(
        "With 1 photo in the gallery, about 1 in 16 strangers would reach the pack's threshold of 0.950"
    )
    assert told.endswith("(by the pack's own figures, from 1,001 comparisons).")
    many = meaning.Meaning(pack="x-1", threshold=0.95, templates=1000, curve=curve, is_own=True).of_threshold()
    assert "1,000 photos in the gallery, most strangers" in many
    assert "different people of this gallery" in many
    above = meaning.Meaning(pack="x-1", threshold=1.1, templates=1, curve=curve, is_own=False).of_threshold()
    assert "fewer than 1 in 330 strangers" in above
    unknown = meaning.Meaning(pack="x-1", threshold=1.1, templates=9000, curve=curve, is_own=False).of_threshold()
    assert "an unknown number of strangers" in unknown


def test_of_no_curve_or_no_gallery_no_threshold_is_told() -> None:
    curve = ImpostorCurve.from_scores([0.1, 0.2])
    assert meaning.Meaning(pack="x-1", threshold=0.5, templates=3, curve=None, is_own=False).of_threshold() == ""
    assert meaning.Meaning(pack="x-1", threshold=0.5, templates=0, curve=curve, is_own=False).of_threshold() == ""
