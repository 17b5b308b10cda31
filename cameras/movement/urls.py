"""Pages below /movement/."""

from __future__ import annotations

from django.urls import path

from cameras.movement import person_views, views

urlpatterns = [
    path("", views.everywhere, name="movement"),
    path("compare/", person_views.compare, name="movement_compare"),
    path("cameras/<int:pk>/", views.camera, name="movement_camera"),
    path("plans/<int:pk>/", views.plan, name="movement_plan"),
    path("identities/<int:pk>/", person_views.identity, name="movement_identity"),
]
