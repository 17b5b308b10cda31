"""What decoding costs: OpenCV's FFmpeg beside PyAV, and what each way of decoding less saves.

`python -m benchmarks.decoding` makes two clips of 1280x720 at 25 pictures a second, a key picture every two seconds
(H.264 by x264 at 3 Mbit/s, without and with B-pictures; MPEG-4 where this FFmpeg has no x264), and prints a Markdown
table of processor time in ms for each picture of the stream, decoded or not. One thread; the least of some runs,
because what else the machine does only adds. Needs no network.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import skimage
from av.video.stream import VideoStream

from benchmarks.text import table
from cameras.network import NetworkPolicy
from cameras.sources import parse_source
from cameras.video import CaptureOptions, Decode, EndOfSource, open_capture
from cameras.video.types import Picture
from recognition.engine import Image
from workers.motion import MotionGate

SIZE = (1280, 720)
FPS = 25
GOP = 50
BIT_RATE = 3_000_000
CODEC = "libx264" if "libx264" in av.codecs_available else "mpeg4"
_OPTIONS = CaptureOptions(network=NetworkPolicy())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decoding", description=__doc__)
    parser.add_argument("--seconds", type=float, default=12.0, help="length of each clip (default 12)")
    parser.add_argument("--runs", type=int, default=5, help="how often each is measured (default 5)")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    count = round(options.seconds * FPS)
    with tempfile.TemporaryDirectory(prefix="lynceus-bench-") as name:
        clips = [make(Path(name) / f"b{bframes}.mp4", count, bframes=bframes) for bframes in (0, 2)]
        rows = [
            [way, *(f"{min(run(clip) for _ in range(options.runs)) / count * 1000:.2f}" for clip in clips)]
            for way, run in WAYS.items()
        ]
        gates = [_gate(clips[0]) for _ in range(options.runs)]
    print(table([f"CPU ms a stream picture, {CODEC} 720p25", "without B-pictures", "with B-pictures"], rows))
    still, moving = (min(gate[number] for gate in gates) for number in (0, 1))
    print(
        f"\nThe motion gate alone, on 720p luma: {still:.3f} ms a picture in which nothing moves, {moving:.3f} ms else."
    )


def make(path: Path, count: int, *, bframes: int) -> Path:
    """A room with the noise of a sensor, through which somebody walks half of the time."""
    room = cv2.resize(_photo("coffee"), SIZE).astype(np.int16)
    walker = cv2.resize(_photo("astronaut"), (200, 480))
    random = np.random.default_rng(1)
    noise = [random.normal(0, 2, (SIZE[1], SIZE[0], 1)).round().astype(np.int16) for _ in range(8)]
    with av.open(str(path), "w") as container:
        options: dict[str, str] = {"g": str(GOP), "bf": str(bframes)}
        stream = container.add_stream(
            CODEC, rate=FPS, options=options | ({"preset": "veryfast"} if "264" in CODEC else {})
        )
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = BIT_RATE
        for number in range(count):
            picture = room + noise[number % len(noise)]
            if number % 100 >= 50:
                x = (number % 50) * 20
                picture[180:660, x : x + 200] = walker
            frame = av.VideoFrame.from_ndarray(np.clip(picture, 0, 255).astype(np.uint8), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _photo(name: str) -> Image:
    photo = cv2.imread(str(Path(skimage.__file__).parent / "data" / f"{name}.png"))
    assert photo is not None
    return photo.astype(np.uint8, copy=False)


def _opencv(clip: Path, *, convert: bool) -> float:
    capture = cv2.VideoCapture(str(clip), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    began = time.process_time()
    while capture.read()[0] if convert else capture.grab():
        pass
    spent = time.process_time() - began
    capture.release()
    return spent


def _bare(clip: Path) -> float:
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        began = time.process_time()
        for _ in container.decode(stream):
            pass
        return time.process_time() - began


def _ours(clip: Path, mode: Decode, use: Callable[[Picture], object] | None = None) -> float:
    capture = open_capture(parse_source(str(clip)), _OPTIONS)
    capture.decode = mode
    began = time.process_time()
    try:
        while True:
            for picture in capture.step():
                if use is not None:
                    use(picture)
    except EndOfSource:
        return time.process_time() - began
    finally:
        capture.close()


def _gated(clip: Path, mode: Decode) -> float:
    gate = MotionGate()
    return _ours(clip, mode, lambda picture: gate.look(picture.luma))


def _gate(clip: Path) -> tuple[float, float]:
    """The gate's own time in ms, median of the pictures in which nothing moves and of the others."""
    gate = MotionGate()
    spent: dict[bool, list[float]] = {False: [], True: []}

    def look(picture: Picture) -> None:
        began = time.thread_time()
        motion = gate.look(picture.luma)
        spent[motion.moved].append(time.thread_time() - began)

    _ours(clip, Decode.ALL, look)
    return float(np.median(spent[False])) * 1000, float(np.median(spent[True])) * 1000


WAYS: dict[str, Callable[[Path], float]] = {
    "OpenCV `read` (decoded and BGR)": lambda clip: _opencv(clip, convert=True),
    "OpenCV `grab` (decoded)": lambda clip: _opencv(clip, convert=False),
    "PyAV, bare": _bare,
    "Lynceus, every picture": lambda clip: _ours(clip, Decode.ALL),
    "… with the motion gate": lambda clip: _gated(clip, Decode.ALL),
    "… with BGR": lambda clip: _ours(clip, Decode.ALL, lambda picture: picture.image),
    "Lynceus, references only": lambda clip: _ours(clip, Decode.REFERENCES),
    "Lynceus, key pictures only": lambda clip: _ours(clip, Decode.KEYFRAMES),
    "… with the motion gate (idle)": lambda clip: _gated(clip, Decode.KEYFRAMES),
    "Lynceus, nothing (second stream)": lambda clip: _ours(clip, Decode.NOTHING),
}

if __name__ == "__main__":
    main()
