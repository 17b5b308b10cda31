"""Secrets that are made at first use and kept in files that only the owner can read.

Two processes that start at once agree: the first link wins and everybody reads what it wrote.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def read_or_create(path: Path, make: Callable[[], str]) -> str:
    """The text of the secret file; made by `make()` and stored with mode 0600 when it does not exist yet."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(make())
                stream.flush()
                os.fsync(stream.fileno())
            with contextlib.suppress(FileExistsError):  # another process was first; its secret is the one
                os.link(name, path)
        finally:
            Path(name).unlink()
    return path.read_text(encoding="utf-8").strip()
