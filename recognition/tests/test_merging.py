"""Two people become one: everything moves, nothing stays readable under the old key, and nothing is half done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts import vault
from accounts.models import AuditEvent, DataKey
from recognition import gallery, merging, selectors, services
from recognition.errors import RecognitionError
from recognition.models import NotSamePerson, Person, Photo, Template, WatchlistEntry
from recognition.tests.factories import (
    PersonFactory,
    PhotoFactory,
    TemplateFactory,
    WatchlistEntryFactory,
    embedding,
    picture,
)
from recognition.tests.photos import astronaut, changed, upload

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh(settings: Settings) -> None:
    settings.GALLERY_POLL_SECONDS = 0
    gallery.forget()


def test_photos_and_templates_move_and_are_found_under_the_kept_person() -> None:
    kept = TemplateFactory.create(person__name="Ada", person__notes="Tall.").person
    gone = TemplateFactory.create(person__name="Augusta", person__notes="Kind.", vector=embedding(900_009)).person
    photo = gone.photos.get()
    TemplateFactory.create(person=gone, photo=photo, pack="another-pack", vector=embedding(900_009))
    (before,) = gallery.gallery().search(embedding(900_009), top=1)
    assert before.person == gone.pk
    portrait, old_scope = selectors.portrait(gone.pk), gone.scope

    plan = merging.preview(kept=kept, gone=gone)
    done = merging.merge(actor=None, kept=kept, gone=gone)

    assert (plan.photos, plan.templates) == (done.photos, done.templates) == (1, 2)
    assert not Person.objects.filter(pk=gone.pk).exists()
    assert not DataKey.objects.filter(scope=old_scope).exists()
    kept.refresh_from_db()
    assert (kept.name, kept.notes) == ("Ada", "Tall.\nKind.")
    moved = Photo.objects.get(pk=photo.pk)
    opened = vault.unseal(kept.scope, moved.sealed_portrait, bind=selectors.portrait_bind(kept.pk))
    assert opened == portrait
    assert vault.unseal(kept.scope, moved.sealed, bind=selectors.photo_bind(kept.pk)) == picture(before.person)
    (found,) = gallery.gallery().search(embedding(900_009), top=1)
    assert found.person == kept.pk
    assert found.similarity == pytest.approx(1.0)
    assert Template.objects.filter(person=kept).count() == 3
    event = AuditEvent.objects.get(verb="merged")
    assert event.target == f"person {kept.pk}"
    assert event.detail["gone"] == before.person


def test_a_photo_that_both_have_is_kept_once() -> None:
    kept = services.enrol(actor=None, name="Ada", photos=[upload(astronaut())]).person
    gone = services.enrol(actor=None, name="Augusta", photos=[upload(astronaut()), upload(changed(astronaut()))]).person
    assert kept is not None
    assert gone is not None
    done = merging.merge(actor=None, kept=kept, gone=gone)

    assert (done.photos, done.same_photos, done.templates) == (1, 1, 1)
    assert kept.photos.count() == 2
    again = services.enrol(actor=None, name="Ada", photos=[upload(changed(astronaut()), "b.jpg")], person=kept)
    assert again.there == ("b.jpg",)  # the digest came along


def test_watchlists_are_joined_and_the_longer_entry_counts() -> None:
    soon, late = timezone.now() + timedelta(days=1), timezone.now() + timedelta(days=9)
    both, endless, shorter, new = (WatchlistEntryFactory.create(expires_at=soon) for _ in range(4))
    kept, gone = both.person, PersonFactory.create()
    for entry in (endless, shorter):
        WatchlistEntryFactory.create(watchlist=entry.watchlist, person=kept, expires_at=soon)
    WatchlistEntryFactory.create(watchlist=both.watchlist, person=gone, expires_at=late)
    WatchlistEntryFactory.create(watchlist=endless.watchlist, person=gone, expires_at=None)
    WatchlistEntryFactory.create(watchlist=shorter.watchlist, person=gone, expires_at=timezone.now())
    WatchlistEntryFactory.create(watchlist=new.watchlist, person=gone, reason="Reported")
    plan = merging.preview(kept=kept, gone=gone)
    done = merging.merge(actor=None, kept=kept, gone=gone)

    assert plan.watchlists == done.watchlists == (new.watchlist.name,)
    ends = {e.watchlist_id: e.expires_at for e in WatchlistEntry.objects.filter(person=kept)}
    assert ends == {
        both.watchlist_id: late,
        endless.watchlist_id: None,
        shorter.watchlist_id: soon,
        new.watchlist_id: None,
    }


def test_a_joined_entry_begins_with_the_earlier_one() -> None:
    soon, late = timezone.now() + timedelta(days=1), timezone.now() + timedelta(days=9)
    both, at_once = (WatchlistEntryFactory.create(starts_at=late) for _ in range(2))
    kept, gone = both.person, PersonFactory.create()
    WatchlistEntryFactory.create(watchlist=at_once.watchlist, person=kept, starts_at=late)
    WatchlistEntryFactory.create(watchlist=both.watchlist, person=gone, starts_at=soon)
    WatchlistEntryFactory.create(watchlist=at_once.watchlist, person=gone)
    merging.merge(actor=None, kept=kept, gone=gone)

    begins = {e.watchlist_id: e.starts_at for e in WatchlistEntry.objects.filter(person=kept)}
    assert begins == {both.watchlist_id: soon, at_once.watchlist_id: None}


def test_who_was_told_apart_stays_apart() -> None:
    kept, gone, other = PersonFactory.create_batch(3)
    merging.not_the_same(actor=None, one=gone, other=other)
    merging.not_the_same(actor=None, one=kept, other=gone)
    merging.merge(actor=None, kept=kept, gone=gone)

    (answer,) = NotSamePerson.objects.all()
    assert (answer.first_id, answer.second_id) == (kept.pk, other.pk)


def test_what_can_not_be_unsealed_stops_the_merge_and_changes_nothing() -> None:
    kept = TemplateFactory.create().person
    gone = TemplateFactory.create().person
    broken = PhotoFactory.create(person=gone, sealed=b"\x01" + bytes(99))
    with pytest.raises(RecognitionError, match="nothing was merged"):
        merging.merge(actor=None, kept=kept, gone=gone)

    assert Photo.objects.filter(person=gone).count() == 2
    assert Template.objects.filter(person=gone).count() == 1
    assert broken.person.entries.count() == 0
    assert not AuditEvent.objects.filter(verb="merged").exists()


def test_a_room_that_fails_stops_the_merge() -> None:
    def fail(**kwargs: Any) -> None:
        raise RuntimeError("a room fails")

    kept, gone = TemplateFactory.create().person, TemplateFactory.create().person
    merging.people_merged.connect(fail)
    try:
        with pytest.raises(RuntimeError):
            merging.merge(actor=None, kept=kept, gone=gone)
    finally:
        merging.people_merged.disconnect(fail)
    assert Template.objects.filter(person=gone).count() == 1
    assert DataKey.objects.filter(scope=gone.scope).exists()


def test_only_two_people_can_be_merged() -> None:
    kept, gone = PersonFactory.create_batch(2)
    with pytest.raises(RecognitionError, match="one person already"):
        merging.merge(actor=None, kept=kept, gone=kept)
    Person.objects.filter(pk=gone.pk).delete()
    with pytest.raises(RecognitionError, match="deleted meanwhile"):
        merging.merge(actor=None, kept=kept, gone=gone)
