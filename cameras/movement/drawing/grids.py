"""Numbers in rows and columns whose cells are shaded: the week by hours, ways between cameras, a camera's picture.

A table that is shaded is a drawing that reads itself out. A picture's parts are drawn over the picture, and the most
seen of them stand in a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cameras.movement.drawing.shades import Step, number, scale, shade

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MOST_CAMERAS: Final = 14
MOST_PARTS: Final = 12  # of a picture, in the table


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A number as it is written, and its shade."""

    text: str
    shade: int
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A shaded table. `name` names it in the page; `left_out`: a sentence on what is not in it."""

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    legend: tuple[Step, ...]
    left_out: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a picture, in percent of it."""

    left: str
    top: str
    width: str
    height: str
    shade: int
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureGrid:
    """Where in a picture faces were. `table`: the parts with most (where, seconds, share of all)."""

    name: str
    title: str
    said: str
    parts: tuple[Part, ...]
    table: tuple[tuple[str, str, str], ...]
    legend: tuple[Step, ...]


def week_grid(means: npt.NDArray[np.float64], *, name: str, caption: str) -> Grid | None:
    """(7, 24) numbers of each hour of the week, Monday first; NaN: there was no such hour. None where all are 0."""
    most = float(np.nanmax(means, initial=0.0)) if means.size else 0.0
    if most <= 0:
        return None
    rows = tuple(
        Row(name=day, cells=tuple(_hour(float(value), most, day, hour) for hour, value in enumerate(row)))
        for day, row in zip(WEEKDAYS, means, strict=True)
    )
    columns = tuple(f"{hour:02d}" for hour in range(24))
    whole = bool(np.all(np.nan_to_num(means) % 1 == 0))
    return Grid(name=name, caption=caption, columns=columns, rows=rows, legend=scale(most, whole=whole))


def matrix(names: Sequence[str], counts: npt.NDArray[np.int64], *, name: str, caption: str) -> Grid | None:
    """(c, c) transitions, from rows to columns, of the cameras with most of them; None where there are none."""
    busy = np.argsort(-(counts.sum(axis=0) + counts.sum(axis=1)), kind="stable")
    with_any = [int(one) for one in busy if counts[one].sum() + counts[:, one].sum()]
    if not with_any:
        return None
    shown = sorted(with_any[:MOST_CAMERAS])
    part = counts[np.ix_(shown, shown)]
    most = float(part.max())
    rows = tuple(
        Row(
            name=names[start],
            cells=tuple(
                Cell(
                    text=f"{count:,}" if count else "",
                    shade=shade(float(count), most),
                    title=f"{names[start]} to {names[end]}: {count:,}",
                )
                for end, count in zip(shown, row.tolist(), strict=True)
            ),
        )
        for start, row in zip(shown, part, strict=True)
    )
    left = len(with_any) - len(shown)
    said = f"The {len(shown)} cameras with most transitions are in it; {left} more have some." if left else ""
    columns = tuple(names[one] for one in shown)
    return Grid(name=name, caption=caption, columns=columns, rows=rows, legend=scale(most, whole=True), left_out=said)


def picture_grid(seconds: npt.NDArray[np.float64], *, name: str, title: str) -> PictureGrid | None:
    """(r, c) seconds that faces were in each part of a picture; None where none was anywhere."""
    whole = float(seconds.sum())
    if whole <= 0:
        return None
    high, wide = seconds.shape
    most = float(seconds.max())
    order = np.argsort(-seconds, axis=None, kind="stable")
    ranked = [(int(place) // wide, int(place) % wide) for place in order if seconds.flat[place] > 0]
    parts = tuple(
        Part(
            left=f"{100 * column / wide:.3f}%",
            top=f"{100 * row / high:.3f}%",
            width=f"{100 / wide:.3f}%",
            height=f"{100 / high:.3f}%",
            shade=shade(float(seconds[row, column]), most),
            title=f"{_where(row, column, high, wide)}: {number(float(seconds[row, column]))} s",
        )
        for row, column in sorted(ranked)
    )
    table = tuple(
        (
            _where(row, column, high, wide),
            number(float(seconds[row, column])),
            f"{100 * seconds[row, column] / whole:.1f} %",
        )
        for row, column in ranked[:MOST_PARTS]
    )
    said = f"Faces were {number(whole)} s in {len(parts)} of {high * wide} parts of the picture; longest {table[0][0]}."
    return PictureGrid(name=name, title=title, said=said, parts=parts, table=table, legend=scale(most, unit=" s"))


def _hour(value: float, most: float, day: str, hour: int) -> Cell:
    title = f"{day}, {hour:02d}:00 to {(hour + 1) % 24:02d}:00"
    if np.isnan(value):
        return Cell(text="-", shade=0, title=f"{title}: not in the span")
    return Cell(text=number(value) if value else "", shade=shade(value, most), title=f"{title}: {number(value)}")


def _where(row: int, column: int, high: int, wide: int) -> str:
    left, top = 100 * column / wide, 100 * row / high
    return f"{left:.0f} to {left + 100 / wide:.0f} % from the left, {top:.0f} to {top + 100 / high:.0f} % from the top"
