"""Pages below /history/."""

from __future__ import annotations

from django.urls import path

from cameras.history import export_views, views

urlpatterns = [
    path("", views.history, name="history"),
    path("export.<slug:kind>", export_views.export_history, name="history_export"),
]
