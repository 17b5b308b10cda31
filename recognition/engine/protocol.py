"""From embeddings with names to comparisons and searches: the protocols in which a recogniser is tried.

`all_pairs` compares every photo with every other one (a full cross comparison), `listed_pairs` those of a list.
`searches` is the open-set protocol of the NIST FRTE 1:N reports and ISO/IEC 19795-1, leave-one-out: every photo once
searches a gallery of all other photos. A person with another photo there is enrolled (a mated search, in a gallery of
N people); then all photos of the person are taken away, and the same photo searches as a stranger (a non-mated
search, N - 1 people). A person counts by their best template, or by the mean of them.

A bootstrap resamples people, not comparisons, because the comparisons of one person go wrong together (Bolle,
Ratha and Pankanti, 2004; ISO/IEC 19795-1 annex B): `People.weights` says how often each person was drawn. Searches are
weighted by their probe's person; their gallery stays as it is.

Shapes: embeddings (n, d) float32, NaN rows where no face was found; persons (n,) int64, 0 <= person < people.
Similarity is 1 - d**2 / 2 (see match.py), -inf where one of both photos has no embedding.
Errors: ShapeError for arrays that do not fit together.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from recognition.engine.errors import ShapeError
from recognition.engine.metrics import Scores
from recognition.engine.types import Floats

Ids = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
MAX_IMPOSTORS = 4_000_000  # of more pairs of different people that many are drawn, always the same
_BLOCK = 512


class PersonScore(StrEnum):
    """How the templates of one person become one similarity."""

    BEST = "best"
    MEAN = "mean"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparisons:
    """Compared pairs of photos."""

    similarities: Scores  # (m,)
    genuine: Flags  # (m,)
    first: Ids  # (m,) persons
    second: Ids  # (m,) persons
    drawn_from: int  # how many pairs of different people there were

    def weights(self, drawn: Scores) -> Scores:
        """How often each pair counts when each person was drawn so often. A person's copies are no two people."""
        return np.where(self.genuine, drawn[self.first], drawn[self.first] * drawn[self.second])

    @property
    def compared(self) -> Flags:
        """The pairs in which both photos had a face."""
        return np.asarray(np.isfinite(self.similarities))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Searches:
    """One search a photo, with the photo's person in the gallery and without."""

    persons: Ids  # (n,) of the probe
    mated: Flags  # (n,) whether the person has another photo that is enrolled
    mate: Scores  # (n,) similarity to the own person, -inf where the probe or all of theirs gave no template
    rival: Scores  # (n,) to the nearest other person
    second: Scores  # (n,) to the second nearest other person
    gallery: int  # people in the gallery of a mated search

    def missed(self, threshold: float, margin: float = 0.0) -> Flags:
        """Per mated search: not recognised, or taken for another (FNIR with rank 1)."""
        mate, rival = self.mate[self.mated], self.rival[self.mated]
        return np.asarray(~((mate >= threshold) & (mate > rival) & (_lead(mate, rival) >= margin)))

    def alarmed(self, threshold: float, margin: float = 0.0) -> Flags:
        """Per non-mated search: somebody was recognised (FPIR)."""
        return np.asarray((self.rival >= threshold) & (_lead(self.rival, self.second) >= margin))

    @property
    def mate_found(self) -> Scores:
        """Per mated search the similarity from which the right person comes first, -inf where another does."""
        mate, rival = self.mate[self.mated], self.rival[self.mated]
        return np.where(mate > rival, mate, -math.inf)


def all_pairs(embeddings: Floats, persons: Ids, *, limit: int = MAX_IMPOSTORS, seed: int = 0) -> Comparisons:
    """Every photo with every other one. Of more than `limit` impostor pairs that many are drawn at random."""
    count = len(persons)
    if embeddings.ndim != 2 or embeddings.shape[0] != count:
        raise ShapeError(f"{count} photos need as many embeddings, got shape {embeddings.shape}")
    sizes = np.bincount(persons) if count else np.zeros(0, np.int64)
    impostors = (count * (count - 1) - int((sizes * (sizes - 1)).sum())) // 2
    keep = min(1.0, limit / impostors) if impostors else 1.0
    random = np.random.default_rng(seed)
    parts: list[tuple[Scores, Ids, Ids]] = []
    for start, scores in _blocks(embeddings):
        row, column = np.nonzero(np.arange(count)[None, :] > np.arange(start, start + len(scores))[:, None])
        first, second = persons[start + row], persons[column]
        if keep < 1:
            chosen = (first == second) | (random.random(len(row)) < keep)
            row, column, first, second = row[chosen], column[chosen], first[chosen], second[chosen]
        parts.append((scores[row, column], first, second))
    similarities, first, second = _joined(parts)
    return Comparisons(
        similarities=similarities, genuine=first == second, first=first, second=second, drawn_from=impostors
    )


def listed_pairs(embeddings: Floats, pairs: Ids, genuine: Flags) -> tuple[Comparisons, int]:
    """The (m, 2) pairs of photos, and how many people they show as far as can be known.

    Photos that genuine pairs join are taken for one person; every other photo for a person of its own.
    """
    if pairs.shape != (len(genuine), 2):
        raise ShapeError(f"{len(genuine)} pairs must have shape ({len(genuine)}, 2), got {pairs.shape}")
    used, ends = np.unique(pairs, return_inverse=True)
    ends = ends.reshape(-1, 2)
    persons, people = _joined_people(len(used), ends[genuine])
    wide = embeddings.astype(np.float64)
    distances = wide[pairs[:, 0]] - wide[pairs[:, 1]]
    squares = np.einsum("ij,ij->i", distances, distances)
    found = Comparisons(
        similarities=np.where(np.isnan(squares), -math.inf, 1 - squares / 2),
        genuine=genuine,
        first=persons[ends[:, 0]],
        second=persons[ends[:, 1]],
        drawn_from=int((~genuine).sum()),
    )
    return found, people


def searches(embeddings: Floats, persons: Ids, *, by: PersonScore = PersonScore.BEST) -> Searches:
    """Every photo searches all others: once with its person enrolled, once as a stranger."""
    people = int(persons.max()) + 1 if len(persons) else 0
    usable = _usable(embeddings)
    sizes = np.bincount(persons, minlength=people)
    enrolled = np.bincount(persons[usable], minlength=people)
    order = np.argsort(persons, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)
    rows: list[tuple[Scores, Scores, Scores]] = []
    blocks = _blocks(embeddings) if by is PersonScore.BEST else _mean_blocks(embeddings, persons, people)
    for start, scores in blocks:
        own = np.arange(start, start + len(scores))
        at = np.arange(len(scores))
        if by is PersonScore.BEST:
            scores[at, own] = -math.inf
            scores = np.maximum.reduceat(scores[:, order], starts, axis=1)
        mate = scores[at, persons[own]].copy()
        scores[at, persons[own]] = -math.inf
        best = np.sort(scores, axis=1)[:, -2:] if people > 1 else np.full((len(scores), 2), -math.inf)
        rows.append((mate, best[:, 1], best[:, 0]))
    mate, rival, second = (np.concatenate(part) for part in zip(*rows, strict=True)) if rows else (np.zeros(0),) * 3
    return Searches(
        persons=persons,
        mated=sizes[persons] > 1,
        mate=mate,
        rival=rival,
        second=second,
        gallery=int((enrolled > 0).sum()),
    )


def draws(people: int, count: int, seed: int = 0) -> Iterator[Scores]:
    """For each of `count` bootstrap rounds how often each person was drawn, (people,)."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        yield np.bincount(random.integers(0, people, people), minlength=people).astype(np.float64)


def _usable(embeddings: Floats) -> Flags:
    """The photos that have an embedding."""
    return np.asarray(np.isfinite(embeddings).all(axis=1), np.bool_)


def _lead(best: Scores, other: Scores) -> Scores:
    """By how much the best leads; infinitely where there is no other."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isneginf(other), math.inf, best - other)


def _blocks(embeddings: Floats) -> Iterator[tuple[int, Scores]]:
    """Rows of the matrix of similarities, some hundred at a time, with the number of the first."""
    usable = _usable(embeddings)
    wide = np.where(usable[:, None], embeddings, 0).astype(np.float64)
    halves = np.einsum("ij,ij->i", wide, wide) / 2
    for start in range(0, len(wide), _BLOCK):
        part = slice(start, start + _BLOCK)
        scores = 1 + wide[part] @ wide.T - halves[part, None] - halves
        scores[:, ~usable] = -math.inf
        scores[~usable[part]] = -math.inf
        yield start, scores


def _mean_blocks(embeddings: Floats, persons: Ids, people: int) -> Iterator[tuple[int, Scores]]:
    """As `_blocks`, each photo against the mean of each person's other photos."""
    usable = _usable(embeddings)
    wide = np.where(usable[:, None], embeddings, 0).astype(np.float64)
    sums = np.zeros((people, wide.shape[1]))
    np.add.at(sums, persons, wide)
    counts = np.bincount(persons[usable], minlength=people).astype(np.float64)
    means = sums / np.maximum(counts, 1)[:, None]
    mean_halves = np.einsum("ij,ij->i", means, means) / 2
    for start in range(0, len(wide), _BLOCK):
        rows, own = wide[start : start + _BLOCK], persons[start : start + _BLOCK]
        there = usable[start : start + _BLOCK]
        scores = 1 + rows @ means.T - (rows * rows).sum(axis=1)[:, None] / 2 - mean_halves
        scores[:, counts == 0] = -math.inf
        left = counts[own] - there
        others = (sums[own] - rows) / np.maximum(left, 1)[:, None]
        nearness = 1 - ((others - rows) ** 2).sum(axis=1) / 2
        scores[np.arange(len(rows)), own] = np.where(left > 0, nearness, -math.inf)
        scores[~there] = -math.inf
        yield start, scores


def _joined(parts: list[tuple[Scores, Ids, Ids]]) -> tuple[Scores, Ids, Ids]:
    if not parts:
        return np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64)
    scores, first, second = (np.concatenate(each) for each in zip(*parts, strict=True))
    return scores.astype(np.float64), first.astype(np.int64), second.astype(np.int64)


def _joined_people(count: int, same: Ids) -> tuple[Ids, int]:
    """A person for each of `count` photos, and how many they are: photos that a pair joins are one person."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(same)), (same[:, 0], same[:, 1])), shape=(count, count))
    people, persons = connected_components(links, directed=False)
    return persons.astype(np.int64), int(people)
