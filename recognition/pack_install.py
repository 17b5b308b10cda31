"""Puts model packs into the models' folder, and takes them away again.

What is on its way lies in <models>/<name>/.incoming: parts of downloads, archives, files that were checked already.
Where the rest lies, and what counts as whole, is known to engine.store. Nothing is replaced before everything that is
wanted has arrived and was checked; then each file is moved into place at once. One installation of a pack at a time: a
lock of the operating system, which a killed process can not leave behind.

Errors: InstallError and DownloadError, sentences for people.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import fasteners

from recognition.download import DownloadError, NoSpaceError, Patience, Progress, check_space
from recognition.engine import Manifest, PackState
from recognition.engine.manifest import ModelFile
from recognition.engine.packs import USER_MANIFEST, read_manifest
from recognition.engine.store import check_pack, pack_folder, take_in
from recognition.pack_sources import (
    InstallError,
    Taken,
    addresses,
    already_there,
    cannot_write,
    fetch,
    from_addresses,
    from_file,
    from_folder,
    is_address,
)

__all__ = [
    "DownloadError",
    "InstallError",
    "Installed",
    "Unpinned",
    "install",
    "missing_files",
    "own_manifest",
    "remove",
    "unpinned_files",
]

_INCOMING = ".incoming"


class Unpinned(InstallError):
    """The manifest does not say which bytes a file must have, and nobody has agreed to trust what comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What an installation did. `missing`: files that the source did not hold; the pack needs them still."""

    placed: tuple[str, ...]
    hashes: dict[str, str]
    missing: tuple[ModelFile, ...]


def missing_files(manifest: Manifest, models: Path) -> tuple[ModelFile, ...]:
    """The files that must still be fetched: not there, or not what they should be. Those of packages do not count."""
    whole = {each.name for each in check_pack(models, manifest, deep=True).files if each.state is PackState.READY}
    return tuple(file for file in manifest.files if file.package is None and file.name not in whole)


def unpinned_files(files: Sequence[ModelFile]) -> tuple[ModelFile, ...]:
    """The files that can not be checked against anything at the first installation."""
    return tuple(file for file in files if not file.pinned)


def own_manifest(source: str) -> Manifest | None:
    """The manifest of a user's own pack where `source` is a folder with a pack.toml. Raises ModelError."""
    path = Path(_local(source)) / USER_MANIFEST if not _is_remote(source) else None
    return read_manifest(path) if path is not None and path.is_file() else None


def install(
    manifest: Manifest,
    models: Path,
    *,
    progress: Progress,
    source: str | None = None,
    trust: bool = False,
    patience: Patience | None = None,
) -> Installed:
    """Bring what is missing of a pack, from `source` (a path or an address) or from the manifest's own addresses.

    `trust`: accept files whose hash the manifest does not know; the one that comes is held from then on.
    """
    folder = pack_folder(models, manifest.name)
    with _making(folder), _alone(models, manifest.name):
        own = None if source is None or _is_remote(source) else _own_text(manifest, source, folder)
        missing = missing_files(manifest, models)
        if own is None and not trust and (loose := unpinned_files(missing)):
            raise Unpinned(
                f"It is not known which bytes {_listed(loose)} must have, so nothing can tell a right file from a "
                "wrong one. If you trust where it comes from, repeat the command with --trust: its SHA-256 is then "
                "recorded, and any other file is refused from then on."
            )
        incoming = folder / _INCOMING
        incoming.mkdir(exist_ok=True)
        taken = _bring(manifest, missing, incoming, source, progress, patience) if missing else []
        for each in taken:
            take_in(models, manifest, each.file, each.path, unpinned=True)
        if own is not None:
            (folder / USER_MANIFEST).write_text(own, "utf-8")
        left = missing_files(manifest, models)
        if not left:
            shutil.rmtree(incoming, ignore_errors=True)
    return Installed(
        placed=tuple(each.file.name for each in taken),
        hashes={each.file.name: each.sha256 for each in taken},
        missing=left,
    )


def remove(name: str, models: Path) -> int:
    """Delete the files of a pack, converted models and parts of downloads among them; the bytes that were freed."""
    folder = pack_folder(models, name)
    if not folder.is_dir():
        return 0
    with _alone(models, name):
        freed = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise InstallError(
                f"{error.filename or folder} can not be deleted ({error.strerror or error}). Delete {folder} by hand."
            ) from error
    return freed


def _bring(
    manifest: Manifest,
    missing: Sequence[ModelFile],
    incoming: Path,
    source: str | None,
    progress: Progress,
    patience: Patience | None,
) -> list[Taken]:
    """Checked files in `incoming`, as many as the source has."""
    if source is None:
        return _from_manifest(manifest, missing, incoming, progress, patience)
    if _is_remote(source):
        path = fetch(source, incoming, progress=progress, patience=patience)
        try:
            return from_file(path, missing, incoming)
        finally:
            path.unlink(missing_ok=True)
    path = Path(_local(source))
    try:
        if path.is_dir():
            return from_folder(path, missing, incoming)
        if path.is_file():
            return from_file(path, missing, incoming)
    except OSError as error:
        raise cannot_write(path, error) from error
    raise InstallError(f"There is no file or folder {path}. Check the path after --from.")


def _from_manifest(
    manifest: Manifest, missing: Sequence[ModelFile], incoming: Path, progress: Progress, patience: Patience | None
) -> list[Taken]:
    nowhere = [file for file in missing if not addresses(file)]
    if nowhere:
        raise InstallError(
            f"The manifest of {manifest.name} names no address of {_listed(nowhere)}. "
            f"Install it from a file or folder: models install {manifest.name} --from PATH"
        )
    archives = {file.archive: file.archive.bytes for file in missing if file.archive is not None and not file.urls}
    check_space(incoming, sum(file.bytes for file in missing) + sum(archives.values()), manifest.name)
    taken: list[Taken] = []
    for file in missing:
        try:
            taken.append(
                already_there(file, incoming) or from_addresses(file, incoming, progress=progress, patience=patience)
            )
        except NoSpaceError:
            raise
        except DownloadError as error:
            raise DownloadError(
                f"{error} Without a connection: download {' or '.join(addresses(file))} on another machine, bring the "
                f"file here, and run: models install {manifest.name} --from FILE"
            ) from error
    return taken


def _own_text(manifest: Manifest, source: str, folder: Path) -> str | None:
    """The manifest file to keep of a user's own pack; refuses to put it over another one of the same name."""
    path = Path(_local(source)) / USER_MANIFEST
    if manifest.shipped or not path.is_file():
        return None
    text = path.read_text("utf-8")
    kept = folder / USER_MANIFEST
    if kept.is_file() and kept.read_text("utf-8") != text:
        raise InstallError(
            f"Another pack is installed as {manifest.name}. Embeddings of both must not be mixed: give the new one "
            f"another name and version, or take the old one away first: models remove {manifest.name}"
        )
    return text


@contextlib.contextmanager
def _making(folder: Path) -> Iterator[None]:
    """The folder, with a sentence for people where it can not be made or written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise cannot_write(folder, error) from error


@contextlib.contextmanager
def _alone(models: Path, name: str) -> Iterator[None]:
    """Nobody else installs or removes this pack meanwhile."""
    lock = fasteners.InterProcessLock(str(models / f".{name}.lock"))
    if not lock.acquire(blocking=False):
        raise InstallError(f"Somebody else is installing or removing {name} right now. Wait until that has ended.")
    try:
        yield
    finally:
        lock.release()


def _is_remote(source: str) -> bool:
    return is_address(source) and urlsplit(source).scheme.lower() != "file"


def _local(source: str) -> str:
    """The path that a person gave, also as a file:// address."""
    if not is_address(source):
        return str(Path(source).expanduser())
    parts = urlsplit(source)
    if parts.netloc not in ("", "localhost"):
        raise InstallError(f"{source} names a file on another machine. Use file:///path, or the path itself.")
    return unquote(parts.path)


def _listed(files: Sequence[ModelFile]) -> str:
    return ", ".join(file.name for file in files)
