"""`models install`: the conversation about a licence and about trust, then the installation, then a check."""

from __future__ import annotations

import getpass
import sys
from dataclasses import dataclass, replace

from django.conf import settings
from django.core.management.base import CommandError
from django.db import DatabaseError

from config.embedded import EmbeddedError
from config.on_demand import running_services
from recognition import packs
from recognition.download import DownloadError
from recognition.engine import EngineError, Manifest, store
from recognition.engine.build import check_parts
from recognition.pack_install import (
    InstallError,
    install,
    missing_files,
    own_manifest,
    remove,
    unpinned_files,
)
from recognition.pack_services import accept_licence
from recognition.pack_sources import addresses
from workers.management.download_progress import progress_on
from workers.management.models_list import Verified, verify


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line says."""

    name: str | None
    source: str | None
    accept_licence: bool
    trust: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was done. `licence_note`: what a person should know about where the acceptance was recorded."""

    manifest: Manifest
    placed: tuple[str, ...]
    hashes: dict[str, str]
    missing: tuple[str, ...]
    verified: Verified | None  # None while files are missing
    licence_note: str = ""


def run_install(asked: Asked) -> Result:
    """Install one pack. Raises CommandError with a sentence for people."""
    try:
        manifest = _which(asked)
        is_new = manifest.name not in packs.manifests()
        note = _settle_licence(manifest, asked)
        trust = asked.trust or _settle_trust(manifest, asked)
        done = install(
            manifest, settings.MODELS_DIR, progress=progress_on(sys.stderr), source=asked.source, trust=trust
        )
    except (InstallError, DownloadError, EngineError) as error:
        raise CommandError(str(error)) from error
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped. What has come is kept: the same command goes on there.\n")
        raise SystemExit(130) from None
    verified = None if done.missing else verify(manifest)
    if is_new and verified is not None and not verified.ok:
        # Kept, it would stand in the way of the corrected one, which must not replace another pack of its name.
        remove(manifest.name, settings.MODELS_DIR)
        why = f"{verified.why} Nothing of it was kept: correct the pack, then install it from its folder again."
        verified = replace(verified, why=why)
    return Result(
        manifest=manifest,
        placed=done.placed,
        hashes=done.hashes,
        missing=tuple(file.name for file in done.missing),
        verified=verified,
        licence_note=note,
    )


def confirmed(question: str) -> bool:
    """Asks a person at a terminal; False where nobody can answer."""
    if not sys.stdin.isatty():
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def who_asks() -> str:
    """The account of the operating system that runs the command."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (OSError, KeyError):  # an account without a name, as in some containers
        return "command line"


def _which(asked: Asked) -> Manifest:
    """The pack to install: the one named, or the user's own that lies in the folder after --from."""
    own = own_manifest(asked.source) if asked.source is not None else None
    known = packs.manifests()
    if own is not None:
        if asked.name not in (None, own.name):
            raise InstallError(f"The pack in {asked.source} is called {own.name}, not {asked.name}. Use that name.")
        if own.name in known and known[own.name].shipped:
            raise InstallError(
                f"{own.name} is the name of a pack that comes with Lynceus. Give yours another name in its pack.toml."
            )
        check_parts(own)
        return own
    if asked.name is None:
        raise InstallError(
            "Name the pack to install (`models list` shows them), or a folder with a pack.toml: --from FOLDER."
        )
    if asked.name not in known:
        raise InstallError(
            f"There is no model pack {asked.name!r}. Known packs: {', '.join(sorted(known))}. "
            "A pack of your own is installed from a folder with a pack.toml: models install --from FOLDER."
        )
    return known[asked.name]


def _settle_licence(manifest: Manifest, asked: Asked) -> str:
    """Has the licence accepted where it asks for that, and recorded. Raises CommandError where nobody accepts."""
    if store.licence_accepted(settings.MODELS_DIR, manifest):
        return ""
    sys.stderr.write(f"{licence_text(manifest)}\n")
    if not asked.accept_licence and not confirmed("Do you accept this licence?"):
        raise CommandError(
            f"The licence of {manifest.name} was not accepted, and nothing was installed. "
            f"To accept it: models install {manifest.name} --accept-licence"
        )
    own = asked.source if not manifest.shipped else None
    return _record_acceptance(manifest, in_database=own is None)


def _record_acceptance(manifest: Manifest, *, in_database: bool) -> str:
    """In the database and beside the files; where the database does not answer, `models use` takes it over."""
    who = who_asks()
    store.accept_licence(settings.MODELS_DIR, manifest, who=who)
    if not in_database:  # the database names packs that are installed; `models use` records it then
        return ""
    try:
        with running_services():
            accept_licence(actor=None, name=manifest.name, accepted_name=who)
    except (DatabaseError, EmbeddedError) as error:
        return (
            f"That {who} accepted the licence was recorded beside the files, not in the database "
            f"({_first_line(error)}). `models use {manifest.name}` makes up for it."
        )
    return ""


def licence_text(manifest: Manifest) -> str:
    """What a person accepts."""
    licence = manifest.licence
    meaning = "It allows commercial use." if licence.commercial else "It does NOT allow commercial use."
    where = f"\n  Read it: {licence.url}" if licence.url else ""
    note = f"\n  {licence.note}" if licence.note else ""
    return f"The models of {manifest.title} ({manifest.name}) are under: {licence.name}\n  {meaning}{note}{where}"


def _settle_trust(manifest: Manifest, asked: Asked) -> bool:
    """Asks whether files are trusted that nothing can be checked against; a user's own folder needs no question."""
    if not manifest.shipped:
        return True
    loose = unpinned_files(missing_files(manifest, settings.MODELS_DIR))
    if not loose:
        return False
    sys.stderr.write(
        f"It is not known which bytes {', '.join(file.name for file in loose)} must have. "
        f"They would come from: {asked.source or ', '.join(dict.fromkeys(a for f in loose for a in addresses(f)))}\n"
    )
    return confirmed("Do you trust that source, so that what comes is recorded and held to?")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
