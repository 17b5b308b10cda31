"""Zones: what may be drawn, with which words it is refused, and which places are in it."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from cameras.masks import MOST_CORNERS
from cameras.models import Anchor, Ground, PassageKind, Shape
from cameras.passing import Way, ZoneWatch, anchor_of, at_edges
from cameras.zones import SHAPES, ZoneError, ZoneShape, clean_zone, contains_geo, contains_plan, distance_m

SQUARE = [[0.2, 0.2], [0.6, 0.2], [0.6, 0.6], [0.2, 0.6]]
CIRCLE = ZoneShape(id=1, ground="coordinates", shape="circle", points=((52.52, 13.405),), radius_m=1000.0)


def test_the_words_are_those_of_the_database() -> None:
    assert {way.value for way in Way} == set(PassageKind.values)
    assert set(SHAPES) == set(Ground.values)
    assert {shape for shapes in SHAPES.values() for shape in shapes} == set(Shape.values)
    for anchor in Anchor.values:
        assert anchor_of((10, 10, 20, 20), anchor, 100, 100)[0] == 15


def test_what_is_drawn_is_rounded_and_cleaned() -> None:
    drawn = clean_zone(
        ground="picture", shape="polygon", points=[[0.2000001, 0.2], [0.2, 0.2], *SQUARE[1:], [0.2, 0.2]]
    )
    assert drawn.points == tuple((x, y) for x, y in SQUARE)
    assert clean_zone(ground="plan", shape="polygon", points=json.dumps(SQUARE)).points == drawn.points
    assert clean_zone(ground="picture", shape="line", points=[[0, 0.5], [1, 0.5]]).points == ((0.0, 0.5), (1.0, 0.5))
    circle = clean_zone(ground="coordinates", shape="circle", points=[[52.52, 13.405]], radius_m=50)
    assert (circle.points, circle.radius_m) == (((52.52, 13.405),), 50.0)


@pytest.mark.parametrize(
    ("shape", "points", "said"),
    [
        ("polygon", None, "Nothing is drawn"),
        ("polygon", "", "Nothing is drawn"),
        ("polygon", [], "Nothing is drawn"),
        ("polygon", "[[0,", "no JSON"),
        ("polygon", "[" * 100_000, "no JSON"),
        ("polygon", '"word"', "Nothing is drawn"),
        ("polygon", {"a": 1}, "Nothing is drawn"),
        ("polygon", 7, "Nothing is drawn"),
        ("polygon", [[0, 0], [1, 1]], "2 corners"),
        ("polygon", [[0, 0], [0, 0], [1, 1], [0, 0]], "2 corners"),
        ("polygon", [[0, 0], [1, 0], [1, 1.01]], "from 0 to 1"),
        ("polygon", [[0, 0], [1, 0], [1, math.nan]], "from 0 to 1"),
        ("polygon", [[0, 0], [1, 0], [1, math.inf]], "from 0 to 1"),
        ("polygon", "[[0, 0], [1, 0], [1, NaN]]", "from 0 to 1"),
        ("polygon", [[0, 0], [1, 0], [1, 10**400]], "from 0 to 1"),
        ("polygon", [[0, 0], [1, 0], ["1", "1"]], "from 0 to 1"),
        ("polygon", [[0, 0], [1, 0], [True, True]], "from 0 to 1"),
        ("polygon", [[0, 0], [1, 0], [[1], 1]], "from 0 to 1"),
        ("polygon", [[0, 0], [1, 0], [1, 1, 1]], "from 0 to 1"),
        ("polygon", [[0, 0], [1, 0], "11"], "from 0 to 1"),
        ("polygon", [[0, 0], [1, 1], [1, 0], [0, 1]], "crosses or touches itself"),
        ("polygon", [[0, 0], [1, 0], [0.5, 0.5], [1, 1], [0, 1], [0.5, 0.5]], "crosses or touches itself"),
        ("polygon", [[0, 0], [0.5, 0.5], [1, 1]], "covers nothing"),
        ("polygon", [[0.5, 0.5], [0.505, 0.5], [0.505, 0.505]], "covers nothing"),
        ("polygon", [[i / 200, (i % 2) / 2] for i in range(MOST_CORNERS + 1)], "65 corners"),
        ("polygon", [[0.1, 0.1]] * 1000, "1000 points"),
        ("line", [[0.5, 0.5]], "2 to 16"),
        ("line", [[i / 20, 0.1 * (i % 2)] for i in range(17)], "2 to 16"),
        ("line", [[0.5, 0.5], [0.501, 0.5]], "too short"),
        ("line", [[0, 0], [1, 1], [1, 0], [0, 1]], "crosses itself"),
        ("circle", [[0.5, 0.5]], "an area or a line"),
        ("star", SQUARE, "an area or a line"),
    ],
)
def test_what_can_not_be_a_zone_in_a_picture_is_refused_with_a_sentence(shape: str, points: object, said: str) -> None:
    with pytest.raises(ZoneError, match=said) as refused:
        clean_zone(ground="picture", shape=shape, points=points)
    assert refused.value.field == ("shape" if shape in {"circle", "star"} else "points")


@pytest.mark.parametrize(
    ("shape", "points", "radius", "field", "said"),
    [
        ("line", [[52, 13], [53, 13]], None, "shape", "a circle or an area"),
        ("circle", [[52, 13], [53, 13]], 10, "points", "one point"),
        ("circle", [[91, 13]], 10, "points", "latitude"),
        ("circle", [[52, 181]], 10, "points", "longitude"),
        ("circle", [[math.nan, 13]], 10, "points", "latitude"),
        ("circle", [[52, 13]], None, "radius_m", "1 m to 100 km"),
        ("circle", [[52, 13]], 0.5, "radius_m", "1 m to 100 km"),
        ("circle", [[52, 13]], 100_001, "radius_m", "1 m to 100 km"),
        ("circle", [[52, 13]], math.nan, "radius_m", "1 m to 100 km"),
        ("circle", [[52, 13]], "50", "radius_m", "1 m to 100 km"),
        ("circle", [[52, 13]], True, "radius_m", "1 m to 100 km"),
        ("polygon", [[52, 13], [52, 13.1]], None, "points", "2 corners"),
        ("polygon", [[52, 13], [52.1, 13.1], [52, 13.1], [52.1, 13]], None, "points", "crosses or touches itself"),
        ("polygon", [[52, 13], [52, 13.000001], [52.000001, 13]], None, "points", "covers nothing"),
        ("polygon", [[0, 0], [60, 0], [0, 60]], None, "points", "1000 km"),
        ("polygon", [[0, 0], [0, 120], [0, -120]], None, "points", "1000 km"),
        ("polygon", [[0, 0], [0, 180], [0, 90], [0, -90]], None, "points", "1000 km"),
    ],
)
def test_what_can_not_be_a_zone_on_coordinates_is_refused(
    shape: str, points: object, radius: object, field: str, said: str
) -> None:
    with pytest.raises(ZoneError, match=said) as refused:
        clean_zone(ground="coordinates", shape=shape, points=points, radius_m=radius)
    assert refused.value.field == field


@pytest.mark.parametrize(("ground", "shape"), [("plan", "line"), ("plan", "circle"), ("moon", "polygon"), ("", "")])
def test_a_shape_that_its_ground_does_not_have_is_refused(ground: str, shape: str) -> None:
    with pytest.raises(ZoneError, match="Choose"):
        clean_zone(ground=ground, shape=shape, points=SQUARE)


def test_a_place_is_in_a_circle_by_its_metres() -> None:
    assert contains_geo(CIRCLE, 52.5289, 13.405)  # 990 m to the north
    assert not contains_geo(CIRCLE, 52.5291, 13.405)  # 1012 m
    assert contains_geo(CIRCLE, 52.52, 13.4196)  # 988 m to the east
    assert not contains_geo(CIRCLE, 52.52, 13.4200)
    over = replace(CIRCLE, points=((0.0, 179.999),))
    assert contains_geo(over, 0.0, -179.999)
    pole = replace(CIRCLE, points=((89.999, 0.0),))
    assert contains_geo(pole, 89.999, 180.0)
    assert not contains_geo(replace(CIRCLE, radius_m=None), 52.52, 13.405)
    assert not contains_geo(replace(CIRCLE, ground="plan"), 52.52, 13.405)


@pytest.mark.parametrize(
    ("a", "b", "metres"),
    [
        # Geodesics of WGS 84, as GeographicLib gives them.
        ((52.52, 13.405), (48.8566, 2.3522), 879_700),
        ((0.0, 179.5), (0.0, -179.5), 111_319),
        ((90.0, 0.0), (0.0, 0.0), 10_001_966),
        ((-33.8688, 151.2093), (-33.8688, 151.2093), 0),
    ],
)
def test_metres_are_those_of_a_geodesic_to_half_a_percent(
    a: tuple[float, float], b: tuple[float, float], metres: float
) -> None:
    assert distance_m(a, b) == pytest.approx(metres, rel=0.006)


def land(*points: tuple[float, float]) -> ZoneShape:
    drawn = clean_zone(ground="coordinates", shape="polygon", points=points)
    return ZoneShape(id=1, ground="coordinates", shape="polygon", points=drawn.points)


def test_an_area_on_coordinates_may_lie_over_the_antimeridian_and_over_a_pole() -> None:
    fiji = land((-16, 179), (-16, -179), (-18, -179), (-18, 179))
    assert contains_geo(fiji, -17, 180)
    assert contains_geo(fiji, -17, -179.5)
    assert contains_geo(fiji, -17, 179.5)
    assert not contains_geo(fiji, -17, 0)
    assert not contains_geo(fiji, -17, 178.5)
    arctic = land((85, 0), (85, 90), (85, 180), (85, -90))
    assert contains_geo(arctic, 90, 12)
    assert contains_geo(arctic, 87, 45)
    assert not contains_geo(arctic, 80, 45)
    assert not contains_geo(arctic, -90, 0)
    berlin = land((52.5, 13.3), (52.5, 13.5), (52.6, 13.4))
    assert contains_geo(berlin, 52.5, 13.3)  # a corner belongs to it
    assert not contains_geo(berlin, -52.5, -166.6)  # the other side of the earth


def test_a_place_on_a_plan_is_in_an_area_or_on_its_border() -> None:
    plan = ZoneShape(id=1, ground="plan", shape="polygon", points=tuple((x, y) for x, y in SQUARE))
    assert contains_plan(plan, 0.4, 0.4)
    assert contains_plan(plan, 0.2, 0.4)
    assert contains_plan(plan, 0.6, 0.6)
    assert not contains_plan(plan, 0.61, 0.4)
    assert not contains_plan(replace(plan, ground="picture"), 0.4, 0.4)


# --- walks through a picture ------------------------------------------------------------------------------------


def walk(zones: list[ZoneShape], places: list[tuple[float, float]], face: float = 40) -> list[tuple[int, str, float]]:
    """What a face passes whose middle is at these places of a picture of 1000 x 500, a look a second."""
    watch = ZoneWatch(zones)
    found = []
    for t, (x, y) in enumerate(places):
        box = (x - face / 3, y - face / 2, x + face / 3, y + face / 2)
        found += [(one.zone_id, one.way.value, one.t) for one in watch.see(1, box, width=1000, height=500, t=float(t))]
    return found


ROOM = ZoneShape(id=7, ground="picture", shape="polygon", points=tuple((x, y) for x, y in SQUARE))  # 200..600, 100..300
DOOR = ZoneShape(id=8, ground="picture", shape="line", points=((0.5, 0.2), (0.5, 0.6)))  # down at x=500, y 100..300


def test_who_goes_in_and_out_has_entered_and_left_since_the_first_look_beyond() -> None:
    inside, outside = (400.0, 200.0), (800.0, 200.0)
    assert walk([ROOM], [outside, outside, inside, inside, inside, outside, outside, outside]) == [
        (7, "entered", 2.0),
        (7, "left", 5.0),
    ]


def test_one_look_is_not_enough_for_an_area_and_who_begins_inside_has_entered() -> None:
    inside, outside = (400.0, 200.0), (800.0, 200.0)
    assert walk([ROOM], [outside, inside, outside, inside, outside]) == []
    assert walk([ROOM], [inside, inside, inside]) == [(7, "entered", 0.0)]
    assert walk([ROOM], [inside]) == []


def test_within_the_margin_nothing_happens() -> None:
    assert walk([ROOM], [(600 + dx, 200.0) for dx in (-7, 7, -6, 5, -7, 6) * 5]) == []  # the margin is 8 px
    assert (
        walk([DOOR], [(470.0, 200.0), *((500 + dx, 200.0) for dx in (-7, 7, -6, 5, -7, 6) * 5), (470.0, 200.0)]) == []
    )


def test_a_small_area_under_a_large_face_can_be_entered() -> None:
    small = replace(ROOM, points=((0.5, 0.5), (0.53, 0.5), (0.53, 0.56), (0.5, 0.56)))  # 30 x 30 px
    assert walk([small], [(100.0, 250.0), (515.0, 265.0), (514.0, 266.0)], face=300) == [(7, "entered", 1.0)]


@pytest.mark.parametrize(
    ("places", "ways"),
    [
        ([(450.0, 200.0), (550.0, 200.0)], ["left_hand"]),  # who goes down sees the picture's right on their left
        ([(550.0, 200.0), (450.0, 200.0)], ["right"]),
        ([(100.0, 200.0), (900.0, 200.0)], ["left_hand"]),  # a jump
        ([(450.0, 200.0), (495.0, 200.0), (500.0, 200.0), (505.0, 200.0), (550.0, 200.0)], ["left_hand"]),
        ([(450.0, 200.0), (550.0, 200.0), (450.0, 200.0)], ["left_hand", "right"]),
        ([(450.0, 400.0), (550.0, 400.0)], []),  # below its end
        ([(450.0, 200.0), (450.0, 400.0), (550.0, 400.0), (550.0, 200.0)], []),  # around its end
        ([(495.0, 200.0), (550.0, 200.0)], []),  # where it came from nobody saw
        ([(450.0, 200.0), (504.0, 200.0)], []),  # not beyond yet
    ],
)
def test_a_line_is_crossed_by_a_way_through_it_from_beyond_to_beyond(
    places: list[tuple[float, float]], ways: list[str]
) -> None:
    assert [way for _, way, _ in walk([DOOR], places)] == ways


def test_the_direction_is_that_of_who_goes_along_the_line_as_it_was_drawn() -> None:
    turned = replace(DOOR, points=DOOR.points[::-1])
    assert [way for _, way, _ in walk([turned], [(450.0, 200.0), (550.0, 200.0)])] == ["right"]


def test_a_bent_line_is_crossed_once_by_a_way_through_its_corner() -> None:
    bent = replace(DOOR, points=((0.5, 0.2), (0.5, 0.4), (0.7, 0.4)))
    assert [way for _, way, _ in walk([bent], [(400.0, 300.0), (600.0, 100.0)])] == ["left_hand"]


def test_where_somebody_stands_is_estimated_from_the_face_and_never_below_the_picture() -> None:
    standing = replace(ROOM, anchor="foot", points=((0.2, 0.8), (0.6, 0.8), (0.6, 1.0), (0.2, 1.0)))
    assert walk([standing], [(400.0, 70.0)] * 2) == []  # the feet at 350
    assert walk([standing], [(400.0, 170.0)] * 2) == [(7, "entered", 0.0)]  # at 450
    assert walk([standing], [(400.0, 400.0)] * 2) == [(7, "entered", 0.0)]  # far below the picture
    assert walk([standing], [(800.0, 400.0)] * 2) == []


def test_what_is_drawn_next_to_the_pictures_border_reaches_it() -> None:
    assert at_edges(((0.005, 0.5), (0.5, 0.995), (1.0, 0.5))) == ((0.0, 0.5), (0.5, 1.0), (1.0, 0.5))
    strip = ((0.0, 0.0), (0.008, 0.0), (0.008, 1.0), (0.0, 1.0))
    assert at_edges(strip) == strip


def test_a_cut_breaks_the_way() -> None:
    watch = ZoneWatch([DOOR])
    watch.see(1, (430, 180, 470, 220), width=1000, height=500, t=0.0)
    watch.cut()
    assert watch.see(1, (530, 180, 570, 220), width=1000, height=500, t=1.0) == []


def test_a_zone_that_is_redrawn_goes_on_with_who_was_in_it_and_others_are_not_disturbed() -> None:
    watch = ZoneWatch([ROOM, DOOR])

    def at(x: float, t: float) -> list[tuple[int, str]]:
        box = (x - 15, 180.0, x + 15, 220.0)
        return [(one.zone_id, one.way.value) for one in watch.see(1, box, width=1000, height=500, t=t)]

    assert at(400, 0) + at(400, 1) == [(7, "entered")]
    watch.change([replace(ROOM, points=((0.7, 0.2), (0.9, 0.2), (0.9, 0.6), (0.7, 0.6))), DOOR])
    assert at(400, 2) + at(400, 3) == [(7, "left")]
    assert at(560, 4) == [(8, "left_hand")]
    watch.change([])
    assert at(400, 5) == []


def test_tracks_that_are_over_are_forgotten() -> None:
    watch = ZoneWatch([ROOM])
    box = (380.0, 180.0, 420.0, 220.0)
    assert [len(watch.see(1, box, width=1000, height=500, t=float(t))) for t in range(3)] == [0, 1, 0]
    watch.keep([2])
    assert [len(watch.see(1, box, width=1000, height=500, t=float(t))) for t in range(3)] == [0, 1, 0]
