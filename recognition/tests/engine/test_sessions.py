"""Networks load when needed, unload at any time, remember failures, and fall back to the CPU loudly."""

import logging
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from onnx import helper

from recognition.engine import ModelError, sessions
from recognition.engine.sessions import CPU, RETRY_SECONDS, Model, ModelState, Runtime
from recognition.tests.engine.small_packs import network

CUDA = "CUDAExecutionProvider"
FEED = {"input": np.arange(6, dtype=np.float32).reshape(2, 3)}


@pytest.fixture(scope="module")
def doubling() -> bytes:
    """A network that gives twice its input."""
    return network(
        [helper.make_node("Mul", ["input", "two"], ["twice"])],
        {"two": np.array(2, np.float32)},
        ["n", 3],
        {"twice": ["n", 3]},
    )


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeSession:
    """What ONNX Runtime gives, on the providers that the fake machine can start."""

    def __init__(self, machine: "FakeMachine", providers: Sequence[str]) -> None:
        self.machine = machine
        self.providers = list(providers)

    def get_providers(self) -> list[str]:
        return self.providers

    def run(self, outputs: Sequence[str] | None, feeds: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        if self.providers[0] in self.machine.breaks_at_run:
            raise RuntimeError("CUDA failure 700: an illegal memory access was encountered\nstack...")
        return [feeds["input"] * 2]


class FakeMachine:
    """Stands for the module onnxruntime on a machine with these providers."""

    def __init__(
        self,
        available: Sequence[str],
        *,
        refuses: Sequence[str] = (),
        drops: Sequence[str] = (),
        breaks_at_run: Sequence[str] = (),
    ) -> None:
        self.available, self.refuses, self.drops, self.breaks_at_run = available, refuses, drops, breaks_at_run
        self.asked: list[tuple[tuple[str, ...], list[dict[str, str]]]] = []

    def get_available_providers(self) -> list[str]:
        return list(self.available)

    def SessionOptions(self) -> Any:
        return SimpleNamespace(add_session_config_entry=lambda key, value: None)

    def InferenceSession(
        self,
        model: bytes,
        options: Any,
        *,
        providers: list[str],
        provider_options: list[dict[str, str]],
        enable_fallback: int,
    ) -> FakeSession:
        assert not enable_fallback, "ONNX Runtime would fall back silently"
        self.asked.append((tuple(providers), provider_options))
        if providers[0] in self.refuses:
            raise RuntimeError("CUDA driver version is insufficient for CUDA runtime version")
        return FakeSession(self, [one for one in providers if one not in self.drops])


def on(monkeypatch: pytest.MonkeyPatch, machine: FakeMachine, device: str, **more: Any) -> Model:
    monkeypatch.setattr(sessions, "onnxruntime", machine)
    return Model("net", lambda: b"net", runtime=Runtime(device=device, **more))


def twice(model: Model) -> None:
    assert np.array_equal(model.run(["twice"], FEED)[0], FEED["input"] * 2)


def figures(model: Model) -> tuple[ModelState, int, int, int, tuple[str, ...]]:
    return model.state, model.bytes, model.loads, model.runs, model.providers


def test_nothing_is_read_before_it_is_needed(doubling: bytes) -> None:
    model = Model("net", lambda: doubling, size=5)
    assert figures(model) == (ModelState.UNLOADED, 5, 0, 0, ())
    assert model.used_at is None
    twice(model)
    assert figures(model) == (ModelState.READY, len(doubling), 1, 1, (CPU,))
    assert model.fallback == ""
    assert [one.name for one in model.get_inputs()] == ["input"]
    assert [one.name for one in model.get_outputs()] == ["twice"]


def test_threads_that_come_together_load_it_once(doubling: bytes) -> None:
    start = threading.Barrier(8)
    reads: list[int] = []

    def read() -> bytes:
        reads.append(1)
        return doubling

    model = Model("net", read)

    def use(_number: int) -> None:
        start.wait()
        twice(model)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(8)))
    assert (len(reads), model.loads, model.runs) == (1, 1, 8)


def test_unloading_lets_a_run_under_way_finish(doubling: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    running, go_on = threading.Event(), threading.Event()

    class Slow(FakeSession):
        def run(self, outputs: Sequence[str] | None, feeds: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
            running.set()
            assert go_on.wait(30)
            return super().run(outputs, feeds)

    machine = FakeMachine([CPU])
    model = on(monkeypatch, machine, "cpu")
    monkeypatch.setattr(machine, "InferenceSession", lambda *_args, **_more: Slow(machine, [CPU]))
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(model.run, None, FEED)
        assert running.wait(30)
        assert model.unload() is True
        assert model.state is ModelState.UNLOADED
        go_on.set()
        assert np.array_equal(result.result(30)[0], FEED["input"] * 2)
    assert model.unload() is False
    twice(model)
    assert model.loads == 2


def test_unloading_again_and_again_while_others_run(doubling: bytes) -> None:
    model = Model("net", lambda: doubling)
    stop = threading.Event()

    def unload() -> int:
        times = 0
        while not stop.is_set():
            times += model.unload()
        return times

    with ThreadPoolExecutor(5) as pool:
        unloading = pool.submit(unload)
        list(pool.map(lambda _number: twice(model), range(400)))
        stop.set()
        times = unloading.result(30)
    assert model.runs == 400
    assert times <= model.loads <= times + 1


def test_a_failure_is_remembered_and_tried_again_later(doubling: bytes) -> None:
    clock = Clock()
    broken = True
    reads: list[float] = []

    def read() -> bytes:
        reads.append(clock.now)
        if broken:
            raise ModelError("The file is damaged. Install it again.")
        return doubling

    model = Model("net", read, clock=clock)
    for _ in range(100):
        with pytest.raises(ModelError, match=r"The file is damaged\. Install it again\."):
            model.run(None, FEED)
    assert len(reads) == 1
    assert (model.state, model.error) == (ModelState.FAILED, "The file is damaged. Install it again.")
    broken = False
    clock.now += RETRY_SECONDS - 1
    with pytest.raises(ModelError, match="damaged"):
        model.load()
    clock.now += 1
    twice(model)
    assert (len(reads), model.state, model.error) == (2, ModelState.READY, "")


def test_unloading_forgets_a_failure(doubling: bytes) -> None:
    contents = iter([b"not a model", doubling])
    model = Model("net", lambda: next(contents))
    with pytest.raises(ModelError, match="ONNX Runtime cannot load the model net"):
        model.load()
    model.unload()
    assert (model.state, model.error) == (ModelState.UNLOADED, "")
    twice(model)


def test_a_network_that_fails_its_check_gives_no_result(doubling: bytes) -> None:
    def check(session: sessions.Session) -> None:
        assert [one.name for one in session.get_outputs()] == ["twice"]
        raise ModelError("The model net is not the one its pack needs.")

    model = Model("net", lambda: doubling, check=check)
    with pytest.raises(ModelError, match="not the one its pack needs"):
        model.run(None, FEED)
    assert (model.state, model.loads, model.runs) == (ModelState.FAILED, 0, 0)


@pytest.mark.parametrize("error", [MemoryError(), OSError(5, "Input/output error"), RuntimeError("odd")])
def test_whatever_goes_wrong_is_a_model_error(error: Exception) -> None:
    def read() -> bytes:
        raise error

    model = Model("net", read)
    with pytest.raises(ModelError, match="net: "):
        model.load()
    assert model.state is ModelState.FAILED


def test_a_wrong_feed_is_a_model_error_and_breaks_nothing(doubling: bytes) -> None:
    model = Model("net", lambda: doubling)
    with pytest.raises(ModelError, match="net could not be run"):
        model.run(None, {"input": np.zeros((2, 4), np.float32)})
    with pytest.raises(ModelError, match="net could not be run"):
        model.run(["thrice"], FEED)
    twice(model)
    assert model.runs == 1


def test_a_mutated_file_is_refused_or_a_network(doubling: bytes) -> None:
    """Whatever is in the file, the process lives, and whoever asks gets an answer or a sentence."""
    rng = np.random.default_rng(0)
    refused = 0
    for number in range(200):
        content = bytearray(doubling if number % 2 else doubling[: rng.integers(len(doubling))])
        for at in rng.integers(0, max(1, len(content)), rng.integers(1, 8)):
            content[at : at + 1] = rng.bytes(1)
        model = Model("net", lambda content=bytes(content): content)  # type: ignore[misc]
        try:
            model.run(None, FEED)
        except ModelError as error:
            refused += 1
            assert "net" in str(error)  # noqa: PT017  # either is right
    assert 100 < refused < 200


def test_a_device_that_is_there_is_used(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    machine = FakeMachine([CUDA, CPU])
    model = on(monkeypatch, machine, "cuda:1")
    twice(model)
    assert machine.asked == [((CUDA, CPU), [{"device_id": "1"}, {}])]
    assert (model.providers, model.fallback, caplog.text) == ((CUDA, CPU), "", "")


@pytest.mark.parametrize(
    ("machine", "why"),
    [
        (FakeMachine([CPU]), "ONNX Runtime has no CUDAExecutionProvider here"),
        (FakeMachine([CUDA, CPU], refuses=[CUDA]), "CUDAExecutionProvider failed: CUDA driver version is insufficient"),
        (FakeMachine([CUDA, CPU], drops=[CUDA]), "CUDAExecutionProvider did not start"),
        (FakeMachine([CUDA, CPU], breaks_at_run=[CUDA]), "CUDAExecutionProvider failed: CUDA failure 700"),
    ],
    ids=["missing", "refuses", "dropped", "breaks"],
)
def test_a_device_that_fails_is_replaced_by_the_cpu_loudly(
    machine: FakeMachine, why: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = on(monkeypatch, machine, "cuda")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            twice(model)
    assert model.providers == (CPU,)
    assert model.fallback.startswith("net runs on CPU: ")
    assert why in model.fallback
    assert "stack" not in model.fallback
    assert len(caplog.records) == 1, "once, not at every run"
    assert (model.state, model.runs) == (ModelState.READY, 3)


def test_a_device_that_gives_wrong_answers_is_replaced_by_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def check(session: sessions.Session) -> None:
        if isinstance(session, FakeSession) and session.providers[0] == CUDA:
            raise ModelError("another answer than the pack's")

    monkeypatch.setattr(sessions, "onnxruntime", FakeMachine([CUDA, CPU]))
    model = Model("net", lambda: b"net", runtime=Runtime(device="cuda"), check=check)
    twice(model)
    assert model.providers == (CPU,)
    assert model.fallback == "net runs on CPU: CUDAExecutionProvider failed: another answer than the pack's."


def test_a_device_that_failed_stays_replaced_after_unloading(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = FakeMachine([CUDA, CPU], breaks_at_run=[CUDA])
    model = on(monkeypatch, machine, "cuda")
    twice(model)
    assert model.unload()
    twice(model)
    assert [providers for providers, _options in machine.asked] == [(CUDA, CPU), (CPU,), (CPU,)]
    assert "CUDA failure 700" in model.fallback


def test_a_wrong_feed_does_not_cost_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise RuntimeError("[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got invalid dimensions for input")

    model = on(monkeypatch, FakeMachine([CUDA, CPU]), "cuda")
    with monkeypatch.context() as patched:
        patched.setattr(FakeSession, "run", refuse)
        with pytest.raises(ModelError, match="INVALID_ARGUMENT"):
            model.run(None, FEED)
    twice(model)
    assert (model.providers, model.fallback) == ((CUDA, CPU), "")


def test_the_next_best_device_comes_before_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    tensorrt = "TensorrtExecutionProvider"
    model = on(monkeypatch, FakeMachine([tensorrt, CUDA, CPU], refuses=[tensorrt]), "tensorrt")
    twice(model)
    assert model.providers == (CUDA, CPU)
    assert model.fallback.startswith("net runs on CUDA: TensorrtExecutionProvider failed: CUDA driver")


def test_what_the_cpu_can_not_do_either_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    model = on(monkeypatch, FakeMachine([CUDA, CPU], refuses=[CUDA, CPU]), "cuda")
    with pytest.raises(ModelError, match="ONNX Runtime cannot load the model net"):
        model.load()
    assert model.state is ModelState.FAILED


@pytest.mark.parametrize(
    ("device", "available", "wanted"),
    [
        ("cpu", [CUDA, CPU], (CPU,)),
        (" CUDA ", [], (CUDA, CPU)),
        ("tensorrt", [], ("TensorrtExecutionProvider", CUDA, CPU)),
        ("openvino", [], ("OpenVINOExecutionProvider", CPU)),
        ("coreml", [], ("CoreMLExecutionProvider", CPU)),
        ("auto", [CPU], (CPU,)),
        ("auto", ["TensorrtExecutionProvider", CUDA, CPU], (CUDA, CPU)),
        ("auto", ["CoreMLExecutionProvider", CPU], ("CoreMLExecutionProvider", CPU)),
        ("DmlExecutionProvider", [], ("DmlExecutionProvider", CPU)),
        (f"DmlExecutionProvider, {CPU}", [], ("DmlExecutionProvider", CPU)),
    ],
)
def test_devices(
    device: str, available: Sequence[str], wanted: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "onnxruntime", FakeMachine(available))
    assert Runtime(device=device).wanted == wanted


@pytest.mark.parametrize("device", ["", "gpu", "cuda0", "CPUExecutionProvider,abacus"])
def test_an_unknown_device_names_those_there_are(device: str) -> None:
    with pytest.raises(ModelError, match=r"There is no device .*cpu, cuda, .*CPUExecutionProvider"):
        _ = Runtime(device=device).wanted


def test_what_tensorrt_compiles_is_kept(tmp_path: Path) -> None:
    options = Runtime(device="tensorrt", cache=tmp_path).options("TensorrtExecutionProvider")
    assert options == {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(tmp_path / "tensorrt")}
    assert Runtime(device="tensorrt:x", cache=tmp_path).options(CPU) == {}
