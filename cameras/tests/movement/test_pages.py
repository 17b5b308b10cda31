"""The pages of movement: who may see them, what they say, and what they do with nothing and with bad input."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.db.models import Q
from django.test import Client
from django.test.utils import override_settings
from django.urls import reverse
from django.utils import timezone

from accounts.roles import Role
from accounts.tests.factories import sign_in
from cameras import live, release
from cameras.courses import pack
from cameras.models import Camera, CameraPlace, Identity, Sighting, SitePlan
from cameras.movement.asked import asked
from cameras.movement.summing import rebuild, sum_up
from cameras.movement.who import UnknownWho, find
from cameras.tests.factories import NOON, CameraFactory, CameraGroupFactory, SitePlanFactory
from cameras.tests.movement.walks import seen
from recognition.tests.factories import PersonFactory

pytestmark = pytest.mark.django_db
EVIL = "<script>alert(1)</script>"
PAGES = ["movement", "movement_camera", "movement_plan", "movement_identity", "movement_compare"]
WHERE: dict[str, Any] = {"movement_camera": CameraFactory, "movement_plan": SitePlanFactory}


def address(name: str) -> str:
    if name == "movement_identity":
        return reverse(name, args=[Identity.objects.create().pk])
    return reverse(name, args=[WHERE[name].create().pk] if name in WHERE else [])


@pytest.fixture
def viewer(client: Client) -> Client:
    sign_in(client, Role.VIEWER)
    return client


@pytest.fixture
def administrator(client: Client) -> Client:
    sign_in(client, Role.ADMINISTRATOR)
    return client


@pytest.fixture
def floor() -> SitePlan:
    return SitePlanFactory.create(name="Ground floor", metres_wide=40.0)


@pytest.fixture
def cameras(floor: SitePlan) -> list[Camera]:
    """Three on a plan, one of them with a name that is no good, and one that is nowhere."""
    made = [CameraFactory.create(name=name) for name in ("North gate", EVIL, "Corridor")]
    for number, camera in enumerate(made):
        CameraPlace.objects.create(camera=camera, plan=floor, x=0.2 + 0.3 * number, y=0.5)
    return [*made, CameraFactory.create(name="Van", latitude=None, longitude=None)]


@pytest.fixture
def walker(cameras: list[Camera]) -> Identity:
    """Somebody who has been at all cameras in the last hours."""
    walker = Identity.objects.create(person=PersonFactory.create(name="Amara Diallo"))
    begin = (timezone.now() - timedelta(hours=3) - NOON).total_seconds()
    course = pack(np.array([[0.0, 0.5, 0.5, 0.1], [5.0, 0.6, 0.5, 0.1]], np.float32))
    for number, camera in enumerate([*cameras, cameras[0], cameras[1]]):
        seen(walker, camera, begin + 60 * number, course=course, person=walker.person, verdict="known")
    rebuild()
    sum_up()
    return walker


# --- who may -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_for_a_viewer_and_for_nobody_without_signing_in(client: Client, name: str) -> None:
    url = address(name)
    answer = client.get(url)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")
    sign_in(client, Role.VIEWER)
    answer = client.get(url)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    sign_in(client, None)
    assert client.get(url).status_code == 403


@pytest.mark.parametrize("name", PAGES)
def test_a_wrong_method_is_refused(viewer: Client, name: str) -> None:
    url = address(name)
    for method in ("post", "put", "delete"):
        assert getattr(viewer, method)(url).status_code == 405


@pytest.mark.parametrize("name", ["movement_camera", "movement_plan", "movement_identity"])
def test_what_is_not_there_is_not_found(viewer: Client, name: str) -> None:
    assert viewer.get(reverse(name, args=[99_999])).status_code == 404


@pytest.mark.parametrize("name", ["movement", "movement_camera", "movement_plan", "movement_identity"])
def test_where_nobody_was_seen_yet_the_page_says_so(viewer: Client, name: str) -> None:
    assert b"Nothing yet" in viewer.get(address(name)).content


def test_the_plan_itself_is_only_shown_to_who_may_see_plans(client: Client, walker: Identity, floor: SitePlan) -> None:
    url, picture = reverse("movement_identity", args=[walker.pk]), reverse("plan_image", args=[floor.pk])
    sign_in(client, Role.VIEWER)
    text = client.get(url).content.decode()
    assert picture not in text
    assert "Your role does not show the plan itself." in text
    sign_in(client, Role.OPERATOR)
    assert picture in client.get(url).content.decode()


# --- one identity --------------------------------------------------------------------------------------------------


def test_a_path_is_drawn_on_the_plan_and_on_coordinates_and_stands_in_a_table(viewer: Client, walker: Identity) -> None:
    text = viewer.get(reverse("movement_identity", args=[walker.pk])).content.decode()
    assert "The path of Amara Diallo on Ground floor" in text
    assert "The path of Amara Diallo on coordinates" in text
    assert "On no plan: Van." in text
    assert "Likely next after" in text
    assert len(re.findall(r'class="moves__dot">\d', text)) == 6
    assert "not on a plan" in text
    assert "12 m, at least" in text  # 0.3 of 40 m
    assert EVIL not in text


def test_the_identity_page_takes_it_in_as_a_fragment(viewer: Client, walker: Identity) -> None:
    answer = viewer.get(reverse("movement_identity", args=[walker.pk]), headers={"HX-Request": "true"})
    text = answer.content.decode()
    assert text.strip().startswith('<div class="stack moves" id="moves">')
    assert "<html" not in text
    assert "The path of Amara Diallo on Ground floor" in text
    brief = viewer.get(reverse("movement_identity", args=[walker.pk]) + "?part=path", headers={"HX-Request": "true"})
    assert "The path of Amara Diallo on Ground floor" in brief.content.decode()
    assert "Likely next after" in text
    assert "Likely next after" not in brief.content.decode()


def test_one_that_turned_out_to_be_another_leads_there(viewer: Client) -> None:
    last = Identity.objects.create()
    middle = Identity.objects.create(merged_into=last)
    first = Identity.objects.create(merged_into=middle)
    answer = viewer.get(reverse("movement_identity", args=[first.pk]))
    assert answer.status_code == 302
    assert answer["Location"] == reverse("movement_identity", args=[last.pk])


def test_doubted_sightings_are_said_and_not_drawn(viewer: Client, walker: Identity) -> None:
    Sighting.objects.filter(camera__name="Corridor").update(is_doubted=True)
    text = viewer.get(reverse("movement_identity", args=[walker.pk])).content.decode()
    assert "1 sighting in this span is left out: doubted" in text
    assert len(re.findall(r'class="moves__dot">\d', text)) == 5


def test_what_is_only_a_lead_is_marked(viewer: Client, walker: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    assert b"only a lead" not in viewer.get(reverse("movement_identity", args=[walker.pk])).content
    monkeypatch.setattr(release, "_leads", [lambda: Q(camera__name="Corridor")])
    assert viewer.get(reverse("movement_identity", args=[walker.pk])).content.count(b"only a lead") == 1


def test_five_hundred_stops_make_a_bounded_page(viewer: Client, cameras: list[Camera]) -> None:
    walker = Identity.objects.create(label="Runner")
    now = timezone.now() - timedelta(hours=20)
    Sighting.objects.bulk_create(
        Sighting(
            camera=cameras[n % 3],
            camera_name=cameras[n % 3].name,
            track=n,
            identity=walker,
            is_open=False,
            first_seen=now + timedelta(seconds=100 * n),
            last_seen=now + timedelta(seconds=100 * n + 9),
        )
        for n in range(500)
    )
    text = viewer.get(reverse("movement_identity", args=[walker.pk])).content.decode()
    assert "The newest 40 of 500 stops are drawn." in text
    assert "The newest 100 of 500 stops." in text
    assert len(text) < 400_000


# --- two identities ------------------------------------------------------------------------------------------------


def test_two_people_are_compared_by_name_or_number(viewer: Client, walker: Identity, cameras: list[Camera]) -> None:
    other = Identity.objects.create(label="Red jacket")
    begin = (timezone.now() - timedelta(hours=3) - NOON).total_seconds()
    for number in range(2):
        seen(other, cameras[number], begin + 60 * number + 5)
    url = reverse("movement_compare")
    by_name = viewer.get(url, {"a": "amara diallo", "b": "Red jacket"}).content.decode()
    by_number = viewer.get(url, {"a": str(walker.pk), "b": f"Unknown {other.pk}"}).content.decode()
    for text in (by_name, by_number):
        assert "Where they met" in text
        assert "Ways together" in text
        assert "in view at once" in text
        assert "can not be said: the two were seen on too few days" in text
        assert EVIL not in text


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ("", "", "Choose two people"),
        ("Amara Diallo", "", "Choose two people"),
        ("Amara Diallo", "amara diallo", "Both are Amara Diallo. Choose two different people."),
        ("999999", "Amara Diallo", "There is no identity 999999."),
        ("Nobody" + EVIL, "Amara Diallo", "Nobody who was seen is called"),
        ("9" * 40, "Amara Diallo", "Nobody who was seen is called"),
        ("\x00", "Amara Diallo", "Nobody who was seen is called"),
    ],
)
def test_who_can_not_be_compared_is_said(viewer: Client, walker: Identity, a: str, b: str, said: str) -> None:
    answer = viewer.get(reverse("movement_compare"), {"a": a, "b": b})
    assert answer.status_code == 200
    text = answer.content.decode()
    assert said in text
    assert EVIL not in text


def test_names_that_several_have_are_told_apart_by_number() -> None:
    pair = [Identity.objects.create(person=PersonFactory.create(name="Lee Na")) for _ in range(2)]
    with pytest.raises(UnknownWho, match=rf"2 are called “lee na”.*{pair[0].pk}, {pair[1].pk}"):
        find("lee na")
    merged = Identity.objects.create(merged_into=pair[0])
    assert find(str(merged.pk)) == pair[0]


# --- places --------------------------------------------------------------------------------------------------------


def test_the_page_of_all_cameras_has_every_figure_with_its_definition_and_time(
    viewer: Client, walker: Identity
) -> None:
    text = viewer.get(reverse("movement")).content.decode()
    for heading in (
        "In view at once",
        "By hour and weekday",
        "From camera to camera",
        "How long it takes from",
        "How long they stayed in view",
        "Loitering",
        "Coming back",
        "To and fro",
        "At night",
        "Unusual here",
    ):
        assert heading in text
    assert text.count("computed at") >= 9
    assert EVIL not in text


def test_the_travel_times_of_two_chosen_cameras_are_drawn(
    viewer: Client, walker: Identity, cameras: list[Camera]
) -> None:
    start, end = cameras[1], cameras[2]
    text = viewer.get(reverse("movement"), {"start": start.pk, "end": end.pk}).content.decode()
    assert f"Travel times from {EVIL.replace('<', '&lt;').replace('>', '&gt;')} to Corridor" in text


@pytest.mark.parametrize("query", ["start=1&end=99999", "start=x&end=", "group=99999", "group=-1", "start=" + "9" * 30])
def test_what_the_address_asks_for_in_vain_is_left_out(administrator: Client, walker: Identity, query: str) -> None:
    assert administrator.get(f"{reverse('movement')}?{query}").status_code == 200


def test_a_group_of_cameras_is_looked_at_alone(administrator: Client, walker: Identity, cameras: list[Camera]) -> None:
    group = CameraGroupFactory.create(name="Entrances")
    group.cameras.add(cameras[2])
    text = administrator.get(reverse("movement"), {"group": group.pk}).content.decode()
    assert "<dt>Sightings</dt><dd>1</dd>" in text


def test_a_plan_shows_where_most_were_and_how_they_went(viewer: Client, walker: Identity, floor: SitePlan) -> None:
    text = viewer.get(reverse("movement_plan", args=[floor.pk])).content.decode()
    assert "Where people were seen on Ground floor" in text
    assert "How people went from camera to camera on Ground floor" in text
    assert 'class="drawing__blob shade-' in text
    assert "drawing__way" in text
    hour = timezone.localtime(timezone.now() + timedelta(hours=6)).hour
    nothing = viewer.get(reverse("movement_plan", args=[floor.pk]), {"hour": str(hour)}).content.decode()
    assert "nobody was seen at these cameras in the last 7 days, on the days and in the hours chosen" in nothing


def test_a_camera_shows_where_in_its_picture_faces_were(
    viewer: Client, walker: Identity, cameras: list[Camera]
) -> None:
    text = viewer.get(reverse("movement_camera", args=[cameras[0].pk])).content.decode()
    assert "Where faces were in the picture of North gate" in text
    assert "drawing__part" in text
    assert "the frame is blank" in text
    assert "Likely next after North gate" in text
    assert "Their own ways" not in text


def test_the_picture_is_that_of_now_also_where_nobody_has_looked_lately(
    viewer: Client, walker: Identity, cameras: list[Camera]
) -> None:
    """A camera gives pictures once somebody asks for them: the page asks, and shows them as they come."""
    here = cameras[0]
    live.publish_status(here.pk, live.Status(state=live.State.ONLINE, fps_in=10.0))
    text = viewer.get(reverse("movement_camera", args=[here.pk])).content.decode()
    live.clear_status(here.pk)
    assert f'data-live="{reverse("camera_live", args=[here.pk])}"' in text
    assert "the frame is blank" not in text


# --- spans ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "days", "problem"),
    [
        ({}, 7, ""),
        ({"days": "30"}, 30, ""),
        ({"days": "0"}, 7, "A span has 1 to 400 days. What is shown is 7 days."),
        ({"days": "401"}, 7, "A span has 1 to 400 days."),
        ({"days": "-3"}, 7, "A span has"),
        ({"days": "²"}, 7, "A span has"),
        ({"days": "1", "to": "yesterday"}, 1, "The last day of a span is a date"),
        ({"to": "0001-01-01"}, 7, "The last day of a span is a date"),
        ({"to": "9999-12-31"}, 7, "The last day of a span is a date"),
    ],
)
def test_a_span_that_can_not_be_is_said_and_the_usual_one_is_shown(
    query: dict[str, str], days: int, problem: str
) -> None:
    found = asked(query, usual=7)
    assert found.days == days
    assert found.problem.startswith(problem)
    assert bool(found.problem) == bool(problem)


def test_a_bad_span_is_said_in_the_page(viewer: Client) -> None:
    assert b"A span has 1 to 400 days." in viewer.get(reverse("movement"), {"days": EVIL}).content


@override_settings(TIME_ZONE="Europe/Berlin")
def test_days_are_those_of_the_clock_also_where_it_was_changed() -> None:
    with timezone.override("Europe/Berlin"):
        found = asked({"days": "1", "to": "2026-03-29"}, usual=7)
        assert found.period.until - found.period.since == timedelta(hours=23)
        assert found.query == "days=1&to=2026-03-29"
        found = asked({"days": "1", "to": "2026-10-25"}, usual=7)
        assert found.period.until - found.period.since == timedelta(hours=25)
