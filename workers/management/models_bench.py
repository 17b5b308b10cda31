"""`models bench`: how fast packs are on this machine, side by side, medians of wall time.

The picture is the one with six faces that the package insightface carries (1280x886), cut to 1280x720 and shrunk to
640x360; without that package a portrait of scikit-image with one face. All packs take turns in every round, so that
what else the machine does falls on all of them alike. Images (h, w, 3) uint8 BGR, times in milliseconds.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from django.conf import settings

from recognition import packs
from recognition.download import megabytes
from recognition.engine import EngineError, Image, Pack, PackState, UnknownPack, load_pack
from recognition.engine.store import check_pack
from workers.management.models_list import table

BATCH = 8
MIN_FACE = 40  # pixels; the faces of the picture are 90 px wide and more, in its half 45 px
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One pack. Times in milliseconds: `detect_*` and `frame` a picture, `embed_*` a face."""

    pack: str
    faces: int  # found at 1280x720
    faces_shown: int
    detect_360: float
    detect_720: float
    embed_1: float
    embed_8: float
    frame: float  # 1280x720: detect, align and embed all faces
    threads: int
    device: str
    bytes: int  # of the networks' files
    resident: int  # by which loading made the process grow


def measure(names: Sequence[str], *, repeat: int, say: Say) -> list[Measured]:
    """Measure the named packs, or all that are ready. Raises EngineError."""
    chosen = list(names) or _ready()
    unknown = [name for name in chosen if name not in packs.manifests()]
    if unknown:
        raise UnknownPack(f"There is no model pack {unknown[0]!r}. Known packs: {', '.join(packs.manifests())}.")
    picture, shown = _picture()
    loaded = [_load(name, say) for name in dict.fromkeys(chosen)]
    say(f"Measuring {', '.join(pack.name for pack in loaded)}, {repeat} times each ...")
    times: dict[str, list[list[float]]] = {pack.name: [] for pack in loaded}
    for _ in range(repeat):
        for pack in loaded:
            times[pack.name].append(_once(pack, picture))
    return [_summary(pack, times[pack.name], picture, shown) for pack in loaded]


def report(rows: Sequence[Measured]) -> str:
    """The table for people, and what it was measured on."""
    head = ("PACK", "FACES", "DETECT 640x360", "DETECT 1280x720", "EMBED A FACE", f"OF {BATCH} AT ONCE", "WHOLE FRAME")
    cells = [
        (
            row.pack,
            f"{row.faces} of {row.faces_shown}",
            *(f"{value:.1f} ms" for value in (row.detect_360, row.detect_720, row.embed_1, row.embed_8, row.frame)),
            row.device,
            megabytes(row.bytes) if row.bytes else "-",
            megabytes(row.resident) if row.resident else "-",
        )
        for row in rows
    ]
    threads = f"{rows[0].threads} thread{'s' if rows[0].threads > 1 else ''}" if rows else ""
    return (
        table((*head, "ON", "FILES", "MEMORY"), cells)
        + f"\nMedians, {threads} a call. Whole frame: detection, alignment and embedding at 1280x720, faces from "
        f"{MIN_FACE} px on."
    )


def facts(row: Measured) -> dict[str, object]:
    """One row, for programs."""
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(row).items()}


def _ready() -> list[str]:
    known = packs.manifests().values()
    return [one.name for one in known if check_pack(settings.MODELS_DIR, one).state is PackState.READY]


def _load(name: str, say: Say) -> Pack:
    """A pack of its own, loaded now; the first runs, which allocate memory, are not measured."""
    pack = load_pack(
        name, cache=settings.MODELS_DIR, device=settings.MODEL_DEVICE, threads=settings.MODEL_THREADS, report=say
    )
    pack.warm_up()
    return pack


def _once(pack: Pack, picture: Image) -> list[float]:
    """Each figure once: detection small and large, a face, a batch of faces (a face's share), the whole frame."""
    small = np.asarray(cv2.resize(picture, (640, 360), interpolation=cv2.INTER_AREA), np.uint8)
    found = pack.detect(picture, min_face=MIN_FACE)
    if not len(found):
        raise EngineError(
            f"{pack.name} finds no face in the picture to measure with. Check it: models verify {pack.name}"
        )
    chips = [pack.recogniser.align(picture, points) for points in found.points]
    batch = [chips[at % len(chips)] for at in range(BATCH)]
    return [
        _milliseconds(lambda: pack.detect(small, min_face=MIN_FACE)),
        _milliseconds(lambda: pack.detect(picture, min_face=MIN_FACE)),
        _milliseconds(lambda: pack.recogniser.embed(batch[:1])),
        _milliseconds(lambda: pack.recogniser.embed(batch)) / BATCH,
        _milliseconds(lambda: pack.embed(picture, pack.detect(picture, min_face=MIN_FACE).points)),
    ]


def _milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _summary(pack: Pack, rounds: Sequence[Sequence[float]], picture: Image, shown: int) -> Measured:
    small, large, single, batch, frame = (median(column) for column in zip(*rounds, strict=True))
    used = dict.fromkeys(
        model.providers[0].removesuffix("ExecutionProvider") for model in pack.models if model.providers
    )
    return Measured(
        pack=pack.name,
        faces=len(pack.detect(picture, min_face=MIN_FACE)),
        faces_shown=shown,
        detect_360=small,
        detect_720=large,
        embed_1=single,
        embed_8=batch,
        frame=frame,
        threads=settings.MODEL_THREADS,
        device=", ".join(used) or "CPU",
        bytes=pack.manifest.bytes,
        resident=sum(model.resident for model in pack.models),
    )


def _picture() -> tuple[Image, int]:
    """A 1280x720 picture, and how many faces it shows."""
    for module, path, faces in (("insightface", "data/images/t1.jpg", 6), ("skimage", "data/astronaut.png", 1)):
        spec = importlib.util.find_spec(module)
        folder = next(iter(spec.submodule_search_locations or ()), None) if spec is not None else None
        image = cv2.imread(str(Path(folder) / path)) if folder is not None else None
        if image is not None:
            whole = cv2.resize(image, (1280, round(image.shape[0] * 1280 / image.shape[1])))
            return np.ascontiguousarray(whole[:720], np.uint8), faces
    raise EngineError(
        "There is no picture to measure with: neither insightface nor scikit-image is installed. "
        "Install one: pip install scikit-image"
    )
