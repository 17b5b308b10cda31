"""The model packs of this process: each loaded once, at first use, and shared by all its threads.

Which pack searches is a row of the database (`PackInUse`), and without one the setting MODEL_PACK. Loading a pack is
light: its models load at their first run, and are unloaded when nobody has used them for MODEL_IDLE_MINUTES.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import connection

from recognition.engine import EngineError, Manifest, Pack, UnknownPack, load_pack
from recognition.engine import manifests as engine_manifests
from recognition.models import PackInUse, PackLicence

_log = logging.getLogger(__name__)
_lock = threading.Lock()
_loaded: dict[str, Pack] = {}
_failed: dict[str, tuple[float, EngineError]] = {}
_RETRY_SECONDS = 10.0  # a pack that could not be loaded is not tried with every frame of every camera
_SWAP_LOCK = 0x4C594E03  # any constant: enrolments share it, a swap of the pack in use waits for them and has it alone

on_first_use: list[Callable[[], None]] = []
"""Called before the process loads its first pack; the manager of models starts so."""


def manifests() -> dict[str, Manifest]:
    """Every pack that is known here, the user's own included, by name."""
    return engine_manifests(settings.MODELS_DIR)


def known_manifest(name: str) -> Manifest:
    """The manifest of this name; raises engine.UnknownPack with a sentence."""
    known = manifests()
    if name not in known:
        raise UnknownPack(
            f"There is no model pack {name!r}. Known packs: {', '.join(sorted(known))}. Choose one of them (until one "
            "is chosen, the setting MODEL_PACK names it), or install this one with: manage.py models install."
        )
    return known[name]


def version_in_use() -> str:
    """The version whose templates are searched; that of the last swap where the pack is not known here any more."""
    try:
        return known_manifest(name_in_use()).version
    except EngineError:
        return PackInUse.objects.values_list("version", flat=True).first() or ""


def current_pack() -> Pack:
    """The pack in use. Raises engine.EngineError, with a sentence for people, when it can not be loaded."""
    return pack_named(name_in_use())


def name_in_use() -> str:
    """The name of the pack that the database says is in use, or that of the setting."""
    return PackInUse.objects.values_list("name", flat=True).first() or settings.MODEL_PACK


def pack_named(name: str) -> Pack:
    """The pack of this name, loaded when it is not yet. Raises engine.EngineError with a sentence for people."""
    with _lock:
        if name in _loaded:
            return _loaded[name]
        tried_at, error = _failed.get(name, (float("-inf"), None))
        if error is not None and time.monotonic() - tried_at < _RETRY_SECONDS:
            raise error
        for start in on_first_use:
            start()
        try:
            _loaded[name] = _load(name)
        except EngineError as failure:
            _failed[name] = (time.monotonic(), failure)
            raise
        _failed.pop(name, None)
        return _loaded[name]


def loaded() -> dict[str, Pack]:
    """The packs that this process has loaded, by name."""
    with _lock:
        return dict(_loaded)


def forget(name: str) -> None:
    """Drops a pack whose files were replaced or removed; its next use loads it anew."""
    with _lock:
        pack = _loaded.pop(name, None)
        _failed.pop(name, None)
    for model in pack.models if pack is not None else ():
        model.unload()


def unload_idle(seconds: float) -> int:
    """Unloads every model that nobody has used for so long; returns how many."""
    idle = [
        model
        for pack in loaded().values()
        for model in pack.models
        if model.state == "ready" and model.used_at is not None and time.monotonic() - model.used_at >= seconds
    ]
    for model in idle:
        _log.info("%s was not used for %.0f s and is unloaded.", model.name, seconds)
        model.unload()
    return len(idle)


def threshold_of(version: str) -> float | None:
    """The similarity that the pack of this version asks for in a search; None where it is known no more."""
    for pack in loaded().values():
        if pack.version == version:
            return pack.threshold
    return next((one.threshold for one in manifests().values() if one.version == version), None)


def share_pack_in_use() -> str:
    """Inside a transaction: the version in use, which stays until its end. Raises engine.EngineError."""
    _lock_swaps("pg_advisory_xact_lock_shared")
    return current_pack().version


def hold_pack_in_use() -> None:
    """Inside a transaction: waits for those who enrol, and keeps others from enrolling until its end."""
    _lock_swaps("pg_advisory_xact_lock")


def _lock_swaps(function: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [_SWAP_LOCK])  # one of the two names above


def _load(name: str) -> Pack:
    licence = known_manifest(name).licence.name
    return load_pack(
        name,
        cache=settings.MODELS_DIR,
        device=settings.MODEL_DEVICE,
        threads=settings.MODEL_THREADS,
        report=_log.info,
        # Accepted once for all machines that share the database.
        accept_licence=PackLicence.objects.filter(name=name, licence=licence).exists(),
    )
