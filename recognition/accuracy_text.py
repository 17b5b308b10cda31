"""An accuracy report as text for people and as one JSON object for programs."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from recognition.accuracy import AtRate, GroupReport, Rate, Report, SearchReport

Facts = dict[str, object]
_LISTED = 20


def report_facts(report: Report) -> Facts:
    """The report as JSON takes it: what can not be measured is null. Rates are shares, not percentages."""
    return {
        "pack": report.pack,
        "version": report.version,
        "photos": report.photos,
        "people": report.people,
        "pairs": report.pairs,
        "genuine": report.genuine,
        "impostor": report.impostor,
        "not_found": len(report.not_found),
        "unreadable": len(report.unreadable),
        "several_faces": report.several,
        "threshold": _number(report.threshold),
        "auc": _number(report.auc.value),
        "eer": _number(report.eer.value),
        "fmr": _number(report.fmr.value),
        "fnmr": _number(report.fnmr.value),
        "accuracy": _number(report.accuracy),
        "fnmr_compared": _number(report.fnmr_compared.value),
        "intervals": {
            name: [_number(rate.low), _number(rate.high)]
            for name, rate in (
                ("auc", report.auc),
                ("eer", report.eer),
                ("fmr", report.fmr),
                ("fnmr", report.fnmr),
                ("fnmr_compared", report.fnmr_compared),
            )
        },
        "fnmr_at_fmr": [_at_facts(at, "fmr", "fnmr") for at in report.fnmr_at],
        "search": _search_facts(report.search),
        "search_by_mean": _search_facts(report.search_by_mean),
        "groups": [_group_facts(group) for group in report.groups],
        "bootstrap_rounds": report.rounds,
        "photos_without_face": list(report.not_found),
        "unreadable_photos": [{"photo": each.photo, "why": each.why} for each in report.unreadable],
    }


def report_lines(report: Report) -> Iterator[str]:
    """The report as people read it."""
    people = f" of {report.people:,} people" if report.people else ""
    yield f"Pack {report.version}: {report.photos:,} photos{people}, {report.pairs:,} pairs"
    yield f"  {report.genuine:,} of one person (genuine), {report.impostor:,} of two people (impostor)" + (
        f", drawn from {report.drawn_from:,}" if report.drawn_from > report.impostor else ""
    )
    yield f"  no face found in {len(report.not_found):,}; several faces in {report.several:,}, the largest counts"
    yield ""
    yield "One photo against one"
    yield _row("ROC AUC", _plain(report.auc))
    yield _row("EER", _percent(report.eer))
    yield _row(f"FMR at T {report.threshold:.4f}", rate_text(report.fmr, "impostor pairs"))
    yield _row(f"FNMR at T {report.threshold:.4f}", rate_text(report.fnmr, "genuine pairs"))
    if report.not_found:
        yield _row("FNMR, face found in both", rate_text(report.fnmr_compared, "genuine pairs"))
    yield _row("Accuracy", f"{report.accuracy:.4f} (it depends on how many pairs of each kind there are)")
    for at in report.fnmr_at:
        yield _row(f"FNMR at FMR {at.target:g}", at_text(at, "impostor pairs", "genuine pairs"))
    if report.search is not None:
        yield from _search_lines(report.search, "each person by their best photo")
    if report.search_by_mean is not None:
        yield from _search_lines(report.search_by_mean, "each person by the mean of their photos")
    yield from _group_lines(report.groups)
    yield from _notes(report)


def rate_text(rate: Rate, what: str) -> str:
    """A rate with its interval and what it rests on; 0 is never written as if it were proven."""
    if rate.trials == 0:
        return f"not measurable: there are no {what}"
    of = f"{rate.errors:,} of {rate.trials:,} {what}"
    if rate.errors == 0:
        return f"{of}: below {_share(rate.high)}"
    return f"{_share(rate.value)}, {_share(rate.low)} to {_share(rate.high)} ({of})"


def at_text(at: AtRate, trials: str, what: str) -> str:
    if at.rate is None:
        return f"not measurable with {at.trials:,} {trials} (needs at least {at.needs:,})"
    return f"{rate_text(at.rate, what)}, T {at.threshold:.4f}"


def _search_lines(search: SearchReport, how: str) -> Iterator[str]:
    yield ""
    yield f"Search among N = {search.gallery:,} people, open set, {how}"
    yield _row("FNIR as deployed", rate_text(search.fnir, "mated searches"))
    yield _row("FPIR as deployed", rate_text(search.fpir, "non-mated searches"))
    for at in search.fnir_at:
        yield _row(f"FNIR at FPIR {at.target:g}", at_text(at, "non-mated searches", "mated searches"))


def _group_lines(groups: tuple[GroupReport, ...]) -> Iterator[str]:
    if not groups:
        return
    yield ""
    yield "Within each group, at the pack's threshold"
    for group in groups:
        yield _row(f"{group.name}: FMR", rate_text(group.fmr, "impostor pairs"))
        yield _row(f"{group.name}: FNMR", rate_text(group.fnmr, "genuine pairs"))


def _notes(report: Report) -> Iterator[str]:
    yield ""
    yield (
        f"Intervals: 95 %, {report.rounds} bootstrap rounds over people; where nothing went wrong and within groups "
        "Clopper-Pearson, as if pairs that share people were independent: the truth is less sure."
    )
    if report.not_found:
        yield (
            "A photo without a face never matches: it counts as a false non-match and as a missed search (as NIST FRTE "
            "counts it)."
        )
        yield from _listed("No face was found in:", report.not_found)
    if report.unreadable:
        yield from _listed("Left out, not readable:", [f"{each.photo}: {each.why}" for each in report.unreadable])


def _listed(title: str, names: list[str] | tuple[str, ...]) -> Iterator[str]:
    yield title
    yield from (f"  {name}" for name in names[:_LISTED])
    if len(names) > _LISTED:
        yield f"  and {len(names) - _LISTED:,} more; --json lists all"


def _row(title: str, text: str) -> str:
    return f"  {title:<26} {text}"


def _plain(rate: Rate) -> str:
    if math.isnan(rate.value):
        return "not measurable: it needs pairs of both kinds"
    return f"{rate.value:.4f}, {rate.low:.4f} to {rate.high:.4f}"


def _percent(rate: Rate) -> str:
    if math.isnan(rate.value):
        return "not measurable: it needs pairs of both kinds"
    if rate.value == 0:
        return f"below {_share(rate.high)}: no threshold errs on these pairs"
    return f"{_share(rate.value)}, {_share(rate.low)} to {_share(rate.high)}"


def _share(value: float) -> str:
    """A share as a percentage of two digits."""
    if math.isnan(value):
        return "not known"
    return np.format_float_positional(value * 100, precision=2, fractional=False, trim="-") + " %"


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def _rate_facts(rate: Rate) -> Facts:
    known = rate.trials > 0
    return {
        "value": _number(rate.value),
        "low": _number(rate.low) if known else None,
        "high": _number(rate.high) if known else None,
        "errors": rate.errors,
        "trials": rate.trials,
    }


def _at_facts(at: AtRate, false_alarms: str, misses: str) -> Facts:
    known = at.rate is not None
    return {
        false_alarms: at.target,
        misses: None if at.rate is None else _rate_facts(at.rate),
        "threshold": _number(at.threshold) if known else None,
        "trials": at.trials,
        "needs": at.needs,
    }


def _search_facts(search: SearchReport | None) -> Facts | None:
    if search is None:
        return None
    return {
        "gallery": search.gallery,
        "mated": search.mated,
        "non_mated": search.non_mated,
        "fnir": _rate_facts(search.fnir),
        "fpir": _rate_facts(search.fpir),
        "fnir_at_fpir": [_at_facts(at, "fpir", "fnir") for at in search.fnir_at],
    }


def _group_facts(group: GroupReport) -> Facts:
    return {"group": group.name, "fmr": _rate_facts(group.fmr), "fnmr": _rate_facts(group.fnmr)}
