"""Search one embedding in a gallery of templates, and decide whether anybody was recognised.

Embeddings are compared by similarity 1 - d**2 / 2 with d their Euclidean distance: for unit vectors that is
the cosine, and for networks trained on distance, such as dlib's (whose vectors have a norm near 1.46), it
keeps their order. Higher is more alike, 1 is the same vector; it has no fixed lower end for vectors that are
not of unit length.

Shapes: embeddings (n, d) float32, ids (n,) int64; every template belongs to one person.
Errors: ShapeError for wrong shapes, NaN, infinity or a template id that occurs twice. An empty gallery finds
nobody.
Example: two vectors 0.5 apart have similarity 0.875, and 0.6 apart 0.82.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recognition.engine.errors import ShapeError
from recognition.engine.types import Embedding, Floats

Ids = npt.NDArray[np.int64]

# float32 products differ in the last digits with the place of a row in memory. Whatever is this close is
# compared again in float64, so that the same templates always come back in the same order.
_TIE = 1e-4


class Templates(NamedTuple):
    """Templates as three arrays of one length: ids (n,), persons (n,), embeddings (n, d)."""

    ids: npt.ArrayLike
    persons: npt.ArrayLike
    embeddings: npt.ArrayLike


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One person that a probe may be, with the template of theirs that resembles it most."""

    person: int
    template: int
    similarity: float


def similarity(a: Embedding, b: Embedding) -> float:
    """1 - d**2 / 2, with d the Euclidean distance between two embeddings."""
    difference = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    return 1.0 - float(difference @ difference) / 2.0


class Gallery:
    """The templates that are searched: an immutable snapshot, safe to share between threads.

    To change it make a new one with `changed` and swap the reference: a search under way is never disturbed.
    """

    __slots__ = (
        "_embeddings",
        "_half_norms",
        "_ids",
        "_people",
        "_persons",
        "_starts",
        "_templates",
        "dimension",
    )

    def __init__(self, dimension: int, ids: Ids, persons: Ids, embeddings: Floats) -> None:
        """Use `build`, which checks what it is given; here the rows must be sorted by person, then by id."""
        self.dimension = dimension
        self._ids = ids
        self._persons = persons
        self._embeddings = embeddings
        self._half_norms: Floats = np.einsum("ij,ij->i", embeddings, embeddings) / np.float32(2)
        people, starts = np.unique(persons, return_index=True)
        self._people: Ids = people
        self._starts: npt.NDArray[np.intp] = starts
        self._templates: frozenset[int] = frozenset(ids.tolist())

    @classmethod
    def empty(cls, dimension: int) -> "Gallery":
        no_ids = np.zeros(0, np.int64)
        return cls.build(dimension=dimension, templates=no_ids, persons=no_ids, embeddings=np.zeros((0, dimension)))

    @classmethod
    def build(
        cls, *, dimension: int, templates: npt.ArrayLike, persons: npt.ArrayLike, embeddings: npt.ArrayLike
    ) -> "Gallery":
        """Make a gallery of (n,) template ids, the (n,) persons they belong to, and (n, d) embeddings."""
        ids, owners = _as_ids("templates", templates), _as_ids("persons", persons)
        rows = (
            np.asarray(embeddings, np.float32).reshape(-1, dimension)
            if len(ids) == 0
            else np.asarray(embeddings, np.float32)
        )
        if owners.shape != ids.shape or rows.shape != (len(ids), dimension):
            raise ShapeError(
                f"{len(ids)} templates need persons ({len(ids)},) and embeddings ({len(ids)}, {dimension}), "
                f"got {owners.shape} and {rows.shape}"
            )
        if not np.isfinite(rows).all():
            raise ShapeError("an embedding holds NaN or infinity; enrol the photo again")
        if len(np.unique(ids)) != len(ids):
            raise ShapeError("a template id occurs more than once")
        order = np.lexsort((ids, owners))
        return cls(dimension, ids[order], owners[order], np.ascontiguousarray(rows[order]))

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def templates(self) -> frozenset[int]:
        """The ids of all templates."""
        return self._templates

    @property
    def people(self) -> frozenset[int]:
        """Everybody with at least one template."""
        return frozenset(self._people.tolist())

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
        probe = self._checked(probe)
        people = self._chosen(allow, exclude)
        if top < 1 or len(people) == 0:
            return []
        # A product per row, in this thread: those of a whole BLAS product wait for each other on busy cores.
        products: Floats = np.vecdot(self._embeddings, probe)
        scores: Floats = products - self._half_norms + (1 - probe @ probe / np.float32(2))
        best = np.maximum.reduceat(scores, self._starts)[people]
        if len(people) > top:
            worst = np.partition(best, len(best) - top)[len(best) - top]
            near = best >= worst - _TIE
            people, best = people[near], best[near]
        found = [self._candidate(int(at), probe, scores, score) for at, score in zip(people, best, strict=True)]
        return sorted(found, key=lambda one: (-one.similarity, one.person))[:top]

    def changed(
        self,
        *,
        add: tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike] | None = None,
        remove: Collection[int] = (),
    ) -> "Gallery":
        """A new gallery without the template ids in `remove` and with `add` (a `Templates`).

        An id that is there already is replaced; ids to remove that are not there are ignored.
        """
        ids, persons, embeddings = add if add is not None else Templates([], [], [])
        new_ids, new_persons = _as_ids("templates", ids), _as_ids("persons", persons)
        new_rows = np.asarray(embeddings, np.float32)
        if len(new_ids) == 0:
            new_rows = np.zeros((0, self.dimension), np.float32)
        if new_rows.ndim != 2 or new_rows.shape[1] != self.dimension:
            raise ShapeError(f"embeddings must have shape (n, {self.dimension}), got {new_rows.shape}")
        gone = np.concatenate([np.fromiter(remove, np.int64, len(remove)), new_ids])
        kept = ~np.isin(self._ids, gone)
        return Gallery.build(
            dimension=self.dimension,
            templates=np.concatenate([self._ids[kept], new_ids]),
            persons=np.concatenate([self._persons[kept], new_persons]),
            embeddings=np.concatenate([self._embeddings[kept], new_rows]),
        )

    def _checked(self, probe: Embedding) -> Embedding:
        probe = np.asarray(probe, np.float32)
        if probe.shape != (self.dimension,) or not np.isfinite(probe).all():
            raise ShapeError(f"a probe must be {self.dimension} finite numbers, got shape {probe.shape}")
        return probe

    def _chosen(self, allow: Collection[int] | None, exclude: Collection[int] | None) -> npt.NDArray[np.intp]:
        """Positions in `_people` that may be found."""
        chosen = np.ones(len(self._people), bool)
        if allow is not None:
            chosen &= np.isin(self._people, np.fromiter(allow, np.int64, len(allow)))
        if exclude:
            chosen &= ~np.isin(self._people, np.fromiter(exclude, np.int64, len(exclude)))
        return np.flatnonzero(chosen)

    def _candidate(self, at: int, probe: Embedding, scores: Floats, best: float) -> Candidate:
        start = int(self._starts[at])
        end = int(self._starts[at + 1]) if at + 1 < len(self._starts) else len(self._ids)
        near = start + np.flatnonzero(scores[start:end] >= best - _TIE)
        exact = [similarity(self._embeddings[row], probe) for row in near]
        row = int(near[int(np.argmax(exact))])
        return Candidate(person=int(self._people[at]), template=int(self._ids[row]), similarity=max(exact))


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
