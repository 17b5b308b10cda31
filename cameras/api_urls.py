"""The routes of cameras and sightings, below /api/."""

from __future__ import annotations

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from cameras import api

router = SimpleRouter(trailing_slash=False)
router.register("cameras", api.CamerasView, basename="api-camera")
router.register("sightings", api.SightingsView, basename="api-sighting")

urlpatterns = [
    path("v1/", include(router.urls)),
    path("v1/people/<int:person>/sightings", api.PersonSightingsView.as_view({"get": "list"})),
    path("v1/cameras/<int:camera>/events", api.CameraEventsView.as_view({"get": "list"})),
    path("v1/cameras/<int:camera>/hours", api.CameraHoursView.as_view({"get": "list"})),
    path("camera/status", api.CameraStatusView.as_view(), name="api-camera-status"),
]
