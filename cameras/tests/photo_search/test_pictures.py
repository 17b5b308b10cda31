"""Looking through stored pictures: slow, in pieces, and with real faces."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts import vault
from cameras import search_tasks
from cameras.models import (
    PhotoSearch,
    PhotoSearchHit,
    SearchPart,
    SearchSource,
    SearchState,
    Sighting,
    Verdict,
    shot_scope,
)
from cameras.photo_search import asking, parts, pictures, sending
from cameras.photo_search.asking import Wanted
from cameras.photo_search.errors import SearchError
from cameras.services import shot_bind
from cameras.tests.factories import CameraFactory, SightingFactory
from cameras.tests.photo_search.looks import WHY, operator
from recognition.engine import ModelError, decode_photo
from recognition.packs import current_pack
from recognition.photos import Upload, portrait_jpeg
from recognition.tests.photos import astronaut, nobody

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What workers were asked for."""
    asked: list[int] = []
    monkeypatch.setattr(asking, "send_pictures", asked.append)
    monkeypatch.setattr(sending, "send_pictures", lambda part, **options: asked.append(part))
    return asked


def stored(jpeg: bytes, **values: object) -> Sighting:
    """A sighting of somebody unknown of whom only the picture is left."""
    row: Sighting = SightingFactory.create(
        person=None, verdict=Verdict.UNKNOWN, first_seen=timezone.now() - timedelta(days=3), **values
    )
    assert row.shot_day is not None
    row.sealed_shot = vault.seal(shot_scope(row.shot_day), jpeg, bind=shot_bind(row.pk))
    row.save(update_fields=["sealed_shot"])
    return row


def her_shot() -> bytes:
    image = decode_photo(astronaut())
    return portrait_jpeg(image, current_pack().analyse(image, embed=False)[0].box)


def ask(**wanted: Any) -> SearchPart:
    values = {**WHY, "stored_pictures": True, **wanted}
    upload = Upload(name="a.jpg", data=astronaut())
    made = asking.ask(actor=operator(), upload=upload, wanted=Wanted(**values))
    return made.parts.get(source=SearchSource.PICTURES)


def found(part: SearchPart) -> list[PhotoSearchHit]:
    return list(PhotoSearchHit.objects.filter(face__search=part.search_id, source=SearchSource.PICTURES))


def test_somebody_is_found_of_whom_only_the_picture_is_left() -> None:
    hers = stored(her_shot())
    stored(nobody())
    part = ask()
    assert part.total == 2
    assert pictures.work(part.pk)
    part.refresh_from_db()
    assert (part.state, part.done, part.skipped) == (SearchState.DONE, 2, 1)
    hit = found(part)[0]
    assert (hit.sighting, hit.identity, hit.is_match) == (hers, None, True)
    assert hit.similarity > hit.threshold
    assert "1 of the pictures could not be compared" in part.why
    assert pictures.estimate(PhotoSearch.objects.get()).pictures == 2


def test_it_goes_on_where_its_worker_was_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_PIECE", 1)
    rows = [stored(nobody()) for _ in range(3)]
    part = ask()
    looked: list[object] = []
    look = pictures._looked_at

    def killed(some: list[Sighting], *args: object) -> object:
        if len(looked) == 2:
            raise SystemExit
        looked.append(some[0].pk)
        return look(some, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(pictures, "_looked_at", killed)
    with pytest.raises(SystemExit):
        pictures.work(part.pk)
    part.refresh_from_db()
    assert (part.state, part.done, part.cursor_id) == (SearchState.RUNNING, 2, looked[-1])
    SearchPart.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    looked.insert(0, None)
    assert pictures.work(part.pk)
    part.refresh_from_db()
    assert (part.state, part.done, part.times) == (SearchState.DONE, 3, 1)
    assert sorted(map(str, looked[1:])) == sorted(str(row.pk) for row in rows)


def test_when_its_time_is_over_others_go_on(sent: list[int]) -> None:
    stored(nobody())
    part = ask()
    assert not pictures.work(part.pk, seconds=0)
    part.refresh_from_db()
    assert (part.state, part.heartbeat_at) == (SearchState.RUNNING, None)
    assert pictures.work(part.pk)


def test_the_task_asks_for_another_turn(monkeypatch: pytest.MonkeyPatch, sent: list[int]) -> None:
    stored(nobody())
    part = ask()
    monkeypatch.setattr(pictures, "work", lambda pk: False)
    search_tasks.look_through(part.pk)
    assert sent == [part.pk]
    search_tasks.take_up()
    assert sent == [part.pk, part.pk]


def test_two_workers_at_once_do_it_once() -> None:
    stored(nobody())
    part = ask()
    taken = parts.take(SearchSource.PICTURES, part.pk)
    assert taken is not None
    assert pictures.work(part.pk)  # nothing to do for this one
    part.refresh_from_db()
    assert (part.state, part.done) == (SearchState.RUNNING, 0)


def test_a_cancelled_one_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    stored(her_shot())
    part = ask()
    looked_at = pictures._looked_at

    def stopped(*args: object) -> object:
        SearchPart.objects.update(state=SearchState.CANCELLED, token=None)
        return looked_at(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(pictures, "_looked_at", stopped)
    assert pictures.work(part.pk)
    assert found(part) == []


def test_the_span_and_cameras_count_and_too_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = CameraFactory.create()
    stored(nobody(), camera=camera)
    stored(nobody())
    assert ask(cameras=[camera]).total == 1
    assert ask(since=timezone.now() - timedelta(hours=1)).total == 0
    monkeypatch.setattr(pictures, "MOST_PICTURES", 1)
    with pytest.raises(SearchError, match="more than 1 stored pictures"):
        ask()


def test_another_pack_or_no_pack_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    stored(nobody())
    part, other = ask(), ask()
    PhotoSearch.objects.filter(pk=part.search_id).update(pack="other-1")
    assert pictures.work(part.pk)
    part.refresh_from_db()
    assert part.state == SearchState.FAILED
    assert "pack was changed" in part.why

    def fail() -> None:
        raise ModelError("The model is not there. Install it.")

    monkeypatch.setattr(pictures, "current_pack", fail)
    assert pictures.work(other.pk)
    other.refresh_from_db()
    assert "The model is not there" in other.why


def test_asking_for_them_later() -> None:
    actor = operator()
    made = asking.ask(actor=actor, upload=Upload(name="a.jpg", data=astronaut()), wanted=Wanted(**WHY))
    asking.also_pictures(actor=actor, search=made)
    with pytest.raises(SearchError, match="being looked through already"):
        asking.also_pictures(actor=actor, search=made)
    pictures.work(made.parts.get(source=SearchSource.PICTURES).pk)
    with pytest.raises(SearchError, match="were looked through already"):
        asking.also_pictures(actor=actor, search=made)
