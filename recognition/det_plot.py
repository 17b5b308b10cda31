"""DET curves as a picture: FNMR over FMR on normal-deviate axes (Martin et al., 1997; ISO/IEC 19795-1).

On such axes the curve of two normal distributions is a straight line, and the small rates that matter have room. The
SVG carries a title and a description for those who can not see it.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from recognition.accuracy import Report
from recognition.accuracy_text import rate_text
from recognition.engine.metrics import Scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".svg", ".png")
_TICKS = (1e-4, 1e-3, 1e-2, 0.05, 0.1, 0.2, 0.4)
_LABELS = ("0.01", "0.1", "1", "5", "10", "20", "40")
_LOW, _HIGH = 5e-5, 0.5
# Told apart by everybody (Okabe and Ito), and by their dashes without any colour.
_LINES = (("#0072B2", "-"), ("#D55E00", "--"), ("#009E73", "-."), ("#CC79A7", ":"))


def draw_det(reports: Sequence[Report], file: Path) -> None:
    """Writes the DET curves of all reports; the suffix says whether as SVG or PNG. Raises OSError, ValueError."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    kind = file.suffix.lower()
    if kind not in SUFFIXES:
        raise ValueError(f"A plot is written as {' or '.join(SUFFIXES)}, not as {kind or 'a file without suffix'}.")
    figure = Figure(figsize=(7, 7), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for number, report in enumerate(reports):
        _draw_curve(axes, report, *_LINES[number % len(_LINES)])
    axes.plot(ndtri([_LOW, _HIGH]), ndtri([_LOW, _HIGH]), color="#999999", linewidth=0.8)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(ndtri(_TICKS), labels=_LABELS)
    axes.set(xlim=ndtri([_LOW, _HIGH]), ylim=ndtri([_LOW, _HIGH]), xlabel="FMR in %", ylabel="FNMR in %")
    axes.set_title(_title(reports))
    axes.grid(color="#dddddd")
    axes.legend(title="Pack; the dot is its threshold")
    written = io.BytesIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "lynceus"}):
        figure.savefig(written, format=kind[1:], dpi=150, metadata={"Date": None} if kind == ".svg" else None)
    data = written.getvalue()
    file.write_bytes(_with_words(data.decode(), reports).encode() if kind == ".svg" else data)


def _draw_curve(axes: Axes, report: Report, colour: str, dashes: str) -> None:
    axes.plot(
        ndtri(np.clip(report.curve.fmr, _LOW, _HIGH)),
        ndtri(np.clip(report.curve.fnmr, _LOW, _HIGH)),
        color=colour,
        linestyle=dashes,
        linewidth=2,
        drawstyle="steps-post",
        label=f"{report.version} ({_eer(report)})",
    )
    point = _point(report)
    if point is not None:
        axes.plot(*point, marker="o", color=colour, linestyle="none")


def _eer(report: Report) -> str:
    return "EER not measurable" if math.isnan(report.eer.value) else f"EER {report.eer.value:.2%}"


def _title(reports: Sequence[Report]) -> str:
    first = reports[0]
    return f"DET: {first.genuine:,} genuine and {first.impostor:,} impostor pairs"


def _description(reports: Sequence[Report]) -> str:
    """The curves in words."""
    curves = [
        f"{report.version}: {_eer(report)}; at its threshold {report.threshold:.4f} FMR "
        f"{rate_text(report.fmr, 'impostor pairs')}; FNMR {rate_text(report.fnmr, 'genuine pairs')}."
        for report in reports
    ]
    return "False non-match rate over false match rate, both in percent on normal-deviate axes. " + " ".join(curves)


def _point(report: Report) -> tuple[Scores, Scores] | None:
    """Where the pack's threshold lies; None where no such comparison was made."""
    if math.isnan(report.fmr.value) or math.isnan(report.fnmr.value):
        return None
    return ndtri(np.clip([report.fmr.value], _LOW, _HIGH)), ndtri(np.clip([report.fnmr.value], _LOW, _HIGH))


def _with_words(svg: str, reports: Sequence[Report]) -> str:
    words = (
        f'<title id="det-title">{escape(_title(reports))}</title>\n'
        f'<desc id="det-desc">{escape(_description(reports))}</desc>\n'
    )
    opened = re.sub(r"<svg ", '<svg role="img" aria-labelledby="det-title det-desc" ', svg, count=1)
    return re.sub(r"(<svg [^>]*>\s*)", lambda found: found.group(1) + words, opened, count=1)
