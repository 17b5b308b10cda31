"""`python -m benchmarks.threads`: how many threads one computation should have while many cameras compute at once.

So many cameras, each a thread of one process, detect the faces of a 1280x720 frame and embed one, as often as they can.
Each setting runs in a process of its own: threads of ONNX Runtime, whether its threads spin while they wait, threads of
OpenCV, and of the BLAS and OpenMP of numpy and faiss. What counts is frames a second of all cameras together, and the
CPU time of each frame: what it rises by is lost to threads that wait for each other.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass

from benchmarks.text import table

CAMERAS = (1, 4, 16)
MEASURE_SECONDS = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Threads of each library; 0: what the library takes by itself."""

    label: str
    onnx: int
    spin: bool
    others: int


SETTINGS = (
    Setting(label="Lynceus: one thread each, no spinning", onnx=1, spin=False, others=1),
    Setting(label="ONNX Runtime two threads, no spinning", onnx=2, spin=False, others=1),
    Setting(label="ONNX Runtime one thread, the others as they come", onnx=1, spin=False, others=0),
    Setting(label="Everything as it comes", onnx=0, spin=True, others=0),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.threads", description=__doc__)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(_run(Setting(**json.loads(options.child)))))
        return
    rows = []
    for setting in SETTINGS:
        print(f"Measuring: {setting.label} …", file=sys.stderr, flush=True)
        found = _child(setting)
        rows.append([setting.label, *(f"{fps:.1f} ({cpu * 1000:.0f} ms)" for fps, cpu in found)])
    print(table(["Frames a second together (CPU a frame)", *(f"{n} cameras" for n in CAMERAS)], rows))
    print(f"\n{os.cpu_count()} cores.")


def _child(setting: Setting) -> list[tuple[float, float]]:
    given = {name: str(setting.others) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS") if setting.others}
    command = [sys.executable, "-m", "benchmarks.threads", "--child", json.dumps(asdict(setting))]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=os.environ | given)
    return [(float(fps), float(cpu)) for fps, cpu in json.loads(done.stdout.splitlines()[-1])]


def _run(setting: Setting) -> list[tuple[float, float]]:
    import cv2
    import onnxruntime

    from recognition.engine import load_pack, sessions

    if setting.others:
        cv2.setNumThreads(setting.others)

    def create(model: bytes, providers: object, runtime: object) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = setting.onnx
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if setting.spin else "0")
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    sessions._create = create
    pack = load_pack("compact")
    pack.warm_up()
    return [_measured(pack, cameras) for cameras in CAMERAS]


def _measured(pack: object, cameras: int) -> tuple[float, float]:
    """Frames a second of all together, and CPU seconds a frame."""
    from benchmarks.embedding import frame
    from recognition.engine import Pack

    assert isinstance(pack, Pack)
    picture, until, counts = frame(), time.perf_counter() + MEASURE_SECONDS, [0] * cameras

    def look(number: int) -> None:
        while time.perf_counter() < until:
            found = pack.detect(picture, min_face=32)
            pack.embed(picture, found.points[:1])
            counts[number] += 1

    threads = [threading.Thread(target=look, args=(number,)) for number in range(cameras)]
    began, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    span, cpu = time.perf_counter() - began, time.process_time() - cpu
    return sum(counts) / span, cpu / sum(counts)


if __name__ == "__main__":
    main()
