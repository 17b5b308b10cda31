"""What holds of every zone and every way through it, with shapely as the judge."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from shapely import LineString, Point, Polygon

from cameras.passing import Way, ZoneWatch, _sized
from cameras.zones import EARTH_M, ZoneError, ZoneShape, clean_zone, contains_geo, contains_plan, distance_m

WIDTH, HEIGHT, FACE = 640, 360, 30.0
MARGIN = 0.05 * HEIGHT  # the widest there is
Place = tuple[float, float]

share = st.integers(0, 1000).map(lambda n: n / 1000)
places = st.lists(st.tuples(st.floats(0, WIDTH), st.floats(0, HEIGHT)), min_size=2, max_size=40)


@st.composite
def areas(draw: st.DrawFn) -> tuple[Place, ...]:
    """Polygons that do not cross themselves: corners around a middle, in the order of their directions."""
    count = draw(st.integers(3, 9))
    x, y = draw(st.floats(0.25, 0.75)), draw(st.floats(0.25, 0.75))
    reach = draw(st.lists(st.floats(0.05, 0.24), min_size=count, max_size=count))
    turn = draw(st.floats(0, 1))
    return tuple(
        (x + r * math.cos(2 * math.pi * (i + turn) / count), y + r * math.sin(2 * math.pi * (i + turn) / count))
        for i, r in enumerate(reach)
    )


@st.composite
def lines(draw: st.DrawFn) -> tuple[Place, ...]:
    points = draw(st.lists(st.tuples(share, share), min_size=2, max_size=5, unique=True))
    line = LineString(points)
    assume(line.is_simple and line.length > 0.05)
    return tuple(points)


def zone(shape: str, points: tuple[Place, ...]) -> ZoneShape:
    return ZoneShape(id=1, ground="picture", shape=shape, points=points)


def passed(shape: ZoneShape, way: list[Place]) -> list[Way]:
    """What a face passes whose middle takes this way."""
    watch = ZoneWatch([shape])
    ways = []
    for t, (x, y) in enumerate(way):
        box = (x - FACE / 2, y - FACE / 2, x + FACE / 2, y + FACE / 2)
        ways += [one.way for one in watch.see(1, box, width=WIDTH, height=HEIGHT, t=float(t))]
    return ways


@settings(max_examples=150, deadline=None)
@given(areas(), places)
def test_entered_and_left_alternate_and_end_where_the_walk_ends(points: tuple[Place, ...], way: list[Place]) -> None:
    shape = zone("polygon", points)
    pixels = Polygon([(x * WIDTH, y * HEIGHT) for x, y in points])
    end = Point(way[-1])
    assume(pixels.boundary.distance(end) > MARGIN)
    ways = passed(shape, [*way, way[-1], way[-1]])
    assert all(one is (Way.LEFT if number % 2 else Way.ENTERED) for number, one in enumerate(ways))
    assert (len(ways) % 2 == 1) == pixels.contains(end)


@settings(max_examples=100, deadline=None)
@given(areas(), st.floats(0, 1), st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), max_size=30))
def test_jitter_within_the_margin_is_nothing(
    points: tuple[Place, ...], where: float, jitter: list[tuple[float, float]]
) -> None:
    shape = zone("polygon", points)
    border = Polygon([(x * WIDTH, y * HEIGHT) for x, y in points]).exterior
    margin = min(0.2 * FACE, _sized(shape, WIDTH, HEIGHT).most_margin)
    place = border.interpolate(where, normalized=True)
    off = [(place.x + 0.7 * margin * dx, place.y + 0.7 * margin * dy) for dx, dy in jitter]
    assert passed(shape, off) == []


@settings(max_examples=200, deadline=None)
@given(lines(), places)
def test_crossings_are_those_of_the_way(points: tuple[Place, ...], way: list[Place]) -> None:
    """From beyond the margin to beyond it a crossing is counted where the way crosses an odd number of times."""
    line = LineString([(x * WIDTH, y * HEIGHT) for x, y in points])
    clear = [place for place in way if line.distance(Point(place)) > MARGIN]
    steps = [LineString(step) for step in pairwise(clear)]
    touched = [step.intersection(line) for step in steps]
    # Ways along the line, and through its corners and ends, have no number of crossings.
    assume(all(touch.is_empty or touch.geom_type in {"Point", "MultiPoint"} for touch in touched))
    corners = [Point(corner) for corner in line.coords]
    assume(all(step.distance(corner) > 1e-6 for step in steps for corner in corners))
    crossings = [0 if touch.is_empty else len(getattr(touch, "geoms", [touch])) for touch in touched]
    assume(all(count <= 2 for count in crossings) or len(points) == 2)
    assert len(passed(zone("line", points), clear)) % 2 == sum(count % 2 for count in crossings) % 2
    if len(points) == 2:
        ways = passed(zone("line", points), clear)
        assert len(ways) == sum(crossings)


@settings(max_examples=100, deadline=None)
@given(lines(), places)
def test_the_way_back_crosses_as_often_the_other_way_round(points: tuple[Place, ...], way: list[Place]) -> None:
    line = LineString([(x * WIDTH, y * HEIGHT) for x, y in points])
    clear = [place for place in way if line.distance(Point(place)) > MARGIN]
    assume(len(clear) > 1)
    there, back = passed(zone("line", points), clear), passed(zone("line", points), clear[::-1])
    turned = {Way.TO_LEFT: Way.TO_RIGHT, Way.TO_RIGHT: Way.TO_LEFT}
    assert [turned[one] for one in reversed(back)] == there


@settings(max_examples=150, deadline=None)
@given(areas(), share, share)
def test_an_area_on_a_plan_holds_what_shapely_says(points: tuple[Place, ...], x: float, y: float) -> None:
    polygon = Polygon(points)
    assume(polygon.boundary.distance(Point(x, y)) > 1e-9)
    shape = ZoneShape(id=1, ground="plan", shape="polygon", points=points)
    assert contains_plan(shape, x, y) == polygon.contains(Point(x, y))


anywhere = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@settings(max_examples=200, deadline=None)
@given(anywhere, anywhere, st.floats(1, 100_000))
def test_a_circle_holds_what_is_nearer_than_its_radius(middle: Place, place: Place, radius: float) -> None:
    """The judge: the angle between the two directions from the middle of the earth."""
    a, b = (_direction(one) for one in (middle, place))
    cross = (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
    metres = EARTH_M * math.atan2(math.hypot(*cross), sum(p * q for p, q in zip(a, b, strict=True)))
    assert distance_m(middle, place) == pytest.approx(metres, rel=1e-6, abs=0.5)
    assume(abs(metres - radius) > 1)
    circle = ZoneShape(id=1, ground="coordinates", shape="circle", points=(middle,), radius_m=radius)
    assert contains_geo(circle, *place) == (metres <= radius)


@settings(max_examples=150, deadline=None)
@given(anywhere, areas(), share, share)
def test_an_area_is_the_same_wherever_on_earth_it_lies(
    middle: Place, points: tuple[Place, ...], x: float, y: float
) -> None:
    """A plan of two kilometres, laid on any place of the earth, the poles and the antimeridian among them."""
    assume(abs(middle[0]) < 89.9999)  # at the very pole `_placed` has no bearings any more
    polygon = Polygon(points)
    assume(polygon.boundary.distance(Point(x, y)) > 1e-3)
    corners = tuple(_placed(middle, point) for point in points)
    shape = ZoneShape(id=1, ground="coordinates", shape="polygon", points=corners)
    assert contains_geo(shape, *_placed(middle, (x, y))) == polygon.contains(Point(x, y))


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["picture", "plan", "coordinates", ""]),
    st.sampled_from(["polygon", "line", "circle", ""]),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
        max_leaves=20,
    ),
    st.none() | st.floats() | st.text(max_size=3),
)
def test_whatever_comes_is_a_zone_or_a_sentence(ground: str, shape: str, points: object, radius: object) -> None:
    try:
        drawn = clean_zone(ground=ground, shape=shape, points=points, radius_m=radius)
    except ZoneError as refused:
        said = str(refused)
    else:
        said = "."
        again = clean_zone(ground=ground, shape=shape, points=[list(p) for p in drawn.points], radius_m=drawn.radius_m)
        assert again == drawn
    assert said.endswith(".")


def _direction(place: Place) -> tuple[float, float, float]:
    phi, lam = math.radians(place[0]), math.radians(place[1])
    return math.cos(phi) * math.cos(lam), math.cos(phi) * math.sin(lam), math.sin(phi)


def _placed(middle: Place, point: Place) -> Place:
    """The place so far east and south of the middle, along great circles (azimuthal equidistant)."""
    east, north = 2000 * (point[0] - 0.5), -2000 * (point[1] - 0.5)
    angle, bearing = math.hypot(east, north) / EARTH_M, math.atan2(east, north)
    phi, lam = math.radians(middle[0]), math.radians(middle[1])
    sine = math.sin(phi) * math.cos(angle) + math.cos(phi) * math.sin(angle) * math.cos(bearing)
    lat = math.asin(min(1.0, max(-1.0, sine)))
    turn = math.atan2(
        math.sin(bearing) * math.sin(angle) * math.cos(phi), math.cos(angle) - math.sin(phi) * math.sin(lat)
    )
    lon = (math.degrees(lam + turn) + 540) % 360 - 180
    return math.degrees(lat), lon
