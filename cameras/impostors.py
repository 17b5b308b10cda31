"""What the cameras know about strangers: how alike the unknown people were to the nearest enrolled one."""

from __future__ import annotations

import numpy as np

from cameras.models import Sighting, Verdict
from recognition.engine.metrics import Scores


def unknown_similarities(pack: str, *, most: int = 100_000) -> Scores:
    """The best similarities of the newest closed sightings that stayed unknown with this version of a pack.

    They are cut off: whoever came near enough was taken for somebody and is not among them.
    """
    found = Sighting.objects.filter(
        verdict=Verdict.UNKNOWN, pack=pack, is_open=False, similarity__isnull=False
    ).order_by("-first_seen")
    return np.array(found.values_list("similarity", flat=True)[:most], np.float64)
