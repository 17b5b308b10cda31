"""Pages below /places/routes/: the ways between cameras."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from cameras.topology import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.routes, name="routes"),
    path("add/", views.add_route, name="route_add"),
    path("overlap/", views.answer, name="route_overlap"),
    path("<int:pk>/", views.edit_route, name="route_edit"),
    path("<int:pk>/remove/", views.remove_route, name="route_remove"),
]
