"""Zones, site plans and groups: what is written, what is refused, and what is on record for it."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from accounts.models import AuditEvent
from accounts.tests.factories import UserFactory
from cameras import places
from cameras.models import CameraGroup, CameraPlace, Ground, Passage, PassageKind, Shape, SitePlan, Zone, ZoneRevision
from cameras.plan_images import MOST_BYTES, clean_plan_image
from cameras.selectors import picture_zones, shape_of
from cameras.services import PassageRecord, remove_camera, save_sighting
from cameras.tests.factories import (
    NOON,
    CameraFactory,
    CameraGroupFactory,
    SightingFactory,
    SitePlanFactory,
    ZoneFactory,
)
from cameras.tests.records import held, known
from cameras.zones import ZoneError
from recognition.errors import RecognitionError
from recognition.tests.factories import picture

pytestmark = pytest.mark.django_db

SQUARE = [[0.2, 0.2], [0.6, 0.2], [0.6, 0.6], [0.2, 0.6]]


def verbs() -> list[tuple[str, str]]:
    return list(AuditEvent.objects.order_by("pk").values_list("verb", "target"))


def png(width: int = 40, height: int = 30, mode: str = "RGB", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, (width, height)).save(out, "PNG", **options)
    return out.getvalue()


# --- zones -------------------------------------------------------------------------------------------------------


def test_a_zone_is_added_changed_and_removed_with_a_record_of_each() -> None:
    user, camera, other = UserFactory.create(), CameraFactory.create(), CameraFactory.create()
    zone = places.add_zone(
        actor=user, name=" Cash  desk ", ground=Ground.PICTURE, camera=camera, shape=Shape.POLYGON, points=SQUARE
    )
    assert (zone.name, zone.points, zone.anchor, zone.is_orphaned) == ("Cash desk", SQUARE, "face", False)
    line = [[0.5, 0.0], [0.5, 1.0]]
    changed = places.change_zone(
        actor=user, zone=zone, name="Door", shape=Shape.LINE, points=line, anchor="foot", camera=other
    )
    zone.refresh_from_db()
    assert zone == changed
    assert (zone.name, zone.shape, zone.points, zone.anchor, zone.camera) == ("Door", "line", line, "foot", other)
    sighting = SightingFactory.create()
    Passage.objects.create(sighting=sighting, zone=zone, kind=PassageKind.TO_LEFT, number=0, at=NOON)
    places.remove_zone(actor=user, zone=zone)
    assert not Zone.objects.exists()
    assert not Passage.objects.exists()
    target = f"zone {changed.pk}"
    assert verbs() == [("added", target), ("changed", target), ("removed", target)]
    assert set(AuditEvent.objects.values_list("actor", flat=True)) == {user.pk}


def test_zones_on_a_plan_and_on_coordinates() -> None:
    plan = SitePlanFactory.create()
    area = places.add_zone(actor=None, name="Hall", ground=Ground.PLAN, plan=plan, shape=Shape.POLYGON, points=SQUARE)
    circle = places.add_zone(
        actor=None, name="Site", ground=Ground.COORDINATES, shape=Shape.CIRCLE, points=[[52.5, 13.4]], radius_m=250
    )
    assert shape_of(area).points[0] == (0.2, 0.2)
    assert (shape_of(circle).radius_m, circle.points) == (250.0, [[52.5, 13.4]])
    assert picture_zones() == {}
    places.remove_plan(actor=None, plan=plan)
    area.refresh_from_db()
    assert area.is_orphaned


def test_a_zone_whose_camera_is_removed_stays_and_can_be_given_another() -> None:
    zone = ZoneFactory.create()
    assert zone.camera is not None
    assert list(picture_zones()) == [zone.camera_id]
    remove_camera(actor=None, camera=zone.camera)
    zone.refresh_from_db()
    assert zone.is_orphaned
    assert picture_zones() == {}
    camera = CameraFactory.create()
    places.change_zone(actor=None, zone=zone, name=zone.name, shape=zone.shape, points=zone.points, camera=camera)
    assert list(picture_zones()) == [camera.pk]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"points": [[0, 0], [1, 1], [1, 0], [0, 1]]}, "points"),
        ({"points": None}, "points"),
        ({"shape": "circle"}, "shape"),
        ({"ground": "moon"}, "ground"),
        ({"ground": "plan"}, "camera"),
        ({"camera": None}, "camera"),
        ({"anchor": "hand"}, "anchor"),
    ],
)
def test_what_makes_no_zone_is_refused_and_nothing_is_written(changes: dict[str, Any], field: str) -> None:
    values = {"name": "Desk", "ground": "picture", "shape": "polygon", "points": SQUARE} | changes
    values.setdefault("camera", CameraFactory.create())
    with pytest.raises(ZoneError) as refused:
        places.add_zone(actor=None, **values)
    assert refused.value.field == field
    assert str(refused.value).endswith(".")
    assert not Zone.objects.exists()
    assert verbs() == []


def test_a_zone_on_a_plan_needs_the_plan() -> None:
    with pytest.raises(ZoneError) as refused:
        places.add_zone(actor=None, name="Hall", ground=Ground.PLAN, shape=Shape.POLYGON, points=SQUARE)
    assert refused.value.field == "plan"


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "Taken"])
def test_a_name_that_is_none_or_taken_is_refused(name: str) -> None:
    ZoneFactory.create(name="Taken")
    other, plan, group = ZoneFactory.create(), SitePlanFactory.create(), CameraGroupFactory.create()
    SitePlanFactory.create(name="Taken")
    CameraGroupFactory.create(name="Taken")
    with pytest.raises(RecognitionError):
        places.change_zone(
            actor=None, zone=other, name=name, shape=other.shape, points=other.points, camera=other.camera
        )
    with pytest.raises(RecognitionError):
        places.rename_plan(actor=None, plan=plan, name=name)
    with pytest.raises(RecognitionError):
        places.add_plan(actor=None, name=name, image=picture())
    with pytest.raises(RecognitionError):
        places.save_group(actor=None, group=group, name=name, cameras=[])


def test_a_zone_that_was_removed_meanwhile_is_not_changed() -> None:
    zone = ZoneFactory.create()
    Zone.objects.all().delete()
    with pytest.raises(RecognitionError, match="removed meanwhile"):
        places.change_zone(actor=None, zone=zone, name="Desk", shape=zone.shape, points=zone.points, camera=zone.camera)


def revision() -> int:
    return ZoneRevision.objects.get().revision


def test_every_change_of_zones_raises_their_revision() -> None:
    before = [revision()]
    zone = ZoneFactory.create()
    before.append(revision())
    Zone.objects.filter(pk=zone.pk).update(anchor="foot")
    before.append(revision())
    assert zone.camera is not None
    remove_camera(actor=None, camera=zone.camera)
    before.append(revision())
    zone.delete()
    assert sorted({*before, revision()}) == [*before, revision()]


# --- passages ----------------------------------------------------------------------------------------------------


def test_the_passages_of_a_sighting_are_written_once_and_those_that_are_new_are_given_back() -> None:
    zone, camera = ZoneFactory.create(), CameraFactory.create()
    lease = held(camera)
    gone = ZoneFactory.create()
    passages = tuple(
        PassageRecord(zone_id=zone.pk if number != 1 else gone.pk, kind=PassageKind.ENTERED, number=number, at=NOON)
        for number in range(4)
    )
    gone.delete()
    record = known(camera, lease, None, passages=passages[:2])
    first = save_sighting(record)
    assert (first.created, [one.number for one in first.passages]) == (True, [0])
    again = save_sighting(known(camera, lease, None, id=record.id, passages=passages))
    assert (again.created, again.row) == (False, first.row)
    assert [(one.number, one.pk is not None) for one in again.passages] == [(2, True), (3, True)]
    assert save_sighting(known(camera, lease, None, id=record.id, passages=passages)).passages == ()
    assert [one.number for one in first.row.passages.order_by("number")] == [0, 2, 3]


def test_a_sighting_without_passages_asks_nothing_about_zones() -> None:
    camera = CameraFactory.create()
    record = known(camera, held(camera), None)
    with CaptureQueriesContext(connection) as asked:
        assert save_sighting(record).passages == ()
    assert not [query["sql"] for query in asked.captured_queries if "zone" in query["sql"] or "passage" in query["sql"]]


# --- plans -------------------------------------------------------------------------------------------------------


def test_a_plan_is_kept_as_pixels_alone() -> None:
    said = PngInfo()
    said.add_text("Author", "Somebody")
    plan = places.add_plan(actor=None, name="Hall", image=png(pnginfo=said))
    assert (plan.media_type, plan.width, plan.height) == ("image/png", 40, 30)
    kept = bytes(SitePlan.objects.defer(None).get().image)
    assert b"Somebody" not in kept
    with Image.open(io.BytesIO(kept)) as image:
        assert (image.size, image.mode, image.info) == ((40, 30), "RGB", {})
    places.rename_plan(actor=None, plan=plan, name="Floor")
    places.remove_plan(actor=None, plan=plan)
    assert [verb for verb, _ in verbs()] == ["added", "changed", "removed"]


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_other_kinds_of_pictures_are_taken_too_and_large_ones_made_smaller(kind: str) -> None:
    out = io.BytesIO()
    Image.effect_noise((3600, 1800), 90).convert("RGB").save(out, kind, quality=60)
    made = clean_plan_image(out.getvalue())
    assert (made.media_type, made.width, made.height) == ("image/jpeg", 3000, 1500)


def bomb() -> bytes:
    """A PNG of 60,000 x 60,000 pixels in a few bytes."""
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"\x00" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (b"", "empty"),
        (b"%PDF-1.7 a plan", "PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (b"GIF89a....", "GIF"),
        (png()[:60], "damaged"),
        (bomb(), "pixels"),
        (b"\xff\xd8\xff" + b"\x00" * MOST_BYTES, "MB"),
    ],
    ids=["empty", "pdf", "svg", "gif", "cut off", "bomb", "too large"],
)
def test_what_is_no_plan_is_refused_with_a_sentence(image: bytes, said: str) -> None:
    with pytest.raises(ZoneError, match=said) as refused:
        places.add_plan(actor=None, name="Hall", image=image)
    assert refused.value.field == "image"
    assert not SitePlan.objects.exists()


def test_a_camera_is_on_one_plan_at_most() -> None:
    first, second, camera = SitePlanFactory.create(), SitePlanFactory.create(), CameraFactory.create()
    places.place_camera(actor=None, camera=camera, plan=first, x=0.25, y=0.5)
    places.place_camera(actor=None, camera=camera, plan=second, x=0.123456, y=1)
    place = CameraPlace.objects.get()
    assert (place.plan, place.x, place.y) == (second, 0.12346, 1.0)
    assert places.place_camera(actor=None, camera=camera, plan=None) is None
    assert not CameraPlace.objects.exists()
    assert [verb for verb, _ in verbs()] == ["placed", "placed", "took off a plan"]


@pytest.mark.parametrize(("x", "y"), [(None, 0.5), (0.5, None), (-0.01, 0.5), (0.5, 1.01), (float("nan"), 0.5)])
def test_a_camera_beside_the_plan_is_refused(x: float | None, y: float | None) -> None:
    with pytest.raises(ZoneError, match="beside the plan"):
        places.place_camera(actor=None, camera=CameraFactory.create(), plan=SitePlanFactory.create(), x=x, y=y)
    assert not CameraPlace.objects.exists()


# --- groups ------------------------------------------------------------------------------------------------------


def test_a_group_holds_the_cameras_that_it_is_given() -> None:
    a, b = CameraFactory.create_batch(2)
    group = places.save_group(actor=None, group=None, name="Entrances", cameras=[a, b])
    assert set(group.cameras.all()) == {a, b}
    places.save_group(actor=None, group=group, name="Doors", cameras=[b])
    assert (CameraGroup.objects.get().name, list(group.cameras.all())) == ("Doors", [b])
    places.remove_group(actor=None, group=group)
    assert not CameraGroup.objects.exists()
    b.refresh_from_db()
    assert [verb for verb, _ in verbs()] == ["added", "changed", "removed"]
