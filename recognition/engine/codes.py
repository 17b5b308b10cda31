"""Short codes of embeddings, that tell in a millisecond which few of a hundred thousand are worth comparing.

Every dimension is rounded to one of a few levels that suit its values (Lloyd: "Least squares quantization in PCM",
1982): four levels, or sixteen up to 256 dimensions. So four bits stand for one or two dimensions, which is a product
quantiser (Jégou, Douze, Schmid: "Product quantization for nearest neighbor search", 2011) whose codes faiss scans in
registers (IndexPQFastScan; André, Kermarrec, Le Scouarnec: "Quicker ADC", 2019). A row of 512 float32 becomes 128
bytes. Training such a quantiser the usual way finds hardly more and takes ten times as long to code a row.

The order by codes is only approximate: whoever uses it compares the rows found again. It is Euclidean, so rows need not
be of unit length. Where a few dimensions hold most of the variance, rows are turned by a fixed random rotation
first, so that every code tells about as much as any other.

Shapes: probes (m, d) float32; positions (m, k) of rows, nearest first, and squared distances (m, k) float32.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from recognition.engine.storage import Rows
from recognition.engine.types import Floats

Bytes = npt.NDArray[np.uint8]

_BITS = 4  # of one code, as faiss scans them
_SAMPLE = 4096  # rows that are looked at to choose the levels
_ROUNDS = 10
_PART = 4096  # rows that are coded at a time
_SIXTEEN_LEVELS = 256  # dimensions up to which each one has a code of its own
_UNEVEN = 16.0  # times the mean variance: up to there a shortlist of 1,024 finds all without rotating
_SEED = 20061


class Codes:
    """The codes of some rows, in their order. Immutable and safe to share between threads."""

    __slots__ = ("_faiss", "_index", "_padding", "_rotation", "nbytes")

    def __init__(self, rows: Rows, dimension: int) -> None:
        # Here and not above: a library of 20 MB that a gallery of a few thousand people never needs.
        import faiss

        self._faiss: Any = faiss
        together = 1 if dimension <= _SIXTEEN_LEVELS else 2  # dimensions a code
        self._padding = -dimension % (2 * together)  # so that the codes of a row fill whole bytes
        sample = rows.take(np.linspace(0, len(rows) - 1, min(len(rows), _SAMPLE)).astype(np.intp))
        self._rotation = _rotation(sample)
        levels = _levels(self._turned(sample), 2 ** (_BITS // together))
        plain: Any = faiss.IndexPQ(levels.shape[1], levels.shape[1] // together, _BITS, faiss.METRIC_L2)
        faiss.copy_array_to_vector(_words(levels, together).ravel(), plain.pq.centroids)
        faiss.copy_array_to_vector(self._coded(rows, levels, together).ravel(), plain.codes)
        plain.ntotal, plain.is_trained = len(rows), True
        self._index: Any = faiss.IndexPQFastScan(plain)
        self.nbytes: int = len(rows) * levels.shape[1] // (2 * together)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def nearest(self, probes: Floats, count: int) -> tuple[Floats, npt.NDArray[np.int64]]:
        """The `count` rows most like each probe by their codes: squared distances (m, k) and positions (m, k)."""
        # Threads of one search would wait for each other where many searches run beside each other.
        self._faiss.omp_set_num_threads(1)
        distances, positions = self._index.search(self._turned(probes), min(count, len(self)))
        return np.nan_to_num(distances, copy=False), positions  # NaN where all rows have the same code

    def _turned(self, rows: Floats) -> Floats:
        turned = rows if self._rotation is None else rows @ self._rotation
        return np.ascontiguousarray(np.pad(turned, ((0, 0), (0, self._padding))) if self._padding else turned)

    def _coded(self, rows: Rows, levels: Floats, together: int) -> Bytes:
        """(n, bytes of a row): each dimension as the number of its level, lowest bits first."""
        bits = _BITS // together
        borders = (levels[1:] + levels[:-1]) / 2
        coded = np.zeros((len(rows), levels.shape[1] * bits // 8), np.uint8)
        for start in range(0, len(rows), _PART):
            part = self._turned(rows.part(start, start + _PART))
            number = np.zeros(part.shape, np.uint8)
            for border in borders:
                number += part > border
            place = coded[start : start + _PART]
            for at in range(8 // bits):
                place |= number[:, at :: 8 // bits] << np.uint8(at * bits)
        return coded


def _levels(sample: Floats, count: int) -> Floats:
    """(count, d) ascending: to which values each dimension is rounded; Lloyd's rounds find those that lose least."""
    levels: Floats = np.quantile(sample, (np.arange(count) + 0.5) / count, axis=0).astype(np.float32)
    for _ in range(_ROUNDS):
        number = np.zeros(sample.shape, np.uint8)
        for border in (levels[1:] + levels[:-1]) / 2:
            number += sample > border
        for at in range(count):
            mine = number == at
            held = mine.sum(axis=0)
            mean = np.where(mine, sample, 0).sum(axis=0) / np.maximum(held, 1)
            levels[at] = np.where(held > 0, mean, levels[at])
    return np.sort(levels, axis=0)


def _words(levels: Floats, together: int) -> Floats:
    """(codes of a row, 16, together): what each of the sixteen values of a code stands for."""
    bits = _BITS // together
    values = np.arange(2**_BITS)
    words = [levels[(values >> (at * bits)) & (2**bits - 1), at::together] for at in range(together)]
    return np.ascontiguousarray(np.stack(words, axis=-1).transpose(1, 0, 2), np.float32)


def _rotation(sample: Floats) -> Floats | None:
    """A (d, d) rotation for rows that need one; always the same, so that a gallery answers the same every time."""
    variance = sample.var(axis=0)
    if variance.max() <= _UNEVEN * variance.mean():
        return None
    dimension = sample.shape[1]
    turned, _ = np.linalg.qr(np.random.default_rng(_SEED).standard_normal((dimension, dimension)))
    return turned.astype(np.float32)
