"""What the watchlists ask of the alerts about their people: the list, and changing one."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.htmx import PageRequest, go_to, render_page
from alerts import policies
from alerts.channel_forms import PolicyForm
from recognition.models import Watchlist


@require_safe
@permission_required("alerts.view_listpolicy", raise_exception=True)
def list_policies(request: PageRequest) -> HttpResponse:
    """All watchlists with what they ask."""
    found = Watchlist.objects.select_related("policy").order_by("name")
    return render_page(request, "alerts/channels/policies.html", {"watchlists": found})


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("alerts.change_listpolicy", raise_exception=True)
def list_policy(request: PageRequest, pk: int) -> HttpResponse:
    """Changes what a watchlist asks."""
    watchlist = get_object_or_404(Watchlist, pk=pk)
    policy = policies.policy_of(watchlist)
    form = PolicyForm(
        request.POST if request.method == "POST" else None, instance=policy
    )  # nothing ticked is an answer
    if request.method == "POST" and form.is_valid():
        policies.change_policy(actor=request.user, policy=policy, **form.cleaned_data)
        messages.success(request, f"The policy of {watchlist.name} was saved.")
        return go_to(request, reverse("list_policies"))
    return render_page(request, "alerts/channels/policy.html", {"form": form, "watchlist": watchlist})
