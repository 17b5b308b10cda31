"""Photos whose faces the test says."""

from __future__ import annotations

import pytest

from cameras.tests.photo_search.looks import See, face
from recognition.engine import Pack
from recognition.gallery import forget


@pytest.fixture(autouse=True)
def _fresh_gallery() -> None:
    """The gallery of the test before this one was rolled back."""
    forget()


@pytest.fixture
def see(monkeypatch: pytest.MonkeyPatch) -> See:
    """`see(1, 2)`: from now on every photo shows these two people."""

    def shows(*seeds: int, score: float = 0.8) -> None:
        faces = [face(seed, score=score) for seed in seeds]
        monkeypatch.setattr(Pack, "analyse", lambda *args, **kwargs: faces)

    return shows
