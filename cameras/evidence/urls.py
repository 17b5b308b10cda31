"""Pages below /identities/: evidence."""

from __future__ import annotations

from django.urls import path

from cameras.evidence import views

urlpatterns = [path("<int:pk>/evidence/", views.evidence, name="evidence")]
