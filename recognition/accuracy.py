"""How well a model pack tells people apart, measured on photos whose people are known.

Every photo goes through the pack as it would at enrolment; of several faces the largest counts. A photo without a
face is a failure of the pack, and counts as the NIST FRTE reports count it: its comparisons and searches never match,
which is a false non-match (or a missed search) where they should have. The report also gives the rates of what could
be compared. A file that is no photo says nothing about the pack: it is left out and listed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recognition.engine import Image, Pack, PhotoError, decode_photo
from recognition.engine import metrics as m
from recognition.engine.metrics import Det, Scores
from recognition.engine.protocol import (
    Comparisons,
    Flags,
    PersonScore,
    Searches,
    all_pairs,
    draws,
    listed_pairs,
    searches,
)
from recognition.engine.types import Floats
from recognition.labelled import LabelError, Labelled

FMR_TARGETS = (1e-2, 1e-3)
FPIR_TARGETS = (1e-1, 1e-2, 1e-3)
ROUNDS = 500
_WORK = 200_000_000  # comparisons that all bootstrap rounds together may look at
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    photo: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Embedded:
    """The photos of a set as a pack sees them."""

    embeddings: Floats  # (n, d), NaN rows where no face was found
    readable: tuple[bool, ...]
    unreadable: tuple[Unreadable, ...]
    several: int  # photos with more than one face


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share with its 95 % interval. `errors` of `trials`, where they are counts."""

    value: float
    low: float
    high: float
    errors: int
    trials: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AtRate:
    """A miss rate at the threshold that keeps the false alarms at `target`; None with fewer than `needs` trials."""

    target: float
    rate: Rate | None
    threshold: float
    trials: int  # that decide about false alarms
    needs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchReport:
    """The open-set protocol, leave-one-out."""

    gallery: int
    mated: int
    non_mated: int
    fnir: Rate  # as deployed: the pack's threshold and its lead over the second
    fpir: Rate
    fnir_at: tuple[AtRate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupReport:
    """Error rates within one group; intervals by Clopper and Pearson."""

    name: str
    fmr: Rate
    fnmr: Rate


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Report:
    """Everything that is said about one pack on one set of photos."""

    pack: str
    version: str
    threshold: float
    photos: int
    people: int
    not_found: tuple[str, ...]
    unreadable: tuple[Unreadable, ...]
    several: int
    pairs: int
    genuine: int
    impostor: int
    drawn_from: int
    auc: Rate
    eer: Rate
    fmr: Rate
    fnmr: Rate
    fnmr_compared: Rate  # without photos in which no face was found
    accuracy: float
    fnmr_at: tuple[AtRate, ...]
    search: SearchReport | None
    search_by_mean: SearchReport | None
    groups: tuple[GroupReport, ...]
    rounds: int
    curve: Det
    impostors: Scores  # finite similarities of different people


def embed_photos(pack: Pack, photos: Iterable[Path], *, max_bytes: int, progress: Progress | None = None) -> Embedded:
    """What the pack makes of each photo. Raises engine.ModelError where the pack can not run."""
    rows: list[Floats] = []
    readable: list[bool] = []
    unreadable: list[Unreadable] = []
    several = 0
    paths = list(photos)
    for number, path in enumerate(paths, start=1):
        row = np.full(pack.dimension, np.nan, np.float32)
        try:
            faces = pack.analyse(_decoded(path, max_bytes))
        except PhotoError as error:
            unreadable.append(Unreadable(photo=str(number - 1), why=error.message))
            readable.append(False)
        else:
            readable.append(True)
            several += len(faces) > 1
            row = faces[0].embedding if faces else row
        rows.append(row)
        if progress is not None:
            progress(number, len(paths))
    return Embedded(
        embeddings=np.array(rows, np.float32).reshape(-1, pack.dimension),
        readable=tuple(readable),
        unreadable=tuple(unreadable),
        several=several,
    )


def measure(pack: Pack, labelled: Labelled, embedded: Embedded) -> Report:
    """The report on one pack. Raises LabelError where nothing can be compared."""
    kept = np.array(embedded.readable, bool)
    comparisons, people, kept_searches = _compared(labelled, embedded, kept)
    scores, genuine = comparisons.similarities, comparisons.genuine
    same, different = scores[genuine], scores[~genuine]
    curve = m.det(same, different)
    rounds = max(20, min(ROUNDS, _WORK // max(1, len(scores))))
    spread = _spread(comparisons, kept_searches, people, pack, rounds)
    found = comparisons.compared[genuine]
    return Report(
        pack=pack.name,
        version=pack.version,
        threshold=pack.threshold,
        photos=int(kept.sum()),
        people=people,
        not_found=_not_found(labelled, embedded, kept),
        unreadable=tuple(Unreadable(photo=labelled.names[int(u.photo)], why=u.why) for u in embedded.unreadable),
        several=embedded.several,
        pairs=len(scores),
        genuine=len(same),
        impostor=len(different),
        drawn_from=comparisons.drawn_from,
        auc=_auc(curve, spread["auc"], same, different),
        eer=_eer(curve, spread["eer"], same, different),
        fmr=_counted(different >= pack.threshold, spread["fmr"]),
        fnmr=_counted(same < pack.threshold, spread["fnmr"]),
        fnmr_compared=_counted((same < pack.threshold)[found], spread["fnmr_compared"]),
        accuracy=m.accuracy(same, different, pack.threshold),
        fnmr_at=_at_rates(FMR_TARGETS, same, different, spread, "fnmr@{}"),
        search=_search(kept_searches.get(PersonScore.BEST), pack, spread, PersonScore.BEST),
        search_by_mean=_search(kept_searches.get(PersonScore.MEAN), pack, spread, PersonScore.MEAN),
        groups=_groups(labelled, embedded, kept, pack.threshold),
        rounds=rounds,
        curve=curve,
        impostors=different[np.isfinite(different)],
    )


Found = dict[PersonScore, Searches]
Spread = dict[str, tuple[float, float]]


def _decoded(path: Path, max_bytes: int) -> Image:
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        reason = "There is no such file" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
        raise PhotoError("unreadable", f"{reason}. Check the path and the permissions.") from None
    return decode_photo(data, max_bytes=max_bytes)


def _compared(labelled: Labelled, embedded: Embedded, kept: Flags) -> tuple[Comparisons, int, Found]:
    """All comparisons that the set allows, how many people they show, and the searches of a folder."""
    if labelled.is_list:
        usable = [pair for pair in labelled.pairs if kept[pair.first] and kept[pair.second]]
        if not usable:
            raise LabelError("No pair can be compared: none has two photos that can be read.")
        ends = np.array([(pair.first, pair.second) for pair in usable], np.int64)
        comparisons, people = listed_pairs(embedded.embeddings, ends, np.array([pair.same for pair in usable]))
        return comparisons, people, {}
    if kept.sum() < 2:
        raise LabelError(f"Only {int(kept.sum())} photos can be read; two are needed.")
    rows = embedded.embeddings[kept]
    names, persons = np.unique(np.array(labelled.persons, np.int64)[kept], return_inverse=True)
    comparisons = all_pairs(rows, persons)
    found = {by: searches(rows, persons, by=by) for by in PersonScore} if comparisons.genuine.any() else {}
    return comparisons, len(names), found


def _spread(comparisons: Comparisons, found: Found, people: int, pack: Pack, rounds: int) -> Spread:
    """The 95 % interval of every rate, by drawing people again and again."""
    seen: dict[str, list[float]] = {}
    comparisons = _sorted(comparisons)
    scores, genuine, compared = comparisons.similarities, comparisons.genuine, comparisons.compared
    low, high = scores < pack.threshold, scores >= pack.threshold
    for drawn in draws(people, rounds):
        weights = comparisons.weights(drawn)
        same, different = weights[genuine], weights[~genuine]
        curve = m.det(scores[genuine], scores[~genuine], genuine_weights=same, impostor_weights=different)
        values = {
            "auc": m.area_under_roc(curve),
            "eer": m.equal_error_rate(curve),
            "fmr": _share(high[~genuine], different),
            "fnmr": _share(low[genuine], same),
            "fnmr_compared": _share((low & compared)[genuine], same * compared[genuine]),
        } | {f"fnmr@{target}": m.fnmr_at(curve, target) for target in FMR_TARGETS}
        for by, search in found.items():
            values |= _search_values(search, drawn, pack, by)
        for name, value in values.items():
            seen.setdefault(name, []).append(value)
    return {name: _interval(values) for name, values in seen.items()}


def _sorted(comparisons: Comparisons) -> Comparisons:
    """The same by rising similarity: then no round has to sort anew."""
    order = np.argsort(comparisons.similarities, kind="stable")
    return Comparisons(
        similarities=comparisons.similarities[order],
        genuine=comparisons.genuine[order],
        first=comparisons.first[order],
        second=comparisons.second[order],
        drawn_from=comparisons.drawn_from,
    )


def _search_values(search: Searches, drawn: Scores, pack: Pack, by: PersonScore) -> dict[str, float]:
    probes = drawn[search.persons]
    mated = probes[search.mated]
    curve = m.det(search.mate_found, search.rival, genuine_weights=mated, impostor_weights=probes)
    return {
        f"fnir {by}": _share(search.missed(pack.threshold, pack.margin), mated),
        f"fpir {by}": _share(search.alarmed(pack.threshold, pack.margin), probes),
    } | {f"fnir@{target} {by}": m.fnmr_at(curve, target) for target in FPIR_TARGETS}


def _search(search: Searches | None, pack: Pack, spread: Spread, by: PersonScore) -> SearchReport | None:
    if search is None:
        return None
    return SearchReport(
        gallery=search.gallery,
        mated=int(search.mated.sum()),
        non_mated=len(search.rival),
        fnir=_counted(search.missed(pack.threshold, pack.margin), spread[f"fnir {by}"]),
        fpir=_counted(search.alarmed(pack.threshold, pack.margin), spread[f"fpir {by}"]),
        fnir_at=_at_rates(FPIR_TARGETS, search.mate_found, search.rival, spread, f"fnir@{{}} {by}"),
    )


def _at_rates(
    targets: tuple[float, ...], same: Scores, different: Scores, spread: Spread, name: str
) -> tuple[AtRate, ...]:
    """The miss rate at each target that so many comparisons can speak of; `name` is that of its interval."""
    curve = m.det(same, different)
    found = []
    for target in targets:
        threshold = m.threshold_for(curve, target)
        measurable = len(different) >= m.trials_needed(target) and len(same) > 0
        found.append(
            AtRate(
                target=target,
                rate=_counted(same < threshold, spread[name.format(target)]) if measurable else None,
                threshold=threshold,
                trials=len(different),
                needs=m.trials_needed(target),
            )
        )
    return tuple(found)


def _groups(labelled: Labelled, embedded: Embedded, kept: Flags, threshold: float) -> tuple[GroupReport, ...]:
    """Rates within each group: of a list's pairs by their column, of a folder's people among their own group."""
    found: dict[str, Comparisons] = {}
    if labelled.is_list:
        for name in sorted({pair.group for pair in labelled.pairs} - {""}):
            chosen = [p for p in labelled.pairs if p.group == name and kept[p.first] and kept[p.second]]
            ends = np.array([(p.first, p.second) for p in chosen], np.int64).reshape(-1, 2)
            found[name], _ = listed_pairs(embedded.embeddings, ends, np.array([p.same for p in chosen], bool))
    else:
        groups = np.array(labelled.groups)
        for name in sorted(set(labelled.groups) - {""}):
            inside = kept & (groups == name)
            found[name] = all_pairs(embedded.embeddings[inside], np.array(labelled.persons, np.int64)[inside])
    return tuple(
        GroupReport(
            name=name,
            fmr=_counted(c.similarities[~c.genuine] >= threshold, None),
            fnmr=_counted(c.similarities[c.genuine] < threshold, None),
        )
        for name, c in found.items()
    )


def _not_found(labelled: Labelled, embedded: Embedded, kept: Flags) -> tuple[str, ...]:
    """The photos that could be read and show no face."""
    return tuple(
        name
        for name, row, readable in zip(labelled.names, embedded.embeddings, kept, strict=True)
        if readable and np.isnan(row).any()
    )


def _counted(wrong: Flags, interval: tuple[float, float] | None) -> Rate:
    """A share of counted errors. Where none or all went wrong, drawing again shows nothing: Clopper-Pearson does."""
    errors, trials = int(wrong.sum()), len(wrong)
    if interval is None or errors in (0, trials) or math.isnan(interval[0]):
        interval = m.share_interval(errors, trials)
    value = errors / trials if trials else math.nan
    return Rate(value=value, low=interval[0], high=interval[1], errors=errors, trials=trials)


def _eer(curve: Det, interval: tuple[float, float], same: Scores, different: Scores) -> Rate:
    value, trials = m.equal_error_rate(curve), min(len(same), len(different))
    if value == 0:  # drawing again shows nothing; of the rarer kind it may be any share that was not seen
        interval = m.share_interval(0, trials)
    return Rate(value=value, low=interval[0], high=interval[1], errors=0, trials=trials)


def _auc(curve: Det, interval: tuple[float, float], same: Scores, different: Scores) -> Rate:
    value, trials = m.area_under_roc(curve), min(len(same), len(different))
    if value == 1:
        interval = 1 - m.share_interval(0, trials)[1], 1.0
    return Rate(value=value, low=interval[0], high=interval[1], errors=0, trials=trials)


def _share(wrong: Flags, weights: Scores) -> float:
    total = float(weights.sum())
    return float(weights[wrong].sum()) / total if total > 0 else math.nan


def _interval(values: list[float]) -> tuple[float, float]:
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return math.nan, math.nan
    tail = 100 * (1 - m.LEVEL) / 2
    low, high = np.percentile(known, (tail, 100 - tail))
    return float(low), float(high)
