"""The demo: cameras whose clips are made of photos that installed packages carry, a site plan, people, an account.

The clips (workers/demo_film.py) show a small station: six people walk from camera to camera, each at one at a time.
Three are enrolled from other renderings of their faces, the others are not.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management.base import CommandError
from django.db import transaction

from accounts.models import User
from accounts.roles import Role
from cameras.models import Camera, CameraPlace, SitePlan
from cameras.places import add_plan, place_camera
from cameras.services import add_camera, change_camera
from cameras.topology.services import add_route, stated
from recognition.engine import EngineError, Image, encode_jpeg
from recognition.errors import RecognitionError
from recognition.models import Category, Person, Watchlist
from recognition.services import Upload, enrol
from recognition.watchlist_services import create_watchlist
from workers.demo_film import SIZE, Passage, Scene, frames
from workers.demo_plan import METRES, draw_plan

Report = Callable[[str], None]

FPS = 12
CLIPS = 2  # raised when the clips become others: demos that were made before get them, too


class DemoError(CommandError):
    """The demo can not be made; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoCamera:
    name: str
    latitude: float
    longitude: float
    place: tuple[float, float]  # on the plan, as shares of its width and height
    scene: Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPerson:
    """A face of a photo (xyxy pixels of its surroundings), and how its enrolment photo is rendered."""

    name: str
    watchlist: str
    category: Category
    purpose: str
    photo: str
    crop: tuple[int, int, int, int]
    scale: float
    light: float
    mirrored: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoRoute:
    """A way that is stated, there and back: the seconds that it takes at least, and usually."""

    start: str
    end: str
    fastest: float
    usual: float


# Everybody passes three cameras, Ben and the man in red all four, most of them with 6 to 9 seconds from one to the
# next, so that cameras may begin some seconds apart.
CAMERAS = (
    DemoCamera(
        name="Main entrance",
        latitude=47.37818,
        longitude=8.54021,
        place=(0.79, 0.37),
        scene=Scene(
            room="entrance",
            light=0.95,
            passages=(
                Passage(who="Ada Example", at=0),
                Passage(who="Ben Example", at=14),
                Passage(who="the man in red", at=24),
                Passage(who="the blonde woman", at=31, leftwards=True),
                Passage(who="Eileen Collins", at=38),
                Passage(who="the woman in black", at=56, leftwards=True),
            ),
        ),
    ),
    DemoCamera(
        name="Platform 2",
        latitude=47.37795,
        longitude=8.53892,
        place=(0.19, 0.58),
        scene=Scene(
            room="platform",
            light=1.0,
            passages=(
                Passage(who="the blonde woman", at=4, leftwards=True),
                Passage(who="the woman in black", at=16, leftwards=True),
                Passage(who="Ada Example", at=27),
                Passage(who="Ben Example", at=41),
                Passage(who="the man in red", at=51),
            ),
        ),
    ),
    DemoCamera(
        name="Ticket hall",
        latitude=47.37771,
        longitude=8.54003,
        place=(0.71, 0.81),
        scene=Scene(
            room="hall",
            light=0.9,
            passages=(
                Passage(who="the woman in black", at=1, leftwards=True),
                Passage(who="Ada Example", at=12),
                Passage(who="the blonde woman", at=19, leftwards=True),
                Passage(who="Ben Example", at=26),
                Passage(who="the man in red", at=36),
                Passage(who="the woman in black", at=43, leftwards=True),
                Passage(who="Eileen Collins", at=50),
            ),
        ),
    ),
    DemoCamera(
        name="Car park",
        latitude=47.37842,
        longitude=8.53955,
        place=(0.48, 0.15),
        scene=Scene(
            room="garage",
            light=0.8,
            passages=(
                Passage(who="Ben Example", at=0),
                Passage(who="the man in red", at=10),
                Passage(who="Eileen Collins", at=24),
            ),
        ),
    ),
)
PLAN = "Station"
ROUTES = (
    DemoRoute(start="Car park", end="Main entrance", fastest=2, usual=8),
    DemoRoute(start="Main entrance", end="Ticket hall", fastest=2, usual=7),
    DemoRoute(start="Ticket hall", end="Platform 2", fastest=2, usual=9),
)

PEOPLE = (
    DemoPerson(
        name="Ada Example",
        watchlist="Missing persons",
        category=Category.MISSING,
        purpose="Find missing people and tell their families.",
        photo="group",
        crop=(0, 190, 240, 480),
        scale=1.7,
        light=0.92,
        mirrored=True,
    ),
    DemoPerson(
        name="Ben Example",
        watchlist="Expected guests",
        category=Category.VIP,
        purpose="Welcome expected guests at the door.",
        photo="group",
        crop=(400, 180, 640, 490),
        scale=1.6,
        light=1.08,
        mirrored=True,
    ),
    DemoPerson(
        name="Eileen Collins",
        watchlist="Expected guests",
        category=Category.VIP,
        purpose="Welcome expected guests at the door.",
        photo="astronaut",
        crop=(120, 0, 330, 240),
        scale=1.5,
        light=0.9,
        mirrored=True,
    ),
)


def prepare(report: Report) -> None:
    """Makes whatever of the demo is missing; safe to call at every start. Raises DemoError."""
    folder = settings.DATA_DIR / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    wanting = [camera for camera in CAMERAS if not _is_there(folder, camera)]
    if wanting:
        photos = _photos()
        report(f"Making the clips of {len(wanting)} demo cameras …")
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            clips = list(pool.map(lambda camera: _clip(folder, camera, photos), wanting))
        _enrol_people(photos, report)  # first: while a camera is missing, the next start makes up for what failed
        with transaction.atomic():
            for camera, clip in zip(wanting, clips, strict=True):
                _save_camera(camera, clip)
            _save_site()
        _forget_old_clips(folder)
    _account(report)


def _is_there(folder: Path, camera: DemoCamera) -> bool:
    """Whether the camera shows its clip, or what somebody has let it show instead."""
    row = Camera.objects.filter(name=camera.name).first()
    if row is None:
        return False
    source = Path(row.address)
    return source == folder / clip_name(camera) or source.parent != folder


def _save_camera(camera: DemoCamera, clip: Path) -> None:
    row = Camera.objects.filter(name=camera.name).first()
    if row is not None:
        change_camera(actor=None, camera=row, source=str(clip))
        return
    add_camera(
        actor=None,
        name=camera.name,
        source=str(clip),
        latitude=camera.latitude,
        longitude=camera.longitude,
        loop=True,
    )


def _save_site() -> None:
    """The plan with the cameras on it, and the ways between them, as far as they are not there yet."""
    rows = {row.name: row for row in Camera.objects.filter(name__in=[camera.name for camera in CAMERAS])}
    plan = SitePlan.objects.filter(name=PLAN).first() or add_plan(
        actor=None, name=PLAN, image=draw_plan(), metres_wide=METRES
    )
    for camera in CAMERAS:
        if not CameraPlace.objects.filter(camera=rows[camera.name]).exists():
            place_camera(actor=None, camera=rows[camera.name], plan=plan, x=camera.place[0], y=camera.place[1])
    for route in ROUTES:
        start, end = rows[route.start], rows[route.end]
        if not stated(start.pk, end.pk).exists():
            add_route(actor=None, start=start, end=end, fastest=route.fastest, usual=route.usual)


def _photos() -> dict[str, Image]:
    return {
        "group": _picture("insightface", "data/images/t1.jpg"),
        "astronaut": _picture("skimage", "data/astronaut.png"),
        "wall": _picture("skimage", "data/brick.png"),
        "gravel": _picture("skimage", "data/gravel.png"),
        "garage": _picture("skimage", "data/motorcycle_left.png"),
    }


def _picture(package: str, inside: str) -> Image:
    """A picture inside an installed package, read without importing the package."""
    spec = find_spec(package)
    path = Path(spec.origin).parent / inside if spec is not None and spec.origin else None
    image = cv2.imread(str(path), cv2.IMREAD_COLOR) if path is not None and path.is_file() else None
    if image is None:
        raise DemoError(
            f"The demo needs a picture of the package {package}, which is not installed. Run `make install`."
        )
    return image.astype(np.uint8)


def clip_name(camera: DemoCamera) -> str:
    return f"{camera.name.lower().replace(' ', '-')}-{CLIPS}.mp4"


def _forget_old_clips(folder: Path) -> None:
    for path in set(folder.glob("*.mp4")) - {folder / clip_name(camera) for camera in CAMERAS}:
        path.unlink()


def _clip(folder: Path, camera: DemoCamera, photos: dict[str, Image]) -> Path:
    """The camera's clip, made when it is not there yet; a half-made one never takes its place."""
    path = folder / clip_name(camera)
    if path.exists():
        return path
    unfinished = path.with_suffix(".part.mp4")
    writer = cv2.VideoWriter(str(unfinished), cv2.VideoWriter.fourcc(*"mp4v"), FPS, SIZE)
    if not writer.isOpened():
        raise DemoError(
            f"The demo clip {unfinished} can not be written. Check the free space and the permissions of DATA_DIR."
        )
    try:
        for frame in frames(camera.scene, photos, fps=FPS):
            writer.write(frame)
    finally:
        writer.release()
    return unfinished.rename(path)


def _enrol_people(photos: dict[str, Image], report: Report) -> None:
    for person in PEOPLE:
        if Person.objects.filter(name=person.name).exists():
            continue
        watchlist = Watchlist.objects.filter(name=person.watchlist).first() or create_watchlist(
            actor=None,
            name=person.watchlist,
            category=person.category,
            purpose=person.purpose,
            legal_basis="Demo: the pictures come with freely licensed packages.",
        )
        rendering = encode_jpeg(_rendering(person, photos[person.photo]), quality=90)
        upload = Upload(name=f"{person.name}.jpg", data=rendering)
        try:
            result = enrol(actor=None, name=person.name, photos=[upload], watchlist=watchlist)
        except (EngineError, RecognitionError) as error:
            raise DemoError(f"The demo could not enrol {person.name}: {error}") from error
        if result.person is None:
            raise DemoError(f"The demo could not enrol {person.name}: {result.rejected[0].why}")
        report(f"Enrolled {person.name} on “{person.watchlist}”.")


def _rendering(person: DemoPerson, photo: Image) -> Image:
    x1, y1, x2, y2 = person.crop
    crop = cv2.resize(photo[y1:y2, x1:x2], None, fx=person.scale, fy=person.scale, interpolation=cv2.INTER_CUBIC)
    crop = cv2.flip(crop, 1) if person.mirrored else crop
    lit: Image = np.clip(crop.astype(np.float32) * person.light, 0, 255).astype(np.uint8)
    return lit


def _account(report: Report) -> None:
    """The demo account. Its password is printed once; until it was used, every start makes a new one."""
    user, created = User.objects.get_or_create(username="demo", defaults={"is_staff": True, "is_superuser": True})
    if created:
        user.groups.add(Group.objects.get(name=Role.ADMINISTRATOR))
    if not created and user.last_login is not None:
        report("Sign in as “demo” with your password; `manage.py changepassword demo` sets a new one.")
        return
    password = secrets.token_urlsafe(9)
    user.set_password(password)
    user.save()
    report(f"Sign in as “demo” with the one-time password: {password}")
