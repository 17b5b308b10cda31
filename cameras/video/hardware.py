"""Decoding in hardware, where the build of FFmpeg and the machine offer it; otherwise in software, said once.

The pictures come back to main memory either way, because that is where they are looked at.
"""

from __future__ import annotations

import logging
from functools import cache

import av
from av.codec.hwaccel import HWAccel, hwdevices_available

OFF, AUTO = "off", "auto"
_PREFERRED = ("videotoolbox", "cuda", "vaapi", "qsv", "d3d11va", "d3d12va", "dxva2", "vdpau")
_COMMONEST = "h264"

_log = logging.getLogger(__name__)


@cache
def accelerator(hardware: str) -> HWAccel | None:
    """How to decode: None in software. `hardware` is off, auto, or the name of a kind of device, such as vaapi."""
    if hardware == OFF:
        return None
    built = hwdevices_available()
    for name in [name for name in _PREFERRED if name in built] if hardware == AUTO else [hardware]:
        if name in built and _works(name):
            _log.info("Video is decoded with %s, and in software where that can not.", name)
            return HWAccel(name, allow_software_fallback=True)
    _log.warning(
        "Video is decoded in software, because %s on this machine. This FFmpeg was built with: %s.",
        "no device for it works" if hardware == AUTO else f"{hardware} does not work",
        ", ".join(built) or "none",
    )
    return None


def _works(name: str) -> bool:
    try:
        HWAccel(name).create(av.Codec(_COMMONEST, "r"))
    except (av.error.FFmpegError, NotImplementedError):
        return False
    return True
