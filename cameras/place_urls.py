"""Pages below /places/: zones, site plans, groups of cameras."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from cameras import place_views, zone_views

urlpatterns: list[URLPattern | URLResolver] = [
    path("", place_views.overview, name="places"),
    path("zones/add/", zone_views.add_zone, name="zone_add"),
    path("zones/<int:pk>/", zone_views.edit_zone, name="zone_edit"),
    path("zones/<int:pk>/remove/", zone_views.remove_zone, name="zone_remove"),
    path("plans/add/", place_views.add_plan, name="plan_add"),
    path("plans/<int:pk>/", place_views.plan, name="plan"),
    path("plans/<int:pk>/image/", place_views.plan_image, name="plan_image"),
    path("plans/<int:pk>/remove/", place_views.remove_plan, name="plan_remove"),
    path("groups/add/", place_views.add_group, name="group_add"),
    path("groups/<int:pk>/", place_views.edit_group, name="group_edit"),
    path("groups/<int:pk>/remove/", place_views.remove_group, name="group_remove"),
]
