"""Which unknown identities may be one person? Groups of them by how alike their templates are.

Candidates come from a graph of nearest neighbours: each template's most similar other identities. Each connected part
of the graph is then clustered by average linkage (scikit-learn), so that a chain of look-alikes does not become one
person: what is proposed is alike on the whole and not by one unlucky picture. A part that is too large is taken apart
by asking for more similarity, so that no matrix has more than MOST_TOGETHER**2 entries (2 MB).

Shapes: identities (n,) int64, embeddings (n, d) float32 of one version of a pack.
Units: similarity is 1 - d**2 / 2 with d the Euclidean distance (recognition.engine.match).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import AgglomerativeClustering

from recognition.engine import Gallery
from recognition.engine.types import Floats

Ids = npt.NDArray[np.int64]
Pair = tuple[int, int]  # the lower id first

NEIGHBOURS: Final = 8
MOST_TOGETHER: Final = 512
_PROBES: Final = 256
_STEP: Final = 0.1  # of the way to 1, by which more similarity is asked for in a part that is too large
_APART: Final = 4.0  # the distance of two who are known to be two: no pair of faces is further apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Clustered:
    """Pairs of identities: those that are near by their most similar templates, and those that may be one person."""

    near: Mapping[Pair, float]
    alike: Mapping[Pair, float]


def cluster(identities: Ids, embeddings: Floats, *, floor: float, never: Collection[Pair] = ()) -> Clustered:
    """Pairs that may be one person. `floor`: the least average similarity; `never`: pairs that are two people."""
    if len(identities) == 0:
        return Clustered(near={}, alike={})
    near = _near(identities, embeddings, floor)
    apart = frozenset(never)
    rows: dict[int, list[int]] = defaultdict(list)
    for at, identity in enumerate(identities.tolist()):
        rows[identity].append(at)
    alike: dict[Pair, float] = {}
    for part in _parts({pair: one for pair, one in near.items() if pair not in apart}, floor):
        for group in _groups(part, [embeddings[rows[one]] for one in part], floor, apart):
            alike |= {
                pair: near[pair]
                for at, first in enumerate(group)
                for second in group[at + 1 :]
                if (pair := (min(first, second), max(first, second))) in near and pair not in apart
            }
    return Clustered(near=near, alike=alike)


def _near(identities: Ids, embeddings: Floats, floor: float) -> dict[Pair, float]:
    """The similarity of the most similar templates of each two identities that are neighbours."""
    gallery = Gallery.build(
        dimension=embeddings.shape[1],
        templates=np.arange(len(identities)),
        persons=identities,
        embeddings=embeddings,
    )
    found: dict[Pair, float] = {}
    for start in range(0, len(identities), _PROBES):
        some = slice(start, start + _PROBES)
        ranked = gallery.search_many(embeddings[some], top=NEIGHBOURS + 1)
        for own, candidates in zip(identities[some].tolist(), ranked, strict=True):
            for one in candidates:
                if one.person != own and one.similarity >= floor:
                    pair = (min(own, one.person), max(own, one.person))
                    found[pair] = max(found.get(pair, -2.0), one.similarity)
    return found


def _parts(near: Mapping[Pair, float], floor: float) -> Iterator[list[int]]:
    """Connected parts of the graph of neighbours; of those that are too large, the parts that hang together better."""
    if not near:
        return
    nodes = sorted({one for pair in near for one in pair})
    place = {one: at for at, one in enumerate(nodes)}
    ends = np.array([(place[first], place[second]) for first, second in near])
    graph = coo_array((np.ones(len(near)), (ends[:, 0], ends[:, 1])), shape=(len(nodes), len(nodes)))
    _, labels = connected_components(graph, directed=False)
    parts: dict[int, list[int]] = defaultdict(list)
    for one, label in zip(nodes, labels.tolist(), strict=True):
        parts[label].append(one)
    more = floor + _STEP * (1.0 - floor)
    for part in parts.values():
        if len(part) <= MOST_TOGETHER:
            yield part
        elif more < 1.0 - 1e-3:
            inside = set(part)
            yield from _parts({pair: one for pair, one in near.items() if one >= more and pair[0] in inside}, more)


def _groups(part: list[int], rows: list[Floats], floor: float, apart: Collection[Pair]) -> Iterator[list[int]]:
    """Those of a part who are alike on average."""
    distances = np.maximum(1.0 - _averages(rows), 0.0)
    np.fill_diagonal(distances, 0.0)
    place = {one: at for at, one in enumerate(part)}
    for first, second in apart:
        if first in place and second in place:
            at, other = place[first], place[second]
            distances[at, other] = distances[other, at] = _APART * len(part)
    made = AgglomerativeClustering(
        n_clusters=None, metric="precomputed", linkage="average", distance_threshold=1.0 - floor
    ).fit(distances)
    groups: dict[int, list[int]] = defaultdict(list)
    for one, label in zip(part, made.labels_.tolist(), strict=True):
        groups[label].append(one)
    yield from groups.values()


def _averages(rows: list[Floats]) -> npt.NDArray[np.float64]:
    """The average similarity of all pairs of templates of each two: 1 - |a - b|**2 / 2, by its parts."""
    middles = np.stack([one.astype(np.float64).mean(axis=0) for one in rows])
    lengths = np.array([(one.astype(np.float64) ** 2).sum(axis=1).mean() for one in rows])
    return np.asarray(1.0 - (lengths[:, None] + lengths[None, :] - 2.0 * middles @ middles.T) / 2.0)
