"""A mapping that never changes, of which a changed one is made at the cost of what changed.

A large mapping is shared by all that were made of it; the few differences lie above it. When there are thousands of
them they are written into a new large one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

V = TypeVar("V")
_MOST = 4096  # differences that are carried along


class Overlay(Mapping[int, V]):
    """What `overlaid` makes."""

    __slots__ = ("_base", "_new")

    def __init__(self, base: Mapping[int, V], new: Mapping[int, V | None]) -> None:
        self._base = base
        self._new = new  # None: not there any more

    def __getitem__(self, key: int) -> V:
        value = self._new[key] if key in self._new else self._base[key]
        if value is None:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[int]:
        yield from (key for key in self._base if key not in self._new)
        yield from (key for key, value in self._new.items() if value is not None)

    def __len__(self) -> int:
        kept = len(self._base) - sum(key in self._base for key in self._new)
        return kept + sum(value is not None for value in self._new.values())

    def over(self, new: Mapping[int, V | None]) -> Mapping[int, V]:
        """These differences above the ones that are there already."""
        together = {**self._new, **new}
        if len(together) <= _MOST:
            return Overlay(self._base, together)
        merged = dict(self._base)
        for key, value in together.items():
            if value is None:
                merged.pop(key, None)
            else:
                merged[key] = value
        return merged


def overlaid(base: Mapping[int, V], new: Mapping[int, V | None]) -> Mapping[int, V]:
    """The base with these values instead of its own, None for keys that are gone; the base itself is not changed."""
    different = {key: value for key, value in new.items() if base.get(key) != value}
    if not different:
        return base
    below = base if isinstance(base, Overlay) else Overlay(base, {})
    return below.over(different)
