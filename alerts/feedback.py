"""What follows from "not this person": the same face is not taken for the same person again for a while.

The face of the dismissed alert is embedded anew with the pack in use and kept, sealed under the key of the person that
it is not, for settings.MISTAKE_DAYS (0: nothing is kept). A later sighting that resembles the kept face as much as the
pack asks of a match, and more than it resembles the person, raises no alert; that is counted, shown, and can be undone.

Shapes: embeddings (d,) float32 of one version of a pack. Nothing decrypted is written anywhere.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.db.models import F
from django.utils import timezone

from accounts import vault
from accounts.models import AuditEvent, User
from accounts.services import Actor, record
from alerts.models import Alert, AlertState, AlertStep, Dismissal, NotThisPerson, StepKind
from cameras import shots
from cameras.models import Link, Sighting
from cameras.services import shot_of
from config.transactions import brief_transaction
from recognition.engine import Embedding, EngineError
from recognition.engine.metrics import Scores
from recognition.models import Person
from recognition.packs import current_pack, threshold_of

_log = logging.getLogger(__name__)
LEFT_OUT: Final = timedelta(hours=1)
AT_WORK: Final = timedelta(seconds=30)  # so long a worker may be at it
_KEPT_SECONDS = 600.0  # in memory, after it was used last

_DISMISSED: Final[dict[str, object]] = {
    "dismissal": Dismissal.NOT_THIS_PERSON,
    "state__in": (AlertState.DISMISSED, AlertState.CLOSED),
    "person__isnull": False,
}

Rows = dict[uuid.UUID, npt.NDArray[np.float32]]
_faces: dict[tuple[int, str], tuple[float, Rows]] = {}  # of a person by a pack: when it was used, and the embeddings
_lock = threading.Lock()


def remember(alert_id: int) -> NotThisPerson | None:
    """Keeps the face of an alert that was dismissed as not its person; None where nothing can or may be kept."""
    alert = Alert.objects.select_related("person").filter(pk=alert_id, **_DISMISSED).first()
    if not settings.MISTAKE_DAYS or alert is None or alert.person is None or alert.sighting_id is None:
        return None
    sighting = Sighting.objects.defer(None).get(pk=alert.sighting_id)
    try:
        pack = current_pack()
        jpeg = shot_of(sighting)
        face = shots.look(jpeg, pack, embed=True).subject if jpeg is not None else None
    except (EngineError, vault.VaultError) as error:
        _log.warning("The face of alert %s is not remembered as a mistake: %s", alert_id, error)
        return None
    if face is None or not np.isfinite(face.embedding).all():
        return None
    return _keep(alert.pk, alert.person.pk, pack.version, face.embedding)


def is_known_mistake(*, person_id: int, pack: str, embedding: Embedding, similarity: float) -> NotThisPerson | None:
    """The face that this one is, where it was said not to be the person; None where nothing was said of it.

    `similarity`: how much the face resembles the person. One indexed query where nothing is kept about the person.
    """
    rows = _rows(person_id, pack)
    fitting = {pk: row for pk, row in rows.items() if row.shape == embedding.shape}
    if not fitting:
        return None
    # 1 - d**2 / 2, as recognition.engine.similarity
    differences = np.stack(list(fitting.values())).astype(np.float64) - embedding.astype(np.float64)
    alike = 1.0 - (differences**2).sum(axis=1) / 2.0
    best = int(alike.argmax())
    asked = threshold_of(pack)
    if alike[best] <= similarity or alike[best] < (asked if asked is not None else current_pack().threshold):
        return None
    return NotThisPerson.objects.defer("sealed").filter(pk=list(fitting)[best]).first()


def count_suppressed(*, mistake: NotThisPerson) -> None:
    """Counts an alert that was not raised because of it."""
    found = NotThisPerson.objects.filter(pk=mistake.pk)
    found.update(suppressed=F("suppressed") + 1, last_suppressed_at=timezone.now())


@brief_transaction()
def forget(*, actor: Actor, mistake: NotThisPerson) -> None:
    """Keeps a face no longer: from now on it may be taken for the person again."""
    target = f"mistake about person {mistake.person_id}"
    NotThisPerson.objects.filter(pk=mistake.pk).delete()
    record(actor=actor, verb="forgot", target=target, suppressed=mistake.suppressed, alert=mistake.alert_id)


def remember_left_out() -> int:
    """Keeps the faces whose keeping was lost, because the process died or Redis was away; returns how many.

    Of the last LEFT_OUT: what can not be kept, such as a picture without a face, is not tried for ever. What somebody
    had forgotten stays so.
    """
    now = timezone.now()
    forgotten = AuditEvent.objects.filter(verb="forgot", at__gte=now - LEFT_OUT).values_list("detail__alert", flat=True)
    kept = NotThisPerson.objects.filter(alert__isnull=False).values("alert")
    missed = Alert.objects.filter(**_DISMISSED, decided_at__range=(now - LEFT_OUT, now - AT_WORK)).exclude(pk__in=kept)
    ids = missed.exclude(pk__in=[pk for pk in forgotten if isinstance(pk, int)]).values_list("pk", flat=True)
    return sum(remember(pk) is not None for pk in list(ids[:100]))


def prune() -> int:
    """Deletes what was kept long enough; returns how many faces."""
    return NotThisPerson.objects.filter(expires_at__lte=timezone.now()).delete()[0]


def move_mistakes(*, kept: Person, gone: Person) -> None:
    """Gives what is kept about a person to another one, who turned out to be the same: sealed anew under their key."""
    for row in NotThisPerson.objects.filter(person=gone):
        try:
            opened = vault.unseal(gone.scope, row.sealed, bind=_bind(row.pk, row.pack))
        except vault.VaultError as error:
            _log.warning("A remembered mistake is lost in a merge: %s", error)
            continue  # it goes with the person
        row.sealed = vault.seal(kept.scope, opened, bind=_bind(row.pk, row.pack))
        row.person = kept
        row.save(update_fields=["person", "sealed"])


def impostor_scores(pack: str) -> Scores:
    """The similarities of faces that were taken for somebody by this version of a pack and were said not to be them.

    They are cut off from below: whoever stayed under the threshold was taken for nobody (cameras.impostors).
    """
    said = Alert.objects.filter(**_DISMISSED, sighting__pack=pack, similarity__isnull=False)
    return np.array(said.values_list("similarity", flat=True), np.float64)


@brief_transaction()
def _keep(alert_id: int, person_id: int, pack: str, embedding: Embedding) -> NotThisPerson | None:
    """Writes the row, unless the alert was opened again or the person deleted while the face was looked at."""
    # In the order in which whoever reports a sighting locks them.
    person = Person.objects.select_for_update(no_key=True).filter(pk=person_id).first()
    shown = Sighting.objects.select_for_update(no_key=True).filter(alerts=alert_id).exclude(link=Link.ERASED)
    if not shown.exists():
        return None
    alert = Alert.objects.select_for_update(no_key=True).filter(pk=alert_id, person=person_id, **_DISMISSED).first()
    if alert is None or person is None or NotThisPerson.objects.filter(alert=alert, pack=pack).exists():
        return None
    row = NotThisPerson(
        person=person,
        alert=alert,
        pack=pack,
        similarity=alert.similarity or 0.0,
        said_by=_said_by(alert),
        expires_at=timezone.now() + timedelta(days=settings.MISTAKE_DAYS),
    )
    row.sealed = vault.seal(person.scope, embedding.astype("<f4").tobytes(), bind=_bind(row.pk, pack))
    row.save()
    return row


def _said_by(alert: Alert) -> User | None:
    step = (
        AlertStep.objects.filter(alert=alert, kind=StepKind.DISMISSED).select_related("actor").order_by("-id").first()
    )
    return step.actor if step is not None else None


def _bind(mistake: uuid.UUID, pack: str) -> str:
    """What a sealed embedding is bound to."""
    return f"mistake|{mistake}|{pack}"


def _rows(person_id: int, pack: str) -> Rows:
    """What is kept about the person by this version of a pack, opened; asks the database which rows these are now."""
    found = NotThisPerson.objects.filter(person=person_id, pack=pack, expires_at__gt=timezone.now())
    ids = list(found.order_by("said_at").values_list("pk", flat=True))
    key, now = (person_id, pack), time.monotonic()
    with _lock:
        for other in [one for one, (used, _) in _faces.items() if now - used > _KEPT_SECONDS]:
            del _faces[other]
        known = _faces.pop(key, (now, {}))[1]
    rows = {pk: known[pk] for pk in ids if pk in known}
    missing = [pk for pk in ids if pk not in known]
    if missing:
        rows |= _opened(missing)
    if rows:
        with _lock:
            _faces[key] = (now, rows)
    return rows


def _opened(ids: Sequence[uuid.UUID]) -> Rows:
    """The embeddings of these rows; those that can not be opened are left out."""
    found = list(NotThisPerson.objects.filter(pk__in=ids).select_related("person"))
    opened = vault.unseal_many([(row.person.scope, row.sealed, _bind(row.pk, row.pack)) for row in found])
    rows: Rows = {}
    for row, content in zip(found, opened, strict=True):
        if isinstance(content, vault.VaultError):
            _log.error("A remembered mistake about person %s is not used: %s", row.person_id, content)
        else:
            rows[row.pk] = np.frombuffer(content, "<f4")
    return rows
