"""The API of movement: figures over the site, a group, a plan or a camera, each with its definition.

Who a match that is only a lead may be is not told: rows about people who have one in the period are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.problems import Conflict
from cameras import release
from cameras.models import Camera, Identity, Sighting
from cameras.movement import serializers as shown
from cameras.movement.dwell import dwell
from cameras.movement.heat import picture_heat, plan_heat
from cameras.movement.hours import nights, timeline, visits
from cameras.movement.next import next_after
from cameras.movement.place import Period, last_days
from cameras.movement.presence import back_and_forth, loitering, occupancy, revisits
from cameras.movement.spans import Spans, read_spans
from cameras.movement.sums import Sums, read_sums
from cameras.movement.transitions import transitions, travel
from cameras.movement.unusual import HISTORY_DAYS, unusual_hours, unusual_visits


class _Figure(GenericAPIView[Any]):
    """A figure of a period; `filter_class` says what may be asked."""

    queryset = Sighting.objects.none()
    pagination_class = None
    required_permissions = ("cameras.view_sighting",)
    filter_class: ClassVar[type[shown.Filter]] = shown.Filter

    def get(self, request: Request) -> Response:
        asked = self.filter_class(data=request.query_params)
        asked.is_valid(raise_exception=True)
        try:
            figure = self.figure(asked)
        except ValueError as error:
            raise ValidationError({"detail": [str(error)]}) from None
        return Response(self.get_serializer(figure).data)

    def figure(self, asked: shown.Filter) -> Any:
        raise NotImplementedError


def _of_sums(
    name: str,
    make: Callable[[Sums, dict[str, Any]], Any],
    *,
    shows: type[shown.FigureSerializer],
    takes: type[shown.Filter] = shown.Filter,
    about: str,
) -> type[_Figure]:
    """A view of a figure that is made of sums."""

    def figure(self: _Figure, asked: shown.Filter) -> Any:
        return make(read_sums(asked.place, asked.period), asked.validated_data)

    return _view(name, figure, shows=shows, takes=takes, about=about)


def _of_people(
    name: str,
    make: Callable[[Spans, dict[str, Any]], Any],
    *,
    shows: type[shown.PeopleSerializer],
    takes: type[shown.Filter] = shown.Filter,
    about: str,
) -> type[_Figure]:
    """A view of a figure whose rows name people."""

    def figure(self: _Figure, asked: shown.Filter) -> Any:
        found = make(read_spans(asked.place, asked.period), asked.validated_data)
        rows = getattr(found, "rows", None)
        rows = found.longest if rows is None else rows
        held = _held_back({row.identity for row in rows if row.identity}, asked.period)
        kept = [row for row in rows if row.identity not in held]
        values = {field: getattr(found, field) for field in found.__dataclass_fields__}
        return values | {"rows": kept, "withheld": len(rows) - len(kept)}

    return _view(name, figure, shows=shows, takes=takes, about=about)


def _view(
    name: str,
    figure: Callable[[_Figure, Any], Any],
    *,
    shows: type[shown.FigureSerializer],
    takes: type[shown.Filter],
    about: str,
) -> type[_Figure]:
    body = {"__doc__": about, "serializer_class": shows, "filter_class": takes, "figure": figure}
    view: type[_Figure] = type(f"{name}View", (_Figure,), body)
    described = extend_schema(operation_id=f"movement_{name.lower()}", parameters=[takes], responses=shows)
    return extend_schema_view(get=described)(view)


def _held_back(identities: Iterable[int], period: Period) -> set[int]:
    """Those of whom a match in the period is only a lead."""
    rows = Sighting.objects.filter(
        identity__in=set(identities), first_seen__gte=period.since, first_seen__lt=period.until
    )
    told = release.released(rows).values("pk")
    held = rows.exclude(pk__in=told).order_by().values_list("identity", flat=True)
    return {identity for identity in held.distinct() if identity is not None}


VisitsView = _of_sums(
    "Visits",
    lambda sums, _: visits(sums),
    shows=shown.WeekHoursSerializer,
    about="Sightings by weekday and hour, in the site's time zone.",
)
TimelineView = _of_sums(
    "Timeline",
    lambda sums, asked: timeline(sums, step=asked["step"]),
    shows=shown.TimelineSerializer,
    takes=shown.TimelineFilter,
    about="Sightings and presence over time.",
)
NightsView = _of_sums(
    "Nights",
    lambda sums, asked: nights(sums, begins=asked["begins"], ends=asked["ends"]),
    shows=shown.NightsSerializer,
    takes=shown.NightFilter,
    about="Sightings at night, by camera.",
)
DwellView = _of_sums(
    "Dwell",
    lambda sums, asked: dwell(sums, limit=asked["limit"]),
    shows=shown.DwellSerializer,
    takes=shown.DwellFilter,
    about="How long faces stayed in view.",
)
TransitionsView = _of_sums(
    "Transitions",
    lambda sums, _: transitions(sums),
    shows=shown.TransitionsSerializer,
    about="From camera to camera: how often, of how many, and how fast.",
)
TravelView = _of_sums(
    "Travel",
    lambda sums, asked: travel(sums, start=asked["start"], end=asked["end"]),
    shows=shown.TravelSerializer,
    takes=shown.TravelFilter,
    about="The travel times from one camera to another.",
)
LoiteringView = _of_people(
    "Loitering",
    lambda spans, asked: loitering(spans, limit=asked["limit"], gap=asked["gap"]),
    shows=shown.LoiteringSerializer,
    takes=shown.LoiteringFilter,
    about="Visits longer than a limit.",
)
RevisitsView = _of_people(
    "Revisits",
    lambda spans, asked: revisits(spans, within=asked.get("within", 86_400.0), gap=asked["gap"]),
    shows=shown.RevisitsSerializer,
    takes=shown.ReturnFilter,
    about="Who came back to the same camera.",
)
BackAndForthView = _of_people(
    "BackAndForth",
    lambda spans, asked: back_and_forth(spans, within=asked.get("within", 1800.0), gap=asked["gap"]),
    shows=shown.BackAndForthSerializer,
    takes=shown.ReturnFilter,
    about="Who went to and fro between two cameras.",
)
UnusualVisitsView = _of_people(
    "UnusualVisits",
    lambda spans, asked: unusual_visits(spans, night=(asked["begins"], asked["ends"])),
    shows=shown.UnusualVisitsSerializer,
    takes=shown.NightFilter,
    about="Visits unlike the person's own before.",
)


@extend_schema_view(get=extend_schema(operation_id="movement_occupancy", parameters=[shown.OccupancyFilter]))
class OccupancyView(_Figure):
    """How many people were in view at once."""

    serializer_class = shown.OccupancySerializer
    filter_class = shown.OccupancyFilter

    def figure(self, asked: shown.Filter) -> Any:
        return occupancy(read_spans(asked.place, asked.period), steps=asked.validated_data["steps"])


@extend_schema_view(get=extend_schema(operation_id="movement_unusual", parameters=[shown.UnusualFilter]))
class UnusualView(_Figure):
    """Hours with far more or fewer sightings than the same hour of the weeks before."""

    serializer_class = shown.UnusualHoursSerializer
    filter_class = shown.UnusualFilter

    def figure(self, asked: shown.Filter) -> Any:
        values = asked.validated_data
        return unusual_hours(asked.place, asked.period, weeks=values["weeks"], level=values["level"])


@extend_schema_view(get=extend_schema(operation_id="movement_heat", parameters=[shown.HeatFilter]))
class HeatView(_Figure):
    """Where in a camera's picture faces were, or how much each camera on a plan saw."""

    serializer_class = shown.HeatSerializer
    filter_class = shown.HeatFilter

    def figure(self, asked: shown.Filter) -> Any:
        values = asked.validated_data
        chosen = {"weekdays": values.get("weekdays"), "hours": values.get("hours")}
        if "plan" in values:
            heat = plan_heat(read_sums(asked.place, asked.period), **chosen)
            return {"basis": heat.basis, "spots": heat.spots}
        found = picture_heat(values["camera"].pk, asked.period, **chosen)
        if found is None:
            raise NotFound
        return {"basis": found.basis, "seconds": found.seconds}


@extend_schema_view(get=extend_schema(operation_id="movement_next", parameters=[shown.NextFilter]))
class NextView(GenericAPIView[Any]):
    """Where somebody is likely to be seen next after a camera: everybody, or an identity with their own habits.

    Of an identity of whom a match in the 90 days before is only a lead, the answer is 409.
    """

    queryset = Sighting.objects.none()
    serializer_class = shown.NextFigureSerializer
    pagination_class = None
    required_permissions = ("cameras.view_sighting",)

    def get(self, request: Request) -> Response:
        asked = shown.NextFilter(data=request.query_params)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        at, identity = values.get("at") or timezone.now(), values.get("identity")
        if not Camera.objects.filter(pk=values["camera"]).exists():
            raise NotFound
        if identity is not None and not Identity.objects.filter(pk=identity).exists():
            raise NotFound
        if identity is not None and _held_back({identity}, last_days(HISTORY_DAYS, now=at)):
            raise Conflict("A match of this identity is only a lead. Ask again once reviewers have confirmed it.")
        return Response(self.get_serializer(next_after(values["camera"], at=at, identity_id=identity)).data)
