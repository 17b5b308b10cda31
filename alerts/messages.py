"""What messages say: facts of alerts put into the text of a channel.

The text is a subject and a body with placeholders (PLACEHOLDERS); a line whose placeholders are all empty is left out.
Times are those of the site's time zone, with its offset. A message about several alerts (a digest) repeats the body for
each, oldest first.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from string import Template
from typing import Final

from django.conf import settings
from django.template.loader import get_template
from django.urls import reverse
from django.utils import timezone

from alerts import shortening
from alerts.channels.base import Facts, Message
from alerts.channels.email import PICTURE
from alerts.facts import facts_of
from alerts.models import Alert, AlertState, Channel, Occasion, Severity, Trigger

PLACEHOLDERS: Final[Mapping[str, str]] = {
    "occasion": "Why it is sent: Alert, To review, Nobody acknowledged it, Got a name, Over …",
    "severity": "Low, Medium, High or Critical",
    "who": "The person's name, “Unknown face”, or what is wrong with a camera",
    "where": "The camera's name, and the zone's",
    "zone": "The zone's name",
    "place": "Latitude and longitude",
    "when": "When it happened, in the site's time zone",
    "detail": "What happened, as a sentence",
    "count": "How often it happened, where that was more than once",
    "similarity": "How alike the face is to the enrolled photos",
    "threshold": "The similarity that was asked for",
    "watchlist": "The watchlist's name",
    "rule": "The rule's name",
    "link": "The address of the alert's page",
}
_OCCASIONS: Final = {
    Occasion.RAISED: "Alert",
    Occasion.AGAIN: "There again",
    Occasion.NAMED: "Got a name",
    Occasion.REVISED: "The name changed",
    Occasion.ESCALATED: "Nobody acknowledged it",
    Occasion.CONFIRMED: "Confirmed",
    Occasion.ENDED: "Over",
}
_MOST_SUBJECT = 200
_MOST_NAMES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A channel's text, with placeholders."""

    subject: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a message tells: an alert, and why now."""

    alert: Alert
    occasion: Occasion


_SUBJECT = "$occasion ($severity): $who, $where"
_LONG = Wording(
    subject=_SUBJECT,
    body="$occasion: $who\n$detail\n\nWhere: $where\nPlace: $place\nWhen: $when\nTimes: $count\nSeverity: $severity\n"
    "Watchlist: $watchlist\nSimilarity: $similarity, asked for: $threshold\nRule: $rule\n\n$link",
)
_CHAT = Wording(subject=_SUBJECT, body="$where, $when\n$detail\n$link")
_PUSH = Wording(subject="$occasion ($severity): $who", body="$where, $when\n$detail")
_SMS = Wording(subject="", body="$occasion ($severity): $who, $where, $when. $link")
_DEFAULTS: Final = {Channel.CHAT: _CHAT, Channel.PUSH: _PUSH, Channel.SMS: _SMS}


def default_wording(channel: Channel) -> Wording:
    """The text that Lynceus comes with."""
    return _DEFAULTS.get(channel, _LONG)


def check_template(channel: Channel, subject: str, body: str) -> list[str]:
    """What is wrong with a text for this channel, as sentences; nothing where it can be used."""
    problems = [] if body.strip() else ["The text is empty. Write what messages shall say."]
    if any(not one.isprintable() for one in subject):
        problems.append("The subject has more than one line, or characters that no subject can hold.")
    for text in (subject, body):
        template = Template(text)
        if not template.is_valid():
            problems.append("A “$” stands alone. Write “$$” for the sign itself, or name a placeholder after it.")
        unknown = sorted(set(template.get_identifiers()) - set(PLACEHOLDERS))
        problems += [f"“${name}” is no placeholder. There are: {_all_placeholders()}." for name in unknown]
    if (
        channel is Channel.SMS
        and body.strip()
        and not {"who", "where", "when"} <= set(Template(body).get_identifiers())
    ):
        problems.append("An SMS must say who, where and when: use $who, $where and $when.")
    return problems


def compose(
    told: Sequence[Told], channel: Channel, *, key: uuid.UUID, wording: Wording, picture: bytes | None = None
) -> Message:
    """The message about these alerts, oldest first. `picture`: the face's, where `facts.disclosure` allows it."""
    facts = tuple(facts_of(one.alert, one.occasion, channel) for one in told)
    zones = [one.alert.zone_name for one in told]
    return _message(facts, zones, channel, key=key, wording=wording, picture=picture)


def sample_message(channel: Channel, subject: str, body: str) -> Message:
    """A message as this text makes it of an alert that never was, for previews and tests."""
    now = datetime.now(UTC)
    facts = Facts(
        alert=0,
        occasion=Occasion.RAISED,
        severity=Severity.HIGH,
        state=AlertState.NEW.value,
        trigger=Trigger.APPEARS.value,
        rule="An example of a rule",
        who="Ada Example",
        person=None,
        watchlist="An example of a watchlist",
        camera=None,
        camera_name="Main entrance",
        where="Main entrance, Door",
        latitude=52.52,
        longitude=13.405,
        similarity=0.71,
        threshold=0.55,
        detail="This is a test. Nobody was seen.",
        count=1,
        captured_at=now,
        raised_at=now,
        lead=False,
        link=settings.SITE_URL + reverse("alerts"),
    )
    wording = Wording(subject=subject or default_wording(channel).subject, body=body or default_wording(channel).body)
    return _message((facts,), ["Door"], channel, key=uuid.uuid4(), wording=wording, picture=None, is_test=True)


def _message(
    facts: tuple[Facts, ...],
    zones: Sequence[str],
    channel: Channel,
    *,
    key: uuid.UUID,
    wording: Wording,
    picture: bytes | None,
    is_test: bool = False,
) -> Message:
    values = [_values(one, zone) for one, zone in zip(facts, zones, strict=True)]
    link = facts[0].link if len(facts) == 1 else settings.SITE_URL + reverse("alerts")
    severity = max((one.severity for one in facts), key=list(Severity).index)
    subject = _subject(wording.subject or _SUBJECT, values, severity)
    parts = [_rendered(wording.body, one) for one in values]
    text = parts[0] if len(parts) == 1 else "\n\n".join([f"{subject}.", *parts])
    html = _html(subject, parts, link, severity, picture) if channel is Channel.EMAIL else ""
    return Message(
        key=key,
        subject=f"Test: {subject}"[:_MOST_SUBJECT] if is_test else subject,
        text=text,
        short=_short(wording.body if channel is Channel.SMS else _SMS.body, facts, values),
        html=html,
        link=link,
        severity=severity,
        occasion=facts[-1].occasion,
        facts=facts,
        picture=picture,
        is_test=is_test,
    )


def _values(facts: Facts, zone: str) -> dict[str, str]:
    place = "" if facts.latitude is None or facts.longitude is None else f"{facts.latitude:.5f}, {facts.longitude:.5f}"
    is_new_lead = facts.lead and facts.occasion is Occasion.RAISED
    return {
        "occasion": "To review" if is_new_lead else _OCCASIONS[facts.occasion],
        "severity": str(facts.severity.label),
        "who": facts.who,
        "where": facts.where or "anywhere",
        "zone": " ".join(zone.split()),
        "place": place,
        "when": _moment(facts.captured_at, "%a %d %b %Y %H:%M:%S"),
        "detail": facts.detail,
        "count": str(facts.count) if facts.count > 1 else "",
        "similarity": "" if facts.similarity is None else f"{facts.similarity:.2f}",
        "threshold": "" if facts.threshold is None else f"{facts.threshold:.2f}",
        "watchlist": facts.watchlist,
        "rule": facts.rule,
        "link": facts.link,
    }


def _moment(at: datetime, form: str) -> str:
    """A time as clocks at the site show it, with their offset to UTC."""
    local = at.astimezone(timezone.get_default_timezone())
    return f"{local:{form}} {local.isoformat(timespec='seconds')[-6:]}"


def _subject(wording: str, values: Sequence[Mapping[str, str]], severity: Severity) -> str:
    if len(values) == 1:
        text = Template(wording).safe_substitute(values[0])
    else:
        names = list(dict.fromkeys(one["who"] for one in values))
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        text = f"{len(values)} alerts ({severity.label}): {', '.join(names[:_MOST_NAMES])}{more}"
    printable = "".join(one if one.isprintable() else " " for one in text)
    return shortening.tidy(printable)[:_MOST_SUBJECT]


def _rendered(body: str, values: Mapping[str, str]) -> str:
    """The body with its values; a line whose placeholders are all empty is left out."""
    lines: list[str] = []
    for line in body.splitlines():
        names = _names(line)
        if names and all(values.get(name) == "" for name in names):
            continue
        filled = Template(line).safe_substitute(values).rstrip()
        if filled or (lines and lines[-1]):  # no two empty lines in a row
            lines.append(filled)
    return "\n".join(lines).strip()


@lru_cache(maxsize=512)
def _names(line: str) -> tuple[str, ...]:
    return tuple(Template(line).get_identifiers())


def _short(body: str, facts: Sequence[Facts], values: Sequence[Mapping[str, str]]) -> str:
    moments = [_moment(one.captured_at, "%a %d %b %H:%M") for one in facts]
    if len(facts) == 1:
        return shortening.fit(partial(_one_line, body), {**values[0], "when": moments[0]})
    parts = [f"{one['who']}, {one['where']}, {when}" for one, when in zip(values, moments, strict=True)]
    return _short_digest([shortening.gsm(part) for part in parts])


def _one_line(body: str, values: Mapping[str, str]) -> str:
    return shortening.tidy(_rendered(body, values))


def _short_digest(parts: Sequence[str]) -> str:
    """As many of them as fit, and how many more there are."""
    for shown in range(len(parts), 0, -1):
        more = f" +{len(parts) - shown} more" if shown < len(parts) else ""
        text = f"{len(parts)} alerts: {'; '.join(parts[:shown])}{more}"
        if shortening.fits(text):
            return text
    return shortening.cut(f"{len(parts)} alerts: {parts[0]}")


def _html(subject: str, parts: Sequence[str], link: str, severity: Severity, picture: bytes | None) -> str:
    context = {
        "subject": subject,
        "items": [[_row(line) for line in part.splitlines() if line and line != link] for part in parts],
        "link": link,
        "severity": severity.value,
        "severity_label": severity.label,
        "cid": PICTURE if picture is not None else "",
    }
    return get_template("alerts/messages/email.html").render(context)


def _row(line: str) -> tuple[str, str]:
    """A line such as “Where: Gate” as a name and a value; any other line is a value without a name."""
    name, colon, value = line.partition(": ")
    is_pair = bool(colon) and name.replace(" ", "").isalpha() and len(name) <= 20 and name[:1].isupper()
    return (name, value) if is_pair else ("", line)


def _all_placeholders() -> str:
    return ", ".join(f"${name}" for name in PLACEHOLDERS)
