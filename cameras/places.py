"""The only writer of zones, site plans and groups of cameras.

What can not be done raises ZoneError (a value of a zone or plan, with its field) or RecognitionError (a name), each
with a sentence for people. A zone whose camera or plan was removed stays and matches nothing until it is given another.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Model

from accounts.services import Actor, record
from cameras.models import METRES_WIDE, Anchor, Camera, CameraGroup, CameraPlace, Ground, SitePlan, Zone
from cameras.plan_images import clean_plan_image
from cameras.zones import ZoneError, clean_zone
from config.transactions import brief_transaction
from recognition.errors import RecognitionError
from recognition.names import clean_name, unique_name


@brief_transaction()
def add_zone(
    *,
    actor: Actor,
    name: str,
    ground: str,
    shape: str,
    points: object,
    radius_m: object = None,
    anchor: str = Anchor.FACE,
    camera: Camera | None = None,
    plan: SitePlan | None = None,
) -> Zone:
    """Adds a zone: in a camera's picture, on a plan, or on coordinates, as `ground` says."""
    zone = Zone(name=_free(Zone, "zone", name), ground=ground, camera=camera, plan=plan)
    _draw(zone, shape=shape, points=points, radius_m=radius_m, anchor=anchor)
    with unique_name("zone", zone.name):
        zone.save()
    record(actor=actor, verb="added", target=f"zone {zone.pk}")
    return zone


@brief_transaction()
def change_zone(
    *,
    actor: Actor,
    zone: Zone,
    name: str,
    shape: str,
    points: object,
    radius_m: object = None,
    anchor: str = Anchor.FACE,
    camera: Camera | None = None,
    plan: SitePlan | None = None,
) -> Zone:
    """Draws a zone anew; its ground stays. Workers go on with it within two seconds. The given row stays as it is."""
    row = Zone.objects.select_for_update().filter(pk=zone.pk).first()
    if row is None:
        raise RecognitionError(f"The zone {zone.name!r} was removed meanwhile. Add it again to use it.")
    row.name, row.camera, row.plan = _free(Zone, "zone", name, but=row.pk), camera, plan
    _draw(row, shape=shape, points=points, radius_m=radius_m, anchor=anchor)
    with unique_name("zone", row.name):
        row.save()
    record(actor=actor, verb="changed", target=f"zone {row.pk}")
    return row


@brief_transaction()
def remove_zone(*, actor: Actor, zone: Zone) -> None:
    """Removes a zone and who passed it. A rule that was about nothing else never fires from then on."""
    target = f"zone {zone.pk}"
    zone.delete()
    record(actor=actor, verb="removed", target=target)


@brief_transaction()
def add_plan(*, actor: Actor, name: str, image: bytes, metres_wide: float | None = None) -> SitePlan:
    """Adds a site plan from an uploaded picture, which is decoded within limits and drawn anew."""
    name = _free(SitePlan, "plan", name)
    wide = _width(metres_wide)
    drawn = clean_plan_image(image)
    plan = SitePlan(
        name=name,
        image=drawn.data,
        media_type=drawn.media_type,
        width=drawn.width,
        height=drawn.height,
        metres_wide=wide,
    )
    with unique_name("plan", name):
        plan.save()
    record(actor=actor, verb="added", target=f"plan {plan.pk}")
    return plan


@brief_transaction()
def rename_plan(*, actor: Actor, plan: SitePlan, name: str) -> SitePlan:
    """Gives a plan another name."""
    plan.name = _free(SitePlan, "plan", name, but=plan.pk)
    with unique_name("plan", plan.name):
        plan.save(update_fields=["name"])
    record(actor=actor, verb="changed", target=f"plan {plan.pk}")
    return plan


@brief_transaction()
def measure_plan(*, actor: Actor, plan: SitePlan, metres_wide: float | None) -> SitePlan:
    """Says how many metres a plan is wide, from which distances on it follow; None: nobody knows."""
    plan.metres_wide = _width(metres_wide)
    plan.save(update_fields=["metres_wide"])
    record(actor=actor, verb="measured", target=f"plan {plan.pk}", metres_wide=plan.metres_wide)
    return plan


@brief_transaction()
def remove_plan(*, actor: Actor, plan: SitePlan) -> None:
    """Removes a plan and where cameras are on it; zones that were drawn on it stay without it."""
    target = f"plan {plan.pk}"
    plan.delete()
    record(actor=actor, verb="removed", target=target)


@brief_transaction()
def place_camera(
    *, actor: Actor, camera: Camera, plan: SitePlan | None, x: float | None = None, y: float | None = None
) -> CameraPlace | None:
    """Puts a camera on a plan, x and y from 0 to 1 of its width and height; without a plan takes it off the one it is
    on. A camera is on one plan at most."""
    if plan is None:
        CameraPlace.objects.filter(camera=camera).delete()
        record(actor=actor, verb="took off a plan", target=f"camera {camera.pk}")
        return None
    if x is None or y is None or not (0 <= x <= 1 and 0 <= y <= 1):  # no NaN either
        raise ZoneError("x", f"{camera.name} is to stand beside the plan. Give a place on it.")
    place, _ = CameraPlace.objects.update_or_create(
        camera=camera, defaults={"plan": plan, "x": round(x, 5), "y": round(y, 5)}
    )
    record(actor=actor, verb="placed", target=f"camera {camera.pk}", plan=plan.pk)
    return place


@brief_transaction()
def save_group(*, actor: Actor, group: CameraGroup | None, name: str, cameras: Iterable[Camera]) -> CameraGroup:
    """Changes a group, or makes one where none is given; it holds these cameras and no others."""
    name = _free(CameraGroup, "group", name, but=group.pk if group is not None else 0)
    row = group or CameraGroup()
    row.name = name
    with unique_name("group", name):
        row.save()
    row.cameras.set(cameras)
    record(actor=actor, verb="changed" if group is not None else "added", target=f"camera group {row.pk}")
    return row


@brief_transaction()
def remove_group(*, actor: Actor, group: CameraGroup) -> None:
    """Removes a group; its cameras stay."""
    target = f"camera group {group.pk}"
    group.delete()
    record(actor=actor, verb="removed", target=target)


def _draw(zone: Zone, *, shape: str, points: object, radius_m: object, anchor: str) -> None:
    """Puts what was drawn into the row; raises ZoneError."""
    drawn = clean_zone(ground=zone.ground, shape=shape, points=points, radius_m=radius_m)
    if (zone.camera is not None) != (zone.ground == Ground.PICTURE):
        raise ZoneError(
            "camera", "A zone in a picture needs its camera, and no other zone has one. Choose accordingly."
        )
    if (zone.plan is not None) != (zone.ground == Ground.PLAN):
        raise ZoneError("plan", "A zone on a plan needs its plan, and no other zone has one. Choose accordingly.")
    if anchor not in Anchor.values:
        raise ZoneError("anchor", "A zone is tested with the face or with where somebody stands. Choose one.")
    zone.shape, zone.anchor = shape, anchor
    zone.points, zone.radius_m = [list(point) for point in drawn.points], drawn.radius_m


def _width(metres: float | None) -> float | None:
    """How wide a plan is; raises ZoneError."""
    low, high = METRES_WIDE
    if metres is not None and not low <= metres <= high:  # no NaN either
        raise ZoneError("metres_wide", "A plan is from 0.1 m to 100 km wide. Give its width in metres, or nothing.")
    return metres


def _free(model: type[Model], kind: str, name: str, but: int = 0) -> str:
    """The name, tidied up; raises RecognitionError where another one has it."""
    name = clean_name(name)
    if model._default_manager.filter(name=name).exclude(pk=but).exists():
        raise RecognitionError(f"There is a {kind} {name!r} already. Choose another name.")
    return name
