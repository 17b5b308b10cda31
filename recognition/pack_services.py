"""The only writer of the pack in use, of switches to another pack, and of accepted licences.

A switch embeds every enrolment photo with the new pack while the old one goes on serving; the swap itself is one
transaction, made only when no photo is left out. What was done is in the rows, so that a killed switch goes on where
it was. If people would not be found any more, the switch waits until somebody agrees to that or gives better photos.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import F, Q
from django.db.models.expressions import Combinable
from django.db.models.functions import Least, Now
from django.utils import timezone

from accounts.models import User
from accounts.services import Actor, record
from recognition import packs
from recognition.engine import EngineError, Manifest, Pack, PackState, store
from recognition.errors import RecognitionError
from recognition.models import PackInUse, PackLicence, PackSwitch, Template, UnusablePhoto
from recognition.pack_selectors import ACTIVE, current_switch, licence_accepted, losses, model_status
from recognition.packs import known_manifest, version_in_use
from recognition.re_embedding import embed_missing, missing_photos

__all__ = [
    "accept_licence",
    "cancel_switch",
    "catch_up",
    "confirm_switch",
    "current_switch",
    "forget_templates",
    "licence_accepted",
    "model_status",
    "retry_unusable",
    "run_switch",
    "stale_switches",
    "use_pack",
]

_log = logging.getLogger(__name__)
STALE_SECONDS = 60
_CATCH_UP_LOCK = 0x4C594E04  # any constant: one process at a time looks at what was left out
_PHOTOS_A_CATCH_UP = 200
_State = PackSwitch.State


@transaction.atomic
def accept_licence(*, actor: Actor, name: str, accepted_name: str = "") -> PackLicence:
    """Records that somebody accepted the pack's licence. `accepted_name`: who, where it is no signed-in user.

    Raises engine.UnknownPack.
    """
    manifest = known_manifest(name)
    user = actor if isinstance(actor, User) else None
    who = user.get_username() if user is not None else accepted_name or "system"
    row, _ = PackLicence.objects.update_or_create(
        name=name,
        defaults={
            "licence": manifest.licence.name,
            "accepted_by": user,
            "accepted_name": who[:200],
            "accepted_at": timezone.now(),
        },
    )
    record(actor=actor, verb="accepted", target=f"licence of {name}", licence=manifest.licence.name, by=who)
    _keep_beside_files(manifest, row)
    return row


def use_pack(*, actor: Actor, name: str, accepts_losses: bool = False) -> PackSwitch:
    """Asks for another pack to be used; the job behind it embeds the gallery anew and then swaps.

    Raises RecognitionError where that can not be: unknown, not installed, licence not accepted, in use already.
    """
    try:
        manifest = known_manifest(name)
    except EngineError as error:
        raise RecognitionError(str(error)) from error
    _refuse_what_can_not_be_used(manifest)
    try:
        with transaction.atomic():
            switch = PackSwitch.objects.create(
                name=name,
                version=manifest.version,
                before=version_in_use(),
                total=missing_photos(manifest.version).count(),
                accepts_losses=accepts_losses,
                asked_by=actor if isinstance(actor, User) else None,
            )
            record(actor=actor, verb="asked for", target=f"pack {manifest.version}", before=switch.before)
            transaction.on_commit(lambda: _send(switch.pk))
    except IntegrityError:
        raise RecognitionError(
            "Another switch is under way. Wait for its end, or cancel it, and then ask again."
        ) from None
    return switch


def cancel_switch(*, actor: Actor, switch: PackSwitch) -> bool:
    """Ends a switch before its swap; False when it is over already. What was embedded is kept for another time."""
    with transaction.atomic():
        done = PackSwitch.objects.filter(pk=switch.pk, state__in=ACTIVE).update(
            state=_State.CANCELLED, finished_at=Now(), why="Somebody cancelled it; the pack in use stayed."
        )
        if done:
            record(actor=actor, verb="cancelled", target=f"switch to {switch.version}")
    return bool(done)


def confirm_switch(*, actor: Actor, switch: PackSwitch) -> bool:
    """Agrees that the people who were named are not found any more; False when nothing waits for that."""
    with transaction.atomic():
        done = PackSwitch.objects.filter(pk=switch.pk, state=_State.HELD).update(
            state=_State.WAITING, accepts_losses=True, heartbeat_at=None
        )
        if done:
            record(actor=actor, verb="agreed to losses of", target=f"switch to {switch.version}")
            transaction.on_commit(lambda: _send(switch.pk))
    return bool(done)


@transaction.atomic
def forget_templates(*, actor: Actor, version: str) -> int:
    """Deletes the templates of a pack that is not in use; returns how many. Raises RecognitionError."""
    packs.hold_pack_in_use()
    if version == version_in_use():
        raise RecognitionError(f"The pack {version} is in use. Use another pack first, then forget its templates.")
    if PackSwitch.objects.filter(version=version, state__in=ACTIVE).exists():
        raise RecognitionError(f"A switch to {version} is under way. Cancel it first, then forget its templates.")
    UnusablePhoto.objects.filter(pack=version).delete()
    gone, _ = Template.objects.filter(pack=version).delete()
    record(actor=actor, verb="forgot templates of", target=f"pack {version}", templates=gone)
    return gone


@transaction.atomic
def retry_unusable(*, actor: Actor, version: str) -> int:
    """Has the photos that a pack could not use looked at again; returns how many."""
    gone, _ = UnusablePhoto.objects.filter(pack=version).delete()
    if gone:
        record(actor=actor, verb="retried", target=f"pack {version}", photos=gone)
    return gone


def stale_switches() -> list[int]:
    """The switches that nobody works on: never begun, or whose worker was killed.

    One that is held is among them when better photos have come for everybody who would have been lost.
    """
    found = PackSwitch.objects.filter(_nobody_works(), state__in=ACTIVE)
    return [one.pk for one in found if one.state != _State.HELD or not losses(one.version).count]


def run_switch(switch_id: int) -> None:
    """Works on a switch until it is done, held, failed or cancelled. A second worker ends at once."""
    taken = PackSwitch.objects.filter(_nobody_works(), pk=switch_id, state__in=ACTIVE)
    if not taken.update(state=_State.EMBEDDING, heartbeat_at=Now()):
        return
    switch = PackSwitch.objects.get(pk=switch_id)
    try:
        pack = _open(switch)
        while _embed_all(switch, pack):
            if _swap(switch.pk):
                return
    except DatabaseError:
        raise  # whoever takes it up again finds what is done in the rows
    except EngineError as error:
        _fail(switch, str(error))
    except Exception:
        _log.exception("The switch to %s failed", switch.version)
        _fail(switch, "Something unexpected happened; the log of the worker says what. The pack in use stayed.")


def catch_up() -> int:
    """Embeds photos that have no template of the pack in use, a number at a time; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_CATCH_UP_LOCK])
        if not cursor.fetchone()[0]:
            return 0
    try:
        version = version_in_use()
        if not version or not missing_photos(version).exists():
            return 0
        done = 0
        for count in embed_missing(packs.current_pack()):
            done += count
            if done >= _PHOTOS_A_CATCH_UP:
                break
        _log.info("%d photos were embedded that the pack in use had not seen.", done)
        return done
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_CATCH_UP_LOCK])


def _refuse_what_can_not_be_used(manifest: Manifest) -> None:
    """Raises RecognitionError with the reason, and what to do."""
    name = manifest.name
    if version_in_use() == manifest.version and packs.name_in_use() == name:
        raise RecognitionError(f"The pack {name} is in use already.")
    if not licence_accepted(name):
        raise RecognitionError(
            f"The licence of {name} ({manifest.licence.name}) was not accepted. Read it and accept it on the page "
            f"Models, or with: manage.py models install {name} --accept-licence."
        )
    check = store.check_pack(settings.MODELS_DIR, manifest, deep=True)
    if check.state not in (PackState.READY, PackState.LICENCE):  # the licence was looked for just now
        raise RecognitionError(
            check.why or f"The pack {name} is {check.state.value}. Install it first: manage.py models install {name}"
        )


def _keep_beside_files(manifest: Manifest, row: PackLicence) -> None:
    if not store.licence_accepted(settings.MODELS_DIR, manifest):
        store.accept_licence(settings.MODELS_DIR, manifest, who=row.accepted_name, when=row.accepted_at)


def _send(switch_id: int) -> None:
    from recognition.tasks import switch_pack  # the task calls this module

    try:
        switch_pack.delay(switch_id)
    except Exception as error:  # whatever the broker's client raises: beat sends it again
        _log.warning("The switch %d begins when Redis answers: %s", switch_id, error)


def _open(switch: PackSwitch) -> Pack:
    """The new pack, beside the old one, shown to work before anything else is done."""
    pack = packs.pack_named(switch.name)
    if pack.version != switch.version:  # its files were replaced since it was loaded, or since it was asked for
        packs.forget(switch.name)
        pack = packs.pack_named(switch.name)
    if pack.version != switch.version:
        raise EngineError(f"The pack {switch.name} is {pack.version} by now, not {switch.version}. Ask for it again.")
    pack.warm_up()
    return pack


def _embed_all(switch: PackSwitch, pack: Pack) -> bool:
    """Embeds what is missing; False when the switch was cancelled meanwhile."""
    left = missing_photos(switch.version).count()
    total = max(switch.total, left)  # more than was known when somebody enrolled meanwhile
    if not _note(switch, total=total, done=total - left):
        return False
    return all(_note(switch, done=Least(F("done") + count, F("total"))) for count in embed_missing(pack))


def _note(switch: PackSwitch, **progress: int | Combinable) -> bool:
    """Says that somebody works on it, and how far it is; False when it is not wanted any more."""
    failed = UnusablePhoto.objects.filter(pack=switch.version).count()
    rows = PackSwitch.objects.filter(pk=switch.pk, state=_State.EMBEDDING)
    return bool(rows.update(heartbeat_at=Now(), failed=failed, **progress))


def _nobody_works() -> Q:
    return Q(heartbeat_at=None) | Q(heartbeat_at__lt=Now() - timedelta(seconds=STALE_SECONDS))


def _swap(switch_id: int) -> bool:
    """Makes the new pack the one in use; False when photos were added meanwhile that it has not seen.

    Those who enrol have finished before, and begin after: they embed with the new pack.
    """
    with transaction.atomic():
        packs.hold_pack_in_use()
        switch = PackSwitch.objects.select_for_update().get(pk=switch_id)
        if switch.state != _State.EMBEDDING:
            return True
        if missing_photos(switch.version).exists():
            return False
        lost = losses(switch.version)
        if lost.count and not switch.accepts_losses:
            _hold(switch, f"{lost.count} would not be found any more: {lost}.")
            return True
        PackInUse.objects.update_or_create(pk=1, defaults={"name": switch.name, "version": switch.version})
        switch.state, switch.finished_at = _State.DONE, timezone.now()
        switch.failed = UnusablePhoto.objects.filter(pack=switch.version).count()
        switch.why = f"Not found any more: {lost}." if lost.count else ""
        switch.save(update_fields=["state", "finished_at", "failed", "why"])
        record(
            actor=switch.asked_by,
            verb="switched to",
            target=f"pack {switch.version}",
            before=switch.before,
            unusable=switch.failed,
            lost=lost.count,
        )
    if lost.count:
        _log.warning("With the pack %s these people are not found: %s.", switch.version, lost)
    return True


def _hold(switch: PackSwitch, why: str) -> None:
    if switch.why != why:
        _log.warning("The switch to %s waits for a decision: %s", switch.version, why)
    switch.state, switch.why = _State.HELD, why
    switch.save(update_fields=["state", "why"])


def _fail(switch: PackSwitch, why: str) -> None:
    _log.error("The switch to %s failed: %s", switch.version, why)
    PackSwitch.objects.filter(pk=switch.pk, state__in=ACTIVE).update(state=_State.FAILED, why=why, finished_at=Now())
