"""SMS by Twilio's API, which many gateways speak (twilio.com/docs/messaging/api/message-resource).

The API knows no idempotency key: what was taken is taken, and an SMS comes twice only where the answer to the first
attempt was lost on its way back. What concerns the number is permanent; what concerns the site's own account is not,
because an administrator puts it right for all.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from django.conf import settings

from alerts.channels import guard
from alerts.channels.base import Config, ConfigError, Field, Message, NotDelivered, Sender
from alerts.models import Channel

_LONGEST: Final = 1600  # what the API takes
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_POOL = re.compile(r"MG[0-9a-f]{32}")  # a service that chooses among several sending numbers

# Twilio's codes (twilio.com/docs/api/errors) that another attempt does not change: the number's own.
_NUMBER: Final = {
    21211: "The SMS service says that this is no valid telephone number. Correct it.",
    21214: "The SMS service can not reach this number. Check it, or give another.",
    21217: "The SMS service says that this is no valid telephone number. Correct it.",
    21610: "This number has unsubscribed by answering STOP. Its owner must send START to our number first.",
    21612: "The SMS service can not reach this number from our sending number. Give another.",
    21614: "This is not the number of a mobile telephone. Give one that takes SMS.",
    21617: "The SMS service says that the message is too long. Shorten the template.",
}
# Those that concern the account or the sending number of the whole site.
_SITE: Final = frozenset({20003, 20404, 21212, 21408, 21603, 21606, 21659, 21660, 30002})
_TOO_MANY: Final = frozenset({14107, 20429, 21611, 30001})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    """What the body of an answer says; nothing where it is not JSON of this API."""

    sid: str = ""
    code: int = 0


class Sms(Sender):
    channel = Channel.SMS
    fields = (
        Field(
            name="number",
            label="Mobile number",
            help="With + and the country in front, for example +43 660 1234567.",
        ),
    )
    personal = True

    def clean(self, given: Config) -> dict[str, str]:
        if lacking := _lacking():
            raise ConfigError("number", lacking)
        # The zero of +43 (0)660 belongs to no number: without its brackets it would make another one.
        number = re.sub(r"[\s().\-/]", "", given.get("number", "").replace("(0)", "?"))
        if not _E164.fullmatch(number):
            raise ConfigError(
                "number",
                "The number is not well formed. Write + and the country in front, then the number without its leading "
                "zero, for example +43 660 1234567.",
            )
        return {"number": number}

    def shown(self, config: Config) -> str:
        return config["number"]

    def send(self, config: Config, message: Message) -> str:
        if lacking := _lacking():
            raise NotDelivered(lacking)
        answer = guard.post(
            _url(),
            body=urlencode(_form(config["number"], message.short)).encode(),
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
                "Authorization": guard.basic(settings.SMS_ACCOUNT, settings.SMS_TOKEN),
            },
        )
        reply = _read(answer)
        if answer.succeeded and not reply.code:
            return reply.sid
        raise _refusal(answer, reply)


def _form(number: str, text: str) -> dict[str, str]:
    sender = "MessagingServiceSid" if _POOL.fullmatch(settings.SMS_FROM) else "From"
    return {"To": number, sender: settings.SMS_FROM, "Body": text[:_LONGEST]}


def _lacking() -> str:
    """Which settings an administrator has still to set, as a sentence; "" where SMS can be sent."""
    lacking = [name for name in ("SMS_ACCOUNT", "SMS_TOKEN", "SMS_FROM") if not getattr(settings, name)]
    if not lacking:
        return ""
    return f"No SMS can be sent here yet: an administrator has to set {' and '.join(lacking)}."


def _url() -> str:
    url = f"{settings.SMS_API_URL.rstrip('/')}/2010-04-01/Accounts/{quote(settings.SMS_ACCOUNT, safe='')}/Messages.json"
    try:
        guard.parse(url)
    except guard.NotAllowed as problem:
        raise NotDelivered(f"The setting SMS_API_URL can not be used. {problem}") from None
    return url


def _read(answer: guard.Answer) -> _Reply:
    try:
        found = json.loads(answer.body)
    except ValueError:
        return _Reply()
    if not isinstance(found, dict):
        return _Reply()
    sid, code = found.get("sid"), found.get("error_code" if answer.succeeded else "code")
    return _Reply(sid=sid[:200] if isinstance(sid, str) else "", code=code if isinstance(code, int) else 0)


def _refusal(answer: guard.Answer, reply: _Reply) -> NotDelivered:
    if reply.code in _NUMBER:
        return NotDelivered(_NUMBER[reply.code], permanent=True)
    if answer.status == 429 or reply.code in _TOO_MANY:
        return NotDelivered(
            "The SMS service takes no more for the moment. It is tried again later.",
            retry_after=guard.retry_after(answer),
        )
    if answer.status in (401, 403, 404) or reply.code in _SITE:
        number = f" (its error {reply.code})" if reply.code else ""
        return NotDelivered(
            f"The SMS service refuses this site's account or sending number{number}. An administrator has to check "
            "SMS_API_URL, SMS_ACCOUNT, SMS_TOKEN and SMS_FROM."
        )
    if reply.code:
        return NotDelivered(
            f"The SMS service refuses the message with its error {reply.code}. Its documentation says what that means.",
            permanent=400 <= answer.status < 500,
            retry_after=guard.retry_after(answer),
        )
    return guard.refusal(answer, guard.split(settings.SMS_API_URL).host)


SENDER = Sms()
