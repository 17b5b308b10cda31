"""A process that runs cameras uses one thread a call, whatever the libraries would like."""

from __future__ import annotations

import json
import subprocess
import sys

from workers.threads import cores

_ASK = """
import ctypes, json
import cv2, faiss
import numpy.linalg, scipy.linalg
from workers import threads

def blas():
    names = [name.replace("_set_", "_get_") for name in threads._OPENBLAS]
    libraries = [ctypes.CDLL(str(path)) for path in threads._openblas()]
    return [getattr(lib, name)() for lib in libraries for name in names if hasattr(lib, name)]

cv2.setNumThreads(3)
faiss.omp_set_num_threads(3)
before = {"cv2": cv2.getNumThreads(), "faiss": faiss.omp_get_max_threads(), "blas": blas()}
threads.one_thread_each()
after = {"cv2": cv2.getNumThreads(), "faiss": faiss.omp_get_max_threads(), "blas": blas()}
print(json.dumps([before, after]))
"""


def test_opencv_blas_and_faiss_use_one_thread() -> None:
    done = subprocess.run([sys.executable, "-c", _ASK], capture_output=True, text=True, check=True, timeout=120)
    before, after = json.loads(done.stdout.splitlines()[-1])
    assert (before["cv2"], before["faiss"]) == (3, 3)
    assert (after["cv2"], after["faiss"]) == (1, 1)
    assert set(after["blas"]) <= {1}


def test_at_least_one_core() -> None:
    assert cores() >= 1
