"""Why a picture of a camera was not looked at: what readers and loops count, and its words for people. No Django."""

from __future__ import annotations

from enum import StrEnum


class Drop(StrEnum):
    """The values are what is counted and stored; `metrics` and the API give them as they are."""

    # By the decoder.
    NOT_KEY = "not a key picture"
    NOT_REFERENCE = "not a reference"
    NOT_WANTED = "not wanted"
    DAMAGED = "damaged"
    WITHOUT_KEY = "before a key picture"
    # By the reader.
    RESTING = "not decoded: nothing moved"
    BEHIND = "not decoded: behind"
    STOOD_STILL = "the machine stood still"
    NEWER = "newer frame"
    BEFORE_WAKING = "while it was waking up"
    # By the loop.
    NOTHING_MOVED = "nothing moved"
    STILL_BUSY = "still busy"
    NO_TURN = "waited for its turn"
    NOT_WRITTEN = "sighting not written"  # a sighting, not a picture
    CLIP_LOST = "clip not kept"  # likewise

    @property
    def label(self) -> str:
        return _LABELS[self]


_LABELS = {
    Drop.NOT_KEY: "Only key pictures were decoded",
    Drop.NOT_REFERENCE: "Only pictures that others refer to were decoded",
    Drop.NOT_WANTED: "Nobody needed the stream",
    Drop.DAMAGED: "Damaged on the way, or the camera sent nonsense",
    Drop.WITHOUT_KEY: "Came before the first key picture",
    Drop.RESTING: "Nothing moved, so it was not decoded",
    Drop.BEHIND: "Reading fell behind, so it was not decoded",
    Drop.STOOD_STILL: "The machine stood still",
    Drop.NEWER: "A newer one was there",
    Drop.BEFORE_WAKING: "Came close to another while it was waking up",
    Drop.NOTHING_MOVED: "Nothing moved",
    Drop.STILL_BUSY: "The one before was not done yet",
    Drop.NO_TURN: "Other cameras had their turn",
    Drop.NOT_WRITTEN: "Sightings that could not be written",
    Drop.CLIP_LOST: "Clips of alerts that could not be kept",
}
