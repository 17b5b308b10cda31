"""What strangers score in this deployment, and the threshold that keeps false alarms rare at the gallery's size.

The gallery knows something about strangers: every template is a photo of somebody who is none of the others, so all
its cross-person similarities are impostor scores, made with this site's cameras, people and photos. Of a large gallery
a sample of people is taken, the same one until the gallery changes.

What so many scores support is said, and nothing else: an FPIR at gallery size n asks for an FMR of about FPIR / n, and
a rate needs three times as many comparisons as one over it (the rule of three). Where there are fewer, the tail of the
scores is extended as an exponential one (peaks over threshold, Pickands, 1975; the shape is set to 0, which for
scores that can not exceed 1 errs towards a higher threshold), and the proposal is marked as extrapolated.
Two enrolled people who are one person in truth spoil it: the nearest pairs are named so that somebody can look.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from django.db.models import Count, Max, Min

from accounts import vault
from recognition.engine import ImpostorCurve, Share
from recognition.engine.impostors import of_comparison, of_search
from recognition.engine.metrics import Scores, trials_needed
from recognition.engine.protocol import all_pairs
from recognition.gallery import template_bind
from recognition.models import Template

MIN_PEOPLE = 10  # of fewer one look-alike decides everything
MIN_OWN_PEOPLE, MIN_OWN_COMPARISONS = 50, 10_000  # from here on the pages use the deployment's own curve
_TAIL = 0.1
_MIN_TAIL = 30
_NEAREST = 5
_LOOKED_AT = 4  # times as many as are taken: some ids belong to nobody any more


class Support(StrEnum):
    """How far a proposal can be believed."""

    MEASURED = "measured"
    EXTRAPOLATED = "extrapolated"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAlike:
    """Two enrolled people (the lower id first) and their highest similarity."""

    first: int
    second: int
    similarity: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GalleryImpostors:
    """Similarities of templates of different people of the gallery."""

    scores: Scores  # (n,)
    people: int
    templates: int
    nearest: tuple[LookAlike, ...]

    def curve(self) -> ImpostorCurve | None:
        """What strangers score here, or None where nobody was compared."""
        if not len(self.scores):
            return None
        return ImpostorCurve.from_scores(self.scores, source=f"{self.people:,} people of this gallery")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The threshold for an FPIR at a gallery size; None where these scores can not speak of it."""

    fpir: float
    templates: int
    support: Support
    threshold: float | None
    comparisons: int
    needs: int
    strictest: float | None  # the lowest FPIR that is measured rather than extrapolated


def gallery_impostors(pack: str, dimension: int, *, most: int = 5000) -> GalleryImpostors:
    """The similarities of templates of different people, of this version of a pack; at most so many templates."""
    rows, persons = _sample(pack, dimension, most)
    ids, numbers = np.unique(persons, return_inverse=True)
    found = all_pairs(rows, numbers.astype(np.int64))
    apart = ~found.genuine
    scores = found.similarities[apart]
    first, second = ids[found.first[apart]], ids[found.second[apart]]
    best: dict[tuple[int, int], float] = {}
    for at in np.argsort(-scores, kind="stable")[: 50 * _NEAREST]:
        pair = (min(int(first[at]), int(second[at])), max(int(first[at]), int(second[at])))
        best.setdefault(pair, float(scores[at]))
    nearest = tuple(LookAlike(first=a, second=b, similarity=s) for (a, b), s in list(best.items())[:_NEAREST])
    return GalleryImpostors(scores=scores, people=len(ids), templates=len(rows), nearest=nearest)


def propose(scores: Scores, *, people: int, templates: int, fpir: float) -> Proposal:
    """The lowest threshold that keeps to this FPIR in a gallery of so many templates, as far as the scores say."""
    count = len(scores)
    needs = trials_needed(of_comparison(fpir, templates)) if templates else 0
    support, threshold = Support.NONE, None
    if people >= MIN_PEOPLE and templates and count:
        if count >= needs:
            threshold = ImpostorCurve.from_scores(scores).threshold(fpir, templates)
            support = Support.MEASURED if threshold is not None else Support.NONE
        if threshold is None:
            threshold = extended(scores, of_comparison(fpir, templates))
            support = Support.EXTRAPOLATED if threshold is not None else Support.NONE
    return Proposal(
        fpir=fpir,
        templates=templates,
        support=support,
        threshold=threshold,
        comparisons=count,
        needs=needs,
        strictest=of_search(min(1.0, 3 / count), templates) if count and templates else None,
    )


def extended(scores: Scores, fmr: float) -> float | None:
    """The similarity that this share of strangers would reach if the tail of the scores went on exponentially."""
    ordered = np.sort(scores)[::-1]
    taken = max(_MIN_TAIL, int(_TAIL * len(ordered)))
    if taken >= len(ordered):
        return None
    start = float(ordered[taken])
    mean_excess = float((ordered[:taken] - start).mean())
    share = taken / len(ordered)
    if fmr >= share or mean_excess <= 0:
        return None
    return min(1.0, start + mean_excess * math.log(share / fmr))


def estimated_fpir(curve: ImpostorCurve | None, threshold: float, templates: int) -> Share | None:
    """What share of strangers a search among so many templates takes for somebody, at this threshold."""
    return curve.fpir(threshold, templates) if curve is not None and templates else None


def _sample(pack: str, dimension: int, most: int) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float32]], Scores]:
    """Templates (n, dimension) and their people (n,): all of them, or those of people drawn at random."""
    mine = Template.objects.filter(pack=pack)
    random = np.random.default_rng(0)
    first, last, count = mine.aggregate(a=Min("person"), b=Max("person"), c=Count("id")).values()
    if count > _LOOKED_AT * most:  # not even the ids of all are read
        drawn = random.integers(first, last + 1, _LOOKED_AT * most)
        mine = mine.filter(person__in=np.unique(drawn).tolist())
    owners = np.array(mine.order_by("id").values_list("person_id", "id"), np.int64).reshape(-1, 2)
    if len(owners) > most:
        people = np.unique(owners[:, 0])
        rank = random.permutation(len(people))[np.searchsorted(people, owners[:, 0])]
        owners = owners[np.argsort(rank, kind="stable")[:most]]
    templates = Template.objects.filter(id__in=owners[:, 1].tolist()).select_related("person").order_by("id")
    found = list(templates.only("pack", "sealed", "person_id", "person__id"))
    opened = vault.unseal_many([(t.person.scope, t.sealed, template_bind(t.person_id, t.pack)) for t in found])
    rows, persons = [], []
    for template, content in zip(found, opened, strict=True):
        row = np.frombuffer(content, "<f4") if isinstance(content, bytes) else np.zeros(0, np.float32)
        if len(row) == dimension and np.isfinite(row).all():
            rows.append(row)
            persons.append(template.person_id)
    return np.array(rows, np.float32).reshape(-1, dimension), np.array(persons, np.int64)
