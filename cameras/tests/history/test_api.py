"""The API of identities, sightings by any filters, and exports."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db.models import Q
from rest_framework.test import APIClient

from accounts.models import AuditEvent
from accounts.roles import Role
from accounts.tests.clients import key_client, problem
from cameras import release
from cameras.history.filters import Filters
from cameras.models import Identity, Link
from cameras.tests.factories import NOON, CameraFactory, SightingFactory
from cameras.tests.history.rows import expected, world
from recognition.tests.factories import PersonFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer() -> APIClient:
    return key_client(Role.VIEWER)


@pytest.fixture
def held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sightings of quality 0.125 are leads."""
    monkeypatch.setattr(release, "_leads", [lambda: Q(quality=0.125)])


def all_of(client: APIClient, address: str) -> list[str]:
    """The ids on all pages."""
    found = []
    onward: str | None = address
    while onward is not None:
        body = client.get(onward).json()
        found += [row["id"] for row in body["results"]]
        onward = body["next"]
    return found


def test_who_may() -> None:
    identity = Identity.objects.create()
    gets = ["/api/v1/identities", f"/api/v1/identities/{identity.pk}", f"/api/v1/identities/{identity.pk}/sightings"]
    posts = ["/api/v1/history/export", f"/api/v1/identities/{identity.pk}/export"]
    nobody, without, viewer = APIClient(), key_client(None), key_client(Role.VIEWER)
    for address in gets:
        assert nobody.get(address).status_code == 401
        assert without.get(address).status_code == 403
        assert viewer.get(address).status_code == 200
        assert viewer.post(address).status_code == 405
    for address in posts:
        assert nobody.post(address).status_code == 401
        assert viewer.post(address, {}, format="json").status_code == 403
        assert key_client(Role.OPERATOR).get(address).status_code == 405


def test_sightings_by_any_filters(viewer: APIClient) -> None:
    there = world(9, count=150)
    asked = {
        f"identity={there.identities[0].pk}": Filters(identity=there.identities[0].pk),
        f"watchlist={there.watchlists[0].pk}": Filters(watchlist=there.watchlists[0].pk),
        f"zone={there.picture.pk}": Filters(zone=there.picture.pk),
        f"group={there.group.pk}&quality=0.5": Filters(group=there.group.pk, quality=0.5),
        "link=hand": Filters(link="hand"),
        "who=unknown&order=oldest": Filters(who="unknown", oldest_first=True),
        "doubted=true": Filters(doubted=True),
        "present=true&verdict=known": Filters(present=True, verdict="known"),
        f"camera={there.cameras[0].pk}": Filters(camera=there.cameras[0].pk),
        "doubted=false": Filters(),
    }
    for query, filters in asked.items():
        found = all_of(viewer, f"/api/v1/sightings?{query}&limit=11")
        assert found == [str(pk) for pk in expected(filters, there)], query
    row = viewer.get("/api/v1/sightings?who=unknown").json()["results"][0]
    assert {"identity", "link", "link_similarity", "doubted"} <= set(row)


def test_nonsense(viewer: APIClient) -> None:
    identity = Identity.objects.create()
    for address in ("/api/v1/sightings", f"/api/v1/identities/{identity.pk}/sightings"):
        for query, field in [
            ("similarity=3", "similarity"),
            ("zone=x", "zone"),
            ("link=x", "link"),
            ("from=x", "from"),
        ]:
            assert field in problem(viewer.get(f"{address}?{query}"), 400)["errors"]
        problem(viewer.get(f"{address}?quality=0.5&cursor=x"), 404)
    problem(viewer.get("/api/v1/identities/999999"), 404)
    problem(viewer.get("/api/v1/identities?who=x"), 400)


def test_identities(viewer: APIClient) -> None:
    known = Identity.objects.create(person=PersonFactory.create(name="Ada"))
    unknown = Identity.objects.create(label="Red hat")
    merged = Identity.objects.create(merged_into=unknown)
    gate = CameraFactory.create(name="Gate")
    for hours in (0, 2, 1):
        SightingFactory.create(
            person=None, identity=unknown, camera=gate, first_seen=NOON + timedelta(hours=hours), is_open=hours == 2
        )
    SightingFactory.create(person=None, identity=unknown, first_seen=NOON + timedelta(hours=9), is_doubted=True)
    assert [row["id"] for row in viewer.get("/api/v1/identities").json()["results"]] == [unknown.pk, known.pk]
    for query, wanted in (("who=known", known), ("who=unknown", unknown), (f"person={known.person_id}", known)):
        (row,) = viewer.get(f"/api/v1/identities?{query}").json()["results"]
        assert row["id"] == wanted.pk
    body = viewer.get(f"/api/v1/identities/{unknown.pk}").json()
    assert (body["name"], body["person"], body["sightings"], body["present"]) == ("Red hat", None, 3, True)
    assert (body["last_camera"], body["last_camera_name"]) == (gate.pk, "Gate")
    assert body["last_seen"].startswith("2026-03-14T14:00:08")
    assert viewer.get(f"/api/v1/identities/{merged.pk}").json()["merged_into"] == unknown.pk
    assert body["created_at"] is not None
    empty = viewer.get(f"/api/v1/identities/{known.pk}").json()
    assert empty["created_at"] is None  # a lead may be why there is one
    assert (empty["name"], empty["sightings"], empty["last_seen"], empty["present"]) == ("Ada", 0, None, False)


@pytest.mark.usefixtures("held_back")
def test_a_lead_does_not_say_who(viewer: APIClient) -> None:
    identity = Identity.objects.create(person=PersonFactory.create(name="Ada"))
    common = {"person": identity.person, "identity": identity, "link": Link.RECOGNISED}
    lead = SightingFactory.create(**common, quality=0.125, threshold=0.7125)
    plain = SightingFactory.create(**common, first_seen=lead.first_seen - timedelta(hours=1))
    body = viewer.get(f"/api/v1/sightings/{lead.pk}").json()
    assert (body["lead"], body["identity"], body["link"], body["doubted"]) == (True, None, "", None)
    assert (body["similarity"], body["threshold"]) == (None, None)  # a watchlist may have a threshold of its own
    for query in (
        f"identity={identity.pk}",
        "who=known",
        "link=recognised",
        "similarity=0.1",
        f"person={identity.person_id}",
    ):
        assert all_of(viewer, f"/api/v1/sightings?{query}") == [str(plain.pk)], query
    assert all_of(viewer, f"/api/v1/identities/{identity.pk}/sightings") == [str(plain.pk)]
    body = viewer.get(f"/api/v1/identities/{identity.pk}").json()
    assert body["sightings"] == 1
    assert body["last_seen"] == viewer.get(f"/api/v1/sightings/{plain.pk}").json()["last_seen"]
    several = viewer.get("/api/v1/sightings?verdict=known&quality=0").json()["results"]
    assert {row["id"]: row["identity"] for row in several} == {str(lead.pk): None, str(plain.pk): identity.pk}


@pytest.mark.usefixtures("kept_connection")
def test_exports() -> None:
    operator = key_client(Role.OPERATOR)
    identity = Identity.objects.create()
    SightingFactory.create(person=None, identity=identity)
    SightingFactory.create(person=None)
    for address, count in (("/api/v1/history/export", 2), (f"/api/v1/identities/{identity.pk}/export", 1)):
        wanted = {"format": "json", "reason": "For the court", "order": "newest"}
        answer = operator.post(address, wanted, format="json")
        assert answer.status_code == 200, answer.content
        document = json.loads(b"".join(answer))
        assert (document["count"], document["complete"]) == (count, True)
        assert (
            "reason" in problem(operator.post(address, {"format": "csv", "reason": "x"}, format="json"), 400)["errors"]
        )
        assert (
            "format"
            in problem(operator.post(address, {"format": "exe", "reason": "Court"}, format="json"), 400)["errors"]
        )
    assert AuditEvent.objects.filter(verb="exported").count() == 2
