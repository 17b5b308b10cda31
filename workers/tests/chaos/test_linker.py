"""The linker is killed in the middle, runs twice, and loses its database: every sighting gets exactly one identity.

Unknown people come again and again, faster than one linker can link them; whose each sighting is, is known, and what
the linker said of it must be that. Nobody is linked twice, nobody is left, and it goes on within seconds.
"""

from __future__ import annotations

import signal
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

import psutil
import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from cameras.leases import Lease, release_leases, renew_leases, take_lease
from cameras.models import Camera, Identity, Link, LinkerState, Sighting, UnknownTemplate, Verdict
from cameras.services import SightingRecord, add_camera, remove_camera, save_sighting
from recognition.packs import current_pack
from recognition.tests.factories import embedding
from workers.tests.chaos.site import Site
from workers.tests.chaos.truth import PERIOD

NAMES = ("linker-one", "linker-two")
PEOPLE = 60
LEASE_SECONDS, SLACK_SECONDS = 8.0, 15.0  # a loaded machine takes its time to start a process
GONE_SECONDS = 15.0


class Crowd:
    """Unknown people who pass one camera one after the other, round after round."""

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self.whose: dict[uuid.UUID, int] = {}
        self._at = timezone.now() - timedelta(hours=6)

    def pass_by(self, rounds: int) -> None:
        lease = take_lease(camera_id=self.camera.pk, owner="test", worker="test")
        assert lease is not None
        for _ in range(rounds):
            renew_leases([lease])
            for person in range(PEOPLE):
                self._pass(person, lease)
        release_leases([lease])

    def _pass(self, person: int, lease: Lease) -> None:
        self._at += timedelta(seconds=PERIOD)
        record = SightingRecord(
            id=uuid.uuid4(),
            lease=lease,
            camera_name=self.camera.name,
            latitude=None,
            longitude=None,
            track=len(self.whose) + 1,
            first_seen=self._at,
            last_seen=self._at + timedelta(seconds=2),
            frames=10,
            is_open=False,
            verdict=Verdict.UNKNOWN,
            person_id=None,
            similarity=None,
            threshold=None,
            pack=current_pack().version,
            quality=0.8,
            shot=None,
            probe=embedding(1000 + person),
            keeps_probe=True,
        )
        save_sighting(record)
        self.whose[record.id] = person

    def linked(self) -> int:
        return Sighting.objects.filter(camera=self.camera, identity__isnull=False).count()

    def is_linked(self) -> bool:
        return self.linked() == len(self.whose)

    def check(self) -> None:
        """One identity a person, one person an identity, and one first sighting of each."""
        found: dict[int, set[int]] = defaultdict(set)
        firsts: dict[int, int] = defaultdict(int)
        for row in Sighting.objects.filter(camera=self.camera):
            assert row.identity_id is not None
            found[self.whose[row.pk]].add(row.identity_id)
            firsts[row.identity_id] += row.link == Link.NEW
        assert len(found) == PEOPLE
        assert all(len(identities) == 1 for identities in found.values()), "nobody is two"
        assert len({identity for identities in found.values() for identity in identities}) == PEOPLE
        assert set(firsts.values()) == {1}
        assert not UnknownTemplate.objects.filter(sighting__camera=self.camera, linked_at=None).exists()


@pytest.fixture
def crowd(site: Site) -> Iterator[Crowd]:
    """Of this test's own, with nobody who was seen before."""
    UnknownTemplate.objects.all().delete()
    Identity.objects.all().delete()
    camera = add_camera(actor=None, name=f"Gate {time.time_ns()}", source="rtsp://127.0.0.1:1/x", enabled=False)
    yield Crowd(camera)
    remove_camera(actor=None, camera=camera)


@pytest.fixture
def linkers(site: Site) -> Iterator[list[psutil.Popen]]:
    """Two: one leads, the other stands by."""
    yield [site.start_linker(name) for name in NAMES]
    for name in NAMES:
        site.end(name)


def leader(site: Site) -> str:
    """The name of the process that leads; empty: none."""
    owner = LinkerState.objects.filter(pk=1).values_list("owner", flat=True).first() or ""
    return next((name for name in NAMES if owner.endswith(f":{site.processes[name].pid}")), "")


def test_the_one_that_links_is_killed_again_and_again(site: Site, crowd: Crowd, linkers: list[psutil.Popen]) -> None:
    site.until(lambda: leader(site), "one of them leads")
    for _ in range(3):
        crowd.pass_by(2)
        name, before = leader(site), crowd.linked()
        assert name
        site.processes[name].send_signal(signal.SIGKILL)
        site.processes[name].wait(10)
        crowd.pass_by(1)
        took = site.until(lambda before=before: crowd.linked() > before + PEOPLE, "the other one goes on")  # type: ignore[misc]
        assert took < LEASE_SECONDS + SLACK_SECONDS
        site.start_linker(name)
    site.until(crowd.is_linked, "all are linked")
    crowd.check()


def test_two_that_both_think_they_lead_link_nothing_twice(
    site: Site, crowd: Crowd, linkers: list[psutil.Popen]
) -> None:
    """One stands still for longer than its lease and goes on in the middle of the other one's work."""
    site.until(lambda: leader(site), "one of them leads")
    for _ in range(2):
        crowd.pass_by(1)
        name = leader(site)
        assert name
        site.processes[name].suspend()
        crowd.pass_by(2)
        site.until(lambda name=name: leader(site) not in ("", name), "the other one leads")  # type: ignore[misc]
        site.processes[name].resume()
        crowd.pass_by(1)
    site.until(crowd.is_linked, "all are linked")
    crowd.check()
    assert "Traceback" not in site.said("linker-one") + site.said("linker-two")


@pytest.mark.parametrize("hangs", [False, True], ids=["killed", "hanging"])
def test_postgresql_is_away(site: Site, crowd: Crowd, linkers: list[psutil.Popen], hangs: bool) -> None:
    site.until(lambda: leader(site), "one of them leads")
    crowd.pass_by(4)
    with site.server_gone("postgres", hangs=hangs):
        time.sleep(GONE_SECONDS)
    site.until(answers, "PostgreSQL answers again")
    took = site.until(crowd.is_linked, "what waited is linked")
    assert took < LEASE_SECONDS + SLACK_SECONDS
    crowd.pass_by(1)
    site.until(crowd.is_linked, "what came since is linked")
    crowd.check()
    for process in linkers:
        assert process.is_running(), "nobody had to start it anew"


def answers() -> bool:
    try:
        return LinkerState.objects.exists()
    except DatabaseError:
        connection.close()
        return False
