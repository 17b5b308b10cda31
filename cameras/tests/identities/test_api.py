"""The API with which identities are put right."""

from __future__ import annotations

import uuid

import pytest
from django.db.models import Q
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.roles import Role
from accounts.tests.clients import key_client, problem
from cameras import release
from cameras.identities import corrections
from cameras.models import Correction, Identity, MergeProposal, NotSameIdentity, Sighting
from cameras.tests.identities.people import WHY, known, unknown
from cameras.tests.identities.test_views import with_shot
from recognition import gallery
from recognition.models import Person
from recognition.tests.factories import PersonFactory
from recognition.tests.fakes import fake_eyes

__all__ = ["fake_eyes"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> APIClient:
    return key_client(Role.OPERATOR)


def test_merging_and_undoing(operator: APIClient) -> None:
    one, other = unknown(), unknown(3)
    done = operator.post(f"/api/v1/identities/{one.pk}/merge", {"other": other.pk, "reason": WHY}, format="json")
    assert done.status_code == 201
    body = done.json()
    assert (body["kind"], body["identity"], body["other"], body["sightings"]) == ("merged", one.pk, other.pk, 3)
    listed = operator.get(f"/api/v1/identities/{other.pk}/corrections").json()["results"]
    assert [row["id"] for row in listed] == [body["id"]]
    undone = operator.post(f"/api/v1/corrections/{body['id']}/undo", {}, format="json")
    assert undone.status_code == 200
    assert (undone.json()["restored"], undone.json()["left"], undone.json()["still_enrolled"]) == (3, 0, None)
    again = operator.post(f"/api/v1/corrections/{body['id']}/undo", {}, format="json")
    assert "has undone this already" in problem(again, 409)["detail"]


def test_splitting_and_not_them(operator: APIClient) -> None:
    identity = unknown(3)
    ids = [str(pk) for pk in Sighting.objects.values_list("pk", flat=True)]
    url = f"/api/v1/identities/{identity.pk}/split"
    assert operator.post(url, {"sightings": ids[:1], "reason": WHY}, format="json").status_code == 201
    problem(operator.post(url, {"sightings": ids[:1], "reason": WHY}, format="json"), 409)
    not_them = operator.post(f"/api/v1/sightings/{ids[1]}/not-them", {"reason": WHY}, format="json")
    assert not_them.json()["kind"] == "not_them"
    assert Identity.objects.count() == 3


@pytest.mark.usefixtures("fake_eyes")
def test_naming(operator: APIClient, settings: Settings) -> None:
    settings.GALLERY_POLL_SECONDS = 0
    gallery.forget()
    first, second, third = unknown(0), unknown(0), unknown(1)
    one, other = with_shot(first, 91), with_shot(second, 91)
    url = f"/api/v1/identities/{first.pk}/name"
    done = operator.post(url, {"name": "Eve", "shots": [str(one.pk)]}, format="json")
    assert done.status_code == 201
    person = Person.objects.get()
    assert done.json()["person"] == person.pk
    url = f"/api/v1/identities/{second.pk}/name"
    alike = problem(operator.post(url, {"name": "Eva", "shots": [str(other.pk)]}, format="json"), 409)
    assert alike["duplicates"][0]["name"] == "Eve"
    assert operator.post(url, {"person": person.pk}, format="json").status_code == 201
    blind = str(Sighting.objects.get(identity=third).pk)
    url = f"/api/v1/identities/{third.pk}/name"
    assert problem(operator.post(url, {"name": "Una", "shots": [blind]}, format="json"), 422)["rejected"]
    undone = operator.post(f"/api/v1/corrections/{done.json()['id']}/undo", {"remove_person": True}, format="json")
    assert undone.status_code == 200
    assert not Person.objects.exists()


def test_proposals_are_listed_and_answered(operator: APIClient) -> None:
    one, two, three = unknown(), unknown(), unknown()
    first = MergeProposal.objects.create(first=one, second=two, similarity=0.95)
    second = MergeProposal.objects.create(first=two, second=three, similarity=0.9)
    rows = operator.get("/api/v1/identities/proposals").json()["results"]
    assert [row["id"] for row in rows] == [first.pk, second.pk]
    assert rows[0]["first_name"] == str(one)
    refused = operator.post(f"/api/v1/identities/proposals/{second.pk}", {"same": False}, format="json")
    assert refused.status_code == 204
    assert NotSameIdentity.objects.filter(first=two, second=three).exists()
    same = operator.post(f"/api/v1/identities/proposals/{first.pk}", {"same": True, "reason": WHY}, format="json")
    assert same.status_code == 201
    assert operator.get("/api/v1/identities/proposals").json()["results"] == []
    problem(operator.post(f"/api/v1/identities/proposals/{first.pk}", {"same": True}, format="json"), 404)


def test_programs_are_not_told_who_a_lead_may_be(operator: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger, theirs = unknown(), known(PersonFactory.create())
    maybe = MergeProposal.objects.create(first=stranger, second=theirs, similarity=0.8)
    assert operator.get("/api/v1/identities/proposals").json()["results"] == []
    problem(operator.post(f"/api/v1/identities/proposals/{maybe.pk}", {"same": False}, format="json"), 404)
    monkeypatch.setattr(release, "_leads", [lambda: Q(identity=theirs)])
    row = Sighting.objects.filter(identity=theirs)[0]
    said = problem(operator.post(f"/api/v1/sightings/{row.pk}/not-them", {"reason": WHY}, format="json"), 409)
    assert "only a lead" in said["detail"]
    assert not Correction.objects.exists()


def test_erasing(operator: APIClient) -> None:
    identity = unknown()
    done = operator.post(f"/api/v1/identities/{identity.pk}/erase", {"reason": "They asked."}, format="json")
    assert done.json() == {"sightings": 2}
    theirs = known(PersonFactory.create())
    problem(operator.post(f"/api/v1/identities/{theirs.pk}/erase", {"reason": "They asked."}, format="json"), 409)


def urls() -> list[str]:
    identity = unknown(1)
    done = corrections.merge(actor=None, kept=identity, gone=unknown(1), reason=WHY)
    sighting = Sighting.objects.filter(identity=identity)[0].pk
    proposal = MergeProposal.objects.create(first=unknown(1), second=unknown(1), similarity=0.9)
    base = f"/api/v1/identities/{identity.pk}"
    return [
        *(f"{base}/{verb}" for verb in ("merge", "split", "name", "erase")),
        f"/api/v1/sightings/{sighting}/not-them",
        f"/api/v1/corrections/{done.pk}/undo",
        f"/api/v1/identities/proposals/{proposal.pk}",
    ]


def test_bad_input_is_explained(operator: APIClient) -> None:
    for url in urls():
        if not url.endswith("undo"):
            problem(operator.post(url, {}, format="json"), 400)
        problem(operator.post(url, "[]", content_type="application/json"), 400)
        problem(operator.post(url, {"reason": WHY}), 415)
    identity = unknown()
    url = f"/api/v1/identities/{identity.pk}"
    for body in ({"other": "x"}, {"other": -1}, {"other": 10**30}):
        problem(operator.post(f"{url}/merge", body | {"reason": WHY}, format="json"), 400)
    problem(operator.post(f"{url}/merge", {"other": 99_999, "reason": WHY}, format="json"), 404)
    problem(operator.post(f"{url}/merge", {"other": identity.pk, "reason": WHY}, format="json"), 409)
    problem(operator.post(f"{url}/split", {"sightings": ["x"], "reason": WHY}, format="json"), 400)
    problem(operator.post(f"{url}/name", {"name": "\x00"}, format="json"), 400)
    problem(operator.post(f"/api/v1/sightings/{uuid.uuid4()}/not-them", {"reason": WHY}, format="json"), 404)
    assert Correction.objects.count() == 1


def test_who_may_not_is_refused() -> None:
    found, viewer = urls(), key_client(Role.VIEWER)
    for url in found:
        problem(APIClient().post(url, {"reason": WHY}, format="json"), 401)
        problem(viewer.post(url, {"reason": WHY}, format="json"), 403)
    problem(viewer.get("/api/v1/identities/proposals"), 403)


def test_wrong_methods_are_refused(operator: APIClient) -> None:
    for url in urls():
        problem(operator.get(url), 405)
