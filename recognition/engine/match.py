"""Search one embedding in a gallery of templates, and decide whether anybody was recognised.

Embeddings are compared by similarity 1 - d**2 / 2 with d their Euclidean distance: for unit vectors that is
the cosine, and for networks trained on distance, such as dlib's (whose vectors have a norm near 1.46), it
keeps their order. Higher is more alike, 1 is the same vector; it has no fixed lower end for vectors that are
not of unit length.

A small gallery is compared template by template. In a large one short codes (`codes`) propose the 1,024 most likely
templates, which are then compared in the same way: the similarity that is returned is never that of a code. How often
that is not the very best template is measured by `python -m benchmarks.search`.

Shapes: embeddings (n, d) float32, ids (n,) int64; every template belongs to one person.
Errors: ShapeError for wrong shapes, NaN, infinity or a template id that occurs twice. An empty gallery finds
nobody.
Example: two vectors 0.5 apart have similarity 0.875, and 0.6 apart 0.82.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recognition.engine.errors import ShapeError
from recognition.engine.parts import Layout, Merge, Part, merge_due, segments
from recognition.engine.search import Search
from recognition.engine.segment import Candidate, Ids, Mask, rank, similarity
from recognition.engine.storage import Storage, usable
from recognition.engine.types import Embedding, Floats

Exact = Callable[[Sequence[int]], Mapping[int, Embedding]]

_MORE = 8  # candidates beside twice the wanted ones that are read again where storing rounded them
_FINE = 1e-3  # an error that makes no difference: float16 has less, int8 more
_PART = 16384  # rows that are checked at a time


class Templates(NamedTuple):
    """Templates as three arrays of one length: ids (n,), persons (n,), embeddings (n, d)."""

    ids: npt.ArrayLike
    persons: npt.ArrayLike
    embeddings: npt.ArrayLike


class Gallery:
    """The templates that are searched: an immutable snapshot, safe to share between threads.

    To change it make a new one with `changed` and swap the reference: a search under way is never disturbed. The
    two share what did not change.
    """

    __slots__ = ("_exact", "_layout", "_merge", "_parts", "_recent", "dimension", "storage")

    def __init__(
        self,
        dimension: int,
        *,
        storage: Storage = Storage.AUTO,
        layout: Layout | None = None,
        exact: Exact | None = None,
    ) -> None:
        """An empty gallery; `build` makes one of templates, and says what the options are."""
        self.dimension = dimension
        self.storage = storage
        self._layout = layout or Layout()
        self._exact = exact
        self._parts: tuple[Part, ...] = ()
        self._recent: Part | None = None
        self._merge: Merge | None = None

    @classmethod
    def empty(cls, dimension: int, *, storage: Storage = Storage.AUTO, exact: Exact | None = None) -> "Gallery":
        return cls(dimension, storage=storage, exact=exact)

    @classmethod
    def build(
        cls,
        *,
        dimension: int,
        templates: npt.ArrayLike,
        persons: npt.ArrayLike,
        embeddings: npt.ArrayLike,
        storage: Storage = Storage.AUTO,
        layout: Layout | None = None,
        exact: Exact | None = None,
    ) -> "Gallery":
        """Make a gallery of (n,) template ids, the (n,) persons they belong to, and (n, d) embeddings.

        `storage`: how embeddings are kept; `exact` reads embeddings as they were enrolled, by template id, and is
        asked for the best candidates where storing rounded them to int8. A large float32 array of embeddings that
        is sorted by person and id is kept without copying it: do not change it afterwards.
        """
        made = cls(dimension, storage=storage, layout=layout, exact=exact)
        return made.changed(add=Templates(templates, persons, embeddings))

    def __len__(self) -> int:
        return sum(part.live for part in self._all())

    def owners(self) -> tuple[Ids, Ids]:
        """The ids of all templates, ascending, and the persons they belong to."""
        nobody = np.zeros(0, np.int64)
        ids = np.concatenate([nobody, *(part.ids for part in self._all())])
        persons = np.concatenate([nobody, *(part.persons for part in self._all())])
        order = np.argsort(ids)
        return ids[order], persons[order]

    def holding(self, ids: Collection[int]) -> Ids:
        """Those of these template ids that are in it, ascending."""
        asked = np.unique(np.fromiter(ids, np.int64, len(ids)))
        return np.sort(np.concatenate([np.zeros(0, np.int64), *(part.holding(asked) for part in self._all())]))

    @property
    def templates(self) -> frozenset[int]:
        """The ids of all templates."""
        return frozenset(self.owners()[0].tolist())

    @property
    def people(self) -> frozenset[int]:
        """Everybody with at least one template."""
        return frozenset(chain.from_iterable(part.people.tolist() for part in self._all()))

    @property
    def nbytes(self) -> int:
        """What the gallery takes in memory."""
        return sum(part.segment.nbytes + (part.removed is not None and len(part.segment)) for part in self._all())

    @property
    def error(self) -> float:
        """The longest distance between an embedding as it was enrolled and as it is stored; 0 with float32."""
        return max((part.segment.rows.error for part in self._all()), default=0.0)

    def search(
        self,
        probe: Embedding,
        *,
        top: int = 5,
        allow: Collection[int] | None = None,
        exclude: Collection[int] | None = None,
    ) -> list[Candidate]:
        """The `top` persons most like the probe, each by their best template, best first.

        `allow` keeps only these persons (an empty one nobody), `exclude` leaves those out. Equal similarity
        is ordered by person, then by template.
        """
        probe = np.asarray(probe, np.float32)
        if probe.shape != (self.dimension,) or not np.isfinite(probe).all():
            raise ShapeError(f"a probe must be {self.dimension} finite numbers, got shape {probe.shape}")
        return self.search_many(probe[None], top=top, allow=allow, exclude=exclude)[0]

    def search_many(
        self,
        probes: Floats,
        *,
        top: int = 5,
        allow: Collection[int] | None = None,
        exclude: Collection[int] | None = None,
    ) -> list[list[Candidate]]:
        """What `search` finds for each of (m, d) probes."""
        probes = np.ascontiguousarray(probes, np.float32)
        if probes.ndim != 2 or probes.shape[1] != self.dimension or not np.isfinite(probes).all():
            raise ShapeError(f"probes must be (m, {self.dimension}) finite numbers, got shape {probes.shape}")
        if top < 1 or (allow is not None and len(allow) == 0):
            return [[] for _ in probes]
        wide = top if self._exact is None else 2 * top + _MORE
        only, never = _people(allow), _people(exclude or None)
        eligible = [(part.segment, _mask(part, only, never)) for part in self._all()]
        search = Search(eligible, layout=self._layout, top=wide)
        return [self._read_again(probe, found, top) for probe, found in zip(probes, search.run(probes), strict=True)]

    def changed(
        self,
        *,
        add: tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike] | None = None,
        remove: Collection[int] = (),
        expected: int = 0,
    ) -> "Gallery":
        """A new gallery without the template ids in `remove` and with `add` (a `Templates`).

        An id that is there already is replaced; ids to remove that are not there are ignored. `expected`: how many
        templates there will be, where more are about to be added; the storage is chosen for so many.
        """
        ids, persons, rows = _checked(add if add is not None else Templates([], [], []), self.dimension)
        gone = np.union1d(np.fromiter(remove, np.int64, len(remove)), ids)
        merge, parts = self._merge, self._parts
        if merge is not None and merge.over:
            parts, merge = merge.taken(parts), None
        parts = tuple(left for part in parts if (left := part.without(gone)).live)
        recent = self._recent.without(gone) if self._recent is not None else None
        if recent is not None and recent.live and len(ids):
            old_ids, old_persons, old_rows = recent.rows()
            ids, persons = np.concatenate([old_ids, ids]), np.concatenate([old_persons, persons])
            rows = np.concatenate([old_rows, rows])
        count = max(expected, len(ids) + sum(part.live for part in parts))
        storage = self.storage.chosen(templates=count, dimension=self.dimension)
        if len(ids):
            small = len(ids) < self._layout.recent
            kept_as = Storage.FLOAT32 if small else storage
            made = [Part(segment=one) for one in segments(ids, persons, rows, storage=kept_as, layout=self._layout)]
            parts, recent = (parts, made[0]) if small else (parts + tuple(made), None)
        if merge is None and (due := merge_due(parts, self._layout)):
            merge = Merge(due, storage=storage, layout=self._layout)
        return self._with(parts, recent, merge)

    def settled(self) -> "Gallery":
        """The same gallery once the tidying that `changed` began in the background is done, if any."""
        if self._merge is None:
            return self
        self._merge.wait()
        return self._with(self._merge.taken(self._parts), self._recent, None)

    def _all(self) -> tuple[Part, ...]:
        return self._parts if self._recent is None else (*self._parts, self._recent)

    def _with(self, parts: tuple[Part, ...], recent: Part | None, merge: Merge | None) -> "Gallery":
        made = Gallery(self.dimension, storage=self.storage, layout=self._layout, exact=self._exact)
        made._parts, made._merge = parts, merge
        made._recent = recent if recent is not None and recent.live else None
        return made

    def _read_again(self, probe: Embedding, found: list[Candidate], top: int) -> list[Candidate]:
        """The best of the found, compared with the embeddings as they were enrolled."""
        if self._exact is None or not any(one.error > _FINE for one in found):
            return found[:top]
        last = found[min(top, len(found)) - 1]
        pool = [one for one in found if one.similarity + one.error >= last.similarity - last.error]
        rows = self._exact([one.template for one in pool if one.error])
        again = [
            replace(one, similarity=similarity(rows[one.template], probe), error=0.0) if one.template in rows else one
            for one in pool
        ]
        return sorted(again, key=rank)[:top]


def _mask(part: Part, allow: Ids | None, exclude: Ids | None) -> Mask | None:
    """Which rows of the part may be found; None: all."""
    mask = part.mask
    if allow is not None:
        allowed = np.zeros(len(part.segment), bool)
        allowed[part.segment.of_people(allow)] = True
        mask = allowed if mask is None else mask & allowed
    if exclude is not None:
        mask = np.ones(len(part.segment), bool) if mask is None else mask
        mask[part.segment.of_people(exclude)] = False
    return mask


def _people(people: Collection[int] | None) -> Ids | None:
    return None if people is None else np.sort(np.fromiter(people, np.int64, len(people)))


def _checked(templates: tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike], dimension: int) -> tuple[Ids, Ids, Floats]:
    ids, owners = _as_ids("templates", templates[0]), _as_ids("persons", templates[1])
    rows = np.asarray(templates[2], np.float32)
    if len(ids) == 0:
        rows = rows.reshape(-1, dimension)
    if owners.shape != ids.shape or rows.shape != (len(ids), dimension):
        raise ShapeError(
            f"{len(ids)} templates need persons ({len(ids)},) and embeddings ({len(ids)}, {dimension}), "
            f"got {owners.shape} and {rows.shape}"
        )
    for start in range(0, len(rows), _PART):
        if not usable(rows[start : start + _PART]).all():
            raise ShapeError("an embedding holds NaN, infinity or a huge number; enrol the photo again")
    if len(np.unique(ids)) != len(ids):
        raise ShapeError("a template id occurs more than once")
    return ids, owners, rows


def decide(
    candidates: Sequence[Candidate], *, threshold: float | Callable[[int], float], margin: float = 0.0
) -> Candidate | None:
    """The person recognised, or None for an unknown one.

    The best candidate must reach the threshold (a number, or a function of the person, for watchlists with
    their own), and must lead the next one by `margin`: two people who both fit are nobody. Candidates come as
    `Gallery.search` returns them.
    """
    if not candidates:
        return None
    best = candidates[0]
    if best.similarity < (threshold(best.person) if callable(threshold) else threshold):
        return None
    if len(candidates) > 1 and best.similarity - candidates[1].similarity < margin:
        return None
    return best


def fuse(embeddings: Floats, weights: Floats) -> Embedding:
    """The mean of (n, d) embeddings of one face, weighted by (n,) qualities (equally where all are 0)."""
    rows = np.asarray(embeddings, np.float64)
    shares = np.asarray(weights, np.float64)
    if rows.ndim != 2 or len(rows) == 0 or shares.shape != (len(rows),):
        raise ShapeError(f"need (n, d) embeddings and (n,) weights with n > 0, got {rows.shape} and {shares.shape}")
    if not (np.isfinite(rows).all() and np.isfinite(shares).all()) or (shares < 0).any():
        raise ShapeError("embeddings must be finite, weights finite and not negative")
    total = float(shares.sum())
    shares = shares / total if total > 0 else np.full(len(rows), 1 / len(rows))
    return (shares @ rows).astype(np.float32)


def _as_ids(name: str, values: npt.ArrayLike) -> Ids:
    ids = np.asarray(values)
    if ids.ndim != 1 or (len(ids) > 0 and not np.issubdtype(ids.dtype, np.integer)):
        raise ShapeError(f"{name} must be a row of whole numbers, got {ids.dtype} of shape {ids.shape}")
    return ids.astype(np.int64)


__all__ = ["Candidate", "Exact", "Gallery", "Layout", "Storage", "Templates", "decide", "fuse", "similarity"]
