"""Which people of a gallery look like one another? All pairs of templates, compared block by block.

A pair of people is as alike as their two templates that are most alike; similarity is that of `match`,
1 - d**2 / 2. Blocks bound the memory: never more than BLOCK x BLOCK similarities exist at once, and of the pairs
found only the `most` best are kept.

Shapes: ids and persons (n,) int64, embeddings (n, d) float32.
Errors: ShapeError for arrays that do not fit each other, NaN or infinity.
Cost: n**2 * d / 2 multiplications in BLAS: 20,000 templates of 128 numbers take about a second on one core.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recognition.engine.errors import ShapeError
from recognition.engine.match import Templates, similarity
from recognition.engine.types import Floats

BLOCK = 2048
# float32 sums differ from float64 ones in the last digits: near the limit they are compared again.
_SLACK = 1e-4
# A gallery in which everybody is everybody's double must not take hours: so many pairs of one block are looked at.
_MOST_A_BLOCK = 50_000

Ids = npt.NDArray[np.int64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class NearPair:
    """Two people who look alike, the lower id first, with the template of each that says so."""

    first: int
    second: int
    first_template: int
    second_template: int
    similarity: float


def near_pairs(
    templates: Templates, *, at_least: float, most: int = 1000, progress: Progress | None = None
) -> list[NearPair]:
    """Pairs of different people whose similarity is `at_least` this, best first, at most `most` of them.

    `progress` is called with (blocks done, blocks). Equal similarity is ordered by the two ids.
    """
    ids, persons, rows = _checked(templates)
    half_norms: Floats = np.einsum("ij,ij->i", rows, rows) / np.float32(2)
    starts = range(0, len(ids), BLOCK)
    blocks, done = len(starts) * (len(starts) + 1) // 2, 0
    best: dict[tuple[int, int], tuple[float, int, int]] = {}
    limit = at_least - _SLACK
    for top in starts:
        for left in range(top, len(ids), BLOCK):
            a, b = slice(top, top + BLOCK), slice(left, left + BLOCK)
            scores: Floats = rows[a] @ rows[b].T
            scores -= half_norms[a][:, None]
            scores -= half_norms[b][None, :] - np.float32(1)
            _take(scores, limit, persons, (top, left), best)
            if len(best) > 4 * most:
                limit = _keep(best, most, limit)
            done += 1
            if progress is not None:
                progress(done, blocks)
    found = [_pair(pair, rows, ids, at) for pair, (_, *at) in best.items()]
    kept = [pair for pair in found if pair.similarity >= at_least]
    return sorted(kept, key=lambda one: (-one.similarity, one.first, one.second))[:most]


def _checked(templates: Templates) -> tuple[Ids, Ids, Floats]:
    ids, persons = np.asarray(templates.ids, np.int64), np.asarray(templates.persons, np.int64)
    rows = np.ascontiguousarray(np.asarray(templates.embeddings, np.float32))
    if len(ids) == 0:
        rows = rows.reshape(0, rows.shape[-1] if rows.ndim == 2 else 1)
    if ids.ndim != 1 or persons.shape != ids.shape or rows.ndim != 2 or len(rows) != len(ids):
        raise ShapeError(f"templates do not fit each other: {ids.shape}, {persons.shape} and {rows.shape}")
    if not np.isfinite(rows).all():
        raise ShapeError("an embedding holds NaN or infinity; enrol the photo again")
    return ids, persons, rows


def _take(
    scores: Floats,
    limit: float,
    persons: Ids,
    corner: tuple[int, int],
    best: dict[tuple[int, int], tuple[float, int, int]],
) -> None:
    """Notes the best rows of every pair of people in one block of similarities."""
    rows, columns = np.nonzero(scores >= limit)
    values = scores[rows, columns]
    rows, columns = rows + corner[0], columns + corner[1]
    apart = np.flatnonzero((persons[rows] != persons[columns]) & (rows < columns))
    if len(apart) > _MOST_A_BLOCK:
        apart = apart[np.argpartition(values[apart], -_MOST_A_BLOCK)[-_MOST_A_BLOCK:]]
    for row, column, value in zip(rows[apart], columns[apart], values[apart], strict=True):
        one, other = int(row), int(column)
        if persons[one] > persons[other]:
            one, other = other, one
        pair = (int(persons[one]), int(persons[other]))
        known = best.get(pair)
        if known is None or value > known[0]:
            best[pair] = (float(value), one, other)


def _keep(best: dict[tuple[int, int], tuple[float, int, int]], most: int, limit: float) -> float:
    """Drops all but the `most` best pairs; returns the similarity that is worth looking at from now on."""
    worst = sorted((value[0] for value in best.values()), reverse=True)[most - 1] - _SLACK
    for pair in [pair for pair, value in best.items() if value[0] < worst]:
        del best[pair]
    return max(limit, worst)


def _pair(pair: tuple[int, int], rows: Floats, ids: Ids, at: list[int]) -> NearPair:
    return NearPair(
        first=pair[0],
        second=pair[1],
        first_template=int(ids[at[0]]),
        second_template=int(ids[at[1]]),
        similarity=similarity(rows[at[0]], rows[at[1]]),
    )
