"""Networks in ONNX Runtime: loaded at first use, shared by all threads, unloaded and loaded again at will.

A `Model` behaves like an `onnxruntime.InferenceSession`, so detectors and recognisers are written for a `Session`
and know nothing of loading. ONNX Runtime's sessions may be run by many threads at once; a run that is under way
keeps the session it started with alive, so `unload` never pulls it away.

A network that cannot be loaded is remembered: for RETRY_SECONDS every caller gets the same error at once, so that
a damaged file costs one attempt now and then and not one a frame. `Runtime` says what to run on; hardware that is
missing or fails is replaced by the CPU, once, with a warning in the log and in `Model.fallback`.

Shapes: whatever the network declares. Errors: ModelError, with a sentence for people.
"""

import ctypes
import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt
import onnxruntime
import psutil

from recognition.engine.errors import ModelError

_log = logging.getLogger(__name__)

RETRY_SECONDS = 30.0

CPU = "CPUExecutionProvider"
_CUDA = "CUDAExecutionProvider"
_TENSORRT = "TensorrtExecutionProvider"
_DEVICES: Mapping[str, tuple[str, ...]] = {
    "cpu": (CPU,),
    "cuda": (_CUDA, CPU),
    "tensorrt": (_TENSORRT, _CUDA, CPU),
    "openvino": ("OpenVINOExecutionProvider", CPU),
    "coreml": ("CoreMLExecutionProvider", CPU),
}
# TensorRT is not among them: it compiles a network for minutes before the first answer, which must be asked for.
_AUTO = (_CUDA, "CoreMLExecutionProvider", "OpenVINOExecutionProvider", CPU)

Arrays = Sequence[npt.NDArray[Any]]


class Argument(Protocol):
    """An input or output of a network, as ONNX Runtime describes it."""

    @property
    def name(self) -> str: ...

    @property
    def shape(self) -> Sequence[int | str | None]: ...

    @property
    def type(self) -> str: ...


class Session(Protocol):
    """A network that can be run: an `onnxruntime.InferenceSession` or a `Model`."""

    def run(self, outputs: Sequence[str] | None, feeds: Mapping[str, npt.NDArray[Any]], /) -> Arrays: ...

    def get_inputs(self) -> Sequence[Argument]: ...

    def get_outputs(self) -> Sequence[Argument]: ...


class ModelState(StrEnum):
    UNLOADED = "unloaded"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What networks run on.

    `device` is cpu, cuda (or cuda:1), tensorrt, openvino, coreml, auto (the best that is there), or names of ONNX
    Runtime's providers separated by commas. `threads` is how many threads one run may use: leave it at 1 where
    many cameras share the models, each with a thread of its own. `cache` keeps what TensorRT compiles.
    """

    device: str = "cpu"
    threads: int = 1
    cache: Path | None = None

    @property
    def wanted(self) -> tuple[str, ...]:
        """The providers asked for, best first and the CPU last. Raises ModelError for a device nobody knows."""
        kind = self.device.strip().partition(":")[0].lower()
        if kind == "auto":
            available = onnxruntime.get_available_providers()
            return tuple(one for one in _AUTO if one in available or one == CPU)
        if kind in _DEVICES:
            return _DEVICES[kind]
        named = tuple(one.strip() for one in self.device.split(",") if one.strip())
        if not named or not all(one.endswith("ExecutionProvider") for one in named):
            raise ModelError(
                f"There is no device {self.device!r} to run models on. Choose one of {', '.join(_DEVICES)}, auto, or "
                f"providers of ONNX Runtime: {', '.join(onnxruntime.get_available_providers())}."
            )
        return named if CPU in named else (*named, CPU)

    def options(self, provider: str) -> dict[str, str]:
        """What ONNX Runtime is told about this provider."""
        number = self.device.partition(":")[2].strip()
        options = {"device_id": number} if number.isdigit() and provider in (_CUDA, _TENSORRT) else {}
        if provider == _TENSORRT and self.cache is not None:
            options |= {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(self.cache / "tensorrt")}
        return options


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Opened:
    """A session, what it runs on, and why that is not the device asked for (empty where it is)."""

    session: Any  # onnxruntime has no types
    providers: tuple[str, ...]
    fallback: str

    @property
    def on_cpu(self) -> bool:
        return self.providers[:1] == (CPU,)


def open_session(model: bytes, *, runtime: Runtime | None = None, name: str = "the model") -> Opened:
    """A session on the runtime's device, or on the next best where that is missing or fails."""
    runtime = runtime or Runtime()
    available = onnxruntime.get_available_providers()
    missing = [one for one in runtime.wanted if one not in available]
    chosen = [one for one in runtime.wanted if one in available]
    whys = [f"ONNX Runtime has no {', '.join(missing)} here"] if missing else []
    while True:
        try:
            session = _create(model, chosen, runtime)
            break
        except Exception as error:
            if len(chosen) == 1:
                raise ModelError(
                    f"ONNX Runtime cannot load the model {name} ({_short(error)}). "
                    "Its file is damaged, or no network for this version: install the pack again."
                ) from error
            whys.append(f"{chosen[0]} failed: {_short(error)}")
            chosen = chosen[1:]
    used = tuple(session.get_providers())
    # ONNX Runtime drops a provider that does not start, for instance where CUDA's libraries are missing.
    whys += [f"{one} did not start" for one in chosen if one not in used]
    return Opened(session=session, providers=used, fallback=_warn(name, "; ".join(whys), used[0]) if whys else "")


def _create(model: bytes, providers: Sequence[str], runtime: Runtime) -> Any:
    """An ONNX Runtime session that leaves the other cores alone while it waits."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = runtime.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        model,
        options,
        providers=list(providers),
        provider_options=[runtime.options(one) for one in providers],
        enable_fallback=0,  # its own way of falling back is silent
    )


def _warn(name: str, why: str, instead: str = CPU) -> str:
    """Say in the log what is run on instead, and why; the sentence is for pages as well."""
    text = f"{name} runs on {instead.removesuffix('ExecutionProvider')}: {why}."
    _log.warning("%s Install the matching build of ONNX Runtime, or choose another device.", text)
    return text


def _short(error: BaseException) -> str:
    """The first line of ONNX Runtime's message, which may hold a whole stack."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


class Model:
    """One network: a `Session` that is loaded when it is first needed. Safe to use from any number of threads."""

    def __init__(
        self,
        name: str,
        read: Callable[[], bytes],
        *,
        runtime: Runtime | None = None,
        check: Callable[[Session], None] | None = None,
        size: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`read` gives the checked content of the file, `check` raises ModelError if it is the wrong network."""
        self.name = name
        self.bytes = size  # of the file
        self._read = read
        self._runtime = runtime or Runtime()
        self._check = check
        self._clock = clock
        self._lock = threading.Lock()  # held while loading: the others wait for it
        self._counting = threading.Lock()
        self._opened: Opened | None = None
        self._failed_at: float | None = None
        self._loading = False
        self._fallback = ""
        self.error = ""
        self.loads = 0
        self.runs = 0
        self.used_at: float | None = None  # by the clock, monotonic
        self.load_seconds = 0.0
        self.resident = 0  # bytes by which the process grew at the last load: about what unloading gives back

    @property
    def state(self) -> ModelState:
        if self._loading:
            return ModelState.LOADING
        if self._opened is not None:
            return ModelState.READY
        return ModelState.FAILED if self.error else ModelState.UNLOADED

    @property
    def providers(self) -> tuple[str, ...]:
        """What it runs on, first first; empty while it is not loaded."""
        opened = self._opened
        return opened.providers if opened else ()

    @property
    def fallback(self) -> str:
        """Why it does not run on the device asked for; empty where it does."""
        return self._fallback

    def run(self, outputs: Sequence[str] | None, feeds: Mapping[str, npt.NDArray[Any]], /) -> Arrays:
        """The outputs asked for (None: all). Loads the network if need be. Raises ModelError."""
        opened = self._ready()
        try:
            results: Arrays = opened.session.run(outputs, feeds)
        except Exception as error:
            # What the caller asks wrongly is wrong on any device.
            if opened.on_cpu or isinstance(error, ValueError) or "INVALID_ARGUMENT" in str(error):
                raise ModelError(f"The model {self.name} could not be run: {_short(error)}") from error
            self._change_to_cpu(opened, f"{opened.providers[0]} failed: {_short(error)}")
            return self.run(outputs, feeds)
        with self._counting:
            self.runs += 1
            self.used_at = self._clock()
        return results

    def get_inputs(self) -> Sequence[Argument]:
        inputs: Sequence[Argument] = self._ready().session.get_inputs()
        return inputs

    def get_outputs(self) -> Sequence[Argument]:
        outputs: Sequence[Argument] = self._ready().session.get_outputs()
        return outputs

    def load(self) -> None:
        """Load it now if it is not. Raises ModelError."""
        self._ready()

    def unload(self) -> bool:
        """Give the memory back; the next run loads it again. True if it was loaded. Forgets a failure as well."""
        with self._lock:
            was, self._opened = self._opened is not None, None
            self._failed_at, self.error = None, ""
        if was:
            _give_back()
        return was

    def _ready(self) -> Opened:
        opened = self._opened
        if opened is not None:
            return opened
        with self._lock:
            return self._opened or self._load()

    def _load(self) -> Opened:
        if self._failed_at is not None and self._clock() - self._failed_at < RETRY_SECONDS:
            raise ModelError(self.error)
        self._loading = True
        start, before = time.perf_counter(), _resident()
        try:
            content = self._read()
            opened = self._checked(open_session(content, runtime=self._runtime, name=self.name), content)
        except Exception as error:
            self.error = str(error) if isinstance(error, ModelError) else f"{self.name}: {_short(error)}"
            self._failed_at = self._clock()
            if isinstance(error, ModelError):
                raise
            raise ModelError(self.error) from error
        else:
            self._opened, self._fallback = opened, opened.fallback or self._fallback
            self._failed_at, self.error = None, ""
            self.bytes = len(content)
            self.loads += 1
            self.used_at = self._clock()
            del content
            _give_back()
            self.load_seconds = time.perf_counter() - start
            self.resident = max(0, _resident() - before)
            return opened
        finally:
            self._loading = False

    def _checked(self, opened: Opened, content: bytes) -> Opened:
        """The session, after it gave the known answers; a device that does not give them is left for the CPU."""
        if self._check is None:
            return opened
        try:
            self._check(opened.session)
        except Exception as error:
            if opened.on_cpu:
                raise
            on_cpu = self._on_cpu(content, f"{opened.providers[0]} failed: {_short(error)}")
            self._check(on_cpu.session)
            return on_cpu
        return opened

    def _change_to_cpu(self, failed: Opened, why: str) -> None:
        """The device failed in the middle of the work: go on with the CPU until the process ends."""
        with self._lock:
            if self._opened is failed:
                self._opened = self._on_cpu(self._read(), why)
                self._runtime = Runtime(device="cpu", threads=self._runtime.threads)
                self._fallback = self._opened.fallback

    def _on_cpu(self, content: bytes, why: str) -> Opened:
        opened = open_session(content, runtime=Runtime(threads=self._runtime.threads), name=self.name)
        return Opened(session=opened.session, providers=opened.providers, fallback=_warn(self.name, why))


def _give_back() -> None:
    """Hand freed memory back to the system. glibc keeps it otherwise: some 130 MB for the pack compact."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _resident() -> int:
    return int(psutil.Process().memory_info().rss)
