"""Rules that come with watchlists and with the installation, and alerts that follow their person.

A frame becomes an alert in `alerts.reporting`; what people do about it is in `alerts.lifecycle`.
"""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q

from accounts.services import Actor, record
from alerts.models import (
    Alert,
    AlertRemoval,
    ListPolicy,
    Rule,
    Severity,
    Trigger,
    Who,
)
from alerts.rule_defaults import DEFAULTS
from cameras.models import EventKind
from config.transactions import brief_transaction
from recognition.models import Category, Person, Watchlist

REMOVALS_KEPT: Final = timedelta(days=2)  # an older page is signed out by now

_CAMERA_RULES = (
    (
        "Camera trouble",
        Severity.HIGH,
        (EventKind.DOWN, EventKind.FROZEN, EventKind.BLACK, EventKind.COVERED, EventKind.CLOCK),
    ),
    ("Camera view changed", Severity.MEDIUM, (EventKind.DEFOCUSED, EventKind.MOVED)),
)


@brief_transaction()
def give_rule(*, watchlist: Watchlist) -> Rule:
    """The watchlist's own rule and policy; made with the defaults of its category when there are none."""
    wanted = DEFAULTS[Category(watchlist.category)]
    ListPolicy.objects.get_or_create(
        watchlist=watchlist,
        defaults={
            "two_person": wanted.two_person,
            "pictures_outside": wanted.pictures_outside,
            "names_outside": wanted.names_outside,
        },
    )
    rule = Rule.objects.filter(own_list=watchlist).first()
    if rule is None:
        rule = Rule.objects.create(
            own_list=watchlist,
            name=_free_name(watchlist.name),
            severity=wanted.severity,
            cooldown_seconds=wanted.cooldown_seconds,
            cooldown_scope=wanted.cooldown_scope,
            bundle=wanted.bundle,
        )
        rule.watchlists.add(watchlist)
    return rule


def give_camera_rules(**kwargs: Any) -> None:
    """The rules about cameras that are in trouble, where there are none at all (post_migrate)."""
    if Rule.objects.filter(trigger=Trigger.CAMERA).exists():
        return
    for name, severity, kinds in _CAMERA_RULES:
        Rule.objects.create(
            name=name,
            trigger=Trigger.CAMERA,
            who=Who.ANYBODY,
            severity=severity,
            cooldown_seconds=0,
            event_kinds=[kind.value for kind in kinds],
        )


def _free_name(name: str) -> str:
    """The watchlist's name, or, where another rule has it, that with a number."""
    taken = set(Rule.objects.filter(name__startswith=name[:150]).values_list("name", flat=True))
    names = itertools.chain([name], (f"{name[:190]} ({number})" for number in itertools.count(2)))
    return next(one for one in names if one not in taken)


@brief_transaction()
def change_rule(*, actor: Actor, rule: Rule, enabled: bool, severity: Severity, cooldown_seconds: int) -> Rule:
    """Changes a watchlist's alert policy."""
    rule.enabled, rule.severity, rule.cooldown_seconds = enabled, severity, cooldown_seconds
    rule.save(update_fields=["enabled", "severity", "cooldown_seconds"])
    record(actor=actor, verb="changed", target=f"rule {rule.pk}")
    return rule


def move_alerts(*, kept: Person, gone: Person) -> int:
    """Gives the alerts about a person to another one, who turned out to be the same; returns how many.

    Where both caused an alert by one sighting, or both were missed on a day, the other one stays as it is, under the
    name of then.
    """
    same = Q(sighting=OuterRef("sighting")) | Q(day=OuterRef("day"))
    told = Alert.objects.filter(same, person=kept, rule=OuterRef("rule"))
    return Alert.objects.filter(~Exists(told), person=gone).update(person=kept)


def prune_removals(*, now: datetime) -> int:
    """Forgets which alerts were removed long ago; returns how many."""
    return AlertRemoval.objects.filter(at__lt=now - REMOVALS_KEPT).delete()[0]
