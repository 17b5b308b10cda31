"""`models list`, `verify` and `status`: what packs there are, whether they work, and what each process holds."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from django.conf import settings
from django.db import DatabaseError, connection

from recognition import packs
from recognition.download import megabytes
from recognition.engine import EngineError, Manifest, PackCheck, PackState, load_pack
from recognition.engine.store import check_pack, licence_accepted
from recognition.pack_selectors import ModelStatus
from recognition.process_state import ProcessState

_DATABASE_SECONDS = 3
_MEANING = ("name", "title", "licence")


@dataclass(frozen=True, slots=True, kw_only=True)
class InUse:
    """The pack that searches. `known`: the database said so; else it is what the setting names."""

    name: str
    known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a pack's verification found. `why`: what is wrong and what to do; empty when all is well."""

    manifest: Manifest
    check: PackCheck
    ok: bool
    why: str
    seconds: float  # that loading all networks and their known answers took


def pack_in_use() -> InUse:
    """Asks the database, where one answers at once."""
    options = connection.settings_dict.setdefault("OPTIONS", {})
    options.setdefault("connect_timeout", _DATABASE_SECONDS)
    try:
        return InUse(name=packs.name_in_use(), known=True)
    except DatabaseError:
        return InUse(name=settings.MODEL_PACK, known=False)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as they must be."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def list_facts(manifest: Manifest, used: InUse) -> dict[str, object]:
    """One pack, for programs. Its files are hashed: one that was cut off or overwritten must not look usable."""
    check = check_pack(settings.MODELS_DIR, manifest, deep=True)
    return {
        "name": manifest.name,
        "title": manifest.title,
        "state": check.state.value,
        "in_use": manifest.name == used.name,
        "why": check.why,
        "version": manifest.version,
        "licence": manifest.licence.name,
        "licence_url": manifest.licence.url,
        "commercial": manifest.licence.commercial,
        "acceptance": manifest.licence.acceptance,
        "to_accept": not licence_accepted(settings.MODELS_DIR, manifest),
        "pinned": all(file.pinned for file in manifest.files),
        "bytes": manifest.bytes,
        "dimension": manifest.dimension,
        "threshold": manifest.threshold,
        "shipped": manifest.shipped,
    }


def list_table(facts: Sequence[dict[str, object]]) -> str:
    """All packs, for people: the figures, then what each is and its licence."""
    figures = table(
        ("NAME", "STATE", "LICENCE", "SIZE", "NUMBERS", "THRESHOLD", "VERSION"),
        [
            (
                f"{one['name']}{'' if one['pinned'] else ' *'}",
                _shown_state(one),
                f"{'' if one['commercial'] else 'non-'}commercial{', to accept' if one['to_accept'] else ''}",
                megabytes(int(str(one["bytes"]))) if one["bytes"] else "?",
                str(one["dimension"]),
                f"{one['threshold']:.3f}",
                str(one["version"]),
            )
            for one in facts
        ],
    )
    meanings = table(("NAME", "TITLE", "LICENCE"), [tuple(str(one[key]) for key in _MEANING) for one in facts])
    return f"{figures}\n\n{meanings}"


def verify(manifest: Manifest) -> Verified:
    """Hash every file, load every network, and compare the known answers."""
    check = check_pack(settings.MODELS_DIR, manifest, deep=True)
    began = time.perf_counter()
    why = "" if check.state is PackState.READY else check.why or f"{manifest.name} is {check.state.value}."
    if not why:
        try:
            load_pack(
                manifest.name, cache=settings.MODELS_DIR, device=settings.MODEL_DEVICE, threads=settings.MODEL_THREADS
            ).warm_up()
        except EngineError as error:
            why = str(error)
    return Verified(manifest=manifest, check=check, ok=not why, why=why, seconds=time.perf_counter() - began)


def verify_facts(found: Verified) -> dict[str, object]:
    """A verification, for programs."""
    return {
        "pack": found.manifest.name,
        "version": found.manifest.version,
        "ok": found.ok,
        "state": found.check.state.value,
        "why": found.why,
        "files": [{"name": file.name, "state": file.state.value, "why": file.why} for file in found.check.files],
        "seconds": round(found.seconds, 3),
    }


def worth_verifying(known: dict[str, Manifest], used: InUse) -> list[Manifest]:
    """The pack in use, and all of which something is here."""
    absent = (PackState.NOT_INSTALLED, PackState.NEEDS_EXTRA)
    return [
        one
        for one in known.values()
        if one.name == used.name or check_pack(settings.MODELS_DIR, one).state not in absent
    ]


def status_facts(status: ModelStatus) -> dict[str, object]:
    """The same as `status_lines`, for programs."""
    switch = status.switch
    return {
        "pack": status.name,
        "version": status.version,
        "problem": status.problem,
        "missing_photos": status.missing,
        "switch": None
        if switch is None
        else {
            "to": switch.version,
            "state": switch.state,
            "done": switch.done,
            "total": switch.total,
            "why": switch.why,
        },
        "processes": None if status.processes is None else [asdict(process) for process in status.processes],
    }


def status_lines(status: ModelStatus) -> list[str]:
    """The pack in use, a switch under way, and the models of each process, for people."""
    lines = [status.problem or f"In use: {status.name} ({status.version})."]
    if status.missing:
        lines.append(f"{status.missing} photos were not looked at with it yet; this is made up for in the background.")
    if (switch := status.switch) is not None:
        lines.append(
            f"Switching to {switch.version}: {switch.done} of {switch.total} photos, {switch.get_state_display()}."
        )
        lines += [switch.why] if switch.why else []
    if status.processes is None:
        return [*lines, "Redis does not answer, so it is not known what the processes hold."]
    if not any(process.models for process in status.processes):
        return [*lines, "No process has a model loaded."]
    rows = [row for process in status.processes for row in _model_rows(process)]
    lines += ["", table(("PROCESS", "MODEL", "STATE", "SIZE", "RUNS", "IDLE", "ON"), rows)]
    return lines + [each for process in status.processes for each in _warnings(process)]


def _model_rows(process: ProcessState) -> list[tuple[str, ...]]:
    return [
        (
            f"{process.role} {process.host}:{process.pid}",
            model.name,
            model.state,
            megabytes(model.bytes) if model.bytes else "?",
            f"{model.runs:,}",
            "never used" if model.idle is None else f"{model.idle:.0f} s",
            ", ".join(one.removesuffix("ExecutionProvider") for one in model.providers) or "-",
        )
        for model in process.models
    ]


def _warnings(process: ProcessState) -> list[str]:
    said = [text for model in process.models for text in (model.error, model.fallback) if text]
    return [f"{process.role} {process.host}:{process.pid}: {text}" for text in dict.fromkeys(said)]


def _shown_state(one: dict[str, object]) -> str:
    state = str(one["state"])
    shown = "needs the extra" if state == PackState.NEEDS_EXTRA.value else state
    if one["in_use"]:
        return "in use" if state == PackState.READY.value else f"in use, {shown}"
    return shown
