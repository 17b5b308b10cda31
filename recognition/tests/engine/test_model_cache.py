"""The cache of converted models: made once, checked always, never stuck on what lies in the folder."""

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from recognition.engine import Image, ModelError, Pack, load_pack
from recognition.engine.model_cache import Source, cached_model
from recognition.tests.engine.small_packs import shipped_source


class Maker:
    """Counts how often a model is made."""

    def __init__(self) -> None:
        self.calls = 0
        self.lines: list[str] = []

    def __call__(self) -> bytes:
        self.calls += 1
        return b"a model" * 1000

    def load(self, folder: Path) -> bytes:
        return cached_model(folder, "one.onnx", self, self.lines.append)


def test_a_model_is_made_once(tmp_path: Path) -> None:
    maker = Maker()
    folder = tmp_path / "not" / "there"
    assert maker.load(folder) == maker.load(folder) == b"a model" * 1000
    assert maker.calls == 1
    assert maker.lines == ["Preparing the model one.onnx (once)"]
    assert sorted(file.name for file in folder.iterdir()) == [".lock", "one.onnx", "one.onnx.sha256"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes()[:-1]),  # cut short
        lambda file: file.write_bytes(b"A" + file.read_bytes()[1:]),  # edited
        lambda file: file.unlink(),
        lambda file: file.with_name("one.onnx.sha256").unlink(),
        lambda file: file.with_name("one.onnx.sha256").write_bytes(b"\xff\xfe nonsense"),
    ],
)
def test_a_damaged_model_is_made_again(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    maker = Maker()
    maker.load(tmp_path)
    damage(tmp_path / "one.onnx")
    assert maker.load(tmp_path) == b"a model" * 1000
    assert maker.load(tmp_path) == b"a model" * 1000
    assert maker.calls == 2


def test_threads_that_come_together_make_it_once(tmp_path: Path) -> None:
    maker = Maker()
    start = threading.Barrier(8)
    results: list[bytes] = []

    def load() -> None:
        start.wait()
        results.append(maker.load(tmp_path))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [b"a model" * 1000] * 8
    assert maker.calls == 1


def test_processes_that_come_together_make_it_once(tmp_path: Path) -> None:
    program = """
import sys, time
from pathlib import Path
from recognition.engine.model_cache import cached_model

def make():
    with (Path(sys.argv[1]) / "made").open("a") as log:
        log.write("once")
    time.sleep(0.3)
    return b"a model"

assert cached_model(Path(sys.argv[1]) / "cache", "one.onnx", make, print) == b"a model"
"""
    root = str(Path(__file__).resolve().parents[3])
    runs = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], cwd=root) for _ in range(3)]
    assert [run.wait(60) for run in runs] == [0, 0, 0]
    assert (tmp_path / "made").read_text() == "once"


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "the disk is full. Free"),
        (errno.EROFS, "Read-only file system"),
        (errno.EIO, "another folder"),
    ],
)
def test_a_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, sentence: str
) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    maker = Maker()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(ModelError, match=sentence):
            maker.load(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [".lock"]
    assert maker.load(tmp_path) == b"a model" * 1000


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="choose another folder"):
        Maker().load(tmp_path / "file")


def test_a_failing_conversion_leaves_nothing_and_can_be_tried_again(tmp_path: Path) -> None:
    def fail() -> bytes:
        raise ModelError("The source is missing.")

    with pytest.raises(ModelError, match=r"The source is missing\."):
        cached_model(tmp_path, "one.onnx", fail, print)
    assert Maker().load(tmp_path) == b"a model" * 1000


def test_a_source_that_was_altered_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pickle that runs when it is loaded must not be loaded."""
    package = tmp_path / "innocent"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    (package / "weights.lz4").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    monkeypatch.syspath_prepend(str(tmp_path))
    sha256 = shipped_source("mtcnn-p.onnx").sha256
    source = Source(module="innocent", path="weights.lz4", sha256=sha256, distribution="innocent")
    with pytest.raises(ModelError, match=r"not the one expected .* was not opened\. Install innocent again"):
        source.read()


@pytest.mark.parametrize(
    ("module", "path", "sentence"),
    [
        ("no_such_package_here", "weights", "is not installed"),
        ("mtcnn", "assets/weights/xnet.lz4", "cannot be read"),
        ("errno", "weights", "is not installed"),  # a module without a folder
    ],
)
def test_a_missing_source(module: str, path: str, sentence: str) -> None:
    source = Source(module=module, path=path, sha256="", distribution="the-package")
    with pytest.raises(ModelError, match=rf"{sentence}.*the-package"):
        source.read()


def test_a_real_model_cut_short_is_converted_again(tmp_path: Path, pack: Pack, astronaut: Image) -> None:
    lines: list[str] = []
    load_pack(cache=tmp_path, report=lines.append)
    assert len(lines) == 4
    (cut,) = tmp_path.glob("*/mtcnn-r.onnx")
    cut.write_bytes(cut.read_bytes()[:5000])
    again = load_pack(cache=tmp_path, report=lines.append)
    assert lines[4:] == ["Preparing the model mtcnn-r.onnx (it was damaged)"]
    assert again.detect(astronaut).boxes.tolist() == pack.detect(astronaut).boxes.tolist()
