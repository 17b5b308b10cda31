"""The page below /wall/."""

from __future__ import annotations

from django.urls import path

from cameras.wall import wall

urlpatterns = [path("", wall, name="wall")]
