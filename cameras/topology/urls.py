"""Pages: the ways between cameras: stated, learned, and their pages."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
