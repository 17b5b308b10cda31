"""What a pipeline adds to the pure time of its networks: ours and insightface's FaceAnalysis, with the same files.

The networks are generated in the shapes of InsightFace's packs (benchmarks/networks.py) and find six planted faces in
a frame of 1280x720. All run on one thread. What a pipeline adds is measured with its networks' answers played back,
so that it is not lost in the noise of a second of convolutions; it is then set against the networks' own time for the
very input that the pipeline gave them.

    python -m benchmarks.overhead [--rounds 20]
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import onnxruntime

from benchmarks.networks import PlantedFace, arcface, scrfd
from recognition.engine import Image
from recognition.engine.arcface import ArcFaceRecogniser
from recognition.engine.scrfd import ScrfdDetector

FACES = tuple(PlantedFace(box=(30.0 + 100 * at, 100.0 + 10 * at, 90.0 + 100 * at, 180.0 + 10 * at)) for at in range(6))
# Detector and recogniser of the packs that are imitated.
PACKS: Mapping[str, tuple[str, str]] = {"buffalo_l": ("10g", "r50"), "buffalo_s": ("500m", "mbf")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """Median milliseconds a frame with six faces."""

    networks: float
    added: float

    @property
    def share(self) -> float:
        return self.added / self.networks


class _Player:
    """A session that records what it is asked and answers, and then only plays its answers back."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.playing = False
        self.asked: list[tuple[Any, Any]] = []
        self._answers: list[Any] = []
        self._at = 0

    def run(self, outputs: Any, feeds: Any, *_: Any) -> Any:
        if self.playing:
            self._at += 1
            return self._answers[(self._at - 1) % len(self._answers)]
        self.asked.append((outputs, feeds))
        self._answers.append(self._inner.run(outputs, feeds))
        return self._answers[-1]

    def again(self) -> None:
        """Ask the network everything once more."""
        for outputs, feeds in self.asked:
            self._inner.run(outputs, feeds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def measure(name: str, *, rounds: int = 20) -> tuple[Overhead, Overhead | None]:
    """Ours, and InsightFace's where it is installed."""
    detector, recogniser = PACKS[name]
    models = {"detector": scrfd(detector, size=640, planted=FACES), "recogniser": arcface(recogniser)}
    image = _frame()
    ours = _measured(*_lynceus(models, image), rounds)
    if importlib.util.find_spec("insightface") is None:
        return ours, None
    with tempfile.TemporaryDirectory(prefix="lynceus-bench-") as folder:
        return ours, _measured(*_insightface(models, image, Path(folder)), rounds)


def _lynceus(models: Mapping[str, bytes], image: Image) -> tuple[Callable[[], int], list[_Player]]:
    players = [_Player(onnxruntime.InferenceSession(model, _options())) for model in models.values()]
    detector, recogniser = ScrfdDetector(players[0]), ArcFaceRecogniser(players[1])

    def frame() -> int:
        found = detector.detect(image)
        return len(recogniser.embed([recogniser.align(image, points) for points in found.points]))

    return frame, players


def _insightface(models: Mapping[str, bytes], image: Image, folder: Path) -> tuple[Callable[[], int], list[_Player]]:
    from insightface.app import FaceAnalysis

    for name, model in models.items():
        (folder / f"{name}.onnx").write_bytes(model)
    warnings.filterwarnings("ignore", category=FutureWarning, module="insightface")
    app = FaceAnalysis(name=str(folder), providers=["CPUExecutionProvider"], sess_options=_options())
    app.prepare(0, det_size=(640, 640))
    recogniser = app.models["recognition"]
    players = [_Player(app.det_model.session), _Player(recogniser.session)]
    app.det_model._session_for_input_size = lambda size: players[0]
    recogniser.session = players[1]
    return lambda: len(app.get(image)), players


def _measured(frame: Callable[[], int], players: Sequence[_Player], rounds: int) -> Overhead:
    if frame() != len(FACES):
        raise SystemExit(f"{len(FACES)} faces are planted, and not all were found.")

    def again() -> None:
        for player in players:
            player.again()

    networks = _milliseconds(again, rounds)
    for player in players:
        player.playing = True
    return Overhead(networks=networks, added=_milliseconds(frame, 3 * rounds))


def _milliseconds(work: Callable[[], object], rounds: int) -> float:
    spent = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        spent.append((time.perf_counter() - began) * 1000)
    return median(spent)


def _options() -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return options


def _frame() -> Image:
    """1280x720 with structure at every scale."""
    random = np.random.default_rng(0)
    layers = [cv2.resize(random.uniform(0, 255, (cells, cells, 3)), (1280, 720)) for cells in (4, 16, 64)]
    return np.asarray(np.mean(layers, axis=0), np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="how often the networks are run (default 20)")
    rounds = parser.parse_args().rounds
    cv2.setNumThreads(1)
    print("| generated networks of | pure, ms | Lynceus adds | insightface: pure, ms | adds |\n|---|---|---|---|---|")
    for name in PACKS:
        ours, theirs = measure(name, rounds=rounds)
        other = f"{theirs.networks:.0f} | {theirs.added:.1f} ms, {theirs.share:.1%}" if theirs else "not installed | —"
        print(f"| {name} | {ours.networks:.0f} | {ours.added:.1f} ms, {ours.share:.1%} | {other} |")


if __name__ == "__main__":
    main()
