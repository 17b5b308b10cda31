"""What people do about an alert, from the moment it is raised until it is closed.

new → acknowledged → confirmed | dismissed (with a reason) → closed. Acknowledging may be skipped; what was dismissed or
closed may be opened again. A lead (`Alert.is_lead`) is confirmed by its reviews only: `alerts.reviews`.

Every verb is one conditional UPDATE: of two people who press at the same moment one is first, and the other is told who
was. What was done is a row of `AlertStep`, an entry of the audit trail, and a ring for the pages that are open.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.db import connection, transaction
from django.db.models import F, IntegerField, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.models import User
from accounts.services import Actor, record
from alerts import feedback_tasks, outbox
from alerts.errors import AlertError
from alerts.models import (
    Alert,
    AlertState,
    AlertStep,
    Dismissal,
    NotThisPerson,
    Review,
    StepKind,
)
from config.transactions import brief_transaction

MOST_TEXT = 4000
OPEN: Final = (AlertState.NEW, AlertState.ACKNOWLEDGED)
# Who it is: of a lead only the reviews say so.
_ABOUT_IDENTITY = (Dismissal.NOT_THIS_PERSON, Dismissal.NOT_RELEVANT)
_GONE = "This alert was removed meanwhile. Go back to the list of alerts."
_DONE: Final = {
    StepKind.ACKNOWLEDGED: "acknowledged",
    StepKind.CONFIRMED: "confirmed",
    StepKind.DISMISSED: "dismissed",
    StepKind.CLOSED: "closed",
    StepKind.REOPENED: "opened again",
}
_ACKNOWLEDGE = """
UPDATE alerts_alert
SET state = %(acknowledged)s, acknowledged_by_id = %(actor)s, acknowledged_at = %(now)s, version = version + 1
WHERE id = ANY(%(ids)s) AND state = %(new)s
RETURNING id
"""


def acknowledge(*, actor: User, alert: Alert) -> bool:
    """Marks a new alert as seen by the user; False when somebody was faster."""
    return bool(acknowledge_many(actor=actor, alert_ids=[alert.pk]))


@brief_transaction()
def acknowledge_many(*, actor: User, alert_ids: Iterable[int]) -> list[int]:
    """Marks those of these alerts that are still new as seen by the user; returns which these were."""
    values = {"acknowledged": AlertState.ACKNOWLEDGED.value, "new": AlertState.NEW.value}
    with connection.cursor() as cursor:  # the ORM's update does not say which rows it changed
        cursor.execute(_ACKNOWLEDGE, values | {"actor": actor.pk, "now": timezone.now(), "ids": sorted(set(alert_ids))})
        done = sorted(pk for (pk,) in cursor.fetchall())
    AlertStep.objects.bulk_create([_step(pk, StepKind.ACKNOWLEDGED, actor) for pk in done])
    for pk in done:
        record(actor=actor, verb="acknowledged", target=f"alert {pk}")
    if done:
        transaction.on_commit(outbox.ring)
    return done


@brief_transaction()
def assign(*, actor: User, alert: Alert, to: User | None) -> None:
    """Says who deals with the alert; None: nobody in particular. Raises AlertError."""
    if to is not None and not (to.is_active and to.has_perm("alerts.change_alert")):
        raise AlertError(f"{to.get_username()} may not deal with alerts. Assign it to somebody who may.")
    row = touched(alert)
    if row.assigned_to_id == (to.pk if to else None):
        raise AlertError(f"It is assigned to {to.get_username()} already." if to else "It is assigned to nobody.")
    Alert.objects.filter(pk=row.pk).update(assigned_to=to)
    name = to.get_username() if to else ""
    add_step(row.pk, StepKind.ASSIGNED, actor, f"To {name}" if to else "To nobody any more")
    record(actor=actor, verb="assigned", target=f"alert {row.pk}", to=name or None)


@brief_transaction()
def comment(*, actor: User, alert: Alert, text: str) -> AlertStep:
    """Adds a remark to the alert's history. Raises AlertError."""
    said = clean_text(text)
    if not said:
        raise AlertError("The comment is empty. Write what you want to say.")
    row = touched(alert)
    step = add_step(row.pk, StepKind.COMMENTED, actor, said)
    record(actor=actor, verb="commented", target=f"alert {row.pk}")
    return step


@brief_transaction()
def confirm(*, actor: User, alert: Alert) -> None:
    """Says that the alert is right. Raises AlertError, also where that needs reviews."""
    found = Alert.objects.filter(pk=alert.pk, reviews_needed=0, state__in=OPEN)
    if not found.update(**decided(actor, AlertState.CONFIRMED)):
        raise AlertError(_why_not_confirmed(alert))
    add_step(alert.pk, StepKind.CONFIRMED, actor)
    record(actor=actor, verb="confirmed", target=f"alert {alert.pk}")
    transaction.on_commit(outbox.ring)


@brief_transaction()
def dismiss(*, actor: User, alert: Alert, reason: Dismissal, note: str = "") -> None:
    """Says that nothing is to be done about the alert, and why. Raises AlertError.

    A face that is not the person's is remembered for a while, so that the same mistake is not made again.
    """
    said = clean_text(note)
    if reason is Dismissal.OTHER and not said:
        raise AlertError("Say in the note why the alert is dismissed.")
    row = Alert.objects.filter(pk=alert.pk).first()
    if row is not None and reason is Dismissal.NOT_THIS_PERSON and not row.is_match:
        raise AlertError(
            "This alert takes no face for anybody, so that it can not be about the wrong person. Choose another reason."
        )
    found = Alert.objects.filter(pk=alert.pk, state__in=OPEN)
    if reason in _ABOUT_IDENTITY:
        found = found.filter(reviews_needed=0)
    if not found.update(**decided(actor, AlertState.DISMISSED, reason)):
        raise AlertError(_why_not_dismissed(alert, reason))
    settle(alert)
    outbox.drop_held(alert)
    add_step(alert.pk, StepKind.DISMISSED, actor, f"{reason.label}. {said}" if said else reason.label)
    record(actor=actor, verb="dismissed", target=f"alert {alert.pk}", reason=reason.value)
    transaction.on_commit(outbox.ring)
    if reason is Dismissal.NOT_THIS_PERSON:
        transaction.on_commit(lambda: feedback_tasks.send(alert.pk))


@brief_transaction()
def close(*, actor: User, alert: Alert) -> None:
    """Puts the alert away. A lead is confirmed or dismissed first. Raises AlertError."""
    found = Alert.objects.filter(pk=alert.pk).exclude(state=AlertState.CLOSED)
    if not found.exclude(reviews_needed__gt=0, state__in=OPEN).update(
        state=AlertState.CLOSED, closed_at=timezone.now(), version=F("version") + 1, **_seen_by(actor)
    ):
        if found.exists():
            raise AlertError("A lead can not be closed before reviewers confirmed it or it was dismissed.")
        raise AlertError(too_late(alert))
    add_step(alert.pk, StepKind.CLOSED, actor)
    record(actor=actor, verb="closed", target=f"alert {alert.pk}")
    transaction.on_commit(outbox.ring)


@brief_transaction()
def reopen(*, actor: User, alert: Alert) -> None:
    """Takes up again what was dismissed or closed: nothing is decided any more, and reviews begin anew.

    A face that was remembered as a mistake because of it is forgotten, and messages that were taken back go out after
    all. Raises AlertError.
    """
    found = Alert.objects.filter(pk=alert.pk, state__in=(AlertState.DISMISSED, AlertState.CLOSED))
    undone = {"decided_at": None, "dismissal": "", "closed_at": None}
    if not found.update(state=AlertState.ACKNOWLEDGED, version=F("version") + 1, **undone, **_seen_by(actor)):
        raise AlertError(too_late(alert))
    settle(alert)
    NotThisPerson.objects.filter(alert=alert).delete()
    outbox.take_up(Alert.objects.get(pk=alert.pk))
    add_step(alert.pk, StepKind.REOPENED, actor)
    record(actor=actor, verb="reopened", target=f"alert {alert.pk}")
    transaction.on_commit(outbox.ring)


def touched(alert: Alert) -> Alert:
    """The alert as it is now, which nobody else changes before the transaction is over; pages show it anew.

    Raises AlertError where it is gone.
    """
    if not Alert.objects.filter(pk=alert.pk).update(version=F("version") + 1):
        raise AlertError(_GONE)
    transaction.on_commit(outbox.ring)
    return Alert.objects.get(pk=alert.pk)


def decided(actor: Actor, state: AlertState, reason: Dismissal | None = None) -> dict[str, object]:
    """What an UPDATE sets when an alert is decided."""
    return {
        "state": state,
        "dismissal": reason.value if reason else "",
        "decided_at": timezone.now(),
        "version": F("version") + 1,
        **_seen_by(actor),
    }


def settle(alert: Alert) -> None:
    """Nobody answers these reviews any more: what was answered may be seen from now on."""
    Review.objects.filter(alert=alert.pk, settled=False).update(settled=True)


def add_step(alert: int, kind: StepKind, actor: Actor, text: str = "") -> AlertStep:
    """Adds to the alert's history, in the transaction of what it tells about."""
    step = _step(alert, kind, actor, text)
    step.save()
    return step


def too_late(alert: Alert) -> str:
    """Who was faster, in a sentence, for one who wanted to do what can not be done any more."""
    row = Alert.objects.filter(pk=alert.pk).first()
    if row is None:
        return _GONE
    step = AlertStep.objects.filter(alert=row, kind__in=_DONE).order_by("-id").first()
    if step is None:
        return f"That can not be done: the alert is {row.get_state_display().lower()}."
    at = timezone.localtime(step.at)
    return (
        f"{_name(step)} was faster: the alert was {_DONE[StepKind(step.kind)]} at {at:%H:%M:%S}. Nothing was changed."
    )


def clean_text(text: str) -> str:
    """What somebody wrote, without what can not be stored, and not longer than is kept."""
    return text.replace("\x00", "").strip()[:MOST_TEXT]


def _seen_by(actor: Actor) -> dict[str, object]:
    """Whoever does something about an alert that nobody acknowledged has acknowledged it."""
    by = actor.pk if isinstance(actor, User) else None
    return {
        "acknowledged_at": Coalesce("acknowledged_at", Value(timezone.now())),
        "acknowledged_by": Coalesce("acknowledged_by_id", Value(by), output_field=IntegerField()),
    }


def _step(alert: int, kind: StepKind, actor: Actor, text: str = "") -> AlertStep:
    known = actor if isinstance(actor, User) else None
    name = known.get_username() if known else "system"
    return AlertStep(alert_id=alert, kind=kind, actor=known, actor_name=name, text=text)


def _name(step: AlertStep) -> str:
    return "Lynceus" if step.actor_name == "system" else step.actor_name


def _why_not_confirmed(alert: Alert) -> str:
    row = Alert.objects.filter(pk=alert.pk, reviews_needed__gt=0, state__in=OPEN).first()
    if row is None:
        return too_late(alert)
    return (
        f"This is a lead: {row.reviews_needed} trained people have to confirm it, each without knowing the others' "
        "answers. Answer the review instead."
    )


def _why_not_dismissed(alert: Alert, reason: Dismissal) -> str:
    if reason in _ABOUT_IDENTITY and Alert.objects.filter(pk=alert.pk, reviews_needed__gt=0, state__in=OPEN).exists():
        return (
            "This is a lead: whether it is the person is said by its reviews. Answer the review, or choose another "
            "reason."
        )
    return too_late(alert)
