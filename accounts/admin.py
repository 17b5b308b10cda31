"""The admin site's own parts, and the pages of users, groups, API keys and the audit trail.

Rows of Lynceus are written by services only, so that every change is in the audit trail. Users and groups
have Django's own forms; what is done to them is recorded from the admin's log.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import ForeignKey, Model, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest
from unfold.admin import ModelAdmin, StackedInline, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.models import ApiKey, AuditEvent, User
from accounts.services import create_api_key, record, revoke_api_key


class RoomAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """What all pages of the admin site have in common."""

    warn_unsaved_form = True
    list_filter_submit = True

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Several rows go the way that one goes."""
        for row in queryset:
            self.delete_model(request, row)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list[Any], dict[str, int], set[str], Any]:
        """What belongs to a row goes with it, also where it is only looked at here (a watchlist's rule, a user's
        places): whoever may delete the row, which is asked before, may do that."""
        shown, counts, _, protected = super().get_deleted_objects(objs, request)
        return shown, counts, set(), protected


class RowsInline(TabularInline):  # type: ignore[misc]
    """Rows that belong to what the page is about."""

    extra = 0


class SingleInline(StackedInline):  # type: ignore[misc]
    """The one row that belongs to what the page is about; it comes and goes with it."""

    extra = 0
    max_num = 1
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyAdmin(RoomAdmin):
    """What may be looked at here, and is written elsewhere."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class RecordedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Whatever the admin's own log is told goes into the audit trail too."""

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        self._record(request, "created", obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        self._record(request, "changed", obj)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        for obj in queryset:
            self._record(request, "deleted", obj)
        return super().log_deletions(request, queryset)

    def _record(self, request: HttpRequest, verb: str, obj: Model) -> None:
        target = f"{obj._meta.verbose_name} {obj.pk}"
        record(actor=actor_of(request), verb=verb, target=target, name=str(obj))


admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(RecordedAdmin, DjangoUserAdmin, RoomAdmin):  # type: ignore[type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(RecordedAdmin, DjangoGroupAdmin, RoomAdmin):
    """The roles. Those that Lynceus comes with get their own permissions back with every update."""


@admin.register(ApiKey)
class ApiKeyAdmin(RoomAdmin):
    """Credentials of programs. The secret is shown once, when the key is made."""

    list_display = ["name", "prefix", "user", "created_at", "expires_at", "last_used_at"]
    list_select_related = ["user"]
    search_fields = ["name", "prefix", "user__username"]
    fields = ["name", "user", "expires_at"]

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        """Nobody gets more rights by a key: only a superuser makes keys for others."""
        if db_field.name == "user" and not actor_of(request).is_superuser:
            kwargs["queryset"] = User.objects.filter(pk=actor_of(request).pk)
        field: ModelChoiceField[Any] | None = super().formfield_for_foreignkey(db_field, request, **kwargs)
        return field

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        key, secret = create_api_key(actor=actor_of(request), user=obj.user, name=obj.name, expires_at=obj.expires_at)
        obj.pk, obj.prefix = key.pk, key.prefix
        messages.warning(request, f"Copy the key now, it is not shown again: {secret}")

    def delete_model(self, request: HttpRequest, obj: ApiKey) -> None:
        revoke_api_key(actor=actor_of(request), key=obj)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """Who did what, and when."""

    list_display = ["at", "actor_name", "verb", "target", "detail"]
    list_filter = ["verb", "at"]
    search_fields = ["actor_name", "target"]
    fields = ["at", "actor_name", "verb", "target", "detail"]
    show_full_result_count = False


def actor_of(request: HttpRequest) -> User:
    """Who is signed in: on the admin site always somebody."""
    if not isinstance(request.user, User):
        raise TypeError("The admin site answered somebody who is not signed in.")
    return request.user
