"""Pages about on-call rotas: who is on call now and in the next weeks, a new one, changing and removing one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from accounts.htmx import PageRequest, go_to, render_page
from alerts import rota_services
from alerts.models import Rota, Rule
from alerts.rota import Turn, turns
from alerts.rota_forms import RotaForm
from alerts.rule_checks import time_zones
from alerts.rule_values import RuleChanged
from recognition.errors import RecognitionError

_AHEAD: Final = timedelta(weeks=4)
_MOST_TURNS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RotaRow:
    """A rota as the list shows it: the turn of now, those that follow, and which rules tell who is on call."""

    rota: Rota
    turns: list[Turn]
    rules: list[Rule]


@require_safe
@permission_required("alerts.view_rota", raise_exception=True)
def rotas(request: PageRequest) -> HttpResponse:
    """All rotas, with who is on call."""
    now = timezone.now()
    rows = [
        RotaRow(rota=rota, turns=turns(rota, now, now + _AHEAD)[:_MOST_TURNS], rules=_rules_with(rota))
        for rota in Rota.objects.all()
    ]
    return render_page(request, "alerts/rules/rotas.html", {"rows": rows})


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("alerts.add_rota", raise_exception=True)
def add_rota(request: PageRequest) -> HttpResponse:
    """Makes a rota."""
    return _form(request, None)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("alerts.change_rota", raise_exception=True)
def edit_rota(request: PageRequest, pk: int) -> HttpResponse:
    """Changes a rota."""
    return _form(request, get_object_or_404(Rota, pk=pk))


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("alerts.delete_rota", raise_exception=True)
def remove_rota(request: PageRequest, pk: int) -> HttpResponse:
    """Asks, and then removes a rota."""
    rota = get_object_or_404(Rota, pk=pk)
    if request.method == "POST":
        name = rota.name
        rota_services.remove_rota(actor=request.user, rota=rota)
        messages.success(request, f"{name} was removed.")
        return go_to(request, reverse("rotas"))
    return render_page(request, "alerts/rules/rota_remove.html", {"rota": rota, "rules": _rules_with(rota)})


def _form(request: PageRequest, rota: Rota | None) -> HttpResponse:
    initial = {} if rota is not None else {"initial": {"first_day": timezone.localdate()}}
    form = RotaForm(request.POST if request.method == "POST" else None, rota=rota, **initial)
    is_stale = False
    if request.method == "POST" and form.is_valid():
        try:
            row = rota_services.save_rota(
                actor=request.user, rota=rota, values=form.values, seen=form.cleaned_data["seen"]
            )
        except RecognitionError as error:
            form.add_problem(error)
            is_stale = isinstance(error, RuleChanged)
        else:
            messages.success(request, f"{row.name} was saved.")
            return go_to(request, reverse("rotas"))
    context = {"form": form, "rota": rota, "time_zones": sorted(time_zones()), "is_stale": is_stale}
    return render_page(request, "alerts/rules/rota_form.html", context)


def _rules_with(rota: Rota) -> list[Rule]:
    return list(Rule.objects.filter(steps__rotas=rota).distinct())
