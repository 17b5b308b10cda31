"""What a camera loop takes from a reader: frames, and what there is to know about where they come from.

Images are (h, w, 3) uint8 BGR, luma is (h, w) uint8; both are made when first asked for.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cameras.drops import Drop
from cameras.live import State
from cameras.video.types import Picture
from recognition.engine import Image
from workers.sources.detail import Detail


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One picture and when it was captured.

    `t`: seconds on a clock of the reader that never jumps and only rises. `captured_at`: UTC by this machine's clock;
    it jumps when somebody sets that clock, so spans are measured by `t`. `received`: when it came in by
    time.monotonic(), or, for a file that plays as a live camera, when it should have.
    """

    picture: Picture
    t: float
    captured_at: datetime
    received: float

    @classmethod
    def of(cls, image: Image, *, t: float, captured_at: datetime, received: float) -> Frame:
        """A frame from a BGR array."""
        return cls(picture=Picture.of(image), t=t, captured_at=captured_at, received=received)

    @property
    def image(self) -> Image:
        return self.picture.image

    @property
    def luma(self) -> Image:
        return self.picture.luma

    @property
    def width(self) -> int:
        return self.picture.width

    @property
    def height(self) -> int:
        return self.picture.height


class Reader(Protocol):
    """Where a camera loop gets its frames from. Counts are since the reader began."""

    @property
    def state(self) -> State: ...

    @property
    def error(self) -> str:
        """Why there are no pictures, for people; empty while there are."""

    @property
    def drops(self) -> Counter[Drop]:
        """Frames that nobody gets to see, by reason."""

    @property
    def is_live(self) -> bool:
        """Whether frames come when it is their time, not when they are asked for."""

    @property
    def frames_in(self) -> int:
        """What the source gave, decoded or not."""

    @property
    def restarts(self) -> int:
        """How often the source was opened again."""

    @property
    def frozen(self) -> bool:
        """Whether the very same picture comes again and again."""

    @property
    def fps(self) -> float:
        """Frames a second that the source gave lately, decoded or not."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the newest picture; (0, 0) before the first."""

    @property
    def decode_ms(self) -> float:
        """Mean time to decode a picture lately."""

    @property
    def detail(self) -> Detail | None:
        """The second, larger stream of the same view."""

    def next(self, timeout: float) -> Frame | None:
        """The next frame for the loop, or None when there is none within the time-out (or ever: see state)."""

    def newest(self) -> Frame | None:
        """A newer frame than the one that was taken, if it is there already; the caller counts the older as dropped."""

    def wake(self) -> None:
        """Something goes on before the camera: every picture is wanted."""

    def rest(self) -> None:
        """Nothing goes on."""

    def close(self) -> None:
        """Ends it within two seconds, whatever the source does."""
