"""Fixtures of the running loop: the real model pack, a gallery that starts empty, people on a watchlist."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.conf import LazySettings

from cameras.models import Camera
from config.redis import client
from recognition import gallery
from recognition.engine import Pack
from recognition.models import Person, Watchlist
from recognition.packs import current_pack
from recognition.services import enrol
from recognition.watchlist_services import create_watchlist
from workers import supervisor
from workers.tests.scenes import photo

Enrol = Callable[[str], Person]
AddCamera = Callable[..., Camera]


@pytest.fixture
def pack() -> Pack:
    """The pack that every process loads once."""
    return current_pack()


@pytest.fixture
def at_once(settings: LazySettings) -> Iterator[None]:
    """The gallery and the lease are looked at with every frame, and nothing is left of an earlier test."""
    settings.GALLERY_POLL_SECONDS = 0
    settings.HEARTBEAT_SECONDS = 0
    gallery.forget()
    supervisor.stopping.clear()
    client().flushdb()
    yield
    supervisor.stopping.clear()
    gallery.forget()


@pytest.fixture
def watchlist(transactional_db: None) -> Watchlist:
    return create_watchlist(actor=None, name="Wanted")


@pytest.fixture
def enrolled(watchlist: Watchlist) -> Enrol:
    """Enrols one of the people of `scenes` on the watchlist."""

    def enrol_person(name: str) -> Person:
        result = enrol(actor=None, name=name, photos=[photo(name)], watchlist=watchlist)
        assert result.person is not None, result.rejected
        return result.person

    return enrol_person
