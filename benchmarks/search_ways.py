"""Galleries and probes like those of a face network, and the ways to search them that are compared.

Embeddings are unit vectors whose spectrum falls so that the cosines of strangers have a standard deviation of 0.054,
about ArcFace's; half of the probes belong to somebody at a cosine between 0.45 and 0.75, half to nobody. They test
the search, not accuracy. Shapes: (n, d) float32.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from recognition.engine import Gallery
from recognition.engine.match import Storage
from recognition.engine.types import Floats

Positions = np.ndarray[Any, np.dtype[np.int64]]
_FALL = -0.22
_PART = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of searching: how to prepare it, giving (search, bytes a template); `search` gives the best position."""

    name: str
    prepare: Callable[[Floats], tuple[Callable[[Floats], Positions], float]]


def faces(count: int, dimension: int, *, seed: int) -> Floats:
    """Unit vectors (count, dimension)."""
    rng = np.random.default_rng(seed)
    made = np.empty((count, dimension), np.float32)
    fall = (np.arange(1, dimension + 1) ** _FALL).astype(np.float32)
    for start in range(0, count, _PART):
        part = rng.standard_normal((min(_PART, count - start), dimension), dtype=np.float32) * fall
        made[start : start + _PART] = part / np.linalg.norm(part, axis=1, keepdims=True)
    return made


def probes(enrolled: Floats, count: int, *, seed: int) -> Floats:
    """`count` of people in the gallery, then as many of strangers."""
    rng = np.random.default_rng(seed)
    at = rng.choice(len(enrolled), count, replace=False)
    cosine = rng.uniform(0.45, 0.75, (count, 1)).astype(np.float32)
    other = faces(count, enrolled.shape[1], seed=seed + 1)
    mates = cosine * enrolled[at] + np.sqrt(1 - cosine * cosine) * other
    return np.vstack([mates, faces(count, enrolled.shape[1], seed=seed + 2)])


def best_of_all(enrolled: Floats, asked: Floats) -> Positions:
    """The position of the most similar row, by comparing all of them."""
    best = np.full(len(asked), -np.inf, np.float32)
    at = np.zeros(len(asked), np.int64)
    for start in range(0, len(enrolled), _PART):
        scores = asked @ enrolled[start : start + _PART].T
        winner = scores.argmax(axis=1)
        value = scores[np.arange(len(asked)), winner]
        at = np.where(value > best, winner + start, at)
        best = np.maximum(best, value)
    return at


def ours(storage: Storage) -> Way:
    """The project's gallery, one template a person."""
    return Way(name=f"Lynceus, {storage.value}", prepare=lambda enrolled: _ours(enrolled, storage))


def _ours(enrolled: Floats, storage: Storage) -> tuple[Callable[[Floats], Positions], float]:
    ids = np.arange(len(enrolled))
    gallery = Gallery.build(
        dimension=enrolled.shape[1], templates=ids, persons=ids, embeddings=enrolled, storage=storage
    )

    def search(asked: Floats) -> Positions:
        return np.array([found[0].template for found in gallery.search_many(asked, top=10)])

    return search, gallery.nbytes / len(enrolled)


def _numpy(enrolled: Floats) -> tuple[Callable[[Floats], Positions], float]:
    def search(asked: Floats) -> Positions:
        scores = asked @ enrolled.T
        top = np.argpartition(scores, -10, axis=1)[:, -10:]
        return np.asarray([row[scores[at, row].argmax()] for at, row in enumerate(top)])

    return search, float(enrolled.itemsize * enrolled.shape[1])


def _faiss(enrolled: Floats) -> tuple[Callable[[Floats], Positions], float]:
    import faiss

    faiss.omp_set_num_threads(1)
    index: Any = faiss.IndexFlatIP(enrolled.shape[1])
    index.add(enrolled)

    def search(asked: Floats) -> Positions:
        return np.asarray(index.search(asked, 10)[1][:, 0])

    return search, float(enrolled.itemsize * enrolled.shape[1])


def _usearch(enrolled: Floats) -> tuple[Callable[[Floats], Positions], float]:
    usearch: Any = importlib.import_module("usearch.index")

    def search(asked: Floats) -> Positions:
        found = usearch.search(enrolled, asked, 10, usearch.MetricKind.IP, exact=True, threads=1)
        return np.atleast_2d(found.keys)[:, 0].astype(np.int64)

    return search, float(enrolled.itemsize * enrolled.shape[1])


def ways() -> list[Way]:
    """All that can be run here."""
    found = [ours(storage) for storage in (Storage.FLOAT32, Storage.FLOAT16, Storage.INT8)]
    found += [Way(name="numpy (BLAS)", prepare=_numpy), Way(name="faiss flat", prepare=_faiss)]
    if importlib.util.find_spec("usearch") is not None:
        found.append(Way(name="usearch exact", prepare=_usearch))
    return found
