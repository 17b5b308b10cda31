"""How figures about alerts are written."""

from __future__ import annotations

from django import template

from alerts.figures import Rate

register = template.Library()


@register.filter
def rate(value: Rate) -> str:
    """Such as “3 of 120 (2.5 %)”."""
    if not value.of:
        return "nothing to divide by"
    return f"{value.count:,} of {value.of:,} ({_percent(value.count / value.of)})"


@register.filter
def interval(value: Rate) -> str:
    """Between which shares the true one lies; nothing where nothing was counted."""
    return f"{_percent(value.low)} to {_percent(value.high)}" if value.of else ""


@register.filter
def seconds(value: float | None) -> str:
    """A span as people say it."""
    if value is None:
        return "—"
    if value < 60:
        return f"{value:.0f} s"
    minutes = round(value / 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{round(minutes / 60)} h"


@register.filter
def unlocalised(value: float) -> str:
    """A number of a drawing, whatever the language of the page writes for a decimal point."""
    return f"{value:g}"


def _percent(share: float) -> str:
    """Two digits that count, so that a rare event is not written as 0 %."""
    percent = 100 * share
    if percent == 0 or percent >= 10:
        return f"{percent:.0f} %"
    return f"{percent:.2g} %"
