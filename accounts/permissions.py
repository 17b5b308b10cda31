"""What an API user may do follows from Django's permissions, reading included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import DjangoModelPermissions
from rest_framework.request import Request

if TYPE_CHECKING:
    from rest_framework.views import APIView  # imports this module itself, for its default permissions

_READ = ["%(app_label)s.view_%(model_name)s"]


class ModelPermissions(DjangoModelPermissions):
    """Asks for `view_…` to read and for `add_…`, `change_…`, `delete_…` to write.

    A view or an action whose method does not say what it does names its own in `required_permissions`.
    """

    perms_map = DjangoModelPermissions.perms_map | {"GET": _READ, "HEAD": _READ}

    def has_permission(self, request: Request, view: APIView) -> bool:
        asked = getattr(view, "required_permissions", None)
        if asked is None:
            return super().has_permission(request, view)
        return request.user.is_authenticated and request.user.has_perms(asked)
