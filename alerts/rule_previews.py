"""The preview of a rule: beside its form before it is saved, and on a page of its own before it is switched on.

Who has seen a preview gets a signed word that says of which rule: what a rule is about may not change between the
preview and being switched on; who is told, and how loudly, may.
"""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.core import signing
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.htmx import PageRequest, render_page
from alerts import rule_selectors, rule_services
from alerts.models import Rule
from alerts.preview import DAYS, Preview, preview
from alerts.rule_values import RuleError, RuleValues, firing_marker, hidden_from, values_of
from alerts.rule_words import describe

_SALT = "alerts.rule.preview"
_HOURS = 12


def was_seen(request: PageRequest, values: RuleValues | None) -> bool:
    """Whether the user has seen the preview of a rule that fires as this one; raises RuleError for unusable values."""
    try:
        said = signing.loads(request.POST.get("previewed", ""), salt=_SALT, max_age=_HOURS * 3600)
    except signing.BadSignature:
        return False
    return values is not None and bool(said == [request.user.pk, firing_marker(rule_services.prepared(values))])


def stored(rule: Rule) -> RuleValues | None:
    """What is stored, where it can be used as it is."""
    try:
        return rule_services.prepared(values_of(rule))
    except RuleError:
        return None


@require_safe
@permission_required("alerts.view_rule", raise_exception=True)
def previewed_rule(request: PageRequest, pk: int) -> HttpResponse:
    """What a stored rule would have done in the last days."""
    rule = get_object_or_404(rule_selectors.rules(), pk=pk)
    context: dict[str, object] = {"rule": rule, "sentence": describe(rule, hidden=hidden_from(request.user))}
    try:
        context |= shown(request, rule_services.prepared(values_of(rule)))
    except RuleError as error:
        context["problem"] = str(error)
    return render_page(request, "alerts/rules/preview.html", context)


def shown(request: PageRequest, values: RuleValues) -> dict[str, object]:
    """The preview, without what the user's role may not see, and the word that they have seen it."""
    found: Preview = preview(values, now=timezone.now(), days=DAYS)
    return {
        "preview": found,
        "sees_sightings": request.user.has_perm("cameras.view_sighting"),
        "sees_people": request.user.has_perm("recognition.view_person"),
        "token": signing.dumps([request.user.pk, firing_marker(values)], salt=_SALT),
    }
