"""Nobody has acknowledged an alert for so long: the next step of its rule tells further people.

`Alert.next_step_at` says when, `Alert.steps_told` how many steps were told, the first one included where that is told
at once. Whoever moves these two on, in one conditional UPDATE, is the one who tells: two that look at the same moment
do not both.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from alerts import outbox
from alerts.models import (
    Alert,
    AlertState,
    AlertStep,
    Channel,
    Delivery,
    DeliveryState,
    Occasion,
    Rule,
    RuleStep,
    StepKind,
)
from config.transactions import brief_transaction

_AT_ONCE = 100
_MOST_NAMES = 20


def first_due(rule: Rule, raised_at: datetime) -> datetime | None:
    """When the first step is due that is not told at once; None where the rule has none. Steps may be prefetched."""
    later = [step.after_minutes for step in rule.steps.all() if step.after_minutes > 0]
    return raised_at + timedelta(minutes=min(later)) if later else None


def escalate_due() -> int:
    """Tells the next people of every alert that is due; returns of how many. Of one step at most each time."""
    due = Alert.objects.filter(state=AlertState.NEW, next_step_at__lte=timezone.now()).order_by("next_step_at")
    found = list(due.select_related("rule").prefetch_related("rule__steps")[:_AT_ONCE])
    return sum(_escalate(alert) for alert in found)


@brief_transaction()
def _escalate(alert: Alert) -> bool:
    """Tells the alert's next step; False when somebody was faster, or acknowledged it, or the step is gone."""
    steps = list(alert.rule.steps.all()) if alert.rule is not None else []
    number = _next(steps, alert.steps_told)
    step = steps[number] if number < len(steps) else None
    after = steps[number + 1] if number + 1 < len(steps) else None
    next_at = _after(alert, step, after)
    same = Alert.objects.filter(pk=alert.pk, state=AlertState.NEW, next_step_at=alert.next_step_at)
    if step is None:
        same.update(next_step_at=None)
        return False
    if not same.update(next_step_at=next_at, steps_told=number + 1, version=F("version") + 1):
        return False
    alert.refresh_from_db(fields=["state", "reviews_needed", "severity", "decided_at", "dismissal"])
    turn = AlertStep.objects.filter(alert=alert, kind=StepKind.ESCALATED).count()
    told = outbox.enqueue([alert], Occasion.ESCALATED, turn=turn, step=number)
    AlertStep.objects.create(alert=alert, kind=StepKind.ESCALATED, actor_name="system", text=_text(step, told))
    transaction.on_commit(lambda: outbox.kick([alert.pk]))
    return True


def _next(steps: Sequence[RuleStep], told: int) -> int:
    """Which step comes next. The one that is told at once was told when the alert was raised, whoever counted it."""
    return max(told, 1 if steps and steps[0].after_minutes == 0 else 0)


def _after(alert: Alert, step: RuleStep | None, after: RuleStep | None) -> datetime | None:
    if step is None or after is None or alert.next_step_at is None:
        return None
    return alert.next_step_at + timedelta(minutes=after.after_minutes - step.after_minutes)


def _text(step: RuleStep, told: Sequence[Delivery]) -> str:
    """Whom it was told, as a sentence."""
    late = f"Nobody had acknowledged it after {step.after_minutes} minute{'s' if step.after_minutes != 1 else ''}"
    going = [row for row in told if row.channel != Channel.LIVE]
    if not going:
        return f"{late}, and the rule's next step reaches nobody. Check whom it names, and whether they can be reached."
    at_once = {_name(row) for row in going if row.state != DeliveryState.HELD}
    later = {_name(row) for row in going} - at_once
    said = f" Told: {_listed(at_once)}." if at_once else ""
    return f"{late}.{said}" + (f" Told once it is confirmed: {_listed(later)}." if later else "")


def _listed(found: Collection[str]) -> str:
    names = sorted(found)
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{', '.join(names[:_MOST_NAMES])}{more}"


def _name(row: Delivery) -> str:
    """The person, or the name of the site's place."""
    if row.endpoint is None:
        return ""
    return row.endpoint.user.get_username() if row.endpoint.user is not None else row.endpoint.name
