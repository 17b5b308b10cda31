"""Pages below /follow/: following one identity live."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from cameras.follow import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.follows, name="follows"),
    path("<int:pk>/", views.follow, name="follow"),
    path("<int:pk>/start/", views.start, name="follow_start"),
    path("<int:pk>/stop/", views.stop, name="follow_stop"),
]
