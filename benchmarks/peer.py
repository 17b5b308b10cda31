"""The same clip without Lynceus: decoded only (nobody can be cheaper), and the way `face_recognition` does it.

That way: on every frame, dlib's HOG detector on the picture enlarged once, the 5-point shape predictor, and dlib's
ResNet on every face, compared with the known encodings at a distance of 0.6. The networks are those of the package
face_recognition_models, run by dlib itself. One thread, as the library uses.
"""

from __future__ import annotations

import importlib.util
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks import clip
from recognition.engine import Image

TOLERANCE = 0.6
Boxes = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
_MODELS = ("shape_predictor_5_face_landmarks.dat", "dlib_face_recognition_resnet_model_v1.dat")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerResult:
    """Frames a second at full speed, CPU seconds for a minute of a camera at `clip.FPS`, and seconds a frame."""

    fps: float
    cpu_per_camera_minute: float
    frame_seconds: tuple[float, ...] = ()
    with_face: int = 0
    recognised: int = 0


def decode_only(path: Path) -> PeerResult:
    """Reads the clip to its end."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    count, wall, cpu = 0, time.perf_counter(), time.process_time()
    while capture.read()[0]:
        count += 1
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return PeerResult(fps=count / wall, cpu_per_camera_minute=cpu / count * clip.FPS * 60)


def face_recognition_way(path: Path, *, seconds: float) -> PeerResult | None:
    """Every few frames of the clip for about so long; None where dlib is not installed."""
    if importlib.util.find_spec("dlib") is None:
        return None
    way = DlibWay()
    known = np.stack([way.encodings(_decoded(person))[0] for person in clip.PEOPLE])
    frames = _spread(path, way, seconds)
    spent, hits = [], 0
    cpu = time.process_time()
    for image, person in frames:
        began = time.perf_counter()
        found = way.encodings(image)
        names = [int(np.argmin(d)) for e in found if (d := np.linalg.norm(known - e, axis=1)).min() <= TOLERANCE]
        spent.append(time.perf_counter() - began)
        hits += person is not None and person in names
    cpu = time.process_time() - cpu
    return PeerResult(
        fps=len(spent) / sum(spent),
        cpu_per_camera_minute=cpu / len(spent) * clip.FPS * 60,
        frame_seconds=tuple(spent),
        with_face=sum(person is not None for _, person in frames),
        recognised=hits,
    )


class DlibWay:
    """dlib as face_recognition uses it. Images (h, w, 3) uint8 BGR."""

    def __init__(self) -> None:
        import dlib

        spec = importlib.util.find_spec("face_recognition_models")
        if spec is None or spec.origin is None:
            raise SystemExit("The package face_recognition_models is not installed. Run `make install`.")
        landmarks, network = (str(Path(spec.origin).parent / "models" / name) for name in _MODELS)
        self._detect: Any = dlib.get_frontal_face_detector()
        self._landmarks: Any = dlib.shape_predictor(landmarks)
        self._network: Any = dlib.face_recognition_model_v1(network)

    def encodings(self, image: Image) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
        return self.faces(image)[1]

    def faces(self, image: Image) -> tuple[Boxes, list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]]:
        """The boxes (n, 4) xyxy of all faces, and their encodings (128,)."""
        rgb = np.ascontiguousarray(image[:, :, ::-1])
        found = list(self._detect(rgb, 1))
        boxes = np.array([(box.left(), box.top(), box.right(), box.bottom()) for box in found], np.float32)
        shapes = [self._landmarks(rgb, box) for box in found]
        encodings = [np.array(self._network.compute_face_descriptor(rgb, shape, 1)) for shape in shapes]
        return boxes.reshape(-1, 4), encodings

    def embed(self, chip: Image) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """The encoding (128,) of a chip that is aligned already, (150, 150, 3)."""
        return np.array(self._network.compute_face_descriptor(np.ascontiguousarray(chip[:, :, ::-1])))


def _spread(path: Path, way: DlibWay, seconds: float) -> list[tuple[Image, int | None]]:
    """Frames spread over the whole clip, as many as fit into the time, each with the number of who is in view."""
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (read := capture.read())[0]:
        frames.append(read[1].astype(np.uint8))
    began = time.perf_counter()
    way.encodings(frames[0])
    each = time.perf_counter() - began
    step = max(1, round(len(frames) * each / seconds))
    a_person = round((clip.SHOWN + clip.PAUSE) * clip.FPS)
    return [
        (frames[at], at // a_person if at % a_person < clip.SHOWN * clip.FPS else None)
        for at in range(0, len(frames), step)
    ]


def _decoded(person: str) -> Image:
    image = cv2.imdecode(np.frombuffer(clip.enrolment_photo(person), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image.astype(np.uint8)
