"""The templates of unknown people in memory: loading, searching within limits, letting go, and damaged rows."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from accounts import vault
from cameras.identities import unknowns as module
from cameras.identities.unknowns import Unknowns, opened
from cameras.models import Camera, UnknownGone, UnknownTemplate, unknown_bind, unknown_scope
from cameras.tests.factories import CameraFactory
from cameras.tests.identities.faces import face, like, seen
from recognition.engine import Embedding
from recognition.tests.factories import DIMENSION, PACK

OTHER_PACK = "another-1"
T0 = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)


def after(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def held(*faces: Embedding, pack: str = PACK, first: int = 1) -> Unknowns:
    """These faces, with ids from `first` on, each at a camera of its number and a minute after the one before."""
    made = Unknowns()
    for number, one in enumerate(faces, start=first):
        made.add(number, pack, one, camera=number, seen=after(number))
    return made


def ids(unknowns: Unknowns, probe: Embedding, *, pack: str = PACK, top: int = 10, **limits: object) -> list[int]:
    return [one.template for one in unknowns.search(pack, probe, top=top, **limits)]  # type: ignore[arg-type]


def linked(
    embedding: Embedding | None, *, minutes: float = 0, camera: Camera | None = None, pack: str = PACK
) -> UnknownTemplate:
    """The stored template of a sighting that was linked before."""
    row = seen(embedding if embedding is not None else face(0), at=after(minutes), camera=camera, pack=pack)
    UnknownTemplate.objects.filter(sighting=row).update(linked_at=after(minutes))
    return UnknownTemplate.objects.defer(None).get(sighting=row)


def hold(template: UnknownTemplate, content: bytes) -> None:
    """Puts other content, properly sealed, into a template."""
    scope, bind = unknown_scope(template.seen_at), unknown_bind(template.sighting_id, template.pack)
    template.sealed = vault.seal(scope, content, bind=bind)
    template.save(update_fields=["sealed"])


# --- in memory -------------------------------------------------------------------------------------------------------


def test_the_most_similar_come_first() -> None:
    probe = face(1)
    unknowns = held(face(2), like(probe, 0.9), like(probe, 0.95, seed=1), face(3))
    found = unknowns.search(PACK, probe, top=2)
    assert [one.template for one in found] == [3, 2]
    assert [one.similarity for one in found] == pytest.approx([0.95, 0.9], abs=1e-3)


def test_nothing_is_found_where_nothing_is() -> None:
    assert Unknowns().search(PACK, face(1), top=3) == []
    assert len(Unknowns()) == 0
    assert ids(held(face(1)), face(1), pack=OTHER_PACK) == []
    assert ids(held(face(1)), face(1)[:64]) == []
    assert ids(held(face(1)), face(1), top=0) == []


def test_two_packs_are_never_compared() -> None:
    unknowns = held(face(1), face(2))
    unknowns.add(7, OTHER_PACK, face(1)[:64], camera=1, seen=after(7))
    assert len(unknowns) == 3
    assert ids(unknowns, face(1)) == [1, 2]
    assert ids(unknowns, face(1)[:64], pack=OTHER_PACK) == [7]
    unknowns.drop({7, 1})
    assert ids(unknowns, face(1)) == [2]
    assert ids(unknowns, face(1)[:64], pack=OTHER_PACK) == []


@pytest.mark.parametrize(
    ("cameras", "since", "until", "expected"),
    [
        (None, None, None, {1, 2, 3, 4}),
        ({2, 3}, None, None, {2, 3}),
        ({9}, None, None, set()),
        (set(), None, None, set()),
        (None, after(2), None, {2, 3, 4}),
        (None, None, after(2), {1, 2}),
        (None, after(2), after(3), {2, 3}),
        (None, after(3), after(2), set()),
        ({1, 3}, after(2), after(9), {3}),
    ],
)
def test_a_search_of_some_cameras_and_some_time(
    cameras: set[int] | None, since: datetime | None, until: datetime | None, expected: set[int]
) -> None:
    unknowns = held(*(face(seed) for seed in range(1, 5)))
    assert set(ids(unknowns, face(1), cameras=cameras, since=since, until=until)) == expected


def test_one_whose_camera_was_removed_is_found_unless_cameras_are_asked_for() -> None:
    unknowns = Unknowns()
    unknowns.add(1, PACK, face(1), camera=None, seen=after(1))
    assert ids(unknowns, face(1)) == [1]
    assert ids(unknowns, face(1), since=after(0)) == [1]
    assert ids(unknowns, face(1), cameras={1, 2}) == []


def test_what_was_dropped_is_not_found_any_more() -> None:
    unknowns = held(*(face(seed) for seed in range(1, 6)))
    unknowns.drop({2, 4, 99})
    assert len(unknowns) == 3
    assert set(ids(unknowns, face(2))) == {1, 3, 5}
    assert set(ids(unknowns, face(2), since=after(0))) == {1, 3, 5}
    assert unknowns.since(after(0).timestamp()) == 3
    unknowns.drop(())
    unknowns.drop({1, 3, 5})
    assert (len(unknowns), ids(unknowns, face(1)), ids(unknowns, face(1), cameras={1})) == (0, [], [])


def test_an_id_that_comes_again_is_replaced() -> None:
    unknowns = held(face(1), face(2))
    assert set(ids(unknowns, face(1), cameras={1, 2})) == {1, 2}
    unknowns.add(1, PACK, face(3), camera=5, seen=after(50))
    unknowns.add(1, PACK, face(4), camera=6, seen=after(60))
    assert len(unknowns) == 2
    assert ids(unknowns, face(4), cameras={6}) == [1]
    assert ids(unknowns, face(4), cameras={1, 5}) == []
    assert unknowns.since(after(10).timestamp()) == 1
    unknowns.drop({1})
    assert unknowns.since(after(0).timestamp()) == 1


def test_ids_need_not_rise() -> None:
    unknowns = held(face(1), first=50)
    unknowns.add_many(
        PACK,
        ids=np.array([9, 3], np.int64),
        embeddings=np.stack([face(2), face(3)]),
        cameras=np.array([9, 3], np.int64),
        seen=np.array([after(9).timestamp(), after(3).timestamp()]),
    )
    unknowns.add(20, PACK, face(4), camera=20, seen=after(20))
    for number in (50, 9, 3, 20):
        assert ids(unknowns, face(1), cameras={number}) == [number]
    assert unknowns.since(after(9).timestamp()) == 2


def test_how_many_began_after_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FRESH", 3)
    unknowns = Unknowns()
    assert unknowns.since(0) == 0
    for number in range(1, 9):
        unknowns.add(number, PACK, face(number), camera=1, seen=after(number))
        assert unknowns.since(after(0).timestamp()) == number
        assert unknowns.since(after(number - 1).timestamp()) == 1
        assert unknowns.since(after(number).timestamp()) == 0


def test_a_template_of_another_length_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    unknowns = held(face(1))
    unknowns.add(2, PACK, face(2)[:64], camera=1, seen=after(2))
    unknowns.add_many(
        PACK,
        ids=np.array([3], np.int64),
        embeddings=face(3)[None, :64],
        cameras=np.array([1], np.int64),
        seen=np.array([0.0]),
    )
    assert (len(unknowns), ids(unknowns, face(1), cameras={1})) == (1, [1])
    assert [record.getMessage() for record in caplog.records] == [
        f"Template {number} of an unknown person is no embedding of {PACK}; it is left out." for number in (2, 3)
    ]


def test_what_it_takes_in_memory_is_known() -> None:
    unknowns = held(*(face(seed) for seed in range(1, 4)))
    assert unknowns.nbytes >= 3 * DIMENSION * 4


# --- from the database -----------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_everything_that_was_linked_is_loaded() -> None:
    camera = CameraFactory.create()
    first = linked(face(1), camera=camera)
    second = linked(face(2), minutes=120)
    other = linked(face(3), minutes=5, pack=OTHER_PACK)
    seen(face(4), at=after(6))  # waits to be linked
    unknowns = Unknowns.load()
    assert len(unknowns) == 3
    assert ids(unknowns, face(1)) == [first.pk, second.pk]
    assert ids(unknowns, face(3), pack=OTHER_PACK) == [other.pk]
    assert ids(unknowns, face(2), cameras={camera.pk}) == [first.pk]
    assert ids(unknowns, face(1), since=after(60)) == [second.pk]
    camera.delete()
    assert set(ids(Unknowns.load(), face(1))) == {first.pk, second.pk}


@pytest.mark.django_db
def test_it_is_loaded_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr(module, "_PIECE", 3)
    rows = [linked(face(number), minutes=number) for number in range(8)]
    unknowns = Unknowns.load()
    for number, row in enumerate(rows):
        assert ids(unknowns, face(number), top=1, since=after(number), until=after(number)) == [row.pk]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\0",  # no whole number
        np.full(DIMENSION, np.nan, "<f4").tobytes(),
        np.full(DIMENSION, np.inf, "<f4").tobytes(),
        np.full(DIMENSION, 1e30, "<f4").tobytes(),
        np.ones(64, "<f4").tobytes(),  # another pack's length
    ],
)
def test_a_row_that_is_no_embedding_is_left_out_and_said(content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    damaged = linked(None)  # the first of all: it must not say what the others have to be
    good = [linked(face(number), minutes=number) for number in (1, 2)]
    hold(damaged, content)
    with caplog.at_level(logging.ERROR):
        unknowns = Unknowns.load()
    assert ids(unknowns, face(1)) == [row.pk for row in good]
    assert f"Template {damaged.pk} of an unknown person" in caplog.text


@pytest.mark.django_db
def test_a_row_that_does_not_open_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    changed, moved, shredded, good = (linked(face(number), minutes=60 * number) for number in range(1, 5))
    UnknownTemplate.objects.filter(pk=changed.pk).update(sealed=bytes(changed.sealed)[:-1] + b"\0")
    UnknownTemplate.objects.filter(pk=moved.pk).update(sealed=good.sealed)
    vault.shred(unknown_scope(shredded.seen_at))
    with caplog.at_level(logging.ERROR):
        unknowns = Unknowns.load()
    assert ids(unknowns, face(4)) == [good.pk]
    assert all(f"Template {row.pk} " in caplog.text for row in (changed, moved, shredded))
    caplog.clear()
    rows = list(UnknownTemplate.objects.defer(None))
    with caplog.at_level(logging.ERROR):
        assert list(opened(rows)) == [good.pk]
    assert len(caplog.records) == 3


@pytest.mark.django_db
def test_rows_are_opened() -> None:
    rows = [linked(face(number), minutes=90 * number) for number in (1, 2)]
    found = opened(rows)
    assert list(found) == [row.pk for row in rows]
    np.testing.assert_array_equal(found[rows[1].pk], face(2))
    hold(rows[0], np.full(DIMENSION, np.nan, "<f4").tobytes())
    assert list(opened(rows)) == [rows[1].pk]
    assert opened([]) == {}


@pytest.mark.django_db
def test_what_is_deleted_from_the_database_is_let_go() -> None:
    rows = [linked(face(number), minutes=number) for number in (1, 2, 3)]
    unknowns = Unknowns.load()
    unknowns.drop_gone()
    assert len(unknowns) == 3
    UnknownTemplate.objects.filter(pk=rows[0].pk).delete()
    rows[1].sighting.delete()
    assert UnknownGone.objects.count() == 2
    unknowns.drop_gone()
    assert ids(unknowns, face(1)) == [rows[2].pk]
    assert not UnknownGone.objects.exists()
    UnknownGone.objects.create(template=10**12)  # of before it was loaded
    unknowns.drop_gone()
    assert len(unknowns) == 1
    assert not UnknownGone.objects.exists()


@pytest.mark.django_db
def test_nothing_stored_is_nothing_loaded() -> None:
    assert len(Unknowns.load()) == 0
