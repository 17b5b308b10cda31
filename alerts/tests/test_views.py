"""The dashboard, the list of alerts, one alert, and its acknowledgement."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse

from accounts.roles import Role
from accounts.tests.factories import UserFactory, sign_in
from alerts.models import Alert, AlertState, Review
from alerts.tests.factories import AlertFactory
from cameras.tests.factories import NOON, CameraFactory, SightingFactory
from recognition.tests.factories import PersonFactory, TemplateFactory

pytestmark = pytest.mark.django_db

PAGES: dict[str, tuple[bool, list[Role | None], str]] = {  # name: (needs an alert, roles that may not, allowed method)
    "dashboard": (False, [None], "get"),
    "alerts": (False, [None], "get"),
    "alert": (True, [None], "get"),
    "alert_acknowledge": (True, [None, Role.VIEWER], "post"),
    "alerts_acknowledge": (False, [None, Role.VIEWER], "post"),
}


def address(name: str) -> str:
    return reverse(name, args=[AlertFactory.create().pk] if PAGES[name][0] else [])


def shown(text: str) -> list[int]:
    return [int(pk) for pk in re.findall(r'id="alert-(\d+)"', text)]


@pytest.mark.parametrize("name", ["dashboard", "alerts", "alert"])
def test_every_page_opens_for_a_viewer(client: Client, name: str) -> None:
    sign_in(client, Role.VIEWER)
    answer = client.get(address(name))
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", PAGES)
def test_nobody_gets_in_without_signing_in(client: Client, name: str) -> None:
    answer = client.generic(PAGES[name][2].upper(), address(name))
    assert answer["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize(("name", "role"), [(name, role) for name in PAGES for role in PAGES[name][1]])
def test_a_wrong_role_is_refused(client: Client, name: str, role: Role | None) -> None:
    sign_in(client, role)
    assert client.generic(PAGES[name][2].upper(), address(name)).status_code == 403


@pytest.mark.parametrize("name", PAGES)
def test_a_wrong_method_is_refused(client: Client, name: str) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    wrong = "post" if PAGES[name][2] == "get" else "get"
    assert client.generic(wrong.upper(), address(name)).status_code == 405


def test_an_empty_dashboard_says_what_to_do_first(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    page = client.get("/").content.decode()
    assert f'href="{reverse("watchlist_add")}"' in page
    assert f'href="{reverse("enrol")}"' in page
    assert f'href="{reverse("camera_add")}"' in page
    TemplateFactory.create()
    CameraFactory.create()
    assert "First steps" not in client.get("/").content.decode()


def test_a_viewer_is_not_offered_what_they_may_not_do(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    AlertFactory.create()
    for page in ("/", "/alerts/", "/people/", "/cameras/", "/people/watchlists/"):
        text = client.get(page).content.decode()
        for name in ("enrol", "camera_add", "watchlist_add", "photo_searches"):
            assert f'href="{reverse(name)}"' not in text
        assert "/acknowledge/" not in text


def test_the_dashboard_shows_the_newest_alerts_up_to_its_cursor(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    made = [AlertFactory.create().pk for _ in range(52)]
    text = client.get("/").content.decode()
    assert shown(text) == made[:1:-1]
    newest = Alert.objects.get(pk=made[-1])
    assert f'<data id="alert-cursor" value="{newest.revision}" data-newest="{newest.pk}"' in text
    assert 'id="alert-count" title="Alerts that nobody has acknowledged">52<' in text


def test_an_alert_shows_all_that_a_decision_needs(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    row = AlertFactory.create(similarity=0.9312, threshold=0.86, person_name="Ada <b>", severity="critical")
    for page in (reverse("alerts"), reverse("alert", args=[row.pk])):
        text = client.get(page).content.decode()
        for part in (
            "Ada &lt;b&gt;",
            "Critical",
            "0.931",
            "0.860",
            row.camera_name,
            row.watchlist_name,
            "52.52000, 13.40500",
        ):
            assert part in text
        assert reverse("sighting_shot", args=[row.sighting_id]) in text
        assert reverse("portrait", args=[row.person_id]) in text
        assert "93" + "%" not in text


def test_an_alert_outlives_what_it_tells_about(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    row = AlertFactory.create(person_name="Ada", camera_name="Gate")
    for gone in (row.person, row.camera, row.rule and row.rule.own_list):
        assert gone is not None
        gone.delete()
    for page in ("/", reverse("alerts"), reverse("alert", args=[row.pk])):
        text = client.get(page).content.decode()
        assert "Ada" in text
        assert "Gate" in text


def test_the_list_filters_by_its_address(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    old, new = AlertFactory.create(state=AlertState.ACKNOWLEDGED), AlertFactory.create()
    page = reverse("alerts")
    assert shown(client.get(page).content.decode()) == [new.pk, old.pk]
    cases: list[tuple[dict[str, str | int | None], list[int]]] = [
        ({"state": "new"}, [new.pk]),
        ({"person": old.person_id}, [old.pk]),
        ({"camera": new.camera_id}, [new.pk]),
        ({"camera": new.camera_id, "state": "acknowledged"}, []),
        ({"state": "nonsense", "person": "x", "camera": "9" * 50}, [new.pk, old.pk]),
        ({"before": new.pk}, [old.pk]),
    ]
    for query, wanted in cases:
        asked = {name: str(value) for name, value in query.items()}
        assert shown(client.get(page, asked).content.decode()) == wanted


def test_a_filtered_list_says_what_it_wants_to_be_told(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    person = PersonFactory.create().pk
    text = client.get(reverse("alerts"), {"state": "new", "person": str(person)}).content.decode()
    feed = re.search(r'data-feed="(.*?)"', text)
    assert feed is not None
    assert json.loads(unescape(feed[1])) == {"state": "new", "person": person}
    assert "data-closed" not in text
    assert "data-closed" in client.get(reverse("alerts"), {"before": 5}).content.decode()


def test_the_form_shows_what_is_filtered_by(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    asked = {"severity": "low", "from": "2026-03-14T12:00", "mine": "1", "text": "<Ada>"}
    text = client.get(reverse("alerts"), asked).content.decode()
    for part in ('value="low" selected', 'value="2026-03-14T12:00"', 'name="mine" value="1" checked', "&lt;Ada&gt;"):
        assert part in text
    assert '<details class="filters__more" open' in text
    assert '<details class="filters__more" open' not in client.get(reverse("alerts")).content.decode()


def test_filters_stay_when_older_alerts_are_asked_for(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    sighting = SightingFactory.create()
    AlertFactory.create_batch(52, sighting=sighting, severity="low")
    text = client.get(reverse("alerts"), {"severity": "low", "text": "a & b"}).content.decode()
    assert "before=" not in text
    text = client.get(reverse("alerts"), {"severity": "low"}).content.decode()
    assert re.search(r'href="\?severity=low&amp;before=\d+"', text)


def test_only_ones_own_alerts(client: Client) -> None:
    me = sign_in(client, Role.OPERATOR)
    mine, _, others = AlertFactory.create(assigned_to=me), AlertFactory.create(), UserFactory.create()
    AlertFactory.create(assigned_to=others)
    assert shown(client.get(reverse("alerts"), {"mine": "1"}).content.decode()) == [mine.pk]


KINDS: list[tuple[dict[str, object], list[str], list[str]]] = [
    ({"person": None, "person_name": ""}, ["Unknown face", "Nobody known"], ["Enrolled portrait", "deleted"]),
    ({"person": None, "person_name": "Ada"}, ["Ada", "The person was deleted"], ["Nobody known"]),
    (
        {"count": 3, "last_at": NOON, "zone_name": "Yard", "trigger": "enters", "detail": "entered Yard."},
        ["3 times, last", ", Yard", "entered Yard."],
        [],
    ),
    ({"named_at": NOON}, ["The name came later"], []),
    ({"reviews_needed": 2}, ["Lead: 0 of 2 reviews", "is-lead"], []),
    ({"reviews_needed": 2, "state": "confirmed"}, ["Confirmed"], ["Lead:", "is-lead"]),
    ({"state": "dismissed", "dismissal": "test", "decided_at": NOON}, ["Dismissed: A test, <time"], ["Acknowledge"]),
    ({"state": "closed", "closed_at": NOON}, ["Closed, <time"], ["Acknowledge the alert"]),
    (
        {"sighting": None, "camera": None, "camera_name": "", "person": None, "person_name": "Ada", "trigger": "absent"}
        | {
            "captured_at": NOON,
            "similarity": None,
            "threshold": None,
            "day": NOON.date(),
            "detail": "Ada was not seen by 09:00.",
        },
        ["Not seen", "Ada was not seen by 09:00."],
        ["Similarity", "sighting_shot"],
    ),
    ({"trigger": "crowd"}, ["Too many people at once"], []),
]


@pytest.mark.parametrize(("values", "there", "not_there"), KINDS, ids=[str(values) for values, *_ in KINDS])
def test_alerts_of_every_kind_are_shown(
    client: Client, values: dict[str, object], there: list[str], not_there: list[str]
) -> None:
    sign_in(client, Role.OPERATOR)
    row = AlertFactory.create(**values)
    for page in (reverse("alerts"), reverse("dashboard")):
        text = client.get(page).content.decode()
        found = re.search(rf'<li class="alert [^>]*id="alert-{row.pk}".*?</li>', text, re.DOTALL)
        assert found is not None
        assert all(part in found[0] for part in there)
        assert not any(part in found[0] for part in not_there)


def test_an_alert_says_whose_it_is(client: Client) -> None:
    user = sign_in(client, Role.VIEWER)
    AlertFactory.create(assigned_to=user)
    assert f"For {user.username}" in client.get(reverse("alerts")).content.decode()


def test_a_lead_says_how_many_have_reviewed_it_and_not_what(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    row = AlertFactory.create(reviews_needed=2)
    Review.objects.create(alert=row, reviewer_name="Bob", answer=Review.Answer.DIFFERENT)
    Review.objects.create(alert=row, reviewer_name="Eve", answer=Review.Answer.DIFFERENT, settled=True)
    text = client.get(reverse("alerts")).content.decode()
    assert "Lead: 1 of 2 reviews" in text
    assert "Bob" not in text


def test_the_heading_counts_what_nobody_has_acknowledged(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    AlertFactory.create(severity="critical")
    AlertFactory.create(severity="critical", state=AlertState.ACKNOWLEDGED)
    text = client.get(reverse("alerts")).content.decode()
    assert 'data-count-of="critical">1</span>' in text
    assert 'data-count-of="low">0</span>' in text
    assert 'data-critical="1"' in text


def test_older_alerts_are_fetched_as_a_part(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    sighting = SightingFactory.create()
    made = [AlertFactory.create(sighting=sighting).pk for _ in range(53)]
    first = client.get(reverse("alerts")).content.decode()
    more = re.search(r'hx-get="\?before=(\d+)"', first)
    assert more is not None
    part = client.get(reverse("alerts"), {"before": more[1]}, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert shown(first) + shown(part) == made[::-1]


def test_acknowledging_with_and_without_htmx(client: Client) -> None:
    user = sign_in(client, Role.OPERATOR)
    one, two = AlertFactory.create(), AlertFactory.create()
    part = client.post(reverse("alert_acknowledge", args=[one.pk]), headers={"HX-Request": "true"}).content.decode()
    assert shown(part) == [one.pk]
    assert user.username in part
    assert 'hx-swap-oob="true">1</span>' in part
    answer = client.post(reverse("alert_acknowledge", args=[two.pk]), {"next": "/alerts/?state=new"})
    assert answer["Location"] == "/alerts/?state=new"
    assert set(Alert.objects.values_list("state", "acknowledged_by")) == {("acknowledged", user.pk)}


def test_acknowledging_the_selected_without_scripts(client: Client) -> None:
    user = sign_in(client, Role.OPERATOR)
    one, two, three = (AlertFactory.create() for _ in range(3))
    AlertFactory.create(state=AlertState.ACKNOWLEDGED, acknowledged_by=UserFactory.create())
    wanted = {"alert": [one.pk, two.pk, "x", 10**18], "next": "/alerts/?state=new"}
    answer = client.post(reverse("alerts_acknowledge"), wanted, follow=True)
    assert answer.redirect_chain[-1][0] == "/alerts/?state=new"
    assert "2 alerts were acknowledged." in answer.content.decode()
    assert "1 alert was acknowledged by somebody else before, or gone." in answer.content.decode()
    assert {row.pk for row in Alert.objects.filter(acknowledged_by=user)} == {one.pk, two.pk}
    three.refresh_from_db()
    assert three.state == AlertState.NEW


def test_acknowledging_the_selected_with_htmx_brings_them_as_they_are_now(client: Client) -> None:
    user = sign_in(client, Role.OPERATOR)
    rows = [AlertFactory.create() for _ in range(3)]
    wanted = {"alert": [row.pk for row in rows[:2]]}
    part = client.post(reverse("alerts_acknowledge"), wanted, headers={"HX-Request": "true"}).content.decode()
    assert sorted(shown(part)) == sorted(wanted["alert"])
    assert part.count(user.username) == 2
    assert 'id="alert-cursor"' not in part
    assert 'hx-swap-oob="true">1</span>' in part


def test_acknowledging_nothing_says_what_to_do(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    answer = client.post(reverse("alerts_acknowledge"), {"next": "https://evil.example/"}, follow=True)
    assert answer.redirect_chain[-1][0] == reverse("alerts")
    assert "No alert was selected." in answer.content.decode()


def test_the_first_to_acknowledge_stays_named(client: Client) -> None:
    row = AlertFactory.create()
    first = sign_in(client, Role.OPERATOR)
    client.post(reverse("alert_acknowledge", args=[row.pk]))
    sign_in(client, Role.OPERATOR)
    answer = client.post(reverse("alert_acknowledge", args=[row.pk]), {"next": "https://evil.example/"}, follow=True)
    assert answer.redirect_chain[-1][0] == reverse("alert", args=[row.pk])
    assert f"{first.username} was faster" in answer.content.decode()
    row.refresh_from_db()
    assert row.acknowledged_by == first


def test_an_alert_that_is_gone(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    assert client.get(reverse("alert", args=[10**18])).status_code == 404
    assert client.post(reverse("alert_acknowledge", args=[77])).status_code == 404
