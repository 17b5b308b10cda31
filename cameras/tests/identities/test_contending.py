"""What the decision on a track is told of those who resemble it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cameras.identities.contending import MOST, contenders
from cameras.identities.linking import OTHERS
from cameras.models import Identity
from cameras.tests.factories import NOON, CameraFactory
from cameras.tests.identities.people import seen

pytestmark = pytest.mark.django_db


def test_neighbours_in_time_are_told_and_doubted_ones_are_not() -> None:
    gate, door, one = CameraFactory.create(), CameraFactory.create(), Identity.objects.create()
    for minutes in (-50, -40, -30, -20, 10, 20):
        seen(one, camera=gate, first_seen=NOON + timedelta(minutes=minutes))
    seen(one, camera=door, first_seen=NOON, is_doubted=True)
    row = seen(Identity.objects.create(), camera=door, first_seen=NOON)
    asked: list[float] = []

    def since(moment: float) -> int:
        asked.append(moment)
        return 7

    (found,) = contenders(row, {one.pk: 0.9}, since=since)
    begins = sorted(round((span.first_seen - NOON.timestamp()) / 60) for span in found.near)
    assert begins == [-40, -30, -20, 10]
    assert (found.identity, found.similarity, found.others) == (one.pk, 0.9, 7)
    assert asked == [(NOON + timedelta(minutes=-20, seconds=8)).timestamp()]


def test_only_the_most_alike_are_looked_at_and_who_was_never_seen_is_taken_as_usual() -> None:
    row = seen(Identity.objects.create(), first_seen=NOON)
    alike = {Identity.objects.create().pk: 0.9 + at / 100 for at in range(MOST + 2)}
    found = contenders(row, alike, since=lambda moment: 0)
    assert [one.identity for one in found] == sorted(alike, key=lambda pk: -alike[pk])[:MOST]
    assert {one.others for one in found} == {OTHERS}
    assert contenders(row, {}, since=lambda moment: 0) == []
