"""The dashboard and the pages of alerts. Mounted at the root, so the page of a person (cameras.history) is here too."""

from __future__ import annotations

from django.urls import path

from alerts import views
from cameras import history

urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("people/<int:pk>/", history.person, name="person"),
    path("alerts/", views.alert_list, name="alerts"),
    path("alerts/<int:pk>/", views.alert, name="alert"),
    path("alerts/<int:pk>/acknowledge/", views.acknowledge, name="alert_acknowledge"),
]
