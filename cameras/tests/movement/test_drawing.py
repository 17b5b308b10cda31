"""Drawings: geometry, names, bounds, and nothing of it that a browser would run."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.template.loader import render_to_string
from django.utils import timezone

from cameras.movement.drawing import charts, frames, labels
from cameras.movement.drawing.grids import matrix, picture_grid, week_grid
from cameras.movement.drawing.shades import STEPS, number, scale, shade
from cameras.movement.drawing.sheets import MOST_FLOWS, MOST_STOPS, Flow, Sheet, flow_sheet, heat_sheet, path_sheet
from cameras.movement.paths import Path
from cameras.movement.sites import Plan, Spot
from cameras.templatetags.movement import duration, metres, share, speed
from cameras.tests.movement.walks import path, spot, stop
from cameras.zones import ZoneShape

FLOOR = Plan(pk=7, name="Floor", width=800, height=400, metres_wide=50.0)
EVIL = '"><script>alert(1)</script>&'
partial = "cameras/movement/partials/{}".format


def on_floor(count: int) -> list[Spot]:
    return [spot(n, f"Camera {n}", plan=7, x=(n * 37 % 100) / 100, y=(n * 61 % 100) / 100) for n in range(1, count + 1)]


def svg(text: str) -> ET.Element:
    """The rendered drawing, which must be well-formed."""
    return ET.fromstring(f"<all>{text}</all>")  # our own templates


def drawn(sheet: Sheet) -> str:
    return render_to_string(partial("_sheet.html"), {"sheet": sheet})


def numbers(path_text: str) -> list[float]:
    return [float(one) for one in path_text.replace("M", " ").replace("Q", " ").split()]


# --- places ---------------------------------------------------------------------------------------------------------


def test_a_plan_is_laid_out_in_its_own_proportions() -> None:
    frame = frames.plan_frame(FLOOR, [spot(1, plan=7, x=0.25, y=0.5), spot(2, plan=8, x=0.1, y=0.1)])
    assert frame.places == {(1, ""): (250, 250)}
    assert frame.height == 500
    assert frame.bar == frames.Bar(width=200, text="10 m")


@pytest.mark.parametrize(
    ("wide", "text"), [(0.5, "0.1 m"), (9.0, "1 m"), (50.0, "10 m"), (430.0, "50 m"), (99_000.0, "20 km")]
)
def test_a_scale_has_a_round_number_and_is_no_longer_than_a_fifth_or_so(wide: float, text: str) -> None:
    bar = frames.bar_of(wide)
    assert bar.text == text
    assert 80 <= bar.width <= 220


def test_coordinates_are_north_up_and_as_wide_as_they_are() -> None:
    south, north = spot(1, latitude=60.0, longitude=10.0), spot(2, latitude=60.001, longitude=10.002)
    frame = frames.ground_frame([south, north])
    assert frame is not None
    (x1, y1), (x2, y2) = frame.places[1, ""], frame.places[2, ""]
    assert x2 > x1
    assert y2 < y1
    # At 60 degrees a degree of longitude is half as wide as one of latitude.
    assert (x2 - x1) / (y1 - y2) == pytest.approx(1.0, rel=0.01)


def test_the_antimeridian_is_no_special_place() -> None:
    frame = frames.ground_frame(
        [spot(1, latitude=-17.0, longitude=179.9995), spot(2, latitude=-17.0, longitude=-179.9995)]
    )
    assert frame is not None
    (x1, _), (x2, _) = frame.places[1, ""], frame.places[2, ""]
    assert 0 < x1 < x2 < frames.UNITS
    assert frame.bar is not None
    assert frame.bar.text == "20 m"


@pytest.mark.parametrize("latitude", [-90.0, 0.0, 90.0])
def test_one_camera_alone_stands_in_the_middle_of_some_ground(latitude: float) -> None:
    frame = frames.ground_frame([spot(1, latitude=latitude, longitude=0.0)])
    assert frame is not None
    assert frame.places[1, ""] == (500, 320)


def test_cameras_without_coordinates_make_no_ground() -> None:
    assert frames.ground_frame([]) is None
    assert frames.ground_frame([spot(1)]) is None


def test_zones_on_coordinates_are_drawn_where_they_are_in_view() -> None:
    circle = ZoneShape(id=1, ground="coordinates", shape="circle", points=((52.52, 13.405),), radius_m=20.0)
    area = ZoneShape(
        id=2, ground="coordinates", shape="polygon", points=((52.52, 13.405), (52.53, 13.405), (52.52, 13.41))
    )
    far = ZoneShape(id=3, ground="coordinates", shape="circle", points=((0.0, 0.0),), radius_m=20.0)
    here = [spot(1, latitude=52.52, longitude=13.405), spot(2, latitude=52.5205, longitude=13.405)]
    frame = frames.ground_frame(
        here,
        [("Round", circle), ("Square", area), ("Far", far)],
        beside=[spot(3, "Beside", latitude=52.5202, longitude=13.4052), spot(4, "Away", latitude=10.0, longitude=1.0)],
    )
    assert frame is not None
    assert [(one.name, bool(one.points), one.radius > 0) for one in frame.areas] == [
        ("Round", False, True),
        ("Square", True, False),
    ]
    assert list(frame.names.values()) == ["Camera 1", "Camera 2", "Beside"]


# --- names ----------------------------------------------------------------------------------------------------------


def boxes(found: tuple[labels.Label, ...], width: float, height: float) -> list[tuple[float, float, float, float]]:
    made = []
    for one in found:
        wide = max(map(len, one.lines)) * 6.9
        x = float(one.left[:-1]) / 100 * width + one.dx - {"start": 0, "middle": wide / 2, "end": wide}[one.anchor]
        y = float(one.top[:-1]) / 100 * height + one.dy - 12
        made.append((x, y, x + wide, y + 15 * len(one.lines)))
    return made


@pytest.mark.parametrize(("count", "width"), [(1, 330), (12, 330), (200, 330), (200, 860)])
def test_names_do_not_lie_over_each_other_and_stay_in_the_drawing(count: int, width: float) -> None:
    wanted = [labels.Wanted(x=one.x, y=one.y, lines=(one.name, "12: 10:20")) for one in on_floor(count)]
    found = labels.lay_out(wanted, [(one.x, one.y) for one in wanted], width=width, ratio=0.5, letters=18)
    assert found or count == 200  # so many dots leave no room on a narrow screen
    made = boxes(found, width, width * 0.5)
    assert all(x >= -1 and y >= -1 and right <= width + 1 and low <= width * 0.5 + 1 for x, y, right, low in made)
    for one, other in itertools.combinations(made, 2):
        overlap_x = min(one[2], other[2]) - max(one[0], other[0])
        overlap_y = min(one[3], other[3]) - max(one[1], other[1])
        assert overlap_x <= 1 or overlap_y <= 1


def test_a_long_name_is_cut() -> None:
    assert labels.short("North gate", 18) == "North gate"
    assert labels.short("The stairs to the upper floors", 12) == "The stairs…"
    assert len(labels.short("x" * 300, 18)) == 18


# --- paths ----------------------------------------------------------------------------------------------------------


def test_a_path_has_numbered_stops_times_and_arrows() -> None:
    here, there = on_floor(2)
    frame = frames.plan_frame(FLOOR, on_floor(3))
    sheet = path_sheet(frame, path((here, 0), (there, 60), (here, 600)), name="p", title="The path")
    assert sorted((dot.kind, dot.text) for dot in sheet.dots) == [("last", "3"), ("speck", ""), ("stop", "2")]
    assert [arrow.is_guessed for arrow in sheet.arrows] == [False, True]
    start = numbers(sheet.arrows[0].line)[:2]
    assert start == [pytest.approx(value, abs=0.1) for value in frame.places[1, ""]]
    # There and back bow to different sides, so that neither lies on the other.
    assert numbers(sheet.arrows[0].line)[2:4] != numbers(sheet.arrows[1].line)[2:4]
    assert sheet.wide[0].lines == ("Camera 1", "1: 12:00, 3: 12:10")
    text = drawn(sheet)
    root = svg(text)
    (marks,) = [one for one in root.iter("svg") if one.get("role") == "img"]
    said = [one.text or "" for one in marks if one.tag in ("title", "desc")]
    assert said[0] == "The path"
    assert said[1].startswith("3 stops at 2 cameras, from 14 Mar 2026, 12:00:00 at Camera 1")
    assert "The bar is 10 m long." in text


def test_a_way_through_cameras_that_are_elsewhere_is_guessed() -> None:
    here, there, away = *on_floor(2), spot(9, "Elsewhere")
    sheet = path_sheet(
        frames.plan_frame(FLOOR, on_floor(2)), path((here, 0), (away, 20), (there, 40)), name="p", title="T"
    )
    (arrow,) = sheet.arrows
    assert arrow.is_guessed
    assert "by way of" in arrow.title


def test_a_way_that_was_gone_often_is_drawn_twice_and_it_is_said() -> None:
    here, there = on_floor(2)
    made = path(*((here if n % 2 else there, 30.0 * n) for n in range(10)))
    sheet = path_sheet(frames.plan_frame(FLOOR, [here, there]), made, name="p", title="T")
    assert [arrow.title.partition(":")[0] for arrow in sheet.arrows] == ["6 to 7", "7 to 8", "8 to 9", "9 to 10"]
    assert len({arrow.line for arrow in sheet.arrows}) == 4
    assert sheet.left_out == "Of ways between the same two cameras the newest 2 are drawn."


def test_one_stop_is_a_dot_without_an_arrow() -> None:
    (here,) = on_floor(1)
    sheet = path_sheet(frames.plan_frame(FLOOR, [here]), path((here, 0)), name="p", title="T")
    assert [dot.kind for dot in sheet.dots] == ["last"]
    assert not sheet.arrows
    svg(drawn(sheet))


def test_an_empty_path_and_an_empty_plan_are_drawn() -> None:
    svg(drawn(path_sheet(frames.plan_frame(FLOOR, []), Path(), name="p", title="T")))


def test_of_five_hundred_stops_the_newest_are_drawn_and_it_is_said() -> None:
    spots = on_floor(20)
    made = path(*((spots[n % 20], 30.0 * n) for n in range(500)))
    sheet = path_sheet(frames.plan_frame(FLOOR, spots), made, name="p", title="T")
    assert len(sheet.arrows) < MOST_STOPS
    assert sheet.left_out == f"The newest {MOST_STOPS} of 500 stops are drawn."
    assert len(drawn(sheet)) < 60_000
    assert next(dot for dot in sheet.dots if dot.kind == "last").text == "500"


@pytest.mark.parametrize("name", [EVIL, "x" * 300, "Ünïcode 🚪", "' onload='alert(1)"])
def test_names_are_text_wherever_they_stand(name: str) -> None:
    here = spot(1, name, plan=7, x=0.5, y=0.5, latitude=1.0, longitude=1.0)
    zone = ZoneShape(id=1, ground="plan", shape="polygon", points=((0.1, 0.1), (0.9, 0.1), (0.9, 0.9)))
    sheets = [path_sheet(frames.plan_frame(FLOOR, [here], [(name, zone)]), path((here, 0)), name="p", title=name)]
    ground = frames.ground_frame([here])
    assert ground is not None
    sheets.append(heat_sheet(ground, {(1, ""): (5.0, "5 s")}, name="h", title=name))
    lanes = charts.lanes([(name, path((here, 0)).stops)], name="l", title=name)
    counts = np.array([[1]], np.int64)
    grid = matrix([name], counts, name="m", caption=name)
    assert grid is not None
    texts = [drawn(sheet) for sheet in sheets]
    texts.append(render_to_string(partial("_lanes.html"), {"lanes": lanes, "people": [name, "B"]}))
    texts.append(render_to_string(partial("_grid.html"), {"grid": grid, "corner": "From", "of": "Ways"}))
    for text in texts:
        root = svg(text)
        assert "script" not in {one.tag for one in root.iter()}
        assert not [key for one in root.iter() for key in one.attrib if key.startswith("on")]
        assert name in "".join(root.itertext())


# --- flows and heat -------------------------------------------------------------------------------------------------


def test_the_widest_arrow_is_the_most_frequent_way() -> None:
    frame = frames.plan_frame(FLOOR, on_floor(3))
    flows = [Flow(start=(1, ""), end=(2, ""), count=100), Flow(start=(2, ""), end=(1, ""), count=10)]
    away = [Flow(start=(1, ""), end=(99, ""), count=7), Flow(start=(1, ""), end=(1, ""), count=50)]
    sheet = flow_sheet(frame, [*flows, *away], name="f", title="T")
    assert [arrow.width for arrow in sheet.arrows] == [1.5, 12.0]  # the widest one lies on top
    assert sheet.left_out == "1 more lead to or from cameras that are not on this drawing."
    assert "most went from Camera 1 to Camera 2: 100" in sheet.said


def test_of_many_flows_the_most_frequent_are_drawn() -> None:
    frame = frames.plan_frame(FLOOR, on_floor(200))
    flows = [Flow(start=(n, ""), end=(n % 200 + 1, ""), count=n) for n in range(1, 201)]
    sheet = flow_sheet(frame, flows, name="f", title="T")
    assert {dot.kind for dot in sheet.dots} == {"speck"}
    assert len(sheet.arrows) == MOST_FLOWS
    assert sheet.left_out == f"The {MOST_FLOWS} most frequent of 200 ways are drawn."
    svg(drawn(sheet))


def test_heat_is_the_stronger_the_more_was_seen() -> None:
    frame = frames.plan_frame(FLOOR, on_floor(3))
    sheet = heat_sheet(
        frame, {(1, ""): (100.0, "2 min"), (2, ""): (1.0, "1 s"), (3, ""): (0.0, "0 s")}, name="h", title="T"
    )
    assert [(blob.shade, blob.title) for blob in sheet.blobs] == [(7, "Camera 1: 2 min"), (1, "Camera 2: 1 s")]
    assert sheet.blobs[0].radius > sheet.blobs[1].radius
    assert not heat_sheet(frame, {}, name="h", title="T").blobs


def test_shades_run_from_nothing_to_the_most() -> None:
    assert [shade(value, 100) for value in (0, -1, 0.001, 50, 100, 200)] == [0, 0, 1, 5, STEPS, STEPS]
    assert shade(5, 0) == 0
    steps = scale(100)
    assert [one.shade for one in steps] == list(range(1, STEPS + 1))
    assert steps[-1].text == "100"
    assert [one.text for one in scale(3, whole=True)] == ["1", "2", "3"]
    assert [one.text for one in scale(1, whole=True)] == ["1"]
    assert not scale(0)
    assert [shade(100 * (n / STEPS) ** 2 - 1e-9, 100) for n in range(1, STEPS + 1)] == list(range(1, STEPS + 1))


# --- charts ---------------------------------------------------------------------------------------------------------


def test_a_histogram_has_a_bar_for_each_bin_up_to_the_last_that_is_not_empty() -> None:
    chart = charts.histogram([("a", 0), ("b", 3), ("c", 6), ("d", 0)], name="h", title="T", said="S")
    assert chart is not None
    assert [column.height for column in chart.columns] == ["0.00%", "50.00%", "100.00%"]
    assert [tick.text for tick in chart.up] == ["0", "3", "6"]
    assert charts.histogram([("a", 0)], name="h", title="T", said="S") is None
    assert charts.histogram([], name="h", title="T", said="S") is None


@pytest.mark.parametrize(
    ("most", "end"), [(0, 1), (1, 1), (2, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 20), (130, 200)]
)
def test_axes_end_at_round_numbers(most: float, end: float) -> None:
    assert charts.nice(most) == end


def test_a_line_is_drawn_in_steps() -> None:
    starts = [datetime(2026, 3, 14, hour, tzinfo=UTC) for hour in range(4)]
    chart = charts.line([0, 2, 1, 0], starts, name="o", title="T", said="S")
    assert chart is not None
    assert chart.line.startswith("0.00,100.00 25.00,100.00 25.00,0.00 50.00,0.00")
    assert charts.line([0, 0], starts[:2], name="o", title="T", said="S") is None
    svg(render_to_string(partial("_chart.html"), {"chart": chart, "up": "People", "across": "Time"}))


def test_days_are_marked_at_midnight_also_after_the_clock_was_changed() -> None:
    with timezone.override("Europe/Berlin"):
        starts = [datetime(2026, 3, 26, 23, tzinfo=UTC) + timedelta(hours=n) for n in range(119)]  # 27 to 31 March
        chart = charts.line([1.0] * 119, starts, name="o", title="T", said="S")
    assert chart is not None
    marks = {
        "27 Mar": 0,
        "28 Mar": 24,
        "29 Mar": 48,
        "30 Mar": 71,
        "31 Mar": 95,
        "01 Apr": 119,
    }  # the 29th had 23 hours
    assert {tick.text: tick.at for tick in chart.across} == {
        day: f"{100 * hours / 119:.2f}%" for day, hours in marks.items()
    }


def test_a_timeline_has_a_lane_for_each_camera_and_a_bar_for_each_visit() -> None:
    here, there = on_floor(2)
    first, second = path((here, 0), (there, 100)), path((here, 50))
    lanes = charts.lanes([("A", first.stops), ("B", second.stops)], name="l", title="T")
    assert lanes is not None
    assert [lane.name for lane in lanes.lanes] == ["Camera 1", "Camera 2"]
    assert [bar.whose for bar in lanes.bars] == [0, 1, 0]
    assert lanes.bars[0].top != lanes.bars[1].top
    assert charts.lanes([("A", ())], name="l", title="T") is None


def test_a_timeline_of_many_cameras_and_visits_is_bounded() -> None:
    spots = on_floor(200)
    made = path(*((spots[n % 200], 30.0 * n) for n in range(1000)))
    lanes = charts.lanes([("A", made.stops)], name="l", title="T")
    assert lanes is not None
    assert len(lanes.lanes) == charts.MOST_LANES
    assert lanes.left_out.startswith(f"The {charts.MOST_LANES} busiest of 200 cameras are drawn.")
    assert len(lanes.bars) <= charts.MOST_BARS


def test_a_visit_without_length_is_still_seen() -> None:
    lanes = charts.lanes([("A", [stop(spot(1), 0, 0), stop(spot(1), 90_000, 0, number=2)])], name="l", title="T")
    assert lanes is not None
    assert all(float(bar.width[:-1]) > 0 for bar in lanes.bars)


# --- grids ----------------------------------------------------------------------------------------------------------


def test_a_week_is_shaded_and_an_hour_that_was_not_is_said() -> None:
    means = np.zeros((7, 24))
    means[0, 9], means[6, 2] = 4.0, np.nan
    grid = week_grid(means, name="w", caption="Visits")
    assert grid is not None
    assert grid.rows[0].name == "Monday"
    assert (grid.rows[0].cells[9].shade, grid.rows[0].cells[9].text) == (STEPS, "4")
    assert grid.rows[6].cells[2].title == "Sunday, 02:00 to 03:00: not in the span"
    assert week_grid(np.zeros((7, 24)), name="w", caption="V") is None
    assert week_grid(np.full((7, 24), np.nan), name="w", caption="V") is None


def test_a_matrix_of_two_hundred_cameras_shows_the_busiest() -> None:
    counts = np.diag(np.arange(200, dtype=np.int64))
    counts[3, 5] = 1000
    grid = matrix([f"C{n}" for n in range(200)], counts, name="m", caption="Ways")
    assert grid is not None
    assert len(grid.rows) == len(grid.columns) == 14
    assert "C3" in grid.columns
    assert grid.left_out == "The 14 cameras with most transitions are in it; 185 more have some."
    assert matrix(["A"], np.zeros((1, 1), np.int64), name="m", caption="Ways") is None
    assert matrix([], np.zeros((0, 0), np.int64), name="m", caption="Ways") is None


def test_a_picture_is_drawn_by_parts_and_the_most_are_in_the_table() -> None:
    seconds = np.zeros((9, 16))
    seconds[0, 0], seconds[8, 15] = 3.0, 1.0
    grid = picture_grid(seconds, name="p", title="T")
    assert grid is not None
    assert [(part.left, part.top, part.shade) for part in grid.parts] == [
        ("0.000%", "0.000%", STEPS),
        ("93.750%", "88.889%", 5),
    ]
    assert grid.table[0] == ("0 to 6 % from the left, 0 to 11 % from the top", "3", "75.0 %")
    assert picture_grid(np.zeros((9, 16)), name="p", title="T") is None


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (duration, None, "—"),
        (duration, "", "—"),
        (duration, float("inf"), "—"),
        (duration, 6.25, "6.2 s"),
        (duration, 59.6, "1 min"),
        (duration, 61.0, "1 min 01 s"),
        (duration, 3660.0, "1 h 01 min"),
        (duration, 200_000.0, "2 d 7 h"),
        (metres, 12.4, "12 m"),
        (metres, 1234.0, "1.2 km"),
        (metres, None, "—"),
        (speed, 1.4, "1.4 m/s (5.0 km/h)"),
        (speed, 7.0, "7.0 m/s (25 km/h)"),
        (share, 0.0004, "0.04 %"),
        (share, 0.25, "25 %"),
        (number, 1234.5, "1,234"),
        (number, 0.25, "0.25"),
    ],
)
def test_figures_are_written_as_people_read_them(write: Any, value: Any, text: str) -> None:
    assert write(value) == text
