"""Templates go from sealed rows into arrays and into the gallery, in pieces, and bad rows never stop the others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import pytest
from django.db import DatabaseError, connection
from pytest_django import Settings

from accounts import vault
from recognition import gallery_load
from recognition.engine import Gallery, similarity
from recognition.engine.parts import Layout
from recognition.gallery_load import chosen_storage, read_templates, stored_ids, template_bind, updated
from recognition.models import Template
from recognition.tests.factories import DIMENSION, PACK, PersonFactory, PhotoFactory, TemplateFactory, embedding

pytestmark = pytest.mark.django_db


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a million templates do, with a few."""
    monkeypatch.setattr(gallery_load, "_BATCH", 7)
    monkeypatch.setattr(gallery_load, "_PIECE", 16)
    monkeypatch.setattr(gallery_load, "_SAY_EVERY", 20)


def enrol(count: int, first: int = 0) -> list[Template]:
    """Three templates a person."""
    person = PersonFactory.create()
    made = []
    for seed in range(first, first + count):
        person = PersonFactory.create() if seed % 3 == 0 else person
        made.append(TemplateFactory.create(person=person, vector=embedding(seed)))
    return made


def empty() -> Gallery:
    return Gallery.empty(DIMENSION)


@pytest.mark.usefixtures("small_pieces")
def test_all_templates_are_loaded_in_pieces_with_progress(caplog: pytest.LogCaptureFixture) -> None:
    made = enrol(60)
    told: list[tuple[int, int]] = []
    with caplog.at_level("INFO", "recognition.gallery_load"):
        loaded = updated(empty(), pack=PACK, progress=lambda done, total: told.append((done, total)))

    assert loaded.templates == {one.pk for one in made}
    assert loaded.people == {one.person_id for one in made}
    assert [done for done, _ in told] == [7, 14, 21, 28, 35, 42, 49, 56, 60]
    assert {total for _, total in told} == {60}
    assert "Loading the gallery: 21 of 60 templates" in caplog.text
    for seed, one in enumerate(made):
        found = loaded.search(embedding(seed), top=1)[0]
        assert (found.template, found.person) == (one.pk, one.person_id)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("more", [3, 40])  # at once, and in pieces
def test_only_what_changed_is_read(more: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = enrol(30)
    before = updated(empty(), pack=PACK)
    assert updated(before, pack=PACK) is before
    read: list[int] = []
    opened = gallery_load._opened

    def counted(rows: list[gallery_load.Row], pack: str, dimension: int) -> object:
        read.extend(row[0] for row in rows)
        return opened(rows, pack, dimension)

    monkeypatch.setattr(gallery_load, "_opened", counted)
    made[0].person.delete()
    new = enrol(more, first=100)
    after = updated(before, pack=PACK)

    assert sorted(read) == [one.pk for one in new]
    assert after.templates == {one.pk for one in [*made[3:], *new]}
    assert before.templates == {one.pk for one in made}
    for template in new:
        template.delete()
    assert updated(after, pack=PACK).templates == {one.pk for one in made[3:]}


def test_a_template_that_was_given_to_another_person_is_theirs() -> None:
    template = enrol(1)[0]
    before = updated(empty(), pack=PACK)
    other = PersonFactory.create()
    sealed = vault.seal(other.scope, embedding(0).tobytes(), bind=template_bind(other.pk, PACK))
    Template.objects.filter(pk=template.pk).update(person=other, sealed=sealed)

    after = updated(before, pack=PACK)
    assert [one.person for one in after.search(embedding(0))] == [other.pk]
    assert len(after) == 1


def moved(template: Template) -> None:
    other = TemplateFactory.create(pack="another-1")
    Template.objects.filter(pk=template.pk).update(sealed=other.sealed)


def shredded(template: Template) -> None:
    vault.shred(template.person.scope)


def changed(template: Template) -> None:
    Template.objects.filter(pk=template.pk).update(sealed=bytes(template.sealed)[:-1] + b"!")


def cut(template: Template) -> None:
    Template.objects.filter(pk=template.pk).update(sealed=b"\x01short")


def too_short(template: Template) -> None:
    reseal(template, np.zeros(DIMENSION - 1, "<f4"))


def huge(template: Template) -> None:
    reseal(template, np.full(DIMENSION, 1e30, "<f4"))


def infinite(template: Template) -> None:
    reseal(template, np.full(DIMENSION, np.inf, "<f4"))


def reseal(template: Template, vector: npt.NDArray[np.float32]) -> None:
    sealed = vault.seal(template.person.scope, vector.tobytes(), bind=template_bind(template.person_id, template.pack))
    Template.objects.filter(pk=template.pk).update(sealed=sealed)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("spoil", [moved, shredded, changed, cut, too_short, infinite, huge])
def test_bad_rows_are_said_and_left_out(spoil: Callable[[Template], None], caplog: pytest.LogCaptureFixture) -> None:
    made = [TemplateFactory.create(vector=embedding(seed)) for seed in range(40)]
    for template in made[::13]:
        spoil(template)

    loaded = updated(empty(), pack=PACK)
    assert loaded.templates == {one.pk for at, one in enumerate(made) if at % 13}
    for template in made[::13]:
        assert f"Template {template.pk} is not used" in caplog.text


def test_every_row_can_be_bad() -> None:
    for template in enrol(5):
        cut(template)
    assert len(updated(empty(), pack=PACK)) == 0
    assert len(updated(empty(), pack="never used")) == 0


@pytest.mark.usefixtures("small_pieces")
def test_templates_can_be_read_as_arrays() -> None:
    made = enrol(20)
    some = np.array([made[3].pk, made[11].pk])

    every, chosen = read_templates(PACK, DIMENSION), read_templates(PACK, DIMENSION, some)
    assert sorted(np.asarray(every.ids)) == [one.pk for one in made]
    assert sorted(np.asarray(chosen.ids)) == sorted(some)
    for at, template in enumerate(np.asarray(chosen.ids).tolist()):
        seed = [one.pk for one in made].index(template)
        assert np.asarray(chosen.persons)[at] == made[seed].person_id
        assert np.array_equal(np.asarray(chosen.embeddings)[at], embedding(seed))
    assert len(np.asarray(read_templates("never used", DIMENSION).ids)) == 0


def test_other_packs_are_not_read() -> None:
    photo = PhotoFactory.create()
    one = TemplateFactory.create(photo=photo, person=photo.person)
    other = TemplateFactory.create(photo=photo, person=photo.person, pack="another-1")

    ids, persons = stored_ids(PACK)
    assert (ids.tolist(), persons.tolist()) == ([one.pk], [photo.person_id])
    assert updated(empty(), pack="another-1").templates == {other.pk}


def test_rounded_templates_are_compared_as_they_were_enrolled(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings.GALLERY_STORAGE = "int8"
    assert chosen_storage().value == "int8"
    made = enrol(30)
    monkeypatch.setattr("recognition.engine.match.Layout", partial(Layout, recent=4))  # else so few stay float32
    loaded = updated(empty(), pack=PACK)
    assert loaded.error > 0
    probe = embedding(4) + np.float32(0.03) * embedding(99)

    best = loaded.search(probe, top=1)[0]
    assert (best.template, best.error) == (made[4].pk, 0)
    assert best.similarity == similarity(embedding(4), probe)

    def away(*args: object) -> None:
        raise DatabaseError("no answer")

    monkeypatch.setattr(gallery_load, "_batches", away)
    with pytest.raises(DatabaseError):  # in a transaction there is no going on
        loaded.search(probe, top=1)
    found: list[float] = []
    thread = threading.Thread(target=lambda: found.append(loaded.search(probe, top=1)[0].error))
    monkeypatch.setattr(gallery_load, "read_templates", away)
    thread.start()  # a thread has a connection of its own, outside of the transaction of this test
    thread.join(30)
    assert found[0] > 0
    assert "compared as they are stored in memory" in caplog.text
    assert connection.connection is not None
