"""Routes below /api/: one person over many sightings: linking, conflicts, corrections, proposals."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
