"""What every page writes the same way: icons, times, durations, similarities."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.forms import BoundField
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def icon(name: str) -> SafeString:
    """A symbol of static/img/icons.svg. Decoration only: the text beside it, or a label, says what it means."""
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        static("img/icons.svg"),
        name,
    )


def _absolute(moment: datetime) -> str:
    local = timezone.localtime(moment)
    return f"{local:%d %b %Y, %H:%M:%S} {local.tzname() or 'UTC'}"


@register.simple_tag
def when(moment: datetime | None) -> SafeString | str:
    """The moment in the site's time zone."""
    if moment is None:
        return "never"
    return format_html('<time datetime="{}">{}</time>', moment.isoformat(), _absolute(moment))


@register.simple_tag
def ago(moment: datetime | None) -> SafeString | str:
    """The moment; a script turns it into “12 s ago” and keeps the full time as its title."""
    if moment is None:
        return "never"
    return format_html(
        '<time datetime="{}" title="{}" data-ago>{}</time>',
        moment.isoformat(),
        _absolute(moment),
        _absolute(moment),
    )


@register.filter
def lasted(start: datetime, end: datetime) -> str:
    """How long from start to end, as people say it."""
    seconds = max(0, round((end - start).total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {seconds:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


@register.filter
def similarity(value: float | None) -> str:
    """A similarity with three decimals; it is no percentage and never written as one."""
    return "—" if value is None else f"{value:.3f}"


@register.filter
def on_scale(value: float, threshold: float) -> float:
    """Where a similarity stands on a scale of 0 to 100 whose middle is the threshold and whose end is 1."""
    half = max(1e-6, 1.0 - threshold)
    return round(min(100.0, max(0.0, 50.0 + 50.0 * (value - threshold) / half)), 1)


@register.inclusion_tag("accounts/partials/_field.html")
def field(bound: BoundField, label: str = "") -> dict[str, object]:
    """A form field with its label, help and errors, tied together for screen readers."""
    kind = getattr(bound.field.widget, "input_type", "text")
    return {"field": bound, "label": label or bound.label, "kind": kind}
