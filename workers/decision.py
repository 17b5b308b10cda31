"""Decides who a track is, from several looks at the face and never from one frame alone.

The best looks by quality are kept; their quality-weighted mean is searched. A track is *known* when the best candidate
reaches the person's threshold and leads the second by the pack's margin, on at least MIN_LOOKS looks, or on one that
is above the threshold by SURE. It is *unknown* after ENOUGH_LOOKS looks without that, or when it ends. A name that was
given stays until the evidence falls below the threshold by KEEP, so that nothing flickers. A decision is *firm* when
enough looks agree on it so clearly that only a contradiction would change it: known on ENOUGH_LOOKS looks, or on
MIN_LOOKS by SURE; unknown on ENOUGH_LOOKS looks that miss by SURE, or on KEEP_LOOKS of any kind. SURE and KEEP are
parts of the way from the pack's threshold to 1, so that they hold for packs whose similarities differ.

Looks are embeddings of one pack. When another pack comes into use they are dropped, because nothing compares across
packs; what was decided with them stays until ENOUGH_LOOKS looks with the new pack, or fewer clear ones, decide anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from cameras.models import Verdict
from recognition.engine import Embedding, fuse
from recognition.gallery import Snapshot

KEEP_LOOKS = 10
MIN_LOOKS = 2
ENOUGH_LOOKS = 4
SURE = 0.246  # 0.04 with the pack `compact`
KEEP = 0.092  # 0.015


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Who a track is, as far as is known. `similarity` is the best candidate's, also when it is not enough."""

    verdict: Verdict = Verdict.UNDECIDED
    person: int | None = None
    similarity: float | None = None
    threshold: float | None = None
    pack: str = ""  # the version whose similarities these are; empty before the first search
    template: int | None = field(default=None, compare=False)  # the best candidate's that resembles it most
    firm: bool = field(default=False, compare=False)  # nothing but a contradiction will change it


@dataclass(slots=True)
class Evidence:
    """The best looks at one face: embeddings with their qualities, best first.

    `anew`: the decision so far comes from looks with another pack, which were dropped.
    """

    looks: list[tuple[float, Embedding]] = field(default_factory=list)
    count: int = 0
    anew: bool = False

    def add(self, embedding: Embedding, quality: float) -> None:
        """Takes a look in; only the KEEP_LOOKS best are kept."""
        self.count += 1
        self.looks.append((quality, embedding))
        self.looks.sort(key=lambda look: -look[0])
        del self.looks[KEEP_LOOKS:]

    def mean(self) -> Embedding | None:
        """The quality-weighted mean embedding, or None without any look."""
        if not self.looks:
            return None
        return fuse(
            np.stack([look for _, look in self.looks]), np.array([quality for quality, _ in self.looks], np.float32)
        )


def decide_track(
    evidence: Evidence, snapshot: Snapshot, before: Decision, *, taken: frozenset[int], ended: bool
) -> Decision:
    """The decision on the evidence so far. `taken`: people whom a better track of the same moment is already."""
    probe = evidence.mean()
    if probe is None:
        if before.person in taken:
            return Decision(pack=snapshot.pack.version)
        undecided = before.verdict is Verdict.UNDECIDED
        return Decision(verdict=Verdict.UNKNOWN, pack=snapshot.pack.version) if ended and undecided else before
    way = 1.0 - snapshot.pack_threshold
    candidates = snapshot.search(probe, top=2)
    best = candidates[0] if candidates else None
    seen = Decision(
        similarity=best.similarity if best else None,
        threshold=snapshot.threshold(best.person) if best else None,
        pack=snapshot.pack.version,
        template=best.template if best else None,
    )
    match = snapshot.decide(candidates)
    if match is not None and match.person not in taken:
        sure = match.similarity >= snapshot.threshold(match.person) + SURE * way
        if evidence.count >= MIN_LOOKS or sure or before.person == match.person:
            return replace(
                seen,
                verdict=Verdict.KNOWN,
                person=match.person,
                firm=evidence.count >= (MIN_LOOKS if sure else ENOUGH_LOOKS),
            )
    keeps = best is not None and before.person == best.person and best.person not in taken
    if keeps and best is not None and best.similarity >= snapshot.threshold(best.person) - KEEP * way:
        return replace(seen, verdict=Verdict.KNOWN, person=best.person)
    if ended or evidence.count >= ENOUGH_LOOKS:
        misses = best is None or best.similarity < snapshot.threshold(best.person) - SURE * way
        firm = evidence.count >= (ENOUGH_LOOKS if misses else KEEP_LOOKS)
        # A name that another track has now may become free.
        return replace(seen, verdict=Verdict.UNKNOWN, firm=firm and (match is None or match.person not in taken))
    stays = evidence.anew and before.pack != seen.pack and before.person not in taken
    return before if stays else seen
