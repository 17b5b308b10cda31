"""Pages about how everybody moved: at all cameras, on a plan, at one camera."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.htmx import PageRequest, render_page
from accounts.ids import parse_id
from cameras import live
from cameras.models import Camera, CameraGroup, SitePlan
from cameras.movement.asked import DAYS, asked
from cameras.movement.drawing.frames import plan_frame
from cameras.movement.drawing.grids import WEEKDAYS
from cameras.movement.next import next_after
from cameras.movement.person_page import zones
from cameras.movement.place import at_camera, in_group, on_plan
from cameras.movement.place import everywhere as all_cameras
from cameras.movement.place_page import picture_page, place_page, plan_page, ways_of
from cameras.movement.sites import site
from cameras.movement.sums import read_sums

_USUAL_DAYS = 7
_PARTS_OF_A_DAY: Final = {
    "6-12": ("06:00 to 12:00", range(6, 12)),
    "12-18": ("12:00 to 18:00", range(12, 18)),
    "18-22": ("18:00 to 22:00", range(18, 22)),
    "22-6": ("22:00 to 06:00", (22, 23, 0, 1, 2, 3, 4, 5)),
    **{str(hour): (f"{hour:02d}:00 to {(hour + 1) % 24:02d}:00", (hour,)) for hour in range(24)},
}
_PARTS_OF_A_WEEK: Final = {
    "work": ("Monday to Friday", range(5)),
    "end": ("Saturday and Sunday", (5, 6)),
    **{str(number): (day, (number,)) for number, day in enumerate(WEEKDAYS)},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The weekdays and hours that a drawing is about, None for all; and the keys that stand for them."""

    weekday: str
    hour: str
    weekdays: Collection[int] | None
    hours: Collection[int] | None

    @classmethod
    def of(cls, request: PageRequest) -> Part:
        weekday, hour = request.GET.get("weekday", ""), request.GET.get("hour", "")
        weekdays, hours = _PARTS_OF_A_WEEK.get(weekday), _PARTS_OF_A_DAY.get(hour)
        return cls(
            weekday=weekday if weekdays else "",
            hour=hour if hours else "",
            weekdays=weekdays[1] if weekdays else None,
            hours=hours[1] if hours else None,
        )


_CHOICES: Final[dict[str, object]] = {
    "all_days": DAYS,
    "all_weekdays": [(key, text) for key, (text, _) in _PARTS_OF_A_WEEK.items()],
    "all_hours": [(key, text) for key, (text, _) in _PARTS_OF_A_DAY.items()],
}


@require_safe
@permission_required("cameras.view_sighting", raise_exception=True)
def everywhere(request: PageRequest) -> HttpResponse:
    """How people move at all cameras, or at those of a group (`group`). `start` and `end`: two cameras whose travel
    times are drawn."""
    span = asked(request.GET, usual=_USUAL_DAYS)
    groups = list(CameraGroup.objects.all()) if request.user.has_perm("cameras.view_cameragroup") else []
    group = next((row for row in groups if row.pk == parse_id(request.GET.get("group", ""))), None)
    sums = read_sums(in_group(group.pk) if group is not None else all_cameras(), span.period)
    ways = ways_of(sums, pair=_pair(request))
    context = _CHOICES | {
        "asked": span,
        "groups": groups,
        "group": group,
        "plans": list(SitePlan.objects.all()),
        "page": place_page(sums, span.period, ways=ways),
    }
    return render_page(request, "cameras/movement/site.html", context)


@require_safe
@permission_required("cameras.view_sighting", raise_exception=True)
def plan(request: PageRequest, pk: int) -> HttpResponse:
    """How people move on a site plan."""
    row = get_object_or_404(SitePlan, pk=pk)
    span, part = asked(request.GET, usual=_USUAL_DAYS), Part.of(request)
    sums = read_sums(on_plan(pk), span.period)
    ways = ways_of(sums, pair=_pair(request))
    where = site()
    drawn = zones().plans.get(pk, []) if request.user.has_perm("cameras.view_zone") else []
    frame = plan_frame(where.plans[pk], where.on_plan(pk), drawn)
    context = _CHOICES | {
        "plan": row,
        "asked": span,
        "part": part,
        "drawn": plan_page(sums, frame, ways.figure, weekdays=part.weekdays, hours=part.hours, name=row.name),
        "page": place_page(sums, span.period, ways=ways),
    }
    return render_page(request, "cameras/movement/plan.html", context)


@require_safe
@permission_required("cameras.view_sighting", raise_exception=True)
def camera(request: PageRequest, pk: int) -> HttpResponse:
    """How people move at one camera, and where they come from and go to."""
    row = get_object_or_404(Camera, pk=pk)
    span, part = asked(request.GET, usual=_USUAL_DAYS), Part.of(request)
    ways = ways_of(read_sums(all_cameras(), span.period), pair=_pair(request), only=pk)
    sees_live = request.user.has_perm("cameras.view_camera")
    context = _CHOICES | {
        "camera": row,
        "asked": span,
        "part": part,
        "picture": picture_page(pk, span.period, weekdays=part.weekdays, hours=part.hours, name=row.name),
        "has_picture": sees_live and live.statuses([row])[pk].state is live.State.ONLINE,
        "next": next_after(pk, at=min(span.period.until, timezone.now())),
        "page": place_page(read_sums(at_camera(pk), span.period), span.period, ways=ways),
    }
    return render_page(request, "cameras/movement/camera.html", context)


def _pair(request: PageRequest) -> tuple[int, int] | None:
    """The two cameras of `start` and `end`, where both are numbers."""
    start, end = parse_id(request.GET.get("start", "")), parse_id(request.GET.get("end", ""))
    return (start, end) if start is not None and end is not None else None
