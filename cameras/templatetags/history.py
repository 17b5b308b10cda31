"""How figures about somebody are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django import template

from accounts.templatetags.lynceus import lasted
from cameras.identities.leading import waiting_since

register = template.Library()
_ANY = datetime(2000, 1, 1, tzinfo=UTC)


@register.filter
def span(value: timedelta) -> str:
    """How long, as people say it."""
    return lasted(_ANY, _ANY + value)


@register.simple_tag
def linking_stands() -> str:
    """What to say where nobody gives sightings their identity; nothing while somebody does."""
    silent = waiting_since()
    if silent is None:
        return ""
    ever = silent != timedelta.max
    since = f"For {span(silent)} nobody links sightings" if ever else "Nobody has linked sightings here yet"
    return (
        f"{since}: new ones belong to no identity, so that paths and histories of people lack them. What waits is "
        "linked when the linker runs again. Start it with `manage.py linker`, or look into its log."
    )
