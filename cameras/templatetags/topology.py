"""Spans, shares and clocks as pages about ways and following say them."""

from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def seconds(span: float) -> str:
    """A span as people say it; one below 0 is that of who was at both at once."""
    sign, whole = ("-" if span < 0 else ""), abs(span)
    if whole < 120:
        return f"{sign}{whole:.0f} s"
    return f"{sign}{whole / 60:.0f} min" if whole < 7200 else f"{sign}{whole / 3600:.1f} h"


@register.filter
def off_by(offset: float) -> str:
    """How far a clock is from the right one."""
    return f"{seconds(abs(offset))} {'ahead' if offset > 0 else 'behind'}"


@register.filter
def percent(share: float) -> str:
    """A share of 1 in whole percent; what is there is never nothing."""
    return f"{max(1, round(100 * share))} %"
