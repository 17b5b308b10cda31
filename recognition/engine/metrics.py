"""How often a face recogniser errs: error rates of comparisons, and how far such a rate can be believed.

Words and definitions are those of ISO/IEC 19795-1: FMR is the share of impostor comparisons (two different people)
with similarity >= threshold, FNMR the share of genuine comparisons (one person) below it; a DET curve joins both over
all thresholds, EER is the rate at which they are equal. AUC is the probability that a genuine comparison scores
higher than an impostor one, ties counting half (Hanley and McNeil, 1982). Intervals of a share: Clopper and Pearson
(1934); where no error was seen its one-sided upper end is the "rule of three", 3/n at 95 % (ISO/IEC 19795-1, annex B).

Shapes: similarities (n,) float64, higher is more alike; -inf stands for a comparison that could not be made because a
photo gave no template, so that it never matches (as the NIST FRTE reports count a failure to make a template). Weights
(n,) float64 count a comparison several times or not at all: a bootstrap needs them.
Errors: ShapeError for NaN, +inf, or arrays that do not fit together. A rate of nothing is NaN.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from recognition.engine.errors import ShapeError

Scores = npt.NDArray[np.float64]

LEVEL = 0.95  # of every interval


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Det:
    """FMR and FNMR at every threshold that makes a difference, thresholds rising from -inf to +inf."""

    thresholds: Scores  # (k,), every distinct similarity between -inf and +inf
    fmr: Scores  # (k,) falling from 1 to 0, NaN without impostor comparisons
    fnmr: Scores  # (k,) rising from 0 to 1, NaN without genuine comparisons

    @property
    def is_complete(self) -> bool:
        """Whether there were comparisons of both kinds."""
        return not (math.isnan(self.fmr[0]) or math.isnan(self.fnmr[0]))


def share_at_least(scores: npt.ArrayLike, threshold: float, weights: npt.ArrayLike | None = None) -> float:
    """The share of scores >= threshold."""
    values, counts = _checked(scores, weights)
    total = float(counts.sum())
    return float(counts[values >= threshold].sum()) / total if total > 0 else math.nan


def false_match_rate(impostor: npt.ArrayLike, threshold: float) -> float:
    """FMR: the share of impostor comparisons that match."""
    return share_at_least(impostor, threshold)


def false_non_match_rate(genuine: npt.ArrayLike, threshold: float) -> float:
    """FNMR: the share of genuine comparisons that do not match."""
    values, _ = _checked(genuine, None)
    return float((values < threshold).mean()) if len(values) else math.nan


def accuracy(genuine: npt.ArrayLike, impostor: npt.ArrayLike, threshold: float) -> float:
    """The share of all comparisons that are decided rightly; it depends on how many of each kind there are."""
    same, _ = _checked(genuine, None)
    different, _ = _checked(impostor, None)
    right = int((same >= threshold).sum()) + int((different < threshold).sum())
    total = len(same) + len(different)
    return right / total if total else math.nan


def det(
    genuine: npt.ArrayLike,
    impostor: npt.ArrayLike,
    *,
    genuine_weights: npt.ArrayLike | None = None,
    impostor_weights: npt.ArrayLike | None = None,
) -> Det:
    """The error rates at every threshold."""
    same, same_counts = _checked(genuine, genuine_weights)
    different, different_counts = _checked(impostor, impostor_weights)
    thresholds = np.unique(np.concatenate([same, different, [-math.inf, math.inf]]))
    strangers, all_strangers = _below(different, different_counts, thresholds)
    mates, all_mates = _below(same, same_counts, thresholds)
    # Counted before it is divided: 1 - 19/20 is a little more than 1/20, and so not "at most 0.05".
    return Det(thresholds=thresholds, fmr=(all_strangers - strangers) / all_strangers, fnmr=mates / all_mates)


def equal_error_rate(curve: Det) -> float:
    """EER, on the straight line between the two neighbouring points where FMR and FNMR cross."""
    if not curve.is_complete:
        return math.nan
    gap = curve.fnmr - curve.fmr  # rises from -1 to 1
    after = int(np.argmax(gap >= 0))
    if gap[after] == 0:
        return float(curve.fmr[after])
    before = after - 1
    part = -gap[before] / (gap[after] - gap[before])
    return float(curve.fmr[before] + part * (curve.fmr[after] - curve.fmr[before]))


def area_under_roc(curve: Det) -> float:
    """AUC: how often a genuine comparison scores higher than an impostor one, ties counting half."""
    if not curve.is_complete:
        return math.nan
    widths = -np.diff(curve.fmr)
    hits = 1 - curve.fnmr
    return float(np.sum(widths * (hits[:-1] + hits[1:]) / 2))


def threshold_for(curve: Det, fmr: float) -> float:
    """The lowest threshold at which FMR is at most this; +inf where only "nobody ever matches" keeps to it."""
    if math.isnan(curve.fmr[0]):
        return math.nan
    return float(curve.thresholds[int(np.argmax(curve.fmr <= fmr))])


def fnmr_at(curve: Det, fmr: float) -> float:
    """FNMR at the lowest threshold at which FMR is at most this."""
    if not curve.is_complete:
        return math.nan
    return float(curve.fnmr[int(np.argmax(curve.fmr <= fmr))])


def share_interval(errors: int, trials: int, level: float = LEVEL) -> tuple[float, float]:
    """Where the true share lies when `errors` of `trials` independent trials went wrong (Clopper-Pearson).

    With no error (or nothing but errors) the interval has one side and all of the level: 0 of n gives
    1 - (1 - level)**(1/n), which is 3/n at 95 %. Comparisons that share a person are not independent: for them the
    true interval is wider.
    """
    if not 0 <= errors <= trials:
        raise ShapeError(f"{errors} errors in {trials} trials are not possible")
    if trials == 0:
        return 0.0, 1.0
    if errors == 0:
        return 0.0, 1 - (1 - level) ** (1 / trials)
    if errors == trials:
        return (1 - level) ** (1 / trials), 1.0
    tail = (1 - level) / 2
    low = float(betaincinv(errors, trials - errors + 1, tail))
    high = float(betaincinv(errors + 1, trials - errors, 1 - tail))
    return low, high


def upper_limit(errors: float, trials: int, level: float = LEVEL) -> float:
    """The share that is not exceeded, at this level of trust, when `errors` of `trials` went wrong (one side).

    Between whole numbers of errors it is interpolated by the same formula.
    """
    if errors >= trials:
        return 1.0
    return float(betaincinv(errors + 1, trials - errors, level))


def trials_needed(rate: float) -> int:
    """How many trials a rate needs before anything can be said about it: the rule of three."""
    return math.ceil(3 / rate - 1e-9)


def _checked(scores: npt.ArrayLike, weights: npt.ArrayLike | None) -> tuple[Scores, Scores]:
    values = np.asarray(scores, np.float64)
    if values.ndim != 1 or np.isnan(values).any() or (values == math.inf).any():
        raise ShapeError(f"similarities must be a row of numbers below infinity, got shape {values.shape}")
    if weights is None:
        return values, np.ones(len(values))
    counts = np.asarray(weights, np.float64)
    if counts.shape != values.shape or not np.isfinite(counts).all() or (counts < 0).any():
        raise ShapeError(f"{len(values)} similarities need as many weights of 0 or more, got shape {counts.shape}")
    return values, counts


def _below(values: Scores, counts: Scores, thresholds: Scores) -> tuple[Scores, float]:
    """How many of the values lie below each threshold, and how many there are; NaN of none."""
    order = np.argsort(values, kind="stable")
    total = np.concatenate([[0.0], np.cumsum(counts[order])])
    below: Scores = total[np.searchsorted(values[order], thresholds, side="left")]
    return below, float(total[-1]) if total[-1] > 0 else math.nan
