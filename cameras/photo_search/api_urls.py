"""Routes below /api/: search by photo over people and over all past sightings."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
