"""Browsers as places that messages go to: a subscription (W3C Push API) is what such a place is stored as."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Final

from django.db.models import QuerySet

from accounts import vault
from accounts.models import User
from alerts import endpoints
from alerts.channels import push
from alerts.channels.base import ConfigError
from alerts.models import Channel, Endpoint, Severity
from alerts.models.delivery import CHANNEL_SCOPE

LONGEST: Final = 8192  # of a subscription as JSON; real ones have some 500
_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What the browser gave: where its push service listens, and the keys that only the browser opens."""

    endpoint: str
    p256dh: str
    auth: str
    name: str

    @classmethod
    def parse(cls, body: bytes) -> Subscription:
        """Reads {"subscription": PushSubscription, "name": text}; raises ConfigError for everything else."""
        wrong = ConfigError("", "That is no subscription of a browser. Reload the page, and try again.")
        if len(body) > LONGEST:
            raise wrong
        try:
            said = json.loads(body)
            given = said["subscription"]
            found = [given["endpoint"], given["keys"]["p256dh"], given["keys"]["auth"], said.get("name") or "A browser"]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise wrong from None
        if not all(isinstance(text, str) for text in found):
            raise wrong
        address, p256dh, auth, name = found
        printable = "".join(c for c in name if c.isprintable()).strip()[:_NAME]
        return cls(endpoint=address, p256dh=p256dh, auth=auth, name=printable or "A browser")

    @property
    def config(self) -> dict[str, str]:
        return {"endpoint": self.endpoint, "p256dh": self.p256dh, "auth": self.auth}


def public_key() -> str:
    """What browsers are to know the sender by."""
    return push.public_key()


def subscribe(*, user: User, subscription: Subscription) -> Endpoint:
    """Makes this browser a place of the user's, and of nobody else's: whoever signed in there before is not told there
    any more. Where it is one already it gets the keys that it has now. Raises ConfigError.
    """
    mine: Endpoint | None = None
    for row in _at(subscription.endpoint):
        if row.user_id == user.pk and mine is None:
            mine = row
        else:
            endpoints.remove_endpoint(actor=user, endpoint=row)
    if mine is None:
        name, given = subscription.name, subscription.config
        return endpoints.add_endpoint(actor=user, channel=Channel.PUSH, name=name, given=given, user=user)
    return endpoints.change_endpoint(
        actor=user,
        endpoint=mine,
        name=mine.name,
        given=subscription.config,
        enabled=True,
        min_severity=Severity(mine.min_severity),
        most_per_hour=mine.most_per_hour,
        digest_minutes=mine.digest_minutes,
    )


def marks(rows: list[Endpoint]) -> dict[str, str]:
    """By which a browser knows itself among these places: a digest of its address, which itself stays here."""
    found = Endpoint.objects.filter(pk__in=[row.pk for row in rows], channel=Channel.PUSH)
    return {str(row.pk): hashlib.sha256(address.encode()).hexdigest() for row, address in _addresses(found)}


def _at(address: str) -> list[Endpoint]:
    """The places that are this browser, whosesoever."""
    return [row for row, found in _addresses(Endpoint.objects.filter(channel=Channel.PUSH)) if found == address]


def _addresses(found: QuerySet[Endpoint]) -> list[tuple[Endpoint, str]]:
    """Each with its address; those that do not open any more are nowhere."""
    rows = list(found.defer(None))
    opened = vault.unseal_many([(CHANNEL_SCOPE, row.sealed_config, row.bind) for row in rows])
    pairs = zip(rows, opened, strict=True)
    return [(row, json.loads(text).get("endpoint", "")) for row, text in pairs if isinstance(text, bytes)]
