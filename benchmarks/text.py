"""Tables and figures as the benchmarks print them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import quantiles

NONE = "—"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def p50_p95(seconds: Sequence[float]) -> str:
    """Median and 95th percentile in ms; a dash where there are too few."""
    if len(seconds) < 2:
        return NONE
    cuts = quantiles(seconds, n=20, method="inclusive")
    return f"{cuts[9] * 1000:.0f} / {cuts[18] * 1000:.0f} ms"
