"""The pieces a gallery is made of as it changes: segments with templates taken out, and their merging.

A segment never changes. A template that is removed is marked in a mask beside it, new ones come in segments of their
own, and when there are many of those, or many marks, a thread writes the live templates of some into one new segment.
The gallery that is changed after that takes it in the place of the old ones (`taken`). Only a few segments are written
at a time and each is limited in size, so that memory for a second copy of a large gallery is never needed.

Shapes: ids and persons (n,) int64, embeddings (n, d) float32; masks (n,) bool, true for what was removed.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recognition.engine.segment import Ids, Mask, Segment
from recognition.engine.storage import Storage
from recognition.engine.types import Floats

_log = logging.getLogger(__name__)
_GONE = 0.25  # the share of removed templates from which a segment is written anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """At which numbers of templates a gallery does what; the values are measured (`python -m benchmarks.search`)."""

    coded: int = 16_384  # a segment from this size on is searched by its codes first
    segment: int = 262_144  # the largest segment
    recent: int = 2_048  # so many new ones become a segment of their own
    shortlist: int = 2_048  # rows that codes propose and that are then compared
    few: int = 16_384  # when a filter leaves no more rows than this, all of them are compared


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """A segment without the templates that were removed since it was written."""

    segment: Segment
    removed: Mask | None = None

    @property
    def live(self) -> int:
        """How many templates are left."""
        return len(self.segment) - (int(self.removed.sum()) if self.removed is not None else 0)

    @property
    def mask(self) -> Mask | None:
        """Which rows are left; None: all."""
        return ~self.removed if self.removed is not None else None

    @property
    def ids(self) -> Ids:
        """The templates that are left."""
        return self.segment.ids if self.removed is None else self.segment.ids[~self.removed]

    @property
    def persons(self) -> Ids:
        """Whose they are."""
        return self.segment.persons if self.removed is None else self.segment.persons[~self.removed]

    @property
    def people(self) -> Ids:
        """The people who have a template left."""
        return self.segment.people if self.removed is None else np.unique(self.persons)

    def holding(self, ids: Ids) -> Ids:
        """Those of these templates that are left."""
        positions = self.segment.positions_of(ids)
        left = positions if self.removed is None else positions[~self.removed[positions]]
        return self.segment.ids[left]

    def without(self, ids: Ids) -> "Part":
        """The part with these templates removed as well."""
        positions = self.segment.positions_of(ids)
        if len(positions) == 0:
            return self
        removed = np.zeros(len(self.segment), bool) if self.removed is None else self.removed.copy()
        removed[positions] = True
        return Part(segment=self.segment, removed=removed)

    def rows(self) -> tuple[Ids, Ids, Floats]:
        """What is left: ids, persons and embeddings."""
        if self.removed is None:
            return self.segment.ids, self.segment.persons, self.segment.rows.part(0, len(self.segment))
        left = np.flatnonzero(~self.removed)
        return self.segment.ids[left], self.segment.persons[left], self.segment.rows.take(left)


def segments(ids: Ids, persons: Ids, embeddings: Floats, *, storage: Storage, layout: Layout) -> list[Segment]:
    """Segments of these templates, as few as the layout allows. Large ones that are sorted already are not copied."""
    count = len(ids)
    order = None if _is_sorted(ids, persons) else np.lexsort((ids, persons))
    made = []
    pieces = max(1, -(-count // layout.segment)) if count else 0
    for piece in range(pieces):
        start, end = count * piece // pieces, count * (piece + 1) // pieces
        place = slice(start, end) if order is None else order[start:end]
        coded = end - start >= layout.coded
        rows = np.array(embeddings[place], np.float32, order="C", copy=None if coded else True)
        made.append(Segment.make(ids[place], persons[place], rows, storage=storage, coded=coded))
    return made


class Merge:
    """Some parts, written into one segment by a thread of its own."""

    def __init__(self, parts: Sequence[Part], *, storage: Storage, layout: Layout) -> None:
        self._parts = tuple(parts)
        self._storage = storage
        self._layout = layout
        self._made: list[Segment] | None = None
        self._thread = threading.Thread(target=self._run, name="gallery-merge", daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        return not self._thread.is_alive()

    def wait(self) -> None:
        self._thread.join()

    def taken(self, parts: Sequence[Part]) -> tuple[Part, ...]:
        """These parts with the new segments in place of those they were made of; as they are if it failed."""
        if self._made is None:
            return tuple(parts)
        sources = {id(part.segment): part.segment for part in self._parts}
        kept = [part for part in parts if id(part.segment) not in sources]
        now = {id(part.segment): part for part in parts}
        since = [  # what was removed while the thread was writing; ids removed before are not in what it wrote
            segment.ids if key not in now else segment.ids[now[key].removed]
            for key, segment in sources.items()
            if key not in now or now[key].removed is not None
        ]
        new = [Part(segment=segment) for segment in self._made]
        for ids in since:
            new = [part.without(ids) for part in new]
        return tuple(part for part in [*kept, *new] if part.live)

    def _run(self) -> None:
        try:
            read = [part.rows() for part in self._parts]
            ids, persons, embeddings = (np.concatenate(arrays) for arrays in zip(*read, strict=True))
            made = segments(ids, persons, embeddings, storage=self._storage, layout=self._layout)
            lost = max(part.segment.rows.error for part in self._parts)
            self._made = [replace(one, rows=replace(one.rows, error=one.rows.error + lost)) for one in made]
        except (MemoryError, RuntimeError):  # RuntimeError: faiss has no memory
            _log.exception("Tidying the gallery failed; searches go on as before, a little slower.")


def merge_due(parts: Sequence[Part], layout: Layout) -> list[Part]:
    """The parts that are worth writing into one now; none if all is well."""
    plain = [part for part in parts if part.segment.codes is None]
    many = sum(part.live for part in plain)
    if many >= layout.coded and len(plain) > 1:
        coded = [part for part in parts if part.segment.codes is not None and part.live + many <= layout.segment]
        return [*plain, *sorted(coded, key=lambda part: part.live)[:1]]
    return [part for part in parts if len(part.segment) - part.live > _GONE * len(part.segment)][:1]


def _is_sorted(ids: Ids, persons: Ids) -> bool:
    rising = persons[1:] > persons[:-1]
    return bool((rising | ((persons[1:] == persons[:-1]) & (ids[1:] > ids[:-1]))).all())
