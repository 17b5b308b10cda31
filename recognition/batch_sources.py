"""Where the photos of a batch come from: a folder, a ZIP, or a CSV that names photos.

In a folder and in a ZIP the folder that a photo lies in is the person's name; photos that lie in no folder are named
by their file (`Ada Lovelace.jpg`). Underscores become spaces. A CSV has a row a photo with the columns `name` and
`photo` (a path relative to the CSV, or inside the ZIP that holds it), and may have `watchlist` and `notes`.

Archives are hostile until proven otherwise: nothing is ever unpacked to disk, names are only labels, the size of every
member is checked before and while it is read, and so is what all of them together unpack to.
Errors: BatchError with a sentence for people when nothing of the source can be used.
"""

from __future__ import annotations

import csv
import io
import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from django.conf import settings

from recognition.models import PATH_LENGTH
from recognition.photos import TOO_LARGE, UnreadableError, read_file

MAX_ENTRIES = 200_000
# Photos hardly shrink in an archive; one that unpacks to far more than it has was made to fill memory or disks.
MAX_RATIO = 20
MAX_DIRECTORY = 20 * 2**20  # bytes of an archive's list of files, all of which is read when it is opened
_PHOTOS = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".webp"})
_ARCHIVES = frozenset({".zip", ".tar", ".gz", ".7z", ".rar", ".tgz", ".bz2", ".xz"})
_COLUMNS = {
    "name": ("name", "person", "target_name"),
    "photo": ("photo", "path", "file", "filename", "image"),
    "watchlist": ("watchlist",),
    "notes": ("notes", "note"),
}
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)


class BatchError(Exception):
    """Nothing of a source can be used, or nothing more of it; the message is a sentence for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A photo of a source, whom it shows, and, where it can not be used at all, why."""

    path: str
    name: str
    watchlist: str = ""
    notes: str = ""
    why: str = ""


class Source(Protocol):
    """Entries in a fixed order, and their bytes. `ignored` counts what is no photo of anybody, once all were read."""

    label: str
    ignored: int

    def entries(self) -> Iterator[Entry]: ...

    def read(self, path: str) -> bytes:
        """The bytes of one photo; raises UnreadableError."""


class FolderSource:
    """A folder on this machine."""

    def __init__(self, folder: Path) -> None:
        self.label = _text(str(folder))
        self.ignored = 0
        self._folder = folder

    def entries(self) -> Iterator[Entry]:
        self.ignored = 0
        count = 0
        for place, folders, files in os.walk(self._folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for file in sorted(files):
                path = Path(place, file).relative_to(self._folder)
                if _is_rubbish(PurePosixPath(path.as_posix())):
                    self.ignored += 1
                    continue
                count += 1
                _check_count(count)
                yield _entry(PurePosixPath(path.as_posix()))

    def read(self, path: str) -> bytes:
        return read_file(self._folder / os.fsdecode(os.fsencode(path)))


class ZipSource:
    """A ZIP, as a file or in memory, with or without a CSV that says whom its photos show."""

    def __init__(self, file: IO[bytes], *, label: str, table: bytes | None = None) -> None:
        self.label, self.ignored = label, 0
        self._size = file.seek(0, io.SEEK_END)
        self._unpacked = 0
        if _directory_bytes(file, self._size) > MAX_DIRECTORY:
            raise BatchError(f"{label} lists far too many files. Import them in parts.")
        try:
            self._zip = zipfile.ZipFile(file)
        except _DAMAGED:
            raise BatchError(f"{label} is not a ZIP, or it is damaged. Make it anew and send it again.") from None
        self._members = {info.filename: info for info in self._zip.infolist() if not info.is_dir()}
        _check_count(len(self._members))
        if any(info.flag_bits & 0x1 for info in self._members.values()):
            raise BatchError(f"{label} is encrypted. Make a ZIP without a password; the photos are sealed here anyway.")
        self._table = table if table is not None else self._table_inside()

    def entries(self) -> Iterator[Entry]:
        if self._table is not None:
            yield from _table_entries(self._table, self.label)
            return
        self.ignored = 0
        for name in self._members:
            path = PurePosixPath(name.replace("\\", "/"))
            if _is_rubbish(path):
                self.ignored += 1
            elif ".." in path.parts or path.is_absolute() or ":" in path.parts[0]:
                yield Entry(path=_text(name), name="", why="Its name leads out of the archive. Rename it.")
            else:
                entry = _entry(path)
                yield Entry(path=_text(name), name=entry.name, why=entry.why)

    def read(self, path: str) -> bytes:
        info = self._members.get(path) or self._members.get(path.replace("\\", "/").removeprefix("./"))
        if info is None:
            raise UnreadableError("The ZIP has no such photo. Check the path in the CSV.")
        limit = settings.MAX_PHOTO_MB * 2**20
        if info.file_size > limit:
            raise UnreadableError(TOO_LARGE.format(settings.MAX_PHOTO_MB))
        try:
            with self._zip.open(info) as member:
                data = member.read(limit + 1)
        except _DAMAGED:
            raise UnreadableError("This part of the ZIP is damaged. Make the ZIP anew.") from None
        self._unpacked += len(data)
        if self._unpacked > max(MAX_RATIO * self._size, 2 * limit):
            raise BatchError(f"{self.label} unpacks to more than {MAX_RATIO} times its size, which photos do not do.")
        if len(data) > limit:
            raise UnreadableError(TOO_LARGE.format(settings.MAX_PHOTO_MB))
        return data

    def _table_inside(self) -> bytes | None:
        """The one CSV at the top of the archive, if there is exactly one."""
        found = [
            name for name in self._members if name.lower().endswith(".csv") and not _is_rubbish(PurePosixPath(name))
        ]
        top = [name for name in found if "/" not in name]
        if len(top) != 1:
            return None
        try:
            return self.read(top[0])
        except UnreadableError as error:
            raise BatchError(f"{top[0]} in {self.label}: {error}") from None


class CsvSource:
    """A CSV on this machine that names photos beside it."""

    def __init__(self, file: Path) -> None:
        self.label, self.ignored = _text(str(file)), 0
        self._folder = file.parent
        try:
            self._table = read_file(file)
        except UnreadableError as error:
            raise BatchError(f"{self.label}: {error}") from None

    def entries(self) -> Iterator[Entry]:
        return _table_entries(self._table, self.label)

    def read(self, path: str) -> bytes:
        return read_file(self._folder / path)


def open_source(path: Path) -> Source:
    """The folder, ZIP or CSV at this path; raises BatchError."""
    if path.is_dir():
        return FolderSource(path.resolve())
    if not path.exists():
        raise BatchError(f"There is nothing at {_text(str(path))}. Check the path.")
    if path.suffix.lower() == ".csv":
        return CsvSource(path.resolve())
    try:
        return ZipSource(path.open("rb"), label=_text(str(path.resolve())))
    except OSError as error:
        raise BatchError(f"{_text(str(path))} can not be read: {error.strerror}.") from None


def _entry(path: PurePosixPath) -> Entry:
    kind = path.suffix.lower()
    named = path.parts[-2] if len(path.parts) > 1 else path.stem
    why = ""
    if kind in _ARCHIVES:
        why = "An archive inside is not opened. Import it by itself."
    elif kind not in _PHOTOS:
        why = "The file is no photo by its name. Use JPEG, PNG or WebP."
    return Entry(path=_text(str(path)), name=_text(named.replace("_", " ")), why=why)


def _table_entries(table: bytes, label: str) -> Iterator[Entry]:
    try:
        text = table.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BatchError(f"The CSV of {label} is not UTF-8. Save it as “CSV UTF-8”.") from None
    first = text.split("\n", 1)[0]
    separator = max(",;\t", key=first.count)
    rows = csv.reader(io.StringIO(text), delimiter=separator)
    try:
        header = [cell.strip().lower() for cell in next(rows, [])]
        places = {
            field: next((header.index(n) for n in names if n in header), None) for field, names in _COLUMNS.items()
        }
        if places["name"] is None or places["photo"] is None:
            raise BatchError(
                f"The CSV of {label} needs a first line with the columns name and photo; "
                "it may have watchlist and notes too."
            )
        for count, row in enumerate(rows, start=1):
            _check_count(count)
            if any(cell.strip() for cell in row):
                yield _table_entry(row, places)
    except csv.Error as error:
        raise BatchError(f"The CSV of {label} can not be read at line {rows.line_num}: {error}.") from None


def _table_entry(row: list[str], places: dict[str, int | None]) -> Entry:
    def cell(field: str) -> str:
        at = places[field]
        return row[at].strip() if at is not None and at < len(row) else ""

    path = cell("photo")
    why = "" if path else "The line names no photo."
    return Entry(
        path=_text(path or "(no photo)"), name=cell("name"), watchlist=cell("watchlist"), notes=cell("notes"), why=why
    )


def _directory_bytes(file: IO[bytes], size: int) -> int:
    """How long the archive says that its list of files is (APPNOTE 4.3.14 and 4.3.16); 0 where it says nothing."""
    tail_at = max(0, size - 65_557 - 76)
    file.seek(tail_at)
    tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 22:
        return 0
    length = int.from_bytes(tail[end + 12 : end + 16], "little")
    if length == 0xFFFFFFFF:  # the 64-bit record before it says it
        wide = tail.rfind(b"PK\x06\x06", 0, end)
        length = int.from_bytes(tail[wide + 40 : wide + 48], "little") if wide >= 0 else size
    return length


def _is_rubbish(path: PurePosixPath) -> bool:
    """What systems leave in folders and archives."""
    hidden = any(part.startswith(".") and part not in (".", "..") for part in path.parts)
    return hidden or "__MACOSX" in path.parts or path.name.lower() in {"thumbs.db", "desktop.ini"} or not path.parts


def _check_count(count: int) -> None:
    if count > MAX_ENTRIES:
        raise BatchError(f"There are more than {MAX_ENTRIES:,} entries. Import them in parts.")


def _text(name: str) -> str:
    """A path as it can be stored and shown: file names are bytes, and need not be text."""
    return name.encode(errors="replace").decode().replace("\x00", "")[:PATH_LENGTH]
