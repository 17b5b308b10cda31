"""The model packs there are, and how to load one.

    pack = load_pack("compact")
    faces = pack.analyse(image)

A pack is described by a manifest. Those shipped lie in `manifests/`; a user's own is a folder below the models'
folder with a `pack.toml` and its files. Loading is light: networks are read, checked and loaded at their first use
(or by `pack.warm_up()`), and any number of threads may share the pack.
"""

import logging
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path

import platformdirs

from recognition.engine.errors import ModelError, UnknownPack
from recognition.engine.manifest import Manifest, parse_manifest
from recognition.engine.pack import Pack
from recognition.engine.store import PackCheck, PackState, check_pack, licence_accepted, needs_acceptance

_log = logging.getLogger(__name__)

USER_MANIFEST = "pack.toml"

# Problems that were logged already: packs are listed often.
_told: set[tuple[str, str]] = set()


def default_cache() -> Path:
    """Where models lie when the caller names no folder: the user's cache."""
    return platformdirs.user_cache_path("lynceus") / "models"


def manifests(cache: Path | None = None) -> dict[str, Manifest]:
    """All packs that are known, by name: the shipped ones first. A user's broken manifest is left out and logged."""
    known = dict(_shipped())
    users, problems = _users(cache or default_cache())
    for folder, problem in problems.items():
        if (folder, problem) not in _told:
            _told.add((folder, problem))
            _log.warning("The pack in %s is left out. %s", folder, problem)
    return known | users


def manifest_problems(cache: Path | None = None) -> dict[str, str]:
    """What is wrong with users' manifests, by folder, in sentences for people."""
    return _users(cache or default_cache())[1]


def pack_state(name: str, cache: Path | None = None, *, deep: bool = False) -> PackCheck:
    """What of this pack is on disk; `deep` reads and hashes every file. Raises UnknownPack."""
    folder = cache or default_cache()
    return check_pack(folder, _known(name, folder), deep=deep)


def load_pack(
    name: str = "compact",
    *,
    cache: Path | None = None,
    device: str | Sequence[str] = "cpu",
    threads: int = 1,
    report: Callable[[str], None] | None = None,
    accept_licence: bool = False,
) -> Pack:
    """Make the named pack ready; its networks load at their first use.

    The files lie below `cache` (None: the user's cache); those that are made of installed packages are made now, and
    `report` gets a line for each. `device` and `threads` are those of `sessions.Runtime`; leave `threads` at 1 where
    many cameras share the pack, each with a thread of its own. `accept_licence` says that the caller has recorded
    elsewhere that somebody accepted the pack's licence.

    Raises UnknownPack, or ModelError where the pack is not installed, not accepted or not whole.
    """
    folder = cache or default_cache()
    manifest = _known(name, folder)
    if not accept_licence and not licence_accepted(folder, manifest):
        raise ModelError(needs_acceptance(manifest))
    found = check_pack(folder, manifest)
    # Damaged conversions are made again, so only what nobody can mend here stops the loading.
    if found.state not in (PackState.READY, PackState.LICENCE):
        raise ModelError(found.why)
    # Only whoever loads a pack pays for importing ONNX Runtime.
    from recognition.engine.build import build_pack
    from recognition.engine.sessions import Runtime

    device = device if isinstance(device, str) else ",".join(device)
    runtime = Runtime(device=device, threads=threads, cache=folder)
    return build_pack(manifest, cache=folder, runtime=runtime, report=report or _silent)


def _known(name: str, cache: Path) -> Manifest:
    shipped = _shipped().get(name)
    if shipped is not None:
        return shipped
    users, problems = _users(cache)
    if name in problems:
        raise ModelError(problems[name])
    if name not in users:
        raise UnknownPack(f"There is no model pack {name!r}. Known packs: {', '.join((*_shipped(), *users))}.")
    return users[name]


@lru_cache(maxsize=1)
def _shipped() -> dict[str, Manifest]:
    """The default first, then by name."""
    files = [one for one in resources.files(__package__).joinpath("manifests").iterdir() if one.name.endswith(".toml")]
    read = [parse_manifest(file.read_text("utf-8"), source=file.name, shipped=True) for file in files]
    return {one.name: one for one in sorted(read, key=lambda one: (one.name != "compact", one.name))}


def _users(cache: Path) -> tuple[dict[str, Manifest], dict[str, str]]:
    """The user's own packs by name, and what is wrong with others by folder."""
    found: dict[str, Manifest] = {}
    problems: dict[str, str] = {}
    for file in sorted(cache.glob(f"*/{USER_MANIFEST}")):
        folder = file.parent.name
        try:
            manifest = read_manifest(file)
            if manifest.name != folder:
                raise ModelError(
                    f"The manifest {file} names the pack {manifest.name!r}, but lies in the folder {folder!r}. "
                    "Make them the same."
                )
            twin = next((one for one in found.values() if one.version == manifest.version), None)
            if twin is not None:
                raise ModelError(
                    f"The manifest {file} has the version {manifest.version!r} of the pack {twin.name}. Templates are "
                    "told apart by it: choose another."
                )
            found[folder] = manifest
        except ModelError as error:
            problems[folder] = str(error)
    return found, problems


def read_manifest(file: Path) -> Manifest:
    """A user's manifest. Raises ModelError where it is not valid or takes the name of a shipped pack."""
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"The pack manifest {file} cannot be read: {error}.") from error
    manifest = parse_manifest(text, source=str(file))
    for shipped in _shipped().values():
        if manifest.name == shipped.name or manifest.version == shipped.version:
            what = f"name {manifest.name!r}" if manifest.name == shipped.name else f"version {manifest.version!r}"
            raise ModelError(f"The pack manifest {file} has the {what} of a pack that Lynceus ships. Choose another.")
    return manifest


def _silent(_line: str) -> None:
    """Where nobody asked for progress."""
