"""The dashboard and the list of alerts (one alert: `alerts.alert_views`)."""

from __future__ import annotations

import json

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from accounts.htmx import PageRequest, render_page, wants_partial
from accounts.ids import parse_id
from accounts.models import User
from alerts import lifecycle, selectors
from alerts.feed import May, item
from alerts.filters import STATES, Filters
from alerts.models import Dismissal, Rule, Severity, Trigger
from cameras.models import Camera
from cameras.tiles import tiles
from recognition.models import Person, Template, Watchlist

ON_DASHBOARD = 50
A_PAGE = 50
MOST_AT_ONCE = 500  # that can be acknowledged together
_CHOICES = 200


@require_safe
@permission_required(["cameras.view_camera", "alerts.view_alert"], raise_exception=True)
def dashboard(request: PageRequest) -> HttpResponse:
    """What the cameras see, and whom they recognised."""
    head = selectors.head()  # before the list: what comes after it is pushed to the page
    context = {
        "cursor": head,
        "alerts": selectors.alerts().filter(id__lte=head.newest)[:ON_DASHBOARD],
        "keep": ON_DASHBOARD,
        "feed": "{}",
        "is_live": True,
        "tiles": tiles(),
        "any_watchlist": Watchlist.objects.exists(),
        "anybody_enrolled": Template.objects.exists(),
        "dismissals": Dismissal.choices,
        **_may(request.user),
    }
    return render_page(request, "alerts/dashboard.html", context)


@require_safe
@permission_required("alerts.view_alert", raise_exception=True)
def alert_list(request: PageRequest) -> HttpResponse:
    """All alerts, newest first, filtered by the address. `before` goes on where a page ended."""
    head = selectors.head()
    filters = Filters.parse(request.GET.dict())
    before = parse_id(request.GET.get("before"))
    found = filters.rows(selectors.alerts(), request.user.pk)
    found = found.filter(id__lt=before) if before is not None else found.filter(id__lte=head.newest)
    rows = list(found[: A_PAGE + 1])
    context = {
        "cursor": head,
        "alerts": rows[:A_PAGE],
        "next": rows[A_PAGE - 1].pk if len(rows) > A_PAGE else None,
        "keep": 200,
        "feed": json.dumps(filters.said()),
        "is_live": before is None,
        "filters": filters,
        "states": STATES,
        "severities": Severity.choices[::-1],
        "triggers": Trigger.choices,
        "people": Person.objects.filter(alerts__isnull=False).distinct()[:_CHOICES],
        "cameras": Camera.objects.all()[:_CHOICES],
        "watchlists": Watchlist.objects.all()[:_CHOICES],
        "rules": Rule.objects.all()[:_CHOICES],
        "dismissals": Dismissal.choices,
        **_may(request.user),
    }
    return render_page(request, "alerts/list.html", context, partial="rows")


@require_POST
@permission_required("alerts.change_alert", raise_exception=True)
def acknowledge_selected(request: PageRequest) -> HttpResponse:
    """Marks the selected alerts as seen."""
    given = [pk for pk in map(parse_id, request.POST.getlist("alert")[:MOST_AT_ONCE]) if pk is not None]
    done = lifecycle.acknowledge_many(actor=request.user, alert_ids=given)
    if wants_partial(request):
        may = May(acknowledge=True, review=request.user.has_perm("alerts.review_alert"))
        items = [item(row, may) for row in selectors.alerts().filter(pk__in=given)]
        context = {"items": items, "counts": selectors.counts()}
        return render_page(request, "alerts/partials/_push.html", context)
    others = len(set(given)) - len(done)
    if done:
        messages.success(request, f"{_alerts(len(done))} acknowledged.")
    if others:
        messages.info(request, f"{_alerts(others)} acknowledged by somebody else before, or gone.")
    if not given:
        messages.info(request, "No alert was selected. Select some with their boxes first.")
    return HttpResponseRedirect(_back(request) or reverse("alerts"))


def _may(user: User) -> dict[str, bool]:
    """What the buttons of alerts depend on."""
    return {
        "may_acknowledge": user.has_perm("alerts.change_alert"),
        "may_review": user.has_perm("alerts.review_alert"),
    }


def _back(request: PageRequest) -> str:
    """Where the form wants to go on, if that is a page of this site."""
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return back if safe else ""


def _alerts(number: int) -> str:
    return "1 alert was" if number == 1 else f"{number} alerts were"
