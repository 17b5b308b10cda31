"""The routes of people, watchlists and the search, below /api/."""

from __future__ import annotations

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from recognition import api

router = SimpleRouter(trailing_slash=False)
router.register("people", api.PeopleView, basename="api-person")
router.register("watchlists", api.WatchlistsView, basename="api-watchlist")

urlpatterns = [
    path("v1/", include(router.urls)),
    path("v1/watchlists/<int:watchlist>/entries", api.EntriesView.as_view({"get": "list", "post": "create"})),
    path("v1/watchlists/<int:watchlist>/entries/<int:person>", api.EntriesView.as_view({"delete": "destroy"})),
    path("v1/identify", api.IdentifyView.as_view(), name="api-identify"),
    path("face/upload", api.FaceUploadView.as_view(), name="api-face-upload"),
    path("face/list", api.FaceListView.as_view(), name="api-face-list"),
]
