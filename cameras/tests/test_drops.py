"""Every reason that is counted is told to people in words."""

from __future__ import annotations

import pytest

from cameras.drops import Drop
from cameras.live import State, Status
from cameras.models import Camera
from cameras.tiles import Tile


@pytest.mark.parametrize("drop", Drop)
def test_a_camera_s_page_has_words_for_every_reason(drop: Drop) -> None:
    tile = Tile(camera=Camera(name="Door"), status=Status(state=State.ONLINE, drops={drop.value: 3}))
    assert tile.drops == [(drop.label, 3)]
    assert drop.label[0].isupper()
    assert drop.label != drop.value


def test_a_reason_of_another_version_s_worker_is_shown_as_it_is() -> None:
    tile = Tile(camera=Camera(name="Door"), status=Status(state=State.ONLINE, drops={"a new one": 1, "newer frame": 2}))
    assert tile.drops == [(Drop.NEWER.label, 2), ("A new one", 1)]
