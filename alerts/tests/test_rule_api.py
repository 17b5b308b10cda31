"""The API of rules, their previews, and rotas."""

from __future__ import annotations

from datetime import date, time
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from accounts.roles import Role
from accounts.services import create_api_key
from accounts.tests.clients import key_client, problem
from accounts.tests.factories import UserFactory
from alerts.models import Alert, Channel, Endpoint, Rota, RotaMember, Rule, Who
from alerts.rule_services import save_rule
from alerts.rule_values import RuleValues, values_of
from alerts.services import give_rule
from cameras.models import Ground, Shape, Zone
from cameras.tests.factories import CameraFactory, SightingFactory
from recognition.tests.factories import PersonFactory, WatchlistFactory

pytestmark = pytest.mark.django_db

RULES = "/api/v1/rules"


def make_rule(**more: Any) -> Rule:
    more.setdefault("name", "Strangers")
    return save_rule(actor=None, rule=None, values=RuleValues(who=Who.UNKNOWN, **more))


def restricted(*codenames: str) -> APIClient:
    """A program that may do just this."""
    user = UserFactory.create()
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    _, secret = create_api_key(actor=None, user=User.objects.get(pk=user.pk), name="test")
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", RULES),
        ("post", RULES),
        ("post", f"{RULES}/preview"),
        ("get", "/api/v1/rotas"),
        ("patch", f"{RULES}/1"),
        ("delete", f"{RULES}/1"),
        ("post", f"{RULES}/1/enable"),
        ("get", f"{RULES}/1/preview"),
    ],
)
def test_nobody_gets_in_without_signing_in_or_with_a_viewers_key(method: str, path: str) -> None:
    assert getattr(APIClient(), method)(path).status_code == 401
    assert getattr(key_client(Role.VIEWER), method)(path).status_code == 403


def test_an_operator_reads_and_changes_nothing() -> None:
    client, rule = key_client(Role.OPERATOR), make_rule()
    assert client.get(f"{RULES}/{rule.pk}").status_code == 200
    assert client.get(f"{RULES}/{rule.pk}/preview").status_code == 200
    assert client.patch(f"{RULES}/{rule.pk}", {"name": "x"}, format="json").status_code == 403
    assert client.delete(f"{RULES}/{rule.pk}").status_code == 403


def test_a_wrong_method_is_refused() -> None:
    client = key_client(Role.ADMINISTRATOR)
    assert problem(client.put(RULES), 405)
    assert problem(client.get(f"{RULES}/preview"), 405)
    assert problem(client.post("/api/v1/rotas"), 405)


def test_a_rule_is_made_changed_and_removed() -> None:
    client, camera = key_client(Role.ADMINISTRATOR), CameraFactory.create()
    user, place = (
        UserFactory.create(),
        Endpoint.objects.create(name="Siren", channel=Channel.WEBHOOK, sealed_config=b"", shown="siren"),
    )
    sent = {
        "name": "Lingers",
        "trigger": "stays",
        "who": "unknown",
        "cameras": [camera.pk],
        "seconds": 300,
        "schedule": "Mon-Fri 20:00-06:00",
        "steps": [{"users": [user.pk]}, {"after_minutes": 5, "endpoints": [str(place.pk)]}],
    }
    answer = client.post(RULES, sent, format="json")
    assert answer.status_code == 201
    made = answer.json()
    assert answer["Location"] == f"{RULES}/{made['id']}"
    assert (made["enabled"], made["placed"], made["seconds"]) == (False, True, 300)
    assert "stays on" in made["sentence"]
    assert [step["after_minutes"] for step in made["steps"]] == [0, 5]
    changed = client.patch(answer["Location"], {"cameras": [], "enabled": True, "steps": []}, format="json").json()
    assert (changed["placed"], changed["enabled"], changed["steps"], changed["seconds"]) == (False, True, [], 300)
    assert client.post(f"{answer['Location']}/disable").json()["enabled"] is False
    assert client.post(f"{answer['Location']}/enable").json()["enabled"] is True
    assert client.delete(answer["Location"]).status_code == 204
    assert problem(client.get(answer["Location"]), 404)


def test_mistakes_are_said_by_field() -> None:
    client = key_client(Role.ADMINISTRATOR)
    usual = {"name": "X", "who": "unknown"}
    for more, field in (
        ({"trigger": "stays"}, "seconds"),
        ({"schedule": ";"}, "schedule"),
        ({"time_zone": "Mars"}, "time_zone"),
        ({"event_kinds": ["stolen"], "trigger": "camera"}, "event_kinds"),
        ({"trigger": "dances"}, "trigger"),
        ({"cameras": [10**30]}, "cameras"),
        ({"who": "listed"}, "watchlists"),
        ({"steps": [{"after_minutes": 1}]}, "steps"),
        ({"min_quality": "NaN"}, "min_quality"),
        ({"seconds": -1}, "seconds"),
    ):
        answer = client.post(RULES, usual | more, format="json")
        assert field in problem(answer, 400)["errors"], more
    assert client.post(RULES, usual, format="json").status_code == 201
    assert "name" in problem(client.post(RULES, usual, format="json"), 400)["errors"]
    own = give_rule(watchlist=WatchlistFactory.create())
    assert problem(client.delete(f"{RULES}/{own.pk}"), 400)


def test_who_saves_second_is_told() -> None:
    client, rule = key_client(Role.ADMINISTRATOR), make_rule()
    seen = client.get(f"{RULES}/{rule.pk}").json()["marker"]
    first = client.patch(f"{RULES}/{rule.pk}", {"severity": "low", "seen": seen}, format="json")
    assert first.status_code == 200
    assert first.json()["marker"] != seen
    assert problem(client.patch(f"{RULES}/{rule.pk}", {"severity": "high", "seen": seen}, format="json"), 409)
    assert Rule.objects.get(pk=rule.pk).severity == "low"


def test_a_rule_whose_places_are_gone_does_not_become_one_about_everywhere() -> None:
    client, camera = key_client(Role.ADMINISTRATOR), CameraFactory.create()
    zone = Zone.objects.create(
        name="Yard", ground=Ground.PICTURE, camera=camera, shape=Shape.POLYGON, points=[[0, 0], [1, 0], [1, 1]]
    )
    rule = make_rule(zones=(zone.pk,))
    zone.delete()
    answer = client.patch(f"{RULES}/{rule.pk}", {"severity": "low"}, format="json")
    assert "cameras" in problem(answer, 400)["errors"]
    assert client.patch(f"{RULES}/{rule.pk}", {"zones": []}, format="json").json()["placed"] is False


def test_lists_that_may_not_be_seen_are_null_and_stay() -> None:
    person = PersonFactory.create(name="Hidden Person")
    rule = save_rule(actor=None, rule=None, values=RuleValues(name="Named", people=(person.pk,)))
    client = restricted("view_rule", "change_rule")
    shown = client.get(f"{RULES}/{rule.pk}")
    assert shown.json()["people"] is None
    assert "Hidden Person" not in shown.content.decode()
    assert client.patch(f"{RULES}/{rule.pk}", {"severity": "low"}, format="json").status_code == 200
    assert values_of(rule).people == (person.pk,)
    answer = client.patch(f"{RULES}/{rule.pk}", {"people": []}, format="json")
    assert "people" in problem(answer, 400)["errors"]


def test_the_list_is_filtered() -> None:
    client = key_client(Role.ADMINISTRATOR)
    make_rule(enabled=True)
    make_rule(name="Other")
    shown = client.get(RULES, {"enabled": "true", "trigger": "appears"}).json()["results"]
    assert [one["name"] for one in shown] == ["Strangers"]
    assert problem(client.get(RULES, {"trigger": "dances"}), 400)


def test_a_rule_is_previewed_before_it_exists() -> None:
    client = key_client(Role.ADMINISTRATOR)
    sighting = SightingFactory.create(verdict="unknown", person=None, first_seen=timezone.now(), sealed_shot=None)
    found = client.post(f"{RULES}/preview?days=2", {"name": "X", "who": "unknown"}, format="json").json()
    assert (found["fired"], found["days"]) == (1, 2)
    assert found["examples"][0]["camera_name"] == sighting.camera_name
    assert "once in the last 2 days" in found["summary"]
    assert not Rule.objects.filter(name="X").exists()
    assert not Alert.objects.exists()
    assert problem(client.post(f"{RULES}/preview", {"name": "X"}, format="json"), 400)
    assert problem(client.post(f"{RULES}/preview?days=0", {"name": "X", "who": "unknown"}, format="json"), 400)
    rule = make_rule()
    assert client.get(f"{RULES}/{rule.pk}/preview").json()["fired"] == 1


def test_examples_are_for_those_who_may_see_them() -> None:
    ann = PersonFactory.create(name="Ann")
    SightingFactory.create(person=ann, first_seen=timezone.now(), sealed_shot=None)
    sent = {"name": "X", "who": "anybody"}
    assert restricted("add_rule").post(f"{RULES}/preview", sent, format="json").json()["examples"] == []
    named = restricted("add_rule").post(f"{RULES}/preview", {"name": "X", "people": [ann.pk]}, format="json")
    assert "people" in problem(named, 400)["errors"]
    (one,) = restricted("add_rule", "view_sighting").post(f"{RULES}/preview", sent, format="json").json()["examples"]
    assert (one["person"], one["person_name"]) == (None, "")


def test_rotas_say_who_is_on_call() -> None:
    rota = Rota.objects.create(name="Nights", first_day=date(2020, 1, 1), handover=time(8), days_each=7)
    user = UserFactory.create(role=Role.VIEWER)
    RotaMember.objects.create(rota=rota, user=user)
    client = key_client(Role.ADMINISTRATOR)
    (shown,) = client.get("/api/v1/rotas").json()["results"]
    assert (shown["members"], shown["on_call"]) == ([user.pk], user.pk)
    assert client.get(f"/api/v1/rotas/{rota.pk}").json() == shown
