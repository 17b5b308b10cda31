"""The only writer of routes: what people state of the ways between cameras.

What can not be stated raises RouteError with its field and a sentence for people. What was stated changes which
sightings can be one person's: those that were in conflict between the two cameras are looked at again, soon after.
"""

from __future__ import annotations

import logging
import math
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from accounts.services import Actor, record
from cameras.identities import conflicts
from cameras.identities.locks import one_after_the_other
from cameras.identities.ways import forget
from cameras.models import Camera, Route, SightingConflict
from cameras.topology.errors import RouteError
from config.celery import app
from config.transactions import brief_transaction

_log = logging.getLogger(__name__)
TASK: Final = "cameras.identity_tasks.look_again"
LONGEST: Final = 7 * 86_400.0  # seconds that a way may take
_MOST_AGAIN: Final = 500  # identities whose sightings are looked at again after a statement


@brief_transaction()
def add_route(
    *,
    actor: Actor,
    start: Camera,
    end: Camera,
    both_ways: bool = True,
    overlaps: bool = False,
    fastest: float | None = None,
    usual: float | None = None,
) -> Route:
    """States the way from one camera to another."""
    route = Route(start=start, end=end)
    _state(route, both_ways=both_ways, overlaps=overlaps, fastest=fastest, usual=usual)
    _hold_cameras(route)
    _check_free(route)
    _save(route)
    record(actor=actor, verb="added", target=f"route {route.pk}", start=start.pk, end=end.pk)
    _ask_again(start.pk, end.pk)
    return route


@brief_transaction()
def change_route(
    *,
    actor: Actor,
    route: Route,
    both_ways: bool,
    overlaps: bool,
    fastest: float | None,
    usual: float | None,
) -> Route:
    """States something else of a way; its cameras stay. The given row stays as it is."""
    row = Route.objects.select_for_update(of=("self",)).filter(pk=route.pk).first()
    if row is None:
        raise RouteError("start", "This route was removed meanwhile. Add it again to use it.")
    _state(row, both_ways=both_ways, overlaps=overlaps, fastest=fastest, usual=usual)
    _check_free(row)
    _save(row)
    record(actor=actor, verb="changed", target=f"route {row.pk}")
    _ask_again(row.start_id, row.end_id)
    return row


@brief_transaction()
def remove_route(*, actor: Actor, route: Route) -> None:
    """Takes back what was stated; what was learned and what distances say counts again."""
    target, start, end = f"route {route.pk}", route.start_id, route.end_id
    route.delete()
    record(actor=actor, verb="removed", target=target)
    _ask_again(start, end)


@brief_transaction()
def state_overlap(*, actor: Actor, start: Camera, end: Camera, overlaps: bool) -> Route:
    """Answers whether the views of two cameras overlap; what else was stated of the two stays."""
    route = stated(start.pk, end.pk).select_for_update(of=("self",)).first()
    if route is None:
        return add_route(actor=actor, start=start, end=end, overlaps=overlaps)
    return change_route(
        actor=actor,
        route=route,
        both_ways=route.both_ways,
        overlaps=overlaps,
        fastest=None if overlaps else route.fastest,
        usual=route.usual,
    )


def look_again(start: int, end: int) -> int:
    """Looks again at the conflicts between two cameras, after something else was stated; of how many identities."""
    forget()
    pair = Q(stronger__camera=start, weaker__camera=end) | Q(stronger__camera=end, weaker__camera=start)
    found = SightingConflict.objects.filter(pair).order_by("-id").values_list("identity_id", flat=True)
    identities = list(dict.fromkeys(found[: 20 * _MOST_AGAIN]))[:_MOST_AGAIN]
    for identity in identities:
        with brief_transaction():
            one_after_the_other()
            conflicts.recompute([identity])
    return len(identities)


def stated(start: int, end: int) -> QuerySet[Route]:
    """What was stated of two cameras, in either direction."""
    return Route.objects.filter(Q(start=start, end=end) | Q(start=end, end=start)).order_by("pk")


def _state(route: Route, *, both_ways: bool, overlaps: bool, fastest: float | None, usual: float | None) -> None:
    """Puts what was stated into the row; raises RouteError."""
    if route.start_id == route.end_id:
        raise RouteError("end", "A route leads to another camera. Choose two different ones.")
    for field, seconds in (("fastest", fastest), ("usual", usual)):
        if seconds is not None and not (math.isfinite(seconds) and 0 <= seconds <= LONGEST):
            raise RouteError(field, "A way takes from 0 seconds to seven days. Give its seconds.")
    if overlaps and fastest:
        raise RouteError(
            "fastest", "Where views overlap somebody is at both at once, and nobody needs time. Leave this empty."
        )
    if fastest is not None and usual is not None and usual < fastest:
        raise RouteError("usual", "Most people can not be faster than the fastest. Give at least as many seconds.")
    route.both_ways, route.overlaps, route.fastest, route.usual = both_ways, overlaps, fastest, usual


def _check_free(route: Route) -> None:
    """Raises RouteError where the same way was stated before: two statements would contradict each other."""
    others = stated(route.start_id, route.end_id).exclude(pk=route.pk)
    for other in others:
        if other.start_id == route.start_id or other.both_ways or route.both_ways or other.overlaps != route.overlaps:
            raise RouteError(
                "end",
                f"There is a route {other} already, and one statement a way is enough. Change that one, or make both "
                "one way only.",
            )


def _hold_cameras(route: Route) -> None:
    """Keeps both cameras until the transaction is over; raises RouteError where one is gone."""
    wanted = {"start": route.start_id, "end": route.end_id}
    held = Camera.objects.select_for_update(no_key=True).filter(pk__in=wanted.values()).order_by("pk")
    there = set(held.values_list("pk", flat=True))
    for field, pk in wanted.items():
        if pk not in there:
            raise RouteError(field, "This camera was removed meanwhile. Choose another one.")


def _save(route: Route) -> None:
    try:
        with transaction.atomic():
            route.save()
    except IntegrityError:
        raise RouteError("end", "This route was stated meanwhile by somebody else. Look at the list.") from None


def _ask_again(start: int, end: int) -> None:
    """After the commit a worker looks again. Without Redis old conflicts stay as they are, and new ones are right."""

    def send() -> None:
        try:
            app.send_task(TASK, args=[start, end], retry=False)
        except (OperationalError, RedisError, OSError) as error:
            _log.warning("Conflicts between cameras %s and %s are not looked at again: %s", start, end, error)

    transaction.on_commit(send)
