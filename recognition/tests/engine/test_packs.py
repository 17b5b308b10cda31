"""Loading packs: what is on disk is what runs, and what is wrong with it is said before any result."""

import hashlib
import importlib.util
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import platformdirs
import pytest

from recognition.engine import (
    Image,
    ModelError,
    Pack,
    PackState,
    UnknownPack,
    load_pack,
    manifest_problems,
    manifests,
    pack_state,
    store,
)
from recognition.engine.manifest import Manifest
from recognition.engine.model_cache import CONVERTED, sidecar
from recognition.engine.packs import read_manifest
from recognition.engine.sessions import CPU, ModelState
from recognition.tests.engine.small_packs import NAME, detector, network, recogniser, small_pack

# What compact-1 has given for the astronaut from the beginning.
COMPACT_BOX = (180.917, 60.578, 266.081, 171.83)
COMPACT_EMBEDDING = (-0.082147, 0.029549, 0.021364, -0.062816, -0.161293, -0.032891, -0.032738, -0.139248)

GREY: Image = np.full((90, 160, 3), 127, np.uint8)


def put(path: Path, content: bytes) -> None:
    """Replace an installed file together with its recorded hash, as somebody who covers his tracks would."""
    path.write_bytes(content)
    sidecar(path).write_text(hashlib.sha256(content).hexdigest())


def own(cache: Path) -> Manifest:
    return manifests(cache)[NAME]


# Loading


def test_a_users_own_pack(tmp_path: Path) -> None:
    small_pack(tmp_path, faces=True)
    pack = load_pack(NAME, cache=tmp_path)
    assert (pack.name, pack.version, pack.dimension) == (NAME, "own-1", 16)
    assert [model.state for model in pack.models] == [ModelState.UNLOADED] * 2, "loading a pack is light"
    pack.warm_up()
    assert [model.state for model in pack.models] == [ModelState.READY] * 2
    assert pack.bytes == len(detector(faces=True)) + len(recogniser())
    (face,) = pack.analyse(np.random.default_rng(0).integers(0, 256, (640, 640, 3), np.uint8))
    assert np.linalg.norm(face.embedding) == pytest.approx(1, abs=1e-5)
    assert pack_state(NAME, tmp_path, deep=True).usable


def test_models_unload_and_come_back_with_the_same_numbers(pack: Pack, six_people: Image) -> None:
    before = pack.analyse(six_people)
    loads = [model.loads for model in pack.models]
    assert all(model.unload() for model in pack.models)
    after = pack.analyse(six_people)
    assert [face.embedding.tobytes() for face in after] == [face.embedding.tobytes() for face in before]
    assert [model.loads for model in pack.models] == [number + 1 for number in loads]


def test_compact_gives_the_numbers_it_always_gave(pack: Pack, astronaut: Image) -> None:
    """Templates of compact-1 are in galleries: another number here needs another version."""
    assert pack.version == "compact-1"
    (face,) = pack.analyse(astronaut)
    assert face.box == pytest.approx(COMPACT_BOX, abs=0.05)
    assert face.embedding[:8] == pytest.approx(COMPACT_EMBEDDING, abs=2e-3)


def test_without_a_folder_models_lie_in_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / name)
    small_pack(tmp_path / "lynceus" / "models")
    assert load_pack(NAME).models[0].providers == ()
    assert NAME in manifests()
    assert pack_state(NAME).usable


def test_providers_may_be_named(tmp_path: Path) -> None:
    small_pack(tmp_path)
    for device in ("CPUExecutionProvider", [CPU]):
        pack = load_pack(NAME, cache=tmp_path, device=device)
        pack.warm_up()
        assert pack.models[0].providers == (CPU,)


def test_an_unknown_pack_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownPack, match=r"'huge'.*Known packs: compact, antelopev2"):
        load_pack("huge", cache=tmp_path)
    with pytest.raises(UnknownPack):
        pack_state("huge", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["opencv", "yunet-compact", "own"])
def test_a_pack_that_is_not_installed(name: str, tmp_path: Path) -> None:
    (small_pack(tmp_path) / "detector.onnx").unlink()
    assert pack_state(name, tmp_path).state is PackState.NOT_INSTALLED
    with pytest.raises(ModelError, match=f"{name} is not installed: .*manage.py models install {name}"):
        load_pack(name, cache=tmp_path)


def test_an_extra_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "dlib" else find(name))
    assert pack_state("face_recognition", tmp_path).state is PackState.NEEDS_EXTRA
    with pytest.raises(ModelError, match=r"needs the Python package dlib, which is not installed\. Install"):
        load_pack("face_recognition", cache=tmp_path)


def test_the_reference_pack(tmp_path: Path, astronaut: Image) -> None:
    pytest.importorskip("dlib", reason="the extra dlib is not installed")
    pack = load_pack("face_recognition", cache=tmp_path)
    pack.warm_up()
    (face,) = pack.analyse(astronaut)
    assert face.embedding.shape == (128,)
    assert list(tmp_path.iterdir()) == [], "it runs the package's own files"


@pytest.mark.parametrize("variant", ["yunet_n_dynamic.onnx", "yunet_n_640_640.onnx"])
def test_yunet_compact_knows_whom_compact_knows(
    variant: str, tmp_path: Path, pack: Pack, real_data: Path, model_cache: Path, astronaut: Image
) -> None:
    file = real_data.parent / "models" / "yunet" / variant
    if not file.is_file():
        pytest.skip(f"no YuNet file at {file}")
    shutil.copytree(model_cache / CONVERTED, tmp_path / CONVERTED)
    manifest = manifests(tmp_path)["yunet-compact"]
    store.take_in(tmp_path, manifest, manifest.file("yunet.onnx"), Path(shutil.copy(file, tmp_path)))
    other = load_pack("yunet-compact", cache=tmp_path)
    (one,), (two,) = pack.analyse(astronaut), other.analyse(astronaut)
    assert np.linalg.norm(one.embedding - two.embedding) < 0.35, "the same chip but for the detectors' habits"
    assert np.abs(one.points - two.points).max() < 12


# Licences


def test_a_licence_must_be_accepted_first(tmp_path: Path) -> None:
    small_pack(tmp_path, acceptance=True)
    assert pack_state(NAME, tmp_path).state is PackState.LICENCE
    with pytest.raises(ModelError, match=r"licence that must be accepted first: CC0-1\.0"):
        load_pack(NAME, cache=tmp_path)
    load_pack(NAME, cache=tmp_path, accept_licence=True)
    when = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    store.accept_licence(tmp_path, own(tmp_path), who="Ada", when=when)
    assert store.acceptance(tmp_path, own(tmp_path)) == store.Acceptance(licence="CC0-1.0", who="Ada", when=when)
    assert pack_state(NAME, tmp_path, deep=True).usable
    load_pack(NAME, cache=tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"licence": "MIT", "who": "Ada", "when": "2026-01-02"}', "\0"])
def test_another_licence_or_nonsense_is_no_acceptance(text: str, tmp_path: Path) -> None:
    folder = small_pack(tmp_path, acceptance=True)
    (folder / store.LICENCE_FILE).write_text(text)
    assert pack_state(NAME, tmp_path).state is PackState.LICENCE


# Wrong and damaged files


def test_a_swapped_file_is_not_opened(tmp_path: Path) -> None:
    """The same name, the same kind, another network: refused before any result, however it is asked."""
    folder = small_pack(tmp_path)
    put(folder / "recogniser.onnx", recogniser(seed=1))
    assert pack_state(NAME, tmp_path).usable, "sizes alone can not tell"
    found = pack_state(NAME, tmp_path, deep=True)
    assert found.state is PackState.WRONG_FILE
    assert "was not opened" in found.why
    pack = load_pack(NAME, cache=tmp_path)
    with pytest.raises(ModelError, match=r"recogniser.onnx is not the file .* was not opened"):
        pack.embed(GREY, np.zeros((1, 5, 2), np.float32))
    with pytest.raises(ModelError, match="was not opened"):
        pack.warm_up()
    assert pack.models[1].state is ModelState.FAILED


def test_a_manifest_with_a_wrong_hash(tmp_path: Path) -> None:
    folder = small_pack(tmp_path)
    manifest = (folder / "pack.toml").read_text()
    right = hashlib.sha256(detector()).hexdigest()
    (folder / "pack.toml").write_text(manifest.replace(right, "0" * 64))
    assert pack_state(NAME, tmp_path, deep=True).state is PackState.WRONG_FILE
    with pytest.raises(ModelError, match=rf"SHA-256 {right[:16]}\.\.\., expected 0000000000000000"):
        load_pack(NAME, cache=tmp_path).detect(GREY)


def test_a_damaged_file_and_its_repair(tmp_path: Path) -> None:
    folder = small_pack(tmp_path)
    file = folder / "detector.onnx"
    right = file.read_bytes()
    put(file, right)
    pack = load_pack(NAME, cache=tmp_path)
    file.write_bytes(right[:-1] + b"?")
    assert pack_state(NAME, tmp_path, deep=True).state is PackState.DAMAGED
    with pytest.raises(ModelError, match=r"is damaged .*Install it again: manage.py models install own"):
        pack.detect(GREY)
    file.write_bytes(right)
    for model in pack.models:
        model.unload()  # or half a minute
    assert len(pack.detect(GREY)) == 0


def test_a_file_of_another_size_is_damaged_at_a_glance(tmp_path: Path) -> None:
    folder = small_pack(tmp_path)
    text = (folder / "pack.toml").read_text()
    (folder / "pack.toml").write_text(text.replace('name = "detector.onnx"', 'name = "detector.onnx"\nbytes = 5', 1))
    found = pack_state(NAME, tmp_path)
    assert found.state is PackState.DAMAGED
    assert "instead of 5" in found.why


def test_a_file_that_can_not_be_read(tmp_path: Path) -> None:
    folder = small_pack(tmp_path)
    pack = load_pack(NAME, cache=tmp_path)
    (folder / "detector.onnx").unlink()
    (folder / "detector.onnx").mkdir()
    with pytest.raises(ModelError, match=r"cannot be read \(Is a directory\)"):
        pack.detect(GREY)


def pack_of(cache: Path, **files: bytes) -> Pack:
    """The small pack with these files, and with the hashes that belong to them."""
    folder = small_pack(cache)
    text = (folder / "pack.toml").read_text()
    for name, content in files.items():
        file = folder / f"{name}.onnx"
        text = text.replace(store.file_hash(file), hashlib.sha256(content).hexdigest())
        file.write_bytes(content)
    (folder / "pack.toml").write_text(text)
    return load_pack(NAME, cache=cache)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"recogniser": recogniser(dimension=17)}, "recogniser.onnx is not the one its pack needs: .*"),
        ({"recogniser": detector()}, "recogniser.onnx is not the one its pack needs: .*not an ArcFace network"),
        ({"detector": recogniser()}, "detector.onnx is not the one its pack needs: .*not a YuNet detector"),
        ({"detector": b"<html>404 Not Found</html>"}, "ONNX Runtime cannot load the model own/detector.onnx"),
        ({"detector": b""}, "ONNX Runtime cannot load the model own/detector.onnx"),
    ],
    ids=["dimension", "a detector", "a recogniser", "a web page", "nothing"],
)
def test_a_network_with_the_wrong_outputs(files: dict[str, bytes], sentence: str, tmp_path: Path) -> None:
    """Its hash is right, but it is not what its pack says it is."""
    pack = pack_of(tmp_path, **files)
    with pytest.raises(ModelError, match=sentence):
        pack.warm_up()


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_a_network_that_gives_no_numbers(value: float, tmp_path: Path) -> None:
    from onnx import helper

    constant: npt.NDArray[np.float32] = np.full((1, 16), value, np.float32)
    broken = network(
        [helper.make_node("Identity", ["value"], ["embedding"])],
        {"value": constant},
        [1, 3, 112, 112],
        {"embedding": [1, 16]},
    )
    with pytest.raises(ModelError, match="not the one its pack needs"):
        pack_of(tmp_path, recogniser=broken).warm_up()


def test_a_converted_network_that_was_swapped_is_noticed(model_cache: Path, pack: Pack, tmp_path: Path) -> None:
    """Made here, its hash is in no manifest: the known answer tells the difference."""
    pack.warm_up()
    shutil.copytree(model_cache / CONVERTED, tmp_path / CONVERTED)
    file = tmp_path / CONVERTED / "dlib-resnet.onnx"
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400_000] = bytes(400_000)  # weights, not the structure
    put(file, bytes(content))
    swapped = load_pack(cache=tmp_path)
    assert pack_state("compact", tmp_path, deep=True).usable
    with pytest.raises(ModelError, match="another answer than the pack's to the same picture"):
        swapped.embed(GREY, np.array([[(60, 30), (90, 30), (75, 45), (65, 60), (85, 60)]], np.float32))


def test_a_network_of_another_stage_is_noticed(model_cache: Path, pack: Pack, tmp_path: Path) -> None:
    pack.warm_up()
    shutil.copytree(model_cache / CONVERTED, tmp_path / CONVERTED)
    put(tmp_path / CONVERTED / "mtcnn-r.onnx", (model_cache / CONVERTED / "mtcnn-o.onnx").read_bytes())
    with pytest.raises(ModelError, match=r"mtcnn-r\.onnx is not the one its pack needs: it does not take"):
        load_pack(cache=tmp_path).warm_up()


# Users' manifests


def test_broken_users_packs_do_not_hide_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    small_pack(tmp_path)
    broken = {"broken": "name = ", "binary": b"\xff\xfe", "compact": None, "moved": None}
    for name, text in broken.items():
        folder = small_pack(tmp_path, name=name)
        if text is not None:
            (folder / "pack.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    (tmp_path / "moved").rename(tmp_path / "elsewhere")
    assert NAME in manifests(tmp_path)
    assert manifests(tmp_path)["compact"].shipped
    assert caplog.text.count("The pack in broken is left out") == 1, "once, however often packs are listed"
    problems = manifest_problems(tmp_path)
    assert set(problems) == {"broken", "binary", "compact", "elsewhere"}
    assert "a pack that Lynceus ships" in problems["compact"]
    assert "names the pack 'moved', but lies in the folder 'elsewhere'" in problems["elsewhere"]
    with pytest.raises(ModelError, match="not valid TOML"):
        load_pack("broken", cache=tmp_path)


def test_a_version_belongs_to_one_pack(tmp_path: Path) -> None:
    """Templates carry the version and nothing else: two packs of one version would be compared."""
    for name, version in {"first": "first-1", "second": "first-1", "third": "compact-1"}.items():
        manifest = small_pack(tmp_path, name=name) / "pack.toml"
        manifest.write_text(manifest.read_text().replace(f'version = "{name}-1"', f'version = "{version}"'))
    problems = manifest_problems(tmp_path)
    assert set(problems) == {"second", "third"}
    assert "the version 'first-1' of the pack first" in problems["second"]
    assert "the version 'compact-1' of a pack that Lynceus ships" in problems["third"]
    with pytest.raises(ModelError, match="told apart by it"):
        load_pack("second", cache=tmp_path)


def test_reading_a_manifest_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        read_manifest(tmp_path / "pack.toml")


def test_a_converted_pack_does_without_the_package(tmp_path: Path, model_cache: Path, pack: Pack) -> None:
    pack.warm_up()
    shutil.copytree(model_cache / CONVERTED, tmp_path / CONVERTED)
    assert pack_state("compact", tmp_path, deep=True).usable
    (tmp_path / CONVERTED / "mtcnn-p.onnx").write_bytes(b"cut")
    found = pack_state("compact", tmp_path, deep=True)
    assert (found.state, "made again" in found.why) == (PackState.DAMAGED, True)
    load_pack(cache=tmp_path).warm_up()
    assert pack_state("compact", tmp_path, deep=True).usable
