"""Exports: what they hold, that they are streamed, who may, and what happens to whoever is deleted meanwhile."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db.models import Q
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, User
from accounts.roles import Role
from accounts.tests.factories import UserFactory, sign_in
from cameras import release
from cameras.history import exporting
from cameras.history.exporting import COLUMNS, begin, written
from cameras.history.filters import Filters
from cameras.models import ConflictKind, Identity, Link, Sighting, SightingConflict, Verdict
from cameras.tests.factories import NOON, CameraFactory, SightingFactory
from cameras.tests.history.rows import expected, world
from recognition.services import delete_person
from recognition.tests.factories import PersonFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("kept_connection")]
WHY = {"reason": "Case 12, asked for by the court"}


async def _collected(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


def text_of(kind: str, filters: Filters, *, page: int = 7, actor: User | None = None) -> str:
    export = begin(actor=actor or UserFactory.create(), kind=kind, filters=filters, reason="Because of a test")
    return async_to_sync(_collected)(written(export, page=page)).decode()


def rows_of(kind: str, filters: Filters = Filters()) -> list[dict[str, Any]]:  # noqa: B008 (frozen)
    text = text_of(kind, filters)
    if kind == "csv":
        return list(csv.DictReader(io.StringIO(text, newline="")))
    document = json.loads(text)
    if kind == "json":
        return list(document["sightings"])
    return [feature["properties"] for feature in document["features"] if "sighting" in feature["properties"]]


def _delete() -> None:
    person = Identity.objects.get().person
    assert person is not None
    delete_person(actor=None, person=person)


@pytest.fixture
def held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sightings of quality 0.125 are leads."""
    monkeypatch.setattr(release, "_leads", [lambda: Q(quality=0.125)])


@pytest.mark.parametrize("kind", ["csv", "json", "geojson"])
def test_every_format_holds_every_sighting_that_fits_the_oldest_first(kind: str) -> None:
    there = world(5, count=120)
    for asked in (
        Filters(),
        Filters(camera=there.cameras[0].pk, quality=0.4),
        Filters(identity=there.identities[0].pk),
        Filters(zone=there.picture.pk, oldest_first=True),
    ):
        found = [row["sighting"] for row in rows_of(kind, asked)]
        wanted = [str(pk) for pk in expected(asked, there)]
        assert found == (wanted if asked.oldest_first else wanted[::-1])


def test_the_columns_stay_and_times_are_utc() -> None:
    identity = Identity.objects.create(label="Red hat")
    row = SightingFactory.create(
        person=None, identity=identity, link=Link.LINKED, link_similarity=0.9, similarity=None, is_doubted=True
    )
    other = SightingFactory.create(person=None, camera__name="Door", first_seen=row.first_seen)
    SightingConflict.objects.create(
        identity=identity, stronger=other, weaker=row, kind=ConflictKind.TOO_FAST, seconds=20, needed=90
    )
    (found,) = rows_of("csv", Filters(identity=identity.pk))
    assert tuple(found) == COLUMNS
    assert found["first_seen"] == row.first_seen.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (found["seconds"], found["similarity"], found["doubted"], found["open"]) == ("8.0", "", "true", "false")
    assert found["doubted_because"] == "Door saw them 20 s before: nobody takes less than 90 s. That one fits better."
    (found,) = rows_of("json", Filters(identity=identity.pk))
    assert tuple(found) == COLUMNS
    assert (found["identity"], found["identity_name"], found["similarity"]) == (identity.pk, "Red hat", None)


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\uff1dcmd", '=HYPERLINK("http://x","y")', "\tx"])
def test_no_cell_is_a_formula(name: str) -> None:
    Identity.objects.create(label=name)
    SightingFactory.create(person=None, identity=Identity.objects.get(), camera_name=f'{name},\n"Gate"', camera=None)
    SightingFactory.create(person=None, latitude=-33.5, longitude=-70.25)
    first, second = rows_of("csv")
    assert first["identity_name"] == f"'{name}"
    assert first["camera_name"] == f'\'{name},\n"Gate"'
    assert second["latitude"] == "-33.5"


def test_geojson_has_points_and_the_path_of_one() -> None:
    identity = Identity.objects.create()
    places = [(178.0, 1.0), (178.0, 1.0), (-178.0, 3.0), (None, None), (-150.0, 20.0)]
    for n, (lon, lat) in enumerate(places):
        moment = NOON + timedelta(hours=n)
        SightingFactory.create(person=None, identity=identity, longitude=lon, latitude=lat, first_seen=moment)
    SightingFactory.create(
        person=None, identity=identity, longitude=99.0, latitude=9.0, first_seen=NOON, is_doubted=True
    )
    document = json.loads(text_of("geojson", Filters(identity=identity.pk)))
    assert (document["type"], document["complete"], document["count"]) == ("FeatureCollection", True, 6)
    *points, path = document["features"]
    assert all(feature["type"] == "Feature" for feature in document["features"])
    assert sum(feature["geometry"] is None for feature in points) == 1
    assert {tuple(f["geometry"]["coordinates"]) for f in points if f["geometry"]} == {
        *places[:3],
        places[4],
        (99.0, 9.0),
    }
    assert path["geometry"] == {
        "type": "MultiLineString",
        "coordinates": [[[178.0, 1.0], [180.0, 2.0]], [[-180.0, 2.0], [-178.0, 3.0], [-150.0, 20.0]]],
    }
    assert len(path["properties"]["times"]) == 3
    everybody = json.loads(text_of("geojson", Filters()))["features"]
    assert [f["geometry"]["type"] for f in everybody if f["geometry"]] == ["Point"] * 5


@pytest.mark.parametrize("kind", ["csv", "json", "geojson"])
def test_nothing_to_export(kind: str) -> None:
    assert rows_of(kind) == []


@pytest.mark.usefixtures("held_back")
def test_leads_do_not_say_who() -> None:
    identity = Identity.objects.create(person=PersonFactory.create(name="Ada"))
    lead = SightingFactory.create(person=identity.person, identity=identity, link=Link.RECOGNISED, quality=0.125)
    plain = SightingFactory.create(person=identity.person, identity=identity, link=Link.RECOGNISED)
    found = {row["sighting"]: row for row in rows_of("json")}
    held = found[str(lead.pk)]
    assert held["lead"] is True
    hidden = ("identity", "identity_name", "person", "similarity", "threshold", "link_similarity", "doubted")
    assert [held[name] for name in hidden] == [None] * 7
    assert found[str(plain.pk)]["identity_name"] == "Ada"
    for asked in (
        Filters(identity=identity.pk),
        Filters(who="known"),
        Filters(similarity=0.1),
        Filters(link="recognised"),
    ):
        assert [row["sighting"] for row in rows_of("json", asked)] == [str(plain.pk)]
    assert "Ada" not in json.dumps([held])


def test_who_is_deleted_meanwhile_is_in_no_later_part_and_the_file_says_so() -> None:
    identity = Identity.objects.create(person=PersonFactory.create(name="Ada Lovelace"))
    for _ in range(10):
        SightingFactory.create(person=identity.person, identity=identity)

    async def half(filters: Filters) -> str:
        actor = await sync_to_async(UserFactory.create)()
        export = await sync_to_async(begin)(actor=actor, kind="json", filters=filters, reason="Because")
        pieces, parts = written(export, page=4), []
        async for piece in pieces:
            parts.append(piece)
            if len(parts) == 2:  # the head and the first page
                await sync_to_async(_delete)()
        return b"".join(parts).decode()

    document = json.loads(async_to_sync(half)(Filters(identity=identity.pk)))
    assert (len(document["sightings"]), document["complete"]) == (4, False)
    assert "was deleted" in document["note"]
    ended = AuditEvent.objects.get(verb="export ended")
    assert (ended.detail["sightings"], ended.detail["complete"]) == (4, False)


def test_an_export_of_all_says_that_somebody_in_it_was_deleted() -> None:
    identity = Identity.objects.create(person=PersonFactory.create(name="Ada Lovelace"))
    for _ in range(6):
        SightingFactory.create(person=identity.person, identity=identity)

    async def half() -> str:
        actor = await sync_to_async(UserFactory.create)()
        export = await sync_to_async(begin)(actor=actor, kind="csv", filters=Filters(), reason="Because")
        parts = []
        async for piece in written(export, page=4):
            parts.append(piece)
            if len(parts) == 2:
                await sync_to_async(_delete)()
        return b"".join(parts[2:]).decode()

    later = async_to_sync(half)()
    assert "Ada" not in later
    assert later.splitlines()[-1].strip('"').startswith("The export was cut: 1 of those it names were deleted")


def test_whoever_stops_reading_is_on_record() -> None:
    SightingFactory.create_batch(10, person=None, camera=CameraFactory.create())

    async def stopped() -> None:
        actor = await sync_to_async(UserFactory.create)()
        export = await sync_to_async(begin)(actor=actor, kind="csv", filters=Filters(), reason="Because")
        pieces = written(export, page=4)
        await anext(pieces)
        await anext(pieces)
        await pieces.aclose()  # type: ignore[attr-defined]

    async_to_sync(stopped)()
    assert AuditEvent.objects.get(verb="export ended").detail == {"sightings": 4, "complete": False}


def test_only_a_page_is_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    SightingFactory.create_batch(25, person=None, camera=CameraFactory.create())
    sizes: list[int] = []
    kept = exporting.rows_of

    def noted(rows: Sequence[Sighting], *, leads_too: bool) -> list[dict[str, Any]]:
        sizes.append(len(rows))
        return kept(rows, leads_too=leads_too)

    monkeypatch.setattr(exporting, "rows_of", noted)
    text_of("csv", Filters(), page=10)
    assert sizes == [10, 10, 5]


@pytest.mark.parametrize("name", ["history_export", "identity_export"])
def test_who_may_and_how(client: Client, name: str) -> None:
    identity = Identity.objects.create()
    SightingFactory.create(person=None, identity=identity, link=Link.NEW, verdict=Verdict.UNKNOWN)
    page = reverse(name, args=["csv"] if name == "history_export" else [identity.pk, "csv"])
    assert client.post(page, WHY)["Location"].startswith("/accounts/login/")
    sign_in(client, Role.VIEWER)
    assert client.post(page, WHY).status_code == 403
    user = sign_in(client, Role.OPERATOR)
    assert client.get(page).status_code == 405
    assert client.post(page.replace("csv", "exe"), WHY).status_code == 404
    answer = client.post(page, WHY | {"camera": "", "verdict": "unknown"})
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/csv")
    assert answer["Content-Disposition"].startswith("attachment; filename=")
    assert answer["Cache-Control"] == "no-store"
    assert b"".join(answer).decode().count("\r\n") == 2
    begun, ended = AuditEvent.objects.filter(verb__in=["exported", "export ended"]).order_by("id")
    assert (begun.actor, begun.detail["reason"]) == (user, WHY["reason"])
    assert "verdict=unknown" in begun.detail["filters"]
    assert (ended.detail["sightings"], ended.detail["complete"]) == (1, True)


def test_csrf_is_asked_for() -> None:
    client = Client(enforce_csrf_checks=True)
    sign_in(client, Role.OPERATOR)
    assert client.post(reverse("history_export", args=["csv"]), WHY).status_code == 403


@pytest.mark.parametrize("values", [{"reason": " x "}, {"reason": ""}, {}, {"reason": "Court", "camera": "x"}])
def test_without_a_reason_or_with_nonsense_nothing_leaves(client: Client, values: dict[str, str]) -> None:
    sign_in(client, Role.OPERATOR)
    SightingFactory.create(person=None)
    answer = client.post(reverse("history_export", args=["json"]), values, follow=True)
    assert "note--error" in answer.content.decode()
    assert not AuditEvent.objects.filter(verb="exported").exists()


def test_an_identity_that_is_no_more(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    merged = Identity.objects.create(merged_into=Identity.objects.create())
    for pk in (merged.pk, 10**9):
        assert client.post(reverse("identity_export", args=[pk, "csv"]), WHY).status_code == 404
    assert Sighting.objects.count() == 0
