"""The routes of people, watchlists and the search, below /api/."""

from __future__ import annotations

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from recognition import api, api_batches, api_merging, pack_api

router = SimpleRouter(trailing_slash=False)
router.register("people", api.PeopleView, basename="api-person")
router.register("watchlists", api.WatchlistsView, basename="api-watchlist")
router.register("batches", api_batches.BatchesView, basename="api-batch")

urlpatterns = [
    path("v1/people/duplicates", api_merging.DuplicatesView.as_view(), name="api-duplicates"),
    path("v1/people/<int:pk>/merge", api_merging.MergeView.as_view(), name="api-merge"),
    path("v1/people/<int:pk>/distinct", api_merging.DistinctView.as_view(), name="api-distinct"),
    path("v1/", include(router.urls)),
    path("v1/watchlists/<int:watchlist>/entries", api.EntriesView.as_view({"get": "list", "post": "create"})),
    path("v1/watchlists/<int:watchlist>/entries/<int:person>", api.EntriesView.as_view({"delete": "destroy"})),
    path("v1/identify", api.IdentifyView.as_view(), name="api-identify"),
    path("v1/models", pack_api.ModelsView.as_view(), name="api-models"),
    path("v1/models/<slug:name>/use", pack_api.UseModelView.as_view(), name="api-model-use"),
    path("v1/models/switches/<int:pk>", pack_api.SwitchView.as_view(), name="api-model-switch"),
    path("v1/models/switches/<int:pk>/confirm", pack_api.ConfirmSwitchView.as_view(), name="api-model-confirm"),
    path("face/upload", api.FaceUploadView.as_view(), name="api-face-upload"),
    path("face/list", api.FaceListView.as_view(), name="api-face-list"),
]
