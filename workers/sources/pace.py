"""The pace of a camera: when each picture of a file is due, and how much is decoded by a reader that fell behind.

Behind by more than SKIP_SOME, only pictures that others refer to are decoded; by more than SKIP_MOST, key pictures
only, until there is nothing to catch up with. Then decoding goes on with the next key picture, so that what was skipped
is not decoded after all; only after a single hitch, where that is little work, the pictures since the last key picture
are, so that nobody is overlooked until the next one. All in seconds.
"""

from __future__ import annotations

from cameras.video import Decode

SKIP_SOME = 0.3
SKIP_MOST = 1.0
CAUGHT_UP = 0.1
GIVE_UP = 3.0  # a file that fell behind by more was stopped, not slow: its clock starts anew
HITCH_SECONDS = 30.0  # who falls behind more often than this has too much to do
LITTLE_WORK = 0.3
REST_DOZE = 0.25
_LONGEST_GAP = 5.0  # time stamps of a file that are further apart are wild


class Pace:
    """When the pictures of a file are due, by their time stamps where these are sane, else by the nominal rate."""

    def __init__(self) -> None:
        self.period = 1.0
        self._pts: float | None = None
        self._pts_due = 0.0
        self.due: float | None = None  # of what came last; None before the first picture

    def start(self, fps: float) -> None:
        """The file starts, maybe once more: its first picture is due right after the last."""
        self.period = 1.0 / fps
        self._pts = None

    def picture(self, pts: float | None, now: float) -> float:
        """When this picture is due."""
        if self.due is None:
            due = now
        elif pts is None or self._pts is None or not 0 < pts - self._pts < _LONGEST_GAP:
            due = self.due + self.period
        else:
            # Pictures that were skipped since the last time stamp have moved `due`, but not the stamp.
            due = self._pts_due + pts - self._pts
        return self.anchor(pts, due)

    @property
    def is_anchored(self) -> bool:
        """Whether a picture's time stamp is known since the file started."""
        return self._pts is not None

    def anchor(self, pts: float | None, due: float) -> float:
        """This picture was due then."""
        self._pts, self._pts_due, self.due = pts, due, due
        return due

    def skipped(self, now: float) -> float:
        """When a picture is due that does not come out."""
        self.due = now if self.due is None else self.due + self.period
        return self.due

    def back(self) -> None:
        """What was skipped since the last picture comes out after all."""
        if self.due is not None:
            self.due = self._pts_due

    def start_anew(self, late: float) -> None:
        """Everything from here on is due that much later."""
        if self.due is not None:
            self.due += late
            self._pts_due += late


class Doze:
    """Lets packets come together, to be taken in one go.

    Waking up for one picture, with nothing left of the decoder in the processor's caches, costs about as much as
    decoding a second one. `length` is for how long to sleep while somebody looks; at rest it is REST_DOZE. 0: never.
    """

    def __init__(self, length: float) -> None:
        self._length = length
        self._credit = 0.0  # packets that should be there

    def length(self, *, resting: bool) -> float:
        return max(self._length, REST_DOZE) if resting and self._length else self._length

    def after(self, fps: float, *, waited: bool, resting: bool) -> float:
        """For how long to sleep after a packet was taken; `waited`: it was not there yet, so no other one is."""
        length = self.length(resting=resting)
        self._credit = 0.0 if waited else self._credit - 1.0
        if self._credit >= 1.0 or length * fps < 2.0:
            return 0.0
        # Some more than should have come, so that it does not go unnoticed when more do.
        self._credit = length * fps * 1.1
        return length


class Effort:
    """How much to decode, by how far behind the reader is."""

    def __init__(self) -> None:
        self.decode = Decode.ALL
        self._behind = 0.0
        self._kept = 0
        self._fell: float | None = None  # when the reader fell behind that far, and the time before that
        self._fell_before: float | None = None

    def judge(self, behind: float, now: float) -> None:
        """A picture came out that late."""
        self._kept = 0
        if behind > SKIP_MOST:
            if self.decode is not Decode.KEYFRAMES:
                self._fell_before, self._fell, self._behind = self._fell, now, behind
            self.decode = Decode.KEYFRAMES
        elif behind < CAUGHT_UP:
            self.decode = Decode.ALL
        elif behind > SKIP_SOME and self.decode is Decode.ALL:
            self.decode = Decode.REFERENCES

    def skipped(self) -> None:
        """A picture did not come out."""
        self._kept += 1

    def is_real(self, period: float) -> bool:
        """Whether there was something to catch up with, now that nothing is left."""
        return self._kept * period >= self._behind / 2

    def may_wake(self, decode_ms: float) -> bool:
        """Whether what was skipped since the last key picture shall be decoded after all."""
        is_hitch = self._fell_before is None or (self._fell or 0.0) - self._fell_before > HITCH_SECONDS
        return is_hitch and self._kept * decode_ms / 1000 < LITTLE_WORK

    def relax(self) -> None:
        """There is nothing to catch up with any more."""
        self.decode = Decode.ALL
