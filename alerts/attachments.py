"""What is added to an alert, sealed in the vault under a key of the alert's own: by people pictures, documents and
notes, by a camera's worker the clip of what it saw.

What a file is follows from its content, never from its name. The key goes with the alert (a trigger of the database),
and with its last attachment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db.models import QuerySet
from django.utils import timezone

from accounts import vault
from accounts.services import Actor, record
from alerts import lifecycle
from alerts.errors import AlertError
from alerts.models import CLIP, Alert, Attachment, StepKind
from alerts.rules.raising import one_after_the_other
from cameras.models import Camera, Link, Sighting
from config.transactions import brief_transaction
from recognition.engine import PhotoError, decode_photo

MOST_MB = 10
MOST_FILES = 20
CLIP_WITHIN = timedelta(seconds=60)  # so long after an alert its clip comes, if it comes
ACCEPTED: Final = "image/jpeg,image/png,image/webp,application/pdf,text/plain"
_IMAGES: Final = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"RIFF": "image/webp"}
_CLIPS: Final = ((4, b"ftyp", "video/mp4"), (0, b"\x1a\x45\xdf\xa3", "video/webm"))  # where in the file, what, which
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_SLASHES = re.compile(r"[/\\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An attachment's content."""

    name: str
    media_type: str
    data: bytes

    @property
    def is_image(self) -> bool:
        return self.media_type.startswith("image/")


@brief_transaction()
def attach(*, actor: Actor, alert: Alert, name: str, data: bytes) -> Attachment:
    """Adds a file to an alert. Raises AlertError with what is wrong with it."""
    kind = kind_of(data)
    return _add(actor, lifecycle.touched(alert), name, kind, data)


@brief_transaction()
def attach_clip(*, alert_id: int, name: str, data: bytes) -> Attachment | None:
    """Adds what a camera saw around the alert's sighting; None where the alert has its clip already, or
    everything about who was seen was erased.

    Nobody but a worker adds clips. Raises AlertError, also where the alert is gone.
    """
    kind = clip_kind(data)
    row = Alert(pk=alert_id)
    one_after_the_other()  # of two who add it one is first; and nobody is being erased
    if clips(row).exists() or Sighting.objects.filter(alerts=alert_id, link=Link.ERASED).exists():
        return None
    return _add(None, lifecycle.touched(row), name, kind, data)


def clips(alert: Alert) -> QuerySet[Attachment]:
    """What cameras saw around the alert's sighting."""
    return Attachment.objects.filter(alert=alert, media_type__startswith=CLIP)


def awaits_clip(alert: Alert) -> bool:
    """Whether the alert, which has no clip yet, may still get one."""
    if alert.sighting_id is None or alert.camera_id is None or timezone.now() - alert.created_at > CLIP_WITHIN:
        return False
    return Camera.objects.filter(pk=alert.camera_id, clips=True).exists()


def _add(actor: Actor, row: Alert, name: str, kind: str, data: bytes) -> Attachment:
    """The attachment, written, of an alert that nobody else changes meanwhile."""
    if Attachment.objects.filter(alert=row).count() >= MOST_FILES:
        raise AlertError(f"An alert has at most {MOST_FILES} attachments. Remove one first.")
    made = Attachment(alert=row, name=_clean_name(name), media_type=kind, size=len(data), sealed=b"")
    made.added_by_id = getattr(actor, "pk", None)
    made.save()
    made.sealed = vault.seal(made.scope, data, bind=_bind(made))
    made.save(update_fields=["sealed"])
    lifecycle.add_step(row.pk, StepKind.ATTACHED, actor, made.name)
    record(actor=actor, verb="attached", target=f"alert {row.pk}", name=made.name, media_type=kind, size=len(data))
    return made


@brief_transaction()
def remove(*, actor: Actor, attachment: Attachment) -> None:
    """Takes a file away; with the last one goes the key. Raises AlertError where the alert is gone."""
    row = lifecycle.touched(attachment.alert)
    target = f"alert {row.pk}"
    if Attachment.objects.filter(pk=attachment.pk).delete()[0]:
        lifecycle.add_step(row.pk, StepKind.ATTACHED, actor, f"Removed again: {attachment.name}")
        record(actor=actor, verb="removed attachment", target=target, name=attachment.name)
    if not Attachment.objects.filter(alert=row).exists():
        vault.shred(attachment.scope)


def open_one(attachment: Attachment) -> Opened:
    """The file as it was added. Raises VaultError where it can not be opened."""
    data = vault.unseal(attachment.scope, attachment.sealed, bind=_bind(attachment))
    return Opened(name=attachment.name, media_type=attachment.media_type, data=data)


def kind_of(data: bytes) -> str:
    """The media type of a file that may be attached. Raises AlertError."""
    _check_size(data)
    for magic, kind in _IMAGES.items():
        if data.startswith(magic):
            _check_image(data)
            return kind
    if data.startswith(b"%PDF-") and b"%%EOF" in data[-2048:]:
        return "application/pdf"
    if _is_text(data):
        return "text/plain"
    raise AlertError("This kind of file can not be attached. Use a JPEG, PNG or WebP picture, a PDF, or plain text.")


def clip_kind(data: bytes) -> str:
    """The media type of a clip. Raises AlertError."""
    _check_size(data)
    for at, magic, kind in _CLIPS:
        if data.startswith(magic, at):
            return kind
    raise AlertError("This is no clip: clips are MP4 or WebM.")


def _check_size(data: bytes) -> None:
    if not data:
        raise AlertError("The file is empty. Choose another one.")
    if len(data) > MOST_MB * 2**20:
        raise AlertError(f"The file has more than the {MOST_MB} MB that are allowed. Make it smaller.")


def _check_image(data: bytes) -> None:
    try:
        decode_photo(data, max_bytes=MOST_MB * 2**20)
    except PhotoError as error:
        raise AlertError(str(error)) from None


def _is_text(data: bytes) -> bool:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not _CONTROL.search(text)


def _clean_name(name: str) -> str:
    last = _SLASHES.split(name)[-1]
    cleaned = "".join(sign for sign in last if sign.isprintable()).strip(" .")
    return cleaned[-200:] or "attachment"


def _bind(attachment: Attachment) -> str:
    """What a sealed attachment is bound to."""
    return f"attachment|{attachment.pk}"
