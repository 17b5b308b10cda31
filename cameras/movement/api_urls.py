"""Routes below /api/: how people move: sums, figures, drawings and pages."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
