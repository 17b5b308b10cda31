"""The pages of history: all sightings, an identity, a person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from accounts.roles import Role
from accounts.tests.factories import sign_in
from cameras.models import (
    ConflictKind,
    CorrectedSighting,
    Correction,
    CorrectionKind,
    Identity,
    Link,
    LinkerState,
    Sighting,
    SightingConflict,
    Verdict,
)
from cameras.tests.factories import NOON, CameraFactory, SightingFactory
from recognition.tests.factories import PersonFactory

pytestmark = pytest.mark.django_db

PAGES = ("history", "identity", "person")


def address(name: str) -> str:
    if name == "history":
        return reverse(name)
    identity = Identity.objects.create(person=PersonFactory.create() if name == "person" else None)
    return reverse(name, args=[identity.person_id or identity.pk])


@pytest.fixture
def unknown() -> Identity:
    """Somebody unknown whom two cameras saw, at the second one doubted."""
    identity, gate, door = (
        Identity.objects.create(),
        CameraFactory.create(name="Gate"),
        CameraFactory.create(name="Door"),
    )
    common = {"person": None, "verdict": Verdict.UNKNOWN, "identity": identity, "similarity": 0.41}
    SightingFactory.create(camera=gate, first_seen=NOON, link=Link.NEW, **common)
    stronger = SightingFactory.create(
        camera=gate, first_seen=NOON + timedelta(hours=1), link=Link.LINKED, link_similarity=0.915, **common
    )
    weaker = SightingFactory.create(
        camera=door, first_seen=NOON + timedelta(hours=1), link=Link.LINKED, is_doubted=True, **common
    )
    SightingConflict.objects.create(
        identity=identity, stronger=stronger, weaker=weaker, kind=ConflictKind.AT_ONCE, seconds=-8.0
    )
    return identity


@pytest.mark.parametrize("name", PAGES)
def test_who_may_open_it(client: Client, name: str) -> None:
    page = address(name)
    assert client.get(page)["Location"].startswith("/accounts/login/")
    sign_in(client, None)
    assert client.get(page).status_code == 403
    sign_in(client, Role.VIEWER)
    assert client.get(page).status_code == 200
    assert client.post(page).status_code == 405


def test_history_says_whose_and_how_it_was_told(client: Client, unknown: Identity) -> None:
    sign_in(client, Role.VIEWER)
    ada = Identity.objects.create(person=PersonFactory.create(name="Ada"))
    said = SightingFactory.create(person=ada.person, identity=ada, link=Link.HAND)
    correction = Correction.objects.create(kind=CorrectionKind.NAMED, identity=ada, actor_name="olga")
    CorrectedSighting.objects.create(correction=correction, sighting=said, verdict=Verdict.UNKNOWN)
    SightingFactory.create(person=None, verdict=Verdict.UNDECIDED, camera=None, camera_name="Old cam")
    SightingFactory.create(person=None, verdict=Verdict.UNKNOWN, link=Link.ERASED)
    page = client.get(reverse("history")).content.decode()
    for text in (
        f"Unknown {unknown.pk}",
        "Ada",
        "Named by olga",
        "The same face as before, similarity 0.915",
        "The first time this face was seen",
        "Gate saw them at the same time, for 8 s, and fits better.",
        "Old cam, removed",
        "everything about them was erased",
        "Not decided",
        "Saturday, 14 March 2026",
    ):
        assert text in page, text
    assert reverse("identity", args=[unknown.pk]) in page


def test_older_ones_come_by_link_and_by_htmx(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    SightingFactory.create_batch(35, camera=CameraFactory.create(), person=None)
    first = client.get(reverse("history"), {"verdict": "known"})
    assert f"?verdict=known&amp;before={first.context['next']}" in first.content.decode()
    more = {"verdict": "known", "before": str(first.context["next"])}
    whole, part = (client.get(reverse("history"), more, headers=sent) for sent in ({}, {"HX-Request": "true"}))
    assert "<html" in whole.content.decode()
    assert "<html" not in part.content.decode()
    assert part.content.decode().count('class="sight') >= 5
    shown = [row.pk for row in (*first.context["sightings"], *whole.context["sightings"])]
    assert len(shown) == len(set(shown)) == 35
    oldest = client.get(reverse("history"), {"order": "oldest"})
    assert oldest.context["sightings"][0].pk == shown[-1]
    assert "Show newer sightings" in oldest.content.decode()


def test_a_page_of_a_rare_thing_says_how_far_it_looked(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in(client, Role.VIEWER)
    SightingFactory.create_batch(45, camera=CameraFactory.create(), person=None, quality=0.2)
    monkeypatch.setattr("cameras.history.reading.sightings_page.__kwdefaults__", {"look": 40})
    page = client.get(reverse("history"), {"quality": "0.9"}).content.decode()
    assert "Nothing so far" in page
    assert "Look further" in page


@pytest.mark.parametrize("name", PAGES)
def test_filters_that_make_no_sense_are_said_and_nothing_is_shown(client: Client, name: str) -> None:
    sign_in(client, Role.VIEWER)
    SightingFactory.create(person=None)
    answer = client.get(address(name), {"similarity": "much"})
    assert answer.status_code == 200
    assert answer.context["entries"] == []
    assert "These filters make no sense" in answer.content.decode()
    for before in ("x", "1_x", "9" * 400, "\0"):
        assert client.get(address(name), {"before": before, "days": before}).status_code == 200


def test_no_sightings_at_all(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    assert "Nothing yet" in client.get(reverse("history")).content.decode()
    assert "No sighting fits" in client.get(reverse("history"), {"verdict": "known"}).content.decode()
    page = client.get(address("identity")).content.decode()
    assert "never" in page
    assert "Nothing in this span." in page


def test_an_identity_page_adds_up(client: Client, unknown: Identity) -> None:
    sign_in(client, Role.OPERATOR)
    Sighting.objects.filter(identity=unknown, first_seen=NOON + timedelta(hours=1)).update(is_open=True)
    page = client.get(reverse("identity", args=[unknown.pk]))
    text = page.content.decode()
    figures = page.context["summary"].figures
    assert (figures.sightings, figures.visits_in_all, len(figures.cameras)) == (2, 2, 1)
    assert "In view now" in text
    assert "doubted" in text
    for name in ("identity_label", "movement_identity", "identity_corrections", "follow", "evidence"):
        assert name == "identity_label" or reverse(name, args=[unknown.pk]) in text
    assert reverse("identity_export", args=[unknown.pk, "geojson"]) in text


def test_the_span_of_figures(client: Client, unknown: Identity) -> None:
    sign_in(client, Role.VIEWER)
    SightingFactory.create(person=None, identity=unknown, first_seen=NOON - timedelta(days=5))
    page = reverse("identity", args=[unknown.pk])
    found = {
        days: client.get(page, {"days": days}).context["summary"].figures.sightings for days in ("1", "7", "x", "2")
    }
    assert found == {"1": 2, "7": 3, "x": 3, "2": 3}
    assert 'aria-current="true"' in client.get(page, {"days": "7"}).content.decode()


def test_one_that_was_made_one_with_another_leads_there(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    last = Identity.objects.create()
    middle = Identity.objects.create(merged_into=last)
    first = Identity.objects.create(merged_into=middle)
    for row in (first, middle):
        assert client.get(reverse("identity", args=[row.pk]))["Location"] == reverse("identity", args=[last.pk])
    Identity.objects.filter(pk=last.pk).update(merged_into=middle)
    assert client.get(reverse("identity", args=[first.pk])).status_code == 302
    for gone in ("999999", "9" * 40):
        assert client.get(f"/identities/{gone}/").status_code == 404


def test_a_persons_page_is_that_of_their_identity(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    identity = Identity.objects.create(person=PersonFactory.create(name="Ada", notes="Wears hats"))
    SightingFactory.create(person=identity.person, identity=identity, link=Link.RECOGNISED)
    SightingFactory.create(person=identity.person)  # not linked yet
    SightingFactory.create()
    page = client.get(reverse("person", args=[identity.person_id]))
    assert len(page.context["sightings"]) == 2
    for text in ("Wears hats", "By camera", "Where and when", reverse("identity_export", args=[identity.pk, "csv"])):
        assert text in page.content.decode(), text
    assert "Enrolled as" in client.get(reverse("identity", args=[identity.pk])).content.decode()
    assert "Where and when" in client.get(address("person")).content.decode()


def test_days_are_those_of_the_site(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    SightingFactory.create(person=None, first_seen=datetime(2026, 3, 28, 23, 30, tzinfo=UTC))
    with timezone.override("Europe/Berlin"):
        page = client.get(reverse("history"), {"from": "2026-03-29", "to": "2026-03-29"}).content.decode()
        assert "Sunday, 29 March 2026" in page
        assert not client.get(reverse("history"), {"to": "2026-03-28"}).context["sightings"]
    assert "Saturday, 28 March 2026" in client.get(reverse("history")).content.decode()


def test_the_number_of_statements_does_not_depend_on_the_number_of_rows(client: Client, unknown: Identity) -> None:
    sign_in(client, Role.VIEWER)
    counts = []
    for _ in range(3):
        with CaptureQueriesContext(connection) as sent:
            client.get(reverse("identity", args=[unknown.pk]))
        counts.append(len(sent))
        SightingFactory.create_batch(12, person=None, identity=unknown, link=Link.LINKED, camera=CameraFactory.create())
    assert counts[1] == counts[2] < 40


def test_labels(client: Client, unknown: Identity) -> None:
    page = reverse("identity_label", args=[unknown.pk])
    assert client.post(page, {"label": "x"}).status_code == 302
    sign_in(client, Role.VIEWER)
    assert client.post(page, {"label": "x"}).status_code == 403
    sign_in(client, Role.OPERATOR)
    assert client.get(page).status_code == 405
    assert "Red hat" in client.post(page, {"label": "  Red \0 hat "}, follow=True).content.decode()
    unknown.refresh_from_db()
    assert str(unknown) == "Red hat"
    assert AuditEvent.objects.get(verb="labelled").target == f"identity {unknown.pk}"
    assert "Choose a shorter one" in client.post(page, {"label": "x" * 201}, follow=True).content.decode()
    client.post(page, {"label": ""})
    unknown.refresh_from_db()
    assert str(unknown) == f"Unknown {unknown.pk}"
    known = Identity.objects.create(person=PersonFactory.create())
    answer = client.post(reverse("identity_label", args=[known.pk]), {"label": "x"}, follow=True)
    assert "Change the name of the person" in answer.content.decode()
    Identity.objects.filter(pk=unknown.pk).update(merged_into=known)
    client.post(page, {"label": "x"})
    unknown.refresh_from_db()
    assert unknown.label == ""


def test_links_from_a_camera(client: Client, unknown: Identity) -> None:
    sign_in(client, Role.VIEWER)
    camera = Sighting.objects.filter(identity=unknown).latest("first_seen").camera
    assert camera is not None
    page = client.get(reverse("camera", args=[camera.pk])).content.decode()
    assert reverse("identity", args=[unknown.pk]) in page


def test_it_is_said_where_nobody_links(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    assert b"Nobody has linked sightings here yet" in client.get(reverse("history")).content
    LinkerState.objects.create(pk=1, owner="one", heartbeat_at=timezone.now())
    assert b"manage.py linker" not in client.get(reverse("history")).content
    LinkerState.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert b"For 5 min" in client.get(reverse("history")).content
    page = client.get(reverse("identity", args=[Identity.objects.create().pk]))
    assert b"manage.py linker" in page.content
