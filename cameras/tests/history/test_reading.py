"""Every filter, alone and with others, finds what it means: page by page, in order, nothing twice, nothing left out."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cameras.history import reading
from cameras.history.filters import WHO, Filters
from cameras.history.reading import Page, sightings_page
from cameras.models import Link, Passage, Sighting, Verdict
from cameras.tests.factories import NOON, SightingFactory
from cameras.tests.history.rows import World, expected, world
from recognition.tests.factories import PersonFactory, WatchlistEntryFactory

pytestmark = pytest.mark.django_db


def walk(asked: Filters, *, size: int, look: int = reading.LOOK) -> tuple[list[uuid.UUID], list[Page]]:
    """All pages, and what they hold."""
    found: list[uuid.UUID] = []
    pages = [sightings_page(asked, None, size=size, look=look)]
    while True:
        found += [row.pk for row in pages[-1].rows]
        assert len(pages[-1].rows) <= size
        if pages[-1].next is None:
            return found, pages
        pages.append(sightings_page(asked, pages[-1].next, size=size, look=look))
        assert len(pages) < 2000


def values(there: World) -> dict[str, list[Any]]:
    """What each filter may ask for, what is not there included."""
    return {
        "identity": [there.identities[0].pk, there.identities[-1].pk, 10**9],
        "person": [there.identities[0].person_id],
        "watchlist": [*(one.pk for one in there.watchlists), 10**9],
        "camera": [one.pk for one in there.cameras],
        "group": [there.group.pk, 10**9],
        "zone": [there.picture.pk, there.circle.pk, there.area.pk, 10**9],
        "begins": [NOON + timedelta(seconds=40_000)],
        "ends": [NOON + timedelta(seconds=60_000)],
        "similarity": [0.3, 0.99],
        "quality": [0.5, 0.99],
        "verdict": list(Verdict.values),
        "link": list(Link.values),
        "who": [value for value, _ in WHO],
        "doubted": [True],
        "present": [True],
    }


@pytest.fixture
def there() -> World:
    return world(1)


def test_every_filter_alone(there: World) -> None:
    for name, each in values(there).items():
        for value in each:
            for oldest_first in (False, True):
                asked = replace(Filters(oldest_first=oldest_first), **{name: value})
                assert walk(asked, size=7)[0] == expected(asked, there), asked


@pytest.mark.parametrize("seed", range(4))
def test_filters_together_however_little_is_looked_at(seed: int) -> None:
    there, random = world(seed, count=200), Random(seed)
    given = values(there)
    for _ in range(60):
        names = random.sample(sorted(given), random.randint(2, 4))
        asked = Filters(oldest_first=random.random() < 0.5, **{name: random.choice(given[name]) for name in names})
        size, look = random.randint(1, 20), random.choice([1, 5, 30, reading.LOOK])
        assert walk(asked, size=size, look=look)[0] == expected(asked, there), (asked, size, look)


def test_many_people_on_a_list(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_KEYS", 1)
    for name in ("watchlist", "group"):
        for value in values(there)[name]:
            asked = replace(Filters(), **{name: value})
            assert walk(asked, size=7, look=40)[0] == expected(asked, there), asked


def test_a_page_says_how_far_it_has_looked(there: World) -> None:
    asked = Filters(quality=0.995)
    page = sightings_page(asked, None, size=5, look=20)
    assert page.rows == ()
    assert page.next is not None
    assert page.looked_until == page.next.first_seen
    whole = sightings_page(Filters(), None, size=5)
    assert (len(whole.rows), whole.looked_until) == (5, None)


def test_no_sightings() -> None:
    for asked in (Filters(), Filters(identity=1), Filters(watchlist=1), Filters(zone=1), Filters(quality=0.5)):
        assert sightings_page(asked, None, size=5) == Page(rows=(), next=None)


def test_a_page_costs_few_statements(there: World) -> None:
    person = there.identities[0].person
    assert person is not None
    for asked in (Filters(), Filters(identity=there.identities[0].pk, quality=0.5), Filters(zone=there.picture.pk)):
        with CaptureQueriesContext(
            connection,
        ) as sent:
            for row in sightings_page(asked, None, size=20).rows:
                str(row.identity)
        assert len(sent) <= 4


def test_a_passage_knows_when_its_sighting_began() -> None:
    there = world(3, count=40)
    assert Passage.objects.exists()
    assert not Passage.objects.filter(first_seen=None).exists()
    for passage in Passage.objects.select_related("sighting"):
        assert passage.first_seen == passage.sighting.first_seen
    assert there.picture.passages.count() == Passage.objects.count()


def test_sightings_of_the_same_moment_are_not_lost() -> None:
    rows = [SightingFactory.create(first_seen=NOON) for _ in range(9)]
    found, pages = walk(Filters(), size=4)
    assert sorted(found) == sorted(row.pk for row in rows)
    assert len(pages) == 3


def test_a_list_of_thousands(there: World) -> None:
    for person in PersonFactory.create_batch(reading.MOST_KEYS + 5):
        WatchlistEntryFactory.create(watchlist=there.watchlists[0], person=person)
    asked = Filters(watchlist=there.watchlists[0].pk)
    assert walk(asked, size=7)[0] == expected(asked, there)
    assert Sighting.objects.exists()
