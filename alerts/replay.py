"""What a rule would have said of sightings that are over: the same evaluation as of live ones, moment by moment.

Sightings come in the order in which they began. Each is looked at as it began, whenever it passed a zone, when it had
lasted as long as the rule asks, and as it ended, each time with what was known by then. Pure: no database.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Final

from alerts.models import CooldownScope, Trigger
from alerts.rules.book import CompiledRule
from alerts.rules.evaluate import evaluate
from alerts.rules.facts import Before, Firing, SightingFacts

_REMEMBERED: Final = 500  # earlier sightings of one person
_MOST_EXAMPLES: Final = 50
_LONGEST: Final = timedelta(days=1)  # nobody is in view for longer


@dataclass(slots=True, kw_only=True, eq=False)
class Fired:
    """An alert that there would have been, and how many repeats were counted in it."""

    at: datetime
    camera: int | None = None
    camera_name: str = ""
    person: int | None = None
    detail: str = ""
    repeats: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class Tally:
    """Alerts, repeats that were counted in them (bundled) or left out (silenced), and the latest alerts."""

    rule: CompiledRule
    fired: int = 0
    bundled: int = 0
    silenced: int = 0
    latest: deque[Fired] = field(default_factory=lambda: deque(maxlen=_MOST_EXAMPLES))
    _last: dict[tuple[object, ...], Fired] = field(default_factory=dict)

    def add(self, one: Fired) -> None:
        """Counts what fired, as a repeat while the cooldown of the last alert about the same is not over."""
        row = self.rule.rule
        quiet = timedelta(seconds=row.cooldown_seconds)
        key = _same(CooldownScope(row.cooldown_scope), one)
        last = self._last.get(key)
        if quiet and last is not None and abs(one.at - last.at) < quiet:
            if row.bundle:
                last.repeats += 1
                self.bundled += 1
            else:
                self.silenced += 1
            return
        self._last[key] = one
        self.fired += 1
        self.latest.append(one)

    def add_always(self, one: Fired) -> None:
        """Counts what no cooldown keeps back."""
        self.fired += 1
        self.latest.append(one)


def _same(scope: CooldownScope, one: Fired) -> tuple[object, ...]:
    """What alerts have in common that are about the same. Two unknown faces on one camera count as the same."""
    if scope is CooldownScope.RULE:
        return ()
    if scope is CooldownScope.CAMERA:
        return (one.camera,)
    if scope is CooldownScope.PERSON and one.person is not None:
        return (one.person,)
    return (one.person, one.camera)


class Replay:
    """Takes sightings in the order in which they began, and counts what the rule says of them from `begin` on."""

    def __init__(self, rule: CompiledRule, begin: datetime) -> None:
        self.tally = Tally(rule=rule)
        self._rule, self._begin = rule, begin
        self._before: dict[int, deque[Before]] = defaultdict(lambda: deque(maxlen=_REMEMBERED))
        self._in_view: list[SightingFacts] = []
        self._moments: list[tuple[datetime, int, SightingFacts]] = []
        self._order = count()
        self._told: dict[object, set[int | None]] = {}
        when = rule.when
        self._is_timed = bool(when.schedule.windows or when.holidays or when.valid_from or when.valid_until)

    def add(self, whole: SightingFacts) -> None:
        """A sighting with all that became of it."""
        self._until(whole.first_seen)
        self._in_view = [one for one in self._in_view if one.last_seen >= whole.first_seen]
        self._in_view.append(whole)
        self._remember(whole)
        if whole.first_seen >= self._begin:
            for moment in self._moments_of(whole):
                heapq.heappush(self._moments, (moment, next(self._order), whole))

    def end(self) -> None:
        """No more sightings come."""
        self._until(None)

    def before(self, facts: SightingFacts, *, since: datetime) -> tuple[Before, ...]:
        """Of `History`."""
        if facts.person is None:
            return ()
        earlier = []
        for one in reversed(self._before[facts.person]):
            if one.first_seen < since - _LONGEST:
                break
            if one.first_seen < facts.first_seen and since <= one.last_seen:
                # One that had not ended yet was known up to this moment.
                earlier.append(one if one.last_seen <= facts.at else replace(one, last_seen=facts.at))
        return tuple(sorted(earlier, key=lambda one: one.last_seen, reverse=True))

    def together(self, facts: SightingFacts, *, cameras: Collection[int] | None) -> tuple[SightingFacts, ...]:
        """Of `History`."""
        others = (
            _as_of(one, facts.at)
            for one in self._in_view
            if one.id != facts.id
            and one.first_seen <= facts.at <= one.last_seen
            and (cameras is None or one.camera in cameras)
        )
        return (facts, *others)

    def _moments_of(self, whole: SightingFacts) -> set[datetime]:
        moments = {whole.first_seen, *(passed.at for passed in whole.passages)}
        if self._rule.trigger == Trigger.STAYS:
            moments |= {moment + timedelta(seconds=self._rule.seconds) for moment in moments}
            moments.add(whole.last_seen)
        if self._is_timed:
            moments.add(whole.last_seen)  # its times may have begun meanwhile
        return {max(whole.first_seen, moment) for moment in moments if moment <= whole.last_seen}

    def _until(self, now: datetime | None) -> None:
        """Looks at everything that was to be looked at before this moment."""
        while self._moments and (now is None or self._moments[0][0] < now):
            moment, _, whole = heapq.heappop(self._moments)
            self._look(whole, moment)
            if moment >= whole.last_seen:
                self._told.pop(whole.id, None)

    def _look(self, whole: SightingFacts, moment: datetime) -> None:
        told = self._told.get(whole.id, set())
        if None in told:
            return
        firing = evaluate(self._rule, _as_of(whole, moment), self)
        if firing is not None and firing.zone not in told:
            self._told.setdefault(whole.id, set()).add(firing.zone)
            self.tally.add(_fired(whole, firing))

    def _remember(self, whole: SightingFacts) -> None:
        if whole.person is not None:
            self._before[whole.person].append(
                Before(
                    camera=whole.camera,
                    camera_name=whole.camera_name,
                    latitude=whole.latitude,
                    longitude=whole.longitude,
                    first_seen=whole.first_seen,
                    last_seen=whole.last_seen,
                )
            )


def _as_of(whole: SightingFacts, moment: datetime) -> SightingFacts:
    """What was known of the sighting at a moment in it."""
    passages = tuple(passed for passed in whole.passages if passed.at <= moment) if whole.passages else ()
    return replace(whole, at=moment, last_seen=min(whole.last_seen, moment), passages=passages)


def _fired(whole: SightingFacts, firing: Firing) -> Fired:
    return Fired(
        at=firing.at,
        camera=whole.camera,
        camera_name=whole.camera_name,
        person=whole.person if firing.about_person else None,
        detail=firing.detail,
    )
