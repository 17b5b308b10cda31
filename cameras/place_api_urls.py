"""The API of zones, site plans and groups of cameras, below /api/."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path
from rest_framework.routers import SimpleRouter

from cameras import place_api

router = SimpleRouter(trailing_slash=False)
router.register("zones", place_api.ZonesView, basename="api-zone")
router.register("plans", place_api.PlansView, basename="api-plan")
router.register("camera-groups", place_api.GroupsView, basename="api-camera-group")

urlpatterns: list[URLPattern | URLResolver] = [path("v1/", include(router.urls))]
