"""How figures of movement are written."""

from __future__ import annotations

import math
from collections.abc import Mapping

from django import template

register = template.Library()


@register.filter
def duration(seconds: float | str | None) -> str:
    """Seconds as people say them; a dash where they are not known (nothing, or what a template makes of it)."""
    if seconds is None or isinstance(seconds, str) or not math.isfinite(seconds):
        return "—"
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if 0 < seconds < 10 and seconds != whole else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


@register.filter
def metres(value: float | None) -> str:
    """A distance as people say it."""
    if value is None:
        return "—"
    if value >= 10_000:
        return f"{value / 1000:.0f} km"
    if value >= 1000:
        return f"{value / 1000:.1f} km"
    return f"{value:.0f} m"


@register.filter
def speed(value: float | None) -> str:
    """Metres a second as they are, and as people know them."""
    if value is None:
        return "—"
    an_hour = 3.6 * value
    return f"{value:.1f} m/s ({an_hour:.0f} km/h)" if an_hour >= 10 else f"{value:.1f} m/s ({an_hour:.1f} km/h)"


@register.filter
def share(value: float | None) -> str:
    """A part of 1 as percent; what is rare is not written as 0 %."""
    if value is None or not math.isfinite(value):
        return "—"
    percent = 100 * value
    return f"{percent:.0f} %" if percent == 0 or percent >= 1 else f"{percent:.2g} %"


@register.filter
def count(value: int) -> str:
    """A whole number with its thousands apart."""
    return f"{value:,}"


@register.filter
def of(names: Mapping[int, str], pk: int) -> str:
    """What an identity is called; its number where it is gone meanwhile."""
    return names.get(pk, f"Identity {pk}")


@register.filter
def of_hundred(value: float) -> str:
    """A part of 1 as a length of 100 in a drawing."""
    return f"{100 * value:.1f}"


@register.filter
def plain(value: float) -> str:
    """A number of a drawing, whatever the language of the page writes for a decimal point."""
    return f"{value:g}"
