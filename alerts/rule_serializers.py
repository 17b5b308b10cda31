"""What the API takes and shows of rules, their previews, and on-call rotas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth.models import Group
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import User
from alerts.models import CooldownScope, Direction, OnHolidays, Rota, Rule, RuleStep, Severity, Trigger, Who
from alerts.preview import DAYS, MOST_DAYS
from alerts.rota import on_call
from alerts.rule_selectors import choosable_endpoints
from alerts.rule_values import LISTS, PLACES, RuleValues, StepValues, marker, values_of
from alerts.rule_words import describe
from cameras.models import EventKind

_TYPES: dict[str, type[Any]] = {
    "trigger": Trigger,
    "who": Who,
    "direction": Direction,
    "on_holidays": OnHolidays,
    "severity": Severity,
    "cooldown_scope": CooldownScope,
    "event_kinds": tuple,
}


class RuleStepSerializer(serializers.ModelSerializer[RuleStep]):
    """Who is told so many minutes after the alert, while nobody has acknowledged it; 0: at once."""

    users = serializers.PrimaryKeyRelatedField(many=True, queryset=User.objects.all(), required=False)
    groups = serializers.PrimaryKeyRelatedField(many=True, queryset=Group.objects.all(), required=False)
    rotas = serializers.PrimaryKeyRelatedField(many=True, queryset=Rota.objects.all(), required=False)
    endpoints = serializers.PrimaryKeyRelatedField(
        many=True, queryset=choosable_endpoints(), required=False, help_text="Places of the site."
    )

    class Meta:
        model = RuleStep
        fields = ["after_minutes", "users", "groups", "rotas", "endpoints"]


class RuleSerializer(serializers.ModelSerializer[Rule]):
    """A rule. Values that its trigger does not use are dropped. Lists that you may not see are null, and stay."""

    steps = RuleStepSerializer(many=True, required=False)
    event_kinds = serializers.ListField(
        child=serializers.ChoiceField(choices=EventKind.choices), required=False, help_text="None: all of them."
    )
    seen = serializers.CharField(
        write_only=True,
        required=False,
        max_length=64,
        help_text="The `marker` of the rule as you read it: where somebody has saved it since, nothing is changed.",
    )
    marker = serializers.SerializerMethodField(help_text="Another one after every change.")
    sentence = serializers.SerializerMethodField(help_text="The rule in words.")

    class Meta:
        model = Rule
        fields = [
            "id",
            "name",
            "enabled",
            "sentence",
            "trigger",
            "own_list",
            "who",
            "watchlists",
            "people",
            "never_people",
            "placed",
            "cameras",
            "groups",
            "zones",
            "before_cameras",
            "before_groups",
            "direction",
            "schedule",
            "time_zone",
            "holidays",
            "on_holidays",
            "quiet_hours",
            "valid_from",
            "valid_until",
            "seconds",
            "away_seconds",
            "count",
            "by_time",
            "since_time",
            "event_kinds",
            "min_similarity",
            "min_quality",
            "min_frames",
            "severity",
            "cooldown_seconds",
            "cooldown_scope",
            "bundle",
            "steps",
            "marker",
            "seen",
            "created_at",
        ]
        read_only_fields = ["own_list", "placed", "created_at"]
        extra_kwargs: ClassVar[dict[str, Any]] = {
            "name": {"validators": []},  # the service says in words that a name is taken
            "enabled": {"default": False, "help_text": "Look at the preview before you switch it on."},
            "placed": {"help_text": "It is about some places only; where all of them were removed it never fires."},
            **{name: {"required": False} for name in LISTS},
        }

    def get_marker(self, rule: Rule) -> str:
        return marker(values_of(rule))

    def get_sentence(self, rule: Rule) -> str:
        return describe(rule, hidden=self._hidden)

    def to_representation(self, instance: Rule) -> dict[str, Any]:
        shown = super().to_representation(instance)
        return shown | dict.fromkeys(self._hidden)

    def values(self) -> RuleValues:
        """What was sent, on top of what is stored. For one that is valid."""
        sent: dict[str, Any] = {name: given for name, given in self.validated_data.items() if name != "seen"}
        stored = values_of(self.instance) if isinstance(self.instance, Rule) else None
        for name in LISTS:
            if name in sent:
                sent[name] = tuple(sorted({row.pk for row in sent[name]}))
        for name, kind in _TYPES.items():
            if name in sent:
                sent[name] = kind(sent[name])
        if "steps" in sent:
            sent["steps"] = tuple(_step(one) for one in sent["steps"])
        if any(name in sent for name in PLACES):
            kept = {name: getattr(stored, name, ()) for name in PLACES}
            sent["placed"] = any((kept | sent)[name] for name in PLACES)
        return replace(stored, **sent) if stored is not None else RuleValues(**sent)

    @property
    def _hidden(self) -> frozenset[str]:
        found: frozenset[str] = self.context.get("hidden", frozenset())
        return found


def _step(given: Mapping[str, Any]) -> StepValues:
    whom = {
        one.name: tuple(row.pk for row in given.get(one.name, ()))
        for one in fields(StepValues)
        if one.name != "after_minutes"
    }
    return StepValues(after_minutes=given.get("after_minutes", 0), **whom)


class RuleFilter(serializers.Serializer[Any]):
    trigger = serializers.ChoiceField(choices=Trigger.choices, required=False)
    enabled = serializers.BooleanField(required=False, default=None, allow_null=True)


class PreviewFilter(serializers.Serializer[Any]):
    days = serializers.IntegerField(
        required=False, default=DAYS, min_value=1, max_value=MOST_DAYS, help_text="How many days to look back."
    )


class ExampleSerializer(serializers.Serializer[Any]):
    """An alert that there would have been."""

    at = serializers.DateTimeField()
    camera_name = serializers.CharField(allow_blank=True)
    person = serializers.IntegerField(allow_null=True, help_text="Null also where you may not see people.")
    person_name = serializers.CharField(allow_blank=True)
    detail = serializers.CharField(allow_blank=True)
    repeats = serializers.IntegerField(help_text="How often it would have been counted once more.")


class PreviewSerializer(serializers.Serializer[Any]):
    """What the rule would have told of in the last days."""

    days = serializers.IntegerField()
    begin = serializers.DateTimeField(help_text="From when on sightings count.")
    looked_at = serializers.IntegerField(help_text="How many sightings or events were looked at.")
    fired = serializers.IntegerField(help_text="How many alerts there would have been.")
    bundled = serializers.IntegerField(help_text="Repeats that would have been counted in these alerts.")
    silenced = serializers.IntegerField(help_text="Repeats that would have been left out.")
    summary = serializers.CharField()
    limits = serializers.ListField(child=serializers.CharField(), help_text="What could not be looked at.")
    examples = ExampleSerializer(many=True, help_text="The latest alerts; empty where you may not see sightings.")


class RotaSerializer(serializers.ModelSerializer[Rota]):
    """An on-call rota, and who is on call now."""

    members = serializers.SerializerMethodField(help_text="The users in the order of their turns.")
    on_call = serializers.SerializerMethodField(help_text="The user who is on call now; null: nobody.")

    class Meta:
        model = Rota
        fields = ["id", "name", "time_zone", "first_day", "days_each", "handover", "members", "on_call"]
        read_only_fields = fields

    @extend_schema_field({"type": "array", "items": {"type": "integer"}})
    def get_members(self, rota: Rota) -> list[int]:
        return [member.user_id for member in rota.members.all()]

    def get_on_call(self, rota: Rota) -> int | None:
        now: datetime = self.context.get("now") or timezone.now()
        user = on_call(rota, now)
        return user.pk if user is not None else None
