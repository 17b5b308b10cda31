"""Tries a camera's source: one picture of it, or in one sentence why there is none.

What opens a stranger's address or file is a process of its own, which lives for seconds, may use little, and is killed
at the time limit: a decoder that hangs or crashes takes nothing with it. The source, which may hold a password, goes
there on stdin, never on the command line, and comes back in no message. It is opened by what opens it for the camera
loop, so that the same addresses are allowed and the same is said. The child imports no Django; who may ask is the
matter of `cameras.probing`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from cameras.network import NetworkPolicy
from cameras.sources import Source, parse_source

SECONDS = 8.0

_OPEN_SECONDS = 3.5
_SHOWN_SIDE = 1280
_MEMORY_MOST = 4 * 2**30  # of address space, most of which is never touched
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """One picture as JPEG with the source's size, rate and codec, or `jpeg` None and the problem as a sentence."""

    jpeg: bytes | None = None
    width: int = 0
    height: int = 0
    fps: float = 0.0  # nominal; 0 where the source does not say
    codec: str = ""  # as FFmpeg calls it; "" where nothing is encoded
    problem: str = ""


def probe(source: Source, timeout: float = SECONDS, *, network: NetworkPolicy, transport: str = "tcp") -> ProbeResult:
    """One picture, or the reason why there is none; the time-out (seconds) holds for everything together."""
    request = {"source": source.text, "seconds": max(1.0, timeout - 1.0), "transport": transport}
    try:
        child = subprocess.run(
            [sys.executable, "-m", "cameras.probe"],
            input=json.dumps(request | {"network": asdict(network)}).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).resolve().parent.parent,
            env={name: os.environ[name] for name in _KEPT if name in os.environ},  # the others may be secrets
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ProbeResult(
            problem=f"{source.shown} gave no picture within {timeout:.0f} seconds. Check that it is switched on and "
            "that the address is right."
        )
    head, _, jpeg = child.stdout.partition(b"\n")
    if child.returncode != 0 or not head:
        return ProbeResult(problem=f"{source.shown} could not be decoded; its video may be damaged.")
    return ProbeResult(jpeg=jpeg or None, **json.loads(head))


def main() -> int:
    """The child: a JSON request on stdin; on stdout a line of JSON, then the JPEG."""
    request = json.load(sys.stdin)
    deadline = time.monotonic() + request["seconds"]
    _limit()
    source = parse_source(request["source"])
    network = NetworkPolicy(**{part: tuple(texts) for part, texts in request["network"].items()})
    result = _tried(source, network, request["transport"], deadline)
    head = asdict(result)
    del head["jpeg"]
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + (result.jpeg or b""))
    sys.stdout.buffer.flush()
    return 0


def _limit() -> None:
    """Takes from this process what it does not need."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_MOST, _MEMORY_MOST))


def _tried(source: Source, network: NetworkPolicy, transport: str, deadline: float) -> ProbeResult:
    """The first picture. The imports are here because they take long, and the deadline counts them."""
    import cv2

    from cameras.video import CaptureOptions, EndOfSource, SourceFailed, open_capture

    left = max(0.5, deadline - time.monotonic())
    options = CaptureOptions(
        network=network, transport=transport, open_seconds=_OPEN_SECONDS, read_seconds=max(1.0, left - _OPEN_SECONDS)
    )
    try:
        capture = open_capture(source, options)
        while not (pictures := capture.step()):
            if time.monotonic() > deadline:
                return ProbeResult(problem=f"{source.shown} sends video, but no whole picture came in time. Try again.")
    except EndOfSource:
        return ProbeResult(
            problem=f"{source.shown} holds no picture. Check that it is a video and was copied completely."
        )
    except SourceFailed as problem:
        return ProbeResult(problem=str(problem))
    picture = pictures[0]
    shown = picture.image
    scale = _SHOWN_SIDE / max(picture.width, picture.height)
    if scale < 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        shown = cv2.resize(shown, size, interpolation=cv2.INTER_AREA).astype("uint8", copy=False)
    encoded, jpeg = cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, 85])
    if not encoded:
        return ProbeResult(problem=f"The picture of {source.shown} could not be written as JPEG.")
    return ProbeResult(
        jpeg=bytes(jpeg), width=picture.width, height=picture.height, fps=round(capture.fps, 2), codec=capture.codec
    )


if __name__ == "__main__":
    sys.exit(main())
