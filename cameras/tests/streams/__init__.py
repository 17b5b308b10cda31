"""Cameras on loopback for tests: they stream for real, and misbehave on command while they run.

`rtsp_camera`, `mjpeg_camera`, `hls_camera` and `snapshot_camera` are context managers that give a server with `url`,
`fault` (to be set at any time), `connections` (how many there were) and `drop()`. `gstreamer_camera` is somebody else's
RTSP server, where it is installed. `silent_camera` and `absent_camera` are addresses of nobody who answers.
"""

from cameras.tests.streams import clips
from cameras.tests.streams.clips import Clip, moving
from cameras.tests.streams.faults import Fault
from cameras.tests.streams.gstreamer import gstreamer_camera
from cameras.tests.streams.hls import hls_camera
from cameras.tests.streams.http import absent_camera, mjpeg_camera, silent_camera, snapshot_camera
from cameras.tests.streams.rtsp import rtsp_camera

__all__ = [
    "Clip",
    "Fault",
    "absent_camera",
    "clips",
    "gstreamer_camera",
    "hls_camera",
    "mjpeg_camera",
    "moving",
    "rtsp_camera",
    "silent_camera",
    "snapshot_camera",
]
