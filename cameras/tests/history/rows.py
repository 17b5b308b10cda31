"""Some hundred random sightings of everything that filters tell apart, and what a filter means in plain Python."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from cameras.history.filters import KNOWN, UNKNOWN, Filters
from cameras.models import Camera, CameraGroup, Identity, Link, Passage, PassageKind, Sighting, Verdict, Zone
from cameras.tests.factories import NOON, CameraFactory, CameraGroupFactory, SitePlanFactory, ZoneFactory
from recognition.models import Watchlist
from recognition.tests.factories import PersonFactory, WatchlistEntryFactory, WatchlistFactory


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What there is, and every sighting with the zones of pictures that it passed."""

    cameras: Sequence[Camera]
    group: CameraGroup
    watchlists: Sequence[Watchlist]
    identities: Sequence[Identity]
    picture: Zone
    circle: Zone
    area: Zone
    sightings: Sequence[Sighting]
    passed: dict[uuid.UUID, set[int]]


def world(seed: int, *, count: int = 300) -> World:
    """The same for the same seed. Moments are few, so that many sightings share one."""
    random = Random(seed)
    cameras = CameraFactory.create_batch(4)
    Camera.objects.filter(pk=cameras[3].pk).update(latitude=10.0, longitude=20.0)
    cameras[3].refresh_from_db()
    group = CameraGroupFactory.create()
    group.cameras.set(cameras[1:3])
    plan = SitePlanFactory.create()
    for n, camera in enumerate(cameras[:2]):
        camera.plan_place = None
        plan.places.create(camera=camera, x=0.25 + 0.5 * n, y=0.5)
    people = PersonFactory.create_batch(4)
    watchlists = WatchlistFactory.create_batch(3)  # nobody is on the last one
    for n, person in enumerate(people[:3]):
        WatchlistEntryFactory.create(watchlist=watchlists[n % 2], person=person)
    known = [Identity.objects.create(person=person) for person in people]
    unknown = [Identity.objects.create() for _ in range(4)]
    picture = ZoneFactory.create(camera=cameras[0])
    circle = ZoneFactory.create(ground="coordinates", camera=None, shape="circle", points=[[10.0, 20.0]], radius_m=50.0)
    area = ZoneFactory.create(ground="plan", camera=None, plan=plan, points=[[0.1, 0.1], [0.4, 0.1], [0.4, 0.9]])
    Zone.objects.filter(pk=area.pk).update(points=[[0.0, 0.0], [0.4, 0.0], [0.4, 1.0], [0.0, 1.0]])
    rows = [_sighting(random, cameras, [*known, *unknown]) for _ in range(count)]
    Sighting.objects.bulk_create(rows)
    passed = {row.pk: _pass(random, row, picture) for row in rows}
    return World(
        cameras=cameras,
        group=group,
        watchlists=watchlists,
        identities=[*known, *unknown],
        picture=picture,
        circle=circle,
        area=Zone.objects.get(pk=area.pk),
        sightings=rows,
        passed=passed,
    )


def _sighting(random: Random, cameras: Sequence[Camera], identities: Sequence[Identity]) -> Sighting:
    identity = random.choice([None, *identities])
    person = identity.person if identity is not None else None
    by_hand = random.random() < 0.1
    verdict = Verdict.KNOWN if person is not None and not by_hand else random.choice(list(Verdict)[::2])
    first_seen = NOON + timedelta(seconds=random.randrange(0, 100_000, 500))
    camera = random.choice([None, *cameras, *cameras])
    link = (
        "" if identity is None else Link.HAND if by_hand else Link.RECOGNISED if person else random.choice(_OF_UNKNOWN)
    )
    return Sighting(
        id=uuid.UUID(int=random.getrandbits(128)),
        camera=camera,
        camera_name=camera.name if camera is not None else "Removed",
        track=1,
        first_seen=first_seen,
        last_seen=first_seen + timedelta(seconds=random.randrange(-5, 60)),
        is_open=random.random() < 0.05,
        verdict=verdict,
        person=person,
        identity=identity,
        link=link,
        similarity=random.choice([None, round(random.random(), 2)]),
        quality=round(random.random(), 2),
        is_doubted=identity is not None and random.random() < 0.1,
    )


_OF_UNKNOWN = (Link.NEW, Link.LINKED)


def _pass(random: Random, row: Sighting, zone: Zone) -> set[int]:
    """Lets some of the camera's sightings pass the zone, some more than once."""
    if row.camera_id != zone.camera_id or random.random() < 0.5:
        return set()
    for number in range(random.randint(1, 3)):
        at = row.first_seen + timedelta(seconds=number)
        Passage.objects.create(sighting=row, zone=zone, kind=PassageKind.ENTERED, number=number, at=at)
    return {zone.pk}


def fits(row: Sighting, asked: Filters, there: World) -> bool:
    """What the filters mean."""
    inside = {there.circle.pk: {there.cameras[3].pk}, there.area.pk: {there.cameras[0].pk}}
    groups = {there.group.pk: {camera.pk for camera in there.cameras[1:3]}}
    listed = {
        one.pk: set(one.entries.values_list("person", flat=True))
        for one in there.watchlists
        if asked.watchlist == one.pk
    }
    tests = [
        asked.identity in (None, row.identity_id),
        asked.person in (None, row.person_id),
        asked.watchlist is None or row.person_id in listed.get(asked.watchlist, ()),
        asked.camera in (None, row.camera_id),
        asked.group is None or row.camera_id in groups.get(asked.group, ()),
        asked.zone is None or asked.zone in there.passed[row.pk] or row.camera_id in inside.get(asked.zone, ()),
        asked.begins is None or row.first_seen >= asked.begins,
        asked.ends is None or row.first_seen < asked.ends,
        asked.similarity is None or (row.similarity is not None and row.similarity >= asked.similarity),
        asked.quality is None or row.quality >= asked.quality,
        asked.verdict in ("", row.verdict),
        asked.link in ("", row.link),
        asked.who != KNOWN or row.person_id is not None,
        asked.who != UNKNOWN or (row.person_id is None and row.identity_id is not None),
        not asked.doubted or row.is_doubted,
        not asked.present or row.is_open,
    ]
    return all(tests)


def expected(asked: Filters, there: World) -> list[uuid.UUID]:
    """What a list by these filters shows from its first page to its last."""
    rows = [row for row in there.sightings if fits(row, asked, there)]
    rows.sort(key=lambda row: (row.first_seen, row.pk), reverse=not asked.oldest_first)
    return [row.pk for row in rows]
