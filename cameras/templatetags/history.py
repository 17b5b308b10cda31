"""How figures about somebody are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django import template

from accounts.templatetags.lynceus import lasted

register = template.Library()
_ANY = datetime(2000, 1, 1, tzinfo=UTC)


@register.filter
def span(value: timedelta) -> str:
    """How long, as people say it."""
    return lasted(_ANY, _ANY + value)
