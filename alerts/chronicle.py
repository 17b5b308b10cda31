"""All that happened about one alert, in order: how it came about, what people did, and who was told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from accounts.models import User
from alerts.delivery_selectors import error_for
from alerts.models import Alert, AlertStep, Channel, Delivery, DeliveryState, StepKind

_MOST_DELIVERIES = 200
_ASK = "Tell them in another way. Administrators see under Channels, Deliveries why that is so."
_ICONS = {
    StepKind.COMMENTED: "pencil",
    StepKind.ASSIGNED: "users",
    StepKind.REVIEWED: "scan",
    StepKind.ESCALATED: "bell",
    StepKind.ATTACHED: "upload",
    StepKind.EXPORTED: "out",
    StepKind.REOPENED: "restart",
    StepKind.NAMED: "info",
    StepKind.REVISED: "info",
}
# Such a step's text names somebody: it is part of what is not released while the alert is a lead.
NAMING = (StepKind.NAMED, StepKind.REVISED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One line of the history. `text`: what somebody wrote, or what more is known of it."""

    at: datetime | None  # None: not yet
    icon: str
    title: str
    text: str = ""
    is_comment: bool = False
    is_trouble: bool = False


def happenings(alert: Alert, reader: User) -> list[Happening]:
    """The history of the alert, oldest first; what is yet to come at the end. Why somebody could not be told is for who
    may know where they are told."""
    found = [*_origin(alert), *_steps(alert), *_deliveries(alert, reader)]
    return sorted(found, key=lambda one: (one.at is None, one.at or alert.created_at))


def _origin(alert: Alert) -> Iterator[Happening]:
    event = alert.event
    if event is not None:
        yield Happening(at=event.began_at, icon="camera", title=str(event.get_kind_display()))
        if event.ended_at is not None:
            yield Happening(at=event.ended_at, icon="check", title="Over by itself")
    elif alert.sighting_id is not None:
        seen = f"by {alert.camera_name}" if alert.camera_name else ""
        deed = "Recognised" if alert.person_name else "Seen"
        yield Happening(at=alert.captured_at, icon="camera", title=f"{deed} {seen}".strip())
    yield Happening(
        at=alert.created_at,
        icon="bell",
        title="Alert raised",
        text=f"By “{alert.rule_name}”" if alert.rule_name else "",
    )
    if alert.count > 1 and alert.last_at is not None:
        text = f"{alert.count} times in all"
        yield Happening(at=alert.last_at, icon="camera", title="Happened again, the last time", text=text)


def _steps(alert: Alert) -> Iterator[Happening]:
    for step in AlertStep.objects.filter(alert=alert):
        kind = StepKind(step.kind)
        by = "" if step.actor_name == "system" else f" by {step.actor_name}"
        yield Happening(
            at=step.at,
            icon=_ICONS.get(kind, "check"),
            title=f"{kind.label}{by}",
            text=step.text,
            is_comment=kind is StepKind.COMMENTED,
        )


def _deliveries(alert: Alert, reader: User) -> Iterator[Happening]:
    rows = Delivery.objects.filter(alert=alert).exclude(channel=Channel.LIVE)
    for row in rows.select_related("user", "endpoint", "group").order_by("created_at")[:_MOST_DELIVERIES]:
        how, error = f"{_whom(row)} by {_channel(row)}", error_for(row, reader)
        if row.state == DeliveryState.SENT:
            yield Happening(at=row.sent_at, icon="check", title=f"Told: {how}")
        elif row.state == DeliveryState.DEAD:
            title = f"Could not be told: {how}"
            yield Happening(at=None, icon="warning", title=title, text=error or _ASK, is_trouble=True)
        elif row.state == DeliveryState.DROPPED:
            yield Happening(at=None, icon="info", title=f"Not told any more: {how}", text=error)
        elif row.state == DeliveryState.HELD:
            yield Happening(at=None, icon="clock", title=f"Is told once it is confirmed: {how}")
        else:
            yield Happening(at=None, icon="clock", title=f"Is being told: {how}", text=error)


def _whom(row: Delivery) -> str:
    if row.user is not None:
        return row.user.get_username()
    return row.endpoint.name if row.endpoint is not None else "somebody whose place is gone"


def _channel(row: Delivery) -> str:
    label = str(Channel(row.channel).label)
    return label if label.isupper() else label[0].lower() + label[1:]
