"""The site that most faults share, and what they watch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from cameras.models import Camera
from workers.tests.chaos.site import Site
from workers.tests.chaos.truth import film

Watch = Callable[..., Camera]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.chaos)


@pytest.fixture(scope="session")
def crossings(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A film in which somebody comes again and again."""
    return str(film(tmp_path_factory.mktemp("film")))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Iterator[Site]:
    """Without camera workers: each test starts its own."""
    with django_db_blocker.unblock(), Site(tmp_path_factory.mktemp("site")) as site:
        yield site
