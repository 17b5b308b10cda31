"""Says from the sizes of encoded packets whether something probably moves, without decoding them.

An encoder spends bits on what changed. At rest, the pictures of one camera have sizes that depend on how long ago the
key picture was, within a band; somebody who walks by makes several in a row larger. Both are learned while the camera
rests, in logarithms, so that it does not matter how large they are. It is a hint and no more: where noise takes most of
the bits, or the encoder keeps its rate constant, small movement is only seen at the next key picture.
"""

from __future__ import annotations

import math
from collections import deque

GROUPS_LEARNED = 5  # before that, nothing is unusual yet
STIRRED = 5.0  # times the usual deviation
_IN_A_ROW = 6
_PLACES_MOST = 600
_LEARN = 0.15  # of each group of pictures
_WIDEN, _NARROW = 0.03, 0.004  # the usual deviation grows at once and shrinks within half a minute
_DEVIATION_LEAST = 0.02
_HEADER = 64  # bytes, so that a picture of which nothing is encoded is not infinitely small


class PacketSizes:
    """Packet sizes of one stream."""

    def __init__(self) -> None:
        self._usual: dict[int, float] = {}  # logarithm of the size of some in a row, by the place of the last
        self._row: deque[int] = deque(maxlen=_IN_A_ROW)
        self._place = 0
        self._groups = 0
        self._deviation = 0.1
        self.stirred = False

    def add(self, size: int, *, key: bool, resting: bool) -> None:
        """The next packet; only those that come at rest are learned."""
        if key:
            self._place = 0
            self._row.clear()
            self._groups += resting
            self.stirred = False
            return
        self._place += 1
        self._row.append(size + _HEADER)
        if len(self._row) < _IN_A_ROW or self._place > _PLACES_MOST:
            return
        now = math.log(sum(self._row))
        usual = self._usual.get(self._place)
        over = 0.0 if usual is None else now - usual
        known = usual is not None and self._groups > GROUPS_LEARNED
        if known and over > STIRRED * self._deviation:
            self.stirred = True
        if resting:
            self._learn(now, over, known=known)

    def _learn(self, now: float, over: float, *, known: bool) -> None:
        bound = 3 * self._deviation if known else math.inf
        share = max(_LEARN, 1 / max(1, self._groups))
        self._usual[self._place] = self._usual.get(self._place, now) + share * max(-bound, min(bound, over))
        if known:
            # 1.25 makes a mean deviation a standard deviation.
            wide = min(1.25 * abs(over), 2 * STIRRED * self._deviation)
            rate = _WIDEN if wide > self._deviation else _NARROW
            self._deviation = max(_DEVIATION_LEAST, self._deviation + rate * (wide - self._deviation))
