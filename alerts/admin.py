"""The admin pages of alerts and deliveries, and the alert rule on the page of its watchlist."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from accounts.admin import ReadOnlyAdmin, SingleInline, actor_of
from alerts import selectors, services
from alerts.models import Alert, Delivery, Rule, Severity
from recognition.admin import WatchlistAdmin
from recognition.models import Watchlist


class RuleInline(SingleInline):
    model = Rule
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
        "watchlist_name",
        "camera_name",
        "severity",
        "similarity",
        "state",
    ]
    list_filter = ["state", "severity", ("event", admin.EmptyFieldListFilter), "camera"]
    search_fields = ["person_name", "watchlist_name", "camera_name"]
    fields = [
        "person_name",
        "watchlist_name",
        "camera_name",
        "severity",
        "similarity",
        "threshold",
        "captured_at",
        "created_at",
        "state",
        "acknowledged_by",
        "acknowledged_at",
        "sighting",
        "event",
    ]
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alert]:
        return selectors.alerts()


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """What became of each alert on its way; what was not sent yet is tried again every few seconds."""

    list_display = ["alert", "channel", "created_at", "sent_at", "attempts"]
    list_filter = ["channel", ("sent_at", admin.EmptyFieldListFilter)]
    list_select_related = ["alert__event"]
    fields = ["alert", "channel", "created_at", "sent_at", "attempts"]
    show_full_result_count = False
