"""From a manifest to a working pack: networks that load when they are needed, in the detector and recogniser named.

The kinds that manifests may name are listed here, once. A kind takes its files in order (networks as `Session`s,
dlib's own formats as checked paths) and keyword options; which options there are and of what type is read from its
signature, so a manifest can not name one that does not exist.

Errors: ModelError, naming the pack and what is wrong with it.
"""

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recognition.engine.arcface import ArcFaceRecogniser
from recognition.engine.dlib_reference import DlibDetector, DlibEncoder
from recognition.engine.dlib_resnet import DlibRecogniser
from recognition.engine.errors import EngineError, ModelError
from recognition.engine.manifest import Manifest, ModelFile, Part
from recognition.engine.mtcnn import MtcnnDetector, Thresholds
from recognition.engine.pack import Pack
from recognition.engine.probe import check_answers, check_detector, check_recogniser
from recognition.engine.scrfd import ScrfdDetector
from recognition.engine.sessions import Model, Runtime, Session
from recognition.engine.store import file_path, read_file
from recognition.engine.toml_table import Option
from recognition.engine.types import Floats
from recognition.engine.yunet import YunetDetector, free_input


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A detector or recogniser that a manifest may name."""

    make: Callable[..., Any]  # of the files in order, and options as keywords
    files: int
    sessions: bool = True  # networks; else paths of files in dlib's format
    prepare: Callable[[bytes], bytes] = bytes  # what is done to a checked network before it is loaded


def _mtcnn(
    pnet: Session,
    rnet: Session,
    onet: Session,
    *,
    min_face: int = 40,
    pyramid_step: float = 0.709,
    propose: float = 0.6,
    refine: float = 0.7,
    decide: float = 0.9,
) -> MtcnnDetector:
    thresholds = Thresholds(propose=propose, refine=refine, decide=decide)
    return MtcnnDetector(pnet, rnet, onet, min_face=min_face, pyramid_step=pyramid_step, thresholds=thresholds)


def _dlib_hog(predictor: Path, *, upsample: int = 1) -> DlibDetector:
    return DlibDetector(predictor, upsample=upsample)


def _dlib_cnn(predictor: Path, cnn: Path, *, upsample: int = 1) -> DlibDetector:
    return DlibDetector(predictor, cnn=cnn, upsample=upsample)


DETECTORS: Mapping[str, Kind] = {
    "mtcnn": Kind(make=_mtcnn, files=3),
    "yunet": Kind(make=YunetDetector, files=1, prepare=free_input),
    "scrfd": Kind(make=ScrfdDetector, files=1),
    "dlib-hog": Kind(make=_dlib_hog, files=1, sessions=False),
    "dlib-cnn": Kind(make=_dlib_cnn, files=2, sessions=False),
}
RECOGNISERS: Mapping[str, Kind] = {
    "dlib-resnet": Kind(make=DlibRecogniser, files=1),
    "arcface": Kind(make=ArcFaceRecogniser, files=1),
    "dlib": Kind(make=DlibEncoder, files=1, sessions=False),
}


def build_pack(manifest: Manifest, *, cache: Path, runtime: Runtime, report: Callable[[str], None]) -> Pack:
    """The pack, with nothing loaded yet. What must be converted is converted now. Raises ModelError."""
    kinds = check_parts(manifest)
    for file in manifest.files:
        if file.convert:
            read_file(cache, manifest, file, report)
    checks = {**_checks(manifest, manifest.detector, kinds[0]), **_checks(manifest, manifest.recogniser, kinds[1])}
    models: dict[str, Model] = {}
    for file, kind in _networks(manifest, kinds):
        if kind.sessions:
            models[file.name] = _model(manifest, file, kind, cache, runtime, checks[file.name], report)

    def made(part: Part, kind: Kind) -> Any:
        files = [models[name] if kind.sessions else _checked_path(manifest, name, cache) for name in part.files]
        return _made(manifest, part, kind, files)

    return Pack(
        name=manifest.name,
        version=manifest.version,
        dimension=manifest.dimension,
        threshold=manifest.threshold,
        margin=manifest.margin,
        detector=made(manifest.detector, kinds[0]),
        recogniser=made(manifest.recogniser, kinds[1]),
        manifest=manifest,
        models=tuple(models.values()),
    )


def check_parts(manifest: Manifest) -> tuple[Kind, Kind]:
    """The kinds of detector and recogniser. Raises ModelError where they do not exist or do not take the options."""
    kinds = (_kind(manifest, manifest.detector, DETECTORS), _kind(manifest, manifest.recogniser, RECOGNISERS))
    for part, kind in zip((manifest.detector, manifest.recogniser), kinds, strict=True):
        # Made of nothing, to see whether the values of its options are any good; nothing is read at this point.
        _made(manifest, part, kind, [Path()] * kind.files)
    return kinds


def _made(manifest: Manifest, part: Part, kind: Kind, files: Sequence[Session | Path]) -> Any:
    """The detector or recogniser over these files."""
    options = _options(manifest, part, kind)
    try:
        made = kind.make(*files, **options)
    except (EngineError, ValueError) as error:
        raise ModelError(
            f"The pack {manifest.name} gives {part.kind} options that do not fit: {error}. Correct the manifest."
        ) from error
    if part is manifest.recogniser and made.dimension != manifest.dimension:
        raise ModelError(
            f"The pack {manifest.name} says its dimension is {manifest.dimension}, but its recogniser's is "
            f"{made.dimension}. Correct the manifest."
        )
    return made


def _networks(manifest: Manifest, kinds: tuple[Kind, Kind]) -> list[tuple[ModelFile, Kind]]:
    """Each file once, with the kind that runs it; two parts may share a network."""
    kind_of = dict.fromkeys(manifest.recogniser.files, kinds[1])
    kind_of |= dict.fromkeys(manifest.detector.files, kinds[0])
    return [(file, kind_of[file.name]) for file in manifest.files]


def _model(
    manifest: Manifest,
    file: ModelFile,
    kind: Kind,
    cache: Path,
    runtime: Runtime,
    check: Callable[[Session], None],
    report: Callable[[str], None],
) -> Model:
    path = file_path(cache, manifest, file)
    return Model(
        f"{manifest.name}/{file.name}",
        lambda: kind.prepare(read_file(cache, manifest, file, report)),
        runtime=runtime,
        check=check,
        size=path.stat().st_size if path.is_file() else file.bytes,
    )


def _checks(manifest: Manifest, part: Part, kind: Kind) -> dict[str, Callable[[Session], None]]:
    """What each network of a part must pass before it is used."""

    def check(session: Session, file: ModelFile) -> None:
        name = f"{manifest.name}/{file.name}"
        if file.probe is not None:
            check_answers(session, name, file.probe)
        if kind.files != 1:
            return
        made = _made(manifest, part, kind, [session])
        if part is manifest.recogniser:
            check_recogniser(made, name, manifest.dimension, manifest.metric)
        else:
            check_detector(made, name)

    def bound(file: ModelFile) -> Callable[[Session], None]:
        return lambda session: check(session, file)

    return {name: bound(manifest.file(name)) for name in part.files}


def _kind(manifest: Manifest, part: Part, kinds: Mapping[str, Kind]) -> Kind:
    kind = kinds.get(part.kind)
    if kind is None:
        raise ModelError(
            f"The pack {manifest.name} names the kind {part.kind!r}, which is not known. Known are {', '.join(kinds)}."
        )
    if len(part.files) != kind.files:
        raise ModelError(
            f"The pack {manifest.name} gives {len(part.files)} files to the kind {part.kind}, which needs {kind.files}."
        )
    return kind


def _checked_path(manifest: Manifest, name: str, cache: Path) -> Path:
    file = manifest.file(name)
    read_file(cache, manifest, file, lambda _line: None)
    return file_path(cache, manifest, file)


def _options(manifest: Manifest, part: Part, kind: Kind) -> dict[str, object]:
    """The options as the kind's signature wants them. Raises ModelError."""
    made_by = kind.make.__init__ if inspect.isclass(kind.make) else kind.make
    hints = typing.get_type_hints(made_by)
    known = [
        name
        for name, one in inspect.signature(kind.make).parameters.items()
        if one.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    options: dict[str, object] = {}
    for name, value in part.options.items():
        if name not in known:
            raise ModelError(
                f"The pack {manifest.name} gives {part.kind} the option {name!r}, which it does not have. "
                f"It has {', '.join(known) or 'none'}. Correct the manifest."
            )
        try:
            options[name] = _fitting(value, hints[name])
        except (TypeError, ValueError) as error:
            raise ModelError(
                f"The pack {manifest.name} gives the option {name!r} of {part.kind} as {value!r}: {error}."
            ) from error
    return options


def _fitting(value: Option, hint: object) -> object:
    """The value as its annotation wants it; TypeError or ValueError where it is of another type."""
    wanted = typing.get_args(hint) if type(None) in typing.get_args(hint) else (hint,)
    if hint is Floats or Floats in wanted:
        array = np.asarray(value, np.float32)
        if not np.isfinite(array).all():
            raise ValueError("must be finite numbers")
        return array
    if float in wanted and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, tuple):
        if any(typing.get_origin(one) is tuple for one in wanted):
            return value
    elif type(value) in wanted:
        return value
    names = " or ".join(getattr(one, "__name__", str(one)) for one in wanted if one is not type(None))
    raise TypeError(f"it must be of type {names}")
