"""The admin site of people and watchlists: services write, so that everything is recorded and shredded."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, DataKey
from accounts.tests.factories import UserFactory
from recognition import gallery
from recognition.models import GalleryRevision, Person, Watchlist, WatchlistEntry
from recognition.tests.factories import PersonFactory, TemplateFactory, WatchlistEntryFactory, WatchlistFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    gallery.forget()
    client = Client()
    client.force_login(UserFactory.create(username="root", is_staff=True, is_superuser=True))
    return client


def entries(rows: list[dict[str, Any]], existing: int = 0) -> dict[str, Any]:
    """The inline form of watchlist entries."""
    form: dict[str, Any] = {
        "entries-TOTAL_FORMS": len(rows),
        "entries-INITIAL_FORMS": existing,
        "entries-MIN_NUM_FORMS": 0,
        "entries-MAX_NUM_FORMS": 1000,
    }
    empty = dict.fromkeys(("starts_at_0", "starts_at_1", "expires_at_0", "expires_at_1", "reason"), "")
    for number, row in enumerate(rows):
        for name, value in (empty | row).items():
            form[f"entries-{number}-{name}"] = value
    return form


def verbs() -> list[tuple[str, str]]:
    return list(AuditEvent.objects.order_by("id").values_list("actor_name", "verb"))


def test_people_and_watchlists_are_listed(client: Client) -> None:
    entry = WatchlistEntryFactory.create(person=TemplateFactory.create().person)
    page = client.get(reverse("admin:recognition_person_changelist"), {"q": entry.person.name})
    assert entry.watchlist.name in page.content.decode()
    assert client.get(reverse("admin:recognition_watchlist_changelist")).status_code == 200
    assert client.get(reverse("admin:recognition_person_change", args=[entry.person_id])).status_code == 200


def test_adding_a_person_leads_to_the_photos(client: Client) -> None:
    response = client.get(reverse("admin:recognition_person_add"))

    assert response.status_code == 302
    assert response["Location"] == reverse("enrol")


def test_a_person_is_renamed_and_listed(client: Client) -> None:
    person, watchlist = PersonFactory.create(), WatchlistFactory.create()
    before = GalleryRevision.objects.get().revision
    url = reverse("admin:recognition_person_change", args=[person.pk])
    row = {"id": "", "person": person.pk, "watchlist": watchlist.pk, "reason": "seen"}
    response = client.post(url, {"name": " Ada \t L. ", "notes": "n"} | entries([row]))

    assert response.status_code == 302, response.context["errors"]
    person.refresh_from_db()
    assert (person.name, person.notes) == ("Ada L.", "n")
    entry = WatchlistEntry.objects.get()
    assert (entry.watchlist, entry.reason) == (watchlist, "seen")
    assert entry.added_by is not None
    assert verbs() == [("root", "changed"), ("root", "listed")]
    assert GalleryRevision.objects.get().revision > before


def test_an_entry_that_is_over_before_it_begins_is_refused(client: Client) -> None:
    person, watchlist = PersonFactory.create(), WatchlistFactory.create()
    url = reverse("admin:recognition_person_change", args=[person.pk])
    row = {"id": "", "person": person.pk, "watchlist": watchlist.pk, "starts_at_0": "2100-01-02", "starts_at_1": "0:00"}
    row |= {"expires_at_0": "2100-01-01", "expires_at_1": "0:00"}
    response = client.post(url, {"name": "Ada", "notes": ""} | entries([row]))

    assert "over before it begins" in response.content.decode()
    assert not WatchlistEntry.objects.exists()


def test_an_entry_is_moved_and_removed(client: Client) -> None:
    entry = WatchlistEntryFactory.create()
    other = WatchlistFactory.create()
    url = reverse("admin:recognition_person_change", args=[entry.person_id])
    row = {"id": entry.pk, "person": entry.person_id, "watchlist": other.pk, "reason": "moved"}
    client.post(url, {"name": "Ada", "notes": ""} | entries([row], existing=1))
    moved = WatchlistEntry.objects.get()
    assert (moved.watchlist, moved.reason) == (other, "moved")

    row = {"id": moved.pk, "person": entry.person_id, "watchlist": other.pk, "DELETE": "on"}
    client.post(url, {"name": "Ada", "notes": ""} | entries([row], existing=1))
    assert not WatchlistEntry.objects.exists()
    assert [verb for _, verb in verbs()] == ["changed", "unlisted", "listed", "changed", "unlisted"]


def test_a_name_that_can_not_be_kept_is_said(client: Client) -> None:
    person = PersonFactory.create(name="Ada")
    url = reverse("admin:recognition_person_change", args=[person.pk])
    response = client.post(url, {"name": "   ", "notes": ""} | entries([]))

    assert "name" in response.context["adminform"].form.errors
    person.refresh_from_db()
    assert person.name == "Ada"


def test_people_are_deleted_and_shredded_one_by_one_and_together(client: Client) -> None:
    people = [TemplateFactory.create().person for _ in range(3)]
    client.post(reverse("admin:recognition_person_delete", args=[people[0].pk]), {"post": "yes"})
    client.post(
        reverse("admin:recognition_person_changelist"),
        {"action": "delete_selected", "_selected_action": [people[1].pk, people[2].pk], "post": "yes"},
    )

    assert not Person.objects.exists()
    assert not DataKey.objects.filter(scope__startswith="person:").exists()
    assert verbs() == [("root", "deleted")] * 3


def test_watchlists_are_made_changed_and_deleted(client: Client) -> None:
    values = {"name": " Wanted ", "category": "wanted", "purpose": "", "legal_basis": "", "threshold": ""}
    person = PersonFactory.create()
    row = {"id": "", "person": person.pk}
    response = client.post(reverse("admin:recognition_watchlist_add"), values | {"is_active": "on"} | entries([row]))
    assert response.status_code == 302, response.context["errors"]
    watchlist = Watchlist.objects.get()
    assert watchlist.name == "Wanted"
    assert WatchlistEntry.objects.get().person == person

    client.post(
        reverse("admin:recognition_watchlist_delete", args=[watchlist.pk]),
        {"post": "yes"},
    )
    assert not Watchlist.objects.exists()
    assert [verb for _, verb in verbs()] == ["created", "listed", "deleted"]


def test_watchlists_are_deleted_together(client: Client) -> None:
    rows = WatchlistFactory.create_batch(2)
    client.post(
        reverse("admin:recognition_watchlist_changelist"),
        {"action": "delete_selected", "_selected_action": [row.pk for row in rows], "post": "yes"},
    )

    assert not Watchlist.objects.exists()
    assert verbs() == [("root", "deleted")] * 2
