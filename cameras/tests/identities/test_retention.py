"""What is kept of unknown people goes when its time is over, and the key that sealed it with it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.utils import timezone

from accounts.models import DataKey
from cameras.identities.linker import Linker
from cameras.identities.retention import prune_unknowns
from cameras.models import Correction, CorrectionKind, Identity, Sighting, UnknownTemplate, unknown_scope
from cameras.tests.identities.faces import face, seen

pytestmark = pytest.mark.django_db


def test_what_expired_goes_with_its_key() -> None:
    now = timezone.now()
    old, new = seen(face(1), at=now - timedelta(hours=40)), seen(face(2), at=now - timedelta(hours=3))
    UnknownTemplate.objects.filter(sighting=old).update(expires_at=now - timedelta(hours=1))
    linker = Linker()
    linker.step()
    assert prune_unknowns() == 1
    assert list(UnknownTemplate.objects.values_list("sighting", flat=True)) == [new.pk]
    assert list(DataKey.objects.filter(scope__startswith="unknowns:").values_list("scope", flat=True)) == [
        unknown_scope(new.first_seen)
    ]
    linker.step()
    assert len(linker.unknowns) == 1
    assert Sighting.objects.get(pk=old.pk).identity is not None


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/St_Johns"])
def test_keys_that_are_needed_stay_in_every_time_zone(settings: LazySettings, zone: str) -> None:
    settings.TIME_ZONE = zone
    settings.UNKNOWN_HOURS = 1
    now = timezone.now()
    for minutes in range(0, 60 * 6, 20):
        row = seen(face(minutes), at=now - timedelta(hours=9) + timedelta(minutes=minutes))
        UnknownTemplate.objects.filter(sighting=row).update(expires_at=now + timedelta(hours=1))
    keys = set(DataKey.objects.values_list("scope", flat=True))
    prune_unknowns()
    assert set(DataKey.objects.values_list("scope", flat=True)) == keys


def test_a_shorter_time_holds_for_what_is_there_already(settings: LazySettings) -> None:
    now = timezone.now()
    old, new = seen(face(1), at=now - timedelta(hours=3)), seen(face(2), at=now - timedelta(minutes=5))
    ahead = seen(face(3), at=now + timedelta(days=300))  # a clock was wrong
    settings.UNKNOWN_HOURS = 1
    assert prune_unknowns() == 1
    left = dict(UnknownTemplate.objects.values_list("sighting", "expires_at"))
    assert old.pk not in left
    assert left[new.pk] == new.last_seen + timedelta(hours=1)
    assert left[ahead.pk] <= timezone.now() + timedelta(hours=1)


def test_switched_off_nothing_stays(settings: LazySettings) -> None:
    settings.UNKNOWN_HOURS = 0
    seen(face(1), at=timezone.now() - timedelta(hours=5))
    assert prune_unknowns() == 1
    assert not DataKey.objects.filter(scope__startswith="unknowns:").exists()


def test_identities_of_nobody_go_and_others_stay() -> None:
    old = timezone.now() - timedelta(hours=2)
    empty, labelled = Identity.objects.create(), Identity.objects.create(label="Red coat")
    target = Identity.objects.create(label="Blue coat")
    merged = Identity.objects.create(merged_into=target)
    undone = Identity.objects.create()
    Correction.objects.create(kind=CorrectionKind.SPLIT, identity=target, other=undone, actor_name="ann")
    row = seen(face(1), at=timezone.now())
    Linker().step()
    Identity.objects.update(created_at=old)
    prune_unknowns()
    assert set(Identity.objects.all()) == {labelled, target, merged, undone, Sighting.objects.get(pk=row.pk).identity}
    assert not Identity.objects.filter(pk=empty.pk).exists()
