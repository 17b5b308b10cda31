"""From which similarity tracks are linked, for each version of a model pack."""

from __future__ import annotations

import time
from typing import Final

from cameras.identities.linking import Limits
from recognition.packs import current_pack, threshold_of

REFRESH_SECONDS: Final = 60.0  # a pack that is not loaded is looked for on the disk

_known: dict[str, tuple[float, Limits]] = {}


def limits_of(pack: str) -> Limits:
    """The limits for similarities of this version; of one that is gone, those of the pack in use."""
    read_at, limits = _known.get(pack, (float("-inf"), None))
    if limits is None or time.monotonic() - read_at > REFRESH_SECONDS:
        asked = threshold_of(pack)
        limits = Limits.of(asked if asked is not None else current_pack().threshold)
        _known[pack] = (time.monotonic(), limits)
    return limits
