"""The demo: cameras made from photos that installed packages carry, people enrolled, and an account to sign in with.

Each clip is what a virtual camera records that pans and zooms over a photo while the light changes. The same people
pass several cameras at different times; three are enrolled from other renderings of their faces, the others are not.
"""

from __future__ import annotations

import math
import os
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management.base import CommandError

from accounts.models import User
from accounts.roles import Role
from cameras.models import Camera
from cameras.services import add_camera
from recognition.engine import EngineError, Image, encode_jpeg
from recognition.errors import RecognitionError
from recognition.models import Category, Person, Watchlist
from recognition.services import Upload, enrol
from recognition.watchlist_services import create_watchlist

Report = Callable[[str], None]

SIZE = (640, 360)
FPS = 15
_FADE_FRAMES = 4
_GRAINS = 8  # pictures of sensor noise that take turns


class DemoError(CommandError):
    """The demo can not be made; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A move of the virtual camera over one photo: centres and widths in photo pixels, light as a gain."""

    photo: str
    seconds: float
    start: tuple[float, float, float]  # centre x, centre y, width of the view
    end: tuple[float, float, float]
    light: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoCamera:
    name: str
    latitude: float
    longitude: float
    shots: tuple[Shot, ...]


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


CAMERAS = (
    DemoCamera(
        name="Main entrance",
        latitude=47.37818,
        longitude=8.54021,
        shots=(
            Shot(photo="group", seconds=12, start=(330, 330, 620), end=(960, 300, 700), light=(1.0, 0.8)),
            Shot(photo="wall", seconds=5, start=(150, 250, 230), end=(170, 300, 260)),
            Shot(photo="astronaut", seconds=8, start=(330, 160, 330), end=(215, 150, 420), light=(0.75, 1.1)),
        ),
    ),
    DemoCamera(
        name="Platform 2",
        latitude=47.37795,
        longitude=8.53892,
        shots=(
            Shot(photo="wall", seconds=9, start=(120, 300, 240), end=(160, 280, 220)),
            Shot(photo="group", seconds=11, start=(1000, 260, 560), end=(640, 380, 600), light=(0.85, 1.15)),
            Shot(photo="wall", seconds=6, start=(160, 280, 220), end=(130, 260, 240)),
            Shot(photo="group", seconds=9, start=(520, 330, 560), end=(230, 330, 520), light=(1.1, 0.9)),
        ),
    ),
    DemoCamera(
        name="Ticket hall",
        latitude=47.37771,
        longitude=8.54003,
        shots=(
            Shot(photo="astronaut", seconds=9, start=(190, 150, 400), end=(300, 150, 360), light=(1.15, 0.85)),
            Shot(photo="wall", seconds=6, start=(160, 240, 230), end=(140, 280, 250)),
            Shot(photo="group", seconds=12, start=(640, 400, 1240), end=(800, 380, 760), light=(0.8, 1.0)),
        ),
    ),
    DemoCamera(
        name="Car park",
        latitude=47.37842,
        longitude=8.53955,
        shots=(
            Shot(photo="wall", seconds=7, start=(130, 260, 230), end=(170, 290, 250), light=(0.7, 0.8)),
            Shot(photo="group", seconds=10, start=(1050, 330, 460), end=(900, 300, 620), light=(0.7, 0.85)),
            Shot(photo="group", seconds=8, start=(700, 360, 560), end=(420, 340, 520), light=(0.85, 0.7)),
            Shot(photo="wall", seconds=8, start=(170, 290, 250), end=(140, 250, 230), light=(0.8, 0.7)),
        ),
    ),
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
    missing = [c for c in CAMERAS if not Camera.objects.filter(name=c.name).exists()]
    if missing:
        photos = _photos()
        report(f"Making the clips of {len(missing)} demo cameras …")
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            clips = list(pool.map(lambda camera: _clip(folder, camera, photos), missing))
        _enrol_people(photos, report)  # first: while a camera is missing, the next start makes up for what failed
        for camera, clip in zip(missing, clips, strict=True):
            add_camera(
                actor=None,
                name=camera.name,
                source=str(clip),
                latitude=camera.latitude,
                longitude=camera.longitude,
                loop=True,
            )
    _account(report)


def _photos() -> dict[str, Image]:
    return {
        "group": _picture("insightface", "data/images/t1.jpg"),
        "astronaut": _picture("skimage", "data/astronaut.png"),
        "wall": _picture("skimage", "data/brick.png"),
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


def _clip(folder: Path, camera: DemoCamera, photos: dict[str, Image]) -> Path:
    """The camera's clip, made when it is not there yet; a half-made one never takes its place."""
    path = folder / f"{camera.name.lower().replace(' ', '-')}.mp4"
    if path.exists():
        return path
    unfinished = path.with_suffix(".part.mp4")
    writer = cv2.VideoWriter(str(unfinished), cv2.VideoWriter.fourcc(*"mp4v"), FPS, SIZE)
    if not writer.isOpened():
        raise DemoError(
            f"The demo clip {unfinished} can not be written. Check the free space and the permissions of DATA_DIR."
        )
    try:
        for frame in _render(camera.shots, photos):
            writer.write(frame)
    finally:
        writer.release()
    return unfinished.rename(path)


def _render(shots: tuple[Shot, ...], photos: dict[str, Image]) -> Iterator[Image]:
    dice = np.random.default_rng(7)
    grains = [dice.normal(0, 2.0, (SIZE[1], SIZE[0], 3)).astype(np.int16) for _ in range(_GRAINS)]
    for shot in shots:
        photo, count = photos[shot.photo], int(shot.seconds * FPS)
        for number in range(count):
            along = 0.5 - 0.5 * math.cos(math.pi * number / max(1, count - 1))
            x, y, width = (a + (b - a) * along for a, b in zip(shot.start, shot.end, strict=True))
            sway = 0.006 * width * math.sin(number / 5)
            gain = shot.light[0] + (shot.light[1] - shot.light[0]) * along
            gain *= min(1.0, (number + 1) / _FADE_FRAMES, (count - number) / _FADE_FRAMES)
            lit = cv2.convertScaleAbs(_view(photo, x + sway, y + sway / 2, width), alpha=gain)
            yield cv2.add(lit, grains[number % _GRAINS], dtype=cv2.CV_8U).astype(np.uint8, copy=False)


def _view(photo: Image, x: float, y: float, width: float) -> Image:
    """What the camera sees: the part of the photo around (x, y), kept inside it."""
    height = width * SIZE[1] / SIZE[0]
    scale = min(1.0, photo.shape[1] / width, photo.shape[0] / height)
    width, height = width * scale, height * scale
    left = min(max(0.0, x - width / 2), photo.shape[1] - width)
    top = min(max(0.0, y - height / 2), photo.shape[0] - height)
    zoom = SIZE[0] / width
    move = np.array([[zoom, 0, -left * zoom], [0, zoom, -top * zoom]], np.float64)
    view: Image = cv2.warpAffine(photo, move, SIZE, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(
        np.uint8
    )
    return view


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
