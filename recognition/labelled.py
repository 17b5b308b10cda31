"""Photos whose people are known: a folder with one subfolder a person, or a list of pairs.

A folder without subfolders is one too: `biden_1.jpg` and `biden_2.jpg` show one person, `obama.png` another.
A list is a CSV file: two columns of paths (relative to the file), a third with 1/0, yes/no or true/false, and more
columns if you like. Commas, semicolons, tabs or bars separate, a first line of titles is recognised, and so are the
byte order marks that spreadsheets write.
Errors: LabelError, with a sentence for people.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

# Others than JPEG, PNG and WebP are taken up too, so that the report says why they are not read.
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".avif"})
_SAME = {"1": True, "1.0": True, "yes": True, "y": True, "true": True, "t": True}
_DIFFERENT = {"0": False, "0.0": False, "no": False, "n": False, "false": False, "f": False}
_ANSWERS = _SAME | _DIFFERENT
_NUMBER = re.compile(r"[\s_.-]*\(?\d+\)?$")
_MAX_LIST_BYTES = 200 * 2**20


class LabelError(Exception):
    """A folder or list can not be used; the message is a sentence for people."""


class Pair(NamedTuple):
    """Two photos, by their numbers, and whether they show one person."""

    first: int
    second: int
    same: bool
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Photos with what is known about them. From a folder they have people, from a list pairs."""

    photos: tuple[Path, ...]
    names: tuple[str, ...]  # of the photos, as they are printed
    people: tuple[str, ...] = ()
    persons: tuple[int, ...] = ()  # a photo's number in `people`
    groups: tuple[str, ...] = ()  # a photo's group, "" where it has none
    pairs: tuple[Pair, ...] = ()
    repeated: tuple[str, ...] = ()  # photos left out because the person has the same file already

    @property
    def is_list(self) -> bool:
        return bool(self.pairs)


def read_labelled(place: str | os.PathLike[str], *, groups: str = "") -> Labelled:
    """The photos at this place. `groups` names a column of the list, or for a folder a CSV file of person (or photo)
    and group."""
    path = Path(place)
    if path.is_dir():
        return _read_folder(path, groups)
    if path.is_file():
        return _read_list(path, groups)
    raise LabelError(f"There is neither a folder nor a file {shown(path)}. Check the path.")


def shown(path: Path) -> str:
    """The path as it can be printed: file names are bytes, and need not be text."""
    return os.fsencode(path).decode(errors="replace")


def _read_folder(folder: Path, groups: str) -> Labelled:
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in PHOTO_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
    deep = any(path.parent != folder for path in files)
    photos: list[Path] = []
    owners: list[str] = []
    repeated: list[str] = []
    seen: set[tuple[str, str]] = set()
    for path in files:
        if deep and path.parent == folder:
            continue  # beside the people's folders: whom it shows is not said
        owner = shown(path.parent.relative_to(folder)) if deep else _owner(path)
        content = (owner, _digest(path))
        if content in seen:
            repeated.append(shown(path.relative_to(folder)))
            continue
        seen.add(content)
        photos.append(path)
        owners.append(owner)
    if len(photos) < 2:
        raise LabelError(
            f"{shown(folder)} has {len(photos)} photos; two are needed. Make one subfolder for each person and put "
            "their photos in it."
        )
    people = tuple(sorted(set(owners)))
    numbers = {person: number for number, person in enumerate(people)}
    return Labelled(
        photos=tuple(photos),
        names=tuple(shown(path.relative_to(folder)) for path in photos),
        people=people,
        persons=tuple(numbers[owner] for owner in owners),
        groups=_folder_groups(folder, photos, owners, groups),
        repeated=tuple(repeated),
    )


def _owner(path: Path) -> str:
    """Whom a photo of a flat folder shows: its name without the number at its end."""
    stem = os.fsencode(path.stem).decode(errors="replace")
    return _NUMBER.sub("", stem) or stem


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return shown(path)  # the report will say that it can not be read


def _folder_groups(folder: Path, photos: list[Path], owners: list[str], file: str) -> tuple[str, ...]:
    if not file:
        return ()
    rows = _rows(Path(file), columns=2)
    wanted = {row[0].strip(): row[1].strip() for _, row in rows}
    found = tuple(
        wanted.get(owner, "") or wanted.get(shown(path.relative_to(folder)), "") or wanted.get(path.name, "")
        for path, owner in zip(photos, owners, strict=True)
    )
    if not any(found):
        raise LabelError(
            f"{file} names none of the people or photos of {shown(folder)}. Its first column must hold the names of "
            "the subfolders or of the photos, its second their group."
        )
    return found


def _read_list(path: Path, column: str) -> Labelled:
    rows = _rows(path, columns=3)
    titles: list[str] = []
    if rows and _answer(rows[0][1][2]) is None:
        titles = [cell.strip() for cell in rows.pop(0)[1]]
    at = _group_column(titles, column) if column else None
    numbers: dict[Path, int] = {}
    names: list[str] = []
    pairs: list[Pair] = []
    for line, row in rows:
        same = _answer(row[2])
        if same is None:
            raise LabelError(
                f"Line {line} of {shown(path)} says {row[2].strip()!r} in its third column. It must say 1 or 0, yes or "
                "no, true or false."
            )
        ends = []
        for cell in row[:2]:
            photo = _photo(path.parent, cell)
            if photo not in numbers:
                numbers[photo] = len(numbers)
                names.append(cell.strip())
            ends.append(numbers[photo])
        group = row[at].strip() if at is not None and at < len(row) else ""
        pairs.append(Pair(ends[0], ends[1], same, group))
    if not pairs:
        raise LabelError(
            f"{shown(path)} lists no pair. Each line needs two paths and 1 or 0, yes or no, true or false."
        )
    return Labelled(photos=tuple(numbers), names=tuple(names), pairs=tuple(pairs))


def _answer(cell: str) -> bool | None:
    return _ANSWERS.get(cell.strip().lower())


def _group_column(titles: list[str], column: str) -> int:
    lower = [title.lower() for title in titles]
    if column.lower() in lower:
        return lower.index(column.lower())
    has = ", ".join(titles) if titles else "no titles in its first line"
    raise LabelError(f"The list has no column {column!r}; it has {has}. Name one of its titles with --groups.")


def _photo(folder: Path, cell: str) -> Path:
    """The file that a cell names; the list may come from a system that writes backslashes."""
    for text in (cell.strip(), cell, cell.strip().replace("\\", "/")):
        path = Path(os.path.normpath(folder / text)) if text and "\0" not in text else None
        if path is not None and path.is_file():
            return path
    return Path(os.path.normpath(folder / cell.strip().replace("\0", "?")))


def _rows(path: Path, *, columns: int) -> list[tuple[int, list[str]]]:
    """The lines of a CSV file that are not empty, with their numbers, each of at least so many cells."""
    text = _text(path)
    best: list[tuple[int, list[str]]] = []
    fitting = -1
    for separator in ",;\t|":
        try:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
            rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
        except csv.Error as error:
            raise LabelError(f"{shown(path)} is no CSV file: {error}. Save the list as CSV.") from None
        fits = sum(len(row) >= columns for _, row in rows)
        if fits > fitting:
            best, fitting = rows, fits
    for line, row in best:
        if len(row) < columns:
            raise LabelError(
                f"Line {line} of {shown(path)} has {len(row)} of {columns} columns. Separate the columns by commas, "
                "semicolons or tabs."
            )
    return best


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_LIST_BYTES + 1)
    except OSError as error:
        raise LabelError(f"{shown(path)} can not be read: {error.strerror}. Check the path.") from None
    if len(data) > _MAX_LIST_BYTES or data[:3] == b"\xff\xd8\xff" or data[:4] == b"\x89PNG":
        raise LabelError(f"{shown(path)} is no list of pairs. Name a folder of photos or a CSV file.")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")
