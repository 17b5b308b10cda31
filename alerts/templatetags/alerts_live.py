"""Where every page stands with alerts: how many are open, and from which one on it wants to be told."""

from __future__ import annotations

from dataclasses import dataclass

from django import template

from alerts import selectors

register = template.Library()


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveAlerts:
    """The cursor is read first, so that an alert in between is told rather than missed."""

    cursor: int
    count: int


@register.simple_tag
def live_alerts() -> LiveAlerts:
    cursor = selectors.newest_id()
    return LiveAlerts(cursor=cursor, count=selectors.open_count())
