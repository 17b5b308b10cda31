"""Whether a rule fires on a sighting: who, how sure, where, when, then what. Pure: the past comes from a History.

A sighting is evaluated each time it is written, with all that is known of it by then; what fires again by the same
sighting is told apart by who raises (`alerts.rules.raising`). A moment counts by the clock at which it was captured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from alerts.models import Direction, Trigger, Who
from alerts.rules.book import CompiledRule, RuleBook
from alerts.rules.facts import Before, Firing, History, SightingFacts
from alerts.rules.when import When
from alerts.rules.where import PlacedZone
from alerts.rules.words import lasted, listed
from cameras.models import PassageKind, Verdict

Holds = Callable[[When, datetime], bool]

GAP_SECONDS: Final = 60.0  # who is seen again so soon has stayed: a track breaks when somebody turns away
LEFT_SECONDS: Final = 600.0  # who was not seen in a zone for so long and is seen there enters it anew


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What came about, when, and in which zone."""

    detail: str
    at: datetime
    zone: int | None = None
    about_person: bool = True


def fired(book: RuleBook, facts: SightingFacts, history: History) -> list[Firing]:
    """The rules of the book that the sighting makes fire."""
    found = []
    for rule in book.about(facts.camera):
        if _is_about(rule, facts):
            firing = _fire(rule, facts, history, book.holds)
            if firing is not None:
                found.append(firing)
    return found


def evaluate(rule: CompiledRule, facts: SightingFacts, history: History) -> Firing | None:
    """What the rule says of the sighting; None: nothing."""
    return _fire(rule, facts, history, When.holds) if _is_about(rule, facts) else None


def _is_about(rule: CompiledRule, facts: SightingFacts) -> bool:
    """Who, and how sure."""
    if facts.person is not None and facts.person in rule.never_people:
        return False
    if facts.frames < rule.min_frames or facts.quality < rule.min_quality:
        return False
    if rule.who is Who.ANYBODY:
        return True
    if facts.verdict is Verdict.UNKNOWN:
        return rule.who is not Who.LISTED
    if facts.person is None or rule.who is Who.UNKNOWN:
        return False
    if rule.who is Who.NOT_LISTED:
        return facts.person not in rule.people and rule.watchlists.isdisjoint(facts.member_of)
    if rule.min_similarity is not None and (facts.similarity or -1.0) < rule.min_similarity:
        return False
    return facts.person in rule.people or not rule.watchlists.isdisjoint(facts.lists)


def _fire(rule: CompiledRule, facts: SightingFacts, history: History, holds: Holds) -> Firing | None:
    """Who is in view when the rule's time begins counts from then on; a passage counts at its own time."""
    moment = next((at for at in (facts.at, facts.last_seen) if holds(rule.when, at)), None)
    if moment is None:
        return None
    what = _WHAT[rule.trigger](rule, facts if moment is facts.at else replace(facts, at=moment), history)
    if what is None or (what.at != moment and not holds(rule.when, what.at)):
        return None
    watchlist = next((pk for pk in facts.lists if pk in rule.watchlists), None) if rule.who is Who.LISTED else None
    return Firing(
        rule=rule.id,
        detail=what.detail,
        at=what.at,
        watchlist=watchlist,
        watchlist_name=facts.lists[watchlist] if watchlist is not None else "",
        zone=what.zone,
        about_person=what.about_person,
    )


# --- what ------------------------------------------------------------------------------------------------------------


def _appears(rule: CompiledRule, facts: SightingFacts, history: History) -> _Found | None:
    """Is in view, or inside the zone that the rule names."""
    if rule.where.camera_holds(facts):
        return _Found(detail="", at=facts.at)
    for zone, name, since in _inside(rule, facts):
        return _Found(detail=f"In {name}.", at=max(since, facts.at), zone=zone)
    return None


def _enters(rule: CompiledRule, facts: SightingFacts, history: History) -> _Found | None:
    for passed in facts.passages:
        if passed.zone in rule.where.picture_zones and passed.kind == PassageKind.ENTERED:
            _, name = rule.where.picture_zones[passed.zone]
            return _Found(detail=f"Entered {name}.", at=passed.at, zone=passed.zone)
    for zone in rule.where.placed_zones:
        if zone.holds(facts) and not _was_in(zone, facts, history):
            return _Found(detail=f"Entered {zone.name}.", at=facts.at, zone=zone.id)
    return None


def _was_in(zone: PlacedZone, facts: SightingFacts, history: History) -> bool:
    """Whether the person was in the zone when seen last, a short while ago."""
    last = _last(facts, history, LEFT_SECONDS)
    return last is not None and zone.holds(last)


def _leaves(rule: CompiledRule, facts: SightingFacts, history: History) -> _Found | None:
    for passed in facts.passages:
        if passed.zone in rule.where.picture_zones and passed.kind == PassageKind.LEFT:
            _, name = rule.where.picture_zones[passed.zone]
            return _Found(detail=f"Left {name}.", at=passed.at, zone=passed.zone)
    for zone in rule.where.placed_zones:
        if zone.spot(facts) is None or zone.holds(facts):
            continue
        last = _last(facts, history, LEFT_SECONDS)
        if last is not None and zone.holds(last):
            return _Found(detail=f"Left {zone.name}, last seen there by {last.camera_name}.", at=facts.at, zone=zone.id)
    return None


def _crosses(rule: CompiledRule, facts: SightingFacts, history: History) -> _Found | None:
    for passed in facts.passages:
        side = _SIDES.get(passed.kind)
        if passed.zone in rule.where.picture_zones and side is not None and _is_way(rule, side):
            _, name = rule.where.picture_zones[passed.zone]
            return _Found(detail=f"Crossed {name}, {_WAYS[side]}.", at=passed.at, zone=passed.zone)
    return None


def _stays(rule: CompiledRule, facts: SightingFacts, history: History) -> _Found | None:
    """In view, or in the zone, without a pause longer than GAP_SECONDS; longer than the rule allows."""
    allowed = timedelta(seconds=rule.seconds)
    for zone, name, since in _inside(rule, facts):
        if facts.last_seen - since >= allowed:
            return _Found(detail=f"In {name} for {lasted(facts.last_seen - since)}.", at=since + allowed, zone=zone)
    if not rule.where.camera_holds(facts):
        return None
    since = facts.first_seen
    if facts.last_seen - since < allowed and facts.person is not None:
        since = _there_since(rule, facts, history)
    if facts.last_seen - since < allowed:
        return None
    return _Found(detail=f"In view for {lasted(facts.last_seen - since)}.", at=max(since + allowed, facts.first_seen))


def _there_since(rule: CompiledRule, facts: SightingFacts, history: History) -> datetime:
    """Since when the person has been at the rule's places, over sightings that follow each other closely."""
    since, gap = facts.first_seen, timedelta(seconds=GAP_SECONDS)
    reach = timedelta(seconds=rule.seconds + GAP_SECONDS)
    for one in history.before(facts, since=facts.first_seen - reach):
        if rule.where.camera_holds(one) and one.first_seen < since <= one.last_seen + gap:
            since = one.first_seen
    return since


def _returns(rule: CompiledRule, facts: SightingFacts, history: History) -> _Found | None:
    """Seen again within `seconds` after having been away for at least `away_seconds`."""
    if facts.person is None or not rule.where.camera_holds(facts):
        return None
    earlier = history.before(facts, since=facts.first_seen - timedelta(seconds=rule.seconds))
    last = max((one.last_seen for one in earlier if rule.where.camera_holds(one)), default=None)
    if last is None or facts.first_seen - last < timedelta(seconds=rule.away_seconds):
        return None
    return _Found(detail=f"Back after {lasted(facts.first_seen - last)}.", at=facts.at)


def _follows(rule: CompiledRule, facts: SightingFacts, history: History) -> _Found | None:
    """Seen here, within `seconds` after having been seen there."""
    if facts.person is None or not rule.where.camera_holds(facts):
        return None
    for one in history.before(facts, since=facts.first_seen - timedelta(seconds=rule.seconds)):
        if one.camera != facts.camera and rule.before.camera_holds(one):
            ago = lasted(max(facts.first_seen - one.last_seen, timedelta()))
            return _Found(detail=f"Seen by {one.camera_name} {ago} before.", at=facts.at)
    return None


def _crowd(rule: CompiledRule, facts: SightingFacts, history: History) -> _Found | None:
    """As many people as are too many, all at once at the places of the rule."""
    if not _counts(rule, facts):
        return None
    where = rule.where
    cameras = None if where.anywhere or where.needs_coordinates else where.reach
    there = [one for one in history.together(facts, cameras=cameras) if _is_about(rule, one) and _counts(rule, one)]
    if len(there) < rule.count:
        return None
    places = listed(sorted({one.camera_name for one in there}))
    return _Found(detail=f"{len(there)} people at once at {places}.", at=facts.at, about_person=False)


def _counts(rule: CompiledRule, facts: SightingFacts) -> bool:
    return rule.where.camera_holds(facts) or any(True for _ in _inside(rule, facts))


def _inside(rule: CompiledRule, facts: SightingFacts) -> Iterator[tuple[int, str, datetime]]:
    """The rule's zones of the picture that the track is in: id, name, and since when."""
    for zone, (_, name) in rule.where.picture_zones.items():
        since = facts.inside(zone)
        if since is not None:
            yield zone, name, since


def _last(facts: SightingFacts, history: History, seconds: float) -> Before | None:
    """Where the person was seen last before, within these seconds."""
    earlier = history.before(facts, since=facts.first_seen - timedelta(seconds=seconds))
    return next(iter(earlier), None)


def _is_way(rule: CompiledRule, side: Direction) -> bool:
    return rule.direction in (Direction.EITHER, side)


_SIDES: Final = {PassageKind.TO_RIGHT: Direction.TO_RIGHT, PassageKind.TO_LEFT: Direction.TO_LEFT}
_WAYS: Final = {Direction.TO_RIGHT: "from left to right", Direction.TO_LEFT: "from right to left"}
_WHAT: Final[dict[Trigger, Callable[[CompiledRule, SightingFacts, History], _Found | None]]] = {
    Trigger.APPEARS: _appears,
    Trigger.ENTERS: _enters,
    Trigger.LEAVES: _leaves,
    Trigger.CROSSES: _crosses,
    Trigger.STAYS: _stays,
    Trigger.RETURNS: _returns,
    Trigger.FOLLOWS: _follows,
    Trigger.CROWD: _crowd,
}
