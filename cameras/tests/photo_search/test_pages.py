"""The pages of searches by photo."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts import vault
from accounts.models import AuditEvent
from accounts.roles import Role
from accounts.tests.factories import UserFactory, sign_in
from cameras.models import Identity, LinkerState, PhotoSearch, PhotoSearchHit, SearchPart, SearchSource, SearchState
from cameras.photo_search.running import run_waiting
from cameras.tests.factories import CameraFactory, SightingFactory
from cameras.tests.photo_search.looks import WHY, See, in_memory, near, operator, search, unknown
from recognition.models import Photo
from recognition.tests.factories import TemplateFactory, embedding, picture

pytestmark = pytest.mark.django_db

PAGES = {
    "photo_searches": ({"get", "post"}, False),
    "photo_search": ({"get"}, True),
    "photo_search_start": ({"post"}, True),
    "photo_search_pictures": ({"post"}, True),
    "photo_search_cancel": ({"post"}, True),
    "photo_search_delete": ({"post"}, True),
}


@pytest.fixture(autouse=True)
def one_face(see: See) -> None:
    see(1)


def form(data: bytes | None = None, **values: Any) -> dict[str, Any]:
    photo = SimpleUploadedFile("a.jpg", picture() if data is None else data, "image/jpeg")
    return {"photos": photo, **WHY, **values}


def address(name: str, made: PhotoSearch | None = None) -> str:
    return reverse(name, args=[(made or search()).pk] if PAGES[name][1] else [])


@pytest.mark.parametrize("name", PAGES)
def test_who_may_not_and_wrong_methods(client: Client, name: str) -> None:
    methods, _ = PAGES[name]
    page = address(name)
    method = sorted(methods)[0]
    assert getattr(client, method)(page)["Location"].startswith("/accounts/login/")
    for role in (None, Role.VIEWER):
        sign_in(client, role)
        assert getattr(client, method)(page).status_code == 403
    sign_in(client, Role.OPERATOR)
    assert client.delete(page).status_code == 405
    if "get" not in methods:
        assert client.get(page).status_code == 405
    if "post" not in methods:
        assert client.post(page).status_code == 405
    assert PhotoSearch.objects.count() == PAGES[name][1]


def test_from_the_photo_to_the_result(client: Client) -> None:
    user = sign_in(client, Role.OPERATOR)
    assert "What is searched" in client.get(reverse("photo_searches")).content.decode()
    ada = TemplateFactory.create(vector=near(1), person__name="Ada Lovelace").person
    SightingFactory.create(person=ada, camera=CameraFactory.create(name="North gate"))
    them = Identity.objects.create()
    unknown(embedding(1), identity=them, camera=CameraFactory.create(name="South gate"))
    answer = client.post(reverse("photo_searches"), form())
    made = PhotoSearch.objects.get()
    assert answer["Location"] == reverse("photo_search", args=[made.pk])
    page = client.get(answer["Location"]).content.decode()
    assert "Ada Lovelace" in page
    assert "North gate" in page
    assert "South gate" not in page
    assert 'hx-trigger="every 2s"' in page
    run_waiting(in_memory())
    page = client.get(answer["Location"], headers={"HX-Request": "true"}).content.decode()
    assert page.strip().startswith('<div class="stack" id="found"')
    assert "every 2s" not in page
    assert reverse("identity", args=[them.pk]) in page
    assert "South gate" in page
    assert "2 matches" in page
    assert "Stored pictures were not looked through." in page
    assert WHY["reason"] in page
    assert user.get_username() in page
    listed = client.get(reverse("photo_searches"), {"case": "2026"}).content.decode()
    assert WHY["reason"] in listed
    assert WHY["reason"] not in client.get(reverse("photo_searches"), {"case": "1999"}).content.decode()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"reason": ""}, "This field is required"),
        ({"reason": "why"}, "for what reason"),
        ({"case_number": ""}, "This field is required"),
        ({"case_number": "x" * 101}, "at most 100 characters"),
        ({"since": "2026-03-02T00:00", "until": "2026-03-01T00:00"}, "ends before it begins"),
        ({"since": "yesterday"}, "Enter a valid date"),
        ({"cameras": "99"}, "Select a valid choice"),
        ({"least_similarity": "7"}, "less than or equal to 1"),
        ({"data": b"just text"}, "JPEG, PNG or WebP"),
        ({"data": picture()[:300]}, "damaged"),
        ({"data": b""}, "empty"),
    ],
)
def test_what_is_wrong_gets_a_sentence(client: Client, values: dict[str, Any], sentence: str) -> None:
    sign_in(client, Role.OPERATOR)
    answer = client.post(reverse("photo_searches"), form(**values) if "data" not in values else form(values["data"]))
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not PhotoSearch.objects.exists()


@pytest.mark.parametrize("query", ["case=%00", "page=zzz", "case=" + "x" * 5000])
def test_the_list_bears_any_address(client: Client, query: str) -> None:
    sign_in(client, Role.OPERATOR)
    assert client.get(f"/search/?{query}").status_code == 200


def test_several_faces_are_asked_about(client: Client, see: See) -> None:
    see(1, 2)
    sign_in(client, Role.OPERATOR)
    place = client.post(reverse("photo_searches"), form())["Location"]
    page = client.get(place).content.decode()
    assert "Which face is meant?" in page
    assert page.count("data:image/jpeg;base64,") == 2
    made = PhotoSearch.objects.get()
    assert "choose at least one" in client.post(address("photo_search_start", made), follow=True).content.decode()
    assert client.post(address("photo_search_start", made), {"face": "2"})["Location"] == place
    assert [face.number for face in made.faces.all()] == [2]
    sign_in(client, Role.OPERATOR)
    unsaid = search()
    PhotoSearch.objects.filter(pk=unsaid.pk).update(begun_at=None)
    assert client.get(address("photo_search", unsaid)).status_code == 403


def test_no_face_and_a_poor_one_get_sentences(client: Client, see: See) -> None:
    sign_in(client, Role.OPERATOR)
    see()
    assert "No face was found" in client.post(reverse("photo_searches"), form()).content.decode()
    see(1, score=0.01)
    assert "too poor to say anything" in client.post(reverse("photo_searches"), form()).content.decode()


def test_others_may_look_and_that_is_on_record_but_not_change(client: Client) -> None:
    made = search(operator())
    sign_in(client, Role.OPERATOR)
    page = client.get(address("photo_search", made)).content.decode()
    assert "Delete the search" not in page
    assert AuditEvent.objects.get(verb="looked at").detail == {"asked_by": made.asked_by_name}
    for name in ("photo_search_cancel", "photo_search_delete", "photo_search_pictures"):
        assert client.post(address(name, made)).status_code == 403
    sign_in(client, Role.ADMINISTRATOR)
    assert client.post(address("photo_search_delete", made)).status_code == 302
    assert not PhotoSearch.objects.exists()


def test_stopping_it_and_looking_through_pictures(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cameras.photo_search.asking.send_pictures", lambda part: None)
    user = sign_in(client, Role.OPERATOR)
    SightingFactory.create()
    made = search(user)
    assert "was stopped" in client.post(address("photo_search_cancel", made), follow=True).content.decode()
    assert "was over already" in client.post(address("photo_search_cancel", made), follow=True).content.decode()
    page = client.get(address("photo_search", made)).content.decode()
    assert "Also look through 1 stored picture" in page
    page = client.post(address("photo_search_pictures", made), follow=True).content.decode()
    assert "Stored pictures: waiting" in page
    part = made.parts.get(source=SearchSource.PICTURES)
    SearchPart.objects.filter(pk=part.pk).update(state=SearchState.CANCELLED)
    page = client.get(address("photo_search", made)).content.decode()
    assert "0 of 1 stored pictures were looked through, newest first: it was stopped." in page


def test_it_says_when_nobody_links(client: Client) -> None:
    made = search(sign_in(client, Role.OPERATOR))
    assert "No process links sightings right now" in client.get(address("photo_search", made)).content.decode()
    LinkerState.objects.update_or_create(pk=1, defaults={"heartbeat_at": timezone.now()})
    assert "No process links" not in client.get(address("photo_search", made)).content.decode()


def test_below_the_least_similarity_nobody_is_shown(client: Client) -> None:
    TemplateFactory.create(vector=embedding(2), person__name="Grace Hopper")
    user = sign_in(client, Role.OPERATOR)
    assert "Grace Hopper" in client.get(address("photo_search", search(user))).content.decode()
    strict = search(user, least_similarity=0.9)
    assert "Grace Hopper" not in client.get(address("photo_search", strict)).content.decode()


def test_corrections_count_when_the_result_is_shown(client: Client) -> None:
    them, kept = Identity.objects.create(), Identity.objects.create(label="Red coat")
    template = unknown(embedding(1), identity=them)
    made = search(sign_in(client, Role.OPERATOR))
    run_waiting(in_memory())
    template.sighting.identity = kept
    template.sighting.save()
    Identity.objects.filter(pk=them.pk).update(merged_into=kept)
    page = client.get(address("photo_search", made)).content.decode()
    assert "Red coat" in page
    assert reverse("identity", args=[kept.pk]) in page
    Identity.objects.filter(pk=kept.pk).update(merged_into=them)  # a circle that must not be
    assert client.get(address("photo_search", made)).status_code == 200


def test_what_rests_on_an_enhanced_photo_says_so(client: Client) -> None:
    person = TemplateFactory.create(vector=near(1)).person
    Photo.objects.filter(person=person).update(enhanced="enlarged")
    page = client.get(address("photo_search", search(sign_in(client, Role.OPERATOR)))).content.decode()
    assert '<span class="pill" title="enlarged">enhanced photo</span>' in page


def test_a_lost_key_leaves_the_page(client: Client) -> None:
    made = search(sign_in(client, Role.OPERATOR))
    vault.shred(made.scope)
    assert client.get(address("photo_search", made)).status_code == 200


def test_many_candidates_cost_no_more_queries(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(12):
        TemplateFactory.create(vector=near(1, number))
        unknown(near(1, number), first_seen=timezone.now() - timedelta(minutes=number))
    made = search(sign_in(client, Role.OPERATOR))
    run_waiting(in_memory())
    assert PhotoSearchHit.objects.count() > 20
    client.get(address("photo_search", made))
    with django_assert_max_num_queries(34):
        client.get(address("photo_search", made))


def test_htmx_is_sent_on(client: Client) -> None:
    client.force_login(UserFactory.create(role=Role.OPERATOR))
    answer = client.post(reverse("photo_searches"), form(), headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == reverse("photo_search", args=[PhotoSearch.objects.get().pk])
    wrong = client.post(reverse("photo_searches"), form(reason=""), headers={"HX-Request": "true"})
    assert wrong.content.decode().strip().startswith('<form class="card form sheet"')


@pytest.mark.parametrize("moment", ["0001-01-01T00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
@pytest.mark.parametrize("field", ["since", "until"])
def test_a_time_that_not_every_clock_can_say_is_refused(client: Client, field: str, moment: str) -> None:
    sign_in(client, Role.OPERATOR)
    answer = client.post(reverse("photo_searches"), form() | {field: moment})
    assert "from 1970 to 9999" in answer.content.decode()
    assert not PhotoSearch.objects.exists()  # nobody could look at the list any more
    assert client.get(reverse("photo_searches")).status_code == 200


@pytest.mark.parametrize("name", [name for name, (methods, _) in PAGES.items() if methods == {"post"}])
def test_a_search_of_another_one_is_theirs_alone_to_change(client: Client, name: str) -> None:
    made = search()
    sign_in(client, Role.REVIEWER)
    assert client.post(address(name, made), {"face": ["1", "99999", str(2**63 - 1)]}).status_code == 403
    assert SearchPart.objects.get(search=made).state == SearchState.WAITING


def test_hostile_words_are_words(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    hostile = "<script>alert(1)</script>\"'"
    client.post(reverse("photo_searches"), form(reason=hostile, case_number=hostile))
    for page in (reverse("photo_searches"), address("photo_search", PhotoSearch.objects.get())):
        text = client.get(page).content.decode()
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert" in text
