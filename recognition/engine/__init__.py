"""Who is in this picture? Detection, alignment, embedding, quality and matching of faces.

Pure computing: arrays in, dataclasses out; no Django, no database, no network. Start with `load_pack`, which
gives a `Pack` that detects and embeds; `Gallery.search` and `decide` then say who it is. What recognising needs
is here; evaluation (`metrics`, `protocol`, `impostors`), the files of packs (`store`) and look-alike pairs (`pairs`)
are modules of their own.
"""

from recognition.engine.enhance import Enhanced, enhance
from recognition.engine.errors import EngineError, ModelError, PhotoError, ShapeError, UnknownPack
from recognition.engine.images import decode_photo, encode_jpeg
from recognition.engine.impostors import ImpostorCurve, Share
from recognition.engine.manifest import Licence, Manifest, Metric
from recognition.engine.match import Candidate, Gallery, Templates, decide, fuse, similarity
from recognition.engine.pack import Face, Pack
from recognition.engine.packs import load_pack, manifest_problems, manifests, pack_state
from recognition.engine.quality import UNUSABLE, Problem, Quality, assess
from recognition.engine.store import PackCheck, PackState
from recognition.engine.types import Detector, Embedding, FaceDetections, Image, Recogniser

__all__ = [
    "UNUSABLE",
    "Candidate",
    "Detector",
    "Embedding",
    "EngineError",
    "Enhanced",
    "Face",
    "FaceDetections",
    "Gallery",
    "Image",
    "ImpostorCurve",
    "Licence",
    "Manifest",
    "Metric",
    "ModelError",
    "Pack",
    "PackCheck",
    "PackState",
    "PhotoError",
    "Problem",
    "Quality",
    "Recogniser",
    "ShapeError",
    "Share",
    "Templates",
    "UnknownPack",
    "assess",
    "decide",
    "decode_photo",
    "encode_jpeg",
    "enhance",
    "fuse",
    "load_pack",
    "manifest_problems",
    "manifests",
    "pack_state",
    "similarity",
]
