"""Rules are saved with all they have, refused in words, and told to the audit trail."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission

from accounts.models import AuditEvent, User
from accounts.roles import Role
from accounts.tests.factories import UserFactory
from alerts import rule_services
from alerts.models import (
    Channel,
    CooldownScope,
    Direction,
    Endpoint,
    OnHolidays,
    Rota,
    Rule,
    Severity,
    Trigger,
    Who,
)
from alerts.rule_selectors import rows, rules
from alerts.rule_services import prepared, remove_rule, save_rule, set_enabled
from alerts.rule_values import (
    RuleChanged,
    RuleError,
    RuleValues,
    StepValues,
    firing_marker,
    marker,
    tidied,
    values_of,
)
from alerts.rule_words import describe
from alerts.rules.book import compile_rule
from alerts.services import give_rule
from cameras.models import CameraGroup, Ground, Shape, Zone
from cameras.tests.factories import CameraFactory
from recognition.errors import RecognitionError
from recognition.tests.factories import PersonFactory, WatchlistFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


def zone(name: str = "Yard", shape: Shape = Shape.POLYGON, **more: Any) -> Zone:
    points = [[0.1, 0.5], [0.9, 0.5]] if shape == Shape.LINE else [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]
    more.setdefault("camera", CameraFactory.create())
    return Zone.objects.create(name=name, ground=Ground.PICTURE, shape=shape, points=points, **more)


def unknown(**more: Any) -> RuleValues:
    """The least that a rule needs."""
    return RuleValues(name=more.pop("name", "Strangers"), who=Who.UNKNOWN, **more)


def refused(values: RuleValues) -> str:
    with pytest.raises(RuleError) as caught:
        prepared(values)
    assert str(caught.value).endswith(".")
    return caught.value.field


def test_a_rule_is_saved_with_everything_it_has() -> None:
    actor = UserFactory.create(role=Role.ADMINISTRATOR)
    camera, before, person, never = (
        CameraFactory.create(),
        CameraFactory.create(),
        PersonFactory.create(),
        PersonFactory.create(),
    )
    watchlist, role = WatchlistFactory.create(), Group.objects.create(name="Guards")
    group = CameraGroup.objects.create(name="Entrances")
    rota = Rota.objects.create(name="Nights", first_day=NOW.date(), handover=time(8))
    place = Endpoint.objects.create(name="Siren", channel=Channel.WEBHOOK, sealed_config=b"", shown="siren")
    values = RuleValues(
        name="  From  the gate to the hall ",
        enabled=True,
        trigger=Trigger.FOLLOWS,
        watchlists=(watchlist.pk,),
        people=(person.pk,),
        never_people=(never.pk,),
        cameras=(camera.pk,),
        groups=(group.pk,),
        zones=(zone().pk,),
        before_cameras=(before.pk,),
        before_groups=(group.pk,),
        schedule="Mon-Fri  20:00-06:00",
        time_zone="Europe/Zurich",
        holidays="ch-zh",
        on_holidays=OnHolidays.OFF,
        quiet_hours="22:00-06:00",
        valid_from=NOW,
        valid_until=NOW.replace(year=2027),
        seconds=600,
        min_similarity=0.9,
        min_quality=0.4,
        min_frames=3,
        severity=Severity.CRITICAL,
        cooldown_seconds=0,
        cooldown_scope=CooldownScope.PERSON,
        bundle=False,
        steps=(
            StepValues(after_minutes=5, rotas=(rota.pk,), endpoints=(place.pk,)),
            StepValues(users=(actor.pk,), groups=(role.pk,)),
        ),
    )
    rule = save_rule(actor=actor, rule=None, values=values)
    stored = values_of(Rule.objects.get(pk=rule.pk))
    assert stored == prepared(values)
    assert stored.name == "From the gate to the hall"
    assert (stored.schedule, stored.holidays, stored.placed) == ("Mon-Fri 20:00-06:00", "CH-ZH", True)
    assert [step.after_minutes for step in stored.steps] == [0, 5]
    assert rule.before_placed
    event = AuditEvent.objects.get(verb="created", target=f"rule {rule.pk}")
    assert event.actor == actor
    assert compile_rule(rules().get(pk=rule.pk)) is not None


def test_a_change_is_told_with_what_changed_and_not_with_whom() -> None:
    rule = save_rule(actor=None, rule=None, values=unknown())
    save_rule(actor=None, rule=rule, values=unknown(severity=Severity.LOW, seconds=9, steps=()))
    event = AuditEvent.objects.get(verb="changed", target=f"rule {rule.pk}")
    assert event.detail["changed"] == ["severity"]  # `seconds` is not used by this trigger


def test_steps_stay_the_same_rows_where_nothing_of_them_changed() -> None:
    user = UserFactory.create()
    step = StepValues(users=(user.pk,))
    rule = save_rule(actor=None, rule=None, values=unknown(steps=(step,)))
    before = list(rule.steps.values_list("pk", flat=True))
    save_rule(actor=None, rule=rule, values=unknown(steps=(step,), severity=Severity.LOW))
    assert list(rule.steps.values_list("pk", flat=True)) == before
    save_rule(actor=None, rule=rule, values=unknown())
    assert not rule.steps.exists()


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("name", {"name": " \x00 "}),
        ("name", {"name": "x" * 201}),
        ("schedule", {"schedule": "never"}),
        ("schedule", {"schedule": "Mon 25:00-26:00"}),
        ("schedule", {"schedule": ";"}),
        ("schedule", {"schedule": "08:00-08:00"}),
        ("schedule", {"schedule": "x" * 301}),
        ("quiet_hours", {"quiet_hours": "00:00-24:00"}),
        ("quiet_hours", {"quiet_hours": "00:00-12:00; 12:00-24:00"}),
        ("quiet_hours", {"quiet_hours": "at night"}),
        ("time_zone", {"time_zone": "Europe/Atlantis"}),
        ("time_zone", {"time_zone": "../etc/passwd"}),
        ("holidays", {"holidays": "XX"}),
        ("holidays", {"holidays": "CH-XX"}),
        ("holidays", {"on_holidays": OnHolidays.OFF}),
        ("holidays", {"on_holidays": OnHolidays.ONLY}),
        ("valid_until", {"valid_from": NOW, "valid_until": NOW}),
        ("cameras", {"placed": True}),
        ("cameras", {"cameras": (10**9,)}),
        ("groups", {"groups": (10**9,)}),
        ("zones", {"zones": (10**9,)}),
        ("zones", {"trigger": Trigger.ENTERS}),
        ("zones", {"trigger": Trigger.LEAVES}),
        ("zones", {"trigger": Trigger.CROSSES}),
        ("seconds", {"trigger": Trigger.STAYS}),
        ("seconds", {"trigger": Trigger.STAYS, "seconds": 0}),
        ("seconds", {"trigger": Trigger.STAYS, "seconds": 10**7}),
        ("who", {"trigger": Trigger.RETURNS, "seconds": 60}),
        ("who", {"trigger": Trigger.FOLLOWS, "seconds": 60}),
        ("who", {"trigger": Trigger.ABSENT, "by_time": time(9)}),
        ("count", {"trigger": Trigger.CROWD}),
        ("count", {"trigger": Trigger.CROWD, "count": 1}),
        ("cameras", {"trigger": Trigger.CROWD, "count": 5}),
        ("event_kinds", {"trigger": Trigger.CAMERA, "event_kinds": ("down", "stolen")}),
        ("min_similarity", {"min_similarity": 0.9}),
        ("min_quality", {"min_quality": float("nan")}),
        ("min_quality", {"min_quality": 1.5}),
        ("min_frames", {"min_frames": 0}),
        ("cooldown_seconds", {"cooldown_seconds": -1}),
        ("cooldown_seconds", {"cooldown_seconds": 10**9}),
        ("steps", {"steps": (StepValues(),)}),
        ("steps", {"steps": (StepValues(users=(10**9,)),)}),
    ],
)
def test_what_can_not_be_used_is_refused_in_words(field: str, more: dict[str, Any]) -> None:
    assert refused(unknown(**more)) == field
    assert not Rule.objects.filter(name="Strangers").exists()


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("watchlists", {}),
        ("away_seconds", {"trigger": Trigger.RETURNS, "seconds": 60, "away_seconds": 60}),
        ("before_cameras", {"trigger": Trigger.FOLLOWS, "seconds": 60}),
        ("by_time", {"trigger": Trigger.ABSENT}),
        ("since_time", {"trigger": Trigger.ABSENT, "by_time": time(9), "since_time": time(9)}),
        ("min_similarity", {"min_similarity": 2.0}),
        ("never_people", {"never": True}),
    ],
)
def test_rules_about_named_people_ask_for_their_fields(field: str, more: dict[str, Any]) -> None:
    people = (PersonFactory.create().pk,) if more else ()
    if more.pop("never", False):
        more["never_people"] = people
    assert refused(RuleValues(name="Named", people=people, **more)) == field


@pytest.mark.parametrize("who", [Who.UNKNOWN, Who.ANYBODY])
def test_rules_about_nobody_in_particular_name_nobody(who: Who) -> None:
    assert refused(RuleValues(name="X", who=who, watchlists=(WatchlistFactory.create().pk,))) == "watchlists"
    assert refused(RuleValues(name="X", who=who, people=(PersonFactory.create().pk,))) == "watchlists"


def test_lines_are_crossed_and_areas_entered() -> None:
    line, area = zone("Line", Shape.LINE), zone("Area")
    assert refused(unknown(trigger=Trigger.CROSSES, zones=(area.pk,))) == "zones"
    assert refused(unknown(trigger=Trigger.CROSSES, zones=(line.pk, area.pk))) == "zones"
    assert refused(unknown(trigger=Trigger.ENTERS, zones=(line.pk,))) == "zones"
    assert refused(unknown(zones=(line.pk,))) == "zones"
    assert prepared(unknown(trigger=Trigger.CROSSES, zones=(line.pk,), direction=Direction.TO_LEFT)).placed
    assert prepared(unknown(trigger=Trigger.ENTERS, zones=(area.pk,))).placed


def test_a_zone_on_a_removed_camera_is_refused_and_a_stored_one_warned_of() -> None:
    area = zone()
    rule = save_rule(actor=None, rule=None, values=unknown(trigger=Trigger.ENTERS, zones=(area.pk,), enabled=True))
    assert area.camera is not None
    area.camera.delete()
    assert refused(values_of(rule)) == "zones"
    (row,) = rows([rules().get(pk=rule.pk)], now=NOW, hidden=frozenset())
    assert any("never fires" in warning for warning in row.warnings)
    area.delete()
    kept = Rule.objects.get(pk=rule.pk)
    assert kept.placed  # it fires nowhere, and not everywhere
    compiled = compile_rule(kept)
    assert compiled is not None
    assert not compiled.where.anywhere
    assert refused(replace(values_of(kept), trigger=Trigger.APPEARS)) == "cameras"


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", True),
        ("20:00-06:00", True),
        ("Sat 22:00-02:30; Mon", False),
        ("Sun 02:15-04:00", True),
        ("Sun 20:00-06:00", False),
    ],
)
def test_windows_over_midnight_and_over_the_change_of_the_clock_are_taken(text: str, holds: bool) -> None:
    rule = save_rule(actor=None, rule=None, values=unknown(schedule=text, time_zone="Europe/Berlin"))
    compiled = compile_rule(rule)
    assert compiled is not None
    gap = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)  # the clock was set forward half an hour before
    assert compiled.when.holds(gap) == holds


def test_steps_are_one_a_minute_begin_at_once_and_tell_places_of_the_site_only() -> None:
    user = UserFactory.create()
    one = StepValues(users=(user.pk,))
    assert refused(unknown(steps=(one, one))) == "steps"
    assert refused(unknown(steps=(replace(one, after_minutes=5),))) == "steps"
    assert refused(unknown(steps=(one, replace(one, after_minutes=10**6)))) == "steps"
    assert refused(unknown(steps=tuple(replace(one, after_minutes=n) for n in range(11)))) == "steps"
    own = Endpoint.objects.create(name="Mine", channel=Channel.EMAIL, sealed_config=b"", shown="x", user=user)
    assert refused(unknown(steps=(StepValues(endpoints=(own.pk,)),))) == "steps"


def test_what_the_trigger_does_not_use_is_dropped() -> None:
    values = unknown(seconds=5, away_seconds=5, count=5, by_time=time(9), event_kinds=("down",), direction="left")
    assert tidied(values) == unknown()
    about_cameras = tidied(replace(values, trigger=Trigger.CAMERA, who=Who.LISTED, people=(1,), min_quality=0.5))
    assert about_cameras == RuleValues(name="Strangers", trigger=Trigger.CAMERA, who=Who.ANYBODY, event_kinds=("down",))
    assert tidied(RuleValues(name="X", trigger=Trigger.RETURNS, seconds=600)).away_seconds == 60


def test_a_crowd_is_quiet_about_a_place_because_it_is_about_nobody() -> None:
    camera = CameraFactory.create()
    values = prepared(unknown(trigger=Trigger.CROWD, count=3, cameras=(camera.pk,)))
    assert values.cooldown_scope == CooldownScope.CAMERA


def test_a_taken_name_is_refused() -> None:
    save_rule(actor=None, rule=None, values=unknown())
    with pytest.raises(RecognitionError, match="already"):
        save_rule(actor=None, rule=None, values=unknown())


def test_of_two_who_edit_at_once_the_second_is_told() -> None:
    rule = save_rule(actor=None, rule=None, values=unknown())
    seen = marker(values_of(rule))
    first = save_rule(actor=None, rule=rule, values=unknown(severity=Severity.LOW), seen=seen)
    with pytest.raises(RuleChanged, match="Somebody else"):
        save_rule(actor=None, rule=rule, values=unknown(severity=Severity.CRITICAL), seen=seen)
    assert Rule.objects.get(pk=rule.pk).severity == Severity.LOW
    remove_rule(actor=None, rule=first)
    rule.pk = rule.id = 10**9
    with pytest.raises(RuleChanged, match="removed"):
        save_rule(actor=None, rule=rule, values=unknown())


def test_nobody_chooses_or_takes_off_what_they_may_not_see() -> None:
    actor = UserFactory.create()
    actor.user_permissions.set(Permission.objects.filter(codename__in=["change_rule", "add_rule", "view_watchlist"]))
    actor = User.objects.get(pk=actor.pk)
    people = (PersonFactory.create().pk,)
    rule = save_rule(actor=None, rule=None, values=RuleValues(name="Named", people=people))
    changed = save_rule(actor=actor, rule=rule, values=RuleValues(name="Renamed", people=people))
    assert changed.name == "Renamed"
    more = RuleValues(name="Renamed", people=people, never_people=(PersonFactory.create().pk,))
    with pytest.raises(RuleError, match="may not see"):
        save_rule(actor=actor, rule=rule, values=more)
    with pytest.raises(RuleError, match="may not see"):
        save_rule(actor=actor, rule=None, values=RuleValues(name="Another", people=people))


def test_a_watchlists_own_rule_stays_about_it_and_is_not_removed() -> None:
    rule, other = give_rule(watchlist=WatchlistFactory.create()), WatchlistFactory.create()
    with pytest.raises(RuleError, match="stays about it"):
        save_rule(actor=None, rule=rule, values=replace(values_of(rule), watchlists=(other.pk,)))
    with pytest.raises(RecognitionError, match="Switch it off"):
        remove_rule(actor=None, rule=rule)
    set_enabled(actor=None, rule=rule, enabled=False)
    assert not Rule.objects.get(pk=rule.pk).enabled


def test_switching_twice_is_recorded_once() -> None:
    rule = save_rule(actor=None, rule=None, values=unknown())
    for _ in range(2):
        set_enabled(actor=None, rule=rule, enabled=True)
    assert AuditEvent.objects.filter(verb="enabled", target=f"rule {rule.pk}").count() == 1


def test_the_marker_of_a_preview_knows_what_matters() -> None:
    values = unknown()
    assert firing_marker(values) == firing_marker(
        replace(values, name="Other", enabled=True, severity=Severity.LOW, quiet_hours="22:00-06:00")
    )
    assert firing_marker(values) != firing_marker(replace(values, schedule="Mon"))
    assert marker(values) != marker(replace(values, name="Other"))


def test_a_rule_is_said_in_one_sentence() -> None:
    watchlist = WatchlistFactory.create(name="Wanted")
    area = zone("Yard", camera=CameraFactory.create(name="Gate 1"))
    operators, user = Group.objects.get_or_create(name="Operators")[0], UserFactory.create(username="mara")
    rule = save_rule(
        actor=None,
        rule=None,
        values=RuleValues(
            name="Yard",
            trigger=Trigger.ENTERS,
            watchlists=(watchlist.pk,),
            zones=(area.pk,),
            schedule="Mon-Fri 20:00-06:00",
            min_similarity=0.86,
            steps=(StepValues(groups=(operators.pk,)), StepValues(after_minutes=5, users=(user.pk,))),
        ),
    )
    assert describe(rules().get(pk=rule.pk)) == (
        "When anybody on “Wanted” enters Yard on Gate 1, Mon-Fri 20:00-06:00, similarity at least 0.86: high, at most"
        " one per person and camera in 1 min; tells Operators at once, mara after 5 min."
    )
    hidden = describe(rules().get(pk=rule.pk), hidden=frozenset({"watchlists", "zones"}))
    assert "Wanted" not in hidden
    assert "anybody on 1 watchlist enters 1 zone" in hidden


@pytest.mark.parametrize("trigger", list(Trigger))
def test_every_kind_of_rule_can_be_saved_and_said(trigger: Trigger) -> None:
    camera, person = CameraFactory.create(name="Gate"), PersonFactory.create(name="Ann")
    areas = {
        Trigger.ENTERS: (zone("Area").pk,),
        Trigger.LEAVES: (zone("Other area").pk,),
        Trigger.CROSSES: (zone("Line", Shape.LINE).pk,),
    }
    values = RuleValues(
        name="Any",
        trigger=trigger,
        people=(person.pk,),
        cameras=(camera.pk,),
        zones=areas.get(trigger, ()),
        before_cameras=(CameraFactory.create(name="Door").pk,),
        seconds=300,
        count=4,
        by_time=time(9),
    )
    rule = save_rule(actor=None, rule=None, values=values)
    said = describe(rules().get(pk=rule.pk))
    assert said.startswith("When ")
    assert ("Ann" in said) == (trigger != Trigger.CAMERA)
    assert compile_rule(rule) is not None


def test_who_could_not_be_told_is_warned_of() -> None:
    empty = Group.objects.create(name="Nobody here")
    user = UserFactory.create()
    values = unknown(steps=(StepValues(groups=(empty.pk,)), StepValues(after_minutes=5, users=(user.pk,))))
    rule = save_rule(actor=None, rule=None, values=values)
    (row,) = rows([rules().get(pk=rule.pk)], now=NOW, hidden=frozenset())
    assert len(row.warnings) == 2
    assert "nobody who could be told at once" in row.warnings[0]
    assert "has a place" in row.warnings[1]
    user.groups.add(empty)
    Endpoint.objects.create(name="Mine", channel=Channel.EMAIL, sealed_config=b"", shown="x", user=user)
    (row,) = rows([rules().get(pk=rule.pk)], now=NOW, hidden=frozenset())
    assert row.warnings == ()


def test_saving_asks_the_services_alone() -> None:
    """What is stored of a rule that was never touched is what the services would store again."""
    rule = give_rule(watchlist=WatchlistFactory.create())
    assert rule_services.prepared(values_of(rule)) == values_of(rule)
