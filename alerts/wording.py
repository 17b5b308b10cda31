"""What the messages of a channel say: the text that was written for it, or the one that Lynceus comes with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from accounts.services import Actor, record
from alerts import messages
from alerts.channels import base
from alerts.messages import Wording
from alerts.models import Channel, MessageTemplate
from config.transactions import brief_transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What a channel says, and since when that is not what Lynceus comes with; None where it is."""

    wording: Wording
    changed_at: datetime | None = None


class TextError(ValueError):
    """A text can not be used; the problems are sentences for people."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


def templated() -> list[Channel]:
    """The channels whose messages are made of a text."""
    return [channel for channel in Channel if channel is not Channel.LIVE and base.sender(channel).templated]


def text_of(channel: Channel) -> Text:
    """What messages of this channel say now."""
    return texts([channel])[channel]


def texts(channels: list[Channel]) -> dict[Channel, Text]:
    """What messages of these channels say now."""
    rows = {row.channel: row for row in MessageTemplate.objects.filter(channel__in=channels)}
    found: dict[Channel, Text] = {}
    for channel in channels:
        row = rows.get(channel)
        if row is None:
            found[channel] = Text(wording=messages.default_wording(channel))
        else:
            found[channel] = Text(wording=Wording(subject=row.subject, body=row.body), changed_at=row.changed_at)
    return found


@brief_transaction()
def change_template(*, actor: Actor, channel: Channel, subject: str, body: str) -> MessageTemplate:
    """Gives a channel a text of the site's own. Raises TextError."""
    problems = messages.check_template(channel, subject, body)
    if problems:
        raise TextError(problems)
    row, _ = MessageTemplate.objects.update_or_create(channel=channel, defaults={"subject": subject, "body": body})
    record(actor=actor, verb="changed", target=f"message template {channel.value}")
    return row


@brief_transaction()
def reset_template(*, actor: Actor, channel: Channel) -> bool:
    """Gives a channel the text back that Lynceus comes with; False where it has that already."""
    gone, _ = MessageTemplate.objects.filter(channel=channel).delete()
    if gone:
        record(actor=actor, verb="reset", target=f"message template {channel.value}")
    return bool(gone)
