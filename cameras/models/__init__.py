"""Cameras and places, the leases that say which worker runs a camera, what happened to them, and what they saw."""

from cameras.models.camera import (
    CAMERA_SCOPE,
    Camera,
    CameraEvent,
    CameraHour,
    CameraLease,
    CameraWatch,
    Decoding,
    EventKind,
    Priority,
    Transport,
    WithoutSealed,
)
from cameras.models.place import (
    Anchor,
    CameraGroup,
    CameraPlace,
    Ground,
    Shape,
    SitePlan,
    Zone,
    ZoneRevision,
)
from cameras.models.sighting import (
    Passage,
    PassageKind,
    Sighting,
    Verdict,
    shot_scope,
)

__all__ = [
    "CAMERA_SCOPE",
    "Anchor",
    "Camera",
    "CameraEvent",
    "CameraGroup",
    "CameraHour",
    "CameraLease",
    "CameraPlace",
    "CameraWatch",
    "Decoding",
    "EventKind",
    "Ground",
    "Passage",
    "PassageKind",
    "Priority",
    "Shape",
    "Sighting",
    "SitePlan",
    "Transport",
    "Verdict",
    "WithoutSealed",
    "Zone",
    "ZoneRevision",
    "shot_scope",
]
