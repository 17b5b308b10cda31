"""What is installed, and what is documented, is what the code counts on."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def test_exactly_one_opencv_the_headless_one() -> None:
    """Two builds of OpenCV overwrite each other's files: the one installed last wins."""
    installed = {str(d.metadata["Name"]).lower().replace("_", "-") for d in importlib.metadata.distributions()}
    assert {name for name in installed if name.startswith("opencv")} == {"opencv-python-headless"}
    owners = {
        str(distribution.metadata["Name"])
        for distribution in importlib.metadata.distributions()
        for file in distribution.files or []
        if file.parts[0] == "cv2"
    }
    assert owners == {"opencv-python-headless"}


def test_every_dependency_is_pinned() -> None:
    pinned = {
        match[1].lower().replace("_", "-")
        for match in re.finditer(r"^([\w.-]+)==", (REPOSITORY / "constraints.txt").read_text(), re.MULTILINE)
    }
    installed = {
        str(d.metadata["Name"]).lower().replace("_", "-").replace(".", "-") for d in importlib.metadata.distributions()
    }
    # Which of these PyTorch brings along depends on the machine; its own pin decides their versions.
    accelerators = {name for name in installed if name.startswith(("cuda-", "nvidia-", "triton"))}
    assert installed - accelerators - {name.replace(".", "-") for name in pinned} <= {"pip", "lynceus"}


def test_every_setting_is_documented() -> None:
    settings = (REPOSITORY / "config" / "settings.py").read_text()
    read = set(re.findall(r'\benv\.\w+\(\s*"([A-Z_]+)"', settings))
    documented = set(re.findall(r"^# ([A-Z_]+)=", (REPOSITORY / ".env.example").read_text(), re.MULTILINE))
    assert read == documented


@pytest.mark.parametrize("name", [".gitignore", "Makefile", ".ci/run", "constraints.txt", ".env.example"])
def test_nothing_names_a_package_registry(name: str) -> None:
    text = (REPOSITORY / name).read_text()
    assert not re.search(r"--(extra-)?index-url|--find-links|file://", text)
