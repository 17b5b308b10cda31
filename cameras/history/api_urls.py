"""Routes below /api/: where and when somebody was seen."""

from __future__ import annotations

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from cameras.history import api

router = SimpleRouter(trailing_slash=False)
router.register("identities", api.IdentitiesView, basename="api-identity")

urlpatterns = [
    path("v1/", include(router.urls)),
    path("v1/history/export", api.HistoryExportView.as_view(), name="api-history-export"),
]
