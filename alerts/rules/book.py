"""All rules that are switched on, compiled: what is asked of every sighting is ready in memory.

A process reads the rules again when their revision has changed, which triggers of the database raise with every change
of what rules rest on; it looks at most every RULES_POLL_SECONDS. Thread-safe.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Model, QuerySet

from alerts.models import Direction, ListPolicy, Rule, RuleRevision, Trigger, Who
from alerts.rules.when import When, when_of
from alerts.rules.where import PlanPlace, Where, where_of
from cameras.models import Camera, CameraGroup, CameraPlace

_MOST_HELD = 10_000
_ABOUT_SIGHTINGS = frozenset(Trigger) - {Trigger.ABSENT, Trigger.CAMERA}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CompiledRule:
    """A rule as it is evaluated. `rule` is its row, with the steps of telling read beside it."""

    id: int
    rule: Rule
    trigger: Trigger
    who: Who
    watchlists: frozenset[int]
    people: frozenset[int]
    never_people: frozenset[int]
    where: Where
    before: Where  # of “here after there”
    when: When
    direction: Direction
    seconds: int
    away_seconds: int
    count: int
    min_similarity: float | None
    min_quality: float
    min_frames: int
    event_kinds: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a watchlist asks of alerts about its people."""

    two_person: bool = False


class RuleBook:
    """The rules of one revision. Read-only, but for what it remembers of moments."""

    def __init__(self, rules: Sequence[CompiledRule], policies: Mapping[int, Policy], revision: int) -> None:
        self.revision = revision
        self.by_id = {rule.id: rule for rule in rules}
        self.absences = tuple(rule for rule in rules if rule.trigger == Trigger.ABSENT)
        self.troubles = tuple(rule for rule in rules if rule.trigger == Trigger.CAMERA)
        self._policies = policies
        self._anywhere: list[CompiledRule] = []
        self._by_camera: dict[int, list[CompiledRule]] = defaultdict(list)
        for rule in rules:
            if rule.trigger not in _ABOUT_SIGHTINGS:
                continue
            reach = rule.where.reach
            if reach is None:
                self._anywhere.append(rule)
            for camera in reach or ():
                self._by_camera[camera].append(rule)
        self._held: dict[tuple[When, datetime], bool] = {}

    def about(self, camera: int | None) -> Iterator[CompiledRule]:
        """The rules that a sighting of this camera may make fire."""
        yield from self._anywhere
        if camera is not None:
            yield from self._by_camera.get(camera, ())

    def needs_passages(self, camera: int | None) -> bool:
        """Whether any of these rules is about a zone of a picture."""
        return any(rule.where.picture_zones for rule in self.about(camera))

    def holds(self, when: When, at: datetime) -> bool:
        """Whether these times hold at this moment; many rules have the same ones."""
        if len(self._held) > _MOST_HELD:
            self._held = {}
        key = (when, at)
        known = self._held.get(key)
        if known is None:
            known = self._held[key] = when.holds(at)
        return known

    def policy(self, watchlist: int | None) -> Policy:
        return self._policies.get(watchlist or 0, Policy())


def with_everything(rules: QuerySet[Rule]) -> QuerySet[Rule]:
    """The rules with all that compiling them reads."""
    related = ("watchlists", "people", "never_people", "cameras", "groups__cameras", "zones")
    return rules.prefetch_related(*related, "before_cameras", "before_groups__cameras", "steps")


def compile_rule(rule: Rule, places: Mapping[int, PlanPlace] | None = None) -> CompiledRule | None:
    """The rule ready to be evaluated; None where its times can not be read: then it never fires."""
    when = when_of(rule)
    if when is None:
        return None
    return compile_parts(
        rule,
        when=when,
        watchlists=_ids(rule.watchlists.all()),
        people=_ids(rule.people.all()),
        never_people=_ids(rule.never_people.all()),
        where=where_of(
            cameras=_cameras(rule.cameras.all(), rule.groups.all()),
            zones=rule.zones.all(),
            placed=rule.placed,
            places=places if places is not None else plan_places(),
        ),
        before=where_of(
            cameras=_cameras(rule.before_cameras.all(), rule.before_groups.all()),
            zones=(),
            placed=rule.before_placed,
            places={},
        ),
    )


def compile_parts(
    rule: Rule,
    *,
    when: When,
    watchlists: frozenset[int],
    people: frozenset[int],
    never_people: frozenset[int],
    where: Where,
    before: Where,
) -> CompiledRule:
    """From a row, stored or not, and what it refers to."""
    return CompiledRule(
        id=rule.pk or 0,
        rule=rule,
        trigger=Trigger(rule.trigger),
        who=Who(rule.who),
        watchlists=watchlists,
        people=people,
        never_people=never_people,
        where=where,
        before=before,
        when=when,
        direction=Direction(rule.direction),
        seconds=rule.seconds or 0,
        away_seconds=rule.away_seconds or 0,
        count=rule.count or 0,
        min_similarity=rule.min_similarity,
        min_quality=rule.min_quality or 0.0,
        min_frames=rule.min_frames or 0,
        event_kinds=frozenset(rule.event_kinds),
    )


def plan_places() -> dict[int, PlanPlace]:
    """Where on which plan the cameras are, by camera."""
    rows = CameraPlace.objects.values_list("camera", "plan", "x", "y")
    return {camera: (plan, x, y) for camera, plan, x, y in rows}


def read_book(revision: int) -> RuleBook:
    """All rules that are switched on, as they are now."""
    places = plan_places()
    rules = (compile_rule(rule, places) for rule in with_everything(Rule.objects.filter(enabled=True).order_by("id")))
    policies = {row.watchlist_id: Policy(two_person=row.two_person) for row in ListPolicy.objects.all()}
    return RuleBook([rule for rule in rules if rule is not None], policies, revision)


_lock = threading.Lock()
_known: RuleBook | None = None
_looked_at = float("-inf")


def book() -> RuleBook:
    """The rules of now; at most RULES_POLL_SECONDS old. Raises DatabaseError."""
    global _known, _looked_at
    with _lock:
        now = time.monotonic()
        if _known is not None and now - _looked_at < settings.RULES_POLL_SECONDS:
            return _known
        revision = RuleRevision.objects.values_list("revision", flat=True).first() or 0
        if _known is None or _known.revision != revision:
            _known = read_book(revision)
        _looked_at = now
        return _known


def forget() -> None:
    """Reads the rules anew next time, whatever their revision: another database may have the same one."""
    global _known
    with _lock:
        _known = None


def _ids(rows: Iterable[Model]) -> frozenset[int]:
    return frozenset(row.pk for row in rows)


def _cameras(cameras: Iterable[Camera], groups: Iterable[CameraGroup]) -> set[int]:
    found = {camera.pk for camera in cameras}
    for group in groups:
        found |= {camera.pk for camera in group.cameras.all()}
    return found
