"""The model packs there are, and how to load one.

`load_pack` makes the pack's models ready (converting them once into a cache folder that the caller names) and
returns a `Pack`, which any number of threads may share: ONNX Runtime sessions are thread-safe and nothing
else is kept between calls.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from recognition.engine.errors import UnknownPack
from recognition.engine.pack import Pack

PACKS = ("compact",)


def load_pack(
    name: str = "compact",
    *,
    cache: Path,
    providers: Sequence[str] = ("CPUExecutionProvider",),
    threads: int = 1,
    report: Callable[[str], None] | None = None,
) -> Pack:
    """Make the named pack ready and load it.

    The converted models are kept below `cache`; `report` gets a line for each step that takes time. `threads`
    is how many threads one call may use: leave it at 1 where many cameras share the pack, each with a thread
    of its own.

    Raises UnknownPack, or ModelError where the models cannot be found, checked or written.
    """
    if name not in PACKS:
        raise UnknownPack(f"There is no model pack {name!r}. Known packs: {', '.join(PACKS)}.")
    # Only whoever loads a pack pays for importing ONNX Runtime.
    from recognition.engine.compact import load_compact

    return load_compact(cache=cache, providers=providers, threads=threads, report=report or _silent)


def _silent(_line: str) -> None:
    """Where nobody asked for progress."""
