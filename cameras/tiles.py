"""Cameras with what they do right now, as the pages show them: in one list, by state, and page by page.

Reads only: one query for the cameras and one round trip to Redis for all states, however many there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from cameras import live
from cameras.drops import Drop
from cameras.live import State, View
from cameras.models import Camera

A_PAGE = 48


class Group(StrEnum):
    """Why one would look for a camera."""

    ONLINE = "online"
    TROUBLE = "trouble"
    STARTING = "starting"
    OFF = "off"

    @property
    def label(self) -> str:
        return _GROUPS[self]


_GROUPS = {Group.ONLINE: "Online", Group.TROUBLE: "Trouble", Group.STARTING: "Starting", Group.OFF: "Off"}
_WORDS = {drop.value: drop.label for drop in Drop}  # another version's worker may count what is not here
_BY_STATE = {
    State.ONLINE: Group.ONLINE,
    State.OFFLINE: Group.TROUBLE,
    State.CONNECTING: Group.STARTING,
    State.WAITING: Group.STARTING,
    State.OFF: Group.OFF,
    State.SLEEPING: Group.OFF,
    State.ENDED: Group.OFF,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A camera and what it does right now."""

    camera: Camera
    status: live.Status

    @property
    def group(self) -> Group:
        seen = self.status.view is not View.CLEAR
        return Group.TROUBLE if self.status.state is State.ONLINE and seen else _BY_STATE[self.status.state]

    @property
    def is_live(self) -> bool:
        """Whether pictures may come, now or by themselves in a while."""
        return self.group is not Group.OFF

    @property
    def dropped(self) -> int:
        return sum(self.status.drops.values())

    @property
    def drops(self) -> list[tuple[str, int]]:
        """What was left out by reason, the most frequent first."""
        found = [(_WORDS.get(reason, reason.capitalize()), count) for reason, count in self.status.drops.items()]
        return sorted((each for each in found if each[1]), key=lambda each: -each[1])

    @property
    def since(self) -> datetime | None:
        """When this state began."""
        return datetime.fromtimestamp(self.status.since, UTC) if self.status.since else None


def tiles_of(cameras: Sequence[Camera]) -> list[Tile]:
    """These cameras with their states, in their order."""
    states = live.statuses(cameras)
    return [Tile(camera=camera, status=states[camera.pk]) for camera in cameras]


def tiles() -> list[Tile]:
    """Every camera with its state, those that are switched on first."""
    return tiles_of(list(Camera.objects.order_by("-enabled", "name")))


def mark(found: Sequence[Tile]) -> str:
    """Changes when cameras are added or removed; a page that carries it can tell."""
    return f"{len(found)}.{max((tile.camera.pk for tile in found), default=0)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A group to choose, and how many cameras are in it. `value` is empty for all of them."""

    value: str
    label: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One page of the cameras that were asked for. Pages count from 1."""

    tiles: list[Tile]
    chips: list[Chip]
    page: int
    pages: int
    found: int


def listing(every: Sequence[Tile], *, group: str = "", text: str = "", page: int = 1) -> Listing:
    """The cameras of a group (all where it is none) whose name holds the text."""
    wanted = text.casefold().strip()
    named = [tile for tile in every if wanted in tile.camera.name.casefold()]
    counts = Counter(tile.group for tile in named)
    chosen = [tile for tile in named if tile.group == group] if group in set(Group) else named
    pages = max(1, -(-len(chosen) // A_PAGE))
    page = min(max(page, 1), pages)
    return Listing(
        tiles=chosen[(page - 1) * A_PAGE : page * A_PAGE],
        chips=[Chip(value="", label="All", count=len(named))]
        + [Chip(value=each.value, label=each.label, count=counts[each]) for each in Group],
        page=page,
        pages=pages,
        found=len(chosen),
    )
