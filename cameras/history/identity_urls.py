"""Pages below /identities/ about where and when somebody was seen. What puts them right: cameras.identities."""

from __future__ import annotations

from django.urls import path

from cameras.history import export_views, views

urlpatterns = [
    path("<int:pk>/", views.identity, name="identity"),
    path("<int:pk>/label/", views.label, name="identity_label"),
    path("<int:pk>/export.<slug:kind>", export_views.export_identity, name="identity_export"),
]
