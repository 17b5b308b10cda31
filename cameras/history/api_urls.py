"""Routes below /api/: where and when somebody was seen: pages, filters, exports."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
