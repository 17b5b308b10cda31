"""The route of /metrics."""

from __future__ import annotations

from django.urls import path

from recognition.metrics import MetricsView

urlpatterns = [path("", MetricsView.as_view(), name="metrics")]
