"""What a model pack is: its files and hashes, its parts, its threshold and its licence, read from one TOML file.

    name = "opencv"                 # lower case; the folder it lies in
    version = "opencv-1"            # stored with every template: changes whenever embeddings do
    title = "YuNet and SFace"
    metric = "cosine"               # or "euclidean": similarity is then 1 - d^2 / 2
    dimension = 128
    threshold = 0.45                # similarity from which a search recognises somebody
    margin = 0.03                   # lead that the best candidate needs over the second
    threshold_source = "..."        # where the threshold comes from
    extra = ""                      # optional: the pip extra it needs

    [licence]      name, url, commercial, acceptance (must somebody accept it?), note
    [[files]]      name, sha256 (one, or several accepted variants, or none), bytes, urls, member, [files.archive]
                   or, from an installed package: package = {module, path, distribution, sha256}, convert
                   optional: probe = {shape, answers = {output = [first values]}}
    [detector]     kind, files, [detector.options]
    [recogniser]   kind, files, [recogniser.options]
    [impostors]    optional: what strangers score, see impostors.py

Reading is strict: an unknown key, a wrong type or a number outside its range is refused, because a misspelt
option that is ignored would silently change embeddings. A file without any sha256 is "unpinned": it may only be
installed with the user's consent, and is held to the hash recorded then.

Errors: ModelError, naming the manifest and the key.
"""

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from recognition.engine.errors import EngineError, ModelError
from recognition.engine.impostors import ImpostorCurve
from recognition.engine.model_cache import Source
from recognition.engine.toml_table import Option, Table

# A name becomes a folder and a URL, a file name a path: nothing that could climb out of the models' folder.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\.(onnx|dat)")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


class Metric(StrEnum):
    EUCLIDEAN = "euclidean"
    COSINE = "cosine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """On what terms the models may be used."""

    name: str
    url: str
    commercial: bool
    acceptance: bool  # somebody must accept it before the pack is installed
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """The ZIP file that a model is published in."""

    sha256: str  # empty where it is not known: the member's own is what counts
    bytes: int
    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A known answer: the first values of some outputs for the fixed input that `probe.py` makes of `shape`."""

    shape: tuple[int, ...]
    answers: Mapping[str, tuple[float, ...]] = field(hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """One file of a pack, and where it comes from: URLs, a member of an archive, or an installed package."""

    name: str
    sha256: tuple[str, ...] = ()  # accepted variants; none: unpinned, or made by the converter
    bytes: int = 0  # 0 where it is not known
    urls: tuple[str, ...] = ()
    member: str = ""  # the name inside the archive, in whatever folder
    archive: Archive | None = None
    package: Source | None = None
    convert: str = ""  # the converter that makes it of the package's file; empty: used as it is
    probe: Probe | None = None

    @property
    def pinned(self) -> bool:
        """Is it known beforehand which file this must be?"""
        return bool(self.sha256) or self.package is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A detector or recogniser: a kind that `build.py` knows, its files in order, and its options."""

    kind: str
    files: tuple[str, ...]
    options: Mapping[str, Option] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A model pack as described, whether or not it is installed."""

    name: str
    version: str
    title: str
    metric: Metric
    dimension: int
    threshold: float
    margin: float
    licence: Licence
    files: tuple[ModelFile, ...]
    detector: Part
    recogniser: Part
    threshold_source: str = ""
    description: str = ""
    extra: str = ""
    impostors: ImpostorCurve | None = field(default=None, hash=False)
    shipped: bool = True  # false: a user's own

    @property
    def bytes(self) -> int:
        """The size of all files, as far as it is known."""
        return sum(file.bytes for file in self.files)

    def file(self, name: str) -> ModelFile:
        return next(file for file in self.files if file.name == name)


def parse_manifest(text: str, *, source: str, shipped: bool = False) -> Manifest:
    """The manifest in this TOML text; `source` names it in errors. Raises ModelError."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"The pack manifest {source} is not valid TOML: {error}. Correct it.") from error
    table = Table(content, source)
    files = tuple(_file(one, shipped=shipped) for one in table.tables("files"))
    manifest = Manifest(
        name=table.text("name", pattern=_NAME),
        version=table.text("version", pattern=_VERSION),
        title=table.text("title"),
        metric=Metric(table.choice("metric", [one.value for one in Metric])),
        dimension=table.integer("dimension", low=1, high=65536),
        threshold=table.number("threshold", low=-1, high=1),
        margin=table.number("margin", low=0, high=1),
        threshold_source=table.text("threshold_source", default=""),
        description=table.text("description", default=""),
        extra=table.text("extra", default=""),
        licence=_licence(table.table("licence")),
        files=files,
        detector=_part(table.table("detector"), files),
        recogniser=_part(table.table("recogniser"), files),
        impostors=_impostors(table),
        shipped=shipped,
    )
    table.done()
    _check_files(manifest, source)
    return manifest


def _check_files(manifest: Manifest, source: str) -> None:
    names = [file.name for file in manifest.files]
    unused = set(names) - {*manifest.detector.files, *manifest.recogniser.files}
    if len(set(names)) != len(names):
        raise ModelError(f"The pack manifest {source} names a file twice. Remove one.")
    if unused:
        raise ModelError(
            f"The pack manifest {source} lists {', '.join(sorted(unused))}, which neither its detector nor its "
            "recogniser uses. Remove it, or name it in their `files`."
        )


def _licence(table: Table) -> Licence:
    licence = Licence(
        name=table.text("name"),
        url=table.text("url", default=""),
        commercial=table.flag("commercial"),
        acceptance=table.flag("acceptance"),
        note=table.text("note", default=""),
    )
    table.done()
    return licence


def _file(table: Table, *, shipped: bool) -> ModelFile:
    name = table.text("name", pattern=_FILE)
    package = table.optional("package")
    archive = table.optional("archive")
    probe = table.optional("probe")
    file = ModelFile(
        name=name,
        sha256=table.texts("sha256", pattern=_SHA256),
        bytes=table.integer("bytes", low=0, high=1 << 40, default=0),
        urls=table.texts("urls"),
        member=table.text("member", default=name if archive else ""),
        archive=_archive(archive) if archive else None,
        package=_package(package) if package else None,
        convert=table.text("convert", default=""),
        probe=_probe(probe) if probe else None,
    )
    if package and not shipped:
        raise table.wrong("package", "is for the packs that Lynceus ships: put the file beside pack.toml")
    if file.convert and file.package is None:
        raise table.wrong("convert", "names a converter, but no `package` says which file it converts")
    if file.package and file.sha256:
        raise table.wrong("sha256", "is not for a file of a package: write the hash into `package`")
    table.done()
    return file


def _archive(table: Table) -> Archive:
    archive = Archive(
        sha256=table.text("sha256", pattern=_SHA256, default=""),
        bytes=table.integer("bytes", low=0, high=1 << 40, default=0),
        urls=table.texts("urls"),
    )
    table.done()
    return archive


def _package(table: Table) -> Source:
    source = Source(
        module=table.text("module"),
        path=table.text("path"),
        distribution=table.text("distribution"),
        sha256=table.text("sha256", pattern=_SHA256),
    )
    table.done()
    return source


def _probe(table: Table) -> Probe:
    answers = table.table("answers")
    probe = Probe(
        shape=tuple(int(one) for one in table.numbers("shape")),
        answers={name: answers.numbers(name) for name in answers.names()},
    )
    answers.done()
    table.done()
    if not probe.shape or min(probe.shape) < 1 or math.prod(probe.shape) > 1 << 26:
        raise table.wrong("shape", "must be the positive sizes of a small input")
    return probe


def _part(table: Table, files: tuple[ModelFile, ...]) -> Part:
    options = table.optional("options")
    part = Part(
        kind=table.text("kind"),
        files=table.texts("files"),
        options={name: options.option(name) for name in options.names()} if options else {},
    )
    if options:
        options.done()
    table.done()
    unknown = set(part.files) - {file.name for file in files}
    if unknown:
        raise table.wrong("files", f"names {', '.join(sorted(unknown))}, which [[files]] does not describe")
    return part


def _impostors(table: Table) -> ImpostorCurve | None:
    curve = table.optional("impostors")
    if curve is None:
        return None
    try:
        return ImpostorCurve.from_table(curve.rest())
    except EngineError as error:
        raise table.wrong("impostors", f"is not a curve: {error}") from error
