"""An alert as evidence: a ZIP with the facts and their history, the best shot with everybody else made unrecognisable,
the clip where there is one, and a list of SHA-256 sums, so that whoever gets it can tell that nothing was changed.

A lead is not exported before reviewers confirmed it. Every export says why it was made, in the history of the alert and
in the audit trail, with the sum of the file itself.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from accounts.models import User
from accounts.services import record
from accounts.vault import VaultError
from alerts import attachments, lifecycle, reviews
from alerts.errors import AlertError
from alerts.models import CLIP, Alert, AlertStep, StepKind
from cameras import shots
from cameras.bundles import zipped
from cameras.models import Sighting
from cameras.services import shot_of
from config.transactions import brief_transaction
from recognition.engine import EngineError
from recognition.packs import current_pack
from recognition.photos import PHOTOS_AT_ONCE

_README = """An alert of Lynceus, exported as evidence.

alert.json      what was seen, where and when, how alike, who decided what, and every step of its history
best-shot.jpg   the face as the camera saw it; other faces in the picture were made unrecognisable
clip.mp4        where the camera keeps clips: what it saw before and after, small and without sound; faces that were
                followed at that time, but for the one that this is about, were made unrecognisable
SHA256SUMS      sums of these files; check them with: sha256sum -c SHA256SUMS

A similarity is neither a percentage nor a probability: two different people who look alike can reach it too.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The ZIP, what it is called, and its SHA-256."""

    name: str
    data: bytes
    sha256: str


def export(*, actor: User, alert: Alert, reason: str) -> Evidence:
    """Makes the ZIP and puts on record who made it and why. Raises AlertError."""
    why = lifecycle.clean_text(reason)
    if len(why) < 5:
        raise AlertError("Say for what the export is needed; it goes into the history of the alert.")
    if alert.is_lead:
        raise AlertError(
            "This is a lead that reviewers have not confirmed: it can not be exported. Have it reviewed first."
        )
    now = timezone.now()
    picture = _picture(alert)
    with brief_transaction():
        row = lifecycle.touched(alert)
        if row.is_lead:
            raise AlertError("The alert became a lead again at this moment: it can not be exported.")
        files = {"README.txt": _README.encode(), "alert.json": _facts(row, actor, why, now)}
        if picture is not None:
            files["best-shot.jpg"] = picture
        files |= _clips(row)
        data = zipped(files, now)
        digest = hashlib.sha256(data).hexdigest()
        lifecycle.add_step(row.pk, StepKind.EXPORTED, actor, f"{why} (SHA-256 {digest})"[: lifecycle.MOST_TEXT])
        record(actor=actor, verb="exported", target=f"alert {row.pk}", reason=why[:500], sha256=digest)
    return Evidence(name=f"alert-{row.pk}.zip", data=data, sha256=digest)


def _picture(alert: Alert) -> bytes | None:
    """The best shot without bystanders; None where there is none. Never as it is: where nobody can look, none goes."""
    sighting = Sighting.objects.defer(None).filter(pk=alert.sighting_id).first() if alert.sighting_id else None
    try:
        jpeg = shot_of(sighting) if sighting is not None else None
        if jpeg is None:
            return None
        with PHOTOS_AT_ONCE:
            return shots.to_hand_out(jpeg, current_pack())
    except EngineError as error:
        raise AlertError(f"Bystanders in the picture can not be hidden, so nothing is exported. {error}") from error
    except VaultError:
        return None  # the key of its day was deleted: the picture is gone


def _clips(alert: Alert) -> dict[str, bytes]:
    """What the camera saw around it, by file name; bystanders were hidden when it was made."""
    try:
        opened = [attachments.open_one(row) for row in attachments.clips(alert)]
    except VaultError as error:
        raise AlertError(f"The alert's clip can not be opened, so nothing is exported. {error}") from error
    return {f"clip.{one.media_type.removeprefix(CLIP)}": one.data for one in opened}


def _facts(alert: Alert, actor: User, reason: str, now: datetime) -> bytes:
    sighting, event = alert.sighting, alert.event
    facts: dict[str, object] = {
        "alert": alert.pk,
        "exported": {"at": _time(now), "by": actor.get_username(), "reason": reason},
        "rule": alert.rule_name,
        "trigger": alert.trigger,
        "severity": alert.severity,
        "what": alert.detail,
        "person": alert.person_name,
        "watchlist": alert.watchlist_name,
        "camera": alert.camera_name,
        "zone": alert.zone_name,
        "captured_at": _time(alert.captured_at),
        "raised_at": _time(alert.created_at),
        "count": alert.count,
        "last_at": _time(alert.last_at),
        "similarity": alert.similarity,
        "threshold": alert.threshold,
        "enhanced_photo": alert.enhanced,
        "state": alert.state,
        "dismissal": alert.dismissal,
        "decided_at": _time(alert.decided_at),
        "acknowledged_at": _time(alert.acknowledged_at),
    }
    if sighting is not None:
        facts["sighting"] = {
            "first_seen": _time(sighting.first_seen),
            "last_seen": _time(sighting.last_seen),
            "latitude": sighting.latitude,
            "longitude": sighting.longitude,
            "pack": sighting.pack,
            "frames": sighting.frames,
            "is_another_person_now": sighting.person_id != alert.person_id,
        }
    if event is not None:
        facts["event"] = {"kind": event.kind, "began_at": _time(event.began_at), "ended_at": _time(event.ended_at)}
    facts["reviews"] = [
        {"by": row.reviewer_name, "at": _time(row.at), "answer": row.answer, "note": row.note}
        for row in reviews.shown(alert)
    ]
    facts["history"] = [
        {"at": _time(step.at), "by": step.actor_name, "what": step.kind, "text": step.text}
        for step in AlertStep.objects.filter(alert=alert)
    ]
    return json.dumps(facts, indent=2, ensure_ascii=False).encode()


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
