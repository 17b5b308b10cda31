"""How many threads libraries may use inside one call: one, because cameras run beside each other.

A worker has a loop and a reader for every camera, so that the cores are busy anyway; threads inside a call would only
make them wait for each other (docs/performance.md has the measurement). ONNX Runtime gets its number with each session
(MODEL_THREADS), FFmpeg with each decoder; what is set here holds for the whole process.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import cv2
import numpy as np
import scipy

SWITCH_SECONDS = 0.0005  # how long a thread may keep the interpreter while others wait: all of them wait often, briefly
_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_OPENBLAS = (  # the names that wheels give to one function
    "scipy_openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "openblas_set_num_threads64_",
    "openblas_set_num_threads",
)


def one_thread_each() -> None:
    """To be called once, when a process that runs cameras starts: OpenCV, BLAS and faiss use one thread a call."""
    sys.setswitchinterval(SWITCH_SECONDS)
    for name in _VARIABLES:  # for libraries that are loaded later, and for child processes
        os.environ.setdefault(name, "1")
    import faiss  # it tells the log of its processor when it is loaded, also of commands that never search

    cv2.setNumThreads(1)
    faiss.omp_set_num_threads(1)
    for path in _openblas():
        library = ctypes.CDLL(str(path))
        for name in _OPENBLAS:
            if hasattr(library, name):
                getattr(library, name)(ctypes.c_int(1))
                break


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _openblas() -> list[Path]:
    """The OpenBLAS libraries that the wheels of NumPy and SciPy bring with them."""
    packages = [Path(module.__file__).parent for module in (np, scipy) if module.__file__]
    return [
        file
        for package in packages
        for folder in (package.with_name(f"{package.name}.libs"), package / ".dylibs")
        for file in folder.glob("*openblas*")
    ]
