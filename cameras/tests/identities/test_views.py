"""The pages that put identities right."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts import vault
from accounts.roles import Role
from accounts.tests.factories import sign_in
from cameras.identities import corrections
from cameras.models import Correction, Identity, Link, MergeProposal, NotSameIdentity, Sighting, shot_scope
from cameras.services import shot_bind
from cameras.tests.factories import NOON
from cameras.tests.identities.people import WHY, known, seen, unknown
from recognition import gallery
from recognition.models import Person
from recognition.tests.factories import PersonFactory
from recognition.tests.fakes import fake_eyes, shot

__all__ = ["fake_eyes"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client: Client) -> Client:
    sign_in(client, Role.OPERATOR)
    return client


def addresses() -> dict[str, str]:
    """Every page, of things that are there."""
    identity = unknown()
    row = Sighting.objects.filter(identity=identity).first()
    assert row is not None
    done = corrections.merge(actor=None, kept=identity, gone=unknown(1), reason=WHY)
    return {
        "proposals": reverse("merge_proposals"),
        "merge": reverse("identity_merge", args=[identity.pk]),
        "split": reverse("identity_split", args=[identity.pk]),
        "name": reverse("identity_name", args=[identity.pk]),
        "erase": reverse("identity_erase", args=[identity.pk]),
        "not_them": reverse("sighting_not_them", args=[row.pk]),
        "undo": reverse("correction_undo", args=[done.pk]),
        "corrections": reverse("identity_corrections", args=[identity.pk]),
    }


POSTED = ("identities_apart", "identities_together")


def test_every_page_works_and_has_one_heading(operator: Client) -> None:
    for address in addresses().values():
        response = operator.get(address)
        assert response.status_code == 200, address
        assert response["Cache-Control"] == "no-store"
        assert response.content.decode().count("<h1") == 1


def test_who_is_not_signed_in_is_sent_to_sign_in(client: Client) -> None:
    for address in [*addresses().values(), *map(reverse, POSTED)]:
        response = client.post(address) if address in map(reverse, POSTED) else client.get(address)
        assert response.status_code in (302, 403), address
        assert response.status_code == 403 or "login" in response["Location"]


def test_viewers_change_nothing(client: Client) -> None:
    found = addresses()
    sign_in(client, Role.VIEWER)
    page = client.get(found.pop("corrections"))
    assert page.status_code == 200
    assert "Undo…" not in page.content.decode()
    for address in found.values():
        assert client.get(address).status_code == 403
        assert client.post(address, {"reason": WHY}).status_code in (403, 405)
    for name in POSTED:
        assert client.post(reverse(name)).status_code == 403


def test_wrong_methods_are_refused(operator: Client) -> None:
    found = addresses()
    assert operator.post(found["proposals"]).status_code == 405
    assert operator.post(found["corrections"]).status_code == 405
    for name in POSTED:
        assert operator.get(reverse(name)).status_code == 405
    for name in ("merge", "split", "name", "erase", "not_them", "undo"):
        assert operator.put(found[name]).status_code == 405


def test_what_is_not_there_is_not_found(operator: Client) -> None:
    for name in ("identity_merge", "identity_split", "identity_name", "identity_erase", "identity_corrections"):
        assert operator.get(reverse(name, args=[99_999])).status_code == 404
    assert operator.get(reverse("correction_undo", args=[99_999])).status_code == 404
    assert operator.get(reverse("sighting_not_them", args=[uuid.uuid4()])).status_code == 404
    assert operator.post(reverse("identities_apart"), {"one": "x", "other": "9" * 40}).status_code == 404


def test_a_merge_is_compared_first_and_then_done(operator: Client) -> None:
    one, other = unknown(), unknown(3)
    address = reverse("identity_merge", args=[one.pk])
    asked = operator.get(address, {"with": other.pk}).content.decode()
    assert "3 sightings of" in asked
    assert Sighting.objects.filter(identity=other).count() == 3
    wrong = operator.post(address, {"other": other.pk, "reason": "x"})
    assert "Say why" in wrong.content.decode()
    done = operator.post(address, {"other": other.pk, "reason": WHY})
    assert done["Location"] == reverse("identity", args=[one.pk])
    assert Sighting.objects.filter(identity=one).count() == 5
    again = operator.get(reverse("identity_merge", args=[other.pk]), follow=True)
    assert "was made part of" in again.content.decode()


@pytest.mark.parametrize("other", ["", "x", "0", "-3", "9" * 30, "99999"])
def test_a_merge_with_nobody_is_explained(operator: Client, other: str) -> None:
    address = reverse("identity_merge", args=[unknown().pk])
    response = operator.post(address, {"other": other, "reason": WHY})
    assert response.status_code == 200
    assert 'class="errors"' in response.content.decode()
    asked = operator.get(address, {"with": other})
    assert asked.status_code == 200
    assert ("There is nobody with this number" in asked.content.decode()) == bool(other)


def test_a_merge_that_is_refused_is_explained_on_the_page(operator: Client) -> None:
    one, two = known(PersonFactory.create()), known(PersonFactory.create())
    page = operator.get(reverse("identity_merge", args=[one.pk]), {"with": two.pk}).content.decode()
    assert "both enrolled" in page
    page = operator.post(reverse("identity_merge", args=[one.pk]), {"other": one.pk, "reason": WHY}).content.decode()
    assert "themselves" in page


def test_proposals_show_both_and_are_answered(operator: Client) -> None:
    person = PersonFactory.create(name="Ada")
    one, other, theirs = unknown(), unknown(), known(person)
    MergeProposal.objects.create(first=one, second=other, similarity=0.91)
    MergeProposal.objects.create(first=one, second=theirs, similarity=0.95)
    page = operator.get(reverse("merge_proposals")).content.decode()
    assert page.index("May be Ada") < page.index("0.910")
    assert page.count("/shot.jpg") == 4
    operator.post(reverse("identities_apart"), {"one": other.pk, "other": one.pk})
    assert NotSameIdentity.objects.filter(first=one, second=other).exists()
    assert "0.910" not in operator.get(reverse("merge_proposals")).content.decode()
    fragment = operator.get(reverse("identity_corrections", args=[one.pk]), HTTP_HX_REQUEST="true").content.decode()
    assert "<h1" not in fragment
    assert "Not the same person as" in fragment
    assert "May be the same as" in fragment
    operator.post(reverse("identities_together"), {"one": one.pk, "other": other.pk})
    assert not NotSameIdentity.objects.exists()


def test_a_split_takes_what_was_ticked(operator: Client) -> None:
    identity = unknown(3)
    ids = [str(pk) for pk in Sighting.objects.values_list("pk", flat=True)]
    address = reverse("identity_split", args=[identity.pk])
    assert operator.get(address).content.decode().count('type="checkbox"') == 3
    none = operator.post(address, {"reason": WHY})
    assert "Choose at least one" in none.content.decode()
    for wrong in ("x", str(uuid.uuid4())):
        assert operator.post(address, {"reason": WHY, "sightings": [wrong]}).status_code == 200
    again = operator.post(address, {"reason": "", "sightings": ids[:1]})
    assert again.content.decode().count(" checked") == 1
    operator.post(address, {"reason": WHY, "sightings": ids[:2]})
    assert Sighting.objects.filter(link=Link.HAND).count() == 2


def test_the_pages_of_a_long_split_go_on(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cameras.identities.reading.SIGHTINGS_A_PAGE", 2)
    identity = unknown(3, first_seen=NOON)  # of several that began at one moment none is passed over
    address = reverse("identity_split", args=[identity.pk])
    first = operator.get(address)
    further = first.context["next"]
    assert operator.get(address, {"before": further}).content.decode().count('type="checkbox"') == 1
    for wrong in ("x", "2026-03-14T12:00:00"):
        assert operator.get(address, {"before": wrong}).status_code == 200


def test_not_them_and_undo(operator: Client) -> None:
    identity = known(PersonFactory.create(name="Ada"), 1)
    row = Sighting.objects.get()
    address = reverse("sighting_not_them", args=[row.pk])
    assert "Is this not Ada?" in operator.get(address).content.decode()
    assert "This field is required" in operator.post(address, {"reason": ""}).content.decode()
    operator.post(address, {"reason": WHY})
    row.refresh_from_db()
    assert row.person is None
    undo_address = reverse("correction_undo", args=[Correction.objects.get().pk])
    assert "1 sighting is as before" in operator.get(undo_address).content.decode()
    said = operator.post(undo_address, follow=True).content.decode()
    assert "Undone: 1 sighting is as before." in said
    row.refresh_from_db()
    assert row.identity == identity
    assert "has undone it" in operator.get(undo_address).content.decode()
    assert "has undone this already" in operator.post(undo_address).content.decode()


def with_shot(identity: Identity, seed: int) -> Sighting:
    row = seen(identity)
    assert row.shot_day is not None
    sealed = vault.seal(shot_scope(row.shot_day), shot(seed), bind=shot_bind(row.pk))
    Sighting.objects.filter(pk=row.pk).update(sealed_shot=sealed)
    return row


@pytest.mark.usefixtures("fake_eyes")
def test_naming_enrols_and_answers_duplicates(operator: Client, settings: Any) -> None:
    settings.GALLERY_POLL_SECONDS = 0
    gallery.forget()
    first, second = unknown(0), unknown(0)
    one, other = with_shot(first, 81), with_shot(second, 81)
    address = reverse("identity_name", args=[first.pk])
    assert 'name="shots"' in operator.get(address).content.decode()
    assert "Give a name" in operator.post(address, {"shots": [one.pk]}).content.decode()
    assert "at least one picture" in operator.post(address, {"name": "Eve"}).content.decode()
    done = operator.post(address, {"name": "Eve", "shots": [one.pk]}, follow=True)
    person = Person.objects.get()
    assert done.redirect_chain[0][0] == reverse("person", args=[person.pk])
    assert "You can undo it" in done.content.decode()
    address = reverse("identity_name", args=[second.pk])
    answered = operator.post(address, {"name": "Eva", "shots": [other.pk]}).content.decode()
    assert "This looks like" in answered
    assert "all_the_same" in answered
    assert "Eve" in operator.get(address, {"q": "ev"}).content.decode()
    assert "It is Eve" in operator.get(address, {"person": person.pk}).content.decode()
    operator.post(address, {"person": person.pk})
    assert Sighting.objects.filter(person=person).count() == 2
    assert operator.get(address).status_code == 302
    undo_address = reverse("correction_undo", args=[Correction.objects.order_by("pk")[0].pk])
    assert "Delete Eve as well" in operator.get(undo_address).content.decode()
    operator.post(undo_address, {"remove_person": "on"})
    assert not Person.objects.exists()


def test_erasing_somebody_unknown(operator: Client) -> None:
    identity = unknown()
    address = reverse("identity_erase", args=[identity.pk])
    assert "can not be undone" in operator.get(address).content.decode()
    assert "Say why" in operator.post(address, {"reason": "x"}).content.decode()
    said = operator.post(address, {"reason": "They asked for it."}, follow=True).content.decode()
    assert "2 sightings are nobody" in said
    assert not Identity.objects.exists()
    theirs = known(PersonFactory.create())
    assert "is enrolled" in operator.get(reverse("identity_erase", args=[theirs.pk])).content.decode()
