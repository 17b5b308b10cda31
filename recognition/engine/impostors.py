"""What a similarity is worth: how many strangers score as high by chance.

A curve holds, for some rising similarities, the share of comparisons of two different people that scored at least
that (FMR, ISO/IEC 19795-1). Between its points the logarithm of the share is interpolated. It knows how many
comparisons it rests on and says no more than they support: every answer is the upper end of a one-sided 95 %
Clopper-Pearson interval, which is close to the share where many scored as high, and 3/n beyond the highest score (the
rule of three). Where fewer than `SEEN` scored as high it is marked "at most".

For a search every template of the list is one more chance: FPIR = 1 - (1 - FMR)**n, with n templates taken as if they
were independent. Templates of one person are not, so that this is rather too high than too low.

Comparisons of few people share their people and vary more than as many independent ones: a curve is as good as its
source, which it names.
Shapes: similarities (k,) float64 rising, rates (k,) float64 falling, k <= 200.
Errors: ShapeError for anything else.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recognition.engine.errors import ShapeError
from recognition.engine.metrics import Scores, upper_limit

MAX_POINTS = 200
SEEN = 8  # so many scores as high make a rate that is known to about a factor of two
_EXACT = 40  # so many of the highest scores are kept one by one
_THINNED = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share of strangers, rather too high than too low; `at_most` where only an upper limit is known."""

    value: float
    at_most: bool

    @property
    def says_nothing(self) -> bool:
        return self.value > 0.5

    def odds(self) -> str:
        """The share as people say it, to be followed by "strangers"."""
        if self.says_nothing:
            return "an unknown number of" if self.at_most else "most"
        return f"{'fewer than' if self.at_most else 'about'} 1 in {_about(1 / self.value, down=self.at_most):,}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImpostorCurve:
    """The share of comparisons of different people that score at least so high."""

    similarities: Scores  # (k,) rising
    rates: Scores  # (k,) falling, above 0
    comparisons: int
    source: str = ""

    def __post_init__(self) -> None:
        scores, rates = self.similarities, self.rates
        fits = scores.ndim == 1 and scores.shape == rates.shape and 0 < len(scores) <= MAX_POINTS
        if not fits or not (np.isfinite(scores).all() and np.isfinite(rates).all()):
            raise ShapeError(f"an impostor curve needs 1 to {MAX_POINTS} similarities and as many rates")
        if (np.diff(scores) <= 0).any() or (np.diff(rates) > 0).any() or rates[-1] <= 0 or rates[0] > 1:
            raise ShapeError("an impostor curve's similarities must rise, and its rates fall from at most 1, above 0")
        if self.comparisons < 1:
            raise ShapeError("an impostor curve must say on how many comparisons it rests")

    @classmethod
    def from_scores(cls, scores: npt.ArrayLike, *, source: str = "") -> "ImpostorCurve":
        """The curve of these similarities of different people: the highest ones exactly, the others thinned."""
        ordered = np.sort(np.asarray(scores, np.float64))[::-1]
        if ordered.ndim != 1 or len(ordered) == 0 or not np.isfinite(ordered).all():
            raise ShapeError("an impostor curve needs at least one finite similarity")
        count = len(ordered)
        dense = np.arange(1, min(_EXACT, count) + 1)
        thinned = np.geomspace(dense[-1], count, _THINNED).round().astype(np.int64)
        kept = np.unique(ordered[np.unique(np.concatenate([dense, thinned])) - 1])
        at_least = count - np.searchsorted(ordered[::-1], kept, side="left")
        return cls(similarities=kept, rates=at_least / count, comparisons=count, source=source)

    @classmethod
    def from_table(cls, table: Mapping[str, object]) -> "ImpostorCurve":
        """The curve of a manifest's [impostors] table: similarities, rates, comparisons, source."""
        unknown = set(table) - {"similarities", "rates", "comparisons", "source"}
        if unknown:
            raise ShapeError(f"an impostor curve has no {', '.join(sorted(unknown))}")
        comparisons, source = table.get("comparisons"), table.get("source", "")
        if not isinstance(comparisons, int) or isinstance(comparisons, bool) or not isinstance(source, str):
            raise ShapeError("an impostor curve needs `comparisons`, a whole number, and `source`, a text")
        return cls(
            similarities=_numbers(table, "similarities"),
            rates=_numbers(table, "rates"),
            comparisons=comparisons,
            source=source,
        )

    def to_toml(self) -> str:
        """The [impostors] table of a manifest as `from_table` reads it, rounded so that no rate becomes lower."""
        source = self.source.replace("\\", "\\\\").replace('"', '\\"')
        lines = ["[impostors]", f'source = "{source}"', f"comparisons = {self.comparisons}"]
        for name, values in zip(("similarities", "rates"), self._rounded(), strict=True):
            rows = [", ".join(f"{value:.9g}" for value in values[at : at + 8]) for at in range(0, len(values), 8)]
            lines += [f"{name} = [", *(f"  {row}," for row in rows), "]"]
        return "\n".join(lines) + "\n"

    def _rounded(self) -> tuple[list[float], list[float]]:
        """Similarities and rates with as many digits as are worth keeping, each rate rounded up."""
        points: dict[float, float] = {}
        for score, rate in zip(self.similarities, self.rates, strict=True):
            points.setdefault(round(float(score), 7), min(1.0, math.ceil(float(rate) * 1e9) / 1e9))
        return list(points), list(points.values())

    def fmr(self, similarity: float) -> Share:
        """The share of strangers that score at least this in one comparison."""
        seen = self._interpolated(similarity) * self.comparisons
        return Share(value=upper_limit(seen, self.comparisons), at_most=seen < SEEN - 0.5)

    def fpir(self, similarity: float, templates: int) -> Share:
        """The share of strangers for whom a search among so many templates finds somebody that scores this."""
        one = self.fmr(similarity)
        return Share(value=of_search(one.value, templates), at_most=one.at_most)

    def threshold(self, fpir: float, templates: int) -> float | None:
        """The lowest similarity that keeps to this FPIR, or None where the curve does not reach so far."""
        if templates < 1:
            return None
        low, high = float(self.similarities[0]), float(self.similarities[-1]) + 1e-6
        if self.fpir(high, templates).value > fpir:
            return None
        for _ in range(60):  # fpir falls with the similarity
            middle = (low + high) / 2
            low, high = (low, middle) if self.fpir(middle, templates).value <= fpir else (middle, high)
        return high

    def sentence(self, similarity: float, templates: int) -> str:
        """What this similarity means against a list of so many templates, for people."""
        if templates < 1:
            return "The list is empty: there is nobody to be taken for."
        share = self.fpir(similarity, templates)
        text = f"{share.odds().capitalize()} strangers would score this high against a list of this size \
({photos(templates)})"
        if share.says_nothing:
            return f"{text}: it says nothing."
        return f"{text}; more is not known." if share.at_most else f"{text}."

    def _interpolated(self, similarity: float) -> float:
        """The share by the points alone: 1 below them all, 0 above them all."""
        if math.isnan(similarity):
            raise ShapeError("NaN is no similarity")
        if similarity > self.similarities[-1]:
            return 0.0
        if similarity <= self.similarities[0]:
            return float(self.rates[0]) if similarity == self.similarities[0] else 1.0
        return float(np.exp(np.interp(similarity, self.similarities, np.log(self.rates))))


def photos(count: int) -> str:
    """So many photos, in words."""
    return "1 photo" if count == 1 else f"{count:,} photos"


def of_search(fmr: float, templates: int) -> float:
    """FPIR of a search among so many templates, each of which matches with this FMR."""
    return -math.expm1(templates * math.log1p(-fmr)) if fmr < 1 else 1.0


def of_comparison(fpir: float, templates: int) -> float:
    """The FMR that makes this FPIR in a search among so many templates."""
    return -math.expm1(math.log1p(-fpir) / templates)


def _about(odds: float, *, down: bool) -> int:
    """Odds with two digits, as people can take them in; downwards where they are a limit."""
    if odds < 10:
        return max(1, math.floor(odds) if down else round(odds))
    unit = int(10 ** (math.floor(math.log10(odds)) - 1))
    return (math.floor(odds / unit) if down else round(odds / unit)) * unit


def _numbers(table: Mapping[str, object], name: str) -> Scores:
    values = table.get(name)
    if not isinstance(values, list) or not all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    ):
        raise ShapeError(f"an impostor curve needs `{name}`, a list of numbers")
    return np.array(values, np.float64)
