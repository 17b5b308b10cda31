"""The templates of unknown people in memory, as the linker searches them.

One gallery a model pack; each template is a "person" of its own there, because whose it is changes when people correct
links and is asked of the database at each decision. What a template is never changes: a better look at a track is a new
template. Rows come some thousand at a time and go, opened, straight into arrays; nothing decrypted is written.

Shapes: embeddings (n, d) float32 of one pack; ids (n,) int64; times seconds since 1970 (UTC) float64.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from django.db import connection

from accounts import vault
from cameras.models import UnknownGone, UnknownTemplate, unknown_bind, unknown_scope
from recognition.engine import Embedding, Gallery, Templates
from recognition.engine.storage import usable
from recognition.engine.types import Floats
from recognition.gallery_load import chosen_storage

_log = logging.getLogger(__name__)
Ids = npt.NDArray[np.int64]
BATCH: Final = 5_000
_PIECE: Final = 131_072
_FRESH: Final = 512
_NO_EMBEDDING: Final = "Template %d of an unknown person is no embedding of %s; it is left out."

# By number, which is nearly the order of the keys that seal them: each is opened a few times at most.
_SOME = """
SELECT t.id, t.pack, t.sealed, t.sighting_id, t.seen_at, coalesce(s.camera_id, 0)
FROM cameras_unknowntemplate AS t JOIN cameras_sighting AS s ON s.id = t.sighting_id
WHERE t.linked_at IS NOT NULL AND t.id > %s ORDER BY t.id LIMIT %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A template of somebody unknown that resembles a probe."""

    template: int
    similarity: float


class _Facts:
    """Where and when each template was seen, sorted by its id, for searches that are limited to some."""

    def __init__(self) -> None:
        self.ids = np.zeros(0, np.int64)
        self.cameras = np.zeros(0, np.int64)
        self.seen = np.zeros(0, np.float64)

    def add(self, ids: Ids, cameras: Ids, seen: npt.NDArray[np.float64]) -> None:
        """Takes in what is new, each id once; what is there already is replaced."""
        if len(ids) and len(self.ids) and ids.min() <= self.ids[-1]:  # new templates have the highest ids, as a rule
            self.drop(ids)
        every = np.concatenate([self.ids, ids])
        order = slice(None) if (every[1:] > every[:-1]).all() else np.argsort(every)
        self.ids = every[order]
        self.cameras = np.concatenate([self.cameras, cameras])[order]
        self.seen = np.concatenate([self.seen, seen])[order]

    def drop(self, gone: Ids) -> None:
        keep = ~np.isin(self.ids, gone)
        self.ids, self.cameras, self.seen = self.ids[keep], self.cameras[keep], self.seen[keep]

    def within(self, cameras: Collection[int] | None, since: datetime | None, until: datetime | None) -> Ids:
        """The templates of these cameras (None: of all) that were seen in the span."""
        keep = np.ones(len(self.ids), bool)
        if cameras is not None:
            keep &= np.isin(self.cameras, np.fromiter(cameras, np.int64, len(cameras)))
        if since is not None:
            keep &= self.seen >= since.timestamp()
        if until is not None:
            keep &= self.seen <= until.timestamp()
        return self.ids[keep]


class Unknowns:
    """All templates of unknown people that were looked at, by pack. One thread changes and searches it."""

    def __init__(self) -> None:
        self._galleries: dict[str, Gallery] = {}
        self._facts = _Facts()
        self._fresh: dict[int, tuple[int, float]] = {}  # camera and time of templates that are not sorted in yet

    def __len__(self) -> int:
        return sum(len(gallery) for gallery in self._galleries.values())

    def count(self, pack: str) -> int:
        """How many of them are of this pack."""
        gallery = self._galleries.get(pack)
        return 0 if gallery is None else len(gallery)

    @property
    def nbytes(self) -> int:
        facts = self._facts
        return sum(one.nbytes for one in self._galleries.values()) + 3 * facts.ids.nbytes

    @classmethod
    def load(cls, *, between: Callable[[], None] = lambda: None) -> Unknowns:
        """Everything that is stored. What does not open any more is logged and left out. `between` is called every
        moment, because it may last for a minute."""
        made = cls()
        for pack, ids, cameras, seen, rows in _pieces(between):
            made.add_many(pack, ids=ids, embeddings=rows, cameras=cameras, seen=seen)
        return made

    def add_many(self, pack: str, *, ids: Ids, embeddings: Floats, cameras: Ids, seen: npt.NDArray[np.float64]) -> None:
        """Takes templates in: (n,) ids, (n, d) embeddings, (n,) cameras (0: removed) and (n,) times."""
        before = self._gallery(pack, embeddings.shape[1])
        if before.dimension != embeddings.shape[1]:
            for template in ids:
                _log.error(_NO_EMBEDDING, template, pack)
            return
        self._galleries[pack] = before.changed(add=Templates(ids, ids, embeddings))
        self._facts.add(ids, cameras, seen)

    def add(self, template: int, pack: str, embedding: Embedding, *, camera: int | None, seen: datetime) -> None:
        """Takes one template in."""
        before = self._gallery(pack, len(embedding))
        if before.dimension != len(embedding):
            _log.error(_NO_EMBEDDING, template, pack)
            return
        self._galleries[pack] = before.changed(add=Templates([template], [template], embedding[None]))
        self._fresh[template] = (camera or 0, seen.timestamp())

    def drop(self, templates: Collection[int]) -> None:
        """Lets templates go, as far as they are here."""
        if not templates:
            return
        for pack, gallery in self._galleries.items():
            self._galleries[pack] = gallery.changed(remove=templates)
        self._sorted().drop(np.fromiter(templates, np.int64, len(templates)))

    def drop_gone(self) -> None:
        """Lets go what was deleted from the database since the last time."""
        rows = list(UnknownGone.objects.values_list("pk", "template")[:50_000])
        if rows:
            self.drop({template for _, template in rows})
            UnknownGone.objects.filter(pk__in=[pk for pk, _ in rows]).delete()

    def since(self, moment: float) -> int:
        """How many of them began to be seen after this moment."""
        if len(self._fresh) > _FRESH:
            self._sorted()
        fresh = sum(seen > moment for _, seen in self._fresh.values())
        return int(np.count_nonzero(self._facts.seen > moment)) + fresh

    def search(
        self,
        pack: str,
        probe: Embedding,
        *,
        top: int,
        cameras: Collection[int] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[Found]:
        """The templates most like the probe, best first, of these cameras and this span only (None: no limit)."""
        gallery = self._galleries.get(pack)
        if gallery is None or len(gallery) == 0 or gallery.dimension != len(probe):
            return []
        limited = cameras is not None or since is not None or until is not None
        allow = self._sorted().within(cameras, since, until) if limited else None
        found = gallery.search(probe, top=top, allow=allow)
        return [Found(template=one.template, similarity=one.similarity) for one in found]

    def _gallery(self, pack: str, dimension: int) -> Gallery:
        """The pack's gallery; one in which nothing is left takes templates of any length."""
        return self._galleries.get(pack) or Gallery.empty(dimension, storage=chosen_storage())

    def _sorted(self) -> _Facts:
        if self._fresh:
            ids, (cameras, seen) = list(self._fresh), zip(*self._fresh.values(), strict=True)
            self._facts.add(np.array(ids, np.int64), np.array(cameras, np.int64), np.array(seen, np.float64))
            self._fresh.clear()
        return self._facts


def opened(rows: Collection[UnknownTemplate]) -> dict[int, Embedding]:
    """The embeddings of these templates; those that can not be opened are logged and left out."""
    items = [(unknown_scope(row.seen_at), row.sealed, unknown_bind(row.sighting_id, row.pack)) for row in rows]
    found: dict[int, Embedding] = {}
    for row, content in zip(rows, vault.unseal_many(items), strict=True):
        if isinstance(content, vault.VaultError):
            _log.error("A template of an unknown person is not used: %s", content)
            continue
        embedding = embedding_of(content)
        if embedding is not None:
            found[row.pk] = embedding
        else:
            _log.error(_NO_EMBEDDING, row.pk, row.pack)
    return found


def embedding_of(content: bytes) -> Embedding | None:
    """The numbers, or None where they are none that can be compared."""
    if not content or len(content) % 4:
        return None
    embedding = np.frombuffer(content, "<f4")
    return embedding if usable(embedding[None]).all() else None


def _pieces(between: Callable[[], None]) -> Iterator[tuple[str, Ids, Ids, npt.NDArray[np.float64], Floats]]:
    """Pack, ids, cameras, times and embeddings, some hundred thousand at a time."""
    waiting: dict[str, list[tuple[int, int, float, Embedding]]] = {}
    for rows in _batches():
        between()
        items = [
            (unknown_scope(seen), sealed, unknown_bind(sighting, pack)) for _, pack, sealed, sighting, seen, _ in rows
        ]
        for (template, pack, _, _, seen, camera), content in zip(rows, vault.unseal_many(items), strict=True):
            if isinstance(content, vault.VaultError):
                _log.error("Template %d of an unknown person is left out: %s", template, content)
                continue
            embedding = embedding_of(content)
            if embedding is None:
                _log.error(_NO_EMBEDDING, template, pack)
                continue
            waiting.setdefault(pack, []).append((template, camera, seen.timestamp(), embedding))
        for pack in [pack for pack, some in waiting.items() if len(some) >= _PIECE]:
            yield _arrays(pack, waiting.pop(pack))
    for pack, some in waiting.items():
        yield _arrays(pack, some)


def _batches() -> Iterator[list[Any]]:
    """The rows, some thousand at a time; no transaction is open while they are worked on."""
    last = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_SOME, [last, BATCH])
            rows = cursor.fetchall()
        if not rows:
            return
        yield rows
        last = rows[-1][0]


def _arrays(
    pack: str, some: list[tuple[int, int, float, Embedding]]
) -> tuple[str, Ids, Ids, npt.NDArray[np.float64], Floats]:
    size = Counter(len(embedding) for *_, embedding in some).most_common(1)[0][0]
    for template, *_, embedding in some:
        if len(embedding) != size:
            _log.error(_NO_EMBEDDING, template, pack)
    fitting = [one for one in some if len(one[3]) == size]
    ids, cameras, seen, rows = zip(*fitting, strict=True)
    return pack, np.array(ids, np.int64), np.array(cameras, np.int64), np.array(seen, np.float64), np.stack(rows)
