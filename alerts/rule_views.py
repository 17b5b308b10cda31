"""Pages about rules: the list, a new one, changing, switching and removing one."""

from __future__ import annotations

from zoneinfo import ZoneInfoNotFoundError

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.htmx import PageRequest, go_to, render_page
from accounts.ids import parse_id
from alerts import rule_previews, rule_selectors, rule_services
from alerts.models import Rule, Trigger
from alerts.rule_checks import time_zones
from alerts.rule_forms import RuleForm, initial_of, people_named
from alerts.rule_values import RuleChanged, RuleError, hidden_from
from alerts.rule_words import describe
from alerts.rules.when import zone_of
from cameras.weeks import Plan, plan
from recognition.errors import RecognitionError
from recognition.models import Category, Watchlist

_PAGE = 50
_FINDS = ("find_people", "find_never")


@require_safe
@permission_required("alerts.view_rule", raise_exception=True)
def rules(request: PageRequest) -> HttpResponse:
    """All rules in words, with what they led to lately and what is wrong with them."""
    text, trigger = request.GET.get("name", "").replace("\x00", "")[:200], request.GET.get("trigger", "")
    found = rule_selectors.rules(search=text, trigger=trigger)
    page = Paginator(found, _PAGE).get_page(request.GET.get("page"))
    shown = rule_selectors.rows(list(page), now=timezone.now(), hidden=hidden_from(request.user))
    context = {"page": page, "rows": shown, "text": text, "trigger": trigger, "triggers": Trigger.choices}
    return render_page(request, "alerts/rules/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("alerts.add_rule", raise_exception=True)
def add_rule(request: PageRequest) -> HttpResponse:
    """Makes a rule. It is switched on only by who has seen what it would have done."""
    if request.method == "POST":
        return _saved(request, RuleForm(request.POST, user=request.user), None)
    wanted = parse_id(request.GET.get("watchlist"))
    may_see = request.user.has_perm("recognition.view_watchlist")
    watchlist = Watchlist.objects.filter(pk=wanted).first() if wanted is not None and may_see else None
    initial, escalate = initial_of(request.GET.get("category", ""), watchlist)
    form = RuleForm(user=request.user, initial=initial, escalate_minutes=escalate)
    return form_page(request, form, None)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("alerts.change_rule", raise_exception=True)
def edit_rule(request: PageRequest, pk: int) -> HttpResponse:
    """Changes a rule; who had it open while somebody else saved it is told so."""
    rule = get_object_or_404(Rule, pk=pk)
    form = RuleForm(request.POST if request.method == "POST" else None, user=request.user, rule=rule)
    return _saved(request, form, rule) if request.method == "POST" else form_page(request, form, rule)


@require_POST
@permission_required("alerts.change_rule", raise_exception=True)
def enable_rule(request: PageRequest, pk: int) -> HttpResponse:
    """Switches a rule off, or on where its preview was seen; else shows that first."""
    rule, enabled = get_object_or_404(Rule, pk=pk), request.POST.get("enabled")
    if enabled not in ("0", "1"):
        return HttpResponseBadRequest("Say with “enabled” whether the rule shall be on (1) or off (0).")
    if enabled == "1" and not rule_previews.was_seen(request, rule_previews.stored(rule)):
        messages.info(request, f"Look first at what {rule.name} would have done. Then switch it on.")
        return go_to(request, reverse("rule_previewed", args=[pk]))
    rule_services.set_enabled(actor=request.user, rule=rule, enabled=enabled == "1")
    messages.success(request, f"{rule.name} is switched {'on' if enabled == '1' else 'off'}.")
    return go_to(request, reverse("rules"))


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("alerts.delete_rule", raise_exception=True)
def remove_rule(request: PageRequest, pk: int) -> HttpResponse:
    """Asks, and then removes a rule."""
    rule = get_object_or_404(rule_selectors.rules(), pk=pk)
    problem = ""
    if request.method == "POST":
        name = rule.name
        try:
            rule_services.remove_rule(actor=request.user, rule=rule)
        except RecognitionError as error:
            problem = str(error)
        else:
            messages.success(request, f"{name} was removed. Its alerts are kept.")
            return go_to(request, reverse("rules"))
    sentence = describe(rule, hidden=hidden_from(request.user))
    context = {"rule": rule, "sentence": sentence, "problem": problem, "waiting": rule_selectors.escalating(rule)}
    return render_page(request, "alerts/rules/remove.html", context)


@require_POST
def try_rule(request: PageRequest) -> HttpResponse:
    """What the rule that is being typed would have done; saves nothing."""
    pk = parse_id(request.GET.get("rule"))
    if not request.user.has_perm("alerts.add_rule" if pk is None else "alerts.change_rule"):
        raise PermissionDenied
    rule = get_object_or_404(Rule, pk=pk) if pk is not None else None
    form = RuleForm(request.POST, user=request.user, rule=rule)
    context: dict[str, object] = {"asked": True}
    if form.is_valid():
        try:
            context |= rule_previews.shown(request, rule_services.prepared(form.values_with(enabled=False)))
        except RuleError as error:
            form.add_problem(error)
    return form_page(request, form, rule, **context)


@require_safe
def schedule_said(request: PageRequest) -> HttpResponse:
    """What a schedule that is being typed means, in the time zone that was typed."""
    _refuse_who_edits_nothing(request)
    said = _plan(request.GET.get("schedule", ""), request.GET.get("time_zone", ""))
    return render_page(request, "cameras/partials/_plan.html", {"plan": said, "always": "Always."})


@require_safe
@permission_required("recognition.view_person", raise_exception=True)
def find_people(request: PageRequest) -> HttpResponse:
    """People by a part of their name, to be ticked in the form of a rule."""
    _refuse_who_edits_nothing(request)
    field = "never_people" if "find_never" in request.GET else "people"
    text = request.GET.get("find_never" if field == "never_people" else "find_people", "")
    found = people_named(text, frozenset(request.GET.getlist(field)))
    return render_page(request, "alerts/rules/_found.html", {"found": found, "field": field, "text": text.strip()})


def form_page(request: PageRequest, form: RuleForm, rule: Rule | None, **more: object) -> HttpResponse:
    """The form, whole, or its preview where HTMX asks for that."""
    context = {
        "form": form,
        "rule": rule,
        "plan": _plan(str(form["schedule"].value() or ""), str(form["time_zone"].value() or "")),
        "time_zones": sorted(time_zones()),
        "categories": Category.choices,
        "finding": request.POST.get("find") in _FINDS,
    }
    return render_page(request, "alerts/rules/form.html", context | more, partial="preview")


def _plan(text: str, name: str) -> Plan:
    try:
        zone = zone_of(name.strip())
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return Plan(problem=f"There is no time zone “{name[:64]}”. Zones are called as in Europe/Berlin.", days=[])
    return plan(text[:1000], timezone.now(), zone)


def _refuse_who_edits_nothing(request: PageRequest) -> None:
    if not (request.user.has_perm("alerts.add_rule") or request.user.has_perm("alerts.change_rule")):
        raise PermissionDenied


def _saved(request: PageRequest, form: RuleForm, rule: Rule | None) -> HttpResponse:
    """Saves what was sent and goes to the list, or shows the form with what is wrong."""
    if request.POST.get("find") in _FINDS:  # without scripts the whole form comes back with who was found
        form.is_valid()
        form.forget_problems()
        return form_page(request, form, rule)
    if not form.is_valid():
        return form_page(request, form, rule)
    try:
        values = form.values_with(enabled=False)
        wants_on = request.POST.get("enabled") == "1"
        may_be_on = (rule is not None and rule.enabled) or rule_previews.was_seen(request, values)
        row = rule_services.save_rule(
            actor=request.user,
            rule=rule,
            values=form.values_with(enabled=wants_on and may_be_on),
            seen=form.marker_seen,
        )
    except RuleChanged as error:
        form.add_problem(error)
        return form_page(request, form, rule, is_stale=True)
    except RecognitionError as error:
        form.add_problem(error)
        return form_page(request, form, rule)
    messages.success(request, f"{row.name} was saved and is switched {'on' if row.enabled else 'off'}.")
    if wants_on and not row.enabled:
        messages.warning(request, "It was changed after its preview. Look at the preview once more to switch it on.")
    return go_to(request, reverse("rules"))
