"""The admin pages of people and watchlists. Adding a person leads to enrolment, which takes photos."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.admin import RoomAdmin, RowsInline, actor_of
from recognition import selectors, services, watchlist_services
from recognition.errors import RecognitionError
from recognition.models import Category, Person, Watchlist, WatchlistEntry
from recognition.names import clean_name


class NameForm(forms.ModelForm):  # type: ignore[type-arg]
    """Says of a name that can not be used why not."""

    def clean_name(self) -> str:
        try:
            return clean_name(self.cleaned_data["name"])
        except RecognitionError as error:
            raise ValidationError(str(error)) from None


class EntriesAdmin(RoomAdmin):
    """A page with watchlist entries in it, which services write."""

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        if formset.model is not WatchlistEntry:
            super().save_formset(request, form, formset, change)
            return
        actor = actor_of(request)
        changed = formset.save(commit=False)
        moved = WatchlistEntry.objects.filter(pk__in=[entry.pk for entry in changed if entry.pk])
        places = {(entry.watchlist_id, entry.person_id) for entry in changed}
        for entry in [*formset.deleted_objects, *moved.select_related("watchlist", "person")]:
            if entry in formset.deleted_objects or (entry.watchlist_id, entry.person_id) not in places:
                watchlist_services.remove_from_watchlist(actor=actor, watchlist=entry.watchlist, person=entry.person)
        for entry in changed:
            watchlist_services.add_to_watchlist(
                actor=actor,
                watchlist=entry.watchlist,
                person=entry.person,
                reason=entry.reason,
                starts_at=entry.starts_at,
                expires_at=entry.expires_at,
            )


class EntriesInline(RowsInline):
    """Watchlist entries of one person or one watchlist, a page of them at a time: a watchlist may have thousands."""

    model = WatchlistEntry
    per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[WatchlistEntry]:
        found: QuerySet[WatchlistEntry] = super().get_queryset(request)
        return found.select_related("watchlist", "person").order_by("id")


class PersonEntries(EntriesInline):
    fields = ["watchlist", "reason", "starts_at", "expires_at"]
    verbose_name_plural = "on watchlists"


class WatchlistEntries(EntriesInline):
    fields = ["person", "reason", "starts_at", "expires_at"]
    autocomplete_fields = ["person"]
    verbose_name_plural = "people"


@admin.register(Person)
class PersonAdmin(EntriesAdmin):
    form = NameForm
    list_display = ["name", "templates", "on_watchlists", "created_at"]
    list_filter = ["entries__watchlist"]
    search_fields = ["name"]
    fields = ["name", "notes", "templates", "created_at", "created_by"]
    readonly_fields = ["templates", "created_at", "created_by"]
    inlines = [PersonEntries]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Person]:
        return selectors.people()

    @admin.display(ordering="template_count")
    def templates(self, person: Any) -> int:
        return int(person.template_count)

    @admin.display(description="watchlists")
    def on_watchlists(self, person: Person) -> str:
        return ", ".join(entry.watchlist.name for entry in person.entries.all())

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return redirect("enrol")

    def save_model(self, request: HttpRequest, obj: Person, form: Any, change: bool) -> None:
        services.rename_person(actor=actor_of(request), person=obj, name=obj.name, notes=obj.notes)

    def delete_model(self, request: HttpRequest, obj: Person) -> None:
        services.delete_person(actor=actor_of(request), person=obj)


@admin.register(Watchlist)
class WatchlistAdmin(EntriesAdmin):
    form = NameForm
    list_display = ["name", "category", "people_count", "threshold", "is_active"]
    list_filter = ["category", "is_active"]
    search_fields = ["name"]
    fields = ["name", "category", "purpose", "legal_basis", "threshold", "is_active"]
    inlines = [WatchlistEntries]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Watchlist]:
        return selectors.watchlists()

    @admin.display(description="people", ordering="people_count")
    def people_count(self, watchlist: Any) -> int:
        return int(watchlist.people_count)

    def save_model(self, request: HttpRequest, obj: Watchlist, form: Any, change: bool) -> None:
        values: dict[str, Any] = {
            "name": obj.name,
            "category": Category(obj.category),
            "purpose": obj.purpose,
            "legal_basis": obj.legal_basis,
            "threshold": obj.threshold,
            "is_active": obj.is_active,
        }
        if change:
            watchlist_services.change_watchlist(actor=actor_of(request), watchlist=obj, **values)
        else:
            adopt(obj, watchlist_services.create_watchlist(actor=actor_of(request), **values))

    def delete_model(self, request: HttpRequest, obj: Watchlist) -> None:
        watchlist_services.delete_watchlist(actor=actor_of(request), watchlist=obj)


def adopt(form_row: Model, saved: Model) -> None:
    """Makes the form's row the one that a service has saved, for whatever the admin does with it after."""
    form_row.pk = saved.pk
    form_row._state.adding = False
    form_row.refresh_from_db()
