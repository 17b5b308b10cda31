"""The manager of this process's models: one thread that unloads what nobody uses and says what is loaded.

It starts with the first pack that the process loads, never keeps the process alive, and outlives Redis being away.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import socket
import sys
import threading
import time
from pathlib import Path

import psutil
from django.conf import settings
from redis.exceptions import RedisError

from recognition import gallery, packs, process_state
from recognition.engine import Pack
from recognition.process_state import GalleryState, ModelState, ProcessState

_log = logging.getLogger(__name__)
TICK_SECONDS = 2.0
_lock = threading.Lock()
_over = threading.Event()
_thread: threading.Thread | None = None
_pid = 0


def start() -> None:
    """Starts the thread, if it does not run in this process yet."""
    global _thread, _pid
    with _lock:
        if _thread is not None and _pid == os.getpid():  # a forked child has none of its parent's threads
            return
        _pid = os.getpid()
        _thread = threading.Thread(target=_run, name="model-manager", daemon=True)
        _thread.start()
        atexit.register(_say_goodbye)


def tick() -> bool:
    """One round: unloads what is idle, publishes the rest. False while Redis does not answer."""
    minutes = settings.MODEL_IDLE_MINUTES
    if minutes:
        packs.unload_idle(minutes * 60)
    try:
        process_state.publish(state())
    except RedisError:
        return False
    return True


def state() -> ProcessState:
    """What this process holds now."""
    me = psutil.Process()
    return ProcessState(
        role=role(),
        host=socket.gethostname(),
        pid=os.getpid(),
        started_at=me.create_time(),
        rss=me.memory_info().rss,
        models=tuple(one for pack in packs.loaded().values() for one in _models(pack)),
        gallery=_gallery(),
    )


def role(arguments: list[str] | None = None) -> str:
    """What the process is for, by the command that started it: web, cameras, worker, beat, or a command's name."""
    words = sys.argv if arguments is None else arguments
    started, rest = Path(words[0] if words else "python"), words[1:]
    if "daphne" in started.parts:
        return "web"
    if "camera_worker" in rest:
        return "cameras"
    if "celery" in started.parts:
        return "beat" if "beat" in rest else "worker"
    if started.name == "manage.py" and rest:
        return "web" if rest[0] == "runserver" else rest[0]
    return started.name


def _run() -> None:
    reached = True
    while not _over.is_set():
        try:
            answered = tick()
        except Exception:  # the thread must outlive whatever happens in one round
            _log.exception("The state of the models could not be told")
            answered = reached
        if reached and not answered:
            _log.warning("Redis does not answer; what this process has loaded is not shown until it does.")
        reached = answered
        _over.wait(TICK_SECONDS)


def _say_goodbye() -> None:
    _over.set()
    if _pid == os.getpid():
        with contextlib.suppress(RedisError):
            process_state.withdraw(socket.gethostname(), os.getpid())


def _models(pack: Pack) -> list[ModelState]:
    now = time.monotonic()
    return [
        ModelState(
            pack=pack.name,
            name=model.name,
            state=str(model.state),
            error=str(model.error or ""),
            bytes=model.bytes,
            loads=model.loads,
            runs=model.runs,
            idle=None if model.used_at is None else round(now - model.used_at, 1),
            load_seconds=round(model.load_seconds or 0.0, 3),
            providers=tuple(model.providers),
            fallback=model.fallback or "",
        )
        for model in pack.models
    ]


def _gallery() -> GalleryState | None:
    held = gallery.held()
    if held is None:
        return None
    return GalleryState(
        pack=held.pack.version,
        revision=held.revision,
        templates=len(held.templates),
        people=len(held.templates.people),
        bytes=held.templates.nbytes,
        searches=gallery.searches(),
        problem=gallery.problem(),
    )
