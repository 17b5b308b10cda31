"""The converters that manifests name: from a file of an installed package to ONNX.

When a converter changes what it writes, raise model_cache.CONVERTED. Errors: ModelError.
"""

import io
from collections.abc import Callable, Mapping

import joblib

from recognition.engine.convert_dlib import to_onnx
from recognition.engine.convert_mtcnn import Weights, onet_to_onnx, pnet_to_onnx, rnet_to_onnx
from recognition.engine.errors import ModelError
from recognition.engine.model_cache import Source


def _unpickled(data: bytes) -> Weights:
    """The arrays in a file whose checksum has just been compared: a pickle may run anything."""
    weights = joblib.load(io.BytesIO(data))
    if not isinstance(weights, list):
        raise ModelError("The weights of the package mtcnn are not the list of arrays expected. Install mtcnn again.")
    return weights


CONVERTERS: Mapping[str, Callable[[bytes], bytes]] = {
    "mtcnn-p": lambda data: pnet_to_onnx(_unpickled(data)),
    "mtcnn-r": lambda data: rnet_to_onnx(_unpickled(data)),
    "mtcnn-o": lambda data: onet_to_onnx(_unpickled(data)),
    "dlib-resnet": to_onnx,
}


def converted(source: Source, converter: str) -> bytes:
    """The package's file as ONNX; the file is read whole and checked first."""
    convert = CONVERTERS.get(converter)
    if convert is None:
        raise ModelError(f"There is no converter {converter!r}. Those there are: {', '.join(CONVERTERS)}.")
    return convert(source.read())
