"""What is known of a source while it is read. Written by the thread that reads, read by everybody. Seconds."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from cameras.drops import Drop
from cameras.live import State
from cameras.video import Capture, Picture

_RATE_SECONDS = 5.0
_LEAST_SECONDS = 0.3  # frames that came with the opening of a source say nothing of its rate
_RATE_MOST = 100


@dataclass(slots=True, kw_only=True, eq=False)
class Tally:
    """Counts since the reader began. `pictures`: those that were decoded."""

    state: State = State.CONNECTING
    error: str = ""
    drops: Counter[Drop] = field(default_factory=Counter)
    frames_in: int = 0
    pictures: int = 0
    restarts: int = 0
    resizes: int = 0
    frozen: bool = False
    size: tuple[int, int] = (0, 0)
    decode_ms: float = 0.0
    wants_rest: bool = False
    _seen: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_RATE_MOST))
    _skipped: Counter[Drop] = field(default_factory=Counter)
    _skipped_total: int = 0

    def opened(self) -> None:
        """A capture was opened: its own counts begin anew."""
        self._skipped = Counter()
        self._skipped_total = 0

    def account(self, capture: Capture, came: int, *, now: float, resting: bool) -> None:
        """Counts what a step brought: pictures, and those that did not come out."""
        missed = 0
        if sum(capture.skipped.values()) != self._skipped_total:
            for reason, count in capture.skipped.items():
                new = count - self._skipped[reason]
                if new > 0:
                    missed += new
                    self.drops[_why(reason, resting=resting)] += new
            self._skipped = Counter(capture.skipped)
            self._skipped_total = sum(self._skipped.values())
        if came or missed:
            self.frames_in += came + missed
            self.pictures += came
            self._seen.append((now, self.frames_in))
            self.decode_ms = capture.decode_ms

    def measure(self, picture: Picture) -> None:
        size = (picture.width, picture.height)
        if size != self.size:
            self.resizes += self.size != (0, 0)
            self.size = size

    def rate(self, now: float) -> float:
        """Frames a second that came lately, decoded or not; 0 until enough came to tell a rate from a burst."""
        seen = list(self._seen)
        if len(seen) < 2 or now - seen[-1][0] > max(_RATE_SECONDS, 3 * (seen[-1][0] - seen[-2][0])):
            return 0.0
        first = next(
            (each for each in seen[:-1] if seen[-1][0] - each[0] <= _RATE_SECONDS),
            seen[-2],
        )
        span = seen[-1][0] - first[0]
        return (seen[-1][1] - first[1]) / span if span >= _LEAST_SECONDS else 0.0


class Tallied:
    """What a reader says of itself, as its tally has it."""

    def __init__(self) -> None:
        self._tally = Tally()

    @property
    def state(self) -> State:
        return self._tally.state

    @property
    def error(self) -> str:
        return self._tally.error

    @property
    def drops(self) -> Counter[Drop]:
        return self._tally.drops

    @property
    def frames_in(self) -> int:
        return self._tally.frames_in

    @property
    def restarts(self) -> int:
        return self._tally.restarts

    @property
    def frozen(self) -> bool:
        return self._tally.frozen

    @property
    def size(self) -> tuple[int, int]:
        return self._tally.size

    @property
    def decode_ms(self) -> float:
        return self._tally.decode_ms


def _why(skipped: Drop, *, resting: bool) -> Drop:
    """The reader's reason for what it had the decoder leave out."""
    if skipped is Drop.NOT_KEY:
        return Drop.RESTING if resting else Drop.BEHIND
    return Drop.BEHIND if skipped is Drop.NOT_REFERENCE else skipped
