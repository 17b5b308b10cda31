"""Routes below /api/: search by photo over people and over all past sightings."""

from __future__ import annotations

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from cameras.photo_search import api

router = SimpleRouter(trailing_slash=False)
router.register("photo-searches", api.PhotoSearchesView, basename="api-photo-search")

urlpatterns = [path("v1/", include(router.urls))]
