"""What alerts as a whole rest on: how good they are, who may review them, and which mistakes are remembered."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.htmx import PageRequest, go_to, render_page
from accounts.ids import parse_id
from alerts import feedback, reviews
from alerts import figures as counted
from alerts.alert_forms import TrainingForm
from alerts.errors import AlertError
from alerts.models import NotThisPerson, Rule, Training
from cameras.models import Camera
from recognition.models import Watchlist

_A_PAGE = 24
_CHOICES = 200


@require_safe
@permission_required("alerts.view_alert", raise_exception=True)
def figures(request: PageRequest) -> HttpResponse:
    """How many alerts were right, how many were about the wrong person, and how fast somebody looked."""
    asked = request.GET
    days = parse_id(asked.get("days"))
    by = asked.get("by", "")
    span = counted.Span(
        days=days if days in counted.DAYS else 30,
        watchlist=parse_id(asked.get("watchlist")),
        camera=parse_id(asked.get("camera")),
        rule=parse_id(asked.get("rule")),
    )
    by = by if by in counted.GROUPS else "watchlist"
    found = counted.overview(span, by=by)
    context = {
        "span": span,
        "by": by,
        "groups": [(name, name.capitalize()) for name in counted.GROUPS],
        "all_days": counted.DAYS,
        "found": found,
        "bars": counted.bars(found.days),
        "most": max(day.alerts for day in found.days),
        "width": counted.WIDTH,
        "height": counted.HEIGHT,
        "watchlists": Watchlist.objects.all()[:_CHOICES],
        "cameras": Camera.objects.all()[:_CHOICES],
        "rules": Rule.objects.all()[:_CHOICES],
    }
    return render_page(request, "alerts/figures.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("alerts.view_training", raise_exception=True)
def trainings(request: PageRequest) -> HttpResponse:
    """Who was trained to compare faces and may review alerts; here it is put on record."""
    may_record = request.user.has_perm("alerts.add_training")
    if request.method == "POST" and not may_record:
        raise PermissionDenied
    form = TrainingForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = reviews.record_training(actor=request.user, **form.cleaned_data)
        except AlertError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"The training of {made.user.get_username()} is on record.")
            return go_to(request, reverse("trainings"))
    rows = Training.objects.select_related("user", "recorded_by").order_by("user__username")
    reviewers = set(reviews.with_the_right().values_list("pk", flat=True))
    context = {
        "form": form if may_record else None,
        "trainings": [(row, row.user_id in reviewers) for row in rows],
        "today": timezone.localdate(),
    }
    return render_page(request, "alerts/trainings.html", context)


@require_POST
@permission_required("alerts.delete_training", raise_exception=True)
def withdraw_training(request: PageRequest, pk: int) -> HttpResponse:
    """Takes a record of training away."""
    row = get_object_or_404(Training.objects.select_related("user"), pk=pk)
    reviews.withdraw_training(actor=request.user, training=row)
    messages.success(request, f"{row.user.get_username()} answers no reviews from now on.")
    return go_to(request, reverse("trainings"))


@require_safe
@permission_required("alerts.view_alert", raise_exception=True)
def mistakes(request: PageRequest) -> HttpResponse:
    """The faces that are remembered because somebody said that they are not the person they were taken for."""
    now = timezone.now()
    kept = NotThisPerson.objects.filter(expires_at__gt=now).defer("sealed")
    kept = kept.select_related("person", "alert", "said_by").order_by("-said_at", "id")
    page = Paginator(kept, _A_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "may_forget": request.user.has_perm("alerts.change_alert")}
    return render_page(request, "alerts/mistakes.html", context)


@require_POST
@permission_required("alerts.change_alert", raise_exception=True)
def forget_mistake(request: PageRequest, pk: UUID) -> HttpResponse:
    """Lets the face be taken for the person again."""
    row = get_object_or_404(NotThisPerson.objects.defer("sealed").select_related("person"), pk=pk)
    feedback.forget(actor=request.user, mistake=row)
    messages.success(request, f"The face is forgotten: it may cause alerts about {row.person.name} again.")
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return HttpResponseRedirect(back if safe else reverse("mistakes"))
