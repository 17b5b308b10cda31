"""Files that are taken in: the right one whole, or none."""

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recognition.engine import Image, ModelError, PackState, load_pack, manifests, pack_state, store
from recognition.engine.manifest import Manifest
from recognition.engine.model_cache import CONVERTED
from recognition.tests.engine.small_packs import NAME, detector, small_pack

GREY: Image = np.full((90, 160, 3), 127, np.uint8)


def own(cache: Path) -> Manifest:
    return manifests(cache)[NAME]


def unpinned(cache: Path) -> Manifest:
    """The small pack, its detector not installed and of no known hash."""
    folder = small_pack(cache)
    text = (folder / "pack.toml").read_text()
    (folder / "pack.toml").write_text(text.replace(f'sha256 = "{hashlib.sha256(detector()).hexdigest()}"', ""))
    (folder / "detector.onnx").rename(cache / "download.part")
    return own(cache)


def test_an_unpinned_file_needs_consent_and_is_held_to_its_hash(tmp_path: Path) -> None:
    manifest, part = unpinned(tmp_path), tmp_path / "download.part"
    file = manifest.file("detector.onnx")
    assert not file.pinned
    with pytest.raises(ModelError, match="Nobody has recorded which file"):
        store.take_in(tmp_path, manifest, file, part)
    assert part.exists()
    path = store.take_in(tmp_path, manifest, file, part, unpinned=True)
    assert not part.exists()
    assert load_pack(NAME, cache=tmp_path).detect(GREY).boxes.shape == (0, 4)
    path.write_bytes(detector(faces=True))
    with pytest.raises(ModelError, match="is damaged"):
        load_pack(NAME, cache=tmp_path).detect(GREY)


def test_an_unpinned_file_that_was_just_put_there_is_not_installed(tmp_path: Path) -> None:
    unpinned(tmp_path)
    (tmp_path / "download.part").rename(tmp_path / NAME / "detector.onnx")
    assert pack_state(NAME, tmp_path).state is PackState.NOT_INSTALLED
    with pytest.raises(ModelError, match="put there without being installed"):
        load_pack(NAME, cache=tmp_path)


def test_a_wrong_file_is_not_taken_in(tmp_path: Path) -> None:
    folder = small_pack(tmp_path)
    wrong = tmp_path / "download.part"
    wrong.write_bytes(b"wrong")
    before = sorted((file.name, file.read_bytes()) for file in folder.iterdir())
    with pytest.raises(ModelError, match=r"is not the file detector\.onnx of the pack own"):
        store.take_in(tmp_path, own(tmp_path), own(tmp_path).file("detector.onnx"), wrong, unpinned=True)
    assert wrong.exists()
    assert sorted((file.name, file.read_bytes()) for file in folder.iterdir()) == before


def test_a_file_from_another_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest, part = unpinned(tmp_path), tmp_path / "download.part"
    replace = Path.replace

    def other_disk(self: Path, target: Path) -> Path:
        if self == part:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", other_disk)
    path = store.take_in(tmp_path, manifest, manifest.file("detector.onnx"), part, unpinned=True)
    assert path.read_bytes() == detector()
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "detector.onnx",
        "detector.onnx.sha256",
        "pack.toml",
        "recogniser.onnx",
    ]


@pytest.mark.parametrize(
    "act",
    [
        lambda cache, manifest, part: store.accept_licence(cache, manifest, who="Ada"),
        lambda cache, manifest, part: store.take_in(
            cache, manifest, manifest.file("detector.onnx"), part, unpinned=True
        ),
    ],
    ids=["accept", "take in"],
)
def test_a_disk_that_is_full(
    act: Callable[[Path, Manifest, Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, part = unpinned(tmp_path), tmp_path / "download.part"

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelError, match="the disk is full"):
        act(tmp_path, manifest, part)
    assert part.exists()
    assert sorted(file.name for file in (tmp_path / NAME).iterdir()) == ["pack.toml", "recogniser.onnx"]


def test_a_disk_that_fills_during_the_conversion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    fsync = os.fsync

    def full(descriptor: int) -> None:
        calls.append(1)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(ModelError, match=r"the disk is full\. Free"):
            load_pack(cache=tmp_path)
    left = {file.name for file in (tmp_path / CONVERTED).iterdir()}
    assert left <= {".lock", "mtcnn-p.onnx", "mtcnn-p.onnx.sha256", "mtcnn-r.onnx"}, "no half files"
    lines: list[str] = []
    load_pack(cache=tmp_path, report=lines.append).warm_up()
    assert len(lines) == 3
