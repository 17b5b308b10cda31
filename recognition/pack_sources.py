"""Where the files of a model pack are taken from: a folder, a file, a ZIP archive, or the addresses of its manifest.

Every way ends the same: a checked file in the folder `incoming`, named as the manifest names it. Archives are never
unpacked; only the members that the manifest names are read, to names that the manifest gives, so that no path inside
an archive means anything. What a member may hold is limited while it is read, whatever its header says.

Errors: InstallError and DownloadError, sentences for people.
"""

from __future__ import annotations

import errno
import hashlib
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import unquote, urlsplit

from recognition.download import (
    CHUNK,
    MOST_BYTES,
    DownloadError,
    NoSpaceError,
    Patience,
    Progress,
    Wanted,
    check_space,
    describe_mismatch,
    download,
    megabytes,
    sha256_of,
    without_password,
)
from recognition.engine.manifest import Archive, ModelFile

MOST_FILES = 2000  # in a folder that is searched
_MOST_SHRUNK = 200  # times; model weights hardly shrink at all


class InstallError(Exception):
    """A pack can not be installed or removed; the message is a sentence for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A checked file in `incoming`."""

    file: ModelFile
    path: Path
    sha256: str


def is_address(source: str) -> bool:
    """Is this an http, https or file address? Other kinds of addresses are refused."""
    scheme = urlsplit(source).scheme.lower()
    if scheme in ("http", "https", "file"):
        return True
    if "://" in source:
        raise InstallError(f"{scheme}:// addresses can not be used. Use https://, http:// or the path of a file.")
    return False


def from_addresses(file: ModelFile, incoming: Path, *, progress: Progress, patience: Patience | None = None) -> Taken:
    """Download one file of a pack, or the archive that holds it."""
    if file.urls:
        part = incoming / f"{file.name}.part"
        wanted = Wanted(name=file.name, urls=file.urls, sha256=frozenset(file.sha256), size=_exact_size(file))
        try:
            return _take(file, part, incoming, download(wanted, part, progress=progress, patience=patience))
        except NoSpaceError:
            raise
        except DownloadError as error:
            if file.archive is None:
                raise
            progress.say(f"{error} Trying the archive that holds it.")
    if file.archive is None:
        raise InstallError(f"The manifest names no address of {file.name}. Install it with --from PATH.")
    return from_zip(file, _fetch_archive(file.archive, incoming, progress, patience), incoming)


def already_there(file: ModelFile, incoming: Path) -> Taken | None:
    """A file that an earlier installation fetched and checked before it was stopped."""
    path = incoming / file.name
    if not file.sha256 or not path.is_file() or (digest := sha256_of(path)) not in file.sha256:
        return None
    return Taken(file=file, path=path, sha256=digest)


def fetch(url: str, incoming: Path, *, progress: Progress, patience: Patience | None = None) -> Path:
    """Whatever lies at an address that a person named; checked later, when it is known which file it is."""
    name = PurePosixPath(unquote(urlsplit(url).path)).name or "model"
    # The name is the server's or the person's: only its hash becomes part of a path.
    target = incoming / f"from-{hashlib.sha256(url.encode()).hexdigest()[:16]}"
    download(Wanted(name=name, urls=(url,)), target.with_suffix(".part"), progress=progress, patience=patience)
    whole = target.with_name(f"{target.name}-{_harmless(name)}")
    target.with_suffix(".part").replace(whole)
    return whole


def from_file(path: Path, files: Sequence[ModelFile], incoming: Path) -> list[Taken]:
    """What of these files a single file is or, when it is a ZIP archive, holds."""
    if zipfile.is_zipfile(path) and path.suffix.lower() not in (".onnx", ".dat"):
        present = [file for file in files if _member(path, file) is not None]
        if not present:
            raise InstallError(f"{path.name} holds none of the files of this pack ({_names(files)}).")
        return [from_zip(file, path, incoming) for file in present]
    file = _which(path, files)
    return [_copy(file, path, incoming)]


def from_folder(folder: Path, files: Sequence[ModelFile], incoming: Path) -> list[Taken]:
    """What of these files lies in a folder: by name, or else by hash; archives in it count."""
    found = _files_below(folder)
    taken = []
    for file in files:
        path = _find(file, found)
        if path is not None:
            taken.append(_copy(file, path, incoming))
            continue
        archive = next((each for each in found if _is_archive_of(each, file)), None)
        if archive is not None:
            taken.append(from_zip(file, archive, incoming))
    if not taken:
        raise InstallError(f"The folder {folder} holds none of the files of this pack ({_names(files)}).")
    return taken


def from_zip(file: ModelFile, archive: Path, incoming: Path) -> Taken:
    """One member of a ZIP archive, bounded and checked."""
    member = _member(archive, file)
    if member is None:
        raise InstallError(f"{archive.name} does not hold {file.member or file.name}, which this pack needs.")
    limit = _exact_size(file) or member.file_size
    if member.flag_bits & 1:
        raise InstallError(f"{file.name} in {archive.name} is locked with a password. Unpack it, then name the file.")
    if member.file_size > MOST_BYTES or member.file_size > _MOST_SHRUNK * max(member.compress_size, 1 << 16):
        raise InstallError(
            f"{file.name} in {archive.name} would unpack to {megabytes(member.file_size)}, which no model does: "
            "nothing was unpacked. Fetch the archive again from a source you trust."
        )
    check_space(incoming, member.file_size, file.name)
    target = incoming / f"{file.name}.unpacked"
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(member) as source:
            digest = _write(source, target, limit, f"{file.name} in {archive.name}")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        target.unlink(missing_ok=True)
        raise InstallError(f"{archive.name} is damaged ({error}). Fetch it again.") from error
    return _take(file, target, incoming, digest)


def _fetch_archive(published: Archive, incoming: Path, progress: Progress, patience: Patience | None) -> Path:
    """The archive of a file, fetched once for all its members."""
    if not published.urls:
        raise InstallError("The manifest of this pack names no address of its archive. Install it with --from FILE.")
    name = _harmless(PurePosixPath(urlsplit(published.urls[0]).path).name)
    whole = incoming / name
    pinned = frozenset({published.sha256} if published.sha256 else ())
    if not whole.is_file() or (pinned and sha256_of(whole) not in pinned):
        wanted = Wanted(name=name, urls=published.urls, sha256=pinned, size=published.bytes or None)
        part = incoming / f"{name}.part"
        download(wanted, part, progress=progress, patience=patience)
        part.replace(whole)
    return whole


def _member(archive: Path, file: ModelFile) -> zipfile.ZipInfo | None:
    """The member that is this file: by its whole path, or by its name in whatever folder."""
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [each for each in opened.infolist() if not each.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise InstallError(f"{archive.name} can not be read as a ZIP archive ({error}). Fetch it again.") from error
    wanted = file.member or file.name
    exact = [each for each in members if each.filename == wanted]
    named = exact or [each for each in members if PurePosixPath(each.filename).name in _own_names(file)]
    if len(named) > 1:
        listed = ", ".join(repr(each.filename)[1:-1] for each in named[:3])
        raise InstallError(f"{archive.name} holds {file.name} more than once ({listed}). Unpack it and name the file.")
    return named[0] if named else None


def _which(path: Path, files: Sequence[ModelFile]) -> ModelFile:
    """Which of the pack's files this is: by hash, else by name, else the only one that is left."""
    digest = sha256_of(path)
    for file in files:
        if digest in file.sha256:
            return file
    named = [file for file in files if path.name in _own_names(file)]
    if named or len(files) == 1:
        return (named or list(files))[0]
    raise InstallError(
        f"{path.name} (SHA-256 {digest}) is none of the files of this pack, neither by content nor by name: "
        f"{_names(files)}."
    )


def _find(file: ModelFile, found: Iterable[Path]) -> Path | None:
    """The file of a folder that is this one. A right hash counts more than a right name, the first variant most."""
    listed = list(found)
    named = [path for path in listed if path.name in _own_names(file)]
    if not file.sha256:
        return named[0] if named else None
    others = [path for path in listed if path not in named and path.suffix == Path(file.name).suffix]
    hashes = {path: sha256_of(path) for path in [*named, *others]}
    right = [path for accepted in file.sha256 for path, digest in hashes.items() if digest == accepted]
    return next(iter([*right, *named]), None)


def _is_archive_of(path: Path, file: ModelFile) -> bool:
    return path.suffix.lower() == ".zip" and zipfile.is_zipfile(path) and bool(_member(path, file))


def _files_below(folder: Path) -> list[Path]:
    found: list[Path] = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.append(path)
        if len(found) > MOST_FILES:
            raise InstallError(
                f"{folder} holds more than {MOST_FILES:,} files. Name the folder with the model files itself."
            )
    return found


def _copy(file: ModelFile, path: Path, incoming: Path) -> Taken:
    target = incoming / f"{file.name}.copied"
    size = path.stat().st_size
    check_space(incoming, size, file.name)
    with path.open("rb") as source:
        digest = _write(source, target, MOST_BYTES, path.name)
    return _take(file, target, incoming, digest, shown=str(path))


def _write(source: IO[bytes], target: Path, limit: int, name: str) -> str:
    """Copy at most `limit` bytes; the SHA-256 of what was written."""
    digest, length = hashlib.sha256(), 0
    try:
        with target.open("wb") as file:
            while block := source.read(CHUNK):
                length += len(block)
                if length > limit:
                    raise InstallError(
                        f"{name} is larger than the {limit:,} bytes that were expected. It was not used."
                    )
                digest.update(block)
                file.write(block)
    except OSError as error:
        target.unlink(missing_ok=True)
        raise cannot_write(target.parent, error) from error
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return digest.hexdigest()


def _take(file: ModelFile, arrived: Path, incoming: Path, digest: str, *, shown: str = "") -> Taken:
    """Accept what arrived under the manifest's name, or delete it and say why not."""
    if file.sha256 and digest not in file.sha256:
        arrived.unlink(missing_ok=True)
        where = f" It came from {shown}." if shown else ""
        raise InstallError(
            f"{describe_mismatch(file.name, digest, frozenset(file.sha256))}{where} Nothing was installed or replaced."
        )
    target = incoming / file.name
    arrived.replace(target)
    return Taken(file=file, path=target, sha256=digest)


def cannot_write(folder: Path, error: OSError) -> InstallError:
    """The sentence about a folder that can not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InstallError(f"The disk with {folder} is full. Free some space and start again; nothing was replaced.")
    return InstallError(
        f"{error.filename or folder} can not be read or written ({error.strerror or error}). "
        "Give this account the right to, or choose another DATA_DIR."
    )


def addresses(file: ModelFile) -> tuple[str, ...]:
    """Where a person can fetch the file, or the archive that holds it."""
    archive = file.archive.urls if file.archive is not None else ()
    return tuple(without_password(url) for url in (*file.urls, *archive))


def _exact_size(file: ModelFile) -> int | None:
    """The size that a download must have: known only where one file alone is accepted."""
    return file.bytes if file.bytes and len(file.sha256) == 1 else None


def _own_names(file: ModelFile) -> set[str]:
    urls = {PurePosixPath(unquote(urlsplit(url).path)).name for url in file.urls}
    return {file.name, PurePosixPath(file.member).name, *urls} - {""}


def _names(files: Iterable[ModelFile]) -> str:
    return ", ".join(file.name for file in files)


def _harmless(name: str) -> str:
    """A file name without anything that means something to a file system."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name).strip(".")[-80:] or "file"
