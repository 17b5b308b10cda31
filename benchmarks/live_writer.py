"""A camera worker as far as alerts go: reports sightings of people on a watchlist. A part of `benchmarks.live`.

`python -m benchmarks.live_writer RATE SECONDS CAMERA...`: takes the leases of these cameras, writes `ready`, waits for
a line, and then reports as many sightings a second as RATE says, each of another track and captured at that moment. One
that could not be written in time is written as soon as it can be: none is left out. Writes as JSON how long that took.
"""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
import uuid
from collections.abc import Sequence

_RENEW_SECONDS = 2.0
PACK = "benchmark-1"


def write(rate: float, seconds: float, camera_ids: Sequence[int]) -> None:
    import django

    django.setup()
    from django.utils import timezone

    from alerts.reporting import report_sighting
    from cameras.leases import release_leases, renew_leases, take_lease
    from cameras.models import Camera, Verdict
    from cameras.services import SightingRecord
    from recognition.models import Person

    cameras = list(Camera.objects.filter(pk__in=camera_ids))
    people = list(Person.objects.values_list("pk", flat=True))
    leases = {camera.pk: take_lease(camera_id=camera.pk, owner=f"benchmark {camera.pk}") for camera in cameras}
    done = threading.Event()

    def hold() -> None:
        while not done.wait(_RENEW_SECONDS):
            renew_leases([lease for lease in leases.values() if lease is not None])

    threading.Thread(target=hold, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.readline()
    began, wrote, spent, longest = time.monotonic(), 0, 0.0, 0.0
    for number, camera in zip(range(round(rate * seconds)), itertools.cycle(cameras), strict=False):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        lease, now, start = leases[camera.pk], timezone.now(), time.monotonic()
        if lease is None:
            raise SystemExit(f"{camera} is held by somebody else.")
        record = SightingRecord(
            id=uuid.uuid4(),
            lease=lease,
            camera_name=camera.name,
            latitude=None,
            longitude=None,
            track=number,
            first_seen=now,
            last_seen=now,
            frames=5,
            is_open=False,
            verdict=Verdict.KNOWN,
            person_id=people[number % len(people)],
            similarity=0.95,
            threshold=0.9,
            pack=PACK,
            quality=0.7,
            shot=None,
        )
        wrote += len(report_sighting(sighting=record, captured_at=now).alerts)
        took = time.monotonic() - start
        spent, longest = spent + took, max(longest, took)
    done.set()
    release_leases(lease for lease in leases.values() if lease is not None)
    wall = time.monotonic() - began
    print(json.dumps({"alerts": wrote, "wall": wall, "spent": spent, "longest": longest}), flush=True)


if __name__ == "__main__":
    write(float(sys.argv[1]), float(sys.argv[2]), [int(pk) for pk in sys.argv[3:]])
