"""How one is told oneself: one's own places. Nobody else sees them."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.htmx import PageRequest, render_page
from alerts import channel_views, delivery_selectors, endpoints, pushing, trials
from alerts.channel_forms import EndpointForm
from alerts.channels import base
from alerts.models import Channel, Endpoint


@require_safe
@permission_required("alerts.view_alert", raise_exception=True)
def my_notifications(request: PageRequest) -> HttpResponse:
    """One's own places, and the button that makes this browser one of them."""
    found = delivery_selectors.places(Endpoint.objects.filter(user=request.user))
    kinds = [kind for kind in endpoints.channels(personal=True) if kind is not Channel.PUSH]
    context = {
        "places": found,
        "kinds": [(kind, channel_views.ABOUT[kind]) for kind in kinds],
        "push_key": pushing.public_key(),
        "marks": pushing.marks([place.endpoint for place in found]),
        "may_change": True,
    }
    return render_page(request, "alerts/channels/mine.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("alerts.view_alert", raise_exception=True)
def add_notification(request: PageRequest, kind: str) -> HttpResponse:
    """Adds a place of one's own."""
    kinds = [channel for channel in endpoints.channels(personal=True) if channel is not Channel.PUSH]
    channel = channel_views.chosen(kind, kinds)
    form = EndpointForm(request.POST or None, sender=base.sender(channel), name=f"My {_NAMES.get(channel, 'place')}")
    if request.method == "POST" and form.is_valid():
        row = channel_views.save(request.user, form, channel=channel, endpoint=None, user=request.user)
        if row is not None:
            return channel_views.added(request, row, form, own=True)
    return channel_views.form_page(request, form, channel=channel, endpoint=None, own=True)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("alerts.view_alert", raise_exception=True)
def edit_notification(request: PageRequest, pk: UUID) -> HttpResponse:
    """Changes a place of one's own."""
    return channel_views.edit(request, _mine(request, pk), own=True)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("alerts.view_alert", raise_exception=True)
def remove_notification(request: PageRequest, pk: UUID) -> HttpResponse:
    """Asks, and then removes a place of one's own."""
    return channel_views.remove(request, _mine(request, pk), own=True)


@require_POST
@permission_required("alerts.view_alert", raise_exception=True)
def test_notification(request: PageRequest, pk: UUID) -> HttpResponse:
    """Sends a test message to a place of one's own and says what became of it."""
    row = _mine(request, pk)
    problem = trials.send_test(actor=request.user, endpoint=row)
    return channel_views.tested(request, row, problem, back=reverse("my_notifications"))


_NAMES = {Channel.EMAIL: "email", Channel.SMS: "phone", Channel.CHAT: "chat"}


def _mine(request: PageRequest, pk: UUID) -> Endpoint:
    return get_object_or_404(Endpoint, pk=pk, user=request.user)
