"""GStreamer's RTSP server as a camera: somebody else's reading of the standard, over TCP and UDP.

It runs in the system's Python, which has its bindings; tests skip where they are missing (`.ci/run` installs them).
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

_PYTHON = "/usr/bin/python3"
_SERVER = Path(__file__).with_name("gstreamer_server.py")
_CHECK = (
    "import gi; gi.require_version('Gst', '1.0'); gi.require_version('GstRtspServer', '1.0'); "
    "from gi.repository import Gst; Gst.init(None); "
    "import sys; sys.exit(not all(map(Gst.ElementFactory.find, ('x264enc', 'x265enc', 'jpegenc', 'rtph264pay'))))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GstreamerCamera:
    port: int
    login: str

    def url(self, codec: str) -> str:
        """`codec`: h264, h265 or jpeg."""
        return f"rtsp://{self.login}127.0.0.1:{self.port}/{codec}"


@cache
def _is_there() -> bool:
    try:
        return subprocess.run([_PYTHON, "-c", _CHECK], capture_output=True, timeout=30, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@contextlib.contextmanager
def gstreamer_camera(user: str = "", password: str = "") -> Iterator[GstreamerCamera]:
    if not _is_there():
        pytest.skip("GStreamer's RTSP server is not installed (Debian: gir1.2-gst-rtsp-server-1.0, python3-gi)")
    login = [user, password] if user else []
    server = subprocess.Popen([_PYTHON, str(_SERVER), *login], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        yield GstreamerCamera(port=port, login=f"{user}:{password}@" if user else "")
    finally:
        server.terminate()
        server.wait(10)
        if server.stdout is not None:
            server.stdout.close()
