"""Who links, when several could: what one holds in memory is true for as long as it leads, and not after."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import vault
from cameras.identities import linker as linking
from cameras.identities import linking as linking_decision
from cameras.identities import unknowns as memory
from cameras.identities.linker import Linker, NotLeading
from cameras.models import Identity, Link, LinkerState, Sighting, UnknownTemplate
from cameras.tests.factories import SightingFactory
from cameras.tests.identities.faces import face, like, seen
from recognition.tests.factories import PersonFactory

pytestmark = pytest.mark.django_db

T0 = timezone.now().replace(microsecond=0) - timedelta(hours=1)


def _silent() -> None:
    """Whoever led has said nothing for a minute."""
    LinkerState.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))


@pytest.fixture(autouse=True)
def _renews_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linking, "RENEW_SECONDS", 0)


def test_who_comes_back_knows_what_another_one_has_linked_and_nothing_that_was_deleted() -> None:
    first, other = Linker(owner="first"), Linker(owner="other")
    gone = seen(face(1), at=T0)
    first.step()
    _silent()  # it hangs, and another one goes on
    other.step()
    UnknownTemplate.objects.filter(sighting=gone).delete()
    linked = seen(face(2), at=T0 + timedelta(seconds=60))
    assert other.step() == 1
    _silent()  # that one dies, and the first one comes back
    again = seen(like(face(2), 0.97), at=T0 + timedelta(seconds=120))
    assert first.step() == 1
    assert len(first.unknowns) == 2
    assert Sighting.objects.get(pk=again.pk).identity == Sighting.objects.get(pk=linked.pk).identity


def test_the_lease_is_kept_while_templates_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "BATCH", 1)
    for number in range(3):
        seen(face(number), at=T0)
    Linker(owner="before").step()
    _silent()
    linker, other, tries = Linker(owner="slow"), Linker(owner="other"), []
    unseal_many: Callable[..., object] = vault.unseal_many

    def slowly(*args: object) -> object:
        with pytest.raises(NotLeading):
            other.step()
        tries.append(1)
        _silent()  # so long did this take
        return unseal_many(*args)

    monkeypatch.setattr(vault, "unseal_many", slowly)
    linker.step()
    assert len(tries) == 3
    assert len(linker.unknowns) == 3


def test_what_was_read_while_another_one_led_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    seen(face(1), at=T0)
    Linker(owner="before").step()
    _silent()
    unseal_many: Callable[..., object] = vault.unseal_many

    def robbed(*args: object) -> object:
        LinkerState.objects.update(owner="another one", heartbeat_at=None)
        return unseal_many(*args)

    monkeypatch.setattr(memory, "BATCH", 1)
    seen(face(2), at=T0)
    UnknownTemplate.objects.update(linked_at=timezone.now())
    monkeypatch.setattr(vault, "unseal_many", robbed)
    with pytest.raises(NotLeading):
        Linker(owner="slow").step()


def test_a_long_round_keeps_the_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    linker, other = Linker(owner="this"), Linker(owner="other")
    for number in range(3):
        seen(face(number), at=T0)
    decide: Callable[..., object] = linking_decision.decide

    def slowly(*args: object) -> object:
        with pytest.raises(NotLeading):
            other.step()
        _silent()  # so long did this take
        return decide(*args)

    monkeypatch.setattr(linking, "decide", slowly)
    assert linker.step() == 3
    assert not UnknownTemplate.objects.filter(linked_at=None).exists()


def test_who_is_in_view_now_is_linked_before_a_backlog_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linking, "_BATCH", 4)
    rows = [seen(face(number), at=T0 + timedelta(minutes=number)) for number in range(10)]
    linker = Linker()
    assert linker.step() == 4
    linked = [Sighting.objects.get(pk=row.pk).identity_id is not None for row in rows]
    assert linked == [True] * 2 + [False] * 6 + [True] * 2
    live = seen(face(99), at=T0 + timedelta(hours=1))
    linker.step()
    assert Sighting.objects.get(pk=live.pk).identity is not None
    while linker.step():
        pass
    assert Identity.objects.count() == 11


def test_a_long_backlog_leaves_what_a_person_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linking, "_BACKLOG", 1)
    person, long_ago = PersonFactory.create(), timezone.now() - timedelta(days=1)
    said = SightingFactory.create(person=person, link=Link.HAND, first_seen=long_ago)
    for _ in range(2):
        SightingFactory.create(person=person, first_seen=long_ago)
    Linker().step()
    assert sorted(Sighting.objects.filter(identity__person=person).values_list("link", flat=True)) == [
        "hand",
        "recognised",
        "recognised",
    ]
    assert Sighting.objects.get(pk=said.pk).link == Link.HAND
