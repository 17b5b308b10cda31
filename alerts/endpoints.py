"""The places that messages go to: adding, changing and removing them, what is sealed of them, and how they are doing.

A place belongs to the site, or to a person, whose own it is: nobody else sees where it goes. What is needed to send
there is sealed as one piece of JSON; it is opened to send, and to show its owner what of it is no secret.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Final

from django.db.models import Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts import vault
from accounts.models import User
from accounts.services import Actor, record
from alerts.channels import base
from alerts.channels.base import Config, ConfigError, Sender
from alerts.models import Channel, Delivery, DeliveryState, Endpoint, Severity
from alerts.models.delivery import CHANNEL_SCOPE
from config.transactions import brief_transaction

MOST_OWN: Final = 20  # places of one person
_SHOWN: Final = 300
_ERROR: Final = 500
_UNDER_WAY: Final = (DeliveryState.PENDING, DeliveryState.HELD)


def channels(*, personal: bool) -> list[Channel]:
    """The channels that a new place may be on: one of the site, or one that people may have for themselves.

    Who uses a browser is a person, so that the site has none.
    """
    if not personal:
        return [channel for channel in Channel if channel not in (Channel.LIVE, Channel.PUSH)]
    return [channel for channel in Channel if channel is not Channel.LIVE and base.sender(channel).personal]


def add_endpoint(
    *,
    actor: Actor,
    channel: Channel,
    name: str,
    given: Mapping[str, str],
    user: User | None,
    enabled: bool = True,
    min_severity: Severity = Severity.LOW,
    most_per_hour: int | None = None,
    digest_minutes: int = 0,
) -> Endpoint:
    """Stores a place of the site (no user) or of a person. Raises ConfigError where it can not be used."""
    sender = base.sender(channel)
    if user is not None and not sender.personal:
        raise ConfigError("", f"{channel.label} is for the whole site. Ask an administrator to set it up.")
    config = sender.clean(_completed(sender, given))  # which may take its time: not while rows are locked
    endpoint = Endpoint(
        name=name,
        channel=channel,
        user=user,
        shown=sender.shown(config)[:_SHOWN],
        enabled=enabled,
        min_severity=min_severity,
        most_per_hour=most_per_hour,
        digest_minutes=digest_minutes,
    )
    with brief_transaction():
        if user is not None:
            _check_count(user)
        endpoint.sealed_config = _sealed(endpoint, config)
        endpoint.save(force_insert=True)
        _record(actor, "added", endpoint)
    return endpoint


def change_endpoint(
    *,
    actor: Actor,
    endpoint: Endpoint,
    name: str,
    given: Mapping[str, str] | None,
    enabled: bool,
    min_severity: Severity,
    most_per_hour: int | None,
    digest_minutes: int,
    forget: Collection[str] = (),
) -> Endpoint:
    """Changes a place. Nothing given: it goes where it went. Raises ConfigError where that can not be used.

    A secret that is left empty stays as it is, unless it is to be forgotten, or the messages would go elsewhere: who
    may only change a place shall not learn its secrets by having them sent to a place of theirs.
    """
    fields = ["name", "enabled", "min_severity", "most_per_hour", "digest_minutes"]
    if given is not None:
        _go_elsewhere(endpoint, given, forget)
        fields += ["shown", "sealed_config"]
    endpoint.name, endpoint.enabled, endpoint.min_severity = name, enabled, min_severity
    endpoint.most_per_hour, endpoint.digest_minutes = most_per_hour, digest_minutes
    with brief_transaction():
        endpoint.save(update_fields=fields)
        _record(actor, "changed", endpoint)
    return endpoint


@brief_transaction()
def remove_endpoint(*, actor: Actor, endpoint: Endpoint) -> None:
    """Forgets a place. What was still to go there is not sent any more; what was sent stays in the list."""
    under_way = Delivery.objects.filter(endpoint=endpoint, state__in=_UNDER_WAY)
    under_way.update(state=DeliveryState.DROPPED, error="The place that it was to go to was removed.")
    _record(actor, "removed", endpoint)
    endpoint.delete()


def config_of(endpoint: Endpoint) -> dict[str, str]:
    """What is needed to send there, secrets included. Raises vault.VaultError where it does not open any more."""
    found = json.loads(vault.unseal(CHANNEL_SCOPE, endpoint.sealed_config, bind=endpoint.bind))
    return {str(name): str(value) for name, value in found.items()}


def shown_config(endpoint: Endpoint) -> dict[str, str]:
    """What of it may be shown to who may change it: everything but the secrets."""
    open_ones = {f.name for f in base.sender(Channel(endpoint.channel)).fields if not f.secret}
    return {name: value for name, value in config_of(endpoint).items() if name in open_ones}


def secrets_of(endpoint: Endpoint, names: Collection[str]) -> list[tuple[str, str]]:
    """The labels and values of these secrets, to be shown once to whom they were made for."""
    fields = [f for f in base.sender(Channel(endpoint.channel)).fields if f.secret and f.name in names]
    config = config_of(endpoint) if fields else {}
    return [(f.label, config[f.name]) for f in fields if config.get(f.name)]


def note_sent(endpoint: Endpoint) -> None:
    """Remembers that it took a message."""
    rows = Endpoint.objects.filter(pk=endpoint.pk)
    rows.update(last_sent_at=timezone.now(), failing_since=None, last_error="")


def note_failed(endpoint: Endpoint, why: str) -> None:
    """Remembers that it did not take a message, and since when that is so."""
    since = Coalesce("failing_since", Value(timezone.now()))
    Endpoint.objects.filter(pk=endpoint.pk).update(failing_since=since, last_error=why[:_ERROR])


def _check_count(user: User) -> None:
    User.objects.select_for_update().only("pk").get(pk=user.pk)  # two at once count each other
    if Endpoint.objects.filter(user=user).count() >= MOST_OWN:
        raise ConfigError("", f"You have {MOST_OWN} already. Remove one that you do not need any more.")


def _go_elsewhere(endpoint: Endpoint, given: Mapping[str, str], forget: Collection[str]) -> None:
    """Gives it what was typed, with the secrets that it has where none were typed."""
    sender = base.sender(Channel(endpoint.channel))
    old = config_of(endpoint)
    kept = {f.name: old[f.name] for f in sender.fields if _is_kept(f, given, old, forget)}
    config = sender.clean(_completed(sender, given) | kept)
    if kept and sender.goes_to(config) != sender.goes_to(old):
        raise ConfigError(next(iter(kept)), "Messages would go to another place. Type this again to go with them.")
    endpoint.shown, endpoint.sealed_config = sender.shown(config)[:_SHOWN], _sealed(endpoint, config)


def _completed(sender: Sender, given: Mapping[str, str]) -> dict[str, str]:
    return {f.name: given.get(f.name, f.default) for f in sender.fields}


def _is_kept(field: base.Field, given: Mapping[str, str], old: Config, forget: Collection[str]) -> bool:
    return field.secret and not given.get(field.name) and bool(old.get(field.name)) and field.name not in forget


def _sealed(endpoint: Endpoint, config: Config) -> bytes:
    return vault.seal(CHANNEL_SCOPE, json.dumps(dict(config)).encode(), bind=endpoint.bind)


def _record(actor: Actor, verb: str, endpoint: Endpoint) -> None:
    """Where somebody's own goes and what they call it is nobody else's business."""
    known: dict[str, str | bool] = {"channel": endpoint.channel, "own": endpoint.user_id is not None}
    if endpoint.user_id is None:
        known |= {"name": endpoint.name, "goes_to": endpoint.shown}
    record(actor=actor, verb=verb, target=f"endpoint {endpoint.pk}", **known)
