"""What a similarity means against the gallery of this size, in one sentence for people.

The deployment's own impostor scores say it where they are enough (see calibration.py), else those that came with the
model pack, and where it has none the sentence says that it is not known. Looking at the gallery costs some tenths of
a second, so that what was found is kept for a while.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace

from django.db import DatabaseError

from recognition.calibration import MIN_OWN_COMPARISONS, MIN_OWN_PEOPLE, gallery_impostors
from recognition.engine import EngineError, ImpostorCurve, Pack
from recognition.engine.impostors import photos
from recognition.models import GalleryRevision, Template
from recognition.packs import current_pack

NOT_KNOWN = "What this similarity means is not known for this model pack."
_KEPT_SECONDS = 600.0
_SAMPLE = 2000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Meaning:
    """What strangers score with one pack against the gallery."""

    pack: str
    threshold: float  # what the pack asks for in a search
    templates: int
    curve: ImpostorCurve | None
    is_own: bool

    def sentence(self, similarity: float) -> str:
        """What this similarity means."""
        if self.curve is None:
            return NOT_KNOWN
        return self.curve.sentence(similarity, self.templates)

    def of_threshold(self) -> str:
        """What the pack's threshold means for a gallery of this size; empty where nothing is known."""
        if self.curve is None or not self.templates:
            return ""
        whose = "by what different people of this gallery score" if self.is_own else "by the pack's own figures"
        return (
            f"With {photos(self.templates)} in the gallery, {self.curve.fpir(self.threshold, self.templates).odds()} "
            f"strangers would reach the pack's threshold of {self.threshold:.3f} ({whose}, from "
            f"{self.curve.comparisons:,} comparisons)."
        )


_kept: Meaning | None = None
_revision = -1
_read_at = float("-inf")
_lock = threading.Lock()


def meaning() -> Meaning | None:
    """What similarities mean with the pack in use; None where the pack can not be loaded or the database is away."""
    global _kept, _read_at, _revision
    try:
        pack = current_pack()
        revision = GalleryRevision.objects.values_list("revision", flat=True).first() or 0
        with _lock:
            if _kept is None or _kept.pack != pack.version or time.monotonic() - _read_at >= _KEPT_SECONDS:
                _kept, _revision = _read(pack), revision
                _read_at = time.monotonic()
            elif _revision != revision:  # the size counts at once, the curve changes slowly
                _kept, _revision = replace(_kept, templates=_count(pack.version)), revision
            return _kept
    except (EngineError, DatabaseError):
        return None


def sentence(similarity: float | None, pack: str) -> str:
    """What a similarity that was measured with this version of a pack means; empty where nothing can be said."""
    found = meaning() if similarity is not None else None
    if similarity is None or found is None or found.pack != pack:
        return ""
    return found.sentence(similarity)


def forget() -> None:
    """Drops what is kept; the next use looks again."""
    global _kept, _read_at, _revision
    with _lock:
        _kept, _read_at, _revision = None, float("-inf"), -1


def _read(pack: Pack) -> Meaning:
    curve, is_own = pack.manifest.impostors, False
    people = Template.objects.filter(pack=pack.version).values("person").distinct()[:MIN_OWN_PEOPLE].count()
    if people >= MIN_OWN_PEOPLE:
        own = gallery_impostors(pack.version, pack.dimension, most=_SAMPLE)
        if own.people >= MIN_OWN_PEOPLE and len(own.scores) >= MIN_OWN_COMPARISONS:
            curve, is_own = own.curve(), True
    return Meaning(
        pack=pack.version, threshold=pack.threshold, templates=_count(pack.version), curve=curve, is_own=is_own
    )


def _count(pack: str) -> int:
    return Template.objects.filter(pack=pack).count()
