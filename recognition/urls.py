"""Pages below /people/. The page of one person is in the cameras room, because it tells where they were seen."""

from __future__ import annotations

from django.urls import path
from django.views.generic import RedirectView

from recognition import batch_views, duplicate_views, enrol_views, views, watchlist_views

urlpatterns = [
    path("", views.people, name="people"),
    path("enrol/", enrol_views.enrol, name="enrol"),
    path("enrol/<uuid:pk>/", enrol_views.decide, name="enrol_decide"),
    path("duplicates/", duplicate_views.look_alikes, name="duplicates"),
    path("duplicates/apart/", duplicate_views.told_apart, name="duplicates_apart"),
    path("<int:pk>/merge/", duplicate_views.merge, name="person_merge"),
    path("imports/", batch_views.imports, name="imports"),
    path("imports/<int:pk>/", batch_views.one_import, name="import"),
    path("imports/<int:pk>/report.csv", batch_views.import_report, name="import_report"),
    path("imports/<int:pk>/cancel/", batch_views.cancel_import, name="import_cancel"),
    path("identify/", RedirectView.as_view(pattern_name="photo_searches"), name="identify"),
    path("<int:pk>/edit/", views.edit_person, name="person_edit"),
    path("<int:pk>/photos/", enrol_views.add_photos, name="person_photos"),
    path("<int:pk>/delete/", views.delete_person, name="person_delete"),
    path("<int:pk>/portrait.jpg", views.portrait, name="portrait"),
    path("watchlists/", watchlist_views.watchlists, name="watchlists"),
    path("watchlists/add/", watchlist_views.add_watchlist, name="watchlist_add"),
    path("watchlists/<int:pk>/edit/", watchlist_views.edit_watchlist, name="watchlist_edit"),
]
