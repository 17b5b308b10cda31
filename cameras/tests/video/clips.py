"""Clips for the tests of decoding: real encodes of a noisy scene, made here, through which something may move.

Pictures are (h, w, 3) uint8 BGR. H.264 by x264; its B-pictures are those that no other picture needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
import skimage
from av.video.stream import VideoStream

from cameras.network import NetworkPolicy
from cameras.sources import parse_source
from cameras.video import Capture, CaptureOptions, EndOfSource, Picture, open_capture

SIZE = (320, 180)
FPS = 25
GOP = 25
Pixels = npt.NDArray[np.uint8]
OPTIONS = CaptureOptions(network=NetworkPolicy())


def photo(name: str) -> Pixels:
    """A photo that comes with scikit-image."""
    image = cv2.imread(str(Path(skimage.__file__).parent / "data" / f"{name}.png"))
    assert image is not None
    return image.astype(np.uint8, copy=False)


@cache
def scene(size: tuple[int, int] = SIZE) -> Pixels:
    return cv2.resize(photo("coffee"), size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def noisy(count: int, *, size: tuple[int, int] = SIZE, noise: float = 2, moving: range = range(0)) -> Iterator[Pixels]:
    """The scene with camera noise; while `moving`, somebody walks through it."""
    random = np.random.default_rng(4)
    walker = cv2.resize(photo("astronaut"), (size[0] // 6, size[1] // 2))
    for number in range(count):
        picture = scene(size).astype(np.float32)
        if number in moving:
            x = int((number - moving.start) / len(moving) * (size[0] - walker.shape[1]))
            picture[size[1] // 4 : size[1] // 4 + walker.shape[0], x : x + walker.shape[1]] = walker
        picture += random.normal(0, noise, (size[1], size[0], 1))
        yield np.clip(picture, 0, 255).astype(np.uint8)


def write(
    path: Path,
    pictures: Iterator[Pixels] | list[Pixels],
    *,
    bframes: int = 0,
    gop: int = GOP,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    change: Callable[[av.Packet[Any]], None] = lambda packet: None,
) -> Path:
    """Encodes them; `change` may do something to every packet before it is written."""
    with av.open(str(path), "w") as container:
        stream: VideoStream | None = None
        for picture in pictures:
            if stream is None:
                usual = {"g": str(gop), "bf": str(bframes), "sc_threshold": "0", "preset": "veryfast", "crf": "28"}
                chosen: dict[str, str] = (usual if codec == "libx264" else {"g": str(gop)}) | (options or {})
                added = container.add_stream(codec, rate=FPS, options=chosen)
                assert isinstance(added, VideoStream)
                stream = added
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = pixels
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")):
                change(packet)
                container.mux(packet)
        assert stream is not None
        for packet in stream.encode(None):
            change(packet)
            container.mux(packet)
    return path


def opened(path: Path | str) -> Capture:
    return open_capture(parse_source(str(path)), OPTIONS)


def rest_of(capture: Capture) -> list[Picture]:
    """Every picture until the end."""
    pictures = []
    while True:
        try:
            pictures += capture.step()
        except EndOfSource:
            return pictures


def pictures_of(path: Path | str) -> list[Picture]:
    capture = opened(path)
    try:
        return rest_of(capture)
    finally:
        capture.close()
