"""A piece of a gallery: some templates that never change, sorted by person, and what searching them takes.

Shapes: ids and persons (n,) int64, sorted by person and then by id; rows (n, d); probes (d,) float32.
Similarity is 1 - d**2 / 2 with d the Euclidean distance, returned in float64 from the rows as they are stored.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recognition.engine.codes import Codes
from recognition.engine.storage import Positions, Rows, Storage, similarity_error, stored
from recognition.engine.types import Embedding, Floats

Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# float32 products differ in the last digits with the place of a row in memory. Whatever is this close is
# compared again in float64, so that the same templates always come back in the same order.
_TIE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One person that a probe may be, with the template of theirs that resembles it most.

    `error`: how far the similarity may be from that of the embedding as it was enrolled, 0 unless storing rounded it.
    """

    person: int
    template: int
    similarity: float
    error: float = 0.0


def similarity(a: Embedding, b: Embedding) -> float:
    """1 - d**2 / 2, with d the Euclidean distance between two embeddings."""
    difference = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    return 1.0 - float(difference @ difference) / 2.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segment:
    """Templates sorted by person, then by id."""

    ids: Ids
    persons: Ids
    rows: Rows
    codes: Codes | None
    half_norms: Floats  # half the squared length of each row
    longest: float  # the largest squared length
    people: Ids  # everybody in it, once
    starts: Positions  # where each of them begins
    by_id: npt.NDArray[np.int32]  # positions in the order of the ids

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def make(cls, ids: Ids, persons: Ids, embeddings: Floats, *, storage: Storage, coded: bool) -> "Segment":
        """Of sorted templates with finite embeddings. Float32 embeddings are kept, not copied."""
        rows = stored(embeddings, storage)
        half_norms = np.empty(len(ids), np.float32)
        for start, part in rows.parts():
            half_norms[start : start + len(part)] = np.vecdot(part, part) / np.float32(2)
        people, starts = np.unique(persons, return_index=True)
        return cls(
            ids=ids,
            persons=persons,
            rows=rows,
            codes=Codes(rows, embeddings.shape[1]) if coded else None,
            half_norms=half_norms,
            longest=2 * float(half_norms.max(initial=0)),
            people=people,
            starts=starts,
            by_id=np.argsort(ids).astype(np.int32),
        )

    @property
    def nbytes(self) -> int:
        """What it takes in memory, codes included."""
        arrays = (self.ids, self.persons, self.half_norms, self.people, self.starts, self.by_id)
        codes = self.codes.nbytes if self.codes is not None else 0
        return sum(array.nbytes for array in arrays) + self.rows.nbytes + codes

    def positions_of(self, ids: Ids) -> Positions:
        """Where these templates are; ids that are not here are ignored."""
        if len(self) == 0 or len(ids) == 0:
            return np.zeros(0, np.intp)
        place = np.searchsorted(self.ids, ids, sorter=self.by_id)
        at = self.by_id[np.minimum(place, len(self) - 1)]
        return np.asarray(at[self.ids[at] == ids], np.intp)

    def of_people(self, people: Ids) -> Positions:
        """Where the templates of these people (sorted) are."""
        if len(self) == 0 or len(people) == 0:
            return np.zeros(0, np.intp)
        at = np.searchsorted(self.people, people)
        at = at[self.people[np.minimum(at, len(self.people) - 1)] == people]
        starts = self.starts[at]
        counts = np.append(self.starts, len(self))[at + 1] - starts
        offsets = np.repeat(starts - np.append(0, np.cumsum(counts)[:-1]), counts) if len(at) else starts
        return np.asarray(offsets + np.arange(counts.sum()), np.intp)

    def scan(self, probe: Embedding, *, top: int, mask: Mask | None) -> list[Candidate]:
        """The `top` people most like the probe among the rows of the mask (None: all), comparing every row."""
        scores = np.empty(len(self), np.float32)
        for start, part in self.rows.parts():
            # A product per row, in this thread: those of a whole BLAS product wait for each other on busy cores.
            scores[start : start + len(part)] = np.vecdot(part, probe)
        scores -= self.half_norms
        if mask is not None:
            scores[~mask] = -np.inf
        return self._ranked(probe, scores, None, top)

    def compare(self, probe: Embedding, positions: Positions, *, top: int) -> list[Candidate]:
        """The `top` people most like the probe among the rows at these (ascending) positions."""
        if len(positions) == 0:
            return []
        scores: Floats = np.vecdot(self.rows.take(positions), probe) - self.half_norms[positions]
        return self._ranked(probe, scores, positions, top)

    def _ranked(self, probe: Embedding, scores: Floats, positions: Positions | None, top: int) -> list[Candidate]:
        if len(scores) == 0:
            return []
        persons = self.persons if positions is None else self.persons[positions]
        starts = self.starts if positions is None else np.flatnonzero(np.append(True, persons[1:] != persons[:-1]))
        best = np.maximum.reduceat(scores, starts)
        chosen = np.flatnonzero(best > -np.inf)
        tie = _TIE * max(1.0, self.longest, float(probe @ probe))
        if len(chosen) > top:
            worst = np.partition(best[chosen], len(chosen) - top)[len(chosen) - top]
            chosen = chosen[best[chosen] >= worst - tie]
        ends = np.append(starts[1:], len(scores))
        found = []
        for at in chosen:
            near = starts[at] + np.flatnonzero(scores[starts[at] : ends[at]] >= best[at] - tie)
            found.append(self._candidate(probe, near if positions is None else positions[near]))
        return sorted(found, key=rank)[:top]

    def _candidate(self, probe: Embedding, near: Positions) -> Candidate:
        """The best of some templates of one person, in float64; of equal ones the first."""
        exact = [similarity(row, probe) for row in self.rows.take(near)]
        at = int(np.argmax(exact))
        row = int(near[at])
        return Candidate(
            person=int(self.persons[row]),
            template=int(self.ids[row]),
            similarity=exact[at],
            error=similarity_error(exact[at], self.rows.error),
        )


def rank(candidate: Candidate) -> tuple[float, int, int]:
    """The order of candidates: most alike first, of equal ones by person, then by template."""
    return -candidate.similarity, candidate.person, candidate.template
