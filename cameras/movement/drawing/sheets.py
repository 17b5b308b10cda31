"""Drawings over a plan or coordinates: somebody's path, how people go from camera to camera, where most are seen.

Arrows are in units of the frame and bow to the left of where they lead, so that the way back is beside them; their
heads are in the middle, where no dot covers them. Dots and names have a size in pixels on any screen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from django.utils import timezone

from cameras.movement.drawing.frames import UNITS, Frame
from cameras.movement.drawing.labels import NARROW, WIDE, Label, Wanted, lay_out, percent
from cameras.movement.drawing.shades import shade
from cameras.movement.paths import Leg, Path, Stop
from cameras.movement.sites import Key
from cameras.zones import Point

MOST_STOPS: Final = 40  # of a path that are drawn; the newest
MOST_FLOWS: Final = 40
_BOW: Final = 0.13  # of an arrow's length
_HEAD: Final = 10.0  # half of a head's length, in units
_WIDEST: Final = 12.0  # pixels, of an arrow that stands for the most
_MOST_ALIKE: Final = 2
_CROWD: Final = 40  # cameras: more are drawn smaller
_TIMES: Final = 2  # of one stop's times that stand beside it


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A camera: in percent of the drawing, with a number in it or without."""

    left: str
    top: str
    text: str
    kind: str  # first, stop, last, camera, or speck: one of many, or one that is only there
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """A way: its line, the corners of its head, how wide (pixels), and whether it is only guessed."""

    line: str
    head: str
    width: float
    is_guessed: bool
    title: str

    @property
    def halo(self) -> float:
        """How wide what sets it off from the ground is."""
        return self.width + 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """How much happened at a place: a circle in units, and its shade."""

    x: float
    y: float
    radius: float
    shade: int
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A drawing over a frame. `left_out`: a sentence on what is not drawn, empty where everything is."""

    name: str  # names it in the page, where it is unique
    title: str
    said: str
    frame: Frame
    dots: tuple[Dot, ...] = ()
    arrows: tuple[Arrow, ...] = ()
    blobs: tuple[Blob, ...] = ()
    wide: tuple[Label, ...] = field(default=())
    narrow: tuple[Label, ...] = field(default=())
    left_out: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """So many went from one camera to another."""

    start: Key
    end: Key
    count: int


def path_sheet(frame: Frame, path: Path, *, name: str, title: str) -> Sheet:
    """Somebody's newest stops in a frame, numbered as in the whole path, with the times and the ways between them."""
    here = [stop for stop in path.stops if stop.key in frame.places]
    drawn = here[-MOST_STOPS:]
    by_camera: dict[Key, list[Stop]] = {}
    for stop in drawn:
        by_camera.setdefault(stop.key, []).append(stop)
    dots = [*_cameras(frame, without=by_camera), *(_stop_dot(frame, stops, drawn) for stops in by_camera.values())]
    wanted = [
        Wanted(x=x, y=y, lines=(frame.names[key], _times(stops)))
        for key, stops in by_camera.items()
        for x, y in [_share(frame, key)]
    ]
    arrows, hidden = _ways(frame, drawn, path)
    left_out = [hidden] if hidden else []
    if len(here) > len(drawn):
        left_out.insert(0, f"The newest {len(drawn)} of {len(here)} stops are drawn.")
    said = f"{_stops(len(drawn))} at {_cameras_said(len(by_camera))}"
    if drawn:
        said += f", from {_moment(drawn[0])} at {drawn[0].spot.name} to {_moment(drawn[-1])} at {drawn[-1].spot.name}"
    return _labelled(
        Sheet(
            name=name,
            title=title,
            said=f"{said}. The table of stops and ways says the same.",
            frame=frame,
            dots=tuple(dots),
            arrows=tuple(arrows),
            left_out=" ".join(left_out),
        ),
        wanted,
        by_camera,
    )


def flow_sheet(frame: Frame, flows: Iterable[Flow], *, name: str, title: str) -> Sheet:
    """The most frequent ways between cameras, the wider the more went there."""
    away = [flow for flow in flows if flow.start != flow.end and flow.count > 0]
    here = sorted(
        (flow for flow in away if flow.start in frame.places and flow.end in frame.places),
        key=lambda flow: -flow.count,
    )
    drawn = here[:MOST_FLOWS]
    most = max((flow.count for flow in drawn), default=0)
    widest = min(_WIDEST, 2.0 + most)  # a few do not look like a crowd
    arrows = [
        _arrow(
            frame.places[flow.start],
            frame.places[flow.end],
            width=max(1.5, widest * flow.count / most),
            title=f"{frame.names[flow.start]} to {frame.names[flow.end]}: {flow.count:,}",
        )
        for flow in reversed(drawn)
    ]
    said = f"{len(drawn)} of {len(here)} ways between {_cameras_said(len(frame.places))} are drawn"
    if drawn:
        first = drawn[0]
        said += f"; most went from {frame.names[first.start]} to {frame.names[first.end]}: {first.count:,}"
    return _labelled(
        Sheet(
            name=name,
            title=title,
            said=f"{said}. The table of ways has the numbers.",
            frame=frame,
            dots=tuple(_cameras(frame)),
            arrows=tuple(arrows),
            left_out=_left_out(len(here), len(drawn), len(away)),
        ),
        _names(frame, [flow.start for flow in drawn] + [flow.end for flow in drawn]),
    )


def heat_sheet(frame: Frame, values: Mapping[Key, tuple[float, str]], *, name: str, title: str) -> Sheet:
    """How much happened at each camera: a number, and how people read it. Circles' areas go with the numbers."""
    here = sorted(((key, value) for key, value in values.items() if key in frame.places), key=lambda row: -row[1][0])
    most = here[0][1][0] if here else 0.0
    room = min(1.0, math.sqrt(_CROWD / 2 / max(1, len(frame.places))))
    blobs = [
        Blob(
            x=round(frame.places[key][0], 1),
            y=round(frame.places[key][1], 1),
            radius=round(room * (24 + 66 * math.sqrt(value / most)), 1),
            shade=shade(value, most),
            title=f"{frame.names[key]}: {text}",
        )
        for key, (value, text) in here
        if value > 0
    ]
    said = f"{len(blobs)} of {_cameras_said(len(frame.places))} saw somebody"
    if blobs:
        said += f"; most at {frame.names[here[0][0]]}: {here[0][1][1]}"
    wanted = [
        Wanted(x=x, y=y, lines=(frame.names[key], text)) for key, (_, text) in here for x, y in [_share(frame, key)]
    ]
    return _labelled(
        Sheet(
            name=name,
            title=title,
            said=f"{said}. The table has the numbers.",
            frame=frame,
            dots=tuple(_cameras(frame)),
            blobs=tuple(blobs),
        ),
        [*wanted, *_names(frame, [key for key in frame.places if key not in values])],
    )


def _labelled(sheet: Sheet, wanted: Sequence[Wanted], blocked: Iterable[Key] | None = None) -> Sheet:
    """The sheet with the names that find room, on a wide and on a narrow screen. `blocked`: the cameras whose dots no
    name may cover; all, where it is not given."""
    frame = sheet.frame
    shares = [_share(frame, key) for key in (frame.places if blocked is None else blocked)]
    laid_out = [
        lay_out(wanted, shares, width=width, ratio=frame.ratio, letters=letters)
        for width, letters in ((WIDE, 30), (NARROW, 18))
    ]
    return Sheet(
        name=sheet.name,
        title=sheet.title,
        said=sheet.said,
        frame=frame,
        dots=sheet.dots,
        arrows=sheet.arrows,
        blobs=sheet.blobs,
        wide=laid_out[0],
        narrow=laid_out[1],
        left_out=sheet.left_out,
    )


def _names(frame: Frame, keys: Iterable[Key]) -> list[Wanted]:
    """The names of these cameras, each once."""
    return [Wanted(x=x, y=y, lines=(frame.names[key],)) for key in dict.fromkeys(keys) for x, y in [_share(frame, key)]]


def _share(frame: Frame, key: Key) -> Point:
    x, y = frame.places[key]
    return x / UNITS, y / frame.height


def _cameras(frame: Frame, *, without: Iterable[Key] = ()) -> Iterable[Dot]:
    """The cameras but some; as specks where they are many, or where others are what the drawing is about."""
    left = set(without)
    kind = "speck" if left or len(frame.places) > _CROWD else "camera"
    for key, name in frame.names.items():
        if key not in left:
            x, y = _share(frame, key)
            yield Dot(left=percent(x), top=percent(y), text="", kind=kind, title=name)


def _stop_dot(frame: Frame, stops: Sequence[Stop], drawn: Sequence[Stop]) -> Dot:
    x, y = _share(frame, stops[0].key)
    kind = "last" if drawn[-1] in stops else "first" if drawn[0] in stops else "stop"
    times = ", ".join(f"{stop.number}: {_moment(stop)}" for stop in stops)
    text = str(stops[-1].number)
    return Dot(left=percent(x), top=percent(y), text=text, kind=kind, title=f"{stops[0].spot.name} — {times}")


def _times(stops: Sequence[Stop]) -> str:
    """The newest times of a stop, and how many more there are."""
    shown = ", ".join(f"{stop.number}: {timezone.localtime(stop.since):%H:%M}" for stop in stops[-_TIMES:])
    more = len(stops) - _TIMES
    return f"{shown} (+{more})" if more > 0 else shown


def _ways(frame: Frame, drawn: Sequence[Stop], path: Path) -> tuple[list[Arrow], str]:
    """The ways between stops in the frame, the oldest first, and a sentence on those that are not drawn.

    One that leads through cameras outside the frame is only guessed. Of those from one camera to the same other one
    the newest few are drawn, so that no fan of them hides the rest.
    """
    legs = {leg.start.number: leg for leg in path.legs}
    often: dict[tuple[Key, Key], int] = {}
    made: list[Arrow] = []
    hidden = 0
    for start, end in reversed(list(pairwise(drawn))):
        if frame.places[start.key] == frame.places[end.key]:
            continue
        times = often[start.key, end.key] = often.get((start.key, end.key), 0) + 1
        if times > _MOST_ALIKE:
            hidden += 1
            continue
        made.append(_way(frame, start, end, legs.get(start.number), times))
    said = f"Of ways between the same two cameras the newest {_MOST_ALIKE} are drawn." if hidden else ""
    return made[::-1], said


def _way(frame: Frame, start: Stop, end: Stop, leg: Leg | None, times: int) -> Arrow:
    """The way from a stop to the next one in the frame, the `times`-th of its kind."""
    is_direct = end.number == start.number + 1
    title = f"{start.number} to {end.number}: {start.spot.name} to {end.spot.name}"
    return _arrow(
        frame.places[start.key],
        frame.places[end.key],
        bow=_BOW * (1 + 0.5 * (times - 1)),
        width=3.0,
        is_guessed=not is_direct or (leg is not None and leg.is_guessed),
        title=title if is_direct else f"{title}, by way of cameras that are not here",
    )


def _arrow(start: Point, end: Point, *, width: float, title: str, bow: float = _BOW, is_guessed: bool = False) -> Arrow:
    """A curve (quadratic) with its head where it is half way."""
    across, down = end[0] - start[0], end[1] - start[1]
    length = max(1e-6, math.hypot(across, down))
    bow = min(bow, 0.6)
    control = (start[0] + across / 2 + down * bow * 2, start[1] + down / 2 - across * bow * 2)
    middle = ((start[0] + 2 * control[0] + end[0]) / 4, (start[1] + 2 * control[1] + end[1]) / 4)
    ahead = (across / length, down / length)  # the curve runs parallel to the straight way there
    size = _HEAD + 0.6 * width
    tip = (middle[0] + ahead[0] * size, middle[1] + ahead[1] * size)
    back = (middle[0] - ahead[0] * size, middle[1] - ahead[1] * size)
    side = (-ahead[1] * size * 0.8, ahead[0] * size * 0.8)
    corners = (tip, (back[0] + side[0], back[1] + side[1]), (back[0] - side[0], back[1] - side[1]))
    return Arrow(
        line=f"M{start[0]:.1f} {start[1]:.1f}Q{control[0]:.1f} {control[1]:.1f} {end[0]:.1f} {end[1]:.1f}",
        head=" ".join(f"{x:.1f},{y:.1f}" for x, y in corners),
        width=round(width, 1),
        is_guessed=is_guessed,
        title=title,
    )


def _left_out(here: int, drawn: int, away: int) -> str:
    parts = []
    if here > drawn:
        parts.append(f"The {drawn} most frequent of {here} ways are drawn.")
    if away > here:
        parts.append(f"{away - here} more lead to or from cameras that are not on this drawing.")
    return " ".join(parts)


def _stops(count: int) -> str:
    return f"{count} stop{'' if count == 1 else 's'}"


def _cameras_said(count: int) -> str:
    return f"{count} camera{'' if count == 1 else 's'}"


def _moment(stop: Stop) -> str:
    return f"{timezone.localtime(stop.since):%d %b %Y, %H:%M:%S}"
