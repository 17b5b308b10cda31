"""One alert as messages tell of it: what a watchlist's policy keeps inside is left out here, once for all channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.urls import reverse

from alerts.channels.base import Facts
from alerts.models import OUTSIDE, Alert, Channel, ListPolicy, Occasion, Severity, Trigger
from recognition.models import Watchlist

POSSIBLE: Final = "A possible match"
SOMEBODY: Final = "Somebody on a watchlist"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """What messages about an alert may hold: who it is, their picture, and on which watchlist they are."""

    name: bool
    picture: bool
    watchlist: bool


def disclosure(alert: Alert, channel: Channel) -> Disclosure:
    """What a message on this channel may hold of the alert's person; of a lead never who it may be.

    What one of the person's watchlists keeps inside stays there, whichever list or rule the alert is by.
    """
    is_about_person = alert.person_id is not None or bool(alert.person_name)
    if channel not in OUTSIDE or not is_about_person:
        return Disclosure(name=not alert.is_lead, picture=False, watchlist=True)
    policies = _policies(alert)
    # A watchlist that was deleted can not be asked any more.
    is_gone = alert.watchlist is None and bool(alert.watchlist_name)
    named = not is_gone and all(policy.names_outside for policy in policies)
    pictured = not is_gone and bool(policies) and all(policy.pictures_outside for policy in policies)
    return Disclosure(name=named and not alert.is_lead, picture=pictured and not alert.is_lead, watchlist=named)


def _policies(alert: Alert) -> list[ListPolicy]:
    """Those of the alert's watchlist and of all that the person is on."""
    lists = [entry.watchlist for entry in alert.person.entries.all()] if alert.person is not None else []
    if alert.watchlist is not None:
        lists.append(alert.watchlist)
    return [_policy(each) for each in lists]


def _policy(watchlist: Watchlist) -> ListPolicy:
    try:
        return watchlist.policy
    except ListPolicy.DoesNotExist:
        return ListPolicy()


def facts_of(alert: Alert, occasion: Occasion, channel: Channel) -> Facts:
    """The alert for a message on this channel."""
    shows = disclosure(alert, channel)
    latitude, longitude = _place(alert)
    return Facts(
        alert=alert.pk,
        occasion=occasion,
        severity=Severity(alert.severity),
        state=alert.state,
        trigger=alert.trigger,
        rule=_plain("" if _tells(alert, shows) else alert.rule_name),
        who=_plain(_who(alert, shows)),
        person=alert.person_id if shows.name else None,
        watchlist=_plain(alert.watchlist_name) if shows.watchlist else "",
        camera=alert.camera_id,
        camera_name=_plain(alert.camera_name),
        where=_plain(", ".join(filter(None, (alert.camera_name, alert.zone_name)))),
        latitude=latitude,
        longitude=longitude,
        similarity=alert.similarity,
        threshold=alert.threshold,
        detail=_plain(_detail(alert, shows)),
        count=alert.count,
        captured_at=alert.captured_at,
        raised_at=alert.created_at,
        lead=alert.is_lead,
        link=settings.SITE_URL + reverse("alert", args=[alert.pk]),
    )


def _who(alert: Alert, shows: Disclosure) -> str:
    if alert.is_lead:
        return POSSIBLE
    if alert.event is not None:
        return str(alert.event.get_kind_display())
    if alert.trigger == Trigger.CROWD:
        return "Too many people"
    if not alert.person_name:
        return "Unknown face"
    return alert.person_name if shows.name else SOMEBODY


def _detail(alert: Alert, shows: Disclosure) -> str:
    """What happened. Where the name is kept inside so is the sentence: it may hold the name, also a former one."""
    if alert.is_lead:
        return f"It waits for review by {alert.reviews_needed} trained people, and is only a lead until then."
    if not shows.name:
        return ""
    return alert.event.detail if alert.event is not None and not alert.detail else alert.detail


def _tells(alert: Alert, shows: Disclosure) -> bool:
    """Whether the rule's name says what must not be said: one that came with its watchlist is called after it."""
    kept = [] if shows.name else [alert.person_name]
    kept += [] if shows.watchlist else [alert.watchlist_name]
    return any(name and name in alert.rule_name for name in kept)


def _place(alert: Alert) -> tuple[float | None, float | None]:
    seen = alert.sighting or alert.camera
    return (seen.latitude, seen.longitude) if seen is not None else (None, None)


def _plain(text: str) -> str:
    """One line, of characters that can be seen: names come from people and files."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())
