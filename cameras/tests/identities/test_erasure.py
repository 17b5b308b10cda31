"""Erasing somebody who was seen often: what others wait for comes last."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from cameras.identities import erasure
from cameras.identities.signals import somebody_erased
from cameras.models import DirtySlot, Identity, Link, Sighting
from cameras.tests.identities.people import WHY, unknown

pytestmark = pytest.mark.django_db


def test_other_rooms_are_told_when_the_sightings_are_wiped() -> None:
    """Alerts are locked from that moment on, for every camera of the site."""
    identity = unknown(2)
    links: list[str] = []

    def look(sightings: tuple[uuid.UUID, ...], identities: tuple[int, ...], **kwargs: Any) -> None:
        links.extend(Sighting.objects.filter(pk__in=sightings).values_list("link", flat=True))
        assert Identity.objects.filter(pk__in=identities).count() == 1

    somebody_erased.connect(look, weak=False)
    try:
        erasure.erase_identity(actor=None, identity=identity, reason=WHY)
    finally:
        somebody_erased.disconnect(look)
    assert links == [Link.ERASED] * 2


def test_sums_of_who_was_erased_are_marked_once() -> None:
    identity = unknown(1)
    erasure.erase_identity(actor=None, identity=identity, reason=WHY)
    assert DirtySlot.objects.count() == 1
