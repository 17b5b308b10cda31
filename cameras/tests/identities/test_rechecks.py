"""A face that was said not to be somebody's is compared with other unknown ones."""

from __future__ import annotations

import numpy as np
import pytest
from django.utils import timezone

from accounts import vault
from cameras.identities import corrections, rechecks, undoing
from cameras.models import Correction, Identity, Sighting, UnknownTemplate, shot_scope
from cameras.services import shot_bind
from cameras.tests.factories import NOON
from cameras.tests.identities.people import WHY, known, template, unknown
from recognition.engine import Embedding, decode_photo
from recognition.packs import current_pack
from recognition.photos import portrait_jpeg
from recognition.tests.factories import PersonFactory, embedding
from recognition.tests.photos import astronaut

pytestmark = pytest.mark.django_db


def freed(jpeg: bytes | None) -> tuple[Correction, Sighting]:
    """A recognised sighting with this best shot, of which somebody said that it is not them."""
    identity = known(PersonFactory.create(), 1, first_seen=timezone.now(), pack=current_pack().version)
    row = Sighting.objects.get(identity=identity)
    if jpeg is not None and row.shot_day is not None:
        sealed = vault.seal(shot_scope(row.shot_day), jpeg, bind=shot_bind(row.pk))
        Sighting.objects.filter(pk=row.pk).update(sealed_shot=sealed)
    return corrections.not_them(actor=None, sighting=row, reason=WHY), row


def face() -> tuple[bytes, Embedding]:
    image = decode_photo(astronaut())
    jpeg = portrait_jpeg(image, current_pack().analyse(image, embed=False)[0].box)
    (found,) = current_pack().analyse(decode_photo(jpeg))
    return jpeg, found.embedding


def stored(vector: Embedding) -> Identity:
    """Somebody unknown with this face, seen long ago."""
    identity = unknown(1, first_seen=NOON, camera=None, latitude=None, longitude=None)
    template(Sighting.objects.get(identity=identity), vector, current_pack().version)
    return identity


def test_it_is_linked_to_an_unknown_one_with_the_same_face() -> None:
    jpeg, vector = face()
    same, _other = stored(np.asarray(vector, np.float32)), stored(embedding(5))
    correction, row = freed(jpeg)
    assert rechecks.recheck(correction.pk) == same.pk

    row.refresh_from_db()
    assert row.identity == same
    assert row.link_similarity == pytest.approx(1.0, abs=0.05)
    assert UnknownTemplate.objects.filter(sighting=row, linked_at=None).exists()
    undoing.undo(actor=None, correction=Correction.objects.get(pk=correction.pk))
    row.refresh_from_db()
    assert row.person is not None
    assert row.identity == correction.identity


def test_it_stays_somebody_of_its_own_where_nobody_is_alike() -> None:
    jpeg, _ = face()
    stored(embedding(5))
    correction, row = freed(jpeg)
    assert rechecks.recheck(correction.pk) is None
    row.refresh_from_db()
    assert row.identity == correction.other
    assert UnknownTemplate.objects.filter(sighting=row).exists()


@pytest.mark.parametrize("jpeg", [None, b"no picture"])
def test_what_can_not_be_looked_at_stays_somebody_of_its_own(jpeg: bytes | None) -> None:
    correction, row = freed(jpeg)
    if jpeg is None:
        Sighting.objects.filter(pk=row.pk).update(sealed_shot=None, shot_day=None)
    assert rechecks.recheck(correction.pk) is None
    row.refresh_from_db()
    assert row.identity == correction.other


def test_what_was_undone_meanwhile_is_left_alone() -> None:
    jpeg, vector = face()
    stored(vector)
    correction, row = freed(jpeg)
    undoing.undo(actor=None, correction=correction)
    assert rechecks.recheck(correction.pk) is None
    row.refresh_from_db()
    assert row.person is not None
    assert not UnknownTemplate.objects.filter(sighting=row).exists()
    assert rechecks.recheck(0) is None
