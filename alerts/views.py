"""The dashboard, the list of alerts, one alert, and its acknowledgement."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from accounts.htmx import PageRequest, render_page, wants_partial
from accounts.ids import parse_id
from alerts import selectors, services
from alerts.feed import Filters
from alerts.models import Alert, AlertState
from cameras.models import Camera
from cameras.tiles import tiles
from recognition.models import Person, Template, Watchlist

ON_DASHBOARD = 50
A_PAGE = 50
_CHOICES = 200


@require_safe
@permission_required(["cameras.view_camera", "alerts.view_alert"], raise_exception=True)
def dashboard(request: PageRequest) -> HttpResponse:
    """What the cameras see, and whom they recognised."""
    cursor = selectors.newest_id()  # before the list: what comes after it is pushed to the page
    context = {
        "cursor": cursor,
        "alerts": selectors.alerts().filter(id__lte=cursor)[:ON_DASHBOARD],
        "keep": ON_DASHBOARD,
        "feed": Filters(),
        "tiles": tiles(),
        "any_watchlist": Watchlist.objects.exists(),
        "anybody_enrolled": Template.objects.exists(),
        "may_acknowledge": request.user.has_perm("alerts.change_alert"),
    }
    return render_page(request, "alerts/dashboard.html", context)


@require_safe
@permission_required("alerts.view_alert", raise_exception=True)
def alert_list(request: PageRequest) -> HttpResponse:
    """All alerts, newest first, filtered by the address. `before` goes on where a page ended."""
    cursor = selectors.newest_id()
    filters = Filters.parse(request.GET.get("state"), request.GET.get("person"), request.GET.get("camera"))
    before = parse_id(request.GET.get("before"))
    found = selectors.alerts(state=filters.state, person=filters.person, camera=filters.camera)
    found = found.filter(id__lt=before) if before is not None else found.filter(id__lte=cursor)
    rows = list(found[: A_PAGE + 1])
    context = {
        "cursor": cursor,
        "alerts": rows[:A_PAGE],
        "next": rows[A_PAGE - 1].pk if len(rows) > A_PAGE else None,
        "keep": 200,
        "feed": filters if before is None else None,
        "filters": filters,
        "states": AlertState.choices,
        "people": Person.objects.filter(alerts__isnull=False).distinct()[:_CHOICES],
        "cameras": Camera.objects.all()[:_CHOICES],
        "may_acknowledge": request.user.has_perm("alerts.change_alert"),
    }
    return render_page(request, "alerts/list.html", context, partial="rows")


@require_safe
@permission_required("alerts.view_alert", raise_exception=True)
def alert(request: PageRequest, pk: int) -> HttpResponse:
    """One alert: both pictures, what the similarity means, and who dealt with it."""
    context = {
        "alert": get_object_or_404(selectors.alerts().select_related("rule__watchlist"), pk=pk),
        "may_acknowledge": request.user.has_perm("alerts.change_alert"),
    }
    return render_page(request, "alerts/detail.html", context)


@require_POST
@permission_required("alerts.change_alert", raise_exception=True)
def acknowledge(request: PageRequest, pk: int) -> HttpResponse:
    """Marks an alert as seen. Where somebody was faster, it says who."""
    row = get_object_or_404(Alert, pk=pk)
    done = services.acknowledge(actor=request.user, alert=row)
    row = get_object_or_404(selectors.alerts(), pk=pk)
    if wants_partial(request):
        context = {"alert": row, "may_acknowledge": True, "count": selectors.open_count()}
        return render_page(request, "alerts/partials/_acknowledged.html", context)
    if done:
        messages.success(request, "The alert is acknowledged.")
    else:
        messages.info(request, "Somebody acknowledged this alert before you.")
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return HttpResponseRedirect(back if safe else reverse("alert", args=[pk]))
