"""`models use` and `models remove`: the conversation before, the wait for a switch, and what became of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection

from recognition import packs
from recognition.download import megabytes
from recognition.engine import EngineError, Manifest, store
from recognition.errors import RecognitionError
from recognition.models import PackSwitch, Template
from recognition.pack_install import InstallError, remove
from recognition.pack_selectors import Consequences, consequences, current_switch, licence_accepted
from recognition.pack_services import accept_licence, confirm_switch, forget_templates, run_switch, use_pack
from recognition.packs import known_manifest
from workers.management.models_install import confirmed

POLL_SECONDS = 0.5
_OVER = (PackSwitch.State.DONE, PackSwitch.State.FAILED, PackSwitch.State.CANCELLED, PackSwitch.State.HELD)
Say = Callable[[str], None]


def ask_for(name: str, *, yes: bool, accepts_losses: bool, say: Say) -> PackSwitch:
    """Ask for the switch, after saying what it means. Raises CommandError where that can not or shall not be."""
    try:
        manifest = known_manifest(name)
        _take_over_acceptance(manifest)
        for line in what_it_means(manifest, consequences(manifest.version)):
            say(line)
        if not yes and not confirmed(f"Switch to {name}?"):
            raise CommandError(f"Nothing was changed. To switch without being asked: models use {name} --yes")
        return use_pack(actor=None, name=name, accepts_losses=accepts_losses)
    except (RecognitionError, EngineError) as error:
        raise CommandError(str(error)) from error


def what_it_means(manifest: Manifest, coming: Consequences) -> list[str]:
    """The consequences of a switch, in sentences."""
    photos = "1 photo is" if coming.photos == 1 else f"{coming.photos:,} photos are"
    work = (
        f"{photos} embedded anew in the background, while the pack in use goes on searching. Then all of it is swapped "
        "at once."
        if coming.photos
        else "no photo has to be embedded anew, so the swap comes at once."
    )
    lines = [f"{manifest.title} ({manifest.version}): {work}"]
    if coming.watchlists:
        lists = ", ".join(watchlist.name for watchlist in coming.watchlists)
        lines.append(
            "These watchlists have a threshold that was set for another pack; they fall back to the pack's own, "
            f"{manifest.threshold:.3f}, until you set theirs again: {lists}."
        )
    if coming.losses.count:
        lines.append(f"Not found any more, because the new pack finds no face in their photos: {coming.losses}.")
    return lines


def follow(switch: PackSwitch, *, say: Say) -> PackSwitch:
    """Work on the switch, or watch whoever does, until it is over or needs a decision."""
    worker = threading.Thread(target=_work_on, args=(switch.pk,), daemon=True)
    worker.start()
    told = -1
    while switch.state not in _OVER:
        time.sleep(POLL_SECONDS)
        switch.refresh_from_db()
        if switch.done != told and switch.state not in _OVER:
            told = switch.done
            say(f"{switch.done:,} of {switch.total:,} photos")
    worker.join()
    return switch


def decide_about_losses(switch: PackSwitch) -> bool:
    """Ask whether people may be left out; True when somebody agreed and the switch goes on."""
    if switch.state != PackSwitch.State.HELD:
        return False
    if not confirmed(f"{switch.why} Switch all the same?"):
        return False
    return confirm_switch(actor=None, switch=switch)


def outcome(switch: PackSwitch) -> str:
    """What became of the switch. Raises CommandError where it did not come to its end."""
    if switch.state == PackSwitch.State.DONE:
        photos = "1 photo has" if switch.failed == 1 else f"{switch.failed:,} photos have"
        left_out = f" {photos} no face that it finds." if switch.failed else ""
        return f"{switch.version} is in use.{left_out}{f' {switch.why}' if switch.why else ''}"
    if switch.state == PackSwitch.State.HELD:
        raise CommandError(
            f"The switch to {switch.version} waits for a decision: {switch.why} Give them better photos, or agree with "
            f"`models use {switch.name} --accept-losses`, or cancel it on the page Models."
        )
    raise CommandError(f"The switch to {switch.version} ended: {switch.why} The pack in use has not changed.")


def held_switch_to(name: str) -> PackSwitch | None:
    """The switch to this pack that waits for somebody to agree to its losses."""
    switch = current_switch()
    return switch if switch is not None and switch.name == name and switch.state == PackSwitch.State.HELD else None


def remove_pack(name: str, *, templates: bool, yes: bool) -> str:
    """Delete a pack's files, and its templates where that is asked. Raises CommandError."""
    try:
        manifest = known_manifest(name)
    except EngineError as error:
        raise CommandError(str(error)) from error
    if packs.name_in_use() == name:
        raise CommandError(f"{name} is in use. Use another pack first: models use NAME")
    if (switch := current_switch()) is not None and switch.name == name:
        raise CommandError(f"A switch to {name} is under way. Cancel it on the page Models first.")
    count = Template.objects.filter(pack=manifest.version).count()
    what = f"the files of {name}" + (f" and the templates made with it ({count:,})" if templates else "")
    if not yes and not confirmed(f"Delete {what}?"):
        raise CommandError(f"Nothing was deleted. To delete without being asked: models remove {name} --yes")
    try:
        gone = forget_templates(actor=None, version=manifest.version) if templates else 0
        freed = remove(name, settings.MODELS_DIR)
    except (RecognitionError, InstallError) as error:
        raise CommandError(str(error)) from error
    packs.forget(name)
    return _removed(manifest, freed, gone, kept=0 if templates else count)


def _removed(manifest: Manifest, freed: int, gone: int, *, kept: int) -> str:
    said = [f"{manifest.name} was removed: {megabytes(freed)} are free again."] if freed else []
    if not freed:
        said.append(f"There was no file to delete: {manifest.name} is not installed, or is made of installed packages.")
    if gone:
        said.append("1 template was deleted." if gone == 1 else f"{gone:,} templates were deleted.")
    if kept:
        said.append(
            f"Templates that were made with it are kept, sealed, so that switching back is quick: {kept:,}. "
            "--templates deletes them too."
        )
    return " ".join(said)


def _take_over_acceptance(manifest: Manifest) -> None:
    """An acceptance that was recorded beside the files while no database ran."""
    kept = store.acceptance(settings.MODELS_DIR, manifest)
    if kept is not None and not licence_accepted(manifest.name):
        accept_licence(actor=None, name=manifest.name, accepted_name=kept.who)


def _work_on(switch_id: int) -> None:
    try:
        run_switch(switch_id)
    finally:
        connection.close()
