"""The routes of alerts, below /api/; and, as the last room asked, the answer where no room has a route."""

from __future__ import annotations

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from alerts import api

router = SimpleRouter(trailing_slash=False)
router.register("alerts", api.AlertsView, basename="api-alert")

urlpatterns = [
    path("v1/", include(router.urls)),
    path("alerts/latest", api.LatestAlertsView.as_view(), name="api-alerts-latest"),
    path("<path:rest>", api.NothingView.as_view()),
]
