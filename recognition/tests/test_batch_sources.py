"""What is read from folders, archives and tables, and what is refused."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from pytest_django import Settings

from recognition import batch_sources
from recognition.batch_sources import BatchError, Entry, ZipSource, open_source
from recognition.photos import UnreadableError
from recognition.tests.archives import archive, encrypted


def zipped(files: dict[str, bytes], table: bytes | None = None) -> ZipSource:
    return ZipSource(io.BytesIO(archive(files)), label="people.zip", table=table)


def names(entries: list[Entry]) -> dict[str, str]:
    return {entry.path: entry.name for entry in entries if not entry.why}


def test_the_folder_or_the_file_is_the_name() -> None:
    source = zipped(
        {
            "Ada_Lovelace/1.jpg": b"a",
            "staff/Grace Hopper/2.PNG": b"b",
            "Alan Turing.webp": b"c",
            "__MACOSX/Ada/._1.jpg": b"",
            ".hidden/x.jpg": b"",
            "Ada_Lovelace/Thumbs.db": b"",
        }
    )
    assert names(list(source.entries())) == {
        "Ada_Lovelace/1.jpg": "Ada Lovelace",
        "staff/Grace Hopper/2.PNG": "Grace Hopper",
        "Alan Turing.webp": "Alan Turing",
    }
    assert source.ignored == 3
    assert source.read("Ada_Lovelace/1.jpg") == b"a"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../../etc/passwd.jpg", "out of the archive"),
        ("/etc/passwd.jpg", "out of the archive"),
        ("Ada\\..\\..\\x.jpg", "out of the archive"),
        ("C:\\x.jpg", "out of the archive"),
        ("Ada/inner.zip", "Import it by itself"),
        ("Ada/notes.txt", "no photo by its name"),
    ],
)
def test_what_is_no_photo_is_listed_with_the_reason(name: str, why: str) -> None:
    (entry,) = zipped({name: b"x"}).entries()
    assert why in entry.why


def test_a_folder_is_read_in_order_and_never_through_hidden_folders(tmp_path: Path) -> None:
    for name in ("Bob/2.jpg", "Bob/1.jpg", "Ada.jpg", ".git/x.jpg", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    source = open_source(tmp_path)
    assert names(list(source.entries())) == {"Ada.jpg": "Ada", "Bob/1.jpg": "Bob", "Bob/2.jpg": "Bob"}
    assert source.read("Bob/1.jpg") == b"Bob/1.jpg"
    with pytest.raises(UnreadableError, match="no such file"):
        source.read("Bob/9.jpg")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_says_who_is_shown(tmp_path: Path, separator: str) -> None:
    lines = [
        ["Photo", "NAME", "watchlist", "notes"],
        ["a/1.jpg", "Ada", "VIP", "Tall"],
        ["", "", "", ""],
        ["2.jpg", "Bob"],
    ]
    table = ("\ufeff" + "\r\n".join(separator.join(line) for line in lines)).encode()
    (tmp_path / "people.csv").write_bytes(table)
    (tmp_path / "2.jpg").write_bytes(b"two")
    expected = [
        Entry(path="a/1.jpg", name="Ada", watchlist="VIP", notes="Tall"),
        Entry(path="2.jpg", name="Bob"),
    ]
    source = open_source(tmp_path / "people.csv")
    assert list(source.entries()) == expected
    assert source.read("2.jpg") == b"two"
    assert list(zipped({"2.jpg": b"two"}, table=table).entries()) == expected
    assert list(zipped({"2.jpg": b"two", "people.csv": table}).entries()) == expected


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (b"", "columns name and photo"),
        (b"who,what\nAda,1.jpg", "columns name and photo"),
        ("name,photo\nJosé,1.jpg".encode("latin-1"), "not UTF-8"),
        (b'name,photo\n"' + b"x" * 200_000, "can not be read"),
    ],
)
def test_a_table_that_can_not_be_used_gets_a_sentence(table: bytes, why: str) -> None:
    with pytest.raises(BatchError, match=why):
        list(zipped({"1.jpg": b""}, table=table).entries())


def test_an_encrypted_archive_is_refused() -> None:
    with pytest.raises(BatchError, match="encrypted"):
        ZipSource(io.BytesIO(encrypted({"Ada/1.jpg": b"x"})), label="people.zip")


@pytest.mark.parametrize("data", [b"", b"words", archive({"Ada/1.jpg": b"x"})[:40], b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_archive_is_refused(data: bytes) -> None:
    with pytest.raises(BatchError):
        ZipSource(io.BytesIO(data), label="people.zip")


def test_a_member_that_is_too_large_is_not_unpacked(settings: Settings) -> None:
    settings.MAX_PHOTO_MB = 1
    source = ZipSource(io.BytesIO(archive({"Ada/1.jpg": bytes(3 * 2**20)}, compress=True)), label="bomb.zip")
    with pytest.raises(UnreadableError, match="1 MB"):
        source.read("Ada/1.jpg")


def test_a_member_that_lies_about_its_size_is_cut_off(settings: Settings) -> None:
    settings.MAX_PHOTO_MB = 1
    data = bytearray(archive({"Ada/1.jpg": bytes(3 * 2**20)}, compress=True))
    at = data.find(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 100)
    source = ZipSource(io.BytesIO(bytes(data)), label="bomb.zip")
    with pytest.raises(UnreadableError, match="damaged"):
        source.read("Ada/1.jpg")


def test_an_archive_that_unpacks_to_far_more_than_it_has_is_refused(settings: Settings) -> None:
    settings.MAX_PHOTO_MB = 1
    files = {f"Ada/{n}.jpg": bytes(900_000) for n in range(5)}
    source = ZipSource(io.BytesIO(archive(files, compress=True)), label="bomb.zip")
    with pytest.raises(BatchError, match="times its size"):
        _ = [source.read(entry.path) for entry in source.entries()]


def test_too_many_entries_are_refused_before_they_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    data = archive({f"Ada/{n}.jpg": b"" for n in range(30)})
    monkeypatch.setattr(batch_sources, "MAX_ENTRIES", 20)
    with pytest.raises(BatchError, match="more than 20 entries"):
        ZipSource(io.BytesIO(data), label="many.zip")
    monkeypatch.setattr(batch_sources, "MAX_DIRECTORY", 1000)
    with pytest.raises(BatchError, match="far too many"):
        ZipSource(io.BytesIO(data), label="many.zip")


def test_a_damaged_member_does_not_end_the_rest() -> None:
    data = bytearray(archive({"Ada/1.jpg": b"x" * 5000, "Bob/2.jpg": b"y"}))
    data[100] ^= 0xFF
    source = ZipSource(io.BytesIO(bytes(data)), label="people.zip")
    with pytest.raises(UnreadableError, match="damaged"):
        source.read("Ada/1.jpg")
    assert source.read("Bob/2.jpg") == b"y"
    with pytest.raises(UnreadableError, match="no such photo"):
        source.read("Eve/3.jpg")


def test_a_path_with_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BatchError, match="nothing at"):
        open_source(tmp_path / "gone")
