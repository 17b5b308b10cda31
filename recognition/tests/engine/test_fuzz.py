"""Fuzzing: ten thousand mutated files in a process of limited memory, odd pictures through a whole pack."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from recognition.engine import Image, Pack, PhotoError, decode_photo
from recognition.tests.engine import fuzz_decoding

FILES = 10_000
# What `images` promises for the largest photo that is accepted, and a little for everything else. Small files can say
# that they are that large.
MOST_MEMORY = 16 * 50_000_000 + 100 * 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited and measured the way Linux does it")
def test_ten_thousand_mutated_files_give_a_picture_or_a_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "recognition.tests.engine.fuzz_decoding", str(FILES), "20"],
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    report = json.loads(done.stdout)
    results = report["results"]
    assert sum(results.values()) == FILES
    # All ways out are taken, or the mutations are not worth their name.
    assert set(results) >= {"picture", "damaged", "too_many_pixels", "not_a_photo", "unsupported_format"}
    assert results["picture"] > FILES / 20
    assert results["damaged"] > FILES / 20
    assert report["rise"] < MOST_MEMORY


def test_what_the_mutations_start_from_is_whole() -> None:
    refused = []
    for data in fuzz_decoding.seeds():
        try:
            assert decode_photo(data).shape in ((30, 40, 3), (40, 30, 3))
        except PhotoError as error:
            refused.append(error.code)
    assert refused == ["unsupported_format"] * 3  # GIF, BMP, TIFF


def odd_pictures() -> Iterator[Image]:
    """Pictures that cameras do not take, as decoded: by shape, by content."""
    rng = np.random.default_rng(4)
    shapes = [(1, 1), (1, 2), (2, 1), (1, 500), (500, 1), (11, 11), (12, 12), (13, 40), (40, 13), (64, 48), (97, 101)]
    shapes += [(1, 8192), (8192, 1), (12, 8192), (8192, 30)]
    shapes += [tuple(rng.integers(1, 130, 2).tolist()) for _ in range(35)]
    for height, width in shapes:
        for value in (0, 127, 255):
            yield np.full((height, width, 3), value, np.uint8)
        yield rng.integers(0, 256, (height, width, 3), np.uint8)
        yield np.broadcast_to(rng.integers(0, 256, (1, width, 1), np.uint8), (height, width, 3)).copy()
        checks = np.indices((height, width)).sum(axis=0) % 2 * 255
        yield np.repeat(checks[:, :, None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("small_faces", [False, True])
def test_odd_pictures_through_a_pack(pack: Pack, small_faces: bool) -> None:
    for number, image in enumerate(odd_pictures()):
        if small_faces and number % 4:
            continue
        for face in pack.analyse(image, small_faces=small_faces):
            height, width = image.shape[:2]
            assert (face.box >= 0).all()
            assert (face.box <= [width, height, width, height]).all()
            assert 0 <= face.quality.score <= 1
            assert face.embedding.shape == (pack.dimension,)
            assert np.isfinite(face.embedding).all()


def test_a_view_of_an_array_is_read_like_its_copy(pack: Pack, astronaut: Image) -> None:
    flipped = astronaut[::1, ::-1]
    ours = pack.analyse(flipped)
    copied = pack.analyse(np.ascontiguousarray(flipped))
    assert [face.box.tolist() for face in ours] == [face.box.tolist() for face in copied]
