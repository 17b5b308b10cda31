"""The pages of rules: who may, what they save, and that nothing is switched on unseen."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.roles import Role
from accounts.tests.factories import UserFactory, sign_in
from alerts.models import CooldownScope, Rule, Severity, Trigger, Who
from alerts.rule_fields import read, written
from alerts.rule_services import save_rule
from alerts.rule_values import RuleValues, StepValues, marker, values_of
from alerts.services import give_rule
from alerts.tests.factories import AlertFactory
from cameras.models import Ground, Shape, Zone
from cameras.tests.factories import CameraFactory, SightingFactory
from recognition.models import Category
from recognition.tests.factories import PersonFactory, WatchlistFactory

pytestmark = pytest.mark.django_db

PAGES: dict[
    str, tuple[bool, list[Role | None], str, str]
] = {  # needs a rule, roles that may not, a method, a wrong one
    "rules": (False, [None, Role.VIEWER], "get", "post"),
    "rule_add": (False, [None, Role.VIEWER, Role.OPERATOR, Role.REVIEWER], "get", "put"),
    "rule_edit": (True, [None, Role.VIEWER, Role.OPERATOR, Role.REVIEWER], "get", "delete"),
    "rule_enable": (True, [None, Role.VIEWER, Role.OPERATOR, Role.REVIEWER], "post", "get"),
    "rule_preview": (False, [None, Role.VIEWER, Role.OPERATOR, Role.REVIEWER], "post", "get"),
    "rule_previewed": (True, [None, Role.VIEWER], "get", "post"),
    "rule_people": (False, [None, Role.VIEWER, Role.OPERATOR, Role.REVIEWER], "get", "post"),
    "rule_schedule": (False, [None, Role.VIEWER, Role.OPERATOR, Role.REVIEWER], "get", "post"),
    "rule_remove": (True, [None, Role.VIEWER, Role.OPERATOR, Role.REVIEWER], "get", "put"),
}
HX = {"HX-Request": "true"}


def make_rule(**more: Any) -> Rule:
    more.setdefault("name", "Strangers")
    return save_rule(actor=None, rule=None, values=RuleValues(who=Who.UNKNOWN, **more))


def address(name: str) -> str:
    return reverse(name, args=[make_rule().pk] if PAGES[name][0] else [])


def typed(**more: Any) -> dict[str, Any]:
    """The least that a browser sends."""
    usual = {
        "name": "Strangers",
        "trigger": "appears",
        "who": "unknown",
        "where": "everywhere",
        "direction": "either",
        "on_holidays": "as_always",
        "severity": "high",
        "cooldown_seconds": "1 min",
        "cooldown_scope": "person_camera",
        "bundle": "on",
        "step_rows": "1",
    }
    return usual | more


def token_in(page: str) -> str:
    found = re.search(r'name="previewed" value="([^"]+)"', page)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("name", [name for name in PAGES if PAGES[name][2] == "get"])
def test_every_page_opens_for_an_administrator(client: Client, name: str) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    answer = client.get(address(name))
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert " style=" not in answer.content.decode()


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
    assert client.generic(PAGES[name][3].upper(), address(name)).status_code == 405


def test_an_operator_reads_rules_and_is_offered_no_change(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    rule = make_rule()
    page = client.get(reverse("rules")).content.decode()
    assert "When an unknown face is seen on any camera" in page
    for name in ("rule_edit", "rule_enable", "rule_remove"):
        assert reverse(name, args=[rule.pk]) not in page


def test_a_rule_is_made_switched_off_unless_its_preview_was_seen(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    answer = client.post(reverse("rule_add"), typed(enabled="1"), follow=True)
    assert "is switched off" in answer.content.decode()
    assert not Rule.objects.get(name="Strangers").enabled


def test_who_saw_the_preview_may_switch_it_on_while_saving(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    SightingFactory.create(verdict="unknown", person=None, first_seen=timezone.now(), sealed_shot=None)
    page = client.post(reverse("rule_preview"), typed(), headers=HX).content.decode()
    assert "<html" not in page
    assert "would have fired once in the last 7 days" in page
    token = token_in(page)
    client.post(reverse("rule_add"), typed(enabled="1", previewed=token, name="On", severity="low"))
    assert Rule.objects.get(name="On").enabled  # its name and its severity do not matter to when it fires
    client.post(reverse("rule_add"), typed(enabled="1", previewed=token, name="Other", schedule="Mon"))
    assert not Rule.objects.get(name="Other").enabled
    client.post(reverse("rule_add"), typed(enabled="1", previewed=token + "x", name="Forged"))
    assert not Rule.objects.get(name="Forged").enabled


def test_the_preview_of_somebody_else_switches_nothing_on(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    token = token_in(client.post(reverse("rule_preview"), typed(), headers=HX).content.decode())
    sign_in(client, Role.ADMINISTRATOR)
    client.post(reverse("rule_add"), typed(enabled="1", previewed=token))
    assert not Rule.objects.get(name="Strangers").enabled


def test_the_preview_works_without_scripts_and_saves_nothing(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    page = client.post(reverse("rule_preview"), typed()).content.decode()
    assert "<html" in page
    assert "No sighting is stored yet" in page
    assert 'value="Strangers"' in page
    assert not Rule.objects.filter(name="Strangers").exists()


def test_a_preview_of_what_can_not_be_used_says_why(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    page = client.post(reverse("rule_preview"), typed(schedule="never", name=""), headers=HX).content.decode()
    assert "There is no preview yet" in page
    assert "Name: This field is required." in page
    page = client.post(reverse("rule_preview"), typed(schedule="never"), headers=HX).content.decode()
    assert "is no day of the week" in page


def test_examples_are_for_those_who_may_see_sightings_and_people(client: Client) -> None:
    SightingFactory.create(
        person=PersonFactory.create(name="Ann Lee"), first_seen=timezone.now(), similarity=0.95, sealed_shot=None
    )
    user = sign_in(client, None)
    user.user_permissions.set(Permission.objects.filter(codename__in=["add_rule"]))
    page = client.post(reverse("rule_preview"), typed(who="anybody"), headers=HX).content.decode()
    assert "would have fired once" in page
    assert "<table" not in page
    user.user_permissions.add(Permission.objects.get(codename="view_sighting"))
    page = client.post(reverse("rule_preview"), typed(who="anybody"), headers=HX).content.decode()
    assert "a known person" in page
    assert "Ann Lee" not in page


def test_the_switch_of_the_list_shows_the_preview_first(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    rule = make_rule()
    switch = reverse("rule_enable", args=[rule.pk])
    answer = client.post(switch, {"enabled": "1"})
    assert answer["Location"] == reverse("rule_previewed", args=[rule.pk])
    assert not Rule.objects.get(pk=rule.pk).enabled
    token = token_in(client.get(answer["Location"]).content.decode())
    client.post(switch, {"enabled": "1", "previewed": token})
    assert Rule.objects.get(pk=rule.pk).enabled
    client.post(switch, {"enabled": "0"})
    assert not Rule.objects.get(pk=rule.pk).enabled
    assert client.post(switch, {"enabled": "perhaps"}).status_code == 400


def test_a_rule_with_a_zone_that_is_gone_is_not_switched_on(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    camera = CameraFactory.create()
    points = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]
    zone = Zone.objects.create(name="Yard", ground=Ground.PICTURE, camera=camera, shape=Shape.POLYGON, points=points)
    rule = make_rule(trigger=Trigger.ENTERS, zones=(zone.pk,))
    camera.delete()
    client.post(reverse("rule_enable", args=[rule.pk]), {"enabled": "1"})
    page = client.get(reverse("rule_previewed", args=[rule.pk])).content.decode()
    assert "was drawn on a camera or plan that was removed" in page
    assert "Switch it on" not in page
    assert not Rule.objects.get(pk=rule.pk).enabled
    assert "never fires" in client.get(reverse("rules")).content.decode()


def test_everything_that_is_typed_is_saved_and_shown_again(client: Client) -> None:
    user = sign_in(client, Role.ADMINISTRATOR)
    watchlist, person, camera = WatchlistFactory.create(), PersonFactory.create(), CameraFactory.create()
    role = Group.objects.get(name="Operators")
    sent = typed(
        who="listed",
        watchlists=[watchlist.pk],
        people=[person.pk],
        where="places",
        cameras=[camera.pk],
        trigger="stays",
        seconds="1 h 30 min",
        schedule="Mon-Fri 20:00-06:00",
        time_zone="Europe/Zurich",
        on_holidays="off",
        holidays="CH",
        valid_from="2026-03-01T08:00",
        min_similarity="0.9",
        cooldown_seconds="10 min",
        cooldown_scope="person",
        step_rows="3",
    )
    sent |= {"step0-groups": [role.pk], "step2-after_minutes": "5", "step2-users": [user.pk]}
    del sent["bundle"]
    assert client.post(reverse("rule_add"), sent).status_code == 302
    rule = Rule.objects.get(name="Strangers")
    values = values_of(rule)
    assert (values.seconds, values.cooldown_seconds, values.bundle) == (5400, 600, False)
    assert (values.cameras, values.people, values.watchlists) == ((camera.pk,), (person.pk,), (watchlist.pk,))
    assert values.steps == (StepValues(groups=(role.pk,)), StepValues(after_minutes=5, users=(user.pk,)))
    page = client.get(reverse("rule_edit", args=[rule.pk])).content.decode()
    assert 'value="90 min"' in page
    assert 'value="2026-03-01T08:00"' in page
    assert person.name in page
    # What the page shows, sent back as it is, changes nothing.
    again = sent | {"seen": re.findall(r'name="seen" value="(\w+)"', page)[0]}
    assert client.post(reverse("rule_edit", args=[rule.pk]), again).status_code == 302
    assert values_of(Rule.objects.get(pk=rule.pk)) == values


def test_fields_that_do_not_fit_are_ignored_without_scripts(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    sent = typed(seconds="5 min", count="4", people=[PersonFactory.create().pk], cameras=[CameraFactory.create().pk])
    client.post(reverse("rule_add"), sent)
    values = values_of(Rule.objects.get(name="Strangers"))
    assert (values.seconds, values.count, values.people, values.cameras, values.placed) == (None, None, (), (), False)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"trigger": "stays"}, "How many seconds?"),
        ({"where": "places"}, "No place is chosen"),
        ({"who": "listed"}, "It names nobody"),
        ({"time_zone": "Mars/Olympus"}, "There is no time zone"),
        ({"schedule": ";"}, "names no time"),
        ({"cooldown_seconds": "soon"}, "This is no span of time"),
        ({"step0-after_minutes": "5"}, "The step after 5 min tells nobody"),
        ({"cameras": ["x"], "where": "places"}, "not a valid"),
        ({"step0-users": ["999999"]}, "not one of the available choices"),
        ({"name": "a\x00b"}, "Null characters"),
        ({"step_rows": "many"}, ""),
    ],
)
def test_what_can_not_be_used_is_said_where_it_was_typed(client: Client, more: dict[str, Any], said: str) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    answer = client.post(reverse("rule_add"), typed(**more))
    if not said:
        assert answer.status_code == 302
        return
    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert not Rule.objects.filter(name="Strangers").exists()


def test_who_saves_second_is_told(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    rule = make_rule()
    seen = marker(values_of(rule))
    edit = reverse("rule_edit", args=[rule.pk])
    assert client.post(edit, typed(seen=seen, severity="low")).status_code == 302
    page = client.post(edit, typed(seen=seen, severity="critical")).content.decode()
    assert "Somebody else saved this rule" in page
    assert "Open it again" in page
    assert Rule.objects.get(pk=rule.pk).severity == Severity.LOW


def test_an_editor_who_may_not_see_people_neither_sees_nor_loses_them(client: Client) -> None:
    person = PersonFactory.create(name="Hidden Person")
    rule = save_rule(actor=None, rule=None, values=RuleValues(name="Named", people=(person.pk,)))
    user = sign_in(client, None)
    user.user_permissions.set(Permission.objects.filter(codename__in=["change_rule", "view_rule"]))
    edit = reverse("rule_edit", args=[rule.pk])
    page = client.get(edit).content.decode()
    assert "Hidden Person" not in page
    assert "People: 1 chosen, which your role may not see" in page
    assert "Hidden Person" not in client.get(reverse("rules")).content.decode()
    assert "1 person" in client.get(reverse("rules")).content.decode()
    client.post(edit, typed(name="Renamed", who="listed", people=[]))
    changed = Rule.objects.get(pk=rule.pk)
    assert (changed.name, list(changed.people.all())) == ("Renamed", [person])
    page = client.post(edit, typed(name="Renamed", who="unknown")).content.decode()
    assert "may not see these" in page


def test_names_are_text_and_nothing_else(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    evil = "<script>alert(1)</script>\"'"
    person, camera = PersonFactory.create(name=evil), CameraFactory.create(name=evil)
    rule = save_rule(
        actor=None,
        rule=None,
        values=RuleValues(name=evil, people=(person.pk,), cameras=(camera.pk,), time_zone="UTC"),
    )
    SightingFactory.create(person=person, camera=camera, first_seen=timezone.now(), sealed_shot=None)
    for name in ("rule_edit", "rule_previewed", "rule_remove"):
        assert "<script>alert" not in client.get(reverse(name, args=[rule.pk])).content.decode()
    for query in ({"name": evil}, {"trigger": evil}, {"page": evil}):
        assert "<script>alert" not in client.get(reverse("rules"), query).content.decode()
    assert "<script>alert" not in client.get(reverse("rule_people"), {"find_people": "script"}).content.decode()
    assert "<script>alert" not in client.get(reverse("rule_schedule"), {"schedule": evil}).content.decode()


def test_people_are_found_by_a_part_of_their_name(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    ann, bob = PersonFactory.create(name="Ann Lee"), PersonFactory.create(name="Bob Leeson")
    page = client.get(reverse("rule_people"), {"find_people": "lee", "people": str(bob.pk)}).content.decode()
    assert f'name="people" value="{ann.pk}"' in page
    assert "Bob" not in page
    never = client.get(reverse("rule_people"), {"find_never": "bob"}).content.decode()
    assert f'name="never_people" value="{bob.pk}"' in never
    assert "Nobody else" in client.get(reverse("rule_people"), {"find_people": "zzz"}).content.decode()
    whole = client.post(reverse("rule_add"), typed(name="", find="find_people", find_people="ann")).content.decode()
    assert f'name="people" value="{ann.pk}"' in whole
    assert "required" not in whole.split("<main")[1].split("id_name")[0]


def test_the_schedule_is_said_in_the_time_zone_that_was_typed(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    said = reverse("rule_schedule")
    assert "Always." in client.get(said).content.decode()
    assert "no day of the week" in client.get(said, {"schedule": "never"}).content.decode()
    assert "There is no time zone" in client.get(said, {"time_zone": "Mars"}).content.decode()
    assert "On: Mon 4 h" in client.get(said, {"schedule": "Mon 08:00-12:00", "time_zone": "UTC"}).content.decode()


def test_a_new_rule_begins_with_what_is_usual_for_a_category(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    watchlist = WatchlistFactory.create(category=Category.STAFF)
    page = client.get(reverse("rule_add"), {"category": "staff"}).content.decode()
    assert '<option value="low" selected>' in page
    assert f'<option value="{CooldownScope.PERSON.value}" selected>' in page
    assert 'value="1 h"' in page
    assert re.search(rf'name="watchlists" value="{watchlist.pk}" checked', page)
    missing = client.get(reverse("rule_add"), {"category": "missing"}).content.decode()
    assert '<option value="critical" selected>' in missing
    assert 'placeholder="5"' in missing
    assert client.get(reverse("rule_add"), {"category": "nonsense"}).status_code == 200
    assert client.get(reverse("rule_add"), {"watchlist": watchlist.pk}).content.decode().count('value="1 h"') == 1


def test_a_watchlists_own_rule_is_not_removed_and_others_are(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    own, other = give_rule(watchlist=WatchlistFactory.create()), make_rule()
    page = client.post(reverse("rule_remove", args=[own.pk])).content.decode()
    assert "Switch it off instead" in page
    assert client.post(reverse("rule_remove", args=[other.pk]))["Location"] == reverse("rules")
    assert list(Rule.objects.filter(pk__in=[own.pk, other.pk])) == [own]


def test_who_removes_a_rule_is_told_whom_nobody_tells_any_more(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    rule = make_rule()
    address = reverse("rule_remove", args=[rule.pk])
    AlertFactory.create(rule=rule, watchlist=None, watchlist_name="")
    assert "still new" not in client.get(address).content.decode()
    AlertFactory.create(rule=rule, watchlist=None, watchlist_name="", next_step_at=timezone.now())
    assert "1 alert by it is still new." in client.get(address).content.decode()


def _many(count: int) -> None:
    start = Rule.objects.count()
    made = Rule.objects.bulk_create(Rule(name=f"Rule {start + n}", who=Who.LISTED) for n in range(count))
    watchlist = WatchlistFactory.create()
    Rule.watchlists.through.objects.bulk_create(
        Rule.watchlists.through(rule_id=rule.pk, watchlist_id=watchlist.pk) for rule in made
    )


def test_a_thousand_rules_ask_the_database_no_more_often_than_ten(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    _many(10)
    client.get(reverse("rules"))
    with CaptureQueriesContext(
        connection,
    ) as few:
        client.get(reverse("rules"))
    _many(990)
    with CaptureQueriesContext(connection) as many:
        page = client.get(reverse("rules")).content.decode()
    assert len(many) == len(few)
    assert "Page 1 of" in page
    assert not any("sealed" in query["sql"] for query in many)


def test_the_admin_site_looks_rules_up_and_leads_to_their_page(client: Client) -> None:
    user = UserFactory.create(role=Role.ADMINISTRATOR)
    User.objects.filter(pk=user.pk).update(is_staff=True)
    client.force_login(User.objects.get(pk=user.pk))
    rule = make_rule()
    page = client.get("/admin/alerts/rule/").content.decode()
    assert reverse("rule_previewed", args=[rule.pk]) in page
    assert client.get(f"/admin/alerts/rule/{rule.pk}/change/").status_code == 200
    assert client.post(f"/admin/alerts/rule/{rule.pk}/change/", {"name": "x"}).status_code == 403
    assert client.get("/admin/alerts/rota/").status_code == 200


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90 s", 90),
        ("5min", 300),
        ("1 h 30 min", 5400),
        ("2 D", 172800),
        ("0", 0),
        ("five", None),
        ("5 parsecs", None),
        ("-5 s", None),
        ("1.5 h", None),
        ("999999999 d", None),
        ("٣ s", None),
    ],
)
def test_spans_are_read_as_people_write_them(text: str, seconds: int | None) -> None:
    assert read(text) == seconds


@pytest.mark.parametrize("seconds", [0, 1, 90, 300, 5400, 3600, 86400, 90061])
def test_what_is_written_is_read_again(seconds: int) -> None:
    assert read(written(seconds)) == seconds
