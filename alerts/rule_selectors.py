"""Reads of rules that pages and the API share: what the list shows of them, and what is wrong with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import Group
from django.db.models import Count, Prefetch, QuerySet

from alerts.models import Alert, AlertState, Endpoint, RotaMember, Rule, Trigger, Who
from alerts.rule_words import describe
from cameras.models import Zone

LATELY = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRow:
    """A rule as the list shows it. `warnings` are sentences for people."""

    rule: Rule
    sentence: str
    alerts: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reached:
    """Who is in which role, and who has a place that messages are sent to; active users only."""

    of_group: dict[int, set[int]]
    of_rota: dict[int, set[int]]
    with_place: set[int]


def rules(*, search: str = "", trigger: str = "", enabled: bool | None = None) -> QuerySet[Rule]:
    """Rules by name, with everything that describing them reads."""
    found = Rule.objects.select_related("own_list").prefetch_related(
        "watchlists",
        "people",
        "never_people",
        "cameras",
        "groups",
        Prefetch("zones", choosable_zones()),
        "before_cameras",
        "before_groups",
        "steps__users",
        "steps__groups",
        "steps__rotas",
        "steps__endpoints",
    )
    if search:
        found = found.filter(name__icontains=search)
    if trigger:
        found = found.filter(trigger=trigger)
    return found if enabled is None else found.filter(enabled=enabled)


def rows(found: Sequence[Rule], *, now: datetime, hidden: frozenset[str]) -> list[RuleRow]:
    """The rules with their sentences, counts and warnings, in a number of queries that does not grow with them."""
    counted = (
        Alert.objects.filter(rule__in=found, captured_at__gt=now - LATELY)
        .order_by()
        .values_list("rule")
        .annotate(count=Count("id"))
    )
    alerts, reached = dict(counted), _reached(found)
    return [
        RuleRow(
            rule=rule,
            sentence=describe(rule, hidden=hidden),
            alerts=alerts.get(rule.pk, 0),
            warnings=tuple(_warnings(rule, reached, now)),
        )
        for rule in found
    ]


def _warnings(rule: Rule, reached: _Reached, now: datetime) -> Iterable[str]:
    gone = [zone.name for zone in rule.zones.all() if zone.is_orphaned]
    left = [*rule.cameras.all(), *rule.groups.all(), *(zone for zone in rule.zones.all() if not zone.is_orphaned)]
    if rule.placed and not left:
        yield "All its places were removed, so that it never fires. Choose other ones, or say that it is everywhere."
    elif gone:
        yield f"“{gone[0]}” was drawn on a camera or plan that was removed. Draw it anew, or take it off the rule."
    if rule.before_placed and not (rule.before_cameras.all() or rule.before_groups.all()):
        yield "Where people must have been seen before was removed, so that it never fires. Choose other cameras."
    named = bool(rule.watchlists.all() or rule.people.all())
    if rule.trigger != Trigger.CAMERA and rule.who == Who.LISTED and not named:
        yield "Whom it was about was removed, so that it never fires. Choose a watchlist or people, or remove the rule."
    inactive = [row.name for row in rule.watchlists.all() if not row.is_active]
    if inactive and rule.who == Who.LISTED:
        yield f"The watchlist “{inactive[0]}” is inactive, so that nobody on it is told of."
    if rule.valid_until is not None and rule.valid_until <= now:
        yield "Its time is over. Give it a later end, or remove it."
    yield from _untold(rule, reached)


def _untold(rule: Rule, reached: _Reached) -> Iterable[str]:
    """What keeps messages from people. Open pages show every alert all the same."""
    for step in rule.steps.all():
        users = {user.pk for user in step.users.all() if user.is_active}
        for group in step.groups.all():
            users |= reached.of_group.get(group.pk, set())
        for rota in step.rotas.all():
            users |= reached.of_rota.get(rota.pk, set())
        places = [endpoint for endpoint in step.endpoints.all() if endpoint.enabled]
        after = "at once" if step.after_minutes == 0 else f"after {step.after_minutes} min"
        if not users and not places:
            yield f"There is nobody who could be told {after}. Choose people, or give the role or rota some."
        elif not places and not users & reached.with_place:
            yield f"None of those told {after} has a place that messages are sent to, so that only open pages show it."


def _reached(found: Sequence[Rule]) -> _Reached:
    steps = [step for rule in found for step in rule.steps.all()]
    groups = {group.pk for step in steps for group in step.groups.all()}
    rotas = {rota.pk for step in steps for rota in step.rotas.all()}
    of_group: dict[int, set[int]] = defaultdict(set)
    for group, user in Group.objects.filter(pk__in=groups, user__is_active=True).values_list("pk", "user"):
        of_group[group].add(user)
    of_rota: dict[int, set[int]] = defaultdict(set)
    for rota, user in RotaMember.objects.filter(rota__in=rotas, user__is_active=True).values_list("rota", "user"):
        of_rota[rota].add(user)
    with_place = Endpoint.objects.filter(enabled=True, user__is_active=True).values_list("user", flat=True)
    return _Reached(of_group=of_group, of_rota=of_rota, with_place={pk for pk in with_place if pk is not None})


def choosable_endpoints() -> QuerySet[Endpoint]:
    """The site's own places, which a step may tell."""
    return Endpoint.objects.filter(user=None)


def choosable_zones() -> QuerySet[Zone]:
    """Zones with what they were drawn on."""
    return Zone.objects.select_related("camera", "plan").defer(
        "camera__sealed_source", "camera__sealed_detail", "plan__image"
    )


def escalating(rule: Rule) -> int:
    """How many of its alerts further people will be told of, unless somebody acknowledges them."""
    return Alert.objects.filter(rule=rule, state=AlertState.NEW, next_step_at__isnull=False).count()
