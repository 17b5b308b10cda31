"""One search through the segments of a gallery: by codes where a segment has them, then row by row.

A filter that leaves few templates is searched without codes. Where codes are used the shortlist grows with what the
filter leaves out, and is taken again, eight times as long, while it holds fewer people than were asked for (one person
can have thousands of templates); a shortlist that would be a good part of the gallery is not worth it, and all rows
are compared.

Shapes: probes (m, d) float32, masks (n,) bool, true for the rows of a segment that may be found.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from recognition.engine.parts import Layout
from recognition.engine.segment import Candidate, Mask, Segment, rank
from recognition.engine.types import Embedding, Floats

_LONGER = 8
_WORTH = 4  # a shortlist is used while it is shorter than a quarter of the rows
_A_PERSON = 4  # templates in the shortlist for each person that is asked for, at least


class Search:
    """The segments and masks that are searched for the `top` best people."""

    def __init__(self, segments: Sequence[tuple[Segment, Mask | None]], *, layout: Layout, top: int) -> None:
        self._plain = [(one, mask) for one, mask in segments if one.codes is None]
        self._coded = [(one, mask) for one, mask in segments if one.codes is not None]
        self._layout = layout
        self._top = top

    def run(self, probes: Floats) -> list[list[Candidate]]:
        """For each probe the best people, each by their best template, most alike first."""
        plain = [self._compared(probe, self._plain) for probe in probes]
        coded = self._by_codes(probes) if self._coded else [[] for _ in probes]
        return [self._best([*one, *other]) for one, other in zip(plain, coded, strict=True)]

    def _by_codes(self, probes: Floats) -> list[list[Candidate]]:
        rows = sum(len(segment) for segment, _ in self._coded)
        left = sum(len(segment) if mask is None else int(mask.sum()) for segment, mask in self._coded)
        if left <= self._layout.few:
            return [self._compared(probe, self._coded) for probe in probes]
        wanted = max(self._layout.shortlist, _A_PERSON * self._top) * rows // left
        found: list[list[Candidate]] = [[] for _ in probes]
        todo = list(range(len(probes)))
        while todo and wanted * _WORTH < rows:
            for at, candidates in zip(todo, self._from_shortlist(probes[todo], wanted), strict=True):
                found[at] = candidates
            todo = [at for at in todo if len(found[at]) < self._top]
            wanted *= _LONGER
        for at in todo:
            found[at] = self._compared(probes[at], self._coded)
        return found

    def _from_shortlist(self, probes: Floats, wanted: int) -> Iterable[list[Candidate]]:
        nearest = [segment.codes.nearest(probes, wanted) for segment, _ in self._coded if segment.codes is not None]
        owner = np.repeat(np.arange(len(nearest)), [positions.shape[1] for _, positions in nearest])
        distances = np.concatenate([one for one, _ in nearest], axis=1)
        positions = np.concatenate([one for _, one in nearest], axis=1)
        for probe, far, at in zip(probes, distances, positions, strict=True):
            best = np.argpartition(far, wanted - 1)[:wanted] if len(far) > wanted else np.arange(len(far))
            best = best[at[best] >= 0]
            yield self._of_positions(probe, at[best], owner[best])

    def _of_positions(
        self, probe: Embedding, positions: npt.NDArray[np.int64], owner: npt.NDArray[np.intp]
    ) -> list[Candidate]:
        found: list[Candidate] = []
        for number, (segment, mask) in enumerate(self._coded):
            rows = np.sort(positions[owner == number])
            found += segment.compare(probe, rows if mask is None else rows[mask[rows]], top=self._top)
        return self._best(found)

    def _compared(self, probe: Embedding, segments: Sequence[tuple[Segment, Mask | None]]) -> list[Candidate]:
        found: list[Candidate] = []
        for segment, mask in segments:
            if mask is not None and int(mask.sum()) * _WORTH < len(segment):
                found += segment.compare(probe, np.flatnonzero(mask), top=self._top)
            else:
                found += segment.scan(probe, top=self._top, mask=mask)
        return self._best(found)

    def _best(self, candidates: list[Candidate]) -> list[Candidate]:
        """The best of each person, ranked."""
        best: dict[int, Candidate] = {}
        for one in sorted(candidates, key=rank):
            best.setdefault(one.person, one)
        return list(best.values())[: self._top]
