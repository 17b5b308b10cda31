"""The only writer of rules: saves them with their lists and steps, switches them, removes them.

Every change is checked and told to the audit trail with what was changed, never with whom it is about.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Final

from accounts.models import User
from accounts.services import Actor, record
from alerts.models import Endpoint, Rule, RuleStep
from alerts.rule_checks import check
from alerts.rule_values import (
    COLUMNS,
    LISTS,
    PLACES,
    RuleChanged,
    RuleError,
    RuleValues,
    StepValues,
    hidden_from,
    marker,
    tidied,
    values_of,
)
from config.transactions import brief_transaction
from recognition.errors import RecognitionError
from recognition.names import clean_name, unique_name

_TEXTS: Final = ("schedule", "quiet_hours", "time_zone", "holidays")
_CHANGED = (
    "Somebody else saved this rule while you had it open. Nothing of yours was saved: open it again, and make your"
    " changes to what it says now."
)


@brief_transaction()
def save_rule(*, actor: Actor, rule: Rule | None, values: RuleValues, seen: str = "") -> Rule:
    """Makes a rule, or makes it be as the values say.

    `seen` is the marker of the rule as the actor saw it. Raises RuleError where a value can not be used, RuleChanged
    where somebody saved another rule since, RecognitionError where the name is taken.
    """
    before = _locked(rule, seen) if rule is not None else None
    check_hidden(actor, before, values)
    wanted = prepared(values)
    if rule is not None:
        _check_own_list(rule, wanted)
    row = rule or Rule()
    for name in COLUMNS:
        setattr(row, name, getattr(wanted, name))
    row.event_kinds = list(wanted.event_kinds)
    row.placed = wanted.placed
    row.before_placed = bool(wanted.before_cameras or wanted.before_groups)
    with unique_name("rule", wanted.name):
        row.save()
    for name in LISTS:
        getattr(row, name).set(getattr(wanted, name))
    if before is None or before.steps != wanted.steps:
        _write_steps(row, wanted.steps)
    verb = "created" if before is None else "changed"
    changed = [] if before is None else _difference(before, wanted)
    record(actor=actor, verb=verb, target=f"rule {row.pk}", name=row.name, enabled=row.enabled, changed=changed)
    return row


def prepared(values: RuleValues) -> RuleValues:
    """The values as they are stored, checked; raises RuleError."""
    try:
        name = clean_name(values.name)
    except RecognitionError as error:
        raise RuleError("name", str(error)) from None
    texts = {one: " ".join(getattr(values, one).split()) for one in _TEXTS}
    texts["holidays"] = texts["holidays"].upper()
    lists = {one: tuple(sorted(set(getattr(values, one)))) for one in LISTS}
    placed = values.placed or any(lists[one] for one in PLACES)
    steps = tuple(sorted((_sorted(step) for step in values.steps), key=lambda step: step.after_minutes))
    kinds = tuple(sorted(set(values.event_kinds)))
    wanted = tidied(
        replace(values, name=name, placed=placed, steps=steps, event_kinds=kinds, **texts, **lists)  # type: ignore[arg-type]
    )
    check(wanted)
    return wanted


def check_hidden(actor: Actor, before: RuleValues | None, wanted: RuleValues) -> None:
    """Nobody chooses or takes off what they may not see; raises RuleError."""
    if not isinstance(actor, User):
        return
    for name in sorted(hidden_from(actor)):
        if set(getattr(wanted, name)) != set(getattr(before, name) if before is not None else ()):
            raise RuleError(name, "Your role may not see these, and so can not change them. Leave them as they are.")


@brief_transaction()
def set_enabled(*, actor: Actor, rule: Rule, enabled: bool) -> Rule:
    """Switches a rule on or off."""
    if Rule.objects.filter(pk=rule.pk).exclude(enabled=enabled).update(enabled=enabled):
        verb = "enabled" if enabled else "disabled"
        record(actor=actor, verb=verb, target=f"rule {rule.pk}", name=rule.name)
    rule.enabled = enabled
    return rule


@brief_transaction()
def remove_rule(*, actor: Actor, rule: Rule) -> None:
    """Removes a rule; its alerts stay. Raises RecognitionError for a watchlist's own rule."""
    if rule.own_list is not None:
        raise RecognitionError(
            f"This is the rule of the watchlist “{rule.own_list}”, and goes when that goes. Switch it off instead."
        )
    target, name = f"rule {rule.pk}", rule.name
    rule.delete()
    record(actor=actor, verb="deleted", target=target, name=name)


def _locked(rule: Rule, seen: str) -> RuleValues:
    """What is stored of the rule; nobody else saves it until the transaction is over."""
    row = Rule.objects.select_for_update(of=("self",)).filter(pk=rule.pk).first()
    if row is None:
        raise RuleChanged("Somebody removed this rule while you had it open. Nothing was saved.")
    now = values_of(row)
    if seen and marker(now) != seen:
        raise RuleChanged(_CHANGED)
    return now


def _check_own_list(rule: Rule, wanted: RuleValues) -> None:
    if rule.own_list_id is not None and rule.own_list_id not in wanted.watchlists:
        raise RuleError(
            "watchlists",
            f"This is the rule of the watchlist “{rule.own_list}”, and stays about it. Switch it off, or make another"
            " rule.",
        )


def _sorted(step: StepValues) -> StepValues:
    return replace(
        step,
        users=tuple(sorted(set(step.users))),
        groups=tuple(sorted(set(step.groups))),
        rotas=tuple(sorted(set(step.rotas))),
        endpoints=tuple(sorted(set(step.endpoints))),
    )


def _write_steps(rule: Rule, steps: tuple[StepValues, ...]) -> None:
    rule.steps.all().delete()
    for step in steps:
        row = RuleStep.objects.create(rule=rule, after_minutes=step.after_minutes)
        row.users.set(step.users)
        row.groups.set(step.groups)
        row.rotas.set(step.rotas)
        row.endpoints.set(Endpoint.objects.filter(pk__in=step.endpoints))


def _difference(before: RuleValues, after: RuleValues) -> list[str]:
    return [one.name for one in fields(RuleValues) if getattr(before, one.name) != getattr(after, one.name)]
