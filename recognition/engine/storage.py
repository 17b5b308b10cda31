"""How the embeddings of a gallery lie in memory: as float32, float16 or int8.

float32 is what the recogniser gave. float16 takes half of it and int8, with one float32 factor a row, a quarter; both
round, so what is compared is off by a vector of a length that is measured when the rows are stored: `Rows.error`.
For an embedding r that is stored as r' with |r - r'| <= e, and a probe p at similarity s' = 1 - |p - r'|**2 / 2, the
similarity without rounding is within  e * sqrt(2 * (1 - s')) + e**2 / 2  of s' (Cauchy-Schwarz): `similarity_error`.
For unit vectors of 512 dimensions that is at most 0.0003 with float16 and 0.02 with int8, where s' = 0.5.

Shapes: rows (n, d); what comes out is always float32. Errors: none here, rows are checked by `Gallery.build`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from recognition.engine.types import Floats

Positions = npt.NDArray[np.intp]

_PART = 4096  # rows that are converted at a time: few enough to stay in the cache
_GIB = 2**30
_LARGEST_FLOAT16 = 60000.0
_LARGEST = 1e9
_UPWARDS = 1 + 1e-5  # what adding squares in float32 may have lost


class Storage(StrEnum):
    """How rows are kept; AUTO chooses by the size of the whole gallery."""

    AUTO = "auto"
    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"

    def chosen(self, *, templates: int, dimension: int) -> "Storage":
        """What AUTO means for so many templates: every process that searches holds them.

        float32 up to 1 GiB (500,000 templates of 512 dimensions), float16 up to 4 GiB of it, int8 above. A search
        takes the same time with each, because all of them are searched by codes first.
        """
        if self is not Storage.AUTO:
            return self
        size = 2 * templates * dimension
        return Storage.FLOAT32 if size <= _GIB / 2 else Storage.FLOAT16 if size <= 4 * _GIB else Storage.INT8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Stored embeddings. `error` is the longest distance between one as it was given and as it is stored."""

    values: npt.NDArray[Any]  # (n, d) float32, float16 or int8
    factors: Floats | None  # (n,), only with int8
    error: float

    def __len__(self) -> int:
        return len(self.values)

    @property
    def nbytes(self) -> int:
        return self.values.nbytes + (self.factors.nbytes if self.factors is not None else 0)

    def take(self, positions: Positions) -> Floats:
        """The rows at these positions, as (k, d) float32."""
        factors = self.factors[positions] if self.factors is not None else None
        return _as_floats(self.values[positions], factors)

    def part(self, start: int, end: int) -> Floats:
        """The rows from start to end, as float32; without a copy where they are stored so."""
        factors = self.factors[start:end] if self.factors is not None else None
        return _as_floats(self.values[start:end], factors)

    def parts(self) -> Iterator[tuple[int, Floats]]:
        """All rows in pieces, each with the position of its first row; float32 in one piece."""
        step = max(1, len(self)) if self.values.dtype == np.float32 else _PART
        for start in range(0, len(self), step):
            yield start, self.part(start, start + step)


def stored(rows: Floats, storage: Storage) -> Rows:
    """Keep (n, d) finite float32 rows so; float32 rows are kept as they are, not copied.

    Rows with numbers too large for float16 stay float32.
    """
    if storage in (Storage.AUTO, Storage.FLOAT32) or rows.size == 0:
        return Rows(values=rows, factors=None, error=0.0)
    if storage is Storage.FLOAT16 and max(float(rows.max()), -float(rows.min())) > _LARGEST_FLOAT16:
        return Rows(values=rows, factors=None, error=0.0)
    values = np.empty(rows.shape, np.float16 if storage is Storage.FLOAT16 else np.int8)
    factors = np.empty(len(rows), np.float32) if storage is Storage.INT8 else None
    error = 0.0
    for start in range(0, len(rows), _PART):
        given, place = rows[start : start + _PART], slice(start, start + _PART)
        if factors is None:
            values[place] = given
            back = values[place].astype(np.float32)
        else:
            largest = np.abs(given).max(axis=1)
            factors[place] = np.where(largest > 0, largest / np.float32(127), np.float32(1))
            values[place] = np.rint(given / factors[place, None])
            back = _as_floats(values[place], factors[place])
        lost = given - back  # exact, because the two are so close (Sterbenz)
        error = max(error, sqrt(float(np.vecdot(lost, lost).max())) * _UPWARDS)
    return Rows(values=values, factors=factors, error=error)


def usable(rows: Floats) -> npt.NDArray[np.bool_]:
    """Which of (n, d) rows can be compared: all numbers finite, and not so large that float32 can not hold squares."""
    return np.asarray((np.abs(rows) <= _LARGEST).all(axis=1))


def similarity_error(similarity: float, error: float) -> float:
    """How far the similarity to a row that is stored with this error can be from the one without rounding."""
    return error * sqrt(max(0.0, 2 * (1 - similarity))) + error * error / 2


def _as_floats(values: npt.NDArray[Any], factors: Floats | None) -> Floats:
    floats: Floats = values.astype(np.float32, copy=False)
    return floats * factors[:, None] if factors is not None else floats
