"""Models that are made once, kept in a folder, and checked each time they are loaded.

A model is made from files of installed packages. Those are read whole and compared with a pinned SHA-256
before anything looks inside, because some are pickles. What is made is written to a temporary file and moved
into place, with its own SHA-256 beside it; a file that does not match (cut short by a full disk, edited) is
made again. A lock lets any number of threads and processes start at once: one makes the model, the others
wait and read it.

Errors: ModelError with what to do, for a missing or altered source and for a folder that cannot be written.
"""

import errno
import hashlib
import importlib.util
import os
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import fasteners

from recognition.engine.errors import ModelError

# The folder of the converted models, one for all packs because they share them. Raise the number when a converter
# changes what it writes.
CONVERTED = "converted-1"

# A file lock holds off other processes, but not the threads of this one.
_one_thread = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file inside an installed package, and what it must be."""

    module: str
    path: str  # below the module's folder
    sha256: str
    distribution: str  # what to install where it is missing

    def find(self) -> Path:
        """Where the file lies. The module is found but not imported: some import half the world."""
        spec = importlib.util.find_spec(self.module)
        folders = spec.submodule_search_locations if spec is not None else None
        if not folders:
            raise ModelError(
                f"The package {self.distribution} is not installed, and the model needs its file "
                f"{Path(self.path).name}. Install it: pip install {self.distribution}"
            )
        return Path(folders[0]) / self.path

    def read(self) -> bytes:
        """The file's content, checked."""
        file = self.find()
        try:
            data = file.read_bytes()
        except OSError as error:
            raise ModelError(
                f"The model file {file} cannot be read ({error.strerror}). Install {self.distribution} again."
            ) from error
        found = hashlib.sha256(data).hexdigest()
        if found != self.sha256:
            raise ModelError(
                f"The model file {file} is not the one expected (SHA-256 {found[:16]}..., expected "
                f"{self.sha256[:16]}...) and was not opened. Install {self.distribution} again."
            )
        return data


def cached_model(folder: Path, name: str, make: Callable[[], bytes], report: Callable[[str], None]) -> bytes:
    """The model kept as `name` in `folder`, made by `make` where it is missing or damaged."""
    file = folder / name
    model = _read_checked(file)
    if model is not None:
        return model
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _one_thread, fasteners.InterProcessLock(str(folder / ".lock")):
            model = _read_checked(file)
            if model is None:
                damaged = file.exists()
                report(f"Preparing the model {name} ({'it was damaged' if damaged else 'once'})")
                model = make()
                _write(file, model)
    except OSError as error:
        raise ModelError(cannot_write(folder, error)) from error
    return model


def sidecar(file: Path) -> Path:
    """The file that holds another's SHA-256."""
    return file.with_name(f"{file.name}.sha256")


def _read_checked(file: Path) -> bytes | None:
    """The file, or None where it or its checksum is missing or they do not agree."""
    try:
        model = file.read_bytes()
        expected = sidecar(file).read_text("ascii", errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ModelError(
            f"The model {file} cannot be read ({error.strerror}). Let this user read it, or delete it."
        ) from error
    return model if hashlib.sha256(model).hexdigest() == expected else None


def recorded(file: Path) -> str:
    """The SHA-256 that was recorded for this file, or an empty text."""
    try:
        return sidecar(file).read_text("ascii", errors="replace").strip()
    except OSError:
        return ""


def _write(file: Path, model: bytes) -> None:
    """Model first, checksum last: whatever interrupts this leaves a pair that does not agree."""
    write(file, model)
    write(sidecar(file), hashlib.sha256(model).hexdigest().encode())


def write(file: Path, content: bytes) -> None:
    """Write a whole file or none: to a temporary one beside it, which is then moved into place."""
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as target:
            target.write(content)
            target.flush()
            os.fsync(target.fileno())
        temporary.chmod(0o644)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def cannot_write(folder: Path, error: OSError) -> str:
    """What to tell people whose models' folder does not take a file."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The models could not be written to {folder}: the disk is full. Free 500 MB and start again."
    return (
        f"The models could not be written to {folder} ({error.strerror or error}). "
        "Give this user the right to write there, or choose another folder."
    )
