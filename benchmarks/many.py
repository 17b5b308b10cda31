"""Millions of sightings, made with SQL in a folder of their own, for benchmarks of what is read from them.

Ninety days, fifty cameras of which some see much more than others and one more that sees hardly anybody, two hundred
thousand identities of whom the heaviest has more than a hundred thousand sightings, zones that many and that hardly
any pass.
"""

from __future__ import annotations

import sys
import time

DAYS = 90
CAMERAS, PEOPLE, IDENTITIES = 50, 10_000, 200_000
RARE_CAMERA = CAMERAS + 1
CHUNK = 1_000_000

SIGHTINGS = """
INSERT INTO cameras_sighting (id, camera_id, camera_name, latitude, longitude, track, epoch, first_seen, last_seen,
    frames, is_open, verdict, person_id, similarity, threshold, pack, enhanced, quality, identity_id, link,
    link_similarity, is_doubted, course)
SELECT gen_random_uuid(), camera, 'Camera ' || camera, 47 + camera / 1000.0, 8 + camera / 1000.0, n, 1, at,
    at + make_interval(secs => 2 + 60 * random() * random()), 40, n > %(count)s - 30,
    CASE WHEN kind < 0.3 THEN 'known' WHEN kind < 0.8 THEN 'unknown' ELSE 'undecided' END,
    CASE WHEN kind < 0.3 THEN known END,
    CASE WHEN kind < 0.3 THEN 0.5 + 0.5 * likeness WHEN kind < 0.8 THEN 0.2 + 0.3 * likeness END, 0.5, 'compact-1', '',
    quality, CASE WHEN kind < 0.3 THEN known WHEN kind < 0.8 THEN unknown END,
    CASE WHEN kind >= 0.8 THEN '' WHEN n %% 20011 = 0 THEN 'hand' WHEN kind < 0.3 THEN 'recognised'
         WHEN n %% 50 = 0 THEN 'new' ELSE 'linked' END,
    CASE WHEN kind BETWEEN 0.3 AND 0.8 THEN 0.6 + 0.4 * likeness END, kind < 0.8 AND n %% 3001 = 0,
    decode(repeat('5a', 48), 'hex')
FROM (
    SELECT n,
        CASE WHEN n %% 100003 = 7 THEN %(rare)s ELSE 1 + floor(%(cameras)s * random() * random())::int END AS camera,
        now() - make_interval(days => %(days)s) + make_interval(secs => %(days)s * 86400.0 * n / %(count)s) AS at,
        random() AS kind, random() AS likeness, random() AS quality,
        1 + floor(%(people)s * power(random(), 3))::int AS known,
        1 + %(people)s + floor((%(identities)s - %(people)s) * power(random(), 1.5))::int AS unknown
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) n
) made
"""
_PASSAGES = """
INSERT INTO cameras_passage (sighting_id, zone_id, kind, number, at, first_seen)
SELECT id, %(zone)s, 'entered', 0, first_seen, first_seen FROM cameras_sighting
WHERE camera_id = %(camera)s AND track %% %(each)s = 0
"""


def fill(count: int) -> None:
    """The rows, unless the folder has them already."""
    from django.db import connection

    from cameras.models import Sighting

    if Sighting.objects.exists():
        return
    _places()
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica; SET synchronous_commit = off")
        cursor.execute("SET maintenance_work_mem = '512MB'")
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'cameras_sighting'"
            " AND indexname NOT LIKE '%%_pkey'",
            [],
        )
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
        values = {"count": count, "rare": RARE_CAMERA, "cameras": CAMERAS, "days": DAYS, "people": PEOPLE}
        for first in range(1, count + 1, CHUNK):
            part = {"first": first, "last": min(count, first + CHUNK - 1), "identities": IDENTITIES}
            cursor.execute(SIGHTINGS, values | part)
            _say(f"{part['last']:,} sightings")
        for name, definition in indexes:
            begun = time.perf_counter()
            cursor.execute(definition)
            _say(f"{name} in {time.perf_counter() - begun:.0f} s")
        for zone, camera, each in ((1, 1, 5), (2, 2, 20_000)):
            cursor.execute(_PASSAGES, {"zone": zone, "camera": camera, "each": each})
        cursor.execute("SET session_replication_role = DEFAULT; RESET synchronous_commit")
        for name in (
            "cameras_sighting",
            "cameras_passage",
            "cameras_identity",
            "recognition_person",
            "recognition_watchlistentry",
        ):
            cursor.execute(f"VACUUM ANALYZE {name}")


def _places() -> None:
    """Cameras, people, identities, lists, groups and zones."""
    from django.db import connection

    from cameras.models import Camera, CameraGroup, CameraLease, Zone
    from recognition.models import Watchlist

    for n in range(1, RARE_CAMERA + 1):
        camera = Camera.objects.create(pk=n, name=f"Camera {n}", sealed_source=b"", latitude=47 + n / 1000, longitude=8)
        CameraLease.objects.create(camera=camera)
    few, most = CameraGroup.objects.create(pk=1, name="Few"), CameraGroup.objects.create(pk=2, name="Most")
    few.cameras.set([3, 4, 5])
    most.cameras.set(range(1, 41))
    corners = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]
    for n, name in ((1, "Busy"), (2, "Quiet")):
        Zone.objects.create(pk=n, name=name, ground="picture", camera_id=n, shape="polygon", points=corners)
    Zone.objects.create(pk=3, name="Around", ground="coordinates", shape="circle", points=[[47.01, 8.0]], radius_m=1000)
    for n, name in ((1, "Five who are rare"), (2, "Fifty who are often seen"), (3, "Five thousand"), (4, "Nobody")):
        Watchlist.objects.create(pk=n, name=name)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO recognition_person (id, name, notes, created_at)"
            " SELECT n, 'Person ' || n, '', now() FROM generate_series(1, %s) n",
            [PEOPLE],
        )
        cursor.execute(
            "INSERT INTO cameras_identity (id, person_id, label, created_at)"
            " SELECT n, CASE WHEN n <= %s THEN n END, '', now() FROM generate_series(1, %s) n",
            [PEOPLE, IDENTITIES],
        )
        for watchlist, first, last in ((1, 9_990, 9_994), (2, 1, 50), (3, 5_001, 10_000)):
            cursor.execute(
                "INSERT INTO recognition_watchlistentry (watchlist_id, person_id, reason, added_at)"
                " SELECT %s, n, '', now() FROM generate_series(%s::int, %s::int) n",
                [watchlist, first, last],
            )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
