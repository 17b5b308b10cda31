"""What became of each message, and sending again what was given up."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.htmx import PageRequest, go_to, render_page
from alerts import delivery_selectors, outbox
from alerts.delivery_selectors import Cursor
from alerts.models import Channel, DeliveryState

A_PAGE = 50
AT_ONCE = 500  # sent again by one press


@require_safe
@permission_required("alerts.view_delivery", raise_exception=True)
def deliveries(request: PageRequest) -> HttpResponse:
    """The messages, newest first, filtered by the address. `after` goes on where a page ended."""
    state, channel = _state(request.GET.get("state")), _channel(request.GET.get("channel"))
    after = Cursor.parse(request.GET.get("after"))
    rows = delivery_selectors.deliveries(state=state, channel=channel, after=after, most=A_PAGE + 1)
    last = rows[A_PAGE - 1] if len(rows) > A_PAGE else None
    shown = rows[:A_PAGE]
    for row in shown:
        row.error = delivery_selectors.error_for(row, request.user)
    context = {
        "deliveries": shown,
        "next": str(Cursor(created_at=last.created_at, id=last.pk)) if last is not None else "",
        "state": state,
        "channel": channel,
        "states": DeliveryState.choices,
        "channels": Channel.choices,
        "may_resend": request.user.has_perm("alerts.change_delivery"),
        "most_at_once": AT_ONCE,
        "dead": delivery_selectors.given_up(channel)[: AT_ONCE + 1].count(),
    }
    return render_page(request, "alerts/channels/deliveries.html", context, partial="rows")


@require_POST
@permission_required("alerts.change_delivery", raise_exception=True)
def resend(request: PageRequest) -> HttpResponse:
    """Sends again what was given up: `only` one, the chosen ones (`delivery`), or all of the filter (`every`)."""
    state, channel = _state(request.POST.get("state")), _channel(request.POST.get("channel"))
    found = delivery_selectors.given_up(channel)
    if "every" not in request.POST:
        only = request.POST.get("only")
        found = found.filter(pk__in=_ids([only] if only is not None else request.POST.getlist("delivery")))
    count = sum(outbox.resend(actor=request.user, delivery=row) for row in list(found[:AT_ONCE]))
    if count:
        messages.success(request, f"{count} message{'s go' if count > 1 else ' goes'} out again.")
    else:
        messages.info(request, "Nothing was sent again: none was chosen, or they are on their way already.")
    filters = {"state": state.value if state else "", "channel": channel.value if channel else ""}
    query = urlencode({name: value for name, value in filters.items() if value})
    return go_to(request, reverse("deliveries") + (f"?{query}" if query else ""))


def _state(text: str | None) -> DeliveryState | None:
    return DeliveryState(text) if text in DeliveryState.values else None


def _channel(text: str | None) -> Channel | None:
    return Channel(text) if text in Channel.values else None


def _ids(texts: Iterable[str]) -> list[UUID]:
    found: list[UUID] = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found
