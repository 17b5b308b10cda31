"""Packs come in from addresses, files, folders and archives; nothing wrong gets in, and nothing right is lost."""

from __future__ import annotations

import errno
import hashlib
import io
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from recognition.download import DownloadError, NoSpaceError, Patience
from recognition.engine import Manifest, ModelError, PackState
from recognition.engine.manifest import parse_manifest
from recognition.engine.store import check_pack
from recognition.pack_install import InstallError, Unpinned, install, missing_files, own_manifest, remove
from recognition.tests.file_server import Behaviour, FileServer, Silent, serving

DETECTOR, RECOGNISER = b"detector" * 5000, b"recogniser" * 5000
HASTE = Patience(tries=2, connect=1.0, read=0.5, sleep=lambda seconds: None)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def text(*, files: str, name: str = "mine") -> str:
    return f"""
name = "{name}"
version = "{name}-1"
title = "Mine"
metric = "cosine"
dimension = 8
threshold = 0.5
margin = 0.05
[licence]
name = "MIT"
url = "https://example.org/licence"
commercial = true
acceptance = false
{files}
[detector]
kind = "yunet"
files = ["find.onnx"]
[recogniser]
kind = "arcface"
files = ["know.onnx"]
"""


def file_table(name: str, content: bytes, *, urls: str = "", pinned: bool = True, archive: str = "") -> str:
    hashed = f'sha256 = "{sha(content)}"\nbytes = {len(content)}\n' if pinned else ""
    addresses = f'urls = ["{urls}"]\n' if urls else ""
    return f'[[files]]\nname = "{name}"\n{hashed}{addresses}{archive}'


def manifest(
    *, find: str = "", know: str = "", pinned: bool = True, archive: str = "", shipped: bool = True
) -> Manifest:
    files = file_table("find.onnx", DETECTOR, urls=find, pinned=pinned, archive=archive)
    files += "\n" + file_table("know.onnx", RECOGNISER, urls=know, pinned=pinned, archive=archive)
    return parse_manifest(text(files=files), source="test", shipped=shipped)


def bring(wanted: Manifest, models: Path, source: Path | str | None = None, *, trust: bool = False) -> Any:
    where = None if source is None else str(source)
    return install(wanted, models, progress=Silent(), source=where, trust=trust, patience=HASTE)


def state(wanted: Manifest, models: Path) -> PackState:
    return check_pack(models, wanted, deep=True).state


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "data" / "models"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "downloads"
    found.mkdir()
    (found / "find.onnx").write_bytes(DETECTOR)
    (found / "know.onnx").write_bytes(RECOGNISER)
    return found


@pytest.fixture
def zipped(tmp_path: Path) -> Callable[..., Path]:
    def make(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
        path = tmp_path / "pack.zip"
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, content in members.items():
                archive.writestr(zipfile.ZipInfo(name), content, compress_type=method)
        return path

    return make


@pytest.fixture
def servers() -> Iterator[tuple[FileServer, FileServer]]:
    with serving(FileServer(content=DETECTOR)) as one, serving(FileServer(content=RECOGNISER)) as other:
        yield one, other


def test_files_come_from_their_addresses(models: Path, servers: tuple[FileServer, FileServer]) -> None:
    wanted = manifest(find=servers[0].url, know=servers[1].url)
    assert state(wanted, models) is PackState.NOT_INSTALLED

    done = bring(wanted, models)

    assert done.placed == ("find.onnx", "know.onnx")
    assert done.hashes == {"find.onnx": sha(DETECTOR), "know.onnx": sha(RECOGNISER)}
    assert done.missing == ()
    assert state(wanted, models) is PackState.READY
    assert sorted(each.name for each in (models / "mine").iterdir()) == [
        "find.onnx",
        "find.onnx.sha256",
        "know.onnx",
        "know.onnx.sha256",
    ]
    assert stat.S_IMODE((models / "mine" / "find.onnx").stat().st_mode) == 0o644


def test_nothing_is_placed_before_all_is_there_and_nothing_is_fetched_twice(
    models: Path, servers: tuple[FileServer, FileServer]
) -> None:
    wanted = manifest(find=servers[0].url, know=servers[1].url)
    servers[1].behaviours = [Behaviour(status=404), Behaviour()]
    with pytest.raises(DownloadError) as error:
        bring(wanted, models)
    assert str(error.value) == (
        f"{servers[1].url} answered 404 Not Found: there is no such file (any more). Without a connection: download "
        f"{servers[1].url} on another machine, bring the file here, and run: models install mine --from FILE"
    )
    assert not (models / "mine" / "find.onnx").exists()

    bring(wanted, models)

    assert state(wanted, models) is PackState.READY
    assert len(servers[0].asked) == 1


def test_only_what_is_missing_or_damaged_is_fetched(models: Path, servers: tuple[FileServer, FileServer]) -> None:
    wanted = manifest(find=servers[0].url, know=servers[1].url)
    bring(wanted, models)
    (models / "mine" / "know.onnx").write_bytes(RECOGNISER[:-1])
    assert [file.name for file in missing_files(wanted, models)] == ["know.onnx"]

    assert bring(wanted, models).placed == ("know.onnx",)
    assert bring(wanted, models).placed == ()

    assert (len(servers[0].asked), len(servers[1].asked)) == (1, 2)
    assert state(wanted, models) is PackState.READY


def test_a_folder_by_name_and_by_hash(models: Path, folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "know.onnx").rename(folder / "deep" / "arcface_v2.onnx")
    (folder / "know.onnx").write_bytes(b"another file of this name")

    assert bring(manifest(), models, folder).placed == ("find.onnx", "know.onnx")

    assert (models / "mine" / "know.onnx").read_bytes() == RECOGNISER
    assert (folder / "deep" / "arcface_v2.onnx").exists()


def test_of_several_accepted_variants_the_first_is_taken(models: Path, folder: Path) -> None:
    variants = [sha(b"best"), sha(b"second"), sha(DETECTOR)]
    toml = text(files=file_table("find.onnx", DETECTOR) + "\n" + file_table("know.onnx", RECOGNISER))
    wanted = parse_manifest(toml.replace(f'"{sha(DETECTOR)}"', str(variants)), source="test", shipped=True)
    (folder / "a.onnx").write_bytes(b"second")
    (folder / "b.onnx").write_bytes(b"best")

    bring(wanted, models, folder)

    assert (models / "mine" / "find.onnx").read_bytes() == b"best"


def test_single_files_one_after_the_other(models: Path, folder: Path) -> None:
    (folder / "find.onnx").rename(folder / "renamed.onnx")

    first = bring(manifest(), models, folder / "renamed.onnx")
    assert (first.placed, [file.name for file in first.missing]) == (("find.onnx",), ["know.onnx"])

    second = bring(manifest(), models, (folder / "know.onnx").as_uri())
    assert (second.placed, second.missing) == (("know.onnx",), ())


def test_a_file_from_an_address_that_a_person_names(models: Path, servers: tuple[FileServer, FileServer]) -> None:
    done = bring(manifest(), models, servers[1].url)

    assert done.placed == ("know.onnx",)
    assert [path.name for path in (models / "mine" / ".incoming").iterdir()] == []


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_gives_only_the_files_that_the_manifest_names(
    models: Path, tmp_path: Path, zipped: Callable[..., Path], method: int
) -> None:
    archive = zipped(
        {"a/find.onnx": DETECTOR, "a/know.onnx": RECOGNISER, "a/genderage.onnx": b"x", "../evil.py": b"evil"}, method
    )

    assert bring(manifest(), models, archive).placed == ("find.onnx", "know.onnx")

    assert sorted(path.name for path in tmp_path.rglob("*") if path.suffix in (".py", ".onnx")) == [
        "find.onnx",
        "know.onnx",
    ]


def test_a_path_in_an_archive_means_nothing(models: Path, tmp_path: Path, zipped: Callable[..., Path]) -> None:
    archive = zipped({"../../../find.onnx": DETECTOR, "/etc/know.onnx": RECOGNISER})

    bring(manifest(), models, archive)

    assert {path.parent for path in tmp_path.rglob("*.onnx")} == {models / "mine"}
    assert state(manifest(), models) is PackState.READY


def test_archives_of_the_manifest_are_fetched_once(models: Path, zipped: Callable[..., Path]) -> None:
    content = zipped({"find.onnx": DETECTOR, "know.onnx": RECOGNISER}).read_bytes()
    with serving(FileServer(content=content)) as server:
        archive = f'[files.archive]\nsha256 = "{sha(content)}"\nbytes = {len(content)}\nurls = ["{server.url}"]\n'
        wanted = manifest(archive=archive)
        bring(wanted, models)
        assert len(server.asked) == 1
    assert state(wanted, models) is PackState.READY
    assert not (models / "mine" / ".incoming").exists()


def test_an_archive_steps_in_for_an_address_that_is_gone(
    models: Path, servers: tuple[FileServer, FileServer], zipped: Callable[..., Path]
) -> None:
    servers[0].behaviours = [Behaviour(status=404)]
    content = zipped({"find.onnx": DETECTOR, "know.onnx": RECOGNISER}).read_bytes()
    with serving(FileServer(content=content)) as server:
        archive = f'[files.archive]\nbytes = {len(content)}\nurls = ["{server.url}"]\n'
        wanted = manifest(find=servers[0].url, know=servers[1].url, archive=archive)
        bring(wanted, models)
    assert state(wanted, models) is PackState.READY


def test_archives_that_are_bombs_damaged_or_ambiguous(models: Path, zipped: Callable[..., Path]) -> None:
    bomb = zipped({"find.onnx": bytes(20_000_000)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(InstallError, match=r"would unpack to 20\.0 MB, which no model does: nothing was unpacked"):
        bring(manifest(), models, bomb)

    larger = zipped({"find.onnx": DETECTOR + b"more"})
    with pytest.raises(InstallError, match=r"find\.onnx in pack\.zip is larger than the 40,000 bytes"):
        bring(manifest(), models, larger)

    both = zipped({"a/find.onnx": DETECTOR, "b/find.onnx": DETECTOR})
    with pytest.raises(InstallError, match=r"more than once \(a/find\.onnx, b/find\.onnx\)"):
        bring(manifest(), models, both)

    none = zipped({"readme.txt": b"hello"})
    with pytest.raises(
        InstallError, match=r"pack\.zip holds none of the files of this pack \(find\.onnx, know\.onnx\)"
    ):
        bring(manifest(), models, none)

    broken = zipped({"find.onnx": DETECTOR})
    content = bytearray(broken.read_bytes())
    content[200] ^= 0xFF
    broken.write_bytes(content)
    with pytest.raises(InstallError, match=r"pack\.zip is damaged \(Bad CRC-32 .* Fetch it again"):
        bring(manifest(), models, broken)

    locked = zipped({"find.onnx": DETECTOR})
    content = bytearray(locked.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    locked.write_bytes(content)
    with pytest.raises(InstallError, match="is locked with a password"):
        bring(manifest(), models, locked)

    assert list(models.rglob("*.onnx*")) == []


def test_an_archive_that_lies_about_sizes_writes_no_more_than_it_says(
    models: Path, zipped: Callable[..., Path]
) -> None:
    liar = zipped({"find.onnx": bytes(5_000_000)}, zipfile.ZIP_DEFLATED)
    content = bytearray(liar.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (1000).to_bytes(4, "little")
    liar.write_bytes(content)

    with pytest.raises(InstallError, match=r"pack\.zip is damaged"):
        bring(manifest(), models, liar)

    assert list(models.rglob("*.onnx*")) == []


def test_a_wrong_file_is_refused_with_both_hashes_and_nothing_is_replaced(models: Path, folder: Path) -> None:
    bring(manifest(), models, folder)
    (models / "mine" / "find.onnx").write_bytes(b"damaged meanwhile")
    (folder / "find.onnx").write_bytes(b"wrong")

    with pytest.raises(InstallError) as error:
        bring(manifest(), models, folder / "find.onnx")

    assert str(error.value) == (
        f"find.onnx is not the file that was wanted: its SHA-256 is {sha(b'wrong')}, expected {sha(DETECTOR)}. "
        f"It came from {folder / 'find.onnx'}. Nothing was installed or replaced."
    )
    assert (models / "mine" / "find.onnx").read_bytes() == b"damaged meanwhile"
    assert (models / "mine" / "know.onnx").read_bytes() == RECOGNISER


def test_a_file_of_another_pack_is_told_apart(models: Path, folder: Path) -> None:
    (folder / "other.onnx").write_bytes(b"other")
    with pytest.raises(InstallError) as error:
        bring(manifest(), models, folder / "other.onnx")
    assert str(error.value) == (
        f"other.onnx (SHA-256 {sha(b'other')}) is none of the files of this pack, neither by content nor by name: "
        "find.onnx, know.onnx."
    )


def test_unknown_bytes_need_trust_and_are_held_to(models: Path, folder: Path) -> None:
    loose = manifest(pinned=False)
    with pytest.raises(Unpinned, match=r"It is not known which bytes find\.onnx, know\.onnx must have"):
        bring(loose, models, folder)
    assert not list(models.rglob("*.onnx"))

    bring(loose, models, folder, trust=True)
    assert state(loose, models) is PackState.READY

    (models / "mine" / "know.onnx").write_bytes(b"swapped")
    assert state(loose, models) is PackState.DAMAGED


def test_a_pack_of_ones_own(models: Path, folder: Path) -> None:
    files = file_table("find.onnx", b"", pinned=False) + "\n" + file_table("know.onnx", b"", pinned=False)
    (folder / "pack.toml").write_text(text(files=files))
    own = own_manifest(str(folder))
    assert own is not None
    assert not own.shipped

    assert bring(own, models, folder).missing == ()

    assert (models / "mine" / "pack.toml").read_text() == text(files=files)
    assert state(own, models) is PackState.READY
    (folder / "pack.toml").write_text(text(files=files).replace("0.5", "0.6"))
    other = own_manifest(str(folder))
    assert other is not None
    with pytest.raises(InstallError, match=r"Another pack is installed as mine\. Embeddings of both must not be mixed"):
        bring(other, models, folder)


def test_manifests_of_ones_own_are_checked(folder: Path) -> None:
    assert own_manifest(str(folder)) is None
    assert own_manifest("https://example.org/pack.toml") is None
    (folder / "pack.toml").write_text("name = 'mine'\n")
    with pytest.raises(ModelError, match="is not valid"):
        own_manifest(str(folder))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("ftp://example.org/a.onnx", "ftp:// addresses can not be used. Use https://, http:// or the path of a file."),
        ("file://other/a.onnx", "file://other/a.onnx names a file on another machine. Use file:///path, or the path"),
        ("/nowhere/at/all", "There is no file or folder /nowhere/at/all. Check the path after --from."),
    ],
)
def test_sources_that_can_not_be(models: Path, source: str, said: str) -> None:
    with pytest.raises(InstallError) as error:
        bring(manifest(), models, source)
    assert str(error.value).startswith(said)


def test_without_an_address_a_person_must_bring_the_file(models: Path) -> None:
    with pytest.raises(InstallError) as error:
        bring(manifest(), models)
    assert str(error.value) == (
        "The manifest of mine names no address of find.onnx, know.onnx. "
        "Install it from a file or folder: models install mine --from PATH"
    )


def test_two_at_once(models: Path, folder: Path) -> None:
    models.mkdir(parents=True)
    hold = (
        "import fasteners, sys; l = fasteners.InterProcessLock(sys.argv[1]); l.acquire(); print(1, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(models / ".mine.lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"1\n"
        with pytest.raises(InstallError, match="Somebody else is installing or removing mine right now"):
            bring(manifest(), models, folder)
        with pytest.raises(InstallError, match="Somebody else"):
            remove("mine", models)
        other.communicate(b"\n")

    assert bring(manifest(), models, folder).missing == ()


def test_a_disk_that_is_full_or_fills(models: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        usage = shutil.disk_usage(folder)
        patch.setattr("shutil.disk_usage", lambda path: usage._replace(free=1000))
        with pytest.raises(NoSpaceError, match=r"find\.onnx needs 40 kB in .* but only 1 kB are\. Free 210 MB there"):
            bring(manifest(), models, folder)

    class Full(io.FileIO):
        def write(self, block: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    real = Path.open
    with monkeypatch.context() as patch:
        patch.setattr(
            Path, "open", lambda self, mode="r", *a, **k: Full(self, "w") if mode == "wb" else real(self, mode, *a, **k)
        )
        with pytest.raises(InstallError, match=r"is full\. Free some space and start again; nothing was replaced"):
            bring(manifest(), models, folder)

    assert not list(models.rglob("*.onnx*"))
    assert bring(manifest(), models, folder).missing == ()


def test_a_folder_that_can_not_be_written(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InstallError, match=r"can not be read or written \(Not a directory\)"):
        bring(manifest(), tmp_path / "file" / "models", folder)


def test_removing(models: Path, folder: Path) -> None:
    bring(manifest(), models, folder)

    assert remove("mine", models) >= len(DETECTOR) + len(RECOGNISER)
    assert not (models / "mine").exists()
    assert remove("mine", models) == 0
    assert state(manifest(), models) is PackState.NOT_INSTALLED
