"""Every door of the house. The rooms say themselves what lies behind."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("accounts.urls")),
    path("people/", include("recognition.urls")),
    path("models/", include("recognition.pack_urls")),
    path("cameras/", include("cameras.urls")),
    path("wall/", include("cameras.wall_urls")),
    path("places/routes/", include("cameras.topology.urls")),
    path("places/", include("cameras.place_urls")),
    path("history/", include("cameras.history.urls")),
    path("identities/", include("cameras.history.identity_urls")),
    path("identities/", include("cameras.evidence.urls")),
    path("identities/", include("cameras.identities.urls")),
    path("search/", include("cameras.photo_search.urls")),
    path("movement/", include("cameras.movement.urls")),
    path("follow/", include("cameras.follow.urls")),
    path("rules/", include("alerts.rule_urls")),
    path("channels/", include("alerts.channel_urls")),
    path("", include("alerts.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/docs/", login_required(SpectacularSwaggerView.as_view(url_name="api-schema")), name="api-docs"),
    path("api/", include("recognition.api_urls")),
    path("metrics", include("recognition.metrics_urls")),
    path("api/", include("cameras.api_urls")),
    path("api/", include("cameras.place_api_urls")),
    path("api/", include("cameras.topology.api_urls")),
    path("api/", include("cameras.identities.api_urls")),
    path("api/", include("cameras.history.api_urls")),
    path("api/", include("cameras.photo_search.api_urls")),
    path("api/", include("cameras.movement.api_urls")),
    path("api/", include("alerts.rule_api_urls")),
    path("api/", include("alerts.api_urls")),
]

handler500 = "config.errors.server_error"
