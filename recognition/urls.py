"""Pages below /people/. The page of one person is in the cameras room, because it tells where they were seen."""

from __future__ import annotations

from django.urls import path

from recognition import views, watchlist_views

urlpatterns = [
    path("", views.people, name="people"),
    path("enrol/", views.enrol, name="enrol"),
    path("identify/", views.identify, name="identify"),
    path("<int:pk>/edit/", views.edit_person, name="person_edit"),
    path("<int:pk>/photos/", views.add_photos, name="person_photos"),
    path("<int:pk>/delete/", views.delete_person, name="person_delete"),
    path("<int:pk>/portrait.jpg", views.portrait, name="portrait"),
    path("watchlists/", watchlist_views.watchlists, name="watchlists"),
    path("watchlists/add/", watchlist_views.add_watchlist, name="watchlist_add"),
    path("watchlists/<int:pk>/edit/", watchlist_views.edit_watchlist, name="watchlist_edit"),
]
