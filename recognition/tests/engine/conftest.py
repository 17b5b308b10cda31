"""The model pack, converted once for all tests, and pictures that installed packages carry.

The cache is the folder named by LYNCEUS_TEST_CACHE, by default var/test/models of the repository. Photos that
are not packaged come from LYNCEUS_TEST_DATA, by default ../shared/data beside the repository; tests that need
them skip without.
"""

import importlib.util
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from recognition.engine import Image, Pack, load_pack

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def model_cache() -> Path:
    return Path(os.environ.get("LYNCEUS_TEST_CACHE") or REPOSITORY / "var" / "test" / "models")


@pytest.fixture(scope="session")
def pack(model_cache: Path) -> Pack:
    return load_pack(cache=model_cache)


@pytest.fixture(scope="session")
def six_people() -> Image:
    """A photo with six faces, 1280x886."""
    spec = importlib.util.find_spec("insightface")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package insightface, which carries the photo, is not installed")
    photo = cv2.imread(str(Path(spec.submodule_search_locations[0]) / "data" / "images" / "t1.jpg"))
    assert photo is not None
    return np.asarray(photo, np.uint8)


@pytest.fixture(scope="session")
def astronaut() -> Image:
    """A photo with one face, 512x512."""
    rgb: Image = skimage.data.astronaut()  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(rgb[:, :, ::-1])


@pytest.fixture(scope="session")
def real_data() -> Path:
    folder = Path(os.environ.get("LYNCEUS_TEST_DATA") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"real photos are not at {folder}; name their folder in LYNCEUS_TEST_DATA")
    return folder
