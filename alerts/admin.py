"""The admin pages of alerts and deliveries, and the alert rule on the page of its watchlist."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from accounts.admin import ReadOnlyAdmin, SingleInline, actor_of
from alerts import reviews, selectors, services
from alerts.models import Alert, AlertStep, Delivery, Endpoint, Review, Rota, Rule, Severity, Training
from recognition.admin import WatchlistAdmin
from recognition.models import Watchlist


class RuleInline(SingleInline):
    model = Rule
    fk_name = "own_list"
    fields = ["enabled", "severity", "cooldown_seconds"]


admin.site.unregister(Watchlist)


@admin.register(Watchlist)
class AlertingWatchlistAdmin(WatchlistAdmin):
    """A watchlist with its alert policy."""

    inlines = [RuleInline, *WatchlistAdmin.inlines]

    def get_inlines(self, request: HttpRequest, obj: Model | None) -> list[Any]:
        """The rule exists as soon as the watchlist does, so that a new one has none to show yet."""
        return [RuleInline, *WatchlistAdmin.inlines] if obj is not None else WatchlistAdmin.inlines

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        if formset.model is not Rule:
            super().save_formset(request, form, formset, change)
            return
        for rule in formset.save(commit=False):
            services.change_rule(
                actor=actor_of(request),
                rule=rule,
                enabled=rule.enabled,
                severity=Severity(rule.severity),
                cooldown_seconds=rule.cooldown_seconds,
            )


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    list_display = [
        "captured_at",
        "title",
        "rule_name",
        "watchlist_name",
        "camera_name",
        "severity",
        "similarity",
        "state",
    ]
    list_filter = ["state", "severity", "trigger", ("event", admin.EmptyFieldListFilter), "camera"]
    search_fields = ["person_name", "watchlist_name", "camera_name", "rule_name"]
    fields = [
        "rule_name",
        "trigger",
        "detail",
        "person_name",
        "watchlist_name",
        "camera_name",
        "zone_name",
        "severity",
        "similarity",
        "threshold",
        "captured_at",
        "created_at",
        "state",
        "acknowledged_by",
        "acknowledged_at",
        "assigned_to",
        "reviews_needed",
        "decided_at",
        "dismissal",
        "closed_at",
        "count",
        "last_at",
        "named_at",
        "sighting",
        "event",
    ]
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alert]:
        return selectors.alerts()


@admin.register(AlertStep)
class AlertStepAdmin(ReadOnlyAdmin):
    """What was done about alerts, by whom, and when."""

    list_display = ["at", "alert", "kind", "actor_name", "text"]
    list_filter = ["kind", "at"]
    list_select_related = ["alert__event"]
    search_fields = ["actor_name", "alert__person_name"]
    fields = ["alert", "at", "kind", "actor_name", "text"]
    show_full_result_count = False


@admin.register(Review)
class ReviewAdmin(ReadOnlyAdmin):
    """What reviewers answered, once the alert was decided: before, nobody may see it."""

    list_display = ["at", "alert", "reviewer_name", "answer"]
    list_filter = ["answer", "at"]
    list_select_related = ["alert__event"]
    search_fields = ["reviewer_name"]
    fields = ["alert", "at", "reviewer_name", "answer", "note"]
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Review]:
        return Review.objects.filter(reviews.SHOWN)


@admin.register(Training)
class TrainingAdmin(ReadOnlyAdmin):
    """Who was trained to compare faces; it is put on record on the page of trainings."""

    list_display = ["user", "course", "trained_on", "valid_until", "recorded_by"]
    list_select_related = ["user", "recorded_by"]
    fields = ["user", "course", "trained_on", "valid_until", "recorded_by"]
    show_full_result_count = False


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """What became of each message on its way. The page Deliveries sends again what was given up."""

    list_display = ["alert", "occasion", "channel", "endpoint", "user", "state", "created_at", "sent_at", "attempts"]
    list_filter = ["state", "channel", "occasion"]
    list_select_related = ["alert__event", "endpoint", "user"]
    fields = [
        "id",
        "alert",
        "occasion",
        "turn",
        "channel",
        "endpoint",
        "user",
        "group",
        "state",
        "created_at",
        "due_at",
        "attempts",
        "sent_at",
        "receipt",
    ]
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        return Delivery.objects.defer("endpoint__sealed_config")


@admin.register(Endpoint)
class EndpointAdmin(ReadOnlyAdmin):
    """The places that messages go to. Where people are told themselves is theirs to know: it is not shown."""

    list_display = ["name", "channel", "user", "goes_to", "enabled", "min_severity", "last_sent_at", "failing_since"]
    list_filter = ["channel", "enabled", ("user", admin.EmptyFieldListFilter)]
    list_select_related = ["user"]
    fields = [*list_display, "most_per_hour", "digest_minutes", "created_at"]
    show_full_result_count = False

    @admin.display(description="Goes to")
    def goes_to(self, row: Endpoint) -> str:
        return row.shown if row.user_id is None else "—"


@admin.register(Rule)
class RuleAdmin(ReadOnlyAdmin):
    """Rules are made and changed on their own pages; here they are looked up."""

    list_display = ["name", "enabled", "trigger", "severity", "page"]
    list_filter = ["enabled", "trigger", "severity"]
    search_fields = ["name"]
    fields = ["name", "page", "enabled", "trigger", "who", "severity", "cooldown_seconds", "own_list", "created_at"]

    @admin.display(description="Page")
    def page(self, rule: Rule) -> str:
        return format_html('<a href="{}">What it says</a>', reverse("rule_previewed", args=[rule.pk]))


@admin.register(Rota)
class RotaAdmin(ReadOnlyAdmin):
    """Rotas are made and changed on their own pages; here they are looked up."""

    list_display = ["name", "first_day", "days_each", "handover", "time_zone", "page"]
    search_fields = ["name"]
    fields = ["name", "page", "first_day", "days_each", "handover", "time_zone"]

    @admin.display(description="Page")
    def page(self, rota: Rota) -> str:
        return format_html('<a href="{}">Who is on call</a>', reverse("rotas"))
