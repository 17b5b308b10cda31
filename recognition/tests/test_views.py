"""The pages about people and watchlists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import DataKey
from accounts.roles import Role
from accounts.tests.factories import sign_in
from recognition import services
from recognition.engine import Face, PhotoError, Quality
from recognition.models import Person, Photo, Template, Watchlist, WatchlistEntry
from recognition.packs import version_in_use
from recognition.services import Upload, UsablePhoto
from recognition.tests.factories import (
    PACK,
    PersonFactory,
    PhotoFactory,
    TemplateFactory,
    WatchlistEntryFactory,
    WatchlistFactory,
    embedding,
    picture,
)

pytestmark = pytest.mark.django_db

PAGES: dict[str, tuple[str, list[Role | None], bool]] = {  # name: (needs an object, roles that may not, allows POST)
    "people": ("", [None], False),
    "enrol": ("", [None, Role.VIEWER], True),
    "person_edit": ("person", [None, Role.VIEWER], True),
    "person_photos": ("person", [None, Role.VIEWER], True),
    "person_delete": ("person", [None, Role.VIEWER], True),
    "portrait": ("person", [None], False),
    "watchlists": ("", [None], False),
    "watchlist_add": ("", [None, Role.VIEWER, Role.OPERATOR], True),
    "watchlist_edit": ("watchlist", [None, Role.VIEWER, Role.OPERATOR], True),
}


def face() -> Face:
    quality = Quality(score=0.8, size_px=120, sharpness=0.3, yaw=0, roll=0, brightness=0.5, contrast=0.2)
    box, points = np.array([8, 8, 40, 40], np.float32), np.zeros((5, 2), np.float32)
    return Face(box=box, score=0.99, points=points, quality=quality, embedding=embedding(1))


@pytest.fixture
def eyes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos whose name starts with `good` show one face, all others none."""

    def check(upload: Upload) -> UsablePhoto:
        if not upload.name.startswith("good"):
            raise PhotoError("no_face", "No face was found. Use another photo.")
        return UsablePhoto(image=services.read_photo(upload), face=face(), pack=PACK)

    monkeypatch.setattr(services, "check_photo", check)


def photo(name: str = "good.jpg", data: bytes | None = None) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, picture() if data is None else data, "image/jpeg")


def address(name: str) -> str:
    kind = PAGES[name][0]
    made: dict[str, Any] = {"person": PersonFactory, "watchlist": WatchlistFactory}
    return reverse(name, args=[made[kind].create().pk] if kind else [])


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_for_an_administrator(client: Client, name: str) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    assert client.get(address(name)).status_code == 200


@pytest.mark.parametrize("name", PAGES)
def test_nobody_gets_in_without_signing_in(client: Client, name: str) -> None:
    answer = client.get(address(name))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize(("name", "role"), [(name, role) for name in PAGES for role in PAGES[name][1]])
def test_a_wrong_role_gets_a_sentence(client: Client, name: str, role: Role | None) -> None:
    sign_in(client, role)
    answer = client.get(address(name))
    assert answer.status_code == 403
    assert "Your role does not allow this" in answer.content.decode()


@pytest.mark.parametrize("name", PAGES)
def test_a_wrong_method_is_refused(client: Client, name: str) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    page = address(name)
    assert client.delete(page).status_code == 405
    if not PAGES[name][2]:
        assert client.post(page).status_code == 405


def test_the_list_searches_and_filters(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    entry = WatchlistEntryFactory.create(person__name="Ada Lovelace")
    PersonFactory.create(name="Grace Hopper")
    assert "Grace Hopper" in client.get("/people/").content.decode()
    found = client.get("/people/", {"q": "lovel"}).content.decode()
    assert "Ada Lovelace" in found
    assert "Grace Hopper" not in found
    found = client.get("/people/", {"watchlist": entry.watchlist_id}).content.decode()
    assert "Grace Hopper" not in found


@pytest.mark.parametrize("query", ["q=%00", "watchlist=x", "watchlist=" + "9" * 30, "page=zzz", "q=" + "x" * 5000])
def test_the_list_bears_any_address(client: Client, query: str) -> None:
    sign_in(client, Role.VIEWER)
    assert client.get(f"/people/?{query}").status_code == 200


def test_htmx_gets_the_results_only(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    PersonFactory.create(name="Ada Lovelace")
    part = client.get("/people/", headers={"HX-Request": "true"}).content.decode()
    assert part.strip().startswith('<div id="people">')
    assert "Ada Lovelace" in part
    whole = client.get("/people/", headers={"HX-Request": "true", "HX-History-Restore-Request": "true"})
    assert "<!doctype html>" in whole.content.decode()


@pytest.mark.usefixtures("eyes")
def test_enrolling_says_of_every_photo_what_became_of_it(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    watchlist = WatchlistFactory.create()
    form = {"name": "Ada 🚀 Lovelace", "watchlist": watchlist.pk, "photos": [photo(), photo("dark.jpg")]}
    answer = client.post(reverse("enrol"), form)
    person = Person.objects.get()
    assert answer["Location"] == reverse("person", args=[person.pk])
    assert (person.name, person.templates.count()) == ("Ada 🚀 Lovelace", 1)
    assert WatchlistEntry.objects.get().watchlist == watchlist
    page = client.get(answer["Location"]).content.decode()
    assert "1 photo was enrolled" in page
    assert "dark.jpg was not used. No face was found." in page


@pytest.mark.usefixtures("eyes")
def test_of_several_faces_one_can_be_asked_for(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in(client, Role.OPERATOR)
    asked: list[int | None] = []

    def check(upload: Upload) -> UsablePhoto:
        asked.append(upload.face)
        return UsablePhoto(image=services.read_photo(upload), face=face(), pack=PACK)

    monkeypatch.setattr(services, "check_photo", check)
    client.post(reverse("enrol"), {"name": "Ada", "photos": [photo()], "face": "2"})
    client.post(reverse("enrol"), {"name": "Bob", "photos": [photo()], "face": ""})
    assert asked == [2, None]


@pytest.mark.usefixtures("eyes")
def test_htmx_is_sent_on_after_enrolling(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    form = {"name": "Ada", "photos": [photo()]}
    answer = client.post(reverse("enrol"), form, headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == reverse("person", args=[Person.objects.get().pk])


@pytest.mark.usefixtures("eyes")
def test_nobody_is_enrolled_without_a_usable_photo(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    answer = client.post(reverse("enrol"), {"name": "Ada", "photos": [photo("a.jpg"), photo("b.jpg")]})
    page = answer.content.decode()
    assert "<dt>a.jpg</dt><dd>No face was found." in page
    assert "<dt>b.jpg</dt>" in page
    assert not Person.objects.exists()


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"name": "x" * 500}, "at most 200 characters"),
        ({"name": "Ada\x00"}, "Null characters are not allowed"),
        ({"name": "   "}, "This field is required"),
        ({"name": "Ada", "watchlist": "99"}, "Select a valid choice"),
        ({"name": "Ada", "photos": []}, "No photo came in"),
    ],
)
@pytest.mark.usefixtures("eyes")
def test_enrolment_explains_what_it_can_not_use(client: Client, form: dict[str, object], sentence: str) -> None:
    sign_in(client, Role.OPERATOR)
    answer = client.post(reverse("enrol"), {"photos": [photo()], **form})
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not Person.objects.exists()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"just some text", "photo"),
        (picture()[:300], "damaged"),
        (b"", "empty"),
        (picture() + b"\x00" * (21 * 2**20), "more than the 20 allowed"),
    ],
    ids=["text", "truncated", "empty", "too big"],
)
def test_a_hostile_photo_gets_a_sentence(client: Client, data: bytes, sentence: str) -> None:
    sign_in(client, Role.OPERATOR)
    answer = client.post(reverse("enrol"), {"name": "Ada", "photos": [photo("x.jpg", data)]})
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not Person.objects.exists()


def test_too_many_photos(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    answer = client.post(reverse("enrol"), {"name": "Ada", "photos": [photo() for _ in range(41)]})
    assert "41 photos are too many" in answer.content.decode()


@pytest.mark.usefixtures("eyes")
def test_adding_photos(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    person = TemplateFactory.create(vector=embedding(1)).person
    page = reverse("person_photos", args=[person.pk])
    assert "No face was found" in client.post(page, {"photos": [photo("bad.jpg")]}).content.decode()
    assert client.post(page, {"photos": [photo()]}).status_code == 302
    assert person.templates.count() == 2


def test_editing_a_person(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    old, new = WatchlistEntryFactory.create(), WatchlistFactory.create()
    page = reverse("person_edit", args=[old.person_id])
    answer = client.post(page, {"name": "Ada 🚀", "notes": "Tall.", "watchlists": [new.pk]})
    assert answer.status_code == 302
    person = Person.objects.get()
    assert (person.name, person.notes) == ("Ada 🚀", "Tall.")
    assert list(person.watchlists.all()) == [new]
    assert "at most 200" in client.post(page, {"name": "x" * 500}).content.decode()


def test_deleting_asks_first_and_shreds(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    person = TemplateFactory.create(person__name="Ada").person
    page = reverse("person_delete", args=[person.pk])
    assert "Delete Ada?" in client.get(page).content.decode()
    assert Person.objects.exists()
    assert client.post(page)["Location"] == reverse("people")
    assert not Person.objects.exists()
    assert not Template.objects.exists()
    assert not DataKey.objects.filter(scope=person.scope).exists()


def test_a_portrait_is_kept_by_the_browser_alone(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    shown = PhotoFactory.create().person
    answer = client.get(reverse("portrait", args=[shown.pk]))
    assert answer["Content-Type"] == "image/jpeg"
    assert answer["Cache-Control"].startswith("private")
    again = client.get(reverse("portrait", args=[shown.pk]), headers={"If-None-Match": answer["ETag"]})
    assert again.status_code == 304


def test_a_portrait_that_is_missing_or_can_not_be_opened_is_a_drawing(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    lost = PhotoFactory.create()
    Photo.objects.update(sealed_portrait=b"\x01" + b"?" * 60)
    for pk in (lost.person_id, PersonFactory.create().pk, 0, 10**17):
        answer = client.get(reverse("portrait", args=[pk]))
        assert answer.status_code == 200
        assert answer["Content-Type"] == "image/svg+xml"


def test_the_address_of_the_old_search_leads_to_the_new_one(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    assert client.get(reverse("identify"))["Location"] == reverse("photo_searches")


def test_making_and_changing_a_watchlist(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    form = {"name": "Missing 🚸", "category": "missing", "purpose": "p", "legal_basis": "l", "threshold": "0.9"}
    assert client.post(reverse("watchlist_add"), form | {"is_active": "on"}).status_code == 302
    watchlist = Watchlist.objects.get()
    assert (watchlist.name, watchlist.threshold, watchlist.is_active) == ("Missing 🚸", 0.9, True)
    page = reverse("watchlist_edit", args=[watchlist.pk])
    assert client.post(page, form | {"name": "Found", "threshold": ""}).status_code == 302
    watchlist.refresh_from_db()
    assert (watchlist.name, watchlist.threshold, watchlist.is_active) == ("Found", None, False)


def test_a_watchlists_name_is_taken_once(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    taken = WatchlistFactory.create()
    for name, sentence in ((taken.name, "already"), (f"  {taken.name} ", "already"), ("x" * 500, "at most 200")):
        answer = client.post(reverse("watchlist_add"), {"name": name, "category": "other"})
        assert sentence in answer.content.decode()
    assert Watchlist.objects.count() == 1


def test_a_threshold_of_another_pack_says_that_it_does_not_count(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    watchlist = WatchlistFactory.create(threshold=0.8, threshold_pack=version_in_use())
    pages = [reverse("watchlists"), reverse("watchlist_edit", args=[watchlist.pk])]
    assert not any("set for" in client.get(page).content.decode() for page in pages)

    Watchlist.objects.update(threshold_pack="other-1")
    assert all("set for other-1" in client.get(page).content.decode() for page in pages)
