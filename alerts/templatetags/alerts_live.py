"""Where every page stands with alerts: how many are open, and from which one on it wants to be told."""

from __future__ import annotations

from dataclasses import dataclass

from django import template

from alerts import selectors
from alerts.selectors import Counts, Head

register = template.Library()


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveAlerts:
    """The head is read first, so that an alert in between is told rather than missed."""

    head: Head
    counts: Counts


@register.simple_tag
def live_alerts() -> LiveAlerts:
    head = selectors.head()
    return LiveAlerts(head=head, counts=selectors.counts())
