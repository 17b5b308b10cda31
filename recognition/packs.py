"""The model pack of this process: loaded once, at first use, and shared by all its threads."""

from __future__ import annotations

import logging
import threading

from django.conf import settings

from recognition.engine import Pack, load_pack

_log = logging.getLogger(__name__)
_lock = threading.Lock()
_loaded: dict[str, Pack] = {}


def current_pack() -> Pack:
    """The pack named by MODEL_PACK. Raises engine.ModelError, with a sentence for people, when it can not be loaded."""
    name = settings.MODEL_PACK
    with _lock:
        if name not in _loaded:
            _loaded[name] = load_pack(
                name,
                cache=settings.MODELS_DIR,
                providers=settings.MODEL_PROVIDERS,
                threads=settings.MODEL_THREADS,
                report=_log.info,
            )
        return _loaded[name]
