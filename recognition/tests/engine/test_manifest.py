"""Manifests are read strictly: what is misspelt or out of range is refused with the key's name."""

import contextlib
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recognition.engine import Manifest, Metric, ModelError, manifests
from recognition.engine.build import DETECTORS, RECOGNISERS, check_parts
from recognition.engine.manifest import parse_manifest

SHIPPED = manifests(Path("nowhere"))
WHOLE = """
name = "mine"
version = "mine-1"
title = "My pack"
metric = "cosine"
dimension = 512
threshold = 0.4
margin = 0.02
[licence]
name = "MIT"
commercial = true
acceptance = false
[[files]]
name = "detector.onnx"
sha256 = "%s"
[[files]]
name = "recogniser.onnx"
[detector]
kind = "scrfd"
files = ["detector.onnx"]
[recogniser]
kind = "arcface"
files = ["recogniser.onnx"]
[recogniser.options]
size = 112
""" % ("a" * 64)


def test_the_issues_packs_are_shipped() -> None:
    insightface = {"buffalo_l", "buffalo_m", "buffalo_s", "buffalo_sc", "antelopev2"}
    assert set(SHIPPED) == {"compact", "opencv", "yunet-compact", "face_recognition"} | insightface
    assert next(iter(SHIPPED)) == "compact"
    for name, manifest in SHIPPED.items():
        assert manifest.licence.acceptance is (name in insightface)
        assert manifest.licence.commercial is (name not in insightface)


@pytest.mark.parametrize("manifest", SHIPPED.values(), ids=SHIPPED.keys())
def test_a_shipped_manifest_is_complete(manifest: Manifest) -> None:
    check_parts(manifest)
    assert manifest.version.startswith(f"{manifest.name}-")
    assert manifest.threshold_source
    assert manifest.licence.url.startswith("https://")
    for file in manifest.files:
        assert file.pinned, f"{file.name} could be any file"
        assert file.bytes > 0
        assert file.package or file.urls
        assert all(url.startswith("https://") for url in file.urls)
        assert file.convert == "" or file.package is not None


def test_packs_that_share_a_network_share_its_hash() -> None:
    """The same file under the same name can not be two files."""
    hashes: dict[str, set[object]] = {}
    for manifest in SHIPPED.values():
        for file in manifest.files:
            hashes.setdefault(file.name, set()).add((file.sha256, file.package, file.bytes))
    assert {name: len(found) for name, found in hashes.items() if len(found) > 1} == {}


def test_a_whole_manifest() -> None:
    manifest = parse_manifest(WHOLE, source="pack.toml")
    assert (manifest.name, manifest.metric, manifest.threshold) == ("mine", Metric.COSINE, 0.4)
    assert [file.pinned for file in manifest.files] == [True, False]
    assert manifest.recogniser.options == {"size": 112}
    assert manifest.shipped is False
    check_parts(manifest)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('name = "mine"', "", "`name` is missing"),
        ('name = "mine"', 'name = "../mine"', "`name` may not be '../mine'"),
        ('name = "mine"', 'name = "Mine"', "`name` may not be 'Mine'"),
        ('name = "mine"', "name = 3", "`name` must be a text"),
        ("threshold = 0.4", "threshold = 1.5", "`threshold` must be a number from -1 to 1"),
        ("threshold = 0.4", "threshold = nan", "`threshold` must be a number from -1 to 1"),
        ("threshold = 0.4", "threshold = true", "`threshold` must be a number from -1 to 1"),
        ("threshold = 0.4", "treshold = 0.4", "`threshold` is missing"),
        ("margin = 0.02", "margin = 0.02\nmargins = 1", "`margins` is not a key that is known here"),
        ('metric = "cosine"', 'metric = "manhattan"', "`metric` must be one of euclidean, cosine"),
        ("dimension = 512", "dimension = 512.0", "`dimension` must be a whole number"),
        ("commercial = true", 'commercial = "yes"', r"\[licence\] `commercial` must be true or false"),
        ("commercial = true", "", r"\[licence\] `commercial` is missing"),
        ("[licence]", "[license]", "`licence` is missing"),
        ("a" * 64, "a" * 63, r"\[files\[0\]\] `sha256` may not hold"),
        ("a" * 64, "A" * 64, r"\[files\[0\]\] `sha256` may not hold"),
        ('"detector.onnx"\nsha', '"../x.onnx"\nsha', r"\[files\[0\]\] `name` may not be"),
        ('"detector.onnx"\nsha', '".onnx"\nsha', r"\[files\[0\]\] `name` may not be"),
        ('files = ["detector.onnx"]', 'files = ["other.onnx"]', r"\[detector\] `files` names other.onnx"),
        ('files = ["detector.onnx"]', 'files = ["recogniser.onnx"]', "lists detector.onnx, which neither"),
        ("size = 112", "size = nan", r"\[recogniser.options\] `size` must be a number"),
        ("[detector]", "[detector", "not valid TOML"),
        (
            'name = "recogniser.onnx"',
            'name = "recogniser.onnx"\npackage = {module = "m", path = "p", distribution = "d", sha256 = "%s"}'
            % ("a" * 64),
            "`package` is for the packs that Lynceus ships",
        ),
        ('name = "recogniser.onnx"', 'name = "recogniser.onnx"\nconvert = "x"', "`convert` names a converter"),
        (
            'name = "recogniser.onnx"',
            'name = "recogniser.onnx"\nprobe = {shape = [0], answers = {x = [1]}}',
            "`shape` must be the positive sizes",
        ),
        ("[recogniser.options]", "[impostors]\ncomparisons = 1\n[recogniser.options]", "`impostors` is not a curve"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, sentence: str) -> None:
    assert old in WHOLE
    with pytest.raises(ModelError, match=sentence) as caught:
        parse_manifest(WHOLE.replace(old, new, 1), source="mine/pack.toml")
    assert "mine/pack.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('kind = "scrfd"', 'kind = "viola"', "names the kind 'viola', which is not known. Known are mtcnn"),
        ('kind = "scrfd"', 'kind = "mtcnn"', "gives 1 files to the kind mtcnn, which needs 3"),
        ("size = 112", "sise = 112", "gives arcface the option 'sise', which it does not have. It has dimension"),
        ("size = 112", 'size = "112"', "option 'size' of arcface as '112': it must be of type int"),
        ("size = 112", "size = true", "option 'size' of arcface as True: it must be of type int"),
        ("size = 112", "mean = [1, 2]", "option 'mean' of arcface"),
        ("size = 112", "size = 100", "gives arcface options that do not fit: .*multiple of 112"),
        ("size = 112", "dimension = 128", "says its dimension is 512, but its recogniser's is 128"),
    ],
)
def test_wrong_parts_are_named(old: str, new: str, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        check_parts(parse_manifest(WHOLE.replace(old, new, 1), source="pack.toml"))


def test_whole_numbers_do_for_numbers() -> None:
    check_parts(parse_manifest(WHOLE.replace("size = 112", "mean = 127"), source="pack.toml"))


def test_every_kind_is_told_in_the_messages() -> None:
    assert set(DETECTORS) == {"mtcnn", "yunet", "scrfd", "dlib-hog", "dlib-cnn"}
    assert set(RECOGNISERS) == {"dlib-resnet", "arcface", "dlib"}


VALUES = st.sampled_from(["", '""', "-1", "1e400", "nan", "true", "[]", "{}", '"x"', "[[1]]", "{a = 1}", "1979-05-27"])


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_value_anywhere_is_read_or_refused(data: st.DataObject) -> None:
    """Nothing but a manifest or a sentence comes of a mutated file."""
    lines = WHOLE.splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        key = re.match(r"\w+ = ", lines[at])
        lines[at] = key.group() + data.draw(VALUES) if key else ""
    text = "\n".join(lines)
    with contextlib.suppress(ModelError):
        manifest = parse_manifest(text, source="pack.toml")
        assert tomllib.loads(text)["name"] == manifest.name
