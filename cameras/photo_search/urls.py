"""Pages of searches by photo."""

from __future__ import annotations

from django.urls import path

from cameras.photo_search import views

urlpatterns = [
    path("", views.photo_searches, name="photo_searches"),
    path("<uuid:pk>/", views.photo_search, name="photo_search"),
    path("<uuid:pk>/start/", views.start, name="photo_search_start"),
    path("<uuid:pk>/pictures/", views.stored_pictures, name="photo_search_pictures"),
    path("<uuid:pk>/cancel/", views.cancel, name="photo_search_cancel"),
    path("<uuid:pk>/delete/", views.delete, name="photo_search_delete"),
]
