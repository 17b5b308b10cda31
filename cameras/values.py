"""What can be set of a camera, and whether it can be used so.

`CameraValues` is what `add_camera` and `change_camera` of `cameras.services` take; `cleaned` checks it. Of a value that
can not be used a `CameraError` says why, and whose it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypedDict

from cameras.masks import MaskError, clean_masks
from cameras.models import Decoding, Priority, Transport
from cameras.schedule import ScheduleError, parse_schedule
from cameras.sources import Source, SourceError, parse_source
from recognition.errors import RecognitionError

LONGEST_SCHEDULE = 300
DETECT_FPS: Final = (0.2, 30.0)
SENSITIVITY: Final = (1, 10)


class CameraError(RecognitionError):
    """A value of a camera can not be used; the message is a sentence for people, `field` names the value."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class CameraValues(TypedDict, total=False):
    """What is named is set; what is not stays, or is the default of a new camera.

    An empty `source` or `detail` (the second, larger stream) keeps the one there is; `remove_detail` takes it away.
    `detect_fps` None: as the site does. `masks`: polygons as `cameras.masks` takes them.
    """

    name: str
    source: str
    detail: str
    remove_detail: bool
    transport: str
    latitude: float | None
    longitude: float | None
    loop: bool
    enabled: bool
    schedule: str
    priority: int
    idle_decoding: str
    detect_fps: float | None
    sensitivity: int
    masks: object
    alert_events: bool
    clips: bool


@contextmanager
def about(field: str) -> Iterator[None]:
    """Says of which value a sentence is."""
    try:
        yield
    except (MaskError, ScheduleError) as error:
        raise CameraError(field, str(error)) from None


def cleaned(values: CameraValues) -> dict[str, object]:
    """The columns that the values set, sources left out; raises CameraError."""
    columns: dict[str, object] = {}
    for field, given in values.items():
        if field in _AS_GIVEN:
            columns[field] = given
        elif field in _CLEANERS:
            with about(field):
                columns[field] = _CLEANERS[field](given)
    return columns


def parse_detail(text: str) -> Source:
    """The second stream; raises CameraError."""
    try:
        return parse_source(text)
    except SourceError as error:
        raise CameraError("detail", f"The second stream: {error}") from None


def _schedule(given: object) -> str:
    text = " ".join(str(given).split())
    if len(text) > LONGEST_SCHEDULE:
        raise CameraError("schedule", f"The schedule has {len(text)} characters; at most {LONGEST_SCHEDULE} are kept.")
    parse_schedule(text)
    return text


def _detect_fps(given: object) -> float | None:
    if given is None:
        return None
    low, high = DETECT_FPS
    if isinstance(given, bool) or not isinstance(given, int | float) or not low <= given <= high:  # no NaN either
        said = f"Faces can be looked for {low:g} to {high:g} times a second. Choose such a rate."
        raise CameraError("detect_fps", said)
    return float(given)


def _sensitivity(given: object) -> int:
    low, high = SENSITIVITY
    if not isinstance(given, int) or isinstance(given, bool) or not low <= given <= high:
        raise CameraError("sensitivity", f"The sensitivity is a whole number from {low} to {high}. Choose one.")
    return given


def _priority(given: object) -> int:
    if given not in Priority.values:
        raise CameraError("priority", "The priority is 1 (low), 2 (normal) or 3 (high). Choose one.")
    return Priority(given).value


def _transport(given: object) -> str:
    if given not in Transport.values:
        raise CameraError("transport", "RTSP streams come over tcp or udp. Choose one.")
    return Transport(given).value


def _idle_decoding(given: object) -> str:
    if given not in Decoding.values:
        raise CameraError("idle_decoding", "While nothing moves, all pictures are decoded or keyframes. Choose one.")
    return Decoding(given).value


_AS_GIVEN: Final = frozenset({"latitude", "longitude", "loop", "enabled", "alert_events", "clips"})
_CLEANERS: Final[dict[str, Callable[[object], object]]] = {
    "schedule": _schedule,
    "priority": _priority,
    "transport": _transport,
    "idle_decoding": _idle_decoding,
    "detect_fps": _detect_fps,
    "sensitivity": _sensitivity,
    "masks": clean_masks,
}
