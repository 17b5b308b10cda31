"""The API of searches by photo."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import Q

from accounts.models import AuditEvent
from accounts.roles import Role
from accounts.tests.clients import key_client, problem
from cameras import release
from cameras.models import Identity, PhotoSearch
from cameras.photo_search.running import run_waiting
from cameras.tests.factories import CameraFactory, SightingFactory
from cameras.tests.photo_search.looks import WHY, See, in_memory, near, operator, search, unknown
from recognition.tests.factories import PersonFactory, TemplateFactory, embedding, picture

pytestmark = pytest.mark.django_db
PATH = "/api/v1/photo-searches"


@pytest.fixture(autouse=True)
def one_face(see: See) -> None:
    see(1)


def photo(data: bytes | None = None) -> SimpleUploadedFile:
    return SimpleUploadedFile("a.jpg", picture() if data is None else data, "image/jpeg")


def test_searching_reading_and_deleting() -> None:
    ada = TemplateFactory.create(vector=near(1), person__name="Ada").person
    SightingFactory.create(person=ada)
    them = Identity.objects.create()
    unknown(embedding(1), identity=them)
    client = key_client(Role.OPERATOR)
    camera = CameraFactory.create()
    made = client.post(PATH, {"photo": photo(), **WHY})
    assert made.status_code == 201, made.content
    place = made["Location"]
    assert made.json()["state"] == "waiting"
    first = made.json()["faces"][0]["candidates"][0]
    assert (first["person"], first["name"], first["match"], first["lead"]) == (ada.pk, "Ada", True, False)
    assert len(first["sightings"]) == 1
    run_waiting(in_memory())
    found: dict[str, Any] = client.get(place).json()
    assert found["state"] == "done"
    assert {one["identity"] for one in found["faces"][0]["candidates"]} == {None, them.pk}
    assert "Stored pictures were not looked through." in found["not_searched"]
    limited = client.post(PATH, {"photo": photo(), **WHY, "cameras": [camera.pk], "from": "2026-01-01T00:00:00Z"})
    assert limited.json()["cameras"] == [camera.pk]
    assert [one["id"] for one in client.get(PATH).json()["results"]] == [limited.json()["id"], found["id"]]
    assert client.get(PATH, {"case_number": "1999"}).json()["results"] == []
    assert client.delete(place).status_code == 204
    problem(client.get(place), 404)


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"reason": ""}, 400),
        ({"reason": "why"}, 400),
        ({"case_number": None}, 400),
        ({"cameras": ["99"]}, 400),
        ({"cameras": ["x"]}, 400),
        ({"from": "never"}, 400),
        ({"from": "2026-01-02T00:00Z", "to": "2026-01-01T00:00Z"}, 400),
        ({"faces": ["7"]}, 400),
        ({"least_similarity": "nan"}, 400),
        ({"photo": None}, 400),
    ],
)
def test_bad_input(values: dict[str, Any], status: int) -> None:
    client = key_client(Role.OPERATOR)
    sent = {"photo": photo(), **WHY} | values
    problem(client.post(PATH, {key: value for key, value in sent.items() if value is not None}), status)
    assert not PhotoSearch.objects.exists()


def test_photos_that_can_not_be_searched(see: See) -> None:
    client = key_client(Role.OPERATOR)
    problem(client.post(PATH, {"photo": photo(b"text"), **WHY}), 422)
    see()
    assert "No face" in problem(client.post(PATH, {"photo": photo(), **WHY}), 422)["detail"]


def test_who_may_not() -> None:
    made = search(operator())
    for client in (key_client(None), key_client(Role.VIEWER)):
        problem(client.get(PATH), 403)
        problem(client.get(f"{PATH}/{made.pk}"), 403)
        problem(client.post(PATH, {"photo": photo(), **WHY}), 403)
    other = key_client(Role.OPERATOR)
    problem(other.delete(f"{PATH}/{made.pk}"), 403)
    assert other.get(f"{PATH}/{made.pk}").status_code == 200
    assert AuditEvent.objects.filter(verb="looked at").count() == 1
    problem(other.put(f"{PATH}/{made.pk}", {}), 405)
    problem(other.get(f"{PATH}/{'0' * 36}"), 404)


def test_a_lead_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    person = PersonFactory.create(name="Ada")
    template = unknown(embedding(1), identity=Identity.objects.create(person=person))
    made = search(operator())
    run_waiting(in_memory())
    monkeypatch.setattr(release, "_leads", [lambda: Q(pk=template.sighting_id)])
    answer = key_client(Role.OPERATOR).get(f"{PATH}/{made.pk}")
    one = answer.json()["faces"][0]["candidates"][0]
    assert (one["lead"], one["person"], one["identity"], one["name"], one["sightings"]) == (True, None, None, None, [])
    assert one["best"]["shot"] is None
    assert "Ada" not in answer.content.decode()


def test_a_lead_is_not_told_beside_the_name_of_who_was_found_among_people(monkeypatch: pytest.MonkeyPatch) -> None:
    ada = TemplateFactory.create(vector=near(1), person__name="Ada").person
    template = unknown(embedding(1), identity=Identity.objects.create(person=ada))
    made = search(operator())
    run_waiting(in_memory())
    client = key_client(Role.OPERATOR)
    (one,) = client.get(f"{PATH}/{made.pk}").json()["faces"][0]["candidates"]
    assert one["best"]["id"] == str(template.sighting_id)
    monkeypatch.setattr(release, "_leads", [lambda: Q(pk=template.sighting_id)])
    answer = client.get(f"{PATH}/{made.pk}")
    (one,) = answer.json()["faces"][0]["candidates"]
    assert (one["person"], one["lead"], one["best"], one["sightings"]) == (ada.pk, False, None, [])
    assert str(template.sighting_id) not in answer.content.decode()


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "1969-12-31T00:00:00Z", "9999-12-31T23:59:00Z"])
@pytest.mark.parametrize("field", ["from", "to"])
def test_times_that_not_every_clock_can_say(field: str, moment: str) -> None:
    client = key_client(Role.OPERATOR)
    assert field in problem(client.post(PATH, {"photo": photo(), **WHY, field: moment}), 400)["errors"]
    assert client.get(PATH).json()["results"] == []
