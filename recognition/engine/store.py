"""The files of packs on disk: where they lie, whether they are whole, and how a new one is taken in.

    <models>/converted-1/<file>      what the converters made, with its SHA-256 beside it
    <models>/<pack>/<file>           what was installed, with its SHA-256 beside it
    <models>/<pack>/licence.json     who accepted the licence, and when
    <models>/<pack>/pack.toml        the manifest, for a pack that is the user's own

A file is read whole, hashed, and only then opened, so that what was checked is what is run. Accepted are the
hashes of the manifest; where it has none, the hash recorded when the user agreed to install the file.

Errors: ModelError with what to do.
"""

import errno
import hashlib
import importlib.util
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from recognition.engine.errors import ModelError
from recognition.engine.manifest import Manifest, ModelFile
from recognition.engine.model_cache import CONVERTED, Source, cached_model, cannot_write, recorded, sidecar, write

LICENCE_FILE = "licence.json"
_BLOCK = 1 << 20


class PackState(StrEnum):
    READY = "ready"
    NOT_INSTALLED = "not installed"
    DAMAGED = "damaged"
    WRONG_FILE = "wrong file"
    NEEDS_EXTRA = "needs extra"
    LICENCE = "licence not accepted"


# What is said of a pack whose files differ: the first of these that occurs.
_WORST = (
    PackState.NEEDS_EXTRA,
    PackState.NOT_INSTALLED,
    PackState.WRONG_FILE,
    PackState.DAMAGED,
    PackState.LICENCE,
    PackState.READY,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCheck:
    """One file of a pack as it lies on disk."""

    name: str
    state: PackState
    path: Path
    why: str = ""  # what is wrong and what to do, or what is special; may be empty


@dataclass(frozen=True, slots=True, kw_only=True)
class PackCheck:
    """A pack as it lies on disk."""

    state: PackState
    files: tuple[FileCheck, ...]
    why: str = ""

    @property
    def usable(self) -> bool:
        return self.state is PackState.READY


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """Somebody accepted the licence of a pack."""

    licence: str
    who: str
    when: datetime  # UTC


def pack_folder(cache: Path, name: str) -> Path:
    return cache / name


def file_path(cache: Path, manifest: Manifest, file: ModelFile) -> Path:
    """Where this file lies or will lie."""
    if file.package is not None:
        return cache / CONVERTED / file.name if file.convert else file.package.find()
    return pack_folder(cache, manifest.name) / file.name


def check_pack(cache: Path, manifest: Manifest, *, deep: bool = False) -> PackCheck:
    """What is on disk; `deep` reads and hashes every file, else sizes and presence must do."""
    if manifest.extra and importlib.util.find_spec(manifest.extra) is None:
        return PackCheck(state=PackState.NEEDS_EXTRA, files=(), why=_needs_extra(manifest))
    files = tuple(_check_file(cache, manifest, file, deep=deep) for file in manifest.files)
    licence = PackState.READY if licence_accepted(cache, manifest) else PackState.LICENCE
    state = min((licence, *(file.state for file in files)), key=_WORST.index)
    whys = [file.why for file in files if file.state is state and file.why]
    if state is PackState.LICENCE:
        whys = [needs_acceptance(manifest)]
    return PackCheck(state=state, files=files, why=whys[0] if whys else "")


def read_file(cache: Path, manifest: Manifest, file: ModelFile, report: Callable[[str], None]) -> bytes:
    """The content of a network's file, checked; converted first where it must be. Raises ModelError."""
    source = file.package
    if source is not None and file.convert:
        from recognition.engine.converters import converted  # brings in onnx, which reading alone does not need

        return cached_model(cache / CONVERTED, file.name, lambda: converted(source, file.convert), report)
    if source is not None:
        return source.read()
    path = file_path(cache, manifest, file)
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise ModelError(_not_installed(manifest, path)) from error
    except OSError as error:
        raise ModelError(f"The model {path} cannot be read ({error.strerror}). Let this user read it.") from error
    state, why = _judge(manifest, file, path, hashlib.sha256(content).hexdigest())
    if state is not PackState.READY:
        raise ModelError(why)
    return content


def take_in(cache: Path, manifest: Manifest, file: ModelFile, candidate: Path, *, unpinned: bool = False) -> Path:
    """Move a downloaded or copied file into its place, if it is the right one; else it stays where it is.

    `unpinned` is the user's consent to a file whose hash nobody knows beforehand: it is recorded now and held to.
    """
    found = file_hash(candidate)
    if file.sha256 and found not in file.sha256:
        raise ModelError(_wrong_file(manifest, file, candidate, found))
    if not file.sha256 and not unpinned:
        raise ModelError(
            f"Nobody has recorded which file {file.name} of the pack {manifest.name} must be. If you trust where "
            f"it comes from, install it with your consent; its SHA-256 ({found}) is then held to."
        )
    target = file_path(cache, manifest, file)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # The record goes first: a file beside the record of another is noticed, a file beside none may not be.
        write(sidecar(target), found.encode())
        _move(candidate, target)
    except OSError as error:
        raise ModelError(cannot_write(target.parent, error)) from error
    return target


def _move(candidate: Path, target: Path) -> None:
    """Whole or not at all, also from another disk."""
    try:
        candidate.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".incoming-") as folder:
            copy = Path(folder) / target.name
            shutil.copyfile(candidate, copy)
            copy.replace(target)
        candidate.unlink()


def file_hash(path: Path) -> str:
    """The SHA-256 of a file of any size, as hexadecimal digits. A file that did not change is read once a process."""
    known = path.stat()
    return _hash(path, known.st_ino, known.st_size, known.st_mtime_ns)


@lru_cache(maxsize=256)
def _hash(path: Path, _inode: int, _size: int, _changed: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def accept_licence(cache: Path, manifest: Manifest, *, who: str, when: datetime | None = None) -> Acceptance:
    """Record beside the files that somebody accepted the licence."""
    accepted = Acceptance(licence=manifest.licence.name, who=who, when=when or datetime.now(UTC))
    folder = pack_folder(cache, manifest.name)
    record = {"licence": accepted.licence, "url": manifest.licence.url, "who": who, "when": accepted.when.isoformat()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / LICENCE_FILE, json.dumps(record, indent=2).encode())
    except OSError as error:
        raise ModelError(cannot_write(folder, error)) from error
    return accepted


def acceptance(cache: Path, manifest: Manifest) -> Acceptance | None:
    """Who accepted the licence that the pack has now; None where nobody did."""
    try:
        record = json.loads((pack_folder(cache, manifest.name) / LICENCE_FILE).read_text("utf-8"))
        found = Acceptance(
            licence=str(record["licence"]), who=str(record["who"]), when=datetime.fromisoformat(record["when"])
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return found if found.licence == manifest.licence.name else None


def licence_accepted(cache: Path, manifest: Manifest) -> bool:
    return not manifest.licence.acceptance or acceptance(cache, manifest) is not None


def needs_acceptance(manifest: Manifest) -> str:
    licence = manifest.licence
    return (
        f"The models of the pack {manifest.name} are under a licence that must be accepted first: {licence.name}"
        f"{f' ({licence.url})' if licence.url else ''}. Read it, then install the pack and accept it."
    )


def _check_file(cache: Path, manifest: Manifest, file: ModelFile, *, deep: bool) -> FileCheck:
    try:
        path = file_path(cache, manifest, file)
        if file.package is not None:
            state, why = _check_packaged(path, file, file.package, deep)
        else:
            state, why = _check_own(path, manifest, file, deep)
    except ModelError as error:  # the package is not there, or not the one expected
        path, state, why = Path(), PackState.NOT_INSTALLED, str(error)
    return FileCheck(name=file.name, state=state, path=path, why=why)


def _check_packaged(path: Path, file: ModelFile, source: Source, deep: bool) -> tuple[PackState, str]:
    """A file that an installed package holds, or that is made of one. Once made, it does without the package."""
    if file.convert and path.exists():
        if deep and recorded(path) != file_hash(path):
            return PackState.DAMAGED, f"{path} is damaged. It is made again when the pack is next loaded."
        return PackState.READY, ""
    if not source.find().is_file():
        return PackState.NOT_INSTALLED, f"{source.find()} is missing. Install {source.distribution} again."
    if deep and file_hash(source.find()) != source.sha256:
        source.read()  # says what is wrong with it
    return PackState.READY, f"{file.name} is made of the package {source.distribution} at first use." * bool(
        file.convert
    )


def _check_own(path: Path, manifest: Manifest, file: ModelFile, deep: bool) -> tuple[PackState, str]:
    """A file that was installed."""
    if not path.is_file():
        return PackState.NOT_INSTALLED, _not_installed(manifest, path)
    size = path.stat().st_size
    if file.bytes and len(file.sha256) == 1 and size != file.bytes:
        return PackState.DAMAGED, _damaged(manifest, path, f"it has {size:,} bytes instead of {file.bytes:,}")
    return _judge(manifest, file, path, file_hash(path) if deep else "")


def _judge(manifest: Manifest, file: ModelFile, path: Path, found: str) -> tuple[PackState, str]:
    """Is this the right file, by its hash? Without a hash only what was recorded is looked at."""
    record = recorded(path)
    accepted = file.sha256 or ((record,) if record else ())
    if not accepted:
        return PackState.NOT_INSTALLED, (
            f"{path} was put there without being installed, and nobody has recorded which file it must be. "
            f"Install it: manage.py models install {manifest.name} --from {path.parent}"
        )
    if not found or found in accepted:
        return PackState.READY, ""
    if record in accepted:
        return PackState.DAMAGED, _damaged(manifest, path, f"SHA-256 {found[:16]}..., recorded was {record[:16]}...")
    return PackState.WRONG_FILE, _wrong_file(manifest, file, path, found)


def _damaged(manifest: Manifest, path: Path, how: str) -> str:
    return f"The model {path} is damaged ({how}). Install it again: manage.py models install {manifest.name}"


def _wrong_file(manifest: Manifest, file: ModelFile, path: Path, found: str) -> str:
    expected = " or ".join(f"{one[:16]}..." for one in file.sha256)
    return (
        f"The model {path} is not the file {file.name} of the pack {manifest.name} (SHA-256 {found[:16]}..., expected "
        f"{expected}) and was not opened. Get the right one: manage.py models install {manifest.name}"
    )


def _not_installed(manifest: Manifest, path: Path) -> str:
    return (
        f"The pack {manifest.name} is not installed: {path} is missing. "
        f"Install it: manage.py models install {manifest.name}"
    )


def _needs_extra(manifest: Manifest) -> str:
    return (
        f"The pack {manifest.name} needs the Python package {manifest.extra}, which is not installed. "
        f"Install it with the extra of Lynceus: pip install -e '.[{manifest.extra}]'"
    )
