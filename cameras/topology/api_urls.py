"""The API of the ways between cameras, below /api/."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path
from rest_framework.routers import SimpleRouter

from cameras.topology import api

router = SimpleRouter(trailing_slash=False)
router.register("routes", api.RoutesView, basename="api-route")
router.register("travel-times", api.TravelTimesView, basename="api-travel-time")

urlpatterns: list[URLPattern | URLResolver] = [path("v1/", include(router.urls))]
